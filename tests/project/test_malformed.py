"""Malformed parameters, profiles and sweeps: one line that says what was given, exit code 2, no file left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import sweep
import yaml
from answers import answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softbook import begin, cli
from softlab import SoftlabError, files, load_profile

ROOT = Path(__file__).parents[2]
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)

# What no file may hold, whatever it is of: content, and a word of the answer.
FILES = {
    "empty": (b"", "must hold a mapping"),
    "a list": (b"[1, 2]", "must hold a mapping"),
    "a word": (b"quick", "must hold a mapping"),
    "no value": (b"null", "must hold a mapping"),
    "binary": (bytes(range(256)), "not valid YAML"),
    "not UTF-8": ("title: größer".encode("latin-1"), "not valid YAML"),
    "UTF-16": ("title: x".encode("utf-16"), "not valid YAML"),
    "torn": (b"vary: {a: [1, 2", "not valid YAML"),
    "tabs": (b"vary:\n\tseeds: [1]", "not valid YAML"),
    "two documents": (b"vary: {}\n---\nvary: {}", "not valid YAML"),
    "a key given twice": (b"title: a\ntitle: b", "line 1: 'title' is given twice"),
    "a key given twice inside": (b"vary:\n  x: 1\n  x: 2", "line 2: 'x' is given twice"),
    "code": (b"!!python/object/apply:os.system [touch pwned]", "not valid YAML"),
    "a tag of its own": (b"title: !mine 3", "not valid YAML"),
    "a tuple": (b"title: !!python/tuple [1]", "not valid YAML"),
    "billion laughs": (LAUGHS.encode(), "line 2: the reference *a is not read"),
    "a reference to itself": (b"title: &a [*a]", "YAML: the reference *a"),
    "a merge": (b"x: &x {a: 1}\ny: {<<: *x}", "the reference *x"),
    "an undefined reference": (b"title: *nothing", "the reference *nothing"),
    "a list as key": (b"? [1, 2]\n: 3", "not valid YAML"),
    "a mapping as key": (b"{{a: 1}: 2}", "not valid YAML"),
    "deep": (b"[" * 500_000, "YAML: lists and mappings inside one another more than 50 times"),
    "deep mappings": (b"{a: " * 5000, "inside one another more than 50 times"),
    "a number that is none": (b"title: !!int x", "not valid YAML"),
    "a date that is none": (b"title: !!timestamp x", "not valid YAML"),
    "huge": (b"#" * (2**20 + 1), "is no file of at most 1024 KiB"),
}
PROFILES = {
    "an unknown entry": ("metods: {}", "did you mean 'methods'"),
    "no entry": ("null: 2", "unknown entry of profile mine.yaml None"),
    "an experiment that is a list": ("experiment: [1]", "experiment of profile mine.yaml must map"),
    "no mapping of evaluation": ("evaluation: null", "evaluation of profile mine.yaml must map"),
    "no mapping of resources": ("resources: 3", "resources must map"),
    "an unknown field": ("experiment: {epoch: 3}", "did you mean 'epochs'"),
    "a method as field": ("experiment: {method: mixup}", "change `methods` or `seeds`"),
    "epochs as text": ("experiment: {epochs: many}", "epochs must be a whole number from 1 to 10000, not 'many'"),
    "half an epoch": ("experiment: {epochs: 2.5}", "epochs must be a whole number"),
    "endless epochs": ("experiment: {epochs: .inf}", "epochs must be a whole number"),
    "a rate that is no number": ("experiment: {learning_rate: .nan}", "learning_rate must be a number"),
    "a huge width": ("experiment: {width: 18446744073709551615}", "width must be a whole number from 1 to 4096"),
    "a path as data": ("experiment: {data: ../../etc/passwd}", "unknown data set '../../etc/passwd'"),
    "an unknown network": ("experiment: {model: resnet9}", "did you mean 'resnet8'"),
    "a snapshot too late": ("experiment: {epochs: 2, snapshot_epochs: [3]}", "training ends after epoch 2"),
    "snapshots as text": ("experiment: {snapshot_epochs: all}", "snapshot_epochs must be a list"),
    "no seeds": ("seeds: []", "seeds must be a count or a list of different seeds"),
    "seeds twice": ("seeds: [1, 1]", "seeds must be a count or a list of different seeds"),
    "seeds below zero": ("seeds: [-1]", "seed must be a whole number from 0"),
    "too many seeds": ("seeds: 1000000000000", "seeds must be a whole number from 1 to 10000"),
    "a first seed too late": ("{first_seed: 2147483647, seeds: 2}", "seed must be a whole number from 0"),
    "methods as a list": ("methods: [mixup]", "methods must be a list of names or map names"),
    "a path as method": ("methods: {../../x: {}}", "cannot name a method"),
    "an unknown method": ("methods: {mixap: {}}", "did you mean 'mixup'"),
    "an unknown parameter": ("methods: {mixup: {bta: 1}}", "did you mean 'beta'"),
    "too much smoothing": ("methods: {label_smoothing: {alpha: 1.1}}", "alpha must be a number from 0 to 1"),
    "a mapping as parameter": ("methods: {mixup: {beta: {x: 1}}}", "method_parameters must map"),
    "an unknown size": ("evaluation: {test_sise: 3}", "did you mean 'test_size'"),
    "no steps": ("evaluation: {attack_steps: null}", "attack_steps must be a whole number"),
    "unknown resources": ("resources: {gpu: 1}", "did you mean 'gpus'"),
    "a time": ("experiment: {epochs: 1:30}", "epochs must be a whole number from 1 to 10000, not '1:30'"),
    "a time in a method": ("methods: {mixup: {beta: 1:30}}", "beta must be a number above 0, not '1:30'"),
    "many digits": (f"methods: {{mixup: {{beta: {'9' * 400}}}}}", "beta must be a number above 0"),
    "many digits of a field": (f"experiment: {{width: {'9' * 400}}}", "width must be a whole number"),
    "a number as description": ("description: 1.10", "description must be text, not 1.1: put it in quotes"),
    "a switch": ("experiment: {compiled: on}", "compiled must be true or false, not 'on'"),
    "too many GPUs": ("resources: {gpus: 1000}", "gpus must be a whole number from 0 to 64"),
}
SWEEPS = {
    "nothing varies": ("title: x", "`vary` maps what changes to its values"),
    "vary as a list": ("vary: [seeds]", "`vary` maps what changes to its values"),
    "parameters as a list": ("{parameters: [1], vary: {seeds: [1]}}", "`parameters` what does not"),
    "an unknown entry": ("very: {seeds: [1]}", "did you mean 'vary'"),
    "a number as entry": ("{1: 2, vary: {seeds: [1]}}", "unknown entry of sweep mine.yaml 1"),
    "an unknown parameter": ("vary: {sedes: [1]}", "did you mean 'seeds'"),
    "a number as parameter": ("vary: {1: [1]}", "unknown parameter of a setting '1'"),
    "an unknown fixed parameter": ("{parameters: {overide: {}}, vary: {seeds: [1]}}", "did you mean 'overrides'"),
    "the profile varies": ("vary: {profile: [smoke]}", "unknown parameter of a setting 'profile'"),
    "a path as notebook": ("{notebooks: [../../x], vary: {seeds: [1]}}", "unknown notebook '../../x'"),
    "a notebook as text": ("{notebooks: cosines, vary: {seeds: [1]}}", "notebooks must be a list of names"),
    "an unknown combination": ("{combine: gird, vary: {seeds: [1]}}", "did you mean 'grid'"),
    "no values": ("vary: {seeds: []}", "seeds takes a list of values"),
    "null": ("vary: {seeds: null}", "seeds takes a list of values"),
    "an unknown entry of an axis": ("vary: {seeds: {valus: [1]}}", "did you mean 'values'"),
    "no list": ("vary: {seeds: {values: 3}}", "seeds takes a list of values, not {'values': 3}"),
    "a range": ("vary: {seeds: {values: [1], from: 1}}", "unknown entry of seeds 'from'"),
    "a huge grid": (
        f"vary: {{overrides.a: {[*range(999)]}, overrides.b: {[*range(999)]}}}",
        "998001 points are more than 100000",
    ),
    "lists of two lengths": ("{combine: zip, vary: {seeds: [1], overrides.epochs: [1, 2]}}", "lists of one length"),
    "a value twice": ("vary: {seeds: [1, 2, 1]}", "a value is given twice"),
    "a date": (
        "vary: {overrides.epochs: [2024-01-01]}",
        "epochs must be a whole number from 1 to 10000, not '2024-01-01'",
    ),
    "a value that is no number": ("vary: {overrides.dropout: [.nan]}", "numbers, text, lists and mappings"),
    "a way through a number": ("vary: {seeds.x: [1]}\nparameters: {seeds: 3}", "something on its way is no mapping"),
    "overrides that are a number": ("vary: {overrides: [3]}", "overrides must map fields to values"),
    "an unknown field": ("vary: {overrides.epoch: [1]}", "did you mean 'epochs'"),
    "a field out of range": ("vary: {overrides.epochs: [1, 0]}", "overrides.epochs = 0: epochs must be a whole number"),
    "seeds as text": ("vary: {seeds: [many]}", "seeds = many: seeds must be a whole number"),
    "an unknown method": ("vary: {overrides.methods: [{mixap: {}}]}", "did you mean 'mixup'"),
    "a strength out of range": (
        "vary: {α: {sets: [overrides.methods.maxsup.alpha], values: [0, 2]}}",
        "alpha must be a number from 0 to 1, not 2",
    ),
    "a time in a grid": ("vary: {overrides.epochs: [1:30]}", "not '1:30'"),
    "a switch": ("vary: {overrides.head: [no]}", "unknown head 'no'"),
    "a number as title": ("{title: 1.10, vary: {seeds: [1]}}", "title must be text, not 1.1: put it in quotes"),
    "a column's name": ("vary: {value: {sets: [seeds], values: [1]}}", "the table has a column of that name"),
    "an unknown quantity": ("{show: [acuracy], vary: {seeds: [1]}}", "did you mean 'accuracy'"),
    "a quantity as text": ("{show: ECE, vary: {seeds: [1]}}", "show must be a list of names"),
}


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """A folder to work in; afterwards it and the places of builds hold the files that they held."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTLAB_PROFILE", "smoke")

    def listing():
        mine = {
            path
            for path in tmp_path.rglob("*")
            if path.name not in ("mine.yaml", "cache") and "cache" not in path.parts
        }
        return mine | set((ROOT / "_build").glob("mine*"))

    before = listing()
    yield tmp_path
    assert listing() - before == set()


def check_sweep(path):
    """What the engine says of a sweep before it starts anything."""
    with pytest.raises(SoftlabError) as caught:
        sweep.check(sweep.load_sweep(str(path)), "smoke")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check_profile(capsys, path):
    return answer(capsys, cli.main, "train", "--profile", path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_no_settings(name, nothing_left, capsys):
    content, words = FILES[name]
    (nothing_left / "mine.yaml").write_bytes(content)
    assert words in check_sweep(nothing_left / "mine.yaml")
    assert words in check_profile(capsys, "mine.yaml")
    with pytest.raises(SoftlabError) as caught:
        begin("mine.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_cannot_be(name, nothing_left, capsys):
    content, words = PROFILES[name]
    (nothing_left / "mine.yaml").write_text(content)
    assert words in check_profile(capsys, "mine.yaml")


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_that_cannot_be(name, nothing_left):
    content, words = SWEEPS[name]
    (nothing_left / "mine.yaml").write_text(content)
    assert words in check_sweep(nothing_left / "mine.yaml")


@pytest.mark.parametrize("name", ["...yaml", "a b.yaml", "{x}.yaml", "-x.yaml", "a;b.yaml", "größe.yaml", "x\ny.yaml"])
def test_a_file_s_name_that_could_not_be_a_folder_s(name, nothing_left, capsys):
    (nothing_left / name).write_text("vary: {seeds: [1]}")
    assert "cannot name a sweep" in check_sweep(nothing_left / name)
    (nothing_left / name).write_text("methods: {baseline: {}}")
    assert "is named with letters" in check_profile(capsys, nothing_left / name)
    (nothing_left / name).unlink()


@pytest.mark.parametrize(
    "what", ["nowhere.yaml", "folder.yaml", "pipe.yaml", "nul\0.yaml", "quik", "../quick", "", "quick.txt"]
)
def test_a_name_of_nothing(what, nothing_left, capsys):
    (nothing_left / "folder.yaml").mkdir()
    os.mkfifo(nothing_left / "pipe.yaml")
    try:
        assert check_sweep(what)
        assert check_profile(capsys, what)
    finally:
        (nothing_left / "folder.yaml").rmdir()
        (nothing_left / "pipe.yaml").unlink()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"profile": ["quick"]}, "a profile is given by its name"),
        ({"profile": "smok"}, "did you mean 'smoke'"),
        ({"profile": "../profiles/smoke"}, "unknown profile"),
        ({"profile": "x" * 300}, "unknown profile"),
        ({"seeds": "many"}, "seeds must be a whole number"),
        ({"seeds": 0}, "seeds must be a whole number from 1"),
        ({"seeds": float("nan")}, "seeds must be a whole number"),
        ({"seeds": []}, "seeds must be a count"),
        ({"overrides": "epochs=3"}, "overrides must map fields"),
        ({"overrides": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"overrides": {3: 3}}, "unknown field '3'"),
        ({"overrides": {"__class__": 3}}, "unknown field '__class__'"),
        ({"overrides": {"epochs": 10**400}}, "epochs must be a whole number"),
        ({"overrides": {"data": "folder:/dev/null"}}, "/dev/null is not a folder"),
        ({"overrides": {"methods": [["mixup"]]}}, "unknown method of this profile ['mixup']"),
        ({"overrides": {"seed": 3}}, "change `methods` or `seeds`"),
    ],
)
def test_parameters_of_a_notebook_that_cannot_be(parameters, words, nothing_left, capsys):
    with pytest.raises(SoftlabError) as caught:
        begin(**{"profile": "smoke"} | parameters, kinds=1)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("epochs", "--set takes FIELD=VALUE"),
        ("=3", "unknown field ''"),
        ("epochs=", "epochs must be a whole number"),
        ("epochs=[", "--set epochs: '[' is not valid YAML: "),
        ("epochs=!!python/object/apply:os.system [touch pwned]", "epochs must be a whole number"),
        ("epochs={a: !!python/object/apply:os.system [touch pwned]}", "is not valid YAML"),
        ("epochs=1e400", "epochs must be a whole number"),
        ("methods={../x: {}}", "cannot name a method"),
        ("data=../../etc", "unknown data set"),
        ("data", "--set takes FIELD=VALUE"),
        ("epochs=1:30", "epochs must be a whole number from 1 to 10000, not '1:30'"),
        ("seeds=1:3", "not '1:3'"),
        ("learning_rate=0:00.5", "not '0:00.5'"),
        ("methods={mixup: {beta: 1:30}}", "not '1:30'"),
        ("epochs=3 # three", "not '3 # three'"),
        ("seeds=[1, many #2]", "is not valid YAML"),
        ("compiled=yes", "compiled must be true or false, not 'yes'"),
        ("model=no", "unknown model 'no'"),
        ("train_size=2024-01-01", "not '2024-01-01'"),
    ],
)
def test_changes_on_the_command_line_that_cannot_be(given, words, nothing_left, capsys):
    assert words in answer(capsys, cli.main, "train", "--profile", "smoke", "--set", given)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("folder:images/set #2", "folder:images/set #2"),
        ("folder:my: images", "folder:my: images"),
        ('"folder:images/set #2"', "folder:images/set #2"),
        ("*a & !b", "*a & !b"),
        ("yes", "yes"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("null", None),
        ("", None),
        (" 3", 3),
        ("-0.5", -0.5),
        ("1e5", 1e5),
        ("5e-4", 5e-4),
        ("010", 10),
        ("-08", -8),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("9" * 400, "9" * 400),
        ("0", 0),
        ("[1, 1e2, no, '#3', a#b]", [1, 100.0, "no", "#3", "a#b"]),
        ("'1:30'", "1:30"),
    ],
)
def test_a_typed_value_is_what_was_typed(typed, value):
    found = files.read_value(typed)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("name", ["1:30", "2024-01-01", "010", "no", "null", "a: b", "[a", "a #b "])
def test_text_of_a_field_is_taken_as_it_stands(name, tmp_path, capsys, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    said = answer(capsys, cli.main, "train", "--profile", "smoke", "--set", f"data=folder:{name}")
    assert "is not a folder" not in said
    assert name in said


def test_a_file_is_read_as_yaml_1_2_is(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "{a: 1e3, b: -5E-1, c: 010, d: no, e: TRUE, f: 2024-01-01, g: 1:30, h: , i: .inf}"
    )
    assert files.read_yaml(tmp_path / "mine.yaml") == {
        "a": 1000.0,
        "b": -0.5,
        "c": 10,
        "d": "no",
        "e": True,
        "f": "2024-01-01",
        "g": "1:30",
        "h": None,
        "i": float("inf"),
    }


def test_yaml_is_the_same_without_libyaml():
    read = "import json; from softlab import files; from pathlib import Path; "
    read += "print(json.dumps([files.read_yaml(path) for path in sorted(Path('softlab').rglob('*.y*ml'))]))"
    without = f"import sys; sys.modules['yaml._yaml'] = None; {read}; assert files._SafeLoader.__name__ == 'SafeLoader'"
    said = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for code in (read, without)
    ]
    assert said[0] == said[1]


def test_a_few_through_real_commands(nothing_left):
    (nothing_left / "mine.yaml").write_text(LAUGHS)
    for arguments, lines in (
        (["sweep", "mine.yaml", "--dry-run"], 2),  # Snakemake says first where its options are from
        (["sweep", "alpha", "--on", "slum"], 1),
        (["train", "--profile", "mine.yaml"], 1),
    ):
        program = "softlab" if arguments[0] == "train" else "softbook"
        done = subprocess.run([sys.executable, "-m", program, *arguments], capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", lines), done.stderr
        assert done.stderr.splitlines()[-1].startswith((f"{program}: ", "softlab: "))


def refusal(call):
    """What a call says that refuses what it was given; nothing if it takes it."""
    try:
        call()
    except SoftlabError as error:
        return str(error)
    return ""


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
FEW = settings(derandomize=True, max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
entry = st.sampled_from(["experiment", "methods", "seeds", "evaluation", "resources", "first_seed"])
field = st.sampled_from(
    ["epochs", "data", "width", "snapshot_epochs", "learning_rate", "head", "compiled", "train_size"]
)


@FEW
@given(
    st.dictionaries(entry, anything, min_size=1)
    | st.dictionaries(field, anything, min_size=1).map(lambda e: {"experiment": e})
)
def test_any_profile_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    assert "\n" not in refusal(lambda: load_profile(path).experiments())


key = st.sampled_from(sweep.KEYS)
axis = st.dictionaries(
    st.sampled_from(["seeds", "overrides.epochs"]), anything | st.fixed_dictionaries({"values": anything})
)


@FEW
@given(
    st.dictionaries(key, anything)
    | st.fixed_dictionaries({"vary": axis}, optional={"combine": anything, "parameters": anything})
)
def test_any_sweep_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    assert "\n" not in refusal(lambda: sweep.check(sweep.load_sweep(str(path)), "smoke"))


# Notebooks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "profil", "smoke"], "unknown parameter 'profil'; did you mean 'profile'? (allowed: "),
        (["-y", "{overrides: {epoch: 3}}"], "unknown field 'epoch'; did you mean 'epochs'? (allowed: "),
    ],
)
def test_papermill_stops_at_the_first_cells_of_a_notebook_that_was_given_nonsense(options, words, tmp_path):
    notebook = ROOT / "notebooks" / "cosines.ipynb"
    made = tmp_path / "made.ipynb"
    command = [Path(sys.executable).with_name("papermill"), "--no-progress-bar", notebook, made, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    cells = [cell for cell in nbformat.read(made, as_version=4).cells if cell.cell_type == "code"]
    errors = [(cell.id, one) for cell in cells for one in cell.outputs if one.output_type == "error"]
    ((where, error),) = errors
    assert where == "begin"
    assert error.ename == "SoftlabError"
    assert error.evalue.startswith(words)
    assert not [line for line in error.traceback if "File " in line or "Cell In" in line]  # the line, no way to it
    assert words in done.stderr
    assert not json.loads(cells[-1].execution_count or "0")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["made.ipynb"]
