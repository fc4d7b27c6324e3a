"""Figures of the book: they draw what they are given and compute nothing. One colour and marker per method.

Every function takes matplotlib axes, or makes them, and returns them.
"""

# ruff: noqa: F401 (what the package offers)
from softlab.figures.effects import arrows, at_scales, intervals, panels, repairs
from softlab.figures.grids import against, confidence_shifts, dose_axis, doses, specification, ways
from softlab.figures.networks import curves, decision_plane, dots, reliability, soft_labels
from softlab.figures.prediction import along, carried, families, losses, predicted, scores
from softlab.figures.style import COLORS, OTHERS, STYLES, Style, style
