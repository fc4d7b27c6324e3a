"""The commands `softlab` and `softbook`, run in the process of a test."""

from softbook import cli as book
from softlab import cli


def exit_code(*arguments: object) -> int:
    """What `softlab ARGUMENTS` ends with; of the book's commands what `softbook ARGUMENTS` does."""
    given = [*map(str, arguments)]
    command = book if given[0] in cli.MOVED else cli
    try:
        command.main(given)
    except SystemExit as end:
        return end.code
    return 0
