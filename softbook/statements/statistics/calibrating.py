"""How sure networks are: what their gap to accuracy goes with, and whether they notice classes never shown."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from softbook.statements.origin import exactly
from softbook.statements.values import GROUPS
from softbook.studies import records, unknown_classes
from softbook.studies.across_settings import cells, generalization_gaps, tables_by_setting
from softlab.comparison.effects import effects, outcomes, shifts
from softlab.comparison.intervals import Interval, between, each
from softlab.lenses import calibration

GRIDS = ("training_images", "training_images_more", "hundred", "dimension")
WIDE = 5  # points of a generalization gap of which a part is taken
ERRORS = (
    functools.partial(calibration.expected_calibration_error, bins=5),
    functools.partial(calibration.expected_calibration_error, bins=50),
    calibration.adaptive_calibration_error,
    calibration.smooth_calibration_error,
)


def agreement_of_errors(profile: str) -> Interval:
    """The share of soft labels' changes of a calibration error that have ECE's sign, by other bins and without bins."""
    table = records.by_profile("core")[profile]
    sure, right = (outcomes(table, name) for name in ("confidence", "right"))
    usual = effects(table, "ECE")
    agree = []
    for measure in ERRORS:
        errors: Any = each(functools.partial(_of_arrays, measure), sure, right)
        for method in GROUPS["soft"]:
            agree.append(between(errors, method, "baseline").side() == usual[method].interval.side())
    return exactly(float(np.mean(agree)), len(agree))


def largest_rest() -> Interval:
    """The most of a soft label's change of ECE that its change of the gap leaves open, over all settings, in points."""
    moved = [shifts(table) for table in tables_by_setting().values()]
    rests = [abs(100 * one[method].rest.mean) for one in moved for method in GROUPS["soft"] if method in one]
    return exactly(max(rests), len(rests))


def typical_overconfidence() -> Interval:
    """Plain training's gap as a part of its generalization gap: the median where the latter is wide."""
    return exactly(float(np.median(_overconfidence())))


def wide_generalization_gaps() -> Interval:
    """In how many settings, and points of studies' grids, plain training's generalization gap is wide."""
    return exactly(len(_overconfidence()))


def noticed(
    method: str,
    score: str,
    kind: str = unknown_classes.HELD_OUT,
    measure: str = "AUROC",
    profile: str = "quick-fp32",
) -> Interval:
    """What a method changes in how well a score tells unknown images from others, over splits: in points."""
    return unknown_classes.change(unknown_classes.recorded(profile), f"{kind}, {score}, {measure}", method)


def _of_arrays(measure: Callable, *arrays: np.ndarray) -> float:
    return measure(*(torch.as_tensor(one).float() for one in arrays))


@functools.cache
def _overconfidence() -> list[float]:
    ahead, gaps, _ = generalization_gaps(tables_by_setting(least=1) | cells(*GRIDS), ["baseline"])
    return [gaps["baseline"][place].mean / points for place, points in ahead.items() if points >= WIDE]
