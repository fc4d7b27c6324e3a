"""Tables of numbers, a row for each network: `rows(experiments, evaluation)`, from numbers on record, or fitted."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from softlab.numbers import stored
from softlab.numbers.quantities import QUANTITIES
from softlab.numbers.stored import Numbers
from softlab.plugins import offered
from softlab.training import loop, runs
from softlab.training.experiment import Experiment


def rows(
    experiments: Iterable[Experiment],
    evaluation: Mapping[str, Any],
    store: str | Path | None = None,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """The numbers of each network: method, seed, source ("recorded", or "live": fitted, unless the store has it).

    Then id, torch, device, cpu, every quantity (NaN where its lens could not be applied), images: {outcome: array
    whose last axis goes over images}, and older: quantities that were measured by an older version than today's.
    evaluation: of a profile.
    """
    place = loop.choose_device(device)
    records = offered("records")
    table = []
    for experiment in tqdm(list(experiments), unit="network", leave=False, delay=2):
        row = records.recorded(experiment, evaluation) if records else None
        if row is None:
            run = runs.fit_or_load(experiment, store=store, device=place)
            row = {"source": "live"} | measured(run, stored.of(run, evaluation))
        table.append({"method": experiment.method, "seed": experiment.seed} | row)
    return table


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
