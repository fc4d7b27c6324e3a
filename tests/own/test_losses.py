"""Criteria: torch's own numbers where torch defines the same, the training loop's elsewhere, and what is refused."""

import copy
import math
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

import softlab
from softlab import SoftlabError, regularizers
from softlab.own import parts

CLASSES = 5
LOSSES = (
    "baseline",
    "label_smoothing",
    "label_smoothing_others",
    "online_label_smoothing",
    "zipf_label_smoothing",
    "maxsup",
    "regularization_only",
    "amplification_only",
    "label_relaxation",
    "margin_smoothing",
    "acls",
    "logit_norm",
    "focal",
    "dual_focal",
    "logit_penalty",
    "confidence_penalty",
    "cosine_penalty",
)
OF_MIXTURES = ("mixup", "cutmix", "mixup_or_cutmix", "cutmix_images", "cutmix_labels", "mixup_images", "mixup_labels")
OF_THE_LOOP = (
    "uniform_noise",
    "gaussian_noise",
    "sign_noise",
    "dropout",
    "feature_penalty",
    "scale_penalty",
    "fixed_scale",
    "unseen_penalty",
    "steady",
    "toward_center",
    "toward_row",
    "toward_mean",
    "toward_centred_mean",
    "toward_random",
    "held",
    "gradient_penalty",
    "adversarial_training",
    "feature_mixup",
)
CLASS_NUMBERS_ONLY = ("zipf_label_smoothing", "label_relaxation")
BUILT_IN = tuple(name for name, method in regularizers.REGISTRY.items() if "softlab" in method.__module__)


@pytest.fixture
def logits():
    drawn = torch.randn(12, CLASSES, generator=torch.Generator().manual_seed(0))
    return (3 * drawn).requires_grad_()


@pytest.fixture
def labels():
    return torch.randint(CLASSES, (12,), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def soft():
    return torch.rand(12, CLASSES, generator=torch.Generator().manual_seed(2)).softmax(1)


@pytest.fixture
def weight():
    return torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0])


def made(name, **given):
    """A criterion that has begun an epoch, for five classes."""
    criterion = softlab.criterion(name, classes=CLASSES, **given)
    criterion.begin_epoch()
    return criterion


def in_the_loop(name, logits, labels, progress=0.0, **parameters):
    """Losses (N,) as training computes them, where nothing is kept between epochs."""
    method = regularizers.get(name, **parameters)
    one_hot = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    _, targets = method.transform(torch.zeros(len(labels), 1, 2, 2), one_hot, torch.Generator())
    return method.loss(logits, targets, logits, None, progress)


def test_every_method_is_a_loss_or_a_mixture_or_says_what_to_do():
    other = ("regmixup", "weight_decay", "early_stopping")
    listed = [*LOSSES, *OF_MIXTURES, *OF_THE_LOOP, *other]
    assert set(listed) == set(BUILT_IN), "each method belongs to one of these lists"
    assert len(set(listed)) == len(listed)


def test_maxsup_by_hand():
    logits = torch.tensor([[2.0, 0.0, 1.0]])
    plain = math.log(math.exp(2) + 1 + math.exp(1))  # minus the true logit, 0
    loss = softlab.criterion("maxsup", alpha=0.3)(logits, torch.tensor([1]))
    assert loss.item() == pytest.approx(plain + 0.3 * (2 - 1))


def test_maxsup_at_a_tie_pushes_the_first_maximal_logit():
    logits = torch.tensor([[1.0, 1.0, 0.0]], requires_grad=True)
    labels = torch.tensor([2])
    (plain,) = torch.autograd.grad(functional.cross_entropy(logits, labels), logits)
    (tied,) = torch.autograd.grad(softlab.criterion("maxsup", alpha=0.3)(logits, labels), logits)
    assert (tied - plain).tolist()[0] == pytest.approx([0.3 - 0.1, -0.1, -0.1])


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "online_label_smoothing"])
def test_a_criterion_is_the_loss_of_training_in_value_and_gradient(name, logits, labels):
    mine = made(name, reduction="none")(logits, labels)
    theirs = in_the_loop(name, logits, labels)
    assert torch.allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    gradients = [torch.autograd.grad(losses.mean(), logits)[0] for losses in (mine, theirs)]
    assert torch.allclose(*gradients, atol=1e-6)
    assert made(name)(logits, labels).item() == pytest.approx(theirs.mean().item(), rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("extra", [(), (2, 3)])
@pytest.mark.parametrize("kind", ["numbers", "ignored", "soft"])
def test_cross_entropy_and_label_smoothing_are_torchs(reduction, weighted, smoothing, extra, kind, weight):
    drawing = torch.Generator().manual_seed(0)
    logits = torch.randn(4, CLASSES, *extra, generator=drawing)
    if kind == "soft":
        targets = torch.rand(4, CLASSES, *extra, generator=drawing).softmax(1)
    else:
        targets = torch.randint(CLASSES, (4, *extra), generator=drawing)
    if kind == "ignored":
        targets[::2] = -100
    given = {"weight": weight if weighted else None, "reduction": reduction}
    peer = nn.CrossEntropyLoss(label_smoothing=smoothing, **given)(logits, targets)
    names = [("label_smoothing", {"alpha": smoothing})]
    epsilon = smoothing * (CLASSES - 1) / CLASSES  # the other meaning of the parameter, by the rows of any method
    names += [("label_smoothing_others", {"epsilon": epsilon})]
    names += [("baseline", {})] if smoothing == 0 else []
    for name, parameters in names:
        assert torch.allclose(softlab.criterion(name, **parameters, **given)(logits, targets), peer, rtol=1e-5), name


@pytest.mark.parametrize("name", LOSSES)
def test_places_of_an_image_are_rows_and_one_hot_is_a_class_number(name, weight):
    drawing = torch.Generator().manual_seed(3)
    logits = torch.randn(2, CLASSES, 3, 2, generator=drawing)
    labels = torch.randint(CLASSES, (2, 3, 2), generator=drawing)
    rows = logits.movedim(1, -1).reshape(-1, CLASSES)
    alone = made(name, reduction="none", weight=weight)(rows, labels.reshape(-1))
    losses = made(name, reduction="none", weight=weight)(logits, labels)
    assert torch.allclose(losses, alone.reshape(2, 3, 2), rtol=1e-5)
    if name not in CLASS_NUMBERS_ONLY:
        one_hot = functional.one_hot(labels, CLASSES).movedim(-1, 1)
        assert torch.allclose(made(name, reduction="none", weight=weight)(logits, one_hot), losses, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_counts_as_torchs_does_and_what_is_ignored_not_at_all(name, logits, labels, weight):
    labels[[0, 5]] = -100
    kept = labels >= 0
    each = made(name, reduction="none", weight=weight)(logits, labels)
    assert each[~kept].tolist() == [0, 0]
    mean = made(name, weight=weight)(logits, labels)
    assert mean.item() == pytest.approx((each.sum() / weight[labels[kept]].sum()).item(), rel=1e-5)
    assert mean.item() == pytest.approx(made(name, weight=weight)(logits[kept], labels[kept]).item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(mean, logits)
    assert gradient.isfinite().all()
    assert (gradient[~kept] == 0).all()
    if name not in ("label_smoothing", "label_smoothing_others"):  # they weigh each class's term, as torch does
        alone = made(name, reduction="none")(logits, labels)
        assert torch.allclose(each[kept], weight[labels[kept]] * alone[kept], rtol=1e-5)


def test_the_mean_of_nothing_but_ignored_targets_is_torchs_nan(logits):
    labels = torch.full((12,), -100)
    for name in ("baseline", "maxsup"):
        assert made(name)(logits, labels).isnan()
        assert made(name, reduction="sum")(logits, labels) == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name, kind, logits, labels):
    rough = (100 * logits.detach()).to(kind).requires_grad_()
    loss = made(name, reduction="none")(rough, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, made(name, reduction="none")(rough.detach().float().requires_grad_(), labels))
    loss.sum().backward()
    assert rough.grad.dtype == kind


@pytest.mark.parametrize("name", ["maxsup", "online_label_smoothing", "label_smoothing"])
def test_autocast_changes_nothing(name, logits, labels):
    alone = made(name)(logits, labels)
    criterion = made(name)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(criterion(logits, labels), alone)
    assert all(buffer.dtype == torch.float32 for buffer in criterion.buffers())


def test_double_precision_stays(logits, labels):
    assert made("maxsup")(logits.double(), labels).dtype == torch.float64
    assert made("maxsup")(logits.double(), functional.one_hot(labels, CLASSES).float()).dtype == torch.float64


# State


def test_online_label_smoothing_by_hand():
    """One right prediction of class 0: in the next epoch its soft label is that prediction."""
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]], requires_grad=True)  # ¾, ¼ and ¼, ¾
    labels = torch.tensor([0, 0])  # right, and wrong
    criterion = softlab.criterion("online_label_smoothing", alpha=0.5, classes=2, reduction="none")
    criterion.begin_epoch()
    first = criterion(logits, labels)
    assert first[0].item() == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))  # with ½, ½
    criterion.begin_epoch()
    second = criterion(logits, labels)
    assert second[0].item() == pytest.approx(-(0.5 + 0.375) * math.log(0.75) - 0.125 * math.log(0.25))


def test_a_state_is_stored_goes_on_and_learns_in_training_only(logits, labels):
    criterion = made("online_label_smoothing")
    assert list(criterion.parameters()) == []
    criterion(logits, labels)
    learned = copy.deepcopy(criterion.state_dict())
    assert set(learned) == {"state.soft", "state.sums"}
    assert learned["state.sums"].sum() > 0
    with torch.no_grad():
        criterion(logits, labels)
    criterion.eval()(logits, labels)
    assert all(torch.equal(learned[name], value) for name, value in criterion.state_dict().items())
    other = softlab.criterion("online_label_smoothing", classes=CLASSES)
    with pytest.raises(SoftlabError, match=r"criterion\.begin_epoch\(\) before the first step"):
        other(logits, labels)
    other.load_state_dict(learned)
    assert torch.equal(other(logits, labels), copy.deepcopy(criterion.train())(logits, labels))


def test_ignored_targets_teach_nothing(logits, labels):
    alone = made("online_label_smoothing")
    alone(logits[:6], labels[:6])
    labels[6:] = -100
    both = made("online_label_smoothing")
    both(logits, labels)
    assert torch.allclose(alone.state.sums, both.state.sums)


# Strength that grows


def test_strength_grows_with_progress_and_has_to_know_it(logits, labels):
    criterion = softlab.criterion("maxsup", alpha=0.1, alpha_end=0.5)
    with pytest.raises(SoftlabError, match=r"progress=step / steps"):
        criterion(logits, labels)
    half = criterion(logits, labels, progress=0.5)
    assert torch.allclose(half, softlab.criterion("maxsup", alpha=0.3)(logits, labels))
    criterion.progress = torch.tensor(0.5)
    assert torch.allclose(half, criterion(logits, labels))
    with pytest.raises(SoftlabError, match="from 0"):
        criterion(logits, labels, progress=200)
    softlab.criterion("maxsup")(logits, labels)  # a constant strength asks for nothing


# What is refused, in one line


@pytest.mark.parametrize("name", [*OF_MIXTURES, *OF_THE_LOOP, "weight_decay", "early_stopping"])
def test_a_method_that_is_no_loss_says_what_to_use(name):
    with pytest.raises(SoftlabError) as refused:
        softlab.criterion(name)
    if name in OF_MIXTURES:
        assert f"softlab.mixture({name!r})" in str(refused.value)
    elif name in OF_THE_LOOP:
        assert f"softlab.fit({name!r})" in str(refused.value)
    else:
        assert "softlab.criterion('baseline')" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_advice_repeats_the_parameters_that_were_given():
    with pytest.raises(SoftlabError, match=r"softlab.mixture\('cutmix', beta=0.5\)"):
        softlab.criterion("cutmix", beta=0.5)


WRONG = {
    "a class number of six": (torch.zeros(2, 5), torch.tensor([0, 5]), "5 at place 1 must be from 0 to 4"),
    "one below zero": (torch.zeros(2, 5), torch.tensor([-1, 0]), "-1 at place 0 must be from 0 to 4, or ignore_index"),
    "another K": (torch.zeros(2, 5), torch.ones(2, 4) / 4, r"distributions \(2, 5\), not \(2, 4\) of float32"),
    "a column": (torch.zeros(2, 5), torch.zeros(2, 1).long(), r"class numbers \(2,\) or"),
    "class numbers as floats": (torch.zeros(2, 5), torch.zeros(2), r"targets\.long\(\)"),
    "a sum of two": (torch.zeros(2, 2), torch.tensor([[0.5, 0.5], [1.0, 1.0]]), "sample 1 is no distribution"),
    "below zero": (torch.zeros(1, 2), torch.tensor([[1.5, -0.5]]), "sample 0 is no distribution"),
    "not a number": (torch.zeros(1, 2), torch.tensor([[math.nan, 1.0]]), "sample 0 is no distribution"),
    "an empty batch": (torch.zeros(0, 5), torch.zeros(0).long(), "an empty batch has no mean"),
    "one class": (torch.zeros(2, 1), torch.zeros(2).long(), "at least two classes"),
    "one sample without its batch": (torch.zeros(5), torch.tensor(1), r"\(N, K\) or \(N, K, …\)"),
    "whole numbers": (torch.zeros(2, 5).long(), torch.zeros(2).long(), "floating"),
    "another device": (torch.zeros(2, 5), torch.zeros(2, device="meta").long(), r"targets\.to\(device\)"),
}


@pytest.mark.parametrize("name", ["baseline", "maxsup", "label_smoothing_others"])
@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_input_is_one_line(name, mistake):
    logits, targets, said = WRONG[mistake]
    with pytest.raises(SoftlabError, match=said) as refused:
        softlab.criterion(name)(logits, targets)
    assert "\n" not in str(refused.value)


def test_an_empty_batch_has_a_sum():
    for name in ("baseline", "maxsup"):
        assert softlab.criterion(name, reduction="sum")(torch.zeros(0, 5), torch.zeros(0).long()) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reduction": "avg"}, "unknown reduction 'avg'"),
        ({"ignore_index": 1.0}, "ignore_index must be a whole number"),
        ({"classes": 1}, "classes must be a whole number from 2 on"),
        ({"weight": torch.ones(3), "classes": 4}, r"weight must be a floating tensor \(4,\)"),
        ({"weight": [1, 2]}, "weight must be a floating tensor"),
        ({"weight": torch.tensor([1.0, -1.0])}, "not below 0"),
        ({"alpha": 2}, "alpha must be a number from 0 to 1"),
        ({"strength": 2}, "unknown parameter of maxsup 'strength'"),
    ],
)
def test_wrong_arguments_are_one_line(given, said):
    with pytest.raises(SoftlabError, match=said):
        softlab.criterion("maxsup", **given)


def test_what_a_method_or_an_argument_does_not_take_is_said(soft, logits):
    with pytest.raises(SoftlabError, match="3 classes"):
        softlab.criterion("maxsup", classes=3)(logits, soft)
    with pytest.raises(SoftlabError, match="ignore_index=0 is for class numbers"):
        softlab.criterion("maxsup", ignore_index=0)(logits, soft)
    for name in CLASS_NUMBERS_ONLY:
        with pytest.raises(SoftlabError, match="takes class numbers, not distributions"):
            softlab.criterion(name)(logits, soft)
    for name in set(LOSSES) - set(CLASS_NUMBERS_ONLY):
        assert made(name)(logits, soft).isfinite()
    with pytest.raises(SoftlabError, match="say how many, classes=K"):
        softlab.criterion("online_label_smoothing")
    for criterion in (softlab.criterion("maxsup", weight=torch.ones(5)), made("online_label_smoothing")):
        with pytest.raises(SoftlabError, match=r"criterion\.to\(device\)"):
            criterion.to("meta")(logits, soft)


def test_off_the_cpu_values_are_looked_at_once(monkeypatch):
    """As each look waits for the device: only the first batch, and never in what is compiled."""
    look = softlab.own.targets.Look()
    elsewhere = type("Elsewhere", (), {"device": torch.device("cuda")})
    assert [look.due(elsewhere) for _ in range(3)] == [True, False, False]
    here = torch.zeros(1)
    assert [look.due(here) for _ in range(3)] == [True, True, True]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not look.due(here)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", LOSSES)
def test_on_a_gpu_nothing_waits_after_the_first_batch(name, logits, labels):
    criterion = made(name).cuda()
    criterion.begin_epoch()
    there = logits.detach().cuda().requires_grad_()
    on_gpu = labels.cuda()
    loss = criterion(there, on_gpu)
    assert torch.allclose(loss.cpu(), made(name)(logits, labels), rtol=1e-4)
    torch.cuda.set_sync_debug_mode("error")
    try:
        criterion(there, on_gpu).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


# Methods of one's own


@pytest.fixture
def own_methods(monkeypatch):
    monkeypatch.setattr(regularizers.base, "REGISTRY", dict(regularizers.REGISTRY))

    @regularizers.register("mine")
    @dataclass(frozen=True)
    class Mine(regularizers.Regularizer):
        strength: float = 0.5

        def loss(self, logits, targets, features, head, progress):
            return regularizers.cross_entropy(logits, targets) + self.strength * progress * logits.square().mean(1)

    @regularizers.register("a_mean")
    @dataclass(frozen=True)
    class AMean(regularizers.Regularizer):
        def loss(self, logits, targets, features, head, progress):
            return regularizers.cross_entropy(logits, targets).mean()

    @regularizers.register("looks_at_rows")
    @dataclass(frozen=True)
    class LooksAtRows(regularizers.Regularizer):
        def loss(self, logits, targets, features, head, progress):
            return regularizers.cross_entropy(logits, targets) + features.norm(dim=1) * head.weight.norm()


def test_a_method_of_ones_own_works_as_the_others_do(own_methods, logits, labels):
    criterion = softlab.criterion("mine")
    expected = functional.cross_entropy(logits, labels) + 0.5 * 0.5 * logits.square().mean()
    assert torch.allclose(criterion(logits, labels, progress=0.5), expected)
    with pytest.raises(SoftlabError, match="one number for each sample"):
        softlab.criterion("a_mean")
    with pytest.raises(SoftlabError, match="needs the network's features"):
        softlab.criterion("looks_at_rows")


def test_whatever_is_done_with_features_that_are_not_there_is_noticed():
    absent = parts.Absent()
    for use in (
        lambda: absent.norm(),
        lambda: torch.relu(absent),
        lambda: absent + 1,
        lambda: torch.ones(1) * absent,
        lambda: -absent,
        lambda: absent[0],
        lambda: len(absent),
    ):
        with pytest.raises(parts.Missing):
            use()


# torch.compile


@pytest.mark.parametrize("name", LOSSES)
def test_dynamo_takes_each_criterion_whole(name, logits, labels):
    torch._dynamo.reset()
    plain = made(name)
    compiled = torch.compile(made(name), backend="eager", fullgraph=True)
    for _ in range(2):
        assert torch.allclose(compiled(logits, labels), plain(logits, labels), rtol=1e-5)
    for one, other in zip(plain.buffers(), compiled.buffers(), strict=True):
        assert torch.allclose(one, other)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler, and here is none")
@pytest.mark.parametrize("name", ["maxsup", "acls", "online_label_smoothing"])
def test_inductor_gives_the_same_loss_and_gradient(name, logits, labels):
    torch._dynamo.reset()
    losses = [criterion(logits, labels) for criterion in (made(name), torch.compile(made(name), fullgraph=True))]
    assert torch.allclose(*losses, rtol=1e-5)
    assert torch.allclose(*(torch.autograd.grad(loss, logits)[0] for loss in losses), atol=1e-6)


# What torch differentiates works; the rest is one line that says what to do.


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "online_label_smoothing"])
def test_gradients_of_single_samples_are_those_of_a_loop(name):
    criterion = made(name)
    torch.manual_seed(0)
    weight = torch.randn(CLASSES, 5)
    samples = torch.randn(4, 5)
    numbers = torch.tensor([0, 1, 2, 0])

    def loss(weight, sample, number):
        return criterion((weight @ sample)[None], number[None])

    at_once = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weight, samples, numbers)
    one_by_one = []
    for sample, number in zip(samples, numbers, strict=True):
        own = weight.clone().requires_grad_()
        one_by_one.append(torch.autograd.grad(loss(own, sample, number), own)[0])
    assert torch.allclose(at_once, torch.stack(one_by_one), atol=1e-6)


Z = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5]])
Y = torch.tensor([0, 2])
NO_TENSORS = {
    "a list": (Z.tolist(), Y, r"logits must be a tensor, not of the type list: torch.as_tensor\(logits\)"),
    "an array": (Z.numpy(), Y, r"logits must be a tensor, not of the type ndarray: torch.as_tensor\(logits\)"),
    "a dictionary": (
        {"logits": Z, "loss": Z[0, 0]},
        Y,
        r"not of the type dict: give one of those in it \(logits, loss\)",
    ),
    "a tuple": ((Z, Z), Y, r"not of the type tuple: give one of those in it \(0, 1\)"),
    "labels in a list": (Z, [0, 2], r"targets must be a tensor, not of the type list: torch.as_tensor\(targets\)"),
    "labels in a tuple": (Z, (Y, Y, 0.5), r"targets must be a tensor, .* give one of those in it \(0, 1\)"),
    "no labels": (Z, None, r"targets must be a tensor, not of the type NoneType"),
    "a masked array": (np.ma.masked_greater(Z.numpy(), 1), Y, r"logits has masked values: leave their rows out, or"),
    "a sparse tensor": (Z.to_sparse(), Y, r"logits must be a dense tensor, not a sparse_coo one: logits.to_dense"),
}


@pytest.mark.parametrize("case", NO_TENSORS)
@pytest.mark.parametrize("name", ["baseline", "maxsup"])
def test_what_is_no_tensor_is_one_line(name, case):
    logits, targets, words = NO_TENSORS[case]
    with pytest.raises(SoftlabError, match=words) as caught:
        softlab.criterion(name)(logits, targets)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int16])
@pytest.mark.parametrize("name", ["baseline", "maxsup"])
def test_labels_may_be_whole_numbers_of_any_type(name, dtype):
    criterion = softlab.criterion(name)
    assert criterion(Z, Y.to(dtype)) == criterion(Z, Y)
    of_numbers = softlab.mixture("mixup", classes=3, seed=0)(torch.rand(2, 1, 4, 4), Y.to(dtype))[1]
    assert torch.equal(of_numbers, softlab.mixture("mixup", classes=3, seed=0)(torch.rand(2, 1, 4, 4), Y)[1])


def test_an_ignored_label_that_became_unsigned_is_named():
    criterion = softlab.criterion("maxsup", ignore_index=-1)
    with pytest.raises(
        SoftlabError, match=r"number 255 at place 1 .* ignore_index=-1, which uint8 cannot hold: labels.long"
    ):
        criterion(Z, torch.tensor([0, -1]).to(torch.uint8))


@pytest.mark.parametrize("name", LOSSES)
def test_a_masked_class_leaves_the_loss_as_it_is_or_is_refused(name):
    """Far below the others, a class plays no part: then -inf is right; else any number would be a loss of its own."""
    criterion = made(name).eval()
    masked = torch.cat([Z, Z[:, :1] / 2, torch.full((2, 1), -torch.inf)], 1)
    far = [criterion(masked.clamp(min=low), Y) for low in (-2e4, -4e4)]
    if far[0] == far[1]:
        assert criterion(masked, Y) == far[0]
        assert criterion(masked, torch.tensor([0, 4])) == torch.inf  # the label's own class
    elif name == "label_smoothing":
        assert criterion(masked, Y) == torch.inf  # as torch has it
    else:
        with pytest.raises(SoftlabError, match=rf"{name}' takes the logits of all classes, and some are -inf: leave"):
            criterion(masked, Y)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_online_smoothing_counts_in_full_whatever_its_module_is(dtype):
    learned = []
    for kind in (torch.float32, dtype):
        criterion = softlab.criterion("online_label_smoothing", classes=3).to(kind)
        criterion.begin_epoch()
        logits = Z.repeat(500, 1).to(kind).requires_grad_()
        for rows in logits.split(10):
            criterion(rows, Y.repeat(5)).backward()
        criterion.begin_epoch()
        learned.append(criterion.state.soft)
    assert torch.allclose(learned[1].float(), learned[0], atol=1e-3 if dtype == torch.bfloat16 else 1e-6)


def learns_in_a_group(rank, place, shares):
    """One of two processes: what online smoothing knows after an epoch on its own half of the images."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    model = nn.Module()
    model.head = nn.Linear(3, 3)
    model.criterion = softlab.criterion("online_label_smoothing", classes=3)
    model.forward = lambda logits, numbers: model.criterion(model.head(logits), numbers)
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(3))
        model.head.bias.zero_()
    parallel = nn.parallel.DistributedDataParallel(model)
    model.criterion.begin_epoch()
    for _ in range(3):
        parallel(Z[rank : rank + 1], torch.tensor([0, 1])[rank : rank + 1]).backward()
    model.criterion.begin_epoch()
    shares[rank] = model.criterion.state.soft
    torch.distributed.destroy_process_group()


def test_processes_of_one_training_keep_one_state(tmp_path):
    """Each is right on one class; both learn both."""
    shares = torch.zeros(2, 3, 3).share_memory_()
    torch.multiprocessing.spawn(learns_in_a_group, (tmp_path / "meeting", shares), nprocs=2)
    expected = torch.stack([Z[0].softmax(0), Z[1].softmax(0), torch.full((3,), 1 / 3)])
    assert torch.allclose(shares[0], expected, atol=1e-6)
    assert torch.equal(shares[0], shares[1])


def test_whole_numbers_of_numpy_are_whole_numbers():
    seven = np.int64(7)
    assert softlab.criterion("online_label_smoothing", classes=seven).classes == 7
    assert softlab.criterion("baseline", ignore_index=np.int8(-1)).ignore_index == -1
    assert softlab.criterion("maxsup", alpha=np.float64(0.25)).method.alpha == 0.25
    assert softlab.Watch(nn.Linear(2, 2), [], steep=np.int32(3)).steep == 3
    ours = softlab.mixture("mixup", classes=np.int64(3), seed=seven)(torch.ones(2, 1, 4, 4), Y)
    assert torch.equal(ours[1], softlab.mixture("mixup", classes=3, seed=7)(torch.ones(2, 1, 4, 4), Y)[1])
    assert softlab.calibration.reliability(Z.softmax(1), Y, bins=seven).count.shape == (7,)
    for wrong in (True, np.bool_(True), 7.0, np.float64(7)):
        with pytest.raises(SoftlabError, match="classes must be a whole number"):
            softlab.criterion("baseline", classes=wrong)
