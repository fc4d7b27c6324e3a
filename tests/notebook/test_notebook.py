"""Helpers of the notebooks: values by method and seed, tables, sentences."""

import html
import math
import re

import pytest

from softbook.page import chapter
from softbook.statements import laws
from softlab.comparison.effects import Effect
from softlab.comparison.intervals import Interval, Origin, each
from softlab.figures.tables import table


def test_each_goes_through_the_same_entries_of_all():
    a = {"baseline": {0: 1, 1: 2}, "mixup": {0: 3}}
    b = {"baseline": {0: 10, 1: 20}, "mixup": {0: 30}}
    assert each(lambda x, y: x + y, a, b) == {"baseline": {0: 11, 1: 22}, "mixup": {0: 33}}


def test_a_table_has_a_row_per_method_in_the_order_of_its_columns():
    shown = table({"n": {"baseline": 2, "label_smoothing": 1}, "more": {"label_smoothing": 7}})
    assert list(shown.index) == ["plain training", "label smoothing"]
    assert shown.loc["plain training", "more"] == ""


def test_a_sentence_has_a_dash_for_a_method_that_was_left_out(monkeypatch):
    said = []
    monkeypatch.setattr(chapter, "say", said.append)
    chapter.tell("", holds=False, otherwise="{mixup:+} and {cutmix:.1f}", mixup=2)
    assert said == ["+2 and –"]
    with pytest.raises(KeyError):
        chapter.tell("", holds=False, otherwise="{no_method}")


def test_a_number_in_a_sentence_answers_and_the_same_sentence_as_plain_text_has_no_markup(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda one, raw: shown.append(one))
    known = Origin('a "share" < 1 (points)', "study core, profile quick", "softbook verify core --profile quick", 500)
    effect = Effect("accuracy", Interval(-0.05, -0.06, -0.04, 5, origin=known), "seeds and images", ())
    chapter.tell("it falls by {x:abs} ({x}), of {n:,}.", holds=True, otherwise="", x=effect, n=1000)
    text = shown[0]["text/markdown"]
    assert shown[0]["text/plain"] == "It falls by 5.0 ± 1.0 (-5.0 ± 1.0), of 1,000."
    assert ">−5.0 ± 1.0</span>), of 1,000." in text, "with a minus sign, where it is read"
    assert text.count('<span class="answers" tabindex="0" data-note=') == 2
    notes = [html.unescape(note) for note in re.findall('data-note="(.*?)"', text)]
    assert notes[0].split("\n") == [
        'a "share" < 1 (points): 95 % interval −6.0 to −4.0, 5 seeds and 500 images',
        "study core, profile quick",
        "again: softbook verify core --profile quick",
    ]
    assert notes[1] == notes[0], "the size of an effect says which way it goes"


def test_a_table_of_words_keeps_what_its_numbers_say(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda one, raw: shown.append(one))
    known = Origin("slope", "study core, profile quick", "")
    number = chapter.answering(Interval(-0.2, -0.3, -0.1, 5, origin=known).text())
    chapter.table_of_words([{"a < b": "It falls.", "by": number}, {"a < b": "It stays."}])
    text = shown[0]["text/html"]
    assert re.findall("<th .*?>(.*?)</th>", text) == ["a &lt; b", "by"]
    assert len(re.findall("<tr>", text)) == 3
    assert ">−0.2 ± 0.1</span></td>" in text, "with a minus sign"
    assert 'data-note="slope' in text
    assert shown[0]["text/plain"] == "It falls. | -0.2 ± 0.1\nIt stays. | "


def test_a_number_of_one_seed_or_of_no_known_table_claims_no_interval():
    known = Origin("ECE (%)", "study core, profile quick (changed)", "")
    alone = Interval(1.0, -math.inf, math.inf, 1, origin=known)
    assert alone.text().note == "ECE (%): no interval, one seed\nstudy core, profile quick (changed)"
    assert chapter.answering(Interval(1.0, 0.0, 2.0, 3).text()) == "1.0 ± 1.0"


def test_a_law_is_told_with_its_contrast_once_there_is_one(monkeypatch):
    said = []
    monkeypatch.setattr(chapter, "say", said.append)
    monkeypatch.setattr(laws, "judged", dict)
    chapter.show_law("gap")
    assert said == []

    def told(interval, p, seeds=0):
        found = laws.Judgement("gap", (laws.Part("", interval, "falls"),), p, seeds)
        monkeypatch.setattr(laws, "judged", lambda: {"gap": found})
        chapter.show_law("gap")
        return said[-1]

    clear = told(Interval(-10.0, -12.0, -8.0, 5), 0.001)
    assert re.search(r"-10\.0 ± 2\.0 \(Fashion-MNIST, 55,000 .*; p = 0\.001", clear)
    assert "**as declared**." in clear
    assert "**open**." in told(Interval(-10.0, -12.0, -8.0, 5), 0.2)
    assert "**the opposite of what was declared**." in told(Interval(10.0, 8.0, 12.0, 5), 0.001)
    early = told(Interval(-10.0, -12.0, -8.0, 4), 0.001, 5)
    assert "**not judged before all 5 seeds are on record (4 are)**." in early
