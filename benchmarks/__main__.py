"""``python -m benchmarks``: measure, print, keep, compare."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import KEPT, book, tables
from .commands import PAIRS
from .machine import machine
from .rows import ROWS

MORE = ("growth", "where", "instructions")


def main() -> None:
    """Measure what is asked for; by default everything."""
    parser = _parser()
    options = parser.parse_args()
    for name in options.names:
        if name not in (*ROWS, *MORE):
            parser.error(f"there is nothing called {name!r} to measure")
    found = book.read(options.json)
    if options.compare:
        heads = ("what", "before", "now", "change", "verdict")
        old, new = book.figures(book.read(options.compare)), book.figures(found)
        print(tables.text(heads, tables.changes(old, new)), end="")
    elif options.write_docs:
        book.write_page(found)
    else:
        _measure(options.names or [*ROWS, *MORE], options.pairs, options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"measure these anew and keep the others: {', '.join((*ROWS, *MORE))}",
    )
    parser.add_argument(
        "--json", type=Path, default=KEPT, help=f"the figures (default: {KEPT.name})"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"of samples (default: {PAIRS})")
    parser.add_argument("--compare", type=Path, metavar="OLD", help="how the figures have changed")
    parser.add_argument("--write-docs", action="store_true", help="write the figures into the page")
    return parser


def _measure(names: list[str], pairs: int, path: Path) -> None:
    """Measure, and keep each figure as soon as it is there."""
    for name in names:
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        before, found = machine(), book.read(path)
        known = book.figures(found)
        if name in ROWS:
            known[name] = ROWS[name].measure(ROWS[name], pairs)
            records = {key: {**known[key].record()} for key in ROWS if key in known}
            found = {**found, "machine": before, "figures": [*records.values()]}
        else:
            found[name] = _more(name, pairs)
        book.write(path, found)
        print(f" load {before['load']:.1f}", file=sys.stderr, flush=True)
    shown = tables.figures(book.figures(book.read(path)).values())
    print(tables.text(tables.HEADS, shown), end="")


def _more(name: str, pairs: int) -> object:
    if name == "where":
        from .where import where

        return where(pairs)
    from .growth import grown, instructions

    return grown(max(pairs // 3, 1)) if name == "growth" else instructions()


if __name__ == "__main__":
    main()
