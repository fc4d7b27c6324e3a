"""Decision regions along rays: where a class settles, and the point around which the regions are exact cones.

Along t f, t > 0, every logit is affine in t, so far out the class is constant: each region is a cone *in the limit*,
for any linear head, trained or not. How far out is `cone_onset`. And where W_c has rank K - 1, all regions are exact
cones around one point, the `apex`: moving the origin there removes the bias. So the question to ask of training is
how close it brings the apex to the origin.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from softlab.checks import check_head, check_rows
from softlab.errors import SoftlabError
from softlab.geometry.head import RANK_TOLERANCE, centered, row_space


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


def settled_share(features: Tensor, weight: Tensor, bias: Tensor) -> float:
    """Share of features (N, D) with onset below 1: their class is already that of all that lies further out."""
    return float((cone_onset(features, weight, bias) < 1).double().mean())


def constant_share(features: Tensor, weight: Tensor, bias: Tensor, low: float = 0.1, high: float = 10.0) -> float:
    """Share of features (N, D) whose class is the same at low and at high times their length, 0 <= low <= high.

    weight: (K, D), bias: (K,).  As logits are affine in t, a class that leads at both ends leads everywhere between:
    this is the share whose class is constant on [low, high]. Unlike `settled_share`, it looks both ways.
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
    return float((classes == classes[0]).all(0).double().mean())


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


def apex(weight: Tensor, bias: Tensor) -> Tensor:
    """The point c₀ = -W_c⁺ b_c (D,) around which the regions are exact cones if W_c has rank K - 1.

    It lies in the row space, the closest to the origin of all such points. With a smaller rank no point makes all
    logits equal: c₀ is then the least-squares point, and `apex_residual` says how unequal they stay.
    """
    check_head(weight, bias)
    return (-torch.linalg.pinv(centered(weight), rtol=RANK_TOLERANCE) @ centered(bias)).to(weight.dtype)


def apex_residual(weight: Tensor, bias: Tensor) -> float:
    """How far the logits at the apex are from equal: ‖W_c c₀ + b_c‖ / ‖b_c‖ in [0, 1]; 0 for exact cones."""
    point, rows, offsets = apex(weight.double(), bias.double()), centered(weight), centered(bias)
    length = offsets.norm()
    return float((rows @ point + offsets).norm() / length) if length > 0 else 0.0


def apex_ratio(features: Tensor, weight: Tensor, bias: Tensor) -> float:
    """Distance of the apex from the origin in units of the seen features: ‖c₀‖ / mean ‖Q f‖.

    Compared within the row space, where the apex lies: 0 means cones around the origin. No change of gauge moves it.
    Raises SoftlabError if the head sees nothing of any feature.
    """
    check_head(weight, bias, features)
    seen = (features @ row_space(weight).T).norm(dim=1)
    check_rows(seen)
    if seen.mean() == 0:
        raise SoftlabError("the head sees nothing of these features: every ‖Q f‖ is zero")
    return float(apex(weight, bias).norm() / seen.mean())
