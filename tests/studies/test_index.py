"""The index: what each recorded network is, and the plain network that it is compared with."""

import csv
import json
import math
from collections import Counter

import pytest

from softbook.studies import catalogue, index, records
from softbook.studies.across_settings import SETTINGS
from softbook.studies.index import sizes_of, with_partner, with_quantity
from softbook.studies.recording import otherwise
from softlab.errors import SoftlabError
from softlab.numbers import versions
from softlab.profile import load_profile
from softlab.training.data import load
from softlab.training.experiment import Experiment
from softlab.training.sampling import long_tail

ROW = {"torch": "2.0", "device": "cpu", "cpu": "", "evaluation": "images1", "date": "", "commit": "0123456789"}
RECORDED = index.index()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    return tmp_path


def run_id(method, seed, number):
    return f"{method}-seed{seed}-{number:012x}"


def write(shelf, study, profile, rows, **changes):
    """A recorded table of these rows; changes: of the profile's experiment."""
    digest, entries = versions.of_today()
    known = load_profile("quick")
    about = {"description": "", "standing": "", "evaluation": dict(known.evaluation)}
    about |= {"experiment": {**known.experiment.as_dict(), **changes}, **entries}
    folder = shelf / study
    folder.mkdir(exist_ok=True)
    (folder / "about.json").write_text(json.dumps({profile: about}))
    whole = [{"asked": row["id"], "lenses": digest, "experiment": named(row), **ROW, **row} for row in rows]
    names = list(whole[0])
    order = [name for name in ("method", "seed", "alpha", "train_size", "steps_per_epoch", "id") if name in names]
    with (folder / f"{profile}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, order + [name for name in names if name not in order], lineterminator="\n")
        writer.writeheader()
        writer.writerows(whole)


def named(row):
    """What the row's experiment has otherwise than the profile's: the columns that are fields, and the method's own."""
    fields = {name: row[name] for name in ("train_size", "steps_per_epoch") if name in row}
    alpha = {"alpha": row["alpha"]} if row.get("alpha", "") != "" else {}
    usual = load_profile("quick").methods.get(row["method"], {})
    return json.dumps({**fields, "method_parameters": {**usual, **alpha}})


def row(method, seed, number, accuracy=0.8, **others):
    return {"method": method, "seed": seed, "id": run_id(method, seed, number), "accuracy": accuracy, **others}


def test_a_row_says_what_its_setting_is(shelf):
    """By hand: 45 passes over 1,000 images in batches of 128 are 45 · 8 steps."""
    write(shelf, "core", "quick", [row("baseline", 0, 1), row("mixup", 0, 2)])
    plain, mixup = index.index().to_dict("records")
    assert plain["plain"]
    assert not mixup["plain"]
    assert (mixup["data"], mixup["colour"], mixup["classes"]) == ("fashion-mini", False, 10)
    assert (mixup["images"], mixup["steps"], mixup["model"], mixup["width"]) == (1000, 360, "resnet8", 16)
    assert (mixup["parameters"], mixup["dose"], mixup["usual"]) == ("beta=1", 1.0, True)
    assert math.isnan(plain["dose"])
    assert math.isnan(mixup["jump"])
    assert not mixup["failed"]
    assert mixup["partner"] == plain["id"]
    assert plain["partner"] is None


def test_what_a_study_varies_is_part_of_its_setting_and_a_strength_is_none(shelf):
    rows = [row("baseline", 0, 1, train_size=250, steps_per_epoch=8, alpha="")]
    rows += [row("label_smoothing", 0, 2, train_size=250, steps_per_epoch=8, alpha=0.1)]
    rows += [row("label_smoothing", 0, 3, train_size=250, steps_per_epoch=8, alpha=0.2)]
    rows += [row("label_smoothing", 0, 4, train_size=500, steps_per_epoch=8, alpha=0.1)]
    write(shelf, "training_images", "quick", rows)
    plain, usual, strong, elsewhere = index.index().to_dict("records")
    assert [one["images"] for one in (plain, elsewhere)] == [250, 500]
    assert {one["steps"] for one in (plain, elsewhere)} == {360}
    assert usual["setting"] == strong["setting"] == plain["setting"] != elsewhere["setting"]
    assert (usual["usual"], strong["usual"]) == (True, False)
    assert (usual["dose"], strong["dose"]) == (0.1, 0.2)
    assert [one["partner"] for one in (usual, strong, elsewhere)] == [plain["id"], plain["id"], None]


def test_a_pair_has_one_seed_one_device_and_one_torch(shelf):
    rows = [row("baseline", 0, 1), row("mixup", 0, 2), row("mixup", 1, 3)]
    rows += [row("cutmix", 0, 4) | {"device": "GPU"}, row("maxsup", 0, 5) | {"torch": "2.1"}]
    write(shelf, "core", "quick", rows)
    partners = index.index().set_index("id")["partner"]
    assert partners.notna().sum() == 1
    assert partners[run_id("mixup", 0, 2)] == run_id("baseline", 0, 1)


def test_a_network_smoothed_by_nothing_is_plain_and_hard_labels_come_first(shelf):
    doses = [row("label_smoothing", 0, 1, alpha=0.0), row("label_smoothing", 0, 2, alpha=0.1)]
    write(shelf, "dose", "quick", doses)
    assert list(index.index()["partner"]) == [None, run_id("label_smoothing", 0, 1)]
    write(shelf, "core", "quick", [row("baseline", 0, 3), row("mixup", 0, 4)])
    found = index.index().set_index("id")["partner"]
    assert found[run_id("mixup", 0, 4)] == run_id("baseline", 0, 3)
    assert found[run_id("label_smoothing", 0, 2)] == run_id("label_smoothing", 0, 1), "of its own table"


def test_a_training_that_failed_or_learnt_nothing_says_so(shelf):
    """Ten classes: what is less accurate than 25 % has not learnt."""
    broken = row("mixup", 0, 2, accuracy="") | {"failed": "training diverged"}
    rows = [row("baseline", 0, 1), broken, row("cutmix", 0, 3, accuracy=0.24), row("maxsup", 0, 4, accuracy=0.26)]
    write(shelf, "core", "quick", [{"failed": "", **one} for one in rows])
    assert list(index.index()["failed"]) == [False, True, True, False]


def test_a_quantity_is_joined_by_run_id_on_the_same_images(shelf):
    write(shelf, "core", "quick", [row("baseline", 0, 1, 0.7, ECE=0.1), row("mixup", 0, 2, 0.75, ECE=0.04)])
    smoothed = row("label_smoothing", 0, 3, 0.72, ECE=0.3, alpha=0.2)
    other_images = row("label_smoothing", 0, 4, 0.72, ECE=0.3, alpha=0.1) | {"evaluation": "images2"}
    write(shelf, "recipe_strength", "quick", [smoothed, other_images])
    found = with_quantity(index.index(), "ECE").set_index("id")
    assert found["change"][run_id("mixup", 0, 2)] == pytest.approx(-0.06)
    assert found["change"][run_id("label_smoothing", 0, 3)] == pytest.approx(0.2)
    assert math.isnan(found["change"][run_id("label_smoothing", 0, 4)]), "its partner was scored on others"
    assert math.isnan(found["change"][run_id("baseline", 0, 1)])
    crossed = with_quantity(index.index(), "accuracy", than="ECE").set_index("id")
    assert crossed["change"][run_id("mixup", 0, 2)] == pytest.approx(0.65)
    with pytest.raises(SoftlabError, match="did you mean 'ECE'"):
        with_quantity(index.index(), "ECEE")


def test_another_method_may_be_the_partner_but_only_one(shelf):
    rows = [row("baseline", 0, 1), row("label_smoothing", 0, 2), row("maxsup", 0, 3), row("maxsup", 1, 4)]
    write(shelf, "core", "quick", rows)
    found = index.index()
    beside = with_partner(found, found.query("method == 'label_smoothing'")).set_index("method")["partner"]
    assert list(beside["maxsup"]) == [run_id("label_smoothing", 0, 2), None]
    with pytest.raises(SoftlabError, match=r"strengths in one setting .* study core, profile quick"):
        with_partner(found, found.query("method != 'baseline'"))


def test_new_rows_are_read_at_once(shelf):
    write(shelf, "core", "quick", [row("baseline", 0, 1)])
    assert len(index.index()) == 1
    write(shelf, "dose", "quick", [row("label_smoothing", 0, 2, alpha=0.1)])
    assert len(index.index()) == 2


def test_images_that_nobody_described_are_refused_by_name(shelf):
    write(shelf, "core", "quick", [row("baseline", 0, 1)], data="mine")
    with pytest.raises(SoftlabError, match="data set of the index 'mine'"):
        index.index()


def test_sizes_are_those_of_the_images_that_are_trained_on():
    pytest.importorskip("torch")
    for name in ("fashion-mini", "fashion-pairs"):
        dataset = load(name)
        assert index.DATA[name] == index.Images(len(dataset.train_labels), len(dataset.classes), colour=False)
    labels = load("fashion-mini").train_labels
    tail = sizes_of(Experiment(long_tail=20.0))
    assert tail.images == len(long_tail(labels, 20.0, 10, seed=3))
    assert sizes_of(Experiment(class_count=4)).images == int((labels < 4).sum())
    assert sizes_of(Experiment(half=1)) == index.Sizes(classes=5, images=3000, steps=45 * math.ceil(3000 / 128))


def test_every_recorded_row_is_there_once_with_what_it_is():
    tables = records.every_table()
    assert len(RECORDED) == sum(map(len, tables.values())) >= 3833
    assert not RECORDED.duplicated(["study", "profile", "id"]).any()
    assert RECORDED.columns[RECORDED.isna().any()].tolist() == ["dose", "feature_dimension", "jump", "partner"]
    without = RECORDED.loc[RECORDED["dose"].isna(), "method"]
    assert set(without) == {"baseline", "mixup_or_cutmix"}, "neither has one number that says how strong it is"
    assert set(RECORDED["letter"]) == {"", *(name[0] for name in SETTINGS.values())}
    assert set(RECORDED.query("letter == 'A'")["images"]) == {1000}


def test_the_rows_experiments_are_those_of_their_run_ids():
    """Cross-check with what identifies a network: its experiment put together from the row has the row's own id."""
    checked = 0
    for (study, profile), table in records.every_table().items():
        shared = records.about(study)[profile]["experiment"]
        for one in table.iloc[::40].to_dict("records") if shared["data"] == "fashion-mini" else ():
            experiment = index.experiment_of(one, shared)
            assert records.asked_id(experiment) in (one["asked"], one["id"])
            checked += 1
    assert checked > 80


@pytest.mark.parametrize("study", catalogue.declared())
def test_rows_of_declared_studies_will_be_what_was_declared(study):
    """Each cell's experiment comes back from what its row will say."""
    for profile in catalogue.declared()[study]["settings"]:
        asked = catalogue.study_profile(load_profile(profile), study)
        shared = asked.experiment.as_dict()
        for experiment in asked.experiments()[:: len(asked.seeds)]:
            row = {"id": "", "method": experiment.method, "seed": experiment.seed}
            again = index.experiment_of({**row, "experiment": otherwise(experiment, shared)}, shared)
            assert again == experiment
            assert index.sizes_of(again).steps > 0


def test_a_row_that_names_no_experiment_is_one_line(shelf):
    for damage in ("{", '{"half": 7}', '{"nonsense": 1}', ""):
        write(shelf, "core", "quick", [row("baseline", 0, 1) | {"experiment": damage}])
        with pytest.raises(SoftlabError, match=r"cannot stand there|half|nonsense"):
            index.index()


def test_every_partner_exists_and_is_plain_on_the_same_device_and_torch():
    by_id = RECORDED.loc[~RECORDED.duplicated("id")].set_index("id")
    paired = RECORDED.loc[RECORDED["partner"].notna()]
    assert len(paired) >= 3306
    partners = by_id.loc[paired["partner"]]
    assert partners["plain"].all()
    for name in ("setting", "seed"):
        assert (partners[name].to_numpy() == paired[name].to_numpy()).all()
    places = set(zip(RECORDED["id"], RECORDED["device"], RECORDED["torch"], strict=True))
    assert set(zip(paired["partner"], paired["device"], paired["torch"], strict=True)) <= places
    alone = RECORDED.loc[RECORDED["partner"].isna() & ~RECORDED["plain"]]
    assert Counter(alone["study"]).keys() == {
        "hundred",
        "hundred_again",
        "hundred_one_device",
        "hundred_weaker",
        "no_bias",
    }


def test_what_did_not_train_is_what_the_book_says_did_not():
    failed = RECORDED.loc[RECORDED["failed"], ["letter", "method"]]
    assert {tuple(one) for one in failed.to_numpy()} == {("D", "scale_penalty")}
