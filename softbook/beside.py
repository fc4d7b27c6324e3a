"""What the book offers softlab (softlab.plugins): numbers on record, what papers say, and networks to stand beside.

A network's numbers stand beside those of the networks on record at the nearest setting: less sure than nine of ten.
Nearest is the setting with the number of classes, the channels and the plain networks' accuracy that come closest, in
this order.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from softbook.studies import records
from softbook.studies.across_settings import SETTINGS
from softlab import figures
from softlab.inspector.context import MARKED, Context, Strip
from softlab.numbers.quantities import QUANTITIES
from softlab.training.experiment import Experiment

if TYPE_CHECKING:
    from softlab.inspector.report import ReportCard

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
FEWEST = 5  # networks that a strip is drawn of


@dataclass(frozen=True)
class Setting:
    """Networks on record, and what tells how near they are."""

    name: str
    classes: int
    channels: int
    table: pandas.DataFrame


def recorded(experiment: Experiment, evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The recorded row of an experiment: records.recorded."""
    return records.recorded(experiment, evaluation)


def context(numbers: Mapping[str, float], classes: int, channels: int | None = None) -> Context | None:
    """A network's numbers beside those of the nearest setting on record; None where none is in both.

    classes, channels: of the network and its images (None: not known).
    """
    known = _settings()

    def distance(setting: Setting) -> tuple[float, bool, float]:
        plain = setting.table.loc[setting.table["method"] == "baseline", "accuracy"].mean()
        other = channels is not None and setting.channels != channels
        return abs(math.log(classes / setting.classes)), other, abs(plain - numbers["accuracy"])

    setting = min(known, key=distance)
    strips = {name: strip for name in WORDS if (strip := _strip(name, numbers.get(name, math.nan), setting.table))}
    return Context(setting.name, len(setting.table), strips) if strips else None


@functools.cache
def _settings() -> Sequence[Setting]:
    """The settings on record: those that the book compares, and a hundred classes."""
    settings = []
    tables = records.by_profile("core")
    about = records.about("core")
    for profile in (name for name in SETTINGS if name in tables):
        channels = 1 if about[profile]["experiment"]["data"].startswith("fashion") else 3
        settings.append(Setting(about[profile]["description"], 10, channels, tables[profile]))
    for profile, table in records.by_profile("hundred").items():
        described = records.about("hundred")[profile]["description"]
        settings.append(Setting(f"{described}, a hundred classes", 100, 3, table))
    return settings


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
        others=tuple(quantity.factor * float(number) for number in there[name]),
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


def claims(card: "ReportCard") -> pandas.DataFrame:
    """What the two papers say (papers.yml), read as if each sentence were about a card's method alone."""
    from softbook.statements.papers import papers  # here, as a network beside others needs no papers

    rows = []
    for said in papers().values():
        if effect := card.effects(said.quantity, said.against).get(card.method):
            against = figures.style(said.against).label
            change = f"{effect:+}"
            outcome = said.outcome(effect.interval)
            rows.append((f"{said.paper}: {said.says}", effect.described.changed, against, change, outcome))
    headings = ["claim", "quantity", "against", "difference", "here"]
    return pandas.DataFrame(rows, columns=headings).set_index(headings[0])
