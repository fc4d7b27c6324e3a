"""Claims of the page causes: what was set by hand, one thing at a time, and the consequences."""

import functools
import itertools
from collections.abc import Callable

import numpy as np
import pandas

from softbook.claims import (
    SIGNED,
    SIZE,
    WORDS,
    Claim,
    above,
    below,
    between,
    exactly,
    factor,
    falls,
    highest,
    in_settings,
    is_open,
    least_open,
    lowest,
    rises,
)
from softbook.claims._length import share
from softbook.claims._predicting import (
    by_gradient,
    by_shape,
    control,
)
from softbook.claims._reasons import (
    at_random,
    beyond_random,
    by_autoattack,
    cell_of,
    contrast,
    on_average,
    open_there_and_clear_at_a,
    park,
    soft_labels,
)
from softbook.claims._turning import (
    BALL,
    at_equal_cosine,
    mean_of,
    ten_seeds,
    weakly,
)
from softbook.studies import another_slope, judge, laws, margins, prediction, records, robustness
from softlab.comparison.effects import Effects, averages, effects
from softlab.comparison.intervals import Interval, t_interval

ROBUST = "robust, 4/255"
ATTACK = "robust, 0.4/255, PGD-7"  # the paper's
SHORT = "log logit scale"
VISIBLE = "cosine, row space"
ALIKE = ("scale_penalty 0.1", "fixed_scale 4", "logit_penalty 0.01", "margin_smoothing 3", "label_smoothing 0.1")
SOFT = ("label_smoothing", "mixup", "cutmix")


def of(method: str, outcome: str = ROBUST) -> Interval:
    return ten_seeds(method, outcome)


def spread_of_lengths() -> Interval:
    """How far apart, in logarithms, the five methods lie that are said to have equally long logits."""
    means = [of(method, SHORT).mean for method in ALIKE]
    return exactly(max(means) - min(means), len(means))


def confidence(least: bool) -> Interval:
    """The least and the most that the four methods take off confidence which do not give all images one length."""
    found = [of(method, "gap") for method in ALIKE if not method.startswith("fixed")]
    return (max if least else min)(found, key=lambda one: one.mean)


@functools.cache
def cells() -> dict[str, Interval]:
    return margins.factorial(records.by_profile("bound_or_strength")["quick-fp32"])


def cell(alpha: float, strength: float) -> pandas.DataFrame:
    """The networks with one bound and one strength of the penalty on length."""
    table = records.by_profile("bound_or_strength")["quick-fp32"]
    bound = np.isclose(table["alpha"].to_numpy(float), alpha)
    return table.loc[bound & np.isclose(table["strength"].to_numpy(float), strength)]


def left(alpha: float, strength: float) -> Interval:
    """Accuracy under attack, in percent."""
    rows = cell(alpha, strength)
    return t_interval(100 * rows[ROBUST].to_numpy(float)).of(rows, "accuracy under attack (%)")


def length(alpha: float, strength: float) -> Interval:
    """Mean length of the logits."""
    rows = cell(alpha, strength)
    return t_interval(np.exp(rows[SHORT].to_numpy(float))).of(rows, "length of the logits")


@functools.cache
def by_hand(method: str, tau: float) -> Interval:
    """Accuracy under attack, in percent, at a slope of `tau` times that of the trained network."""
    rows = another_slope.recorded("quick-fp32")
    chosen = rows.loc[(rows["method"] == method) & np.isclose(rows["tau"].to_numpy(float), tau)]
    return t_interval(100 * chosen[ROBUST].to_numpy(float))


@functools.cache
def one_curve() -> Interval:
    """How many points label-smoothed networks lie above the plain ones' curve, at their margin over slope.

    For each seed the mean over five slopes, against that seed's plain network.
    """
    rows = another_slope.recorded("quick-fp32")
    ahead = "log first-order radius"
    apart = []
    for _, of_seed in rows.sort_values(ahead).groupby("seed"):
        by_method = {method: some[[ahead, ROBUST]].to_numpy(float).T for method, some in of_seed.groupby("method")}
        radius, survived = by_method["label_smoothing"]
        apart.append(100 * float((survived - np.interp(radius, *by_method["baseline"])).mean()))
    return t_interval(apart)


@functools.cache
def over_the_map() -> list[Interval]:
    """What the penalty on length gains under attack in each combination of images and steps."""
    cells_of = robustness.cells_of("quick-confirm")
    return [effects(table, ROBUST)["scale_penalty"].shown for table in cells_of.values()]


def more_turned() -> Interval:
    """How far the penalty on length turns logits, relative to the penalty meant for it: the ratio of the changes."""
    length = of("scale_penalty 0.1", "cosine, logit").mean
    return exactly(length / of("cosine_penalty 1", "cosine, logit").mean)


def monotone() -> Interval:
    """The least fall of accuracy under attack from one slope to the next larger, over both origins."""
    steps = []
    for method in ("baseline", "label_smoothing"):
        levels = [by_hand(method, tau).mean for tau in (0.5, 0.71, 1.0, 1.41, 2.0)]
        steps += [before - after for before, after in itertools.pairwise(levels)]
    return exactly(min(steps), len(steps))


def by_heart(outcome: str) -> Effects:
    return effects(records.by_profile("core")["cifar10-papers"], outcome)


def of_soft(outcome: str, end: Callable) -> Interval:
    found = [by_heart(outcome)[method].shown for method in SOFT]
    return end(found)


def colour_inward() -> Interval:
    """The least that soft labels at E turn the attack towards the origin, in the row space."""
    found = effects(records.by_profile("core")["cifar10-jpeg-flip"], "inward, attack, cross-entropy, row space")
    return lowest(found[method].shown for method in SOFT)


def colour_gain() -> Interval:
    """The most that soft labels at E gain in accuracy under attack at 1/255."""
    found = effects(records.by_profile("core")["cifar10-jpeg-flip"], "robust, 1/255")
    return max((found[method].shown for method in SOFT), key=lambda one: one.low)


def beside_decay(profile: str, against: str = "weight_decay", outcome: str = ROBUST) -> Interval:
    """What the penalty on length at full strength does, compared with tuned weight decay of the same seeds."""
    core = records.by_profile("core")[profile]
    penalties = prediction.doses_as_methods(records.by_profile("interventions")[profile])
    return effects(penalties, outcome, core.loc[core["method"] == against])["scale_penalty 0.1"].shown


def alike_and_part_of_it(value: Interval) -> bool:
    """Are these lengths equal, and does length explain label smoothing's lower confidence, and half of Mixup's?"""
    return value.mean < 0.1 and 0.85 < share("label_smoothing").mean < 1.15 and 0.4 < share("mixup").mean < 0.6


def high_and_its_law_open(value: Interval) -> bool:
    """Is this above one half, and the declared law of a slope set by hand open?"""
    return value.low > 50 and laws.judged("slope")["slope-by-hand"].verdict == "open"


@functools.cache
def penalty_elsewhere(profile: str, outcome: str) -> Interval:
    """What the penalty on length does in another setting, compared with plain training."""
    tables = [records.by_profile(study)[profile] for study in ("core", "scale_penalty")]
    return effects(pandas.concat(tables), outcome)["scale_penalty"].shown


def learnt_at_most() -> Interval:
    """The largest accuracy, in percent, of the MobileNetV2s trained with the penalty."""
    right = records.by_profile("scale_penalty")["mobilenet-confirm"]["accuracy"].to_numpy(float)
    return exactly(100 * float(right.max()))


def rule() -> Interval:
    """The number that judges the declared rule of eleven properties."""
    return laws.judged()["prediction"].parts[0].interval


def verdict() -> Interval:
    """1 if the declared contrasts of bound and strength say "interaction", the word of the page, else 0."""
    return exactly(float(margins.decided_by(cells()) == "interaction"))


def bare(outcome: str, method: str) -> Interval:
    """What a method does in heads without a bias, whose cones are exact."""
    return effects(records.by_profile("no_bias_again")["quick-fp32"], outcome)[method].shown


by_cell = functools.partial(cell_of, "park_by_hand")
many_by_cell = functools.partial(cell_of, "park_by_hand", setting="B")


def stays_as_the_slope_does(value: Interval) -> bool:
    """Does this length change by about a percent, and is the slope's verdict no difference?"""
    return abs(value.mean) < 0.015 and park()["the pull on the slope"].word == judge.SAME


def at_other_radii(of: str) -> list[Interval]:
    """What the length or the cosine does by itself at B, at the radii that were not declared."""
    return [on_average(of, f"robust, {radius}", "B") for radius in ("0.4/255, PGD-7", "1/255", "2/255", "8/255")]


def some_lose(value: Interval) -> bool:
    """Does each of the five lower confidence by at least this, while under attack some gain and some lose?"""
    attacked = [of(method) for method in ALIKE]
    return falls(value) and any(map(rises, attacked)) and any(map(falls, attacked))


def no_difference(value: Interval) -> bool:
    """Is this declared to be no difference, and is the margin more than half of what label smoothing does?"""
    return (
        abs(value.mean) < 3 < 2 * -of("label_smoothing 0.1").mean and park()["length on robustness"].word == judge.SAME
    )


def visible_more(setting: str) -> Interval:
    """How much more the cosine inside what the head reads rises with short logits than with a raised Park's cosine."""
    length, cosine = (on_average(of, VISIBLE, setting) for of in ("length", "cosine"))
    return Interval(length.mean - cosine.mean, length.low - cosine.high, length.high - cosine.low, length.n)


CLAIMS = {
    "least-taken": Claim(lambda: highest(of(method, "gap") for method in ALIKE), some_lose, form=SIZE),
    "visible-more": Claim(lambda: lowest(visible_more(setting) for setting in "AB"), rises, form=WORDS),
    "visible-rises": Claim(
        lambda: lowest(
            one for method in ("label_smoothing", "maxsup") for one in in_settings("ABCDEF", VISIBLE, method)
        ),
        rises,
        form=WORDS,
    ),
    "random-many": Claim(lambda: at_random("B"), rises),
    "pull-random": Claim(lambda: beyond_random("B"), open_there_and_clear_at_a, form=WORDS),
    "length-many": Claim(contrast("length on robustness", "B"), rises),
    "cosine-many": Claim(contrast("cosine on robustness", "B"), rises, digits=1),
    "soft-turn": Claim(lambda: highest(soft_labels(BALL, "AB")), falls, form=WORDS),
    "alike": Claim(spread_of_lengths, alike_and_part_of_it, form=WORDS),
    "least-confidence": Claim(lambda: confidence(True), falls, form=SIZE),
    "penalty": Claim(lambda: of("scale_penalty 0.1"), rises, form=SIGNED),
    "logit-penalty": Claim(lambda: of("logit_penalty 0.01"), is_open, form=WORDS),
    "beside-decay-open": Claim(lambda: beside_decay("quick-confirm"), is_open, form=WORDS),
    "penalty-many": Claim(lambda: beside_decay("fashion-heldout", "baseline"), rises, form=SIZE),
    "penalty-many-accuracy": Claim(
        lambda: beside_decay("fashion-heldout", "baseline", "accuracy"), above(-0.5), form=WORDS
    ),
    "verdict": Claim(verdict, above(0), form=WORDS),
    "plain-gap": Claim(
        lambda: averages(records.by_profile("core")["quick-confirm"], "gap")["baseline"].scaled(100), rises
    ),
    "smoothing-loss": Claim(lambda: of("label_smoothing 0.1"), falls, form=SIZE),
    "one-curve": Claim(one_curve, is_open, digits=1),
    "turn-least": Claim(lambda: mean_of(ROBUST, least=True), rises, digits=1),
    "turn-most": Claim(lambda: mean_of(ROBUST, least=False), rises, digits=1),
    "turn-weak": Claim(lambda: least_open(weakly()), is_open, form=WORDS),
    "turn-equal": Claim(lambda: at_equal_cosine("label_smoothing"), is_open, digits=1, form=SIGNED),
    "turn-equal-less": Claim(lambda: at_equal_cosine("label_smoothing", less=True), rises, digits=1),
    "turn-length": Claim(more_turned, between(0.8, 1.2), form=WORDS),
    "penalty-map": Claim(lambda: exactly(min(one.mean for one in over_the_map()), 15), above(0), form=WORDS),
    "weak-loose": Claim(lambda: left(0.0001, 0.01), below(50)),
    "weak-tight": Claim(lambda: left(0.1, 0.01), below(50)),
    "strong-loose": Claim(lambda: left(0.0001, 1.0), below(50)),
    "strong-tight": Claim(lambda: left(0.1, 1.0), above(45)),
    "together": Claim(lambda: cells()["interaction"], rises, digits=1),
    "half-slope": Claim(lambda: by_hand("baseline", 0.5), high_and_its_law_open),
    "own-slope": Claim(lambda: by_hand("baseline", 1.0), below(50)),
    "twice-slope": Claim(lambda: by_hand("baseline", 2.0), below(25)),
    "by-gradient": Claim(by_gradient, lambda value: value.low > 0.5, digits=2),
    "by-shape": Claim(by_shape, lambda value: value.mean < 0.3, digits=2),
    "steps": Claim(monotone, above(0), form=WORDS),
    "shorter": Claim(lambda: of_soft("log magnitude", highest), falls, form=WORDS),
    "worse-error": Claim(lambda: of_soft("ECE", lowest), rises, form=WORDS),
    "turned": Claim(lambda: by_heart("cosine, ball")["cutmix"].shown, rises, digits=2, form=SIGNED),
    "turned-lost": Claim(lambda: by_heart(ATTACK)["cutmix"].shown, falls, digits=1, form=SIZE),
    "inward": Claim(colour_inward, rises, form=WORDS),
    "inward-gain": Claim(colour_gain, lambda value: value.low <= 0, form=WORDS),
    "bare-confidence": Claim(lambda: bare("gap", "label_smoothing"), falls, form=SIZE),
    "bare-robust": Claim(lambda: bare(ROBUST, "cutmix"), rises, form=SIZE),
    "pull-many": Claim(contrast("the pull on robustness", "B"), rises),
    "length-few": Claim(contrast("length on robustness"), no_difference, digits=1),
    "cosine-near": Claim(lambda: least_open(at_other_radii("cosine")), is_open, form=WORDS),
    "here-smoothing": Claim(lambda: many_by_cell(ROBUST, "label smoothing"), rises),
    "soft-gain": Claim(lambda: lowest(soft_labels(ROBUST, "B")), rises, form=WORDS),
    "as-smoothing": Claim(lambda: many_by_cell(ROBUST, "short, as plain", "label smoothing"), is_open, form=WORDS),
    "short-autoattack": Claim(lambda: by_autoattack("short, as plain"), above(8)),
    "smoothing-autoattack": Claim(lambda: by_autoattack("label smoothing"), above(8)),
    "held-autoattack": Claim(lambda: by_autoattack("long, as plain"), below(6)),
    "held-many": Claim(lambda: many_by_cell(ROBUST, "long, as plain"), is_open, form=WORDS),
    "short-many-plain": Claim(lambda: many_by_cell(ROBUST, "short, as plain"), rises),
    "gap-many": Claim(contrast("length on the gap", "B"), falls, form=SIZE),
    "plain-gap-many": Claim(lambda: many_by_cell("gap", "plain", None), rises),
    "error-many": Claim(contrast("length on ECE", "B"), rises, digits=1),
    "pull-cosine": Claim(lambda: by_cell(BALL, "pulled"), rises, digits=2),
    "pull-margin": Claim(lambda: factor(park()["the pull on the margin"].interval), above(1), digits=2),
    "pull-length": Claim(lambda: by_cell("log length", "pulled"), stays_as_the_slope_does, form=WORDS),
    "pull": Claim(contrast("the pull on robustness"), rises, digits=1),
    "smoothing-turns": Claim(lambda: by_cell(BALL, "label smoothing"), falls, digits=2, form=SIZE),
    "pull-smoothing": Claim(contrast("the pull on label smoothing, robustness"), rises, digits=1),
    "pull-smoothing-back": Claim(lambda: by_cell(ROBUST, "label smoothing, pulled"), is_open, form=WORDS),
    "row": Claim(lambda: by_cell(ROBUST, "to the row"), rises, digits=1),
    "row-turns": Claim(lambda: by_cell(BALL, "to the row"), above(0.08), form=WORDS),
    "means-turn": Claim(
        lambda: highest([by_cell(BALL, "to the mean"), by_cell(BALL, "to the centred mean")]),
        below(0.02),
        form=WORDS,
    ),
    "means-open": Claim(
        lambda: least_open([by_cell(ROBUST, "to the mean"), by_cell(ROBUST, "to the centred mean")]),
        is_open,
        form=WORDS,
    ),
    "park": Claim(contrast("cosine on robustness"), is_open, digits=1, form=SIGNED),
    "park-control": Claim(contrast("control, CutMix on robustness"), rises),
    "cutmix-turns": Claim(lambda: by_cell(BALL, "cutmix"), falls, form=WORDS),
    "random-open": Claim(lambda: by_cell(ROBUST, "to a random direction"), is_open, form=WORDS),
    "held-gap": Claim(contrast("length on the gap"), falls, form=SIZE),
    "held-likelihood": Claim(contrast("length on NLL at T"), rises, form=WORDS),
    "turned-gap": Claim(contrast("cosine on the gap"), rises, digits=1),
    "length-alone": Claim(lambda: control(SHORT), above(0.5), form=WORDS),
    "shape-control": Claim(control, below(0.2), form=WORDS),
    "rule-open": Claim(rule, is_open, form=WORDS),
    "penalty-elsewhere": Claim(
        lambda: least_open(
            [penalty_elsewhere("convnext-confirm", ROBUST), penalty_elsewhere("cifar10-jpeg-flip", "robust, 1/255")]
        ),
        is_open,
        form=WORDS,
    ),
    "penalty-mobile": Claim(learnt_at_most, below(25), form=WORDS),
}
