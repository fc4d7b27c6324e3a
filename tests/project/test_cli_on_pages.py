"""Options of `softlab` and `softbook` that pages name are options that they have."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("book/*.md"), *ROOT.glob("book/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")]
OF_THE_PAST = {"lab_notebook.md", "changelog.md"}  # they tell of options that are gone
COMMAND = re.compile(r"(?P<program>softlab|softbook) (?P<name>[a-z]+)(?P<rest>(?: [^`#\n\"\\]*)?)")
OPTION = re.compile(r"(?<= )--[a-z][a-z-]*")


def named() -> set[tuple[str, str, str]]:
    """Program, command and option, wherever a page writes `softlab COMMAND … --OPTION`."""
    found = set()
    for page in PAGES:
        if page.name in OF_THE_PAST:
            continue
        for command in COMMAND.finditer(page.read_text(encoding="utf-8")):
            found |= {(command["program"], command["name"], option) for option in OPTION.findall(command["rest"])}
    return found


NAMED = named()


@pytest.mark.parametrize(("program", "command"), sorted({(program, command) for program, command, _ in NAMED}))
def test_pages_name_only_options_that_a_command_has(program, command):
    asked = [sys.executable, "-m", program, command, "--help"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said))
    assert {option for *of, option in NAMED if of == [program, command]} <= known


def test_the_search_finds_what_it_should():
    assert ("softbook", "verify", "--rows") in NAMED
    assert len({command for _, command, _ in NAMED}) > 5
