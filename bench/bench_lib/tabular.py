"""Tables in markdown, padded so that they can be read as they are."""


def table(headings, lines):
    """The first column is text, the others are figures."""
    rows = [headings, *lines]
    # Markdown wants at least two characters below a heading.
    widths = [max(2, *(len(str(row[place])) for row in rows)) for place in range(len(headings))]

    def line(row):
        cells = [str(cell).ljust(width) if place == 0 else str(cell).rjust(width)
                 for place, (cell, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |"
    rule = "| " + " | ".join("-" * width if place == 0 else "-" * (width - 1) + ":"
                             for place, width in enumerate(widths)) + " |"
    return "\n".join([line(headings), rule, *map(line, lines)])


def number(value, digits=0):
    """With a comma at the thousands; a dash for what was not measured."""
    return "–" if value is None else f"{value:,.{digits}f}"


def milliseconds(value):
    return number(value, 2 if value is None or value < 100 else 0)


def mebibytes(kib):
    return number(kib / 1024, 1)


def spread(values, digits=2):
    """Median, with least and most of more than one."""
    if values.least == values.most:
        return number(values.median, digits)
    return (f"{number(values.median, digits)} ({number(values.least, digits)} to "
            f"{number(values.most, digits)})")
