"""Figures of the book, beside those of softlab.figures: they draw what they are given and compute nothing.

Every function takes matplotlib axes, or makes them, and returns them.
"""

# ruff: noqa: F401 (what the package offers)
from softbook.figures.grids import against, along, doses, gap_law, over_generalization, over_passes, over_radii
from softbook.figures.planes import (
    PLANE,
    feature_in_two_views,
    force_field,
    minus_gradient,
    needles,
    plane_points,
    projections,
    shrunk_along_ray,
)
from softbook.figures.slopes import (
    bends,
    estimates_by_radius,
    on_the_plane,
    slope_plane,
)
from softbook.figures.yours import RING, beside_record, legend
from softlab.figures.effects import estimate, estimates, method_rows, networks_in_panels, shifts_by_setting
from softlab.figures.networks import decision_plane, dots, reliabilities, reliability
from softlab.figures.style import COLORS, OTHERS, STYLES, Style, markers, style
from softlab.figures.tables import table
