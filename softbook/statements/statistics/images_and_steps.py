"""Fifteen numbers of training images and steps at A: what twice as many do, and how passes order them."""

import math
from collections.abc import Sequence

import pandas

from softbook.statements.origin import exactly
from softbook.studies import robustness
from softlab.comparison.effects import averages
from softlab.comparison.intervals import Interval, t_interval

ROBUST = "robust, 4/255"
TWICE = ("images", "steps", "both")


def change_per_doubling(twice: str, of: str = ROBUST, method: str = "baseline") -> Interval:
    """What twice the images, the steps or both change in a quantity of a method's networks, in its units."""
    return robustness.per_doubling(robustness.cells_of("quick-confirm"), method, of)[TWICE.index(twice)]


def growth_per_doubling(twice: str, of: str) -> Interval:
    """Percent by which twice the images, the steps or both raise what `of` is the log of, in plain training."""
    cells = robustness.cells_of("quick-confirm", again=True)
    change = robustness.per_doubling(cells, "baseline", of)[TWICE.index(twice)]
    return exactly(100 * math.expm1(change.mean), len(cells))


def gain_between_cells(method: str, at: Sequence[Sequence[int]], less: Sequence[Sequence[int]]) -> Interval:
    """Points under attack that a method brings in some cells, less what it brings in others: means over cells, by seed.

    at, less: training images and steps of each cell.
    """
    cells = robustness.cells_of("quick-confirm")

    def brought(places: Sequence[Sequence[int]]) -> pandas.Series:
        tables = [cells[images, steps].pivot(index="seed", columns="method", values=ROBUST) for images, steps in places]
        return pandas.concat([one[method] - one["baseline"] for one in tables], axis=1).mean(axis=1)

    return t_interval(100 * (brought(at) - brought(less)).dropna().to_numpy())


def lead_of_passes(methods: Sequence[str]) -> list[Interval]:
    """How much better passes order what an attack leaves than the better of images and steps, by method and measure.

    Two measures: how little one curve misses, and the rank correlation.
    """
    cells = robustness.cells_of("quick-confirm")
    axes = {"passes": [s / n for n, s in cells], "images": [n for n, _ in cells], "steps": [s for _, s in cells]}
    ahead = []
    for method in methods:
        left = [averages(table, ROBUST)[method].mean for table in cells.values()]
        curve = {name: robustness.fall_together(axis, left) for name, axis in axes.items()}
        ranks = {name: abs(pandas.Series(axis).corr(pandas.Series(left), "spearman")) for name, axis in axes.items()}
        ahead += [score["passes"] - max(score["images"], score["steps"]) for score in (curve, ranks)]
    return [exactly(float(lead)) for lead in ahead]
