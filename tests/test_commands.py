"""The commands that the how-to pages offer for copying, executed as they stand, in a copy of the checkout."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, Checkout

pytestmark = pytest.mark.slow


def commands(page):
    return "\n".join(re.findall(r"```bash\n(.*?)```", (ROOT / "book" / page).read_text(), re.DOTALL))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy with a `.venv` that is this environment, so that `make` installs nothing."""
    made = Checkout(tmp_path_factory.mktemp("commands"), chapters=1)
    for name in ("03_magnitudes", "05_calibration"):  # executed alone, and no part of this small book
        (made.folder / "notebooks" / f"{name}.ipynb").write_bytes((ROOT / "notebooks" / f"{name}.ipynb").read_bytes())
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (made.folder / name).write_bytes((ROOT / name).read_bytes())
    (made.folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (made.folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (made.folder / ".venv" / "book.stamp").touch()
    made.environment["PATH"] = f"{made.folder}/.venv/bin:{made.environment['PATH']}"
    return made


@pytest.mark.parametrize(
    ("page", "left"),
    [
        ("batch.md", ["calibration.results.json", "elsewhere/out.results.json", "_build/html/book/intro.html"]),
        ("sweeps.md", ["_build/smoke/sweeps/alpha/report.html", "_build/smoke/sweeps/widths/table.csv"]),
    ],
)
def test_the_commands_of_a_page_run(checkout, page, left):
    command = ["bash", "-euo", "pipefail", "-c", commands(page)]
    done = subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for path in left:
        assert (checkout.folder / path).stat().st_size > 500, path
