"""`Pad` and `Crop` to the sizes of another tensor, against what torch does with written numbers."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_netgen.layers import OPERATIONS
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import Refusal
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType
from torch_netgen.pipeline import build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse

from .conftest import SPECS


def padded(x: Tensor, to: Tensor, a: dict[str, Any]) -> Tensor:
    """The tensor padded with the numbers that a person works out."""
    numbers = [0] * (2 * x.dim())
    for dim in a["dims"]:
        more = to.size(dim) - x.size(dim)
        if more < 0:
            raise ValueError
        before = more if a.get("side") == "start" else more // 2
        place = x.dim() - 1 - dim % x.dim()
        numbers[2 * place : 2 * place + 2] = before, more - before
    used = x.dim() - min(dim % x.dim() for dim in a["dims"])
    return F.pad(x, numbers[: 2 * used], a.get("mode", "constant"), a.get("value"))


def cropped(x: Tensor, to: Tensor, a: dict[str, Any]) -> Tensor:
    for dim in a["dims"]:
        less = x.size(dim) - to.size(dim)
        if less < 0:
            raise ValueError
        x = x.narrow(dim, less // 2, to.size(dim))
    return x


@pytest.mark.parametrize(("name", "real"), [("Pad", padded), ("Crop", cropped)])
def test_sizes_of_another_tensor_agree_with_torch(name: str, real: Any) -> None:
    draws, verdicts = random.Random(name), []
    for _ in range(300):
        shape = [draws.randint(1, 6) for _ in range(draws.randint(1, 4))]
        sign = 1 if name == "Pad" else -1
        near = [max(size + sign * draws.choice((0, 1, 2, 3, -1)), 1) for size in shape]
        near = near if draws.random() < 0.9 else [3] * draws.randint(1, 4)
        last = draws.randint(1, 2)
        dims = draws.choice(([*range(-last, 0)], draws.sample(range(-2, 4), draws.randint(1, 2))))
        a: dict[str, Any] = {"dims": dims}
        if name == "Pad":
            a |= {"side": draws.choice(("both", "start"))}
            a |= {"mode": draws.choice(("constant", "constant", "reflect", "replicate"))}
        dtype = draws.choice(("float32", "float32", "int64", "bool"))
        checked = read_arguments(OPERATIONS[name], a)
        assert isinstance(checked, dict)
        x, to = (torch.ones(size).to(getattr(torch, dtype)) for size in (shape, near))
        try:
            if len({dim % len(shape) for dim in dims}) < len(dims):
                raise ValueError  # torch knows no names of dimensions to repeat
            y = real(x, to, a)
            theirs: Any = tuple(y.shape), str(y.dtype)
        except (RuntimeError, IndexError, ValueError, NotImplementedError):
            theirs = None
        types = [TensorType((*size,), dtype, None) for size in (shape, near)]
        try:
            (found,) = apply(
                OPERATIONS[name], checked, types[:1], {"to": types[1]}
            ).outputs.values()
            ours: Any = (*map(int, found.shape),), f"torch.{found.dtype}"
        except Refusal:
            ours = None
        assert ours == theirs, (a, shape, near, dtype)
        verdicts.append(ours is not None)
    assert 80 < sum(verdicts) < 260


def test_every_size_gives_what_is_written_by_hand() -> None:
    (path,) = (path for path in SPECS if path.stem == "edges")
    network: Any = build_source(read(path), {}, None).module_class(width=4, kernel=2)
    levels = torch.randn(2, 4, 9)
    for height, width, length in ((4, 5, 5), (7, 6, 9), (11, 13, 17)):
        x, steps = torch.randn(2, 3, height, width), torch.randn(2, 4, length)
        high = network.high(x)
        middle = network.middle(F.max_pool2d(high, 2))
        y = F.max_pool2d(middle, 2)
        for block, skip in ((network.up1, middle), (network.up2, high)):
            up = padded(block.deconv1(y), skip, {"dims": [2, 3]})
            y = torch.relu(block.conv1(torch.cat([skip, up], dim=1)))
        y = network.valid(y)
        y = y + cropped(high, y, {"dims": [2, 3]})
        late = padded(network.causal(steps), steps, {"dims": [2], "side": "start"}) + steps
        few = F.adaptive_avg_pool1d(late, 4)
        odd = padded(few, levels, {"dims": [2], "mode": "reflect"}) + levels
        found = network(x, levels, steps)
        torch.testing.assert_close(found["image"], y.mean((2, 3)))
        torch.testing.assert_close(found["steps"], odd[:, :, 2:6])


class _Double(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        layers: list[nn.Module] = []
        for before in (channels, width):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class _UNet(nn.Module):
    """The U-Net that most people copy, which pads what is upsampled to the skip connection."""

    def __init__(self) -> None:
        super().__init__()
        widths = [4, 8, 16]
        self.down = nn.ModuleList(map(_Double, [3, *widths], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in (8, 4))
        self.merge = nn.ModuleList(_Double(2 * w, w) for w in (8, 4))
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for place, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if place else x)
            kept.append(x)
        for up, merge, skip in zip(self.up, self.merge, kept[-2::-1], strict=True):
            x = up(x)
            dy, dx = skip.size()[2] - x.size()[2], skip.size()[3] - x.size()[3]
            x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            x = merge(torch.cat([skip, x], dim=1))
        return self.out(x)  # type: ignore[no-any-return]


UNET = """
name: UNet
input: [3, H, W]
blocks:
  Double:
    sequential: true
    params: {width: required}
    layers:
      - Group:
          repeat: 2
          layers:
            - Conv2d: {out_channels: $width, kernel_size: 3, padding: 1, bias: false}
            - BatchNorm2d
            - ReLU: {inplace: true}
layers:
  - Double: {name: down.0, width: 4}
  - MaxPool2d: 2
  - Double: {name: down.1, width: 8}
  - MaxPool2d: 2
  - Double: {name: down.2, width: 16}
  - ConvTranspose2d: {name: up.0, out_channels: 8, kernel_size: 2, stride: 2}
  - Pad: {name: first, to: down.1, dims: [2, 3]}
  - Concat: [down.1, first]
  - Double: {name: merge.0, width: 8}
  - ConvTranspose2d: {name: up.1, out_channels: 4, kernel_size: 2, stride: 2}
  - Pad: {name: second, to: down.0, dims: [2, 3]}
  - Concat: [down.0, second]
  - Double: {name: merge.1, width: 4}
  - Conv2d: {name: out, out_channels: 2, kernel_size: 1}
"""


def test_a_u_net_at_odd_sizes_is_its_authors() -> None:
    theirs = _UNet().eval()
    ours: Any = build_source(parse(UNET, "unet.yaml"), {}, None).module_class().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    for size in ((4, 4), (21, 30), (35, 17)):
        x = torch.randn(2, 3, *size)
        torch.testing.assert_close(ours(x), theirs(x))


def test_a_parameter_stays_one_only_where_torch_would_not_cut() -> None:
    """`F.pad` takes away without a word what netgen refuses, so the sizes are fixed or ordered."""
    text = (
        "name: Net\ninput: [2, 9]\nparams: {size: 6, less: 2}\nlayers:\n"
        "- Linear: {name: a, out_features: $size}\n- Linear: {name: b, out_features: $(WIDTH)}\n"
        "- Pad: {name: p, from: a, to: b, dims: [2]}\n- Pad: {name: q, from: a, to: a, dims: [2]}\n"
        "outputs: [p, q, b]\n"
    )
    for width, fixed in (("size + less", []), ("size + 4 - less", ["size", "less"])):
        spec = parse(text.replace("WIDTH", width), "net.yaml")
        graph = build_source(spec, {}, None).graph
        assert [parameter.name for parameter in graph.params if parameter.fixed] == fixed
