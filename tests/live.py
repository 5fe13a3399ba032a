# mypy: disable-error-code=no-any-return
"""Networks in plain torch, as people write them, that `netgen import` is tried on."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm


class Residual(nn.Module):
    """Two convolutions with a skip; one ReLU is called twice."""

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out_channels:
            shortcut = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """A residual network for small images."""

    def __init__(self, width: int = 8, depth: int = 2, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        blocks = [Residual(width, width) for _ in range(depth)]
        self.stages = nn.Sequential(*blocks, Residual(width, 2 * width, 2))
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(F.relu(self.stem(x)))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Block(nn.Module):
    """A pre-norm transformer block with attention by hand."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.size(-1))
        y = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(n, t, c)
        x = x + F.dropout(self.proj(y), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.norm2(x)), self.dropout, self.training)


class Transformer(nn.Module):
    """A language model with learned positions, whose head shares the table of its tokens."""

    def __init__(self, vocab: int = 50, dim: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab, dim)
        self.wpe = nn.Embedding(32, dim)
        self.h = nn.ModuleList([Block(dim, 4, dropout) for _ in range(2)])
        self.ln_f = nn.LayerNorm(dim)
        self.lm_head = nn.Linear(dim, vocab, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def double(channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions of a U-Net."""
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """A U-Net of two steps."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = double(3, 8), double(8, 16), double(16, 32)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.conv2 = double(32, 16)
        self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.conv1 = double(16, 8)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.middle(F.max_pool2d(b, 2))
        b = self.conv2(torch.cat([b, self.up2(c)], dim=1))
        a = self.conv1(torch.cat([a, self.up1(b)], dim=1))
        return self.out(a)


class Siamese(nn.Module):
    """Two inputs through one encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4))

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        a, b = self.encoder(left), self.encoder(right)
        return {"distance": (a - b).abs().sum(1), "left": a}


class Tagger(nn.Module):
    """An LSTM over words, whose state comes out, too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 8)
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.out = nn.Linear(12, 5)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        states, (h, _) = self.lstm(self.embed(words))
        return F.log_softmax(self.out(states), dim=-1), h


class Places(nn.Module):
    """Places of images and of a table, by their rows and columns."""

    rows: Tensor
    columns: Tensor

    def __init__(self, last: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.table = nn.Parameter(torch.randn(4, 6, 5))
        self.register_buffer("rows", torch.tensor([[0, 1, 2], [2, 3, 1]]))
        self.register_buffer("columns", torch.tensor([[3, 1, 0], [2, last, 4]]), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.conv(x)[:, :, self.rows, self.columns]
        return seen, x.mean((1, 2, 3))[:, None] + self.table[self.rows, self.columns].mean()


class Assigned(nn.Module):
    """Parts of a tensor are written anew."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Linear(6, 6)
        self.part = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, z = self.whole(x), self.part(x)
        y[:, :, 1:4] = z
        y[..., 0] = z[..., 1]
        y[:, -1] = self.whole(x[:, 0])
        y[:, :1, 2:5] = z.mean(1, keepdim=True)
        y[:, 1:, 2:5] = z[:, :1]
        y[:] = y + 1
        return y


class Beyond(nn.Module):
    """Of what is short, all is written anew; of what is long, the first thousand rows."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Parameter(torch.ones(6))
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        y[:, :1000] = self.row
        return y


class Reduced(nn.Module):
    """A matrix of its own, of which numbers are taken over all elements."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        w = self.weight
        same = (
            w - w.mean(),
            w.std(unbiased=False) + w,
            w.norm() + w,
            w * w.sum(),
            w.softmax(1).prod() * w,
        )
        found = w.max(), w.min(), w.amax(), (w > 0).any(), (w > 9).all(), w.argmax()
        return tuple(x * one.mean() for one in (*same, *(one * w for one in found)))


class Scaled(nn.Module):
    """Parameters and buffers of its own, arithmetic with numbers, slices."""

    scale: Tensor
    offsets: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(1e-2 * torch.ones(6))
        self.inner = nn.Module()
        self.inner.register_parameter("beta", nn.Parameter(torch.randn(6)))
        self.register_buffer("scale", torch.arange(6.0) + 1)
        self.register_buffer("offsets", torch.linspace(0, 1, 6), persistent=False)
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = 1 - self.fc(x) * self.gamma
        y = y / self.scale + 2 / (self.offsets + 1)
        y = torch.where(y > 0, y, y * 0.1) ** 2
        a, b = y[:, :2], y[:, 2:]
        y = torch.cat((b.clamp(max=3.0), a), 1)
        y *= self.inner.get_parameter("beta")
        return y.view(x.size(0), 2, 3).mean(dim=-1)[..., None].squeeze(-1)


class Standardised(nn.Module):
    """A convolution with weights of mean 0 and variance 1, and layers made in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.gain = nn.Parameter(torch.ones(4))
        self.body = nn.ModuleDict({"last": nn.Conv2d(4, 4, 1), "first": nn.Conv2d(4, 4, 1)})

    def forward(self, x: Tensor) -> Tensor:
        weight = F.batch_norm(
            self.weight.reshape(1, 4, -1), None, None, weight=self.gain, training=True
        )
        x = F.conv2d(x, weight.reshape_as(self.weight), padding="same")
        x = self.body["last"](self.body["first"](x))
        return self.head(x.mean((2, 3)))


class Critic(nn.Module):
    """Weights that are computed from others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(3, 8, 3, padding=1))
        self.out = spectral_norm(nn.Linear(8, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.leaky_relu(self.conv(x), 0.2).mean(-1))


class Halo(nn.Module):
    """Attention of blocks of an image to what is around them, with a table of distances."""

    distances: Tensor

    def __init__(self, dim: int = 8, heads: int = 2, block: int = 4, halo: int = 2) -> None:
        super().__init__()
        self.dim, self.heads, self.block, self.window = dim, heads, block, block + 2 * halo
        self.halo = halo
        self.q = nn.Conv2d(3, dim, 1)
        self.kv = nn.Conv2d(3, 2 * dim, 1)
        self.rows = nn.Parameter(torch.randn(2 * block - 1, dim // heads))
        self.table = nn.Parameter(torch.randn((2 * block - 1) ** 2))
        places = torch.stack(torch.meshgrid(*[torch.arange(block)] * 2, indexing="ij")).flatten(1)
        apart = places[:, :, None] - places[:, None] + block - 1
        distances = apart[0] * (2 * block - 1) + apart[1]
        self.register_buffer("distances", distances, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        down, across, side = height // self.block, width // self.block, self.dim // self.heads
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, stride=1)
        q = self.q(x).reshape(-1, side, down, self.block, across, self.block)
        q = q.permute(0, 1, 3, 5, 2, 4)
        q = q.reshape(n * self.heads, side, -1, down * across).transpose(1, 3)
        kv = F.pad(self.kv(x), [self.halo] * 4)
        kv = kv.unfold(2, self.window, self.block).unfold(3, self.window, self.block)
        kv = kv.reshape(n * self.heads, 2 * side, down * across, -1).permute(0, 2, 3, 1)
        k, v = kv.chunk(2, -1)
        beside = (q.reshape(-1, self.block, 1, self.block, side) @ self.rows.t())[..., : self.block]
        beside = beside.expand(-1, -1, self.block, -1, -1)
        scores = q @ k.transpose(-1, -2) + beside.reshape(n * self.heads, -1, 16, 64)
        y = self.table[self.distances] @ (F.softmax(scores, -1) @ v)
        return y.permute(0, 3, 1, 2).reshape(n, self.dim, -1)


class Branches(nn.Module):
    """A shared convolution, and a dict of several outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.heads = nn.ModuleDict({"a": nn.Conv2d(4, 2, 1), "b": nn.Conv2d(4, 3, 1)})
        self.pool = nn.AvgPool2d(2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.silu(self.shared(x)) + self.shared(self.up(self.pool(x)))
        return {name: head(x) for name, head in self.heads.items()}


class Casting(nn.Module):
    """Computes in other types than those that it reads."""

    def forward(self, x: Tensor) -> Tensor:
        mask = x > 0
        bias = torch.zeros_like(mask, dtype=torch.float32).masked_fill_(mask, 2.0)
        count = mask.sum(1, keepdim=True, dtype=torch.float32)
        return F.softmax(x, -1, dtype=torch.float32) + F.softmax(count, 0) * bias.cumsum(1)


class Positions(nn.Module):
    """Adds numbers that follow no rule; a `state_dict` may have them, or not."""

    table: Tensor

    def __init__(self, rows: int = 3_000, *, persistent: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            table = torch.randn(rows, 4)
        self.register_buffer("table", table, persistent=persistent)
        self.fc = nn.Linear(4, 4)

    def forward(self, input: Tensor, hash: Tensor) -> Tensor:
        return self.fc(input) + self.table[: input.shape[1]] * hash


class Written(nn.Module):
    """Writes into parts of a tensor, and decides by numbers: no spec can say that."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = Sorting()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).clone()
        x[:, 0] = 0
        return self.second(x)


class Sorting(nn.Module):
    """Calls what is not in the catalogue."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


class Failing(nn.Module):
    """Does not run."""

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("not today")


class Short(nn.Module):
    """Does not run, and takes no long sequences."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > 100:
            raise ValueError("too long")
        raise ValueError("not this day")


class Changing(nn.Module):
    """Does something else for other batches."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) if x.shape[0] == 2 else self.fc(x).relu()


def chain(hidden: int = 8) -> nn.Sequential:
    """A chain of layers that is no class of its own."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, hidden), nn.ReLU(), nn.Sequential(nn.Linear(hidden, 2))
    )


class Deciding(nn.Module):
    """Takes one of two ways by what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        if x.abs().sum() > 0:
            return self.fc(x)
        return x


class Undecided(nn.Module):
    """Takes another way for other numbers, and calls what no spec can say."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 2 and x.isfinite().all():
            x = x + 1
        return torch.special.bessel_j1(x)


class Kept(nn.Module):
    """A block that keeps its arguments."""

    def __init__(self, channels: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.planes = planes
        self.stride = stride
        self.conv = nn.Conv2d(channels, planes, 3, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Narrow(nn.Module):
    """Computes in float32 for a while, whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 32)
        self.last = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        far = x.float() + 100  # which takes digits from it
        return self.last((far - far.mean(-1, keepdim=True)).to(x.dtype))


class Groups(nn.GroupNorm):
    """A group norm that lost its bias, and is called by its function."""

    def __init__(self, num_groups: int, num_channels: int) -> None:
        super().__init__(num_groups, num_channels)
        self.bias = None  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class Instances(nn.InstanceNorm2d):
    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, affine=True)
        self.bias = None  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


class Unbiased(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.groups = Groups(4, 8)
        self.instances = Instances(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.instances(self.groups(self.conv(x)).relu())


class Lazy(nn.Module):
    """A layer with weights that its `forward` never reads."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.side = nn.Linear(dim, hidden)
        self.scale = nn.Parameter(torch.ones(hidden))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.relu(self.fc1(x)))


class Auxiliary(nn.Module):
    """A network with a head for training alone, and others that nothing calls."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.layers = nn.Sequential(Lazy(8, 16), Lazy(8, 12))
        head = nn.Linear(6, num_classes)
        self.aux = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), head)
        self.heads = nn.ModuleList(nn.Linear(8, num_classes) for _ in range(3))
        self.fc = nn.Linear(8, num_classes)
        self.tied = nn.Linear(8, num_classes)
        self.tied.weight = self.fc.weight

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.layers(x)
        y = self.fc(x) + self.heads[1](x)
        return (y, self.aux(x)) if self.training else y


class Gated(nn.Module):
    """Gives what the next layer reads, and what is summed up."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.gate = nn.Conv1d(width, width, 2, dilation=dilation)
        self.rest = nn.Conv1d(width, width, 1)
        self.skip = nn.Conv1d(width, width, 1)
        self.dilation = dilation

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.tanh(self.gate(F.pad(x, (self.dilation, 0))))
        return x + self.rest(y), self.skip(y)


class Skips(nn.Module):
    """Nothing reads the first of what its last layer gives."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Gated(4, 2**i) for i in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for block in self.blocks:
            x, part = block(x)
            parts.append(part)
        return sum(parts)


class Tower(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc = nn.Linear(size, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(torch.tanh(self.fc(x)), dim=-1)


class Towers(nn.Module):
    """Its modules are called like what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = Tower(8), Tower(8)
        self.scale = nn.Linear(8, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        return (self.user(user) * self.item(item)).sum(-1) + self.scale(item)[:, 0]


class Rounds(nn.Module):
    """A list that has one layer three times, and a chain that has one twice."""

    def __init__(self) -> None:
        super().__init__()
        again = Lazy(8, 6)
        self.layers = nn.ModuleList([again, Lazy(8, 4), again, again])
        tower = Tower(4)
        self.last = nn.Sequential(nn.Linear(8, 4), tower, nn.ReLU(), tower)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


class Entry(nn.Module):
    """A layer is called like the only input is in a spec."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.input(x)


class Feed(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Nested(nn.Module):
    """A list of lists of unlike layers, each with a residual connection."""

    def __init__(self, dim: int = 8, hidden: tuple[int, ...] = (16, 24, 24)) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for size in hidden:
            self.layers.append(
                nn.ModuleList([nn.LayerNorm(dim), nn.Linear(dim, dim), Feed(dim, size)])
            )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        for norm, mix, feed in (layer.children() for layer in self.layers):
            x = x + mix(norm(x))
            x = feed(x) + x
        return self.norm(x)


class Zipped(nn.Module):
    """Two lists that are read side by side, and one of which every second item is called."""

    def __init__(self, widths: tuple[int, ...] = (4, 6, 8)) -> None:
        super().__init__()
        pairs = zip((3, *widths), widths, strict=False)
        self.convs = nn.ModuleList(nn.Conv1d(a, b, 3) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in widths)
        self.pools = nn.ModuleList()
        for _ in range(3):
            self.pools.extend([nn.MaxPool1d(2), nn.Conv1d(8, 8, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        for pool in self.pools:
            x = pool(x)
        return x


class Ladder(nn.Module):
    """What comes out of one rung is read once more at the end, so the rungs have names."""

    def __init__(self) -> None:
        super().__init__()
        self.ups = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        rungs = []
        for up, norm in zip(self.ups, self.norms, strict=True):
            x = torch.tanh(norm(up(x)))
            rungs.append(x)
        return x * rungs[1]


class Waves(nn.Module):
    """Adds a table of sines and cosines, in turn or one behind the other, in one of its shapes."""

    def __init__(self, turns: bool = True, first: bool = True) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 16)
        steps = -math.log(10000.0) / (16 if turns else 14)
        angles = torch.arange(60.0)[:, None] * torch.exp(torch.arange(0, 16, 2) * steps)
        parts = [angles.sin(), angles.cos()]
        table = torch.stack(parts, 2).flatten(1) if turns else torch.cat(parts, 1)
        self.register_buffer("pe", table[None] if first else table[:, None])
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        pe = self.get_buffer("pe")
        return self.fc(x) + (pe[:, : x.shape[1]] if self.first else pe[: x.shape[1], 0])


class Biased(nn.Module):
    """Adds a table of numbers that follow no rule."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 12)
        drawn = torch.rand(9, 12, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("table", drawn, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.fc(x) + self.get_buffer("table"))


class Ranked(nn.Module):
    """Adds a table of its own making, and scales by a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(12))

    def forward(self, x: Tensor) -> Tensor:
        table = torch.tensor([0.5, 1.5, 3.0, 7.0]).repeat_interleave(3)
        return x + self.gamma * torch.tanh(x + table)


class Ranks(nn.Module):
    """Blocks with tables that have no name."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Ranked(), Ranked())

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Doubled(nn.Module):
    """A layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.out = self.fc

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.fc(x))


class Named(nn.Module):
    """Modules under several names, of its own and in its blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 4)
        self.blocks = nn.Sequential(Doubled(), Doubled(), Doubled())
        self.last = self.blocks[2]
        self.body = self.blocks

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.stem(x))


class Tables(nn.Module):
    """Three layers, of which two have one table."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(map(Biased, (1, 2, 1)))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class ScaledChain(nn.Sequential):
    """An `nn.Sequential` that does more than its layers."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 4), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x)
        return self.scale * x
