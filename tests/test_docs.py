"""Every spec, command and snippet of the documentation is run, and shows what the page shows."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from torch_netgen import NetgenError
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse
from torch_netgen.spec.spec import has_blocks_alone

from .conftest import CPU, ROOT
from .walkthrough import NOT_RUN, Block, Walkthrough, bare, blocks, fits

PAGES = {
    page.stem: blocks(page) for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
SNIPPETS = [
    pytest.param(page, block, id=f"{page}-{place}")
    for page, found in PAGES.items()
    for place, block in enumerate(found)
    if block.language == "yaml" and not has_blocks_alone(parse(block.text, "page").values)
]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the pages work with, where a reader stands in it; its package is the one
    that commands find.
    """
    folder = tmp_path / "netgen"
    for name in ("configs", "generator", "starters", "templates", "tests"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    package = tmp_path / "installed" / "torch_netgen"
    package.parent.mkdir()
    package.symlink_to(folder / "generator")
    for name in ("configs", "starters", "templates"):
        (package / name).symlink_to(folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return folder


@pytest.mark.linux
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_can_be_done(page: str, checkout: Path) -> None:
    loaded = {*sys.modules}
    reader = Walkthrough(checkout, {"PYTHONPATH": str(checkout.parent / "installed")})
    try:
        reader.follow(PAGES[page])
    finally:
        for name, module in [*sys.modules.items()]:
            if name not in loaded and str(checkout) in str(getattr(module, "__file__", "")):
                del sys.modules[name]
    texts = [*reader.ran, *(block.text for block in PAGES[page])]
    for name in reader.saved:
        used = rf"\b({re.escape(name)}|(from|imports?:?) .*{Path(name).stem})\b"
        assert sum(bool(re.search(used, text)) for text in texts), f"nothing is done with {name}"


def test_what_is_not_run_stands_on_a_page() -> None:
    commands = {
        bare(command)
        for found in PAGES.values()
        for block in found
        if block.language in ("console", "sh")
        for command, _ in block.commands()
    }
    assert {*NOT_RUN} <= commands


@pytest.mark.parametrize(("page", "block"), SNIPPETS)
def test_a_spec_of_a_page_is_built(page: str, block: Block, worker: Worker, tmp_path: Path) -> None:
    """And mended, if it is the README's with a mistake in it."""
    text = block.text.replace("kernal_size", "kernel_size")
    for other in PAGES[page]:
        if other.language in ("python", "yaml") and other.file and other != block:
            (tmp_path / other.file).write_text(other.text)
    (tmp_path / "mine.yaml").write_text(text)
    allowed = "\nimports:" in text
    source = read(tmp_path / "mine.yaml")
    assert build_source(source, {}, worker, CPU, allow_imports=allowed).proofs


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.is_excerpt for b in PAGES[page])])
def test_generated_source_is_shown_as_it_is(page: str) -> None:
    generated = []
    for block in PAGES[page]:
        if block.language == "yaml":
            try:
                source = build_source(parse(block.text, "net.yaml"), {}, None).source
            except NetgenError:  # a mistake on purpose, which the page's commands show
                continue
            generated.append([line.strip() for line in source.splitlines() if line.strip()])
    for block in PAGES[page]:
        if block.is_excerpt:
            lines = [line.strip() for line in block.text.splitlines() if line.strip()]
            around = ["...", *lines, "..."]
            assert any(fits(around, source) for source in generated), block.text
