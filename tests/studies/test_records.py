"""Records: rows are found by what a network is and what it was measured on, never by names; resumed, same bytes."""

import dataclasses
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest

import merge_records
from softbook import cli
from softbook.studies import averages, catalogue, index, judge, recording, records, tables
from softbook.studies.asked import AVERAGES, Subject
from softbook.studies.catalogue import study_profile
from softlab import SoftlabError, dataset_of, extract, fit_or_load, load_profile, provenance
from softlab.comparison import tables as comparison_tables
from softlab.numbers import stored, versions
from softlab.numbers.quantities import LENSES, QUANTITIES
from softlab.training import loop

SMALL = {"epochs": 1, "train_size": 60, "evaluation": {"test_size": 100, "attack_size": 10, "attack_steps": 1}}


@pytest.fixture
def settings():
    return load_profile("smoke", **SMALL, methods=["baseline", "mixup"], seeds=2)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A store with the four networks of `settings` and their numbers, which are the same for every test."""
    store = tmp_path_factory.mktemp("measured")
    settings = load_profile("smoke", **SMALL, methods=["baseline", "mixup"], seeds=2)
    for experiment in settings.experiments():
        stored.of(fit_or_load(experiment, store=store), settings.evaluation)
    return store


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch, measured):
    """Records of this test's own, by code that counts as committed; and a store that has what most tests record."""
    shutil.copytree(measured, tmp_path / "store")
    monkeypatch.setattr(records, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789")
    records.forget()
    yield tmp_path / "records"
    records.forget()


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """As on a machine that has the package, and no network."""

    def leave():
        monkeypatch.setenv("SOFTLAB_STORE", str(tmp_path / "elsewhere"))
        monkeypatch.setattr(records.runs, "fit_or_load", refuse)

    return leave


def refuse(*given, **options):
    raise AssertionError("nothing is to be trained")


def live(settings, study="core"):
    """The rows of a study whose networks are not on record."""
    profile = study_profile(settings, study)
    rows = comparison_tables.rows(profile.experiments(), profile.evaluation)
    experiments = profile.experiments()
    return pandas.DataFrame(
        [records.conditions(profile, one) | row for one, row in zip(experiments, rows, strict=True)]
    )


def same(one, other):
    drawn = [name for name in one if name not in ("source", "images")]
    pandas.testing.assert_frame_equal(one[drawn], other[drawn], check_dtype=False)


def test_recorded_rows_are_the_live_ones(settings, shelf, empty):
    fitted = live(settings)
    path = recording.record("core", settings)
    assert path == shelf / "core" / "smoke.csv"
    assert (fitted["source"] == "live").all()
    empty()
    found = records.by_profile()["smoke"]
    assert (found["source"] == "recorded").all()
    shared = [name for name in fitted if name in found]
    assert set(QUANTITIES) | {"id", "method", "seed"} <= set(shared)
    same(found[shared], fitted[shared])
    assert found.attrs["command"] == "softbook verify core --profile smoke"
    for one, other in zip(found["images"], fitted["images"], strict=True):
        assert (one["right"] == other["right"]).all()
        assert np.abs(one["confidence"] - other["confidence"]).max() < 1e-3  # half precision
        assert (one["survived"] == other["survived"]).all()


def test_a_row_says_what_it_is_of(settings, shelf):
    recording.record("core", settings)
    table = pandas.read_csv(shelf / "core" / "smoke.csv", dtype=str)
    assert list(table["id"]) == [fit_or_load(one).id for one in settings.experiments()]
    assert set(table["commit"]) == {"0123456789"}
    assert set(table["torch"]) == {provenance.environment("")["torch"]}
    assert list(table)[-len(QUANTITIES) :] == list(QUANTITIES)
    about = json.loads((shelf / "core" / "about.json").read_bytes())["smoke"]
    assert about["evaluation"] == SMALL["evaluation"]
    assert about["lenses"][table["lenses"][0]] == {name: lens.version for name, lens in LENSES.items()}
    assert about["quantities"][table["lenses"][0]]["AURC"] == 2


def test_networks_of_the_zoo_are_rows_too(monkeypatch, tmp_path):
    """They were trained before some of what a row says was on record."""
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    shutil.rmtree(tmp_path / "store")
    settings = load_profile("quick", methods=["baseline"], seeds=1, evaluation=SMALL["evaluation"])
    (row,) = comparison_tables.rows(settings.experiments(), settings.evaluation)
    assert row["source"] == "live"
    assert row["accuracy"] > 0.7
    assert not list((tmp_path / "store").glob("*-seed*"))


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 2},
        {"train_size": 61},
        {"learning_rate": 0.11},
        {"methods": {"baseline": {}, "mixup": {"beta": 0.9}}},
        {"precision": "the other"},
        {"evaluation": SMALL["evaluation"] | {"attack_size": 11}},
    ],
)
def test_overrides_never_meet_recorded_rows(settings, change):
    recording.record("core", settings)
    if "precision" in change:  # what this processor does not choose by itself
        chosen = loop.resolve(settings.experiments()[0], "cpu").precision
        change = {"precision": {"fp32": "bf16", "bf16": "fp32"}[chosen]}
    other = load_profile("smoke", **({**SMALL, "methods": ["mixup"], "seeds": 2} | change))
    (one,) = [one for one in other.experiments() if (one.method, one.seed) == ("mixup", 0)]
    assert records.recorded(settings.experiments()[-1], settings.evaluation)
    assert records.recorded(one, other.evaluation) is None


def test_names_of_study_and_profile_do_not_matter(settings, shelf, empty):
    recording.record("core", settings)
    (shelf / "core").rename(shelf / "another")
    (shelf / "another" / "smoke.csv").rename(shelf / "another" / "mine.csv")
    (shelf / "another" / "smoke.npz").rename(shelf / "another" / "mine.npz")
    about = shelf / "another" / "about.json"
    about.write_text(about.read_text().replace('"smoke"', '"mine"'))
    records.forget()
    empty()
    rows = comparison_tables.rows(settings.experiments(), settings.evaluation)
    assert [row["source"] for row in rows] == ["recorded"] * 4


def test_what_is_on_record_is_read_and_the_rest_is_fitted(settings):
    recording.record("core", load_profile("smoke", **SMALL, methods=["baseline"], seeds=2))
    for folder in (provenance.store_folder()).glob("baseline-*"):
        (folder / "manifest.json").unlink()
        folder.rename(folder.with_name("." + folder.name))
    for folder in (provenance.store_folder()).glob("mixup-*"):
        shutil.rmtree(folder)
    rows = comparison_tables.rows(settings.experiments(), settings.evaluation)
    assert [row["source"] for row in rows] == ["recorded", "recorded", "live", "live"]
    assert len([*provenance.store_folder().glob("mixup-*")]) == 2
    assert not [*provenance.store_folder().glob("baseline-*")], "what is on record is not trained again"


def test_recording_goes_on_where_it_was(settings, monkeypatch):
    said = []
    recording.record("core", load_profile("smoke", **SMALL, methods=["baseline"], seeds=2), say=said.append)
    path = recording.record("core", settings, say=said.append)
    assert [line.split("]")[0] for line in said] == ["[1 of 2", "[2 of 2", "[3 of 4", "[4 of 4"]
    kept = path.read_bytes(), path.with_suffix(".npz").read_bytes()
    recording.record("core", settings, say=said.append)
    assert len(said) == 4
    assert (path.read_bytes(), path.with_suffix(".npz").read_bytes()) == kept


def newer(monkeypatch, lens, version, quantities=None, measure=None):
    """Today's lenses, of which one has another version: of these quantities, or of all."""
    now = LENSES[lens]
    changed = {name: dataclasses.replace(one, version=version) for name, one in now.quantities.items()}
    mine = {**now.quantities, **{name: changed[name] for name in quantities or changed}}
    other = dataclasses.replace(now, quantities=mine, measure=measure or now.measure)
    for module in (recording, stored, versions):
        monkeypatch.setattr(module, "LENSES", LENSES | {lens: other})
    records.forget()


def test_a_quantity_of_another_version_keeps_its_value_and_is_marked(settings, monkeypatch):
    path = recording.record("core", settings)
    before = pandas.read_csv(path)
    written = path.read_bytes()
    newer(monkeypatch, "cones", 99, ["onset"])
    row = records.recorded(settings.experiments()[0], settings.evaluation)
    assert row["onset"] == before["onset"][0]
    assert row["older"] == ("onset",)
    table = records.by_profile()["smoke"]
    assert list(table["older"]) == [("onset",)] * 4
    said = []
    recording.record("core", settings, say=said.append)
    assert (said, path.read_bytes()) == ([], written), "no row is stale"


def test_rows_in_the_precision_of_another_device_stay(settings, monkeypatch):
    """A profile that was recorded on a GPU, in bf16, is whole on a CPU, too."""
    path = recording.record("core", settings)
    along = path.parent / "along" / path.name
    before = path.read_bytes()
    before_along = along.read_bytes()
    elsewhere = {"fp32": "bf16", "bf16": "fp32"}
    here = loop.resolve

    def resolve(experiment, device):
        known = here(experiment, device)
        return known.replace(precision=elsewhere[known.precision]) if experiment.precision == "auto" else known

    monkeypatch.setattr(loop, "resolve", resolve)
    said = []
    more = dataclasses.replace(settings, seeds=(*settings.seeds, 9))
    recording.record("core", settings, say=said.append)
    assert said == []
    assert path.read_bytes() == before
    assert along.read_bytes() == before_along
    recording.record("core", more, say=said.append)
    assert len(said) == len(settings.methods)
    after = pandas.read_csv(path, dtype=str)
    assert set(pandas.read_csv(io.BytesIO(before), dtype=str)["id"]) < set(after["id"])
    assert set(pandas.read_csv(io.BytesIO(before_along), dtype=str)["id"]) < set(
        pandas.read_csv(along, dtype=str)["id"]
    )


def test_a_quantity_is_added_and_nothing_else_changes(settings, monkeypatch):
    path = recording.record("core", settings)
    before = pandas.read_csv(path, dtype=str)
    outcomes = path.with_suffix(".npz").read_bytes()
    newer(monkeypatch, "cones", 99, ["onset"], lambda look: LENSES["cones"].measure(look) | {"onset": 7.0})
    monkeypatch.setattr(provenance, "commit", lambda: "abcdef0123")
    said = []
    assert recording.add("core", settings, ["onset"], say=said.append) == []
    assert [line.split("]")[0] for line in said] == [f"[{count} of 4" for count in (1, 2, 3, 4)]
    after = pandas.read_csv(path, dtype=str)
    assert set(after["onset"]) == {"7.0"}
    same_columns = [name for name in before if name not in ("onset", "lenses")]
    pandas.testing.assert_frame_equal(after[same_columns], before[same_columns])
    assert path.with_suffix(".npz").read_bytes() == outcomes
    about = records.about("core")["smoke"]
    (addition,) = about["additions"].values()
    (part,) = addition["parts"]
    assert (part["commit"], part["quantities"]) == ("abcdef0123", {"onset": 99})
    assert addition["to"] == before["lenses"][0]
    assert set(after["lenses"]) == set(about["additions"])
    assert list(records.by_profile()["smoke"]["older"]) == [()] * 4
    recording.add("core", settings, ["onset"], say=said.append)
    assert len(said) == 4, "what is there is not measured again"
    assert pandas.read_csv(path, dtype=str).equals(after)
    newer(monkeypatch, "magnitudes", 5, ["seen share"])
    recording.add("core", settings, ["magnitudes"], say=said.append)
    assert sorted(len(one["parts"]) for one in records.about("core")["smoke"]["additions"].values()) == [1, 2]


def test_a_row_of_another_network_is_left_and_named(settings, monkeypatch, capsys):
    path = recording.record("core", settings)
    text = pandas.read_csv(path, dtype=str)
    text.loc[2, "NLL at T"] = "0.5"  # as where another processor rounds otherwise
    text.to_csv(path, index=False, lineterminator="\n")
    newer(monkeypatch, "cones", 99, ["onset"], lambda look: LENSES["cones"].measure(look) | {"onset": 7.0})
    assert recording.add("core", settings, ["onset"]) == [text["id"][2]]
    assert "differs from its row (NLL at T)" in capsys.readouterr().out
    found = pandas.read_csv(path, dtype=str)
    assert list(found["onset"] == "7.0") == [True, True, False, True]
    assert list(map(len, records.by_profile()["smoke"]["older"])) == [0, 0, 1, 0]


def test_what_is_added_must_be_known_and_have_a_record(settings):
    with pytest.raises(SoftlabError, match="did you mean 'onset'"):
        recording.add("core", settings, ["onsets"])
    with pytest.raises(SoftlabError, match="no record at profile smoke"):
        recording.add("core", settings, ["onset"])


def test_a_digest_says_the_same_as_when_lenses_had_versions():
    """Rows of before have entries of about.json by lens; a lens that came later makes none of them older."""
    lenses = {"cones": 1, "outcomes": 1}
    have = versions.measured({"lenses": {"0" * 12: lenses}}, "0" * 12)
    assert have == {name: 1 for lens in lenses for name in LENSES[lens].quantities}
    assert versions.measured({"lenses": {}}, "0" * 12) is None


def test_all_rows_of_the_book_say_what_they_said(monkeypatch):
    """Every recorded number is read, and none has become another: the text of its cell is the number."""
    monkeypatch.setattr(records, "RECORDS", tables.RECORDS)
    count = 0
    for path in sorted(records.RECORDS.glob("*/*.csv")):
        table = records.by_profile(path.parent.name)[path.stem]
        text = pandas.read_csv(path, dtype=str, keep_default_na=False)
        known = records.about(path.parent.name)[path.stem]
        for digest in text["lenses"].unique():
            have = versions.measured(known, digest)
            assert have
            rows = (text["lenses"] == digest).to_numpy()
            for name in have:
                cells = text.loc[rows, name] if name in text else [""] * rows.sum()
                assert table.loc[rows, name].equals(
                    pandas.Series(cells, dtype=object).replace("", "nan").astype(float).set_axis(table.index[rows])
                ), (path, name)
        count += len(table)
    assert count >= 2445


def test_code_that_is_not_committed_records_nothing(settings, shelf, monkeypatch):
    for commit in ("0123456789+", "unknown"):
        monkeypatch.setattr(provenance, "commit", lambda commit=commit: commit)
        with pytest.raises(SoftlabError, match="without changes"):
            recording.record("core", settings)
    assert not shelf.exists()


def test_recorded_snapshots_are_the_live_ones(monkeypatch):
    assert records.snapshots() == {}
    settings = load_profile("smoke", **SMALL | {"epochs": 2, "snapshot_epochs": [0, 2]}, methods=["baseline"], seeds=1)
    recording.record("core", settings)
    assert list(records.by_profile()) == list(records.snapshots()) == ["smoke"]
    found = records.snapshots()["smoke"]
    run = fit_or_load(settings.experiments()[0])
    assert list(found["epoch"]) == [0, 2]
    before, after = (stored.of(run, settings.evaluation, epoch).values for epoch in found["epoch"])
    assert after["NLL"] == records.by_profile()["smoke"]["NLL"][0] != before["NLL"]
    for quantity in ("NLL", "log magnitude", "cosine, logit", "loosening"):
        assert list(found[quantity]) == pytest.approx([before[quantity], after[quantity]], rel=1e-6)
    assert found["robust, 4/255"].isna().all()
    newer(monkeypatch, "magnitudes", 99, measure=lambda look: dict.fromkeys(LENSES["magnitudes"].quantities, 7.0))
    recording.add("core", settings, ["log magnitude"])
    again = records.snapshots()["smoke"]
    assert list(again["log magnitude"]) == [7.0, 7.0]
    assert list(again["log head gain"]) == list(found["log head gain"]), "nobody asked for that"
    assert list(again["NLL"]) == list(found["NLL"])


def test_a_grid_is_part_of_the_table():
    settings = load_profile("smoke", **SMALL | {"evaluation": SMALL["evaluation"] | {"attack_size": 0}}, seeds=1)
    table = live(settings, "dose")
    assert list(table["method"]) == ["label_smoothing"] * 9
    assert list(table["alpha"])[:4] == [0, 0.0003, 0.001, 0.003]
    assert set(table["seed"]) == {1000}  # the study's own, as many as the profile has
    recording.record("dose", settings)
    same(records.by_profile("dose")["smoke"][["method", "seed", "alpha"]], table[["method", "seed", "alpha"]])


def test_doses_of_several_methods_are_part_of_the_table():
    """One column for all of them, with the name of what varies beside it, as table and as record."""
    doses = {"label_smoothing": {"alpha": [0.1, 0.2]}, "mixup": {"beta": [1.0]}}
    study = {"methods": ["baseline"], "seeds": 1, "doses": doses, "evaluation": {"attack_size": 0}, "images": ["right"]}
    settings = dataclasses.replace(load_profile("smoke", **SMALL), beside={"studies": {"many": study}})
    table = live(settings, "many")
    expected = [("baseline", None, None), ("label_smoothing", "alpha", 0.1), ("label_smoothing", "alpha", 0.2)]
    found = [tuple(row) for row in table[["method", "parameter", "dose"]].itertuples(index=False)]
    assert found[1:3] == expected[1:]
    assert found[3] == ("mixup", "beta", 1.0)
    assert table.loc[0, ["parameter", "dose"]].isna().all()
    assert records.varied(table) == ["parameter", "dose"]
    read = pandas.read_csv(recording.record("many", settings, say=lambda text: None))
    assert list(read["dose"])[1:] == [0.1, 0.2, 1.0]
    assert list(read["parameter"])[1:] == ["alpha", "alpha", "beta"]
    assert {name for images in records.by_profile("many")["smoke"]["images"] for name in images} == {"right"}
    with pytest.raises(SoftlabError, match="one parameter"):
        study_profile(dataclasses.replace(settings, beside={"studies": {"many": {"doses": {"acls": {}}}}}), "many")


def test_what_is_on_record_is_listed_and_none_of_it_is_of_uncommitted_code(capsys, monkeypatch):
    """Of the book's own."""
    monkeypatch.setattr(records, "RECORDS", tables.RECORDS)
    cli.main(["record", "--list"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["study", "profile", "networks", "seeds", "date", "commit"]
    row = next(line.split() for line in said if line.split()[:2] == ["dose", "quick-confirm"])
    assert row[2:4] == ["45", "5"]
    assert not any("+" in line for line in said)


def test_of_two_records_of_a_network_the_fuller_one_is_read(shelf):
    settings = load_profile("smoke", **SMALL, methods=["baseline"], seeds=1)
    path = recording.record("core", settings)
    older = shelf / "older" / path.name  # which comes later in the alphabet
    shutil.copytree(path.parent, older.parent)
    text = pandas.read_csv(older, dtype=str)
    text.drop(columns="accuracy").to_csv(older, index=False)
    records.forget()
    found = records.recorded(settings.experiments()[0], settings.evaluation)
    assert found is not None
    assert found["accuracy"] == float(text["accuracy"][0])


def test_verify_tells_the_same_bits_from_others(shelf, monkeypatch):
    lenses = {name: LENSES[name] for name in ("outcomes", "calibrated", "attacked")}  # as all take much longer
    for module in (recording, stored, versions):
        monkeypatch.setattr(module, "LENSES", lenses)
    settings = load_profile("smoke", **SMALL, methods=["baseline"], seeds=4)
    path = recording.record("core", settings)
    assert [network.word for network in recording.verify("core", settings)] == ["same bits"] * 3
    text = pandas.read_csv(path, dtype=str)
    text.loc[0, "accuracy"] = str(float(text["accuracy"][1]) + 1e-9)
    text.loc[3, "NLL"] = "1000"
    text.to_csv(path, index=False)
    records.forget()
    found = list(recording.verify("core", settings, count=4))
    assert [network.word for network in found] == ["alike", "same bits", "same bits", "differs"]
    assert far(found[3]) == ["NLL"]
    assert [network.id for network in recording.verify("core", settings, count=1)] == [text["id"][2]]
    wrong = text.copy()
    wrong.loc[0, ["accuracy", "robust, 4/255"]] = ["7", "7"]
    wrong.to_csv(path, index=False)
    records.forget()
    assert sorted(far(next(recording.verify("core", settings, count=4)))) == ["accuracy", "robust, 4/255"]
    assert far(next(recording.verify("core", settings, count=4, clean=True))) == ["accuracy"]
    text.drop(columns="accuracy").to_csv(path, index=False)  # as of a lens that is newer than the record
    records.forget()
    assert next(recording.verify("core", settings, count=4)).word == "same bits"
    with pytest.raises(SoftlabError, match="no record of study core"):
        next(recording.verify("core", load_profile("smoke", **SMALL | {"epochs": 2})))


SIZES = {"reference": 2000, "fit": 1000, "test": 3000, "attacked": 500, "corrupted": 500}


def far(network):
    return [move.quantity for move in network.far]


def beside(recorded, table, place="a", **measured):
    """A network that is measured so beside its row, in a table of others."""
    row = {"id": "a-1", "older": (), **recorded}
    return recording._compared(recorded | measured, row, recording._seed_spreads(table, place, SIZES))


def test_numbers_may_be_as_far_apart_as_those_of_two_seeds():
    table = pandas.DataFrame({"place": ["a", "a", "b", "b", "b"], "accuracy": [1.0, 3.0, 10.0, 10.0, 10.0]})
    together = math.sqrt((1 * 2 + 2 * 0) / (1 + 2))  # variances 2 and 0, weighted by their degrees of freedom
    for place, expected in (("a", math.sqrt(2)), ("b", together), ("of one seed", together)):
        assert recording._seed_spreads(table, place, SIZES)["accuracy"] == pytest.approx(expected)
    alone = recording._seed_spreads(table[:1], "a", SIZES)["accuracy"]
    assert alone == QUANTITIES["accuracy"].resolution(SIZES), "of one network the spread is not known"
    one = {"accuracy": 1.0}
    assert str(beside(one, table)) == "a-1: same bits"
    assert beside(one, table, accuracy=9.0).word == "alike"
    assert far(beside(one, table, accuracy=9.5)) == ["accuracy"]
    assert beside(one, table[:1], accuracy=1.5).word == "differs"
    assert beside(one, table, accuracy=math.nan).word == "differs"
    assert beside({"accuracy": math.inf}, table, accuracy=1.0).word == "differs"
    assert beside({"accuracy": math.nan}, table, accuracy=1.0).compared == 0, "its lens is newer than the row"


@pytest.mark.parametrize(
    ("quantity", "others", "alike", "different"),
    [
        ("apex residual", [9e-16, 1.2e-15, 8e-16], 6e-15, 1e-3),  # zero by definition
        ("apex residual", [9e-16, 1.2e-15, 8e-16], 6e-15, 1e-5),
        ("log seen share", [-4e-9, 0.0, -8e-9], -4e-8, -1e-4),  # the head sees all that there is
        ("apex ratio", [0.0, 0.0, 0.0], 1e-7, 1e-3),  # no bias
        ("accuracy", [1.0, 1.0, 1.0], 1 - 1 / 3000, 0.95),
        ("training accuracy", [1.0, 1.0, 1.0], 1 - 2 / 2000, 0.99),
        ("robust, 8/255", [0.0, 0.0, 0.0], 1 / 500, 0.05),
        ("amplification, train", [0.0, 0.0, 0.0], 1e-6, 0.01),
        ("bounded classes", [0.0, 0.0, 0.0], 0.0, 1.0),
        ("NLL", [0.31, 0.33, 0.32], 0.36, 0.38),  # neither small nor a share: as far as two seeds may be
    ],
)
def test_what_no_seed_moves_may_move_by_rounding_or_an_image_and_no_further(quantity, others, alike, different):
    """Where all seeds have the same number, or differ in their last digits, their spread allows nothing."""
    table = pandas.DataFrame({"place": "a", quantity: others})
    assert beside({quantity: others[0]}, table, **{quantity: alike}).word != "differs"
    assert far(beside({quantity: others[0]}, table, **{quantity: different})) == [quantity]
    planted = beside({quantity: different}, table, **{quantity: others[0]})
    assert far(planted) == [quantity], "a wrong number in the table is found, too"


def test_what_moved_is_said_farthest_first():
    table = pandas.DataFrame({"place": "a", "NLL": [0.3, 0.4], "apex residual": [1e-15, 2e-15], "accuracy": [0.8, 0.9]})
    recorded = {"NLL": 0.3, "apex residual": 1e-15, "accuracy": 0.8}
    spread = 0.1 / math.sqrt(2)
    moved = beside(recorded, table, NLL=0.3 + spread / 2, accuracy=0.8 - 2 * spread)
    said = "2 of 3 numbers moved, by 2.0 standard deviations over seeds at most: accuracy (2.0); NLL (0.5)"
    assert str(moved) == f"a-1: alike: {said}"
    wrong = beside(recorded, table, **{"apex residual": 1e-3, "NLL": 0.31})
    said = "1 of 3 numbers beyond 6 standard deviations over seeds: apex residual (0.001, on record 1e-15)"
    assert str(wrong) == f"a-1: differs: {said}"


def test_shares_are_of_images_that_there_are(settings):
    (experiment, *_) = settings.experiments()
    sizes = stored.samples_of(experiment, settings.evaluation).sizes
    assert sizes["reference"] == 60
    assert (sizes["test"], sizes["attacked"], sizes["corrupted"]) == (100, 10, 100)
    assert stored.samples_of(experiment, settings.evaluation | {"attack_size": 0}).sizes["attacked"] == 100
    assert {quantity.share_of for quantity in QUANTITIES.values()} <= {*sizes, ""}
    assert {quantity.factor for quantity in QUANTITIES.values() if quantity.share_of} == {100}
    assert QUANTITIES["accuracy"].resolution(sizes) == 1 / 100


def test_the_commands_record_and_verify(tmp_path, capsys, monkeypatch, shelf):
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "mine.yaml").write_text(
        "experiment: {train_size: 60, epochs: 1, width: 4, stem_stride: 2}\nmethods: {baseline: {}, mixup: {}}\n"
        "seeds: 2\nevaluation: {test_size: 100, attack_size: 10, attack_steps: 1}\n"
    )
    cli.main(["record", "core", "--profile", str(tmp_path / "mine.yaml")])
    assert f"recorded: {shelf / 'core' / 'mine.csv'}" in capsys.readouterr().out
    cli.main(["verify", "core", "--profile", str(tmp_path / "mine.yaml"), "--rows", "2"])
    assert capsys.readouterr().out.count("same bits") == 2
    store = next(folder.parent for folder in tmp_path.rglob("mixup-seed1-*") if folder.is_dir())
    shutil.rmtree(next(store.glob("mixup-seed1-*")))
    cli.main(["verify", "core", "--profile", str(tmp_path / "mine.yaml"), "--store", str(store)])
    assert capsys.readouterr().out.count("same bits") == 3, "those that are there"
    assert not [*store.glob("mixup-seed1-*")], "and none is trained"
    with pytest.raises(SystemExit) as end:
        cli.main(["record", "cores", "--profile", "smoke"])
    assert end.value.code == 2
    assert "did you mean 'core'" in capsys.readouterr().err


def test_a_training_that_fails_leaves_a_row_that_says_so_and_is_not_tried_again(settings, shelf, monkeypatch, capsys):
    real = recording.runs.fit_or_load

    def fails(experiment, **options):
        if experiment.method == "mixup" and experiment.seed == 1:
            raise loop.Diverged("training diverged: loss of method 'mixup' became nan")
        return real(experiment, **options)

    monkeypatch.setattr(recording.runs, "fit_or_load", fails)
    path = recording.record("core", settings)
    header, rows = tables.read_rows(path)
    table = tables.read_table(path, QUANTITIES)
    assert table["failed"].fillna("").tolist() == ["", "", "", "training diverged: loss of method 'mixup' became nan"]
    assert table["accuracy"].isna().tolist() == [False, False, False, True]
    assert table["jump"].notna().tolist() == [True, True, True, False]
    assert {table[name].isna().sum() for name in ("id", "asked", "evaluation", "commit", "date", "device")} == {0}
    before = path.read_bytes()
    monkeypatch.setattr(recording.runs, "fit_or_load", refuse)
    recording.record("core", settings)
    assert path.read_bytes() == before
    monkeypatch.setattr(recording.runs, "fit_or_load", fails)
    words = [one.word for one in recording.verify("core", settings, 4)]
    assert words == ["same bits"] * 4, "it fails again, as it should"
    monkeypatch.setattr(recording.runs, "fit_or_load", real)
    (*_, last) = recording.verify("core", settings, 4)
    assert last.word == "differs", "now it trains"
    assert len(rows) == 4
    assert header.index("failed") > header.index("cpu")


def test_how_far_a_loss_rose_late_by_hand():
    assert comparison_tables.jump([2.0, 0.5, 0.1, 0.1, 0.6, 0.05]) == pytest.approx(0.5)
    assert comparison_tables.jump([2.0, 3.0, 1.0, 0.9]) == 0, "an early rise is no late one"
    assert comparison_tables.jump([1.0, 2.0]) == 1
    assert comparison_tables.jump([1.0]) == comparison_tables.jump([]) == 0


SMALLEST = {"epochs": 3, "train_size": 60, "width": 4, "stem_stride": 2}
HALVES = """
tier: 2
question: a question
expected: nothing
trains: {evaluation: {test_size: 200, attack_size: 0}, images: [right], asked: [transfer]}
disturbed: 0.2
settings: {mine: {letter: M, seeds: [5, 15], snapshot_epochs: [0, 1, 2, 3]}}
cells:
  plain: {method: baseline, half: 1}
  smoothed: {method: label_smoothing, half: 1}
contrasts:
  probe:
    quantity: transfer, linear
    of: {smoothed: 1, plain: -1}
    says: {above: better, below: worse}
    half_width: {M: 5}
"""


@pytest.fixture
def declared_of_mine(tmp_path, monkeypatch):
    """A declared study of a profile of this test's own, the smallest that asks for everything."""
    monkeypatch.setattr(catalogue, "DECLARED", tmp_path / "declared")
    (tmp_path / "declared").mkdir()
    (tmp_path / "declared" / "2026-01-31-mine.yaml").write_text(HALVES)
    fields = ", ".join(f"{name}: {value}" for name, value in SMALLEST.items())
    (tmp_path / "mine.yaml").write_text(f"experiment: {{{fields}}}\nseeds: 1\nfirst_seed: 1000\n")
    catalogue.declared.cache_clear()
    judge.declarations.cache_clear()
    monkeypatch.setattr(judge, "load_profile", lambda name: load_profile(tmp_path / "mine.yaml"))
    yield load_profile(tmp_path / "mine.yaml")
    monkeypatch.undo()
    catalogue.declared.cache_clear()
    judge.declarations.cache_clear()


@pytest.mark.slow
@pytest.mark.sampled
def test_a_declared_study_is_recorded_judged_and_verified_with_what_it_asks_for(declared_of_mine, shelf):
    (before,) = judge.judged(judge.declarations()["mine"])
    assert before.note == "0 of 4 networks are on record"
    path = recording.record("mine", declared_of_mine)
    table = records.by_profile("mine")["mine"]
    assert table["cell"].tolist() == ["plain", "plain", "smoothed", "smoothed"]
    assert table["seed"].tolist() == [5, 15, 5, 15]
    assert table["transfer, neighbours"].between(0.2, 1).all()
    assert table["transfer, stopped, linear"].notna().tolist() == [True, True, False, False]
    assert table["transfer, stopped after"].dropna().isin([1, 2, 3]).all()
    plain = table.query("cell == 'plain'").set_index("seed")
    smoothed = table.query("cell == 'smoothed'").set_index("seed")
    mean = 100 * (smoothed["transfer, linear"] - plain["transfer, linear"]).mean()
    (said,) = judge.judged(judge.declarations()["mine"])
    assert said.interval.mean == pytest.approx(mean)
    assert said.word in ("better", "worse", "open")
    assert not set(records.by_profile("mine")["mine"]) & {"failed"}
    assert all(one.word == "same bits" for one in recording.verify("mine", declared_of_mine, 4))
    altered = path.read_text().replace(f"{plain['transfer, linear'][5]}", "0.99", 1)
    path.write_text(altered)
    records.forget()
    assert "transfer, linear" in str([*recording.verify("mine", declared_of_mine, 4)])


def test_a_group_is_measured_with_its_members(tiny):
    leader = fit_or_load(tiny.replace(epochs=3, snapshot_epochs=[1, 2, 3], seed=40))
    (values,) = averages.measure(Subject(leader, SMALL["evaluation"]))
    assert values.keys() == AVERAGES.keys()
    data = dataset_of(tiny)
    members = [fit_or_load(tiny.replace(epochs=3, seed=seed)).model for seed in range(41, 45)]
    for network in members:
        stored.round_weights(network)
    first = fit_or_load(leader.experiment).model
    stored.round_weights(first)
    probs = [extract(network, data.test_images, data.test_labels).logits.softmax(1) for network in (first, *members)]
    right = sum(probs).argmax(1) == data.test_labels
    assert values["group, accuracy"] == pytest.approx(float(right.float().mean()))
    alone = [float((one.argmax(1) == data.test_labels).float().mean()) for one in probs]
    assert values["alone, accuracy"] == pytest.approx(sum(alone) / 5)
    assert values["group, NLL at T"] <= values["alone, NLL at T"] + 1e-3, "Jensen, but for the temperature"
    with pytest.raises(SoftlabError, match="half=0"):
        averages.measure(Subject(fit_or_load(tiny.replace(half=1)), SMALL["evaluation"]))


def test_without_a_plan_for_it_a_study_is_not_recorded(declared_of_mine, shelf, monkeypatch):
    """Contrasts are tried on planted rows before the first real one."""

    def impossible(declaration):
        raise SoftlabError("probe, M: a planted effect of 5 is not found")

    monkeypatch.setattr(judge, "tried", impossible)
    with pytest.raises(SoftlabError, match="a planted effect"):
        recording.record("mine", declared_of_mine)
    assert not list(shelf.rglob("*.csv"))


def test_rows_of_another_checkout_are_taken_by_run_id(settings, shelf, tmp_path):
    """A recorder of its own commit writes there; here some rows are known, and some are new."""
    recording.record("core", load_profile("smoke", **SMALL, methods=["baseline"], seeds=2))
    own = {path.name: path.read_bytes() for path in (shelf / "core").glob("*.*")}
    recording.record("core", settings)
    whole = {path.name: path.read_bytes() for path in (shelf / "core").glob("*.*")}
    there = tmp_path / "there" / "core"
    there.mkdir(parents=True)
    for name, content in whole.items():
        (there / name).write_bytes(content)
    for name, content in own.items():
        (shelf / "core" / name).write_bytes(content)
    merge_records.main(tmp_path / "there", [])
    assert (shelf / "core" / "smoke.csv").read_bytes() == whole["smoke.csv"]
    assert json.loads((shelf / "core" / "about.json").read_bytes()) == json.loads(whole["about.json"])
    outcomes = tables.read_outcomes(shelf / "core" / "smoke.npz")
    assert outcomes.keys() == tables.read_outcomes(there / "smoke.npz").keys()
    merged = (shelf / "core" / "smoke.csv").read_bytes()
    merge_records.main(tmp_path / "there", ["core"])
    assert (shelf / "core" / "smoke.csv").read_bytes() == merged, "a second time changes nothing"
    assert len(records.by_profile()["smoke"]) == 4, "it is read like any other"


OLDER = Path(__file__).parent / "older"  # rows of a declared study that d890a5b wrote: they name no experiment


def test_rows_that_an_older_commit_wrote_are_taken_in_with_the_experiment_that_they_do_not_name(shelf):
    """Its profile and what its cell declares say which it was; the run id, written then, agrees."""
    merge_records.main(OLDER, [])
    path = shelf / "heads" / "quick-fp32.csv"
    older_header, older = tables.read_rows(OLDER / "heads" / "quick-fp32.csv")
    header, rows = tables.read_rows(path)
    place = header.index("experiment")
    assert [*header[:place], *header[place + 1 :]] == older_header
    assert [[*row[:place], *row[place + 1 :]] for row in rows] == older
    shared = records.about("heads")["quick-fp32"]["experiment"]
    table = tables.read_table(path, QUANTITIES)
    assert len(table) == 3
    for row in table.to_dict("records"):
        assert records.asked_id(index.experiment_of(row, shared)) == row["asked"]
    outcomes = tables.read_outcomes(path.with_suffix(".npz"))
    assert outcomes.keys() == set(table["id"])
    merged = path.read_bytes()
    merge_records.main(OLDER, [])
    assert path.read_bytes() == merged, "a second time changes nothing"
    shutil.copy(OLDER / "heads" / "quick-fp32.csv", path)
    merge_records.main(shelf, [])
    assert path.read_bytes() == merged, "in place"


def test_a_row_that_is_another_there_stops_the_merge_before_anything_is_written(settings, shelf, tmp_path):
    recording.record("core", settings)
    there = tmp_path / "there" / "core"
    shutil.copytree(shelf / "core", there)
    lines = (there / "smoke.csv").read_text().splitlines()
    (there / "smoke.csv").write_text("\n".join(line.replace("0123456789", "9876543210") for line in lines) + "\n")
    before = {path.name: path.read_bytes() for path in (shelf / "core").glob("*.*")}
    with pytest.raises(SystemExit, match=r"is another there \(commit\)"):
        merge_records.main(tmp_path / "there", [])
    assert {path.name: path.read_bytes() for path in (shelf / "core").glob("*.*")} == before
    with pytest.raises(SystemExit, match="is not a folder"):
        merge_records.main(tmp_path / "nowhere", [])


def test_a_declared_study_is_in_no_sentence_before_it_is_whole():
    asked = study_profile(load_profile("quick-fp32"), "averages")
    whole = len(asked.experiments())
    assert records.is_growing("averages", "quick-fp32", whole - 1)
    assert not records.is_growing("averages", "quick-fp32", whole)
    assert not records.is_growing("core", "quick-fp32", 1)
