"""Configs of many layers: all that is asked of each config would take a minute for these alone.

So `make test` leaves them out; CI leaves out their runs.
"""

from __future__ import annotations

from pathlib import Path

DEEP = frozenset(
    """bert_base clip diffusion_unet fno fpn_resnet50 llama mamba t5_small tcn whisper_tiny_encoder
    yolov8n""".split()
)


def is_deep(path: Path) -> bool:
    """Whether a spec is one of these; a small one of that name may lie in `tests/specs`."""
    return path.parent.name == "configs" and path.stem in DEEP
