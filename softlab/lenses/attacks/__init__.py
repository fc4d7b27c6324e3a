"""Attacks on images in [0, 1] through a network that owns its normalisation, and warnings where they mislead.

Every attack works on a copy of the model: in evaluation mode, float32, without autocast, its parameters without
gradients. So the model that was given stays as it is, whatever happens. An image returned is inside the ball around
the original and inside the box, and `success` is what the copy says of that very image. Random starts are drawn on the
CPU from a stream of their own, by the image's place (`Starts`).

An attack finds an upper bound on robustness only. Where it fails for a reason that has nothing to do with
robustness, such as gradients that vanish in float32, it says so with a warning, UntrustedAttack.
"""

# ruff: noqa: F401 (what the package offers)
from softlab.facade import went
from softlab.lenses.attacks.ascent import UntrustedAttack
from softlab.lenses.attacks.gradient import Starts, fgsm, gradient_shares, pgd
from softlab.lenses.attacks.ladder import robustness_curve, usual_ladder
from softlab.lenses.attacks.result import AttackResult, Health
from softlab.lenses.attacks.standard import AUTOATTACKS, autoattack

__getattr__ = went(__name__)
