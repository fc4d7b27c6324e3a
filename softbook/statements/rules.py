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


def stands(rule: str, value: Interval) -> bool:
    """Whether a rule holds of a value: parts of RULES, joined by `and`, each with its numbers.

    Raises SoftlabError for a part that is not in RULES.
    """
    return all(_holds(part, value) for part in rule.split(" and "))


def _holds(part: str, value: Interval) -> bool:
    words = part.split()
    numbers = [word for word in words if _is_number(word)]
    name = " ".join(words[: len(words) - len(numbers)])
    if name not in RULES or words[len(words) - len(numbers) :] != numbers:
        raise SoftlabError(f"no rule {part!r}; there are {', '.join(RULES)}")
    return RULES[name](value, *map(float, numbers))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
