"""Cross-entropy as a practitioner would tame it: more weight decay, or stopping early. No soft label, no penalty."""

from dataclasses import dataclass

from softlab.regularizers.base import Regularizer, check_positive, check_share, parameter, register


@register("weight_decay")
@dataclass(frozen=True)
class WeightDecay(Regularizer):
    """Cross-entropy with a weight decay of its own, in place of the experiment's."""

    version = 1
    weight_decay: float = parameter(0.0025, check_positive)  # pyright: ignore[reportIncompatibleVariableOverride]


@register("early_stopping")
@dataclass(frozen=True)
class EarlyStopping(Regularizer):
    """Cross-entropy; keeps the snapshot (snapshot_epochs) with the lowest NLL on the `fit` images.

    until: share of training after which no snapshot counts.
    """

    version = 1
    keeps = "best"
    until: float = parameter(1.0, check_share)  # pyright: ignore[reportIncompatibleVariableOverride]
