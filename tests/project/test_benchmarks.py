"""The benchmarks' own parts: the table, the peers' loop and files, counted operations; never how fast anything is."""

import json
from pathlib import Path
from types import SimpleNamespace

import airbench_data
import choosing
import common
import feature_extraction
import flops
import many_networks
import networks_to_accuracy
import plain_loop
import predictions
import pytest
import speed
import time_to_accuracy
import torch
from PIL import Image

from softlab import Experiment
from softlab.notebook.predictions import from_files
from softlab.training import data, loop

ROOT = Path(__file__).parents[2]


def record(ratios, *, reference="bare", **others):
    """A record as common.report writes it; ratios: {contestant: (ratio, low, high)}."""
    rows = {name: {"ratio": one, "ratio_quartiles": [low, high]} for name, (one, low, high) in ratios.items()}
    given = {"setting": "tiny", "date": "2026-01-02", "hardware": "CPU, x", "commit": "abc"} | others
    return {"reference": reference, "rows": {reference: {"ratio": 1.0, "ratio_quartiles": [1.0, 1.0]}, **rows}} | given


@pytest.fixture
def results(tmp_path):
    """Two benchmarks: one on the CPU alone, one on both, where each has a contestant that the other has not."""
    both = {"ours": (1.25, 1.2, 1.5), "peer": (2, 1.75, 3)}
    written = {
        "attacks.cpu": record({"pgd": (1.104, 1.0, 1.2)}, notes={"target": "fast", "target met": True}),
        "training_overhead.cpu": record(both, notes={"peak memory, MB": {"ours": 1500}}),
        "training_overhead.gpu": record({"ours": (1.5, 1.5, 1.5)}, date="2026-02-03", hardware="GPU", commit="def"),
        "planning.cpu": record({"many": (20, 19, 21)}),
    }
    for name, content in written.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_the_table_has_a_row_for_each_pair_and_a_dash_where_nothing_was_measured(results):
    found = speed.records(results)
    assert speed.pairs(found) == [
        ["An epoch of training", "ours", "bare", "1.25 × (1.20 to 1.50)", "1.50 ×"],
        ["An epoch of training", "peer", "bare", "2.00 × (1.75 to 3.00)", "–"],
        ["Attacks", "pgd", "bare", "1.10 × (1.00 to 1.20)", "–"],
    ]
    assert speed.rates(found) == [["An epoch of training", "peak memory, MB", "ours", "1,500", "–"]]
    assert len(speed.terminal(found).splitlines()) == 1 + 3
    assert [speed.settings(one)[2:] for one in found] == [
        ["2026-01-02, CPU, x, abc", "tiny", ""],
        ["2026-02-03, GPU, def", "tiny", ""],
        ["2026-01-02, CPU, x, abc", "tiny", "fast: met"],
    ]


def test_a_copy_without_results_has_a_page_that_says_so(tmp_path):
    page = speed.filled((ROOT / "book" / "speed.md").read_text(), tmp_path)
    assert "Nothing has been measured here" in page
    assert "<!--" not in page


def test_airbench_finds_our_arrays_where_it_looks(tmp_path):
    images = torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(20) % 10
    classes = tuple("abcdefghij")
    parts = {"train_images": images[:12], "train_labels": labels[:12], "test_images": images[12:]}
    dataset = SimpleNamespace(**parts, test_labels=labels[12:], classes=classes)
    assert airbench_data.fits(dataset)
    assert not airbench_data.fits(data.load("fashion-mini"))
    before = Path.cwd()
    with airbench_data.planted(dataset):
        for part, rows in (("train", slice(12)), ("test", slice(12, 20))):
            found = torch.load(f"cifar10/{part}.pt", weights_only=True)
            assert found["images"].dtype == torch.uint8
            assert found["images"].shape == (len(labels[rows]), 32, 32, 3)
            assert torch.equal(found["images"].permute(0, 3, 1, 2), images[rows])
            assert torch.equal(found["labels"], labels[rows])
            assert found["classes"] == list(classes)
    assert Path.cwd() == before


def test_the_recipe_of_airbench_is_one_that_aims_higher():
    recipe = airbench_data.recipe
    assert [recipe(target) for target in (0.8, 0.93, 0.94, 0.955, 0.96)] == ["93", "94", "95", "96", None]


def test_a_choice_is_judged_by_what_the_best_candidate_would_have_left():
    models = [torch.nn.Identity() for _ in range(3)]
    said = dict(zip(models, [0.2, 0.9, 0.4], strict=True))
    assert choosing.below_the_best(models, said.get, [0.35, 0.3, 0.5]) == pytest.approx(20)
    assert choosing.below_the_best(models, lambda model: -said[model], [0.5, 0.3, 0.35]) == 0


def test_operations_are_counted_forward_and_backward():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 2))
    assert flops.operations(network, (3, 1, 1), training=False) == 2 * 3 * 2
    assert flops.operations(network, (3, 1, 1)) == 2 * (2 * 3 * 2)  # and for the weights; images need no gradient
    given = {"num_classes": 10, "in_channels": 3, "image_size": 32, "mean": torch.zeros(3), "std": torch.ones(3)}
    resnet = loop.build_network(Experiment(model="resnet18", width=64), **given)
    assert flops.operations(resnet, (3, 32, 32), training=False) == pytest.approx(1.11e9, rel=0.01)


def test_the_ordinary_loop_trains_the_same_network_in_the_same_way(tiny):
    # One batch, so its order does not matter, and small steps, so that rounding stays small.
    experiment = tiny.replace(batch_size=100, epochs=3, learning_rate=0.0005, precision="fp32")
    dataset = data.load("fashion-mini")
    before = loop.build_model(experiment, dataset)
    *_, ours = loop.epochs(experiment, dataset)
    *_, theirs = plain_loop.epochs(experiment, dataset, "cpu", workers=0)
    for first, one, other in zip(*(net.parameters() for net in (before, ours.model, theirs)), strict=True):
        assert (one - other).norm() < 0.01 * (one - first).norm()


@pytest.mark.slow
def test_a_stack_of_networks_learns_what_its_networks_learn_alone():
    options = SimpleNamespace(epochs=3, networks=3)
    some = [one.replace(learning_rate=0.001) for one in many_networks.experiments(options)]  # so rounding stays small
    alone, stack = (torch.tensor(way(some, "cpu")[0]) for way in (many_networks.one_by_one, many_networks.stacked))
    assert alone.shape == (3, 3)
    assert (alone - stack).abs().max() < 1e-4
    assert (alone[0] - alone[1]).abs().max() > 1e-3  # seeds differ


@pytest.mark.slow
def test_processes_side_by_side_train_what_one_trains():
    some = many_networks.experiments(SimpleNamespace(epochs=1, networks=3))
    assert many_networks.in_processes(some, "cpu", 2)[0] == many_networks.one_by_one(some, "cpu")[0]


def test_seconds_count_until_the_target_is_reached(monkeypatch):
    accuracies = iter([0.5, 0.7, 0.9])
    clock = iter(range(100))
    monkeypatch.setattr(time_to_accuracy, "accuracy", lambda *_: next(accuracies))
    monkeypatch.setattr(time_to_accuracy.time, "perf_counter", lambda: next(clock))
    networks = (network for network in [torch.nn.Identity()] * 10)
    assert time_to_accuracy.reach(networks, None, None, target=0.7) == (2.0, 0.7, 2)
    assert list(networks) == []  # it was closed


def test_training_to_an_accuracy_leaves_a_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    small = ["--data", "fashion-mini", "--epochs", "1", "--target", "0.01", "--rounds", "1", "--workers", "0"]
    time_to_accuracy.main(small)
    found = json.loads((tmp_path / "time_to_accuracy.cpu.json").read_text())
    assert list(found["rows"]) == ["softlab, baseline", "DataLoader loop, no workers"]
    assert found["notes"]["epochs needed"] == {name: [1] for name in found["rows"]}
    assert "1% test accuracy" in capsys.readouterr().out


def test_networks_in_colour_leave_a_record_with_those_that_were_too_slow(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    for part in ("train", "test"):
        for name, level in (("dark", 40), ("light", 200)):
            (folder / part / name).mkdir(parents=True)
            for number in range(6):
                Image.new("RGB", (32, 32), (level + number,) * 3).save(folder / part / name / f"{number}.png")
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    monkeypatch.setattr(networks_to_accuracy, "PROFILES", {"airbench": "cifar10-papers", "ResNet-8": "cifar10-papers"})
    monkeypatch.setattr(networks_to_accuracy.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(networks_to_accuracy, "reach", lambda *_: (8.0, next(accuracies), 4))
    small = ["--data", f"folder:{folder}", "--target", "0.5"]
    accuracies = iter([0.5, 0.4])
    networks_to_accuracy.main(small)
    found = json.loads((tmp_path / "networks_to_accuracy.cpu.json").read_text())
    assert list(found["rows"]) == ["softlab, airbench"]
    assert found["notes"]["best accuracies where the target was missed"] == {"softlab, ResNet-8": 0.4}
    assert found["notes"]["seconds an epoch"] == {"softlab, airbench": 2.0, "softlab, ResNet-8": 2.0}


def test_a_network_may_be_given_up_before_its_target(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(time_to_accuracy, "accuracy", lambda *_: 0.1)
    monkeypatch.setattr(time_to_accuracy.time, "perf_counter", lambda: next(clock))
    networks = (network for network in [torch.nn.Identity()] * 10)
    assert time_to_accuracy.reach(networks, None, None, target=0.7, seconds=3) == (3.0, 0.1, 3)


def test_extract_and_torchvision_find_the_same_features():
    runs = feature_extraction.contestants("cpu", 6)
    for one, other in zip(runs[feature_extraction.OURS](), runs[feature_extraction.PEER](), strict=True):
        assert len(one) == 6
        assert torch.allclose(one, other, atol=1e-6)


def test_predictions_are_written_as_they_are_read(tmp_path):
    path = predictions.written(tmp_path, 60, classes=5)
    given = from_files(path, tmp_path / "60-labels.npy")
    assert given.logits.shape == (60, 5)
    assert given.labels.bincount().tolist() == [12] * 5
    assert (given.logits.argmax(1) == given.labels).float().mean() > 0.9
    predictions.examined(path)
