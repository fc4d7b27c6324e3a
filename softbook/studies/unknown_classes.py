"""Classes that a network was never shown: does it notice them? What is declared, and what is on record.

Declared before the first row. The setting of a profile, without two of its ten classes: SPLITS, each class held out
once. Unknown are the test images of the two, and, as a second kind, scikit-learn's handwritten digits. Of each network:
AUROC and FPR95 by three scores (softlab.lenses.novelty). Judged is label smoothing: its AUROC less plain training's of
the same seed and split, by maximal softmax and by maximal logit, for the classes held out; the mean over the five
splits with a t interval over these, expected half-width 3 points. The other methods, FPR95, energy and digits are
described. `softbook record unknown_classes`.
"""

import copy
from collections.abc import Mapping
from typing import Any

import pandas
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import interpolate

from softbook.studies import records
from softbook.studies.asked import Subject
from softlab.batches import as_pixels
from softlab.comparison.intervals import Interval, t_interval
from softlab.lenses.attacks.ascent import all_logits
from softlab.lenses.novelty import SCORES, auroc, false_positives
from softlab.numbers.stored import round_weights
from softlab.profile import Profile
from softlab.training import data
from softlab.training.data import Dataset, assemble
from softlab.training.experiment import Experiment

SPLITS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
METHODS = ("baseline", "label_smoothing", "mixup", "cutmix", "maxsup")
SEEDS = 2  # of the profile
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


def digits(size: int) -> Tensor:
    """scikit-learn's digits, (N, 1, 8, 8) in 0 to 16, enlarged to (N, 1, size, size) uint8."""
    pixels, _ = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().reshape(-1, 1, 8, 8) / 16
    enlarged = interpolate(images, (size, size), mode="bilinear", align_corners=False)
    return (255 * enlarged).round().to(torch.uint8)


def experiments(settings: Profile) -> list[Experiment]:
    """One for each seed, split and method: a profile's networks without two classes, whose data sets are registered."""
    whole = data.load(settings.experiment.data)
    for held in SPLITS:
        data.register(name_of(whole.name, held))(lambda root, held=held: without(whole, held))
    return [
        settings.experiment.replace(
            data=name_of(whole.name, held),
            method=method,
            method_parameters=settings.methods[method],
            seed=seed,
            snapshot_epochs=(),
        )
        for seed in settings.seeds[:SEEDS]
        for held in SPLITS
        for method in METHODS
    ]


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row: the split, accuracy on the classes that the network knows, and what `measured` gives."""
    known = data.load(subject.run.experiment.data)
    whole = data.load(known.name.partition("-without-")[0])
    (split,) = (number for number, held in enumerate(SPLITS) if name_of(whole.name, held) == known.name)
    network = copy.deepcopy(subject.run.model)
    round_weights(network)
    foreign = digits(whole.test_images.shape[-1])
    unknown = {HELD_OUT: of_classes(whole, SPLITS[split]), DIGITS: foreign}
    right = all_logits(network, as_pixels(known.test_images)).argmax(1) == known.test_labels
    accuracy = float(right.double().mean())
    return [{"split": split, "accuracy": accuracy, **measured(network, known.test_images, unknown)}]


def change(table: pandas.DataFrame, column: str, method: str, against: str = "baseline") -> Interval:
    """What a method changes in a column, in points: paired by seed and split, over splits (means of their seeds).

    table: of `recorded`.
    """
    changes = 100 * (_by_split(table, column, method) - _by_split(table, column, against))
    return t_interval(changes.to_numpy()).of(table, f"change of {column} (points)", counts="splits")


def _by_split(table: pandas.DataFrame, column: str, method: str) -> Any:
    """One number per split, over the seeds that every method of the table has there."""
    whole = table.pivot(index=["split", "seed"], columns="method", values=column).dropna()
    return whole[method].groupby("split").mean()


def recorded(profile: str) -> pandas.DataFrame:
    """The recorded networks: method, seed, split, accuracy, and the columns of `measured`; empty without any."""
    return records.of_measure("unknown_classes", profile)
