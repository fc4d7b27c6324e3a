"""Eight answers to "how well is a feature aligned with its class?", side by side: which centre, in which space."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from softlab.checks import check_head
from softlab.lenses.geometry.centers import class_centers
from softlab.lenses.geometry.head import cosine_to, logit_cosine, row_space
from softlab.lenses.geometry.variation import ClassSums

if TYPE_CHECKING:
    from softlab.representation import Representation

VARIANTS = ("ball", "orthant", "class mean", "centred mean", "row", "row space", "mean in row space", "logit")


@dataclass(frozen=True)
class Centers:
    """What a class's direction can mean, from the training features and the head; all (K, D) but `mean` (D,).

    ball, orthant: minimal-loss points in the ball of the class's mean feature norm, without and with c >= 0; equal
    where features can have any sign, as nothing binds such a network to the orthant.
    means: class means.  mean: mean of the class means.  rows: the head's rows.
    """

    ball: Tensor
    orthant: Tensor
    means: Tensor
    mean: Tensor
    rows: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> "Centers":
        """Centres for a head, with radii and means of these (training) features (N, D) and labels (N,).

        A class without samples has no mean (NaN), and takes the mean radius of the others.
        """
        check_head(weight, bias, features)
        sums = ClassSums.of(features, labels, len(weight))
        norms = features.norm(dim=1)
        means = sums.means.to(features)
        present = sums.count > 0
        radius = torch.stack([norms[labels == label].mean() for label in range(len(weight))])
        radius = torch.where(present, radius, radius[present].mean())
        bound = bool((features >= 0).all())
        ball, orthant = (class_centers(weight, bias, radius, sign)[0].to(features) for sign in (False, bound))
        return cls(ball, orthant, means, means[present].mean(0), weight)


def cosine_variants(features: Tensor, logits: Tensor, labels: Tensor, centers: Centers) -> dict[str, Tensor]:
    """Cosine (N,) of each feature (N, D) to the direction of its label (N,), one entry for each of VARIANTS.

    `row space` compares Q f with the ball's centre, which lies in the row space; `mean in
    row space` is `centred mean` there; `logit` compares z - z̄ with e_y - 1/K.
    For correlations with confidence, give predicted classes as labels.
    """
    basis = row_space(centers.rows)
    offsets = features - centers.mean
    mean_offsets = centers.means - centers.mean
    return {
        "ball": cosine_to(features, centers.ball, labels),
        "orthant": cosine_to(features, centers.orthant, labels),
        "class mean": cosine_to(features, centers.means, labels),
        "centred mean": cosine_to(offsets, mean_offsets, labels),
        "row": cosine_to(features, centers.rows, labels),
        "row space": cosine_to(features @ basis.T, centers.ball @ basis.T, labels),
        "mean in row space": cosine_to(offsets @ basis.T, mean_offsets @ basis.T, labels),
        "logit": logit_cosine(logits, labels),
    }


def rescaled_cosines(
    reference: "Representation", tested: "Representation", weight: Tensor, bias: Tensor, factors: Tensor | float = 1.0
) -> dict[str, float]:
    """Mean of each of VARIANTS over tested images, once channels are rescaled: f → A f, W → W A⁻¹, the same network.

    reference: (training) images, for the centres.  factors: the diagonal of A, (D,), or one for all, above 0.
    """
    centers = Centers.of(reference.features * factors, reference.labels, weight / factors, bias)
    variants = cosine_variants(tested.features * factors, tested.logits, tested.labels, centers)
    return {name: float(values.nanmean()) for name, values in variants.items()}


def rescaling_moves(
    reference: "Representation", tested: "Representation", weight: Tensor, bias: Tensor, most: float = 2.0
) -> dict[str, float]:
    """How far each mean cosine moves at most, in three draws of factors between 1/most and most, uniform in their log.

    No logit changes: what moves belongs to how channels are scaled, not to the network.
    """
    parts = (reference, tested, weight, bias)
    moves = dict[str, float](dict.fromkeys(VARIANTS, 0.0))
    trained = rescaled_cosines(*parts)
    for draw in range(3):
        exponents = 2 * torch.rand(weight.shape[1], generator=torch.Generator().manual_seed(draw)) - 1
        moved = rescaled_cosines(*parts, (most**exponents).to(weight))
        moves = {name: max(moves[name], abs(moved[name] - trained[name])) for name in VARIANTS}
    return moves
