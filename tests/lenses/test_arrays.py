"""Lenses take arrays, lists, and tensors that carry a graph; what is none of these is said in one line."""

import warnings

import pytest
import torch

from softlab import SoftlabError
from softlab.lenses import calibration, geometry, novelty, selective

torch.manual_seed(0)
LOGITS = torch.randn(60, 4, dtype=torch.float64)
LABELS = torch.randint(0, 4, (60,))
PROBS = LOGITS.softmax(1)
CONFIDENCE = PROBS.amax(1)
RIGHT = PROBS.argmax(1) == LABELS
FEATURES = torch.randn(60, 6, dtype=torch.float64)
WEIGHT = torch.randn(4, 6, dtype=torch.float64)
BIAS = torch.randn(4, dtype=torch.float64)
CALLS = {
    **{
        name: (getattr(calibration, name), PROBS, LABELS)
        for name in (
            "reliability",
            "expected_calibration_error",
            "adaptive_calibration_error",
            "bin_signs",
            "classwise_calibration_error",
            "smooth_calibration_error",
            "confidence_gap",
            "brier",
            "brier_terms",
            "confidence_and_correct",
        )
    },
    **{
        name: (getattr(calibration, name), LOGITS, LABELS)
        for name in ("nll", "nll_terms", "fit_temperature", "fit_scale", "fit_vector_scaling", "outcomes")
    },
    "ece_terms": (calibration.ece_terms, PROBS, LABELS, torch.ones(15)),
    "ece_noise_floor": (lambda probs: calibration.ece_noise_floor(probs, generator=torch.Generator()), PROBS),
    "temperature_interval": (calibration.temperature_interval, LOGITS, LABELS, 1.1),
    "aurc": (selective.aurc, CONFIDENCE, RIGHT),
    "excess_aurc": (selective.excess_aurc, CONFIDENCE, RIGHT),
    "risk_coverage": (selective.risk_coverage, CONFIDENCE, RIGHT),
    "normalized_score": (selective.normalized_score, LOGITS, 3),
    "auroc": (novelty.auroc, CONFIDENCE[:40], CONFIDENCE[40:]),
    "false_positives": (novelty.false_positives, CONFIDENCE[:40], CONFIDENCE[40:]),
    "within_class_variation": (geometry.within_class_variation, FEATURES, LABELS),
    "class_mean_cosine": (geometry.class_mean_cosine, FEATURES, LABELS),
    "effective_rank": (geometry.effective_rank, FEATURES),
    "alignment": (geometry.alignment, LOGITS),
    "cone_onset": (geometry.cone_onset, FEATURES, WEIGHT, BIAS),
    "bounded_regions": (geometry.bounded_regions, WEIGHT[:, :2], BIAS),
    "apex_ratio": (geometry.apex_ratio, FEATURES, WEIGHT, BIAS),
    "class_centers": (geometry.class_centers, WEIGHT, BIAS, 1.0),
}
FORMS = {
    "a graph": lambda values: values.clone().requires_grad_() if values.is_floating_point() else values,
    "an array": lambda values: values.numpy(),
    "an array of another byte order": lambda values: values.numpy().astype(values.numpy().dtype.newbyteorder(">")),
    "a list": lambda values: values.tolist(),
}


def called(name, form):
    """What a function gives where tensors come in a form."""
    function, *values = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*(form(one) if isinstance(one, torch.Tensor) else one for one in values))


def numbers(found):
    """Every number of what a function gives."""
    if isinstance(found, torch.Tensor):
        return found.double().flatten().tolist()
    if isinstance(found, tuple):
        return [number for one in found for number in numbers(one)]
    return [found] if isinstance(found, float) else numbers(tuple(vars(found).values()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_any_form_gives_the_same_numbers(name, form):
    expected = numbers(called(name, lambda values: values))
    assert numbers(called(name, FORMS[form])) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("wrong", ["words", [[1.0, 2.0], [3.0]], {"a": 1}, None])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_array_of_numbers_is_said_in_one_line(name, wrong):
    with pytest.raises(SoftlabError, match=r"must be a tensor, or an array of numbers") as caught:
        called(name, lambda values: wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "function",
    [
        geometry.apex_ratio,
        geometry.cone_onset,
        geometry.constant_share,
        lambda features, weight, bias: geometry.logit_scale_factors(features, weight).head_gain,
        lambda features, weight, bias: geometry.cosine_to(features, weight, torch.tensor([0, 1, 2, 0])),
        lambda features, weight, bias: geometry.confidence_contour(features, weight, bias, 0.5),
    ],
)
def test_features_of_one_precision_meet_a_head_of_another(function):
    drawing = torch.Generator().manual_seed(0)
    features = torch.randn(4, 5, generator=drawing, dtype=torch.float64)
    weight = torch.randn(3, 5, generator=drawing)
    bias = torch.randn(3, generator=drawing)
    expected = function(features, weight.double(), bias.double())
    assert torch.allclose(torch.as_tensor(function(features, weight, bias)), torch.as_tensor(expected))
