"""Patterns against einops: the same shapes and values, or a refusal on both sides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import einops
import pytest
import torch
from torch_netgen.diagnostics.diagnostics import NetgenError
from torch_netgen.layers import OPERATIONS
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import Refusal
from torch_netgen.layers.chains import Task, shortest
from torch_netgen.layers.einops import with_axes
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import from_mapping
from torch_netgen.symbolic.sizes import Dim

from .conftest import CPU, Builder

CASES = 500
REDUCTIONS = ("mean", "sum", "max", "min", "prod", "any", "all")
TYPES = ["float32"] * 12 + ["float64", "int64", "int32", "bool", "uint8", "complex64"]
Written = Mapping[str, Any]
Case = tuple[str, Written, tuple[int, ...], str]  # operation, what is written, shape, type


def theirs(operation: str, written: Written, x: torch.Tensor) -> torch.Tensor | None:
    """What einops makes of it; ``None`` if it refuses."""
    sizes = {key: size for key, size in written.items() if key not in ("pattern", "reduction")}
    rest = [written["reduction"]] if operation == "Reduce" else []
    try:
        found = getattr(einops, operation.lower())(x, written["pattern"], *rest, **sizes)
    except (einops.EinopsError, ValueError, NotImplementedError, RuntimeError):
        return None
    assert isinstance(found, torch.Tensor)
    return found


def ours(operation: str, written: Written, x: TensorType) -> TensorType | str:
    """The type that the rule gives, or why it refuses."""
    row = with_axes(OPERATIONS[operation], written)
    checked = read_arguments(row, written)
    if isinstance(checked, list):
        return checked[0].message
    try:
        return apply(row, checked, [x]).outputs["output"]
    except Refusal as refusal:
        return refusal.message


# cases


def grouped(draws: random.Random, keys: Sequence[str]) -> list[list[str]]:
    """Axes as dimensions: most alone, some together, and some dimensions of size 1."""
    found: list[list[str]] = []
    for key in keys:
        if found and found[-1] and draws.random() < 0.35:
            found[-1].append(key)
        else:
            found += [[]] * (draws.random() < 0.12) + [[key]]
    return found + [[]] * (draws.random() < 0.12)


def text_of(draws: random.Random, dims: Sequence[Sequence[str]]) -> str:
    words = []
    for keys in dims:
        inner = [*keys, "1"] if keys and draws.random() < 0.05 else keys
        bare = "1" if draws.random() < 0.7 else "()"
        several = len(inner) > 1 or (inner and draws.random() < 0.1)
        words.append(f"({' '.join(inner)})" if several else inner[0] if inner else bare)
    return " ".join(words)


def drawn(draws: random.Random, operation: str) -> Case:
    """A pattern with sizes and a tensor's shape: they often fit."""
    names = draws.sample("abcdehpqt", draws.randint(1, 5))
    size = {name: draws.choice((1, 2, 2, 3, 3, 4)) for name in names}
    left = grouped(draws, names)
    kept = list(names)
    if operation == "Reduce":
        kept = [name for name in names if draws.random() < 0.6]
    if draws.random() < 0.6:
        draws.shuffle(kept)
    if operation == "Repeat":
        for name in draws.sample("rsuv", draws.randint(0, 2)):
            size[name] = draws.choice((1, 2, 3))
            kept.insert(draws.randint(0, len(kept)), name)
    right = grouped(draws, kept)
    shape = [one for keys in left for one in [1] * (not keys) + [number(size, keys)][: len(keys)]]
    given = {name for name in size if name not in names}
    for keys in left:
        given |= {*keys} - {draws.choice(keys or ["a"])} if len(keys) > 1 else set()
    given |= {name for name in names if draws.random() < 0.08}
    given -= {name for name in size if draws.random() < 0.03}
    numbers = {name for name in size if (name in kept) != (name in names) and draws.random() < 0.3}
    words = {name: str(size[name]) if name in numbers else name for name in size}
    sides = [[[words[key] for key in keys] for keys in side] for side in (left, right)]
    if draws.random() < 0.3:
        sides, shape = with_rest(draws, sides, shape)
    pattern = " -> ".join(text_of(draws, side) for side in sides)
    written: dict[str, Any] = {"pattern": pattern}
    if operation == "Reduce":
        written["reduction"] = draws.choice(REDUCTIONS)
    for name in sorted(given - numbers):
        written[name] = size[name] + (draws.random() < 0.03)
    if draws.random() < 0.15:
        written, shape = spoilt(draws, written, shape)
    return operation, written, tuple(shape), draws.choice(TYPES)


def number(size: Mapping[str, int], keys: Sequence[str]) -> int:
    found = 1
    for key in keys:
        found *= size[key]
    return found


def with_rest(draws: random.Random, sides: Any, shape: list[int]) -> Any:
    """Both sides with ``...`` for some dimensions more, or none."""
    more = [draws.choice((1, 2, 3)) for _ in range(draws.choice((0, 1, 1, 2)))]
    place = draws.randint(0, len(shape))
    left = [*sides[0][:place], ["..."], *sides[0][place:]]
    at = draws.randint(0, len(sides[1]))
    right = [*sides[1][:at], ["..."], *sides[1][at:]]
    if sides[1] and draws.random() < 0.2:
        right = [*sides[1][:-1], [*sides[1][-1], "..."]]
    return [left, right], [*shape[:place], *more, *shape[place:]]


def spoilt(draws: random.Random, written: dict[str, Any], shape: list[int]) -> Any:
    """The case with a mistake, or with a change that may be one."""
    pattern = written["pattern"]
    at = draws.randrange(len(pattern))
    match draws.randrange(5):
        case 0:
            pattern = pattern[:at] + pattern[at + 1 :]
        case 1:
            pattern = pattern[:at] + draws.choice("ab()1 2.>_-") + pattern[at:]
        case 2:
            shape = [*shape, 2] if draws.random() < 0.5 else shape[1:]
        case 3:
            written = {**written, draws.choice("abxz"): 2}
        case _:
            shape = [*shape[:-1], 5]
    return {**written, "pattern": pattern}, shape


def tensor(shape: Sequence[int], dtype: str) -> torch.Tensor:
    return (torch.rand(tuple(shape)) * 3 + 0.5).to(getattr(torch, dtype))


def run(cases: Sequence[Case], xs: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The values that a generated class gives, in which each case is a layer."""
    inputs = {
        f"x{place}": {"shape": [*shape], "batch": False, "dtype": dtype}
        for place, (_, _, shape, dtype) in enumerate(cases)
    }
    layers = [
        {operation: {**written, "from": f"x{place}", "name": f"y{place}"}}
        for place, (operation, written, _, _) in enumerate(cases)
    ]
    spec = {"name": "Net", "inputs": inputs, "layers": layers}
    spec["outputs"] = [f"y{place}" for place in range(len(cases))]
    found = build_source(from_mapping(spec), {}, None).module_class()(*xs)
    yield from found if isinstance(found, tuple) else (found,)


def held(cases: Sequence[Case]) -> None:
    """Hold the values of a generated class against einops."""
    xs = [tensor(shape, dtype) for _, _, shape, dtype in cases]
    for case, x, found in zip(cases, xs, run(cases, xs), strict=True):
        wanted = theirs(case[0], case[1], x)
        assert wanted is not None, case
        assert equal(found, wanted), case


def equal(mine: torch.Tensor, other: torch.Tensor) -> bool:
    close = mine.dtype == other.dtype and mine.shape == other.shape
    return close and torch.allclose(mine, other, rtol=1e-4)


@pytest.mark.parametrize("operation", ["Rearrange", "Reduce", "Repeat"])
def test_pattern_agrees_with_einops(operation: str) -> None:
    draws = random.Random(operation)
    torch.manual_seed(0)
    right: list[tuple[Case, torch.Tensor, torch.Tensor]] = []
    refused = 0
    for _ in range(CASES):
        case = drawn(draws, operation)
        _, written, shape, dtype = case
        x = tensor(shape, dtype)
        wanted = theirs(operation, written, x)
        found = ours(operation, written, TensorType(shape, dtype, None))
        assert isinstance(found, str) == (wanted is None), (case, found, wanted)
        if wanted is None or isinstance(found, str):
            refused += 1
            continue
        facts = (*map(int, found.shape),), f"torch.{found.dtype}"
        assert facts == (tuple(wanted.shape), str(wanted.dtype)), case
        right.append((case, x, wanted))
    assert refused > 50
    assert len(right) > 300
    for start in range(0, len(right), 60):
        some = right[start : start + 60]
        given = run([case for case, _, _ in some], [x for _, x, _ in some])
        for (case, _, wanted), found_tensor in zip(some, given, strict=True):
            assert equal(found_tensor, wanted), case


# the patterns of einops' README, documentation and tests
FIVE = (2, 3, 4, 5, 6)
SAME = """\
...->...
a b c d e-> a b c d e
a b c d e ...-> ... a b c d e
a b c d e ...-> a ... b c d e
... a b c d e -> ... a b c d e
a ... e-> a ... e
a ... -> a ...
a ... c d e -> a (...) c d e
a b c d e -> (a b) c d e
a b ... -> (a b) ...
a b c d e -> a b (c d) e
... c d e -> ... (c d) e
... ->  (...)
a b c d e -> b (c d e) a
a b ... -> b (...) a
a b c d e -> b (a c d) e
a b ... e -> b (a ...) e
a aa aa1 a1a1 aaaa -> a aa aa1 a1a1 aaaa
a b c d e -> e d c b a
a b c d e -> (e d) (c b a)
a b c d e -> a (b) (c d e)"""
LESS = """\
a b c d e ->
... ->
a b c d e -> (e a)
a ... e -> (e a)
a b c d e ... -> d (a e)
... c d e  -> (...)
a b c d e -> (e c) a
a ... c d e -> (e c) a
a b c d e -> (e c a)
a b c d e -> a 1 c () e"""
OTHERS: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("Rearrange", (7, 30, 5, 2), {"pattern": "(f d) (e b) c a -> a b c d e f", "d": 7, "b": 2}),
    ("Rearrange", (1, 5, 1), {"pattern": "1 a () -> a"}),
    (
        "Rearrange",
        (3, 4, 6, 2),
        {"pattern": "b (h1 h) (w1 w) c -> (b h1 w1) h w c", "h1": 2, "w1": 2},
    ),
    (
        "Rearrange",
        (3, 4, 6, 2),
        {"pattern": "b (h h1) (w w1) c -> b h w (c h1 w1)", "h1": 2, "w1": 2},
    ),
    ("Rearrange", (3, 4, 6, 2), {"pattern": "b h w c -> h (b w) c"}),
    ("Rearrange", (2, 3, 4, 6), {"pattern": "b c h (w w2) -> b c (h w2) w", "w2": 2}),
    (
        "Rearrange",
        (2, 12, 3, 5),
        {"pattern": "b (c h2 w2) h w -> b c (h h2) (w w2)", "h2": 2, "w2": 2},
    ),
    ("Rearrange", (2, 4, 5, 3), {"pattern": "b c h w -> b (c h w)", "c": 4, "h": 5, "w": 3}),
    ("Reduce", (2, 3, 4, 5, 6), {"pattern": "(a1 a2) ... (e1 e2) ->", "a1": 1, "e2": 2}),
    ("Reduce", (2, 3, 4), {"pattern": "(a a2) ... -> (a2 a) ...", "a2": 1}),
    ("Reduce", (2, 3, 4, 6), {"pattern": "b c (h h2) (w w2) -> b (c h w)", "h2": 2, "w2": 2}),
    ("Reduce", (2, 3, 4, 6), {"pattern": "b c (h1 2) (w1 2) -> b c h1 w1"}),
    ("Reduce", (2, 3, 4, 6), {"pattern": "b c h w -> b c () ()"}),
    ("Reduce", (2, 3, 4, 6, 8), {"pattern": "b c (x 2) (y 3) (z 4) -> b c x y z"}),
    ("Repeat", (2, 3, 5), {"pattern": "a b c -> c a b"}),
    ("Repeat", (2, 3, 5), {"pattern": "a b c -> (c copy a b)", "copy": 2, "a": 2, "b": 3, "c": 5}),
    ("Repeat", (2, 3, 5), {"pattern": "a b c -> (a copy) b c ", "copy": 1}),
    ("Repeat", (2, 3, 5), {"pattern": "a b c -> (c a) (d b e)", "a": 2, "d": 1, "e": 2}),
    ("Repeat", (2, 3, 5), {"pattern": "a ...  -> a ... copy", "copy": 4}),
    ("Repeat", (2, 3, 5), {"pattern": "... c -> ... (d c e)", "d": 1, "e": 2}),
    ("Repeat", (2, 3, 5), {"pattern": "...  -> ... "}),
    ("Repeat", (2, 3, 5), {"pattern": " ...  -> d ... e ", "d": 2, "e": 3}),
    ("Repeat", (2, 3, 5), {"pattern": "a b c  -> d a e b c () ", "d": 2, "e": 1}),
    ("Repeat", (1, 2, 4, 6), {"pattern": "a b c d -> c a d b"}),
    ("Repeat", (1, 2, 4, 6), {"pattern": "a b c d -> (c 2 d a b)", "a": 1, "c": 4, "d": 6}),
    ("Repeat", (1, 2, 4, 6), {"pattern": "1 b c d -> (d copy 1) 3 b c ", "copy": 3}),
    ("Repeat", (1, 2, 4, 6), {"pattern": "1 ...  -> 3 ... "}),
    ("Repeat", (1, 2, 4, 6), {"pattern": "() ... d -> 1 (e d f) ... ", "e": 2, "f": 3}),
    ("Repeat", (1, 2, 4, 6), {"pattern": "1 b c d -> (1 1) (1 b) 2 c 3 d (1 1)"}),
    ("Repeat", (3, 4), {"pattern": "h w -> h w c", "c": 3}),
    ("Repeat", (3, 4), {"pattern": "h w -> (h2 h) (w3 w)", "h2": 2, "w3": 3}),
    ("Repeat", (3, 4), {"pattern": "h w -> (h h2) (w w2)", "h2": 2, "w2": 2}),
)


def test_einops_own_patterns_agree() -> None:
    torch.manual_seed(0)
    held([("Rearrange", {"pattern": text}, FIVE, "float64") for text in SAME.splitlines()])
    for reduction in REDUCTIONS:
        written = [{"pattern": text, "reduction": reduction} for text in LESS.splitlines()]
        held([("Reduce", each, FIVE, "float64") for each in written])
    for reduction in ("max", "mean"):
        held(
            [
                (
                    name,
                    {**each, **({"reduction": reduction} if name == "Reduce" else {})},
                    shape,
                    "float32",
                )
                for name, shape, each in OTHERS
            ]
        )


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [
        ("a b c d (...) -> a b c ... d", (1, 1, 1, 1, 1)),
        ("(...) -> (...)", (2, 3)),
        ("a b -> a b a", (2, 3)),
        ("a b", (2, 3)),
        ("a b -> b a ...", (2, 3)),
    ],
)
def test_what_einops_refuses_is_refused(pattern: str, shape: tuple[int, ...]) -> None:
    x = TensorType(shape, "float32", None)
    assert theirs("Rearrange", {"pattern": pattern}, torch.rand(shape)) is None
    assert isinstance(ours("Rearrange", {"pattern": pattern}, x), str)


def batched(operation: str, written: Written, shape: tuple[Any, ...], batch: int) -> TensorType:
    found = ours(operation, written, TensorType(shape, "float32", batch))
    assert isinstance(found, TensorType), found
    return found


def test_the_batch_is_the_axis_in_its_place() -> None:
    """What a pattern gives for one sample is that sample of what it gives for all."""
    draws = random.Random(0)
    apart = lost = refused = 0
    for _ in range(1500):
        operation = draws.choice(("Rearrange", "Reduce", "Repeat"))
        _, written, shape, _ = drawn(draws, operation)
        if not shape:
            continue
        batch = draws.randrange(len(shape))
        x = tensor(shape, "float32")
        whole = theirs(operation, written, x)
        if whole is None or shape[batch] < 2:
            continue
        found = ours(operation, written, TensorType(shape, "float32", batch))
        if isinstance(found, str):
            refused += 1
            assert "the batch can't be re" in found
            continue
        assert found.lost == (found.batch is None)
        lost += found.lost
        if found.batch is None:
            continue
        apart += 1
        sizes = {key: size for key, size in written.items() if size != shape[batch]}
        for sample in range(shape[batch]):
            part = theirs(operation, sizes, x.narrow(batch, sample, 1))
            if part is None:  # the size of the batch was given
                continue
            assert equal(whole.narrow(found.batch, sample, 1), part), (written, shape)
    assert min(apart, lost, refused) > 50


def test_a_folded_batch_that_is_taken_apart_is_the_batch_again() -> None:
    n, t = Dim.named("N", 2, runtime=True), Dim.named("T", 5, runtime=True)
    folded = batched("Rearrange", {"pattern": "n t d -> d (n t)"}, (n, t, 8), 0)
    assert folded.lost
    again = {"pattern": "d (n t) -> d t n", "t": t}
    found = apply(with_axes(OPERATIONS["Rearrange"], again), again, [folded]).outputs["output"]
    assert (found.batch, found.lost, found.text) == (2, False, "(8, T, N)")


def test_windows_are_put_together_again() -> None:
    """As in a Swin transformer: the batch is folded with numbers that follow an argument."""
    sizes = {"h": "$(28 // window)", "w": "$(28 // window)", "p": "$window"}
    apart = {"pattern": "b (h p) (w q) c -> (b h w) (p q) c", "p": "$window", "q": "$window"}
    layers = [
        {"Rearrange": apart},
        {"Linear": 8},
        {"Rearrange": {"pattern": "(b h w) (p q) c -> b (h p) (w q) c", **sizes}},
        {"Reduce": ["b h w c -> b c", "mean"]},
    ]
    spec = {"name": "Net", "input": [28, 28, 4], "params": {"window": 7}, "layers": layers}
    result = build_source(from_mapping(spec), {}, None)
    assert result.graph.type_of(result.graph.outputs[0][1]).text == "(N, 8)"
    x, net = torch.rand(2, 28, 28, 4), result.module_class(window=4)
    linear = next(iter(net.children()))
    assert torch.allclose(net(x), linear(x).mean(dim=(1, 2)), atol=1e-6)


def test_a_pattern_has_an_end() -> None:
    """Of many dimensions of size 1, and of many axes, there is a chain or a refusal at once."""
    left: tuple[tuple[str, ...], ...] = (*[()] * 12, ("a",), *[()] * 12)
    right: tuple[tuple[str, ...], ...] = (*[()] * 6, ("r",), ("a",), *[()] * 16)
    assert 0 < len(shortest(Task(left, right, frozenset({"r"})))) < 40
    names = " ".join(f"a{number}" for number in range(41))
    written = {"pattern": f"{names} -> {names}"}
    assert "40 axes" in str(ours("Rearrange", written, TensorType((2,) * 41, "float32", None)))


@pytest.mark.parametrize(
    ("item", "free"),
    [
        ({"Rearrange": {"pattern": "n t (a b) -> n a t b", "a": 2, "b": "$k"}}, {"k", "w"}),
        ({"Rearrange": {"pattern": "n t (a b) -> n (a b) t", "a": 2, "b": "$k"}}, set()),
        ({"Rearrange": {"pattern": "n (a b) t -> n a (b t)", "a": 2, "b": "$k"}}, {"k", "w"}),
        ({"Rearrange": {"pattern": "n t w -> n w t", "t": "$(2 * k)"}}, {"w"}),
        ({"Reduce": {"pattern": "n t (a b) -> n", "a": 2, "b": "$k", "reduction": "sum"}}, set()),
        ({"Reduce": {"pattern": "n t 8 -> n t", "reduction": "sum"}}, {"k"}),
        ({"Rearrange": {"pattern": "n t (a b) -> n a t b", "b": "$k"}}, {"k", "w"}),
        ({"Rearrange": {"pattern": "n t (a b) -> n (a b) t", "b": "$k"}}, set()),
    ],
)
def test_sizes_that_torch_does_not_look_at_are_fixed(item: Any, free: set[str]) -> None:
    """A class takes no size for which the pattern would refuse what torch runs."""
    layers = [{"Linear": "$w"}, {"Linear": {"name": "last", "out_features": "$w"}}, item]
    if "n (a b) t ->" in str(item):
        layers.insert(2, {"Rearrange": "n t w -> n w t"})
    layers.append({"Scale": {"factor": "$k"}})
    spec = {"name": "Net", "input": [8, 6], "params": {"w": 8, "k": 4}, "layers": layers}
    graph = build_source(from_mapping(spec), {}, None).graph
    assert {parameter.name for parameter in graph.params if not parameter.fixed} == free


def network(draws: random.Random) -> dict[str, Any]:
    """A network with a random pattern, its sizes arguments of the class or known at run time."""
    operation, written, shape, _ = drawn(draws, draws.choice(("Rearrange", "Reduce", "Repeat")))
    left, _, right = written["pattern"].partition("->")
    item: dict[str, Any] = {**written, "pattern": f"n {left}->n {right}"}
    params: dict[str, Any] = {}
    for name in [name for name in item if name not in ("pattern", "reduction")]:
        if draws.random() < 0.7:
            params[f"p_{name}"] = item[name]
            item[name] = f"$p_{name}"
    dims: list[Any] = [*shape]
    if dims and draws.random() < 0.3:
        dims[draws.randrange(len(dims))] = "T"
    elif dims and draws.random() < 0.5:
        params["width"] = dims[-1]
    first = "$width" if "width" in params else dims[-1] if dims else 1
    layer: Any = {operation: item}
    if draws.random() < 0.3:
        layer = {"Sequential": {"layers": [layer, "Tanh"]}}
    layers = ["Tanh" if first == "T" or not dims else {"Linear": first}, layer]
    return {"name": "Net", "input": dims, "params": params, "layers": layers}


@pytest.mark.slow
def test_networks_with_patterns_are_what_is_predicted(worker: Worker) -> None:
    """Each is run, its other members, too, and sizes beyond those that fit; or it is refused."""
    draws, built = random.Random(0), 0
    for _ in range(45):
        codes = []
        try:
            build_source(from_mapping(network(draws)), {}, worker, CPU)
            built += 1
        except NetgenError as error:
            codes = [found.code for found in error.diagnostics]
        assert all(code.startswith("NG2") for code in codes)
    assert built > 20


def test_sizes_that_a_pattern_takes_are_told() -> None:
    spec = {
        "name": "Net",
        "input": ["T", 8],
        "layers": [
            {"Rearrange": {"pattern": "n (t s) d -> n t s d", "t": 2}},
            {"Reduce": {"pattern": "n t s d -> n d", "reduction": "sum"}},
        ],
        "sizes": {"T": 6},
    }
    assert [*build_source(from_mapping(spec), {}, None).graph.fit.texts] == ["T: even"]


AXES = """
name: Axial
input: [T, 4, 8]
blocks:
  Attend:
    params: {heads: 2}
    layers:
      - Linear: {name: qkv, out_features: $(3 * in_features)}
      - Rearrange: {name: split, pattern: n t (three h d) -> three n h t d, three: 3, h: $heads}
      - Select: {name: q, dim: 0, index: 0}
      - Select: {name: k, from: split, dim: 0, index: 1}
      - Select: {name: v, from: split, dim: 0, index: 2}
      - ScaledDotProductAttention: [q, k, v]
      - Rearrange: n h t d -> n t (h d)
      - Linear: $(in_features)
layers:
  - Rearrange: n t s d -> (n t) s d
  - Attend: {name: places}
  - Rearrange: {pattern: (n t) s d -> n t (s d), t: "$(shape(input)[0])"}
  - Attend: {name: times, heads: 4}
sizes: {T: 3}
"""


def test_a_block_is_used_with_a_batch_and_with_a_folded_one(build_text: Builder) -> None:
    network: Any = build_text(AXES).module_class()
    x = torch.randn(2, 3, 4, 8)
    rows = torch.stack([network.places(sample) for sample in x])
    torch.testing.assert_close(network(x), network.times(rows.flatten(2)))


ROTARY = """
name: Rotary
input: [T, 8]
params: {places: 16}
layers:
  - Rearrange: {name: pairs, pattern: n t (d two) -> two n t d, two: 2}
  - Select: {name: a, dim: 0, index: 0}
  - Select: {name: b, from: pairs, dim: 0, index: 1}
  - Complex: {name: z, from: [a, b]}
  - Buffer:
      name: cos
      persistent: false
      value: "$([[cos(t / 10000 ** (i / 4)) for i in range(4)] for t in range(places)])"
  - Buffer:
      name: sin
      persistent: false
      value: "$([[sin(t / 10000 ** (i / 4)) for i in range(4)] for t in range(places)])"
  - Complex: {name: table, from: [cos, sin]}
  - Slice: {name: known, dim: 0, end: "$(shape(input)[0])"}
  - Mul: {name: turned, from: [z, known]}
  - Real: {name: real}
  - Imag: {name: imag, from: turned}
  - Stack: {from: [real, imag], dim: -1}
  - Flatten: {start_dim: 2}
"""


def test_a_rotary_table_of_complex_numbers_turns_what_it_reads(build_text: Builder) -> None:
    """As in Llama's own code, with `torch.polar` and `torch.view_as_complex`."""
    network = build_text(ROTARY).module_class()
    x = torch.randn(2, 5, 8)
    angles = torch.outer(torch.arange(5.0), 1.0 / 10000 ** (torch.arange(4) / 4))
    table = torch.polar(torch.ones_like(angles), angles)
    turned = torch.view_as_complex(x.reshape(2, 5, 4, 2)) * table
    torch.testing.assert_close(network(x), torch.view_as_real(turned).flatten(2))
