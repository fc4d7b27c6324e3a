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

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHON_FILES = [
    path for part in ("softlab", "workflow", "tools", "benchmarks", "tests") for path in (ROOT / part).rglob("*.py")
]
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
@pytest.mark.sampled
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


def _packed(node: ast.AST) -> bool:
    """Does it assign several values to several names in one statement, though none needs the others' old ones?"""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    target = node.targets[0]
    if not isinstance(target, ast.Tuple) or any(isinstance(one, ast.Subscript | ast.Starred) for one in target.elts):
        return False
    given = {ast.unparse(one) for one in target.elts}
    used = {ast.unparse(one) for value in node.value.elts for one in ast.walk(value)}
    return not given & used


def test_one_statement_assigns_one_thing():
    for path in PYTHON_FILES:
        packed = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if _packed(node)]
        assert not packed, f"{path}: lines {packed}"


def test_what_counts_as_packed():
    for text, expected in {
        "a, b = 1, 2": True,
        "a, b = b, a": False,
        "a, b = f()": False,
        "a, b = a + b, a": False,
        "x[i], y[i] = 1, 2": False,
        "a.b, c = 1, d": True,
        "a = 1, 2": False,
    }.items():
        assert _packed(ast.parse(text).body[0]) == expected, text


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == softlab.__version__ == str(citation["version"])


def test_every_folder_of_code_is_installed():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "softlab").rglob("__init__.py")}
    assert sorted(packages) == sorted(".".join(folder.parts) for folder in folders)


def test_inside_the_package_nothing_is_taken_from_its_front_door():
    """What the root re-exports is fetched on first use: who imports what could not be seen."""
    package = ROOT / "softlab"
    front_doors = {
        ".".join(path.parent.relative_to(ROOT).parts): {entry.stem for entry in path.parent.iterdir()}
        for path in package.rglob("__init__.py")
        if "HOMES" in path.read_text(encoding="utf-8")
    }
    assert {"softlab", "softlab.training", "softlab.studies"} <= set(front_doors)
    taken = {
        (path.name, f"{node.module}.{one.name}")
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in front_doors
        for one in node.names
        if one.name not in front_doors[node.module]
    }
    assert taken == {("cli.py", "softlab.__version__")}


def test_the_assets_are_a_distribution_of_the_same_version():
    assets = tomllib.loads((ROOT / "assets" / "pyproject.toml").read_text())
    assert assets["project"]["version"] == PROJECT["version"]
    patterns = assets["tool"]["setuptools"]["package-data"]["softlab_assets"]
    listed = {path for pattern in patterns for path in (ROOT / "assets").glob(pattern) if path.is_file()}
    there = {path for part in ("records", "zoo") for path in (ROOT / "assets" / part).rglob("[!.]*") if path.is_file()}
    assert there == {path for path in listed if not path.name.startswith(".")}


def test_the_core_needs_nine_libraries_at_most():
    assert len(PROJECT["dependencies"]) <= 9


def test_every_module_is_on_the_architecture_page():
    page = (ROOT / "book" / "architecture.md").read_text()
    rooms = [
        ROOT / "softlab",
        *(ROOT / "softlab" / name for name in ("training", "lenses", "numbers", "studies", "notebook")),
    ]
    for path in (path for room in rooms for path in room.glob("[a-z]*.py")):
        assert f"`{path.name}`" in page, f"{path.relative_to(ROOT)} is not on the architecture page"


def test_the_two_commands_of_the_readme_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    for target in re.findall(r"`make ([a-z-]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    run = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"make (test\S*) ", run) == ["test-cluster", "test", "test-all", "test-browser"]
