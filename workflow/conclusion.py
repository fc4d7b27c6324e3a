"""The book's conclusion, put together from this build and all editions: at which scales claims are supported or not.

In book/conclusion.md a place is [[across CLAIM; VARIANT]] (the verdict at every scale; without a variant, of the first
that was judged), <!-- GROUP --> with a name of GROUPS, or <!-- overconfidence --> for the table of that name.
"""

import re
import sys
from collections.abc import Mapping

from result_pages import badge

from softlab.evidence import claims

Columns = Mapping[str, Mapping[str, list[dict]]]  # scale -> claim -> its judgements, that of its own statistic first
GROUPS = {
    "supported": "supported at every scale that decides them",
    "contradicted": "contradicted at every scale that decides them",
    "scales differ": "decided differently at different scales",
    "methods differ": "contradicted for some methods and not for others",
    "open": "undecided at every scale",
}


def headline(name: str, columns: Columns) -> str | None:
    """The variant of a claim that is judged first; None if no scale judges it."""
    return next((judged[name][0]["variant"] for judged in columns.values() if judged.get(name)), None)


def verdicts(name: str, columns: Columns, variant: str | None = None) -> dict[str, str]:
    """The verdict on one variant of a claim by scale, where there is one."""
    variant = headline(name, columns) if variant is None else variant
    found = {}
    for scale, judged in columns.items():
        same = [one["verdict"] for one in judged.get(name, []) if one["variant"] == variant]
        if same and same[0] != "no verdict":
            found[scale] = same[0]
    return found


def group(name: str, columns: Columns) -> str | None:
    """Which of GROUPS a claim belongs to; None if no scale can say."""
    kinds = set(verdicts(name, columns).values())
    if not kinds:
        return None
    decided = kinds - {"undecided"}
    if not decided:
        return "open"
    if len(decided) > 1:
        return "scales differ"
    return "methods differ" if decided == {"mixed"} else decided.pop()


def across(name: str, columns: Columns, variant: str | None = None) -> str:
    """The verdicts with the scales that gave them."""
    by_verdict: dict[str, list[str]] = {}
    for scale, one in verdicts(name, columns, variant).items():
        by_verdict.setdefault(one, []).append(scale)
    parts = [f"{badge(one)} ({', '.join(scales)})" for one, scales in by_verdict.items()]
    return ", ".join(parts) or "*nothing here can say*"


def listed(wanted: str, columns: Columns) -> str:
    """The claims of a group, one line each, with the variant that was looked at."""
    lines = [
        f"- {claim.statement} ({claim.source}; {headline(name, columns) or 'as claimed'}) {across(name, columns)}"
        for name, claim in claims().items()
        if claim.kind == "empirical" and group(name, columns) == wanted
    ]
    return "\n".join(lines) or "*None.*"


def concluded(text: str, columns: Columns, overconfidence: str = "") -> str:
    """The page with its places filled; a place that asks for what there is not is an error."""

    def fill(place: re.Match) -> str:
        name, _, variant = place[1].partition("; ")
        if name not in claims():
            sys.exit(f"[[across {place[1]}]] names no claim")
        return across(name, columns, variant or None)

    text = text.replace("<!-- overconfidence -->", overconfidence)
    for name in GROUPS:
        text = text.replace(f"<!-- {name} -->", listed(name, columns))
    return re.sub(r"\[\[across ([^\]]+)\]\]", fill, text)
