"""What training costs beyond the bare network: python benchmarks/training_overhead.py

One epoch of the quick profile's experiment, in turns:
- the bare cost: forward, backward and optimizer step of the same network on the same batches, ready in memory;
- softlab's training, with its batches, statistics and streams, for the baseline and for the dearest method;
- an ordinary loop: a torchvision data set of PIL images, ToTensor, Normalize, a DataLoader, with and without workers.
All with one thread, the same precision and the same optimizer.
"""

import itertools

import torch
import torch.nn.functional as functional
from common import report, side_by_side
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from torchvision.transforms.functional import to_pil_image

from softlab import data, load_profile, training

EPOCHS = 40  # rounds; the first of each contestant does not count


class Pictures(Dataset):
    """An ordinary data set: PIL images, transformed one by one."""

    def __init__(self, images, labels, mean, std):
        self.images = [to_pil_image(image) for image in images]
        self.labels = labels.tolist()
        tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*tensor, v2.Normalize(mean.tolist(), std.tolist())])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def main() -> None:
    profile, dataset = load_profile("quick"), data.load("fashion-mini")
    experiment = training.resolve(profile.experiment.replace(epochs=EPOCHS + 2, snapshot_epochs=[]), "cpu")
    images, labels = training.training_set(experiment, dataset, torch.device("cpu"))
    bf16 = experiment.precision == "bf16"
    size = -(-len(images) // -(-len(images) // experiment.batch_size))  # of our nearly equal batches
    ready = [
        ((batch.float() / 255).contiguous(memory_format=torch.channels_last), targets)
        for batch, targets in zip(images.split(size), labels.split(size), strict=True)
    ]

    def new_network():
        model = training.build_model(experiment, dataset).train().to(memory_format=torch.channels_last)
        return model, training.make_optimizer(model, experiment, {})

    def step(model, optimizer, batch, targets):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(batch)
        loss = functional.cross_entropy(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    bare_network = new_network()

    def bare():
        for batch, targets in ready:
            step(*bare_network, batch, targets)

    def ours(method, **parameters):
        run = training.epochs(experiment.replace(method=method, method_parameters=parameters), dataset)
        next(run)
        return lambda: next(run)

    def loader(workers):
        network = new_network()
        network[0].mean.zero_()
        network[0].std.fill_(1)  # the transform normalises
        pictures = Pictures(images, labels, dataset.mean, dataset.std)
        batches = DataLoader(
            pictures, batch_size=size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )

        def epoch():
            right = total = 0.0
            for batch, targets in batches:
                loss = step(*network, batch.contiguous(memory_format=torch.channels_last), targets)
                total += loss.item() * len(batch)
                right += len(batch)

        return epoch

    contestants = {
        "bare forward, backward, step": bare,
        "softlab, baseline": ours("baseline"),
        "softlab, label_smoothing": ours("label_smoothing", alpha=0.1),
        "softlab, cutmix": ours("cutmix", beta=1.0),
        "softlab, maxsup": ours("maxsup", alpha=0.1),
        "DataLoader loop, no workers": loader(0),
        "DataLoader loop, two workers": loader(2),
    }
    torch.set_num_threads(experiment.threads)
    seconds = side_by_side(contestants, EPOCHS)
    setting = (
        f"{profile.description}, batches of {size}, {experiment.precision}, {experiment.threads} thread, one epoch"
    )
    report("training_overhead", next(itertools.islice(contestants, 1)), seconds, setting)


if __name__ == "__main__":
    main()
