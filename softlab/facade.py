"""Names of a package that are fetched from its modules on first use, so that importing it loads none of them.

For who uses softlab: `from softlab import fit`. Inside softlab a name is imported from its own module, where
whoever reads the imports can see what depends on what.
"""

import importlib
from collections.abc import Callable, Mapping

BOOK_FIGURES = ("against", "bends", "doses", "estimates_by_radius", "force_field", "gap_law", "minus_gradient")
BOOK_FIGURES += ("needles", "on_the_plane", "over_generalization", "over_passes", "over_radii", "plane_points")
BOOK_FIGURES += ("projections", "shrunk_along_ray", "slope_plane")
FIGURES_GONE = ("Way", "arrows", "attack_steps", "curves", "families", "led_astray", "predicted", "repairs")
FIGURES_GONE += ("small_slope_plane", "splits", "taken_and_paid", "ways_under_attack")
JOINED = ("estimate_panels", "estimates_by_setting", "intervals", "panels_by_setting", "rows_by_setting")
# What had a public name in a release and has it no more: the name that it has now, or what to use in its place.
WENT = {
    "softlab.begin": "softbook.page.chapter.begin",
    "softlab.headline": "softbook.studies.across_settings.headline",
    "softlab.specimens": "softbook.studies.networks.specimens",
    "softlab.study": "softlab.fit, for each method and seed",
    "softlab.study_table": "softbook.studies.records.by_profile, for what is on record",
    "softlab.notebook": "softlab.inspector, for what examines, and softbook.page",
    "softlab.studies": "softlab.comparison, for tables and effects, and softbook.studies",
    "softlab.lenses.attacks.smallest_epsilon": "softlab.lenses.attacks.robustness_curve, over several radii",
    "softlab.lenses.geometry.angular_margin": "softlab.lenses.geometry.logit_cosine, of a feature with its class",
    "softlab.figures.specification": "softbook.figures.charts.specification",
    **{f"softlab.figures.{name}": f"softbook.figures.{name}" for name in BOOK_FIGURES},
    **{f"softlab.figures.{name}": "softlab.figures.estimates, of panels and rows" for name in JOINED},
    **{f"softlab.figures.{name}": "softlab.figures.estimates, and matplotlib" for name in FIGURES_GONE},
}


def went(package: str) -> Callable[[str], object]:
    """The function __getattr__ of a package that imports what it offers: it says where a name went.

    Such a name raises an ImportError, which `from package import name` passes on as it is, in one line.
    """

    def get(name: str) -> object:
        if place := WENT.get(f"{package}.{name}"):
            raise ImportError(f"{package} has no {name!r} any more: use {place}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get


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
            return went(package)(name)
        try:
            module = importlib.import_module(f"{package}.{homes[name]}")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{name}: {missing(error)}", name=error.name) from None
        return module if homes[name].rpartition(".")[2] == name else getattr(module, name)

    return get, lambda: sorted(homes)
