"""Other members of a generated class, held against what `--set` gives for the same values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch_netgen import NetgenError
from torch_netgen.analysis.locations import Locations
from torch_netgen.analysis.members import Family, Member, family_of, other_arguments
from torch_netgen.analysis.prediction import Prediction, predict
from torch_netgen.ir.graph import Ref
from torch_netgen.ir.levels import DEFAULT_LEVELS, Demand, in_order
from torch_netgen.lower import conditions
from torch_netgen.lower.reader import Reader
from torch_netgen.pipeline import build_source, rendered
from torch_netgen.run.proofs.calls import KNOWN, Learner, Recorder, names_of
from torch_netgen.run.proofs.subject import load
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse
from torch_netgen.spec.spec import Item, read_document

from .conftest import CONFIGS, CPU, SPECS

ALL = Demand("cpu", levels=("forward", "arguments"))
SMALL = ("lenet", "mnist", "vae", "lstm_tagger", "transformer_classifier", "autoencoder", "qvga")
TRIED = [*SPECS, *(path for path in CONFIGS if path.stem in SMALL)]

SPEC = """\
name: Net
input: [3, 12, 12]
params: {width: 4, depth: 2, pre: true, factor: 0.5, sides: [1, 2]}
blocks:
  Body:
    params: {width: required, depth: required}
    layers:
      - Conv2d: {name: first, out_channels: $width, kernel_size: 1}
      - Conv2d: {name: more, out_channels: $width, kernel_size: 1, repeat: $depth}
layers:
  - ReLU: {when: $pre}
  - Body: {name: body, width: $width, depth: $depth}
  - Scale: {factor: $factor}
  - Pad: {pad: "$([sides[0], 0, sides[1], 0])"}
  - Dropout: {name: drop, p: $(factor / 2)}
  - Flatten
  - Linear: {name: fc, out_features: $width}
init:
  Linear: {weight: {normal_: {std: $(factor / 10)}}}
"""


def found(text: str = SPEC) -> Prediction:
    return predict(read_document(parse(text, "spec.yaml")), {})


def proven(prediction: Prediction, source: str, worker: Worker, demand: Demand = ALL) -> str:
    """What the level showed."""
    family = family_of(prediction)
    locate = Locations(prediction.source, prediction.graph).locate
    (proof,) = worker.prove(source, prediction.plan, demand, locate, family)
    (shown,) = (shown for shown in proof.levels if shown.level == "arguments")
    return shown.found


@pytest.mark.slow
@pytest.mark.parametrize("path", TRIED, ids=lambda path: path.stem)
def test_every_member_is_what_set_gives(path: Path, worker: Worker) -> None:
    prediction = predict(read_document(read(path)), {})
    count = len(other_arguments(prediction.classes))
    if count:
        held, _, total, said = proven(prediction, rendered(prediction), worker).split(" ", 3)
        assert said == "members of the class tried: each is what `--set` gives"
        # where an index may be too large for a table, numbers in tensors decide: one argument
        assert int(held) == int(total) >= count - 1


def test_a_divisor_that_is_an_argument_may_be_0(worker: Worker) -> None:
    """Torch divides by 0 without a message, so the class does; a plain 0 is refused."""
    text = "name: Net\ninput: [4]\nparams: {d: 2}\nlayers: [Div: $d, Softplus: $d]"
    prediction = found(text)
    assert {"d": 0} in other_arguments(prediction.classes)
    said = proven(prediction, rendered(prediction), worker)
    assert said == "4 of 4 members of the class tried: each is what `--set` gives"


def test_where_numbers_in_tensors_decide_members_are_not_compared(worker: Worker) -> None:
    """`--set rows=1` and the like are refused, but an index that is too large may never come."""
    text = """
name: Net
inputs: {x: {shape: [1], dtype: int64, range: [0, 9]}, y: [2, 6, 6]}
params: {rows: 9, kernel: 4}
layers:
- Embedding: {name: e, from: x, num_embeddings: $rows, embedding_dim: 2}
- Conv2d: {from: y, out_channels: 3, kernel_size: $kernel, stride: 2}
- MaxPool2d: {name: pool, kernel_size: 2, return_indices: true}
- MaxUnpool2d: {name: u, from: [pool.output, pool.indices], kernel_size: 2}
outputs: [e, u]
"""
    prediction = found(text)
    assert [*other_arguments(prediction.classes)][:3] == [{"rows": 10}, {"kernel": 5}, {"rows": 8}]
    said = proven(prediction, rendered(prediction), worker)
    assert said == "6 of 6 members of the class tried: each is what `--set` gives"


def test_a_divisor_that_another_argument_fixes_may_be_0(worker: Worker) -> None:
    """With `d: 0` the loop has no copies, which fixes `d`; the class still divides by 0."""
    text = """
name: Net
input: [4]
params: {d: 3}
layers: [Div: $d, ReLU: {name: r, repeat: $d}, Linear: 2]
"""
    prediction = found(text)
    assert {"d": 0} in other_arguments(prediction.classes)
    assert proven(prediction, rendered(prediction), worker).endswith("each is what `--set` gives")


def test_a_member_has_the_time_that_the_spec_has() -> None:
    """One that is long to work out is broken off, as the reading of a spec is."""

    def long() -> Iterator[Member]:
        while True:
            time.sleep(0.001)
        yield Member({})

    prediction, family = found(), Family(1, long())
    with Worker(timeout=0.2) as worker, pytest.raises(NetgenError) as caught:
        worker.prove(rendered(prediction), prediction.plan, ALL, family=family)
    (told,) = caught.value.diagnostics
    assert told.code == "NG402"
    assert told.message == "the other members of the class were not worked out within 0.2 seconds"
    assert worker.process is None


SABOTAGE = {
    "a condition": ("if pre:", "if True:", "`Net(pre=False)` is not what `--set pre=false` gives"),
    "a number": ("nn.Linear(width * (", "nn.Linear(4 * (", "`--set width=5` gives: `fc.weight` is"),
    "a count": ("range(depth)", "range(max(depth, 2))", "it has a weight `body.more."),
    "an initial value": ("std=factor / 10", "std=0.05", "`fc.weight` begins with `normal_"),
    "what forward reads": ("x * self.factor", "x * 0.5", "differs from the network's own by up to"),
    "what training reads": ("nn.Dropout(factor / 2)", "nn.Dropout(0.25)", "differs from"),
    "a shape": ("F.pad(x, (self.sides[0], 0, ", "F.pad(x, (1, 0, ", "gives: it raises"),
    "a name": (
        "x * self.factor",
        "x * (0.5 if self.factor == 0.5 else self.scale)",
        "AttributeError",
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_member_that_differs_is_disproved(name: str, worker: Worker) -> None:
    before, after, words = SABOTAGE[name]
    prediction = found()
    source = rendered(prediction)
    assert before in source
    with pytest.raises(NetgenError) as caught:
        proven(prediction, source.replace(before, after), worker)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in ("NG401", "NG408")
    assert words in diagnostic.message


def test_a_member_that_runs_though_it_is_refused_is_told(worker: Worker) -> None:
    """A class that takes what the spec does not."""
    text = (
        "name: Net\ninput: [4, 8]\nparams: {p: 0.5}\nlayers:\n  - Dropout: {name: drop, p: $p}\n"
        "  - Linear: {name: fc, out_features: 2}\n"
    )
    prediction = found(text)
    source = rendered(prediction).replace("nn.Dropout(p)", "nn.Dropout(min(max(p, 0.0), 1.0))")
    with pytest.raises(NetgenError, match=r"runs, but `--set p=.*` is refused") as caught:
        proven(prediction, source, worker)
    location = caught.value.diagnostics[0].location
    assert location is not None
    assert location.line == 3


IN_SILENCE = {
    "a division by 0": "  - Linear: 4\n  - Div: {other: $k}\n",
    "no copies of what reads two": (
        "  - Linear: {name: a, out_features: 4}\n"
        "  - Linear: {name: c, from: input, out_features: 4}\n"
        "  - Bilinear: {name: both, from: [c, a], repeat: $k, out_features: 4}\n"
    ),
    "an index that torch refuses": (
        "  - Linear: {name: a, out_features: 4}\n  - Buffer: {name: at, value: [0, 1, 2]}\n"
        "  - Embedding: {from: at, num_embeddings: $(k + 2), embedding_dim: 4}\n"
        "  - Mean: {name: b, dim: 0}\n  - Add: [a, b]\n"
    ),
}


@pytest.mark.parametrize("name", IN_SILENCE)
def test_a_class_takes_what_set_takes(name: str, worker: Worker) -> None:
    """What torch computes is no mistake, and what it refuses at a run is refused on both sides."""
    prediction = found(f"name: Net\ninput: [4]\nparams: {{k: 1}}\nlayers:\n{IN_SILENCE[name]}")
    tried = other_arguments(prediction.classes)
    assert {"k": 0} in tried
    assert proven(prediction, rendered(prediction), worker) == (
        f"{len(tried)} of {len(tried)} members of the class tried: each is what `--set` gives"
    )


ABSENT = """\
name: Net
input: [3, 4]
params: {m: true}
blocks:
  Mixed:
    params: {m: true}
    layers:
      - Group:
          when: $m
          layers:
            - Linear: {name: a, out_features: $in_features}
            - MultiheadAttention: {num_heads: 1}
            - Conv1d: {name: b, out_channels: $in_channels, kernel_size: 1}
            - LSTM: {name: c, hidden_size: $in_features, num_layers: 2}
            - Linear: {name: d, out_features: $in_features, repeat: 2}
layers:
  - Mixed: {m: $m}
  - Linear: 2
"""


def test_layers_keep_their_order_where_some_may_be_absent(worker: Worker) -> None:
    """``None`` takes no place among a class's modules, `nn.Identity()` does."""
    prediction = found(ABSENT)
    assert proven(prediction, rendered(prediction), worker).startswith("1 of 1 members")


NUMBERED = """\
name: Net
input: [4]
params: {on: true, wide: true}
blocks:
  Block:
    params: {on: false, wide: false}
    layers:
      - Linear: {out_features: $in_features, when: $on}
      - Group: {when: $wide, layers: [{Linear: $in_features}, Inner, BatchNorm1d, Tanh]}
      - BatchNorm1d
      - Inner
      - Linear: {out_features: 1}
  Inner: {layers: [{Linear: $in_features}]}
layers: [{Block: {on: $on, wide: $wide}}]
"""


def test_a_layer_that_no_use_has_keeps_its_number(worker: Worker) -> None:
    """`fc3` is called so whether or not there are `fc1` and `fc2`."""
    prediction = found(NUMBERED)
    assert proven(prediction, rendered(prediction), worker).startswith("3 of 3 members")


def test_what_follows_from_an_argument_stays_in_its_bounds(worker: Worker) -> None:
    """A width of 1 for two heads would leave none for each: they are at least 1, as is said."""
    prediction = found(
        "name: Net\ninput: [4]\nparams: {width: 8, heads: 2, each: $(width // heads)}\n"
        "layers:\n  - Linear: {name: a, out_features: $(heads * each)}\n  - Linear: 2\n"
    )
    tried = other_arguments(prediction.classes)
    assert {"width": 1} not in tried
    assert {"width": 9} in tried
    assert proven(prediction, rendered(prediction), worker) == (
        f"{len(tried)} of {len(tried)} members of the class tried: each is what `--set` gives"
    )


def test_a_class_says_from_where_on_its_arguments_give_a_width(worker: Worker) -> None:
    prediction = found(
        "name: Net\ninput: [4]\nparams: {width: 16}\nblocks:\n  B:\n    params: {n: 1}\n"
        "    layers: [{Linear: $(n // 2)}]\nlayers: [{Linear: $width}, {B: $(width // 3)}]\n"
    )
    source = rendered(prediction)
    assert "at least 6" in source
    assert {"width": 1} not in other_arguments(prediction.classes)
    shown = proven(prediction, source, worker)
    assert shown == "3 of 3 members of the class tried: each is what `--set` gives"


def test_by_default_a_share_of_the_time_is_enough(worker: Worker) -> None:
    """Without being asked for, members are looked at, and nothing of the rest is left out."""
    (proof,) = build_source(parse(SPEC, "spec.yaml"), {}, worker, CPU).proofs
    assert [shown.level for shown in proof.levels] == [*DEFAULT_LEVELS, "arguments"]
    assert "members of the class tried: each is what `--set` gives" in proof.levels[-1].found


def test_a_choice_among_the_default_levels_leaves_members_out(worker: Worker) -> None:
    demand = Demand("cpu", levels=in_order(["eval"]))
    (proof,) = build_source(parse(SPEC, "spec.yaml"), {}, worker, demand).proofs
    assert [shown.level for shown in proof.levels] == ["forward", "eval"]


@pytest.mark.parametrize("name", ["lenet", "resnet18", "lstm_tagger", "transformer_classifier"])
@pytest.mark.parametrize("training", [True, False])
def test_what_is_known_stands_for_what_is_computed(name: str, training: bool) -> None:
    """The calls of a network are the same whether or not large results are computed again."""
    (path,) = (path for path in CONFIGS if path.stem == name)
    prediction = predict(read_document(read(path)), {})
    module, _ = load(rendered(prediction), prediction.graph.name)
    network = getattr(module, prediction.graph.name)().train(training)
    inputs = [
        torch.zeros(sample.shape, dtype=getattr(torch, sample.dtype))
        for sample in prediction.plan.runs[0].samples
    ]
    with torch.no_grad(), Learner():
        network(*inputs)
    recorders = [Recorder(names_of(network, inputs), known) for known in (None, KNOWN)]
    outputs = []
    for recorder in recorders:
        with torch.no_grad(), recorder:
            outputs.append(recorder.told(network(*inputs)))
    computed, recalled = recorders
    assert computed.steps == recalled.steps
    assert outputs[0] == outputs[1]
    assert len(computed.steps) > 5


def test_a_size_that_is_1_by_default_keeps_its_name(worker: Worker) -> None:
    """Beside a number, which has no sizes: what is read after it follows the argument."""
    text = (
        "name: Net\ninput: [3, 8, 8]\nparams: {k: 1}\nlayers:\n"
        "  - Conv2d: {out_channels: $k, kernel_size: 3}\n"
        "  - Parameter: {name: gain, shape: [], init: ones_}\n"
        "  - Mul: [conv1, gain]\n  - Flatten\n  - Linear: 2\n"
    )
    prediction = found(text)
    assert proven(prediction, rendered(prediction), worker).startswith("1 of 1 ")


def test_a_mistake_in_what_passes_is_no_mistake_of_both(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a member is held against has no conditions: none can be wrong in the same way."""
    text = """
name: Net
input: [4]
params: {m: true, k: 3}
layers:
- Linear: {name: a, out_features: 4}
- Linear: {name: b, out_features: 4}
- Group:
    when: $m
    else: a
    layers:
    - Linear: {name: c, out_features: 4}
    - ReLU: {name: d, when: $(k > 2), else: b}
- Linear: {name: e, out_features: 4}
"""
    prediction = found(text)
    proven(prediction, rendered(prediction), worker)

    def passing(reader: Reader, item: Item, passed: Ref, known: int) -> bool:
        """Both sources let `b` pass where `m` is false, although the spec says `a`."""
        conditions_passing(reader, item, passed, known)
        return True

    conditions_passing = conditions.passing
    monkeypatch.setattr(conditions, "passing", passing)
    prediction = found(text)
    with pytest.raises(NetgenError) as caught:
        proven(prediction, rendered(prediction), worker)
    (wrong,) = caught.value.diagnostics
    assert wrong.code == "NG408"
    assert "`Net(m=False)` is not what `--set m=false` gives" in wrong.message


def test_a_member_is_predicted_for_the_sizes_that_the_class_is_run_with(worker: Worker) -> None:
    """Nothing of the class divides by `s`; but for T = 4, it is refused for its sizes first."""
    text = """
name: Net
inputs: {first: [4, 6], second: [T, 6]}
params: {r: 2, s: 1}
blocks:
  Own:
    params: {unused: required, given: required}
    layers: [{Linear: {out_features: $(given + 1)}}]
layers:
- Minimum: [first, second]
- Own: {unused: "$(ceil_div(r, s))", given: $(s + 1)}
"""
    prediction = found(text)
    assert "members of the class tried: each is" in proven(prediction, rendered(prediction), worker)


def test_a_layer_keeps_its_number_whatever_decides_that_it_has_weights(worker: Worker) -> None:
    layers = "layers: [{LayerNorm: {elementwise_affine: $(y > 1)}}, LayerNorm]"
    prediction = found(f"name: Net\ninput: [3, 8]\nparams: {{y: 2}}\n{layers}\n")
    told = proven(prediction, rendered(prediction), worker)
    assert told == "4 of 4 members of the class tried: each is what `--set` gives"
