"""Claims of MaxSup: MaxSup and label smoothing, in six settings, with many classes, part by part, with rare ones."""

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
    falls,
    headline,
    highest,
    in_settings,
    is_open,
    least_open,
    lowest,
    rises,
    rounded_down,
    rounded_up,
)
from softbook.claims._maxsup import (
    at_best,
    by_strength,
    colour,
    colour_by_strength,
    error_alone_strong,
    grown_over_widths,
    in_colour,
    later,
    on_cpu,
    on_gpu_and_cpu,
    on_two_devices,
    others_strong,
    parts,
    rare,
    tail,
    tail_part,
    usual_beside_best,
    weaker,
)
from softbook.studies import long_tail, records
from softbook.studies.across_settings import effects_by_setting
from softlab.comparison.effects import averages, effects
from softlab.comparison.intervals import Interval, t_interval

LETTERS = "ABCDEF"
CORRUPTIONS = ("blur", "contrast", "jpeg", "noise")
WIDTHS = (4, 8)
SEPARATIONS = ("separation, raw", "separation, logits")  # R²: of the paper; one that no rescaling moves


def beside(letter: str, quantity: str) -> Interval:
    """MaxSup less label smoothing."""
    return in_settings(letter, quantity, "maxsup", "label_smoothing")[0]


def core(quantity: str, method: str = "label_smoothing", letter: str = "A") -> Interval:
    return in_settings(letter, quantity, method)[0]


def nowhere() -> Interval:
    """The difference in accuracy, over all settings, that comes nearest to excluding zero."""
    found = effects_by_setting("accuracy", least=2, against="label_smoothing").values()
    return least_open(one["maxsup"].shown for one in found if "maxsup" in one)


def hundred(study: str, width: int) -> pandas.DataFrame:
    table = records.by_profile(study)["quick-confirm"]
    return table.loc[table["width"] == width]


@functools.cache
def equal_strength() -> tuple[Interval, ...]:
    """MaxSup less label smoothing at three equal strengths and two widths."""
    found = []
    for width in WIDTHS:
        found.append(effects(hundred("hundred", width), "accuracy", "label_smoothing")["maxsup"].shown)
        strengths = hundred("hundred_strength", width)
        for alpha in (0.15, 0.2):
            chosen = strengths.loc[np.isclose(strengths["alpha"].to_numpy(float), alpha)]
            found.append(effects(chosen, "accuracy", "label_smoothing")["maxsup"].shown)
    return tuple(found)


def strong_wide() -> Interval:
    """Label smoothing at .2 less plain training in the wide network."""
    table = hundred("hundred_strength", 8)
    strong = table.loc[np.isclose(table["alpha"].to_numpy(float), 0.2)]
    plain = hundred("hundred", 8).query("method == 'baseline'")
    return effects(strong, "accuracy", plain)["label_smoothing"].shown


def tail_likelihood() -> Interval:
    """With a long tail, NLL at T of the regularization part alone less label smoothing's."""
    found = by_strength()
    alone = found["regularization_only", long_tail.USUAL]
    return long_tail.difference(alone, found["label_smoothing", long_tail.USUAL], "NLL at T").scaled(0.01)


def amplified_in_training(profile: str) -> Interval:
    """That share as a mean over all passes of training, in percent: trapezoids between the snapshots on record."""
    table = records.snapshots("core")[profile].query("method == 'label_smoothing'").sort_values("epoch")
    means = []
    for _, rows in table.groupby("seed"):
        area = np.trapezoid(rows["amplification, train"], rows["epoch"])
        means.append(100 * area / rows["epoch"].max())
    return t_interval(np.array(means)).of(table, "error amplification on training images, mean over passes")


def share_at(epoch: int) -> Interval:
    """That share in setting A after so many passes, from 0 to 1."""
    table = records.snapshots("core")["quick-fp32"].query(f"epoch == {epoch}")
    return averages(table, "amplification, train")["label_smoothing"]


@functools.cache
def corrupted() -> dict[tuple[str, str], Interval]:
    return {(one, kind): beside(one, f"corrupted, {kind}") for one in LETTERS for kind in CORRUPTIONS}


def corrupted_apart() -> Interval:
    """How many differences in accuracy on corrupted images exclude zero, if all of these are losses at D."""
    apart = {place: one for place, one in corrupted().items() if one.low > 0 or one.high < 0}
    expected = all(place == "D" and one.high < 0 for (place, _), one in apart.items())
    return exactly(float(len(apart)) if expected else np.nan, len(corrupted()))


def part_most() -> Interval:
    """The most that accuracy can gain by removing the error part, if all ten networks of each are on record."""
    found = parts("regularization_only", "accuracy", "label_smoothing")
    return rounded_up(found.high, 1, found.n) if found.n == 10 else exactly(np.nan)


def first_narrow() -> Interval:
    """MaxSup less label smoothing with a hundred grey classes in the narrow network: the contrast of laws.yml."""
    return effects(hundred("hundred", 4), "accuracy", "label_smoothing")["maxsup"].shown


def likelier() -> Interval:
    """MaxSup less label smoothing in NLL at T, at E, with a hundred colour classes, with a long tail: the highest."""
    found = by_strength()
    usual = long_tail.USUAL
    tailed = long_tail.difference(found["maxsup", usual], found["label_smoothing", usual], "NLL at T")
    return highest(
        [
            in_settings("E", "NLL at T", "maxsup", "label_smoothing")[0],
            in_colour("NLL at T"),
            tailed.scaled(0.01),
        ]
    )


def colour_grown() -> Interval:
    """MaxSup with its growing strength less label smoothing at .1, in colour: accuracy in points."""
    smoothing = on_gpu_and_cpu().query("method == 'label_smoothing'")
    return effects(records.by_profile("hundred_recipe")["cifar10-papers"], "accuracy", smoothing)["maxsup"].shown


@functools.cache
def drift() -> dict[str, Interval]:
    """MaxSup less label smoothing where a tenth or more of the training images stay wrong: accuracy in points."""
    grey = effects(hundred("hundred_again", 4), "accuracy", "label_smoothing")["maxsup"].shown
    return {"long tail": tail(), "E": beside("E", "accuracy"), "grey": grey, "colour": in_colour()}


def only_the_tail() -> Interval:
    """How many of these exclude zero, if only the long tail does."""
    apart = [place for place, one in drift().items() if one.side() > 0]
    return exactly(1.0 if apart == ["long tail"] else np.nan)


def still_wrong(table: pandas.DataFrame) -> Interval:
    """Training images that networks with label smoothing get wrong in the end, in percent."""
    right = averages(table, "training accuracy")["label_smoothing"].scaled(100)
    return exactly(100 - right.mean, right.n)


def tail_sure(method: str) -> Interval:
    """With a long tail, what a part of label smoothing's term does to the confidence of wrong answers, in points."""
    found = by_strength()
    return long_tail.difference(found[method, long_tail.USUAL], found["baseline", 0.0], "confidence when wrong")


def after_two(value: Interval) -> bool:
    """Does it stay above zero if one allows for two contrasts (Holm)? The weaker one needs no correction."""
    return value.low > 0 and 2 * value.p_value() < 0.05


def least_off_errors() -> Interval:
    """By how much label smoothing lowers the confidence of wrong answers where it does so least, of A to F: points."""
    one = highest(in_settings(LETTERS, "confidence when wrong", "label_smoothing"))
    return rounded_down(-one.mean, 0, one.n) if falls(one) else exactly(np.nan)


def error_part_out() -> Interval:
    """What leaving out the error part does to accuracy, in three places: what ends highest, in points."""
    found = [parts("regularization_only", "accuracy", "label_smoothing", of) for of in ("ablation", "ablation_noise")]
    found.append(tail_part("regularization_only", "label_smoothing"))
    return highest(found) if all(map(is_open, found)) else exactly(np.nan)


def with_noise(epochs: int) -> Interval:
    """MaxSup less label smoothing after so many epochs on labels of which 40 % are drawn anew: accuracy in points."""
    table = records.by_profile("noisy_labels")["quick-fp32"].query("label_noise == 0.4")
    if epochs != 45:
        table = records.by_profile("noisy_briefly")["quick-fp32"].query("epochs == @epochs")
    return effects(table, "accuracy", "label_smoothing")["maxsup"].shown


def looser() -> Interval:
    """In how many of A to F MaxSup's features vary more within classes than label smoothing's, if that is D alone."""
    found = {letter: beside(letter, "spread, raw") for letter in LETTERS}
    apart = [letter for letter, one in found.items() if not is_open(one)]
    return exactly(1.0 if apart == ["D"] and rises(found["D"]) else np.nan)


def in_colour_apart(separation: str) -> Interval:
    """MaxSup less label smoothing in R², with a hundred colour classes."""
    return effects(colour(), separation, "label_smoothing")["maxsup"].shown


def in_grey_apart(width: int, separation: str = "separation, logits") -> Interval:
    """The same with a hundred grey classes and networks of this width."""
    return effects(hundred("hundred_again", width), separation, "label_smoothing")["maxsup"].shown


def most_apart() -> Interval:
    """The largest gain of MaxSup over label smoothing in R² by either measure, of those that exclude zero."""
    found = [beside(letter, one) for letter in LETTERS for one in SEPARATIONS]
    found += map(in_colour_apart, SEPARATIONS)
    found += [in_grey_apart(width, one) for width in WIDTHS for one in SEPARATIONS]
    found += [effects(rare(), one, "label_smoothing")["maxsup"].shown for one in SEPARATIONS]
    return max(filter(rises, found), key=lambda one: one.mean)


def apart_elsewhere() -> Interval:
    """MaxSup less label smoothing in R² where it is said to be open: what comes nearest to excluding zero."""
    features = [beside(letter, "separation, raw") for letter in "ACDF"]
    return least_open(features + [beside(letter, "separation, logits") for letter in "ACDF"])


def beside_the_best() -> Interval:
    """MaxSup, usual or at its best, less label smoothing at its best: what comes nearest to excluding zero."""
    found = [weaker(), at_best(by_strength(), "maxsup")]
    found.append(usual_beside_best(colour_by_strength(), "accuracy"))
    found.append(at_best(colour_by_strength(), "maxsup", "accuracy"))
    return least_open(found)


CLAIMS = {
    "errors-less-sure": Claim(least_off_errors, headline("errors-less-sure", also=above(0))),
    "nowhere": Claim(nowhere, headline("maxsup-hardly-ever", also=is_open), form=WORDS),
    "wrong-less-grey": Claim(lambda: core("confidence when wrong"), falls, form=SIZE),
    "wrong-less": Claim(lambda: core("confidence when wrong", letter="E"), falls, form=SIZE),
    "never-surer": Claim(least_off_errors, headline("errors-less-sure", also=above(0)), form=WORDS),
    "order": Claim(
        lambda: lowest(in_settings(LETTERS, "AURC", "label_smoothing")), headline("order", also=rises), form=WORDS
    ),
    "wrong-maxsup": Claim(lambda: beside("E", "confidence when wrong"), falls, digits=1, form=SIZE),
    "share-start": Claim(lambda: share_at(0), between(0.45, 0.55), form=WORDS),
    "share-passes": Claim(lambda: amplified_in_training("quick-fp32"), below(2), digits=1),
    "share-colour": Claim(lambda: amplified_in_training("cifar10-papers"), below(5), digits=1),
    "error-alone": Claim(lambda: parts("amplification_only", "accuracy", "baseline"), is_open, digits=1, form=SIGNED),
    "part-less": Claim(
        lambda: parts("regularization_only", "accuracy", "label_smoothing"), is_open, digits=1, form=SIGNED
    ),
    "part-most": Claim(part_most, below(1), digits=1),
    "noise-part": Claim(
        lambda: parts("regularization_only", "accuracy", "label_smoothing", "ablation_noise"), is_open, form=WORDS
    ),
    "tail-steps-open": Claim(
        lambda: least_open(
            [tail_part("regularization_only", "label_smoothing"), tail_part("maxsup", "regularization_only")]
        ),
        is_open,
        form=WORDS,
    ),
    "tail-error-sure": Claim(lambda: tail_sure("amplification_only"), rises, digits=1),
    "tail-part-nll": Claim(tail_likelihood, lambda value: falls(value) and value.mean > -0.02, digits=3, form=WORDS),
    "strong-error": Claim(error_alone_strong, falls, digits=1, form=SIZE),
    "strong-others": Claim(others_strong, lambda value: value.mean < 100 / 9, form=WORDS),
    "noise-behind": Claim(lambda: with_noise(10), falls, digits=1, form=SIZE),
    "noise-open": Claim(lambda: least_open(map(with_noise, (5, 20, 45))), is_open, form=WORDS),
    "tight": Claim(lambda: core("spread, logits, train"), falls, digits=2, form=SIZE),
    "loose": Claim(lambda: core("spread, logits"), rises, digits=2, form=SIZE),
    "tight-same": Claim(lambda: beside("A", "spread, logits"), lambda v: abs(v.mean) < 0.01, form=WORDS),
    "raw-same": Claim(lambda: beside("A", "spread, raw"), is_open, form=WORDS),
    "looser-one": Claim(looser, between(0.5, 1.5), form=WORDS),
    "apart-colour": Claim(lambda: lowest(map(in_colour_apart, SEPARATIONS)), rises, form=WORDS),
    "apart-logits": Claim(lambda: lowest([beside("E", "separation, logits"), in_grey_apart(4)]), rises, form=WORDS),
    "apart-less": Claim(
        lambda: highest(
            [beside("B", "separation, raw"), beside("E", "separation, raw"), beside("B", "separation, logits")]
        ),
        falls,
        form=WORDS,
    ),
    "apart-open": Claim(apart_elsewhere, is_open, form=WORDS),
    "apart-most": Claim(most_apart, lambda value: 5 < 0.036 / value.mean < 7, digits=3),
    "grown-both": Claim(lambda: grown_over_widths("label_smoothing", 0.1), rises, digits=1, form=SIGNED),
    "grown-open": Claim(lambda: grown_over_widths("label_smoothing", 0.2), is_open, digits=1, form=WORDS),
    "strong-wide": Claim(strong_wide, rises, digits=1, form=SIGNED),
    "equal-least": Claim(lambda: min(equal_strength(), key=lambda one: one.mean), lambda v: v.mean > 0, form=WORDS),
    "later": Claim(later, is_open, digits=1, form=SIGNED),
    "colour-wrong": Claim(lambda: still_wrong(colour()), between(48, 57), form=WORDS),
    "colour-learnt": Claim(lambda: in_colour("training accuracy"), rises, digits=1, form=SIZE),
    "colour-lead": Claim(in_colour, is_open, digits=1, form=SIGNED),
    "colour-tuned": Claim(lambda: at_best(colour_by_strength(), "maxsup", "accuracy"), is_open, digits=1, form=SIGNED),
    "colour-grown": Claim(colour_grown, is_open, digits=1, form=SIGNED),
    "drift-open": Claim(only_the_tail, between(0.5, 1.5), form=WORDS),
    "colour-devices": Claim(on_two_devices, rises, digits=1, form=SIGNED),
    "colour-cpu": Claim(on_cpu, is_open, form=WORDS),
    "tail-wrong": Claim(lambda: still_wrong(rare()), between(8, 14), form=WORDS),
    "tail-all": Claim(lambda: tail(), rises, digits=1, form=SIGNED),
    "tail-just": Claim(lambda: tail(part="tail"), lambda value: 0 < value.low < 0.3, form=WORDS),
    "tail-rare": Claim(lambda: tail(part="tail"), rises, digits=1, form=SIGNED),
    "tail-smoothing": Claim(lambda: tail("label_smoothing", "baseline"), falls, digits=1, form=SIZE),
    "tail-plain": Claim(lambda: tail("maxsup", "baseline"), falls, digits=1, form=SIZE),
    "tail-weak-at": Claim(lambda: exactly(long_tail.best(by_strength(), "label_smoothing")), below(0.1), digits=2),
    "tail-max-at": Claim(lambda: exactly(long_tail.best(by_strength(), "maxsup")), below(0.1), digits=2),
    "tail-best-open": Claim(lambda: at_best(by_strength(), "maxsup"), is_open, form=WORDS),
    "tail-best-plain": Claim(
        lambda: at_best(by_strength(), "label_smoothing", against="baseline"), falls, digits=1, form=SIZE
    ),
    "tail-max-plain": Claim(lambda: at_best(by_strength(), "maxsup", against="baseline"), is_open, form=WORDS),
    "likelier": Claim(likelier, lambda value: falls(value) and value.mean > -0.03, form=WORDS),
    "corrupted-apart": Claim(corrupted_apart, lambda value: 0 < value.mean < 4),
    "declared-hundred": Claim(
        lambda: least_open([first_narrow(), later(), in_colour(), on_cpu()]), is_open, form=WORDS
    ),
    "tail-two": Claim(lambda: tail(), after_two, form=WORDS),
    "declared-best": Claim(beside_the_best, is_open, form=WORDS),
    "declared-plain": Claim(lambda: at_best(by_strength(), "label_smoothing", against="baseline"), falls, form=WORDS),
    "declared-parts": Claim(error_part_out, is_open, form=WORDS),
}
