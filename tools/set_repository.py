"""Write the repository's address where it cannot be asked for: python tools/set_repository.py https://github.com/OWNER/NAME

Colab opens the committed notebooks, so their first cell has to hold the address that it installs softlab from. The
address also goes into README.md (a badge), CITATION.cff, pyproject.toml and softlabels.py, which can download its
images. Called again, it replaces the address.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "workflow"))

from address import colab_link, github_address  # noqa: E402


def main(given: str, root: Path = ROOT) -> None:
    address = github_address(given)
    if address is None:
        sys.exit(f"not the address of a repository on GitHub: {given!r} (ADDRESS=https://github.com/OWNER/NAME)")
    badge = f"[![Open in Colab](book/_static/open_in_colab.svg)]({colab_link(address, 'soft_labels')})"
    places = {  # file: (what is replaced, with what); the last part of each pattern is there from the second time on
        "README.md": (r"\A(# .*\n)(\n\[!\[Open in Colab\].*\n)?", rf"\1\n{badge}\n"),
        "CITATION.cff": (r"(?m)^(license: .*\n)(repository-code: .*\n)?", rf'\1repository-code: "{address}"\n'),
        "pyproject.toml": (
            r"(?m)^(\[project\.urls\]\n.*\n\n)?(?=\[project\.optional-dependencies\])",
            f'[project.urls]\nRepository = "{address}"\n\n',
        ),
        "softlabels.py": (r'(?m)^ADDRESS = ".*?"', f'ADDRESS = "{address}"'),
    }
    texts = {root / name: replaced(root / name, *place) for name, place in places.items()}
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        texts[notebook] = with_source(notebook, f"git+{address}")
    for path, text in texts.items():  # only when all of them are known to have the place
        path.write_text(text, encoding="utf-8")
    print(f"{address} is in {len(texts)} files now: commit them")


def replaced(path: Path, pattern: str, replacement: str) -> str:
    text, times = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
    if not times:
        sys.exit(f"{path} has no place for the address: nothing was written")
    return text


def with_source(path: Path, source: str) -> str:
    """The notebook, with this source in its first cell, otherwise as it was."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    lines = [line for cell in notebook["cells"] if cell["id"] == "package" for line in cell["source"]]
    (place,) = [index for index, line in enumerate(lines) if line.startswith('url = "')]
    lines[place] = f'url = "{source}"\n'
    next(cell for cell in notebook["cells"] if cell["id"] == "package")["source"] = lines
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
