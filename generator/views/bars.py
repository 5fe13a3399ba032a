"""Bars of what each layer and block costs, for a terminal of any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from .outline import Entry, Outline

WIDTH = 100  # where the output is no terminal
LEAST = 5  # the longest bar is at least that long, or there are fewer columns
_NUMBERS = 13  # the columns of a number, of its share of the total, and of the spaces before them
_COUNTS = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3))
_BYTES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


class Column(Struct, frozen=True):
    """A kind of cost: its head, the attribute of an entry that has it, and its units."""

    head: str
    name: str
    units: Sequence[tuple[str, int]]


COLUMNS: tuple[Column, ...] = (
    Column("parameters", "parameters", _COUNTS),
    Column("MACs", "macs", _COUNTS),
    Column("kept", "kept", _BYTES),
)


class _Row(Struct, frozen=True):
    """An entry, its name with its depth before it, and whether the rows below are parts of it."""

    title: str
    entry: Entry
    parted: bool


def bars(tree: Outline, depth: int, width: int | None) -> Iterator[str]:
    """Lines with bars of parameters, multiply-adds, and the memory that training keeps.

    The longest bar of a column is its largest cost of a layer, or of a block whose parts are not
    shown. Where the parts are shown there is no bar, only the number. What costs nothing is left
    out, and so are columns that a narrow terminal has no room for.
    """
    rows = [
        _Row(f"{'  ' * level}{entry.name}", entry, bool(entry.children) and level + 1 < depth)
        for level, entry in tree.walk(depth)
        if any(getattr(entry, column.name) for column in COLUMNS)
    ]
    room = max(width or WIDTH, 20)
    longest = max(map(len, ("layer", *(row.title for row in rows))))
    titles = min(longest, max(room // 3, 10))
    columns = COLUMNS
    while len(columns) > 1 and room - titles < len(columns) * (LEAST + _NUMBERS + 2):
        columns = columns[:-1]
    rows = [row for row in rows if any(getattr(row.entry, column.name) for column in columns)]
    length = max((room - titles) // len(columns) - _NUMBERS - 2, 1)
    heads = (column.head.ljust(length + _NUMBERS) for column in columns)
    yield "  ".join(("layer".ljust(titles), *heads)).rstrip()
    drawn = [_drawn(column, rows, total_of(tree, column), length) for column in columns]
    for row, *cells in zip(rows, *drawn, strict=True):
        yield "  ".join((_cut(row.title, titles), *cells)).rstrip()
    totals = (" " * length + _told(column, total_of(tree, column), 0) for column in columns)
    yield "  ".join(("total".ljust(titles), *totals)).rstrip()


def total_of(tree: Outline, column: Column) -> int:
    """What all layers cost together."""
    return tree.memory.training if column.name == "kept" else int(getattr(tree, column.name))


def _drawn(column: Column, rows: Sequence[_Row], total: int, length: int) -> Iterator[str]:
    """The cells of a column: a bar, the number, and its share of the total."""
    costs = [int(getattr(row.entry, column.name)) for row in rows]
    most = max((cost for cost, row in zip(costs, rows, strict=True) if not row.parted), default=0)
    for cost, row in zip(costs, rows, strict=True):
        bar = "" if row.parted or not cost else "#" * max(round(length * cost / most), 1)
        yield bar.ljust(length) + _told(column, cost, total)


def _told(column: Column, cost: int, total: int) -> str:
    share = f"{100 * cost / total:.0f}%" if total and cost else ""
    share = "<1%" if share == "0%" else share
    return f" {short(cost, column.units) if cost else '':>7} {share:>4}"


def short(value: int, units: Sequence[tuple[str, int]]) -> str:
    """A number as three digits and a unit: ``11.7M``."""
    for unit, size in units:
        amount = value / size
        if amount >= 0.9995:
            return f"{amount:.{0 if amount >= 99.95 else 1 if amount >= 9.995 else 2}f}{unit}"
    return str(value)


def _cut(text: str, most: int) -> str:
    return text.ljust(most) if len(text) <= most else f"{text[: most - 1]}…"
