"""Bad specs, each beside the exact message that it gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch_netgen import NetgenError
from torch_netgen.codes import CODES
from torch_netgen.pipeline import build_source
from torch_netgen.source import parse

from .conftest import ROOT

BAD = sorted((ROOT / "tests" / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_message_is_as_reviewed(path: Path, request: pytest.FixtureRequest) -> None:
    """``--renew`` writes the expected message beside the spec."""
    with pytest.raises(NetgenError) as caught:
        build_source(parse(path.read_text(encoding="utf-8"), path.name), {}, None)
    for diagnostic in caught.value.diagnostics:
        assert diagnostic.code in CODES
        assert diagnostic.location is not None
        assert not diagnostic.message.endswith(".")
    message = f"{caught.value}\n"
    expected = path.with_suffix(".txt")
    if request.config.getoption("--renew"):
        expected.write_text(message, encoding="utf-8")
    assert message == expected.read_text(encoding="utf-8")


def test_no_message_is_left_over() -> None:
    texts = {path.stem for path in (ROOT / "tests" / "bad").glob("*.txt")}
    assert texts == {path.stem for path in BAD}
