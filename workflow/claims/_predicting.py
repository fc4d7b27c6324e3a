"""What predicts robustness, families hidden: one gradient, the shape, or accuracy. For chapter 8 and the conclusion."""

import functools
from collections.abc import Callable

import pandas

from claims import exactly
from softlab.studies import prediction, records
from softlab.studies.intervals import Interval

ROBUST = "robust, 4/255"


@functools.cache
def new_networks() -> pandas.DataFrame:
    """The study `many` once more, on the networks whose margin and slope are on record."""
    return prediction.methods(prediction.whole(records.by_profile("many")["quick-fp32"]))


@functools.cache
def predicted(*names: str, model: str = "ridge") -> prediction.Prediction:
    """Accuracy under attack by these numbers, families hidden."""
    return prediction.left_out(new_networks(), names, ROBUST, model)


def from_gradient() -> prediction.Prediction:
    """By the estimate from one gradient, as it is."""
    return predicted("estimate, 4/255", model="itself")


def from_step() -> prediction.Prediction:
    """By one step of an attack, FGSM, as it is."""
    return predicted("FGSM, 4/255", model="itself")


def by_step() -> Interval:
    return prediction.jackknife(from_step())


def by_step_fitted() -> Interval:
    """The same with a line that is fitted to the other families."""
    return prediction.jackknife(predicted("FGSM, 4/255"))


def from_shape() -> prediction.Prediction:
    """By the eleven declared properties."""
    return predicted(*prediction.declared().properties)


@functools.cache
def by_gradient() -> Interval:
    return prediction.jackknife(from_gradient())


@functools.cache
def by_shape() -> Interval:
    return prediction.jackknife(from_shape())


def by_accuracy() -> Interval:
    return prediction.jackknife(predicted("accuracy"))


def ahead_of_shape() -> Interval:
    """How much better one gradient's score is than that of the eleven properties."""
    return prediction.gain(from_gradient(), from_shape())


def without_a_family(whole: prediction.Prediction, end: Callable[[list[float]], float]) -> Interval:
    """The score with one more family taken away: the least or the most."""
    units = whole.units
    scores = [whole.again(units.loc[units["family"] != one]).score() for one in units["family"].unique()]
    return exactly(end(scores), len(scores))


def escaping() -> Interval:
    """By how many points one gradient promises too much of features of one length: of three lengths, the least."""
    table = from_gradient().table
    rows = table.loc[table.index.str.startswith("fixed_scale")]
    return exactly(100 * float((rows["predicted"] - rows["observed"]).min()), len(rows))
