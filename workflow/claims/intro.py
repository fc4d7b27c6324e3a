"""Claims of the cover: what holds in all six settings, and what depends on them."""

from collections.abc import Iterable

import numpy as np

from claims import SIZE, WORDS, Claim, exactly, falls, in_settings, is_open, rises
from softlab.studies import records
from softlab.studies.effects import effects
from softlab.studies.intervals import Interval

SOFT = ("label_smoothing", "mixup", "cutmix", "maxsup")
OF_PARK = ("label_smoothing", "mixup", "cutmix")
LETTERS = "ABCDEF"
LADDER = "robust, 4/255"
FAR = "robust, 1/255"


def of(quantity: str, methods: Iterable[str] = SOFT, letters: str = LETTERS) -> list[Interval]:
    return [one for method in methods for one in in_settings(letters, quantity, method)]


def highest(quantity: str, methods: Iterable[str] = SOFT, letters: str = LETTERS) -> Interval:
    """The change whose interval ends highest."""
    return max(of(quantity, methods, letters), key=lambda one: one.high)


def lowest(quantity: str, methods: Iterable[str] = SOFT, letters: str = LETTERS) -> Interval:
    """The change whose interval ends lowest."""
    return min(of(quantity, methods, letters), key=lambda one: one.low)


def typical() -> Interval:
    """Mean size of a change of accuracy, over methods and settings."""
    sizes = [abs(one.mean) for one in of("accuracy")]
    return exactly(float(np.mean(sizes)), len(sizes))


def shrink() -> Interval:
    """Of the lengths of logits and of features, the change that ends highest."""
    return max((highest(one) for one in ("log logit scale", "log magnitude")), key=lambda one: one.high)


def penalty() -> Interval:
    """What the weakest gradient penalty gains under attack at A; so much does Gaussian noise, too, or more."""
    table = records.scales("flat")["quick-fp32"]
    weakest = (table["method"] == "baseline") | np.isclose(table["dose"].to_numpy(float), 0.1)
    return effects(table.loc[weakest], LADDER)["gradient_penalty"].shown


def error_falls() -> Interval:
    """In how many of the six settings label smoothing's calibration error falls, if it rises in all others."""
    changes = of("ECE", ["label_smoothing"])
    fallen = sum(one.high < 0 for one in changes)
    risen = sum(one.low > 0 for one in changes)
    return exactly(float(fallen) if fallen + risen == len(changes) else np.nan, len(changes))


def by_heart_gains() -> Interval:
    """Of the same, how many gain."""
    found = effects(records.scales("core")["cifar10-papers"], "robust, 0.4/255, PGD-7")
    return exactly(float(sum(found[method].shown.low > 0 for method in OF_PARK)), len(OF_PARK))


def maxsup() -> Interval:
    """MaxSup's accuracy less label smoothing's: the difference that comes nearest to leaving zero."""
    profiles = ("quick-confirm", "fashion-heldout", "convnext-confirm", "mobilenet-confirm", "cifar10-jpeg-flip")
    core = records.scales("core")
    found = [effects(core[one], "accuracy", "label_smoothing")["maxsup"].shown for one in (*profiles, "cifar10-papers")]
    return min(found, key=lambda one: min(-one.low, one.high))


CLAIMS = {
    "most": Claim(lambda: min(of("mean confidence"), key=lambda one: one.mean), falls, form=SIZE),
    "typical": Claim(typical, lambda value: value.mean < 1.5, form=WORDS),
    "worse-at-t": Claim(lambda: lowest("NLL at T", ["label_smoothing"]), rises, form=WORDS),
    "penalty": Claim(penalty, lambda value: value.low > 15 and round(value.mean) == 28),
    "cutmix": Claim(lambda: in_settings("A", LADDER, "cutmix")[0], rises, form=SIZE),
    "cones": Claim(lambda: highest("constant class"), lambda value: value.low < 0 and value.mean < 1, form=WORDS),
    "shrink": Claim(shrink, falls, form=WORDS),
    "logits-turn": Claim(lambda: lowest("cosine, logit", ["label_smoothing", "maxsup"]), rises, form=WORDS),
    "error-falls": Claim(error_falls, lambda value: value.mean == 3, form=WORDS),
    "cutmix-grey": Claim(lambda: lowest(LADDER, ["cutmix"], "ABCD"), rises, form=WORDS),
    "cutmix-colour": Claim(lambda: highest(FAR, ["cutmix"], "EF"), falls, form=WORDS),
    "smoothing-many": Claim(lambda: lowest(LADDER, ["label_smoothing"], "B"), rises, form=WORDS),
    "by-heart": Claim(by_heart_gains, lambda value: value.mean == 0, form=WORDS),
    "maxsup": Claim(maxsup, is_open, form=WORDS),
}
