"""What was predicted for families of methods that were left out."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

if TYPE_CHECKING:
    from softbook.studies.prediction import Prediction
    from softlab.comparison.effects import Effects

# One look for each family, apart from those of methods.
FAMILIES = {
    "label": ("#0072B2", "s"),
    "mixing": ("#E69F00", "^"),
    "logit": ("#CC79A7", "v"),
    "feature": ("#009E73", "D"),
    "noise": ("#56B4E9", "P"),
    "schedule": ("#000000", "o"),
}


def predicted(prediction: "Prediction", observed: "Effects", ax: Axes | None = None) -> Axes:
    """Observed against predicted change, a marker for each method and dose; on the line the prediction is right.

    observed: the same changes with their intervals, by method and dose.  Both axes have the scale of the observed
    changes, outliers aside; an arrow at the edge stands for a marker beyond it.
    """
    ax = ax or plt.subplots(figsize=(4.2, 4.2), layout="constrained")[1]
    described = next(iter(observed.values())).described
    table = prediction.table
    low, high = _without_outliers([0.0, *(described.factor * table["observed"])])
    room = 0.2 * (high - low)
    limits = low, high = low - room, high + room
    for family, rows in table.groupby("family", sort=False):
        color, marker = FAMILIES[str(family)]
        x, y = (described.factor * rows[name].to_numpy(float) for name in ("predicted", "observed"))
        for edge, arrow, beyond in ((low, 4, x < low), (high, 5, x > high)):  # matplotlib's carets
            place = {"marker": arrow, "ls": "none", "clip_on": False, "in_layout": False}
            ax.plot(np.full(np.count_nonzero(beyond), edge), y[beyond].clip(low, high), color=color, **place)
        for edge, arrow, beyond in ((low, 7, y < low), (high, 6, y > high)):
            place = {"marker": arrow, "ls": "none", "clip_on": False, "in_layout": False}
            inside = beyond & (low <= x) & (x <= high)
            ax.plot(x[inside], np.full(np.count_nonzero(inside), edge), color=color, **place)
        halves = [observed[name].shown.half_width if observed[name].shown.n > 1 else 0 for name in rows.index]
        ax.errorbar(x, y, yerr=halves, color=color, marker=marker, ls="none", ms=5, lw=0.8, alpha=0.85)
    ax.plot(limits, limits, color="black", lw=0.8)
    ax.axhline(0, color="#BBBBBB", lw=0.8, zorder=0)
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    ax.set(xlabel="predicted, family left out", ylabel=f"change of {described.changed}")
    ax.grid(alpha=0.3)
    return ax


def _without_outliers(values: list[float]) -> tuple[float, float]:
    """Smallest and largest value, without an end farther from its neighbour than a third of the others' span."""
    ranked = sorted(values)
    for _ in range(2):
        ranked = [-one for one in reversed(ranked)]
        if len(ranked) > 3 and ranked[1] - ranked[0] > (ranked[-1] - ranked[1]) / 3:
            ranked = ranked[1:]
    return ranked[0], ranked[-1]


def families(ax: Axes, names: Iterable[str], **options) -> None:
    """A legend of these families."""
    looks = [(name, *FAMILIES[name]) for name in FAMILIES if name in set(names)]
    marks = [Line2D([], [], ls="none", color=color, marker=marker, label=name) for name, color, marker in looks]
    ax.legend(handles=marks, frameon=False, fontsize=9, handletextpad=0.2, **options)
