"""Pages written from results: numbers and verdicts in their places, and what these say when a result is missing."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from test_plan import module

from softlab import load_profile
from softlab.evidence import Ledger, caveat, claims

ROOT = Path(__file__).parent.parent
pages = module("result_pages")


def results(folder, seeds=3, lift=0.02):
    """A chapter's results: accuracy of all methods, above the baseline's by `lift`, and the notebook that judged it."""
    ledger = Ledger("01_soft_labels", load_profile("smoke", seeds=seeds))
    base = {seed: 0.8 + 0.01 * seed for seed in range(seeds)}
    higher = {seed: one + lift + 0.001 * (seed % 2) for seed, one in base.items()}
    named = claims()["accuracy-improves"].methods
    ledger.judge("accuracy-improves", {"baseline": base} | dict.fromkeys(named, higher))
    ledger.judge("accuracy-improves", {"baseline": base} | dict.fromkeys(named, base), "kept apart")
    ledger.save(folder / "01_soft_labels.results.json")
    cells = [nbformat.v4.new_code_cell('ledger.judge("accuracy-improves", accuracy)')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "01_soft_labels.ipynb")
    return pages.Results(folder)


@pytest.mark.parametrize(
    ("place", "lift", "seeds", "number"),
    [
        ("verdict accuracy-improves", 0.02, 3, "supported"),
        ("verdict accuracy-improves", -0.05, 3, "contradicted"),
        ("verdict accuracy-improves; kept apart", 0.02, 3, "undecided"),
        ("verdict accuracy-improves", 0.02, 1, "no verdict"),
        ("change accuracy-improves; ; mixup; 100", 0.02, 3, "+2.0\u00a0±\u00a00.1"),
        ("change accuracy-improves; ; mixup; 100", 0.02, 1, "+2.0"),
        ("mean accuracy-improves; baseline; 100", 0.02, 3, "81.0"),
    ],
)
def test_places_are_filled_from_results(tmp_path, place, lift, seeds, number):
    assert number in pages.filled(f"[[{place}]]", results(tmp_path, seeds, lift))


@pytest.mark.parametrize(
    "place", ["verdict cones-form", "verdict accuracy-improves; of another kind", "mean cones-form; a"]
)
def test_what_was_not_found_says_so(tmp_path, place):
    assert pages.filled(f"x [[{place}]] y", results(tmp_path)) == f"x {pages.UNKNOWN} y"


@pytest.mark.parametrize("place", ["verdict no-such-claim", "guess cones-form"])
def test_a_misspelt_place_stops_the_build(tmp_path, place):
    with pytest.raises(SystemExit, match=re.escape(f"[[{place}]]")):
        pages.filled(f"[[{place}]]", results(tmp_path))


def test_versions_that_say_otherwise_and_holm_stand_behind_the_word():
    def judged(verdict, *p, variant=""):
        differences = {str(method): {"p_holm": one} for method, one in enumerate(p)}
        return {"verdict": verdict, "variant": variant, "judged": list(differences), "differences": differences}

    first, others = judged("supported", 0.001, 0.16), [judged("contradicted", 0.01, variant=one) for one in "ab"]
    holm = ", but not after Holm's correction (p = 0.16)"
    assert caveat("ls-collapses", [first, *others]) == f" in 1 of 3 versions (contradicted in 2){holm}"
    assert caveat("ls-collapses", [first, *others], versions=False) == caveat("ls-collapses", [first]) == holm
    assert caveat("ls-collapses", [first, *others], "b") == " in 2 of 3 versions (supported in 1)"
    assert caveat("ls-collapses", [judged("supported", 0.04)]) == ""
    assert caveat("cones-invariant", [judged("supported", 0.04)]) == ", but not after Holm's correction (p = 0.04)"
    assert caveat("cones-invariant", [judged("contradicted", 1.0)]) == ""  # p is of the other question
    assert caveat("ls-collapses", [judged("undecided", 0.4)]) == caveat("ls-collapses", []) == ""
    assert caveat("ls-collapses", [judged("no verdict", None), judged("supported", 0.01)]) == ""
    assert caveat("ls-two-terms", [judged("supported", 0.5)]) == ""  # an identity


def test_what_was_judged_by_an_earlier_statistic_is_not_read_as_the_claims(tmp_path):
    results(tmp_path)
    path = tmp_path / "01_soft_labels.results.json"
    record = json.loads(path.read_text())
    for name, variant in (("cones-invariant", ""), ("cones-invariant", "two-sided"), ("cones-form", "")):
        record["verdicts"].append(record["verdicts"][0] | {"claim": name, "variant": variant})
        record["evidence"].append(record["evidence"][0] | {"claim": name, "variant": variant})
    path.write_text(json.dumps(record))
    found = pages.Results(tmp_path)
    assert [one["variant"] for one in found.judged["cones-invariant"]] == ["two-sided"]
    assert {one["variant"] for one in found.records["01_soft_labels"]["evidence"]} == {"", "kept apart", "two-sided"}
    assert len(found.judged["cones-form"]) == 1


def test_every_place_of_the_book_is_well_formed(tmp_path):
    for path in (ROOT / "book").glob("*.md"):
        assert "[[" not in pages.filled(path.read_text(), results(tmp_path)), path
