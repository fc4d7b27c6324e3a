"""Networks with two halves: `.features(images) -> (N, D)` and `.head`, one linear layer.

A network owns its normalisation: it takes images in [0, 1], so that an attack acts on images and not on
something rescaled. Add your own, in a notebook's cell if you like, with

    @models.register("mine", width=16)
    def mine(width, in_channels, stem_stride, image_size):
        return body, features  # a module that ends in (N, features), and how many these are

torchvision is imported only where a network is built: it takes longer than torch, and reading records needs none.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.errors import SoftlabError, check_known, check_name
from softlab.training import code_version
from softlab.training.experiment import MODELS


class Network(nn.Module):
    """head(features(x)): normalisation, a body that ends in one vector per image, and a head, linear by default.

    Images are (N, C, H, W) in [0, 1]; logits (N, K); features (N, D), never negative where the body ends in a ReLU and
    global average pooling (ResNets, MobileNetV2), of any sign where it ends in a layer normalisation.
    """

    memory_format = torch.channels_last  # how images best lie in memory for it: representation.layout
    mean: Tensor
    std: Tensor
    head: Any  # nn.Linear, or what ends in one

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
    image_size: int = 32,
    feature_dimension: int | None = None,
    head: str = "linear",
    head_bias: str = "default",
    mean: Tensor | None = None,
    std: Tensor | None = None,
) -> Network:
    """A new network, initialised from torch's global generator.

    width: channels of the first stage (None: the architecture's own). stem_stride: 2 halves the resolution at once;
    at 1 the stem is that of small images: 3×3 without max-pooling, or patches of 2 (Swin, ConvNeXt) or 4 pixels (ViT).
    image_size: height and width in pixels, for networks that learn positions. feature_dimension: append a linear layer
    to that many features, of any sign. head: `linear`, or `two_layers` with a ReLU between. head_bias: `zero` sets the
    initial bias of the (last) layer to zero, `none` leaves it out.
    mean, std: (C,), of the training images in [0, 1] (None: 0 and 1).
    Raises SoftlabError for an unknown name, or an image size that does not divide into patches.
    """
    check_known("model", name, ARCHITECTURES)
    if num_classes < 2:
        raise SoftlabError(f"a classifier needs at least two classes, not {num_classes}")
    architecture = ARCHITECTURES[name]
    body, dimension = architecture.body(width or architecture.width, in_channels, stem_stride, image_size)
    mean = torch.zeros(in_channels) if mean is None else mean
    std = torch.ones(in_channels) if std is None else std
    if feature_dimension is not None:
        body = nn.Sequential(body, nn.Linear(dimension, feature_dimension))
        dimension = feature_dimension
    last = nn.Linear(dimension, num_classes, bias=head_bias != "none")
    if head_bias == "zero":
        nn.init.zeros_(last.bias)
    if head == "two_layers":
        last = nn.Sequential(nn.Linear(dimension, dimension), nn.ReLU(), last)
    return Network(body, last, mean, std)


def _resnet(width, in_channels, stem_stride, image_size, block_name, stages) -> tuple[nn.Module, int]:
    """He 2016: torchvision's blocks behind a small-image stem, in stages of doubling width; global average pooling."""
    from torchvision.models import resnet

    block = getattr(resnet, block_name)
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


def _mobilenet_v2(width, in_channels, stem_stride, image_size) -> tuple[nn.Module, int]:
    """Sandler 2018. Stem and second stage keep the resolution, as usual on CIFAR; the features' dropout is off."""
    from torchvision.models import MobileNetV2

    expansions = (1, 6, 6, 6, 6, 6, 6)
    channels = (16, 24, 32, 64, 96, 160, 320)
    blocks = (1, 2, 3, 4, 3, 3, 1)
    strides = (1, 1, 2, 2, 1, 2, 1)
    stages: list[list[int]] = [list(stage) for stage in zip(expansions, channels, blocks, strides, strict=True)]
    body = MobileNetV2(width_mult=width / 32, inverted_residual_setting=stages, dropout=0.0)
    usual = body.features[0][0]
    body.features[0][0] = nn.Conv2d(in_channels, usual.out_channels, 3, stem_stride, padding=1, bias=False)
    nn.init.kaiming_normal_(body.features[0][0].weight, mode="fan_out")
    return _without_head(body, "classifier")


class Whitening(nn.Module):
    """A convolution over 2×2 patches whose filters make their pixels uncorrelated, each with both signs.

    Filters, (2 · 4 C, C, 2, 2), are the eigenvectors of the patches' covariance over the roots of its eigenvalues, and
    these times −1, as a ReLU-like function follows. They are computed once from images (`fit`), kept with the weights,
    and never trained; the bias is. Jordan, arXiv 2404.00498.
    """

    weight: Tensor
    FLOOR = 5e-4  # added to eigenvalues of pixels with variance 1: patches without contrast would become noise

    def __init__(self, in_channels: int, stride: int):
        super().__init__()
        self.stride = stride
        self.register_buffer("weight", torch.zeros(8 * in_channels, in_channels, 2, 2))
        self.bias = nn.Parameter(torch.zeros(8 * in_channels))

    def forward(self, images: Tensor) -> Tensor:
        return functional.conv2d(images, self.weight, self.bias, self.stride)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Compute the filters from images (N, C, H, W), normalised as in training."""
        size = self.weight[0].numel()
        patches = functional.unfold(images.double(), 2).transpose(1, 2).reshape(-1, size)
        values, vectors = torch.linalg.eigh(patches.T.cov())
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        filters = (vectors * largest.sign() / (values + self.FLOOR).sqrt()).T.reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([filters, -filters]))


def _airbench(width, in_channels, stem_stride, image_size) -> tuple[nn.Module, int]:
    """Jordan 2024 (arXiv 2404.00498, airbench94): whitening, and three blocks of two convolutions.

    Blocks are `width` and twice 4 · `width` wide. Unlike there, the last features end in a ReLU, batch normalisation
    learns its factor and has the usual momentum, and logits are not divided by 9.
    """
    least = 8 * stem_stride + 1  # three times halved, something is left
    if image_size < least:
        raise SoftlabError(f"airbench takes images of at least {least}×{least} pixels here: {image_size} is less")
    layers: list[nn.Module] = [Whitening(in_channels, stem_stride), nn.GELU()]
    channels = 8 * in_channels
    for planes in (width, 4 * width, 4 * width):
        layers += [_near_identity(channels, planes), nn.MaxPool2d(2), nn.BatchNorm2d(planes), nn.GELU()]
        layers += [_near_identity(planes, planes), nn.BatchNorm2d(planes), nn.GELU()]
        channels = planes
    layers[-1] = nn.ReLU()
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten()), channels


def _near_identity(channels: int, planes: int) -> nn.Conv2d:
    """A convolution whose first outputs equal its inputs; the others are drawn as usual."""
    convolution = nn.Conv2d(channels, planes, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:channels])
    return convolution


def fit_to(network: Network, images: Tensor) -> None:
    """Show a new network images, (N, C, H, W), uint8 or in [0, 1], for the parts that are computed from them."""
    for part in network.body.modules():
        if isinstance(part, Whitening):
            part.fit((as_pixels(images) - network.mean) / network.std)


def _swin_t(width, in_channels, stem_stride, image_size) -> tuple[nn.Module, int]:
    """Liu 2021, tiny, with windows of 4×4 patches; no stochastic depth, so that every draw has its own stream."""
    from torchvision.models import SwinTransformer

    heads = [_divisor(width * 2**stage, 32) for stage in range(4)]
    body = SwinTransformer([2, 2], width, [2, 2, 6, 2], heads, [4, 4], stochastic_depth_prob=0.0)
    body.features[0][0] = _patches(in_channels, width, 2 * stem_stride)
    return _without_head(body, "head")


def _convnext_t(width, in_channels, stem_stride, image_size) -> tuple[nn.Module, int]:
    """Liu 2022, tiny."""
    from torchvision.models import ConvNeXt
    from torchvision.models.convnext import CNBlockConfig

    least = 16 * stem_stride
    if image_size < least:
        raise SoftlabError(f"convnext_t takes images of at least {least}×{least} pixels here: {image_size} is less")
    stages = [CNBlockConfig(width * 2**stage, width * 2 ** (stage + 1), (3, 3, 9)[stage]) for stage in range(3)]
    body = ConvNeXt([*stages, CNBlockConfig(8 * width, None, 3)])
    body.features[0][0] = _patches(in_channels, width, 2 * stem_stride)
    return _without_head(body, "classifier")


def _vit_s(width, in_channels, stem_stride, image_size) -> tuple[nn.Module, int]:
    """Dosovitskiy 2021; small (twelve layers of width 384, six heads), as DeiT-S; features are the class token's."""
    from torchvision.models import VisionTransformer

    patch = 4 * stem_stride
    if image_size % patch:
        raise SoftlabError(f"vit_s cuts images into patches of {patch} pixels: {image_size} is no multiple of that")
    body = VisionTransformer(image_size, patch, 12, _divisor(width, 64), width, 4 * width)
    body.conv_proj = _patches(in_channels, width, patch)
    return _without_head(body, "heads")


def _patches(in_channels: int, width: int, size: int) -> nn.Conv2d:
    convolution = nn.Conv2d(in_channels, width, size, size)
    nn.init.trunc_normal_(convolution.weight, std=0.02)
    nn.init.zeros_(convolution.get_parameter("bias"))
    return convolution


def _divisor(width: int, per_head: int) -> int:
    """How many attention heads: one per so many channels, or the next number below that divides the width."""
    return next(count for count in range(max(1, width // per_head), 0, -1) if width % count == 0)


def _without_head(body: nn.Module, name: str) -> tuple[nn.Module, int]:
    """torchvision's network without its last linear layer, and that layer's number of inputs."""
    part = getattr(body, name)
    linear = part if isinstance(part, nn.Linear) else part[-1]
    setattr(body, name, nn.Identity() if linear is part else part[:-1])
    return body, linear.in_features


@dataclass(frozen=True)
class Architecture:
    """body: (width, in_channels, stem_stride, image_size) -> body, number of features.  width: the usual one.

    version: part of the run id. Raise it when the same experiment would give another network; for a user's own it is
    the sha256 of its code.
    """

    body: Callable[[int, int, int, int], tuple[nn.Module, int]]
    width: int
    version: int | str = 1


# ResNets by block and blocks per stage: three stages on CIFAR, four on ImageNet.
ARCHITECTURES = {
    "resnet8": Architecture(functools.partial(_resnet, block_name="BasicBlock", stages=(1, 1, 1)), 16),
    "resnet20": Architecture(functools.partial(_resnet, block_name="BasicBlock", stages=(3, 3, 3)), 16),
    "resnet18": Architecture(functools.partial(_resnet, block_name="BasicBlock", stages=(2, 2, 2, 2)), 64),
    "resnet50": Architecture(functools.partial(_resnet, block_name="Bottleneck", stages=(3, 4, 6, 3)), 64),
    "airbench": Architecture(_airbench, 64),
    "mobilenet_v2": Architecture(_mobilenet_v2, 32),
    "swin_t": Architecture(_swin_t, 96),
    "convnext_t": Architecture(_convnext_t, 96),
    "vit_s": Architecture(_vit_s, 384),
}


def register(name: str, width: int) -> Callable[[Callable], Callable]:
    """Decorator: make a network known under `name` (small letters, digits, _). Again: replaces it.

    width: what the function gets if an experiment leaves the width open.
    """
    check_name("network", name)

    def keep(body: Callable) -> Callable:
        ARCHITECTURES[name] = Architecture(body, width, code_version.function_digest(body))
        if name not in MODELS:
            MODELS.append(name)
        return body

    return keep
