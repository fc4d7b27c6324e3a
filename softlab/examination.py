"""What the lenses say about any classifier whose logits come from a linear layer, also one that softlab did not build.

seen = examine(model, images, labels)   # the model is left exactly as it was
seen                                    # in a notebook: findings and a table
seen.save("network.html")               # one page that asks no other host for anything
"""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
import torch
from torch import Tensor, nn

from softlab import calibration, figures, foreign, pages, provenance, sentences
from softlab.data import split_test
from softlab.errors import SoftlabError
from softlab.measure import QUANTITIES, RADII, Samples, measure
from softlab.representation import extract, head_of

PER_CLASS = 4  # images for each class that occurs: one for fitting, three to score


@dataclass(frozen=True)
class Examination:
    """A network's numbers, in the units of QUANTITIES, and what they say.

    name: the network's class.  head: name of the layer that gives the logits.  n: images scored, of which `attacked`
    met attacks.  problems: chapter -> why its lens could not be applied.  warnings: what lenses and attacks warned of.
    """

    name: str
    head: str
    n: int
    attacked: int
    numbers: Mapping[str, float]
    problems: Mapping[str, str]
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    reliability: calibration.Reliability = field(repr=False)

    def table(self) -> pandas.DataFrame:
        """Every number as it is written in the book, by chapter."""
        known = {name: quantity for name, quantity in QUANTITIES.items() if name in self.numbers}
        rows = [(_title(quantity.chapter), quantity.label) for quantity in known.values()]
        values = [f"{self.numbers[name] * one.factor:.{one.digits}f}" for name, one in known.items()]
        index = pandas.MultiIndex.from_tuples(rows, names=["chapter", "quantity"])
        return pandas.DataFrame({self.name: values}, index=index)

    def figure(self) -> plt.Figure:
        """A reliability diagram, and accuracy against the radius of attacks."""
        figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.3), layout="constrained")
        one = self.reliability
        low, high = (bound.numpy() for bound in one.accuracy_interval())
        found, share = (one.confidence.numpy(), one.accuracy.numpy()), (one.count / one.count.sum()).numpy()
        figures.reliability(*found, (low, high), share, self.name, left)
        accuracy, look = self._under_attack(), figures.style(self.name)
        right.plot(list(accuracy), list(accuracy.values()), color=look.color, marker=look.marker)
        right.set(xlabel="radius of the attack (255ths)", ylabel="accuracy (%)", ylim=(-2, 102), title="under attack")
        right.grid(alpha=0.3)
        return figure

    def save(self, path: str | Path) -> Path:
        """Write all of it as one self-contained HTML page, to a file that ends in .html."""
        accuracy = ", ".join(f"{value:.1f} % at radius {radius}" for radius, value in self._under_attack().items())
        figure = self.figure()
        alt = f"Reliability diagram of {self.name}, and its accuracy under attacks: {accuracy}"
        shown = pages.figure_html(figure, alt)
        plt.close(figure)
        made = {"on": time.strftime("%Y-%m-%d")} | provenance.environment("")
        made = ", ".join(f"{key} {value}" for key, value in made.items() if value)
        about = f"{self.name}: the logits are those of its layer {self.head!r}. Made by softlab-book: {made}."
        findings, table = self._parts()
        parts = [findings, shown, table, pages.paragraphs_html([about])]
        return pages.save_page(path, pages.page(f"{self.name}: what the lenses say", parts))

    def missing(self) -> list[str]:
        """Sentences about what was not computed, and about warnings; none if all went well."""
        return [f"Not computed ({_title(chapter)}): {why}." for chapter, why in self.problems.items()] + [
            f"Warning: {text}." for text in self.warnings
        ]

    def _repr_html_(self) -> str:
        return "\n".join(self._parts())

    def _parts(self) -> tuple[str, str]:
        """Sentences and table, as HTML."""
        return pages.paragraphs_html([*self.findings, *self.missing()]), pages.table_html(self.table())

    def _under_attack(self) -> dict[int, float]:
        """Accuracy in percent by radius in 255ths, 0 without an attack; only those that were computed."""
        found = {0: self.numbers["accuracy"]} | {radius: self.numbers.get(f"robust, {radius}/255") for radius in RADII}
        return {radius: 100 * value for radius, value in found.items() if value is not None}


def examine(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    head: str | nn.Module | None = None,
    reference: tuple[Tensor, Tensor] | None = None,
    mean: Tensor | None = None,
    std: Tensor | None = None,
    attacked: int = 100,
    steps: int = 20,
) -> Examination:
    """Look at a network through the lenses of chapters 2 to 6. A copy is looked at; the network stays as it was.

    images: (N, C, H, W), uint8 or float in [0, 1].  labels: (N,) int64, the network's own numbers of the classes.
    head: the linear layer that gives the logits, by name or itself (None: the one whose output is the model's).
    reference: images and labels for class means and radii, usually of training (None: those for fitting).
    mean, std: (C,), a normalisation that the model does not own: attacks act on images in [0, 1].
    attacked, steps: how many images meet attacks, and of how many steps.
    A class-balanced quarter of the images, at most 1,000, is for fitting the temperature; the rest is scored.
    Raises SoftlabError for wrong input, and for a network of which no linear layer gives the logits.
    """
    for name, value in (("attacked", attacked), ("steps", steps)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SoftlabError(f"{name} must be a whole number from 1, not {value!r}")
    images, labels = _checked("images", images, labels)
    if reference is not None:
        reference = _checked("reference images", *reference)
    mean, std = _normalisation(mean, std, images.shape[1])
    device = next((one.device for one in getattr(model, "parameters", tuple)()), torch.device("cpu"))
    with (
        torch.inference_mode(False),
        torch.autocast(device.type, enabled=False),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        torch.random.default_generator.manual_seed(0)  # for a network that draws in evaluation mode too
        images, labels = images.clone(), labels.clone()  # no tensors of inference mode, which cannot have gradients
        subject = foreign.subject(model, images, head, mean, std)
        _check_classes("images", labels, subject.head.out_features)
        fit, scored = split_test(labels)
        parts = [(images[rows], labels[rows]) for rows in (fit, scored)]
        if reference is not None:
            _check_classes("reference images", reference[1], subject.head.out_features)
        samples = Samples(reference or parts[0], *parts, attacked, steps)
        tested = extract(subject, *samples.test)
        broken = ~tested.logits.isfinite().all(1)
        if broken.any():
            raise SoftlabError(f"the logits of image {int(scored[broken].min())} are not finite: the network is broken")
        problems: dict[str, str] = {}
        try:
            numbers = measure(subject, samples, problems=problems)
        except RuntimeError as error:  # on the way back through the network, say
            raise SoftlabError(f"the model fails: {' '.join(str(error).split())[:300]}") from error
        attacked = min(attacked, len(scored))
        found = sentences.about(tested, head_of(subject), numbers, len(fit), attacked)
        curve = calibration.reliability(tested.logits.softmax(1), tested.labels)
    told = [str(one.message) for one in warned if Path(one.filename).is_relative_to(provenance.PACKAGE)]
    told = tuple(dict.fromkeys(told))
    return Examination(type(model).__name__, subject.name, len(scored), attacked, numbers, problems, found, told, curve)


def _checked(what: str, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images and labels on the CPU, if they are what they should be."""
    images, labels = torch.as_tensor(images).detach().cpu(), torch.as_tensor(labels).detach().cpu()
    if images.ndim != 4 or images.numel() == 0:
        raise SoftlabError(f"{what} must be (N, C, H, W), none of them 0, not {tuple(images.shape)}")
    if labels.shape != images.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise SoftlabError(
            f"labels must be whole numbers ({len(images)},), a class for each of the {what}, "
            f"not {labels.dtype} {tuple(labels.shape)}"
        )
    if images.dtype != torch.uint8:
        if not images.is_floating_point():
            raise SoftlabError(f"{what} must be uint8, or floats in [0, 1], not {images.dtype}")
        images = images.float()
        low, high = images.aminmax()
        if not (low >= 0 and high <= 1):  # also where one is NaN
            raise SoftlabError(
                f"{what} must be in [0, 1], but reach from {low:g} to {high:g}: give pixels as they are, uint8 or "
                f"divided by 255, and a normalisation as mean=… and std=…"
            )
    return images, labels.long()


def _normalisation(mean: object, std: object, channels: int) -> tuple[Tensor | None, Tensor | None]:
    """mean and std as (C,) float32, or both None."""
    if mean is None and std is None:
        return None, None
    if mean is None or std is None:
        raise SoftlabError("mean and std belong together: give both, or none")
    mean, std = (torch.as_tensor(one, dtype=torch.float32).detach().cpu() for one in (mean, std))
    if mean.shape != (channels,) or std.shape != (channels,):
        raise SoftlabError(
            f"mean and std must be ({channels},), a number per channel, not {tuple(mean.shape)} and {tuple(std.shape)}"
        )
    if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise SoftlabError(f"mean and std must be finite and std above 0, not {mean.tolist()} and {std.tolist()}")
    return mean, std


def _check_classes(what: str, labels: Tensor, classes: int) -> None:
    """Labels that the network knows, of at least two classes, and enough images of them."""
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise SoftlabError(
            f"label {int(labels[row])} of image {row} is none of the network's classes, 0 to {classes - 1}"
        )
    present = len(labels.unique())
    if present < 2:
        raise SoftlabError(f"the {what} are all of class {int(labels[0])}: at least two classes are needed")
    if len(labels) < PER_CLASS * present:
        raise SoftlabError(
            f"{len(labels)} {what} of {present} classes are too few: at least {PER_CLASS * present} are needed, "
            f"{PER_CLASS} per class"
        )


def _title(chapter: str) -> str:
    return chapter.partition("_")[2].replace("_", " ")
