"""Pages that are written from what the chapters found: results at a glance, and pages with places for results.

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
from softlab.figures import style

BADGES = {"supported": "success", "contradicted": "danger", "mixed": "warning", "undecided": "muted"}
UNKNOWN = "*this build cannot say*"
FAILED = "check failed"


class Results:
    """What the chapters found, by claim and variant; what is missing raises KeyError.

    Claims that the book no longer has, as editions judged them, are left out.
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


def number(value: float | None) -> str:
    """Three digits, short for small ones; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.0e}"


def glance(results: Results) -> str:
    """The page "Results at a glance"."""
    if not results.records:
        return "# Results at a glance\n\nNo chapter of this build has left results.\n"
    about = next(iter(results.records.values()))
    rows, details = [], []
    for name, claim in claims().items():
        judged = results.judged.get(name, [])
        if not judged:
            why = unjudged(name, results.judged)
            rows.append([claim.statement, claim.source, badge(why) if why else UNKNOWN, "", "", results.see(name)])
            continue
        first, others = judged[0], Counter(one["verdict"] for one in judged[1:])
        shown = [first["differences"][method] for method in first["judged"]]
        also = "<br>".join(f"{verdict}: {count}" for verdict, count in others.items())
        kind = "" if claim.kind == "empirical" else f" ({claim.kind}: checked, and not a finding)"
        seeds = sorted({one["n"] for one in shown})
        count = "–".join(map(str, dict.fromkeys([seeds[0], seeds[-1]]))) if seeds else ""
        rows.append([claim.statement + kind, claim.source, results.verdict(name), also, count, results.see(name)])
        details.append(_details(name, claim, judged))
    empirical = [name for name in results.judged if claims()[name].kind == "empirical"]
    tally = Counter(results.judged[name][0]["verdict"] for name in empirical)
    limited = sum(bool(caveat(name, results.own(name))) for name in empirical)
    told = ", ".join(f"{count} {verdict}" for verdict, count in tally.most_common())
    seeds = f"seeds {about['seeds'][0]} to {about['seeds'][-1]}" if len(about["seeds"]) > 1 else "one seed"
    headings = ["claim", "source", "verdict", "other variants", "n", "where"]
    return f"""# Results at a glance

Profile `{about["profile"]}` ({about["standing"]}), data `{about["data"]}` (digest `{about["data_digest"][:12]}`),
{seeds}, commit `{about["commit"]}`, torch {about["torch"]}, {about["device"]}, {about["date"]}. Of
{len(empirical)} empirical claims: {told}; {limited} of them with a limit that stands beside the word.

The verdict is that of the claim's own statistic; a claim may have been judged in other variants too, which are counted
beside it and listed below: where they say otherwise, or the verdict does not outlast Holm's correction for all tests of
the claim, it says so. *Check failed*: the pair of networks that should show it does not differ as it should, so nothing
follows. P is {{footcite:t}}`park2024impact`, P2 its second version, S a summary of it by others, M
is {{footcite:t}}`zhou2025maxsup`, X is {{footcite:t}}`xia2025selective`. The rules are on [the first page](intro.md).
"n" is how many seeds the verdict rests on.

{table(headings, rows)}

## Every variant

For each difference its 95 % interval, p with Holm's correction for all tests of the same claim, and the smallest effect
that so few seeds would have shown in 80 % of repetitions: *undecided* says nothing about effects below it. For a claim
of no difference p is that of two one-sided tests; its verdict asks for more, the whole interval within the margin.

{chr(10).join(details)}

## References

```{{footbibliography}}
```
"""


def _details(name: str, claim, judged: list[dict]) -> str:
    rows = []
    for one in judged:
        for method in one["judged"]:
            found = one["differences"][method]
            numbers = [interval(found, digits=3), number(found["p_holm"]), number(found["detectable"])]
            rows.append([one["variant"] or "as claimed", one["verdict"], style(method).label, *numbers])
    headings = ["variant", "verdict", "method", "difference", "p (Holm)", "detectable"]
    about = f"{claim.statement} *{claim.statistic}; {claim.rule.text()}.*"
    return f":::{{dropdown}} {name}\n{about}\n\n{table(headings, rows)}\n:::\n"


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
