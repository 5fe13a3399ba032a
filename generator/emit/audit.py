"""Audits the generated source before anything runs it: it may hold only what netgen writes.

Text of a spec should never become code. The audit does not rely on that: it knows nothing of
specs, and refuses whatever is no plain definition of a network.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeGuard, TypeVar

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable

_Node = TypeVar("_Node", bound=ast.AST)

IMPORTS = frozenset(
    {
        "from collections import OrderedDict",
        "from torch import Tensor, nn",
        "from torch import nn",
        "from typing import Any",
        "from typing import Literal",
        "from typing import Any, Literal",
        "import math",
        "import torch",
        "import torch.nn.functional as F",
    }
)
# further functions that may be imported, under their own names, by their modules
FUNCTIONS = {
    "torch.nn.utils.parametrizations": frozenset({"orthogonal", "spectral_norm", "weight_norm"}),
    "torch.nn.utils.parametrize": frozenset({"is_parametrized", "remove_parametrizations"}),
}
BUILTINS = frozenset(
    """abs all any bool dict enumerate float int isinstance len list max min range round str sum
    super tuple type zip""".split()
)
# functions and element types of `torch` itself: no `load`, no `hub`, no `ops`
TORCH = frozenset(
    """abs amax amin angle arange atan2 bfloat16 bool cat cdist ceil chunk clamp complex complex128
    complex64 cos div einsum empty erf exp eye fft fft.fft fft.fftn fft.ifft fft.ifftn fft.irfft
    fft.irfftn fft.rfft fft.rfftn flatten flip float16 float32 float64 floor full full_like imag
    index_select int16 int32 int64 int8 linalg linalg.vector_norm linspace log logical_and
    logical_not logical_or masked_fill matmul maximum mean minimum nn norm ones ones_like pow rand
    randn randn_like real reciprocal reshape roll round rsqrt sigmoid sign sin split sqrt stack sum
    swapaxes tanh tensor tril triu uint16 uint32 uint64 uint8 unflatten vector_norm where zeros
    zeros_like""".split()
)
# names that the file may not bind: they must keep their usual meaning
_TAKEN = frozenset({*dir(builtins), "torch", "Tensor", "nn", "F", "math", "OrderedDict"})
_EXPRESSIONS = (
    *(ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.Constant, ast.Dict),
    *(ast.FormattedValue, ast.GeneratorExp, ast.IfExp, ast.JoinedStr, ast.List, ast.ListComp),
    *(ast.Name, ast.Slice, ast.Starred, ast.Subscript, ast.Tuple, ast.UnaryOp),
)
_STATEMENTS = (
    *(ast.AnnAssign, ast.Assign, ast.AugAssign, ast.ClassDef, ast.Expr, ast.For, ast.FunctionDef),
    *(ast.If, ast.Import, ast.ImportFrom, ast.Return),
)
_PARTS = (
    *(ast.Module, ast.alias, ast.arg, ast.arguments, ast.boolop, ast.cmpop, ast.comprehension),
    *(ast.expr_context, ast.keyword, ast.operator, ast.unaryop),
)
_ALLOWED = (*_EXPRESSIONS, *_STATEMENTS, *_PARTS)
_TOP = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.ClassDef, ast.FunctionDef)


def audit(source: str, imports: Mapping[str, str] | None = None) -> None:
    """Raise `NetgenError` for source that is more than definitions of modules and their calls.

    `imports` are the names of imported classes, each with the path that it may be imported from.
    Lines that are plainly allowed are left out of the tree (`_without_plain`) to save memory. The
    verdict is that of `audit_whole`: what is refused here is audited again as a whole, and tests
    compare the two.
    """
    if not source.replace("\n", "").isprintable():
        _refuse("a character that can't be seen", 1)
    lines = source.split("\n")
    try:
        # after a backslash a line is the rest of another one, whatever it looks like
        quick = not any(line.endswith("\\") for line in lines)
        audit_whole("\n".join(_without_plain(lines)) if quick else source, imports or {})
    except NetgenError:
        audit_whole(source, imports or {})


_NAME, _VALUE = "[a-z][a-z0-9_]*", "(?:0|[1-9][0-9]{0,17}|False|None|True)"
# lines that make a layer or call one: names and whole numbers only, nothing in quotes
_PLAIN = re.compile(
    rf" {{8}}(?:self\.({_NAME}) = nn\.([A-Z][A-Za-z0-9]*)\((?:{_VALUE}(?:, {_VALUE})*)?"
    rf"((?:(?:(?<=\()|, ){_NAME}={_VALUE})*)\)"
    rf"|x = self\.({_NAME})\(x\)(?:  # [^\"'\\{{}}]*)?)"
)
_ONE = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?"
_NUMBER = re.compile(rf"( {{8,}}){_ONE},")  # a line of a list
_MADE, _CALLED = "        self.a = nn.A(); return", "        x = self.a(x); return"
_KEYWORDS = frozenset(keyword.kwlist)


def _without_plain(lines: Sequence[str]) -> Iterator[str]:
    """The lines, with each run of plainly allowed lines replaced by one placeholder line.

    A syntax tree takes a hundred times the memory of its text, and most lines of long networks are
    plain. Plain lines neither begin nor end a string or a bracket, so a run of them is either
    inside of one as a whole or outside of all. Inside of a bracket the placeholder's ``return`` is
    a syntax error; inside of a string the placeholder is text, as the lines are. The placeholder
    reads the same variables as the lines. Lines of a long list of numbers become one of them.
    """
    before = ""
    for line in lines:
        kind = _placeholder(line)
        yield line if not kind else "" if kind == before else kind
        before = kind


def _placeholder(line: str) -> str:
    """What stands for a line that is plainly allowed; empty if it is not."""
    if found := _PLAIN.fullmatch(line):
        right = _has_right_words(*found.groups(""))
        return "" if not right else _CALLED if found[4] else _MADE
    number = _NUMBER.fullmatch(line)
    return f"{number[1]}0," if number else ""


def _has_right_words(made: str, type_: str, arguments: str, called: str) -> bool:
    """Whether no name is a Python keyword, and no argument is given twice."""
    names = re.findall(r"(\w+)=", arguments) if arguments else []
    return _KEYWORDS.isdisjoint((made, type_, called, *names)) and len({*names}) == len(names)


def audit_whole(source: str, imports: Mapping[str, str]) -> None:
    """Raise `NetgenError` for forbidden source, from a syntax tree of all its lines."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        _refuse("no valid Python", error.lineno or 1)
    except (ValueError, RecursionError, MemoryError):
        _refuse("an expression that is nested too deeply", 1)
    nodes = _by_type(tree)
    for kind, found in nodes.items():
        if not issubclass(kind, _ALLOWED):
            _refuse(f"`{kind.__name__}`", getattr(found[0], "lineno", 1))
    for statement in tree.body:
        plain = isinstance(statement, _TOP)
        if not plain or (isinstance(statement, ast.Expr) and not _is_text(statement)):
            _refuse("a statement outside of classes", statement.lineno)
    _check_names(nodes, imports)
    _check_scopes(tree)
    _check_factories(tree, nodes.get(ast.FunctionDef, ()))
    for kind, check in _CHECKS.items():
        for node in nodes.get(kind, ()):
            check(node)


def _by_type(tree: ast.AST) -> dict[type[ast.AST], list[Any]]:
    """All nodes of a tree: what `ast.walk` gives, in half the time."""
    found: dict[type[ast.AST], list[Any]] = {}
    waiting: list[Any] = [tree]
    for node in waiting:
        if isinstance(node, ast.AST):
            found.setdefault(type(node), []).append(node)
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    waiting += value
                elif isinstance(value, ast.AST):
                    waiting.append(value)
    return found


def _check_names(nodes: Mapping[type[ast.AST], Sequence[Any]], imports: Mapping[str, str]) -> None:
    """Refuse unknown imports, and names that are bound to another meaning than the usual one."""
    custom = [node for node in nodes.get(ast.ImportFrom, ()) if _is_custom(node, imports)]
    for node in (*nodes.get(ast.Import, ()), *nodes.get(ast.ImportFrom, ())):
        if node not in custom and not _is_known(node):
            _refuse(f"`{ast.unparse(node)}`", node.lineno)
    bound = {alias.asname or alias.name for node in custom for alias in node.names}
    for kind in (ast.ClassDef, ast.FunctionDef):
        bound |= {node.name for node in nodes.get(kind, ())}
    bound |= {node.arg for node in nodes.get(ast.arg, ())}
    bound |= {n.id for n in nodes.get(ast.Name, ()) if isinstance(n.ctx, ast.Store)}
    modules = {"typing", *FUNCTIONS}
    named = {a.name for n in nodes.get(ast.ImportFrom, ()) if n.module in modules for a in n.names}
    for name in sorted(bound & (_TAKEN | named)):
        _refuse(f"another meaning of `{name}`", 1)


def _check_factories(tree: ast.Module, functions: Sequence[ast.FunctionDef]) -> None:
    """Refuse functions that take any argument by name, except for those that make a variant."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in functions:
        if node.args.kwarg is not None and not (node in tree.body and _makes(node, classes)):
            _refuse(f"the function `{node.name}` of another kind", node.lineno)


def _makes(node: ast.FunctionDef, classes: Collection[str]) -> bool:
    """Whether a function does nothing but make a class with plain values and its `overrides`."""
    if ast.unparse(node.args) != "**overrides: Any" or len(node.body) != 2:
        return False
    about, made = node.body
    if not isinstance(about, ast.Expr) or not _is_text(about) or not isinstance(made, ast.Return):
        return False
    match made.value:
        case ast.Call(ast.Name(name), [], [ast.keyword(None, values)]) if name in classes:
            return ast.unparse(values) == "overrides" or _is_plain_with_overrides(values)
    return False


def _is_plain_with_overrides(values: ast.expr) -> bool:
    """Whether an expression is a ``dict`` of plain values with the `overrides` at its end.

    A value may be a type of layer, too.
    """
    if not isinstance(values, ast.Dict) or None in values.keys[:-1] or values.keys[-1:] != [None]:
        return False
    given = [value for value in values.values[:-1] if not _is_layer_type(value)]
    try:
        _ = [*map(ast.literal_eval, [*filter(None, values.keys), *given])]
    except ValueError:
        return False
    return len(values.values) > 1 and ast.unparse(values.values[-1]) == "overrides"


def _is_layer_type(value: ast.expr) -> bool:
    return isinstance(value, ast.Attribute) and ast.unparse(value.value) == "nn"


def _check_scopes(tree: ast.Module) -> None:
    """Refuse names that are read before they are bound in their scope or a scope around it."""
    try:
        names = {*BUILTINS}
        _check_statements(tree.body, names, names)
    except RecursionError:
        _refuse("a statement that is nested too deeply", 1)


def _check_statements(
    statements: Sequence[ast.stmt], names: set[str], around: Collection[str]
) -> None:
    """Check the statements of a scope; `names` grows with what they bind.

    Functions in the scope see the names in `around`.
    """
    for statement in statements:
        parts = {name: getattr(statement, name) for name in statement._fields}
        blocks = [parts.pop(name, []) for name in ("body", "orelse")]
        _check_reads([*parts.values()], names)
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, ast.ClassDef):
            _check_statements(statement.body, {*names}, names)
            names.add(statement.name)
        elif isinstance(statement, ast.FunctionDef):
            names.add(statement.name)
            own = {*around, *(node.arg for node in _inside(statement.args, ast.arg))}
            _check_statements(statement.body, own, own)
        else:
            names |= {
                node.id
                for node in _inside(parts.get("target", parts.get("targets")), ast.Name)
                if isinstance(node.ctx, ast.Store)
            }
            for block in blocks:
                _check_statements(block, names, around)


def _check_reads(part: Any, names: Collection[str]) -> None:
    """Refuse a name that a part of a tree reads and that is not among `names`."""
    waiting = [(part, names)]
    while waiting:
        node, known = waiting.pop()
        if isinstance(node, list):
            waiting += [(item, known) for item in node]
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) and node.id not in known:
                _refuse(f"`{node.id}`", node.lineno)
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            for loop in node.generators:  # each sees the targets of the loops before it
                waiting.append((loop.iter, known))
                known = {*known, *(name.id for name in _inside(loop.target, ast.Name))}
                waiting.append((loop.ifs, known))
            waiting.append((node.elt, known))
        elif isinstance(node, ast.AST):
            waiting += [(getattr(node, name), known) for name in node._fields]


def _inside(part: Any, kind: type[_Node]) -> list[_Node]:
    """The nodes of a kind in a part of a tree."""
    roots = part if isinstance(part, list) else [part] if isinstance(part, ast.AST) else []
    return [node for root in roots for node in ast.walk(root) if isinstance(node, kind)]


def _is_known(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import statement is one that netgen writes."""
    if not isinstance(node, ast.ImportFrom) or node.module not in FUNCTIONS:
        return ast.unparse(node) in IMPORTS
    known = FUNCTIONS[node.module]
    return not node.level and all(a.name in known and a.asname is None for a in node.names)


def _is_custom(node: ast.AST, imports: Mapping[str, str]) -> TypeGuard[ast.ImportFrom]:
    """Whether an import statement only imports allowed classes, under their allowed names."""
    if not isinstance(node, ast.ImportFrom) or node.level:
        return False
    paths = ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
    return all(imports.get(name) == path for name, path in paths)


def _check_class(node: ast.ClassDef) -> None:
    _check_definition(node)
    bases = [ast.unparse(base) for base in node.bases]
    if node.keywords or bases not in (["nn.Module"], ["nn.Sequential"]):
        _refuse(f"the class `{node.name}` of another kind", node.lineno)


def _check_definition(node: ast.ClassDef | ast.FunctionDef) -> None:
    if node.decorator_list:
        _refuse("a decorator", node.lineno)


def _check_call(node: ast.Call) -> None:
    if isinstance(node.func, ast.Name) and node.func.id == "type":
        _refuse("a call of `type`", node.lineno)


def _check_attribute(node: ast.Attribute) -> None:
    """Refuse dunder attributes except constructors, and library names that do not compute."""
    owner = node.value
    if isinstance(owner, ast.Name) and owner.id == "self" and not node.attr.startswith("__"):
        return
    text = _dotted(node)
    if node.attr.startswith("__") and text != "super().__init__":
        _refuse(f"`{text}`", node.lineno)
    if isinstance(owner, ast.Call) and text != "super().__init__":
        return  # a method of what is called, whose own name is checked where it stands
    root, *path = text.split(".")
    if root in ("Tensor", "OrderedDict", "Literal", "super"):
        _refuse(f"`{text}`", node.lineno)
    inner = ".".join(path)
    known = root not in _LIBRARIES or _LIBRARIES[root].fullmatch(inner)
    if not known or (root == "torch" and inner not in TORCH):
        _refuse(f"`{text}`", node.lineno)


def _dotted(node: ast.expr) -> str:
    """An expression's source; dotted names take a short cut past `ast.unparse`."""
    path: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        path.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return ast.unparse(node)
    return ".".join([inner.id, *reversed(path)])


# what may follow the names of libraries: one name, never a submodule (other than `nn.init`)
_LIBRARIES = {
    "nn": re.compile(r"init(\.[a-z]+(_[a-z]+)*_)?|[A-Z][A-Za-z0-9]*"),
    "F": re.compile(r"(?!torch|math|importlib|warnings|utils|handle_)[a-z][a-z0-9_]*"),
    "math": re.compile(r"ceil|cos|exp|floor|inf|log|pi|sin|sqrt"),
}


_CHECKS: Mapping[type[ast.AST], Callable[[Any], None]] = {
    ast.ClassDef: _check_class,
    ast.FunctionDef: _check_definition,
    ast.Call: _check_call,
    ast.Attribute: _check_attribute,
}


def _is_text(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _refuse(what: str, line: int) -> NoReturn:
    message = f"the generated source holds what netgen never writes: {printable(what)}"
    note = f"on line {line} of the source, which is not run and not written"
    raise NetgenError(Diagnostic("NG405", message, notes=(note,)))
