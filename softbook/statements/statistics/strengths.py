"""Losses at several strengths, or each at its best: with a long tail of classes, a hundred in colour, and at A."""

from softbook.statements.origin import exactly
from softbook.studies import long_tail, tuned
from softlab.comparison.intervals import Interval


def at_strengths(
    place: str,
    method: str,
    less: str = "label_smoothing",
    strength: float | str = tuned.USUAL,
    less_strength: float | str = tuned.USUAL,
    of: str = long_tail.ALL,
) -> Interval:
    """A loss less another at a place of softbook.studies.tuned: see its `lead`."""
    return tuned.lead(tuned.networks_at(place), method, less, strength, less_strength, of)


def best_strength(place: str, method: str, by: str = "accuracy") -> Interval:
    """The strength at which a method is best on images for fitting: most accurate, or `by` is lowest."""
    return exactly(tuned.best(tuned.networks_at(place), method, by=by))
