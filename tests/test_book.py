"""The whole way from notebooks to pages, with the real engine, in a copy of the checkout."""

import functools
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin
from urllib.request import urlopen

import nbformat
import pytest
from checkout import ROOT, Checkout, built

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The whole book, to look at."""
    return built(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The book with its first chapter only, to work on."""
    return built(tmp_path_factory.mktemp("checkout"), chapters=1)


def names_of_runs(checkout):
    return {path.name for path in (checkout.folder / "runs").glob("*-seed*")}


class Page(HTMLParser):
    """Text, images and tables of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.images, self.tables, self.sliders, self.words = [], 0, 0, []
        self.feed(path.read_text())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
        self.tables += tag == "table"
        self.sliders += tag == "input" and dict(attributes).get("type") == "range"

    def handle_data(self, data):
        self.words.append(data)


def test_the_first_build_trains_executes_and_renders(checkout):
    assert checkout.said.count("trained ") == 10
    assert checkout.said.count("executed 01_soft_labels") == 1
    assert str(checkout.folder / "_build" / "html" / "index.html") in checkout.said
    assert re.search(r"training, 10 networks .* \d+\.\d s", checkout.said)
    assert re.search(r"[1-9] more to train, about \d+\.\d min", checkout.said)
    assert len(names_of_runs(checkout)) == 10
    index = (checkout.folder / "_build" / "html" / "index.html").read_text()
    assert "book/intro.html" in index


@pytest.mark.parametrize(
    ("chapter", "figures", "tables", "sliders"),
    [
        ("01_soft_labels", 4, 3, 1),
        ("02_cones", 2, 6, 3),
        ("03_magnitudes", 2, 7, 1),
        ("04_cosines", 2, 13, 1),
        ("05_calibration", 5, 18, 1),
        ("06_robustness", 2, 15, 2),
        ("07_maxsup", 3, 18, 1),
        ("08_causes", 2, 11, 0),
    ],
)
def test_a_chapter_has_its_figures_tables_and_sliders(book, chapter, figures, tables, sliders):
    page = page_with(book, chapter, figures, tables, sliders)
    assert re.search(r"(?i)supported|contradicted|mixed|undecided", page.text)
    for left in ("SoftlabError", "Traceback", "nan"):
        assert left not in page.text.split(), left
    found = json.loads((book.build / "notebooks" / f"{chapter}.results.json").read_text())
    assert found["verdicts"]
    assert {one["claim"] for one in found["verdicts"]} == {one["claim"] for one in found["evidence"]}


@pytest.mark.parametrize(
    ("appendix", "figures", "tables", "words"),
    [
        ("A1_your_regularizer", 2, 2, ("focal (gamma = 2.0) beside the baseline", "did you mean 'focal'?")),
        ("A2_your_network", 1, 4, ("found, not told", "name the one that does, head=", "all numbers:")),
    ],
)
def test_an_appendix_has_its_figures_and_tables(book, appendix, figures, tables, words):
    page = page_with(book, appendix, figures, tables, 0)
    for part in words:
        assert part.lower() in page.text.lower()
    found = json.loads((book.build / "notebooks" / f"{appendix}.results.json").read_text())
    assert found["measurements"]


def page_with(book, name, figures, tables, sliders):
    """The page of a notebook, with so many figures, all with an alt text, tables and sliders."""
    html = book.folder / "_build" / "html" / "notebooks"
    page = Page(html / f"{name}.html")
    drawn = [image for image in page.images if "_images" in image["src"]]
    assert (len(drawn), page.tables, page.sliders) == (figures, tables, sliders)
    assert all("alt" in image for image in page.images)
    for image in drawn:
        assert len(image["alt"]) > 40
        assert (html / image["src"]).stat().st_size > 5000
    assert "{glue" not in page.text
    return page


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_checked_cells_print_what_the_committed_notebook_shows(book, path):
    def printed(notebook):
        cells = nbformat.read(notebook, as_version=4).cells
        checked = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", [])]
        return {
            cell.id: "".join(one.get("text", "") or str(one.get("data")) for one in cell.outputs) for cell in checked
        }

    assert printed(book.build / "notebooks" / path.name) == printed(path)


def test_the_first_chapter_has_its_table_and_its_numbers(checkout):
    page = Page(checkout.folder / "_build" / "html" / "notebooks" / "01_soft_labels.html")
    for label in ("baseline", "label smoothing", "Mixup", "CutMix", "MaxSup"):
        assert label in page.text
    assert re.search(r"On the 300 test images the baseline is right on \d+\.\d %", page.text)
    assert re.search(r"Verdict: (supported|contradicted|mixed|undecided) \(exploratory\)", page.text)


def test_the_cover_and_the_page_about_the_build_have_their_numbers(checkout):
    html = checkout.folder / "_build" / "html" / "book"
    assert "What you read was computed from 10 networks" in Page(html / "intro.html").text
    build = Page(html / "this_build.html")
    assert "01_soft_labels" in build.text
    assert build.tables == 1


def test_what_is_said_of_the_cover_is_computed(book):
    (cover,) = (one for one in Page(book.folder / "_build/html/book/intro.html").images if "cover" in one["src"])
    assert re.search(r"Of \d+ regions \d+ on the left and \d+ on the right are closed all around\.$", cover["alt"])


def test_no_page_asks_another_host_for_anything(book):
    for path in (book.folder / "_build" / "html").rglob("*.html"):
        text = path.read_text()
        loads = re.findall(r"<(?:script|img|iframe)[^>]*src=\"(https?:)?//[^\"]+", text)
        loads += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"https?://[^\"]+", text)
        assert not loads, path


def test_with_nothing_changed_nothing_runs(checkout):
    before = {path: path.stat().st_mtime_ns for path in checkout.build.rglob("*.ipynb")}
    code, said = checkout.make()
    assert code == 0
    assert not re.search("trained|executing", said)
    assert before == {path: path.stat().st_mtime_ns for path in checkout.build.rglob("*.ipynb")}


def test_an_edited_page_renders_and_executes_nothing(checkout):
    checkout.edit("book/intro.md", "How to read", "How to read this")
    code, said = checkout.make()
    assert code == 0, said
    assert not re.search("trained|executing", said)
    assert "How to read this" in Page(checkout.folder / "_build" / "html" / "book" / "intro.html").text


def test_an_edited_notebook_is_executed_and_trains_nothing(checkout):
    checkout.edit("notebooks/01_soft_labels.ipynb", "What a soft label is", "What soft labels are")
    code, said = checkout.make()
    assert code == 0, said
    assert said.count("executed 01_soft_labels") == 1
    assert "trained" not in said


def test_a_changed_method_retrains_its_runs_and_no_others(checkout):
    checkout.edit(
        "softlab/regularizers/soft_labels.py",
        "alpha * top_logit_excess(logits)",
        "0.5 * alpha * top_logit_excess(logits)",
    )
    code, said = checkout.make()
    assert code == 0, said
    assert sorted(set(re.findall(r"trained (\w+-seed\d)", said))) == ["maxsup-seed0", "maxsup-seed1"]
    assert said.count("trained ") == 2
    assert len(list((checkout.folder / "runs").glob("*-seed*"))) == 12


def test_a_notebook_that_raises_is_named_with_its_cell_and_kept(checkout):
    good = (checkout.folder / "notebooks" / "01_soft_labels.ipynb").read_text()
    checkout.edit("notebooks/01_soft_labels.ipynb", "runs = study(settings)", "runs = study(settings) / 0")
    code, said = checkout.make()
    assert code != 0
    assert "notebooks/01_soft_labels.ipynb failed: cell 'train': TypeError" in said
    assert (checkout.build / "notebooks" / "01_soft_labels.failed.ipynb").exists()
    (checkout.folder / "notebooks" / "01_soft_labels.ipynb").write_text(good)
    code, said = checkout.make()
    assert code == 0, said
    assert not (checkout.build / "notebooks" / "01_soft_labels.failed.ipynb").exists()


def test_a_run_that_left_the_store_is_trained_again(checkout):
    gone = sorted(names_of_runs(checkout))[0]
    shutil.rmtree(checkout.folder / "runs" / gone)
    code, said = checkout.make()
    assert code == 0, said
    assert f"trained {gone}" in said
    assert said.count("trained ") == 1


def test_an_unknown_profile_is_named(checkout):
    command = [*checkout.command()[:-1], "profile=nonsense"]
    done = subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "unknown profile 'nonsense'" in done.stdout + done.stderr


def test_a_page_that_does_not_come_out_is_an_error(checkout):
    checkout.edit("book/intro.md", "start with [](../notebooks/01_soft_labels.ipynb)", "start with [](nowhere.md)")
    code, said = checkout.make()
    assert code != 0
    assert "nowhere.md" in said
    index = checkout.build / "html" / "index.html"
    checkout.edit("book/intro.md", "start with [](nowhere.md)", "start with [](../notebooks/01_soft_labels.ipynb)")
    assert checkout.make()[0] == 0
    index.write_text("")
    last = [sys.executable, "workflow/summary.py", "_build/smoke"]
    done = subprocess.run(last, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no page came out" in done.stderr


def test_ctrl_c_in_training_is_followed_by_the_same_command(tmp_path):
    fresh = Checkout(tmp_path, chapters=1)
    process = fresh.start()
    said = ""
    while "trained " not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    os.killpg(process.pid, signal.SIGINT)
    said += process.communicate(timeout=120)[0]
    assert process.returncode != 0
    finished = names_of_runs(fresh)
    assert 0 < len(finished) < 10
    code, later = fresh.make()
    assert code == 0, later
    again = set(re.findall(r"trained ([\w-]+-seed\d-\w+)", later))
    assert not finished & again
    assert len(finished | again) == 10


def test_the_published_book_works_under_any_path(book, tmp_path, monkeypatch):
    """Every page and file that a reader can come to, by a host whose root is somewhere above the book."""
    monkeypatch.syspath_prepend(str(ROOT / "workflow"))
    publish = importlib.import_module("publish")
    published = tmp_path / "some" / "sub" / "path"
    publish.main(book.folder / "_build" / "html", published)
    assert (published / ".nojekyll").is_file()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/some/sub/path/"
        seen, left = set(), {root}
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
    pages = {str(path.relative_to(published)) for path in published.glob("[bn]*/*.html")}
    assert pages <= {unquote(address.removeprefix(root)) for address in seen}


def test_the_repository_address_is_taken_only_if_it_is_one(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "workflow"))
    module = importlib.import_module("build_site")
    for address, expected in {
        "https://github.com/owner/name": "https://github.com/owner/name",
        "https://github.com/owner/name.git": "https://github.com/owner/name",
        "git@github.com:owner/name.git": "https://github.com/owner/name",
        "https://example.org/owner/name": None,
        "https://github.com/owner": None,
        "https://github.com/owner/name/tree/main": None,
        "": None,
    }.items():
        monkeypatch.setenv("SOFTLAB_REPOSITORY", address)
        assert module.repository_address() == expected
        assert ("launch_buttons" in module.configuration(expected)) == (expected is not None)
