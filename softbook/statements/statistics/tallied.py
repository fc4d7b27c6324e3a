"""Counts of what was declared or said, and of how often it came out so."""

import math
from collections.abc import Sequence

from softbook.statements import laws, papers, tally
from softbook.statements.origin import exactly
from softbook.studies import judge, records
from softbook.studies.across_settings import tables_by_setting
from softlab.comparison.effects import effects
from softlab.comparison.intervals import Interval

LETTERS = "ABCDEF"
OUTSIDE = ["accuracy", "gap", "ECE", "NLL at T", "AURC", "robust, 4/255"]
OUTSIDE += ["constant class", "log logit scale", "cosine, logit", "spread, logits"]


def declared_statements(verdict: str = "", about: str = "") -> Interval:
    """How many declared statements, of one row of the tally if it is named, have this verdict (none: of any)."""
    asked = [one for one in tally.every() if about in ("", one.about)]
    found = [one for one in asked if verdict in ("", one.verdict)]
    return exactly(float(len(found)), len(asked))


def law_verdict(law: str, group: str, verdict: str) -> Interval:
    """1 if this is what became of a declared law, else 0."""
    return exactly(float(laws.judged(group)[law].verdict == verdict))


def dependable_sentences(sentences: Sequence[str]) -> Interval:
    """How many sentences of the papers hold in each of A to F for each method; NaN if they are not these."""
    tables = {name: table for name, table in tables_by_setting(least=4).items() if name[0] in LETTERS}
    outcomes: dict[str, list[str]] = {}
    for said, _, _, effect in papers.readings(papers.papers().values(), tables):
        outcomes.setdefault(said.id, []).append(said.outcome(effect.interval))
    every = {name for name, found in outcomes.items() if set(found) == {"as it says"}}
    return exactly(float(len(every)) if every == {*sentences} else math.nan, len(outcomes))


def same_side_outside() -> Interval:
    """The share (%) of effects at A that are on the same side on other images of Fashion-MNIST; NaN if one turns."""
    known, outside = (records.by_profile(study)["quick-confirm"] for study in ("core", "outside"))
    same = []
    for quantity in OUTSIDE:
        there = effects(outside, quantity)
        for method, effect in effects(known, quantity).items():
            here = effect.interval.side()
            again = there[method].interval.side()
            same.append(math.nan if here * again < 0 else float(here == again))
    return exactly(100 * sum(same) / len(same), len(same))


def pending(study: str, letters: str) -> Interval:
    """1 if just the settings of these letters are declared in a study and not on record, else 0."""
    waiting = {place for (_, place), one in judge.verdicts(study).items() if one.word == judge.PENDING}
    return exactly(float(waiting == {*letters}))
