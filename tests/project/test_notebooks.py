"""The notebooks as they are committed: clean, in short cells, running alone in any folder, right where checked."""

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import reading_time
import yaml
from build_site import CAPTION, glossary

from softbook.statements.pages import SPAN

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OTHERS = sorted((ROOT / "book").glob("*.ipynb"))  # pages that read numbers
TOOLS = [path for path in NOTEBOOKS if path.stem.startswith("your_")]  # for a method or a network of one's own
CHAPTERS = [path for path in NOTEBOOKS if path not in TOOLS]


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def prose(path):
    if path.suffix == ".md":
        return path.read_text()
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_every_notebook_is_a_page():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    pages = [page["file"] for part in contents["parts"] for page in part["chapters"]]
    shown = [Path(page).name for page in pages if page.startswith("notebooks/")]
    assert sorted(shown) == [path.stem for path in NOTEBOOKS]


@pytest.mark.parametrize("path", [*NOTEBOOKS, *OTHERS], ids=lambda path: path.stem)
def test_a_committed_notebook_is_clean(path):
    raw = json.loads(path.read_text())
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(set(ids)) == len(ids)
    assert not any(name.isdigit() for name in ids), "ids are names, so that they stay when cells are added"
    assert "papermill" not in raw["metadata"]
    cells = code_cells(path)
    assert sum("parameters" in tags(cell) for cell in cells) == 1
    for cell in cells:
        assert len(cell.source.splitlines()) <= 20, f"cell {cell.id} is longer than 20 lines"
        assert not cell.outputs or "keep_output" in tags(cell), f"cell {cell.id} has outputs"
        assert not ("tell(" in cell.source and "$" in cell.source), f"cell {cell.id}: an output's formulas stay raw"
        assert "ipynb)" not in cell.source, f"cell {cell.id}: an output's link is to a page, NAME.html"
        if "nbval-check-output" in tags(cell):
            assert "keep_output" in tags(cell), cell.id
            assert cell.outputs, f"cell {cell.id} is compared with an output that it does not have"
            assert cell.execution_count, f"cell {cell.id} has an output without a count: nbval takes it for not run"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_reads_in_jupyterlab_and_colab_as_on_the_page(path):
    """They know no roles and directives of MyST, and no captions in a cell's metadata."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"\{[\w:]+\}`|```\{|:::|^\(.+\)=$", cell.source, re.MULTILINE), cell.id
        else:
            assert "caption" not in cell.metadata.get("mystnb", {}).get("figure", {}), cell.id


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_figures_have_an_alt_text_and_solutions_are_folded(path):
    cells = nbformat.read(path, as_version=4).cells
    below = {cell.id: after.source for cell, after in pairwise(cells)}
    for cell in code_cells(path):
        if "plt.show()" in cell.source:
            assert cell.metadata["mystnb"]["image"]["alt"], f"figure {cell.id} has no alt text"
            assert below[cell.id].startswith(CAPTION), f"figure {cell.id} has no caption"
        assert ("solution" in tags(cell)) == cell.id.startswith("solution-")
        if "solution" in tags(cell):  # on the page, in JupyterLab, and in Colab
            assert "hide-cell" in tags(cell), cell.id
            assert cell.metadata["jupyter"]["source_hidden"], cell.id
            assert cell.metadata["cellView"] == "form", cell.id


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_begins_with_question_picture_and_answer_and_nothing_else_is_seen(path):
    cells = nbformat.read(path, as_version=4).cells
    answer = next(at for at, cell in enumerate(cells) if cell.source.startswith("## In short"))
    title, *between = (cell for cell in cells[:answer] if "remove-cell" not in tags(cell))
    assert re.fullmatch(r"# .*\n\n\*\*[^*]*\?\*\*", title.source), "a title and a question in bold"
    assert between
    for cell in (cell for cell in between if not cell.source.startswith(CAPTION)):
        assert "plt.show()" in cell.source
        assert "remove-input" in tags(cell)
    assert len(SPAN.findall(cells[answer].source)) <= 3
    assert "**Why care?**" in cells[answer].source


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_a_tool_begins_with_question_and_picture_and_what_it_is_good_for(path):
    cells = nbformat.read(path, as_version=4).cells
    answer = next(at for at, cell in enumerate(cells) if cell.source.startswith("## In short"))
    title, *between = (cell for cell in cells[:answer] if "remove-cell" not in tags(cell))
    assert re.fullmatch(r"# .*\n\n\*\*[^*]*\?\*\*", title.source), "a title and a question in bold"
    assert "plt.show()" in between[-2].source
    assert between[-1].source.startswith(CAPTION)
    assert "**Why care?**" in cells[answer].source


def announced(name: str) -> int:
    """The minutes in the table of chapters and tools."""
    (found,) = re.findall(rf"/?{name}\) \| [^|]+ \| (\d+) \|", (ROOT / "book" / "how_to_read.md").read_text())
    return int(found)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_minutes_are_reckoned_and_the_same_wherever_they_are_announced(path):
    assert announced(path.name) == reading_time.of_notebook(path)
    assert f"*About {announced(path.name)} minutes" in prose(path)


def test_other_pages_announce_reckoned_minutes_too():
    book = ROOT / "book"
    for name in ("one_file.md", "own_training.md"):
        assert announced(name) == reading_time.of_page(book / name)
    assert f"*About {reading_time.of_notebook(book / 'conclusion.ipynb')} minutes" in prose(book / "conclusion.ipynb")
    assert reading_time.of_page(book / "what_should_i_do.md", "\n## What stands behind") == 5
    assert "eight questions in five minutes" in prose(book / "intro.ipynb")
    assert "five of your ten minutes" in prose(book / "how_to_read.md")


def test_a_page_of_known_length_takes_known_minutes():
    text = "two words " * 200 + "[a link](https://example.org/a) <span data-claim='x'>3</span>"
    assert reading_time.reckoned(text) == pytest.approx((200 * 2 + 3) / 200 + 3 / 60)
    assert reading_time.reckoned("", lines=30, pictures=2) == pytest.approx(2.0)
    assert [reading_time.rounded(one) for one in (0.4, 7.4, 7.6)] == [5, 5, 10]


# Digits that prose may have: settings and definitions, never results. Pattern -> where it comes from.
DIGITS = {
    r"95 % interval": "the rules, first page of the book",
    r"97\.5 % of": "the rules; the point of a distribution that a cell names",
    r"About \d+ minutes": "reading time",
    r"[\d.]+/255": "radii of attacks, in cells beside",
    r"\[chapter \d ": "a link, whose address is gone already",
    r"α = \.\d+": "a dose, which a cell beside has",
    r"class 0\b": "an index",
    r"confidence of about 0\.8\. If about 80 %": "an example made up in the text",
    r"0\.5 is chance": "definition of AUROC",
    r"5 and 50 bins": "a setting of the cell below",
    r"leads by about 17": "rounding in float32, log(2^24)",
    r"is exactly 1": "rounding in float32",
    r": 1 is straight|origin, 0 tangential": "range of a cosine",
    r"MobileNetV2|CIFAR-10|ResNet-\d+": "a name",
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_holds_no_typed_number(path):
    """Results in prose are read from cells; digits are allowed in mathematics, code, links, lists and DIGITS."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = SPAN.sub("", cell.source)  # numbers that the records hold: tests/statements
            text = re.sub(r"\[[^\]]*\]\(http[^)]*\)", "", text)  # works, with their years
            text = re.sub(r"(?sm)```.*?```|^    .*?$|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", " ", text)
            text = re.sub(r"(?m)^\s*\d+\. ", "", text)
            for pattern in DIGITS:
                text = re.sub(pattern, "", text)
            assert not re.search(r"\d", text), f"{cell.id}: {re.search(r'.{0,30}[0-9].{0,30}', text)[0]}"


def anchors(path):
    """What a link can lead to: slugs of the headings of two levels, as the book's builder makes them, and names."""
    headings = re.findall(r"^##? (.*)$", prose(path), re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
    words = glossary() if path.name == "glossary.md" else ()
    return slugs | set(re.findall(r"^\((.+)\)=$", prose(path), re.MULTILINE)) | set(words)


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "book").glob("*.md")), *NOTEBOOKS, *OTHERS], ids=lambda path: path.stem
)
def test_a_link_to_a_section_leads_to_a_heading(path):
    for page, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", prose(path)):
        target = (path.parent / page).resolve() if page else path
        assert anchor in anchors(target), f"{path.name}: {target.name} has no section #{anchor}"


def test_what_pages_import_from_the_package_is_there():
    """In prose, commands and code of the Markdown pages; notebooks are executed."""
    found = [
        (path.name, module, name)
        for path in (*ROOT.glob("*.md"), *(ROOT / "book").glob("*.md"))
        for module, names in re.findall(r"from (softlab[\w.]*) import ([a-zA-Z_, ]+)", path.read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", names)
    ]
    assert len(found) > 5
    for page, module, name in found:
        own = importlib.import_module(module)
        there = hasattr(own, name) or importlib.util.find_spec(f"{module}.{name}")
        assert there, f"{page}: from {module} import {name}"


def test_nothing_tells_anybody_to_install_the_unrelated_package():
    tracked = [*ROOT.glob("*.md"), *(ROOT / "book").rglob("*.md"), *NOTEBOOKS, *(ROOT / "softlab").rglob("*.py")]
    for path in tracked:
        words = " ".join(path.read_text(encoding="utf-8").split())
        assert "pip install softlab " not in words + " ", path
        assert "pip install -q softlab " not in words + " ", path


@pytest.mark.slow
def test_one_notebook_alone_from_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("SOFTLAB_RESULTS")
    notebook = ROOT / "notebooks" / "soft_labels.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--inject-output-path",
        "--no-progress-bar",
        str(notebook),
        "out.ipynb",
    ]
    command += ["-p", "profile", "smoke", "-p", "seeds", "1", "-y", "{overrides: {epochs: 1}}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    outputs = [output for cell in code_cells(tmp_path / "out.ipynb") for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    results = json.loads((tmp_path / "out.results.json").read_text())
    assert {one["seed"] for one in results["measurements"]} == {0}


OWN_METHOD = [
    """
from dataclasses import dataclass
from softlab import fit_or_load, load_profile, regularizers

factor = {factor}

def scaled(loss):
    return factor * loss

@regularizers.register("mine")
@dataclass(frozen=True)
class Mine(regularizers.Regularizer):
    def loss(self, logits, targets, features, head, progress):
        return scaled(regularizers.cross_entropy(logits, targets))
""",
    """
(experiment,) = load_profile("smoke", methods={{"mine": {{}}}}, seeds=1, epochs=1).experiments()
print(fit_or_load(experiment).id)
""",
]


@pytest.mark.slow
def test_a_reader_adds_a_method_in_a_notebook_and_a_change_of_it_is_another_run(tmp_path):
    ids = []
    for factor in (1, 2, 2):
        cells = [nbformat.v4.new_code_cell(source.format(factor=factor).strip()) for source in OWN_METHOD]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "own.ipynb")
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", "own.ipynb", "out.ipynb", "-k", "python3"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        said = [one.text for one in code_cells(tmp_path / "out.ipynb")[1].outputs if one.name == "stdout"]
        ids.append("".join(said).strip())  # on a slow machine there is a bar, too
    assert ids[0].startswith("mine-seed0-")
    assert ids[0] != ids[1]
    assert ids[1] == ids[2]
