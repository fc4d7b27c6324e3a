"""The laboratory: a page with networks that run in the reader's browser. Called by build_site.py.

book/laboratory has the page and its code. The files that it loads come from the zoo and the embedded images, as
scripts, since a page from disk may load nothing else: images.js at once, NETWORK.js when needed.
"""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import safetensors.numpy

from softbook.places import ZOO
from softbook.studies.catalogue import study_profile
from softlab.errors import SoftlabError
from softlab.figures.style import style
from softlab.profile import load_profile
from softlab.training import zoo
from softlab.training.data import EMBEDDED, FASHION
from softlab.training.experiment import Experiment

PAGE = Path(__file__).resolve().parent.parent / "book" / "laboratory"
OF_EACH = 4  # images of each class
STUDIES = {"core": "", "two_features": "-2"}  # the networks of the page, and how their names end


def write(folder: Path) -> None:
    """Fill a folder with the page and all that it loads.

    Raises SoftlabError if the zoo lacks a network.
    """
    shutil.copytree(PAGE, folder)
    listed = []
    for name, experiment in networks().items():
        look = style(experiment.method)
        listed.append({"name": name, "label": look.label, "color": look.color, "marker": look.marker})
        write_script(folder, name, {**listed[-1], **stored(experiment)})
    write_script(folder, "images", {"classes": FASHION, **images(), "networks": listed})


def networks() -> dict[str, Experiment]:
    """The page's name of each network, and its experiment: the first seed of each study at `quick`."""
    settings = load_profile("quick")
    return {
        one.method + ending: one
        for study, ending in STUDIES.items()
        for one in study_profile(settings, study).experiments()
        if one.seed == settings.seeds[0]
    }


def stored(experiment: Experiment) -> dict:
    """The weights of a network of the zoo, unchanged: {classes, tensors: [[name, shape], …], weights: base64}."""
    found = safetensors.numpy.load_file(folder_of(experiment) / "weights.safetensors")
    halves = {name: values for name, values in found.items() if values.dtype == np.float16}  # without counters
    data = b"".join(values.astype("<f2").tobytes() for values in halves.values())
    return {
        "classes": len(FASHION),
        "tensors": [[name, values.shape] for name, values in halves.items()],
        "weights": base64.b64encode(data).decode(),
    }


def folder_of(experiment: Experiment) -> Path:
    """The zoo's folder of a network, whatever versions of the code trained it."""
    wanted = zoo.asked(experiment)
    for path in sorted(ZOO.glob("*/experiment.json")):
        if zoo.asked(Experiment(**json.loads(path.read_bytes()))) == wanted:
            return path.parent
    raise SoftlabError(f"the laboratory's page needs {experiment.method}, and the zoo has no such network: make zoo")


def images() -> dict:
    """The first test images of each class, class by class: {labels, pixels: base64 of one byte a pixel}."""
    with np.load(EMBEDDED, allow_pickle=False) as arrays:
        labels = arrays["test_labels"]
        pixels = arrays["test_images"]
    rows = np.concatenate([np.flatnonzero(labels == label)[:OF_EACH] for label in range(len(FASHION))])
    return {"labels": labels[rows].tolist(), "pixels": base64.b64encode(pixels[rows].tobytes()).decode()}


def write_script(folder: Path, name: str, content: dict) -> None:
    """NAME.js, which leaves its content in `laboratoryFiles`."""
    script = f"(globalThis.laboratoryFiles ??= {{}})[{json.dumps(name)}] = {json.dumps(content)};\n"
    (folder / f"{name}.js").write_text(script)
