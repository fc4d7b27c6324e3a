"""Claims of chapter 4: directions. What the cosine of the logits goes with, what the paper's does, who moves first."""

import functools
import math
from typing import Any

import pandas

from softbook.claims import (
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
    lowest,
    rises,
)
from softbook.claims._reasons import (
    NEAR,
    PROBES,
    SOFT_CELLS,
    ahead_of_stopped,
    less_apart,
    probed,
    transferred,
    waiting,
)
from softbook.studies import margins, records
from softbook.studies.across_settings import effects_by_setting
from softlab.comparison.effects import effects, half_way
from softlab.comparison.intervals import Interval, t_interval

OWN = "cosine, logit"
PAPER = "cosine, ball"
HEART = "cifar10-papers"
USUAL = 0.1  # the strength of label smoothing in the core
SMOOTHED = ("label_smoothing", "maxsup")  # which moves logits as label smoothing does


def core(profile: str = "quick-fp32") -> pandas.DataFrame:
    return records.by_profile("core")[profile]


@functools.cache
def lead(method: str, profile: str = "quick-fp32") -> Interval:
    """The factor by which a method multiplies the margin relative to the logits' length."""
    table = core(profile)
    seeds = range(min(table["seed"]), max(table["seed"]) + 1)
    log, _ = margins.by_normaliser(table, method, seeds)["length"]
    return factor(log)


def furthest(method: str) -> Interval:
    """A method's factor on the relative margin, in the one of two settings where it is farther from one."""
    return max((lead(method), lead(method, HEART)), key=lambda one: abs(math.log(one.mean)))


def together(profile: str) -> Interval:
    """Spearman's rank correlation, over networks, of the logits' cosine with margin over length."""
    table = core(profile)
    ahead: Any = table["log margin"] - table["log length"]
    value = float(ahead.corr(table[OWN], method="spearman"))
    return exactly(value, len(table)).of(table, "rank correlation over networks")


def everywhere(quantity: str, methods: tuple[str, ...] = SMOOTHED) -> Interval:
    """The effect of these methods, over all settings with four seeds, that ends lowest."""
    found = effects_by_setting(quantity).values()
    return lowest(one[method].shown for one in found for method in methods)


def paper(method: str, profile: str = "quick-confirm") -> Interval:
    return effects(core(profile), PAPER)[method].shown


def paper_highest(settings: str) -> Interval:
    """The effect of label smoothing on the paper's cosine that ends highest, in settings of these letters."""
    return highest(in_settings(settings, PAPER, "label_smoothing"))


def grey(variant: str) -> Interval:
    """What label smoothing changes about the cosine to one of the library's centres, in the setting most spoken of."""
    return effects(core("quick-confirm"), f"cosine, {variant}")["label_smoothing"].shown


def centre(settings: str, variant: str) -> list[Interval]:
    return in_settings(settings, f"cosine, {variant}", "label_smoothing")


def of_the_widening(alpha: float) -> Interval:
    """How much of the usual strength's widening of margin over length another strength gives: 1 is all of it."""
    dose = records.by_profile("dose")["quick-fp32"]
    ratio: Any = dose["log margin"] - dose["log length"]
    by = dose.assign(ratio=ratio.map(math.exp)).pivot(index="seed", columns="alpha", values="ratio")
    share = (by[alpha] - by[0]) / (by[USUAL] - by[0])
    return t_interval(share.to_numpy(float)).of(dose, f"share of the widening at α = {alpha:g}")


def loosening(settings: str, method: str) -> Interval:
    return lowest(in_settings(settings, "loosening", method))


def spread(quantity: str) -> Interval:
    return effects(core("quick-confirm"), quantity)["label_smoothing"].shown


@functools.cache
def later_on_own_path(method: str, share: float, profile: str = "quick-confirm") -> Interval:
    """By how many epochs the logits' cosine lags the features' length at this share of a method's own path."""
    along = records.snapshots("core")[profile].query("method == @method")
    reached = []
    for quantity in ("log magnitude", OWN):
        path = along.pivot(index="epoch", columns="seed", values=quantity)
        way = (path - path.iloc[0]) / (path.iloc[-1] - path.iloc[0])
        reached.append(half_way(way * 0.5 / share))
    length, cosine = reached
    what = f"epochs by which the cosine comes later at {share:.0%} of its path"
    return t_interval([cosine[seed] - length[seed] for seed in length]).of(along, what)


def step(quantity: str, method: str) -> Interval:
    """The factor by which a quantity grows between the eighth pass and the last, relative to the logits' length."""
    along = records.snapshots("core")["quick-fp32"].query("method == @method")
    relative = along.assign(value=along[quantity] - along["log length"])
    path = relative.pivot(index="epoch", columns="seed", values="value")
    log = t_interval((path.loc[path.index.max()] - path.loc[8]).to_numpy(float)).of(along, quantity)
    return factor(log)


def only_just_as_much(value: Interval) -> bool:
    """Does MaxSup gain by this probe, if barely, by the others as well, and no less than label smoothing by any?"""
    alike = all(is_open(probed(probe, "maxsup", "label smoothing")) for probe in PROBES)
    return 0 < value.low < 0.2 and alike and all(rises(probed(probe, "maxsup", "plain")) for probe in PROBES)


def most_with_each(value: Interval) -> bool:
    """Rises, and with each probe CutMix's features are clearly ahead of those of the other soft labels."""
    others = [one for one in SOFT_CELLS if one != "cutmix"]
    return rises(value) and all(rises(probed(probe, "cutmix", one)) for one in others for probe in PROBES)


def is_least_apart(value: Interval) -> bool:
    """Is this the lowest of the four, while CutMix's features transfer best?"""
    return value.mean == lowest(less_apart().values()).mean and most_with_each(transferred("CutMix, linear probe")())


CLAIMS = {
    "read-falls": Claim(lambda: highest(in_settings("ABCDEF", "seen share", "label_smoothing")), falls, form=WORDS),
    "visible-rises": Claim(
        lambda: lowest(in_settings("ABCDEF", "cosine, row space", "label_smoothing")), rises, form=WORDS
    ),
    "lead": Claim(lambda: lead("label_smoothing"), above(1.3), digits=1),
    "own-everywhere": Claim(lambda: everywhere(OWN), rises, form=WORDS),
    "paper-falls": Claim(lambda: paper("label_smoothing"), falls, digits=2, form=SIZE),
    "together": Claim(lambda: together("quick-fp32"), above(0.8), digits=1),
    "together-by-heart": Claim(lambda: together(HEART), above(0.7), digits=1),
    "lead-cutmix": Claim(lambda: lead("cutmix"), above(1.1), digits=1),
    "lead-mixup": Claim(lambda: furthest("mixup"), between(0.9, 1.1), form=WORDS),
    "lead-decay": Claim(lambda: lead("weight_decay"), above(1.4), digits=1),
    "lead-decay-by-heart": Claim(lambda: lead("weight_decay", HEART), below(1.15), form=WORDS),
    "lead-by-heart": Claim(lambda: lead("label_smoothing", HEART), above(1.3), digits=1),
    "lead-cutmix-by-heart": Claim(lambda: lead("cutmix", HEART), lambda value: value.low < 1 < value.high, form=WORDS),
    "little-alpha": Claim(lambda: of_the_widening(0.01), between(0.4, 0.65), form=WORDS),
    "much-alpha": Claim(lambda: of_the_widening(0.2), between(0.9, 1.1), form=WORDS),
    "row-falls": Claim(lambda: grey("row"), falls, digits=2, form=SIZE),
    "mean-rises": Claim(lambda: grey("class mean"), rises, digits=2),
    "own-rises": Claim(lambda: grey("logit"), rises, digits=2),
    "row-everywhere": Claim(lambda: highest(centre("ABCDEF", "row")), falls, form=WORDS),
    "mean-grey": Claim(lambda: lowest(centre("ABCD", "class mean")), rises, form=WORDS),
    "mean-colour": Claim(lambda: highest(centre("EF", "class mean")), falls, form=WORDS),
    "paper-settings": Claim(lambda: paper_highest("ABCDF"), falls, form=WORDS),
    "paper-elsewhere": Claim(lambda: paper_highest("E"), lambda value: abs(value.mean) < 0.01, form=WORDS),
    "looser": Claim(lambda: spread("spread, logits"), rises, digits=2),
    "tighter": Claim(lambda: spread("spread, logits, train"), lambda value: -0.01 < value.mean < 0, form=WORDS),
    "loosening": Claim(lambda: loosening("ABCDF", "label_smoothing"), above(0.02), form=WORDS),
    "loosening-seen": Claim(lambda: loosening("E", "label_smoothing"), lambda value: value.high < 0.01, form=WORDS),
    "own-path": Claim(lambda: later_on_own_path("label_smoothing", 0.9), rises, digits=0),
    "own-path-plain": Claim(lambda: later_on_own_path("baseline", 0.9), falls, digits=0, form=SIZE),
    "widens-late": Claim(lambda: step("log margin", "label_smoothing"), above(1.5), digits=1),
    "transfer-linear": Claim(transferred("label smoothing, linear probe"), rises, digits=1),
    "transfer-near": Claim(transferred("label smoothing, neighbours"), rises, digits=1),
    "transfer-maxsup": Claim(transferred("MaxSup, linear probe"), only_just_as_much, digits=1),
    "transfer-cutmix": Claim(transferred("CutMix, linear probe"), most_with_each, digits=1),
    "transfer-stopped": Claim(transferred("label smoothing against plain training as accurate"), is_open, form=WORDS),
    "transfer-stopped-near": Claim(lambda: ahead_of_stopped("label smoothing", NEAR), rises, digits=1),
    "transfer-stopped-cutmix": Claim(
        lambda: lowest(ahead_of_stopped("cutmix", probe) for probe in PROBES), rises, form=WORDS
    ),
    "transfer-apart-least": Claim(lambda: highest(less_apart().values()), falls, form=WORDS),
    "transfer-apart-order": Claim(lambda: less_apart()["mixup"], is_least_apart, form=WORDS),
    "transfer-waiting": Claim(waiting("transfer", "E"), above(0), form=WORDS),
}
