"""What strengths of losses do, beside the usual one or at their best; and how long to train on wrong labels."""

import math
from typing import Any

import pandas

from softbook.statements.origin import exactly
from softbook.studies import long_tail, records, tuned
from softbook.studies.prediction import doses_as_methods
from softlab.comparison.effects import by_dose, effects, shares
from softlab.comparison.intervals import Interval, t_interval

USUAL = 0.1
METHOD = "label_smoothing"
PASSES = 45  # of study noisy_labels, which does not vary them


def share_of_usual(of: str, strength: float, profiles: list[str]) -> list[Interval]:
    """What a strength does to a quantity, in percent of what the usual one does, in each of these profiles."""
    return [shares(records.by_profile("dose")[profile], of, USUAL)[strength] for profile in profiles]


def share_of_widening(strength: float, profile: str) -> Interval:
    """How much of the usual strength's widening of margin over length another strength gives: 1 is all of it."""
    table = records.by_profile("dose")[profile]
    ratio: Any = table["log margin"] - table["log length"]
    by = table.assign(ratio=ratio.map(math.exp)).pivot(index="seed", columns="alpha", values="ratio")
    share = (by[strength] - by[0]) / (by[USUAL] - by[0])
    return t_interval(share.to_numpy(float)).of(table, f"share of the widening at α = {strength:g}")


def every_strength(of: str) -> list[Interval]:
    """What each strength on record does to a quantity, in each profile that has several, in the units of the book."""
    found = [effect.shown for table in records.by_profile("dose").values() for effect in by_dose(table, of).values()]
    for table in records.by_profile("strength").values():
        by_strength = effects(doses_as_methods(table), of)
        found += [effect.shown for name, effect in by_strength.items() if name.startswith(f"{METHOD} ")]
    return found


def length_asked(strength: float, classes: int = 10) -> Interval:
    """The length of the logits that a smoothed label asks for, by formula."""
    sure = 1 + classes * (1 - strength) / strength
    return exactly(math.sqrt((classes - 1) / classes) * math.log(sure))


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


def best_passes(profile: str = "quick-fp32") -> Interval:
    """After how many passes plain training on 40 % wrong labels is most accurate on images for fitting."""
    briefly = records.by_profile("noisy_briefly")[profile]
    whole = records.by_profile("noisy_labels")[profile].query("label_noise == 0.4").assign(epochs=PASSES)
    plain: Any = pandas.concat([briefly, whole]).query("method == 'baseline'")
    means = plain.groupby("epochs")["accuracy, fit"].mean()
    return exactly(float(means.idxmax()), len({*briefly["seed"]}))
