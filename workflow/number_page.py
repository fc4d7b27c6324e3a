"""The page of all numbers, from all_numbers.py's tables: a table to search and sort, and files to download.

The table is DataTables, from the package itables: the page asks no host for anything and works from disk. Only the rows
on the screen become elements of the page, so that thousands of them are no burden; the page holds the others packed.
"""

import base64
import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import itables.options
import pandas

TEMPLATE = Path(__file__).with_name("datatables.html")
HEADINGS = ("quantity", "method", "mean", "change", "study", "scale", "networks", "name")
FLOATS = ("mean", "mean ±", "difference", "difference ±")  # columns of all.csv that may be empty
WORDS = ("quantity", "method", "study", "scale", "name")  # columns whose few texts the page holds once
OLDER = " †"  # behind a number of networks that were measured by an older version of the quantity
MINUS = "\N{MINUS SIGN}"


def add(site: Path, build: Path) -> None:
    """Fill in book/numbers.md, and put the files beside it."""
    page = site / "book" / "numbers.md"
    folder = build / "numbers"
    if folder.exists():
        shutil.copytree(folder, page.with_suffix(""))
        numbers = pandas.read_csv(folder / "all.csv", keep_default_na=False, na_values=dict.fromkeys(FLOATS, ""))
        (page.with_suffix("") / "table.html").write_text(as_html(numbers))
        places = {"table": "```{raw} html\n:file: numbers/table.html\n```", "files": files(folder)}
    else:
        places = dict.fromkeys(("table", "files"), "*This build has no tables of numbers.*")
    text = page.read_text()
    for name, content in places.items():
        text = text.replace(f"<!-- the {name} -->", content)
    page.write_text(text)


def as_html(numbers: pandas.DataFrame) -> str:
    """The table with its library and its rows, to be put into a page. numbers: all.csv."""
    study = [", ".join(filter(None, pair)) for pair in zip(numbers["study"], numbers["setting"], strict=True)]
    coded, words = pandas.factorize(numbers.assign(study=study)[[*WORDS]].to_numpy().ravel())
    rows = []
    for row, places in zip(numbers.to_dict("records"), coded.reshape(-1, len(WORDS)).tolist(), strict=True):
        shown = [written(row, name) for name in ("mean", "difference")]
        if row["older"]:
            shown[0] += OLDER
        rows.append([*places, row["networks"], *shown])
    heads = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    markup = "<noscript><p>Without JavaScript there is no table here: the files below hold all of it.</p></noscript>"
    markup += f'<div class="numbers full-width"><table id="numbers" class="display compact"><thead><tr>{heads}</tr>'
    return f"{markup}</thead></table></div>\n{script(words.tolist(), rows)}"


def script(words: Sequence[str], rows: Sequence[list]) -> str:
    """What makes a table of the rows, with the library that does so."""
    library = Path(itables.options.dt_bundle)
    content = {"library": library.read_text(), "words": words, "rows": rows}
    text = TEMPLATE.read_text()
    text = text.replace("/* the library's style */", library.with_suffix(".css").read_text())
    return text.replace("the packed table", packed(content))


def packed(content: object) -> str:
    """Plain values as base64 of gzipped JSON: a quarter of the size, the same bits at each build, safe in a script."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def written(row: dict, name: str) -> str:
    """A number ± half its interval, in the quantity's digits; a difference has its sign. Empty for none."""
    value = row[name]
    half = row[f"{name} ±"]
    digits = row["digits"]
    if pandas.isna(value):
        return ""
    text = f"{value:{'+' if name == 'difference' else ''}z.{digits}f}".replace("-", MINUS)
    return text if pandas.isna(half) else f"{text} ± {half:.{digits}f}"


def files(folder: Path) -> str:
    """Links to the tables of networks, one line for each study."""
    rows: dict[str, list[str]] = {}
    for path in sorted(folder.glob("networks/*.csv")):
        study, _, scale = path.stem.partition(".")
        link = f"{{download}}`{scale.replace('_', ' ')} <numbers/networks/{path.name}>`"
        rows.setdefault(study, []).append(link)
    return table(["study", "a row for each network"], [[study, ", ".join(links)] for study, links in rows.items()])


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
