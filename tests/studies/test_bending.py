"""How networks bend: exact on a linear one, up and down on networks that are bent by hand, and on record."""

import pytest
import torch
from torch import nn

from softbook.studies import bending

STEP = 0.02  # logits for each 255th


class Bent(nn.Module):
    """The first logit falls by STEP with each 255th that the only pixel falls below .5, times 1 + bend · 255ths."""

    def __init__(self, bend: float) -> None:
        super().__init__()
        self.bend = bend

    def forward(self, images):
        fallen = (0.5 - images.flatten(1)[:, 0]) * 255
        first = 0.1 - STEP * fallen * (1 + self.bend * fallen)
        return torch.stack([first, torch.zeros_like(first)], 1)


@pytest.mark.parametrize("bend", [0.0, 0.05, -0.05])
def test_what_is_left_of_the_lead_by_hand(bend):
    images = torch.full((3, 1, 1, 1), 0.5)
    labels = torch.zeros(3, dtype=torch.long)
    for radius, line in ((1.0, 0.8), (4.0, 0.2)):
        attacked, straight = bending.lead_left(Bent(bend), images, labels, radius)
        assert straight == pytest.approx(line, abs=1e-4), "a line, whatever the network does"
        assert attacked == pytest.approx(1 - (1 - line) * (1 + radius * bend), abs=1e-4)


def test_only_images_that_are_right_count():
    images = torch.full((3, 1, 1, 1), 0.5)
    labels = torch.tensor([0, 1, 1])
    attacked, _ = bending.lead_left(Bent(0.0), images, labels, 1.0)
    assert attacked == pytest.approx(0.8, abs=1e-4)


def test_the_lead_is_negative_where_the_label_is_not_ahead():
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert bending.lead(logits, torch.tensor([0, 1])).tolist() == [1.0, -2.0]


def test_without_a_record_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(bending.records, "RECORDS", tmp_path)
    assert bending.recorded("quick-fp32").empty
