"""Random heads and features for the tests of the lenses."""

import torch

from softlab.lenses.geometry import row_space


def random_head(classes, dimension, seed, bias_scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, dimension, generator=generator, dtype=torch.float64)
    return weight, bias_scale * torch.randn(classes, generator=generator, dtype=torch.float64)


def random_features(number, dimension, seed):
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.rand(number, dimension, generator=generator, dtype=torch.float64)


def seen_part(features, weight):
    """Features as what softmax sees of them and what it does not, each (N, D)."""
    basis = row_space(weight)
    seen = features @ basis.T @ basis
    return seen, features - seen
