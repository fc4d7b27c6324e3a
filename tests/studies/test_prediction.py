"""Predicting left-out families: tables whose answer is known, and what was declared."""

import numpy as np
import pandas
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from softbook.studies import catalogue, prediction
from softbook.studies.catalogue import study_profile
from softbook.studies.prediction import Prediction, at_equal, declared, doses_as_methods, gain, left_out, methods, whole
from softlab import SoftlabError, regularizers
from softlab.profile import load_profile

NAMES = ["log logit scale", "alignment", "effective rank"]


@pytest.fixture
def units():
    """Six families of five methods; the gap is twice the first property, robustness has nothing to do with any."""
    generator = np.random.default_rng(0)
    families = list(dict.fromkeys(declared().family.values()))
    rows = pandas.DataFrame(generator.normal(size=(30, 3)), columns=NAMES, index=[f"m{i} 1" for i in range(30)])
    rows["family"] = [families[i % 6] for i in range(30)]
    rows["gap"] = 2 * rows["log logit scale"] + 0.01 * generator.normal(size=30)
    rows["robust, 4/255"] = generator.normal(size=30)
    rows["accuracy"] = generator.normal(size=30)
    return rows


def test_the_score_by_hand():
    """Family a: missed by 1 and 1 where the mean misses by 2 and 2: 1 - 2/8. Family b: no better than the mean."""
    table = pandas.DataFrame(
        {"family": ["a", "a", "b"], "observed": [2.0, -2.0, 1.0], "predicted": [1.0, -1.0, 0.0], "mean": 0.0}
    )
    found = Prediction("gap", (), table)
    assert found.score() == pytest.approx(1 - 3 / 9)


def test_while_a_study_is_being_recorded_only_seeds_that_all_have_count():
    rows = [("baseline", np.nan, 1), ("baseline", np.nan, 2), ("focal", 1.0, 1), ("focal", 1.0, 2), ("focal", 2.0, 1)]
    table = pandas.DataFrame(rows, columns=["method", "dose", "seed"])
    assert list(whole(table).index) == [0, 2, 4]
    assert whole(table.head(4)).equals(table.head(4))


def test_a_number_itself_is_fitted_to_nothing(units):
    """The gap is twice the first property: as it is it misses half of each change, doubled it misses nothing."""
    doubled = units.assign(alignment=units["gap"])
    assert left_out(doubled, ["alignment"], "gap", "itself").score() == 1
    itself = left_out(units, ["log logit scale"], "gap", "itself").table
    assert itself["predicted"].tolist() == units.loc[itself.index, "log logit scale"].tolist()
    others = units.loc[units["family"] != itself["family"].iloc[0], "gap"]
    assert itself["mean"].iloc[0] == pytest.approx(others.mean())


def test_a_linear_rule_is_found_for_families_that_were_left_out(units):
    found = left_out(units, NAMES, "gap")
    assert found.score() > 0.99
    better = gain(found, left_out(units, ["accuracy"], "gap"))
    assert better.side() == 1
    assert (better.n, better.mean) == (6, pytest.approx(found.score(), abs=0.3))


def test_the_jackknife_deletes_a_family_from_the_fits_too(units):
    """By hand: scores of all that is made anew without each family; half width t(5) · sqrt(5/6 · Σ(s - mean s)²)."""
    names = ["alignment", "effective rank"]
    found = prediction.jackknife(left_out(units, names, "gap"))
    rest = [left_out(units[units["family"] != one], names, "gap").score() for one in units["family"].unique()]
    spread = np.square(np.array(rest) - np.mean(rest)).sum()
    assert found.half_width == pytest.approx(2.5706 * np.sqrt(5 / 6 * spread), rel=1e-3)
    assert prediction.jackknife(left_out(units, names, "gap", "trees")).n == 1


def test_what_nothing_predicts_has_no_score(units):
    assert left_out(units, NAMES, "robust, 4/255").score() < 0.3
    assert left_out(units, NAMES, "robust, 4/255", "trees").score() < 0.3


def test_ridge_and_the_choice_of_its_strength_are_scikit_learns(units):
    ridge = make_pipeline(StandardScaler(), Ridge())
    for outcome in ("gap", "robust, 4/255"):
        found = left_out(units, NAMES, outcome).table
        for family, rows in found.groupby("family"):
            others = units.loc[units["family"] != family]
            search = GridSearchCV(
                ridge,
                {"ridge__alpha": list(declared().strengths)},
                cv=LeaveOneGroupOut(),
                scoring="neg_mean_squared_error",
            )
            peer = search.fit(others[NAMES], others[outcome], groups=others["family"])
            assert np.allclose(rows["predicted"], peer.predict(units.loc[rows.index, NAMES]))


def test_a_bent_rule_takes_the_model_that_is_not_linear(units):
    bent = units.assign(gap=(units["alignment"].abs() > 0.7).astype(float))
    assert left_out(bent, NAMES, "gap", "trees").score() > 0.5 > left_out(bent, NAMES, "gap").score()


def test_what_is_predicted_for_a_family_does_not_depend_on_it(units):
    changed = units.copy()
    changed.loc[changed["family"] == "noise", "gap"] = 100.0
    both = [left_out(one, NAMES, "gap").table for one in (units, changed)]
    noise = both[0]["family"] == "noise"
    assert (both[0]["predicted"][noise] == both[1]["predicted"][noise]).all()
    assert not (both[0]["predicted"][~noise] == both[1]["predicted"][~noise]).any()


def test_methods_without_a_number_are_left_out_and_too_few_families_refused(units):
    units.loc["m3 1", "alignment"] = np.nan
    assert "m3 1" not in left_out(units, NAMES, "gap").table.index
    with pytest.raises(SoftlabError, match="at least 4, not 2"):
        left_out(units[units["family"].isin(["noise", "label"])], NAMES, "gap")


def test_a_method_at_a_dose_is_its_mean_difference_to_the_baseline_of_its_seeds():
    rows = [("baseline", None, 0, 1.0), ("baseline", None, 1, 2.0), ("focal", 2.0, 0, 2.0), ("focal", 2.0, 1, 5.0)]
    rows += [("focal", 4.0, 0, 4.0), ("focal", 4.0, 7, 9.0), ("mine", 1.0, 0, 3.0)]
    table = pandas.DataFrame(rows, columns=["method", "dose", "seed", "gap"])
    called = list(doses_as_methods(table)["method"])
    assert called[1:] == ["baseline", "focal 2", "focal 2", "focal 4", "focal 4", "mine 1"]
    found = methods(table)
    assert list(found.index) == ["focal 2", "focal 4"]  # mine is of no family
    assert list(found["gap"]) == [2.0, 3.0]  # seed 7 has no baseline
    assert list(found["seeds"]) == [2, 1]
    assert set(found["family"]) == {"logit"}


def test_every_method_of_the_study_is_of_one_declared_family_and_has_its_doses():
    study = study_profile(load_profile("quick"), declared().study)
    assert set(study.doses) <= set(declared().family)
    assert len(study.doses) >= 20
    assert set(declared().family.values()) == {"label", "mixing", "logit", "feature", "noise", "schedule"}
    experiments = study.experiments()
    for method, (parameter, values) in study.doses.items():
        given = [one.method_parameters[parameter] for one in experiments if one.method == method and one.seed == 1000]
        assert given == list(values)
        assert all(regularizers.get(method, **{parameter: value}) for value in values)


def test_a_file_of_ones_own_adds_its_method_to_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr(regularizers.base, "REGISTRY", known := dict(regularizers.REGISTRY))
    monkeypatch.setattr(regularizers, "REGISTRY", known)
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom softlab import regularizers\n"
        "@regularizers.register('mine')\n@dataclass(frozen=True)\nclass Mine(regularizers.Regularizer):\n    pass\n"
    )
    study = study_profile(catalogue.with_methods_of_file(load_profile("quick"), "many", tmp_path / "mine.py"), "many")
    assert set(study.methods) == {"baseline", "mine", *study.doses}
    assert len([one for one in study.experiments() if one.method == "mine"]) == 5
    assert len(study.doses["focal"][1]) == len([one for one in study.experiments() if one.method == "focal"]) / 5


def test_interventions_are_compared_where_they_have_moved_their_property_as_far():
    """By hand: halfway between two doses on average; each seed is interpolated at that place, and no farther."""
    rows = [
        ("baseline", None, 1, 0.0, 0.5, 0.10),
        ("baseline", None, 2, 1.0, 0.5, 0.20),
        ("scale_penalty", 3.0, 1, -2.0, 0.5, 0.30),  # moves the scale by -2 and -4, on average -3
        ("scale_penalty", 3.0, 2, -3.0, 0.5, 0.60),
        ("scale_penalty", 9.0, 1, -1.0, 0.5, 0.10),  # by -1 and -1
        ("scale_penalty", 9.0, 2, 0.0, 0.5, 0.40),
        ("cosine_penalty", 1.0, 1, 0.0, 0.6, 0.9),
        ("cosine_penalty", 1.0, 2, 1.0, 0.6, 0.9),
        ("cosine_penalty", 2.0, 1, 0.0, 0.7, 0.9),
        ("cosine_penalty", 2.0, 2, 1.0, 0.7, 0.9),
    ]
    runs = pandas.DataFrame(rows, columns=["method", "dose", "seed", "log logit scale", "alignment", "gap"])
    soft = [("mixup", 2, -1.0, 0.5, 0.15), ("mixup", 1, -2.0, 0.5, 0.25), ("mixup", 3, 5.0, 0.5, 0.0)]
    soft = pandas.DataFrame(soft, columns=["method", "seed", "log logit scale", "alignment", "gap"])  # by -2 twice
    there, more = at_equal(runs, soft, "scale_penalty", "gap")
    assert (there.mean, there.n) == (pytest.approx((0.10 + 0.30) / 2), 2)  # (.2 + 0) / 2 and (.4 + .2) / 2
    assert more.mean == pytest.approx(((0.10 - 0.15) + (0.30 + 0.05)) / 2)
    assert at_equal(runs, soft, "cosine_penalty", "gap") is None, (
        "its doses all turn farther than Mixup, which does not"
    )
