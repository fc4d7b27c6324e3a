"""Names of a package that are fetched from its modules on first use, so that importing it loads none of them.

For who uses softlab: `from softlab import fit`. Inside softlab a name is imported from its own module, where
whoever reads the imports can see what depends on what.
"""

import importlib
from collections.abc import Callable, Mapping


def missing(error: ModuleNotFoundError) -> str:
    """Says what to install for a library that the core does without."""
    return f'{error.name} is not installed: pip install "softlab-library[examine]"'


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The functions __getattr__ and __dir__ of a package.

    homes: name -> the module, below the package, that has it; a name that its module's path ends with is the module.
    A library that is not installed, as with the core alone, is named with the extra that has it.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(f"{package}.{homes[name]}")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{name}: {missing(error)}", name=error.name) from None
        return module if homes[name].rpartition(".")[2] == name else getattr(module, name)

    return get, lambda: sorted(homes)
