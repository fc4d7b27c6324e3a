"""What was set by hand, one thing at a time, at A unless an argument says otherwise."""

import functools
import math

import numpy as np
import pandas

from softbook.statements.origin import exactly
from softbook.studies import another_slope, records, robustness
from softbook.studies.prediction import at_equal, doses_as_methods, whole
from softlab.comparison.effects import Effects, effects
from softlab.comparison.intervals import OPEN, Interval, t_interval

ROBUST = "robust, 4/255"
LENGTH = "log logit scale"
SURE = "mean confidence"
AHEAD = "log first-order radius"  # margin over slope


def fall_of_slope_by_hand(method: str) -> Interval:
    """Percent by which the slope of a method's networks fell where it was set lower by hand."""
    rows = _at_slope(method, another_slope.LOWER)
    return t_interval(100 * (1 - np.exp(rows["fit, log_slope"].to_numpy(float))))


def slopes_not_admitted(method: str) -> Interval:
    """How many networks with a lower slope, set by hand, do not answer as before."""
    rows = _at_slope(method, another_slope.LOWER)
    return exactly(float(len(rows) - len(_admitted(method, another_slope.LOWER))), len(rows))


def gain_where_admitted(method: str) -> Interval:
    """Points that a lower slope, set by hand, gains over the sham, of the doses that were admitted."""
    lower, sham = (
        _admitted(method, tau).set_index("seed")[ROBUST] for tau in (another_slope.LOWER, another_slope.SHAM)
    )
    return _over_seeds(100 * (lower - sham).dropna().to_numpy(float))


def errors_by_slope(method: str) -> list[Interval]:
    """Points by which the estimate misses the attack at each slope that was set by hand, of the admitted doses."""
    found = []
    for tau in another_slope.TAUS:
        rows = _admitted(method, tau)
        if len(rows):
            missed = _over_seeds(100 * (rows["estimate, 4/255"] - rows[ROBUST]).abs().to_numpy(float))
            label = pandas.DataFrame()
            label.attrs = {"table": "", "command": ""}
            found.append(missed.of(label, f"{method} at {tau:g} of its slope: |Ê − R| (points)"))
    return found


def _at_slope(method: str, tau: float) -> pandas.DataFrame:
    rows = another_slope.recorded("quick-fp32")
    return rows.loc[(rows["method"] == method) & (rows["tau"] == tau)]


def _admitted(method: str, tau: float) -> pandas.DataFrame:
    rows = _at_slope(method, tau)
    return rows.loc[rows["admitted"]]


def _over_seeds(values: np.ndarray) -> Interval:
    """One that is admitted for fewer than two seeds leaves the law open."""
    return t_interval(values) if len(values) > 1 else OPEN


def least_fall_with_slope() -> Interval:
    """The least fall of accuracy under attack (points) from one slope to the next larger, plain or label-smoothed."""
    means = another_slope.recorded("quick-fp32").pivot_table(ROBUST, "method", "tau")
    falls = -100 * means.diff(axis="columns").iloc[:, 1:].to_numpy(float)
    return exactly(float(falls.min()), falls.size)


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


def at_equal_cosine(like: str, less: bool = False) -> Interval:
    """Points under attack that turning logits brings, as far as these soft labels turn them; less: minus what they do.

    Hard labels with a penalty, interpolated between its strengths.
    """
    core = records.by_profile("core")["quick-confirm"]
    runs = whole(records.by_profile("interventions")["quick-confirm"])
    there, more = at_equal(runs, core.loc[core["method"] == like], "cosine_penalty", ROBUST) or (OPEN, OPEN)
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
    met = robustness.met_by_autoattack("fashion-heldout", 4, ["park_by_hand"]).set_index("cell")
    return exactly(float(met.loc[cell, robustness.AUTOATTACK] - met.loc["plain", robustness.AUTOATTACK]))
