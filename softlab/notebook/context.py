"""A network's numbers beside those of the networks on record at the nearest setting: less sure than nine of ten.

Nearest is the setting with the number of classes, the channels and the plain networks' accuracy that come closest, in
this order. It is another setting all the same: marks to read a number by, no comparison of methods.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from softlab.errors import SoftlabError
from softlab.numbers.quantities import QUANTITIES
from softlab.studies import records
from softlab.studies.across_settings import SETTINGS

MARKED = {"baseline": "plain", "label_smoothing": "label smoothing", "cutmix": "CutMix"}
# What it is to have less, and more, of a quantity than others; those that are shown, in this order.
WORDS = {
    "accuracy": ("right less often", "right more often"),
    "mean confidence": ("less sure", "surer"),
    "gap": ("less overconfident", "more overconfident"),
    "ECE": ("better calibrated", "worse calibrated"),
    "temperature": ("with a lower best temperature", "with a higher best temperature"),
    "AURC": ("better at telling which answers are wrong", "worse at telling which answers are wrong"),
    "log margin": ("with a smaller margin", "with a larger margin"),
    "log length": ("with shorter logits", "with longer logits"),
    "alignment": ("with logits less along one class", "with logits more along one class"),
    "log slope": ("less steep", "steeper"),
    "robust, 1/255": ("right less often under attack", "right more often under attack"),
    "corrupted": ("right less often on corrupted images", "right more often on corrupted images"),
    "spread, logits": ("with tighter classes", "with looser classes"),
    "apex ratio": ("with a tip of the cones nearer to the origin", "with a tip of the cones further from the origin"),
}
SAID = ("mean confidence", "gap", "AURC", "log slope", "robust, 1/255")  # in a sentence
FEWEST = 5  # networks that a strip is drawn of


@dataclass(frozen=True)
class Setting:
    """Networks on record, and what tells how near they are."""

    name: str
    classes: int
    channels: int
    table: pandas.DataFrame


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
    """A network's numbers beside those on record; None where there are none, or none that both have.

    classes, channels: of the network and its images (None: not known).
    """
    try:
        known = _settings()
    except SoftlabError:  # records are not installed
        return None
    if not known:
        return None

    def distance(one: Setting) -> tuple[float, bool, float]:
        plain = one.table.loc[one.table["method"] == "baseline", "accuracy"].mean()
        other = channels is not None and one.channels != channels
        return abs(math.log(classes / one.classes)), other, abs(plain - numbers["accuracy"])

    setting = min(known, key=distance)
    strips = {name: strip for name in WORDS if (strip := _strip(name, numbers.get(name, math.nan), setting.table))}
    return Context(setting.name, len(setting.table), strips) if strips else None


@functools.cache
def _settings() -> Sequence[Setting]:
    """The settings on record: those that the book compares, and a hundred classes."""
    found = []
    tables = records.by_profile("core")
    about = records.about("core")
    for profile in (one for one in SETTINGS if one in tables):
        channels = 1 if about[profile]["experiment"]["data"].startswith("fashion") else 3
        found.append(Setting(about[profile]["description"], 10, channels, tables[profile]))
    for profile, table in records.by_profile("hundred").items():
        described = records.about("hundred")[profile]["description"]
        found.append(Setting(f"{described}, a hundred classes", 100, 3, table))
    return found


def _strip(name: str, value: float, table: pandas.DataFrame) -> Strip | None:
    """One number beside those of a table; None where it, or nearly all of them, are not there."""
    quantity = QUANTITIES[name]
    there = table.loc[np.isfinite(table[name]), ["method", name]]
    if not math.isfinite(value) or len(there) < FEWEST:
        return None
    means = there.groupby("method")[name].mean()
    return Strip(
        label=quantity.label,
        value=quantity.factor * value,
        others=tuple(quantity.factor * float(one) for one in there[name]),
        marks={method: quantity.factor * float(means[method]) for method in MARKED if method in means.index},
        words=_words(name, value, there[name].to_numpy(dtype=float)),
        digits=quantity.digits,
    )


def _words(name: str, value: float, others: np.ndarray) -> str:
    """`less sure than 31 of 35`; `in their middle` where about as many lie on both sides."""
    less, more = WORDS[name]
    above = int((others > value).sum())
    below = int((others < value).sum())
    if max(above, below) <= 0.65 * len(others):
        return f"in their middle as to {QUANTITIES[name].label.removesuffix(' (%)').removesuffix(' (points)')}"
    word, count = (less, above) if above > below else (more, below)
    return f"{word} than all {count}" if count == len(others) else f"{word} than {count} of {len(others)}"
