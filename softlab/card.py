"""What a report card shows of measured numbers: a table, verdicts, sentences, figures, and a page of all of them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
from matplotlib.figure import Figure

from softlab import figures, findings, pages, provenance, training
from softlab.evidence import Interval, Ledger, means, paired_interval
from softlab.experiment import Profile
from softlab.measure import QUANTITIES

MAIN = ("accuracy", "log magnitude", "log logit scale", "cosine, row space")
MAIN += ("ECE", "AURC", "robust, 2/255", "corrupted")
# A property of the space of features, and a benefit that the papers derive from such.
SHAPES = (("log logit scale", "gap"), ("cosine, row space", "ECE"), ("log magnitude", "robust, 2/255"))
ARROWS = {1: " ↑", -1: " ↓", 0: ""}


@dataclass(frozen=True)
class ReportCard:
    """What was measured of `method` and of those beside it, and what can be said of it.

    profile: with the methods compared, baseline first, then `method`.  values: quantity -> {method: {seed: value}} in
    the units of measure.measure, without values that are not finite.  ledger: one judgement, of `method` alone, for
    each claim that a quantity belongs to.  problems: lenses that failed, "run id, chapter" -> why.
    """

    method: str
    profile: Profile
    values: Mapping[str, Mapping[str, Mapping[int, float]]]
    ledger: Ledger
    problems: Mapping[str, str] = field(default_factory=dict)

    def differences(self, quantity: str) -> dict[str, Interval]:
        """Method -> its paired difference to the baseline over the seeds that both have, in the units of `values`."""
        values = self.values.get(quantity, {})
        base, found = values.get("baseline", {}), {}
        for name, by_seed in values.items():
            common = [seed for seed in by_seed if seed in base]
            if name != "baseline" and common:
                found[name] = paired_interval([by_seed[seed] for seed in common], [base[seed] for seed in common])
        return found

    def table(self) -> pandas.DataFrame:
        """One row per quantity by chapter, one column per method: mean ± half of the 95 % interval over seeds.

        ↑ or ↓ where the interval of the paired difference to the baseline excludes zero.
        """
        counts = {name: str(len(self.profile.seeds)) for name in self.profile.methods}
        rows = {("", "networks (seeds)"): counts}
        for name, values in self.values.items():
            quantity, differences = QUANTITIES[name], self.differences(name)
            cells = rows[(quantity.chapter.replace("_", " "), quantity.label)] = {}
            for method, interval in means(values).items():
                arrow = ARROWS[differences[method].side()] if method in differences else ""
                fewer = f" (n = {interval.n})" if interval.n < len(self.profile.seeds) else ""
                cells[method] = interval.scaled(quantity.factor).text(quantity.digits) + arrow + fewer
        frame = pandas.DataFrame.from_dict(rows, orient="index", dtype=object).reindex(columns=list(counts))
        frame.index = pandas.MultiIndex.from_tuples(list(rows), names=["chapter", "quantity"])
        return frame.fillna("–").rename(columns=lambda method: figures.style(method).label)

    def claims(self) -> pandas.DataFrame:
        """One row per claim of the papers, as judged for this method alone."""
        quantities = {(one.claim, one.variant): one for one in QUANTITIES.values() if one.claim}
        rows = []
        for one in self.ledger.judgements:
            quantity = quantities[one.claim, one.variant]
            difference = one.intervals[self.method].scaled(quantity.factor).text(quantity.digits, sign=True)
            rows.append((one.claim, one.variant, quantity.label, one.rule.text(), one.verdict, difference))
        headings = ["claim", "variant", "quantity", "claimed", "verdict", "difference to the baseline"]
        return pandas.DataFrame(rows, columns=headings).set_index(["claim", "variant"])

    def findings(self) -> list[str]:
        """Plain sentences, put together from the intervals."""
        return findings.of_method(self)

    def figure_of_differences(self) -> Figure:
        """The main quantities: each method's paired difference to the baseline with its interval."""
        shown = {}
        for name in MAIN:
            factor, differences = QUANTITIES[name].factor, self.differences(name)
            if differences:
                shown[QUANTITIES[name].label] = {method: one.scaled(factor) for method, one in differences.items()}
        return figures.panels(shown)

    def figure_of_shapes(self) -> Figure:
        """Shape of the space of features against calibration and robustness, one dot per network."""
        figure, axes = plt.subplots(1, 3, figsize=(8.6, 3.3), layout="constrained")
        for ax, names in zip(axes, SHAPES, strict=True):
            x, y = (self.values.get(name, {}) for name in names)
            labels = [QUANTITIES[name].label for name in names]
            figures.dots(x, y, labels, [QUANTITIES[name].factor for name in names], ax)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
        return figure

    def figures(self) -> tuple[Figure, Figure]:
        """Differences to the baseline, and shape against benefit."""
        return self.figure_of_differences(), self.figure_of_shapes()

    def _repr_html_(self) -> str:
        parts = [pages.paragraphs_html(self.findings()), pages.table_html(self.table())]
        return "\n".join([*parts, pages.table_html(self.claims())])

    def save(self, path: str | Path) -> Path:
        """Write findings, tables, figures and how they were made as one HTML page (.html); returns its path."""
        label, names = figures.style(self.method).label, [figures.style(name).label for name in self.profile.methods]
        drawn = self.figures()
        alts = (
            f"Eight panels, one quantity each, with the difference of {', '.join(names[1:])} to the baseline",
            f"Three panels of dots, one for each network of {', '.join(names)}: shape of features against benefit",
        )
        images = [pages.figure_html(figure, alt) for figure, alt in zip(drawn, alts, strict=True)]
        for figure in drawn:
            plt.close(figure)
        parts = [pages.paragraphs_html(self.findings()), pages.heading_html("Numbers")]
        explained = "Mean ± half of the 95 % interval over seeds; an arrow where the paired difference excludes zero."
        parts += [pages.paragraphs_html([explained]), pages.table_html(self.table()), *images]
        parts += [pages.heading_html("Claims of the papers, judged for this method"), pages.table_html(self.claims())]
        parts += [pages.heading_html("How it was made"), pages.table_html(self._how())]
        return pages.save_page(path, pages.page(f"Report card: {label} at profile {self.profile.name}", parts))

    def _how(self) -> pandas.DataFrame:
        """Settings, versions, commit and date, for the record."""
        settings = self.profile.experiment.as_dict()
        for varied in ("method", "method_parameters", "seed"):
            del settings[varied]
        for name, given in self.profile.methods.items():
            settings[f"method {name}"] = findings.parameters_of(name, given)
        settings |= {"seeds": list(self.profile.seeds), **self.profile.evaluation}
        settings |= provenance.environment(str(training.choose_device()))
        settings["date"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        return pandas.DataFrame({"value": {name: str(value) for name, value in settings.items()}})
