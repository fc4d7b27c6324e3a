"""Cells that need networks which a profile does not train: one note takes the place of each run of them."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

import left_out  # noqa: E402

PROFILE = """
experiment: {data: fashion-mini, model: resnet8, epochs: 2}
methods: {baseline: {}}
seeds: 2
"""
PARTS = [  # name, tags: two runs of cells that need networks, and a cell that needs two studies
    ("title", ()),
    ("zero-text", ("needs-zero_bias",)),
    ("zero", ("hide-input", "needs-zero_bias")),
    ("between", ("hide-input",)),
    ("zero-again", ("needs-zero_bias",)),
    ("both", ("needs-zero_bias", "needs-narrow")),
    ("end", ()),
]


@pytest.fixture
def notebook(tmp_path):
    cells = [
        nbformat.v4.new_code_cell("pass", id=name, metadata={"tags": list(tags)} if tags else {})
        for name, tags in PARTS
    ]
    path = tmp_path / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def prepared(notebook, studies):
    """The cells that are executed with a profile of these studies, and where they were read from."""
    profile = notebook.with_name("mine.yaml")
    profile.write_text(PROFILE + (f"studies: [{', '.join(studies)}]\n" if studies else ""))
    path = left_out.prepared(notebook, notebook.with_name("shown.ipynb"), {"profile": str(profile)})
    return nbformat.read(path, as_version=4).cells, path


def test_one_note_takes_the_place_of_a_run_of_cells(notebook):
    cells, path = prepared(notebook, ["core", "narrow"])
    assert path != notebook
    assert [cell.id for cell in cells] == ["title", "zero-text", "between", "zero-again", "end"]
    assert [cell.cell_type for cell in cells] == ["code", "markdown", "code", "markdown", "code"]
    for note in (cells[1], cells[3]):
        assert note.source == "*Not run here: it needs networks (`zero_bias`) that the profile `mine` does not train.*"


def test_a_note_names_only_what_is_missing_and_cells_that_lack_something_else_get_their_own(notebook):
    cells, _ = prepared(notebook, ["core"])
    assert [cell.id for cell in cells] == ["title", "zero-text", "between", "zero-again", "both", "end"]
    assert "(`zero_bias`)" in cells[3].source
    assert "(`zero_bias`, `narrow`)" in cells[4].source
    cells, _ = prepared(notebook, ["core", "zero_bias"])
    assert [cell.id for cell in cells] == [name for name, _ in PARTS]
    assert "(`narrow`)" in cells[5].source


def test_the_notebook_itself_is_never_changed(notebook):
    before = notebook.read_bytes()
    prepared(notebook, ["core"])
    assert notebook.read_bytes() == before


@pytest.mark.parametrize("studies", [None, ["core", "zero_bias", "narrow"]])
def test_nothing_is_left_out_where_all_is_trained(notebook, studies):
    _, path = prepared(notebook, studies)
    assert path == notebook
    assert not notebook.with_name("shown.ipynb").exists()


def test_without_a_profile_the_notebook_itself_is_executed(notebook):
    target = notebook.with_name("shown.ipynb")
    assert left_out.prepared(notebook, target, {}) == notebook
    assert left_out.prepared(notebook, target, {"profile": "smoke"}) == notebook


def test_what_is_left_of_a_notebook_is_a_valid_one(notebook):
    _, path = prepared(notebook, ["core"])
    nbformat.validate(nbformat.read(path, as_version=4))


def test_only_tags_that_name_a_study_count():
    cell = nbformat.v4.new_markdown_cell(metadata={"tags": ["hide-input", "needs-short", "keep_output"]})
    assert left_out.missing(cell, ("core",)) == ("short",)
    assert left_out.missing(cell, ("core", "short")) == ()
    assert left_out.missing(nbformat.v4.new_code_cell(), ("core",)) == ()
