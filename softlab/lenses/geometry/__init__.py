"""Lenses on the space of features: pure functions of features, labels and a linear head."""

# ruff: noqa: F401 (what the package offers)
from softlab.facade import went
from softlab.lenses.geometry.centers import class_centers
from softlab.lenses.geometry.cones import (
    apex,
    apex_ratio,
    apex_residual,
    bounded_regions,
    cone_onset,
    confidence_contour,
    constant_along_ray,
    constant_share,
    plane_logits,
)
from softlab.lenses.geometry.cosines import VARIANTS, Centers, cosine_variants, rescaled_cosines, rescaling_moves
from softlab.lenses.geometry.head import (
    alignment,
    centered_logits,
    cosine_to,
    inward_cosine,
    logit_cosine,
    logit_scale_factors,
    magnitude,
    row_space,
)
from softlab.lenses.geometry.variation import (
    class_mean_cosine,
    effective_rank,
    variation_variants,
    within_class_variation,
)

__getattr__ = went(__name__)
