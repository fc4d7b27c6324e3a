"""Report cards: hand-made values with known outcomes, one page without requests, nothing measured twice."""

import dataclasses
import math
import re
from dataclasses import dataclass

import pandas
import pytest
import torch
from commands import exit_code

from softbook.studies import records
from softlab import SoftlabError, load_profile, methods_file, regularizers
from softlab.inspector import report
from softlab.inspector.report import ReportCard, report_card
from softlab.numbers import look, quantities, stored
from softlab.numbers.quantities import QUANTITIES

# Whole percents, so that accuracy + 0.02, + 0.03, + 0.04 has mean 3 and, with t = 4.303, half width 2.5.
VALUES = {
    "accuracy": {
        "baseline": {0: 0.70, 1: 0.72, 2: 0.71},
        "mixup": {0: 0.72, 1: 0.75, 2: 0.75},
        "cutmix": {0: 0.60, 1: 0.80, 2: 0.71},
    },
    "ECE": {"baseline": {0: 0.10, 1: 0.10, 2: 0.10}, "mixup": {0: 0.12, 1: 0.13, 2: 0.14}},
    "log magnitude": {"baseline": {0: 1.0, 1: 1.0, 2: 1.0}, "mixup": {0: 0.5, 1: 0.5, 2: 0.5}},
    "AURC": {"baseline": {0: 0.05, 1: 0.05, 2: 0.05}, "mixup": {0: 0.01, 1: 0.09, 2: 0.05}},
    "gap": {"baseline": {0: 0.1, 1: 0.1, 2: 0.1}, "mixup": {0: -0.1, 1: -0.12, 2: -0.11}},
    "constant class": {"baseline": {0: 0.9, 1: 0.9, 2: 0.9}, "mixup": {0: 0.901, 1: 0.899, 2: 0.9}},
}


def made(values=VALUES, seeds=3, method="mixup", **changes):
    profile = load_profile("smoke", methods={"baseline": {}, "mixup": {}, "cutmix": {}}, seeds=seeds)
    networks = dict.fromkeys((name, seed) for group in values.values() for name in group for seed in group[name])
    rows = [
        {"id": f"{name}-{seed}", "method": name, "seed": seed, "images": {}}
        | {quantity: values.get(quantity, {}).get(name, {}).get(seed, math.nan) for quantity in QUANTITIES}
        for name, seed in networks
    ]
    columns = ["id", "method", "seed", "images", *QUANTITIES]
    table = pandas.DataFrame(rows, columns=columns).astype(dict.fromkeys(QUANTITIES, float))
    return ReportCard(method, dataclasses.replace(profile, **changes), table)


def first(count):
    """The values of the first seeds only."""
    return {
        name: {method: {seed: by_seed[seed] for seed in range(count)} for method, by_seed in group.items()}
        for name, group in VALUES.items()
    }


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(regularizers.base, "REGISTRY", dict(regularizers.REGISTRY))


def own_method():
    """Register a method that multiplies the loss."""

    @regularizers.register("own")
    @dataclass(frozen=True)
    class Own(regularizers.Regularizer):
        factor: float = 2.0

        def loss(self, logits, targets, features, head, progress):
            return self.factor * regularizers.cross_entropy(logits, targets)


def small(**changes):
    settings = {"epochs": 1, "train_size": 50, "methods": ["baseline", "mixup"], "seeds": 2}
    sizes = {"test_size": 100, "attack_size": 10, "attack_steps": 1}
    return load_profile("smoke", **settings | {"evaluation": sizes} | changes)


def test_differences_are_paired_by_seed():
    one = made().differences("accuracy")["mixup"]
    assert (one.n, one.mean) == (3, pytest.approx(0.03))
    assert one.half_width == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert "baseline" not in made().differences("accuracy")
    values = VALUES | {"accuracy": VALUES["accuracy"] | {"mixup": {1: 0.75}, "cutmix": {7: 0.5}}}
    found = made(values).differences("accuracy")
    assert {name: interval.n for name, interval in found.items()} == {"mixup": 1}


def test_the_table_has_a_row_for_each_quantity_and_arrows_where_zero_is_excluded():
    table = made().table()
    cells = {quantity: dict(row) for (_, quantity), row in table.iterrows()}
    assert list(table.columns) == ["plain training", "Mixup", "CutMix"]
    assert set(cells["networks (seeds)"].values()) == {"3"}
    assert cells["accuracy (%)"]["plain training"] == "71.0 ± 2.5"
    assert cells["accuracy (%)"]["Mixup"].endswith("↑")
    assert cells["accuracy (%)"]["CutMix"].startswith("70.3 ±")
    assert not cells["accuracy (%)"]["CutMix"].endswith(("↑", "↓"))
    assert cells["log magnitude"]["Mixup"] == "0.50 ± 0.00 ↓"
    assert cells["ECE (%)"]["CutMix"] == ""
    assert ("calibration", "ECE (%)") in table.index


def test_a_cell_of_fewer_seeds_says_so_and_what_is_not_finite_is_left_out():
    values = VALUES | {"ECE": {"baseline": {0: 0.1, 1: 0.2}, "mixup": {0: float("nan"), 1: float("inf")}}}
    cells = dict(made(values).table().loc[("calibration", "ECE (%)")])
    assert cells["plain training"].endswith("(n = 2)")
    assert cells["Mixup"] == ""
    assert not any("ECE" in text for text in made(values).findings())


def test_what_the_papers_say_is_read_for_this_method_alone():
    claims = made().claims()
    assert dict(claims["here"]) == {
        "P and M: more accurate": "as it says",  # whatever CutMix does
        "P: decision regions stay cones": "as it says",
        "P: shorter features": "as it says",
        "P: less overconfident": "as it says",
        "P: smaller calibration error (first version)": "the opposite",
    }
    shown = claims.loc["P and M: more accurate"]
    assert (shown["quantity"], shown["difference"]) == ("accuracy (points)", "+3.0 ± 2.5")
    assert set(made(method="cutmix").claims()["here"]) == {"open"}
    values = VALUES | {"spread, raw": {"label_smoothing": {0: 0.2, 1: 0.3}, "mixup": {0: 0.4, 1: 0.5}}}
    assert made(values).claims().loc["M: looser features than label smoothing", "against"] == "label smoothing"


# CutMix: accuracy + 0.05 and ECE - 0.02 for each seed, so for certain; AURC is open for Mixup, magnitudes for CutMix.
BOTH = VALUES | {
    "accuracy": VALUES["accuracy"] | {"cutmix": {0: 0.75, 1: 0.77, 2: 0.76}},
    "ECE": VALUES["ECE"] | {"cutmix": {0: 0.08, 1: 0.08, 2: 0.08}},
    "AURC": VALUES["AURC"] | {"cutmix": {0: 0.04, 1: 0.04, 2: 0.04}},
}


def test_two_methods_are_alike_where_both_leave_the_baseline_for_certain():
    card = made(BOTH)
    assert card.sides("mixup") == {"accuracy": 1, "ECE": 1, "log magnitude": -1, "gap": -1}
    assert card.sides("cutmix") == {"accuracy": 1, "ECE": -1, "AURC": -1}
    assert card.alike().to_dict("index") == {"CutMix": {"same side": 1, "opposite": 1, "opposite in": "ECE"}}
    gap = {"gap": VALUES["gap"] | {"cutmix": {0: 0.2, 1: 0.2, 2: 0.2}}}  # counted, and not named: none of the main ones
    assert dict(made(BOTH | gap).alike().loc["CutMix"]) == {"same side": 1, "opposite": 2, "opposite in": "ECE"}
    turned = made(BOTH, method="cutmix").alike()
    assert turned.to_dict("index") == {"Mixup": {"same side": 1, "opposite": 1, "opposite in": "ECE"}}
    assert not made(first(1), seeds=1).sides("mixup")  # one seed tells nothing
    assert dict(made(first(1), seeds=1).alike().loc["CutMix"]) == {"same side": 0, "opposite": 0, "opposite in": ""}
    alone = made(methods={"baseline": {}, "mixup": {}})
    assert alone.alike().empty
    assert "both differ from the baseline" in card._repr_html_()
    assert "both differ from the baseline" not in alone._repr_html_()


def test_a_method_is_beside_what_a_temperature_does_for_nothing():
    # Mixup's ECE - 0.05: 0.07, 0.08, 0.09, with t = 4.303 a half width of 0.0248.
    cooled = {"baseline": {0: 0.05, 1: 0.05, 2: 0.05}, "mixup": {0: 0.5, 1: 0.5, 2: 0.5}}
    card = made(VALUES | {"ECE at T": cooled})
    beyond = card.beyond_temperature()
    assert (beyond.n, beyond.mean) == (3, pytest.approx(0.08))
    assert beyond.half_width == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-4)
    start = "Its ECE minus that of the baseline at its best temperature is"
    assert f"{start} +8.0 ± 2.5 points: a temperature calibrates the baseline better than this method does." in (
        card.findings()
    )
    for level, said in [
        (0.13, "+0.0 ± 2.5 points: whether it is"),
        (0.2, "-7.0 ± 2.5 points: it is better calibrated"),
    ]:
        other = made(VALUES | {"ECE at T": {"baseline": dict.fromkeys(range(3), level)}})
        assert f"{start} {said}" in "\n".join(other.findings())
    one = made(first(1) | {"ECE at T": {"baseline": {0: 0.05}}}, seeds=1)
    assert f"{start} +7.0 points: one pair of networks cannot tell." in one.findings()
    assert made().beyond_temperature().n == 0  # no temperature was fitted
    assert start not in "\n".join(made().findings())


def test_sentences_say_no_more_than_the_intervals():
    said = "\n".join(made().findings())
    for sentence in [
        "Mixup(beta=1.0) beside the baseline. ",
        "n = 3.",
        "\nBetter: accuracy (points) +3.0 ± 2.5.\n",
        "\nWorse: ECE (points) +3.0 ± 2.5.\n",
        "\nOpen, it may be chance: AURC (points) +0.00 ± 9.94.\n",
        "Its confidence minus its accuracy is -11.0 ± 2.5 points, the baseline's +10.0 ± 0.0.",
        "Of 6 quantities, 4 have an interval that excludes zero;",
    ]:
        assert sentence in said, sentence
    other = made(VALUES | {"accuracy": {"baseline": {0: 0.7, 1: 0.7}, "mixup": {0: 0.6, 1: 0.61}}})
    assert "Worse: accuracy (points) -9.5 ± 6.4; ECE (points) +3.0 ± 2.5." in other.findings()
    moved = made(VALUES | {"log logit scale": VALUES["log magnitude"]})
    assert "Changed: log length of the logits ‖W_c f‖ -0.50 ± 0.00." in moved.findings()  # neither better nor worse
    one = made(first(1), seeds=1)
    assert "n = 1, so every difference below may be chance." in one.findings()[0]
    assert not re.search("Better|Worse|Changed", " ".join(one.findings()[1:]))
    assert set(one.claims()["here"]) == {"open"}
    assert not re.search("[↑↓]", one.table().to_string())


@pytest.mark.filterwarnings("error")
def test_the_page_is_one_file_that_asks_nobody_and_is_escaped(tmp_path):
    card = made(description="<img src=x onerror=alert(1)> & more")
    path = card.save(tmp_path / "card.html")
    text = path.read_text()
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; more" in text
    markup = re.sub('base64,[^"]*', "", text)
    assert not re.search(r"https?:|//|<script|<link|@import|url\(", markup)
    assert "<script" not in card._repr_html_()
    images = re.findall(r"<img [^>]*>", text)
    assert images
    for image in images:
        assert 'src="data:image/png;base64,' in image
        assert len(re.search('alt="([^"]*)"', image).group(1)) > 40
    assert [one.name for one in tmp_path.iterdir()] == ["card.html"]
    huge = {"baseline": dict.fromkeys(range(3), 0.0), "mixup": {0: 1e4, 1: 2e4, 2: 9e4}}
    for values in (first(1), {"accuracy": VALUES["accuracy"]}, {}, VALUES | {"log magnitude": huge}):
        assert made(values).save(tmp_path / "card.html").stat().st_size > 10_000


def test_a_card_trains_what_is_missing_and_a_second_one_measures_nothing_twice(registry, tmp_path, monkeypatch):
    measured = []
    real = stored.look_at
    monkeypatch.setattr(stored, "look_at", lambda *given: measured.append(1) or real(*given))
    own_method()
    card = report_card("own", small())
    assert list(card.profile.methods) == ["baseline", "own", "mixup"]
    assert len(measured) == 6
    assert len(list((tmp_path / "store").glob("*-seed*"))) == 6
    assert not card.problems
    assert all(set(by_seed) == {0, 1} for by_seed in card.values["accuracy"].values())
    again = report_card("own", small(), parameters={"factor": 3.0}, seeds=1)
    assert len(measured) == 7  # one network of other parameters
    assert again.values["accuracy"]["baseline"] == {0: card.values["accuracy"]["baseline"][0]}
    report_card("own", small())
    assert len(measured) == 7
    report_card("own", small(evaluation={"test_size": 60, "attack_size": 10, "attack_steps": 1}), seeds=1)
    assert len(measured) == 10  # on other images


def test_a_method_that_is_known_takes_the_parameters_of_the_profile_or_those_given():
    mixup = {"baseline": {}, "mixup": {"beta": 0.3}}
    assert report.compared_profile("mixup", small(methods=mixup)).methods["mixup"] == {"beta": 0.3}
    assert report.compared_profile("mixup", small(methods=mixup), {"beta": 2}).methods["mixup"] == {"beta": 2}
    others = report.compared_profile("cutmix", "smoke", seeds=1, overrides={"epochs": 1})
    assert list(others.methods) == ["baseline", "cutmix", "label_smoothing", "mixup", "maxsup"]
    assert (others.seeds, others.experiment.epochs) == ((0,), 1)
    assert report.compared_profile("mixup", small(), overrides={"batch_size": 7}).experiment.batch_size == 7
    assert report.compared_profile("mixup", "smoke", overrides={"seeds": 1}).seeds == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "mixap"}, "unknown method 'mixap'; did you mean 'mixup'?"),
        ({"method": "baseline"}, "compares a method with the baseline"),
        ({"method": "cutmix", "profile": "quik"}, "did you mean 'quick'?"),
        ({"method": "mixup", "parameters": {"bet": 1}}, "did you mean 'beta'?"),
        ({"method": "mixup", "overrides": {"epoch": 1}}, "did you mean 'epochs'?"),
        ({"method": "mixup", "seeds": 3}, "a count from 1 to the profile's 2, not 3"),
        ({"method": "mixup", "profile": small(methods=["mixup"])}, "the baseline, not 'mixup' of ['mixup']"),
    ],
)
def test_misuse_is_one_line_before_any_data_is_loaded(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setattr(records.runs, "dataset_of", lambda experiment: pytest.fail("data were loaded"))
    with pytest.raises(SoftlabError) as error:
        report_card(**{"profile": small()} | arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "store").exists()


def test_a_wrong_method_is_known_before_any_other_network_is_trained(registry, tmp_path):
    @regularizers.register("own")
    @dataclass(frozen=True)
    class Wrong(regularizers.Regularizer):
        def loss(self, logits, targets, features, head, progress):
            return logits.mean()

    with pytest.raises(SoftlabError, match="the loss must be one number for each sample"):
        report_card("own", small())
    assert not list((tmp_path / "store").glob("*-seed*"))


def test_a_lens_that_fails_is_named_and_the_rest_is_measured(monkeypatch):
    def fails(*_):
        raise SoftlabError("no attack today")

    broken = dataclasses.replace(quantities.LENSES["attacked"], measure=fails)
    monkeypatch.setitem(quantities.LENSES, "attacked", broken)
    card = report_card("mixup", small(), seeds=1)
    assert "accuracy" in card.values
    assert "corrupted" in card.values
    assert "robust, 2/255" not in card.values
    assert any(re.match(r"Not computed \(mixup-seed0-\w+, attacked\): no attack", one) for one in card.findings())


METHOD = """
from dataclasses import dataclass
from softlab import regularizers

@regularizers.register("halved")
@dataclass(frozen=True)
class Halved(regularizers.Regularizer):
    factor: float = 0.5

    def loss(self, logits, targets, features, head, progress):
        return self.factor * regularizers.cross_entropy(logits, targets)
"""
SMALL = ["--profile", "smoke", "--set", "epochs=1", "--set", "train_size=50", "--set", "methods=[baseline]"]
SMALL += ["--set", "evaluation={test_size: 100, attack_size: 10, attack_steps: 1}"]


def test_the_command_takes_a_methods_file_and_leaves_a_page(registry, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(METHOD)
    options = ("halved", "--methods-file", "mine.py", "--seeds", 2, *SMALL)
    assert exit_code("report", *options, "--parameter", "factor=0.25") == 0
    said = capsys.readouterr().out
    assert "0.25" in said
    assert str(tmp_path / "halved.report.html") in said
    assert "n = 2" in (tmp_path / "halved.report.html").read_text()
    assert exit_code("report", *options, "--seeds", 1, "--out", tmp_path / "new" / "b.html") == 0
    assert "n = 1" in capsys.readouterr().out
    assert (tmp_path / "new" / "b.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mixup", "--parameter", "beta"], "--parameter takes NAME=VALUE, not 'beta'"),
        (["mixup", "--parameter", "beta=["], "--parameter beta: '[' is not valid YAML"),
        (["mixup", "--parameter", "beta=-1"], "beta must be a number above 0"),
        (["mixup", "--out", "page.txt"], "--out is a file that ends in .html"),
    ],
)
def test_misuse_of_the_command_is_one_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exit_code("report", *arguments, *SMALL) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))
    assert not list((tmp_path / "store").glob("*-seed*"))


def test_the_same_class_in_a_notebook_and_in_a_file_shares_its_networks(registry, tmp_path):
    """A report card in a batch finds what a notebook has trained: only the source counts, not where it stands."""
    from softlab.training import code_version

    digests = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(METHOD if name == "one" else f'"""Elsewhere."""\n{METHOD}')
        methods_file.run(tmp_path / f"{name}.py")
        digests.append(code_version.code_digest(regularizers.base.REGISTRY["halved"]))
    assert digests[0] == digests[1]


def test_corrupted_images_are_made_once_if_small_and_one_at_a_time_if_not(monkeypatch):
    """The second network meets the same images; large ones are not held in memory together."""
    part = (torch.randint(256, (20, 3, 8, 8), dtype=torch.uint8), torch.zeros(20).long())
    samples = quantities.Samples(part, part, part)
    first = list(samples.corrupted())
    assert len(first) == 12
    assert all(one is other for (_, one), (_, other) in zip(first, samples.corrupted(), strict=True))
    monkeypatch.setattr(look, "KEPT", part[0].numel() - 1)
    samples = quantities.Samples(part, part, part)
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(first, samples.corrupted(), strict=True))
    assert not samples.kept
