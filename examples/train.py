"""Train a generated network to read handwritten digits: ``make train``.

The network is the file that ``make baselines`` writes, imported like any other; nothing of netgen
is needed here. ``--data digits`` are the 1,797 digits that come with scikit-learn, scaled up from
8 by 8 pixels; ``--data mnist`` are those of torchvision, which downloads them. The loop is that of
PyTorch's MNIST example: Adadelta, with a rate that falls after each epoch.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

# the class in each generated file, and the height and width of its images
NETWORKS = {"lenet": ("LeNet", 32), "mnist": ("MNISTNet", 28)}
HELD_OUT = 0.2  # of the digits, which are not trained on
RATE, DECAY = 1.0, 0.9  # of Adadelta


def digits(size: int) -> tuple[TensorDataset, TensorDataset]:
    """The digits of scikit-learn, those that are trained on and those that are held out.

    Images are (1, size, size), from 0 to 1.
    """
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, import-not-found, unused-ignore]

    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
    images = F.interpolate(images, size=(size, size), mode="bilinear")
    labels = torch.tensor(found.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    count = int(HELD_OUT * len(order))
    training, held_out = order[count:], order[:count]
    return (
        TensorDataset(images[training], labels[training]),
        TensorDataset(images[held_out], labels[held_out]),
    )


def mnist(size: int, folder: Path) -> tuple[TensorDataset, TensorDataset]:
    """The digits of MNIST, 60,000 to train on and 10,000 that are held out, as in `digits`."""
    from torchvision.datasets import MNIST  # type: ignore[import-not-found, unused-ignore]

    parts = []
    for train in (True, False):
        found = MNIST(folder, train=train, download=True)
        images = found.data.unsqueeze(1).float() / 255
        edge = (size - images.shape[-1]) // 2
        parts.append(TensorDataset(F.pad(images, (edge,) * 4), found.targets))
    return parts[0], parts[1]


def train(
    network: nn.Module, batches: DataLoader[tuple[Tensor, ...]], optimizer: torch.optim.Optimizer
) -> float:
    """Train for one epoch; gives the mean loss."""
    network.train()
    total, count = 0.0, 0
    for images, labels in batches:
        optimizer.zero_grad()
        # of log-probabilities, which the MNIST network gives, it is the same as of logits
        loss = F.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total, count = total + loss.item() * len(labels), count + len(labels)
    return total / count


@torch.no_grad()
def accuracy(network: nn.Module, batches: DataLoader[tuple[Tensor, ...]]) -> float:
    """The share of images that the network reads right."""
    network.eval()
    right, count = 0, 0
    for images, labels in batches:
        right += int((network(images).argmax(1) == labels).sum())
        count += len(labels)
    return right / count


def main() -> None:
    """Read the command line, train, and print a line for each epoch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--network", choices=NETWORKS, default="lenet")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where its file is")
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    torch.manual_seed(asked.seed)
    sys.path.insert(0, str(asked.folder))
    name, size = NETWORKS[asked.network]
    network: nn.Module = getattr(importlib.import_module(asked.network), name)()
    data = digits(size) if asked.data == "digits" else mnist(size, asked.folder)
    training = DataLoader(data[0], batch_size=asked.batch_size, shuffle=True)
    held_out = DataLoader(data[1], batch_size=1000)

    optimizer = torch.optim.Adadelta(network.parameters(), lr=RATE)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=DECAY)
    begun = time.perf_counter()
    for epoch in range(asked.epochs):
        loss = train(network, training, optimizer)
        scheduler.step()
        share = accuracy(network, held_out)
        bar = "#" * round(40 * share)
        print(f"epoch {epoch + 1:2}  loss {loss:.4f}  held out {share:6.2%}  {bar}", flush=True)
    print(f"trained in {time.perf_counter() - begun:.0f} s: {share:.2%} of {len(data[1])} digits")


if __name__ == "__main__":
    main()
