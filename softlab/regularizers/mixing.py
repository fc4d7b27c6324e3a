"""Methods that mix beside the original images, inside the network, or only the images, or only the labels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from softlab.regularizers.base import Regularizer, check_positive, check_share, cross_entropy, get, parameter, register


@register("regmixup")
@dataclass(frozen=True)
class RegMixup(Regularizer):
    """Cross-entropy of the original images + eta · that of their Mixup, λ ~ Beta(10, 10) (Pinto et al. 2022).

    A batch holds both, so that a step costs twice as much.
    """

    version = 1
    eta: float = parameter(1.0, check_positive)

    def transform(self, images, targets, generator):
        mixed = get("mixup", beta=10.0).transform(images, targets, generator)
        return torch.cat([images, mixed[0]]), torch.cat([targets, mixed[1]])

    def loss(self, logits, targets, features, head, progress):
        half = len(logits) // 2
        weight = torch.ones_like(logits[:, 0])
        weight[half:] = self.eta
        return 2 * weight * cross_entropy(logits, targets)  # twice, as training takes the mean over both halves


@register("mixup_or_cutmix")
@dataclass(frozen=True)
class MixupOrCutMix(Regularizer):
    """Each batch is mixed by Mixup or by CutMix, and the labels of both images are smoothed, as timm's recipes do it.

    alpha: of the smoothing.  beta: of both mixtures, λ ~ Beta(beta, beta).  cutmix: how likely it is CutMix's turn
    (timm: .5); 0 is Mixup alone, 1 CutMix alone.
    """

    version = 1
    alpha: float = parameter(0.1, check_share)
    beta: float = parameter(1.0, check_positive)
    cutmix: float = parameter(0.5, check_share)

    def transform(self, images, targets, generator):
        turn = "cutmix" if torch.rand((), generator=generator) < self.cutmix else "mixup"
        images, targets = get("label_smoothing", alpha=self.alpha).transform(images, targets, generator)
        return get(turn, beta=self.beta).transform(images, targets, generator)


@register("feature_mixup")
@dataclass(frozen=True)
class FeatureMixup(Regularizer):
    """Manifold Mixup at the last layer only: features and labels are mixed, λ ~ Beta(beta, beta) (Verma et al. 2019).

    The original draws the layer anew for every batch.
    """

    version = 1
    beta: float = parameter(2.0, check_positive)

    def hidden(self, features, targets, generator):
        mixed, targets = get("mixup", beta=self.beta).transform(features[:, :, None, None], targets, generator)
        return mixed[:, :, 0, 0], targets


def shares_of(mixture: str, beta: float, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mixed images (N, C, H, W), and the share (N, N) of each image (column) in each of them (row).

    mixture: "mixup" or "cutmix", with the draws that it would make: shares @ targets are its targets.
    """
    alone = torch.eye(len(images), device=images.device)
    return get(mixture, beta=beta).transform(images, alone, generator)


class _OneHalf(Regularizer):
    """Half of Mixup or CutMix: only the images, or only the labels."""

    mixture = ""
    beta: float


class _MixedImages(_OneHalf):
    """Its images, each with the hard label of the image that has the larger share."""

    def transform(self, images, targets, generator):
        mixed, shares = shares_of(self.mixture, self.beta, images, generator)
        return mixed, targets[shares.argmax(1)]


class _MixedLabels(_OneHalf):
    """Its labels, each with the unmixed image that has the larger share."""

    def transform(self, images, targets, generator):
        _, shares = shares_of(self.mixture, self.beta, images, generator)
        return images[shares.argmax(1)], shares @ targets


@register("cutmix_images")
@dataclass(frozen=True)
class CutMixImages(_MixedImages):
    """CutMix's images with hard labels, that of the image with the larger share; λ ~ Beta(beta, beta)."""

    version = 1
    mixture = "cutmix"
    beta: float = parameter(1.0, check_positive)


@register("cutmix_labels")
@dataclass(frozen=True)
class CutMixLabels(_MixedLabels):
    """CutMix's labels on whole images, that with the larger share; λ ~ Beta(beta, beta)."""

    version = 1
    mixture = "cutmix"
    beta: float = parameter(1.0, check_positive)


@register("mixup_images")
@dataclass(frozen=True)
class MixupImages(_MixedImages):
    """Mixup's images with hard labels, that of the image with the larger share; λ ~ Beta(beta, beta)."""

    version = 1
    mixture = "mixup"
    beta: float = parameter(1.0, check_positive)


@register("mixup_labels")
@dataclass(frozen=True)
class MixupLabels(_MixedLabels):
    """Mixup's labels on whole images, that with the larger share; λ ~ Beta(beta, beta)."""

    version = 1
    mixture = "mixup"
    beta: float = parameter(1.0, check_positive)
