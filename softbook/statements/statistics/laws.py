"""What judges laws of studies/laws.yml that are no plain effect of a method."""

from collections.abc import Sequence

import numpy as np
import pandas

from softbook.studies import another_slope, margins, records, robustness
from softlab.comparison.effects import half_way, ways
from softlab.comparison.intervals import OPEN, Interval, jackknife, t_interval
from softlab.numbers.quantities import QUANTITIES


def difference_of_corners(profile: str, corners: Sequence[Sequence[int]], of: str, method: str) -> Interval:
    """What a method does at one number of training images and steps, less what it does at another."""
    cells = robustness.cells_of(profile)
    if not {(images, steps) for images, steps in corners} <= cells.keys():
        return OPEN
    here, there = (cells[images, steps] for images, steps in corners)
    return robustness.effect_apart(here, there, of, method).shown


def beyond_half(profile: str, of: str, tenth: float, usual: float) -> Interval:
    """Of each seed: what a tenth of label smoothing's usual strength does, less half of what the usual one does."""
    table = records.by_profile("dose")[profile]
    values = table.pivot(index="seed", columns="alpha", values=of)
    values = values.sub(values[0.0], axis=0).dropna()
    beyond = values[tenth].to_numpy(float) - values[usual].to_numpy(float) / 2
    return t_interval(beyond).scaled(QUANTITIES[of].factor).of(table, of)


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


def slope_beyond_margin(method: str) -> Interval:
    """Change of log slope less that of log margin with a method, over the seeds that were declared."""
    table = records.by_profile("core")["quick-fp32"]
    slopes, leads = (margins.changes(table, method, quantity) for quantity in ("log slope", "log margin"))
    return t_interval(slopes - leads)


def gain_where_admitted(method: str) -> Interval:
    """Points that a lower slope, set by hand, gains over the sham, of the doses that were admitted."""
    table = _by_hand(method)
    robust = table.pivot(index="seed", columns="tau", values="robust, 4/255").reindex(columns=[*another_slope.TAUS])
    gains = 100 * (robust[another_slope.LOWER] - robust[another_slope.SHAM]).dropna()
    return _over_seeds(gains.to_numpy(float))


def errors_by_slope(method: str) -> list[Interval]:
    """Points by which the estimate misses the attack at each slope that was set by hand, of the admitted doses."""
    found = []
    for tau, rows in _by_hand(method).groupby("tau"):
        missed = _over_seeds(100 * (rows["estimate, 4/255"] - rows["robust, 4/255"]).abs().to_numpy(float))
        label = pandas.DataFrame()
        label.attrs = {"table": "", "command": ""}
        found.append(missed.of(label, f"{method} at {tau:g} of its slope: |Ê − R| (points)"))
    return found


def _by_hand(method: str) -> pandas.DataFrame:
    table = another_slope.recorded("quick-fp32")
    return table.loc[(table["method"] == method) & table["admitted"]]


def _over_seeds(values: np.ndarray) -> Interval:
    """One that is admitted for fewer than two seeds leaves the law open."""
    return t_interval(values) if len(values) > 1 else OPEN


def bound_and_strength(of: str) -> Interval:
    """Points under attack by bound and strength of the penalty on length at A: an entry of margins.factorial."""
    return margins.factorial(records.by_profile("bound_or_strength")["quick-fp32"])[of]
