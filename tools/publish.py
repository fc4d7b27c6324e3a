"""Leave a folder that any static host can serve, under any path: python tools/publish.py SITE PUBLISHED

A copy of the built site, and in its folder colab/ an archive of each chapter (archives.py), which the chapter's foot
then offers. It replaces the last one only if every link in it leads to a file of it, relative to the page: a link from
the host's root would break where the book is not at the root.
"""

import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import archives

LINKS = {"href", "src", "data-src", "poster"}
LEFT_OUT = (".built", ".buildinfo", ".doctrees", "*webpack-macros.html")  # the builder's notes; the theme's templates
PLACE = re.compile(r"<!-- archive: (\w+) -->")  # where build_site.add_foot leaves room for a link
OFFER = (
    '<p>Or take it along: <a href="../colab/{name}.zip" download>{name}.zip</a> ({size:.0f} MB) holds the notebook and '
    "all that Colab lacks.</p>"
)


def main(site: Path, published: Path) -> None:
    if not (site / "index.html").is_file():
        sys.exit(f"there is no book at {site}: run `make book` first")
    new = published.with_name(f".{published.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(site, new, ignore=shutil.ignore_patterns(*LEFT_OUT))
    offer_archives(new)
    broken = sorted({f"{page.relative_to(new)}: {link}" for page in new.rglob("*.html") for link in dead(page, new)})
    if broken:
        shutil.rmtree(new)
        sys.exit("\n".join([f"not published, {len(broken)} links lead nowhere:", *broken[:20]]))
    (new / ".nojekyll").touch()  # GitHub Pages leaves out folders that begin with _ otherwise
    shutil.rmtree(published, ignore_errors=True)
    new.replace(published)
    size = sum(path.stat().st_size for path in published.rglob("*") if path.is_file())
    print(f"{published.resolve()}: {size / 2**20:.0f} MiB, for any static host")


def offer_archives(site: Path) -> None:
    """Write the archive of every chapter whose page, or the cover, has room for a link to it; and the links."""
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    offering = {page: text for page, text in pages.items() if PLACE.search(text)}
    names = sorted({name for text in offering.values() for name in PLACE.findall(text)})
    if not names:
        return
    archives.write(site / "colab", names)

    def offer(place: re.Match) -> str:
        name = place[1]
        return OFFER.format(name=name, size=(site / "colab" / f"{name}.zip").stat().st_size / 1e6)

    for page, text in offering.items():
        page.write_text(PLACE.sub(offer, text), encoding="utf-8")


def dead(page: Path, site: Path) -> list[str]:
    """The links of a page to places inside the site that are not there, or that are not relative."""
    return [link for link in Links(page).found if not leads_somewhere(link, page, site)]


def leads_somewhere(link: str, page: Path, site: Path) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return True  # another host, mail, or data inside the page
    if parts.netloc or parts.path.startswith("/"):
        return False
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
    return target.is_relative_to(site.resolve()) and (target.is_file() or (target / "index.html").is_file())


class Links(HTMLParser):
    """What a page links to and loads."""

    def __init__(self, page: Path):
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attributes if value}
        self.found += [given[name] for name in LINKS & given.keys()]
        if given.get("http-equiv", "").lower() == "refresh":
            self.found += re.findall(r"url=(.+)", given.get("content", ""), re.IGNORECASE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
