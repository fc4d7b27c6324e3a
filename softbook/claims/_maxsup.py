"""MaxSup beside label smoothing where training errors last: what several pages speak of. No page of this name."""

import functools

import numpy as np
import pandas

from softbook.claims import highest
from softbook.studies import long_tail, records
from softlab.comparison.effects import averages, effects, over_grid
from softlab.comparison.intervals import Interval

Strengths = dict[tuple[str, float], pandas.DataFrame]  # networks by method and strength
TAIL = 10  # networks of each method and strength with a long tail


@functools.cache
def later() -> Interval:
    """MaxSup less label smoothing with a hundred classes: ten later seeds at each of two widths."""
    return over_grid(records.by_profile("hundred_again")["quick-confirm"], "accuracy", "maxsup", "label_smoothing")


@functools.cache
def grown_over_widths(against: str, alpha: float = 0.0, method: str = "maxsup") -> Interval:
    """With a hundred grey classes, a method of hundred_recipe less another, mean of both widths for each seed.

    maxsup: with its growing strength.  alpha: of the other one, where it is no plain training.
    """
    recipe = records.by_profile("hundred_recipe")["quick-confirm"].query("method == @method")
    studies = [records.by_profile(study)["quick-confirm"] for study in ("hundred", "hundred_strength")]
    others = pandas.concat([studies[0].assign(alpha=0.1), studies[1]]).query("method == @against")
    if against != "baseline":
        others = others.loc[np.isclose(others["alpha"].to_numpy(float), alpha)]
    both = pandas.concat([recipe.assign(method="recipe"), others])
    both.attrs = recipe.attrs
    return over_grid(both, "accuracy", "recipe", against)


def parts(method: str, quantity: str, against: str, study: str = "ablation") -> Interval:
    """A part of label smoothing's term alone, MaxSup, or both parts, less another of these."""
    return effects(records.by_profile(study)["quick-fp32"], quantity, against)[method].shown


@functools.cache
def error_alone_strong() -> Interval:
    """The error part alone at a strength of 1, less cross-entropy with the same seeds: accuracy in points."""
    strong = records.by_profile("ablation_strong")["quick-fp32"].query("method == 'amplification_only'")
    plain = records.by_profile("ablation")["quick-fp32"].query("method == 'baseline'")
    return effects(strong, "accuracy", plain)["amplification_only"].shown


@functools.cache
def others_strong() -> Interval:
    """At strength 1, the accuracy of the regularization part alone or of MaxSup, in percent: the higher one."""
    table = records.by_profile("ablation_strong")["quick-fp32"]
    found = averages(table, "accuracy")
    return highest(found[method].scaled(100) for method in ("regularization_only", "maxsup"))


@functools.cache
def colour() -> pandas.DataFrame:
    """A hundred classes in colour: ten seeds of both losses, all on one GPU."""
    return records.by_profile("hundred_again")["cifar10-papers"]


@functools.cache
def in_colour(quantity: str = "accuracy") -> Interval:
    """MaxSup less label smoothing with a hundred colour classes, in points, over these ten seeds and images."""
    return effects(colour(), quantity, "label_smoothing")["maxsup"].shown


@functools.cache
def colour_by_strength() -> Strengths:
    """Those networks, and weaker ones, by method and strength, with the seeds that all strengths have."""
    weaker_ones = records.by_profile("hundred_weaker")["cifar10-papers"]
    found = long_tail.split_by_strength([colour(), weaker_ones])
    return {one: rows.loc[rows["seed"].isin(weaker_ones["seed"])] for one, rows in found.items()}


@functools.cache
def on_gpu_and_cpu() -> pandas.DataFrame:
    """Five other seeds in colour: plain training and label smoothing on a GPU, MaxSup on a processor."""
    return records.by_profile("hundred")["cifar10-papers"]


def on_two_devices() -> Interval:
    """MaxSup on a processor less label smoothing on a GPU, by seed: accuracy in points."""
    return effects(on_gpu_and_cpu(), "accuracy", "label_smoothing")["maxsup"].shown


def on_cpu() -> Interval:
    """MaxSup less label smoothing in colour, both on a processor, which fewer seeds have: accuracy in points."""
    again = records.by_profile("hundred_one_device")["cifar10-papers"]
    maxsup = on_gpu_and_cpu().query("method == 'maxsup'")
    return long_tail.difference(maxsup, again, "accuracy")


@functools.cache
def rare() -> pandas.DataFrame:
    """The record of the long tail, with the accuracy of frequent and of rare classes."""
    return long_tail.recorded("quick-fp32")


@functools.cache
def by_strength() -> Strengths:
    """Networks with a long tail by method and strength, if ten of each are on record."""
    found = long_tail.by_strength("quick-fp32")
    return {one: rows for one, rows in found.items() if len(rows) == TAIL}


def tail_part(method: str, against: str) -> Interval:
    """With a long tail, a part of label smoothing's term alone, or MaxSup, less another: accuracy in points."""
    found = by_strength()
    return long_tail.difference(found[method, long_tail.USUAL], found[against, long_tail.USUAL])


def at_best(networks: Strengths, method: str, part: str = long_tail.ALL, against: str = "label_smoothing") -> Interval:
    """Accuracy in points, each loss at the strength that is best on images for fitting."""
    found, others = (networks[one, long_tail.best(networks, one)] for one in (method, against))
    return long_tail.difference(found, others, part)


def usual_beside_best(networks: Strengths, part: str = long_tail.ALL) -> Interval:
    """MaxSup at its usual strength less label smoothing at its best one: accuracy in points."""
    others = networks["label_smoothing", long_tail.best(networks, "label_smoothing")]
    return long_tail.difference(networks["maxsup", long_tail.USUAL], others, part)


def weaker() -> Interval:
    """The same with a long tail."""
    return usual_beside_best(by_strength())


def tail(method: str = "maxsup", against: str = "label_smoothing", part: str = long_tail.ALL) -> Interval:
    """What a method changes in accuracy if classes are unequally frequent in training but equally in the test."""
    return long_tail.change(rare(), part, method, against)
