"""What the worker process is asked about an ONNX file: its recording, a comparison, its weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from msgspec import convert

from ..recording.comparison import Other
from ..recording.construction import Unloadable
from ..recording.recorded import Input
from ..recording.tasks import class_in, compare_module, raised, record_module, refused
from .unsayable import Unsayable

if TYPE_CHECKING:
    import onnx

    from .network import OnnxNetwork

Answer = dict[str, Any]


def recorded(request: Mapping[str, Any]) -> Answer:
    """The recording of the network in a file, or why there is none."""
    return _told(_recorded, request)


def compared(request: Mapping[str, Any]) -> Answer:
    """What a comparison of the file with a generated class has shown, or in what they differ."""
    return _told(_compared, request)


def saved(request: Mapping[str, Any]) -> Answer:
    """Write the `state_dict` that the file has to a path."""
    return _told(_saved, request)


def _told(task: Callable[[Mapping[str, Any]], Answer], request: Mapping[str, Any]) -> Answer:
    """The answer of a task, or why there is none."""
    try:
        return task(request)
    except Unsayable as error:
        first, *others = error.found
        return {**refused("NG704", first), "others": others}
    except ImportError as error:
        name = (error.name or "onnx").partition(".")[0]
        message = f"an ONNX file needs the package `{name}`, which is not installed"
        return refused("NG701", message, help="pip install 'torch-netgen[onnx]'")
    except Unloadable as error:
        return refused(error.code, str(error), help=error.help)
    except Other as error:
        return refused("NG705", str(error))
    except Exception as error:
        return raised("NG701", "reading the file", error)


def _recorded(request: Mapping[str, Any]) -> Answer:
    _, network = _opened(request["module"], json.dumps(request["inputs"]))
    answer = record_module(network, network.inputs)
    return {**answer, "class": network.title}


def _compared(request: Mapping[str, Any]) -> Answer:
    from .runtime import compare_with_file

    model, network = _opened(request["module"], json.dumps(request["asked"]))
    source, name, runs = request["source"], request["class"], request["runs"]
    inputs = convert(request["inputs"], list[Input])
    answer = compare_module(network, source, name, inputs, runs)
    if not answer["ok"]:
        return answer
    kept = [text for text in answer["shown"] if "training" not in text]  # no file tells of that
    network.inputs = tuple(inputs)
    return {
        "ok": True,
        "shown": [*kept, compare_with_file(model, network, class_in(source, name), runs)],
    }


def _saved(request: Mapping[str, Any]) -> Answer:
    _, network = _opened(request["module"], json.dumps(request["asked"]))
    torch.save(dict(network.state_dict()), request["path"])
    return {"ok": True}


@lru_cache(maxsize=1)  # all that is asked of one file
def _opened(path: str, asked: str) -> tuple[onnx.ModelProto, OnnxNetwork]:
    from .graph import graph_of, loaded
    from .network import OnnxNetwork

    model = loaded(Path(path))
    torch.manual_seed(0)
    inputs = convert(json.loads(asked), list[Input])
    network = OnnxNetwork(graph_of(model), title_of(path), inputs)
    network.settle()
    return model, network


def title_of(path: str) -> str:
    """The name of a class for a file: `resnet-18.onnx` holds a `Resnet18`."""
    words = "".join(c if c.isalnum() else " " for c in Path(path).stem).split()
    return "".join(word[:1].upper() + word[1:] for word in words)
