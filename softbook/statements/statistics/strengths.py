"""Losses at several strengths, or each at its best: with a long tail of classes, a hundred in colour, and at A."""

import functools
from dataclasses import dataclass

import pandas

from softbook.statements.origin import exactly
from softbook.studies import long_tail, records
from softlab.comparison.intervals import Interval
from softlab.numbers.quantities import QUANTITIES

BEST = "best"


@dataclass(frozen=True)
class _Place:
    """Where strengths vary. seeds: how many networks each method and strength must have to count."""

    studies: tuple[str, ...]
    profile: str
    seeds: int


PLACES = {
    "long tail": _Place(("long_tail", "long_tail_weaker", "long_tail_parts"), "quick-fp32", 10),
    "hundred colours": _Place(("hundred_again", "hundred_weaker"), "cifar10-papers", 5),
    "A": _Place(("dose",), "quick-fp32", 10),
}


def at_strengths(
    place: str,
    method: str,
    less: str = "label_smoothing",
    strength: float | str = long_tail.USUAL,
    less_strength: float | str = long_tail.USUAL,
    of: str = long_tail.ALL,
) -> Interval:
    """A loss less another, each at a strength or at its `best`: in the unit of `of`, over seeds alone.

    of: a quantity, or with a long tail also the accuracy of the `tail` or of `all classes`, in points.
    """
    networks, others = _at(place, method, strength), _at(place, less, less_strength)
    change = long_tail.difference(networks, others, of)
    return change.scaled(QUANTITIES[of].factor / 100) if of in QUANTITIES else change


def best_strength(place: str, method: str, by: str = "accuracy") -> Interval:
    """The strength at which a method is best on images for fitting: most accurate, or `by` is lowest."""
    return exactly(_best(place, method, by))


def _best(place: str, method: str, by: str = "accuracy") -> float:
    of_method = {strength: rows for (name, strength), rows in _networks(place).items() if name == method}
    means = {strength: rows[f"{by}, fit"].to_numpy().mean() for strength, rows in of_method.items()}
    return (max if by == "accuracy" else min)(means, key=lambda one: means[one])


def _at(place: str, method: str, strength: float | str) -> pandas.DataFrame:
    if method == "baseline":
        strength = 0.0
    return _networks(place)[method, _best(place, method) if strength == BEST else float(strength)]


@functools.cache
def _networks(place: str) -> dict[tuple[str, float], pandas.DataFrame]:
    """The networks by method and strength, with the seeds that all studies of the place have."""
    chosen = PLACES[place]
    tables = [_recorded(study, chosen.profile) for study in chosen.studies]
    seeds = set.intersection(*(set(table["seed"]) for table in tables))
    found = long_tail.split_by_strength(table.loc[table["seed"].isin([*seeds])] for table in tables)
    return {one: rows for one, rows in found.items() if len(rows) == chosen.seeds}


def _recorded(study: str, profile: str) -> pandas.DataFrame:
    """The table of a study; with a long tail also the accuracy of rare and of frequent classes."""
    if study.startswith("long_tail"):
        return long_tail.recorded(profile, study)
    return records.by_profile(study)[profile]
