"""What attacks cost: python benchmarks/attacks.py   (pip install foolbox; pip install --no-deps torchattacks)

Everything in turns, L∞ at 4/255, 20 steps, on 1,000 test images and a baseline network: the quick profile's, and one
thread; on a GPU a ResNet-18 that saw CIFAR images five times.
- our PGD at the peers' settings (cross-entropy, all steps), then as it is by default, then on the margin;
- torchattacks.PGD and foolbox LinfPGD, in batches of the same size;
- what none can do without: 20 times the network there and back to the images, at our batch size and layout.
"""

import copy
import statistics

import foolbox
import torch
import torch.nn.functional as functional
import torchattacks
from common import cifar_here, report, side_by_side
from torch import Tensor, nn

from softlab import fit_or_load, load_profile
from softlab.lenses.attacks import ascent, pgd
from softlab.training import loop
from softlab.training.data import load

NUMBER = 1000
EPSILON = 4 / 255
STEPS = 20
ROUNDS = 9
STEP = 2.5 * EPSILON / STEPS


def in_batches(images: Tensor, labels: Tensor):
    return zip(images.split(ascent.BATCH), labels.split(ascent.BATCH), strict=True)


def accuracy_of(model: nn.Module, found: list[Tensor], labels: Tensor) -> float:
    with torch.no_grad():
        return (model(torch.cat(found)).argmax(1) == labels).float().mean().item()


def main() -> None:
    torch.set_num_threads(1)
    device = loop.choose_device()
    profile = load_profile("quick")
    if device.type == "cuda":
        profile = load_profile("resnet18-confirm", data=cifar_here(), epochs=5)
    data = load(profile.experiment.data)
    model = fit_or_load(profile.experiments()[0]).model
    images, labels = (part[:NUMBER].to(device) for part in (data.test_images, data.test_labels))
    images = images.float() / 255
    bare = copy.deepcopy(model).requires_grad_(False).to(memory_format=torch.channels_last)
    accuracies = {}

    def there_and_back():
        for part, answers in in_batches(images, labels):
            for _ in range(STEPS):
                points = part.clone().requires_grad_()
                torch.autograd.grad(functional.cross_entropy(bare(points), answers, reduction="sum"), points)

    def forward():
        for part in images.split(ascent.BATCH):
            with torch.no_grad():
                bare(part)

    def ours(name, **options):
        def run():
            accuracies[name] = pgd(model, images, labels, EPSILON, steps=STEPS, **options).accuracy

        return run

    def with_torchattacks():
        attack = torchattacks.PGD(model, eps=EPSILON, alpha=STEP, steps=STEPS)
        found = [attack(part, answers) for part, answers in in_batches(images, labels)]
        accuracies["torchattacks.PGD"] = accuracy_of(model, found, labels)

    def with_foolbox():
        attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS)
        bounded = foolbox.PyTorchModel(model, bounds=(0, 1))
        found = [attack(bounded, *part, epsilons=EPSILON)[1] for part in in_batches(images, labels)]
        accuracies["foolbox LinfPGD"] = accuracy_of(model, found, labels)

    same = "pgd, ce, all steps"
    default = "pgd, ce"
    reference = "20 x network there and back"
    contestants = {
        reference: there_and_back,
        same: ours(same, early_stop=False),
        default: ours(default),
        "pgd, margin": ours("pgd, margin", loss="margin"),
        "torchattacks.PGD": with_torchattacks,
        "foolbox LinfPGD": with_foolbox,
        "network there, once": forward,
    }
    seconds = side_by_side(contestants, ROUNDS)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    peers = ("torchattacks.PGD", "foolbox LinfPGD")
    outside = {
        peer: statistics.median(one / base for one, base in zip(seconds[peer], seconds[same], strict=True))
        for peer in peers
    }
    # Besides its 20 steps our attack looks at the clean images once, at one batch twice, and at what it has found.
    looks = (2 + ascent.BATCH / NUMBER) * median["network there, once"]
    notes = {
        "robust accuracy": {name: round(value, 4) for name, value in accuracies.items()},
        "image-steps per second, all steps": round(NUMBER * STEPS / median[same]),
        "share of all steps spent in the network, there and back": round(median[reference] / median[same], 3),
        "share spent on logits of the images given and found": round(looks / median[same], 3),
        "target": "at least as fast as both peers, at the same settings",
        "target met": min(outside.values()) >= 1,
    }
    network = f"{profile.experiment.model} of width {profile.experiment.width}"
    size = images.shape[-1]
    setting = f"{NUMBER} images of {size} x {size}, {network}, L∞ 4/255, {STEPS} steps, 1 thread"
    report("attacks", reference, seconds, setting, notes, device)


if __name__ == "__main__":
    main()
