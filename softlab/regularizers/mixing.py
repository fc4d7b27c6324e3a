"""Methods that mix beside the images as they are, or inside the network."""

from dataclasses import dataclass

import torch

from softlab.regularizers.base import Regularizer, check_positive, cross_entropy, get, parameter, register


@register("regmixup")
@dataclass(frozen=True)
class RegMixup(Regularizer):
    """Cross-entropy of the images as they are + eta · that of their Mixup, λ ~ Beta(10, 10) (Pinto et al. 2022).

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


@register("feature_mixup")
@dataclass(frozen=True)
class FeatureMixup(Regularizer):
    """Manifold Mixup at the last layer only: features and labels are mixed, λ ~ Beta(beta, beta) (Verma et al. 2019).

    Their own draws the layer anew for every batch.
    """

    version = 1
    beta: float = parameter(2.0, check_positive)

    def hidden(self, features, targets, generator):
        mixed, targets = get("mixup", beta=self.beta).transform(features[:, :, None, None], targets, generator)
        return mixed[:, :, 0, 0], targets
