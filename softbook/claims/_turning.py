"""Hard labels with a penalty that turns logits to their class: page causes and conclusion. No page of this name."""

import functools
from collections.abc import Iterable

import pandas

from softbook.claims import lowest
from softbook.studies import interventions, prediction, records
from softlab.comparison.effects import effects
from softlab.comparison.intervals import Interval

ROBUST = "robust, 4/255"
BALL = "cosine, ball"  # to the minimal-loss point of the class: what Park et al. mean
STRENGTHS = (0.5, 1.0, 2.0)
PROFILES = ("quick-confirm", "quick-again", "quick-fp32")
WEAK = (0.05, 0.1, 0.2)


@functools.cache
def ten_seeds(method: str, outcome: str = ROBUST) -> Interval:
    """What a method of the study `many` changes, over the ten seeds of its two tables."""
    tables = [prediction.doses_as_methods(records.by_profile("many")[profile]) for profile in PROFILES[:2]]
    return effects(pandas.concat(tables), outcome)[method].shown


@functools.cache
def each(outcome: str) -> tuple[Interval, ...]:
    """What the penalty changes at three strengths in three records, five seeds each."""
    tables = [prediction.doses_as_methods(records.by_profile("many")[profile]) for profile in PROFILES]
    return tuple(effects(one, outcome)[f"cosine_penalty {dose:g}"].shown for one in tables for dose in STRENGTHS)


def gains() -> Interval:
    """Under attack: the one of these nine that begins lowest."""
    return lowest(each(ROBUST))


def mean_of(outcome: str, least: bool) -> Interval:
    return (min if least else max)(each(outcome), key=lambda one: one.mean)


def weakly() -> Iterable[Interval]:
    """Under attack, at three weaker strengths."""
    table = prediction.doses_as_methods(records.by_profile("interventions")["quick-confirm"])
    return [effects(table, ROBUST)[f"cosine_penalty {dose:g}"].shown for dose in WEAK]


def at_equal_cosine(like: str, less: bool = False) -> Interval:
    """Under attack, once it has turned logits as far as these soft labels do; less: minus what those do."""
    there, more = interventions.recorded(like, ROBUST, "quick-confirm")["cosine_penalty"]
    return (more if less else there).scaled(100)
