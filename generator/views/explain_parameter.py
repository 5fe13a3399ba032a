"""`netgen explain` of a parameter: what reads it, what follows from it, and why it may be fixed."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.prediction import Prediction
from ..ir.graph import Parameter
from ..ir.needs import UNUSED, subject
from ..symbolic.expressions import texts, words_in
from .arithmetic import Rows, columns, titled
from .outline import shown_value

_OTHERS = ("blocks", "include", "expect")  # keys whose expressions don't see it


def parameter_of(found: Prediction, name: str) -> Parameter | None:
    """The network's parameter with this name, if there is one."""
    known = (x for x in found.classes[-1].params if x.name == name and not x.inferred)
    return next(known, None)


def explain_parameter(found: Prediction, parameter: Parameter) -> Iterator[str]:
    """The value of a parameter, whether it is an argument, and what reads it, in lines."""
    source, name = found.source, parameter.name
    yield f"{name}: a parameter, {source.locate(('params', name), key=True)}"
    rows: Rows = [("value", shown_value(found.graph.values[name]))]
    reason = parameter.reason
    if reason is not None:
        rows.append(("fixed", reason.on_line(source.line(reason.path))))
    elif not parameter.used:
        rows.append(("fixed", UNUSED))
    else:
        rows.append(("argument", f"{found.graph.name}({name}={_written(parameter.value)})"))
    yield from columns(rows)
    read: Rows = [
        (subject(path, source.values), text, source.line(path))
        for path, text in texts(source.values, (), _OTHERS)
        if name in words_in(text)
    ]
    yield from titled("read by", read)
    variants = source.values.get("variants") or {}
    given: Rows = [
        (variant, shown_value(values[name]), source.line(("variants", variant, name)))
        for variant, values in variants.items()
        if name in values
    ]
    yield from titled("variants", given)


def _written(value: object) -> str:
    """A value as an argument of the class: a tuple for a list, a type of layer by its name."""
    return (
        repr(tuple(value)) if isinstance(value, list) else str(getattr(value, "code", repr(value)))
    )
