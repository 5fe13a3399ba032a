"""Train a generated transformer to tell where a sentence comes from: ``make train-text``.

The sentences stand in the docstrings of three packages that are here anyway: Python's own library,
torch and scikit-learn. Nothing is downloaded, and nothing of netgen is needed: the network is a
file that it has written, made with other sizes than it has by default.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import random
import re
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SOURCES = ("the standard library", "torch", "scikit-learn")
TELLING = frozenset({"torch", "pytorch", "sklearn", "scikit", "python", "tensor", "estimator"})
LENGTH = 24  # words of a sentence that are read
WORDS = 4000  # in the vocabulary; 0 is no word, 1 is any other
HELD_OUT = 0.2  # of the sentences, which are not trained on

Data = tuple[TensorDataset, TensorDataset]


def folders() -> tuple[Path, ...]:
    """Where the three packages are, in the order of `SOURCES`."""
    found = [Path(sysconfig.get_path("stdlib"))]
    for name in ("torch", "sklearn"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SystemExit(f"there is no {name} here: pip install 'torch-netgen[examples]'")
        found.append(Path(spec.origin).parent)
    return tuple(found)


def docstrings(folder: Path) -> Iterator[str]:
    """The docstrings of a package's modules, classes and functions."""
    for file in sorted(folder.rglob("*.py")):
        if {"site-packages", "test", "tests"} & {*file.relative_to(folder).parts}:
            continue
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
            text = ast.get_docstring(node) if isinstance(node, kinds) else None
            if text:
                yield text


def sentences(folder: Path, count: int) -> list[list[str]]:
    """So many different sentences of eight words and more, without words that tell the package."""
    found: dict[str, list[str]] = {}
    for text in docstrings(folder):
        for sentence in re.split(r"\.\s|\n\n", text):
            words = re.findall(r"[a-z]+", sentence.lower())
            words = [word for word in words if word not in TELLING]
            if len(words) >= 8:
                found.setdefault(" ".join(words), words)
    return random.Random(0).sample([*found.values()], min(count, len(found)))


def read(count: int) -> Data:
    """The sentences as numbers of words with their classes: to train on, and held out."""
    texts = [(words, place) for place, x in enumerate(folders()) for words in sentences(x, count)]
    random.Random(0).shuffle(texts)
    rest = int(HELD_OUT * len(texts))
    training, held_out = texts[rest:], texts[:rest]
    common = Counter(word for words, _ in training for word in words).most_common(WORDS - 2)
    numbers = {word: number for number, (word, _) in enumerate(common, 2)}
    return _dataset(training, numbers), _dataset(held_out, numbers)


def _dataset(texts: Sequence[tuple[list[str], int]], numbers: dict[str, int]) -> TensorDataset:
    tokens = torch.zeros(len(texts), LENGTH, dtype=torch.int64)
    for row, (words, _) in enumerate(texts):
        found = [numbers.get(word, 1) for word in words[:LENGTH]]
        tokens[row, : len(found)] = torch.tensor(found)
    return TensorDataset(tokens, torch.tensor([place for _, place in texts]))


def train(
    network: nn.Module, batches: DataLoader[tuple[Tensor, ...]], optimizer: torch.optim.Optimizer
) -> float:
    """Train for one epoch; gives the mean loss."""
    network.train()
    total, count = 0.0, 0
    for tokens, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(tokens, tokens == 0), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total, count = total + loss.item() * len(labels), count + len(labels)
    return total / count


@torch.no_grad()
def accuracy(network: nn.Module, batches: DataLoader[tuple[Tensor, ...]]) -> float:
    """The share of sentences whose source the network tells."""
    network.eval()
    right, count = 0, 0
    for tokens, labels in batches:
        right += int((network(tokens, tokens == 0).argmax(1) == labels).sum())
        count += len(labels)
    return right / count


def main() -> None:
    """Read the command line, train, and print a line for each epoch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where the network is")
    parser.add_argument("--sentences", type=int, default=4000, help="of each package")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    torch.manual_seed(asked.seed)
    sys.path.insert(0, str(asked.folder))
    from transformer_classifier import (  # type: ignore[import-not-found, unused-ignore]
        TransformerClassifier,
    )

    network: nn.Module = TransformerClassifier(
        vocab_size=WORDS,
        max_length=LENGTH,
        d_model=64,
        num_heads=4,
        num_layers=2,
        num_classes=len(SOURCES),
    )
    training, rest = read(asked.sentences)
    batches = DataLoader(training, batch_size=64, shuffle=True)
    held_out = DataLoader(rest, batch_size=500)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    begun = time.perf_counter()
    for epoch in range(asked.epochs):
        loss = train(network, batches, optimizer)
        share = accuracy(network, held_out)
        bar = "#" * round(40 * share)
        print(f"epoch {epoch + 1:2}  loss {loss:.4f}  held out {share:6.2%}  {bar}", flush=True)
    print(f"trained in {time.perf_counter() - begun:.0f} s: {share:.2%} of {len(rest)} sentences")


if __name__ == "__main__":
    main()
