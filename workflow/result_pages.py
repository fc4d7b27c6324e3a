"""Pages with places for what the chapters found.

No number and no verdict is typed: each is read from the results files that the notebooks of a build have left. In a
page of book/, a place is [[verdict CLAIM; VARIANT]], [[verdicts CLAIM]] (all variants, counted), [[outcome CLAIM]],
[[change CLAIM; VARIANT; METHOD; FACTOR]], [[mean CLAIM; METHOD; FACTOR]] or [[see CLAIM]] (a link to its section).
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from docutils.nodes import make_id

from softlab.evidence import caveat, claims, read_results

BADGES = {"supported": "success", "contradicted": "danger", "mixed": "warning", "undecided": "muted"}
UNKNOWN = "*this build cannot say*"
FAILED = "check failed"


class Results:
    """What the chapters found, by claim and variant; what is missing raises KeyError.

    Claims that the book no longer has are left out.
    """

    def __init__(self, folder: Path):
        self.records = read_results(folder)
        self.sections = {path.stem: _sections(path) for path in folder.glob("*.ipynb") if path.name.count(".") == 1}
        self.judged: dict[str, list[dict]] = {}
        for record in self.records.values():
            for one in [one for one in record["verdicts"] if one["claim"] in claims()]:
                self.judged.setdefault(one["claim"], []).append(one | {"chapter": record["chapter"]})

    def one(self, claim: str, variant: str | None = None) -> dict:
        """The judgement of a variant (None: the first, which is the claim's own statistic)."""
        return next(one for one in self.judged[claim] if variant in (None, one["variant"]))

    def verdict(self, claim: str, variant: str | None = None) -> str:
        return badge(self.one(claim, variant)["verdict"]) + caveat(claim, self.own(claim), variant, variant is None)

    def own(self, claim: str) -> list[dict]:
        """Its judgements by the chapter that it belongs to: others judge it too, for their own methods."""
        return [one for one in self.judged.get(claim, []) if one["chapter"] == claims()[claim].chapter]

    def verdicts(self, claim: str) -> str:
        counts = Counter(one["verdict"] for one in self.judged[claim])
        return ", ".join(f"{badge(verdict)} × {count}" for verdict, count in counts.items())

    def outcome(self, claim: str) -> str:
        """Is a paper's experiment the same here, different, or open?"""
        verdict, more = self.one(claim)["verdict"], caveat(claim, self.own(claim))
        word = {"supported": "same", "contradicted": "different"}.get(verdict, f"open ({verdict})")
        return f"{word}: {verdict}{more}" if more else word

    def change(self, claim: str, variant: str, method: str, factor: str = "1") -> str:
        """The difference that was judged, with its interval."""
        return interval(self.one(claim, variant)["differences"][method], float(factor))

    def mean(self, claim: str, method: str, factor: str = "1") -> str:
        """The mean over seeds of the statistic itself."""
        variant = self.one(claim)["variant"]
        values = [
            one["value"]
            for record in self.records.values()
            for one in record["evidence"]
            if (one["claim"], one["variant"], one["method"]) == (claim, variant, method)
        ]
        return f"{float(factor) * sum(values) / len(values):z.1f}"

    def see(self, claim: str) -> str:
        """A link to the section whose cells judge the claim."""
        chapter = claims()[claim].chapter
        section = next((s for s, text in self.sections.get(chapter, []) if f'"{claim}"' in text), None)
        anchor = f"#{make_id(section)}" if section else ""
        title = chapter.partition("_")[2].replace("_", " ")
        return f'<a href="../notebooks/{chapter}.html{anchor}">{title}</a>'


def badge(verdict: str) -> str:
    return f"{{bdg-{BADGES.get(verdict, 'light')}}}`{verdict}`"


def unjudged(claim: str, judged: Mapping[str, Sequence[dict]]) -> str:
    """Why a claim was not judged: a check of it failed; empty if none did. judged: of the same scale, by claim."""
    verdicts = [judged[check][0]["verdict"] for check in claims()[claim].checks if judged.get(check)]
    return FAILED if set(verdicts) - {"supported", "no verdict"} else ""


def interval(found: dict, factor: float = 1, digits: int = 1) -> str:
    mean = f"{factor * found['mean']:+z.{digits}f}"
    if found["low"] is None:
        return f"{mean} (one seed)"
    return f"{mean}\u00a0±\u00a0{factor * (found['high'] - found['mean']):.{digits}f}"  # on one line


def _sections(notebook: Path) -> list[tuple[str, str]]:
    """Every section of a notebook with the code in it: (heading, source)."""
    found = [("", "")]
    for cell in nbformat.read(notebook, as_version=4).cells:
        headings = re.findall(r"(?m)^#+ (.+)$", cell.source) if cell.cell_type == "markdown" else []
        if headings:
            found.append((headings[-1], ""))
        elif cell.cell_type == "code":
            found[-1] = (found[-1][0], found[-1][1] + cell.source + "\n")
    return found


def table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def filled(text: str, results: Results) -> str:
    """A page with its places filled; a place whose result is missing says so. A misspelt one is an error."""

    def fill(place: re.Match) -> str:
        kind, *given = re.split(r"; *", place[1].replace(" ", "; ", 1))
        if given[0] not in claims() or kind not in ("verdict", "verdicts", "outcome", "change", "mean", "see"):
            sys.exit(f"[[{place[1]}]] names no claim, or asks for nothing that there is")
        try:
            return getattr(results, kind)(*given)
        except (KeyError, StopIteration, ZeroDivisionError):
            why = unjudged(given[0], results.judged)
            return badge(why) if why else UNKNOWN

    return re.sub(r"\[\[([^\]]+)\]\]", fill, text)
