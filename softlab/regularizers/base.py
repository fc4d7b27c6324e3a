"""What a method is, how it is registered and found, and the checks of what it returns."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.errors import SoftlabError, check_known, check_name


def parameter(default: float | None, *checks: Callable[[str, object], None]) -> Any:
    """A parameter with its range: each check takes its name and its value, where that is not the default."""
    return dataclasses.field(default=default, metadata={"checks": checks})


@dataclass(frozen=True)
class Regularizer:
    """A method; this one changes nothing. Its dataclass fields are the method's parameters; `parameter` says a range.

    weight_decay: in place of the experiment's (None: the experiment's).  keeps: the weights after the last epoch, or
    those of the best snapshot, which has the lowest NLL on the `fit` images.  until: the share of training after which
    no snapshot is the best.
    """

    weight_decay: ClassVar[float | None] = None
    keeps: ClassVar[Literal["last", "best"]] = "last"
    until: ClassVar[float] = 1.0

    def __post_init__(self):
        kinds = filter(dataclasses.is_dataclass, reversed(type(self).__mro__))  # a new default keeps its parent's range
        for spec in (spec for kind in kinds for spec in dataclasses.fields(kind)):
            value = getattr(self, spec.name)
            if value is not spec.default:
                for check in spec.metadata.get("checks", ()):
                    check(spec.name, value)

    def prepare(self, model: nn.Module) -> None:
        """Change the new model in place, before its optimizer is made.

        What a method learns while it trains belongs in buffers that it registers here, on the head: they are stored
        with the weights, so a run that was interrupted goes on with them.
        """

    def begin_epoch(self, model: nn.Module) -> None:
        """Before the first step of each epoch; the model is what `prepare` made of it."""

    def transform(self, images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) in [0, 1] and target distributions (N, K) to train on, from images and one-hot targets.

        It may return a multiple of what it was given. Every random draw comes from `generator` (on the CPU), so that it
        does not depend on the device.
        """
        return images, targets

    def with_model(
        self, model: nn.Module, images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Images to train on in place of those of `transform`, and a term (N,) that is added to the loss, or None.

        model: in training, gives logits (N, K) of images (N, C, H, W) in [0, 1]; whoever calls it leaves its statistics
        alone (softlab.regularizers.gradients.without_trace).  targets: (N, K).  Draws as in `transform`, after it.
        """
        return images, None

    def hidden(self, features: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Features (N, D) for the head and targets (N, K), in training only; draws as in `transform`, after it."""
        return features, targets

    def loss(self, logits: Tensor, targets: Tensor, features: Tensor, head: nn.Linear, progress: float) -> Tensor:
        """Loss of each sample (N,), from logits (N, K), the targets of `transform` (N, K) and features (N, D).

        progress: from 0 at the first step to nearly 1 at the last.
        """
        return cross_entropy(logits, targets)


REGISTRY: dict[str, type[Regularizer]] = {}


def register(name: str) -> Callable[[type[Regularizer]], type[Regularizer]]:
    """Class decorator: make a method known under `name` (small letters, digits, _). Again: replaces it."""
    check_name("method", name)

    def keep(method: type[Regularizer]) -> type[Regularizer]:
        if not (isinstance(method, type) and issubclass(method, Regularizer) and dataclasses.is_dataclass(method)):
            raise SoftlabError(f"method {name!r} must be a dataclass derived from softlab.regularizers.Regularizer")
        REGISTRY[name] = method
        return method

    return keep


def get(name: str, **parameters) -> Regularizer:
    """The method of that name with these parameters.

    Raises SoftlabError for an unknown name or parameter (with the nearest valid one) or a value out of range.
    """
    check_known("method", name, REGISTRY)
    method = REGISTRY[name]
    allowed = [field.name for field in dataclasses.fields(method)]
    for parameter in parameters:
        if not allowed:
            raise SoftlabError(f"method {name!r} has no parameters, but {parameter!r} was given")
        check_known(f"parameter of {name}", parameter, allowed)
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}
    try:
        return method(**plain)
    except TypeError as error:
        raise SoftlabError(f"method {name!r}: {error}") from None


def check_batch(name: str, step: int, images: Tensor, targets: Tensor, one_hot: Tensor) -> None:
    """Raise SoftlabError unless what method `name` made of a batch are images and as many target distributions."""
    fits = isinstance(targets, Tensor) and targets.is_floating_point() and targets.shape[1:] == one_hot.shape[1:]
    if not fits or not len(targets) or len(targets) % len(one_hot):  # or a multiple of them
        raise SoftlabError(f"method {name!r}, step {step}: targets must be {_shape(one_hot)}, not {_shape(targets)}")
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != len(targets):
        raise SoftlabError(f"method {name!r}, step {step}: images must be (N, C, H, W), not {_shape(images)}")


def check_loss(name: str, step: int, loss: Tensor, logits: Tensor) -> None:
    """Raise SoftlabError unless method `name` returned one number per sample that gradients can flow from."""
    if not isinstance(loss, Tensor) or loss.shape != logits.shape[:1]:
        hint = " (training takes the mean)" if isinstance(loss, Tensor) and loss.ndim == 0 else ""
        wanted = f"one number for each sample, ({len(logits)},)"
        raise SoftlabError(f"method {name!r}, step {step}: the loss must be {wanted}, not {_shape(loss)}{hint}")
    if not loss.requires_grad:
        raise SoftlabError(f"method {name!r}, step {step}: no gradient flows from its loss to logits or features")


def _shape(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{tuple(value.shape) if value.ndim else 'a single number'} of {str(value.dtype).removeprefix('torch.')}"


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy (N,) of logits (N, K) against target distributions (N, K)."""
    return functional.cross_entropy(logits, targets, reduction="none")


def check_share(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise SoftlabError(f"{name} must be a number from 0 to 1, not {value!r}")


def check_part(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from 0 to below 1."""
    check_share(name, value)
    if value == 1:
        raise SoftlabError(f"{name} must be below 1, not {value!r}")


def check_positive(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value > 0 and math.isfinite(value)):
        raise SoftlabError(f"{name} must be a number above 0, not {value!r}")
