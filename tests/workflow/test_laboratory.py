"""The laboratory's files, and its network in plain JavaScript beside torch, where there is a node."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from laboratory_in_torch import (
    CORE,
    NARROW,
    NETWORKS,
    STEPS,
    content,
    fates,
    gives_in,
    images,
    laboratory,
    torch_network,
)

from softlab.errors import SoftlabError
from softlab.lenses import geometry, steepness
from softlab.lenses.attacks import ascent

MEGABYTE = 1e6
RADIUS = 4 / 255
# Of the forty images, under the attack that the page begins with.
HELD = {"baseline": 19, "label_smoothing": 17, "mixup": 14, "cutmix": 22, "maxsup": 17}
FILES = """
const folder = process.argv[2];
const lab = require(`${folder}/network.js`);
require(`${folder}/images.js`);
const { pixels, labels, networks } = laboratoryFiles.images;
const images = Float32Array.from(lab.bytesOf(pixels), (value) => value / 255);
const image = (place) => images.slice(784 * place, 784 * (place + 1));
const build = (name) => (require(`${folder}/${name}.js`), lab.build(laboratoryFiles[name]));
const answers = {};
"""
# {name: {logits, features, cross_entropy and margin (gradients), onset, …}} of all images.
LOOK = """
for (const { name } of networks) {
  const network = build(name);
  const head = lab.centred(network.head);
  const answer = { logits: [], features: [], cross_entropy: [], margin: [], onset: [], steep: [] };
  if (head.rows[0].length === 2) Object.assign(answer, { bounded: lab.bounded(head.rows, head.bias) });
  else answer.apex = lab.apex(head);
  labels.forEach((label, place) => {
    const { logits, features } = lab.forward(network, image(place));
    answer.logits.push([...logits]);
    answer.features.push([...features]);
    answer.onset.push(lab.envelope(head, features).at(-1).from);
    const { margin, slope, radius } = lab.marginAndSlope(network, image(place), 4 / 255);
    answer.steep.push([margin, slope, radius]);
    for (const loss of Object.keys(lab.LOSSES))
      answer[loss].push([...lab.gradientAt(network, loss, image(place), label).gradient]);
  });
  answers[name] = answer;
}
console.log(JSON.stringify(answers));
"""
# {name: what becomes of each image, of every fourth one, say}, as the scoreboard has it; the walk says the same.
ATTACK = """
const loss = process.argv[3];
const [every, epsilon] = process.argv.slice(4).map(Number);
for (const { name } of networks.filter((one) => !one.name.endsWith("-2"))) {
  const network = build(name);
  const options = { epsilon, steps: 20, loss, start: lab.offsets(0) };
  answers[name] = [];
  for (let place = 0; place < labels.length; place += every) {
    const walk = [...lab.attack(network, image(place), labels[place], options)];
    const step = lab.givesIn(walk, labels[place]);
    const fate = lab.fate(network, image(place), labels[place], walk);
    if (fate !== "wrong" && (fate === "holds") !== (step === null)) throw new Error(`${name}, ${place}: ${fate}`);
    answers[name].push(fate);
  }
}
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page with all its files."""
    made = tmp_path_factory.mktemp("site") / "laboratory"
    laboratory.write(made)
    return made


def node(*arguments) -> subprocess.CompletedProcess:
    """A script by node; without one, the test is skipped (tests/browser asks the same of Chromium)."""
    if (command := shutil.which("node")) is None:
        pytest.skip("no node on this machine")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)


def ask(script: str, place: Path, folder: Path, *arguments) -> dict:
    (place / "ask.js").write_text(FILES + script)
    done = node(place / "ask.js", folder, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def answers(folder, tmp_path_factory):
    return ask(LOOK, tmp_path_factory.mktemp("node"), folder)


def test_the_page_and_a_script_for_each_network_are_written(folder):
    scripts = ("theme", "network", "views", "page", "explorables", "images", *NETWORKS)
    expected = {"index.html", "laboratory.css", *(f"{name}.js" for name in scripts)}
    assert {path.name for path in folder.iterdir()} == expected
    assert list(NETWORKS)[:5] == ["baseline", "label_smoothing", "mixup", "cutmix", "maxsup"]
    assert [one["name"] for one in content(folder / "images.js")["networks"]] == list(NETWORKS)


def test_at_most_two_megabytes_are_loaded_at_first_view(folder):
    later = [folder / f"{name}.js" for name in NARROW]
    assert later
    assert sum(path.stat().st_size for path in {*folder.iterdir()} - {*later}) <= 2 * MEGABYTE


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_the_zoos_bit_by_bit(folder, name):
    file = content(folder / f"{name}.js")
    halves = np.frombuffer(base64.b64decode(file["weights"]), "<f2")
    zoos = safetensors.numpy.load_file(laboratory.folder_of(NETWORKS[name]) / "weights.safetensors")
    for tensor, shape in file["tensors"]:
        part, halves = np.split(halves, [int(np.prod(shape))])
        assert part.reshape(shape).tobytes() == zoos.pop(tensor).tobytes(), tensor
    assert len(halves) == 0
    assert all(tensor.endswith("num_batches_tracked") for tensor in zoos)


def test_there_are_four_images_of_each_class():
    pixels, labels = images()
    assert labels.bincount().tolist() == [4] * 10
    assert len(pixels.unique(dim=0)) == 40


def test_a_network_that_the_zoo_lacks_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setattr(laboratory, "ZOO", tmp_path)
    with pytest.raises(SoftlabError, match="needs baseline, and the zoo has no such network: make zoo"):
        laboratory.write(tmp_path / "page")


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_features_and_gradients_are_torchs(answers, name):
    pixels, labels = images()
    network = torch_network(NETWORKS[name])
    any_class = torch.full_like(labels, -1)
    with torch.no_grad():
        features = network.features(pixels)
        logits = network.head(features)
    assert torch.allclose(torch.tensor(answers[name]["logits"]), logits, atol=1e-3, rtol=0)
    assert torch.allclose(torch.tensor(answers[name]["features"]), features, atol=1e-3, rtol=0)
    for theirs, ours in (("cross_entropy", "ce"), ("margin", "margin")):
        gradient = ascent.gradient_at(network, ours, pixels, labels, any_class)[0].flatten(1)
        difference = (torch.tensor(answers[name][theirs]) - gradient).norm(dim=1)
        assert (difference <= 1e-2 * gradient.norm(dim=1)).all(), theirs


@pytest.mark.parametrize("name", NETWORKS)
def test_margin_slope_and_border_are_those_of_the_lens(answers, name):
    pixels, _ = images()
    network = torch_network(NETWORKS[name])
    with torch.no_grad():
        gap = steepness.margin(network(pixels))
    gradient = steepness.margin_gradient(network, pixels)
    slope = steepness.slope(gradient, pixels, RADIUS)
    radius = steepness.first_order_radius(gap, gradient, pixels)
    theirs = torch.tensor(answers[name]["steep"])
    for column, ours in enumerate((gap, slope, radius)):
        assert torch.allclose(theirs[:, column], ours.float(), rtol=1e-2, atol=2e-3), column


@pytest.fixture(scope="module")
def start(folder, tmp_path_factory) -> torch.Tensor:
    """Where the page's attacks begin: (1, 1, 28, 28) in [-1, 1], times the radius."""
    script = "console.log(JSON.stringify([...lab.offsets(0)]));"
    return torch.tensor(ask(script, tmp_path_factory.mktemp("start"), folder)).reshape(1, 1, 28, 28)


def test_attacks_start_from_the_uniform_distribution(start):
    assert start.abs().max() <= 1
    assert abs(float(start.std()) - 3**-0.5) < 0.02


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("theirs", "ours"), [("margin", "margin"), ("cross_entropy", "ce")])
def test_an_attack_from_the_same_start_fools_the_same_images(folder, tmp_path, start, theirs, ours, every):
    answers = ask(ATTACK, tmp_path, folder, theirs, every, RADIUS)
    torchs = {name: fates(name, ours, RADIUS, start)[::every] for name in CORE}
    pairs = [pair for name in CORE for pair in zip(answers[name], torchs[name], strict=True)]
    assert {"wrong", "falls", "holds"} == {fate for _, fate in pairs}, "an attack that says nothing"
    assert sum(one == other for one, other in pairs) >= 0.95 * len(pairs)


def test_one_boot_lies_and_forty_tell(start):
    """What the page says of its first image and of all of them."""
    held = {name: fates(name, "margin", RADIUS, start).count("holds") for name in CORE}
    assert all(abs(held[name] - HELD[name]) <= 1 for name in CORE), held  # a sum in another order may turn an image
    assert held["cutmix"] > held["baseline"] > max(held["label_smoothing"], held["mixup"])
    boot = int((images()[1] == 9).nonzero()[-1])
    steps = {name: int(gives_in(name, "margin", 2 * RADIUS, start)[boot]) for name in CORE}
    assert steps["cutmix"] < steps["baseline"] < steps["label_smoothing"] == STEPS + 1


@pytest.mark.parametrize("name", NETWORKS)
def test_the_geometry_of_the_head_is_that_of_the_package(answers, name):
    network = torch_network(NETWORKS[name])
    weight = network.head.weight.detach()
    bias = network.head.bias.detach()
    onset = geometry.cone_onset(torch.tensor(answers[name]["features"]), weight, bias)
    assert torch.allclose(torch.tensor(answers[name]["onset"]), onset, atol=1e-3, rtol=1e-3)
    if "apex" in answers[name]:
        assert torch.allclose(torch.tensor(answers[name]["apex"]), geometry.apex(weight, bias), atol=1e-5)
    else:
        assert answers[name]["bounded"] == geometry.bounded_regions(weight, bias).tolist()


def test_plane_geometry_by_hand(folder):
    """Three rows at the corners of a triangle and one in its middle, whose region is a triangle around the origin.

    Where the logits are x, y, -x - y and 1, the last leads if x < 1, y < 1 and x + y > -1: corners (1, 1), (1, -2) and
    (-2, 1). Along t (1, 0) it leads up to t = 1, then the first.
    """
    said = """
const lab = require(process.argv[1] + "/network.js");
const [rows, bias] = [[[1, 0], [0, 1], [-1, -1], [0, 0]], [0, 0, 0, 1]];
const numbers = lab.fromHalf(Uint8Array.of(0, 0x3c, 0, 0xc0, 1, 0, 0xff, 0x7b, 0, 0x7c));
const result = {
  bounded: lab.bounded(rows, bias),
  empty: lab.bounded(rows, [0, 0, 0, -1]),
  region: lab.regions(rows, bias, [0, 0], 10)[3].sort(([a, b], [c, d]) => a - c || b - d),
  hull: lab.hull(rows).sort(([a, b], [c, d]) => a - c || b - d),
  envelope: lab.envelope({ rows, bias }, [1, 0]),
  softmax: lab.softmax([0, Math.log(3)], 1),
  numbers: [...numbers].map(String),
};
console.log(JSON.stringify(result));
"""
    done = node("-e", said, folder)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["bounded"] == [False, False, False, True]
    assert result["empty"] == [False] * 4
    assert np.allclose(result["region"], [[-2, 1], [1, -2], [1, 1]])
    assert result["hull"] == [[-1, -1], [0, 1], [1, 0]]
    assert result["envelope"] == [{"label": 3, "from": 0}, {"label": 0, "from": 1}]
    assert np.allclose(result["softmax"], [0.25, 0.75])
    assert result["numbers"] == ["1", "-2", str(2**-24).replace("e-0", "e-"), "65504", "Infinity"]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda file: file["tensors"].pop(), "numbers, not"),
        (lambda file: file["tensors"][0].__setitem__(0, "else"), "there is no"),
        (lambda file: file.__setitem__("classes", 11), "head.weight is 10 × 64, not 11 × 64"),
    ],
)
def test_weights_that_do_not_fit_are_one_clear_line(folder, tmp_path, spoil, line):
    file = content(folder / "baseline.js")
    spoil(file)
    (tmp_path / "file.json").write_text(json.dumps(file))
    said = 'require(process.argv[1] + "/network.js").build(require(process.argv[2]))'
    done = node(
        "-e", f"try {{ {said} }} catch (error) {{ console.log(error.message) }}", folder, tmp_path / "file.json"
    )
    assert done.stdout.startswith("The weights of plain training do not fit this page’s network: ")
    assert line in done.stdout
    assert done.stdout.count("\n") == 1
