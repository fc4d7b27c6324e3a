"""Rows that another checkout has recorded, taken into this one: python tools/merge_records.py FOLDER [STUDY ...]

FOLDER is the other checkout's softbook/records, for instance that of a worktree in which a recorder runs for days from
one commit: `git worktree add --detach ../recorder COMMIT`, there `softbook record STUDY --profile NAME`. It commits
nothing, so that its rows name the commit that it began with. Tables, outcomes by image and about.json are whole files;
here they are put together row by row. A row that both have, by its run id, stays as it is here; where the two disagree
in its commit or its numbers, nothing of that table is written.
STUDY: those to take (all that FOLDER has).
"""

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from softbook.studies import records
from softbook.studies.tables import read_about, read_outcomes, read_rows
from softlab.errors import SoftlabError
from softlab.files import write_json, write_whole
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
    header, rows = read_rows(path)
    name = header.index("id")
    known_header, known_rows = read_rows(own) if own.exists() else (header, [])
    known = {row[known_header.index("id")]: dict(zip(known_header, row, strict=True)) for row in known_rows}
    new = []
    for row in rows:
        entry = dict(zip(header, row, strict=True))
        if row[name] not in known:
            new.append(entry)
        elif differing := _differing(known[row[name]], entry):
            raise SoftlabError(f"{own}: the row of {row[name]} is another there ({', '.join(differing[:3])})")
    if not new:
        return 0
    _merge_about(path, own)
    _merge_outcomes(path, own, {entry["id"] for entry in new})
    columns = [*known_header, *(column for column in header if column not in known_header)]
    _write(own, columns, [*known.values(), *new])
    records.forget()
    return len(new)


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
