"""Claims of Cones: how many images keep their class along a ray, and what the bias has to do with it."""

from softbook.claims import SIZE, WORDS, Claim, above, below, extent, factor, falls, highest, is_open, rises
from softbook.studies import laws, margins, records
from softbook.studies.across_settings import effects_by_setting
from softlab.comparison.effects import averages, effects
from softlab.comparison.intervals import Interval, t_interval

KEPT = "constant class"


def change(profile: str, quantity: str, method: str, study: str = "core") -> Interval:
    return effects(records.by_profile(study)[profile], quantity)[method].shown


def level(profile: str, quantity: str, method: str = "baseline", study: str = "core", factor: float = 100) -> Interval:
    return averages(records.by_profile(study)[profile], quantity)[method].scaled(factor)


def of_losses(choose) -> Interval:
    """The smallest or the largest loss of images that keep their class, among label smoothing, Mixup and CutMix."""
    losses = [change("quick-confirm", KEPT, method) for method in ("label_smoothing", "mixup", "cutmix")]
    return choose(losses, key=lambda interval: interval.mean)


def at_ratio_of(owner: str) -> Interval:
    """Label smoothing's share minus plain training's, with both biases scaled to the same ratio to the logits."""
    parts = laws.bias_parts(records.by_profile("core")["quick-fp32"])
    return next(part.interval for part in parts if f"the ratio of {owner} " in part.what)


def own_bias() -> Interval:
    """How many times as long the bias is with label smoothing as with plain training: the ratio's change undone by that
    of the logits.
    """
    table = records.by_profile("core")["quick-fp32"]
    ratio, length = (
        margins.changes(table, "label_smoothing", quantity) for quantity in ("log bias over length", "log logit scale")
    )
    return factor(t_interval(ratio + length).of(table, "change of the bias's log length"))


def from_bare_head(quantity: str) -> Interval:
    """Plain training without a bias in the head, minus the same with one."""
    bare = records.by_profile("no_bias")["quick-fp32"]
    biased = records.by_profile("core")["quick-fp32"]
    rows = bare.loc[bare["method"] == "baseline"]
    return effects(rows, quantity, biased.loc[biased["method"] == "baseline"])["baseline"].shown


def from_zero() -> Interval:
    zero = records.by_profile("zero_bias")["quick-confirm"]
    core = records.by_profile("core")["quick-confirm"]
    return effects(zero, "apex ratio", core.loc[core["method"] == "baseline"])["baseline"].shown


def in_dimensions(count: int, method: str) -> Interval:
    table = records.by_profile("dimension")["quick-confirm"]
    return averages(table.loc[table["feature_dimension"] == count], KEPT)[method].scaled(100)


def closed_in_a_plane() -> Interval:
    """How many regions are bounded with two features, on average, with each of three soft labels."""
    table = records.by_profile("dimension")["quick-confirm"]
    closed = averages(table.loc[table["feature_dimension"] == 2], "bounded classes")
    return extent([closed[method].mean for method in ("label_smoothing", "mixup", "cutmix")])


def nearest_to_none() -> Interval:
    """The effect of Mixup or CutMix, over all settings, whose interval ends nearest to zero or beyond."""
    found = effects_by_setting(KEPT).values()
    return highest(one[method].shown for one in found for method in ("mixup", "cutmix"))


CLAIMS = {
    "plain": Claim(lambda: level("quick-confirm", KEPT), above(90)),
    "least": Claim(lambda: of_losses(max), falls, form=SIZE),
    "most": Claim(lambda: of_losses(min), falls, form=SIZE),
    "shorter": Claim(lambda: factor(change("quick-fp32", "log logit scale", "label_smoothing")), below(0.5), digits=1),
    "own-bias": Claim(own_bias, lambda value: value.low > 0.7 and value.high < 1.1, digits=1),
    "same-at-plain": Claim(lambda: at_ratio_of("plain training"), rises),
    "same-at-smoothed": Claim(lambda: at_ratio_of("label smoothing"), above(2)),
    "bare-kept": Claim(lambda: level("quick-fp32", KEPT, study="no_bias"), above(99.9)),
    "bare-accuracy": Claim(lambda: from_bare_head("accuracy"), is_open, form=WORDS),
    "bare-gap": Claim(lambda: change("quick-fp32", "gap", "label_smoothing", "no_bias_again"), falls, form=SIZE),
    "biased-gap": Claim(lambda: change("quick-fp32", "gap", "label_smoothing"), falls, form=SIZE),
    "bare-robust": Claim(lambda: change("quick-fp32", "robust, 4/255", "cutmix", "no_bias_again"), rises),
    "biased-robust": Claim(lambda: change("quick-fp32", "robust, 4/255", "cutmix"), rises),
    "zero-start": Claim(lambda: level("quick-confirm", "apex ratio", study="zero_bias", factor=1), above(0), digits=3),
    "zero-nearer": Claim(from_zero, falls, digits=3, form=SIZE),
    "two-layers": Claim(lambda: level("quick-confirm", "constant along ray", study="two_layer_head"), above(60)),
    "two-layers-smoothing": Claim(
        lambda: change("quick-confirm", "constant along ray", "label_smoothing", "two_layer_head"), falls, form=SIZE
    ),
    "three-plain": Claim(lambda: in_dimensions(3, "baseline"), above(50)),
    "three-smoothing": Claim(lambda: in_dimensions(3, "label_smoothing"), lambda value: value.high < 60),
    "closed": Claim(closed_in_a_plane, lambda value: value.low >= 2 and value.high <= 3, form=WORDS),
    "everywhere": Claim(nearest_to_none, falls, form=WORDS),
    "outward": Claim(
        lambda: change("quick-confirm", "settled share", "label_smoothing"),
        lambda value: value.low > -2 and value.high < 0,
        digits=1,
        form=SIZE,
    ),
    "heart-smoothing": Claim(lambda: change("cifar10-papers", KEPT, "label_smoothing"), falls, form=SIZE),
    "heart-decay": Claim(lambda: change("cifar10-papers", KEPT, "weight_decay"), falls, form=SIZE),
}
