"""A network's numbers beside those of networks that are known already: less sure than nine of ten.

Who offers such numbers (softlab.plugins) chooses the setting that is nearest. It is another setting all the same: marks
to read a number by, no comparison of methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from softlab.plugins import offered

MARKED = {"baseline": "plain", "label_smoothing": "label smoothing", "cutmix": "CutMix"}
SAID = ("mean confidence", "gap", "AURC", "log slope", "robust, 1/255")  # in a sentence


@dataclass(frozen=True)
class Strip:
    """One number beside others, in the units in which it is written.

    value: the network's.  others: of every network.  marks: method -> its mean.  words: where it lies.
    """

    label: str
    value: float
    others: tuple[float, ...]
    marks: Mapping[str, float]
    words: str
    digits: int

    @property
    def text(self) -> str:
        return f"{self.value:z.{self.digits}f}"

    @property
    def range(self) -> str:
        """The ends of the others."""
        return f"{min(self.others):z.{self.digits}f} to {max(self.others):z.{self.digits}f}"

    def across(self, value: float) -> float:
        """Where a value lies on the strip, in percent of its width."""
        low = min(self.value, *self.others)
        high = max(self.value, *self.others)
        return 3 + 94 * (value - low) / (high - low) if high > low else 50.0


@dataclass(frozen=True)
class Context:
    """The setting on record that is nearest, how many networks it has, and a strip for each number that both have."""

    setting: str
    count: int
    strips: Mapping[str, Strip]

    def sentence(self) -> str:
        """Where the main numbers lie."""
        places = [self.strips[name].words for name in SAID if name in self.strips]
        places = places or [strip.words for strip in self.strips.values()]
        return (
            f"Beside the {self.count} networks on record at the nearest setting ({self.setting}) it is "
            f"{'; '.join(places)}. These are marks to read its numbers by: the setting is another."
        )


def beside(numbers: Mapping[str, float], classes: int, channels: int | None = None) -> Context | None:
    """A network's numbers beside those that are known; None where nobody offers any.

    classes, channels: of the network and its images (None: not known).
    """
    known = offered("records")
    return known.context(numbers, classes, channels) if known else None
