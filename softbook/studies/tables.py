"""Recorded tables as files, read strictly: anything unlike what was written is one line with its place.

They are text that anybody may have edited. No cell is executed or guessed at, and no column holds what a spreadsheet
would take for a formula. This module imports no torch.
"""

import csv
import io
import json
import math
import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softlab.errors import SoftlabError
from softlab.files import read_arrays, write_whole
from softlab.training.experiment import Experiment

if TYPE_CHECKING:
    import numpy
    import pandas

RECORDS = Path(__file__).parents[1] / "records"
RUN = r"[a-z][a-z0-9_]*-seed[0-9]+-[0-9a-f]{12}"
PLAIN = r"[A-Za-z0-9].*"
# Columns of every table, and what stands in them.
OWN = {"method": r"[a-z][a-z0-9_]{0,63}", "seed": r"[0-9]{1,10}", "id": RUN, "torch": PLAIN, "device": PLAIN}
OWN |= {"cpu": f"({PLAIN})?", "asked": RUN, "evaluation": r"[a-z0-9]{1,12}", "lenses": r"[0-9a-f]{12}"}
OWN |= {"date": r"([0-9]{4}-[0-9]{2}-[0-9]{2})?", "commit": r"[0-9a-f]{7,40}"}
# Those of OWN that a table of a measure has (softbook.studies.asked), with the study whose network it was.
OF_MEASURE = ("method", "seed", "id", "study", "torch", "date", "commit")
# Columns that only some tables have. experiment: what is otherwise than in about.json, method and seed aside, as JSON;
# failed: why training ended without a network; jump: records.jump.
SOME = ("experiment", "failed", "jump", "study", "pyautoattack")
# Columns of which that is known; all others are of numbers.
FORMS = {name: PLAIN for name, value in Experiment().as_dict().items() if isinstance(value, str)}
FORMS |= {"parameter": r"([a-z][a-z0-9_]*)?", "epoch": r"[0-9]{1,6}", "cell": PLAIN, "failed": f"({PLAIN})?", **OWN}
FORMS |= {"study": r"[a-z][a-z0-9_]*", "pyautoattack": PLAIN, "experiment": r"\{.*\}"}


def write_table(path: Path, rows: list[dict[str, Any]], quantities: Iterable[str], form: str | None = None) -> None:
    """Rows with a number for each quantity, or none where training failed; `images` and `older` are left out.

    form: of numbers; with it, quantities that no row has are left out, as for snapshots (None: all digits, all kept).
    """
    import pandas

    table = pandas.DataFrame(rows).drop(columns=["images", "older"], errors="ignore")
    if not any(row.get("failed") for row in rows):
        table = table.drop(columns="failed", errors="ignore")
    known = [name for name in quantities if form is None or pandas.notna(table[name].to_numpy()).any()]
    order = [name for name in table if name not in quantities] + known
    text = table[order].to_csv(index=False, lineterminator="\n", float_format=form)
    write_whole(path, lambda file: file.write(text.encode()))


def read_rows(path: Path, needed: Iterable[str] = OWN) -> tuple[list[str], list[list[str]]]:
    """The names of a table's columns, and the cells of its rows.  needed: columns that it must have.

    Raises SoftlabError if the file is torn, or a column is missing or given twice.
    """
    try:
        text = path.read_bytes().decode()
        header, *rows = [*csv.reader(io.StringIO(text, newline=""), strict=True)] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise SoftlabError(f"cannot read {path}: {error}") from None
    lost = [name for name in needed if name not in header]
    twice = [name for name in header if header.count(name) > 1]
    if lost or twice:
        raise SoftlabError(f"{path}: column {(lost or twice)[0]!r} is {'missing' if lost else 'there twice'}")
    short = [number for number, row in enumerate(rows, 1) if len(row) != len(header)]
    if short or not text.endswith("\n"):
        raise SoftlabError(f"{path}: row {[*short, len(rows)][0]} is torn")
    return header, rows


def read_table(
    path: Path, quantities: Iterable[str], key: Sequence[str] = (), asked: Container[str] = ()
) -> "pandas.DataFrame":
    """A study's table on record; an empty cell of a number is NaN, and so are all cells of a quantity that it lacks.

    key: columns that it must have, and that, beside its run id, tell one row from another.
    Columns: method, seed, what its study varies, id and the others of OWN, those of SOME that it has, quantities, and
    those that only some tables have (asked).
    Raises SoftlabError as read_rows does, and if a column is foreign, a cell is not of its column's kind, or two rows
    are of the same network and key.
    """
    header, rows = read_rows(path, (*OWN, *key))
    quantities = dict.fromkeys(quantities, math.nan)
    varied = header[header.index("seed") + 1 : header.index("id")]
    for name in header:
        known = name in OWN or name in SOME or name in quantities or name in asked
        if not known and not (name in varied and name.isidentifier()):
            raise SoftlabError(f"{path}: column {name[:80]!r} is no quantity, and nothing that a study varies")
    missing = {name: value for name, value in quantities.items() if name not in header}
    return _table(path, _columns(path, header, rows, quantities) | missing, key)


def read_measure(path: Path, key: Sequence[str]) -> "pandas.DataFrame":
    """A measure's table on record: OF_MEASURE, its key, others of OWN that it has; all other columns are numbers.

    Raises SoftlabError as read_table does; a column is foreign if its name begins as no name does.
    """
    header, rows = read_rows(path, (*OF_MEASURE, *key))
    for name in header:
        if not re.fullmatch(PLAIN, name):
            raise SoftlabError(f"{path}: column {name[:80]!r} cannot be the name of a number")
    return _table(path, _columns(path, header, rows, ()), key)


def _columns(path: Path, header: list[str], rows: list[list[str]], quantities: Container[str]) -> dict[str, Any]:
    """These cells by column, each of its column's kind."""
    columns: dict[str, list] = {name: [] for name in header}
    for number, row in enumerate(rows, 1):
        for (name, cells), text in zip(columns.items(), row, strict=True):
            try:
                cells.append(_cell(name, text, quantities))
            except ValueError:
                raise SoftlabError(f"{path}: row {number}, column {name!r}: {text[:80]!r} cannot stand there") from None
    return columns


def _table(path: Path, columns: dict[str, Any], key: Sequence[str]) -> "pandas.DataFrame":
    """These columns as a table, in which no two rows are of one network and key."""
    import pandas

    table = pandas.DataFrame(columns)
    twice = table.duplicated(["id", *key])
    if twice.any():
        raise SoftlabError(f"{path}: row {int(twice.to_numpy().argmax()) + 1} is there twice")
    return table


def rows_of(table: "pandas.DataFrame") -> list[dict[str, Any]]:
    """The rows of a table, {column: cell}."""
    return table.to_dict("records")  # pyright: ignore[reportCallIssue]


def read_outcomes(path: Path) -> dict[str, dict[str, "numpy.ndarray"]]:
    """Outcomes by image beside a table: {run id: {outcome: array, bool or float16, last axis over images}}."""
    by_run: dict[str, dict[str, numpy.ndarray]] = {}
    for key, values in read_arrays(path).items():
        name, _, outcome = key.partition("/")
        if values.dtype not in ("bool", "float16") or not values.ndim:
            raise SoftlabError(f"{path}: {key!r} is no outcome by image but {values.dtype} of shape {values.shape}")
        by_run.setdefault(name, {})[outcome] = values
    return by_run


def read_about(path: Path) -> dict[str, dict[str, Any]]:
    """What about.json says of a study's tables, by profile; empty if there is no such file."""
    try:
        profiles = json.loads(path.read_bytes()) if path.exists() else {}
        for entry in profiles.values():
            entry["experiment"] = Experiment().as_dict() | entry["experiment"]  # with fields that there were not then
            entry["lenses"] = {digest: dict(versions) for digest, versions in entry["lenses"].items()}
            entry["quantities"] = {digest: dict(versions) for digest, versions in entry.get("quantities", {}).items()}
            entry["additions"] = {digest: _addition(added) for digest, added in entry.get("additions", {}).items()}
            entry["evaluation"] = dict(entry["evaluation"])
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise SoftlabError(f"cannot read {path}: {type(error).__name__}: {error}") from None
    return profiles


def _addition(entry: dict[str, Any]) -> dict[str, Any]:
    """What was added to rows later: see softlab.numbers.versions."""
    kinds = {"commit": str, "date": str, "quantities": dict}
    parts = [{name: kind(part[name]) for name, kind in kinds.items()} for part in entry["parts"]]
    return {"to": str(entry["to"]), "parts": parts}


def _cell(name: str, text: str, quantities: Container[str]) -> str | float:
    """What a cell says, a number as the nearest float. Raises ValueError if it is not of its column's kind."""
    if name in FORMS:
        if not re.fullmatch(FORMS[name], text):
            raise ValueError(text)
        return int(text) if name in ("seed", "epoch") else text or math.nan
    whole = name not in quantities and re.fullmatch(r"[0-9]{1,15}", text)
    return int(text) if whole else float(text or "nan")
