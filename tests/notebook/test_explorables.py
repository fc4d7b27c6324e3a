"""Explorables: their numbers beside torch's, where there is a node; what Python leaves in a page; their live forms."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from nbclient import NotebookClient

from softbook import figures
from softbook.page import widgets
from softlab.lenses import calibration, geometry

ROOT = Path(__file__).parents[2]
CODE = ROOT / "book" / "laboratory"
# Cells of chapters that make an explorable. What they read is stood in for: networks of an instant, on real images.
CELLS = {
    "gap-law": ("calibration", ["explore-gap"]),
    "reliability": ("calibration", ["explore-reliability", "show-reliability"]),
    "cones": ("cones", ["draw-plane", "draw-rows", "draw-moved", "explore-two-features"]),
    "park-product": ("cosines", ["product-networks", "product"]),
    "maxsup-field": ("maxsup", ["draw-rates", "explore-rates"]),
    "slope-plane": ("robustness", ["plane-networks", "explore-scenes", "explore-plane"]),
}
STAND_INS = """
from types import SimpleNamespace
import softbook.page.widgets
from softlab import load_profile
from softlab.training import runs

displayed = []
softbook.page.widgets.display = displayed.append
settings = load_profile("smoke")
experiment, images = settings.experiment, runs.dataset_of(settings.experiment)
test = images.test_images[:100], images.test_labels[:100]
draw = torch.Generator().manual_seed(0)
"""
GIVEN = {
    "gap-law": "",  # of the record
    "reliability": """
logits = 3 * torch.eye(10)[test[1]] + 2 * torch.randn(100, 10, generator=draw)
seen = {m: SimpleNamespace(logits=k * logits, labels=test[1]) for m, k in (("baseline", 2), ("mixup", 0.5))}
best = {m: calibration.fit_temperature(one.logits, one.labels) for m, one in seen.items()}
""",
    "cones": """
def stand_in(seed):
    some = [build_model(experiment.replace(feature_dimension=2, seed=seed + k), images) for k in range(3)]
    return SimpleNamespace(experiment=experiment, model=some[-1], snapshot=lambda epoch: some[epoch])

lab, data = settings, images
plane = {m: stand_in(3 * k) for k, m in enumerate(("label_smoothing", "baseline"))}
""",
    "park-product": """
from softbook.studies.records import by_profile
record = by_profile("core")["quick-fp32"]
""",
    "maxsup-field": """
three = ["baseline", "label_smoothing", "maxsup"]
losses = {
    "cross-entropy": lambda z: -z.log_softmax(1)[:, 0],
    "label smoothing adds": lambda z: z[:, 0] - z.mean(1),
    "MaxSup adds": lambda z: z.max(1).values - z.mean(1),
}
points = figures.plane_points(8, 0.85)
forces = [figures.minus_gradient(one, points) for one in losses.values()]
""",
    "slope-plane": "",  # of the record
}
MOVE = """
form = displayed.pop()
image, *controls, caption = form.children
assert image.value[:4] == b"\\x89PNG"
for control in controls:
    before = image.value
    if hasattr(control, "options"):
        control.value = control.options[-1]
    else:
        control.value = control.min if control.value > (control.min + control.max) / 2 else control.max
    assert image.value != before, control.description
print(len(controls), "controls move the picture")
"""


def node(script: str, *given: object):
    """What a script answers that has the laboratory's functions and the explorables'; a skip where no node is."""
    if (command := shutil.which("node")) is None:
        pytest.skip("no node on this machine")
    start = f"const laboratory = require('{CODE}/network.js'), given = {json.dumps(given)};"
    start += f"const numbers = require('{CODE}/explorables.js')(laboratory);"
    done = subprocess.run(
        [command, "-e", f"{start} console.log(JSON.stringify({script}))"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_law_is_that_of_the_text():
    """A gap of 3 of which 10 are taken off leaves -7: ECE rises by 4; of one of 10 it falls by 10 to nothing."""
    assert node("given.map(([g, taken]) => numbers.law(g, taken))", (3, 10), (10, 10), (5, 10), (-2, 10)) == [
        4,
        -10,
        0,
        10,
    ]


def test_forces_are_minus_the_gradients_of_the_losses_and_rates_those_of_the_theorem():
    points = figures.plane_points(8, 0.85)
    logits = points @ figures.PLANE
    alpha = 0.3
    found = node("given[0].map((logits) => numbers.forcesOn(logits, given[1]))", logits.tolist(), alpha)
    losses = [
        lambda z: -z.log_softmax(1)[:, 0],
        lambda z: alpha * (z[:, 0] - z.mean(1)),
        lambda z: alpha * (z.max(1).values - z.mean(1)),
    ]
    for place, loss in enumerate(losses):
        theirs = torch.tensor([one["forces"][place] for one in found])
        assert torch.allclose(theirs, figures.minus_gradient(loss, points), atol=1e-5)
    p = logits.softmax(1)
    wrong = logits.argmax(1) != 0
    assert 0 < wrong.sum() < len(wrong)
    _, smoothing, maxsup = torch.tensor([one["rates"] for one in found]).T
    assert torch.allclose(smoothing[wrong], alpha * p[wrong, 0], atol=1e-5)
    assert torch.allclose(maxsup, -alpha * (1 - p.amax(1)), atol=1e-5)
    assert torch.allclose(smoothing[~wrong], maxsup[~wrong])


def test_errors_of_bins_are_those_of_calibration():
    draw = torch.Generator().manual_seed(0)
    probs = (3 * torch.randn(500, 5, generator=draw)).softmax(1)
    labels = torch.randint(5, (500,), generator=draw)
    bins = calibration.reliability(probs, labels)
    parts = [one.nan_to_num().tolist() for one in (bins.count, bins.confidence, bins.accuracy)]
    found = node("numbers.calibrationOf(given)", *parts)
    assert found["ece"] == pytest.approx(bins.error, abs=1e-9)
    assert found["gap"] == pytest.approx(bins.over - bins.under, abs=1e-9)


@pytest.mark.parametrize("classes", [3, 10])
def test_the_nearest_apex_is_that_of_geometry(classes):
    draw = torch.Generator().manual_seed(classes)
    weight = torch.randn(classes, 2, generator=draw)
    bias = torch.randn(classes, generator=draw)
    found = node("numbers.nearestApex(...given)", weight.tolist(), bias.tolist())
    assert torch.allclose(torch.tensor(found), geometry.apex(weight, bias), atol=1e-4)


def test_still_pictures_show_the_law_and_the_bins():
    """3 of which 10 are taken off: 4 by the law, 5 with a rest of 1. All five answers right, at a confidence of 0.9."""
    ax = figures.gap_law([{"gap": 3, "taken": 10, "rest": 1, "color": "red", "marker": "s"}], 2, 8).axes[0]
    places = [one.get_xydata().tolist() for one in ax.lines if len(one.get_xdata()) == 1]
    assert places == [[[3, 5]], [[2, 4]]]
    bins = calibration.reliability(torch.full((5,), 0.9), torch.ones(5))
    first, second = figures.reliabilities({"baseline": bins, "mixup": bins}).axes
    assert second.get_title() == "Mixup\nECE 10.0 %"
    points = first.containers[-1].lines[0]
    assert (points.get_xdata(), points.get_ydata()) == (pytest.approx([0.9]), [1])
    plt.close("all")


def test_a_feature_in_two_views():
    """Read 3 of 5: s = .6, cos 60° = .5. With twice the unread part s is 3 / √(9 + 64); turned by 30° more v is 0."""
    network = [{"text": "mine", "share": 0.6, "cosine": 0.5}]
    beside, above = figures.feature_in_two_views(network, "mine").axes
    assert beside.get_title() == "s = 0.60"
    assert above.get_title() == "v = 0.50, Park’s cosine s · v = 0.30"
    beside, above = figures.feature_in_two_views(network, "mine", unread=2, turn=30).axes
    assert (beside.get_title(), above.get_title()) == ("s = 0.35", "v = 0.00, Park’s cosine s · v = 0.00")
    plt.close("all")


@pytest.fixture
def page(monkeypatch):
    shown = []
    drawn = []

    def draw(*values):
        drawn.append(values)
        return plt.figure(figsize=(1, 1))

    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr("softbook.page.widgets.display", lambda one: shown.append(one.data))
    controls = {"α": (0.5, 0.0, 1.0, 0.1), "of": ["b", "a"]}
    widgets.explorable("gap-law", {"</script>": [1.5, 2]}, draw, controls, 'A "caption" & more.')
    assert drawn == [(0.5, "b")]
    assert not plt.get_fignums()
    return shown[0]


def test_a_page_has_a_still_picture_a_sentence_and_the_numbers(page):
    assert re.search(
        r'<figure class="explorable" data-name="gap-law"><img src="data:image/png;base64,[^"]+" alt=', page
    )
    assert page.count("A &quot;caption&quot; &amp; more.") == 2  # the picture's alternative, and below it
    assert re.search(r"<noscript><p>[A-Z][^<]+\.</p></noscript>", page)
    (content,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    assert json.loads(content) == {"</script>": [1.5, 2]}
    assert "http" not in page


def test_a_number_that_json_does_not_have_is_refused(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with pytest.raises(ValueError, match="JSON"):
        widgets.explorable("cones", [float("nan")], lambda: plt.figure(), {}, "A caption.")


def test_live_forms_follow_each_of_their_controls_in_a_kernel(monkeypatch, tmp_path):
    chapters = {name: code_cells(chapter) for name, (chapter, _) in CELLS.items()}
    imports = [text for cells in chapters.values() for name, text in cells.items() if "imports" in name]
    sources = [*imports, STAND_INS]
    for name, (_, ids) in CELLS.items():
        sources += [GIVEN[name], *(chapters[name][one] for one in ids), MOVE]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/05.ipynb")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    said = [one.text for cell in notebook.cells for one in cell.outputs if one.get("name") == "stdout"]
    assert [re.findall(r"\d(?= controls move)", one)[0] for one in said] == ["2", "1", "6", "4", "4", "3"]


def code_cells(chapter: str) -> dict[str, str]:
    cells = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code"}


def test_every_explorable_of_the_chapters_is_one_that_is_drawn():
    called = [cell for path in (ROOT / "notebooks").glob("*.ipynb") for cell in code_cells(path.stem).values()]
    names = re.findall(r'^explorable\(\n?\s*"([\w-]+)"', "\n".join(called), re.MULTILINE)
    drawn = re.search(r"(?s)const pictures = \{(.*?)\};", (CODE / "explorables.js").read_text())[1]
    of_the_cover = ["planes"]  # drawn of a chapter's numbers (build_site.add_cover)
    assert sorted(names) == sorted(CELLS)
    assert sorted([*names, *of_the_cover]) == sorted(re.findall(r'"([\w-]+)":', drawn))
