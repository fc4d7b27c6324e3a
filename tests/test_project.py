"""The project's own files agree with each other."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import softlab

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = ("3.11.2", "3.12", "3.13", "3.14")  # 3.11.2 is Debian 12's


def test_the_environment_is_that_of_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert f"python{PROJECT['requires-python']}" in plain
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert "-c constraints.txt" in pip
    (installed,) = re.findall(r"-e \.\[([\w,]+)\]", "\n".join(pip))
    assert set(installed.split(",")) == {"book", "attacks", "peers", "test"} <= set(EXTRAS)


def test_dependencies_have_lower_bounds_only():
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), f"{requirement}: lower bounds only"


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_the_tested_versions_resolve_with_all_extras(python):
    """Asks the package index. What nothing pins would not be in constraints.txt."""
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python", sys.executable, "--python-version", python, "--all-extras"]
    command += ["--constraint", "constraints.txt", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pinned = {line.split(" ;")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert set(done.stdout.split()) <= pinned


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == softlab.__version__ == str(citation["version"])


def lines_of_code(source):
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    lines = {number for number, line in enumerate(source.splitlines(), 1) if line.strip() and line.strip()[0] != "#"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_the_package_is_thin():
    sources = {path: path.read_text() for path in (ROOT / "softlab").rglob("*.py")}
    long = {path.name: text.count("\n") for path, text in sources.items() if text.count("\n") > 335}
    assert set(long) <= {"quantities.py"}, long  # a list
    assert sum(map(lines_of_code, sources.values())) <= 6354


def test_the_workflow_is_thin():
    snakefile = (ROOT / "workflow" / "Snakefile").read_text().splitlines()
    rules = sum(bool(line.strip()) and line.strip()[0] != "#" for line in snakefile)
    assert rules + sum(lines_of_code(path.read_text()) for path in (ROOT / "workflow").glob("*.py")) <= 1500


def test_every_folder_of_code_is_installed():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "softlab").rglob("__init__.py")}
    assert sorted(packages) == sorted(".".join(folder.parts) for folder in folders)


def test_every_module_is_on_the_architecture_page():
    page = (ROOT / "book" / "architecture.md").read_text()
    for path in (ROOT / "softlab").glob("[a-z]*.py"):
        assert f"`{path.name}`" in page, f"{path.name} is not on the architecture page"


def test_the_two_commands_of_the_readme_are_make_targets():
    makefile, readme = (ROOT / "Makefile").read_text(), (ROOT / "README.md").read_text()
    for target in re.findall(r"`make ([a-z-]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    run = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"make (test\S*) ", run) == ["test", "test-all"]
    assert "test-browser test-cluster" in run
