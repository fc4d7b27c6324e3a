"""The playground: a page in which the reader trains a tiny network on soft labels. Called by build_site.py.

book/playground is the finished page. Its look, and the theme's colours, are the laboratory's.
"""

import shutil
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "book" / "playground"


def write(folder: Path) -> None:
    """Copy the page into a folder that does not exist yet; it needs ../laboratory beside it."""
    shutil.copytree(PAGE, folder)
