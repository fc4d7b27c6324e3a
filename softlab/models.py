"""Networks with two halves: `.features(images) -> (N, D)` and `.head`, one linear layer.

A network owns its normalisation: it takes images in [0, 1], so that an attack acts on images and not on
something rescaled.
"""

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from softlab.errors import SoftlabError, unknown

# Block, blocks per stage, the usual width. He et al. 2016; three stages on CIFAR, four on ImageNet.
RESNETS = {
    "resnet8": (BasicBlock, (1, 1, 1), 16),
    "resnet20": (BasicBlock, (3, 3, 3), 16),
    "resnet18": (BasicBlock, (2, 2, 2, 2), 64),
    "resnet50": (Bottleneck, (3, 4, 6, 3), 64),
}


class Network(nn.Module):
    """head(features(x)): normalisation, a body that ends in global average pooling, and a head, linear unless asked.

    Images are (N, C, H, W) in [0, 1]; features (N, D), never negative after the body's last ReLU; logits (N, K).
    """

    def __init__(self, body: nn.Module, head: nn.Module, mean: Tensor, std: Tensor):
        super().__init__()
        self.body = body
        self.head = head
        self.register_buffer("mean", mean.reshape(1, -1, 1, 1).clone())
        self.register_buffer("std", std.reshape(1, -1, 1, 1).clone())

    def features(self, images: Tensor) -> Tensor:
        return self.body((images - self.mean) / self.std)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def build(
    name: str,
    num_classes: int,
    in_channels: int,
    *,
    width: int | None = None,
    stem_stride: int = 1,
    feature_dimension: int | None = None,
    head: str = "linear",
    head_bias: str = "default",
    mean: Tensor | None = None,
    std: Tensor | None = None,
) -> Network:
    """A new network, initialised from torch's global generator.

    width: channels of the first stage (None: the architecture's own). stem_stride: of the 3×3 stem; there is no
    max-pooling. feature_dimension: append a linear layer to that many features, of any sign. head: `linear`, or
    `two_layers` with a ReLU between. head_bias: `zero` sets the initial bias of the (last) layer to zero.
    mean, std: (C,), of the training images in [0, 1] (None: 0 and 1).
    Raises SoftlabError for an unknown name.
    """
    if name not in RESNETS:
        raise unknown("model", name, RESNETS)
    if num_classes < 2:
        raise SoftlabError(f"a classifier needs at least two classes, not {num_classes}")
    block, stages, usual_width = RESNETS[name]
    width = width or usual_width
    body, dimension = _resnet_body(block, stages, width, in_channels, stem_stride)
    mean = torch.zeros(in_channels) if mean is None else mean
    std = torch.ones(in_channels) if std is None else std
    if feature_dimension is not None:
        body.append(nn.Linear(dimension, feature_dimension))
        dimension = feature_dimension
    last = nn.Linear(dimension, num_classes)
    if head_bias == "zero":
        nn.init.zeros_(last.bias)
    if head == "two_layers":
        last = nn.Sequential(nn.Linear(dimension, dimension), nn.ReLU(), last)
    return Network(body, last, mean, std)


def _resnet_body(block, stages, width, in_channels, stem_stride) -> tuple[nn.Sequential, int]:
    """Stem, stages of doubling width, global average pooling: torchvision's blocks behind a small-image stem."""
    layers = [nn.Conv2d(in_channels, width, 3, stem_stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    channels = width
    for stage, count in enumerate(stages):
        planes = width * 2**stage
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            shortcut = None
            if stride > 1 or channels != planes * block.expansion:
                convolution = nn.Conv2d(channels, planes * block.expansion, 1, stride, bias=False)
                shortcut = nn.Sequential(convolution, nn.BatchNorm2d(planes * block.expansion))
            layers.append(block(channels, planes, stride, shortcut))
            channels = planes * block.expansion
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return body, channels
