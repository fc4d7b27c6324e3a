"""A browser without a network, and the site it opens: the smoke book of all tests, or the one at SOFTLAB_SITE."""

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from checkout import ROOT, shared
from playwright.sync_api import Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("quic", "background-networking", "component-update", "sync", "gpu")  # what Chromium can do without


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (on Debian: apt-get install chromium)")
    arguments = ["--no-sandbox", "--disable-component-update", *(f"--disable-{name}" for name in QUIET)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(chromium, tmp_path_factory) -> Path:
    """The folder of the built site. (`chromium` comes first: nothing is built for a machine without one.)"""
    if given := os.environ.get("SOFTLAB_SITE"):
        assert (Path(given) / "index.html").exists(), f"SOFTLAB_SITE: there is no index.html in {given}"
        return Path(given).resolve()
    return shared(tmp_path_factory, "book").folder / "_build" / "html"


@pytest.fixture(scope="session")
def names(site) -> list[str]:
    """Every page of the site, as a path in it, but those that only lead to another; _static holds parts of pages."""
    pages = [path for path in sorted(site.rglob("*.html")) if 'http-equiv="refresh"' not in path.read_text().lower()]
    paths = [path.relative_to(site) for path in pages]
    return [str(path) for path in paths if path.parts[0] != "_static"]


@pytest.fixture(scope="session")
def chapters(names) -> list[str]:
    return [name for name in names if name.startswith("notebooks/")]


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 100  # a page asks for thirty files at once; by default five may wait, the others come again


@pytest.fixture(scope="session")
def served(site) -> Iterator[str]:
    """The address of the site on a server of its own."""
    with Server(("127.0.0.1", 0), functools.partial(Files, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Tab:
    """A page in a fresh browser (no cookies, nothing stored) or beside another, and what went wrong in it."""

    page: Page
    home: str
    asked_elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, name: str) -> Page:
        """The page with everything loaded, the mathematics too."""
        self.page.goto(f"{self.home}/{name}", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self.page

    def refuse(self, route):
        self.asked_elsewhere.append(route.request.url)
        route.abort()

    def hear(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def check(self, response):
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")


@pytest.fixture(scope="session")
def tab(chromium, served):
    """tab(home=…, **options of a browser context) as a context manager; home is the server's address, if not given.

    beside: a tab in whose browser it opens, which has the files of other pages already: half of the work of a page.
    """

    @contextmanager
    def opened(home: str = served, beside: Tab | None = None, **options) -> Iterator[Tab]:
        if beside:
            context = beside.page.context
        else:
            context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
            context.set_default_timeout(60_000)  # a busy machine is no failure
        made = Tab(context.new_page(), home)
        own = made.page if beside else context
        own.route(re.compile(f"^(?!{re.escape(home)}|data:|blob:)"), made.refuse)
        made.page.on("console", made.hear)
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on("requestfailed", lambda request: made.complaints.append(f"not loaded: {request.url}"))
        made.page.on("response", made.check)
        yield made
        own.close()

    return opened


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots and the printed chapter are kept."""
    folder = Path(os.environ.get("SOFTLAB_SCREENSHOTS", ROOT / "_build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def report(record_property):
    """report(line): a line for the end of the run, also from a worker of pytest-xdist."""
    return lambda line: record_property("line", line)


def pytest_terminal_summary(terminalreporter):
    for test in terminalreporter.stats.get("passed", []):
        for name, line in test.user_properties:
            if name == "line":
                terminalreporter.write_line(line)
