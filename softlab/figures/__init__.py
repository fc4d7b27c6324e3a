"""Figures: they draw what they are given and compute nothing. One colour and marker per method.

Every function takes matplotlib axes, or makes them, and returns them.
"""

# ruff: noqa: F401 (what the package offers)
from softlab.facade import went
from softlab.figures.described import described
from softlab.figures.effects import estimate, estimates, method_rows, networks_in_panels, shifts_by_setting
from softlab.figures.networks import decision_plane, dots, reliabilities, reliability
from softlab.figures.style import COLORS, OTHERS, STYLES, Style, markers, style
from softlab.figures.tables import table

__getattr__ = went(__name__)
