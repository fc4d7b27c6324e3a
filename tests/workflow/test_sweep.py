"""Sweeps: their points by hand, the table and the page made from results, and a small one with the real engine."""

import dataclasses
import hashlib
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

from softbook import cli
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
        return sweep.load_sweep(str(path))

    return load


def points(found):
    return list(found.points.values())


def parameters(found):
    return [point.parameters for point in points(found)]


# Points


def test_a_grid_has_every_combination_the_last_axis_fastest(write):
    found = write("vary: {overrides.epochs: [1, 2], overrides.width: [4, 8]}")
    expected = [(1, 4), (1, 8), (2, 4), (2, 8)]
    assert parameters(found) == [{"overrides": {"epochs": e, "width": w}} for e, w in expected]
    assert [tuple(point.values.values()) for point in points(found)] == expected
    assert found.axes == ["overrides.epochs", "overrides.width"]
    assert found.notebooks == []


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
    for alpha, point in zip([0, 0.2], points(found), strict=True):
        methods = {"maxsup": {"alpha": alpha}, "mixup": {"beta": 1}}
        assert point.parameters == {"seeds": 2, "overrides": {"methods": methods, "dropout": alpha}}
        assert point.values == {"α": alpha}
        assert point.settings("smoke").experiment.dropout == alpha


def test_an_axis_may_set_something_inside_another_s_value(write):
    found = write("vary: {overrides.methods: [{maxsup: {}}], overrides.methods.maxsup.alpha: [0.1, 0.2]}")
    assert parameters(found) == [{"overrides": {"methods": {"maxsup": {"alpha": alpha}}}} for alpha in (0.1, 0.2)]
    assert points(found)[0].values["overrides.methods"] == {"maxsup": {}}


def test_a_point_is_named_by_its_parameters_and_nothing_else(write):
    one = write("parameters: {seeds: 2, overrides: {width: 4}}\nvary: {overrides.epochs: [1, 3]}", "one")
    other = write(
        "title: Another\nparameters: {overrides: {width: 4}, seeds: 2}\n"
        "vary: {how long: {sets: [overrides.epochs], values: [3, 1]}}\nshow: [ECE]",
        "other",
    )
    assert list(one.points) == list(reversed(other.points))
    content = b'{"overrides": {"epochs": 1, "width": 4}, "seeds": 2}'
    assert next(iter(one.points)) == hashlib.sha256(content).hexdigest()[:12]
    more = write("parameters: {seeds: 2, overrides: {width: 4}}\nvary: {overrides.epochs: [0, 1, 2, 3]}", "more")
    assert set(one.points) < set(more.points)


def test_a_notebook_of_the_book_can_be_swept_over_its_own_parameters(write):
    for path in sorted((PACKAGE.parent / "notebooks").glob("*.ipynb")):
        own = sweep.parameters_of(path.stem)
        assert {"profile", "seeds", "overrides"} <= set(own), path
        found = write(f"notebooks: [{path.stem}]\nvary: {{{own[-1]}: [1, 2]}}")
        assert [point.parameters[own[-1]] for point in points(found)] == [1, 2]
    both = "notebooks: [cosines, soft_labels]\nvary: {"
    assert len(write(both + "seeds: [1, 2]}").points) == 2
    with pytest.raises(SoftlabError, match=r"unknown parameter of cosines and soft_labels 'sedes'.*'seeds'"):
        write(both + "sedes: [1, 2]}")
    with pytest.raises(SoftlabError, match="unknown parameter of a setting 'profile'"):
        write("vary: {profile: [quick, smoke]}")


def test_every_sweep_of_the_book_is_sound_and_listed(capsys):
    """As make gives it without a name: options alone."""
    cli.main(["sweep", "--profile", "quick", "--on", "local"])
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(path.stem for path in sweep.SWEEPS.glob("*.yaml"))
    for name in listed:
        sweep.check(sweep.load_sweep(name), "smoke")


# The report

PROVENANCE = {"data_digest": "d" * 64, "commit": "c", "device": "cpu", "machine": "m", "torch": "2", "python": "3"}
PROVENANCE |= {"trained": "2026-01-02T03:04:05Z"}


@pytest.fixture
def tabled(write, tmp_path):
    """tabled(text, measure) -> a sweep, its table and what is said of its origin.

    From what a chapter that is executed at every point would have left. measure(values of the point, seed): its
    numbers for seeds 0 and 1 of one method.
    """

    def collect(text, measure):
        found = dataclasses.replace(write(text), notebooks=["cosines"])
        settings = load_profile("smoke")
        for name, point in found.points.items():
            of_seeds = {seed: measure(point.values, seed) for seed in settings.seeds}
            numbers = {key: {"maxsup": {seed: of[key] for seed, of in of_seeds.items()}} for key in of_seeds[0]}
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SOFTLAB_RESULTS", str(tmp_path / "points" / name / "cosines.results.json"))
                results.save("cosines", settings, numbers=numbers)
        numbers, about = sweep_report.of_notebooks(found, tmp_path)
        return found, sweep_report.tidy(found, numbers), about

    return collect


def leave_manifests(found, out, store):
    """What training the networks of a sweep would have left; log magnitude: 10 times the epochs, plus the seed."""
    networks = [one for point in points(found) for one in plan.networks(point.settings("smoke"))]
    for name, some in plan.training_jobs(networks, "code", 2).items():
        rows = []
        for one in some:
            method, seed, epochs = (one["experiment"][key] for key in ("method", "seed", "epochs"))
            row = {"id": f"{method}-seed{seed}-{epochs}", "study": "core", "method": method, "seed": seed}
            rows.append(row | {"values": {"log magnitude": 10.0 * epochs + seed}})
            write_json(store / rows[-1]["id"] / "provenance.json", PROVENANCE)
        write_json(out / "jobs" / f"{name}.json", some)
        write_json(out / "training" / found.name / f"{name}.json", rows)


def tables(parts):
    return [part for part in parts if isinstance(part, pandas.DataFrame)]


def test_the_table_has_a_row_for_each_number(tabled):
    measure = lambda values, seed: {"depth": 10 * values["epochs"] + seed, "hole": np.nan}  # noqa: E731
    _, table, about = tabled("vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}", measure)
    assert list(table.columns) == ["epochs", "notebook", "method", "seed", "quantity", "value"]
    depth = table[table["quantity"] == "depth"]
    assert depth[["epochs", "seed", "value"]].to_numpy().tolist() == [[1, 0, 10], [1, 1, 11], [2, 0, 20], [2, 1, 21]]
    assert set(table["notebook"] + table["method"]) == {"cosinesmaxsup"}
    assert table[table["quantity"] == "hole"]["value"].isna().all()
    assert about["profile"] == "smoke"


def test_without_notebooks_the_table_is_made_of_what_training_left(write, tmp_path):
    text = "parameters: {overrides: {methods: {baseline: {}, maxsup: {}}}}\n"
    found = write(f"{text}vary: {{epochs: {{sets: [overrides.epochs], values: [1, 2]}}}}\nshow: [log magnitude]")
    leave_manifests(found, tmp_path, tmp_path / "store")
    sweep_report.main(tmp_path, "smoke", found.file)
    table = pandas.read_csv(tmp_path / "sweeps" / "mine" / "table.csv")
    assert list(table.columns) == ["epochs", "method", "seed", "quantity", "value"]
    rows = table.loc[table["method"] == "baseline", ["epochs", "seed", "value"]]
    assert rows.to_numpy().tolist() == [[1, 0, 10], [1, 1, 11], [2, 0, 20], [2, 1, 21]]
    page = (tmp_path / "sweeps" / "mine" / "report.html").read_text()
    assert "<title>mine</title>" in page
    assert "data fashion-mini (digest dddddddddddd), 2 seeds from 0, commit c, torch 2, cpu, 2026-01-02." in page


def test_means_and_changes_by_hand(tabled):
    """At 1: 1 and 3, at 2: 2 and 6. Differences 1 and 3: 2 ± t(0.975, 1) · √2 / √2 = 2 ± 12.706."""
    text = "vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [log magnitude]"
    measure = lambda values, seed: {"log magnitude": values["epochs"] * (1 + 2 * seed)}  # noqa: E731
    (means,) = tables(sweep_report.report(*tabled(text, measure)))
    assert means["log magnitude"].to_dict() == {("MaxSup", 1): "2.00 ± 12.71", ("MaxSup", 2): "4.00 ± 25.41"}
    measure = lambda values, seed: {"log magnitude": values["epochs"] * 10 + seed, "accuracy": 0.5}  # noqa: E731
    (means,) = tables(sweep_report.report(*tabled(text, measure)))
    assert means["log magnitude"].to_dict() == {("MaxSup", 1): "10.50 ± 6.35", ("MaxSup", 2): "20.50 ± 6.35 ↑"}


def test_gains_over_the_baseline_by_hand(tabled):
    """MaxSup minus baseline: at 1: 1 and 3, at 2: 0 and 0; in percent."""
    text = "vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [accuracy]"
    measure = lambda values, seed: {"accuracy": (2 - values["epochs"]) * (1 + 2 * seed) / 100}  # noqa: E731
    found, table, about = tabled(text, measure)
    plain = table.assign(method="baseline", value=0.0)
    _, gains = tables(sweep_report.report(found, pandas.concat([plain, table]), about))
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
def test_an_axis_may_hold_anything_that_a_parameter_can_be(tabled, axis, shown):
    found, table, about = tabled(f"vary: {{{axis}}}\nshow: [accuracy]", lambda values, seed: {"accuracy": 0.1 + seed})
    assert table[axis.partition(":")[0]].unique().tolist() == shown
    assert tables(sweep_report.report(found, table, about))


def test_one_seed_and_holes_are_shown_without_intervals(tabled):
    text = "vary: {epochs: {sets: [overrides.epochs], values: [1, 2]}}\nshow: [accuracy]"
    measure = lambda values, seed: {"accuracy": np.nan if values["epochs"] == 1 else 0.3 + seed}  # noqa: E731
    found, table, about = tabled(text, measure)
    (means,) = tables(sweep_report.report(found, table[table["seed"] == 0], about))
    assert means["accuracy (%)"].to_dict() == {("MaxSup", 2): "30.0"}


def test_what_is_shown_is_a_quantity_of_the_book(write):
    found = write("vary: {overrides.epochs: [1, 2]}\nnotebooks: [soft_labels]\nshow: [accuracy-improves]")
    with pytest.raises(SoftlabError, match=r"unknown quantity to show 'accuracy-improves'; did you mean 'accuracy'"):
        sweep.check(found, "smoke")


# Results files

TINY = """
from softbook.page.results import results_path
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


DONE = subprocess.CompletedProcess((), 0)


def test_files_reach_snakemake_whatever_they_are_called(tmp_path, monkeypatch):
    """It reads its configuration as YAML, which ends text at " #"."""
    from snakemake.cli import parse_config

    folder = tmp_path / "my sweeps #2, of = today"
    folder.mkdir()
    (folder / "small.yaml").write_text("vary: {seeds: [1]}")
    (folder / "mine.yaml").write_text("seeds: 1")
    commands = []
    monkeypatch.setattr(cli.os, "name", "another")  # where a process cannot become another
    monkeypatch.setattr(subprocess, "run", lambda command: commands.append(command) or DONE)
    for profile in ("smoke", str(folder / "mine.yaml")):
        with pytest.raises(SystemExit) as ended:
            cli.main(["sweep", str(folder / "small.yaml"), "--profile", profile])
        assert ended.value.code == 0
        given = parse_config([part for part in commands[-1] if part.startswith(("profile=", "sweeps="))])
        assert given == {"profile": [profile], "sweeps": [str(folder / "small.yaml")]}


# With the real engine

SMALL = """
parameters: {seeds: 1, overrides: {methods: {maxsup: {}}, epochs: 1, train_size: 100, snapshot_epochs: []}}
vary: {α: {sets: [overrides.methods.maxsup.alpha], values: [1.0e-05, 0.2]}}
show: [accuracy, ECE]
"""


@pytest.mark.slow
@pytest.mark.sampled
def test_a_small_sweep_with_the_real_engine(tmp_path):
    (tmp_path / "checkout").mkdir()
    checkout = Checkout(tmp_path / "checkout", chapters=1)
    small = tmp_path / "small.yaml"
    folder = checkout.build / "sweeps" / "small"
    small.write_text(SMALL)

    def run(*options):
        command = [sys.executable, "-m", "softbook", "sweep", str(small), "--profile", "smoke", *options]
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
