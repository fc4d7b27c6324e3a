"""Recorded networks that a build has retrained: what `softbook verify` said, for *This build* and the last line."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from number_page import table

WORDS = {"same bits": "with the same bits", "alike": "alike", "differs": "not what the record says"}
MOVED = re.compile(r"(?P<moved>\d+) of (?P<compared>\d+) numbers moved, by (?P<farthest>[\d.]+) ")


@dataclass(frozen=True)
class Network:
    """A network beside its row, as a line of `softbook verify` says it (softbook.studies.recording.Comparison).

    study, profile: the recorded table.  word: a key of WORDS.  told: how many numbers moved.  numbers: which.
    """

    study: str
    profile: str
    id: str
    word: str
    told: str = ""
    numbers: str = ""


def networks(build: Path) -> list[Network]:
    """All that a build has compared, table by table."""
    return [
        Network(*path.stem.split("."), *line.split(": ", 3))
        for path in sorted((build / "checked").glob("*.txt"))
        for line in path.read_text().splitlines()
    ]


def section(compared: Sequence[Network]) -> str:
    """Of the page *This build*, in Markdown; empty where nothing was compared."""
    if not compared:
        return ""
    by_table: dict[tuple[str, str], list[Network]] = {}
    for network in compared:
        by_table.setdefault((network.study, network.profile), []).append(network)
    headings = ["study", "profile", "networks", "their numbers", "moved", "at most by"]
    return f"""## Recorded networks, trained again

{summary(compared)}

{_listed("These numbers are not what the record says:", _of_word("differs", compared))}

Of each profile whose networks train in seconds, on images that come along, the largest table of `softbook/records` is
tried (with `LIVE=all`, every table): with one of its networks, on clean images, or with those, also attacked, that this
build trains anyway. *Alike*: another kind of processor has rounded otherwise, and each number is as near to the
recorded one as those of two seeds may be, within six standard deviations over seeds. Where seeds hardly differ, these
count as one image, or as the last digits of float32.

{table(headings, [_row(rows) for rows in by_table.values()])}

{_folded(_of_word("alike", compared))}
"""


def summary(compared: Sequence[Network]) -> str:
    """How many networks got each word, and of those that are alike, how many numbers moved, and how far."""
    counts = Counter(network.word for network in compared)
    said = ", ".join(f"{counts[word]} {meaning}" for word, meaning in WORDS.items() if counts[word])
    if not counts["alike"]:
        return f"Networks: {said}."
    moved, farthest = _moves(_of_word("alike", compared))
    far = f"by {farthest} standard deviations over seeds at most"
    return f"Networks: {said}. Of the numbers of those that are alike, {moved} moved, {far}."


def alarm(compared: Sequence[Network]) -> str:
    """For the end of a build: a line if a network differs from its row; else empty."""
    differing = len(_of_word("differs", compared))
    return f"{differing} of {len(compared)} networks, trained again, are not what the record says" * bool(differing)


def _of_word(word: str, compared: Sequence[Network]) -> list[Network]:
    return [network for network in compared if network.word == word]


def _moves(alike: Sequence[Network]) -> tuple[str, str]:
    """How many numbers moved, out of how many, and the farthest, in standard deviations over seeds."""
    moves = [match for network in alike if (match := MOVED.match(network.told))]
    moved = sum(int(match["moved"]) for match in moves)
    numbers = sum(int(match["compared"]) for match in moves)
    return f"{moved} of {numbers}", max((match["farthest"] for match in moves), key=float)


def _row(compared: Sequence[Network]) -> list[str]:
    """One recorded table."""
    counts = Counter(network.word for network in compared).most_common()
    alike = _of_word("alike", compared)
    several = len(compared) > 1
    return [
        compared[0].study,
        compared[0].profile,
        str(len(compared)) if several else compared[0].id,
        "; ".join(f"{count}: {word}" for word, count in counts) if several else compared[0].word,
        *(_moves(alike) if alike else ("", "")),
    ]


def _listed(heading: str, compared: Sequence[Network]) -> str:
    """Networks with their numbers; empty where there are none."""
    lines = [f"- {network.study}, {network.profile}, {network.id}: {network.numbers}" for network in compared]
    return "\n".join([heading, "", *lines]) if lines else ""


def _folded(alike: Sequence[Network]) -> str:
    """Which numbers moved, closed until a reader opens it."""
    if not alike:
        return ""
    listed = _listed("How far, in standard deviations over seeds:", alike)
    return f"<details>\n<summary>Which numbers moved</summary>\n\n{listed}\n\n</details>"
