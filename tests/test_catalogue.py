"""The catalogue against torch: names, signatures, shapes, types, weights and refusals."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import nn
from torch_netgen.diagnostics.diagnostics import NetgenError
from torch_netgen.layers import CATALOGUE
from torch_netgen.layers.base import COMPLEX, REQUIRED
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import from_mapping
from torch_netgen.symbolic.names import MODULE_NAMES, NN_CLASSES, why_no_attribute

from .cases import Case, Draw, Tensor, draw
from .conftest import CPU
from .oracle import netgen, reality

NOT_LAYERS = {
    "Container",
    "DataParallel",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss2d",
    "ParameterDict",
    "ParameterList",
    "RNNBase",
    "RNNCellBase",
    "Sequential",
}
# their signature in torch is ``(*args, **kwargs)``; the documented arguments
UNDECLARED = {
    "GRU": "input_size hidden_size num_layers bias batch_first dropout bidirectional",
    "Identity": "",
    "LSTM": "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size",
    "LogSigmoid": "",
    "RNN": "input_size hidden_size num_layers nonlinearity bias batch_first dropout bidirectional",
    "Sigmoid": "",
    "Softmax2d": "",
    "Softsign": "",
    "Tanh": "",
    "Tanhshrink": "",
}


def torch_layers() -> list[str]:
    """The public module classes of `torch.nn` that are no loss, no container, not lazy."""
    return [
        name
        for name, value in vars(nn).items()
        if inspect.isclass(value)
        and issubclass(value, nn.Module)
        and not name.startswith(("_", "Lazy"))
        and not name.endswith("Loss")
        and name not in NOT_LAYERS
    ]


def test_every_layer_of_torch_is_there_and_no_other() -> None:
    assert sorted(torch_layers()) == sorted(CATALOGUE)
    assert len(CATALOGUE) == 116


@pytest.mark.parametrize("name", CATALOGUE)
def test_arguments_are_torchs_in_name_order_and_default(name: str) -> None:
    row = CATALOGUE[name]
    if name in UNDECLARED:
        assert [arg.name for arg in row.args] == UNDECLARED[name].split()
        return
    signature = inspect.signature(getattr(nn, name).__init__).parameters
    declared = [
        parameter
        for parameter in list(signature.values())[1:]
        if parameter.name not in ("device", "dtype") and not parameter.name.startswith("_")
    ]
    assert [arg.name for arg in row.args] == [parameter.name for parameter in declared]
    for arg, parameter in zip(row.args, declared, strict=True):
        assert arg.keyword_only == (parameter.kind is inspect.Parameter.KEYWORD_ONLY)
        if arg.inferred and arg.default is REQUIRED:
            continue  # `d_model` has a default in torch; here the input decides
        expected = REQUIRED if parameter.default is inspect.Parameter.empty else parameter.default
        if expected is torch.nn.functional.relu:
            expected = "relu"
        assert arg.default == expected, arg.name


@pytest.mark.parametrize("name", CATALOGUE)
def test_tensors_and_options_are_those_of_forward(name: str) -> None:
    row = CATALOGUE[name]
    known = [p for p in inspect.signature(getattr(nn, name).forward).parameters if p != "self"]
    if known[-1:] == ["hx"]:
        return  # states are named as in torch's documentation: h_0, c_0
    ours = [*row.tensors, *row.optional_tensors, *(arg.name for arg in row.options)]
    assert len(known) == len(ours)
    assert sorted(ours[1:]) == sorted(known[1:])
    order = [known.index(tensor) for tensor in row.optional_tensors]
    assert order == sorted(order)


def test_agrees_with_torch_on_random_arguments(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same shapes, types and weights, or a refusal on both sides; no type left out."""
    count = request.config.getoption("--oracle")
    accepted, total, different = 0, 0, []
    for name in CATALOGUE:
        draws = Draw(f"0{name}")
        taken = 0
        for _ in range(count):
            case = draw(draws, name)
            ours, theirs = netgen(case, {}), reality(case)
            total, taken = total + 1, taken + (theirs.result is not None)
            if ours.result != theirs.result:
                different.append(
                    f"{case}\n  netgen {ours.result or ours.reason}"
                    f"\n  torch  {theirs.result or theirs.reason}"
                )
        assert taken, f"torch took no case of {name}"
        accepted += taken
    with capsys.disabled():
        print(f"\n{total} argument sets, {accepted} taken by torch, {len(different)} differences")
    assert not different, "\n".join(different[:20])


def test_complex_numbers_are_read_or_refused_as_by_torch() -> None:
    different = []
    for name in CATALOGUE:
        draws = Draw(f"complex {name}")
        for _ in range(6):
            case = draw(draws, name)
            for x in case.inputs:
                x.dtype = draws.choice(sorted(COMPLEX)) if draws.chance(0.9) else x.dtype
            ours, theirs = netgen(case, {}), reality(case)
            if "Dropout" in name and ours.result is None and torch.__version__ >= "2.14":
                continue  # it takes them then
            if ours.result != theirs.result:
                different.append(f"{case}: {ours} and in torch {theirs}")
    assert not different, "\n".join(different[:20])


def test_an_inferred_argument_that_is_written_must_agree() -> None:
    held = 0
    for name, row in CATALOGUE.items():
        draws = Draw(f"written {name}")
        for _ in range(10):
            case = draw(draws, name)
            inferred = {k: v for k, v in case.inferred.items() if k != "nested"}
            if not inferred or netgen(case, {}).result is None:
                continue
            assert netgen(case, inferred).result == netgen(case, {}).result, case
            first = next(iter(inferred))
            if row.arg(first).default is REQUIRED:
                wrong = netgen(case, {first: inferred[first] + 1})
                assert wrong.result is None
                assert str(inferred[first] + 1) in wrong.reason
                held += 1
    assert held > 100


def spec_of(case: Case) -> dict[str, Any]:
    """A spec with one layer, the case's."""

    def declared(x: Tensor) -> dict[str, Any]:
        found: dict[str, Any] = {"shape": list(x.shape), "dtype": x.dtype, "batch": False}
        return found if x.high is None else found | {"range": [0, x.high]}

    inputs = {f"x{place}": declared(x) for place, x in enumerate(case.inputs)}
    states = [name for name in case.named if name in ("h_0", "c_0")]
    masks = {name: name for name in case.named if name not in states}
    inputs |= {name: declared(x) for name, x in case.named.items()}
    args = {**case.args, **case.options, **masks}
    args["from"] = [*(f"x{place}" for place in range(len(case.inputs))), *states]
    return {"name": "Net", "inputs": inputs, "layers": [{case.layer: args}]}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_layer_is_generated_and_run(name: str, worker: Worker) -> None:
    """What the rules accept is generated and passes its smoke-run; what they refuse is not."""
    draws, built = Draw(f"build {name}"), 0
    while built < 3:
        case = draw(draws, name)
        source = from_mapping(spec_of(case))
        if netgen(case, {}).result is not None:
            try:
                built += bool(build_source(source, {}, worker, CPU).proofs)
            except NetgenError as error:
                rooted = case.args.get("eps", 0) < 0  # a negative number may come to its root
                if not rooted or error.diagnostics[0].code != "NG406":
                    raise
        else:
            with pytest.raises(NetgenError):
                build_source(source, {}, worker, CPU)


def test_names_that_modules_use_themselves_are_known() -> None:
    used = {*dir(nn.Module()), *dir(nn.Sequential())}
    assert all(why_no_attribute(name) for name in used)
    assert used >= MODULE_NAMES


def test_classes_of_torch_nn_are_known() -> None:
    public = [getattr(nn, name) for name in dir(nn) if not name.startswith("_")]
    modules = [found for found in public if isinstance(found, type)]
    there = {found.__name__ for found in modules if issubclass(found, nn.Module)}
    newer = {"LinearCrossEntropyLoss"}  # than the oldest torch, 2.12
    assert there | newer == NN_CLASSES
