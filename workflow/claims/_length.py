"""How much of a lower confidence short logits explain at A: cover, conclusion, chapter 8. No page of this name."""

import functools

import numpy as np

from claims import exactly
from softlab.studies import prediction, records
from softlab.studies.effects import effects
from softlab.studies.intervals import Interval

LENGTH = "log logit scale"
SURE = "mean confidence"
PENALTY = "scale_penalty"


@functools.cache
def share(method: str) -> Interval:
    """What a penalty takes off confidence where it makes logits as short as a method does, as a share of its effect.

    The penalty's strengths lie on either side of the method's length; between them along a straight line.
    """
    core = records.by_profile("core")["quick-confirm"]
    plain = core.loc[core["method"] == "baseline"]
    table = prediction.doses_as_methods(records.by_profile("interventions")["quick-confirm"])
    lengths, taken = effects(table, LENGTH, plain), effects(table, SURE, plain)
    doses = [name for name in lengths if name.startswith(PENALTY)]
    points = sorted((lengths[name].shown.mean, taken[name].shown.mean) for name in doses)
    xs, ys = np.array(points).T
    there = effects(core, LENGTH)[method].shown.mean
    if not xs[0] <= there <= xs[-1]:
        return exactly(float("nan"))
    return exactly(float(np.interp(there, xs, ys)) / effects(core, SURE)[method].shown.mean, len(points))
