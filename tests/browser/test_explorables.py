"""Explorables as readers have them: by slider, mouse, keyboard and finger; on paper; without JavaScript."""

import itertools
import json
import math
import re

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from softbook import figures
from softlab.lenses import geometry

CHAPTERS = {
    "gap-law": "notebooks/calibration.html",
    "reliability": "notebooks/calibration.html",
    "cones": "notebooks/cones.html",
    "planes": "book/intro.html",
    "park-product": "notebooks/cosines.html",
    "maxsup-field": "notebooks/maxsup.html",
    "slope-plane": "notebooks/robustness.html",
}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
KILOBYTE = 1000
# What has the focus: a control of the figure shows it by an outline.
FOCUS = """figure => {
  const here = document.activeElement;
  return figure.contains(here) ? [here.id || here.type, getComputedStyle(here).outlineStyle] : null;
}"""


@pytest.fixture(params=["server", "disk"])
def home(request, served, site):
    return {"server": served, "disk": site.as_uri()}[request.param]


class Explorable:
    def __init__(self, tab, name):
        self.page = tab.open(CHAPTERS[name])
        self.figure = self.page.locator(f'figure.explorable[data-name="{name}"]')
        self.figure.locator(".stage svg").first.wait_for()
        self.data = json.loads(self.figure.locator("script").text_content())

    def control(self, label):
        return self.figure.get_by_label(label, exact=True)

    def slide(self, label, to):
        self.control(label).fill(str(to))

    def told(self):
        return self.figure.locator(".told").inner_text().replace("−", "-")

    def numbers(self):
        return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", self.told())]

    def drag(self, hold, by):
        """The mouse takes a handle and moves it by (x, y) pixels."""
        handle = self.figure.locator(f'[data-hold="{hold}"]').last
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        x = box["x"] + box["width"] / 2
        y = box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + by[0], y + by[1], steps=4)
        mouse.up()


def test_the_gap_law(tab, home):
    with tab(home, reduced_motion="reduce") as one:
        law = Explorable(one, "gap-law")
        for gap, taken in itertools.product((2, 8), (3, 6)):
            law.slide("gap g of the baseline", gap)
            law.slide("Δ, taken off it", taken)
            change = abs(gap - taken) - abs(gap)
            how = "falls" if change < 0 else "rises"
            assert f"by the law ECE {how} by {abs(change):.1f}" in law.told()
            assert f"changes sign where the gap is {taken / 2:.1f}." in law.told()
        own = law.data["points"][-1]
        law.control("comparison").select_option(own["text"])
        change = abs(own["gap"] - own["taken"]) - abs(own["gap"]) + own["rest"]
        assert f"Gap {own['gap']:.1f}, of which {own['taken']:.1f} are taken off" in law.told()
        assert f"{own['text']}: gap {own['gap']:.1f}" in law.told()
        assert f"ECE {change:+.1f}, of which {own['rest']:+.1f} is rest." in law.told()
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_reliability(tab, home):
    with tab(home) as one:
        diagram = Explorable(one, "reliability")
        methods = list(diagram.data["methods"].values())
        for place in (0, methods[0]["T"].index(1), len(methods[0]["T"]) - 1):
            if place == len(methods[0]["T"]) - 1:
                diagram.control("each at its own fitted temperature").check()
            else:
                diagram.slide("temperature T", place)
            errors = {}
            for method in methods:
                count, confidence, accuracy = torch.tensor(method["bins"][place])
                error = 100 * (count * (confidence - accuracy)).abs().sum() / count.sum()
                row = diagram.figure.locator("tbody tr", has_text=method["label"]).locator("td").all_inner_texts()
                assert float(row[0]) == pytest.approx(method["T"][place], abs=0.006)
                assert float(row[1]) == pytest.approx(float(error), abs=0.06)
                assert float(row[2]) == pytest.approx(method["nll"][place], abs=0.0006)
                errors[float(error)] = method["label"]
            assert f"Smallest ECE: {errors[min(errors)]};" in diagram.told()
        diagram.control(methods[0]["label"]).uncheck()
        assert diagram.figure.locator("tbody tr").count() == len(methods) - 1
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_cones(tab, home):
    with tab(home) as one:
        cones = Explorable(one, "cones")
        names = list(cones.data["networks"])
        classes = cones.data["classes"]
        for name, share, row in itertools.product(names, (1, 0.5), (None, (0.0, 0.0))):
            cones.control("network").select_option(name)
            _, weight, bias, _ = (torch.tensor(part) for part in cones.data["networks"][name][-1])
            cones.slide("bias", 100 * share)
            if row:
                cones.control("row of").select_option(classes[3])
                cones.slide("across", row[0])
                cones.slide("up", row[1])
                weight[3] = torch.tensor(row)
            bounded = geometry.bounded_regions(weight, share * bias).tolist()
            said = re.search(r"Bounded, and filled: ([^.]*)\.|No class is bounded\.", cones.told())
            filled = re.split(", | and ", said[1]) if said[1] else []
            assert filled == [label for label, closed in zip(classes, bounded, strict=True) if closed]
            apex = float(geometry.apex(weight, share * bias).norm())
            assert float(re.search(r"\(star\) is (\S+)", cones.told())[1]) == pytest.approx(apex, rel=0.06)
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_the_cover(tab, home):
    with tab(home) as one:
        planes = Explorable(one, "planes")
        names = [*planes.data["networks"]][::-1]
        time = planes.control("epoch")
        drawn = planes.figure.locator(".stage svg.chart")
        assert drawn.count() == 2
        last = drawn.evaluate_all("svgs => svgs.map(svg => svg.outerHTML)")
        time.focus()
        for place in (-2, -3):
            one.page.keyboard.press("ArrowLeft")
            for name in names:
                epoch, weight, bias, _ = planes.data["networks"][name][place]
                assert planes.told().startswith(f"Epoch {epoch}.")
                bounded = geometry.bounded_regions(torch.tensor(weight), torch.tensor(bias)).tolist()
                said = re.search(rf"{name}: (?:Bounded, and filled: ([^.]*)\.|No class is bounded\.)", planes.told())
                filled = re.split(", | and ", said[1]) if said[1] else []
                assert filled == [label for label, shut in zip(planes.data["classes"], bounded, strict=True) if shut]
            assert time.get_attribute("aria-valuetext") == str(epoch)
        moved = drawn.evaluate_all("svgs => svgs.map(svg => svg.outerHTML)")
        assert all(old != new for old, new in zip(last, moved, strict=True))
        assert (one.asked_elsewhere, one.complaints) == ([], [])


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_the_cover_stays_where_it_is_as_its_slider_comes(tab, device):
    """The text below the picture, before the script has come and after."""
    with tab(**device) as one:
        one.page.context.route("**/laboratory/*.js", lambda route: route.abort())
        still = one.open(CHAPTERS["planes"]).locator("figure.cover figcaption").bounding_box()
    with tab(**device) as one:
        live = Explorable(one, "planes").figure.locator("figcaption").bounding_box()
    assert live["y"] == pytest.approx(still["y"], abs=2)


def test_maxsups_field(tab, home):
    with tab(home) as one:
        field = Explorable(one, "maxsup-field")
        for logits, alpha in (([0.5, 2.0, -1.0], 0.4), ([-2.0, -1.0, 1.5], 0.1), ([2.0, 0.0, 1.0], 1.0)):
            for label, value in zip(("logit of boot (true)", "logit of bag", "logit of coat"), logits, strict=True):
                field.slide(label, value)
            field.slide("strength α", alpha)
            p = torch.tensor(logits).softmax(0)
            top = int(p.argmax())
            ahead = torch.eye(3)[top] - p
            target = {"ce": torch.eye(3)[0] - p, "ls": alpha * (1 / 3 - torch.eye(3)[0])}
            target["ms"] = alpha * (1 / 3 - torch.eye(3)[top])
            ce, ls, ms = (float(ahead @ force) for force in target.values())
            wanted = [ce, ls, 1, ms, ce + ls, ce + ms] if top else [ce, 1, ls]
            found = field.numbers()
            assert found[:3] == pytest.approx(p.tolist(), abs=0.006)
            assert found[3:] == pytest.approx(wanted, abs=0.0006)
            assert ("rightly" in field.told()) is (top == 0)
        assert torch.allclose(torch.tensor(field.data["plane"]), figures.PLANE)
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_parks_cosine_is_a_product(tab, home):
    with tab(home, reduced_motion="reduce") as one:
        product = Explorable(one, "park-product")
        for network in product.data["networks"]:
            product.control("network").select_option(network["text"])
            share, cosine, both, *logits, p = product.numbers()
            assert share == pytest.approx(network["share"], abs=0.02)  # sliders have steps
            assert cosine == pytest.approx(network["cosine"], abs=0.02)
            assert both == pytest.approx(share * cosine, abs=0.01)
            assert sum(logits) == pytest.approx(0, abs=0.03), "three norths that add up to nothing"
            assert p == pytest.approx(float(torch.tensor(logits).softmax(0)[0]), abs=0.01)
        product.slide("unread part", 0)
        assert product.numbers() == [1.0, cosine, cosine, *logits, p], "what no logit depends on"
        product.slide("turn of the read part", 120)
        assert product.numbers()[1] == -0.5
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_the_plane_of_margin_and_slope(tab, home):
    with tab(home) as one:
        plane = Explorable(one, "slope-plane")
        for network in plane.data["networks"][::4]:
            plane.control("network").select_option(network["text"])
            for place, (name, (slope, margin, attacked)) in enumerate(network["seeds"].items()):
                plane.slide("seed", place)
                said = plane.told()
                assert f"{network['text']}, {name}: the margin is {math.exp(margin):.2f} times" in said
                assert f"the slope {math.exp(slope):.2f} times" in said
                assert f"leaves {abs(attacked):.1f} points {'fewer' if attacked < 0 else 'more'}." in said
            plane.slide("temperature T", 1)
            assert "At temperature 2.00 margin and slope are 0.50 times what they were" in plane.told()
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_on_the_plane_a_network_moves_along_its_line_only(tab):
    with tab() as one:
        plane = Explorable(one, "slope-plane")
        plane.drag("here", (-60, 0))
        heat = float(plane.control("temperature T").input_value())
        assert heat > 0.2
        plane.drag("here", (40, -40))  # towards the origin and back: along the line again
        assert float(plane.control("temperature T").input_value()) < heat


def test_a_mouse_drags_what_a_slider_moves(tab):
    with tab() as one:
        law = Explorable(one, "gap-law")
        before = [float(law.control(label).input_value()) for label in ("gap g of the baseline", "Δ, taken off it")]
        way = -1 if before[0] > 0 else 1  # it may begin near an end of its slider
        law.drag("gap", (60 * way, 10))
        law.drag("turn", (-40, 0))
        after = [float(law.control(label).input_value()) for label in ("gap g of the baseline", "Δ, taken off it")]
        assert way * (after[0] - before[0]) > 1
        assert after[1] < before[1] - 1
        cones = Explorable(one, "cones")
        label = cones.data["classes"][2]
        row = cones.data["networks"][cones.control("network").evaluate("one => one.selectedOptions[0].label")][-1][1][2]
        cones.drag("2", (30, -20))
        assert f"moved: {label}" in cones.told()
        assert cones.control("row of").evaluate("one => one.selectedOptions[0].label") == label
        assert float(cones.control("across").input_value()) > row[0]
        assert float(cones.control("up").input_value()) > row[1]
        cones.figure.get_by_role("button", name="Back to the start").click()
        one.page.wait_for_function("!document.querySelector('.explorable .told').innerText.includes('moved')")
        product = Explorable(one, "park-product")
        share, cosine, _, *logits = product.numbers()
        product.drag("feature", (0, -25))
        assert product.numbers()[0] < share - 0.02
        assert product.numbers()[1] == cosine
        product.drag("needle", (-40, 0))
        assert product.numbers()[3:] != logits
        field = Explorable(one, "maxsup-field")
        field.drag("logits", (60, 0))
        assert "boot leads, rightly" in field.told()


@pytest.mark.parametrize("name", [name for name in CHAPTERS if name != "planes"])  # one slider, with nothing to reset
def test_everything_goes_by_keyboard(tab, name):
    with tab() as one:
        made = Explorable(one, name)
        first = made.told()
        controls = made.figure.locator("input, select, button")
        controls.first.focus()
        reached = []
        changed = 0
        while here := made.figure.evaluate(FOCUS):
            assert here[1] != "none", f"no visible focus on {here[0]}"
            reached.append(here[0])
            before = made.told()
            kind = one.page.evaluate("document.activeElement.type")
            if kind != "reset":
                one.page.keyboard.press({"checkbox": "Space", "select-one": "ArrowDown"}.get(kind, "ArrowLeft"))
                changed += made.told() != before
            else:
                one.page.keyboard.press("Enter")
            one.page.keyboard.press("Tab")
        assert len(reached) == controls.count() == len(set(reached))
        assert changed > 0
        one.page.wait_for_function(
            "([figure, text]) => figure.innerText.replaceAll('−', '-') === text",
            arg=[made.figure.locator(".told").element_handle(), first],
        )
        assert made.figure.locator(".told").get_attribute("role") == "status"


@pytest.mark.parametrize(
    ("name", "hold"),
    [
        ("gap-law", "gap"),
        ("cones", "1"),
        ("park-product", "needle"),
        ("maxsup-field", "logits"),
        ("slope-plane", "here"),
    ],
)
def test_a_finger_drags_on_a_phone(tab, name, hold):
    with tab(**PHONE) as one:
        made = Explorable(one, name)
        handle = made.figure.locator(f'[data-hold="{hold}"]').last
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        before = made.told()
        assert handle.evaluate("one => getComputedStyle(one).touchAction") == "none"
        x = box["x"] + box["width"] / 2
        y = box["y"] + box["height"] / 2
        finger = one.page.context.new_cdp_session(one.page)
        for kind, shift in (("Start", 0), ("Move", 12), ("Move", 25), ("End", None)):
            points = [] if shift is None else [{"x": x - shift, "y": y}]
            finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
        one.page.wait_for_function(
            "([told, before]) => told.innerText.replaceAll('−', '-') !== before",
            arg=[made.figure.locator(".told").element_handle(), before],
        )
        assert one.complaints == []


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_they_are_accessible_and_fit(tab, artefacts, theme, device):
    with tab(color_scheme=theme, **device) as one:
        for name in CHAPTERS:
            made = Explorable(one, name)
            found = Axe().run(one.page, {"include": [["figure.explorable"]]}).response["violations"]
            assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
            assert one.page.evaluate("document.scrollingElement.scrollWidth") <= one.page.viewport_size["width"]
            inside = made.figure.evaluate("one => one.scrollWidth <= one.clientWidth")
            assert inside, f"{name} is wider than its place"
            made.figure.screenshot(path=artefacts / f"explorable.{name}.{theme}.{'phone' if device else 'desk'}.png")


def test_on_paper_there_is_the_picture_and_what_it_says(tab):
    with tab() as one:
        for name in CHAPTERS:
            made = Explorable(one, name)
            one.page.emulate_media(media="print")
            assert not made.figure.locator("form").is_visible()
            assert made.figure.locator(".stage svg").first.is_visible()
            assert made.figure.locator(".told").is_visible()
            one.page.emulate_media(media="screen")


def test_without_javascript_there_is_a_still_picture_and_a_sentence(tab):
    with tab(java_script_enabled=False) as one:
        for name in [name for name in CHAPTERS if name != "planes"]:
            one.page.goto(f"{one.home}/{CHAPTERS[name]}")
            figure = one.page.locator(f'figure.explorable[data-name="{name}"]')
            assert figure.locator("img").is_visible()
            assert len(figure.locator("img").get_attribute("alt")) > 40
            assert "With JavaScript, this picture can be moved." in figure.inner_text()


def test_without_javascript_the_cover_has_its_still_picture_and_speaks_of_no_slider(tab):
    with tab(java_script_enabled=False) as one:
        one.page.goto(f"{one.home}/{CHAPTERS['planes']}")
        figure = one.page.locator("figure.cover")
        assert figure.locator("img").is_visible()
        assert len(figure.locator("img").get_attribute("alt")) > 40
        assert "slider" not in figure.inner_text()


def test_their_numbers_are_small(tab, report):
    with tab() as one:
        sizes = {name: len(json.dumps(Explorable(one, name).data)) / KILOBYTE for name in CHAPTERS}
    report("numbers of explorables: " + ", ".join(f"{name} {size:.0f} kB" for name, size in sizes.items()))
    assert max(sizes.values()) <= 60
