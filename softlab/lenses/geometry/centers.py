"""Class centres as Park et al. 2024 (2410.03999) define them: the points of smallest loss within reach.

c_k = argmin CE(W c + b, k) over ‖c‖ <= R, and c >= 0 if features cannot be negative. Minimising cross-entropy itself
is badly conditioned (far out, its gradient vanishes). The same point minimises

    h_k(c) = log Σ_{j≠k} exp((w_j - w_k)·c + b_j - b_k),    CE_k = log(1 + exp h_k),

whose gradient stays as large as the weights. Solved for all classes at once by projected gradient steps with Nesterov's
momentum, restarted where it points uphill, until a Frank-Wolfe gap certifies the distance to the optimum.
"""

import warnings

import torch
from torch import Tensor

from softlab.checks import check_head, refuse, takes_arrays
from softlab.errors import SoftlabError
from softlab.lenses.geometry.head import centered


@takes_arrays
def class_centers(
    weight: Tensor, bias: Tensor, radius: float | Tensor, nonnegative: bool = True, tolerance=1e-6, max_steps=20_000
) -> tuple[Tensor, Tensor]:
    """Minimal-loss points of all classes: centers (K, D) in float64, and how far h_k can be above its minimum, (K,).

    weight: (K, D), bias: (K,).  radius: R > 0, one for all or one per class (K,).  nonnegative: only c >= 0, where
    features after a ReLU live.  tolerance: gap at which a class is done, in the unit of h (nats, far out).
    The optimum may lie inside the ball, in the orthant even at 0 (few features, many classes).
    Warns if max_steps do not reach the tolerance. Raises SoftlabError for a radius that is not a finite number > 0.
    """
    check_head(weight, bias)
    classes = len(weight)
    weight = weight.detach().double()
    bias = bias.detach().double()
    radius = torch.as_tensor(radius, dtype=torch.float64, device=weight.device)
    if radius.shape not in ((), (classes,)):
        raise SoftlabError(f"radius must be one number or ({classes},), not {tuple(radius.shape)}")
    radius = radius.expand(classes)
    wrong = ~(radius.isfinite() & (radius > 0))
    refuse(wrong, lambda row: f"radius must be a finite number above 0, not {float(radius[row])} (class {row})")
    rows = centered(weight)
    step = 2 / torch.linalg.matrix_norm(rows, 2).square().clamp(min=1e-300)  # 1/L: the Hessian of h is below ‖W_c‖²/2

    centers = _project(rows * (radius / rows.norm(dim=1).clamp(min=1e-300))[:, None], radius, nonnegative)
    gaps = torch.full_like(radius, torch.inf)
    active = torch.arange(classes, device=weight.device)
    point = centers.clone()
    ahead = centers.clone()
    momentum = torch.ones_like(radius)
    for number in range(max_steps + 1):
        if number % 10 == 0:
            gap = _gap(point, _gradient(point, active, rows, bias), radius[active], nonnegative)
            centers[active], gaps[active] = point, gap
            going = gap > tolerance
            if not going.any():
                break
            active = active[going]
            point = point[going]
            ahead = ahead[going]
            momentum = momentum[going]
        moved = _project(ahead - step * _gradient(ahead, active, rows, bias), radius[active], nonnegative)
        uphill = ((ahead - moved) * (moved - point)).sum(1) > 0
        momentum = torch.where(uphill, 1.0, momentum)
        following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        ahead = moved + ((momentum - 1) / following * ~uphill)[:, None] * (moved - point)
        point = moved
        momentum = following
    else:
        warnings.warn(
            f"class_centers: {len(active)} of {classes} classes have a gap of up to {float(gaps.max()):.1e} "
            f"after {max_steps} steps (tolerance {tolerance:.0e})",
            stacklevel=2,
        )
    return centers, gaps


def _gradient(points: Tensor, which: Tensor, rows: Tensor, bias: Tensor) -> Tensor:
    """Gradient (M, D) of h_k for the classes `which` (M,) at points (M, D)."""
    logits = points @ rows.T + bias
    others = logits.scatter(1, which[:, None], -torch.inf).softmax(1)
    return others @ rows - rows[which]


def _gap(points: Tensor, gradient: Tensor, radius: Tensor, nonnegative: bool) -> Tensor:
    """Frank-Wolfe gap (M,): largest fall that the linearised h promises within reach, an upper bound on h - min h."""
    downhill = -gradient.clamp(max=0) if nonnegative else -gradient
    return (gradient * points).sum(1) + radius * downhill.norm(dim=1)


def _project(points: Tensor, radius: Tensor, nonnegative: bool) -> Tensor:
    """Nearest points of the ball, or of its part in the orthant (clamp, then shrink: exact, the orthant is a cone)."""
    points = points.clamp(min=0) if nonnegative else points
    return points * (radius / points.norm(dim=1).clamp(min=1e-300)).clamp(max=1)[:, None]
