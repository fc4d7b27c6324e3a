"""What the lenses on confidence cost: python benchmarks/calibration.py

One thread, everything in turns:
- the temperature of 50,000 x 100 logits against scipy's bounded search on the same loss, and netcal's fit;
- the calibration errors of 10 million confidences against the one sum that needs no bins, and torchmetrics.
"""

import math
import statistics

import torch
import torch.nn.functional as functional
from common import report, side_by_side
from netcal.scaling import TemperatureScaling
from scipy.optimize import minimize_scalar
from torchmetrics.functional.classification import binary_calibration_error

from softlab.lenses.calibration import (
    TEMPERATURES,
    adaptive_calibration_error,
    expected_calibration_error,
    fit_temperature,
    nll,
)

ROUNDS = 9
TOLERANCE = 1e-8  # of the temperature, relative


def ratio(seconds: dict[str, list[float]], name: str, reference: str) -> float:
    return statistics.median(one / base for one, base in zip(seconds[name], seconds[reference], strict=True))


def temperature() -> None:
    number = 50_000
    classes = 100
    sharpness = 3.0
    logits = 2 * torch.randn(number, classes)
    labels = torch.multinomial(logits.softmax(1), 1)[:, 0]
    logits = sharpness * logits
    found = {}
    exact = logits.double()
    probs = logits.double().softmax(1).numpy()
    ours = "fit_temperature"
    search = "scipy's bounded search, same loss"
    peer = "netcal's TemperatureScaling"

    def newton():
        found[ours] = fit_temperature(logits, labels)

    def bounded():
        def loss(log_temperature: float) -> float:
            return float(functional.cross_entropy(exact * math.exp(-log_temperature), labels))

        bounds = [math.log(end) for end in TEMPERATURES]
        best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": TOLERANCE})
        found[search] = math.exp(best.x)

    def netcal():
        found[peer] = 1 / float(TemperatureScaling().fit(probs, labels.numpy()).temperature[0])

    seconds = side_by_side({ours: newton, search: bounded, peer: netcal}, ROUNDS)
    best = min(nll(exact / value, labels) for value in found.values())
    notes = {
        "temperatures": found,
        "loss above the smallest": {name: nll(exact / value, labels) - best for name, value in found.items()},
        "relative difference to scipy": abs(found[ours] / found[search] - 1),
        "target": "faster than both",
        "target met": ratio(seconds, search, ours) > 1 and ratio(seconds, peer, ours) > 1,
    }
    setting = f"{number:,} x {classes} logits in float32, to {TOLERANCE:g} (netcal: its own tolerance), 1 thread"
    report("calibration_temperature", ours, seconds, setting, notes)


def errors() -> None:
    number = 10_000_000
    bins = 15
    # A confidence of exactly 1 would be in a bin of its own in torchmetrics.
    confidence = (0.1 + 0.9 * torch.rand(number).sqrt()).clamp(max=1 - 1e-7)
    right = torch.rand(number) < confidence.square()
    correct = right.float()
    target = right.long()
    reference = "(confidence - correct).abs().sum()"
    ours = "expected_calibration_error"
    peer = "torchmetrics' binary_calibration_error"
    adaptive = "adaptive_calibration_error"
    ordered = "confidence.sort()"
    contestants = {
        reference: lambda: (confidence - correct).abs().sum(),
        ours: lambda: expected_calibration_error(confidence, correct, bins),
        f"{ours}, correct as bool": lambda: expected_calibration_error(confidence, right, bins),
        peer: lambda: binary_calibration_error(confidence, target, bins),
        ordered: lambda: confidence.sort(),
        adaptive: lambda: adaptive_calibration_error(confidence, correct, bins),
    }
    seconds = side_by_side(contestants, ROUNDS)
    difference = expected_calibration_error(confidence, correct, bins) - float(
        binary_calibration_error(confidence.double(), target, bins)
    )
    notes = {
        "difference to torchmetrics in float64": difference,
        "adaptive_calibration_error over confidence.sort()": round(ratio(seconds, adaptive, ordered), 2),
        "target": "ECE within 3 times the sum",
        "target met": ratio(seconds, ours, reference) <= 3,
    }
    setting = f"{number:,} confidences in float32, {bins} bins, 1 thread"
    report("calibration_error", reference, seconds, setting, notes)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    temperature()
    errors()


if __name__ == "__main__":
    main()
