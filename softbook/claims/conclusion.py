"""Claims of the conclusion: the papers' sentences in their own regime and elsewhere, and the reason."""

from softbook.claims import (
    SIGNED,
    SIZE,
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
    rounded_up,
)
from softbook.claims._length import least_share
from softbook.claims._maxsup import at_best as tail_at_best
from softbook.claims._maxsup import (
    by_strength,
    grown_over_widths,
    parts,
    tail,
)
from softbook.claims._predicting import by_gradient
from softbook.claims._reasons import (
    at_random,
    averaged,
    beyond_random,
    contrast,
    each_half,
    left_in_groups,
    less_than_its_better_half,
    open_there_and_clear_at_a,
    shrinks_and_stays,
    taught,
    transferred,
    within_margin,
)
from softbook.claims._turning import gains, ten_seeds
from softbook.claims.intro import FAR, LADDER, LETTERS, OF_PARK, decay_loses, error_falls, of
from softbook.studies import louder, prediction, records, robustness, tally
from softlab.comparison.effects import at_best, averages, effects
from softlab.comparison.intervals import Interval

NEAR = "robust, 0.4/255, PGD-7"  # the attack of Park et al.
INWARD = "inward, attack, cross-entropy"
# What they claim of label smoothing, Mixup and CutMix, as far as it is about one number: here in setting F.
PARK = {
    "gap": falls,
    "log magnitude": falls,
    INWARD: rises,
    "ECE": falls,
    NEAR: rises,
    "cosine, ball": rises,
}
LONG = ((250, 5760), (1000, 5760))  # images and steps


def made_loud() -> Interval:
    """In A, images (%) more that the same seven steps fool if label smoothing's logits are multiplied by four."""
    table = louder.recorded("quick-fp32")
    return louder.changed(table, "times 1", f"times {louder.FACTOR}", "label_smoothing")


def cutmix_after_long_training() -> Interval:
    """CutMix where few images are seen very often: what ends highest."""
    cells = robustness.cells_of("quick-confirm")
    return highest(effects(cells[place], LADDER)["cutmix"].shown for place in LONG)


def noise_cost() -> Interval:
    """Gaussian noise at E: accuracy in points."""
    table = prediction.doses_as_methods(records.by_profile("many")["cifar10-jpeg-flip"])
    return effects(table, "accuracy")["gaussian_noise 0.12"].shown


def loosened() -> Interval:
    """In how many settings label smoothing loosens a class by logits, if it tightens one in none."""
    found = in_settings(LETTERS, "spread, logits", "label_smoothing")
    return exactly(float("nan") if any(map(falls, found)) else float(sum(map(rises, found))), len(found))


def in_f(quantity: str, methods: tuple[str, ...] = OF_PARK) -> list[Interval]:
    return [in_settings("F", quantity, method)[0] for method in methods]


def park_holds() -> Interval:
    """How many of the six claims hold in F for all three soft labels, if the first three do."""
    held = [all(condition(one) for one in in_f(quantity)) for quantity, condition in PARK.items()]
    return exactly(float(sum(held)) if all(held[:3]) else float("nan"), len(held))


def chosen(quantity: str, method: str) -> Interval:
    """In F, at the best of three strengths by NLL at T on images of their own."""
    return effects(at_best(records.by_profile("strength")["cifar10-papers"], "NLL at T, fit"), quantity)[method].shown


def learnt() -> Interval:
    return averages(records.by_profile("core")["cifar10-papers"], "training accuracy")["baseline"].scaled(100)


def less_directly() -> Interval:
    """In how many of the eighteen combinations of setting and soft label the cosine of Park et al. falls."""
    found = of("cosine, ball", OF_PARK)
    return exactly(float(sum(one.high < 0 for one in found)), len(found))


def rays(letter: str) -> list[Interval]:
    """How many fewer images in a hundred keep their class along the ray, with each of the three soft labels."""
    return [in_settings(letter, "constant class", method)[0] for method in OF_PARK]


def cutmix_on_grey(largest: bool) -> Interval:
    return (max if largest else min)(in_settings("ABCD", LADDER, "cutmix"), key=lambda one: one.mean)


def spread_apart() -> Interval:
    """In how many settings MaxSup's features are looser within a class than label smoothing's."""
    found = in_settings(LETTERS, "spread, raw", "maxsup", "label_smoothing")
    return exactly(float(sum(one.low > 0 for one in found)), len(found))


def moved_least() -> Interval:
    """The most that label smoothing moves accuracy in one of the settings, whatever its sign."""
    return max(in_settings(LETTERS, "accuracy", "label_smoothing"), key=lambda one: abs(one.mean))


def pressed() -> Interval:
    """In how many settings label smoothing presses a class together, if it does the opposite in all others."""
    found = in_settings(LETTERS, "spread, raw", "label_smoothing")
    tighter = sum(one.high < 0 for one in found)
    looser = sum(one.low > 0 for one in found)
    return exactly(float(tighter) if tighter + looser == len(found) else float("nan"), len(found))


def alone() -> Interval:
    """The regularization part alone less label smoothing."""
    return parts("regularization_only", "accuracy", "label_smoothing")


def without_bias() -> Interval:
    """The share (%) of images that keep their class along the ray if the head has no bias: the least over methods."""
    found = averages(records.by_profile("no_bias")["quick-fp32"], "constant class")
    return min((found[method] for method in ("baseline", *OF_PARK)), key=lambda one: one.mean).scaled(100)


def without_bias_too() -> Interval:
    """CutMix under attack if the head has no bias."""
    return effects(records.by_profile("no_bias_again")["quick-fp32"], LADDER)["cutmix"].shown


def declared(verdict: str = "") -> Interval:
    """How many of all declared statements have this verdict; without one, how many there are."""
    found = [one for one in tally.every() if verdict in ("", one.verdict)]
    return exactly(float(len(found)), len(tally.every()))


def same_sides() -> Interval:
    """The share (%) of effects on other images of Fashion-MNIST that are on the same side as before, if none turns."""
    known = records.by_profile("core")["quick-confirm"]
    outside = records.by_profile("outside")["quick-confirm"]
    quantities = ["accuracy", "gap", "ECE", "NLL at T", "AURC", LADDER]
    quantities += ["constant class", "log logit scale", "cosine, logit", "spread, logits"]
    same = []
    for quantity in quantities:
        there = effects(outside, quantity)
        for method, effect in effects(known, quantity).items():
            product = effect.interval.side() * there[method].interval.side()
            same.append(float("nan") if product < 0 else effect.interval.side() == there[method].interval.side())
    return exactly(100 * sum(same) / len(same), len(same))


CLAIMS = {
    "pull": Claim(contrast("the pull on robustness"), rises, form=SIZE),
    "by-gradient": Claim(by_gradient, lambda value: value.low > 0.5, digits=2),
    "by-margin": Claim(
        lambda: max(in_f("inward, attack, margin"), key=lambda one: one.low), lambda value: value.low <= 0, form=WORDS
    ),
    "lose-few": Claim(
        lambda: highest(in_settings("A", LADDER, method)[0] for method in ("label_smoothing", "mixup")),
        falls,
        form=WORDS,
    ),
    "near-few": Claim(
        lambda: least_open(in_settings("A", NEAR, method)[0] for method in ("label_smoothing", "mixup")),
        is_open,
        form=WORDS,
    ),
    "accurate-mixup": Claim(lambda: in_settings("E", "accuracy", "mixup")[0], falls, form=SIZE),
    "read-falls": Claim(lambda: highest(of("seen share", ("label_smoothing", "maxsup"))), falls, form=WORDS),
    "visible-rises": Claim(lambda: lowest(of("cosine, row space", ("label_smoothing", "maxsup"))), rises, form=WORDS),
    "length-many": Claim(contrast("length on robustness", "B"), rises),
    "random-few": Claim(lambda: at_random("A"), is_open, form=WORDS),
    "random-many": Claim(lambda: at_random("B"), rises),
    "pull-random": Claim(lambda: beyond_random("B"), open_there_and_clear_at_a, form=WORDS),
    "far": Claim(lambda: highest(in_f(FAR)), headline("by-heart-far", also=falls), form=WORDS),
    "noise-cost": Claim(noise_cost, falls, form=SIZE),
    "decay-loses": Claim(decay_loses, headline("decay-grey", "decay-colour", also=falls), form=WORDS),
    "loosened": Claim(loosened, headline("loosened", also=lambda value: value.mean == 5), form=WORDS),
    "length-smoothing": Claim(least_share, between(0.5, 0.7), form=WORDS),
    "learnt": Claim(learnt, above(99), digits=1),
    "park-holds": Claim(park_holds, lambda value: value.mean == 3, form=WORDS),
    "error": Claim(lambda: lowest(in_f("ECE")), headline("by-heart-error", also=rises), form=WORDS),
    "near": Claim(
        lambda: highest(in_f(NEAR, ("label_smoothing", "cutmix"))),
        lambda value: -2.5 < value.mean < -1.5 and falls(value),
        form=WORDS,
    ),
    "near-mixup": Claim(lambda: in_f(NEAR, ("mixup",))[0], is_open, form=WORDS),
    "chosen-falls": Claim(
        lambda: highest(chosen("ECE", method) for method in ("label_smoothing", "mixup")), falls, form=WORDS
    ),
    "chosen-rises": Claim(lambda: chosen("ECE", "cutmix"), rises, form=WORDS),
    "maxsup": Claim(
        lambda: least_open(in_settings(LETTERS, "accuracy", "maxsup", "label_smoothing")),
        headline("maxsup", "maxsup-hardly-ever", also=is_open),
        form=WORDS,
    ),
    "sure": Claim(
        lambda: highest([*of("mean confidence"), *of("log logit scale")]),
        headline("sure", "short-logits", also=falls),
        form=WORDS,
    ),
    "features": Claim(lambda: highest(of("log magnitude")), headline("short-features", also=falls), form=WORDS),
    "cutmix-least": Claim(lambda: cutmix_on_grey(largest=False), headline("cutmix-grey", also=rises), form=SIZE),
    "cutmix-most": Claim(lambda: cutmix_on_grey(largest=True), headline("cutmix-grey", also=rises), form=SIZE),
    "cutmix-long": Claim(cutmix_after_long_training, headline("cutmix-long", also=falls), form=WORDS),
    "cutmix-colour": Claim(
        lambda: highest(in_settings("EF", FAR, "cutmix")), headline("cutmix-colour", also=falls), form=WORDS
    ),
    "accurate-cutmix": Claim(lambda: in_settings("A", "accuracy", "cutmix")[0], rises, form=SIZE),
    "accurate-colour": Claim(lambda: in_settings("E", "accuracy", "cutmix")[0], falls, form=SIZE),
    "accurate-smoothing": Claim(moved_least, lambda value: abs(value.mean) < 0.5, form=WORDS),
    "error-falls": Claim(error_falls, lambda value: value.mean == 3, form=WORDS),
    "worse-at-t": Claim(
        lambda: lowest(in_settings(LETTERS, "NLL at T", "label_smoothing")),
        headline("worse-at-t", also=rises),
        form=WORDS,
    ),
    "cutmix-at-t": Claim(lambda: highest(in_settings("AC", "NLL at T", "cutmix")), falls, form=WORDS),
    "smoothing-many": Claim(lambda: in_settings("B", LADDER, "label_smoothing")[0], rises, form=SIZE),
    "logits-turn": Claim(
        lambda: lowest(of("cosine, logit", ("label_smoothing", "maxsup"))),
        headline("logits-turn", also=rises),
        form=WORDS,
    ),
    "less-directly": Claim(less_directly, headline("less-directly", also=lambda value: value.mean > value.n / 2)),
    "rays-least": Claim(lambda: max(rays("A"), key=lambda one: one.mean), falls, form=SIZE),
    "rays-most": Claim(lambda: min(rays("A"), key=lambda one: one.mean), falls, form=SIZE),
    "rays-heart-least": Claim(lambda: max(rays("F"), key=lambda one: one.mean), falls, form=SIZE),
    "rays-heart": Claim(lambda: min(rays("F"), key=lambda one: one.mean), falls, form=SIZE),
    "pressed": Claim(pressed, lambda value: value.mean == 4, form=WORDS),
    "spread-apart": Claim(spread_apart, lambda value: value.mean == 1, form=WORDS),
    "part": Claim(alone, is_open, digits=1, form=SIGNED),
    "part-most": Claim(lambda: rounded_up(alone().high, 1, alone().n), below(1), digits=1),
    "tail": Claim(tail, lambda value: 0 < value.low < 0.6, form=WORDS),
    "tail-best": Claim(lambda: tail_at_best(by_strength(), "maxsup"), is_open, form=WORDS),
    "tail-plain": Claim(lambda: tail_at_best(by_strength(), "label_smoothing", against="baseline"), falls, form=WORDS),
    "kind-loud": Claim(made_loud, rises, digits=1),
    "penalty": Claim(lambda: ten_seeds("scale_penalty 0.1"), rises, form=SIZE),
    "smoothing": Claim(lambda: ten_seeds("label_smoothing 0.1"), falls, form=SIZE),
    "no-bias": Claim(without_bias, above(99.5), form=WORDS),
    "no-bias-cutmix": Claim(without_bias_too, headline("no-bias", also=rises), form=WORDS),
    "turning": Claim(gains, headline("turning", also=lambda value: rises(value) and value.mean < 7), form=WORDS),
    "grown-strong": Claim(lambda: grown_over_widths("label_smoothing", 0.2), is_open, form=WORDS),
    "declared": Claim(declared, above(60)),
    "declared-failed": Claim(lambda: declared(tally.FAILED), above(0)),
    "declared-open": Claim(lambda: declared(tally.OPEN), above(0)),
    "declared-held": Claim(lambda: declared(tally.HELD), above(0)),
    "outside": Claim(same_sides, above(90), form=WORDS),
    "halves-each": Claim(lambda: lowest(each_half()), rises, form=WORDS),
    "halves-less": Claim(less_than_its_better_half, falls, form=WORDS),
    "transfer-stopped": Claim(transferred("label smoothing against plain training as accurate"), is_open, form=WORDS),
    "taught-smoothed": Claim(taught("a smoothed teacher against a plain one, NLL at T"), rises, digits=2),
    "alone-cost": Claim(averaged("control, label smoothing's cost alone"), rises, digits=2),
    "group-cost-many": Claim(left_in_groups, shrinks_and_stays, form=WORDS),
    "group-cost": Claim(averaged("label smoothing's cost in groups"), within_margin, form=WORDS),
    "transfer-linear": Claim(transferred("label smoothing, linear probe"), rises, digits=1),
}
