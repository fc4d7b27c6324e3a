"""The page of all numbers: searched, sorted, narrowed and taken away, from a server and from disk."""

import csv
import re
from pathlib import Path

import pytest
from findings import ALL, violations
from test_every_page import RUNS_OFF

PAGE = "book/numbers.html"
ROW = "#numbers tbody tr"


@pytest.fixture(params=["server", "disk"])
def home(request, served, site):
    return {"server": served, "disk": site.as_uri()}[request.param]


def opened(tab, address=PAGE):
    """The page, when its table is there."""
    page = tab.open(address)
    page.locator(ROW).first.wait_for()
    return page


def column(page, place):
    """What stands in a column of the rows on the screen, from 1."""
    return page.locator(f"{ROW} > :nth-child({place})").all_text_contents()


def numbers(page, place):
    """The same as numbers, without intervals; rows without a number do not count."""
    texts = [text.partition(" ")[0].replace("\N{MINUS SIGN}", "-") for text in column(page, place)]
    return [float(text) for text in texts if text]


def sorted_by_key(page, name, place, order):
    """The numbers of a column, after Enter on the button that has the focus."""
    page.keyboard.press("Enter")
    page.locator(f"#numbers th[aria-sort={order}]", has_text=name).wait_for()
    empty = [text == "" for text in column(page, place)]
    assert empty == sorted(empty), "rows without a number come last"
    return numbers(page, place)


def test_a_word_is_searched_and_a_link_can_bring_one(tab, home):
    with tab(home) as one:
        page = opened(one)
        everything = page.locator(".dt-info").text_content()
        page.get_by_role("searchbox").fill("ECE mixup core")
        page.wait_for_function("before => document.querySelector('.dt-info').textContent !== before", arg=everything)
        found = {name.lower() for name in column(page, 2)}
        assert found == {"mixup"}
        assert all("ECE" in quantity for quantity in column(page, 1))
        page = opened(one, f"{PAGE}?search=ECE%20mixup%20core")
        assert page.get_by_role("searchbox").input_value() == "ECE mixup core"
        assert {name.lower() for name in column(page, 2)} == found
        assert (one.asked_elsewhere, one.complaints) == ([], [])


def test_columns_of_numbers_are_sorted_as_numbers_with_the_keyboard_alone(tab, home):
    with tab(home) as one:
        page = opened(one, f"{PAGE}?search=ECE")  # quantities with as many digits
        for name, place in (("mean", 3), ("change", 4)):
            page.get_by_role("button", name=f"Sort by {name}").focus()
            rising, falling = (sorted_by_key(page, name, place, order) for order in ("ascending", "descending"))
            assert rising == sorted(rising)
            assert falling == sorted(falling, reverse=True)
            assert falling[0] > rising[0]


def test_a_link_ranks_the_methods_by_a_quantity(tab, home):
    with tab(home) as one:
        page = opened(one, f"{PAGE}?search=%22accuracy%20(%25)%22&sort=desc")
        page.locator("#numbers th[aria-sort=descending]", has_text="mean").wait_for()
        ranked = numbers(page, 3)
        assert len(ranked) > 3
        assert ranked == sorted(ranked, reverse=True)
        page.goto(f"{one.home}/book/leaderboard.html")  # an address of the past
        page.wait_for_url("**/numbers.html?**")
        page.locator("#numbers th[aria-sort=ascending]", has_text="mean").wait_for()
        assert all("NLL" in quantity for quantity in column(page, 1))


def test_methods_are_chosen_from_a_list(tab, home):
    with tab(home) as one:
        page = opened(one)
        page.get_by_role("button", name="Choose methods").click()
        page.locator(".dtcc-list-buttons").get_by_text("Mixup", exact=True).click()
        page.wait_for_function("document.querySelector('.dt-info').textContent.includes('filtered')")
        assert set(column(page, 2)) == {"Mixup"}


def test_the_rows_that_are_left_are_taken_away_and_so_is_the_whole_table(tab, home):
    with tab(home, accept_downloads=True) as one:
        page = opened(one, f"{PAGE}?search=ECE")
        left = int(re.search(r"of ([\d,]+) entries", page.locator(".dt-info").text_content())[1].replace(",", ""))
        with page.expect_download() as download:
            page.get_by_role("button", name="Download these rows").click()
        with Path(download.value.path()).open(encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == left
        assert list(rows[0])[:4] == ["quantity", "method", "mean", "change"]
        with page.expect_download() as download:
            page.get_by_role("link", name="The whole table").click()
        assert download.value.suggested_filename == "all.csv"
        with Path(download.value.path()).open() as file:
            assert len(list(csv.DictReader(file))) > left


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_table_is_accessible_in_both_themes_and_fits_on_a_phone(tab, theme, width, artefacts):
    """Also what opens on a click. A look at every page may come before the table is there."""
    with tab(color_scheme=theme, viewport={"width": width, "height": 800}) as one:
        page = opened(one)
        assert page.evaluate("document.scrollingElement.scrollWidth") == width
        assert page.evaluate(RUNS_OFF) == []
        page.get_by_role("button", name="Choose methods").click()
        page.screenshot(path=artefacts / f"numbers.{theme}.{width}.png")
        assert violations(page, ALL) == []


def test_until_the_table_is_there_nothing_scrolls(tab):
    """A look at every page may come before: the headings alone are wider than a phone."""
    with tab(viewport={"width": 360, "height": 740}) as phone:
        phone.page.add_init_script("delete window.DecompressionStream")  # the rows stay packed
        page = phone.open(PAGE)
        assert page.locator(ROW).count() == 0
        assert page.evaluate(RUNS_OFF) == []
        assert violations(page, {"runOnly": ["scrollable-region-focusable"]}) == []


def test_without_javascript_the_files_are_there(tab):
    with tab(java_script_enabled=False) as one:
        page = one.page
        page.goto(f"{one.home}/{PAGE}")
        assert page.locator("noscript p").is_visible()
        assert page.locator("article a.download").count() > 1


def test_the_page_is_not_heavy(site, report):
    size = (site / PAGE).stat().st_size / 1e6
    report(f"the page of all numbers: {size:.1f} MB")
    assert size < 2  # packed; the rows alone would be five times as much
