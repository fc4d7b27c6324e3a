"""One tally of what was declared before its rows: every statement that named a side or a bound, failures first.

every()             # [Declared], each judged from the records as it was declared to be
counts()            # {what they are about: {verdict: how many}}
unfinished()        # [Declared], whose records have fewer seeds than were declared; in none of the above

Most are statements of declared.yaml; what is one statement a setting is listed here. Left out are questions without a
side (laws.yml, chapters.yaml: "described", "two-sided") and what is not on record yet.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from softbook.statements import laws, rules, values
from softbook.statements.engine import Statement, statements
from softbook.studies import judge, robustness
from softbook.studies.across_settings import SETTINGS
from softlab.comparison.effects import averages, effects

FAILED = "failed"
OPEN = "open"
HELD = "as declared"
VERDICTS = (FAILED, OPEN, HELD)
WORDS = {rules.FAILED: FAILED, rules.OPEN: OPEN, rules.HELD: HELD}
OF_LAWS = {"": "the laws of the chapters", "slope": "the laws of margin and slope"}
ONE_LAW = "one gradient in other settings"


@dataclass(frozen=True)
class Declared:
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
def every() -> tuple[Declared, ...]:
    """All of them, failures first."""
    return tuple(sorted(_finished(), key=lambda one: VERDICTS.index(one.verdict)))


@functools.cache
def unfinished() -> tuple[Declared, ...]:
    """Those whose records have fewer seeds than were declared, in the order of the book."""
    return tuple(one for one in _judged() if one.seeds < one.declared)


def counts() -> dict[str, Counter[str]]:
    """How many of each verdict, by what they are about."""
    found: dict[str, Counter[str]] = {}
    for one in _finished():
        found.setdefault(one.about, Counter())[one.verdict] += 1
    return found


@functools.cache
def _finished() -> tuple[Declared, ...]:
    return tuple(one for one in _judged() if one.seeds >= one.declared)


@functools.cache
def _judged() -> tuple[Declared, ...]:
    """In the order of the book."""
    listed = [_declared(one) for one in statements("declared").values() if "about" in one.spec]
    return (*_laws(), *_settings(), *listed, *_colour_gaps(), *_readings())


def _declared(one: Statement) -> Declared:
    spec = one.spec
    verdict = WORDS[outcome(one)]
    if "seeds" not in spec:
        return Declared(spec["about"], spec["says"], spec["in"], verdict)
    return Declared(spec["about"], spec["says"], spec["in"], verdict, values.value_of(spec).n, spec["seeds"])


def outcome(one: Statement) -> int:
    """rules.HELD, rules.OPEN or rules.FAILED: what a training that failed, or what is required beside it, decides."""
    if "failed" in one.spec or not one.requirements_stand():
        return rules.FAILED
    return together(one.spec["rule"], values.each_of(one.spec))


def together(rule: str, found: Sequence[values.Interval]) -> int:
    """The outcome of a rule over several contrasts.

    all rise     fails where each of them does the opposite
    none falls   fails where one falls, and holds where none does
    rises        fails where one does the opposite, and holds of all
    """
    quantifier, _, verb = rule.partition(" ")
    if quantifier == "none":
        return rules.FAILED if any(rules.stands(verb, value) for value in found) else rules.HELD
    outcomes = [rules.outcome(f"{verb}s" if quantifier == "all" else rule, value) for value in found]
    if quantifier == "all":
        return outcomes[0] if len({*outcomes}) == 1 else rules.OPEN
    return min(outcomes)


def _laws() -> Iterator[Declared]:
    for group, about in OF_LAWS.items():
        for name, one in laws.judged(group).items():
            if one.parts and all(part.rule != "differs" for part in one.parts):
                yield Declared(about, laws.laws(group)[name].law, "laws.yml", WORDS[one.outcome])


def _settings() -> Iterator[Declared]:
    for place, one in laws.elsewhere().items():
        says = f"{SETTINGS.get(place, place)}: the estimate is off by less than {laws.LARGEST_ELSEWHERE:g} points"
        verdict = HELD if laws.near_enough(one) == HELD else FAILED
        yield Declared(ONE_LAW, says, "laws.yml", verdict)


def _colour_gaps() -> Iterator[Declared]:
    """The bounds were declared as shares of plain training's lead on its training images."""
    about = "overconfidence on colour images, few steps"
    where = "profiles/cifar10-jpeg-flip.yaml"
    for (images, _), table in robustness.cells_of("cifar10-jpeg-flip").items():
        plain = table.loc[table["method"] == "baseline"]
        ahead = 100 * float((plain["training accuracy"] - plain["accuracy"]).mean())
        gap = averages(table, "gap")["baseline"].scaled(100)
        low, high = (0.3 * ahead, 0.8 * ahead) if ahead >= 5 else (-2.0, 2.0)
        says = f"{images:,} images: plain training's gap lies between {low:.0f} and {high:.0f} points"
        yield Declared(about, says, where, WORDS[rules.outcome(f"inside {low} {high}", gap)])
        change = effects(table, "ECE")
        for method, bound in {"label_smoothing": 30.0, "cutmix": 20.0}.items():
            if ahead < 8 or ahead > bound:
                rule = "rises" if ahead < 8 else "falls"
                says = f"{images:,} images: with {method} the calibration error {rule}"
                yield Declared(about, says, where, WORDS[rules.outcome(rule, change[method].interval)])


def _readings() -> Iterator[Declared]:
    """What the declared studies that are on record read: their sentences, at each setting."""
    words = {"holds": HELD, "fails": FAILED, "open": OPEN}
    for study, declaration in judge.declarations().items():
        verdicts = judge.verdicts(study)
        for (sentence, place), word in judge.readings(declaration, verdicts).items():
            parts = [
                declared_and_found(verdicts[name, place], wanted, declaration.contrasts[name].margin.get(place))
                for name, wanted in declaration.readings[sentence].items()
                if not name.startswith("control")
            ]
            says = f"{place}: {sentence} ({'; '.join(parts)})"
            yield Declared(f"study {study}", says, f"studies/declared, {study}", words[word])


def declared_and_found(found: judge.Verdict, wanted: str, margin: float | None) -> str:
    """What was declared of a contrast; where it said another word, that too, and whether it is inside the margin.

    The judge says "no difference" only of an interval that contains zero: one inside the margin may still be a side's.
    """
    if found.word == wanted:
        return f"{found.contrast}: {wanted}"
    text = f"{found.contrast}: {wanted} was declared, {found.word} came out"
    if margin is not None and rules.stands(f"within {margin}", found.interval):
        text += f", by less than the margin of {margin:g}"
    return text
