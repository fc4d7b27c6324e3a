"""The book's conclusion, put together from this build and all editions: at which scales claims are supported or not.

In book/conclusion.md a place is [[across CLAIM; VARIANT]] (the verdict at every scale; without a variant, of the first
that was judged), or <!-- GROUP --> with a name of GROUPS.
"""

import re
import sys
from collections.abc import Mapping

from edition_pages import all_editions, own
from result_pages import FAILED, Results, badge, unjudged

from softlab.evidence import caveat, claims
from softlab.profile import load_profile, packaged_profiles

Columns = Mapping[str, Mapping[str, list[dict]]]  # scale -> claim -> its judgements, that of its own statistic first
GROUPS = {
    "supported": "supported at every scale that decides them",
    "contradicted": "contradicted at every scale that decides them",
    "checks failed": "decided at some scales, while at others their check failed",
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
        elif not judged.get(name) and unjudged(name, judged):
            found[scale] = FAILED
    return found


def group(name: str, columns: Columns) -> str | None:
    """Which of GROUPS a claim belongs to; None if no scale can say."""
    kinds = set(verdicts(name, columns).values())
    if not kinds:
        return None
    decided = kinds - {"undecided", FAILED}
    if not decided:
        return "open" if "undecided" in kinds else None
    if len(decided) > 1:
        return "scales differ"
    if FAILED in kinds:
        return "checks failed"
    return "methods differ" if decided == {"mixed"} else decided.pop()


def across(name: str, columns: Columns, variant: str | None = None) -> str:
    """The verdicts with the scales that gave them, and what limits them there."""
    by_verdict: dict[str, list[str]] = {}
    shown = headline(name, columns) if variant is None else variant
    for scale, one in verdicts(name, columns, variant).items():
        said = badge(one) + caveat(name, columns[scale].get(name, []), shown, variant is None)
        by_verdict.setdefault(said, []).append(scale)
    parts = [f"{said} ({', '.join(scales)})" for said, scales in by_verdict.items()]
    return ", ".join(parts) or "*nothing here can say*"


def listed(wanted: str, columns: Columns) -> str:
    """The claims of a group, one line each, with the variant that was looked at."""
    lines = [
        f"- {claim.statement} ({claim.source}; {headline(name, columns) or 'as claimed'}) {across(name, columns)}"
        for name, claim in claims().items()
        if claim.kind == "empirical" and group(name, columns) == wanted
    ]
    return "\n".join(lines) or "*None.*"


def concluded(text: str, columns: Columns) -> str:
    """The page with its places filled; a place that asks for what there is not is an error."""

    def fill(place: re.Match) -> str:
        name, _, variant = place[1].partition("; ")
        if name not in claims():
            sys.exit(f"[[across {place[1]}]] names no claim")
        return across(name, columns, variant or None)

    for name in GROUPS:
        text = text.replace(f"<!-- {name} -->", listed(name, columns))
    return re.sub(r"\[\[across ([^\]]+)\]\]", fill, text)


def counted(columns: Columns) -> str:
    """How many verdicts there are at a scale, of all variants."""
    most = max((sum(map(len, judged.values())) for judged in columns.values()), default=0)
    return f"up to {most} verdicts a scale, all variants of all claims"


def with_fresh_seeds(results: Results) -> str:
    """What became of this build's verdicts in the edition that has the same setting and other seeds."""
    names = {record["profile"] for record in results.records.values()}
    if len(names) == 1 and names <= set(packaged_profiles()):
        settings = load_profile(names.pop())
        for edition in all_editions():
            same = (edition.profile.experiment, edition.profile.methods) == (settings.experiment, settings.methods)
            if same and not set(edition.profile.seeds) & set(settings.seeds):
                about = f"`{edition.name}`: {len(edition.profile.seeds)} seeds, {edition.profile.standing}."
                return f"{about}\n\n{repeated(own(results), edition.judged())}"
    return "*No edition repeats the setting of this build with other seeds.*"


def repeated(before: Mapping[str, list[dict]], after: Mapping[str, list[dict]]) -> str:
    """Which verdicts are the same with other seeds, and which are not."""
    kinds: dict[str, list[str]] = {"the same": [], "other": [], "open now": [], "decided now": []}
    for name, claim in claims().items():
        for one in before.get(name, []) if claim.kind == "empirical" else []:
            again = [two["verdict"] for two in after.get(name, []) if two["variant"] == one["variant"]][:1]
            pair = [one["verdict"], *again]
            if len(pair) < 2 or "no verdict" in pair:
                continue
            kind = "the same" if pair[0] == pair[1] else "other"
            if kind == "other" and "undecided" in pair:
                kind = "open now" if pair[1] == "undecided" else "decided now"
            about = f"{claim.statement} ({one['variant'] or 'as claimed'})"
            kinds[kind].append(f"- {about} {badge(pair[0])}, then {badge(pair[1])}")
    titles = {
        "other": "Decided both times, and differently",
        "open now": "Decided at first, and open with fresh seeds",
        "decided now": "Open at first, and decided with fresh seeds",
    }
    counted = f"{len(kinds['the same'])} of {sum(map(len, kinds.values()))} verdicts are the same."
    folded = [
        f":::{{dropdown}} {title}: {len(kinds[kind])}\n{chr(10).join(kinds[kind]) or '*None.*'}\n:::"
        for kind, title in titles.items()
    ]
    return "\n\n".join([counted, *folded])
