"""Values of buffers and shapes of parameters: what Python and torch make of the same text."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_netgen import NetgenError
from torch_netgen.pipeline import build_source
from torch_netgen.spec.source import from_mapping, parse

from .conftest import Builder


def network(value: Any, **more: Any) -> Any:
    """The class of a network that holds a buffer of this value."""
    spec = {
        "name": "Net",
        "input": [1],
        "params": {"n": 4, "items": [3, 1]},
        "layers": [{"Buffer": {"name": "b", "value": value, **more}}, {"Abs": {"from": "input"}}],
        "outputs": ["b", "abs"],
    }
    return build_source(from_mapping(spec), {}, None).module_class


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2] + [3, 4]",
        "[0.5] * 4",
        "3 * [1, 2]",
        "items + [1] + items * 2",
        "[1.0] * n",
        "[[0] * n] * (n + 1)",
        "[i / 4 for i in range(n)] + [1]",
        "[[i] * 3 for i in range(n)]",
        "[j for i in range(4) for j in range(i)]",
        "[i * j for i in range(n) for j in range(i + 1)]",
        "[k for i in range(4) for j in range(i) for k in range(j, i)]",
        "[[i, j] for i in range(3) for j in range(2 * i)]",
        "[[1.0 for j in range(i)] + [0] * (n - i) for i in range(n)]",
        "[[j - i for j in range(i, i + 3)] for i in range(n)]",
        "[0] + [i for i in range(3) for j in range(i)]",
        "[[1, 2]] + [[i, n] for i in range(3)]",
        "[-(-i // 3) + 0 * n for i in range(2 * n)]",
        "[any([i > 1, i == n]) for i in range(5)]",
        "[all([i / 2, n]) for i in range(5)]",
        "[i * j + n for i, j in zip(items, [1, 2])]",
        "[i * j for n2 in range(2) for i, j in zip(range(n), range(1, 9))]",
        "[[i / 2, j] for i, j in zip(items, items) if i > 1]",
    ],
)
def test_a_buffer_is_what_python_makes_of_it(text: str) -> None:
    made = network(f"$({text})")
    expected = torch.tensor(eval(text, {"n": 4, "items": [3, 1]}))
    assert made().b.equal(expected)
    if "n" in made.__init__.__annotations__:  # where its length is an expression
        other = torch.tensor(eval(text, {"n": 6, "items": [3, 1]}))
        assert made(n=6).b.equal(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[zip([i], [i]) for i in range(4)]", "in a buffer the lists of a `zip` don't depend on"),
        ("[i for i, j in zip(items)]", "`i, j` can't be variables for the items of a `zip` of 1"),
        ("[[0 for j in range(i)] for i in range(4)]", "lists in a `value` are of one length"),
        ("[[1, 2]] + [1]", "lists in a `value` are of one length"),
        ("[0] * 0", "a buffer's `value` is empty"),
        ("[j for i in range(2) for j in range(-i)]", "a buffer's `value` is empty"),
        ("[0] * 5000000", "5000000 values are too many: 4000000 at most"),
        ("[0] * 4000000 + [1]", "4000001 values are too many: 4000000 at most"),
        ("[[0] * 4000] * 4000", "16000000 values are too many: 4000000 at most"),
        ("[1] * 2.5", "a list is repeated a whole number of times"),
        ("[[0] * (10 ** 9 if i == 5 else 2) for i in range(9)]", "lists in a `value` are of one"),
        ("[len([0] * (10 ** 9 if i == 5 else 2)) for i in range(9)]", "too"),
        ("[([0] * 10 ** 9 if i == 5 else [1, 2]) for i in range(9)]", "in a buffer a condition is"),
        ("[(i == 5 and [0] * 10 ** 9) or 1 for i in range(9)]", "in a buffer a condition is about"),
    ],
)
def test_what_is_no_tensor_or_too_large_is_refused(text: str, message: str) -> None:
    with pytest.raises(NetgenError, match=r"NG206") as caught:
        network(f"$({text})")
    assert message in str(caught.value)


def test_a_buffer_has_functions_as_python_writes_them() -> None:
    """The names of functions may be those of parameters, too; `zip` alone is a list of lists."""
    made = network("$([ceil_div(i + 1, 2) * n for i in range(n)])")
    assert made().b.tolist() == [4, 4, 8, 8]
    assert made(n=3).b.tolist() == [3, 3, 6]
    assert network("$(zip(items, [0.5, 1]))")().b.tolist() == [[3, 0.5], [1, 1]]
    spec = {"name": "Net", "input": [2], "params": {"exp": 3}, "outputs": ["b", "abs"]}
    buffer = {"Buffer": {"name": "b", "value": "$([exp * i + exp(0) for i in range(2)])"}}
    spec["layers"] = [buffer, {"Abs": {"from": "input"}}]
    found: Any = build_source(from_mapping(spec), {}, None).module_class(exp=5)
    assert found.b.tolist() == [1, 6]


def test_a_shape_that_agrees_with_nested_lists_says_the_same() -> None:
    assert network([[1, 2], [3, 4]], shape=[2, 2])().b.tolist() == [[1, 2], [3, 4]]
    assert network("$([0.5] * n)", shape="$n")().b.tolist() == [0.5] * 4
    with pytest.raises(NetgenError, match=r"`shape` is \(2, 3\), but `value` is \(2, 2\)"):
        network([[1, 2], [3, 4]], shape=[2, 3])


BLOCK = """
name: Net
input: [3, 8, 6, 4]
params: {n: 3}
blocks:
  Place:
    params: {k: required}
    layers:
      - Conv3d: {out_channels: 4, kernel_size: 3, padding: 1}
      - Buffer: {name: rows, value: "$([[i / k] * 1 for i in range(shape(conv1)[2])])"}
      - Buffer: {name: half, value: 0.5, shape: ["$(shape(input)[1])", 1, "$(shape(input)[3])"]}
      - Parameter: {name: deep, shape: ["$(shape(input)[1])", 1, 1], init: {normal_: {std: 0.02}}}
      - Parameter: {name: wide, shape: "$(shape(input)[2] * shape(input)[3])"}
      - Reshape: {name: image, from: wide, shape: ["$(shape(input)[2])", -1]}
      - Add: [conv1, rows, half, deep, image]
layers:
  - Place: {name: one, k: $n}
  - MaxPool3d: 2
  - Place: {name: two, k: $(n + 1)}
"""


def test_sizes_of_what_is_read_become_arguments_of_a_block(build_text: Builder) -> None:
    result = build_text(BLOCK.replace("half", "part"))
    network: Any = result.module_class()
    assert network.one.rows.shape == (6, 1)
    assert network.two.rows.tolist() == [[0.0], [0.25], [0.5]]
    assert network.one.part.shape == (8, 1, 4)
    assert network.two.deep.shape == (4, 1, 1)
    assert (network.one.wide.shape, network.two.wide.shape) == ((24,), (6,))


def test_a_size_that_only_the_run_knows_is_refused(build_text: Builder) -> None:
    text = BLOCK.replace("half", "part").replace("[3, 8, 6, 4]", "[3, 8, H, 4]")
    with pytest.raises(NetgenError, match=r"NG211.*known only at run time"):
        build_source(parse(text, "spec.yaml"), {}, None)


def test_a_shape_may_be_a_single_number(build_text: Builder) -> None:
    text = """
name: Net
input: [6]
params: {dim: 6, sizes: [2, 3]}
layers:
  - Parameter: {name: a, shape: $dim}
  - Parameter: {name: b, shape: 6}
  - Parameter: {name: c, shape: $sizes, init: {constant_: {val: 2.0}}}
  - Buffer: {name: d, value: 1.5, shape: $dim}
  - Reshape: {name: e, from: c, shape: $dim}
  - Add: [input, a, b, d, e]
"""
    network = build_text(text).module_class()
    shapes = [tuple(value.shape) for value in network.state_dict().values()]
    assert shapes == [(6,), (6,), (2, 3), (6,)]
