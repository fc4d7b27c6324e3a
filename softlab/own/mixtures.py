"""A method as a mixture of images for any training: `mixture("cutmix", classes=10)`, from a batch to a batch.

A mixture is called in a loop, after a DataLoader, or by it, as its collate_fn. Where its draws come from:

    generator=…      a torch.Generator on the CPU, which moves on
    seed=…           a generator of its own with that seed
    neither          torch's global generator, as torchvision's own transforms take it

In a DataLoader's worker a generator or a seed only says with what a generator of the worker's own is seeded, together
with the worker's seed. The latter comes from the loader's generator, anew for each epoch, so that a loader with a
seeded generator gives the same batches again, and no two workers the same draws.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from softlab import regularizers
from softlab.batches import seed_of
from softlab.errors import SoftlabError, is_whole
from softlab.own import parts
from softlab.own.losses import check_classes
from softlab.own.targets import Look, are_class_numbers, check_distributions, check_numbers, one_hot
from softlab.regularizers import Regularizer


class Mixture:
    """A method's mixture of the images of a batch. Made by `mixture`."""

    def __init__(self, name: str, method: Regularizer, *, classes: int | None, generator: torch.Generator | None):
        self.name = name
        self.method = method
        self.classes = classes
        self.generator = generator
        self._look = Look()
        self._of_worker: tuple[int, torch.Generator] | None = None

    def __repr__(self) -> str:
        return f"Mixture({self.method}, classes={self.classes})"

    def __getstate__(self) -> dict[str, Any]:
        """For a worker that is spawned: a generator's state as bytes, as torch 2.15 cannot send it there otherwise."""
        drawing = self.generator
        sent = None if drawing is None else (drawing.initial_seed(), drawing.get_state().numpy().tobytes())
        return vars(self) | {"generator": sent, "_of_worker": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if state["generator"] is not None:
            seed, position = state["generator"]
            self.generator = torch.Generator().manual_seed(seed)
            self.generator.set_state(torch.frombuffer(bytearray(position), dtype=torch.uint8))

    def __call__(self, images: Any, labels: Any = None) -> tuple[Tensor, Tensor]:
        """Mixed images (N, C, H, W) and their targets (N, K), float32 distributions, on the device of the images.

        images: (N, C, H, W), of any size and on any device.  labels: class numbers (N,) or distributions (N, K).
        Or, as a collate_fn, one argument: a list of pairs (image, label), or a batch (images, labels).
        Images are mixed as they are, normalised or not; CutMix moves pixels of whole numbers as well.
        Raises SoftlabError for an empty batch, images or labels that do not fit, and values that are wrong
        (softlab.own.targets).  A batch of one image is left as it is.
        """
        if labels is None:
            images, labels = _collated(images)
        _check_images(images, labels)
        targets = self._targets(labels, len(images)).to(images.device)
        try:
            return self.method.transform(images, targets, self._drawing())
        except RuntimeError:
            if images.is_floating_point():
                raise
            said = f"{self.name} mixes numbers, and these images are {str(images.dtype).removeprefix('torch.')}"
            raise SoftlabError(f"{said}: images.float() / 255") from None

    def _targets(self, labels: Tensor, count: int) -> Tensor:
        """Distributions (N, K) of class numbers (N,) or distributions."""
        classes = self.classes
        if labels.ndim == 2:
            if classes not in (None, labels.shape[1]):
                raise SoftlabError(f"labels are {tuple(labels.shape)}, but this mixture is for {classes} classes")
            classes = labels.shape[1]
        if classes is None:
            raise SoftlabError(f"mixing class numbers takes the number of classes: mixture({self.name!r}, classes=K)")
        numbers = are_class_numbers(labels, torch.Size([count, classes]))
        if self._look.due(labels):
            if numbers:
                check_numbers(labels, classes)
            else:
                check_distributions(labels)
        return (
            one_hot(labels.long(), classes, torch.ones_like(labels, dtype=torch.float32)) if numbers else labels.float()
        )

    def _drawing(self) -> torch.Generator:
        """Where this process's draws come from."""
        if self.generator is None:
            return torch.default_generator
        worker = get_worker_info()
        if worker is None:
            return self.generator
        if self._of_worker is None or self._of_worker[0] != worker.seed:
            entropy = [self.generator.initial_seed(), worker.seed]
            self._of_worker = (worker.seed, torch.Generator().manual_seed(seed_of(entropy)))
        return self._of_worker[1]


def mixture(
    name: str,
    *,
    classes: int | None = None,
    generator: torch.Generator | None = None,
    seed: int | None = None,
    **parameters: object,
) -> Mixture:
    """A method as a mixture: `mixture("cutmix", beta=1.0, classes=10)(images, labels)`.

    name, parameters: those of the method (softlab.regularizers).  classes: K; needed for class numbers.
    generator: on the CPU, or seed: where draws come from; see the top of this module. Of several processes, as in
    distributed training, each needs a seed of its own, or none.
    The targets are for a loss that takes distributions, as softlab.criterion("baseline") or torch's cross_entropy. A
    batch of regmixup, twice as large, is for softlab.criterion("regmixup").
    Mixup and CutMix are torchvision.transforms.v2's: an image is mixed with the one before it in the batch.
    Raises SoftlabError for an unknown name or parameter, a value out of range, and a method that is no mixture.
    """
    method = regularizers.get(name, **parameters)
    check_classes(classes)
    if seed is not None and generator is not None:
        raise SoftlabError("give a generator or a seed, not both")
    if seed is not None:
        if not is_whole(seed) or not 0 <= seed < 2**63:
            raise SoftlabError(f"seed must be a whole number from 0 on, not {seed!r}")
        generator = torch.Generator().manual_seed(int(seed))
    if generator is not None and (not isinstance(generator, torch.Generator) or generator.device.type != "cpu"):
        raise SoftlabError("generator must be a torch.Generator on the CPU, so that draws are the same on every device")
    _check_is_a_mixture(name, method)
    return Mixture(name, method, classes=classes, generator=generator)


def _check_is_a_mixture(name: str, method: Regularizer) -> None:
    """Raise SoftlabError, with what takes its place, unless mixing images is all that a method asks for."""
    parts.check_needs_no_more(name, method, parts.CLASSES, "mixture")
    kind = parts.transform_of(method, parts.CLASSES)
    call = parts.call_of(name, method)
    if kind in ("nothing", "labels"):
        raise SoftlabError(f"method {name!r} mixes no images, it is a loss: use softlab.criterion({call})")
    if kind == "images":
        raise SoftlabError(f"method {name!r} changes single images, and mixes none: train with softlab.fit({call})")


def _check_images(images: Any, labels: Any) -> None:
    if not isinstance(images, Tensor) or not isinstance(labels, Tensor):
        given = f"{type(images).__name__} and {type(labels).__name__}"
        raise SoftlabError(f"images and labels must be tensors, not {given}: put ToTensor into the transforms")
    if images.ndim != 4 or images.numel() == 0:
        raise SoftlabError(f"images must be (N, C, H, W) with N > 0, not {tuple(images.shape)}")


def _collated(batch: Any) -> tuple[Tensor, Tensor]:
    """Images and labels of a list of pairs (image, label), or of a batch (images, labels)."""
    if not isinstance(batch, Sequence) or len(batch) == 0:
        raise SoftlabError(f"give images and labels, or a list of pairs (image, label), not {type(batch).__name__}")
    if len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
        return batch[0], batch[1]
    if not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in batch):
        raise SoftlabError("each entry of a batch must be a pair (image, label): softlab mixes nothing else")
    collate: Callable[[Any], Any] = default_collate
    try:
        images, labels = collate(batch)
    except (RuntimeError, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        raise SoftlabError(f"the images of a batch must be tensors of one size, and labels numbers: {said}") from None
    return images, labels
