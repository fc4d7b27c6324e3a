"""What a report card says in plain sentences. Each is chosen by an interval: it rises, it falls, or it is undecided."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from softlab import regularizers
from softlab.evidence import Interval, t_interval
from softlab.figures import style
from softlab.measure import QUANTITIES, RADII

if TYPE_CHECKING:
    from softlab.card import ReportCard

# Quantity, what it is called in a sentence, and the unit of its change; %: of a logarithm, as a share of itself.
CHANGES = (
    ("accuracy", "accuracy", " points"),
    ("log magnitude", "the length of features", " %"),
    ("log logit scale", "the scale of the logits", " %"),
    ("ECE", "the calibration error (ECE)", " points"),
    ("ECE at T", "the ECE at the best temperature", " points"),
    ("AURC", "the risk of answering selectively (AURC)", " points"),
)
ATTACKS = tuple((f"robust, {radius}/255", f"accuracy under attacks of {radius}/255", " points") for radius in RADII)
CORRUPTED = ("corrupted", "accuracy on corrupted images", " points")
FEW = 0.02  # of the attacked images: where fewer withstand with every network, differences say nothing

VERDICTS = ("supported", "contradicted", "undecided", "no verdict")  # on one method; several can also be mixed


def of_method(card: ReportCard) -> list[str]:
    """The findings of a card, from what was compared to how much of it chance would show."""
    seeds, compared = len(card.profile.seeds), card.differences("accuracy")
    paired = compared[card.method].n if card.method in compared else 0
    given = parameters_of(card.method, card.profile.methods[card.method])
    name = style(card.method).label + (f" ({', '.join(f'{k} = {v}' for k, v in given.items())})" if given else "")
    texts = [f"{name} beside the baseline: {card.profile.description}; n = {paired}, networks paired by seed."]
    if seeds == 1:
        texts[0] += " One seed gives no verdict: the differences below may be chance."
    changes = {entry[0]: _change(card, *entry) for entry in (*CHANGES, *ATTACKS, CORRUPTED)}
    texts += [changes[key] for key, *_ in CHANGES[:3]]
    texts += [_cosines(card), _confidence(card), *(changes[key] for key, *_ in CHANGES[3:])]
    texts += [_withstood(card, changes), changes[CORRUPTED[0]], _claims(card), _chance(card)]
    texts += [f"Not measured ({where}): {why}." for where, why in card.problems.items()]
    return [text[:1].upper() + text[1:] for text in texts if text]


def parameters_of(method: str, given: Mapping[str, object]) -> dict[str, object]:
    """All parameters of a registered method, its defaults included."""
    known = regularizers.get(method, **given)
    return {field.name: getattr(known, field.name) for field in dataclasses.fields(known)}


def _change(card: ReportCard, quantity: str, subject: str, unit: str) -> str:
    """`accuracy rises by 1.2 points (95 % interval 0.4 to 2.0): better.`, or that it falls, or that it is undecided."""
    one = card.differences(quantity).get(card.method)
    if one is None:
        return ""
    what = QUANTITIES[quantity]
    mean, low, high = (_percent(x) if unit == " %" else x * what.factor for x in (one.mean, one.low, one.high))
    digits = 1 if unit == " %" else max(what.digits, 1)
    if one.n == 1:
        return f"{subject}: {mean:+z.{digits}f}{unit} with one seed, no verdict."
    side = one.side()
    if side == 0:
        between = f"95 % interval {low:+z.{digits}f} to {high:+z.{digits}f}"
        return f"{subject}: undecided, the difference is {mean:+z.{digits}f}{unit} ({between})."
    ends = sorted((abs(low), abs(high)))
    between = f"95 % interval {ends[0]:.{digits}f} to {ends[1]:.{digits}f}"
    verb = "rises" if side > 0 else "falls"
    worth = {1: ": better", -1: ": worse", 0: ""}[side * what.better]
    return f"{subject} {verb} by {abs(mean):.{digits}f}{unit} ({between}){worth}."


def _percent(change_of_logarithm: float) -> float:
    """The change in percent that a change of the natural logarithm stands for."""
    return 100 * math.expm1(min(change_of_logarithm, 700))  # where exp would overflow


def _cosines(card: ReportCard) -> str:
    found: dict[str, list[str]] = {}
    for name in card.values:
        one = card.differences(name).get(card.method)
        if name.startswith("cosine, ") and one is not None and one.n > 1:
            kind = {1: "higher", -1: "lower", 0: "undecided"}[one.side()]
            found.setdefault(kind, []).append(name.removeprefix("cosine, "))
    told = "; ".join(f"{kind} for {', '.join(names)}" for kind, names in found.items())
    return f"The cosine to the class centre is, by definition: {told}." if told else ""


def _confidence(card: ReportCard) -> str:
    gaps = card.values.get("gap", {})
    if card.method not in gaps or "baseline" not in gaps:
        return ""
    own, base = (t_interval(list(gaps[one].values())).scaled(100) for one in (card.method, "baseline"))
    text = f"confidence minus accuracy is {own.text(1, True)} points (baseline: {base.text(1, True)})"
    return f"{text}: {_leaning(own)}."


def _leaning(gap: Interval) -> str:
    if gap.n == 1:
        return "one seed, no verdict"
    return {1: "overconfident", -1: "underconfident", 0: "over- or underconfident, undecided"}[gap.side()]


def _withstood(card: ReportCard, changes: Mapping[str, str]) -> str:
    """One sentence per radius, except where next to no image withstands the attack with either."""
    told = []
    for name, subject, _ in ATTACKS:
        pair = [card.values.get(name, {}).get(one, {}).values() for one in (card.method, "baseline")]
        most = max((value for values in pair for value in values), default=1)
        few = f"{subject}: no more than {100 * most:.1f} % with any network, too few to compare."
        text = few if most < FEW and changes[name] else changes[name]
        told.append(text[:1].upper() + text[1:])
    return " ".join(text for text in told if text)


def _claims(card: ReportCard) -> str:
    verdicts = [one.verdict for one in card.ledger.judgements]
    told = ", ".join(f"{verdicts.count(one)} {one}" for one in VERDICTS if one in verdicts)
    return f"Of {len(verdicts)} claims of the papers, read for this method: {told}." if verdicts else ""


def _chance(card: ReportCard) -> str:
    found = [card.differences(name).get(card.method) for name in card.values]
    judged = [one for one in found if one is not None and one.n > 1]
    if not judged:
        return ""
    clear = sum(one.side() != 0 for one in judged)
    text = f"Of {len(judged)} quantities, {clear} have an interval that excludes zero; "
    return text + f"about {len(judged) / 20:.0f} would if the method did nothing at all ({card.profile.standing})."
