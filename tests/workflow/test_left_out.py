"""Cells that need networks which a profile does not train: one note takes the place of each run of them."""

from pathlib import Path

import left_out
import nbformat
import pytest

ROOT = Path(__file__).parents[2]

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
    ("both", ("needs-zero_bias", "needs-noise")),
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


@pytest.mark.parametrize(
    ("studies", "left", "notes"),
    [
        (["core", "noise"], ["title", "zero-text", "between", "zero-again", "end"], {1: "zero_bias", 3: "zero_bias"}),
        (["core"], ["title", "zero-text", "between", "zero-again", "both", "end"], {3: "zero_bias", 4: "noise"}),
        (["core", "zero_bias"], [name for name, _ in PARTS], {5: "noise"}),
    ],
)
def test_one_note_takes_the_place_of_a_run_of_cells_and_names_what_is_missing(notebook, studies, left, notes):
    before = notebook.read_bytes()
    cells, path = prepared(notebook, studies)
    assert [cell.id for cell in cells] == left
    for place, missing in notes.items():
        assert cells[place].cell_type == "markdown"
        assert f"`{missing}`" in cells[place].source
    nbformat.validate(nbformat.read(path, as_version=4))
    assert notebook.read_bytes() == before


@pytest.mark.parametrize("studies", [None, ["core", "zero_bias", "noise"]])
def test_nothing_is_left_out_where_all_is_trained(notebook, studies):
    _, path = prepared(notebook, studies)
    assert path == notebook
    assert not notebook.with_name("shown.ipynb").exists()


def test_without_a_profile_the_notebook_itself_is_executed(notebook):
    target = notebook.with_name("shown.ipynb")
    assert left_out.prepared(notebook, target, {}) == notebook
    assert left_out.prepared(notebook, target, {"profile": "smoke"}) == notebook


def test_only_tags_that_name_a_study_count():
    cell = nbformat.v4.new_markdown_cell(metadata={"tags": ["hide-input", "needs-short", "keep_output"]})
    assert left_out.missing(cell, ("core",)) == ("short",)
    assert left_out.missing(cell, ("core", "short")) == ()
    assert left_out.missing(nbformat.v4.new_code_cell(), ("core",)) == ()
