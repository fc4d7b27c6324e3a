"""Sentences about records: each number is the records', each condition holds, and each can fail."""

import dataclasses
import json
import re
from dataclasses import replace

import pytest

from softbook import claims
from softbook.claims import ROOT, SIGNED, SIZE, SPAN, SPREAD, WORDS, Claim, falls
from softlab.comparison.intervals import Interval

PAGES = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
TOLD = [path for path in PAGES if claims.claims_of(path.stem)]
EVERY = [(path, name) for path in TOLD for name in claims.claims_of(path.stem)]


def test_some_page_has_claims_and_every_table_has_its_page():
    assert set(claims.tables()) == {path.stem for path in TOLD} != set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_what_a_page_says_is_what_the_records_say(path):
    assert claims.problems(path) == {}


@pytest.mark.parametrize(("path", "name"), EVERY, ids=lambda one: one if isinstance(one, str) else one.stem)
def test_a_condition_can_fail_and_names_its_sentence_alone(path, name, monkeypatch):
    """With a value far on either side, one of the two breaks the condition; the other sentences do not care."""
    table = claims.claims_of(path.stem)
    value = table[name].interval
    far = 1000 + 3 * abs(value.mean)

    def shifted(by: float) -> Claim:
        moved = replace(value, mean=value.mean + by, low=value.mean + by - 1, high=value.mean + by + 1, n=5)
        return dataclasses.replace(table[name], value=lambda: moved)

    broken = [by for by in (far, -far) if not table[name].holds(shifted(by).value())]
    assert broken
    changed = {**table, name: shifted(broken[0])}
    monkeypatch.setattr(claims, "claims_of", lambda page: changed)
    wrong = claims.problems(path)
    assert list(wrong) == [name]
    assert "no longer holds" in wrong[name]


def test_numbers_are_rewritten_and_words_are_not(tmp_path, monkeypatch):
    page = tmp_path / "page.ipynb"
    text = 'It loses <span class="answers" data-claim="loss">9.9</span> points, <b>1.2</b>.'
    cells = [
        {"cell_type": "markdown", "source": [text]},
        {"cell_type": "code", "source": [f"x = '{text}'"]},
    ]
    page.write_text(json.dumps({"cells": cells}))
    loss = Claim(lambda: Interval(-2.44, -3.0, -1.9, 5), falls, digits=1, form=SIZE)
    monkeypatch.setattr(claims, "claims_of", lambda name: {"loss": loss})
    assert claims.problems(page) == {"loss": "9.9 should be 2.4: make claims"}
    new = json.loads(claims.rewritten(page))["cells"]
    assert "".join(new[0]["source"]) == text.replace("9.9", "2.4")
    assert new[1] == cells[1]
    page.write_text(claims.rewritten(page))
    assert claims.problems(page) == {}


def test_words_stay_and_are_held_to_their_condition(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text('Lower <span class="answers" data-claim="all">in every setting</span>.')
    value = Interval(-2.0, -3.0, -1.0, 5)
    monkeypatch.setattr(claims, "claims_of", lambda name: {"all": Claim(lambda: value, falls, form=WORDS)})
    assert claims.problems(page) == {}
    assert claims.rewritten(page) == page.read_text()
    value = Interval(-2.0, -3.0, 1.0, 5)
    assert [*claims.problems(page)] == ["all"]


def test_an_id_without_a_claim_and_a_claim_without_a_sentence_are_named(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text('<span class="answers" data-claim="other">1</span>')
    loss = Claim(lambda: Interval(-2.0, -3.0, -1.0, 5), falls)
    monkeypatch.setattr(claims, "claims_of", lambda name: {"loss": loss})
    assert claims.problems(page) == {"other": "no claim has this ID", "loss": "stands in no sentence"}


def test_a_number_may_bring_its_interval():
    claim = Claim(lambda: Interval(-3.24, -4.14, -2.34, 5), falls, digits=1, form=SPREAD)
    assert claim.written() == "−3.2 ± 0.9"


@pytest.mark.parametrize(
    ("mean", "form", "written"),
    [(-2.44, SIGNED, "−2.4"), (2.44, SIGNED, "+2.4"), (-2.44, SIZE, "2.4"), (-0.01, SIGNED, "+0.0")],
)
def test_how_a_number_is_written(mean, form, written):
    assert Claim(lambda: Interval(mean, mean, mean, 1), falls, digits=1, form=form).written() == written


def test_a_page_of_the_site_says_what_a_number_is_of():
    (name, claim), *_ = claims.claims_of("robustness").items()
    text = f'<span class="answers" data-claim="{name}">{claim.written()}</span> %'
    shown = claims.with_notes("robustness", text)
    assert shown.startswith('<span class="answers" tabindex="0" data-note="')
    assert "&#10;again: softbook verify " in shown
    assert shown.endswith(f">{claim.written()}</span> %")


def test_the_readme_gives_the_covers_six_answers():
    def answers(text):
        rows = re.findall(r"(?m)^\| [A-Z].*\|$", SPAN.sub(r"\g<text>", text))
        return [re.sub(r"\]\([^)]*\)", "]", row) for row in rows]

    cover = "\n".join(claims.texts(ROOT / "book" / "intro.ipynb"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(answers(cover)) == 6
    assert answers(readme) == answers(cover)
