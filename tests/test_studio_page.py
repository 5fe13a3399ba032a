"""The page of `netgen studio` in a real browser: typed in, slid, run, saved, loaded again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from torch_netgen.lsp.snapshot import check

from .command import netgen
from .conftest import ROOT
from .studio import Studio, studio
from .test_page import ARGS, CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
SMALL = "name: Small\ninput: [4]\nparams: {width: 8}\nlayers:\n  - Linear: $width\n  - ReLU\n"
SLOW = 30_000  # milliseconds, on a machine that does other things, too


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield found
        found.close()


@contextmanager
def opened(browser: Browser, there: Studio, *, silent: bool = True) -> Iterator[Page]:
    """The page; whatever it complains of, or asks of another server, fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(SLOW)
    expect.set_options(timeout=SLOW)
    complaints = listened(page)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.goto(there.address)
    page.wait_for_selector("body[data-ready]")
    yield page
    assert not silent or not complaints
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {there.host}
    context.close()


def listened(page: Page) -> list[str]:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def write(page: Page, text: str) -> None:
    """Put a text in place of what is in the editor, as it is."""
    page.click("#editor .cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def written(page: Page) -> str:
    """The text in the editor, if all of it is in view."""
    return "\n".join(page.locator("#editor .cm-line").all_text_contents())


def boxes(page: Page) -> list[str]:
    """What is read in the picture's boxes."""
    found: list[str] = page.eval_on_selector_all(
        "#picture .node",
        "all => all.map(g => [...g.querySelectorAll('text')].map(t => t.textContent).join(' '))",
    )
    return [" ".join(text.split()) for text in found]


def test_a_mistake_is_shown_and_mended(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(4)
        expect(page.locator("#problems")).to_have_text("No problems.")
        page.click("#editor .cm-line >> nth=5")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.type("- Linaer: 3")
        expect(page.locator("#problems li")).to_have_text(
            "error NG202 there is no layer type `Linaer` line 7help: did you mean `Linear`?"
        )
        expect(page.locator("#editor .cm-lintRange-error")).to_have_text("Linaer")
        expect(page.locator("#stale")).to_be_visible()
        assert boxes(page)[-1] == "output 8"  # as it was
        page.click("#problems button")
        assert page.evaluate("document.activeElement.classList.contains('cm-content')")
        page.keyboard.press("Control+Delete")
        page.keyboard.type("Linear")
        page.keyboard.press("Escape")
        expect(page.locator("#problems")).to_have_text("No problems.")
        expect(page.locator("#editor .cm-lintRange-error")).to_have_count(0)
        expect(page.locator("#stale")).to_be_hidden()
        expect(page.locator("#picture")).to_contain_text("Linear 3")
        assert written(page) == SMALL.rstrip("\n") + "\n  - Linear: 3\n"


def test_what_a_help_has_to_be_written_can_be_taken(browser: Browser, tmp_path: Path) -> None:
    bad = ROOT / "tests" / "bad" / "a_shortcut_in_a_block.yaml"
    (tmp_path / "net.yaml").write_text(bad.read_text())
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click("#problems p button")
        expect(page.locator("#problems p button")).to_have_text("Copied")
        taken = page.evaluate("navigator.clipboard.readText()")
        assert taken.startswith("Conv2d: {name: shortcut, from: input, when: ")


def test_the_rest_of_a_long_line_is_further_in(browser: Browser, tmp_path: Path) -> None:
    words = "word " * 60
    (tmp_path / "net.yaml").write_text(f"# {words}\n{SMALL}  - Tanh  # {words}\n")
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        rows = """(line) => {
            const range = document.createRange();
            range.selectNodeContents(line);
            const left = line.closest(".cm-content").getBoundingClientRect().left;
            const [begin, ...others] = range.getClientRects();
            const below = others.filter((row) => row.top >= begin.bottom);
            const rest = Math.min(...below.map((row) => row.left - left));
            return [begin.left - left, rest, below.length];
        }"""
        for line in (0, 7):
            first, rest, count = page.locator("#editor .cm-line").nth(line).evaluate(rows)
            assert count > 1
            assert rest > first + 5
            assert first < 10


def test_problems_take_the_place_they_need(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SMALL + "  - ReLU\n" * 40)
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:

        def height(name: str) -> float:
            box = page.locator(name).bounding_box()
            assert box is not None
            return box["height"]

        expect(page.locator("#problems")).to_have_text("No problems.")
        small = height("#below")
        assert small < 90
        page.click("#tab-run")
        assert height("#below") > 2 * small
        page.click("#tab-problems")
        line = (
            int(
                height("#editor")
                // page.locator(".cm-line >> nth=0").evaluate("x => x.offsetHeight")
            )
            - 2
        )
        page.click(f"#editor .cm-line >> nth={line}")  # the last one that is in view
        page.keyboard.press("End")
        page.keyboard.type("U")
        expect(page.locator("#problems li.error")).to_have_count(1)
        assert height("#below") > 2 * small
        expect(page.locator("#editor .cm-lintRange-error")).to_be_in_viewport()
        page.keyboard.press("Backspace")
        expect(page.locator("#problems")).to_have_text("No problems.")
        page.wait_for_timeout(3500)
        assert height("#below") > 2 * small  # it stays for who goes to it
        page.keyboard.type(" ")
        expect(page.locator("body")).to_have_class("calm")
        assert height("#below") == small


def test_completion_and_hover_are_the_language_servers(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(4)
        page.hover("#editor .cm-line:nth-of-type(5) span:has-text('Linear')")
        expect(page.locator(".cm-tooltip-hover")).to_contain_text("(N, 4) → (N, 8)")
        expect(page.locator(".cm-tooltip-hover")).to_contain_text("Linear: {out_features: 10}")
        page.hover("#title")
        expect(page.locator(".cm-tooltip-hover")).to_have_count(0)
        page.click("#editor .cm-line >> nth=5")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.type("- Softm")
        expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("torch.nn.Softmax")
        page.wait_for_timeout(200)  # what has just opened takes no key
        page.keyboard.press("Enter")
        expect(page.locator(".cm-tooltip-autocomplete")).to_have_count(0)
        expect(page.locator("#editor .cm-line >> nth=6")).to_have_text(
            re.compile("  - Softm[a-z0-9]+")
        )


def test_a_slider_is_a_value_of_set(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#figures")).to_contain_text("40 parameters")
        page.click("#tab-source")
        page.focus("[data-name=width] input[type=range]")
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        expect(page.locator("#figures")).to_contain_text("60 parameters")
        expect(page.locator("[data-name=width] input[type=number]")).to_have_value("12")
        expect(page.locator("#source")).to_contain_text("width: int = 12")
        assert written(page) == SMALL
        expect(page.locator("#save")).to_be_disabled()  # the text is as it was
        page.fill("[data-name=width] input[type=number]", "0")
        expect(page.locator("#problems li.error")).to_have_count(1)
        page.click("[data-name=width] button")
        expect(page.locator("#figures")).to_contain_text("40 parameters")
        expect(page.locator("#source")).to_contain_text("width: int = 8")
        expect(page.locator("#given")).to_be_hidden()


def test_a_value_that_is_not_written_is_told_of(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        page.fill("[data-name=width] input[type=number]", "32")
        expect(page.locator("#given span")).to_have_text(
            "width = 32 is shown and run, but not in the text: a saved small.yaml has width = 8."
        )
        page.click("#tab-run")
        expect(page.locator("#with")).to_have_text("with width = 32")
        page.check("#write")
        page.click("#run")
        expect(page.locator("#verdict .passed")).to_contain_text(
            "built with width = 32", timeout=120_000
        )
        expect(page.locator("#verdict")).to_contain_text(
            f"Wrote {tmp_path / 'small.py'}, with width = 32"
        )
        assert "width: int = 32" in (tmp_path / "small.py").read_text()
        expect(page.locator("#older")).to_be_hidden()
        page.click("#settle")
        expect(page.locator("#given")).to_be_hidden()
        assert written(page) == SMALL.replace("width: 8", "width: 32")
        expect(page.locator("#with")).to_have_text("")
        expect(page.locator("#figures")).to_contain_text("160 parameters")
        expect(page.locator("#older")).to_be_visible()  # another text was run
        page.click("#run")
        expect(page.locator("#older")).to_be_hidden()
        expect(page.locator("#verdict .passed")).to_be_visible(timeout=120_000)
        expect(page.locator("#verdict")).not_to_contain_text("with width")
        page.click("#editor .cm-line >> nth=5")
        page.keyboard.press("End")
        page.keyboard.type("6")
        expect(page.locator("#older")).to_be_visible()
        page.keyboard.press("Backspace")
        expect(page.locator("#older")).to_be_hidden()  # as it was


def test_a_switch_and_a_text_are_values_too(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "name: Net\ninput: [4]\nparams: {deep: false, act: ReLU}\nlayers:\n  - Linear: 4\n"
        "  - $act\n  - Linear: {out_features: 2, when: $deep}\n"
    )
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#figures")).to_contain_text("20 parameters")
        page.check("[data-name=deep] input")
        expect(page.locator("#figures")).to_contain_text("30 parameters")
        page.fill("[data-name=act] input", '"GELU"')
        expect(page.locator("#picture")).to_contain_text("GELU")


def test_it_is_run_and_saved(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        text = SMALL.replace("ReLU", "GELU")
        write(page, text)
        expect(page.locator("#changed")).to_be_visible()
        page.keyboard.press("Control+s")
        expect(page.locator("#changed")).to_be_hidden()
        expect(page.locator("#state")).to_have_text(f"saved {tmp_path / 'small.yaml'}")
        assert (tmp_path / "small.yaml").read_text() == text
        page.click("#tab-run")
        meaning = page.locator("#levels p")
        for level in page.locator("#levels input").all():
            level.hover()
            expect(meaning).to_have_text(re.compile(f"^{level.input_value()}: [a-z]"))
        page.focus("#levels input[value=ddp]")
        expect(meaning).to_contain_text("two processes with half a batch each")
        page.check("#levels input[value=learn]")
        page.check("#write")
        page.click("#run")
        expect(page.locator("#verdict .passed")).to_contain_text(
            "forward, backward, eval", timeout=120_000
        )
        expect(page.locator("#verdict")).to_contain_text("learn:")
        expect(page.locator("#verdict")).to_contain_text(f"Wrote {tmp_path / 'small.py'}.")
        checked = netgen("build", "small.yaml", "--check", cwd=tmp_path)
        assert checked.stdout == "small.py is what small.yaml gives\n"
        expect(page.locator("#unsaved")).to_be_hidden()
        page.click("#editor .cm-line >> nth=5")
        page.keyboard.press("End")
        page.keyboard.type("  # more")
        page.click("#run")
        expect(page.locator("#unsaved")).to_be_visible(timeout=120_000)
        page.click("#save")
        expect(page.locator("#unsaved")).to_be_hidden()
        # at once: a small network is run before a hand finds the other button
        page.evaluate("for (const id of ['run', 'cancel']) document.getElementById(id).click()")
        expect(page.locator("#verdict")).to_have_text("The run was cancelled.")


def test_what_is_not_saved_is_there_after_a_reload(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        text = SMALL.replace("ReLU", "GELU")
        write(page, text)
        page.fill("[data-name=width] input[type=number]", "16")
        expect(page.locator("#figures")).to_contain_text("80 parameters")
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert written(page) == text
        expect(page.locator("#banner")).to_contain_text("What you had not saved is here again.")
        expect(page.locator("#figures")).to_contain_text("80 parameters")
        assert "#" not in page.url
        page.click("#banner button:has-text('Load the file')")
        expect(page.locator("#changed")).to_be_hidden()
        assert written(page) == SMALL


def test_a_save_says_what_the_file_has(browser: Browser, tmp_path: Path) -> None:
    """A value that is given, and a mistake, are not lost in `saved`."""
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        text = SMALL.replace("ReLU", "GELU")
        write(page, text)
        page.fill("[data-name=width] input[type=number]", "16")
        expect(page.locator("#figures")).to_contain_text("80 parameters")
        page.click("#save")
        saved = f"saved {tmp_path / 'small.yaml'}"
        expect(page.locator("#state")).to_have_text(f"{saved}, which has width = 8")
        page.click("[data-name=width] button")
        expect(page.locator("#state")).to_have_text(saved)
        write(page, text.replace("GELU", "GELO"))
        expect(page.locator("#state")).to_have_text("not right yet")
        page.keyboard.press("Control+s")
        expect(page.locator("#state")).to_have_text(f"not right yet; {saved}")


def test_two_tabs_keep_each_others_work(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        other = page.context.new_page()
        other.goto(f"http://{there.host}/")
        other.wait_for_selector("body[data-ready]")
        mine, theirs = SMALL.replace("ReLU", "GELU"), SMALL.replace("ReLU", "SiLU")
        write(page, mine)
        write(other, theirs)
        page.click("#save")
        expect(page.locator("#changed")).to_be_hidden()
        other.click("#save")
        expect(other.locator("#banner")).to_contain_text("saved by somebody else meanwhile")
        expect(other.locator("#changes .theirs")).to_have_text("-  - GELU")
        expect(other.locator("#changes .mine")).to_have_text("+  - SiLU")
        other.click("#neither")
        assert (tmp_path / "small.yaml").read_text() == mine
        assert written(other) == theirs
        other.click("#banner button:has-text('Compare')")
        other.click("#theirs")
        expect(other.locator("#changed")).to_be_hidden()
        assert written(other) == mine
        other.keyboard.press("Control+z")
        expect(other.locator("#editor")).to_contain_text("SiLU")
        write(page, mine + "# more\n")
        page.click("#save")
        expect(page.locator("#changed")).to_be_hidden()
        other.click("#save")
        expect(other.locator("#changes .theirs")).to_have_text(["-  - GELU", "-# more"])
        (tmp_path / "small.yaml").write_text(mine)  # while it is looked at
        other.click("#mine")
        expect(other.locator("#changes .theirs")).to_have_text(["-  - GELU"])
        assert (tmp_path / "small.yaml").read_text() == mine
        other.click("#mine")
        expect(other.locator("#changed")).to_be_hidden()
        assert (tmp_path / "small.yaml").read_text() == theirs
        expect(page.locator("#editor")).to_contain_text("SiLU")
        (tmp_path / "small.yaml").write_text(mine)
        expect(other.locator("#editor")).to_contain_text("GELU")
        expect(page.locator("#editor")).to_contain_text("GELU")
        (tmp_path / "small.yaml").write_text(theirs)  # a page with nothing to lose follows
        expect(page.locator("#editor")).to_contain_text("SiLU")
        expect(other.locator("#editor")).to_contain_text("SiLU")


HOSTILE = "</script><img src=x onerror=document.title='taken'><svg onload=document.title='taken'>"


def test_a_spec_is_no_markup_and_no_code(browser: Browser, tmp_path: Path) -> None:
    text = (
        f'name: Net\ndescription: "{HOSTILE}"\ninput: [4] # {HOSTILE}\n'
        f'params: {{width: {{default: 2, doc: "{HOSTILE}"}}}}\n'
        "layers:\n  - Linear: $width\n"
    )
    wrong = text + f'  - "{HOSTILE}"\n  - Linear: {{"{HOSTILE}": 3}}\n'
    (tmp_path / "net.yaml").write_text(text)
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(3)
        for tab in "source table weights explain picture".split():
            page.click(f"#tab-{tab}")
        page.hover("#editor .cm-line:nth-of-type(4) span:has-text('width')")
        expect(page.locator(".cm-tooltip-hover")).to_contain_text("<img src=x")
        write(page, wrong)
        expect(page.locator("#problems li.error")).to_have_count(2)
        expect(page.locator("#problems")).to_contain_text("<img src=x")
        assert page.locator("img, #problems svg, .cm-tooltip svg").count() == 0
        assert page.title() == "Net - netgen studio"
        assert "onerror" not in page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).join()"
        )


def test_a_server_that_goes_away_takes_no_text_along(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there, silent=False) as page:
        expect(page.locator("#picture .node")).to_have_count(4)
        text = SMALL.replace("ReLU", "GELU")
        write(page, text)
        assert there.end() == 0
        port = there.host.rpartition(":")[2]
        expect(page.locator("#banner")).to_contain_text(
            "netgen studio has ended. Your text stays in this tab. To go on, start "
            f"netgen studio small.yaml --port {port} in a terminal"
        )
        page.click("#save")
        assert written(page) == text
        assert (tmp_path / "small.yaml").read_text() == SMALL
        with studio(tmp_path, "small.yaml", "--port", port) as again:
            expect(page.locator("#banner")).to_contain_text("has been started again")
            assert written(page) == text
            page.on("dialog", lambda dialog: dialog.accept())
            page.goto(again.address)  # the same page, with another token
            expect(page.locator("#banner")).to_contain_text("What you had not saved is here again.")
            assert written(page) == text
            page.click("#save")
            expect(page.locator("#changed")).to_be_hidden()
            assert (tmp_path / "small.yaml").read_text() == text


def test_it_begins_with_a_template_or_an_empty_page(browser: Browser, tmp_path: Path) -> None:
    with studio(tmp_path) as there, opened(browser, there) as page:
        expect(page.locator("#templates")).to_be_visible()
        page.click("dialog button[value=lenet]")
        expect(page.locator("#figures")).to_contain_text("61,706 parameters")
        page.wait_for_selector("#picture[data-drawn]")  # there is something to be stale
        page.click("#new")
        page.click("#empty")
        expect(page.locator("#editor")).to_contain_text("name: Net")
        first = "Write the first layer, or click a part together."
        expect(page.locator("#problems")).to_have_text(first)  # and no mistakes
        expect(page.locator("#stale")).to_be_hidden()  # the forms are of no text
        page.click("#tab-picture")
        expect(page.locator("#stale")).to_be_visible()
        page.keyboard.press("Escape")
        page.click("#editor .cm-line >> nth=3")
        page.keyboard.press("End")
        page.keyboard.type("GELU")
        expect(page.locator("#problems")).to_have_text("No problems.")
        page.click("#new")
        page.keyboard.press("Escape")
        expect(page.locator("#templates")).to_be_hidden()
        expect(page.locator("#editor")).to_contain_text("GELU")
        page.click("#new")
        page.mouse.click(5, 5)  # beside it
        expect(page.locator("#templates")).to_be_hidden()
        expect(page.locator("#editor")).to_contain_text("GELU")
        page.click("#save")
        expect(page.locator("#changed")).to_be_hidden()
        assert (tmp_path / "net.yaml").read_text() == (
            "name: Net\ninput: [3, 32, 32]\nlayers:\n  - GELU"
        )


def test_networks_are_searched_to_begin_with(browser: Browser, tmp_path: Path) -> None:
    with studio(tmp_path) as there, opened(browser, there) as page:
        expect(page.locator("#wanted")).to_be_focused()
        page.keyboard.press("Enter")  # nothing has been searched
        page.keyboard.type("unet")
        found = page.locator("#choices button:visible b")
        expect(found).to_have_text(["diffusion_unet", "unet"])
        page.fill("#wanted", "unlikely")
        expect(page.locator("#unknown")).to_be_visible()
        page.fill("#wanted", "lenet-5")
        expect(page.locator("#unknown")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.locator("#figures")).to_contain_text("61,706 parameters")
        page.click("#new")
        expect(page.locator("#wanted")).to_have_value("")
        expect(page.locator("#choices button[hidden]")).to_have_count(0)
        page.click("#starter")
        expect(page.locator("#figures")).to_contain_text("38,522 parameters")
        expect(page.locator("#problems")).to_have_text("No problems.")


def test_a_text_of_ones_own_is_not_replaced_for_good(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:

        def start(name: str) -> None:
            page.click("#new")
            page.click(f"dialog button[value={name}]")

        start("lenet")  # in place of what is saved
        expect(page.locator("#figures")).to_contain_text("61,706 parameters")
        expect(page.locator("#banner")).to_be_hidden()
        page.fill("[data-name=num_classes] input[type=number]", "0")
        expect(page.locator("#problems li.error")).to_have_count(1)  # though nothing is written
        start("starter")  # in place of what was begun with, and not touched
        expect(page.locator("#figures")).to_contain_text("38,522 parameters")
        expect(page.locator("#banner")).to_be_hidden()
        text = SMALL.replace("ReLU", "GELU")
        write(page, text)
        expect(page.locator("#figures")).to_contain_text("40 parameters")  # and it has its slider
        page.fill("[data-name=width] input[type=number]", "16")
        expect(page.locator("#figures")).to_contain_text("80 parameters")
        start("lenet")
        expect(page.locator("#figures")).to_contain_text("61,706 parameters")
        page.click("#banner button:has-text('Undo')")
        assert written(page) == text
        expect(page.locator("#figures")).to_contain_text("80 parameters")
        expect(page.locator("#banner")).to_be_hidden()


def test_an_address_that_was_used_tells_how_to_go_on(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there):
        context = browser.new_context()
        page = context.new_page()
        page.goto(there.address)
        banner = page.locator("#banner")
        expect(banner).to_contain_text("netgen studio does not know this browser")
        expect(banner).to_contain_text("Go on in the browser that has opened it.")
        expect(banner.locator("button")).to_have_count(0)  # there is no text to be kept
        context.close()


def test_a_completion_brings_the_arguments(browser: Browser, tmp_path: Path) -> None:
    with studio(tmp_path) as there, opened(browser, there) as page:
        page.click("#empty")
        expect(page.locator("#editor")).to_contain_text("name: Net")
        offered = page.locator(".cm-tooltip-autocomplete")
        page.keyboard.type("Conv2d")  # a whole word, but no whole layer
        expect(offered.locator(".forms code")).to_have_text(
            ["Conv2d: {out_channels: 64, kernel_size: 3, padding: 1}", "Conv2d: [64, 3]"]
        )
        page.wait_for_timeout(200)  # what has just opened takes no key
        page.keyboard.press("Enter")
        page.keyboard.type("16")  # in place of the first value
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        page.keyboard.type("5")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")  # the next line
        page.keyboard.type("- ReL")
        expect(offered).to_be_visible()
        page.keyboard.type("U")
        expect(offered).to_have_count(0)  # nothing is left to write
        page.keyboard.press("Enter")
        page.keyboard.type("- Conv2d: ")
        expect(offered.locator("li").first).to_have_text(re.compile("out_channels: 64"))
        page.keyboard.type("[8, 3]")
        page.keyboard.press("Enter")
        page.keyboard.type("- Con")
        expect(offered.locator(".forms button >> nth=1")).to_contain_text("Conv2d: [64, 3]")
        page.click(".cm-tooltip-autocomplete .forms button >> nth=1")
        expect(page.locator("#problems")).to_have_text("No problems.")
        assert written(page) == (
            "name: Net\ninput: [3, 32, 32]\nlayers:\n"
            "  - Conv2d: {out_channels: 16, kernel_size: 5, padding: 1}\n  - ReLU\n"
            "  - Conv2d: [8, 3]\n  - Conv2d: [64, 3]"
        )


def test_all_pieces_make_a_network(browser: Browser, tmp_path: Path) -> None:
    """Each one goes where it belongs, and fits after the one before it."""
    with studio(tmp_path) as there, opened(browser, there) as page:
        page.click("#empty")
        pieces = page.locator("#forms-panel section >> nth=0").locator("button")
        expect(pieces.first).to_be_visible()
        for place in range(pieces.count()):
            pieces.nth(place).click()
            expect(page.locator("#problems")).to_have_text("No problems.")
        page.fill("#forms-panel input", "argument class")
        page.click("#forms-panel button:has-text('params: {width: 64}')")
        expect(page.locator("#problems li")).to_contain_text("uses the parameter `width`")
        page.fill("#forms-panel input", "sigmoid")
        page.click("#forms-panel code:text-is('- Sigmoid')")
        page.click("#editor .cm-line:has-text('Flatten')")
        page.fill("#forms-panel input", "dropout")
        page.click("#forms-panel code:text-is('- Dropout: {p: 0.5}')")
        page.keyboard.type("0.1")
        page.keyboard.press("Control+s")
        expect(page.locator("#changed")).to_be_hidden()
        text = (tmp_path / "net.yaml").read_text()
        assert text.startswith(
            "name: Net\ninput: [3, 32, 32]\nparams: {width: 64}\nlayers:\n"
            "  - Conv2d: {out_channels: 64, kernel_size: 3, padding: 1, bias: false}\n"
        )
        head, _, blocks = text.partition("\nblocks:\n")
        assert head.endswith("\n  - Flatten\n  - Dropout: {p: 0.1}\n  - Linear: 10\n  - Sigmoid")
        assert "\n  - Downsample: {channels: 128, stride: 2}\n  - Conv2d: {name: stem," in head
        assert re.findall("^  (\\w+):$", blocks, re.MULTILINE) == ["Downsample", "Residual"]
        found = check(text.replace("channels: 128", "channels: $width"), "net.yaml")
        assert found.diagnostics == ()


def test_a_piece_is_filled_in(browser: Browser, tmp_path: Path) -> None:
    """Its values are gone through by Tab; the next piece comes after it, not into it."""
    with studio(tmp_path) as there, opened(browser, there) as page:
        page.click("#empty")
        page.click("#forms-panel button:has-text('branches:')")
        page.keyboard.type("5")
        page.keyboard.press("Tab")
        page.keyboard.type("2")
        page.click("#forms-panel button:has-text('AdaptiveAvgPool2d: 1')")
        page.keyboard.type("7")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.insert_text("- Softmax: 1")
        expect(page.locator("#problems")).to_have_text("No problems.")
        assert written(page) == (
            "name: Net\ninput: [3, 32, 32]\nlayers:\n  - Add:\n      branches:\n        - []\n"
            "        - - Conv2d: {out_channels: $in_channels, kernel_size: 5, padding: 2}\n"
            "          - BatchNorm2d\n          - ReLU\n"
            "  - AdaptiveAvgPool2d: 1\n  - Flatten\n  - Linear: 7\n  - Softmax: 1"
        )


def test_forms_are_searched(browser: Browser, tmp_path: Path) -> None:
    with studio(tmp_path) as there, opened(browser, there) as page:
        page.click("#empty")
        found = page.locator("#forms-panel .entry:visible")
        nothing = page.locator("#forms-panel p:has-text('Nothing found.')")
        for word in "shortcut skip projection downsample".split():
            page.fill("#forms-panel input", word)
            expect(found.filter(has_text="Shortcut where the shape changes")).to_have_count(1)
            expect(nothing).to_be_hidden()
        page.fill("#forms-panel input", "unlikely")
        expect(found).to_have_count(0)
        expect(nothing).to_be_visible()


def test_the_layer_under_the_cursor_is_lit_everywhere(browser: Browser, tmp_path: Path) -> None:
    text = (ROOT / "configs" / "resnet18.yaml").read_text()
    (tmp_path / "net.yaml").write_text(text)
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node.block").first).to_be_visible()
        page.click("#editor .cm-line:has-text('MaxPool2d')")
        expect(page.locator("#picture .marked")).to_contain_text("MaxPool2d")
        page.click("#tab-source")
        expect(page.locator("#source .cm-marked").first).to_contain_text("maxpool")
        page.click("#tab-table")
        expect(page.locator("#table-panel tr.marked td >> nth=0")).to_have_text("maxpool")
        page.click("#table-panel tr:has-text('fc')")
        page.click("#tab-explain")
        expect(page.locator("#explain-panel")).to_contain_text("fc: Linear, net.yaml:")
        expect(page.locator("#editor .cm-activeLine")).to_contain_text("fc")
        page.click("#tab-picture")
        page.fill("#search", "layer3.0.downsample.1")
        page.keyboard.press("Enter")
        expect(page.locator("#picture .node.marked")).to_contain_text("BatchNorm2d")
        page.click("#tab-weights")
        expect(page.locator("#weights-panel tr.marked").first).to_contain_text(
            "layer3.0.downsample.1.weight"
        )


def test_a_line_with_a_mistake_is_still_its_layer(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(4)
        page.click("#editor .cm-line >> nth=4")
        page.keyboard.press("End")
        page.keyboard.type("s")
        expect(page.locator("#stale")).to_be_visible()
        page.click("#editor .cm-line >> nth=5")
        expect(page.locator("#picture .marked")).to_contain_text("ReLU")
        page.click("#editor .cm-line >> nth=4")
        expect(page.locator("#picture .marked")).to_contain_text("Linear")


IN_VIEW = """() => {
    const frame = document.querySelector("#picture").getBoundingClientRect();
    const within = (box) => box.left >= frame.left - 1 && box.right <= frame.right + 1
        && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
    const of = (name) => [...document.querySelectorAll(`#picture ${name}`)]
        .every((one) => within(one.getBoundingClientRect()));
    return { all: of(".node"), marked: of(".marked") };
}"""


def after_a_draw(page: Page, before: str | None) -> dict[str, bool]:
    """What of the picture is in view, once it is another one."""
    expect(page.locator("#picture")).not_to_have_attribute("data-drawn", before or "")
    found: dict[str, bool] = page.evaluate(IN_VIEW)
    return found


def test_what_is_typed_is_lit_and_in_view(browser: Browser, tmp_path: Path) -> None:
    layers = "".join(f"  - Linear: {n}\n  - ReLU\n" for n in range(10, 30))
    (tmp_path / "net.yaml").write_text(f"name: Net\ninput: [4]\nlayers:\n{layers}")
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(42)
        assert not page.evaluate(IN_VIEW)["all"]  # that could not be read
        page.click("#editor .cm-line >> nth=20")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.insert_text("- Tanh")
        expect(page.locator("#picture .marked")).to_contain_text("Tanh")
        assert page.evaluate(IN_VIEW)["marked"]
        page.click("#fit")
        assert page.evaluate(IN_VIEW)["all"]
        drawn = page.get_attribute("#picture", "data-drawn")
        page.keyboard.press("Shift+Tab")  # to the editor again, by keys alone
        page.click("#editor .cm-line >> nth=30")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.insert_text("- Sigmoid")
        expect(page.locator("#picture .marked")).to_contain_text("Sigmoid")
        assert after_a_draw(page, drawn) == {"all": True, "marked": True}
        page.click("#tab-table")
        expect(page.locator("#table-panel tr.marked td >> nth=0")).to_have_text("sigmoid")
        page.keyboard.press("Tab")
        page.click("#editor .cm-line >> nth=35")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.insert_text("- GELU")
        expect(page.locator("#table-panel tr.marked td >> nth=0")).to_have_text("gelu")
        page.click("#tab-source")
        expect(page.locator("#source .cm-marked").first).to_contain_text("gelu")


def test_what_is_lit_stays_in_view(browser: Browser, tmp_path: Path) -> None:
    """Also where the picture gets smaller, as problems need their place."""
    layers = "".join(f"  - Linear: {n}\n  - ReLU\n" for n in range(10, 30))
    (tmp_path / "net.yaml").write_text(f"name: Net\ninput: [4]\nlayers:\n{layers}")
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(42)
        page.click("#editor .cm-line:has-text('Linear: 25')")
        expect(page.locator("#picture .marked")).to_contain_text("Linear 25")
        before = page.locator("#picture").evaluate("one => one.clientHeight")
        page.keyboard.press("End")
        page.keyboard.type("s")
        expect(page.locator("#problems li.error")).to_have_count(1)
        expect(page.locator("#stale")).to_be_visible()
        assert page.locator("#picture").evaluate("one => one.clientHeight") < before
        expect(page.locator("#picture .marked")).to_contain_text("Linear 25")
        assert page.evaluate(IN_VIEW)["marked"]


def test_bars_tell_what_costs_most(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text((ROOT / "configs" / "lenet.yaml").read_text())
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        page.click("#tab-bars")
        row = page.locator("#bars-panel tr:has-text('fc1')")
        expect(row.locator("td")).to_have_text(["fc1", "48.1K 78%", "48.0K 12%", "1.56KiB 3%"])
        longest = "all => all.map((one) => parseFloat(one.style.width)).indexOf(100)"
        bars = "#bars-panel tbody td:nth-child(2) .bar"
        names = page.locator("#bars-panel tbody tr td:first-child").all_text_contents()
        assert names[page.eval_on_selector_all(bars, longest)] == "fc1"
        expect(page.locator("#bars-panel tfoot td >> nth=1")).to_have_text("61.7K")
        row.click()
        expect(page.locator("#editor .cm-activeLine")).to_contain_text("fc1")


def test_a_variant_and_a_device_are_chosen(browser: Browser, tmp_path: Path) -> None:
    text = SMALL + "variants: {small: {width: 2}, large: {width: 16}}\n"
    (tmp_path / "small.yaml").write_text(text)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#figures")).to_contain_text("40 parameters")
        expect(page.locator("#variant option")).to_have_text(["none", "small", "large"])
        page.select_option("#variant", "large")
        expect(page.locator("#figures")).to_contain_text("80 parameters")
        expect(page.locator("#given")).to_contain_text(
            "width = 16 is shown and run, but not in the text"
        )
        page.fill("[data-name=width] input[type=number]", "2")
        expect(page.locator("#variant")).to_have_value("small")
        page.select_option("#variant", "none")
        expect(page.locator("#figures")).to_contain_text("40 parameters")
        expect(page.locator("#given")).to_be_hidden()
        page.click("#tab-run")
        page.select_option("#device", "meta")
        page.click("#run")
        expect(page.locator("#verdict .passed")).to_contain_text("on meta", timeout=120_000)
        page.check("#levels input[value=learn]")
        page.click("#run")
        expect(page.locator("#verdict .problems")).to_contain_text(
            "learn can't be shown on meta: nothing is computed there", timeout=120_000
        )
        write(page, SMALL)
        expect(page.locator("#variants")).to_be_hidden()


def test_keys_move_between_boxes(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text((ROOT / "configs" / "resnet18.yaml").read_text())
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node.block").first).to_be_visible()
        before = page.locator("#picture .node").count()
        page.focus("#picture")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#picture .marked")).to_contain_text("conv1")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#picture .marked")).to_contain_text("bn1")
        expect(page.locator("#editor .cm-activeLine")).to_contain_text("bn1")
        page.click("#picture .node.block >> nth=1")
        page.keyboard.press("Enter")
        expect(page.locator("#picture .node")).not_to_have_count(before)
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()


WITHIN = """() => [...document.querySelectorAll("#picture .node")].map((one) => {
    const frame = document.getElementById(one.id.replace(/^t/, "")).querySelector("path, ellipse");
    const [box, texts] = [frame.getBoundingClientRect(), [...one.querySelectorAll("text")]];
    return texts.map((text) => text.getBoundingClientRect())
        .every(({ left, right }) => left >= box.left + 1 && right <= box.right - 1);
})"""


def test_texts_stay_in_their_boxes(browser: Browser, tmp_path: Path) -> None:
    """With a font that is wider than the one that Graphviz has measured, too."""
    (tmp_path / "net.yaml").write_text((ROOT / "starters" / "starter.yaml").read_text())
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .heading")).to_have_count(3)
        page.add_style_tag(content="#picture text { letter-spacing: 1px; }")
        page.click("#fold")
        expect(page.locator("#picture .heading")).to_have_count(0)
        page.click("#unfold")
        expect(page.locator("#picture .heading")).to_have_count(3)
        within = page.evaluate(WITHIN)
        assert len(within) > 25
        assert all(within)


def test_nothing_is_to_be_folded_without_a_block(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SMALL)
    with studio(tmp_path, "net.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(4)
        expect(page.locator("#fold")).to_be_disabled()
        expect(page.locator("#unfold")).to_be_disabled()
        block = "blocks: {Body: {layers: [{Linear: 3}, ReLU]}}\n"
        write(page, SMALL + "  - Body\n" + block)
        expect(page.locator("#picture .heading")).to_have_count(1)  # it is small
        page.click("#fold")
        expect(page.locator("#picture .node.block")).to_have_count(1)
        page.click("#unfold")
        expect(page.locator("#picture .heading")).to_have_count(1)


@pytest.mark.slow
def test_nothing_hinders_people(browser: Browser, tmp_path: Path) -> None:
    """axe finds nothing, with each tab, light and dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")

    (tmp_path / "small.yaml").write_text(SMALL)
    with studio(tmp_path, "small.yaml") as there, opened(browser, there) as page:
        expect(page.locator("#picture .node")).to_have_count(4)
        for _ in ("light", "dark"):
            for tab in "picture source table bars explain weights forms problems run".split():
                page.click(f"#tab-{tab}")
                found = axe.Axe().run(page).response["violations"]
                assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], tab
            page.click("#theme")


@pytest.mark.slow
def test_a_thousand_layers_keep_up_with_the_typist(browser: Browser, tmp_path: Path) -> None:
    """The limits are multiples of what a check takes here and now: a machine may be busy."""
    layers = "".join(
        f"  - Conv2d: {{name: conv{n}, out_channels: $width, kernel_size: 3, padding: 1}}\n"
        f"  - BatchNorm2d: {{name: bn{n}}}\n  - ReLU\n  - Dropout: 0.1\n"
        for n in range(250)
    )
    text = f"name: Big\ninput: [3, 64, 64]\nparams: {{width: 16}}\nlayers:\n{layers}"
    (tmp_path / "big.yaml").write_text(text)
    begun = time.monotonic()
    check(text, "big.yaml")
    own = time.monotonic() - begun
    with studio(tmp_path, "big.yaml") as there, opened(browser, there) as page:
        page.wait_for_selector("#picture[data-drawn]")
        page.click("#editor .cm-line >> nth=7")
        page.keyboard.press("End")
        took = [after_a_key(page, len(text) + number) for number in (1, 2, 3)]
        keyed, checked, seen = map(min, zip(*took, strict=True))  # others may be at work, too
        assert keyed < max(own, 0.1), (own, took)
        assert checked < 4 * own + 0.3, (own, took)
        assert seen < 15 * own + 1, (own, took)


def after_a_key(page: Page, length: int) -> tuple[float, float, float]:
    """The seconds until a key is written, its text checked, and the picture drawn."""
    drawn = int(page.get_attribute("#picture", "data-drawn") or 0)
    begun = time.monotonic()
    page.keyboard.type("5")
    keyed = time.monotonic() - begun
    expect(page.locator("body")).to_have_attribute("data-checked", str(length))
    checked = time.monotonic() - begun
    expect(page.locator("#picture")).to_have_attribute("data-drawn", str(drawn + 1))
    return keyed, checked, time.monotonic() - begun
