"""Networks that come along: taken only where asked for, the same as trained ones but for rounding, and up to date."""

import json

import pytest
import torch

from softlab import Experiment, SoftlabError, data, load_profile, runs, zoo
from softlab.representation import extract


@pytest.fixture
def experiment():
    return load_profile("quick").experiments()[0]


def test_nothing_comes_from_the_zoo_unless_asked_for(experiment, monkeypatch):
    digest, code = data.load("fashion-mini").digest, runs.code_digest(experiment)
    monkeypatch.delenv("SOFTLAB_ZOO", raising=False)
    assert zoo.find(experiment, digest, code) is None
    monkeypatch.setenv("SOFTLAB_ZOO", "0")
    assert zoo.find(experiment, digest, code) is None
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    assert zoo.find(experiment, digest, code).name.startswith("baseline-seed0-")
    assert zoo.find(experiment, "of other images", code) is None
    assert zoo.find(experiment.replace(learning_rate=0.2), digest, code) is None


def test_a_network_of_the_zoo_is_loaded_in_no_time_and_knows_its_images(experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    run = runs.fit_or_load(experiment)
    assert not list((tmp_path / "store").glob("*-seed*"))  # nothing was trained
    dataset = data.load("fashion-mini")
    accuracy = extract(run.model, dataset.test_images[:1000], dataset.test_labels[:1000]).accuracy
    assert accuracy > 0.7
    assert run.history["accuracy"][-1] > 0.99


def test_the_zoo_was_trained_with_the_code_that_trains_now():
    """After a change of the training code: make zoo."""
    for path in zoo.OWN.glob("*-seed*"):
        experiment = Experiment(**json.loads((path / "experiment.json").read_bytes()))
        assert json.loads((path / "provenance.json").read_bytes())["code"] == runs.code_digest(experiment)
    assert sum(path.stat().st_size for path in zoo.OWN.rglob("*")) < 5.3e6


def test_half_precision_moves_logits_by_little(tiny, monkeypatch, tmp_path):
    run = runs.fit_or_load(tiny)
    other = {name: one.half() if one.is_floating_point() else one for name, one in run.model.state_dict().items()}
    images = data.load("fashion-mini").test_images[:50].float() / 255
    before = run.model(images)
    run.model.load_state_dict(other)
    assert torch.allclose(before, run.model(images), atol=0.02)


def test_a_snapshot_that_the_zoo_lacks_is_trained(experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLAB_ZOO", "1")
    asked = []
    monkeypatch.setattr(runs, "_train", lambda *given: asked.append(given[0]) or (_ for _ in ()).throw(KeyError))
    run = runs.fit_or_load(experiment)
    with pytest.raises(KeyError):
        run.snapshot(0)
    assert (asked[0].seed, asked[0].method) == (experiment.seed, experiment.method)


def test_a_damaged_network_of_the_zoo_is_trained_instead(tiny, monkeypatch, tmp_path):
    run = runs.fit_or_load(tiny, store=tmp_path / "zoo")
    record = json.loads((run.folder / "provenance.json").read_bytes())
    (run.folder / "provenance.json").write_text(json.dumps(record | {"code": runs.code_digest(tiny)}))  # not as listed
    monkeypatch.setenv("SOFTLAB_ZOO", str(tmp_path / "zoo"))
    assert zoo.find(tiny, record["data_digest"], runs.code_digest(tiny)) == run.folder
    assert runs.fit_or_load(tiny).folder.parent == tmp_path / "store"


def test_misuse_is_named(experiment, monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTLAB_ZOO", str(tmp_path / "nowhere"))
    with pytest.raises(SoftlabError, match="is 1, 0, or a folder of networks"):
        runs.fit_or_load(experiment)
    (tmp_path / "broken" / "baseline-seed0-0").mkdir(parents=True)
    monkeypatch.setenv("SOFTLAB_ZOO", str(tmp_path / "broken"))
    with pytest.raises(SoftlabError, match="is no network of a zoo"):
        runs.fit_or_load(experiment)
