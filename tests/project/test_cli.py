"""The command line: quick to start, useful when right, one line and exit code 2 when wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from softbook import cli as book
from softlab import cli


def softlab(*arguments, command=cli):
    """Run a command in this process; returns its exit code."""
    try:
        command.main(list(map(str, arguments)))
    except SystemExit as end:
        return end.code
    return 0


def softbook(*arguments):
    """The same of the book's command."""
    return softlab(*arguments, command=book)


SMALL = ("--profile", "smoke", "--set", "epochs=1", "--set", "train_size=50")
SMALL += ("--set", "evaluation={test_size: 50, attack_size: 5, attack_steps: 1}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "cor"], "did you mean 'core'"),
        (["--method", "mixap"], "did you mean 'mixup'"),
        (["--seed", "-1"], "seed must be a whole number from 0"),
        (["--device", "cuda:99"], "is not on this machine"),
        (["--store", "/dev/null/store"], "cannot write to the store"),
        (["--methods-file", "nowhere.py"], "there is no such Python file"),
        (["--methods-file", "/dev/null"], "there is no such Python file"),
        (["--set", "data=fashion-mnst"], "did you mean 'fashion-mnist'"),
        (["--set", "data=folder:/nowhere"], "/nowhere is not a folder"),
        (["--set", "train_size=10001"], "10001 images were asked for"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(arguments, message, capsys, tmp_path):
    assert softbook("train", "--profile", "smoke", *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list((tmp_path / "store").glob("*-seed*"))


@pytest.mark.parametrize("name", cli.MOVED)
def test_a_command_that_moved_says_where_it_went(name, capsys):
    assert softlab(name, "core") == 2
    said = capsys.readouterr().err
    assert f"softbook {name}" in said
    assert said.count("\n") == 1


def test_train_trains_what_is_missing_and_writes_a_row_for_each(capsys, tmp_path):
    options = (*SMALL, "--method", "mixup", "--seed", 3, 4)
    assert softbook("train", *options, "--manifest", tmp_path / "rows.json") == 0
    assert capsys.readouterr().out.count("trained mixup-seed") == 2
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert sorted(path.name for path in (tmp_path / "store").glob("*-seed*")) == [row["id"] for row in rows]
    assert [(row["study"], row["method"], row["seed"]) for row in rows] == [("core", "mixup", 3), ("core", "mixup", 4)]
    assert all(0 <= row["values"]["accuracy"] <= 1 for row in rows)
    assert softlab("train", *options) == 0
    assert "trained" not in capsys.readouterr().out


def test_who_waited_while_another_trained_does_not_say_that_it_trained(capsys, monkeypatch):
    from softlab.training import runs

    real = runs.alone

    def after_another(store, name):
        monkeypatch.setattr(runs, "alone", real)
        assert softlab("train", *SMALL, "--method", "mixup", "--seed", 3) == 0
        return real(store, name)

    monkeypatch.setattr(runs, "alone", after_another)
    assert softlab("train", *SMALL, "--method", "mixup", "--seed", 3) == 0
    assert capsys.readouterr().out.count("trained mixup-seed3") == 1


def test_a_list_of_networks_is_trained_as_it_stands(capsys, tmp_path):
    from softlab import Experiment

    path = tmp_path / "some.json"
    manifest = tmp_path / "rows.json"
    fields = {"train_size": 50, "width": 4, "stem_stride": 2, "epochs": 1}
    small = {"study": "core", "evaluation": {"test_size": 50, "attack_size": 5, "attack_steps": 1}}
    some = [small | {"experiment": Experiment(**fields, seed=seed).as_dict()} for seed in (7, 3)]
    path.write_text(json.dumps(some))
    assert softbook("train", "--networks", path, "--manifest", manifest) == 0
    assert [row["seed"] for row in json.loads(manifest.read_text())] == [7, 3]
    path.write_text(json.dumps([some[0] | {"experiment": {"widht": 4}}]))
    assert softbook("train", "--networks", path) == 2
    assert capsys.readouterr().err.count("this is no list of networks") == 1


def test_a_methods_file_adds_a_method(tmp_path, capsys, monkeypatch):
    from softlab import regularizers

    monkeypatch.setattr(regularizers.base, "REGISTRY", dict(regularizers.REGISTRY))
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from softlab import regularizers\n"
        "@regularizers.register('mine')\n"
        "@dataclass(frozen=True)\n"
        "class Mine(regularizers.Regularizer):\n"
        "    def loss(self, logits, targets, features, head, progress):\n"
        "        return 2 * regularizers.cross_entropy(logits, targets)\n"
    )
    assert softlab("train", *SMALL, "--methods-file", tmp_path / "mine.py", "--method", "mine", "--seed", 0) == 0
    assert "trained mine-seed0" in capsys.readouterr().out
    (tmp_path / "mine.py").write_text("1 / 0")
    assert softlab("train", *SMALL, "--methods-file", tmp_path / "mine.py") == 2
    assert "mine.py failed: ZeroDivisionError" in capsys.readouterr().err


def test_runs_lists_shows_and_prunes(capsys, tmp_path):
    assert softlab("runs") == 0
    assert "no runs in" in capsys.readouterr().out
    softlab("train", *SMALL, "--method", "baseline", "--seed", 0, 1)
    capsys.readouterr()
    assert softlab("runs") == 0
    assert capsys.readouterr().out.count("fashion-mini resnet8 1 epochs") == 2
    assert softlab("runs", "show", "baseline-seed1") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["experiment"]["seed"], shown["experiment"]["epochs"]) == (1, 1)
    assert softlab("runs", "prune", "baseline-seed0") == 0
    assert len(list((tmp_path / "store").glob("*-seed*"))) == 1
    other = next((tmp_path / "store").glob("*-seed*"))
    (other / "weights.safetensors").write_bytes(b"damaged")
    assert softlab("runs", "prune") == 0
    assert not other.exists()
    softlab("train", *SMALL, "--method", "baseline", "--seed", 1)
    capsys.readouterr()
    assert softlab("runs", "prune", "mixup") == 2
    assert "begins with 'mixup'" in capsys.readouterr().err
    assert softlab("runs", "prune") == 0
    assert len(list((tmp_path / "store").glob("*-seed*"))) == 1


@pytest.mark.parametrize("code", ["import softlab", "import softlab; softlab.load_profile('quick')"])
def test_no_torch_is_loaded_before_it_is_needed(code):
    check = f"{code}; import sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_help_loads_no_torch():
    check = "import sys; from softlab.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass\n"
    check += "assert 'torch' not in sys.modules and 'yaml' not in sys.modules"
    said = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert "--methods-file" in said.stdout


def test_statements_lists_laws_and_papers_at_once_and_says_what_is_on_record(capsys):
    from softbook.statements.laws import laws
    from softbook.statements.papers import papers
    from softbook.studies.catalogue import declared

    assert softbook("statements") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*laws(), *laws("slope"), *papers(), *declared()]
    assert lines[0].endswith(laws()["cones"].law)
    assert softbook("statements", "cones", "rates", "short") == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"One number judges it, .*: [-+]\d.* \(Fashion-MNIST \(mini\), .*; p .*\), \*\*as declared\*\*\.", shown
    )
    assert "  theorem\n" in shown
    assert re.search(r"quick-confirm +label_smoothing +-0\.\d+ ± 0\.\d+ +as it says", shown)
    assert softbook("statements", "split", "estimate", "passes") == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"label smoothing: Δ log m, relative to range: \+0\.\d\d ± 0\.\d\d, declared to be above 0\n", shown
    )
    assert re.search(r"skill on differences to plain training: \+0\.9\d ± 0\.\d\d, .* above 0\.8\n  open \(p = ", shown)
    assert softbook("statements", "cone") == 2
    assert (
        "unknown law, paper's sentence or declared study, or PAGE.ID 'cone'; did you mean 'cones'"
        in capsys.readouterr().err
    )


def test_statements_says_of_a_declared_study_what_it_asks_and_how_far_it_is(capsys):
    assert softbook("statements", "hundred_growing") == 0
    asked, verdict = capsys.readouterr().out.splitlines()
    assert asked.startswith("hundred_growing (declared 2026-11-28, tier 2): With a hundred grey classes, does MaxSup")
    assert verdict == "  A  MaxSup growing less label smoothing  pending  0 of 120 networks are on record"


def test_laws_and_papers_are_listed_without_torch():
    code = "import sys; from softbook import cli; cli.main(['statements']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_statements_shows_a_sentence_of_a_page_and_goes_by_its_former_name(capsys):
    assert softbook("claims", "cones.shorter", "headlines.short-logits") == 0
    number, *rest = capsys.readouterr().out.split("headlines.short-logits: ")
    assert re.match(r"cones.shorter: in the words of its page\n  \+0\.\d\d ± 0\.\d\d; below 0.5: stands\n", number)
    assert "again: softbook verify core --profile quick-fp32" in number
    assert "; all fall: stands" in rest[0]
    assert softbook("statements", "cones.short") == 2
    assert "unknown statement of cones 'short'; did you mean 'shorter'" in capsys.readouterr().err
    assert softbook("statements", "cone.shorter") == 2
    assert "did you mean 'cones'" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["module://nowhere_inline.backend", "nowhere", "TkAgg"])
def test_a_notebooks_backend_does_not_stop_the_command(backend, tmp_path):
    """Whoever types !softlab in a notebook hands its MPLBACKEND on, also to another environment."""
    np.save(tmp_path / "logits.npy", np.random.default_rng(0).normal(size=(80, 4)))
    np.save(tmp_path / "labels.npy", np.arange(80) % 4)
    command = [sys.executable, "-m", "softlab", "examine", "--logits", "logits.npy", "--labels", "labels.npy"]
    package = {"PYTHONPATH": str(Path(cli.__file__).parents[1])}
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | package | {"MPLBACKEND": backend}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "logits.examination.html").stat().st_size > 10_000
