"""A new head on a trained body: fitted anew to hard or to smoothed labels, or the trained one times a number.

new = refit_head(run.model, images, labels, alpha=0.1)   # another last layer; every feature is the old network's

With a body that stays as it is, the last layer is a convex problem: one optimum, however it is found. An experiment
asks for a new head by its field `new_head` (softlab.training.experiment.NEW_HEAD).
"""

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from softlab.checks import check_features, check_labels
from softlab.errors import SoftlabError, check_known
from softlab.lenses.steepness import length
from softlab.representation import extract
from softlab.training.data import Dataset
from softlab.training.experiment import NEW_HEAD, Experiment, checked_number

VERSION = 1  # part of the run id of a network with a new head
WEIGHT_DECAY = 5e-4  # of the head: the book's usual one, whatever the body was trained with
FLATTEST = 1e-9  # largest entry of the gradient at which a fit is done


def refit_head(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    alpha: float = 0.0,
    weight_decay: float = WEIGHT_DECAY,
    head: str = "head",
) -> nn.Module:
    """Returns a copy of the model whose last layer is fitted anew, to the optimum, its body left as it is.

    Minimises mean cross-entropy + weight_decay / 2 · ‖W‖² (the bias, if there is one, is free), as SGD with this weight
    decay does, in float64, on the model's features in evaluation mode.
    images: (N, C, H, W), uint8 or float in [0, 1].  labels: (N,) int64.  alpha: in [0, 1), of label smoothing.
    weight_decay: above 0, as only then there is an optimum.  head: name of the linear layer that gives the logits.
    Raises SoftlabError where the layer is missing or not linear, a parameter is out of range, or a feature not finite.
    """
    alpha = checked_number("alpha", float, alpha, NEW_HEAD["alpha"])
    weight_decay = checked_number("weight_decay", float, weight_decay, (1e-12, 1e6))
    layer = _linear(model, head)
    seen = extract(model, images, labels, head=None if head == "head" else layer)
    check_labels(seen.labels, seen.features, layer.out_features)
    hard = functional.one_hot(seen.labels, layer.out_features).double()
    targets = (1 - alpha) * hard + alpha / layer.out_features
    weight, bias = optimal_head(seen.features, targets, weight_decay, bias=layer.bias is not None)
    return with_head(model, weight, bias, head)


def optimal_head(features: Tensor, targets: Tensor, weight_decay: float, bias: bool = True) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,), float64, of least mean cross-entropy + weight_decay / 2 · ‖W‖².

    features: (N, D).  targets: (N, K), each row a distribution.  weight_decay: above 0.  bias: False: it stays zero.
    Found by Newton's method in a trust region (Nocedal & Wright 2006, ch. 7), from zero. Biases sum to zero.
    Raises SoftlabError where a feature is not finite, or no optimum is found.
    """
    check_features(features)
    rows = functional.pad(features.double(), (0, 1), value=1.0 if bias else 0.0)
    targets = targets.double()
    shape = (targets.shape[1], rows.shape[1])
    decay = torch.full(shape, weight_decay, dtype=torch.float64)
    decay[:, -1] = 0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat).view(shape)
        log_probs = (rows @ weights.T).log_softmax(1)
        value = -(targets * log_probs).sum(1).mean() + (decay * weights.square()).sum() / 2
        gradient = (log_probs.exp() - targets).T @ rows / len(rows) + decay * weights
        return float(value), gradient.numpy().ravel()

    def curvature(flat: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """The Hessian times a direction."""
        probs = (rows @ torch.from_numpy(flat).view(shape).T).softmax(1)
        along = torch.from_numpy(direction).view(shape)
        change = rows @ along.T
        change = probs * (change - (probs * change).sum(1, keepdim=True))
        return (change.T @ rows / len(rows) + decay * along).numpy().ravel()

    start = np.zeros(math.prod(shape))
    found = minimize(loss, start, jac=True, hessp=curvature, method="trust-ncg", options={"gtol": FLATTEST})
    steepest = float(np.abs(found.jac).max())
    if not steepest < 1e3 * FLATTEST:
        raise SoftlabError(f"no optimal head is found: the gradient is still {steepest:.1e} after {found.nit} steps")
    weights = torch.from_numpy(found.x).view(shape)
    return weights[:, :-1].clone(), weights[:, -1].clone()


def with_head(model: nn.Module, weight: Tensor, bias: Tensor, head: str = "head") -> nn.Module:
    """A copy of the model whose linear layer `head` has this weight (K, D) and, where it has a bias, this one (K,)."""
    new = copy.deepcopy(model)
    layer = _linear(new, head)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is not None:
            layer.bias.copy_(bias)
    return new


def _linear(model: nn.Module, head: str) -> nn.Linear:
    """The linear layer of that name."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    if head not in layers and head in dict(model.named_modules()):
        kind = type(model.get_submodule(head)).__name__
        raise SoftlabError(f"the layer {head!r} is no linear layer but {kind} (linear: {', '.join(layers) or 'none'})")
    check_known("linear layer", head, layers)
    if is_parametrized(layers[head]):
        raise SoftlabError(f"the weight of the layer {head!r} is computed from others, so that it cannot be set")
    return layers[head]


def body_of(experiment: Experiment) -> Experiment:
    """The experiment whose network has the trained head."""
    return experiment.replace(new_head={})


def new_head(model: nn.Module, dataset: Dataset, images: Tensor, labels: Tensor, how: Mapping[str, Any]) -> nn.Module:
    """What an experiment's `new_head` makes of the network of its body.

    images, labels: that the body was trained on, labels as one class each (N,).  how: as in NEW_HEAD.
    """
    fitted = (dataset.fit_images, dataset.fit_labels)
    if "alpha" in how:
        return refit_head(model, *(fitted if how.get("images") == "fit" else (images, labels)), alpha=how["alpha"])
    layer = _linear(model, "head")
    mean = float(length(extract(model, *fitted).logits).log().mean())
    factor = math.exp(how["log_length"] - mean)
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
    return with_head(model, factor * layer.weight.detach(), factor * bias)
