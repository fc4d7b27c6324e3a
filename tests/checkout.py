"""Copies of the repository in which the real engine builds books: the smoke book, and a small one made in a minute.

A book is built once for all tests and all workers of pytest-xdist; a test that changes it works on a copy.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from filelock import FileLock

ROOT = Path(__file__).parent.parent
PARTS = ("_config.yml", "_toc.yml", "pyproject.toml", "benchmarks", "book", "notebooks", "softbook", "softlab")
PARTS += ("softlabels.py", "tools", "workflow")
# The small book: these two notebooks, each of these cells, and six networks, which both show.
CHAPTERS = ("soft_labels", "cosines")
CELLS = {
    "parameters": 'profile = "quick"\nseeds = None\noverrides = {}',
    "begin": """
from softbook import begin
from softbook.page import results
from softlab.comparison.intervals import means
from softbook.page.chapter import say
from softlab import fit_or_load
from softlab.figures.tables import table
settings = begin(profile, seeds, overrides)
""",
    "train": """
runs = {method: [] for method in settings.methods}
for experiment in settings.experiments():
    runs[experiment.method].append(fit_or_load(experiment))
accuracy = {name: {run.experiment.seed: run.history["accuracy"][-1] for run in of} for name, of in runs.items()}
""",
    "tell": """
say(f"of {sum(map(len, runs.values()))} networks.")
table({"accuracy": {method: one.text() for method, one in means(accuracy).items()}})
""",
    "draw": 'import matplotlib.pyplot as plt\nplt.plot([accuracy["mixup"][0], 1.0]);',
    "save": 'print("numbers are in", results.save("NAME", settings, numbers={"accuracy": accuracy}).name)',
}
OTHER = {"draw": "from softlab.lenses import selective"}  # what the second has of its own, when the book is first made


class Checkout:
    """A copy of the repository with a store of its own."""

    def __init__(self, folder: Path, chapters: int | None = None, fill: bool = True):
        """chapters: with only so many notebooks.  fill=False: the copy is there already."""
        self.folder = folder
        self.build = folder / "_build" / "smoke"
        if fill:
            self.fill(chapters)
        self.environment = os.environ | {
            "PYTHONPATH": str(folder),
            "SOFTLAB_STORE": str(folder / "runs"),
            "XDG_CACHE_HOME": str(folder / "home"),
        }
        self.environment.pop("SOFTLAB_REPOSITORY", None)

    def fill(self, chapters):
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, self.folder / part, **({"ignore": ignore} if (ROOT / part).is_dir() else {}))
        for notebook in sorted((self.folder / "notebooks").glob("*.ipynb"))[chapters:] if chapters else ():
            notebook.unlink()
            self.edit("_toc.yml", f"      - file: notebooks/{notebook.stem}\n", "")
            pages = [path for part in ("book", "notebooks") for path in (self.folder / part).iterdir()]
            for page in (path for path in pages if path.suffix in (".md", ".ipynb")):  # nor links to it
                page.write_text(re.sub(rf"\]\([^\s()]*{notebook.name}[^\s()]*\)", "]", page.read_text()))
        contents = (self.folder / "_toc.yml").read_text()  # nor parts of the book without any page
        (self.folder / "_toc.yml").write_text(re.sub(r"  - caption: .*\n    chapters:\n(?=  - |\Z)", "", contents))
        (self.folder / "home").mkdir()

    def command(self):
        snakemake = str(Path(sys.executable).with_name("snakemake"))
        options = ["--snakefile", "workflow/Snakefile", "--profile", "workflow/profiles/local"]
        return [snakemake, *options, "--config", "profile=smoke"]

    def start(self):
        return subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def make(self):
        """Exit code and everything printed by the engine and by the last step of `make book`."""
        process = self.start()
        said = process.communicate(timeout=1800)[0]
        if process.returncode == 0:
            last = [sys.executable, "workflow/summary.py", "_build/smoke"]
            done = subprocess.run(last, cwd=self.folder, env=self.environment, capture_output=True, text=True)
            return done.returncode, said + done.stdout + done.stderr
        return process.returncode, said

    def would(self, *options):
        """What an engine would do, by its dry run: each step in a line."""
        command = [*self.command(), "--dry-run", "--quiet", "reason", "host", *options]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted(re.findall(r"(?m)^Job \d+: (.*)$", done.stdout + done.stderr))

    def edit(self, file, old, new):
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def runs(self):
        """The names of the networks in its store."""
        return {path.name for path in (self.folder / "runs").glob("*-seed*")}


def built(folder, chapters=None, prepare=None):
    """A checkout with its book, which `prepare` may have changed before."""
    made = Checkout(folder, chapters)
    if prepare:
        prepare(made)
    code, made.said = made.make()
    assert code == 0, made.said
    return made


def write_notebook(checkout, name, **changed):
    """A notebook of the small book, with some cells changed."""
    cells = [nbformat.v4.new_markdown_cell(f"# {name}", id="title")]
    for key, source in (CELLS | changed).items():
        cells.append(nbformat.v4.new_code_cell(source.replace("NAME", name).strip(), id=key))
    cells[1].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = checkout.folder / "notebooks" / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def make_small(checkout):
    """Leave two short notebooks and three methods of a checkout, one page of prose, and two of the recorded tables."""
    for study in [path for path in (checkout.folder / "softbook" / "records").iterdir() if path.name != "core"]:
        shutil.rmtree(study)
    for path in (checkout.folder / "softbook" / "records" / "core").rglob("*.*"):
        if path.stem not in ("about", "quick-confirm", "quick-fp32"):
            path.unlink()
    for page in [page for page in (checkout.folder / "book").iterdir() if page.suffix in (".md", ".ipynb")]:
        page.unlink()
    (checkout.folder / "book" / "intro.md").write_text("# A small book\n")
    for page in ("numbers", "speed", "batch"):  # which the site's job fills
        (checkout.folder / "book" / f"{page}.md").write_text(f"# {page}\n")
    pages = ("book/this_build", *(f"notebooks/{name}" for name in CHAPTERS))
    files = "".join(f"      - file: {name}\n" for name in pages)
    (checkout.folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/intro\nparts:\n  - chapters:\n{files}")
    for path in (checkout.folder / "notebooks").glob("*.ipynb"):
        path.unlink()
    for name in CHAPTERS:
        write_notebook(checkout, name, **(OTHER if name == CHAPTERS[1] else {}))
    profile = checkout.folder / "softlab" / "profiles" / "smoke.yaml"
    profile.write_text(re.sub(r"(?m)^  (cutmix|maxsup): .*\n", "", profile.read_text()))


def shared(factory, name, **options):
    """A book that is built once and looked at by all tests; what the build said is in `said`.

    In the folder SOFTLAB_BOOKS, if it is set: there test runs that follow each other find it too.
    """
    one_worker = "PYTEST_XDIST_WORKER" not in os.environ
    shelf = factory.getbasetemp() if one_worker else factory.getbasetemp().parent
    if kept := os.environ.get("SOFTLAB_BOOKS"):
        shelf = Path(kept).resolve()
    place = shelf / name
    said = place.with_suffix(".txt")
    with FileLock(place.with_suffix(".lock")):  # another worker may be building it
        if not said.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            said.write_text(built(place, **options).said)
    made = Checkout(place, fill=False)
    made.said = said.read_text()
    return made


def copy_of(made, folder):
    """The same book to work on."""
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    copy = Checkout(folder, fill=False)
    copy.said = made.said
    return copy
