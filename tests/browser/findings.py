"""What is wrong with pages: by the rules of axe-core, and said all at once."""

from axe_playwright_python.sync_playwright import Axe

# The theme's sidebar has the book's title outside of any landmark, and pandas leaves the corners of a table with two
# levels of headers empty.
ALL = {"rules": {"region": {"enabled": False}, "empty-table-header": {"enabled": False}}}


def violations(page, rules, without=()):
    """What axe-core finds, by these rules, outside of these selectors."""
    context = {"exclude": [[selector] for selector in without]} if without else None
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in Axe().run(page, context, rules).response["violations"]
        for node in rule["nodes"]
    ]


def assert_none(findings):
    """No page has any; else all of them are said, each on a line. findings: page -> list."""
    lines = [f"{name}: {finding}" for name, found in findings.items() for finding in found]
    assert not lines, "\n".join(lines)
