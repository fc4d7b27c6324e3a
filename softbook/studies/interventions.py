"""Is a property of the shape the reason? Hard labels with a penalty that moves the property as far as soft labels do.

Declared before the first network was trained: softbook/studies/prediction.yml, `interventions`.
"""

import numpy as np
import pandas

from softbook.studies import records
from softbook.studies.prediction import declared, whole
from softlab.comparison.intervals import Interval, paired_interval, t_interval
from softlab.numbers.quantities import QUANTITIES


def recorded(like: str, outcome: str, profile: str) -> dict[str, tuple[Interval, Interval]]:
    """`at_equal` for the recorded interventions and the recorded core's networks with the soft labels `like`."""
    core = records.by_profile("core")[profile]
    return at_equal(whole(records.by_profile("interventions")[profile]), core.loc[core["method"] == like], outcome)


def at_equal(runs: pandas.DataFrame, soft: pandas.DataFrame, outcome: str) -> dict[str, tuple[Interval, Interval]]:
    """What interventions on one property do to an outcome once the property has moved as far as soft labels move it.

    runs: the study `interventions`.  soft: networks with the same soft labels, a row for each seed.  Outcomes are
    interpolated along the mean change of the property: {method: (change of the outcome there, its excess over the soft
    labels' change)}, over the seeds that both have. A method whose doses all move the property less, or all farther, is
    left out: nothing is extrapolated.
    """
    plain, like = (table.set_index("seed") for table in (runs.loc[runs["method"] == "baseline"], soft))
    seeds = plain.index.intersection(like.index)
    by_method = {}
    for method, moved in declared().moves.items():
        names = [moved, outcome]
        doses = [rows.set_index("seed") for _, rows in runs.loc[runs["method"] == method].groupby("dose")]
        changes = [rows.loc[seeds, names] - plain.loc[seeds, names] for rows in doses]
        changes.sort(key=lambda change: change[moved].mean())
        goal = like.loc[seeds, names] - plain.loc[seeds, names]
        means = [change[moved].mean() for change in changes]
        if means and means[0] <= (wanted := goal[moved].mean()) <= means[-1]:
            there = []
            for seed in seeds:
                outcomes = [change[outcome][seed] for change in changes]
                there.append(float(np.interp(wanted, means, outcomes)))
            what = f"change of {QUANTITIES[outcome].changed} at equal {QUANTITIES[moved].label}"
            there_only = t_interval(there)
            more = paired_interval(there, list(goal[outcome]))
            by_method[method] = there_only.of(runs, what), more.of(runs, f"{what}, less the soft labels'")
    return by_method
