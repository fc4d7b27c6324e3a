"""The project's own files agree with each other."""

import ast
import re
import tomllib
from pathlib import Path

import yaml

import softlab

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def normal(name):
    """A distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements):
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements if requirement[0] != "#"}


def test_the_environment_is_that_of_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert f"python{PROJECT['requires-python']}" in plain
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert "-c constraints.txt" in pip
    (installed,) = re.findall(r"-e \.\[([\w,]+)\]", "\n".join(pip))
    assert set(installed.split(",")) <= set(EXTRAS)


def test_every_dependency_has_a_lower_bound_only_and_a_tested_version():
    pinned = names((ROOT / "constraints.txt").read_text().splitlines())
    for requirement in [*PROJECT["dependencies"], *EXTRAS["book"], *EXTRAS["test"]]:
        assert names([requirement]) <= pinned, f"{requirement} has no tested version in constraints.txt"
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), f"{requirement}: lower bounds only"


def test_constraints_meet_the_bounds():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normal(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}
    for requirement in [*PROJECT["dependencies"], *EXTRAS["book"], *EXTRAS["test"]]:
        name, lowest = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()
        assert [int(part) for part in re.findall(r"\d+", pinned[normal(name)])] >= [
            int(part) for part in lowest.split(".")
        ]


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
    assert {path.name: len(text.splitlines()) for path, text in sources.items() if text.count("\n") > 350} == {}
    assert sum(map(lines_of_code, sources.values())) <= 4300


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
    assert "make test " in run
    assert "test-browser test-cluster" in run
