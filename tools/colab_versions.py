"""Chapters in Colab's published versions, on this machine: python tools/colab_versions.py FOLDER

Needs uv. Makes an environment with these versions and without softlab in FOLDER, lets the first cell of a chapter
install the wheels that lie beside it, and writes book/colab_seconds.csv, which book/colab.md shows. torch must be the
same afterwards.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import archives
import nbformat

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.12"
VERSIONS = ("torch==2.9.0", "torchvision==0.24.0", "numpy==2.0.2", "pandas==2.2.2", "ipywidgets==7.7.1")
COMPANIONS = ("scipy", "scikit-learn", "matplotlib", "jinja2", "safetensors", "filelock", "pyyaml", "tqdm")
TOOLS = ("pip", "setuptools", "papermill", "ipykernel")
CHAPTERS = ("soft_labels", "magnitudes", "maxsup", "your_regularizer")
TELL = "import sys, torch, numpy; print(sys.version.split()[0], torch.__version__, numpy.__version__, torch.__file__)"


def main(folder: Path) -> None:
    python = folder / "env" / "bin" / "python"
    work = folder / "work"
    subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", PYTHON, folder / "env"], check=True)
    install = ["uv", "pip", "install", "--quiet", "--python", python, *VERSIONS, *COMPANIONS, *TOOLS]
    subprocess.run(install, check=True)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    archives.build_wheels(work)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SOFTLAB_", "PYTHON"))}
    environment |= {"SOFTLAB_ZOO": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"SOFTLAB_STORE": str(work / "store"), "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    before = subprocess.run([python, "-c", TELL], capture_output=True, text=True, check=True).stdout
    rows = [execute(name, python, work, environment) for name in CHAPTERS]
    assert subprocess.run([python, "-c", TELL], capture_output=True, text=True, check=True).stdout == before
    with (ROOT / "book" / "colab_seconds.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("chapter", "seconds of one core", "its first output"), *rows])


def execute(name: str, python: Path, work: Path, environment: dict[str, str]) -> tuple[str, str, str]:
    """The chapter, how long one core worked for it, and what it says at its beginning."""
    shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", work)
    command = [python, "-m", "papermill", "--no-progress-bar", "-p", "seeds", "1", f"{name}.ipynb", "out.ipynb"]
    started = os.times()
    subprocess.run(command, cwd=work, env=environment, check=True)
    ended = os.times()
    seconds = sum(getattr(ended, part) - getattr(started, part) for part in ("children_user", "children_system"))
    cells = {cell.id: cell for cell in nbformat.read(work / "out.ipynb", as_version=4).cells}
    said = next(one for one in cells["begin"].outputs if "networks are" in one.get("text", ""))
    return name, f"{seconds:.0f}", said["text"].strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
