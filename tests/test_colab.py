"""The first cell of the notebooks, the way Colab meets it: torch is there, softlab is not, and no repository around."""

import os
import re
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import kernels
import nbformat
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PRESENT = ("papermill", "ipykernel", "pip", "pyautoattack")  # beside what softlab-book needs: no index is asked


def first_cell(path):
    return next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


class Machine:
    """A Python with the packages that a notebook needs, but without softlab, and an empty folder to work in."""

    def __init__(self, folder):
        self.work = folder / "work"
        self.work.mkdir()
        venv.create(folder / "venv")
        self.python = folder / "venv" / "bin" / "python"
        self.site = next((folder / "venv" / "lib").glob("python*/site-packages"))
        self.own = set(self.site.iterdir())
        present = folder / "present"
        present.mkdir()
        for entry in entries_of(needed([*metadata.requires("softlab-book"), *PRESENT])):
            (present / entry.name).symlink_to(entry)
        (self.site / "present.pth").write_text(f"{present}\n")
        self.own.add(self.site / "present.pth")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SOFTLAB_", "PYTHON", "VIRTUAL_ENV"))
        }
        self.environment = (
            kept
            | kernels.pinned(folder / "jupyter", str(self.python))
            | {
                "IPYTHONDIR": str(folder / "ipython"),
                "PIP_NO_INDEX": "1",
                "SOFTLAB_PROFILE": "smoke",
                "SOFTLAB_STORE": str(folder / "store"),
                "XDG_CACHE_HOME": str(folder / "cache"),
            }
        )

    def run(self, *command, **told):
        return subprocess.run(
            [self.python, *command],
            cwd=self.work,
            env=self.environment | told,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def cell(self, source, **told):
        """What a cell prints in IPython: %pip is none of Python's own words."""
        (self.work / "cell.ipy").write_text(source)
        return self.run("-m", "IPython", "--colors=NoColor", "cell.ipy", **told).stdout

    def installed(self):
        return {path.name for path in set(self.site.iterdir()) - self.own}


def needed(requirements):
    """The distributions that these requirements name, with all that they need in turn."""
    found = {}
    left = [Requirement(one) for one in requirements]
    while left:
        one = left.pop()
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            try:
                found[one.name] = metadata.distribution(one.name)
            except metadata.PackageNotFoundError:
                continue  # for another machine than this
            left += [Requirement(further) for further in found[one.name].requires or ()]
    return found.values()


def entries_of(distributions):
    """What these distributions have in site-packages: modules, packages, and their records."""
    tops = {
        Path(distribution.locate_file(file.parts[0]))
        for distribution in distributions
        for file in distribution.files
        if file.parts[0] not in ("..", "__pycache__")
    }
    return {top.name: top for top in tops}.values()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package as others get it; built from a copy, as setuptools leaves a folder behind."""
    copy = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "softlab", copy / "softlab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", copy, copy]
    subprocess.run(command, check=True)
    (built,) = copy.glob("*.whl")
    return built


def test_all_notebooks_begin_with_the_same_cell():
    assert len({first_cell(path).source for path in NOTEBOOKS}) == 1


def test_without_a_source_the_cell_says_in_one_line_what_is_missing(machine):
    said = machine.cell(re.sub(r'(?m)^source = ".*?"', 'source = ""', first_cell(NOTEBOOKS[0]).source))
    assert "ImportError: No module named 'softlab'; install softlab-book (in a checkout: pip install" in said
    assert said.count("Traceback") == 1
    assert not machine.installed()


def test_another_softlab_is_named_and_nothing_is_installed_over_it(machine):
    (machine.work / "softlab").mkdir()
    (machine.work / "softlab" / "__init__.py").write_text("version = 'somebody else'")
    told = {"SOFTLAB_SOURCE": "file:///nowhere.whl", "PYTHONPATH": str(machine.work)}
    said = machine.cell(first_cell(NOTEBOOKS[0]).source, **told)
    assert "cannot import name 'begin'" in said
    assert "install softlab-book (in a checkout: pip install" in said
    assert str(machine.work / "softlab") in said
    assert "installing" not in said


def test_a_source_that_holds_another_package_is_refused(machine, tmp_path):
    """The requirement names the distribution, so that an address can give nothing else."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "softlab"\nversion = "1"\n')
    said = machine.cell(first_cell(NOTEBOOKS[0]).source, SOFTLAB_SOURCE=other.as_uri(), PIP_NO_BUILD_ISOLATION="0")
    assert "ImportError: No module named 'softlab'" in said
    assert not machine.installed()


@pytest.mark.slow
def test_notebooks_run_alone_in_an_empty_folder_and_install_nothing_but_softlab(machine, wheel, book, tmp_path):
    """One notebook installs and trains; after it the others run two at a time, on the networks of the built book."""

    def execute(path):
        shutil.copy(path, machine.work)
        executed = machine.work / f"{path.stem}.out.ipynb"
        done = machine.run("-m", "papermill", "--no-progress-bar", path.name, executed.name, **source)
        assert done.returncode == 0, done.stdout[-3000:]
        return "".join(output.get("text", "") for output in first_cell(executed).outputs)

    source = {"SOFTLAB_SOURCE": wheel.as_uri()}
    torch = "import torch, torchvision; print(torch.__version__, torch.__file__, torchvision.__version__)"
    before = machine.run("-c", torch).stdout
    assert "No module named 'softlab'" in machine.run("-c", "import softlab").stdout
    said = execute(NOTEBOOKS[0])
    assert said.startswith(f"softlab is missing here: installing softlab-book from {wheel.as_uri()}\n")
    assert [*(tmp_path / "store").glob("*-seed*")]
    shutil.copytree(book.folder / "runs", tmp_path / "store", dirs_exist_ok=True)
    assert machine.installed() == {"softlab", f"softlab_book-{metadata.version('softlab-book')}.dist-info"}
    with ThreadPoolExecutor(2) as two:
        assert set(two.map(execute, NOTEBOOKS[1:])) == {""}  # nothing is missing any more
    assert machine.run("-c", torch).stdout == before
