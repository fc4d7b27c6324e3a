"""Class numbers and distributions as they come out of a loader: which of the two they are, and whether they are right.

What a tensor's shape and type can say is checked at every call. What only its values can say (a class number out of
range, a row that is no distribution) is checked at every call on the CPU. On another device the first batch alone is
looked at, as each look waits for the device; a wrong class number in a later one is then met by torch's own assertion,
as with torch's own losses. What torch.compile makes looks at no values.
"""

from typing import Any

import torch
from torch import Tensor

from softlab.checks import check_truth, check_unmasked, refuse
from softlab.errors import SoftlabError
from softlab.returned import tensors_in

SUM = 0.01  # by so much the sum of a distribution may miss 1 at once; else softlab.checks decides


def is_transformed() -> bool:
    """Does this run inside torch.func's vmap, grad or the like, where no value can be looked at?"""
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]: torch.func offers no way to ask
    return functorch.maybe_current_level() is not None


class Look:
    """Whether values are to be looked at: always on the CPU, once elsewhere, never in what torch compiles or maps."""

    def __init__(self):
        self.looked = False

    def due(self, values: Tensor) -> bool:
        if torch.compiler.is_compiling() or is_transformed() or values.device.type == "meta":
            return False
        if values.device.type == "cpu":
            return True
        first = not self.looked
        self.looked = True
        return first


def check_tensor(values: object, what: str) -> None:
    """Raise SoftlabError, with what to give instead, unless this is a dense tensor."""
    if isinstance(values, Tensor) and values.layout == torch.strided and not values.is_nested:
        return
    if isinstance(values, Tensor):
        kind = "nested" if values.is_nested else str(values.layout).removeprefix("torch.")
        raise SoftlabError(f"{what} must be a dense tensor, not a {kind} one: {what}.to_dense(), or a padded tensor")
    check_unmasked(values, what)
    names = tensors_in(values)
    advice = f"give one of those in it ({', '.join(names)})" if names else f"torch.as_tensor({what})"
    raise SoftlabError(f"{what} must be a tensor, not of the type {type(values).__name__}: {advice}")


def are_class_numbers(targets: Tensor, shape: torch.Size) -> bool:
    """Are these class numbers (N, …), and not distributions (N, K, …), for what has the shape (N, K, …)?

    Raises SoftlabError if they are neither.
    """
    if targets.shape == shape:
        return False
    numbers = torch.Size([shape[0], *shape[2:]])
    given = f"{tuple(targets.shape)} of {str(targets.dtype).removeprefix('torch.')}"
    if targets.shape != numbers:
        allowed = f"class numbers {tuple(numbers)} or distributions {tuple(shape)}"
        raise SoftlabError(f"targets must be {allowed}, not {given}")
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise SoftlabError(f"class numbers must be whole numbers, not {given}: targets.long()")
    return True


def check_numbers(labels: Tensor, classes: int, ignored: int | None = None) -> None:
    """Raise SoftlabError unless class numbers (N, …) are from 0 to classes - 1, or `ignored`; the first is named."""
    kind = str(labels.dtype).removeprefix("torch.")
    labels = labels.long()  # many operations know no unsigned numbers of more than 8 bits
    low, high = labels.aminmax() if labels.numel() else (labels.new_zeros(()),) * 2
    if low >= 0 and high < classes:
        return
    wrong = (labels < 0) | (labels >= classes)
    allowed = f"must be from 0 to {classes - 1}"
    if ignored is not None:
        wrong &= labels != ignored
        allowed += f", or ignore_index={ignored}"
        if ignored < 0 and kind.startswith("uint"):
            allowed += f", which {kind} cannot hold: labels.long() before it is set"
    flat = labels.flatten()
    refuse(wrong.flatten(), lambda place: f"class number {int(flat[place])} at place {place} {allowed}")


def check_distributions(targets: Tensor) -> None:
    """Raise SoftlabError unless each of targets (N, K, …) is a distribution over K; the first that is not is named."""
    total = targets.sum(1)
    if targets.numel() == 0 or (targets.amin() >= 0 and (total - 1).abs().amax() <= SUM):
        return
    rows = as_rows(targets)
    check_truth(rows, rows)


def as_rows(table: Tensor) -> Tensor:
    """(N, K, …) as (M, K): a row for each place, sample by sample."""
    return table if table.ndim == 2 else table.movedim(1, -1).reshape(-1, table.shape[1])


def one_hot(labels: Tensor, classes: int, height: Tensor) -> Tensor:
    """Class numbers (M,) as distributions (M, K). height: (M,), what stands in the place of each: 1, or 0 for none.

    Nothing waits for a device, as it does in torch's one_hot.
    """
    table = torch.zeros(len(labels), classes, dtype=height.dtype, device=labels.device)
    return table.scatter(1, labels[:, None], height[:, None])
