"""One notebook with papermill: in this Python, by content and not by time."""

import json
import os

import execute
import nbformat
import pytest


@pytest.fixture
def notebook(tmp_path):
    def write(source):
        cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell(f"import sys\n{source}")]
        cells[0].metadata["tags"] = ["parameters"]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "one.ipynb")
        return tmp_path / "one.ipynb"

    return write


def test_an_output_of_the_future_is_made_again_and_another_kernel_is_not_used(notebook, tmp_path, monkeypatch):
    foreign = tmp_path / "foreign" / "kernels" / "python3" / "kernel.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text(json.dumps({"argv": ["/nowhere/python"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "foreign"))
    output = tmp_path / "out" / "one.ipynb"
    for text in ("first", "second"):
        path = notebook(f"print('{text}', x)")
        assert execute.main(path, output, tmp_path / "log.txt", "{x: 7}", []) == 0
        assert f"{text} 7" in output.read_text()
        os.utime(output, (2**33, 2**33))


def test_parameters_that_are_no_yaml_are_refused(notebook, tmp_path, capsys):
    output = tmp_path / "out" / "one.ipynb"
    assert execute.main(notebook("x"), output, tmp_path / "log.txt", "{x: 1, x: 2}", []) == 1
    assert "'x' is given twice" in capsys.readouterr().out
    assert not output.exists()
