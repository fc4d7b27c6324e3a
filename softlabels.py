"""What soft labels do to a network: two papers, one file, one minute.

    python softlabels.py --method cutmix

trains two small networks on a thousand pictures of clothes, one on hard labels,
one with a method (label_smoothing, mixup, cutmix or maxsup), and prints what it
changed; beside each number stands where such networks on record lie.

It needs torch and numpy, and fashion_mini.npz, the images, beside this file. In
a notebook, paste it into a cell; main(["--method", "cutmix"]) runs it again.

In this order: labels, a network, the loop; ECE, an attack; Mixup, CutMix; cones,
length, angle; temperature; margin and slope; MaxSup; the table, and the command.

The papers: Park et al. 2024 (arXiv 2410.03999), Zhou et al. 2025 (2502.15798).
The code: cells of a book's chapters, with the chapters' own words as comments.
tools/tangle.py writes it: to change this file, change the chapters.
"""

import argparse
import hashlib
import io
import math
import re
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# === Soft labels (notebooks/soft_labels.ipynb) ===


# Clothes in ten classes. A hard label puts all its weight on one class; a
# smoothed one gives a little to every class.
def one_hot(labels, classes):
    """Hard labels (N, K): all weight on one class."""
    return F.one_hot(labels, classes).float()


def smoothing(targets, alpha):
    """Smoothed labels (N, K): α/K for every class, the rest as before."""
    return (1 - alpha) * targets + alpha / targets.shape[1]


# The network is a ResNet with eight layers. It turns an image into a vector of
# numbers, its feature, and one linear layer, the head, turns the feature into
# ten logits, one for each class.
def conv(before, after, size, stride):
    """A convolution, with so many channels before it and after it."""
    return nn.Conv2d(before, after, size, stride, size // 2, bias=False)


class Block(nn.Module):
    """Two convolutions, and a shortcut around them."""

    def __init__(self, before, after, stride):
        super().__init__()
        around = []
        if stride > 1:
            around = [conv(before, after, 1, stride), nn.BatchNorm2d(after)]
        first = [conv(before, after, 3, stride), nn.BatchNorm2d(after)]
        second = [conv(after, after, 3, 1), nn.BatchNorm2d(after)]
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        self.shortcut = nn.Sequential(*around)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet8(channels, width):
    """Images (N, C, H, W) to features (N, 4 · width)."""
    layers = [conv(channels, width, 3, 2), nn.BatchNorm2d(width), nn.ReLU()]
    layers += [Block(width, width, 1), Block(width, 2 * width, 2)]
    layers += [Block(2 * width, 4 * width, 2)]
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return body


class Network(nn.Module):
    """Images in [0, 1] to features (N, D) to logits (N, K)."""

    def __init__(self, mean, std, classes, width=16):
        super().__init__()
        self.register_buffer("mean", mean[:, None, None])  # of each channel
        self.register_buffer("std", std[:, None, None])
        self.body = resnet8(len(mean), width)
        self.head = nn.Linear(4 * width, classes)

    def features(self, images):
        return self.body((images - self.mean) / self.std)

    def forward(self, images):
        return self.head(self.features(images))


# Two networks can be compared only if they begin alike and see the same images
# in the same order. So each purpose has a stream of random numbers of its own,
# which depends on the seed, the epoch and the step, and on nothing else.
PURPOSES = {"subset": 0, "weights": 1, "order": 2, "method": 4}  # as softlab


def stream(seed, purpose, epoch=0, step=0):
    """A generator of random numbers for this purpose alone."""
    entropy = [seed, PURPOSES[purpose], epoch, step]
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 2))


def new_network(mean, std, classes, seed=0, width=16):
    """Untrained: for one seed, all networks begin alike."""
    torch.manual_seed(stream(seed, "weights").initial_seed())
    model = Network(mean, std, classes, width)
    return model.to(memory_format=torch.channels_last)  # faster


# Each step compares what the network says with what it is told, and moves the
# weights a little. The loss is the cross-entropy between the two distributions,
# and the only place where a label enters.
def cross_entropy(logits, targets):
    """Mean over the batch.  Targets (N, K): each row a distribution."""
    return -(targets * logits.log_softmax(1)).sum(1).mean()


def optimizer_of(model, weight_decay):
    """Gradient descent with momentum; weight decay on all but biases."""
    weights = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": weights, "weight_decay": weight_decay}]
    groups += [{"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, 0.1, momentum=0.9, nesterov=True, fused=True)


def schedule(progress):
    """Learning rate: up in the first fifth of training, then down to 0."""
    return min(0.1 + 0.9 * progress / 0.2, (1 - progress) / 0.8)


def step(model, optimizer, rate, loss, images, targets):
    """One step downhill on one batch; its loss before the step."""
    value = loss(model(images), targets)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return value.item()


def unmixed(images, targets, draws):
    """The batch as it is; Mixup and CutMix will stand in its place."""
    return images, targets


def train(model, images, targets, recipe, mix=unmixed, loss=cross_entropy):
    """Train on targets (N, K); the mean loss of each epoch."""
    optimizer = optimizer_of(model.train(), recipe["weight_decay"])
    seed, epochs = recipe["seed"], recipe["epochs"]
    steps = math.ceil(len(images) / recipe["batch_size"])
    losses = []
    for epoch in range(epochs):
        shuffle = stream(seed, "order", epoch)
        order = torch.randperm(len(images), generator=shuffle)
        total = 0.0
        for n, batch in enumerate(order.tensor_split(steps)):
            draws = stream(seed, "method", epoch, n)
            shown, told = mix(images[batch], targets[batch], draws)
            progress = (epoch * steps + n) / (epochs * steps)
            rate = recipe["learning_rate"] * schedule(progress)
            value = step(model, optimizer, rate, loss, shown, told)
            total += len(batch) * value
        losses.append(total / len(images))
    return losses


# Show a network clothes that it has never seen, and ask two questions: is the
# answer right, and how sure is the network of it? Its confidence is the largest
# of its ten probabilities.
@torch.no_grad()
def predict(model, images):
    """Logits (N, K) of a network that is not in training."""
    return model.eval()(images)


# A network that is surer than it is right is overconfident; one that is less
# sure is underconfident. The expected calibration error (ECE) counts both: it
# sorts the answers by confidence into fifteen bins, and asks how far confidence
# and accuracy are apart in each of them.
def ece(logits, labels, bins=15):
    """Expected calibration error, from 0 to 1."""
    confidence, answer = logits.softmax(1).double().max(1)
    excess = confidence - (answer == labels).double()
    place = (confidence * bins).long().clamp(max=bins - 1)
    apart = [excess[place == b].sum().abs() for b in range(bins)]
    return float(sum(apart) / len(labels))


# An attack changes every pixel a little, up or down, whichever helps a wrong
# class to win; does it again; and stays within a distance ε of the image. Three
# lines in a loop are the attack called PGD. (Many attacks climb the loss
# instead; on networks with soft labels that is weaker, as the chapter on
# robustness shows.)
def attacked(model, images, labels, epsilon, steps=10):
    """Images as near as epsilon, moved so that a wrong class wins."""
    moved = images.clone()
    for _ in range(steps):
        logits = model.eval()(moved.requires_grad_())
        own = F.one_hot(labels, logits.shape[1]).bool()
        rival = logits.masked_fill(own, -math.inf).amax(1)
        lead = (rival - logits[own]).sum()
        uphill = torch.autograd.grad(lead, moved)[0].sign()
        moved = moved.detach() + epsilon / 4 * uphill
        moved = moved.clamp(images - epsilon, images + epsilon).clamp(0, 1)
    return moved


# Both mixtures pair each image with the one before it in the batch, and give
# both labels their share. Mixup lays the two over one another; CutMix cuts a
# box out of one and pastes it into the other.
def draw_share(draws, beta=1.0):
    """λ ~ Beta(β, β), from 0 to 1."""
    seed = int(torch.randint(2**62, (), generator=draws))
    torch.manual_seed(seed)  # as Beta draws from torch's own generator
    return float(torch.distributions.Beta(beta, beta).sample())


def blend(batch, share):
    """Each row and the one before it: λ x + (1 − λ) x′."""
    return share * batch + (1 - share) * batch.roll(1, 0)


def mixup(images, targets, draws):
    """Blends of images, and of their labels."""
    share = draw_share(draws)
    return blend(images, share), blend(targets, share)


def box(size, centre, share):
    """Where along one side a box lies that has 1 − λ of the area."""
    half = int(0.5 * math.sqrt(1 - share) * size)
    return slice(max(centre - half, 0), min(centre + half, size))


def cutmix(images, targets, draws):
    """A box of another image, and of its label as much as of its pixels."""
    share = draw_share(draws)
    height, width = images.shape[2:]
    columns = box(width, int(torch.randint(width, ())), share)
    rows = box(height, int(torch.randint(height, ())), share)
    mixed = images.clone()
    mixed[:, :, rows, columns] = images.roll(1, 0)[:, :, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, blend(targets, 1 - area / (height * width))


# === Cones (notebooks/cones.ipynb) ===


# How many images have the same class at a tenth of their feature's length, at
# its own length, and at ten times that? (Along the ray logits are straight
# lines, so a class that leads at both ends leads everywhere in between.)
def keeps_class(features, weight, bias):
    """(N,): is the class the same at .1, 1 and 10 times the length?"""
    near, own, far = (
        (t * features @ weight.T + bias).argmax(1) for t in (0.1, 1, 10)
    )
    return (near == own) & (own == far)


# === Length (notebooks/magnitudes.ipynb) ===


# Adding one number to all logits of an image changes no probability. So
# subtract their mean, and take the length of what is left. (The head's bias,
# which every image shares, is left out.)
def centred_logits(features, weight):
    """(N, K): what softmax sees of the logits, without the bias."""
    logits = features @ weight.T
    return logits - logits.mean(1, keepdim=True)


def typical_length(logits):
    """The geometric mean over images of the length of centred logits."""
    return float(logits.norm(dim=1).log().mean().exp())


# === Angle (notebooks/cosines.ipynb) ===


# The mean is the easiest to write down: average the features of a class's
# training images, and take the cosine between that mean and the feature of each
# new image of the class.
def class_means(features, labels):
    """(K, D): the mean of each class's features."""
    each = [features[labels == label].mean(0) for label in labels.unique()]
    return torch.stack(each)


def cosine_to_class(features, labels, directions):
    """(N,): of each feature with the direction (K, D) of its class."""
    return torch.cosine_similarity(features, directions[labels])


# A linear probe needs no centre, and no units: the linear function of the
# features that comes closest, by least squares, to the hard labels of the
# training images. How often is it right for new images?
def linear_probe(features, labels, new):
    """Classes (N,) of new features, by least squares."""
    known, new = (
        torch.nn.functional.pad(part, (0, 1), value=1.0)  # for a bias
        for part in (features, new)
    )
    hard = torch.nn.functional.one_hot(labels).float()
    return (new @ (torch.linalg.pinv(known) @ hard)).argmax(1)


# === Calibration (notebooks/calibration.ipynb) ===


# Divide all logits by one number T, the temperature. No prediction changes,
# only how sure it is. T is chosen so that the labels of held-out images,
# neither trained on nor scored, become as likely as possible, that is, so that
# NLL, the negative log-likelihood, is smallest. Written with s = 1/T, NLL is
# convex in s: its second derivative is a variance. One valley, and Newton's
# method walks into it.
def best_temperature(logits, labels):
    """Newton's method on the NLL of softmax(s · logits), from s = 0."""
    s = 0.0  # 1 / T
    for _ in range(20):
        p = (s * logits).softmax(1)
        mean = (p * logits).sum(1)
        slope = (mean - logits[range(len(labels)), labels]).mean()
        variance = ((p * logits**2).sum(1) - mean**2).mean()
        s = s - float(slope / variance)
    return 1 / s


# === Robustness (notebooks/robustness.ipynb) ===


# Under attack the lead falls along a nearly straight line, so the first push
# tells you how far away the edge is, and you need not walk there. The margin m
# = z_1 - z_2 is how far the largest logit is ahead of the second. The slope g_ε
# is how much of that lead an attack takes away per unit of its radius, as long
# as the network stays linear.
def margin_and_slope(model, images, labels, epsilon):
    """The right class's lead, and what an attack takes off it for each unit
    of epsilon as long as the model is linear: both (N,). images: in [0, 1]."""
    pixels = images.clone().requires_grad_()
    logits = model.eval()(pixels)
    right = logits.gather(1, labels[:, None])[:, 0]
    margin = right - logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    (gradient,) = torch.autograd.grad(margin.sum(), pixels)
    room = torch.where(gradient > 0, images, 1 - images).clamp(max=epsilon)
    slope = (gradient.abs() * room).flatten(1).sum(1) / epsilon
    return margin.detach(), slope


# === MaxSup (notebooks/maxsup.ipynb) ===


# Label smoothing of strength α adds α (z_y - z̄) to the cross-entropy: the true
# logit minus the mean of all K. MaxSup adds α (max_k z_k - z̄). That is all
# there is to it.
def maxsup(logits, labels, alpha):
    """The mean loss of logits (N, K): cross-entropy + α (largest − mean)."""
    loss = F.cross_entropy(logits, labels)
    ahead = logits.amax(1) - logits.mean(1)
    return loss + alpha * ahead.mean()


# === Two networks side by side ===

# Where 19 of 20 such networks lie, judged by ten of each method on record (the
# last row: by five), which were trained as here from other seeds. No probe was.
RECORD = """
                      | plain           | label_smoothing | mixup           | cutmix          | maxsup
accuracy (%)          | 77.3 to 82.7    | 77.1 to 82.4    | 78.5 to 81.9    | 80.4 to 83.8    | 77.7 to 81.6
confidence - accuracy | 9.36 to 13.2    | -10.6 to -7.03  | -3.77 to -0.841 | -4.93 to -1.27  | -10.5 to -7.43
ECE (%)               | 9.52 to 13.3    | 7.05 to 10.6    | 1.82 to 4.01    | 1.64 to 5.01    | 7.47 to 10.5
NLL at best T         | 0.544 to 0.691  | 0.617 to 0.753  | 0.584 to 0.665  | 0.496 to 0.572  | 0.638 to 0.733
length of the logits  | 12.6 to 14.2    | 3.84 to 4.09    | 5.9 to 6.47     | 5.15 to 5.64    | 3.83 to 4.09
keep class on ray (%) | 87.4 to 100     | 74.3 to 94.9    | 79.9 to 93.7    | 79.2 to 98      | 74 to 95
cosine to class mean  | 0.904 to 0.922  | 0.924 to 0.936  | 0.928 to 0.938  | 0.933 to 0.942  | 0.923 to 0.935
linear probe (%)      |                 |                 |                 |                 |
under attack (%)      | 31 to 46.9      | 27.7 to 43.9    | 21.9 to 36.9    | 42.4 to 56.9    | 26.6 to 42.7
margin / slope * 255  | 1.8 to 3.43     | 1.63 to 2.93    | 1.43 to 2.59    | 2.3 to 4.39     | 1.76 to 2.8
"""


def percent(true):
    """The mean of shares, or of what is true or not."""
    return 100 * float(true.double().mean())


def measured(model, data):
    """The numbers of the table, in its order."""
    train_images, train_labels = data["train"]
    images, labels = data["test"]
    with torch.no_grad():
        known = model.eval().features(train_images)
        features = model.features(images)
        logits = model.head(features)
    weight, bias = model.head.weight.detach(), model.head.bias.detach()
    confidence, answers = logits.softmax(1).max(1)
    accuracy = percent(answers == labels)

    held_images, held_labels = data["fit"]  # neither trained on nor scored
    T = within_bounds(predict(model, held_images), held_labels)
    means = class_means(known, train_labels)
    cosines = cosine_to_class(features, labels, means)
    probed = linear_probe(known, train_labels, features)

    few, few_labels, few_answers = images[:500], labels[:500], answers[:500]
    moved = attacked(model, few, few_labels, epsilon=4 / 255)
    survived = predict(model, moved).argmax(1) == few_labels
    # Of the network's own answers, be they right or wrong:
    margins, slopes = margin_and_slope(model, few, few_answers, 4 / 255)
    ratio = margins.clamp(min=1e-9) / slopes.clamp(min=1e-9)
    centred = centred_logits(features, weight)
    return {
        "accuracy (%)": accuracy,
        "confidence - accuracy": percent(confidence) - accuracy,
        "ECE (%)": 100 * ece(logits, labels),
        "NLL at best T": float(F.cross_entropy(logits / T, labels)),
        "length of the logits": typical_length(centred),
        "keep class on ray (%)": percent(keeps_class(features, weight, bias)),
        "cosine to class mean": float(cosines.mean()),
        "linear probe (%)": percent(probed == labels),
        "under attack (%)": percent(survived),
        "margin / slope * 255": 255 * float(ratio.log().mean().exp()),
    }


def within_bounds(logits, labels):
    """The best temperature: .01 if every answer is right, 100 if by chance."""
    if (logits.argmax(1) == labels).all():
        return 0.01  # the colder the better
    lead = logits[range(len(labels)), labels] - logits.mean(1)
    if lead.mean() <= 0:
        return 100.0  # the hotter the better
    return min(max(best_temperature(logits, labels), 0.01), 100.0)


def trained(method, alpha, recipe, data, start):
    """A network and its losses.  Here, and only here, methods differ."""
    images, labels = data["train"]
    targets = one_hot(labels, start["classes"])
    if method == "label_smoothing":
        targets = smoothing(targets, alpha)
    mix = {"mixup": mixup, "cutmix": cutmix}.get(method, unmixed)

    def loss(logits, targets):
        if method == "maxsup":
            return maxsup(logits, targets.argmax(1), alpha)
        return cross_entropy(logits, targets)

    model = new_network(**start).to(images.device)
    return model, train(model, images, targets, recipe, mix, loss)


# === Images ===

ADDRESS = ""  # the repository's; `make repository` writes it here
NPZ = "softlab/training/datasets/fashion_mini.npz"
SHA256 = "c4579273aa44799e3f1d3fbdee8a61fa0d87a54650273a5061bef7eb8ff33a78"


def embedded(folder):
    """Part -> images and labels: some of Fashion-MNIST (Xiao et al. 2017)."""
    places = folder / NPZ, folder / "fashion_mini.npz"
    path = next((path for path in places if path.is_file()), None)
    if path:
        content = path.read_bytes()
    elif ADDRESS:
        path = f"{ADDRESS}/raw/main/{NPZ}"
        content = urllib.request.urlopen(path, timeout=60).read()
    else:
        raise OSError("none here, and no address to download them from")
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise OSError(f"{path} is not the book's file")
    if path not in places:
        places[1].write_bytes(content)  # so that it is downloaded once
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays}
    parts = "train", "fit", "test"
    return {p: (tensors[f"{p}_images"], tensors[f"{p}_labels"]) for p in parts}


KINDS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff")
KINDS += (".webp",)


def in_folder(folder):
    """The same of FOLDER/train/CLASS/* and FOLDER/test/CLASS/*."""
    classes = in_order(names_in(folder / "train"))
    if other := sorted(set(classes) ^ set(names_in(folder / "test"))):
        raise ValueError(f"class {other[0]!r} is in one of train and test only")
    parts = {}
    for part in ("train", "test"):
        files, labels = [], []
        for label, name in enumerate(classes):
            inside = sorted((folder / part / name).glob("[!.]*"))
            inside = [file for file in inside if file.suffix.lower() in KINDS]
            if not inside:
                raise ValueError(f"{folder / part / name} holds no image")
            files += inside
            labels += [label] * len(inside)
        parts[part] = pixels_of(files), torch.tensor(labels)
    images, labels = parts["test"]  # a quarter of it becomes the part to fit on
    fit, test = split(labels)
    if len(fit) == 0:
        raise ValueError("four test images, two of a class, are the fewest")
    parts["fit"] = images[fit], labels[fit]
    parts["test"] = images[test], labels[test]
    return parts


def names_in(folder):
    return [path.name for path in folder.glob("[!.]*") if path.is_dir()]


def in_order(names):
    """Sorted: numbers, also behind a word in common, by their size."""
    parts = [re.fullmatch(r"(.*?)([0-9]+)", name) for name in sorted(names)]
    if all(parts) and len({part[1] for part in parts}) == 1:
        parts.sort(key=lambda part: int(part[2]))
        return [part[0] for part in parts]
    return sorted(names)


def pixels_of(files):
    """(N, C, H, W): grey if all are grey; 16 bits become 8."""
    from PIL import Image  # needed here only

    images = []
    for file in files:
        with Image.open(file) as image:
            if image.mode.startswith("I"):
                deep = np.asarray(image).astype(float)
                image = Image.fromarray(np.round(deep / 257).astype(np.uint8))
            images.append(image.convert("L" if image.mode in "1L" else "RGB"))
        if image.size != images[0].size:
            raise ValueError(f"{file} is of another size than {files[0]}")
    if {image.mode for image in images} != {"L"}:
        images = [image.convert("RGB") for image in images]
    pixels = np.stack([np.atleast_3d(np.asarray(image)) for image in images])
    return torch.from_numpy(pixels).movedim(3, 1)


def split(labels):
    """Which images to fit on, a quarter, at most 1,000, and the others.

    Both have the classes as often as they come, and none loses its only one, if few have one.
    """
    size = min(1000, len(labels) // 4)
    draws = torch.Generator().manual_seed(0)
    count = labels.bincount()
    if count.max() - count.min() <= 1:
        order = balanced(labels, len(labels), draws)
        taken = torch.arange(len(labels)) < size
    else:
        order = torch.randperm(len(labels), generator=draws)
        by_class = labels[order].argsort(stable=True)
        apart = (torch.arange(size) + 0.5) * len(labels) / size
        taken = torch.zeros(len(labels), dtype=torch.bool)
        taken[by_class[apart.long()]] = True
    spared = taken & torch.isin(labels[order], labels[order][~taken])
    taken = spared if 2 * spared.sum() >= size else taken
    return order[taken], order[~taken]


def balanced(labels, count, draws):
    """Which images to take: as many of each class as can be."""
    order = torch.randperm(len(labels), generator=draws)
    rank = torch.empty_like(order)  # of an image within its class
    for label in labels.unique():
        members = order[labels[order] == label]
        rank[members] = torch.arange(len(members))
    return order[rank[order].argsort(stable=True)][:count]


def prepared(parts, seed, device):
    """Parts with images in [0, 1], on a device; and how networks start."""
    images, labels = parts["train"]
    pixels = images.double() / 255
    std = pixels.std((0, 2, 3), correction=0).clamp(min=1e-3)
    start = {"mean": pixels.mean((0, 2, 3)).float(), "std": std.float()}
    start |= {"classes": int(labels.max()) + 1, "seed": seed}
    chosen = balanced(labels, 1000, stream(seed, "subset"))
    parts = parts | {"train": (images[chosen], labels[chosen])}
    data = {}
    for part, (images, labels) in parts.items():
        pixels = images[:3000].to(device).float() / 255
        data[part] = pixels, labels[:3000].to(device)
    return data, start


# === The command ===

RECIPE = {
    "epochs": 45,
    "batch_size": 128,
    "learning_rate": 0.1,  # its peak
    "weight_decay": 5e-4,
}


def main(arguments=None, folder=Path()):
    """arguments: of the command line (None: the command's own)."""
    options = options_of(arguments)
    try:
        parts = in_folder(options.data) if options.data else embedded(folder)
    except (ImportError, OSError, ValueError) as error:
        wanted = f"the book's {NPZ}"
        if options.data:
            wanted = "folders train/CLASS and test/CLASS of images of one size"
        place = (options.data or folder).resolve()
        sys.exit(f"no images ({error}); put into {place}: {wanted}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)  # more gain little, and round differently
    data, start = prepared(parts, options.seed, device)
    recipe = RECIPE | {"seed": options.seed, "epochs": options.epochs}
    numbers = {}
    for method in ("plain", options.method):
        began = time.perf_counter()
        model, losses = trained(method, options.alpha, recipe, data, start)
        numbers[method] = measured(model, data)
        took = f"{time.perf_counter() - began:.0f} s on {device}"
        print(f"{method}: loss {losses[0]:.3f} to {losses[-1]:.3f}, {took}")
    changed = options.data or options.alpha != 0.1 or options.epochs != 45
    show(numbers, on_record=not changed)


def options_of(arguments):
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS)  # errors: a line
    methods = "label_smoothing", "mixup", "cutmix", "maxsup"
    parser.add_argument("--method", choices=methods, default=methods[0])
    parser.add_argument("--alpha", type=float, default=0.1, help="strength")
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="train/CLASS/*, test/CLASS/*")
    options = parser.parse_args(arguments)
    if not 0 <= options.alpha <= 1 or options.epochs < 1 or options.seed < 0:
        parser.error("alpha is from 0 to 1, epochs from 1, and seed from 0")
    if options.alpha != 0.1 and options.method in ("mixup", "cutmix"):
        parser.error(f"{options.method} has no alpha")
    return options


def show(numbers, on_record):
    """The table: of each network its numbers, and those on record."""
    lines = [line.split("|") for line in RECORD.strip().splitlines()]
    header, *rows = ([cell.strip() for cell in line] for line in lines)
    print(f"\n{'':22}" + "".join(f"{name:^25}" for name in numbers))
    print(f"{'':22}" + f"{'here':>9}  {'on record':14}" * len(numbers))
    for row in rows:
        line = f"{row[0]:22}"
        for method, found in numbers.items():
            known = row[header.index(method)] if on_record else ""
            line += f"{found[row[0]]:9.3g}  {known:14}"
        print(line.rstrip())


if __name__ == "__main__":
    if "__file__" in globals():
        main(folder=Path(__file__).parent)
    else:
        main([])  # pasted into a notebook, which has no arguments for us
