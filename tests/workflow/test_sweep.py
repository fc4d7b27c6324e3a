"""Sweeps: their points by hand, the table and the page made from results, and a small one with the real engine."""

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas
import plan
import pytest
import sweep
import sweep_report
from checkout import Checkout

from softbook.page import results
from softlab import SoftlabError, load_profile
from softlab.files import write_json
from softlab.provenance import PACKAGE


@pytest.fixture
def write(tmp_path):
    """write(text) -> the sweep of a file with this text."""

    def load(text, name="mine"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return sweep.load_sweep.__wrapped__(str(path))  # past the cache: files of one name differ here

    return load


def parameters(found):
    return [point.parameters for point in found.points]


# Points


def test_a_grid_has_every_combination_the_last_axis_fastest(write):
    found = write("vary: {overrides.epochs: [1, 2], overrides.width: [4, 8]}")
    expected = [(1, 4), (1, 8), (2, 4), (2, 8)]
    assert parameters(found) == [{"overrides": {"epochs": e, "width": w}} for e, w in expected]
    assert [tuple(point.values.values()) for point in found.points] == expected
    assert found.axes == {"overrides.epochs": [1, 2], "overrides.width": [4, 8]}
    assert found.notebooks == ()
    assert found.studies({"04_cosines": ["core"]}) == ["core"]


def test_zip_goes_along_all_axes_at_once(write):
    found = write("combine: zip\nvary: {overrides.epochs: [1, 2], overrides.width: [4, 8]}")
    assert parameters(found) == [{"overrides": {"epochs": 1, "width": 4}}, {"overrides": {"epochs": 2, "width": 8}}]
    with pytest.raises(
        SoftlabError, match=r"zip takes lists of one length, not overrides.epochs: 2, overrides.width: 1"
    ):
        write("combine: zip\nvary: {overrides.epochs: [1, 2], overrides.width: [4]}", "other")


def test_an_axis_may_set_several_parameters_deep_inside(write):
    found = write(
        "parameters: {seeds: 2, overrides: {methods: {maxsup: {}, mixup: {beta: 1}}}}\n"
        "vary: {α: {sets: [overrides.methods.maxsup.alpha, overrides.dropout], values: [0, 0.2]}}"
    )
    for alpha, point in zip([0, 0.2], found.points, strict=True):
        methods = {"maxsup": {"alpha": alpha}, "mixup": {"beta": 1}}
        assert point.parameters == {"seeds": 2, "overrides": {"methods": methods, "dropout": alpha}}
        assert point.values == {"α": alpha}
        assert point.settings("smoke").experiment.dropout == alpha


def test_an_axis_may_set_something_inside_another_s_value(write):
    found = write("vary: {overrides.methods: [{maxsup: {}}], overrides.methods.maxsup.alpha: [0.1, 0.2]}")
    assert parameters(found) == [{"overrides": {"methods": {"maxsup": {"alpha": alpha}}}} for alpha in (0.1, 0.2)]
    assert found.points[0].values["overrides.methods"] == {"maxsup": {}}


def test_a_point_is_named_by_its_parameters_and_nothing_else(write):
    one = write("parameters: {seeds: 2, overrides: {width: 4}}\nvary: {overrides.epochs: [1, 3]}", "one")
    other = write(
        "title: Another\nparameters: {overrides: {width: 4}, seeds: 2}\n"
        "vary: {how long: {sets: [overrides.epochs], values: [3, 1]}}\nshow: [ECE]",
        "other",
    )
    assert [point.name for point in one.points] == [point.name for point in reversed(other.points)]
    content = b'{"overrides": {"epochs": 1, "width": 4}, "seeds": 2}'
    assert one.points[0].name == hashlib.sha256(content).hexdigest()[:12]
    more = write("parameters: {seeds: 2, overrides: {width: 4}}\nvary: {overrides.epochs: [0, 1, 2, 3]}", "more")
    assert {point.name for point in one.points} < {point.name for point in more.points}


def test_a_notebook_of_the_book_can_be_swept_over_its_own_parameters(write):
    for path in sorted((PACKAGE.parent / "notebooks").glob("*.ipynb")):
        own = sweep.parameters_of(path.stem)
        assert {"profile", "seeds", "overrides"} <= set(own), path
        found = write(f"notebooks: [{path.stem}]\nvary: {{{own[-1]}: [1, 2]}}")
        assert [point.parameters[own[-1]] for point in found.points] == [1, 2]
    both = "notebooks: [04_cosines, 01_soft_labels]\nvary: {"
    assert len(write(both + "seeds: [1, 2]}").points) == 2
    with pytest.raises(SoftlabError, match=r"unknown parameter of 04_cosines and 01_soft_labels 'sedes'.*'seeds'"):
        write(both + "sedes: [1, 2]}")
    with pytest.raises(SoftlabError, match="unknown parameter of a setting 'profile'"):
        write("vary: {profile: [quick, smoke]}")


def test_every_sweep_of_the_book_is_sound(capsys):
    for name in sweep.known():
        sweep.check(sweep.load_sweep(name), "smoke")
    assert sweep.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == sweep.known()


def test_make_sweep_without_a_name_lists_them():
    """As make gives it: options first, and no name."""
    command = [sys.executable, "-m", "softlab", "sweep", "--profile", "quick", "--on", "local"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in said.splitlines()] == sweep.known()


# The report

PROVENANCE = {"data_digest": "d" * 64, "commit": "c", "device": "cpu", "machine": "m", "torch": "2", "python": "3"}
PROVENANCE |= {"trained": "2026-01-02T03:04:05Z"}


def collected(found, out, measure):
    """The table and what is said about it, from what a chapter executed at every point of a sweep would have left.

    measure(values of the point, seed): its numbers for seeds 0 and 1 of one method.
    """
    found = dataclasses.replace(found, notebooks=("04_cosines",))
    for point in found.points:
        settings = load_profile("smoke")
        found_here = {seed: measure(point.values, seed) for seed in settings.seeds}
        numbers = {name: {"maxsup": {s: of[name] for s, of in found_here.items()}} for name in found_here[0]}
        place = out / "sweeps" / "mine" / "points" / point.name / "04_cosines.results.json"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SOFTLAB_RESULTS", str(place))
            results.save("04_cosines", settings, numbers=numbers)
    return sweep_report.collect(found, out, "smoke")


def leave_manifests(found, out, store):
    """What training the networks of a sweep would have left; log magnitude: 10 times the epochs, plus the seed."""
    networks = [one for point in found.points for one in plan.networks(point.settings("smoke"), ["core"])]
    for name, some in plan.training_jobs(networks, 2).items():
        rows = []
        for one in some:
            method, seed, epochs = (one["experiment"][key] for key in ("method", "seed", "epochs"))
            row = {"id": f"{method}-seed{seed}-{epochs}", "study": "core", "method": method, "seed": seed}
            rows.append(row | {"values": {"log magnitude": 10.0 * epochs + seed}})
            folder = store / rows[-1]["id"]
            write_json(folder / "provenance.json", PROVENANCE)
        write_json(out / "jobs" / f"{name}.json", some)
        write_json(out / "training" / "sweeps" / f"{name}.json", rows)


def tables(parts):
    return [part for part in parts if isinstance(part, pandas.DataFrame)]


def test_the_table_has_a_row_for_each_number(write, tmp_path):
    found = write("vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [depth]")
    measure = lambda values, seed: {"depth": 10 * values["epochs"] + seed, "hole": np.nan}  # noqa: E731
    table, about = collected(found, tmp_path, measure)
    assert list(table.columns) == ["epochs", "notebook", "method", "seed", "quantity", "value"]
    depth = table[table["quantity"] == "depth"]
    assert depth[["epochs", "seed", "value"]].to_numpy().tolist() == [[1, 0, 10], [1, 1, 11], [2, 0, 20], [2, 1, 21]]
    assert set(table["notebook"] + table["method"]) == {"04_cosinesmaxsup"}
    assert table[table["quantity"] == "hole"]["value"].isna().all()
    assert (about["axes"], about["profile"], about["show"]) == (["epochs"], "smoke", ["depth"])


def test_without_notebooks_the_table_is_made_of_manifests(write, tmp_path):
    text = "parameters: {overrides: {methods: {baseline: {}, maxsup: {}}}}\n"
    found = write(f"{text}vary: {{epochs: {{sets: [overrides.epochs], values: [1, 2]}}}}\nshow: [log magnitude]")
    leave_manifests(found, tmp_path, tmp_path / "store")
    table, about = sweep_report.collect(found, tmp_path, "smoke")
    assert list(table.columns) == ["epochs", "method", "seed", "quantity", "value"]
    rows = table.loc[table["method"] == "baseline", ["epochs", "seed", "value"]]
    assert rows.to_numpy().tolist() == [[1, 0, 10], [1, 1, 11], [2, 0, 20], [2, 1, 21]]
    assert (about["profile"], about["data"], about["date"], about["torch"]) == (
        "smoke",
        "fashion-mini",
        "2026-01-02",
        "2",
    )
    sweep_report.write(tmp_path, table, about)
    assert "# mine" in sweep_report.page(tmp_path)


def test_means_and_changes_by_hand(write, tmp_path):
    """At 1: 1 and 3, at 2: 2 and 6. Differences 1 and 3: 2 ± t(0.975, 1) · √2 / √2 = 2 ± 12.706."""
    found = write("vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [log magnitude]")
    measure = lambda values, seed: {"log magnitude": values["epochs"] * (1 + 2 * seed)}  # noqa: E731
    (means,) = tables(sweep_report.report(*collected(found, tmp_path, measure)))
    assert means["log magnitude"].to_dict() == {("MaxSup", 1): "2.00 ± 12.71", ("MaxSup", 2): "4.00 ± 25.41"}
    measure = lambda values, seed: {"log magnitude": values["epochs"] * 10 + seed, "accuracy": 0.5}  # noqa: E731
    (means,) = tables(sweep_report.report(*collected(found, tmp_path, measure)))
    assert means["log magnitude"].to_dict() == {("MaxSup", 1): "10.50 ± 6.35", ("MaxSup", 2): "20.50 ± 6.35 ↑"}


def test_gains_over_the_baseline_by_hand(write, tmp_path):
    """MaxSup minus baseline: at 1: 1 and 3, at 2: 0 and 0; in percent."""
    found = write("vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [accuracy]")
    measure = lambda values, seed: {"accuracy": (2 - values["epochs"]) * (1 + 2 * seed) / 100}  # noqa: E731
    table, about = collected(found, tmp_path, measure)
    plain = table.assign(method="baseline", value=0.0)
    _, gains = tables(sweep_report.report(pandas.concat([plain, table]), about))
    assert gains["accuracy (points)"].to_dict() == {("MaxSup", 1): "+2.0 ± 12.7", ("MaxSup", 2): "+0.0 ± 0.0"}


@pytest.mark.parametrize(
    ("axis", "shown"),
    [
        ("overrides.model: [resnet8, resnet20]", ["resnet8", "resnet20"]),
        ("overrides.train_size: [100, null]", [100, "null"]),
        ("overrides.methods: [{maxsup: {}}, {mixup: {}}]", ['{"maxsup": {}}', '{"mixup": {}}']),
        ("seeds: [[0, 1], [2, 3]]", ["[0, 1]", "[2, 3]"]),
        ("overrides.compiled: [false, true]", [False, True]),
        ("overrides.epochs: [1], overrides.width: [4, 8]", [1]),
    ],
)
def test_an_axis_may_hold_anything_that_a_parameter_can_be(write, tmp_path, axis, shown):
    found = write(f"vary: {{{axis}}}\nshow: [accuracy]")
    table, about = collected(found, tmp_path, lambda values, seed: {"accuracy": 0.1 + seed})
    assert table[axis.partition(":")[0]].unique().tolist() == shown
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "about.json").write_text(json.dumps(about))
    assert sweep_report.page(tmp_path)  # the same again from the file


def test_one_seed_and_holes_are_shown_without_intervals(write, tmp_path):
    found = write("vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [accuracy]")
    measure = lambda values, seed: {"accuracy": np.nan if values["epochs"] == 1 else 0.3 + seed}  # noqa: E731
    table, about = collected(found, tmp_path, measure)
    (means,) = tables(sweep_report.report(table[table["seed"] == 0], about))
    assert means["accuracy (%)"].to_dict() == {("MaxSup", 2): "30.0"}


def test_what_is_shown_is_a_quantity_of_the_book(write, capsys):
    found = write("vary: {overrides.epochs: [1, 2]}\nnotebooks: [01_soft_labels]\nshow: [accuracy-improves]")
    with pytest.raises(SoftlabError, match=r"unknown quantity to show 'accuracy-improves'; did you mean 'accuracy'"):
        sweep.check(found, "smoke")


# Results files

TINY = """
from softlab.provenance import results_path
path = results_path("tiny")
path.write_text("{}")
"""


@pytest.mark.slow
def test_results_lie_beside_what_papermill_writes(tmp_path, monkeypatch):
    monkeypatch.delenv("SOFTLAB_RESULTS")
    (tmp_path / "some where" / "öut").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    cells = [nbformat.v4.new_code_cell(TINY)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "in" / "tiny.ipynb")
    command = [Path(sys.executable).with_name("papermill"), "../in/tiny.ipynb", "öut/made.ipynb"]
    done = subprocess.run(
        [*command, "--inject-output-path"], cwd=tmp_path / "some where", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "some where" / "öut" / "made.results.json").read_text() == "{}"
    assert not list((tmp_path / "in").glob("*.json"))


def test_files_reach_snakemake_whatever_they_are_called(tmp_path, monkeypatch):
    """It reads its configuration as YAML, which ends text at " #"."""
    from snakemake.cli import parse_config

    folder = tmp_path / "my sweeps #2, of = today"
    folder.mkdir()
    (folder / "small.yaml").write_text("vary: {seeds: [1]}")
    (folder / "mine.yaml").write_text("seeds: 1")
    commands = []
    answered = subprocess.CompletedProcess((), 0)
    monkeypatch.setattr(sweep.subprocess, "run", lambda command, **_: commands.append(command) or answered)
    for profile in ("smoke", str(folder / "mine.yaml")):
        assert sweep.main([str(folder / "small.yaml"), "--profile", profile]) == 0
        given = parse_config([part for part in commands[-1] if part.startswith(("profile=", "sweeps="))])
        assert given == {"profile": [profile], "sweeps": [str(folder / "small.yaml")]}


# With the real engine

SMALL = """
parameters: {seeds: 1, overrides: {methods: {maxsup: {}}, epochs: 1, train_size: 100, snapshot_epochs: []}}
vary: {α: {sets: [overrides.methods.maxsup.alpha], values: [1.0e-05, 0.2]}}
show: [accuracy, ECE]
"""


@pytest.mark.slow
def test_a_small_sweep_with_the_real_engine(tmp_path):
    (tmp_path / "checkout").mkdir()
    checkout = Checkout(tmp_path / "checkout", chapters=1)
    small = tmp_path / "small.yaml"
    folder = checkout.build / "sweeps" / "small"
    small.write_text(SMALL)

    def run(*options):
        command = [sys.executable, "workflow/sweep.py", str(small), "--profile", "smoke", *options]
        given = {"cwd": checkout.folder, "env": checkout.environment, "capture_output": True, "text": True}
        done = subprocess.run(command, **given, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    planned = run("--dry-run")
    assert re.findall(r"(?m)^Job \d+: (.*)$", planned) == ["train 1 networks"] * 2 + ["report on the sweep small"]
    assert not (checkout.folder / "runs").exists()
    assert not list(checkout.build.rglob("*.ipynb"))

    said = run()
    assert said.count("trained maxsup-seed0") == 2
    table = pandas.read_csv(folder / "table.csv")
    assert table["α"].unique().tolist() == [1e-05, 0.2]
    assert table[table["quantity"] == "accuracy"].shape[0] == 2
    assert (folder / "report.html").stat().st_size > 500
    assert not re.search("trained|executed|numbers of", run())

    small.write_text(SMALL.replace("0.2]", "0.2, 0.4]"))
    said = run()
    assert said.count("trained maxsup-seed0") == 1
    assert pandas.read_csv(folder / "table.csv")["α"].unique().tolist() == [1e-05, 0.2, 0.4]
