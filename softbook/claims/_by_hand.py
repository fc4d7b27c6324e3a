"""The length and Park's cosine set by hand (the study park_by_hand): its declared contrasts at A, for several pages."""

import functools
from collections.abc import Callable

from softbook.claims import exactly
from softbook.studies import judge, records
from softlab.comparison.intervals import Interval


@functools.cache
def park() -> dict[str, judge.Verdict]:
    """The declared contrasts of Park's cosine and the length, set by hand, at A."""
    verdicts = judge.judged(judge.declarations()["park_by_hand"])
    return {one.contrast: one for one in verdicts if one.setting == "A"}


def contrast(name: str) -> Callable[[], Interval]:
    """What it comes to, in the units of its quantity."""
    return lambda: park()[name].interval.of(records.by_profile("park_by_hand")["quick-fp32"], name)


def end_of(name: str, side: str) -> Callable[[], Interval]:
    """The lower or the upper end of its interval."""
    return lambda: exactly(getattr(park()[name].interval, side), park()[name].interval.n)


def within_three(value: Interval) -> bool:
    """Is this declared to be no difference, while the pull alone gains?"""
    same = park()["cosine on robustness"].word == judge.SAME
    return same and abs(value.mean) < 3 and park()["the pull on robustness"].word == "rises"
