"""`docs/catalogue.md`, made from the rows of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module

from torch_netgen.layers import CATALOGUE, LOCAL, OPERATIONS, TYPES
from torch_netgen.layers.base import Arg, Layer
from torch_netgen.views.catalogue import default, facts, keyword_only, origin

HEAD = """\
# Catalogue of layers

All {layers} layers of `torch.nn`, {operations} operations, and {local} types of netgen's own.
Names, order and defaults of arguments are torch's. What is inferred is not written; if it is, it
must agree. A list gives the first arguments in this order; those that are keyword only come by
name. `netgen layers NAME` tells the same of one type, and [the language](language.md#layers) how
layers are written.

| | |
|---|---|
"""
GROUPS = [import_module(f"torch_netgen.layers.{family}") for family in TYPES.families]
TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn"


def catalogue_page() -> str:
    """The page, with a section for each family and an entry for each type."""
    head = HEAD.format(layers=len(CATALOGUE), operations=len(OPERATIONS), local=len(LOCAL))
    titles = [_title(str(group.__doc__)) for group in GROUPS]
    index = "".join(
        f"| {title} | {', '.join(f'[{row.name}](#{row.name.lower()})' for row in group.LAYERS)} |\n"
        for title, group in zip(titles, GROUPS, strict=True)
    )
    sections = (
        "\n".join([f"\n## {title}\n", *map(entry, group.LAYERS)])
        for title, group in zip(titles, GROUPS, strict=True)
    )
    return head + index + "".join(sections)


def _title(doc: str) -> str:
    """The first line of what a room says of itself."""
    return doc.splitlines()[0].removesuffix(".")


def entry(row: Layer) -> str:
    """What there is to know of a type."""
    told = "".join(f"- {title}: {text}\n" for title, text in facts(row))
    link = f"[`{origin(row)}`]({TORCH}.{row.name}.html)"
    where = link if row.name in CATALOGUE else f"{origin(row).capitalize()}."
    return f"### {row.name}\n\n{where}\n\n{told}" + "".join(_tables(row))


def _tables(row: Layer) -> Iterator[str]:
    yield from _table("argument", row.written)
    yield from _table("keyword only", keyword_only(row))
    yield from _table("of `forward`", row.options)


def _table(title: str, args: Iterable[Arg]) -> Iterator[str]:
    rows = [f"| `{arg.name}` | {arg.kind.label} | {_default(arg)} |\n" for arg in args]
    if rows:
        yield "".join([f"\n| {title} | values | default |\n|---|---|---|\n", *rows])


def _default(arg: Arg) -> str:
    kind, _, value = default(arg).partition(" ")
    return f"`{value}`" if value else kind
