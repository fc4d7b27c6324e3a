"""Runs: train once, load forever. `fit_or_load(experiment) -> Run`, shared by processes and safe against crashes.

One process trains a run while others that want it wait. How runs lie in the store: softlab.training.store.
"""

import contextlib
import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.backends import cpu
from torch.nn.functional import cross_entropy

from softlab import provenance, regularizers
from softlab.batches import cpu_threads
from softlab.errors import SoftlabError
from softlab.files import check_tensors, file_digest, write_json, write_tensors
from softlab.provenance import store_folder
from softlab.representation import extract
from softlab.training import code_version, heads, loop, models, teachers, zoo
from softlab.training.data import Dataset, load
from softlab.training.experiment import Experiment, run_id
from softlab.training.store import (
    DamagedRun,
    alone,
    finish,
    keep_checkpoint,
    read,
    read_checkpoint,
    run_folders,
    set_aside,
)
from softlab.training.teachers import teacher_of

CHECKPOINT_SECONDS = 10.0  # a kill loses about as much of a run's training


@dataclass(frozen=True)
class Run:
    """A trained network and its record, loaded from the store."""

    id: str
    folder: Path
    experiment: Experiment
    history: Mapping[str, list[float]]  # one number per epoch; its keys: training.HISTORY
    provenance: Mapping[str, Any]

    @functools.cached_property
    def model(self) -> models.Network:
        """The trained network in evaluation mode, on a GPU if there is one."""
        return self._with_weights("weights.safetensors")

    def snapshot(self, epoch: int) -> models.Network:
        """The network as it was after `epoch` epochs (0: before training)."""
        kept = self.experiment.snapshot_epochs
        if self.experiment.new_head:
            body = self.provenance["body"]["id"]
            raise SoftlabError(f"{self.id} has a new head, and no snapshots: those are of {body}")
        if epoch not in kept:
            raise SoftlabError(f"no snapshot of epoch {epoch}; there are: {', '.join(map(str, kept))}")
        if not (self.folder / _snapshot_name(epoch)).exists():
            how = "fit_or_load(experiment, use_zoo=False) trains the network here"
            raise SoftlabError(f"{self.id} is from a zoo, which keeps no snapshots: {how}")
        return self._with_weights(_snapshot_name(epoch))

    def _with_weights(self, name: str) -> models.Network:
        with torch.random.fork_rng(devices=[]):  # its initial weights are overwritten
            model = loop.build_network(self.experiment, **self.provenance["network"])
        model.load_state_dict(safetensors.torch.load_file(self.folder / name))
        return model.to(loop.choose_device()).eval()


def fit_or_load(
    experiment: Experiment,
    *,
    store: str | Path | None = None,
    device: str | torch.device | None = None,
    on_epoch: Callable[[loop.TrainingState], object] | None = None,
    use_zoo: bool = True,
) -> Run:
    """The run of this experiment: from the store if it is there and intact, else trained now and kept.

    device: where to train (None: a GPU if there is one). on_epoch: called with the state after each epoch. use_zoo:
    take a network that is not in the store from the zoo that SOFTLAB_ZOO names.
    Raises SoftlabError if the store cannot be written, the disk is full, or training diverges.
    """
    device = loop.choose_device(device) if not isinstance(device, torch.device) else device
    asked = experiment
    experiment = loop.resolve(experiment, device)
    dataset = dataset_of(experiment)
    store = store_folder(store)
    name = identify(experiment, dataset)
    try:
        if run := _loaded(store / name):
            return run
    except DamagedRun as damage:
        aside = f"it is set aside in {store / '.damaged'} and trained again"
        print(f"{name} is damaged ({damage}): {aside}", file=sys.stderr)
    else:
        if use_zoo and (run := from_zoo(asked, zoo.folder())):  # a damaged one is trained
            return run
    with alone(store, name):
        try:
            if run := _loaded(store / name):  # another process may have trained it meanwhile
                return run
        except DamagedRun:
            set_aside(store / name)
        try:
            _train(experiment, dataset, store, name, device, on_epoch)
        except torch.OutOfMemoryError:  # before the first batch
            raise SoftlabError(f"network or images do not fit into the memory of {device}") from None
        return _loaded(store / name)  # pyright: ignore[reportReturnType] (there is one: it has just been written)


def dataset_of(experiment: Experiment) -> Dataset:
    """The data set that an experiment trains on, with the classes it asks for."""
    dataset = load(experiment.data).first_classes(experiment.class_count)
    return dataset.only(dataset.halves(experiment.seed)[experiment.half - 1]) if experiment.half else dataset


def identify(experiment: Experiment, dataset: Dataset) -> str:
    """The run id of a resolved experiment on these images, with the code that trains now."""
    return name_of(experiment, dataset.digest)


def name_of(experiment: Experiment, data_digest: str) -> str:
    """The run id on images of this digest. Parameters of the method count where they differ from its defaults."""
    method = _method_of(experiment)
    plain = {spec.name: spec.default for spec in dataclasses.fields(method)}
    given = {name: value for name, value in experiment.method_parameters.items() if value != plain[name]}
    return run_id(experiment.replace(method_parameters=given), data_digest, versions(experiment))


def versions(experiment: Experiment) -> dict[str, int | str]:
    """Versions of all code that a network depends on: training, architecture, method (a user's: sha256).

    And that of a new head, and the teacher's, if it has one.
    """
    own = {
        "training": loop.TRAINING,
        "model": models.ARCHITECTURES[experiment.model].version,
        "method": code_version.version_of(_method_of(experiment)),
    }
    if experiment.new_head:
        own["head"] = heads.VERSION
    if not experiment.teacher:
        return own
    return own | {f"teacher's {name}": version for name, version in versions(teacher_of(experiment)).items()}


def _method_of(experiment: Experiment) -> type[regularizers.Regularizer]:
    """The class of its method, parameters checked."""
    return type(regularizers.get(experiment.method, **experiment.method_parameters))


def _in_zoo(experiment: Experiment, place: Path | None) -> Path | None:
    """The folder of this experiment's network in a zoo; None if it has none, or there is no zoo."""
    return None if place is None else zoo.find(identify(zoo.asked(experiment), dataset_of(experiment)), place)


def from_zoo(experiment: Experiment, place: Path | None) -> Run | None:
    """The run of this experiment in a zoo; None if it is not there, or damaged."""
    with contextlib.suppress(DamagedRun):
        animal = _in_zoo(experiment, place)
        if animal and (run := _loaded(animal)):
            return dataclasses.replace(run, experiment=experiment)
    return None


def present(experiment: Experiment, device: torch.device, store: str | Path | None = None) -> Path | None:
    """The folder of this experiment's network in store or zoo; None if there is none (a look at names only)."""
    known = loop.resolve(experiment, device)
    folder = store_folder(store) / identify(known, dataset_of(known))
    return folder if folder.is_dir() else _in_zoo(experiment, zoo.folder())


def stored(store: str | Path | None = None) -> Iterator[Run]:
    """Every whole run of the store, oldest first."""
    for folder in sorted(run_folders(store_folder(store)), key=lambda path: path.stat().st_mtime):
        with contextlib.suppress(DamagedRun, SoftlabError):  # or of a network that is not registered here
            if run := _loaded(folder):
                yield run


def _train(experiment, dataset, store, name, device, on_epoch) -> None:
    """Train in .partial/, with snapshots and checkpoints, then rename into the store."""
    partial = store / ".partial" / name
    started = time.monotonic()
    if experiment.new_head:
        model, history, record = _with_new_head(experiment, dataset, store, device, on_epoch)
    else:
        model, history, record = _trained(experiment, dataset, store, partial, device, on_epoch)
    write_tensors(partial / "weights.safetensors", model.state_dict())
    write_json(partial / "experiment.json", experiment.as_dict())
    write_json(partial / "history.json", history)
    record |= {"network": loop.network_shape(dataset), "versions": versions(experiment)}
    record |= {"data_digest": dataset.digest, "data_source": dataset.source}
    record |= {"trained": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": cpu.get_cpu_capability()}
    record |= {"seconds": round(sum(history["seconds"]), 3), "wall_seconds": round(time.monotonic() - started, 3)}
    write_json(partial / "provenance.json", record | provenance.environment(loop.device_name(device)))
    finish(partial, store / name)


Made = tuple[Any, Mapping[str, list[float]], dict[str, Any]]  # a network, its history, and what else is to be known


def _with_new_head(experiment, dataset, store, device, on_epoch) -> Made:
    """The network of the experiment's body, trained if need be, with another head; the history is the body's."""
    body = fit_or_load(heads.body_of(experiment), store=store, device=device, on_epoch=on_epoch, use_zoo=False)
    images, labels = loop.training_set(experiment, dataset, "cpu")
    with cpu_threads(experiment.threads):
        model = heads.new_head(body.model, dataset, images, labels, experiment.new_head)
    weights = file_digest(body.folder / "weights.safetensors")
    return model, body.history, {"body": {"id": body.id, "weights": weights}}


def _trained(experiment, dataset, store, partial, device, on_epoch) -> Made:
    """Train, and leave snapshots and checkpoints in `partial`."""
    last_kept = time.monotonic()
    chooses = _method_of(experiment).keeps == "best"
    if chooses and not _candidates(experiment):
        raise SoftlabError(f"{experiment.method} chooses among snapshots: snapshot_epochs must have one after training")
    resumed = _resumed(partial, experiment, dataset)
    record: dict[str, Any] = {}
    soft = None
    if experiment.teacher:
        soft, record["teacher"] = _taught(experiment, dataset, store, device)
    for state in loop.epochs(experiment, dataset, device, resumed, soft):
        if state.epoch == 0:  # what cannot be saved is better known now than after training
            check_tensors(state.model.state_dict(), f"the network {experiment.model}")
        if state.epoch in experiment.snapshot_epochs:
            write_tensors(partial / _snapshot_name(state.epoch), state.model.state_dict())
        if on_epoch and state.epoch:
            on_epoch(state)
        if state.epoch < experiment.epochs and time.monotonic() - last_kept >= CHECKPOINT_SECONDS:
            parts = {"weights": state.model.state_dict(), "averages": state.averages}
            keep_checkpoint(partial, state.epoch, state.history, **parts)
            last_kept = time.monotonic()
    if chooses:
        record["kept_epoch"] = _best_snapshot(partial, experiment, dataset, state.model)
        state.model.load_state_dict(safetensors.torch.load_file(partial / _snapshot_name(record["kept_epoch"])))
    return state.model, state.history, record


def _taught(experiment: Experiment, dataset: Dataset, store: Path, device: torch.device) -> tuple[Tensor, dict]:
    """The teacher's labels for the training images, (N, K), and where they come from; trains the teacher if need be."""
    teacher = fit_or_load(teacher_of(experiment), store=store, device=device, use_zoo=False)
    images, labels = loop.training_set(experiment, dataset, "cpu")
    with cpu_threads(experiment.threads):
        logits = extract(teacher.model, images, labels).logits
    soft, temperature = teachers.labels_of(experiment, logits, labels)
    weights = file_digest(teacher.folder / "weights.safetensors")
    return soft, {"id": teacher.id, "weights": weights, "temperature": temperature}


def _best_snapshot(partial: Path, experiment: Experiment, dataset: Dataset, model: models.Network) -> int:
    """The epoch (not 0) of the snapshot with the lowest NLL on the `fit` images; the earlier one of equals."""
    losses = {}
    for epoch in _candidates(experiment):
        model.load_state_dict(safetensors.torch.load_file(partial / _snapshot_name(epoch)))
        fitted = extract(model, dataset.fit_images, dataset.fit_labels)
        losses[epoch] = float(cross_entropy(fitted.logits, fitted.labels))
    return min(losses, key=losses.__getitem__)


def _candidates(experiment: Experiment) -> list[int]:
    """Snapshots (not that before training) among which its method may choose."""
    until = regularizers.get(experiment.method, **experiment.method_parameters).until
    return [epoch for epoch in experiment.snapshot_epochs if 0 < epoch <= until * experiment.epochs]


def _resumed(partial: Path, experiment: Experiment, dataset: Dataset) -> loop.TrainingState | None:
    """The state that a killed process left, or None."""
    if (kept := read_checkpoint(partial, "weights", "averages")) is None:
        return None
    epoch, history, (weights, averages) = kept
    model = loop.build_model(experiment, dataset)
    model.load_state_dict(weights)
    return loop.TrainingState(epoch, model, averages, history)


def _loaded(folder: Path) -> Run | None:
    """A run, verified; None if there is none. Raises DamagedRun if it is not intact."""
    if (parts := read(folder)) is None:
        return None
    experiment, history, record = parts
    try:
        return Run(folder.name, folder, Experiment(**experiment), history, record)
    except TypeError as error:  # fields that this version does not have
        raise DamagedRun(str(error)) from error


def _snapshot_name(epoch: int) -> str:
    return f"snapshot-{epoch:05d}.safetensors"
