"""Does the shape of the space of features predict what a method does? For families of methods that were left out.

units = methods(by_profile("many")["quick-confirm"]) # a row for each method and dose
found = left_out(units, declared().properties, "gap")
found.score()                                        # 1: every left-out method predicted; 0: no better than the mean

Families, properties and outcomes were declared before any network was trained: softbook/studies/prediction.yml.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

from softlab.comparison import intervals
from softlab.comparison.intervals import Interval
from softlab.errors import SoftlabError
from softlab.files import read_yaml
from softlab.numbers.quantities import QUANTITIES

Fitted = Callable[[np.ndarray], np.ndarray]  # outcomes (N,) from properties (N, P)
LEAST = 4  # families, without which leaving one out and choosing a strength among the others says nothing


@dataclass(frozen=True)
class Declared:
    """What was declared beforehand. family: of each method.  moves: the property that an intervention acts on."""

    study: str
    family: dict[str, str]
    properties: list[str]
    strengths: list[float]
    trees: int
    moves: dict[str, str]


@functools.cache
def declared() -> Declared:
    """All of prediction.yml."""
    content = read_yaml(Path(__file__).with_name("prediction.yml"))
    family = {method: family for family, methods in content["families"].items() for method in methods}
    own = {name: content[name] for name in ("study", "properties", "strengths", "trees")}
    return Declared(family=family, moves=content["interventions"]["moves"], **own)


def methods(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each method and dose: family, seeds, and each quantity's mean difference to the baseline of its seed.

    table: of records.by_profile, with a column `dose` if methods have several.  Methods without a family and seeds
    without a baseline are left out.  The index is method and dose: `focal 2`.
    """
    quantities = [name for name in table if name in QUANTITIES]
    plain = table.loc[table["method"] == "baseline"].set_index("seed")[quantities]
    rows = {}
    for name, some in doses_as_methods(table).groupby("method", sort=False):
        method, _, dose = str(name).partition(" ")
        paired = some.set_index("seed")[quantities]
        paired = paired.loc[[seed for seed in paired.index if seed in plain.index]]
        if method in declared().family and len(paired):
            row = {"method": method, "dose": float(dose or "nan"), "family": declared().family[method]}
            rows[name] = row | {"seeds": len(paired)} | (paired - plain.loc[paired.index]).mean().to_dict()
    found = pandas.DataFrame.from_dict(rows, orient="index")
    found.attrs = table.attrs
    return found


def doses_as_methods(table: pandas.DataFrame) -> pandas.DataFrame:
    """The same table with each dose as a method of its own, named as in `methods`: `focal 2`. The baseline stays."""
    if "dose" not in table:
        return table
    pairs = zip(table["method"], table["dose"], strict=True)
    return table.assign(method=[method if np.isnan(dose) else f"{method} {dose:g}" for method, dose in pairs])


def whole(table: pandas.DataFrame) -> pandas.DataFrame:
    """The rows of the seeds that every method has at every dose; while a study is being recorded, some have more."""
    seeds = doses_as_methods(table).groupby("method")["seed"].agg(set)
    return table.loc[table["seed"].isin([*set.intersection(*seeds)])]


@dataclass(frozen=True)
class Prediction:
    """What was predicted for each method of a family from the other families.

    table: a row for each method and dose; `family`, `observed`, `predicted`, and the `mean` of the other families.
    units: all that went in.
    """

    outcome: str
    names: tuple[str, ...]
    table: pandas.DataFrame
    model: str = "ridge"
    units: pandas.DataFrame = field(default_factory=pandas.DataFrame, repr=False)

    def score(self) -> float:
        """1 - Σ(observed - predicted)² / Σ(observed - mean of the others)², over all families."""
        return _score(self.table)

    def again(self, units: pandas.DataFrame) -> "Prediction":
        """The same from some of the units."""
        return left_out(units, self.names, self.outcome, self.model)


def _score(table: pandas.DataFrame) -> float:
    observed, predicted, mean = (table[name].to_numpy(float) for name in ("observed", "predicted", "mean"))
    plain = float(np.square(observed - mean).sum())
    return 1 - float(np.square(observed - predicted).sum()) / plain if plain else np.nan


def left_out(units: pandas.DataFrame, names: Sequence[str], outcome: str, model: str = "ridge") -> Prediction:
    """Predict an outcome from these properties, for each family from the others only.

    units: of `methods`.  model: `ridge`, or `trees` (boosted, of depth two). Its strength is chosen without the family
    too, as the one that predicts the other families best, left out in turn. Or `itself`: the first property, in the
    outcome's unit, without any fit. Methods that lack a number are left out.
    Raises SoftlabError with fewer than four families.
    """
    complete = units.loc[np.isfinite(units[[*names, outcome]].to_numpy(float)).all(axis=1)]
    if (count := len(set(complete["family"]))) < LEAST:
        raise SoftlabError(f"predicting left-out families takes at least {LEAST}, not {count}")
    parts: list[pandas.DataFrame] = []
    for family, rows in complete.groupby("family", sort=False):
        others = complete.loc[complete["family"] != family]
        predicted = _fit(others, names, outcome, model)(rows[[*names]].to_numpy(float))
        part = {"family": family, "observed": rows[outcome], "predicted": predicted, "mean": others[outcome].mean()}
        parts.append(pandas.DataFrame(part, index=rows.index))
    table = pandas.concat(parts)
    table.attrs = units.attrs
    return Prediction(outcome, tuple(names), table, model, complete)


def _fit(units: pandas.DataFrame, names: Sequence[str], outcome: str, model: str) -> Fitted:
    x = units[[*names]].to_numpy(float)
    y = units[outcome].to_numpy(float)
    if model == "itself":
        return lambda new: new[:, 0]
    if model == "trees":
        grid = {"n_estimators": [count for count in (3, 10, 30, 100) if count <= declared().trees]}
        known = GradientBoostingRegressor(max_depth=2, random_state=0)
        search = GridSearchCV(known, grid, cv=LeaveOneGroupOut(), scoring="neg_mean_squared_error")
        return search.fit(x, y, groups=units["family"]).predict
    missed = np.zeros(len(declared().strengths))
    for family in units["family"].unique():
        other = (units["family"] != family).to_numpy()
        missed += [np.square(fit(x[~other]) - y[~other]).mean() for fit in _ridges(x[other], y[other])]
    return _ridges(x, y)[int(missed.argmin())]


def _ridges(x: np.ndarray, y: np.ndarray) -> list[Fitted]:
    """Ridge regression on standardised columns, at every declared strength: one decomposition serves all of them."""
    center = x.mean(0)
    size = np.where(x.std(0) > 0, x.std(0), 1)
    left, values, right = np.linalg.svd((x - center) / size, full_matrices=False)
    along = left.T @ (y - y.mean())
    mean = y.mean()

    def fitted(strength: float) -> Fitted:
        weights = right.T @ (values / (values**2 + strength) * along) / size
        return lambda new: mean + (new - center) @ weights

    return [fitted(strength) for strength in declared().strengths]


def gain(prediction: Prediction, null: Prediction) -> Interval:
    """How much better one score is than the other, with the jackknife's 95 % interval over families.

    Methods that only one of the two has are left out.
    """
    same = prediction.units.loc[prediction.table.index.intersection(null.table.index)]
    same = same.assign(**null.units.loc[same.index, [*null.names]])
    return _jackknife(lambda units: prediction.again(units).score() - null.again(units).score(), prediction, same)


def jackknife(prediction: Prediction) -> Interval:
    """The score with the jackknife's 95 % interval over families: each is deleted in turn, also from the fits.

    Trees have no interval (they would be fitted six times as often), nor do scores of the fewest families allowed.
    """
    if prediction.model == "trees" or len(set(prediction.units["family"])) <= LEAST:
        return Interval(prediction.score(), -math.inf, math.inf, 1)
    return _jackknife(lambda units: prediction.again(units).score(), prediction, prediction.units)


def _jackknife(score: Callable[[pandas.DataFrame], float], prediction: Prediction, units: pandas.DataFrame) -> Interval:
    what = f"score of the prediction of changes of {QUANTITIES[prediction.outcome].changed}, or a difference of two"
    return intervals.jackknife(units, "family", score).of(prediction.table, what, counts="families")


def at_equal(
    runs: pandas.DataFrame, soft: pandas.DataFrame, method: str, outcome: str
) -> tuple[Interval, Interval] | None:
    """What hard labels with a penalty do to an outcome once it has moved its property as far as soft labels move it.

    Is a property of the shape the reason?  runs: the study `interventions`.  soft: networks with the same soft labels,
    a row for each seed.  Outcomes are interpolated along the mean change of the property: (change of the outcome there,
    its excess over the soft labels' change), over the seeds that both have. None for a method whose doses all move the
    property less, or all farther: nothing is extrapolated.
    """
    moved = declared().moves[method]
    names = [moved, outcome]
    plain, like = (table.set_index("seed") for table in (runs.loc[runs["method"] == "baseline"], soft))
    seeds = plain.index.intersection(like.index)
    doses = [rows.set_index("seed") for _, rows in runs.loc[runs["method"] == method].groupby("dose")]
    changes = [rows.loc[seeds, names] - plain.loc[seeds, names] for rows in doses]
    changes.sort(key=lambda change: change[moved].mean())
    goal = like.loc[seeds, names] - plain.loc[seeds, names]
    wanted = goal[moved].mean()
    means = [change[moved].mean() for change in changes]
    if not means[0] <= wanted <= means[-1]:
        return None
    there = [float(np.interp(wanted, means, [change[outcome][seed] for change in changes])) for seed in seeds]
    what = f"change of {QUANTITIES[outcome].changed} at equal {QUANTITIES[moved].label}"
    more = intervals.paired_interval(there, list(goal[outcome]))
    return intervals.t_interval(there).of(runs, what), more.of(runs, f"{what}, less the soft labels'")
