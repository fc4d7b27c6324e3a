"""What holds on every page of the built book: from a server and from disk, at a desk and on a phone."""

from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from findings import assert_none, violations

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

# Wide things that no box of their own lets scroll, and code whose lines are longer than its box: they run off.
RUNS_OFF = """() => {
  document.querySelectorAll("article details").forEach(folded => folded.open = true);
  const column = document.querySelector("article")?.getBoundingClientRect().right ?? innerWidth;
  const scrolls = (box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
  return [...document.querySelectorAll("article :is(table, pre, img, svg, mjx-container)")].filter(element => {
    if (!element.checkVisibility()) return false;
    if (element.matches("pre")) return element.scrollWidth > element.clientWidth + 1;
    if (element.getBoundingClientRect().right <= Math.min(column, innerWidth) + 1) return false;
    for (let box = element; box.matches("article, article *"); box = box.parentElement) if (scrolls(box)) return false;
    return true;
  }).map(element => "runs off: " + element.outerHTML.slice(0, 100));
}"""


FORGET = "try { localStorage.clear(); sessionStorage.clear() } catch { /* a frame without any */ }"


@pytest.fixture(scope="module", params=["server", "disk"])
def visits(request, tab, served, site, names):
    """Every page as one sees it for the first time, with nothing stored: {page: what was seen}."""
    home = {"server": served, "disk": site.as_uri()}[request.param]
    seen = {}
    with tab(home) as first:
        first.page.context.add_init_script(FORGET)
        for name in names:
            with tab(home, beside=first) as one:
                seen[name] = one.open(name).evaluate(SEEN)
                seen[name] |= {"home": home, "asked": one.asked_elsewhere, "complaints": one.complaints}
    return seen


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


def test_the_time_to_the_first_paint_is_reported(visits, tab, report):
    """Of the slowest page, in a browser that has no file of the book."""
    name = max(visits, key=lambda name: visits[name]["paint"] or 0)  # None: the browser did not say
    home = visits[name]["home"]
    with tab(home) as one:
        paint = one.open(name).evaluate(SEEN)["paint"]
    report(f"first paint from {'disk' if home.startswith('file') else 'a server here'}: {paint / 1000:.2f} s ({name})")


@pytest.mark.parametrize("width", [1280, 390, 360])
def test_every_page_fits_a_desk_and_a_phone(width, tab, names):
    """No page scrolls sideways; a wide table scrolls in a box of its own, which the keyboard reaches; code wraps."""
    found = {}
    with tab(viewport={"width": width, "height": 900}) as screen:
        for name in names:
            page = screen.open(name)
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            found[name] = [f"{wide} pixels wide"] if wide > width else []
            found[name] += violations(page, {"runOnly": ["scrollable-region-focusable"]}) + page.evaluate(RUNS_OFF)
    assert_none(found)
