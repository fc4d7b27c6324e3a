"""On a machine with a GPU everything is sent where it is needed: tried on one that is only pretended (pretended.py)."""

import contextlib
import copy
import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pretended
import pytest
import torch

from softbook.studies import recording
from softbook.studies.asked import Subject
from softlab import fit_or_load, regularizers
from softlab.lenses import calibration, selective
from softlab.numbers import stored
from softlab.numbers.look import Look, applied, together
from softlab.numbers.quantities import LENSES
from softlab.training import data, loop

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EVALUATION = {"test_size": 200, "attack_size": 30, "attack_steps": 2}


@pytest.fixture
def gpu(monkeypatch):
    with pretended.gpu(monkeypatch):
        yield


def test_what_lies_on_the_cpu_is_refused_where_a_gpu_would_refuse_it(gpu):
    here = torch.ones(3)
    there = torch.ones(3, device="cuda")
    found = (there, there + 1, there.cpu(), here.to(there.device))
    assert [one.device.type for one in found] == ["cuda", "cuda", "cpu", "cuda"]
    assert (there * torch.tensor(2.0)).sum() == 6
    assert there[torch.tensor([0, 1])].is_cuda
    for mix in (lambda: here + there, lambda: here[there.long()], lambda: torch.cat([here, there]), there.numpy):
        with pytest.raises((RuntimeError, TypeError), match=r"cuda:0"):
            mix()


@pytest.mark.parametrize("method", sorted(regularizers.REGISTRY))
def test_every_method_trains_there_as_on_the_cpu(method, tiny, monkeypatch):
    changes = {"augmentation": "flip_shift", "dropout": 0.2, "precision": "fp32"}
    experiment = tiny.replace(method=method, **changes)
    dataset = data.load("fashion-mini")
    *_, here = loop.epochs(experiment, dataset)
    with pretended.gpu(monkeypatch):
        *_, there = loop.epochs(experiment, dataset, "cuda")
        assert {one.device.type for one in there.model.parameters()} == {"cuda"}
    assert there.history["loss"] == pytest.approx(here.history["loss"], rel=1e-4)  # but for rounding


def test_every_quantity_is_measured_there_as_on_the_cpu(tiny, monkeypatch):
    run = fit_or_load(tiny)
    found = []
    for place in (contextlib.nullcontext(), pretended.gpu(monkeypatch)):
        with place:
            model = copy.deepcopy(run.model).to(loop.choose_device())
            look = Look(model, stored.samples_of(tiny, EVALUATION))
            found.append(together([applied(lens, look) for lens in LENSES.values()]))
            assert next(model.parameters()).is_cuda == (len(found) == 2)
    assert not found[1].problems
    assert found[1].values == pytest.approx(found[0].values, rel=1e-4, nan_ok=True)


def test_a_network_that_is_trained_there_is_stored_and_measured(tiny, gpu):
    run = fit_or_load(tiny.replace(method="mixup"))
    assert next(run.model.parameters()).is_cuda
    assert run.provenance["device"] == "pretended"
    assert not stored.of(run, EVALUATION).problems


def test_a_shape_is_held_there_and_a_body_gets_a_new_head(tiny, gpu):
    targets = {"visible_cosine": [0.2, 0.5], "read_share": 0.5, "log_length": 1.0}
    held = tiny.replace(method="held", method_parameters=targets, weight_decay_head=0.01)
    for head in ({"alpha": 0.1}, {"alpha": 0, "images": "fit"}, {"log_length": 1.0}):
        run = fit_or_load(held.replace(new_head=head))
        assert next(run.model.parameters()).is_cuda
    assert (
        fit_or_load(tiny.replace(method="held", method_parameters={"running": 0.9})).provenance["device"] == "pretended"
    )
    assert not stored.of(run, EVALUATION, lenses={"on_fit", "calibrated"}).problems
    assert all(math.isfinite(value) for value in asked("deciles", run).values())


def asked(name, run):
    (found,) = recording.MEASURED[name](Subject(run, EVALUATION))
    return found


@pytest.mark.slow
@pytest.mark.sampled
def test_what_a_declared_study_asks_for_is_measured_there(tiny, gpu):
    """A student of a teacher, features on classes never shown, groups and averaged weights."""
    student = fit_or_load(tiny.replace(teacher={"width": 8, "temperature": 2}))
    assert student.provenance["device"] == "pretended"
    half = fit_or_load(tiny.replace(half=1, epochs=3, snapshot_epochs=[0, 1, 2, 3]))
    found = asked("transfer", half)
    assert all(math.isfinite(value) for value in found.values())
    whole = fit_or_load(tiny.replace(epochs=3, snapshot_epochs=[1, 2, 3], method="toward_center"))
    found = asked("averages", whole)
    assert all(math.isfinite(value) for value in found.values())


OF_SAMPLES = [
    *(calibration.reliability, calibration.expected_calibration_error, calibration.adaptive_calibration_error),
    *(calibration.bin_signs, calibration.classwise_calibration_error, calibration.smooth_calibration_error),
    *(calibration.confidence_gap, calibration.brier, calibration.brier_terms),
    lambda probs, labels: calibration.ece_terms(probs, labels, torch.tensor([1, 0, -1])),
    lambda probs, labels: calibration.ece_noise_floor(probs, generator=torch.Generator().manual_seed(0)),
    lambda probs, labels: calibration.reliability(probs, labels).accuracy_interval(),
    lambda probs, labels: calibration.reliability(probs.amax(1), probs.argmax(1) == labels.to(probs.device)),
    lambda probs, labels: calibration.nll(probs.log(), labels),
    lambda probs, labels: calibration.nll_terms(probs.log(), labels),
    lambda probs, labels: calibration.fit_temperature(probs.log(), labels),
    lambda probs, labels: calibration.fit_scale(probs.log(), labels, torch.tensor([0.1, 0.0])),
    lambda probs, labels: selective.risk_coverage(probs.amax(1), labels),
    lambda probs, labels: selective.aurc(probs.amax(1), labels),
    lambda probs, labels: selective.excess_aurc(probs.amax(1), labels),
]


@pytest.mark.parametrize("measure", OF_SAMPLES)
def test_what_is_computed_of_samples_is_the_same_where_they_lie_there(measure, gpu):
    """Labels may lie elsewhere."""
    probs = torch.tensor([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4]])
    labels = torch.tensor([0, 1, 1, 1])
    given = [(probs, labels), (probs.to("cuda"), labels.to("cuda")), (probs.to("cuda"), labels)]
    here, *there = (plain(measure(*samples)) for samples in given)
    assert there == [here, here]


def plain(found):
    """What a function of samples returned, as numbers."""
    if dataclasses.is_dataclass(found):
        found = tuple(vars(found).values())
    if isinstance(found, tuple):
        return [plain(one) for one in found]
    return str(found.tolist()) if isinstance(found, torch.Tensor) else found


START = """
import sys
sys.path.insert(0, {tests!r})
import pretended, pytest
machine = pretended.gpu(pytest.MonkeyPatch())
machine.__enter__()
"""


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_there(path, tmp_path):
    start = tmp_path / "ipython" / "profile_default" / "startup" / "gpu.py"
    start.parent.mkdir(parents=True)
    start.write_text(START.format(tests=str(ROOT / "tests")))
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-p", "profile", "smoke"]
    command += [path, tmp_path / path.name]
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    devices = {json.loads(one.read_text())["device"] for one in (tmp_path / "store").glob("*/provenance.json")}
    assert devices == {"pretended"} or path.stem == "your_network"  # which trains with a loop of its own
