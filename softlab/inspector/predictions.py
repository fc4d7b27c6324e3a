"""Predictions without their network: logits or probabilities and labels, from arrays or files, checked and told apart.

given = from_files("logits.npy", "labels.npy")   # or from_arrays(logits, labels)
"""

import dataclasses
import math
import mmap
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas
import torch
from torch import Tensor

from softlab.batches import ROWS, by_rows, cpu_threads, row_slices
from softlab.checks import check_unmasked, distributions, refuse, shown, sum_tolerance
from softlab.errors import SoftlabError
from softlab.files import read_arrays
from softlab.inspector import arrays

LOGITS = ("logits", "logit", "scores", "outputs")  # what people call them in an .npz
PROBABILITIES = ("probs", "probabilities", "prob", "probas", "softmax", "y_prob")
SCORES = (*LOGITS, *PROBABILITIES, "score", "output", "1", "positive")  # one number for each of two classes
SMALLEST = 1e-12  # in place of a probability of 0, which has no logarithm
FEWEST = 40  # images: ten for the temperature, thirty to score
SO_FAR_BELOW = 5000  # the largest logit of its row, a logit is a mask: float16's smallest number, -1e9, -inf
MASKED = 1e6  # and is put so far below: a probability of 0 at every temperature, and still a number


@dataclass(frozen=True)
class Predictions:
    """Logits (N, K), known up to a constant in each row, and labels (N,) int64; what was decided on the way.

    logits: float32, or as coarse as they were given; of classes that cannot be, MASKED below the row's largest.
    soft: labels (N, K) that are distributions, float64, of which `labels` is the largest entry (None: there are none).
    exact: are all logits known? Of a probability of 0 there is none.
    classes: their names; ids: which image each row is of (both empty where nothing says so).
    """

    name: str
    logits: Tensor
    labels: Tensor
    notes: tuple[str, ...]
    soft: Tensor | None = None
    exact: bool = True
    classes: tuple[str, ...] = ()
    ids: arrays.Ids = field(default_factory=dict)
    file: np.ndarray | None = field(default=None, repr=False)  # from which logits are mapped, if they are

    def let_go(self) -> None:
        """Let go of what of a mapped file was read: it counts as memory, and is read again if need be."""
        if isinstance(self.file, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.file._mmap.madvise(mmap.MADV_DONTNEED)  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Rows:
    """What a file says of images: numbers (N, K) or (N,), of classes with these names; labels; which images they are.

    count: of the rows (None: not known, as the first may be a name).
    """

    values: np.ndarray
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    ids: arrays.Ids = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    count: int | None = None


def from_files(path: str | Path, labels: str | Path | None = None, probabilities: bool = False) -> Predictions:
    """Predictions of an .npy, .npz or .csv, and labels of another one (None: the same file has them).

    Of an .npz the arrays `logits` (or `probs`) and `labels` are taken, or its only one. Columns of a table are classes
    by their names: numbers from 0 on in any order, or words, which labels name, or number in the order of the columns.
    Rows of two files that say which images they are of, as in a column `id`, are paired by that, else by their order.
    Labels are numbers of the classes from 0 on, names of columns, or soft: a row each, as the predictions have.
    Raises SoftlabError, in one line, for whatever else it is, and for names that are missing or contradict each other.
    """
    place = arrays.file_of(path)
    beside = None if labels is None else _labels(arrays.file_of(labels))
    scores = _scores(place, PROBABILITIES if probabilities else LOGITS, beside, probabilities)
    if beside is None and scores.labels is None:
        raise SoftlabError(f"{place} has no labels: give them, --labels FILE (.npy, .npz or .csv)")
    notes = list(scores.notes)
    truth = scores.labels
    if beside is not None:
        truth, note = _paired(scores, beside, (place.name, Path(str(labels)).name))
        notes += note
    assert truth is not None
    if beside is not None and beside.count is None and len(truth) == len(scores.values) + 1:
        raise SoftlabError(f"{labels} begins with 0, and has one row too many: call its column label if that is a name")
    truth = _numbered(truth, scores.classes)
    if beside is not None and scores.labels is not None:
        own = _numbered(scores.labels, scores.classes)
        if own.shape != truth.shape or (own != truth).any():
            raise SoftlabError(f"{place} has labels of its own, which are others than those of {labels}: leave one out")
    try:
        found = from_arrays(scores.values, truth, probabilities, place.stem)
    except SoftlabError as error:  # of the values: which file's, where several are compared?
        raise SoftlabError(f"{place}: {error}") from None
    notes += found.notes
    return dataclasses.replace(found, notes=tuple(notes), classes=scores.classes, ids=scores.ids, file=scores.values)


def in_one_order(given: Sequence[Predictions]) -> list[Predictions]:
    """Predictions to be compared: images and classes of all are in the order of the first, where names say which.

    Raises SoftlabError where one has other images or other classes.
    """
    first = given[0]
    ordered = [first]
    for one in given[1:]:
        names = (first.name, one.name)
        if one.classes and first.classes and one.classes != first.classes:
            raise SoftlabError(f"{names[0]} and {names[1]} have other classes, or in another order: give both the same")
        rows = arrays.in_order(first.ids, one.ids, names)
        notes = (*one.notes, *(arrays.one_sided(first.ids, one.ids, names) if rows is None else ()))
        one = one if rows is None else _chosen(one, torch.from_numpy(rows))
        ordered.append(dataclasses.replace(one, notes=notes))
    return ordered


def _chosen(given: Predictions, rows: Tensor) -> Predictions:
    """Some rows, in this order."""
    soft = None if given.soft is None else given.soft[rows]
    ids = {name: which[rows.numpy()] for name, which in given.ids.items()}
    return dataclasses.replace(given, logits=given.logits[rows], labels=given.labels[rows], soft=soft, ids=ids)


@cpu_threads(1)
def from_arrays(values: object, labels: object, probabilities: bool = False, name: str = "predictions") -> Predictions:
    """Logits or probabilities (N, K), or (N,) of the second of two classes, and labels, as predictions.

    Logits may be -inf, or as good as, where a class is masked.  labels: (N,), whole numbers from 0 to K - 1, or one row
    each with a single 1; or soft (N, K), a distribution each.
    Raises SoftlabError for anything else, for fewer than FEWEST images, and for a single class.
    """
    table = _numbers(values, "probabilities" if probabilities else "logits")
    notes = []
    if table.ndim == 2 and table.shape[1] == 1:
        table = table[:, 0]
    if table.ndim == 1:
        table = table.double()
        other = 1 - table if probabilities else torch.zeros_like(table)
        table = torch.stack([other, table], 1)
        what = "probability" if probabilities else "logit, against 0,"
        notes.append(f"There is one number for each image: it is taken as the {what} of class 1 of two.")
    if table.ndim != 2 or table.shape[1] < 2:
        raise SoftlabError(f"predictions must be (N, K), a row for each image, not {tuple(table.shape)}")
    truth, soft, said = _as_labels(labels, table)
    notes += said
    logits, exact, said = (_logarithms if probabilities else _logits)(table, truth)
    notes += said
    present = len(truth.unique())
    if len(truth) < FEWEST or present < 2:
        raise SoftlabError(f"{len(truth)} images of {present} classes are too few: {FEWEST} of two classes are needed")
    return Predictions(name, logits, truth, tuple(notes), soft, exact)


def _scores(path: Path, wanted: tuple[str, ...], beside: Rows | None, probabilities: bool) -> Rows:
    """What a file of predictions holds. beside: the file of labels, if there is one."""
    if path.suffix.lower() == ".npy":
        return Rows(arrays.read_npy(path))
    if path.suffix.lower() == ".npz":
        held = read_arrays(path)
        name = arrays.name_among(held, path, wanted)
        label = arrays.name_among(held, path, arrays.LABELS, only=False)
        assert name is not None  # else an error was raised
        return Rows(held[name], labels=None if label is None else held[label], ids=_ids_among(held))
    table = arrays.read_table(path, None if beside is None else beside.count)
    if not table.named:
        return Rows(table.frame.to_numpy())
    label = next(iter(table.label_columns), None)
    labels = None if label is None else table.frame[label].to_numpy()
    words = {word for one in (labels, beside and beside.values) if one is not None for word in _words(one)}
    classes, left_out = _class_columns(table, words, probabilities)
    if not classes:
        raise SoftlabError(f"{path} has no column of numbers for a class, only {', '.join(table.frame.columns)}")
    if len(classes) > 1 and not (probabilities or _numbered_from_0(classes)):
        _check_columns(path, classes, words, labels if beside is None else beside.values)
    ends = f"{classes[0]!r} to {classes[-1]!r}" if len(classes) > 1 else repr(classes[0])
    note = f"Classes are the columns {ends} of {path.name}, {len(classes)} in this order"
    note += f"; labels are its column {label!r}" if label is not None else ""
    note += f"; left out: {', '.join(map(repr, left_out))}." if left_out else "."
    return Rows(table.frame[classes].to_numpy(), tuple(classes), labels, table.ids(), (note,))


def _ids_among(held: Mapping[str, np.ndarray]) -> arrays.Ids:
    """Arrays that say which image each row is of."""
    return {name: arrays.as_ids(ids) for name, ids in held.items() if name.lower() in arrays.IDS and ids.ndim == 1}


def _labels(path: Path) -> Rows:
    """What a file of labels holds: values are labels (N,) or (N, K). Raises SoftlabError where that is one number."""
    rows = _rows_of_labels(path)
    if rows.values.ndim == 0:
        raise SoftlabError(f"{path} holds one number: labels are one for each image")
    return rows


def _rows_of_labels(path: Path) -> Rows:
    """`_labels`, of any shape."""
    if path.suffix.lower() == ".npz":
        held = read_arrays(path)
        name = arrays.name_among(held, path, arrays.LABELS)
        assert name is not None  # else an error was raised
        return Rows(held[name], ids=_ids_among(held), count=len(held[name]) if held[name].ndim else None)
    if path.suffix.lower() == ".npy":
        held = arrays.read_npy(path)
        return Rows(held, count=len(held) if held.ndim else None)
    table = arrays.read_table(path)
    if soft := _soft_columns(table):
        values = table.frame[soft].to_numpy()
        return Rows(values, tuple(soft) if table.named else (), ids=table.ids(), count=len(values))
    values = arrays.label_column(table)
    sure = table.named or str(values[0]) != "0"  # else pandas may have called the column 0
    return Rows(values, ids=table.ids(), count=len(values) if sure else None)


def _soft_columns(table: arrays.Table) -> list[str]:
    """The columns that make a distribution in each row; none where it has labels, or is no table of such."""
    numbers = [name for name in table.frame.columns if table.frame[name].dtype.kind in "iuf"]
    numbers = [name for name in numbers if not table.named or name.lower() not in arrays.IDS + arrays.BESIDE]
    if table.label_columns or len(numbers) < 2:
        return []
    if not distributions(torch.tensor(table.frame[numbers].to_numpy())).all():
        return []
    return _class_columns(table, set())[0] if table.named else numbers


def _paired(scores: Rows, labels: Rows, names: tuple[str, str]) -> tuple[np.ndarray, list[str]]:
    """The labels of each row of predictions, and what is to be said of that. names: of the two files."""
    truth = labels.values
    if truth.ndim == 2 and labels.classes:
        if set(labels.classes) != set(scores.classes) and not _numbered_from_0(labels.classes):
            raise SoftlabError(f"the columns of {names[1]} are not those of {names[0]}: which class is which?")
        if set(labels.classes) == set(scores.classes):
            truth = truth[:, [labels.classes.index(name) for name in scores.classes]]
    rows = arrays.in_order(scores.ids, labels.ids, names)
    if rows is not None:
        return truth[rows], [f"Rows of {names[0]} and {names[1]} are paired by the ids that both have."]
    return truth, arrays.one_sided(scores.ids, labels.ids, names)


def _class_columns(table: arrays.Table, words: set[str], probabilities: bool = False) -> tuple[list[str], list[str]]:
    """The columns that are classes, in the order of their numbers if they have some, and those that are left out.

    words: those that labels are, if they are any: what is one of them is a class, whatever else it could be. So is what
    completes probabilities to a sum of 1, as `correct` beside `incorrect`.
    """
    frame = table.frame
    beside = arrays.IDS + arrays.BESIDE
    labels = set(table.label_columns)
    others = [name for name in frame.columns if name not in labels]
    left_out = [name for name in others if name not in words and (name.lower() in beside or _is_text(frame, name))]
    no_class = set(left_out)
    classes = [name for name in others if name not in no_class]
    beside_them = [name for name in left_out if name.lower() not in arrays.IDS and frame[name].dtype.kind in "iuf"]
    no_class -= set(beside_them)
    together = [name for name in others if name not in no_class]
    if beside_them and classes and _may_be_classes(table, classes, together, probabilities):
        left_out = [name for name in left_out if name in no_class]
        classes = together
    numbers = [name for name in classes if name.isdecimal()]
    if stranger := next((name for name in classes if numbers and not name.isdecimal()), None):
        said = f"column {stranger!r} of {table.path} is no number of a class, as {numbers[0]!r} is"
        raise SoftlabError(f"{said}: leave it out, or number all classes")
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in classes]
    if classes in ([], ["1"]) or not all(parts) or len({part[1] for part in parts if part}) > 1:
        return classes, left_out
    order = {int(part[2]): part[0] for part in parts if part}
    if sorted(order) == list(range(len(classes))) and len(classes) > 1:
        return [order[number] for number in sorted(order)], left_out
    if numbers or (min(order) == 1 and not words):
        advice = f"number them 0 to {len(classes) - 1}" if len(classes) > 1 else "name it score"
        raise SoftlabError(f"{table.path} has columns {arrays.separated(classes)} for classes: {advice}")
    return classes, left_out


def _may_be_classes(table: arrays.Table, classes: list[str], together: list[str], probabilities: bool) -> bool:
    """Are columns classes that have names as what stands beside classes has, such as `correct`, `right` and `loss`?

    classes, together: those that are no others, and both.  Probabilities are told by their sum. Raises SoftlabError
    where there are two logits, one of them called so: it could be the second class, or no class.
    """
    if not all(table.frame[name].dtype.kind in "iuf" for name in classes):
        return False
    if probabilities:
        sums = [
            bool(distributions(torch.tensor(table.frame[some].to_numpy(np.float64))).all())
            for some in (together, classes)
        ]
        return len(together) > 1 and sums == [True, False]
    other = next(name for name in together if name not in classes)
    values = table.frame[other].to_numpy()
    if len(together) != 2 or classes[0].lower() in SCORES or bool((values == values.round()).all()):
        return False
    said = f"columns {together[0]!r} and {together[1]!r} of {table.path} may be two classes, or {other!r} none"
    raise SoftlabError(f"{said}: name classes 0 and 1, or leave {other!r} out")


def _numbered_from_0(classes: Sequence[str]) -> bool:
    """Do the names of classes number them, as in 0, 1, … or class_0, class_1, …?"""
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in classes]
    alike = all(parts) and len({part[1] for part in parts if part}) == 1
    return alike and [int(part[2]) for part in parts if part] == list(range(len(classes)))


def _check_columns(path: Path, classes: list[str], words: set[str], labels: np.ndarray | None) -> None:
    """Raise SoftlabError where a column of logits with a word for a name could be no class at all."""
    if words:
        lost = next((name for name in classes if name not in words), None)
        if lost is not None:
            said = f"no label is {lost!r}, which is a column of numbers in {path}"
            raise SoftlabError(f"{said}: leave it out if it is no class, else number classes and labels from 0")
    elif labels is not None and labels.ndim == 1 and labels.dtype.kind in "iuf" and labels.max() + 1 != len(classes):
        columns = f"{len(classes)} columns of numbers, {arrays.separated(classes)}"
        said = f"{path} has {columns}, and labels go to {labels.max()}"
        raise SoftlabError(f"{said}: leave out what is no class, or name columns by the numbers of their classes")


def _is_text(frame: pandas.DataFrame, name: str) -> bool:
    """Is a column no class's, as nothing in it is a number? One that is named as a class's number is."""
    if frame[name].dtype.kind in "iufb" or name.isdecimal():
        return False
    return not any(arrays.is_number(str(cell)) for cell in frame[name])


def _words(labels: np.ndarray) -> set[str]:
    """The words that labels are; empty where they are numbers."""
    words = {str(one).strip() for one in labels.ravel().tolist()} if labels.dtype.kind in "OUS" else set()
    return set() if all(word.lstrip("+-").isdecimal() for word in words) else words


def _read(cells: np.ndarray) -> np.ndarray:
    """The numbers that cells (N,) hold; NaN for what is none."""
    return np.asarray(pandas.to_numeric(pandas.Series(cells), errors="coerce"), dtype=np.float64)


def _numbered(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Labels that are names of classes as numbers; others as they are."""
    if labels.dtype.kind not in "OUS" or not labels.size:
        return labels
    words = [str(one).strip() for one in labels.ravel().tolist()]
    if all(word.lstrip("+-").isdecimal() for word in words):
        return np.array(words, dtype=np.int64).reshape(labels.shape)
    number = {name: place for place, name in enumerate(classes)}
    strange = next((word for word in words if word not in number), None)
    if strange is not None:
        known = (
            f"the columns are {', '.join(classes[:5])}" if classes else "the classes of the predictions have no names"
        )
        raise SoftlabError(f"label {strange!r} is no number, and no class's name: {known}")
    return np.array([number[word] for word in words]).reshape(labels.shape)


def _numbers(values: object, what: str) -> Tensor:
    """An array of numbers as a tensor: float16, bfloat16 and float32 as they are, others as float64.

    Raises SoftlabError with the first row that has something else.
    """
    if isinstance(values, Tensor):
        table = values.detach().cpu()
        if table.numel() == 0 or table.is_complex():
            raise SoftlabError(f"{what} must be an array of numbers, not {table.dtype} {tuple(table.shape)}")
        return table if table.dtype in (torch.float16, torch.bfloat16, torch.float32) else table.double()
    check_unmasked(values, what)
    array = np.asarray(values)
    if array.dtype.kind in "OUS" and array.ndim == 2:
        read = np.stack([_read(column) for column in array.T], 1)
        cells = array.tolist()
        bad = torch.from_numpy(np.isnan(read).any(1))
        refuse(bad, lambda row: f"row {row} of {what} has something that is no number: {cells[row][:5]}")
        array = read
    if array.dtype.kind not in "iufb" or array.dtype.names or array.size == 0:
        raise SoftlabError(f"{what} must be an array of numbers, not {array.dtype} {array.shape}")
    if array.dtype not in (np.float16, np.float32) or not array.dtype.isnative:
        return torch.from_numpy(np.array(array, dtype=np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a mapped file cannot be written: nobody does
        return torch.from_numpy(np.ascontiguousarray(array))


def _as_labels(labels: object, table: Tensor) -> tuple[Tensor, Tensor | None, list[str]]:
    """Labels (N,) int64, from 0 to K - 1, of so many rows; soft ones (N, K), if they are; what is to be said."""
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu()
        labels = (labels.double() if labels.is_floating_point() else labels).numpy()  # numpy has no bfloat16
    check_unmasked(labels, "labels")
    given = np.asarray(labels)
    if given.dtype.kind not in "iufb":
        raise SoftlabError(f"labels must be whole numbers, not {given.dtype}")
    count = len(table)
    classes = table.shape[1]
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.shape == (count, classes):
        if not ((given.sum(1) == 1).all() and np.isin(given, (0, 1)).all()):
            return _as_soft(torch.tensor(given, dtype=torch.float64))
        given = given.argmax(1)
    if given.shape != (count,):
        turned = ": are they turned around?" if given.shape == (classes,) else ""
        raise SoftlabError(f"there are predictions {tuple(table.shape)} and labels {given.shape}{turned}")
    whole = torch.from_numpy(np.array(given, dtype=np.float64))
    refuse(whole != whole.round(), lambda row: f"label {whole[row]:g} of row {row} is no whole number")  # NaN is none
    low, high = (int(end) for end in whole.aminmax())
    if low == 1 and high == classes:
        raise SoftlabError(f"labels are 1 to {classes}, and classes are numbered from 0: subtract 1")
    allowed = f"classes are 0 to {classes - 1}"
    refuse((whole < 0) | (whole >= classes), lambda row: f"label {whole[row]:g} of row {row}: {allowed}")
    return whole.long(), None, []


def _as_soft(soft: Tensor) -> tuple[Tensor, Tensor, list[str]]:
    """The class of the largest entry of soft labels (N, K), these with a sum of 1, and what is to be said of them."""
    sums = soft.sum(1)
    refuse(~distributions(soft), lambda row: f"soft label {row} is no distribution: its sum is {float(sums[row]):g}")
    top = soft.topk(2, dim=1)
    notes = ["Labels are soft: accuracy asks for their largest entry; likelihood, Brier score and calibration for all."]
    if ties := int((top.values[:, 0] == top.values[:, 1]).sum()):
        notes.append(f"The largest entries of {ties} labels are equal: the first of them counts as the class.")
    return soft.argmax(1), soft / sums[:, None], notes


def _by_rows(table: Tensor, change: Callable[[Tensor, slice], Tensor]) -> Tensor:
    """change(rows in float64, which) of all rows (N, K), a few at a time, in float32."""
    changed = torch.empty(table.shape, dtype=torch.float32)
    for which in row_slices(table):
        changed[which] = change(table[which].double(), which)
    return changed


def _logits(table: Tensor, labels: Tensor) -> tuple[Tensor, bool, list[str]]:
    """Logits as they are kept, whether all are known, and what is to be said. Raises SoftlabError for what is none."""
    tolerance = sum_tolerance(table)
    masks = torch.zeros(len(table), dtype=torch.int64)
    alike = 0
    low = high = float(table[0, 0])
    for rows in row_slices(table):
        some = table[rows]
        ends = some.aminmax(dim=1)
        refuse(~ends.max.isfinite(), lambda row, rows=rows: f"row {rows.start + row} of logits is not finite")
        least = ends.max.double() - SO_FAR_BELOW
        if (ends.min < least).any():
            masks[rows] = (some < least[:, None]).sum(1)
        positive = ends.min >= 0
        alike += int(distributions(some[positive], tolerance).sum()) if positive.any() else 0
        low = min(low, float(ends.min.min()))
        high = max(high, float(ends.max.max()))
    if alike > len(table) / 2:
        which = "all rows sum" if alike == len(table) else f"{alike} of {len(table)} rows sum"
        raise SoftlabError(f"{which} to 1, as probabilities do: give them as such (--probs)")
    notes = []
    if low >= 0 and high <= 1:
        notes.append("All logits lie from 0 to 1: if they are probabilities, give them as such (--probs).")
    if not masks.any():
        return table if table.dtype != torch.float64 else _by_rows(table, lambda some, _: some), True, notes
    lost = 0

    def masked(some: Tensor, which: slice) -> Tensor:
        nonlocal lost
        some = some - some.amax(1, keepdim=True)
        mask = some < -SO_FAR_BELOW
        some = some.masked_fill(mask, -MASKED)
        own = labels[which][:, None]
        hidden = mask.gather(1, own)
        lost += int(hidden.sum())
        least = some.logsumexp(1, keepdim=True) + math.log(SMALLEST)
        return some.scatter(1, own, torch.where(hidden, least, some.gather(1, own)))

    logits = _by_rows(table, masked)
    count = f"{int(masks.sum()):,} logits of {int((masks > 0).sum()):,} images"
    said = f"{count} lie {SO_FAR_BELOW} or more below the largest, as masked classes do: their probability is 0"
    own = f"; for {lost} images it is the label's, which is taken as {SMALLEST:g}, and the NLL depends on it"
    return logits, False, [*notes, f"{said}{own * bool(lost)}."]


def _logarithms(table: Tensor, labels: Tensor) -> tuple[Tensor, bool, list[str]]:
    """Logarithms of probabilities, whether all are known, and what is to be said. Raises SoftlabError for others."""
    tolerance = sum_tolerance(table)
    totals = by_rows(lambda some: some.sum(1, dtype=torch.float64), table)
    ends = [some.aminmax() for some in table.split(ROWS)]
    refuse(~totals.isfinite(), lambda row: f"row {row} of probabilities is not finite")
    if (totals - 100).abs().max() < 1:
        raise SoftlabError("all rows sum to 100: divide percent by 100")
    if min(float(end.min) for end in ends) < 0 and max(float(end.max) for end in ends) <= 0:
        raise SoftlabError("no number is above 0: logarithms of probabilities are given as logits (--logits)")
    for rows in row_slices(table):
        wrong = ~distributions(table[rows], tolerance)
        refuse(wrong, lambda row, rows=rows: _no_distribution(rows.start + row, table))
    zeros = lost = 0

    def logarithm(some: Tensor, which: slice) -> Tensor:
        nonlocal zeros, lost
        zero = some < SMALLEST
        zeros += int(zero.sum())
        lost += int(zero.gather(1, labels[which][:, None]).sum())
        return some.clamp(min=SMALLEST).log()

    logits = _by_rows(table, logarithm)
    notes = []
    if (totals - 1).abs().max() > 1e-4:
        ends = f"{totals.min():.4f} to {totals.max():.4f}"
        notes.append(f"Probabilities of a row sum to {ends}: they are divided by their sum.")
    if zeros:
        own = f"; for {lost} images it is the label's, and the NLL depends on it" if lost else ""
        notes.append(f"Probabilities of less than {SMALLEST:g} are taken as {SMALLEST:g}{own}.")
    notes.append("Logits are logarithms of the probabilities: to divide them by T is to take p to the power 1/T.")
    return logits, not zeros, notes


def _no_distribution(row: int, table: Tensor) -> str:
    """What is wrong with a row of probabilities."""
    low, high = map(shown, table[row].aminmax())
    said = f"row {row} is no distribution: from {low} to {high}, sum {float(table[row].double().sum()):.7g}"
    return f"{said}: if these are logits, give them as such (--logits)"
