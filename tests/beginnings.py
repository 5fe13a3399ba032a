# mypy: disable-error-code=no-any-return
"""Networks in plain torch that give their weights first values of many kinds."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import init


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))


class Convolutions(nn.Module):
    """By types, but for norms that end a branch and the first convolution."""

    def __init__(self, num_classes: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3)
        self.body = nn.Sequential(Residual(32), Residual(32))
        self.fc = nn.Linear(32, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.out_features)
                init.uniform_(module.weight, -bound, bound)
                init.zeros_(module.bias)
            elif isinstance(module, Residual):
                init.constant_(module.bn2.weight, 0.1)
        init.xavier_uniform_(self.stem.weight, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(self.stem(x)).mean((2, 3)))


def truncated(x: Tensor, std: float, a: float = -2.0, b: float = 2.0) -> None:
    """As libraries had it before torch did."""
    low, high = math.erf(a / std / math.sqrt(2)), math.erf(b / std / math.sqrt(2))
    with torch.no_grad():
        x.uniform_(low, high).erfinv_().mul_(std * math.sqrt(2)).clamp_(min=a, max=b)


class Layer(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(0.01 * torch.ones(dim))
        self.shift = nn.Parameter(0.5 * torch.randn(dim, dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * (self.proj(x) @ self.shift)


class Words(nn.Module):
    """By arithmetic that the network does itself, in copies, and through `data`."""

    def __init__(self, dim: int = 48) -> None:
        super().__init__()
        self.embed = nn.Embedding(90, dim)
        first = Layer(dim)
        truncated(first.proj.weight, 0.3, -0.6, 0.6)
        first.proj.bias.data.zero_()
        self.layers = nn.Sequential(*(copy.deepcopy(first) for _ in range(3)))
        self.head = nn.Linear(dim, 60)
        self.embed.weight.data.normal_(mean=0.0, std=0.02)
        self.head.weight.data.uniform_(-1, 1).div_(4).add_(0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layers(self.embed(tokens)))


class Formulas(nn.Module):
    """By formulas that `torch.nn.init` has, in numbers: another one for each layer."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *range(12, 30, 2)]
        pairs = pairwise(widths)
        self.body = nn.Sequential(*(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs))
        self.fc = nn.Linear(28, 50)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data.normal_(0, math.sqrt(2 / (9 * module.out_channels)))
        bound = math.sqrt(6 / 78)
        self.fc.weight.data.uniform_(-bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x).mean((2, 3)))


class Unseen(nn.Module):
    """By what no function of `torch.nn.init` does: one row is nought, one weight is sorted."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(70, 40)
        self.mix = nn.Linear(40, 50)
        self.fc = nn.Linear(50, 30)
        init.normal_(self.embed.weight, std=0.3)
        with torch.no_grad():
            self.embed.weight[0].zero_()
            self.mix.weight.copy_(self.mix.weight.sort().values)
        init.normal_(self.fc.weight, std=0.3)
        init.zeros_(self.fc.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(self.mix(self.embed(tokens)))


class Usual(nn.Module):
    """As torch's own layers begin."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(70, 16)
        self.lstm = nn.LSTM(16, 16, batch_first=True)
        self.attn = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.act = nn.PReLU()
        self.fc = nn.Linear(16, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.lstm(self.embed(tokens))
        return self.fc(self.act(self.norm(x + self.attn(x, x, x, need_weights=False)[0])))
