"""The page of all numbers: its rows by hand, what is compared with what, and the table that is put into the page."""

import base64
import csv
import gzip
import json
import math
import re

import all_numbers as numbers
import number_page as page
import numpy as np
import pandas
import pytest

from softbook.studies import records
from softlab.numbers.quantities import QUANTITIES
from softlab.training.experiment import Experiment

T = 12.7062  # of Student's t with one degree of freedom, for 95 %


def networks(accuracy, **columns):
    """A table of networks, {method: accuracy of each seed}; other quantities have no value. columns: of a grid."""
    rows = [
        {"method": method, "seed": seed, **dict.fromkeys(columns), "source": "live", "id": f"{method}-{seed}"}
        | dict.fromkeys(QUANTITIES, math.nan)
        | {"accuracy": value, "images": {}, "older": ()}
        for method, values in accuracy.items()
        for seed, value in enumerate(values)
    ]
    table = pandas.DataFrame(rows)
    for name, values in columns.items():
        table[name] = values
    return table


def of(table, study="core", core=None):
    """Rows of the page by setting and method."""
    experiment = Experiment().as_dict()
    made = numbers.rows(numbers.Measured(study, "quick", table, experiment), core)
    return {(row["setting"], row["method"]): row for row in made}


def test_means_intervals_and_differences_in_percent():
    rows = of(networks({"baseline": [0.5, 0.7], "label_smoothing": [0.6, 0.9]}))
    base = rows["", "plain training"]
    other = rows["", "label smoothing"]
    # a standard deviation of 0.1 · √2, divided by √2 seeds: T · 10 points
    assert (base["mean"], base["mean ±"], base["networks"]) == (pytest.approx(60), pytest.approx(10 * T, rel=1e-4), 2)
    assert (base["difference"], base["difference ±"], base["interval over"]) == (None, None, "")
    # seed by seed 0.1 and 0.2
    assert (other["difference"], other["difference ±"]) == (pytest.approx(15), pytest.approx(5 * T, rel=1e-4))
    assert (other["interval over"], other["quantity"], other["digits"]) == ("seeds", "accuracy (%)", 1)
    assert len(rows) == 2, "quantities without a value have no row"


def unpacked(packed):
    """What the page's script unpacks."""
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def table_in(made):
    """The library, words and rows that a made page holds."""
    return unpacked(re.search(r'await unpacked\("(.*)"\)', made)[1])


def test_numbers_of_an_older_version_are_marked():
    table = networks({"baseline": [0.5, 0.7]})
    table["older"] = [("accuracy",), ()]
    row = of(table)["", "plain training"]
    assert row["older"] == 1
    made = page.as_html(pandas.DataFrame([row]).fillna({"setting": ""}))
    assert f"60.0 ± {10 * T:.1f} †" in table_in(made)["rows"][0]
    assert of(networks({"baseline": [0.5, 0.7]}))["", "plain training"]["older"] == 0


def test_one_network_has_no_interval_and_a_seed_without_a_value_does_not_count():
    rows = of(networks({"baseline": [0.5, 0.7, math.nan], "mixup": [math.nan, 0.75, 0.8]}))
    assert rows["", "Mixup"]["networks"] == 2
    assert (rows["", "Mixup"]["difference"], rows["", "Mixup"]["difference ±"]) == (pytest.approx(5), None)
    single = of(networks({"baseline": [0.5]}))["", "plain training"]
    assert (single["mean"], single["mean ±"], single["networks"]) == (50, None, 1)


def test_where_outcomes_of_images_are_at_hand_the_interval_is_over_both():
    table = networks({"baseline": [0.5, 0.5], "mixup": [0.75, 0.5]})
    right = [[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 1, 0]]
    table["images"] = [{"right": np.array(one, dtype=bool)} for one in right]
    row = of(table)["", "Mixup"]
    assert (row["difference"], row["interval over"]) == (pytest.approx(12.5), "seeds and images")


def test_each_point_of_a_grid_of_parameters_is_compared_with_the_one_baseline():
    accuracy = {"baseline": [0.5, 0.6], "label_smoothing": [0.6, 0.7, 0.7, 0.8]}
    table = networks(accuracy, alpha=[math.nan, math.nan, 0, 0, 0.1, 0.1])
    table["seed"] = [0, 1, 0, 1, 0, 1]
    rows = of(table, "dose")
    assert list(rows) == [("", "plain training"), ("alpha = 0", "label smoothing"), ("alpha = 0.1", "label smoothing")]
    assert [row["difference"] for row in rows.values()] == [None, pytest.approx(10), pytest.approx(20)]


def test_each_point_of_a_grid_of_fields_is_compared_with_its_own_baseline():
    table = networks({"baseline": [0.5, 0.7], "mixup": [0.6, 0.9]}, feature_dimension=[2, math.nan] * 2)
    table["seed"] = 0
    rows = of(table, "dimension", networks({"baseline": [0.0]}))
    assert rows["feature_dimension = 2", "Mixup"]["difference"] == pytest.approx(10)
    assert rows["feature_dimension = none", "Mixup"]["difference"] == pytest.approx(20)
    alone = table[table["method"] == "mixup"]
    assert of(alone, "dimension", networks({"baseline": [0.0]}))["feature_dimension = 2", "Mixup"]["difference"] is None


def test_cells_of_a_declared_study_stand_by_their_names_and_are_not_compared():
    """Several cells may be of one method; a core's baseline beside them would be compared with none of them."""
    table = networks({"baseline": [0.5, 0.7, 0.6, 0.8]}, cell=["plain", "plain", "taught", "taught"])
    table["seed"] = [0, 1, 0, 1]
    rows = of(table, "teachers", networks({"baseline": [0.1, 0.2]}))
    assert set(rows) == {("", "plain"), ("", "taught")}
    assert rows["", "taught"]["mean"] == pytest.approx(70)
    assert {row["difference"] for row in rows.values()} == {None}


def test_a_study_without_a_baseline_is_compared_with_the_core_if_it_trains_as_the_core_does():
    table = networks({"steady": [0.8]})
    core = networks({"baseline": [0.5], "mixup": [0.6]})
    plain = Experiment().as_dict()
    other = Experiment(epochs=3).as_dict()
    measured = [numbers.Measured("core", "quick", core, plain), numbers.Measured("core", "cifar10", core, other)]
    baseline = numbers.core_baseline(numbers.Measured("steady", "quick", table, plain), measured)
    assert list(baseline["method"]) == ["baseline"]
    assert of(table, "steady", baseline)["", "steady"]["difference"] == pytest.approx(30)
    assert numbers.core_baseline(numbers.Measured("steady", "quick", table, other), measured) is None


def written(monkeypatch, tmp_path):
    """The files of a record with one study at two scales."""
    here, larger = (networks({"baseline": [0.5, 0.7], "label_smoothing": [low, 0.9]}) for low in (0.6, 0.3))
    monkeypatch.setattr(records, "RECORDS", tmp_path / "records")
    (tmp_path / "records" / "core").mkdir(parents=True)
    monkeypatch.setattr(records, "by_profile", lambda study: {"quick": here, "cifar10": larger})
    monkeypatch.setattr(records, "about", lambda study: {scale: {"experiment": {}} for scale in ("quick", "cifar10")})
    numbers.main(tmp_path / "build")
    return tmp_path / "build"


def test_the_files_hold_the_rows_and_the_networks(monkeypatch, tmp_path):
    folder = written(monkeypatch, tmp_path) / "numbers"
    with (folder / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["scale"], row["method"]) for row in rows] == [
        (scale, method) for scale in ("quick", "cifar10") for method in ("plain training", "label smoothing")
    ]
    assert (rows[0]["mean"], rows[0]["difference"], rows[1]["difference"]) == ("60", "", "15")
    with (folder / "networks" / "core.quick.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)][-1] == "label_smoothing-1"


def test_the_page_holds_the_table_and_links_to_the_files(monkeypatch, tmp_path):
    build = written(monkeypatch, tmp_path)
    site = tmp_path / "site"
    (site / "book").mkdir(parents=True)
    (site / "book" / "numbers.md").write_text("<!-- the table -->\n\n<!-- the files -->\n")
    page.add(site, build)
    text = (site / "book" / "numbers.md").read_text()
    for file in re.findall(r"<(numbers/\S+)>|:file: (\S+)", text):
        assert (site / "book" / "".join(file)).exists()
    assert text.count("{download}") == 2
    made = (site / "book" / "numbers" / "table.html").read_text()
    content = table_in(made)
    words, rows = content["words"], content["rows"]
    assert [words[place] for place in rows[1][:4]] == ["accuracy (%)", "label smoothing", "core", "quick"]
    assert rows[1][5:] == [2, "75.0 ± 190.6", "+15.0 ± 63.5"]
    assert rows[0][6:8] == ["60.0 ± 127.1", ""]


def test_a_build_without_numbers_says_so(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "numbers.md").write_text("<!-- the table --> <!-- the files -->")
    page.add(tmp_path, tmp_path)
    assert "no tables" in (tmp_path / "book" / "numbers.md").read_text()


def test_nothing_in_the_data_ends_the_script():
    packed = page.packed(["</script><!--"])
    assert packed.isascii()
    assert "<" not in packed
    assert unpacked(packed) == ["</script><!--"]
    assert packed == page.packed(["</script><!--"])


def test_a_number_is_written_in_its_digits_with_a_minus_sign():
    row = {"mean": -0.04, "mean ±": math.nan, "difference": -1.26, "difference ±": 0.5, "digits": 1}
    assert page.written(row, "mean") == "0.0"
    assert page.written(row, "difference") == "−1.3 ± 0.5"


def test_a_dose_is_written_as_its_parameter():
    table = pandas.DataFrame({"parameter": ["gamma", "gamma"], "dose": [1.0, 2.0], "method": ["focal"] * 2})
    assert [said for said, _ in numbers.points(table, ["parameter", "dose"])] == ["gamma = 1", "gamma = 2"]
