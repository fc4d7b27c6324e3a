"""The pages are in step with what they speak of: files, modules, commands, what these print, works that are cited.

That links, terms and references lead somewhere is for the build to say, which takes warnings for errors.
"""

import contextlib
import functools
import re
import shlex
from pathlib import Path

import plan
import pytest
import torch
import yaml

import softlab
from softlab import cli

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"


def page(name):
    return (BOOK / f"{name}.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_table_of_contents_and_there():
    listed = plan.pages(ROOT / "_toc.yml")
    assert len(set(listed)) == len(listed)
    pages = {one.removeprefix("book/") for one in listed if one.startswith("book/")} - {"this_build"}  # made by a build
    assert {path.stem for kind in ("*.md", "*.ipynb") for path in BOOK.glob(kind)} == pages


def test_every_notebook_is_in_the_list_of_chapters():
    listed = plan.pages(ROOT / "_toc.yml")
    assert all(f"(../{name}.ipynb)" in page("how_to_read") for name in listed if name.startswith("notebooks/"))


def test_every_module_is_on_the_page_of_the_package():
    named = set(re.findall(r"automodule:: softlab\.([\w.]+)", page("api")))
    paths = [path.relative_to(ROOT / "softlab") for path in (ROOT / "softlab").rglob("*.py")]
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths}
    assert named == modules - {"__init__", "__main__"}


def test_works_are_cited_with_one_title_and_year_everywhere_and_can_be_found():
    bib = dict(re.findall(r"@\w+\{(\w+),\n(.*?)\n\}\n", (BOOK / "references.bib").read_text("utf-8"), re.DOTALL))
    for key, entry in bib.items():
        assert re.search(r"\bdoi\s*= \{10\.\d+/\S+\}|\burl\s*= \{https://\S+\}", entry), key
    for paper in yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]:
        (entry,) = [one for one in bib.values() if f"doi = {{{paper['doi']}}}" in one]
        assert paper["title"] in re.sub(r"[{}]", "", entry)
        assert str(paper["year"]) in entry


def test_the_first_version_of_the_changes_is_this_one():
    assert re.search(r"^### ([\d.]+)", page("changelog"), re.MULTILINE)[1] == softlab.__version__


def consoles():
    """Commands of the help page with what they print, in order: (environment, arguments, output)."""
    for block in re.findall(r"```console\n(.*?)```", page("help"), re.DOTALL):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = part.partition("\n")
            words = shlex.split(command)
            variables = [words.pop(0) for _ in range(words.index("softlab"))]
            yield dict(one.split("=") for one in variables), words[1:], output


@pytest.mark.slow
def test_commands_of_the_help_page_print_what_it_says(tmp_path, monkeypatch, capsys):
    """… on the page stands for anything."""
    monkeypatch.chdir(tmp_path)
    for backend in (torch.cuda, torch.backends.mps):  # torch looks at what the latter wraps
        monkeypatch.setattr(backend, "is_available", functools.wraps(backend.is_available)(lambda: False))
    assert list(consoles())
    for variables, arguments, output in consoles():
        with monkeypatch.context() as patch:
            patch.setenv("SOFTLAB_STORE", str(tmp_path / "runs"))
            for name, value in variables.items():
                patch.setenv(name, value)
            with contextlib.suppress(SystemExit):  # wrong input
                cli.main(arguments)
        printed = "".join(capsys.readouterr()).strip()
        assert re.fullmatch(re.escape(output.strip()).replace("…", r".*?"), printed, re.DOTALL), arguments


def test_what_the_help_page_calls_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z][a-z-]*)", page("help")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"```bash\n(.*?)```", page("help"), re.DOTALL):
        for path in re.findall(r"(?:notebooks|workflow)/[\w/.]+", command):
            assert (ROOT / path).exists(), path
    for variable in re.findall(r"SOFTLAB_[A-Z]+", page("help")):
        assert any(variable in path.read_text() for path in (ROOT / "softlab").rglob("*.py")), variable
