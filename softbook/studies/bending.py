"""Does a network bend within an attack's reach? What is left of the lead along the way, and what a straight line says.

The estimate of softlab.lenses.steepness follows one gradient as far as an attack goes. Where it is wrong, the right
class's lead falls by more than that line says (the network bends down) or by less (it bends up).

Described, not declared: we thought of it after the estimate failed on all of Fashion-MNIST (laws.yml,
estimate-elsewhere).
`softbook record STUDY --measure bending --radius 0.5 1 1.5 2 2.5 3 3.5 4`.
"""

import pandas
from torch import Tensor, nn

from softbook.studies import records
from softbook.studies.asked import Subject
from softlab.lenses import steepness
from softlab.lenses.attacks import gradient
from softlab.lenses.attacks.ascent import all_logits, largest_other


def lead(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the logit of the label is ahead of the largest other one: (N, K), (N,) -> (N,); negative where wrong."""
    return logits.gather(1, labels[:, None])[:, 0] - largest_other(logits, labels)


def lead_left(model: nn.Module, images: Tensor, labels: Tensor, radius: float) -> tuple[float, float]:
    """What an attack leaves of the lead at a radius, and what a line along the first gradient would leave.

    images: (N, C, H, W), float in [0, 1].  labels: (N,) int64.  radius: in 255ths.
    The attack takes all of its twenty steps down the lead, from the image itself, even past the border. Both are
    medians, over correctly classified images, of the share of an image's own lead: 1 at radius 0, 0 at the border.
    """
    logits = all_logits(model, images)
    right = logits.argmax(1) == labels
    images = images[right]
    labels = labels[right]
    before = lead(logits[right], labels)
    epsilon = radius / 255
    walked = gradient.pgd(model, images, labels, epsilon, loss="margin", random_start=False, early_stop=False).images
    attacked = lead(all_logits(model, walked), labels)
    downhill = steepness.margin_gradient(model, images)
    straight = before - epsilon * steepness.slope(downhill, images, epsilon)
    return float((attacked / before).median()), float((straight / before).median())


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row: what an attack and a line leave at the subject's radius (`attacked`, `straight`)."""
    network, images, labels = subject.attacked()
    attacked, straight = lead_left(network, images, labels, subject.radius)
    return [{"images met": len(images), "attacked": attacked, "straight": straight}]


def recorded(profile: str) -> pandas.DataFrame:
    """A row for each network and radius: method, seed, radius (255ths), attacked, straight; may be empty."""
    return records.of_measure("bending", profile)
