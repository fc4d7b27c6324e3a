"""The laws are declared before they are judged: what their contrasts name is there, and they are judged by it alone."""

from pathlib import Path

import pandas
import pytest

from softbook.statements import laws, papers, statement
from softbook.statements.values import value_of
from softbook.studies import across_settings, prediction, records, robustness
from softbook.studies.catalogue import FOLDER, studies_of
from softlab import load_profile, regularizers
from softlab.comparison.effects import at_best, averages, effects, half_way, over_grid, shares
from softlab.comparison.intervals import t_interval
from softlab.files import read_yaml
from softlab.numbers.quantities import QUANTITIES

CHAPTERS = Path(__file__).parents[2] / "notebooks"


def test_what_a_law_names_is_there():
    found = laws.laws()
    assert found
    for law in found.values():
        assert (CHAPTERS / f"{law.chapter}.ipynb").exists()
        assert law.law.endswith(".")
        assert law.kind in ("empirical", "theorem", "identity")
        assert set(law.variants) <= set(QUANTITIES)
        if law.kind == "empirical":
            assert law.quantity in QUANTITIES
            assert law.side in ("rises", "falls")
            profile = load_profile(law.profile)
            assert profile.standing == "confirmatory"
            assert min(profile.seeds) >= 1000
            assert law.method in ("", *regularizers.REGISTRY)
            assert law.contrast or law.study in studies_of(profile)
    said = papers.papers().values()
    assert {(one.quantity in QUANTITIES, one.side in ("rises", "falls", "stays")) for one in said} == {(True, True)}
    declares = read_yaml(FOLDER / "prediction.yml")
    named = [*declares["interventions"]["moves"].values(), *declares["properties"], *declares["nulls"]]
    assert set(named).union(*declares["outcomes"].values()) <= set(QUANTITIES)


def value_of_law(name):
    return value_of(statement(f"declared.{name}").spec)


def test_a_law_holds_if_all_of_its_interval_is_on_its_side(monkeypatch, put_on_record):
    rows = [
        {"id": f"{method}-{seed}", "method": method, "seed": seed, "constant class": value, "images": {}}
        for method, values in {"baseline": (0.9, 0.91, 0.92), "label_smoothing": (0.8, 0.82, 0.81)}.items()
        for seed, value in enumerate(values)
    ]
    cones = {"cones": laws.laws()["cones"]}
    monkeypatch.setattr(laws, "laws", lambda group="": cones)
    put_on_record({"core": {"quick-confirm": pandas.DataFrame(rows)}})
    found = laws.judged()["cones"]
    (part,) = found.parts
    assert part.value.mean == pytest.approx(-10)
    assert part.outcome == 1
    assert found.p == pytest.approx(part.value.p_value())
    assert found.verdict == "not judged before all 10 seeds are on record (3 are)"
    unseen = laws.laws()["cones"].__class__("x", "y", "cones", quantity="gap", side="falls", profile="nowhere")
    monkeypatch.setattr(laws, "laws", lambda group="": cones | {"x": unseen})  # empirical, not on record: it counts
    assert laws.judged()["cones"].p == pytest.approx(2 * found.p)
    for row in rows:
        row["constant class"] *= -1
    put_on_record({"core": {"quick-confirm": pandas.DataFrame(rows)}})
    assert [part.outcome for part in laws.judged()["cones"].parts] == [-1]


def test_a_law_may_be_about_one_point_of_a_grid(put_on_record):
    rows = [
        {"id": f"{method}-{seed}-{width}", "method": method, "seed": seed, "width": width, "accuracy": value}
        for width, gain in ((4, 0.1), (8, -0.2))
        for method, value in (("label_smoothing", 0.5), ("maxsup", 0.5 + gain))
        for seed in (1, 2)
    ]
    table = pandas.DataFrame(rows).assign(images=[{}] * len(rows))
    put_on_record({"hundred": {"quick-confirm": table}})
    assert value_of_law("maxsup").mean == pytest.approx(10)


def test_data_or_training_is_judged_between_its_two_corners_once_both_are_there(monkeypatch):
    def cell(images, epoch_steps, change):
        return [
            {"method": method, "seed": seed, "steps_per_epoch": epoch_steps, "train_size": images}
            | {
                "id": f"{method}-{seed}-{images}-{epoch_steps}",
                "source": "recorded",
                "images": {},
                "robust, 4/255": value,
            }
            for seed in (0, 1, 2)
            for method, value in {"baseline": 0.4, "label_smoothing": 0.4 + change + 0.01 * seed}.items()
        ]

    tables = {
        "training_images": cell(1000, 128, -0.05) + cell(1000, 8, 0.3),
        "training_images_more": cell(60_000, 8, 0.1),
    }
    law = {"data-or-training": laws.laws()["data-or-training"]}
    monkeypatch.setattr(laws, "laws", lambda group="": law)
    about = {"quick-confirm": {"experiment": {"epochs": 45}}}
    monkeypatch.setattr(records, "about", lambda study: about)
    monkeypatch.setattr(records, "by_profile", lambda study: {"quick-confirm": pandas.DataFrame(tables.get(study, []))})
    assert list(robustness.cells_of("quick-confirm")) == [(1000, 360), (1000, 5760), (60_000, 360)]
    (part,) = laws.judged()["data-or-training"].parts
    assert part.value.mean == pytest.approx(15)
    tables["training_images_more"] = cell(16_000, 8, 0.1)
    assert laws.judged()["data-or-training"].verdict == "pending"
    monkeypatch.setattr(records, "by_profile", lambda study: {})
    assert robustness.cells_of("quick-confirm") == {}
    assert laws.judged()["data-or-training"].verdict == "pending"


def test_what_the_readme_found_is_what_the_record_says():
    """Its sentences, one after the other; the cover has them with numbers, each guarded by its own condition."""
    core = records.by_profile()
    grid = robustness.cells_of("quick-confirm")
    few = core["quick-confirm"]
    soft = ("label_smoothing", "mixup", "cutmix")
    measured = [table for table in core.values() if effects(table, "gap")["label_smoothing"].interval.n > 1]
    assert [len(measured), len(grid)] == [11, 15]
    # Less sure, and smaller.
    assert all(effects(table, q).falls(*soft, "maxsup") for table in measured for q in ("gap", "log logit scale"))
    assert all(effects(table, "gap").falls(*soft) for table in grid.values())
    sizes = {at: effects(table, "log logit scale") for at, table in grid.items()}
    assert all(one.falls("label_smoothing") for one in sizes.values())
    passes = {at: 128 * at[1] / at[0] for at in grid}
    longer = [passes[at] for at, one in sizes.items() if not one.falls(*soft)]
    assert len(longer) == 2
    assert min(longer) > 700
    for table in across_settings.cells("hundred").values():
        seeds = table["method"].value_counts()  # a single network has no interval
        there = [method for method in ("label_smoothing", "maxsup") if seeds.get(method, 0) > 1]
        assert all(effects(table, q).falls(*there) for q in ("gap", "log logit scale"))
    # After one temperature.
    assert few.loc[few["method"] == "label_smoothing", "gap"].mean() < 0
    assert all(effects(table, "NLL at T").rises("label_smoothing") for table in measured)
    sides = [effects(table, "NLL at T")["label_smoothing"].interval.side() for table in grid.values()]
    assert sorted(sides) == [0] * 3 + [1] * 12
    sides = [
        effects(table, "NLL at T")["label_smoothing"].interval.side()
        for table in across_settings.cells("hundred").values()
    ]
    assert sides == [1, 1, 0]
    assert not effects(records.by_profile("noise")["quick"], "NLL at T")["label_smoothing"].interval.side()
    few_features = [
        (place, size)
        for (_, place, size), table in across_settings.cells("dimension").items()
        if not effects(table, "NLL at T")["label_smoothing"].interval.side()
    ]
    assert few_features == [("fashion-heldout", 5), ("quick-confirm", 2)]
    order = [effects(table, "AURC")["label_smoothing"].interval.side() for table in measured]
    assert sorted(order) == [0] * 2 + [1] * 9
    better = {at for at, table in grid.items() if effects(table, "AURC").falls("label_smoothing")}
    assert better == {at for at in grid if at[0] == 1000 and passes[at] > 100}


def test_what_the_readme_says_of_robustness_is_what_the_record_says():
    core = records.by_profile()
    grid = robustness.cells_of("quick-confirm")
    few = core["quick-confirm"]
    many = core["fashion-heldout"]
    soft = ("label_smoothing", "mixup", "cutmix")
    under = "robust, 4/255"
    assert effects(few, under).rises("cutmix", "weight_decay")
    assert effects(few, under).falls("label_smoothing", "mixup")
    assert effects(many, under).rises(*soft, "weight_decay")
    best = effects(at_best(records.by_profile("strength")["fashion-heldout"]), under)
    assert [best[name].interval.side() for name in (*soft, "maxsup")] == [0, 0, 1, 1]
    assert [effects(many, under, "weight_decay")[name].interval.side() for name in soft] == [1, -1, 1]
    assert effects(core["cifar10-jpeg-flip"], "robust, 1/255").falls("cutmix")
    levels = {at: averages(table, under) for at, table in grid.items()}
    for name in ("baseline", *soft, "scale_penalty"):
        left = [one[name].mean for one in levels.values()]
        axes = ([steps / images for images, steps in grid], *zip(*grid, strict=True))
        often, images, steps = (robustness.fall_together(axis, left) for axis in axes)
        assert often > max(0.7, images, steps)
        assert robustness.per_doubling(grid, name, under)[1].high < 0
    lasting = over_grid(records.by_profile("hundred_again")["quick-confirm"], "accuracy", "maxsup", "label_smoothing")
    assert lasting.low < 0 < lasting.high < 0.6
    cones = [effects(table, "constant class") for table in core.values()]
    assert all(one.falls(name) for one in cones for name in soft[1:] if name in one and one[name].interval.n > 1)
    assert {one["label_smoothing"].interval.side() for one in cones} == {-1, 0}


def test_what_the_readme_says_of_images_learnt_by_heart_is_what_the_record_says():
    table = records.by_profile()["cifar10-papers"]
    soft = ("label_smoothing", "mixup", "cutmix")
    learnt = averages(table, "training accuracy")["baseline"].scaled(100)
    assert round(learnt.mean, 1) == 99.6
    assert averages(table, "gap")["baseline"].low > 0
    assert all(averages(table, "gap")[name].high < 0 for name in soft)
    assert effects(table, "ECE").rises(*soft)
    chosen = at_best(records.by_profile("strength")["cifar10-papers"], "NLL at T, fit")
    assert effects(chosen, "ECE").falls("label_smoothing", "mixup")
    near, far = (effects(table, q) for q in ("robust, 0.4/255, PGD-7", "robust, 1/255"))
    assert [near[name].interval.side() for name in soft] == [-1, 0, -1]
    assert far.falls(*soft)
    assert all(effects(table, q).rises("weight_decay") for q in ("accuracy", "robust, 0.4/255, PGD-7", "robust, 1/255"))
    assert all(effects(table, q).falls("weight_decay") for q in ("ECE", "NLL at T"))


def test_what_the_readme_says_of_a_gradient_penalty_is_what_the_record_says():
    table = records.by_profile("flat")["quick-fp32"].query("method == 'baseline' or dose == 0.1")
    assert table.groupby("method")["seed"].nunique().tolist() == [5, 5]
    left = {name: one.mean for name, one in averages(table, "robust, 4/255").items()}
    assert abs(left["gradient_penalty"] - 2 / 3) < 0.02
    assert abs(left["baseline"] - 2 / 5) < 0.02
    assert effects(table, "robust, 4/255").rises("gradient_penalty")
    assert effects(table, "accuracy").rises("gradient_penalty")


def test_what_the_readme_says_of_the_scale_is_what_the_record_says():
    """One penalty on the scale helps, not the scale: others that shrink logits as far do not."""
    core = records.by_profile()
    grid = robustness.cells_of("quick-confirm").values()
    under = "robust, 4/255"
    held, apart = ([effects(one, under, to) for one in grid] for to in ("baseline", "scale_penalty"))
    assert sum(one.rises("scale_penalty") for one in held) > 0.9 * len(grid)
    assert not any(one.falls("scale_penalty") for one in held)
    assert sum(one.falls("label_smoothing") for one in apart) > len(grid) / 2
    assert all(one.falls("mixup") for one in apart)
    assert not any(one.rises("label_smoothing") for one in apart)
    many = records.by_profile("many")
    ten = pandas.concat([prediction.doses_as_methods(many[name]) for name in ("quick-confirm", "quick-again")])
    alike = {"scale_penalty 0.1": 1, "fixed_scale 4": 1, "logit_penalty 0.01": 0, "margin_smoothing 3": -1}
    alike["label_smoothing 0.1"] = -1
    found = effects(ten, under)
    sizes = effects(ten, "log logit scale")
    assert {name: found[name].interval.side() for name in alike} == alike
    assert {found[name].interval.n for name in alike} == {10}
    spread = [sizes[name].interval.mean for name in alike]
    assert max(spread) - min(spread) < 0.1
    for name, side in (("quick-confirm", 0), ("fashion-heldout", 1)):
        decayed = core[name][core[name]["method"] == "weight_decay"]
        penalized = prediction.doses_as_methods(records.by_profile("interventions")[name])
        assert effects(penalized, under, decayed)["scale_penalty 0.1"].interval.side() == side
    tried = records.by_profile("scale_penalty")
    for name, radius in (("convnext-confirm", 4), ("cifar10-jpeg-flip", 1)):
        both = pandas.concat([core[name], tried[name]])
        assert not effects(both, f"robust, {radius}/255")["scale_penalty"].interval.side()
    cifar = pandas.concat([core["cifar10-jpeg-flip"], tried["cifar10-jpeg-flip"]])
    assert effects(cifar, "accuracy").falls("scale_penalty")
    assert tried["mobilenet-confirm"]["accuracy"].max() < 0.25
    soft = ("label_smoothing", "mixup", "cutmix")

    def at_equal(profile, like):
        runs = prediction.whole(records.by_profile("interventions")[profile])
        return prediction.at_equal(runs, core[profile].loc[core[profile]["method"] == like], "scale_penalty", under)

    pairs = [at_equal("quick-confirm", name) for name in soft]
    assert all(there.low > 0 for there, _ in pairs)
    assert [more.side() for _, more in pairs] == [1, 1, -1]
    pairs = [at_equal("fashion-heldout", name) for name in soft]
    assert all(there.low > 0 for there, _ in pairs)
    assert [more.side() for _, more in pairs] == [1, 0, -1]


def own_lag(along, method, share):
    """Epochs by which the logit cosine reaches a share of a method's own way, from start to end, after the length."""
    reached = []
    for quantity in ("log magnitude", "cosine, logit"):
        path = along[along["method"] == method].pivot(index="epoch", columns="seed", values=quantity)
        way = (path - path.iloc[0]) / (path.iloc[-1] - path.iloc[0])
        reached.append(half_way(way * 0.5 / share))
    return t_interval([reached[1][seed] - reached[0][seed] for seed in reached[0]])


def test_where_a_law_says_too_much_the_record_says_so():
    """What stands in `but` of laws.yml, law by law."""
    tables = records.by_profile()
    quick, full, conv, flip = (
        tables[name] for name in ("quick-confirm", "fashion-heldout", "convnext-confirm", "cifar10-jpeg-flip")
    )

    def moved(table, quantity):
        return effects(table, quantity)["label_smoothing"].interval

    assert {name for name, law in laws.laws().items() if not law.but} == {"data-or-training", "rates"}
    for table in (full, conv, tables["mobilenet-confirm"]):
        assert not moved(table, "constant class").side()
        assert effects(table, "constant class").falls("mixup", "cutmix")
    assert averages(conv, "gap")["label_smoothing"].low > 0
    doses = records.by_profile("dose")["quick-confirm"]
    assert shares(doses, "spread, logits", 0.1)[0.01].high < 100
    assert moved(full, "spread, logits, train").side() >= 0
    assert moved(conv, "spread, logits").side() <= 0
    longest = effects(robustness.cells_of("quick-confirm")[250, 5760], "log logit scale")
    assert longest.rises("mixup", "cutmix")
    assert value_of_law("prediction").high > 1
    lags = [own_lag(records.snapshots()["quick-confirm"], "label_smoothing", share) for share in (0.8, 0.9)]
    assert min(one.low for one in lags) > 0
    assert own_lag(records.snapshots()["quick-confirm"], "label_smoothing", 0.5).high < 0
    assert moved(quick, "inward, attack, cross-entropy").high < 0 < moved(flip, "inward, attack, cross-entropy").low
    later = over_grid(records.by_profile("hundred_again")["quick-confirm"], "accuracy", "maxsup", "label_smoothing")
    assert later.mean < value_of_law("maxsup").mean
