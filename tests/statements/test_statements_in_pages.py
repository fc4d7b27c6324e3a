"""Statements in pages: each number is the records', each sentence holds, and a record that contradicts it is caught."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from softbook.statements import engine, pages, rules, tally, values
from softbook.statements.engine import SIGNED, SIZE, SPREAD, WORDS, Statement, statements
from softbook.statements.engine import pages as topics
from softbook.statements.pages import ROOT, SPAN, problems, rewritten, texts, with_notes
from softbook.studies import judge
from softlab.comparison.intervals import Interval
from softlab.errors import SoftlabError

FILES = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
NO_PAGE = {"declared", "headlines"}  # what the tally judges; sentences that pages require beside a number of their own
EVERY = [one for topic in topics() for one in statements(topic).values()]


def parts_of(one: Statement):
    """What a statement asks beside its own rule: requirements without a name, and parts of a law."""
    for key in ("requires", "parts"):
        for number, spec in enumerate(one.spec.get(key, ())):
            if not isinstance(spec, str):
                asked = {name: value for name, value in spec.items() if name != "what"}
                yield Statement(one.page, f"{one.id}-{key}-{number}", asked)


WHOLE = [*EVERY, *(part for one in EVERY for part in parts_of(one))]
RULED = [one for one in WHOLE if "rule" in one.spec and "scope" not in one.spec]  # of those with one: test_universal


def leaves(spec):
    """The contrasts of recorded networks that a statement is put together from."""
    if "any_of" in spec:
        shared = {name: value for name, value in spec.items() if name != "any_of"}
        return [leaf for part in spec["any_of"] for leaf in leaves(shared | part)]
    return [spec] if {"method", "cells"} & spec.keys() and "statistic" not in spec else []


CONTRASTS = [one for one in RULED if leaves(one.spec)]


def named(one):
    return f"{one.page}-{one.id}"


def outcome(one: Statement, found: list[Interval]) -> int:
    """What its own rule says of these values; only what was declared beforehand may be open."""
    if one.page == "declared":
        return tally.together(one.spec["rule"], found)
    (value,) = found
    return rules.HELD if rules.stands(one.spec["rule"], value) else rules.FAILED


def values_of(one: Statement) -> list[Interval]:
    return values.each_of(one.spec) if one.page == "declared" else [one.interval]


def known(**entries) -> dict[str, Statement]:
    """Statements of a page, each with a given interval: ID -> (interval, its other keys)."""
    found = {}
    for name, (interval, spec) in entries.items():
        one = Statement("page", name, spec)
        one.__dict__["interval"] = interval
        found[name] = one
    return found


def test_every_list_has_its_page():
    told = {path.stem for path in FILES if statements(path.stem)}
    assert set(topics()) - NO_PAGE == told != set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_page_says_is_what_the_records_say(path):
    assert problems(path) == {}


@pytest.mark.parametrize("one", RULED, ids=named)
def test_a_sentence_can_fail(one):
    """With values far on either side, one of the two breaks its rule; `differs` is broken by one around zero."""
    found = values_of(one)
    far = 1000 + 3 * max(abs(value.mean) for value in found)

    def moved(end: float) -> int:
        return outcome(one, [replace(value, mean=end, low=end - 1, high=end + 1, n=5) for value in found])

    outcomes = [moved(0.0)] if one.spec["rule"] == "differs" else [moved(far), moved(-far)]
    assert {*outcomes} != {rules.HELD}
    assert rules.HELD in (outcome(one, found), moved(far), moved(-far), moved(0.0))


@pytest.mark.parametrize("one", [one for one in WHOLE if "word" in one.spec], ids=named)
def test_another_word_of_the_judge_is_caught(one, monkeypatch):
    assert one.stands
    others = [replace(verdict, word="another") for verdict in values.verdicts_of(one.spec)]
    monkeypatch.setattr(values, "verdicts_of", lambda spec: others)
    assert not Statement(one.page, one.id, one.spec).stands


@pytest.mark.parametrize("one", [one for one in EVERY if "failed" in one.spec], ids=named)
def test_a_training_that_failed_has_no_rows(one):
    with pytest.raises(KeyError):
        values.contrasts(one.spec)


def test_numbers_are_rewritten_and_words_are_not(tmp_path, monkeypatch):
    page = tmp_path / "page.ipynb"
    text = 'It loses <span class="answers" data-claim="loss">9.9</span> points, <b>1.2</b>.'
    cells = [
        {"cell_type": "markdown", "source": [text]},
        {"cell_type": "code", "source": [f"x = '{text}'"]},
    ]
    page.write_text(json.dumps({"cells": cells}))
    loss = known(loss=(Interval(-2.44, -3.0, -1.9, 5), {"rule": "falls", "digits": 1, "form": SIZE}))
    monkeypatch.setattr(pages, "statements", lambda name: loss if name == "page" else {})
    assert problems(page) == {"loss": "9.9 should be 2.4: make statements"}
    new = json.loads(rewritten(page))["cells"]
    assert "".join(new[0]["source"]) == text.replace("9.9", "2.4")
    assert new[1] == cells[1]
    page.write_text(rewritten(page))
    assert problems(page) == {}
    unsure = known(loss=(Interval(-2.44, -5.0, 0.1, 5), {"rule": "falls", "digits": 1, "form": SIZE}))
    monkeypatch.setattr(pages, "statements", lambda name: unsure if name == "page" else {})
    assert problems(page) == {"loss": "its sentence no longer holds: -2.44 ± 2.54"}, "its number is right"


def test_words_stay_and_are_held_to_their_rule(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text('Lower <span class="answers" data-claim="all">in every setting</span>.')
    spec = {"rule": "falls", "form": WORDS}
    monkeypatch.setattr(pages, "statements", lambda name: known(all=(Interval(-2.0, -3.0, -1.0, 5), spec)))
    assert problems(page) == {}
    assert rewritten(page) == page.read_text()
    monkeypatch.setattr(pages, "statements", lambda name: known(all=(Interval(-2.0, -3.0, 1.0, 5), spec)))
    assert [*problems(page)] == ["all"]


def test_a_sentence_falls_with_what_it_requires():
    holds = {"statistic": "pending", "given": {"study": "heads", "letters": "nowhere"}, "rule": "is 0"}
    fails = {**holds, "rule": "is 1"}
    assert Statement("page", "both", {**holds, "requires": [holds]}).stands
    assert not Statement("page", "one", {**holds, "requires": [holds, fails]}).stands


def test_a_statement_takes_from_another_what_it_does_not_say(monkeypatch):
    entries = {
        "first": {"of": "gap", "method": "mixup", "rule": "falls", "digits": 2, "requires": ["other"]},
        "again": {"same as": "page.first", "rule": "below -2"},
    }
    monkeypatch.setattr(engine, "pages", lambda: ["page"])
    monkeypatch.setattr(engine, "_entries", lambda page: entries)
    monkeypatch.setattr(engine, "statement", engine.statement.__wrapped__)
    again = engine.statement("page.again")
    assert again.spec == {"of": "gap", "method": "mixup", "rule": "below -2", "requires": ["page.other"]}
    assert again.names == ["page.other", "page.first"]


def test_an_id_without_a_statement_and_a_statement_without_a_sentence_are_named(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text('<span class="answers" data-claim="other">1</span>')
    loss = known(loss=(Interval(-2.0, -3.0, -1.0, 5), {"rule": "falls"}))
    monkeypatch.setattr(pages, "statements", lambda name: loss if name == "page" else {})
    assert problems(page) == {"other": "no statement has this ID", "loss": "stands in no sentence"}


@pytest.mark.parametrize(
    ("mean", "form", "written"),
    [
        (-2.44, SIGNED, "−2.4"),
        (2.44, SIGNED, "+2.4"),
        (-2.44, SIZE, "2.4"),
        (-0.01, SIGNED, "+0.0"),
        (-3.24, SPREAD, "−3.2 ± 0.9"),
    ],
)
def test_how_a_number_is_written(mean, form, written):
    spec = {"rule": "falls", "digits": 1, "form": form}
    assert known(one=(Interval(mean, mean - 0.9, mean + 0.9, 5), spec))["one"].written() == written


def test_a_page_of_the_site_says_what_a_number_is_of():
    (name, one), *_ = statements("robustness").items()
    shown = with_notes("robustness", f'<span class="answers" data-claim="{name}">{one.written()}</span> %')
    assert shown.startswith('<span class="answers" tabindex="0" data-note="')
    assert "&#10;again: softbook verify " in shown
    assert shown.endswith(f">{one.written()}</span> %")


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ({"rule": "rises", "fo": "size"}, "'of'|'form'"),
        ({"rule": "rises", "form": "sized"}, "did you mean 'size'"),
        ({"of": "accuracy"}, "nothing that could be false"),
    ],
)
def test_a_statement_that_is_not_well_formed_is_refused(spec, match):
    with pytest.raises(SoftlabError, match=match):
        Statement("page", "one", spec)


def test_the_readme_gives_the_covers_six_answers():
    def answers(text):
        rows = re.findall(r"(?m)^\| [A-Z].*\|$", SPAN.sub(r"\g<text>", text))
        return [re.sub(r"\]\([^)]*\)", "]", row) for row in rows]

    cover = "\n".join(texts(ROOT / "book" / "intro.ipynb"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(answers(cover)) == 6
    assert answers(readme) == answers(cover)


@pytest.mark.parametrize("one", CONTRASTS, ids=named)
def test_a_record_that_contradicts_a_sentence_is_caught(one, monkeypatch):
    """Its quantity, moved far to one side and the other in every network that it is about."""
    recorded = values._recorded
    usual = outcome(one, values_of(one))

    def contradicted(by: float):
        def table(study, profile):
            mine = [spec for spec in leaves(one.spec) if study in values._listed(spec.get("study", "core"))]
            mine = [spec for spec in mine if study != spec.get("with", {}).get("study")]  # of its partner
            return moved(recorded(study, profile), mine, by)

        with monkeypatch.context() as patch:
            patch.setattr(values, "_recorded", table)
            clear()
            return outcome(one, values_of(Statement(one.page, one.id, one.spec))) != usual

    assert any(contradicted(by) for by in (300, -300))
    clear()


def moved(table, contrasts, by):
    """The table with the quantities of contrasts moved in what they are about, and no outcomes by image."""
    named_by = {name for spec in contrasts for name in values._listed(spec["of"])}
    quantities = {next(iter(judge.terms_of(name))) for name in named_by}  # of a difference the first
    there = [name for name in table if name in quantities or ("robust" in quantities and name.startswith("robust, "))]
    mine = np.any([np.zeros(len(table), bool), *(told_of(table, spec) for spec in contrasts)], axis=0)
    mine &= ~np.any([np.zeros(len(table), bool), *(compared_with(table, spec) for spec in contrasts)], axis=0)
    new = table.assign(images=[{}] * len(table))
    for number, name in enumerate(there):
        spread = by * (1 + 0.01 * new.loc[mine, "seed"].rank(method="dense"))
        new[name] = new[name].astype(float)
        new.loc[mine, name] += spread + number + new.loc[mine, "method"].rank(method="dense")  # each by another step
    new.attrs = table.attrs
    return new


def told_of(table, spec):
    """Which rows a contrast is about."""
    if "cells" in spec:
        cells = table["cell"] if "cell" in table else table["method"] + [f" {alpha:g}" for alpha in table["alpha"]]
        return (cells == next(iter(spec["cells"]))).to_numpy()
    methods = {one.split()[0] for name in values._listed(spec["method"]) for one in values.GROUPS.get(name, (name,))}
    return table["method"].isin(list(methods)).to_numpy()


def compared_with(table, spec):
    """Which rows it is compared with, where it says at which point of the same table these are."""
    other = spec.get("with", {})
    if "study" in other or "where" not in other:
        return np.zeros(len(table), bool)
    there = [values._are(table, column, values._hashable(value)) for column, value in other["where"].items()]
    return np.all([table["method"] == spec.get("less", "baseline"), *there], axis=0)


def clear():
    for cached in (values._table, values._effects):
        cached.cache_clear()
