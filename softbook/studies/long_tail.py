"""Accuracy by how frequent a class was in training (study `long_tail`): its most frequent third, the middle, the tail.

table = recorded("quick-fp32")
change(table, "tail", "maxsup", "label_smoothing")  # in points, over seeds: each has another tail (sampling.long_tail)

With weaker smoothing (study `long_tail_weaker`), and each part of label smoothing's term alone (`long_tail_parts`):

found = by_strength("quick-fp32")
difference(found["maxsup", 0.1], found["label_smoothing", 0.03], "tail")
"""

from collections.abc import Iterable

import numpy as np
import pandas
from torch import Tensor

from softbook.studies import records
from softbook.studies.catalogue import study_profile
from softlab.comparison.intervals import Interval, t_interval
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile
from softlab.training import runs
from softlab.training.sampling import rank_in_tail

PARTS = ("head", "middle", "tail")
ALL = "all classes"
USUAL = 0.1  # the strength where a study has one only


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


def change(table: pandas.DataFrame, part: str, method: str, against: str = "baseline") -> Interval:
    """What a method changes in the accuracy of a part, or of all classes: in points, paired by seed, over seeds."""
    return difference(table.loc[table["method"] == method], table.loc[table["method"] == against], part)


def difference(networks: pandas.DataFrame, others: pandas.DataFrame, part: str = ALL) -> Interval:
    """By how many points networks exceed others of the same seeds, in the accuracy of a part or of all classes.

    part: also a quantity of the record that is a share, for instance `confidence when wrong`.
    """
    apart = networks.set_index("seed")[part] - others.set_index("seed")[part]
    interval = t_interval(apart.dropna().to_numpy()).scaled(100)
    named = QUANTITIES[part].changed if part in QUANTITIES else f"{QUANTITIES['accuracy'].changed}, {part}"
    return interval.of(networks, f"change of {named}")


def by_strength(profile: str) -> dict[tuple[str, float], pandas.DataFrame]:
    """All networks on record at this profile, by method and strength; hard labels have strength 0."""
    return split_by_strength(recorded(profile, study) for study in ("long_tail", "long_tail_weaker", "long_tail_parts"))


def split_by_strength(tables: Iterable[pandas.DataFrame]) -> dict[tuple[str, float], pandas.DataFrame]:
    """The rows of tables by method and strength: the usual strength, if a table names none."""
    found = {}
    for table in tables:
        for method, alpha in sorted({(row["method"], row.get("alpha", USUAL)) for row in table.to_dict("records")}):
            of_strength = table["alpha"] == alpha if "alpha" in table else True
            strength = 0.0 if method == "baseline" else float(alpha)
            found[method, strength] = table[(table["method"] == method) & of_strength]
    return found


def best(networks: dict[tuple[str, float], pandas.DataFrame], method: str) -> float:
    """The strength of a method with the highest mean accuracy, over seeds, on images for fitting."""
    fitted = {alpha: rows["accuracy, fit"].mean() for (one, alpha), rows in networks.items() if one == method}
    return max(fitted, key=lambda alpha: fitted[alpha])
