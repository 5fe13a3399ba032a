"""`dtype`: the forward pass in bfloat16 and float16."""

from __future__ import annotations

import torch

from .subject import Disproof, Subject, named_outputs, tensors_in
from .values import draws, is_finite


def dtype(subject: Subject) -> str:
    """Run copies of the network in bfloat16 and float16, and measure how far outputs differ.

    Raises `Disproof` for other shapes, or for values that are no longer finite.
    """
    found, comparable = [], not draws(subject)
    expected = tensors_in(subject.twin()(*subject.inputs(0)))
    for half in (torch.bfloat16, torch.float16):
        name = str(half).removeprefix("torch.")
        network = subject.copied().to(half).eval()
        inputs = [x.to(half) if x.is_floating_point() else x for x in subject.inputs(0)]
        outputs = list(named_outputs(network(*inputs)))
        share = 0.0
        for (key, value), wanted in zip(outputs, expected, strict=True):
            if value.shape != wanted.shape:
                shapes = f"{tuple(value.shape)}, not {tuple(wanted.shape)}"
                raise Disproof(f"in {name} `{key}` has the shape {shapes}", code="NG407")
            if is_finite(wanted) and not is_finite(value):
                raise Disproof(f"in {name} `{key}` is not finite", code="NG407")
            if wanted.is_floating_point() and wanted.numel():
                scale = float(wanted.abs().max()) or 1.0
                share = max(share, float((value.float() - wanted.float()).abs().max()) / scale)
        near = f", its outputs within {share:.2%} of float32's" if comparable else ""
        found.append(f"{name} runs{near}")
    random = "" if comparable else "; the network draws random numbers, so none are compared"
    return "; ".join(found) + random
