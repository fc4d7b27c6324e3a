"""A statement about a contrast that has a declared control stands beside one about the control."""

import pytest

from softbook.statements.engine import pages, statements
from softbook.studies import judge
from softbook.studies.catalogue import FOLDER
from softlab.files import read_yaml

CONTROLS = read_yaml(FOLDER / "controls.yml")


def specs(page):
    """Those of a page, and those that they require in place."""
    own = [one.spec for one in statements(page).values()]
    return own + [part for spec in own for part in spec.get("requires", ()) if not isinstance(part, str)]


def control_of(spec):
    """The control of a statement about one declared contrast, if it has one."""
    study, contrast = spec.get("study"), spec.get("declared")
    return CONTROLS.get(study, {}).get(contrast) if isinstance(contrast, str) and isinstance(study, str) else None


def is_about(spec, study, control, place):
    same_place = spec.get("study") == study and spec.get("at", "A") == place
    return same_place and (
        ("declared" in control and spec.get("declared") == control["declared"])
        or ("cells" in control and bool(set(control["cells"]) & spec.get("cells", {}).keys()))
    )


def test_controls_are_declared():
    for study, controls in CONTROLS.items():
        declaration = judge.declarations()[study]
        for contrast, control in controls.items():
            assert contrast in declaration.contrasts
            assert control.get("declared", contrast) in declaration.contrasts
            known = {cell for one in declaration.contrasts.values() for cell in one.of}
            assert set(control.get("cells", ())) <= known


@pytest.mark.parametrize("page", pages())
def test_a_headline_has_its_control_beside_it(page):
    of_page = specs(page)
    for spec in of_page:
        if control := control_of(spec):
            place = spec.get("at", "A")
            assert any(is_about(other, spec["study"], control, place) for other in of_page), (spec, control)
