"""Margin and slope beside plain training: together, by other units of length, and set by hand."""

from collections.abc import Sequence

import numpy as np

from softbook.statements.origin import exactly
from softbook.studies import another_slope, margins, records
from softlab.comparison.intervals import Interval, t_interval

SUMS = {  # of quantities with their weights, and what their change is called
    "margin": ({"log margin": 1}, "change of log margin"),
    "slope": ({"log slope": 1}, "change of log slope"),
    "margin over slope": ({"log margin": 1, "log slope": -1}, "change of log margin less that of log slope"),
    "bias": ({"log bias over length": 1, "log logit scale": 1}, "change of the bias's log length"),
    "attacked": ({"robust, 4/255": 100}, "change of accuracy under attack (points)"),
}


def change_over_seeds(profile: str, methods: Sequence[str], of: str) -> list[Interval]:
    """What methods change in one of SUMS, over seeds only: a natural logarithm, or points."""
    weights, called = SUMS[of]
    table = records.by_profile("core")[profile]
    table = table.assign(total=sum(weight * table[quantity] for quantity, weight in weights.items()))
    seeds = sorted(set(table["seed"]))
    return [t_interval(margins.changes(table, method, "total", seeds)).of(table, called) for method in methods]


def change_by_unit(method: str, of: str, units: Sequence[str] = (*margins.NORMALISERS,)) -> list[Interval]:
    """What a method changes at A in log margin or log slope, relative to each of some measures of the logits' size."""
    found = margins.by_normaliser(records.by_profile("core")["quick-fp32"], method)
    return [found[unit][("log margin", "log slope").index(of)] for unit in units]


def difference_at_ratio(owner: str) -> Interval:
    """Points more that keep their class with label smoothing at A, both biases scaled to the ratio of one of the two.

    owner: baseline or label_smoothing, each seed's own ratio of the bias to the logits.
    """
    table = records.by_profile("core")["quick-fp32"]
    own = table.loc[table["method"] == owner]
    ratios = [*zip(own["seed"], own["log bias over length"].to_numpy(float), strict=True)]
    kept = {
        method: [100 * margins.kept_at(table, method, seed, ratio) for seed, ratio in ratios]
        for method in ("label_smoothing", "baseline")
    }
    return t_interval(np.subtract(kept["label_smoothing"], kept["baseline"]))


def fall_of_slope_by_hand(method: str) -> Interval:
    """Percent by which the slope of a method's networks fell where it was set lower by hand."""
    return t_interval(100 * (1 - np.exp(_by_hand(method, "fit, log_slope", another_slope.LOWER))))


def gain_of_slope_by_hand(method: str) -> Interval:
    """Points under attack at 4/255 that a lower slope, set by hand, gains over the sham."""
    lower, sham = (_by_hand(method, "robust, 4/255", tau) for tau in (another_slope.LOWER, another_slope.SHAM))
    return t_interval(100 * (lower - sham))


def slopes_not_admitted(method: str) -> Interval:
    """How many networks with a lower slope, set by hand, do not answer as before."""
    admitted = _by_hand(method, "admitted", another_slope.LOWER)
    return exactly(float((admitted == 0).sum()), len(admitted))


def _by_hand(method: str, column: str, tau: float) -> np.ndarray:
    rows = another_slope.recorded("quick-fp32")
    return rows.loc[(rows["method"] == method) & (rows["tau"] == tau)].sort_values("seed")[column].to_numpy(float)
