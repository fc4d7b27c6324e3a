"""Plain sentences about one network from its numbers. Each is chosen by them, and says what chance may have done."""

from collections.abc import Mapping

import torch
from torch import Tensor

from softlab import calibration, geometry
from softlab.calibration import TEMPERATURES, bootstrap_interval
from softlab.measure import RADII
from softlab.representation import Representation

COVERAGE = 0.8  # share of images that is answered, in the finding on selective classification
FEW = 300  # images scored
EXACT = 1e-3  # of the bias: logits at the apex that are as equal as this are equal
INTERVAL = "95 % interval over images"


def about(
    tested: Representation, layer: tuple[Tensor, Tensor], numbers: Mapping[str, float], fitted: int, attacked: int
) -> tuple[str, ...]:
    """Sentences about the scored images: each is chosen by its numbers, and says how much chance there is in them.

    layer: the head's weight and bias.  fitted, attacked: how many images gave the temperature, and met attacks.
    """
    probs = tested.logits.softmax(1)
    confidence, correct = probs.amax(1).clamp(max=1), tested.correct
    sentences = [_accuracy(tested)]
    if "ECE" in numbers:
        sentences.append(_calibration(probs, correct, numbers))
    if 0 < correct.sum() < len(correct):
        sentences.append(_selective(confidence, correct))
    if "settled share" in numbers:
        sentences.append(_cones(layer, numbers))
    if "seen share" in numbers:
        sentences.append(_seen(tested, layer[0]))
    if f"robust, {RADII[-1]}/255" in numbers:
        sentences.append(_robustness(numbers, attacked))
    return (*sentences, _limits(correct, fitted))


def _accuracy(tested: Representation) -> str:
    low, high = _share(tested.correct)
    chance = float(tested.labels.bincount().max()) / len(tested.labels)
    text = f"Right on {100 * tested.accuracy:.1f} % of {len(tested.labels)} images ({INTERVAL} {low} to {high})"
    if float(low) > 100 * chance:
        return f"{text}."
    return (
        f"{text}: no better than chance, since always naming the most frequent class gives {100 * chance:.1f} %. "
        "Either it has learned nothing of these labels, or they are not numbered as it numbers them."
    )


def _calibration(probs: Tensor, correct: Tensor, numbers: Mapping[str, float]) -> str:
    confidence, temperature = probs.amax(1).clamp(max=1), numbers["temperature"]
    error, size = 100 * numbers["ECE"], len(correct)
    most = 100 * calibration.ece_noise_floor(probs, generator=torch.Generator().manual_seed(0))[1]
    if error <= most:
        return (
            f"Well calibrated, as far as {size} images can tell: the ECE of {error:.1f} % is within what a calibrated "
            f"network would show on so many (up to {most:.1f} %)."
        )
    gap = bootstrap_interval(calibration.confidence_gap, confidence, correct).scaled(100)
    names = {1: "Overconfident", -1: "Underconfident"}
    if gap.side():
        low, high = sorted((abs(gap.low), abs(gap.high)))
        text = f"{names[gap.side()]} by {abs(gap.mean):.1f} points ({INTERVAL} {low:.1f} to {high:.1f})"
    else:
        text = (
            f"Over- and underconfident in different places: the ECE is {error:.1f} %, confidence minus accuracy "
            f"{gap.mean:+.1f} points ({INTERVAL} {gap.low:+.1f} to {gap.high:+.1f})"
        )
    after = 100 * numbers["ECE at T"]
    if not TEMPERATURES[0] * 1.01 < temperature < TEMPERATURES[1] * 0.99:
        sharp = f"even divided by {TEMPERATURES[0]:g}, the logits are not too far apart"
        why = sharp if temperature < 1 else "the answers are no better than chance"
        return f"{text}. The images for fitting name no best temperature: {why}."
    if after >= error:
        return f"{text}. No temperature mends that: with the best one, {temperature:.2f}, the ECE is {after:.1f} %."
    return f"{text}: divide the logits by {temperature:.2f}, which takes the ECE from {error:.1f} to {after:.1f} %."


def _selective(confidence: Tensor, correct: Tensor) -> str:
    def gain(some: Tensor, right: Tensor) -> float:
        """Accuracy of the surest answers minus that of all; of equally sure ones, each counts in part."""
        kept = round(COVERAGE * len(some))
        least = some.topk(kept).values[-1]
        surer, equal = some > least, some == least
        answered = right[surer].sum() + (kept - surer.sum()) * right[equal].mean()
        return float(answered / kept - right.mean())

    one = bootstrap_interval(gain, confidence, correct.double()).scaled(100)
    reached = 100 * float(correct.double().mean()) + one.mean
    how = "tells" if one.side() > 0 else "hardly tells"
    return (
        f"Its confidence {how} right from wrong: of the {100 * COVERAGE:.0f} % of images about which it is surest "
        f"it is right on {reached:.1f} %, {one.mean:+.1f} points ({INTERVAL} {one.low:+.1f} to {one.high:+.1f})."
    )


def _cones(layer: tuple[Tensor, Tensor], numbers: Mapping[str, float]) -> str:
    text = f"Making a feature longer keeps the class of {100 * numbers['settled share']:.1f} % of images"
    if geometry.apex_residual(*layer) > EXACT:
        return f"{text}; no point makes all logits equal, so class regions are cones only far out."
    return (
        f"{text}: class regions are cones around a point {numbers['apex ratio']:.3f} mean feature lengths "
        "(of what softmax sees) from the origin."
    )


def _seen(tested: Representation, weight: Tensor) -> str:
    share = float(geometry.logit_scale_factors(tested.features, weight).seen_share.square().mean())
    rank, dimension = len(geometry.row_space(weight)), weight.shape[1]
    return (
        f"Softmax sees {100 * share:.1f} % of ‖f‖²; of random directions among the {dimension} features it would see "
        f"{100 * rank / dimension:.1f} %."
    )


def _robustness(numbers: Mapping[str, float], attacked: int) -> str:
    under = " / ".join(f"{100 * numbers[f'robust, {radius}/255']:.1f}" for radius in RADII)
    radii = " / ".join(map(str, RADII))
    return (
        f"Under attacks of up to {radii} 255ths a pixel it is right on {under} % of {attacked} images; of corrupted "
        f"images it is right on {100 * numbers['corrupted']:.1f} %."
    )


def _limits(correct: Tensor, fitted: int) -> str:
    low, high = _share(correct)
    half = (float(high) - float(low)) / 2
    few = "That is few: take the sentences above as hints. " if len(correct) < FEW else ""
    return (
        f"n = {len(correct)} images scored, {fitted} others for the temperature: accuracy is known to about "
        f"± {half:.1f} points, that under attack less well. {few}One network says nothing about its training method: "
        "train several."
    )


def _share(correct: Tensor) -> tuple[str, str]:
    """The exact 95 % interval of a share of right answers, in percent as it is written."""
    low, high = calibration.reliability(torch.ones(len(correct)), correct, bins=1).accuracy_interval()
    return f"{100 * float(low):.1f}", f"{100 * float(high):.1f}"
