# mypy: disable-error-code=no-any-return
"""Networks of several kinds in plain torch, whose classes `netgen import` finds again as blocks."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm


class BasicBlock(nn.Module):
    """Two convolutions and a residual connection."""

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(out)))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(out + shortcut)


class ResNet(nn.Module):
    def __init__(
        self, block: type[BasicBlock | Bottleneck], depths: list[int], num_classes: int = 10
    ) -> None:
        super().__init__()
        self.inplanes = 8
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = self.stage(block, 8, depths[0], 1)
        self.layer2 = self.stage(block, 16, depths[1], 2)
        self.fc = nn.Linear(16 * block.expansion, num_classes)

    def stage(
        self, block: type[BasicBlock | Bottleneck], planes: int, depth: int, stride: int
    ) -> nn.Sequential:
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes * block.expansion, 1, stride, bias=False),
                nn.BatchNorm2d(planes * block.expansion),
            )
        blocks = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes * block.expansion
        blocks += [block(self.inplanes, planes) for _ in range(1, depth)]
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


def basic(num_classes: int = 10) -> nn.Module:
    return ResNet(BasicBlock, [2, 3], num_classes)


def bottleneck() -> nn.Module:
    return ResNet(Bottleneck, [2, 3])


class ConvNormActivation(nn.Sequential):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU6,
    ) -> None:
        padding = (kernel_size - 1) // 2
        conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        )
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
        super().__init__(*layers, *([activation(inplace=True)] if activation else []))


class InvertedResidual(nn.Module):
    def __init__(
        self, inp: int, oup: int, stride: int, expand: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        self.use_shortcut = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(ConvNormActivation(inp, inp * expand, 1, activation=activation))
        hidden = inp * expand
        layers += [
            ConvNormActivation(hidden, hidden, 3, stride, hidden, activation),
            ConvNormActivation(hidden, oup, 1, activation=None),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_shortcut else self.conv(x)


class MobileNet(nn.Module):
    """Inverted residuals, the last ones with another activation."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        features: list[nn.Module] = [ConvNormActivation(3, 8, stride=2)]
        channels = 8
        for expand, out, depth, stride, kind in (
            (1, 8, 1, 1, nn.ReLU6),
            (4, 16, 2, 2, nn.ReLU6),
            (4, 24, 3, 2, nn.Hardswish),
        ):
            for place in range(depth):
                first = stride if place == 0 else 1
                features.append(InvertedResidual(channels, out, first, expand, kind))
                channels = out
        self.features = nn.Sequential(*features, ConvNormActivation(channels, 48, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(48, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class FeedForward(nn.Sequential):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class EncoderLayer(nn.Module):
    """Attention and a feed-forward network, each normalized before."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.ff(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, dim: int = 16, depth: int = 3, length: int = 9) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, dim)
        self.positions = nn.Parameter(torch.zeros(1, length, dim))
        self.layers = nn.ModuleList([EncoderLayer(dim, 4) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 40, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


class DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.conv(F.relu(self.norm(torch.cat(features, 1))))


class DenseBlock(nn.Module):
    def __init__(self, channels: int, num_layers: int, growth: int) -> None:
        super().__init__()
        for place in range(num_layers):
            layer = DenseLayer(channels + place * growth, growth)
            self.add_module(f"layer{place + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.children():
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block1 = DenseBlock(8, 2, 4)
        self.narrow = nn.Conv2d(16, 8, 1)
        self.block2 = DenseBlock(8, 4, 4)
        self.fc = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(F.avg_pool2d(self.narrow(self.block1(self.stem(x))), 2))
        return self.fc(x.mean((2, 3)))


class DoubleConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))))


class Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    """Skips to blocks of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = DoubleConv(3, 8)
        self.down2 = DoubleConv(8, 16)
        self.middle = DoubleConv(16, 32)
        self.up2 = Up(32, 16)
        self.up1 = Up(16, 8)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        x = self.middle(F.max_pool2d(b, 2))
        return self.head(self.up1(self.up2(x, b), a))


class Either(nn.Module):
    """A class whose instances have little in common."""

    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide
        if wide:
            self.spread = nn.Linear(8, 32)
            self.gate = nn.Linear(8, 32)
            self.back = nn.Linear(32, 8)
        else:
            self.norm = nn.LayerNorm(8)
            self.fc = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        if self.wide:
            return self.back(self.spread(x) * torch.sigmoid(self.gate(x)))
        return x + self.fc(self.norm(x))


class Nested(nn.Module):
    """A class that holds others of its own class, which no block can be."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.inner = Nested(depth - 1) if depth else None

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.fc(x))
        return x if self.inner is None else self.inner(x)


class Lender(nn.Module):
    """A buffer that blocks of a nested class read, blocks with reserved names and mappings."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.arange(8.0))
        self.nested = Nested(1)
        self.parts = nn.ModuleList([Scaled(8, 0.5), Scaled(8, 2.0)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.nested(x)
        for part in self.parts:
            x = part(mask=self.mask, x=x)
        return x


class Scaled(nn.Module):
    def __init__(self, dim: int, index: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), index))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * self.gamma + mask


class Shared(nn.Module):
    """One block that is called twice, and blocks of two kinds under one name."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Either(True)
        self.second = Either(False)
        self.third = Either(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.second(self.first(x))
        z = self.third(y)
        return y, self.second(z)


class Positions(nn.Module):
    """Adds where a word stands; the sequence comes first."""

    table: Tensor

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        places = torch.arange(longest).unsqueeze(1) / 10 ** torch.linspace(0, 4, width)
        self.register_buffer("table", places.sin().round(decimals=2).unsqueeze(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.size(0)]


class Words(nn.Module):
    """Predicts the next word, with a mask that is made of the length."""

    def __init__(self, words: int = 20, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(words, width)
        self.positions = Positions(width, 24)
        layer = nn.TransformerEncoderLayer(width, 2, 16)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.decoder = nn.Linear(width, words)

    def forward(self, words: Tensor) -> Tensor:
        length = len(words)
        mask = torch.log(torch.tril(torch.ones(length, length)))
        x = self.positions(self.embedding(words) * self.width**0.5)
        return F.log_softmax(self.decoder(self.encoder(x, mask=mask)), dim=-1)


class Product(nn.Module):
    """A linear map of rows: the samples and what is in them are one dimension in it."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight)
        return rows.view(*x.shape[:-1], -1)


class MixerLayer(nn.Module):
    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.across = Product(length, length)
        self.norm = nn.LayerNorm(width)
        self.within = Product(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(x.transpose(1, 2)).transpose(1, 2)
        return x + self.within(F.gelu(self.norm(x)))


class Mixer(nn.Module):
    """Mixes places and channels in turn."""

    numbers: Tensor

    def __init__(self, length: int = 9, width: int = 8, depth: int = 2) -> None:
        super().__init__()
        self.places = nn.Embedding(80, width)
        self.register_buffer("numbers", torch.arange(80)[None], persistent=False)
        self.layers = nn.ModuleList(MixerLayer(length, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.places(self.numbers[:, : x.shape[1]])
        for layer in self.layers:
            x = layer(x)
        return x


class Gauge(nn.Module):
    """A layer that gives a number of its own, too."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.fc(x)
        return F.relu(x), x.sum(1, keepdim=True)


class Gauged(nn.Module):
    """Layers one after the other, of which the last one's number is read."""

    def __init__(self, width: int = 8, depth: int = 3) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Gauge(width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x, number = layer(x)
        return x * number


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = self.fc(x.mean((2, 3)).view(b, c)).view(b, c, 1, 1)
        return x * (y.expand_as(x) if c > 8 else y.expand(b, c, h, w))


class Down(nn.Module):
    def __init__(self, channels: int, planes: int, squeeze: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, planes, 3, 2, 1)
        self.bn = nn.BatchNorm2d(planes)
        self.se = SqueezeExcite(planes) if squeeze else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.bn(self.conv(x)))
        return x if self.se is None else self.se(x)


class Detector(nn.Module):
    """Several heads and a feature map."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        self.stages = nn.ModuleList(Down(a, b, b != 16) for a, b in pairwise(widths))
        self.heads = nn.ModuleDict({"kind": nn.Linear(32, 7), "box": nn.Linear(32, 4)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        g = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return {
            "kind": self.heads["kind"](g),
            "box": self.heads["box"](g).sigmoid(),
            "map": maps[1],
        }


class Squares(Detector):
    pass


class Autoencoder(nn.Module):
    """Draws its code at random, in evaluation, too."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(12, 6)
        self.mean = nn.Linear(6, 3)
        self.spread = nn.Linear(6, 3)
        self.decoder = nn.Linear(3, 12)

    def code(self, mean: Tensor, spread: Tensor) -> Tensor:
        return mean + torch.randn_like(spread) * torch.exp(0.5 * spread)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = F.relu(self.encoder(x.view(-1, 12)))
        mean, spread = self.mean(h), self.spread(h)
        prior = torch.randn(x.size(0), 3)
        code = self.code(mean, spread)
        return torch.sigmoid(self.decoder(code)), mean, self.decoder(prior)


class Steps(nn.Module):
    """A cell that is called first without states, later with its own."""

    def __init__(self, hidden: int = 5) -> None:
        super().__init__()
        self.lower = nn.LSTMCell(1, hidden)
        self.upper = nn.GRUCell(hidden, hidden)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, c = self.lower(x[:, :1])
        g = self.upper(h, torch.zeros(x.size(0), 5))
        outputs = [self.fc(g)]
        for step in x[:, 1:].chunk(3, dim=1):
            h, c = self.lower(step, (h, c))
            g = self.upper(h, g)
            outputs.append(self.fc(g))
        return torch.cat(outputs, dim=1)


class Pooled(nn.Module):
    """One attention for two calls, with and without a mask."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y, _ = self.attn(x, x, x, need_weights=False)
        z, _ = self.attn(y, x, x, attn_mask=mask, need_weights=False)
        return y + z


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Pooled(8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.tril(torch.ones(x.size(1), x.size(1)))
        for block in self.blocks:
            x = block(x, mask)
        return x


class Upscaler(nn.Module):
    """Makes an image larger by pixels that are channels first."""

    def __init__(self, factor: int = 3) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 8, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(8, factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.pixel_shuffle(self.conv2(self.relu(self.conv1(x))))


class Grouped(nn.Module):
    """Attention with fewer heads for keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(16, 16)
        self.kv = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q = self.q(x).view(n, length, 4, 4).transpose(1, 2)
        k, v = self.kv(x).view(n, length, 2, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return y.transpose(1, 2).reshape(n, length, width)


class Judge(nn.Module):
    """Weights that are computed from others, in a block and beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = weight_norm(nn.Conv1d(3, 8, 3, padding=1))
        self.body = nn.Sequential(*[Bounded(8) for _ in range(2)])
        self.out = spectral_norm(nn.Linear(8, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(torch.tanh(self.stem(x))).mean(-1))


class Bounded(nn.Module):
    """A convolution whose largest singular value is 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.Conv1d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), 0.1)


class Thrifty(nn.Module):
    """Calls one ReLU wherever it needs one."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.body = nn.Sequential(nn.Linear(8, 8), self.relu, nn.Linear(8, 4), self.relu)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.relu(x))
