"""Editions: what is missing, what is compared, what pages say of it. (Made for real: faults/test_editions.py)"""

import base64
import io
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from softlab import SoftlabError
from softlab.evidence import Ledger

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow"))
import build_site  # noqa: E402
import conclusion  # noqa: E402
import edition as editions  # noqa: E402
import edition_pages  # noqa: E402
import keep_notebook  # noqa: E402
from result_pages import Results  # noqa: E402

BASELINE = next(path.name for path in (ROOT / "softlab" / "zoo").glob("baseline-seed0-*"))
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
    (tmp_path / "small.yaml").write_text(PROFILE)
    one = editions.begun("small", str(tmp_path / "small.yaml"))
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


def test_what_is_missing_is_known_and_said(made):
    made = without(made, "core-label_smoothing-seed100")
    assert len(made.wanted()) == 15
    assert [path.name for path in made.records() if not path.exists()] == ["core-label_smoothing-seed100.json"]
    text = edition_pages.readme(made)
    assert "networks: 14 of 15" in text
    assert "label_smoothing, seed 100" in text
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


def test_scales_are_ordered_by_what_their_baseline_leaves_to_mend(made, tmp_path):
    """The gap of an edition is in its records, that of a build in the results of chapter 5."""
    columns = {"this build": {"calibration-improves": made.judged()["calibration-improves"]}, "small": made.judged()}
    for path in (made.folder / "networks").glob("core-baseline-*.json"):
        kept = json.loads(path.read_bytes())
        path.write_text(json.dumps(kept | {"numbers": kept["numbers"] | {"gap": 0.05}}))
    assert "this build" not in conclusion.overconfidence(Results(tmp_path), columns)
    ledger = Ledger("05_calibration", made.profile)
    ledger.record({"baseline": {100: {"gap": 0.07}, 101: {"gap": 0.09}}, "mixup": {100: {"gap": 0.5}}})
    ledger.save(tmp_path / "05_calibration.results.json")
    assert re.search("this build.*8.0.*\n.*small.*5.0", conclusion.overconfidence(Results(tmp_path), columns))


def test_the_same_bits_the_seed_spread_and_neither(made):
    old = record("baseline", 100, 0.80)
    assert editions.compared(old, record("baseline", 100, 0.80), made)["result"] == "bit-equal"
    other = editions.compared(old, record("baseline", 100, 0.83, weights="x"), made)  # the seeds span .02
    assert other["result"] == "within the seed spread"
    far = editions.compared(old, record("baseline", 100, 0.85, weights="x", run="other"), made)
    assert far["result"] == "differs"  # one of three numbers
    assert any(line.startswith("another version of the code") for line in far["lines"])
    alone = record("steady", 100, 0.80, study="steady", weights=None)
    again = editions.compared(alone, alone | {"numbers": alone["numbers"] | {"accuracy": 0.81}, "weights": "x"}, made)
    assert again["result"] == "within the seed spread"  # of the baseline, as it has one seed only
    assert again["lines"][0] == "weights: not on record"


def test_what_cannot_be_compared_is_not_verified(made, capsys):
    empty = record("baseline", 100, 0.8, weights=None) | {"numbers": {}}
    (made.folder / "networks" / "core-baseline-seed100.json").write_text(json.dumps(empty))
    assert editions.main(["verify", "small", "--network", "core-baseline-seed100"]) == 2
    assert "holds no numbers and no digest" in capsys.readouterr().err
    about = json.loads((ROOT / "softlab" / "zoo" / BASELINE / "experiment.json").read_bytes())
    other = record("baseline", 100, 0.8, experiment=about)
    (made.folder / "networks" / "core-baseline-seed100.json").write_text(json.dumps(other))
    assert editions.main(["verify", "small", "--network", "core-baseline-seed100"]) == 2
    assert "not those that the edition was made with" in capsys.readouterr().err
    assert editions.main(["make", "small"]) == 2
    assert "was trained with other code" in capsys.readouterr().err
    assert not (made.folder / "verified.json").exists()


def test_misuse_is_named(made, tmp_path, capsys):
    with pytest.raises(SoftlabError, match="cannot be an edition's name"):
        editions.begun("../small", "smoke")
    with pytest.raises(SoftlabError, match="a letter first"):
        editions.begun("2025.10", "smoke")
    with pytest.raises(SoftlabError, match="is of another profile"):
        editions.begun("small", "smoke")
    with pytest.raises(SoftlabError, match="no edition 'new' yet"):
        editions.begun("new", None)
    assert editions.main(["verify", "smal"]) == 2
    assert "did you mean 'small'" in capsys.readouterr().err
    assert editions.main(["make", "small", "--chapters", "09"]) == 2
    assert editions.main(["verify", "small", "--network", "core-mixup-seed100"]) == 2
    assert editions.main(["list"]) == 0
    assert "15 of 15 networks, 0 chapters" in capsys.readouterr().out


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


def test_a_failed_check_is_shown_as_such():
    """Chapter 8 does not judge what a pair of methods that fails its check would show."""
    name, found = "cosine-makes-robust", {"variant": "", "judged": []}
    check = {"contrast-raises-cosine": [found | {"verdict": "supported"}]}
    failed = check | {"contrast-keeps-scale": [found | {"verdict": "contradicted"}]}
    columns = {"a": check | {name: [found | {"verdict": "supported"}]}, "b": failed, "c": check, "d": {}}
    assert conclusion.verdicts(name, columns) == {"a": "supported", "b": "check failed"}
    assert conclusion.group(name, columns) == "checks failed"
    assert conclusion.group(name, {"b": failed}) is None
    assert conclusion.across(name, columns) == "{bdg-success}`supported` (a), {bdg-light}`check failed` (b)"
    assert "{bdg-light}`check failed` | – | – |" in edition_pages._matrix(columns)
    assert conclusion.counted(columns) == "up to 2 verdicts a scale, all variants of all claims"


def test_every_place_of_the_page_is_one_that_can_be_filled():
    page = (ROOT / "book" / "conclusion.md").read_text()
    tables = dict.fromkeys(("overconfidence", "fresh seeds", "how many verdicts"), "a table")
    filled = conclusion.concluded(build_site.with_tables(page, tables), {})
    assert "[[" not in filled
    assert "<!--" not in filled


def test_a_kept_notebook_has_smaller_pictures_and_no_paths(tmp_path):
    picture, target = io.BytesIO(), tmp_path / "kept" / "01.ipynb"
    drawn = Image.effect_noise((200, 200), 50).convert("RGB")
    drawn.save(picture, "PNG")
    before = base64.b64encode(picture.getvalue()).decode()
    cell = nbformat.v4.new_code_cell("plt.show()", metadata={"papermill": {"exception": False}})
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": before})]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"output_path": str(tmp_path)}})
    nbformat.write(notebook, tmp_path / "01.ipynb")
    (tmp_path / "01.results.json").write_text("{}")
    keep_notebook.main(tmp_path / "01.ipynb", target)
    kept = nbformat.read(target, as_version=4)
    assert str(tmp_path) not in target.read_text()
    after = kept.cells[0].outputs[0].data["image/png"]
    assert len(after) < len(before)
    assert Image.open(io.BytesIO(base64.b64decode(after))).size == (200, 200)
    assert (tmp_path / "kept" / "01.results.json").read_text() == "{}"
    assert sorted(path.name for path in target.parent.iterdir()) == ["01.ipynb", "01.results.json"]
