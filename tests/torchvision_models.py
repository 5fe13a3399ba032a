"""torchvision's models as a source of `netgen import`, also where its binary is for another torch.

`NETGEN_TORCHVISION` names the folder where it is installed, if that is not where Python looks.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import torch

_folder = os.environ.get("NETGEN_TORCHVISION", "")
if _folder and _folder not in sys.path:
    sys.path.append(_folder)
INSTALLED = importlib.util.find_spec("torchvision") is not None
_kept: list[Any] = []  # what defines operations as long as it lives


def models() -> Any:
    """Its models. It gives shapes of operations of its binary, so these must be known by name."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("torchvision is not installed", name="torchvision")
    if "torchvision" not in sys.modules:
        try:
            ctypes.CDLL(str(Path(found.submodule_search_locations[0]) / "_C.so"))
        except OSError:
            library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _kept.append(library)
    return importlib.import_module("torchvision.models")


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return getattr(models(), name)
