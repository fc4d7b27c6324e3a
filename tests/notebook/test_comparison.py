"""Several networks on the same images: differences with their intervals, by hand; a folder is one method."""

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from commands import exit_code
from PIL import Image

from softlab import SoftlabError, examine_predictions
from softlab.comparison.intervals import paired_interval, two_way_interval
from softlab.inspector.comparison import compare

COUNT = 200


def predictions(seed, strength=1.5, labels=None):
    """Logits of four classes that are right the more often the stronger."""
    labels = np.arange(COUNT) % 4 if labels is None else labels
    logits = np.random.default_rng(seed).normal(size=(COUNT, 4))
    logits[np.arange(COUNT), labels] += strength
    return logits, labels


def seen(seed, strength=1.5):
    return examine_predictions(*predictions(seed, strength), name=f"net {seed}")


def test_of_two_networks_the_difference_is_that_of_their_images():
    one = seen(0)
    other = seen(1, 3.0)
    found = compare({"a": [one], "b": [other]})
    right = [network.tested.correct.double().tolist() for network in (other, one)]
    assert found.difference("accuracy", "b") == paired_interval(*right)
    assert found.difference("accuracy", "b").mean == pytest.approx(other.numbers["accuracy"] - one.numbers["accuracy"])
    for name in ("ECE", "NLL", "NLL at T", "Brier", "mean confidence"):
        assert found.difference(name, "b").mean == pytest.approx(other.numbers[name] - one.numbers[name], abs=1e-5)
    assert found.difference("AURC", "b") is None
    assert found.difference("accuracy", "a").mean == 0


def test_of_seeds_it_is_over_seeds_and_images():
    groups = {"plain": [seen(0), seen(1), seen(2)], "mine": [seen(3, 3.0), seen(4, 3.0), seen(5, 3.0)]}
    found = compare(groups)
    right = [np.stack([one.tested.correct.double().numpy() for one in groups[name]]) for name in ("mine", "plain")]
    assert found.difference("accuracy", "mine") == two_way_interval(right[0] - right[1])
    text = " ".join(found.findings())
    assert "plain (3), mine (3)" in text
    assert "mine, minus plain. Better: accuracy (points) +" in text
    shown = found.table()
    assert list(shown.columns) == ["plain", "mine", "mine − plain"]
    values = [100 * one.numbers["accuracy"] for one in groups["plain"]]
    row = shown.xs("accuracy (%)", level=-1).iloc[0]
    assert row["plain"].startswith(f"{np.mean(values):.1f} ± ")
    assert row["mine − plain"].endswith(" ↑")


def test_networks_that_are_the_same_do_not_differ():
    found = compare({"a": [seen(0)], "b": [seen(0)]})
    assert found.difference("accuracy", "b").half_width == 0
    assert "Better" not in " ".join(found.findings())


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": [0]}, "takes two networks at least, not 1"),
        ({"a": [0], "b": []}, "not 1: b has none"),
        ({"a": [0], "b": ["other images"]}, "b was scored on other images than a: give the same, in one order"),
    ],
)
def test_what_cannot_be_compared_is_said(groups, message):
    made = {0: seen(0), "other images": examine_predictions(*predictions(0, labels=np.arange(COUNT)[::-1] % 4))}
    with pytest.raises(SoftlabError, match=message):
        compare({name: [made[one] for one in some] for name, some in groups.items()})


def test_the_command_compares_folders_of_predictions(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, strength in (("plain", 1.5), ("mine", 3.0)):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            np.save(tmp_path / folder / f"seed{seed}.npy", predictions(seed, strength)[0])
    np.save("labels.npy", predictions(0)[1])
    assert exit_code("examine", "--logits", "plain", "mine", "--labels", "labels.npy") == 0
    assert "mine, minus plain. Better: accuracy" in capsys.readouterr().out
    page = (tmp_path / "plain.examination.html").read_text(encoding="utf-8")
    assert "plain and mine: what differs" in page
    assert page.count('<figure class="strips">') == 2
    files = ("plain/seed0.npy", "mine/seed0.npy", "--labels", "labels.npy", "--out", "x.html")
    assert exit_code("examine", "--logits", *files) == 0
    assert "seed0 (1), mine seed0 (1)" in capsys.readouterr().out


def test_the_command_compares_networks_and_a_folder_of_seeds(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeds").mkdir()
    for seed in range(3):
        torch.manual_seed(seed)
        model = torchvision.models.get_model("mobilenet_v3_small", weights=None, num_classes=2)
        place = "one.safetensors" if seed == 2 else f"seeds/{seed}.safetensors"
        safetensors.torch.save_file(model.state_dict(), place)
    for number in range(16):
        path = tmp_path / "images" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (10 * number, 0, 100)).save(path)
    options = ["--architecture", "mobilenet_v3_small", "--images", "images", "--attacked", 0]
    assert exit_code("examine", "one.safetensors", "seeds", *options) == 0
    assert "one (1), seeds (2)" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    wide = torchvision.models.get_model("mobilenet_v3_small", weights=None, num_classes=5)
    safetensors.torch.save_file(wide.state_dict(), "wide.safetensors")
    for given, words in {
        "empty": "the folder empty holds no file of .safetensors",
        "one.safetensors": "two of those to compare are called",
        "wide.safetensors": "networks of 2 and 5 classes cannot be compared",
    }.items():
        twice = [given] * (1 + (given == "one.safetensors"))
        assert exit_code("examine", "one.safetensors", *twice, *options) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
