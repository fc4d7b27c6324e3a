"""Claims of the results: what holds in every setting, and what each method does at its best strength."""

from collections.abc import Iterable

import numpy as np

from softbook.claims import SIGNED, WORDS, Claim, exactly, falls, headline, highest, is_open, least_open, rises
from softbook.claims.intro import LADDER, LETTERS, SOFT, both_ways, of
from softbook.studies import laws, records
from softbook.studies.across_settings import tables_by_setting
from softlab.comparison.effects import at_best, effects
from softlab.comparison.intervals import Interval

MOVED = ("quick-fp32", "cifar10-papers")  # where margin and slope are on record
DEPENDABLE = {"short", "overconfidence"}  # the sentences of papers.yml that hold in every setting


def both_shrink() -> Interval:
    """The soft label that comes nearest to leaving margin or slope unchanged, where both are on record."""
    tables = [records.by_profile()[profile] for profile in MOVED]
    found = [effects(table, quantity)[m] for table in tables for quantity in ("log margin", "log slope") for m in SOFT]
    return highest(one.shown for one in found)


def dependable() -> Interval:
    """How many sentences of the papers hold in each of the six settings for each method, if these are the two."""
    tables = {name: table for name, table in tables_by_setting(least=4).items() if name[0] in LETTERS}
    outcomes: dict[str, list[str]] = {}
    for said, _, _, effect in laws.readings(laws.papers().values(), tables):
        outcomes.setdefault(said.id, []).append(said.outcome(effect.interval))
    every = {name for name, found in outcomes.items() if set(found) == {"as it says"}}
    return exactly(float(len(every)) if every == DEPENDABLE else np.nan, len(outcomes))


def best_few(quantity: str, methods: Iterable[str] = SOFT) -> list[Interval]:
    """At A and the best of three strengths."""
    found = effects(at_best(records.by_profile("many")["quick-confirm"]), quantity)
    return [found[method].shown for method in methods]


def best_many(method: str, quantity: str = LADDER) -> Interval:
    """At B and the best of three strengths."""
    return effects(at_best(records.by_profile("strength")["fashion-heldout"]), quantity)[method].shown


CLAIMS = {
    "sure": Claim(lambda: highest(of("mean confidence")), headline("sure", also=falls), form=WORDS),
    "both-ways": Claim(lambda: both_ways((*SOFT, "weight_decay")), lambda value: value.mean == value.n, form=WORDS),
    "shrink": Claim(both_shrink, headline("shrink-margin", "shrink-slope", also=falls), form=WORDS),
    "dependable": Claim(dependable, lambda value: value.mean == len(DEPENDABLE), form=WORDS),
    "best-few": Claim(lambda: highest([*best_few("gap"), *best_few("log logit scale")]), falls, form=WORDS),
    "best-cutmix": Claim(lambda: best_many("cutmix"), rises, form=SIGNED),
    "best-maxsup": Claim(lambda: best_many("maxsup"), rises, form=SIGNED),
    "best-open": Claim(lambda: least_open(map(best_many, ("label_smoothing", "mixup"))), is_open, form=WORDS),
    "best-scale": Claim(
        lambda: highest(best_many(method, "log logit scale") for method in SOFT),
        falls,
        form=WORDS,
    ),
}
