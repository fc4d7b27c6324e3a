"""Label smoothing and weight decay as one number: what theory says of the length of the logits, and how far it is off.

Where features may go anywhere, both have one family of optima, a simplex of one size (Zhu et al. 2021, Zhou et al.
2022, Guo et al. 2024): with a = alpha + K √(n λ_W λ_H) the label's class has p = 1 − (K − 1)/K · a. In a network decay
acts on other things than features; here a = alpha + κ λ^γ, with κ and γ fitted to the smaller alphas and decays.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas
from scipy.optimize import least_squares

CLASSES = 10
SMALL = {"alpha": 0.03, "weight_decay": 0.005}  # up to here cells are fitted, beyond they are predicted
TOLERATED = 0.1  # of the length, on average over the predicted cells
START = (1.7, 1.8)  # log κ and γ, where the fit begins
QUANTITY = "log length, train"


def length(a: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    """Length of the centred logits at the optimum, ‖z − z̄‖, for a in (0, 1): 0 at 1, without bound towards 0."""
    p = 1 - (classes - 1) / classes * np.clip(a, 1e-12, 1 - 1e-6)
    lead = np.log((classes - 1) * p / (1 - p))
    return lead * np.sqrt((classes - 1) / classes)


def predicted(rows: pandas.DataFrame) -> np.ndarray:
    """The log length of each cell by theory, (N,), with κ and γ fitted to the small ones. rows: of one seed."""
    alpha, decay = (rows[name].to_numpy(float) for name in SMALL)
    measured = rows[QUANTITY].to_numpy(float)
    small = _small(rows)

    def curve(constants: np.ndarray) -> np.ndarray:
        return np.log(length(alpha + np.exp(constants[0]) * decay ** constants[1]))

    fitted = least_squares(lambda constants: (curve(constants) - measured)[small], START)
    return curve(fitted.x)


def _small(rows: pandas.DataFrame) -> np.ndarray:
    return np.logical_and.reduce([rows[name].to_numpy(float) <= most for name, most in SMALL.items()])


def statistic(rows: pandas.DataFrame) -> float:
    """Mean over the predicted cells of |predicted / measured length − 1|, less TOLERATED; NaN where a training failed.

    rows: of one seed.
    """
    if np.isnan(rows[QUANTITY].to_numpy(float)).any():
        return float("nan")
    off = np.abs(np.expm1(predicted(rows) - rows[QUANTITY].to_numpy(float)))
    return float(off[~_small(rows)].mean() - TOLERATED)


def planted(
    seeds: Sequence[int], grid: Mapping[str, Sequence], noise: float, effect: float, generator: Any
) -> pandas.DataFrame:
    """Rows whose statistic is `effect` on average, with a deviation of `noise` over seeds. generator: numpy's."""
    tables = []
    for seed in seeds:
        points = pandas.DataFrame([*itertools.product(*grid.values())], columns=[*grid], dtype=float)
        exact = np.log(length(points["alpha"].to_numpy() + 5.5 * points["weight_decay"].to_numpy() ** 1.83))
        off = TOLERATED + effect + noise * generator.standard_normal()
        beyond = ~_small(points)
        tables.append(points.assign(seed=seed, jump=0.0, **{QUANTITY: exact - np.log1p(off) * beyond}))
    return pandas.concat(tables, ignore_index=True)
