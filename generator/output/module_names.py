"""File names that Python can't import, or that would hide a module that torch needs."""

from __future__ import annotations

import keyword
import re
import sys

from ..diagnostics.diagnostics import spelt

# modules that torch tries to import when it is imported, runs, exports or compiles, whether they
# are installed or not; a test compares this with torch
TORCHS = frozenset(
    """backports ck4inductor colorama cuda deeplearning dill envwrap filelock flint fsspec functorch
    fx2trt_oss gmpy gmpy2 hypothesis jaraco jinja2 markupsafe monkeytype more_itertools mpmath
    networkx numpy onnx onnx_tf onnxruntime onnxscript opt_einsum optree org packaging pandas pydot
    pynvml redis setuptools sklearn sympy tabulate tensorboard tensorflow tensorrt torch torch2trt
    torchcomms torchdistx torchgen tqdm tree triton tvm typing_extensions xarray yaml z3""".split()
)
_PYTHONS = sys.stdlib_module_names | {"__main__", "sitecustomize", "usercustomize"}


def why_no_module(stem: str) -> str | None:
    """Why a file name (without `.py`) can't be a module's, in words; ``None`` if it can."""
    stem = spelt(stem)
    if not stem.isidentifier():
        return "can't be imported: it is no Python identifier"
    if keyword.iskeyword(stem):
        return "can't be imported: it is a keyword of Python"
    if stem in _PYTHONS:
        return "would be taken for Python's own module"
    return "would be taken for a module that torch imports" if stem in TORCHS else None


def instead(stem: str) -> str:
    """A usable module name, made from one that is not usable."""
    name = re.sub(r"\W+", "_", spelt(stem)).strip("_")
    return name if name.isidentifier() and not why_no_module(name) else f"net_{name}".rstrip("_")
