"""The whole smoke book with the real engine: every page is there, complete, asks nobody, and can be published."""

import functools
import json
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urldefrag, urljoin
from urllib.request import urlopen

import address
import build_site
import jsonschema
import nbformat
import publish
import pytest
from checkout import ROOT

from softbook.cli import FOLDER

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_has_its_pictures_and_numbers_and_no_error(book, path):
    pages = book.folder / "_build" / "html" / "notebooks"
    text = (pages / f"{path.stem}.html").read_text()
    images = [dict(re.findall(r'(\w+)="(.*?)"', tag)) for tag in re.findall(r"<img [^>]*>", text)]
    drawn = [image for image in images if "_images" in image["src"]]
    charts = re.findall(r'<div class="chart" role="group" aria-label="(.*?)"', text)
    assert drawn or charts
    assert all(len(label) > 40 for label in charts)
    for image in drawn:
        assert len(image["alt"]) > 40
        assert (pages / image["src"]).stat().st_size > 5000
    unwanted = {"SoftlabError", "Traceback", "nan"} if path.stem[0].isdigit() else set()  # A1 shows errors
    assert not unwanted & set(re.sub(r"<[^>]*>", " ", text).split())
    found = json.loads((book.build / "notebooks" / f"{path.stem}.results.json").read_text())
    jsonschema.validate(found, json.loads((FOLDER / "page" / "results.schema.json").read_bytes()))
    assert found["measurements"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_checked_cells_print_what_the_committed_notebook_shows(book, path):
    def printed(notebook):
        cells = nbformat.read(notebook, as_version=4).cells
        checked = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", [])]
        return {
            cell.id: "".join(one.get("text", "") or str(one.get("data")) for one in cell.outputs) for cell in checked
        }

    assert printed(book.build / "notebooks" / path.name) == printed(path)


@pytest.mark.slow
def test_what_is_said_of_the_cover_is_computed(book):
    page = (book.folder / "_build" / "html" / "book" / "intro.html").read_text()
    assert re.search(r'alt="[^"]*Of \d+ regions \d+ on the left and \d+ on the right are closed all around\."', page)


def test_the_list_of_sweeps_leads_to_the_page_and_the_table_of_each(tmp_path):
    made = tmp_path / "build" / "sweeps" / "mine"
    made.mkdir(parents=True)
    (made / "report.html").write_text("<title>Wide &amp; deep</title>")
    (made / "table.csv").write_text("method,value")
    for folder in ("site", "html"):
        (tmp_path / folder / "book").mkdir(parents=True)
    listing = tmp_path / "site" / "book" / "batch.md"
    for names, shown in ((["mine"], ">Wide &amp; deep</a>"), ([], "*There are none yet.*")):
        listing.write_text("<!-- the list of sweeps -->")
        build_site.list_sweeps(tmp_path / "site", tmp_path / "build", names)
        build_site.add_sweeps(tmp_path / "html", tmp_path / "build", names)
        assert shown in listing.read_text()
        for link in re.findall(r'href="(.*?)"', listing.read_text()):
            assert (tmp_path / "html" / "book" / link).is_file()


@pytest.mark.parametrize("after", ["", "\n", "\n\nA sentence."])
def test_a_build_without_its_picture_has_a_cover_without_one(tmp_path, after):
    pages = tmp_path / "site" / "book"
    pages.mkdir(parents=True)
    (tmp_path / "build" / "notebooks").mkdir(parents=True)
    figure = "```{figure} _static/cover.png\n:alt: Two planes.\n\nA caption.\n```"
    cover = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# Title\n\n{figure}{after}")])
    nbformat.write(cover, pages / "intro.ipynb")
    build_site.add_cover(tmp_path / "site", tmp_path / "build")
    (cell,) = nbformat.read(pages / "intro.ipynb", as_version=4).cells
    assert cell.source.split() == f"# Title {after}".split()


def test_a_caption_is_of_one_picture():
    drawn = nbformat.v4.new_output("display_data", {"image/png": "UE5H"})
    limits = nbformat.v4.new_output("execute_result", {"text/plain": "(3.5, -0.5)"})
    said = nbformat.v4.new_output("stream", text="seed 0\n")

    line = "A line of the [ladder](../book/glossary.md#ladder)."

    def folded(*outputs):
        cells = [nbformat.v4.new_code_cell(outputs=[*outputs]), nbformat.v4.new_markdown_cell(f"**Figure.** {line}")]
        notebook = nbformat.v4.new_notebook(cells=cells)
        build_site.fold_captions(notebook)
        return [cell.metadata["mystnb"]["figure"]["caption"] for cell in notebook.cells]

    assert folded(said, drawn) == ["A line of the {term}`ladder <ladder>`."]
    with pytest.raises(SystemExit, match="more than the one picture"):
        folded(limits, drawn)


def test_a_chart_is_described_by_its_cell_s_words():
    page = '<div class="chart" role="group" aria-label="accuracy"><svg></svg></div>'
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", {"text/html": page})])
    cell.metadata["mystnb"] = {"image": {"alt": 'Two rows, "a" < b.'}}
    build_site.fold_captions(nbformat.v4.new_notebook(cells=[cell]))
    assert 'aria-label="Two rows, &quot;a&quot; &lt; b."><svg>' in cell.outputs[0].data["text/html"]


@pytest.mark.parametrize("movable", [True, False])
def test_the_cover_is_moved_by_the_numbers_of_the_chapters_explorable(tmp_path, movable):
    pages = tmp_path / "site" / "book"
    (pages / "_static").mkdir(parents=True)
    executed = tmp_path / "build" / "notebooks"
    executed.mkdir(parents=True)
    numbers = '{"classes": ["coat"], "labels": [0], "networks": {"baseline": []}}'
    page = f'<figure class="explorable" data-name="cones"><img>\n<script type="application/json">{numbers}</script>'
    drawn = [
        nbformat.v4.new_output("display_data", {"image/png": "UE5H"}),
        nbformat.v4.new_output("stream", text="None is closed.\n"),
    ]
    explorable = [nbformat.v4.new_output("display_data", {"text/html": page})] if movable else []
    cells = [
        nbformat.v4.new_code_cell(outputs=explorable),
        nbformat.v4.new_code_cell(outputs=drawn, metadata={"tags": ["cover"]}),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), executed / "cones.ipynb")
    cover = nbformat.read(ROOT / "book" / "intro.ipynb", as_version=4)
    before = {cell.id: cell.source for cell in cover.cells}
    nbformat.write(cover, pages / "intro.ipynb")
    build_site.add_cover(tmp_path / "site", tmp_path / "build")
    after = {cell.id: cell.source for cell in nbformat.read(pages / "intro.ipynb", as_version=4).cells}
    assert (pages / "_static" / "cover.png").read_bytes() == b"PNG"
    assert [name for name in before if before[name] != after[name]] == ["regions"]
    options, caption, *moves = after["regions"].split("\n\n")
    assert "smoothing. None is closed." in options
    assert f":figclass: {'explorable ' if movable else ''}cover" in options.splitlines()
    assert "{.moving}" in caption
    assert ('<span class="swatch" style="background: #1f77b4"></span> coat</span>' in caption) is movable
    script = f'<script type="application/json" data-name="planes">{numbers}</script>\n```'
    assert (moves == [script]) is movable
    assert after["regions"].endswith("```")


@pytest.mark.slow
def test_no_page_asks_another_host_for_anything(book):
    for path in (book.folder / "_build" / "html").rglob("*.html"):
        text = path.read_text()
        loads = re.findall(r"<(?:script|img|iframe)[^>]*src=\"(https?:)?//[^\"]+", text)
        loads += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"https?://[^\"]+", text)
        assert not loads, path


@pytest.mark.slow
def test_the_published_book_works_under_any_path(book, tmp_path):
    """Every page and file that a reader can come to, by a host whose root is somewhere above the book."""
    published = tmp_path / "some" / "sub" / "path"
    publish.main(book.folder / "_build" / "html", published)
    assert (published / ".nojekyll").is_file()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/some/sub/path/"
        seen = set()
        left = {root}
        while left:
            address = left.pop()
            seen.add(address)
            with urlopen(address) as answer:  # raises for what is not there
                page = answer.read() if answer.headers.get_content_type() == "text/html" else b""
            (tmp_path / "page.html").write_bytes(page)
            links = {urldefrag(urljoin(address, link)).url for link in publish.Links(tmp_path / "page.html").found}
            near = {link for link in links if link.startswith(f"http://127.0.0.1:{server.server_port}")}
            assert all(link.startswith(root) for link in near), address
            left |= near - seen
        server.shutdown()
    pages = {str(path.relative_to(published)) for path in published.glob("[bn]*/*.html")} - set(build_site.MOVED)
    assert pages <= {unquote(address.removeprefix(root)) for address in seen}


def test_the_repository_address_is_taken_only_if_it_is_one(monkeypatch):
    for given, expected in {
        "https://github.com/owner/name": "https://github.com/owner/name",
        "https://github.com/owner/name.git": "https://github.com/owner/name",
        "git@github.com:owner/name.git": "https://github.com/owner/name",
        "https://example.org/owner/name": None,
        "https://github.com/owner": None,
        "https://github.com/owner/name/tree/main": None,
        "": None,
    }.items():
        monkeypatch.setenv("SOFTLAB_REPOSITORY", given)
        assert address.of_repository() == expected
        assert ("launch_buttons" in build_site.configuration(expected)) == (expected is not None)
