"""Every spec in the documentation is built and run; the README's mistake gets its message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch_netgen import NetgenError
from torch_netgen.pipeline import build_source
from torch_netgen.smoke import Worker
from torch_netgen.source import parse

from .conftest import CPU, ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPETS = [
    (page, place, text)
    for page in PAGES
    for place, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize(
    ("page", "place", "text"), SNIPPETS, ids=[f"{page.stem}-{place}" for page, place, _ in SNIPPETS]
)
def test_specs_in_the_documentation(
    page: Path, place: int, text: str, worker: Worker, tmp_path: Path
) -> None:
    source = parse(text, "mine.yaml")
    if "\nimports:" in text:
        for name, code in re.findall(
            r"```python\n# (\w+\.py)\n(.*?)```", page.read_text(), re.DOTALL
        ):
            (tmp_path / name).write_text(code)
        source = parse(text, str(tmp_path / "mine.yaml"))
    if "kernal_size" not in text:
        assert build_source(source, {}, worker, CPU, allow_imports=True).proofs
        return
    with pytest.raises(NetgenError) as caught:
        build_source(source, {}, None)
    assert str(caught.value) in page.read_text()
    mended = parse(text.replace("kernal_size", "kernel_size"), "mine.yaml")
    assert build_source(mended, {}, worker, CPU).proofs


def test_the_readme_shows_what_is_generated() -> None:
    readme = (ROOT / "README.md").read_text()
    spec = parse(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)[0], "lenet.yaml")
    source = build_source(spec, {}, None).source
    (shown,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        if "def forward" in block
    )
    lines = [line.strip() for line in shown.splitlines() if line.strip() not in ("", "...")]
    generated = [line.strip() for line in source.splitlines()]
    assert [line for line in lines if line not in generated] == []
