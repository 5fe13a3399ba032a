"""How a GPU computes: exactly where values are compared, as usual where it is timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_USUAL = (
    torch.backends.cuda.matmul.allow_tf32,
    torch.backends.cudnn.allow_tf32,
    torch.backends.cudnn.deterministic,
)


def compute_exactly() -> None:
    """No short cuts in float32 (TF32), and the same each time, from now on."""
    _set(False, False, True)


@contextmanager
def as_usual() -> Iterator[None]:
    """With the short cuts that this process would take if nobody had said anything."""
    _set(*_USUAL)
    try:
        yield
    finally:
        compute_exactly()


def _set(products: bool, convolutions: bool, same: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cudnn.deterministic = same
