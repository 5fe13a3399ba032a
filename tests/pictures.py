"""`make pictures`: the pictures of the README and the documentation, made anew."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from .conftest import ROOT
from .studio import studio
from .test_page import ARGS, CHROMIUM

PICTURES = ROOT / "docs" / "pictures"


def main() -> None:
    """Draw the networks, and look at a page as a reader would."""
    PICTURES.mkdir(exist_ok=True)
    _graph("unet", PICTURES / "unet.svg", 1)
    _graph("resnet18", PICTURES / "resnet18.svg", 2)
    _graph("lenet", PICTURES / "lenet.svg", 1)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        _graph("resnet18", page, 2)
        _photograph(page, PICTURES / "page.png")
    _studio(PICTURES / "studio.png")


def _graph(config: str, output: Path, depth: int) -> None:
    args = ["graph", f"configs/{config}.yaml", "-o", str(output), "--depth", str(depth), "--force"]
    subprocess.run([sys.executable, "-m", "torch_netgen", *args], cwd=ROOT, check=True)


def _photograph(path: Path, output: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        page.fill("#search", "layer2.0.downsample.0")
        page.keyboard.press("Enter")
        page.screenshot(path=output)
        browser.close()


def _studio(output: Path) -> None:
    """The page of `netgen studio`, with a mistake in a spec to begin with."""
    text = (ROOT / "starters" / "starter.yaml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (Path(folder) / "net.yaml").write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        with studio(Path(folder), "net.yaml") as there:
            page.goto(there.address)
            page.wait_for_selector("#picture[data-drawn]")
            page.click("#editor .cm-line:has-text('- Flatten')")
            page.keyboard.press("End")
            page.keyboard.press("Backspace")
            page.wait_for_selector("#problems li.error")
            page.wait_for_selector("#picture .marked")  # it is in view then
            page.screenshot(path=output)
        browser.close()


if __name__ == "__main__":
    main()
