"""Arrays and tables from files that people have: .npy, .npz and .csv. Nothing of them is unpickled.

A table's columns keep their names, which may be those of classes; what is no number is told from what is.
"""

import csv
import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from softlab.errors import SoftlabError, check_known
from softlab.files import UNPACKED, read_arrays

KINDS = (".npy", ".npz", ".csv", ".tsv")
LABELS = ("labels", "label", "targets", "target", "y", "y_true", "class")  # what people call them
INDEX = "Unnamed: 0"  # a first column without a name, as pandas writes its index, and what pandas makes of it
# Columns that say which image a row is of; those that belong to no class.
IDS = ("id", "ids", "index", "idx", "row", "image_id", "image", "images", "path", "paths", "file", "files", "filename")
IDS += ("filenames", "name", "names", "key", "uid", "uuid", INDEX.lower())
BESIDE = ("split", "set", "part", "fold", "seed", "epoch", "pred", "preds", "prediction", "predictions", "predicted")
BESIDE += ("y_pred", "correct", "right", "conf", "confidence", "loss", "nll", "entropy")
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
Ids = Mapping[str, np.ndarray]  # name of a column, in small letters -> which image each row is of, text (N,)
FRACTION = re.compile(r"[-+]?0\d+|-0")  # a cell of digits behind a decimal comma, or before one, and no whole number


@dataclass(frozen=True)
class Table:
    """What a .csv holds: are its columns named (else they are counted), and the columns as pandas reads them."""

    path: Path
    named: bool
    frame: pandas.DataFrame

    def column(self, wanted: tuple[str, ...]) -> str | None:
        """The first column that has one of these names, in any case of letters."""
        lowered = {name.lower(): name for name in reversed(self.frame.columns)} if self.named else {}
        return next((lowered[name] for name in wanted if name in lowered), None)

    @property
    def label_columns(self) -> list[str]:
        """The columns that are called as labels are, the first of LABELS first: all say the same of each row.

        Raises SoftlabError where they contradict each other.
        """
        found = [name for name in self.frame.columns if name.lower() in LABELS] if self.named else []
        found.sort(key=lambda name: LABELS.index(name.lower()))
        for other in found[1:]:
            one, two = (as_ids(self.frame[name].to_numpy()) for name in (found[0], other))
            numbers = all(is_number(word) for word in (*one, *two))
            pairs = set(zip(one.tolist(), two.tolist(), strict=True))
            if (one != two).any() if numbers else not len(pairs) == len(set(one)) == len(set(two)):
                raise SoftlabError(f"{self.path}: the columns {found[0]!r} and {other!r} contradict each other")
        return found

    def ids(self) -> Ids:
        """The columns that say which image a row is of."""
        chosen = [name for name in self.frame.columns if self.named and name.lower() in IDS]
        return {name.lower(): as_ids(self.frame[name].to_numpy()) for name in chosen}


def file_of(path: str | Path, kinds: tuple[str, ...] = KINDS) -> Path:
    """The path, if a file of one of these kinds lies there. Raises SoftlabError, in one line, if not."""
    place = Path(path).expanduser()
    if place.suffix.lower() not in kinds:
        code = ": files that can execute code are not read; numpy.save writes .npy"
        unsafe = code * (place.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle", ".bin", ".joblib"))
        raise SoftlabError(f"{place} must be a file of {', '.join(kinds)}{unsafe}")
    if not place.is_file():
        raise SoftlabError(f"there is no file {place}")
    _check_content(place)
    return place


def _check_content(path: Path) -> None:
    """Raise SoftlabError for an .npz that is called .npy, and the other way round."""
    try:
        with path.open("rb") as file:
            begins = file.read(6)
    except OSError:
        return  # whoever reads it says why it cannot be read
    for kind, sign in ((".npy", b"\x93NUMPY"), (".npz", b"PK\x03\x04")):
        if begins.startswith(sign) and path.suffix.lower() in (".npy", ".npz") and path.suffix.lower() != kind:
            raise SoftlabError(f"{path} holds what numpy writes as {kind}: rename it {path.with_suffix(kind).name}")


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
    name = name_among(names_in(path), path, wanted, only)
    return None if name is None else read_arrays(path)[name]


def name_among(names: Collection[str], path: Path, wanted: tuple[str, ...], only: bool = True) -> str | None:
    """The name that read_named takes."""
    name = next((name for name in wanted if name in names), None)
    if name is None and only and len(names) == 1:
        (name,) = names
    if name is None and only:
        check_known(f"array of {path.name}", wanted[0], names)
    return name


def read_table(path: Path, count: int | None = None) -> Table:
    """A .csv or .tsv, separated by commas, semicolons or tabs; its first line may name columns.

    It does where not all of it is numbers, and where all of it is whole numbers and no other line is, as pandas
    numbers columns. Where others are as well, the count of rows that is expected decides.
    A byte-order mark and the line ends of Windows are taken.  Raises SoftlabError for what is no table, with the first
    line that does not fit, and for a first line that could be either.
    """
    try:
        if path.stat().st_size > UNPACKED:
            raise ValueError(
                f"{path.stat().st_size // 2**20} MiB, at most {UNPACKED // 2**20} are read: save it as .npy"
            )
        first, before, separator = _first_line(path)
        _check_lines(path, separator, len(first))
        words = not all(is_number(cell) for cell in first)
        options = {"sep": separator, "header": None, "encoding": "utf-8-sig", "index_col": False}
        skipped = before + 1 if words else 0
        frame = pandas.read_csv(path, skiprows=skipped, na_filter=False, low_memory=False, **options)
    except SoftlabError:
        raise
    except pandas.errors.EmptyDataError:
        raise SoftlabError(f"{path} has no rows") from None
    except Exception as error:  # pandas', the csv module's, of text that is none, of the system
        raise SoftlabError(f"cannot read {path}: {_why(error)}") from None
    if not words and _numbers_are_names(path, first, frame, count):
        words = True
        frame = frame.iloc[1:].reset_index(drop=True)
    if words:
        frame.columns = _names(path, first)
    else:
        frame.columns = [str(number) for number in range(len(first))]
    _check_cells(path, separator, Table(path, words, frame))
    return Table(path, words, frame)


def _first_line(path: Path) -> tuple[list[str], int, str]:
    """The cells of the first line that is not blank, how many lines come before it, and what separates cells."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for before, line in enumerate(iter(lambda: file.readline(2**24), "")):
            if line.strip():
                separator = next((one for one in "\t;" if one in line), ",")
                cells = next(csv.reader([line.strip("\r\n ")], delimiter=separator))
                return [cell.strip() for cell in cells], before, separator
    raise SoftlabError(f"{path} has no rows")


def _check_lines(path: Path, separator: str, width: int) -> None:
    """Raise SoftlabError for the first line that has more or fewer cells than the first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=separator)
        for cells in lines:
            if len(cells) != width and cells:
                raise SoftlabError(
                    f"line {lines.line_num} of {path} has {len(cells)} cells, and its first line has {width}"
                )


def _numbers_are_names(path: Path, first: list[str], frame: pandas.DataFrame, count: int | None) -> bool:
    """Are the numbers of a first line the names of columns? Raises SoftlabError where nothing tells."""
    if len(first) < 2 or len(set(first)) < len(first) or not all(re.fullmatch(r"\d+", cell) for cell in first):
        return False
    others = frame.iloc[1:].to_numpy()
    if others.dtype.kind not in "iuf" or not (others == np.round(others)).all(1).any():
        return True
    if sorted(map(int, first)) != list(range(len(first))):
        return False
    if count not in (len(others), len(frame)):
        shown = separated(first)
        advice = "name columns class_0, class_1, …, or write numbers with a decimal point"
        raise SoftlabError(f"line 1 of {path}, {shown}, could be names of columns or an image's numbers: {advice}")
    return count == len(others)


def _names(path: Path, first: list[str]) -> list[str]:
    """The names of columns. Raises SoftlabError for one that is none."""
    names = [first[0] or INDEX, *first[1:]]
    if "" in names:
        last = " (it ends with a separator)" if names.index("") == len(names) - 1 else ""
        raise SoftlabError(f"line 1 of {path}: cell {names.index('') + 1} is empty{last}")
    seen = set()
    for name in names:
        if DECIMAL_COMMA.fullmatch(name):
            raise SoftlabError(f"line 1 of {path}: {name!r} has a decimal comma: write numbers with a point")
        if is_number(name) and not re.fullmatch(r"\d+", name):
            raise SoftlabError(f"line 1 of {path} has words and numbers: {name!r} is no name of a column")
        if name in seen:
            raise SoftlabError(f"line 1 of {path}: two columns are called {name!r}")
        seen.add(name)
    return names


def _check_cells(path: Path, separator: str, table: Table) -> None:
    """Raise SoftlabError for numbers with decimal commas, and for an index as the first column of a bare table."""
    frame = table.frame
    for name in (name for name in frame.columns if frame[name].dtype.kind not in "iufb"):
        words = frame[name].astype(str)
        if (bad := words.str.strip().str.fullmatch(DECIMAL_COMMA).to_numpy(dtype=bool)).any():
            cell = words.iloc[int(bad.argmax())]
            raise SoftlabError(f"row {int(bad.argmax())} of {path}: {cell!r} has a decimal comma: write a point")
    whole = (frame.dtypes.map(lambda dtype: dtype.kind) == "i").to_numpy()
    counted = whole[0] and (frame.iloc[:, 0] == np.arange(len(frame))).all()
    if not table.named and counted and len(frame) > 2 and not whole[1:].any() and len(whole) > 1:
        raise SoftlabError(f"the first column of {path} counts its rows: name the columns, or leave it out")
    if separator == "," and whole.all() and not table.named and len(whole) % 2 == 0:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            for cells in lines:
                if cell := next(filter(FRACTION.fullmatch, cells), None):
                    said = f"line {lines.line_num} of {path}: {cell!r} is a part of a number with a decimal comma"
                    raise SoftlabError(f"{said}: write a point")


def read_labels(path: Path) -> np.ndarray:
    """What a file of labels holds."""
    if path.suffix.lower() == ".npy":
        return read_npy(path)
    if path.suffix.lower() == ".npz":
        found = read_named(path, LABELS)
        assert found is not None  # else an error was raised
        return found
    return label_column(read_table(path))


def label_column(table: Table) -> np.ndarray:
    """The labels of a table: its column of that name, or the only one beside those that say which image it is."""
    if names := table.label_columns:
        return table.frame[names[0]].to_numpy()
    names = list(table.frame.columns)
    others = [name for name in names if not table.named or name.lower() not in IDS]
    if len(others) != 1 or (len(names) > 1 and not table.named):
        raise SoftlabError(f"{table.path} has {len(names)} columns: name the one with the labels label")
    if table.named and others != ["0"]:  # "0": as pandas calls what has no name
        only = f"{table.path}: its only column is {others[0]!r}"
        raise SoftlabError(f"{only}: name it label, or leave the first line out")
    return table.frame[others[0]].to_numpy()


def as_ids(values: np.ndarray) -> np.ndarray:
    """What says which image a row is of, as text (N,): 7 and 7.0 are one."""
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int64)
    return np.array([str(value).strip() for value in values.tolist()])


def in_order(own: Ids, other: Ids, names: tuple[str, str]) -> np.ndarray | None:
    """The rows of another file (N,) in the order of one's own, by what both say of which image a row is.

    None where they say nothing that could be compared; then rows are in one order.  names: of the two files.
    Raises SoftlabError where an image is missing, or there twice, and where the two cannot be compared.
    """
    columns = [name for name in own if name in other and name != INDEX.lower()]
    if columns:
        return _matched([own[name] for name in columns], [other[name] for name in columns], names, columns[:1] * 2)
    _check_index(own, other, names)
    mine, theirs = ({name: ids for name, ids in one.items() if not counts(ids)} for one in (own, other))
    if not mine or not theirs:
        return None
    for name, ids in mine.items():
        for called, others in theirs.items():
            if set(ids) == set(others):
                return _matched([ids], [others], names, [name, called])
    said = f"{names[0]} says in {next(iter(mine))!r} which image a row is of, and {names[1]} in {next(iter(theirs))!r}"
    raise SoftlabError(f"{said}: give both the same ids in a column id")


def one_sided(own: Ids, other: Ids, names: tuple[str, str]) -> list[str]:
    """What is to be said where only one of two files says which image a row is of."""
    telling = [any(not counts(ids) for ids in one.values()) for one in (own, other)]
    if telling[0] == telling[1]:
        return []
    says, silent = names if telling[0] else reversed(names)
    return [f"{says} says which image each row is of, and {silent} does not: rows are taken to be in one order."]


def _check_index(own: Ids, other: Ids, names: tuple[str, str]) -> None:
    """Raise SoftlabError where one index of pandas counts rows and the other has the same numbers in another order."""
    index = [one[INDEX.lower()] for one in (own, other) if INDEX.lower() in one]
    if len(index) == 2 and set(index[0]) == set(index[1]) and counts(index[0]) != counts(index[1]):
        same = f"a first column without a name has the same numbers in {names[0]} and {names[1]}, in another order"
        raise SoftlabError(f"{same}: name it id where it says which image it is, else leave it out")


def counts(ids: np.ndarray) -> bool:
    """Are these 0, 1, 2, …: which row it is, and no more?"""
    return bool((ids == np.arange(len(ids)).astype(str)).all())


def _matched(own: list[np.ndarray], other: list[np.ndarray], names: tuple[str, str], columns: list[str]) -> np.ndarray:
    """The rows of the other in one's own order. names, columns: of one's own file and of the other."""
    keys = [list(zip(*(part.tolist() for part in parts), strict=True)) for parts in (own, other)]
    places = []
    for listed, name, column in zip(keys, names, columns, strict=True):
        place = {key: row for row, key in enumerate(listed)}
        if len(place) < len(listed):
            twice = next(key for row, key in enumerate(listed) if place[key] != row)
            raise SoftlabError(f"{name} has {twice[0]!r} twice in {column!r}")
        places.append(place)
    for one, two in ((0, 1), (1, 0)):
        lost = next((key for key in keys[one] if key not in places[two]), None)
        if lost is not None:
            raise SoftlabError(f"{lost[0]!r} of {columns[one]!r} is in {names[one]}, and not in {names[two]}")
    return np.array([places[1][key] for key in keys[0]])


def separated(names: list[str]) -> str:
    """`a, b, c, d, e, …`: the first five."""
    return ", ".join(names[:5]) + ", …" * (len(names) > 5)


def is_number(text: str) -> bool:
    """Can this be read as a number? NaN and infinity can, too."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _why(error: Exception) -> str:
    """What went wrong, in one line: the system's own words where it has some."""
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(f"{type(error).__name__}: {said}".split())[:300]
