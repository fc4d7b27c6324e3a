"""An edition that is killed six times at random moments ends with the same numbers as one that is made in one go."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from checkout import Checkout

PROFILE = """
description: two methods, two seeds
experiment: {train_size: 200, width: 4, stem_stride: 2, epochs: 8}
methods: {baseline: {}, cutmix: {beta: 1.0}}
seeds: 2
first_seed: 100
evaluation: {test_size: 100, attack_size: 20, attack_steps: 2}
studies: [core]
"""


def start(checkout, *arguments):
    command = [sys.executable, "-m", "softlab", "edition", *arguments]
    environment = checkout.environment | {"OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=checkout.folder, env=environment, start_new_session=True, **streams)


def numbers(checkout, name):
    """Everything about its networks that does not depend on when and where they were made."""
    folder = checkout.folder / "editions" / name / "networks"
    records = {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.json")}
    same = ("run", "experiment", "weights", "numbers", "data_digest")
    return {name: {key: record[key] for key in same} for name, record in records.items()}


@pytest.mark.slow
def test_killed_six_times_it_is_the_same_edition(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    checkouts = []
    for folder in (whole, killed):
        folder.mkdir()
        checkouts.append(Checkout(folder, chapters=1))
        (folder / "small.yaml").write_text(PROFILE)
    make = ("make", "small", "--profile", "small.yaml", "--networks-only", "--cores", "2")
    process = start(checkouts[0], *make)
    said = process.communicate(timeout=600)[0]
    assert process.returncode == 0, said
    expected, chance, kills = numbers(checkouts[0], "small"), random.Random(1), 0
    assert len(expected) == 4
    for _ in range(6):
        process = start(checkouts[1], *make)
        time.sleep(chance.uniform(1, 12))
        kills += process.poll() is None
        with contextlib.suppress(ProcessLookupError):  # it was done just before
            os.killpg(process.pid, signal.SIGKILL) if chance.random() < 0.5 else process.kill()
        process.communicate(timeout=60)  # its engine ends with it
    assert kills >= 3
    process = start(checkouts[1], *make)
    said = process.communicate(timeout=600)[0]
    assert process.returncode == 0, said
    assert numbers(checkouts[1], "small") == expected
    checked = start(checkouts[1], "verify", "small", "--network", "core-cutmix-seed101")
    said = checked.communicate(timeout=300)[0]
    assert checked.returncode == 0, said
    assert "weights: the same bits" in said
    readme = (killed / "editions" / "small" / "README.md").read_text()
    assert "networks: 4 of 4" in readme
    assert "**bit-equal**" in readme
    assert not [path for path in (killed / "editions" / "small").rglob("*.*") if str(tmp_path) in path.read_text()]
