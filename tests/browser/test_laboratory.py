"""The laboratory as its readers have it: from disk and from a server, by mouse, keyboard and finger, in both themes."""

import json
import re
from contextlib import contextmanager

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from laboratory_in_torch import CORE, NARROW, NETWORKS, content, fates, images, torch_network

from softlab.lenses import geometry
from softlab.lenses.attacks import ascent

PAGE = "laboratory/index.html"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
FROZEN = 1000  # ms without a frame that a busy machine may have, and an attack in the page would have many times over
ALL = """() => {
  const laboratory = makeLaboratory();
  const { pixels, labels } = laboratoryFiles.images;
  const images = Float32Array.from(laboratory.bytesOf(pixels), (value) => value / 255);
  const names = Object.keys(laboratoryFiles).filter((name) => name !== "images");
  return Object.fromEntries(names.map((name) => {
    const network = laboratory.build(laboratoryFiles[name]);
    const seen = labels.map((label, place) =>
      laboratory.gradientAt(network, "cross_entropy", images.slice(784 * place, 784 * (place + 1)), label));
    return [name, { logits: seen.map((one) => [...one.seen.logits]), gradients: seen.map((one) => [...one.gradient]) }];
  }));
}"""
# Longest time between two frames while `attacked` is not there yet.
LONGEST_GAP = """() => new Promise((resolve) => {
  let [last, longest] = [performance.now(), 0];
  const frame = (time) => {
    longest = Math.max(longest, time - last);
    last = time;
    if (document.querySelector(".card")) resolve(longest);
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  document.querySelector("#attack button").click();
})"""
# What has the focus, and how it, or the picture that stands for it, shows that.
FOCUS = """() => {
  const [here, next] = [document.activeElement, document.activeElement.nextElementSibling];
  const outline = (element) => element && getComputedStyle(element).outlineStyle;
  return [here.id || here.name || here.tagName, here.name === "image" ? outline(next) : outline(here)];
}"""


@pytest.fixture(params=["server", "disk"])
def home(request, served, site):
    return {"server": served, "disk": site.as_uri()}[request.param]


@pytest.fixture
def laboratory(tab):
    """laboratory(**as tab) as a context manager: the tab with the page open, and what it says of its first image."""

    @contextmanager
    def opened(**options):
        with tab(**{"reduced_motion": "reduce"} | options) as one:
            one.open(PAGE)
            one.page.locator("#answers tr").nth(len(CORE) - 1).wait_for()
            yield one

    return opened


def attack(page):
    page.locator("#attack [type=submit]").click()
    page.locator(".card").first.wait_for()


def show_two(page):
    page.locator("#two").scroll_into_view_if_needed()
    page.locator("#two figure").nth(1).wait_for()


def slide(page, name: str, to: float):
    page.locator(f"#{name}").fill(str(to))


def test_networks_say_what_torch_says(laboratory, home, report):
    pixels, labels = images()
    with laboratory(home=home) as one:
        show_two(one.page)
        answers = one.page.evaluate(ALL)
        assert (one.asked_elsewhere, one.complaints) == ([], [])
    worst = 0.0
    for name, experiment in NETWORKS.items():
        network = torch_network(experiment)
        gradients, logits = ascent.gradient_at(network, "ce", pixels, labels, torch.full_like(labels, -1))
        difference = (torch.tensor(answers[name]["logits"]) - logits).abs().max().item()
        assert difference <= 1e-3, name
        gradients = gradients.flatten(1)
        apart = (torch.tensor(answers[name]["gradients"]) - gradients).norm(dim=1)
        assert (apart <= 1e-2 * gradients.norm(dim=1)).all(), name
        worst = max(worst, difference)
    report(f"the laboratory's logits from {home.partition(':')[0]}: at most {worst:.1e} from torch's")


def test_a_reader_attacks_the_same_boot_in_five_networks(laboratory, home):
    with laboratory(home=home) as one:
        page = one.page
        assert "Ankle boot, a test image. The networks say: ankle boot (all)." in page.inner_text("#told")
        attack(page)
        told = page.inner_text("#told")
        first = re.search(r"First to give in: (.+?) at step (\d+)", told)
        cards = {card.get_attribute("aria-label"): card.inner_text() for card in page.locator(".card").all()}
        assert len(cards) == 5
        fates = {name: re.search(r"Gives in at step (\d+)|Holds", text)[1] for name, text in cards.items()}
        steps = {name: int(step) for name, step in fates.items() if step}
        assert int(first[2]) == min(steps.values())
        assert first[1] in [name for name, step in steps.items() if step == min(steps.values())]
        for name in cards.keys() - steps.keys():
            assert name in told.partition("To the end hold")[2]
        assert all("turned by" in text for text in cards.values())
        # Before that step the network is right, at it no more.
        for step, right in ((int(first[2]) - 1, True), (int(first[2]), False)):
            slide(page, "step", step)
            answer = page.locator("#answers tr", has_text=first[1]).first.inner_text()
            assert ("ankle boot" in answer) is right
        assert one.complaints == []


def test_forty_images_fill_a_scoreboard_as_torch_has_it(laboratory):
    with laboratory() as one:
        page = one.page
        page.locator("#all").click()
        page.locator("#scores strong").nth(len(CORE) - 1).wait_for()
        assert page.locator("#all").inner_text() == "Stop"
        page.wait_for_function("document.querySelector('#progress').value >= 2")
        assert 2 <= page.locator("#progress").evaluate("one => one.value") < 40  # it fills while it runs
        page.wait_for_function("document.querySelector('#told').innerText.startsWith('All 40 images')", timeout=600_000)
        counts = {row.locator("th").inner_text().strip(): row.inner_text() for row in page.locator("#scores tr").all()}
        start = torch.tensor(page.evaluate("[...makeLaboratory().offsets(0)]")).reshape(1, 1, 28, 28)
        labels = page.evaluate(
            "Object.fromEntries(laboratoryFiles.images.networks.map((one) => [one.name, one.label]))"
        )
        for name in CORE:
            (shown,) = re.findall(r"(\d+) of 40", counts[labels[name]])
            assert abs(int(shown) - fates(name, "margin", 4 / 255, start).count("holds")) <= 1, name
        assert "4/255, 20 steps, uphill on the margin" in page.inner_text("#score")
        assert page.locator("#all").inner_text() == "Attack all forty"
        assert one.complaints == []


def test_the_scoreboard_stops_when_it_is_asked_to(laboratory):
    with laboratory() as one:
        page = one.page
        page.locator("#aim").select_option("maxsup")
        page.locator("#all").click()
        page.wait_for_function("document.querySelector('#progress').value >= 1")
        page.locator("#all").click()
        told = page.inner_text("#told")
        assert re.match(r"Stopped after \d+ images, 4/255, 20 steps, each made for MaxSup. Held: ", told)
        board = page.inner_text("#scores")
        page.wait_for_timeout(2000)
        assert page.inner_text("#scores") == board
        assert page.locator("#all").inner_text() == "Attack all forty"


def test_the_same_image_is_shown_to_the_others(laboratory):
    with laboratory() as one:
        page = one.page
        page.locator("#aim").select_option("maxsup")
        attack(page)
        assert "an image made for MaxSup" in page.inner_text("#told")
        pictures = page.locator(".card .pair canvas:first-child").all()
        assert len({picture.evaluate("canvas => canvas.toDataURL()") for picture in pictures}) == 1


def test_the_page_is_not_frozen_by_an_attack(laboratory, report):
    with laboratory() as one:
        slide(one.page, "steps", 40)
        gap = one.page.evaluate(LONGEST_GAP)
        report(f"longest time without a frame while the laboratory attacks: {gap:.0f} ms")
        assert gap < FROZEN


def test_views_tell_what_geometry_says(laboratory):
    with laboratory() as one:
        page = one.page
        show_two(page)
        classes = page.evaluate("laboratoryFiles.images.classes")
        for name, figure in zip(NARROW, page.locator("#two figure").all(), strict=True):
            head = torch_network(NETWORKS[name]).head
            bounded = geometry.bounded_regions(head.weight.detach(), head.bias.detach()).tolist()
            said = [word for word, is_bounded in zip(classes, bounded, strict=True) if is_bounded]
            caption = figure.inner_text()
            assert ("No class is bounded" in caption) is (not said)
            assert all(word in caption.partition("Bounded, and filled:")[2] for word in said)
        for name in CORE:
            page.locator("#network").select_option(name)
            slide(page, "bias", 100)
            head = torch_network(NETWORKS[name]).head
            apex = float(geometry.apex(head.weight.detach(), head.bias.detach()).norm())
            assert f"apex, {apex:.2g} from the origin" in page.inner_text("#plane-told")
            slide(page, "bias", 0)
            assert "apex, 0 from the origin" in page.inner_text("#plane-told")


def test_everything_goes_by_keyboard(laboratory):
    with laboratory() as one:
        page = one.page
        reached = []
        while True:
            page.keyboard.press("Tab")
            here = page.evaluate(FOCUS)
            if here[0] == "BODY":  # after the last one
                break
            reached.append(here[0])
            assert here[1] != "none", f"no visible focus on {here[0]}"
            if here[0] == "image":
                before = page.inner_text("#told")
                page.keyboard.press("ArrowLeft")
                page.wait_for_function("before => document.querySelector('#told').innerText !== before", arg=before)
            if here[0] == "drawing":
                for key in ("ArrowUp", "Space", "ArrowRight", "Space"):
                    page.keyboard.press(key)
                page.wait_for_function("document.querySelector('#told').innerText.startsWith('Your drawing')")
            if here[0] == "BUTTON":  # the form's
                page.keyboard.press("Enter")
                page.locator(".card").first.wait_for()
            if here[0] == "step":
                page.keyboard.press("Home")
                assert page.locator("output[for=step]").inner_text().startswith("0 of")
            if here[0] == "temperature":
                sure = page.locator("#answers").inner_text()
                page.keyboard.press("End")
                assert page.locator("#answers").inner_text() != sure
        controls = {
            "theme",
            "drawing",
            "brush",
            "clear",
            "image",
            "temperature",
            "epsilon",
            "steps",
            "loss",
            "aim",
            "all",
        }
        assert controls | {"step", "network", "step-again", "bias", "far"} <= set(reached)


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_of_it_is_accessible_and_fits(laboratory, artefacts, theme, device):
    with laboratory(color_scheme=theme, **device) as one:
        page = one.page
        page.locator("#all-rows summary").click()
        attack(page)
        show_two(page)
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= page.viewport_size["width"]
        page.evaluate("document.querySelector('#told').style.position = 'static'")
        name = f"laboratory.{theme}.{'phone' if device else 'desk'}.png"
        page.screenshot(path=artefacts / name, full_page=True)


def test_a_finger_draws(laboratory):
    with laboratory(**PHONE) as one:
        page = one.page
        page.locator("#clear").click()
        page.wait_for_function("document.querySelector('#told').innerText.startsWith('Your drawing')")
        before = page.locator("#answers").inner_text()
        box = page.locator("#drawing").bounding_box()
        for share in (0.3, 0.4, 0.5, 0.6, 0.7):
            page.touchscreen.tap(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        page.wait_for_function("before => document.querySelector('#answers').innerText !== before", arg=before)
        attack(page)  # of a drawing: each network's own answer
        assert "Wrong before" not in page.inner_text("#told")


def test_a_fast_stroke_has_no_gaps(laboratory):
    with laboratory() as one:
        page = one.page
        page.locator("#clear").click()
        box = page.locator("#drawing").bounding_box()
        pixel = box["width"] / 28
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 5.5 * pixel, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 22.5 * pixel, middle)
        page.mouse.up()
        row = page.locator("#drawing").evaluate(
            "canvas => [...canvas.getContext('2d').getImageData(0, 14, 28, 1).data]"
        )
        assert [value > 200 for value in row[::4]] == [4 <= place <= 23 for place in range(28)]


def test_the_theme_is_the_books(laboratory):
    with laboratory(color_scheme="light") as one:
        page = one.page
        page.locator("#theme").click()  # auto, then light
        page.locator("#theme").click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        one.open("book/intro.html")
        assert page.locator("html").get_attribute("data-theme") == "dark"
        page.locator(".theme-switch-button:visible").first.click()
        chosen = page.locator("html").get_attribute("data-mode")
        one.open(PAGE)
        assert page.locator("html").get_attribute("data-mode") == chosen


def test_an_attack_plays_unless_less_motion_is_asked_for(laboratory):
    for motion, at_once in (("reduce", True), ("no-preference", False)):
        with laboratory(reduced_motion=motion) as one:
            attack(one.page)
            shown = one.page.locator("output[for=step]").inner_text()
            assert (shown == "20 of 20") is at_once
            one.page.wait_for_function("document.querySelector('output[for=step]').innerText === '20 of 20'")


def test_weights_that_do_not_fit_are_one_clear_line(tab, site):
    file = content(site / "laboratory" / "mixup.js")
    file["classes"] = 11
    spoiled = f"laboratoryFiles.mixup = {json.dumps(file)}"
    with tab() as one:
        one.page.route("**/mixup.js", lambda route: route.fulfill(body=spoiled, content_type="text/javascript"))
        one.page.route("**/cutmix.js", lambda route: route.fulfill(status=404))
        one.open(PAGE)
        one.page.locator("#answers tr").nth(2).wait_for()
        lines = sorted(one.page.inner_text("#trouble").splitlines())
        why = "head.weight is 10 × 64, not 11 × 64"
        assert lines == [
            f"The weights of Mixup do not fit this page’s network: {why}.",
            "cutmix.js could not be loaded.",
        ]
        assert one.page.locator("#answers tr").count() == 3
        attack(one.page)
        assert one.page.locator(".card").count() == 3


def test_without_javascript_there_is_a_sentence(tab):
    with tab(java_script_enabled=False) as one:
        one.page.goto(f"{one.home}/{PAGE}")
        assert "With JavaScript, five trained networks run in this page" in one.page.inner_text("main")
        assert not one.page.locator("#laboratory").is_visible()
