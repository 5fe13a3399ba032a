"""`netgen diff`: how two specs differ in layers, shapes, parameters and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..analysis.macs import network_macs
from ..analysis.prediction import Prediction
from ..diagnostics.diagnostics import printable
from ..ir.graph import Graph
from ..ir.trace import BATCHES, call_names, traced, value_names
from ..layers.base import REQUIRED, Args, Layer
from ..symbolic.sizes import plain, shape_text
from .outline import shown_type, shown_value

Facts = Mapping[str, str]


class Comparison:
    """A view that is called with two networks in turn: the second call returns the comparison."""

    def __init__(self, names: tuple[str, str]) -> None:
        self.names = names
        self.first: Prediction | None = None

    def __call__(self, found: Prediction) -> str:
        if self.first is None:
            self.first = found
            return ""
        return compare(self.first.graph, found.graph, self.names)


def compare(old: Graph, new: Graph, names: tuple[str, str]) -> str:
    """How two networks differ, in lines: `-` is in the first only, `+` in the second only."""
    calls, weights = (_layers(old), _layers(new)), (_weights(old), _weights(new))
    first, second = map(printable, names)
    lines = [f"--- {first}", f"+++ {second}", *_totals(old, new)]
    lines += ["layers:", *(_differences(*calls) or ["  the same"])]
    others = _differences(_others(old), _others(new))
    lines += ["outputs, initial weights and ties:", *others] if others else []
    same = sum(weights[0].get(name) == shape for name, shape in weights[1].items())
    orders = [[name for name in w if name in weights[1 - side]] for side, w in enumerate(weights)]
    moved = "" if orders[0] == orders[1] else ", in another order"
    loaded = f"{same} of {len(weights[1])} weights would load from the first"
    lines.append(f"state_dict: {loaded}{moved}")
    lines += _differences(*({name: {"": shape} for name, shape in w.items()} for w in weights))
    return "\n".join([*lines, ""])


def _totals(old: Graph, new: Graph) -> Iterator[str]:
    for name, (before, after) in {
        "parameters": (old.parameter_count, new.parameter_count),
        "multiply-adds": (network_macs(old), network_macs(new)),
    }.items():
        change = f" -> {after:,} ({after - before:+,})" if after != before else ", the same"
        yield f"{name}: {before:,}{change}"


def _layers(graph: Graph) -> dict[str, Facts]:
    """The facts of each layer's call by its name, in order; repeated calls have numbers."""
    found: dict[str, Facts] = {}
    trace = traced(graph, {**graph.sizes, "N": BATCHES[0]})
    calls = call_names(trace)
    names = value_names(graph, trace, calls)
    for key, call in zip(calls, trace.calls, strict=True):
        if call.layer is None:
            continue
        reads = ", ".join(names[x.number] for x in call.inputs)
        facts = {"reads": reads} if reads else {}
        facts |= _arguments(call.layer, call.a)
        found[key] = {"": call.layer.name, **facts, "output": shown_type(call.output)}
    return found


def _others(graph: Graph) -> dict[str, Facts]:
    """The facts of outputs, of initial weights, of ties and of aliases."""
    names = _names(graph)
    found: dict[str, Facts] = {
        f"output {place if key is None else key}": {"": names[ref.node][ref.port]}
        for place, (key, ref) in enumerate(graph.outputs)
    }
    found |= {
        f"init {initial.key}.{initial.weight}": {"": initial.init.source("tensor")}
        for initial in graph.initial
    }
    found |= {f"tie {name}": {"": other} for name, other in graph.ties}
    return found | {f"alias {alias.name}": {"": alias.own} for alias in graph.aliases}


def _names(graph: Graph) -> list[Mapping[str, str]]:
    """The name of each output of each node, inputs first."""
    found: list[Mapping[str, str]] = [{"output": x.name} for x in graph.inputs]
    for node in graph.nodes:
        alone = node.ports if len(node.ports) == 1 else ()
        found.append({p: node.name if p in alone else f"{node.name}.{p}" for p in node.outputs})
    return found


def _arguments(layer: Layer, a: Args) -> Facts:
    """The arguments that differ from their defaults, with their values."""
    found = {}
    for arg in layer.args:
        value = shown_value(getattr(a, arg.name))
        if arg.default is REQUIRED or value != shown_value(plain(arg.default)):
            found[arg.name] = value
    return found


def _weights(graph: Graph) -> dict[str, str]:
    return {weight.name: shape_text(map(int, weight.shape)) for weight in graph.weights}


def _differences(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> list[str]:
    """A line for each entry that is in only one of the two, or that differs."""
    lines = [f"  - {name}: {_told(facts)}" for name, facts in old.items() if name not in new]
    for name, facts in new.items():
        if name not in old:
            lines.append(f"  + {name}: {_told(facts)}")
        elif old[name] != facts:
            changes = ", ".join(_changes(old[name], facts))
            lines.append(f"  ~ {name}: {changes}")
    return lines


def _told(facts: Facts) -> str:
    head, *rest = (f"{name} {value}".strip() for name, value in facts.items())
    return ", ".join([head, *rest])


def _changes(old: Facts, new: Facts) -> Iterator[str]:
    if "output" in new and old.get("") == new.get(""):
        yield new[""]
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, "default"), new.get(name, "default")
        if before != after:
            yield f"{name} {before} -> {after}".strip()
