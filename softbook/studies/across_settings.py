"""The same tables and effects in all settings on record."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from softbook.studies import records
from softlab.comparison.effects import Effects, averages, effects
from softlab.comparison.intervals import Interval
from softlab.profile import load_profile

# What the book calls the settings that it compares, by their profiles; book/how_to_read.md has the same legend.
SETTINGS = {
    "quick-confirm": "A · Fashion-MNIST, 1,000 images",
    "fashion-heldout": "B · Fashion-MNIST, 55,000 images",
    "convnext-confirm": "C · as A, a ConvNeXt",
    "mobilenet-confirm": "D · as A, a MobileNetV2",
    "cifar10-jpeg-flip": "E · CIFAR-10, flips and shifts",
    "cifar10-papers": "F · CIFAR-10, learnt by heart",
    "cifar10-jpeg-small": "G · CIFAR-10, no augmentation",
    "cifar10-jpeg-resnet18": "H · CIFAR-10, a ResNet-18",
}
SPOKEN_OF = "quick-confirm"  # the profile of the default setting, with fresh seeds


def tables_by_setting(study: str = "core", least: int = 2) -> dict[str, pandas.DataFrame]:
    """The tables on record of a study in the book's settings, by the name of each, in the order of their letters.

    least: how many networks of a method a table must have, or it is left out.
    """
    by_profile = records.by_profile(study)
    tables = {name: by_profile[profile] for profile, name in SETTINGS.items() if profile in by_profile}
    return {name: table for name, table in tables.items() if len(set(table["seed"])) >= least}


def effects_by_setting(
    quantity: str, study: str = "core", least: int = 4, against: str = "baseline"
) -> dict[str, Effects]:
    """What methods do to a quantity in each setting that has it and a baseline: {the setting's name: Effects}.

    study, least: as in `tables_by_setting`.  against: the method that others are compared with.
    """
    tables = comparable(tables_by_setting(study, least), quantity)
    with_partner = {name: table for name, table in tables.items() if against in set(table["method"])}
    found = {name: effects(table, quantity, against) for name, table in with_partner.items()}
    return {name: known for name, known in found.items() if any(effect.interval.n for effect in known.values())}


def comparable(tables: Mapping[str, pandas.DataFrame], quantity: str) -> dict[str, pandas.DataFrame]:
    """Only tables where an attack leaves at least one image in twenty: below that no method has much to change."""
    return {label: table for label, table in tables.items() if not at_the_floor(table, quantity)}


def at_the_floor(table: pandas.DataFrame, quantity: str) -> bool:
    """Is the baseline's accuracy under attack below five percent in this table?"""
    return quantity.startswith("robust") and table.loc[table["method"] == "baseline", quantity].mean() < 0.05


ByMethod = dict[str, dict[Any, Interval]]  # method -> setting -> interval


def cells(*studies: str) -> dict[Any, pandas.DataFrame]:
    """Recorded tables of these studies, cut by what their grids vary: {(study, profile, value, …): table}."""
    tables = {(study, name): table for study in studies for name, table in records.by_profile(study).items()}
    parts: Any = {key: table.groupby(records.varied(table), dropna=False, sort=False) for key, table in tables.items()}
    return {(*key, *values): rows for key, groups in parts.items() for values, rows in groups}


def generalization_gaps(
    tables: Mapping[Any, pandas.DataFrame], methods: Sequence[str]
) -> tuple[dict[Any, float], ByMethod, ByMethod]:
    """In each setting, in points: plain training's generalization gap, confidence gaps, and changes of ECE.

    tables: setting -> table.  The generalization gap is training minus test accuracy. Tables are left out that lack a
    baseline or its training accuracy, or whose baselines an earlier setting has.
    """
    ahead = {}
    seen = set()
    gaps, changes = ({m: {} for m in methods} for _ in range(2))
    for setting, table in tables.items():
        plain: Any = table[table["method"] == "baseline"]
        more = 100 * float((plain["training accuracy"] - plain["accuracy"]).mean())
        if math.isfinite(more) and seen.isdisjoint(plain["gap"]):
            ahead[setting] = more
            seen |= {*plain["gap"]}
            mean = averages(table, "gap")
            change = effects(table, "ECE")
            for m in methods:
                gaps[m] |= {setting: mean[m].scaled(100)} if m in mean else {}
                changes[m] |= {setting: change[m].interval.scaled(100)} if m in change else {}
    return ahead, gaps, changes


def headline() -> pandas.DataFrame:
    """The numbers of the core that pages speak of, one number everywhere: of seeds that nobody had looked at."""
    table = records.by_profile("core")[SPOKEN_OF]
    return table.loc[table["method"].isin(load_profile("quick").methods)]
