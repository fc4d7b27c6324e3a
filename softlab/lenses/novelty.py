"""Does a network notice that an image belongs to no class it knows? Scores from its logits, and how well they tell.

A score is larger the more familiar an image looks. Three that need nothing but the logits: maximal softmax (Hendrycks &
Gimpel 2017), maximal logit (Hendrycks et al. 2022), and minus the energy (Liu et al. 2020). A temperature divides all
logits of all images by one number: it cannot change the order of maximal logits, only that of the other two.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from softlab.checks import check_rows, takes_arrays
from softlab.errors import SoftlabError

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "maximal softmax": lambda logits: logits.double().softmax(1).amax(1),
    "maximal logit": lambda logits: logits.double().amax(1),
    "energy": lambda logits: logits.double().logsumexp(1),
}


@takes_arrays
def auroc(known: Tensor, unknown: Tensor) -> float:
    """How likely a known image scores higher than an unknown one, equal scores counting half; .5 is chance.

    known: (N,), unknown: (M,), any finite scores.
    """
    _check(known, unknown)
    ordered = unknown.sort().values
    below = torch.searchsorted(ordered, known.contiguous(), side="left")
    not_above = torch.searchsorted(ordered, known.contiguous(), side="right")
    return float((below + not_above).double().mean() / (2 * len(unknown)))


@takes_arrays
def false_positives(known: Tensor, unknown: Tensor, accepted: float = 0.95) -> float:
    """The share of unknown images that pass where a threshold lets this share of the known ones pass: FPR95.

    The threshold is the largest score that at least a share `accepted` of the known images reach. Shapes as in auroc.
    """
    _check(known, unknown)
    if not 0 < accepted <= 1:
        raise SoftlabError(f"accepted must be a number above 0 and up to 1, not {accepted!r}")
    last = math.ceil(accepted * len(known) - 1e-9) - 1
    threshold = known.sort(descending=True).values[last]
    return float((unknown >= threshold).double().mean())


def _check(known: Tensor, unknown: Tensor) -> None:
    for name, scores in (("known", known), ("unknown", unknown)):
        if scores.ndim != 1 or len(scores) == 0:
            raise SoftlabError(f"scores of {name} images must be (N,), N > 0, not {tuple(scores.shape)}")
        check_rows(scores, f"score of {name} images")
