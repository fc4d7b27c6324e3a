"""What a method is made of, found by trying it on four small images: what becomes a loss, what a mixture, what neither.

A method says nothing about itself beyond its functions, so that a method that somebody registered in a notebook works
in his own training too.
"""

import dataclasses
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from softlab.errors import SoftlabError
from softlab.regularizers import Regularizer

COUNT = 4  # images of a trial
MASK = -1e4  # in place of the logit -inf: its exponential is 0 in every type
CLASSES = 3  # of a trial where nobody said how many


class Missing(Exception):
    """A method asked for what is not there in anybody's training."""


class Absent:
    """Stands where features would be: whatever is done with it raises Missing."""

    def __getattr__(self, name: str) -> Any:
        raise Missing(name)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise Missing(str(function))

    def _refuse(self, *_: object) -> Any:
        raise Missing("features")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = __rmatmul__ = _refuse
    __neg__ = __pow__ = __getitem__ = __len__ = __iter__ = __bool__ = _refuse


def overrides(method: Regularizer, function: str) -> bool:
    """Has the method a function of that name of its own?"""
    return getattr(type(method), function) is not getattr(Regularizer, function)


def prepared(method: Regularizer, classes: int) -> nn.Module:
    """A module with the buffers that a method keeps on the head of a network of so many classes.

    Raises Missing if it changes anything else.
    """
    head = nn.Linear(1, classes, device="meta")
    model = nn.Module()
    model.head = head
    before = {*head.parameters()}
    try:
        method.prepare(model)
    except (AttributeError, SoftlabError) as error:
        raise Missing(str(error)) from None
    if model.head is not head or {*model.parameters()} != before or len([*model.modules()]) != 2:
        raise Missing("the model")
    state = nn.Module()
    for name, buffer in head.named_buffers():
        if buffer.device.type == "meta":  # it is made of the head's own rows
            raise Missing(name)
        state.register_buffer(name, buffer)
    return state


def copied(state: nn.Module) -> Any:
    """The same buffers, to be changed without a trace."""
    return SimpleNamespace(**{name: buffer.clone() for name, buffer in state.named_buffers()})


def transform_of(method: Regularizer, classes: int) -> str:
    """What a method's transform does: "nothing", "labels" (without a draw), "mixture" or "images".

    A mixture is made of weighted images, so that it may come before a normalisation or after: what is not is "images".
    """
    if not overrides(method, "transform"):
        return "nothing"
    drawing = torch.Generator().manual_seed(0)
    images = torch.rand(COUNT, 1, 8, 8, generator=drawing)
    targets = torch.eye(classes)[torch.arange(COUNT) % classes]
    untouched = drawing.get_state()
    changed, _ = method.transform(images, targets, drawing)
    if changed is images:
        return "labels" if torch.equal(drawing.get_state(), untouched) else "images"
    drawing.set_state(untouched)
    scaled, _ = method.transform(3 * images - 1, targets, drawing)
    return "mixture" if torch.allclose(scaled, 3 * changed - 1, atol=1e-5) else "images"


def tried(
    method: Regularizer,
    state: nn.Module,
    classes: int,
    progress: float,
    targets: Tensor | None = None,
    moved: Tensor | float = 0.0,
) -> Tensor:
    """The losses (4,) of a trial. Raises Missing if the method needs features or the network.

    targets: distributions (4, classes) (None: one-hot ones).  moved: is added to the logits of each class, (classes,).
    """
    logits = torch.arange(COUNT * classes).reshape(COUNT, classes).sin() + moved
    if targets is None:
        targets = torch.eye(classes)[torch.arange(COUNT) % classes]
    features: Any = Absent()
    kept = copied(state)
    try:
        method.begin_epoch(SimpleNamespace(head=kept))  # pyright: ignore[reportArgumentType]
        losses = method.loss(logits, targets, features, kept, progress)
    except AttributeError as error:
        raise Missing(str(error)) from None
    if losses.shape != (COUNT,):
        raise SoftlabError(f"a method's loss must be one number for each sample, ({COUNT},), not {tuple(losses.shape)}")
    return losses


def grows(method: Regularizer, state: nn.Module, classes: int) -> bool:
    """Does the loss depend on how far training is?"""
    first = tried(method, state, classes, 0.0)
    return not torch.equal(first, tried(method, state, classes, 1.0))


def takes_distributions(method: Regularizer, state: nn.Module, classes: int) -> bool:
    """Is the loss a number where no entry of the targets is zero? Not if it asks which classes are wrong."""
    even = torch.full((COUNT, classes), 1 / classes)
    return bool(tried(method, state, classes, 0.0, even).isfinite().all())


def takes_masks(method: Regularizer, state: nn.Module, classes: int) -> bool:
    """Does a class whose logit is far below all others leave the loss as it is, however far that is?"""
    targets = torch.eye(classes)[[0] * COUNT]
    if transform_of(method, classes) == "labels":
        targets = method.transform(targets, targets, torch.Generator())[1]
    masked = torch.arange(classes) == classes - 1
    near, far = (tried(method, state, classes, 0.5, targets, masked * low) for low in (MASK, 2 * MASK))
    return torch.equal(near, far)


def call_of(name: str, method: Regularizer) -> str:
    """What one would write in brackets: 'cutmix', beta=2.0; without what is a default."""
    fields = dataclasses.fields(method)
    own = {field.name: getattr(method, field.name) for field in fields if getattr(method, field.name) != field.default}
    return ", ".join([repr(name), *(f"{key}={value!r}" for key, value in own.items())])


def check_needs_no_more(name: str, method: Regularizer, classes: int, function: str) -> None:
    """Raise SoftlabError, with what takes its place, if a method needs more than images, targets and logits.

    function: "criterion" or "mixture", which it cannot be then.
    """
    if refusal := refusal_of_schedule(name, method):
        raise SoftlabError(refusal)
    network = needs_the_network(name, method, function)
    if overrides(method, "hidden") or overrides(method, "with_model"):
        raise network
    try:
        tried(method, prepared(method, classes), classes, 0.0)
    except Missing:
        raise network from None


def refusal_of_schedule(name: str, method: Regularizer) -> str | None:
    """Why a method is no loss and no mixture if all that it changes is how weights are decayed or kept."""
    advice = "and use softlab.criterion('baseline')"
    if method.weight_decay is not None:
        given = f"give your optimizer weight_decay={method.weight_decay!r}"
        return f"method {name!r} is plain cross-entropy with another weight decay: {given} {advice}"
    if method.keeps == "best":
        keep = "keep the weights of the epoch with the lowest NLL of softlab.Watch"
        return f"method {name!r} is plain cross-entropy that stops early: {keep} {advice}"
    return None


def needs_the_network(name: str, method: Regularizer, function: str) -> SoftlabError:
    """The line for a method that asks for features or the network itself. function: whose place it cannot take."""
    what = "needs the network's features, or the network itself"
    advice = f"train with softlab.fit({call_of(name, method)})"
    return SoftlabError(f"method {name!r} {what}, which a {function} does not see: {advice}")
