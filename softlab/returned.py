"""What a model returns, and which of it are its logits: a tensor, or one in a tuple, a dictionary or a dataclass."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from softlab.errors import SoftlabError, check_known

Place = tuple[Any, ...]  # the keys that lead to a tensor; none where a model returns just a tensor


def tensors_in(returned: object, place: Place = ()) -> Iterator[tuple[Place, Tensor]]:
    """The tensors in what a model returns, with the keys that lead there."""
    parts: list[tuple[Any, object]] = []
    if isinstance(returned, Tensor):
        yield place, returned
    elif isinstance(returned, Mapping):
        parts = list(returned.items())
    elif isinstance(returned, list | tuple):
        parts = list(zip(getattr(returned, "_fields", range(len(returned))), returned, strict=True))
    elif dataclasses.is_dataclass(returned):
        parts = [(field.name, getattr(returned, field.name)) for field in dataclasses.fields(returned)]
    for key, part in parts:
        yield from tensors_in(part, (*place, key))


def at(returned: Any, place: Place) -> Tensor:
    """The tensor where these keys lead."""
    for key in place:
        by_name = isinstance(key, str) and not isinstance(returned, Mapping)
        returned = getattr(returned, key) if by_name else returned[key]
    return returned


def place_name(place: Place) -> str:
    """How a thing that a model returns is called: `logits`, `1`, `heads.0`."""
    return ".".join(map(str, place))


def described(returned: object) -> str:
    """`(N, 4) from -1.2 to 3.4`, or what is inside."""
    if isinstance(returned, Tensor):
        shape = ", ".join(["N", *map(str, returned.shape[1:])])
        low, high = returned.cpu().double().aminmax() if returned.numel() and not returned.is_complex() else (0, 0)
        return f"({shape}) from {low:.3g} to {high:.3g}"
    parts = [f"{place_name(place)!r} {described(tensor)}" for place, tensor in tensors_in(returned)]
    return f"a {type(returned).__name__} of {' and '.join(parts) or 'no tensor'}"


def candidates(returned: object, output: str | None = None) -> list[tuple[Place, Tensor]]:
    """The tensors that could be a model's logits: the one named `output`; else what it returns, or what is called
    `logits`, or every table of numbers in it.

    Raises SoftlabError, with the names to choose from, where nothing is called `output`.
    """
    if output is None and isinstance(returned, Tensor):
        return [((), returned)]
    parts = list(tensors_in(returned))
    if output is not None:
        names = {place_name(place): (place, tensor) for place, tensor in parts if place}
        if not names:
            said = f"the model returns {described(returned)}, nothing with a name"
            raise SoftlabError(f"{said}: leave output={output!r} out")
        check_known("output", output, names)
        return [names[output]]
    called = [part for part in parts if part[0][-1] == "logits"]
    tables = [part for part in parts if part[1].is_floating_point() and part[1].ndim > 1]
    return called if len(called) == 1 else tables


def logits_in(returned: object) -> Tensor:
    """The logits in what a model returns, if nobody has to be asked. Raises SoftlabError otherwise."""
    found = candidates(returned)
    if len(found) != 1:
        advice = "give a module that returns just these, or calls them `logits` in a dictionary"
        raise SoftlabError(f"the model returns {described(returned)}: which are its logits? {advice}")
    return found[0][1]
