"""A monitor for any training: `watch = Watch(model, loader)`, and after each epoch `watch()`, a few numbers."""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from softlab.batches import as_pixels
from softlab.checks import check_pixels
from softlab.errors import SoftlabError, is_whole
from softlab.lenses import calibration, steepness
from softlab.representation import check_network, device_of, evaluating, frozen_copy, gradient_by
from softlab.returned import logits_in

EPSILON = 4 / 255  # at which the slope is taken, as in the book's tables
STEEP = 500  # images that meet one backward pass
LEAST = 1e-9  # of a length, so that two equal logits have a logarithm
FEWEST = 4  # images


class Watch:
    """Numbers of a network in training. Called, it asks the network about all images of a loader, and returns

        accuracy      share of right predictions, in [0, 1] (as right as soft labels make them)
        gap           mean confidence minus accuracy, in [-1, 1]: above 0 overconfident
        ECE           expected calibration error in 15 bins, in [0, 1]
        NLL at T      negative log-likelihood in nats at the temperature: fitted on one half of the images, scored on
                      the other, the halves drawn once and for all,
                      each with half of the images of each class
        temperature   of the first half; above 1 where the network is overconfident
        log length    mean of log ‖z - z̄‖, the natural logarithm of the logits' length
        margin        mean of the largest logit minus the second largest
        slope         mean of what an attack takes off the margin for each unit by which pixels in [0, 1] may move, to
                      first order (softlab.lenses.steepness.slope at 4/255), over the first `steep` images

    Modes, gradients, running statistics, and the states of random numbers (torch's on the CPU and on the network's
    GPU, numpy's, Python's, the loader's generators) are afterwards what they were before. A loader's persistent workers
    keep streams of their own, which move on.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        *,
        mean: float | Sequence[float] | Tensor | None = None,
        std: float | Sequence[float] | Tensor | None = None,
        steep: int = STEEP,
    ):
        """model: gives logits (N, K), or has them in what it returns.

        loader: of batches (images, labels), any DataLoader or list of batches, that can be gone through again and
        again; best of images that are neither trained on nor augmented. labels: class numbers or distributions.
        mean, std: of the normalisation that the loader applies, one number or one for each channel, so that the slope
        is by pixels in [0, 1]; None: the images are in [0, 1].  steep: how many images the slope is taken of; 0: none,
        and then images may be anything.
        """
        check_network(model)
        if (mean is None) != (std is None):
            raise SoftlabError("a normalisation has a mean and a std: give both, or none")
        if not is_whole(steep) or steep < 0:
            raise SoftlabError(f"steep must be a whole number from 0 on, not {steep!r}")
        if isinstance(loader, Iterator) or not isinstance(loader, Iterable):
            raise SoftlabError(f"the loader must be one to go through again and again, not a {type(loader).__name__}")
        self.model = model.module if isinstance(model, DistributedDataParallel) else model
        self.loader = loader
        self.mean = None if mean is None else _of_channels(mean, "mean")
        self.std = None if std is None else _of_channels(std, "std")
        self.steep = steep

    def __call__(self) -> dict[str, float]:
        """The numbers named above. Raises SoftlabError for batches that are no images and labels, fewer than four
        images, logits that are not finite, and pixels outside [0, 1] where there is no mean and std.
        """
        device = device_of(self.model)
        logits = []
        labels = []
        slopes = []
        left = self.steep
        in_full = torch.autocast(device.type, enabled=False)  # whatever the training around it does
        with as_it_was(self.model, self.loader, device), torch.inference_mode(False), in_full:
            for batch in self.loader:
                images, truth = _pair(batch)
                if self.mean is not None and not images.is_floating_point():
                    kind = str(images.dtype).removeprefix("torch.")
                    advice = "leave mean and std out, or normalise in the loader"
                    raise SoftlabError(f"a batch holds {kind}, to which no mean and std were applied: {advice}")
                steep = images[:left]
                if len(steep) and not images.is_floating_point() and images.dtype != torch.uint8:
                    kind = str(images.dtype).removeprefix("torch.")
                    advice = "give floats from 0 to 1, or steep=0 to leave it out"
                    raise SoftlabError(f"a batch holds {kind}, of which no slope is taken: {advice}")
                left -= len(steep)
                if len(steep):
                    answered, slope = self._steep(steep.to(device))
                    logits.append(answered)
                    slopes.append(slope)
                if len(steep) < len(images):
                    with torch.no_grad():
                        logits.append(self._logits(images[len(steep) :].to(device)).cpu())
                labels.append(truth.detach().cpu())
        count = sum(map(len, logits))
        if count < FEWEST:
            raise SoftlabError(f"the loader has {count} images: at least {FEWEST} are needed")
        numbers = numbers_of(torch.cat(logits), torch.cat(labels))
        return numbers | ({"slope": float(torch.cat(slopes).mean())} if slopes else {})

    def _logits(self, images: Tensor, model: nn.Module | None = None) -> Tensor:
        """Logits (N, K) of images as the loader gives them, in the network's own precision. model: in its place."""
        model = self.model if model is None else model
        kinds = (held.dtype for held in model.parameters() if held.is_floating_point())
        own = next(kinds, torch.float32)
        given = as_pixels(images)
        return logits_in(model(given.to(own) if given.is_floating_point() else given)).float()

    def _gradient(self, images: Tensor, model: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
        """Images as a leaf, the logits of a network, and the derivative of their margins' sum by the images."""
        given = as_pixels(images).clone().requires_grad_()  # of its own: Lightning's may be inference tensors
        with torch.enable_grad():
            answers = []

            def gap() -> Tensor:
                answers.append(self._logits(given, model))
                if not answers[0].requires_grad:
                    said = "no gradient of the logits reaches the images"
                    raise SoftlabError(f"{said}: give steep=0 to leave the slope out")
                return steepness.margin(answers[-1]).sum()

            if model is self.model:  # its parameters may have gradients, which stay as they are
                (gradient,) = torch.autograd.grad(gap(), given, allow_unused=True)
            if model is not self.model or gradient is None:
                gradient = gradient_by(given, gap)
            return given, answers[0], gradient

    def _steep(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and slopes (N,), on the CPU; one forward and one backward pass, to the images alone."""
        try:
            given, logits, gradient = self._gradient(images, self.model)
        except RuntimeError:  # a network made in inference mode, or with reentrant checkpoints
            given, logits, gradient = self._gradient(images, frozen_copy(self.model))
        pixels = given.detach()
        if self.mean is not None and self.std is not None:
            std = self.std.to(pixels)
            gradient = gradient / std
            pixels = (pixels * std + self.mean.to(pixels)).float()
            pixels = _within(pixels)
        else:
            pixels = check_pixels(pixels.float())
        return logits.detach().cpu(), steepness.slope(gradient.float(), pixels, EPSILON).cpu()


def numbers_of(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The numbers of `Watch` that need only logits (N, K) and labels (N,) or (N, K), N >= 4, on the CPU."""
    labels = labels if labels.is_floating_point() else labels.long()
    plain = calibration.outcomes(logits, labels)
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(0))
    classes = labels if labels.ndim == 1 else labels.argmax(1)
    by_class = order[classes[order].argsort(stable=True)]
    fitted = by_class[::2]  # of each class one half
    scored = by_class[1::2]
    temperature = calibration.fit_temperature(logits[fitted], labels[fitted])
    lengths = steepness.length(logits).double().clamp(min=LEAST)
    return {
        "accuracy": float(plain.correct.mean(dtype=torch.float64)),
        "gap": plain.gap,
        "ECE": plain.diagram().error,
        "NLL at T": calibration.nll(logits[scored] / temperature, labels[scored]),
        "temperature": temperature,
        "log length": float(lengths.log().mean()),
        "margin": float(steepness.margin(logits).double().mean()),
    }


@contextmanager
def as_it_was(model: nn.Module, loader: object, device: torch.device) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards modes and random states are what they were."""
    generators = {id(drawing): drawing for drawing in _generators(loader)}.values()
    states = [(drawing, drawing.get_state()) for drawing in generators]
    of_python = random.getstate()
    of_numpy = np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []), evaluating(model):
        try:
            yield
        finally:
            for drawing, state in states:
                drawing.set_state(state)
            random.setstate(of_python)
            np.random.set_state(of_numpy)


def _generators(loader: object) -> Iterator[torch.Generator]:
    """The generators that going through a loader draws from."""
    batched = getattr(loader, "batch_sampler", None)
    for part in (loader, getattr(loader, "sampler", None), batched, getattr(batched, "sampler", None)):
        drawing = getattr(part, "generator", None)
        if isinstance(drawing, torch.Generator):
            yield drawing


def _pair(batch: object) -> tuple[Tensor, Tensor]:
    if not isinstance(batch, Sequence) or len(batch) != 2 or not all(isinstance(part, Tensor) for part in batch):
        raise SoftlabError(f"the loader must give batches (images, labels), not a {type(batch).__name__}")
    images, labels = batch
    if images.ndim == 0 or labels.ndim not in (1, 2) or len(images) != len(labels):
        given = f"{tuple(images.shape)} and {tuple(labels.shape)}"
        raise SoftlabError(f"a batch must have images (N, …) and labels (N,) or (N, K), not {given}")
    return images, labels


def _of_channels(values: float | Sequence[float] | Tensor, what: str) -> Tensor:
    """One number, or one for each channel, as (C, 1, 1)."""
    numbers = torch.as_tensor(values, dtype=torch.float64).reshape(-1, 1, 1).float()
    if not numbers.numel() or not numbers.isfinite().all() or (what == "std" and (numbers <= 0).any()):
        raise SoftlabError(f"{what} must be numbers{' above 0' if what == 'std' else ''}, not {values}")
    return numbers


def _within(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] that a normalisation was taken off; its rounding is set right."""
    low, high = pixels.aminmax()
    if not (low > -0.01 and high < 1.01):
        said = f"without mean and std, pixels reach from {float(low):.3g} to {float(high):.3g}"
        raise SoftlabError(f"{said}, not from 0 to 1: are these the loader's own?")
    return pixels.clamp(0, 1)
