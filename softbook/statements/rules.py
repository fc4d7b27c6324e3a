"""When a sentence is true of an interval, in a closed notation: stands("falls and mean above -0.02", value)."""

import math
from collections.abc import Callable

from softlab.comparison.intervals import Interval
from softlab.errors import SoftlabError

RULES: dict[str, Callable[..., bool]] = {
    "rises": lambda value: value.low > 0,
    "falls": lambda value: value.high < 0,
    "open": lambda value: value.low <= 0 <= value.high,
    "above": lambda value, least: value.low > least,
    "below": lambda value, most: value.high < most,
    "not above": lambda value, most: value.low <= most,
    "not below": lambda value, least: value.high >= least,
    "within": lambda value, margin: -margin < value.low and value.high < margin,
    "inside": lambda value, least, most: least <= value.low and value.high <= most,
    "differs": lambda value: value.low > 0 or value.high < 0,
    "contains": lambda value, number: value.low < number < value.high,
    "between": lambda value, least, most: least < value.mean < most,
    "low between": lambda value, least, most: least < value.low < most,
    "mean above": lambda value, least: value.mean > least,
    "mean below": lambda value, most: value.mean < most,
    "size below": lambda value, most: abs(value.mean) < most,
    "is": lambda value, number: value.mean == number,
    "is all": lambda value: value.mean == value.n,
    "is most": lambda value: value.mean > value.n / 2,
    "is sure after": lambda value, tests: tests * value.p_value() < 0.05,
}
# What contradicts a rule that the whole of an interval has to keep; between the two it is open.
OPPOSITES: dict[str, Callable[..., bool]] = {
    "rises": RULES["falls"],
    "falls": RULES["rises"],
    "above": RULES["below"],
    "below": RULES["above"],
    "within": lambda value, margin: value.high < -margin or value.low > margin,
    "inside": lambda value, least, most: value.high < least or value.low > most,
    "differs": lambda value: False,
}
HELD = 1
OPEN = 0
FAILED = -1


def stands(rule: str, value: Interval) -> bool:
    """Whether a rule holds of a value: parts of RULES, joined by `and`, each with its numbers.

    Raises SoftlabError for a part that is not in RULES.
    """
    parts = [parsed(part) for part in rule.split(" and ")]
    return all(RULES[name](value, *numbers) for name, numbers in parts)


def outcome(rule: str, value: Interval) -> int:
    """HELD; FAILED, if the opposite holds, or the rule has none; else OPEN.  rule: one part."""
    name, numbers = parsed(rule)
    if RULES[name](value, *numbers):
        return HELD
    contradicted = name not in OPPOSITES or OPPOSITES[name](value, *numbers)
    return FAILED if contradicted else OPEN


def p_value(rule: str, value: Interval) -> float:
    """Two-sided p of the test behind a rule that one interval has to keep; 1 where the mean contradicts it."""
    name, numbers = parsed(rule)
    null = numbers[0] if numbers else 0.0
    side = {"rises": 1, "above": 1, "falls": -1, "below": -1, "differs": 0}[name]
    if side and (value.mean - null) * side <= 0:
        return 1.0
    return value.p_value(null)


def parsed(part: str) -> tuple[str, list[float]]:
    """The name and the numbers of one part of a rule.  Raises SoftlabError if there is none of this name."""
    words = part.split()
    numbers = [word for word in words if _is_number(word)]
    name = " ".join(words[: len(words) - len(numbers)])
    if name not in RULES or words[len(words) - len(numbers) :] != numbers:
        raise SoftlabError(f"no rule {part!r}; there are {', '.join(RULES)}")
    return name, [float(number) for number in numbers]


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
