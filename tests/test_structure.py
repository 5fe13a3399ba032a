"""`netgen import` writes a spec with blocks: the classes of a network, as a person would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import convert, to_builtins
from torch_netgen.importing.asked import Asked
from torch_netgen.importing.importing import import_network
from torch_netgen.importing.parameters import together, variations
from torch_netgen.importing.spec_text import spec_text
from torch_netgen.importing.structure.structure import structured_spec
from torch_netgen.run.recording.recorded import Input, Recording
from torch_netgen.run.smoke import Worker

from . import families
from .conftest import ROOT

IMPORTED = ROOT / "tests" / "imported"
FAMILIES = Path(families.__file__)
IMAGES = Input("", (3, 16, 16))
NETWORKS = {
    "basic": IMAGES,
    "bottleneck": IMAGES,
    "MobileNet": IMAGES,
    "Encoder": Input("", (9,), "int64", 0, 40),
    "DenseNet": IMAGES,
    "UNet": Input("", (3, "H", "W")),
    "Shared": Input("", (8,)),
    "Lender": Input("", (8,)),
    "Words": Input("", ("T", "N"), "int64", 0, 20),
    "Mixer": Input("", (9, 8)),
    "Gauged": Input("", (8,)),
    "Detector": Input("", (3, "H", "W")),
    "Squares": Input("", (3, 16, 16)),
    "Autoencoder": Input("", (12,)),
    "Steps": Input("", (4,)),
    "Masked": Input("", ("T", 8)),
    "Upscaler": Input("", (1, "H", "W")),
    "Grouped": Input("", ("T", 16)),
    "Thrifty": Input("", (8,)),
    "Judge": Input("", (3, 10)),
}
OPENED = {"Nested"}  # no block of the networks


@pytest.fixture(scope="module")
def recorder() -> Iterator[Worker]:
    with Worker() as worker:
        worker.start(str(FAMILIES.parent))
        yield worker


def _before_the_build(text: str) -> str:
    """A spec's text without what is only known once it is built."""
    return re.sub(r"^(?:expect|allow):.*\n(?:  .*\n)*", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", NETWORKS)
def test_classes_become_blocks(name: str, recorder: Worker, request: pytest.FixtureRequest) -> None:
    """The text is as reviewed (see ``--renew``); that it gives the network is for the next test."""
    asks = {"task": "record", "module": str(FAMILIES), "name": name, "args": "{}"}
    with recorder.one_spec():
        answer = recorder.ask({**asks, "inputs": [to_builtins(NETWORKS[name])]})
        recording = convert(answer["recording"], Recording)
        others = together(recording, variations(recording, recorder, asks), answer["class"])
        recordings = (recording, *(one.recording for one in others))
    text = spec_text(structured_spec(recordings, answer["class"]).spec)
    path = IMPORTED / f"{name}.yaml"
    reviewed = path.read_text(encoding="utf-8") if path.exists() else ""
    text = _before_the_build(text)
    if request.config.getoption("--renew") and text != _before_the_build(reviewed):
        path.write_text(text, encoding="utf-8")  # and the next test writes all of it
        reviewed = text
    assert text == _before_the_build(reviewed)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_give_the_network(
    name: str, recorder: Worker, request: pytest.FixtureRequest
) -> None:
    asked = Asked(str(FAMILIES), name, (NETWORKS[name],))
    with recorder.one_spec():
        made = import_network(asked, recorder, "net.yaml")
    if request.config.getoption("--renew"):
        (IMPORTED / f"{name}.yaml").write_text(made.text, encoding="utf-8")
    notes = "\n".join(made.notes)
    assert {one for one in OPENED if f".{one}` stand where it is used" in notes} == (
        OPENED if name == "Lender" else set()
    )
    assert "in one scope" not in notes
    assert made.text == (IMPORTED / f"{name}.yaml").read_text(encoding="utf-8")
    assert made.shown[0].endswith("equal keys")


def test_no_reviewed_spec_is_left_over() -> None:
    assert {path.stem for path in IMPORTED.iterdir()} == {*NETWORKS}
