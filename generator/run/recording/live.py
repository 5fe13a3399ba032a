"""The types of what is recorded in a caller's own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

Network = nn.Module
Tensors = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
