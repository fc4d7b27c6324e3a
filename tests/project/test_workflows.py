"""Continuous integration runs what anybody can run: each step is a make target, or a line of apt-get, pip or pytest."""

import re
from pathlib import Path

import pytest
import yaml
from test_project import PROJECT, PYTHONS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path, kind):
    return [step for job in jobs(path).values() for step in job["steps"] if kind in step]


@each_file
def test_each_step_is_a_make_target_or_a_line_of_a_known_program(path):
    for step in steps(path, "run"):
        assert "\n" not in step["run"].strip(), step
        assert "${{" not in step["run"], f"what others wrote must not become a command: {step}"
        if not step["run"].startswith(("apt-get ", "python -m pip install ", "python -m pytest ")):
            (target,) = re.fullmatch(r"make ([a-z-]+)", step["run"]).groups()
            assert target in TARGETS, f"make {target} is not in the Makefile"


@each_file
def test_actions_are_githubs_own_and_of_one_version(path):
    for step in steps(path, "uses"):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]), step
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_file
def test_no_job_may_do_more_than_it_has_to(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for job in jobs(path).values():
        deploys = any(step.get("uses", "").startswith("actions/deploy-pages@") for step in job["steps"])
        assert job.get("permissions") == ({"pages": "write", "id-token": "write"} if deploys else None)
        assert 0 < job["timeout-minutes"] <= 120
    assert "secrets." not in path.read_text()


def test_other_pythons_and_torches_are_those_of_the_project():
    matrix = jobs(ROOT / ".github" / "workflows" / "pythons.yml")["fast"]["strategy"]["matrix"]
    assert matrix["python"] == [".".join(python.split(".")[:2]) for python in PYTHONS]
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"
    assert {machine.split("-")[0] for machine in matrix["machine"]} == {"ubuntu", "macos", "windows"}
    oldest, later, newest = (entry["packages"].split() for entry in matrix["include"])
    bounds = dict(one.split(">=") for one in PROJECT["dependencies"])
    assert oldest == [f"{name}=={bounds[name]}.0" for name in newest]
    assert [one.split("==")[0] for one in later] == newest == ["torch", "torchvision"]
