"""What predicts robustness, families hidden: one gradient, the shape, or accuracy. For chapter 8 and the conclusion."""

import functools

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
def predicted_by(*names: str, model: str = "ridge") -> Interval:
    """The score of these numbers for accuracy under attack, families hidden: with the interval over families."""
    return prediction.jackknife(prediction.left_out(new_networks(), names, ROBUST, model))


def by_shape() -> Interval:
    """The score of the eleven declared properties."""
    return predicted_by(*prediction.declared().properties)


def by_gradient() -> Interval:
    """The score of the estimate from one gradient, as it is."""
    return predicted_by("estimate, 4/255", model="itself")


def least_by_gradient() -> Interval:
    """The score of one gradient with one more family taken away: the least."""
    found = [one.score() for one in _without_each("estimate, 4/255", model="itself")]
    return exactly(min(found), len(found))


def most_by_shape() -> Interval:
    """The score of the eleven properties with one more family taken away: the most."""
    found = [one.score() for one in _without_each(*prediction.declared().properties)]
    return exactly(max(found), len(found))


def _without_each(*names: str, model: str = "ridge") -> list[prediction.Prediction]:
    units = new_networks()
    kept = [units.loc[units["family"] != one] for one in units["family"].unique()]
    return [prediction.left_out(rows, names, ROBUST, model) for rows in kept]


def ahead_of_shape() -> Interval:
    """How much better one gradient's score is than that of the eleven properties."""
    itself = prediction.left_out(new_networks(), ["estimate, 4/255"], ROBUST, "itself")
    return prediction.gain(itself, prediction.left_out(new_networks(), prediction.declared().properties, ROBUST))


def escaping() -> Interval:
    """By how many points one gradient promises too much of features of one length: of three lengths, the least."""
    itself = prediction.left_out(new_networks(), ["estimate, 4/255"], ROBUST, "itself").table
    rows = itself.loc[[name for name in itself.index if name.startswith("fixed_scale")]]
    return exactly(100 * float((rows["predicted"] - rows["observed"]).min()), len(rows))
