"""Lists of tensors that grow: dense layers, each of which reads what all before it gave.

``f(cat([x]))``, ``f(cat([x, a]))``, ``f(cat([x, a, b]))`` and the sum of them all, ``cat([x, a, b,
c])``, are layers that put what they give beside what they read: each ends with a `Concat` of two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ...run.recording.recorded import Held, Value
from ..steps import Step
from .frames import Frame


def grown(root: Frame) -> None:
    """Change the calls of dense layers so that each reads and gives a single tensor."""
    readers = Counter(x.number for step in _steps(root) for x in step.needs if isinstance(x, Value))
    for frame in [*root.all()]:
        for start, end in _lists(frame.parts, readers):
            _change(frame, start, end)


def _steps(frame: Frame) -> Iterator[Step]:
    for part in frame.parts:
        if isinstance(part, Frame):
            yield from _steps(part)
        else:
            yield part


def _lists(parts: Sequence[Step | Frame], readers: Counter[int]) -> Iterator[tuple[int, int]]:
    """Where dense layers begin, and where the `Concat` of all that they give stands."""
    for start, part in enumerate(parts):
        wanted = _joined(part)
        if wanted is None or len(wanted) != 1:
            continue
        end = start
        outs: list[int] = []
        while end < len(parts) and _joined(parts[end]) == wanted:
            layer = parts[end]
            if not isinstance(layer, Frame) or len(layer.result) != 1:
                break
            outs.append(layer.result[0])
            wanted = (*wanted, Value(layer.result[0]))
            end += 1
        last = parts[end] if end < len(parts) else None
        closed = isinstance(last, Step) and last.type == "Concat" and last.reads == wanted
        counts = [len(outs) - place for place in range(len(outs))]
        if closed and len(outs) > 1 and [readers[out] for out in outs] == counts:
            yield start, end


def _joined(part: Step | Frame) -> Sequence[object] | None:
    """What the `Concat` reads that a call begins with."""
    if isinstance(part, Step) or not part.parts:
        return None
    first = part.parts[0]
    if not isinstance(first, Step) or first.type != "Concat":
        return None
    return first.reads if first.arguments.get("dim", 1) == 1 else None


def _change(frame: Frame, start: int, end: int) -> None:
    """Move each `Concat` to the end of the layer before it."""
    layers = [part for part in frame.parts[start:end] if isinstance(part, Frame)]
    joins = [layer.parts.pop(0) for layer in layers] + [frame.parts[end]]
    steps = [join for join in joins if isinstance(join, Step)]
    single, before = steps[0].gives[0], steps[0].reads[0]
    first = layers[0]
    first.parts = [_reading(part, single, before) for part in first.parts]
    for layer, join in zip(layers, steps[1:], strict=True):
        own = Value(layer.result[0])
        layer.parts.append(Step("Concat", (before, own), join.gives, {}, "", join.source))
        assert isinstance(before, Value)
        layer.asked = {before.number: "input"}
        before = Value(join.gives[0])
        layer.result = [before.number]
    del frame.parts[end]
    if frame.result == [steps[-1].gives[0]]:
        frame.result = [*layers[-1].result]


def _reading(part: Step | Frame, old: int, new: Value | Held) -> Step | Frame:
    """A step of the first layer, which reads what is read instead of a `Concat` of it alone."""
    if isinstance(part, Frame):
        part.parts = [_reading(one, old, new) for one in part.parts]
        part.asked = {
            (new.number if number == old and isinstance(new, Value) else number): name
            for number, name in part.asked.items()
        }
        return part
    return part.reading(lambda tensor: new if tensor == Value(old) else tensor)
