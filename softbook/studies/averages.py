"""One network, the mean of five, and weights averaged along training: what an average mends, by method.

A row is about a group, networks of GROUP consecutive seeds from the row's own on. `alone` is the mean of the members'
own numbers, each with its own temperature; `group` is of the mean of their probabilities; `weights` of the mean of the
first member's snapshots in the last third of training, with fresh statistics of batch normalisation. Temperatures are
fitted on the images for fitting. Measured on request, by `softbook record`.
"""

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from softbook.studies.asked import MEASURES, Subject
from softlab.errors import SoftlabError
from softlab.lenses import calibration, ensembles, selective
from softlab.numbers.stored import give_statistics, round_weights
from softlab.representation import Representation, extract
from softlab.training.data import Dataset
from softlab.training.runs import Run, dataset_of, fit_or_load

GROUP = 5
LAST_PART = 2 / 3  # of training, after which snapshots count
WORST = 3  # classes


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row with every entry of asked.AVERAGES, for the group that begins with this network.

    Its other members are trained.
    Raises SoftlabError for a network of half the classes: its seed draws them, so members would know different ones.
    """
    run = subject.run
    if run.experiment.half:
        raise SoftlabError("averages are of networks that know the same classes: half=0")
    dataset = dataset_of(run.experiment)
    members = [_looked_at(network, dataset) for network in _members(run)]
    plain = members
    if run.experiment.method != "baseline":
        plain = [_looked_at(network, dataset) for network in _members(run, method="baseline", method_parameters={})]
    worst = worst_classes([fitted for fitted, _ in plain], WORST)
    alone = [_scores(member, worst) for member in members]
    group = (_together([fitted for fitted, _ in members]), _together([tested for _, tested in members]))
    weights = _looked_at(_averaged_weights(run), dataset)
    found = {f"alone, {name}": statistics.mean(scores[name] for scores in alone) for name in MEASURES}
    found |= {f"group, {name}": value for name, value in _scores(group, worst).items()}
    return [found | {f"weights, {name}": value for name, value in _scores(weights, worst).items()}]


def _members(run: Run, **changes: object) -> list[nn.Module]:
    """The networks of a group, their weights rounded like those of all measured networks."""
    first = run.experiment.seed
    members = []
    for seed in range(first, first + GROUP):
        experiment = run.experiment.replace(seed=seed, **changes)
        if seed != first:
            experiment = experiment.replace(snapshot_epochs=())
        network = fit_or_load(experiment, store=run.folder.parent, use_zoo=False).model
        round_weights(network)
        members.append(network)
    return members


def _averaged_weights(run: Run) -> nn.Module:
    """The mean of a network's snapshots after LAST_PART of its training, the last one included."""
    epochs = [epoch for epoch in run.experiment.snapshot_epochs if epoch > LAST_PART * run.experiment.epochs]
    network = ensembles.averaged([run.snapshot(epoch) for epoch in epochs])
    give_statistics(network, run.experiment)
    round_weights(network)
    return network


def _looked_at(model: nn.Module, dataset: Dataset) -> tuple[Representation, Representation]:
    """What a network computes on the images for fitting, and on test images."""
    fitted = extract(model, dataset.fit_images, dataset.fit_labels)
    return fitted, extract(model, dataset.test_images, dataset.test_labels)


def _together(members: Sequence[Representation]) -> Representation:
    """Several networks as one; the features are the first one's, and are not used."""
    logits = ensembles.together([member.logits for member in members]).float()
    return Representation(members[0].features, logits, members[0].labels)


def worst_classes(fitted: Sequence[Representation], count: int) -> Tensor:
    """The classes of lowest accuracy on the images for fitting, mean over networks, (count,)."""
    labels = fitted[0].labels
    right = torch.stack([member.correct.double() for member in fitted]).mean(0)
    by_class = torch.stack([right[labels == label].mean() for label in labels.unique()])
    return by_class.argsort(stable=True)[:count]


def _scores(seen: tuple[Representation, Representation], worst: Tensor) -> dict[str, float]:
    """Each of MEASURES. seen: as from _looked_at; the temperature is fitted on the first."""
    fitted, tested = seen
    temperature = calibration.fit_temperature(fitted.logits, fitted.labels)
    probs = tested.logits.softmax(1)
    among = torch.isin(tested.labels, worst)
    return {
        "NLL at T": calibration.nll(tested.logits / temperature, tested.labels),
        "gap": calibration.confidence_gap(probs, tested.labels),
        "AURC": selective.aurc(probs.amax(1), tested.correct),
        "accuracy": tested.accuracy,
        "worst classes": float(tested.correct[among].double().mean()),
    }
