"""A method as a loss for any training: `criterion("maxsup", alpha=0.1)` is a module like torch's CrossEntropyLoss."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as functional
from torch import Tensor, distributed, nn

from softlab import regularizers
from softlab.errors import SoftlabError, check_known, is_whole
from softlab.own import parts
from softlab.own.targets import (
    Look,
    are_class_numbers,
    as_rows,
    check_distributions,
    check_numbers,
    check_tensor,
    is_transformed,
    one_hot,
)
from softlab.regularizers import Regularizer
from softlab.regularizers.soft_labels import LabelSmoothing, MaxSup

REDUCTIONS = ("mean", "none", "sum")


class Criterion(nn.Module):
    """The loss of a method, from logits and class numbers or distributions. Made by `criterion`.

    progress: how far training is, from 0 to 1, for methods whose strength grows; a training loop that cannot hand it
    over with each call sets this attribute instead. A tensor saves torch.compile from compiling for each value.
    """

    weight: Tensor | None

    def __init__(
        self,
        name: str,
        method: Regularizer,
        *,
        classes: int | None,
        reduction: str,
        ignore_index: int,
        weight: Tensor | None,
    ):
        super().__init__()
        self.name = name
        self.method = method
        self.classes = classes
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.register_buffer("weight", weight)
        self.progress: float | Tensor | None = None
        self._look = Look()
        self._own_loss = parts.overrides(method, "loss")
        self._smoothing = _torchs_smoothing(method)
        count = classes or parts.CLASSES
        self._of_a_mixture = _kind_of_loss(name, method, count, self._own_loss) == "mixture"
        if parts.overrides(method, "prepare") and classes is None:
            raise SoftlabError(f"method {name!r} keeps a state for each class: say how many, classes=K")
        self.state = parts.prepared(method, count)
        self._takes_masks = parts.takes_masks(method, self.state, count)
        self._grows = parts.grows(method, self.state, count)
        self._takes_soft = parts.takes_distributions(method, self.state, count)
        self._has_epochs = parts.overrides(method, "begin_epoch")
        self._began = False
        self.register_load_state_dict_post_hook(_goes_on)

    def extra_repr(self) -> str:
        return f"{self.method}, reduction={self.reduction!r}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Criterion":
        """As of any module; but what a method counts stays in float32, as bfloat16 counts to 256."""
        before = dict(self.state.named_buffers())
        super()._apply(fn, recurse)
        for name, held in before.items():
            moved = self.state.get_buffer(name)
            if moved.is_floating_point() and moved.dtype.itemsize < held.dtype.itemsize:
                self.state.register_buffer(name, held.to(moved.device))
        return self

    def begin_epoch(self) -> None:
        """To be called before the first step of each epoch; only methods that learn from epoch to epoch need it.

        Raises nothing, and does nothing for the others, so that a training loop may call it for each criterion.
        """
        model: Any = nn.Module()
        model.head = self.state
        self.method.begin_epoch(model)
        self._began = True

    def forward(self, logits: Tensor, targets: Tensor, progress: float | Tensor | None = None) -> Tensor:
        """The loss, in nats: a number, or one for each target with reduction="none".

        logits: (N, K) or (N, K, …), any floating type; in half precision, and under autocast, the loss is computed in
        float32 all the same.  targets: class numbers (N, …) or distributions (N, K, …).
        progress: from 0 to 1 (None: the attribute of that name). Only a method whose strength grows asks for it.
        Raises SoftlabError for shapes or types that do not fit, an empty batch under reduction="mean", and what
        `softlab.own.targets` finds in values. Where every target is ignored the mean is NaN, as torch's is.
        """
        check_tensor(logits, "logits")
        check_tensor(targets, "targets")
        self._check_logits(logits)
        if targets.device != logits.device:
            raise SoftlabError(f"targets are on {targets.device}, but logits on {logits.device}: targets.to(device)")
        numbers = are_class_numbers(targets, logits.shape)
        self._check_kind(numbers)
        self._check_values(targets, logits.shape[1], numbers)
        targets = targets.long() if numbers else targets.to(_full(logits.dtype))
        progress = self._progress(progress)
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.to(_full(logits.dtype))
            if self._smoothing is not None:
                return self._torchs(logits, targets, self._smoothing)
            return self._by_rows(logits, targets, numbers, progress)

    def _torchs(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        return functional.cross_entropy(
            logits,
            targets,
            weight=self._weight(logits),
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=smoothing,
        )

    def _by_rows(self, logits: Tensor, targets: Tensor, numbers: bool, progress: float | Tensor) -> Tensor:
        """The loss of any method, of rows (M, K) of logits and distributions; those to be ignored are zero."""
        rows = as_rows(logits)
        ignored = None
        if numbers:
            labels = targets.reshape(-1)
            ignored = labels == self.ignore_index
            soft = one_hot(labels.masked_fill(ignored, 0), rows.shape[1], (~ignored).to(rows.dtype))
        else:
            soft = as_rows(targets)
        weight = self._weight(logits)
        shares = None if weight is None else soft @ weight
        masked = self._masks(rows) if numbers else None
        if masked is not None:
            hopeless = (soft * masked).sum(1) > 0
            rows = rows.masked_fill(masked, parts.MASK)
        losses = self._losses(rows, soft, shares, progress, numbers)
        if masked is not None:
            losses = losses.masked_fill(hopeless, torch.inf)
        if ignored is not None:
            losses = losses.masked_fill(ignored, 0)
        if self.reduction == "none":
            return losses.reshape(logits.shape[:1] + logits.shape[2:])
        total = losses.sum()
        if self.reduction == "sum":
            return total
        if ignored is None:
            return total / len(losses)
        return total / ((~ignored).sum() if shares is None else shares.sum())

    def _masks(self, rows: Tensor) -> Tensor | None:
        """Which logits (M, K) are -inf, as of classes that cannot be; None where there are none.

        Raises SoftlabError where the loss would be another for each number that stood in their place.
        """
        masked = rows.detach().isneginf()
        if not self._look.due(rows):
            return masked if self._takes_masks else None
        if not masked.any():
            return None
        if not self._takes_masks:
            said = f"method {self.name!r} takes the logits of all classes, and some are -inf"
            raise SoftlabError(f"{said}: leave these classes out, or take another method")
        return masked

    def _losses(
        self, rows: Tensor, soft: Tensor, shares: Tensor | None, progress: float | Tensor, spare: bool
    ) -> Tensor:
        """Losses (M,) of rows (M, K). shares: (M,), class weights of their targets.  spare: may `soft` be changed?"""
        nothing: Any = None  # no images, no draws, no features: the trial has shown that it asks for none
        changed = soft if self._of_a_mixture else self.method.transform(nothing, soft, nothing)[1]
        if not self._own_loss:
            return functional.cross_entropy(rows, changed, weight=self._weight(rows), reduction="none")
        if self._of_a_mixture and len(rows) % 2:
            said = f"{self.name} is the loss of a batch that mixture({self.name!r}) made"
            raise SoftlabError(f"{said}: an even number of rows, not {len(rows)}")
        if type(self.method) is MaxSup and not is_transformed():  # which changes no tensor in place
            losses = _maxsup(rows, soft if spare else soft.clone(), self.method, progress)
        else:
            state = self._state(rows)
            with _of_all_processes(state):
                losses = self.method.loss(rows, changed, nothing, state, cast(float, progress))
        return losses if shares is None else shares * losses

    def _state(self, rows: Tensor) -> Any:
        """What the method keeps; a copy where nothing is to be learned: in evaluation, or without gradients."""
        if not self._has_epochs:
            return self.state
        held = next(self.state.buffers(), rows)
        if held.device != rows.device:
            said = f"what the criterion keeps is on {held.device}, but logits on {rows.device}"
            raise SoftlabError(f"{said}: criterion.to(device)")
        if not (self.training and rows.requires_grad and torch.is_grad_enabled()):
            return parts.copied(self.state)
        if not self._began:
            advice = "call criterion.begin_epoch() before the first step of each epoch"
            raise SoftlabError(f"method {self.name!r} learns from one epoch to the next: {advice}")
        return self.state

    def _progress(self, given: float | Tensor | None) -> float | Tensor:
        progress = self.progress if given is None else given
        if not self._grows:
            return 0.0
        if progress is None:
            advice = "criterion(logits, targets, progress=step / steps), or set criterion.progress"
            raise SoftlabError(f"method {self.name!r} grows in training, so it has to know how far that is: {advice}")
        if not isinstance(progress, Tensor) and not 0 <= progress <= 1:
            raise SoftlabError(f"progress must be from 0 (the first step) to 1 (the last), not {progress!r}")
        return progress

    def _weight(self, like: Tensor) -> Tensor | None:
        if self.weight is None:
            return None
        if self.weight.device != like.device:
            said = f"the criterion's weight is on {self.weight.device}, but logits on {like.device}"
            raise SoftlabError(f"{said}: criterion.to(device)")
        return self.weight.to(like.dtype)

    def _check_logits(self, logits: Tensor) -> None:
        given = f"{tuple(logits.shape)} of {str(logits.dtype).removeprefix('torch.')}"
        if logits.ndim < 2 or logits.shape[1] < 2 or not logits.is_floating_point():
            raise SoftlabError(f"logits must be (N, K) or (N, K, …), floating, of at least two classes, not {given}")
        if self.classes is not None and logits.shape[1] != self.classes:
            raise SoftlabError(f"logits are {given}, but this criterion is for {self.classes} classes")
        if logits.numel() == 0 and self.reduction == "mean":
            raise SoftlabError(f"an empty batch has no mean loss: logits are {given}")

    def _check_kind(self, numbers: bool) -> None:
        """Raise SoftlabError where the method, or ignore_index, takes targets of the other kind only."""
        if numbers and self._of_a_mixture:
            said = f"{self.name} is the loss of a batch that mixture({self.name!r}) made"
            raise SoftlabError(f"{said}, with distributions, not class numbers")
        if not numbers and not self._takes_soft:
            advice = "targets.argmax(1), or another method"
            raise SoftlabError(f"method {self.name!r} takes class numbers, not distributions: {advice}")
        if not numbers and self.ignore_index >= 0:
            said = f"ignore_index={self.ignore_index} is for class numbers, and these are distributions"
            raise SoftlabError(f"{said}: leave it out")

    def _check_values(self, targets: Tensor, classes: int, numbers: bool) -> None:
        if not self._look.due(targets):
            return
        if numbers:
            check_numbers(targets, classes, self.ignore_index)
        else:
            check_distributions(targets.detach())


def criterion(
    name: str,
    *,
    classes: int | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    weight: Tensor | None = None,
    **parameters: object,
) -> Criterion:
    """A method as a loss: `criterion("maxsup", alpha=0.1)(logits, labels)`.

    name, parameters: those of the method (softlab.regularizers).  classes: K, checked against the logits; a method that
    keeps a state for each class needs it.  reduction: "mean", "sum" or "none".  ignore_index: the class number of
    targets without a loss.  weight: (K,), of the classes; all three as in torch.nn.CrossEntropyLoss.
    With `weight`, a method that changes labels only weighs each class's term, as torch does; a loss of another form
    counts for each sample as much as the weight of its class (of a distribution, the mean weight under it). The mean is
    over the weights of the class numbers, or over the number of distributions, as in torch.
    Raises SoftlabError for an unknown name or parameter, a value out of range, and for a method that needs images,
    features or the network, with what takes its place.
    """
    method = regularizers.get(name, **parameters)
    check_known("reduction", reduction, REDUCTIONS)
    if not is_whole(ignore_index):
        raise SoftlabError(f"ignore_index must be a whole number, not {ignore_index!r}")
    if weight is not None:
        weight = _class_weights(weight, classes)
        classes = len(weight)
    check_classes(classes)
    return Criterion(name, method, classes=classes, reduction=reduction, ignore_index=int(ignore_index), weight=weight)


def check_classes(classes: object) -> None:
    """Raise SoftlabError unless it is None, or a whole number from 2 on."""
    if classes is not None and (not is_whole(classes) or classes < 2):
        raise SoftlabError(f"classes must be a whole number from 2 on, not {classes!r}")


def _kind_of_loss(name: str, method: Regularizer, classes: int, own_loss: bool) -> str:
    """What the method's transform does (parts.transform_of).

    Raises SoftlabError, with what takes its place, unless logits and targets are all that the method asks for.
    """
    parts.check_needs_no_more(name, method, classes, "criterion")
    kind = parts.transform_of(method, classes)
    call = parts.call_of(name, method)
    if kind == "mixture" and not own_loss:
        raise SoftlabError(f"method {name!r} changes images, which no loss sees: use softlab.mixture({call})")
    if kind == "images":
        raise SoftlabError(f"method {name!r} changes images, which no loss sees: train with softlab.fit({call})")
    return kind


def _torchs_smoothing(method: Regularizer) -> float | None:
    """The label_smoothing of torch's own cross_entropy where that is this method; None where it is not."""
    if type(method) is LabelSmoothing:
        return vars(method)["alpha"]
    changes = ("loss", "transform", "prepare", "begin_epoch")
    return None if any(parts.overrides(method, function) for function in changes) else 0.0


@contextmanager
def _of_all_processes(state: Any) -> Iterator[None]:
    """What the block adds to a state is added in all processes of a distributed training: they keep one state."""
    alone = not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1
    before = {} if alone or not isinstance(state, nn.Module) else parts.copied(state).__dict__
    yield
    for name, held in before.items():
        added = state.get_buffer(name) - held
        distributed.all_reduce(added)
        state.get_buffer(name).copy_(held + added)


def _maxsup(rows: Tensor, soft: Tensor, method: Any, progress: float | Tensor) -> Tensor:
    """MaxSup (M,) as one cross-entropy: alpha is taken off the largest logit's class, and shared by all classes.

    That is the method's own loss, to rounding, at a fraction of its memory: the target adds up to 1 as before.
    soft: (M, K), overwritten.
    """
    alpha = method.alpha_at(progress)
    with torch.no_grad():
        _, top = rows.max(1, keepdim=True)  # of several largest the first
        soft.add_(alpha / rows.shape[1]).scatter_add_(1, top, torch.zeros_like(rows[:, :1]) - alpha)
    return functional.cross_entropy(rows, soft, reduction="none")


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _class_weights(weight: object, classes: int | None) -> Tensor:
    """Weights (K,) as they are. Raises SoftlabError unless each class has one that is finite and not negative."""
    fits = isinstance(weight, Tensor) and weight.ndim == 1 and weight.is_floating_point() and len(weight) > 1
    if not isinstance(weight, Tensor) or not fits or classes not in (None, len(weight)):
        given = tuple(weight.shape) if isinstance(weight, Tensor) else weight
        raise SoftlabError(
            f"weight must be a floating tensor ({classes or 'K'},), a weight for each class, not {given}"
        )
    if not (weight.isfinite() & (weight >= 0)).all():
        raise SoftlabError("weight must be finite, and not below 0")
    return weight


def _goes_on(criterion: Criterion, _: object) -> None:
    """A state that was stored is one of an epoch that has begun."""
    criterion._began = True
