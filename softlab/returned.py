"""What a model returns, and which of it are its logits: a tensor, or one in a tuple, a dictionary or a dataclass."""

import dataclasses
from collections.abc import Mapping

from torch import Tensor

from softlab.errors import SoftlabError, check_known


def tensors_in(returned: object, name: str = "") -> dict[str, Tensor]:
    """The tensors in what a model returns, by what they are called: `logits`, `1`, `heads.0`; '' where it is just one.

    name: of the whole.
    """
    if isinstance(returned, Tensor):
        return {name: returned}
    parts: Mapping = {}
    if isinstance(returned, Mapping):
        parts = returned
    elif isinstance(returned, list | tuple):
        parts = dict(zip(getattr(returned, "_fields", range(len(returned))), returned, strict=True))
    elif dataclasses.is_dataclass(returned):
        parts = {field.name: getattr(returned, field.name) for field in dataclasses.fields(returned)}
    found: dict[str, Tensor] = {}
    for key, part in parts.items():
        found |= tensors_in(part, f"{name}.{key}" if name else str(key))
    return found


def described(returned: object) -> str:
    """`(N, 4) from -1.2 to 3.4`, or what is inside."""
    if isinstance(returned, Tensor):
        shape = ", ".join(["N", *map(str, returned.shape[1:])])
        low, high = returned.cpu().double().aminmax() if returned.numel() and not returned.is_complex() else (0, 0)
        return f"({shape}) from {low:.3g} to {high:.3g}"
    parts = [f"{name!r} {described(tensor)}" for name, tensor in tensors_in(returned).items()]
    return f"a {type(returned).__name__} of {' and '.join(parts) or 'no tensor'}"


def candidates(returned: object, output: str | None = None) -> dict[str, Tensor]:
    """The tensors that could be a model's logits: the one named `output`; else what it returns, or what is called
    `logits`, or every table of numbers in it.

    Raises SoftlabError, with the names to choose from, where nothing is called `output`.
    """
    parts = tensors_in(returned)
    if output is not None:
        if "" in parts:
            said = f"the model returns {described(returned)}, nothing with a name"
            raise SoftlabError(f"{said}: leave output={output!r} out")
        check_known("output", output, parts)
        return {output: parts[output]}
    called = {name: tensor for name, tensor in parts.items() if name.rpartition(".")[2] in ("", "logits")}
    tables = {name: tensor for name, tensor in parts.items() if tensor.is_floating_point() and tensor.ndim > 1}
    return called if len(called) == 1 else tables


def logits_in(returned: object) -> Tensor:
    """The logits in what a model returns, if nobody has to be asked. Raises SoftlabError otherwise."""
    found = candidates(returned)
    if len(found) != 1:
        advice = "give a module that returns just these, or calls them `logits` in a dictionary"
        raise SoftlabError(f"the model returns {described(returned)}: which are its logits? {advice}")
    return next(iter(found.values()))
