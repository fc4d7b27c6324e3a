"""AutoAttack on networks on record: minutes a network. `softbook record STUDY --measure autoattack --radius 4`.

softbook.studies.robustness reads it.
"""

from importlib.metadata import version
from typing import Any

import numpy as np

from softbook.studies.asked import Subject
from softbook.studies.robustness import survives
from softlab.lenses import attacks
from softlab.numbers import stored

BATCH = 50  # images at once


def measure(subject: Subject) -> list[dict[str, Any]]:
    """A row: which images AutoAttack leaves right at the subject's radius, and what share the ladder leaves (`ladder`).

    It meets those that the ladder fools, too, so that the two can be compared. The ladder's share is of this network,
    which need not be its row's where another processor trained that one.
    """
    network, images, labels = subject.attacked()
    results = [
        attacks.autoattack(network, some, of_these, subject.radius / 255)
        for some, of_these in zip(images.split(BATCH), labels.split(BATCH), strict=True)
    ]
    right = np.concatenate([~result.success.cpu().numpy() for result in results])
    outcome = survives(subject.radius)
    ladder = stored.of(subject.run, subject.evaluation).images[outcome][: len(labels)].mean()
    row = {"pyautoattack": version("pyautoattack"), "images met": len(labels), "ladder": float(ladder)}
    return [row | {"images": {outcome: right}}]
