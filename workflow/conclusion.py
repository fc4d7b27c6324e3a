"""The book's conclusion, put together from this build and all editions: which claims stand, fall, or depend on scale.

In book/conclusion.md a place is [[across CLAIM]] (its verdict at every scale), or <!-- GROUP --> with a name of GROUPS.
"""

import re
import sys
from collections.abc import Mapping

from result_pages import badge

from softlab.evidence import claims

Columns = Mapping[str, Mapping[str, list[dict]]]  # scale -> claim -> its judgements, the claim's own statistic first
GROUPS = {
    "stands": "supported wherever it is decided",
    "falls": "contradicted wherever it is decided",
    "depends": "decided in different ways at different scales",
    "differs": "true of some methods and false of others",
    "open": "undecided everywhere",
}


def verdicts(name: str, columns: Columns) -> dict[str, str]:
    """The verdict on a claim's own statistic by scale, where there is one."""
    found = {scale: judged[name][0]["verdict"] for scale, judged in columns.items() if name in judged}
    return {scale: one for scale, one in found.items() if one != "no verdict"}


def group(name: str, columns: Columns) -> str | None:
    """Which of GROUPS a claim belongs to; None if no scale can say."""
    kinds = set(verdicts(name, columns).values())
    if not kinds:
        return None
    decided = kinds - {"undecided"}
    if not decided:
        return "open"
    if len(decided) > 1:
        return "depends"
    return {"supported": "stands", "contradicted": "falls", "mixed": "differs"}[decided.pop()]


def across(name: str, columns: Columns) -> str:
    """The verdicts with the scales that gave them."""
    by_verdict: dict[str, list[str]] = {}
    for scale, one in verdicts(name, columns).items():
        by_verdict.setdefault(one, []).append(scale)
    parts = [f"{badge(one)} ({', '.join(scales)})" for one, scales in by_verdict.items()]
    return ", ".join(parts) or "*no scale can say*"


def listed(wanted: str, columns: Columns) -> str:
    """The claims of a group, one line each."""
    lines = [
        f"- {claim.statement} ({claim.source}) {across(name, columns)}"
        for name, claim in claims().items()
        if claim.kind == "empirical" and group(name, columns) == wanted
    ]
    return "\n".join(lines) or "*None.*"


def concluded(text: str, columns: Columns) -> str:
    """The page with its places filled; a place that asks for what there is not is an error."""

    def fill(place: re.Match) -> str:
        if place[1] not in claims():
            sys.exit(f"[[across {place[1]}]] names no claim")
        return across(place[1], columns)

    for name in GROUPS:
        text = text.replace(f"<!-- {name} -->", listed(name, columns))
    return re.sub(r"\[\[across ([^\]]+)\]\]", fill, text)
