"""Which version of each quantity a recorded row has: what was measured at first, and what was added later.

A row of a recorded table names in its column `lenses` an entry of about.json, by digest:
  lenses[digest] = {lens: version}            all quantities of these lenses were measured with the row
  quantities[digest] = {quantity: version}    beside it: those whose version was not their lens' (may be missing)
  additions[digest] = {to: digest, parts: [{commit, date, quantities: {quantity: version}}, …]}
                                              a row measured as `to`, and the quantities that were added to it since
So a new lens makes no row stale, and a row with an older version of one quantity keeps all others.
"""

from collections.abc import Mapping
from typing import Any

from softlab.files import short_digest
from softlab.numbers.look import LENSES


def of_today() -> tuple[str, dict[str, dict[str, Any]]]:
    """The digest that a row measured now gets, and the entries of about.json behind it."""
    lenses = {name: lens.version for name, lens in LENSES.items()}
    quantities = {name: version for lens in LENSES.values() for name, version in lens.own_versions.items()}
    if not quantities:
        digest = short_digest(lenses)
        return digest, {"lenses": {digest: lenses}}
    digest = short_digest([lenses, quantities])
    return digest, {"lenses": {digest: lenses}, "quantities": {digest: quantities}}


def current() -> dict[str, int]:
    """Today's version of every quantity."""
    return {name: version for lens in LENSES.values() for name, version in lens.versions.items()}


def measured(about: Mapping[str, Any], digest: str) -> dict[str, int] | None:
    """The version of each quantity that a row has; None where about.json does not know the digest.

    about: of one profile, as of tables.read_about.
    """
    addition = about.get("additions", {}).get(digest, {"to": digest, "parts": []})
    lenses = about.get("lenses", {}).get(addition["to"])
    if lenses is None:
        return None
    versions = {name: lenses[lens.name] for lens in LENSES.values() if lens.name in lenses for name in lens.quantities}
    versions |= about.get("quantities", {}).get(addition["to"], {})
    for part in addition["parts"]:
        versions |= part["quantities"]
    return versions


def added(
    about: Mapping[str, Any], digest: str, quantities: Mapping[str, int], commit: str, date: str
) -> tuple[str, dict[str, Any]]:
    """The digest of a row to which quantities are added, and its entry among `additions`.

    digest: of the row so far.  commit: whose code measured what is added.  date: as ISO; of the first such row.
    """
    before = about.get("additions", {}).get(digest, {"to": digest, "parts": []})
    parts = [*before["parts"], {"commit": commit, "date": date, "quantities": dict(quantities)}]
    named = short_digest([before["to"], *([part["commit"], part["quantities"]] for part in parts)])
    return named, about.get("additions", {}).get(named, {"to": before["to"], "parts": parts})
