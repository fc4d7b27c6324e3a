"""Every number of the book for one network, through the lenses of chapters 2 to 6: rows of report cards and of tables.

`QUANTITIES` says of each how it is written, which way is better, and which claim of the papers it belongs to.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from softlab import attacks, calibration, corruptions, geometry, selective
from softlab.batches import as_pixels
from softlab.errors import SoftlabError
from softlab.representation import Representation, extract, head_of


@dataclass(frozen=True)
class Quantity:
    """How one number is called and written, and the claim that it is the statistic of.

    chapter: the notebook that explains it.  factor, digits: in which units.  better: +1 more, -1 less, 0 neither.
    claim, variant: of claims.yml and of the ledger (empty: none).
    """

    label: str
    chapter: str
    factor: float = 1
    digits: int = 2
    better: int = 0
    claim: str = ""
    variant: str = ""


CONES, MAGNITUDES, COSINES = "02_cones", "03_magnitudes", "04_cosines"
CALIBRATION, ROBUSTNESS = "05_calibration", "06_robustness"
RADII = (1, 2, 4)  # in 255ths
CORRUPTED = 500  # test images that meet corruptions
KEPT = 2**21  # pixels: of no more, corrupted images stay in memory for the next network
VERSIONS = ("raw", "centred", "row space")  # of the within-class variation
QUANTITIES = {
    "accuracy": Quantity("accuracy (%)", "01_soft_labels", 100, 1, 1, "accuracy-improves"),
    "apex ratio": Quantity("distance of the apex / ‖Qf‖", CONES, 1, 3),
    "constant class": Quantity(
        "class the same at t = 0.1 and 10 (%)", CONES, 100, 1, claim="cones-invariant", variant="two-sided"
    ),
    "settled share": Quantity("class settled below t = 1 (%)", CONES, 100, 1),
    "onset": Quantity("median onset t₀", CONES, 1, 3),
    "log magnitude": Quantity("log magnitude", MAGNITUDES, claim="magnitude-shrinks"),
    "log logit scale": Quantity("log logit scale ‖W_c f‖", MAGNITUDES, claim="logit-scale-shrinks"),
    "seen share": Quantity("seen share ‖Qf‖ / ‖f‖", MAGNITUDES),
    **{
        f"cosine, {variant}": Quantity(f"cosine, {variant}", COSINES, claim="cosine-rises", variant=variant)
        for variant in geometry.VARIANTS
    },
    **{f"spread, {version}": Quantity(f"within-class variation, {version}", COSINES, 1, 3) for version in VERSIONS},
    **{f"separation, {version}": Quantity(f"R², {version}", COSINES, 1, 3) for version in VERSIONS},
    "ECE": Quantity("ECE (%)", CALIBRATION, 100, 1, -1, "calibration-improves"),
    "gap": Quantity("confidence − accuracy (points)", CALIBRATION, 100, 1),
    "floor": Quantity("ECE of a calibrated network (%)", CALIBRATION, 100, 1),
    "NLL": Quantity("NLL", CALIBRATION, 1, 3, -1),
    "Brier": Quantity("Brier score", CALIBRATION, 1, 3, -1),
    "temperature": Quantity("best temperature", CALIBRATION),
    "ECE at T": Quantity("ECE at that temperature (%)", CALIBRATION, 100, 1, -1),
    "NLL at T": Quantity("NLL at that temperature", CALIBRATION, 1, 3, -1),
    "AURC": Quantity("AURC (%)", CALIBRATION, 100, 2, -1, "ls-hurts-selective"),
    "excess AURC": Quantity("excess AURC (%)", CALIBRATION, 100, 2, -1),
    **{
        f"robust, {radius}/255": Quantity(
            f"accuracy, attack of {radius}/255 (%)", ROBUSTNESS, 100, 1, 1, "robustness-improves", f"{radius}/255"
        )
        for radius in RADII
    },
    "corrupted": Quantity("accuracy, corrupted (%)", ROBUSTNESS, 100, 1, 1, "corruption-improves"),
}


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
    attacked: int = 200
    steps: int = 20
    kept: dict[tuple[str, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def corrupted(self) -> Iterator[Tensor]:
        """The first test images in each corruption at severities 1, 3 and 5, one at a time; small ones are kept."""
        images = self.test[0][:CORRUPTED]
        for setting in itertools.product(corruptions.SEVERITIES, (1, 3, 5)):
            worse = self.kept.get(setting)
            if worse is None:
                worse = corruptions.corrupt(images, *setting, torch.Generator().manual_seed(0))
            if images.numel() <= KEPT:
                self.kept[setting] = worse
            yield worse


def measure(
    model: nn.Module, samples: Samples, head: nn.Linear | None = None, problems: dict[str, str] | None = None
) -> dict[str, float]:
    """Every number of QUANTITIES for one network, in the units of its lens.

    head: the linear layer that gives the logits (None: model.head).  problems: if given, a lens that cannot be applied
    leaves its numbers out and its error here, under its chapter; otherwise the error is raised.
    """
    tested = extract(model, *samples.test, head=head)
    found = {"accuracy": tested.accuracy}

    def layer() -> tuple[Tensor, Tensor]:
        return head_of(model, head)  # some networks have no single one

    lenses: list[tuple[str, Callable[[], dict[str, float]]]] = [
        (CONES, lambda: _cones(tested, layer())),
        (MAGNITUDES, lambda: _magnitudes(tested, layer())),
        (COSINES, lambda: _cosines(tested, extract(model, *samples.reference, head=head), layer())),
        (CALIBRATION, lambda: _calibration(tested, extract(model, *samples.fit, head=head))),
        (ROBUSTNESS, lambda: _robustness(model, samples, head)),
    ]
    for chapter, lens in lenses:
        try:
            found |= lens()
        except SoftlabError as error:
            if problems is None:
                raise
            problems[chapter] = str(error)
    return found


def _cones(tested: Representation, layer: tuple[Tensor, Tensor]) -> dict[str, float]:
    return {
        "apex ratio": geometry.apex_ratio(tested.features, *layer),
        "constant class": geometry.constant_share(tested.features, *layer),
        "settled share": geometry.settled_share(tested.features, *layer),
        "onset": float(geometry.cone_onset(tested.features, *layer).median()),
    }


def _magnitudes(tested: Representation, layer: tuple[Tensor, Tensor]) -> dict[str, float]:
    factors = geometry.logit_scale_factors(tested.features, layer[0])
    scale = factors.norm * factors.seen_share * factors.head_gain
    return {
        "log magnitude": float(geometry.magnitude(tested.features).log().mean()),
        "log logit scale": float(scale.log().mean()),
        "seen share": float(factors.seen_share.mean()),
    }


def _cosines(tested: Representation, reference: Representation, layer: tuple[Tensor, Tensor]) -> dict[str, float]:
    centers = geometry.Centers.of(reference.features, reference.labels, *layer)
    cosines = geometry.cosine_variants(tested.features, tested.logits, tested.labels, centers)
    spread = geometry.variation_variants(tested.features, tested.labels, layer[0])
    found = {f"cosine, {variant}": float(values.nanmean()) for variant, values in cosines.items()}
    found |= {f"spread, {version}": spread[version][0] for version in VERSIONS}
    return found | {f"separation, {version}": spread[version][1] for version in VERSIONS}


def _calibration(tested: Representation, fitted: Representation) -> dict[str, float]:
    temperature = calibration.fit_temperature(fitted.logits, fitted.labels)
    probs, cooled, labels = tested.logits.softmax(1), (tested.logits / temperature).softmax(1), tested.labels
    confidence = probs.amax(1)
    return {
        "ECE": calibration.expected_calibration_error(probs, labels),
        "gap": calibration.confidence_gap(probs, labels),
        "floor": calibration.ece_noise_floor(probs, generator=torch.Generator().manual_seed(0))[0],
        "NLL": calibration.nll(tested.logits, labels),
        "Brier": calibration.brier(probs, labels),
        "temperature": temperature,
        "ECE at T": calibration.expected_calibration_error(cooled, labels),
        "NLL at T": calibration.nll(tested.logits / temperature, labels),
        "AURC": selective.aurc(confidence, tested.correct),
        "excess AURC": selective.excess_aurc(confidence, tested.correct),
    }


def _robustness(model: nn.Module, samples: Samples, head: nn.Linear | None) -> dict[str, float]:
    images, labels = (part[: samples.attacked] for part in samples.test)
    ladder = attacks.usual_ladder(samples.steps)
    curve = attacks.robustness_curve(model, as_pixels(images), labels, [radius / 255 for radius in RADII], ladder)
    found = {f"robust, {radius}/255": float(value) for radius, value in zip(RADII, curve.accuracy[-1], strict=True)}
    labels = samples.test[1][:CORRUPTED]
    hit = [extract(model, worse, labels, head=head).accuracy for worse in samples.corrupted()]
    return found | {"corrupted": sum(hit) / len(hit)}
