"""Chapters to carry: an archive for each, with the notebook and the two wheels that its first cell installs.

Whoever has it needs no address: in Colab, or wherever torch is, the notebook finds the wheels in its own folder.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ_ME = """This chapter runs wherever there is Python 3.11 or newer with torch; it needs no other file of its book.

Google Colab (https://colab.research.google.com):
  1. File > Upload notebook: {name}.ipynb
  2. the folder at the left edge (Files): drag both files softlab_*.whl there, and wait until they are uploaded
  3. Runtime > Run all

On your own machine, in this folder:
  python3 -m venv .venv
  .venv/bin/pip install softlab_*.whl pyautoattack jupyterlab
  .venv/bin/jupyter lab {name}.ipynb
"""


def copy_sources(folder: Path) -> None:
    """What both distributions are built from, as in a checkout."""
    for part in ("softlab", "softbook"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".locks"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)


def build_wheels(folder: Path) -> list[Path]:
    """Wheels of both distributions, in this folder; built from a copy, as setuptools leaves files where it works."""
    # Without isolation, so that no index is asked: setuptools is there, as torch needs it.
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    with tempfile.TemporaryDirectory() as place:
        copy_sources(Path(place))
        for source in (place, f"{place}/softbook"):
            subprocess.run([*build, "--wheel-dir", folder, source], check=True)
    return sorted(folder.glob("softlab_*.whl"))


def write(folder: Path, names: Iterable[str]) -> None:
    """NAME.zip in this folder for each of these chapters, as they are committed."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        wheels = build_wheels(Path(place))
        for name in names:
            with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
                archive.writestr(f"{name}/READ_ME.txt", READ_ME.format(name=name))
                archive.write(ROOT / "notebooks" / f"{name}.ipynb", f"{name}/{name}.ipynb", zipfile.ZIP_DEFLATED)
                for wheel in wheels:
                    archive.write(wheel, f"{name}/{wheel.name}")  # compressed already
