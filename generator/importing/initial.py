"""The initial weights of a network as the key `init`: rules by type, by name, or by path."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..ir.graph import Graph
from ..run.recording.recorded import Beginning, Recording, Rule
from .tables import shortest

MOST = 6  # names or paths for one weight of one type


class Begun(Struct, frozen=True):
    """How the parameters of a class begin, and the types that the module of each is of."""

    beginnings: Mapping[str, Beginning]
    types: Mapping[str, tuple[str, ...]]
    keys: tuple[str, ...]  # of all parameters

    def law(self, key: str) -> Rule | None:
        """What the rule of a parameter comes to, if one is known."""
        found = self.beginnings.get(key)
        return None if found is None else found.law


class Wanted(Struct, frozen=True):
    """What the rule of a parameter of the network comes to, and how a spec says it, if it can."""

    law: Rule
    said: Rule | None


class Entry(Struct, frozen=True):
    """A rule for a weight of all layers that a key of `init` means."""

    key: str
    weight: str
    said: Rule


class Initial:
    """What `init` has to say, for a class to begin as the network does.

    `wanted` are the rules of the network, `there` is how the class begins by itself.
    """

    def __init__(self, graph: Graph, wanted: Mapping[str, Wanted], there: Begun) -> None:
        self.wanted = wanted
        self.there = there
        self.layers: dict[str, tuple[str, str]] = {}  # each weight: the path of its layer, its name
        self.types: dict[str, None] = {}  # of layers
        for path, module in graph.layers():
            if module.row is not None:
                self.types[module.row.name] = None
                for weight in module.bare_weights:
                    self.layers[f"{path}.{weight.name}"] = (path, weight.name)

    def entries(self) -> list[Entry]:
        """The entries, those of types first."""
        found: dict[Entry, None] = {}
        for type in self.types:
            keys = [key for key in self.there.keys if type in self._types(key)]
            for weight in dict.fromkeys(key.rpartition(".")[2] for key in keys):
                own = [key for key in keys if key.rpartition(".")[2] == weight]
                found |= dict.fromkeys(self._said(type, weight, own))
        return sorted(found, key=lambda entry: entry.key not in self.types)

    def _types(self, key: str) -> tuple[str, ...]:
        return self.there.types.get(key.rpartition(".")[0], ())

    def _said(self, type: str, weight: str, keys: Sequence[str]) -> Sequence[Entry]:
        """The fewest entries for a weight of all layers of a type; none if these are many."""
        wanted = [self.wanted[key].said for key in keys if key in self.wanted]
        wrong = [key for key in keys if self._is_wrong(key)]
        if not wrong:
            return ()
        ways: list[Sequence[Entry] | None] = []
        if len(wanted) == len(keys):
            usual = Counter(wanted).most_common(1)[0][0]
            rest = self._apart([key for key in keys if self.wanted[key].said != usual])
            if rest is not None and usual is not None:
                ways.append([Entry(type, weight, usual), *rest])
        ways.append(self._apart(wrong))
        possible = [way for way in ways if way is not None and len(way) <= MOST]
        return min(possible, key=len, default=())

    def _is_wrong(self, key: str) -> bool:
        """Whether the rule of a weight is known, and the class has another one."""
        wanted = self.wanted.get(key)
        return wanted is not None and wanted.law != self.there.law(key)

    def _apart(self, keys: Sequence[str]) -> list[Entry] | None:
        """Entries for some weights by name, or else by path; `None` where one is of no layer."""
        found: dict[Entry, None] = {}
        for key in keys:
            said = self.wanted[key].said
            if key not in self.layers or said is None:
                return None
            path, weight = self.layers[key]
            name = path.rpartition(".")[2]
            others = [self.wanted.get(other) for other in self._called(name, weight)]
            alike = all(other is not None and other.said == said for other in others)
            found[Entry(name if alike else path, weight, said)] = None
        return [*found]

    def _called(self, name: str, weight: str) -> Iterator[str]:
        """All weights of this name in layers of this name."""
        for key, (path, own) in self.layers.items():
            if path.rpartition(".")[2] == name and own == weight:
                yield key


def init_section(entries: Sequence[Entry]) -> dict[str, Any]:
    """The key `init` of a spec."""
    found: dict[str, Any] = {}
    for entry in entries:
        found.setdefault(entry.key, {})[entry.weight] = rule_as_written(entry.said)
    return found


def rule_as_written(rule: Rule) -> Any:
    """A rule as a spec has it."""
    if not rule.args:
        return rule.function
    # what fills a weight is known as it is in float32
    filled = {name: shortest(x) for name, x in rule.args if name == "val" and isinstance(x, float)}
    return {rule.function: {**dict(rule.args), **filled}}


def wrong(wanted: Mapping[str, Wanted], before: Begun, after: Begun) -> bool:
    """Whether `init` has given a weight another beginning than the network does."""
    changed = (key for key in after.keys if after.law(key) != before.law(key))
    return any(key not in wanted or after.law(key) != wanted[key].law for key in changed)


def told(wanted: Mapping[str, Wanted], begun: Begun) -> str:
    """How many weights of a class begin as those of the network."""
    alike = sum(key in wanted and wanted[key].law == begun.law(key) for key in begun.keys)
    if alike == len(begun.keys):
        return "all weights begin in the same way"
    return f"{alike} of {len(begun.keys)} weights begin in the same way"


def wanted_of(recordings: Sequence[Recording], parameters: Sequence[str]) -> dict[str, Wanted]:
    """How the parameters of a network begin, and how that can be said.

    Recordings with other values of the spec's `parameters` follow that of the network, one for
    each: what changes with one of these is said by it.
    """
    first, *others = recordings
    known = {x.path: x.initial for x in first.tensors if x.initial is not None}
    found = {path: Wanted(begun.law, begun.rule) for path, begun in known.items()}
    for other in others:
        change = changed(first, other, parameters)
        for tensor in other.tensors:
            begun = known.get(tensor.path)
            theirs = None if tensor.initial is None else tensor.initial.rule
            if change is not None and begun is not None and theirs != begun.rule:
                alone = found[tensor.path].said == begun.rule
                said = _by_root(begun.rule, theirs, change) if alone else None
                found[tensor.path] = Wanted(begun.law, said)
    return found


class Changed(Struct, frozen=True):
    """A parameter in which two recordings differ, with its values."""

    name: str
    values: tuple[int, int]


def changed(first: Recording, other: Recording, parameters: Sequence[str]) -> Changed | None:
    theirs = dict(other.modules[0].arguments)
    for name, x in first.modules[0].arguments:
        y = theirs.get(name)
        if name in parameters and isinstance(x, int) and isinstance(y, int) and x != y:
            return Changed(name, (x, y))
    return None


def _by_root(rule: Rule, other: Rule | None, changed: Changed) -> Rule | None:
    """A rule whose numbers are divided by the root of a parameter."""
    if other is None or other.function != rule.function:
        return None
    args: list[tuple[str, int | float | str]] = []
    theirs = dict(other.args)
    for name, x in rule.args:
        y = theirs.pop(name, None)
        if x != y:
            if isinstance(x, str) or isinstance(y, str) or y is None:
                return None
            times, again = (z * math.sqrt(n) for z, n in zip((x, y), changed.values, strict=True))
            if not math.isclose(times, again, rel_tol=1e-9):
                return None
            x = f"$({times:.9g} / sqrt({changed.name}))"
        args.append((name, x))
    return None if theirs else Rule(rule.function, tuple(args))
