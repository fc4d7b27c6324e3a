"""What a statement is about: a contrast of recorded networks, or what becomes of several of them.

value_of({"of": "accuracy", "method": "cutmix", "at": "A"})     # an Interval, in the units in which the book writes it

The keys are those of softbook.statements. A method is compared with another over seeds and images where outcomes by
image are on record (softlab.comparison.effects); cells of a declared study are added up by seed.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas

from softbook.statements import rules, statistics
from softbook.statements.origin import exactly
from softbook.studies import judge, records, robustness
from softbook.studies.across_settings import SETTINGS, tables_by_setting
from softbook.studies.asked import KEYS
from softbook.studies.prediction import doses_as_methods
from softlab.comparison.effects import at_best, averages, effects
from softlab.comparison.intervals import Interval, t_interval
from softlab.errors import SoftlabError, check_known
from softlab.numbers.quantities import QUANTITIES

Spec = Mapping[str, Any]
GROUPS = {"soft": ("label_smoothing", "mixup", "cutmix", "maxsup"), "park": ("label_smoothing", "mixup", "cutmix")}
OWN_RADIUS = {letter: "robust, 1/255" if letter in "EF" else "robust, 4/255" for letter in "ABCDEF"}
PROFILES = {name[0]: profile for profile, name in SETTINGS.items()}  # by letter
NOTHING = "nothing"
EVERYWHERE = {"everywhere": 4, "everywhere at all": 2}  # seeds that a setting has at least
MAP = "map"  # stands for a study: fifteen tables, by training images and steps
ABOUT = {"of", "method", "less", "at", "study", "where", "each", "with", "best", "averaged", "pooled", "than"}
ABOUT |= {"cells", "quantity_of", "declared"}
MADE = {"take", "count", "others", "as", "over", "times", "round"}


def value_of(spec: Spec) -> Interval:
    """The interval that a statement is about, in the units in which the book writes it.

    Raises SoftlabError for a name that is not known, and where several contrasts are left.
    """
    return _made(_one_of(contrasts(spec), spec), spec)


def contrasts(spec: Spec) -> list[Interval]:
    """All contrasts of a statement: one for each combination of what its keys give several values."""
    if "any_of" in spec:
        shared = {name: value for name, value in spec.items() if name in ABOUT}
        return [value for part in spec["any_of"] for value in each_of(shared | part)]
    if "statistic" in spec:
        return statistics.computed(spec["statistic"], spec.get("given", {}))
    by_place = [list(_at(place, spec)) for place in _places(spec)]
    if _least(spec.get("at")):
        by_place = [found for found in by_place if any(value.n for value in found)]
    return [value for found in by_place for value in found]


def each_of(spec: Spec) -> list[Interval]:
    """The contrasts of a statement as it speaks of them: one, if it says which to take, else each."""
    if {"take", "count"} & spec.keys():
        return [value_of(spec)]
    return [_made(value, spec) for value in contrasts(spec)]


def _one_of(found: Sequence[Interval], spec: Spec) -> Interval:
    if "count" in spec:
        return _counted(found, spec["count"], spec.get("others"))
    if "take" in spec:
        check_known("way to take one of several contrasts", spec["take"], TAKEN)
        return TAKEN[spec["take"]](found)
    if len(found) != 1:
        raise SoftlabError(f"{len(found)} contrasts, and no word of which to take: {spec}")
    return found[0]


def _counted(found: Sequence[Interval], rule: str, others: str | None) -> Interval:
    """Of how many a rule holds; NaN if another one does not hold of the rest."""
    held = [rules.stands(rule, value) for value in found]
    rest = [value for value, holds in zip(found, held, strict=True) if not holds]
    as_expected = others is None or all(rules.stands(others, value) for value in rest)
    return exactly(float(sum(held)) if as_expected else math.nan, len(found))


def _extent(found: Sequence[Interval]) -> Interval:
    """Mean, least and most, which is no confidence interval."""
    means = [value.mean for value in found]
    return Interval(float(np.mean(means)), min(means), max(means), len(means))


TAKEN: dict[str, Callable[[Sequence[Interval]], Interval]] = {
    "lowest": lambda found: min(found, key=lambda value: value.low),  # comes nearest to breaking "each rises"
    "highest end": lambda found: exactly(max(value.high for value in found), len(found)),  # that none is above
    "highest": lambda found: max(found, key=lambda value: value.high),  # … "each falls"
    "least open": lambda found: min(found, key=lambda value: min(-value.low, value.high)),
    "smallest": lambda found: min(found, key=lambda value: value.mean),
    "largest": lambda found: max(found, key=lambda value: value.mean),
    "farthest": lambda found: max(found, key=lambda value: abs(value.mean)),
    "nearest to rising": lambda found: max(found, key=lambda value: value.low),
    "nearest to falling": lambda found: min(found, key=lambda value: value.high),
    "least certain": lambda found: min(found, key=lambda value: value.low / value.half_width),
    "median size": lambda found: exactly(float(np.median([abs(value.mean) for value in found])), len(found)),
    "extent": _extent,
    "mean": lambda found: exactly(float(np.mean([value.mean for value in found])), len(found)),
    "spread": lambda found: exactly(max(v.mean for v in found) - min(v.mean for v in found), len(found)),
}


def _made(value: Interval, spec: Spec) -> Interval:
    """A contrast in the form in which the statement speaks of it."""
    if spec.get("as") == "factor":
        value = _factor(value)
    if "over" in spec:
        value = value.scaled(1 / value_of(spec["over"]).mean)
    if "times" in spec:
        value = value.scaled(spec["times"])
    if "round" in spec:
        value = _rounded(value, spec["round"], spec.get("digits", 0))
    return value


def _factor(log: Interval) -> Interval:
    """The number of which this is the natural logarithm."""
    mean, low, high = (math.exp(end) for end in (log.mean, log.low, log.high))
    origin = log.origin and replace(log.origin, what=f"as a factor, {log.origin.what}")
    return Interval(mean, low, high, log.n, log.degrees, origin)


def _rounded(value: Interval, way: str, digits: int) -> Interval:
    """A bound for a sentence: rounded `up` or `down`, and never inwards."""
    number = value.mean * 10**digits
    number = {"up": math.ceil(number - 1e-9), "down": math.floor(number + 1e-9)}[way]
    return exactly(number / 10**digits, value.n)


@dataclass(frozen=True)
class Place:
    """Which rows a contrast is about.  where, partner: as items, to be hashed.  letter: "" where it has none."""

    studies: tuple[str, ...]
    profiles: tuple[str, ...]
    where: tuple[tuple[str, Any], ...] = ()
    letter: str = ""

    def table(self) -> pandas.DataFrame:
        return _table(self.studies, self.profiles, self.where)


def _places(spec: Spec) -> Iterator[Place]:
    """The tables of a statement, cut by what `each` names."""
    studies = tuple(_listed(spec.get("study", "core")))
    where = tuple((name, _hashable(value)) for name, value in spec.get("where", {}).items())
    named = _named(spec.get("at", "A"), studies[0])
    if spec.get("pooled"):
        named = [("", tuple(profile for _, profiles in named for profile in profiles))]
    for letter, profiles in named:
        whole = Place(studies, profiles, where, letter)
        if "each" not in spec:
            yield whole
            continue
        columns = _listed(spec["each"])
        for values in whole.table()[columns].drop_duplicates().itertuples(index=False):
            cut = zip(columns, values, strict=True)
            yield replace(whole, where=(*where, *cut))


def _named(at: str | Sequence[str], study: str) -> list[tuple[str, tuple[str, ...]]]:
    """(letter, profiles) of what `at` names: letters in a row, profiles, or everywhere."""
    if least := _least(at):
        return [(name[0], (PROFILES[name[0]],)) for name in tables_by_setting(study, least)]
    if isinstance(at, str) and set(at) <= set("ABCDEF"):
        return [(letter, (_profile(letter, study),)) for letter in at]
    return [("", (profile,)) for profile in _listed(at)]


def _least(at: str | Sequence[str] | None) -> int:
    """How many seeds a setting needs to be among those that `at` stands for; 0 where it names them."""
    return EVERYWHERE.get(at, 0) if isinstance(at, str) else 0


def _profile(letter: str, study: str) -> str:
    """The profile of a setting: a declared study says its own."""
    if study in judge.declarations():
        settings = judge.declarations()[study].settings
        return next(profile for profile, one in settings.items() if one["letter"] == letter)
    return PROFILES[letter]


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@functools.cache
def _table(studies: tuple[str, ...], profiles: tuple[str, ...], where: tuple[tuple[str, Any], ...]) -> pandas.DataFrame:
    """The rows of these studies and profiles, read as one table, at one point of some of its columns."""
    parts = [_recorded(study, profile) for study, profile in itertools.product(studies, profiles)]
    table = parts[0] if len(parts) == 1 else pandas.concat(parts)
    for column, value in where:
        table = table.loc[_are(table, column, value)]
    return table


@functools.cache
def _recorded(study: str, profile: str) -> pandas.DataFrame:
    if study in KEYS:
        return records.of_measure(study, profile)
    if study != MAP:
        return records.by_profile(study)[profile]
    cells = robustness.cells_of(profile)
    return pandas.concat([table.assign(images_trained=n, steps=steps) for (n, steps), table in cells.items()])


def _are(table: pandas.DataFrame, column: str, value: Any) -> np.ndarray:
    """Which rows have this value in a column, or one of these."""
    if isinstance(value, tuple):
        return np.any([_are(table, column, one) for one in value], axis=0)
    if isinstance(value, float):
        return np.isclose(table[column].to_numpy(float), value)
    return (table[column] == value).to_numpy()


def _at(place: Place, spec: Spec) -> Iterator[Interval]:
    """The contrasts at one place: of each quantity, and of each method or cell or declared name."""
    quantities = _listed(spec.get("of", ""))
    if "declared" in spec:
        yield from (verdict(place, name).interval.of(place.table(), name) for name in _listed(spec["declared"]))
    elif "cells" in spec:
        yield from (_cells(place, _own_radius(quantity, place), spec) for quantity in quantities)
    else:
        methods = [one for name in _listed(spec["method"]) for one in GROUPS.get(name, (name,))]
        for quantity, method in itertools.product(quantities, methods):
            yield _method(place, _own_radius(quantity, place), method, spec)


def _own_radius(quantity: str, place: Place) -> str:
    return OWN_RADIUS[place.letter] if quantity == judge.ROBUST else quantity


def verdict(place: Place, name: str) -> judge.Verdict:
    """What became of a declared contrast at a setting, and a point of what it is judged at apart."""
    point = "".join(f", {column} {value}" for column, value in place.where).replace("_", " ")
    return judge.verdicts(place.studies[0])[name, f"{place.letter}{point}"]


def verdicts_of(spec: Spec) -> list[judge.Verdict]:
    """The verdicts on the declared contrasts that a statement is about."""
    return [verdict(place, name) for place in _places(spec) for name in _listed(spec["declared"])]


def _cells(place: Place, quantity: str, spec: Spec) -> Interval:
    """The sum of cells times weights, by seed; in a study without cells these are methods at their strengths."""
    table = place.table()
    if "cell" not in table:
        table = table.assign(cell=_by_method(place, "", by_strength=True)["method"])
    weights = spec["cells"]
    own = spec.get("quantity_of", {})
    total = judge.sums(table, weights, quantity, own)
    terms = " ".join(
        f"{weight:+g} {cell}{f' ({own[cell]})' if cell in own else ''};" for cell, weight in weights.items()
    )
    return t_interval(total.to_numpy(float)).of(table, f"{quantity}: {terms}")


def _method(place: Place, quantity: str, method: str, spec: Spec) -> Interval:
    """A method less another, or by itself."""
    less = spec.get("less", "baseline")
    partner = _partner(place, spec["with"], less) if "with" in spec else None
    if spec.get("averaged"):
        return _averaged(place, quantity, method, less, partner or place, spec.get("than", quantity))
    check_known("quantity", quantity, QUANTITIES)
    best = spec.get("best", "")
    by_strength = " " in method
    if less == NOTHING:
        level = averages(_by_method(place, best, by_strength), quantity)[method]
        return level.scaled(QUANTITIES[quantity].factor)
    return _effects(place, quantity, less, best, by_strength, partner)[method].shown


def _partner(place: Place, other: Spec, less: str) -> Place:
    """Where the networks are that a method is compared with, if not in its own table."""
    studies = tuple(_listed(other["study"])) if "study" in other else place.studies
    where = {name: _hashable(value) for name, value in other.get("where", {}).items()}
    profiles = tuple(name for _, names in _named(other["at"], studies[0]) for name in names) if "at" in other else ()
    return Place(studies, profiles or place.profiles, (*where.items(), ("method", less)))


def _averaged(place: Place, quantity: str, method: str, less: str, partner: Place, than: str) -> Interval:
    """A method less another, over seeds alone, each of which counts by its mean over the study's grid.

    than: the other's quantity.
    """
    table = place.table()
    others = partner.table()
    named = {"this": table.loc[table["method"] == method], "less": others.loc[others["method"] == less]}
    rows = pandas.concat([some.assign(cell=cell) for cell, some in named.items()])
    weights = {"this": 1} if less == NOTHING else {"this": 1, "less": -1}
    values = judge.sums(rows, weights, quantity, {"less": than}).dropna()
    return t_interval(values.to_numpy(float)).of(table, _called(table, quantity, less, than))


def _called(table: pandas.DataFrame, quantity: str, less: str, than: str) -> str:
    """What such a number is, in words."""
    parts = judge.terms_of(quantity)
    if less == NOTHING and len(parts) == 1:
        return judge.KNOWN[quantity].label
    changed = quantity if quantity in judge.DERIVED else " less ".join(judge.KNOWN[name].changed for name in parts)
    other = "" if than == quantity else f", less {than} of {less}"
    varies = any(table[name].nunique() > 1 for name in records.varied(table))
    grid = ", mean over the study’s grid" if varies else ""
    return f"{'' if less == NOTHING else 'change of '}{changed}{other}{grid}"


@functools.cache
def _effects(place: Place, quantity: str, less: str, best: str, by_strength: bool, partner: Place | None):
    against = less if partner is None else partner.table()
    return effects(_by_method(place, best, by_strength), quantity, against)


def _by_method(place: Place, best: str, by_strength: bool) -> pandas.DataFrame:
    """A place's table with one network a seed of each method: at its best strength, or each strength as a method."""
    table = place.table()
    if "alpha" in table and "dose" not in table:  # of a study of one method
        table = table.assign(dose=table["alpha"])
    if best:
        return at_best(table, best)
    return doses_as_methods(table) if by_strength else table
