"""What numbers say in plain sentences: of a method beside the baseline, and of one network. Intervals choose them.

card: a report.ReportCard.  seen: an examination.Examination.
"""

import dataclasses
import itertools
import math
from collections import Counter

import torch
from scipy import stats
from torch import Tensor

from softlab import calibration, geometry, regularizers
from softlab.calibration import bootstrap_interval
from softlab.figures import style
from softlab.intervals import Interval, means
from softlab.quantities import QUANTITIES, SAID

# What is said of a method, and how it is called in a sentence; those of a chapter are said together.
SUBJECTS = {
    "accuracy": "Accuracy",
    "log magnitude": "Length of features",
    "log logit scale": "Scale of the logits",
    "ECE": "Calibration error (ECE)",
    "ECE at T": "ECE at the best temperature",
    "AURC": "Risk of answering selectively (AURC)",
    **{f"robust, {radius}/255": f"Accuracy under attacks of {radius}/255" for radius in SAID},
    "corrupted": "Accuracy on corrupted images",
}
WORDS = {0: ("lower", "undecided", "higher"), 1: ("worse", "undecided", "better"), -1: ("better", "undecided", "worse")}
LEANING = ("underconfident", "undecided", "overconfident")  # where confidence minus accuracy is below, around, above 0
COVERAGE = 0.8  # share of images that is answered, in the sentence on selective classification


def amount(one: Interval, digits: int = 1, unit: str = "points") -> str:
    """`+3.0 points (95 % interval +0.5 to +5.5)`; without an interval where there is one value only."""
    between = f" (95 % interval {one.low:+z.{digits}f} to {one.high:+z.{digits}f})"
    return f"{one.mean:+z.{digits}f} {unit}" + (between if one.n > 1 else "")


def of_method(card) -> list[str]:
    """Eight sentences, or a few at a time, on a method; and one for each lens that failed."""
    parameters = dataclasses.asdict(regularizers.get(card.method, **card.profile.methods[card.method]))
    given = ", ".join(f"{name} = {value}" for name, value in parameters.items())
    first = style(card.method).label + f" ({given})" * bool(given) + " beside the baseline: "
    first += f"{card.profile.description}; networks are paired by seed, n = {len(card.profile.seeds)}."
    if len(card.profile.seeds) == 1:
        first += " One seed gives no verdict: the differences below may be chance."
    chapters = itertools.groupby(SUBJECTS, lambda quantity: QUANTITIES[quantity].chapter)
    texts = [first, *(" ".join(filter(None, (_change(card, one) for one in group))) for _, group in chapters)]
    texts += [_confidence(card), _cosines(card), _counts(card)]
    return [text for text in texts if text] + [f"Not measured ({run}): {why}." for run, why in card.problems.items()]


def _change(card, quantity: str) -> str:
    """`Accuracy: +1.2 points (95 % interval +0.4 to +2.0), better.`"""
    one, what = card.differences(quantity).get(card.method), QUANTITIES[quantity]
    if one is None:
        return ""
    if quantity.startswith("log "):  # the change of what the logarithm is of, in percent; exp would overflow beyond 700
        mean, low, high = (100 * math.expm1(min(end, 700)) for end in (one.mean, one.low, one.high))
        told = amount(Interval(mean, low, high, one.n), 1, "%")
    else:
        told = amount(one.scaled(what.factor), what.digits)
    return f"{SUBJECTS[quantity]}: {told}, {WORDS[what.better][1 + one.side()]}."


def _confidence(card) -> str:
    gaps = {name: one.scaled(100) for name, one in means(card.values.get("gap", {})).items()}
    pair = [(style(name).label, gaps[name]) for name in (card.method, "baseline") if name in gaps]
    told = [f"{label} {amount(one)}, {LEANING[1 + one.side()]}" for label, one in pair]
    return f"Confidence minus accuracy: {'; '.join(told)}." if told else ""


def _cosines(card) -> str:
    found = {variant: card.differences(f"cosine, {variant}").get(card.method) for variant in geometry.VARIANTS}
    told = [f"{variant} {WORDS[0][1 + one.side()]}" for variant, one in found.items() if one is not None]
    return f"The cosine to the class centre, by its definition: {', '.join(told)}." if told else ""


def _counts(card) -> str:
    """Verdicts on the claims, and how many differences chance alone would show."""
    verdicts = Counter(one.verdict for one in card.ledger.judgements)
    if not verdicts:
        return ""
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    differences = [card.differences(name).get(card.method) for name in card.values]
    clear = [one.side() != 0 for one in differences if one is not None]
    return (
        f"Of {verdicts.total()} claims of the papers, read for this method: {told}. Of {len(clear)} quantities, "
        f"{sum(clear)} have an interval that excludes zero; about {len(clear) / 20:.0f} would if the method did "
        f"nothing at all ({card.profile.standing})."
    )


def of_network(seen) -> list[str]:
    """Five sentences, or a few at a time, on one network; then what was not computed, and what was warned of."""
    confidence, correct = seen.tested.logits.softmax(1).amax(1).clamp(max=1), seen.tested.correct
    texts = [_accuracy(seen, correct)]
    if "ECE" in seen.numbers:
        texts.append(_calibration(seen, confidence, correct))
    if 0 < seen.numbers["accuracy"] < 1:
        texts.append(_selective(confidence, correct))
    percent = {name: f"{100 * value:z.1f} %" for name, value in seen.numbers.items()}
    if "apex ratio" in percent:
        texts.append(
            f"From a tenth of a feature's length to ten times it, the class of {percent['constant class']} of images "
            f"stays the same; made longer only, that of {percent['settled share']}. Class regions are cones from where "
            f"the logits are most alike, {seen.numbers['apex ratio']:.3f} feature lengths from the origin."
        )
    if "corrupted" in percent:
        under = ", ".join(f"{percent[f'robust, {radius}/255']} up to {radius}/255" for radius in SAID)
        texts.append(f"Under attacks, right on {under}, of {seen.attacked} images; corrupted: {percent['corrupted']}.")
    texts += [f"Not computed ({lens}): {why}." for lens, why in seen.problems.items()]
    return texts + [f"Warning: {text}." for text in seen.warnings]


def _accuracy(seen, correct: Tensor) -> str:
    labels, exact = seen.tested.labels, stats.binomtest(int(correct.sum()), len(correct)).proportion_ci()
    chance = float(labels.bincount().max()) / len(labels)
    text = f"Right on {100 * seen.numbers['accuracy']:.1f} % of {len(labels)} images (95 % interval over images "
    text += f"{100 * exact.low:.1f} to {100 * exact.high:.1f}); {seen.fitted} others were for fitting the temperature."
    if exact.low <= chance:
        text += f" That is no better than chance: always naming the most frequent class gives {100 * chance:.1f} %."
        text += " Either it has learned nothing of these labels, or they are not numbered as it numbers them."
    return f"{text} One network says nothing about its training method: train several."


def _calibration(seen, confidence: Tensor, correct: Tensor) -> str:
    error, after = (f"{100 * seen.numbers[name]:.1f} %" for name in ("ECE", "ECE at T"))
    most = calibration.ece_noise_floor(confidence, generator=torch.Generator().manual_seed(0))[1]
    if seen.numbers["ECE"] <= most:
        said = "Well calibrated, as far as these images can tell: of a calibrated network, they would show an ECE of"
        return f"{said} up to {100 * most:.1f} %, and here it is {error}."
    gap = bootstrap_interval(calibration.confidence_gap, confidence, correct).scaled(100)
    leaning = LEANING[1 + gap.side()].capitalize() if gap.side() else "Over- and underconfident in different places"
    remedy = "divide the logits by" if seen.numbers["ECE at T"] < seen.numbers["ECE"] else "no temperature mends that:"
    remedy = f"{remedy} {seen.numbers['temperature']:.2f}, which takes the ECE from {error} to {after}"
    return f"{leaning}: confidence minus accuracy is {amount(gap)}; {remedy}."


def _selective(confidence: Tensor, correct: Tensor) -> str:
    kept = round(COVERAGE * len(correct))

    def gain(some: Tensor, right: Tensor) -> float:
        """Accuracy of the surest answers minus that of all; of equally sure ones, each counts in part."""
        least = some.topk(kept).values[-1]
        surer, equal = some > least, some == least
        answered = right[surer].sum() + (kept - surer.sum()) * right[equal].mean()
        return float(answered / kept - right.mean())

    one = bootstrap_interval(gain, confidence, correct.double()).scaled(100)
    told = f"on the {100 * COVERAGE:.0f} % of images of which it is surest, accuracy is {amount(one)} above that on all"
    return f"Its confidence {'tells' if one.side() > 0 else 'hardly tells'} right from wrong: {told}."
