"""What every notebook needs besides lenses: its settings, numbers for the prose, tables and sentences."""

from __future__ import annotations

import html
import os
import re
import string
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from softbook.page.parameters import check_injected
from softlab.errors import SoftlabError
from softlab.profile import Profile, with_parameters
from softlab.regularizers import REGISTRY

if TYPE_CHECKING:
    from torch import Tensor


DEFAULT_PROFILE = "quick"


def begin(
    profile: str = DEFAULT_PROFILE,
    seeds: int | None = None,
    overrides: Mapping | None = None,
    kinds: int = 0,
    zoo: int = 0,
) -> Profile:
    """Freeze a notebook's parameters into a validated profile, and say what its networks will cost on this machine.

    profile: a name or the path of a .yaml file; where it is left at the default, the environment variable
    SOFTLAB_PROFILE replaces it.  seeds: how many (None: as the profile says).  overrides: fields of the experiment,
    {"epochs": 90}.  kinds: how many networks of each seed the notebook trains; exercises come on top.
    zoo: how many more it trains of each seed that the zoo lacks at this setting.
    Raises SoftlabError with the nearest valid name for whatever is unknown.
    """
    prepare()
    if (shell := _shell()) is not None:
        check_injected(shell.user_ns.get("In", []))
    if profile == DEFAULT_PROFILE:
        profile = os.environ.get("SOFTLAB_PROFILE") or DEFAULT_PROFILE
    settings = with_parameters(profile, seeds, overrides)
    if kinds:
        print(f"{settings.description} · {_cost(settings, kinds, zoo)}", flush=True)
    return settings


def _cost(settings: Profile, kinds: int, zoo: int) -> str:
    """How many networks will be fitted, and how long that takes here, from a few steps that are tried."""
    from softlab.training.cost import seconds_of
    from softlab.training.runs import from_zoo
    from softlab.training.zoo import own

    plain = [settings.experiment.replace(seed=seed) for seed in settings.seeds]  # stands for all that come along
    count = kinds * len(plain) + zoo * sum(from_zoo(one, own()) is None for one in plain)
    each = seconds_of(settings.experiment)
    networks = f"about {count} network{'s' * (count != 1)} to train, {each:.0f} s each on this machine"
    return f"{networks}; fewer where the store has some"


def test_part(settings: Profile) -> tuple[Tensor, Tensor]:
    """The test images (N, C, H, W) and labels (N,) that a profile scores."""
    from softlab.training.runs import dataset_of

    dataset = dataset_of(settings.experiment)
    size = settings.evaluation["test_size"]
    return dataset.test_images[:size], dataset.test_labels[:size]


def tell(text: str, *, holds: bool, otherwise: str, **values: object) -> None:
    """Show a sentence that a person wrote, if what it says holds; else one that says less. Numbers explain themselves.

    text: with {names} of values, which are formatted as they are: an effects.Effect as `-2.7 ± 0.5`.
    holds: what must be true for the text to be said, from intervals; also what it says of the setting.
    otherwise: neutral, true in any case; it may use the same values. A method that was left out shows as a dash.
    """
    given = {**dict.fromkeys(REGISTRY, _Open()), **values}
    say(_Answering().vformat(text if holds else otherwise, (), given))


def answering(value: object, form: str = "") -> str:
    """A value as it is written in a sentence; a number with a note shows it on hover and focus (book/_static)."""
    text = value if isinstance(value, str) and not form else format(value, form)
    if not (note := getattr(text, "note", "")):
        return text
    note = html.escape(note).replace("\n", "&#10;")
    return f'<span class="answers" tabindex="0" data-note="{note}">{text}</span>'


class _Answering(string.Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        return answering(value, format_spec)


class _Open:
    def __format__(self, _) -> str:
        return "–"


def show_law(name: str, judged: Mapping | None = None) -> None:
    """Show a law as it was declared, and its outcome, once that is on record. judged: laws.judged()."""
    from softbook.statements.laws import became, laws
    from softbook.statements.laws import judged as judge

    if text := became(name, judge() if judged is None else judged, answering):
        say(f"Declared beforehand: *{laws()[name].law}* {text}")


def show_declared(study: str) -> None:
    """Show what was declared about a study, each sentence with what became of it, and what is not recorded yet."""
    from softbook.studies import judge

    declaration = judge.declarations()[study]
    verdicts = judge.verdicts(study)
    became: dict[str, list[str]] = {}
    for (sentence, place), outcome in judge.readings(declaration, verdicts).items():
        became.setdefault(sentence, []).append(f"{outcome} at {place}")
    waiting = dict.fromkeys(place for (_, place), one in verdicts.items() if one.word == judge.PENDING)
    lines = [f"- *{sentence}*: **{', '.join(outcomes)}**" for sentence, outcomes in became.items()]
    if not became:
        lines = [f"- *{sentence}*" for sentence in declaration.readings]
    lines += [f"\nDeclared, and not whole yet: {', '.join(waiting)}."] if waiting else []
    say(f"Declared beforehand ({declaration.date}):\n\n" + "\n".join(lines))


def table(columns: Mapping[Any, Mapping[str, object]], corner: str | list[str] = "method"):
    """softlab.figures.table, which is loaded on first use."""
    from softlab.figures.tables import table as made

    return made(columns, corner)


def table_of_words(rows: Iterable[Mapping[str, str]]) -> None:
    """Show a table whose cells are sentences, and so break into lines; cells of numbers do not.

    rows: heading -> text, or HTML as of `answering`.  The first row has every heading, in their order.
    """
    from IPython.display import display

    listed = list(rows)
    headings = list(listed[0]) if listed else []
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in headings)
    lines = ["".join(f"<td>{row.get(name, '')}</td>" for name in headings) for row in listed]
    body = _with_minus("".join(f"<tr>{line}</tr>" for line in lines))
    texts = [" | ".join(row.get(name, "") for name in headings).replace("<br>", "; ") for row in listed]
    plain = re.sub("</?span.*?>", "", "\n".join(texts))
    marked = f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    display({"text/html": marked, "text/plain": plain}, raw=True)


def say(text: str) -> None:
    """Show sentences that were put together from results: Markdown, with a capital first letter and minus signs."""
    from IPython.display import display

    text = text[:1].upper() + text[1:]
    display({"text/markdown": _with_minus(text), "text/plain": re.sub("</?span.*?>", "", text)}, raw=True)


def _with_minus(text: str) -> str:
    """With a minus sign for the hyphen before a number."""
    return re.sub(r"(?<![\w.$^{-])-(?=\d)", "\N{MINUS SIGN}", text)


def _shell() -> Any:
    """The notebook that this runs in; None outside notebooks."""
    from IPython import get_ipython

    return get_ipython()


def prepare() -> None:
    """Figures that are readable and say what they show, and a SoftlabError as its one line; in notebooks only."""
    shell = _shell()
    if shell is None:
        return

    def one_line(shell, kind, error, traceback, tb_offset=None):
        shell.showtraceback((SoftlabError, error, None))

    shell.set_custom_exc((SoftlabError,), one_line)

    import matplotlib
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    from softlab.figures.described import described

    plt.switch_backend(matplotlib.get_backend())  # before it forgets how figures are shown
    shell.display_formatter.formatters["text/html"].for_type(Figure, described)
    matplotlib.rc("figure", dpi=160)
    matplotlib.rc("font", size=10)
    matplotlib.rc("axes.spines", top=False, right=False)
