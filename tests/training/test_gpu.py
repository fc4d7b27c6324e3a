"""What only a GPU can show; without one these are skipped."""

import copy
import subprocess
import sys
import warnings

import pytest
import torch

from softlab import Experiment, SoftlabError, fit_or_load
from softlab.numbers import stored
from softlab.numbers.look import Look, applied, together
from softlab.numbers.quantities import LENSES
from softlab.training import data, loop

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
# One step an epoch, so that the history has the loss of every step; a rate at which rounding does not grow: at ten
# times as much, two runs on one CPU whose weights differ by 1e-7 are 1e-3 apart after three steps.
STEPS = 20
GENTLE = Experiment(train_size=100, batch_size=100, epochs=STEPS, stem_stride=2, learning_rate=0.003, precision="fp32")


PAIRS = [("resnet8", "baseline"), ("resnet8", "cutmix"), ("resnet8", "maxsup"), ("vit_s", "baseline")]


def losses(experiment, device, nudge=0.0):
    torch.set_num_threads(1)
    run = loop.epochs(experiment, data.load("fashion-mini"), device)
    state = next(run)
    with torch.no_grad():
        for parameter in state.model.parameters():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
            parameter.mul_(1 + nudge * noise.to(parameter.device))
    *_, state = run
    return torch.tensor(state.history["loss"])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "method"), PAIRS)
def test_small_differences_stay_small_at_the_rate_of_this_comparison(method, model):
    experiment = GENTLE.replace(method=method, model=model, width=16, stem_stride=1)
    apart = losses(experiment, "cpu") - losses(experiment, "cpu", nudge=1e-6)
    assert apart.abs().max() < 5e-4


@gpu
@pytest.mark.parametrize("augmentation", ["none", "flip_shift"])
@pytest.mark.parametrize(("model", "method"), PAIRS)
def test_gpu_and_cpu_agree_for_twenty_steps(method, model, augmentation):
    experiment = GENTLE.replace(method=method, model=model, width=16, stem_stride=1, augmentation=augmentation)
    apart = losses(experiment, "cpu") - losses(experiment, loop.choose_device("cuda"))
    assert apart.abs().max() < 1e-3


@gpu
def test_the_same_weights_have_the_same_numbers_there():
    run = fit_or_load(GENTLE.replace(width=16, train_size=500, epochs=10, learning_rate=0.05))
    samples = stored.samples_of(run.experiment, {"test_size": 500, "attack_size": 100, "attack_steps": 10})
    looks = [Look(copy.deepcopy(run.model).to(device), samples) for device in ("cpu", "cuda")]
    here, there = (together([applied(lens, look) for lens in LENSES.values()]).values for look in looks)
    for name, value in here.items():  # an attacked or a corrupted image may fall on the other side
        slack = 0.02 if name.startswith(("robust", "corrupted", "inward")) else 1e-3
        assert there[name] == pytest.approx(value, rel=1e-3, abs=slack, nan_ok=True), name


@gpu
@pytest.mark.parametrize("method", ["baseline", "mixup", "cutmix", "maxsup", "steady"])
def test_nothing_waits_for_the_gpu_inside_an_epoch(method):
    experiment = GENTLE.replace(method=method, train_size=1000, epochs=3, augmentation="flip_shift", dropout=0.1)
    run = loop.epochs(experiment, data.load("fashion-mini"), "cuda")
    next(run), next(run)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            next(run)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(waits) < 10  # fewer than there are steps: the epoch's order, and its means


@gpu
def test_a_batch_that_does_not_fit_is_one_line_with_the_size_to_try():
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        wide = GENTLE.replace(width=64, train_size=6000, batch_size=6000, stem_stride=1)
        with pytest.raises(SoftlabError, match=r"batch_size=6000 does not fit .*: try batch_size=3000"):
            list(loop.epochs(wide, data.load("fashion-mini"), "cuda"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_asking_for_a_gpu_that_is_not_there_is_one_line_and_exit_code_2():
    command = [sys.executable, "-m", "softlab", "train", "--profile", "smoke", "--device", "cuda"]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 2
    assert said.stderr == "softlab: device 'cuda' is not on this machine (here: cpu)\n"
