"""`netgen import` of files that torch wrote: weights for a network, and networks as a whole."""

from __future__ import annotations

import argparse
import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_netgen import import_module
from torch_netgen.importing.asked import asked
from torch_netgen.run.recording.construction import Unloadable
from torch_netgen.run.recording.saved import load_weights, saved_network

from . import live
from .command import netgen

LIVE = Path(live.__file__)


def trained(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return network


def safetensors(state: Mapping[str, Tensor]) -> bytes:
    """Tensors in the format of safetensors: its header tells where each begins and ends."""
    places: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, x in state.items():
        own = bytes(x.contiguous().view(torch.uint8).reshape(-1).tolist())
        span = [len(data), len(data) + len(own)]
        places[name] = {"dtype": "F32", "shape": [*x.shape], "data_offsets": span}
        data += own
    header = json.dumps(places).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_weights_are_loaded_from_each_kind_of_file(tmp_path: Path) -> None:
    network = trained(live.Scaled())
    state = network.state_dict()
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"model": state, "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "checkpoint.pth")
    (tmp_path / "weights.safetensors").write_bytes(safetensors(state))
    for name in ("plain.pt", "checkpoint.pth", "weights.safetensors"):
        other = live.Scaled()
        load_weights(other, tmp_path / name)
        assert all(torch.equal(x, state[key]) for key, x in other.state_dict().items()), name


def misfit(given: Any, path: Path) -> str:
    if isinstance(given, bytes):
        path.write_bytes(given)
    else:
        torch.save(given, path)
    with pytest.raises(Unloadable) as caught:
        load_weights(nn.Linear(3, 2), path)
    assert caught.value.code == "NG706"
    return str(caught.value).removeprefix(f"`{path.name}` ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [1, 2], "is no `state_dict`: it holds a list"),
        (lambda: torch.ones(2), "is no `state_dict`: it holds a Tensor"),
        (lambda: b"no weights", "is no file that `torch.save` wrote"),
        (lambda: b"", "is no file that `torch.save` wrote"),
        (
            lambda: {"model": nn.Linear(3, 2).state_dict(), "ema": nn.Linear(3, 2).state_dict()},
            "holds several: `model`, `ema`",
        ),
        (
            lambda: {"args": argparse.Namespace()},
            "holds objects (`argparse.Namespace`), and only tensors are loaded",
        ),
        (
            lambda: {"weight": torch.ones(2, 4), "scale": torch.ones(1)},
            "the weights of `w.pt` are not those of the network: it has no `bias`; the network "
            "has no `scale`; `weight` is (2, 4), and (2, 3) in the network",
        ),
    ],
)
def test_what_are_no_weights_of_the_network_is_told(
    make: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    assert misfit(make(), tmp_path / "w.pt") == message


def test_a_broken_file_of_safetensors_is_told(tmp_path: Path) -> None:
    whole = safetensors(nn.Linear(3, 2).state_dict())
    for broken in (b"", b"12345678{", whole[:-1], whole.replace(b"F32", b"F99")):
        assert misfit(broken, tmp_path / "w.safetensors") == "is no file of safetensors"


def unloadable(path: Path, *, allow_pickle: bool = True) -> str:
    with pytest.raises(Unloadable) as caught:
        saved_network(path, allow_pickle=allow_pickle)
    return str(caught.value).removeprefix(f"`{path.name}` ")


def test_a_network_that_was_saved_whole_has_to_be_allowed(tmp_path: Path) -> None:
    network = trained(live.Scaled())
    path = tmp_path / "whole.pt"
    torch.save(network, path)
    told = unloadable(path, allow_pickle=False)
    assert told == f"holds objects (`{live.Scaled.__module__}.Scaled`), and loading it runs code"
    again = saved_network(path, allow_pickle=True)
    x = torch.randn(2, 6)
    assert torch.equal(network.eval()(x), again.eval()(x))


def _save_script(path: Path) -> None:
    archive = torch.jit.trace(nn.Linear(3, 2), torch.ones(1, 3))  # type: ignore[no-untyped-call]
    archive.save(str(path))


def test_what_holds_no_network_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    assert unloadable(path) == "holds weights, and no network"
    torch.save([1, 2], path)
    assert unloadable(path) == "holds a list, and no `nn.Module`"
    torch.save({"model": live.Scaled()}, path)
    assert unloadable(path) == "holds a dict, and no `nn.Module`"
    with pytest.warns((DeprecationWarning, FutureWarning), match=r"torch\.jit"):
        _save_script(path)
    assert unloadable(path) == "is a TorchScript archive, whose code is none of Python's"


def test_a_class_that_is_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("once_there")
    exec("from torch import nn\nclass Net(nn.Linear): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "once_there", module)
    torch.save(module.Net(3, 2), tmp_path / "net.pt")
    monkeypatch.delitem(sys.modules, "once_there")
    assert unloadable(tmp_path / "net.pt") == (
        "needs classes (`once_there.Net`), and not all are there: No module named 'once_there'"
    )


def test_wrong_files_are_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"")
    own = str(tmp_path / "net.pt")
    for source, options, message in (
        ("none.pt", {}, "there is no file"),
        ("torch.nn:Linear", {"weights": "none.pt"}, "there is no file"),
        ("torch.nn:Linear", {"weights": "weights.bin"}, "--weights takes"),
    ):
        with pytest.raises(ValueError, match=message):
            asked(source, ["4"], "{}", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--keep takes the name of a class"):
        asked("torch.nn:Linear", ["4"], "{}", keep=["1x"])
    with pytest.raises(ValueError, match="--args changes nothing"):
        asked(own, ["4"], '{"width": 3}')


@pytest.mark.slow
def test_arguments_that_a_module_keeps_name_the_parameters_of_blocks() -> None:
    network = nn.Sequential(live.Kept(3, 5), live.Kept(5, 7, 2), live.Kept(7, 7, 2))
    text = import_module(network, torch.randn(2, 3, 16, 16))
    assert "    params: {planes: 7, stride: 2}" in text.splitlines()
    assert "sequential: true" in text.splitlines()


@pytest.mark.slow
def test_the_command_compares_what_was_trained(tmp_path: Path) -> None:
    network = trained(live.Scaled())
    torch.save(network.state_dict(), tmp_path / "w.pt")
    words = ("--weights", "w.pt", "--input", "6", "-o", "net.yaml", "--source", "plain.py")
    done = netgen("import", f"{LIVE}:Scaled", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "; equal outputs with its own weights; " in done.stdout
    before = {path.name for path in tmp_path.iterdir()}
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "w.pt")
    done = netgen("import", f"{LIVE}:Scaled", *words, "--force", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error[NG706]: the weights of `w.pt` are not those")
    assert {path.name for path in tmp_path.iterdir()} == before
