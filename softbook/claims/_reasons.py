"""The reasons, as declared and recorded, for several pages: set by hand, taken apart, averaged, taught, probed."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas

from softbook.claims import SOFT, SPREAD, WORDS, Claim, exactly, falls, highest, in_settings, lowest, rises
from softbook.studies import judge, records, robustness
from softlab.comparison.intervals import Interval, t_interval

SOFT_CELLS = ("label smoothing", "maxsup", "mixup", "cutmix")  # of the study of transfer
NEAR = "neighbours"
PROBES = ("linear", "linear, 50 a class", NEAR)


@functools.cache
def verdicts(study: str) -> dict[tuple[str, str], judge.Verdict]:
    """Those of a declared study: {(contrast, setting): verdict}."""
    return {(one.contrast, one.setting): one for one in judge.judged(judge.declarations()[study])}


def recorded(study: str, setting: str = "A") -> pandas.DataFrame:
    """The rows of a declared study at a setting, named by its letter and perhaps more."""
    settings = judge.declarations()[study].settings
    (profile,) = [profile for profile, one in settings.items() if one["letter"] == setting[0]]
    return records.by_profile(study)[profile]


def declared(study: str, name: str, setting: str) -> Callable[[], Interval]:
    """The interval of a declared contrast, in the units of the book."""
    return lambda: verdicts(study)[name, setting].interval.of(recorded(study, setting), name)


def pending(study: str) -> set[str]:
    """The letters of the settings at which it is declared and not on record."""
    return {setting for (_, setting), one in verdicts(study).items() if one.word == judge.PENDING}


def waiting(study: str, *letters: str) -> Callable[[], Interval]:
    """1 if just these settings of a declared study are not on record, as a page says, else 0."""
    return lambda: exactly(float(pending(study) == {*letters}))


def park(setting: str = "A") -> dict[str, judge.Verdict]:
    """The declared contrasts of Park's cosine and the length, set by hand, at a setting."""
    return {name: one for (name, where), one in verdicts("park_by_hand").items() if where == setting}


def contrast(name: str, setting: str = "A") -> Callable[[], Interval]:
    """One of them, in the units of its quantity."""
    return declared("park_by_hand", name, setting)


def end_of(name: str, side: str) -> Callable[[], Interval]:
    """The lower or the upper end of its interval."""
    return lambda: exactly(getattr(park()[name].interval, side), park()[name].interval.n)


def within_three(value: Interval) -> bool:
    """Is this declared to be no difference, while the pull alone gains?"""
    same = park()["cosine on robustness"].word == judge.SAME
    return same and abs(value.mean) < 3 and park()["the pull on robustness"].word == "rises"


def on_average(of: str, quantity: str, setting: str) -> Interval:
    """What the length or the cosine does by itself, set by hand: the mean of two differences, by seed."""
    weights = judge.declarations()["park_by_hand"].contrasts[f"{of} on robustness"].of
    return of_cells(recorded("park_by_hand", setting), quantity, weights)


def neither_matters(value: Interval) -> bool:
    """Are both, the length and the cosine, declared to make no difference under attack at A?"""
    return park()["length on robustness"].word == judge.SAME and within_three(value)


def both_matter(value: Interval) -> bool:
    """Do both, the length and the cosine, clearly raise accuracy under attack at B, by the declaration?"""
    words = {park("B")[f"{of} on robustness"].word for of in ("length", "cosine")}
    return value.low > 0 and words == {"rises"}


def more_at_b(of: str) -> Interval:
    """How much more the length or the cosine does under attack at B than at A; the two share no network."""
    few, many = (contrast(f"{of} on robustness", setting)() for setting in "AB")
    half = math.hypot(few.half_width, many.half_width)
    more = many.mean - few.mean
    return Interval(more, more - half, more + half, many.n, many.degrees)


def soft_labels(quantity: str, letters: str) -> list[Interval]:
    """What the four soft labels do to a quantity in these settings, in the core."""
    return [one for method in SOFT for one in in_settings(letters, quantity, method)]


def soft_turn() -> Interval:
    """The least that a soft label lowers Park's cosine at A or B."""
    return highest(soft_labels("cosine, ball", "AB"))


def smoothed_many() -> Interval:
    """What label smoothing keeps under attack at B beyond networks that are held at long logits."""
    weights = {"label smoothing": 1, "long, as plain": -0.5, "long, turned": -0.5}
    return of_cells(recorded("park_by_hand", "B"), "robust, 4/255", weights)


def as_much_as_short(value: Interval) -> bool:
    """Is this clear, and within a point and a half of what short logits bring by the declared contrast?"""
    return value.low > 0 and abs(value.mean - park("B")["length on robustness"].interval.mean) < 1.5


def by_autoattack(cell: str) -> Interval:
    """Points that AutoAttack leaves more of the one network of a cell that it met at B than of plain training's."""
    met = robustness.met_by_autoattack("fashion-heldout")
    cells = recorded("park_by_hand", "B").set_index("id")["cell"]
    left = {cells[name]: 100 * float(row["right"].mean()) for name, row in met.items() if name in cells}
    return exactly(left[cell] - left["plain"])


def pulls() -> Interval:
    """What the pull alone gains under attack, at A and at B: the one that ends lower."""
    return lowest(contrast("the pull on robustness", setting)() for setting in "AB")


def six_and_eight(value: Interval) -> bool:
    """Are these gains about 6 and 8 points, and clear, while with the length held the cosine brings less than them?"""
    few, many = (park(setting)["the pull on robustness"].interval.mean for setting in "AB")
    held = park("B")["cosine on robustness"].interval.mean
    return value.low > 0 and round(few) == 6 and round(many) == 8 and 2 * held < many


# What cover, conclusion and *Is the shape the reason?* say of the length and the direction, set by hand.
BY_HAND = {
    "length-many": Claim(contrast("length on robustness", "B"), both_matter),
    "neither-few": Claim(contrast("length on robustness"), neither_matters, form=WORDS),
    "cosine-many": Claim(contrast("cosine on robustness", "B"), both_matter, digits=1, form=SPREAD),
    "pulls": Claim(pulls, six_and_eight, form=WORDS),
    "soft-turn": Claim(soft_turn, falls, form=WORDS),
}


def apart(name: str, steps: int = 8) -> Callable[[], Interval]:
    """A contrast of CutMix's or Mixup's parts; steps an epoch, of which there are 45."""
    return declared("images_or_labels", name, f"A, steps per epoch {steps}")


def of_cells(table: pandas.DataFrame, quantity: str, weights: Mapping[str, float]) -> Interval:
    """The sum of cells times weights, by seed, in the units of the book; nothing of it was declared."""
    total = judge.by_seed(table, quantity)[list(weights)].to_numpy(float) @ np.array(list(weights.values()))
    terms = " ".join(f"{weight:+g} {cell};" for cell, weight in weights.items())
    return t_interval(total).of(table, f"{quantity}: {terms}")


def cell_of(study: str, quantity: str, cell: str, less: str | None = "plain", setting: str = "A") -> Interval:
    """One cell of a declared study less another (None: by itself), by seed, at a setting."""
    weights = {cell: 1} | ({less: -1} if less else {})
    return of_cells(recorded(study, setting), quantity, weights)


def halves(weights: Mapping[str, float], steps: int = 8, quantity: str = "robust, 4/255") -> Interval:
    """The same of CutMix's and Mixup's parts, trained with so many steps an epoch."""
    table = recorded("images_or_labels")
    return of_cells(table.loc[table["steps_per_epoch"] == steps], quantity, weights)


def each_half() -> list[Interval]:
    """What the images alone and the labels alone of CutMix and of Mixup gain, after either length of training."""
    cells = [f"{mixture}, {half} alone" for mixture in ("cutmix", "mixup") for half in ("images", "labels")]
    return [halves({cell: 1, "plain": -1}, steps) for cell in cells for steps in (8, 32)]


def labels_pass_later(value: Interval) -> bool:
    """Rises, and CutMix's labels bring more than half of its gain after the long training, but not after the short."""
    beyond = {"cutmix, labels alone": 1, "plain": -0.5, "cutmix": -0.5}
    return value.low > 0 and halves(beyond, 32).low > 0 and halves(beyond, 8).low <= 0


def slope_or_margin(cells: Iterable[str]) -> list[Interval]:
    """What parts do to the logarithm of margin over slope, beside plain training, after either length of training."""
    return [halves({cell: 1, "plain": -1}, steps, "log margin over slope") for cell in cells for steps in (8, 32)]


def calm(name: str, steps: int) -> Interval:
    """A contrast of parts without the seeds in which a training was disturbed."""
    return verdicts("images_or_labels")[name, f"A, steps per epoch {steps}"].without


def taught(name: str) -> Callable[[], Interval]:
    """A contrast of networks that were trained on a teacher's labels."""
    return declared("teachers", name, "A")


def averaged(name: str, setting: str = "A") -> Callable[[], Interval]:
    """A contrast of groups of five networks."""
    return declared("averages", name, setting)


def images_say(value: Interval) -> bool:
    """Rises, and both declared contrasts say "images" after either length of training."""
    names = ("CutMix, under attack", "CutMix, margin over slope")
    words = {
        verdicts("images_or_labels")[name, f"A, steps per epoch {steps}"].word for name in names for steps in (8, 32)
    }
    return value.low > 0 and words == {"images"}


def within_margin(value: Interval) -> bool:
    """The declared word for label smoothing's cost in groups is "no difference"."""
    return abs(value.mean) < 0.03 and verdicts("averages")["label smoothing's cost in groups", "A"].word == judge.SAME


def shrinks_and_stays(value: Interval) -> bool:
    """Does label smoothing cost an average of five something at B, and less than it costs one network?"""
    return rises(value) and falls(averaged("label smoothing's cost, in groups less alone", "B")())


LEFT_IN_GROUPS = Claim(  # at B, where all five see the same images
    lambda: cell_of("averages", "group, NLL at T", "label smoothing", setting="B"),
    shrinks_and_stays,
    digits=3,
    form=SPREAD,
)


def transferred(name: str) -> Callable[[], Interval]:
    """A contrast of features, probed on classes that their network was never shown."""
    return declared("transfer", name, "B")


def probed(probe: str, cell: str, less: str | None = None) -> Interval:
    """What such a probe gets right with the features of one kind of network, in percent, less another's if named."""
    return cell_of("transfer", f"transfer, {probe}", cell, less, setting="B")


def ahead_of_stopped(cell: str, probe: str) -> Interval:
    """What such a probe gets right with one kind of features, less those of plain training stopped as accurate."""
    table = recorded("transfer", "B")
    right = judge.by_seed(table, f"transfer, {probe}")[cell]
    stopped = judge.by_seed(table, f"transfer, stopped, {probe}")["plain"]
    return t_interval((right - stopped).to_numpy(float)).of(table, f"transfer, {probe}: {cell}; less plain, stopped")


def less_apart() -> dict[str, Interval]:
    """What soft labels do to the share of the features' cosine distance that lies between classes, on new images."""
    return {cell: cell_of("transfer", "separation, raw", cell, setting="B") for cell in SOFT_CELLS}
