"""Labels that are distributions: of people, by a data set of one's own; of a teacher, as soft as asked; and halves."""

import dataclasses
import json
import math

import pytest
import torch

from softlab import Experiment, SoftlabError, dataset_of, fit_or_load
from softlab.files import file_digest
from softlab.training import data, loop, runs, teachers


def test_entropy_of_a_smoothed_label_by_hand():
    assert teachers.entropy_of_smoothing(0.5, 2) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


LOGITS = torch.tensor([[4.0, 0.0, 1.0], [3.0, 2.0, 0.0], [0.0, 5.0, 1.0], [1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
LABELS = torch.tensor([0, 0, 1, 1, 2])


@pytest.mark.parametrize("kind", ["each", "class_mean", "shuffled"])
@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_labels_are_as_soft_as_was_asked(kind, alpha):
    student = Experiment(teacher={"alpha": alpha, "labels": kind})
    soft, temperature = teachers.labels_of(student, LOGITS, LABELS)
    assert soft.sum(1).tolist() == pytest.approx([1.0] * 5)
    assert teachers.mean_entropy(soft.double()) == pytest.approx(teachers.entropy_of_smoothing(alpha, 3), abs=1e-6)
    assert temperature > 0


def test_the_controls_keep_the_class_and_lose_the_image():
    each = teachers.softened(LOGITS, LABELS, 2.0)
    assert torch.allclose(each, (LOGITS.double() / 2).softmax(1))
    means = teachers.softened(LOGITS, LABELS, 2.0, "class_mean")
    assert torch.allclose(means[0], each[:2].mean(0))
    assert torch.equal(means[0], means[1])
    places = teachers.order_within(LABELS.repeat(40), torch.Generator().manual_seed(0))
    assert torch.equal(LABELS.repeat(40)[places], LABELS.repeat(40))
    assert sorted(places.tolist()) == list(range(200))
    assert (places != torch.arange(200)).float().mean() > 0.9


def test_what_no_temperature_does_is_said():
    wrong = torch.tensor([[9.0, 0.0], [0.0, 9.0]])  # one image of each class is taken for the other: no mean is sure
    with pytest.raises(SoftlabError, match=r"no temperature gives a mean entropy of 0.001"):
        teachers.as_soft_as(0.001, wrong, torch.tensor([0, 0]), "class_mean")


def test_a_student_learns_from_its_teacher_and_says_whose_labels_it_had(tiny):
    asked = tiny.replace(teacher={"width": 8, "alpha": 0.1, "epochs": 3})
    student = fit_or_load(asked)
    teacher = fit_or_load(teachers.teacher_of(student.experiment))
    assert (teacher.experiment.width, teacher.experiment.epochs, teacher.experiment.seed) == (8, 3, tiny.seed)
    assert teacher.experiment.method == "baseline"
    told = student.provenance["teacher"]
    assert told["id"] == teacher.id
    assert told["weights"] == file_digest(teacher.folder / "weights.safetensors")
    dataset = dataset_of(asked)
    images, labels = loop.training_set(student.experiment, dataset, "cpu")
    soft, _ = teachers.labels_of(student.experiment, runs.extract(teacher.model, images, labels).logits, labels)
    *_, again = loop.epochs(student.experiment, dataset, soft=soft)
    assert again.history["loss"] == student.history["loss"]
    *_, hard = loop.epochs(student.experiment, dataset)
    assert hard.history["loss"] != student.history["loss"]


def test_ids_of_students_differ_by_teacher_and_those_of_others_stay(tiny):
    dataset = data.load("fashion-mini")
    plain = runs.identify(tiny, dataset)
    assert plain == runs.identify(tiny.replace(teacher={}, half=0), dataset)
    entries = ({"alpha": 0.1}, {"alpha": 0.2}, {"temperature": 2}, {"alpha": 0.1, "labels": "shuffled"})
    entries += ({"alpha": 0.1, "width": 8}, {"alpha": 0.1, "method": "mixup", "method_parameters": {"beta": 0.5}})
    names = {runs.identify(tiny.replace(teacher=entry), dataset) for entry in entries}
    assert len(names | {plain}) == len(entries) + 1


def test_an_experiment_with_a_teacher_survives_json(tiny):
    asked = tiny.replace(teacher={"alpha": 0.1, "method": "mixup", "method_parameters": {"beta": 0.5}})
    assert Experiment(**json.loads(json.dumps(asked.as_dict()))) == asked


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ({"width": 8}, "teacher takes"),
        ({"alpha": 0.1, "temperature": 2}, "teacher takes"),
        ({"alpha": 1}, "alpha of teacher must be a number from 1e-06 to 0.999, not 1"),
        ({"alpha": 0.1, "labels": "classmean"}, "did you mean 'class_mean'"),
        ({"alpha": 0.1, "widht": 8}, "did you mean 'width'"),
        ({"alpha": 0.1, "width": 0}, "width must be a whole number"),
        ({"alpha": 0.1, "teacher": {}}, "unknown entry of teacher 'teacher'"),
        ("plain", "teacher must map fields"),
    ],
)
def test_a_teacher_that_cannot_be_is_refused_in_a_line(teacher, said):
    with pytest.raises(SoftlabError, match=said):
        Experiment(teacher=teacher)


@pytest.fixture
def people():
    """A data set whose training images have distributions, as of people who disagree."""
    whole = data.load("fashion-mini")
    targets = torch.nn.functional.one_hot(whole.train_labels, 10).float() * 0.8 + 0.02

    def make(root):
        parts = {name: getattr(whole, name) for name in ("train_images", "train_labels", "fit_images", "fit_labels")}
        parts |= {"test_images": whole.test_images, "test_labels": whole.test_labels, "train_targets": targets}
        return data.assemble("people", parts, whole.classes, "people")

    data.register("people")(make)
    yield whole, targets
    del data.REGISTRY["people"]
    data.forget()


def test_distributions_of_a_data_set_are_what_is_trained_on(people, tiny):
    """Each is .82 on one class and .02 on the others: label smoothing .2, by another way."""
    whole, _ = people
    assert data.load("people").digest != whole.digest
    *_, theirs = loop.epochs(tiny.replace(data="people"), data.load("people"))
    smoothed = tiny.replace(method="label_smoothing", method_parameters={"alpha": 0.2})
    *_, ours = loop.epochs(smoothed, whole)
    assert theirs.history["loss"] == pytest.approx(ours.history["loss"], rel=1e-4)
    with pytest.raises(SoftlabError, match="label_noise draws labels anew"):
        next(loop.epochs(tiny.replace(data="people", label_noise=0.5), data.load("people")))
    with pytest.raises(SoftlabError, match="none can be left out"):
        data.load("people").first_classes(5)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda targets: targets[:-1], "train_targets must be"),
        (lambda targets: targets.double(), "train_targets must be"),
        (lambda targets: targets * 2, "row 0 of train_targets is no distribution: its sum is 2"),
        (lambda targets: targets.where(targets > 0.5, -0.01), "row 0 of train_targets is no distribution"),
    ],
)
def test_what_is_no_distribution_is_refused(people, spoil, said):
    whole, targets = people
    parts = {name: getattr(whole, name) for name in ("train_images", "train_labels", "fit_images", "fit_labels")}
    parts |= {"test_images": whole.test_images, "test_labels": whole.test_labels}
    with pytest.raises(SoftlabError, match=said):
        data.assemble("people", parts | {"train_targets": spoil(targets)}, whole.classes, "people")


def test_halves_share_no_class_and_are_drawn_by_the_seed():
    whole = data.load("fashion-mini")
    seen = set()
    for seed in range(11000, 11010):
        first, second = whole.halves(seed)
        assert sorted(first + second) == list(range(10))
        seen.add(min(tuple(first), tuple(second)))
    assert len(seen) == 10, "ten splits, each another one"
    half = whole.only([7, 2])
    assert half.classes == (whole.classes[7], whole.classes[2])
    assert set(half.test_labels.tolist()) == {0, 1}
    kept = torch.isin(whole.test_labels, torch.tensor([7, 2]))
    assert torch.equal(half.test_images, whole.test_images[kept])
    assert torch.equal(half.test_labels == 0, whole.test_labels[kept] == 7)
    assert torch.equal(half.mean, whole.mean), "normalised as before"


def test_a_network_of_half_the_classes(tiny):
    run = fit_or_load(tiny.replace(half=2, seed=3))
    assert run.provenance["network"]["num_classes"] == 5
    whole = data.load("fashion-mini")
    assert dataset_of(run.experiment).classes == whole.only(whole.halves(3)[1]).classes


def test_the_first_classes_are_the_data_set_that_they_were():
    """Ids on record hold its digest."""
    whole = data.load("fashion-mini")
    few = whole.first_classes(4)
    kept = whole.train_labels < 4
    assert torch.equal(few.train_images, whole.train_images[kept])
    assert torch.equal(few.train_labels, whole.train_labels[kept])
    parts = {name: getattr(few, name) for name in data._parts(few)}
    assert few.digest == data._digest(parts, whole.classes[:4], whole.mean, whole.std)
    assert dataclasses.asdict(few)["train_targets"] is None
