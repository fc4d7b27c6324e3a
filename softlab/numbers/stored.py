"""Numbers: every quantity of one network, measured once and stored beside it. `of(run) -> Numbers`.

One file for each lens, named by its edition and a digest of what it was measured on: a new lens, or a new version of a
quantity, measures that lens only. Weights are rounded to half precision first, so that a network from the store, from a
zoo and from a record gives the same numbers. A file is written whole or not at all, and can be remade.
"""

import contextlib
import copy
import functools
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from softlab.batches import cpu_threads
from softlab.errors import SoftlabError
from softlab.files import read_arrays, short_digest, write_whole
from softlab.numbers.look import Lens, Numbers, applied, together
from softlab.numbers.quantities import LENSES, Look, Samples
from softlab.provenance import store_folder
from softlab.representation import device_of, refresh_statistics
from softlab.training import zoo
from softlab.training.data import Dataset, outside
from softlab.training.experiment import Experiment
from softlab.training.loop import training_set
from softlab.training.models import Network
from softlab.training.runs import Run, dataset_of


def of(
    run: Run,
    evaluation: Mapping[str, Any],
    epoch: int | None = None,
    lenses: Container[str] | None = None,
) -> Numbers:
    """The numbers of a network: those on file, the others measured now and kept.

    evaluation: of a profile, {test_size, attack_size, attack_steps, test_data}; with attack_size 0 only clean lenses
    are applied, as for a snapshot.  epoch: of a snapshot (0: before training; None: as trained). Before the end of
    training, batch normalisations get fresh statistics: else these would decide what features look like.
    lenses: names of those to apply (None: all).
    """
    paths = _paths(run, evaluation, epoch, lenses)
    known = {name: numbers for name, path in paths.items() if (numbers := _on_file(LENSES[name], path))}
    missing = [name for name in paths if name not in known]
    if missing:
        look = look_at(run, evaluation, epoch)
        with cpu_threads(run.experiment.threads):
            for name in missing:
                known[name] = applied(LENSES[name], look)
                _write(paths[name], known[name])
    return together([known[name] for name in paths])


def _paths(
    run: Run, evaluation: Mapping[str, Any], epoch: int | None, lenses: Container[str] | None
) -> dict[str, Path]:
    """Where the numbers of each lens to be applied lie: {lens: file}."""
    folder = _folder(run, epoch)
    digest = evaluation_digest(dataset_of(run.experiment), evaluation)
    clean_only = epoch is not None or evaluation["attack_size"] == 0
    return {
        lens.name: folder / f"{lens.name}-{lens.edition}-{digest}.npz"
        for lens in LENSES.values()
        if (lenses is None or lens.name in lenses) and (lens.clean or not clean_only)
    }


def _on_file(lens: Lens, path: Path) -> Numbers | None:
    """The numbers of a lens on file; None where there are none, or not all of its quantities."""
    numbers = read(path)
    if numbers is None or numbers.problems or set(lens.quantities) <= set(numbers.values):
        return numbers
    return None


def evaluation_digest(dataset: Dataset, evaluation: Mapping[str, Any]) -> str:
    """A short name for what networks are measured on: these images, as many of them."""
    return short_digest([dataset.digest, dict(evaluation)])


def samples_of(experiment: Experiment, evaluation: Mapping[str, Any]) -> Samples:
    """What a network of this experiment is measured on: test images of its classes, its training images as reference.

    The labels are the true ones, even if the network was trained on noisy ones.
    """
    dataset = dataset_of(experiment)
    size = evaluation["test_size"]
    reference = training_set(experiment.replace(label_noise=0.0), dataset, "cpu")
    images = dataset.test_images
    labels = dataset.test_labels
    if other := evaluation.get("test_data"):
        images, labels = outside(dataset, other)
    parts = (dataset.fit_images, dataset.fit_labels), (images[:size], labels[:size])
    attacked = evaluation["attack_size"]
    steps = evaluation["attack_steps"]
    return Samples(reference, *parts, attacked, steps, _corrupted(dataset.digest, size, other))


REFRESHED = 10_000  # training images that give a snapshot's batch normalisations their statistics
_PARTS = {"values": float, "images": np.asarray, "problems": str}  # of Numbers: how each entry is read


@functools.lru_cache(maxsize=1)
def _corrupted(*test_part: object) -> dict:
    """Where the corrupted images of a test part are kept, so that they are made once for all networks of a study."""
    return {}


def _folder(run: Run, epoch: int | None) -> Path:
    """The run's folder, or one beside the store for a network of a zoo, which we must not write to."""
    own = run.folder.parent not in (zoo.own(), zoo.folder())
    place = run.folder / "numbers" if own else store_folder() / ".numbers" / run.folder.name
    return place if epoch is None else place / f"snapshot-{epoch:05d}"


def look_at(run: Run, evaluation: Mapping[str, Any], epoch: int | None = None) -> Look:
    """What the lenses see of a network, or of a snapshot: weights rounded, and the images that it is measured on."""
    network: Network = copy.deepcopy(run.model) if epoch is None else run.snapshot(epoch)
    if epoch is not None and epoch < run.experiment.epochs:
        give_statistics(network, run.experiment)
    round_weights(network)
    return Look(network, samples_of(run.experiment, evaluation))


def give_statistics(network: nn.Module, experiment: Experiment) -> None:
    """Set batch normalisations to the statistics of an experiment's training images, in place.

    For weights without statistics of their own: before the end of training, or averaged.
    """
    seen, _ = training_set(experiment, dataset_of(experiment), device_of(network))
    refresh_statistics(network, seen[:REFRESHED])


def round_weights(network: nn.Module) -> None:
    """Round weights and buffers to half precision, in place, as they are of all networks that are measured."""
    with torch.no_grad():
        for values in (*network.parameters(), *network.buffers()):
            if values.is_floating_point():
                values.copy_(values.half())


def _write(path: Path, numbers: Numbers) -> None:
    arrays = {f"{part}/{name}": np.asarray(value) for part in _PARTS for name, value in getattr(numbers, part).items()}
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # pyright: ignore[reportArgumentType]


def read(path: Path) -> Numbers | None:
    """Numbers on file; None where there are none, or the file is damaged."""
    parts: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    with contextlib.suppress(SoftlabError, KeyError, TypeError, ValueError):
        for name, content in read_arrays(path).items():
            part, _, what = name.partition("/")
            parts[part][what] = _PARTS[part](content)
        return Numbers(**parts)
    return None
