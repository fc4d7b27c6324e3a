"""What a method costs in time: processor seconds per epoch, as a multiple of plain training's.

Rounds in which each of METHODS trains in turn, so that whatever slows the machine down slows all of them; a round is a
seed. `softbook record seconds`.
"""

import time

import numpy as np
import pandas

from softbook.studies import records
from softbook.studies.asked import Subject
from softlab.comparison.intervals import Interval, t_interval
from softlab.profile import Profile
from softlab.training import loop
from softlab.training.experiment import Experiment
from softlab.training.runs import dataset_of

METHODS = {
    "plain": ("baseline", {}),
    "label smoothing": ("label_smoothing", {"alpha": 0.1}),
    "CutMix": ("cutmix", {"beta": 1.0}),
    "noise": ("gaussian_noise", {"sigma": 0.25}),
    "gradient penalty": ("gradient_penalty", {"strength": 0.1}),
    "adversarial training": ("adversarial_training", {"epsilon": 8 / 255}),
}
EPOCHS = 2
ROUNDS = 5


def experiments(settings: Profile) -> list[Experiment]:
    """One for each round and method."""
    short = settings.experiment.replace(epochs=EPOCHS, snapshot_epochs=())
    methods = METHODS.values()
    return [
        short.replace(method=method, method_parameters=parameters, seed=turn)
        for turn in range(ROUNDS)
        for method, parameters in methods
    ]


def measure(subject: Subject) -> list[dict[str, float | str]]:
    """A row: the method's name among METHODS (`cell`), and seconds of the processor an epoch takes.

    The network is trained twice, of which the first warms up.
    """
    experiment = subject.run.experiment
    dataset = dataset_of(experiment)
    (name,) = (name for name, (method, _) in METHODS.items() if method == experiment.method)
    for _ in range(2):
        start = time.process_time()
        for _ in loop.epochs(experiment, dataset):
            pass
        seconds = (time.process_time() - start) / EPOCHS
    return [{"cell": name, "seconds": seconds}]


def times_plain(table: pandas.DataFrame, name: str) -> Interval:
    """How many times as long as plain training it takes, over rounds; table: from `recorded`."""
    rounds = table.pivot(index="round", columns="name", values="seconds")
    ratio = t_interval(np.asarray(rounds[name] / rounds["plain"], dtype=float))
    return ratio.of(table, f"time of {name} over that of plain training", counts="rounds")


def recorded(profile: str) -> pandas.DataFrame:
    """A row for each method and round: name, round, seconds; empty without a record."""
    return records.of_measure("seconds", profile).rename(columns={"cell": "name", "seed": "round"})
