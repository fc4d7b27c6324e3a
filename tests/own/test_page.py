"""The examples of the page "In your own training", each run alone, as whoever copies it would."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "book" / "own_training.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FRAMEWORKS = ("lightning", "timm", "transformers")  # of these the tests install the first


def test_maxsup_comes_first_and_takes_five_lines():
    lines = [line for line in EXAMPLES[0].splitlines() if line and line != "import torch"]
    assert 'softlab.criterion("maxsup"' in EXAMPLES[0]
    assert len(lines) == 5


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
@pytest.mark.filterwarnings("ignore")  # of frameworks, about loggers and workers
def test_an_example_runs_alone(number, tmp_path, monkeypatch, capsys):
    for framework in FRAMEWORKS:
        if re.search(rf"^(import|from) {framework}\b", EXAMPLES[number], re.MULTILINE):
            pytest.importorskip(framework, reason=f"{framework} is not installed")
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[number], f"{PAGE.name}, example {number + 1}", "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out
    assert bool(printed) or "print" not in EXAMPLES[number]
    if "watch" in EXAMPLES[number]:
        assert float(re.findall(r"'accuracy': ([\d.]+)", printed)[-1]) > 0.5
