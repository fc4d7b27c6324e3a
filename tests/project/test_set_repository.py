"""The repository's address: written by one command where it cannot be asked for, and asked for where it can."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import build_site
import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = ("README.md", "CITATION.cff", "pyproject.toml", "softlabels.py")
ADDRESS = "https://github.com/owner/name"


@pytest.fixture
def checkout(tmp_path):
    """The files that are written to, and the script beside them."""
    folder = tmp_path / "checkout"
    notebooks = [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    for file in (*FILES, "tools/set_repository.py", "workflow/address.py", *notebooks):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    return folder


def set_repository(checkout, *address):
    command = [sys.executable, "tools/set_repository.py", *address]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True)


def content(checkout):
    return {path: path.read_text() for path in sorted(checkout.rglob("*")) if path.is_file() and path.suffix != ".pyc"}


def sources(checkout):
    """Where the first cells install from."""
    cells = [
        "".join(cell["source"])
        for path in (checkout / "notebooks").glob("*.ipynb")
        for cell in json.loads(path.read_text())["cells"]
        if cell["id"] == "package"
    ]
    return {re.search(r'(?m)^url = "(.*?)"', cell)[1] for cell in cells}


def test_the_address_is_written_once_into_each_file_and_nothing_else_changes(checkout):
    before = content(checkout)
    done = set_repository(checkout, f"{ADDRESS}.git")
    assert done.returncode == 0, done.stderr
    assert sources(checkout) == {f"git+{ADDRESS}"}
    assert yaml.safe_load((checkout / "CITATION.cff").read_text())["repository-code"] == ADDRESS
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    assert project["urls"] == {"Repository": ADDRESS}
    assert "optional-dependencies" in project
    assert f'ADDRESS = "{ADDRESS}"  # ' in (checkout / "softlabels.py").read_text()
    link = "https://colab.research.google.com/github/owner/name/blob/main/notebooks/soft_labels.ipynb"
    assert (checkout / "README.md").read_text().count(f"]({link})") == 1
    for path, text in content(checkout).items():
        old = before[path].splitlines()
        new = text.splitlines()
        assert len([line for line in new if line not in old]) <= 2, path
        assert len([line for line in old if line not in new]) <= 1, path


def test_another_address_replaces_the_first(checkout):
    set_repository(checkout, ADDRESS)
    once = content(checkout)
    assert set_repository(checkout, "git@github.com:somebody/else.git").returncode == 0
    assert sources(checkout) == {"git+https://github.com/somebody/else"}
    assert not any("owner/name" in text for text in content(checkout).values())
    set_repository(checkout, ADDRESS)
    assert content(checkout) == once


@pytest.mark.parametrize("address", [(), ("https://example.org/owner/name",), ("https://github.com/owner",)])
def test_what_is_no_address_is_said_in_one_line_and_nothing_is_written(checkout, address):
    before = content(checkout)
    done = set_repository(checkout, *address)
    assert done.returncode != 0
    assert done.stderr.startswith("not the address of a repository on GitHub")
    assert done.stderr.count("\n") == 1
    assert content(checkout) == before


def test_a_file_without_a_place_is_named_and_nothing_is_written(checkout):
    (checkout / "CITATION.cff").write_text("title: another\n")
    before = content(checkout)
    done = set_repository(checkout, ADDRESS)
    assert "CITATION.cff has no place for the address" in done.stderr
    assert content(checkout) == before


def test_the_committed_files_agree_about_the_address():
    (source,) = sources(ROOT)
    address = source.removeprefix("git+") or None
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text()).get("repository-code") == address
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    assert urls.get("Repository") == address
    assert f'ADDRESS = "{address or ""}"' in (ROOT / "softlabels.py").read_text()
    assert ("Open in Colab]" in (ROOT / "README.md").read_text()) == (address is not None)


def test_the_foot_offers_the_files():
    def shown(results):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Cones")])
        build_site.add_foot(notebook, "cones", ADDRESS, results=results)
        return notebook.cells[-1].source

    assert "<cones.ipynb>" in shown(False)
    assert "results.json" not in shown(False)
    assert "<cones.results.json>" in shown(True)
    image, link = re.search(r"\[!\[.*?\]\((.*?)\)\]\((.*?)\)", shown(True)).groups()
    assert (ROOT / "notebooks" / image).is_file()
    assert link == "https://colab.research.google.com/github/owner/name/blob/main/notebooks/cones.ipynb"


@pytest.mark.parametrize("name", ["cones", "intro"])
def test_cover_and_chapters_end_with_the_commands_that_run_them(name):
    def foot(known):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")])
        build_site.add_foot(notebook, name, known)
        return notebook.cells[-1].source

    for known in (ADDRESS, None):
        text = foot(known)
        assert "make book" in text
        assert "pip install -c constraints.txt -e" in text
        (opened,) = re.findall(r"jupyter lab (notebooks/\S+)", text)
        assert (ROOT / opened).is_file()
    assert f"git clone {ADDRESS} " in foot(ADDRESS)
    assert "colab.research.google.com/github/owner/name" in foot(ADDRESS)
    assert "http" not in foot(None)
    assert "does not know where its repository lies" in foot(None)
