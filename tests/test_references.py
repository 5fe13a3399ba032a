"""Configs beside their reference models in plain torch: the same weights give the same outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from msgspec.structs import asdict
from torch import nn
from torch_netgen.analysis.prediction import check_source
from torch_netgen.pipeline import build_source
from torch_netgen.run.proofs.subject import samples
from torch_netgen.spec.given import read

from .networks import config
from .references import REFERENCES, tensors_of


def stir(network: nn.Module) -> None:
    """Other numbers for what begins as 0 or 1, such as a norm's weights."""
    for value in network.state_dict().values():
        if value.is_floating_point() and value.dim() == 1:
            value.uniform_(0.5, 1.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_published_weights_give_the_published_outputs(name: str) -> None:
    reference = REFERENCES[name]
    source, small = read(config(name)), reference.small
    theirs: Any = reference.make(**small).eval()
    stir(theirs)
    ours: Any = build_source(source, small, None).module_class().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    drawn = [asdict(sample) for sample in check_source(source, small).plan.runs[0].samples]
    inputs = samples({"samples": drawn}, "cpu")
    for x in inputs:
        if x.dtype is torch.bool:
            x[:, 1::3] = False  # a mask hides something
    with torch.no_grad():
        wanted, found = tensors_of(theirs(*inputs)), ours(*inputs)
    found = tensors_of(found.values() if isinstance(found, dict) else found)
    for x, y in zip(wanted, found, strict=True):
        assert x.abs().max() > 1e-3
        torch.testing.assert_close(y, x, atol=1e-4, rtol=1e-3)
