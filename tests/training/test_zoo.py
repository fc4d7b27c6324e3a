"""Networks that come along: taken only where asked for, the same as trained ones but for rounding, and up to date."""

import json

import pytest
import torch

from softbook.studies import networks
from softlab import Experiment, SoftlabError, fit, fitting, load_profile
from softlab.representation import extract
from softlab.training import data, runs, zoo


@pytest.fixture
def experiment():
    return load_profile("quick").experiments()[0]


def name_of(experiment):
    return runs.identify(zoo.asked(experiment), runs.dataset_of(experiment))


def test_nothing_comes_from_the_zoo_unless_asked_for(experiment, monkeypatch):
    monkeypatch.delenv("SOFTLAB_ZOO", raising=False)
    assert zoo.find(name_of(experiment)) is None
    monkeypatch.setenv("SOFTLAB_ZOO", "0")
    assert zoo.find(name_of(experiment)) is None
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    assert zoo.find(name_of(experiment)).name.startswith("baseline-seed0-")
    assert zoo.find(name_of(experiment.replace(learning_rate=0.2))) is None
    assert zoo.find(name_of(experiment.replace(precision="fp32", threads=7, snapshot_epochs=()))) is not None


def test_a_network_of_the_zoo_is_loaded_in_no_time_and_knows_its_images(experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    run = runs.fit_or_load(experiment)
    assert not list((tmp_path / "store").glob("*-seed*"))  # nothing was trained
    dataset = data.load("fashion-mini")
    accuracy = extract(run.model, dataset.test_images[:1000], dataset.test_labels[:1000]).accuracy
    assert accuracy > 0.7
    assert run.history["accuracy"][-1] > 0.99


def test_fit_takes_what_comes_along_if_it_is_asked_to_and_trains_anything_else(monkeypatch, tmp_path):
    """Also beside networks that were trained here: it is of the same recipe."""
    monkeypatch.delenv("SOFTLAB_ZOO", raising=False)
    run = fit("label_smoothing", zoo=True)
    assert run.folder.parent == zoo.own()
    assert run.experiment.precision in ("bf16", "fp32"), "as a network that is trained now"
    assert not list((tmp_path / "store").glob("*-seed*"))
    monkeypatch.setattr(fitting, "_shown", lambda experiment: experiment)
    assert fit("label_smoothing", alpha=0.4, zoo=True).method_parameters == {"alpha": 0.4}
    assert fit("label_smoothing", seed=1, zoo=True).seed == 1
    assert fit("label_smoothing").seed == 0


def test_what_a_chapter_looks_into_comes_along(monkeypatch, tmp_path):
    """One network of each method, also where no zoo is asked for; what the zoo lacks is trained."""
    found = networks.specimens()
    assert list(found) == list(load_profile("quick").methods)
    assert {run.folder.parent for run in found.values()} == {zoo.own()}
    assert not list((tmp_path / "store").glob("*-seed*"))
    monkeypatch.setattr(networks, "from_zoo", lambda *_: None)
    monkeypatch.setattr(networks, "fit_or_load", lambda experiment: experiment.method)
    assert networks.specimens()["mixup"] == "mixup"


def test_every_network_of_the_zoo_is_found(monkeypatch):
    """After a new version of what trains: make zoo."""
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    found = list(zoo.own().glob("*-seed*"))
    assert len(found) >= 8
    for path in found:
        experiment = Experiment(**json.loads((path / "experiment.json").read_bytes()))
        assert zoo.find(name_of(experiment)) == path
        assert json.loads((path / "provenance.json").read_bytes())["versions"] == runs.versions(experiment)
    assert sum(path.stat().st_size for path in zoo.own().rglob("*")) < 2e6


def test_half_precision_moves_logits_by_little(tiny, monkeypatch, tmp_path):
    run = runs.fit_or_load(tiny)
    other = {name: one.half() if one.is_floating_point() else one for name, one in run.model.state_dict().items()}
    images = data.load("fashion-mini").test_images[:50].float() / 255
    before = run.model(images)
    run.model.load_state_dict(other)
    assert torch.allclose(before, run.model(images), atol=0.02)


def test_a_snapshot_that_the_zoo_lacks_is_said_to_be_missing(experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    run = runs.fit_or_load(experiment)
    with pytest.raises(SoftlabError, match=r"is from a zoo, which keeps no snapshots: fit_or_load"):
        run.snapshot(0)


def test_a_damaged_network_of_the_zoo_is_trained_instead(tiny, monkeypatch, tmp_path):
    run = runs.fit_or_load(tiny, store=tmp_path / "zoo")
    damaged = run.folder.rename(tmp_path / "zoo" / name_of(tiny))
    (damaged / "provenance.json").write_text("{}")  # not as listed
    monkeypatch.setenv("SOFTLAB_ZOO", str(tmp_path / "zoo"))
    assert zoo.find(name_of(tiny)) == damaged
    assert runs.fit_or_load(tiny).folder.parent == tmp_path / "store"


def test_misuse_is_named(experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLAB_ZOO", str(tmp_path / "nowhere"))
    with pytest.raises(SoftlabError, match="is 1, 0, or a folder of networks"):
        runs.fit_or_load(experiment)
