"""Assemble the executed book and build its site: python build_site.py BUILD LOG [SWEEP …]

BUILD/site mirrors the repository (so that launch links are right), with the executed notebooks in place of the
committed ones; jupyter-book renders it with execution off and warnings as errors. BUILD/html appears only if every
page of the table of contents came out.
"""

import base64
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

import address
import laboratory
import nbformat
import number_page
import plan
import speed
import yaml
from matplotlib.colors import to_hex
from number_page import table

from softbook.statements.pages import with_notes
from softbook.studies.catalogue import renamed
from softlab.errors import SoftlabError
from softlab.figures.style import class_colors

ROOT = Path(__file__).resolve().parent.parent
# Old address -> new one.
MOVED = {"book/leaderboard.html": "numbers.html?search=%22NLL%20at%20that%20temperature%22%20many&sort=asc"}
MOVED |= {"book/sweeps.html": "batch.html#over-a-grid", "book/notation.html": "glossary.html#symbols"}
MOVED |= {"book/cite.html": "changelog.html#cite-this"}
MOVED |= {f"notebooks/{old}.html": f"{new}.html" for old, new in renamed().items()}


def main(build: Path, log: Path, sweeps: list[str]) -> None:
    for stale in build.glob(".site-*"):  # of a build that was killed, and whose children may still write there
        shutil.rmtree(stale, ignore_errors=True)
    work = build / f".site-{os.getpid()}"
    site = work / "site"
    rendered = work / "rendered"
    assemble(build, site, sweeps)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(site), "-n", "-W", "--keep-going"]
    with log.open("w") as lines:
        built = subprocess.run([*command, "--path-output", str(rendered)], stdout=lines, stderr=subprocess.STDOUT)
    if built.returncode < 0:
        sys.exit(f"the site was not built: jupyter-book was killed (log: {log})")
    if built.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
        complaints = [line for line in said.splitlines() if re.search(r": (WARNING|ERROR|CRITICAL): |Error: ", line)]
        sys.exit("\n".join(["the site was not built:", *(complaints or said.splitlines()[-20:]), f"(log: {log})"]))
    html = rendered / "_build" / "html"
    missing = [page for page in plan.pages(site / "_toc.yml") if not is_page(html / f"{page}.html")]
    if missing or not is_page(html / "index.html", at_least=50):
        sys.exit(f"no page came out for: {', '.join(missing) or 'index.html'}")
    try:
        laboratory.write(html / "laboratory")
    except SoftlabError as error:
        sys.exit(f"the site was not built: {error}")
    shutil.copytree(ROOT / "book" / "playground", html / "playground")  # it needs ../laboratory beside it
    for old, new in MOVED.items():
        if not is_page((html / old).with_name(re.split("[?#]", new)[0])):
            continue  # of a book of fewer pages
        (html / old).write_text(f'<!DOCTYPE html>\n<meta http-equiv="refresh" content="0; url={new}">\n')
    add_sweeps(html, build, sweeps)
    (html / ".nojekyll").touch()
    shutil.rmtree(build / "html", ignore_errors=True)
    html.replace(build / "html")
    shutil.rmtree(work)


def assemble(build: Path, site: Path, sweeps: list[str]) -> None:
    """A folder with everything that the site is rendered from, for `jupyter-book build`.

    Plain Sphinx can build it too, once `jupyter-book config sphinx` has translated _config.yml to a conf.py.
    """
    shutil.copytree(ROOT / "book", site / "book")
    shutil.copy(ROOT / "_toc.yml", site)
    shutil.copy(ROOT / "softlabels.py", site)  # book/one_file.md shows it, and offers its images
    shutil.copy(ROOT / "softlab" / "training" / "datasets" / "fashion_mini.npz", site)
    (site / "notebooks").mkdir()
    repository = address.of_repository()
    for executed in sorted((build / "notebooks").glob("*.ipynb")):
        if executed.name.count(".") == 1:  # not NAME.partial.ipynb, not NAME.failed.ipynb
            results = executed.with_suffix(".results.json")
            if results.exists():
                shutil.copy(results, site / "notebooks")
            place = site / "book" if (site / "book" / executed.name).exists() else site / "notebooks"
            shown = without_traces(nbformat.read(executed, as_version=4))
            fold_captions(shown)
            for cell in (cell for cell in shown.cells if cell.cell_type == "markdown"):
                cell.source = as_terms(with_notes(executed.stem, cell.source))
            if place.name == "notebooks" or executed.stem == "intro":
                add_foot(shown, executed.stem, repository, (site / "book" / "colab.md").exists(), results.exists())
            nbformat.write(shown, place / executed.name)
    for page in sorted((site / "book").glob("*.md")):
        page.write_text(with_notes(page.stem, page.read_text()))
    (site / "book" / "this_build.md").write_text(this_build(build))
    number_page.add(site, build)
    list_sweeps(site, build, sweeps)
    add_cover(site, build)
    page = site / "book" / "speed.md"
    page.write_text(speed.filled(page.read_text()))
    (site / "_config.yml").write_text(yaml.safe_dump(configuration(repository), allow_unicode=True))


def list_sweeps(site: Path, build: Path, names: list[str]) -> None:
    """Name the sweeps that this build was asked for, each with its page and its table."""
    lines = []
    for name in names:
        title = re.findall(r"<title>(.*?)</title>", (build / "sweeps" / name / "report.html").read_text())[0]
        lines.append(f'- <a href="sweeps/{name}.html">{title}</a> (<a href="sweeps/{name}.csv">all numbers</a>)')
    page = site / "book" / "batch.md"
    page.write_text(
        page.read_text().replace("<!-- the list of sweeps -->", "\n".join(lines) or "*There are none yet.*")
    )


def add_sweeps(html: Path, build: Path, names: list[str]) -> None:
    """Lay the pages of sweeps, which need nothing else, and their tables where `list_sweeps` says that they are."""
    folder = html / "book" / "sweeps"
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(build / "sweeps" / name / "report.html", folder / f"{name}.html")
        shutil.copy(build / "sweeps" / name / "table.csv", folder / f"{name}.csv")


COVER = r"```\{figure\} _static/cover\.png\n(?P<options>:alt: .*)(?P<rest>(?s:.*?))```"
EXPLORABLE = r'<figure class="explorable" data-name="cones">(?s:.*?)<script type="application/json">(.*?)</script>'


def add_cover(site: Path, build: Path) -> None:
    """Add the picture that the cell tagged `cover` draws; without that cell the cover has none.

    What the cell prints ends the picture's alternative text, as the picture depends on the build. It moves with the
    numbers of chapter 2's explorable (`planes` in book/laboratory/explorables.js draws them).
    """
    if not (page := site / "book" / "intro.ipynb").exists():
        return
    cells = [cell for path in (build / "notebooks").glob("*.ipynb") for cell in nbformat.read(path, as_version=4).cells]
    drawn = [cell.outputs for cell in cells if "cover" in cell.metadata.get("tags", [])]
    pictures = [one.data["image/png"] for outputs in drawn for one in outputs if "image/png" in one.get("data", {})]
    told = " ".join("".join(one.get("text", "") for outputs in drawn for one in outputs).split())
    shown = [one.get("data", {}).get("text/html", "") for cell in cells for one in cell.get("outputs", [])]
    numbers = re.findall(EXPLORABLE, "\n".join(shown))
    cover = nbformat.read(page, as_version=4)
    if pictures:
        (site / "book" / "_static" / "cover.png").write_bytes(base64.b64decode(pictures[0]))
    for cell in cover.cells:
        if pictures:
            cell.source = re.sub(COVER, lambda found: cover_figure(found, told, numbers), cell.source)
        else:
            cell.source = re.sub(rf"{COVER}\n*", "", cell.source)
    nbformat.write(cover, page)


def cover_figure(found: re.Match, told: str, numbers: list[str]) -> str:
    """The cover's figure in Markdown, as COVER found it, with its text and the script that moves it."""
    options = [f"{found['options']} {told}".rstrip(), f":figclass: {'explorable ' if numbers else ''}cover"]
    moves = [f'\n<script type="application/json" data-name="planes">{one}</script>\n' for one in numbers[:1]]
    rest = found["rest"]
    for one in numbers[:1]:
        rest = rest.replace("<!-- the classes -->", f" ({key(json.loads(one)['classes'])})")
    return "".join(["```{figure} _static/cover.png\n", "\n".join(options), rest, *moves, "```"])


def key(classes: list[str]) -> str:
    """The names of the classes, each behind its colour in the planes."""
    colors = map(to_hex, class_colors(len(classes))(range(len(classes))))
    name = '<span class="name"><span class="swatch" style="background: {}"></span> {}</span>'
    return ", ".join(itertools.starmap(name.format, zip(colors, map(escape, classes), strict=True)))


def without_traces(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without papermill's traces: the cell that it injected, and its metadata."""
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for holder in (notebook, *notebook.cells):
        holder.metadata.pop("papermill", None)
    return notebook


CAPTION = "**Figure.** "  # how the Markdown below a picture begins
SHOWN = {"display_data", "execute_result"}  # outputs that a caption is put under
CHART = re.compile(r'(?<=<div class="chart" role="group" aria-label=")[^"]*')  # as softlab.figures.described makes it


def fold_captions(notebook: nbformat.NotebookNode) -> None:
    """Make the Markdown below a picture that explains it the picture's caption; in a notebook it stands as it is."""
    cells: list[nbformat.NotebookNode] = []
    for cell in notebook.cells:
        about = escape(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
        for output in cell.get("outputs", []) if about else []:
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = CHART.sub(lambda _, about=about: about, output.data["text/html"])
        if cell.source.startswith(CAPTION) and cells and cells[-1].cell_type == "code":
            if sum(output.output_type in SHOWN for output in cells[-1].outputs) > 1:
                sys.exit(f"cell {cells[-1].id} shows more than the one picture that its caption is of")
            figure = cells[-1].metadata.setdefault("mystnb", {}).setdefault("figure", {})
            figure["caption"] = as_terms(cell.source.removeprefix(CAPTION))
        else:
            cells.append(cell)
    notebook.cells = cells


# A notebook's link to a word of the glossary, whose blanks are hyphens there.
TERM = re.compile(r"\[(?P<shown>[^\]]+)\]\((?:\.\./book/)?glossary\.md#(?P<anchor>[^)]+)\)")


@functools.cache
def glossary() -> dict[str, str]:
    """The words that the glossary explains, by their anchors; none in a book without that page."""
    page = ROOT / "book" / "glossary.md"
    text = page.read_text() if page.exists() else ""
    words = re.findall(r"(?m)^([\w(].*)$", text.partition("```{glossary}")[2])
    return {word.lower().replace(" ", "-"): word for word in words}


def as_terms(text: str) -> str:
    """Markdown whose links to words of the glossary lead to the very word; elsewhere they open the page."""
    words = glossary()
    return TERM.sub(lambda link: f"{{term}}`{link['shown']} <{words[link['anchor']]}>`", text)


FOOT = """## Run it yourself

In a terminal, with Python 3.11 or newer:

```bash
{clone}
make book  # sets up .venv, executes every notebook, builds these pages
```

{unknown}Or {what} alone, to change and run again:

```bash
python3 -m venv .venv
.venv/bin/pip install -c constraints.txt -e ".[attacks]" -e ./softbook jupyterlab
.venv/bin/jupyter lab notebooks/{name}.ipynb
```

{colab}

{archive}

{taken_along}"""


def add_foot(
    notebook: nbformat.NotebookNode,
    name: str,
    repository: str | None,
    explained: bool = True,
    results: bool = False,
) -> None:
    """End the cover and each chapter with how to run it, files to download, and what it ran on.

    Where `make publish` has an archive of the chapter, it puts a link in the place of the comment.
    repository: its address, None if it is not known.  explained: whether this book has the page on Colab.
    results: whether the chapter has saved its numbers beside itself.
    """
    is_cover = name == "intro"
    chapter = "soft_labels" if is_cover else name
    known = f"git clone {repository} softlab-book\ncd softlab-book"
    unknown = "This copy of the book does not know where its repository lies; whoever gave you the book does. "
    unknown += "(The package index has another project called `softlab`: that is not it.)\n\n"
    colab = f"In {'[Google Colab](../book/colab.md)' if explained else 'Google Colab'} it runs without an installation"
    badge = "[![Open in Colab](../book/_static/open_in_colab.svg)]"
    text = FOOT.format(
        clone=known if repository else "cd softlab-book  # your clone, or the unpacked archive",
        unknown="" if repository else unknown,
        what="a chapter" if is_cover else "this chapter",
        name=chapter,
        colab=f"{colab}: {badge}({address.colab_link(repository, chapter)})" if repository else f"{colab}, too.",
        archive=f"<!-- archive: {chapter} -->",
        taken_along="" if is_cover else taken_along(name, results),
    )
    notebook.cells.append(nbformat.v4.new_markdown_cell(text, id="run-it-yourself"))


def taken_along(name: str, results: bool) -> str:
    """A chapter's files."""
    files = [f"{{download}}`Executed notebook <{name}.ipynb>`"]
    if results:
        files.append(f"{{download}}`Its results <{name}.results.json>`")
    return " · ".join(files)


def is_page(path: Path, at_least: int = 2000) -> bool:
    return path.is_file() and path.stat().st_size >= at_least


def configuration(repository: str | None) -> dict:
    """_config.yml, with launch buttons only if the repository's address is known."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    if repository:
        settings["repository"] = {"url": repository, "branch": "main"}
        settings["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
        settings["html"] |= {"use_repository_button": True, "use_issues_button": True}
    return settings


def this_build(build: Path) -> str:
    """The page that says what this build ran on: how long each notebook took, and with which commit and versions."""
    executed = {path.stem: json.loads(path.read_text()) for path in plan.notebook_records(build)}
    columns = ["seconds", "commit", *next(iter(executed.values()), {"versions": ()})["versions"]]
    profile = f"Profile `{build.name}`, executed on {os.cpu_count()} CPU cores."
    rows = [[name, f"{one['seconds']:.0f}", one["commit"], *one["versions"].values()] for name, one in executed.items()]
    return f"""# This build

{profile} A commit with a + had local changes. Times and
versions of the trained networks are part of each run's record (`softlab runs show`).

{table(["notebook", *columns], rows)}
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
