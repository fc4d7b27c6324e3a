"""What a reader does: move sliders, choose a theme, search, find the answer, print, take a notebook away."""

import io
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from pypdf import PdfReader

MEGABYTE = 1e6


def drag(page, slider, to: float):
    """Press the mouse on the middle of a slider and let it go at this share of its width."""
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 1 + to * (box["width"] - 2), middle, steps=5)
    page.mouse.up()


def test_sliders_follow_the_mouse_and_the_keyboard(tab, site, chapters):
    with_sliders = [name for name in chapters if "softlab-frames" in (site / name).read_text()]
    assert with_sliders
    with tab() as one:
        for name in with_sliders:
            page = one.open(name)
            for figure in page.locator("figure.softlab-frames").all():
                follows_its_slider(page, figure)
        assert one.complaints == []


def follows_its_slider(page, figure):
    """Go through all frames by keyboard, and to both ends by mouse: picture, caption and spoken value go along."""
    slider = figure.locator("input")
    output = figure.locator("output")
    shown = figure.locator("img:visible")
    labels = [image.get_attribute("data-label") for image in figure.locator("img").all()]
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.keyboard.press("Home")
    pictures = []
    for label in labels:
        assert (output.text_content(), slider.get_attribute("aria-valuetext")) == (label, label)
        assert shown.count() == 1
        assert label in shown.get_attribute("alt")
        pictures.append(shown.screenshot())
        page.keyboard.press("ArrowRight")
    assert len(set(pictures)) == len(labels), "frames that look the same"
    for end, label in ((0, labels[0]), (1, labels[-1])):
        drag(page, slider, to=end)
        assert (output.text_content(), slider.get_attribute("aria-valuetext")) == (label, label)
        assert shown.screenshot() == pictures[labels.index(label)]


# Letters of charts that are cut, and tick labels that run into the next one. (Names under the matrix stand aslant.)
CUT_OR_TOUCHING = """() => [...document.querySelectorAll("div.chart svg")].flatMap((svg) => {
  const box = (one) => one.getBoundingClientRect();
  const seen = (one) => one.textContent && box(one).width && one.getAttribute("opacity") !== "0"; // else it has gone
  const words = [...svg.querySelectorAll("text")].filter(seen);
  const ticks = words.filter((one) => one.closest(".role-axis-label") && !/rotate/.test(one.getAttribute("transform")));
  const cut = words.filter((one) => box(one).left < box(svg).left || box(one).right > box(svg).right);
  const touch = (one, other) => Math.abs(box(one).top - box(other).top) < 2
    && Math.min(box(one).right, box(other).right) > Math.max(box(one).left, box(other).left) - 1;
  const touching = ticks.filter((one, place) => ticks.slice(place + 1).some((other) => touch(one, other)));
  return [...cut, ...touching].map((one) => one.textContent);
})"""


@pytest.mark.parametrize("width", [1280, 390])
def test_no_letter_of_a_chart_is_cut_and_ticks_keep_apart(tab, width):
    with tab(viewport={"width": width, "height": 900}) as one:
        page = one.open("book/results.html")
        assert page.locator("div.chart svg").count() > 10
        assert page.evaluate(CUT_OR_TOUCHING) == []


NOTE = "one => getComputedStyle(one, '::after').content"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_a_number_in_a_sentence_answers_to_mouse_keyboard_and_tap(tab, theme, width, artefacts):
    """With the command that makes it again; on paper, and until somebody asks, nothing is added."""
    with tab(color_scheme=theme, viewport={"width": width, "height": 800}, has_touch=True) as one:
        page = one.open("book/intro.html")
        number = page.locator(".answers[data-note*='--profile']").first
        assert "--profile" not in page.locator("article").first.inner_text()
        for ask in (number.hover, number.focus, number.tap):  # a tap last: what was tapped counts as hovered
            assert number.evaluate(NOTE) == "none"
            ask()
            assert re.search(r"seed.*\bstudy .*, profile .*again: softbook (verify|record) ", number.evaluate(NOTE))
            assert page.evaluate("document.scrollingElement.scrollWidth") == width
            page.screenshot(path=artefacts / f"answer.{theme}.{width}.png")
            page.mouse.move(0, 0)
            number.evaluate("one => one.blur()")
        number.focus()
        page.emulate_media(media="print")
        assert number.evaluate("one => getComputedStyle(one, '::after').display") == "none"


def test_a_chosen_theme_stays(tab, names):
    with tab(color_scheme="light") as one:
        page = one.open(names[0])
        page.locator(".theme-switch-button:visible").first.click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        page = one.open(names[1])
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_figures_follow_the_dark_theme(tab, chapters):
    """As they are seen: most of each picture is nearly black, and some of it, what is drawn, is light."""
    with tab(color_scheme="dark") as one:
        for name in chapters:
            page = one.open(name)
            images = page.locator("article .cell_output img:visible")
            for image in images.all():
                looks = image.evaluate("image => [getComputedStyle(image)].map(s => [s.backgroundColor, s.filter])[0]")
                assert looks == ["rgba(0, 0, 0, 0)", "invert(0.92) hue-rotate(180deg)"], name
            figures = [kind.first for kind in (images, page.locator("article div.chart:visible")) if kind.count()]
            assert figures, name
            for figure in figures:
                shades = plt.imread(io.BytesIO(figure.screenshot()))[..., :3].mean(-1)
                assert np.median(shades) < 0.25, name
                assert shades.max() > 0.8, name


@pytest.mark.parametrize("where", ["server", "disk"])
def test_search_works_without_a_network(tab, served, site, where):
    with tab({"server": served, "disk": site.as_uri()}[where]) as one:
        page = one.open("search.html?q=cone")
        page.locator("#search-results li a[href*='cones']").first.wait_for()
        assert one.asked_elsewhere == []
        if where == "server":  # from disk, a browser lets no page read another one: no snippets
            page.locator("#search-results li .context").first.wait_for()
            assert one.complaints == []


def test_one_click_leads_from_the_cover_to_an_answer(tab):
    """Are the networks better calibrated? The link goes to the chapter's first screen, which says it."""
    with tab() as one:
        page = one.page
        page.goto(f"{one.home}/index.html")
        page.wait_for_url("**/book/intro.html")
        page.locator("article").get_by_role("link", name="Calibration", exact=True).click()
        page.wait_for_url("**/calibration.html#in-short")
        answer = page.locator("section#in-short")
        assert 0 <= answer.bounding_box()["y"] < 700
        assert re.search(r"calibration error from \d+ to \d+ %", answer.text_content())


def test_a_chapter_prints_without_navigation(tab, artefacts):
    with tab() as one:
        page = one.open("notebooks/cones.html")
        page.emulate_media(media="print")
        for part in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-footer", "#rtd"):
            assert not page.locator(part).first.is_visible(), part
        page.pdf(path=artefacts / "cones.pdf", format="A4")
    printed = PdfReader(artefacts / "cones.pdf")
    text = "\n".join(sheet.extract_text() for sheet in printed.pages)
    assert len(printed.pages) > 3
    for part in ("What would change our mind", "Exercises", "Change and rerun"):
        assert part in text


def test_a_chapter_offers_its_notebook(tab, chapters):
    with tab(accept_downloads=True) as one:
        for name in chapters:
            page = one.open(name)
            page.locator(".dropdown-download-buttons > button").click()
            with page.expect_download() as download:
                page.locator("a.btn-download-source-button").click()
            notebook = json.loads(Path(download.value.path()).read_text())
            assert download.value.suggested_filename == f"{Path(name).stem}.ipynb"
            assert any(cell.get("outputs") for cell in notebook["cells"]), "not the executed one"


def test_no_chapter_is_heavy(site, chapters, report):
    """The page and the images that it loads from files (frames of sliders are in the page)."""
    weights = {}
    for name in chapters:
        images = re.findall(r'<img[^>]* src="(\.\./_images/[^"]+)"', (site / name).read_text())
        files = {(site / name), *((site / name).parent / image for image in images)}
        weights[name] = sum(path.stat().st_size for path in files) / MEGABYTE
    heaviest = max(weights, key=weights.get)
    report(f"heaviest chapter: {weights[heaviest]:.1f} MB ({heaviest})")
    assert {name: weight for name, weight in weights.items() if weight > 6} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_question_picture_and_six_answers_are_the_covers_first_screen(tab, theme):
    with tab(color_scheme=theme, viewport={"width": 1280, "height": 900}) as one:
        page = one.open("book/intro.html")
        last = page.locator("figure.cover ~ .pst-scrollable-table-container tr").nth(6)
        for seen in (page.locator("figure.cover"), last):
            box = seen.bounding_box()
            assert box["y"] + box["height"] <= 900
    with tab(color_scheme=theme, viewport={"width": 390, "height": 844}) as one:
        box = one.open("book/intro.html").locator("figure.cover .stage, figure.cover img").first.bounding_box()
        assert box["y"] + box["height"] <= 844
