"""`netgen import`: the spec of a live network gives the same network."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_netgen
from torch import Tensor, nn
from torch_netgen import NetgenError, import_module
from torch_netgen.importing.asked import Asked, asked, input_of
from torch_netgen.importing.importing import import_network
from torch_netgen.run.recording.comparison import Other, compare
from torch_netgen.run.recording.recorded import Input
from torch_netgen.run.recording.tasks import record_module
from torch_netgen.run.smoke import Worker

from . import live, torchvision_models
from .command import netgen
from .conftest import Builder

LIVE = Path(live.__file__)
IMAGES, ROWS = torch.randn(2, 3, 8, 8), torch.randn(2, 12)
WORDS = torch.randint(0, 40, (2, 9))
slow = pytest.mark.slow
NETWORKS = [
    pytest.param(live.ResNet, [IMAGES], marks=slow),
    pytest.param(live.UNet, [IMAGES], marks=slow),
    pytest.param(live.Transformer, [WORDS], marks=slow),
    pytest.param(live.Branches, [torch.randn(2, 4, 8, 8)], marks=slow),
    pytest.param(live.Standardised, [IMAGES], marks=slow),
    pytest.param(live.Halo, [IMAGES], marks=slow),
    pytest.param(live.Critic, [torch.randn(2, 3, 10)], marks=slow),
    (live.Siamese, [ROWS, ROWS + 1]),
    (live.Tagger, [WORDS]),
    (live.Places, [torch.randn(2, 3, 4, 6)]),
    (live.Assigned, [torch.randn(2, 5, 6)]),
    (live.Reduced, [torch.randn(2, 6)]),
    (live.Unbiased, [IMAGES]),
    (live.Scaled, [torch.randn(2, 6)]),
    (live.Casting, [ROWS]),
    (live.chain, [ROWS]),
    (live.Narrow, [ROWS]),
]


def outputs(network: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        found = network.eval()(*inputs)
    if isinstance(found, dict):
        return [*found.values()]
    return [*found] if isinstance(found, tuple) else [found]


@pytest.mark.parametrize(("make", "inputs"), NETWORKS)
def test_a_network_and_its_import_are_one(
    make: type[nn.Module], inputs: list[Tensor], build_text: Builder
) -> None:
    network = make().train()
    text = import_module(network, inputs, flat=True)
    assert network.training  # it is left as it was
    twin = build_text(text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    assert [*twin.state_dict()] == [*network.state_dict()]
    pairs = zip(outputs(network, inputs), outputs(twin, inputs), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_a_spec_is_written_as_a_person_writes_it() -> None:
    assert import_module(live.Siamese(), {"left": ROWS, "right": ROWS}, flat=True) == (
        "name: Siamese\n"
        "inputs: {left: [12], right: [12]}\n"
        "\n"
        "layers:\n"
        "  - Linear: {name: encoder.0, from: left, out_features: 16}\n"
        "  - Tanh\n"
        "  - Linear: {name: encoder.2, out_features: 4}\n"
        "  - Reuse: {layer: encoder.0, from: right}\n"
        "  - Tanh\n"
        "  - Reuse: {name: encoder_2, layer: encoder.2}\n"
        "  - Sub: [encoder.2, encoder_2]\n"
        "  - Abs\n"
        "  - Sum: {name: sum, dim: 1}\n"
        "outputs: {distance: sum, left: encoder.2}\n"
    )


def test_many_numbers_come_with_the_weights() -> None:
    """A spec with 12,000 numbers is none that a person reads."""
    x = torch.randn(2, 5, 4)
    assert import_module(live.Positions(), {"input": x, "hash": x}) == (
        "name: Positions\n"
        "inputs: {input_: [5, 4], hash_: [5, 4]}\n"  # names that the source can have
        "\n"
        "layers:\n"
        "  - Linear: {name: fc, from: input_, out_features: 4}\n"
        "  - Buffer: {name: table, shape: [3000, 4]}\n"
        "  - Slice: {name: slice, from: table, dim: 0, end: 5}\n"
        "  - Mul: {name: mul, from: [slice, hash_]}\n"
        "  - Add: [fc, mul]\n"
        "\n"
        "expect: {output: [5, 4], parameters: 20, macs: 80}\n"
        "allow: [NG308, NG316]\n"
    )


def test_a_table_without_a_name_is_no_parameter() -> None:
    text = import_module(live.Ranks(), ROWS)
    assert "  - Ranked: {name: blocks, repeat: 2}\n" in text


def test_modules_with_several_names_are_aliases() -> None:
    assert import_module(live.Named(), ROWS) == (
        "name: Named\n"
        "input: [12]\n"
        "\n"
        "blocks:\n"
        "  Doubled:\n"
        "    description: A layer under two names.\n"
        "    layers:\n"
        "      - Linear: {name: fc, out_features: 4}\n"
        "      - Tanh: {name: tanh}\n"
        "      - Add: [input, tanh]\n"
        "\n"
        "layers:\n"
        "  - Linear: {name: stem, out_features: 4}\n"
        "  - Doubled: {name: blocks, repeat: 3}\n"
        "\n"
        "alias:\n"
        "  body: blocks\n"
        "  blocks.0.out: blocks.0.fc\n"
        "  blocks.1.out: blocks.1.fc\n"
        "  last: blocks.2\n"
        "  blocks.2.out: blocks.2.fc\n"
        "\n"
        "expect: {output: [4], parameters: 112, macs: 96}\n"
    )


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("turns", [True, False])
def test_sines_of_positions_are_a_formula(turns: bool, first: bool, build_text: Builder) -> None:
    network, x = live.Waves(turns, first), torch.randn(2, 9, 16)
    text = import_module(network, x)
    sides = ("k / 16", "k % 2 == 0", "(k - 1) / 16") if turns else ("k / 7", "k < 8", "(k - 8) / 7")
    wave = "sin(p / 10000 ** ({})) if {} else cos(p / 10000 ** ({}))".format(*sides)
    rows = f"[{wave} for k in range(16)]"
    table = f"[[{rows} for p in range(60)]]" if first else f"[[{rows}] for p in range(60)]"
    assert f"  - Buffer: {{name: pe, value: '$({table})'}}\n" in text
    twin = build_text(text).module_class()
    torch.testing.assert_close(twin.pe, network.get_buffer("pe"), atol=1e-4, rtol=0)
    twin.load_state_dict(network.state_dict())
    torch.testing.assert_close(network.eval()(x), twin.eval()(x))


@pytest.mark.parametrize("rows", [30_000, 300_000])
def test_many_numbers_that_no_state_dict_has_are_refused(rows: int) -> None:
    x = torch.randn(2, 5, 4)
    reason = f"on `table`, whose {4 * rows:,} numbers follow no rule and are in no `state_dict`"
    message = f"`Positions` calls `Tensor.__getitem__` {reason}, which no spec can say"
    made = partial(live.Positions, rows, persistent=False)
    assert said(made, x, x) == [("NG704", message, line("self.table[:"))]


def said(make: Any, *inputs: Tensor) -> list[tuple[str, str, int]]:
    """The codes, messages and lines of what can't be imported."""
    with pytest.raises(NetgenError) as caught:
        import_module(make(), [*inputs])
    places = [(x, x.location) for x in caught.value.diagnostics]
    assert all(where is None or where.file == str(LIVE) for _, where in places)
    return [(x.code, x.message, where.line if where else 0) for x, where in places]


def line(text: str) -> int:
    """The number of the only line of the live networks that has a text."""
    (found,) = (n for n, own in enumerate(LIVE.read_text().split("\n"), 1) if text in own)
    return found


def test_a_sequential_that_does_more_than_its_layers_needs_a_name() -> None:
    message = (
        "`ScaledChain` is more than a chain of layers, but its layers have numbers for names, "
        "which only those of a plain `nn.Sequential` can have"
    )
    assert said(live.ScaledChain, torch.randn(2, 4)) == [("NG704", message, 0)]


def test_all_calls_that_no_spec_can_say_are_told() -> None:
    assert said(live.Written, torch.randn(2, 4)) == [
        (
            "NG704",
            "`Written` calls `Tensor.__setitem__` with a number, which no spec can say",
            line("x[:, 0] = 0"),
        ),
        (
            "NG704",
            "`second` calls `torch.special.bessel_j0`, which no spec can say",
            line("bessel_j0"),
        ),
    ]


def test_what_the_networks_own_code_raises_is_one_diagnostic() -> None:
    message = "running it raised ValueError: not today"
    assert said(live.Failing, torch.randn(2, 4)) == [("NG702", message, line("not today"))]


def test_of_several_sizes_that_fail_the_first_ones_are_told() -> None:
    answer = record_module(live.Short(), [Input("", ("T", 4))])
    assert answer["finding"] == "running it raised ValueError: not this day"
    assert answer["source"] == f"{LIVE}:{line('not this day')}"


def test_a_network_that_is_another_for_other_batches_is_refused() -> None:
    ((code, message, _),) = said(live.Changing, torch.randn(2, 4))
    assert code == "NG703"
    assert message == "it can't be one spec: it makes other calls for other sizes"


def test_a_decision_by_numbers_is_refused() -> None:
    ((code, message, where),) = said(live.Deciding, torch.randn(2, 4))
    assert code == "NG704"
    assert message == (
        "`Deciding` calls `Tensor.__bool__` to decide by numbers, which no spec can say"
    )
    assert where == line("x.abs().sum() > 0")


def test_a_part_that_ends_beyond_a_size_is_refused() -> None:
    with Worker() as worker, pytest.raises(NetgenError) as caught:
        import_network(Asked(str(LIVE), "Beyond", (Input("", ("T", 6)),)), worker, "net.yaml")
    (found,) = caught.value.diagnostics
    reason = "beyond the end of a dimension, which no spec can say"
    assert found.message == f"`Beyond` calls `Tensor.__setitem__` {reason}"


def test_places_from_the_end_by_several_indices_are_found_out() -> None:
    ((code, message, _),) = said(partial(live.Places, last=-1), torch.randn(2, 3, 4, 6))
    assert code == "NG705"
    assert message.startswith("the output differs by ")


def test_what_no_spec_can_say_is_told_of_a_network_whose_runs_part() -> None:
    (first, *_), *_, last = told = said(live.Undecided, torch.randn(2, 4))
    assert first == "NG703"
    message = "`Undecided` calls `torch.special.bessel_j1`, which no spec can say"
    assert last == ("NG704", message, line("bessel_j1"))
    assert len({where for _, _, where in told}) == len(told) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Tanh", "Softsign"),
        ("- Abs\n", "- Identity\n"),
        ("Sub: [encoder.2, encoder_2]", "Sub: [encoder_2, encoder.2]\n  - Exp\n  - Log"),
        ("out_features: 16", "out_features: 8"),
        ("encoder.2", "encoder.3"),
    ],
)
def test_another_network_is_found_out(old: str, new: str, build_text: Builder) -> None:
    network = live.Siamese()
    text = import_module(network, {"left": ROWS, "right": ROWS}, flat=True)
    assert old in text
    result = build_text(f"{text.replace(old, new)}allow: [NG314]\n")
    inputs, runs = [Input("left", (12,)), Input("right", (12,))], [{"N": 2}, {"N": 3}]
    if old == "Sub: [encoder.2, encoder_2]":  # the same for positive numbers
        assert compare(network, result.module_class(), inputs, runs)[0] == "4 equal keys"
        return
    with pytest.raises(Other):
        compare(network, result.module_class(), inputs, runs)


def test_inputs_are_read() -> None:
    assert input_of("3,H,W") == Input("", (3, "H", "W"))
    assert input_of("T,N,8").whole == ("T", "N", 8)
    assert input_of("tokens=T:int64:0..100") == Input("tokens", ("T",), "int64", 0, 100)
    for wrong in ("3,-1", "3;4", "0", "3:float31", "N,N", "h", "4:int64:5..2", "1x=3"):
        with pytest.raises(ValueError, match=r"."):
            input_of(wrong)


def test_a_graph_of_all_samples_is_told_apart_from_a_batch() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        input_of("adjacency=N,N")
    assert str(caught.value) == (
        "--input adjacency=N,N: the batch N stands twice, but a spec has one batch, whose samples "
        "do not read each other: a network of graphs is imported where it takes several at once, "
        "`N,V,V`"
    )


def test_a_layer_is_a_network() -> None:
    assert import_module(nn.Linear(4, 2), torch.randn(2, 4)) == (
        "name: Network\n"
        "input: [4]\n"
        "\n"
        "layers:\n"
        "  - Parameter: {name: weight, shape: [2, 4]}\n"
        "  - Parameter: {name: bias, shape: [2]}\n"
        "  - FunctionalLinear: [input, weight, bias]\n"
        "\n"
        "expect: {output: [2], parameters: 10, macs: 8}\n"
    )
    with pytest.raises(NetgenError) as caught:
        import_module(nn.LayerNorm(4), torch.randn(2, 4))
    (found,) = caught.value.diagnostics
    calls = "calls `torch.nn.functional.layer_norm` with weights of the network itself"
    assert found.message == f"`Network` {calls}, which no spec can say"
    way = "put it into an `nn.Sequential`, or a module of your own: then it is a layer"
    assert found.help == way


def test_sources_are_read(tmp_path: Path) -> None:
    found = asked("torch.nn:Linear", ["4"], '{"in_features": 4, "out_features": 2}')
    assert (found.module, found.callable) == ("torch.nn", "Linear")
    for wrong in ("net", "net.py", "none.py:Net", "a-b:c", "net:", "x.pt2", "net.onnx"):
        with pytest.raises(ValueError, match=r"."):
            asked(wrong, ["4"], "{}")
    for args in ("{", "[1]", "3"):
        with pytest.raises(ValueError, match="--args"):
            asked("torch.nn:Linear", ["4"], args)


@slow
def test_the_command_writes_what_it_has_compared(tmp_path: Path) -> None:
    args = json.dumps({"width": 4, "depth": 1})
    words = ["import", f"{LIVE}:ResNet", "--args", args, "--input", "3,8,8", "-o", "net.yaml"]
    done = netgen(*words, "--source", "plain.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first.endswith("parameters")
    assert second == (
        "34 equal keys; equal outputs for 2 sizes of inputs; equal gradients of inputs; "
        "equal outputs in training; all weights begin in the same way; "
        "equal with width = 5, num_classes = 12"
    )
    built = netgen("build", "net.yaml", "-o", "-", "--no-smoke", cwd=tmp_path)
    assert built.stdout == (tmp_path / "plain.py").read_text()
    before = (tmp_path / "net.yaml").read_text()
    again = netgen(*words, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("error[NG502]: `net.yaml` is there already")
    assert (tmp_path / "net.yaml").read_text() == before
    assert torch_netgen.load(tmp_path / "net.yaml").prediction.graph.name == "ResNet"


@slow
def test_nothing_is_written_after_a_mistake(tmp_path: Path) -> None:
    for source, code in (
        (f"{LIVE}:Written", "NG704"),
        ("no_such_package:Net", "NG701"),
    ):
        words = ["--input", "4", "-o", "net.yaml", "--source", "net.py"]
        done = netgen("import", source, *words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error[{code}]")
    assert [*tmp_path.iterdir()] == []


def test_the_networks_own_file_is_kept(tmp_path: Path) -> None:
    code = "from torch import nn\n\nNet = lambda: nn.Linear(4, 2)\n"
    (tmp_path / "net.py").write_text(code)
    words = ("import", "net.py:Net", "--input", "4", "--force")
    for given in (("-o", "net.py"), ("-o", "net.yaml", "--source", "./net.py")):
        done = netgen(*words, *given, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error[NG501]: `{given[-1]}` is the network's own file\n")
    done = netgen(*words, "-o", "a.yaml", "--source", "./a.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "-o and --source name one file" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"net.py"}
    assert (tmp_path / "net.py").read_text() == code


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    done = netgen("import", "net", "--input", "4", "-o", "net.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "neither package.module:callable nor file.py:Name" in done.stderr


@slow
@pytest.mark.huge
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "swin_t"])
@pytest.mark.skipif(not torchvision_models.INSTALLED, reason="torchvision is not installed")
def test_models_of_torchvision(name: str) -> None:
    network = torchvision_models.models().get_model(name)
    assert import_module(network, torch.randn(2, 3, 224, 224)).startswith("name: ")
