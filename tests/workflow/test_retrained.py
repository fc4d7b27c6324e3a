"""Recorded networks that a build trains again: a page says how many numbers moved, the last line only what differs."""

import json

import pytest
import retrained
import summary

from softbook.studies.recording import Comparison, Move

ALIKE = Comparison("a-1", 73, [Move("ECE at T, fit", 0.1, 0.13, 0.02), Move("contour, 0.5", 1.0, 1.1, 0.2)])
NEARER = Comparison("b-2", 73, [Move("NLL", 0.31, 0.32, 0.1)])
DIFFERS = Comparison("c-3", 73, [Move("apex residual", 1e-15, 1e-3, 1e-6), Move("NLL", 0.31, 0.32, 0.1)])
SAME = Comparison("d-4", 73, [])


@pytest.fixture
def build(tmp_path):
    def make(**tables):
        (tmp_path / "checked").mkdir()
        for study, compared in tables.items():
            path = tmp_path / "checked" / f"{study}.quick.txt"
            path.write_text("".join(f"{network}\n" for network in compared))
        return tmp_path

    return make


def test_the_page_says_how_many_numbers_moved_and_how_far_at_most(build):
    compared = retrained.networks(build(core=[ALIKE, NEARER, SAME], dose=[NEARER], many=[SAME]))
    page = retrained.section(compared)
    (line,) = (line for line in page.splitlines() if line.startswith("Networks: "))
    moved = "4 of 219 moved, by 1.5 standard deviations over seeds at most"
    assert line == f"Networks: 2 with the same bits, 3 alike. Of the numbers of those that are alike, {moved}."
    assert "| core | quick | 3 | 2: alike; 1: same bits | 3 of 146 | 1.5 |" in page
    assert "| dose | quick | b-2 | alike | 1 of 73 | 0.1 |" in page
    assert "| many | quick | d-4 | same bits |  |  |" in page
    assert "record says" not in page


def test_which_numbers_moved_is_behind_a_fold(build):
    page = retrained.section(retrained.networks(build(core=[ALIKE, SAME])))
    before, folded = page.split("<details>")
    assert "ECE at T" not in before
    assert "- core, quick, a-1: ECE at T, fit (1.5); contour, 0.5 (0.5)" in folded.split("</details>")[0]
    assert "<details>" not in retrained.section([retrained.Network("core", "quick", "d-4", "same bits")])
    assert retrained.section([]) == ""


def test_a_number_that_is_not_what_the_record_says_is_named_before_the_fold(build):
    page = retrained.section(retrained.networks(build(core=[DIFFERS, ALIKE])))
    assert "Networks: 1 alike, 1 not what the record says." in page
    assert "- core, quick, c-3: apex residual (0.001, on record 1e-15)\n" in page.split("<details>")[0]
    assert "c-3" not in page.split("<details>")[1]


@pytest.mark.parametrize(("compared", "lines"), [([DIFFERS, ALIKE], 1), ([ALIKE, SAME], 0), ([], 0)])
def test_a_build_ends_with_a_line_only_if_a_network_differs(build, compared, lines, monkeypatch, capsys):
    folder = build(core=compared)
    (folder / "training" / "book").mkdir(parents=True)
    (folder / "training" / "book" / "all.json").write_text(json.dumps([]))
    for page in ("index", "book/intro"):
        (folder / "html" / page).parent.mkdir(exist_ok=True)
        (folder / "html" / f"{page}.html").write_text("a page")
    monkeypatch.setattr(summary.plan, "pages", lambda contents: ["book/intro"])
    summary.main(folder, folder / "shown")
    said = capsys.readouterr().out
    assert said.count("not what the record says") == lines
    assert said.count("1 of 2 networks, trained again, are not what the record says: ") == lines
    assert said.count("book/this_build.html") == lines
