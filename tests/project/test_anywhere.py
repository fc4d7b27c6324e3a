"""Where people work: paths with spaces and letters of any language, files of Windows, homes that cannot be written."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import disks
import pytest
from checkout import ROOT, copy_of

from softbook import cli as book
from softbook.studies import records
from softbook.studies.tables import read_table
from softlab import Experiment, cli, load_profile, methods_file, provenance, regularizers
from softlab.numbers import stored
from softlab.numbers.quantities import QUANTITIES
from softlab.training import data, runs

PLACE = "a path with späces and 学"
METHOD = '''"""Größer."""
from dataclasses import dataclass

from softlab.regularizers import register
from softlab.regularizers.soft_labels import LabelSmoothing


@register("mine")
@dataclass(frozen=True)
class Mine(LabelSmoothing):
    alpha: float = 0.2
'''
PROFILE = """# größer
description: with ümlauts
experiment: {train_size: 60, epochs: 1, width: 4, stem_stride: 2}
methods: {baseline: {}}
seeds: 1
evaluation: {test_size: 50, attack_size: 5, attack_steps: 1}
"""


@pytest.fixture
def own():
    """What a test registers is gone after it."""
    before = dict(regularizers.REGISTRY)
    yield
    regularizers.REGISTRY.clear()
    regularizers.REGISTRY.update(before)
    sys.modules.pop("softlab_user_methods", None)


def of_windows(text):
    """As Notepad saves it: a byte-order mark, and lines that end in CR LF."""
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def test_a_profile_of_windows_is_the_same_profile(tmp_path):
    (tmp_path / "plain.yaml").write_text(PROFILE, encoding="utf-8")
    (tmp_path / "windows.yaml").write_bytes(of_windows(PROFILE))
    plain, windows = (load_profile(tmp_path / f"{name}.yaml") for name in ("plain", "windows"))
    assert windows.description == plain.description == "with ümlauts"
    assert windows.experiments() == plain.experiments()
    assert windows.evaluation == plain.evaluation


def test_a_file_of_methods_of_windows_gives_the_same_networks(tmp_path, tiny, own):
    found = set()
    for name, content in {"plain": METHOD.encode(), "windows": of_windows(METHOD)}.items():
        (tmp_path / f"{name}.py").write_bytes(content)
        regularizers.REGISTRY.pop("mine", None)
        methods_file.run(tmp_path / f"{name}.py")
        experiment = tiny.replace(method="mine", precision="fp32")
        found.add(runs.identify(experiment, runs.dataset_of(experiment)))
    assert len(found) == 1


def test_a_record_that_git_gave_the_line_ends_of_windows_is_read(tmp_path):
    path = next(records.RECORDS.glob("weight_decay/*.csv"))
    windows = tmp_path / path.name
    windows.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_table(windows, QUANTITIES).equals(read_table(path, QUANTITIES))


def test_everything_may_lie_at_a_path_with_spaces_and_letters_of_any_language(tmp_path, monkeypatch, capsys, own):
    place = tmp_path / PLACE
    place.mkdir()
    (place / "mine.yaml").write_text(PROFILE, encoding="utf-8")
    (place / "my methods.py").write_text(METHOD, encoding="utf-8")
    monkeypatch.setattr(records, "RECORDS", place / "records")
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789")
    records.forget()
    options = ["--profile", str(place / "mine.yaml"), "--store", str(place / "störe")]
    methods = ["--methods-file", str(place / "my methods.py")]
    cli.main(["train", *options, *methods, "--method", "mine"])
    book.main(["record", "core", *options])
    book.main(["verify", "core", *options[:2], "--rows", "1"])
    cli.main(["runs", "--store", str(place / "störe")])
    said = capsys.readouterr().out
    records.forget()
    assert "trained mine-seed0" in said
    assert f"recorded: {place / 'records' / 'core' / 'mine.csv'}" in said
    assert "same bits" in said


def in_another_process(fields, store):
    run = runs.fit_or_load(Experiment(**fields), store=store)
    return run.id, stored.of(run, load_profile("smoke").evaluation | {"attack_size": 0}).values


def test_a_process_that_was_spawned_trains_the_same_bits(tiny, tmp_path):
    """As on macOS and Windows, where no process is a copy of another."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(in_another_process, (tiny.as_dict(), tmp_path / "there"))
    assert there == in_another_process(tiny.as_dict(), tmp_path / "here")


def test_nothing_forks(tiny, tmp_path, monkeypatch):
    for name in ("fork", "forkpty"):
        monkeypatch.delattr(os, name)
    name, _ = in_another_process(tiny.as_dict(), tmp_path)
    assert (tmp_path / name).is_dir()


@pytest.fixture
def home(tmp_path):
    """A home that nobody can write to, not even root."""
    place = tmp_path / "home"
    if disks.mounted(place, "ro"):
        yield place
        disks.unmount(place)
    elif os.geteuid() == 0:
        pytest.skip("this root may not mount")
    else:
        place.chmod(0o500)
        yield place


def at_home(home, **told):
    """An environment in which everything that has no place of its own would go home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOFTLAB_", "XDG_", "MPL"))}
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)} | told


def test_a_home_that_cannot_be_written_is_no_obstacle(home, tmp_path):
    """Nor for a folder of images, which are kept there where they can be."""
    from torchvision.io import write_png

    dataset = data.load("fashion-mini")
    for part in ("train", "test"):
        for number in range(20):
            folder = tmp_path / "images" / part / str(int(dataset.train_labels[number]) % 2)
            folder.mkdir(parents=True, exist_ok=True)
            write_png(dataset.train_images[number], str(folder / f"{number}.png"))
    command = [sys.executable, "-m", "softlab", "train", "--profile", "smoke", "--method", "baseline", "--seed", "0"]
    command += ["--set", f"data=folder:{tmp_path / 'images'}", "--set", "train_size=null", "--set", "epochs=1"]
    told = at_home(home, SOFTLAB_STORE=str(tmp_path / "store"))
    done = subprocess.run(command, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trained baseline-seed0" in done.stdout


@pytest.mark.slow
@pytest.mark.sampled
def test_a_checkout_at_such_a_path_with_such_a_home_makes_its_book(small_book, home, tmp_path):
    place = tmp_path / PLACE
    copy = copy_of(small_book, place)
    copy.environment = at_home(home, PYTHONPATH=str(place), SOFTLAB_STORE=str(place / "runs"))
    for made in ("html/index.html", "notebooks/soft_labels.ipynb"):
        (copy.build / made).unlink()
    code, said = copy.make()
    assert code == 0, said
    assert "executed soft_labels" in said
    assert "trained" not in said
    assert Path(place / "_build" / "html" / "notebooks" / "soft_labels.html").exists()
