"""`netgen import`: unlike layers that do the same several times over are one `Group`."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_netgen import import_module

from . import live
from .conftest import Builder

NESTED = """\
  - Group:
      repeat: 3
      layers:
        - Add:
            branches:
              - []
              - [{LayerNorm: {name: layers.$index.0}}, {Linear: {name: layers.$index.1, $EIGHT}}]
        - Add: {branches: [[{Feed: {name: layers.$index.2, out_features: $SIZES}}], []]}
  - LayerNorm: {name: norm}
""".replace("$SIZES", "$(16 if index == 0 else 24)").replace("$EIGHT", "out_features: 8")
ZIPPED = """\
  - Group:
      repeat: 3
      layers:
        - Conv1d: {name: convs.$index, out_channels: '$([4, 6, 8][index])', kernel_size: 3}
        - BatchNorm1d: {name: norms.$index}
        - ReLU
  - Group:
      repeat: 3
      layers:
        - MaxPool1d: 2
        - Conv1d: {name: pools.$(2 * index + 1), out_channels: 8, kernel_size: 1}
"""
NETWORKS = [
    (live.Nested, (5, 8), NESTED),
    (live.Zipped, (3, 32), ZIPPED),
    (live.Ladder, (8,), None),
]


@pytest.mark.parametrize(("make", "shape", "layers"), NETWORKS)
def test_what_is_done_over_and_over_is_written_once(
    make: type[nn.Module], shape: tuple[int, ...], layers: str | None, build_text: Builder
) -> None:
    network = make()
    x = torch.randn(2, *shape)
    text = import_module(network, x)
    if layers is not None:
        assert text.partition("\nlayers:\n")[2].startswith(f"{layers}\n")
    twin = build_text(text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    assert [*twin.state_dict()] == [*network.state_dict()]
    torch.testing.assert_close(network.eval()(x), twin.eval()(x))


def test_a_copy_that_something_else_reads_is_in_no_group() -> None:
    text = import_module(live.Ladder(), torch.randn(2, 8))
    layers = text.partition("\nlayers:\n")[2].split("\n\n")[0].split("\n")
    assert layers[:5] == [
        "  - Linear: {name: ups.0, out_features: 8}",
        "  - LayerNorm: {name: norms.0}",
        "  - Tanh",
        "  - Linear: {name: ups.1, out_features: 8}",
        "  - LayerNorm: {name: norms.1}",
    ]


def test_a_long_table_is_no_parameter(build_text: Builder) -> None:
    network, x = live.Tables(), torch.randn(2, 9, 12)
    text = import_module(network, x)
    assert text.partition("\nlayers:\n")[2].split("\n\n")[0] == (
        "  - Biased: {name: layers.0}\n  - Biased2: {name: layers.1}\n  - Biased: {name: layers.2}"
    )
    twin = build_text(text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    torch.testing.assert_close(network.eval()(x), twin.eval()(x))
