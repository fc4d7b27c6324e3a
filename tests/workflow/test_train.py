"""One training job of the engine: its networks in the store, and a row for each in its manifest."""

import json

import pytest
import train

from softlab import Experiment, SoftlabError
from softlab.files import write_json

FIELDS = {"train_size": 50, "width": 4, "stem_stride": 2, "epochs": 1}
EVALUATION = {"test_size": 50, "attack_size": 5, "attack_steps": 1}


def listed(*experiments):
    return [{"study": "noise", "evaluation": EVALUATION, "experiment": one.as_dict()} for one in experiments]


def test_networks_are_trained_and_measured_as_they_are_listed(tmp_path, capsys):
    write_json(tmp_path / "some.json", listed(*(Experiment(**FIELDS, seed=seed) for seed in (7, 3))))
    train.main(tmp_path / "some.json", tmp_path / "rows.json")
    rows = json.loads((tmp_path / "rows.json").read_bytes())
    assert [(row["study"], row["method"], row["seed"]) for row in rows] == [
        ("noise", "baseline", seed) for seed in (7, 3)
    ]
    assert {row["id"] for row in rows} == {path.name for path in (tmp_path / "store").glob("*-seed*")}
    assert all(0 <= row["values"]["accuracy"] <= 1 for row in rows)
    told = [line.partition(" in ")[0] for line in capsys.readouterr().out.splitlines()]
    assert told == [f"trained {row['id']}" for row in rows]
    train.main(tmp_path / "some.json", tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_bytes()) == rows
    assert capsys.readouterr().out == ""


def test_a_training_that_fails_leaves_no_manifest(tmp_path):
    good = Experiment(**FIELDS)
    write_json(tmp_path / "some.json", listed(good, Experiment(**FIELDS, data="folder:/nowhere")))
    with pytest.raises(SoftlabError, match="/nowhere is not a folder"):
        train.main(tmp_path / "some.json", tmp_path / "rows.json")
    assert not (tmp_path / "rows.json").exists()
    assert len(list((tmp_path / "store").glob("*-seed*"))) == 1
