"""Effects: what a method does to a quantity, as paired difference to the baseline with its 95 % interval.

scale = effects(study_table(settings), "log logit scale")
scale["mixup"]                      # an Effect: prints as `-0.64 ± 0.07`
scale.falls("mixup", "cutmix")      # do the intervals say so, for each of them?

Where a quantity is a mean over images, and the outcome on each image is at hand, the interval is over seeds and images
(intervals.two_way_interval): what holds for other networks on other images. Else it is over seeds only.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas
import torch
from scipy.optimize import isotonic_regression

from softlab.calibration import bin_signs, ece_terms
from softlab.errors import SoftlabError, check_known
from softlab.intervals import OPEN, Interval, Values, paired_interval, t_interval, two_way_interval
from softlab.profile import Profile
from softlab.quantities import QUANTITIES, Quantity
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

    def __format__(self, sign: str) -> str:
        """`-2.7 ± 0.5`, in the quantity's units; with "+", `+2.7`; with "abs", the size of the effect."""
        shown, digits = self.shown, self.described.digits
        if sign == "abs":
            shown = Interval(
                abs(shown.mean), abs(shown.mean) - shown.half_width, abs(shown.mean) + shown.half_width, shown.n
            )
        return shown.text(digits, sign=sign == "+")

    def __str__(self) -> str:
        return format(self, "+")


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
        return self._all(methods, lambda one: one.high < 0)

    def rises(self, *methods: str) -> bool:
        """Is the whole interval above zero, for each of the methods (none named: all)?"""
        return self._all(methods, lambda one: one.low > 0)

    def within(self, margin: float, *methods: str) -> bool:
        """Is the whole interval within ± margin (in the lens's units), for each of the methods (none named: all)?"""
        return self._all(methods, lambda one: -margin < one.low and one.high < margin)

    def _all(self, methods, holds) -> bool:
        chosen = methods or tuple(self)
        return bool(chosen) and all(name in self and holds(self[name].interval) for name in chosen)


def effects(table: pandas.DataFrame, quantity: str, against: str | pandas.DataFrame = "baseline") -> Effects:
    """What each method of a table does to a quantity: paired by seed, over seeds and images where that can be.

    table: of records.study_table.  against: the method that others are compared with, or a table whose only method
    they are compared with.  Seeds that only one of the two has are left out, and those without a finite value; with
    none left the effect is OPEN.
    Raises SoftlabError for an unknown quantity, with the nearest one, and where there is nothing to compare with.
    """
    check_known("quantity", quantity, QUANTITIES)
    found = Effects(quantity)
    for method, rows, reference in _paired(table, quantity, against):
        found[method] = _effect(quantity, rows, reference)
    return found


def effect_apart(
    here: pandas.DataFrame, there: pandas.DataFrame, quantity: str, method: str, against: str = "baseline"
) -> Effect:
    """What a method does to a quantity in one table minus what it does in another, paired by seed.

    Over seeds and images where both have the same images, as one data set cut to two sizes; OPEN without a common seed.
    """
    pairs = []
    for table in (here, there):
        found = {name: pair for name, *pair in _paired(table, quantity, against)}
        pairs.append(found.get(method, [table[:0].set_index("seed")] * 2))
    seeds = [seed for seed in pairs[0][0].index if seed in pairs[1][0].index]
    parts = [rows.loc[seeds] for pair in pairs for rows in pair]
    ids = tuple(name for rows in parts for name in rows["id"])
    if not seeds:
        return Effect(quantity, OPEN, "seeds", ids)
    terms = [one for rows in parts if (one := _terms(quantity, rows)) is not None]
    if len(seeds) > 1 and len(terms) == 4 and len({one.shape for one in terms}) == 1:
        return Effect(quantity, two_way_interval(_apart(terms)), "seeds and images", ids)
    return Effect(quantity, t_interval(_apart([rows[quantity].to_numpy() for rows in parts])), "seeds", ids)


def turns(cells: Mapping[tuple[int, int], Effect]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Between which cells of a grid the sign of an effect turns for certain, along its rows and along its columns.

    The last cell before and the first after; an effect whose interval contains zero is on neither side.
    """
    found = []
    for along, fixed in ((0, 1), (1, 0)):
        for place in sorted({cell[fixed] for cell in cells}):
            line = sorted((cell for cell in cells if cell[fixed] == place), key=lambda cell: cell[along])
            sure = [(cell, side) for cell in line if (side := cells[cell].interval.side())]
            found += [(low, high) for (low, side), (high, other) in itertools.pairwise(sure) if side != other]
    return found


def fall_together(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray, np.ndarray, float]:
    """The monotone curve through points that x decides best, its corners (x, ascending, and y), and how well it does.

    The score: the share of squared error that such a curve, fitted without a point, saves in predicting it, against
    the mean of the others; at most 1, below 0 where the curve does worse than that mean.  At least three points.
    """
    at, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    others = [np.arange(len(at)) != one for one in range(len(at))]
    curve = [np.interp(at[~some], *_monotone(at[some], values[some]))[0] for some in others]
    mean = [values[some].mean() for some in others]
    score = 1 - ((values - curve) ** 2).sum() / ((values - mean) ** 2).sum()
    return *_monotone(at, values), float(score)


def _monotone(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The better of the best rising and the best falling curve; points at one place count together."""
    at, where, count = np.unique(x, return_inverse=True, return_counts=True)
    level = np.bincount(where, y) / count
    curves = [isotonic_regression(level, weights=count, increasing=up).x for up in (True, False)]
    return at, min(curves, key=lambda curve: float(((y - curve[where]) ** 2).sum()))


def _apart(parts):
    method, baseline, other_method, other_baseline = parts
    return (method - baseline) - (other_method - other_baseline)


@dataclass(frozen=True)
class Shift:
    """How far a method moves confidence, and what that does to ECE, over seeds and images; in the units of a lens.

    ECE = |gap| + 2 min(overconfident part, underconfident part), exactly, of the images of all seeds together. So with
    the baseline's gap g and what the method takes off it, Δ, ECE changes by |g - Δ| - |g| + rest.
    start: g / Δ.  change: what ECE changes by / Δ, |start - 1| - |start| + rest / Δ.  score: NLL at T, an effect.
    """

    gap: Interval
    taken: Interval
    rest: Interval
    start: Interval
    change: Interval
    score: Interval


def shifts(table: pandas.DataFrame, against: str | pandas.DataFrame = "baseline") -> dict[str, Shift]:
    """{method: Shift} against the baseline; arguments: those of `effects`.

    A method without confidences by image is left out; one with a single network has no intervals.
    """
    found, scores = {}, effects(table, "NLL at T", against)
    for method, *both in _paired(table, "gap", against):
        gaps = [one for rows in both if (one := _terms("gap", rows)) is not None]
        errors = [one for rows in both if (one := _terms("ECE", rows)) is not None]
        if both[0].empty or len(gaps) + len(errors) < 4:
            continue
        cancels = [error - np.sign(gap.mean()) * gap for error, gap in zip(errors, gaps, strict=True)]
        taken = gaps[1] - gaps[0]
        found[method] = Shift(
            gap=_mean(gaps[1]),
            taken=_mean(taken),
            rest=_mean(cancels[0] - cancels[1]),
            start=_ratio(gaps[1], taken),
            change=_ratio(errors[0] - errors[1], taken),
            score=scores[method].interval,
        )
    return found


def _mean(terms: np.ndarray) -> Interval:
    """Of terms by seed and image, (n, N); of a single network without an interval."""
    return two_way_interval(terms) if len(terms) > 1 else t_interval(terms.mean(1))


def _ratio(top: np.ndarray, bottom: np.ndarray) -> Interval:
    """Of two means over seeds and images, (n, N) each; its interval is that of top - ratio · bottom, made linear."""
    ratio, size = top.mean() / bottom.mean(), abs(bottom.mean())
    around = _mean((top - ratio * bottom) / size)
    return Interval(ratio, ratio + around.low, ratio + around.high, around.n, around.degrees)


def _paired(
    table: pandas.DataFrame, quantity: str, against: str | pandas.DataFrame
) -> Iterator[tuple[str, pandas.DataFrame, pandas.DataFrame]]:
    """A method, its rows and those of what it is compared with: the seeds that have a finite value in both."""
    columns = ["id", "method", "seed", quantity, "images"]  # of a wide table, as pandas copies what is there
    reference = table.loc[table["method"] == against] if isinstance(against, str) else against
    table, reference = table.loc[:, columns], reference.loc[:, columns]
    if len(reference) == 0 or reference["method"].nunique() > 1 or not reference["seed"].is_unique:
        raise SoftlabError(f"effects need one method to compare with, one network a seed, not {against!r}")
    reference = reference.set_index("seed")
    for method, rows in table.groupby("method", sort=False):
        if isinstance(against, str) and method == against:
            continue
        if not rows["seed"].is_unique:
            raise SoftlabError(f"{method} has several networks of one seed: choose one point of the grid first")
        rows = rows.set_index("seed")
        finite = [set(some.index[np.isfinite(some[quantity])]) for some in (rows, reference)]
        seeds = [seed for seed in rows.index if seed in finite[0] & finite[1]]
        yield str(method), rows.loc[seeds], reference.loc[seeds]


def effects_at_scales(
    table: pandas.DataFrame, quantity: str, settings: Profile, study: str = "core"
) -> dict[str, Effects]:
    """What methods do to a quantity, in this table of a study and at every scale on record: {its description: Effects}.

    A scale without anything to compare is left out.
    """
    found = {label: effects(one, quantity) for label, one in tables_at_scales(table, settings, study).items()}
    return {label: one for label, one in found.items() if any(effect.interval.n for effect in one.values())}


def tables_at_scales(
    table: pandas.DataFrame, settings: Profile, study: str = "core", distinct: bool = False
) -> dict[str, pandas.DataFrame]:
    """This table of a study and all that are on record, by their description: those that have a baseline.

    distinct: of tables of one setting only the recorded one whose seeds start last, which nobody had looked at.
    """
    from softlab import records

    tables, about = {f"this build: {settings.description}": table}, records.about(study)
    own = settings.experiment.as_dict()
    set_as = {next(iter(tables)): own}
    for name, recorded_table in records.scales(study, besides=table).items():
        label = about[name]["description"]
        label = f"{label} ({name})" if label in tables else label
        tables[label] = recorded_table
        set_as[label] = own | about[name].get("experiment", {})
    if distinct:
        order = sorted(tables, key=lambda label: tables[label]["seed"].min())
        last = {repr(sorted(set_as[label].items())): label for label in order}
        tables = {label: one for label, one in tables.items() if label in last.values()}
    return {label: one for label, one in tables.items() if "baseline" in set(one["method"])}


def tally(tables: Mapping[str, pandas.DataFrame], quantity: str, side: str, *methods: str) -> tuple[int, int]:
    """At how many scales all these methods do so, and of how many that can say. side: `falls` or `rises`."""
    found = [effects(table, quantity) for table in tables.values()]
    known = [one for one in found if all(one[method].interval.n > 1 for method in methods)]
    return sum(getattr(one, side)(*methods) for one in known), len(known)


def by_dose(table: pandas.DataFrame, quantity: str, dose: str = "alpha", start: float = 0.0) -> dict[float, Effect]:
    """What the doses of one method do to a quantity: {dose: Effect}, each against the same seeds' networks at `start`.

    table: of a study whose grid has the dose, as of records.study_table.  Raises SoftlabError where `start` lacks.
    """
    reference = table.loc[table[dose] == start]
    groups = table.loc[table[dose] != start].groupby(dose)
    return {float(value): one for value, rows in groups for one in effects(rows, quantity, reference).values()}


def shares(doses: dict[float, Effect], whole: float) -> dict[float, Interval]:
    """Each dose's effect in percent of the mean effect of the dose `whole`, with the effect's interval; 0 without any.

    doses: as of by_dose.  NaN where that mean is zero.
    """
    size, found = doses[whole].interval.mean or math.nan, {0.0: Interval(0.0, 0.0, 0.0, 1)}
    for dose, effect in doses.items():
        mean, half = 100 * effect.interval.mean / size, 100 * effect.interval.half_width / abs(size)
        found[dose] = Interval(mean, mean - half, mean + half, effect.interval.n)
    return found


def differences(table: pandas.DataFrame, quantity: str, against: str = "baseline") -> dict[str, dict[int, float]]:
    """Each network's quantity minus that of the other method's network of its seed: {method: {seed: difference}}."""
    values = by_method(table, quantity)
    start = values.get(against, {})
    return {
        method: {seed: value - start[seed] for seed, value in of.items() if seed in start}
        for method, of in values.items()
        if method != against
    }


def by_method(table: pandas.DataFrame, quantity: str) -> Values:
    """One quantity of a table as {method: {seed: value}}, finite values only: what evidence.Ledger.judge takes."""
    groups = table[np.isfinite(table[quantity])].groupby("method", sort=False)
    return {str(name): dict(zip(rows["seed"], rows[quantity], strict=True)) for name, rows in groups}


def ways(snapshots: pandas.DataFrame, quantity: str, against: str = "baseline") -> dict[str, pandas.DataFrame]:
    """How far a method has come at each epoch on its way: {method: a row for each epoch, a column for each seed}.

    Its way: the difference to the baseline of the same seed, from 0 before training to the final one, which counts as
    1.  snapshots: one row for each network and epoch.  A seed that lacks a value, or has no final difference, is left
    out, and a method without any seed.
    """
    paths = snapshots.pivot(index="epoch", columns=["method", "seed"], values=quantity).dropna(axis=1)
    found: dict[str, dict[int, pandas.Series]] = {}
    for method, seed in paths.columns:
        if method != against and (against, seed) in paths:
            way = paths[method, seed] - paths[against, seed]
            if way.iloc[-1]:
                found.setdefault(method, {})[int(seed)] = way / way.iloc[-1]
    return {method: pandas.DataFrame(by_seed) for method, by_seed in found.items()}


def half_way(way: pandas.DataFrame) -> dict[int, float]:
    """The epoch at which half of the way is reached for the first time, by seed, straight between snapshots.

    way: of a method, as in `ways`.
    """
    epochs, found = way.index.to_numpy(dtype=float), {}
    for seed, share in way.items():
        after = int(np.argmax(share.to_numpy() >= 0.5))
        around = slice(max(after - 1, 0), after + 1)
        found[seed] = float(np.interp(0.5, share.to_numpy()[around], epochs[around]))
    return found


def outcomes(table: pandas.DataFrame, outcome: str) -> dict[str, dict[int, np.ndarray]]:
    """An outcome by image of every network, as {method: {seed: array whose last axis goes over images}}."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for method, seed, images in zip(table["method"], table["seed"], table["images"], strict=True):
        if outcome in images:
            found.setdefault(method, {})[seed] = images[outcome]
    return found


def _effect(quantity: str, rows: pandas.DataFrame, reference: pandas.DataFrame) -> Effect:
    ids = (*rows["id"], *reference["id"])
    if not ids:
        return Effect(quantity, OPEN, "seeds", ids)
    terms = [_terms(quantity, some) for some in (rows, reference)]
    if len(rows) > 1 and terms[0] is not None and terms[1] is not None and terms[0].shape == terms[1].shape:
        return Effect(quantity, two_way_interval(terms[0] - terms[1]), "seeds and images", ids)
    return Effect(quantity, paired_interval(list(rows[quantity]), list(reference[quantity])), "seeds", ids)


def _terms(quantity: str, rows: pandas.DataFrame) -> np.ndarray | None:
    """(seeds, images): what the quantity is the mean of over images; None if it is no such mean, or none are kept."""
    signed = quantity in ("gap", "ECE")
    needed = ("confidence", "right") if signed else (QUANTITIES[quantity].images,)
    if rows.empty or not all(name in images for images in rows["images"] for name in needed):
        return None
    parts = [np.stack([np.asarray(images[name], dtype=float) for images in rows["images"]]) for name in needed]
    if not signed:
        return parts[0]
    confidence, right = parts
    if quantity == "gap":
        return confidence - right
    # The sign of each bin is that of all seeds together: with it fixed, ECE is a mean over images.
    pooled = torch.from_numpy(confidence.ravel()), torch.from_numpy(right.ravel())
    return ece_terms(*pooled, bin_signs(*pooled)).numpy().reshape(right.shape)
