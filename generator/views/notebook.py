"""`load`: a checked spec that a notebook shows with its table and its picture."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..analysis.prediction import Prediction, check_source
from ..diagnostics.diagnostics import NetgenError
from ..pipeline import Result, build
from ..run.smoke import Worker
from ..spec.given import given
from .copies import without_copies
from .dot import Look, drawn
from .explain import explain
from .picture import picture
from .show import show

DEPTH = 3  # the depth of blocks that the table shows, as in `netgen show`


class Text(str):
    """A text whose `repr` is the text itself, so that a notebook shows it without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Network(Struct, frozen=True):
    """A spec that has been read and checked; a notebook shows its table and its picture."""

    prediction: Prediction
    allow_imports: bool
    table: str
    markdown: str
    html: str

    def explain(self, layer: str) -> Text:
        """Why each number of a layer is what it is, back to the input.

        Raises `NetgenError` if there is no layer of this name.
        """
        return Text(explain(self.prediction, layer).rstrip("\n"))

    def build(self, output: str | Path | None = None, **options: Any) -> Result:
        """Build the network as it was loaded; the `options` are those of `torch_netgen.build`."""
        found = self.prediction
        options |= {"variant": found.variant or None, "overrides": found.overrides}
        options |= {"allow_imports": self.allow_imports}
        return build(self.prediction.source, output, **options)

    def __repr__(self) -> str:
        return self.table.rstrip("\n")

    def _repr_markdown_(self) -> str:
        return self.markdown

    def _repr_html_(self) -> str:
        return self.html


def load(
    spec: str | Path | Mapping[str, Any],
    *,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_imports: bool = False,
) -> Network:
    """Read and check a network's spec, to be looked at in a notebook. No network is run.

    Args:
        spec: Path of a YAML file, or the spec itself as a mapping.
        variant: Which of the spec's variants to show; without it the network of the defaults.
        overrides: Values of parameters, as ``--set`` gives them.
        allow_imports: Whether to run code that the spec imports, for a spec that is trusted.

    Raises:
        NetgenError: The spec is wrong, or can't be read.
    """
    source = given(spec)
    with Worker() as worker, worker.one_spec():
        ask = worker.asker(source.folder, allowed=allow_imports)
        found = check_source(source, overrides or {}, variant=variant, ask=ask)
        # now, as shapes of imported classes are only known while the worker runs
        forms = ("table", "markdown", "html")
        table, markdown, cells = (show(found, form, None, DEPTH, None) for form in forms)
        title = html.escape(found.graph.name)
        page = f"<h3>{title}</h3>\n{cells}{_image(found)}"
    return Network(found, allow_imports, table, markdown, page)


def _image(found: Prediction) -> str:
    """The picture as HTML, or a message if Graphviz is not installed.

    It is an ``img`` element: so it runs no code, and its ids can't clash with others of the page.
    """
    whole = without_copies(picture(found.graph))
    try:
        data = drawn(whole.folded(whole.at_depth(1)), "svg", Look())
    except NetgenError as error:
        told = " ".join(f"{found.message}: {found.help}" for found in error.diagnostics)
        return f"<p>{html.escape(told)}</p>"
    alt = html.escape(f"The layers of {found.graph.name}, from input to output")
    address = f"data:image/svg+xml;base64,{base64.b64encode(data).decode()}"
    return f'<img src="{address}" alt="{alt}" style="max-width: 100%; background: white"/>'
