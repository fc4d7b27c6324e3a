"""What a network costs in the laboratory's page, beside torch: python benchmarks/in_the_page.py

One image at a time, as the page asks for it: logits, the gradient with respect to the image, and PGD with 20 steps, in
headless Chromium without a GPU and in eager torch on one thread, in turns.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import report
from playwright.sync_api import Page, sync_playwright

sys.path += [str(Path(__file__).parent.parent / name) for name in ("tests", "workflow")]
from laboratory_in_torch import NETWORKS, images, laboratory, torch_network

from softlab.lenses import attacks
from softlab.lenses.attacks import ascent

ROUNDS = 15
STEPS = 20
RADIUS = 4 / 255
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PREPARE = """() => {
  window.lab = makeLaboratory();
  window.network = lab.build(laboratoryFiles.baseline);
  window.image = Float32Array.from(lab.bytesOf(laboratoryFiles.images.pixels).slice(0, 784), (value) => value / 255);
  window.label = laboratoryFiles.images.labels[0];
}"""
IN_THE_PAGE = {
    "forward": "lab.forward(network, image)",
    "gradient": 'lab.gradientAt(network, "cross_entropy", image, label)',
    "attack": f"""lab.attack(network, image, label,
        {{ epsilon: {RADIUS}, steps: {STEPS}, loss: "cross_entropy", start: lab.offsets(0) }})""",
}
TARGETS = {"forward": 0.03, "gradient": 0.1, "attack": 2.0}  # seconds


def in_torch() -> dict[str, Callable[[], object]]:
    network = torch_network(NETWORKS["baseline"])
    pixels, labels = images()
    image = pixels[:1]
    label = labels[:1]
    options = {"steps": STEPS, "early_stop": False}
    return {
        "forward": lambda: ascent.all_logits(network, image),
        "gradient": lambda: ascent.gradient_at(network, "ce", image, label, label),
        "attack": lambda: attacks.pgd(network, image, label, RADIUS, **options),
    }


def seconds_in(page: Page, code: str) -> float:
    """Seconds that an expression takes in the page, by the page's own clock."""
    return (
        page.evaluate(f"() => {{ const began = performance.now(); {code}; return performance.now() - began; }}") / 1e3
    )


def seconds_of(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    if CHROMIUM is None:
        print("in_the_page: skipped, this machine has no Chromium")
        return
    torch.set_num_threads(1)
    peers = in_torch()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        laboratory.write(Path(folder) / "laboratory")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto((Path(folder) / "laboratory" / "index.html").as_uri())
        page.locator("#answers tr").nth(4).wait_for()
        page.evaluate(PREPARE)
        for name, code in IN_THE_PAGE.items():
            rounds = [(seconds_of(peers[name]), seconds_in(page, code)) for _ in range(ROUNDS + 5)][5:]  # warm
            theirs, ours = map(list, zip(*rounds, strict=True))
            met = statistics.median(ours) <= TARGETS[name]
            notes = {"target": f"at most {TARGETS[name]:g} s", "target met": met}
            setting = f"ResNet-8, one image of 28 x 28, {STEPS} steps of PGD for the attack, Chromium {browser.version}"
            report(f"page_{name}", "torch", {"torch": theirs, "the page": ours}, setting, notes)
        browser.close()


if __name__ == "__main__":
    main()
