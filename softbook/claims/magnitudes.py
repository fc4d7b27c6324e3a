"""Claims of the chapter on length: what a strength of label smoothing does to it, and what it costs."""

import math

import numpy as np
import pandas

from softbook.claims import (
    SIGNED,
    SOFT,
    WORDS,
    Claim,
    above,
    below,
    exactly,
    factor,
    falls,
    highest,
    in_settings,
    lowest,
    rises,
)
from softbook.studies import records
from softbook.studies.across_settings import effects_by_setting
from softlab.comparison.effects import averages, by_dose, effects, shares
from softlab.comparison.intervals import Interval

USUAL = 0.1
TENTH = 0.01
PRICE = "NLL at T"


def doses() -> pandas.DataFrame:
    return records.by_profile("dose")["quick-confirm"]


def asked() -> Interval:
    """The length of ten logits that a label smoothed by the usual dose asks for."""
    length = math.sqrt(0.9) * math.log(1 + 10 * (1 - USUAL) / USUAL)
    return exactly(length)


def found() -> Interval:
    """The logits' length of networks trained with the usual dose: the mean of its logarithm, as a length."""
    rows = doses().loc[np.isclose(doses()["alpha"].to_numpy(float), USUAL)]
    log = averages(rows, "log logit scale")["label_smoothing"]
    return factor(log)


def times(method: str) -> Interval:
    """The factor by which a method multiplies the logits' length."""
    return factor(change("log logit scale", method))


def share(quantity: str) -> Interval:
    """What a tenth of the usual dose does to a quantity, in percent of what the usual dose does."""
    return shares(doses(), quantity, USUAL)[TENTH]


def largest_change_of_accuracy() -> Interval:
    found = [effect.shown for effect in by_dose(doses(), "accuracy").values()]
    return max(found, key=lambda one: abs(one.mean))


def change(quantity: str, method: str) -> Interval:
    """What a method does to a quantity at A, ten networks a method."""
    return effects(records.by_profile("core")["quick-confirm"], quantity)[method].shown


def least_shrunk() -> Interval:
    """The soft labels' effect at A on a factor of the length that ends nearest to zero."""
    factors = ("log magnitude", "log seen share", "log head gain")
    return highest(change(factor, method) for factor in factors for method in SOFT)


def at_strength(quantity: str, method: str, strength: float) -> Interval:
    """What a method of the study `many` does at one of its strengths, at A."""
    table = records.by_profile("many")["quick-confirm"]
    rows = table.loc[(table["method"] == method) & np.isclose(table["dose"].to_numpy(float), strength)]
    return effects(rows, quantity, table.loc[table["method"] == "baseline"])[method].shown


def paid_early() -> Interval:
    """The smaller share, of B and C, of the usual dose's price that a fifth of the dose already costs."""
    found = [shares(records.by_profile("dose")[name], PRICE, USUAL) for name in ("fashion-heldout", "convnext-confirm")]
    return lowest(one[0.02] for one in found)


def least_shorter() -> Interval:
    """The soft labels' effect on the logits' length, over all settings, that ends nearest to zero."""
    found = effects_by_setting("log logit scale", least=2).values()
    return highest(one[method].shown for one in found for method in SOFT)


def prices(letters: str, *methods: str) -> list[Interval]:
    """What these methods do to NLL at T, in the settings of these letters."""
    return [price for method in methods for price in in_settings(letters, PRICE, method)]


def best_of_all_doses() -> Interval:
    """The lowest-lying change of NLL at T, over all strengths of label smoothing on record."""
    found = [effect.shown for table in records.by_profile("dose").values() for effect in by_dose(table, PRICE).values()]
    for table in records.by_profile("strength").values():
        plain = table.loc[table["method"] == "baseline"]
        for _, rows in table.loc[table["method"] == "label_smoothing"].groupby("dose"):
            found.append(effects(rows, PRICE, plain)["label_smoothing"].shown)
    return min(found, key=lambda one: one.high)


def usual_with_flips() -> Interval:
    effects_of = by_dose(records.by_profile("dose")["cifar10-jpeg-flip"], PRICE)
    return next(effect.shown for dose, effect in effects_of.items() if math.isclose(dose, USUAL))


CLAIMS = {
    "asked": Claim(asked, above(4), digits=1),
    "found": Claim(found, lambda value: abs(value.mean / asked().mean - 1) < 0.1, digits=1),
    "eased": Claim(lambda: share("gap"), below(40)),
    "paid": Claim(lambda: share(PRICE), above(50), form=WORDS),
    "accuracy": Claim(largest_change_of_accuracy, lambda value: abs(value.mean) < 1, form=WORDS),
    "factor-cutmix": Claim(lambda: times("cutmix"), below(0.5), digits=2),
    "factor-smoothing": Claim(lambda: times("label_smoothing"), below(0.4), digits=2),
    "factor-decay": Claim(lambda: times("weight_decay"), below(0.5), digits=2),
    "all-three": Claim(least_shrunk, falls, form=WORDS),
    "price-smoothing": Claim(lambda: change(PRICE, "label_smoothing"), rises, digits=2),
    "price-falls": Claim(lambda: highest(change(PRICE, one) for one in ("cutmix", "weight_decay")), falls, form=WORDS),
    "decay-features": Claim(lambda: change("log magnitude", "weight_decay"), rises, form=WORDS),
    "price-penalty": Claim(lambda: at_strength(PRICE, "logit_penalty", 0.01), rises, form=WORDS),
    "dropout-longer": Claim(lambda: at_strength("log logit scale", "dropout", 0.5), rises, form=WORDS),
    "smoothing-costs": Claim(lambda: lowest(prices("ABCDEF", "label_smoothing")), rises, form=WORDS),
    "mixing-costs": Claim(lambda: lowest(prices("EF", "mixup", "cutmix")), rises, form=WORDS),
    "decay-gains": Claim(lambda: highest(prices("ABCF", "weight_decay")), falls, form=WORDS),
    "half-early": Claim(paid_early, above(60), form=WORDS),
    "usual-flips": Claim(usual_with_flips, rises, digits=3, form=SIGNED),
    "everywhere": Claim(least_shorter, falls, form=WORDS),
    "no-gain": Claim(best_of_all_doses, lambda value: value.high > 0, form=WORDS),
}
