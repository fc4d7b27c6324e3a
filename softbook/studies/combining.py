"""Label smoothing with Mixup, CutMix or either: what each adds, and whether effects add (study `combined`).

recipes = recorded("quick-fp32")
added(recipes, "accuracy", "either")     # what smoothing adds to a mixture: both less the mixture alone
interaction(recipes, "accuracy", "either")  # that, less what smoothing adds to plain training
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas

from softbook.studies import records
from softlab.comparison.effects import combined
from softlab.comparison.intervals import Interval

MIXTURES = {0.0: "mixup", 0.5: "either", 1.0: "cutmix"}  # how often it is CutMix's turn
ALONE = "none"
Cells = Mapping[tuple[str, bool], pandas.DataFrame]


def recorded(profile: str) -> Cells:
    """The recipes on record at a profile: {} if none are.

    If study `combined` has only mixtures, the cells without one are the core's networks: plain and smoothed.
    """
    table = records.by_profile("combined").get(profile)
    if table is None:
        return {}
    if not np.isnan(table["cutmix"].to_numpy(float)).any():
        core = records.by_profile("core")[profile].query("method in ['baseline', 'label_smoothing']")
        usual = table["alpha"].max()
        alone = core.assign(cutmix=np.nan, alpha=np.where(core["method"] == "baseline", 0.0, usual))
        attributes = table.attrs
        table = pandas.concat([alone, table], ignore_index=True)
        table.attrs = attributes
    return cells(table)


def cells(table: pandas.DataFrame) -> dict[tuple[str, bool], pandas.DataFrame]:
    """{(mixture, whether labels are smoothed): its rows by seed}, of the seeds that all cells have.

    table: of study combined, or one with the same grid.
    """
    mixture = [ALONE if np.isnan(share) else MIXTURES[share] for share in table["cutmix"].to_numpy(float)]
    keys = pandas.Series(list(zip(mixture, table["alpha"] > 0, strict=True)), index=table.index)
    by_seed = {key: rows.set_index("seed").sort_index() for key, rows in table.groupby(keys, sort=False)}
    shared = sorted(set.intersection(*(set(rows.index) for rows in by_seed.values())))
    found = {}
    for key, rows in by_seed.items():
        found[key] = rows.loc[shared]
        found[key].attrs = table.attrs
    return found


def added(recipes: Cells, quantity: str, mixture: str) -> Interval:
    """What smoothing changes beside a mixture ("none": beside plain training), in the quantity's units."""
    return _of(recipes, quantity, [(mixture, True), (mixture, False)], lambda both, alone: both - alone)


def interaction(recipes: Cells, quantity: str, mixture: str) -> Interval:
    """(both - mixture) - (smoothing - plain): zero where effects add."""
    keys = [(mixture, True), (mixture, False), (ALONE, True), (ALONE, False)]
    return _of(recipes, quantity, keys, lambda both, mixed, smooth, plain: (both - mixed) - (smooth - plain))


def _of(recipes: Cells, quantity: str, keys: list[tuple[str, bool]], difference: Callable) -> Interval:
    parts = [recipes[key] for key in keys]
    return combined(quantity, parts, difference, parts[0]).shown
