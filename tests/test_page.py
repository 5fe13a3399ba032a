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
        page.keyboard.down("Control")
        page.mouse.wheel(0, -200)
        page.wait_for_function(f"document.querySelector('svg').viewBox.baseVal.width < {moved[2]}")
        page.keyboard.up("Control")
        zoomed = view()
        page.mouse.wheel(0, 40)
        page.wait_for_function(f"document.querySelector('svg').viewBox.baseVal.y > {zoomed[1]}")
        assert view()[2:] == zoomed[2:]
        page.mouse.wheel(0, 100_000)  # to its end, and no farther
        page.mouse.wheel(0, 100_000)
        end = "document.querySelector('svg g.graph').getBoundingClientRect().bottom"
        page.wait_for_function(f"{end} > 0 && {end} <= innerHeight + 1")
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


def test_it_begins_with_the_whole_network(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, str(ROOT / "configs" / "resnet18.yaml")) as page:
        panel = page.inner_text("#panel")
        assert "11.7M parameters, 1.81G MACs, 21.2MiB kept" in panel
        assert "training keeps" in panel
        frame, picture = (
            page.locator(f"#picture{part}").bounding_box() for part in ("", " g.graph")
        )
        assert frame is not None
        assert picture is not None
        assert frame["y"] <= picture["y"] + 1
        assert picture["y"] + picture["height"] <= frame["y"] + frame["height"] + 1
        page.click("#picture .node >> nth=1")
        page.click("#panel button:has-text('The whole network')")
        assert page.inner_text("#panel") == panel


def test_it_tells_the_warnings(browser: Browser, tmp_path: Path) -> None:
    path = ROOT / "tests" / "doubtful" / "bias_before_norm.yaml"
    (tmp_path / "net.yaml").write_text(path.read_text())
    told = netgen("check", "net.yaml", cwd=tmp_path).stderr.splitlines()
    titles = [line for line in told if line.startswith("warning[")]
    with opened(browser, tmp_path, "net.yaml") as page:
        assert page.locator(".warning strong").all_inner_texts() == titles
        places = [line.strip().removeprefix("--> ") for line in told if line.strip()[:3] == "-->"]
        assert page.locator(".warning button").all_inner_texts() == places
        page.click(".warning button >> nth=0")


def test_keys_lead_through_the_picture(browser: Browser, tmp_path: Path) -> None:
    def at() -> str:
        return page.inner_text("#panel h2")

    with opened(browser, tmp_path, str(ROOT / "configs" / "resnet18.yaml")) as page:
        page.focus("#picture")
        seen = []
        for _ in range(6):
            page.keyboard.press("ArrowDown")
            seen.append(at())
        assert seen == ["x", "conv1", "bn1", "relu", "maxpool", "layer1"]
        page.keyboard.press("Enter")
        assert "Sequential \N{MIDDLE DOT} layer1" in boxes(page)
        page.keyboard.press("ArrowDown")
        assert at() == "layer1.0"
        page.keyboard.press("Escape")
        assert at() == "layer1"
        page.keyboard.press("Enter")
        assert "Sequential \N{MIDDLE DOT} layer1" not in boxes(page)
        page.keyboard.press("ArrowUp")
        assert at() == "maxpool"
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label == "MaxPool2d 3x3, /2, maxpool, gives 64x56x56"
        page.keyboard.press("/")
        page.keyboard.type("layer1.1.conv1")
        assert (
            page.inner_text("#found") == "layer1.1.conv1 (Conv2d 3x3, 64, equal to layer1.0.conv1)"
        )
        page.keyboard.press("Enter")
        assert at() == "layer1.0.conv1"
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert at() == "The whole network"


def test_bars_follow_what_is_open(browser: Browser, tmp_path: Path) -> None:
    def rows() -> dict[str, list[float]]:
        names = page.locator(".costs tbody th").all_inner_texts()
        widths: list[list[float]] = page.eval_on_selector_all(
            ".costs tbody tr", "all => all.map(r => [...r.querySelectorAll('.bar')]"
            ".map(b => b.getBoundingClientRect().width / b.parentElement.clientWidth))",
        )  # fmt: skip
        return dict(zip(names, widths, strict=True))

    with opened(browser, tmp_path, str(ROOT / "configs" / "resnet18.yaml")) as page:
        found = rows()
        assert "0 \N{HORIZONTAL ELLIPSIS} 1 x2" not in found
        assert found["layer4"][0] == pytest.approx(1, abs=0.05)
        assert found["fc"][0] == pytest.approx(513_000 / 8_393_728, abs=0.01)
        page.click("#unfold")
        assert "0 \N{HORIZONTAL ELLIPSIS} 1 x2" in rows()
        assert rows()["layer4"] == [0, 0, 0]


def test_lines_are_those_of_the_files_in_colours(browser: Browser, tmp_path: Path) -> None:
    path = ROOT / "configs" / "unet.yaml"
    assert netgen("build", path, "-o", "net.py", "--no-smoke", cwd=tmp_path).returncode == 0
    with opened(browser, tmp_path, str(path)) as page:
        for pane, file in (("spec", path), ("source", tmp_path / "net.py")):
            lines = page.locator(f"#{pane} > div").all_text_contents()
            assert lines == file.read_text().splitlines()
        colour = "e => getComputedStyle(e).color"
        kinds = ("#source .keyword", "#source .string", "#spec .key", "#spec .comment", "#spec")
        colours = {page.eval_on_selector(f"{kind} >> nth=0", colour) for kind in kinds}
        assert len(colours) == len(kinds)
        widths = page.eval_on_selector("#spec", "e => [e.scrollWidth, e.clientWidth]")
        assert widths[0] <= widths[1], "long lines are wrapped"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_hinders_people(theme: str, browser: Browser, tmp_path: Path) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing"
    ).Axe()

    def wrong() -> list[str]:
        return [found["id"] for found in axe.run(page).response["violations"]]

    config = str(ROOT / "configs" / "resnet18.yaml")
    with opened(browser, tmp_path, config, "--depth", "2", "--theme", theme) as page:
        assert page.evaluate("document.documentElement.className") == theme.replace("light", "")
        assert wrong() == []
        page.focus("#picture")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert wrong() == []
        page.fill("#search", "conv")
        assert wrong() == []
        page.eval_on_selector(
            "#search", "e => { e.removeAttribute('aria-label'); e.placeholder = ''; }"
        )
        assert wrong() == ["label"], "what is wrong is found"
