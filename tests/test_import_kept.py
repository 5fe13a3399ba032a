"""`netgen import --keep`: classes of a network that its spec imports as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch_netgen import NetgenError, build, import_module
from torch_netgen.importing.asked import Asked
from torch_netgen.importing.built import Imported
from torch_netgen.importing.importing import import_network
from torch_netgen.run.recording.recorded import Input
from torch_netgen.run.smoke import Worker

from . import unsayable

UNSAYABLE = Path(unsayable.__file__)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorder() -> Iterator[Worker]:
    with Worker() as worker:
        worker.start(str(UNSAYABLE.parent))
        yield worker


def imported(recorder: Worker, name: str, *keep: str, flat: bool = False) -> Imported:
    asked = Asked(str(UNSAYABLE), name, (Input("", (5, 4)),), keep=keep)
    with recorder.one_spec():
        return import_network(asked, recorder, "net.yaml", flat=flat)


@pytest.mark.parametrize("flat", [False, True])
def test_a_class_that_is_kept_is_a_custom_layer(
    flat: bool, recorder: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = imported(recorder, "Network", "Gate", "unsayable.Conv2d", flat=flat)
    line = next(x for x in made.text.splitlines() if x.startswith("imports: "))
    names = {*line.removeprefix("imports: {").removesuffix("}").split(", ")}
    assert names == {"Gate: unsayable.Gate", "Conv2dLayer: unsayable.Conv2d"}
    assert made.shown[0] == "14 equal keys"
    if not flat:
        block = made.text.partition("  Block:\n")[2].partition("\n\n")[0]
        assert block == (
            "    params: {shifts: required, scale: 1.0}\n"
            "    layers:\n"
            "      - Gate: {name: gate, dim: 4, shifts: $shifts, scale: $scale}\n"
            "      - Add: [input, gate]\n"
            "      - Linear: {name: fc, out_features: 4}"
        )
    # the spec is built again where its module stands beside it
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "unsayable.py").write_text(UNSAYABLE.read_text())
    (tmp_path / "net.yaml").write_text(made.text)
    twin = build(tmp_path / "net.yaml", allow_imports=True).module_class()
    network = unsayable.Network()
    twin.load_state_dict(network.state_dict(), strict=True)
    x = torch.randn(3, 5, 4)
    assert torch.allclose(network.eval()(x), twin.eval()(x), atol=1e-6)


def said(recorder: Worker, name: str, *keep: str) -> list[tuple[str, str, str | None]]:
    with pytest.raises(NetgenError) as caught:
        imported(recorder, name, *keep)
    return [(x.code, x.message, x.help) for x in caught.value.diagnostics]


def test_the_way_out_names_the_class_that_may_be_kept(recorder: Worker) -> None:
    way = "`--keep Gate` keeps it as a custom layer"
    message = "`blocks.0.gate` calls `Tensor.__setitem__` with a number, which no spec can say"
    assert said(recorder, "Network", "Conv2d")[0] == ("NG704", message, way)
    (*_, help) = said(recorder, "Paired")[0]  # the class itself gives two tensors
    assert help == "`--keep Pairs` keeps it as a custom layer"
    assert said(recorder, "Pair")[0][1:] == (
        "`Pair` calls `Tensor.__setitem__` with a number, which no spec can say",
        None,
    )


@pytest.mark.parametrize(
    ("name", "keep", "code", "message"),
    [
        ("Network", "Gat", "NG707", "the network has no module of a class `Gat`"),
        (
            "Network",
            "Network",
            "NG707",
            "`Network` is the network itself: nothing would be left of it",
        ),
        (
            "Hidden",
            "Inner",
            "NG707",
            "`unsayable.Hidden.__init__.<locals>.Inner` can't be kept: no module has it under "
            "that name",
        ),
        (
            "Opened",
            "Gate",
            "NG707",
            "`gate.proj` is called by itself, and is a part of `gate`, which is kept",
        ),
        (
            "Paired",
            "Pair",
            "NG704",
            "`pairs.pair` calls `unsayable.Pair` for what is not one tensor, which no spec can say",
        ),
        (
            "Wrapped",
            "Wrapper",
            "NG704",
            "`wrapper` calls `unsayable.Wrapper` made with a module for `inner`, which no spec "
            "can say",
        ),
        (
            "Sized",
            "Cut",
            "NG704",
            "`cut` calls `unsayable.Cut` with a `size` that is no tensor, which no spec can say",
        ),
    ],
)
def test_what_can_not_be_kept_is_told(
    name: str, keep: str, code: str, message: str, recorder: Worker
) -> None:
    assert said(recorder, name, keep)[0][:2] == (code, message)


def test_a_live_module_keeps_classes_too() -> None:
    network, x = unsayable.Marking(), torch.randn(2, 5, 4)
    text = import_module(network, x, keep=["Marked"])
    assert text.startswith(
        "name: Marking\n"
        "input: [5, 4]\n"
        "imports: {Marked: tests.unsayable.Marked}\n"
        "\n"
        "layers:\n"
        "  - Marked: {name: first, dim: 4, mark: 1.0}\n"
        "  - ReLU\n"
        "  - Marked: {name: second, dim: 4, mark: 2.0}\n"
    )


def told(network: torch.nn.Module, *keep: str) -> list[tuple[str, str, str | None]]:
    with pytest.raises(NetgenError) as caught:
        import_module(network, torch.randn(2, 5, 4), keep=keep)
    return [(x.code, x.message, x.help) for x in caught.value.diagnostics]


def test_of_a_live_module_it_is_told_what_nobody_saw() -> None:
    changes = "calls `Tensor.__setitem__` with a number, which no spec can say"
    way = '`keep=["Marked"]` keeps it as a custom layer'
    assert told(unsayable.Marking())[0] == ("NG704", f"`first` {changes}", way)
    way = "`Gate` may be kept where its `__init__` says `self.dim = dim`"
    assert told(unsayable.Network())[0] == ("NG704", f"`blocks.0.gate` {changes}", way)
    seen = "calls `tests.unsayable.Gate` made with a value that was not seen for `dim`"
    assert told(unsayable.Network(), "Gate")[0] == (
        "NG704",
        f"`blocks.0.gate` {seen}, which no spec can say",
        way,
    )


def test_a_live_module_that_is_kept_with_other_arguments_is_found_out() -> None:
    ((_, message, _),) = told(unsayable.Unmarked(), "Marked")
    assert message == "the class has a `only.fc.bias`, which the network has not"


def test_what_other_arguments_make_of_a_network_is_no_reason_to_refuse_it(recorder: Worker) -> None:
    message = "`Deep` calls `Tensor.__setitem__` with a number, which no spec can say"
    assert said(recorder, "Deep") == [("NG704", message, None)]
    made = imported(recorder, "Shallow")
    assert made.notes == ()
    assert not any("depth" in one for one in made.shown)
