"""What is measured on request, besides lenses: a study names it in its entry `asked`, and only its rows have it.

It needs other networks or images than a lens sees, or is of use to one question only: no build measures it. These are
the quantities; softbook.studies.transfer, averages and deciles measure them, for softbook.studies.recording.
"""

from softlab.numbers.look import Quantity

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

ASKED = {"transfer": TRANSFER, "averages": AVERAGES, "deciles": DECILES}
ASKED_QUANTITIES = {**TRANSFER, **AVERAGES, **DECILES}
