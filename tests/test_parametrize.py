"""`parametrize`: weights that are computed from others, held against torch's own functions."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch_netgen import NetgenError
from torch_netgen.ir.levels import Demand
from torch_netgen.layers import CATALOGUE
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import Parametrization, Refusal
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.parametrizations import FUNCTIONS, check_parametrized, parametrized
from torch_netgen.layers.tensor import TensorType
from torch_netgen.lsp.completion import complete
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .cases import Case, Draw, draw
from .conftest import CPU
from .oracle import _call, _module, nested
from .oracle import netgen as verdict
from .test_memory import Saving

WEIGHTED = sorted(name for name, row in CATALOGUE.items() if row.has_weights)
State = list[tuple[str, tuple[int, ...]]]


def made(text: str, worker: Worker, **overrides: Any) -> Any:
    """The class of a spec, which has been run."""
    return build_source(parse(text, "spec.yaml"), overrides, worker, CPU).module_class


def drawn(draws: Draw, function: str) -> dict[str, Any]:
    """Arguments of a function, some of which don't fit every weight."""
    dims = [None, 0, 0, 1, 2, 5]
    args: dict[str, dict[str, Any]] = {
        "weight_norm": {"dim": draws.choice(dims)},
        "spectral_norm": {"n_power_iterations": draws.randint(0, 3), "dim": draws.choice(dims)},
        "orthogonal": {"use_trivialization": draws.random() < 0.5},
    }
    return {name: x for name, x in args[function].items() if draws.random() < 0.5}


def by_torch(case: Case, weight: str, function: str, args: dict[str, Any]) -> State | None:
    """The state of a layer after torch's function; `None` if that fails, or gives no numbers."""
    torch.manual_seed(0)
    module = _module(case.layer, case.args, case.inferred)
    try:
        made = getattr(parametrizations, function)(module, name=weight, **args)
        for y in _call(made, case):
            if y.requires_grad:
                torch.autograd.backward(y.abs().sum(), retain_graph=True)
    except (RuntimeError, ValueError, IndexError):
        return None
    gradients = [p.grad.to_dense() for p in made.parameters() if p.grad is not None]
    if not all(bool(torch.isfinite(x).all()) for x in (getattr(made, weight), *gradients)):
        return None
    return [(name, tuple(value.shape)) for name, value in made.state_dict().items()]


def by_rule(case: Case, weight: str, function: str, args: dict[str, Any]) -> State | None:
    row, way = CATALOGUE[case.layer], Parametrization(weight, function, tuple(args.items()))
    written = nested(case.args | case.options)
    assert isinstance(written, dict)
    read = read_arguments(row, written)
    assert isinstance(read, dict)
    a = apply(row, read, [TensorType(x.shape, x.dtype, None, bound=x.high) for x in case.inputs]).a
    try:
        check_parametrized(row, a, way)
    except Refusal:
        return None
    weights = parametrized(row, (way,)).weights(a)
    return [(found.name, tuple(map(int, found.shape))) for found in weights]


def hold(name: str, count: int) -> None:
    """Compare both verdicts on some weights of a layer with drawn arguments."""
    draws, held = Draw(f"parametrize {name}"), 0
    while held < count:
        case = draw(draws, name)
        if case.named or case.args.get("eps", 1) <= 0 or verdict(case, {}).result is None:
            continue
        held += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = _module(name, case.args, case.inferred)
            names = ["nothing", *(own for own, _ in module.named_parameters())]
            for weight in draws.sample(names, min(3, len(names))):
                for function in FUNCTIONS:
                    args = drawn(draws, function)
                    found = by_rule(case, weight, function, args)
                    assert found == by_torch(case, weight, function, args), (weight, args)


@pytest.mark.parametrize("name", [name for name in WEIGHTED if "Transformer" not in name])
def test_each_weight_of_each_layer_is_as_in_torch(name: str) -> None:
    hold(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTED)
def test_more_weights_of_each_layer_are_as_in_torch(name: str) -> None:
    hold(name, 2 if "Transformer" in name else 10)


class TemporalBlock(nn.Module):
    """A block of the temporal convolutional network of Bai, Kolter and Koltun."""

    def __init__(self, n_in: int, n_out: int, k: int, dilation: int) -> None:
        super().__init__()
        padding = (k - 1) * dilation
        self.conv1 = parametrizations.weight_norm(
            nn.Conv1d(n_in, n_out, k, padding=padding, dilation=dilation)
        )
        self.conv2 = parametrizations.weight_norm(
            nn.Conv1d(n_out, n_out, k, padding=padding, dilation=dilation)
        )
        self.downsample = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else None
        self.cut = padding

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.conv1(x)[:, :, : -self.cut])
        out = torch.relu(self.conv2(out)[:, :, : -self.cut])
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class Tcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            TemporalBlock(2, 6, 3, 1), TemporalBlock(6, 6, 3, 2), TemporalBlock(6, 9, 3, 4)
        )
        self.linear = nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.network(x)[:, :, -1])
        return out


TCN = """
name: Tcn
input: [2, T]
params: {channels: [6, 6, 9], kernel: 3, dropout: 0.0}
blocks:
  TemporalBlock:
    params: {out_channels: required, kernel: required, dilation: required, dropout: 0.0}
    layers:
      - Conv1d: &conv
          {name: conv1, out_channels: $out_channels, kernel_size: $kernel, dilation: $dilation,
           padding: $((kernel - 1) * dilation), parametrize: weight_norm}
      - Slice: &cut {dim: 2, end: "$(shape(input)[-1])"}
      - ReLU
      - Dropout: {p: $dropout}
      - Conv1d: {<<: *conv, name: conv2}
      - Slice: *cut
      - ReLU
      - Dropout: {name: out, p: $dropout}
      - Conv1d:
          {name: downsample, from: input, out_channels: $out_channels, kernel_size: 1,
           when: $(in_channels != out_channels)}
      - Add: [out, downsample]
      - ReLU
layers:
  - TemporalBlock:
      {name: network, repeat: $(len(channels)), out_channels: "$(channels[index])",
       kernel: $kernel, dilation: $(2 ** index), dropout: $dropout}
  - Select: {dim: 2, index: -1}
  - Linear: {name: linear, out_features: 4}
sizes: {T: 12}
"""


class SnBlock(nn.Module):
    """A block of the discriminator of Miyato and others, as the authors have it."""

    def __init__(self, n_in: int, n_out: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        sn = parametrizations.spectral_norm
        self.c1 = sn(nn.Conv2d(n_in, n_out, 3, padding=1))
        self.c2 = sn(nn.Conv2d(n_out, n_out, 3, padding=1))
        self.c_sc = sn(nn.Conv2d(n_in, n_out, 1)) if n_in != n_out or down else None
        self.down, self.first = down, first
        for conv, gain in ((self.c1, 2**0.5), (self.c2, 2**0.5)):
            nn.init.xavier_uniform_(conv.get_parameter("parametrizations.weight.original"), gain)

    def pooled(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 2) if self.down else x

    def shortcut(self, x: Tensor) -> Tensor:
        if self.c_sc is None:
            return x
        out: Tensor = self.c_sc(self.pooled(x)) if self.first else self.pooled(self.c_sc(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.first else torch.relu(x)
        h = self.c2(torch.relu(self.c1(h)))
        return self.pooled(h) + self.shortcut(x)


class SnDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1 = SnBlock(3, 8, down=True, first=True)
        self.block2 = SnBlock(8, 8, down=True)
        self.block3 = SnBlock(8, 8, down=False)
        self.l5 = parametrizations.spectral_norm(nn.Linear(8, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        h = self.block3(self.block2(self.block1(x)))
        out: Tensor = self.l5(torch.relu(h).sum((2, 3)))
        return out


SNGAN = """
name: Discriminator
input: [3, 16, 16]
params: {ch: 8}
blocks:
  First:
    params: {out: required}
    layers:
      - Conv2d: &conv
          {name: c1, out_channels: $out, kernel_size: 3, padding: 1, parametrize: spectral_norm}
      - ReLU
      - Conv2d: {<<: *conv, name: c2}
      - AvgPool2d: {name: main, kernel_size: 2}
      - AvgPool2d: {from: input, kernel_size: 2}
      - Conv2d: &skip {name: c_sc, out_channels: $out, kernel_size: 1, parametrize: spectral_norm}
      - Add: [main, c_sc]
  Block:
    params: {out: required, down: true}
    layers:
      - ReLU
      - Conv2d: *conv
      - ReLU
      - Conv2d: {<<: *conv, name: c2}
      - AvgPool2d: {name: main, kernel_size: 2, when: $down}
      - Conv2d: {<<: *skip, from: input, when: $(in_channels != out or down)}
      - AvgPool2d: {name: short, kernel_size: 2, when: $down}
      - Add: [main, short]
layers:
  - First: {name: block1, out: $ch}
  - Block: {name: block2, out: $ch}
  - Block: {name: block3, out: $ch, down: false}
  - ReLU
  - Sum: [2, 3]
  - Linear: {name: l5, out_features: 1, bias: false, parametrize: spectral_norm}
init:
  c1: {weight: {xavier_uniform_: {gain: $(sqrt(2))}}}
"""


@pytest.mark.parametrize(
    ("text", "reference", "shape"),
    [(TCN, Tcn, (3, 2, 20)), (SNGAN, SnDiscriminator, (3, 3, 16, 16))],
    ids=["TCN", "SNGAN"],
)
def test_networks_of_the_literature(
    text: str, reference: type[nn.Module], shape: tuple[int, ...], worker: Worker
) -> None:
    network, other = made(text, worker)(), reference()
    network.load_state_dict(other.state_dict(), strict=True)
    x = torch.randn(shape)
    for training in (False, True, False):  # spectral norms are estimated anew in training
        found, wanted = network.train(training)(x), other.train(training)(x)
        assert torch.allclose(found, wanted, atol=1e-6)
    assert all(
        torch.equal(value, other.state_dict()[k]) for k, value in network.state_dict().items()
    )


INITIAL = """
name: Net
input: [4, 6]
params: {depth: 2, std: 0.25, extra: true}
blocks:
  Inner:
    layers:
      - Conv1d: {name: conv, out_channels: 4, kernel_size: 1, parametrize: weight_norm}
layers:
  - Conv1d: {name: plain, out_channels: 4, kernel_size: 1}
  - Inner: {name: low}
  - Inner: {name: high}
  - Linear: {name: fc, out_features: 6, repeat: $depth, parametrize: spectral_norm}
  - Linear: {name: turned, out_features: 6, parametrize: orthogonal, when: $extra}
  - Linear: {name: both, out_features: 6, parametrize: {bias: spectral_norm, weight: weight_norm}}
  - LSTM: {name: rnn, hidden_size: 5, batch_first: true, parametrize: {weight_hh_l0: weight_norm}}
  - GRU: {name: plain_rnn, hidden_size: 5, batch_first: true}
init:
  Conv1d: {weight: {constant_: 0.5}, bias: zeros_}
  high.conv: {weight: {constant_: 2}}
  fc.1: {weight: {constant_: 3}}
  turned: {weight: {eye_: {}}}
  both: {bias: {constant_: 1}}
  rnn: {weight_hh_l0: {constant_: 0.125}}
"""


def test_initial_values_are_those_of_the_weight_itself(worker: Worker) -> None:
    network = made(INITIAL, worker)()
    assert bool((network.plain.weight == 0.5).all())
    assert torch.allclose(network.low.conv.weight, torch.tensor(0.5))
    assert torch.allclose(network.high.conv.weight, torch.tensor(2.0))
    assert torch.allclose(network.low.conv.parametrizations.weight.original0, torch.tensor(1.0))
    # 3 everywhere, divided by its largest singular value, which is known before any run
    assert torch.allclose(network.fc[1].eval().weight, torch.tensor(1 / 6), atol=1e-5)
    for layer in network.fc:
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=0.05)
    assert torch.allclose(network.turned.weight, torch.eye(6), atol=1e-6)
    assert torch.allclose(network.both.bias, torch.tensor(6**-0.5))
    assert torch.allclose(network.rnn.weight_hh_l0, torch.tensor(0.125))
    assert bool((network.low.conv.bias == 0).all())


def test_a_weight_may_be_a_plain_one_for_some_arguments(worker: Worker) -> None:
    text = SHORT.format("$how").replace("params: {", "params: {how: weight_norm, ")
    assert "parametrizations.weight.original0" in made(text, worker)().fc1.state_dict()
    bare = build_source(parse(text, "spec.yaml"), {"how": "spectral_norm"}, worker, CPU)
    assert "spectral_norm(nn.Linear(6, width))" in bare.source
    assert [*bare.module_class().get_submodule("fc1").state_dict()] == [
        "bias",
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ]
    network = made(SHORT.format('$("weight_norm" if width > 8 else None)'), worker)()
    assert [*network.fc1.state_dict()] == ["weight", "bias"]


SHORT = """
name: Net
input: [6]
params: {{width: 4}}
layers:
  - Linear: {{out_features: $width, parametrize: {}}}
"""


def test_figures_count_what_torch_has() -> None:
    result = build_source(parse(INITIAL, "spec.yaml"), {}, None)
    network = result.module_class()
    parameters = sum(p.numel() for p in network.parameters())
    assert result.costs.parameters == parameters
    assert result.costs.memory.gradients == 4 * parameters
    assert result.costs.memory.weights == 4 * sum(v.numel() for v in network.state_dict().values())


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("conv", [True, False])
def test_autograd_keeps_what_is_computed(function: str, conv: bool) -> None:
    layer = "Conv1d: {out_channels: 7, kernel_size: 5" if conv else "Linear: {out_features: 12"
    text = f"name: Net\ninput: [8, 9]\nlayers:\n  - {layer}, parametrize: {function}}}\n"
    result = build_source(parse(text, "spec.yaml"), {}, None)
    network, x = result.module_class(), torch.randn(2, 8, 9, requires_grad=True)
    size = sum(x.numel() for x in network.parameters())
    saving = Saving(network)
    with saving.hooks:
        y = network(x)
    kept = saving.bytes + y.numel() * 4
    assert kept <= result.costs.memory.training <= kept + 4 * size


def test_a_recurrent_network_can_be_exported_after_a_run(worker: Worker) -> None:
    """torch itself can't copy it then."""
    text = """
name: Net
input: [5, 6]
layers:
  - LSTM: {hidden_size: 4, batch_first: true, parametrize: {weight_hh_l0: weight_norm}}
"""
    demand = Demand("cpu", levels=("forward", "backward", "eval", "dtype"))
    assert build_source(parse(text, "spec.yaml"), {}, worker, demand).proofs


def test_a_script_has_no_parametrizations(worker: Worker) -> None:
    demand = Demand("cpu", levels=("forward", "script"))
    with pytest.raises(NetgenError) as caught:
        build_source(parse(SHORT.format("weight_norm"), "spec.yaml"), {}, worker, demand)
    (found,) = caught.value.diagnostics
    assert found.code == "NG407"
    assert "TorchScript has no parametrizations, and `fc1` has a computed weight" in found.message


def test_an_editor_knows_them() -> None:
    text = "name: Net\ninput: [6]\nlayers:\n  - Linear: {out_features: 4, parametrize: }\n"
    column = text.splitlines()[3].index("}") + 1
    assert [x.text for x in complete(text, 4, column).suggestions] == [*FUNCTIONS]
    text = text.replace("parametrize: }", "parametrize: {weight: {weight_norm: {}}}}")
    column = text.splitlines()[3].index("{}") + 2
    assert [x.text for x in complete(text, 4, column).suggestions] == ["dim"]
    text = text.replace("parametrize: {weight: {weight_norm: {}}}", "")
    keys = {x.text for x in complete(text, 4, len(text.splitlines()[3])).suggestions}
    assert "parametrize" in keys
    text = "name: Net\ninput: [6]\nlayers:\n  - ReLU: {}\n"
    assert "parametrize" not in {x.text for x in complete(text, 4, 12).suggestions}
