"""Training jobs and their names, and GPUs handed to one job at a time."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import gpus
import plan
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from softlab import load_profile
from softlab.files import read_parameters, short_digest, write_json

WORKFLOW = Path(__file__).parents[2] / "workflow"


def jobs(profile, at_once=2, per_job=0):
    """Name of each job -> method and seed of its networks."""
    found = plan.training_jobs(plan.networks(profile), "code", at_once, per_job)
    each = {name: [one["experiment"] for one in some] for name, some in found.items()}
    return {name: [(one["method"], one["seed"]) for one in some] for name, some in each.items()}


def test_jobs_take_networks_in_turns_so_that_each_has_its_share_of_every_method():
    profile = load_profile("smoke", methods=["baseline", "mixup"], seeds=3)
    a = "baseline"
    b = "mixup"
    assert list(jobs(profile).values()) == [[(a, 0), (a, 2), (b, 1)], [(a, 1), (b, 0), (b, 2)]]
    assert [len(some) for some in jobs(profile, 4).values()] == [2, 2, 1, 1]
    assert len(jobs(profile, 64)) == 6  # a core for each


def test_on_a_cluster_a_job_trains_so_many_networks():
    profile = load_profile("smoke", methods=["baseline", "mixup"], seeds=3)
    assert [len(some) for some in jobs(profile, per_job=1).values()] == [1] * 6
    assert [some[0] for some in jobs(profile, per_job=4).values()] == [("baseline", 0), ("mixup", 1)]
    assert [name.rpartition("-")[0] for name in jobs(profile, per_job=4)] == ["baseline-0", "mixup-1"]


def test_what_two_ask_for_is_trained_once():
    one = plan.networks(load_profile("smoke", methods=["baseline"], seeds=2))
    other = plan.networks(load_profile("smoke", methods=["baseline"], seeds=3))
    assert sum(map(len, plan.training_jobs(one + other, "code", 2).values())) == 3


def test_jobs_have_the_same_name_if_and_only_if_they_train_and_measure_the_same_networks():
    profile = load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=2)
    assert list(jobs(profile, 1)) == list(jobs(load_profile("smoke", methods=["label_smoothing"]), 1))
    others = [
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=1),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.2}}, seeds=2),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=2, epochs=1),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=2, evaluation={"test_size": 7}),
        load_profile("smoke", methods={"maxsup": {"alpha": 0.1}}, seeds=2),
        load_profile("smoke", methods={"label_smoothing": {"alpha": 0.1}}, seeds=[1, 2]),
    ]
    assert len({name for one in (profile, *others) for name in jobs(one, 1)}) == 7
    networks = plan.networks(profile)
    assert not set(plan.training_jobs(networks, "code", 1)) & set(plan.training_jobs(networks, "other code", 1))


def test_what_training_jobs_left_is_found_by_network(tmp_path):
    networks = plan.networks(load_profile("smoke", methods=["baseline"], seeds=2))
    for name, some in plan.training_jobs(networks, "code", 2).items():
        write_json(tmp_path / "jobs" / f"{name}.json", some)
        write_json(
            tmp_path / "training" / "mine" / f"{name}.json", [{"seed": one["experiment"]["seed"]} for one in some]
        )
    assert [plan.rows(tmp_path, "mine")[short_digest(one)]["seed"] for one in networks] == [0, 1]
    assert plan.rows(tmp_path, "other") == {}


def test_a_digest_is_that_of_sorted_json():
    assert short_digest({"b": 1, "a": [2]}) == hashlib.sha256(b'{"a": [2], "b": 1}').hexdigest()[:12]


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
    for back in (yaml.safe_load(plan.as_yaml(content)), read_parameters(f"x: {plan.as_yaml(content)}")["x"]):
        assert back == content
        assert type(back) is type(content)


@pytest.mark.parametrize("text", ["1e5", "010", "08", "1:30", "no", "true", "2024-01-01", "a #b", "folder:😀"])
def test_text_that_looks_like_something_else_stays_text(text):
    for back in (yaml.safe_load(plan.as_yaml({"x": text})), read_parameters(plan.as_yaml({"x": text}))):
        assert back == {"x": text}


def test_small_numbers_stay_numbers():
    assert plan.as_yaml({"alpha": 1e-05}) == "{alpha: 1.0e-05}"
    assert yaml.safe_load(json.dumps(1e-05)) == "1e-05"  # why it is not JSON


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
