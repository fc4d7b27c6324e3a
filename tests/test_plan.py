"""What the engine is about to do: jobs and their names, minutes in words, and GPUs handed to one job at a time."""

import hashlib
import importlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from softlab import load_profile

WORKFLOW = Path(__file__).parent.parent / "workflow"


def module(name):
    """A module of the workflow, which is no package."""
    if str(WORKFLOW) not in sys.path:
        sys.path.append(str(WORKFLOW))
    return importlib.import_module(name)


plan, gpus = module("plan"), module("gpus")


def names(profile, per_job=3, study="core", changes=()):
    return [job.name for job in plan.training_jobs(profile, study, per_job, changes)]


def test_a_job_trains_a_few_seeds_of_one_method():
    profile = load_profile("smoke", methods=["baseline", "mixup"], seeds=5)
    jobs = list(plan.training_jobs(profile, "core", 3, ("--set", "seeds=5")))
    assert [(job.experiments[0].method, [one.seed for one in job.experiments]) for job in jobs] == [
        ("baseline", [0, 1, 2]),
        ("baseline", [3, 4]),
        ("mixup", [0, 1, 2]),
        ("mixup", [3, 4]),
    ]
    last = ("--study", "core", "--method", "mixup", "--seed", "3", "4", "--set", "seeds=5")
    assert jobs[-1].arguments == last
    assert [job.name.rpartition("-")[0] for job in jobs] == ["baseline-0", "baseline-3", "mixup-0", "mixup-3"]


def test_jobs_have_the_same_name_if_and_only_if_they_train_the_same_networks():
    profile = load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=2)
    (name,) = names(profile)
    same = [
        names(profile, changes=("--set", "seeds=2")),
        names(load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, evaluation={"test_size": 7})),
        names(load_profile("smoke", methods={"maxsup": {}, "label_smoothing": {"alpha": 0.1}}))[1:],
    ]
    assert same == [[name]] * 3
    others = [
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=1),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.2}}, seeds=2),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=2, epochs=1),
        load_profile("smoke", methods={"maxsup": {"alpha": 0.1}}, seeds=2),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=[1, 2]),
    ]
    assert len({name, *(names(other)[0] for other in others)}) == 6


def test_a_digest_is_that_of_sorted_json():
    assert plan.digest({"b": 1, "a": [2]}) == hashlib.sha256(b'{"a": [2], "b": 1}').hexdigest()[:10]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_plain_values_come_back_from_yaml_as_they_were(content):
    back = yaml.safe_load(plan.as_yaml(content))
    assert back == content
    assert type(back) is type(content)


def test_small_numbers_stay_numbers():
    assert plan.as_yaml({"alpha": 1e-05}) == "{alpha: 1.0e-05}"
    assert yaml.safe_load(json.dumps(1e-05)) == "1e-05"  # why it is not JSON


# Estimates


def leave_run(store, name, seconds, epochs=10, **fields):
    folder = store / f"{name}-seed0-000000000000"
    folder.mkdir(parents=True)
    alike = {"data": "fashion-mini", "model": "resnet8", "width": 8, "stem_stride": 2, "train_size": 500}
    (folder / "experiment.json").write_text(json.dumps(alike | {"epochs": epochs} | fields))
    (folder / "provenance.json").write_text(json.dumps({"wall_seconds": seconds}))


def test_run_times_are_medians_over_networks_that_are_alike(tmp_path):
    for position, seconds in enumerate([10, 20, 60]):
        leave_run(tmp_path / "store", f"a{position}", seconds)
    leave_run(tmp_path / "store", "wide", 50, epochs=5, width=16)
    (tmp_path / "store" / "torn-seed0-000000000000").mkdir()
    assert plan.run_times() == {
        ("fashion-mini", "resnet8", 8, 2, 500): 2.0,
        ("fashion-mini", "resnet8", 16, 2, 500): 10.0,
    }


def test_a_job_takes_as_long_as_networks_like_it_did_else_as_its_profile_says():
    profile = load_profile("smoke", seeds=3, methods=["mixup"], epochs=4)
    known = {("fashion-mini", "resnet8", 8, 2, 500): 2.0}
    assert plan.training_seconds(profile.experiments(), known, profile) == 3 * 4 * 2.0
    assert plan.training_seconds(profile.experiments(), {}, profile) is None  # smoke has no time of its own
    quick = load_profile("quick")
    cost, epochs = quick.seconds_per_network["cpu"], quick.experiment.epochs
    (one, *_) = quick.experiments()
    assert plan.training_seconds([one], {}, quick) == pytest.approx(cost)
    twice = one.replace(train_size=2 * quick.experiment.train_size)
    assert plan.training_seconds([twice, one.replace(epochs=1, snapshot_epochs=())], {}, quick) == pytest.approx(
        2 * cost + cost / epochs
    )


@pytest.mark.parametrize(
    ("estimates", "parallel", "words"),
    [
        ([60, 60], 1, ", at most 2.0 min"),
        ([60, 60], 2, ", at most 1.0 min"),
        ([60, None, None], 1, ", at most 1.0 min, 2 of them never timed before"),
        ([None], 1, ", 1 of them never timed before"),
        ([], 1, ""),
    ],
)
def test_time_left_in_words(estimates, parallel, words):
    assert plan.time_left(estimates, parallel) == words


def test_the_engine_says_what_is_left_after_each_job(tmp_path, capsys):
    first, second = tmp_path / "first.json", tmp_path / "01_soft_labels.ipynb"
    plan.begin(tmp_path, {str(first): 60, str(second): None}, 1)
    assert "1.0 min, 1 of them never timed" in capsys.readouterr().out
    first.touch()
    plan.done(tmp_path, str(first))
    assert "1 of 2 jobs" in capsys.readouterr().out
    (tmp_path / "sweeps" / "a" / "points" / "b").mkdir(parents=True)  # one like it has been executed meanwhile
    (tmp_path / "sweeps" / "a" / "points" / "b" / "01_soft_labels.json").write_text('{"seconds": 90}')
    plan.done(tmp_path, str(first))
    assert "1.5 min" in capsys.readouterr().out
    plan.done(tmp_path, str(second))
    assert "2 of 2 jobs" in capsys.readouterr().out


def test_what_was_made_before_the_plan_does_not_count_as_done(tmp_path, capsys):
    old, other = tmp_path / "old.json", tmp_path / "other.json"
    old.touch()
    os.utime(old, (time.time() - 100, time.time() - 100))
    plan.begin(tmp_path, {str(old): 60, str(other): 30}, 2)
    plan.done(tmp_path, str(other))
    said = capsys.readouterr().out.splitlines()[-1]
    assert "1 of 2 jobs" in said
    assert "0.5 min" in said


def test_a_dry_run_lists_jobs_and_leaves_nothing(tmp_path, capsys):
    plan.begin(tmp_path, {"a.json": 90, "b.ipynb": None}, 1, dry_run=True)
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said[:2]] == [["1.5", "min", "a.json"], ["not", "known", "b.ipynb"]]
    assert not list(tmp_path.iterdir())


# GPUs


@pytest.mark.parametrize(
    ("given", "seen"),
    [("0,1", ["0", "1"]), (" 2 , 5 ", ["2", "5"]), ("", []), ("-1", []), ("GPU-1a2b", ["GPU-1a2b"])],
)
def test_the_gpus_that_a_process_was_given(monkeypatch, given, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert gpus.visible() == seen


@pytest.fixture
def fake_driver(tmp_path, monkeypatch):
    """A machine with two GPUs, as nvidia-smi tells."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.write_text(
        '#!/bin/sh\ntest "$1" = -L && echo "GPU 0: H (UUID: a)" && echo "  MIG" && echo "GPU 1: H (UUID: b)"\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the places' locks are
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_without_a_driver_there_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus.visible() == []


# Starts, waits until `together` jobs have started, and says from when to when it had its GPU.
JOB = """
import os, pathlib, sys, time
folder, together = pathlib.Path(sys.argv[1]), int(sys.argv[2])
started = time.time()
(folder / str(os.getpid())).touch()
while len(list(folder.iterdir())) < together:
    time.sleep(0.01)
time.sleep(0.1)
print(os.environ["CUDA_VISIBLE_DEVICES"], started, time.time())
"""


@pytest.mark.parametrize("per_gpu", [1, 2])
def test_four_jobs_on_two_gpus_share_none_but_where_they_may(fake_driver, tmp_path, per_gpu):
    (tmp_path / "started").mkdir()
    assert gpus.visible() == ["0", "1"]
    job = [sys.executable, "-c", JOB, tmp_path / "started", str(2 * per_gpu)]
    command = [sys.executable, WORKFLOW / "gpus.py", str(per_gpu), *job]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    times = [process.communicate(timeout=60)[0].split() for process in processes]
    assert Counter(gpu for gpu, *_ in times) == (
        {"0": 2, "1": 2} if per_gpu == 2 else Counter(gpu for gpu, *_ in times)
    )
    for gpu in ("0", "1"):
        held = sorted((float(start), float(end)) for place, start, end in times if place == gpu)
        assert held
        for (_, end), (start, _) in itertools.pairwise(held):
            assert (start >= end) == (per_gpu == 1)


def test_a_job_s_failure_is_the_engine_s_and_frees_the_gpu(fake_driver):
    command = [sys.executable, WORKFLOW / "gpus.py", "1", sys.executable, "-c"]
    assert subprocess.run([*command, "raise SystemExit(3)"]).returncode == 3
    assert subprocess.run([*command, ""], timeout=60).returncode == 0
