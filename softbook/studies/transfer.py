"""How well features transfer, for networks that were trained on half of the classes of their data set.

A network of the experiment's `half` is probed on the other half: features of its training images train the probe, those
of its test images are scored (softlab.lenses.transfer). One that knows all classes is a ceiling, probed on both halves
of its seed. Beside plain training stand two controls of the same network: before training, and stopped where it is as
accurate as label smoothing becomes, on the images for fitting. Measured on request, by `softbook record`.
"""

import statistics
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from softbook.studies.asked import PROBES, TRANSFER, Subject
from softlab.lenses import transfer
from softlab.numbers.stored import give_statistics, round_weights
from softlab.representation import extract
from softlab.training import data
from softlab.training.runs import Run, dataset_of, fit_or_load

SMOOTHED = {"method": "label_smoothing", "method_parameters": {"alpha": 0.1}}  # as accurate as it, a control is stopped


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row with every entry of asked.TRANSFER; NaN if this network has no such control."""
    run = subject.run
    whole = data.load(run.experiment.data).first_classes(run.experiment.class_count)
    halves = whole.halves(run.experiment.seed)
    unseen = [*halves] if run.experiment.half == 0 else [halves[2 - run.experiment.half]]
    values = dict.fromkeys(TRANSFER, float("nan"))
    values |= _probed(run.model, whole, unseen, run.experiment.seed)
    if run.experiment.method == "baseline" and run.experiment.half:
        smoothed = run.experiment.replace(**SMOOTHED, snapshot_epochs=())
        epoch = _as_accurate(run, fit_or_load(smoothed, store=run.folder.parent, use_zoo=False))
        values["transfer, stopped after"] = epoch
        for control, snapshot in (("untrained, ", 0), ("stopped, ", epoch)):
            found = _probed(_snapshot(run, snapshot), whole, unseen, run.experiment.seed)
            values |= {f"transfer, {control}{kind}": found[f"transfer, {kind}"] for kind in PROBES}
    return [values]


def _probed(model: nn.Module, whole: data.Dataset, unseen: list[list[int]], seed: int) -> dict[str, float]:
    """Accuracy of each kind, the mean over these halves of the classes."""
    accuracies: dict[str, list[float]] = {kind: [] for kind in PROBES}
    probes = []
    for half in unseen:
        own = whole.only(half)
        train = _features(model, own.train_images)
        test = _features(model, own.test_images)
        parts = (train, own.train_labels, test, own.test_labels)
        everything = transfer.probe(*parts, torch.Generator().manual_seed(seed))
        few = transfer.probe_of_few(*parts, seed)
        probes += [everything, few]
        accuracies["linear"].append(everything.accuracy)
        accuracies["linear, 50 a class"].append(few.accuracy)
        accuracies["neighbours"].append(transfer.neighbours(*parts))
    numbers = {f"transfer, {kind}": statistics.mean(values) for kind, values in accuracies.items()}
    numbers["transfer, log strength"] = float(torch.tensor([probe.strength for probe in probes[::2]]).log().mean())
    numbers["transfer, at the edge"] = statistics.mean(float(probe.at_the_edge) for probe in probes)
    return numbers


def _features(model: nn.Module, images: Tensor) -> Tensor:
    return extract(model, images, torch.zeros(len(images), dtype=torch.long)).features


def _snapshot(run: Run, epoch: int) -> nn.Module:
    """The network after so many epochs, as it is measured: fresh statistics, weights rounded."""
    network = run.snapshot(epoch)
    give_statistics(network, run.experiment)
    round_weights(network)
    return network


def _as_accurate(run: Run, other: Run) -> int:
    """The epoch (not 0) whose snapshot is nearest to the other network in accuracy on the images for fitting."""
    dataset = dataset_of(run.experiment)
    aim = extract(other.model, dataset.fit_images, dataset.fit_labels).accuracy
    accuracies: Mapping[int, Any] = {
        epoch: extract(_snapshot(run, epoch), dataset.fit_images, dataset.fit_labels).accuracy
        for epoch in run.experiment.snapshot_epochs
        if epoch
    }
    return min(accuracies, key=lambda epoch: abs(accuracies[epoch] - aim))
