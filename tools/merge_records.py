"""Rows that another checkout has recorded, taken into this one: python tools/merge_records.py FOLDER [STUDY ...]

FOLDER is the other checkout's softbook/records, for instance that of a worktree in which a recorder runs for days from
one commit: `git worktree add --detach ../recorder COMMIT`, there `softbook record STUDY --profile NAME`. It commits
nothing, so that its rows name the commit that it began with. Tables, outcomes by image and about.json are whole files;
here they are put together row by row. A row that both have, by its run id, stays as it is here; where the two disagree
in its commit or its numbers, nothing of that table is written. Rows of a table that was written before rows named their
experiment get it from its profile and from what its columns say that its study varied.
STUDY: those to take (all that FOLDER has).
"""

import argparse
import csv
import dataclasses
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from softbook.studies import recording, records
from softbook.studies.asked import ASKED_QUANTITIES
from softbook.studies.catalogue import study_profile
from softbook.studies.index import USUAL
from softbook.studies.tables import read_about, read_outcomes, read_rows, read_table, rows_of
from softlab import regularizers
from softlab.errors import SoftlabError, check_known
from softlab.files import write_json, write_whole
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile, packaged_profiles
from softlab.training.experiment import FIELDS, Experiment
from softlab.training.store import alone


def main(folder: Path, studies: list[str]) -> None:
    if not folder.is_dir():
        sys.exit(f"{folder} is not a folder: it takes the softbook/records of another checkout")
    for path in sorted(folder.glob("*/*.csv")):
        study = path.parent.name
        if studies and study not in studies:
            continue
        try:
            with alone(records.RECORDS, f"{study}.{path.stem}", "records"), alone(records.RECORDS, study, "describes"):
                added = merge(path, records.RECORDS / study / path.name)
        except SoftlabError as error:
            sys.exit(str(error))
        if added:
            print(f"{study}, {path.stem}: {added} rows")


def merge(path: Path, own: Path) -> int:
    """Add the rows of the table at `path` that the one at `own` lacks, with outcomes and versions; how many there were.

    Raises SoftlabError where a row that both have is not the same, or one of the tables cannot be read.
    """
    theirs = entries(path)
    known = entries(own) if own.exists() else {}
    for name in theirs.keys() & known.keys():
        if differing := _differing(known[name], theirs[name]):
            raise SoftlabError(f"{own}: the row of {name} is another there ({', '.join(differing[:3])})")
    new = [entry for name, entry in theirs.items() if name not in known]
    if not new and "experiment" in read_rows(own)[0]:
        return 0
    _merge_about(path, own)
    _merge_outcomes(path, own, {entry["id"] for entry in new})
    together = [*known.values(), *new]
    _write(own, list(dict.fromkeys(column for entry in together for column in entry)), together)
    records.forget()
    return len(new)


def entries(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table as they are written, by run id, each with the experiment that it names."""
    header, rows = read_rows(path)
    by_id = {row[header.index("id")]: dict(zip(header, row, strict=True)) for row in rows}
    return by_id if "experiment" in header else _with_experiments(path, by_id)


def _with_experiments(path: Path, by_id: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Entries of a table whose rows do not name their experiment, with it, after the commit."""
    shared = read_about(path.with_name("about.json"))[path.stem]["experiment"]
    place = [*next(iter(by_id.values()), {})].index("commit") + 1 if by_id else 0
    found = {}
    for row in rows_of(read_table(path, QUANTITIES, asked=ASKED_QUANTITIES)):
        cells = list(by_id[row["id"]].items())
        named = recording.otherwise(_experiment(path.parent.name, path.stem, row, shared), shared)
        found[row["id"]] = dict([*cells[:place], ("experiment", named), *cells[place:]])
    return found


def _experiment(study: str, name: str, row: dict[str, Any], shared: dict[str, Any]) -> Experiment:
    """The experiment of a row: its profile's, with what its study varies and the method's own.

    Where the profile no longer comes with the book, a method has the parameters that are usual elsewhere.
    """
    asked = study_profile(load_profile(name), study) if name in packaged_profiles() else None
    entries: dict[str, Any] = dict((asked or load_profile(USUAL)).methods.get(row["method"], {}))
    varied = _varied(row)
    if "cell" in varied:
        cells = asked.cells if asked else {}
        check_known("cell of a declared study", varied["cell"], cells)
        entries = {part: value for part, value in cells[varied.pop("cell")].items() if part != "method"}
    if "parameter" in varied:
        dose = varied.pop("dose")
        _, doses = asked.doses.get(row["method"], ("", ())) if asked else ("", ())
        as_declared = [one for one in doses if one == dose]  # 2 or 2.0: run ids tell them apart
        entries[varied.pop("parameter")] = as_declared[0] if as_declared else dose
    entries |= varied
    # A method may have a parameter that is called as a field is: weight_decay.
    own = {one.name for one in dataclasses.fields(regularizers.REGISTRY[row["method"]])}
    fields = {part: value for part, value in entries.items() if part in FIELDS and part not in own}
    parameters = {part: value for part, value in entries.items() if part in own}
    fields |= {"method": row["method"], "method_parameters": parameters, "seed": row["seed"]}
    return Experiment(**{**shared, **fields})


def _varied(row: dict[str, Any]) -> dict[str, Any]:
    """What a row says that its study varies, without the cells that are empty; 16.0 as 16."""
    names = list(row)
    cells = {name: row[name] for name in names[names.index("seed") + 1 : names.index("id")]}
    there = {name: cell for name, cell in cells.items() if cell is not None and cell == cell}
    return {name: int(cell) if isinstance(cell, float) and cell.is_integer() else cell for name, cell in there.items()}


def _differing(own: dict[str, str], other: dict[str, str]) -> list[str]:
    """Columns of which a row has another value there; what one of the two was not asked for does not count."""
    return [column for column in own if own[column] and other.get(column) and own[column] != other[column]]


def _merge_about(path: Path, own: Path) -> None:
    """What the other says of this profile: entries by digest that this one lacks; first, as rows name them."""
    theirs = _plain(path.with_name("about.json"))
    ours = _plain(own.with_name("about.json"))
    entry = theirs[path.stem]
    if path.stem in ours:
        entry = ours[path.stem]
        for part in ("lenses", "quantities", "additions"):
            together = {**theirs[path.stem].get(part, {}), **entry.get(part, {})}
            if together:
                entry[part] = together
    write_json(own.with_name("about.json"), {**ours, path.stem: entry})


def _plain(path: Path) -> dict[str, dict[str, Any]]:
    """about.json as it is written: parts without an entry are left out."""
    return {name: {part: of for part, of in entry.items() if of != {}} for name, entry in read_about(path).items()}


def _merge_outcomes(path: Path, own: Path, names: set[str]) -> None:
    """Outcomes by image of these networks, added to those on file."""
    theirs = read_outcomes(path.with_suffix(".npz")) if path.with_suffix(".npz").exists() else {}
    ours = read_outcomes(own.with_suffix(".npz")) if own.with_suffix(".npz").exists() else {}
    together = ours | {name: theirs[name] for name in theirs if name in names}
    arrays = {f"{name}/{outcome}": values for name, of in together.items() for outcome, values in of.items()}
    write_whole(own.with_suffix(".npz"), lambda file: np.savez_compressed(file, **arrays))  # pyright: ignore


def _write(path: Path, columns: list[str], entries: list[dict[str, str]]) -> None:
    """The table, cell by cell as it was written: no number is read and printed again."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[entry.get(column, "") for column in columns] for entry in entries])
    write_whole(path, lambda file: file.write(text.getvalue().encode()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("studies", nargs="*", metavar="STUDY")
    given = parser.parse_args()
    main(given.folder, given.studies)
