"""Louder logits: the runner-up's share by hand, and an attack that goes astray until it is loud."""

import pandas
import pytest
import torch
from torch import nn

from softbook.studies import louder


def test_the_runner_ups_share_by_hand():
    logits = torch.tensor([[5.0, 1.0, 1.0, 1.0], [2.0, 9.0, 2.0 - torch.log(torch.tensor(2.0)), 2.0]])
    assert louder.runner_up_share(logits).tolist() == pytest.approx([1 / 3, 2 / 5])
    assert float(louder.runner_up_share(1000 * logits[1:] + torch.tensor([1.0, 0, 0, 0]))) == pytest.approx(
        0.731, abs=1e-3
    )


class Crowd(nn.Module):
    """Class 0 leads; class 1, the runner-up, is reached by raising the first pixel, eight others by lowering it."""

    def forward(self, images):
        pixel = images.flatten(1)[:, :1] - 0.5
        first = torch.full_like(pixel, 0.25)
        return torch.cat([first, 2.52 * pixel, (-2 * pixel - 0.8).expand(-1, 8)], 1)


def test_cross_entropy_is_led_astray_by_a_crowd_until_the_logits_are_loud():
    images = torch.full((5, 1, 1, 1), 0.5)
    labels = torch.zeros(5, dtype=torch.long)
    radius = 0.1  # enough for the runner-up (2.52 · .1 > .25), and for nobody else (2 · .1 - .8 < .25)
    found = louder.measured(Crowd(), images, labels, radius)
    assert found["right"] == found["times 1"] == 1
    assert found["times 8"] == found["margin"] == found["best"] == 0
    assert found["runner-up, times 1"] == pytest.approx(1 / (1 + 8 * 2.718281828**-0.8))
    assert found["runner-up, times 4"] == pytest.approx(1 / (1 + 8 * 2.718281828**-3.2))


def test_loud_logits_answer_as_before():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images = torch.rand(20, 1, 2, 2)
    assert torch.equal(louder.Louder(model, 4)(images).argmax(1), model(images).argmax(1))


def test_a_line_from_quiet_to_loud_is_of_means_over_seeds():
    rows = []
    for seed, more in ((1, 0.0), (2, 0.02)):
        numbers = {f"times {one:g}": 0.4 + more for one in louder.FACTORS}
        numbers |= {f"runner-up, times {one:g}": 0.1 * one for one in louder.FACTORS}
        rows.append(
            {"method": "mixup", "seed": seed, "radius": 4.0, "right": 0.8, "margin": 0.4, "best": 0.38, **numbers}
        )
    table = pandas.DataFrame(rows)
    assert louder.along(table, (1, 2))["mixup"] == [pytest.approx((10, 3)), pytest.approx((20, 3))]


def test_without_a_record_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(louder.records, "RECORDS", tmp_path)
    assert louder.recorded("quick-fp32").empty
