"""Does a network answer so that it can be measured: twice the same, and an image alone as in a batch?

Asked before anything is measured, as AutoAttack asks a network before it attacks it (Croce & Hein 2020).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from softlab.errors import SoftlabError

FEW = 4  # images that are shown alone
DRAWN = 1e-3  # of the largest logit: a network that answers so much otherwise when asked again draws its answers
ALONE = 1e-2  # the same of an image alone and in a batch: kernels for another size may round otherwise
RANDOM = "the model gives other logits when asked again: one attack is not enough, and each number is of one draw"
TOGETHER = (
    "the model answers to an image otherwise alone than in a batch, so that every number would be the batch's: is a "
    "batch normalisation without running statistics, or not in evaluation mode?"
)


def are_drawn(ask: Callable[[Tensor], Tensor], images: Tensor, logits: Tensor) -> bool:
    """Does the network give other logits when it is asked again?

    ask: images (N, C, H, W) -> logits (N, K), where the images are.  logits: what it said of these in one batch.
    Raises SoftlabError where the answer to an image is decided by the others in its batch, which can be seen only where
    at least two images are given.
    """
    with torch.no_grad():
        again = ask(images)
        try:
            alone = torch.cat([ask(image) for image in images[:FEW].split(1)])
        except Exception as error:  # whatever the model's parts raise, as a batch normalisation without its statistics
            raise SoftlabError(f"{TOGETHER} ({type(error).__name__} where it is alone)") from error
    if _differ(logits, again, DRAWN):
        return True
    if _differ(logits[:FEW], alone, ALONE):
        raise SoftlabError(TOGETHER)
    return False


def _differ(one: Tensor, other: Tensor, share: float) -> bool:
    """Do logits (N, K) differ by more than this share of the largest? What is not finite is another's to name."""
    one, other = (values.nan_to_num(0, 0, 0) for values in (one, other))
    return bool((one - other).abs().max() > share * one.abs().max())
