"""The methods: identities of their losses, hand-computed cases, repeatable draws, and users' own methods."""

import copy
import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as functional

from softlab import Experiment, SoftlabError, dataset_of, extract, fit_or_load, regularizers
from softlab.lenses.calibration import nll
from softlab.regularizers import Regularizer, label_smoothing_terms, maxsup_loss
from softlab.regularizers.directions import KnowsClasses
from softlab.representation import head_of
from softlab.training import loop, models


@pytest.fixture
def logits():
    return 3 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def labels():
    return torch.randint(7, (200,), generator=torch.Generator().manual_seed(1))


def soft(method, logits, labels, progress=0.0):
    """Loss of each sample as training computes it."""
    one_hot = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    _, targets = method.transform(torch.zeros(len(labels), 1, 2, 2), one_hot, torch.Generator())
    return method.loss(logits, targets, logits, None, progress)


def label_smoothing_loss(logits, labels, alpha):
    return soft(regularizers.get("label_smoothing", alpha=float(alpha)), logits, labels)


def test_label_smoothing_by_hand():
    logits = torch.tensor([[math.log(2), 0.0, 0.0]], dtype=torch.float64)  # p = ½, ¼, ¼
    loss = label_smoothing_loss(logits, torch.tensor([0]), alpha=0.3)
    assert loss.item() == pytest.approx(0.8 * math.log(2) + 2 * 0.1 * math.log(4))


def test_label_smoothing_terms_by_hand():
    logits = torch.tensor([[2.0, 1.0, -0.5], [2.0, 1.0, -0.5]])
    regularization, amplification = label_smoothing_terms(logits, torch.tensor([0, 1]), alpha=0.3)
    assert regularization.tolist() == pytest.approx([0.1 * (1 + 2.5), 0.1 * 1.5])
    assert amplification.tolist() == pytest.approx([0, -0.1])


def test_label_smoothing_is_torchs_and_its_two_terms_have_their_signs(logits, labels):
    regularization, amplification = label_smoothing_terms(logits, labels, alpha=0.2)
    peer = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=0.2)
    assert torch.allclose(label_smoothing_loss(logits, labels, 0.2), peer)
    right = logits.argmax(1) == labels
    assert (amplification[right] == 0).all()
    assert (amplification[~right] < 0).all()
    assert (regularization >= 0).all()


def test_maxsup_at_a_tie_pushes_the_first_maximal_logit():
    logits = torch.tensor([[1.0, 1.0, 0.0]], requires_grad=True)
    plain = torch.autograd.grad(functional.cross_entropy(logits, torch.tensor([2])), logits)[0]
    tied = torch.autograd.grad(maxsup_loss(logits, torch.tensor([2]), 0.3).sum(), logits)[0]
    assert (tied - plain).tolist()[0] == pytest.approx([0.3 - 0.1, -0.1, -0.1])


def gradient(loss, logits):
    """Derivative (N, K) of a loss by the logits."""
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits).sum(), logits)[0]


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_both_losses_are_their_identities_in_value_and_gradient(classes, dtype):
    """Label smoothing = its two terms, MaxSup = a soft target, and the two agree on right predictions: also at ties."""
    generator = torch.Generator().manual_seed(classes)
    logits = (4 * torch.randn(300, classes, generator=generator)).round(decimals=0)  # whole numbers: many ties
    labels = torch.randint(classes, (300,), generator=generator)
    alpha = 0.25
    logits = logits.to(dtype)
    near = {"atol": {torch.float64: 1e-12, torch.float32: 1e-5}.get(dtype, 0.1), "rtol": torch.finfo(dtype).eps}
    top, true = (functional.one_hot(of, classes).double() for of in (logits.argmax(1), labels))
    target = true - alpha * (top - 1 / classes)

    def two_terms(logits):
        return regularizers.cross_entropy(logits, true.to(dtype)) + sum(label_smoothing_terms(logits, labels, alpha))

    def soft_target(logits):
        return -(target.to(dtype) * logits.log_softmax(1)).sum(1)

    def smoothing(logits):
        return label_smoothing_loss(logits, labels, alpha)

    def maxsup(logits):
        return maxsup_loss(logits, labels, alpha)

    tied = (logits == logits.amax(1, keepdim=True)).sum(1) > 1
    assert tied.any()
    for one, other in ((smoothing, two_terms), (maxsup, soft_target)):
        assert torch.allclose(one(logits), other(logits), **near)
    assert torch.allclose(gradient(maxsup, logits), gradient(soft_target, logits), **near)
    equal_to_true = logits == logits.gather(1, labels[:, None])
    alone = equal_to_true.sum(1) == 1  # where another class is level with y, both parts have a kink
    assert torch.allclose(gradient(smoothing, logits)[alone], gradient(two_terms, logits)[alone], **near)
    right = logits.argmax(1) == labels
    assert torch.allclose(maxsup(logits)[right], smoothing(logits)[right], **near)
    assert torch.allclose(gradient(maxsup, logits)[right], gradient(smoothing, logits)[right], **near)


def test_maxsup_is_the_formula_of_its_authors(logits, labels):
    formula = logits.logsumexp(1) - logits[torch.arange(200), labels] + 0.1 * (logits.max(1).values - logits.mean(1))
    assert (maxsup_loss(logits, labels, 0.1) - formula).abs().max() < 1e-6


def test_each_part_of_label_smoothing_alone_by_hand():
    """z = (2, 3.5, -1), the first true, α = .3: below it only the third, by 3; above it the second, by 1.5."""
    z = torch.tensor([[2.0, 3.5, -1.0]])
    target = torch.eye(3)[:1]
    plain = -z.log_softmax(1)[:, 0]
    pulled = soft(regularizers.get("regularization_only", alpha=0.3), z, torch.tensor([0]))
    rewarded = soft(regularizers.get("amplification_only", alpha=0.3), z, torch.tensor([0]))
    assert torch.allclose(pulled, plain + 0.1 * 3)
    assert torch.allclose(rewarded, plain - 0.1 * 1.5)
    smoothed = regularizers.cross_entropy(z, 0.7 * target + 0.1)
    assert torch.allclose(pulled + rewarded - plain, smoothed)


def test_parts_of_label_smoothing_are_bounded_below_and_vanish_where_they_should(logits, labels):
    for name in ("regularization_only", "amplification_only"):
        assert (soft(regularizers.get(name, alpha=1.0), 50 * logits, labels) >= 0).all()
    plain = regularizers.cross_entropy(logits, torch.nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype))
    right = logits.argmax(1) == labels
    alone = soft(regularizers.get("amplification_only", alpha=0.5), logits, labels)
    assert torch.equal(alone[right], plain[right])
    assert (alone[~right] < plain[~right]).all()


def test_the_gradient_of_maxsup_at_a_tie_is_a_subgradient_and_the_same_each_time():
    logits = torch.tensor([[1.0, 3.0, 3.0, 3.0, -2.0]], dtype=torch.float64)
    labels = torch.tensor([4])

    def penalty(logits):
        return maxsup_loss(logits, labels, 1.0) - regularizers.cross_entropy(
            logits, functional.one_hot(labels, 5).double()
        )

    slope = gradient(penalty, logits)
    assert all(torch.equal(slope, gradient(penalty, logits)) for _ in range(5))
    steps = torch.randn(500, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for step in steps:  # convex: it lies above the plane that a subgradient spans
        assert penalty(logits + step).item() >= (penalty(logits) + (slope * step).sum()).item() - 1e-12


@pytest.mark.parametrize("loss", [label_smoothing_loss, maxsup_loss])
def test_adding_one_number_to_all_logits_changes_nothing(logits, labels, loss):
    shift = torch.linspace(-50, 50, len(logits), dtype=logits.dtype)[:, None]
    assert torch.allclose(loss(logits + shift, labels, 0.2), loss(logits, labels, 0.2))
    for part, shifted in zip(
        label_smoothing_terms(logits, labels), label_smoothing_terms(logits + shift, labels), strict=True
    ):
        assert torch.allclose(part, shifted)


def test_confidence_penalty_by_hand():
    logits = torch.tensor([[math.log(2), 0.0, 0.0]], dtype=torch.float64)  # p = ½, ¼, ¼
    entropy = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
    loss = soft(regularizers.get("confidence_penalty", strength=0.3), logits, torch.tensor([1]))
    assert loss.item() == pytest.approx(math.log(4) - 0.3 * entropy)


def test_training_computes_the_losses_that_the_functions_define(logits, labels):
    assert torch.allclose(soft(regularizers.get("maxsup", alpha=0.2), logits, labels), maxsup_loss(logits, labels, 0.2))
    growing = regularizers.get("maxsup", alpha=0.1, alpha_end=0.3)
    assert torch.allclose(soft(growing, logits, labels, progress=0.5), maxsup_loss(logits, labels, 0.2))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_is_repeatable_and_leaves_the_global_generator_alone(name):
    images = torch.rand(16, 1, 8, 8)
    targets = torch.eye(4).repeat(4, 1)
    method = regularizers.get(name, beta=1.0)
    before = torch.get_rng_state()
    first = method.transform(images, targets, torch.Generator().manual_seed(3))
    again = method.transform(images, targets, torch.Generator().manual_seed(3))
    other = method.transform(images, targets, torch.Generator().manual_seed(4))
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(before, torch.get_rng_state())
    assert torch.allclose(first[1].sum(1), torch.ones(16))
    whole = regularizers.get(name, beta=1).transform(images, targets, torch.Generator().manual_seed(3))
    assert torch.equal(whole[0], first[0])  # torch's Beta takes no whole number, which YAML's `beta: 1` is


def test_mixup_mixes_images_and_labels_in_one_proportion():
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)  # image i is the number i, and has class i
    mixed, targets = regularizers.get("mixup").transform(images, torch.eye(4), torch.Generator().manual_seed(0))
    assert torch.allclose(mixed[:, 0, 0, 0], targets @ torch.arange(4.0), atol=1e-5)


def test_cutmix_labels_follow_the_area():
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 10, 10)
    mixed, targets = regularizers.get("cutmix").transform(images, torch.eye(4), torch.Generator().manual_seed(1))
    share = torch.stack([(mixed == label).float().mean(dim=(1, 2, 3)) for label in range(4)], dim=1)
    assert torch.allclose(share, targets, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("label_smoothing", {"alpha": 1.5}, "alpha must be a number from 0 to 1"),
        ("label_smoothing", {"alpha": -0.1}, "alpha must be"),
        ("label_smoothing", {"alpha": float("nan")}, "alpha must be"),
        ("label_smoothing", {"alpha": "0.1"}, "alpha must be"),
        ("maxsup", {"alpha_end": 2}, "alpha_end must be"),
        ("mixup", {"beta": 0}, "beta must be a number above 0"),
        ("cutmix", {"beta": -1.0}, "beta must be"),
        ("cutmix", {"beta": float("inf")}, "beta must be"),
        ("mixup_or_cutmix", {"cutmix": 1.5}, "cutmix must be a number from 0 to 1"),
        ("mixup", {"alpha": 1.0}, "unknown parameter of mixup 'alpha'"),
        ("baseline", {"alpha": 1.0}, "has no parameters"),
        ("label_relaxation", {"alpha": 1}, "alpha must be below 1"),
        ("dropout", {"share": 1}, "share must be below 1"),
        ("focal", {"gamma": 0}, "gamma must be a number above 0"),
        ("early_stopping", {"until": 2}, "until must be a number from 0 to 1"),
        ("steady", {"alpha": 2}, "alpha must be a number from 0 to 1"),  # its parent's range, with a default of its own
        ("steady", {"strength": None}, "strength must be a number above 0"),
        ("max_sup", {}, "did you mean 'maxsup'"),
    ],
)
def test_misuse_is_named(name, parameters, message):
    with pytest.raises(SoftlabError, match=message):
        regularizers.get(name, **parameters)


def test_a_method_of_ones_own(monkeypatch):
    monkeypatch.setattr(regularizers.base, "REGISTRY", dict(regularizers.REGISTRY))

    @regularizers.register("half")
    @dataclass(frozen=True)
    class Half(Regularizer):
        factor: float = 0.5

        def loss(self, logits, targets, features, head, progress):
            return self.factor * regularizers.cross_entropy(logits, targets)

    logits = torch.randn(5, 3)
    labels = torch.tensor([0, 1, 2, 0, 1])
    assert torch.allclose(
        soft(regularizers.get("half"), logits, labels), 0.5 * soft(regularizers.get("baseline"), logits, labels)
    )
    with pytest.raises(SoftlabError, match="small letters"):
        regularizers.register("../mine")
    with pytest.raises(SoftlabError, match="dataclass derived from"):
        regularizers.register("mine")(object)


@pytest.fixture
def head():
    torch.manual_seed(0)
    return torch.nn.Linear(12, 5).double()


@pytest.fixture
def features():
    return torch.randn(30, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def penalty_of(method, features, head):
    """What a method adds to cross-entropy, for the logits that this head makes of these features."""
    logits = head(features)
    targets = functional.one_hot(torch.arange(len(features)) % 5, 5).double()
    return method.loss(logits, targets, features, head, 0.0) - regularizers.cross_entropy(logits, targets)


def test_the_scale_penalty_by_hand_and_where_label_smoothing_is_content(head, features):
    alpha = 0.2
    classes = 5
    peak = torch.tensor([[math.log((1 - alpha + alpha / classes) / (alpha / classes)), 0, 0, 0, 0]]).double()
    peak.requires_grad_()  # the logits at which a smoothed label has no gradient
    (slope,) = torch.autograd.grad(label_smoothing_loss(peak, torch.tensor([0]), alpha).sum(), peak)
    assert slope.abs().max() < 1e-7
    most = (peak - peak.mean()).norm().item()
    scale = (features @ (head.weight - head.weight.mean(0)).T).norm(dim=1)
    for factor in (0.1, 10):  # below it and above
        expected = 3 * (factor * scale - most).clamp(min=0).square()
        method = regularizers.get("scale_penalty", alpha=alpha, strength=3.0)
        assert torch.allclose(penalty_of(method, factor * features, head), expected)


def test_the_cosine_penalty_sees_directions_only(head, features):
    method = regularizers.get("cosine_penalty", strength=2.0)
    with torch.no_grad():
        head.bias.zero_()
    plain = penalty_of(method, features, head)
    assert torch.allclose(plain, penalty_of(method, 7 * features, head))
    perfect = torch.linalg.pinv(head.weight) @ torch.eye(5, dtype=torch.float64)  # features whose logits are corners
    assert torch.allclose(penalty_of(method, perfect.T, head), torch.zeros(5, dtype=torch.float64), atol=1e-12)
    assert ((plain >= 0) & (plain <= 4)).all()


def test_the_unseen_penalty_is_of_what_cannot_change_a_probability(head, features):
    method = regularizers.get("unseen_penalty", strength=0.5)
    rows = head.weight - head.weight.mean(0)
    seen = features @ torch.linalg.pinv(rows) @ rows  # its projection on what softmax sees
    assert torch.allclose(penalty_of(method, features, head), 0.5 * (features - seen).square().sum(1))
    assert penalty_of(method, seen, head).abs().max() < 1e-12
    assert torch.allclose(head(seen).softmax(1), head(features).softmax(1))


def test_a_fixed_scale_cannot_vary_and_starts_with_the_same_weights():
    torch.manual_seed(0)
    plain = models.build("resnet8", 10, 1, width=4)
    torch.manual_seed(0)
    fixed = models.build("resnet8", 10, 1, width=4)
    regularizers.get("fixed_scale", scale=5.0).prepare(fixed)
    images = torch.rand(6, 1, 28, 28)
    features = fixed.eval().features(images)
    logits = fixed(images)
    expected = functional.cosine_similarity(plain.eval().features(images)[:, None], plain.head.weight[None], dim=2)
    assert torch.allclose(features.norm(dim=1), torch.full((6,), 5.0))
    assert torch.allclose(logits, 5 * expected, atol=1e-5)
    weight, bias = head_of(fixed)
    assert torch.allclose(weight.norm(dim=1), torch.ones(10))
    assert not bias.any()
    with pytest.raises(SoftlabError, match="fixed_scale takes a ResNet"):
        regularizers.get("fixed_scale").prepare(models.build("mobilenet_v2", 10, 1, width=8))


@pytest.mark.parametrize("name", ["fixed_scale", "scale_penalty", "unseen_penalty", "steady"])
def test_a_method_that_acts_on_rows_says_in_one_line_that_it_takes_a_linear_head(name):
    with pytest.raises(SoftlabError, match="takes a network with a linear head"):
        regularizers.get(name).prepare(models.build("resnet8", 10, 1, width=4, head="two_layers"))


def test_steady_moves_every_pixel_by_epsilon_at_random_and_bounds_the_scale(head, features):
    method = regularizers.get("steady", epsilon=0.1)
    images = torch.full((4, 1, 30, 30), 0.5)
    moved, targets = method.transform(images, torch.eye(4), torch.Generator().manual_seed(0))
    assert torch.allclose((moved - images).abs(), torch.full_like(images, 0.1))
    assert abs((moved > images).float().mean() - 0.5) < 0.05
    assert torch.equal(targets, torch.eye(4))
    edge, _ = method.transform(torch.zeros_like(images), torch.eye(4), torch.Generator())
    assert edge.min() == 0
    assert torch.allclose(
        penalty_of(method, features, head), penalty_of(regularizers.get("scale_penalty", alpha=0.01), features, head)
    )


def test_smoothing_over_the_other_classes_by_hand():
    targets = regularizers.get("label_smoothing_others", epsilon=0.3).transform(None, torch.eye(4), None)[1]
    assert torch.allclose(targets, torch.full((4, 4), 0.1) + 0.6 * torch.eye(4))
    usual = regularizers.get("label_smoothing", alpha=0.4).transform(None, torch.eye(4), None)[1]
    assert torch.allclose(targets, usual)  # alpha = 0.3 · 4/3


def test_online_label_smoothing_by_hand():
    """One right prediction of class 0 in the first epoch (½, ¼, ¼), a wrong one of class 1, none of class 2."""
    method = regularizers.get("online_label_smoothing", alpha=0.6)
    model = models.build("resnet8", 3, 1, width=2)
    method.prepare(model)
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [math.log(2), 0.0, 0.0]])
    targets = torch.eye(3)[:2]
    for soft in (torch.full((3, 3), 1 / 3), torch.tensor([[1 / 2, 1 / 4, 1 / 4], [1 / 3] * 3, [1 / 3] * 3])):
        method.begin_epoch(model)
        assert torch.allclose(model.head.soft, soft)
        loss = method.loss(logits, targets, None, model.head, 0.0)
        # What each class costs, -log p:
        half = math.log(2)
        quarter = math.log(4)
        for row, label, one in zip(soft[:2].tolist(), (half, quarter), loss.tolist(), strict=True):
            assert one == pytest.approx(0.4 * label + 0.6 * (row[0] * half + (row[1] + row[2]) * quarter))
    assert not any(name.startswith("head.s") for name, _ in model.named_parameters())  # buffers: nothing to train


def test_online_label_smoothing_goes_on_after_an_interruption_with_the_same_bits(tiny):
    experiment = tiny.replace(method="online_label_smoothing", precision="fp32", epochs=3)
    dataset = dataset_of(experiment)
    *_, whole = loop.epochs(experiment, dataset)
    for state in loop.epochs(experiment, dataset):
        if state.epoch == 1:
            break
    model = loop.build_model(experiment, dataset)
    model.load_state_dict(copy.deepcopy(state.model.state_dict()))
    averages = {name: value.clone() for name, value in state.averages.items()}
    *_, resumed = loop.epochs(experiment, dataset, resume=loop.TrainingState(1, model, averages, state.history))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_zipf_label_smoothing_by_hand():
    """True class 1 of four: the wrong ones rank 2, 0, 3, so Zipf gives them 6/11, 3/11, 2/11."""
    logits = torch.tensor([[1.0, 9.0, 2.0, 0.0]], dtype=torch.float64)
    method = regularizers.get("zipf_label_smoothing", strength=0.5)
    law = (3 / 11, 6 / 11, 2 / 11)
    wrong = (1.0, 2.0, 0.0)
    total = math.log(sum(math.exp(z) for z in wrong))
    expected = sum(p * (math.log(p) - (z - total)) for p, z in zip(law, wrong, strict=True))
    leaf = logits.requires_grad_()
    label = torch.tensor([1])
    loss = method.loss(leaf, functional.one_hot(label, 4).double(), None, None, 0.0)
    penalty = loss - functional.cross_entropy(leaf, label)
    assert penalty.item() == pytest.approx(0.5 * expected)
    penalty.sum().backward()
    assert leaf.grad[0, 1].item() == pytest.approx(0, abs=1e-12)  # it does not touch the true class


@pytest.mark.parametrize(
    "name",
    [
        "scale_penalty",
        "fixed_scale",
        "cosine_penalty",
        "unseen_penalty",
        "steady",
        "online_label_smoothing",
        "zipf_label_smoothing",
    ],
)
def test_interventions_train_are_stored_and_load_as_they_were(tiny, name):
    run = fit_or_load(tiny.replace(method=name, precision="fp32"))
    dataset = dataset_of(tiny)
    one = extract(run.model, dataset.test_images[:50], dataset.test_labels[:50])
    weight, bias = head_of(run.model)
    assert torch.allclose(one.features @ weight.T + bias, one.logits, atol=1e-4)
    assert math.isfinite(run.history["loss"][-1])


def loss_of(name, logits, label=0, **parameters):
    """The loss of one sample."""
    return soft(regularizers.get(name, **parameters), torch.tensor([logits]).double(), torch.tensor([label])).item()


def test_label_relaxation_by_hand():
    logits = [math.log(2), 0.0, 0.0]  # p = ½, ¼, ¼
    expected = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert loss_of("label_relaxation", logits, alpha=0.2) == pytest.approx(expected)
    assert loss_of("label_relaxation", logits, alpha=0.6) == 0  # 0.4 would have been enough
    nearest = torch.tensor([0.8, 0.1, 0.1]).double()  # the rest shared as the network shares it
    assert expected == pytest.approx((nearest * (nearest / torch.tensor([0.5, 0.25, 0.25])).log()).sum().item())


def test_margin_smoothing_by_hand():
    logits = [5.0, 1.0, 3.0]  # distances 0, 4, 2 to the largest
    plain = loss_of("baseline", logits)
    assert loss_of("margin_smoothing", logits, margin=3.0, alpha=0.6) == pytest.approx(plain + 0.6 * 1 / 3)
    assert loss_of("margin_smoothing", logits, margin=4.0) == pytest.approx(plain)


def test_acls_by_hand_and_the_top_is_not_pulled_by_the_others():
    logits = torch.tensor([[5.0, 1.0, 3.0]], requires_grad=True)
    method = regularizers.get("acls", alpha=0.5, margin=2.0)
    label = torch.tensor([0])
    added = soft(method, logits, label) - soft(regularizers.get("baseline"), logits, label)
    assert added.item() == pytest.approx(0.5 * ((5 - 2) ** 2 + 0.1 * (2**2 + 0) / 2))
    (slope,) = torch.autograd.grad(added.sum(), logits)
    assert slope[0].tolist() == pytest.approx([0.5 * 2 * 3, -0.5 * 0.1 * 2 * 2 / 2, 0])


def test_logit_norm_is_cross_entropy_at_one_length(logits, labels):
    assert loss_of("logit_norm", [3.0, 4.0], tau=0.1) == pytest.approx(math.log1p(math.exp(2)))  # (6, 8)
    method = regularizers.get("logit_norm")
    assert torch.allclose(soft(method, logits, labels), soft(method, 9 * logits, labels))


def test_focal_and_dual_focal_by_hand():
    logits = [math.log(2), 0.0, 0.0]  # p = ½, ¼, ¼
    assert loss_of("focal", logits, gamma=2.0) == pytest.approx(0.25 * math.log(2))
    assert loss_of("dual_focal", logits, gamma=2.0) == pytest.approx(0.75**2 * math.log(2))
    assert loss_of("dual_focal", logits, label=1, gamma=2.0) == pytest.approx(0.75**2 * math.log(4))  # none below


@pytest.mark.parametrize("name", ["focal", "dual_focal"])
@pytest.mark.parametrize("gamma", [1e-3, 0.5, 0.999, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("top", [17.0, 40.0, 90.0, 95.0, 104.0, 1000.0])  # p_y rounds to 1; p_j is small, tiny, 0
def test_focal_losses_have_a_gradient_of_0_where_the_prediction_is_perfect(name, gamma, top):
    logits = torch.tensor([[top, 0.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    loss = regularizers.get(name, gamma=gamma).loss(logits, targets, None, None, 0)
    loss.sum().backward()
    assert loss[0].abs() < 1e-6
    assert logits.grad[0].abs().max() < 1e-6
    assert logits.grad[1].isfinite().all()
    assert logits.grad[1, 0] < -0.1


@pytest.mark.parametrize("name", sorted({*regularizers.REGISTRY} - {"online_label_smoothing"}))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_loss_has_finite_gradients_where_predictions_are_perfect_or_wrong(name, dtype):
    head = torch.nn.Linear(4, 3)
    features = torch.ones(3, 4, requires_grad=True)
    method = regularizers.get(name)
    if isinstance(method, KnowsClasses):  # it keeps directions on the head
        method.prepare(SimpleNamespace(head=head))
    for scale in (0.0, 30.0, 1000.0):
        logits = (scale * torch.eye(3)).to(dtype).requires_grad_()
        for label in (0, 1):
            targets = functional.one_hot(torch.full((3,), label), 3).to(dtype)
            loss = method.loss(logits, targets, features, head, 0.0)
            (slope,) = torch.autograd.grad(loss.sum(), logits, allow_unused=True)
            assert loss.isfinite().all()
            assert slope is None or slope.isfinite().all()


def test_regmixup_trains_on_the_images_and_on_mixtures_of_them():
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)
    targets = torch.eye(4)
    method = regularizers.get("regmixup", eta=0.5)
    both, soft_targets = method.transform(images, targets, torch.Generator().manual_seed(0))
    assert torch.equal(both[:4], images)
    assert torch.equal(soft_targets[:4], targets)
    assert torch.allclose(both[4:, 0, 0, 0], soft_targets[4:] @ torch.arange(4.0), atol=1e-5)
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    loss = regularizers.cross_entropy(logits, soft_targets)
    expected = loss[:4].mean() + 0.5 * loss[4:].mean()
    assert torch.allclose(method.loss(logits, soft_targets, logits, None, 0.0).mean(), expected)


def mixture_of_four(cutmix, alpha, seed):
    """Images and targets of Mixup or CutMix, of which image i is the number i and has class i."""
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 10, 10)
    method = regularizers.get("mixup_or_cutmix", alpha=alpha, cutmix=cutmix)
    return method.transform(images, torch.eye(4), torch.Generator().manual_seed(seed))


def is_cut(images):
    """Do images hold whole pixels of one image or another, no blends?"""
    return bool((images == images.round()).all())


def test_labels_of_both_images_are_smoothed_by_hand():
    """λ of one image and 1 - λ of the other: (1 - α) λ + α/4, (1 - α)(1 - λ) + α/4, and α/4 for the two others."""
    images, targets = mixture_of_four(cutmix=0.0, alpha=0.2, seed=0)
    blend = images[0, 0, 0, 0].item()  # of image 0 and, as torchvision rolls the batch by one, image 3: 3 (1 - λ)
    share = 1 - blend / 3
    expected = [0.8 * share + 0.05, 0.05, 0.05, 0.8 * (1 - share) + 0.05]
    assert targets[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(4))


@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_without_smoothing_labels_follow_what_is_in_the_image(cutmix):
    images, targets = mixture_of_four(cutmix=cutmix, alpha=0.0, seed=1)
    assert is_cut(images) == bool(cutmix)
    assert torch.allclose(images.mean(dim=(1, 2, 3)), targets @ torch.arange(4.0), atol=1e-5)


def test_smoothing_comes_beside_the_mixture_and_changes_no_image():
    for seed in range(5):
        images, targets = mixture_of_four(cutmix=0.5, alpha=0.0, seed=seed)
        same, softer = mixture_of_four(cutmix=0.5, alpha=0.1, seed=seed)
        assert torch.equal(images, same)
        assert torch.allclose(softer, 0.9 * targets + 0.025)  # to smooth before mixing is to smooth after it


def test_a_batch_in_two_is_cut_and_the_other_blended():
    cuts = sum(is_cut(mixture_of_four(cutmix=0.5, alpha=0.1, seed=seed)[0]) for seed in range(400))
    assert 160 < cuts < 240  # 200 ± 4 standard deviations of 10


def test_feature_mixup_mixes_features_and_labels_in_one_proportion():
    features = torch.arange(4.0)[:, None].expand(4, 6)
    mixed, targets = regularizers.get("feature_mixup").hidden(features, torch.eye(4), torch.Generator().manual_seed(0))
    assert torch.allclose(mixed[:, 0], targets @ torch.arange(4.0), atol=1e-5)
    assert not torch.equal(targets, torch.eye(4))


def test_dropout_drops_a_share_and_keeps_the_mean():
    features = torch.ones(400, 50)
    kept, targets = regularizers.get("dropout", share=0.25).hidden(features, torch.eye(400), torch.Generator())
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(targets, torch.eye(400))


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("uniform_noise", 0.1 / math.sqrt(3)), ("gaussian_noise", 0.1), ("sign_noise", 0.1)],
)
def test_noise_has_its_deviation_and_leaves_images_images(name, deviation):
    method = regularizers.get(name, **{"sigma" if name == "gaussian_noise" else "epsilon": 0.1})
    images = torch.full((4, 1, 60, 60), 0.5)
    moved, targets = method.transform(images, torch.eye(4), torch.Generator().manual_seed(0))
    assert (moved - images).std().item() == pytest.approx(deviation, rel=0.03)
    assert torch.equal(targets, torch.eye(4))
    edge, _ = method.transform(torch.zeros_like(images), torch.eye(4), torch.Generator())
    assert edge.min() == 0


@pytest.mark.parametrize("name", ["regmixup", "feature_mixup", "dropout"])
def test_what_happens_between_features_and_head_ends_in_the_same_bits_when_resumed(tiny, name):
    experiment = tiny.replace(method=name, precision="fp32")
    dataset = dataset_of(experiment)
    *_, whole = loop.epochs(experiment, dataset)
    states = loop.epochs(experiment, dataset)
    next(states)
    half = copy.deepcopy(next(states))
    *_, resumed = loop.epochs(experiment, dataset, resume=half)
    assert torch.equal(whole.model.head.weight, resumed.model.head.weight)
    assert whole.history["loss"] == resumed.history["loss"]


def test_a_method_may_bring_its_own_weight_decay(tmp_path):
    """What it gives is the baseline's network at that decay: the same bits."""
    short = Experiment(train_size=200, epochs=1, width=4, stem_stride=2)
    own = short.replace(method="weight_decay", method_parameters={"weight_decay": 0.01})
    runs = [fit_or_load(one, store=tmp_path) for one in (own, short.replace(weight_decay=0.01), short)]
    weights = [run.model.head.weight for run in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_early_stopping_keeps_the_snapshot_that_fits_best(tmp_path):
    """Snapshots are the baseline's, and the best of them is kept."""
    noisy = Experiment(train_size=200, epochs=16, width=8, stem_stride=2, label_noise=0.6, snapshot_epochs=(0, 4, 16))
    run, plain = (fit_or_load(noisy.replace(method=name), store=tmp_path) for name in ("early_stopping", "baseline"))
    fit = dataset_of(noisy).fit_images, dataset_of(noisy).fit_labels
    losses = {epoch: nll(extract(plain.snapshot(epoch), *fit).logits, fit[1]) for epoch in (4, 16)}
    best = min(losses, key=losses.__getitem__)
    assert run.provenance["kept_epoch"] == best
    assert torch.equal(run.model.head.weight, plain.snapshot(best).head.weight)
    early = noisy.replace(method="early_stopping", method_parameters={"until": 0.5})
    assert fit_or_load(early, store=tmp_path).provenance["kept_epoch"] == 4
    with pytest.raises(SoftlabError, match="chooses among snapshots"):
        fit_or_load(noisy.replace(method="early_stopping", snapshot_epochs=(0,)), store=tmp_path)
