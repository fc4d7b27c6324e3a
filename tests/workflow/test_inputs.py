"""What notebooks and training depend on: imports of the book's own package, followed."""

import json
import os
from pathlib import Path

import inputs
import pytest

from softbook.statements import statements
from softbook.statements.statistics import known
from softlab.profile import load_profile

ROOT = Path(__file__).parents[2]


def notebook(path, cell):
    cells = [{"cell_type": "code", "source": [f"{line}\n" for line in cell.splitlines()]}]
    path.write_text(json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": "import softlab.cli"}]}))
    return path


@pytest.mark.parametrize(
    ("cell", "there", "not_there"),
    [
        ("from softbook import begin", "softbook/page/chapter", "softbook/page/widgets"),  # fetched on first use
        ("from softlab import geometry", "softlab/lenses/geometry/cones", "softlab/lenses/attacks/ladder"),
        ("from softbook.page import table", "softbook/page/chapter", "softbook/page/widgets"),
        ("from softlab.comparison import effects", "softlab/comparison/intervals", "softbook/statements/tally"),
        ("import softlab.comparison.effects", "softlab/comparison/intervals", "softbook/statements/tally"),
        (
            "%pip install softlab\nimport numpy\ndef f():\n    !ls\n    import softlab.files",
            "softlab/errors",
            "softlab/profile",
        ),
        # A lens counts by its version.
        ("from softbook.studies.records import by_profile", "softlab/numbers/quantities", "softlab/lenses/selective"),
        # A command hands over to a part that is imported too.
        ("from softlab import cli", "softlab/cli", "softlab/inspector/examination"),
        # What the book offers is asked for by name.
        ("from softlab import report_card", "softbook/beside", "softbook/page/widgets"),
        ("import os", None, "softlab/errors"),
    ],
)
def test_an_import_leads_to_what_its_module_imports(tmp_path, cell, there, not_there):
    files = inputs.of_notebook(notebook(tmp_path / "a.ipynb", cell))
    assert there is None or f"{there}.py" in files
    assert f"{not_there}.py" not in files
    assert "softbook/records/core/about.json" in files


def test_data_are_read_with_the_room_that_they_lie_in():
    files = inputs.with_data(["softlab/profile.py", "softlab/training/data.py"])
    assert "softlab/training/datasets/fashion_mini.npz" in files
    assert not [file for file in files if "yaml" in file]  # settings come through settings_of
    assert "softbook/studies/laws.yml" in inputs.with_data(["softbook/studies/judge.py"])


def test_laws_are_read_with_all_that_judges_them_and_a_page_with_its_own_statements():
    chapter = inputs.of_notebook(ROOT / "notebooks" / "cosines.ipynb")
    judges = {
        "softbook/statements/declared.yaml",
        "softbook/statements/statistics/laws.py",
        "softbook/studies/laws.yml",
    }
    assert judges <= {*chapter}
    page = "softbook/statements/cosines.yaml"
    assert page not in chapter, "a sentence is rewritten without running its notebook"
    assert page in inputs.of_site()


def test_what_was_declared_is_read_with_every_statistic_that_it_asks_for():
    there = {f"softbook.statements.statistics.{name}" for names in inputs.STATISTICS.values() for name in names}
    declared = [one.spec for one in statements("declared").values()]
    asked = [*declared, *(part for spec in declared for key in ("parts", "requires") for part in spec.get(key, ()))]
    assert {known()[spec["statistic"]].__module__ for spec in asked if "statistic" in spec} == there


def test_chapters_read_the_lenses_that_they_use_and_training_reads_none():
    reads = {path.stem: inputs.of_notebook(path) for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert "softlab/lenses/attacks/gradient.py" in reads["led_astray"]
    assert "softlab/lenses/attacks/gradient.py" not in reads["cosines"]
    assert "softlab/lenses/geometry/cosines.py" in reads["cosines"]
    assert not [name for name, files in reads.items() if "softbook/figures/charts.py" in files]
    assert all("softlab/training/loop.py" in one and "softbook/page/chapter.py" in one for one in reads.values())
    training = inputs.code(inputs.TRAINING)
    read = ("regularizers/penalties", "training/store", "training/loop", "training/models", "training/data")
    assert {f"softlab/{file}.py" for file in read} < set(training)
    assert not {Path(file).parts[1] for file in training} & {"studies", "figures", "notebook", "cli.py"}


def test_records_are_read_without_the_locks_of_who_writes_there(tmp_path, monkeypatch):
    for name in ("core/quick.csv", "core/along/quick.csv", ".locks/core.lock"):
        path = tmp_path / "records" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    monkeypatch.setattr(inputs, "RECORDS", tmp_path / "records")
    assert inputs.records() == ["records/core/along/quick.csv", "records/core/quick.csv"]


def test_settings_are_those_of_studies_that_a_notebook_names():
    profile = load_profile("quick")
    path = ROOT / "notebooks" / "robustness.ipynb"
    found = json.loads(inputs.settings_of(path, profile))
    assert found["profile"]["seeds"] == list(profile.seeds)
    assert set(found["studies"]) == {"core", "weight_decay", "flat", "many", "noise"}, (
        "a study that is called like a method is named with it"
    )


def test_what_would_not_change_is_not_written(tmp_path):
    path = Path(inputs.write_changed(tmp_path / "new" / "a.json", "1"))
    before = path.stat().st_mtime_ns
    inputs.write_changed(path, "1")
    assert path.stat().st_mtime_ns == before
    inputs.write_changed(path, "2")
    assert path.read_text() == "2"


def test_what_is_dated_in_the_future_counts_as_old(tmp_path):
    made = tmp_path / "html" / "index.html"
    early = tmp_path / "early"
    made.parent.mkdir()
    for path, age in ((made, -3600), (early, 3600)):
        path.touch()
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    before = early.stat().st_mtime_ns
    inputs.forget_the_future(tmp_path)
    assert made.stat().st_mtime == 1
    assert early.stat().st_mtime_ns == before


def test_a_folder_of_images_is_another_when_an_image_changes(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.png").write_bytes(b"1")
    before = inputs.folder_listing(f"folder:{tmp_path}")
    (tmp_path / "cats" / "1.png").write_bytes(b"12")
    assert before != inputs.folder_listing(f"folder:{tmp_path}")
    assert inputs.folder_listing("fashion-mini") == ""
