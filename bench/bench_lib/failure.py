"""What ends a benchmark: figures that would mislead are worse than none."""


class BenchFailed(RuntimeError):
    """The benchmark cannot go on, or what it measured is not what it meant to measure."""
