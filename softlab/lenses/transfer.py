"""What frozen features are good for elsewhere: how well they tell apart classes that their network was never shown.

Kornblith et al. 2021 and Zhou et al. 2025 (MaxSup) ask this with a linear probe. Here features are standardised, and
the probe's penalty is chosen on images held out of those that it is trained on, so that no network is favoured by the
length of its features, or by a penalty that suits it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.checks import check_features, check_labels
from softlab.errors import SoftlabError

STRENGTHS = tuple(10.0**power for power in range(1, -8, -1))  # of a probe's penalty, the strongest first
HELD_OUT = 5  # one in so many images chooses the strength
STEPS = 200  # of L-BFGS, at most, for each strength


@dataclass(frozen=True)
class Probe:
    """Accuracy of a probe on test images, in [0, 1]; its strength, and whether that is the first or last one tried."""

    accuracy: float
    strength: float
    at_the_edge: bool


def standardised(features: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Both (N, D) and (M, D), in float64, minus the first's mean and over its standard deviation, column by column.

    Columns that do not vary in the first are left out.
    """
    features = features.double()
    mean = features.mean(0)
    spread = features.std(0, correction=0)
    varied = spread > 1e-9 * spread.max()
    return tuple(((rows.double() - mean) / spread)[:, varied] for rows in (features, others))  # pyright: ignore


def linear_probe(features: Tensor, labels: Tensor, strength: float, start: Tensor | None = None) -> Tensor:
    """Weights (K, D + 1), the bias last, that minimise mean cross-entropy + strength · ‖W‖² (without the bias).

    features: (N, D), standardised, float64.  labels: (N,) of 0 … K - 1.  start: weights to begin with (None: zeros).
    The problem is convex: where L-BFGS begins changes nothing but the time it takes.
    """
    classes = int(labels.max()) + 1
    padded = functional.pad(features, (0, 1), value=1.0)
    weights = torch.zeros(classes, padded.shape[1], dtype=torch.float64) if start is None else start.clone()
    weights.requires_grad_()
    solver = torch.optim.LBFGS([weights], max_iter=STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        solver.zero_grad()
        loss = functional.cross_entropy(padded @ weights.T, labels)
        loss = loss + strength * weights[:, :-1].square().sum()
        loss.backward()
        return loss

    solver.step(objective)
    return weights.detach()


def accuracy_of(weights: Tensor, features: Tensor, labels: Tensor) -> float:
    """Share of features (N, D) that a probe's weights (K, D + 1) classify as labelled (N,)."""
    logits = features @ weights[:, :-1].T + weights[:, -1]
    return float((logits.argmax(1) == labels).double().mean())


def probe(
    features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, generator: torch.Generator
) -> Probe:
    """Train a linear probe on features (N, D) and labels (N,), its strength chosen on a fifth of them; score the test.

    Of strengths with the same accuracy on the fifth the strongest counts. The probe that is scored has seen all N.
    generator: draws the fifth.
    Raises SoftlabError where there are fewer images than it takes, or a feature is not finite.
    """
    check_features(features, test_features, "test features")
    check_labels(labels, features, int(labels.max()) + 1)
    if len(features) < 2 * HELD_OUT:
        raise SoftlabError(f"a probe needs {2 * HELD_OUT} images at least, not {len(features)}")
    order = torch.randperm(len(features), generator=generator)
    held = order[: len(order) // HELD_OUT]
    kept = order[len(order) // HELD_OUT :]
    known, unknown = standardised(features[kept], features[held])
    weights = None
    scores = []
    for strength in STRENGTHS:
        weights = linear_probe(known, labels[kept], strength, weights)
        scores.append(accuracy_of(weights, unknown, labels[held]))
    best = scores.index(max(scores))
    everything, test = standardised(features, test_features)
    weights = linear_probe(everything, labels, STRENGTHS[best])
    return Probe(accuracy_of(weights, test, test_labels), STRENGTHS[best], best in (0, len(STRENGTHS) - 1))


def few_of_each(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices of `count` random images of each class (all, where there are fewer). labels: (N,) int64."""
    order = torch.randperm(len(labels), generator=generator)
    members = [order[labels[order] == label][:count] for label in labels.unique()]
    return torch.cat(members)


def probe_of_few(
    features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, seed: int, count=50, draws=5
) -> Probe:
    """The mean over `draws` of a probe on `count` images of each class; the strength is their geometric mean.

    Arguments as of `probe`.  seed: of the draws.  at_the_edge: in any of them.
    """
    probes = []
    for draw in range(draws):
        generator = torch.Generator().manual_seed(1000 * seed + draw)
        few = few_of_each(labels, count, generator)
        probes.append(probe(features[few], labels[few], test_features, test_labels, generator))
    strength = math.exp(sum(math.log(one.strength) for one in probes) / draws)
    return Probe(sum(one.accuracy for one in probes) / draws, strength, any(one.at_the_edge for one in probes))


def neighbours(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, count: int = 20) -> float:
    """Share of test images whose label is that of most of their `count` nearest features, by cosine.

    Features are standardised. Of classes with as many neighbours the one with the nearest wins.
    """
    known, tested = standardised(features, test_features)
    known = functional.normalize(known, dim=1)
    tested = functional.normalize(tested, dim=1)
    classes = int(labels.max()) + 1
    right = 0
    for start in range(0, len(tested), 500):
        rows = tested[start : start + 500]
        near = (rows @ known.T).topk(min(count, len(known)), dim=1).indices
        votes = functional.one_hot(labels[near], classes).double()
        weight = 0.5 ** torch.arange(2, 2 + votes.shape[1], dtype=torch.float64)  # below ½ together: breaks ties only
        winner = (votes.sum(1) + weight @ votes).argmax(1)
        right += int((winner == test_labels[start : start + 500]).sum())
    return right / len(tested)
