"""What was predicted for families of methods that were left out, and how well."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softlab.studies.intervals import Interval

if TYPE_CHECKING:
    from softlab.studies.effects import Effects
    from softlab.studies.prediction import Prediction

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

    observed: the same changes with their intervals, by method and dose.  A square frame: both axes have one scale, that
    of what was observed; an arrow at the edge says that a prediction lies beyond.
    """
    ax = ax or plt.subplots(figsize=(4.2, 4.2), layout="constrained")[1]
    described = next(iter(observed.values())).described
    table = prediction.table
    ends = [0.0, *(described.factor * table["observed"])]
    low = min(ends)
    high = max(ends)
    room = 0.2 * (high - low)
    limits = low, high = low - room, high + room
    for family, rows in table.groupby("family", sort=False):
        color, marker = FAMILIES[str(family)]
        x, y = (described.factor * rows[name].to_numpy(float) for name in ("predicted", "observed"))
        for edge, arrow, beyond in ((low, 4, x < low), (high, 5, x > high)):  # matplotlib's carets
            place = {"marker": arrow, "ls": "none", "clip_on": False, "in_layout": False}
            ax.plot(np.full(np.count_nonzero(beyond), edge), y[beyond], color=color, **place)
        halves = [observed[name].shown.half_width if observed[name].shown.n > 1 else 0 for name in rows.index]
        ax.errorbar(x, y, yerr=halves, color=color, marker=marker, ls="none", ms=5, lw=0.8, alpha=0.85)
    ax.plot(limits, limits, color="black", lw=0.8)
    ax.axhline(0, color="#BBBBBB", lw=0.8, zorder=0)
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    ax.set(xlabel="predicted, family left out", ylabel=f"change of {described.changed}")
    ax.grid(alpha=0.3)
    return ax


def families(ax: Axes, names: Iterable[str], **options) -> None:
    """A legend of these families."""
    looks = [(name, *FAMILIES[name]) for name in FAMILIES if name in set(names)]
    marks = [Line2D([], [], ls="none", color=color, marker=marker, label=name) for name, color, marker in looks]
    ax.legend(handles=marks, frameon=False, fontsize=9, handletextpad=0.2, **options)


def scores(values: Mapping[str, Mapping[str, Interval]], least: float = -1.0) -> Figure:
    """Scores by what they were predicted from, a panel for each outcome; 0 and 1 are marked.

    values: what the outcome is called -> what from -> score.  least: where the axis ends; an arrow says that a score is
    below. One without an interval has an open marker.
    """
    rows = list(next(iter(values.values())))
    size = (8.6, 0.34 * len(rows) + 1.1)
    figure, axes = plt.subplots(1, len(values), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, (outcome, found) in zip(axes[0], values.items(), strict=True):
        for row, name in enumerate(rows):
            one = found[name]
            color = "#D55E00" if row < 2 else "#555555"
            if one.mean < least:
                ax.plot(least, row, marker=4, color=color, ms=7, clip_on=False)
                continue
            if one.n > 1:
                ax.plot([max(one.low, least), min(one.high, 1.05)], [row, row], color=color, lw=1.2)
            ax.plot(one.mean, row, "o", color=color, ms=5, fillstyle="full" if one.n > 1 else "none")
        ax.axvline(0, color="black", lw=0.8)
        ax.set(xlim=(least, 1.05), ylim=(len(rows) - 0.5, -0.5), xlabel="score")
        ax.set_title(outcome, fontsize=9)
        ax.set_yticks(range(len(rows)), rows, fontsize=9)
        ax.grid(axis="x", alpha=0.3)
    return figure
