"""How much is on record, what its networks cost in time, and the numbers of a published ResNet-56."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from softbook.statements.origin import exactly
from softbook.studies import records, seconds
from softlab.comparison.intervals import Interval, Origin, t_interval
from softlab.profile import load_profile


def seeds_shared(study: str, profile: str, by: Sequence[str]) -> Interval:
    """The number of seeds that every group of networks has, if they are grouped by these columns."""
    groups = records.by_profile(study)[profile].groupby(list(by), dropna=False)["seed"]
    return exactly(len(set.intersection(*(set(seeds) for _, seeds in groups))))


def time_beside_plain(profile: str, name: str) -> Interval:
    """How many times as long as plain training a method takes, over rounds."""
    return seconds.times_plain(seconds.recorded(profile), name)


def seconds_a_network(profile: str) -> Interval:
    """Seconds of one processor core for a network with plain training, over rounds."""
    rounds = seconds.recorded(profile).query("name == 'plain'")["seconds"]
    return t_interval(load_profile(profile).experiment.epochs * np.asarray(rounds, dtype=float))


def minutes_of_study(study: str, profile: str) -> Interval:
    """Minutes of one core for all networks of a study, if each takes as long as with plain training."""
    networks = len(records.by_profile(study)[profile])
    return exactly(networks * seconds_a_network(profile).mean / 60, networks)


def least_accuracy(study: str, profile: str) -> Interval:
    """The least accuracy, in percent, of all networks of a study."""
    right = records.by_profile(study)[profile]["accuracy"].to_numpy(float)
    return exactly(100 * float(right.min()), len(right))


def of_published(quantity: str) -> Interval:
    """A number of the published network, as tools/examine_published.py found it, in the units of its lens."""
    found = records.published()["cifar10_resnet56"]
    images = f"{found['count']:,} images, a quarter of them for the temperature; {found['images']}"
    origin = Origin(f"{quantity} of a published ResNet-56", images, "")
    return replace(exactly(found["numbers"][quantity]), origin=origin)


def confidence_lost(kinds: list[str]) -> list[Interval]:
    """Points by which the published network's confidence falls on each of some kinds of corruption."""
    numbers = records.published()["cifar10_resnet56"]["numbers"]
    whole = numbers["accuracy"] + numbers["gap"]
    return [exactly(100 * (whole - numbers[f"corrupted, {kind}"] - numbers[f"gap, {kind}"])) for kind in kinds]
