"""Change one property of trained features and leave the others: what would have happened if only the size had changed?

Nothing is trained here. A feature keeps its direction and takes the size that the same image has in another network;
"size" can mean three things, from the one that papers plot to the one that softmax sees.
"""

from torch import Tensor

from softlab.checks import check_head, check_rows
from softlab.errors import SoftlabError, check_known
from softlab.geometry.head import centered

# norm: ‖f‖.  gauged norm: ‖f‖ ‖W_c‖, the norm where every head is rescaled to ‖W_c‖ = 1.  logit norm: ‖W_c f‖.
SIZES = ("norm", "gauged norm", "logit norm")


def size_of(features: Tensor, weight: Tensor, size: str) -> Tensor:
    """The size (N,) of each feature (N, D) under a head's weight (K, D), in the sense of SIZES; none may be zero."""
    check_known("size", size, SIZES)
    check_head(weight, features=features)
    rows = centered(weight).to(features.dtype)
    values = (features @ rows.T).norm(dim=1) if size == "logit norm" else features.norm(dim=1)
    if size == "gauged norm":
        values = values * rows.norm()
    check_rows(values, size, zero_allowed=False)
    return values


def swap_size(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    other_features: Tensor,
    other_weight: Tensor,
    size: str,
    per_sample: bool = True,
) -> Tensor:
    """Logits (N, K) of features that keep their direction and their head and take another network's size.

    features, other_features: (N, D) of the same N images in two networks.  per_sample: each sample takes the size of
    the same image; else all are scaled by the ratio of mean sizes. The two differ, since size goes with being right.
    """
    own, other = size_of(features, weight, size), size_of(other_features, other_weight, size)
    if len(own) != len(other):
        raise SoftlabError(f"both networks must have seen the same images, not {len(own)} and {len(other)}")
    ratio = other / own if per_sample else (other.mean() / own.mean()).expand(len(own))
    return (ratio[:, None] * features) @ weight.T + bias
