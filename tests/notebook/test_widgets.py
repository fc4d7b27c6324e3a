"""Sliders: the static form is plain HTML with one image shown, and follows its range input."""

import re

import matplotlib.pyplot as plt
import pytest

from softbook.page import widgets


@pytest.fixture
def page():
    def draw(value):
        figure, ax = plt.subplots(figsize=(1, 1))
        ax.plot([0, value])
        return figure

    plt.close("all")  # what other tests left
    return widgets.static(draw, {"α = 1": 1, "β <2>": 2, "c": 3}, "Choose", "A line & more.", start=1)


def test_every_frame_is_embedded_with_alternative_text_and_one_is_shown(page):
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == 3
    assert [" hidden" in image for image in images] == [True, False, True]
    assert all("data:image/png;base64," in image for image in images)
    assert 'alt="A line &amp; more. Here: β &lt;2&gt;."' in images[1]
    assert not plt.get_fignums()


def test_the_input_has_a_label_and_says_where_it_is(page):
    name = re.search(r'<label for="([^"]+)">Choose</label>', page)[1]
    control = re.search(r"<input [^>]*>", page)[0]
    assert f'id="{name}"' in control
    assert 'type="range" min="0" max="2" value="1"' in control
    assert 'aria-valuetext="β &lt;2&gt;"' in control
    assert "http" not in page


def test_a_person_with_a_kernel_is_told_from_an_execution_without_one(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not widgets.is_live()
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/01.ipynb")
    assert widgets.is_live()


def test_the_live_form_draws_the_frame_that_is_chosen(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/01.ipynb")
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    drawn = []

    def draw(value):
        drawn.append(value)
        return plt.figure(figsize=(1, 1))

    widgets.explore(draw, {"a": 1, "b": 2}, "Choose", "A caption.")
    image, slider, _ = shown[0].children
    before = image.value
    slider.value = 2
    assert drawn == [1, 2]
    assert image.value[:4] == before[:4] == b"\x89PNG"
