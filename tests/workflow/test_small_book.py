"""From notebooks to pages with the real engine: what is made again after a change, and what a fault leaves."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import build_site
import pytest
from checkout import CHAPTERS


def page(checkout, name):
    """The text of a page."""
    text = (checkout.folder / "_build" / "html" / f"{name}.html").read_text()
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def made(checkout):
    """What an engine did: the exit code, which notebooks it executed, and what it said."""
    code, said = checkout.make()
    return code, sorted(re.findall(r"executed (\w+)", said)), said


def test_the_first_build_executes_and_renders_and_two_notebooks_share_their_networks(small_book):
    assert len(small_book.runs()) == 6
    for name in CHAPTERS:
        assert small_book.said.count(f"executed {name}") == 1
    assert "_build/html/index.html" in small_book.said
    assert "Of 6 networks" in page(small_book, "notebooks/cosines")


def test_with_nothing_changed_nothing_runs(small_book):
    before = {path: path.stat().st_mtime_ns for path in small_book.build.rglob("*.ipynb")}
    assert made(small_book)[:2] == (0, [])
    assert before == {path: path.stat().st_mtime_ns for path in small_book.build.rglob("*.ipynb")}


@pytest.mark.slow
@pytest.mark.sampled
def test_plain_sphinx_gives_the_same_pages(small_book, tmp_path):
    """Without jupyter-book, from what it is given; but for laboratory, playground and addresses of the past."""
    site = tmp_path / "site"
    rendered = tmp_path / "html"
    assemble = "import sys, pathlib, build_site; build_site.assemble(*map(pathlib.Path, sys.argv[1:]), [])"
    places = [small_book.folder, small_book.folder / "workflow", site / "book" / "_ext"]  # conf.py knows no local ones
    environment = small_book.environment | {"PYTHONPATH": os.pathsep.join(map(str, places))}
    programs = Path(sys.executable).parent
    for command in (
        [sys.executable, "-c", assemble, small_book.build, site],
        [programs / "jupyter-book", "config", "sphinx", site],
        [programs / "sphinx-build", "-n", "-W", "--keep-going", "-b", "html", site, rendered],
    ):
        done = subprocess.run(command, cwd=small_book.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    built = small_book.folder / "_build" / "html"

    def texts(html):
        pages = {path.relative_to(html): path.read_text() for path in html.rglob("*.html")}
        later = ("laboratory", "playground", *map(Path, build_site.MOVED))
        shown = {path: text for path, text in pages.items() if path not in later and path.parts[0] not in later}
        return {path: re.sub(r"\s+", " ", text) for path, text in shown.items()}

    assert len(texts(built)) > len(CHAPTERS) + 2
    assert texts(rendered) == texts(built)
    pictures = {path.name: path.read_bytes() for path in (built / "_images").iterdir()}
    assert {path.name: path.read_bytes() for path in (rendered / "_images").iterdir()} == pictures


@pytest.mark.parametrize(
    ("file", "old", "new", "reached"),
    [
        ("softbook/cli.py", "keep its record", "keep the record", []),
        ("softlab/lenses/selective.py", "import ", "import  ", [CHAPTERS[1]]),
        ("softbook/studies/laws.yml", "method: maxsup", "method:  maxsup", [*CHAPTERS]),
        ("softbook/chapters.yaml", "dropout: 0.5", "dropout: 0.4", []),
    ],
)
def test_an_edit_reaches_only_what_reads_it(small_book, file, old, new, reached):
    small_book.edit(file, old, new)
    try:
        steps = small_book.would()
    finally:
        small_book.edit(file, new, old)
    assert sorted(step for step in steps if step.startswith("execute")) == [
        f"execute {name}" for name in sorted(reached)
    ]
    assert not [step for step in steps if step.startswith("train")]
    assert ("build the site" in steps) == bool(reached)


@pytest.mark.slow
@pytest.mark.sampled
def test_an_edited_page_renders_and_no_notebook_runs(small_book):
    small_book.edit("book/intro.md", "A small book", "An edited book")
    code, executed, said = made(small_book)
    assert (code, executed) == (0, []), said
    assert "An edited book" in page(small_book, "book/intro")


@pytest.mark.slow
@pytest.mark.sampled
def test_code_of_training_that_changes_executes_what_fits_networks_and_trains_none_of_its_own_version(small_book):
    path = small_book.folder / "softlab" / "training" / "loop.py"
    path.write_text(path.read_text() + "\n# changed\n")
    before = small_book.runs()
    code, executed, said = made(small_book)
    assert (code, executed) == (0, sorted(CHAPTERS)), said
    assert small_book.runs() == before
    assert made(small_book)[:2] == (0, [])


@pytest.mark.slow
@pytest.mark.sampled
def test_a_new_version_of_a_method_trains_its_own_runs_again(small_book):
    before = small_book.runs()
    path = small_book.folder / "softlab" / "regularizers" / "soft_labels.py"
    head, own, rest = path.read_text().partition("class LabelSmoothing(Regularizer):")
    path.write_text(head + own + rest.replace("version = 1", "version = 2", 1))
    code, _, said = made(small_book)
    assert code == 0, said
    new = sorted(name.rpartition("-")[0] for name in small_book.runs() - before)
    assert new == ["label_smoothing-seed0", "label_smoothing-seed1"]


@pytest.mark.slow
@pytest.mark.sampled
def test_a_page_that_does_not_come_out_is_an_error(small_book):
    before = (small_book.folder / "book" / "intro.md").read_text()
    (small_book.folder / "book" / "intro.md").write_text(f"{before}\nSee [](nowhere.md).\n")
    code, _, said = made(small_book)
    assert code != 0
    assert "nowhere.md" in said
    (small_book.folder / "book" / "intro.md").write_text(before)
    assert made(small_book)[0] == 0
    (small_book.build / "html" / "index.html").write_text("")
    last = [sys.executable, "workflow/summary.py", "_build/smoke"]
    done = subprocess.run(last, cwd=small_book.folder, env=small_book.environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no page came out" in done.stderr


@pytest.mark.slow
@pytest.mark.sampled
def test_an_unknown_profile_is_named(small_book):
    command = [*small_book.command()[:-1], "profile=nonsense"]
    done = subprocess.run(command, cwd=small_book.folder, env=small_book.environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "unknown profile 'nonsense'" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.sampled
def test_ctrl_c_in_training_is_followed_by_the_same_command(small_book):
    for place in ("_build", "runs", ".snakemake"):
        shutil.rmtree(small_book.folder / place)
    process = small_book.start()
    while not small_book.runs():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    finished = {name: (small_book.folder / "runs" / name).stat().st_ino for name in small_book.runs()}
    code, executed, later = made(small_book)
    assert (code, executed) == (0, sorted(CHAPTERS)), later
    assert len(small_book.runs()) == 6
    assert all((small_book.folder / "runs" / name).stat().st_ino == place for name, place in finished.items())
