"""What `make publish` leaves: a folder that works under any path, or nothing."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import archives
import build_site
import nbformat
import publish as publishing
import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    "index.html": '<meta http-equiv="Refresh" content="0; url=book/intro.html" />',
    "book/intro.html": """<a href="../notebooks/a%20chapter.html#part">a</a> <a href="#here">b</a> <a href="..">c</a>
        <a href="https://example.org/x">d</a> <img src="../_images/one.png?v=1"> <img src="data:image/png,">""",
    "notebooks/a chapter.html": '<a href="mailto:a@example.org">a</a> <link href="../_static/style.css">',
    "_images/one.png": "",
    "_static/style.css": "",
    ".built": "quick 1",
}


@pytest.fixture
def site(tmp_path):
    for name, text in PAGES.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(text)
    return tmp_path / "site"


def publish(site):
    command = [sys.executable, "tools/publish.py", site, site.parent / "published"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_site_is_copied_without_the_builds_own_notes(site):
    old = site.parent / "published" / "old.html"
    old.parent.mkdir()
    old.write_text("from an earlier version")
    done = publish(site)
    assert done.returncode == 0, done.stderr
    assert str(site.parent / "published") in done.stdout
    copied = {str(path.relative_to(old.parent)) for path in old.parent.rglob("*") if path.is_file()}
    assert copied == {*PAGES, ".nojekyll"} - {".built"}


@pytest.mark.parametrize(
    "link",
    [
        '<a href="gone.html">',
        '<img src="../_images/gone.png">',
        '<a href="/book/intro.html">',
        '<a href="//example.org">',
        '<a href="../../outside.html">',
        '<meta http-equiv="refresh" content="0; url=gone.html">',
    ],
)
def test_a_link_that_leads_nowhere_or_starts_at_the_root_is_named_and_nothing_is_published(site, link):
    (site.parent / "outside.html").write_text("there, but no part of the site")
    (site / "book" / "intro.html").write_text(link)
    done = publish(site)
    assert done.returncode != 0
    assert "not published, 1 links lead nowhere:\nbook/intro.html: " in done.stderr
    assert not (site.parent / "published").exists()


def test_what_was_published_before_stays_until_there_is_something_better(site):
    assert publish(site).returncode == 0
    (site / "book" / "intro.html").write_text('<a href="gone.html">')
    assert publish(site).returncode != 0
    assert (site.parent / "published" / "book" / "intro.html").read_text() == PAGES["book/intro.html"]


def test_without_a_book_it_says_how_to_make_one(site):
    (site / "index.html").unlink()
    assert "run `make book` first" in publish(site).stderr


def test_where_a_page_has_room_for_it_the_archive_of_its_chapter_is_offered(site, monkeypatch):
    def build_wheels(folder):
        wheels = [folder / "softlab_book-1-py3-none-any.whl", folder / "softlab_library-1-py3-none-any.whl"]
        for wheel in wheels:
            wheel.write_bytes(b"a wheel")
        return wheels

    monkeypatch.setattr(archives, "build_wheels", build_wheels)
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Cones")])
    build_site.add_foot(chapter, "cones", None)
    assert ".zip" not in chapter.cells[-1].source  # of a book that is only built
    page = "notebooks/a chapter.html"
    (site / page).write_text(chapter.cells[-1].source)
    published = site.parent / "published"
    publishing.main(site, published)
    (link,) = re.findall('href="(.*?)"', (published / page).read_text())
    with zipfile.ZipFile((published / page).parent / link) as archive:
        names = {Path(name).name for name in archive.namelist()}
        assert names == {"READ_ME.txt", "cones.ipynb", *(wheel.name for wheel in build_wheels(site))}
        assert archive.read("cones/cones.ipynb") == (ROOT / "notebooks" / "cones.ipynb").read_bytes()
