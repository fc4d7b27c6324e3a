"""What predicts families of methods that were left out: scores, of which 1 is perfect and 0 the mean of the others."""

import functools
from collections.abc import Sequence

import pandas

from softbook.studies import prediction, records
from softlab.comparison.intervals import Interval


def score_for_hidden_families(
    at: str,
    of: str = "robust, 4/255",
    by: Sequence[str] = (),
    model: str = "ridge",
    beyond: Sequence[str] = (),
) -> Interval:
    """The score of a prediction of changes of a quantity, with the jackknife's interval over families.

    at: profile of the study `many`.  by: what predicts, the declared properties if none is named.  model: `itself`
    for an estimate without a fit.  beyond: what the score of these is taken off.
    """
    units = _units(at)
    found = prediction.left_out(units, by or prediction.declared().properties, of, model)
    if beyond:
        return prediction.gain(found, prediction.left_out(units, beyond, of, model))
    return prediction.jackknife(found)


@functools.cache
def _units(profile: str) -> pandas.DataFrame:
    return prediction.methods(prediction.whole(records.by_profile("many")[profile]))
