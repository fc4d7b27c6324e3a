"""The first cell of the notebooks, the way Colab meets it: torch is there, softlab is not, and no repository around."""

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from machine import Machine

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What Colab has, beside what softlab needs: no index is asked.
PRESENT = (
    "papermill",
    "ipykernel",
    "pip",
    "pyautoattack",
    "pandas",
    "scikit-learn",
    "matplotlib",
    "ipywidgets",
    "jinja2",
)


def first_cell(path):
    return next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def colab(folder):
    return Machine(folder, [*metadata.requires("softlab-library"), *PRESENT])


def torch_of(machine):
    code = "import torch, torchvision; print(torch.__version__, torch.__file__, torchvision.__version__)"
    return machine.run("-c", code).stdout


def execute(machine, path):
    """What the first cell of a notebook says there, whose other cells run too."""
    shutil.copy(path, machine.work)
    executed = machine.work / f"{path.stem}.out.ipynb"
    done = machine.run("-m", "papermill", "--no-progress-bar", path.name, executed.name, **machine.source)
    assert done.returncode == 0, done.stdout[-3000:]
    return "".join(output.get("text", "") for output in first_cell(executed).outputs)


@pytest.fixture
def machine(tmp_path):
    return colab(tmp_path)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Both distributions as others get them, {distribution: wheel}; built from copies: setuptools leaves a folder."""
    copy = tmp_path_factory.mktemp("wheels")
    for part in ("softlab", "softbook"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".locks"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", copy]
    for source in (copy, copy / "softbook"):
        subprocess.run([*build, source], check=True)
    return {path.name.partition("-")[0]: path for path in copy.glob("*.whl")}


def test_all_notebooks_begin_with_the_same_cell():
    assert len({first_cell(path).source for path in NOTEBOOKS}) == 1


def test_without_a_source_the_cell_says_in_one_line_what_is_missing(machine):
    said = machine.cell(re.sub(r'(?m)^source = ".*?"', 'source = ""', first_cell(NOTEBOOKS[0]).source))
    assert "ImportError: No module named 'softbook'; install softlab-book (in a checkout: pip install" in said
    assert said.count("Traceback") == 1
    assert not machine.installed()


def test_another_softlab_is_named_and_nothing_is_installed_over_it(machine):
    (machine.work / "softlab").mkdir()
    (machine.work / "softlab" / "__init__.py").write_text("version = 'somebody else'")
    told = {"SOFTLAB_SOURCE": "file:///nowhere.whl", "PYTHONPATH": str(machine.work)}
    said = machine.cell(first_cell(NOTEBOOKS[0]).source, **told)
    assert "ImportError: No module named 'softbook'; install softlab-book (in a checkout: pip install" in said
    assert "installing" not in said


def test_a_source_that_holds_another_package_is_refused(machine, tmp_path):
    """The requirement names the distribution, so that an address can give nothing else."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "softlab"\nversion = "1"\n')
    said = machine.cell(first_cell(NOTEBOOKS[0]).source, SOFTLAB_SOURCE=other.as_uri(), PIP_NO_BUILD_ISOLATION="0")
    assert "ImportError: No module named 'softbook'" in said
    assert not machine.installed()


@pytest.fixture(scope="module")
def settled(wheels, book, tmp_path_factory):
    """A machine where one notebook has installed softlab and trained; from then on it has the built book's networks."""
    folder = tmp_path_factory.mktemp("colab")
    made = colab(folder)
    made.source = {
        "SOFTLAB_SOURCE": wheels["softlab_library"].as_uri(),
        "SOFTBOOK_SOURCE": wheels["softlab_book"].as_uri(),
    }
    made.torch = torch_of(made)
    assert "No module named 'softlab'" in made.run("-c", "import softlab").stdout
    made.said = execute(made, NOTEBOOKS[0])
    assert [*(folder / "store").glob("*-seed*")]
    shutil.copytree(book.folder / "runs", folder / "store", dirs_exist_ok=True)
    return made


def names_of_softlab():
    """What of softlab lies in a machine's site-packages."""
    version = metadata.version("softlab-book")
    information = {f"softlab_library-{version}.dist-info", f"softlab_book-{version}.dist-info"}
    return {"softlab", "softbook", *information}


@pytest.mark.slow
def test_a_notebook_runs_alone_in_an_empty_folder_and_installs_nothing_but_softlab(settled):
    package = settled.source["SOFTLAB_SOURCE"]
    assert settled.said.startswith(f"softlab is missing here: installing it from {package}\n")
    assert settled.installed() == names_of_softlab()
    assert torch_of(settled) == settled.torch


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_every_other_notebook_runs_there_and_installs_nothing(settled, path):
    assert execute(settled, path) == ""  # nothing is missing any more
    assert settled.installed() == names_of_softlab()
