"""Claims of Soft labels: what soft labels change, in every setting, and where accuracy moves."""

from softbook.claims import (
    SIGNED,
    SIZE,
    SOFT,
    WORDS,
    Claim,
    above,
    below,
    exactly,
    falls,
    highest,
    in_settings,
    is_open,
    least_open,
    lowest,
    rises,
    typical_size,
)
from softbook.claims._reasons import cell_of, taught, waiting
from softbook.claims.maxsup import strong_wide
from softbook.studies import records
from softlab.comparison.effects import averages, effects
from softlab.comparison.intervals import Interval

LETTERS = "ABCDEF"
RIGHT = "accuracy"
SURE = "mean confidence"


def everywhere(quantity: str) -> list[Interval]:
    """What soft labels do to a quantity in the six settings, method by method."""
    return [one for method in SOFT for one in in_settings(LETTERS, quantity, method)]


def least() -> Interval:
    """The least that soft labels take off confidence."""
    return max(everywhere(SURE), key=lambda one: one.mean)


def most() -> Interval:
    """The most that soft labels take off confidence."""
    return min(everywhere(SURE), key=lambda one: one.mean)


def at(letter: str, method: str, quantity: str) -> Interval:
    return in_settings(letter, quantity, method)[0]


def plain(quantity: str) -> Interval:
    return averages(records.by_profile("core")["quick-confirm"], quantity)["baseline"].scaled(100)


def grey(quantity: str, largest: bool) -> Interval:
    """The largest, or the smallest, change that soft labels make at A."""
    found = [at("A", method, quantity) for method in SOFT]
    return (max if largest else min)(found, key=lambda one: one.mean)


def only_cutmix() -> Interval:
    """CutMix's accuracy at A, if no other soft label moves it for certain there."""
    found = effects(records.by_profile("core")["quick-confirm"], RIGHT)
    others = [found[method].interval.side() for method in SOFT if method != "cutmix"]
    return at("A", "cutmix", RIGHT) if not any(others) else exactly(0)


def smoothing_moves(letters: str) -> Interval:
    """How many of label smoothing's and MaxSup's changes of accuracy exclude zero in these settings."""
    changes = [at(letter, method, RIGHT) for letter in letters for method in ("label_smoothing", "maxsup")]
    apart = [one for one in changes if one.low > 0 or one.high < 0]
    return exactly(float(len(apart)), len(changes))


def smoothing_at_most() -> Interval:
    """What label smoothing and MaxSup gain at B: the larger mean, and the lower of the two lower ends."""
    found = [at("B", method, RIGHT) for method in ("label_smoothing", "maxsup")]
    return Interval(max(one.mean for one in found), min(one.low for one in found), max(one.high for one in found), 2)


CLAIMS = {
    "least": Claim(least, falls, form=SIZE),
    "most": Claim(most, falls, form=SIZE),
    "typical": Claim(lambda: typical_size(everywhere(RIGHT)), lambda value: value.mean < 0.5, form=WORDS),
    "plain-right": Claim(lambda: plain(RIGHT), above(70)),
    "plain-sure": Claim(lambda: plain(SURE), above(85)),
    "a-least": Claim(lambda: grey(SURE, True), falls, form=SIZE),
    "a-most": Claim(lambda: grey(SURE, False), falls, form=SIZE),
    "a-cutmix": Claim(only_cutmix, rises, digits=1, form=SIGNED),
    "a-decay": Claim(lambda: at("A", "weight_decay", RIGHT), rises, digits=1, form=SIGNED),
    "a-decay-sure": Claim(lambda: at("A", "weight_decay", SURE), falls, form=SIZE),
    "cutmix-colour": Claim(lambda: at("E", "cutmix", RIGHT), falls, digits=1, form=SIZE),
    "mixup-colour": Claim(lambda: at("E", "mixup", RIGHT), falls, digits=1, form=SIZE),
    "cutmix-heart": Claim(lambda: at("F", "cutmix", RIGHT), falls, digits=1, form=SIZE),
    "cutmix-grey": Claim(lambda: at("A", "cutmix", RIGHT), rises, form=SIZE),
    "cutmix-acd": Claim(lambda: lowest(in_settings("ACD", RIGHT, "cutmix")), rises, form=WORDS),
    "smoothing-many": Claim(smoothing_at_most, lambda value: value.low > 0 and value.mean < 0.5, form=WORDS),
    "smoothing-nowhere": Claim(lambda: smoothing_moves("ACDEF"), below(0.5), form=WORDS),
    "taught-another": Claim(taught("each image's own label against another's, accuracy"), rises, digits=1),
    "taught-mean": Claim(taught("each image's own label against the mean of its class, accuracy"), rises, digits=1),
    "taught-harm": Claim(
        lambda: cell_of("teachers", "NLL at T", "labels of another image", "hard labels"), rises, form=WORDS
    ),
    "taught-hard": Claim(taught("a teacher against hard labels, accuracy"), rises, digits=1),
    "taught-open": Claim(
        lambda: least_open(taught(f"a teacher against hard labels, {what}")() for what in ("NLL at T", "robustness")),
        is_open,
        form=WORDS,
    ),
    "taught-smoothed-nll": Claim(taught("a smoothed teacher against a plain one, NLL at T"), rises, digits=2),
    "taught-maxsup": Claim(taught("a MaxSup teacher against a smoothed one, NLL at T"), is_open, form=WORDS),
    "taught-mixup": Claim(taught("a Mixup teacher against a plain one, NLL at T"), rises, digits=2),
    "taught-cutmix": Claim(taught("a CutMix teacher against a plain one, NLL at T"), rises, digits=2),
    "taught-uniform": Claim(
        lambda: cell_of("teachers", "NLL at T", "label smoothing", "hard labels"), above(0.05), digits=2
    ),
    "taught-means": Claim(
        lambda: cell_of("teachers", "NLL at T", "means of a class", "hard labels"), below(0.02), digits=2
    ),
    "taught-waiting": Claim(waiting("teachers", "B"), above(0), form=WORDS),
    "hundred": Claim(strong_wide, rises),
    "every-falls": Claim(lambda: highest(everywhere(SURE)), falls, form=WORDS),
}
