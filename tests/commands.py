"""The command `softlab`, run in the process of a test."""

from softlab import cli


def exit_code(*arguments: object) -> int:
    """What `softlab ARGUMENTS` ends with."""
    try:
        cli.main([*map(str, arguments)])
    except SystemExit as end:
        return end.code
    return 0
