"""Claims of Robustness: margin and slope, one gradient, what robustness can be, and the papers' own regime."""

import functools
import math
from typing import Any

import numpy as np
import pandas

from softbook.claims import (
    SIGNED,
    SIZE,
    WORDS,
    Claim,
    Condition,
    above,
    below,
    between,
    exactly,
    extent,
    factor,
    falls,
    highest,
    in_settings,
    is_open,
    least_open,
    lowest,
    rises,
    rounded_down,
)
from softbook.claims._reasons import apart, halves, images_say, labels_pass_later, less_than_its_better_half
from softbook.studies import another_slope, laws, margins, prediction, records, robustness
from softlab.comparison.effects import averages, effects
from softlab.comparison.intervals import Interval, t_interval

ATTACK = "robust, 0.4/255, PGD-7"  # the paper's
FAR = "robust, 1/255"
LADDER = "robust, 4/255"
HEART = "cifar10-papers"
MANY = "fashion-heldout"
ESCAPES = "fixed_scale"  # of which one gradient promises too much
COLOUR = "cifar10-jpeg-flip"
SOFT = ("label_smoothing", "mixup", "cutmix")


@functools.cache
def by_heart() -> pandas.DataFrame:
    return records.by_profile("core")["cifar10-papers"]


@functools.cache
def places() -> dict[str, margins.Place]:
    return {one.method: one for one in margins.places(by_heart(), ATTACK)}


@functools.cache
def over_the_map(method: str) -> dict[tuple[int, int], Interval]:
    """What a method gains under attack, by images and steps."""
    cells = robustness.cells_of("quick-confirm")
    return {place: effects(table, LADDER)[method].shown for place, table in cells.items()}


def on_the_map(method: str, condition: Condition) -> Interval:
    """In how many of the fifteen combinations a condition holds for a method's gain."""
    found = over_the_map(method)
    return exactly(float(sum(map(condition, found.values()))), len(found))


def of_those_right(profile: str, method: str, radius: str = "1/255") -> Interval:
    """The share (%) of attacked, correctly classified images that survives: a method's less plain training's."""
    shares: dict[str, dict[int, float]] = {}
    for method_of, seed, images in core(profile)[["method", "seed", "images"]].itertuples(index=False):
        survived = images[f"survives {radius}"]
        right = images["right"][: len(survived)]
        shares.setdefault(method_of, {})[seed] = 100 * float(survived.sum() / right.sum())
    seeds = sorted(set(shares[method]) & set(shares["baseline"]))
    return t_interval([shares[method][seed] - shares["baseline"][seed] for seed in seeds])


def step_too_high() -> Interval:
    """By how many points FGSM at 4/255 leaves more than the ladder, the mean over methods and doses at A."""
    units = margins.estimate_units(records.by_profile("many")["quick-fp32"], "4/255")
    return extent((units["one_step"] - units["attacked"]).to_numpy(float))


def missed_at_eight() -> Interval:
    units = margins.estimate_units(records.by_profile("many")["quick-fp32"], "8/255")
    return extent(np.abs((units["estimate"] - units["attacked"]).to_numpy(float)))


def change(quantity: str, method: str) -> Interval:
    return effects(by_heart(), quantity)[method].shown


def plain(quantity: str) -> Interval:
    return averages(by_heart(), quantity)["baseline"].scaled(100)


@functools.cache
def flat(method: str, dose: float) -> pandas.DataFrame:
    """Plain training, and a method recorded as a yardstick for others, at one of its strengths."""
    table = records.by_profile("flat")["quick-fp32"]
    chosen = (table["method"] == method) & np.isclose(table["dose"].to_numpy(float), dose, atol=1e-6)
    return table.loc[(table["method"] == "baseline") | chosen]


def kept(method: str, dose: float, of: str | None = None) -> Interval:
    return averages(flat(method, dose), "robust, 4/255")[of or method].scaled(100)


def gained(method: str, dose: float, quantity: str = "accuracy") -> Interval:
    return effects(flat(method, dose), quantity)[method].shown


def noise(profile: str, strength: float, quantity: str = LADDER) -> Interval:
    """What Gaussian noise on every training image does beside plain training of the same seeds."""
    profiles = (profile, "quick-again") if profile == "quick-confirm" else (profile,)  # ten seeds in all
    tables = [prediction.doses_as_methods(records.by_profile("many")[one]) for one in profiles]
    return effects(pandas.concat(tables), quantity)[f"gaussian_noise {strength:g}"].shown


def most_of_a_label() -> Interval:
    """The largest change, either way, that a soft label makes to accuracy under attack."""
    beside = margins.places(records.by_profile("core")["quick-fp32"])
    changes = [one.attacked for one in beside if one.method in ("label_smoothing", "mixup", "cutmix")]
    return max(changes, key=lambda change: abs(change.mean))


def core(profile: str) -> pandas.DataFrame:
    return records.by_profile("core")[profile]


@functools.cache
def grey() -> dict[str, margins.Place]:
    """Places on the plane at A, the default setting, in single precision."""
    return {one.method: one for one in margins.places(core("quick-fp32"))}


def largest_of_soft(side: str) -> Interval:
    """The soft labels' change of margin or slope at A that ends highest."""
    return highest(getattr(grey()[method], side) for method in SOFT)


def split(method: str, axis: int) -> Interval:
    """The change of margin (0) or slope (1), relative to four measures of size, whose interval ends lowest."""
    table = core("quick-fp32")
    found = margins.by_normaliser(table, method)
    return lowest(pair[axis] for name, pair in found.items() if name != "raw")


def cut_slope() -> Interval:
    """CutMix's slope at A relative to three measures of size: the change that comes nearest to excluding zero."""
    found = margins.by_normaliser(core("quick-fp32"), "cutmix")
    slopes = [found[name][1] for name in ("length", "range", "spread between images")]
    return least_open(slopes)


def at_scale(profile: str, method: str, quantity: str = LADDER, against: str = "baseline") -> Interval:
    return effects(core(profile), quantity, against)[method].shown


@functools.cache
def estimates() -> pandas.DataFrame:
    """Estimate and ladder for everything on record: most of this page's work, and needed three times."""
    units, _ = margins.every_estimate()
    return units


def too_high(profile: str, radius: str | None = None, escaped: bool | None = None) -> np.ndarray:
    """By how many points the estimate is above what an attack leaves, over methods, doses and studies.

    radius: None for all.  escaped: only the method that escapes the estimate, or only the others.
    """
    units = estimates()
    chosen = units["profile"] == profile
    if radius:
        chosen &= units["radius"] == radius
    if escaped is not None:
        chosen &= (units["method"] == ESCAPES) == escaped
    error = units["estimate"] - units["attacked"]
    return np.asarray(error[chosen], dtype=float)


@functools.cache
def missed(profile: str, radius: str | None = None) -> Interval:
    """By how many points the estimate misses an attack: the mean, up to the most."""
    error = np.abs(too_high(profile, radius))
    return extent(error)


def escapes(profile: str) -> Interval:
    """By how many points the estimate at 4/255 is too high for the method that escapes it: the least over its doses."""
    error = too_high(profile, "4/255", escaped=True)
    return exactly(float(error.min()), len(error))


@functools.cache
def doubling(method: str, axis: int) -> Interval:
    """Points under attack gained by twice the images (0), twice the steps (1) or both (2), over fifteen cells."""
    return robustness.per_doubling(robustness.cells_of("quick-confirm"), method, LADDER)[axis]


def percent_by_doubling(quantity: str, axis: int) -> Interval:
    """By how many percent twice the images (0) or twice the steps (1) change margin or slope of plain training."""
    return exactly(100 * math.expm1(margins.plain_per_doubling()[quantity][axis]), 15)


def passes_order_best(methods: tuple[str, ...]) -> Interval:
    """How much better passes order the cells than the better of images and steps: the least over these methods.

    By two measures: how little one curve misses, and the rank correlation.
    """
    cells = robustness.cells_of("quick-confirm")
    axes = {
        "passes": [steps / n for n, steps in cells],
        "images": [n for n, _ in cells],
        "steps": [s for _, s in cells],
    }
    ahead = []
    for method in methods:
        left = [averages(table, LADDER)[method].mean for table in cells.values()]
        curve = {name: robustness.fall_together(axis, left) for name, axis in axes.items()}
        ranks = {name: abs(pandas.Series(axis).corr(pandas.Series(left), "spearman")) for name, axis in axes.items()}
        ahead += [score["passes"] - max(score["images"], score["steps"]) for score in (curve, ranks)]
    return exactly(min(ahead), len(ahead))


@functools.cache
def by_hand(method: str) -> pandas.DataFrame:
    rows = another_slope.recorded("quick-fp32")
    return rows.loc[rows["method"] == method].pivot(index="seed", columns="tau")


def by_hand_gains(method: str) -> np.ndarray:
    """Points of accuracy under attack that a lower slope gains over the sham, network by network."""
    own: Any = by_hand(method)[LADDER]
    return 100 * np.asarray(own[another_slope.LOWER] - own[another_slope.SHAM], dtype=float)


def by_hand_fell(method: str) -> Interval:
    change: Any = by_hand(method)["fit, log_slope"]
    return t_interval(100 * (1 - np.exp(np.asarray(change[another_slope.LOWER], dtype=float))))


def by_hand_left_out(method: str) -> Interval:
    admitted: Any = by_hand(method)["admitted"]
    out = float((~admitted[another_slope.LOWER].astype(bool)).sum())
    return exactly(out, len(admitted))


def is_open_law(name: str) -> Interval:
    """1 if a declared law of margin and slope is open, the word of the page, else 0."""
    return exactly(float(laws.judged("slope")[name].verdict == "open"))


ADVICE, HALVES = "A, what the book advises", "A, halves of mixtures"  # of robustness.MEETINGS
ADVISED = ("weight_decay", "gaussian_noise", "gradient_penalty", "adversarial_training")


@functools.cache
def left_at(place: str) -> dict[str, dict[str, float]]:
    """Percent that the ladder, and AutoAttack, leave of the networks of one of MEETINGS, one of each method."""
    _, profile, radius, studies = next(one for one in robustness.MEETINGS if one[0] == place)
    table = pandas.concat([records.by_profile(study)[profile] for study in studies])
    left = robustness.autoattacked(table, profile, radius)
    return {who: {method: values[0] for method, values in methods.items()} for who, methods in left.items()}


def left_more(place: str, method: str, who: str = "AutoAttack") -> Interval:
    """What a method keeps beside plain training under an attack, in points: one network each."""
    left = left_at(place)[who]
    return exactly(left[method] - left["baseline"])


def survive(place: str, *methods: str) -> Interval:
    """The least share of the ladder's gain that AutoAttack leaves of these."""
    shares = [left_more(place, method).mean / left_more(place, method, "the ladder").mean for method in methods]
    return exactly(min(shares), len(shares))


def chosen_at_many() -> Interval:
    """What label smoothing gains at B at the strength that is best by NLL on images for fitting, as the decay is."""
    table = records.by_profile("dose")[MANY]
    table = table.assign(method=[f"smoothing {alpha:g}" for alpha in table["alpha"]])
    means: Any = table.groupby("method")["NLL, fit"].mean()
    return effects(table, LADDER, "smoothing 0")[str(means.idxmin())].shown


CLAIMS = {
    "gain-cutmix": Claim(lambda: at_scale("quick-confirm", "cutmix"), above(5), form=SIZE),
    "three-times": Claim(
        lambda: gained("gradient_penalty", 0.1, LADDER).scaled(1 / at_scale("quick-confirm", "cutmix").mean),
        lambda value: 2.3 < value.mean < 3.5,
        form=WORDS,
    ),
    "shrink-margin": Claim(lambda: largest_of_soft("margin"), falls, form=WORDS),
    "shrink-slope": Claim(lambda: largest_of_soft("slope"), falls, form=WORDS),
    "ratio-cutmix": Claim(lambda: factor(grey()["cutmix"].ratio), above(1), digits=1),
    "ratio-smoothing": Claim(lambda: factor(grey()["label_smoothing"].ratio), below(1), digits=1),
    "ratio-mixup": Claim(lambda: factor(grey()["mixup"].ratio), below(1), digits=1),
    "wider-smoothing": Claim(lambda: split("label_smoothing", 0), above(0), form=WORDS),
    "steeper-smoothing": Claim(lambda: split("label_smoothing", 1), above(0), form=WORDS),
    "split-cutmix": Claim(cut_slope, is_open, form=WORDS),
    "missed": Claim(lambda: missed("quick-fp32"), lambda value: value.mean < 1, digits=1),
    "escapes": Claim(lambda: rounded_down(escapes("quick-fp32").mean, 0), above(5)),
    "missed-by-heart": Claim(lambda: missed(HEART, "1/255"), lambda value: value.mean > 3, digits=1),
    "twice-images": Claim(lambda: doubling("baseline", 0), rises, digits=1),
    "twice-steps": Claim(lambda: doubling("baseline", 1), falls, digits=1, form=SIZE),
    "passes": Claim(lambda: passes_order_best(("baseline", "mixup", "cutmix")), above(0), form=WORDS),
    "cutmix-gains": Claim(lambda: on_the_map("cutmix", rises), above(7.5)),
    "cutmix-losses": Claim(lambda: on_the_map("cutmix", falls), below(4)),
    "cutmix-still-heart": Claim(lambda: of_those_right(HEART, "cutmix"), falls, form=SIGNED),
    "step-high": Claim(step_too_high, lambda value: value.mean > 4),
    "missed-at-eight": Claim(missed_at_eight, lambda value: value.mean > 4),
    "twice-steps-margin": Claim(lambda: percent_by_doubling("log margin", 1), above(5)),
    "twice-steps-slope": Claim(lambda: percent_by_doubling("log slope", 1), above(15)),
    "many-smoothing": Claim(lambda: at_scale(MANY, "label_smoothing"), rises),
    "many-cutmix": Claim(lambda: at_scale(MANY, "cutmix"), rises),
    "many-decay": Claim(lambda: at_scale(MANY, "weight_decay"), rises),
    "by-hand-fell": Claim(lambda: by_hand_fell("label_smoothing"), rises),
    "by-hand-gain": Claim(lambda: t_interval(by_hand_gains("label_smoothing")), rises, digits=1),
    "by-hand-out": Claim(lambda: by_hand_left_out("baseline"), above(0)),
    "ratio-by-heart": Claim(
        lambda: max((places()[m].ratio for m in SOFT), key=lambda one: abs(one.mean)),
        lambda value: abs(value.mean) < 0.15,
        form=WORDS,
    ),
    "mixup-convnext": Claim(lambda: in_settings("C", LADDER, "mixup")[0], falls, form=SIZE),
    "decay-colour": Claim(lambda: in_settings("F", FAR, "weight_decay")[0], rises, form=SIZE),
    "decay-mobile": Claim(lambda: in_settings("D", LADDER, "weight_decay")[0], falls, digits=1, form=SIZE),
    "decay-slope": Claim(lambda: factor(places()["weight_decay"].slope), below(0.6), digits=2),
    "decay-margin": Claim(lambda: factor(places()["weight_decay"].margin), below(0.9), digits=2),
    "cutmix-grey": Claim(lambda: lowest(in_settings("ABC", LADDER, "cutmix")), above(5), form=WORDS),
    "cutmix-mobile": Claim(lambda: in_settings("D", LADDER, "cutmix")[0], rises, form=WORDS),
    "cutmix-colour": Claim(lambda: highest(in_settings("EF", FAR, "cutmix")), falls, form=WORDS),
    "smoothing-few": Claim(
        lambda: max(
            in_settings("ACD", LADDER, "label_smoothing") + in_settings("EF", FAR, "label_smoothing"),
            key=lambda one: one.low,
        ),
        lambda value: value.low < 0,
        form=WORDS,
    ),
    "flat-plain": Claim(lambda: kept("gradient_penalty", 0.1, "baseline"), below(45)),
    "flat-weak": Claim(lambda: kept("gradient_penalty", 0.1), above(60)),
    "flat-attacked-most": Claim(lambda: kept("adversarial_training", 8 / 255), above(65)),
    "flat-strong-accuracy": Claim(lambda: gained("gradient_penalty", 10.0), falls, form=SIZE),
    "flat-most-of-a-label": Claim(most_of_a_label, lambda value: abs(value.mean) < 20, form=SIZE),
    "noise-few": Claim(lambda: noise("quick-confirm", 0.25), rises, form=SIZE),
    "noise-few-accuracy": Claim(lambda: noise("quick-confirm", 0.25, "accuracy"), above(-1), form=WORDS),
    "noise-colour-accuracy": Claim(lambda: noise(COLOUR, 0.12, "accuracy"), falls, form=SIZE),
    "noise-colour-near": Claim(lambda: noise(COLOUR, 0.12, ATTACK), falls, form=SIZE),
    "by-heart-known": Claim(lambda: plain("training accuracy"), above(99), digits=1),
    "by-heart-left": Claim(lambda: plain(ATTACK), above(50)),
    "by-heart-mixup": Claim(lambda: change(ATTACK, "mixup"), is_open, digits=1, form=SIGNED),
    "all-lost": Claim(lambda: highest([change(FAR, method) for method in (*SOFT, "maxsup")]), falls, form=WORDS),
    "by-heart-decay": Claim(lambda: change(ATTACK, "weight_decay"), rises, form=SIZE),
    "by-heart-far-decay": Claim(lambda: change(FAR, "weight_decay"), rises, form=SIZE),
    "estimate-verdict": Claim(lambda: is_open_law("estimate"), between(0.5, 1.5), form=WORDS),
    "split-verdict": Claim(lambda: is_open_law("split"), between(0.5, 1.5), form=WORDS),
    "cutmix-apart-images": Claim(apart("CutMix's images against plain training"), images_say, form=SIZE),
    "cutmix-apart-whole": Claim(apart("control, CutMix against plain training"), rises, form=SIZE),
    "cutmix-apart-images-long": Claim(apart("CutMix's images against plain training", 32), rises, form=SIZE),
    "cutmix-apart-whole-long": Claim(apart("control, CutMix against plain training", 32), rises, form=SIZE),
    "cutmix-apart-labels": Claim(apart("CutMix's labels against plain training"), rises, form=SIZE),
    "cutmix-apart-labels-long": Claim(
        apart("CutMix's labels against plain training", 32), labels_pass_later, form=SIZE
    ),
    "mixup-apart-whole": Claim(
        lambda: highest(halves({"mixup": 1, "plain": -1}, steps) for steps in (8, 32)), falls, form=WORDS
    ),
    "advised": Claim(lambda: survive(ADVICE, *ADVISED), above(0.5), form=WORDS),
    "apart-autoattack": Claim(
        lambda: survive(HALVES, "cutmix", "cutmix_images", "mixup_images"), above(0.9), form=WORDS
    ),
    "apart-autoattack-labels": Claim(
        lambda: survive(HALVES, "cutmix_labels", "mixup_labels"), between(0.6, 0.75), form=WORDS
    ),
    "apart-ahead": Claim(lambda: halves({"cutmix, labels alone": 1, "cutmix, images alone": -1}, 32), rises, form=SIZE),
    "many-chosen": Claim(chosen_at_many, is_open, form=WORDS),
    "halves-less": Claim(less_than_its_better_half, falls, form=WORDS),
    "by-heart-lose": Claim(
        lambda: highest(change(ATTACK, method) for method in ("label_smoothing", "cutmix", "maxsup")),
        falls,
        form=WORDS,
    ),
}
