"""Networks that others published, examined: python tools/examine_published.py IMAGES FILE.safetensors [FILE ...]

Of He et al.'s ResNets for CIFAR-10 as akamaster/pytorch_resnet_cifar10 (BSD-2-Clause) trained them, plainly and on the
original images, converted from its .th files to safetensors, names as they were. IMAGES is an image folder whose `test`
part is looked at; where it went through JPEG, that is a shift, and numbers are marks, no evidence on how sure such
networks are. Writes softbook/records/published/networks.json, beside what is there: of a network only its numbers and
findings are kept (without its place among the networks on record, of which there may be more tomorrow).
"""

import argparse
import json
import re
import time
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softbook.studies.records import RECORDS
from softlab import examine, provenance
from softlab.files import write_json
from softlab.training import data
from softlab.training.sampling import balanced_subset

FILE = RECORDS / "published" / "networks.json"
SOURCE = "akamaster/pytorch_resnet_cifar10 (BSD-2-Clause): trained plainly on CIFAR-10"
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
IMAGES = 2_000
ATTACKED = 500


class Block(nn.Module):
    """Two convolutions and a shortcut without weights: every second pixel, channels padded with zeros on both sides."""

    def __init__(self, channels: int, planes: int):
        super().__init__()
        self.stride = planes // channels
        self.conv1 = nn.Conv2d(channels, planes, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.padding = (planes - channels) // 2

    def forward(self, images: Tensor) -> Tensor:
        inside = self.bn2(self.conv2(self.bn1(self.conv1(images)).relu()))
        thinned = images[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(thinned, (0, 0, 0, 0, self.padding, self.padding))
        return (inside + shortcut).relu()


class ResNet(nn.Module):
    """He 2016 for CIFAR: a stem of 16 channels, three stages of `count` blocks, average, a linear layer."""

    def __init__(self, count: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16) for _ in range(count)))
        self.layer2 = nn.Sequential(Block(16, 32), *(Block(32, 32) for _ in range(count - 1)))
        self.layer3 = nn.Sequential(Block(32, 64), *(Block(64, 64) for _ in range(count - 1)))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        found = self.bn1(self.conv1(images)).relu()
        found = self.layer3(self.layer2(self.layer1(found)))
        return self.linear(found.mean((2, 3)))


def network_of(path: Path) -> ResNet:
    """The network of a file, whose depth is in its name: `…resnet20…`."""
    depth = re.search(r"resnet(\d+)", path.name)
    if not depth or (int(depth[1]) - 2) % 6:
        raise SystemExit(f"{path.name}: a file is named after its network, as cifar10_resnet20.safetensors")
    network = ResNet((int(depth[1]) - 2) // 6)
    weights = safetensors.torch.load_file(path)
    network.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
    return network.eval()


def some_of(dataset: data.Dataset, part: str) -> tuple[Tensor, Tensor]:
    """IMAGES images of a part of a data set, as many of each class, and their labels."""
    labels = getattr(dataset, f"{part}_labels")
    chosen = balanced_subset(labels, IMAGES, torch.Generator().manual_seed(0))
    return getattr(dataset, f"{part}_images")[chosen], labels[chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", help="a data set's name, or folder:PATH")
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load(given.images)
    found = json.loads(FILE.read_bytes()) if FILE.exists() else {}
    for path in given.files:
        looked_at, reference = (some_of(dataset, part) for part in ("test", "train"))
        seen = examine(network_of(path), *looked_at, reference=reference, mean=MEAN, std=STD, attacked=ATTACKED)
        about = {"source": SOURCE, "images": dataset.source, "count": IMAGES, "attacked": ATTACKED}
        about |= {"commit": provenance.commit(), "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}
        numbers = {name: round(value, 6) for name, value in seen.numbers.items() if value == value}
        place = seen.beside.sentence() if seen.beside else ""
        findings = [sentence for sentence in seen.findings() if sentence != place]
        found[path.stem] = about | {"findings": findings, "numbers": numbers}
        write_json(FILE, found)
        print(path.stem, *findings, sep="\n")


if __name__ == "__main__":
    main()
