"""What judges laws of studies/laws.yml that are no plain effect of a method."""

from collections.abc import Sequence

import numpy as np
import pandas

from softbook.studies import margins, records, robustness
from softlab.comparison.effects import half_way, ways
from softlab.comparison.intervals import OPEN, Interval, jackknife, t_interval


def difference_of_corners(profile: str, corners: Sequence[Sequence[int]], of: str, method: str) -> Interval:
    """What a method does at one number of training images and steps, less what it does at another."""
    cells = robustness.cells_of(profile)
    if not {(images, steps) for images, steps in corners} <= cells.keys():
        return OPEN
    here, there = (cells[images, steps] for images, steps in corners)
    return robustness.effect_apart(here, there, of, method).shown


def epochs_between_half_ways(profile: str, method: str, first: str, second: str) -> Interval:
    """Of each seed: the epoch at which one quantity is half its way, less that at which another is."""
    along = records.snapshots("core")[profile]
    sooner, later = (half_way(ways(along, quantity)[method]) for quantity in (first, second))
    return t_interval((pandas.Series(later) - pandas.Series(sooner)).dropna().to_numpy()).of(along, second)


def estimate_over_methods(measure: str) -> Interval:
    """How the estimate from one gradient does over methods and strengths at A, 4/255, leaving out a method at a time.

    measure: `error`, the mean of |Ê − R| in points; `beyond one step`, that less the error of one step of FGSM;
    `skill`, on differences to plain training, 1 at most.
    """
    every = margins.estimate_units(records.by_profile("many")["quick-fp32"], "4/255")
    units = every.loc[every["method"] != "baseline"]
    plain = every.loc[every["method"] == "baseline"].iloc[0]

    def error(some: pandas.DataFrame, of: str = "estimate") -> float:
        return float(np.abs(some[of] - some["attacked"]).mean())

    measures = {
        "error": error,
        "beyond one step": lambda some: error(some) - error(some, "one_step"),
        "skill": lambda some: margins.skill(some, plain),
    }
    return jackknife(units, "method", measures[measure])


def bound_and_strength(of: str) -> Interval:
    """Points under attack by bound and strength of the penalty on length at A, of each seed.

    of: `difference`, the main effect of the bound (that of the smaller scale, alpha .1) less that of the strength (that
    of 1), or `interaction`.
    """
    table = records.by_profile("bound_or_strength")["quick-fp32"]
    cells = table.pivot(index="seed", columns=["alpha", "strength"], values="robust, 4/255").dropna() * 100
    tight = cells[0.1]
    loose = cells[0.0001]
    pulled_tight = tight[1.0] - tight[0.01]
    pulled_loose = loose[1.0] - loose[0.01]
    bound = (tight - loose).mean(axis=1)
    effects = {"difference": bound - (pulled_tight + pulled_loose) / 2, "interaction": pulled_tight - pulled_loose}
    return t_interval(effects[of].to_numpy())


def difference_at_ratio(owner: str) -> Interval:
    """Points more that keep their class with label smoothing at A, both biases scaled to the ratio of one of the two.

    owner: baseline or label_smoothing, each seed's own ratio of the bias to the logits.
    """
    table = records.by_profile("core")["quick-fp32"]
    own = table.loc[table["method"] == owner]
    ratios = [*zip(own["seed"], own["log bias over length"].to_numpy(float), strict=True)]
    kept = {
        method: [100 * _kept_at(table, method, seed, ratio) for seed, ratio in ratios]
        for method in ("label_smoothing", "baseline")
    }
    return t_interval(np.subtract(kept["label_smoothing"], kept["baseline"]))


def _kept_at(table: pandas.DataFrame, method: str, seed: int, log_ratio: float) -> float:
    """The share of images that keep their class, with the bias scaled to this ratio, between recorded ratios."""
    prefix = "constant class, ratio "
    row = table[(table["method"] == method) & (table["seed"] == seed)].iloc[0]
    ratios = sorted(float(name.removeprefix(prefix)) for name in table if name.startswith(prefix))
    return float(np.interp(log_ratio, np.log(ratios), [row[f"{prefix}{ratio}"] for ratio in ratios]))
