"""What holds on every page of the built book: from a server and from disk, at a desk and on a phone, in both themes."""

from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

# What a page says about itself once everything is loaded.
SEEN = r"""() => {
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, node =>
    node.parentElement.closest("pre, code, script, style, mjx-container") ? NodeFilter.FILTER_REJECT : 1);
  const raw = [];
  while (words.nextNode()) if (/\\\(|\\\[|\$\$/.test(words.currentNode.data)) raw.push(words.currentNode.data);
  const all = (selector) => [...document.querySelectorAll(selector)];
  return {
    ids: all("[id]").map(element => element.id),
    links: all("a[href]").map(link => link.href),
    missing: all("img").filter(image => !image.complete || !image.naturalWidth).map(image => image.src),
    formulas: [...raw, ...all("mjx-merror").map(error => error.title || error.textContent),
      ...all(".math").filter(math => !math.querySelector("mjx-container")).map(math => math.textContent)],
    lacks: [...all("article table:not(:has(th))").map(table => "headers: " + table.textContent.slice(0, 80)),
      ...all("article img:not([alt]), article img[alt='']").map(image => "alt text: " + image.src.slice(0, 80)),
      ...(all("h1").filter(title => title.checkVisibility()).length === 1 ? [] : ["one title"])],
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  };
}"""

# Wide things that no box of their own lets scroll: the page's width hides what sticks out of it.
CUT_OFF = """() => [...document.querySelectorAll("article :is(table, pre, img, mjx-container)")].filter(element => {
  if (!element.checkVisibility() || element.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let box = element; box.matches("article, article *"); box = box.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
  return true;
}).map(element => element.outerHTML.slice(0, 100))"""


@pytest.fixture(scope="module", params=["server", "disk"])
def visits(request, tab, served, site, names):
    """Every page in a browser that sees it for the first time: {page: what was seen}."""
    home = {"server": served, "disk": site.as_uri()}[request.param]
    seen = {}
    for name in names:
        with tab(home) as one:
            seen[name] = one.open(name).evaluate(SEEN)
            seen[name] |= {"home": home, "asked": one.asked_elsewhere, "complaints": one.complaints}
    return seen


def assert_none(findings):
    """No page has any; else all of them are said, each on a line. findings: page -> list."""
    lines = [f"{name}: {finding}" for name, found in findings.items() for finding in found]
    assert not lines, "\n".join(lines)


def test_no_page_asks_another_host(visits):
    assert_none({name: seen["asked"] for name, seen in visits.items()})


def test_no_page_complains_or_misses_a_file(visits):
    assert_none({name: seen["complaints"] + seen["missing"] for name, seen in visits.items()})


def test_all_mathematics_is_set(visits):
    assert_none({name: seen["formulas"] for name, seen in visits.items()})


def test_tables_have_headers_images_an_alternative_and_pages_a_title(visits):
    """What axe-core lets pass: an empty alternative says that an image is decoration, and no image here is."""
    assert_none({name: seen["lacks"] for name, seen in visits.items()})


def test_every_link_inside_the_book_leads_somewhere(visits, site):
    def is_broken(address):
        path, anchor = urldefrag(address)
        name = unquote(urlsplit(path).path.removeprefix(urlsplit(home).path).lstrip("/"))
        if not (site / name).is_file():
            return True
        return bool(anchor) and name in visits and unquote(anchor) not in visits[name]["ids"]

    home = next(iter(visits.values()))["home"]
    inside = {name: {link for link in seen["links"] if link.startswith(home)} for name, seen in visits.items()}
    assert sum(map(len, inside.values())) > 10 * len(visits)
    assert_none({name: [link for link in links if is_broken(link)] for name, links in inside.items()})


def test_the_time_to_the_first_paint_is_reported(visits, report):
    where = "disk" if next(iter(visits.values()))["home"].startswith("file") else "a server here"
    name = max(visits, key=lambda name: visits[name]["paint"] or 0)  # None: the browser did not say
    report(f"first paint from {where}: at most {visits[name]['paint'] / 1000:.2f} s ({name})")


def test_every_page_fits_on_a_phone(tab, names):
    """No page scrolls sideways; what is wide scrolls in a box of its own, which the keyboard reaches."""
    found = {}
    with tab(viewport={"width": 360, "height": 740}) as phone:
        for name in names:
            page = phone.open(name)
            width = page.evaluate("document.scrollingElement.scrollWidth")
            found[name] = [f"{width} pixels wide"] if width > 360 else []
            found[name] += page.evaluate(CUT_OFF) + violations(page, {"runOnly": ["scrollable-region-focusable"]})
    assert_none(found)


# The theme's sidebar has the book's title outside of any landmark, and pandas leaves the corners of a table with two
# levels of headers empty.
ALL = {"rules": {"region": {"enabled": False}, "empty-table-header": {"enabled": False}}}


@pytest.mark.parametrize(("theme", "rules"), [("light", ALL), ("dark", {"runOnly": ["color-contrast"]})])
def test_every_page_is_accessible_in_both_themes(theme, rules, tab, names, chapters, artefacts):
    """By the rules of axe-core, the minor ones too. Takes the screenshots on its way.

    Code has the same colours on every page, and looking at each of its words takes longer than all the rest: it is
    looked at in one chapter.
    """
    found = {}
    with tab(color_scheme=theme) as one:
        for name in names:
            page = one.open(name)
            assert page.locator("html").get_attribute("data-theme") == theme, "the system's theme is not followed"
            page.screenshot(path=artefacts / f"{name.replace('/', '-')}.{theme}.png", full_page=True)
            found[name] = violations(page, rules, without=() if name == chapters[0] else (".highlight",))
    assert_none(found)


def violations(page, rules, without=()):
    """What axe-core finds, by these rules, outside of these selectors."""
    context = {"exclude": [[selector] for selector in without]} if without else None
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in Axe().run(page, context, rules).response["violations"]
        for node in rule["nodes"]
    ]
