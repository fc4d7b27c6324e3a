"""Tuned beside tuned: two methods, each at a strength or at its own best one, where several strengths are on record.

lead(networks_at("long tail"), "maxsup", "label_smoothing", BEST, BEST)      # an Interval, over seeds alone
for place, best in everywhere("maxsup", "label_smoothing").items():
    print(place, best.own, best.others, best.lead)

The best strength has the highest mean accuracy on images for fitting, over the seeds that all strengths have. A seed
that a study trained at several widths counts once, with their mean.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas

from softbook.studies import long_tail, records
from softlab.comparison.intervals import Interval, t_interval
from softlab.numbers.quantities import QUANTITIES

BEST = "best"
USUAL = 0.1  # the strength where a study has one only
# Of each place, a profile and the studies whose networks differ in method and strength only.
PLACES = {
    "A": ("quick-confirm", ("many",)),
    "B": ("fashion-heldout", ("strength",)),
    "F": ("cifar10-papers", ("strength",)),
    "100 classes, grey": ("quick-confirm", ("hundred", "hundred_strength")),
    "100 classes, colour": ("cifar10-papers", ("hundred_again", "hundred_weaker")),
    "long tail": ("quick-fp32", ("long_tail", "long_tail_weaker", "long_tail_parts")),
    "A, label smoothing": ("quick-fp32", ("dose",)),  # of no other loss
}


@dataclass(frozen=True)
class Tuned:
    """lead: accuracy of one method less another's, in points, over seeds.  own, others: their best strengths."""

    lead: Interval
    own: float
    others: float


def everywhere(method: str, against: str) -> Mapping[str, Tuned]:
    """The lead of a method over another, both tuned alike, in each of PLACES that has both."""
    found = {}
    for place in PLACES:
        networks = networks_at(place)
        if {method, against} <= set(networks["method"]):
            strengths = [best(networks, name, [method, against]) for name in (method, against)]
            found[place] = Tuned(lead(networks, method, against, BEST, BEST), *strengths)
    return found


@functools.cache
def networks_at(place: str) -> pandas.DataFrame:
    """The networks of a place, with their `strength`: the usual one where a study has no other, 0 for hard labels.

    With a long tail also the accuracy of each part of the classes (softbook.studies.long_tail).
    """
    profile, studies = PLACES[place]
    tables = [_recorded(study, profile) for study in studies]
    networks = pandas.concat(tables, ignore_index=True)
    named = networks.reindex(columns=["dose", "alpha"]).astype(float)
    networks["strength"] = named["dose"].fillna(named["alpha"]).fillna(USUAL)
    networks.loc[networks["method"] == "baseline", "strength"] = 0.0
    networks.attrs = tables[0].attrs
    return networks


def _recorded(study: str, profile: str) -> pandas.DataFrame:
    if study.startswith("long_tail"):
        return long_tail.recorded(profile, study)
    return records.by_profile(study)[profile]


def by_strength(networks: pandas.DataFrame, methods: Sequence[str], of: str) -> pandas.DataFrame:
    """A quantity of these methods: a row for each seed that has all their strengths, a column for each of these."""
    chosen = networks.loc[networks["method"].isin(methods)]
    return chosen.pivot_table(of, "seed", ["method", "strength"]).dropna()


def best(networks: pandas.DataFrame, method: str, among: Sequence[str] = (), by: str = "accuracy") -> float:
    """The strength at which a method is best on images for fitting: most accurate, or `by` is lowest.

    among: methods whose seeds count (none: its own).
    """
    means = by_strength(networks, among or [method], f"{by}, fit")[method].mean()
    best_of: Any = means.idxmax() if by == "accuracy" else means.idxmin()
    return float(best_of)


def lead(
    networks: pandas.DataFrame,
    method: str,
    less: str,
    strength: float | str = USUAL,
    less_strength: float | str = USUAL,
    of: str = "accuracy",
) -> Interval:
    """A method less another, each at a strength or at its `best`: in the unit of `of`, over seeds alone.

    of: a quantity, or with a long tail also the accuracy of the `tail` or of `all classes`, in points.
    """
    values = by_strength(networks, [method, less], of)
    own, others = (
        values[name, best(networks, name, [method, less]) if chosen == BEST else chosen]
        for name, chosen in ((method, strength), (less, 0.0 if less == "baseline" else less_strength))
    )
    known = QUANTITIES.get(of)
    change = t_interval((own - others).to_numpy()).scaled(known.factor if known else 100)
    called = known.changed if known else f"{QUANTITIES['accuracy'].changed}, {of}"
    tuned = ", each at its best strength" if strength == less_strength == BEST else ""
    return change.of(networks, f"change of {called}{tuned}")
