"""The pages of the book that explain: complete, in step with the package, and right in what they say it prints."""

import contextlib
import errno
import functools
import importlib
import re
import shlex
from pathlib import Path

import nbformat
import pytest
import torch
import yaml

import softlab
from softlab import cli, files

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def page(name):
    return (BOOK / f"{name}.md").read_text(encoding="utf-8")


def rows(text):
    """The rows of a page's Markdown tables as lists of cells, headings left out."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines]
    heads = {i - 1 for i, line in enumerate(cells) if set(line[0]) == {"-"}}
    return [line for i, line in enumerate(cells) if i not in heads and set(line[0]) != {"-"}]


def entries(bib):
    return dict(re.findall(r"@\w+\{(\w+),\n(.*?)\n\}\n", bib, re.DOTALL))


def prose():
    """All Markdown of the book: pages, and text cells of notebooks."""
    found = {path.name: path.read_text(encoding="utf-8") for path in BOOK.glob("*.md")}
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        found[path.name] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return found


def test_every_page_is_in_the_table_of_contents_and_there():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [one["file"] for part in contents["parts"] for one in part["chapters"]] + [contents["root"]]
    assert len(set(listed)) == len(listed)
    pages = {one.removeprefix("book/") for one in listed if one.startswith("book/")} - {"this_build"}  # made by a build
    assert {path.stem for path in BOOK.glob("*.md")} == pages


def test_every_symbol_has_a_meaning_a_shape_a_chapter_and_a_name():
    symbols = [row for row in rows(page("notation")) if len(row) == 5]
    assert len(symbols) > 40
    for row in symbols:
        assert all(row), row
        assert row[0].count("$") % 2 == 0, row
        for chapter in re.findall(r"\]\(\.\./(.*?)\)", row[3]):
            assert (ROOT / chapter).is_file()
    names = [row[0] for row in symbols]
    assert len(set(names)) == len(names)


def test_what_pages_link_to_in_the_package_is_there():
    for name, text in prose().items():
        for role, target in re.findall(r"\{py:(mod|func|class)\}`~?(softlab[\w.]*)`", text):
            module, _, thing = (target, "", "") if role == "mod" else target.rpartition(".")
            found = importlib.import_module(module)
            assert not thing or getattr(found, thing).__module__ == module, f"{name}: {target}"


def glossary():
    """Terms with what is said of them."""
    (body,) = re.findall(r"```\{glossary\}\n:sorted:\n\n(.*?)```", page("glossary"), re.DOTALL)
    found = {}
    for block in body.strip().split("\n\n"):
        *terms, said = block.split("\n")
        assert said.startswith("  "), block
        found |= {term: said.strip() for term in terms}
        assert not any(term.startswith(" ") for term in terms), block
    return found


def test_every_term_is_explained_in_a_few_sentences():
    terms = glossary()
    assert len(terms) > 70
    for term, said in terms.items():
        assert said.endswith("."), term
        assert len(re.findall(r"[.;?!](?: |$)", said)) <= 4, f"{term} is explained at too great a length"


def test_every_term_that_is_referred_to_is_in_the_glossary():
    terms = {term.lower() for term in glossary()}
    for name, text in prose().items():
        for reference in re.findall(r"\{term\}`([^`]+)`", text):
            target = re.sub(r".*<(.+)>$", r"\1", reference)
            assert target.lower() in terms, f"{name}: {reference}"


def test_every_module_is_on_the_page_of_the_package():
    named = set(re.findall(r"automodule:: softlab\.([\w.]+)", page("api")))
    paths = [path.relative_to(ROOT / "softlab") for path in (ROOT / "softlab").rglob("*.py")]
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths}
    assert named == modules - {"__init__", "__main__"}
    for name in softlab.__all__:
        assert name.startswith("_") or re.search(rf"`~softlab\.\w+\.{name}`", page("api")), name


def test_the_page_on_citing_says_what_the_citation_file_says():
    citation, text = yaml.safe_load((ROOT / "CITATION.cff").read_text()), page("cite")
    (author,) = citation["authors"]
    for fact in (author["name"], citation["title"], str(citation["version"]), citation["license"]):
        assert f"{{{fact}}}" in text, fact  # for BibTeX
        assert fact in text.partition("```")[0], fact  # for a reader
    assert citation["message"] in text
    bib = page_of_references()
    for paper in citation["references"]:
        (entry,) = [one for one in bib.values() if f"doi = {{{paper['doi']}}}" in one]
        assert paper["title"] in re.sub(r"[{}]", "", entry)
        assert str(paper["year"]) in entry
        names = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
        assert f"author = {{{names}}}" in entry


def page_of_references():
    return entries((BOOK / "references.bib").read_text(encoding="utf-8"))


def test_every_work_has_a_doi_or_an_address():
    bib = page_of_references()
    assert len(bib) == (BOOK / "references.bib").read_text().count("\n@") + 1
    for key, entry in bib.items():
        assert re.search(r"\bdoi\s*= \{10\.\d+/\S+\}|\burl\s*= \{https://\S+\}", entry), key


def test_parts_of_the_bibliography_that_pages_show_are_there():
    bib = (BOOK / "references.bib").read_text(encoding="utf-8")
    for border in re.findall(r":(?:start-at|end-before): \"(.*?)\"", page("cite")):
        assert bib.count(border) == 1


def test_the_first_version_of_the_changes_is_this_one():
    assert re.search(r"^## ([\d.]+)", page("changelog"), re.MULTILINE)[1] == softlab.__version__
    assert "(book/changelog.md)" in (ROOT / "CHANGELOG.md").read_text()


def test_reading_times_are_those_of_the_chapters():
    told = {re.search(r"\((.*?)\)", row[0])[1]: int(row[2]) for row in rows(page("how_to_read")) if len(row) == 4}
    heads = {f"../notebooks/{path.name}": nbformat.read(path, as_version=4).cells[0].source for path in NOTEBOOKS}
    assert told == {name: int(re.search(r"\*About (\d+) minutes", head)[1]) for name, head in heads.items()}


def looks_like(said, printed):
    """Is a text of a page what was printed, … standing for anything?"""
    return re.fullmatch(re.escape(said.strip()).replace("…", r".*?"), printed.strip(), re.DOTALL)


def consoles():
    """Commands of the help page with what they print, in order: (environment, arguments, output)."""
    for block in re.findall(r"```console\n(.*?)```", page("help"), re.DOTALL):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = part.partition("\n")
            words = shlex.split(command)
            variables = [words.pop(0) for _ in range(words.index("softlab"))]
            yield dict(one.split("=") for one in variables), words[1:], output


def messages():
    return re.findall(r"```text\n(.*?)```", page("help"), re.DOTALL)


@pytest.mark.slow
def test_commands_of_the_help_page_print_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for backend in (torch.cuda, torch.backends.mps):  # torch looks at what the latter wraps
        monkeypatch.setattr(backend, "is_available", functools.wraps(backend.is_available)(lambda: False))
    assert len(list(consoles())) >= 8
    for variables, arguments, output in consoles():
        with monkeypatch.context() as patch:
            patch.setenv("SOFTLAB_STORE", str(tmp_path / "runs"))
            for name, value in variables.items():
                patch.setenv(name, value)
            with contextlib.suppress(SystemExit):  # wrong input
                cli.main(arguments)
        printed = "".join(capsys.readouterr())
        assert looks_like(output, printed), f"{arguments}: {printed}"


@pytest.mark.slow
def test_a_damaged_run_is_announced_as_the_help_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOFTLAB_STORE", str(tmp_path))
    train = ["train", "--profile", "smoke", "--method", "baseline", "--seed", "0", "--set", "epochs=1"]
    cli.main(train)
    (folder,) = tmp_path.glob("baseline-*")
    (folder / "history.json").write_text("{}")
    capsys.readouterr()
    cli.main(train)
    first = capsys.readouterr().out.splitlines()[0]
    assert any(looks_like(one, first) for one in messages())


def test_a_full_disk_is_announced_as_the_help_page_says(tmp_path):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(softlab.SoftlabError) as error:
        files.write_whole(tmp_path / "weights", full)
    assert any(looks_like(one, f"softlab: {error.value}") for one in messages())


def test_a_failed_download_is_announced_as_the_help_page_says(tmp_path, monkeypatch):
    from softlab import data

    def no_network(*_, **__):
        raise RuntimeError("<urlopen error>")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", no_network)
    with pytest.raises(softlab.SoftlabError) as error:
        data.load("cifar10", tmp_path)
    assert any(looks_like(one, f"softlab: {error.value}") for one in messages())


def test_what_the_help_page_calls_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z][a-z-]*)", page("help")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"```bash\n(.*?)```", page("help"), re.DOTALL):
        for path in re.findall(r"(?:notebooks|workflow)/[\w/.]+", command):
            assert (ROOT / path).exists(), path
    for variable in re.findall(r"SOFTLAB_[A-Z]+", page("help")):
        assert any(variable in path.read_text() for path in (ROOT / "softlab").rglob("*.py")), variable
