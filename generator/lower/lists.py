"""Lists among references: all that the copies of a repeat give (`m.all`), tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnostics.diagnostics import SpecPath
from ..ir.graph import LIST, Collected, Ref, copy_port
from ..ir.needs import Need
from .scope import Scope


def lists_in(scope: Scope, reads: Sequence[Ref]) -> tuple[tuple[Ref, ...], tuple[Collected, ...]]:
    """The references with one for each tensor of the lists among them, and these lists."""
    found: list[Ref] = []
    lists: list[Collected] = []
    for ref in reads:
        if ref.port != LIST:
            found.append(ref)
            continue
        count = scope.call(ref.node).count
        lists.append(Collected(len(found), ref.node, count))
        found += [Ref(ref.node, copy_port(number)) for number in range(count)]
    return tuple(found), tuple(lists)


def without_lists(scope: Scope, reads: Sequence[Ref], path: SpecPath) -> tuple[Ref, ...]:
    """The references with one for each tensor of the lists among them, whose lengths are fixed."""
    found, lists = lists_in(scope, reads)
    for each in lists:
        scope.context.fix(each.count, Need(path, "names a tensor of each copy"))
    return found
