"""The first cell of the notebooks, the way Colab meets it: torch is there, softlab is not, and no repository around."""

import re
import shutil
import subprocess
import zipfile
from importlib import metadata
from pathlib import Path

import archives
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
    done = machine.run("-m", "papermill", "--no-progress-bar", path.name, executed.name)
    assert done.returncode == 0, done.stdout[-3000:]
    return "".join(output.get("text", "") for output in first_cell(executed).outputs)


@pytest.fixture
def machine(tmp_path):
    return colab(tmp_path)


def test_all_notebooks_begin_with_the_same_cell():
    assert len({first_cell(path).source for path in NOTEBOOKS}) == 1


def cell_without_address():
    return re.sub(r'(?m)^url = ".*?"', 'url = ""', first_cell(NOTEBOOKS[0]).source)


def test_the_cell_is_short_and_folded():
    cell = first_cell(NOTEBOOKS[0])
    assert len(cell.source.splitlines()) <= 14
    assert cell.metadata.jupyter.source_hidden
    assert cell.metadata.cellView == "form"


def test_without_wheels_and_address_the_cell_says_in_one_line_what_is_missing(machine):
    (machine.work / "softlab_book-0.1.0-py3-none-any (1).whl").touch()  # how Colab names what was uploaded twice
    said = machine.cell(cell_without_address())
    assert said.strip().endswith("softlab is missing: put both softlab_*.whl into this folder")
    assert said.count("Traceback") == 1
    assert not machine.installed()


def test_over_another_softlab_nothing_is_installed(machine):
    (machine.work / "softlab").mkdir()
    (machine.work / "softlab" / "__init__.py").write_text("version = 'somebody else'")
    told = {"SOFTLAB_SOURCE": "file:///nowhere.whl", "PYTHONPATH": str(machine.work)}
    said = machine.cell(first_cell(NOTEBOOKS[0]).source, **told)
    assert said.strip().endswith("No module named 'softbook'")
    assert not machine.installed()


def test_an_address_that_holds_another_package_is_refused(machine, tmp_path):
    """The requirement names the distribution, so that an address can give nothing else."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "softlab"\nversion = "1"\n')
    said = machine.cell(cell_without_address(), SOFTLAB_SOURCE=other.as_uri(), PIP_NO_BUILD_ISOLATION="0")
    assert said.strip().endswith("No module named 'softbook'")
    assert not machine.installed()


@pytest.mark.slow
def test_an_address_of_a_repository_is_installed_from(machine, tmp_path):
    repository = tmp_path / "repository"
    archives.copy_sources(repository)
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    told = {"SOFTLAB_SOURCE": f"git+file://localhost{repository}", "PIP_NO_BUILD_ISOLATION": "0"}
    said = machine.cell(cell_without_address(), **told)
    assert machine.installed() == names_of_softlab(), said


@pytest.fixture(scope="module")
def settled(book, tmp_path_factory):
    """A machine where a chapter's archive was unpacked, and trained; from then on it has the built book's networks."""
    folder = tmp_path_factory.mktemp("colab")
    made = colab(folder)
    archives.write(folder, [NOTEBOOKS[0].stem])
    with zipfile.ZipFile(folder / f"{NOTEBOOKS[0].stem}.zip") as archive:
        archive.extractall(folder)
    shutil.copytree(folder / NOTEBOOKS[0].stem, made.work, dirs_exist_ok=True)
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
def test_an_archive_runs_in_an_empty_folder_and_installs_nothing_but_softlab(settled):
    assert "ERROR" not in settled.said
    assert settled.installed() == names_of_softlab()
    assert torch_of(settled) == settled.torch


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_every_other_notebook_runs_there_and_installs_nothing(settled, path):
    assert execute(settled, path) == ""  # nothing is missing any more
    assert settled.installed() == names_of_softlab()
