"""From notebooks to pages with the real engine: what is made again after a change, and what a fault leaves."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import build_site
import pytest
from checkout import CHAPTERS


def page(checkout, name):
    """The text of a page."""
    text = (checkout.folder / "_build" / "html" / f"{name}.html").read_text()
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def made(checkout):
    """What an engine did: (the exit code, how many networks and how many notebooks it made)."""
    code, said = checkout.make()
    return code, said.count("trained "), said.count("executed "), said


def test_the_first_build_trains_executes_and_renders(small_book):
    assert small_book.said.count("trained ") == 6
    assert len(small_book.runs()) == 6
    for name in CHAPTERS:
        assert small_book.said.count(f"executed {name}") == 1
    assert "_build/html/index.html" in small_book.said
    assert re.search(r"training, 6 networks .* \d+\.\d s", small_book.said)
    assert "Of 6 networks" in page(small_book, "notebooks/cosines")


def test_with_nothing_changed_nothing_runs(small_book):
    before = {path: path.stat().st_mtime_ns for path in small_book.build.rglob("*.ipynb")}
    assert made(small_book)[:3] == (0, 0, 0)
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


def test_with_other_cores_networks_are_shared_out_anew_and_no_notebook_runs(small_book):
    assert small_book.would("--cores", "1") == ["train 6 networks"]
    assert small_book.would("--cores", "3") == ["train 2 networks"] * 3


def test_an_edited_notebook_runs_also_where_networks_are_shared_out_anew(small_book):
    """As after a pull of new code with new networks: what is below a job that is due is made again if it is older."""
    edit = (f"notebooks/{CHAPTERS[1]}.ipynb", "of {sum(map(len, runs.values()))} networks.", "of so many networks.")
    small_book.edit(*edit)
    try:
        steps = small_book.would("--cores", "1")
    finally:
        small_book.edit(edit[0], edit[2], edit[1])
    assert [step for step in steps if "networks" in step and step.startswith("train")] == ["train 6 networks"]
    assert sorted(step for step in steps if step.startswith("execute")) == [f"execute {CHAPTERS[1]}"]
    assert "build the site" in steps


@pytest.mark.slow
@pytest.mark.sampled
def test_an_edited_page_renders_and_a_run_that_left_the_store_is_trained_again(small_book):
    small_book.edit("book/intro.md", "A small book", "An edited book")
    code, trained, executed, said = made(small_book)
    assert (code, trained, executed) == (0, 0, 0), said
    assert "An edited book" in page(small_book, "book/intro")
    gone = sorted(small_book.runs())[0]
    shutil.rmtree(small_book.folder / "runs" / gone)
    code, trained, _, said = made(small_book)
    assert (code, trained) == (0, 1), said
    assert f"trained {gone}" in said


@pytest.mark.slow
@pytest.mark.sampled
def test_code_of_training_and_a_notebook_that_change_together_are_both_made_in_one_call(small_book):
    """Snakemake does not ask of jobs below one with newer inputs whether they have some of their own."""
    path = small_book.folder / "softlab" / "training" / "loop.py"
    notebook = f"notebooks/{CHAPTERS[1]}.ipynb"
    path.write_text(path.read_text() + "\n# changed\n")
    small_book.edit(notebook, "of {sum(map(len, runs.values()))} networks.", "of all {sum(map(len, runs.values()))}.")
    code, trained, _, said = made(small_book)
    assert (code, trained) == (0, 0), said
    assert f"executed {CHAPTERS[1]}" in said
    assert "of all 6" in page(small_book, f"notebooks/{CHAPTERS[1]}").lower()
    assert made(small_book)[:3] == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.sampled
def test_a_new_version_of_a_method_trains_its_own_runs_again(small_book):
    path = small_book.folder / "softlab" / "regularizers" / "soft_labels.py"
    head, own, rest = path.read_text().partition("class LabelSmoothing(Regularizer):")
    path.write_text(head + own + rest.replace("version = 1", "version = 2", 1))
    code, _, _, said = made(small_book)
    assert code == 0, said
    assert sorted(re.findall(r"trained (\w+-seed\d)", said)) == ["label_smoothing-seed0", "label_smoothing-seed1"]
    assert len(small_book.runs()) == 8


@pytest.mark.slow
@pytest.mark.sampled
def test_a_page_that_does_not_come_out_is_an_error(small_book):
    before = (small_book.folder / "book" / "intro.md").read_text()
    (small_book.folder / "book" / "intro.md").write_text(f"{before}\nSee [](nowhere.md).\n")
    code, *_, said = made(small_book)
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
    said = ""
    while "trained " not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    os.killpg(process.pid, signal.SIGINT)
    said += process.communicate(timeout=120)[0]
    assert process.returncode != 0
    finished = small_book.runs()
    assert 0 < len(finished) < 6
    code, _, _, later = made(small_book)
    assert code == 0, later
    again = set(re.findall(r"trained ([\w-]+-seed\d-\w+)", later))
    assert not finished & again
    assert len(finished | again) == 6
