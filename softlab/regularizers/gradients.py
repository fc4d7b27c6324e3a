"""Methods that ask the network about the images that it trains on: what an attack changes, and how steep a loss is.

They cost passes over the network: a gradient penalty about three steps more, adversarial training as many as its attack
has steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from softlab.batches import sent
from softlab.errors import SoftlabError
from softlab.regularizers.base import Regularizer, check_positive, cross_entropy, parameter, register


def check_steps(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a whole number from 1 to 1,000."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
        raise SoftlabError(f"{name} must be a whole number from 1 to 1000, not {value!r}")


@contextmanager
def without_trace(model: nn.Module) -> Iterator[None]:
    """Passes inside the block leave the running statistics of batch normalisations alone, in training mode too."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    counts = [None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone() for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum, count in zip(layers, momenta, counts, strict=True):
            layer.momentum = momentum
            if count is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(count)


STRIDE = 0.05  # Euclidean length of the step that a penalty's difference is taken over, of pixels in [0, 1]


@register("gradient_penalty")
@dataclass(frozen=True)
class GradientPenalty(Regularizer):
    """Cross-entropy + strength · ‖∇ₓ cross-entropy‖², by pixels in [0, 1]: a loss that is flat around each image.

    Drucker & LeCun 1992 (double backpropagation); against attacks Ross & Doshi-Velez 2018. The norm is taken as the
    loss's difference along its own gradient, (L(x + hv) - L(x - hv)) / 2h with v = ∇L/‖∇L‖, whose derivative by the
    weights is that of the norm as h shrinks: no second derivative is needed. (On a CPU, torch 2.15 ends the process in
    the second derivative of a convolution that lies channels last.)
    """

    version = 1
    strength: float = parameter(1.0, check_positive)

    def with_model(self, model, images, targets, generator):
        pixels = images.detach().clone().requires_grad_()
        with without_trace(model):
            loss = cross_entropy(model(pixels).float(), targets).sum()
            (gradient,) = torch.autograd.grad(loss, pixels)
            along = STRIDE * functional.normalize(gradient.flatten(1), dim=1).view_as(images)
            ahead, behind = (cross_entropy(model(images + sign * along).float(), targets) for sign in (1, -1))
        return images, self.strength * ((ahead - behind) / (2 * STRIDE)).square()


@register("adversarial_training")
@dataclass(frozen=True)
class AdversarialTraining(Regularizer):
    """Cross-entropy on what an attack makes of the images: what one would do for robustness (Madry et al. 2018).

    epsilon: how far a pixel may move, of pixels in [0, 1].  steps: of the attack, each of 2.5 epsilon/steps along the
    sign of the gradient, from a random start. With one step, of 1.25 epsilon, it is the fast variant of Wong et al.
    2020.
    """

    version = 1
    epsilon: float = parameter(4 / 255, check_positive)
    steps: int = parameter(7, check_steps)

    def with_model(self, model, images, targets, generator):
        step = self.epsilon * (1.25 if self.steps == 1 else 2.5 / self.steps)
        start = 2 * torch.rand(images.shape, generator=generator) - 1
        moved = (images + self.epsilon * sent(start, images.device)).clamp(0, 1)
        with without_trace(model):
            for _ in range(self.steps):
                moved = self._stepped(model, moved, images, targets, step)
        return moved, None

    def _stepped(self, model: nn.Module, moved: Tensor, images: Tensor, targets: Tensor, step: float) -> Tensor:
        """One step up the cross-entropy, back into the ball around the images and into the box."""
        pixels = moved.detach().requires_grad_()
        loss = cross_entropy(model(pixels).float(), targets).sum()
        (gradient,) = torch.autograd.grad(loss, pixels)
        inside = (pixels + step * gradient.sign()).clamp(images - self.epsilon, images + self.epsilon)
        return inside.clamp(0, 1).detach()
