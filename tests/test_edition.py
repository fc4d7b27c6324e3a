"""Editions: what they hold, and what pages say of it."""

import json
import sys
from pathlib import Path

import pytest

from softlab import evidence
from softlab.evidence import Claim, Ledger, claims

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow"))
import build_site  # noqa: E402
import conclusion  # noqa: E402
import edition as editions  # noqa: E402
import edition_pages  # noqa: E402
import result_pages  # noqa: E402

PROFILE = """
description: three seeds of five methods
experiment: {train_size: 100, width: 4, stem_stride: 2, epochs: 1}
methods: {baseline: {}, label_smoothing: {}, mixup: {}, cutmix: {}, maxsup: {}}
seeds: 3
first_seed: 100
studies: [core]
"""


def record(method, seed, accuracy, **changes):
    trained = {"wall_seconds": 60.0, "device": "cpu", "cpu": "AVX2", "torch": "2", "commit": "c", "trained": "t"}
    about = {"data": "fashion-mini", "model": "resnet8", "epochs": 1, "precision": "fp32"}
    numbers = {"accuracy": accuracy, "ECE": 0.1, "NLL": 1.0}
    found = {"network": f"core-{method}-seed{seed}", "study": "core", "method": method, "seed": seed, "run": "r"}
    found |= {"experiment": about, "trained": trained | {"seconds": 59.0}, "numbers": numbers}
    return found | {"weights": "w", "data_digest": "d", "failure": None} | changes


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An edition of fifteen networks."""
    monkeypatch.setattr(edition_pages, "ROOT", tmp_path)
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow" / "reported.yaml").write_text((ROOT / "workflow" / "reported.yaml").read_text())
    folder = tmp_path / "editions" / "small"
    (folder / "networks").mkdir(parents=True)
    (folder / "networks" / ".keep").touch()
    (folder / "small.yaml").write_text(PROFILE)
    one = edition_pages.Edition(folder)
    for seed in (100, 101, 102):
        for method in one.profile.methods:
            lift = 0 if method == "baseline" else 0.02 + 0.001 * (seed % 2)
            found = record(method, seed, round(0.8 + 0.01 * (seed - 100) + lift, 3))
            (one.folder / "networks" / f"{found['network']}.json").write_text(json.dumps(found))
    return one


def without(made, network):
    """The same edition with one network less."""
    (made.folder / "networks" / f"{network}.json").unlink()
    return edition_pages.Edition(made.folder)


def test_what_is_missing_is_known(made):
    made = without(made, "core-label_smoothing-seed100")
    assert len(made.wanted()) == 15
    assert [path.name for path in made.records() if not path.exists()] == ["core-label_smoothing-seed100.json"]
    assert made.missing() == [("core", "label_smoothing", 100)]
    assert made.judged() == {}  # nothing before the last network is there


def test_verdicts_come_from_records_where_no_chapter_was_executed(made):
    (one,) = made.judged()["accuracy-improves"]
    assert one["verdict"] == "supported"  # +.020, +.021, +.020
    assert one["differences"]["label_smoothing"]["n"] == 3
    assert one["how"] == edition_pages.FROM_RECORDS
    assert list(made.judged()) == ["accuracy-improves", "calibration-improves"]


def test_a_seed_of_which_a_network_failed_is_left_out_for_all_methods(made):
    found = record("baseline", 101, 0.1, failure="a broken fan")
    (made.folder / "networks" / "core-baseline-seed101.json").write_text(json.dumps(found))
    assert set(edition_pages.Edition(made.folder).by_seed("core", "accuracy")["label_smoothing"]) == {100, 102}


def test_a_claim_is_judged_by_its_own_chapter(made):
    """Chapter 7 judges the claims of others too, on noisy labels."""
    ledger = Ledger("07_maxsup", made.profile)
    ledger.judge("accuracy-improves", {"baseline": {100: 0.9, 101: 0.91}, "maxsup": {100: 0.8, 101: 0.809}}, "noisy")
    (made.folder / "notebooks").mkdir()
    ledger.save(made.folder / "notebooks" / "07_maxsup.results.json")
    assert [one["verdict"] for one in made.judged()["accuracy-improves"]] == ["supported"]


def test_a_chapters_own_verdict_comes_first(made):
    ledger = Ledger("01_soft_labels", made.profile)
    lower = {name: {100: 0.8, 101: 0.809} for name in made.profile.methods}
    ledger.judge("accuracy-improves", lower | {"baseline": {100: 0.9, 101: 0.91}})
    (made.folder / "notebooks").mkdir()
    ledger.save(made.folder / "notebooks" / "01_soft_labels.results.json")
    (one,) = made.judged()["accuracy-improves"]
    assert one["verdict"] == "contradicted"
    assert "how" not in one


def test_editions_are_listed(made, capsys):
    assert editions.main(["list"]) == 0
    assert "15 of 15 networks, 0 chapters" in capsys.readouterr().out
    assert editions.main(["render", "smal"]) == 2
    assert "did you mean 'small'" in capsys.readouterr().err


def test_claims_are_grouped_by_what_the_scales_say():
    def scale(verdict, variant=""):
        return {"accuracy-improves": [{"verdict": verdict, "variant": variant, "judged": []}]}

    def group(*verdicts):
        columns = {str(index): scale(one) for index, one in enumerate(verdicts)}
        return conclusion.group("accuracy-improves", columns)

    assert group("supported", "undecided") == "supported"
    assert group("contradicted", "contradicted") == "contradicted"
    assert group("supported", "contradicted") == group("mixed", "supported") == "scales differ"
    assert group("mixed", "undecided") == "methods differ"
    assert group("undecided") == "open"
    assert group("no verdict") is None
    with pytest.raises(SystemExit, match="names no claim"):
        conclusion.concluded("[[across nonsense]]", {})


def test_a_scale_counts_only_for_the_variant_that_it_judged():
    a, b = ({"variant": variant, "judged": []} for variant in "ab")
    columns = {
        "one": {"accuracy-improves": [a | {"verdict": "supported"}]},
        "two": {"accuracy-improves": [b | {"verdict": "mixed"}, a | {"verdict": "undecided"}]},
    }
    assert conclusion.verdicts("accuracy-improves", columns) == {"one": "supported", "two": "undecided"}
    assert "mixed" in conclusion.across("accuracy-improves", columns, "b")


def test_a_failed_check_is_shown_as_such(monkeypatch):
    """A claim whose check fails is not judged there."""
    name, found = "pair", {"variant": "", "judged": []}
    entries = (Claim("differs", "ours", "", "", ""), Claim("agrees", "ours", "", "", ""))
    entries += (Claim(name, "ours", "", "", "", checks=("differs", "agrees")),)
    known = claims() | {one.id: one for one in entries}
    for module in (conclusion, edition_pages, result_pages, evidence):
        monkeypatch.setattr(module, "claims", lambda: known)
    check = {"differs": [found | {"verdict": "supported"}]}
    failed = check | {"agrees": [found | {"verdict": "contradicted"}]}
    columns = {"a": check | {name: [found | {"verdict": "supported"}]}, "b": failed, "c": check, "d": {}}
    assert conclusion.verdicts(name, columns) == {"a": "supported", "b": "check failed"}
    assert conclusion.group(name, columns) == "checks failed"
    assert conclusion.group(name, {"b": failed}) is None
    assert conclusion.across(name, columns) == "{bdg-success}`supported` (a), {bdg-light}`check failed` (b)"
    assert "{bdg-light}`check failed` | – | – |" in edition_pages._matrix(columns)
    assert conclusion.counted(columns) == "up to 2 verdicts a scale, all variants of all claims"


def test_every_place_of_the_page_is_one_that_can_be_filled():
    page = (ROOT / "book" / "conclusion.md").read_text()
    tables = dict.fromkeys(("fresh seeds", "how many verdicts"), "a table")
    filled = conclusion.concluded(build_site.with_tables(page, tables), {})
    assert "[[" not in filled
    assert "<!--" not in filled
