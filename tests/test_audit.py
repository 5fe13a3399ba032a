"""Source that netgen never writes is refused before anything runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch_netgen import NetgenError
from torch_netgen.audit import audit

from .conftest import ROOT

GOLDEN = sorted((ROOT / "tests" / "golden").rglob("*.py"))
LENET = (ROOT / "tests" / "golden" / "configs" / "lenet.py").read_text()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_netgen_writes_passes(path: Path) -> None:
    audit(path.read_text())


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from torch import hub",
        "import torch.hub",
        "import torch as t",
        "from os import path as nn",
        "print('x')",
        "nn.ReLU()",
        "while True: pass",
        "if True: pass",
        "x = lambda: 0",
        "x = [open('f') for i in range(3)]",
        "x = __import__('os')",
        "x = nn.__dict__",
        "x = ().__class__.__bases__",
        "x = f'{nn.__name__}'",
        "x = torch.load('f')",
        "x = torch.hub.load('a', 'b')",
        "x = torch.ops.load_library('f')",
        "x = eval('1')",
        "x = getattr(nn, 'x')",
        "x = globals()",
        "x = type('A', (), {})",
        "x = (yield)",
        "del nn",
        "assert open",
        "class A(object): pass",
        "class A(nn.Module, metaclass=B): pass",
        "@print\nclass A(nn.Module): pass",
        "@print\ndef f() -> None: return",
        "async def f() -> None: return",
        "def f(x=open('f')): return x",
        "def f() -> None:\n    global nn",
        "def f() -> None:\n    try:\n        return\n    finally:\n        return",
        "def f() -> None:\n    with torch: return",
        "def f() -> None:\n    raise x",
        "def f() -> None:\n    import os",
        "x = (y := 3)",
        "x = 'a' if True else exec('b')",
        "x = torch.compile",
        "x = nn.functional.torch.os.system('x')",
        "x = F.torch.load('x')",
        "x = F.importlib",
        "x = nn.utils",
        "x = math.os",
        "x = Tensor.storage",
        "x = [eval for eval in range(3)]",
        "def eval() -> None: return",
        "torch = 3",
        "x = " + "-" * 100_000 + "1",
        "x = torch._C",
        "x: int = breakpoint()",
        "x = 1  # \u202e",
        "x = '\u200b'",
        "x = (",
    ],
)
def test_what_netgen_never_writes_is_refused(line: str) -> None:
    audit(LENET)
    with pytest.raises(NetgenError, match="NG405"):
        audit(f"{LENET}\n\n{line}\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = self.relu(x)", "x = self.relu(open('x'))"),
        ("x = self.relu(x)", "x = self.__class__"),
        ("nn.ReLU()", "torch.save(self)"),
        ("nn.Module", "nn.Module, object"),
    ],
)
def test_not_even_inside_a_class(old: str, new: str) -> None:
    assert old in LENET
    with pytest.raises(NetgenError, match="NG405"):
        audit(LENET.replace(old, new))
