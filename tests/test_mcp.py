"""`netgen mcp`: what coding agents are answered, asked with the SDK's own client."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_netgen.diagnostics.codes import CODES
from torch_netgen.mcp.answers import FACTS, MOST_LISTED, MOST_TEXT, MOST_TOLD
from torch_netgen.mcp.language import page, sections
from torch_netgen.mcp.server import INSTRUCTIONS
from torch_netgen.views.schema import schema

from .agent import COMMAND, Agent, agent, mended
from .conftest import ROOT

WRONG = """\
name: Classifier
input: [3, 16, 16]
params: {clases: 10}
layers:
  - Conv2d: {out_channels: 8, kernal_size: 3}
  - RelU
  - MaxPool2d: 2
  - Flaten
  - Linear: $classes
"""
SMALL = "name: Small\ninput: [4]\nparams: {width: 8}\nlayers:\n  - Linear: $width\n  - ReLU\n"
LAYERS = (f"  - Linear: {{name: layer_{n}, out_features: 8}}\n" for n in range(400))
LONG = f"name: Long\ninput: [8]\nlayers:\n{''.join(LAYERS)}"
MOST = MOST_TEXT + MOST_TOLD + 6 * MOST_LISTED + 4000  # characters of any answer's JSON


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside") / "project"


@pytest.fixture(scope="module")
def coder(folder: Path) -> Iterator[Agent]:
    folder.mkdir()
    with agent(folder) as found:
        yield found


@pytest.fixture
def files(folder: Path, coder: Agent) -> Path:
    """The server's folder, empty."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return folder


def around(folder: Path) -> set[str]:
    """All files beside the folder and below it."""
    return {str(path) for path in folder.parent.rglob("*")}


def code(answer: dict[str, Any]) -> str:
    """The code of the only diagnostic."""
    [found] = answer["diagnostics"]
    assert not answer["ok"]
    return str(found["code"])


def test_from_a_wrong_spec_to_a_proven_file_by_the_messages_alone(
    coder: Agent, files: Path
) -> None:
    spec, rounds = WRONG, 0
    answer = coder.ask("check", spec=spec)
    while not answer["ok"]:
        rounds += 1
        assert rounds < 9
        spec = mended(spec, answer)
        answer = coder.ask("check", spec=spec)
    assert rounds == 1
    answer = coder.ask("build", spec=spec, output="models/classifier.py", prove=["export"])
    assert (answer["ok"], answer["text"]) == (True, "")
    assert answer["facts"]["output"] == "models/classifier.py"
    [proof] = answer["facts"]["proofs"]
    assert "export" in {level["level"] for level in proof["levels"]}
    source = (files / "models" / "classifier.py").read_text()
    assert coder.ask("build", spec=spec)["text"] == source
    names: dict[str, Any] = {"__name__": "classifier"}
    exec(compile(source, "classifier.py", "exec"), names)
    network = names["Classifier"]()
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
    weights = sum(weight.numel() for weight in network.parameters())
    assert weights == answer["facts"]["parameters"]


def test_the_instructions_show_a_spec_that_is_right(coder: Agent) -> None:
    assert coder.client.instructions == INSTRUCTIONS
    spec = INSTRUCTIONS.partition("\n\n")[2].partition("\n\n")[0] + "\n"
    assert coder.ask("build", spec=spec)["ok"]


def test_a_mistake_has_its_place_its_reason_and_its_cure(coder: Agent, files: Path) -> None:
    (files / "net.yaml").write_text(SMALL.replace("ReLU", "RelU"))
    answer = coder.ask("check", spec="net.yaml")
    assert answer["diagnostics"] == [
        {
            "severity": "error",
            "code": "NG202",
            "message": "there is no layer type `RelU`",
            "file": "net.yaml",
            "line": 6,
            "column": 5,
            "end_column": 9,
            "notes": [],
            "help": "did you mean `ReLU`?",
        }
    ]
    verbose = coder.ask("check", spec="net.yaml", verbose=True)
    assert "fc1" in verbose["text"]


def test_each_tool_gives_what_its_verb_prints(coder: Agent, files: Path) -> None:
    (files / "old.yaml").write_text(SMALL)
    (files / "new.yml").write_text(SMALL.replace("- ReLU", "- Linear: 3"))

    def printed(*words: str) -> str:
        command = [sys.executable, "-P", "-m", "torch_netgen", *words]
        run = subprocess.run(command, cwd=files, capture_output=True, text=True, check=True)
        return run.stdout

    assert coder.ask("show", spec="old.yaml", batch=3)["text"] == printed(
        *("show", "old.yaml", "--batch", "3")
    )
    assert coder.ask("show", spec=SMALL, set={"width": 5}, batch=3)["text"] == printed(
        *("show", "old.yaml", "--batch", "3", "--set", "width=5")
    )
    assert coder.ask("explain", spec="new.yml", name="fc2")["text"] == printed(
        *("explain", "new.yml", "fc2")
    )
    assert coder.ask("diff", old="old.yaml", new="new.yml")["text"] == printed(
        *("diff", "old.yaml", "new.yml")
    )
    assert coder.ask("layers", name="Conv2d")["text"] == printed("layers", "Conv2d")
    assert coder.ask("layers")["text"].splitlines()[:-1] == printed("layers").splitlines()[:-1]
    assert coder.ask("templates")["text"] == printed("init", "--list")
    assert coder.ask("templates", name="lenet")["text"] == printed("init", "lenet", "-o", "-")
    facts = json.loads(printed("check", "old.yaml", "--format", "json"))["results"][0]
    found = coder.ask("check", spec="old.yaml")["facts"]
    assert found == {name: facts[name] for name in found}


def test_what_the_run_finds_is_told_with_the_source(coder: Agent) -> None:
    spec = "name: A\ninput: [T, 8]\nlayers:\n  - LSTM: {hidden_size: 8}\n  - Select: [1, -1]\n"
    answer = coder.ask("build", spec=spec)
    assert [found["code"] for found in answer["diagnostics"]] == ["NG311"]
    assert answer["ok"]
    assert answer["text"]
    assert code(coder.ask("build", spec=spec, strict=True)) == "NG311"


def test_variants_and_values(coder: Agent) -> None:
    spec = f"{SMALL}variants:\n  wide: {{width: 64}}\n"
    parameters = [
        coder.ask("check", spec=spec, **more)["facts"]["parameters"]
        for more in ({}, {"variant": "wide"}, {"set": {"width": 64}}, {"set": '{"width": 64}'})
    ]
    assert parameters == [40, 320, 320, 320]
    told = coder.ask("diff", old=spec, new=spec, new_variant="wide")["text"]
    assert "parameters: 40 -> 320 (+280)" in told
    [wrong] = coder.ask("check", spec=spec, set={"widht": 2})["diagnostics"]
    assert wrong["message"] == "`set: widht`: the spec has no such parameter"


def test_the_language_is_given_by_section(coder: Agent) -> None:
    told = coder.ask("language")["text"].splitlines()
    names = [line.strip().rpartition(" (")[0] for line in told]
    assert names[:3] == ["A first spec", "At a glance", "The document"]
    assert names.pop() == "Diagnostics"
    assert "  Computed weights" in [line.rpartition(" (")[0] for line in told]
    whole = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    for name in names:
        text, line = "", 1
        while True:
            answer = coder.ask("language", section=name.lower(), line=line)
            text += answer["text"]
            if not answer["left_out"]:
                break
            line = len(text.splitlines()) + 1
        assert text in whole
        assert text.partition("\n")[0].strip("# ").replace("`", "") == name
    assert whole == page()
    top = [section for name, section in sections(whole).items() if section.startswith("## ")]
    assert whole.endswith("".join(top))


def test_a_code_is_a_section_of_the_language(coder: Agent) -> None:
    every = coder.ask("language", section="diagnostics")
    assert not every["left_out"]
    assert re.findall(r"^(NG\d+): ", every["text"], re.M) == [*CODES]
    text = coder.ask("language", section="ng202")["text"]
    assert text == (
        f"NG202: an unknown layer type\n{CODES['NG202'].cure}\n\nA spec that has it:\n\n"
        f"```yaml\n{CODES['NG202'].example}```\n"
    )
    example = text.partition("```yaml\n")[2].partition("```")[0]
    assert code(coder.ask("check", spec=example)) == "NG202"


def test_the_page_says_what_the_facts_are() -> None:
    told = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    table = told.partition("## Facts")[2].partition("|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == [f"| `{name}` | {what} |" for name, what in FACTS.items()]


def test_what_the_command_line_has_is_called_as_the_tools_are(coder: Agent) -> None:
    """Commands, options and templates in what answers say are tools and their arguments."""
    spec = (
        "name: A\ninput: [3, 8, 8]\nlayers:\n  - Conv2d: {name: a, out_channels: 8, kernel_size: 3"
    )
    spec += (
        ", stride: 2, padding: 1}\n  - Conv2d: {name: b, from: x, out_channels: 4, kernel_size: 1}"
    )
    spec += "\n  - Add: [a, b]\n"
    [found] = coder.ask("check", spec=spec)["diagnostics"]
    assert found["help"] == (
        "a shortcut of another shape needs a layer of its own, as a `Conv2d` of `kernel_size: 1` "
        "with the other way's channels and stride (the template `resnet18`, which `templates` "
        "gives, has one)"
    )
    [found] = coder.ask("explain", spec=SMALL, name="nothing")["diagnostics"]
    assert found["help"] == "`show` lists the layers"
    [proof] = coder.ask("build", spec=SMALL)["facts"]["proofs"]
    [members] = [level for level in proof["levels"] if level["level"] == "arguments"]
    assert members["found"] == "4 of 4 members of the class tried: each is what `set` gives"


def test_what_is_not_there_is_refused_with_what_is(coder: Agent) -> None:
    assert coder.refusal("layers", name="Conv2D") == (
        "there is no layer type 'Conv2D'; did you mean Conv2d?"
    )
    assert coder.refusal("layers", name="GlobalAveragePooling2D") == (
        "there is no layer type 'GlobalAveragePooling2D'; write `AdaptiveAvgPool2d: 1`, then "
        "`Flatten`"
    )
    assert coder.refusal("language", section="block") == (
        "there is no section 'block'; did you mean Blocks?"
    )
    assert coder.refusal("templates", name="resnet81") == (
        "there is no template 'resnet81'; did you mean resnet18?"
    )
    assert coder.refusal("bild") == (
        "there is no tool 'bild'; the tools are check, build, show, explain, diff, layers, "
        "language, templates"
    )
    assert coder.refusal("layers", nmae="Conv2d") == (
        "`layers` has no argument `nmae`; it has name, line"
    )
    assert coder.refusal("show", spec=SMALL, batch=0) == "Expected `int` >= 1 - at `$.batch`"
    assert coder.refusal("check") == "Object missing required field `spec`"
    assert coder.refusal("build", spec=SMALL, prove=["exprot"]) == (
        "Invalid enum value 'exprot' - at `$.prove[0]`"
    )
    [found] = coder.ask("check", spec="net")["diagnostics"]
    assert (found["message"], found["help"]) == (
        "`net` is neither the text of a spec nor the path of its file",
        "a path ends with `.yaml` or `.yml`; the text has lines such as `name: Net`",
    )


def test_the_schema_is_a_resource(coder: Agent) -> None:
    [resource] = coder.portal.call(coder.client.list_resources).resources
    assert coder.resource(resource.uri) == schema()
    assert resource.mime_type == "application/schema+json"


def test_long_answers_are_bounded_and_say_what_they_lack(coder: Agent, files: Path) -> None:
    whole = coder.ask("build", spec=LONG, output="long.py", no_smoke=True)
    assert whole["text"] == ""
    source, text, line, calls = (files / "long.py").read_text(), "", 1, 0
    while True:
        answer = coder.ask("build", spec=LONG, no_smoke=True, line=line)
        assert len(answer["text"]) <= MOST_TEXT
        text += answer["text"]
        calls += 1
        if not answer["left_out"]:
            break
        line = len(text.splitlines()) + 1
        last = len(source.splitlines())
        assert answer["left_out"] == [f"`line: {line}` gives lines {line} to {last} of `text`"]
    assert (text, calls > 1) == (source, True)
    answer = coder.ask("check", spec=LONG.replace("Linear:", "Linaer:"))
    assert 0 < len(answer["diagnostics"]) < 100
    [left] = answer["left_out"]
    assert left.endswith(" of 100 `diagnostics`: mend these first, and ask again")


@pytest.mark.parametrize(
    "spec",
    [
        f"name: {'A' * 100_000}\ninput: [3]\nlayers: [Tanh]\n",
        f"name: A\ninput: [3]\nlayers: [{'B' * 100_000}]\n",
        f"name: A\ninput: [3]\ndescription: {'d' * 100_000}\nlayers: [Tanh]\n",
        "name: A\ninput: [3]\nlayers:\n" + "  - Reluu\n" * 3000,
        "name: A\ninput: [3]\nparams: {"
        + ", ".join(f"p{n}: 1" for n in range(3000))
        + "}\nlayers: [Tanh]\n",
        "name: A\ninput: [3]\nlayers: [Tanh]\n# \n\x00\x1b[2J",
        'name: A\ninput: [3]\ndescription: "\\ud800"\nlayers: [{Tanh: {name: "\\ud800"}}]\n',
        'name: A\ninput: [3]\nlayers: [{Tanh: {name: "a\u202e\\e[2J"}}]\n',
        "a: &a [x, x]\nb: &b [*a, *a]\n" + "c: [*b, *b]\n" * 10,
        "x" * 1_100_000 + ":\n",
        "[" * 50_000 + "\n",
        "--- !!python/object/apply:os.system ['touch hacked']\n",
        "name: A\ninput: [1000000, 1000000]\nlayers:\n  - Linear: 100000000\n",
        "\n",
        "",
    ],
)
def test_hostile_specs_get_bounded_answers(spec: str, coder: Agent, files: Path) -> None:
    for tool in ("check", "build", "show"):
        result = coder.result(tool, spec=spec, timeout=60)
        assert len(json.dumps(result.structured_content)) <= MOST
        assert sum(len(content.model_dump_json()) for content in result.content) <= 2 * MOST
    assert around(files) == {str(files)}


def test_a_spec_that_takes_too_long_is_given_up(coder: Agent) -> None:
    answer = coder.ask("build", spec=SMALL, timeout=0.05)  # torch alone takes more to load
    assert code(answer) == "NG402"
    [found] = answer["diagnostics"]
    assert found["help"].startswith("`timeout` gives it more time")


@pytest.mark.linux
def test_nothing_is_read_or_written_outside_the_folder(coder: Agent, files: Path) -> None:
    outside = files.parent
    (outside / "secret.yaml").write_text("secret: 1\n")
    (files / "net.yaml").write_text(SMALL)
    (files / "link.yaml").symlink_to(outside / "secret.yaml")
    (files / "out").symlink_to(outside)
    (files / "hidden.yaml").symlink_to("/etc/passwd")
    before = around(files)
    for path in (
        *("../secret.yaml", "link.yaml", "out/secret.yaml", "hidden.yaml", "a\0.yaml"),
        *(str(outside / "secret.yaml"), "/etc/../etc/x.yaml", "~/x.yaml/../../../secret.yaml"),
    ):
        for tool in ("check", "build", "show"):
            answer = coder.ask(tool, spec=path)
            assert code(answer) == "NG101"
            assert "secret" not in json.dumps(answer).replace("secret.yaml", "")
    for output in (
        "../a.py",
        "out/a.py",
        str(outside / "a.py"),
        "/tmp/../a.py",
        "a\0.py",
        "",
        "conftest.cfg",
        "net.yaml",
        "out/../../a.py",
    ):
        assert code(coder.ask("build", spec="net.yaml", output=output)) == "NG501"
    assert around(files) == before
    for file in (outside / "secret.yaml", files / "out"):
        file.unlink()
    inside = coder.ask("build", spec=str(files / "net.yaml"), output=str(files / "net.py"))
    assert inside["ok"]
    assert (files / "net.py").read_text() == coder.ask("build", spec="net.yaml")["text"]


def test_a_file_of_somebody_else_is_kept(coder: Agent, files: Path) -> None:
    (files / "mine.py").write_text("mine = 1\n")
    answer = coder.ask("build", spec=SMALL, output="mine.py")
    assert code(answer) == "NG502"
    [found] = answer["diagnostics"]
    assert found["help"] == (
        "give another `output`; in a terminal, `netgen build --force` overwrites it"
    )
    assert (files / "mine.py").read_text() == "mine = 1\n"


def test_imports_never_run(coder: Agent, files: Path) -> None:
    (files / "own.py").write_text("open('ran', 'w').close()\nclass Own: pass\n")
    spec = "name: A\ninput: [3]\nimports: {Own: own.Own}\nlayers: [Own]\n"
    (files / "net.yaml").write_text(spec)
    for tool, given in (("check", "net.yaml"), ("build", "net.yaml"), ("build", spec)):
        answer = coder.ask(tool, spec=given)
        assert code(answer) == "NG209"
        [found] = answer["diagnostics"]
        file = "net.yaml" if given == "net.yaml" else "spec.yaml"
        assert found["help"] == (
            "no code that a spec imports runs here: use types of netgen's own and blocks; a person "
            f"who trusts the code builds it in a terminal: `netgen build {file} --allow-imports`"
        )
    assert {path.name for path in files.iterdir()} == {"own.py", "net.yaml"}


def test_what_a_spec_includes_is_beside_it(coder: Agent, files: Path) -> None:
    blocks = "blocks:\n  Twice:\n    layers:\n      - Linear: 4\n      - Linear: 4\n"
    (files / "blocks.yaml").write_text(blocks)
    spec = "name: A\ninput: [3]\ninclude: [blocks.yaml]\nlayers: [Twice]\n"
    (files / "net.yaml").write_text(spec)
    assert coder.ask("check", spec="net.yaml")["ok"]
    assert code(coder.ask("check", spec=spec)) == "NG215"  # a text is in no folder
    (files / "net.yaml").write_text(spec.replace("blocks.yaml", "../blocks.yaml"))
    assert code(coder.ask("check", spec="net.yaml")) == "NG215"


def test_two_calls_at_once_are_answered_each(coder: Agent) -> None:
    """A short one before a long one that was begun earlier."""
    long = coder.begin("build", spec=LONG)
    assert coder.ask("check", spec=SMALL)["ok"]
    assert not long.done()
    others = [coder.begin("build", spec=SMALL, set={"width": width}) for width in (3, 5)]
    told = [other.result(300).structured_content for other in others]
    assert [answer["facts"]["parameters"] for answer in told] == [15, 25]
    answer = long.result(300).structured_content
    assert answer["ok"]
    assert answer["facts"]["parameters"] == 400 * 72


def test_nothing_is_remembered_outside_the_folder(tmp_path: Path) -> None:
    """Not even in the user's cache, where the command line remembers what has been proven."""
    home, folder = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    with agent(folder, {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}) as one:
        for _ in range(2):
            assert one.ask("build", spec=SMALL, output="small.py")["facts"]["proofs"]
    assert around(folder) == {str(home), str(folder), str(folder / "small.py")}


def test_the_server_ends_with_its_client_in_the_midst_of_a_call(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, *COMMAND], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"},
    }
    for message in (
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 3, "method": "tools/call", "params": {"name": "\ud800"}},  # no Unicode text
        {"id": 2, "method": "tools/call", "params": {"name": "build", "arguments": {"spec": LONG}}},
    ):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        server.stdin.flush()
    assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "netgen"
    time.sleep(0.5)
    assert server.poll() is None
    server.stdin.close()
    assert server.wait(20) == 0
    server.stdout.close()


@pytest.mark.linux
def test_a_folder_that_is_gone_is_no_place_to_start_in(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd gone; rmdir ../gone; {sys.executable} {' '.join(COMMAND)}"
    run = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (
        1,
        "netgen: the current folder is gone: start it in another one\n",
    )


def test_without_the_sdk_the_verb_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['mcp'] = None; from torch_netgen.cli.cli import main; "
    code += "sys.exit(main(['mcp']))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (
        1,
        "",
        "netgen: `mcp` needs the MCP SDK, which is not there: pip install 'torch-netgen[mcp]'\n",
    )


def test_other_verbs_do_not_load_the_sdk(tmp_path: Path) -> None:
    code = "import sys; from torch_netgen.cli.cli import main; main(['layers']); "
    code += "sys.exit(any(name in sys.modules for name in ('mcp', 'anyio', 'pydantic')))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
