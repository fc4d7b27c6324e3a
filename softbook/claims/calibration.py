"""Claims of the chapter on calibration: how sure networks are, what a temperature mends, and what it leaves."""

import functools
from typing import Any

import numpy as np
import pandas
import torch

from softbook.claims import (
    SIGNED,
    SIZE,
    SOFT,
    WORDS,
    Claim,
    above,
    below,
    between,
    exactly,
    falls,
    highest,
    lowest,
    rises,
)
from softbook.claims._reasons import averaged, cell_of, left_in_groups, shrinks_and_stays, within_margin
from softbook.claims.intro import cooled_is_better
from softbook.studies import records
from softbook.studies.across_settings import cells, effects_by_setting, generalization_gaps, tables_by_setting
from softbook.studies.robustness import cells_of
from softlab.comparison.effects import Effect, at_best, averages, effects, shifts
from softlab.comparison.intervals import Interval
from softlab.comparison.intervals import between as differences
from softlab.lenses import calibration


@functools.cache
def core(profile: str = "quick-confirm") -> pandas.DataFrame:
    return records.by_profile("core")[profile]


def level(quantity: str, method: str = "baseline", profile: str = "quick-confirm", factor: float = 100) -> Interval:
    return averages(core(profile), quantity)[method].scaled(factor)


def change(quantity: str, method: str, profile: str = "quick-confirm") -> Interval:
    return effects(core(profile), quantity)[method].shown


def nearest_to_none(quantity: str, methods, least: int, side: int) -> Interval:
    """The methods' effect, over all settings, whose interval lies least on a side (1 above zero, −1 below)."""
    found = [one[method].shown for one in effects_by_setting(quantity, least=least).values() for method in methods]
    return lowest(found) if side > 0 else highest(found)


def about_as_good(value: Interval) -> bool:
    """Is label smoothing's normalised AURC at B close to plain training's: within a tenth of that?"""
    return abs(value.mean / level("AURC", profile="fashion-heldout").mean - 1) < 0.1


def low_and_usually_lower(value: Interval) -> bool:
    """Is this a low error, and do most soft labels leave more in most settings than a temperature does?"""
    return value.high < 4 and 0.6 < cooled_is_better().mean < 1


def and_with_a_convnext(value: Interval) -> bool:
    """Does tuned decay lower NLL at T here, and at C too?"""
    return falls(value) and falls(change("NLL at T", "weight_decay", "convnext-confirm"))


def among(quantity: str, places, side: int) -> Interval:
    """Of (method, profile) pairs, the effect whose interval lies least on a side (1 above zero, −1 below)."""
    found = [change(quantity, method, profile) for method, profile in places]
    return lowest(found) if side > 0 else highest(found)


def decay_instead() -> Interval:
    return among("ECE", [("weight_decay", "fashion-heldout"), ("weight_decay", "cifar10-papers")], -1)


def and_labels_raise_it(value: Interval) -> bool:
    """Does tuned decay lower ECE at B and F, and does every soft label raise it there?"""
    places = [(method, profile) for method in SOFT for profile in ("fashion-heldout", "cifar10-papers")]
    return falls(value) and among("ECE", places, 1).low > 0


def at_best_strength() -> Interval:
    """Learnt by heart, at the strength with the best NLL at T on images for fitting: the lesser of two falls of ECE."""
    best = at_best(records.by_profile("strength")["cifar10-papers"], "NLL at T, fit")
    found = effects(best, "ECE")
    return highest(found[method].shown for method in ("label_smoothing", "mixup"))


def hundred() -> Interval:
    """Label smoothing's NLL at T with a hundred grey classes, in the wide network."""
    table = records.by_profile("hundred")["quick-confirm"]
    return effects(table.loc[table["width"] == 8], "NLL at T")["label_smoothing"].shown


def cooled(extreme) -> Interval:
    """The method's mean ECE at its best temperature, at A, that is the extreme of all."""
    means = [mean.scaled(100).mean for mean in averages(core(), "ECE at T").values()]
    return exactly(extreme(means), len(means))


def at_strength(alpha: float) -> pandas.DataFrame:
    """Rows of label smoothing at A with this strength; none at 0."""
    table = records.by_profile("dose")["quick-confirm"]
    return table.loc[table["alpha"] == alpha]


def by_strength(quantity: str, alpha: float) -> Effect:
    """What label smoothing of this strength does at A, beside hard labels of the same seeds."""
    return effects(at_strength(alpha), quantity, against=at_strength(0.0))["label_smoothing"]


def and_overshoots(value: Interval) -> bool:
    """Does ECE rise at a strength of .2, where more than twice plain training's gap is taken off?"""
    gap = averages(at_strength(0.0), "gap")["label_smoothing"]
    return rises(value) and by_strength("gap", 0.2).interval.high < -2 * gap.mean


@functools.cache
def over_generalization() -> list[float]:
    """Plain training's gap over its generalization gap, wherever the latter is five points and more."""
    grids = ("training_images", "training_images_more", "hundred", "dimension")
    every = tables_by_setting(least=1) | cells(*grids)
    ahead, gaps, _ = generalization_gaps(every, ["baseline"])
    return [gaps["baseline"][setting].mean / points for setting, points in ahead.items() if points >= 5]


def largest_rest() -> Interval:
    """The largest part of a soft label's change of ECE that its change of the gap does not explain."""
    moved = [shifts(table) for table in tables_by_setting().values()]
    rests = [abs(100 * one[method].rest.mean) for one in moved for method in SOFT if method in one]
    return exactly(max(rests), len(rests))


def other_error(measure, **options: int) -> dict[str, dict[int, float]]:
    """Another calibration error of every network at A: {method: {seed: value}}."""
    errors: dict[str, dict[int, float]] = {}
    rows: Any = core().to_dict("records")
    for row in rows:
        confidence, right = (torch.as_tensor(row["images"][name]).float() for name in ("confidence", "right"))
        errors.setdefault(row["method"], {})[row["seed"]] = measure(confidence, right, **options)
    return errors


def agreeing_errors() -> Interval:
    """How many changes of a calibration error have the sign that ECE's has, at A, by other bins and without bins."""
    ece = calibration.expected_calibration_error
    others = [other_error(ece, bins=5), other_error(ece, bins=50)]
    others += [other_error(calibration.adaptive_calibration_error), other_error(calibration.smooth_calibration_error)]
    usual = effects(core(), "ECE")
    signs = [
        differences(errors, method, "baseline").side() == usual[method].interval.side()
        for errors in others
        for method in SOFT
    ]
    return exactly(sum(signs) / len(signs), len(signs))


FEW = ("quick-confirm", "convnext-confirm", "mobilenet-confirm")
COLOUR = ("cifar10-jpeg-flip", "cifar10-papers")
CLAIMS = {
    "error": Claim(lambda: level("ECE"), above(8)),
    "cooled": Claim(lambda: level("ECE at T"), low_and_usually_lower),
    "third-error": Claim(lambda: averages(at_strength(0.03), "ECE")["label_smoothing"].scaled(100), below(4), digits=1),
    "double-worse": Claim(lambda: by_strength("ECE", 0.2).shown, and_overshoots, form=WORDS),
    "third-behind": Claim(lambda: by_strength("NLL at T", 0.03).shown, between(0.05, 0.09), digits=2, form=WORDS),
    "smooth-temperature": Claim(lambda: level("temperature", "label_smoothing", factor=1), below(0.9), digits=2),
    "half": Claim(lambda: exactly(float(np.median(over_generalization()))), between(0.4, 0.7), digits=1),
    "half-of": Claim(lambda: exactly(len(over_generalization())), above(20)),
    "rest": Claim(largest_rest, below(3), digits=1),
    "other-errors": Claim(agreeing_errors, lambda value: value.mean == 1, form=WORDS),
    "behind": Claim(lambda: change("NLL at T", "label_smoothing"), rises, digits=2),
    "ahead": Claim(lambda: change("NLL at T", "cutmix"), falls, digits=2, form=SIGNED),
    "decay-ahead": Claim(lambda: change("NLL at T", "weight_decay"), and_with_a_convnext, digits=2, form=SIGNED),
    "plain-temperature": Claim(lambda: level("temperature", factor=1), above(1.5), digits=2),
    "worse-order": Claim(lambda: nearest_to_none("AURC", ["label_smoothing"], 4, 1), rises, form=WORDS),
    "longer-order": Claim(
        lambda: effects(cells_of("quick-confirm")[1000, 5760], "AURC")["label_smoothing"].shown,
        falls,
        form=WORDS,
    ),
    "plain-order": Claim(lambda: level("AURC", profile="fashion-heldout"), above(0.5), digits=2),
    "repaired-order": Claim(
        lambda: level("AURC, normalised", "label_smoothing", "fashion-heldout"), about_as_good, digits=2
    ),
    "under-noise": Claim(lambda: level("gap, noise", "label_smoothing"), falls, form=SIGNED),
    "under-contrast": Claim(lambda: level("gap, contrast", "label_smoothing"), rises, form=SIGNED),
    "heart-start": Claim(lambda: level("gap", profile="cifar10-papers"), above(5), digits=1),
    "heart-taken": Claim(lambda: change("gap", "label_smoothing", "cifar10-papers"), falls, form=SIZE),
    "heart-error": Claim(lambda: change("ECE", "label_smoothing", "cifar10-papers"), rises, digits=1, form=SIGNED),
    "heart-best": Claim(at_best_strength, falls, form=WORDS),
    "cutmix-few": Claim(lambda: among("NLL at T", [("cutmix", name) for name in FEW], -1), falls, form=WORDS),
    "cutmix-colour": Claim(lambda: among("NLL at T", [("cutmix", name) for name in COLOUR], 1), rises, form=WORDS),
    "decay-instead": Claim(decay_instead, and_labels_raise_it, form=WORDS),
    "everywhere": Claim(lambda: nearest_to_none("gap", SOFT, 2, -1), falls, form=WORDS),
    "worse-everywhere": Claim(lambda: nearest_to_none("NLL at T", ["label_smoothing"], 4, 1), rises, form=WORDS),
    "alone-cost": Claim(averaged("control, label smoothing's cost alone"), rises, digits=3),
    "group-cost": Claim(averaged("label smoothing's cost in groups"), within_margin, form=WORDS),
    "group-cutmix": Claim(averaged("CutMix's gain, in groups less alone"), rises, digits=2),
    "group-gap": Claim(lambda: cell_of("averages", "group, gap", "label smoothing", less=None), falls, form=SIZE),
    "weights-cost": Claim(lambda: cell_of("averages", "weights, NLL at T", "label smoothing"), rises, digits=2),
    "alone-cost-many": Claim(averaged("control, label smoothing's cost alone", "B"), rises, digits=3),
    "cutmix-many": Claim(
        lambda: cell_of("averages", "alone, NLL at T", "cutmix", setting="B"), between(-0.01, 0.01), form=WORDS
    ),
    "group-cutmix-many": Claim(lambda: cell_of("averages", "group, NLL at T", "cutmix", setting="B"), rises, digits=2),
    "group-cost-many": Claim(left_in_groups, shrinks_and_stays, digits=3),
}
