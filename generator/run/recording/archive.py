"""Whether a file is one of `torch.export`, and whether loading it would run code of its own.

`torch.export.load` unpickles what a file asks it to, and has sympy evaluate the file's expressions.
So a file is read here first, as the plain data that it is.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# functions that stand in expressions of sizes
_FUNCTIONS = frozenset(
    """Max Min Mod FloorDiv CeilDiv CleanDiv PythonMod ModularIndexing Where IntTrueDiv FloatTrueDiv
    TruncToInt TruncToFloat CeilToInt FloorToInt RoundToInt RoundDecimal ToFloat PowByNatural
    FloatPow Eq Ne Lt Le Gt Ge And Or Not Abs Symbol Integer Float Rational Add Mul Pow Equality
    Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan""".split()
)
_WORDS = frozenset(("int_oo", "oo", "True", "False"))
_NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.Name),
    *(ast.Constant, ast.keyword, ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.Load),
)
# containers that arguments and results of a program may stand in
_CONTAINERS = frozenset(
    """builtins.tuple builtins.list builtins.dict collections.OrderedDict
    collections.namedtuple""".split()
)


class Unreadable(Exception):
    """A file is no program that can be loaded; the text says why."""


def check_archive(path: str) -> str:
    """The version of torch that saved a program.

    Raises `Unreadable` for a file that is no program, or that would run code when it is loaded.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _check(archive)
    except (OSError, zipfile.BadZipFile):
        raise Unreadable(f"`{Path(path).name}` is no file of `torch.export.save`") from None


def _check(archive: zipfile.ZipFile) -> str:
    # all entries stand in one folder of any name
    entries = archive.namelist()
    names = {name.partition("/")[2]: name for name in entries}
    programs = [names[x] for x in names if re.fullmatch(r"models/[^/]+\.json", x)]
    if not programs:
        old = "serialized_exported_program.json" in entries
        why = "of an old version of torch" if old else "no file of `torch.export.save`"
        raise Unreadable(f"it is {why}: save the program with `torch.export.save` of this torch")
    if len(programs) > 1 or len(names) < len(entries):
        raise Unreadable("it holds more than one program")
    if any(x.startswith("data/aotinductor/") for x in names):
        raise Unreadable("it holds compiled code beside the program")
    program = _json(archive, programs[0])
    for kind in ("weights", "constants"):
        for inner, name in names.items():
            if re.fullmatch(rf"data/{kind}/[^/]+_config\.json", inner):
                _check_payloads(_json(archive, name), kind)
            elif re.fullmatch(rf"data/{kind}/[^/]+\.pt", inner):
                raise Unreadable(f"its {kind} are pickled, and so may run any code when loaded")
    for key, value in _strings(program):
        if key == "expr_str":
            _check_expression(value)
        elif key in ("in_spec", "out_spec") and value:
            _check_containers(_parsed(value))
    return str(program.get("torch_version", "")) if isinstance(program, dict) else ""


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    return _parsed(archive.read(name))


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("what should be JSON in it is none") from None


def _check_payloads(config: Any, kind: str) -> None:
    payloads: Mapping[str, Any] = config.get("config", {}) if isinstance(config, dict) else {}
    for name, payload in payloads.items():
        file = str(payload.get("path_name", ""))
        if payload.get("use_pickle") or not file.startswith(("weight_", "tensor_")):
            raise Unreadable(f"`{name}` of its {kind} is pickled, and may run any code when loaded")


def _strings(x: Any) -> Iterator[tuple[str, str]]:
    """The texts in a JSON value, each with its key."""
    if isinstance(x, dict):
        for key, value in x.items():
            if isinstance(value, str):
                yield key, value
            else:
                yield from _strings(value)
    elif isinstance(x, list):
        for value in x:
            yield from _strings(value)


def _check_expression(text: str) -> None:
    try:
        nodes = [*ast.walk(ast.parse(text, mode="eval"))]
    except (SyntaxError, ValueError, RecursionError):
        nodes = [ast.AST()]
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        plain = isinstance(node, _NODES)
        if isinstance(node, ast.Name):
            known = _FUNCTIONS if id(node) in called else _WORDS
            plain = node.id in known or _is_symbol(node.id)
        elif isinstance(node, ast.Constant):
            plain = isinstance(node.value, (int, float)) or _is_symbol(node.value)
        if not plain:
            raise Unreadable(f"a size in it is no plain expression: {text[:80]!r}")


def _is_symbol(x: object) -> bool:
    return isinstance(x, str) and re.fullmatch(r"[a-z]{1,3}\d+", x) is not None


def _check_containers(spec: Any) -> None:
    """Refuse classes of somebody's own around arguments and results."""
    if isinstance(spec, list):
        for one in spec:
            _check_containers(one)
    elif isinstance(spec, dict):
        type = spec.get("type")
        if type is not None and type not in _CONTAINERS:
            raise Unreadable(f"its arguments or results are in a class of their own, `{type}`")
        if "__enum__" in str(spec.get("context")):
            raise Unreadable("its arguments or results hold a class of their own")
        _check_containers(spec.get("children_spec", []))
