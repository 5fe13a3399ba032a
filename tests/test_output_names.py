"""A list of names for what comes out together: references, and variables of `forward`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_netgen import NetgenError, build
from torch_netgen.analysis.prediction import check_source
from torch_netgen.diagnostics.diagnostics import Diagnostic
from torch_netgen.lsp.completion import complete
from torch_netgen.lsp.hover import hover
from torch_netgen.lsp.snapshot import check
from torch_netgen.lsp.symbols import symbols
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .conftest import CPU


def made(text: str, worker: Worker | None = None, **overrides: Any) -> Any:
    """The class of a spec, which has been run if a `worker` is given."""
    demand = () if worker is None else (CPU,)
    return build_source(parse(text, "names.yaml"), overrides, worker, *demand).module_class


def refused(text: str) -> Diagnostic:
    with pytest.raises(NetgenError) as caught:
        check_source(parse(text, "names.yaml"), {})
    (found,) = caught.value.diagnostics
    return found


ATTENTION = """
name: Attention
input: [T, 12]
layers:
  - Linear: {name: c_attn, out_features: 36}
  - Chunk: {name: [q, k, v], chunks: 3, dim: 2}
  - ScaledDotProductAttention: {from: [q, k, v], is_causal: true}
  - Linear: {name: c_proj, out_features: "$(shape(v)[-1])"}
sizes: {T: 5}
"""


def test_attention_is_written_as_a_person_writes_it(worker: Worker) -> None:
    network = made(ATTENTION, worker)()
    x = torch.randn(2, 5, 12)
    q, k, v = network.c_attn(x).chunk(3, dim=2)
    attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.equal(network(x), network.c_proj(attended))
    first = inspect.getsource(type(network).forward).splitlines()[1].split("  #")[0]
    assert first.strip() == "q, k, v = self.c_attn(x).chunk(3, dim=2)"


KINDS = """
name: Kinds
inputs: {x: [6, 8], other: [6, 8]}
blocks:
  Two:
    inputs: [a, b]
    layers:
      - Add: {name: sum, from: [a, b]}
      - Sub: {name: rest, from: [a, b]}
    outputs: [sum, rest]
layers:
  - ITEM
  - Flatten: {name: one, from: FIRST, end_dim: -1}
outputs: [one, SECOND]
"""
# an item with the names `p` and `q`, and its outputs, made of the network's layers
TAKES = "from: x, batch_first: true"
ITEMS: dict[str, tuple[str, Any]] = {
    "Chunk": ("Chunk: {name: [p, _, q], from: x, chunks: 3, dim: 1}",
              lambda n, x, y: x.chunk(3, 1)[::2]),
    "Split": ("Split: {name: [p, q], from: x, sizes: [2, 4], dim: 1}",
              lambda n, x, y: x.split([2, 4], 1)),
    "LSTM": (f"LSTM: {{name: [p, _, q], {TAKES}, hidden_size: 4}}",
             lambda n, x, y: (n.lstm1(x)[0], n.lstm1(x)[1][1])),
    "GRU": (f"GRU: {{name: [p, q], {TAKES}, hidden_size: 4}}", lambda n, x, y: n.gru1(x)),
    "RNN": (f"RNN: {{name: [p, q], {TAKES}, hidden_size: 4}}", lambda n, x, y: n.rnn1(x)),
    "MultiheadAttention": (
        "MultiheadAttention: {name: [p, q], from: [x, other], num_heads: 2, batch_first: true}",
        lambda n, x, y: n.attn1(x, y, y)),
    "TopK": ("TopK: {name: [p, q], from: x, k: 2, dim: 2}", lambda n, x, y: x.topk(2, dim=2)),
    "Sort": ("Sort: {name: [p, q], from: x, dim: 1}", lambda n, x, y: x.sort(dim=1)),
    "MaxPool1d": ("MaxPool1d: {name: [p, q], from: x, kernel_size: 2, return_indices: true}",
                  lambda n, x, y: n.maxpool(x)),
    "a block": ("Two: {name: [p, q], from: [x, other]}", lambda n, x, y: (x + y, x - y)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ITEMS)
@pytest.mark.parametrize("turned", [False, True])
def test_names_are_the_outputs_in_order(kind: str, turned: bool, worker: Worker) -> None:
    item, outputs = ITEMS[kind]
    first, second = "qp" if turned else "pq"
    text = KINDS.replace("ITEM", item).replace("FIRST", first).replace("SECOND", second)
    if "other" not in item:
        text = text.replace(", other: [6, 8]", "")
    if kind != "a block":
        text = text[: text.index("blocks:")] + text[text.index("layers:\n  - " + kind) :]
    network = made(text, worker)()
    x, other = torch.randn(2, 6, 8), torch.randn(2, 6, 8)
    p, q = outputs(network, x, other)
    given = network(*(x, other)[: len(inspect.signature(network.forward).parameters)])
    wanted = (q.flatten(1), p) if turned else (p.flatten(1), q)
    assert all(torch.equal(one, two) for one, two in zip(given, wanted, strict=True))


def test_every_use_of_a_layer_names_its_own_outputs(worker: Worker) -> None:
    network = made(
        """
name: Siamese
inputs: {left: [5, 8], right: [5, 8]}
layers:
  - LSTM: {name: [y, _, _], from: left, hidden_size: 4, batch_first: true}
  - Reuse: {name: [z, _, c], layer: lstm1, from: right}
  - Sub: {name: apart, from: [y, z]}
outputs: [apart, c]
init: {lstm1: {bias_hh_l0: zeros_}}
""",
        worker,
    )()
    left, right = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    (y, _), (z, (_, c)) = network.lstm1(left), network.lstm1(right)
    assert not network.lstm1.bias_hh_l0.any()
    assert all(map(torch.equal, network(left, right), (y - z, c)))


WHERE = """
name: Where
input: [8, 6]
params: {width: 6, first: true, on: true}
blocks:
  Part:
    params: {on: required}
    layers:
      - LSTM: {name: [y, _, _], hidden_size: $in_features, batch_first: true, when: $on}
      - Add: [y, input]
layers:
  - Linear: {name: wide, out_features: $(2 * width)}
  - Chunk: {name: [left, right], chunks: 2, dim: 2}
  - Part: {name: part, from: '$("left" if first else "right")', on: $on}
  - Part: {name: other, from: right, on: false}
  - Concat:
      from: left
      branches:
        - [{Tanh: {from: right}}]
        - [{Linear: {name: a, out_features: "$(shape(left)[-1])"}}]
  - Linear: {name: last, from: [part], out_features: "$(shape(right)[-1])"}
outputs: {last: last, other: other, concat: concat, right: right}
"""


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_name_stands_wherever_one_may(on: bool, first: bool, worker: Worker) -> None:
    text = WHERE.replace("on: true}", f"on: {str(on).lower()}}}")
    kind = made(text, worker)
    for arguments in ({}, {"width": 4}, {"first": not first}):
        given = {"first": first, **arguments}
        network = kind(**given)
        x = torch.randn(2, 8, 6)
        left, right = network.wide(x).chunk(2, dim=2)
        chosen = left if given["first"] else right
        y = network.part.lstm1(chosen)[0] if on else chosen
        found = network(x)
        assert torch.equal(found["last"], network.last(y + chosen))
        assert torch.equal(found["other"], right + right)
        assert torch.equal(found["concat"], torch.cat([right.tanh(), network.a(left)], 1))
        assert torch.equal(found["right"], right)
        assert [*found] == ["last", "other", "concat", "right"]


ABSENT = """
name: Net
input: [8, 6]
params: {on: true, read: right}
layers:
  - Chunk: {name: [left, right], chunks: 2, dim: 1, when: $on}
  - LSTM: {name: [y, _, c], from: left, hidden_size: 5, batch_first: true, when: $on}
  - Linear: {name: a, from: $read, out_features: 3}
  - Linear: {name: b, from: y, out_features: 3}
  - Linear: {name: d, from: c, out_features: 3}
outputs: [a, b, d]
"""


def test_names_of_an_absent_layer_are_what_it_would_have_read(worker: Worker) -> None:
    x = torch.randn(2, 8, 6)
    there = made(ABSENT, worker)()
    left, right = x.chunk(2, dim=1)
    states, (_, last) = there.lstm1(left)
    for found, layer, read in zip(there(x), "abd", (right, states, last), strict=True):
        assert torch.equal(found, there.get_submodule(layer)(read))
    absent = made(ABSENT, worker, on=False)()
    for found, layer in zip(absent(x), "abd", strict=True):
        assert torch.equal(found, absent.get_submodule(layer)(x))


def test_what_an_absent_layer_passes_on_is_read_next() -> None:
    text = """
name: Net
input: [8, 6]
layers:
  - Chunk: {NAME chunks: 2, dim: 2}
  - ReLU: {from: REF, when: false}
  - Linear: {name: last, out_features: 3}
"""
    x = torch.randn(2, 8, 6)
    for name, ref in (("name: [_, b],", "b"), ("name: c,", "c.1"), ("", "chunk.1")):
        network = made(text.replace("NAME", name).replace("REF", ref))()
        assert torch.equal(network(x), network.last(x.chunk(2, dim=2)[1]))


COUNTED = """
name: Net
input: [8, 6]
params: {n: 2, width: 8}
layers:
  - Linear: $width
  - ITEM
  - Add: [a, b]
"""


@pytest.mark.parametrize(
    ("item", "fixed"),
    [
        ("Chunk: {name: [a, b], chunks: $n, dim: 1}", {"n": "`chunks` of `Chunk` needs it"}),
        (
            "Split: {name: [a, b], sizes: 4, dim: 2}",
            {"width": "`Split` gives more or fewer tensors for other values"},
        ),
        (
            "Split: {name: [a, b], sizes: $(n * 2), dim: 2}",
            {
                "n": "`sizes` of `Split` needs it",
                "width": "`Split` gives more or fewer tensors for other values",
            },
        ),
        ('Split: {name: [a, b], sizes: ["$(width // 2)", "$(width // 2)"], dim: 2}', {}),
    ],
)
def test_what_decides_how_many_come_out_is_fixed(item: str, fixed: dict[str, str]) -> None:
    text = COUNTED.replace("ITEM", item)
    found = check_source(parse(text, "names.yaml"), {}).classes[-1].params
    reasons = {p.name: p.reason.text for p in found if p.fixed and p.reason}
    assert {name: reasons.get(name) for name in fixed} == fixed
    assert ("width" in reasons) == ("width" in fixed)


@pytest.mark.slow
def test_a_class_of_the_specs_own_has_one_output(tmp_path: Path) -> None:
    own = "from torch import nn\n\nclass Own(nn.Tanh):\n    pass\n"
    (tmp_path / "own_names.py").write_text(own, encoding="utf-8")
    text = "name: Net\ninput: [4]\nimports: {Own: own_names.Own}\nlayers: [Own: {name: NAMES}]\n"
    spec = tmp_path / "net.yaml"
    spec.write_text(text.replace("NAMES", "[y]"), encoding="utf-8")
    build(spec, allow_imports=True)
    spec.write_text(text.replace("NAMES", "[y, z]"), encoding="utf-8")
    with pytest.raises(NetgenError) as caught:
        build(spec, allow_imports=True, smoke=False)
    assert caught.value.diagnostics[0].message == "`Own` gives 1 (`output`), but 2 named"


@pytest.mark.parametrize(
    ("item", "message", "help"),
    [
        (
            "Linear: {name: a, from: k.0, out_features: 2}",
            "`k.0`: `k` is one tensor, without ports",
            "write `k`",
        ),
        (
            "Linear: 2",
            "`chunk` gives several tensors, and `Linear` does not say which it reads",
            "write `from: q`",
        ),
        (
            "Linear: {from: chunk, out_features: 2}",
            "`chunk` gives several tensors",
            "write `chunk.0`, `chunk.1`, ...",
        ),
        (
            "Linear: {from: kk, out_features: 2}",
            "`kk` is no input and no layer above",
            "did you mean `k`?",
        ),
        (
            "Reuse: {layer: k, from: q}",
            "there is no layer `k` above that could be applied again",
            "`chunk` gives it",
        ),
        ("Linear: {name: v, from: q, out_features: 2}", "the name `v` is given twice", None),
    ],
)
def test_what_a_name_does_not_mean(item: str, message: str, help: str | None) -> None:
    text = f"""
name: Net
input: [4, 12]
layers:
  - Chunk: {{name: [q, k, v], chunks: 3, dim: 2}}
  - {item}
  - Add: [k, v]
"""
    found = refused(text)
    assert (found.message, found.help) == (message, help)


def test_the_default_is_not_read_where_it_is_skipped() -> None:
    text = """
name: Net
input: [4, 12]
layers:
  - LSTM: {name: [_, h, _], hidden_size: 12}
  - ITEM
"""
    found = refused(text.replace("ITEM", "Linear: 2"))
    assert found.message.startswith("`lstm1` gives several tensors, and `Linear`")
    assert found.help == "write `from: h`"
    found = refused(text.replace("ITEM", "Linear: {from: lstm1, out_features: 2}"))
    assert found.help == "write `lstm1.output`, `lstm1.h_n`, ..."
    made(text.replace("ITEM", "Linear: {from: lstm1.output, out_features: 2}"))


def test_a_mistake_in_the_layer_is_one_message() -> None:
    text = ATTENTION.replace("chunks: 3", "chunks: 5").replace("36", "8")
    assert refused(text).message == "a size of 8 does not give 5 chunks"


def test_an_editor_knows_the_names() -> None:
    snapshot = check(ATTENTION, "names.yaml").right
    assert snapshot is not None
    lines = ATTENTION.splitlines()
    place = next(n for n, line in enumerate(lines, 1) if "ScaledDot" in line)
    column = lines[place - 1].index(" k,") + 2
    found = hover(snapshot, place, column)
    assert found is not None
    assert found.text == "`k`: Chunk\n\n- (N, 5, 12) in `chunk`"
    own = hover(snapshot, place - 1, lines[place - 2].index("q") + 1)
    assert own is not None
    assert own.text.startswith("**Chunk**")
    text = ATTENTION.replace("from: [q, k, v]", "from: [q, k, ")
    known = complete(text, place, text.splitlines()[place - 1].index("k, ") + 4).suggestions
    assert {"q", "k", "v"} <= {s.text for s in known if s.sort == "reference"}
    names = [symbol.name for symbol in symbols(parse(ATTENTION, "names.yaml"))]
    assert names == ["c_attn", "q, k, v", "ScaledDotProductAttention", "c_proj"]
