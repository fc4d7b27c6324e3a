"""Rules and verdicts by hand and by simulation, the claims and where they are judged, and the ledger."""

import ast
import dataclasses
import functools
import json
import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from softlab import SoftlabError, load_profile, regularizers
from softlab.evidence import Claim, Interval, Ledger, Rule, claims, paired_interval, read_results, verdict
from softlab.profile import chapters
from softlab.quantities import QUANTITIES

SEEDS = [3, 5, 10]
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
GAIN = Claim("gain", "ours", "They gain.", "a number", "a_chapter")
ONE = Interval(2, -math.inf, math.inf, 1)
# The ends of intervals that speak for a rule, leave it open, or speak against it. One that touches a limit is open.
SIDES = [
    (Rule(), {1: [(0.1, 1)], 0: [(0, 1), (-1, 1), (-1, 0)], -1: [(-1, -0.1)]}),
    (Rule("above", 0.2), {1: [(0.21, 0.3)], 0: [(0.1, 0.3)], -1: [(0.1, 0.19)]}),
    (Rule("below", -1), {1: [(-2, -1.1)], 0: [(-2, -1), (-1, 0)], -1: [(-0.9, 3)]}),
    (
        Rule("within", 1),
        {1: [(-0.9, 0.9), (0.1, 0.9)], 0: [(-1, 0), (0, 1), (-2, 2), (1, 2)], -1: [(1.1, 2), (-3, -2)]},
    ),
]
# + and - speak for and against, 0 leaves it open, 1 is of one seed.
VERDICTS = {"++": "supported", "--": "contradicted", "+-": "mixed", "+0-": "mixed", "0-": "mixed"}
VERDICTS |= {"+0": "undecided", "00": "undecided", "+1": "no verdict", "1": "no verdict", "": "no verdict"}


def test_rules_are_read_and_written():
    texts = ["rises", "falls", {"above": -0.01}, {"below": 1}, {"within": 0.02}, {"above": 0}]
    rules = [Rule.of(text) for text in texts]
    assert rules[:3] == [Rule("above", 0), Rule("below", 0), Rule("above", -0.01)]
    assert rules[3:] == [Rule("below", 1), Rule("within", 0.02), Rule()]
    assert [rule.text() for rule in rules] == ["rises", "falls", "above -0.01", "below 1", "within ± 0.02", "rises"]


NO_RULES = ["up", "above", None, 0.2, [], {}, ["rises"], {"above": 0, "below": 0}, {"near": 1}, {"rises": 0}]
NO_RULES += [{"within": 0}, {"within": -0.1}, *({"above": no} for no in ("0.2", None, True, math.nan, math.inf, [1]))]


@pytest.mark.parametrize("text", NO_RULES)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(SoftlabError, match="a rule is rises, falls, above or below a number, or within one > 0, not "):
        Rule.of(text)


@pytest.mark.parametrize(("rule", "sides"), SIDES)
def test_sides_and_verdicts(rule, sides):
    for side, all_ends in sides.items():
        assert {rule.side(Interval(sum(ends) / 2, *ends, 5)) for ends in all_ends} == {side}
    assert rule.side(ONE) == 0
    signs = {sign: Interval(0.5, *sides[side][0], 5) for sign, side in (("+", 1), ("0", 0), ("-", -1))} | {"1": ONE}
    found = {case: verdict({index: signs[sign] for index, sign in enumerate(case)}, rule) for case in VERDICTS}
    assert found == VERDICTS


@functools.cache
def differences(n):
    """4,000 paired differences without an effect; the standard deviation of one seed's is 1."""
    shared, own, base = np.random.default_rng(n).normal(size=(3, 4000, n)) * [[[9]], [[0.6]], [[0.8]]]
    return [paired_interval(*pair) for pair in zip(shared + own, shared + base, strict=True)]


def share(expected, n, rule, effect, spread=1.0):
    """How often a verdict is given to one method."""
    moved = ([effect + spread * end for end in (one.mean, one.low, one.high)] for one in differences(n))
    return sum(verdict({"mixup": Interval(*numbers, n)}, rule) == expected for numbers in moved) / 4000


@pytest.mark.parametrize("n", SEEDS)
def test_verdicts_go_with_p_values(n):
    for one in differences(n)[:500]:
        for rule in (Rule(), Rule("below", 0.3), Rule("above", -0.4)):
            assert (rule.side(one) != 0) == (rule.p_value(one) < 0.05)
        within = Rule("within", 1.5)
        assert (within.side(one) == 1) == (within.p_value(one) < 0.025)


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("rule", [Rule(), Rule("below"), Rule("above", 0.2), Rule("within", 1)])
def test_at_the_limit_verdicts_are_rarely_given(n, rule):
    for effect, spread in ((rule.limit, 0.05), (rule.limit, 0.5), (-rule.limit, 0.05)):
        if rule.side(Interval(effect, effect, effect, n)) == 0:  # not the other end where there is just one
            false = [share(expected, n, rule, effect, spread) for expected in ("supported", "contradicted")]
            assert sum(false) <= 0.06
            assert max(false) <= 0.032


@pytest.mark.parametrize(("rule", "sign"), [(Rule(), 1), (Rule("below"), -1), (Rule("above", 0.2), 1)])
def test_effects_are_found_the_more_often_the_larger_and_on_the_right_side(rule, sign):
    for expected, way, never in (("supported", sign, "contradicted"), ("contradicted", -sign, "supported")):
        power = np.array([[share(expected, n, rule, rule.limit + way * d) for d in (0, 0.5, 1, 2)] for n in SEEDS])
        assert (np.diff(power, axis=1) > 0.03).all()
        assert (np.diff(power[:, 1:], axis=0) > 0.03).all()  # and the more seeds
        assert power[2, 3] > 0.99
        assert max(share(never, n, rule, rule.limit + 2 * way) for n in SEEDS) < 0.001


def test_equivalence_is_found_the_more_often_the_less_the_spread():
    within = Rule("within", 1)
    power = np.array([[share("supported", n, within, 0, spread) for spread in (1, 0.5, 0.2)] for n in SEEDS])
    assert (np.diff(power[:, :2], axis=1) > 0.03).all()
    assert (np.diff(power[:, :2], axis=0) > 0.03).all()
    assert power[:, 2].min() > 0.95
    assert min(share("contradicted", n, within, effect, 0.2) for n in SEEDS for effect in (3, -3)) > 0.95


def test_every_claim_is_complete():
    for name, claim in claims().items():
        assert re.fullmatch("[a-z]+(-[a-z]+)*", name)
        assert claim.id == name
        assert claim.source, name
        assert claim.statistic, name
        assert re.fullmatch(r"[A-Z].*\.", claim.statement), name
        assert claim.chapter in chapters(), name
        assert claim.kind in ("empirical", "theorem", "identity"), name
        assert isinstance(claim.rule, Rule), name
        assert set(claim.methods) <= set(regularizers.REGISTRY) - {"baseline"}, name
    assert {one.claim for one in QUANTITIES.values() if one.claim} <= set(claims())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_judge_known_claims_and_all_of_their_own(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    plain = [re.sub(r"(?m)^(\s*)%.*$", r"\1pass", source) for source in cells]  # %pip is no Python
    nodes = [node for source in plain for node in ast.walk(ast.parse(source))]
    calls = [one for one in nodes if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.args]
    first = [one.args[0] for one in calls if one.func.attr == "judge"]
    unknown = {one.value for one in first if isinstance(one, ast.Constant)} - set(claims())
    assert not unknown, f"not in claims.yml: {unknown}"
    own = {name for name, one in claims().items() if one.chapter == path.stem and one.kind != "theorem"}
    own -= {one.value for one in nodes if isinstance(one, ast.Constant)}  # some are judged by way of a variable
    assert not own, f"never judged: {own}"


def by_seed(*numbers):
    return dict(enumerate(numbers))


@pytest.fixture
def ledger():
    return Ledger("a_chapter", load_profile("smoke"))


@pytest.fixture
def values():
    """Seeds differ by far more than methods do."""
    found = {"baseline": by_seed(10.0, 20.0, 30.0, 40.0), "mixup": by_seed(11.0, 21.1, 30.9, 41.0)}
    return found | {"maxsup": by_seed(11.0, 20.9, 31.1, 41.2)}


def test_methods_are_compared_with_the_baseline_seed_by_seed(ledger, values):
    found = ledger.judge(GAIN, values, "first")
    assert (found.claim, found.variant, found.verdict) == ("gain", "first", "supported")
    assert found.intervals["mixup"] == paired_interval([11, 21.1, 30.9, 41], [10, 20, 30, 40])
    assert (found.judged, found.text()) == (("mixup", "maxsup"), {"mixup": "+1.0 ± 0.1", "maxsup": "+1.1 ± 0.2"})
    assert found.text(100, 0)["mixup"] == "+100 ± 13"
    ruled = [dataclasses.replace(GAIN, rule=rule) for rule in (Rule("below"), Rule("above", 1), Rule("within", 2))]
    assert [ledger.judge(one, values).verdict for one in ruled] == ["contradicted", "undecided", "supported"]
    assert ledger.judge(GAIN, values | {"maxsup": by_seed(9.0, 19.1, 28.9, 39.0)}).verdict == "mixed"
    shuffled = ledger.judge(GAIN, values | {"baseline": dict(reversed(values["baseline"].items()))})
    assert shuffled.text() == found.text()
    whole = values | {"label_smoothing": values["mixup"], "cutmix": values["mixup"]}
    found = ledger.judge("magnitude-shrinks", whole)  # the claim comes with its rule and methods, not maxsup
    assert (found.rule, found.verdict) == (Rule("below"), "contradicted")
    assert found.judged == ("label_smoothing", "mixup", "cutmix")
    assert ledger.judge("magnitude-shrinks", values, methods=["maxsup"]).judged == ("maxsup",)
    with pytest.raises(SoftlabError, match="unknown claim 'magnitude-shrink'; did you mean 'magnitude-shrinks'"):
        ledger.judge("magnitude-shrink", values)
    assert len(ledger.judgements) == 8


def test_failed_networks_are_left_out(ledger, values, tmp_path):
    def outcome(*failed):
        """The verdict, and of mixup how many pairs there are and what is said of it."""
        kept = {name: {s: v for s, v in numbers.items() if (name, s) not in failed} for name, numbers in values.items()}
        found = ledger.judge(GAIN, kept)
        assert found.judged == tuple(found.intervals)
        assert found.lacking == ("mixup",) * ("mixup" in kept and "mixup" not in found.intervals)
        one = found.intervals.get("mixup")
        return found.verdict, one and one.n, found.text().get("mixup")

    failed = [("mixup", 2), ("baseline", 0), ("mixup", 1), ("mixup", 3), ("mixup", 0)]
    assert outcome() == ("supported", 4, "+1.0 ± 0.1")
    assert outcome(failed[0]) == ("supported", 3, "+1.0 ± 0.1")
    assert ledger.judgements[-1].intervals["mixup"] == paired_interval([11, 21.1, 41], [10, 20, 40])
    assert outcome(*failed[:2]) == ("supported", 2, "+1.1 ± 0.6")
    assert outcome(*failed[:3]) == ("no verdict", 1, "+1.0")
    assert outcome(*failed[:4]) == outcome(*failed) == ("no verdict", None, None)  # not by maxsup alone
    del values["mixup"]
    assert outcome() == ("supported", None, None)  # nobody spoke of it
    named = dataclasses.replace(GAIN, methods=("mixup", "maxsup"))
    assert (ledger.judge(named, values).verdict, ledger.judgements[-1].lacking) == ("no verdict", ("mixup",))
    assert ledger.judge(GAIN, values, methods=["mixup"]).verdict == "no verdict"
    assert ledger.judge(GAIN, {"baseline": values["baseline"]}).verdict == "no verdict"
    assert len(json.loads(ledger.save(tmp_path / "some.json").read_bytes())["verdicts"]) == 10
    with pytest.raises(SoftlabError, match="the methods maxsup cannot be compared: no baseline among them"):
        ledger.judge(GAIN, {"maxsup": values["maxsup"]})


def test_methods_can_be_compared_with_a_number_or_with_others(ledger, values):
    means = {"baseline": by_seed(0.29, 0.30, 0.31), "mixup": by_seed(0.39, 0.40, 0.41)}
    found = ledger.judge(GAIN, means, against=0.3)
    assert {name: round(one.mean, 9) for name, one in found.intervals.items()} == {"baseline": 0, "mixup": 0.1}
    found = [found, ledger.judge(GAIN, means, against=0), ledger.judge(GAIN, means, against=1.0)]
    assert [one.verdict for one in found] == ["undecided", "supported", "contradicted"]
    found = ledger.judge(GAIN, values, against={"baseline": by_seed(9.0, 19.1, 29.0), "cutmix": by_seed(1.0)})
    assert found.intervals == {"baseline": paired_interval([10, 20, 30], [9, 19.1, 29])}
    found = ledger.judge(GAIN, values, against={"maxsup": values["mixup"]})
    assert found.intervals == {"maxsup": paired_interval([11, 20.9, 31.1, 41.2], [11, 21.1, 30.9, 41])}


def test_p_values_are_adjusted_for_all_tests_of_a_claim(ledger):
    p = {ratio: 1 - 2 * math.atan(ratio) / math.pi for ratio in (2, 10)}  # a mean of so many standard errors, two seeds
    base = {"baseline": by_seed(5.0, 7.0)}
    values = {"mixup": by_seed(14.0, 18.0), "maxsup": by_seed(6.0, 10.0), "cutmix": {0: 9.0}}
    ledger.judge(GAIN, base | values, "first")  # differences of 9, 11; of 1, 3; and of one seed: no test
    ledger.judge(dataclasses.replace(GAIN, id="loss", rule=Rule("within", 3)), base | {"mixup": by_seed(6.0, 10.0)})
    ledger.judge(GAIN, base | {"mixup": by_seed(5.0, 9.0), "maxsup": by_seed(99.0, 99.5)}, methods=["mixup"])
    first, other, second = ledger.adjusted()
    assert first == pytest.approx({"mixup": 3 * p[10], "maxsup": 2 * p[2], "cutmix": math.nan}, nan_ok=True)
    assert second == pytest.approx({"mixup": 2 * p[2]})  # its own is .5, but no less than those before it
    assert other == pytest.approx({"mixup": 0.25})
    assert Ledger("empty", ledger.settings).adjusted() == []


def test_a_saved_ledger_says_all_it_saw(ledger, values, tmp_path, monkeypatch):
    values |= {"cutmix": {0: 12.0}, "mixup": by_seed(11.0, 21.1, 30.9, 41.0, math.nan)}
    found = ledger.judge(GAIN, values, "first", methods=["mixup", "cutmix"])
    content = ledger.save(tmp_path / "here" / "gain.results.json").read_bytes()
    record = json.loads(content, parse_constant=pytest.fail)
    assert (record["schema"], record["chapter"], record["profile"]) == (3, "a_chapter", "smoke")
    assert (record["standing"], record["seeds"], record["data"]) == ("exploratory", [0, 1], "fashion-mini")
    assert {"data_digest", "date", "torch", "python", "device", "commit"} <= set(record)
    (one,) = record["verdicts"]
    differences = one.pop("differences")
    assert one == {"claim": "gain", "variant": "first", "verdict": "no verdict", "judged": ["mixup", "cutmix"]} | {
        "lacking": []
    }
    mixup, unjudged = found.intervals["mixup"], found.intervals["maxsup"]
    p = {"p": mixup.p_value(), "p_holm": mixup.p_value(), "detectable": mixup.detectable()}  # a family of one
    assert differences["mixup"] == {"mean": mixup.mean, "low": mixup.low, "high": mixup.high, "n": 4} | p
    none = dict.fromkeys(("low", "high", "p", "p_holm", "detectable"))
    assert differences["cutmix"] == none | {"mean": 2.0, "n": 1}
    assert (differences["maxsup"]["p"], differences["maxsup"]["p_holm"]) == (unjudged.p_value(), None)
    first, *_, last = record["evidence"][:9]
    assert first == {"claim": "gain", "variant": "first", "method": "baseline", "seed": 0, "value": 10}
    assert last == {"claim": "gain", "variant": "first", "method": "mixup", "seed": 4, "value": None}
    assert len(record["evidence"]) == 4 + 5 + 4 + 1
    assert ledger.save() == tmp_path / "results.json"  # from the environment
    monkeypatch.delenv("SOFTLAB_RESULTS")
    monkeypatch.chdir(tmp_path)
    assert ledger.save() == Path("a_chapter.results.json")
    assert read_results(tmp_path) == {"a_chapter": json.loads(content)}


def test_results_of_a_build_are_read_and_foreign_files_left_out(ledger, values, tmp_path):
    assert read_results(tmp_path) == {} == read_results(tmp_path / "missing")
    for name in ("02_cones", "01_soft_labels"):
        Ledger(name, ledger.settings, [ledger.judge(GAIN, values)]).save(tmp_path / f"{name}.results.json")
    for name, content in enumerate(({"schema": 1, "chapter": "old"}, {"schema": 2}, [1], "text", None)):
        (tmp_path / f"{name}.results.json").write_text(json.dumps(content))
    (tmp_path / "other.json").write_text("{")
    found = {name: one["chapter"] for name, one in read_results(tmp_path).items()}
    assert found == {"01_soft_labels": "01_soft_labels", "02_cones": "02_cones"}
    for broken in (b"{", b"", b"\xff\xfe"):
        (tmp_path / "broken.results.json").write_bytes(broken)
        with pytest.raises(SoftlabError, match=r"broken\.results\.json is no results file"):
            read_results(tmp_path)
