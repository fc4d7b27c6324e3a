"""The project's own files agree with each other."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import softbook
import softlab

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BOOK = tomllib.loads((ROOT / "softbook" / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11.2", "3.12", "3.13", "3.14")  # 3.11.2 is Debian 12's


def test_the_environment_is_that_of_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == BOOK["name"]
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert f"python{PROJECT['requires-python']}" in plain
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert "-c constraints.txt" in pip
    assert {"-e .[attacks]", "-e ./softbook[build]"} <= set(pip)
    assert "attacks" in PROJECT["optional-dependencies"]
    assert "build" in BOOK["optional-dependencies"]


def test_dependencies_have_lower_bounds_only():
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), f"{requirement}: lower bounds only"


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("python", PYTHONS)
def test_the_tested_versions_resolve_with_all_extras(python):
    """Asks the package index. What nothing pins would not be in constraints.txt."""
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python", sys.executable, "--python-version", python, "--all-extras"]
    command += ["--constraint", "constraints.txt", "pyproject.toml", "softbook/pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pinned = {line.split(" ;")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {line for line in done.stdout.splitlines() if line != "-e .."} <= pinned


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == softlab.__version__ == str(citation["version"])


def test_inside_the_package_nothing_is_taken_from_its_front_door():
    """What the root re-exports is fetched on first use: who imports what could not be seen."""
    packages = [ROOT / "softlab", ROOT / "softbook"]
    front_doors = {
        ".".join(path.parent.relative_to(ROOT).parts): {entry.stem for entry in path.parent.iterdir()}
        for package in packages
        for path in package.rglob("__init__.py")
        if "HOMES" in path.read_text(encoding="utf-8")
    }
    assert {"softlab", "softlab.training", "softbook", "softbook.studies"} <= set(front_doors)
    taken = {
        (path.name, f"{node.module}.{one.name}")
        for package in packages
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in front_doors
        for one in node.names
        if one.name not in front_doors[node.module]
    }
    assert taken == {("cli.py", "softlab.__version__"), ("cli.py", "softbook.__version__")}


def test_the_book_is_a_distribution_of_the_same_version_with_all_records_and_networks():
    book = tomllib.loads((ROOT / "softbook" / "pyproject.toml").read_text())
    assert book["project"]["version"] == PROJECT["version"] == softbook.__version__
    assert f"softlab-library[examine]=={PROJECT['version']}" in book["project"]["dependencies"]
    patterns = book["tool"]["setuptools"]["package-data"]["softbook"]
    listed = {path for pattern in patterns for path in (ROOT / "softbook").glob(pattern) if path.is_file()}
    parts = ("profiles", "records", "zoo")
    there = {path for part in parts for path in (ROOT / "softbook" / part).rglob("[!.]*") if path.is_file()}
    assert there <= {path for path in listed if not path.name.startswith(".")}


def test_the_library_has_no_word_of_the_book():
    """Where one stands, somebody had the book in mind: a chapter, a record, a claim."""
    words = re.compile(r"\b(chapters?\.|claims\.|softbook)")
    named = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "softlab").rglob("*.py")
        if words.search(path.read_text(encoding="utf-8"))
    }
    went = {"softlab/cli.py", "softlab/facade.py"}  # where old commands and names went
    assert named == went | {"softlab/provenance.py"}  # rows do not dirty a commit


def test_every_module_is_on_the_architecture_page():
    page = (ROOT / "book" / "architecture.md").read_text()
    rooms = [ROOT / "softlab", ROOT / "softbook"]
    rooms += [ROOT / "softbook" / name for name in ("studies", "statements", "page")]
    rooms += [ROOT / "softlab" / name for name in ("training", "lenses", "numbers", "comparison", "inspector")]
    for path in (path for room in rooms for path in room.glob("[a-z]*.py")):
        assert f"`{path.name}`" in page, f"{path.relative_to(ROOT)} is not on the architecture page"


def test_the_two_commands_of_the_readme_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    for target in re.findall(r"`make ([a-z-]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
