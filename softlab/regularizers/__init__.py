"""The one knob of the book: how a method changes targets, images or loss. Everything else stays the same.

A method is a class with up to six functions, each neutral if left out (see `Regularizer`). Register your own with

    @regularizers.register("mine")
    @dataclass(frozen=True)
    class Mine(regularizers.Regularizer):
        strength: float = 0.1
        def loss(self, logits, targets, features, head, progress): ...
"""

# ruff: noqa: F401
from softlab.regularizers import calibrating, directions, gradients, mixing, noise, penalties, schedule, soft_labels
from softlab.regularizers.base import REGISTRY, Regularizer, check_batch, check_loss, cross_entropy, get, register
from softlab.regularizers.soft_labels import label_smoothing_terms, maxsup_loss, top_logit_excess
