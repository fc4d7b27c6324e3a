"""The laws are declared before they are judged: what their contrasts name is there, and they are judged by it alone."""

import pandas
import pytest

from softlab import interventions, laws, load_profile, prediction, records, regularizers, robustness
from softlab.effects import at_best, averages, effects, over_grid, shares
from softlab.profile import chapters
from softlab.quantities import QUANTITIES


def test_what_a_law_names_is_there():
    found = laws.laws()
    assert 1 <= len(found) <= 12
    for law in found.values():
        assert law.chapter in chapters()
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
            assert law.contrast or law.study in profile.studies
    said = laws.papers().values()
    assert {(one.quantity in QUANTITIES, one.side in ("rises", "falls", "stays")) for one in said} == {(True, True)}
    asked = prediction.declared()
    named = (*asked.moves.values(), *asked.properties, *asked.nulls, *asked.primary, *asked.secondary)
    assert set(named) <= set(QUANTITIES)


def test_a_law_holds_if_all_of_its_interval_is_on_its_side(monkeypatch):
    rows = [
        {"id": f"{method}-{seed}", "method": method, "seed": seed, "constant class": value, "images": {}}
        for method, values in {"baseline": (0.9, 0.91, 0.92), "label_smoothing": (0.8, 0.82, 0.81)}.items()
        for seed, value in enumerate(values)
    ]
    only_core = {"quick-confirm": pandas.DataFrame(rows)}
    cones = {"cones": laws.laws()["cones"]}
    monkeypatch.setattr(laws, "laws", lambda: cones)
    monkeypatch.setattr(records, "scales", lambda study: only_core if study == "core" else {})
    effect, holds, p = laws.judged()["cones"]
    assert effect.interval.mean == pytest.approx(-0.1)
    assert holds
    assert p == pytest.approx(effect.interval.p_value())
    unseen = laws.laws()["cones"].__class__("x", "y", "02_cones", quantity="gap", side="falls", profile="nowhere")
    monkeypatch.setattr(laws, "laws", lambda: cones | {"x": unseen})  # empirical, not on record: it counts
    assert laws.judged()["cones"][2] == pytest.approx(2 * p)
    for row in rows:
        row["constant class"] *= -1
    only_core["quick-confirm"] = pandas.DataFrame(rows)
    assert not laws.judged()["cones"][1]


def test_a_law_may_be_about_one_point_of_a_grid(monkeypatch):
    rows = [
        {"id": f"{method}-{seed}-{width}", "method": method, "seed": seed, "width": width, "accuracy": value}
        for width, gain in ((4, 0.1), (8, -0.2))
        for method, value in (("label_smoothing", 0.5), ("maxsup", 0.5 + gain))
        for seed in (1, 2)
    ]
    table = pandas.DataFrame(rows).assign(images=[{}] * len(rows))
    monkeypatch.setattr(records, "scales", lambda study: {"quick-confirm": table} if study == "hundred" else {})
    assert laws.laws()["maxsup"].effect().interval.mean == pytest.approx(0.1)


def test_data_or_training_is_judged_between_its_two_corners(monkeypatch):
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
    law = laws.laws()["data-or-training"]
    about = {"quick-confirm": {"experiment": {"epochs": 45}}}
    monkeypatch.setattr(records, "about", lambda study: about)
    monkeypatch.setattr(records, "scales", lambda study: {"quick-confirm": pandas.DataFrame(tables.get(study, []))})
    assert list(robustness.cells_of("quick-confirm")) == [(1000, 360), (1000, 5760), (60_000, 360)]
    assert law.effect().interval.mean == pytest.approx(0.15)
    tables["training_images_more"] = cell(16_000, 8, 0.1)
    assert law.effect() is None
    monkeypatch.setattr(records, "scales", lambda study: {})
    assert robustness.cells_of("quick-confirm") == {}


def test_what_the_readme_found_is_what_the_record_says():
    """Five sentences without numbers; the cover has them with numbers, each guarded by its own condition."""
    few, many = (records.scales()[name] for name in ("quick-confirm", "fashion-heldout"))
    soft = ("label_smoothing", "mixup", "cutmix")
    gaps = [effects(table, "gap") for table in records.scales().values()]
    assert all(one.falls(name) for one in gaps for name in soft if name in one and one[name].interval.n > 1)
    assert few.loc[few["method"] == "label_smoothing", "gap"].mean() < 0
    assert effects(few, "NLL at T").rises("label_smoothing")
    assert effects(few, "robust, 4/255").rises("cutmix", "weight_decay")
    assert effects(few, "robust, 4/255").falls("label_smoothing", "mixup")
    assert effects(many, "robust, 4/255").rises(*soft, "weight_decay")
    best = effects(at_best(records.scales("strength")["fashion-heldout"]), "robust, 4/255")
    assert [best[name].interval.side() for name in soft] == [0, 0, 1]
    cells = {at: table for at, table in robustness.cells_of("quick-confirm").items() if at[0] <= 4000}
    for name in ("mixup", "cutmix"):
        images, steps, both = robustness.per_doubling(cells, name, "robust, 4/255")
        assert images.low > 0 > steps.high
        assert -2 < both.low < both.high < 2
    cones = [effects(table, "constant class") for table in records.scales().values()]
    assert all(one.falls(name) for one in cones for name in soft[1:] if name in one and one[name].interval.n > 1)
    assert {one["label_smoothing"].interval.side() for one in cones} == {-1, 0}
    lasting = records.scales("hundred_again")["quick-confirm"]
    assert not over_grid(lasting, "accuracy", "maxsup", "label_smoothing").side()
    grid = robustness.cells_of("quick-confirm").values()
    held, apart = ([effects(one, "robust, 4/255", to) for one in grid] for to in ("baseline", "scale_penalty"))
    assert sum(one.rises("scale_penalty") for one in held) > 0.9 * len(grid)
    assert not any(one.falls("scale_penalty") for one in held)
    assert sum(one.falls("label_smoothing") for one in apart) > len(grid) / 2
    assert all(one.falls("mixup") for one in apart)
    assert not any(one.rises("label_smoothing") for one in apart)
    passes = [128 * steps / images for images, steps in robustness.cells_of("quick-confirm")]
    assert all(11 < at < 13 for at, one in zip(passes, apart, strict=True) if one.rises("cutmix"))
    core, tried = records.scales(), records.scales("scale_penalty")
    for name, radius in (("convnext-confirm", 4), ("cifar10-jpeg-flip", 1)):
        both = pandas.concat([core[name], tried[name]])
        assert not effects(both, f"robust, {radius}/255")["scale_penalty"].interval.side()
    assert tried["mobilenet-confirm"]["accuracy"].max() < 0.25
    pairs = [interventions.recorded(name, "robust, 4/255", "quick-confirm")["scale_penalty"] for name in soft]
    assert all(there.low > 0 for there, _ in pairs)
    assert [more.side() for _, more in pairs] == [1, 1, -1]
    pairs = [interventions.recorded(name, "robust, 4/255", "fashion-heldout")["scale_penalty"] for name in soft]
    assert all(there.low > 0 for there, _ in pairs)
    assert [more.side() for _, more in pairs] == [1, 0, -1]


def test_where_a_law_says_too_much_the_record_says_so():
    """What stands in `but` of laws.yml, law by law."""
    tables = records.scales()
    quick, full, conv, flip = (
        tables[name] for name in ("quick-confirm", "fashion-heldout", "convnext-confirm", "cifar10-jpeg-flip")
    )

    def moved(table, quantity):
        return effects(table, quantity)["label_smoothing"].interval

    assert {name for name, law in laws.laws().items() if law.but} == {
        "cones", "gap", "dose", "train-tight-test-loose", "prediction", "invariant-cosine", "maxsup", "origin"
    }  # fmt: skip
    for table in (full, conv, tables["mobilenet-confirm"]):
        assert not moved(table, "constant class").side()
        assert effects(table, "constant class").falls("mixup", "cutmix")
    assert averages(conv, "gap")["label_smoothing"].low > 0
    doses = records.scales("dose")["quick-confirm"]
    assert shares(doses, "spread, logits", 0.1)[0.01].high < 100
    assert moved(full, "spread, logits, train").side() >= 0
    assert moved(conv, "spread, logits").side() <= 0
    score = laws.laws()["prediction"].effect().interval
    assert score.high > 1
    assert moved(quick, "inward, attack, cross-entropy").high < 0 < moved(flip, "inward, attack, cross-entropy").low
    later = over_grid(records.scales("hundred_again")["quick-confirm"], "accuracy", "maxsup", "label_smoothing")
    assert later.mean < 100 * laws.laws()["maxsup"].effect().interval.mean
