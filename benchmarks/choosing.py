"""Choosing a dose, and the epoch to stop at, without an attack: python benchmarks/choosing.py [SEEDS] [PROFILE]

For each seed the networks of study `dose` (label smoothing, nine strengths) and the snapshots of plain training are
candidates. One is chosen by what the estimate of one gradient says of the `fit` images, one by what the ladder of
attacks leaves of them, one by likelihood at its temperature. What the ladder leaves of the *test* images says how many
points each choice is below the best of the candidates; what choosing costs is timed on the same network, in turns.
"""

import functools
import sys
from collections.abc import Callable

import numpy as np
import torch
from common import report, side_by_side
from torch import Tensor, nn

from softbook.studies.catalogue import study_profile
from softlab.batches import as_pixels
from softlab.lenses import attacks, calibration, steepness
from softlab.numbers.stored import samples_of
from softlab.profile import Profile, load_profile
from softlab.representation import extract
from softlab.training import runs

RADIUS = 4 / 255
Part = tuple[Tensor, Tensor]  # images, labels


def estimated(model: nn.Module, part: Part) -> float:
    """Accuracy under attack, as one gradient says."""
    images, labels = part
    seen = extract(model, images, labels)
    gradient = steepness.margin_gradient(model, images)
    radius = steepness.first_order_radius(steepness.margin(seen.logits), gradient, images)
    return steepness.estimate(radius, seen.correct, RADIUS)


def attacked(model: nn.Module, part: Part, steps: int) -> float:
    """Accuracy under the ladder of attacks."""
    images, labels = part
    ladder = attacks.usual_ladder(steps)
    survived = attacks.robustness_curve(model, as_pixels(images), labels, [RADIUS], ladder)
    return float(survived[-1, 0].float().mean())


def likelihood(model: nn.Module, part: Part) -> float:
    """Minus the NLL at the best temperature of these images."""
    seen = extract(model, *part)
    temperature = calibration.fit_temperature(seen.logits, seen.labels)
    return -float(nn.functional.cross_entropy(seen.logits / temperature, seen.labels))


def candidates(settings: Profile, seed: int) -> dict[str, list[nn.Module]]:
    """Networks to choose among, for each question."""
    doses = [one for one in study_profile(settings, "dose").experiments() if one.seed == seed]
    (plain,) = [one for one in settings.experiments() if (one.method, one.seed) == ("baseline", seed)]
    run = runs.fit_or_load(plain)
    epochs = [epoch for epoch in plain.snapshot_epochs if epoch > 0]
    return {
        "strength of label smoothing": [runs.fit_or_load(one).model for one in doses],
        "epoch of plain training": [run.snapshot(epoch) for epoch in epochs],
    }


def below_the_best(models: list[nn.Module], by: Callable[[nn.Module], float], test: list[float]) -> float:
    """How many points of test accuracy under attack the choice by a criterion is below the best candidate's."""
    chosen = int(np.argmax([by(model) for model in models]))
    return 100 * (max(test) - test[chosen])


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    settings = load_profile(sys.argv[2] if len(sys.argv) > 2 else "quick-fp32", seeds=seeds)
    samples = samples_of(settings.experiment, settings.evaluation)
    fit: Part = (samples.fit[0][: samples.attacked], samples.fit[1][: samples.attacked])
    test: Part = (samples.test[0][: samples.attacked], samples.test[1][: samples.attacked])
    ways: dict[str, Callable[[nn.Module], float]] = {
        "the estimate": functools.partial(estimated, part=fit),
        "the ladder of attacks": functools.partial(attacked, part=fit, steps=samples.steps),
        "likelihood": functools.partial(likelihood, part=fit),
    }
    lost: dict[str, dict[str, list[float]]] = {}
    for seed in settings.seeds:
        for question, models in candidates(settings, seed).items():
            left = [attacked(one, test, samples.steps) for one in models]
            for way, by in ways.items():
                lost.setdefault(question, {}).setdefault(way, []).append(below_the_best(models, by, left))
    timed = runs.fit_or_load(settings.experiments()[0]).model
    contestants = {way: functools.partial(by, timed) for way, by in ways.items()}
    setting = f"{settings.description}; {len(fit[1])} images to choose by, {len(test[1])} to judge by, {seeds} seeds"
    notes = {}
    for question, of in lost.items():
        means = {way: round(float(np.mean(points)), 1) for way, points in of.items()}
        notes[f"points below the best candidate, {question}"] = means
    report("choosing", "the estimate", side_by_side(contestants, 5), setting, notes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
