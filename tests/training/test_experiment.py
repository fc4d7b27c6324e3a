"""Experiments and profiles: what is valid, what is said about what is not, and what a run id depends on."""

import dataclasses
import re

import pytest

from softbook.studies.catalogue import studies_of, study_profile
from softlab import Experiment, SoftlabError, load_profile
from softlab.profile import packaged_profiles
from softlab.training.experiment import FIELDS, run_id


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model", "resnet9", "did you mean 'resnet8'"),
        ("epochs", 0, "from 1 to"),
        ("epochs", 2.5, "whole number"),
        ("epochs", True, "whole number"),
        ("train_size", 0, "train_size"),
        ("seed", -1, "from 0 to"),
        ("learning_rate", float("nan"), "learning_rate"),
        ("learning_rate", "fast", "learning_rate must be a number"),
        ("momentum", 1.0, "momentum"),
        ("stem_stride", 3, "from 1 to 2"),
        ("precision", "fp16", "allowed: auto, bf16, fp32"),
        ("schedule", 3, "must be a name"),
        ("method", "../../etc", "small letters"),
        ("method", "Mixup", "small letters"),
        ("method_parameters", [1], "must map names"),
        ("compiled", 1, "true or false"),
        ("snapshot_epochs", "all", "list of epochs"),
        ("snapshot_epochs", [46], "ends after epoch 45"),
        ("threads", 0, "from 1 to 1024"),
        ("long_tail", 0.5, r"long_tail must be a number from 1.0 to"),
        ("long_tail", None, "long_tail must be a number"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(field, value, message):
    with pytest.raises(SoftlabError, match=message) as caught:
        Experiment(**{field: value})
    assert "\n" not in str(caught.value)


def test_values_that_yaml_reads_as_text_or_as_whole_numbers_become_numbers():
    experiment = Experiment(learning_rate="5e-2", weight_decay=0, snapshot_epochs=[3, 1, 3])
    assert experiment.learning_rate == 0.05
    assert isinstance(experiment.weight_decay, float)
    assert experiment.snapshot_epochs == (1, 3)


def test_an_experiment_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Experiment().epochs = 3
    with pytest.raises(TypeError):
        Experiment(method_parameters={"alpha": 0.1}).method_parameters["alpha"] = 0.2


def test_replace_names_the_nearest_field():
    with pytest.raises(SoftlabError, match="did you mean 'epochs'"):
        Experiment().replace(epoch=3)


def test_every_field_changes_the_run_id():
    other = {
        "data": "cifar10",
        "train_size": 10,
        "model": "resnet20",
        "method": "mixup",
        "method_parameters": {"alpha": 1},
        "schedule": "cosine",
        "augmentation": "flip_shift",
        "precision": "fp32",
        "compiled": True,
        "snapshot_epochs": [1],
        "stem_stride": 2,
        "width": 8,
        "optimizer": "adamw",
        "momentum": 0.5,
        "warmup": 0.5,
        "class_count": 3,
        "half": 1,
        "teacher": {"alpha": 0.1},
        "new_head": {"alpha": 0.1},
        "weight_decay_head": 0.1,
        "feature_dimension": 2,
        "head": "two_layers",
        "head_bias": "zero",
        "dropout": 0.5,
        "steps_per_epoch": 5,
    }
    plain = Experiment()
    code = {"training": 1}
    ids = {run_id(plain, "data", code), run_id(plain, "other", code), run_id(plain, "data", {"training": 2})}
    for field in FIELDS:
        value = other.get(field) or getattr(plain, field) + 1
        ids.add(run_id(plain.replace(**{field: value}), "data", code))
    assert len(ids) == len(FIELDS) + 3


def test_the_order_of_method_parameters_does_not_change_the_run_id():
    one = Experiment(method_parameters={"alpha": 0.1, "beta": 1})
    two = Experiment(method_parameters={"beta": 1, "alpha": 0.1})
    assert run_id(one, "", {}) == run_id(two, "", {})


@pytest.mark.parametrize("name", ["smoke", "quick", "fashion", "cifar10", "cifar100"])
def test_profiles_that_come_with_softlab_hold_the_five_methods(name):
    profile = load_profile(name)
    assert list(profile.methods) == ["baseline", "label_smoothing", "mixup", "cutmix", "maxsup"]
    assert len(profile.experiments()) == 5 * len(profile.seeds)
    neutral = {"method": "baseline", "method_parameters": {}, "seed": 0}
    assert all(one.replace(**neutral) == profile.experiment for one in profile.experiments())


@pytest.mark.parametrize("name", packaged_profiles())
def test_every_profile_that_comes_with_softlab_has_networks_for_each_of_its_studies(name):
    profile = load_profile(name)
    assert all(study_profile(profile, study).experiments() for study in studies_of(profile))


@pytest.mark.parametrize(("name", "data"), [("cifar10-papers-original", "cifar10"), ("cifar100-papers", "cifar100")])
def test_the_papers_regime_is_the_same_on_other_images(name, data):
    profile = load_profile(name)
    ours = load_profile("cifar10-papers")
    assert profile.experiment == ours.experiment.replace(data=data)
    assert profile.methods == ours.methods
    assert profile.evaluation == ours.evaluation
    assert not set(profile.seeds) & set(ours.seeds)
    assert study_profile(profile, "strength").doses == study_profile(ours, "strength").doses


def test_overrides_reach_every_experiment():
    profile = load_profile("quick", epochs=5, seeds=2, methods=["mixup"])
    assert [(one.method, one.seed, one.epochs) for one in profile.experiments()] == [("mixup", 0, 5), ("mixup", 1, 5)]
    assert profile.experiment.snapshot_epochs == (0, 1, 2, 4)
    assert load_profile("quick", seeds=[7, 100]).seeds == (7, 100)
    assert load_profile("quick", methods={"label_smoothing": {"alpha": 0.2}}).methods["label_smoothing"]["alpha"] == 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nowhere.yaml"}, "cannot read nowhere.yaml"),
        ({"name": "quick", "seeds": -3}, "seeds must be a whole number from 1"),
        ({"name": "quick", "seeds": [1, 1]}, "different seeds"),
        ({"name": "quick", "methods": ["mixap"]}, "did you mean 'mixup'"),
        ({"name": "quick", "methods": {}}, "methods must be"),
        ({"name": 3}, "a profile is given by its name"),
        ({"name": "quick", "epochs": "abc"}, "epochs must be a whole number"),
        ({"name": "quick", "epochs": [3]}, "epochs must be a whole number"),
        ({"name": "quick", "evaluation": 3}, "evaluation must map"),
        ({"name": "quick", "evaluation": {"tset_size": 3}}, "did you mean 'test_size'"),
        ({"name": "quick", "evaluation": {"test_size": -3}}, "test_size must be a whole number"),
        ({"name": "quick", "methods": {"mixup": 3}}, "must map parameters to values"),
    ],
)
def test_misuse_of_profiles_is_named(arguments, message):
    with pytest.raises(SoftlabError, match=message):
        load_profile(arguments.pop("name"), **arguments)


def test_your_own_profile_needs_only_what_differs(tmp_path):
    (tmp_path / "mine.yaml").write_text("experiment: {epochs: 3}\nmethods: {baseline: }\nfirst_seed: 100\nseeds: 2")
    profile = load_profile(tmp_path / "mine.yaml")
    assert (profile.name, profile.seeds, profile.experiment.epochs) == ("mine", (100, 101), 3)


def test_every_study_has_networks():
    profile = load_profile("quick")
    assert all(study_profile(profile, study).experiments() for study in studies_of(profile))
    with pytest.raises(SoftlabError, match="did you mean 'core'"):
        study_profile(profile, "cor")


def test_a_profile_may_change_a_study(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("seeds: 6\nstudies: {core: {}, noise: {seeds: 5, label_noise: 0.2}, steady: }")
    own = load_profile(path)
    assert list(studies_of(own)) == ["core", "noise", "steady"]
    noise = study_profile(own, "noise")
    assert (noise.seeds, noise.experiment.label_noise) == ((0, 1, 2, 3, 4), 0.2)
    assert list(noise.methods) == ["baseline", "label_smoothing", "maxsup"]  # as chapters.yaml has it
    assert study_profile(own, "steady").seeds == (0, 1, 2)
    with pytest.raises(SoftlabError, match="profile own leaves out the study dropout"):
        study_profile(own, "dropout")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("core", "studies must be a list of names, or map names to changes, not 'core'"),
        ("{cor: {}}", "unknown study 'cor'; did you mean 'core'"),
        ("[{core: {}}]", "unknown study {'core': {}}"),
        ("{core: 3}", "study core must map entries to values ({seeds: 3}), not 3"),
        ("{core: {seeds: many}}", "seeds must be a whole number"),
        ("{core: {sede: 3}}", "unknown field 'sede'; did you mean 'seed'"),
        ("{core: {1: 3}}", "study core must map entries to values ({seeds: 3}), not {1: 3}"),
        ("{core: {shorten: 0}}", "shorten must be a whole number from 1 to 10000, not 0"),
        ("{core: {shorten: two}}", "shorten must be a whole number from 1 to 10000, not 'two'"),
        ("{core: {grid: {seed: [1, 2]}}}", "a grid varies fields and parameters, not 'seed'"),
        ("{core: {grid: {method: [mixup]}}}", "a grid varies fields and parameters, not 'method'"),
    ],
)
def test_changes_of_studies_that_cannot_be(tmp_path, given, message):
    path = tmp_path / "own.yaml"
    path.write_text(f"studies: {given}")
    with pytest.raises(SoftlabError, match=re.escape(message)):
        study_profile(load_profile(path), "core")


def test_fresh_seeds_change_nothing_but_the_seeds():
    """Of quick, so that what the book found there is put to the test."""
    quick = load_profile("quick")
    fresh = load_profile("quick-fresh")
    assert set(studies_of(fresh)) < set(studies_of(quick))
    assert (fresh.methods, fresh.evaluation) == (quick.methods, quick.evaluation)
    assert not set(fresh.seeds) & set(quick.seeds)
    for study in studies_of(fresh):
        settings = [study_profile(one, study) for one in (quick, fresh)]
        assert settings[0].experiment == settings[1].experiment
        assert settings[0].methods == settings[1].methods
        assert len(settings[0].seeds) <= len(settings[1].seeds)


def test_a_shortened_study_keeps_the_snapshots_that_it_reaches():
    profile = load_profile("quick", epochs=30, snapshot_epochs=[0, 4, 30])
    short = study_profile(profile, "noise").experiment
    assert (short.epochs, short.snapshot_epochs) == (6, (0, 4))
    assert study_profile(load_profile("smoke"), "noise").experiment.epochs == 1


def test_how_much_is_evaluated_has_defaults_and_can_be_changed_alone():
    own = load_profile("quick", evaluation={"attack_size": 7})
    assert dict(own.evaluation) == {"test_size": 3000, "attack_size": 7, "attack_steps": 20}
    with pytest.raises(SoftlabError, match="attack_steps must be a whole number"):
        load_profile("quick", evaluation={"attack_steps": None})


def test_a_study_takes_a_methods_own_parameters_where_the_profile_has_none():
    narrowed = load_profile("smoke", methods=["baseline", "mixup"])
    assert list(study_profile(narrowed, "two_features").methods) == ["baseline", "label_smoothing"]


def test_seeds_from_1000_on_are_confirmatory():
    assert load_profile("quick").standing == "exploratory"
    assert load_profile("quick", seeds=[100, 1000]).standing == "exploratory"
    assert load_profile("quick", seeds=[1000, 1001]).standing == "confirmatory"
