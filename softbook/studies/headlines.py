"""Headlines: the book's universal sentences, each computed over every recorded cell in its scope.

verdict("worse-at-t")           # a Verdict: does it hold, over which cells, and which of them speak against it?

A cell is one method at one strength in one setting, scored on the same images: all its recorded networks, each less its
partner (softbook.studies.index). A headline says its scope by properties of settings, so that a record made later falls
into it by itself. The rule:

all    no cell opposes clearly (its 95 % interval over seeds lies on the other side of zero), and the pooled effect,
       the mean over cells, agrees clearly
most   more than half of the cells agree clearly, and each of the others is named (`rest`)

A cell opposes, too, if a training in it failed, or if an attack leaves plain training less than LEAST_LEFT: there no
method has much to change. A cell with one pair has no interval: it can oppose in these two ways only.
A headline of direction NEITHER says that no difference can be told: a cell opposes it by differing clearly, to either
side, and agrees if it does not.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from softbook.studies import index
from softbook.studies.judge import KNOWN
from softlab.comparison.intervals import OPEN, Interval, t_interval, t_quantile
from softlab.errors import check_known

RISES = 1
FALLS = -1
NEITHER = 0
ALL = "all"
MOST = "most"
LEAST_LEFT = 0.05  # accuracy of plain training under attack
CELL = ["setting", "tested", "method", "parameters"]
AGREES = "agrees"
OPPOSES = "opposes"
UNDECIDED = "undecided"
FAILED = "training failed"
FLOOR = "at the floor"
ONE_PAIR = "one pair"
SETTINGS = "letter in ['A', 'B', 'C', 'D', 'E', 'F']"
USUAL_SOFT = "usual and method in ['label_smoothing', 'mixup', 'cutmix', 'maxsup']"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A sentence of the book that speaks of every cell in its scope.

    says: the sentence.  claims: where it stands, PAGE:ID, as in workflow/claims.  scope: which rows of the index, by
    their columns, in the words of pandas' query.  quantity: of the effect.  direction: RISES, FALLS or NEITHER.
    quantifier: ALL or MOST.  against: which rows take the place of plain training, if others do, in the same words;
    sharing: columns that both then share beside a pair's.  than: the partner's quantity, if it is another one.
    rest: names of the cells of a MOST that do not agree clearly.
    breaks: what speaks against it on the records as they are; its sentence keeps another condition until it is
    rewritten.
    """

    says: str
    claims: Sequence[str]
    scope: str
    quantity: str
    direction: int
    quantifier: str = ALL
    against: str = ""
    sharing: Sequence[str] = ()
    than: str = ""
    rest: Sequence[str] = ()
    breaks: str = ""


@dataclass(frozen=True)
class Cell:
    """What one method at one strength does in one setting.

    name: setting, method and, where it is not the usual one, strength.  change: over seeds, in the units in which the
    book writes the quantity.  word: AGREES, OPPOSES, UNDECIDED, FAILED, FLOOR or ONE_PAIR.
    """

    name: str
    change: Interval
    word: str

    @property
    def breaks(self) -> bool:
        return self.word in (OPPOSES, FAILED, FLOOR)


@dataclass(frozen=True)
class Verdict:
    """Whether a headline holds, and on what.  pooled: the mean over cells, in the book's units."""

    holds: bool
    cells: tuple[Cell, ...]
    pooled: Interval

    @property
    def opposing(self) -> list[Cell]:
        """The cells that break it, or would if it spoke of all."""
        return [cell for cell in self.cells if cell.breaks]


@functools.cache
def verdict(name: str) -> Verdict:
    """A headline's verdict, computed once: records do not change while a program runs.

    Raises SoftlabError for an unknown name, with the nearest one.
    """
    check_known("headline", name, HEADLINES)
    headline = HEADLINES[name]
    return judge(headline, pairs(headline))


def pairs(headline: Headline) -> pandas.DataFrame:
    """The rows of the index in a headline's scope that have a partner, with the change of its quantity.

    Failed is a row whose own training failed or its partner's; one that failed itself needs no partner.
    """
    found = index.index()
    failed = found.loc[found["failed"], "id"]
    if headline.against:
        found = index.with_partner(found, found.query(headline.against), headline.sharing)
    found = found.query(headline.scope)
    found = found.assign(failed=found["failed"] | found["partner"].isin(failed))
    found = found.loc[(found["partner"].notna() | found["failed"]) & (found["partner"] != found["id"])]
    return index.with_quantity(found, headline.quantity, headline.than)


def judge(headline: Headline, rows: pandas.DataFrame) -> Verdict:
    """A headline's verdict on these rows, as from `pairs`."""
    cells = []
    for _, some in rows.groupby(CELL, sort=False):
        cell = _cell(headline, some)
        if cell.change.n or cell.word == FAILED:
            cells.append(cell)
    pooled = mean_over([cell.change for cell in cells])
    agreeing = [cell for cell in cells if cell.word == AGREES]
    if headline.quantifier == MOST:
        others = {cell.name for cell in cells if cell.word not in (AGREES, ONE_PAIR)}
        holds = 2 * len(agreeing) > len(agreeing) + len(others) and others <= {*headline.rest}
    else:
        holds = bool(cells) and not any(cell.breaks for cell in cells) and pooled.side() == headline.direction
    return Verdict(holds, tuple(cells), pooled)


def _cell(headline: Headline, rows: pandas.DataFrame) -> Cell:
    measured = rows.loc[np.isfinite(rows["change"].to_numpy(float))]
    measured = measured.loc[~measured.duplicated("seed")]  # a pair of networks that stands in several tables
    change = t_interval(measured["change"].to_numpy(float)) if len(measured) else OPEN
    change = change.scaled(KNOWN[headline.quantity].factor)
    word = {0: UNDECIDED, headline.direction: AGREES}.get(change.side(), OPPOSES)
    if rows["failed"].to_numpy(bool).any():
        word = FAILED
    elif headline.quantity.startswith("robust") and measured["other"].mean() < LEAST_LEFT:
        word = FLOOR
    elif change.n < 2:
        word = ONE_PAIR
    return Cell(name_of(rows.iloc[0].to_dict()), change, word)


def mean_over(changes: Sequence[Interval]) -> Interval:
    """The mean over cells, each counting once, with its 95 % interval over the seeds within them.

    Degrees of freedom after Satterthwaite.  Cells of one pair are left out: they have no spread.
    """
    known = [one for one in changes if one.n > 1]
    if not known:
        return OPEN
    errors = np.array([(one.half_width / t_quantile(one.n - 1)) ** 2 for one in known])
    free = np.array([one.n - 1 for one in known])
    mean = float(np.mean([one.mean for one in known]))
    together = float(errors.sum())
    degrees = together**2 / float((errors**2 / free).sum()) if together else float(free.sum())
    half = t_quantile(degrees) * math.sqrt(together) / len(known)
    return Interval(mean, mean - half, mean + half, sum(one.n for one in known), degrees)


def name_of(row: Mapping[str, Any]) -> str:
    """A cell in words: its setting's letter, or what it is; its method, and its strength where that is not usual."""
    place = f"{row['data']}, {row['images']:,} images, {row['steps']:,} steps, {row['model']}-{row['width']}"
    place += "" if math.isnan(row["feature_dimension"]) else f", {row['feature_dimension']:g} features"
    place += "" if row["head"] == "linear" else f", {row['head']}"
    place += "" if row["head_bias"] == "default" else f", bias {row['head_bias']}"
    place += f", {row['label_noise']:.0%} noise" if row["label_noise"] else ""
    place += f", a long tail of {row['long_tail']:g}" if row["long_tail"] != 1 else ""
    place = row["letter"] or place
    place += f", scored on {row['tested']}" if row["tested"] else ""
    return f"{place}: {row['method']}" + ("" if row["usual"] else f" {row['parameters']}")


ROBUST_GREY = "robust, 4/255"
ROBUST_COLOUR = "robust, 1/255"
IN_SETTINGS = f"{SETTINGS} and {USUAL_SOFT}"
SMOOTHED = "usual and method == 'label_smoothing'"
CUTMIX = "usual and method == 'cutmix'"
DECAY = "usual and method == 'weight_decay'"  # tuned
MAXSUP = "usual and method == 'maxsup'"
OF_PARK = "usual and method in ['label_smoothing', 'mixup', 'cutmix']"
SHORTEN = "method in ['scale_penalty', 'fixed_scale', 'feature_penalty']"
HARDEN = "(method in ['gradient_penalty', 'adversarial_training'] or method == 'gaussian_noise' and dose >= 0.25)"

HEADLINES = {
    "sure": Headline(
        says="Soft labels make networks less sure.",
        claims=("conclusion:sure", "results:sure"),
        scope=USUAL_SOFT,
        quantity="mean confidence",
        direction=FALLS,
    ),
    "short-logits": Headline(
        says="Logits get shorter with all four methods, in all six settings.",
        claims=("intro:shrink", "conclusion:sure"),
        scope=IN_SETTINGS,
        quantity="log logit scale",
        direction=FALLS,
    ),
    "short-features": Headline(
        says="Features get shorter with all four methods, in all six settings.",
        claims=("intro:shrink", "conclusion:features"),
        scope=IN_SETTINGS,
        quantity="log magnitude",
        direction=FALLS,
    ),
    "worse-at-t": Headline(
        says="After one fitted temperature, label smoothing has a worse likelihood in all six settings.",
        claims=("conclusion:worse-at-t", "what_should_i_do:at-temperature-everywhere"),
        scope=f"{SETTINGS} and {SMOOTHED}",
        quantity="NLL at T",
        direction=RISES,
    ),
    "order": Headline(
        says="After smoothing a network that answers only when it is sure makes more mistakes, in each of A to F.",
        claims=("what_should_i_do:order-everywhere", "maxsup:order"),
        scope=f"{SETTINGS} and {SMOOTHED}",
        quantity="AURC",
        direction=RISES,
    ),
    "logits-turn": Headline(
        says="With label smoothing and MaxSup, logits point more directly at their class, in all six settings.",
        claims=("conclusion:logits-turn",),
        scope=f"{SETTINGS} and usual and method in ['label_smoothing', 'maxsup']",
        quantity="cosine, logit",
        direction=RISES,
    ),
    "less-directly": Headline(
        says="Features, as Park et al. measure them, mostly point less directly at their class.",
        claims=("conclusion:less-directly",),
        scope=f"{SETTINGS} and {OF_PARK}",
        quantity="cosine, ball",
        direction=FALLS,
        quantifier=MOST,
        rest=("E: label_smoothing", "E: mixup", "E: cutmix", "F: cutmix"),
    ),
    "loosened": Headline(
        says="By logits, label smoothing loosens classes, or leaves them as they are.",
        claims=("conclusion:loosened",),
        scope=f"{SETTINGS} and {SMOOTHED}",
        quantity="spread, logits",
        direction=RISES,
    ),
    "shrink-margin": Headline(
        says="Soft labels shrink the margin.",
        claims=("results:shrink",),
        scope=USUAL_SOFT,
        quantity="log margin",
        direction=FALLS,
    ),
    "shrink-slope": Headline(
        says="Soft labels shrink the slope.",
        claims=("results:shrink",),
        scope=USUAL_SOFT,
        quantity="log slope",
        direction=FALLS,
    ),
    "cutmix-grey": Headline(
        says="CutMix gains under attack in settings A to D.",
        claims=("conclusion:cutmix-least", "conclusion:cutmix-most"),
        scope=f"letter in ['A', 'B', 'C', 'D'] and {CUTMIX}",
        quantity=ROBUST_GREY,
        direction=RISES,
    ),
    "cutmix-colour": Headline(
        says="CutMix loses under attack at E and F.",
        claims=("conclusion:cutmix-colour",),
        scope=f"letter in ['E', 'F'] and {CUTMIX}",
        quantity=ROBUST_COLOUR,
        direction=FALLS,
    ),
    "cutmix-long": Headline(
        says="CutMix loses under attack where few images are seen very often.",
        claims=("conclusion:cutmix-long",),
        scope=f"not colour and images <= 1000 and steps >= 5760 and {CUTMIX}",
        quantity=ROBUST_GREY,
        direction=FALLS,
    ),
    "by-heart-far": Headline(
        says="On memorised colour images all soft labels lose at a larger radius.",
        claims=("conclusion:far",),
        scope=f"letter == 'F' and {USUAL_SOFT}",
        quantity=ROBUST_COLOUR,
        direction=FALLS,
    ),
    "by-heart-error": Headline(
        says="On memorised colour images the calibration error rises with label smoothing, Mixup and CutMix.",
        claims=("conclusion:error",),
        scope=f"letter == 'F' and {OF_PARK}",
        quantity="ECE",
        direction=RISES,
    ),
    "decay-grey": Headline(
        says="A tuned weight decay costs robustness only at D (grey settings).",
        claims=("conclusion:decay-loses",),
        scope=f"letter in ['A', 'B', 'C'] and {DECAY}",
        quantity=ROBUST_GREY,
        direction=RISES,
    ),
    "decay-colour": Headline(
        says="A tuned weight decay costs robustness only at D (colour settings).",
        claims=("conclusion:decay-loses",),
        scope=f"letter in ['E', 'F'] and {DECAY}",
        quantity=ROBUST_COLOUR,
        direction=RISES,
    ),
    "decay-cutmix-loss": Headline(
        says="At A, C and D untuned CutMix does better than tuned decay in loss.",
        claims=("what_should_i_do:decay-cutmix",),
        scope=f"letter in ['A', 'C', 'D'] and {CUTMIX}",
        against=DECAY,
        quantity="NLL at T",
        direction=FALLS,
    ),
    "decay-cutmix-attacked": Headline(
        says="At A, C and D untuned CutMix does better than tuned decay under attack.",
        claims=("what_should_i_do:decay-cutmix",),
        scope=f"letter in ['A', 'C', 'D'] and {CUTMIX}",
        against=DECAY,
        quantity=ROBUST_GREY,
        direction=RISES,
    ),
    "turning": Headline(
        says="A penalty that turns logits towards their class gains under attack at A.",
        claims=("conclusion:turning",),
        scope="letter == 'A' and method == 'cosine_penalty'",
        quantity=ROBUST_GREY,
        direction=RISES,
    ),
    "no-bias": Headline(
        says="Without a bias in the head CutMix gains under attack all the same.",
        claims=("conclusion:no-bias-cutmix",),
        scope=f"head_bias == 'none' and {CUTMIX}",
        quantity=ROBUST_GREY,
        direction=RISES,
    ),
    "harden": Headline(
        says="At A a penalty on the gradient, attacked images and noise each gain more than any soft label.",
        claims=("what_should_i_do:harden", "what_should_i_do:harden-attacked", "what_should_i_do:harden-noise"),
        scope=f"letter == 'A' and {HARDEN}",
        against=CUTMIX,  # the best of them there
        quantity=ROBUST_GREY,
        direction=RISES,
    ),
    "noisy": Headline(
        says="With 40 % of the labels wrong and memorised, label smoothing, MaxSup and Mixup lose accuracy.",
        claims=("what_should_i_do:noisy", "what_should_i_do:noisy-maxsup", "what_should_i_do:noisy-mixup"),
        scope=f"label_noise == 0.4 and images == 1000 and steps >= 360 and {USUAL_SOFT}",
        quantity="accuracy",
        direction=FALLS,
    ),
    "maxsup": Headline(
        says="MaxSup is as accurate as label smoothing, in all six settings.",
        claims=("intro:maxsup", "conclusion:maxsup"),
        scope=f"{SETTINGS} and {MAXSUP}",
        against=SMOOTHED,
        quantity="accuracy",
        direction=NEITHER,
    ),
    "errors-less-sure": Headline(
        says="Label smoothing makes no network surer of its wrong answers.",
        claims=("maxsup:errors-less-sure", "maxsup:never-surer"),
        scope="method == 'label_smoothing' and dose > 0",
        quantity="confidence when wrong",
        direction=FALLS,
    ),
    "maxsup-hardly-ever": Headline(
        says="At equal strength MaxSup is hardly ever more accurate than label smoothing.",
        claims=("intro:maxsup", "conclusion:maxsup", "maxsup:nowhere"),
        scope="method == 'maxsup' and not parameters.str.contains('alpha_end')",
        against="method == 'label_smoothing' and dose > 0",
        sharing=("dose",),
        quantity="accuracy",
        direction=NEITHER,
        quantifier=MOST,
        rest=(
            "fashion-mini, 2,042 images, 480 steps, resnet8-16, a long tail of 20: maxsup",  # it is ahead
            "fashion-mini, 2,042 images, 480 steps, resnet8-16, a long tail of 20: maxsup alpha=0.03",  # here, too
            "fashion-mini, 1,000 images, 80 steps, resnet8-16, 40% noise: maxsup",  # it is behind
        ),
    ),
}
