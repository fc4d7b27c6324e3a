"""Margin over slope, on record: how far methods move either, and what the estimate from them is worth.

in_cells()             # the estimate by training images and steps: {(images, steps): Setting}
moves(table)           # how far each network lies from plain training of its seed, in slope, margin, under attack
places(table)          # the same of each method, with intervals over seeds: [Place]
Laws about them are judged in softbook.statements.laws.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from softbook.studies import records
from softbook.studies.robustness import cells_of
from softlab.comparison.intervals import OPEN, Interval, t_interval
from softlab.errors import SoftlabError

SEEDS = range(3000, 3005)  # of the split
UNIT = ["method", "dose"]  # columns of `moves` that say which networks differ in their seed only


@dataclass(frozen=True)
class Setting:
    """The estimate in one setting.

    error: mean of |Ê − R| over its methods, in points.  worst: the largest, and its method.
    """

    error: float
    worst: tuple[float, str]


@dataclass(frozen=True)
class Place:
    """Where a method lies beside plain training of the same seeds, with intervals over seeds.

    dose: None where its study has no doses.  slope, margin: changes of the mean natural logarithm.  ratio: of margin
    over slope, the same.  attacked: change of accuracy under attack, in points; OPEN where that is not on record.
    """

    method: str
    dose: float | None
    slope: Interval
    margin: Interval
    ratio: Interval
    attacked: Interval


def estimate_units(table: pandas.DataFrame, radius: str) -> pandas.DataFrame:
    """Means over seeds of the estimate and of the ladder, in percent: a row for each method and dose.

    table: of softbook.studies.records.  radius: "4/255".  Columns: method, parameter, dose (where the study has doses),
    estimate, attacked, and one_step where it is on record. Rows that lack one of the first two are left out.
    """
    attacked = "robust, 0.4/255, PGD-7" if radius == "0.4/255" else f"robust, {radius}"
    columns = {"estimate": f"estimate, {radius}", "attacked": attacked}
    if f"FGSM, {radius}" in table:
        columns["one_step"] = f"FGSM, {radius}"
    units = [name for name in ("method", "parameter", "dose") if name in table]
    found = table[units].assign(**{name: 100 * table[column] for name, column in columns.items()})
    found = found.dropna(subset=["estimate", "attacked"])
    return pandas.DataFrame(found.groupby(units, sort=False, dropna=False, as_index=False).mean())


RECORDED_RADII = ("0.4/255", "1/255", "2/255", "4/255")


def every_estimate() -> pandas.DataFrame:
    """Estimate and ladder of all that is on record, as of estimate_units; further columns: study, profile, radius."""
    found = []
    for (study, profile), table in records.every_table().items():
        both = table.reindex(columns=["robust, 4/255", "log slope"]).to_numpy(float)
        if np.isfinite(both).all(axis=1).any():
            found += [
                estimate_units(table, radius).assign(study=study, profile=profile, radius=radius)
                for radius in RECORDED_RADII
            ]
    return pandas.concat(found, ignore_index=True)


def skill(units: pandas.DataFrame, plain: pandas.Series) -> float:
    """1 − Σ(ΔR − ΔÊ)² / ΣΔR²: how much of what methods do to accuracy under attack the estimate tells."""
    attacked = units["attacked"] - plain["attacked"]
    missed = attacked - (units["estimate"] - plain["estimate"])
    return 1 - float(np.square(missed).sum()) / float(np.square(attacked).sum())


def moves(table: pandas.DataFrame, attacked: str = "robust, 4/255") -> pandas.DataFrame:
    """How far each network lies from plain training of its seed: a row a network that has a margin on record.

    table: of softbook.studies.records.  attacked: the quantity that says what an attack leaves.
    Columns: method, dose (NaN where the study has none), seed; slope, margin: differences of the mean natural
    logarithm; ratio: of margin over slope; attacked: difference in points (NaN where it is not on record).
    Raises SoftlabError for a table without plain training.
    """
    plain = table.loc[table["method"] == "baseline"].set_index("seed")
    if plain.empty:
        raise SoftlabError("margin and slope are drawn beside plain training, of which this table has no network")
    columns = ["method", "dose", "seed", "slope", "margin", "ratio", "attacked"]
    if "log margin" not in table:
        return pandas.DataFrame(columns=columns)
    rows = table.loc[table["method"] != "baseline"]
    beside = plain.reindex(rows["seed"])

    def change(quantity: str) -> np.ndarray:
        return rows[quantity].to_numpy(float) - beside[quantity].to_numpy(float)

    found = pandas.DataFrame(
        {
            "method": rows["method"].to_numpy(),
            "dose": rows["dose"].to_numpy(float) if "dose" in table else math.nan,
            "seed": rows["seed"].to_numpy(),
            "slope": change("log slope"),
            "margin": change("log margin"),
            "attacked": 100 * change(attacked),
        }
    )
    found["ratio"] = found["margin"] - found["slope"]
    return found.loc[np.isfinite(found["ratio"].to_numpy(float)), columns]


def places(table: pandas.DataFrame, attacked: str = "robust, 4/255") -> list[Place]:
    """Each method of a table, at each of its doses, beside plain training: those that have a margin on record.

    table, attacked: as of `moves`.  Raises SoftlabError for a table without plain training.
    """
    found = []
    groups: Any = moves(table, attacked).groupby(UNIT, sort=False, dropna=False)
    for (method, dose), rows in groups:
        found.append(
            Place(
                method=str(method),
                dose=None if math.isnan(dose) else float(dose),
                slope=_over_seeds(rows["slope"], table, "change of log slope"),
                margin=_over_seeds(rows["margin"], table, "change of log margin"),
                ratio=_over_seeds(rows["ratio"], table, "change of log margin less that of log slope"),
                attacked=_over_seeds(rows["attacked"], table, "change of accuracy under attack (points)"),
            )
        )
    return found


def _over_seeds(differences: pandas.Series, table: pandas.DataFrame, what: str) -> Interval:
    """Of the seeds that have a finite difference; OPEN without one."""
    values = differences.to_numpy(float)
    finite = values[np.isfinite(values)]
    return t_interval(finite).of(table, what) if len(finite) else OPEN


def kept_by_ratio(table: pandas.DataFrame) -> dict[str, dict[float, float]]:
    """The share of images that keep their class, in percent, with the bias scaled to each recorded ratio to the length.

    table: of a core that has `constant class, ratio …`.  Returns method -> {‖b_c‖ / ‖W_c f‖: mean over seeds}.
    """
    prefix = "constant class, ratio "
    ratios = sorted(float(name.removeprefix(prefix)) for name in table if name.startswith(prefix))
    found: dict[str, dict[float, float]] = {}
    for method, rows in table.groupby("method", sort=False):
        found[str(method)] = {ratio: 100 * float(rows[f"{prefix}{ratio}"].to_numpy().mean()) for ratio in ratios}
    return found


def in_cells() -> dict[tuple[int, int], Setting]:
    """The estimate at 4/255 by training images and steps, of the networks that were trained again for it."""
    cells = cells_of("quick-confirm", again=True)
    return {place: over_methods(estimate_units(table, "4/255")) for place, table in cells.items()}


def over_methods(units: pandas.DataFrame) -> Setting:
    """How the estimate does in a setting.  units: as of estimate_units, one or more."""
    errors = np.abs(units["estimate"].to_numpy(float) - units["attacked"].to_numpy(float))
    worst = int(errors.argmax())
    largest = float(errors[worst]), str(units["method"].iloc[worst])
    return Setting(float(errors.mean()), largest)
