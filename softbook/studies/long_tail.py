"""Accuracy by how frequent a class was in training (study `long_tail`): its most frequent third, the middle, the tail.

recorded("quick-fp32")["tail"]      # each seed has another tail (sampling.long_tail)

With weaker smoothing it is study `long_tail_weaker`, with each part of label smoothing's term alone `long_tail_parts`;
softbook.studies.tuned compares methods and strengths.
"""

import numpy as np
import pandas
from torch import Tensor

from softbook.studies import records
from softbook.studies.catalogue import study_profile
from softlab.profile import load_profile
from softlab.training import runs
from softlab.training.sampling import rank_in_tail

PARTS = ("head", "middle", "tail")
ALL = "all classes"


def part_of(labels: Tensor, classes: int, seed: int) -> np.ndarray:
    """The part (N,) of each image's class. Head and tail are a third of the classes, rounded down; middle the rest."""
    ranks = np.array([rank_in_tail(label, classes, seed) for label in range(classes)])[labels.numpy()]
    third = classes // 3
    return np.select([ranks < third, ranks >= classes - third], [PARTS[0], PARTS[2]], PARTS[1])


def recorded(profile: str, study: str = "long_tail") -> pandas.DataFrame:
    """A study's record at this profile, with the accuracy of each part as a column of its name."""
    settings = study_profile(load_profile(profile), study)
    dataset = runs.dataset_of(settings.experiment)
    table = records.by_profile(study)[profile]
    return with_parts(table, dataset.test_labels[: settings.evaluation["test_size"]], len(dataset.classes))


def with_parts(table: pandas.DataFrame, labels: Tensor, classes: int) -> pandas.DataFrame:
    """A table with outcomes by image, plus a column for each part's accuracy. labels: (N,), of the scored images."""
    found = {name: [] for name in PARTS}
    for seed, images in zip(table["seed"], table["images"], strict=True):
        part = part_of(labels, classes, seed)
        for name in PARTS:
            found[name].append(float(images["right"][part == name].mean()))
    wider = table.assign(**found, **{ALL: table["accuracy"]})
    wider.attrs = table.attrs
    return wider
