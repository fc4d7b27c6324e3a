"""Input checks that name what is wrong: shapes, numbers that are not finite, zero vectors, single classes."""

import functools
import inspect
import types
import typing
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from softlab.batches import by_rows
from softlab.errors import SoftlabError

Function = typing.TypeVar("Function", bound=Callable)
ROUNDING = 1e-6  # by so much a probability may be above 1: rounding in float32
HALF_PRECISION = 0.01  # by so much a sum of probabilities may miss 1: bfloat16, and means of it, miss it by up to .004
PIXEL_ROUNDING = 4  # units of the last place of 1, in the pixels' own precision: resizing in float32 is off by 3
OWN = "divide those of 0 to 255 by 255; a normalisation is the model's own, or said, mean=… and std=…"
HEADS = {"weight", "centers"}  # parameters that features are multiplied with
DECIMALS_OF = 1000  # rows that are looked at to see how many decimals are written
FEW_DIGITS = 0.05  # and where few decimals are written: beyond that, dividing by the sum would make other numbers


def takes_arrays(function: Function) -> Function:
    """Let a function of tensors take arrays and lists as well, and tensors that carry a graph, as a number needs none.

    What a head multiplies is of one precision afterwards.

    Raises SoftlabError, with the parameter's name, for what is nothing that torch takes.
    """
    signature = inspect.signature(function)
    others = {}  # what else a parameter may be that may be a tensor
    for name, parameter in signature.parameters.items():
        kind = parameter.annotation
        kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
        if Tensor in kinds:
            others[name] = tuple(one for one in kinds if one is not Tensor)

    @functools.wraps(function)
    def adapted(*args, **kwargs):
        given = signature.bind(*args, **kwargs).arguments
        for name in others.keys() & given.keys():
            if not isinstance(given[name], others[name]):
                given[name] = as_tensor(given[name], name)
        if HEADS & given.keys():
            given |= _of_one_precision({name: given[name] for name in others.keys() & given.keys()})
        return function(**given)

    return typing.cast(Function, adapted)


def _of_one_precision(given: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Tensors that are multiplied with each other, all as precise as the most precise of them."""
    floating = {name: one for name, one in given.items() if isinstance(one, Tensor) and one.is_floating_point()}
    kinds = {one.dtype for one in floating.values()}
    if len(kinds) < 2:
        return {}
    precise = functools.reduce(torch.promote_types, kinds)
    return {name: one.to(precise) for name, one in floating.items()}


def as_tensor(values: object, what: str) -> Tensor:
    """A tensor without a graph of what is given: a tensor, an array of any strides and byte order, a list."""
    if isinstance(values, Tensor):
        return values.detach()
    check_unmasked(values, what)
    try:
        array = np.asarray(values)
        whole = array.dtype.kind in "iu"
        return torch.from_numpy(np.array(array, dtype=np.int64 if whole else array.dtype.newbyteorder("=")))
    except Exception as error:  # of numpy and torch, of many kinds
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise SoftlabError(f"{what} must be a tensor, or an array of numbers: {said}") from None


def check_unmasked(values: object, what: str) -> None:
    """Raise SoftlabError for an array of which some values are masked: no number stands in their place."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise SoftlabError(f"{what} has masked values: leave their rows out, or fill them ({what}.filled(…))")


def refuse(bad: Tensor, say: Callable[[int], str]) -> None:
    """Raise SoftlabError(say(row)) for the first row of bad (N,) that is true, if there is one."""
    if bad.any():
        raise SoftlabError(say(int(bad.nonzero()[0])))


def shown(value: Tensor) -> str:
    """A number (a tensor without dimensions) with as many digits as tell it from its neighbours: 1.0000001, not 1."""
    number = float(value)
    for digits in range(6, 17):
        text = f"{number:.{digits}g}"
        if torch.tensor(float(text), dtype=value.dtype) == number:
            return text
    return repr(number)


def check_head(
    weight: Tensor, bias: Tensor | None = None, features: Tensor | None = None, labels: Tensor | None = None
) -> None:
    """A linear head: weight (K, D) with K >= 2, bias (K,), finite; and features (N, D), labels (N,) that fit it."""
    if weight.ndim != 2 or len(weight) < 2:
        raise SoftlabError(f"weight must be (K, D) with at least two classes, not {tuple(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise SoftlabError(f"bias must be ({len(weight)},) as weight is {tuple(weight.shape)}, not {tuple(bias.shape)}")
    check_rows(weight, "row of weight")
    if bias is not None:
        check_rows(bias, "entry of bias")
    if features is not None:
        check_features(features, weight)
        if labels is not None:
            check_labels(labels, features, len(weight))


def check_features(features: Tensor, weight: Tensor | None = None, what: str = "weight") -> None:
    """Features (N, D) that fit the head, or other rows (K, D). Whether they are finite is checked on what comes out."""
    if features.ndim != 2 or len(features) == 0:
        raise SoftlabError(f"features must be (N, D) with N > 0, not {tuple(features.shape)}")
    if weight is not None and features.shape[1:] != weight.shape[1:]:
        raise SoftlabError(f"features are {tuple(features.shape)}, but {what} is {tuple(weight.shape)}: D differs")


def check_labels(labels: Tensor, features: Tensor, classes: int | None = None) -> None:
    """Labels (N,) int64, one for each feature, in range."""
    if labels.shape != features.shape[:1] or labels.dtype != torch.int64:
        raise SoftlabError(f"labels must be int64 ({len(features)},), not {labels.dtype} {tuple(labels.shape)}")
    wrong = (labels < 0) | (labels >= classes) if classes else labels < 0
    allowed = f"one of {classes} classes" if classes else "0 or more"
    refuse(wrong, lambda row: f"label {int(labels[row])} of sample {row} is not {allowed}")


def check_rows(values: Tensor, what: str = "feature", zero_allowed: bool = True) -> None:
    """Every row of values (N,) or (N, M) is finite and, if asked, not zero; the first that is not is named."""
    rows = values.reshape(len(values), -1)
    if not rows.numel():
        return
    low, high = rows.aminmax(dim=1)  # NaN where there is one; and no table beside this one
    refuse(~(low.isfinite() & high.isfinite()), lambda row: f"{what} {row} is not finite")
    if not zero_allowed:
        refuse((low == 0) & (high == 0), lambda row: f"{what} {row} is zero: it has no direction")


def check_pixels(images: Tensor) -> Tensor:
    """Images (N, C, H, W), floats in [0, 1], at least one; returned with what is outside by rounding set to 0 or 1.

    By rounding is by PIXEL_ROUNDING at most; the first image that is outside by more is named.
    """
    if images.ndim != 4 or images.numel() == 0:
        raise SoftlabError(f"images must be (N, C, H, W) with N > 0, not {tuple(images.shape)}")
    if not images.is_floating_point():
        raise SoftlabError(f"images must be floats in [0, 1], not {images.dtype}: divide by 255")
    low, high = images.aminmax()
    if low >= 0 and high <= 1:
        return images
    rounding = PIXEL_ROUNDING * max(torch.finfo(images.dtype).eps, torch.finfo(torch.float32).eps)
    outside = ~((images >= -rounding) & (images <= 1 + rounding)).flatten(1).all(1)  # NaN is outside too
    ends = "pixels must be in [0, 1], but image {} has pixels outside: they reach from {} to {}"
    refuse(outside, lambda row: ends.format(row, *map(shown, images[row].aminmax())) + f" ({OWN})")
    return images.clamp(0, 1)


def check_radii(values: Tensor, name: str = "epsilon") -> None:
    """Radii (N,), or one: in units of pixels, from 0 to 1; the first that is not is named."""
    values = values.reshape(-1)
    said = "{} must be from 0 to 1, as pixels are, not {:g} (sample {}); for 255ths divide by 255"
    refuse(~((values >= 0) & (values <= 1)), lambda row: said.format(name, values[row].item(), row))


def check_correct(correct: Tensor) -> None:
    """Correctness (N,), bool or a number: every entry is 0 or 1; the first that is not is named."""
    if correct.dtype != torch.bool:
        bad = (correct != 0) & (correct != 1)
        refuse(bad, lambda row: f"correctness {row} is {shown(correct[row])}: it must be 0 or 1")


def check_confidence(confidence: Tensor) -> None:
    """Probabilities of predictions, (N,) with N > 0, from 0 to 1, up to ROUNDING; the first that is not is named."""
    if confidence.ndim != 1 or len(confidence) == 0:
        raise SoftlabError(f"confidence must be (N,) with N > 0, not {tuple(confidence.shape)}")
    low, high = confidence.aminmax()
    if not (low >= 0 and high <= 1 + ROUNDING):  # also where one is NaN
        outside = ~((confidence >= 0) & (confidence <= 1 + ROUNDING))
        refuse(outside, lambda row: f"confidence {row} is {shown(confidence[row])}, not from 0 to 1")


def sum_tolerance(values: Tensor) -> float:
    """By how much rows of probabilities (N, K) may miss a sum of 1, from HALF_PRECISION to FEW_DIGITS.

    Where all are written with as few as d decimals, each is off by up to half a unit of the last: K/2 · 10^-d together.
    Half precision rounds in proportion, so that the number of classes does not matter there.
    """
    some = values[:DECIMALS_OF].cpu().double()  # in this order: MPS has no float64
    own = 1e-7 if values.dtype == torch.float32 else 1e-12  # rounding of the numbers themselves
    for decimals in (2, 3, 4):
        if ((some - some.round(decimals=decimals)).abs() < own).all():
            return min(max(HALF_PRECISION, values.shape[1] / 2 * 10**-decimals), FEW_DIGITS)
    return HALF_PRECISION


def distributions(values: Tensor, tolerance: float | None = None) -> Tensor:
    """Which rows of values (N, K) are distributions, (N,) bool: from 0 to 1, up to ROUNDING, and with a sum of 1.

    tolerance: of the sum (None: sum_tolerance of these values).
    """
    allowed = sum_tolerance(values) if tolerance is None else tolerance
    low, high = values.aminmax(dim=1)
    possible = (low >= 0) & (high <= 1 + ROUNDING)  # false for NaN
    if not possible.any():
        return possible
    total = by_rows(lambda some: some.sum(1, dtype=torch.float64), values)
    return possible & ((total - 1).abs() <= allowed)


def are_probabilities(values: Tensor) -> bool:
    """Are all rows of values (N, K) distributions, as far as their precision can tell?"""
    return bool(distributions(values).all())


def check_probabilities(probs: Tensor, labels: Tensor | None = None) -> None:
    """Rows (N, K) that are `distributions`; and labels (N,) that fit, if given. The first row that is none is named."""
    _check_table(probs, "probabilities")
    said = "row {} is no distribution: from {} to {}, sum {} (of logits, take the softmax first)"

    def say(row: int) -> str:
        total = float(probs[row].sum(dtype=torch.float64))
        return said.format(row, *map(shown, probs[row].aminmax()), f"{total:.7g}")

    refuse(~distributions(probs), say)
    if labels is not None:
        check_truth(labels, probs)


def check_truth(labels: Tensor, values: Tensor) -> None:
    """Labels (N,) int64 of values (N, K), or soft labels (N, K), a distribution for each sample."""
    if labels.ndim < 2:
        check_labels(labels, values, values.shape[1])
        return
    if labels.shape != values.shape:
        shapes = f"{tuple(labels.shape)} and {tuple(values.shape)}"
        raise SoftlabError(f"soft labels must be (N, K), one for each class as the predictions are, not {shapes}")
    refuse(~distributions(labels), lambda row: f"the soft label of sample {row} is no distribution")


def check_logits(logits: Tensor, labels: Tensor) -> None:
    """Finite logits (N, K), and labels (N,) or (N, K) that fit.

    Any finite numbers can be logits, so what looks like probabilities is taken, with a warning.
    """
    _check_table(logits, "logits")
    low, high = logits.aminmax(dim=1)  # NaN where there is one
    refuse(~(low.isfinite() & high.isfinite()), lambda row: f"row {row} of logits is not finite")
    if (low >= 0).all() and are_probabilities(logits):
        said = "all rows of logits sum to 1, as probabilities do: if that is what they are, give their logarithm"
        warnings.warn(said, stacklevel=4)  # whoever called a function of `takes_arrays`
    check_truth(labels, logits)


def _check_table(values: Tensor, what: str) -> None:
    if values.ndim != 2 or len(values) == 0 or values.shape[1] < 2:
        raise SoftlabError(f"{what} must be (N, K) with N > 0 and at least two classes, not {tuple(values.shape)}")
