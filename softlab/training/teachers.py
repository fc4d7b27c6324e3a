"""Labels from a trained network: its predictions, at a temperature, as distributions to train another one on.

An experiment's field `teacher` says whose predictions these are (softlab.training.experiment.TEACHING). A teacher is an
experiment of its own, trained and kept like any other; by default it is plain training with the same seed on the same
images.
"""

import math

import torch
from torch import Tensor

from softlab.batches import stream
from softlab.errors import SoftlabError
from softlab.training.experiment import TEACHING, Experiment

HOTTEST = 16.0  # |log T| of the coldest and the hottest temperature that is tried


def teacher_of(student: Experiment) -> Experiment:
    """The experiment whose network is this student's teacher."""
    fields = {name: value for name, value in student.teacher.items() if name not in TEACHING}
    plain = {"method": "baseline", "method_parameters": {}, "snapshot_epochs": (), "teacher": {}, "new_head": {}}
    return student.replace(**(plain | fields))


def labels_of(student: Experiment, logits: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """A student's labels from its teacher's logits (N, K): distributions (N, K), and the temperature.

    labels: (N,) int64, of these images.
    """
    kind = str(student.teacher.get("labels", "each"))
    if "temperature" in student.teacher:
        temperature = float(student.teacher["temperature"])  # pyright: ignore[reportArgumentType]
    else:
        alpha = float(student.teacher["alpha"])  # pyright: ignore[reportArgumentType]
        temperature = as_soft_as(entropy_of_smoothing(alpha, logits.shape[1]), logits, labels, kind)
    targets = softened(logits, labels, temperature, kind)
    if kind == "shuffled":
        targets = targets[order_within(labels, stream(student.seed, "teacher"))]
    return targets.float(), temperature


def softened(logits: Tensor, labels: Tensor, temperature: float, kind: str = "each") -> Tensor:
    """softmax(z / T) in float64, (N, K); with `class_mean` the mean over all images of the same label.

    logits: (N, K).  labels: (N,) int64.
    """
    probs = (logits.double() / temperature).softmax(1)
    if kind != "class_mean":
        return probs
    sums = torch.zeros(logits.shape[1], logits.shape[1], dtype=torch.float64).index_add(0, labels, probs)
    counts = labels.bincount(minlength=logits.shape[1]).clamp(min=1)
    return (sums / counts[:, None])[labels]


def as_soft_as(entropy: float, logits: Tensor, labels: Tensor, kind: str = "each") -> float:
    """The temperature at which `softened` labels have this mean entropy, in nats; by bisection.

    Raises SoftlabError if no temperature does.
    """
    coldest = -HOTTEST
    hottest = HOTTEST
    ends = [mean_entropy(softened(logits, labels, math.exp(end), kind)) for end in (coldest, hottest)]
    if not ends[0] < entropy < ends[1]:
        raise SoftlabError(
            f"no temperature gives a mean entropy of {entropy:.3f}: {ends[0]:.3f} to {ends[1]:.3f} can be had"
        )
    for _ in range(60):
        middle = (coldest + hottest) / 2
        if mean_entropy(softened(logits, labels, math.exp(middle), kind)) < entropy:
            coldest = middle
        else:
            hottest = middle
    return math.exp((coldest + hottest) / 2)


def mean_entropy(probs: Tensor) -> float:
    """Mean over rows of -Σ p log p, in nats. probs: (N, K)."""
    return float(-torch.special.xlogy(probs, probs).sum(1).mean())


def entropy_of_smoothing(alpha: float, classes: int) -> float:
    """The entropy of a smoothed label, in nats: 1 - alpha + alpha/K on one class, alpha/K on each of the others."""
    rest = alpha / classes
    true = 1 - alpha + rest
    return -true * math.log(true) - (classes - 1) * rest * math.log(rest)


def order_within(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Indices (N,) with labels[indices] == labels: they shuffle the images within each class."""
    places = torch.arange(len(labels))
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        places[members] = members[torch.randperm(len(members), generator=generator)]
    return places
