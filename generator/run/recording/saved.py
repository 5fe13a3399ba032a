"""Files that `torch.save` writes: whole networks, and weights for one that code makes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import nn
from torch.serialization import get_unsafe_globals_in_checkpoint

from .construction import Unloadable, forget

State = Mapping[str, torch.Tensor]
_ALONE = "save its `state_dict` alone: `torch.save(network.state_dict(), FILE)`"
_TYPES = {  # of safetensors
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
MOST_NAMED = 4


def saved_network(path: Path, *, allow_pickle: bool) -> nn.Module:
    """The network that a file holds as a whole; raises `Unloadable`.

    Reading such a file runs the code that it names, so it must be allowed.
    """
    found, classes = _plain(path)
    if isinstance(found, torch.Tensor) or _states(found):
        message = f"`{path.name}` holds weights, and no network"
        help = "give what makes the network as SOURCE, and this file with `--weights`"
        raise Unloadable(message, help)
    if not classes:
        raise Unloadable(f"`{path.name}` holds a {type(found).__name__}, and no `nn.Module`")
    if not allow_pickle:
        message = f"`{path.name}` holds objects ({_named(classes)}), and loading it runs code"
        help = "`--allow-pickle` allows that, for a file that you trust"
        raise Unloadable(message, help)
    try:
        network = torch.load(path, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        message = f"`{path.name}` needs classes ({_named(classes)}), and not all are there: {error}"
        help = "modules are looked for among what is installed, then in the current folder"
        if any(name.startswith("__main__.") for name in classes):
            help = "a class of the script that was run has no module: save it with one that has"
        raise Unloadable(message, help) from None
    if not isinstance(network, nn.Module):
        raise Unloadable(f"`{path.name}` holds a {type(network).__name__}, and no `nn.Module`")
    forget(network)
    return network


def load_weights(network: nn.Module, path: Path, *, strict: bool = True) -> None:
    """Load the weights of a file; raises `Unloadable`.

    If it is not `strict`, those that do not fit stay as they are.
    """
    given = _weights(path)
    own = network.state_dict()
    fitting = {
        name: value
        for name, value in given.items()
        if name in own and own[name].shape == value.shape
    }
    if strict and (len(fitting) < len(own) or len(fitting) < len(given)):
        wrong = "; ".join(_misfits(given, own))
        keys = "each of its keys begins with `module.`, as those of `nn.DataParallel` do"
        help = keys if all(name.startswith("module.") for name in given) else ""
        message = f"the weights of `{path.name}` are not those of the network: {wrong}"
        raise Unloadable(message, help, code="NG706")
    network.load_state_dict({**own, **fitting})


def _misfits(given: State, own: State) -> list[str]:
    """In what weights are not those of a network, in words."""
    lacking = [name for name in own if name not in given]
    more = [name for name in given if name not in own]
    found = [f"it has no {_named(lacking)}"] if lacking else []
    found += [f"the network has no {_named(more)}"] if more else []
    others = (name for name in own if name in given and given[name].shape != own[name].shape)
    told = [
        f"`{name}` is {tuple(given[name].shape)}, and {tuple(own[name].shape)} in the network"
        for name in others
    ]
    return [*found, *told[:MOST_NAMED], *([f"and {n} more"] if (n := _rest(told)) else [])]


def _weights(path: Path) -> State:
    """The tensors of a file by name; raises `Unloadable`."""
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        found, classes = _plain(path)
    except Unloadable as error:
        raise Unloadable(str(error), _ALONE, code="NG706") from None
    if classes:
        message = f"`{path.name}` holds objects ({_named(classes)}), and only tensors are loaded"
        raise Unloadable(message, _ALONE, code="NG706")
    states = _states(found)
    if len(states) == 1:
        return states[next(iter(states))]
    message = f"`{path.name}` is no `state_dict`: it holds a {type(found).__name__}"
    if states:
        message = f"`{path.name}` holds several: {_named([*states])}"
    raise Unloadable(message, _ALONE, code="NG706")


def _states(found: Any) -> dict[str, State]:
    """The `state_dict` that something is, or those that stand in it by their keys."""
    if _is_state(found):
        return {"": found}
    if not isinstance(found, Mapping):
        return {}
    return {str(key): own for key, own in found.items() if _is_state(own) and own}


def _is_state(found: Any) -> bool:
    return isinstance(found, Mapping) and all(
        isinstance(name, str) and isinstance(x, torch.Tensor) for name, x in found.items()
    )


def _plain(path: Path) -> tuple[Any, list[str]]:
    """What a file holds, read without running any code, or else the classes that it needs."""
    if is_zipfile(path):
        with ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
        if "constants.pkl" in names:
            message = f"`{path.name}` is a TorchScript archive, whose code is none of Python's"
            raise Unloadable(message, "give the class that it was made from as SOURCE")
    try:
        return torch.load(path, map_location="cpu", weights_only=True), []
    except Exception as error:
        classes = _classes(path, str(error))
        if not classes:
            raise Unloadable(f"`{path.name}` is no file that `torch.save` wrote") from None
        return None, classes


def _classes(path: Path, error: str) -> list[str]:
    """The classes and functions that a file names and that are not torch's own data."""
    try:
        found = sorted(get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # it is of the old format
        found = re.findall(r"GLOBAL ([\w.]+)", error)[:1]
    own = [name for name in found if not name.startswith(("torch.", "collections."))]
    return own or found


def _safetensors(path: Path) -> State:
    """The tensors of a file in the format of safetensors: their places as JSON, then all bytes."""
    data = path.read_bytes()
    try:
        size = int.from_bytes(data[:8], "little")
        places = json.loads(data[8 : 8 + size])
        places.pop("__metadata__", None)
        return {name: _tensor(data[8 + size :], **place) for name, place in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise Unloadable(f"`{path.name}` is no file of safetensors", code="NG706") from None


def _tensor(
    data: bytes, dtype: str, shape: Sequence[int], data_offsets: Sequence[int]
) -> torch.Tensor:
    start, end = data_offsets
    kind = _TYPES[dtype]
    if end - start != math.prod(shape) * kind.itemsize:
        raise ValueError("sizes differ")
    if start == end:
        return torch.empty(*shape, dtype=kind)
    return torch.frombuffer(bytearray(data[start:end]), dtype=kind).reshape(tuple(shape))


def _rest(names: Sequence[str]) -> int:
    return max(len(names) - MOST_NAMED, 0)


def _named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    first = ", ".join(f"`{name}`" for name in names[:MOST_NAMED])
    return f"{first} and {_rest(names)} more" if _rest(names) else first
