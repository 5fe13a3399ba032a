"""Memory: what is computed is held against torch, and what does not fit is refused."""

from __future__ import annotations

import warnings
import weakref
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_netgen
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch_netgen import NetgenError
from torch_netgen.analysis.memory import available
from torch_netgen.analysis.prediction import check_source
from torch_netgen.ir.levels import Demand
from torch_netgen.layers import CATALOGUE
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import arguments
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.saved import Saved
from torch_netgen.layers.tensor import TensorType
from torch_netgen.pipeline import build_source
from torch_netgen.run.proofs.subject import samples, tensors_in
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import from_mapping, parse

from .cases import Case, Draw, draw
from .command import netgen as run_netgen
from .conftest import CONFIGS, by_depth
from .deep import is_deep
from .networks import built, checked
from .oracle import _module, _sample, nested, netgen

HUGE = """\
name: Huge
input: [100000]
layers:
  - Linear: 1000000
  - Linear: {out_features: 1000000, bias: false}
"""
# layers whose kernels keep buffers of their own, or take one of several ways
FITTED = {"MultiheadAttention", "EmbeddingBag", "RNN", "LSTM", "GRU", "RNNCell", "LSTMCell"}
FITTED |= {"GRUCell", "LocalResponseNorm", "RMSNorm", "CosineSimilarity", "PairwiseDistance"}
FITTED |= {name for name in CATALOGUE if "Transformer" in name or name.startswith("LPPool")}

# shares by which torch's kernels for recurrence and attention differ from what is fitted
TOLERANCE = {"gpt2": 0.07, "lstm_tagger": 0.03, "transformer_classifier": 0.01, "vit_b_16": 0.07}
TOLERANCE |= {"ft_transformer": 0.07}
# what kernels take for a while is not computed (attention, pools of one size, transposed views),
# nor that a variable holds what nothing reads any more
LEAST = {"alexnet": 0.8, "gpt2": 0.85, "lstm_tagger": 0.65, "transformer_classifier": 0.5}
LEAST |= {"dlrm": 0.5, "ft_transformer": 0.9, "unet": 0.85, "vae": 0.8, "vit_b_16": 0.85}
LEAST |= {"sngan_discriminator": 0.2}  # the weights that are computed are not among activations


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_weights_take_what_torch_says(path: Path) -> None:
    result = built(path)
    with torch.device("meta"):
        network = result.module_class()
    parameters = dict(network.named_parameters(remove_duplicate=False))
    own = sum(p.numel() * p.element_size() for p in network.parameters())
    buffers = sum(
        value.numel() * value.element_size()
        for name, value in network.state_dict().items()
        if name not in parameters
    )
    memory = result.costs.memory
    assert memory.gradients == own
    assert memory.weights == own + buffers


SHALLOW = [path for path in CONFIGS if not is_deep(path)]


class Saving:
    """What autograd keeps while it is in force, by memory; each place counts once."""

    def __init__(self, network: nn.Module) -> None:
        own = (*network.parameters(), *network.buffers())
        self.own = {w.untyped_storage().data_ptr() for w in own}
        self.kept: dict[int, torch.UntypedStorage] = {}
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor)

    def _keep(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.own:
            self.kept[storage.data_ptr()] = storage
        return tensor

    @property
    def bytes(self) -> int:
        return sum(storage.nbytes() for storage in self.kept.values())


def kept_by_torch(case: Case) -> int:
    """The bytes that one layer keeps of a forward pass in training."""
    module = _module(case.layer, case.args, case.inferred)
    inputs = [_sample(x) for x in case.inputs]
    saving = Saving(module)
    with saving.hooks:
        outputs = module(*inputs, **case.options)
    del outputs
    return saving.bytes


def kept_by_rule(case: Case) -> int:
    """The same by the layer's rule."""
    row = CATALOGUE[case.layer]
    written = nested(case.args | case.options)
    assert isinstance(written, dict)
    args = read_arguments(row, written)
    assert isinstance(args, dict)
    inputs = [TensorType(x.shape, x.dtype, None, bound=x.high) for x in case.inputs]
    applied = apply(row, args, inputs)
    saved: Saved = row.saves(arguments(applied.args), inputs, list(applied.outputs.values()))
    if not row.weights(applied.a) and not any(x.dtype == "float32" for x in inputs):
        return 0
    width = {"int64": 8, "int32": 4, "float32": 4}
    places = {id(x): x.numel * width[x.dtype] for x in saved.tensors}
    return sum(places.values()) + saved.more + saved.indices


def usual(case: Case) -> bool:
    """A case in float32 that netgen accepts, without states and masks."""
    types = all(x.dtype in ("float32", "int32", "int64") for x in case.inputs)
    plain = not case.named and not case.args.get("inplace") and netgen(case, {}).result
    return bool(types and plain and not case.args.get("max_norm"))


@pytest.mark.parametrize("name", sorted(CATALOGUE.keys() - FITTED))
def test_a_layer_keeps_what_its_rule_says(name: str) -> None:
    draws, held = Draw(f"saved {name}"), 0
    while held < 20:
        case = draw(draws, name)
        if usual(case):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert kept_by_rule(case) == kept_by_torch(case), case
            held += 1


OPERATIONS = (
    *("- Fft\n- Abs", "- Fft: {n: 5}\n- Real", "- Fft: {n: 11}\n- Angle", "- Fft: [1, 2]\n- Imag"),
    *(
        "- Rfft",
        "- Rfft: {dim: [1, 2], s: [4, 9]}\n- Irfft: [1, 2]",
        "- Rfft: {dim: [1, 2], s: [2, 8]}",
    ),
    *("- Ifft\n- Irfft: {n: 3}", "- Ifft: [1, 2]", "- Angle", "- Real\n- Exp"),
    "- Tanh: {name: t}\n- Complex: [t, fc]\n- Abs",
    "- Reshape: [1, 4, 6]\n- Exp: {name: e}\n- Reshape: {name: grid, from: fc, shape: [3, 4, 2]}\n"
    "- GridSample: [e, grid]",
    "- Slice: {dim: 1, end: 2}\n- Slice: {dim: 2, end: 3}\n- AffineGrid: [3, 4, 5]",
    "- Parameter: {name: w, shape: [4, 3, 3]}\n- Exp: {name: e, from: w}\n"
    "- FunctionalConv1d: [fc, e]",
    "- Buffer: {name: w, value: 1.0, shape: [3, 4, 3]}\n- FunctionalConvTranspose1d: [fc, w]",
    "- Parameter: {name: w, shape: [4, 8]}\n- Exp: {name: e, from: w}\n- FunctionalLinear: [fc, e]",
)


@pytest.mark.parametrize("layers", OPERATIONS)
def test_transforms_and_samples_keep_what_their_rules_say(layers: str) -> None:
    text = "name: Net\ninput: [3, 9]\nlayers:\n- Linear: {name: fc, out_features: 8}\n"
    result = build_source(parse(text + layers, "spec.yaml"), {}, None)
    saving = Saving(network := result.module_class())
    with saving.hooks:
        outputs = network(torch.randn(2, 3, 9))
    del outputs
    assert sum(row.kept for row in result.shapes) == saving.bytes


SEQUENCES: dict[str, dict[str, Any]] = {
    "LSTM": {"hidden_size": 128, "num_layers": 2},
    "GRU": {"hidden_size": 128, "bidirectional": True},
    "RNN": {"hidden_size": 128, "num_layers": 3},
    "TransformerEncoderLayer": {"nhead": 4, "dim_feedforward": 128},
    "TransformerDecoderLayer": {"nhead": 4, "dim_feedforward": 128, "dropout": 0.0},
    "MultiheadAttention": {"num_heads": 4, "dropout": 0.1},
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_keep_about_what_is_computed(name: str) -> None:
    args = {"batch_first": True, **SEQUENCES[name]}
    reads = len(CATALOGUE[name].tensors)
    inputs = [[48, 64] for _ in range(reads)]
    spec = {"inputs": {f"x{place}": shape for place, shape in enumerate(inputs)}}
    layer = {name: {**args, "from": [*spec["inputs"]]}}
    result = torch_netgen.build({"name": "Net", **spec, "layers": [layer]}, smoke=False)
    network = result.module_class()
    saving = Saving(network)
    with saving.hooks:
        for value in tensors_in(network(*[torch.randn(2, *shape) for shape in inputs])):
            saving._keep(value)
    assert result.costs.memory.training == pytest.approx(saving.bytes, rel=0.2)


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most bytes that are alive at a time, beside the weights."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        weights = [*network.parameters(), *network.buffers()]
        self.own = {w.untyped_storage().data_ptr() for w in weights}
        self.sizes: dict[int, int] = {}
        self.most = 0

    def hold(self, value: Any) -> None:
        if not isinstance(value, torch.Tensor):
            return
        storage = value.untyped_storage()
        key = storage._cdata
        if storage.data_ptr() not in self.own and key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            weakref.finalize(storage, self.sizes.pop, key)
            self.most = max(self.most, sum(self.sizes.values()))

    def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = f(*args, **(kwargs or {}))
        for value in outputs if isinstance(outputs, (tuple, list)) else [outputs]:
            self.hold(value)
        return outputs


def run_of(path: Path) -> tuple[Any, nn.Module, list[torch.Tensor]]:
    """The computed memory, the network, and its sample inputs."""
    plan = checked(path).plan
    network = built(path).module_class()
    return plan.memory, network, samples(plan.request()["runs"][0], "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("path", SHALLOW, ids=lambda path: path.stem)
def test_training_keeps_what_was_computed(path: Path) -> None:
    memory, network, inputs = run_of(path)
    saving = Saving(network)
    with saving.hooks:
        for value in tensors_in(network(*inputs)):
            saving._keep(value)
    assert memory.training == pytest.approx(saving.bytes, rel=TOLERANCE.get(path.stem, 0))


@pytest.mark.slow
@pytest.mark.parametrize("path", SHALLOW, ids=lambda path: path.stem)
def test_a_forward_pass_holds_what_was_computed(path: Path) -> None:
    memory, network, inputs = run_of(path)
    alive = Alive(network.eval())
    with torch.no_grad(), alive:
        copies = [value.clone() for value in inputs]
        network(*copies)
    assert memory.inference <= alive.most
    assert memory.inference >= LEAST.get(path.stem, 1) * alive.most


def test_what_is_too_large_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text(HUGE)
    left = available()
    assert left is not None
    assert left < 4 * 10**12
    run = run_netgen("build", "huge.yaml", "--device", "cpu", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("error[NG404]: `Huge` needs 8,195.7 GiB of memory, but ")
    assert "weights with their gradients take 8,195.6 GiB" in run.stderr
    assert not (tmp_path / "huge.py").exists()
    meta = run_netgen("build", "huge.yaml", "--device", "meta", cwd=tmp_path)
    assert meta.returncode == 0, meta.stderr
    assert "smoke-run on meta: passed" in meta.stdout
    assert "shapes only: nothing was computed" in meta.stdout
    (tmp_path / "huge.py").unlink()
    assert run_netgen("build", "huge.yaml", "--no-smoke", cwd=tmp_path).returncode == 0


def test_where_a_gpu_is_the_best_device_only_the_weights_must_fit_here() -> None:
    left = available()
    assert left is not None
    pad = {"padding": [0, 2**20 - 1, 0, left // 2**20], "value": 0}  # 4 MiB a row and sample
    spec = {"name": "Wide", "input": [1, 1, 1], "layers": [{"ConstantPad2d": pad}]}
    wide = check_source(from_mapping(spec), {}).plan
    huge = check_source(parse(HUGE, "huge.yaml"), {}).plan
    with Worker() as worker:
        worker.start()
        worker.torch, worker.device = "any", "cuda"
        worker.check_memory(wide, "auto")
        for plan, device in ((huge, "auto"), (wide, "cpu"), (wide, "all")):
            with pytest.raises(NetgenError, match="NG404"):
                worker.check_memory(plan, device)


def test_the_device_without_data_disproves_what_is_wrong(worker: Worker) -> None:
    """Shapes and weights are held against the plan there, too."""
    spec: dict[str, Any] = {"name": "Net", "input": [4], "layers": [{"Linear": 3}]}
    source = torch_netgen.build(spec, smoke=False).source
    wrong = check_source(from_mapping({**spec, "layers": [{"Linear": 2}]}), {})
    with pytest.raises(NetgenError, match="was predicted"):
        worker.prove(source, wrong.plan, Demand("meta"))


# kernels that keep what they give in ways of their own: nothing is said, and the run tells
UNTOLD = {"LSTM", "RNNCell"}
# what takes more than these arguments, or no numbers that a gradient flows through
UNTRIED = {"Embedding", "EmbeddingBag", "Fold", "TransformerEncoder", "Unflatten"}
BEGINNINGS: tuple[tuple[list[int], dict[str, Any]], ...] = (
    ([8], {"Linear": 8}),
    ([4, 8], {"Conv1d": [4, 1]}),
    ([4, 8, 8], {"Conv2d": [4, 1]}),
    ([4, 4, 8, 8], {"Conv3d": [4, 1]}),
)
ARGUMENTS = (None, 1, 2, [2, 2], {"hidden_size": 4}, {"nhead": 2})
TYPES = {row.name for row in CATALOGUE.values() if len(row.tensors) == 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TYPES - UNTOLD - UNTRIED))
@pytest.mark.filterwarnings("ignore")  # of unusual shapes
def test_what_is_overwritten_though_it_is_kept_is_what_torch_refuses(name: str) -> None:
    """A layer of each type, and one behind it that works in place."""
    assert compared(name, most=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TYPES - UNTOLD - UNTRIED))
@pytest.mark.filterwarnings("ignore")
def test_it_is_with_all_arguments_and_shapes(name: str) -> None:
    assert compared(name)


def compared(name: str, most: float = inf) -> int:
    """The number of networks that were held against torch: all, or `most` and one more."""
    tried = 0
    for (shape, first), given in product(BEGINNINGS, ARGUMENTS):
        if tried >= most:
            break
        for last in ("ReLU", "Dropout"):
            layers = [first, {name: given}, {last: {"inplace": True}}]
            spec = {"name": "Net", "input": shape, "layers": layers}
            try:
                result = torch_netgen.build(spec, smoke=False)
                output, *_ = tensors_in(result.module_class()(torch.rand(2, *shape)))
            except (NetgenError, RuntimeError):
                continue
            tried += 1
            warned = any(found.code == "NG310" for found in result.warnings)
            assert warned is _is_refused(output), layers
    return tried


def _is_refused(output: torch.Tensor) -> bool:
    try:
        torch.autograd.backward(output.sum())
    except RuntimeError as error:
        return "inplace operation" in str(error)
    return False


@pytest.mark.parametrize(
    "between",
    [
        [{"Permute": [0, 2, 1]}, "Flatten"],
        [{"Transpose": [1, 2]}, {"Reshape": [32]}],
        ["Flatten"],
        [{"Rearrange": "n t c -> n c t"}, {"Rearrange": "n c t -> n (c t)"}],
        [{"Rearrange": "n t c -> n (c t)"}],
        [{"Rearrange": "n t c -> n (t c)"}],
        [{"Rearrange": {"pattern": "n t (a b) -> n a (t b)", "a": 2}}, "Flatten"],
        [{"Dropout": {"p": 0, "inplace": True}}, "Flatten"],
    ],
)
def test_views_that_copy_keep_what_is_overwritten_behind_them(between: list[Any]) -> None:
    layers = [{"Linear": 8}, "Sigmoid", *between, {"ReLU": {"inplace": True}}, {"Linear": 2}]
    result = torch_netgen.build({"name": "Net", "input": [4, 8], "layers": layers}, smoke=False)
    output = result.module_class()(torch.rand(2, 4, 8))
    assert any(found.code == "NG310" for found in result.warnings) is _is_refused(output)


def test_a_dropout_of_nothing_overwrites_nothing() -> None:
    layers = [{"Linear": 8}, "Sigmoid", {"Dropout": {"p": 0, "inplace": True}}]
    result = torch_netgen.build({"name": "Net", "input": [8], "layers": layers}, smoke=False)
    assert [warning.code for warning in result.warnings] == ["NG314"]  # it does nothing at all
    assert not _is_refused(result.module_class()(torch.rand(2, 8)))
