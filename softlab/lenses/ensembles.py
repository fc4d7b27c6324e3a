"""Several networks as one: their probabilities averaged, or weights of one network averaged along its training."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from softlab.errors import SoftlabError


def together(logits: Sequence[Tensor]) -> Tensor:
    """Logits (N, K) whose softmax is the mean of the networks' probabilities: log of it. logits: (N, K) of each.

    Raises SoftlabError where there is none, or they are not of the same shape.
    """
    shapes = {tuple(member.shape) for member in logits}
    if len(shapes) != 1:
        raise SoftlabError(f"logits of several networks must be of one shape, not {sorted(shapes)}")
    stacked = torch.stack([member.double().log_softmax(1) for member in logits])
    return stacked.logsumexp(0) - torch.log(torch.tensor(len(logits), dtype=torch.float64))


@torch.no_grad()
def averaged(models: Sequence[nn.Module]) -> nn.Module:
    """A copy of the first whose parameters are the mean of all; its buffers stay, so give it fresh statistics.

    models: of one architecture (softlab.representation.refresh_statistics sets those of batch normalisations).
    """
    mean = copy.deepcopy(models[0])
    for name, values in mean.named_parameters():
        values.copy_(torch.stack([model.get_parameter(name).double() for model in models]).mean(0))
    return mean
