"""Pages written from results: places in pages, the overview, and what they say when a result or a seed is missing."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from softlab import load_profile
from softlab.evidence import Ledger, caveat, claims

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(ROOT / "workflow"))
    spec = importlib.util.spec_from_file_location("result_pages", ROOT / "workflow" / "result_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(ROOT / "workflow"))
    return module


def leave_results(folder, seeds=3, lift=0.02):
    """A chapter's results: accuracy of two methods, the second higher by `lift`, and the notebook that judged it."""
    ledger = Ledger("01_soft_labels", load_profile("smoke", seeds=seeds))
    base = {seed: 0.8 + 0.01 * seed for seed in range(seeds)}
    values = {"baseline": base, "mixup": {seed: one + lift + 0.001 * (seed % 2) for seed, one in base.items()}}
    ledger.judge("accuracy-improves", values)
    ledger.judge("accuracy-improves", {"baseline": base, "mixup": base}, "kept apart")
    ledger.save(folder / "01_soft_labels.results.json")
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [text("# Title\n\n## On all seeds"), code('ledger.judge("accuracy-improves", accuracy)')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "01_soft_labels.ipynb")


@pytest.fixture
def results(pages, tmp_path):
    leave_results(tmp_path)
    return pages.Results(tmp_path)


def test_places_are_filled_from_results(pages, results):
    text = "[[verdict accuracy-improves]] [[verdict accuracy-improves; kept apart]] [[outcome accuracy-improves]] "
    text += "[[change accuracy-improves; ; mixup; 100]] [[mean accuracy-improves; baseline; 100]] "
    text += "[[verdicts accuracy-improves]] [[see accuracy-improves]]"
    assert pages.filled(text, results) == (
        "{bdg-success}`supported` in 1 of 2 versions (undecided in 1) {bdg-muted}`undecided` same: supported in 1 of 2 "
        "versions (undecided in 1) +2.0\u00a0±\u00a00.1 81.0 {bdg-success}`supported` × 1, "
        '{bdg-muted}`undecided` × 1 <a href="../notebooks/01_soft_labels.html#on-all-seeds">soft labels</a>'
    )


def test_the_other_side_and_one_seed_change_the_words(pages, tmp_path):
    leave_results(tmp_path, lift=-0.05)
    assert pages.filled("[[outcome accuracy-improves]]", pages.Results(tmp_path)).startswith(
        "different: contradicted in 1 of 2"
    )
    leave_results(tmp_path, seeds=1)
    one = pages.Results(tmp_path)
    assert pages.filled("[[verdict accuracy-improves]]", one) == "{bdg-light}`no verdict`"
    assert pages.filled("[[change accuracy-improves; ; mixup; 100]]", one) == "+2.0 (one seed)"
    assert "| 1 |" in pages.glance(one)
    assert "one seed" in pages.glance(one)


@pytest.mark.parametrize(
    "place", ["verdict cones-form", "verdict accuracy-improves; of another kind", "mean cones-form; a"]
)
def test_what_was_not_found_says_so(pages, results, place):
    assert pages.filled(f"x [[{place}]] y", results) == f"x {pages.UNKNOWN} y"


@pytest.mark.parametrize("place", ["verdict no-such-claim", "guess cones-form"])
def test_a_misspelt_place_stops_the_build(pages, results, place):
    with pytest.raises(SystemExit, match=re.escape(f"[[{place}]]")):
        pages.filled(f"[[{place}]]", results)


def test_the_overview_has_every_claim_and_every_variant(pages, results):
    page = pages.glance(results)
    assert all(claim.statement in page for claim in claims().values())
    assert page.count("dropdown") == 1
    assert "| kept apart | undecided | Mixup | +0.000\u00a0±\u00a00.000 |" in page
    assert "Of\n1 empirical claims: 1 supported; 1 of them with a limit that stands beside the word." in page


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


def test_pages_and_overview_can_be_written_without_any_result(pages, tmp_path):
    empty = pages.Results(tmp_path)
    assert "No chapter" in pages.glance(empty)
    assert pages.filled((ROOT / "book" / "questions.md").read_text(), empty).count(pages.UNKNOWN) > 20


def test_what_was_judged_by_an_earlier_statistic_is_not_read_as_the_claims(pages, tmp_path):
    leave_results(tmp_path)
    path = tmp_path / "01_soft_labels.results.json"
    record = json.loads(path.read_text())
    for name, variant in (("cones-invariant", ""), ("cones-invariant", "two-sided"), ("cones-form", "")):
        record["verdicts"].append(record["verdicts"][0] | {"claim": name, "variant": variant})
        record["evidence"].append(record["evidence"][0] | {"claim": name, "variant": variant})
    path.write_text(json.dumps(record))
    results = pages.Results(tmp_path)
    assert [one["variant"] for one in results.judged["cones-invariant"]] == ["two-sided"]
    assert {one["variant"] for one in results.records["01_soft_labels"]["evidence"]} == {"", "kept apart", "two-sided"}
    assert len(results.judged["cones-form"]) == 1


def test_every_place_of_the_book_is_well_formed(pages, results):
    for path in set((ROOT / "book").glob("*.md")) - {ROOT / "book" / "conclusion.md"}:  # test_edition.py
        assert "[[" not in pages.filled(path.read_text(), results), path
