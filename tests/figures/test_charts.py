"""Charts of pages: what is drawn, what each mark says, and what a paper's sentence comes to."""

import math
import re

import pytest
from lifted import table

from softbook.figures import charts
from softbook.statements.laws import laws
from softbook.statements.papers import papers, readings
from softbook.studies import records
from softlab.comparison.effects import effects
from softlab.comparison.intervals import Interval


def names(html):
    return re.findall(r'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="(?:point|square)"', html)


@pytest.mark.parametrize(
    ("name", "low", "high", "outcome"),
    [
        ("overconfidence", -3, -1, "as it says"),
        ("overconfidence", 1, 3, "the opposite"),
        ("overconfidence", -1, 1, "open"),
        ("accurate", 1, 3, "as it says"),
        ("cones-stay", -0.01, 0.01, "as it says"),
        ("cones-stay", -0.03, 0.01, "open"),
        ("cones-stay", -0.05, -0.03, "the opposite"),
    ],
)
def test_what_a_sentence_of_a_paper_comes_to(name, low, high, outcome):
    one = papers()["accuracy" if name == "accurate" else name]
    assert one.outcome(Interval((low + high) / 2, low, high, 3)) == outcome
    assert one.outcome(Interval(5, -(10**9), 10**9, 1)) == "open"  # one seed


def test_the_matrix_has_a_square_for_each_method_that_was_measured():
    said = {"overconfidence": papers()["overconfidence"]}
    found = names(charts.matrix(readings(said.values(), {"small": table(-0.05), "large": table(0.05)})).data)
    assert [name.partition(" in ")[0] for name in found] == [
        "as it says. Mixup, small: -4.9 ± 0.2",
        "the opposite. Mixup, large: +5.1 ± 0.2",
        "open. CutMix, small: +0.1 ± 0.2",
        "open. CutMix, large: +0.1 ± 0.2",
    ]


def test_changes_write_a_number_for_each_method_and_the_factor_of_a_logarithm():
    settings = {"A · small": effects(table(-0.05), "gap"), "B · one": effects(table(0.05, seeds=1), "gap")}
    drawn = charts.changes(settings, "how sure", ["mixup", "cutmix", "maxsup"]).data
    said = re.findall(r'aria-label="([^"]*)" role="graphics-symbol"[^>]*fill="(#\w+)"', drawn)
    falls, unsure, _ = (background for background, _ in charts.SIDES.values())
    assert [(name.partition(" in ")[0], colour.upper()) for name, colour in said] == [
        ("Mixup, A · small: -4.9 ± 0.2", falls),
        ("CutMix, A · small: +0.1 ± 0.2", unsure),
        ("Mixup, B · one: +5.0", unsure),  # one seed has no interval
        ("CutMix, B · one: +0.0", unsure),
    ]
    written = re.findall(r">([^<]+)</text>", drawn)
    assert {"how sure", "A", "B", "Mixup", "CutMix", "−5", "+5", "+0.1", "+0.0"} == set(written)
    halved = table(0.0).assign(**{"log slope": lambda rows: -math.log(2) * (rows["method"] == "mixup")})
    assert ">0.50</text>" in charts.changes({"A": effects(halved, "log slope")}, "slope", ["mixup"]).data


def test_charts_stand_beside_one_another():
    one = charts.changes({"A": effects(table(-0.05), "gap")}, "how sure", ["mixup"])
    both = charts.beside(one, one).data
    assert both.startswith('<div class="charts">')
    assert both.count("<svg") == 2


def test_a_specification_is_ordered_and_marks_what_judges():
    rows = table(-0.05).assign(ECE=lambda one: one["gap"] * -1)
    figure = charts.specification([effects(rows, name)["mixup"] for name in ("ECE", "gap")], "mixup", "gap")
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "▸ confidence − accuracy (points): -4.9 ± 0.2",
        "ECE (%): +4.9 ± 0.2",
    ]
    left, right = (container.lines[0].get_xdata()[0] for container in ax.containers)
    assert left == -right < -1  # in half widths


def test_every_variant_of_a_law_and_every_sentence_of_a_paper_is_a_quantity_on_record():
    confirmed = records.by_profile()["quick-confirm"]
    for law in laws().values():
        assert all(confirmed[quantity].notna().any() for quantity in law.variants), law.id
    for one in papers().values():
        assert set(one.methods) <= set(effects(confirmed, one.quantity, one.against)), one.id


def test_a_chart_has_room_for_letters_that_are_wider_than_those_measured():
    """By a fifth and more: labels end at the axis, so what does not fit would be cut on the left."""
    drawn = charts.changes({"CIFAR-10, learnt by heart": effects(table(-0.05), "gap")}, "how sure", ["mixup"]).data
    left, width = map(float, re.search(r'viewBox="(\S+) 0 (\S+) ', drawn).groups())
    longest = max(map(len, re.findall(r'text-anchor="end"[^>]*>([^<]*)<', drawn)))
    assert longest == len("CIFAR-10, learnt by heart")
    assert -left >= longest
    assert f'width="{width:g}"' in drawn
