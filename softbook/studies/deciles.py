"""How the shape that the head reads is spread over test images: the deciles of its three numbers.

Networks with the same means may have another shape image by image. Measured on request, by `softbook record`.
"""

import copy

import torch
from torch import Tensor

from softbook.studies.asked import Subject
from softlab.lenses import geometry, steepness
from softlab.numbers.stored import round_weights
from softlab.representation import Representation, extract, head_of
from softlab.training.loop import training_set
from softlab.training.runs import dataset_of

TENTHS = torch.arange(1, 10, dtype=torch.float64) / 10


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row with every entry of asked.DECILES, of all test images; weights are rounded as for all numbers."""
    run = subject.run
    dataset = dataset_of(run.experiment)
    model = copy.deepcopy(run.model)
    round_weights(model)
    reference = extract(model, *training_set(run.experiment, dataset, "cpu"))
    tested = extract(model, dataset.test_images, dataset.test_labels)
    found = {}
    for what, values in shape_by_image(reference, tested, *head_of(model)).items():
        for number, decile in enumerate(values.double().nanquantile(TENTHS), 1):
            found[f"{what}, decile {number}"] = float(decile)
    return [found]


def shape_by_image(
    reference: Representation, tested: Representation, weight: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    """{visible cosine, read share, log length: (N,)} of tested images.

    reference: training images, which set the radius of the centres.  weight: (K, D), bias: (K,), of the head.
    """
    centers = geometry.Centers.of(reference.features, reference.labels, weight, bias)
    return {
        "visible cosine": geometry.cosine_variants(tested.features, tested.logits, tested.labels, centers)["row space"],
        "read share": geometry.logit_scale_factors(tested.features, weight).seen_share,
        "log length": steepness.length(tested.logits).log(),
    }
