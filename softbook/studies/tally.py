"""One tally of what was declared before its rows: every statement that named a side or a bound, failures first.

every()             # [Statement], each judged from the records as it was declared to be
counts()            # {what they are about: {verdict: how many}}
unfinished()        # [Statement], whose records have fewer seeds than were declared; in none of the above

Left out are questions without a side (laws.yml, chapters.yaml: "described", "two-sided") and what is not on record yet.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas

from softbook.studies import judge, laws, long_tail, louder, records, robustness
from softbook.studies.across_settings import SETTINGS
from softlab.comparison.effects import averages, effects, over_grid
from softlab.comparison.intervals import Interval, t_interval

FAILED = "failed"
OPEN = "open"
HELD = "as declared"
VERDICTS = (FAILED, OPEN, HELD)
ROBUST = "robust, 4/255"
BY_HEART = "cifar10-papers"
OF_PARK = ("label_smoothing", "mixup", "cutmix")
PENALTY = "scale_penalty"
ONE_LAW = "one gradient in other settings"
LEAST_LEARNT = 0.25  # accuracy on ten classes below which a network has not learnt


@dataclass(frozen=True)
class Statement:
    """A statement and what became of it.  about: its row in the tally.  where: the file that it was declared in.

    seeds: how many are on record.  declared: how many were to be; both 0 where all of them are there.
    """

    about: str
    says: str
    where: str
    verdict: str
    seeds: int = 0
    declared: int = 0


@functools.cache
def every() -> tuple[Statement, ...]:
    """All of them, failures first."""
    return tuple(sorted(_in_the_order_of_the_book(), key=lambda statement: VERDICTS.index(statement.verdict)))


@functools.cache
def unfinished() -> tuple[Statement, ...]:
    """Those whose records have fewer seeds than were declared, in the order of the book."""
    return tuple(one for one in _judged() if one.seeds < one.declared)


@functools.cache
def _in_the_order_of_the_book() -> tuple[Statement, ...]:
    return tuple(one for one in _judged() if one.seeds >= one.declared)


@functools.cache
def _judged() -> tuple[Statement, ...]:
    parts = (_laws, _slope, _settings, _weak_attacks, _scale_penalty, _colour_gaps, _park, _maxsup, _parts, _readings)
    return tuple(statement for part in parts for statement in part())


def counts() -> dict[str, Counter[str]]:
    """How many of each verdict, by what they are about."""
    found: dict[str, Counter[str]] = {}
    for statement in _in_the_order_of_the_book():
        found.setdefault(statement.about, Counter())[statement.verdict] += 1
    return found


def above_zero(value: Interval) -> str:
    """Of a statement that all of an interval lies above zero."""
    return {1: HELD, 0: OPEN, -1: FAILED}[value.side()]


def never(values: Iterable[Interval]) -> str:
    """Of a statement that no interval lies below zero as a whole."""
    return FAILED if any(one.side() < 0 for one in values) else HELD


def of_all(values: Iterable[Interval]) -> str:
    """Of a statement that each interval lies above zero as a whole; as declared, it fails where each lies below."""
    sides = [value.side() for value in values]
    return FAILED if max(sides) < 0 else HELD if min(sides) > 0 else OPEN


def inside(value: Interval, low: float, high: float) -> str:
    """Of a statement that a value lies between two bounds."""
    if low <= value.low and value.high <= high:
        return HELD
    return FAILED if value.high < low or value.low > high else OPEN


def _words(verdict: str) -> str:
    return {laws.FAILED: FAILED, "fails": FAILED}.get(verdict, verdict)


def _laws() -> Iterator[Statement]:
    for name, one in laws.judged().items():
        if one.parts:
            yield Statement("the laws of the chapters", laws.laws()[name].law, "laws.yml", _words(one.verdict))


def _slope() -> Iterator[Statement]:
    for name, one in laws.judged("slope").items():
        if one.parts and all(part.side for part in one.parts):
            law = laws.laws("slope")[name].law
            yield Statement("the laws of margin and slope", law, "laws.yml", _words(one.verdict))


def _settings() -> Iterator[Statement]:
    for place, one in laws.elsewhere().items():
        says = f"{SETTINGS.get(place, place)}: the estimate is off by less than {laws.LARGEST_ELSEWHERE:g} points"
        yield Statement(ONE_LAW, says, "laws.yml", _words(laws.near_enough(one)))


def _weak_attacks() -> Iterator[Statement]:
    about = "weak attacks and soft labels"
    for says, holds in louder.statements(louder.recorded("quick-fp32")).items():
        yield Statement(about, says, "studies/louder.py", HELD if holds else FAILED)
    table = records.by_profile("stronger_attack")["cifar10-papers"]
    left = robustness.autoattacked(table, "cifar10-papers", 0.4)
    taken = {m: np.subtract(left["the ladder"][m], left["AutoAttack"][m]) for m in ("label_smoothing", "baseline")}
    more = (taken["label_smoothing"] > taken["baseline"]).all()
    says = "in each of two pairs AutoAttack takes more off label smoothing than off plain training"
    yield Statement(about, says, "profiles/cifar10-papers.yaml", HELD if more else FAILED)


def _scale_penalty() -> Iterator[Statement]:
    about = "a penalty on length"
    cells = robustness.cells_of("quick-confirm")
    gains = {at: effects(one, ROBUST)[PENALTY].interval for at, one in cells.items()}
    yield Statement(about, "in no cell of the map does it lose", "chapters.yaml", never(gains.values()))
    more = [effects(one, ROBUST, "label_smoothing")[PENALTY].interval for one in cells.values()]
    yield Statement(about, "in no cell does label smoothing bring more", "chapters.yaml", never(more))
    verdict = above_zero(more_at_twelve_passes(cells))
    yield Statement(about, "it brings more at twelve passes than at 48", "chapters.yaml", verdict)
    for profile, quantity in {
        "convnext-confirm": ROBUST,
        "mobilenet-confirm": ROBUST,
        "cifar10-jpeg-flip": "robust, 1/255",
    }.items():
        rows = records.by_profile(PENALTY)[profile]
        change = effects(pandas.concat([records.by_profile("core")[profile], rows]), quantity)[PENALTY].interval
        learnt = bool((rows["accuracy"].to_numpy(float) > LEAST_LEARNT).all())
        verdict = above_zero(change) if learnt else FAILED
        yield Statement(about, f"it gains under attack at {SETTINGS[profile]}", "chapters.yaml", verdict)
    # Asked for there, too; it diverges in its first steps (profiles/cifar10-papers.yaml), so that it has no rows.
    says = f"it gains under attack at {SETTINGS[BY_HEART]} (training diverged)"
    yield Statement(about, says, "chapters.yaml", FAILED)


def more_at_twelve_passes(cells: Mapping[tuple[int, int], pandas.DataFrame]) -> Interval:
    """What the penalty brings at twelve passes less what it brings at four times as many: means of three cells."""

    def brought(places: Iterable[tuple[int, int]]) -> pandas.Series:
        tables = [cells[one].pivot(index="seed", columns="method", values=ROBUST) for one in places]
        return pandas.concat([one[PENALTY] - one["baseline"] for one in tables], axis=1).mean(axis=1)

    apart = brought([(4000, 360), (16000, 1440), (60000, 5760)]) - brought([(1000, 360), (4000, 1440), (16000, 5760)])
    return t_interval(apart.dropna().to_numpy())


def _colour_gaps() -> Iterator[Statement]:
    about = "overconfidence on colour images, few steps"
    for (images, _), table in robustness.cells_of("cifar10-jpeg-flip").items():
        plain = table.loc[table["method"] == "baseline"]
        ahead = 100 * float((plain["training accuracy"] - plain["accuracy"]).mean())
        gap = averages(table, "gap")["baseline"].scaled(100)
        low, high = (0.3 * ahead, 0.8 * ahead) if ahead >= 5 else (-2.0, 2.0)
        says = f"{images:,} images: plain training's gap lies between {low:.0f} and {high:.0f} points"
        yield Statement(about, says, "profiles/cifar10-jpeg-flip.yaml", inside(gap, low, high))
        change = effects(table, "ECE")
        sides = {"label_smoothing": 30.0, "cutmix": 20.0}
        for method, bound in sides.items():
            error = change[method].interval
            if ahead < 8:
                says = f"{images:,} images: with {method} the calibration error rises"
                yield Statement(about, says, "profiles/cifar10-jpeg-flip.yaml", above_zero(error))
            elif ahead > bound:
                says = f"{images:,} images: with {method} the calibration error falls"
                yield Statement(about, says, "profiles/cifar10-jpeg-flip.yaml", above_zero(error.scaled(-1)))


def _park() -> Iterator[Statement]:
    """What Park et al. say of label smoothing, Mixup and CutMix, as declared for their regime."""
    table = records.by_profile("core")[BY_HEART]
    claims = {
        "the calibration error falls": ("ECE", -1),
        "accuracy under their attack rises": ("robust, 0.4/255, PGD-7", 1),
        "logits get shorter": ("log logit scale", -1),
        "the cosine to the class centre rises": ("cosine, ball", 1),
    }
    for says, (quantity, side) in claims.items():
        changes = effects(table, quantity)
        verdict = of_all(changes[method].interval.scaled(side) for method in OF_PARK)
        where = "profiles/cifar10-papers.yaml"
        yield Statement("claims of Park et al. at F", f"{says} with all three soft labels", where, verdict)


def _maxsup() -> Iterator[Statement]:
    about = "MaxSup ahead of label smoothing"
    again = records.by_profile("hundred_again")
    grey = over_grid(again["quick-confirm"], "accuracy", "maxsup", "label_smoothing")
    yield Statement(about, "a hundred grey classes, ten later seeds", "chapters.yaml", above_zero(grey))
    colour = effects(again["cifar10-papers"], "accuracy", "label_smoothing")["maxsup"].interval
    where = "profiles/cifar10-papers.yaml"
    yield Statement(about, "a hundred colour classes", where, above_zero(colour), colour.n, 20)
    first = records.by_profile("hundred")["cifar10-papers"].query("method == 'maxsup'")
    one_device = long_tail.difference(first, records.by_profile("hundred_one_device")["cifar10-papers"], "accuracy")
    says = "a hundred colour classes, on one device"
    yield Statement(about, says, "chapters.yaml", above_zero(one_device), one_device.n, 5)
    weaker = records.by_profile("hundred_weaker")["cifar10-papers"]
    strengths = long_tail.split_by_strength([again["cifar10-papers"], weaker])
    shared = {one: rows.loc[rows["seed"].isin(weaker["seed"])] for one, rows in strengths.items()}
    tail = long_tail.by_strength("quick-fp32")
    places = {"a hundred colour classes": (shared, "accuracy"), "a long tail": (tail, long_tail.ALL)}
    for place, (networks, part) in places.items():
        smoothing = networks["label_smoothing", long_tail.best(networks, "label_smoothing")]
        usual = networks["maxsup", long_tail.USUAL]
        best = networks["maxsup", long_tail.best(networks, "maxsup")]
        for says, one in {"MaxSup at .1": usual, "both at their best": best}.items():
            change = long_tail.difference(one, smoothing, part)
            says = f"{place}, label smoothing at its best, {says}"
            yield Statement(about, says, "chapters.yaml", above_zero(change), change.n, 10)
    for part in (long_tail.ALL, "tail"):
        change = long_tail.change(long_tail.recorded("quick-fp32"), part, "maxsup", "label_smoothing")
        yield Statement(about, f"a long tail, {part}", "chapters.yaml", above_zero(change))


def _parts() -> Iterator[Statement]:
    about = "harm done by the error part"
    for study in ("ablation", "ablation_noise"):
        table = records.by_profile(study)["quick-fp32"]
        change = effects(table, "accuracy", "label_smoothing")["regularization_only"].interval
        yield Statement(about, f"study {study}", "chapters.yaml", above_zero(change))
    tail = long_tail.by_strength("quick-fp32")
    alone = tail["regularization_only", long_tail.USUAL]
    change = long_tail.difference(alone, tail["label_smoothing", long_tail.USUAL])
    yield Statement(about, "a long tail", "chapters.yaml", above_zero(change))


def _readings() -> Iterator[Statement]:
    """What the declared studies that are on record read: their sentences, at each setting."""
    words = {"holds": HELD, "fails": FAILED, "open": OPEN}
    for study, declaration in judge.declarations().items():
        verdicts = judge.judged(declaration)
        for (sentence, place), word in judge.readings(declaration, verdicts).items():
            here = {one.contrast: one for one in verdicts if one.setting == place}
            declared = declaration.readings[sentence].items()
            parts = [
                declared_and_found(here[name], wanted, declaration.contrasts[name].margin.get(place))
                for name, wanted in declared
                if not name.startswith("control")
            ]
            says = f"{place}: {sentence} ({'; '.join(parts)})"
            yield Statement(f"study {study}", says, f"studies/declared, {study}", words[word])


def declared_and_found(found: judge.Verdict, wanted: str, margin: float | None) -> str:
    """What was declared of a contrast; where it said another word, that too, and whether it is inside the margin.

    The judge says "no difference" only of an interval that contains zero: one inside the margin may still be a side's.
    """
    if found.word == wanted:
        return f"{found.contrast}: {wanted}"
    text = f"{found.contrast}: {wanted} was declared, {found.word} came out"
    if margin is not None and -margin < found.interval.low and found.interval.high < margin:
        text += f", by less than the margin of {margin:g}"
    return text
