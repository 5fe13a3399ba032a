"""The page of `netgen graph` in a real browser, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .command import netgen
from .conftest import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield found
        found.close()


@contextmanager
def opened(browser: Browser, folder: Path, config: str, *args: str) -> Iterator[Page]:
    """The page of a spec; whatever it complains of, or asks of a network, fails the test."""
    run = netgen("graph", config, "-o", "net.html", *args, cwd=folder)
    assert (run.returncode, run.stdout) == (0, "wrote net.html\n"), run.stderr
    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "net.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    yield page
    assert not complaints
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    context.close()


def boxes(page: Page) -> list[str]:
    """What is read in the picture's boxes."""
    found: list[str] = page.eval_on_selector_all(
        "#picture .node",
        "all => all.map(g => [...g.querySelectorAll('text')].map(t => t.textContent).join(' '))",
    )
    return [" ".join(text.split()) for text in found]


def test_blocks_fold_and_unfold(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, str(ROOT / "configs" / "resnet18.yaml")) as page:
        assert len(boxes(page)) == 13
        page.click("#picture .node.block >> nth=0")
        expect(page.locator("#panel h2")).to_have_text("layer1")
        page.click("#toggle")
        assert len(boxes(page)) == 14, "its title, and its two equal blocks as one"
        assert "Sequential \N{MIDDLE DOT} layer1" in boxes(page)
        page.click("#toggle")
        assert len(boxes(page)) == 13
        page.click("#unfold")
        assert len(boxes(page)) == 78
        assert page.locator("#picture .edge.skip").count() == 13
        page.click("#fold")
        assert len(boxes(page)) == 13
        page.click("#picture .node.block >> nth=1")
        page.click("#picture .node.block >> nth=1")  # the second click opens it
        assert len(boxes(page)) == 15


@pytest.mark.slow
def test_search_leads_into_blocks(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, str(ROOT / "configs" / "resnet18.yaml")) as page:
        page.fill("#search", "downsample")
        assert page.locator("#found button").count() == 9
        page.fill("#search", "layer3.0.downsample.1")
        page.keyboard.press("Enter")
        expect(page.locator("#panel h2")).to_have_text("layer3.0.downsample.1")
        expect(page.locator("#picture .node.marked")).to_have_count(1)
        place = page.locator("#picture .node.marked").bounding_box()
        frame = page.locator("#picture").bounding_box()
        assert place is not None
        assert frame is not None
        assert abs(place["x"] + place["width"] / 2 - frame["x"] - frame["width"] / 2) < 5
        page.fill("#search", "no such layer")
        expect(page.locator("#found")).to_be_hidden()


def test_spec_source_and_picture_lead_to_each_other(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, str(ROOT / "configs" / "lenet.yaml")) as page:
        page.fill("#search", "fc1")
        page.keyboard.press("Enter")
        assert "400  = 16 * 5 * 5" in page.inner_text("#panel pre")
        assert (
            page.inner_text("#spec .marked").strip() == "- Linear: {name: fc1, out_features: 120}"
        )
        marked = page.locator("#source .marked").all_inner_texts()
        assert [line.strip().split("  #")[0] for line in marked] == [
            "self.fc1 = nn.Linear(16 * 5 * 5, 120)",
            "x = self.fc1(x)",
        ]
        page.click("#spec div:has-text('Conv2d: {out_channels: 16')")
        expect(page.locator("#panel h2")).to_have_text("conv2")
        page.click("#source div:has-text('self.fc2(x)')")
        expect(page.locator("#panel h2")).to_have_text("fc2")
        expect(page.locator("#picture .node.marked")).to_contain_text("fc2")


@pytest.mark.slow
def test_it_can_be_moved_zoomed_and_darkened(browser: Browser, tmp_path: Path) -> None:
    def view() -> list[float]:
        box = page.get_attribute("#picture svg", "viewBox")
        assert box is not None
        return [float(number) for number in box.split()]

    with opened(browser, tmp_path, str(ROOT / "configs" / "unet.yaml"), "--depth", "2") as page:
        first = view()
        page.click("#in")
        assert view()[2] < first[2]
        page.click("#fit")
        assert view() == first
        page.mouse.move(200, 300)
        page.mouse.down()
        page.mouse.move(260, 340, steps=4)
        page.mouse.up()
        moved = view()
        assert moved[0] < first[0]
        assert moved[1] < first[1]
        page.mouse.wheel(0, 200)
        page.wait_for_function(f"document.querySelector('svg').viewBox.baseVal.width > {moved[2]}")
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(colour)
        page.click("#theme")
        assert page.evaluate(colour) != light


def test_a_spec_is_no_markup(browser: Browser, tmp_path: Path) -> None:
    bad = "</script><img src=x onerror=document.title='taken'><b title='"
    (tmp_path / "net.yaml").write_text(
        f'name: Net\ndescription: "{bad}"\ninput: [4] # {bad} $title $${{data}}\n'
        "layers: [{Linear: 2}]\n"
    )
    with opened(browser, tmp_path, "net.yaml") as page:
        assert page.title() == "Net"
        assert bad in page.inner_text("#spec")
        assert page.locator("img").count() == 0
