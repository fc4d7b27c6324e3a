"""Predictions without their network: logits or probabilities and labels, from arrays or files, checked and told apart.

given = from_files("logits.npy", "labels.npy")   # or from_arrays(logits, labels)
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import torch
from torch import Tensor

from softlab.errors import SoftlabError
from softlab.inspector import arrays
from softlab.lenses.checks import check_probabilities, refuse

LOGITS = ("logits", "logit", "scores", "outputs")  # what people call them in an .npz
PROBABILITIES = ("probs", "probabilities", "prob", "probas", "softmax", "y_prob")
SMALLEST = 1e-12  # in place of a probability of 0, which has no logarithm
FEWEST = 40  # images: ten for the temperature, thirty to score


@dataclass(frozen=True)
class Predictions:
    """Logits (N, K) float32, known up to a constant in each row, and labels (N,) int64; what was decided on the way."""

    name: str
    logits: Tensor
    labels: Tensor
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Scores:
    """What a file says of images: numbers (N, K) or (N,); names of classes and labels, if it has any."""

    values: np.ndarray
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def from_files(path: str | Path, labels: str | Path | None = None, probabilities: bool = False) -> Predictions:
    """Predictions of an .npy, .npz or .csv, and labels of another one (None: the same file has them).

    Of an .npz the arrays `logits` (or `probs`) and `labels` are taken, or its only one. Of a table the columns that are
    numbers are classes, but those whose names say that they are something else, such as `id`, and the labels, `label`.
    Labels are numbers of the classes from 0 on, or the names that a table's columns have.
    Raises SoftlabError, in one line, for whatever else it is.
    """
    place = arrays.file_of(path)
    scores = _scores(place, PROBABILITIES if probabilities else LOGITS)
    truth = scores.labels if labels is None else arrays.read_labels(arrays.file_of(labels))
    if truth is None:
        raise SoftlabError(f"{place} has no labels: give them, --labels FILE (.npy, .npz or .csv)")
    found = from_arrays(scores.values, _numbered(truth, scores.classes), probabilities, place.stem)
    return dataclasses.replace(found, notes=scores.notes + found.notes)


def from_arrays(values: object, labels: object, probabilities: bool = False, name: str = "predictions") -> Predictions:
    """Logits or probabilities (N, K), or (N,) of the second of two classes, and labels (N,), as predictions.

    labels: whole numbers from 0 to K - 1, or one row each with a single 1.
    Raises SoftlabError for anything else, for fewer than FEWEST images, and for a single class.
    """
    table = _numbers(values, "probabilities" if probabilities else "logits")
    notes = []
    if table.ndim == 2 and table.shape[1] == 1:
        table = table[:, 0]
    if table.ndim == 1:
        other = 1 - table if probabilities else torch.zeros_like(table)
        table = torch.stack([other, table], 1)
        what = "probability" if probabilities else "logit, against 0,"
        notes.append(f"There is one number for each image: it is taken as the {what} of class 1 of two.")
    if table.ndim != 2 or table.shape[1] < 2:
        raise SoftlabError(f"predictions must be (N, K), a row for each image, not {tuple(table.shape)}")
    truth = _as_labels(labels, table)
    if probabilities:
        table, said = _logarithm(table, truth)
        notes += said
        notes.append("Logits are logarithms of the probabilities: to divide them by T is to take p to the power 1/T.")
    else:
        _check_logits(table)
    present = len(truth.unique())
    if len(truth) < FEWEST or present < 2:
        raise SoftlabError(f"{len(truth)} images of {present} classes are too few: {FEWEST} of two classes are needed")
    return Predictions(name, table.float(), truth, tuple(notes))


def _scores(path: Path, wanted: tuple[str, ...]) -> Scores:
    """What a file of predictions holds."""
    if path.suffix.lower() == ".npy":
        return Scores(arrays.read_npy(path))
    if path.suffix.lower() == ".npz":
        labels = arrays.read_named(path, arrays.LABELS, only=False)
        values = arrays.read_named(path, wanted)
        assert values is not None  # else an error was raised
        return Scores(values, labels=labels)
    table = arrays.read_table(path)
    frame = table.frame
    if not table.named:
        return Scores(frame.to_numpy())
    label = arrays.column_of(table, arrays.LABELS)
    labels = None if label is None else frame[label].to_numpy()
    left_out = [name for name in frame.columns if name != label and _is_beside(name, frame)]
    chosen = [name for name in frame.columns if name != label and name not in left_out]
    if not chosen:
        raise SoftlabError(f"{path} has no column of numbers for a class, only {', '.join(frame.columns)}")
    ends = f"{chosen[0]!r} to {chosen[-1]!r}" if len(chosen) > 1 else repr(chosen[0])
    note = f"Classes are the columns {ends} of {path.name}, {len(chosen)} in this order"
    note += f"; labels are its column {label!r}" if label is not None else ""
    note += f"; left out: {', '.join(map(repr, left_out))}." if left_out else "."
    return Scores(frame[chosen].to_numpy(), tuple(chosen), labels, (note,))


def _is_beside(name: str, frame: pandas.DataFrame) -> bool:
    """Is a column no class's: by its name, or as none of it is a number?"""
    if name.lower() in arrays.BESIDE or name.startswith("Unnamed: "):
        return True
    return bool(np.isnan(_read(frame[name].to_numpy())).all())


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
    strange = next((word for word in words if word not in classes), None)
    if strange is not None:
        known = (
            f"the columns are {', '.join(classes[:5])}" if classes else "the classes of the predictions have no names"
        )
        raise SoftlabError(f"label {strange!r} is no number, and no class's name: {known}")
    number = {name: place for place, name in enumerate(classes)}
    return np.array([number[word] for word in words]).reshape(labels.shape)


def _numbers(values: object, what: str) -> Tensor:
    """An array of numbers as a float64 tensor. Raises SoftlabError with the first row that has something else."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    table = np.asarray(values)
    if table.dtype.kind in "OUS" and table.ndim == 2:
        read = np.stack([_read(column) for column in table.T], 1)
        shown = table.tolist()
        bad = torch.from_numpy(np.isnan(read).any(1))
        refuse(bad, lambda row: f"row {row} of {what} has something that is no number: {shown[row][:5]}")
        table = read
    if table.dtype.kind not in "iufb" or table.dtype.names or table.size == 0:
        raise SoftlabError(f"{what} must be an array of numbers, not {table.dtype} {table.shape}")
    return torch.from_numpy(np.array(table, dtype=np.float64))


def _as_labels(labels: object, table: Tensor) -> Tensor:
    """Labels (N,) int64, from 0 to K - 1, of so many rows."""
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    given = np.asarray(labels)
    if given.dtype.kind not in "iufb":
        raise SoftlabError(f"labels must be whole numbers, not {given.dtype}")
    count = len(table)
    classes = table.shape[1]
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.shape == (count, classes) and (given.sum(1) == 1).all() and np.isin(given, (0, 1)).all():
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
    return whole.long()


def _check_logits(table: Tensor) -> None:
    """Raise SoftlabError where these are no logits, or look like probabilities."""
    refuse(~table.isfinite().all(1), lambda row: f"row {row} of logits is not finite")
    if ((table >= 0) & (table <= 1)).all() and ((table.sum(1) - 1).abs() < 1e-3).all():
        raise SoftlabError("all rows sum to 1, as probabilities do: give them as such (--probs)")


def _logarithm(table: Tensor, labels: Tensor) -> tuple[Tensor, list[str]]:
    """The logarithm of probabilities, checked, and what is to be said of it."""
    refuse(~table.isfinite().all(1), lambda row: f"row {row} of probabilities is not finite")
    total = table.sum(1)
    if (total - 100).abs().max() < 1:
        raise SoftlabError("all rows sum to 100: divide percent by 100")
    if table.min() < 0 and table.max() <= 0:
        raise SoftlabError("no number is above 0: logarithms of probabilities are given as logits (--logits)")
    try:
        check_probabilities(table)
    except SoftlabError as error:
        said = str(error).partition(" (of logits")[0]
        raise SoftlabError(f"{said}: if these are logits, give them as such (--logits)") from None
    notes = []
    if (total - 1).abs().max() > 1e-4:
        ends = f"{total.min():.4f} to {total.max():.4f}"
        notes.append(f"Probabilities of a row sum to {ends}: they are divided by their sum.")
    zero = table < SMALLEST
    if zero.any():
        lost = int(zero.gather(1, labels[:, None]).sum())
        own = f"; for {lost} images it is the label's, and the NLL depends on it" if lost else ""
        notes.append(f"Probabilities of less than {SMALLEST:g} are taken as {SMALLEST:g}{own}.")
    return table.clamp(min=SMALLEST).log(), notes
