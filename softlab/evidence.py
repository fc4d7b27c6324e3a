"""From intervals to verdicts on the claims of `claims.yml`, and the ledger that a chapter leaves beside its notebook.

Rules (they are the book's, and hold everywhere in it): a claim about several methods is *supported* if the 95 %
interval of the paired difference lies on the claimed side for every one of them, *contradicted* if it lies on the
other side for every one, *undecided* if an interval leaves it open and none contradicts, and *mixed* in all other
cases: methods disagree, or some contradict while others are open. One seed never gives a verdict.
"""

import functools
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml
from softlab.intervals import Interval, Values, between, holm, means, paired_interval, t_interval  # noqa: F401 (for chapters)
from softlab.profile import Profile
from softlab.provenance import PACKAGE

SCHEMA = 3  # of the file that Ledger.save writes
READABLE = (2, 3)  # 2 had no runs and no lacking


@dataclass(frozen=True)
class Rule:
    """What speaks for a claim: an interval wholly `above` or `below` the limit, or `within` ± limit > 0."""

    kind: str = "above"
    limit: float = 0.0

    @classmethod
    def of(cls, text: object) -> "Rule":
        """From a claim's `rule`: rises, falls, or {above|below|within: limit}."""
        if text in ("rises", "falls"):
            return cls("above" if text == "rises" else "below")
        kind, limit = next(iter(text.items())) if isinstance(text, Mapping) and len(text) == 1 else (text, math.nan)
        number = isinstance(limit, (int, float)) and not isinstance(limit, bool) and math.isfinite(limit)
        if kind not in ("above", "below", "within") or not number or (kind == "within" and limit <= 0):
            raise SoftlabError(f"a rule is rises, falls, above or below a number, or within one > 0, not {text!r}")
        return cls(kind, float(limit))

    def side(self, one: Interval) -> int:
        """+1 if the interval speaks for the claim, -1 if against it, 0 if it leaves it open."""
        if self.kind == "within":
            inside = -self.limit < one.low and one.high < self.limit
            return int(inside) - int(one.low > self.limit or one.high < -self.limit)
        side = int(one.low > self.limit) - int(one.high < self.limit)
        return side if self.kind == "above" else -side

    def p_value(self, one: Interval) -> float:
        """p of the test behind `side`: below .05 where it is decided; of `within`, below .025 where it is supported."""
        return one.p_within(self.limit) if self.kind == "within" else one.p_value(self.limit)

    def text(self) -> str:
        """In words: `rises`, `within ± 0.02`."""
        if self.limit == 0:
            return "rises" if self.kind == "above" else "falls"
        return f"{self.kind} {'± ' * (self.kind == 'within')}{self.limit:g}"


@dataclass(frozen=True)
class Claim:
    """One entry of claims.yml. methods: those that it names (none: all that are compared).

    variant: how the variants of its statistic begin, where an earlier statistic is on record (read_results).
    checks: claims that must be supported for this one to be judged at all.
    """

    id: str
    source: str
    statement: str
    statistic: str
    chapter: str
    rule: Rule = Rule()
    methods: tuple[str, ...] = ()
    kind: str = "empirical"  # or theorem, identity: checked, and not a finding
    variant: str = ""
    checks: tuple[str, ...] = ()


@functools.cache
def claims() -> dict[str, Claim]:
    """Every claim that the book tests, from softlab/claims.yml."""
    found = {}
    for name, entry in read_yaml(PACKAGE / "claims.yml").items():
        entry |= {"rule": Rule.of(entry.get("rule", "rises"))}
        entry |= {field: tuple(entry.get(field, ())) for field in ("methods", "checks")}
        found[name] = Claim(name, **entry)
    return found


def verdict(differences: Mapping[str, Interval], rule: Rule = Rule()) -> str:
    """What the intervals of all methods named by a claim say about it (rules: see this module)."""
    if not differences or any(interval.n < 2 for interval in differences.values()):
        return "no verdict"
    sides = {rule.side(interval) for interval in differences.values()}
    if sides == {1}:
        return "supported"
    if sides == {-1}:
        return "contradicted"
    return "mixed" if -1 in sides else "undecided"


@dataclass(frozen=True)
class Judgement:
    """What the evidence says about a claim. intervals: of all differences; judged: methods that the verdict is of.

    lacking: methods that it should be of and that have no values to compare; with one of them there is no verdict.
    """

    claim: str
    variant: str
    verdict: str
    intervals: Mapping[str, Interval]
    judged: tuple[str, ...]
    rule: Rule
    values: Values
    lacking: tuple[str, ...] = ()

    def text(self, factor: float = 1, digits: int = 1) -> dict[str, str]:
        """Differences by method as `mean ± half width`, in other units if factor is given (100: points)."""
        return {method: one.scaled(factor).text(digits, sign=True) for method, one in self.intervals.items()}


@dataclass
class Ledger:
    """A chapter's judgements, with the values behind them; `save` leaves them beside the executed notebook."""

    chapter: str
    settings: Profile
    judgements: list[Judgement] = field(default_factory=list)
    # By quantity, what is not judged: {method: {seed: value}}.
    measurements: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)

    def judge(
        self,
        claim: str | Claim,
        values: Values,
        variant: str = "",
        against: Values | float | None = None,
        methods: Sequence[str] | None = None,
    ) -> Judgement:
        """Record a statistic per method and seed, and judge it by its paired differences, by the claim's own rule.

        values: method -> {seed: value}.  variant: which version of the statistic.  against: what each method is
        compared with, values or one number (None: `baseline` of values); only the seeds that both have count.
        methods: those that the verdict is about (None: those that the claim names, or all); others are recorded.
        A claim about a method without values is not judged on the rest: there is no verdict then.
        Raises SoftlabError for an unknown claim, with the nearest one.
        """
        if isinstance(claim, str):
            check_known("claim", claim, claims())
            claim = claims()[claim]
        if against is None:
            if "baseline" not in values:
                raise SoftlabError(f"the methods {', '.join(values)} cannot be compared: no baseline among them")
            against = {name: values["baseline"] for name in values if name != "baseline"}
        elif not isinstance(against, Mapping):
            against = {name: dict.fromkeys(by_seed, against) for name, by_seed in values.items()}
        intervals = {}
        for method, other in against.items():
            seeds = [seed for seed in values.get(method, {}) if seed in other]
            if seeds:
                intervals[method] = paired_interval([values[method][s] for s in seeds], [other[s] for s in seeds])
        named = claim.methods or tuple(against) if methods is None else methods
        judged = {name: intervals[name] for name in named if name in intervals}
        lacking = tuple(name for name in named if name not in intervals)
        found = "no verdict" if lacking else verdict(judged, claim.rule)
        told = Judgement(claim.id, variant, found, intervals, tuple(judged), claim.rule, values, lacking)
        self.judgements.append(told)
        return self.judgements[-1]

    def record(self, numbers: Mapping[str, Mapping[int, Mapping[str, float]]]) -> None:
        """Keep numbers that are not judged: method -> {seed: {quantity: value}}."""
        for method, by_seed in numbers.items():
            for seed, found in by_seed.items():
                for quantity, value in found.items():
                    self.measurements.setdefault(quantity, {}).setdefault(method, {})[seed] = value

    def adjusted(self) -> list[dict[str, float]]:
        """For every judgement its p values by method, adjusted (Holm) for all tests of the same claim in this ledger.

        Methods that were recorded, but are not what the verdict is about, have none.
        """
        found: list[dict[str, float]] = [{} for _ in self.judgements]
        for claim in {one.claim for one in self.judgements}:
            family = [
                (index, method, one.rule.p_value(one.intervals[method]))
                for index, one in enumerate(self.judgements)
                for method in one.judged
                if one.claim == claim
            ]
            for (index, method, _), p in zip(family, holm([p for *_, p in family]), strict=True):
                found[index][method] = p
        return found

    def as_dict(self) -> dict[str, list[dict]]:
        """Everything that was judged and recorded, as plain values for JSON."""
        verdicts = [
            {"claim": one.claim, "variant": one.variant, "verdict": one.verdict, "judged": list(one.judged)}
            | {"lacking": list(one.lacking)}
            | {"differences": {name: _record(one, name, p) for name in one.intervals}}
            for one, p in zip(self.judgements, self.adjusted(), strict=True)
        ]
        evidence = [row for one in self.judgements for row in _rows(one.values, claim=one.claim, variant=one.variant)]
        measurements = [row for name, values in self.measurements.items() for row in _rows(values, quantity=name)]
        return {"verdicts": verdicts, "evidence": evidence, "measurements": measurements}

    def save(self, path: str | Path | None = None) -> Path:
        """Write everything as JSON (results.schema.json): to `path`, else where provenance.results_path says."""
        from softlab.files import write_json
        from softlab.profile import chapters
        from softlab.provenance import environment, results_path
        from softlab.records import networks
        from softlab.runs import dataset_of
        from softlab.training import choose_device

        path = Path(path or results_path(self.chapter))
        record = {"schema": SCHEMA, "chapter": self.chapter, "profile": self.settings.name}
        record |= {"standing": self.settings.standing, "seeds": list(self.settings.seeds)}
        record |= {"data": self.settings.experiment.data.partition(":")[0]}
        record |= {"data_digest": dataset_of(self.settings.experiment).digest}
        record |= {"date": time.strftime("%Y-%m-%d"), **environment(choose_device().type)}
        studies = chapters(self.settings).get(self.chapter, ["core"])
        record |= {"runs": [row for name in studies for row in networks(self.settings, name)]}
        write_json(path, record | self.as_dict())
        return path


def caveat(claim: str, judged: Sequence[Mapping], variant: str | None = None, versions: bool = True) -> str:
    """What must stand behind the word of a verdict: versions of the statistic that say otherwise, and Holm's p.

    judged: the claim's judgements, as in Ledger.as_dict.  variant: the one that the word is of (None: the first).
    versions: is the word said of the claim, so that other variants matter?  Empty for theorems and where all is well.
    """
    about, counts, said = claims()[claim], Counter(one["verdict"] for one in judged), ""
    chosen = next((one for one in judged if variant in (None, one["variant"])), None)
    if chosen is None or (word := chosen["verdict"]) == "no verdict" or about.kind != "empirical":
        return ""
    if versions and len(counts) > 1:
        others = ", ".join(f"{other} in {count}" for other, count in counts.items() if other != word)
        said = f" in {counts[word]} of {counts.total()} versions ({others})"
    within = about.rule.kind == "within"
    adjusted = [chosen["differences"][method]["p_holm"] for method in chosen["judged"]]
    worst = max((p for p in adjusted if p is not None), default=0.0)
    tested = word == "supported" or (word == "contradicted" and not within)  # by what p is of
    if tested and worst >= (0.025 if within else 0.05):
        said += f", but not after Holm's correction (p = {worst:.2g})"
    return said


def _rows(values: Values, **what: str) -> list[dict]:
    """One entry for each method and seed, for JSON, that says of what it is."""
    return [
        {**what, "method": method, "seed": seed, "value": _finite(float(value))}
        for method, by_seed in values.items()
        for seed, value in by_seed.items()
    ]


def _record(one: Judgement, method: str, adjusted: Mapping[str, float]) -> dict:
    """A difference as plain values for JSON; what is not finite is None."""
    found, p = one.intervals[method], one.rule.p_value(one.intervals[method])
    record = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
    record |= {"p": p, "p_holm": adjusted.get(method, math.nan), "detectable": found.detectable()}
    return {key: _finite(value) for key, value in record.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def read_results(folder: str | Path) -> dict[str, dict]:
    """What the chapters of a build found, chapter -> its results file; files of another schema are left out.

    So are judgements of a claim by a statistic that it had earlier: they say nothing about the claim as it stands.
    """
    found = {}
    for path in sorted(Path(folder).glob("*.results.json")):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            raise SoftlabError(f"{path} is no results file") from None
        if isinstance(record, dict) and record.get("schema") in READABLE and "chapter" in record:
            found[record["chapter"]] = record | {
                kind: [one for one in record[kind] if _of_today(one)] for kind in ("verdicts", "evidence")
            }
    return found


def _of_today(one: Mapping[str, str]) -> bool:
    """Is this judgement, or row of evidence, of the statistic that its claim has now?"""
    return one["claim"] not in claims() or one["variant"].startswith(claims()[one["claim"]].variant)
