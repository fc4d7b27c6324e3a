"""Scores of novelty, AUROC and FPR95: by hand, by their definitions, by a peer, and what a temperature leaves alone."""

import math

import pytest
import torch
from sklearn.metrics import roc_auc_score

from softlab import SoftlabError
from softlab.lenses.novelty import SCORES, auroc, false_positives


def test_scores_by_hand():
    logits = torch.tensor([[math.log(2), 0.0, 0.0]])  # p = ½, ¼, ¼
    found = {name: score(logits).item() for name, score in SCORES.items()}
    assert found["maximal softmax"] == pytest.approx(0.5)
    assert found["maximal logit"] == pytest.approx(math.log(2))
    assert found["energy"] == pytest.approx(math.log(4))


def test_auroc_by_hand():
    known = torch.tensor([3.0, 2.0])
    unknown = torch.tensor([2.0, 1.0])
    assert auroc(known, unknown) == (1 + 1 + 0.5 + 1) / 4  # of four pairs one is equal
    assert auroc(unknown, known) == 0.125
    assert auroc(known, known) == 0.5


def test_false_positives_by_hand():
    known = torch.arange(20.0)  # nineteen of twenty reach 1
    assert false_positives(known, torch.tensor([0.0, 0.5, 1.0, 7.0])) == 0.5
    assert false_positives(known, torch.tensor([0.0, 0.5, 1.0, 7.0]), accepted=1.0) == 1.0


def test_auroc_is_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    known = torch.randint(5, (200,), generator=generator).double() + 1
    unknown = torch.randint(5, (300,), generator=generator).double()
    peer = roc_auc_score([1] * 200 + [0] * 300, torch.cat([known, unknown]).numpy())
    assert auroc(known, unknown) == pytest.approx(peer)


def test_a_temperature_changes_no_order_of_maximal_logits():
    generator = torch.Generator().manual_seed(1)
    known = 5 * torch.randn(200, 10, generator=generator)
    unknown = 4 * torch.randn(200, 10, generator=generator)
    at = {
        name: [auroc(score(known / t), score(unknown / t)) for t in (1.0, 2.0, 8.0)] for name, score in SCORES.items()
    }
    assert len({*at["maximal logit"]}) == 1
    assert len({*at["maximal softmax"]}) == len({*at["energy"]}) == 3


@pytest.mark.parametrize(
    ("known", "unknown", "message"),
    [
        (torch.zeros(0), torch.zeros(2), "scores of known images must be"),
        (torch.zeros(2), torch.zeros(2, 2), "scores of unknown images must be"),
        (torch.tensor([math.nan]), torch.zeros(2), "score of known images"),
    ],
)
def test_what_is_no_score_is_named(known, unknown, message):
    for measure in (auroc, false_positives):
        with pytest.raises(SoftlabError, match=message):
            measure(known, unknown)


def test_a_share_that_cannot_be_accepted_is_named():
    with pytest.raises(SoftlabError, match="accepted must be"):
        false_positives(torch.zeros(2), torch.zeros(2), accepted=0)
