"""Answer only when sure: risk against coverage, by a confidence."""

import torch
from torch import Tensor

from softlab.batches import by_rows
from softlab.checks import check_correct, check_rows, takes_arrays
from softlab.errors import SoftlabError


@takes_arrays
def risk_coverage(confidence: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    """Coverage k/N and risk (N,), float64: the error rate among the k most confident predictions, k = 1 … N.

    confidence: (N,), any finite score.  correct: (N,) bool, or 0 and 1.
    Equal scores have no order of their own: the risk is the mean over all their orders. Among n equal scores of which e
    are wrong, each further one adds e/n of an error.
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or len(confidence) == 0:
        shapes = f"{tuple(confidence.shape)} and {tuple(correct.shape)}"
        raise SoftlabError(f"confidence and correctness must be (N,), N > 0, not {shapes}")
    check_rows(confidence, "confidence")
    check_correct(correct)
    descending, order = confidence.sort(descending=True, stable=True)
    wrong = 1 - correct.to(order.device).double()[order]
    _, group, sizes = descending.unique_consecutive(return_inverse=True, return_counts=True)
    errors = torch.zeros(len(sizes), dtype=torch.float64, device=order.device).index_add(0, group, wrong)
    place = torch.arange(1, len(order) + 1, device=order.device)
    within = place - (sizes.cumsum(0) - sizes)[group]  # 1 … n in each group
    before = (errors.cumsum(0) - errors)[group]
    rank = place.double()
    return rank / len(order), (before + within * errors[group] / sizes[group]) / rank


@takes_arrays
def normalized_score(logits: Tensor, order: float) -> Tensor:
    """Largest centred logit over the p-norm of all of them (N,): a confidence without the logits' size.

    logits: (N, K), no row constant.  order: p, above 0.  Cattelan & Silva 2023 (MaxLogit-pNorm); it undoes what label
    smoothing does to the order of confidences (Xia et al. 2025).
    """
    check_rows(logits, "row of logits")

    def score(some: Tensor) -> Tensor:
        exact = some.double()
        offset = exact - exact.mean(1, keepdim=True)
        return offset.amax(1) / _norm(offset, order)

    return by_rows(score, logits)


def _norm(values: Tensor, order: float) -> Tensor:
    """The p-norm of each row (N,), by squares and cubes where it can be: any other power takes twenty times as long."""
    if order > 2 and order % 2 == 0:
        return _norm(values.square(), order / 2).sqrt()
    if order == 3:
        return values.abs().pow(3).sum(1).pow(1 / 3)
    return torch.linalg.vector_norm(values, ord=order, dim=1)


@takes_arrays
def aurc(confidence: Tensor, correct: Tensor) -> float:
    """Area under the risk–coverage curve, in [0, 1]: the mean of its risks; the smaller the better (Geifman 2019)."""
    return float(risk_coverage(confidence, correct)[1].mean())


@takes_arrays
def excess_aurc(confidence: Tensor, correct: Tensor) -> float:
    """AURC minus that of the best order of the same predictions: what is lost by the order alone."""
    return aurc(confidence, correct) - aurc(correct.double(), correct)
