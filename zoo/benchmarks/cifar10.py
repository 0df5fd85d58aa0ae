"""CIFAR-10 as JPEG files in about 1, 3 and 10 minutes of one core, beside torchvision's ResNet-18 trained as long.

Ours is `experiment=cifar10_speedrun`, with the width and the number of epochs that suit the time. Theirs is
`torchvision.models.resnet18` with the same batch size and precision, mirrored and shifted images, and a learning rate
that rises and falls with the clock, so that it is done when ours was. A row is the accuracy on the 10,000 test images.

`root` has the folder `cifar10` with `train/<class>/*.jpg` and `test/`.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18
from torchvision.transforms import v2

from zoo.benchmarks import Row
from zoo.benchmarks.mnist import train
from zoo.hardware import precision
from zoo.progress import track

SEED = 1
BATCH = 256
LR = 0.1  # the highest
RUNS = {  # overrides of ours by what the run takes on one core of an AMD EPYC with bf16
    "1 minute": ("model.widths=[16,64,64]", "epochs=6", "data.augment.small_epochs=3"),
    "3 minutes": ("model.widths=[24,96,96]", "epochs=8", "data.augment.small_epochs=4"),
    "10 minutes": ("model.widths=[48,192,192]", "epochs=7", "data.augment.small_epochs=4"),
}


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows, in fractions of the test images."""
    images, labels = _read(root / "cifar10" / "train")
    test_images, test_labels = _read(root / "cifar10" / "test")
    rows = []
    print("| time | seconds | ours | ResNet-18 | its epochs |", "|---|---|---|---|---|", sep="\n", flush=True)
    for name, overrides in RUNS.items():
        settings = ("experiment=cifar10_speedrun", f"threads={torch.get_num_threads()}", *overrides)
        ours = train(settings, root / "cifar10", SEED)
        seconds, mine = ours["train/seconds"], ours["test/accuracy"]
        network, epochs = _train_resnet(images, labels, seconds)
        theirs = _accuracy(network, test_images, test_labels)
        print(f"| {name} | {seconds:.0f} | {mine:.1%} | {theirs:.1%} | {epochs:.1f} |", flush=True)
        rows.append(Row(name, [mine], [theirs]))
    return rows


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    """uint8 (N, 3, 32, 32) and int64 (N,), of a folder for each class."""
    files = ImageFolder(str(folder), transform=v2.PILToTensor())
    images, labels = zip(*track(files, f"reading {folder}"))
    return torch.stack(images), torch.tensor(labels)


def _train_resnet(images: Tensor, labels: Tensor, seconds: float) -> tuple[nn.Module, float]:
    """A ResNet-18 after so many seconds of training, and how many epochs it saw."""
    torch.manual_seed(SEED)
    network = resnet18(num_classes=int(labels.max()) + 1).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), LR, momentum=0.9, weight_decay=5e-4, nesterov=True)
    moves = v2.RandomCrop(images.shape[-1], padding=4, padding_mode="reflect")
    start, batches, epoch = time.perf_counter(), 0, math.ceil(len(images) / BATCH)
    while (share := (time.perf_counter() - start) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = LR * min(share / 0.2, (1 - share) / 0.8)
        if batches % epoch == 0:
            order = torch.randperm(len(images)).split(BATCH)
        rows = order[batches % epoch]
        x = _normalised(moves(images[rows]))
        x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3))
        with _autocast():
            loss = functional.cross_entropy(network(x), labels[rows], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches += 1
    return network, batches / epoch


@torch.inference_mode()
def _accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Of answers that are the mean over an image and its mirror image, as ours are."""
    network.eval()
    correct = 0
    for rows in torch.arange(len(images)).split(500):
        x = _normalised(images[rows])
        with _autocast():
            correct += int(((network(x) + network(x.flip(3))).argmax(dim=1) == labels[rows]).sum())
    return correct / len(images)


def _normalised(images: Tensor) -> Tensor:
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision("auto", "cpu") == "bf16-mixed")
