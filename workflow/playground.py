"""The playground: a page in which the reader trains a tiny network on soft labels. Called by build_site.py.

book/playground is the page as it is: nothing has to be put in. Its look, and the theme's colours, are the laboratory's.
"""

import shutil
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "book" / "playground"


def write(folder: Path) -> None:
    """Copy the page into a folder that is not there yet; ../laboratory has to lie beside it."""
    shutil.copytree(PAGE, folder)
