# mypy: disable-error-code=no-any-return
"""Networks in plain torch whose constructors take sizes that a user changes."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, channels: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.shortcut = None
        if stride != 1 or channels != planes:
            self.shortcut = nn.Conv2d(channels, planes, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.conv1(x).relu())
        return (out + (x if self.shortcut is None else self.shortcut(x))).relu()


class Sized(nn.Module):
    def __init__(self, width: int = 6, depth: int = 2, num_classes: int = 10) -> None:
        super().__init__()
        wide = 2 * width
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.layer1 = nn.Sequential(*(Residual(width, width) for _ in range(depth)))
        self.down = Residual(width, wide, 2)
        self.fc = nn.Linear(wide, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.down(self.layer1(self.stem(x))).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return x + self.attn(y, y, y, need_weights=False)[0]


class Heads(nn.Module):
    """Takes only widths that its heads divide."""

    def __init__(self, dim: int = 12, num_layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(5, dim)
        self.layers = nn.ModuleList(Attention(dim, heads) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return x


class Rounded(nn.Module):
    """The hidden width goes in steps of four, which two values do not show."""

    def __init__(self, width: int = 8, num_classes: int = 3) -> None:
        super().__init__()
        self.hidden = nn.Linear(5, (width + 3) // 4 * 4)
        self.last = nn.Linear((width + 3) // 4 * 4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.hidden(x).relu())
