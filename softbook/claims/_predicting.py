"""What predicts robustness of hidden families: one gradient, or the shape. Page causes and conclusion."""

import functools

import pandas

from softbook.claims import exactly
from softbook.studies import prediction, records
from softlab.comparison.intervals import Interval

ROBUST = "robust, 4/255"
HERE = "quick-fp32"


@functools.cache
def new_networks() -> pandas.DataFrame:
    """The study `many`, on the networks whose margin and slope are on record."""
    return prediction.methods(prediction.whole(records.by_profile("many")[HERE]))


@functools.cache
def predicted(*names: str, model: str = "ridge") -> prediction.Prediction:
    """Accuracy under attack, predicted from these numbers for hidden families."""
    return prediction.left_out(new_networks(), names, ROBUST, model)


def from_gradient() -> prediction.Prediction:
    """By the estimate from one gradient, without a fit."""
    return predicted("estimate, 4/255", model="itself")


@functools.cache
def by_gradient() -> Interval:
    return prediction.jackknife(from_gradient())


@functools.cache
def by_shape() -> Interval:
    """By the eleven declared properties."""
    return prediction.jackknife(predicted(*prediction.declared().properties))


@functools.cache
def in_three_records() -> tuple[pandas.DataFrame, ...]:
    tables = records.by_profile("many")
    return tuple(prediction.methods(prediction.whole(tables[one])) for one in ("quick-confirm", "quick-again", HERE))


def control(*names: str) -> Interval:
    """The score for how sure networks are, by these numbers; by the eleven declared properties if none is named."""
    units = in_three_records()[0]
    found = prediction.left_out(units, names or prediction.declared().properties, "gap")
    return exactly(found.score(), len(found.table))
