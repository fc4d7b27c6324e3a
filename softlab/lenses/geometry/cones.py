"""Decision regions along rays: where a class settles, and the point around which the regions are exact cones.

Along t f, t > 0, every logit is affine in t, so far out the class is constant: each region is a cone *in the limit*,
for any linear head, trained or not. How far out is `cone_onset`. And where W_c has rank K - 1, all regions are exact
cones around one point, the `apex`: moving the origin there removes the bias. So the question to ask of training is
how close it brings the apex to the origin.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from softlab.checks import check_head, check_rows, takes_arrays
from softlab.errors import SoftlabError
from softlab.lenses.geometry.head import RANK_TOLERANCE, centered, row_space

NEWTON_STEPS = 100  # of confidence_contour; a dozen are enough unless the level is only just reached
INTERIOR = 1e-6  # well above what the linear programs' solver lets pass, 1e-7


@takes_arrays
def cone_onset(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Smallest t₀ >= 0 (N,) such that the class of t f is the same for all t > t₀.

    features: (N, D).  weight: (K, D), bias: (K,).  Where lines coincide for ever, the first index counts as the class;
    a feature of which the head sees nothing has t₀ = 0. Slopes that differ by no more than rounding count as equal.
    Raises SoftlabError if shapes do not fit or a feature is not finite (its index is named).
    """
    check_head(weight, bias, features)
    rows = centered(weight).to(weight.dtype)
    slope = features @ rows.T  # how fast each centred logit grows along t f, (N, K)
    check_rows(slope)
    rounding = 8 * torch.finfo(slope.dtype).eps * rows.norm(dim=1).max() * features.norm(dim=1, keepdim=True)
    # The class far out: the largest slope; among equal slopes the largest bias.
    ahead = slope.amax(1, keepdim=True) - slope  # >= 0
    winner = torch.where(ahead <= rounding, bias, -torch.inf).argmax(1)
    behind = bias - bias[winner][:, None]  # > 0: this class leads at t = 0
    ahead = ahead - ahead.gather(1, winner[:, None])
    crossing = torch.where(ahead > rounding, behind / ahead, 0.0)
    return crossing.amax(1).clamp(min=0)


@takes_arrays
def constant_share(features: Tensor, weight: Tensor, bias: Tensor, low: float = 0.1, high: float = 10.0) -> float:
    """Share of features (N, D) with the same class at `low` and at `high` times their length, 0 <= low <= high.

    weight: (K, D), bias: (K,).  As logits are affine in t, a class that leads at both ends leads everywhere between:
    this is the share whose class is constant on [low, high]. Unlike the onset, it looks both ways.
    Raises SoftlabError if shapes do not fit or a logit is not finite.
    """
    check_head(weight, bias, features)
    slope = features @ weight.T
    check_rows(slope)
    near, far = ((t * slope + bias).argmax(1) for t in (low, high))
    return float((near == far).double().mean())


@torch.no_grad()
def constant_along_ray(head: Callable[[Tensor], Tensor], features: Tensor, reach: float = 10, steps: int = 21) -> float:
    """Share of features (N, D) whose class is the same from 1/reach to reach times their length.

    For any head, linear or not, as it only looks at `steps` points of each ray.
    """
    scales = torch.logspace(-1, 1, steps, base=reach)
    classes = torch.stack([head(scale * features).argmax(1) for scale in scales])
    return float((classes == classes[0]).all(0).cpu().double().mean())  # MPS has no float64


@takes_arrays
def confidence_contour(features: Tensor, weight: Tensor, bias: Tensor, level: float) -> Tensor:
    """Smallest t >= 0 (N,) at which t f has confidence `level` in the class predicted at t = 1; inf where it never has.

    features: (N, D).  weight: (K, D), bias: (K,).  level: between 0 and 1, both excluded.
    Confidence is at least p where h(t) = log Σ_j exp(z_j - z_k), over the other classes j, is at most log(1/p - 1).
    Along the ray h is convex, so Newton's steps from t = 0 never pass the first such t; where h rises first, there is
    none.
    Raises SoftlabError if shapes do not fit, a feature is not finite (its index is named), or for another level.
    """
    check_head(weight, bias, features)
    if not 0 < level < 1:
        raise SoftlabError(f"level must be between 0 and 1, both excluded, not {level}")
    slope = features.double() @ weight.double().T
    start = bias.double().expand(len(features), -1)
    check_rows(slope)
    own = (slope + start).argmax(1, keepdim=True)
    slope, start = (lines - lines.gather(1, own) for lines in (slope, start))  # of z_j - z_k along t f
    start = start.scatter(1, own, -torch.inf)
    reached = torch.zeros_like(slope[:, 0])
    for _ in range(NEWTON_STEPS):
        lines = slope * reached[:, None] + start
        excess = lines.logsumexp(1) - math.log(1 / level - 1)
        fall = -(lines.softmax(1) * slope).sum(1)
        step = torch.where(excess > 0, torch.where(fall > 0, excess / fall, torch.inf), 0.0)
        reached = reached + step
        if (step <= 1e-12 * reached).all():
            break
    return reached.to(features.dtype)


@takes_arrays
def bounded_regions(weight: Tensor, bias: Tensor) -> Tensor:
    """Which classes (K,), bool, have a bounded, non-empty region, where their logit is strictly the largest.

    weight: (K, D), bias: (K,).  A region that is not empty is bounded if and only if w_k is in the interior of the
    convex hull of the other rows: a mean of them, all weights above 0, where they span all D directions (outside, and
    on the boundary, a hyperplane has w_k on one side, and its normal leads out of the region for ever). It is not empty
    if no such mean, of weights >= 0, takes the biases to b_k. Both are linear programs over the weights.
    None is bounded if D >= K - 1, or if the head does not see all D directions. An interior, or a region, of less than
    INTERIOR of the head's scale counts as none.
    """
    check_head(weight, bias)
    classes, dimension = weight.shape
    bounded = torch.zeros(classes, dtype=torch.bool, device=weight.device)
    if dimension < classes - 1 and len(row_space(weight)) == dimension:
        rows, offsets = (centered(values).cpu().numpy() for values in (weight, bias))
        for label in range(classes):
            others = np.arange(classes) != label
            bounded[label] = _is_bounded(rows[others] - rows[label], offsets[others] - offsets[label])
    return bounded


def _is_bounded(rows: np.ndarray, offsets: np.ndarray) -> bool:
    """Is the region of rows (J, D) · f + offsets (J,) < 0 bounded and not empty? The rows span all directions."""
    rows, offsets = (values / max(np.abs(values).max(), 1e-300) for values in (rows, offsets))
    mean = np.c_[rows, np.ones(len(rows))].T  # mean @ weights = zero: they sum to 1, and take the rows to 0
    zero = np.r_[np.zeros(rows.shape[1]), 1]
    # The smallest weight, as large as it can be: each weight is that and something on top.
    inside = linprog(-np.eye(len(rows) + 1)[0], A_eq=np.c_[mean.sum(1), mean], b_eq=zero)
    if inside.status != 0 or -inside.fun < INTERIOR:
        return False
    return linprog(-offsets, A_eq=mean, b_eq=zero).fun > INTERIOR


@takes_arrays
def plane_logits(weight: Tensor, bias: Tensor, across: Tensor, up: Tensor, extent: float, size: int = 200) -> Tensor:
    """Logits (size, size, K) on the square [-extent, extent]² of the plane through the origin spanned by two vectors.

    across, up: (D,), not parallel; made orthonormal, `across` first. Row 0 is the lowest.
    """
    check_head(weight, bias)
    axes, _ = torch.linalg.qr(torch.stack([across, up], dim=1))
    axes = axes * torch.sign((axes * torch.stack([across, up], dim=1)).sum(0))
    steps = torch.linspace(-extent, extent, size)
    square = torch.stack([steps.repeat(size), steps.repeat_interleave(size)], dim=1)
    return (square @ (weight @ axes).T + bias).reshape(size, size, -1)


@takes_arrays
def apex(weight: Tensor, bias: Tensor) -> Tensor:
    """The point c₀ = -W_c⁺ b_c (D,) around which the regions are exact cones if W_c has rank K - 1.

    It lies in the row space, the closest to the origin of all such points. With a smaller rank no point makes all
    logits equal: c₀ is then the least-squares point, and `apex_residual` says how unequal they stay.
    """
    check_head(weight, bias)
    return (-torch.linalg.pinv(centered(weight), rtol=RANK_TOLERANCE) @ centered(bias)).to(weight.dtype)


@takes_arrays
def apex_residual(weight: Tensor, bias: Tensor) -> float:
    """How far the logits at the apex are from equal: ‖W_c c₀ + b_c‖ / ‖b_c‖ in [0, 1]; 0 for exact cones."""
    point = apex(weight.double(), bias.double())
    rows = centered(weight)
    offsets = centered(bias)
    length = offsets.norm()
    return float((rows @ point + offsets).norm() / length) if length > 0 else 0.0


@takes_arrays
def apex_ratio(features: Tensor, weight: Tensor, bias: Tensor) -> float:
    """Distance of the apex from the origin in units of the seen features: ‖c₀‖ / mean ‖Q f‖.

    Compared within the row space, where the apex lies: 0 means cones around the origin. One factor for all
    channels does not move it; a factor for each does.
    Raises SoftlabError if the head sees nothing of any feature.
    """
    check_head(weight, bias, features)
    seen = (features @ row_space(weight).T).norm(dim=1)
    check_rows(seen)
    if seen.mean() == 0:
        raise SoftlabError("the head sees nothing of these features: every ‖Q f‖ is zero")
    return float(apex(weight, bias).norm() / seen.mean())
