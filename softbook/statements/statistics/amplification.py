"""The error part of label smoothing's term, by how much of the term it is on training images."""

import numpy as np

from softbook.studies import records
from softlab.comparison.intervals import Interval, t_interval


def error_share(profile: str, epoch: int | None = None) -> Interval:
    """In percent, after so many passes, or the mean over all of training: trapezoids between snapshots."""
    table = records.snapshots("core")[profile].query("method == 'label_smoothing'").sort_values("epoch")
    shares = []
    for _, rows in table.groupby("seed"):
        share = rows["amplification, train"].to_numpy(float)
        passes = rows["epoch"].to_numpy(float)
        shares.append(np.trapezoid(share, passes) / passes.max() if epoch is None else share[passes == epoch].item())
    when = "mean over passes" if epoch is None else f"after {epoch} passes"
    return t_interval(100 * np.array(shares)).of(table, f"error amplification on training images, {when}")
