"""Claims of chapter 6: the papers' own regime, colour images learnt by heart."""

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


CLAIMS = {
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
