"""Paddings of fewer dimensions than their types have, held against what torch makes of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from .conftest import Builder

KINDS = ("Circular", "Constant", "Reflection", "Replication", "Zero")


def _taken(module: nn.Module, x: torch.Tensor) -> torch.Tensor | None:
    """What torch gives, if it takes the padding."""
    try:
        return module(x)  # type: ignore[no-any-return]
    except (NotImplementedError, RuntimeError, ValueError):
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_padding_gives_what_torch_gives(kind: str, build_text: Builder) -> None:
    """`tests/specs/short_paddings.yaml` has the types of what is written checked."""
    tried = 0
    for dimensions in (2, 3):
        for padding in ([1, 2], [1, 2, 0, 1])[: dimensions - 1]:
            for sizes in ([8], [3, 8], [3, 6, 8], [3, 5, 6, 8])[: dimensions + 1]:
                more = {"value": 0.5} if kind == "Constant" else {}
                name, x = f"{kind}Pad{dimensions}d", torch.rand(2, *sizes)
                expected = _taken(getattr(nn, name)(tuple(padding), **more), x)
                if expected is None:
                    continue
                layer = {name: {"padding": padding, **more}}
                source = build_text(f"name: Net\ninput: {sizes}\nlayers: [{layer}]").source
                names: dict[str, Any] = {"__name__": "net"}
                exec(source, names)
                assert torch.equal(names["Net"]()(x), expected)
                tried += 1
    assert tried >= 2
