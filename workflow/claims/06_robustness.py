"""Claims of chapter 6: what robustness can be, and the papers' own regime, colour images learnt by heart."""

import functools

import numpy as np
import pandas

from claims import SIGNED, SIZE, Claim, above, below, falls, is_open, rises
from softlab.studies import margin_laws, records
from softlab.studies.effects import averages, effects
from softlab.studies.intervals import Interval

ATTACK = "robust, 0.4/255, PGD-7"  # the paper's
FAR = "robust, 1/255"


@functools.cache
def by_heart() -> pandas.DataFrame:
    return records.scales("core")["cifar10-papers"]


@functools.cache
def places() -> dict[str, margin_laws.Place]:
    return {one.method: one for one in margin_laws.places(by_heart(), ATTACK)}


def change(quantity: str, method: str) -> Interval:
    return effects(by_heart(), quantity)[method].shown


def plain(quantity: str) -> Interval:
    return averages(by_heart(), quantity)["baseline"].scaled(100)


def off(radius: str, method: str | None = None) -> Interval:
    """How far the estimate is above what the attack leaves, in points: of one method, or the mean size over all."""
    units = margin_laws.estimate_units(by_heart(), radius)
    error = dict(zip(units["method"], (units["estimate"] - units["attacked"]).to_numpy(float), strict=True))
    value = float(np.abs([*error.values()]).mean()) if method is None else error[method]
    what = f"estimate minus attack at {radius} (points)"
    return Interval(value, value, value, 1).of(by_heart(), what)


@functools.cache
def flat(method: str, dose: float) -> pandas.DataFrame:
    """Plain training, and a method that was recorded as a line to read others by, at one of its strengths."""
    table = records.scales("flat")["quick-fp32"]
    chosen = (table["method"] == method) & np.isclose(table["dose"].to_numpy(float), dose, atol=1e-6)
    return table.loc[(table["method"] == "baseline") | chosen]


def kept(method: str, dose: float, of: str | None = None) -> Interval:
    return averages(flat(method, dose), "robust, 4/255")[of or method].scaled(100)


def gained(method: str, dose: float, quantity: str = "accuracy") -> Interval:
    return effects(flat(method, dose), quantity)[method].shown


def most_of_a_label() -> Interval:
    """Of the soft labels, what the one that moves accuracy under attack most does to it, either way."""
    beside = margin_laws.places(records.scales("core")["quick-fp32"])
    changes = [one.attacked for one in beside if one.method in ("label_smoothing", "mixup", "cutmix")]
    return max(changes, key=lambda change: abs(change.mean))


CLAIMS = {
    "flat-plain": Claim(lambda: kept("gradient_penalty", 0.1, "baseline"), below(45)),
    "flat-weak": Claim(lambda: kept("gradient_penalty", 0.1), above(60)),
    "flat-middle": Claim(lambda: kept("gradient_penalty", 1.0), above(65)),
    "flat-attacked-least": Claim(lambda: kept("adversarial_training", 2 / 255), above(60)),
    "flat-attacked-most": Claim(lambda: kept("adversarial_training", 8 / 255), above(65)),
    "flat-weak-accuracy": Claim(lambda: gained("gradient_penalty", 0.1), rises, digits=1),
    "flat-attacked-accuracy": Claim(lambda: gained("adversarial_training", 8 / 255), rises, digits=1),
    "flat-middle-error": Claim(lambda: gained("gradient_penalty", 1.0, "ECE"), falls, form=SIZE),
    "flat-attacked-error": Claim(lambda: gained("adversarial_training", 8 / 255, "ECE"), falls, form=SIZE),
    "flat-strong-accuracy": Claim(lambda: gained("gradient_penalty", 10.0), falls, form=SIZE),
    "flat-most-of-a-label": Claim(most_of_a_label, lambda value: abs(value.mean) < 20, form=SIZE),
    "by-heart-known": Claim(lambda: plain("training accuracy"), above(99), digits=1),
    "by-heart-left": Claim(lambda: plain(ATTACK), above(50)),
    "by-heart-smoothing": Claim(lambda: change(ATTACK, "label_smoothing"), falls, digits=1, form=SIGNED),
    "by-heart-mixup": Claim(lambda: change(ATTACK, "mixup"), is_open, digits=1, form=SIGNED),
    "by-heart-cutmix": Claim(lambda: change(ATTACK, "cutmix"), falls, digits=1, form=SIGNED),
    "by-heart-maxsup": Claim(lambda: change(ATTACK, "maxsup"), falls, digits=1, form=SIGNED),
    "by-heart-far-smoothing": Claim(lambda: change(FAR, "label_smoothing"), falls, digits=1, form=SIGNED),
    "by-heart-far-mixup": Claim(lambda: change(FAR, "mixup"), falls, digits=1, form=SIGNED),
    "by-heart-far-cutmix": Claim(lambda: change(FAR, "cutmix"), falls, digits=1, form=SIGNED),
    "by-heart-far-maxsup": Claim(lambda: change(FAR, "maxsup"), falls, digits=1, form=SIGNED),
    "by-heart-decay": Claim(lambda: change(ATTACK, "weight_decay"), rises, form=SIZE),
    "by-heart-far-decay": Claim(lambda: change(FAR, "weight_decay"), rises, form=SIZE),
    "by-heart-estimated-smoothing": Claim(lambda: change("estimate, 1/255", "label_smoothing"), rises, form=SIZE),
    "by-heart-estimate": Claim(lambda: off("0.4/255"), below(1), digits=1),
    "by-heart-estimate-plain": Claim(lambda: off("1/255", "baseline"), above(0)),
    "by-heart-estimate-smoothing": Claim(lambda: off("1/255", "label_smoothing"), above(6)),
}
