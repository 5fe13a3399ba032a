"""`else`: what passes where a layer is absent, and what follows from its shape."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_netgen.diagnostics.diagnostics import NetgenError
from torch_netgen.pipeline import build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse

from .conftest import SPECS


def built(text: str, given: dict[str, Any] | None = None) -> Any:
    return build_source(parse(text, "net.yaml"), given or {}, None)


def fixed(text: str) -> list[str]:
    return [parameter.name for parameter in built(text).graph.params if parameter.fixed]


def test_every_member_is_what_set_gives() -> None:
    (path,) = (path for path in SPECS if path.stem == "otherwise")
    default = build_source(read(path), {}, None)
    names = ("neck", "pooled", "squeeze", "fused")
    x = torch.randn(2, 3, 16, 16)
    for flags in itertools.islice(itertools.product((True, False), repeat=4), 0, None, 5):
        given = dict(zip(names, flags, strict=True))
        one = default.module_class(**given).eval()
        other = build_source(read(path), given, None).module_class().eval()
        other.load_state_dict(one.state_dict(), strict=True)
        torch.testing.assert_close(one(x), other(x))


class _Stage(nn.Module):
    """A stage of a pyramid that may do without its lateral convolution."""

    def __init__(self, lateral: bool) -> None:
        super().__init__()
        self.bottom = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.lateral = nn.Conv2d(6, 16, 1) if lateral else None
        self.norm = nn.BatchNorm2d(16 if lateral else 6)
        self.head = nn.Linear(16 if lateral else 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bottom(x)
        if self.lateral is not None:
            x = self.lateral(torch.relu(x))
        return self.head(self.norm(x).mean((2, 3)))  # type: ignore[no-any-return]


STAGE = """
name: Stage
input: [3, H, W]
params: {lateral: true}
layers:
- Conv2d: {name: bottom, out_channels: 6, kernel_size: 3, stride: 2, padding: 1}
- ReLU: {name: act}
- Conv2d: {name: lateral, out_channels: 16, kernel_size: 1, when: $lateral, else: bottom}
- BatchNorm2d: {name: norm}
- Mean: [2, 3]
- Linear: {name: head, out_features: 5}
"""


@pytest.mark.parametrize("default", ["true", "false"])
def test_sizes_after_it_follow_the_condition(default: str) -> None:
    network = built(STAGE.replace("lateral: true", f"lateral: {default}")).module_class
    for lateral in (True, False):
        theirs, ours = _Stage(lateral).eval(), network(lateral=lateral).eval()
        ours.load_state_dict(theirs.state_dict(), strict=True)
        x = torch.randn(2, 3, 9, 7)
        torch.testing.assert_close(ours(x), theirs(x))


NET = """
name: Net
input: [4, 6]
params: {flag: true}
layers:
- Linear: {name: other, out_features: OTHER}
- Conv1d: {name: x1, from: input, out_channels: 4, kernel_size: 1}
- ITEM
- FOLLOWS
"""


def net(item: str, follows: str = "Linear: 3", other: str = "6") -> str:
    text = NET.replace("ITEM", item).replace("FOLLOWS", follows)
    return text.replace("OTHER", other)


@pytest.mark.parametrize(
    ("item", "follows", "other", "wanted"),
    [
        ("Tanh: {when: $flag, else: other}", "Linear: 3", "6", []),
        ("Tanh: {when: $flag, else: other}", "Linear: 3", "9", []),
        ("Tanh: {name: t, when: $flag, else: other}", "Add: [t, x1]", "9", ["flag"]),
        ("Tanh: {name: t, when: $flag, else: other}", "Add: [t, x1]", "1", ["flag"]),
        ("Mean: {dim: 1, when: $flag, else: other}", "Linear: 3", "6", ["flag"]),
        ("Gt: {name: t, other: 0, when: $flag, else: other}", "Cast: float32", "6", ["flag"]),
        ("GRU: {hidden_size: 6, when: $flag, else: other}", "Linear: 3", "6", ["flag"]),
        ("GRU: {name: g, hidden_size: 6, when: $flag, else: other}", "Linear: 3", "6", []),
        (
            "Linear: {name: l, out_features: 6, repeat: 2, when: $flag, else: other}",
            "ReLU",
            "9",
            [],
        ),
        (
            "Chunk: {name: [a, b], chunks: 2, dim: 2, when: $flag, else: other}",
            "Add: [a, b]",
            "6",
            ["flag"],
        ),
        ("Reuse: {layer: x1, from: other, when: $flag, else: x1}", "Linear: 3", "6", []),
        (
            "Parameter: {name: p, shape: [6], when: $flag, else: other}",
            "Add: [x1, p]",
            "6",
            ["flag"],
        ),
        ("Group: {when: $flag, else: other, layers: [ReLU, Tanh]}", "Linear: 3", "7", []),
    ],
)
def test_what_follows_decides(item: str, follows: str, other: str, wanted: list[str]) -> None:
    """An argument gives what the value gives, and a fixed parameter has a reason."""
    text = net(item, follows, other)
    assert fixed(text) == wanted
    one = built(text).module_class
    x = torch.randn(2, 4, 6)
    for flag in (True, False):
        try:
            other_network = built(text, {"flag": flag}).module_class()
        except NetgenError:
            assert wanted, flag
            continue
        if not wanted:
            network = one(flag=flag)
            other_network.load_state_dict(network.state_dict(), strict=True)
            torch.testing.assert_close(network(x), other_network(x))


LAST = """
name: Net
input: [8]
params: {g: true, m: true}
layers:
- Linear: {name: a, out_features: 8}
- Linear: {name: b, out_features: 8}
- Group:
    when: $g
    layers: [{Linear: {name: c, out_features: 8}}, LAST]
- Linear: {name: head, out_features: 2}
"""


@pytest.mark.parametrize(
    ("last", "passes", "why"),
    [
        ("{Linear: {name: d, out_features: 8, when: $m, else: a}}", "a", ["g"]),
        ("{Linear: {name: d, out_features: 8, when: $m, else: b}}", "b", []),
        ("{Linear: {name: d, out_features: 8, when: $m}}", "c", []),
    ],
)
def test_a_group_and_its_last_layer_each_pass_their_own(
    last: str, passes: str, why: list[str]
) -> None:
    text = LAST.replace("LAST", last)
    network, x = built(text).module_class(m=False).eval(), torch.randn(3, 8)
    values = {"a": network.a(x)}
    values["b"] = network.b(values["a"])
    values["c"] = network.c(values["b"])
    torch.testing.assert_close(network(x), network.head(values[passes]))
    assert fixed(text) == why


@pytest.mark.parametrize(("other", "given", "why"), [("a", "a", ["g"]), ("b", "b", [])])
def test_a_group_may_end_with_a_layer_that_is_never_there(
    other: str, given: str, why: list[str]
) -> None:
    last = f"{{Linear: {{name: d, out_features: 8, when: false, else: {other}}}}}"
    text = LAST.replace("LAST", last).replace(", m: true", "")
    assert [name for name in fixed(text) if name != "m"] == why
    x = torch.randn(3, 8)
    for g, passes in ((True, given), (False, "b")):
        network = built(text, {"g": g}).module_class().eval()
        values = {"a": network.a(x)}
        values["b"] = network.b(values["a"])
        torch.testing.assert_close(network(x), network.head(values[passes]))


@pytest.mark.parametrize("repeat", ["$(n - 1)", "0"])
@pytest.mark.parametrize("when", ["$(not n)", "false"])
def test_copies_of_which_there_are_none_pass_their_else(when: str, repeat: str) -> None:
    text = f"""
name: Net
input: [6]
layers: [{{Own: {{name: one, n: 1}}}}, {{Own: {{name: two, n: 1}}}}]
blocks:
  Own:
    params: {{n: 3}}
    layers:
    - Linear: {{name: a, out_features: 6}}
    - Linear: {{name: b, out_features: 6}}
    - LayerNorm: {{bias: false, when: {when}, else: a, repeat: {repeat}}}
    - Linear: {{name: last, out_features: 6}}
"""
    network, x = built(text).module_class().eval(), torch.randn(3, 6)
    wanted = network.two.last(network.two.a(network.one.last(network.one.a(x))))
    torch.testing.assert_close(network(x), wanted)
