"""Every quantity of the book: its name, and the lens that measures it. A new one is added here, and only here.

A lens is a function of a `Look` at one network. It gives one number for each of its quantities, and tensors with one
entry for each image where an effect needs an interval over images too. Whoever changes what a lens gives bumps its
version, or that of the quantity that it changes: rows on record say which version they have
(softlab.numbers.versions). A quantity that joins a lens later has a version above its lens'.
"""

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.batches import as_pixels
from softlab.lenses import attacks, calibration, corruptions, geometry, selective, steepness
from softlab.numbers.look import CORRUPTED, LENSES, QUANTITIES, STEEP, Found, Look, Quantity, Samples, lens  # noqa: F401
from softlab.regularizers import label_smoothing_terms
from softlab.representation import device_of, extract

SOFT_LABELS = "soft labels"
CONES = "cones"
MAGNITUDES = "magnitudes"
COSINES = "cosines"
CALIBRATION = "calibration"
ROBUSTNESS = "robustness"
MAXSUP = "MaxSup"
CAUSES = "shape"
RADII = (1, 2, 4, 8)  # of the ladder of attacks, in 255ths
PAPERS = 0.4 / 255  # the radius of Park et al., with PGD-7; so close by, the ladder's last rung finds nothing more
WALKED = 200  # attacked images whose way in the space of features is looked at
VERSIONS = ("raw", "centred", "row space", "logits")  # of the within-class variation; the last is invariant
LEVELS = (0.5, 0.9, 0.99)  # of confidence, at which contours are looked for
KINDS = tuple(corruptions.SEVERITIES)
P_NORMS = (1, 2, 3, 4, 6, 8)  # of logits, that a confidence may be divided by
REACHES = (0.4, *RADII)  # at which accuracy under attack is estimated from one gradient, in 255ths
HEADLINE = 4 / 255  # at which the slope is taken: within the box it depends on the radius, a little
NOISE = 8 / 255  # of each pixel, for the response to noise
RATIOS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # of ‖b_c‖ to ‖W_c f‖ that biases are scaled to
STEPS = ("gradient", "gradient at T", "attack, cross-entropy", "attack, margin")


@lens(
    1,
    {
        "accuracy": Quantity(
            "accuracy (%)", SOFT_LABELS, factor=100, share_of="test", digits=1, better=1, images="right"
        ),
        "training accuracy": Quantity(
            "accuracy on training images (%)", SOFT_LABELS, factor=100, share_of="reference", digits=1
        ),
    },
)
def outcomes(look: Look) -> Found:
    tested = look.tested
    return {
        "accuracy": tested.accuracy,
        "training accuracy": look.reference.accuracy,
        "right": tested.correct,
        "confidence": tested.logits.softmax(1).amax(1),
    }


@lens(
    1,
    {
        "apex ratio": Quantity("distance of the apex / ‖Qf‖", CONES, digits=3),
        "constant class": Quantity(
            "images that keep their class at t = 0.1 and 10 (%)", CONES, factor=100, share_of="test", digits=1
        ),
        "settled share": Quantity("class settled below t = 1 (%)", CONES, factor=100, share_of="test", digits=1),
        "onset": Quantity("median onset t₀", CONES, digits=3),
        "bounded classes": Quantity("classes with a bounded region", CONES, digits=1),
        **{f"contour, {level}": Quantity(f"median t where confidence is {level}", CONES, digits=3) for level in LEVELS},
    },
)
def cones(look: Look) -> Found:
    features = look.tested.features
    onset = geometry.cone_onset(features, *look.layer)
    return {
        "apex ratio": geometry.apex_ratio(features, *look.layer),
        "constant class": geometry.constant_share(features, *look.layer),
        "settled share": float((onset < 1).double().mean()),
        "onset": float(onset.median()),
        "bounded classes": float(geometry.bounded_regions(*look.layer).sum()),
        **{f"contour, {p}": float(geometry.confidence_contour(features, *look.layer, p).median()) for p in LEVELS},
    }


@lens(1, {"apex residual": Quantity("how unequal logits are at the apex", CONES, digits=3)})
def exactness(look: Look) -> Found:
    return {"apex residual": geometry.apex_residual(*look.layer)}


@lens(
    1,
    {
        "constant along ray": Quantity(
            "class the same from t = 0.1 to 10, any head (%)", CONES, factor=100, share_of="test", digits=1
        )
    },
)
def rays(look: Look) -> Found:
    """As `constant class`, step by step along the ray, so that the head may have several layers."""
    features = look.tested.features.to(device_of(look.model))
    with torch.no_grad():
        along = geometry.constant_along_ray(look.model.get_submodule("head"), features)
    return {"constant along ray": along}


@lens(
    1,
    {
        "log magnitude": Quantity("log magnitude", MAGNITUDES),
        "log logit scale": Quantity("log length of the logits ‖W_c f‖", MAGNITUDES),
        "seen share": Quantity("seen share ‖Qf‖ / ‖f‖", MAGNITUDES),
        "log seen share": Quantity("log seen share", MAGNITUDES),
        "log head gain": Quantity("log head gain", MAGNITUDES),
        "log head norm": Quantity("log norm of the head", MAGNITUDES),
    },
)
def magnitudes(look: Look) -> Found:
    features = look.tested.features
    weight = look.layer[0]
    factors = geometry.logit_scale_factors(features, weight)
    seen, gain = (float(factor.log().mean()) for factor in factors[1:])
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
        **{
            f"cosine, {name}": Quantity(f"cosine to the centre: {name}", COSINES, digits=3)
            for name in geometry.VARIANTS
        },
        "cosine, logit": Quantity("cosine of the logits to their class", COSINES, digits=3),
        "alignment": Quantity("cosine of the logits to their largest, without labels", COSINES, digits=3),
    },
)
def cosines(look: Look) -> Found:
    means = geometry.rescaled_cosines(look.reference, look.tested, *look.layer)
    to_centre = {f"cosine, {variant}": mean for variant, mean in means.items()}
    return to_centre | {"alignment": float(geometry.alignment(look.tested.logits).mean())}


@lens(
    1,
    {
        "cosine, ball, fit": Quantity("cosine to the centre: ball, images for fitting", COSINES, digits=3),
        "log length, fit": Quantity("log length of the logits, images for fitting", MAGNITUDES),
        "log length, train": Quantity("log length of the logits, training images", MAGNITUDES, version=2),
        "cosine, row space, fit": Quantity(
            "cosine to the centre: row space, images for fitting", COSINES, digits=3, version=2
        ),
        "seen share, fit": Quantity("seen share ‖Qf‖ / ‖f‖, images for fitting", MAGNITUDES, digits=3, version=2),
    },
)
def on_fit(look: Look) -> Found:
    """What tunes and admits a study that sets lengths and directions by hand: no test image is looked at."""
    means = geometry.rescaled_cosines(look.reference, look.fitted, *look.layer)
    length = steepness.length(look.fitted.logits)
    factors = geometry.logit_scale_factors(look.fitted.features, look.layer[0])
    return {
        "cosine, ball, fit": means["ball"],
        "log length, fit": float(_log(length).mean()),
        "log length, train": float(_log(steepness.length(look.reference.logits)).mean()),
        "cosine, row space, fit": means["row space"],
        "seen share, fit": float(factors.seen_share.mean()),
    }


@lens(
    1,
    {
        **{
            f"{what}, {version}{where}": Quantity(f"{label}, {version}{images}", COSINES, digits=3)
            for where, images in (("", ""), (", train", ", training images"))
            for what, label in (("spread", "within-class variation"), ("separation", "R²"))
            for version in VERSIONS
        },
        "loosening": Quantity("within-class variation of the logits, test − training images", COSINES, digits=3),
        "spread, predicted": Quantity("variation of the logits within predicted classes", COSINES, digits=3),
    },
)
def variation(look: Look) -> Found:
    found = {}
    weight = look.layer[0]
    for part, where in ((look.tested, ""), (look.reference, ", train")):
        parts = geometry.variation_variants(part.features, part.labels, weight)
        parts["logits"] = geometry.within_class_variation(geometry.centered_logits(part.logits), part.labels)
        found |= {f"spread, {version}{where}": spread for version, (spread, _) in parts.items()}
        found |= {f"separation, {version}{where}": apart for version, (_, apart) in parts.items()}
    logits = look.tested.logits
    predicted = look.tested.logits.argmax(1)
    within = math.nan  # where one class is predicted for all images
    if len(predicted.unique()) > 1:
        within, _ = geometry.within_class_variation(geometry.centered_logits(logits), predicted)
    loosening = found["spread, logits"] - found["spread, logits, train"]
    return found | {"loosening": loosening, "spread, predicted": within}


@lens(
    1,
    {
        f"amplification{where}": Quantity(
            f"error amplification in label smoothing’s term{images} (%)", MAXSUP, factor=100, share_of=part
        )
        for where, images, part in (("", "", "test"), (", train", ", training images", "reference"))
    },
)
def amplification(look: Look) -> Found:
    """The part of label smoothing's term that falls as an error grows, as a share of both parts' sizes."""
    found = {}
    for where, part in (("", look.tested), (", train", look.reference)):
        pull, reward = (float(terms.mean()) for terms in label_smoothing_terms(part.logits, part.labels))
        found[f"amplification{where}"] = -reward / (pull - reward) if pull > reward else math.nan  # equal logits
    return found


@lens(
    1,
    {
        "spread, predicted, row space": Quantity("variation of Qf within predicted classes", CAUSES, digits=3),
        "separation, predicted": Quantity("R² of the logits, predicted classes", CAUSES, digits=3),
        "class angles": Quantity("mean cosine of the means of predicted classes, logits", CAUSES, digits=3),
        "effective rank": Quantity("effective rank of the features", CAUSES, digits=1),
        "log row length": Quantity("mean log length of the head's rows", CAUSES),
        "row unevenness": Quantity("spread of the log lengths of the head's rows", CAUSES, digits=3),
        "bias": Quantity("norm of the centred bias / ‖W_c f‖", CAUSES, digits=3),
        "mean confidence": Quantity("mean confidence (%)", CAUSES, factor=100, digits=1, images="confidence"),
    },
)
def shape(look: Look) -> Found:
    """What might tell how a network behaves, measured on test images without their labels."""
    features = look.tested.features
    logits = look.tested.logits
    weight, bias = look.layer
    predicted = logits.argmax(1)
    rows = (weight - weight.mean(0)).norm(dim=1).log()
    several = len(predicted.unique()) > 1
    seen = features @ geometry.row_space(weight).T
    offset = geometry.centered_logits(logits)
    scale = float((geometry.centered_logits(logits - bias)).norm(dim=1).mean())
    return {
        "spread, predicted, row space": geometry.within_class_variation(seen, predicted)[0] if several else math.nan,
        "separation, predicted": geometry.within_class_variation(offset, predicted)[1] if several else math.nan,
        "class angles": geometry.class_mean_cosine(offset, predicted) if several else math.nan,
        "effective rank": geometry.effective_rank(features),
        "log row length": float(rows.mean()),
        "row unevenness": float(rows.std(correction=0)),
        "bias": float((bias - bias.mean()).norm()) / scale if scale else math.nan,
        "mean confidence": float(logits.softmax(1).amax(1).mean()),
    }


@lens(
    1,
    {
        "ECE": Quantity("ECE (%)", CALIBRATION, factor=100, digits=1, better=-1),
        "overconfident part": Quantity(
            "overconfident part of ECE (%)", CALIBRATION, factor=100, share_of="test", digits=1, better=-1
        ),
        "underconfident part": Quantity(
            "underconfident part of ECE (%)", CALIBRATION, factor=100, share_of="test", digits=1, better=-1
        ),
        "gap": Quantity("confidence − accuracy (points)", CALIBRATION, factor=100, digits=1),
        "floor": Quantity("ECE of a calibrated network (%)", CALIBRATION, factor=100, digits=1),
        "NLL": Quantity("NLL", CALIBRATION, digits=3, better=-1, images="loss"),
        "smooth ECE": Quantity("smooth ECE (%)", CALIBRATION, factor=100, digits=1, better=-1),
        "classwise ECE": Quantity("classwise ECE (%)", CALIBRATION, factor=100, better=-1),
        "Brier": Quantity("Brier score", CALIBRATION, digits=3, better=-1, images="Brier score"),
        "temperature": Quantity("best temperature", CALIBRATION),
        "ECE at T": Quantity("ECE at that temperature (%)", CALIBRATION, factor=100, digits=1, better=-1),
        # What no temperature mends: the refinement parts of the two scores.
        "NLL at T": Quantity("NLL at that temperature", CALIBRATION, digits=3, better=-1, images="loss at T"),
        "Brier at T": Quantity("Brier score at that temperature", CALIBRATION, digits=3, better=-1),
        # Version 2: the mean over all orders of equal confidences.
        "AURC": Quantity("AURC (%)", CALIBRATION, factor=100, better=-1, version=2),
        "excess AURC": Quantity("excess AURC (%)", CALIBRATION, factor=100, better=-1, version=2),
    },
)
def calibrated(look: Look) -> Found:
    tested = look.tested
    temperature = look.temperature
    plain = calibration.outcomes(tested.logits, tested.truth)
    cooled = calibration.outcomes(tested.logits, tested.truth, temperature)
    diagram = plain.diagram()
    return {
        "ECE": diagram.error,
        "overconfident part": diagram.over,
        "underconfident part": diagram.under,
        "gap": plain.gap,
        "floor": _floor(plain.confidence) if tested.soft is None else math.nan,
        "NLL": float(plain.nll.mean()),
        "smooth ECE": plain.smooth_error,
        "classwise ECE": plain.classwise_error,
        "Brier": float(plain.brier.mean()),
        "temperature": temperature,
        "ECE at T": cooled.diagram().error,
        "NLL at T": float(cooled.nll.mean()),
        "Brier at T": float(cooled.brier.mean()),
        "AURC": selective.aurc(plain.confidence, tested.correct),
        "excess AURC": selective.excess_aurc(plain.confidence, tested.correct),
        "loss": plain.nll.float(),
        "loss at T": cooled.nll.float(),
        "Brier score": plain.brier.float(),
    }


def _floor(confidence: Tensor) -> float:
    """The ECE that a calibrated network would show; of soft labels nobody knows how they scatter around it."""
    return calibration.ece_noise_floor(confidence, generator=torch.Generator().manual_seed(0))[0]


@lens(
    1,
    {
        "AURC, normalised": Quantity(
            "AURC, logits over their p-norm (%)", CALIBRATION, factor=100, better=-1, version=2
        ),
        "confidence when wrong": Quantity(
            "mean confidence on errors (%)", CALIBRATION, factor=100, digits=1, better=-1
        ),
        "confidence when right": Quantity(
            "mean confidence on right predictions (%)", CALIBRATION, factor=100, digits=1
        ),
        "NLL, fit": Quantity("NLL on the images for fitting", CALIBRATION, digits=3, better=-1),
        "accuracy, fit": Quantity(
            "accuracy on the images for fitting (%)", CALIBRATION, factor=100, share_of="fit", digits=1, better=1
        ),
        "ECE at T, fit": Quantity(
            "ECE at the best temperature, images for fitting (%)", CALIBRATION, factor=100, digits=1, better=-1
        ),
        "AURC, fit": Quantity("AURC on the images for fitting (%)", CALIBRATION, factor=100, better=-1, version=2),
        "NLL at T, fit": Quantity(
            "NLL at the best temperature, images for fitting", CALIBRATION, digits=3, better=-1, version=2
        ),
    },
)
def ranked(look: Look) -> Found:
    """Order of confidences with the published remedy (p chosen on `fit`), and what a choice on `fit` may look at."""
    tested = look.tested
    fitted = look.fitted
    temperature = look.temperature
    confidence = tested.confidence
    right = tested.correct
    cooled = (fitted.logits / temperature).softmax(1)
    return {
        "AURC, normalised": _normalised(look),
        "confidence when wrong": float(confidence[~right].mean()),
        "confidence when right": float(confidence[right].mean()),
        "NLL, fit": calibration.nll(fitted.logits, fitted.truth),
        "accuracy, fit": fitted.accuracy,
        "ECE at T, fit": calibration.expected_calibration_error(cooled, fitted.truth),
        "AURC, fit": selective.aurc(fitted.confidence, fitted.correct),
        "NLL at T, fit": calibration.nll(fitted.logits / temperature, fitted.truth),
    }


def _normalised(look: Look) -> float:
    """AURC by the logits over their p-norm, p chosen on `fit`; NaN where all logits of some image are equal."""
    fitted = {p: selective.normalized_score(look.fitted.logits, p) for p in P_NORMS}
    if not all(score.isfinite().all() for score in fitted.values()):
        return math.nan
    orders = {p: selective.aurc(score, look.fitted.correct) for p, score in fitted.items()}
    score = selective.normalized_score(look.tested.logits, min(orders, key=orders.__getitem__))
    return selective.aurc(score, look.tested.correct) if score.isfinite().all() else math.nan


@lens(
    1,
    {
        **{
            f"gap, {kind}": Quantity(f"gap, {kind} (points)", CALIBRATION, factor=100, digits=1)
            for kind in corruptions.SEVERITIES
        },
        **{
            f"ECE, {kind}": Quantity(f"ECE, {kind} (%)", CALIBRATION, factor=100, digits=1, better=-1)
            for kind in corruptions.SEVERITIES
        },
        **{
            f"NLL at T, {kind}": Quantity(
                f"NLL at the clean images' temperature, {kind}", CALIBRATION, digits=3, better=-1
            )
            for kind in corruptions.SEVERITIES
        },
    },
    clean=False,
)
def sure_when_corrupted(look: Look) -> Found:
    """Calibration on corrupted images, mean over severities; the temperature is that of clean images."""
    found = {}
    for kind, severities in look.corrupted.items():
        for seen in severities:
            probs = seen.logits.softmax(1)
            found.setdefault(f"gap, {kind}", []).append(calibration.confidence_gap(probs, seen.labels))
            found.setdefault(f"ECE, {kind}", []).append(calibration.expected_calibration_error(probs, seen.labels))
            cooled = seen.logits / look.temperature
            found.setdefault(f"NLL at T, {kind}", []).append(calibration.nll(cooled, seen.labels))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _robust(radius: float, attack: str) -> Quantity:
    return Quantity(
        f"accuracy, {attack} (%)",
        ROBUSTNESS,
        factor=100,
        share_of="attacked",
        digits=1,
        better=1,
        images=f"survives {radius}/255",
    )


@lens(
    1,
    {
        "robust, 0.4/255, PGD-7": _robust(0.4, "PGD-7 of 0.4/255"),
        **{f"robust, {radius}/255": _robust(radius, f"attack of {radius}/255") for radius in RADII},
        "gradient zero": Quantity(
            "images without gradient in float32 (%)", ROBUSTNESS, factor=100, share_of="test", digits=1
        ),
        "gradient misdirected": Quantity(
            "images with a misdirected gradient (%)", ROBUSTNESS, factor=100, share_of="test", digits=1
        ),
    },
    clean=False,
)
def attacked(look: Look) -> Found:
    """Accuracy after the ladder of attacks; `survived` (rungs, radii, images): right under all attacks so far."""
    images, labels = (part[: look.samples.attacked] for part in look.samples.test)
    images = as_pixels(images)
    ladder = attacks.usual_ladder(look.samples.steps)
    papers = attacks.robustness_curve(look.model, images, labels, [PAPERS], {"PGD-7": ladder["PGD-7"]})
    survived = attacks.robustness_curve(look.model, images, labels, [radius / 255 for radius in RADII], ladder)
    zero, misdirected = attacks.gradient_shares(look.tested.logits, look.tested.labels)
    found = {f"robust, {radius}/255": float(survived[-1, e].float().mean()) for e, radius in enumerate(RADII)}
    found |= {f"survives {radius}/255": survived[-1, e] for e, radius in enumerate(RADII)}
    found |= {"robust, 0.4/255, PGD-7": float(papers.float().mean()), "survives 0.4/255": papers[0, 0]}
    return found | {"gradient zero": zero, "gradient misdirected": misdirected, "survived": survived}


@lens(
    1,
    {
        f"inward, {step}{space}": Quantity(f"cosine of {step} with −f{space}", ROBUSTNESS)
        for step in STEPS
        for space in ("", ", row space")
    },
    clean=False,
)
def inward(look: Look) -> Found:
    """How far the loss gradient, and the displacement by an attack of 1/255, point to the origin; for right images."""
    images, labels = (part[:WALKED] for part in look.samples.test)
    features = look.tested.features[: len(labels)]
    logits = look.tested.logits[: len(labels)]
    right = look.tested.correct[: len(labels)]
    weight, _ = look.layer
    truth = functional.one_hot(labels, len(weight))
    options = {"steps": 10, "early_stop": False}

    def moved(loss: str) -> Tensor:
        result = attacks.pgd(look.model, as_pixels(images), labels, 1 / 255, loss=loss, **options)
        return extract(look.model, result.images, labels).features - features

    gradients = (((logits / T).softmax(1) - truth) @ weight for T in (1, look.temperature))
    steps = dict(zip(STEPS, (*gradients, moved("ce"), moved("margin")), strict=True))
    basis = geometry.row_space(weight)
    found = {}
    for name, step in steps.items():
        for space, seen in (("", lambda rows: rows), (", row space", lambda rows: rows @ basis.T)):
            cosine = geometry.inward_cosine(seen(step), seen(features))
            found[f"inward, {name}{space}"] = float(cosine[right].nanmean())
    return found


@lens(
    1,
    {
        "log margin": Quantity("log margin z₁ − z₂", ROBUSTNESS, images="log margin by image"),
        "log slope": Quantity("log slope of z₁ − z₂ at 4/255", ROBUSTNESS, images="log slope by image"),
        "log first-order radius": Quantity("log first-order radius", ROBUSTNESS, images="log radius by image"),
        "log length": Quantity("log length of the logits ‖z − z̄‖", ROBUSTNESS),
        "log range": Quantity("log range of the logits", ROBUSTNESS),
        "log gap to the third": Quantity("log z₁ − z₃", ROBUSTNESS),
        "log spread between images": Quantity("log spread of the logits between images", ROBUSTNESS),
        "noise response": Quantity("change of the logits under noise of 8/255 / their length", ROBUSTNESS, digits=3),
        **{
            f"estimate, {radius}/255": Quantity(
                f"accuracy under attack of {radius}/255, estimated (%)",
                ROBUSTNESS,
                factor=100,
                share_of="attacked",
                digits=1,
                better=1,
                images=f"estimate {radius}/255",
            )
            for radius in REACHES
        },
    },
)
def steep(look: Look) -> Found:
    """Margin over slope on the attacked images (STEEP of them, if none is attacked): one backward pass, no attack."""
    images = look.samples.test[0][: look.samples.attacked or STEEP]
    logits = look.tested.logits[: len(images)]
    correct = look.tested.correct[: len(images)]
    gradient = steepness.margin_gradient(look.model, images)
    gap = steepness.margin(logits)
    radius = steepness.first_order_radius(gap, gradient, images)
    log_margin = _log(gap)
    log_slope = _log(steepness.slope(gradient, images, HEADLINE))
    log_radius = _log(radius)
    response = steepness.noise_response(look.model, images, NOISE, torch.Generator().manual_seed(0))
    several = logits.shape[1] > 2
    reached = {reach: correct & (radius > reach / 255) for reach in REACHES}
    return {
        "log margin": float(log_margin.mean()),
        "log slope": float(log_slope.mean()),
        "log first-order radius": float(log_radius.mean()),
        "log length": float(_log(steepness.length(logits)).mean()),
        "log range": float(_log(logits.amax(1) - logits.amin(1)).mean()),
        "log gap to the third": float(_log(steepness.gap_to_third(logits)).mean()) if several else math.nan,
        "log spread between images": float(_log(torch.tensor(steepness.spread_between_images(logits)))),
        "noise response": float(response.mean()),
        **{f"estimate, {reach}/255": float(right.float().mean()) for reach, right in reached.items()},
        "log margin by image": log_margin.float(),
        "log slope by image": log_slope.float(),
        "log radius by image": log_radius.float(),
        **{f"estimate {reach}/255": right for reach, right in reached.items()},
    }


def _log(values: Tensor) -> Tensor:
    """The natural logarithm in float64, with values below 1e-9 raised to that: two equal logits have no margin."""
    return values.double().clamp(min=1e-9).log()


@lens(
    1,
    {
        "log bias over length": Quantity("log ‖b_c‖ / ‖W_c f‖", CONES),
        **{
            f"constant class, ratio {ratio}": Quantity(
                f"images that keep their class at t = 0.1 and 10, bias scaled to {ratio} of the logits (%)",
                CONES,
                factor=100,
                share_of="test",
                digits=1,
            )
            for ratio in RATIOS
        },
    },
)
def bias_scaled(look: Look) -> Found:
    """How conical regions would look from the origin if the bias, relative to the logits, were another network's.

    The class at t with a bias β b is the class at t/β with b: scaling the bias moves the window, and nothing else.
    """
    features = look.tested.features
    weight, bias = look.layer
    logits = geometry.centered_logits(features @ weight.T)
    ratio = float((bias - bias.mean()).norm()) / math.exp(float(_log(logits.norm(dim=1)).mean()))
    if ratio == 0:
        return dict.fromkeys(LENSES["bias_scaled"].quantities, math.nan)
    found = {"log bias over length": math.log(ratio)}
    for wanted in RATIOS:
        share = geometry.constant_share(features, weight, bias * (wanted / ratio))
        found[f"constant class, ratio {wanted}"] = share
    return found


@lens(
    1,
    {
        f"FGSM, {radius}/255": Quantity(
            f"accuracy, one step of {radius}/255 (%)", ROBUSTNESS, factor=100, share_of="attacked", digits=1
        )
        for radius in RADII
    },
    clean=False,
)
def one_step(look: Look) -> Found:
    """The first rung of the ladder alone: what an attack of one gradient leaves."""
    images, labels = (part[: look.samples.attacked] for part in look.samples.test)
    rung = {"FGSM": attacks.usual_ladder(look.samples.steps)["FGSM"]}
    radii = [radius / 255 for radius in RADII]
    survived = attacks.robustness_curve(look.model, as_pixels(images), labels, radii, rung)
    return {f"FGSM, {radius}/255": float(survived[0, e].float().mean()) for e, radius in enumerate(RADII)}


@lens(
    1,
    {
        "corrupted": Quantity(
            "accuracy, corrupted (%)", ROBUSTNESS, factor=100, share_of="corrupted", digits=1, better=1
        ),
        **{
            f"corrupted, {kind}": Quantity(
                f"accuracy, {kind} (%)", ROBUSTNESS, factor=100, share_of="corrupted", digits=1, better=1
            )
            for kind in KINDS
        },
    },
    clean=False,
)
def corrupted(look: Look) -> Found:
    by_kind = {kind: [seen.accuracy for seen in severities] for kind, severities in look.corrupted.items()}
    means = {f"corrupted, {kind}": sum(accuracies) / len(accuracies) for kind, accuracies in by_kind.items()}
    return {"corrupted": sum(means.values()) / len(means), **means}
