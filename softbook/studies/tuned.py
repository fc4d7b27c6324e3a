"""Tuned beside tuned: two methods, each at its own best strength, wherever several strengths of both are on record.

for place, best in everywhere("maxsup", "label_smoothing").items():
    print(place, best.own, best.others, best.lead)

The best strength has the highest mean accuracy on images for fitting, over the seeds that all strengths have. A seed
that a study trained at several widths counts once, with their mean.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import pandas

from softbook.studies import records
from softbook.studies.long_tail import USUAL
from softlab.comparison.intervals import Interval, t_interval
from softlab.numbers.quantities import QUANTITIES

FIT = "accuracy, fit"
# Of each place, a profile and the studies whose networks differ in method and strength only.
PLACES = {
    "A": ("quick-confirm", ("many",)),
    "B": ("fashion-heldout", ("strength",)),
    "F": ("cifar10-papers", ("strength",)),
    "100 classes, grey": ("quick-confirm", ("hundred", "hundred_strength")),
    "100 classes, colour": ("cifar10-papers", ("hundred_again", "hundred_weaker")),
    "long tail": ("quick-fp32", ("long_tail", "long_tail_weaker")),
}


@dataclass(frozen=True)
class Tuned:
    """lead: accuracy of one method less another's, in points, over seeds.  own, others: their best strengths."""

    lead: Interval
    own: float
    others: float


@functools.cache
def everywhere(method: str, against: str) -> Mapping[str, Tuned]:
    """The lead of a method over another in each of PLACES, both tuned alike."""
    return {place: lead(networks_at(place), method, against) for place in PLACES}


def networks_at(place: str) -> pandas.DataFrame:
    """The networks of a place, with their `strength`: the usual one where a study has no other."""
    profile, studies = PLACES[place]
    tables = [records.by_profile(study)[profile] for study in studies]
    networks = pandas.concat(tables, ignore_index=True)
    named = networks.reindex(columns=["dose", "alpha"]).astype(float)
    networks["strength"] = named["dose"].fillna(named["alpha"]).fillna(USUAL)
    networks.attrs = tables[-1].attrs
    return networks


def lead(networks: pandas.DataFrame, method: str, against: str) -> Tuned:
    """How much more accurate one method is than another, each at its best strength."""
    both = networks.loc[networks["method"].isin([method, against])]
    by_strength = both.pivot_table(["accuracy", FIT], "seed", ["method", "strength"]).dropna()
    fitted = by_strength[FIT].mean()
    own = fitted[method].idxmax()
    others = fitted[against].idxmax()
    scored = by_strength["accuracy"]
    apart = scored[method, own] - scored[against, others]
    points = t_interval(apart.to_numpy()).scaled(QUANTITIES["accuracy"].factor)
    named = f"change of {QUANTITIES['accuracy'].changed}, each at its best strength"
    return Tuned(points.of(networks, named), float(own), float(others))
