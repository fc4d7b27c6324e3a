"""Arrays and tables from files that people have: .npy, .npz and .csv. Nothing of them is unpickled.

A table's columns keep their names, which may be those of classes; what is no number is told from what is.
"""

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from softlab.errors import SoftlabError, check_known
from softlab.files import UNPACKED, read_arrays

KINDS = (".npy", ".npz", ".csv", ".tsv")
LABELS = ("labels", "label", "targets", "target", "y", "y_true", "class")  # what people call them
# Columns of a table of predictions that belong to no class.
BESIDE = ("id", "index", "image", "images", "path", "paths", "file", "filename", "name", "split")
BESIDE += ("pred", "preds", "prediction", "predictions", "predicted", "y_pred", "correct", "confidence")


@dataclass(frozen=True)
class Table:
    """What a .csv holds: names of columns (empty where it has none), and the columns as pandas reads them."""

    named: bool
    frame: pandas.DataFrame


def file_of(path: str | Path, kinds: tuple[str, ...] = KINDS) -> Path:
    """The path, if a file of one of these kinds lies there. Raises SoftlabError, in one line, if not."""
    place = Path(path).expanduser()
    if place.suffix.lower() not in kinds:
        code = ": files that can execute code are not read; numpy.save writes .npy"
        unsafe = code * (place.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle", ".bin", ".joblib"))
        raise SoftlabError(f"{place} must be a file of {', '.join(kinds)}{unsafe}")
    if not place.is_file():
        raise SoftlabError(f"there is no file {place}")
    return place


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy, mapped into memory rather than read; nothing is unpickled."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of numpy, of the system, of a header that is none
        raise SoftlabError(f"cannot read {path}: {_why(error)}") from None


def names_in(path: Path) -> list[str]:
    """The names of the arrays of an .npz, none of which is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception as error:  # zip's own and the system's
        raise SoftlabError(f"cannot read {path}: {_why(error)}") from None


def read_named(path: Path, wanted: tuple[str, ...], only: bool = True) -> np.ndarray | None:
    """The array of an .npz that has one of the wanted names; else the only one in it, if `only`.

    None where there is neither, and nothing else could be meant.  Raises SoftlabError where several could be.
    """
    names = names_in(path)
    name = next((name for name in wanted if name in names), None)
    if name is None and only and len(names) == 1:
        name = names[0]
    if name is None and only:
        check_known(f"array of {path.name}", wanted[0], names)
    return None if name is None else read_arrays(path)[name]


def read_table(path: Path) -> Table:
    """A .csv or .tsv, separated by commas, semicolons or tabs; a first line that is not all numbers names columns.

    A byte-order mark and the line ends of Windows are taken. Raises SoftlabError for what is no table.
    """
    try:
        if path.stat().st_size > UNPACKED:
            raise ValueError(
                f"{path.stat().st_size // 2**20} MiB, at most {UNPACKED // 2**20} are read: save it as .npy"
            )
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(2**20).strip()
        separator = max(",;\t", key=first.count)
        cells = next(csv.reader([first], delimiter=separator), [])
        named = not all(_is_number(cell) for cell in cells)
        options = {"sep": separator, "header": 0 if named else None, "encoding": "utf-8-sig", "index_col": False}
        frame = pandas.read_csv(path, skip_blank_lines=True, na_filter=False, low_memory=False, **options)
    except Exception as error:  # pandas', the csv module's, of text that is none, of the system
        raise SoftlabError(f"cannot read {path}: {_why(error)}") from None
    if frame.empty:
        raise SoftlabError(f"{path} has no rows")
    frame.columns = [str(name).strip() for name in frame.columns]
    return Table(named, frame)


def read_labels(path: Path) -> np.ndarray:
    """What a file of labels holds."""
    if path.suffix.lower() == ".npy":
        return read_npy(path)
    if path.suffix.lower() == ".npz":
        found = read_named(path, LABELS)
        assert found is not None  # else an error was raised
        return found
    table = read_table(path)
    if len(table.frame.columns) == 1:
        name = table.frame.columns[0]
        if table.named and name.lower() not in LABELS:
            raise SoftlabError(f"{path}: its only column is {name!r}: name it label, or leave the first line out")
        return table.frame[name].to_numpy()
    name = column_of(table, LABELS) if table.named else None
    if name is None:
        raise SoftlabError(f"{path} has {len(table.frame.columns)} columns: name the one with the labels label")
    return table.frame[name].to_numpy()


def column_of(table: Table, wanted: tuple[str, ...]) -> str | None:
    """The first column of a table that has one of these names, in any case of letters."""
    lowered = {name.lower(): name for name in reversed(table.frame.columns)}
    return next((lowered[name] for name in wanted if name in lowered), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _why(error: Exception) -> str:
    """What went wrong, in one line: the system's own words where it has some."""
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(f"{type(error).__name__}: {said}".split())[:300]
