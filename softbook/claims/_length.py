"""How much of a lower confidence short logits explain at A: cover, conclusion, page causes. No page of this name."""

import functools

import numpy as np

from softbook.claims import exactly
from softbook.claims._turning import ten_seeds
from softbook.studies import prediction, records
from softlab.comparison.effects import effects
from softlab.comparison.intervals import Interval

LENGTH = "log logit scale"
SURE = "mean confidence"
PENALTY = "scale_penalty"
GAP = "gap"
CELLS = ("plain", "short, as plain", "label smoothing")
AS_SHORT = ("scale_penalty 0.1", "fixed_scale 4", "logit_penalty 0.01", "margin_smoothing 3")


@functools.cache
def share(method: str) -> Interval:
    """What a penalty takes off confidence where it makes logits as short as a method does, as a share of its effect.

    Interpolated linearly between the penalty's strengths on either side of the method's length.
    """
    core = records.by_profile("core")["quick-confirm"]
    plain = core.loc[core["method"] == "baseline"]
    table = prediction.doses_as_methods(records.by_profile("interventions")["quick-confirm"])
    lengths = effects(table, LENGTH, plain)
    taken = effects(table, SURE, plain)
    doses = [name for name in lengths if name.startswith(PENALTY)]
    points = np.array(sorted((lengths[name].shown.mean, taken[name].shown.mean) for name in doses))
    own = effects(core, LENGTH)[method].shown.mean
    if not points[0, 0] <= own <= points[-1, 0]:
        return exactly(float("nan"))
    by_penalty = float(np.interp(own, points[:, 0], points[:, 1]))
    return exactly(by_penalty / effects(core, SURE)[method].shown.mean, len(points))


def least_share() -> Interval:
    """The least that a way of training with logits as short as label smoothing's takes off the gap, as a share of that.

    Of those of the first picture of the page causes that have hard labels, and of the length set by hand.
    """
    smoothed = ten_seeds("label_smoothing 0.1", GAP).mean
    shares = [ten_seeds(method, GAP).mean / smoothed for method in AS_SHORT]
    table = records.by_profile("park_by_hand")["quick-fp32"]
    plain, short, soft = (table.loc[table["cell"] == cell, GAP].mean() for cell in CELLS)
    shares.append(float((short - plain) / (soft - plain)))
    return exactly(min(shares), len(shares))
