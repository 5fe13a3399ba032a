"""`netgen import` of ONNX files: the class gives what onnxruntime gives."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch_netgen.run.onnx_files.fixed_batch import Fixed, Misfit
from torch_netgen.run.onnx_files.graph import graph_of, loaded
from torch_netgen.run.onnx_files.names import scope_of
from torch_netgen.run.onnx_files.network import OnnxNetwork
from torch_netgen.run.onnx_files.tasks import recorded, title_of

from . import live
from .command import netgen
from .conftest import Builder


def exported(network: nn.Module, example: Tensor, path: Path, **given: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), (example,), path, verbose=False, **given)
    return path


def in_onnxruntime(path: Path, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


@pytest.mark.slow
def test_a_file_becomes_a_spec_with_its_weights(tmp_path: Path, build_text: Builder) -> None:
    network = live.ResNet()
    path = tmp_path / "small_net.onnx"
    exported(network, torch.randn(1, 3, 8, 8), path, dynamo=False)
    answer = netgen("import", path.name, "-o", "net.yaml", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "the file is made for a batch of 1" in answer.stdout
    text = (tmp_path / "net.yaml").read_text()
    assert text.startswith("name: SmallNet\ninput: [3, 8, 8]\n")
    twin = build_text(text).module_class().eval()
    weights = torch.load(tmp_path / "net.pt", weights_only=True)
    twin.load_state_dict(weights, strict=True)
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(twin(x), in_onnxruntime(path, x), atol=1e-5)
        assert torch.allclose(twin(x), network(x), atol=1e-5)
    before = (tmp_path / "net.pt").read_bytes()
    (tmp_path / "net.yaml").unlink()
    answer = netgen("import", path.name, "-o", "net.yaml", cwd=tmp_path)
    assert answer.returncode != 0
    assert "NG502" in answer.stderr
    assert (tmp_path / "net.pt").read_bytes() == before
    assert not (tmp_path / "net.yaml").exists()


@pytest.mark.parametrize("before", [{}, {"net.yaml": b"old spec"}])
def test_a_spec_is_as_it_was_where_its_weights_cant_be_written(
    before: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.onnx").touch()
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)

    def imported(*args: Any, **given: Any) -> SimpleNamespace:
        (tmp_path / "net.pt").write_bytes(b"of somebody else")  # while netgen imports
        return SimpleNamespace(text="new spec", weights=b"new weights")

    monkeypatch.setattr("torch_netgen.cli.import_network.import_network", imported)
    answer = netgen("import", "net.onnx", "-o", "net.yaml", "--force", cwd=tmp_path)
    assert answer.returncode == 1
    assert "`net.pt` has been saved by somebody else" in answer.stderr
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {**before, "net.onnx": b"", "net.pt": b"of somebody else"}


def graph(*nodes: Any, shape: Any = ("N", 4), opset: int = 17, **constants: Any) -> Any:
    made = helper.make_graph(
        [*nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def asked(path: Path) -> dict[str, Any]:
    return recorded({"module": str(path), "inputs": []})


def test_all_nodes_that_no_spec_can_say_are_told(tmp_path: Path) -> None:
    nodes = (
        helper.make_node("Quux", ["x"], ["a"], "first", domain="own.ops"),
        helper.make_node("NonMaxSuppression", ["x", "x"], ["b"], "second"),
        helper.make_node("Add", ["a", "b"], ["y"], "third"),
    )
    onnx.save(graph(*nodes), tmp_path / "odd.onnx")
    answer = asked(tmp_path / "odd.onnx")
    assert (answer["code"], answer["finding"], answer["others"]) == (
        "NG704",
        "the node `first` is a `Quux` of the domain `own.ops`, which no spec can say",
        ["the node `second` is a `NonMaxSuppression`, which no spec can say"],
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no ONNX file"),
        (b"\x08\x07rubbish", "is no ONNX file"),
        (None, "there is no file"),
    ],
)
def test_what_is_no_onnx_file_is_refused(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    if content is not None:
        path.write_bytes(content)
    answer = asked(path)
    assert answer["code"] == "NG701"
    assert message in answer["finding"]


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [(["T", 4], ("T", 4)), ([7, 4], (7, 4)), (["T", 5], None), ([4], None)],
)
def test_sizes_that_vary_are_called_as_they_are_asked_for(
    shape: list[int | str], wanted: tuple[int | str, ...] | None, tmp_path: Path
) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    onnx.save(graph(node, shape=("batch", "seq", 4)), tmp_path / "net.onnx")
    inputs = [{"name": "", "shape": shape}]
    answer = recorded({"module": str(tmp_path / "net.onnx"), "inputs": inputs})
    if wanted is None:
        assert answer["finding"] == (
            "`x` has the shape (batch, seq, 4) in the file, and not the one asked for"
        )
    else:
        assert answer["recording"]["inputs"][0]["shape"] == wanted


def test_sizes_without_a_name_are_apart_from_all_others(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    onnx.save(graph(node, shape=("batch", None, "h", None, "h")), tmp_path / "net.onnx")
    shape = asked(tmp_path / "net.onnx")["recording"]["inputs"][0]["shape"]
    assert shape == ("H", "W", "D", "W")


def test_what_is_asked_for_without_a_name_is_for_the_other_inputs(tmp_path: Path) -> None:
    model = graph(helper.make_node("Add", ["x", "z"], ["y"]), shape=("batch", "seq"))
    model.graph.input.append(
        helper.make_tensor_value_info("z", TensorProto.FLOAT, ("batch", "seq"))
    )
    onnx.save(model, tmp_path / "net.onnx")
    inputs = [{"name": "z", "shape": [1]}, {"name": "", "shape": [7]}]
    answer = recorded({"module": str(tmp_path / "net.onnx"), "inputs": inputs})
    assert [(one["name"], one["shape"]) for one in answer["recording"]["inputs"]] == [
        ("x", (7,)),
        ("z", (1,)),
    ]


def test_an_old_opset_is_refused(tmp_path: Path) -> None:
    onnx.save(graph(helper.make_node("Relu", ["x"], ["y"]), opset=7), tmp_path / "old.onnx")
    assert asked(tmp_path / "old.onnx")["finding"] == (
        "it is of opset 7, and netgen reads those from 9 on"
    )


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/hostname", "missing.bin"])
def test_weights_are_read_from_the_files_own_folder(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    node = helper.make_node("Add", ["x", "w"], ["y"])
    model = graph(node, w=np.ones(4, np.float32))
    (one,) = model.graph.initializer
    one.ClearField("raw_data")
    one.data_location = TensorProto.EXTERNAL
    one.external_data.add(key="location", value=place)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    answer = asked(folder / "net.onnx")
    assert answer["code"] == "NG701"
    assert "can't be read" in answer["finding"]


def test_a_huge_shape_does_not_hang(tmp_path: Path) -> None:
    nodes = (
        helper.make_node("ConstantOfShape", ["size"], ["huge"], "huge"),
        helper.make_node("Add", ["x", "huge"], ["y"]),
    )
    onnx.save(graph(*nodes, size=np.array([1 << 40, 1 << 20])), tmp_path / "huge.onnx")
    answer = asked(tmp_path / "huge.onnx")
    assert answer["finding"] == ("the node `huge` is a `ConstantOfShape`, which no spec can say")


def test_what_exporters_spell_out_is_put_together(tmp_path: Path) -> None:
    root = np.float32(2**0.5)
    bias: dict[str, Any] = {"fc.bias": np.ones(3, np.float32)}
    nodes = (
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Add", ["p", "fc.bias"], ["h"]),
        helper.make_node("Div", ["h", "root"], ["a"]),
        helper.make_node("Erf", ["a"], ["b"]),
        helper.make_node("Add", ["b", "one"], ["c"]),
        helper.make_node("Mul", ["h", "c"], ["d"]),
        helper.make_node("Mul", ["d", "half"], ["y"]),
    )
    model = graph(
        *nodes,
        w=np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
        **bias,
        root=root,
        one=np.float32(1),
        half=np.float32(0.5),
    )
    onnx.save(model, tmp_path / "gelu.onnx")
    network = OnnxNetwork(graph_of(loaded(tmp_path / "gelu.onnx")), "Gelu")
    assert [node.type for node in network.graph.nodes] == ["MatMul", "Gelu"]
    assert [*network.state_dict()] == ["fc.weight", "fc.bias"]
    x = torch.randn(5, 4)
    assert torch.allclose(network.run(x), in_onnxruntime(tmp_path / "gelu.onnx", x), atol=1e-6)


@pytest.mark.parametrize("operator", ["Sub", "Add"])
def test_a_layer_norm_squares_what_it_divides(operator: str, tmp_path: Path) -> None:
    nodes = (
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[-1]),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node(operator, ["x", "mean"], ["other"]),
        helper.make_node("Pow", ["other", "two"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["variance"], axes=[-1]),
        helper.make_node("Add", ["variance", "eps"], ["positive"]),
        helper.make_node("Sqrt", ["positive"], ["root"]),
        helper.make_node("Div", ["centred", "root"], ["normed"]),
        helper.make_node("Mul", ["normed", "w"], ["weighed"]),
        helper.make_node("Add", ["weighed", "b"], ["y"]),
    )
    w, b = np.arange(4, dtype=np.float32), np.ones(4, np.float32)
    numbers: dict[str, Any] = {"two": np.float32(2), "eps": np.float32(1e-5)}
    onnx.save(graph(*nodes, w=w, b=b, **numbers), tmp_path / "norm.onnx")
    network = OnnxNetwork(graph_of(loaded(tmp_path / "norm.onnx")), "Norm")
    assert (len(network.graph.nodes) == 1) == (operator == "Sub")
    x = torch.randn(5, 4)
    assert torch.allclose(network.run(x), in_onnxruntime(tmp_path / "norm.onnx", x), atol=1e-5)


def test_a_fixed_batch_is_found_in_reshapes() -> None:
    fixed = Fixed(1)
    assert fixed.reshaped((1, 768, 14, 14), (3, 768, 14, 14), (1, 768, 196)) == [3, 768, 196]
    assert fixed.reshaped((197, 1, 768), (197, 3, 768), (197, 12, 64)) == [197, 36, 64]
    assert fixed.reshaped((12, 197, 64), (36, 197, 64), (1, 12, 197, 64)) == [3, 12, 197, 64]
    assert fixed.reshaped((197, 1, 12, 64), (197, 3, 12, 64), (197, 768)) == [591, 768]
    with pytest.raises(Misfit):
        Fixed(2).reshaped((2, 3), (4, 3), (3, 1, 1, 2, 1))


def test_paths_are_those_of_modules() -> None:
    assert scope_of("/layer1/layer1.0/conv1/Conv", {}) == ("layer1.0.conv1", "")
    assert scope_of("/features/features.1/conv/conv.0/conv.0.0/Conv", {})[0] == (
        "features.1.conv.0.0"
    )
    notes = {
        "pkg.torch.onnx.name_scopes": "['', 'fc', 'linear']",
        "pkg.torch.onnx.class_hierarchy": "['a.Net', 'torch.nn.modules.linear.Linear', 'aten']",
    }
    assert scope_of("node_1", notes) == ("fc", "Linear")
    assert scope_of("node_1", {"pkg.torch.onnx.name_scopes": "__import__('os')"}) == ("", "")
    assert title_of("/a/resnet-18.v2.onnx") == "Resnet18V2"


@pytest.mark.parametrize(
    ("name", "own"),
    [("layer", "layer"), ("run", "run_"), ("graph", "graph_"), ("a.training", "a.training_")],
)
def test_a_layer_may_be_called_as_an_attribute_of_modules(
    name: str, own: str, tmp_path: Path
) -> None:
    node = helper.make_node("Gemm", ["x", f"{name}.weight"], ["y"], transB=1)
    weights: dict[str, Any] = {f"{name}.weight": np.ones((3, 4), np.float32)}
    onnx.save(graph(node, **weights), tmp_path / "net.onnx")
    network = OnnxNetwork(graph_of(loaded(tmp_path / "net.onnx")), "Net")
    assert [*network.state_dict()] == [f"{own}.weight"]


class Mixed(nn.Module):
    """Layers that the older exporter spells out, or has gates of in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.GroupNorm(2, 4)
        self.lstm = nn.LSTM(6, 5, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.silu(self.norm(self.conv(x))).mean(2)
        x, _ = self.lstm(x)
        found: Tensor = self.fc(x[:, -1])
        return found


def test_spelt_out_norms_and_recurrent_layers_are_layers(tmp_path: Path) -> None:
    own = Mixed()
    with torch.no_grad():
        for weight in own.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    axes = {"x": {0: "batch"}}
    path = tmp_path / "mixed.onnx"
    x = torch.randn(2, 3, 8, 8)
    exported(own, x, path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    network = OnnxNetwork(graph_of(loaded(path)), "Mixed")
    assert network.state_dict().keys() == own.state_dict().keys()
    more = torch.randn(5, 3, 8, 8)
    assert torch.allclose(network.run(more), in_onnxruntime(path, more), atol=1e-5)
    own.load_state_dict(network.state_dict(), strict=True)
    assert torch.allclose(own(more), in_onnxruntime(path, more), atol=1e-5)
