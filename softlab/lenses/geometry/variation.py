"""How spread out classes are: within-class variation and R² class separation, from class sums."""

from dataclasses import dataclass

import torch
from torch import Tensor

from softlab.checks import check_features, check_labels, check_rows, refuse, takes_arrays
from softlab.errors import SoftlabError
from softlab.lenses.geometry.head import row_space

CHUNK = 1024  # features at once: they stay in the cache


@dataclass
class ClassSums:
    """Per class, in float64: count (K,), sums of features and of unit features, (K, D) each."""

    count: Tensor
    total: Tensor
    unit_total: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, classes: int | None = None) -> "ClassSums":
        """Sums over features (N, D) with labels (N,) in 0 … classes - 1 (None: the largest).

        Raises SoftlabError for a feature that is zero or not finite (its index is named).
        """
        check_features(features)
        check_labels(labels, features, classes)
        count = labels.bincount(minlength=classes or 0).cpu().double()
        total, unit_total = torch.zeros(2, len(count), features.shape[1], dtype=torch.float64)
        for start in range(0, len(features), CHUNK):
            batch = features[start : start + CHUNK]
            which = labels[start : start + CHUNK]
            batch = batch.to(torch.promote_types(batch.dtype, torch.float32))
            norm = batch.norm(dim=1)
            bad = ~(norm.isfinite() & (norm > 0))
            refuse(bad, lambda row, start=start: f"feature {start + row} is zero or not finite: it has no direction")
            unit = (batch / norm[:, None]).double()  # as 1 - ‖mean‖² cancels where classes are tight
            for whole, part in ((total, batch), (unit_total, unit)):
                whole += part.new_zeros(whole.shape).index_add_(0, which, part).cpu()
        return cls(count, total, unit_total)

    @property
    def means(self) -> Tensor:
        """Class means (K, D), float64; NaN for a class without samples."""
        return self.total / self.count[:, None]


@takes_arrays
def within_class_variation(features: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean within-class cosine distance and R² class separation.

    features: (N, D), any real scale.  labels: (N,) int64, at least two classes.
    Returns d_within in [0, 1], the mean over classes of the mean cosine distance over all ordered pairs of a class,
    and R² = 1 - d_within / d_total, where d_total is the mean over all ordered pairs of classes.
    Raises SoftlabError if there are fewer than two classes or a feature is zero or not finite.
    Kornblith et al. 2021; from class sums, in O(N D) and with little memory.
    """
    sums = ClassSums.of(features, labels)
    present = sums.count > 0
    if present.sum() < 2:
        raise SoftlabError(f"within-class variation needs at least two classes, not {int(present.sum())}")
    unit_means = sums.unit_total[present] / sums.count[present, None]
    within = max(float((1 - unit_means.square().sum(1)).mean()), 0.0)
    total = float(1 - unit_means.mean(0).square().sum())
    if total < 1e-6:  # no more than features in float32 can resolve
        raise SoftlabError("all features point in one direction: R² is not defined")
    return within, 1 - within / total


@takes_arrays
def variation_variants(features: Tensor, labels: Tensor, weight: Tensor) -> dict[str, tuple[float, float]]:
    """(d_within, R²) of the raw features, of features minus their global mean, and of what the head sees of them.

    Raw features share a large positive mean, which hides most of the variation; hence the other two. Rescaling the
    channels, and the head's columns the other way, moves all three and not the network: what it leaves alone is
    within_class_variation(centered_logits(logits), labels).
    """
    return {
        "raw": within_class_variation(features, labels),
        "centred": within_class_variation(features - features.mean(0), labels),
        "row space": within_class_variation(features @ row_space(weight).T, labels),
    }


@takes_arrays
def class_mean_cosine(values: Tensor, labels: Tensor) -> float:
    """Mean cosine between the means of two classes, the mean of all class means taken off: at least -1/(K-1).

    values: (N, D).  labels: (N,) int64, of at least two classes.
    """
    means = ClassSums.of(values, labels).means
    means = means[~means.isnan().any(1)]
    if len(means) < 2:
        raise SoftlabError("angles between class means need at least two classes")
    unit = means - means.mean(0)
    unit /= unit.norm(dim=1, keepdim=True)
    off = ~torch.eye(len(unit), dtype=torch.bool)
    return float((unit @ unit.T)[off].mean())


@takes_arrays
def effective_rank(values: Tensor) -> float:
    """exp of the entropy of the singular values, as shares, of values (N, D) minus their mean: in 1 … min(N, D).

    Roy & Vetterli 2007.  Raises SoftlabError for a value that is not finite, and where all rows are alike.
    """
    check_rows(values, "row")
    singular = torch.linalg.svdvals(values.double() - values.double().mean(0))
    if singular[0] == 0:
        raise SoftlabError("all rows are alike: they span nothing")
    share = singular / singular.sum()
    return float(torch.special.entr(share).sum().exp())
