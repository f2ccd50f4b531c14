"""What a schema can't say of a request, said to Schemathesis: of two times the second is the later
one, and a stay is not over yet; a recipient is measured in bytes; a reservation is that of the lock.
Only requests that are valid as far as the schema goes are touched."""

import datetime

import schemathesis

PAIRS = (("stayStart", "stayEnd"), ("from", "to"))
RELEASES = ("DELETE /v1/locks/{lockId}", "POST /v1/locks/{lockId}/manual-release")
RECIPIENT_BYTES = 320
FIRST = datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)


def parsed(text):
    """The time; None when it is none."""
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return None
    return time if 1970 <= time.year <= 9999 else None


def in_order(values):
    """A copy with pairs of times that follow each other, years in the future."""
    changed = dict(values)
    for first, second in PAIRS:
        begin, end = parsed(values.get(first)), parsed(values.get(second))
        if begin is not None and end is not None:
            day = FIRST + datetime.timedelta(days=begin.toordinal() % 3000)
            nights = datetime.timedelta(days=1 + end.toordinal() % 30)
            changed[first] = day.isoformat().replace("+00:00", "Z")
            changed[second] = (day + nights).isoformat().replace("+00:00", "Z")
    return changed


def fitting(values):
    """The same without what the schema could not know to be wrong."""
    if not isinstance(values, dict):
        return values
    changed = in_order(values)
    for field in ("notify", "recipients"):
        if field in changed:
            changed[field] = [text.encode()[:RECIPIENT_BYTES].decode(errors="ignore")
                              for text in changed[field]]
    if isinstance(changed.get("ttlSeconds"), float):
        changed["ttlSeconds"] = int(changed["ttlSeconds"])  # 1.0 is an integer for a schema
    return changed


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    case.body = fitting(case.body)
    case.query = fitting(case.query)
    # One that is made up is never that of the lock, which is then not found.
    if case.operation.label in RELEASES:
        for values in (case.body, case.query):
            if isinstance(values, dict):
                values.pop("reservationId", None)
