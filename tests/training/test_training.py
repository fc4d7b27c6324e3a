"""Training: what is shared by all methods, what is recorded, resuming to the bit, and errors."""

import math
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from softlab import SoftlabError
from softlab.batches import cpu_threads, stream
from softlab.regularizers import label_smoothing_terms
from softlab.training import data, loop, models, runs
from softlab.training.sampling import flip_shift, long_tail, rank_in_tail, resampled


@pytest.fixture(scope="module")
def mini():
    return data.load("fashion-mini")


def train(experiment, dataset, **options):
    return list(loop.epochs(experiment, dataset, **options))[-1]


def weights(state):
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_experiment_gives_the_same_bits_whatever_was_drawn_before(tiny, mini):
    first = weights(train(tiny, mini))
    torch.manual_seed(99)
    torch.rand(1000)
    assert_same_bits(first, weights(train(tiny, mini)))


@pytest.mark.parametrize("steps", [None, 3])  # an epoch that ends where a pass over the images does, or within one
@pytest.mark.parametrize("method", ["baseline", "label_smoothing", "mixup", "cutmix", "maxsup"])
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_resuming_from_any_epoch_ends_with_the_same_bits(tiny, mini, method, precision, steps):
    tiny = tiny.replace(method=method, epochs=3, precision=precision, augmentation="flip_shift", steps_per_epoch=steps)
    whole = train(tiny, mini)
    for stop in (1, 2):
        for state in loop.epochs(tiny, mini):
            if state.epoch == stop:
                break
        fresh = loop.build_model(tiny, mini)
        fresh.load_state_dict(weights(state))
        momentum = {name: buffer.clone().contiguous() for name, buffer in state.averages.items()}
        again = loop.TrainingState(stop, fresh, momentum, {k: list(v) for k, v in state.history.items()})
        resumed = train(tiny, mini, resume=again)
        assert_same_bits(weights(whole), weights(resumed))
        assert resumed.history["loss"] == whole.history["loss"]


def test_all_methods_see_the_same_batches_in_the_same_order(tiny, mini, monkeypatch):
    seen = {}
    for method in ("baseline", "label_smoothing", "maxsup", "mixup"):
        batches = []

        def look(self, images, targets, generator, batches=batches):
            batches.append((images.clone(), targets.clone()))
            return images, targets

        kind = type(loop.regularizers.get(method))
        with monkeypatch.context() as patch:
            patch.setattr(kind, "transform", look)
            train(tiny.replace(method=method, augmentation="flip_shift"), mini)
        seen[method] = batches
    for batches in seen.values():
        for (images, targets), (others, other_targets) in zip(seen["baseline"], batches, strict=True):
            assert torch.equal(images, others)
            assert torch.equal(targets, other_targets)


def test_every_image_is_seen_once_an_epoch_in_batches_of_nearly_one_size(tiny, mini, monkeypatch):
    sizes = []
    kind = type(loop.regularizers.get("baseline"))
    monkeypatch.setattr(
        kind, "transform", lambda self, images, targets, generator: (sizes.append(len(images)), (images, targets))[1]
    )
    train(tiny.replace(train_size=101, batch_size=50, epochs=1), mini)
    assert sizes == [34, 34, 33]


def test_steps_count_where_an_epoch_is_so_many_of_them(tiny, mini, monkeypatch):
    drawn = []
    kind = type(loop.regularizers.get("baseline"))
    monkeypatch.setattr(
        kind, "transform", lambda self, images, targets, generator: (drawn.append(images), (images, targets))[1]
    )
    tiny = tiny.replace(train_size=100, batch_size=50)
    train(tiny.replace(epochs=2, steps_per_epoch=3), mini)
    assert [len(images) for images in drawn] == [50] * 6
    for first in (0, 2, 4):  # two steps are a pass over the images, and passes do not end where epochs do
        assert len(torch.cat(drawn[first : first + 2]).flatten(1).unique(dim=0)) == 100
    two = train(tiny.replace(epochs=1, steps_per_epoch=2), mini)
    assert_same_bits(weights(two), weights(train(tiny.replace(epochs=1), mini)))


def test_the_training_images_are_balanced_and_drawn_by_the_seed_alone(tiny, mini):
    images, labels = loop.training_set(tiny, mini, torch.device("cpu"))
    assert labels.bincount().tolist() == [10] * 10
    again, _ = loop.training_set(tiny.replace(method="mixup", epochs=1), mini, torch.device("cpu"))
    other, _ = loop.training_set(tiny.replace(seed=1), mini, torch.device("cpu"))
    assert torch.equal(images, again)
    assert not torch.equal(images, other)


def test_the_loss_falls_and_the_history_has_every_epoch(tiny, mini):
    state = train(tiny.replace(epochs=8, train_size=200), mini)
    assert set(state.history) == set(loop.HISTORY)
    assert all(len(values) == 8 and all(map(math.isfinite, values)) for values in state.history.values())
    assert state.history["loss"][-1] < 0.9 * state.history["loss"][0]
    assert state.history["accuracy"][-1] > 0.3
    assert min(state.history["regularization"]) >= 0
    assert max(state.history["error_amplification"]) <= 0


def test_batch_sums_by_hand():
    logits = torch.tensor([[2.0, 1.0, -0.5], [0.0, 1.0, 0.0]])
    targets = torch.tensor([[0.6, 0.4, 0.0], [1.0, 0.0, 0.0]])
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    sums = loop.batch_sums(torch.tensor([1.0, 2.0]), logits, targets, features)
    terms = label_smoothing_terms(logits, torch.tensor([0, 0]))
    expected = [3.0, 1.0, (5 + 2) / math.sqrt(2), terms[0].sum().item(), terms[1].sum().item()]
    assert sums.tolist() == pytest.approx(expected)


def test_the_learning_rate_rises_then_falls_to_nothing(tiny):
    linear = tiny.replace(warmup=0.2)
    assert loop.schedule(0, linear) == pytest.approx(0.1)
    assert loop.schedule(0.2, linear) == pytest.approx(1)
    assert loop.schedule(0.6, linear) == pytest.approx(0.5)
    assert loop.schedule(0.9999, linear) < 0.001
    assert loop.schedule(0.6, linear.replace(schedule="cosine")) == pytest.approx(0.5)
    assert loop.schedule(0.4, linear.replace(schedule="cosine")) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert loop.schedule(0, linear.replace(warmup=0)) == 1


def test_weight_decay_spares_biases_and_normalisations(tiny, mini):
    model = loop.build_model(tiny, mini)
    decayed, free = loop.make_optimizer(model, tiny, {}).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (tiny.weight_decay, 0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert any(parameter is model.head.bias for parameter in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_our_step_is_torchs_own_sgd_on_the_same_batches(tiny, mini):
    """The loop against the plainest way to write it: torch's SGD, no fusion, no streams but the batches' order."""
    tiny = tiny.replace(precision="fp32", epochs=1, warmup=0.0)
    ours = train(tiny, mini).model
    plain = loop.build_model(tiny, mini).train().to(memory_format=torch.channels_last)
    groups = [[p for p in plain.parameters() if p.ndim > 1], [p for p in plain.parameters() if p.ndim <= 1]]
    optimizer = torch.optim.SGD(
        [{"params": groups[0], "weight_decay": tiny.weight_decay}, {"params": groups[1]}],
        lr=0.05,
        momentum=0.9,
        nesterov=True,
    )
    images, labels = loop.training_set(tiny, mini, torch.device("cpu"))
    order = torch.randperm(100, generator=stream(0, "order", 0))
    for step, chosen in enumerate(order.split(50)):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 2)
        optimizer.zero_grad()
        batch = (images[chosen].float() / 255).contiguous(memory_format=torch.channels_last)
        torch.nn.functional.cross_entropy(plain(batch), labels[chosen]).backward()
        optimizer.step()
    for (name, one), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5), name


def test_a_step_by_hand(tiny):
    """Two images of two pixels, which are the features; a head of zeros, so that every class has p = 1/3.

    Smoothed by .3 over three classes, a target is (.8, .1, .1). The gradient is the mean of (p - target) · feature, and
    half-way through training the learning rate is .25.
    """
    plain = {"momentum": 0.0, "weight_decay": 0.0, "learning_rate": 0.5, "warmup": 0.0, "schedule": "linear"}
    method = {"method": "label_smoothing", "method_parameters": {"alpha": 0.3}}
    experiment = tiny.replace(**plain, **method, precision="fp32", augmentation="none")
    head = torch.nn.Linear(2, 3)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    model = models.Network(torch.nn.Flatten(), head, torch.zeros(1), torch.ones(1))
    training = loop.training_of(experiment, model, {}, torch.device("cpu"))
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 1, 1, 2)
    one_hot = torch.eye(3)[:2]

    outcome = loop.step(training, images, one_hot, loop.Moment(epoch=0, step=1, position=1, progress=0.5))
    assert outcome.losses.tolist() == pytest.approx([math.log(3)] * 2)
    assert outcome.logits.tolist() == [[0.0] * 3] * 2
    assert outcome.targets.flatten().tolist() == pytest.approx([0.8, 0.1, 0.1, 0.1, 0.8, 0.1])
    assert torch.equal(outcome.features, images.flatten(1))
    own = 0.25 * (0.8 - 1 / 3) / 2
    other = 0.25 * (0.1 - 1 / 3) / 2
    assert head.weight.flatten().tolist() == pytest.approx([own, other, other, own, other, other])
    assert head.bias.tolist() == pytest.approx([own + other, own + other, 2 * other])


def test_an_epoch_of_moments_by_hand(tiny):
    """Five images in batches of two at most: passes of three steps. Epochs of two steps end within a pass."""
    experiment = tiny.replace(batch_size=2, steps_per_epoch=2, epochs=3)
    steps = [pair for epoch in range(3) for pair in loop.moments(experiment, 5, epoch, torch.device("cpu"))]
    times = [(moment.epoch, moment.step, moment.position) for moment, _ in steps]
    assert times == [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 0, 4), (2, 1, 5)]
    assert [moment.progress for moment, _ in steps] == pytest.approx([position / 6 for position in range(6)])
    batches = [chosen for _, chosen in steps]
    assert [len(chosen) for chosen in batches] == [2, 2, 1, 2, 2, 1]
    first = torch.cat(batches[:3])
    second = torch.cat(batches[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == [0, 1, 2, 3, 4]
    assert not torch.equal(first, second)


def test_flip_shift_moves_and_mirrors_and_nothing_else():
    images = torch.rand(64, 3, 12, 10)
    moved = flip_shift(images, torch.Generator().manual_seed(0), reach=2)
    padded = torch.nn.functional.pad(images, (2,) * 4, mode="reflect")
    for before, after in zip(padded, moved, strict=True):
        windows = [before[:, y : y + 12, x : x + 10] for y in range(5) for x in range(5)]
        assert any(torch.equal(after, window) or torch.equal(after, window.flip(2)) for window in windows)
    assert torch.equal(moved, flip_shift(images, torch.Generator().manual_seed(0), reach=2))
    assert not torch.equal(moved, images)


def test_streams_differ_by_every_coordinate_and_repeat():
    draws = {
        tuple(torch.rand(3, generator=stream(*where)).tolist())
        for where in [
            (0, "order", 0, 0),
            (1, "order", 0, 0),
            (0, "method", 0, 0),
            (0, "order", 1, 0),
            (0, "order", 0, 1),
        ]
    }
    assert len(draws) == 5
    assert torch.equal(torch.rand(9, generator=stream(5, "order")), torch.rand(9, generator=stream(5, "order")))


def test_dropout_drops_that_share_and_keeps_the_mean(tiny, mini):
    tiny = tiny.replace(dropout=0.25)
    model = loop.build_model(tiny, mini)
    masks = torch.cat([loop.dropout_mask(100, model, tiny, 0, step, "cpu") for step in range(20)])
    assert masks.shape == (2000, 16)
    assert masks.unique().tolist() == pytest.approx([0, 4 / 3])
    assert masks.mean() == pytest.approx(1, abs=0.01)
    assert loop.dropout_mask(100, model, tiny.replace(dropout=0.0), 0, 0, "cpu") is None
    assert not torch.equal(
        weights(train(tiny, mini))["head.weight"], weights(train(tiny.replace(dropout=0.0), mini))["head.weight"]
    )


def test_a_method_that_prepares_the_network_at_random_is_repeatable(tiny, mini, monkeypatch):
    monkeypatch.setattr(loop.regularizers.base, "REGISTRY", dict(loop.regularizers.REGISTRY))

    @loop.regularizers.register("new_head")
    @dataclass(frozen=True)
    class NewHead(loop.regularizers.Regularizer):
        def prepare(self, model):
            model.head = torch.nn.Linear(16, 10)

    tiny = tiny.replace(method="new_head")
    first = weights(train(tiny, mini))
    torch.rand(7)
    assert_same_bits(first, weights(train(tiny, mini)))


def test_a_diverging_run_says_what_to_try(tiny, mini):
    message = r"diverged: \w+ of method 'baseline' \(seed 0\) became (nan|inf) in epoch .*learning_rate below 1000"
    with pytest.raises(SoftlabError, match=message):
        train(tiny.replace(learning_rate=1000, warmup=0, epochs=20), mini)


def wrong_from_the_third_step(change):
    """A method whose loss is right for two steps and then whatever `change` makes of it."""

    def loss(self, logits, targets, features, head, progress):
        right = loop.regularizers.cross_entropy(logits, targets)
        return change(right) if progress > 1.5 / 8 else right  # eight steps in all

    return loss


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda loss: loss * math.nan, r"'mine' \(seed 0\) became nan in epoch 1, step 2: try"),
        (
            lambda loss: loss.mean(),
            r"'mine', step 2: .*one number for each sample, \(125,\), not a single number.*mean",
        ),
        (lambda loss: loss[:, None], r"'mine', step 2: .*\(125,\), not \(125, 1\) of float32"),
        (lambda loss: None, r"'mine', step 2: .* not a NoneType"),
        (lambda loss: loss.detach(), r"'mine', step 2: no gradient flows"),
    ],
)
def test_a_method_with_a_wrong_loss_is_named_with_the_step(tiny, mini, monkeypatch, change, message):
    monkeypatch.setattr(loop.regularizers.base, "REGISTRY", dict(loop.regularizers.REGISTRY))
    members = {"loss": wrong_from_the_third_step(change)}
    mine = dataclass(frozen=True)(type("Mine", (loop.regularizers.Regularizer,), members))
    loop.regularizers.register("mine")(mine)
    with pytest.raises(SoftlabError, match=message):
        train(tiny.replace(method="mine", train_size=500, batch_size=128, epochs=2), mini)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            lambda images, targets: (images, targets.argmax(1)),
            r"'mine', step 0: targets must be \(\d+, 10\) of float32",
        ),
        (lambda images, targets: (images[:3], targets), r"'mine', step 0: images must be \(N, C, H, W\), not \(3, 1"),
        (lambda images, targets: (images, targets * math.nan), r"'mine' .*became nan .* step 0: its very first loss"),
    ],
)
def test_a_method_with_a_wrong_batch_is_named_with_the_step(tiny, mini, monkeypatch, returned, message):
    monkeypatch.setattr(loop.regularizers.base, "REGISTRY", dict(loop.regularizers.REGISTRY))
    members = {"transform": lambda self, images, targets, generator: returned(images, targets)}
    mine = dataclass(frozen=True)(type("Mine", (loop.regularizers.Regularizer,), members))
    loop.regularizers.register("mine")(mine)
    with pytest.raises(SoftlabError, match=message):
        train(tiny.replace(method="mine"), mini)


def test_label_noise_is_symmetric_of_the_seed_alone_and_changes_labels_only(tiny, mini):
    noisy = tiny.replace(train_size=5000, label_noise=0.4)
    images, clean = loop.training_set(noisy.replace(label_noise=0.0), mini, torch.device("cpu"))
    same_images, labels = loop.training_set(noisy, mini, torch.device("cpu"))
    again = loop.training_set(noisy.replace(method="maxsup", epochs=3), mini, torch.device("cpu"))[1]
    other = loop.training_set(noisy.replace(seed=1), mini, torch.device("cpu"))[1]
    assert torch.equal(images, same_images)
    assert torch.equal(labels, again)
    assert not torch.equal(labels, other)
    wrong = labels != clean
    assert abs(wrong.float().mean() - 0.36) < 0.02  # of the 40 % drawn anew a tenth hits the true class
    per_class = labels[wrong].bincount(minlength=10).float()
    assert ((per_class - 180).abs() < 60).all()  # 4.7 standard deviations of sqrt(180 · 0.9)


def test_label_noise_of_one_leaves_no_label_to_rely_on():
    labels = torch.zeros(9000, dtype=torch.int64)
    drawn = resampled(labels, 1.0, 3, torch.Generator().manual_seed(0))
    assert ((drawn.bincount() - 3000).abs() < 200).all()
    assert torch.equal(resampled(labels, 0.0, 3, torch.Generator()), labels)
    assert int((resampled(labels + 7, 0.5, 3, torch.Generator()) == 7).sum()) == 4500  # exactly half are drawn anew


def test_a_long_tail_by_hand():
    """Eight of each of three classes and a ratio of 4: 8, 8 / √4 = 4 and 8 / 4 = 2, from class seed mod 3 on."""
    labels = torch.arange(24) % 3
    assert labels[long_tail(labels, 4.0, 3, seed=0)].bincount().tolist() == [8, 4, 2]
    assert labels[long_tail(labels, 4.0, 3, seed=4)].bincount().tolist() == [2, 8, 4]
    assert long_tail(labels, 4.0, 3, seed=0).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 15, 18, 21]  # the first
    assert [rank_in_tail(label, 3, seed=4) for label in range(3)] == [2, 0, 1]
    sizes = [labels[long_tail(labels, 4.0, 3, seed)].bincount() for seed in range(3)]
    assert torch.stack(sizes).sum(0).tolist() == [14, 14, 14]  # over three seeds each class has each rank once


def test_where_classes_differ_in_size_the_smallest_says_how_many_the_most_frequent_has():
    labels = torch.tensor([0] * 9 + [1] * 4 + [2] * 30)
    assert labels[long_tail(labels, 4.0, 3, seed=2)].bincount().tolist() == [2, 1, 4]


def test_a_long_tail_is_of_the_seed_alone_and_of_training_images_only(tiny, mini):
    """600 images of each class and a ratio of 20: 600 · 20^(-r/9), rounded."""
    tail = tiny.replace(train_size=None, long_tail=20, seed=3)
    images, labels = loop.training_set(tail, mini, "cpu")
    assert labels.bincount().tolist() == [58, 42, 30, 600, 430, 308, 221, 158, 114, 81]
    again, _ = loop.training_set(tail.replace(method="maxsup", epochs=3), mini, "cpu")
    assert torch.equal(images, again)
    steeper, _ = loop.training_set(tail.replace(long_tail=50), mini, "cpu")
    known = {image.numpy().tobytes() for image in images}
    assert len(steeper) < len(images)
    assert all(image.numpy().tobytes() in known for image in steeper)  # a steeper tail is a part of a flatter one
    assert mini.test_labels.bincount().unique().numel() == 1


def test_a_tail_of_one_is_no_tail(tiny, mini):
    images, labels = loop.training_set(tiny.replace(long_tail=1), mini, "cpu")
    assert labels.bincount().tolist() == [10] * 10
    assert torch.equal(images, loop.training_set(tiny, mini, "cpu")[0])
    everything = loop.training_set(tiny.replace(train_size=None, long_tail=1), mini, "cpu")[0]
    assert torch.equal(everything, mini.train_images)


def test_a_class_without_images_is_named(tiny, mini):
    with pytest.raises(SoftlabError, match=r"^long_tail=50 leaves class 7 without images: .* have 10 each$"):
        loop.training_set(tiny.replace(long_tail=50), mini, "cpu")


def test_threads_are_those_of_the_experiment_and_then_as_before(tiny, mini):
    before = torch.get_num_threads()
    for _ in loop.epochs(tiny.replace(threads=before + 1), mini):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_precision_is_resolved_for_the_device(tiny, monkeypatch):
    assert loop.resolve(tiny.replace(precision="fp32"), "cpu").precision == "fp32"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert loop.resolve(tiny, "cpu").precision == "fp32"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert loop.resolve(tiny, "cpu").precision == "bf16"


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(SoftlabError, match="is no device"):
        loop.choose_device("gpu")
    with pytest.raises(SoftlabError, match="not on this machine"):
        loop.choose_device("cuda:77")


def test_a_gpu_without_room_is_one_line_with_the_batch_size_to_try(tiny, mini, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(loop, "batch_sums", full)
    with pytest.raises(SoftlabError, match=r"batch_size=50 does not fit into the memory of cpu: try batch_size=25"):
        train(tiny, mini)
    with pytest.raises(SoftlabError, match="narrower network"):
        train(tiny.replace(batch_size=1), mini)


NARROW_LOOP = """
from softlab import Experiment
from softlab.training import loop, runs
experiment = Experiment(train_size=120, width=4, stem_stride=2, epochs=6, batch_size=30, learning_rate=0.05)
for threads in (1, 2, 3, 4):
    *_, state = loop.epochs(experiment.replace(threads=threads), runs.dataset_of(experiment))
    print(state.epoch)
"""


def test_a_narrow_network_trains_on_every_processor_with_any_number_of_threads():
    """Otherwise torch 2.15 would end the process, or others' numbers would be wrong: see loop.safe_kernels."""
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    done = subprocess.run([sys.executable, "-c", NARROW_LOOP], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["6"] * 4), done.stderr


@pytest.mark.parametrize(
    ("processor", "width", "expected"),
    [
        ("AVX2", 4, [False, False, False]),
        ("AVX2", 8, [True, True, True]),
        ("AVX512", 8, [True, True, False]),
        ("AVX512", 16, [True, True, True]),
    ],
)
def test_kernels_that_write_beyond_their_memory_are_left_out(monkeypatch, processor, width, expected):
    """A ResNet's shortcuts are 1 × 1 convolutions that skip pixels, the first from as many channels as it is wide."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    network = models.build("resnet8", 10, 1, width=width)
    used = []
    for threads in (1, 2, 3):
        with cpu_threads(threads), loop.safe_kernels(network):
            used.append(torch.backends.mkldnn.enabled)
    assert used == expected


def test_kernels_are_as_before_after_training(tiny):
    assert torch.backends.mkldnn.enabled
    used = {torch.backends.mkldnn.enabled for _ in loop.epochs(tiny.replace(threads=3), runs.dataset_of(tiny))}
    assert used == {False}
    assert torch.backends.mkldnn.enabled


@pytest.mark.parametrize("processor", ["AVX2", "AVX512"])
def test_narrow_convolutions_of_other_kinds_keep_their_kernels(monkeypatch, processor):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 4, 3, stride=2))
    with cpu_threads(3), loop.safe_kernels(network):
        assert torch.backends.mkldnn.enabled
