"""`netgen studio`: who is answered, what it opens and writes, and what is said of a text."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch_netgen.lsp.snapshot import check
from torch_netgen.spec.include import text_of_included
from torch_netgen.studio.problems import in_page, problems

from .command import netgen
from .conftest import ROOT
from .studio import PATIENCE, Studio, studio

SMALL = "name: Small\ninput: [4]\nparams: {width: 8}\nlayers:\n  - Linear: $width\n  - ReLU\n"
BAD = sorted((ROOT / "tests" / "bad").glob("*.yaml"))
WRONG = SMALL.replace("ReLU", "RelU")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio") / "nets"


@pytest.fixture(scope="module")
def opened(folder: Path) -> Iterator[Studio]:
    """A studio whose address has been used."""
    folder.mkdir()
    (folder / "small.yaml").write_text(SMALL)
    (folder.parent / "secret.yaml").write_text("blocks: {Hidden: {layers: [ReLU]}}\n")
    with studio(folder, "small.yaml") as found:
        found.open()
        yield found


@pytest.fixture
def page(opened: Studio, folder: Path) -> Studio:
    """The same, with its file as it was."""
    for path in folder.iterdir():
        path.unlink()
    (folder / "small.yaml").write_text(SMALL)
    return opened


def about(text: str, **more: object) -> dict[str, object]:
    return {"tab": "t", "text": text, **more}


# Who is answered


def test_the_token_is_good_for_once(tmp_path: Path) -> None:
    with studio(tmp_path, "net.yaml") as found:
        wrong = found.http("POST", "/open", {"token": found.token[:-1]}, found.own)
        assert wrong.status == 401
        found.open()
        again = found.http("POST", "/open", {"token": found.token}, found.own)
        assert again.status == 401
        assert again.json == {"why": "this address has been used: start `netgen studio` again"}
        assert found.ask("load")["text"] == ""
        assert found.end() == 0


@pytest.mark.parametrize("host", ["example.org", "example.org:{port}", "127.0.0.1", "[::1]:{port}"])
def test_a_foreign_name_that_leads_here_is_not_answered(page: Studio, host: str) -> None:
    host = host.format(port=page.host.rpartition(":")[2])
    for path in ("/", "/assets/studio.js", "/ask/load"):
        own = {**page.own, "Host": host, "Origin": f"http://{host}"}
        assert page.http("GET", path, headers=own).status == 403
        assert page.http("POST", path, {}, own).status == 403


@pytest.mark.parametrize(
    "origin", ["http://example.org", "null", "https://{host}", "http://127.0.0.1"]
)
def test_a_foreign_page_is_not_answered(page: Studio, origin: str) -> None:
    own = {**page.own, "Origin": origin.format(host=page.host)}
    assert page.http("POST", "/ask/load", {}, own).status == 403
    asks_first = {**own, "Access-Control-Request-Method": "POST"}
    answer = page.http("OPTIONS", "/ask/load", headers=asks_first)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_nothing_is_told_without_the_key(page: Studio) -> None:
    names = "build check compare complete explain forms hover load save settle state template view"
    for name in names.split():
        for key in ("", page.key[:-1], page.token):
            own = {**page.own, "X-Netgen-Key": key}
            assert page.http("POST", f"/ask/{name}", about(SMALL), own).status == 401
        own = page.own
        del own["Origin"]  # a browser always gives it
        assert page.http("POST", f"/ask/{name}", about(SMALL), own).status == 401


def test_it_listens_on_this_machine_alone(page: Studio) -> None:
    port = int(page.host.rpartition(":")[2])
    other = socket.gethostbyname(socket.gethostname())
    if other.startswith("127."):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError, match="refused"), socket.create_connection((other, port), 5):
        pass


def test_a_browser_is_told_what_the_page_may_do(page: Studio) -> None:
    for path in ("/", "/assets/studio.js", "/assets/nothing.js", "/ask/load"):
        headers = page.http("GET", path).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


# What it opens


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py",
        "/assets/%2e%2e/server.py",
        "/assets/..%2fserver.py",
        "/assets/%2fetc%2fpasswd",
        "/assets/server.py",
        "/assets/__init__.py",
        "/assets/",
        "/../small.yaml",
        "/small.yaml",
        "/etc/passwd",
    ],
)
def test_no_path_leads_to_a_file_that_is_not_the_pages(page: Studio, path: str) -> None:
    answer = page.http("GET", path)
    assert answer.status == 404
    assert b"import" not in answer.body
    assert b"Linear" not in answer.body


@pytest.mark.linux
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../secret.yaml", "it is above the spec's folder"),
        ("/etc/hostname.yaml", "the path is absolute"),
        ("link.yaml", "a link leads out of the spec's folder"),
    ],
)
def test_a_text_includes_nothing_from_elsewhere(
    page: Studio, folder: Path, path: str, reason: str
) -> None:
    (folder / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    text = f"include: [{path}]\n{SMALL.replace('ReLU', 'Hidden')}"
    for name in ("check", "build"):
        answer = page.http("POST", f"/ask/{name}", about(text), page.own).body.decode()
        assert f"`{path}` can't be included: {reason}" in answer


def test_what_a_spec_includes_is_read(page: Studio, folder: Path) -> None:
    (folder / "blocks.yaml").write_text("blocks: {Pair: {layers: [Linear: 3, ReLU]}}\n")
    text = f"include: [blocks.yaml]\n{SMALL.replace('ReLU', 'Pair')}"
    assert page.ask("check", **about(text))["problems"] == []
    assert "class Pair(nn.Module):" in page.ask("view", **about(text))["source"]


def test_a_request_names_no_file(page: Studio) -> None:
    """The page can't say which file it is about."""
    answer = page.ask("check", **about(WRONG, file="/etc/passwd"))
    [problem] = answer["problems"]
    assert problem["place"] == {"from": [5, 4], "to": [5, 8]}
    assert page.ask("view", **about(SMALL, file="/etc/passwd"))["source"].startswith(
        '"""Generated by netgen from small.yaml (digest '
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"tab": "t"}',
        b'{"tab": "t", "text": 3}',
        b"\xff",
        b'{"tab":"t","text":"","more":1}',
    ],
)
def test_what_has_another_form_is_refused(page: Studio, body: bytes) -> None:
    answer = page.http("POST", "/ask/check", body, page.own)
    assert answer.status == 400
    assert set(answer.json) == {"why"}


def test_what_is_too_long_is_refused(page: Studio) -> None:
    own = {**page.own, "Content-Length": str(10**9)}
    assert page.http("POST", "/ask/check", None, own).status == 413
    chunked = {**page.own, "Transfer-Encoding": "chunked"}
    assert page.http("POST", "/ask/check", None, chunked).status == 413
    [problem] = page.ask("check", **about("#" * 1_000_001))["problems"]
    assert problem["code"] == "NG103"


# What is said of a text


def test_mistakes_are_those_of_check_with_places_of_the_editor(page: Studio) -> None:
    text = SMALL.replace("Small\n", "Small\ndescription: 'a 🙂'\n") + "  - {Conv2D: 3} # 🙂\n"
    answer = page.ask("check", **about(text))
    expected = check(text, "small.yaml").diagnostics
    assert [(x["code"], x["message"], x["help"]) for x in answer["problems"]] == [
        (x.code, x.message, x.help) for x in expected
    ]
    lines = text.split("\n")
    for problem, found in zip(answer["problems"], expected, strict=True):
        (row, start), (_, end) = problem["place"]["from"], problem["place"]["to"]
        assert found.location is not None
        there = found.location.column - 1
        assert lines[row][start:end] == lines[row][there : there + found.location.length]


def test_values_of_parameters_are_those_of_set(page: Studio) -> None:
    answer = page.ask("check", **about(SMALL, values={"width": "16"}))
    assert answer["figures"]["parameters"] == 4 * 16 + 16
    [width] = answer["parameters"]
    assert width == {
        "name": "width",
        "doc": "",
        "value": "16",
        "default": "8",
        "control": "slider",
        "low": 1,
        "high": 32,
        "step": 1,
    }
    assert "width: int = 16" in page.ask("view", **about(SMALL, values={"width": "16"}))["source"]
    [problem] = page.ask("check", **about(SMALL, values={"width": "0"}))["problems"]
    assert problem["severity"] == "error"
    [problem] = page.ask("check", **about(SMALL, values={"width": "[1"}))["problems"]
    assert problem["message"] == "'[1' is not a value for `width`"


def test_the_view_is_what_the_command_line_gives(page: Studio, folder: Path) -> None:
    view = page.ask("view", **about(SMALL))
    built = netgen("build", "small.yaml", "-o", "-", "--no-smoke", cwd=folder)
    assert view["source"] == built.stdout
    explained = page.ask("explain", **about(SMALL, call=0))["text"]
    assert explained + "\n" == netgen("explain", "small.yaml", "fc1", cwd=folder).stdout
    assert [weight["name"] for weight in view["weights"]] == ["fc1.weight", "fc1.bias"]
    assert [row["cells"][0] for row in view["table"]["rows"]] == ["x", "fc1", "relu"]
    assert [row["call"] for row in view["table"]["rows"]] == [None, 0, 1]
    assert view["spec_lines"] == [5, 6]
    assert page.ask("view", **about(WRONG)) == {"ok": False}


def test_hover_and_completion_answer(page: Studio) -> None:
    page.ask("check", **about(SMALL))
    hover = page.ask("hover", **about(SMALL, row=4, character=6))
    assert "(N, 4) → (N, 8)" in hover["text"]
    assert hover["place"] == {"from": [4, 4], "to": [4, 10]}
    found = page.ask("complete", **about(SMALL + "  - Max", row=6, character=7))
    assert found["from"] == [6, 4]
    assert "MaxPool2d" in [option["label"] for option in found["options"]]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_message_names_the_command_line(path: Path) -> None:
    """In the page there is none: what messages advise is done there."""
    text = path.read_text()
    for one in problems(check(text, path.name, text_of_included).diagnostics):
        told = [one["message"], *one["notes"], one["help"] or ""]
        command = re.compile(r"`netgen (?!build --allow-imports`)|`--")
        assert [line for line in told if command.search(line)] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "this needs a layer of its own (`netgen init resnet18` has one)",
            "this needs a layer of its own (the network `resnet18` under `Start from…` has one)",
        ),
        ("`--set width=x`: `width` is a whole number", "`width=x`: `width` is a whole number"),
        (
            "`--device meta` runs it without data, `--no-smoke` builds it without a run",
            "the device `meta` runs it without data",
        ),
        ("`--timeout` gives it more time", ""),
        (
            "`--timeout` gives it more time, `--device meta` looks at shapes alone",
            "the device `meta` looks at shapes alone",
        ),
        ("is torch installed? `--no-smoke` builds without it", "is torch installed?"),
        (
            "`--variant` builds one alone, `--no-smoke` builds all without a run",
            "one variant alone may be chosen above the parameters",
        ),
        (
            "4 of 4 members of the class tried: each is what `--set` gives",
            "4 of 4 other sets of arguments tried: "
            "each gives what the spec gives for the same values",
        ),
        ("`--output` is no option of this page", "`--output` is no option of this page"),
    ],
)
def test_what_is_done_on_the_command_line_is_done_in_the_page(before: str, after: str) -> None:
    assert in_page(before) == after


def test_templates_are_given(page: Studio) -> None:
    known = page.ask("load")["templates"]
    assert "resnet18" in known
    text = page.ask("template", name="resnet18")["text"]
    assert page.ask("check", **about(text))["ok"]
    answer = page.http("POST", "/ask/template", {"name": "../../secret"}, page.own)
    assert answer.status == 404


# What it writes


@pytest.mark.linux
def test_a_text_is_saved_over_what_it_was_made_from(page: Studio, folder: Path) -> None:
    there = page.ask("load")
    assert (there["text"], there["path"], there["output"]) == (SMALL, "small.yaml", "small.py")
    (folder / "small.yaml").chmod(0o640)
    there = page.ask("load")
    saved = page.ask("save", **about(WRONG, version=there["version"]))
    assert saved["ok"]
    assert (folder / "small.yaml").read_text() == WRONG
    assert (folder / "small.yaml").stat().st_mode & 0o777 == 0o640
    assert page.ask("state")["version"] == saved["version"] != there["version"]
    assert page.ask("save", **about(SMALL, version=saved["version"]))["ok"]


def test_what_somebody_else_has_saved_is_kept(page: Studio, folder: Path) -> None:
    path = folder / "small.yaml"
    version = page.ask("load")["version"]
    path.write_text("# mine\n" + SMALL)
    answer = page.ask("save", **about(WRONG, version=version))
    assert not answer["ok"]
    [problem] = answer["problems"]
    assert (problem["code"], problem["message"]) == (
        "NG502",
        "`small.yaml` has been saved by somebody else meanwhile: it is kept",
    )
    assert path.read_text() == "# mine\n" + SMALL
    path.unlink()
    assert not page.ask("save", **about(WRONG, version=version))["ok"]
    assert not path.exists()
    assert page.ask("save", **about(WRONG, version=""))["ok"]
    assert not page.ask("save", **about(SMALL, version=""))["ok"]
    assert path.read_text() == WRONG


def test_the_file_is_compared_with_the_text(page: Studio, folder: Path) -> None:
    (folder / "small.yaml").write_text("# theirs\n" + SMALL)
    answer = page.ask("compare", **about(SMALL + "# mine\n"))
    assert answer["text"] == "# theirs\n" + SMALL
    assert answer["version"] == page.ask("state")["version"]
    changes = answer["changes"]
    assert [line for line in changes if line[0] in "+-"] == ["-# theirs", "+# mine"]
    saved = page.ask("save", **about(SMALL, version=answer["version"]))
    assert saved["ok"]  # what was seen is saved over
    assert page.ask("compare", **about(SMALL))["changes"] == []
    (folder / "small.yaml").unlink()
    gone = page.ask("compare", **about(SMALL))
    assert (gone["text"], gone["version"]) == ("", "")


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("{width: 8}", {"width": "32"}, "{width: 32}"),
        (
            "{width: {default: 8, doc: How wide.}, act: ReLU}  # both",
            {"act": '"GELU"', "width": "4"},
            "{width: {default: 4, doc: How wide.}, act: GELU}  # both",
        ),
        (
            "\n  width: 8      # how wide\n  sizes:\n    - 1\n    - 2\n",
            {"sizes": "[3, 4, 5]", "width": "16"},
            "\n  width: 16      # how wide\n  sizes:\n    [3, 4, 5]\n",
        ),
        ("{w: true, x: 'a b'}", {"w": "false", "x": "'c: d'"}, "{w: false, x: 'c: d'}"),
    ],
)
def test_values_are_written_into_the_text(
    page: Studio, before: str, values: dict[str, str], after: str
) -> None:
    spec = "name: Net\ninput: [4]\nparams: {}\nlayers:\n  - ReLU  # at the end 💡\n"
    answer = page.ask("settle", **about(spec.format(before), values=values))
    assert (answer["ok"], answer["text"]) == (True, spec.format(after))


@pytest.mark.parametrize(
    ("params", "values", "said"),
    [
        ("{a: &x 8, b: *x}", {"b": "4"}, "can't write `b` into the text"),
        ("{a: 8}", {"c": "4"}, "can't write `c` into the text"),
        ("[a, b]", {"a": "4"}, "can't write `a` into the text"),
        ("{a: {doc: no default}}", {"a": "4"}, "can't write `a` into the text"),
        ("{a: 8}", {"a": "[4"}, "'[4' is not a value for `a`"),
    ],
)
def test_what_would_change_more_is_not_written(
    page: Studio, params: str, values: dict[str, str], said: str
) -> None:
    spec = f"name: Net\ninput: [4]\nparams: {params}\nlayers: [ReLU]\n"
    answer = page.ask("settle", **about(spec, values=values))
    assert not answer["ok"]
    assert [problem["message"] for problem in answer["problems"]] == [said]


def test_line_breaks_stay(page: Studio, folder: Path) -> None:
    path = folder / "small.yaml"
    path.write_bytes(SMALL.replace("\n", "\r\n").encode())
    there = page.ask("load")
    assert there["text"] == SMALL
    assert page.ask("save", **about(WRONG, version=there["version"]))["ok"]
    assert path.read_bytes() == WRONG.replace("\n", "\r\n").encode()


def built(page: Studio, **asked: object) -> tuple[list[str], Any]:
    """What is worked on, and the verdict."""
    answer = page.http("POST", "/ask/build", asked, page.own)
    *said, last = map(json.loads, answer.body.decode().splitlines())
    return [one["said"] for one in said], last["answer"]


def test_a_run_is_told_of_and_its_source_written(page: Studio, folder: Path) -> None:
    said, answer = built(page, **about(SMALL, prove=["learn"], write=True, values={"width": "5"}))
    assert said[-4:] == ["forward", "backward", "eval", "learn"]
    assert answer["ok"], answer
    assert answer["written"] == "small.py"
    [proof] = answer["proofs"]
    assert proof["usual"] == ["forward", "backward", "eval"]
    assert "learn" in [level["level"] for level in proof["others"]]
    check = netgen("build", "small.yaml", "--check", "--set", "width=5", cwd=folder)
    assert (check.returncode, check.stdout) == (0, "small.py is what small.yaml gives\n")
    (folder / "small.py").write_text("mine\n")
    _, answer = built(page, **about(SMALL, write=True))
    [problem] = answer["problems"]
    assert not answer["ok"]
    assert problem["code"] == "NG502"
    assert problem["help"] == "move it away, or start the studio with another `-o`"
    assert (folder / "small.py").read_text() == "mine\n"


def test_a_wrong_text_is_not_run(page: Studio, folder: Path) -> None:
    said, answer = built(page, **about(WRONG, write=True))
    assert "forward" not in said
    assert not answer["ok"]
    assert not (folder / "small.py").exists()


def test_no_imported_code_runs(page: Studio, folder: Path) -> None:
    (folder / "mine.py").write_text("open('canary', 'w')\n")
    text = "name: Net\ninput: [4]\nimports: {Own: mine.Own}\nlayers: [Own]\n"
    [problem] = page.ask("check", **about(text))["problems"]
    assert (problem["code"], problem["severity"]) == ("NG209", "info")
    _, answer = built(page, **about(text))
    assert not answer["ok"]
    assert not (folder / "canary").exists()


# Its end


@pytest.mark.linux
def test_it_ends_with_all_its_processes(tmp_path: Path) -> None:
    with studio(tmp_path) as found:
        found.open()
        assert found.ask("check", **about(SMALL))["ok"]
        assert found.ask("view", **about(SMALL))["ok"]
        children = subprocess.run(
            ["pgrep", "-P", str(found.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(children) == 2
        found.process.kill()
        found.process.wait(PATIENCE)
        until = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{child}") for child in children):
            assert time.monotonic() < until, "its processes are still there"
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("net.txt",), "a spec's name ends with .yaml or .yml, not 'net.txt'"),
        (("net.yaml", "-o", "net.yaml"), "the source's name ends with .py, not 'net.yaml'"),
        (("net.yaml", "--port", "0"), "'0' is no whole number from 1 to 65,535"),
    ],
)
def test_wrong_usage(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    run = netgen("studio", *args, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.rstrip().endswith(said)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = netgen("studio", "--port", port, "--no-browser", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == f"netgen: can't listen on port {port}: address already in use\n"


def test_without_its_libraries_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['starlette.applications'] = None; sys.modules['uvicorn'] = None\n"
    )
    code += "from torch_netgen.cli.cli import main; sys.exit(main(['studio']))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr == (
        "netgen: `studio` needs Starlette and uvicorn, which is not there: "
        "pip install 'torch-netgen[studio]'\n"
    )


def test_the_editor_is_bundled_from_the_versions_that_are_named() -> None:
    """The parts in the lock file are those of `package.json`, and nothing is fetched by address."""
    folder = ROOT / "generator" / "studio" / "editor"
    wanted = json.loads((folder / "package.json").read_text())["devDependencies"]
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert "resolved" not in (folder / "package-lock.json").read_text()
    bundle = (folder.parent / "assets" / "codemirror.js").read_text(encoding="utf-8")
    assert bundle.startswith((folder / "banner.txt").read_text(encoding="utf-8").rstrip("\n"))
