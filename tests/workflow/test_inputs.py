"""What notebooks and training depend on: names followed through a small package, and through the book's."""

import json
import os
from pathlib import Path

import inputs
import pytest

from softbook.studies.catalogue import chapters
from softlab.profile import load_profile

ROOT = Path(__file__).parents[2]

PACKAGE = {
    "__init__.py": "HOMES = {'area': 'shapes', 'plane': 'room.plane'}",
    "room/__init__.py": "HOMES = {'lay': 'plane'}",
    "room/plane.py": "def lay():\n    from softlab.heavy import weigh\ndef lift(): ...",
    "shapes.py": """
from typing import TYPE_CHECKING
from softlab.checks import check
if TYPE_CHECKING:
    from softlab.typed import Type
def area(x):
    check(x)
    return _corner(x)
def _corner(x):
    from softlab.corners import corner
def unused(x):
    from softlab.heavy import weigh
""",
    "checks.py": "CHECKED = 1\ndef check(x):\n    open('table.csv')\ndef other():\n    import softlab.heavy",
    "corners.py": "from softlab import cli",
    "cli.py": "from softlab.heavy import weigh",
    "typed.py": "class Type: ...",
    "heavy.py": "def weigh(): ...",
    "table.csv": "",
    "registry/__init__.py": "from softlab.registry import members",
    "registry/members.py": "from softlab.heavy import weigh",
}
CACHES = ("step", "file_of", "homes", "definitions", "_data_files", "notebook_tree")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in the place of softlab."""
    for name, text in PACKAGE.items():
        path = tmp_path / "softlab" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(inputs, "PACKAGE", tmp_path / "softlab")
    clear = [getattr(inputs, name).cache_clear for name in CACHES]
    for forget in clear:
        forget()
    yield tmp_path
    for forget in clear:
        forget()


def notebook(path, *cells):
    content = [{"cell_type": "code", "source": [f"{line}\n" for line in cell.splitlines()]} for cell in cells]
    path.write_text(json.dumps({"cells": [*content, {"cell_type": "markdown", "source": "import softlab.heavy"}]}))
    return path


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("from softlab import area", ["shapes", "checks", "corners"]),
        ("from softlab.shapes import area", ["shapes", "checks", "corners"]),
        ("from softlab.shapes import unused", ["shapes", "checks", "heavy"]),
        ("from softlab import shapes", ["shapes", "checks", "corners", "heavy"]),
        ("import softlab.checks", ["checks", "heavy"]),
        ("from softlab.checks import CHECKED", ["checks"]),
        ("from softlab.room import lay", ["room/plane", "heavy"]),
        ("from softlab import plane\nplane.lift()", ["room/plane"]),
        ("from softlab import plane\nplane", ["room/plane", "heavy"]),
        ("from softlab import room\nroom.lay()", ["room/plane", "heavy"]),
        ("from softlab import registry", ["registry/__init__", "registry/members", "heavy"]),
        ("%pip install softlab\nimport numpy\n    \ndef f():\n    !ls\n    from softlab import heavy", ["heavy"]),
        ("from softlab import cli", []),
        ("import os", []),
    ],
)
def test_a_name_leads_to_what_it_uses(package, cell, found):
    files = inputs.notebook_code(notebook(package / "a.ipynb", cell))
    assert [file for file in files if file.endswith(".py")] == sorted(f"softlab/{name}.py" for name in found)


def test_a_file_of_the_package_is_read_where_its_name_stands(package):
    path = notebook(package / "a.ipynb", "from softlab.shapes import area")
    assert "softlab/table.csv" in inputs.notebook_code(path)  # by checks.check
    path = notebook(package / "b.ipynb", "from softlab.checks import CHECKED")
    assert "softlab/table.csv" not in inputs.notebook_code(path)


def test_of_a_module_that_is_imported_whole_only_what_is_named_counts(package):
    named = notebook(package / "named.ipynb", "from softlab import shapes", "shapes.area(1)")
    alone = notebook(package / "alone.ipynb", "from softlab import shapes as those", "those.area(1)\nprint(those)")
    assert "softlab/heavy.py" not in inputs.notebook_code(named)
    assert "softlab/corners.py" in inputs.notebook_code(named)
    assert "softlab/heavy.py" in inputs.notebook_code(alone)


def test_chapters_read_the_lenses_that_they_use_and_training_reads_none():
    reads = {path.stem: inputs.notebook_code(path) for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert "softlab/lenses/attacks/gradient.py" in reads["06_robustness"]
    assert "softlab/lenses/attacks/gradient.py" not in reads["04_cosines"]
    assert "softlab/lenses/geometry/cosines.py" in reads["04_cosines"]
    laws = "softbook/studies/laws.yml"
    assert {name for name, files in reads.items() if laws not in files} >= {"01_soft_labels", "A2_your_network"}
    assert laws in reads["03_magnitudes"]
    assert all("softlab/training/loop.py" in one and "softbook/page/chapter.py" in one for one in reads.values())
    training = inputs.code(inputs.TRAINING)
    read = ("regularizers/penalties.py", "training/store.py", "training/datasets/fashion_mini.npz")
    assert {f"softlab/{file}" for file in read} < set(training)
    everything = {file for one in (training, *reads.values()) for file in one}
    assert not everything & {"softlab/cli.py", "softbook/chapters.yaml"}
    assert not {Path(file).parts[1] for file in training} & {"studies", "figures", "notebook"}


def test_the_package_imports_absolutely():
    assert not [path for path in (ROOT / "softlab").rglob("*.py") if "from ." in path.read_text()]


def test_settings_are_those_of_a_notebook_s_studies():
    profile = load_profile("quick")
    path = ROOT / "notebooks" / "06_robustness.ipynb"
    found = json.loads(inputs.settings_of(path, profile, chapters(profile)["06_robustness"]))
    assert found["profile"]["seeds"] == list(profile.seeds)
    assert set(found["studies"]) == {"core", "weight_decay", "flat"}, (
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
