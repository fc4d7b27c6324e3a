"""Measures with tables of their own: rows of networks, read strictly, written one network at a time and once each."""

import math

import numpy as np
import pytest
from answers import answer

from softbook import cli
from softbook.studies import another_slope, recording, records, seconds, unknown_classes
from softbook.studies.asked import KEYS
from softbook.studies.recording import Request, measure
from softbook.studies.robustness import survives
from softbook.studies.tables import rows_of
from softlab import SoftlabError, load_profile, provenance

SMALL = {"epochs": 1, "train_size": 60, "evaluation": {"test_size": 100, "attack_size": 10, "attack_steps": 1}}
ROW = {"method": "mixup", "seed": 0, "radius": 4.0, "id": f"mixup-seed0-{0:012x}", "study": "core", "torch": "2.0"}
ROW |= {"date": "2026-01-01", "commit": "0123456789"}


@pytest.fixture
def settings():
    return load_profile("smoke", **SMALL, methods=["baseline", "mixup"], seeds=2)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789")
    return tmp_path / "records"


def refuse(*given, **options):
    raise AssertionError("nothing is to be trained")


def test_each_network_is_measured_once_at_each_radius(settings, shelf, monkeypatch):
    request = Request("louder", methods=["mixup"])
    path = measure(request, settings)
    table = records.of_measure("louder", "smoke")
    assert path == shelf / "measures" / "louder" / "smoke.csv"
    assert table[["method", "seed", "radius"]].to_numpy().tolist() == [["mixup", 0, 4.0], ["mixup", 1, 4.0]]
    assert set(table["study"]) == {"core"}
    assert set(table["commit"]) == {"0123456789"}
    assert table["images met"].tolist() == [10, 10]
    assert (table["best"] <= table["times 1"]).all()
    assert table.attrs == {
        "table": "louder, profile smoke",
        "command": "softbook record core --measure louder --profile smoke",
    }
    before = path.read_bytes()
    measure(Request("louder", methods=["mixup"], radii=[4.0, 1.0]), settings)
    assert path.read_bytes().startswith(before), "rows that are there stay"
    assert records.of_measure("louder", "smoke")["radius"].tolist() == [4.0, 4.0, 1.0, 1.0]
    monkeypatch.setattr(recording.runs, "fit_or_load", refuse)
    assert measure(Request("louder", methods=["mixup"], radii=[4.0, 1.0]), settings) == path


def test_autoattack_keeps_which_images_are_right_at_each_radius(settings, shelf):
    pytest.importorskip("pyautoattack")
    measure(Request("autoattack", methods=["baseline"], radii=[0.4, 1.0], images=6), settings)
    rows = rows_of(records.of_measure("autoattack", "smoke"))
    assert sorted(row["radius"] for row in rows) == [0.4, 0.4, 1.0, 1.0]
    right = {(row["id"], row["radius"]): row["images"][survives(row["radius"])] for row in rows}
    for row in rows:
        own = right[row["id"], row["radius"]]
        assert own.shape == (6,)
        assert not (own & ~right[row["id"], 0.4]).any(), "a larger radius takes more"
        assert row["ladder"] >= own.mean()


def test_a_kill_loses_the_network_in_work(settings, shelf, monkeypatch):
    done = []

    def killed(subject):
        if done:
            raise KeyboardInterrupt
        done.append(subject)
        return [{"attacked": 0.5, "straight": 0.25}]

    monkeypatch.setitem(recording.MEASURED, "bending", killed)
    with pytest.raises(KeyboardInterrupt):
        measure(Request("bending"), settings)
    assert len(records.of_measure("bending", "smoke")) == 1
    monkeypatch.setitem(recording.MEASURED, "bending", lambda subject: [{"attacked": 0.5, "straight": 0.25}])
    measure(Request("bending"), settings)
    table = records.of_measure("bending", "smoke")
    assert table["seed"].tolist() == [0, 0, 1, 1], "all of a seed before the next"
    assert not table["id"].duplicated().any()


def test_another_slope_has_a_row_for_each_dose(settings, shelf, monkeypatch):
    monkeypatch.setattr(another_slope, "STEPS", 2)
    measure(Request("slope_by_hand", methods=["baseline"]), settings)
    table = another_slope.recorded("smoke")
    assert table["tau"].tolist() == 2 * list(another_slope.TAUS)
    assert set(table["pull"]) == {another_slope.PULLS["baseline"]}
    assert np.isfinite(table["robust, 4/255"]).all()
    assert table["admitted"].dtype == bool
    with pytest.raises(SoftlabError, match="method with a pull 'mixup'"):
        measure(Request("slope_by_hand", methods=["mixup"]), settings)


def test_a_network_is_timed_beside_its_row(settings, shelf, monkeypatch):
    monkeypatch.setattr(seconds, "METHODS", {"plain": ("baseline", {}), "noise": ("gaussian_noise", {"sigma": 0.25})})
    monkeypatch.setattr(seconds, "ROUNDS", 2)
    measure(Request("seconds", "seconds"), settings)
    table = seconds.recorded("smoke")
    assert table[["round", "name"]].to_numpy().tolist() == [[0, "plain"], [0, "noise"], [1, "plain"], [1, "noise"]]
    assert (table["seconds"] > 0).all()
    assert table.attrs["command"] == "softbook record seconds --profile smoke"


def test_a_network_is_asked_about_classes_it_was_never_shown(settings, shelf, monkeypatch):
    monkeypatch.setattr(unknown_classes, "SPLITS", ((0, 1), (2, 3)))
    monkeypatch.setattr(unknown_classes, "METHODS", ("baseline",))
    monkeypatch.setattr(unknown_classes, "SEEDS", 1)
    measure(Request("unknown_classes", "unknown_classes"), settings)
    table = unknown_classes.recorded("smoke")
    assert table["split"].tolist() == [0, 1]
    assert table["held-out classes, energy, AUROC"].between(0, 1).all()


def test_networks_of_no_study_on_record_are_those_that_would_be_trained():
    for name, experiments in recording.NETWORKS.items():
        table = records.of_measure(name, "quick-fp32")
        asked = recording.by_run_id(experiments(load_profile("quick-fp32")))
        assert [*asked] == table["id"].tolist()
        assert [one.seed for one in asked.values()] == table["seed"].tolist()


def test_what_is_asked_for_by_a_wrong_name_is_one_line(settings, shelf, capsys):
    command = ("record", "core", "--profile", "smoke", "--measure")
    assert "did you mean 'louder'" in answer(capsys, cli.main, *command, "loud")
    assert "method or cell 'mixxup'" in answer(capsys, cli.main, *command, "louder", "--methods", "mixxup")
    assert not list(shelf.rglob("*.csv"))


def written(shelf, **changes):
    path = shelf / "measures" / "louder" / "quick.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {**ROW, "best": 0.5, **changes}
    path.write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")
    return path


def test_a_damaged_table_of_a_measure_is_one_line(shelf):
    written(shelf)
    assert records.of_measure("louder", "quick")["best"].tolist() == [0.5]
    for damage, words in (
        ({"best": "=cmd()"}, "row 1, column 'best': '=cmd\\(\\)' cannot stand there"),
        ({"=cmd()": 1}, "column '=cmd\\(\\)' cannot be the name of a number"),
        ({"id": "../../etc"}, "row 1, column 'id'"),
        ({"study": "=1"}, "row 1, column 'study'"),
        ({"radius": ""}, ""),
    ):
        path = written(shelf, **damage)
        if words:
            with pytest.raises(SoftlabError, match=words):
                records.of_measure("louder", "quick")
    path.write_text(path.read_text().replace("radius", "radios"))
    with pytest.raises(SoftlabError, match="column 'radius' is missing"):
        records.of_measure("louder", "quick")
    whole = written(shelf).read_text()
    path.write_text(whole + whole.splitlines()[1] + "\n")
    with pytest.raises(SoftlabError, match="row 2 is there twice"):
        records.of_measure("louder", "quick")


def test_outcomes_that_are_not_there_are_missed_in_one_line(shelf):
    path = written(shelf)
    np.savez(path.with_suffix(".npz"), **{f"{ROW['id']}/survives 4/255": np.array([True, False])})
    (images,) = records.of_measure("louder", "quick")["images"]
    assert images["survives 4/255"].tolist() == [True, False]
    path.with_suffix(".npz").write_bytes(b"")
    (images,) = records.of_measure("louder", "quick")["images"]
    with pytest.raises(SoftlabError, match=r"cannot read .*quick\.npz"):
        images["survives 4/255"]


@pytest.mark.parametrize("name", KEYS)
def test_every_measure_is_on_record_of_networks_that_have_rows(name):
    known = {one for table in records.every_table().values() for one in table["id"]}
    paths = [*(records.RECORDS / "measures" / name).glob("*.csv")]
    assert paths
    for path in paths:
        table = records.of_measure(name, path.stem)
        assert not table.duplicated(["id", *KEYS[name]]).any()
        assert name in recording.NETWORKS or set(table["id"]) <= known
        numbers = table.select_dtypes("number").drop(columns="ladder", errors="ignore")
        assert not numbers.isin([math.inf]).any(axis=None)
