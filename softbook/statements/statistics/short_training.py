"""How long to train on wrong labels."""

from typing import Any

import pandas

from softbook.statements.origin import exactly
from softbook.studies import records
from softlab.comparison.intervals import Interval

PASSES = 45  # of study noisy_labels, which does not vary them


def best_passes(profile: str = "quick-fp32") -> Interval:
    """After how many passes plain training on 40 % wrong labels is most accurate on images for fitting."""
    briefly = records.by_profile("noisy_briefly")[profile]
    whole = records.by_profile("noisy_labels")[profile].query("label_noise == 0.4").assign(epochs=PASSES)
    plain: Any = pandas.concat([briefly, whole]).query("method == 'baseline'")
    means = plain.groupby("epochs")["accuracy, fit"].mean()
    return exactly(float(means.idxmax()), len({*briefly["seed"]}))
