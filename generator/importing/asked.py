"""What an import is asked for: where the network is, its arguments, its weights and its inputs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..run.recording.recorded import BATCH, Input

TYPES = frozenset(
    """float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 bool complex64
    complex128""".split()
)

SAVED = (".pt", ".pth")  # how files of `torch.save` end
PROGRAM = ".pt2"  # those of `torch.export`
GRAPH = ".onnx"  # those that hold a graph with its weights
_NO_CODE = (PROGRAM, GRAPH)  # what knows its inputs, and has no classes


class Asked(Struct, frozen=True):
    """A network by its code: a module's name or a file, a callable in it, and its arguments.

    A file that holds the network itself has no `callable`. `args` is the text of a JSON object.
    With `name`, the class of the spec is called so. `weights` is the path of a file, if there is
    one. The classes to `keep` are called by their own or their full names.
    """

    module: str
    callable: str
    inputs: tuple[Input, ...]
    args: str = "{}"
    name: str = ""
    weights: str = ""
    allow_pickle: bool = False
    keep: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The folder in which the code may find modules of its own."""
        if self.module.endswith((".py", PROGRAM)):
            return str(Path(self.module).absolute().parent)
        return str(Path.cwd())

    @property
    def is_code(self) -> bool:
        """Whether it has classes that may become blocks."""
        return not self.module.endswith(_NO_CODE)

    @property
    def is_graph(self) -> bool:
        """Whether it is a file whose weights are written beside the spec."""
        return self.module.endswith(GRAPH)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the network is read from, as far as they are named."""
        return tuple(filter(None, (self.module, self.weights)))

    @property
    def request(self) -> dict[str, Any]:
        """What the process that makes the network has to know."""
        names = {"module": self.module, "name": self.callable, "args": self.args}
        more = {"weights": self.weights, "allow_pickle": self.allow_pickle, "keep": self.keep}
        return {**names, **more}


def asked(
    source: str,
    inputs: Sequence[str],
    args: str,
    name: str = "",
    *,
    weights: str = "",
    allow_pickle: bool = False,
    keep: Sequence[str] = (),
) -> Asked:
    """What the arguments of a command ask for; raises `ValueError`."""
    module, maker = _place(source)
    try:
        given = json.loads(args)
    except json.JSONDecodeError as error:
        raise ValueError(f"--args is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError('--args is a JSON object, like {"num_classes": 10}')
    if given and not maker:
        raise ValueError(f"{source!r} holds a network that is made already: --args changes nothing")
    if not inputs and not module.endswith(_NO_CODE):
        raise ValueError("--input says what the network takes: once for each input")
    if weights and module.endswith(_NO_CODE):
        raise ValueError(f"{source!r} has weights of its own: --weights are for code")
    if keep and module.endswith(_NO_CODE):
        raise ValueError(f"{source!r} has no classes: --keep is for code")
    if weights and not weights.endswith((*SAVED, ".safetensors")):
        raise ValueError(f"--weights takes a .pt, .pth or .safetensors file, not {weights!r}")
    if name and not (name.isascii() and name.isidentifier()):
        raise ValueError(f"--name takes a name for the class, not {name!r}")
    for one in keep:
        if not all(map(str.isidentifier, one.split("."))):
            raise ValueError(f"--keep takes the name of a class, not {one!r}")
    read = tuple(map(input_of, inputs))
    names = [one.name for one in read if one.name]
    if len({*names}) < len(names):
        raise ValueError("two inputs have the same name")
    weights = weights and _file(weights)
    return Asked(module, maker, read, args, name, weights, allow_pickle, tuple(keep))


def _place(source: str) -> tuple[str, str]:
    """The module and the callable that a source names; no callable if a file is the network."""
    if source.endswith((*SAVED, *_NO_CODE)):
        return _file(source), ""
    module, colon, maker = source.rpartition(":")
    if not colon or not module or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", maker):
        raise ValueError(f"{source!r} is neither package.module:callable nor file.py:Name")
    if not module.endswith(".py") and not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module):
        raise ValueError(
            f"{module!r} is neither the name of a module nor a file that ends with .py"
        )
    return (_file(module) if module.endswith(".py") else module), maker


def _file(path: str) -> str:
    """The whole path of a file that is there; raises `ValueError`."""
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path!r}")
    return str(Path(path).absolute())


_INPUT = re.compile(
    r"(?:(?P<name>[^\W\d]\w*)=)?(?P<shape>[\w,]*)(?::(?P<dtype>\w+)"
    r"(?::(?P<low>-?\d+)\.\.(?P<high>-?\d+))?)?"
)


def input_of(text: str) -> Input:
    """An input from its text, such as ``tokens=T:int64:0..100``; raises `ValueError`."""
    found = _INPUT.fullmatch(text)
    if found is None:
        raise ValueError(f"--input takes [NAME=]SHAPE[:TYPE[:LOW..HIGH]], not {text!r}")
    shape = tuple(map(_size, filter(None, found["shape"].split(","))))
    if shape.count(BATCH) > 1:
        graphs = ",".join((BATCH, *("V" if size == BATCH else str(size) for size in shape)))
        why = "a spec has one batch, whose samples do not read each other"
        way = f"a network of graphs is imported where it takes several at once, `{graphs}`"
        raise ValueError(f"--input {text}: the batch N stands twice, but {why}: {way}")
    dtype = found["dtype"] or "float32"
    if dtype not in TYPES:
        raise ValueError(f"--input {text}: torch has no type {dtype!r} for inputs")
    low, high = (None if found[key] is None else int(found[key]) for key in ("low", "high"))
    if low is not None and high is not None and low >= high:
        raise ValueError(f"--input {text}: {low} is not less than {high}")
    return Input(found["name"] or "", shape, dtype, low, high)


def _size(text: str) -> int | str:
    if text.isdecimal():
        if int(text) < 1:
            raise ValueError("a size of an input is 1 or more")
        return int(text)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9_]*", text):
        raise ValueError(f"a size is a number or a name like H, not {text!r}; N is the batch")
    return text
