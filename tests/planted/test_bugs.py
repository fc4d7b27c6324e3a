"""Do the fast tests find mistakes? Each of bugs.yaml is planted in a copy of the package, where they have to fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parent.parent
BUGS = yaml.safe_load(Path(__file__).with_name("bugs.yaml").read_text())
FAILED = 1  # pytest's exit code where tests ran and failed; others: nothing could be run


def planted(folder, bug=None):
    """A folder with a copy of the package, with the bug in it; its assets are those of the repository."""
    copy = folder / "softlab"
    shutil.copytree(TESTS.parent / "softlab", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "assets").symlink_to(TESTS.parent / "assets")
    (folder / "_toc.yml").touch()  # by which the package knows a checkout
    if bug:
        text = (copy / bug["file"]).read_text()
        assert text.count(bug["old"]) == 1, f"{bug['old']!r} is not once in {bug['file']}: plant it elsewhere"
        (copy / bug["file"]).write_text(text.replace(bug["old"], bug["new"]))
    return folder


def outcome(folder, files):
    """Run the fast tests of these files on the package in a folder: exit code, and what was said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    options = ["-x", "-q", "-m", "not slow", "--basetemp", folder / "temporary"]
    command = [sys.executable, "-m", "pytest", *options, *(TESTS / file for file in files)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def chosen(request):
    """The bugs that are planted in this run, of which there may be a sample (conftest.py); all, if none is."""
    items = [item for item in request.session.items if item.path == request.path and "bug" in item.fixturenames]
    return [item.callspec.params["bug"] for item in items] or BUGS


def test_without_a_bug_they_pass(chosen, tmp_path):
    code, said = outcome(planted(tmp_path), dict.fromkeys(file for bug in chosen for file in bug["tests"]))
    assert code == 0, said


@pytest.mark.sampled
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug["breaks"])
def test_they_notice_that(bug, tmp_path):
    code, said = outcome(planted(tmp_path, bug), bug["tests"])
    assert code == FAILED, said
