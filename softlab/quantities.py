"""Every quantity of the book: what it is called, and the lens that measures it. A new one is added here, and only here.

A lens is a function of a `Look` at one network. It gives one number for each of its quantities, and tensors with one
entry for each image where an effect needs an interval over images too. Whoever changes what a lens gives bumps its
version: numbers on record count for their version only (softlab.numbers).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab import attacks, calibration, corruptions, geometry, selective
from softlab.batches import as_pixels
from softlab.errors import SoftlabError
from softlab.representation import Representation, extract, head_of


@dataclass(frozen=True)
class Quantity:
    """How one number is called and written, and the claim that it is the statistic of.

    chapter: the notebook that explains it.  factor, digits: in which units.  better: +1 more, -1 less, 0 neither.
    claim, variant: of claims.yml and of the ledger (empty: none).  images: the outcome of which it is the mean over
    images, among those that its lens gives (empty: it is no such mean).
    """

    label: str
    chapter: str
    factor: float = 1
    digits: int = 2
    better: int = 0
    claim: str = ""
    variant: str = ""
    images: str = ""


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
    """One network on its samples: what lenses share is computed once, when the first of them asks for it."""

    def __init__(self, model: nn.Module, samples: Samples, head: nn.Linear | None = None):
        """head: the linear layer that gives the logits (None: model.head)."""
        self.model, self.samples, self.head = model, samples, head

    @functools.cached_property
    def tested(self) -> Representation:
        return extract(self.model, *self.samples.test, head=self.head)

    @functools.cached_property
    def reference(self) -> Representation:
        return extract(self.model, *self.samples.reference, head=self.head)

    @functools.cached_property
    def fitted(self) -> Representation:
        return extract(self.model, *self.samples.fit, head=self.head)

    @functools.cached_property
    def temperature(self) -> float:
        return calibration.fit_temperature(self.fitted.logits, self.fitted.labels)

    @property
    def layer(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the head. Raises SoftlabError for networks that have no single linear one."""
        return head_of(self.model, self.head)


Found = Mapping[str, float | Tensor]


@dataclass(frozen=True)
class Lens:
    """A group of quantities that are measured together. clean: it attacks or corrupts no image, and is quick."""

    name: str
    version: int
    quantities: Mapping[str, Quantity]
    measure: Callable[[Look], Found]
    clean: bool


LENSES: dict[str, Lens] = {}
QUANTITIES: dict[str, Quantity] = {}


def lens(version: int, quantities: Mapping[str, Quantity], clean: bool = True):
    """Register the function below as the lens of these quantities, under its own name."""

    def register(measure: Callable[[Look], Found]) -> Callable[[Look], Found]:
        LENSES[measure.__name__] = Lens(measure.__name__, version, quantities, measure, clean)
        QUANTITIES.update(quantities)
        return measure

    return register


def measure(
    model: nn.Module, samples: Samples, head: nn.Linear | None = None, problems: dict[str, str] | None = None
) -> dict[str, float]:
    """Every number of QUANTITIES for one network, in the units of its lens.

    head: the linear layer that gives the logits (None: model.head).  problems: if given, a lens that cannot be applied
    leaves its numbers out and its error here, under its name; otherwise the error is raised.
    """
    look, values = Look(model, samples, head), {}
    for one in LENSES.values():
        try:
            values |= {name: value for name, value in one.measure(look).items() if name in one.quantities}
        except SoftlabError as error:
            if problems is None:
                raise
            problems[one.name] = str(error)
    return values


SOFT_LABELS, CONES, MAGNITUDES, COSINES = "01_soft_labels", "02_cones", "03_magnitudes", "04_cosines"
CALIBRATION, ROBUSTNESS = "05_calibration", "06_robustness"
RADII = (1, 2, 4, 8)  # of the ladder of attacks, in 255ths
SAID = (1, 2, 4)  # of them, those that sentences speak of and claims are judged at
PAPERS = 0.4 / 255  # the radius of Park et al., with PGD-7; so close by, the ladder's last rung finds nothing more
CORRUPTED = 500  # test images that meet corruptions
WALKED = 200  # attacked images whose way in the space of features is looked at
KEPT = 2**21  # pixels: of no more, corrupted images stay in memory for the next network
VERSIONS = ("raw", "centred", "row space", "logits")  # of the within-class variation; the last is invariant
STEPS = ("gradient", "gradient at T", "attack, cross-entropy", "attack, margin")


@lens(
    1,
    {
        "accuracy": Quantity("accuracy (%)", SOFT_LABELS, 100, 1, 1, "accuracy-improves", images="right"),
        "training accuracy": Quantity("accuracy on training images (%)", SOFT_LABELS, 100, 1),
    },
)
def outcomes(look: Look) -> Found:
    tested = look.tested
    return {
        "accuracy": tested.accuracy,
        "training accuracy": look.reference.accuracy,
        "right": tested.correct,
        "confidence": tested.logits.softmax(1).amax(1),
        "loss": functional.cross_entropy(tested.logits, tested.labels, reduction="none"),
    }


@lens(
    1,
    {
        "apex ratio": Quantity("distance of the apex / ‖Qf‖", CONES, 1, 3),
        "constant class": Quantity(
            "class the same at t = 0.1 and 10 (%)", CONES, 100, 1, claim="cones-invariant", variant="two-sided"
        ),
        "settled share": Quantity("class settled below t = 1 (%)", CONES, 100, 1),
        "onset": Quantity("median onset t₀", CONES, 1, 3),
    },
)
def cones(look: Look) -> Found:
    features = look.tested.features
    return {
        "apex ratio": geometry.apex_ratio(features, *look.layer),
        "constant class": geometry.constant_share(features, *look.layer),
        "settled share": geometry.settled_share(features, *look.layer),
        "onset": float(geometry.cone_onset(features, *look.layer).median()),
    }


@lens(
    1,
    {
        "log magnitude": Quantity("log magnitude", MAGNITUDES, claim="magnitude-shrinks"),
        "log logit scale": Quantity("log logit scale ‖W_c f‖", MAGNITUDES, claim="logit-scale-shrinks"),
        "seen share": Quantity("seen share ‖Qf‖ / ‖f‖", MAGNITUDES),
        "log seen share": Quantity("log seen share", MAGNITUDES),
        "log head gain": Quantity("log head gain ‖W_c Qf‖ / ‖Qf‖", MAGNITUDES),
        "log head norm": Quantity("log ‖W_c‖", MAGNITUDES),
    },
)
def magnitudes(look: Look) -> Found:
    features, weight = look.tested.features, look.layer[0]
    factors = geometry.logit_scale_factors(features, weight)
    seen, gain = (float(one.log().mean()) for one in factors[1:])
    return {
        "log magnitude": float(geometry.magnitude(features).log().mean()),
        "log logit scale": float(factors.norm.log().mean()) + seen + gain,
        "seen share": float(factors.seen_share.mean()),
        "log seen share": seen,
        "log head gain": gain,
        "log head norm": float((weight - weight.mean(0)).norm().log()),
    }


@lens(
    1,
    {
        f"cosine, {variant}": Quantity(f"cosine, {variant}", COSINES, claim="cosine-rises", variant=variant)
        for variant in geometry.VARIANTS
    },
)
def cosines(look: Look) -> Found:
    tested, reference = look.tested, look.reference
    centers = geometry.Centers.of(reference.features, reference.labels, *look.layer)
    variants = geometry.cosine_variants(tested.features, tested.logits, tested.labels, centers)
    return {f"cosine, {variant}": float(values.nanmean()) for variant, values in variants.items()}


@lens(
    1,
    {
        **{f"spread, {version}": Quantity(f"within-class variation, {version}", COSINES, 1, 3) for version in VERSIONS},
        **{f"separation, {version}": Quantity(f"R², {version}", COSINES, 1, 3) for version in VERSIONS},
        **{
            f"spread, {version}, train": Quantity(f"within-class variation, {version}, training images", COSINES, 1, 3)
            for version in VERSIONS
        },
        **{
            f"separation, {version}, train": Quantity(f"R², {version}, training images", COSINES, 1, 3)
            for version in VERSIONS
        },
        "loosening": Quantity("within-class variation of the logits, test − training images", COSINES, 1, 3),
        "spread, predicted": Quantity("variation of the logits within predicted classes", COSINES, 1, 3),
    },
)
def variation(look: Look) -> Found:
    found, weight = {}, look.layer[0]
    for part, where in ((look.tested, ""), (look.reference, ", train")):
        parts = geometry.variation_variants(part.features, part.labels, weight)
        parts["logits"] = geometry.within_class_variation(_centred(part.logits), part.labels)
        found |= {f"spread, {version}{where}": spread for version, (spread, _) in parts.items()}
        found |= {f"separation, {version}{where}": apart for version, (_, apart) in parts.items()}
    logits, predicted = look.tested.logits, look.tested.logits.argmax(1)
    within = math.nan  # where one class is predicted for all images
    if len(predicted.unique()) > 1:
        within, _ = geometry.within_class_variation(_centred(logits), predicted)
    loosening = found["spread, logits"] - found["spread, logits, train"]
    return found | {"loosening": loosening, "spread, predicted": within}


@lens(
    1,
    {
        "ECE": Quantity("ECE (%)", CALIBRATION, 100, 1, -1, "calibration-improves"),
        "overconfident part": Quantity("overconfident part of ECE (%)", CALIBRATION, 100, 1, -1),
        "underconfident part": Quantity("underconfident part of ECE (%)", CALIBRATION, 100, 1, -1),
        "gap": Quantity("confidence − accuracy (points)", CALIBRATION, 100, 1),
        "floor": Quantity("ECE of a calibrated network (%)", CALIBRATION, 100, 1),
        "NLL": Quantity("NLL", CALIBRATION, 1, 3, -1, images="loss"),
        "Brier": Quantity("Brier score", CALIBRATION, 1, 3, -1),
        "temperature": Quantity("best temperature", CALIBRATION),
        "ECE at T": Quantity("ECE at that temperature (%)", CALIBRATION, 100, 1, -1),
        "NLL at T": Quantity("NLL at that temperature", CALIBRATION, 1, 3, -1, images="loss at T"),
        "Brier at T": Quantity("Brier score at that temperature", CALIBRATION, 1, 3, -1),
        "AURC": Quantity("AURC (%)", CALIBRATION, 100, 2, -1, "ls-hurts-selective"),
        "excess AURC": Quantity("excess AURC (%)", CALIBRATION, 100, 2, -1),
    },
)
def calibrated(look: Look) -> Found:
    tested, temperature = look.tested, look.temperature
    logits, labels = tested.logits, tested.labels
    probs, cooled = logits.softmax(1), (logits / temperature).softmax(1)
    confidence, diagram = probs.amax(1), calibration.reliability(probs, labels)
    return {
        "ECE": diagram.error,
        "overconfident part": diagram.over,
        "underconfident part": diagram.under,
        "gap": calibration.confidence_gap(probs, labels),
        "floor": calibration.ece_noise_floor(probs, generator=torch.Generator().manual_seed(0))[0],
        "NLL": calibration.nll(logits, labels),
        "Brier": calibration.brier(probs, labels),
        "temperature": temperature,
        "ECE at T": calibration.expected_calibration_error(cooled, labels),
        "NLL at T": calibration.nll(logits / temperature, labels),
        "Brier at T": calibration.brier(cooled, labels),
        "AURC": selective.aurc(confidence, tested.correct),
        "excess AURC": selective.excess_aurc(confidence, tested.correct),
        "loss": functional.cross_entropy(logits, labels, reduction="none"),
        "loss at T": functional.cross_entropy(logits / temperature, labels, reduction="none"),
    }


def _robust(radius: float) -> Quantity:
    claim = ("robustness-improves", f"{radius}/255") if radius in SAID else ("", "")
    label = f"accuracy, attack of {radius}/255 (%)"
    return Quantity(label, ROBUSTNESS, 100, 1, 1, *claim, images=f"survives {radius}/255")


@lens(
    1,
    {
        "robust, 0.4/255, PGD-7": Quantity(
            "accuracy, PGD-7 of 0.4/255 (%)",
            ROBUSTNESS,
            100,
            1,
            1,
            "robustness-improves",
            "0.4/255, PGD-7",
            images="survives 0.4/255",
        ),
        **{f"robust, {radius}/255": _robust(radius) for radius in RADII},
        "gradient zero": Quantity("images without gradient in float32 (%)", ROBUSTNESS, 100, 1),
        "gradient misdirected": Quantity("images with a misdirected gradient (%)", ROBUSTNESS, 100, 1),
    },
    clean=False,
)
def attacked(look: Look) -> Found:
    """Accuracy after the ladder of attacks; `survived` (rungs, radii, images): right under all attacks so far."""
    images, labels = (part[: look.samples.attacked] for part in look.samples.test)
    images, ladder = as_pixels(images), attacks.usual_ladder(look.samples.steps)
    papers = attacks.robustness_curve(look.model, images, labels, [PAPERS], {"PGD-7": ladder["PGD-7"]})
    curve = attacks.robustness_curve(look.model, images, labels, [radius / 255 for radius in RADII], ladder)
    zero, misdirected = attacks.gradient_shares(look.tested.logits, look.tested.labels)
    found = {f"robust, {radius}/255": float(curve.accuracy[-1, e]) for e, radius in enumerate(RADII)}
    found |= {f"survives {radius}/255": curve.survived[-1, e] for e, radius in enumerate(RADII)}
    found |= {"robust, 0.4/255, PGD-7": float(papers.accuracy), "survives 0.4/255": papers.survived[0, 0]}
    return found | {"gradient zero": zero, "gradient misdirected": misdirected, "survived": curve.survived}


@lens(
    1,
    {
        f"inward, {step}{space}": Quantity(
            f"cosine of {step} with −f{space}", ROBUSTNESS, claim="perturbation-to-origin", variant=f"{step}{space}"
        )
        for step in STEPS
        for space in ("", ", row space")
    },
    clean=False,
)
def inward(look: Look) -> Found:
    """How far the loss gradient, and what an attack of 1/255 does to features, point to the origin; of right images."""
    images, labels = (part[:WALKED] for part in look.samples.test)
    features, logits = look.tested.features[: len(labels)], look.tested.logits[: len(labels)]
    right, (weight, _) = look.tested.correct[: len(labels)], look.layer
    truth, options = functional.one_hot(labels, len(weight)), {"steps": 10, "early_stop": False}

    def moved(loss: str) -> Tensor:
        result = attacks.pgd(look.model, as_pixels(images), labels, 1 / 255, loss=loss, **options)
        return extract(look.model, result.images, labels, head=look.head).features - features

    gradients = (((logits / T).softmax(1) - truth) @ weight for T in (1, look.temperature))
    steps = dict(zip(STEPS, (*gradients, moved("ce"), moved("margin")), strict=True))
    basis, found = geometry.row_space(weight), {}
    for name, step in steps.items():
        for space, seen in (("", lambda rows: rows), (", row space", lambda rows: rows @ basis.T)):
            share = functional.cosine_similarity(seen(step), -seen(features), dim=1)
            found[f"inward, {name}{space}"] = float(share[right].mean())
    return found


@lens(
    1,
    {
        "corrupted": Quantity("accuracy, corrupted (%)", ROBUSTNESS, 100, 1, 1, "corruption-improves"),
        **{
            f"corrupted, {kind}": Quantity(f"accuracy, {kind} (%)", ROBUSTNESS, 100, 1, 1)
            for kind in corruptions.SEVERITIES
        },
    },
    clean=False,
)
def corrupted(look: Look) -> Found:
    labels, by_kind = look.samples.test[1][:CORRUPTED], {}
    for kind, worse in look.samples.corrupted():
        by_kind.setdefault(kind, []).append(extract(look.model, worse, labels, head=look.head).accuracy)
    found = {f"corrupted, {kind}": sum(some) / len(some) for kind, some in by_kind.items()}
    return {"corrupted": sum(found.values()) / len(found), **found}


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(1, keepdim=True)
