"""Lenses: what they look at, and the names and units of the quantities that they measure (all in quantities.py)."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields

import numpy as np
import torch
from torch import Tensor, nn

from softlab.errors import SoftlabError
from softlab.files import short_digest
from softlab.lenses import calibration, corruptions
from softlab.representation import Representation, extract, head_of

CORRUPTED = 500  # test images that meet corruptions
STEEP = 500  # test images that meet one backward pass, where none is attacked
ROUNDING = 1e-6  # what is left of float32's last digits in a number of the order of one
KEPT = 2**21  # pixels: of no more, corrupted images stay in memory for the next network


@dataclass(frozen=True)
class Quantity:
    """The name of one number, and how it is written.

    group: what it is about, in a word.  factor, digits: in which units.  better: +1 more, -1 less, 0 neither.
    images: the outcome of which it is the mean over images, among those that its lens gives (empty: no such mean).
    share_of: the images of which it counts some, or adds up what only some have, by a name of `Samples.sizes` (empty:
    neither).
    version: raised with every change of what the number is, so that recorded ones are told apart (None: its lens').
    """

    label: str
    group: str
    _: KW_ONLY
    factor: float = 1
    digits: int = 2
    better: int = 0
    images: str = ""
    share_of: str = ""
    version: int | None = None

    def resolution(self, sizes: Mapping[str, int]) -> float:
        """The smallest standard deviation over seeds that is taken at its word, in the units of its lens.

        sizes: of the samples (`Samples.sizes`).  A count of images moves by one at least: if a few networks have no
        such image, the next may have one. Everything else, even what is zero by definition, moves by rounding.
        """
        return 1 / sizes[self.share_of] if self.share_of else ROUNDING

    @property
    def changed(self) -> str:
        """The label of a change: a percentage changes by points."""
        return self.label.replace("(%)", "(points)")


@dataclass(frozen=True)
class Samples:
    """What a network is measured on; each part is images (N, C, H, W), uint8 or in [0, 1], and labels (N,) int64.

    reference: for class means and radii, usually the training images.  fit: for the temperature.  test: scored, of
    which the first `attacked` meet attacks of `steps` steps, and the first CORRUPTED corruptions.  kept: corrupted
    images, filled as they are made; samples with the same test images may share it.
    """

    reference: tuple[Tensor, Tensor]
    fit: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    attacked: int = 500
    steps: int = 20
    kept: dict[tuple[str, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    @property
    def sizes(self) -> dict[str, int]:
        """The possible denominators of a share, by their name in `Quantity.share_of`."""
        test = len(self.test[1])
        return {
            "reference": len(self.reference[1]),
            "fit": len(self.fit[1]),
            "test": test,
            "attacked": min(self.attacked or STEEP, test),
            "corrupted": min(CORRUPTED, test),
        }

    def corrupted(self) -> Iterator[tuple[str, Tensor]]:
        """Kind, and the first test images in it, at severities 1, 3 and 5, one at a time; small ones are kept."""
        images = self.test[0][:CORRUPTED]
        for kind, severity in itertools.product(corruptions.SEVERITIES, (1, 3, 5)):
            worse = self.kept.get((kind, severity))
            if worse is None:
                worse = corruptions.corrupt(images, kind, severity, torch.Generator().manual_seed(0))
            if images.numel() <= KEPT:
                self.kept[kind, severity] = worse
            yield kind, worse


class Look:
    """One network on its samples: what lenses share is computed once, when the first of them needs it."""

    def __init__(self, model: nn.Module, samples: Samples):
        """model: its part `head` gives the logits."""
        self.model = model
        self.samples = samples

    @functools.cached_property
    def tested(self) -> Representation:
        return extract(self.model, *self.samples.test)

    @functools.cached_property
    def reference(self) -> Representation:
        return extract(self.model, *self.samples.reference)

    @functools.cached_property
    def fitted(self) -> Representation:
        return extract(self.model, *self.samples.fit)

    @functools.cached_property
    def corrupted(self) -> dict[str, list[Representation]]:
        """The first test images in each kind of corruption, at severities 1, 3 and 5."""
        labels = self.samples.test[1][:CORRUPTED]
        by_kind = {}
        for kind, worse in self.samples.corrupted():
            by_kind.setdefault(kind, []).append(extract(self.model, worse, labels))
        return by_kind

    @functools.cached_property
    def temperature(self) -> float:
        return calibration.fit_temperature(self.fitted.logits, self.fitted.truth)

    @property
    def layer(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the head. Raises SoftlabError for networks that have no single linear one."""
        return head_of(self.model)


class LookAtPredictions(Look):
    """Predictions without their network, for lenses that need only logits and labels."""

    def __init__(self, fitted: Representation, tested: Representation):
        self.fitted = fitted
        self.tested = tested


Found = Mapping[str, float | Tensor]


@dataclass(frozen=True)
class Lens:
    """A group of quantities that are measured together. clean: quick, as it attacks and corrupts no image.

    version: that of its quantities without one of their own.
    """

    name: str
    version: int
    quantities: Mapping[str, Quantity]
    measure: Callable[[Look], Found]
    clean: bool

    @property
    def versions(self) -> dict[str, int]:
        """The version of each of its quantities."""
        return {name: quantity.version or self.version for name, quantity in self.quantities.items()}

    @property
    def own_versions(self) -> dict[str, int]:
        """The versions of quantities that differ from their lens's."""
        return {name: version for name, version in self.versions.items() if version != self.version}

    @property
    def edition(self) -> str:
        """Part of a file's name, which changes with the version of any of its quantities."""
        return f"{self.version}.{short_digest(self.own_versions)}" if self.own_versions else str(self.version)


LENSES: dict[str, Lens] = {}
QUANTITIES: dict[str, Quantity] = {}


def lens(version: int, quantities: Mapping[str, Quantity], clean: bool = True):
    """Decorator: register a function, under its name, as the lens of these quantities."""

    def register(measure: Callable[[Look], Found]) -> Callable[[Look], Found]:
        LENSES[measure.__name__] = Lens(measure.__name__, version, quantities, measure, clean)
        QUANTITIES.update(quantities)
        return measure

    return register


@dataclass(frozen=True)
class Numbers:
    """What lenses measured of one network.

    values: quantity -> number, in the units of its lens (may be NaN).  images: outcome -> array whose last axis goes
    over images (bool or float32).  problems: name of a lens that could not be applied -> why.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def applied(lens: Lens, look: Look) -> Numbers:
    """What one lens says of a network. Raises if the lens misses a quantity of its own."""
    try:
        measured = lens.measure(look)
    except SoftlabError as error:
        return Numbers(problems={lens.name: str(error)})
    images = {name: value.cpu().numpy() for name, value in measured.items() if isinstance(value, Tensor)}
    return Numbers({name: float(measured[name]) for name in lens.quantities}, images)


def together(parts: Sequence[Numbers]) -> Numbers:
    """What several lenses say of the same network."""
    whole = {kind.name: {} for kind in fields(Numbers)}
    for part in parts:
        for name, entries in whole.items():
            entries.update(getattr(part, name))
    return Numbers(**whole)
