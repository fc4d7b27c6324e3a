"""What a lens of the geometry cannot take is named: shapes, rows that are not finite or zero, labels out of range."""

import math

import pytest
import torch

from softlab import SoftlabError
from softlab.lenses.geometry import (
    Centers,
    alignment,
    apex_ratio,
    bounded_regions,
    class_centers,
    cone_onset,
    confidence_contour,
    constant_share,
    cosine_to,
    inward_cosine,
    logit_cosine,
    logit_scale_factors,
    magnitude,
    within_class_variation,
)

GOOD = {  # five features of three dimensions, three classes
    "f": torch.rand(5, 3, generator=torch.Generator().manual_seed(0)) + 0.1,
    "w": torch.eye(3),
    "b": torch.zeros(3),
    "y": torch.arange(5) % 3,
    "r": torch.ones(3),
    "s": torch.ones(5, 3),  # steps
    "l": 0.9,
}
LENSES = {  # and what of it each takes, in order
    cone_onset: "fwb",
    confidence_contour: "fwbl",
    bounded_regions: "wb",
    apex_ratio: "fwb",
    constant_share: "fwb",
    magnitude: "f",
    logit_scale_factors: "fw",
    logit_cosine: "fy",
    alignment: "f",
    inward_cosine: "sf",
    cosine_to: "fwy",
    Centers.of: "fywb",
    within_class_variation: "fy",
    class_centers: "wbr",
}
LENGTHLESS = {
    cone_onset,
    confidence_contour,
    apex_ratio,
    constant_share,
    magnitude,
    inward_cosine,
}  # that take a feature of length zero


def broken(values, wrong):
    """The same with this in the last row."""
    return torch.cat([values[:-1], torch.full_like(values[-1:], wrong)])


CASES = [
    ("f", GOOD["f"][0], r"not \(3,\)"),
    ("f", GOOD["f"][:0], r"not \(0, 3\)|not torch.int64 \(5,\)"),
    ("f", GOOD["f"][:, :2], r"\(5, 2\).*\(3, 3\)"),
    ("f", broken(GOOD["f"], math.nan), "(feature|row of logits) 4 is (zero or )?not finite"),
    ("f", broken(GOOD["f"], math.inf), "(feature|row of logits) 4 is (zero or )?not finite"),
    ("f", broken(GOOD["f"], 0.0), "(feature|row of logits) 4 is zero"),
    ("w", GOOD["w"][0], r"not \(3,\)|is \(3,\)"),
    ("w", GOOD["w"][:1], r"two classes, not \(1, 3\)"),
    ("w", broken(GOOD["w"], math.inf), "row of weight 2 is not finite"),
    ("b", GOOD["b"][:2], r"not \(2,\)"),
    ("b", broken(GOOD["b"], math.nan), "entry of bias 2 is not finite"),
    ("y", torch.tensor([0, 1, 3, 1, 2]), "label 3 of sample 2 is not one of 3 classes"),
    ("y", GOOD["y"] - 1, "label -1 of sample 0 is not"),
    ("y", GOOD["y"].float(), r"not torch.float32 \(5,\)"),
    ("y", GOOD["y"].int(), r"not torch.int32 \(5,\)"),
    ("y", GOOD["y"][:4], r"int64 \(5,\), not torch.int64 \(4,\)"),
    ("r", torch.tensor([1.0, 2, -3]), r"radius must be .* \(class 2\)"),
    ("r", torch.tensor([1.0, math.nan, 3]), r"radius must be .* \(class 1\)"),
    ("r", torch.tensor(0.0), r"radius must be .* \(class 0\)"),
    ("r", torch.ones(2), r"one number or \(3,\), not \(2,\)"),
    ("s", torch.ones(4, 3), r"steps must be \(5, 3\), one for each feature, not \(4, 3\)"),
    ("s", broken(torch.ones(5, 3), math.nan), "step 4 is not finite"),
]


def takes(lens, what, wrong, message):
    """Is there a mistake for this lens?"""
    if what not in LENSES[lens] or (lens in LENGTHLESS and message.endswith("is zero")):
        return False
    if wrong.shape == (5, 2):  # too narrow for a head
        return "w" in LENSES[lens]
    if lens is cosine_to and what == "w":  # centres are no head
        return wrong.ndim == 1
    return lens is not within_class_variation or "one of 3" not in message  # it counts the classes itself


@pytest.mark.parametrize(("what", "wrong", "message"), CASES, ids=range(len(CASES)))
def test_misuse_is_named(what, wrong, message):
    lenses = [lens for lens in LENSES if takes(lens, what, wrong, message)]
    assert lenses
    for lens in lenses:
        given = GOOD | {what: wrong}
        with pytest.raises(SoftlabError, match=message):
            lens(*(given[name] for name in LENSES[lens]))


def test_what_cannot_be_measured_is_refused():
    features = GOOD["f"]
    labels = GOOD["y"]
    with pytest.raises(SoftlabError, match="sees nothing"):
        apex_ratio(torch.zeros(4, 3), GOOD["w"], GOOD["b"])
    with pytest.raises(SoftlabError, match="at least two classes, not 1"):
        within_class_variation(features, 0 * labels + 2)
