"""Claims of the page of eight questions: one number with its interval per answer, and the tables behind them."""

import functools
import itertools
from typing import Any

import numpy as np
import pandas

from softbook.claims import (
    SIGNED,
    SIZE,
    SPREAD,
    WORDS,
    Claim,
    Condition,
    above,
    below,
    between,
    exactly,
    falls,
    headline,
    highest,
    is_open,
    least_open,
    lowest,
    rises,
)
from softbook.claims._maxsup import at_best, in_colour, later, tail
from softbook.claims._maxsup import by_strength as tail_by_strength
from softbook.claims._reasons import (
    averaged,
    each_half,
    halves,
    left_in_groups,
    less_than_its_better_half,
    shrinks_and_stays,
    taught,
    transferred,
)
from softbook.studies import combining, prediction, records, seconds, unknown_classes
from softbook.studies.across_settings import effects_by_setting
from softbook.studies.robustness import cells_of
from softlab.comparison.effects import averages, effects
from softlab.comparison.intervals import Interval, t_interval
from softlab.profile import load_profile

HERE = "quick-fp32"  # setting A in 32 bits
A = "quick-confirm"
MANY = "fashion-heldout"  # setting B
BY_HEART = "cifar10-papers"  # setting F
LADDER = "robust, 4/255"
UNKNOWN = unknown_classes.HELD_OUT


@functools.cache
def recipes(profile: str = HERE) -> combining.Cells:
    return combining.recorded(profile)


@functools.cache
def added(quantity: str, mixture: str, profile: str = HERE) -> Interval:
    return combining.added(recipes(profile), quantity, mixture)


@functools.cache
def cell(mixture: str, smoothed: bool, quantity: str) -> Interval:
    rows = recipes()[mixture, smoothed]
    one = averages(rows.reset_index().assign(method="recipe"), quantity)["recipe"]
    return one.scaled(100) if quantity != "NLL at T" else one


@functools.cache
def by_strength() -> pandas.DataFrame:
    """Networks of setting A with label smoothing, by its strength; methods are called as in `smoothing 0.1`."""
    table = records.by_profile("dose")[HERE]
    return table.assign(method=[f"smoothing {alpha:g}" for alpha in table["alpha"]])


def chosen(quantity: str) -> str:
    """The strength that is best on the images for fitting: lowest NLL at T, or highest accuracy."""
    means: Any = by_strength().groupby("method", sort=False)[f"{quantity}, fit"].mean()
    return str(means.idxmax() if quantity == "accuracy" else means.idxmin())


@functools.cache
def cost(quantity: str) -> Interval:
    """On test images, the usual .1 less the strength that was chosen by the same quantity."""
    if chosen(quantity) == "smoothing 0.1":
        return exactly(0.0)
    return effects(by_strength(), quantity, chosen(quantity))["smoothing 0.1"].shown


def strength(quantity: str) -> Interval:
    return exactly(float(chosen(quantity).split()[1]), len({*by_strength()["seed"]}))


@functools.cache
def core(quantity: str, method: str, profile: str = A) -> Interval:
    return effects(records.by_profile("core")[profile], quantity)[method].shown


@functools.cache
def in_all_settings(quantity: str, method: str, side: int) -> Interval:
    """A method's effect, over all settings, whose interval lies least on a side (1 above zero, −1 below)."""
    found = [one[method].shown for one in effects_by_setting(quantity).values()]
    return lowest(found) if side > 0 else highest(found)


@functools.cache
def ranked_by_normalised(profile: str, method: str = "label_smoothing") -> Interval:
    """AURC of a method's networks by normalised logits, less plain training's by its confidence."""
    table = records.by_profile("core")[profile]
    by_seed: Any = {name: rows.set_index("seed") for name, rows in table.groupby("method")}
    change = (by_seed[method]["AURC, normalised"] - by_seed["baseline"]["AURC"]).dropna()
    return t_interval(100 * change.to_numpy()).of(table, "AURC by normalised logits, less plain training’s own")


@functools.cache
def strangers() -> pandas.DataFrame:
    return unknown_classes.recorded(HERE)


@functools.cache
def noticed(method: str, score: str, kind: str = UNKNOWN, measure: str = "AUROC") -> Interval:
    return unknown_classes.change(strangers(), f"{kind}, {score}, {measure}", method)


@functools.cache
def noisy(share: float) -> pandas.DataFrame:
    table = records.by_profile("noisy_labels")[HERE]
    return table.loc[np.isclose(table["label_noise"].to_numpy(float), share)]


@functools.cache
def with_noise(method: str, share: float, quantity: str = "accuracy") -> Interval:
    return effects(noisy(share), quantity)[method].shown


@functools.cache
def briefly(epochs: float) -> pandas.DataFrame:
    """Networks that trained for fewer epochs, with 40 % of the labels redrawn."""
    table = records.by_profile("noisy_briefly")[HERE]
    return table.loc[table["epochs"] == epochs]


def epochs_chosen() -> Interval:
    """The number of epochs at which plain training is most accurate on the images for fitting, 45 among them."""
    table = records.by_profile("noisy_briefly")[HERE]
    plain = pandas.concat([table.loc[table["method"] == "baseline"], noisy(0.4).query("method == 'baseline'")])
    means: Any = plain.assign(epochs=plain["epochs"].fillna(45)).groupby("epochs")["accuracy, fit"].mean()
    return exactly(float(means.idxmax()), len({*table["seed"]}))


def by_stopping_whole() -> Interval:
    """What plain training gains from so few epochs, compared with 45."""
    short = briefly(epochs_chosen().mean).query("method == 'baseline'")
    return effects(short, "accuracy", noisy(0.4).query("method == 'baseline'"))["baseline"].shown


def with_noise_briefly(method: str, quantity: str = "accuracy") -> Interval:
    return effects(briefly(epochs_chosen().mean), quantity)[method].shown


@functools.cache
def hardened() -> pandas.DataFrame:
    return prediction.doses_as_methods(records.by_profile("flat")[HERE])


@functools.cache
def robust(method: str, quantity: str = LADDER) -> Interval:
    return effects(hardened(), quantity)[method].shown


@functools.cache
def noise(quantity: str = LADDER) -> Interval:
    tables = [prediction.doses_as_methods(records.by_profile("many")[name]) for name in (A, "quick-again")]
    return effects(pandas.concat(tables), quantity)["gaussian_noise 0.25"].shown


@functools.cache
def time_of(name: str) -> Interval:
    return seconds.times_plain(seconds.recorded(HERE), name)


@functools.cache
def seconds_a_network() -> Interval:
    """Seconds of one processor core for a plain network of this setting, over rounds."""
    table = seconds.recorded(HERE).query("name == 'plain'")
    return t_interval(load_profile(HERE).experiment.epochs * table["seconds"].to_numpy())


def minutes_of_recipes() -> Interval:
    """Minutes of one core for all networks of study combined, if each takes as long as plain training."""
    networks = len(records.by_profile("combined")[HERE])
    return exactly(networks * seconds_a_network().mean / 60, networks)


@functools.cache
def decay_by_heart() -> Interval:
    """The least certain of a tuned decay's gains at F: in accuracy, in loss and under the paper's attack."""
    accuracy = core("accuracy", "weight_decay", BY_HEART)
    attacked = core("robust, 0.4/255, PGD-7", "weight_decay", BY_HEART)
    saved = core("NLL at T", "weight_decay", BY_HEART).scaled(-1)
    return min((accuracy, attacked, saved), key=lambda one: one.low / one.half_width)


@functools.cache
def cutmix_beside_decay() -> Interval:
    """CutMix less tuned decay at A, C and D, in loss (its sign turned) and under attack: the least certain gain."""
    found = []
    for profile in (A, "convnext-confirm", "mobilenet-confirm"):
        table = records.by_profile("core")[profile]
        found.append(effects(table, "NLL at T", "weight_decay")["cutmix"].shown.scaled(-1))
        found.append(effects(table, LADDER, "weight_decay")["cutmix"].shown)
    return min(found, key=lambda one: one.low / one.half_width)


@functools.cache
def longest() -> Interval:
    """Label smoothing's AURC after the longest training on 1,000 images."""
    return effects(cells_of(A)[1000, 5760], "AURC")["label_smoothing"].shown


MIXTURES = ("none", "mixup", "cutmix", "either")
IN_CELLS = {"accuracy": 1, "NLL at T": 3, "gap": 1}  # digits
SHORT = {"accuracy": "accuracy", "NLL at T": "nll", "gap": "gap"}


def recipe_cells() -> dict[str, Claim]:
    """The table of eight recipes: `cell-either-smoothed-nll` and the like."""
    found = {}
    for mixture, smoothed, quantity in itertools.product(MIXTURES, (False, True), IN_CELLS):
        name = f"cell-{mixture}-{'smoothed' if smoothed else 'hard'}-{SHORT[quantity]}"
        value = functools.partial(cell, mixture, smoothed, quantity)
        found[name] = Claim(value, between(-100, 100), IN_CELLS[quantity], SIGNED if quantity == "gap" else "plain")
    return found


def half_cells() -> dict[str, Claim]:
    """The table of halves: `half-cutmix-images-8` and the like; steps an epoch, of which there are 45."""
    found = {}
    for mixture, part, steps in itertools.product(("cutmix", "mixup"), ("images", "labels", "whole"), (8, 32)):
        cell = mixture if part == "whole" else f"{mixture}, {part} alone"
        value = functools.partial(halves, {cell: 1, "plain": -1}, steps)
        clear = falls if cell == "mixup" else rises
        found[f"half-{mixture}-{part}-{steps}"] = Claim(value, clear, form=SIGNED)
    return found


def labels_alone_unsure() -> Interval:
    """What the labels alone of CutMix and of Mixup do to the calibration error, after either training: the lowest."""
    cells = itertools.product(("cutmix, labels alone", "mixup, labels alone"), (8, 32))
    return lowest(halves({cell: 1, "plain": -1}, steps, "ECE") for cell, steps in cells)


def mixed_images_near() -> Interval:
    """What Mixup's images alone gain after the short training at radii up to 2/255: the least open."""
    radii = ("robust, 0.4/255, PGD-7", "robust, 1/255", "robust, 2/255")
    return least_open(halves({"mixup, images alone": 1, "plain": -1}, quantity=radius) for radius in radii)


@functools.cache
def accuracy_beside() -> Interval:
    """Accuracy that smoothing adds to Mixup, CutMix and either: the one farthest from zero."""
    return max((added("accuracy", mixture) for mixture in MIXTURES[1:]), key=lambda one: abs(one.mean) + one.half_width)


def seeds_of_recipes() -> Interval:
    return exactly(len(recipes()["none", False]))


@functools.cache
def recipes_attacked() -> combining.Cells:
    return combining.cells(records.by_profile("combined_attacked")[HERE])


def attacked(quantity: str = LADDER) -> Interval:
    """What smoothing changes under attack on top of `either`, both mixtures by turns."""
    return combining.added(recipes_attacked(), quantity, "either")


def digits_less() -> Interval:
    """What smoothing does to the AUROC of digits by maximal logit and by energy: the one that ends highest."""
    found = (noticed("label_smoothing", score, unknown_classes.DIGITS) for score in ("maximal logit", "energy"))
    return highest(found)


def digits_passing_by_softmax() -> Interval:
    return noticed("label_smoothing", "maximal softmax", unknown_classes.DIGITS, "FPR95")


def within(margin: float) -> Condition:
    return lambda value: -margin < value.low and value.high < margin


CLAIMS = {
    "in-groups": Claim(averaged("label smoothing's cost, in groups less alone"), falls, form=WORDS),
    "in-groups-many": Claim(left_in_groups, shrinks_and_stays, digits=3, form=WORDS),
    "probed": Claim(transferred("label smoothing, linear probe"), rises, digits=1),
    "probed-stopped": Claim(transferred("label smoothing against plain training as accurate"), is_open, form=WORDS),
    "halves-each": Claim(lambda: lowest(each_half()), rises, form=WORDS),
    "halves-less": Claim(less_than_its_better_half, falls, form=WORDS),
    "half-near": Claim(mixed_images_near, is_open, form=WORDS),
    "half-unsure": Claim(labels_alone_unsure, rises, form=WORDS),
    "taught-loss": Claim(taught("a smoothed teacher against a plain one, NLL at T"), rises, digits=3, form=SPREAD),
    "with-either": Claim(lambda: added("accuracy", "either"), is_open, digits=1, form=SPREAD),
    "decay-cutmix": Claim(
        cutmix_beside_decay, headline("decay-cutmix-loss", "decay-cutmix-attacked", also=rises), form=WORDS
    ),
    "with-either-error": Claim(lambda: added("ECE", "either"), rises, digits=1, form=SPREAD),
    "with-either-loss": Claim(lambda: added("NLL at T", "either"), rises, digits=3, form=SPREAD),
    "with-each": Claim(accuracy_beside, within(1), form=WORDS),
    "recipe-seeds": Claim(seeds_of_recipes, above(9)),
    "strength-cost": Claim(lambda: cost("NLL at T"), rises, digits=3, form=SPREAD),
    "strength-chosen": Claim(lambda: strength("NLL at T"), below(0.01), form=WORDS),
    "strength-accuracy": Claim(lambda: cost("accuracy"), is_open, form=WORDS),
    "strength-robust-a": Claim(lambda: core(LADDER, "label_smoothing"), falls, form=WORDS),
    "strength-robust-b": Claim(lambda: core(LADDER, "label_smoothing", MANY), rises, form=WORDS),
    "at-temperature": Claim(lambda: core("NLL at T", "label_smoothing"), rises, digits=3, form=SPREAD),
    "at-temperature-everywhere": Claim(
        lambda: in_all_settings("NLL at T", "label_smoothing", 1),
        headline("worse-at-t", also=rises),
        digits=3,
        form=WORDS,
    ),
    "at-temperature-cutmix": Claim(lambda: core("NLL at T", "cutmix"), falls, digits=3, form=WORDS),
    "at-temperature-colour": Claim(lambda: core("NLL at T", "cutmix", BY_HEART), rises, digits=3, form=WORDS),
    "order": Claim(lambda: core("AURC", "label_smoothing"), rises, digits=2, form=SPREAD),
    "order-everywhere": Claim(
        lambda: in_all_settings("AURC", "label_smoothing", 1), headline("order", also=rises), digits=2, form=WORDS
    ),
    "order-mended": Claim(lambda: ranked_by_normalised(MANY), lambda one: abs(one.mean) < 0.15, form=WORDS),
    "order-left": Claim(lambda: ranked_by_normalised(A), rises, form=WORDS),
    "order-left-colour": Claim(lambda: ranked_by_normalised(BY_HEART), rises, form=WORDS),
    "order-long": Claim(longest, falls, form=WORDS),
    "strange": Claim(lambda: noticed("label_smoothing", "maximal logit"), is_open, digits=1, form=SPREAD),
    "strange-digits": Claim(digits_less, falls, form=WORDS),
    "strange-passing-softmax": Claim(digits_passing_by_softmax, falls, form=WORDS),
    "noisy": Claim(lambda: with_noise("label_smoothing", 0.4), headline("noisy", also=falls), digits=1, form=SPREAD),
    "noisy-maxsup": Claim(lambda: with_noise("maxsup", 0.4), headline("noisy", also=falls), form=WORDS),
    "noisy-mixup": Claim(lambda: with_noise("mixup", 0.4), headline("noisy", also=falls), form=WORDS),
    "noisy-epochs": Claim(epochs_chosen, between(9, 11)),
    "noisy-briefly": Claim(by_stopping_whole, above(8)),
    "noisy-briefly-none": Claim(lambda: with_noise_briefly("label_smoothing"), is_open, form=WORDS),
    "harden": Claim(lambda: robust("gradient_penalty 0.1"), headline("harden", also=above(15))),
    "harden-accuracy": Claim(lambda: robust("gradient_penalty 0.1", "accuracy"), rises, form=WORDS),
    "harden-attacked": Claim(
        lambda: robust("adversarial_training 0.0313725"), headline("harden", also=above(15)), form=SIZE
    ),
    "harden-noise": Claim(noise, headline("harden", also=above(15)), form=SIZE),
    "harden-cutmix": Claim(lambda: core(LADDER, "cutmix"), below(20), form=SIZE),
    "harden-smoothing": Claim(lambda: core(LADDER, "label_smoothing"), falls, form=WORDS),
    "time-penalty": Claim(lambda: time_of("gradient penalty"), above(1.5), digits=1),
    "time-attacked": Claim(lambda: time_of("adversarial training"), above(3), digits=1),
    "time-noise": Claim(lambda: time_of("noise"), lambda one: one.mean < 1.3, form=WORDS),
    "maxsup": Claim(later, is_open, digits=1, form=SPREAD),
    "maxsup-colour": Claim(in_colour, is_open, digits=1, form=SPREAD),
    "maxsup-best": Claim(lambda: at_best(tail_by_strength(), "maxsup"), is_open, form=WORDS),
    "maxsup-tail": Claim(tail, lambda one: 0 < one.low < 0.6, form=WORDS),
    "decay": Claim(lambda: core("accuracy", "weight_decay"), rises, digits=1, form=SPREAD),
    "decay-loss": Claim(lambda: core("NLL at T", "weight_decay"), falls, digits=3, form=SPREAD),
    "decay-attack": Claim(lambda: core(LADDER, "weight_decay"), rises, form=SPREAD),
    "decay-colour": Claim(decay_by_heart, rises, form=WORDS),
    "decay-mobile": Claim(lambda: core(LADDER, "weight_decay", "mobilenet-confirm"), falls, form=WORDS),
    "with-either-many": Claim(
        lambda: least_open(added("accuracy", "either", profile) for profile in (MANY, BY_HEART)),
        lambda value: is_open(value) and within(3)(value),
        form=WORDS,
    ),
    "seconds-network": Claim(seconds_a_network, between(5, 60)),
    "minutes-recipes": Claim(minutes_of_recipes, between(38, 53), form=WORDS),
    **recipe_cells(),
    **half_cells(),
}
