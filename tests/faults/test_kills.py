"""Real faults: processes that are killed without warning, and several that want the same run."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from filelock import FileLock

from softlab.training import loop, runs

# The command `softlab`, with a checkpoint after every epoch and a line when an epoch ends.
TRAIN = """
import sys
from softbook import cli
from softlab.training import runs
runs.CHECKPOINT_SECONDS = 0
real = runs.fit_or_load
def telling(experiment, on_epoch, **options):
    def tell(state):
        on_epoch(state)
        print("epoch", state.epoch, flush=True)
    return real(experiment, on_epoch=tell, **options)
runs.fit_or_load = telling
cli.main(sys.argv[1:])
"""
ARGUMENTS = ["train", "--profile", "smoke", "--method", "cutmix", "--seed", "0", "--set", "epochs=16"]
WIDE = ["--set", "width=16", "--set", "snapshot_epochs=[0, 8, 16]"]


def start(store):
    environment = os.environ | {"SOFTLAB_STORE": str(store), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRAIN, *ARGUMENTS, *WIDE]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def bits(store):
    (run,) = runs.stored(store)
    return {path.name: path.read_bytes() for path in run.folder.glob("*.safetensors")}


@pytest.mark.slow
@pytest.mark.sampled
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    whole = start(tmp_path / "whole")
    assert "trained cutmix-seed0" in whole.communicate(timeout=120)[0]
    expected = bits(tmp_path / "whole")
    chance = random.Random(0)
    kills = 0
    for _ in range(5):
        process = start(tmp_path / "killed")
        for _ in range(chance.randint(1, 3)):  # into some epoch, then to a random moment in it
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert kills >= 3
    last = start(tmp_path / "killed")
    said = last.communicate(timeout=120)[0]
    assert last.returncode == 0, said
    assert bits(tmp_path / "killed") == expected
    assert not list((tmp_path / "killed" / ".partial").iterdir())


def test_nobody_trains_what_somebody_else_is_training(tiny, tmp_path, monkeypatch):
    name = runs.identify(loop.resolve(tiny, "cpu"), runs.dataset_of(tiny))
    (tmp_path / "store" / ".locks").mkdir(parents=True)
    begun = threading.Event()
    real = loop.epochs
    monkeypatch.setattr(loop, "epochs", lambda *given: begun.set() or real(*given))
    waiting = threading.Thread(target=runs.fit_or_load, args=(tiny,), daemon=True)
    with FileLock(tmp_path / "store" / ".locks" / f"{name}.lock"):
        waiting.start()
        early = begun.wait(2)
    waiting.join(60)
    assert not early  # asked after the end of the thread: an interpreter that ends before its threads aborts
    assert (tmp_path / "store" / name).is_dir()


@pytest.mark.slow
@pytest.mark.sampled
def test_eight_processes_that_want_the_same_runs_train_each_once(tmp_path):
    processes = [start(tmp_path / "store") for _ in range(8)]
    said = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, said
    assert sum("epoch 16" in one for one in said) == 1
    assert len(list(runs.stored(tmp_path / "store"))) == 1


@pytest.mark.slow
@pytest.mark.sampled
def test_ctrl_c_says_that_one_can_go_on(tmp_path):
    process = start(tmp_path / "store")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "the same command goes on from here" in said
