"""What is measured on request, besides lenses: it needs other networks or images, or is of use to one question only.

Of columns, a study names the measure in its entry `asked`, and only its rows have them. What has several rows a network
(KEYS) has tables of its own, softbook/records/measures/MEASURE/PROFILE.csv: `softbook record STUDY --measure MEASURE`.
No build measures it. Here are the names, and what whoever measures is given; softbook.studies.recording.MEASURED says
who that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.numbers.look import Quantity
from softlab.numbers.stored import look_at
from softlab.training.runs import Run

COSINES = "cosines"
MAGNITUDES = "magnitudes"
CALIBRATION = "calibration"

PROBES = ("linear", "linear, 50 a class", "neighbours")
CONTROLS = ("", "untrained, ", "stopped, ")
TRANSFER = {
    f"transfer, {control}{probe}": Quantity(
        f"accuracy on classes never shown, {control}{probe} (%)", COSINES, factor=100, digits=1, better=1
    )
    for control in CONTROLS
    for probe in PROBES
}
TRANSFER |= {
    "transfer, log strength": Quantity("log strength of the linear probe", COSINES),
    "transfer, at the edge": Quantity("probes whose strength is an end of those tried (%)", COSINES, factor=100),
    "transfer, stopped after": Quantity("epochs after which plain training is stopped", COSINES, digits=0),
}

TOGETHER = ("alone", "group", "weights")
MEASURES = {
    "NLL at T": Quantity("NLL at the best temperature", CALIBRATION, digits=3, better=-1),
    "gap": Quantity("confidence − accuracy (points)", CALIBRATION, factor=100, digits=1),
    "AURC": Quantity("AURC (%)", CALIBRATION, factor=100, better=-1),
    "accuracy": Quantity("accuracy (%)", CALIBRATION, factor=100, digits=1, better=1),
    "worst classes": Quantity(
        "accuracy of plain training’s three worst classes (%)", CALIBRATION, factor=100, digits=1, better=1
    ),
}
AVERAGES = {
    f"{kind}, {name}": Quantity(
        f"{quantity.label}, {kind}", CALIBRATION, factor=quantity.factor, digits=quantity.digits, better=quantity.better
    )
    for kind in TOGETHER
    for name, quantity in MEASURES.items()
}

SHAPE = {"visible cosine": COSINES, "read share": MAGNITUDES, "log length": MAGNITUDES}  # by image
DECILES = {
    f"{what}, decile {number}": Quantity(f"{what}, decile {number} over images", chapter, digits=3)
    for what, chapter in SHAPE.items()
    for number in range(1, 10)
}

FACTORS = (0.25, 1, 2, 4, 8)  # of logits, softbook.studies.louder
LOUDER = {  # columns of a table of its own
    "best": Quantity("accuracy, the best of these attacks (%)", "robustness", factor=100, digits=1),
    **{
        f"times {factor:g}": Quantity(f"accuracy, seven steps, logits times {factor:g} (%)", "robustness", factor=100)
        for factor in FACTORS
    },
    **{
        f"runner-up, times {factor:g}": Quantity(
            f"wrong probability at the runner-up, logits times {factor:g} (%)", "robustness", factor=100
        )
        for factor in FACTORS
    },
}

ASKED = {"transfer": TRANSFER, "averages": AVERAGES, "deciles": DECILES}
# Of each measure with a table of its own: what, besides the run id, tells one row from another.
KEYS = {
    "autoattack": ("radius",),
    "bending": ("radius",),
    "louder": ("radius",),
    "seconds": (),
    "slope_by_hand": ("tau",),
    "unknown_classes": (),
}


@dataclass(frozen=True)
class Subject:
    """A network of which something is measured on request.

    evaluation: of its profile.  radius: of an attack, in 255ths.  images: how many it meets (None: as the ladder).
    """

    run: Run
    evaluation: Mapping[str, Any]
    radius: float = 4
    images: int | None = None

    def attacked(self) -> tuple[nn.Module, Tensor, Tensor]:
        """The network as it is measured, and what an attack meets: images (N, C, H, W) in 0 to 1 with labels (N,)."""
        look = look_at(self.run, self.evaluation)
        images, labels = (part[: self.evaluation["attack_size"]][: self.images] for part in look.samples.test)
        return look.model, as_pixels(images), labels


ASKED_QUANTITIES = {**TRANSFER, **AVERAGES, **DECILES}
