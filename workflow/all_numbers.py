"""Every number on record, as tables: python all_numbers.py BUILD

BUILD/numbers/all.csv has one row for each study, scale, setting, method and quantity: the page of all numbers
(number_page.py). networks/<study>.<scale>.csv beside it have one row for each network, every number as its lens gives
it. Differences are those of softlab.comparison.effects, as in the chapters.
"""

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas

from softbook.studies import records
from softlab.batches import cpu_threads
from softlab.comparison.effects import every_effect
from softlab.comparison.intervals import Interval, t_interval
from softlab.figures import style
from softlab.numbers.quantities import QUANTITIES
from softlab.training.experiment import FIELDS

NETWORKS = "networks"


@dataclasses.dataclass(frozen=True)
class Measured:
    """The numbers of a study at a scale: a recorded table, and the experiment that its rows share."""

    study: str
    scale: str
    table: pandas.DataFrame
    experiment: dict


def main(build: Path) -> None:
    measured = list(of_records())
    folder = build / "numbers"
    fresh = build / ".numbers"
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / NETWORKS).mkdir(parents=True)
    for one in measured:
        path = fresh / NETWORKS / f"{one.study}.{one.scale.replace(' ', '_')}.csv"
        one.table.drop(columns=["images", "older"]).to_csv(path, index=False, lineterminator="\n")
    with cpu_threads(1):  # a network's images are too few to be worth a second one
        found = pandas.DataFrame([row for one in measured for row in rows(one, core_baseline(one, measured))])
    found.to_csv(fresh / "all.csv", index=False, lineterminator="\n", float_format="%.6g")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
    print(f"{folder / 'all.csv'}: {len(found)} rows, of {len(measured)} tables of networks")


def of_records() -> Iterator[Measured]:
    """Every table on record."""
    for study in sorted(path.name for path in records.RECORDS.glob("*") if path.is_dir()):
        for profile, table in records.by_profile(study).items():
            yield Measured(study, profile, table, records.about(study)[profile]["experiment"])


def core_baseline(one: Measured, measured: list[Measured]) -> pandas.DataFrame | None:
    """The baseline of the core at the same scale, for a study that trains as the core does and has none of its own."""
    for core in measured:
        if (core.study, core.scale, core.experiment) == ("core", one.scale, one.experiment):
            return core.table.loc[core.table["method"] == "baseline"]
    return None


def rows(measured: Measured, core: pandas.DataFrame | None = None) -> Iterator[dict]:
    """One row for each method, point of the grid and quantity, in the units in which the book writes the quantity.

    core: networks to compare with if the table has no baseline.
    """
    grid = [name for name in records.varied(measured.table) if name != "cell"]
    whole = measured.table.copy(deep=False)
    whole.attrs = {}  # which pandas would copy with every column that is read
    if "cell" in whole:  # of a declared study: its cells are compared as it says, by `softbook statements`
        whole["method"] = whole["cell"]
        core = None
    for point, table in points(whole, grid):
        reference = compared_with(whole, table, grid, core)
        groups = [(str(method), some, [*some["older"]]) for method, some in table.groupby("method", sort=False)]
        # Not those of a lens that came later.
        recorded = [name for name in QUANTITIES if np.isfinite(table[name].to_numpy(dtype=float)).any()]
        against = {}
        if reference is not None:
            against = every_effect(table.loc[table["method"] != "baseline"], recorded, reference)
        for name in recorded:
            quantity = QUANTITIES[name]
            for method, some, measured_before in groups:
                values = some[name].to_numpy(dtype=float)
                values = values[np.isfinite(values)]
                if not len(values):
                    continue
                effect = against.get(name, {}).get(method)
                row = {"study": measured.study, "scale": measured.scale, "setting": point}
                row |= {"method": style(method).label, "quantity": quantity.label, "name": name}
                row |= _parts(t_interval(values).scaled(quantity.factor), "mean") | {"networks": len(values)}
                row |= _parts(effect and effect.shown, "difference") | {"interval over": effect.over if effect else ""}
                older = sum(name in names for names in measured_before)  # networks measured by an older version of it
                yield row | {"digits": quantity.digits, "older": older}


def points(table: pandas.DataFrame, grid: list[str]) -> Iterator[tuple[str, pandas.DataFrame]]:
    """Each point of the grid, in words, and its rows. Parameters that the method lacks are left out."""
    if not grid:
        yield "", table
        return
    for _, some in table.groupby(grid, sort=False, dropna=False):
        values = {name: some[name].iloc[0] for name in grid}
        if isinstance(values.get("parameter"), str):  # of a study with doses
            values[values.pop("parameter")] = values.pop("dose")
        said = {name: value for name, value in values.items() if name in FIELDS or pandas.notna(value)}
        yield ", ".join(f"{name} = {_written(value)}" for name, value in said.items()), some


def compared_with(
    whole: pandas.DataFrame, point: pandas.DataFrame, grid: list[str], core: pandas.DataFrame | None
) -> pandas.DataFrame | None:
    """The baseline that the grid set to the same fields of the experiment; the core's, if the table has none.

    None if none differs in the method only.
    """
    baseline = whole.loc[whole["method"] == "baseline"]
    fields = [name for name in grid if name in FIELDS]
    for name in fields:
        here = point[name].iloc[0]
        baseline = baseline.loc[(baseline[name] == here) | (baseline[name].isna() & bool(pandas.isna(here)))]
    if len(baseline):
        return baseline
    return None if fields else core


def _written(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return "none" if value is None or np.isnan(value) else f"{value:g}"


def _parts(interval: Interval | None, name: str) -> dict[str, float | None]:
    """The middle of an interval and half its width; None for what does not exist."""
    if interval is None:
        return {name: None, f"{name} ±": None}
    return {name: interval.mean, f"{name} ±": interval.half_width if interval.n > 1 else None}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
