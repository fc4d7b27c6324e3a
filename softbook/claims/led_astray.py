"""Claims of When an attack is led astray: quiet logits, AutoAttack, where one gradient fails, the way to the origin."""

import functools

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
    extent,
    falls,
    highest,
    is_open,
    lowest,
    rises,
)
from softbook.claims.robustness import (
    ADVICE,
    ADVISED,
    COLOUR,
    HALVES,
    HEART,
    MANY,
    SOFT,
    at_scale,
    by_heart,
    core,
    left_more,
    survive,
)
from softbook.studies import bending, louder, margins, records, robustness
from softlab.comparison.effects import outcomes
from softlab.comparison.intervals import Interval, t_interval

ROWS = ", row space"


def off(radius: str, method: str) -> Interval:
    """How far the estimate of a method at F is above what the attack leaves, in points."""
    units = margins.estimate_units(by_heart(), radius).set_index("method")
    error = float(units.loc[method, "estimate"] - units.loc[method, "attacked"])
    return exactly(error).of(by_heart(), f"estimate minus attack at {radius} (points)")


def again_at_many() -> pandas.DataFrame:
    return records.by_profile("core_again")[MANY]


def estimated_at_many(method: str) -> Interval:
    """What the estimate says of a method's network at B and 4/255, in percent."""
    units = margins.estimate_units(again_at_many(), "4/255")
    (value,) = units.loc[units["method"] == method, "estimate"]
    return exactly(float(value))


def missed_after(steps: int) -> Interval:
    """By how many points the estimate misses an attack of 4/255 after so many steps: of five numbers of images."""
    errors = [one.error for (_, walked), one in margins.in_cells().items() if walked == steps]
    return exactly(float(np.mean(errors)), len(errors))


def met_at_many(method: str, attack: str) -> Interval:
    """What an attack leaves, in percent, of a method's network there, on the images that AutoAttack met."""
    (left,) = robustness.autoattacked(again_at_many(), MANY)[attack][method]
    return exactly(left)


@functools.cache
def beyond() -> dict[str, dict[str, list[float]]]:
    return robustness.taken_beyond()


def taken(place: str, method: str) -> Interval:
    """Points that AutoAttack takes off a method's networks beyond the ladder, or beyond PGD-7: their mean."""
    points = beyond()[place][method]
    return exactly(float(np.mean(points)), len(points))


def left_in_new_pairs(radius: float) -> dict[str, dict[str, list[float]]]:
    """At F, what the ladder (or PGD-7) and AutoAttack leave of the networks that were trained for AutoAttack."""
    return robustness.autoattacked(records.by_profile("stronger_attack")[HEART], HEART, radius)


def more_in_pairs() -> np.ndarray:
    """In new pairs at F: points that AutoAttack takes more off label smoothing than off plain training, (pairs,)."""
    left = left_in_new_pairs(0.4)
    points = {m: np.subtract(left["the ladder"][m], left["AutoAttack"][m]) for m in ("label_smoothing", "baseline")}
    return points["label_smoothing"] - points["baseline"]


def taken_again() -> Interval:
    """The least of these."""
    more = more_in_pairs()
    return exactly(float(more.min()), len(more))


def networks_met() -> dict[str, str]:
    """Networks that AutoAttack has met, each once: {id: method}."""
    found = {}
    for _, profile, radius, studies in robustness.MEETINGS:
        done = robustness.met_by_autoattack(profile, radius)
        for study in studies:
            table = records.by_profile(study)[profile]
            found |= {one: method for one, method in zip(table["id"], table["method"], strict=True) if one in done}
    return found


def far_behind() -> Interval:
    """In those pairs, points that AutoAttack at 1/255 leaves less with label smoothing than with plain training."""
    left = left_in_new_pairs(1)["AutoAttack"]
    behind = np.subtract(left["baseline"], left["label_smoothing"])
    return exactly(float(behind.mean() if (behind > 0).all() else np.nan), len(behind))


def every_taken() -> Interval:
    """The same over all networks that AutoAttack has met, with the least and the most."""
    return extent([point for methods in beyond().values() for points in methods.values() for point in points])


def bend(profile: str, method: str, radius: float = 4.0) -> Interval:
    """The share of its lead that an attack leaves, minus what a line along the first gradient would leave."""
    table = bending.recorded(profile)
    rows = table.loc[(table["method"] == method) & (table["radius"] == radius)]
    return exactly(float((rows["attacked"] - rows["straight"]).mean()), len(rows))


def most_bent(profile: str) -> Interval:
    """The largest bend, to whichever side, of plain training, label smoothing and Mixup at 4/255."""
    sizes = [abs(bend(profile, method).mean) for method in ("baseline", "label_smoothing", "mixup")]
    return exactly(max(sizes), len(sizes))


@functools.cache
def by_autoattack(profile: str, method: str) -> Interval:
    """What a method gains under AutoAttack, in points: mean, least and most over the networks that it met."""
    left = robustness.autoattacked(core(profile), profile)["AutoAttack"]
    gains = np.subtract(left[method], left["baseline"])
    return extent(gains)


def weak_attack(profile: str, method: str, radius: float = 4) -> Interval:
    """Share (%) of images that seven steps up the cross-entropy leave, and a better attack does not."""
    return robustness.left_by_weak_attack(core(profile), radius)[method]


def weak_on_soft(profile: str, radius: float) -> list[Interval]:
    """That share with each of the four soft labels, in ascending order."""
    found = [weak_attack(profile, method, radius) for method in (*SOFT, "maxsup")]
    return sorted(found, key=lambda one: one.mean)


def by_rung(method: str, rung: int) -> Interval:
    """What a method changes at F and 2/255, in points, by one attack: 1, seven steps; 2, the whole ladder."""
    at = robustness.RADII.index(2)
    survived = outcomes(by_heart(), "survived")
    share = {m: {seed: one[rung, at].mean() for seed, one in seeds.items()} for m, seeds in survived.items()}
    return t_interval(np.array([100 * (share[method][seed] - share["baseline"][seed]) for seed in share[method]]))


@functools.cache
def loud() -> pandas.DataFrame:
    return louder.recorded("quick-fp32")


def runner_up(method: str, factor: float = 1) -> Interval:
    """The runner-up's share of the probability that is wrong, in percent, with the logits times a factor."""
    column = f"runner-up, times {factor:g}"
    shares = 100 * loud().loc[loud()["method"] == method, column]
    return t_interval(shares.to_numpy()).of(loud(), f"{column}, in percent")


def made_loud(method: str, factor: float = louder.FACTOR) -> Interval:
    """Points by which what seven steps leave changes when the logits are multiplied by a factor."""
    return louder.changed(loud(), f"times {factor:g}", "times 1", method)


def loud_by_heart(method: str) -> Interval:
    """At F and 1/255, in points: by how much seven steps leave less when the logits are multiplied by FACTOR."""
    table = louder.recorded(HEART).query("radius == 1")
    return exactly(-louder.changed(table, f"times {louder.FACTOR}", "times 1", method).mean)


def declared_of_louder() -> Interval:
    """How many of the five statements of softbook.studies.louder hold, those on soft labels for all four."""
    found = louder.statements(loud())
    return exactly(float(sum(found.values())), len(found))


def inward(profile: str, method: str, space: str = "") -> Interval:
    return at_scale(profile, method, f"inward, attack, cross-entropy{space}")


CLAIMS = {
    "road-met-mixup": Claim(lambda: met_at_many("mixup", "AutoAttack"), between(25, 40)),
    "road-estimate-mixup": Claim(lambda: estimated_at_many("mixup"), below(25)),
    "steps-few": Claim(lambda: missed_after(360), below(1.5), digits=1),
    "steps-many": Claim(lambda: missed_after(5760), above(3.5)),
    "straight": Claim(lambda: most_bent("quick-fp32"), below(0.05), form=WORDS),
    "straight-plain": Claim(lambda: bend(MANY, "baseline"), between(-0.03, 0.03), form=WORDS),
    "bends-down": Claim(lambda: bend(MANY, "label_smoothing"), below(-0.1), form=WORDS),
    "bends-up": Claim(lambda: bend(MANY, "mixup"), above(0.1), form=WORDS),
    "real-few-least": Claim(lambda: exactly(by_autoattack("quick-confirm", "cutmix").low), above(5)),
    "real-few-most": Claim(lambda: exactly(by_autoattack("quick-confirm", "cutmix").high), above(5)),
    "loud-others": Claim(
        lambda: highest(made_loud(method) for method in ("maxsup", "mixup", "cutmix")), between(-3, -1), form=WORDS
    ),
    "real-many": Claim(lambda: by_autoattack("fashion-heldout", "cutmix"), above(5)),
    "real-many-smoothing": Claim(lambda: by_autoattack("fashion-heldout", "label_smoothing"), above(5)),
    "weak-plain": Claim(lambda: weak_attack("quick-confirm", "baseline"), below(1.5), digits=1),
    "weak-plain-heart": Claim(lambda: weak_attack(HEART, "baseline", 1), below(2.5), digits=1),
    "weak-soft-least": Claim(lambda: weak_on_soft("quick-confirm", 4)[0], above(1.5), digits=1),
    "weak-heart-least": Claim(lambda: weak_on_soft(HEART, 1)[0], above(2), digits=1),
    "weak-verdict": Claim(lambda: by_rung("label_smoothing", 1), rises, form=WORDS),
    "weak-turned": Claim(lambda: by_rung("label_smoothing", 2), is_open, form=WORDS),
    "second-plain": Claim(lambda: runner_up("baseline"), above(60)),
    "second-smoothing": Claim(lambda: runner_up("label_smoothing"), below(40)),
    "loud-smoothing": Claim(lambda: made_loud("label_smoothing"), falls, digits=1, form=SIZE),
    "second-decay": Claim(lambda: runner_up("weight_decay"), below(50)),
    "second-loud": Claim(lambda: runner_up("label_smoothing", louder.FACTOR), above(60)),
    "kind-decay": Claim(lambda: louder.kindness(loud())["weight_decay"], below(3), digits=1),
    "kind-mixup": Claim(lambda: louder.kindness(loud())["mixup"], above(2), digits=1),
    "quiet-plain": Claim(lambda: made_loud("baseline", 0.25), rises, digits=1),
    "loud-declared": Claim(declared_of_louder, above(4.5), form=WORDS),
    "loud-far-plain": Claim(lambda: loud_by_heart("baseline"), lambda value: value.mean < -3, form=SIZE),
    "met": Claim(lambda: exactly(float(len(networks_met()))), above(20)),
    "advised": Claim(lambda: survive(ADVICE, *ADVISED), above(0.5), form=WORDS),
    "advised-decay": Claim(lambda: left_more(ADVICE, "weight_decay"), above(5), form=SIZE),
    "advised-noise": Claim(lambda: left_more(ADVICE, "gaussian_noise"), above(15), form=SIZE),
    "advised-penalty": Claim(lambda: left_more(ADVICE, "gradient_penalty"), above(15), form=SIZE),
    "advised-attacked": Claim(lambda: left_more(ADVICE, "adversarial_training"), above(15), form=SIZE),
    "real-third": Claim(lambda: left_more(HALVES, "cutmix"), above(0), form=SIZE),
    "met-least": Claim(every_taken, lambda value: value.low >= 0, form=WORDS),
    "inward-rows": Claim(lambda: inward("quick-confirm", "label_smoothing", ROWS), rises, digits=2, form=SIGNED),
    "inward-whole": Claim(lambda: inward("quick-confirm", "label_smoothing"), falls, digits=2, form=SIGNED),
    "inward-colour": Claim(
        lambda: lowest(inward(place, m, s) for place in (COLOUR, HEART) for m in SOFT for s in ("", ROWS)),
        rises,
        form=WORDS,
    ),
    "outward-mobile": Claim(
        lambda: highest(inward("mobilenet-confirm", m, s) for m in SOFT for s in ("", ROWS)), falls, form=WORDS
    ),
    "taken-again": Claim(taken_again, lambda value: value.mean > 0 and value.n == 2, form=WORDS),
    "far-behind": Claim(far_behind, above(4), digits=1),
    "by-heart-estimate-plain": Claim(lambda: off("1/255", "baseline"), above(0)),
    "by-heart-estimate-smoothing": Claim(lambda: off("1/255", "label_smoothing"), above(6)),
}
