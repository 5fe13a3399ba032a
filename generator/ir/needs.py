"""Why a parameter is fixed: what needs its value when the Python source is generated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import SpecPath, printable
from ..symbolic.equality import Meeting
from ..symbolic.literals import literal

LONGEST = 60  # characters of an expression in a sentence
UNUSED = "no layer uses it"
FALSE = "is false"  # said of a condition where the absent layer is unknown


class Need(Struct, frozen=True):
    """A place in the spec that needs a parameter's value, and `why`: the rest of a sentence.

    An empty `why` reads "needs it".
    """

    path: SpecPath
    why: str = ""


class Reason(Struct, frozen=True):
    """Why a parameter is fixed: a sentence about the `subject`, which is written at `path`."""

    subject: str
    why: str
    path: SpecPath

    @property
    def text(self) -> str:
        """The sentence without a line number, which would change with every edit above it."""
        return f"{self.subject} {self.why}"

    def on_line(self, line: str) -> str:
        """The sentence with the line of its subject, in words."""
        return f"{self.subject} on {line} {self.why}"


def reason(need: Need, values: Any) -> Reason:
    """A `Need` as a sentence; the subject's name is looked up in the spec's `values`."""
    return Reason(subject(need.path, values), need.why or "needs it", need.path)


def needs(value: Any, name: str) -> str:
    """Why `value`, which depends on the parameter `name`, is needed, in words."""
    text = literal(value)
    return "needs it" if text == name else f"needs `{_short(text)}`"


def needs_equal(meeting: Meeting) -> str:
    """Why the two sizes of a `Meeting` must keep their values, in words."""
    kept, other = (_short(literal(size)) for size in (meeting.kept, meeting.other))
    if meeting.kept != meeting.other:
        return f"spreads `{other}`, which is 1, over `{kept}`"
    return f"needs `{kept}` and `{other}` to be equal"


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def subject(path: SpecPath, values: Any) -> str:
    """The words for a path: an argument of a layer, a layer, or a key of the document."""
    if path[0] == "input":
        return "the input's shape"
    if path[0] in ("inputs", "params"):
        name = f"`{printable(str(path[1]))}`"
        return name if path[0] == "params" else f"the shape of {name}"
    layer, keys = "", [str(path[0])]
    for place, step in enumerate(path):
        values = _inside(values, step)
        if isinstance(step, int) and {"layers", "branches"} & {*path[max(0, place - 2) : place]}:
            layer, keys = _called(values) or layer, []
        elif isinstance(step, str):
            keys.append(step)
    key = f"`{printable(keys[-1])}`" if keys[1:] or not layer else ""
    words = [key, f"`{printable(layer)}`" if layer else ""]
    words += [f"`{printable(str(path[1]))}`"] if path[0] == "blocks" else []
    return " of ".join(filter(None, words))


def _inside(values: Any, step: str | int) -> Any:
    """The value under a key or an index; ``None`` if there is none."""
    if isinstance(step, int) and isinstance(values, list) and step < len(values):
        return values[step]
    return values.get(step) if isinstance(values, Mapping) else None


def _called(item: Any) -> str:
    """The written name of an item, or else its type; empty where the item is no layer."""
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping) or len(item) != 1:
        return ""
    ((type_, written),) = item.items()
    name = written.get("name") if isinstance(written, Mapping) else None
    return name if isinstance(name, str) and "$" not in name else str(type_)
