"""Claims of the cover: what holds in all six settings, and what depends on them."""

from collections.abc import Iterable

import numpy as np

from claims import (
    SIZE,
    WORDS,
    Claim,
    exactly,
    falls,
    highest,
    in_settings,
    is_open,
    least_open,
    lowest,
    rises,
    typical_size,
)
from claims._maxsup import at_best, by_strength, tail
from softlab.studies import prediction, records
from softlab.studies.effects import effects
from softlab.studies.intervals import Interval

SOFT = ("label_smoothing", "mixup", "cutmix", "maxsup")
OF_PARK = ("label_smoothing", "mixup", "cutmix")
LETTERS = "ABCDEF"
LADDER = "robust, 4/255"
FAR = "robust, 1/255"


def of(quantity: str, methods: Iterable[str] = SOFT) -> list[Interval]:
    """What methods do to a quantity in the six settings."""
    return [one for method in methods for one in in_settings(LETTERS, quantity, method)]


def penalty() -> Interval:
    """What the weakest gradient penalty gains under attack at A; so much does Gaussian noise, too, or more."""
    table = prediction.doses_as_methods(records.by_profile("flat")["quick-fp32"])
    return effects(table, LADDER)["gradient_penalty 0.1"].shown


def error_falls() -> Interval:
    """In how many of the six settings label smoothing's calibration error falls, if it rises in all others."""
    changes = in_settings(LETTERS, "ECE", "label_smoothing")
    fallen = sum(one.high < 0 for one in changes)
    risen = sum(one.low > 0 for one in changes)
    return exactly(float(fallen) if fallen + risen == len(changes) else np.nan, len(changes))


def attacked(method: str) -> list[Interval]:
    """Under attack in the six settings: at 4/255 on grey images, at 1/255 on colour ones."""
    return in_settings("ABCD", LADDER, method) + in_settings("EF", FAR, method)


def both_ways(methods: Iterable[str] = SOFT) -> Interval:
    """How many of these gain under attack in one setting and lose in another."""
    turned = [any(map(rises, attacked(method))) and any(map(falls, attacked(method))) for method in methods]
    return exactly(float(sum(turned)), len(turned))


def by_heart_gains() -> Interval:
    """Of Park et al.'s soft labels, how many gain in their regime and under their attack."""
    found = effects(records.by_profile("core")["cifar10-papers"], "robust, 0.4/255, PGD-7")
    return exactly(float(sum(found[method].shown.low > 0 for method in OF_PARK)), len(OF_PARK))


CLAIMS = {
    "most": Claim(lambda: min(of("mean confidence"), key=lambda one: one.mean), falls, form=SIZE),
    "typical": Claim(lambda: typical_size(of("accuracy")), lambda value: value.mean < 0.5, form=WORDS),
    "both-ways": Claim(both_ways, lambda value: value.mean == value.n, form=WORDS),
    "worse-at-t": Claim(lambda: lowest(in_settings(LETTERS, "NLL at T", "label_smoothing")), rises, form=WORDS),
    "penalty": Claim(penalty, lambda value: value.low > 15 and round(value.mean) == 28),
    "cutmix": Claim(lambda: in_settings("A", LADDER, "cutmix")[0], rises, form=SIZE),
    "cones": Claim(lambda: highest(of("constant class")), lambda value: value.low < 0 and value.mean < 1, form=WORDS),
    "shrink": Claim(lambda: highest([*of("log logit scale"), *of("log magnitude")]), falls, form=WORDS),
    "logits-turn": Claim(lambda: lowest(of("cosine, logit", ["label_smoothing", "maxsup"])), rises, form=WORDS),
    "error-falls": Claim(error_falls, lambda value: value.mean == 3, form=WORDS),
    "cutmix-grey": Claim(lambda: lowest(in_settings("ABCD", LADDER, "cutmix")), rises, form=WORDS),
    "cutmix-colour": Claim(lambda: highest(in_settings("EF", FAR, "cutmix")), falls, form=WORDS),
    "smoothing-many": Claim(lambda: in_settings("B", LADDER, "label_smoothing")[0], rises, form=WORDS),
    "by-heart": Claim(by_heart_gains, lambda value: value.mean == 0, form=WORDS),
    "maxsup": Claim(
        lambda: least_open(in_settings(LETTERS, "accuracy", "maxsup", "label_smoothing")), is_open, form=WORDS
    ),
    "tail": Claim(tail, lambda value: 0 < value.low < 0.6, form=WORDS),
    "tail-best": Claim(lambda: at_best(by_strength(), "maxsup"), is_open, form=WORDS),
    "tail-plain": Claim(
        lambda: highest(at_best(by_strength(), method, against="baseline") for method in ("label_smoothing", "maxsup")),
        lambda value: value.low <= 0,
        form=WORDS,
    ),
}
