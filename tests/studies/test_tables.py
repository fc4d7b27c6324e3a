"""Records that are not as they were written: one line says what is wrong and where, and every file stays as it is."""

import csv
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from answers import answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import softlab.files
from softbook import cli
from softbook.studies import recording, records, tables
from softbook.studies.asked import ASKED_QUANTITIES
from softlab import Experiment, SoftlabError, fit_or_load, load_profile, provenance
from softlab.comparison.effects import effects
from softlab.numbers import stored
from softlab.numbers.quantities import QUANTITIES

MINE = """
experiment: {train_size: 60, epochs: 2, width: 4, stem_stride: 2, snapshot_epochs: [0, 2]}
methods: {baseline: {}, mixup: {}}
seeds: 2
evaluation: {test_size: 60, attack_size: 5, attack_steps: 1}
"""
RUN = "baseline-seed0-0123456789ab"
CALM = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A record of two networks of each of two methods; mine.yaml is its setting."""
    place = tmp_path_factory.mktemp("made")
    (place / "mine.yaml").write_text(MINE)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(records, "RECORDS", place / "records")
        changed.setattr(provenance, "commit", lambda: "0123456789")
        changed.setenv("SOFTLAB_STORE", str(place / "store"))
        recording.record("core", load_profile(place / "mine.yaml"), say=lambda text: None)
    return place


@pytest.fixture
def shelf(made, tmp_path, monkeypatch):
    """A copy of it to damage."""
    folder = shutil.copytree(made / "records", tmp_path / "records")
    monkeypatch.setattr(records, "RECORDS", folder)
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789")
    records.forget()
    yield folder
    records.forget()


def cells(content):
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def written(rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def cell(column, value, row=1):
    def changed(content):
        rows = cells(content)
        rows[row][rows[0].index(column)] = value
        return written(rows)

    return changed


def column(name, value, after="commit"):
    """One more."""

    def changed(content):
        rows = cells(content)
        place = rows[0].index(after) + 1
        return written([[*row[:place], name if row is rows[0] else value, *row[place:]] for row in rows])

    return changed


def without(name):
    def changed(content):
        rows = cells(content)
        place = rows[0].index(name)
        return written([row[:place] + row[place + 1 :] for row in rows])

    return changed


def arrays(**given):
    """Arrays of an .npz, with pickles where somebody wants them."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **given)
    return file.getvalue()


class Evil:
    def __reduce__(self):
        return (eval, ("open('pwned', 'w')",))


def nothing(count, claimed):
    """So many zeros, in a file of a thousandth, that say how many they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x/right.npy", "w") as member:
        header = {"descr": "|b1", "fortran_order": False, "shape": (claimed,)}
        np.lib.format.write_array_header_1_0(member, header)
        member.write(bytes(count))
    return file.getvalue()


TABLE = "core/mine.csv"
OUTCOMES = "core/mine.npz"
ABOUT = "core/about.json"
ALONG = "core/along/mine.csv"
DAMAGE = {
    "empty": (TABLE, lambda content: b"", "column 'method' is missing"),
    "torn in a cell": (TABLE, lambda content: content[:-9], "row 4 is torn"),
    "torn in a row": (TABLE, lambda content: content[: content.index(b"mixup") + 40], "row 3 is torn"),
    "torn in a quotation": (TABLE, lambda content: content + b'"a', "unexpected end of data"),
    "a row of another table": (TABLE, lambda content: content + b"baseline,0\n", "row 5 is torn"),
    "no text": (TABLE, lambda content: content + b"\xff\n", "can't decode byte 0xff"),
    "a formula as number": (TABLE, cell("accuracy", "=cmd()"), "row 1, column 'accuracy': '=cmd()' cannot stand"),
    "a formula as text": (TABLE, cell("cpu", "=cmd|' /C calc'!A0", 2), "row 2, column 'cpu': \"=cmd|' /C calc'!A0\""),
    "a formula as method": (TABLE, cell("method", "+mixup"), "row 1, column 'method': '+mixup' cannot stand"),
    "a formula as name": (TABLE, column("=cmd()", "1", "seed"), "column '=cmd()' is no quantity"),
    "no network": (TABLE, cell("id", ""), "row 1, column 'id': '' cannot stand"),
    "a path as network": (TABLE, cell("id", "../../etc"), "row 1, column 'id'"),
    "NaN as seed": (TABLE, cell("seed", "nan"), "row 1, column 'seed': 'nan' cannot stand"),
    "a seed of many digits": (TABLE, cell("seed", "9" * 99), "row 1, column 'seed'"),
    "a number as text": (TABLE, cell("ECE", "0,1"), "row 1, column 'ECE': '0,1' cannot stand"),
    "a row twice": (TABLE, lambda content: written([*cells(content), cells(content)[2]]), "row 5 is there twice"),
    "a column twice": (TABLE, column("accuracy", "1"), "column 'accuracy' is there twice"),
    "a foreign column": (TABLE, column("profit", "1"), "column 'profit' is no quantity"),
    "a lost column": (TABLE, without("evaluation"), "column 'evaluation' is missing"),
    "lenses that nobody knows": (TABLE, cell("lenses", "0" * 12), "about.json lacks the lenses 000000000000"),
    "a snapshot twice": (ALONG, lambda content: written([*cells(content), cells(content)[3]]), "row 9 is there twice"),
    "half an epoch": (ALONG, cell("epoch", "0.5"), "row 1, column 'epoch': '0.5' cannot stand"),
    "no epochs": (ALONG, without("epoch"), "column 'epoch' is missing"),
    "outcomes torn": (OUTCOMES, lambda content: content[:-100], "BadZipFile"),
    "outcomes that are empty": (OUTCOMES, lambda content: b"", "BadZipFile"),
    "outcomes of other bits": (OUTCOMES, lambda content: content[:99] + b"xx" + content[101:], "cannot read"),
    "a pickle": (OUTCOMES, lambda content: arrays(**{f"{RUN}/right": np.array([Evil()])}), "Object arrays cannot be"),
    "numbers as outcome": (OUTCOMES, lambda content: arrays(**{f"{RUN}/right": np.ones(3)}), "float64 of shape (3,)"),
    "text as outcome": (OUTCOMES, lambda content: arrays(**{f"{RUN}/right": np.array("=cmd()")}), "<U6 of shape ()"),
    "a length that no machine has": (OUTCOMES, lambda content: nothing(9, 2**50), "cannot read"),
    "about torn": (ABOUT, lambda content: content[:-20], "cannot read"),
    "about a list": (ABOUT, lambda content: b"[1]", "AttributeError"),
    "about something else": (ABOUT, lambda content: b'{"mine": {}}', "KeyError: 'experiment'"),
    "lenses that are a number": (
        ABOUT,
        lambda content: content.replace(b'"lenses": {', b'"lenses": 3, "x": {'),
        "'int'",
    ),
    "about without end": (ABOUT, lambda content: b"[" * 100_000, "RecursionError"),
    "another profile": (ABOUT, lambda content: content.replace(b'"mine"', b'"other"'), "about.json lacks the lenses"),
}


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts}


def unread(*given, **options):
    raise AssertionError("nothing is trained on what is damaged")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_named_in_one_line_and_nothing_is_lost(name, made, shelf, capsys, monkeypatch, tmp_path):
    where, damage, words = DAMAGE[name]
    (shelf / where).write_bytes(damage((shelf / where).read_bytes()))
    before = files(shelf)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records.runs, "fit_or_load", unread)
    # Verifying asks for no snapshots and no outcomes by image.
    commands = {"record", "verify"} - ({"verify"} if where in (ALONG, OUTCOMES) else set())
    for command in commands - ({"record"} if "lacks the lenses" in words else set()):  # it measures those again
        said = answer(capsys, cli.main, command, "core", "--profile", made / "mine.yaml")
        assert words in said
        assert str(shelf) in said
    assert files(shelf) == before
    assert not (tmp_path / "pwned").exists()


def test_a_zip_bomb_is_not_unpacked(shelf, monkeypatch):
    monkeypatch.setattr(softlab.files, "UNPACKED", 2**20)
    (shelf / OUTCOMES).write_bytes(nothing(2**22, 2**22))
    with pytest.raises(SoftlabError, match=r"mine\.npz: ValueError: 4 MiB unpacked, at most 1 are read"):
        records.by_profile()["mine"]["images"][0]["right"]


def test_outcomes_that_an_installation_lacks_are_missed_in_one_line_once_they_are_asked_for(shelf):
    (shelf / OUTCOMES).unlink()
    table = records.by_profile()["mine"]
    assert len(effects(table, "log logit scale"))  # over seeds anyway
    with pytest.raises(SoftlabError, match=r"mine\.npz is not there: a checkout of the book has all"):
        effects(table, "accuracy")


def test_cells_that_are_empty_and_columns_that_are_not_there_are_numbers_that_nobody_has(shelf):
    path = shelf / TABLE
    path.write_bytes(without("NLL")(cell("accuracy", "", row=2)(path.read_bytes())))
    table = records.by_profile()["mine"]
    assert list(table["accuracy"].isna()) == [False, True, False, False]
    assert table["NLL"].isna().all()
    assert table["Brier"].notna().all()


def test_the_book_s_own_records_are_read():
    for path in sorted(tables.RECORDS.glob("*/*.csv")):
        table = tables.read_table(path, QUANTITIES, asked=ASKED_QUANTITIES)
        assert len(table) > 0
        assert tables.read_outcomes(path.with_suffix(".npz")).keys() <= set(table["id"])


def read_all():
    """All that reads records; the line it ends in, or nothing."""
    try:
        records.forget()
        records.recorded(Experiment(), {})  # which looks through all of them
        found = records.listed(), records.by_profile(), records.snapshots()
        _ = [len(images) for table in found[1].values() for images in table["images"]]
    except SoftlabError as error:
        return str(error)
    for table in (*found[1].values(), *found[2].values()):
        assert all(table[name].dtype == float for name in QUANTITIES)
        assert not table[["id", "method", "seed", "torch", "evaluation"]].isna().any(axis=None)
        text = table.select_dtypes(include=["object", "string"]).drop(columns="images").to_numpy().ravel()
        assert not [one for one in text if isinstance(one, str) and one.startswith(("=", "+", "-", "@", "\t"))]
        assert not table.duplicated([name for name in ("id", "epoch") if name in table]).any()
    return ""


def check(shelf, where, content):
    """Whatever a file holds, it is read or refused in one line that names it, and stays as it is."""
    path = shelf / where
    whole = path.read_bytes()
    try:
        path.write_bytes(content)
        said = read_all()
        assert "\n" not in said
        assert not said or str(path) in said or str(shelf / ABOUT) in said
        assert path.read_bytes() == content
    finally:
        path.write_bytes(whole)


anywhere = st.floats(0, 1, exclude_max=True)
hostile = st.sampled_from(["=cmd()", "@SUM(1)", "-1+1", "", "nan", "inf", "1e999", "0x10", "١", "\0", '"', "a\nb", ","])
binary = st.binary(max_size=20)


@settings(max_examples=250, **CALM)
@given(st.sampled_from([TABLE, OUTCOMES, ABOUT, ALONG]), anywhere, st.integers(0, 40), binary)
def test_any_bytes_in_the_place_of_others(shelf, where, start, length, new):
    content = (shelf / where).read_bytes()
    place = int(start * len(content))
    check(shelf, where, content[:place] + new + content[place + length :])


@settings(max_examples=150, **CALM)
@given(st.sampled_from([TABLE, ALONG]), anywhere, anywhere, hostile | st.text(max_size=9) | st.floats().map(str))
def test_any_text_in_a_cell_or_a_name(shelf, where, row, place, text):
    rows = cells((shelf / where).read_bytes())
    rows[int(row * len(rows))][int(place * len(rows[0]))] = text
    check(shelf, where, written(rows))


scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(max_examples=60, **CALM)
@given(st.lists(st.sampled_from(["mine", "lenses", "experiment", "evaluation"]), max_size=3), anything)
def test_anything_said_about_a_table(shelf, way, value):
    content = inner = {"all": json.loads((shelf / ABOUT).read_bytes())}
    key = "all"
    for name in way:
        if isinstance(inner[key], dict) and name in inner[key]:
            inner = inner[key]
            key = name
    inner[key] = value
    check(shelf, ABOUT, json.dumps(content["all"]).encode())


dtypes = st.sampled_from(["bool", "float16", "float64", "int8", "uint64", "complex64", "S3", "U3", "M8[s]", "V2"])
names = st.sampled_from([f"{RUN}/right", f"{RUN}/", "right", "../../right", "=cmd()", "a/b/c"])


@settings(max_examples=40, **CALM)
@given(st.dictionaries(names, st.tuples(dtypes, st.lists(st.integers(0, 3), max_size=3)), max_size=3))
def test_any_arrays_as_outcomes(shelf, shapes):
    check(shelf, OUTCOMES, arrays(**{name: np.zeros(shape, dtype) for name, (dtype, shape) in shapes.items()}))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A file of numbers beside a network, and what it holds."""
    tiny = Experiment(train_size=60, width=4, stem_stride=2, epochs=1, batch_size=50)
    run = fit_or_load(tiny, store=tmp_path_factory.mktemp("store"))
    stored.of(run, {"test_size": 60, "attack_size": 0, "attack_steps": 1})
    path = next((run.folder / "numbers").glob("outcomes-*.npz"))
    return path, stored.read(path)


@settings(max_examples=100, **CALM)
@given(anywhere, st.integers(0, 40), binary)
def test_numbers_beside_a_network_are_what_they_were_or_are_measured_again(measured, start, length, new):
    path, whole = measured
    content = path.read_bytes()
    place = int(start * len(content))
    try:
        path.write_bytes(content[:place] + new + content[place + length :])
        found = stored.read(path)
        if found is not None:
            assert (found.values, found.problems) == (whole.values, whole.problems)
            assert all((found.images[name] == whole.images[name]).all() for name in whole.images)
    finally:
        path.write_bytes(content)


def test_a_number_that_is_infinite_is_kept_also_where_no_other_row_has_a_finite_one(made, tmp_path):
    (first, *_) = read_rows_of(made / "records" / "core" / "along" / "mine.csv")
    first["contour, 0.5"], first["NLL"] = np.inf, np.nan
    tables.write_table(tmp_path / "t.csv", [first], QUANTITIES, "%.7g")
    again = tables.read_table(tmp_path / "t.csv", QUANTITIES, ["epoch"])
    assert again["contour, 0.5"].tolist() == [np.inf]
    assert "NLL" not in (tmp_path / "t.csv").read_text().splitlines()[0].split(",")


def read_rows_of(path):
    return tables.read_table(path, QUANTITIES, ["epoch"]).to_dict("records")
