"""Pages written from results: numbers and verdicts in their places, and what these say when a result is missing."""

import re
from pathlib import Path

import nbformat
import pytest
from test_plan import module

from softlab import load_profile
from softlab.evidence import Ledger, claims

ROOT = Path(__file__).parent.parent
pages = module("result_pages")


def results(folder, seeds=3, lift=0.02):
    """A chapter's results: accuracy of two methods, the second higher by `lift`, and the notebook that judged it."""
    ledger = Ledger("01_soft_labels", load_profile("smoke", seeds=seeds))
    base = {seed: 0.8 + 0.01 * seed for seed in range(seeds)}
    values = {"baseline": base, "mixup": {seed: one + lift + 0.001 * (seed % 2) for seed, one in base.items()}}
    ledger.judge("accuracy-improves", values)
    ledger.judge("accuracy-improves", {"baseline": base, "mixup": base}, "kept apart")
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


def test_the_overview_has_every_claim_also_without_any_result(tmp_path):
    empty = pages.glance(pages.Results(tmp_path / "empty"))
    assert empty
    found = pages.glance(results(tmp_path))
    assert all(claim.statement in found for claim in claims().values())


def test_every_place_of_the_book_is_well_formed(tmp_path):
    for path in set((ROOT / "book").glob("*.md")) - {ROOT / "book" / "conclusion.md"}:  # test_edition.py
        assert "[[" not in pages.filled(path.read_text(), results(tmp_path)), path
