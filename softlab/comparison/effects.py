"""Effects: what a method does to a quantity, as a paired difference to the baseline with its 95 % interval.

shorter = effects(table, "log logit scale")
shorter["mixup"]                      # an Effect: prints as `-0.64 ± 0.07`
shorter.falls("mixup", "cutmix")      # do the intervals say so, for each of them?

Where a quantity is a mean over images, and the outcome on each image is at hand, the interval is over seeds and images
(intervals.two_way_interval): what holds for other networks on other images. Else it is over seeds only.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas
import torch

from softlab.comparison.intervals import OPEN, Interval, Intervals, Number, Values, means, t_interval, two_way_interval
from softlab.errors import SoftlabError, check_known
from softlab.lenses.calibration import bin_signs, ece_terms
from softlab.numbers.quantities import QUANTITIES, Quantity
from softlab.regularizers import REGISTRY


@dataclass(frozen=True)
class Effect:
    """The difference that a method makes to a quantity, in the units of its lens.

    over: "seeds", or "seeds and images".  ids: of the networks compared, the method's and the others'.
    """

    quantity: str
    interval: Interval
    over: str
    ids: tuple[str, ...]

    @property
    def described(self) -> Quantity:
        return QUANTITIES[self.quantity]

    @property
    def shown(self) -> Interval:
        """In the units in which the book writes the quantity."""
        return self.interval.scaled(self.described.factor)

    def __format__(self, sign: str) -> Number:
        """`-2.7 ± 0.5`, in the quantity's units; with "+", `+2.7`; with "abs", the size of the effect."""
        number = self.shown.text(self.described.digits, sign=sign == "+")
        return number.removeprefix("-") if sign == "abs" else number

    def __str__(self) -> Number:
        return self.__format__("+")


class Effects(dict[str, Effect]):
    """{method: Effect} on one quantity, and what their intervals say. A method that was left out is OPEN."""

    def __init__(self, quantity: str):
        super().__init__()
        self.quantity = quantity

    def __missing__(self, method: str) -> Effect:
        check_known("method", method, REGISTRY)
        return Effect(self.quantity, OPEN, "seeds", ())

    def falls(self, *methods: str) -> bool:
        """Is the whole interval below zero, for each of the methods (none named: all)? Not with a method missing."""
        return self._all(methods, lambda interval: interval.high < 0)

    def rises(self, *methods: str) -> bool:
        """Is the whole interval above zero, for each of the methods (none named: all)?"""
        return self._all(methods, lambda interval: interval.low > 0)

    def within(self, margin: float, *methods: str) -> bool:
        """Is the whole interval within ± margin (in the lens's units), for each of the methods (none named: all)?"""
        return self._all(methods, lambda interval: -margin < interval.low and interval.high < margin)

    def _all(self, methods, holds) -> bool:
        chosen = methods or tuple(self)
        return bool(chosen) and all(name in self and holds(self[name].interval) for name in chosen)


def effects(table: pandas.DataFrame, quantity: str, against: str | pandas.DataFrame = "baseline") -> Effects:
    """What each method of a table does to a quantity: paired by seed, over seeds and images where possible.

    table: a row for each network.  against: the method that others are compared with, or a table with that method
    only.  Seeds that only one of the two has, or without a finite value, are left out; with none left the effect is
    OPEN.
    Raises SoftlabError for an unknown quantity, with the nearest one, and if there is nothing to compare with.
    """
    return every_effect(table, [quantity], against)[quantity]


def every_effect(
    table: pandas.DataFrame, quantities: Iterable[str], against: str | pandas.DataFrame = "baseline"
) -> dict[str, Effects]:
    """The effects on each of the quantities, {quantity: Effects}: networks are paired once for all of them.

    Arguments and errors: those of `effects`.
    """
    by_quantity: dict[str, Effects] = {}
    for quantity in quantities:
        check_known("quantity", quantity, QUANTITIES)
        by_quantity[quantity] = Effects(quantity)
    for method, rows, reference in _same_seeds(table, [*by_quantity], against):
        for quantity, methods in by_quantity.items():
            pair = _finite(quantity, rows, reference)
            methods[method] = combined(quantity, pair, lambda value, other: value - other, table)
    return by_quantity


def over_grid(table: pandas.DataFrame, quantity: str, method: str, against: str) -> Interval:
    """One method's difference to another, over seeds; each seed's value is its mean over the study's grid."""
    by = table.pivot_table(quantity, "seed", "method")
    interval = t_interval((by[method] - by[against]).dropna().to_numpy()).scaled(QUANTITIES[quantity].factor)
    return interval.of(table, f"change of {QUANTITIES[quantity].changed}, mean over the study’s grid")


def averages(table: pandas.DataFrame, quantity: str) -> dict[str, Interval]:
    """A quantity of every method of a table, in the units of its lens: over seeds and images where possible."""
    finite = table.loc[np.isfinite(table[quantity]), ["method", quantity, "images"]]
    intervals = {}
    for method, rows in finite.groupby("method", sort=False):
        terms = _terms(quantity, rows) if len(rows) > 1 else None
        interval = t_interval(rows[quantity].to_numpy()) if terms is None else two_way_interval(terms)
        images = 0 if terms is None else terms.shape[1]
        intervals[str(method)] = interval.of(table, QUANTITIES[quantity].label, images)
    return intervals


@dataclass(frozen=True)
class Shift:
    """How far a method moves confidence, and what that does to ECE, over seeds and images; in the units of a lens.

    ECE = |gap| + 2 min(overconfident part, underconfident part), exactly, for each network. So with the
    baseline's gap g and what the method takes off it, Δ (`taken`), ECE changes by |g - Δ| - |g| + rest.
    """

    gap: Interval
    taken: Interval
    rest: Interval


def shifts(table: pandas.DataFrame, against: str | pandas.DataFrame = "baseline") -> dict[str, Shift]:
    """{method: Shift} against the baseline; arguments: those of `effects`.

    Methods are left out that have no confidences by image, or whose networks are the baseline's (early stopping that
    never stopped early); a single network has no intervals.
    """
    moved = {}
    for method, *pair in paired(table, "gap", against):
        gaps = [terms for rows in pair if (terms := _terms("gap", rows)) is not None]
        errors = [terms for rows in pair if (terms := _terms("ECE", rows)) is not None]
        if pair[0].empty or len(gaps) + len(errors) < 4 or not (gaps[1] - gaps[0]).any():
            continue
        cancels = [error - np.sign(gap.mean()) * gap for error, gap in zip(errors, gaps, strict=True)]
        taken = gaps[1] - gaps[0]
        moved[method] = Shift(gap=_mean(gaps[1]), taken=_mean(taken), rest=_mean(cancels[0] - cancels[1]))
    return moved


def _mean(terms: np.ndarray) -> Interval:
    """The mean of terms by seed and image, (n, N); without an interval for a single network."""
    return two_way_interval(terms) if len(terms) > 1 else t_interval(terms.mean(1))


def paired(
    table: pandas.DataFrame, quantity: str, against: str | pandas.DataFrame
) -> Iterator[tuple[str, pandas.DataFrame, pandas.DataFrame]]:
    """Each method, its rows and those it is compared with, for the seeds with a finite value in both."""
    for method, rows, reference in _same_seeds(table, [quantity], against):
        yield method, *_finite(quantity, rows, reference)


def _same_seeds(
    table: pandas.DataFrame, quantities: Sequence[str], against: str | pandas.DataFrame
) -> Iterator[tuple[str, pandas.DataFrame, pandas.DataFrame]]:
    """Each method, its rows and those it is compared with, by seed, for the seeds that both have."""
    columns = ["id", "method", "seed", *quantities, "images"]  # of a wide table, as pandas copies what is there
    reference = table.loc[table["method"] == against] if isinstance(against, str) else against
    table = table.loc[:, columns]
    reference = reference.loc[:, columns]
    for part in (table, reference):
        part.attrs = {}  # which pandas would copy with every column that is read
    if len(reference) == 0 or reference["method"].nunique() > 1 or not reference["seed"].is_unique:
        raise SoftlabError(f"effects need one method to compare with, one network a seed, not {against!r}")
    reference = reference.set_index("seed")
    for method, rows in table.groupby("method", sort=False):
        if isinstance(against, str) and method == against:
            continue
        if not rows["seed"].is_unique:
            raise SoftlabError(f"{method} has several networks of one seed: choose one point of the grid first")
        rows = rows.set_index("seed")
        seeds = [seed for seed in rows.index if seed in reference.index]
        yield str(method), rows.loc[seeds], reference.loc[seeds]


def _finite(
    quantity: str, rows: pandas.DataFrame, reference: pandas.DataFrame
) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """From rows of the same seeds, those where both have a finite value."""
    both = np.isfinite(rows[quantity].to_numpy(dtype=float)) & np.isfinite(reference[quantity].to_numpy(dtype=float))
    if both.all():
        return rows, reference
    columns = ["id", quantity, "images"]
    return rows.loc[both, columns], reference.loc[both, columns]


def by_dose(table: pandas.DataFrame, quantity: str) -> dict[float, Effect]:
    """What the doses of one method do to a quantity: {alpha: Effect}, each against the same seeds' networks at 0.

    table: of a study whose grid has alpha, a row for each network.  Raises SoftlabError if dose 0 is missing.
    """
    reference = table.loc[table["alpha"] == 0]
    groups = table.loc[table["alpha"] != 0].groupby("alpha")
    return {float(alpha): effect for alpha, rows in groups for effect in effects(rows, quantity, reference).values()}


def at_best(table: pandas.DataFrame, by: str = "NLL, fit") -> pandas.DataFrame:
    """The rows of each method at its best dose: that with the lowest mean of `by`, in which no test image takes part.

    table: with a column `dose`, as of a study with doses; NaN where a method has none.
    """
    parts = []
    for _, method in table.groupby("method", sort=False):
        doses = [rows for _, rows in method.groupby("dose", dropna=False)]
        parts.append(min(doses, key=lambda rows: rows[by].to_numpy().mean()))
    best = pandas.concat(parts)
    best.attrs = table.attrs
    return best


def shares(table: pandas.DataFrame, quantity: str, whole: float) -> dict[float, Interval]:
    """Each dose's effect in percent of the effect of the dose `whole`: {alpha: share}; 0 at 0.

    Both effects vary from seed to seed, together: the interval is that of the linearised effect - share · whole effect.
    Arguments: those of `by_dose`.  NaN where the whole effect is zero.
    """
    groups = table.loc[np.isfinite(table[quantity])].groupby("alpha")
    at = {float(dose): rows.set_index("seed") for dose, rows in groups}
    by_alpha = {0.0: Interval(0.0, 0.0, 0.0, 1)}
    for dose in [dose for dose in at if dose]:
        seeds = [seed for seed in at[dose].index if seed in at[0].index and seed in at[whole].index]
        share = _share(quantity, [at[alpha].loc[seeds] for alpha in (dose, 0, whole)], table)
        origin = share.origin and replace(share.origin, what=f"{share.origin.what}, in % of that at {whole:g}")
        by_alpha[dose] = replace(share.scaled(100), origin=origin)
    return by_alpha


def _share(quantity: str, parts: Sequence[pandas.DataFrame], table: pandas.DataFrame) -> Interval:
    """The effect of a dose as a share of another dose's.

    parts: rows of the same seeds, at the dose, at 0 and at the other dose.
    """
    here, none, whole = (float(np.mean(rows[quantity])) for rows in parts)
    size = whole - none or math.nan
    share = (here - none) / size
    around = combined(quantity, parts, lambda a, b, c: (a - b - share * (c - b)) / size, table).interval
    shift = share - around.mean
    return replace(around, mean=share, low=around.low + shift, high=around.high + shift)


def differences(table: pandas.DataFrame, quantity: str, against: str = "baseline") -> dict[str, dict[int, float]]:
    """Each network's quantity minus that of the other method's network of its seed: {method: {seed: difference}}."""
    pairs = paired(table, quantity, against)
    return {method: (rows[quantity] - other[quantity]).to_dict() for method, rows, other in pairs}


def by_method(table: pandas.DataFrame, quantity: str) -> Values:
    """One quantity of a table as {method: {seed: value}}, finite values only."""
    groups = table[np.isfinite(table[quantity])].groupby("method", sort=False)
    return {str(name): dict(zip(rows["seed"], rows[quantity], strict=True)) for name, rows in groups}


def seed_means(table: pandas.DataFrame, quantity: str) -> Intervals:
    """Mean and 95 % interval over seeds of each method, in the units in which the book writes the quantity."""
    factor = QUANTITIES[quantity].factor
    return {method: mean.scaled(factor) for method, mean in means(by_method(table, quantity)).items()}


def seed_means_at(table: pandas.DataFrame, column: str, quantity: str) -> dict[float | None, Intervals]:
    """`seed_means` for each value of what a study's grid varies: {value: {method: interval}}, None last."""
    by_value: dict[float | None, Intervals] = {}
    for value in sorted(table[column].dropna().unique()):
        by_value[value] = seed_means(table.loc[table[column] == value], quantity)
    if bool(table[column].isna().to_numpy().any()):
        by_value[None] = seed_means(table.loc[table[column].isna()], quantity)
    return by_value


def ways(snapshots: pandas.DataFrame, quantity: str, against: str = "baseline") -> dict[str, pandas.DataFrame]:
    """How far along its path a method is at each epoch: {method: a row for each epoch, a column for each seed}.

    Its path: the difference to the baseline of the same seed, from 0 before training to the final one, which counts as
    1.  snapshots: one row for each network and epoch.  Seeds that lack a value or a final difference are left out, and
    so are methods without a seed.
    """
    paths = snapshots.pivot(index="epoch", columns=["method", "seed"], values=quantity).dropna(axis=1)
    along: dict[str, dict[int, pandas.Series]] = {}
    for method, seed in paths.columns:
        if method != against and (against, seed) in paths:
            way = paths[method, seed] - paths[against, seed]
            if way.iloc[-1]:
                along.setdefault(method, {})[int(seed)] = way / way.iloc[-1]
    return {method: pandas.DataFrame(by_seed) for method, by_seed in along.items()}


def half_way(way: pandas.DataFrame) -> dict[int, float]:
    """The epoch at which half of the path is reached for the first time, by seed, linear between snapshots.

    way: of a method, as in `ways`.
    """
    epochs = way.index.to_numpy(dtype=float)
    reached = {}
    for seed, share in way.items():
        after = int(np.argmax(share.to_numpy() >= 0.5))
        around = slice(max(after - 1, 0), after + 1)
        reached[seed] = float(np.interp(0.5, share.to_numpy()[around], epochs[around]))
    return reached


def outcomes(table: pandas.DataFrame, outcome: str) -> dict[str, dict[int, np.ndarray]]:
    """One outcome by image, for every network: {method: {seed: array whose last axis goes over images}}."""
    arrays: dict[str, dict[int, np.ndarray]] = {}
    for method, seed, images in zip(table["method"], table["seed"], table["images"], strict=True):
        if outcome in images:
            arrays.setdefault(method, {})[seed] = images[outcome]
    return arrays


def combined(quantity: str, parts: Sequence[pandas.DataFrame], difference: Callable, table: pandas.DataFrame) -> Effect:
    """The effect that combines one quantity from several parts of tables, whose rows have the same seeds.

    Over seeds and images if all parts have the same images, else over seeds; OPEN without a row.
    difference: of arrays, one for each part.  table: the one it is attributed to.
    """
    ids = tuple(name for rows in parts for name in rows["id"])
    changed = QUANTITIES[quantity].changed
    if not ids:
        return Effect(quantity, OPEN, "seeds", ids)
    terms = [known for rows in parts if (known := _terms(quantity, rows)) is not None]
    if len(parts[0]) > 1 and len(terms) == len(parts) and len({known.shape for known in terms}) == 1:
        interval = two_way_interval(difference(*terms))
        images = terms[0].shape[1]
    else:
        interval = t_interval(difference(*(rows[quantity].to_numpy() for rows in parts)))
        images = 0
    interval = interval.of(table, f"change of {changed}", images)
    return Effect(quantity, interval, "seeds and images" if images else "seeds", ids)


def _terms(quantity: str, rows: pandas.DataFrame) -> np.ndarray | None:
    """(seeds, images): the terms whose mean over images is the quantity; None if it is no such mean or has none."""
    signed = quantity in ("gap", "ECE")
    if not signed and not QUANTITIES[quantity].images:
        return None
    needed = ("confidence", "right") if signed else (QUANTITIES[quantity].images,)
    networks = [*rows["images"]]
    if not networks or not all(name in images for images in networks for name in needed):
        return None
    parts = [np.stack([np.asarray(images[name], dtype=float) for images in networks]) for name in needed]
    if not signed:
        return parts[0]
    confidence, right = parts
    if quantity == "gap":
        return confidence - right
    # With the side that each bin of a network is on held fixed, its ECE is a mean over images.
    both = zip(torch.from_numpy(confidence), torch.from_numpy(right), strict=True)
    return np.stack([ece_terms(sure, hits, bin_signs(sure, hits)).numpy() for sure, hits in both])
