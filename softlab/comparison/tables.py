"""Tables of numbers, a row for each network: from the store, or from numbers that are known already.

train(experiments, evaluation)     # the networks that are neither in the store nor known
rows(experiments, evaluation)      # a dictionary for each of them
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from softlab.errors import SoftlabError
from softlab.numbers import stored
from softlab.numbers.quantities import QUANTITIES
from softlab.numbers.stored import Numbers
from softlab.plugins import offered
from softlab.training import loop, runs
from softlab.training.experiment import Experiment


def rows(
    experiments: Sequence[Experiment],
    evaluation: Mapping[str, Any],
    store: str | Path | None = None,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """What is known of each network: method, seed, source ("live": from the store, or "recorded"), and its numbers.

    These are id, torch, device, cpu, every quantity (NaN where its lens could not be applied), images: {outcome: array
    whose last axis goes over images}, and older: quantities that were measured by an older version than today's.
    evaluation: of a profile.  Raises SoftlabError if a network is neither in the store nor known: `train` comes first.
    """
    place = loop.choose_device(device)
    networks = [(experiment, *_known(experiment, evaluation, place, store)) for experiment in experiments]
    unknown = sum(not live and row is None for _, live, row in networks)
    if unknown:
        raise SoftlabError(f"{unknown} of {len(networks)} networks are neither trained nor on record")
    table = []
    for experiment, _, row in networks:
        if row is None:
            run = runs.fit_or_load(experiment, store=store, device=place)
            row = {"source": "live"} | measured(run, stored.of(run, evaluation))
        table.append({"method": experiment.method, "seed": experiment.seed} | row)
    return table


def train(
    experiments: Iterable[Experiment],
    evaluation: Mapping[str, Any],
    store: str | Path | None = None,
    device: str | None = None,
) -> None:
    """Train the networks that are neither in the store nor known, and measure them."""
    from tqdm import tqdm

    place = loop.choose_device(device)
    with tqdm(untrained(experiments, evaluation, place, store), unit="network", leave=False, delay=2) as bar:
        for experiment in bar:
            bar.set_description(f"{experiment.method}, seed {experiment.seed}", refresh=False)
            stored.of(runs.fit_or_load(experiment, store=store, device=place), evaluation)


def untrained(
    experiments: Iterable[Experiment],
    evaluation: Mapping[str, Any],
    device: torch.device,
    store: str | Path | None = None,
) -> list[Experiment]:
    """Experiments that have neither a run in the store nor numbers that are known."""
    return [experiment for experiment in experiments if _known(experiment, evaluation, device, store) == (False, None)]


def _known(
    experiment: Experiment, evaluation: Mapping[str, Any], device: torch.device, store: str | Path | None
) -> tuple[bool, dict[str, Any] | None]:
    """Is the network in the store; if not, what is known of it, or None."""
    if runs.present(experiment, device, store) is not None:
        return True, None
    records = offered("records")
    return False, records.recorded(experiment, evaluation) if records else None


def measured(run: runs.Run, numbers: Numbers) -> dict[str, Any]:
    """A network's columns besides its conditions: where it is from, every quantity, outcomes by image."""
    origin = {"id": run.id} | {name: run.provenance.get(name) for name in ("torch", "device", "cpu")}
    values = {name: numbers.values.get(name, np.nan) for name in QUANTITIES}
    return origin | values | {"jump": jump(run.history["loss"]), "images": numbers.images, "older": ()}


def jump(losses: Sequence[float]) -> float:
    """How far the training loss rose above its lowest so far, at most, in the second half of training; in nats.

    losses: the mean of each epoch. A network whose loss shoots up after it had learnt its images has a large jump:
    whatever is compared with it is compared with a network that learns anew. Below two epochs nothing can rise.
    """
    half = len(losses) // 2
    rises = [loss - min(losses[:epoch]) for epoch, loss in enumerate(losses) if epoch >= max(half, 1)]
    return max([0.0, *rises])
