"""Numbers without an uncertainty of their own."""

from softlab.comparison.intervals import Interval


def exactly(value: float, n: int = 1) -> Interval:
    """A formula's value, a count, or the extreme of n others."""
    return Interval(value, value, value, n)
