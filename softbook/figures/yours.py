"""Networks of a reader's own beside those on record: rings among dots."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softlab.comparison.effects import seed_means
from softlab.figures.effects import label_lines
from softlab.figures.style import style
from softlab.numbers.quantities import QUANTITIES

if TYPE_CHECKING:
    from softlab.comparison.side_by_side import RunComparison

RING = {"color": "#D55E00", "marker": "o", "ms": 11, "mfc": "none", "mew": 2, "ls": "none"}
PALE = 0.45  # how much of its colour a network on record has


def beside_record(
    record: pandas.DataFrame,
    yours: "RunComparison",
    quantities: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
) -> Figure:
    """A panel for each quantity, a row for each method: networks on record as dots, and yours as rings among them.

    record: a row for each network, as softbook.headline() has it.  yours: of softlab.compare.
    quantities: of QUANTITIES, that `yours` was asked for (None: all of those).  methods: the rows, from top to bottom
    (None: those of your networks; they are added where they are missing).  A bar is the 95 % interval of the mean of
    the networks on record.  It also prints what the dots and the rings are.
    """
    names = list(quantities or yours.means)
    rows = list(dict.fromkeys([*(methods or ()), *yours.networks["method"]]))
    size = (8.6, 0.42 * len(rows) + 1.3)
    figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, quantity in zip(axes[0], names, strict=True):
        _on_record(ax, record, quantity, rows)
        _rings(ax, yours.networks, quantity, rows)
        ax.set_xlabel("\n".join(label_lines(QUANTITIES[quantity].label, 30)))
        ax.grid(axis="x", alpha=0.3)
        ax.margins(x=0.12)  # room for a ring at the edge
    axes[0, 0].set_yticks(range(len(rows)), [style(method).label for method in rows])
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    figure.legend(handles=legend(), loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    print(who_is_who(record, yours))
    return figure


def legend() -> list[Line2D]:
    """Handles for a legend: a dot is on record, a ring is yours."""
    dot = Line2D([], [], ls="none", marker="o", ms=5, color="#7F7F7F", alpha=PALE, label="on record")
    return [dot, Line2D([], [], label="yours", **{**RING, "ms": 8})]


def who_is_who(record: pandas.DataFrame, yours: "RunComparison") -> str:
    """In words, for who reads the notebook: what dots and rings are."""
    count = max(len(rows) for _, rows in record.groupby("method"))
    own = ", ".join(yours.names)
    return f"Dots: {count} networks of each method, on record. Rings: yours, trained in this notebook ({own})."


def _on_record(ax: Axes, record: pandas.DataFrame, quantity: str, rows: Sequence[str]) -> None:
    """Dots, a little above and below their row so that each is seen, and the interval of their mean."""
    factor = QUANTITIES[quantity].factor
    means = seed_means(record, quantity)
    for row, method in enumerate(rows):
        values = factor * record.loc[record["method"] == method, quantity].to_numpy()
        look = style(method)
        offsets = np.where(np.arange(len(values)) % 2, -0.22, 0.22)
        ax.plot(values, row + offsets, ls="none", marker=look.marker, ms=5, color=look.color, alpha=PALE, mew=0)
        if method in means and means[method].n > 1:
            ax.errorbar(means[method].mean, row, xerr=means[method].half_width, color=look.color, capsize=3, lw=2)


def _rings(ax: Axes, networks: pandas.DataFrame, quantity: str, rows: Sequence[str]) -> None:
    """Rings in the rows of their methods; with a name where the row has networks of two names."""
    factor = QUANTITIES[quantity].factor
    for name, own in networks.groupby("name", sort=False):
        values = factor * own[quantity]
        method = own["method"].iloc[0]
        row = rows.index(method)
        ax.plot(values, [row] * len(values), **RING)
        if networks.loc[networks["method"] == method, "name"].nunique() > 1:
            place = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
            ax.annotate(str(name), (values.mean(), row), (0, 9), **place)
