"""The memory that training takes, as a small table."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.memory import shown
from ..analysis.training import Training

ROWS = ("weights", "gradients", "optimizer", "activations", "gathered", "total")


def training_lines(found: Training) -> Iterator[str]:
    """The table, with its head; on several ranks there is a column for each one's share."""
    terms, shares = found.terms, [found.whole]
    yield f"training in {terms.dtype} with {terms.optimizer} and a batch of {found.batch}:"
    heads = ["one machine"]
    if found.sharded is not None:
        heads.append(f"each of {terms.ranks} ranks")
        shares.append(found.sharded)
    yield "  ".join((" " * max(map(len, ROWS)), *(head.rjust(14) for head in heads)))
    for row in ROWS:
        sizes = [getattr(share, row) for share in shares]
        if any(sizes):
            cells = (shown(size).rjust(14) for size in sizes)
            yield "  ".join((row.ljust(max(map(len, ROWS))), *cells)).rstrip()
