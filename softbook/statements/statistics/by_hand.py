"""What was set by hand, one thing at a time, at A unless an argument says otherwise."""

import functools
import itertools
import math

import numpy as np

from softbook.statements.origin import exactly
from softbook.studies import another_slope, interventions, records, robustness
from softbook.studies.prediction import doses_as_methods
from softlab.comparison.effects import Effects, effects
from softlab.comparison.intervals import Interval, t_interval

ROBUST = "robust, 4/255"
LENGTH = "log logit scale"
SURE = "mean confidence"
AHEAD = "log first-order radius"  # margin over slope


def left_at_slope(method: str, tau: float) -> Interval:
    """Accuracy under attack (%) at a slope of `tau` times that of the trained network."""
    rows = another_slope.recorded("quick-fp32")
    chosen = rows.loc[(rows["method"] == method) & np.isclose(rows["tau"].to_numpy(float), tau)]
    return t_interval(100 * chosen[ROBUST].to_numpy(float))


def least_fall_with_slope() -> Interval:
    """The least fall of accuracy under attack (points) from one slope to the next larger, plain or label-smoothed."""
    falls = [
        left_at_slope(method, less).mean - left_at_slope(method, more).mean
        for method in ("baseline", "label_smoothing")
        for less, more in itertools.pairwise(another_slope.TAUS)
    ]
    return exactly(min(falls), len(falls))


def smoothed_above_curve() -> Interval:
    """Points under attack that label-smoothed networks lie above the plain ones' curve, at their margin over slope.

    For each seed the mean over five slopes, against that seed's plain network.
    """
    apart = []
    for _, of_seed in another_slope.recorded("quick-fp32").sort_values(AHEAD).groupby("seed"):
        by_method = {method: some[[AHEAD, ROBUST]].to_numpy(float).T for method, some in of_seed.groupby("method")}
        radius, survived = by_method["label_smoothing"]
        apart.append(100 * float((survived - np.interp(radius, *by_method["baseline"])).mean()))
    return t_interval(apart)


def left_at_bound(alpha: float, strength: float) -> Interval:
    """Accuracy under attack (%) with one bound and one strength of the penalty on length."""
    table = records.by_profile("bound_or_strength")["quick-fp32"]
    at_both = [np.isclose(table[name].to_numpy(float), at) for name, at in (("alpha", alpha), ("strength", strength))]
    rows = table.loc[np.logical_and(*at_both)]
    return t_interval(100 * rows[ROBUST].to_numpy(float)).of(rows, "accuracy under attack (%)")


def at_equal_cosine(like: str, less: bool = False) -> Interval:
    """Points under attack that turning logits brings, as far as these soft labels turn them; less: minus what they do.

    Hard labels with a penalty, interpolated between its strengths.
    """
    there, more = interventions.recorded(like, ROBUST, "quick-confirm")["cosine_penalty"]
    return (more if less else there).scaled(100)


def share_by_length(method: str) -> Interval:
    """What a penalty takes off confidence that makes logits as short as a method does, as a share of what that takes.

    Interpolated between the penalty's strengths on either side of the method's length; NaN where there are none.
    """
    own = _own_effects(LENGTH)[method].shown.mean
    points = sorted(zip(_by_penalty(LENGTH), _by_penalty(SURE), strict=True))
    lengths, taken = np.array(points).T
    if not lengths[0] <= own <= lengths[-1]:
        return exactly(math.nan)
    return exactly(float(np.interp(own, lengths, taken)) / _own_effects(SURE)[method].shown.mean, len(points))


@functools.cache
def _own_effects(quantity: str) -> Effects:
    return effects(records.by_profile("core")["quick-confirm"], quantity)


def _by_penalty(quantity: str) -> list[float]:
    """What each strength of the penalty on length does to a quantity, compared with the core's plain training."""
    core = records.by_profile("core")["quick-confirm"]
    table = doses_as_methods(records.by_profile("interventions")["quick-confirm"])
    found = effects(table, quantity, core.loc[core["method"] == "baseline"])
    return [one.shown.mean for name, one in found.items() if name.startswith("scale_penalty")]


def left_of_cell_by_autoattack(cell: str) -> Interval:
    """Points that AutoAttack leaves more of the one network of a cell that it met at B than of plain training's."""
    cells = records.by_profile("park_by_hand")["fashion-heldout"].set_index("id")["cell"]
    met = robustness.met_by_autoattack("fashion-heldout")
    left = {cells[name]: 100 * float(row["right"].mean()) for name, row in met.items() if name in cells}
    return exactly(left[cell] - left["plain"])
