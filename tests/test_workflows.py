"""Continuous integration runs what anybody can run: each step is a make target or a line of apt-get."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
pytestmark = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path, kind):
    return [step for job in jobs(path).values() for step in job["steps"] if kind in step]


def test_each_step_is_a_make_target_or_a_line_of_apt_get(path):
    for step in steps(path, "run"):
        assert "\n" not in step["run"].strip(), step
        assert "${{" not in step["run"], f"what others wrote must not become a command: {step}"
        if not step["run"].startswith("apt-get "):
            (target,) = re.fullmatch(r"make ([a-z-]+)", step["run"]).groups()
            assert target in TARGETS, f"make {target} is not in the Makefile"


def test_actions_are_githubs_own_and_of_one_version(path):
    for step in steps(path, "uses"):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]), step
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_no_job_may_do_more_than_it_has_to(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for job in jobs(path).values():
        deploys = any(step.get("uses", "").startswith("actions/deploy-pages@") for step in job["steps"])
        assert job.get("permissions") == ({"pages": "write", "id-token": "write"} if deploys else None)
        assert 0 < job["timeout-minutes"] <= 120
    assert "secrets." not in path.read_text()


def test_machines_are_named_with_their_version(path):
    for job in jobs(path).values():
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"])
        assert ":" in job.get("container", ":")
