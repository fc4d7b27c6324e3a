"""How much of a GPU a training uses: its operations, counted, beside what the device's data sheet promises in bf16."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

# Dense bf16 (T4: fp16) on tensor cores, operations per second; a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}


def peak_of(name: str) -> float | None:
    """Operations per second that a device of this name can do at best; None if it is not in the list."""
    words = name.upper().replace("-", " ").split()
    return next((peak for device, peak in PEAKS.items() if device in words), None)


def operations(model: nn.Module, shape: tuple[int, ...], training: bool = True) -> int:
    """Floating-point operations for one image (C, H, W): forward, and backward to the weights if training.

    Convolutions and matrix products only; a multiplication and an addition count as two.
    """
    images = torch.zeros(2, *shape)  # batch normalisation wants more than one
    with FlopCounterMode(display=False) as counter:
        logits = model(images)
        if training:
            logits.sum().backward()
    model.zero_grad()
    return counter.get_total_flops() // len(images)


def shares(rates: dict[str, float], operations_each: int, device_name: str) -> dict[str, float]:
    """Share of the device's peak that so many images per second use; empty for a device that is not in the list."""
    peak = peak_of(device_name)
    return {name: round(rate * operations_each / peak, 3) for name, rate in rates.items()} if peak else {}
