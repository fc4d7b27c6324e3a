"""Chapters as a reader takes them: typed anew from the page, changed and run again."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from softbook import headline
from softbook.studies import louder
from softbook.studies.records import by_profile

ROOT = Path(__file__).parents[2]
HIDDEN = {"remove-cell", "remove-input", "hide-input", "hide-cell"}  # the page does not show these cells, or folds them
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
KIND = "left by seven steps only (%)"  # what led_astray saves
# Chapter -> knob, another value, the quantity of the networks called smoothed (or NAMED) that it moves, and which way.
KNOBS = {
    "soft_labels": ("alpha", 0.4, "mean confidence", -1),
    "cones": ("alpha", 0.4, "constant class", -1),
    "magnitudes": ("alpha", 0.4, "log logit scale", -1),
    "cosines": ("alpha", 0.01, "cosine, logit", -1),
    "calibration": ("alpha", 0.4, "gap", -1),
    "robustness": ("noise", 0.06, "log slope", 1),
    "maxsup": ("alpha", 0.4, "confidence when wrong", -1),
    "causes": ("alpha", 0.4, "gap", -1),
    "led_astray": ("factor", 0.25, KIND, 1),
}
MOVED = {
    "robustness": "noise",
    "maxsup": "MaxSup",
    "causes": "plain body, smoothed head",
    "led_astray": "plain, louder",
}  # what the knob moves, where it is not the smoothed networks


def tags(cell):
    return set(cell.metadata.get("tags", []))


LABORATORIES = [name for name, notebook in NOTEBOOKS.items() if any("yours" in tags(cell) for cell in notebook.cells)]


def run(notebook, folder, **parameters):
    """The notebook, executed in a folder with these lines of its parameters changed."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if "parameters" in tags(cell):
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
    NotebookClient(notebook, kernel_name="python3", timeout=600, resources={"metadata": {"path": folder}}).execute()
    return notebook


def pictures(notebook):
    """What each cell drew: id -> PNGs; of those called yours also pictures under a slider."""
    drawn = {}
    for cell in notebook.cells:
        data = [output.get("data", {}) for output in cell.get("outputs", [])]
        drawn[cell.id] = [one["image/png"] for one in data if "image/png" in one]
        if "yours" in tags(cell):
            drawn[cell.id] += [one["text/html"] for one in data if "<img" in one.get("text/html", "")]
    return {name: drawn[name] for name in drawn if drawn[name]}


def typed(notebook):
    """Only the code that a reader sees."""
    seen = [cell for cell in notebook.cells if cell.cell_type == "code" and not HIDDEN & tags(cell)]
    return nbformat.v4.new_notebook(cells=seen, metadata=notebook.metadata)


@pytest.mark.parametrize("name", LABORATORIES)
def test_pictures_called_yours_are_drawn_in_sight(name):
    for cell in NOTEBOOKS[name].cells:
        assert not ("yours" in tags(cell) and HIDDEN & tags(cell)), cell.id


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("name", LABORATORIES)
def test_whoever_types_what_the_page_shows_gets_every_picture_called_theirs(name, tmp_path):
    executed = run(typed(NOTEBOOKS[name]), tmp_path, profile="smoke", seeds=1)
    yours = {cell.id for cell in NOTEBOOKS[name].cells if "yours" in tags(cell)}
    assert yours <= pictures(executed).keys()


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("name", LABORATORIES)
def test_what_is_yours_moves_with_the_parameters_and_nothing_else_does(name, tmp_path):
    """Whatever the parameters are, what is on record stays."""
    first = pictures(run(NOTEBOOKS[name], tmp_path, profile="smoke", seeds=1))
    second = pictures(run(NOTEBOOKS[name], tmp_path, profile="smoke", seeds=1, overrides={"epochs": 1}))
    moved = {cell for cell in first if first[cell] != second[cell]}
    aside = {cell.id for cell in NOTEBOOKS[name].cells if {"solution", "cover"} & tags(cell)}
    assert moved - aside == {cell.id for cell in NOTEBOOKS[name].cells if "yours" in tags(cell)}


def over_seeds(quantity):
    """The standard deviation over seeds on record of a quantity, of networks with label smoothing."""
    record = headline()
    if quantity == "log slope":
        record = by_profile("core")["quick-fp32"]
    if quantity == KIND:
        record = louder.recorded("quick-fp32")
        record[KIND] = 100 * (record["times 1"] - record["best"])
    return record.loc[record["method"] == "label_smoothing", quantity].std()


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("name", KNOBS)
def test_a_chapter_s_knob_moves_what_it_says_by_more_than_a_seed_does(name, tmp_path, monkeypatch):
    knob, value, quantity, direction = KNOBS[name]
    moved = MOVED.get(name, "smoothed")
    spread = over_seeds(quantity)
    means = []
    for changed in ({}, {knob: value}):
        monkeypatch.setenv("SOFTLAB_RESULTS", str(tmp_path / "found.json"))
        run(NOTEBOOKS[name], tmp_path, profile="quick", seeds=1, **changed)
        found = json.loads((tmp_path / "found.json").read_bytes())
        means += [
            one["value"]
            for one in found["measurements"]
            if one["quantity"] == quantity and re.fullmatch(rf"{moved}(, α = [\d.]+)?", one["method"])
        ]
    usual, turned = means
    assert direction * (turned - usual) > spread


ALONE = """
import sys
sys.modules["matplotlib"] = None  # so that importing it fails
sys.modules["softbook"] = None
from softlab import plugins
plugins.GROUP = "nobody"  # offers anything, as where the library is installed alone
import softlab
lab = softlab.load_profile("smoke", epochs=1, precision="fp32")
alpha = 0.1
"""


def test_chapter_1_trains_from_nothing_with_the_library_alone_and_as_the_library_does(tmp_path):
    """Data, network, loop, ECE and an attack; and then `softlab.fit` has the same weights, to the bit."""
    notebook = NOTEBOOKS["soft_labels"]
    (imports,) = [cell.source for cell in notebook.cells if cell.id == "imports"]
    lines = [line for line in imports.splitlines() if "softbook" not in line and "matplotlib" not in line]
    places = [cell.id for cell in notebook.cells]
    from_scratch = notebook.cells[places.index("targets") : places.index("fit") + 1]
    code = [cell.source for cell in from_scratch if cell.cell_type == "code" and "plt." not in cell.source]
    same = "assert apart == 0.0, apart\nassert losses_apart < 1e-6, losses_apart"
    script = "\n\n".join([ALONE, "\n".join(lines), *code, same])
    environment = os.environ | {"SOFTLAB_STORE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ECE" in done.stdout
    assert "right under an attack of 2/255" in done.stdout
