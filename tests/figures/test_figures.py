"""Styles of methods, told apart with every kind of colour vision and without colour; effects in several settings."""

import math
import re
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas
import pytest
import torch
from matplotlib.quiver import Quiver

from softbook.figures import (
    against,
    bends,
    doses,
    estimates_by_radius,
    force_field,
    minus_gradient,
    needles,
    over_generalization,
    over_passes,
    over_radii,
    plane_points,
    projections,
    shrunk_along_ray,
    slope_plane,
)
from softbook.studies.margins import Place
from softlab import regularizers
from softlab.comparison.effects import Effect, Effects, seed_means_at
from softlab.comparison.intervals import OPEN, Interval
from softlab.figures import (
    OTHERS,
    STYLES,
    described,
    estimates,
    networks_in_panels,
    shifts_by_setting,
    style,
)
from softlab.figures.style import COLORS, MARKERS, class_colors, lift_letter

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


def test_no_two_methods_look_the_same():
    looks = [(style(method).color, style(method).marker) for method in (*STYLES, *OTHERS)]
    assert len(set(looks)) == len(looks)


def test_there_is_room_for_many_more_methods():
    assert math.gcd(len(COLORS), len(MARKERS)) == 1
    assert len(OTHERS) + 20 < len(COLORS) * len(MARKERS)


def test_every_method_of_the_book_has_its_place_in_the_palette():
    """Else it takes the look that the letters of its name come to, which another one may have."""
    own = {name for name, method in regularizers.REGISTRY.items() if method.__module__.startswith("softlab.")}
    assert own <= {*STYLES, *OTHERS}


def test_a_letter_stands_on_a_white_disc_and_other_markers_do_not():
    _, ax = plt.subplots()
    for look in (style("gradient_penalty"), style("weight_decay")):
        lift_letter(ax, 1.0, 2.0, look, 6)
    letter = style("gradient_penalty")
    seen = [(line.get_color(), line.get_marker()) for line in ax.lines]
    assert seen == [("white", "o"), (letter.color, letter.marker)]


def test_no_label_has_a_comma():
    assert not [method for method in (*STYLES, *OTHERS) if "," in style(method).label], "labels stand in lists"


def in_one_setting(**methods):
    """Effects on ECE, each (mean, low, high) over five seeds, or (mean,) of one network."""
    found = Effects("ECE")
    for method, ends in methods.items():
        interval = Interval(*ends, 5) if len(ends) == 3 else Interval(*ends, -math.inf, math.inf, 1)
        found[method] = Effect("ECE", interval, "seeds", ())
    return found


def drawn(ax):
    """Every estimate as {(color, marker): [(x, row), …]}: what a reader sees."""
    seen = {}
    for line in ax.lines:
        if line.get_marker() not in ("None", "|", "_", 4, 5, "") and len(line.get_xdata()):
            seen.setdefault((line.get_color(), line.get_marker()), []).append(
                (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
            )
    return seen


def test_estimates_draws_each_effect_in_points_in_the_row_of_its_setting():
    settings = {
        "small": in_one_setting(mixup=(-0.02, -0.03, -0.01), cutmix=(0.01, 0.0, 0.02)),
        "large": in_one_setting(mixup=(-0.04, -0.05, -0.03)),
    }
    (ax,) = estimates({"": settings}, "change of ECE (points)").axes
    seen = drawn(ax)
    (first, upper), (second, lower) = seen[style("mixup").color, style("mixup").marker]
    assert (first, second) == (pytest.approx(-2), pytest.approx(-4))
    assert (round(upper), round(lower)) == (0, 1)
    assert [x for x, _ in seen[style("cutmix").color, style("cutmix").marker]] == [pytest.approx(1)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["small\n5 seeds", "large\n5 seeds"]
    assert ax.get_xlabel() == "change of ECE (points)\n← better"
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["Mixup", "CutMix"]
    assert any(list(line.get_xdata()) == [0, 0] for line in ax.lines), "a line where nothing changes"
    plt.close(ax.figure)


def test_estimates_takes_one_setting_and_one_network():
    (ax,) = estimates({"": {"small": in_one_setting(mixup=(-0.02,), cutmix=(-0.01,))}}).axes
    assert ax.get_yticklabels()[0].get_text() == "small\none seed"
    (line,) = [line for line in ax.lines if line.get_marker() == style("mixup").marker]
    assert line.get_fillstyle() == "none", "an open marker"
    assert np.isfinite(ax.get_xlim()).all()
    assert ax.get_xlim()[0] < -2 < 0 < ax.get_xlim()[1]
    plt.close(ax.figure)


def test_estimates_cuts_an_interval_that_would_hide_the_others_and_says_so():
    (ax,) = estimates({"": {"small": in_one_setting(mixup=(-0.02, -0.5, 0.46), cutmix=(0.01, 0.0, 0.02))}}).axes
    low, high = ax.get_xlim()  # the means lie 3 points apart, and as much is left on both sides, and a margin
    assert (low, high) == (pytest.approx(-5 - 0.36), pytest.approx(4 + 0.36))
    arrows = {line.get_marker(): line.get_xdata()[0] for line in ax.lines if line.get_marker() in (4, 5)}
    assert arrows == {4: low, 5: high}
    plt.close(ax.figure)


def test_of_intervals_that_are_all_wider_than_their_means_lie_apart_most_are_seen_whole():
    (ax,) = estimates({"": {"small": in_one_setting(mixup=(0.001, -0.01, 0.012), cutmix=(-0.001, -0.009, 0.007))}}).axes
    low, high = ax.get_xlim()
    assert low < -0.9
    assert high > 0.9
    assert not [line for line in ax.lines if line.get_marker() in (4, 5)]


def test_estimates_has_room_for_its_labels():
    """On 6.4 inches, as the page shows it: no two labels overlap, and none leaves the picture."""
    long = "Fashion-MNIST (mini), 1,000 training images, MobileNetV2 at half width"
    (ax,) = estimates(
        {"": {f"{number}: {long}": in_one_setting(mixup=(-0.02,), label_smoothing=(0.01,)) for number in range(6)}}
    ).axes
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in (*ax.get_yticklabels(), *ax.figure.legends[0].get_texts())]
    whole = ax.figure.bbox
    assert all(whole.contains(box.x0, box.y0) and whole.contains(box.x1, box.y1) for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    plt.close(ax.figure)


def certain(value):
    return Interval(value, value - 0.1, value + 0.1, 5)


def test_arrows_go_from_plain_training_to_each_method_over_a_band_that_ends_where_they_start():
    start = {"A · few": certain(11.0), "B · many": certain(3.0)}
    ends = {"A · few": {"mixup": certain(-2.0)}, "B · many": {"mixup": certain(-6.0)}}
    ax = shifts_by_setting(start, ends, "gap", "as sure as right")
    seen = drawn(ax)
    mixup = style("mixup")
    assert [x for x, _ in seen[mixup.color, mixup.marker]] == [-2.0, -6.0]
    assert [x for x, _ in seen[style("baseline").color, "o"]] == [11.0, 3.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B"]
    ends_of_bands = [path.vertices[:, 0].max() for band in ax.collections for path in band.get_paths()]
    assert ends_of_bands == [11.0, 3.0]
    plt.close(ax.figure)


def test_on_a_ray_features_are_full_where_they_are_and_open_where_they_come_to():
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    features = {"baseline": torch.tensor([0.0, 3.0]), "mixup": torch.tensor([0.0, 1.5])}
    ax = shrunk_along_ray(weight, torch.zeros(3), torch.zeros(2), features, by=3)
    by_fill = {(line.get_marker(), line.get_fillstyle()): line.get_ydata()[0] for line in ax.lines}
    assert by_fill["o", "full"] == 3.0
    assert by_fill["o", "none"] == 1.0
    assert by_fill["^", "none"] == 0.5
    assert {text.get_text() for text in ax.texts} == {"origin", "apex"}
    plt.close(ax.figure)


def test_a_needle_is_as_far_from_the_border_as_it_is_said_to_be():
    ax = needles({"baseline": 10.0, "mixup": 60.0})
    ((across, up),) = drawn(ax)[style("mixup").color, style("mixup").marker]
    assert (across, up) == pytest.approx((0, 0.95))  # at its class, which is up
    ((across, up),) = drawn(ax)[style("baseline").color, style("baseline").marker]
    assert np.degrees(np.arctan2(up, across)) == pytest.approx(30 + 10)
    assert ax.get_legend_handles_labels()[1] == ["plain training, 10°", "Mixup, 60°"]
    plt.close(ax.figure)


def test_an_attack_turns_a_needle_towards_the_other_class():
    ax = needles({"mixup": 20.0}, turned={"mixup": 35.0})
    start, end = drawn(ax)[style("mixup").color, style("mixup").marker]
    assert np.degrees(np.arctan2(start[1], start[0])) == pytest.approx(30 + 20)
    assert np.degrees(np.arctan2(end[1], end[0])) == pytest.approx(30 - 15)  # beyond the border, which is at 30
    assert ax.get_legend_handles_labels()[1] == ["Mixup, turned by 35°"]
    plt.close(ax.figure)


def test_a_gap_points_down_where_ece_falls_and_up_where_it_rises():
    def about(value, half):
        return Interval(value, value - half, value + half, 5)

    gaps = {"baseline": {"few": about(9.0, 1)}, "mixup": {"few": about(-1.0, 1), "many": about(-6.0, 1)}}
    changes = {"baseline": {}, "mixup": {"few": about(-8.0, 2), "many": about(3.0, 1)}}
    figure = over_generalization({"few": 20.0, "many": 2.0}, gaps, changes)
    plain, mixup = figure.axes
    assert drawn(plain) == {("#000000", "o"): [(20.0, 9.0)]}
    assert sorted((marker, places) for (_, marker), places in drawn(mixup).items()) == [
        ("^", [(2.0, -6.0)]),
        ("v", [(20.0, -1.0)]),
    ]
    plt.close(figure)


def test_doses_are_drawn_from_zero_on_with_their_intervals():
    curve = {
        0.0: Interval(0.0, -math.inf, math.inf, 1),
        0.01: Interval(0.5, 0.4, 0.6, 5),
        0.1: Interval(1.0, 0.8, 1.2, 5),
    }
    ax = doses({"variation": curve, "loss": {0.1: Interval(1.0, 0.9, 1.1, 5)}})
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", ".01", ".1"]
    assert ax.get_legend_handles_labels()[1] == ["variation", "loss"]
    solid, dashed = (line for line in ax.lines if line.get_ls() != "None" and len(line.get_xdata()))
    assert (list(solid.get_xdata()), list(solid.get_ydata())) == ([0.0, 0.01, 0.1], [0.0, 0.5, 1.0])
    assert (solid.get_ls(), dashed.get_ls()) == ("-", "--")
    bars = [container.lines[2][0].get_segments()[0][:, 1] for container in ax.containers]
    assert [tuple(np.round(bar, 6)) for bar in bars] == [(0.4, 0.6), (0.8, 1.2), (0.9, 1.1)]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_fillstyle() == "none"] == [0], "one network"
    plt.close(ax.figure)


def test_over_passes_has_a_panel_a_method_and_a_line_a_size():
    one = Interval(40.0, 37.0, 43.0, 3)
    many = Interval(20.0, 18.0, 22.0, 3)
    panels = {"baseline": {(250, 360): many, (1000, 360): one}, "mixup": {(1000, 360): many}}
    figure = over_passes(panels, 100, "left (%)")
    left, right = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["plain training", "Mixup"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["250", "1,000"]
    marked = [bars.lines[0] for bars in left.containers]
    assert [line.get_xdata()[0] for line in marked] == [144, 36]
    assert len(right.containers) == 1


def test_estimates_stand_in_rows_and_a_single_network_is_open():
    rows = {"few": {"maxsup": Interval(2.0, 1.0, 3.0, 5)}, "one": {"baseline": Interval(-1.0, -1.0, -1.0, 1)}}
    figure = estimates({"left": rows, "right": {"few": rows["few"]}}, "points", dashed={"right": -9.0}, absent="none")
    left, right = figure.axes
    seen = drawn(left)
    assert seen[style("maxsup").color, style("maxsup").marker] == [(2.0, 0.0)]
    (line,) = [line for line in left.lines if line.get_marker() == style("baseline").marker]
    assert (line.get_fillstyle(), list(line.get_ydata())) == ("none", [1])
    assert [label.get_text() for label in left.get_yticklabels()] == ["few", "one"]
    assert [ax.get_title() for ax in figure.axes] == ["left", "right"]
    assert [text.get_text() for text in right.texts] == ["none"]
    assert right.get_xlim()[0] < -9
    assert not figure.legends
    plt.close("all")


def test_a_mark_says_what_it_is_to_a_screen_reader_and_to_who_points_at_it():
    rows = {"A": in_one_setting(mixup=(-0.02, -0.03, -0.01)), "B <x>": in_one_setting(mixup=(0.01,))}
    figure = estimates({"error": rows, "other": {"A": {"mixup": Interval(-3.14, -3.4, -2.88, 3)}}})
    page = described(figure)
    says = re.findall(
        r'<g role="graphics-symbol" aria-roledescription="point" aria-label="([^"]*)"><title>(.*?)<', page
    )
    assert [label for label, _ in says] == [
        "Mixup, A, error: -2.0 ± 1.0 in ECE (points) (5 seeds; over seeds)",
        "Mixup, B &lt;x&gt;, error: +1.0 in ECE (points) (one seed, no interval; over seeds)",
        "Mixup, A, other: -3.14 ± 0.26 (3 seeds)",
    ]
    assert all(label == title for label, title in says)
    assert "currentColor" in page
    assert "#000000" not in page
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert page == described(figure)
    plt.close(figure)
    assert described(plt.subplots()[0]) is None, "nothing says anything"


def test_each_network_has_its_marker_in_the_row_of_its_method():
    figure = networks_in_panels({"one": {"mixup": [1.0, 3.0]}, "other": {"cutmix": [2.0], "mixup": [0.0]}}, "points")
    one, other = figure.axes
    assert [label.get_text() for label in one.get_yticklabels()] == ["Mixup"]
    assert [label.get_text() for label in other.get_yticklabels()] == ["CutMix", "Mixup"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one", "other"]
    markers = [line.get_xydata().tolist() for ax in (one, other) for line in ax.get_lines() if line.get_ls() == "None"]
    assert markers == [[[1, 0]], [[3, 0]], [[2, 0]], [[0, 1]]]
    assert one.get_xlim() == other.get_xlim()
    plt.close(figure)


def test_lines_over_radii_share_their_axes_and_a_legend():
    panels = {"here": {"mixup": [1.0, 2.0], "cutmix": [0.0, 5.0]}, "there": {"mixup": [3.0, 4.0]}}
    panels = {
        place: {name: {at: certain(left) for at, left in enumerate(values, 1)} for name, values in by_method.items()}
        for place, by_method in panels.items()
    }
    figure = over_radii(panels, "points", columns=3)
    here, there = figure.axes
    lines = [line.get_xydata().tolist() for line in here.get_lines() if line.get_ls() == "-"]
    assert [line for line in lines if line] == [[[1, 1], [2, 2]], [[1, 0], [2, 5]]]
    assert here.get_ylim() == there.get_ylim()
    assert [label.get_text() for label in here.get_xticklabels()] == ["1/255", "2/255"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Mixup", "CutMix"]
    plt.close(figure)


def test_settings_stand_side_by_side_with_one_legend():
    settings = {
        "small": in_one_setting(mixup=(-0.02, -0.03, -0.01), cutmix=(0.0, -0.01, 0.01)),
        "large": in_one_setting(mixup=(-0.04, -0.05, -0.03)),
    }
    figure = estimates({"first": settings, "second": settings})
    assert [ax.get_title() for ax in figure.axes] == ["first", "second"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["small\n5 seeds", "large\n5 seeds"]
    assert not [ax for ax in figure.axes if ax.get_legend()]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Mixup", "CutMix"]
    plt.close(figure)


def test_a_force_on_the_first_logit_points_to_its_corner():
    """In the plane of three logits e_A - 1/3 has the length √(2/3), and MaxSup pulls each leader back."""
    points = plane_points(3)
    assert points.tolist()[:2] == [[-4, -4], [0, -4]]
    away = minus_gradient(lambda z: z[:, 0] - z.mean(1), points)
    assert torch.allclose(away, torch.tensor([-2 / 3, 1 / 3, 1 / 3]).expand(9, 3))
    back = minus_gradient(
        lambda z: z.max(1).values - z.mean(1), points[7:8]
    )  # straight up: two tie, or the third is last
    assert back.sum().abs() < 1e-6
    ax = force_field(points, away)
    (arrows,) = [one for one in ax.collections if isinstance(one, Quiver)]
    assert np.hypot(arrows.U, arrows.V) == pytest.approx(np.full(9, (2 / 3) ** 0.5))
    assert [text.get_text() for text in ax.texts] == ["boot", "bag", "coat"]
    plt.close("all")


def test_projections_have_a_row_for_each_part_and_a_dot_for_each_point():
    cloud = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0, 4])
    parts = {kind: {"baseline": cloud, "maxsup": cloud} for kind in ("old", "new")}
    figure = projections(parts, {0: "shirt", 4: "coat"}, ["baseline", "maxsup"])
    assert [[len(dots.get_offsets()) for dots in ax.collections] for ax in figure.axes] == [[2, 1]] * 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["shirt", "coat"]
    plt.close(figure)


def test_each_class_has_a_colour_of_its_own():
    for count in (2, 10, 100):
        assert len({class_colors(count)(index) for index in range(count)}) == count


def place(method, slope, margin, attacked=2.0, half=0.05, n=5, dose=None):
    """Where a method lies, each change ± half; attacked: in points, None where it is not on record."""
    beside = {name: Interval(at, at - half, at + half, n) for name, at in (("slope", slope), ("margin", margin))}
    ratio = Interval(margin - slope, margin - slope - half, margin - slope + half, n)
    lost = OPEN if attacked is None else Interval(attacked, attacked - 1, attacked + 1, n)
    return Place(method, dose, **beside, ratio=ratio, attacked=lost)


PLACES = [
    place("label_smoothing", -0.6, -0.8, -4.0),
    place("cutmix", -0.9, -0.6, 9.6),
    place("maxsup", -0.62, -0.78, -4.2),
]


def crowded(figure):
    """Words of a figure that leave it, and pairs that overlap. Ticks beyond the end of an axis are not drawn."""
    figure.draw_without_rendering()
    words = [text for legend in figure.legends for text in legend.get_texts()]
    for ax in figure.axes:
        words += [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]
        for axis, ends in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
            words += [tick.label1 for tick in axis.get_major_ticks() if ends[0] <= tick.get_loc() <= ends[1]]
    boxes = [(text.get_text(), text.get_window_extent()) for text in words if text.get_text() and text.get_visible()]
    whole = figure.bbox.padded(1)
    outside = [text for text, box in boxes if not (whole.contains(*box.min) and whole.contains(*box.max))]
    return outside + [(one[0], two[0]) for one, two in combinations(boxes, 2) if one[1].overlaps(two[1])]


def test_methods_lie_in_the_plane_of_slope_and_margin_with_plain_training_at_the_origin():
    ax = slope_plane(PLACES, plt.subplots()[1])
    seen = drawn(ax)
    assert seen[style("cutmix").color, style("cutmix").marker] == [(-0.9, -0.6)]
    assert seen[style("baseline").color, style("baseline").marker] == [(0, 0)]
    halos = next(one for one in ax.collections if len(one.get_offsets()) == len(PLACES))
    assert [tuple(at) for at in halos.get_offsets()] == [(-0.6, -0.8), (-0.9, -0.6), (-0.62, -0.78)]
    assert list(halos.get_array()) == [-4.0, 9.6, -4.2]
    red, _, blue, _ = halos.to_rgba(-9)
    assert red > blue, "red where accuracy under attack is lost"
    assert {"plain training", "label smoothing", "CutMix"} <= {text.get_text() for text in ax.texts}
    plt.close(ax.figure)


def test_a_line_of_the_plane_has_the_factor_of_margin_over_slope_at_its_end():
    ax = slope_plane(PLACES, plt.subplots()[1])
    factors = [text for text in ax.texts if text.get_text().startswith("×")]
    assert {"× 0.8", "× 1.25"} <= {text.get_text() for text in factors}
    right = ax.get_xlim()[1]
    above = ax.get_ylim()[1]
    for text in factors:
        across, up = text.xy
        assert up - across == pytest.approx(math.log(float(text.get_text()[1:])))
        assert across == pytest.approx(right) or up == pytest.approx(above)
    plt.close(ax.figure)


def test_an_interval_that_leaves_the_plane_ends_in_arrows():
    ax = slope_plane([*PLACES, place("mixup", -0.5, -0.5, half=9.0)], plt.subplots()[1])
    left, right = ax.get_xlim()
    below, above = ax.get_ylim()
    ends = {line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines}
    assert [ends[4], ends[5]] == [(left, -0.5), (right, -0.5)]
    assert [ends[6], ends[7]] == [(-0.5, above), (-0.5, below)]
    plt.close("all")


def test_estimates_have_a_colour_a_radius_in_every_panel():
    rows = {"radius": ["1/255", "1/255", "4/255"], "estimate": [70.0, 60.0, 40.0], "attacked": [69.0, 61.0, 38.0]}
    units = pandas.DataFrame(rows)
    figure = estimates_by_radius({"grey": units, "colour": units[2:]})
    assert crowded(figure) == []
    first, second = figure.axes
    one, four = (line for line in first.lines if line.get_marker() == "o")
    assert [*zip(*one.get_data(), strict=True)] == [(70, 69), (60, 61)]
    (alone,) = (line for line in second.lines if line.get_marker() == "o")
    assert one.get_color().tolist() != four.get_color().tolist() == alone.get_color().tolist()
    plt.close(figure)


def test_bends_start_with_the_whole_lead_and_draw_what_a_line_says_in_dashes():
    rows = {"method": "mixup", "seed": [0, 1], "radius": 4.0, "attacked": [0.2, 0.4], "straight": [-0.2, 0.0]}
    figure = bends({"here": pandas.DataFrame(rows)})
    lines = {line.get_linestyle(): [float(value) for value in line.get_ydata()] for line in figure.axes[0].lines[:2]}
    assert lines == {"-": [100, pytest.approx(30)], "--": [100, pytest.approx(-10)]}


def test_values_of_a_grid_stand_side_by_side_and_none_last():
    rows = [(m, s, d, s + (d or 9)) for m in ("baseline", "mixup") for s in (0, 1, 2) for d in (2, 5, None)]
    table = pandas.DataFrame(rows, columns=["method", "seed", "feature_dimension", "onset"])
    ax = against(seed_means_at(table, "feature_dimension", "onset"), "onset", "as it is")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "5", "as it is"]
    assert ax.get_legend_handles_labels()[1] == ["plain training", "Mixup"]
    assert ax.lines[0].get_ydata().tolist() == [3, 6, 10]  # means over seeds 0, 1, 2
