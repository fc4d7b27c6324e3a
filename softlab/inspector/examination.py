"""What the lenses say about any classifier whose logits come from a linear layer, also one that softlab did not build.

seen = examine(model, images, labels)        # the model is left exactly as it was
seen = examine_predictions(logits, labels)   # without a network: calibration, temperature, order of confidences
seen                                         # in a notebook: findings and a table
seen.save("network.html")                    # one page that asks no other host for anything
"""

import functools
import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import torch
from torch import Tensor, nn

from softlab import provenance
from softlab.batches import as_pixels, by_rows, cpu_threads, row_slices
from softlab.checks import check_pixels
from softlab.comparison.intervals import t_interval
from softlab.errors import SoftlabError
from softlab.inspector import foreign, pages, predictions
from softlab.inspector import progress as seconds
from softlab.inspector.context import Context, beside
from softlab.inspector.pictures import Pictures
from softlab.inspector.sentences import not_computed
from softlab.lenses import calibration, geometry, selective, steepness
from softlab.numbers.look import LookAtPredictions, applied, together
from softlab.numbers.quantities import LENSES, QUANTITIES, RADII, REACHES, Look, Samples
from softlab.representation import Representation, check_network, device_of
from softlab.training.data import split_test

if TYPE_CHECKING:
    import matplotlib.figure

PIXELS = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
NOTHING = 1e-6  # a margin or a slope below it is no number to speak of, as of a network that always says the same
PER_CLASS = 4  # images for each class that occurs: one for fitting, three to score
PASSES = 7  # over all predictions: two for calibration, an order, confidence, margin, length, alignment
OF_PREDICTIONS = ("calibrated", "ranked")  # lenses that ask for nothing but logits and labels
OF_LENGTH = ("alignment", "log margin", "log length", "AURC, normalised")  # take all logits, and that they differ
NETWORK_NEEDED = (
    "Only the predictions were given. How steep the logits are, how far attacks carry and what corruptions cost takes "
    "the network and its images; cones, lengths of features and cosines to class centres take its features and its "
    "last layer: softlab examine WEIGHTS.safetensors --architecture NAME --images FOLDER."
)


@dataclass(frozen=True)
class Examination:
    """A network's numbers, in the units of QUANTITIES, and what they say.

    name: the network's class.  head: name of the layer that gives the logits; empty where only predictions were given.
    tested: the images scored, of which `attacked` met attacks; `fitted` others gave the temperature, whose 95 %
    interval over images is `interval` (NaN where there is none).  problems: name of a lens -> why it could not be
    applied.  warnings: what lenses and attacks warned of.  notes: what was decided about network and files.
    channels: of the images (None: they are not known).  images: outcome -> array whose last axis goes over the images
    scored, or over the first of them.
    """

    name: str
    head: str
    numbers: Mapping[str, float]
    problems: Mapping[str, str]
    warnings: tuple[str, ...]
    fitted: int
    attacked: int
    tested: Representation = field(repr=False)
    notes: tuple[str, ...] = ()
    interval: tuple[float, float] = (math.nan, math.nan)
    channels: int | None = None
    images: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def beside(self) -> Context | None:
        """Its numbers beside those on record at the nearest setting; None where there are none."""
        return beside(self.numbers, self.tested.logits.shape[1], self.channels)

    @functools.cached_property
    def _floor(self) -> float:
        """An ECE that a calibrated network of these confidences would rarely exceed."""
        draws = torch.Generator().manual_seed(0)
        return calibration.ece_noise_floor(self.tested.confidence.clamp(max=1), generator=draws)[1]

    def findings(self) -> list[str]:
        """A few sentences, none of which says more than the images can tell; then notes, what failed, and warnings."""
        percent = {name: f"{100 * value:z.1f}" for name, value in self.numbers.items()}
        confidence = self.tested.confidence.clamp(max=1)
        correct = self.tested.correct
        texts = [self._accuracy(correct)]
        if "ECE" in percent:
            texts.append(self._calibration(confidence, self.tested.credit))
        if 0 < self.numbers["accuracy"] < 1:
            texts.append(self._right_from_wrong(confidence[correct].numpy(), confidence[~correct].numpy()))
        if "apex ratio" in percent:
            apex = f"{self.numbers['apex ratio']:.3f} times the mean length of what the head sees of a feature"
            where = f" Class regions are cones around one point, {apex} from the origin."
            texts.append(
                f"From a tenth of a feature's length to ten times it, the class of {percent['constant class']} % of "
                f"images stays the same." + where * (self.numbers["apex residual"] < 1e-3)
            )
        if min(self.numbers.get(name, -math.inf) for name in ("log margin", "log slope")) > math.log(NOTHING):
            texts.append(self._margin_and_slope())
        if "corrupted" in percent:
            under = ", ".join(f"{percent[f'robust, {radius}/255']} % up to {radius}/255" for radius in RADII)
            texts.append(
                f"Under attacks it is right on {under}, of {self.attacked} images; on corrupted images, on "
                f"{percent['corrupted']} %."
            )
        texts += [self.beside.sentence()] if self.beside else []
        texts += self.notes
        texts += [] if self.head else [NETWORK_NEEDED]
        return [*texts, *not_computed(self.problems.items()), *(f"Warning: {text}." for text in self.warnings)]

    def _accuracy(self, correct: Tensor) -> str:
        low, high = calibration.exact_interval(int(correct.sum()), len(correct))
        chance = float(self.tested.labels.bincount().max()) / len(correct)
        right = (
            f"Right on {100 * self.numbers['accuracy']:.1f} % of {len(correct)} images (95 % interval over images "
            f"{100 * low:.1f} to {100 * high:.1f}); {self.fitted} others were for fitting the temperature. "
        )
        if low > chance:
            return right + "One network says nothing about its training method: train several."
        right += f"That is no better than chance: always naming the most frequent class gives {100 * chance:.1f} %"
        confidence = float(self.tested.logits.softmax(1).amax(1).mean())
        if confidence < (1 + chance) / 2:
            return f"{right}. Either it has learned nothing of these labels, or it numbers them otherwise."
        return (
            f"{right}, and yet it is sure, its mean confidence {100 * confidence:.1f} %: either it numbers the labels "
            "otherwise, or it was trained on other pixels (a normalisation, another range, red and blue swapped)."
        )

    def _right_from_wrong(self, right: np.ndarray, wrong: np.ndarray) -> str:
        """Whether it is surer where it is right. right, wrong: confidences on images of each kind."""
        error = math.hypot(right.std() / len(right) ** 0.5, wrong.std() / len(wrong) ** 0.5)
        tells = "tells" if right.mean() - wrong.mean() > 1.96 * error else "hardly tells"
        surely = f"{100 * right.mean():.1f} % where it is right and {100 * wrong.mean():.1f} % where it is wrong"
        return f"Its confidence {tells} right from wrong: it is {surely}, on average.{self._selected()}"

    def _calibration(self, confidence: Tensor, credit: Tensor) -> str:
        before, after = (100 * self.numbers[name] for name in ("ECE", "ECE at T"))
        most = 100 * self._floor
        if before <= most and self.tested.soft is None:
            well = "Well calibrated, as far as these images can tell: a calibrated network would show an ECE of up to "
            return f"{well}{most:.1f} % on them, and here it is {before:.1f} %."
        gap = t_interval((confidence.double() - credit).numpy()).scaled(100)
        leaning = {
            1: "Overconfident: confidence is above accuracy by {} points.",
            -1: "Underconfident: confidence minus accuracy is {} points.",
            0: "Over- and underconfident in different places: confidence minus accuracy is {} points on average.",
        }[gap.side()].format(gap.text())
        by = f"{self.numbers['temperature']:.2f}"
        if math.isfinite(self.interval[0]):
            by += f" (95 % interval over images {self.interval[0]:.2f} to {self.interval[1]:.2f})"
        remedy = f"Divide the logits by {by}: that" if after < before else f"No temperature mends that: the best, {by},"
        return f"{leaning} {remedy} takes the ECE from {before:.1f} % to {after:.1f} %{self._likelihood()}."

    def _likelihood(self) -> str:
        """What the temperature does to the likelihood, with an interval over images."""
        if "NLL at T" not in self.numbers:
            return ""
        moved = t_interval(self.images["loss at T"] - self.images["loss"])
        before, after = (self.numbers[name] for name in ("NLL", "NLL at T"))
        clear = "" if moved.side() else ", which may be chance"
        return f", and the NLL from {before:.3f} to {after:.3f} ({moved.text(3, sign=True)}{clear}); no answer changes"

    def _selected(self) -> str:
        """What is gained by answering only where it is sure."""
        if "AURC" not in self.numbers:
            return ""
        confidence = self.tested.confidence
        risk = 100 * selective.risk_coverage(confidence, self.tested.correct)[1]
        half = float(risk[(len(risk) - 1) // 2])
        return (
            f" If it answered only the half that it is surest of, it would be wrong on {half:.1f} % instead of "
            f"{float(risk[-1]):.1f} %; averaged over all such shares, {100 * self.numbers['AURC']:.2f} % (AURC)."
        )

    def _margin_and_slope(self) -> str:
        """How sure, how steep, how far, as geometric means; and what that says of attacks before there is one."""
        margin = math.exp(self.numbers["log margin"])
        share = margin / math.exp(self.numbers["log length"])
        slope = math.exp(self.numbers["log slope"])
        radius = math.exp(self.numbers["log first-order radius"])
        expected = ", ".join(
            f"{100 * self.numbers[f'estimate, {reach}/255']:.1f} % at {reach}/255" for reach in REACHES
        )
        return (
            f"How sure: its largest logit is typically {margin:.3g} above the second, {share:.2f} times the length of "
            f"its logits. How steep: an attack takes {slope / 255:.2g} off that for every 1/255 that it may move a "
            f"pixel. How far: so the border of the class is typically {255 * radius:.2g}/255 away. From this one "
            f"gradient, without an attack, one would expect {expected} of the images to stay right. Believe it where "
            "an attack agrees: it is wrong, usually too high, where a network bends within so small a step, and says "
            "nothing of one that hides its gradient."
        )

    def table(self) -> pandas.DataFrame:
        """Every number in the units in which it is written, by what it is about."""
        values = {QUANTITIES[name]: value for name, value in self.numbers.items()}
        rows = {(q.group, q.label): {self.name: f"{q.factor * value:.{q.digits}f}"} for q, value in values.items()}
        from softlab.figures.tables import table  # what draws is loaded when it draws

        return table(rows, corner=["about", "quantity"]).T

    def figure(self) -> "matplotlib.figure.Figure":
        """A reliability diagram, and accuracy against the radius of attacks; without a network, risk and coverage."""
        import matplotlib.pyplot as plt

        from softlab import figures

        figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.3), layout="constrained")
        curve = calibration.diagram(self.tested.confidence, self.tested.credit)
        figures.reliability(curve, self.name, left)
        look = figures.style(self.name)
        if self.attacked:
            under = [self.numbers.get(name, np.nan) for name in ("accuracy", *(f"robust, {r}/255" for r in RADII))]
            right.plot([0, *RADII], 100 * np.array(under), color=look.color, marker=look.marker, ms=5)
            right.set(xlabel="radius of the attack (255ths)", ylabel="accuracy (%)", ylim=(-2, 102))
            right.set_title("under attack")
        else:
            confidence = self.tested.confidence
            coverage, risk = selective.risk_coverage(confidence, self.tested.correct)
            right.plot(100 * coverage, 100 * risk, color=look.color)
            right.set(xlabel="answered, the surest first (%)", ylabel="of these wrong (%)", xlim=(0, 100))
            right.set_ylim(bottom=0)
            right.set_title("answering only when sure")
        right.grid(alpha=0.3)
        return figure

    def save(self, path: str | Path) -> Path:
        """Write all of it as one self-contained HTML page, to a file that ends in .html."""
        beside = (
            "its accuracy against the radius of attacks" if self.attacked else "its error against how much it answers"
        )
        shown = f"Reliability diagram of {self.name}, and {beside}"
        source = f"The logits come from the layer {self.head!r}." if self.head else "Predictions and labels were given."
        strips = [self.beside] if self.beside else []
        parts = [*self.findings(), (self.figure(), shown), *strips, self.table(), f"{source} {pages.made()}"]
        return pages.save_page(path, f"{self.name}: what the {'lenses' if self.head else 'predictions'} say", parts)

    def _repr_html_(self) -> str:
        return pages.to_html([*self.findings(), *([self.beside] if self.beside else []), self.table()])


def examine(
    model: nn.Module,
    images: Tensor | Pictures,
    labels: Tensor,
    *,
    head: str | nn.Module | None = None,
    output: str | int | None = None,
    reference: tuple[Tensor, Tensor] | None = None,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    attacked: int = 100,
    steps: int = 20,
    progress: bool = False,
) -> Examination:
    """Look at a network through all lenses. A copy is looked at; the network stays as it was.

    images: (N, C, H, W), uint8 or float in [0, 1], or Pictures, which are read as they are looked at.  labels: (N,)
    int64, the network's own numbers of the classes.
    head: the linear layer or convolution that gives the logits, by name or itself (None: it is looked for).
    output: which of the things that the model returns are its logits, by name or place (None: `logits`, or the only
    one that a layer gives).
    reference: images and labels for class means and radii, usually of training (None: those for fitting).
    mean, std: (C,), a normalisation that the model does not own: attacks act on images in [0, 1].
    attacked, steps: how many images meet attacks, and of how many steps; 0: neither attacks nor corruptions are tried.
    progress: say on the standard error how long it takes, before, and show a bar.
    A quarter of the images, at most 1,000, is for fitting the temperature; the rest is scored.
    Raises SoftlabError for wrong input, for a network of which no linear layer gives the logits, and for one whose
    answer to an image depends on the others in its batch.
    """
    check_network(model)
    device = device_of(model)
    with (
        torch.inference_mode(False),
        torch.autocast(device.type, enabled=False),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        torch.default_generator.manual_seed(0)  # for a network that draws in evaluation mode too
        pixels, labels = _checked(images, labels)
        network = foreign.adapt(model, pixels, head, mean, std, output)
        fit, scored = split_test(labels)
        fitting, scoring = ((_some(pixels, rows), labels[rows]) for rows in (fit, scored))
        samples = Samples(fitting if reference is None else _checked(*reference), fitting, scoring, attacked, steps)
        classes = network.head.out_features
        strange = set(torch.cat([labels, samples.reference[1]]).tolist()) - set(range(classes))
        if strange:
            there = f"there are labels {sorted(strange)[:3]}"
            raise SoftlabError(f"the network's classes are 0 to {classes - 1}, but {there}")
        foreign.warn_of_pixels(network, *fitting)
        look = Look(network, samples)
        lenses = [one for one in LENSES.values() if one.clean or attacked]
        planned = seconds.passes(look, lenses)
        if progress and sys.stderr:
            each = seconds.seconds_for(network, as_pixels(pixels[: min(8, len(pixels))].to(device)))
            takes = seconds.estimate(each * sum(planned.values()))
            met = f"{attacked} of them attacked" if attacked else "none attacked"
            print(f"{len(labels)} images, {met}: at most {takes} on {device.type}", file=sys.stderr, flush=True)
        with seconds.shown(planned, network, progress) as bar:
            if not look.tested.logits.isfinite().all():
                raise SoftlabError("the network is broken: some of its logits are not finite")
            for part in (look.tested, look.fitted, look.reference):
                foreign.check_on_all(network, part)
            parts = []
            for one in lenses:
                bar.before(one.name)
                parts.append(applied(one, look))
                bar.after(one.name)
        said = together(parts)
        interval = calibration.temperature_interval(look.fitted.logits, look.fitted.labels, look.temperature)
    attacked = len(scored[:attacked])
    return Examination(
        name=type(model).__name__,
        head=network.name,
        numbers=said.values,
        problems=said.problems,
        warnings=_said(warned),
        fitted=len(fit),
        attacked=attacked,
        tested=look.tested,
        notes=(*_of_network(network), *_not_scored(labels, scored)),
        interval=interval,
        channels=pixels.shape[1],
        images=said.images,
    )


def _of_network(network: foreign.Adapted) -> tuple[str, ...]:
    """What was decided about a network's logits, where that is not plain."""
    relation = network.relation
    notes = []
    if relation.output:
        notes.append(f"Of the things that the model returns, {relation.output!r} was taken for its logits.")
    if not relation.plain:
        made = relation.text(network.name)
        notes.append(f"The model's logits are {made}: weight and bias, as the lenses see them, have that folded in.")
    if isinstance(network.layer, nn.Conv2d):
        notes.append(
            f"The layer {network.name!r} is a convolution: a feature is its input averaged over positions, or all of "
            "its input where it sees that at once."
        )
    return tuple(notes)


def examine_predictions(
    logits: object, labels: object, *, probabilities: bool = False, name: str = "predictions"
) -> Examination:
    """What a network's predictions alone say: calibration, the best temperature, the order of confidences.

    logits: (N, K), or with `probabilities` these, on images that the network was not trained on; tensors or arrays.
    labels: (N,), whole numbers from 0 to K - 1; or soft (N, K), distributions: accuracy is against their largest entry,
    likelihood, Brier score and calibration against all of it.  name: of the network, for the page.
    A quarter, at most 1,000, is for fitting the temperature; the rest is scored. The numbers are those that `examine`
    finds where the network and its images are at hand. What some rows leave undefined is left out, and said.
    Raises SoftlabError for wrong input.
    """
    return of_predictions(predictions.from_arrays(logits, labels, probabilities, name))


@cpu_threads(1)  # a few rows at a time are no work for several: they would wait for each other
def of_predictions(given: predictions.Predictions) -> Examination:
    """The same, of predictions that are read and checked."""
    fit, scored = split_test(given.labels)
    fitted = _part(given, fit)
    tested = _part(given, scored)
    look = LookAtPredictions(fitted, tested)
    with warnings.catch_warnings(record=True) as warned, seconds.rows_shown(PASSES * len(scored)):
        warnings.simplefilter("always")
        said = together([applied(LENSES[name], look) for name in OF_PREDICTIONS])
        interval = calibration.temperature_interval(fitted.logits, fitted.truth, look.temperature)
        values = {"accuracy": tested.accuracy, **said.values, **_of_logits(tested.logits, given.exact)}
    values["mean confidence"] = float(tested.confidence.mean())
    flat = torch.cat([rows[_is_flat(part.logits)] for rows, part in ((fit, fitted), (scored, tested))]).sort().values
    left_out, notes = _left_out(given, values, flat.tolist())
    return Examination(
        name=given.name,
        head="",
        numbers={name: values[name] for name in QUANTITIES if name in values and name not in left_out},
        problems=said.problems,
        warnings=_said(warned),
        fitted=len(fit),
        attacked=0,
        tested=tested,
        notes=(*given.notes, *_not_scored(given.labels, scored), *notes),
        interval=interval,
        images={"right": tested.correct.numpy(), "confidence": tested.confidence.numpy(), **said.images},
    )


def _part(given: predictions.Predictions, rows: Tensor) -> Representation:
    """Some rows of predictions; there are no features."""
    logits = torch.empty(len(rows), given.logits.shape[1])
    ordered, place = rows.sort()  # as they lie in a file
    for some in row_slices(logits):
        logits[place[some]] = given.logits[ordered[some]].float()
        given.let_go()
    soft = None if given.soft is None else given.soft[rows]
    return Representation(torch.zeros(len(rows), 0), logits, given.labels[rows], soft)


def _of_logits(logits: Tensor, exact: bool) -> dict[str, float]:
    """Quantities of logits (N, K) alone, each image's known up to a constant; NaN where one of them has none.

    exact: no probability is 0; else no image may have one for its second largest.
    """
    margin = by_rows(steepness.margin, logits)
    length = by_rows(steepness.length, logits)
    margins = (margin > 0).all() and (exact or (margin < -math.log(predictions.SMALLEST) - 0.01).all())
    spread = bool((length > 0).all())
    return {
        "alignment": float(by_rows(geometry.alignment, logits, dtype=logits.dtype).mean()) if spread else math.nan,
        "log margin": float(margin.log().mean()) if margins else math.nan,
        "log length": float(length.log().mean()) if spread else math.nan,
    }


def _is_flat(logits: Tensor) -> Tensor:
    """Which rows (N,) bool of logits (N, K) have one number throughout?"""
    low, high = logits.aminmax(dim=1)
    return low == high


def _left_out(
    given: predictions.Predictions, values: Mapping[str, float], flat: Sequence[int]
) -> tuple[set[str], list[str]]:
    """Quantities of predictions that are not defined, or not known, and why. flat: rows that have one number."""
    undefined = {name for name in OF_LENGTH if math.isnan(values.get(name, math.nan))}
    notes = []
    if not given.exact:
        undefined |= set(OF_LENGTH) - {"log margin"}
        notes.append("Of a probability of 0 no logarithm is known")
    if flat:
        which = f"Row {flat[0]} has" if len(flat) == 1 else f"Row {flat[0]} and {len(flat) - 1} more have"
        notes.append(f"{which} the same logit for every class, as padding has")
    elif "log margin" in undefined and given.exact:
        notes.append("The two largest logits of some images are equal, which leaves no margin to take the logarithm of")
    if given.soft is not None:
        undefined.add("floor")
        notes.append("How soft labels scatter around calibrated probabilities is not known")
    named = "; ".join(QUANTITIES[name].label for name in QUANTITIES if name in undefined)
    return undefined, [f"{'. '.join(notes)}. Left out: {named}."] if notes else []


def _not_scored(labels: Tensor, scored: Tensor) -> list[str]:
    """What is to be said of classes whose only image is for fitting. labels: (N,).  scored: rows that are scored."""
    count = len(labels.unique()) - len(labels[scored].unique())
    return [f"{count} classes have one image each, which is for fitting: they are not scored."] * (count > 0)


def _said(warned: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """What the package itself warned of, each thing once."""
    told = (str(one.message) for one in warned if Path(one.filename).is_relative_to(provenance.PACKAGE))
    return tuple(dict.fromkeys(told))


def _some(images: Any, rows: Tensor) -> Any:
    """Some of the images: a copy, or Pictures that are not read yet."""
    return images.rows(rows) if isinstance(images, Pictures) else images[rows]


def _checked(images: Any, labels: Tensor) -> tuple[Any, Tensor]:
    """Images (N, C, H, W) as _pixels has them, or Pictures as they are; copies of labels (N,) int64 on the CPU."""
    labels = foreign.as_tensor(labels, "labels").detach().cpu().clone()
    given = images if isinstance(images, Pictures) else foreign.as_tensor(images, "images")
    whole = not labels.is_floating_point() and not labels.is_complex() and labels.dtype != torch.bool
    shape = tuple(given.shape)
    if len(shape) != 4 or math.prod(shape) == 0:
        raise SoftlabError(f"images must be (N, C, H, W) with N > 0, not {shape}")
    if shape[1] == shape[2] > 4 and shape[3] in (1, 3):
        raise SoftlabError(f"images must be (N, C, H, W), and {shape} is (N, H, W, C): images.permute(0, 3, 1, 2)")
    if labels.shape != given.shape[:1] or not whole:
        allowed = f"whole numbers ({shape[0]},), one for each image"
        raise SoftlabError(f"labels must be {allowed}, not {labels.dtype} {tuple(labels.shape)}")
    labels = labels.long()
    present = len(labels.unique())
    if present < 2 or len(labels) < PER_CLASS * present:
        needed = f"at least two classes and {PER_CLASS} images of each are needed"
        raise SoftlabError(f"{len(labels)} images of {present} classes are too few: {needed}")
    return given if isinstance(given, Pictures) else _pixels(given), labels


def _pixels(images: Tensor) -> Tensor:
    """A copy on the CPU, uint8 or float32: tensors of inference mode could not have gradients."""
    images = images.detach().cpu().clone()
    if images.dtype == torch.uint16:
        images = images.float().div_(65535)
    if images.dtype not in PIXELS or images.layout != torch.strided:
        given = images.dtype if images.layout == torch.strided else images.layout
        raise SoftlabError(f"images must be uint8, or floats in [0, 1], or uint16, not {given}")
    pixels = images if images.dtype == torch.uint8 else check_pixels(images).float()
    if pixels.max() <= (1 if pixels.dtype == torch.uint8 else 1 / 255):
        causes = "divided by 255 twice, or floats in [0, 1] turned into bytes?"
        raise SoftlabError(f"all images are black, no pixel above 1 of 255: {causes}")
    return pixels
