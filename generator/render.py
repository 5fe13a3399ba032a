"""Lines to text: the template prints, black formats, a digest signs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import black
import jinja2

from . import templates
from .emit import FileView, emit
from .graph import Graph
from .version import __version__

_UNSIGNED = "0" * 12  # as long as a digest, so that signing changes no line break


@cache
def _template() -> jinja2.Template:
    folder = Path(next(iter(templates.__path__)))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Python, not HTML: `literals` is where text becomes source
        keep_trailing_newline=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(folder),
    )
    return environment.get_template("module.py.jinja")


def render(graphs: Sequence[Graph], source_name: str, inputs: str) -> str:
    """The file for classes, the network last; `inputs`, all that it was made from, is signed."""
    view = emit(graphs, source_name, _UNSIGNED)
    text = format_source(view)
    digest = hashlib.sha256(f"{__version__}\0{inputs}\0{text}".encode()).hexdigest()[:12]
    return text.replace(f"(digest {_UNSIGNED})", f"(digest {digest})", 1)


def format_source(view: FileView) -> str:
    """The printed view in black's format."""
    printed = _template().render(file=view)
    return black.format_str(printed, mode=black.Mode())


def inputs_text(spec: str, overrides: Mapping[str, Any]) -> str:
    """All that a file is made from, as one text."""
    return json.dumps([spec, {name: overrides[name] for name in sorted(overrides)}])
