"""What the laboratory's page shows, in torch: its images and networks, for the tests in node and in a browser."""

import base64
import functools
import json
from pathlib import Path

import laboratory
import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from softlab.lenses.attacks import ascent
from softlab.training import models

NETWORKS = laboratory.networks()
CORE = [name for name in NETWORKS if not name.endswith("-2")]
NARROW = [name for name in NETWORKS if name.endswith("-2")]
STEPS = 20  # of an attack, as the page has it at first


def content(path: Path) -> dict:
    """What a script of the laboratory leaves in `laboratoryFiles`."""
    return json.loads(path.read_text().partition("] = ")[2].removesuffix(";\n"))


def torch_network(experiment) -> models.Network:
    """The network of the zoo, in float32."""
    network = models.build(
        experiment.model,
        10,
        1,
        width=experiment.width,
        stem_stride=experiment.stem_stride,
        feature_dimension=experiment.feature_dimension,
    )
    stored = safetensors.numpy.load_file(laboratory.folder_of(experiment) / "weights.safetensors")
    network.load_state_dict({name: torch.from_numpy(values).float() for name, values in stored.items()})
    return network.eval()


def images() -> tuple[Tensor, Tensor]:
    """The page's images (40, 1, 28, 28) in [0, 1], and their labels."""
    found = laboratory.images()
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(-1, 1, 28, 28)
    return torch.from_numpy(pixels.copy()).float() / 255, torch.tensor(found["labels"])


@functools.cache
def gives_in(name: str, loss: str, radius: float, start: Tensor) -> Tensor:
    """The first step of the page's attack at which a network is wrong, for each image; STEPS + 1 where it holds.

    loss: of softlab.lenses.attacks.  radius: in [0, 1].  start: (1, 1, 28, 28) in [-1, 1].  A network that is wrong
    before the attack has -1. Returns (40,) int64.
    """
    pixels, labels = images()
    network = torch_network(NETWORKS[name])
    radii = torch.full((len(labels),), radius)
    steps = torch.full_like(labels, STEPS + 1)
    any_class = torch.full_like(labels, -1)
    points = ascent.project(pixels + radius * start, pixels, radii)
    for step in range(STEPS + 1):
        gradient, logits = ascent.gradient_at(network, loss, points, labels, any_class)
        steps[(logits.argmax(1) != labels) & (steps > STEPS)] = step
        points = ascent.project(points + 2.5 * radius / STEPS * gradient.sign(), pixels, radii)
    with torch.no_grad():
        steps[network(pixels).argmax(1) != labels] = -1
    return steps


def fates(name: str, loss: str, radius: float, start: Tensor) -> list[str]:
    """What the page's scoreboard says of each image: "wrong" before the attack, "falls" or "holds"."""
    return [
        "wrong" if step < 0 else "holds" if step > STEPS else "falls" for step in gives_in(name, loss, radius, start)
    ]
