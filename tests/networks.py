"""The networks of spec files, each read and built once a session: nothing changes them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from torch_netgen.analysis.prediction import Prediction, check_source
from torch_netgen.pipeline import Result, build_source
from torch_netgen.spec.given import read

from .conftest import ROOT


def config(name: str) -> Path:
    """The file of a spec that comes with netgen."""
    return ROOT / "configs" / f"{name}.yaml"


@cache
def checked(path: Path) -> Prediction:
    """What is known of a network without a run."""
    return check_source(read(path), {})


@cache
def built(path: Path) -> Result:
    """A network and its source, without a run."""
    return build_source(read(path), {}, None)
