"""YAML text to nodes, which have places in the text, and the steps from node to node.

The loader leaves all scalars as text: `yaml_values` reads them as YAML 1.2 does.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml

from ..diagnostics.diagnostics import Diagnostic, Location, NetgenError, printable

MOST_BRACKETS = 2_000  # open at once, or columns of indentation
_INDENT = re.compile(r"^(?:[ \t]|- |\? |-\t)+", re.MULTILINE)

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Base):  # type: ignore[misc]
    """The fast loader, without YAML 1.1's rules for scalars."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


def check_depth(text: str, name: str) -> None:
    """Raise `NetgenError` for a text that is nested too deeply for the parser's own stack."""
    deepest = sum(text.count(bracket) for bracket in "[{")  # at most: some are part of scalars
    if deepest > MOST_BRACKETS:
        deepest = _deepest(text)
    indents = (len(found) for found in _INDENT.findall(text))
    if deepest > MOST_BRACKETS or max(indents, default=0) > MOST_BRACKETS:
        raise NetgenError(
            Diagnostic("NG103", "the values are nested too deeply", Location(name, 1, 1))
        )


def _deepest(text: str) -> int:
    """How deeply lists and mappings are nested, found without recursion."""
    depth = deepest = 0
    with contextlib.suppress(yaml.YAMLError):  # `compose` reports what is no YAML
        for event in yaml.parse(text, Loader=Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            deepest = max(deepest, depth)
            if deepest > MOST_BRACKETS:
                break
    return deepest


def compose(text: str, name: str) -> yaml.Node | None:
    """The outermost node of a text, if there is one; raises `NetgenError` for what is no YAML."""
    try:
        return yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        from .yaml_errors import not_yaml

        raise NetgenError(not_yaml(error, text, name)) from None
    except yaml.YAMLError as error:
        reason = printable(str(getattr(error, "reason", error)).lower())
        place = Location(name, 1, 1)
        raise NetgenError(Diagnostic("NG102", f"not YAML: {reason}", place)) from None
    except (RecursionError, ValueError):
        message = "the values are nested too deeply"
        raise NetgenError(Diagnostic("NG103", message, Location(name, 1, 1))) from None


def pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """The nodes of a mapping's keys and values: merged ones first, so that its own replace them."""
    for name, value in node.value:
        if is_merge(name):
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for mapping in reversed(merged):
                yield from pairs(mapping)
    for name, value in node.value:
        if not is_merge(name):
            yield name, value


def steps(node: yaml.Node | None) -> Iterator[tuple[str | int, yaml.Node | None, yaml.Node]]:
    """The children of a node: for each its key or place, the node of its key, and its own node."""
    if isinstance(node, yaml.MappingNode):
        yield from ((n.value, n, value) for n, value in node.value if not is_merge(n))
    elif isinstance(node, yaml.SequenceNode):
        yield from ((place, None, value) for place, value in enumerate(node.value))


def begin(node: yaml.Node) -> tuple[int, int]:
    """The line and the column in which a node begins, both from 0."""
    return node.start_mark.line, node.start_mark.column


def holds(node: yaml.Node, place: tuple[int, int]) -> bool:
    """Whether a place (line and column from 0) lies in a node."""
    return begin(node) <= place <= (node.end_mark.line, node.end_mark.column)


def is_merge(node: yaml.Node) -> bool:
    """Whether a key merges other mappings into its own: ``<<``."""
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and not quoted(node)


def quoted(node: yaml.ScalarNode) -> bool:
    """Whether a scalar is quoted, or a block scalar: then it is text, whatever it looks like."""
    return bool(node.style) and node.style in "'\"|>"
