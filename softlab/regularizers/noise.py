"""Cross-entropy on images or features that are disturbed at random; the labels stay as they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from softlab.batches import sent
from softlab.regularizers.base import Regularizer, check_part, check_positive, parameter, register


def moved(images: Tensor, by: float, noise: Tensor) -> Tensor:
    """Images (N, C, H, W) plus `by` times noise of their shape (drawn on the CPU), clamped to [0, 1]."""
    return (images + by * sent(noise, images.device)).clamp(0, 1)


@register("uniform_noise")
@dataclass(frozen=True)
class UniformNoise(Regularizer):
    """Every pixel is moved by a number drawn evenly from -epsilon to epsilon: the noise of most random starts."""

    version = 1
    epsilon: float = parameter(0.1, check_positive)

    def transform(self, images, targets, generator):
        noise = 2 * torch.rand(images.shape, generator=generator) - 1
        return moved(images, self.epsilon, noise), targets


@register("gaussian_noise")
@dataclass(frozen=True)
class GaussianNoise(Regularizer):
    """Every pixel is moved by a number from a normal distribution (Bishop 1995; Cohen et al. 2019)."""

    version = 1
    sigma: float = parameter(0.12, check_positive)

    def transform(self, images, targets, generator):
        noise = torch.randn(images.shape, generator=generator)
        return moved(images, self.sigma, noise), targets


@register("sign_noise")
@dataclass(frozen=True)
class SignNoise(Regularizer):
    """Every pixel is moved by ± epsilon at random: the half of `steady` that is not a penalty."""

    version = 1
    epsilon: float = parameter(0.05, check_positive)

    def transform(self, images, targets, generator):
        signs = 2.0 * torch.randint(2, images.shape, generator=generator) - 1
        return moved(images, self.epsilon, signs), targets


@register("dropout")
@dataclass(frozen=True)
class Dropout(Regularizer):
    """A share of the features is zero, a new one at each step; the rest are scaled up to match (Srivastava 2014)."""

    version = 1
    share: float = parameter(0.5, check_part)

    def hidden(self, features, targets, generator):
        keep = torch.rand(features.shape, generator=generator) >= self.share
        return features * sent(keep / (1 - self.share), features.device), targets
