"""Classes that a network was never shown."""

from softbook.studies import unknown_classes
from softlab.comparison.intervals import Interval


def noticed(
    method: str,
    score: str,
    kind: str = unknown_classes.HELD_OUT,
    measure: str = "AUROC",
    profile: str = "quick-fp32",
) -> Interval:
    """What a method changes in how well a score tells unknown images from others, over splits: in points."""
    return unknown_classes.change(unknown_classes.recorded(profile), f"{kind}, {score}, {measure}", method)
