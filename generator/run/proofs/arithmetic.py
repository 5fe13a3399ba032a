"""The arithmetic settings of a GPU: exact where values are compared, torch's own where timed."""

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
    """Turn TF32 off and deterministic convolutions on, for the rest of the process."""
    _set(False, False, True)


@contextmanager
def as_usual() -> Iterator[None]:
    """Use torch's own settings inside of the ``with``, and exact ones again after it."""
    _set(*_USUAL)
    try:
        yield
    finally:
        compute_exactly()


def _set(products: bool, convolutions: bool, same: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cudnn.deterministic = same
