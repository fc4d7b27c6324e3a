"""The reasons, as declared and recorded at A, for several pages: set by hand, taken apart, averaged."""

import functools
from collections.abc import Callable, Mapping

import numpy as np

from softbook.claims import exactly, is_open
from softbook.studies import judge, records
from softlab.comparison.intervals import Interval, t_interval

PROFILE = "quick-fp32"


@functools.cache
def verdicts(study: str) -> dict[tuple[str, str], judge.Verdict]:
    """Those of a declared study: {(contrast, setting): verdict}."""
    return {(one.contrast, one.setting): one for one in judge.judged(judge.declarations()[study])}


def declared(study: str, name: str, setting: str) -> Callable[[], Interval]:
    """The interval of a declared contrast, in the units of the book."""
    return lambda: verdicts(study)[name, setting].interval.of(records.by_profile(study)[PROFILE], name)


def pending(study: str) -> set[str]:
    """The letters of the settings at which it is declared and not on record."""
    return {setting for (_, setting), one in verdicts(study).items() if one.word == judge.PENDING}


def park() -> dict[str, judge.Verdict]:
    """The declared contrasts of Park's cosine and the length, set by hand, at A."""
    return {name: one for (name, setting), one in verdicts("park_by_hand").items() if setting == "A"}


def contrast(name: str) -> Callable[[], Interval]:
    """One of them, in the units of its quantity."""
    return declared("park_by_hand", name, "A")


def end_of(name: str, side: str) -> Callable[[], Interval]:
    """The lower or the upper end of its interval."""
    return lambda: exactly(getattr(park()[name].interval, side), park()[name].interval.n)


def within_three(value: Interval) -> bool:
    """Is this declared to be no difference, while the pull alone gains?"""
    same = park()["cosine on robustness"].word == judge.SAME
    return same and abs(value.mean) < 3 and park()["the pull on robustness"].word == "rises"


def apart(name: str, steps: int = 8) -> Callable[[], Interval]:
    """A contrast of CutMix's or Mixup's parts; steps an epoch, of which there are 45."""
    return declared("images_or_labels", name, f"A, steps_per_epoch {steps}")


def of_cells(weights: Mapping[str, float], steps: int) -> Interval:
    """The sum of cells times weights, by seed, in points of robustness; nothing of it was declared."""
    table = records.by_profile("images_or_labels")[PROFILE]
    there = table[table["steps_per_epoch"] == steps].pivot(index="seed", columns="cell", values="robust, 4/255")
    total = there[list(weights)].to_numpy(float) @ np.array(list(weights.values()))
    terms = " ".join(f"{weight:+g} {cell};" for cell, weight in weights.items())
    return t_interval(100 * total).of(table, f"robust, 4/255: {terms}")


def whole_mixup(steps: int) -> Callable[[], Interval]:
    """What Mixup as it is does beside plain training."""
    return lambda: of_cells({"mixup": 1, "plain": -1}, steps)


def labels_pass_too(value: Interval) -> bool:
    """Rises, and CutMix's labels alone bring more than half of its gain after the long training."""
    return value.low > 0 and of_cells({"cutmix, labels alone": 1, "plain": -0.5, "cutmix": -0.5}, 32).low > 0


def averaged(name: str) -> Callable[[], Interval]:
    """A contrast of groups of five networks."""
    return declared("averages", name, "A")


def images_say(value: Interval) -> bool:
    """Rises, and both declared contrasts say "images" after either length of training."""
    names = ("CutMix, under attack", "CutMix, margin over slope")
    words = {
        verdicts("images_or_labels")[name, f"A, steps_per_epoch {steps}"].word for name in names for steps in (8, 32)
    }
    return value.low > 0 and words == {"images"}


def within_margin(value: Interval) -> bool:
    """The declared word for label smoothing's cost in groups is "no difference"."""
    return abs(value.mean) < 0.03 and verdicts("averages")["label smoothing's cost in groups", "A"].word == judge.SAME


def open_and_pending(value: Interval) -> bool:
    """Cannot be told from zero at A, and nothing is on record at B, as the page says."""
    return is_open(value) and pending("averages") == {"B"}
