"""Numbers: one definition each, stored beside the network, the same bits however often and whenever they are made."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from softlab import Experiment, extract, fit_or_load
from softlab.lenses import attacks, calibration, geometry
from softlab.numbers import quantities, stored
from softlab.numbers.look import Lens, applied, together
from softlab.numbers.quantities import LENSES, QUANTITIES, Quantity
from softlab.representation import Representation

EVALUATION = {"test_size": 200, "attack_size": 30, "attack_steps": 2}


@pytest.fixture
def run(tiny):
    return fit_or_load(tiny)


@pytest.fixture(scope="module")
def store_of_measured(tiny, tmp_path_factory):
    store = tmp_path_factory.mktemp("measured")
    stored.of(fit_or_load(tiny, store=store, device="cpu"), EVALUATION)
    return store


@pytest.fixture
def measured(tiny, store_of_measured, tmp_path):
    """The same network with its numbers, for tests of what comes after them."""
    shutil.copytree(store_of_measured, tmp_path / "store")
    return fit_or_load(tiny)


def files(run):
    return {path.name: path.read_bytes() for path in (run.folder / "numbers").glob("*.npz")}


def test_every_quantity_has_a_lens_a_label_and_a_group(run):
    found = stored.of(run, EVALUATION)
    assert set(found.values) == set(QUANTITIES) == {name for lens in LENSES.values() for name in lens.quantities}
    assert all(quantity.label and quantity.group for quantity in QUANTITIES.values())
    assert not found.problems


def test_numbers_are_what_the_lenses_say_of_the_rounded_network(measured):
    found = stored.of(measured, EVALUATION)
    rounded = {
        name: value.half().float() for name, value in measured.model.state_dict().items() if value.is_floating_point()
    }
    measured.model.load_state_dict(rounded, strict=False)
    samples = stored.samples_of(measured.experiment, EVALUATION)
    seen = extract(measured.model, *samples.test)
    probs = seen.logits.softmax(1)
    assert found.values["accuracy"] == seen.accuracy == found.images["right"].mean(dtype=np.float32)
    assert found.values["gap"] == calibration.confidence_gap(probs, seen.labels)
    assert found.values["overconfident part"] + found.values["underconfident part"] == pytest.approx(
        found.values["ECE"]
    )
    spread, apart = geometry.within_class_variation(seen.logits - seen.logits.mean(1, keepdim=True), seen.labels)
    assert (found.values["spread, logits"], found.values["separation, logits"]) == (spread, apart)
    loosening = found.values["spread, logits"] - found.values["spread, logits, train"]
    assert found.values["loosening"] == loosening
    images = samples.test[0][:30].float() / 255
    labels = samples.test[1][:30]
    survived = attacks.robustness_curve(measured.model, images, labels, [4 / 255], attacks.usual_ladder(2))
    assert found.values["robust, 4/255"] == survived[-1, 0].float().mean()  # whatever other radii there are
    assert (found.images["survives 4/255"] == survived[-1, 0].numpy()).all()


def test_a_walk_along_rays_finds_what_lines_say(measured):
    """Of a linear head; on the way a class may lead between two of the walk's steps, and be missed."""
    found = stored.of(measured, EVALUATION).values
    assert found["constant class"] <= found["constant along ray"] <= found["constant class"] + 0.05
    assert found["apex residual"] < 1e-3


def test_the_shape_that_predicts_needs_no_label(run):
    look = stored.look_at(run, EVALUATION, None)
    images, labels = look.samples.test
    others = dataclasses.replace(look.samples, test=(images, labels.flip(0)))
    assert LENSES["shape"].measure(quantities.Look(look.model, others)) == LENSES["shape"].measure(look)


def test_means_over_images_are_the_means_of_their_outcomes(measured):
    found = stored.of(measured, EVALUATION)
    checked = [name for name, quantity in QUANTITIES.items() if quantity.images]
    assert len(checked) >= 8
    for name in checked:
        assert found.images[QUANTITIES[name].images].mean() == pytest.approx(found.values[name], rel=1e-5), name
    assert found.images["survived"].shape == (3, len(quantities.RADII), 30)


def test_numbers_are_measured_once(run, monkeypatch):
    first = stored.of(run, EVALUATION)
    kept = files(run)
    monkeypatch.setattr(stored, "look_at", None)  # nothing may look at the network any more
    again = stored.of(run, EVALUATION)
    assert again.values == first.values
    assert all((again.images[name] == first.images[name]).all() for name in first.images)
    assert files(run) == kept


def test_a_new_version_of_a_lens_measures_its_own_quantities_only(measured, monkeypatch):
    newer = Lens("cones", 99, {"onset": Quantity("onset", "cones")}, lambda look: {"onset": 7.0}, True)
    others = {name: Lens(name, lens.version, lens.quantities, refuse, True) for name, lens in LENSES.items()}
    monkeypatch.setattr(stored, "LENSES", others | {"cones": newer})
    assert stored.of(measured, EVALUATION).values["onset"] == 7.0


def refuse(*given):
    raise AssertionError("this lens has been asked already")


def test_other_images_are_other_numbers(measured):
    some, more = (stored.of(measured, EVALUATION | {"test_size": size}) for size in (200, 250))
    assert len(some.images["right"]) == 200
    assert (more.images["right"][:200] == some.images["right"]).all()
    assert len(files(measured)) == 2 * len(LENSES)


def test_a_lens_that_cannot_be_applied_says_so_and_the_others_go_on(tiny):
    found = stored.of(fit_or_load(tiny.replace(head="two_layers")), EVALUATION)
    assert "no linear layer" in found.problems["cones"]
    assert "apex ratio" not in found.values
    assert found.values["accuracy"] > 0
    assert stored.of(fit_or_load(tiny.replace(head="two_layers")), EVALUATION).problems == found.problems


def test_a_snapshot_is_seen_by_clean_lenses_only(tiny):
    run = fit_or_load(tiny.replace(snapshot_epochs=(0, 2)))
    before, after = (stored.of(run, EVALUATION, epoch) for epoch in (0, 2))
    trained = stored.of(run, EVALUATION)
    assert "robust, 4/255" not in after.values
    assert {name: value for name, value in trained.values.items() if name in after.values} == after.values
    assert before.values["accuracy"] != after.values["accuracy"]


def test_networks_that_nobody_asks_about_are_not_attacked(run, monkeypatch):
    monkeypatch.setattr(attacks, "robustness_curve", refuse)
    found = stored.of(run, EVALUATION | {"attack_size": 0})
    assert "ECE" in found.values
    assert not [name for name in found.values if name.startswith(("robust", "inward", "corrupted"))]


def test_a_damaged_file_is_made_again(measured):
    kept = files(measured)
    for number, path in enumerate(sorted((measured.folder / "numbers").glob("*.npz"))):
        path.write_bytes(path.read_bytes()[: 40 * number])
    stored.of(measured, EVALUATION)
    assert files(measured) == kept


def test_nothing_is_unpickled(measured):
    path = measured.folder / "numbers"
    (victim,) = path.glob("cones-*.npz")
    np.savez(victim, **{"values/onset": np.array([object()])}, allow_pickle=True)
    assert stored.of(measured, EVALUATION).values["onset"] >= 0  # measured again


def test_a_network_of_a_zoo_has_the_same_numbers_and_its_folder_stays_as_it_is(tmp_path, monkeypatch):
    inside = stored.zoo.own() / sorted(path.name for path in stored.zoo.own().iterdir() if path.is_dir())[0]
    listing = sorted(inside.iterdir())
    experiment = Experiment(**json.loads((inside / "experiment.json").read_bytes()))
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    animal = fit_or_load(experiment)
    assert animal.folder == inside
    stored.of(animal, EVALUATION)
    assert sorted(inside.iterdir()) == listing
    assert list((tmp_path / "store" / ".numbers" / inside.name).glob("*.npz"))


def test_a_quantity_that_a_lens_forgets_is_an_error(run, monkeypatch):
    forgetful = Lens("cones", 99, {"onset": Quantity("onset", "cones")}, lambda look: {}, True)
    monkeypatch.setattr(stored, "LENSES", {"cones": forgetful})
    with pytest.raises(KeyError, match="onset"):
        stored.of(run, EVALUATION)


def test_lenses_give_the_same_for_a_network_that_is_not_stored(measured):
    network = measured.model
    with torch.no_grad():
        for values in (*network.parameters(), *network.buffers()):
            if values.is_floating_point():
                values.copy_(values.half())
    look = quantities.Look(network, stored.samples_of(measured.experiment, EVALUATION))
    assert together([applied(lens, look) for lens in LENSES.values()]).values == stored.of(measured, EVALUATION).values


def test_the_share_of_error_amplification_by_hand():
    """Logits 2, 3.5, -1 of class 0: (2 + 1)/3 above what is below it, (2 - 3.5)/3 below what is above it."""
    wrong = SimpleNamespace(logits=torch.tensor([[2.0, 3.5, -1.0]]), labels=torch.tensor([0]))
    right = SimpleNamespace(logits=torch.tensor([[2.0, 3.5, -1.0]]), labels=torch.tensor([1]))
    found = quantities.amplification(SimpleNamespace(tested=wrong, reference=right))
    assert found == {"amplification": pytest.approx(1 / 3), "amplification, train": 0.0}


def test_what_is_left_at_a_temperature_by_hand():
    logits = torch.tensor([[0.0, 2 * np.log(3)]] * 2)  # probabilities 1/10 and 9/10; at temperature 2, 1/4 and 3/4
    labels = torch.tensor([0, 0])
    found = quantities.calibrated(SimpleNamespace(tested=Representation(logits, logits, labels), temperature=2.0))
    assert (found["NLL"], found["NLL at T"]) == pytest.approx((np.log(10), np.log(4)))
    assert (found["Brier"], found["Brier at T"]) == pytest.approx((2 * 81 / 100, 2 * 9 / 16))
    assert (found["ECE"], found["ECE at T"]) == pytest.approx((0.9, 0.75))
