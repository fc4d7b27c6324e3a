"""Claims of "your network": a published ResNet-56, as tools/examine_published.py found it."""

from dataclasses import replace

from softbook.claims import WORDS, Claim, above, below, between, exactly
from softbook.studies.records import published
from softlab.comparison.intervals import Interval, Origin

KINDS = ("blur", "contrast", "jpeg", "noise")


def of_network(quantity: str, factor: float = 1) -> Interval:
    """A number of one network, in the units in which it is written."""
    mark = published()["cifar10_resnet56"]
    origin = Origin(
        f"{quantity} of a published ResNet-56",
        f"{mark['count']:,} images, a quarter of them for the temperature; {mark['images']}",
        "",
    )
    return replace(exactly(factor * mark["numbers"][quantity]), origin=origin)


def confidence_lost() -> Interval:
    """By how many points confidence falls, on the kind of corruption where it falls furthest."""
    numbers = published()["cifar10_resnet56"]["numbers"]
    confidence = [numbers[f"corrupted, {kind}"] + numbers[f"gap, {kind}"] for kind in KINDS]
    return exactly(100 * (numbers["accuracy"] + numbers["gap"] - min(confidence)))


CLAIMS = {
    # Its author reports 93 on the original images.
    "right": Claim(lambda: of_network("accuracy", 100), holds=below(90)),
    "sure": Claim(lambda: of_network("mean confidence", 100), holds=above(90)),
    "unmoved": Claim(confidence_lost, form=WORDS, holds=below(5)),
    "temperature": Claim(lambda: of_network("temperature"), digits=1, holds=between(2, 4)),
}
