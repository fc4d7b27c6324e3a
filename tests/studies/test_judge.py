"""Declarations and their judge: each finds what is planted, by hand where small; what cannot be judged is said."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas
import pytest
import yaml
from scipy import stats

from softbook.studies import catalogue, exchange, judge, records
from softbook.studies.asked import ASKED, Subject
from softbook.studies.catalogue import studies_of, study_profile
from softbook.studies.recording import MEASURED
from softlab import SoftlabError, fit_or_load, load_profile, regularizers
from softlab.comparison.intervals import t_interval
from softlab.training.experiment import TEACHING
from softlab.training.loop import network_shape
from softlab.training.runs import dataset_of


@pytest.mark.parametrize("study", judge.declarations())
def test_every_contrast_finds_what_is_planted_and_nothing_where_nothing_is(study):
    judge.tried(judge.declarations()[study])


@pytest.mark.parametrize("study", judge.declarations())
def test_what_is_declared_can_be_trained(study):
    declaration = judge.declarations()[study]
    for name in declaration.settings:
        asked = study_profile(load_profile(name), study)
        experiments = asked.experiments()
        assert len(experiments) == len(set(map(repr, experiments))), "none twice"
        assert {asked.cell_of(one) for one in experiments} == set(asked.cells)
        for one in experiments:
            regularizers.get(one.method, **one.method_parameters)
        assert asked.standing == "confirmatory"


def contrast(**given):
    plain = {"name": "c", "quantity": "accuracy", "of": {"a": 1, "b": -1}, "says": {"above": "up", "below": "down"}}
    return judge.Contrast(**(plain | {"half_width": {"A": 1}} | given))


def rows(**cells):
    """{cell: accuracy by seed} as a recorded table."""
    return pandas.DataFrame(
        [
            {"cell": cell, "seed": seed, "accuracy": value, "jump": 0.0}
            for cell, values in cells.items()
            for seed, value in enumerate(values)
        ]
    )


def test_a_contrast_by_hand_is_in_the_units_of_the_book():
    table = rows(a=[0.52, 0.54, 0.53], b=[0.50, 0.51, 0.49], c=[0.1, 0.1, 0.1])
    assert judge.values(contrast(), table).tolist() == pytest.approx([2, 3, 4])
    said = judge.verdict(contrast(), table, "A", 0.2)
    assert said.word == "up"
    assert said.interval == t_interval([2.0, 3.0, 4.0]) or said.interval.mean == pytest.approx(3)
    halves = judge.values(contrast(of={"a": 1, "b": -0.5, "c": -0.5}), table)
    assert halves.tolist() == pytest.approx([52 - 30, 54 - 30.5, 53 - 29.5])
    assert judge.verdict(contrast(of={"b": 1, "a": -1}), table, "A", 0.2).word == "down"


def test_no_difference_takes_a_margin_and_is_two_one_sided_tests():
    numbers = [0.3, -0.4, 0.1, -0.2, 0.25]
    interval = t_interval(numbers)
    for margin in (0.2, 0.25, 0.3, 0.4):
        below = stats.ttest_1samp(numbers, margin, alternative="less").pvalue
        above = stats.ttest_1samp(numbers, -margin, alternative="greater").pvalue
        assert judge.equivalent(interval, margin) == (max(below, above) < 0.05)
    assert judge.word_of(contrast(), interval) == "open"
    assert judge.word_of(contrast(limit=0.4), interval) == "no difference"
    assert judge.word_of(contrast(limit=9.0), t_interval([0.1, 0.11, 0.12])) == "up", "what is clear is said"
    assert not judge.equivalent(t_interval([0.0]), 1.0)


def test_trainings_that_failed_take_their_seeds_out_and_too_many_the_verdict():
    table = rows(a=[0.6] * 9 + [math.nan], b=[0.5, 0.51] * 5)
    said = judge.verdict(contrast(), table, "A", 0.2)
    assert (said.word, said.interval.n, said.note) == ("up", 9, "1 seeds out, as training failed")
    table = rows(a=[0.6] * 7 + [math.nan] * 3, b=[0.5] * 10)
    assert judge.verdict(contrast(), table, "A", 0.2).word == "does not train"


def test_seeds_on_two_devices_are_no_pairs():
    table = rows(a=[0.6] * 10, b=[0.5, 0.51] * 5).assign(device="cpu", torch="2.15.0")
    table.loc[(table["seed"] == 4) & (table["cell"] == "a"), "device"] = "a GPU"
    said = judge.verdict(contrast(), table, "A", 0.2)
    assert (said.word, said.interval.n) == ("up", 9)
    assert said.note == "1 seeds out, as devices or versions of torch are mixed"
    table.loc[(table["seed"] < 3) & (table["cell"] == "b"), "torch"] = "2.9.0"
    assert judge.verdict(contrast(), table, "A", 0.2).word == "mixed devices"
    table["device"] = ["a GPU" if seed % 2 else "cpu" for seed in table["seed"]]
    assert judge.verdict(contrast(), table.assign(torch="2.15.0"), "A", 0.2).word == "up", "each pair on one"


def test_disturbed_networks_count_and_are_told():
    table = rows(a=[0.60, 0.61, 0.62, 0.20], b=[0.5, 0.5, 0.5, 0.5])
    table.loc[(table["seed"] == 3) & (table["cell"] == "a"), "jump"] = 0.9
    said = judge.verdict(contrast(), table, "A", 0.2)
    assert (said.word, said.interval.n, said.without.n) == ("open", 4, 3)
    assert said.note == "without 1 seeds with a disturbed network: +11.00 ± 2.48, up"


def test_a_trend_by_hand_is_a_slope_for_each_doubling():
    table = pandas.DataFrame(
        [
            {"cell": cell, "seed": seed, "steps": steps, "accuracy": level + rise * math.log2(steps), "jump": 0.0}
            for cell, level, rise in (("a", 0.1, 0.05), ("b", 0.2, 0.02))
            for seed in range(3)
            for steps in (8, 16, 64)
        ]
    )
    assert judge.values(contrast(over="steps"), table).tolist() == pytest.approx([3.0] * 3)


def test_a_line_by_hand_goes_through_plain_training():
    table = rows(plain=[0.5, 0.5], one=[0.52, 0.53], two=[0.54, 0.56])
    table["ECE"] = [0.0, 0.0, 0.01, 0.01, 0.02, 0.02]
    line = contrast(line=True, x="ECE", of={"plain": -1, "one": 1, "two": 1})
    assert judge.values(line, table).tolist() == pytest.approx([2.0, 3.0])


def test_each_at_its_best_is_chosen_on_fit_alone():
    tuned_cells = (("a", 1, 0.4, 0.6), ("a", 2, 0.5, 0.9), ("b", 1, 0.7, 0.3), ("b", 2, 0.6, 0.5))
    table = pandas.DataFrame(
        [
            {"cell": cell, "seed": seed, "decay": decay, "NLL at T, fit": loss, "accuracy": right, "jump": 0.0}
            for cell, decay, loss, right in tuned_cells
            for seed in range(2)
        ]
    )
    tuned = contrast(best={"over": "decay", "by": "NLL at T, fit"})
    assert judge.values(tuned, table).tolist() == pytest.approx([10.0, 10.0])


def test_halves_of_a_seed_are_one_number_and_a_missing_one_is_missed():
    table = pandas.concat([rows(a=[0.5, 0.6], b=[0.4, 0.4]), rows(a=[0.7, math.nan], b=[0.4, 0.4])])
    numbers = judge.values(contrast(), table).to_numpy()
    assert numbers[0] == pytest.approx(20)
    assert np.isnan(numbers[1])


def test_what_is_not_set_as_it_should_be_is_not_judged():
    table = rows(a=[0.52, 0.56], b=[0.5, 0.5])
    condition = {"cells": ["a"], "quantity": "accuracy", "less": "b", "is": 10, "within": 2}
    assert judge.not_admitted([condition], table) == {"a": ["a: accuracy less b is +4.000, not +10 ± 2"]}
    assert judge.not_admitted([{**condition, "is": 5}], table) == {}
    failed = rows(a=[math.nan, math.nan], b=[0.5, 0.5])
    assert judge.not_admitted([condition], failed), "nothing is admitted that nobody knows"


def test_a_reading_holds_fails_or_is_open():
    declaration = judge.declarations()["park_by_hand"]
    both = {"s": {"x": "rises", "y": "no difference"}}
    declaration = dataclasses.replace(declaration, readings=both)

    def reading(**words):
        verdicts = {(name, "A"): judge.Verdict(name, "A", word) for name, word in words.items()}
        return judge.readings(declaration, verdicts).get(("s", "A"))

    assert reading(x="rises", y="no difference") == "holds"
    assert reading(x="rises", y="open") == "open"
    assert reading(x="falls", y="open") == "fails"
    assert reading(x="rises", y="rises") == "fails"
    assert reading(x="rises", y="pending") is None
    assert reading(x="rises") is None


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Declarations of this test's own: write(**changes) gives the one that stands there."""
    monkeypatch.setattr(catalogue, "DECLARED", tmp_path)
    file = Path(judge.__file__).parent / "declared" / "2026-11-28-hundred-growing.yaml"
    content = yaml.safe_load(file.read_text())

    def write(name="2026-01-31-mine.yaml", **changes):
        (tmp_path / name).write_text(yaml.safe_dump({**content, **changes}))
        catalogue.declared.cache_clear()
        judge.declarations.cache_clear()
        return judge.declarations()

    yield write, content
    monkeypatch.undo()
    catalogue.declared.cache_clear()
    judge.declarations.cache_clear()


def changed(content, **changes):
    (name,) = content["contrasts"]
    return {name: {**content["contrasts"][name], **changes}}


def test_a_declaration_that_is_not_well_formed_is_refused_in_a_line(own):
    write, content = own
    assert list(write()) == ["mine"]
    wrong = {
        "unknown cell of mine 'maxsup'": {"contrasts": changed(content, of={"maxsup": 1})},
        "did you mean 'accuracy'": {"contrasts": changed(content, quantity="acuracy")},
        "unknown setting of mine 'B'": {"contrasts": changed(content, margin={"B": 1})},
        "unknown contrast of mine": {"readings": {"s": {"nothing": "ahead"}}},
        "did you mean 'ahead'": {"readings": {"s": {"MaxSup growing less label smoothing": "aheadd"}}},
    }
    for said, changes in wrong.items():
        with pytest.raises(SoftlabError, match=said):
            write(**changes)
    with pytest.raises(SoftlabError, match="named by its day and its study"):
        write("mine.yaml")


def test_a_margin_that_could_not_be_met_is_refused_before_the_first_row(own):
    write, content = own
    declaration = write(contrasts=changed(content, margin={"A": 0.3}))["mine"]
    with pytest.raises(SoftlabError, match=r"with a margin of 0.3 it could hardly say 'no difference'"):
        judge.tried(declaration)


def test_before_it_is_whole_nothing_is_judged(monkeypatch):
    declaration = judge.declarations()["hundred_growing"]
    monkeypatch.setattr(records, "by_profile", lambda study: {})
    (said,) = judge.judged(declaration)
    assert (said.word, said.note) == ("pending", "0 of 120 networks are on record")
    asked = study_profile(load_profile("quick-confirm"), "hundred_growing")
    (lead,) = declaration.contrasts.values()
    table = judge.planted(lead, asked.seeds, asked.grid, 0.1, 5, np.random.default_rng(0))
    monkeypatch.setattr(records, "by_profile", lambda study: {"quick-confirm": table.iloc[1:]})
    assert judge.judged(declaration)[0].word == "pending"
    monkeypatch.setattr(records, "by_profile", lambda study: {"quick-confirm": table})
    (said,) = judge.judged(declaration)
    assert (said.word, said.setting, said.interval.n) == ("ahead", "A", 30)


def test_points_that_are_judged_apart_have_verdicts_of_their_own(monkeypatch):
    declaration = judge.declarations()["images_or_labels"]
    asked = study_profile(load_profile("quick-fp32"), "images_or_labels")
    gain = declaration.contrasts["control, CutMix against plain training"]
    every = {"accuracy": 0.0, "robust, 4/255": 0.0, "log margin": 0.0, "log slope": 0.0}
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        [
            {"cell": cell, "seed": seed, "steps_per_epoch": steps, "jump": 0.0, **every}
            | {"robust, 4/255": 0.2 * (cell == "cutmix" and steps == 8) + 0.01 * rng.standard_normal()}
            for cell in asked.cells
            for seed in asked.seeds
            for steps in (8, 32)
        ]
    )
    monkeypatch.setattr(records, "by_profile", lambda study: {"quick-fp32": table})
    words = {one.setting: one.word for one in judge.judged(declaration) if one.contrast == gain.name}
    assert words == {"A, steps per epoch 8": "gains", "A, steps per epoch 32": "open"}


def test_a_cells_classes_are_those_that_its_probe_is_not_shown():
    asked = study_profile(load_profile("fashion-heldout"), "transfer")
    halves = [one for one in asked.experiments() if one.half]
    assert {(one.seed, one.half) for one in halves} == {(seed, half) for seed in asked.seeds for half in (1, 2)}
    (whole,) = {one.half for one in asked.experiments() if asked.cell_of(one) == "all ten classes"}
    assert whole == 0
    small = halves[0].replace(data="fashion-mini")
    assert network_shape(dataset_of(small))["num_classes"] == 5


@pytest.mark.slow
@pytest.mark.parametrize("study", judge.declarations())
def test_every_cell_trains_and_what_is_asked_of_it_is_measured(study):
    """As declared, but for the size: a few embedded images, one epoch, a narrow network."""
    small = {"data": "fashion-mini", "train_size": 100, "width": 4, "stem_stride": 2, "model": "resnet8", "threads": 1}
    small |= {"epochs": 3, "steps_per_epoch": 2, "batch_size": 50, "learning_rate": 0.05, "augmentation": "none"}
    for name in judge.declarations()[study].settings:
        asked = study_profile(load_profile(name), study)
        first = {asked.cell_of(one): one for one in reversed(asked.experiments())}
        for cell, one in first.items():
            kept = {"snapshot_epochs": [0, 1, 2, 3] if one.snapshot_epochs else [], "teacher": narrow(one.teacher)}
            run = fit_or_load(one.replace(**small, **kept))
            for measure in studies_of(asked)[study].get("asked", ()):
                (measured,) = MEASURED[measure](Subject(run, asked.evaluation))
                assert measured.keys() == ASKED[measure].keys()
                assert any(math.isfinite(value) for value in measured.values()), cell


def narrow(teacher):
    """The same teacher in a width that trains in no time, at a temperature, as it has learnt too little to be soft."""
    how = {"labels": teacher.get("labels", "each"), "temperature": 2.0}
    fields = {name: value for name, value in teacher.items() if name not in TEACHING}
    return {**fields, **how, "width": 8} if teacher else {}


def test_a_setting_that_was_withdrawn_is_no_setting_any_more_and_says_why():
    declaration = judge.declarations()["park_by_hand"]
    assert [one["letter"] for one in declaration.settings.values()] == ["A", "B"]
    (withdrawn,) = declaration.withdrawn.values()
    assert (withdrawn["letter"], withdrawn["date"]) == ("F", "2026-11-30")
    assert not any(one.setting == "F" for one in judge.judged(declaration))
    assert judge.lines("park_by_hand")[-1].startswith("  F  withdrawn 2026-11-30: Park's cosine is the product")


def test_a_contrast_that_reads_no_cell_that_missed_its_target_is_judged(monkeypatch):
    declaration = judge.declarations()["three_numbers"]
    asked = study_profile(load_profile("quick-fp32"), "three_numbers")
    table = pandas.DataFrame([{"cell": asked.cell_of(one), "seed": one.seed} for one in asked.experiments()])
    read = {name for contrast in declaration.contrasts.values() for name in contrast.columns()} - {judge.ROBUST}
    read |= {condition["quantity"] for condition in declaration.admitted} | {"jump", "robust, 4/255"}
    table = table.assign(**dict.fromkeys(read, 0.5))
    missed = "v smoothing, s plain, l plain"
    table.loc[table["cell"] == missed, "seen share, fit"] = 0.6
    monkeypatch.setattr(judge.records, "by_profile", lambda study: {"quick-fp32": table})
    verdicts = {one.contrast: one for one in judge.judged(declaration)}
    length = verdicts["the length, on the gap"]
    assert (length.word, length.note) == (
        judge.NOT_ADMITTED,
        f"{missed}: seen share, fit less plain training is +0.100, not +0 ± 0.02",
    )
    assert verdicts["control, label smoothing on the gap"].word != judge.NOT_ADMITTED


def test_a_named_statistic_by_hand():
    """Lengths that follow the theory are predicted to the digit; a length twice as long is off by a half."""
    grid = {"alpha": (0, 0.01, 0.2), "weight_decay": (0.0005, 0.002, 0.005)}
    table = exchange.planted([0], grid, 0.0, -0.1, np.random.default_rng(0))
    assert exchange.statistic(table) == pytest.approx(-0.1, abs=1e-6)
    beyond = table["alpha"] > 0.03
    table.loc[beyond, "log length, train"] += math.log(2)
    assert exchange.statistic(table) == pytest.approx(0.4, abs=1e-6)
    table.loc[0, "log length, train"] = math.nan
    assert math.isnan(exchange.statistic(table))


def test_the_length_that_theory_gives_by_hand():
    """a = 1 is total collapse; alpha = .1 and ten classes: p = .91, lead = log(9 · .91 / .09), length 4.28."""
    assert float(exchange.length(np.array(1.0))) == pytest.approx(0, abs=1e-4)
    assert float(exchange.length(np.array(0.1))) == pytest.approx(math.log(9 * 0.91 / 0.09) * math.sqrt(0.9))
    assert float(exchange.length(np.array(0.1))) == pytest.approx(4.28, abs=0.005)
