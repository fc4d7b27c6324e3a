"""What is declared and not on record."""

from softbook.statements.origin import exactly
from softbook.studies import judge
from softlab.comparison.intervals import Interval


def pending(study: str, letters: str) -> Interval:
    """1 if just the settings of these letters are declared in a study and not on record, else 0."""
    verdicts = judge.judged(judge.declarations()[study])
    waiting = {one.setting for one in verdicts if one.word == judge.PENDING}
    return exactly(float(waiting == {*letters}))
