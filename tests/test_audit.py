"""Source that netgen never writes is refused before anything runs it."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from pathlib import Path

import pytest
from torch_netgen import NetgenError
from torch_netgen.emit.audit import audit, audit_whole

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
        "from torch.nn.utils import parametrize",
        "from torch.nn.utils.parametrize import register_parametrization",
        "from torch.nn.utils.parametrizations import *",
        "from torch.nn.utils.parametrizations import weight_norm as nn",
        "from torch.nn.utils.parametrizations import _WeightNorm",
        "from .torch.nn.utils.parametrizations import weight_norm",
        "from torch.nn.utils.parametrizations import weight_norm\nweight_norm = 3",
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


HEAD = "import torch\nfrom torch import Tensor, nn\n\n\n"
BLOCK = """class Block(nn.Module):
    pad: Tensor

    def __init__(self, size: int = 3, *, wide: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(size, size) for size in range(2)]
        for index in range(2):
            layers.append(nn.Linear(size, index))
        if wide:
            other = [i * j for i in range(3) for j in range(i) if i]
            self.other = other
        self.fc = nn.Linear(size, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        kept = [x.shape[dim] for dim in range(2)]
        return x + kept[0]
"""
BELOW = "\n\nclass Net(nn.Module):\n    def forward(self, x: Tensor) -> Tensor:\n        return x\n"


def test_a_name_is_good_where_it_is_bound() -> None:
    audit(HEAD + BLOCK + BELOW)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("nn.Linear(size, 2)", "nn.Linear(x, 2)", "x"),  # an argument of another function
        ("nn.Linear(size, 2)", "nn.Linear(f, 2)", "f"),
        ("nn.Linear(size, index)", "nn.Linear(size, later)", "later"),
        ("= [nn.Linear(size, size) for", "= [layers for", "layers"),
        ("self.fc(x)", "self.fc(size)", "size"),
        ("self.fc(x)", "self.fc(kept)", "kept"),  # bound below
        ("kept[0]", "kept[dim]", "dim"),  # a comprehension keeps its names
        ("self.fc(x)", "fc(x)", "fc"),
        ("self.fc(x)", "pad + x", "pad"),  # of the class, not of its functions
        ("self.fc(x)", "forward(x)", "forward"),
        ("self.fc(x)", "self.fc(x * math.pi)", "math"),  # not imported
        ("range(i) if i", "range(j) if i", "j"),
        ("for i in range(3) for j in range(i)", "for i in range(j) for j in range(3)", "j"),
        ("size: int = 3", "size: int = wide", "wide"),
        ("nn.Module)", "Other)", "Other"),
        ("pad: Tensor", "pad: Other", "Other"),
        ("self.other = other", "self.other = Net()", "Net"),  # a class below
        ("self, x: Tensor", "x: Tensor", "self"),
        ("from torch import Tensor, nn", "from torch import nn", "Tensor"),
    ],
)
def test_a_name_that_is_bound_elsewhere_is_none(old: str, new: str, name: str) -> None:
    source = HEAD + BLOCK + BELOW
    assert source.count(old) >= 1
    changed = source.replace(old, new, 1)
    for look in (audit, lambda text: audit_whole(text, {})):
        with pytest.raises(NetgenError, match=rf"never writes: `{name}`"):
            look(changed)


@pytest.mark.parametrize(
    ("head", "arguments", "plain", "name"),
    [
        (HEAD, "self", "x = self.fc1(x)", "x"),
        (HEAD, "x: Tensor", "x = self.fc1(x)", "self"),
        (HEAD, "x: Tensor", "self.fc1 = nn.Linear(1, 2)", "self"),
        ("", "self", "self.fc1 = nn.Linear(1, 2)", "nn"),
    ],
)
def test_lines_that_are_passed_over_read_their_names(
    head: str, arguments: str, plain: str, name: str
) -> None:
    lines = f"        {plain}\n        {plain}\n"
    audit(f"{HEAD}def f(self, x: Tensor) -> None:\n{lines}")
    with pytest.raises(NetgenError, match=f"never writes: `{name}`"):
        audit(f"{head}def f({arguments}) -> None:\n{lines}")


# what may change what the lines around it are
SIGNS = "( ) [ ] { } \" ' \\ # , ; = 1 0 rf class None if @ else: lambda open"
PIECES = (
    *(*SIGNS.split(), '"""', "'''", 'f"""', "\n", " ", "    ", "        if x:", "        else:"),
    *("        x = (", "        )", '        """', '        f"""', "        return x"),
    *("        x = self.fc1(x)", "        self.a = nn.Linear(1, 2)", "        x = self.not(x)"),
    *(
        "        x = self.a(x)  # {open}",
        '        x = self.a(x)  # """',
        "        x = self.a(open)",
    ),
    *("        x = self.b(x) \\", "        self.if = nn.A()", "        self.b = nn.A(if=1)"),
    *("        self.b = nn.None(1)", "        self.b = nn.A(01)", "        self.b = nn.A(a=1, 2)"),
    *(
        "        0.5,",
        "        0.5,\n        -1e-05,",
        "        [1, 2],\n        [3],",
        "        01,",
    ),
    *("        self.b = nn.A(a=1, a=2)", '        f"""\n        x = self.a(x)  # {open}\n"""'),
)


def changed(text: str, draws: random.Random) -> str:
    """A source with a few changes, whole lines among them."""
    for _ in range(draws.choice([1, 1, 1, 2, 3])):
        lines, place = text.split("\n"), draws.randrange(len(text))
        number, piece = draws.randrange(len(lines)), draws.choice(PIECES)
        kind = draws.random()
        if kind < 0.3:
            text = text[:place] + piece + text[place:]
            continue
        if kind < 0.4:
            text = text[:place] + text[place + draws.randint(1, 3) :]
            continue
        if kind < 0.7:
            lines.insert(number, piece)
        elif kind < 0.9:
            lines.insert(number, draws.choice(lines))
        else:
            lines[number] += draws.choice([" \\", '"""', "  # {open}", " (", ")", '"'])
        text = "\n".join(lines)
    return text


def refuses(source: str, look: str) -> bool:
    try:
        audit(source) if look == "quick" else audit_whole(source, {})
    except NetgenError:
        return True
    return False


@pytest.mark.parametrize("before", ["class A(nn.Module): \\", "    if True: \\", "    y = 1; \\"])
def test_a_line_behind_a_backslash_is_looked_at(before: str) -> None:
    """The line after it is a statement of its own, and stands too deep."""
    plain = "        self.a = nn.Linear(1, 2)\n        self.b = nn.Linear(1, 2)\n"
    with pytest.raises(NetgenError, match="no valid Python"):
        audit(f"from torch import nn\nclass A(nn.Module):\n    y = 0\n{before}\n{plain}")


@pytest.mark.slow
def test_lines_that_are_passed_over_hide_nothing() -> None:
    """What the audit takes without a look at each line, it takes with one."""
    draws, seen = random.Random("audit"), Counter[bool]()
    texts = [path.read_text() for path in GOLDEN]
    short = [text for text in texts if len(text) < 4000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of the parser, about what is changed
        for _ in range(8000):
            source = changed(draws.choice(short), draws)
            verdict = refuses(source, "quick")
            assert verdict == refuses(source, "whole"), source
            seen[verdict] += 1
    assert min(seen.values()) > 1000
