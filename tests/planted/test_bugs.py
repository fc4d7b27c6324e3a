"""Do the fast tests find mistakes? Each of bugs.yaml is planted in a copy of the package, where they have to fail."""

import multiprocessing
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parent.parent
BUGS = yaml.safe_load(Path(__file__).with_name("bugs.yaml").read_text())
# What a process ends with after tests ran: pytest's own code and 100, so that no other end is taken for one of these.
PASSED = 100
FAILED = 101
PROCESSES = multiprocessing.get_context("forkserver")  # a server that has imported these, once for all bugs
PROCESSES.set_forkserver_preload(["torch", "torchvision", "pandas", "scipy.optimize", "hypothesis"])


def planted(folder, bug=None):
    """A folder with a copy of both packages, with the bug in it; records and networks are those of the repository."""
    aside = shutil.ignore_patterns("__pycache__", "records", "zoo")
    for package in ("softlab", "softbook"):
        shutil.copytree(TESTS.parent / package, folder / package, ignore=aside)
    for part in ("records", "zoo"):
        (folder / "softbook" / part).symlink_to(TESTS.parent / "softbook" / part)
    (folder / "pyproject.toml").touch()  # by which the package knows a checkout
    if bug:
        text = (folder / bug["file"]).read_text()
        assert text.count(bug["old"]) == 1, f"{bug['old']!r} is not once in {bug['file']}: plant it elsewhere"
        (folder / bug["file"]).write_text(text.replace(bug["old"], bug["new"]))
    return folder


def run(folder, tests, log):
    """In a process of its own: the fast ones of these tests, on the package in a folder."""
    said = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1)
    os.dup2(said, 2)
    for name in [name for name in os.environ if name.startswith("PYTEST")]:
        del os.environ[name]
    os.environ |= {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    os.chdir(folder)
    assert "softlab" not in sys.modules
    sys.path.insert(0, str(folder))
    import softlab

    assert Path(softlab.__file__).is_relative_to(folder)
    options = ["-x", "-q", "-m", "not slow", "--basetemp", f"{folder}/temporary"]
    sys.exit(PASSED + pytest.main([*options, *(str(TESTS / test) for test in tests)]))


def outcome(folder, tests):
    """Exit code of these tests, and what was said."""
    log = folder / "said.txt"
    process = PROCESSES.Process(target=run, args=(folder, tests, log))
    process.start()
    process.join(900)
    process.kill()  # if it is not done
    process.join()
    return process.exitcode, log.read_text()


@pytest.fixture
def chosen(request):
    """The bugs that are planted in this run, of which there may be a sample (conftest.py); all, if none is."""
    items = [item for item in request.session.items if item.path == request.path and "bug" in item.fixturenames]
    return [item.callspec.params["bug"] for item in items] or BUGS


def test_without_a_bug_they_pass(chosen, tmp_path):
    code, said = outcome(planted(tmp_path), [*dict.fromkeys(test for bug in chosen for test in bug["tests"])])
    assert code == PASSED, said


@pytest.mark.sampled
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug["breaks"])
def test_they_notice_that(bug, tmp_path):
    code, said = outcome(planted(tmp_path, bug), bug["tests"])
    assert code == FAILED, said
