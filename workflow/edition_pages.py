"""What editions hold, read from their files, and the page of the book that sets them beside each other.

No number is typed: verdicts come from the results of executed chapters, or, where a chapter was not executed, from
the numbers on record for each network, by the same rules.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from result_pages import Results, badge, interval, number, table, unjudged

from softlab.errors import SoftlabError
from softlab.evidence import Ledger, caveat, claims
from softlab.figures import style
from softlab.files import read_yaml
from softlab.profile import Profile, load_profile, study_profile

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ("01_soft_labels", "02_cones", "03_magnitudes", "04_cosines")
CHAPTERS += ("05_calibration", "06_robustness", "07_maxsup", "08_causes")
FROM_RECORDS = "from the networks' records"


@dataclass(frozen=True)
class Edition:
    """A folder of editions/: see workflow/edition.py."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def profile_file(self) -> Path:
        found = sorted(self.folder.glob("*.yaml"))
        if len(found) != 1:
            raise SoftlabError(f"{self.folder} must hold one profile, not {len(found)}")
        return found[0]

    @functools.cached_property
    def profile(self) -> Profile:
        return load_profile(self.profile_file)

    def wanted(self) -> list[tuple[str, str, int]]:
        """Study, method and seed of every network that belongs to it."""
        studies = [study_profile(self.profile, study) for study in self.profile.studies]
        named = zip(self.profile.studies, studies, strict=True)
        return [(study, one.method, one.seed) for study, settings in named for one in settings.experiments()]

    def records(self) -> list[Path]:
        """The file of every network that belongs to it, also of those that are not there yet."""
        return [self.folder / "networks" / f"{study}-{method}-seed{seed}.json" for study, method, seed in self.wanted()]

    def missing(self) -> list[tuple[str, str, int]]:
        """Study, method and seed of every network that has no record yet."""
        have = {(one["study"], one["method"], one["seed"]) for one in self.found}
        return [one for one in self.wanted() if one not in have]

    @functools.cached_property
    def found(self) -> list[dict]:
        """The records that were there when this was first asked."""
        return [json.loads(path.read_bytes()) for path in self.records() if path.exists()]

    def notebook(self, chapter: str) -> Path:
        return self.folder / "notebooks" / f"{chapter}.ipynb"

    def executed(self) -> list[str]:
        """The chapters that were executed."""
        return [chapter for chapter in CHAPTERS if self.notebook(chapter).exists()]

    def by_seed(self, study: str, quantity: str) -> dict[str, dict[int, float]]:
        """A number of every network of a study, {method: {seed: value}}; no seed of which a network failed."""
        values: dict[str, dict[int, float]] = {}
        failed = {one["seed"] for one in self.found if one["study"] == study and one.get("failure")}
        for record in self.found:
            if record["study"] == study and record["seed"] not in failed and quantity in record["numbers"]:
                values.setdefault(record["method"], {})[record["seed"]] = record["numbers"][quantity]
        return values

    def values(self, study: str, method: str, quantity: str) -> list[float]:
        """The same for one method."""
        return list(self.by_seed(study, quantity).get(method, {}).values())

    def verified(self) -> list[dict]:
        path = self.folder / "verified.json"
        return json.loads(path.read_bytes()) if path.exists() else []

    def judged(self) -> dict[str, list[dict]]:
        """Every judgement by claim: of the chapters, else of the records (`how` says which)."""
        found = own(Results(self.folder / "notebooks"))
        for claim, judgements in self.from_records().items():
            found.setdefault(claim, judgements)
        return found

    def from_records(self) -> dict[str, list[dict]]:
        """What the numbers of the five methods say about the claims that they are the statistics of.

        Nothing before the last network of the core is there: who stops when a claim looks good has no verdict.
        """
        from softlab.quantities import QUANTITIES

        ledger, kept = Ledger(self.name, self.profile), {}
        if any(study == "core" for study, _, _ in self.missing()):
            return kept
        for name, quantity in QUANTITIES.items():
            values = self.by_seed("core", name)
            if quantity.claim and "baseline" in values and len(values) > 1:
                ledger.judge(quantity.claim, values, quantity.variant)
        for one in ledger.as_dict()["verdicts"]:
            kept.setdefault(one["claim"], []).append(one | {"how": FROM_RECORDS})
        return kept


def own(results: Results) -> dict[str, list[dict]]:
    """Judgements by claim, of the chapter that the claim belongs to: others judge it too, for their own methods."""
    return {claim: found for claim in results.judged if (found := results.own(claim))}


def all_editions() -> list[Edition]:
    return [Edition(path.parent.parent) for path in sorted((ROOT / "editions").glob("*/networks/.keep"))]


def by_scale(results: Results, shown: str | None = None) -> dict[str, Mapping[str, list[dict]]]:
    """What was judged, by claim, in this build and in every edition; `shown` is the edition that is the build."""
    columns: dict[str, Mapping[str, list[dict]]] = {} if shown else {"this build": own(results)}
    return columns | {edition.name: edition.judged() for edition in all_editions()}


def page(columns: Mapping[str, Mapping[str, list[dict]]]) -> str:
    """What the page about editions lists: the editions, the claims at every scale, reported numbers beside ours."""
    editions = all_editions()
    if not editions:
        return "*There is no edition.*"
    return f"""{_listed(editions)}

## The claims at every scale

A dash: the edition cannot say, for instance because it was recorded before the claim was
judged by today's statistic. Verdicts are those of the variant that is judged first; under
each claim stands what they rest on, with p values corrected for all tests of the claim at that scale (Holm's method).

{_matrix(columns)}

{chr(10).join(_details(name, columns) for name in claims() if any(name in one for one in columns.values()))}

## What papers report, and what we find

Their data, networks and schedules are other ones, so a number may differ for many reasons: what should agree is the
sign of a difference. Papers' values are theirs; ours are means over the seeds of an edition.

{_reported(editions)}
"""


def _listed(editions: Iterable[Edition]) -> str:
    rows = []
    for edition in editions:
        done, wanted = len(edition.found), len(edition.wanted())
        results = [one["result"] for one in edition.verified()]
        rows.append(
            [
                f"`{edition.name}`",
                edition.profile.description,
                f"{done} of {wanted}",
                f"{len(edition.executed())} of {len(CHAPTERS)}",
                str(len(edition.profile.seeds)),
                edition.profile.standing,
                ", ".join(dict.fromkeys(results)) or "not yet",
            ]
        )
    return table(["edition", "what", "networks", "chapters", "seeds", "standing", "verified"], rows)


def _matrix(columns: Mapping[str, Mapping[str, list[dict]]]) -> str:
    rows = []
    for name, claim in claims().items():
        cells = [_cell(name, one) for one in columns.values()]
        if set(cells) != {"–"}:
            rows.append([claim.statement, claim.source, *cells])
    return table(["claim", "source", *columns], rows)


def _cell(name: str, judged: Mapping[str, list[dict]]) -> str:
    if name in judged:
        return badge(judged[name][0]["verdict"]) + caveat(name, judged[name])
    return badge(why) if (why := unjudged(name, judged)) else "–"


def _details(name: str, columns: Mapping[str, Mapping[str, list[dict]]]) -> str:
    """The claim's own statistic at every scale, method by method."""
    rows = []
    for scale, judged in columns.items():
        for one in judged.get(name, [])[:1]:
            for method in one["judged"]:
                found = one["differences"][method]
                numbers = [interval(found, digits=3), str(found["n"]), number(found["p_holm"])]
                about = [scale, one["verdict"] + ("*" if "how" in one else ""), style(method).label]
                rows.append([*about, *numbers, number(found["detectable"])])
    claim = claims()[name]
    headings = ["scale", "verdict", "method", "difference", "n", "p (Holm)", "detectable"]
    about = f"{claim.statement} *{claim.statistic}; {claim.rule.text()}.* An asterisk: {FROM_RECORDS}, no chapter."
    return f":::{{dropdown}} {name}\n{about}\n\n{table(headings, rows)}\n:::\n"


def _reported(editions: Iterable[Edition]) -> str:
    rows = []
    for entry in read_yaml(ROOT / "workflow" / "reported.yaml")["numbers"]:
        theirs = ", ".join(f"{style(method).label} {value}" for method, value in entry["values"].items())
        rows.append([entry["what"], f"{{footcite:t}}`{entry['source']}`", entry["setting"], theirs])
        for edition in editions:
            means, factor = [], entry.get("factor", 1)
            for method in entry["values"]:
                values = edition.values("core", method, entry["quantity"])
                if values:
                    means.append(f"{style(method).label} {factor * sum(values) / len(values):.{entry['digits']}f}")
            if means:
                setting = f"{edition.profile.description}, {edition.profile.experiment.epochs} epochs"
                rows.append(["", f"`{edition.name}`", setting, ", ".join(means)])
    return table(["what", "who", "setting", "values"], rows)
