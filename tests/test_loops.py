"""`carry` and `collect`: loops that pass on several tensors, and what each copy gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_netgen import NetgenError
from torch_netgen.analysis.prediction import check_source
from torch_netgen.lsp.completion import complete
from torch_netgen.lsp.hover import hover
from torch_netgen.lsp.snapshot import check
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .conftest import CPU, ROOT

SPECS = ROOT / "tests" / "specs"


def made(text: str, worker: Worker | None = None, **overrides: Any) -> Any:
    """The class of a spec, which has been run if a `worker` is given."""
    demand = () if worker is None else (CPU,)
    return build_source(parse(text, "loops.yaml"), overrides, worker, *demand).module_class


def hold(network: nn.Module, wanted: nn.Module, *inputs: Tensor) -> None:
    """Assert that the network takes all weights of another one, and gives the same in training."""
    network.load_state_dict(wanted.state_dict(), strict=True)
    assert [*network.state_dict()] == [*wanted.state_dict()]
    found, expected = network(*inputs), wanted(*inputs)
    found = [*found.values()] if isinstance(found, dict) else found
    assert all(map(torch.equal, *([x] if isinstance(x, Tensor) else x for x in (found, expected))))


# networks from the literature, from memory


class Coupling(nn.Module):
    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(size // 2, hidden)
        self.down = nn.Linear(hidden, size)

    def forward(self, x: Tensor, log_det: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = x.chunk(2, 1)
        scale, shift = self.down(self.up(kept).relu()).chunk(2, 1)
        scale = scale.tanh()
        return torch.cat([moved * scale.exp() + shift, kept], 1), log_det + scale.sum(1)


class RealNvp(nn.Module):
    def __init__(self, size: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(Coupling(size, hidden) for _ in range(depth))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(len(x))
        for step in self.steps:
            x, log_det = step(x, log_det)
        return x, log_det


def test_realnvp_carries_its_state_and_the_determinant() -> None:
    kind = made((SPECS / "realnvp.yaml").read_text())
    for depth, hidden in ((4, 16), (1, 5), (0, 3)):
        network = kind(hidden=hidden, depth=depth)
        hold(network, RealNvp(6, hidden, depth), torch.randn(3, 6))
    x, (z, log_det) = torch.randn(6), kind(depth=2)(torch.randn(2, 6)).values()
    network = kind(depth=2)
    jacobian = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
        lambda v: network(v[None])["z"][0], x
    )
    change = network(x[None])["log_det"][0]
    assert torch.allclose(jacobian.det().abs().log(), change, atol=1e-5)
    assert z.shape == (2, 6)
    assert log_det.shape == (2,)


class Conv(nn.Module):
    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(c2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = nn.functional.silu(self.bn(self.conv(x)))
        return found


class Bottleneck(nn.Module):
    def __init__(self, c: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 3), Conv(c, c, 3), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    def __init__(self, c1: int, c2: int, n: int, shortcut: bool = False) -> None:
        super().__init__()
        c = c2 // 2
        self.cv1 = Conv(c1, 2 * c)
        self.m = nn.ModuleList(Bottleneck(c, shortcut) for _ in range(n))
        self.cv2 = Conv((2 + n) * c, c2)

    def forward(self, x: Tensor) -> Tensor:
        y = [*self.cv1(x).chunk(2, 1)]
        for m in self.m:
            y.append(m(y[-1]))
        found: Tensor = self.cv2(torch.cat(y, 1))
        return found


class Yolo(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = Conv(3, width, 3, 2)
        self.stage1 = C2f(width, width, depth, True)
        self.down = Conv(width, 2 * width, 3, 2)
        self.stage2 = C2f(2 * width, 2 * width, 2 * depth)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage2(self.down(self.stage1(self.stem(x))))
        found: Tensor = self.head(x.mean((2, 3)))
        return found


def test_c2f_collects_what_each_bottleneck_gives() -> None:
    kind = made((SPECS / "c2f.yaml").read_text())
    for width, depth in ((8, 1), (6, 3), (4, 0)):
        network, x = kind(width=width, depth=depth), torch.randn(2, 3, 32, 32)
        wanted = Yolo(width, depth)
        network.load_state_dict(wanted.state_dict(), strict=True)
        assert torch.allclose(network(x), wanted(x), atol=1e-6)


DENSE = """
name: Dense
input: [3, 16, 16]
params: {growth: 4, depth: 3, classes: 10}
blocks:
  Layer:
    params: {growth: required}
    layers:
      - BatchNorm2d: {name: norm}
      - ReLU
      - Conv2d: {name: conv, out_channels: $growth, kernel_size: 3, padding: 1, bias: false}
  OneShot:
    description: All layers in a chain; what goes in and what each of them gives is joined once.
    params: {growth: required, depth: required}
    layers:
      - Layer: {name: layers, growth: $growth, repeat: $depth, collect: true}
      - Concat: [input, layers.all]
  Grown:
    description: Each layer reads what came in, and all that the layers before it gave.
    params: {growth: required}
    layers:
      - Layer: {name: layer, growth: $growth}
      - Concat: [input, layer]
layers:
  - Conv2d: {name: stem, out_channels: $(2 * growth), kernel_size: 3, padding: 1, bias: false}
  - OneShot: {name: block1, growth: $growth, depth: $depth}
  - Conv2d: {name: transition, out_channels: "$(shape(block1)[0] // 2)", kernel_size: 1}
  - AvgPool2d: 2
  - Grown: {name: block2, growth: $growth, repeat: $depth}
  - OneShot: {name: block3, growth: 5, depth: 2}
  - ReLU
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: {name: classifier, out_features: $classes}
"""


class Layer(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(self.norm(x).relu())
        return found


class OneShot(nn.Module):
    def __init__(self, channels: int, growth: int, depth: int) -> None:
        super().__init__()
        widths = [channels] + [growth] * depth
        self.layers = nn.ModuleList(Layer(width, growth) for width in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return torch.cat(features, 1)


class Grown(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.layer = Layer(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layer(x)], 1)


class Dense(nn.Module):
    def __init__(self, growth: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)
        self.block1 = OneShot(2 * growth, growth, depth)
        width = (2 + depth) * growth
        self.transition = nn.Conv2d(width, width // 2, 1)
        width //= 2
        self.block2 = nn.Sequential(*(Grown(width + i * growth, growth) for i in range(depth)))
        width += depth * growth
        self.block3 = OneShot(width, 5, 2)
        self.classifier = nn.Linear(width + 10, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.avg_pool2d(self.transition(self.block1(self.stem(x))), 2)
        x = self.block3(self.block2(x)).relu().mean((2, 3))
        found: Tensor = self.classifier(x)
        return found


def test_a_dense_network_joins_what_its_layers_give(worker: Worker) -> None:
    kind = made(DENSE, worker)
    for growth, depth in ((4, 3), (3, 1), (4, 5)):
        network, wanted = kind(growth=growth, depth=depth), Dense(growth, depth)
        network.load_state_dict(wanted.state_dict(), strict=True)
        x = torch.randn(2, 3, 16, 16)
        assert torch.allclose(network(x), wanted(x), atol=1e-6)


# what the keys mean, wherever they stand

EVERYWHERE = """
name: Everywhere
input: [8]
params: {depth: 2, on: true, width: 6}
blocks:
  Step:
    inputs: [state, total]
    params: {hidden: required}
    layers:
      - Linear: {name: up, from: state, out_features: $hidden}
      - Tanh
      - Linear: {name: down, out_features: 8}
      - Add: {name: new, from: [state, down]}
      - Sum: {name: sum, from: down, dim: 1}
      - Add: {name: now, from: [total, sum]}
    outputs: {state: new, total: now}
  Part:
    params: {depth: required, on: true}
    layers:
      - Linear: {name: begin, out_features: 8}
      - Sum: {name: zero, dim: 1}
      - Step:
          name: steps
          from: [begin, zero]
          hidden: $(4 * (i + 1))
          repeat: {times: $depth, as: i}
          carry: true
          collect: true
          when: $on
      - Concat: {name: cat, from: [steps.all, begin, steps]}
      - Linear: {name: out, out_features: 8}
      - Unsqueeze: {name: total, from: steps.total, dim: 1}
      - Add: [out, total]
layers:
  - Part: {name: part1, depth: $depth, on: $on}
  - Part: {name: part2, depth: 1}
  - Part: {name: part3, depth: 0}
  - Linear: {name: m, out_features: $width, repeat: $(depth + 1), collect: true}
  - Stack: {from: [m.all, m], dim: 1}
outputs: [stack, m]
"""


def part(network: Any, x: Tensor) -> Tensor:
    begin = state = network.begin(x)
    total, each = begin.sum(1), []
    for step in network.steps:
        moved = step.down(step.up(state).tanh())
        state, total = state + moved, total + moved.sum(1)
        each.append(state)
    found: Tensor = network.out(torch.cat([*each, begin, state], 1)) + total[:, None]
    return found


@pytest.mark.slow
def test_loops_stand_wherever_a_repeat_may(worker: Worker) -> None:
    members: list[dict[str, Any]] = [{}, {"depth": 5}, {"depth": 0}, {"on": False}, {"width": 3}]
    kind, x = made(EVERYWHERE, worker), torch.randn(3, 8)
    for given in members:
        network = kind(**given)
        y = x
        for name in ("part1", "part2", "part3"):
            y = part(getattr(network, name), y)
        each = [y := layer(y) for layer in network.m]
        stack, last = network(x)
        assert torch.allclose(stack, torch.stack([*each, y], 1))
        assert torch.allclose(last, y)
        depth = given.get("depth", 2)
        assert len(network.m) == depth + 1
        assert len(network.part1.steps) == (depth if given.get("on", True) else 0)
        other = made(EVERYWHERE, **given)()
        shapes = [{k: v.shape for k, v in n.state_dict().items()} for n in (network, other)]
        assert shapes[0] == shapes[1]


NET = """
name: Net
inputs: {x: [8], y: [8]}
params: {depth: 2, width: 8}
blocks:
  Step:
    inputs: [a, b]
    params: {width: 8}
    layers:
      - Linear: {name: l, from: a, out_features: $width}
      - Add: {name: s, from: [l, b]}
    outputs: [s, l]
  Two:
    inputs: [a, b]
    params: {width: 8}
    layers:
      - Linear: {name: l, from: a, out_features: $width}
      - Identity: {name: s, from: b}
    outputs: [l, s]
layers:
  - Add: {name: sum, from: [x, y]}
"""
LOOP = "  - Linear: {name: m, out_features: 8, repeat: $depth, collect: true}\n"
STEPS = "  - Step: {name: st, from: [sum, x], repeat: $depth, carry: true}\n"


@pytest.mark.parametrize(
    ("layers", "fixed"),
    [
        (LOOP + "  - Concat: [m.all, x]\n", {}),
        (LOOP + "outputs: [m.all]\n", {"depth": "`outputs` names a tensor of each copy"}),
        (
            LOOP + "  - Mul: [m.all, x]\n",
            {"depth": "`Mul` names a tensor of each copy"},
        ),
        (
            LOOP.replace(": 8", ": $(8 * index + 8)").replace("$depth", "$(depth + 1)")
            + "  - Concat: [m.all, x]\n",
            {"depth": "`repeat` of `m` gives tensors whose shapes differ from copy to copy"},
        ),
        (STEPS + "outputs: [st.0, st.1]\n", {}),
        (
            STEPS.replace("Step", "Two").replace("x]", "x], width: $width")
            + "outputs: [st.0, st.1]\n",
            {"width": "`carry` of `st` needs `8` and `width` to be equal"},
        ),
        (
            f"  - Group:\n      when: $(width > 4)\n      layers:\n      {LOOP}"
            "        - Add: {name: a, from: [m.all, sum]}\n  - Sub: {name: b, from: [a, x]}\n",
            {
                "width": "`when` of `Group` is around a loop that passes on several tensors",
                "depth": "`from` of `a` names a tensor of each copy",
            },
        ),
    ],
)
def test_what_is_fixed_by_a_loop(layers: str, fixed: dict[str, str]) -> None:
    found = check_source(parse(NET + layers, "loops.yaml"), {}).classes[-1].params
    reasons = {p.name: p.reason.text for p in found if p.fixed and p.reason}
    assert {name: reasons.get(name) for name in fixed} == fixed
    assert {*reasons} == {*fixed}


def test_a_loop_is_applied_again() -> None:
    text = NET + STEPS + LOOP.replace("m,", "m, from: st.1,")
    text += "  - Reuse: {name: again, layer: st, from: [st.0, m]}\n"
    text += "  - Reuse: {name: more, layer: m, from: again.1}\n  - Concat: [more.all, m.all]\n"
    network = made(text)()
    x, y = torch.randn(2, 3, 8)

    def steps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        for step in network.st:
            a, b = step.l(a) + b, step.l(a)
        return a, b

    def each(a: Tensor) -> list[Tensor]:
        return [a := layer(a) for layer in network.m]

    a, b = steps(x + y, x)
    first = each(b)
    second = each(steps(a, first[-1])[1])
    assert torch.equal(network(x, y), torch.cat([*second, *first], 1))


def test_a_step_with_outputs_in_another_order_is_chained_by_place() -> None:
    network = made(NET + STEPS + "outputs: [st, st.1]\n")(depth=3)
    x, y = torch.randn(2, 3, 8)
    a, b = x + y, x
    for step in network.st:
        a, b = step.l(a) + b, step.l(a)
    assert all(map(torch.equal, network(x, y), (a, b)))


def test_copies_of_a_block_with_other_numbers_of_copies_in_its_uses() -> None:
    text = """
name: Net
input: [8]
blocks:
  Step:
    inputs: [a, b]
    params: {width: required}
    layers:
      - Linear: {name: l, from: a, out_features: $width}
      - Dropout: {when: $(width > 4)}
      - Linear: {name: o, out_features: 8}
      - Add: {name: s, from: [o, b]}
    outputs: [o, s]
  Steps:
    params: {depth: required}
    layers:
      - Linear: {name: l, out_features: 8}
      - Step: {name: st, from: [l, l], width: "$([9, 3, 5][index])", repeat: $depth, carry: true}
      - Sub: [st.0, st.1]
layers:
  - Steps: {name: one, depth: 1}
  - Steps: {name: three, depth: 3}
  - Steps: {name: none, depth: 0}
"""
    network = made(text)().eval()
    x = y = torch.randn(2, 8)
    for steps in (network.one, network.three, network.none):
        a = b = steps.l(y)
        for step in steps.st:
            a = step.o(step.l(a))
            b = a + b
        y = a - b
    assert torch.equal(network(x), y)


def test_a_list_of_outputs_is_expected_by_number() -> None:
    text = NET + LOOP + "outputs: [m.all, sum]\nexpect: {output: {m.all.1: [8], sum: [9]}}\n"
    with pytest.raises(NetgenError) as caught:
        check_source(parse(text, "loops.yaml"), {})
    (found,) = caught.value.diagnostics
    assert found.message == "the output is (8,), but `[9]` is expected"
    assert made(text.replace("[9]", "[8]"))()(*torch.randn(2, 3, 8))[2].shape == (3, 8)


def test_an_editor_knows_what_all_copies_give() -> None:
    text = NET + LOOP + "  - Concat: [m.all, x]\n"
    snapshot = check(text, "loops.yaml").right
    assert snapshot is not None
    lines = text.splitlines()
    place, column = len(lines), lines[-1].index("all") + 1
    found = hover(snapshot, place, column)
    assert found is not None
    assert found.text == "`m`: Linear\n\n- 2 times (N, 8) in `m`"
    known = complete(text.replace("m.all, x]", "m"), place, column - 1, snapshot).suggestions
    assert {"m", "m.all", "sum"} <= {s.text for s in known if s.sort == "reference"}
    text = text.replace("collect: true", "collect: ")
    line = text.splitlines()[place - 2]
    offered = complete(text, place - 1, line.index("collect: ") + 10).suggestions
    assert {s.text for s in offered} == {"true", "false"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["realnvp", "c2f"])
def test_loops_run_as_torchscript(name: str) -> None:
    kind = made((SPECS / f"{name}.yaml").read_text())
    network = kind().eval()
    x = torch.randn(2, 6) if name == "realnvp" else torch.randn(2, 3, 32, 32)
    with pytest.warns(DeprecationWarning, match="script"):
        script = torch.jit.script(network)
    both = script(x), network(x)
    found, wanted = ([*y.values()] if isinstance(y, dict) else [y] for y in both)
    assert all(map(torch.equal, found, wanted))
