"""The documentation as a site: every page is in it, and nothing comes from other hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .conftest import ROOT
from .test_page import browser, pytestmark

__all__ = ["browser", "pytestmark"]  # a fixture and a mark, for pytest


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    return folder


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site: Path, browser: Browser) -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name in sorted(pages):
        page.goto((site / f"{name}.html").as_uri())
        assert page.locator("nav.md-nav--primary a.md-nav__link--active").count() >= 1
    page.wait_for_load_state("networkidle")
    assert complaints == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    context.close()
