"""`netgen import net.pt2`: the spec of a program of `torch.export` gives what the program gives."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export
from torch.utils import _pytree as pytree
from torch_netgen.importing.asked import asked
from torch_netgen.run.recording.archive import Unreadable, check_archive
from torch_netgen.run.recording.batches import Rebatched
from torch_netgen.run.recording.exported import exported_network
from torch_netgen.run.recording.programs import wanted
from torch_netgen.run.recording.recorded import Input
from torch_netgen.run.recording.runs import Limit, choices

from . import live
from .command import netgen
from .conftest import Builder

slow = pytest.mark.slow
IMAGES, ROWS = torch.randn(2, 3, 8, 8), torch.randn(2, 12)
WORDS = torch.randint(0, 40, (2, 9))
BATCH = {0: Dim("batch")}


class Recurrent(nn.Module):
    """Recurrent layers, with time first, and layers that have functions of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 6, 2, dropout=0.1)
        self.lstm = nn.LSTM(6, 7, proj_size=3, bias=False, bidirectional=True)
        self.norm = nn.InstanceNorm1d(6, affine=True)
        self.prelu = nn.PReLU()
        self.conv = nn.Conv1d(6, 4, 3, padding="same", padding_mode="reflect")

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y, _ = self.lstm(self.gru(x)[0])
        y = self.conv(self.prelu(self.norm(y.permute(1, 2, 0))))
        return {"mean": y.mean(-1), "all": y}


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)


def saved(program: ExportedProgram, folder: Path) -> Path:
    path = folder / "net.pt2"
    torch.export.save(program, path)
    return path


def exported(network: nn.Module, inputs: Sequence[Tensor], **more: Any) -> ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on how it exports
        program: ExportedProgram = export(network, tuple(inputs), **more)
        return program


def core(program: ExportedProgram) -> ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: ExportedProgram = program.run_decompositions()
        return found


def case(name: str, make: Any, inputs: Sequence[Tensor], *words: str, **more: Any) -> Any:
    """A program to import; the command's last words follow its inputs."""
    marks = [slow] if name == "one" else [slow, pytest.mark.huge]
    return pytest.param(make, inputs, words, more, id=name, marks=marks)


HALVES = {0: Dim("n"), 2: 4 * Dim("h", min=2, max=64), 3: 4 * Dim("w", min=2, max=64)}


@pytest.mark.parametrize(
    ("make", "inputs", "words", "more"),
    [
        case("one", live.Scaled, [torch.randn(1, 6)]),
        case("sizes", live.UNet, [IMAGES], dynamic_shapes=(HALVES,)),
        case("batch", live.ResNet, [IMAGES], dynamic_shapes=(BATCH,)),
        case("strict", live.Transformer, [WORDS], strict=True),
        case("tagger", live.Tagger, [WORDS[:1]]),
        case("two", live.Siamese, [ROWS, ROWS + 1], dynamic_shapes=(BATCH, BATCH)),
        case("standardised", live.Standardised, [IMAGES]),
        case("time", Recurrent, [torch.randn(7, 3, 8)], "--input", "7,N,8"),
        case("attention", encoder, [torch.randn(1, 7, 16)]),
    ],
)
def test_a_program_and_its_import_are_one(
    make: Any,
    inputs: Sequence[Tensor],
    words: Sequence[str],
    more: dict[str, Any],
    tmp_path: Path,
    build_text: Builder,
) -> None:
    program = exported(make().eval(), inputs, **more)
    saved(program, tmp_path)
    done = netgen("import", "net.pt2", *words, "-o", "net.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not compared in training: the program was exported in evaluation mode" in done.stdout
    assert ("takes a batch of" in done.stdout) == ("dynamic_shapes" not in more)
    twin = build_text((tmp_path / "net.yaml").read_text()).module_class().eval()
    twin.load_state_dict(program.state_dict, strict=True)
    assert {*twin.state_dict()} == {*program.state_dict}
    with torch.no_grad():
        ours, theirs = program.module()(*inputs), twin(*inputs)
    pairs = zip(pytree.tree_leaves(ours), pytree.tree_leaves(theirs), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


@slow
@pytest.mark.huge
@pytest.mark.parametrize("decomposed", [False, True])
def test_a_program_that_trains_is_compared_in_training(decomposed: bool, tmp_path: Path) -> None:
    program = exported(live.ResNet().train(), [IMAGES], dynamic_shapes=(BATCH,))
    saved(core(program) if decomposed else program, tmp_path)
    done = netgen("import", "net.pt2", "-o", "net.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        "46 equal keys; equal outputs for 2 sizes of inputs; equal gradients of inputs; "
        "equal outputs in training"
    )


@slow
def test_decomposed_linear_maps_and_norms_are_layers(tmp_path: Path) -> None:
    layers = (nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Linear(8, 5), nn.LayerNorm(5))
    network = nn.Sequential(OrderedDict(zip("abcd", layers, strict=True)))
    program = exported(network.eval(), [torch.randn(2, 4, 10)], dynamic_shapes=(BATCH,))
    saved(core(program), tmp_path)
    done = netgen("import", "net.pt2", "--name", "Net", "-o", "-", cwd=tmp_path)
    assert done.stdout == (
        "name: Net\n"
        "input: [4, 10]\n"
        "\n"
        "layers:\n"
        "  - Conv1d: {name: a, out_channels: 6, kernel_size: 3}\n"
        "  - BatchNorm1d: {name: b}\n"
        "  - Linear: {name: c, out_features: 5}\n"
        "  - LayerNorm: {name: d}\n"
    )


@slow
def test_what_no_spec_can_say_is_told_with_its_line(tmp_path: Path) -> None:
    saved(exported(live.Sorting().eval(), [torch.randn(1, 4)]), tmp_path)
    done = netgen("import", "net.pt2", "-o", "net.yaml", cwd=tmp_path)
    line = next(
        n for n, x in enumerate(Path(live.__file__).read_text().split("\n"), 1) if "bessel_j0" in x
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error[NG704]: `Sorting` calls `aten.special_bessel_j0` (node `special_bessel_j0`), "
        "which no spec can say\n"
    )
    assert f"live.py:{line}:" in done.stderr


@slow
@pytest.mark.huge
def test_inputs_that_a_program_does_not_take_are_told(tmp_path: Path) -> None:
    saved(exported(live.Sorting().eval(), [torch.randn(1, 4)]), tmp_path)
    for words, why in (
        (("--input", "5"), "its input `x` has the size 4 there, not 5"),
        (("--input", "4", "--input", "4"), "it has 1 inputs, not 2: x"),
        (("--input", "y=4"), "it has no input `y`: its inputs are x"),
        (("--input", "4:int64"), "its input `x` is float32, not int64"),
        (("--input", "3,4"), "its input `x` has the shape 1,4 with the batch"),
        (("--input", "K"), "its input `x` has the size 4 there, not K"),
    ):
        done = netgen("import", "net.pt2", *words, "-o", "net.yaml", cwd=tmp_path)
        assert done.stderr == f"error[NG702]: {why}\n"
    assert [x.name for x in tmp_path.iterdir()] == ["net.pt2"]


def archive(path: Path, **entries: Any) -> str:
    """A file like those of `torch.export`, with entries of one's own; the error that it brings."""
    own: dict[str, Any] = {
        "models/model.json": {"graph_module": {}, "torch_version": "3.1"},
        "data/weights/model_weights_config.json": {"config": {}},
        **{name.replace("__", "/"): entry for name, entry in entries.items()},
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, entry in own.items():
            if entry is not None:
                text = entry if isinstance(entry, bytes) else json.dumps(entry)
                file.writestr(f"net/{name}", text)
    try:
        assert check_archive(str(path)) == "3.1"
    except Unreadable as error:
        return str(error)
    return ""


def expression(text: str) -> dict[str, Any]:
    return {"graph_module": {"sizes": [{"expr_str": text}]}, "torch_version": "3.1"}


class Payload:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("canary"),))


def test_files_that_would_run_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    assert archive(path) == ""
    for plain in ("s77", "Symbol('s77', positive=True, integer=True)", "2*s0 + 1", "Max(1, u0)"):
        assert archive(path, **{"models__model.json": expression(plain)}) == ""
    for text in ("__import__('os').system('touch canary')", "s0.x", "exec(s0)", "lambda: s0", "("):
        told = archive(path, **{"models__model.json": expression(text)})
        assert told.startswith("a size in it is no plain expression")
    pickled = {"config": {"a": {"path_name": "weight_0", "use_pickle": True}}}
    name = "data__weights__model_weights_config.json"
    assert "is pickled" in archive(path, **{name: pickled})
    opaque = {"config": {"a": {"path_name": "opaque_obj_0", "use_pickle": False}}}
    name = "data__constants__model_constants_config.json"
    assert "is pickled" in archive(path, **{name: opaque})
    old = archive(path, **{"data__weights__model.pt": pickle.dumps(Payload())})
    assert old.startswith("its weights are pickled")
    assert "compiled" in archive(path, **{"data__aotinductor__model__x.so": b""})
    assert "more than one" in archive(path, **{"models__other.json": {}})
    spec = json.dumps([1, {"type": "os.path", "context": "null", "children_spec": []}])
    told = archive(path, **{"models__model.json": {"in_spec": spec}})
    assert told == "its arguments or results are in a class of their own, `os.path`"
    assert not Path("canary").exists()


def test_files_that_are_no_programs_are_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    assert "no file of `torch.export.save`" in archive(path, **{"models__model.json": None})
    assert "JSON" in archive(path, **{"models__model.json": b"{"})
    path.write_bytes(b"not a zip")
    with pytest.raises(Unreadable, match=r"`net.pt2` is no file of `torch.export.save`"):
        check_archive(str(path))
    found = asked(str(path), [], "{}")
    assert (found.module, found.is_code) == (str(path), False)
    with pytest.raises(ValueError, match="--args changes nothing"):
        asked(str(path), [], '{"a": 1}')
    with pytest.raises(ValueError, match="there is no file"):
        asked(str(tmp_path / "none.pt2"), [], "{}")
    with pytest.raises(ValueError, match="--input says"):
        asked("torch.nn:ReLU", [], "{}")


@slow
def test_modules_may_be_called_as_anything() -> None:
    names = ("kept", "place", "note", "module")
    network = nn.Sequential(OrderedDict((name, nn.Linear(12, 12)) for name in names)).eval()
    program = exported(network, [ROWS], dynamic_shapes=(BATCH,))
    found = exported_network(program, wanted(program, []))
    assert [*found.state_dict()] == [*network.state_dict()]
    assert torch.equal(found(ROWS), network(ROWS))


@slow
def test_a_chain_without_names_is_refused(tmp_path: Path) -> None:
    saved(exported(nn.Sequential(nn.Linear(4, 2)), [torch.randn(1, 4)]), tmp_path)
    done = netgen("import", "net.pt2", "-o", "net.yaml", cwd=tmp_path)
    assert done.stderr == (
        "error[NG704]: the program is that of an `nn.Sequential`, whose layers have numbers for "
        "names: export a module that holds it under a name\n"
    )


@slow
def test_a_pickled_sample_input_runs_nothing(tmp_path: Path) -> None:
    path = saved(exported(nn.ReLU(), [torch.randn(2, 4)]), tmp_path)
    other = tmp_path / "other.pt2"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            evil = name.endswith("data/sample_inputs/model.pt")
            target.writestr(name, pickle.dumps(Payload()) if evil else source.read(name))
    done = netgen("import", "other.pt2", "-o", "net.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[NG701]: it was saved by torch")
    assert {x.name for x in tmp_path.iterdir()} == {"net.pt2", "other.pt2"}


def test_sizes_of_runs_are_those_that_fit() -> None:
    images = [Input("", (3, "H", "W"))]
    first, batch, height, width = choices(images, {"H": Limit(32, 320, 32)})[0]
    assert first == {"N": 2, "H": 64, "W": 64}
    assert [batch["N"], height["H"], width["W"]] == [3, 96, 96]
    (runs,) = choices([Input("", (4,))], {"N": Limit(8, None, 8)})
    assert [run["N"] for run in runs] == [8, 16]
    (first, _, more), *_ = choices([Input("", ("T",))], {"T": Limit(2, 9)})
    assert (first["T"], more["T"]) == (2, 3)


@pytest.mark.parametrize(
    ("before", "at", "sizes", "found"),
    [
        ([1, 512, 1, 1], 0, [1, 512], [3, 512]),
        ([1, 197, 768], 0, [1, 197, 12, -1], [3, 197, 12, 64]),
        ([197, 1, 768], 1, [197, 12, 64], [197, 36, 64]),
        ([197, 1, 768], 1, [197, 768], [591, 768]),
        ([2, 3, 4], 0, [6, 4], [18, 4]),
        ([1, 28, 28], 0, [784], [2352]),
    ],
)
def test_the_batch_is_found_in_sizes(
    before: list[int], at: int, sizes: list[int], found: list[int]
) -> None:
    batch = before[at]
    shape = [*before[:at], 3 * batch, *before[at + 1 :]]
    other = Rebatched(batch, 3 * batch)
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    x.meta["val"] = torch.empty(before)
    view = graph.call_function(torch.ops.aten.view.default, (x, sizes))
    view.meta["val"] = torch.empty(before).view(sizes)
    value = torch.arange(torch.Size(shape).numel()).view(shape)
    function = torch.ops.aten.view.default
    result = other.call(view, function, {"self": value, "size": sizes}, {x: value})
    assert [*result.shape] == found
