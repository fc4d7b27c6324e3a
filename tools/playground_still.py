"""Draw the playground's still, for the cover and for its page in the book: python tools/playground_still.py

The first experiment with seed 0 at its end, in Chromium, as readers see it, the two networks beside each other. Needs
Chromium and the packages of the extra `test`.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
STILL = ROOT / "book" / "_static" / "playground.jpg"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIDE_BY_SIDE = """
  header, h1, .lead, section:not(#networks), .transport, #tried, figcaption { display: none !important; }
  .bench { display: block; }
  #networks { display: grid; grid-template-columns: 1fr 1fr; gap: 1.2rem; width: 1180px; padding: 4px; }
"""
QUALITY = 80  # at which words and thin lines stay clean


def main() -> None:
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine (on Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for part in ("playground", "laboratory"):
            shutil.copytree(ROOT / "book" / part, Path(folder) / part)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1220, "height": 500}, device_scale_factor=1.25, color_scheme="light")
        page.goto((Path(folder) / "playground" / "index.html").as_uri())
        page.add_style_tag(content=SIDE_BY_SIDE)
        page.wait_for_function("!playground.playing", timeout=300_000)
        page.evaluate("dispatchEvent(new Event('resize'))")
        picture = Image.open(io.BytesIO(page.locator("#networks").screenshot())).convert("RGB")
        browser.close()
    picture.save(STILL, quality=QUALITY, subsampling=0, optimize=True)
    print(f"{STILL.relative_to(ROOT)}: {STILL.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
