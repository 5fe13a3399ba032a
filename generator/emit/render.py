"""The text of a generated file: printed by the template, formatted by black, signed by a digest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from .. import templates
from ..ir.graph import Graph
from ..ir.variants import Variant
from ..output.files import SOURCE, UNSIGNED, sign
from .emit import FileView, emit
from .formatting import formatted
from .statements import Statement


@cache
def _template() -> jinja2.Template:
    folder = Path(next(iter(templates.__path__)))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        optimized=False,  # it is rendered once: optimising it takes longer
        autoescape=False,  # Python, not HTML: `literals` is where text becomes source
        loader=jinja2.FileSystemLoader(folder),
    )
    return environment.get_template("module.py.jinja")


def render(
    graphs: Sequence[Graph],
    statements: Sequence[Statement],
    source_name: str,
    inputs: str,
    variants: Sequence[Variant] = (),
) -> str:
    """The text of the file for classes, the network last, with functions for `variants`.

    The `statements` are those of the network's ``forward``. The digest covers `inputs`, which is
    all that the file is made from.
    """
    text = format_source(emit(graphs, statements, source_name, UNSIGNED, variants))
    return sign(text.encode(), SOURCE, inputs).decode()


def unformatted(graphs: Sequence[Graph], statements: Sequence[Statement]) -> str:
    """The same file, neither formatted nor signed: enough to run it."""
    return _template().render(file=emit(graphs, statements, "", UNSIGNED))


def format_source(view: FileView) -> str:
    """The text of a file in black's format."""
    printed = _template().render(file=view)
    return formatted(printed)
