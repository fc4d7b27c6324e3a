"""What softlab costs in somebody else's training: python benchmarks/own_training.py

One thread, everything in turns:
- a criterion, forward and backward, of 1,024 logits for 1,000 classes, against torch's cross_entropy with label
  smoothing; of distributions against torch's of distributions;
- a mixture of 128 colour images of 128 x 128 against torchvision's;
- a training step of a ResNet-8 on 128 pictures of clothes, with a criterion or a mixture, against the bare step;
- the monitor on 1,000 images against one pass over them in evaluation mode.
"""

import statistics

import torch
import torch.nn.functional as functional
from common import report, side_by_side
from torchvision.transforms import v2

import softlab
from softlab import load_profile
from softlab.training import data, loop

ROUNDS = 150
STEPS = 4  # in a round
CLASSES = 1000
SAMPLES = 1024
OTHERS = ("focal", "acls", "margin_smoothing", "logit_norm", "confidence_penalty", "online_label_smoothing")
MOST = {"a loss": 1.1, "a mixture": 1.1, "a step": 1.05}  # times the peer


def target(what: str, seconds: dict[str, list[float]], peers: dict[str, str]) -> dict[str, object]:
    """What was to be reached, and whether each of these contestants has, against its peer."""
    met = all(
        statistics.median(one / base for one, base in zip(seconds[name], seconds[peer], strict=True)) <= MOST[what]
        for name, peer in peers.items()
    )
    return {"target": f"at most {MOST[what]} × the peer: {', '.join(peers)}", "target met": met}


def criteria() -> None:
    logits = torch.randn(SAMPLES, CLASSES, requires_grad=True)
    labels = torch.randint(CLASSES, (SAMPLES,))
    soft = torch.randn(SAMPLES, CLASSES).softmax(1)

    def of(loss, targets):
        def run():
            logits.grad = None
            loss(logits, targets).backward()

        return run

    def ours(name, targets=labels):
        criterion = softlab.criterion(name, classes=CLASSES)
        criterion.begin_epoch()
        return of(criterion, targets)

    peer = "torch, label smoothing"
    peer_soft = "torch, distributions"
    contestants = {
        peer: of(lambda some, targets: functional.cross_entropy(some, targets, label_smoothing=0.1), labels),
        "softlab, label_smoothing": ours("label_smoothing"),
        "softlab, maxsup": ours("maxsup"),
        **{f"softlab, {name}": ours(name) for name in OTHERS},
        peer_soft: of(functional.cross_entropy, soft),
        "softlab, baseline, distributions": ours("baseline", soft),
    }
    seconds = side_by_side(contestants, ROUNDS)
    pairs = {"softlab, label_smoothing": peer}
    setting = f"forward and backward, {SAMPLES:,} logits of {CLASSES:,} classes, fp32, 1 thread"
    report("own_criterion", peer, seconds, setting, target("a loss", seconds, pairs))


def mixtures() -> None:
    images = torch.rand(128, 3, 128, 128)
    labels = torch.randint(CLASSES, (128,))
    contestants = {}
    peers = {}
    for name, peer in (("mixup", v2.MixUp), ("cutmix", v2.CutMix)):
        theirs = peer(alpha=1.0, num_classes=CLASSES)
        ours = softlab.mixture(name, beta=1.0, classes=CLASSES)
        contestants |= {f"torchvision, {name}": lambda run=theirs: run(images, labels)}
        contestants |= {f"softlab, {name}": lambda run=ours: run(images, labels)}
        peers |= {f"softlab, {name}": f"torchvision, {name}"}
    for name, peer in peers.items():
        seconds = side_by_side({key: contestants[key] for key in (peer, name)}, ROUNDS)
        kind = name.rpartition(" ")[2]
        setting = "128 images of 3 × 128 × 128, 1,000 classes, 1 thread"
        report(f"own_mixture_{kind}", peer, seconds, setting, target("a mixture", seconds, {name: peer}))


def steps_and_monitor() -> None:
    clothes = data.load("fashion-mini")
    experiment = loop.resolve(load_profile("quick").experiment.replace(precision="fp32"), "cpu")
    images = (clothes.train_images[:128].float() / 255).contiguous(memory_format=torch.channels_last)
    labels = clothes.train_labels[:128]

    def step(loss, mix=None):
        model = loop.build_model(experiment, clothes).train().to(memory_format=torch.channels_last)
        optimizer = loop.make_optimizer(model, experiment, {})

        def run():
            for _ in range(STEPS):
                batch, targets = (images, labels) if mix is None else mix(images, labels)
                value = loss(model(batch), targets)
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()

        return run

    peer = "bare step"
    contestants = {
        peer: step(functional.cross_entropy),
        "softlab, maxsup": step(softlab.criterion("maxsup", alpha=0.1)),
        "softlab, cutmix": step(functional.cross_entropy, softlab.mixture("cutmix", classes=10)),
    }
    seconds = side_by_side(contestants, ROUNDS)
    ours = {name: peer for name in contestants if name != peer}
    setting = f"ResNet-8, batches of 128 pictures of clothes, {STEPS} steps, fp32, 1 thread"
    report("own_step", peer, seconds, setting, target("a step", seconds, ours))

    model = loop.build_model(experiment, clothes).eval().to(memory_format=torch.channels_last)
    held_out = [
        (some.contiguous(memory_format=torch.channels_last), own)
        for some, own in zip((clothes.fit_images.float() / 255).split(250), clothes.fit_labels.split(250), strict=True)
    ]

    def evaluation():
        with torch.no_grad():
            for batch, _ in held_out:
                model(batch)

    contestants = {
        "a pass in evaluation mode": evaluation,
        "softlab, Watch": softlab.Watch(model, held_out),
        "softlab, Watch without the slope": softlab.Watch(model, held_out, steep=0),
    }
    setting = f"ResNet-8, {len(clothes.fit_images):,} pictures of clothes, fp32, 1 thread"
    report("own_monitor", "a pass in evaluation mode", side_by_side(contestants, ROUNDS // 5), setting)


def main() -> None:
    torch.set_num_threads(1)
    criteria()
    mixtures()
    steps_and_monitor()


if __name__ == "__main__":
    main()
