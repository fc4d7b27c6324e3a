"""Rows of networks whose margins, slopes and sizes of the logits are planted."""

import numpy as np
import pandas

from softbook.studies import margins

SIZES = dict.fromkeys(("log length", "log range", "log spread between images", "log gap to the third"), (3.0, 1.8, 2.2))


def table(**columns):
    """A row for each of five seeds of plain training, label smoothing, CutMix; columns: quantity -> three means."""
    generator = np.random.default_rng(0)
    rows = []
    for place, method in enumerate(("baseline", "label_smoothing", "cutmix")):
        for seed in margins.SEEDS:
            values = {name: means[place] + generator.normal(0, 0.01) for name, means in columns.items()}
            rows.append({"method": method, "seed": seed, "id": f"{method}-{seed}", **values})
    return pandas.DataFrame(rows)
