"""Claims of the cover: what holds in all six settings, and what depends on them."""

from collections.abc import Iterable

import numpy as np

from softbook.claims import (
    SIZE,
    SOFT,
    WORDS,
    Claim,
    below,
    exactly,
    falls,
    headline,
    highest,
    in_settings,
    rises,
    rounded_up,
)
from softbook.claims._length import AS_SHORT, GAP
from softbook.claims._turning import ten_seeds
from softbook.studies import prediction, records
from softbook.studies.across_settings import tables_by_setting
from softlab.comparison.effects import effects
from softlab.comparison.intervals import Interval, t_interval

OF_PARK = ("label_smoothing", "mixup", "cutmix")
LETTERS = "ABCDEF"
LADDER = "robust, 4/255"
FAR = "robust, 1/255"
SMOOTHED = "label_smoothing 0.1"


def of(quantity: str, methods: Iterable[str] = SOFT) -> list[Interval]:
    """What methods do to a quantity in the six settings."""
    return [one for method in methods for one in in_settings(LETTERS, quantity, method)]


def penalty() -> Interval:
    """What the weakest gradient penalty gains under attack at A; Gaussian noise gains as much or more."""
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


def only_many() -> Interval:
    """In how many settings but B a soft label other than CutMix gains under attack; NaN if one does not gain at B."""
    others = [method for method in SOFT if method != "cutmix"]
    at_b = [attacked(method)[1] for method in others]
    elsewhere = [one for method in others for place, one in enumerate(attacked(method)) if place != 1]
    gains = sum(map(rises, elsewhere))
    return exactly(float(gains) if all(map(rises, at_b)) else np.nan, len(elsewhere))


def decay_loses() -> Interval:
    """Tuned weight decay under attack at D, if it loses for certain in no other setting."""
    others = in_settings("ABC", LADDER, "weight_decay") + in_settings("EF", FAR, "weight_decay")
    return exactly(float("nan")) if any(map(falls, others)) else in_settings("D", LADDER, "weight_decay")[0]


def cooled_is_better() -> Interval:
    """In which share of settings and soft labels the calibration error exceeds plain training's with a temperature.

    Each by its interval over seeds.
    """
    found = []
    for name, table in tables_by_setting(least=4).items():
        if name[0] in LETTERS:
            by_seed = {method: rows.set_index("seed") for method, rows in table.groupby("method")}
            for method in SOFT:
                more = by_seed[method]["ECE"] - by_seed["baseline"]["ECE at T"]
                found.append(rises(t_interval(more.dropna().to_numpy(float))))
    return exactly(sum(found) / len(found), len(found))


def no_larger_lead() -> Interval:
    """How many points MaxSup may be ahead of label smoothing in any of the settings: the highest upper end."""
    found = in_settings(LETTERS, "accuracy", "maxsup", "label_smoothing")
    return rounded_up(max(one.high for one in found), 1, len(found))


def some_lose(value: Interval) -> bool:
    """Does this gain, while label smoothing, whose logits are as short, loses?"""
    return rises(value) and falls(ten_seeds(SMOOTHED))


CLAIMS = {
    "error-falls": Claim(error_falls, lambda value: value.mean == 3, form=WORDS),
    "both-ways": Claim(both_ways, lambda value: value.mean == value.n, form=WORDS),
    "only-many": Claim(only_many, lambda value: value.mean == 0, form=WORDS),
    "shrink": Claim(
        lambda: highest([*of("log logit scale"), *of("log magnitude")]),
        headline("short-logits", "short-features", also=falls),
        form=WORDS,
    ),
    "alike": Claim(lambda: highest(ten_seeds(method, GAP) for method in (*AS_SHORT, SMOOTHED)), below(-9), form=SIZE),
    "alike-attacked": Claim(lambda: ten_seeds(AS_SHORT[0]), some_lose, form=WORDS),
    "maxsup": Claim(no_larger_lead, headline("maxsup", "maxsup-hardly-ever", also=below(1)), digits=1),
    "penalty": Claim(penalty, lambda value: value.low > 15 and round(value.mean) == 28),
}
