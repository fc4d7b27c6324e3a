"""Claims of chapter 3: what a dose of label smoothing does to the length of logits, and what it costs."""

import math

import numpy as np
import pandas

from softbook.claims import SIGNED, WORDS, Claim, above, below, exactly, factor, falls, highest, lowest, rises
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
    return factor(effects(records.by_profile("core")["quick-confirm"], "log logit scale")[method].shown)


def share(quantity: str) -> Interval:
    """What a tenth of the usual dose does to a quantity, in percent of what the usual dose does."""
    return shares(doses(), quantity, USUAL)[TENTH]


def largest_change_of_accuracy() -> Interval:
    found = [effect.shown for effect in by_dose(doses(), "accuracy").values()]
    return max(found, key=lambda one: abs(one.mean))


def spread_beside_smoothing() -> Interval:
    """What CutMix adds to within-class variation, as a share of what label smoothing adds."""
    core = effects(records.by_profile("core")["quick-confirm"], "spread, logits")
    whole = core["label_smoothing"].shown.mean
    return core["cutmix"].shown.scaled(1 / whole)


def paid_early() -> Interval:
    """The smaller share, of B and C, of the usual dose's price that a fifth of the dose already costs."""
    found = [shares(records.by_profile("dose")[name], PRICE, USUAL) for name in ("fashion-heldout", "convnext-confirm")]
    return lowest(one[0.02] for one in found)


def least_shorter() -> Interval:
    """The soft labels' effect on the logits' length, over all settings, that ends nearest to zero."""
    found = effects_by_setting("log logit scale", least=2).values()
    named = ("label_smoothing", "mixup", "cutmix", "maxsup")
    return highest(one[method].shown for one in found for method in named)


def best_of_all_doses() -> Interval:
    """The lowest-lying change of NLL at T, over all doses and strengths of label smoothing on record."""
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
    "spread-less": Claim(spread_beside_smoothing, lambda value: 0.1 < value.mean < 0.3, form=WORDS),
    "factor-decay": Claim(lambda: times("weight_decay"), below(0.5), digits=2),
    "half-early": Claim(paid_early, above(60), form=WORDS),
    "usual-flips": Claim(usual_with_flips, rises, digits=3, form=SIGNED),
    "everywhere": Claim(least_shorter, falls, form=WORDS),
    "no-gain": Claim(best_of_all_doses, lambda value: value.high > 0, form=WORDS),
}
