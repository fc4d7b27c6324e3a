"""What a method costs in time: processor seconds per epoch, as a multiple of plain training's.

tools/record_seconds.py writes softbook/records/seconds/PROFILE.json: rounds in which each of METHODS trains in turn.
"""

import numpy as np
import pandas

from softbook.studies import records
from softlab.comparison.intervals import Interval, t_interval

METHODS = {
    "plain": ("baseline", {}),
    "label smoothing": ("label_smoothing", {"alpha": 0.1}),
    "CutMix": ("cutmix", {"beta": 1.0}),
    "noise": ("gaussian_noise", {"sigma": 0.25}),
    "gradient penalty": ("gradient_penalty", {"strength": 0.1}),
    "adversarial training": ("adversarial_training", {"epsilon": 8 / 255}),
}


def times_plain(table: pandas.DataFrame, name: str) -> Interval:
    """How many times as long as plain training it takes, over rounds; table: from `recorded`."""
    rounds = table.pivot(index="round", columns="name", values="seconds")
    ratio = t_interval(np.asarray(rounds[name] / rounds["plain"], dtype=float))
    return ratio.of(table, f"time of {name} over that of plain training", counts="rounds")


def recorded(profile: str) -> pandas.DataFrame:
    """A row for each method and round: name, round, seconds; empty without a record."""
    table = pandas.DataFrame(records.beside("seconds", profile))
    table.attrs = {"table": f"seconds, profile {profile}", "command": f"python tools/record_seconds.py {profile}"}
    return table
