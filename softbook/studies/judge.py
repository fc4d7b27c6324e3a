"""What was declared before the first row, and what the rows say of it: studies/declared/DAY-STUDY.yaml.

declarations()["images_or_labels"]          # a Declaration: question, cells, contrasts, what each may say
verdicts("images_or_labels")                # {(contrast, setting): Verdict}; "pending" before it is recorded
tried(declaration)                          # does each contrast find what is planted, and nothing where nothing is?

A file has, beside what is trained (softlab.profile.declared):
  question, expected     in words; what was seen in pilots, and is no part of what is judged
  settings               profile -> letter, seeds, first_seed, and what the setting changes; `without`: cells left out;
                         `robust`: what the quantity "robust" is there, accuracy under attack at the setting's radius
  apart                  columns of the grid whose values are judged one by one; over the others rows are averaged
  disturbed              a `jump` (records.jump) above which a network counts as disturbed
  admitted               list of {cells, quantity, less: cell, is, within}: of means over seeds; else no contrast that
                         reads one of these cells is judged
  contrasts              name -> quantity (or `x` for a line), `of`: cell -> coefficient, and:
    over                 a column of the grid: judged is the slope per doubling of it
    best                 {over: column, by: quantity}: each cell at the value that is best on images for fitting
    line                 judged is the slope, through plain training, of changes of `quantity` over changes of `x`
    statistic            name of a module whose `statistic` takes all rows of a seed and gives the number that is judged
    says                 {above, below}: the word where all of the 95 % interval is on that side of zero
    margin               by the setting's letter: "no difference" is said where the interval contains zero, and its
                         90 % counterpart lies within
    half_width           of the interval that is expected, by the setting's letter; `tried` takes it
    at                   letters of the settings where it is judged (all)
  readings               a sentence -> {contrast: word that it takes}

Every quantity is in the units in which the book writes it. A contrast is one number a seed; its interval is Student's.
A network whose training failed takes its seed out of a contrast; where more than a fifth of the seeds are out, the
verdict is that it does not train. Seeds whose networks are of several devices, or versions of torch, are out as well,
and more than a fifth of them leave no verdict. Disturbed networks count, and what the contrast says without their
seeds stands beside it.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas
from scipy import special

from softbook.studies import exchange, records
from softbook.studies.asked import ASKED_QUANTITIES, LOUDER
from softbook.studies.catalogue import Study, declared, study_profile
from softlab.comparison.intervals import OPEN, Interval, t_interval, t_quantile
from softlab.errors import SoftlabError, check_known
from softlab.numbers.look import Quantity
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile

KNOWN: Mapping[str, Quantity] = {**QUANTITIES, **ASKED_QUANTITIES, **LOUDER}
# Sums of quantities, by weight, that have a name; any two make a difference: `log margin less log length`.
DERIVED: Mapping[str, Mapping[str, float]] = {
    "log margin over slope": {"log margin": 1, "log slope": -1},
    "log bias": {"log bias over length": 1, "log logit scale": 1},
    "NLL at T, group less alone": {"group, NLL at T": 1, "alone, NLL at T": -1},
    "NLL at T, weights less alone": {"weights, NLL at T": 1, "alone, NLL at T": -1},
    "AURC, group less alone": {"group, AURC": 1, "alone, AURC": -1},
}
STATISTICS = {"exchange": exchange}  # of a contrast that no sum over cells says
LOST = 0.2  # share of seeds that failed trainings may take out of a contrast
ROBUST = "robust"  # stands for accuracy under attack at a setting's own radius
PENDING = "pending"
FAILED = "does not train"
MIXED = "mixed devices"
NOT_ADMITTED = "not admitted"
NOT_JUDGED = {PENDING, FAILED, MIXED, NOT_ADMITTED}
OPEN_WORD = "open"
SAME = "no difference"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One number a seed, and what may be said of it; see the head of this module."""

    name: str
    quantity: str
    of: Mapping[str, float]
    says: Mapping[str, str]
    half_width: Mapping[str, float]
    x: str = ""
    over: str = ""
    line: bool = False
    statistic: str = ""
    best: Mapping[str, str] = field(default_factory=dict)
    margin: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None  # the margin of the setting that is judged
    quantity_of: Mapping[str, str] = field(default_factory=dict)  # of cells that have another
    at: Sequence[str] = ()

    def columns(self) -> set[str]:
        """The quantities that it reads."""
        named = {self.quantity, *self.quantity_of.values(), self.x, self.best.get("by", "")}
        return {part for name in named - {""} for part in terms_of(name)}


@dataclass(frozen=True)
class Declaration:
    """A question, what is trained to answer it, and the contrasts that judge; see the head of this module."""

    study: str
    date: str
    tier: int
    question: str
    expected: str
    settings: Mapping[str, Mapping[str, Any]]
    contrasts: Mapping[str, Contrast]
    disturbed: float
    withdrawn: Mapping[str, Mapping[str, str]]  # profiles that were settings -> letter, date, why
    apart: Sequence[str] = ()
    admitted: Sequence[Mapping[str, Any]] = ()
    readings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What one contrast says at one setting. without: the interval without the seeds of disturbed networks.

    note: how many seeds failed or are disturbed, or what is not admitted; empty where there is nothing to say.
    """

    contrast: str
    setting: str
    word: str
    interval: Interval = OPEN
    without: Interval = OPEN
    note: str = ""


@functools.cache
def declarations() -> dict[str, Declaration]:
    """All that stand in studies/declared, in order of time. Raises SoftlabError where one is not well formed."""
    return {study: _read(study, content) for study, content in declared().items()}


def _read(study: str, content: Mapping[str, Any]) -> Declaration:
    cells = content["cells"]
    contrasts = {name: Contrast(name=name, **entry) for name, entry in content["contrasts"].items()}
    letters = [setting["letter"] for part in ("settings", "withdrawn") for setting in content[part].values()]
    for contrast in contrasts.values():
        for cell in contrast.of:
            check_known(f"cell of {study}", cell, cells)
        for quantity in contrast.columns():
            check_known(f"quantity of {study}", quantity, [*KNOWN, ROBUST])
        for letter in (*contrast.at, *contrast.half_width, *contrast.margin):
            check_known(f"setting of {study}", letter, letters)
    for sentence, words in content.get("readings", {}).items():
        for name, word in words.items():
            check_known(f"contrast of {study}", name, contrasts)
            allowed = [*contrasts[name].says.values(), *([SAME] if contrasts[name].margin else [])]
            check_known(f"word in {study}, {sentence!r},", word, allowed)
    own = {part.name: content[part.name] for part in fields(Declaration) if part.name in content}
    return Declaration(**own | {"study": study, "contrasts": contrasts})


Verdicts = Mapping[tuple[str, str], Verdict]  # by contrast and setting


def verdicts(study: str) -> Verdicts:
    """Every contrast of a declared study at every setting, by what is on record; computed once for a state of it."""
    return _verdicts(study, records.state())


@functools.lru_cache(maxsize=64)
def _verdicts(study: str, state: tuple) -> Verdicts:
    return MappingProxyType({(one.contrast, one.setting): one for one in judged(declarations()[study])})


def judged(declaration: Declaration) -> list[Verdict]:
    """The verdicts of a declaration, which need not be one of `declarations`."""
    tables = records.by_profile(declaration.study)
    verdicts = []
    for profile, setting in declaration.settings.items():
        asked = study_profile(load_profile(profile), declaration.study)
        table = tables.get(profile)
        there = 0 if table is None else len(table)
        contrasts = contrasts_at(declaration, setting)
        if table is None or there < len(asked.experiments()):
            note = f"{there} of {len(asked.experiments())} networks are on record"
            verdicts += [Verdict(one.name, setting["letter"], PENDING, note=note) for one in contrasts]
            continue
        for place, rows in _places(declaration, table, setting["letter"]):
            refused = not_admitted(declaration.admitted, rows)
            for contrast in contrasts:
                notes = [note for cell in contrast.of for note in refused.get(cell, ())]
                said = Verdict(contrast.name, place, NOT_ADMITTED, note="; ".join(notes))
                verdicts.append(said if notes else verdict(contrast, rows, place, declaration.disturbed))
    return verdicts


def contrasts_at(declaration: Declaration, setting: Mapping[str, Any]) -> list[Contrast]:
    """Those that are judged at a setting, with the quantities that they read there."""
    chosen = [one for one in declaration.contrasts.values() if not one.at or setting["letter"] in one.at]
    return [
        replace(
            one,
            quantity=setting["robust"] if one.quantity == ROBUST else one.quantity,
            limit=one.margin.get(setting["letter"]),
        )
        for one in chosen
    ]


def _places(declaration: Declaration, table: pandas.DataFrame, letter: str) -> Iterator[tuple[str, pandas.DataFrame]]:
    """The rows that are judged together, and what they are called: a setting, at one point of the columns `apart`."""
    columns = [name for name in declaration.apart if name in table]
    if not columns:
        yield letter, table
        return
    for _, rows in table.groupby(columns, sort=False):
        point = ", ".join(f"{name} {rows[name].iloc[0]}" for name in columns)
        yield f"{letter}, {point}".replace("_", " "), rows


def verdict(contrast: Contrast, rows: pandas.DataFrame, place: str, disturbed: float) -> Verdict:
    """What a contrast says of these rows. disturbed: a `jump` above which a network is."""
    mine = rows.loc[rows["cell"].isin(list(contrast.of))]
    numbers = values(contrast, rows)
    on_several = mixed_seeds(mine)
    if len(on_several) > LOST * len(numbers):
        note = f"{len(on_several)} of {len(numbers)} seeds have networks of several devices or versions of torch"
        return Verdict(contrast.name, place, MIXED, note=note)
    numbers = numbers.drop(on_several)
    left = numbers.dropna()
    lost = len(numbers) - len(left)
    if lost > LOST * len(numbers) or len(left) < 2:
        return Verdict(contrast.name, place, FAILED, note=f"{lost} of {len(numbers)} seeds have a training that failed")
    shot_up = set(mine.loc[mine["jump"] > disturbed, "seed"]) if "jump" in mine else set()
    calm = left.loc[[seed for seed in left.index if seed not in shot_up]]
    interval = t_interval(left.to_numpy())
    without = t_interval(calm.to_numpy()) if len(calm) else OPEN
    notes = [f"{lost} seeds out, as training failed"] if lost else []
    notes += [f"{len(on_several)} seeds out, as devices or versions of torch are mixed"] if on_several else []
    if shot_up:
        word = word_of(contrast, without) if without.n > 1 else OPEN_WORD
        notes.append(
            f"without {len(left) - len(calm)} seeds with a disturbed network: {without.text(2, sign=True)}, {word}"
        )
    return Verdict(contrast.name, place, word_of(contrast, interval), interval, without, "; ".join(notes))


def mixed_seeds(rows: pandas.DataFrame) -> list[int]:
    """Seeds whose networks were not trained on one device with one torch: these are no pairs."""
    origins = [name for name in ("device", "torch") if name in rows]
    if not origins:
        return []
    kinds = rows.groupby("seed")[origins].nunique()
    return [seed for seed, counts in zip(kinds.index, kinds.to_numpy(), strict=True) if counts.max() > 1]


def word_of(contrast: Contrast, interval: Interval) -> str:
    """The word that a contrast's interval allows."""
    side = interval.side()
    if side:
        return contrast.says["above" if side > 0 else "below"]
    return SAME if contrast.limit is not None and equivalent(interval, contrast.limit) else OPEN_WORD


def equivalent(interval: Interval, margin: float) -> bool:
    """Do two one-sided t tests at 5 % both say that the mean is nearer to zero than the margin?"""
    if interval.n < 2:
        return False
    degrees = interval.n - 1
    half = interval.half_width * float(special.stdtrit(degrees, 0.95)) / t_quantile(degrees)
    return -margin < interval.mean - half and interval.mean + half < margin


def values(contrast: Contrast, rows: pandas.DataFrame) -> pandas.Series:
    """A contrast's number for each seed, in the units that the book writes; NaN where one of its networks failed."""
    if contrast.best:
        rows = _at_the_best(contrast, rows)
    if contrast.statistic:
        return rows.groupby("seed").apply(STATISTICS[contrast.statistic].statistic)  # pyright: ignore
    if contrast.line:
        return _slopes(contrast, rows)
    if contrast.over:
        return _trends(contrast, rows)
    return _sums(contrast, rows)


def sums(
    rows: pandas.DataFrame,
    weights: Mapping[str, float],
    quantity: str,
    quantity_of: Mapping[str, str] = MappingProxyType({}),
) -> pandas.Series:
    """Σ weight · quantity over cells, by seed, in the units of the book; NaN where one of the trainings failed.

    quantity_of: the quantity of cells that have another.
    """
    own = {cell: quantity_of.get(cell, quantity) for cell in weights}
    tables = {name: by_seed(rows, name) for name in dict.fromkeys(own.values())}
    parts = [weight * tables[own[cell]][cell] for cell, weight in weights.items()]
    return pandas.concat(parts, axis=1).sum(axis=1, skipna=False)


def _sums(contrast: Contrast, rows: pandas.DataFrame) -> pandas.Series:
    return sums(rows, contrast.of, contrast.quantity, contrast.quantity_of)


def _trends(contrast: Contrast, rows: pandas.DataFrame) -> pandas.Series:
    """The slope of the sum per doubling of a column of the grid, by least squares."""
    points = {math.log2(float(value)): _sums(contrast, some) for value, some in rows.groupby(contrast.over)}  # pyright: ignore
    table = pandas.DataFrame(points)
    steps = np.asarray(table.columns, float)
    steps = steps - steps.mean()
    return (table * steps).sum(axis=1, skipna=False) / (steps**2).sum()


def _slopes(contrast: Contrast, rows: pandas.DataFrame) -> pandas.Series:
    """Σ Δx Δy / Σ Δx² over the cells, both less the cell whose coefficient is below zero."""
    (origin,) = [cell for cell, coefficient in contrast.of.items() if coefficient < 0]
    others = [cell for cell in contrast.of if cell != origin]
    changes = {}
    for axis, quantity in (("x", contrast.x), ("y", contrast.quantity)):
        table = by_seed(rows, quantity)
        changes[axis] = table[others].sub(table[origin], axis=0)
    products = (changes["x"] * changes["y"]).sum(axis=1, skipna=False)
    return products / (changes["x"] ** 2).sum(axis=1, skipna=False)


def _at_the_best(contrast: Contrast, rows: pandas.DataFrame) -> pandas.DataFrame:
    """Of each cell the rows at the value of a column that is best on images for fitting, by the mean over seeds."""
    by = contrast.best["by"]
    over = contrast.best["over"]
    chosen = []
    for _, some in rows.loc[rows["cell"].isin(list(contrast.of))].groupby("cell", sort=False):
        means = some.groupby(over)[by].mean() * KNOWN[by].better
        chosen.append(some.loc[some[over] == means.idxmax()])
    return pandas.concat(chosen)


def terms_of(quantity: str) -> Mapping[str, float]:
    """The quantities, by weight, that one is the sum of: itself alone, if it is none of DERIVED and no difference."""
    first, _, other = quantity.partition(" less ")
    return DERIVED.get(quantity) or ({first: 1, other: -1} if other else {first: 1})


def by_seed(rows: pandas.DataFrame, quantity: str) -> pandas.DataFrame:
    """A quantity, or a derived one, in the units of the book, by seed and cell; NaN where a training failed."""
    parts = []
    for name, weight in terms_of(quantity).items():
        check_known("quantity", name, KNOWN)
        parts.append(weight * KNOWN[name].factor * rows[name])
    numbers = pandas.concat(parts, axis=1).sum(axis=1, skipna=False)
    keyed = numbers.groupby([rows["seed"], rows["cell"]])
    means: Any = keyed.mean()
    return means.where(keyed.count() == keyed.size()).unstack("cell")


def not_admitted(conditions: Sequence[Mapping[str, Any]], rows: pandas.DataFrame) -> dict[str, list[str]]:
    """Cells in which what was to be set by hand is not where it was to be, and what is amiss there, in words."""
    said: dict[str, list[str]] = {}
    for condition in conditions:
        table = by_seed(rows, condition["quantity"])
        for cell in condition["cells"]:
            mean = float((table[cell] - table[condition["less"]]).to_numpy().mean())
            if not abs(mean - condition["is"]) <= condition["within"]:
                aim = f"{condition['is']:+g} ± {condition['within']:g}"
                amiss = f"{cell}: {condition['quantity']} less {condition['less']} is {mean:+.3f}, not {aim}"
                said.setdefault(cell, []).append(amiss)
    return said


def readings(declaration: Declaration, verdicts: Verdicts) -> dict[tuple[str, str], str]:
    """{(sentence, setting): `holds`, `fails` or `open`}: does each contrast say the word that the sentence takes?

    It fails where one says another word that is no `open`; settings with a contrast that is not judged are left out.
    """
    found = {}
    places = dict.fromkeys(place for _, place in verdicts)
    for (sentence, wanted), place in itertools.product(declaration.readings.items(), places):
        said = {name: verdicts[name, place].word for name in wanted if (name, place) in verdicts}
        if len(said) < len(wanted) or NOT_JUDGED & {*said.values()}:
            continue
        if said == wanted:
            found[sentence, place] = "holds"
        else:
            against = any(said[name] not in (word, OPEN_WORD) for name, word in wanted.items())
            found[sentence, place] = "fails" if against else "open"
    return found


def lines(study: str) -> list[str]:
    """Lines for the terminal: the question, a verdict for each contrast and setting, what became of each reading."""
    declaration = declarations()[study]
    judged_here = verdicts(study)
    found = [f"{study} (declared {declaration.date}, tier {declaration.tier}): {declaration.question}"]
    for one in judged_here.values():
        number = one.interval.text(3, sign=True) if one.interval.n else ""
        found.append("  " + "  ".join(part for part in (one.setting, one.contrast, one.word, number, one.note) if part))
    found += [
        f"  {place}  {sentence}: {word}" for (sentence, place), word in readings(declaration, judged_here).items()
    ]
    found += [f"  {one['letter']}  withdrawn {one['date']}: {one['why']}" for one in declaration.withdrawn.values()]
    return found


DRAWS = 20  # planted tables of each kind
OFTEN = 0.8  # a planted effect has to be found in so many of them
SELDOM = 0.3  # one that is not there, in no more
LITTLE = 1e-3  # noise that shows how much of it a contrast passes on
LARGE = 2.5  # the effect that is planted, in expected half-widths


def tried(declaration: Declaration, seed: int = 0) -> None:
    """Run each contrast on planted rows: an effect to either side, none, and a training that failed.

    Raises SoftlabError where a planted effect is not found, one is found where none is, "no difference" could hardly be
    said, or a failed training is passed over.
    """
    generator = np.random.default_rng(seed)
    known = set()
    for profile, setting in declaration.settings.items():
        asked = study_profile(load_profile(profile), declaration.study)
        for contrast in contrasts_at(declaration, setting):
            if (kind := _kind(contrast, setting["letter"], asked)) not in known:
                _try(contrast, setting["letter"], asked, declaration.disturbed, generator)
            known.add(kind)


def _kind(contrast: Contrast, letter: str, asked: Study) -> tuple:
    """What planted rows depend on, their unit aside: contrasts of one kind are tried once."""
    width = contrast.half_width[letter]
    margin = None if contrast.limit is None else contrast.limit / width
    form = (contrast.line, contrast.statistic, contrast.over, tuple(contrast.best.items()), len(contrast.columns()))
    return (tuple(contrast.of.values()), len(asked.seeds), margin, *form, tuple(asked.grid.items()))


def _try(contrast: Contrast, letter: str, asked: Study, disturbed: float, generator: np.random.Generator) -> None:
    seeds = asked.seeds
    width = contrast.half_width[letter]
    needed = asked.grid if contrast.statistic else (contrast.over, contrast.best.get("over"))
    varied = {name: options for name, options in asked.grid.items() if name in needed}
    many = planted(contrast, range(400), varied, LITTLE, 0.0, generator)
    unit = float(values(contrast, many).to_numpy().std()) / LITTLE
    noise = width * math.sqrt(len(seeds)) / t_quantile(len(seeds) - 1) / unit
    where = f"{contrast.name}, {letter}"

    def words(effect: float) -> list[str]:
        tables = [planted(contrast, seeds, varied, noise, effect, generator) for _ in range(DRAWS)]
        return [verdict(contrast, table, letter, disturbed).word for table in tables]

    for side, effect in (("above", LARGE * width), ("below", -LARGE * width)):
        if words(effect).count(contrast.says[side]) < OFTEN * DRAWS:
            raise SoftlabError(f"{where}: a planted effect of {effect:g} is not found")
    none = words(0.0)
    if sum(word in contrast.says.values() for word in none) > SELDOM * DRAWS:
        raise SoftlabError(f"{where}: it finds an effect where none is planted")
    if contrast.limit is not None and none.count(SAME) < OFTEN * DRAWS:
        raise SoftlabError(f"{where}: with a margin of {contrast.limit:g} it could hardly say {SAME!r}")
    broken = planted(contrast, seeds, varied, noise, LARGE * width, generator)
    failing = (broken["cell"] == next(iter(contrast.of))) & broken["seed"].isin(list(seeds)[: len(seeds) // 2])
    broken.loc[failing, [*contrast.columns()]] = math.nan
    if verdict(contrast, broken, letter, disturbed).word != FAILED:
        raise SoftlabError(f"{where}: half of the trainings fail, and it does not say so")


def planted(
    contrast: Contrast, seeds: Sequence[int], grid: Mapping[str, Sequence], noise: float, effect: float, generator
) -> pandas.DataFrame:
    """Rows such that the contrast is `effect` on average, every quantity of every cell with this noise (a deviation).

    seeds: of the rows.  grid: column -> values.  generator: numpy's.
    """
    first = next(iter(contrast.of))
    if contrast.statistic:
        return STATISTICS[contrast.statistic].planted(seeds, grid, noise, effect, generator).assign(cell=first)
    names = ["seed", "cell", *grid]
    table = pandas.DataFrame([*itertools.product(seeds, contrast.of, *grid.values())], columns=names).assign(jump=0.0)
    for name in sorted(contrast.columns()):
        table[name] = noise * generator.standard_normal(len(table)) / KNOWN[name].factor
    for place, cell in enumerate(contrast.of):
        mine = table["cell"] == cell
        quantity = contrast.quantity_of.get(cell, contrast.quantity)
        lifted = next(iter(terms_of(quantity)))
        if contrast.line:
            table.loc[mine, contrast.x] = place / KNOWN[contrast.x].factor
            table.loc[mine, lifted] += effect * place / KNOWN[lifted].factor
        elif cell == first:
            along = np.log2(table.loc[mine, contrast.over].astype(float)) if contrast.over else 1.0
            table.loc[mine, lifted] += effect * along / contrast.of[cell] / KNOWN[lifted].factor
    return table
