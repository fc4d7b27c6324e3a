"""Answer only when sure: risk against coverage, and telling classes that were never trained on, by a confidence."""

import torch
from scipy import stats
from torch import Tensor

from softlab.checks import check_correct, check_rows
from softlab.errors import SoftlabError

SCORES = {
    "largest probability": lambda logits: logits.softmax(1).amax(1),
    "largest logit": lambda logits: logits.amax(1),
}


def risk_coverage(confidence: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    """Coverage k/N and risk (N,), float64: the error rate among the k most confident predictions, k = 1 … N.

    confidence: (N,), any finite score; ties keep the given order.  correct: (N,) bool, or 0 and 1.
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or len(confidence) == 0:
        shapes = f"{tuple(confidence.shape)} and {tuple(correct.shape)}"
        raise SoftlabError(f"confidence and correctness must be (N,), N > 0, not {shapes}")
    check_rows(confidence, "confidence")
    check_correct(correct)
    order = confidence.argsort(descending=True, stable=True)
    rank = torch.arange(1, len(order) + 1, dtype=torch.float64)
    return rank / len(order), (1 - correct.double()[order]).cumsum(0) / rank


def normalized_score(logits: Tensor, order: float) -> Tensor:
    """Largest centred logit over the p-norm of all of them (N,): a confidence without the logits' size.

    logits: (N, K), no row constant.  order: p, above 0.  Cattelan & Silva 2023 (MaxLogit-pNorm); it undoes what label
    smoothing does to the order of confidences (Xia et al. 2025).
    """
    check_rows(logits, "row of logits")
    offset = logits.double() - logits.double().mean(1, keepdim=True)
    return offset.amax(1) / torch.linalg.vector_norm(offset, ord=order, dim=1)


def aurc(confidence: Tensor, correct: Tensor) -> float:
    """Area under the risk–coverage curve, in [0, 1]: the mean of its risks; the smaller the better (Geifman 2019)."""
    return float(risk_coverage(confidence, correct)[1].mean())


def excess_aurc(confidence: Tensor, correct: Tensor) -> float:
    """AURC minus that of the best order of the same predictions: what the order alone loses."""
    return aurc(confidence, correct) - aurc(correct.double(), correct)


def auroc(known: Tensor, unknown: Tensor) -> float:
    """Probability that a known sample has the larger score than an unknown one, ties half: 0.5 is chance.

    known: (N,), unknown: (M,), finite scores, for instance of samples of classes seen and not seen in training.
    """
    if known.ndim != 1 or unknown.ndim != 1 or not (len(known) and len(unknown)):
        raise SoftlabError(f"scores must be (N,) and (M,), not empty, not {tuple(known.shape)}, {tuple(unknown.shape)}")
    check_rows(known, "known score")
    check_rows(unknown, "unknown score")
    above = stats.mannwhitneyu(known.double().numpy(), unknown.double().numpy()).statistic
    return float(above / (len(known) * len(unknown)))
