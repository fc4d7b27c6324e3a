"""Same answers, another slope: train a network further until it is less or more steep but answers as before.

This is what law slope-by-hand (laws.yml) sets by hand. For STEPS more steps the logits z are held where they were, and
the slope g of z₁ - z₂ (softlab.lenses.steepness) is pulled to τ times what it was:

    ‖z - z_old‖² / ‖z_old - z̄_old‖²  +  pull · (log g - log τ g_old)²

No labels are used. At τ = 1 both terms are zero from the start and nothing would move; so the weights are first
disturbed by as much as those of the other τ have moved, which shows what moving weights does by itself.
`softbook record core --measure slope_by_hand --methods baseline label_smoothing`.
"""

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas
import torch
from torch import Tensor, nn

from softbook.studies import records
from softbook.studies.asked import Subject
from softlab.batches import as_pixels
from softlab.errors import check_known
from softlab.lenses import steepness
from softlab.lenses.attacks.ascent import all_logits
from softlab.numbers.look import applied, together
from softlab.numbers.quantities import LENSES, Look
from softlab.numbers.stored import look_at, round_weights
from softlab.representation import frozen_copy
from softlab.training.data import Dataset
from softlab.training.experiment import Experiment
from softlab.training.loop import chosen_of, safe_kernels
from softlab.training.runs import dataset_of

TAUS = (0.5, 0.71, 1.0, 1.41, 2.0)
LOWER = 0.71  # at which the law is judged
SHAM = 1.0
PULLS = {"baseline": 0.3, "label_smoothing": 0.03}
LENSES_ASKED = ("outcomes", "calibrated", "ranked", "magnitudes", "attacked", "steep", "one_step")
STEPS = 360
BATCH = 128
RATE = 0.02  # of SGD with Nesterov momentum .9, falling to 0 along a line
CLIP = 1.0  # of the gradient's norm
EPSILON = 4 / 255
PROBE = 0.1  # how far along the attack's first step the slope is taken as a difference, as a share of EPSILON
LARGEST_CHANGE = 0.05  # of the mean log margin and log length, for a dose to be admitted
LARGEST_LOSS = 0.01  # of accuracy
UNLABELLED = 4_000  # images beside those that a network was trained on; none is a test image


@dataclass(frozen=True)
class Change:
    """How a network's answers changed, on images and labels: means of natural logarithms, and accuracy in [0, 1]."""

    log_margin: float
    log_length: float
    log_slope: float
    accuracy: float

    @property
    def admitted(self) -> bool:
        """Does it still answer as before, so that only its slope differs?"""
        kept = max(abs(self.log_margin), abs(self.log_length)) <= LARGEST_CHANGE
        return kept and abs(self.accuracy) <= LARGEST_LOSS


def images_of(experiment: Experiment, dataset: Dataset) -> Tensor:
    """The images (N, C, H, W) uint8 on which answers are held: the training images, and UNLABELLED others."""
    images = dataset.train_images
    own = chosen_of(experiment, dataset.train_labels)
    left = torch.ones(len(images), dtype=torch.bool)
    left[own] = False
    others = left.nonzero()[:, 0]
    order = torch.randperm(len(others), generator=torch.Generator().manual_seed(experiment.seed))
    return torch.cat([images[own], images[others[order[:UNLABELLED]]]])


def recorded(profile: str) -> pandas.DataFrame:
    """The recorded networks: method, seed, tau, pull, admitted, changes on `fit`, and quantities; empty without any."""
    table = records.of_measure("slope_by_hand", profile)
    if table.empty:
        return table
    changes = [Change(*row) for row in table[[f"fit, {one.name}" for one in dataclasses.fields(Change)]].to_numpy()]
    return table.assign(admitted=[change.admitted for change in changes])


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row for each of TAUS: the network retrained, how its answers changed on images for fitting, its quantities.

    Raises SoftlabError for a method without a pull.  Whether a dose is admitted is decided before it is attacked.
    """
    experiment = subject.run.experiment
    check_known("method with a pull", experiment.method, PULLS)
    pull = PULLS[experiment.method]
    dataset = dataset_of(experiment)
    before = look_at(subject.run, subject.evaluation)
    doses = all_doses(before.model, images_of(experiment, dataset), pull, experiment.seed)
    rows = []
    for tau in TAUS:
        round_weights(doses[tau])
        answers = change(before.model, doses[tau], dataset.fit_images, dataset.fit_labels)
        moved_by = {f"fit, {name}": value for name, value in dataclasses.asdict(answers).items()}
        look = Look(doses[tau], before.samples)
        numbers = together([applied(LENSES[name], look) for name in LENSES_ASKED])
        rows.append({"tau": tau, "pull": pull, **moved_by, **numbers.values})
    return rows


def retrained(
    model: nn.Module, images: Tensor, tau: float, pull: float, seed: int, start: nn.Module | None = None
) -> nn.Module:
    """A copy of a network, trained on to τ times its slope; statistics of batch normalisation stay as they are.

    model: gives logits (N, K); left as it is.  images: (N, C, H, W), uint8 or float in [0, 1], without labels.
    seed: of the order of images.  start: where the weights begin, if not at the model's own.
    """
    old_logits, old_slope = _answers(model, images)
    size = (old_logits - old_logits.mean(1, keepdim=True)).square().sum(1)
    trained = copy.deepcopy(start if start is not None else model).eval().requires_grad_(True)
    optimizer = torch.optim.SGD(trained.parameters(), RATE, momentum=0.9, nesterov=True)
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    wanted = old_slope + torch.tensor(tau).log()
    with safe_kernels(trained):
        for step in range(STEPS):
            if len(order) < BATCH:
                order = torch.randperm(len(images), generator=generator)
            chosen = order[:BATCH]
            order = order[BATCH:]
            logits, log_slope = logits_and_slope(trained, as_pixels(images[chosen]))
            held = (logits - old_logits[chosen]).square().sum(1) / size[chosen]
            drawn = (log_slope - wanted[chosen]).square()
            optimizer.zero_grad()
            (held + pull * drawn).mean().backward()
            nn.utils.clip_grad_norm_(trained.parameters(), CLIP)
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / STEPS)
            optimizer.step()
    return trained.requires_grad_(False)


def all_doses(model: nn.Module, images: Tensor, pull: float, seed: int) -> dict[float, nn.Module]:
    """The network at each of TAUS, {τ: network}; the sham last, as it needs to know how far the others moved."""
    doses = {tau: retrained(model, images, tau, pull, seed) for tau in TAUS if tau != SHAM}
    start = disturbed(model, moved(model, doses.values()), seed)
    doses[SHAM] = retrained(model, images, SHAM, pull, seed, start)
    return doses


def moved(model: nn.Module, others: Iterable[nn.Module]) -> dict[str, float]:
    """How far each parameter of the others is from the model's, as a Euclidean length, mean over the others."""
    others = list(others)
    before = dict(model.named_parameters())
    total = dict.fromkeys(before, 0.0)
    for other in others:
        for name, value in other.named_parameters():
            total[name] += float((value.detach() - before[name].detach()).norm())
    return {name: length / len(others) for name, length in total.items()}


def disturbed(model: nn.Module, lengths: Mapping[str, float], seed: int) -> nn.Module:
    """A copy of the model, each parameter moved as far as lengths say, in a random direction."""
    found = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in found.named_parameters():
            direction = torch.randn(value.shape, generator=generator)
            value += (lengths[name] * direction / direction.norm()).to(value.device)
    return found


def change(before: nn.Module, after: nn.Module, images: Tensor, labels: Tensor) -> Change:
    """How a network's answers changed on these images (N, C, H, W) and labels (N,)."""
    old = _measured(before, images, labels)
    new = _measured(after, images, labels)
    return Change(*(float(value - other) for value, other in zip(new, old, strict=True)))


def _measured(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Mean log margin, mean log length, mean log slope, accuracy."""
    logits = all_logits(model, as_pixels(images))
    slope = steepness.slope(steepness.margin_gradient(model, images), images, EPSILON)
    logs = [value.log().mean() for value in (steepness.margin(logits), steepness.length(logits), slope)]
    return *logs, (logits.argmax(1) == labels).float().mean()


def _answers(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and log slopes (N,) of the network as it is."""
    frozen = frozen_copy(model)
    parts = [logits_and_slope(frozen, as_pixels(batch)) for batch in images.split(500)]
    return torch.cat([logits.detach() for logits, _ in parts]), torch.cat([slope.detach() for _, slope in parts])


def logits_and_slope(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and log slopes (N,) of images in [0, 1], both with a gradient to the weights.

    The slope is the difference of z₁ - z₂ along the first step of an attack, whose derivative by the weights is that of
    the gradient's own length as the step shrinks: no second derivative is needed.
    """
    pixels = images.clone().requires_grad_()
    logits = model(pixels)
    first, second = logits.topk(2, dim=1).indices.T

    def gap(values: Tensor) -> Tensor:
        return (values.gather(1, first[:, None]) - values.gather(1, second[:, None]))[:, 0]

    (gradient,) = torch.autograd.grad(gap(logits).sum(), pixels, retain_graph=True)
    step = -PROBE * gradient.sign() * steepness.room(gradient, images).clamp(max=EPSILON)
    fall = gap(model(images - step)) - gap(model(images + step))
    slope = fall / (2 * PROBE * EPSILON)
    return logits, slope.clamp(min=1e-12).log()
