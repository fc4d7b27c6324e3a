"""Training: `epochs(experiment, dataset)` yields the state after every epoch; `step` is what happens to one batch.

What a caller does with a state (keep the weights, write a checkpoint, draw a curve) is the caller's business.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab import regularizers
from softlab.batches import as_pixels, cpu_threads, sent, stream, stream_seed
from softlab.errors import SoftlabError
from softlab.training import models
from softlab.training.data import Dataset
from softlab.training.experiment import Experiment
from softlab.training.sampling import balanced_subset, flip_shift, long_tail, resampled

# Part of every run id. Raise it when the same experiment gives another network: what is drawn, seen or stepped, here
# or in batches.py, or the default of a field. tests/training/test_golden.py fails until that is done.
TRAINING = 1
FITTED = 5000  # training images, the first, that a part of a network may be computed from
REACH = {"flip": 0, "flip_shift": 4}  # pixels that an augmentation shifts by
HISTORY = (
    "loss",  # mean of what was minimised
    "accuracy",  # share of images whose largest logit is the class with the most target
    "feature_magnitude",  # mean RMS ‖f‖/√D of the features trained on
    "regularization",  # label smoothing's first part at alpha = 1, for that class
    "error_amplification",  # its second part
    "learning_rate",  # after the epoch's last step
    "seconds",
)


class Diverged(SoftlabError):
    """The loss, or another number in training, is not finite any more: this setting does not train."""


@dataclass
class TrainingState:
    """A network in training after `epoch` epochs; `history` has one number of each kind in HISTORY per epoch."""

    epoch: int
    model: models.Network
    averages: dict[str, Tensor]  # the optimizer's own state
    history: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in HISTORY})


@dataclass(frozen=True)
class Training:
    """What a step works with besides its batch: the same from the first step of a network to its last.

    network: the model as it is called in training, images and factors of features -> features and logits.
    """

    experiment: Experiment
    method: regularizers.Regularizer
    model: models.Network
    network: Callable[..., tuple[Tensor, Tensor]]
    optimizer: torch.optim.Optimizer
    device: torch.device


@dataclass(frozen=True)
class Moment:
    """When a step is taken.

    step: in its epoch, from 0.  position: among all steps, from 0.  progress: the share of them before it, in [0, 1).
    """

    epoch: int
    step: int
    position: int
    progress: float


class Outcome(NamedTuple):
    """What a step gave: losses (N,), logits (N, K), the method's targets (N, K) and features (N, D) of its batch."""

    losses: Tensor
    logits: Tensor
    targets: Tensor
    features: Tensor


def resolve(experiment: Experiment, device: str | torch.device) -> Experiment:
    """The experiment as this device runs it: `auto` precision becomes bf16 where the hardware has it, else fp32."""
    if experiment.precision != "auto":
        return experiment
    kind = torch.device(device).type
    has_bf16 = False
    if kind == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif kind == "cpu":
        instructions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        has_bf16 = any(getattr(torch.cpu, name, bool)() for name in instructions)
    return experiment.replace(precision="bf16" if has_bf16 else "fp32")


def choose_device(name: str | None = None) -> torch.device:
    """The device of that name; by default a GPU if there is one, else the CPU. On a GPU, fp32 will mean fp32.

    Raises SoftlabError where the name is unknown or the machine has no such device.
    """
    with warnings.catch_warnings():  # torch 2.9 has another name for it, and says so
        warnings.simplefilter("ignore", UserWarning)
        torch.backends.cudnn.allow_tf32 = False  # convolutions in fp32 would round to ten bits, and so would attacks
    available = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    if name is None:
        return torch.device(available[1] if len(available) > 1 else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SoftlabError(f"{name!r} is no device (here: {', '.join(available)})") from None
    if device.type not in available or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise SoftlabError(f"device {name!r} is not on this machine (here: {', '.join(available)})")
    return device


def device_name(device: torch.device) -> str:
    """A device's name in provenance and errors: a GPU's model, or the kind of any other."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def build_model(experiment: Experiment, dataset: Dataset) -> models.Network:
    """The experiment's network before training: the same initial weights for every method."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(experiment.seed, "weights"))
        model = build_network(experiment, **network_shape(dataset), mean=dataset.mean, std=dataset.std)
    models.fit_to(model, dataset.train_images[:FITTED])
    return model


def network_shape(dataset: Dataset) -> dict[str, int]:
    """What the data decide of a network's shape: num_classes, in_channels, image_size."""
    channels, *_, size = dataset.train_images.shape[1:]
    return {"num_classes": len(dataset.classes), "in_channels": channels, "image_size": size}


def build_network(experiment: Experiment, num_classes: int, in_channels: int, **given) -> models.Network:
    """The network that an experiment names, as its method prepares it, drawn from torch's global generator."""
    shape = {
        key: getattr(experiment, key) for key in ("width", "stem_stride", "feature_dimension", "head", "head_bias")
    }
    model = models.build(experiment.model, num_classes, in_channels, **shape, **given)
    regularizers.get(experiment.method, **experiment.method_parameters).prepare(model)
    return model


def epochs(
    experiment: Experiment,
    dataset: Dataset,
    device: str | torch.device = "cpu",
    resume: TrainingState | None = None,
    soft: Tensor | None = None,
) -> Iterator[TrainingState]:
    """Train, yielding the state before the first epoch (or the one resumed from) and after each.

    soft: targets for the training images, (N, K), each row a distribution, in the order of `training_set`; None:
    one-hot labels, or the data set's own distributions, if it has any.
    The state is the same object each time: copy what must last. On the CPU, a run resumed from a state ends with the
    same bits as one that was never interrupted.
    Raises SoftlabError if the method returns targets or a loss of the wrong kind, or a batch does not fit into the
    GPU's memory; Diverged if the loss stops being finite.
    """
    experiment = resolve(experiment, device)
    device = torch.device(device)
    images, labels = training_set(experiment, dataset, device)
    targets = (targets_of(experiment, dataset, labels) if soft is None else soft).to(device)
    state = resume or TrainingState(0, build_model(experiment, dataset), {})
    model = state.model
    training = training_of(experiment, model, state.averages, device)
    per_epoch = steps_of_epoch(experiment, len(images))

    with cpu_threads(experiment.threads), _out_of_memory_explained(experiment.batch_size, device), safe_kernels(model):
        yield state
        for epoch in range(state.epoch, experiment.epochs):
            started = perf_counter()
            model.train()
            training.method.begin_epoch(model)
            sums = torch.zeros(5, device=device)
            finite_steps = torch.zeros((), device=device)
            seen = 0
            for moment, chosen in moments(experiment, len(images), epoch, device):
                outcome = step(training, images[chosen], targets[chosen], moment)
                sums += batch_sums(*outcome)
                finite_steps += sums[0].isfinite()  # once it is not finite, it stays so
                seen += len(outcome.losses)
            means = (sums / seen).tolist()  # the epoch's only wait for the device
            if not all(map(math.isfinite, means)):
                raise _diverged(means, experiment, epoch, epoch * per_epoch + int(finite_steps))
            rate = training.optimizer.param_groups[0]["lr"]
            for name, value in zip(HISTORY, [*means, rate, perf_counter() - started], strict=True):
                state.history[name].append(value)
            state.epoch = epoch + 1
            state.averages = averages_of(model, training.optimizer)
            yield state


def step(training: Training, images: Tensor, targets: Tensor, moment: Moment) -> Outcome:
    """One step of training: images and targets become a loss for each image, and the weights take a step downhill.

    images: (N, C, H, W), uint8 or in [0, 1].  targets: (N, K), each row a distribution.
    Raises SoftlabError if the method returns images, targets or a loss of the wrong kind.
    """
    name = training.experiment.method
    method = training.method
    model = training.model
    draws = stream(training.experiment.seed, "method", moment.epoch, moment.step)

    images = augmented(as_pixels(images), training.experiment, moment)
    images, soft = method.transform(images, targets, draws)
    regularizers.check_batch(name, moment.position, images, soft, targets)
    images, extra = method.with_model(model, images, soft, draws)

    features, logits, soft = forward(training, images, soft, draws, moment)
    losses = method.loss(logits, soft, features, model.head, moment.progress)
    if extra is not None:
        losses = losses + extra
    regularizers.check_loss(name, moment.position, losses, logits)

    set_learning_rate(training.optimizer, training.experiment, moment)
    training.optimizer.zero_grad(set_to_none=True)
    losses.mean().backward()
    training.optimizer.step()
    return Outcome(losses, logits, soft, features)


def augmented(images: Tensor, experiment: Experiment, moment: Moment) -> Tensor:
    """Images (N, C, H, W), flipped and shifted at random where the experiment asks for it."""
    if experiment.augmentation not in REACH:
        return images
    moves = stream(experiment.seed, "augmentation", moment.epoch, moment.step)
    return flip_shift(images, moves, REACH[experiment.augmentation])


def forward(
    training: Training, images: Tensor, targets: Tensor, draws: torch.Generator, moment: Moment
) -> tuple[Tensor, Tensor, Tensor]:
    """Images to features (N, D) and logits (N, K), and the targets (N, K) that the method makes of those given.

    The network computes in the experiment's precision; features and logits come back in float32, the features as they
    were before dropout and before the method.
    """
    experiment = training.experiment
    head = training.model.head
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(training.device.type, torch.bfloat16, enabled=experiment.precision == "bf16"):
        keep = dropout_mask(len(images), training.model, experiment, moment.epoch, moment.step, training.device)
        features, logits = training.network(images, keep)
        hidden, targets = training.method.hidden(features, targets, draws)
        if hidden is not features:
            logits = head(hidden if keep is None else hidden * keep)
    return features.float(), logits.float(), targets


def set_learning_rate(optimizer: torch.optim.Optimizer, experiment: Experiment, moment: Moment) -> None:
    """Give the optimizer the learning rate of this moment."""
    rate = experiment.learning_rate * schedule(moment.progress, experiment)
    for group in optimizer.param_groups:
        group["lr"] = rate


def training_of(
    experiment: Experiment, model: models.Network, averages: dict[str, Tensor], device: torch.device
) -> Training:
    """What steps need to train this model, which is moved to the device. averages: of the optimizer ({}: none yet).

    Raises SoftlabError where a network is to be compiled that the method itself calls.
    """
    method = regularizers.get(experiment.method, **experiment.method_parameters)
    if experiment.compiled and asks_model(method):
        raise SoftlabError(f"method {experiment.method!r} asks the network itself: it takes compiled=false")
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, experiment, averages, method.weight_decay)
    network = _WithFeatures(model)
    if experiment.compiled and device.type == "cuda":
        network = torch.compile(network)
    return Training(experiment, method, model, network, optimizer, device)


def steps_of_pass(experiment: Experiment, count: int) -> int:
    """How many steps a pass over `count` training images takes."""
    return math.ceil(count / experiment.batch_size)


def steps_of_epoch(experiment: Experiment, count: int) -> int:
    """How many steps an epoch has: those the experiment asks for, or one pass over `count` training images."""
    return experiment.steps_per_epoch or steps_of_pass(experiment, count)


def moments(experiment: Experiment, count: int, epoch: int, device: torch.device) -> Iterator[tuple[Moment, Tensor]]:
    """Each step of an epoch: when it is taken, and which of `count` training images its batch is, as an index (N,).

    Each pass over the images has a new order, in batches that differ by one image at most; an epoch may end within a
    pass.
    """
    per_pass = steps_of_pass(experiment, count)
    per_epoch = steps_of_epoch(experiment, count)
    total_steps = per_epoch * experiment.epochs
    batches = ()
    for number in range(per_epoch):
        position = epoch * per_epoch + number
        passes, place = divmod(position, per_pass)
        if place == 0 or not batches:
            order = torch.randperm(count, generator=stream(experiment.seed, "order", passes))
            batches = order.to(device).tensor_split(per_pass)
        yield Moment(epoch, number, position, position / total_steps), batches[place]


def _diverged(means: Sequence[float], experiment: Experiment, epoch: int, step: int) -> Diverged:
    """What to say of an epoch whose means are not all finite. step: among all, the first whose loss is not."""
    name, value = next(pair for pair in zip(HISTORY, means, strict=False) if not math.isfinite(pair[1]))
    advice = "its very first loss is not finite, so look there"
    if step:
        advice = f"try a learning_rate below {experiment.learning_rate}, precision=fp32, or a weaker method"
    return Diverged(
        f"training diverged: {name} of method {experiment.method!r} (seed {experiment.seed}) became {value} "
        f"in epoch {epoch + 1}, step {step}: {advice}"
    )


def asks_model(method: regularizers.Regularizer) -> bool:
    """Whether a method passes images through the network, besides the step itself."""
    return type(method).with_model is not regularizers.Regularizer.with_model


def chosen_of(experiment: Experiment, labels: Tensor) -> Tensor | slice:
    """Which of a data set's training images this experiment trains on, as an index. labels: (N,), of all of them."""
    size = experiment.train_size
    if size is None and experiment.long_tail == 1:
        return slice(None)
    subset = balanced_subset(labels, len(labels) if size is None else size, stream(experiment.seed, "subset"))
    if experiment.long_tail == 1:
        return subset
    classes = int(labels.max()) + 1
    return subset[long_tail(labels[subset], experiment.long_tail, classes, experiment.seed)]


def training_set(experiment: Experiment, dataset: Dataset, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Images (uint8) and labels, noise included, that this experiment trains on, on its device."""
    images = dataset.train_images
    labels = dataset.train_labels
    chosen = chosen_of(experiment, labels)
    images = images[chosen]
    labels = labels[chosen]
    if experiment.label_noise > 0:
        noise = stream(experiment.seed, "label_noise")
        labels = resampled(labels, experiment.label_noise, len(dataset.classes), noise)
    return images.to(device), labels.to(device)


def targets_of(experiment: Experiment, dataset: Dataset, labels: Tensor) -> Tensor:
    """The targets (N, K) of `training_set`: its labels (N,) one-hot, or the data set's own distributions."""
    if dataset.train_targets is None:
        return functional.one_hot(labels, len(dataset.classes)).float()
    if experiment.label_noise > 0:
        raise SoftlabError(f"label_noise draws labels anew, and {dataset.name} has distributions instead")
    return dataset.train_targets[chosen_of(experiment, dataset.train_labels)]


def schedule(progress: float, experiment: Experiment) -> float:
    """Learning rate as a share of its peak at `progress` in [0, 1): linear warm-up, then linear or cosine to 0."""
    if progress < experiment.warmup:
        return 0.1 + 0.9 * progress / experiment.warmup
    left = (1 - progress) / (1 - experiment.warmup)
    return left if experiment.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2


def make_optimizer(
    model: nn.Module, experiment: Experiment, averages: dict[str, Tensor], weight_decay: float | None = None
) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; decays what has two dimensions and more. `averages` resumes it.

    weight_decay: None: the experiment's. The head's is the experiment's weight_decay_head, if it has one.
    """
    decay = experiment.weight_decay if weight_decay is None else weight_decay
    parameters = dict(model.named_parameters())
    decayed = {name: parameter for name, parameter in parameters.items() if parameter.ndim > 1}
    free = [parameter for parameter in parameters.values() if parameter.ndim <= 1]
    groups = [{"params": free, "weight_decay": 0.0}]
    if experiment.weight_decay_head is not None:
        names = [name for name in decayed if name.startswith("head.")]
        own = [decayed.pop(name) for name in names]
        groups = [{"params": own, "weight_decay": experiment.weight_decay_head}, *groups]
    groups = [{"params": list(decayed.values()), "weight_decay": decay}, *groups]
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    if experiment.optimizer == "sgd":
        moving = {"momentum": experiment.momentum, "nesterov": experiment.momentum > 0}
        optimizer = torch.optim.SGD(groups, experiment.learning_rate, fused=fused, **moving)
    else:
        optimizer = torch.optim.AdamW(groups, experiment.learning_rate, (experiment.momentum, 0.999), fused=fused)
    for name, average in averages.items():  # in the parameter's own memory layout, which the fused step relies on
        kind, _, parameter = name.partition("/")
        like = parameters[parameter] if average.ndim else average.to(parameters[parameter].device)  # a count of steps
        optimizer.state[parameters[parameter]][kind] = torch.empty_like(like).copy_(average)
    return optimizer


def averages_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors as {kind/parameter: tensor}: with the weights, all that resuming needs."""
    state = {name: optimizer.state.get(parameter, {}) for name, parameter in model.named_parameters()}
    averages = {f"{kind}/{name}": value for name, kinds in state.items() for kind, value in kinds.items()}
    return {name: value for name, value in averages.items() if value is not None}


@torch.no_grad()
def batch_sums(loss: Tensor, logits: Tensor, targets: Tensor, features: Tensor) -> Tensor:
    """Sums over a batch of the first five quantities in HISTORY, (5,), left on the device."""
    labels = targets.argmax(1)
    regularization, amplification = regularizers.label_smoothing_terms(logits, labels)
    magnitude = features.norm(dim=1) / features.shape[1] ** 0.5
    right = (logits.argmax(1) == labels).float()
    return torch.stack([loss, right, magnitude, regularization, amplification]).sum(1)


def dropout_mask(count: int, model: models.Network, experiment: Experiment, epoch, step, device) -> Tensor | None:
    """The factors of features (count, D): 0, or 1/(1 - dropout); None without dropout."""
    if experiment.dropout == 0:
        return None
    dimension = next(module.in_features for module in model.head.modules() if isinstance(module, nn.Linear))
    drawn = torch.rand(count, dimension, generator=stream(experiment.seed, "dropout", epoch, step))
    return sent((drawn >= experiment.dropout) / (1 - experiment.dropout), device)


@contextmanager
def safe_kernels(model: nn.Module) -> Iterator[None]:
    """Switch oneDNN off inside the block if it would write beyond its memory; set the threads before.

    oneDNN 3.13 (torch 2.15) does so, with channels last, in the weights' gradient of a 1 × 1 convolution that skips
    pixels and comes from fewer channels than the processor computes at once: 8 with AVX2; 16 with AVX-512, there with
    three threads or more. The numbers are then wrong, or the process ends, at once or later. A processor without
    AVX-512 is taken for one with AVX2, and every torch for that one. Other networks keep oneDNN.
    """
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    at_once = 16 if wide else 8
    harmed = any(
        layer.kernel_size == (1, 1) and max(layer.stride) > 1 and layer.in_channels < at_once
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    )
    if not harmed or (wide and torch.get_num_threads() < 3):
        yield
        return
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before)


@contextmanager
def _out_of_memory_explained(batch_size: int, device: torch.device) -> Iterator[None]:
    """Turn the GPU's refusal into one line with the batch size to try."""
    try:
        yield
    except torch.OutOfMemoryError:
        name = device_name(device)
        advice = f"try batch_size={batch_size // 2}" if batch_size > 1 else "try a narrower network"
        raise SoftlabError(f"batch_size={batch_size} does not fit into the memory of {name}: {advice}") from None


class _WithFeatures(nn.Module):
    """Features and logits in one forward pass, as one graph to compile; `keep` (N, D) drops features for the head."""

    def __init__(self, model: models.Network):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = self.model.features(images)
        return features, self.model.head(features if keep is None else features * keep)
