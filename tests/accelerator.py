"""A device `acc` that computes on the CPU but takes no tensor of it, as a GPU would not.

So what names no device where it should is found on machines without a GPU. ``python -m
tests.accelerator SPEC... --levels forward,...`` proves specs on the CPU and on it, and prints what
the worker says of each, a JSON line for a spec. It has a process of its own: torch takes the device
for the best one from then on.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map
from torch_netgen.analysis.prediction import check_source
from torch_netgen.pipeline import rendered
from torch_netgen.run.worker import prove
from torch_netgen.spec.given import read

DEVICE = "acc:0"
MISSING: set[str] = set()  # operations that the device does not have
COPIES = ("aten::_to_copy", "aten::copy_", "aten::_copy_from")
INDEXED = ("aten::index", "aten::index_put_", "aten::_index_put_impl_")  # by the CPU's numbers, too


class There(torch.Tensor):
    """A tensor of the device: the CPU's that holds its numbers stays out of sight."""

    raw: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> There:
        shape, strides, offset = raw.shape, raw.stride(), raw.storage_offset()
        device = torch.device(DEVICE)
        made: There = torch.Tensor._make_wrapper_subclass(
            cls, shape, strides, offset, dtype=raw.dtype, device=device
        )
        made.raw = raw
        return made

    def __init__(self, raw: torch.Tensor) -> None:
        pass

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["raw"], None

    @staticmethod
    def __tensor_unflatten__(inner: Any, meta: None, size: Any, stride: Any) -> There:
        return There(inner["raw"])

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, f: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return call(f, *args, **(kwargs or {}))


def call(f: Any, *args: Any, **kwargs: Any) -> Any:
    """One operation, of this device's tensors alone."""
    name = f._schema.name
    if name in MISSING:
        raise NotImplementedError(f"{name} is not there on {DEVICE}")
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = [x for x in tensors if isinstance(x, There)]
    strangers = [x for x in tensors if not isinstance(x, There) and x.dim()]
    if there and strangers and name not in (*COPIES, *INDEXED):
        raise RuntimeError(f"{name}: tensors of {DEVICE} and of {strangers[0].device}")
    wanted = kwargs.get("device")
    target = torch.device(wanted).type if wanted is not None else "acc" if there else "cpu"
    if wanted is not None and target == "acc":
        kwargs["device"] = "cpu"
    plain, named = tree_map(_raw, args), tree_map(_raw, kwargs)
    found = f(*plain, **named)
    if name == "aten::copy_":
        return args[0]
    known = {id(x.raw): x for x in there}  # what is changed in place is returned as it is
    return tree_map(lambda x: _wrapped(x, known) if target == "acc" else x, found)


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, There) else value


def _wrapped(value: Any, known: dict[int, There]) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if id(value) not in known:
        return There(value)
    if known[id(value)].shape != value.shape:  # as `transpose_` leaves it
        known[id(value)].data = There(value)
    return known[id(value)]


def install() -> None:
    """Make the device known to torch."""
    backend_registration._setup_privateuseone_for_python_backend("acc")
    library: Any = torch.library.Library
    fallback, aten = library("_", "IMPL"), library("aten", "IMPL")
    fallback.fallback(call, "PrivateUse1")
    for overload in ("default", "start", "start_step"):
        aten.impl(f"arange.{overload}".removesuffix(".default"), _arange(overload), "PrivateUse1")
    # off the CPU torch leaves the cells of recurrence to kernels of the device's own
    aten.impl("_thnn_fused_lstm_cell", _lstm_cell, "AutogradPrivateUse1")
    aten.impl("_thnn_fused_gru_cell", _gru_cell, "AutogradPrivateUse1")
    _KEPT.extend((fallback, aten))


_KEPT: list[Any] = []  # libraries that are forgotten take their kernels with them


def _arange(overload: str) -> Callable[..., Any]:
    f = getattr(torch.ops.aten.arange, overload)
    return lambda *args, **kwargs: call(f, *args, **kwargs)


def _gates(
    inputs: torch.Tensor, hidden: torch.Tensor, biases: tuple[torch.Tensor | None, ...], count: int
) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    given = [x if b is None else x + b for x, b in zip((inputs, hidden), biases, strict=True)]
    return given[0].chunk(count, 1), given[1].chunk(count, 1)


def _lstm_cell(inputs: Any, hidden: Any, cell: Any, *biases: Any) -> Any:
    ours, theirs = _gates(inputs, hidden, biases or (None, None), 4)
    keep_new, keep_old, new, out = (a + b for a, b in zip(ours, theirs, strict=True))
    cell = keep_old.sigmoid() * cell + keep_new.sigmoid() * new.tanh()
    return out.sigmoid() * cell.tanh(), cell, inputs


def _gru_cell(inputs: Any, hidden: Any, state: Any, *biases: Any) -> Any:
    (reset, update, new), theirs = _gates(inputs, hidden, biases or (None, None), 3)
    new = (new + (reset + theirs[0]).sigmoid() * theirs[2]).tanh()
    return new + (update + theirs[1]).sigmoid() * (state - new), inputs


def request(path: Path, levels: list[str], without: str = "") -> dict[str, Any]:
    """What the worker is asked of a spec, its source without a text."""
    found = check_source(read(path), {})
    source = rendered(found).replace(without, "") if without else rendered(found)
    plan = found.plan.request()
    return {"source": source, "plan": plan, "seed": 0, "levels": levels, "timed": False}


def main() -> None:
    """Answer for each spec."""
    parser = argparse.ArgumentParser()
    parser.add_argument("specs", nargs="+", type=Path)
    parser.add_argument("--levels", default="forward,backward,eval")
    parser.add_argument("--without", default="", help="a text that is left out of the source")
    options = parser.parse_args()
    install()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for path in options.specs:
        asked = request(path, options.levels.split(","), options.without)
        answers = {device: prove(asked, device) for device in ("cpu", DEVICE)}
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
