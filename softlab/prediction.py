"""Does the shape of the space of features predict what a method does? For families of methods that were left out.

units = methods(study_table(settings, "many"))       # a row for each method and dose
found = left_out(units, declared().properties, "gap")
found.score()                                        # 1: every left-out method predicted; 0: no better than the mean

Families, properties and outcomes were declared before any network was trained: softlab/prediction.yml.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml
from softlab.intervals import Interval
from softlab.provenance import PACKAGE
from softlab.quantities import QUANTITIES

MODELS = ("ridge", "trees")
LEAST = 4  # families, without which leaving one out and choosing a strength among the others says nothing


@dataclass(frozen=True)
class Declared:
    """What was declared beforehand. family: of each method."""

    study: str
    family: dict[str, str]
    properties: tuple[str, ...]
    nulls: tuple[str, ...]
    primary: tuple[str, ...]
    secondary: tuple[str, ...]
    strengths: tuple[float, ...]
    trees: int


@functools.cache
def declared() -> Declared:
    """prediction.yml. Raises SoftlabError for a quantity that no lens measures."""
    content = read_yaml(PACKAGE / "prediction.yml")
    outcomes = content["outcomes"]
    found = Declared(
        study=content["study"],
        family={method: family for family, methods in content["families"].items() for method in methods},
        properties=tuple(content["properties"]),
        nulls=tuple(content["nulls"]),
        primary=tuple(outcomes["primary"]),
        secondary=tuple(outcomes["secondary"]),
        strengths=tuple(content["strengths"]),
        trees=content["trees"],
    )
    for name in (*found.properties, *found.nulls, *found.primary, *found.secondary):
        check_known("quantity", name, QUANTITIES)
    return found


def methods(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each method and dose: family, seeds, and each quantity's mean difference to the baseline of its seed.

    table: of records.study_table, with a column `dose`.  Methods of no family, and seeds without a baseline, are left
    out.  Its index is method and dose: `focal 2`.
    """
    quantities = [name for name in table if name in QUANTITIES]
    plain = table.loc[table["method"] == "baseline"].set_index("seed")[quantities]
    rows = {}
    for (method, dose), some in table.groupby(["method", "dose"], sort=False):
        paired = some.set_index("seed")[quantities]
        paired = paired.loc[[seed for seed in paired.index if seed in plain.index]]
        if method in declared().family and len(paired):
            row = {"method": method, "dose": dose, "family": declared().family[str(method)], "seeds": len(paired)}
            rows[f"{method} {dose:g}"] = row | (paired - plain.loc[paired.index]).mean().to_dict()
    return pandas.DataFrame.from_dict(rows, orient="index")


@dataclass(frozen=True)
class Prediction:
    """What was predicted for each method of a family from the other families.

    table: a row for each method and dose; `family`, `observed`, `predicted`, and the `mean` of the other families.
    fitted: the model of each left-out family.
    """

    outcome: str
    names: tuple[str, ...]
    table: pandas.DataFrame
    fitted: dict[str, BaseEstimator]

    def score(self, without: str | None = None) -> float:
        """1 - Σ(observed - predicted)² / Σ(observed - mean of the others)², over all families but one if named."""
        return _score(self.table[self.table["family"] != without])

    def scores(self) -> dict[str, float]:
        """The score of each family."""
        return {str(family): _score(rows) for family, rows in self.table.groupby("family", sort=False)}


def _score(table: pandas.DataFrame) -> float:
    missed, plain = (((table["observed"] - table[name]) ** 2).sum() for name in ("predicted", "mean"))
    return float(1 - missed / plain) if plain else np.nan


def left_out(units: pandas.DataFrame, names: Sequence[str], outcome: str, model: str = "ridge") -> Prediction:
    """Predict an outcome from these properties, for each family from the others only.

    units: of `methods`.  model: `ridge`, or `trees` (boosted, of depth two). Its strength is chosen without the family
    too, as the one that predicts the others best, left out in turn. A method with a number missing is left out.
    Raises SoftlabError for an unknown model, and with fewer than four families.
    """
    check_known("model", model, MODELS)
    complete = units[np.isfinite(units[[*names, outcome]].astype(float)).all(axis=1)]
    if complete["family"].nunique() < LEAST:
        raise SoftlabError(f"predicting left-out families takes at least {LEAST}, not {complete['family'].nunique()}")
    parts, fitted = [], {}
    for family, rows in complete.groupby("family", sort=False):
        others = complete[complete["family"] != family]
        fitted[family] = _fit(others, names, outcome, model)
        predicted = fitted[family].predict(rows[[*names]].to_numpy(float))
        part = {"family": family, "observed": rows[outcome], "predicted": predicted, "mean": others[outcome].mean()}
        parts.append(pandas.DataFrame(part, index=rows.index))
    return Prediction(outcome, tuple(names), pandas.concat(parts), fitted)


def _fit(units: pandas.DataFrame, names: Sequence[str], outcome: str, model: str) -> GridSearchCV:
    if model == "ridge":
        known, grid = make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": declared().strengths}
    else:
        known = GradientBoostingRegressor(max_depth=2, random_state=0)
        grid = {"n_estimators": [count for count in (3, 10, 30, 100) if count <= declared().trees]}
    search = GridSearchCV(known, grid, cv=LeaveOneGroupOut(), scoring="neg_mean_squared_error")
    return search.fit(units[[*names]].to_numpy(float), units[outcome].to_numpy(float), groups=units["family"])


def gain(prediction: Prediction, null: Prediction) -> Interval:
    """How much better one score is than the other, with the jackknife's 95 % interval over families.

    Of the same methods: those that only one of them has are left out.
    """
    same = prediction.table.index.intersection(null.table.index)
    both = [dataclasses.replace(one, table=one.table.loc[same]) for one in (prediction, null)]
    families = list(both[0].table["family"].unique())
    whole = both[0].score() - both[1].score()
    rest = np.array([both[0].score(family) - both[1].score(family) for family in families])
    count = len(families)
    error = np.sqrt((count - 1) / count * np.square(rest - rest.mean()).sum())
    half = float(stats.t.ppf(0.975, count - 1) * error)
    return Interval(whole, whole - half, whole + half, count)


def importance(prediction: Prediction, units: pandas.DataFrame, draws: int = 200, seed: int = 0) -> dict[str, float]:
    """How much of the score is lost when one property is exchanged between methods at random, mean over draws.

    The models stay as they were fitted: {property: loss}, largest first.
    """
    generator, table, lost = np.random.default_rng(seed), prediction.table, {}
    values = units.loc[table.index, [*prediction.names]].to_numpy(float)
    for column, name in enumerate(prediction.names):
        scores = []
        for _ in range(draws):
            shuffled = values.copy()
            shuffled[:, column] = generator.permutation(values[:, column])
            predicted = np.empty(len(table))
            for family, model in prediction.fitted.items():
                chosen = (table["family"] == family).to_numpy()
                predicted[chosen] = model.predict(shuffled[chosen])  # pyright: ignore[reportAttributeAccessIssue]
            scores.append(_score(table.assign(predicted=predicted)))
        lost[name] = prediction.score() - float(np.mean(scores))
    return dict(sorted(lost.items(), key=lambda one: -one[1]))


def nulls(units: pandas.DataFrame, outcome: str, names: Iterable[str] | None = None) -> dict[str, Prediction]:
    """Predictions from one number alone: clean accuracy, mean confidence, and each property. {number: Prediction}"""
    names = [*declared().nulls, *declared().properties] if names is None else names
    return {name: left_out(units, [name], outcome) for name in names}
