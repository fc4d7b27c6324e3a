"""A published ResNet-56, as tools/examine_published.py found it."""

from dataclasses import replace

from softbook.statements.origin import exactly
from softbook.studies import records
from softlab.comparison.intervals import Interval, Origin


def of_published(quantity: str) -> Interval:
    """A number of the network, in the units of its lens."""
    found = records.published()["cifar10_resnet56"]
    images = f"{found['count']:,} images, a quarter of them for the temperature; {found['images']}"
    origin = Origin(f"{quantity} of a published ResNet-56", images, "")
    return replace(exactly(found["numbers"][quantity]), origin=origin)


def confidence_lost(kinds: list[str]) -> list[Interval]:
    """Points by which confidence falls on each of some kinds of corruption."""
    numbers = records.published()["cifar10_resnet56"]["numbers"]
    whole = numbers["accuracy"] + numbers["gap"]
    return [exactly(100 * (whole - numbers[f"corrupted, {kind}"] - numbers[f"gap, {kind}"])) for kind in kinds]
