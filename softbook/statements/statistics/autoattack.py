"""What AutoAttack leaves of recorded networks, network by network, beside the book's own ladder of attacks."""

import functools
from collections.abc import Sequence

import numpy as np
import pandas

from softbook.statements.origin import exactly
from softbook.studies import robustness
from softbook.studies.robustness import AUTOATTACK, LADDER
from softlab.comparison.intervals import Interval


def left_by_autoattack(
    profile: str, method: str, less: str = "", study: str | Sequence[str] = "core", radius: float = 4
) -> list[Interval]:
    """Percent that AutoAttack leaves of a method's networks, or points more than of another method's: one each."""
    return [exactly(float(points)) for points in _left(profile, study, radius, AUTOATTACK, method, less)]


def survival(profile: str, methods: Sequence[str], study: str | Sequence[str]) -> list[Interval]:
    """The share of what a method gains under the ladder of 4/255 that AutoAttack leaves: of one network each."""
    found = []
    for method in methods:
        (met,), (own,) = (_left(profile, study, 4, attack, method, "baseline") for attack in (AUTOATTACK, LADDER))
        found.append(exactly(float(met / own)))
    return found


def taken_by_autoattack(profile: str, method: str, less: str, study: str, radius: float) -> list[Interval]:
    """Points that AutoAttack takes beyond the ladder, more off a method than off another: of each pair of networks."""
    ladder, met = (_left(profile, study, radius, attack, method, less) for attack in (LADDER, AUTOATTACK))
    return [exactly(float(points)) for points in ladder - met]


def taken_beyond_the_ladder() -> list[Interval]:
    """Points that AutoAttack takes beyond the ladder, off every network that it has met."""
    places = robustness.taken_beyond().values()
    return [exactly(point) for methods in places for points in methods.values() for point in points]


def networks_met() -> Interval:
    """How many networks AutoAttack has met, each counted once."""
    met: set[str] = set()
    for _, profile, radius, studies in robustness.MEETINGS:
        met |= {*robustness.met_by_autoattack(profile, radius, studies)["id"]}
    return exactly(float(len(met)))


def _left(
    profile: str, study: str | Sequence[str], radius: float, attack: str, method: str, less: str = ""
) -> np.ndarray:
    """Percent that an attack leaves of each network of a method, less those of another."""
    met = _met(profile, radius, (study,) if isinstance(study, str) else tuple(study)).set_index("method")[attack]
    own, other = (met.loc[[name]].to_numpy() if name else 0 for name in (method, less))
    return np.subtract(own, other)


@functools.cache
def _met(profile: str, radius: float, studies: tuple[str, ...]) -> pandas.DataFrame:
    return robustness.met_by_autoattack(profile, radius, studies)
