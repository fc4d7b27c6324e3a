"""Styles of methods: told apart with every kind of colour vision, and without colour by their markers."""

from itertools import combinations

import numpy as np
import pytest

from softlab.figures import OTHERS, STYLES, style

# Linear RGB as it is seen without one kind of cone. Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113,
# the table of matrices at severity 1.
SEEN = {
    "all three cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# IEC 61966-2-1: linear sRGB to CIE XYZ; its white is the sum of the rows.
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 10.0  # a difference of 2.3 in CIE Lab is just noticeable side by side; thin lines need some four times as much


def lab(color: str, seen) -> np.ndarray:
    """CIE Lab of #RRGGBB as it is seen through a matrix on linear RGB."""
    coded = np.array([int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    ratio = TO_XYZ @ np.clip(np.asarray(seen) @ linear, 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_lab_of_white_black_and_red():
    assert lab("#FFFFFF", np.eye(3)) == pytest.approx([100, 0, 0], abs=0.1)
    assert lab("#000000", np.eye(3)) == pytest.approx([0, 0, 0], abs=0.1)
    assert lab("#FF0000", np.eye(3)) == pytest.approx([53.2, 80.1, 67.2], abs=0.1)


@pytest.mark.parametrize("kind", SEEN)
def test_the_colors_of_any_two_methods_are_told_apart(kind):
    seen = {look.label: lab(look.color, SEEN[kind]) for look in STYLES.values()}
    for (one, first), (other, second) in combinations(seen.items(), 2):
        assert np.linalg.norm(first - second) > APART, f"{one} and {other}"


def test_no_two_methods_share_a_marker():
    markers = [style(method).marker for method in (*STYLES, *OTHERS)]
    assert len(set(markers)) == len(markers)


def test_no_label_has_a_comma():
    assert not [method for method in (*STYLES, *OTHERS) if "," in style(method).label], "labels stand in lists"
