"""Why seven steps up the cross-entropy are kind to soft labels: the same attack on the same network, made louder.

Walking up cross-entropy pushes each wrong class k by its probability p_k. After hard labels the runner-up holds most
of the probability that is wrong, so the push goes to the nearest border. Soft labels level the wrong logits, and the
push is spread over all classes. Logits times a factor change no answer and no border, but they give the push back to
the runner-up.

Noticed on one network of each method (profile quick, its first seed): times 4, seven steps at 4/255 leave 4.4 points
less with label smoothing and with MaxSup, 1.6 with CutMix, 1.8 with Mixup, and .6 more with plain training. Declared
before the first row, of new networks at A (quick-fp32, five seeds, 4/255), with 95 % t intervals over seeds, for each
of the four soft labels:
1. The runner-up's share of the wrong probability is lower than with plain training.
2. Seven steps leave fewer images once the logits are multiplied by FACTOR.
3. With plain training that changes what they leave by less than a point on average.
4. What they leave then, beyond the best of all attacks here, is within a point of what they leave of plain networks.
Declared when those rows were there, before any network had been attacked with quieter logits:
5. With plain training, logits times 1/4 leave more images, as they spread the push in the same way.
A step takes the sign of the gradient, so a factor changes nothing but the mix of wrong classes (and what 32 bits lose).
At F (cifar10-papers, study stronger_attack, .4/255 and 1/255): described. `softbook record STUDY --measure louder`.
"""

import warnings
from collections.abc import Sequence

import pandas
import torch
from torch import Tensor, nn

from softbook.studies import records
from softbook.studies.asked import FACTORS, Subject
from softlab.lenses.attacks import UntrustedAttack
from softlab.lenses.attacks.ascent import all_logits
from softlab.lenses.attacks.gradient import Starts
from softlab.lenses.attacks.ladder import usual_ladder

FACTOR = 4  # at which the first four statements are judged
LADDER = usual_ladder(20)  # attacks as everywhere in the book


class Louder(nn.Module):
    """A network whose logits are multiplied by a factor > 0: the same answers, other probabilities."""

    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model = model
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * self.model(images)


def runner_up_share(logits: Tensor) -> Tensor:
    """The second class's share of the probability of all but the first: (N, K) -> (N,), from 1/(K - 1) to 1."""
    ranked = logits.double().sort(dim=1, descending=True).values[:, 1:]
    return ranked.softmax(1)[:, 0]


def left_by_seven_steps(model: nn.Module, images: Tensor, labels: Tensor, radius: float, factor: float = 1) -> Tensor:
    """Which images, (N,) bool, Park et al.'s attack leaves right if it sees the logits times a factor.

    images: (N, C, H, W), float in [0, 1].  labels: (N,) int64.  radius: in pixels of [0, 1].
    """
    with warnings.catch_warnings():  # times 8, the gradients of some sure answers are zero in 32 bits
        warnings.simplefilter("ignore", UntrustedAttack)
        return ~LADDER["PGD-7"](Louder(model, factor), images, labels, radius, Starts()).success


def measured(model: nn.Module, images: Tensor, labels: Tensor, radius: float) -> dict[str, float]:
    """Shares of images: right; left by seven steps at each factor (`times 4`), by the margin, and by all of these.

    And the runner-up's share of the wrong probability at each factor (`runner-up, times 4`), its mean over images that
    are right. Arguments: see left_by_seven_steps.
    """
    logits = all_logits(model, images)
    right = logits.argmax(1) == labels
    left = {_times(factor): left_by_seven_steps(model, images, labels, radius, factor) for factor in FACTORS}
    left["margin"] = ~LADDER["PGD, margin"](model, images, labels, radius, Starts()).success
    left["best"] = torch.stack([*left.values()]).all(0)
    shares = {_runner_up(factor): runner_up_share(factor * logits[right]) for factor in FACTORS}
    outcomes = {"right": right, **left, **shares}
    return {name: float(values.double().mean()) for name, values in outcomes.items()}


def measure(subject: Subject) -> list[dict[str, float]]:
    """A row: what `measured` gives at the subject's radius."""
    network, images, labels = subject.attacked()
    return [{"images met": len(images), **measured(network, images, labels, subject.radius / 255)}]


def recorded(profile: str) -> pandas.DataFrame:
    """A row for each network and radius: method, seed, radius (255ths), what `measured` gives; may be empty."""
    return records.of_measure("louder", profile)


def _times(factor: float) -> str:
    return f"times {factor:g}"


def _runner_up(factor: float) -> str:
    return f"runner-up, times {factor:g}"


def along(table: pandas.DataFrame, factors: Sequence[float] = FACTORS[:-1]) -> dict[str, list[tuple[float, float]]]:
    """From quiet to loud: the runner-up's share and what seven steps leave beyond the best, in %, means over seeds.

    {method: a pair for each factor}.  Factor 8 is left out: there the surest gradients are lost in 32 bits.
    """
    lines = {}
    for method, rows in table.groupby("method", sort=False):
        shares = [100 * rows[_runner_up(factor)].mean() for factor in factors]
        left = [100 * (rows[_times(factor)] - rows["best"]).mean() for factor in factors]
        lines[str(method)] = list(zip(shares, left, strict=True))
    return lines
