"""Lines to text: the template prints, black formats, a digest signs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from .. import templates
from ..ir.graph import Graph
from ..output.files import SOURCE, UNSIGNED, sign
from .emit import FileView, emit
from .flow import Statement
from .formatting import formatted


@cache
def _template() -> jinja2.Template:
    folder = Path(next(iter(templates.__path__)))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        optimized=False,  # it is printed once: to look for constants takes longer
        autoescape=False,  # Python, not HTML: `literals` is where text becomes source
        loader=jinja2.FileSystemLoader(folder),
    )
    return environment.get_template("module.py.jinja")


def render(
    graphs: Sequence[Graph], statements: Sequence[Statement], source_name: str, inputs: str
) -> str:
    """The file for classes, the network last; `inputs`, all that it was made from, is signed.

    The `statements` are those of the network's ``forward``.
    """
    text = format_source(emit(graphs, statements, source_name, UNSIGNED))
    return sign(text.encode(), SOURCE, inputs).decode()


def unformatted(graphs: Sequence[Graph], statements: Sequence[Statement]) -> str:
    """The same file for who only runs it: neither formatted nor signed."""
    return _template().render(file=emit(graphs, statements, "", UNSIGNED))


def format_source(view: FileView) -> str:
    """The printed view in black's format."""
    printed = _template().render(file=view)
    return formatted(printed)
