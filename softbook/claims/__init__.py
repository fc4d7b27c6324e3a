"""Sentences about records: their numbers, by ID, and what must be true for the words around them to stand.

A page says  `it loses <span class="answers" data-claim="by-heart-smoothing">−2.4</span> points`  in plain Markdown,
which is readable in Colab and on GitHub. The page's table, claims/PAGE.py, says for each ID where its value comes from
(records, never the reader's settings), how it is written, and its condition:

    CLAIMS = {"by-heart-smoothing": Claim(lambda: effect("label_smoothing"), digits=1, form=SIGNED, holds=falls)}

`make claims` rewrites numbers, never words. A record that breaks a condition is named with its ID, by that command and
by tests/claims: then a person rewrites the sentence. The build adds what a number says on hover (`with_notes`).
"""

import functools
import html
import importlib
import importlib.util
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from softbook.studies import headlines
from softbook.studies.across_settings import effects_by_setting
from softlab.comparison.effects import Effects
from softlab.comparison.intervals import Interval

ROOT = Path(__file__).resolve().parents[2]
SPAN = re.compile(r'<span class="answers" data-claim="(?P<id>[a-z0-9-]+)">(?P<text>[^<]*)</span>')
PLAIN = "plain"
SIGNED = "signed"
SIZE = "size"  # without its sign: the words say the direction
SPREAD = "spread"  # signed, with half the width of its interval: −3.2 ± 0.9
WORDS = "words"  # no number: what stands in the page stays, as long as the condition holds
SOFT = ("label_smoothing", "mixup", "cutmix", "maxsup")
Condition = Callable[[Interval], bool]


@dataclass(frozen=True)
class Claim:
    """A number in a sentence.

    value: from records, in the units in which it is written.  digits: after the point.  form: PLAIN, SIGNED, SIZE,
    SPREAD, or WORDS, for words like "in every setting" whose value is the one that comes nearest to breaking them.
    holds: what the sentence says of it, beyond the number.
    """

    value: Callable[[], Interval]
    holds: Condition
    digits: int = 0
    form: str = PLAIN

    @functools.cached_property
    def interval(self) -> Interval:
        """The value, computed once: records do not change while a program runs."""
        return self.value()

    @functools.cached_property
    def stands(self) -> bool:
        """Whether the sentence holds of the value; computed once, too, as conditions look at records of their own."""
        return self.holds(self.interval)

    def written(self) -> str:
        mean = self.interval.mean
        number = abs(mean) if self.form == SIZE else mean
        text = f"{number:{'+' if self.form in (SIGNED, SPREAD) else ''}z.{self.digits}f}"
        text += f" ± {self.interval.half_width:.{self.digits}f}" if self.form == SPREAD else ""
        return text.replace("-", "\N{MINUS SIGN}")

    def note(self) -> str:
        """What it is, over what, and how to remake it; empty for a value put together from several."""
        value = self.interval
        if value.origin and value.low == value.high:
            return f"{value.origin.what}: a number without an interval\n{value.origin.table}"
        return value.text(self.digits + 1).note


def falls(value: Interval) -> bool:
    return value.high < 0


def rises(value: Interval) -> bool:
    return value.low > 0


def is_open(value: Interval) -> bool:
    return value.low <= 0 <= value.high


def above(least: float) -> Condition:
    return lambda value: value.low > least


def below(most: float) -> Condition:
    return lambda value: value.high < most


def between(least: float, most: float) -> Condition:
    return lambda value: least < value.mean < most


def headline(*names: str, also: Condition) -> Condition:
    """That these headlines hold over every recorded cell in their scope, and `also` of the value.

    names: of softbook.studies.headlines.HEADLINES.
    """
    return lambda value: also(value) and all(headlines.verdict(name).holds for name in names)


def lowest(intervals: Iterable[Interval]) -> Interval:
    """The one that ends lowest: what comes nearest to breaking "each of them rises"."""
    return min(intervals, key=lambda one: one.low)


def highest(intervals: Iterable[Interval]) -> Interval:
    """The one that ends highest: what comes nearest to breaking "each of them falls"."""
    return max(intervals, key=lambda one: one.high)


def least_open(intervals: Iterable[Interval]) -> Interval:
    """The one that comes nearest to excluding zero, or excludes it farthest: for "none can be told from zero"."""
    return min(intervals, key=lambda one: min(-one.low, one.high))


def typical_size(intervals: Iterable[Interval]) -> Interval:
    """The median size of these changes, whatever their signs."""
    sizes = [abs(one.mean) for one in intervals]
    return exactly(float(np.median(sizes)), len(sizes))


def factor(log: Interval) -> Interval:
    """The number of which this is the natural logarithm."""
    mean, low, high = (math.exp(end) for end in (log.mean, log.low, log.high))
    origin = log.origin and replace(log.origin, what=f"as a factor, {log.origin.what}")
    return Interval(mean, low, high, log.n, log.degrees, origin)


def exactly(value: float, n: int = 1) -> Interval:
    """A value without an uncertainty of its own: a formula's, a count, or the extreme of n others."""
    return Interval(value, value, value, n)


def rounded_up(value: float, digits: int, n: int = 1) -> Interval:
    """An upper bound for a sentence: rounded to `digits`, and never inwards."""
    return exactly(math.ceil(value * 10**digits - 1e-9) / 10**digits, n)


def rounded_down(value: float, digits: int, n: int = 1) -> Interval:
    """The same for a lower bound."""
    return exactly(math.floor(value * 10**digits + 1e-9) / 10**digits, n)


def extent(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean, least and most of some values, which is no confidence interval."""
    return Interval(float(np.mean(values)), float(min(values)), float(max(values)), len(values))


def in_settings(letters: str, quantity: str, method: str, against: str = "baseline") -> list[Interval]:
    """What a method does to a quantity, compared with another, in the settings of these letters, in their order."""
    found = _by_letter(quantity, against)
    return [found[letter][method].shown for letter in letters]


@functools.cache
def _by_letter(quantity: str, against: str) -> dict[str, Effects]:
    return {name[0]: one for name, one in effects_by_setting(quantity, against=against).items()}


def tables() -> list[str]:
    """The pages that have claims, by their names without suffix."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[0-9A-Za-z]*.py"))


def claims_of(page: str) -> Mapping[str, Claim]:
    """The table of a page, by its name without suffix; empty where it has none."""
    name = f"softbook.claims.{page}"
    return importlib.import_module(name).CLAIMS if importlib.util.find_spec(name) else {}


def texts(path: Path) -> list[str]:
    """The prose of a page: the Markdown cells of a notebook, or the whole of a Markdown file."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return [content]
    return ["".join(cell["source"]) for cell in json.loads(content)["cells"] if cell["cell_type"] == "markdown"]


def problems(path: Path) -> dict[str, str]:
    """What is wrong with a page's claims: {ID: why}; empty where all is as the records say."""
    claims = claims_of(path.stem)
    said = {found["id"]: found["text"] for text in texts(path) for found in SPAN.finditer(text)}
    wrong = dict.fromkeys(set(said) - set(claims), "no claim has this ID")
    wrong |= dict.fromkeys(set(claims) - set(said), "stands in no sentence")
    for name in sorted(set(said) & set(claims)):
        claim = claims[name]
        if not claim.stands:
            wrong[name] = f"its sentence no longer holds: {claim.interval.text(claim.digits + 1, sign=True)}"
        elif claim.form != WORDS and said[name] != claim.written():
            wrong[name] = f"{said[name]} should be {claim.written()}: make claims"
    return wrong


def rewritten(path: Path) -> str:
    """The page's content with the records' numbers; its words stay."""
    claims = claims_of(path.stem)

    def renewed(found: re.Match) -> str:
        claim = claims.get(found["id"])
        if claim is None or claim.form == WORDS:
            return found[0]
        return found[0].replace(f">{found['text']}<", f">{claim.written()}<")

    content = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return SPAN.sub(renewed, content)
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = SPAN.sub(renewed, "".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def with_notes(page: str, text: str) -> str:
    """Markdown whose claims say on hover, focus or a tap what they are about, as all numbers of the book do."""

    def noted(found: re.Match) -> str:
        claim = claims_of(page)[found["id"]]
        said = claim.note() or f"from the records, by softbook/claims/{page}.py: {found['id']}"
        note = html.escape(said).replace("\n", "&#10;")
        kind = "answers words" if claim.form == WORDS else "answers"
        return f'<span class="{kind}" tabindex="0" data-note="{note}">{found["text"]}</span>'

    return SPAN.sub(noted, text)
