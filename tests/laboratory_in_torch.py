"""What the laboratory's page shows, in torch: its images and networks, for the tests in node and in a browser."""

import base64
import json
from pathlib import Path

import laboratory
import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from softlab import models

NETWORKS = laboratory.networks()
CORE = [name for name in NETWORKS if not name.endswith("-2")]
NARROW = [name for name in NETWORKS if name.endswith("-2")]


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
