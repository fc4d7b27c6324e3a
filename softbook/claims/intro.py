"""Claims of the cover: what holds in all six settings, and what depends on them."""

from collections.abc import Iterable

import numpy as np

from softbook.claims import (
    SIGNED,
    SIZE,
    SOFT,
    SPREAD,
    WORDS,
    Claim,
    above,
    below,
    between,
    exactly,
    falls,
    headline,
    highest,
    in_settings,
    is_open,
    least_open,
    lowest,
    rises,
    typical_size,
)
from softbook.claims._length import least_share
from softbook.claims._maxsup import at_best, by_strength, tail
from softbook.claims._reasons import (
    BY_HAND,
    as_much_as_short,
    contrast,
    smoothed_many,
    within_three,
)
from softbook.studies import combining, prediction, records
from softbook.studies.across_settings import tables_by_setting
from softlab.comparison.effects import averages, effects
from softlab.comparison.intervals import Interval, t_interval

OF_PARK = ("label_smoothing", "mixup", "cutmix")
LETTERS = "ABCDEF"
LADDER = "robust, 4/255"
FAR = "robust, 1/255"


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


def on_mixture() -> Interval:
    """What smoothing on top of Mixup, CutMix or both adds to the calibration error at A: the one that begins lowest."""
    recipes = combining.recorded("quick-fp32")
    return lowest(combining.added(recipes, "ECE", mixture) for mixture in ("mixup", "cutmix", "either"))


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


def keep_class(letters: str, largest: bool) -> Interval:
    """Images (%) that keep their class along the ray with plain training: the most, or the fewest, of settings."""
    tables = {name[0]: table for name, table in tables_by_setting().items()}
    found = [averages(tables[letter], "constant class")["baseline"].scaled(100) for letter in letters]
    return (max if largest else min)(found, key=lambda one: one.mean)


def cutmix_accuracy(largest: bool) -> Interval:
    return (max if largest else min)(in_settings(LETTERS, "accuracy", "cutmix"), key=lambda one: one.mean)


def by_heart_gains() -> Interval:
    """How many of Park et al.'s soft labels gain in their regime and under their attack."""
    found = effects(records.by_profile("core")["cifar10-papers"], "robust, 0.4/255, PGD-7")
    return exactly(float(sum(found[method].shown.low > 0 for method in OF_PARK)), len(OF_PARK))


CLAIMS = {
    **BY_HAND,
    "smoothed-many": Claim(smoothed_many, as_much_as_short, form=WORDS),
    "by-hand": Claim(contrast("cosine on robustness"), within_three, digits=1, form=SPREAD),
    "most": Claim(
        lambda: min(of("mean confidence"), key=lambda one: one.mean), headline("sure", also=falls), form=SIZE
    ),
    "typical": Claim(lambda: typical_size(of("accuracy")), lambda value: value.mean < 0.5, form=WORDS),
    "accuracy-least": Claim(lambda: cutmix_accuracy(largest=False), falls, form=SIGNED),
    "accuracy-most": Claim(lambda: cutmix_accuracy(largest=True), rises, form=SIGNED),
    "on-mixture": Claim(on_mixture, rises, form=WORDS),
    "decay-loses": Claim(decay_loses, headline("decay-grey", "decay-colour", also=falls), form=WORDS),
    "cooled": Claim(cooled_is_better, headline("cooled", also=between(0.6, 1)), form=WORDS),
    "keep-grey-least": Claim(lambda: keep_class("ABCD", largest=False), above(90)),
    "keep-grey-most": Claim(lambda: keep_class("ABCD", largest=True), above(90)),
    "keep-colour-least": Claim(lambda: keep_class("EF", largest=False), below(85)),
    "keep-colour-most": Claim(lambda: keep_class("EF", largest=True), below(85)),
    "length-smoothing": Claim(least_share, between(0.5, 0.7), form=WORDS),
    "both-ways": Claim(both_ways, lambda value: value.mean == value.n, form=WORDS),
    "worse-at-t": Claim(
        lambda: lowest(in_settings(LETTERS, "NLL at T", "label_smoothing")),
        headline("worse-at-t", also=rises),
        form=WORDS,
    ),
    "penalty": Claim(penalty, lambda value: value.low > 15 and round(value.mean) == 28),
    "cutmix": Claim(lambda: in_settings("A", LADDER, "cutmix")[0], rises, form=SIZE),
    "cones": Claim(
        lambda: highest(of("constant class")),
        headline("cones", also=lambda value: value.low < 0 and value.mean < 1),
        form=WORDS,
    ),
    "shrink": Claim(
        lambda: highest([*of("log logit scale"), *of("log magnitude")]),
        headline("short-logits", "short-features", also=falls),
        form=WORDS,
    ),
    "logits-turn": Claim(
        lambda: lowest(of("cosine, logit", ["label_smoothing", "maxsup"])),
        headline("logits-turn", also=rises),
        form=WORDS,
    ),
    "error-falls": Claim(error_falls, lambda value: value.mean == 3, form=WORDS),
    "cutmix-grey": Claim(
        lambda: lowest(in_settings("ABCD", LADDER, "cutmix")), headline("cutmix-grey", also=rises), form=WORDS
    ),
    "cutmix-colour": Claim(
        lambda: highest(in_settings("EF", FAR, "cutmix")), headline("cutmix-colour", also=falls), form=WORDS
    ),
    "smoothing-many": Claim(lambda: in_settings("B", LADDER, "label_smoothing")[0], rises, form=WORDS),
    "by-heart": Claim(by_heart_gains, headline("by-heart", also=lambda value: value.mean == 0), form=WORDS),
    "maxsup": Claim(
        lambda: least_open(in_settings(LETTERS, "accuracy", "maxsup", "label_smoothing")),
        headline("maxsup", "maxsup-hardly-ever", also=is_open),
        form=WORDS,
    ),
    "tail": Claim(tail, lambda value: 0 < value.low < 0.6, form=WORDS),
    "tail-best": Claim(lambda: at_best(by_strength(), "maxsup"), is_open, form=WORDS),
    "tail-plain": Claim(
        lambda: at_best(by_strength(), "label_smoothing", against="baseline"),
        falls,
        form=WORDS,
    ),
}
