"""A plain loop and Lightning train, with a criterion or a mixture, what softlab's own loop trains on the same batches.

Same images, same order, same draws: the losses of each step and the weights at the end agree to rounding.
"""

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import softlab
from softlab.batches import stream
from softlab.training import data, loop

METHODS = {
    "maxsup": {"alpha": 0.1, "alpha_end": 0.3},
    "online_label_smoothing": {"alpha": 0.5},
    "acls": {"alpha": 0.1},
    "label_smoothing": {"alpha": 0.1},
    "cutmix": {"beta": 1.0},
    "mixup_or_cutmix": {"alpha": 0.1},
    "regmixup": {"eta": 0.5},
}
MIXTURES = ("cutmix", "mixup_or_cutmix", "regmixup")


@pytest.fixture(scope="module")
def clothes():
    return data.load("fashion-mini")


@pytest.fixture
def experiment(tiny):
    return tiny.replace(precision="fp32")


def by_softlab(experiment, clothes):
    """Mean losses of all steps and the trained network, by softlab's own steps."""
    images, labels = loop.training_set(experiment, clothes, "cpu")
    targets = loop.targets_of(experiment, clothes, labels)
    model = loop.build_model(experiment, clothes)
    training = loop.training_of(experiment, model, {}, torch.device("cpu"))
    losses = []
    for epoch in range(experiment.epochs):
        model.train()
        training.method.begin_epoch(model)
        for moment, chosen in loop.moments(experiment, len(images), epoch, torch.device("cpu")):
            losses.append(loop.step(training, images[chosen], targets[chosen], moment).losses.mean().item())
    return losses, model


class Anybodys:
    """Network, optimizer, batches, loss and mixture, as somebody would have them who does not use softlab's loop."""

    def __init__(self, experiment, clothes):
        method = experiment.method
        plain = experiment.replace(method="baseline", method_parameters={})
        images, self.labels = loop.training_set(experiment, clothes, "cpu")
        self.images = images.float() / 255
        self.model = loop.build_model(plain, clothes).to(memory_format=torch.channels_last)
        self.optimizer = loop.make_optimizer(self.model, plain, {})
        self.experiment = plain
        given = dict(experiment.method_parameters)
        self.mix = softlab.mixture(method, classes=10, seed=0, **given) if method in MIXTURES else None
        loss = {"regmixup": method, "cutmix": "baseline", "mixup_or_cutmix": "baseline"}.get(method, method)
        own = given if loss == method else {}
        self.criterion = softlab.criterion(loss, classes=10, **own)
        self.losses = []

    def steps(self, epoch):
        """Moments and batches (images, labels)."""
        for moment, chosen in loop.moments(self.experiment, len(self.images), epoch, torch.device("cpu")):
            yield moment, self.images[chosen].contiguous(memory_format=torch.channels_last), self.labels[chosen]

    def loss(self, moment, images, labels):
        if self.mix:
            self.mix.generator = stream(self.experiment.seed, "method", moment.epoch, moment.step)
            images, labels = self.mix(images, labels)
        loss = self.criterion(self.model(images), labels, progress=moment.progress)
        self.losses.append(loss.item())
        return loss


def agree(mine, model, losses, theirs):
    assert losses == pytest.approx(mine, rel=1e-4, abs=1e-5)
    for one, other in zip(model.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_loop_trains_what_softlab_trains(method, experiment, clothes):
    experiment = experiment.replace(method=method, method_parameters=METHODS[method])
    anybodys = Anybodys(experiment, clothes)
    with loop.safe_kernels(anybodys.model):
        mine, model = by_softlab(experiment, clothes)
        for epoch in range(experiment.epochs):
            anybodys.model.train()
            anybodys.criterion.begin_epoch()
            for moment, images, labels in anybodys.steps(epoch):
                loss = anybodys.loss(moment, images, labels)
                loop.set_learning_rate(anybodys.optimizer, anybodys.experiment, moment)
                anybodys.optimizer.zero_grad()
                loss.backward()
                anybodys.optimizer.step()
    agree(mine, model, anybodys.losses, anybodys.model)


class Batches(Dataset):
    """The batches of all epochs, one after the other."""

    def __init__(self, anybodys):
        epochs = range(anybodys.experiment.epochs)
        self.batches = [batch for epoch in epochs for batch in anybodys.steps(epoch)]

    def __len__(self):
        return len(self.batches) // 2  # of an epoch

    def __getitem__(self, place):
        return place


@pytest.mark.parametrize("method", ["maxsup", "online_label_smoothing", "cutmix"])
@pytest.mark.filterwarnings("ignore")  # about loggers and workers
def test_lightning_trains_what_softlab_trains_and_the_monitor_does_not_disturb_it(method, experiment, clothes):
    lightning = pytest.importorskip("lightning", reason="Lightning is not installed")
    experiment = experiment.replace(method=method, method_parameters=METHODS[method])
    anybodys = Anybodys(experiment, clothes)
    batches = Batches(anybodys)
    held_out = [(clothes.fit_images[:200].float() / 255, clothes.fit_labels[:200])]

    class Classifier(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = anybodys.model
            self.criterion = anybodys.criterion
            self.watch = softlab.Watch(self.network, held_out, steep=50)
            self.seen = []

        def on_train_epoch_start(self):
            self.criterion.begin_epoch()

        def training_step(self, place, number):
            moment, images, labels = batches.batches[len(batches) * self.current_epoch + int(place)]
            loop.set_learning_rate(self.optimizers().optimizer, anybodys.experiment, moment)
            return anybodys.loss(moment, images, labels)

        def on_train_epoch_end(self):
            self.seen.append(self.watch())
            self.log_dict(self.seen[-1])

        def configure_optimizers(self):
            return anybodys.optimizer

    given = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", enable_model_summary=False, **given)
    with loop.safe_kernels(anybodys.model):
        mine, model = by_softlab(experiment, clothes)
        module = Classifier()
        trainer.fit(module, DataLoader(batches, batch_size=None))
    agree(mine, model, anybodys.losses, anybodys.model)
    assert len(module.seen) == 2
    assert module.seen[0] != module.seen[1]
    assert {name: float(value) for name, value in trainer.callback_metrics.items()} == pytest.approx(module.seen[1])
