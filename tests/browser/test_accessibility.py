"""Every page of the built book by the rules of axe-core, in both themes.

In a file of its own: it takes as long as all other tests of pages, and one worker of pytest-xdist takes whole files.
"""

import os

import pytest
from findings import ALL, assert_none, violations


@pytest.mark.parametrize(("theme", "rules"), [("light", ALL), ("dark", {"runOnly": ["color-contrast"]})])
def test_every_page_is_accessible_in_both_themes(theme, rules, tab, names, chapters, artefacts):
    """By the rules of axe-core, the minor ones too. Takes screenshots on its way, if SOFTLAB_SCREENSHOTS says where to.

    Code has the same colours on every page, and looking at each of its words takes longer than all the rest: it is
    looked at in one chapter.
    """
    found = {}
    with tab(color_scheme=theme) as one:
        for name in names:
            page = one.open(name)
            assert page.locator("html").get_attribute("data-theme") == theme, "the system's theme is not followed"
            if "SOFTLAB_SCREENSHOTS" in os.environ:  # of whole pages: they take as long as the rules
                page.screenshot(path=artefacts / f"{name.replace('/', '-')}.{theme}.png", full_page=True)
            found[name] = violations(page, rules, without=() if name == chapters[0] else (".highlight",))
    assert_none(found)
