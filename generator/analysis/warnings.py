"""Warnings that need only the spec's text: what is legal and probably wrong.

They look at what is written, so a block is looked at once however often it is used. `allow`
silences each by its code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import MOST_FINDINGS, Diagnostic, SpecPath, in_file_order
from ..ir.graph import Graph, uses_in
from ..layers import TYPES
from ..layers.base import Layer
from ..layers.kin import BATCH_NORMS, SOFTMAX, WITH_BIAS
from ..spec.spec import Reading
from ..symbolic.budget import Budget
from ..symbolic.expressions import constant, texts, words_in
from ..symbolic.sizes import plain
from ..symbolic.syntax import ExpressionError

Chains = Sequence[tuple[SpecPath, list[Any]]]
_ELSEWHERE = ("description", "doc", "allow", "name")  # keys whose texts hold no expressions


def advice(reading: Reading, graph: Graph) -> list[Diagnostic]:
    """The warnings about a spec that builds, in the order of the file, `MOST_FINDINGS` at most."""
    lists = [*chains(reading)]
    found = [
        *_unused_blocks(reading),
        *_unused_imports(reading),
        *_unused_parameters(reading),
        *_biases(reading, lists),
        *_softmax(reading, graph),
        *_constants(reading),
        *_large_eps(reading, graph, lists),
        *_without_values(reading, lists),
    ]
    return in_file_order(w for w in found if w.code not in reading.document.allow)[:MOST_FINDINGS]


def _warning(
    reading: Reading, code: str, message: str, path: SpecPath, help: str, *, key: bool = False
) -> Diagnostic:
    location = reading.source.locate(path, key=key)
    return Diagnostic(code, message, location, help=help, severity="warning")


def _unused_blocks(reading: Reading) -> Iterator[Diagnostic]:
    """Blocks without a use; those of included files may be there for other specs."""
    document = reading.document
    if not document.blocks:
        return
    own = {name: _words(raw) for name, raw in document.blocks.items()}
    outside = _words([document.layers, document.params])
    users = Counter(word for words in own.values() for word in words)
    for name, words in own.items():
        unused = name not in outside and users[name] == (name in words)
        if unused and name not in reading.source.homes:
            message = f"nothing uses the block `{name}`"
            help = "use it, or take it out"
            yield _warning(reading, "NG301", message, ("blocks", name), help, key=True)


def _unused_imports(reading: Reading) -> Iterator[Diagnostic]:
    document = reading.document
    if not document.imports:
        return
    used = _words([document.layers, document.params, document.blocks])
    for name in document.imports:
        if name not in used:
            message = f"nothing uses the import `{name}`"
            where = ("imports", name)
            yield _warning(reading, "NG301", message, where, "use it, or take it out", key=True)


def _words(value: Any) -> set[str]:
    """All keys and texts in a value, and the names in its expressions."""
    if isinstance(value, dict):
        return {*value, *(word for key in value for word in _words(value[key]))}
    if isinstance(value, list):
        return {word for item in value for word in _words(item)}
    if isinstance(value, str):
        return {value, *(words_in(value) if "$" in value else ())}
    return set()


def _unused_parameters(reading: Reading) -> Iterator[Diagnostic]:
    document = reading.document
    own = {key: value for key, value in reading.source.values.items() if key != "blocks"}
    yield from _unused(reading, document.params, own, ("params",), "this network")
    for name, raw in document.blocks.items():
        params = raw.get("params") or {}
        yield from _unused(reading, params, raw, ("blocks", name, "params"), f"the block `{name}`")


def _unused(
    reading: Reading, params: Mapping[str, Any], scope: Any, path: SpecPath, where: str
) -> Iterator[Diagnostic]:
    if not params:
        return
    used = {word for _, text in texts(scope, ()) for word in words_in(text)}
    for name in params:
        if name not in used:
            message = f"nothing in {where} uses the parameter `{name}`"
            help = f"write `${name}` where its value belongs, or take it out"
            yield _warning(reading, "NG302", message, (*path, name), help, key=True)


def _biases(reading: Reading, lists: Chains) -> Iterator[Diagnostic]:
    """A bias right before a batch norm, which subtracts the mean and the bias with it."""
    found = []
    for path, items in lists:
        for place, (item, after) in enumerate(pairwise(items)):
            layer = _Written.of(item)
            if layer.type in WITH_BIAS and layer.args.get("bias") is True:
                norm = _Written.of(after)
                if norm.type in BATCH_NORMS and "from" not in norm.args:
                    found.append(((*path, place, layer.type, "bias"), layer, norm.type))
    if not found:
        return
    read = {word for key in ("layers", "blocks", "outputs") for word in _references(reading, key)}
    for where, layer, norm_type in found:
        if not _read_elsewhere(layer, read):  # there the bias has its effect
            message = f"`bias: true` has no effect before `{norm_type}`, which takes means away"
            yield _warning(reading, "NG303", message, where, "write `bias: false`")


def _references(reading: Reading, key: str) -> set[str]:
    """All texts under a key that may be references; names that items are given do not count."""
    found: set[str] = set()
    waiting = [reading.source.values.get(key)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.add(value.partition(".")[0])
            found |= words_in(value) if "$" in value else set()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += [inner for word, inner in value.items() if word != "name"]
    return found


def _read_elsewhere(layer: _Written, read: set[str]) -> bool:
    name = layer.args.get("name")
    if isinstance(name, str):
        return name in read
    return any(word.startswith(("conv", "deconv", "fc", "bilinear")) for word in read)


class _Written(Struct, frozen=True):
    """An item of a list of layers: its type, and its arguments if they are written by name."""

    type: str
    args: Mapping[str, Any]

    @staticmethod
    def of(item: Any) -> _Written:
        if isinstance(item, str):
            return _Written(item, {})
        if isinstance(item, dict) and len(item) == 1:
            ((type_, written),) = item.items()
            return _Written(type_, written if isinstance(written, dict) else {})
        return _Written("", {})


def chains(reading: Reading) -> Iterator[tuple[SpecPath, list[Any]]]:
    """All lists of layers in a spec with their paths."""
    document = reading.document
    yield from _lists(document.layers, ("layers",))
    for name, raw in document.blocks.items():
        yield from _lists(raw["layers"], ("blocks", name, "layers"))


def _lists(items: Any, path: SpecPath) -> Iterator[tuple[SpecPath, list[Any]]]:
    if not isinstance(items, list):
        return
    yield path, items
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        written = _Written.of(item)
        if not written.args:
            continue
        inner = (*path, place, written.type)
        yield from _lists(written.args.get("layers"), (*inner, "layers"))
        branches = written.args.get("branches") or ()
        pairs = branches.items() if isinstance(branches, dict) else enumerate(branches)
        for key, layers in pairs:
            yield from _lists(layers, (*inner, "branches", key))


def _softmax(reading: Reading, graph: Graph) -> Iterator[Diagnostic]:
    """An output called logits that ends in a softmax: losses over logits have their own."""
    for key, ref in graph.outputs:
        place = ref.node - len(graph.inputs)
        node = graph.nodes[place] if place >= 0 else None
        while node is not None and node.body:
            node = node.body[-1]
        softmax = node is not None and node.row is not None and node.row.name in SOFTMAX
        named = key or (graph.nodes[place].name if place >= 0 else "")
        if softmax and node is not None and node.row is not None and "logits" in named.lower():
            message = f"`{named}` is what `{node.row.name}` gives: no logits"
            help = f"take the `{node.row.name}` out, as `CrossEntropyLoss` has its own"
            yield _warning(reading, "NG304", message, node.path, help, key=True)


def _large_eps(reading: Reading, graph: Graph, lists: Chains) -> Iterator[Diagnostic]:
    """An `eps` of 1 or more: in `BatchNorm2d: 64` torch's order would make 64 `num_features`."""
    for path, row, written in _rows(reading, lists):
        if not any(arg.inferred for arg in row.args):
            continue
        steps, eps = _given(row, written, "eps")
        if isinstance(eps, str):  # an expression
            eps = _worked_out(graph, path, "eps")
        if isinstance(eps, (int, float)) and not isinstance(eps, bool) and eps >= 1:
            message = f"`eps` of `{row.name}` is {eps}: it is there to avoid a division by zero"
            help = "leave it out: how many channels or features there are is inferred"
            yield _warning(reading, "NG306", message, (*path, *steps), help)


def _worked_out(graph: Graph, path: SpecPath, name: str) -> Any:
    """The value of an argument in a call of the layer at a path, if there is one."""
    scopes = (graph, *(use.graph for uses in uses_in(graph).values() for use in uses))
    calls = (call for scope in scopes for node in scope.nodes for call in node.walk())
    return next((plain(call.args.get(name)) for call in calls if call.path == path), None)


def _without_values(reading: Reading, lists: Chains) -> Iterator[Diagnostic]:
    """A buffer of which only the shape is written: the class is itself once it has its weights."""
    for path, row, written in _rows(reading, lists):
        shape_alone = isinstance(written, dict) and "shape" in written and "value" not in written
        if row.source == "buffer" and shape_alone:
            message = "this buffer has no numbers before a `state_dict` is loaded, but zeros"
            help = "write its `value`, or `allow: [NG316]` if it is meant"
            yield _warning(reading, "NG316", message, path, help, key=True)


def _rows(reading: Reading, lists: Chains) -> Iterator[tuple[SpecPath, Layer, Any]]:
    """Layers of the catalogue's types, but those in one word: path, row, and what is written."""
    own = {*reading.document.blocks, *reading.document.imports}
    for path, items in lists:
        for place, item in enumerate(items):
            if not isinstance(item, dict) or len(item) != 1:
                continue
            ((type_, written),) = item.items()
            row = None if type_ in own else TYPES.get(type_)
            if row is not None:
                yield (*path, place, type_), row, written


def _given(row: Layer, written: Any, name: str) -> tuple[SpecPath, Any]:
    """The path in an item to an argument given by name or by position, and its written value."""
    if isinstance(written, dict):
        return (name,), written.get(name)
    names = [arg.name for arg in row.written]
    place = names.index(name) if name in names else -1
    values = written if isinstance(written, list) else [written]
    if not 0 <= place < len(values):
        return (), None
    return ((place,) if isinstance(written, list) else ()), values[place]


def _constants(reading: Reading) -> Iterator[Diagnostic]:
    for path, text in texts(reading.source.values, ()):
        if path[-1:] and path[-1] in (*_ELSEWHERE, "value"):
            continue
        try:
            value = constant(text, Budget())
        except ExpressionError:
            continue
        if value is not None:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            message = f"`{text}` is always {shown}"
            help = f"write `{shown}`, or the parameter that was meant to be in it"
            yield _warning(reading, "NG305", message, path, help)
