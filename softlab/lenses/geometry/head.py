"""What a linear head sees: the part of a feature that can change softmax, and how large the logits it makes are.

A head is weight W (K, D) and bias b (K,). Adding one vector to all rows of W, or one number to b, changes no
probability; so centred versions count: W_c = W - mean row, b_c = b - mean. Only the projection Q f of a feature on
the row space of W_c (K - 1 directions at most) can change the prediction. The rest is invisible to softmax.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from softlab.checks import check_features, check_head, check_labels, check_rows, takes_arrays
from softlab.errors import SoftlabError


class LogitScale(NamedTuple):
    """‖W_c f‖ = norm · seen_share · head_gain, each (N,): ‖f‖, ‖Qf‖/‖f‖ in [0, 1], ‖W_c Qf‖/‖Qf‖."""

    norm: Tensor
    seen_share: Tensor
    head_gain: Tensor


RANK_TOLERANCE = 1e-6  # singular values of W_c below this share of the largest are rounding in float32


def centered(values: Tensor) -> Tensor:
    """W - mean row (K, D), or b - mean (K,), in float64. Equal rows give exact zeros: they are subtracted first."""
    values = values.double()
    values = values - values[0]
    return values - values.mean(0)


@takes_arrays
def row_space(weight: Tensor) -> Tensor:
    """Orthonormal basis Q (r, D) of the row space of W_c, in the dtype of weight; r <= min(K - 1, D).

    weight: (K, D).  For any bias, softmax(W f + b) depends on f through Q f alone.
    """
    check_head(weight)
    _, values, basis = torch.linalg.svd(centered(weight), full_matrices=False)
    rank = int((values > values.max() * RANK_TOLERANCE).sum())
    return basis[:rank].to(weight.dtype)


@takes_arrays
def magnitude(features: Tensor) -> Tensor:
    """Root mean square of each feature's entries, ‖f‖/√D, (N,). Park et al. 2024 (2410.03999).

    Depends on the gauge: f → c f, W → W/c changes it and leaves the network the same (see logit_scale_factors).
    """
    check_features(features)
    values = features.norm(dim=1) / features.shape[1] ** 0.5
    check_rows(values)
    return values


@takes_arrays
def logit_scale_factors(features: Tensor, weight: Tensor) -> LogitScale:
    """The logit scale ‖W_c f‖, which no change of gauge moves, as a product of three factors.

    features: (N, D), none zero.  weight: (K, D).  The bias is left out. A feature of which nothing is seen has
    seen_share 0 and head_gain 0.
    Raises SoftlabError for a feature that is zero or not finite.
    """
    check_head(weight, features=features)
    norm = features.norm(dim=1)
    check_rows(norm, zero_allowed=False)
    seen = (features @ row_space(weight).T).norm(dim=1)
    logits = (features @ centered(weight).to(weight.dtype).T).norm(dim=1)
    return LogitScale(norm, seen / norm, torch.where(seen > 0, logits / seen.clamp(min=1e-30), 0.0))


@takes_arrays
def cosine_to(features: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
    """Cosine (N,) of each feature to the centre of its label. features: (N, D), centers: (K, D), labels: (N,).

    NaN where the centre is zero (a legal minimal-loss point): count these, do not average over them unseen.
    Raises SoftlabError for a feature that is zero or not finite.
    """
    check_features(features, centers, "centers")
    check_labels(labels, features, len(centers))
    norm = features.norm(dim=1)
    check_rows(norm, zero_allowed=False)
    directions = centers / centers.norm(dim=1, keepdim=True)  # 0/0 is NaN
    return (features * directions[labels]).sum(1) / norm


def centered_logits(logits: Tensor) -> Tensor:
    """z - z̄ (N, K), all that softmax sees of logits z (N, K), whatever the gauge of the features."""
    return logits - logits.mean(1, keepdim=True)


@takes_arrays
def logit_cosine(logits: Tensor, labels: Tensor) -> Tensor:
    """Cosine (N,) between centred logits z - z̄ and the corner e_y - 1/K of the label. logits: (N, K)."""
    check_features(logits)
    check_labels(labels, logits, logits.shape[1])
    offset = centered_logits(logits)
    norm = offset.norm(dim=1)
    check_rows(norm, "row of logits", zero_allowed=False)
    corner = (1 - 1 / logits.shape[1]) ** 0.5
    return offset.gather(1, labels[:, None]).squeeze(1) / (norm * corner)


@takes_arrays
def alignment(logits: Tensor) -> Tensor:
    """`logit_cosine` (N,) with the corner of the predicted class: it needs no label, and is above 0. logits: (N, K)."""
    check_features(logits)
    return logit_cosine(logits, logits.argmax(1))


@takes_arrays
def inward_cosine(step: Tensor, features: Tensor) -> Tensor:
    """Cosine (N,) of a step with the way from its feature to the origin, -f: 1 straight inwards; NaN where one is zero.

    step: (N, D), a gradient or a displacement.  features: (N, D).  However short the step: that of a sure network can
    be 1e-10, where torch.cosine_similarity answers almost 0.
    Raises SoftlabError if shapes do not fit or a row of either is not finite.
    """
    check_features(features)
    if step.shape != features.shape:
        raise SoftlabError(f"steps must be {tuple(features.shape)}, one for each feature, not {tuple(step.shape)}")
    for rows, what in ((step, "step"), (features, "feature")):
        check_rows(rows, what)
    inward = step.double()
    outward = features.double()
    lengths = inward.norm(dim=1) * outward.norm(dim=1)
    return (-(inward * outward).sum(1) / lengths).to(features.dtype)
