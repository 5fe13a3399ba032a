# mypy: disable-error-code=no-any-return
"""Networks with calls that no spec can say, in classes that may be kept as they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """Writes into a part of a tensor; its list must be one."""

    def __init__(self, dim: int, shifts: list[int], scale: float = 1.0) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, dim)
        self.shifts = shifts.copy()
        self.scale = scale

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = torch.tanh(self.proj(torch.roll(x, self.shifts[0], 1))) * self.scale
        y[..., 0] = self.shifts[1]
        return y if mask is None else y * mask


class Block(nn.Module):
    def __init__(self, dim: int, shifts: list[int], scale: float = 1.0) -> None:
        super().__init__()
        self.gate = Gate(dim, shifts, scale)
        self.fc = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x + self.gate(x))


class Conv2d(nn.Module):
    """A class with the name of another one."""

    def __init__(self, dim: int, *, last: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.weight
        y[..., -1] = self.last
        return y


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(4, [0, 1]), Block(4, [2, 0], 0.5), Block(4, [1, 1]))
        self.last = Conv2d(4, last=2)
        self.head = nn.Sequential(nn.ReLU(), Conv2d(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(x)
        return self.head(self.last(x))


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        class Inner(Gate):
            pass

        self.inner = Inner(4, [1, 2])

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Opened(nn.Module):
    """Calls a part of a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(4, [1, 2])

    def forward(self, x: Tensor) -> Tensor:
        return self.gate.proj(self.gate(x))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * 2
        y[..., 0] = 1
        return x, y


class Pairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        x, y = self.pair(x)
        return x + y


class Paired(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pairs = Pairs()

    def forward(self, x: Tensor) -> Tensor:
        return self.pairs(x)


class Wrapper(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wrapper = Wrapper(nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.wrapper(x)


class Cut(nn.Module):
    def forward(self, x: Tensor, size: int) -> Tensor:
        y = x[:, :size] * 1
        y[..., 0] = 1
        return y


class Sized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cut = Cut()

    def forward(self, x: Tensor) -> Tensor:
        return self.cut(x, 3)


class Marked(nn.Module):
    """Keeps what it is made with."""

    def __init__(self, dim: int, mark: float, *, bias: bool = True) -> None:
        super().__init__()
        self.dim = dim
        self.mark = mark
        self.fc = nn.Linear(dim, dim, bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        y[..., 0] = self.mark
        return y


class Marking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Marked(4, 1.0)
        self.second = Marked(4, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


class Unmarked(nn.Module):
    """Its layer has no bias, which nothing tells afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.only = Marked(4, 1.0, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.only(x) * 2


class Deep(nn.Module):
    """What it does can't be said, whatever its arguments are; or with more layers alone."""

    def __init__(self, depth: int = 2, num_classes: int = 3, most: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(depth))
        self.head = nn.Linear(4, num_classes)
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        if len(self.layers) > self.most:
            x[..., 0] = 1
        return self.head(x)


class Shallow(Deep):
    def __init__(self, depth: int = 2) -> None:
        super().__init__(depth, most=2)
