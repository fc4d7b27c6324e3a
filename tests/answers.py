"""What a command answers to wrong input: one line, exit code 2."""

import sys

import pytest


def answer(capsys, call, *arguments):
    """What a command says on its one line."""
    with pytest.raises(SystemExit) as ended:
        sys.exit(call(list(map(str, arguments))))
    said = capsys.readouterr()
    assert ended.value.code == 2, said
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err + said.out
    assert len(said.err) < 2000
    return said.err
