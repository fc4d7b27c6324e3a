"""AutoAttack, the field's standard, by its authors' code."""

import logging
import sys
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from softlab.checks import takes_arrays
from softlab.errors import SoftlabError, check_known
from softlab.lenses.attacks import ascent
from softlab.lenses.attacks.ascent import UntrustedAttack, prepare
from softlab.lenses.attacks.result import AttackResult, Health, warn
from softlab.representation import at_once, device_of

AUTOATTACKS = ("apgd-ce", "apgd-t", "fab-t", "square")


@takes_arrays
def autoattack(
    model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, attacks: Sequence[str] = AUTOATTACKS
) -> AttackResult:
    """AutoAttack (Croce & Hein 2020), its authors' code, on as many target classes as there are (9 at most).

    attacks: of AUTOATTACKS, in this order; ("square",) alone needs no gradients.  Other arguments: see pgd.
    A sample that survives keeps its image. AutoAttack's own complaints about the model become warnings.
    Raises SoftlabError if pyautoattack is not installed, or for "apgd-t" with fewer than four classes.
    """
    for name in attacks:
        check_known("attack", name, AUTOATTACKS)
    if torch.as_tensor(epsilon).ndim > 0:
        raise SoftlabError("autoattack takes one epsilon for all samples")
    try:
        from pyautoattack import AutoAttack
    except ImportError:
        raise SoftlabError("autoattack needs the package pyautoattack: pip install pyautoattack") from None
    subject = prepare(model, images, labels, epsilon)
    ascent.warn_of_radius(subject.radii)
    classes = subject.logits.shape[1]
    if "apgd-t" in attacks and classes < 4:
        raise SoftlabError(f"apgd-t compares four classes, but this model has {classes}: leave it out of attacks")
    gpus = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    device = device_of(subject.model)
    logger = logging.getLogger("auto-attack")
    messages = []
    trace = sys.gettrace()

    def overhear(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            messages.append(f"AutoAttack: {record.getMessage()}")
        return False

    options = {"norm": "Linf", "eps": float(epsilon), "seed": 0, "device": device, "version": "custom"}
    options |= {"model": lambda points: ascent.logits_of(subject.model, points), "attacks": list(attacks)}
    runner = AutoAttack(**options)
    runner.apgd.n_restarts = runner.fab.n_restarts = 1  # as in its version "standard"
    runner.apgd_targeted.n_target_classes = runner.fab.n_target_classes = min(9, classes - 1)
    logger.addFilter(overhear)
    try:
        with torch.random.fork_rng(devices=gpus), torch.autocast(device.type, enabled=False):
            size = at_once(subject.images, ascent.BATCH)
            found, _ = runner.run_standard_evaluation(subject.images, subject.labels, batch_size=size)
    finally:
        logger.removeFilter(overhear)
        sys.settrace(trace)  # its check for dynamic models ends all tracing, a debugger's too
    for message in messages:
        warnings.warn(message, UntrustedAttack, stacklevel=2)
    inside = ascent.project(found, subject.images, subject.radii)
    logits = ascent.all_logits(subject.model, inside)
    largest = ascent.sizes(inside - subject.images).max().item()
    health = Health(largest, None, ascent.not_finite(subject.logits, logits))
    warn(health)
    return AttackResult(inside, logits.argmax(1) != subject.labels, health)  # what the model itself confirms
