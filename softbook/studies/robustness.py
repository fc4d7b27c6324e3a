"""What Robustness and its sequel ask of records: data or training, what decides, and a comparison with AutoAttack.

cells_of("quick-confirm")[1000, 360]     # the table of networks trained on so many images for so many steps
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas
from sklearn.isotonic import IsotonicRegression

from softbook.studies import across_settings, records
from softbook.studies.tables import rows_of
from softlab.comparison.effects import Effect, combined, outcomes, paired
from softlab.comparison.intervals import OPEN, Interval, each, means, t_interval
from softlab.numbers.quantities import QUANTITIES, RADII

Cells = Mapping[tuple[int, int], pandas.DataFrame]  # by training images and steps


def cells_of(profile: str, again: bool = False) -> dict[tuple[int, int], pandas.DataFrame]:
    """Recorded tables by training images and steps: studies training_images and training_images_more.

    again: their networks of other seeds, which have a margin on record.
    """
    studies = [f"training_images{part}{'_again' * again}" for part in ("", "_more")]
    found = {}
    for (study, name, steps, images), rows in across_settings.cells(*studies).items():
        if name == profile:
            epochs = records.about(study)[profile]["experiment"]["epochs"]
            found[int(images), int(steps * epochs)] = rows
    return dict(sorted(found.items()))


def survives(radius: float) -> str:
    """The outcome by image that says which are right still at a radius, in 255ths."""
    return f"survives {radius:g}/255"


LADDER = "the ladder"
AUTOATTACK = "AutoAttack"


def met_by_autoattack(profile: str, radius: float, studies: Sequence[str]) -> pandas.DataFrame:
    """The networks of some studies that AutoAttack has met at a radius, in 255ths, each once: their recorded rows.

    Further columns: the share of the images that it met, in %, which the ladder leaves right, and which AutoAttack
    alone does (LADDER, AUTOATTACK). At .4/255 PGD-7 stands for the ladder. Where the record says what the ladder leaves
    of the very network, that counts, else its row.
    """
    parts = [tables[profile] for study in studies if profile in (tables := records.by_profile(study))]
    found = records.of_measure("autoattack", profile)
    if not parts or found.empty:
        return pandas.DataFrame(columns=["id", "method", LADDER, AUTOATTACK])
    met = {row["id"]: row for row in rows_of(found.loc[found["radius"] == radius])}
    table = pandas.concat(parts).drop_duplicates("id")
    table = table.loc[table["id"].isin([*met])]
    left: dict[str, list[float]] = {LADDER: [], AUTOATTACK: []}
    for name, images in zip(table["id"], table["images"], strict=True):
        right = met[name]["images"][survives(radius)]
        ladder = met[name]["ladder"]
        left[LADDER].append(100 * float(images[survives(radius)][: len(right)].mean() if np.isnan(ladder) else ladder))
        left[AUTOATTACK].append(100 * float(right.mean()))
    return pandas.concat([table, pandas.DataFrame(left, index=table.index)], axis=1)


# Where AutoAttack was run: place, its profile, its radius, and the studies whose networks it met.
MEETINGS = (
    ("A", "quick-confirm", 4, ("core",)),
    ("A, what the book advises", "quick-fp32", 4, ("core", "flat", "many")),
    ("A, halves of mixtures", "quick-fp32", 4, ("images_or_labels",)),
    ("as A, images and steps vary", "quick-confirm", 4, ("training_images", "training_images_more")),
    ("B", "fashion-heldout", 4, ("core", "core_again", "interventions")),
    ("B, length and cosine by hand", "fashion-heldout", 4, ("park_by_hand",)),
    ("F, 0.4/255: beyond PGD-7", "cifar10-papers", 0.4, ("core", "stronger_attack")),
    ("F, 1/255", "cifar10-papers", 1, ("stronger_attack",)),
)


def taken_beyond() -> dict[str, dict[str, list[float]]]:
    """Points that AutoAttack takes off what the ladder leaves, on the same images: {place: {method: of each network}}.

    Of the networks that it has met, each once; at F and .4/255 PGD-7 stands for the ladder. A place where it
    has met none is left out.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for place, profile, radius, studies in MEETINGS:
        met = met_by_autoattack(profile, radius, studies)
        for method, taken in (met[LADDER] - met[AUTOATTACK]).groupby(met["method"], sort=False):
            found.setdefault(place, {})[str(method)] = taken.to_list()
    return found


def left_by_weak_attack(table: pandas.DataFrame, radius: float = 4) -> dict[str, Interval]:
    """Share (%) of images that survive seven steps of PGD on cross-entropy at a radius, but not a better attack.

    radius: in 255ths, of RADII.  {} for a table without the outcomes of each rung.
    """
    at = RADII.index(radius)
    survived = outcomes(table, "survived")  # (rungs, radii, images)
    share: Any = each(lambda rungs: 100 * float((rungs[1] & ~rungs[2])[at].mean()), survived)
    what = "images that the weak attack alone leaves (%)"
    return {method: mean.of(table, what) for method, mean in means(share).items()}


def effect_apart(
    here: pandas.DataFrame, there: pandas.DataFrame, quantity: str, method: str, against: str = "baseline"
) -> Effect:
    """What a method does to a quantity in one table minus what it does in another, paired by seed.

    Over seeds and images if both have the same images, as one data set cut to two sizes; OPEN without a common seed.
    """
    pairs = []
    for table in (here, there):
        by_method = {name: pair for name, *pair in paired(table, quantity, against)}
        pairs.append(by_method.get(method, [table[:0].set_index("seed")] * 2))
    seeds = [seed for seed in pairs[0][0].index if seed in pairs[1][0].index]
    parts = [rows.loc[seeds] for pair in pairs for rows in pair]
    return combined(quantity, parts, lambda a, b, c, d: (a - b) - (c - d), here)


def per_doubling(cells: Cells, method: str, quantity: str, against: str | None = None) -> tuple[Interval, ...]:
    """What twice the training images, twice the steps, and both together change in a quantity of a method's networks.

    For each seed with a value in every cell: the slopes of a least-squares plane over the logarithms of both; OPEN
    without such a seed.  against: take the difference to this method's networks.  In the units in which the book writes
    the quantity.
    """
    rows = pandas.concat([table.assign(place=number) for number, table in enumerate(cells.values())])
    by_seed = {
        name: rows[rows["method"] == name].pivot(index="place", columns="seed", values=quantity)
        for name in (method, against)
    }
    values = (by_seed[method] - by_seed[against] if against else by_seed[method]).dropna(axis=1)
    if values.shape[1] == 0 or len(values) < len(cells):
        return OPEN, OPEN, OPEN
    plane = np.column_stack([np.log2(list(cells)), np.ones(len(cells))])
    images, steps, _ = np.linalg.lstsq(plane, values.to_numpy(), rcond=None)[0]
    described = QUANTITIES[quantity]
    table = next(iter(cells.values()))
    parts = {"training images": images, "steps": steps, "images and steps": images + steps}
    what = f"change of {described.changed} with twice the"
    return tuple(t_interval(described.factor * slopes).of(table, f"{what} {name}") for name, slopes in parts.items())


def fall_together(x: Sequence[float], y: Sequence[float]) -> float:
    """How well x orders y by itself: 1 where all points lie on one rising or one falling curve.

    The share of squared error that such a curve, fitted without a point, saves in predicting it, compared with the
    others' mean; below 0 if the curve does worse than that mean.  At least three points.
    """
    at = np.asarray(x, dtype=float)
    values = np.asarray(y, dtype=float)
    others = [np.arange(len(at)) != point for point in range(len(at))]
    curve = [_monotone(at[rest], values[rest])(at[~rest])[0] for rest in others]
    mean = [values[rest].mean() for rest in others]
    return float(1 - ((values - curve) ** 2).sum() / ((values - mean) ** 2).sum())


def _monotone(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The better of the best rising and the best falling curve; points at one place count together."""
    curves = [IsotonicRegression(increasing=up, out_of_bounds="clip").fit(x, y).predict for up in (True, False)]
    return min(curves, key=lambda curve: float(((y - curve(x)) ** 2).sum()))
