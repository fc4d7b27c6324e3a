"""How far a network's confidence can be believed: reliability diagrams, calibration errors, proper scores, temperature.

Calibration errors take either probabilities (N, K) with labels (N,), or top-1 confidence (N,) with correctness (N,).
Labels may be soft, (N, K): a distribution for each sample. A likelihood and a Brier score are then against all of it,
and a prediction is as right as the probability that it gives the predicted class.
What cannot be a probability is refused. Logits may be any finite numbers, so probabilities in their place are taken,
with a warning. Tensors may lie on any device; a number for each sample comes back where its sample lies. Arrays and
lists are taken for tensors.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from scipy import fft, optimize, special  # not stats, which takes half a second to import
from torch import Tensor

from softlab.batches import ROWS, by_rows, row_slices
from softlab.checks import (
    check_confidence,
    check_correct,
    check_logits,
    check_probabilities,
    takes_arrays,
)
from softlab.errors import SoftlabError, is_whole

CHUNK = 2**16  # confidences at once: they stay in the processor's cache
GRID = 2**13  # cells of [0, 1] in which smooth_calibration_error sums: far narrower than its kernels
TEMPERATURES = (0.01, 100.0)  # where fit_temperature stops
FAR = 1e6  # times colder than that a network is as good as sure: is it right then?


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: per bin of confidence, (B,) each, in float64.

    edges: (B + 1,); bin b is (edges[b], edges[b + 1]], the first one with its lower end.  count: samples in it.
    confidence, accuracy: their mean confidence and their share of right predictions; NaN where there is none.
    """

    edges: Tensor
    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def _parts(self) -> Tensor:
        """(B,): share of samples times (confidence - accuracy); they sum to the confidence gap, whatever the bins."""
        return torch.where(self.count > 0, self.count * (self.confidence - self.accuracy), 0.0) / self.count.sum()

    @property
    def error(self) -> float:
        """Expected calibration error, in [0, 1]: the mean over samples of their bin's |confidence - accuracy|."""
        return float(self._parts.abs().sum())

    @property
    def over(self) -> float:
        """The part of the error from bins that are more confident than right; over + under = error."""
        return float(self._parts.clamp(min=0).sum())

    @property
    def under(self) -> float:
        """The part of the error from bins that are less confident than right."""
        return float((-self._parts).clamp(min=0).sum())

    def accuracy_interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Clopper and Pearson's exact interval of each bin's accuracy: low, high (B,); 0 and 1 for an empty bin."""
        right = (self.accuracy.nan_to_num(0.0) * self.count).round().double().numpy()
        wrong = self.count.double().numpy() - right
        low, high = exact_interval(right, right + wrong, level)
        return torch.from_numpy(low), torch.from_numpy(high)


def exact_interval(right: Any, count: Any, level: float = 0.95) -> tuple[Any, Any]:
    """Clopper and Pearson's exact interval of a share, of which `right` of `count` were counted: its two ends.

    right, count: numbers, or arrays of one shape; 0 to 1 where nothing was counted.
    """
    wrong = count - right
    low = np.nan_to_num(special.betaincinv(right, wrong + 1, (1 - level) / 2), nan=0.0)
    high = np.nan_to_num(special.betaincinv(right + 1, wrong, (1 + level) / 2), nan=1.0)
    return low, high


@takes_arrays
def reliability(probs: Tensor, labels: Tensor, bins: int = 15, equal_mass: bool = False) -> Reliability:
    """Sort samples into bins of confidence: equally wide, or (equal_mass) with about equally many samples.

    probs: (N, K) with labels (N,) int64 or soft (N, K); or confidence (N,) in [0, 1] with correctness (N,), bool or 0
    and 1.  In equal-mass bins, samples of the same confidence share a bin, so that their order does not matter.
    Raises SoftlabError for N = 0, bins < 1, and names the first row that is no distribution or has no valid label.
    """
    confidence, correct = confidence_and_correct(probs, labels)
    return diagram(confidence, correct, bins, equal_mass)


def diagram(confidence: Tensor, correct: Tensor, bins: int = 15, equal_mass: bool = False) -> Reliability:
    """`reliability` of what confidence_and_correct gives: confidence (N,), and how right each prediction is (N,)."""
    if not is_whole(bins) or bins < 1:
        raise SoftlabError(f"bins must be a whole number from 1 on, not {bins!r}")
    confidence = confidence.cpu()
    if equal_mass:
        ordered = confidence.sort().values
        ends = ordered[[math.ceil(len(ordered) * (b + 1) / bins) - 1 for b in range(bins)]]
        edges = torch.cat([ordered[:1], ends]).double()
    else:
        edges = _edges(bins, confidence).double()
    sums = torch.zeros(3, bins, dtype=torch.float64)
    for values, right in zip(confidence.split(CHUNK), correct.cpu().split(CHUNK), strict=True):
        index = torch.searchsorted(ends, values) if equal_mass else _bin_of(values, bins)
        values = values.double()
        sums[0] += torch.bincount(index, minlength=bins)
        sums[1] += torch.bincount(index, values, minlength=bins)
        sums[2] += torch.bincount(index, right.double(), minlength=bins)
    return Reliability(edges, sums[0], sums[1] / sums[0], sums[2] / sums[0])


@takes_arrays
def expected_calibration_error(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """ECE in [0, 1] with equally wide bins (Guo et al. 2017). Arguments: those of `reliability`."""
    return reliability(probs, labels, bins).error


@takes_arrays
def adaptive_calibration_error(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """ECE in [0, 1] with bins that hold about equally many samples. Arguments: those of `reliability`."""
    return reliability(probs, labels, bins, equal_mass=True).error


@takes_arrays
def bin_signs(probs: Tensor, labels: Tensor, bins: int = 15) -> Tensor:
    """Which side each of the equally wide bins is on, (B,) float64: +1 more confident than right, -1 less, 0 neither.

    Arguments: those of `reliability`.
    """
    return reliability(probs, labels, bins)._parts.sign()


@takes_arrays
def ece_terms(probs: Tensor, labels: Tensor, signs: Tensor) -> Tensor:
    """What each sample adds to the ECE if its bin is on this side: sign · (confidence - correct), (N,) in float64.

    probs, labels: those of `reliability`.  signs: (B,), those of `bin_signs`, of these samples (then the mean of the
    terms is their ECE) or of others (then it is at most that). As a mean it has an interval over seeds and samples.
    """
    if signs.ndim != 1 or len(signs) == 0 or not torch.isin(signs, signs.new_tensor([-1, 0, 1])).all():
        raise SoftlabError(f"signs must be (B,), each -1, 0 or 1, not {signs.tolist()}")
    confidence, correct = confidence_and_correct(probs, labels)
    signs = signs.double().to(confidence.device)
    return signs[_bin_of(confidence, len(signs))] * (confidence.double() - correct)


def signed_terms(confidence: Tensor, correct: Tensor, bins: int = 15) -> Tensor:
    """`ece_terms` with the `bin_signs` of the same samples, of what confidence_and_correct gives."""
    signs = diagram(confidence, correct, bins)._parts.sign()
    return signs[_bin_of(confidence, bins)] * (confidence.double() - correct)


@takes_arrays
def classwise_calibration_error(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """ECE of every class's probability, not only the largest, in [0, 1]: the mean over classes of p_k against 1[y = k].

    probs: (N, K), labels: (N,) int64.  Classwise ECE of Kull et al. 2019, static calibration error of Nixon et al.
    2019: equally wide bins of p_k.  Small by nature: most p_k are near 0, so compare it with nothing but itself.
    """
    check_probabilities(probs, labels)
    sums = ClasswiseSums(probs.shape[1], bins)
    for some, own in zip(probs.split(ROWS), labels.to(probs.device).split(ROWS), strict=True):
        sums.add(some.clamp(max=1), own)  # rounding can take one above 1
    return sums.error


class ClasswiseSums:
    """Σ (p_k - 1[k = y]) over the samples of each class's bins, for classwise_calibration_error, rows at a time."""

    def __init__(self, classes: int, bins: int):
        self.bins = bins
        self.count = 0
        self.sums = torch.zeros(classes, bins, dtype=torch.float64)

    def add(self, probs: Tensor, labels: Tensor) -> None:
        """Some rows of probabilities (N, K), at most 1, with labels (N,) or (N, K). The first bin has most of them."""
        classes = probs.shape[1]
        probs = _full(probs)
        soft = labels.ndim == 2
        truth = labels.sum(0, dtype=torch.float64) if soft else labels.bincount(minlength=classes)
        place = (probs > _edges(self.bins, probs)[1]).flatten().nonzero()[:, 0]  # once flat, in a third of the time
        values = probs.flatten()[place]
        rows, columns = place // classes, place % classes
        right = labels[rows, columns] if soft else labels[rows] == columns
        own = columns * self.bins + _bin_of(values, self.bins)
        above = torch.bincount(own, values.double() - right.double(), minlength=classes * self.bins)
        above = above.double().reshape(classes, self.bins)  # whole numbers where there are none
        above[:, 0] += probs.sum(0, dtype=torch.float64) - truth - above.sum(1)
        self.sums += above.cpu()
        self.count += len(probs)

    @property
    def error(self) -> float:
        """The mean over classes of their ECE."""
        return float(self.sums.abs().sum(1).mean()) / self.count


@takes_arrays
def smooth_calibration_error(probs: Tensor, labels: Tensor) -> float:
    """smECE in [0, 1], without bins (Błasiok & Nakkiran 2023, 2309.12236). Arguments: those of `reliability`.

    smECE_σ is the integral over [0, 1] of |confidence - correct, smoothed by a Gaussian of width σ reflected at both
    ends|; it falls with σ, and smECE is where it equals σ. It moves continuously with every confidence, and is at least
    the confidence gap. Reflected smoothing only damps the terms of a cosine series, which takes O(N + GRID).
    """
    return _smooth_error(*confidence_and_correct(probs, labels))


def _smooth_error(confident: Tensor, right: Tensor) -> float:
    """smECE of confidence (N,) and correctness (N,) that are checked."""
    confidence, correct = (values.double().cpu().numpy() for values in (confident, right))
    place = confidence * GRID - 0.5  # each sample is shared between the two nearest middles of cells
    lower = np.floor(place)
    residual = (confidence - correct) / len(confidence)
    cells = np.zeros(GRID)
    for cell, share in ((lower, lower + 1 - place), (lower + 1, place - lower)):
        cells += np.bincount(cell.clip(0, GRID - 1).astype(int), share * residual, GRID)
    series = fft.dct(cells)
    frequencies = np.pi * np.arange(GRID)

    def excess(width: float) -> float:
        smoothed = fft.idct(series * np.exp(-((width * frequencies) ** 2) / 2))
        return float(np.abs(np.asarray(smoothed)).sum()) - width

    return optimize.root_scalar(excess, bracket=(0, 2), method="brentq", xtol=1e-9).root


@takes_arrays
def confidence_gap(probs: Tensor, labels: Tensor) -> float:
    """Mean confidence minus accuracy, in [-1, 1]: above 0 overconfident, below 0 underconfident."""
    return _gap(*confidence_and_correct(probs, labels))


def _gap(confidence: Tensor, correct: Tensor) -> float:
    return float(confidence.mean(dtype=torch.float64) - correct.mean(dtype=torch.float64))


@takes_arrays
def ece_noise_floor(
    probs: Tensor, bins: int = 15, draws: int = 200, generator: torch.Generator | None = None
) -> tuple[float, float]:
    """ECE that a perfectly calibrated network of these confidences would show: its mean, and its 97.5 % point.

    probs: (N, K), or confidence (N,).  Whether a prediction is right is drawn `draws` times with its own confidence;
    for ECE that is the same as drawing labels from the probabilities.
    """
    if probs.ndim == 2:
        check_probabilities(probs)
        probs = probs.amax(1)
    check_confidence(probs)
    confidence = probs.clamp(max=1).cpu()
    index = _bin_of(_full(confidence), bins)
    expected = torch.bincount(index, confidence.double(), minlength=bins)
    errors = []
    for _ in range(draws):
        correct = torch.rand(len(confidence), generator=generator) < confidence
        right = torch.bincount(torch.where(correct, index, bins), minlength=bins + 1)[:bins]
        errors.append(float((expected - right).abs().sum()) / len(confidence))
    return float(np.mean(errors)), float(np.quantile(errors, 0.975))


@takes_arrays
def nll(logits: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood (cross-entropy, in nats) of logits (N, K): no underflow on the way.

    labels: (N,) int64, or soft (N, K), for which it is -Σ_k q_k log p_k.
    """
    return float(nll_terms(logits, labels).mean())


@takes_arrays
def nll_terms(logits: Tensor, labels: Tensor) -> Tensor:
    """Each sample's negative log-likelihood, (N,) in float64, in nats; `nll` is their mean, up to its last digit."""
    check_logits(logits, labels)
    return by_rows(_nll, logits, labels.to(logits.device))


def _nll(logits: Tensor, labels: Tensor) -> Tensor:
    """`nll_terms` of a few rows."""
    return functional.cross_entropy(logits.double(), _exact(labels), reduction="none")


@takes_arrays
def brier(probs: Tensor, labels: Tensor) -> float:
    """Mean over samples of Σ_k (p_k - 1[k = y])², in [0, 2]. probs: (N, K), labels: (N,); soft (N, K) for 1[k = y]."""
    return float(brier_terms(probs, labels).mean())


@takes_arrays
def brier_terms(probs: Tensor, labels: Tensor) -> Tensor:
    """Each sample's Σ_k (p_k - 1[k = y])², (N,) in float64; `brier` is their mean."""
    check_probabilities(probs, labels)
    return by_rows(_brier, probs, labels.to(probs.device))


def _brier(probs: Tensor, labels: Tensor) -> Tensor:
    """`brier_terms` of a few rows."""
    residual = probs.to(torch.float64, copy=True)
    if labels.ndim == 2:
        residual = residual - labels
    else:
        residual = residual.scatter_add_(1, labels[:, None], residual.new_full((len(labels), 1), -1))
    return residual.square_().sum(1)


@dataclass(frozen=True)
class Outcomes:
    """What probabilities say of each sample, (N,) each, and their classwise calibration error.

    confidence: of the predicted class.  correct: how right that is: 0 or 1, or what a soft label gives it.
    nll, brier: as nll_terms and brier_terms have them, in float64.
    """

    confidence: Tensor
    correct: Tensor
    nll: Tensor
    brier: Tensor
    classwise_error: float

    @property
    def gap(self) -> float:
        """As confidence_gap has it."""
        return _gap(self.confidence, self.correct)

    @property
    def smooth_error(self) -> float:
        """As smooth_calibration_error has it."""
        return _smooth_error(self.confidence, self.correct)

    def diagram(self, bins: int = 15) -> Reliability:
        """As `reliability` has it."""
        return diagram(self.confidence, self.correct, bins)


@takes_arrays
def outcomes(logits: Tensor, labels: Tensor, temperature: float = 1.0, bins: int = 15) -> Outcomes:
    """What softmax(logits / temperature) says, rows at a time: not even its probabilities are kept.

    logits: (N, K), any finite numbers.  labels: (N,) int64, or soft (N, K).  bins: of the classwise error.
    """
    check_logits(logits, labels)
    sums = ClasswiseSums(logits.shape[1], bins)
    confidence, correct = torch.empty(2, len(logits), dtype=_full(logits[:0]).dtype, device=logits.device)
    losses, scores = torch.empty(2, len(logits), dtype=torch.float64, device=logits.device)
    labels = labels.to(logits.device)
    for rows in row_slices(logits):
        some = _full(logits[rows]) / temperature
        probs = some.softmax(1)
        sums.add(probs, labels[rows])
        confidence[rows], correct[rows] = _confidence_and_correct(probs, labels[rows])
        losses[rows] = _nll(some, labels[rows])
        scores[rows] = _brier(probs, labels[rows])
    return Outcomes(confidence, correct, losses, scores, sums.error)


@takes_arrays
def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T > 0 with the smallest NLL of softmax(logits / T) (Guo et al. 2017).

    logits: (N, K).  labels: (N,) int64, or soft (N, K).  Fit it on other samples than those that are scored.
    Warns, and stays within TEMPERATURES, where the best one is outside, or there is none: every prediction is right
    (T → 0), or they are no better than chance (T → ∞).
    """
    return 1 / fit_scale(logits, labels)


@takes_arrays
def temperature_interval(logits: Tensor, labels: Tensor, temperature: float) -> tuple[float, float]:
    """The 95 % interval of the best temperature, low and high: for other images of the same kind, the same network.

    logits, labels: those that `temperature` was fitted on.  Where it was cut off, both ends are NaN.
    The temperature makes the mean of the images' derivatives zero, so that its variance is theirs over the square of
    the curvature, divided by N (the sandwich; White 1982). It is taken of log T, which is closer to normal.
    """
    check_logits(logits, labels)
    low, high = TEMPERATURES
    if not low * (1 + 1e-6) < temperature < high * (1 - 1e-6):
        return math.nan, math.nan
    scale = 1 / temperature
    squares = 0.0
    curvature = 0.0
    for some, own in zip(logits.split(ROWS), labels.to(logits.device).split(ROWS), strict=True):
        some = some.double()
        slope = some - _at(some, own)
        weighted = (slope * scale).softmax(1) * slope
        first = weighted.sum(1)
        squares += float(first.square().sum())
        curvature += float((weighted * slope).sum() - first.square().sum())
    half = 1.959964 * math.sqrt(squares) / (curvature * scale)
    return temperature * math.exp(-half), temperature * math.exp(half)


@takes_arrays
def fit_scale(logits: Tensor, labels: Tensor, offset: Tensor | None = None) -> float:
    """The factor s > 0 with the smallest NLL of softmax(s · logits + offset), to a relative 1e-8.

    offset: (K,), for instance a head's bias when `logits` are W f (None: 0, and s is 1 / temperature).
    The NLL is convex in s: Newton's method in a bracket that is halved where a step would leave it. The bracket's ends
    come first: where every prediction is right, steps are small and the derivative underflows to 0 on the way.
    """
    check_logits(logits, labels)
    if offset is not None and not (offset.shape == logits.shape[1:] and torch.isfinite(offset).all()):
        raise SoftlabError(f"offset must be ({logits.shape[1]},), a finite number per class, not {tuple(offset.shape)}")
    labels = labels.to(logits.device)
    bias = None if offset is None else offset.double().to(logits.device)

    def derivatives(scale: float) -> tuple[float, float]:
        """First and second derivative of the mean of log Σ_k exp(s · slope_k + start_k), relative to the true class."""
        first = second = 0.0
        for some, own in zip(logits.split(ROWS), labels.split(ROWS), strict=True):
            some = some.double()
            slope = some - _at(some, own)
            inner = slope * scale if bias is None else slope * scale + bias - _at(bias.expand_as(some), own)
            weighted = inner.softmax(1).mul_(slope)
            mean = weighted.sum(1)
            first += float(mean.sum())
            second += float(weighted.mul_(slope).sum() - mean.square().sum())
        return first / len(logits), second / len(logits)

    low = 1 / TEMPERATURES[1]
    high = 1 / TEMPERATURES[0]
    scale = 1.0
    if derivatives(low)[0] >= 0:
        why = "no better than chance" if derivatives(0.0)[0] >= 0 else "the best temperature is higher"
        warnings.warn(f"{why}: the temperature is cut off at {1 / low:g}", stacklevel=5)
        return low
    if derivatives(high)[0] <= 0:
        why = "the best temperature is lower" if derivatives(FAR * high)[0] > 0 else "the colder the better"
        warnings.warn(f"{why}: the temperature is cut off at {1 / high:g}", stacklevel=5)
        return high
    while high - low > 1e-9 * low:
        first, second = derivatives(scale)
        low, high = (scale, high) if first < 0 else (low, scale)
        step = first / second if second > 0 else math.inf
        if abs(step) < 1e-9 * scale:
            return scale
        scale = scale - step if low < scale - step < high else math.sqrt(low * high)
    return scale


@takes_arrays
def fit_vector_scaling(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """A factor and an offset for each class, (K,) each, that make the NLL of factor * logits + offset smallest.

    logits: (N, K), any finite numbers, of images that are neither trained on nor scored.  labels: (N,) int64.
    A temperature is the case of one factor for all classes and no offset. NLL is convex in both, so that L-BFGS ends at
    the smallest; it stops at weights of hardly any use where there is none, as when every prediction is right.
    Guo et al. 2017, section 4.2.
    """
    check_logits(logits, labels)
    known = logits.double()
    truth = _exact(labels.to(logits.device))
    factor = torch.ones(logits.shape[1], dtype=torch.float64, device=logits.device, requires_grad=True)
    offset = torch.zeros_like(factor, requires_grad=True)
    search = torch.optim.LBFGS([factor, offset], max_iter=500, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        value = functional.cross_entropy(factor * known + offset, truth)
        value.backward()
        return value

    search.step(loss)
    return factor.detach().to(logits.dtype), (offset - offset.mean()).detach().to(logits.dtype)


@takes_arrays
def confidence_and_correct(probs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Top-1 confidence (N,) and correctness (N,), both floating, from probabilities and labels or as given; checked.

    They lie where the probabilities lie. Of soft labels (N, K) correctness is the probability of the predicted class.
    """
    labels = labels.to(probs.device)
    if probs.ndim == 2:
        check_probabilities(probs, labels)
        return _confidence_and_correct(probs, labels)
    if probs.ndim != 1 or probs.shape != labels.shape or len(probs) == 0:
        wanted = "probabilities (N, K) with labels (N,), or confidence (N,) with correctness (N,), N > 0"
        raise SoftlabError(f"give {wanted}, not {tuple(probs.shape)} and {tuple(labels.shape)}")
    check_confidence(probs)
    check_correct(labels)
    return _full(probs), labels.float()


def _confidence_and_correct(probs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    confidence, predicted = probs.max(1)
    correct = labels.gather(1, predicted[:, None])[:, 0] if labels.ndim == 2 else predicted == labels
    return _full(confidence), _full(correct)


def _at(values: Tensor, labels: Tensor) -> Tensor:
    """Values (N, K) at labels (N,), or their mean under soft labels (N, K): (N, 1)."""
    return values.gather(1, labels[:, None]) if labels.ndim == 1 else (values * labels).sum(1, keepdim=True)


def _exact(labels: Tensor) -> Tensor:
    """Labels (N,) as they are, soft ones (N, K) in float64."""
    return labels.double() if labels.ndim == 2 else labels


def _edges(bins: int, like: Tensor) -> Tensor:
    """The edges (bins + 1,) of equally wide bins of [0, 1], in the precision of what is sorted into them."""
    return (torch.arange(bins + 1, dtype=torch.float64) / bins).to(like.dtype).to(like.device)


def _bin_of(values: Tensor, bins: int) -> Tensor:
    """Which of the equally wide bins each value in [0, 1] is in: on an edge, the one below.

    The product is rounded, so that it may be beside an edge where the value is not: the edges decide.
    """
    index = (values * bins).ceil_().int().sub_(1).clamp_(0, bins - 1)
    edges = _edges(bins, values)
    index -= (values <= edges.index_select(0, index)).int()
    index += (values > edges.index_select(0, index + 1)).int()
    return index.clamp_(0, bins - 1)


def _full(values: Tensor) -> Tensor:
    """float32 or float64: half precision is too coarse to be sorted into bins."""
    return values if values.dtype == torch.float64 else values.float()
