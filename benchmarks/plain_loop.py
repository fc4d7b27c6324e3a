"""The ordinary way to train, as a peer: a data set of PIL images, torchvision's transforms, a DataLoader, SGD."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as functional
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from torchvision.transforms.functional import to_pil_image

from softlab.training import loop


class Pictures(Dataset):
    """PIL images, augmented (mirrored, and shifted over a black border, as usual), scaled and normalised one by one."""

    def __init__(self, images, labels, mean, std, augmentation: str):
        self.images = [to_pil_image(image) for image in images]
        self.labels = labels.tolist()
        shift = [v2.RandomCrop(images.shape[-1], padding=4)] if augmentation == "flip_shift" else []
        flip = [v2.RandomHorizontalFlip()] if augmentation in ("flip", "flip_shift") else []
        tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*shift, *flip, *tensor, v2.Normalize(mean.tolist(), std.tolist())])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def epochs(
    experiment, dataset, device: str | torch.device, workers: int, network: nn.Module | None = None
) -> Iterator[nn.Module]:
    """Train as `softlab.training.loop.epochs` does, with its network, optimizer and schedule.

    network: another one, that takes normalised images.
    Yields the network once an epoch, and before the first; it expects images that are normalised already.
    """
    experiment = loop.resolve(experiment, device)
    device = torch.device(device)
    images, labels = loop.training_set(experiment, dataset, torch.device("cpu"))
    if network is None:
        network = loop.build_model(experiment, dataset)
        network.mean.zero_()
        network.std.fill_(1)  # the transform normalises
    model = network.to(device, memory_format=torch.channels_last)
    optimizer = loop.make_optimizer(model, experiment, {})
    pictures = Pictures(images, labels, dataset.mean, dataset.std, experiment.augmentation)
    per_epoch = math.ceil(len(pictures) / experiment.batch_size)
    size = math.ceil(len(pictures) / per_epoch)  # as nearly equal as softlab's
    loading = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device.type == "cuda"}
    batches = DataLoader(pictures, batch_size=size, shuffle=True, **loading)
    yield model
    for epoch in range(experiment.epochs):
        model.train()
        total = 0.0
        for step, (batch, targets) in enumerate(batches):
            progress = (epoch * per_epoch + step) / (per_epoch * experiment.epochs)
            for group in optimizer.param_groups:
                group["lr"] = experiment.learning_rate * loop.schedule(progress, experiment)
            batch = batch.to(device, memory_format=torch.channels_last, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=experiment.precision == "bf16"):
                logits = model(batch)
            loss = functional.cross_entropy(logits.float(), targets.to(device, non_blocking=True))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        yield model
