"""Classes that a network was never shown: does it notice them? What is declared, and what is on record.

Declared before the first row. The setting of a profile, without two of its ten classes: SPLITS, each class held out
once. Unknown are the test images of the two, and, as a second kind, scikit-learn's handwritten digits. Of each network:
AUROC and FPR95 by three scores (softlab.lenses.novelty). Judged is label smoothing: its AUROC less plain training's of
the same seed and split, by maximal softmax and by maximal logit, for the classes held out; the mean over the five
splits with a t interval over these, expected half-width 3 points. The other methods, FPR95, energy and digits are
described. tools/record_unknown_classes.py writes softbook/records/unknown_classes/PROFILE.json.
"""

from collections.abc import Mapping
from typing import Any

import pandas
import torch
from torch import Tensor, nn

from softbook.studies import records
from softlab.batches import as_pixels
from softlab.comparison.intervals import Interval, t_interval
from softlab.lenses.attacks.ascent import all_logits
from softlab.lenses.novelty import SCORES, auroc, false_positives
from softlab.training.data import Dataset, assemble

SPLITS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
METHODS = ("baseline", "label_smoothing", "mixup", "cutmix", "maxsup")
HELD_OUT = "held-out classes"
DIGITS = "digits"
MEASURES = {"AUROC": auroc, "FPR95": false_positives}


def without(dataset: Dataset, held: tuple[int, ...]) -> Dataset:
    """The data set without these classes in any part; the others are renumbered in order."""
    kept = [number for number in range(len(dataset.classes)) if number not in held]
    place = torch.full((len(dataset.classes),), -1)
    place[kept] = torch.arange(len(kept))
    parts = {}
    for part in ("train", "fit", "test"):
        labels = place[getattr(dataset, f"{part}_labels")]
        known = labels >= 0
        parts |= {f"{part}_images": getattr(dataset, f"{part}_images")[known], f"{part}_labels": labels[known]}
    classes = tuple(dataset.classes[number] for number in kept)
    return assemble(name_of(dataset.name, held), parts, classes, dataset.source)


def name_of(data: str, held: tuple[int, ...]) -> str:
    return "-".join([data, "without", *map(str, held)])


def of_classes(dataset: Dataset, held: tuple[int, ...]) -> Tensor:
    """The test images (N, C, H, W) of these classes."""
    return dataset.test_images[torch.isin(dataset.test_labels, torch.tensor(held))]


def measured(model: nn.Module, known: Tensor, unknown: Mapping[str, Tensor]) -> dict[str, float]:
    """{"held-out classes, maximal softmax, AUROC": …}: every kind of unknown images, score and measure.

    known: test images (N, C, H, W) of classes that the network knows.
    """
    inside = all_logits(model, as_pixels(known))
    outside = {kind: all_logits(model, as_pixels(images)) for kind, images in unknown.items()}
    return {
        f"{kind}, {name}, {measure}": number_of(score(inside), score(logits))
        for kind, logits in outside.items()
        for name, score in SCORES.items()
        for measure, number_of in MEASURES.items()
    }


def change(table: pandas.DataFrame, column: str, method: str, against: str = "baseline") -> Interval:
    """What a method changes in a column, in points: paired by seed and split, over splits (means of their seeds).

    table: of `recorded`.
    """
    changes = 100 * (_by_split(table, column, method) - _by_split(table, column, against))
    return t_interval(changes.to_numpy()).of(table, f"change of {column} (points)", counts="splits")


def level(table: pandas.DataFrame, column: str, method: str = "baseline") -> Interval:
    """A column of a method in percent, over splits."""
    return t_interval(100 * _by_split(table, column, method).to_numpy()).of(table, f"{column} (%)", counts="splits")


def _by_split(table: pandas.DataFrame, column: str, method: str) -> Any:
    """One number per split, over the seeds that every method of the table has there."""
    whole = table.pivot(index=["split", "seed"], columns="method", values=column).dropna()
    return whole[method].groupby("split").mean()


def recorded(profile: str) -> pandas.DataFrame:
    """The recorded networks: method, seed, split, accuracy, and the columns of `measured`; empty without any."""
    own = ("method", "seed", "split", "accuracy")
    rows = records.beside("unknown_classes", profile)
    table = pandas.DataFrame([{name: row[name] for name in own} | row["numbers"] for row in rows])
    command = f"python tools/record_unknown_classes.py {profile} SEED"
    table.attrs = {"table": f"unknown_classes, profile {profile}", "command": command}
    return table
