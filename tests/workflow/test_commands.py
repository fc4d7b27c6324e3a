"""The commands that the how-to pages offer for copying, executed as they stand, in a copy of the built smoke book."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, copy_of

pytestmark = [pytest.mark.slow, pytest.mark.sampled]
MADE = {  # by the commands of a page
    "batch": [
        "stronger.results.json",
        "elsewhere/out.results.json",
        "_build/smoke/sweeps/alpha/report.html",
        "_build/smoke/sweeps/longer/table.csv",
        "_build/html/book/intro.html",
    ],
}


@pytest.fixture(scope="module")
def checkout(book, tmp_path_factory):
    """With a `.venv` that is this environment, so that `make` installs nothing."""
    made = copy_of(book, tmp_path_factory.mktemp("commands"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (made.folder / name).write_bytes((ROOT / name).read_bytes())
    (made.folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (made.folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (made.folder / ".venv" / "book.stamp").touch()
    # The sweep that comes along, with its ends and one seed: 4 networks in the place of 36.
    made.edit("workflow/sweeps/alpha.yaml", "values: [0, 0.02, 0.05, 0.1, 0.2, 0.4]", "values: [0, 0.4]")
    made.edit("workflow/sweeps/alpha.yaml", "seeds: 3", "seeds: 1")
    made.environment["SOFTLAB_PROFILE"] = "smoke"
    made.environment["PATH"] = f"{made.folder}/.venv/bin:{made.environment['PATH']}"
    return made


@pytest.mark.parametrize("page", MADE)
def test_the_commands_of_a_page_run(checkout, page):
    commands = "\n".join(re.findall(r"```bash\n(.*?)```", (ROOT / "book" / f"{page}.md").read_text(), re.DOTALL))
    command = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for path in MADE[page]:
        assert (checkout.folder / path).stat().st_size > 500, path
