"""The reasons, as declared and recorded, for several pages: set by hand, taken apart, averaged, taught, probed."""

import functools
from collections.abc import Callable, Mapping

import numpy as np
import pandas

from softbook.claims import SOFT, exactly, falls, highest, in_settings, rises
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


def on_average(of: str, quantity: str, setting: str) -> Interval:
    """What the length or the cosine does by itself, set by hand: the mean of two differences, by seed."""
    weights = judge.declarations()["park_by_hand"].contrasts[f"{of} on robustness"].of
    return of_cells(recorded("park_by_hand", setting), quantity, weights)


def soft_labels(quantity: str, letters: str) -> list[Interval]:
    """What the four soft labels do to a quantity in these settings, in the core."""
    return [one for method in SOFT for one in in_settings(letters, quantity, method)]


def by_autoattack(cell: str) -> Interval:
    """Points that AutoAttack leaves more of the one network of a cell that it met at B than of plain training's."""
    met = robustness.met_by_autoattack("fashion-heldout")
    cells = recorded("park_by_hand", "B").set_index("id")["cell"]
    left = {cells[name]: 100 * float(row["right"].mean()) for name, row in met.items() if name in cells}
    return exactly(left[cell] - left["plain"])


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


def less_than_its_better_half() -> Interval:
    """CutMix and Mixup less the better of their halves, after either length of training: what ends highest."""
    found = [
        min((halves({mixture: 1, f"{mixture}, {half} alone": -1}, steps) for half in ("images", "labels")), key=by_mean)
        for mixture in ("cutmix", "mixup")
        for steps in (8, 32)
    ]
    return highest(found)


def by_mean(value: Interval) -> float:
    return value.mean


def at_random(setting: str) -> Interval:
    """What a pull in a random direction gains under attack."""
    return cell_of("park_by_hand", "robust, 4/255", "to a random direction", setting=setting)


def beyond_random(setting: str) -> Interval:
    """What the pull towards the centre gains under attack beyond a pull in a random direction."""
    return cell_of("park_by_hand", "robust, 4/255", "pulled", "to a random direction", setting)


def open_there_and_clear_at_a(value: Interval) -> bool:
    """Is this open, while at A the pull is clearly ahead of a pull in a random direction?"""
    return value.low <= 0 <= value.high and rises(beyond_random("A"))


def labels_pass_later(value: Interval) -> bool:
    """Rises, and CutMix's labels bring more than half of its gain after the long training, but not after the short."""
    beyond = {"cutmix, labels alone": 1, "plain": -0.5, "cutmix": -0.5}
    return value.low > 0 and halves(beyond, 32).low > 0 and halves(beyond, 8).low <= 0


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


def left_in_groups() -> Interval:
    """What label smoothing costs an average of five networks at B, where all five see the same images."""
    return cell_of("averages", "group, NLL at T", "label smoothing", setting="B")


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
