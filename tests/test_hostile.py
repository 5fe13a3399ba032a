"""Specs from strangers: nothing runs, nothing hangs, nothing ends up as code."""

from __future__ import annotations

import ast
import contextlib
import html
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch_netgen
from torch_netgen import NetgenError
from torch_netgen.cli.cli import main
from torch_netgen.pipeline import build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import from_mapping, parse
from torch_netgen.symbolic.budget import MOST_STEPS, Budget
from torch_netgen.symbolic.expressions import PlainNames, evaluate_text
from torch_netgen.symbolic.provenance import named

from benchmarks.costs import counted

from .command import netgen
from .fuzz import fuzz

HEAD = "name: A\ninput: [4]\n"
SECONDS = 15  # far more than any of these takes

DOUBLING = "\n".join(f'  p{i}: "$([p{i - 1},p{i - 1}])"' for i in range(1, 40))
TEXT = "\n".join(f'  p{i}: "x$(p{i - 1})y$(p{i - 1})"' for i in range(1, 60))
NESTED = (
    "{Group: {repeat: 4096, layers: [{Group: {repeat: 4096, layers: [{ReLU: {when: false}}]}}]}}"
)


def doubling(first: str, step: str, last: str) -> str:
    """Parameters in a chain, each worked out of the one before it."""
    steps = "\n".join(f'  p{i}: "{step.replace("@", f"p{i - 1}")}"' for i in range(1, 40))
    return HEAD + f"params:\n  p0: {first}\n{steps}\nlayers: [{last.replace('@', 'p39')}]"


def deep(first: str, step: str) -> str:
    """Blocks in blocks, each of which gives the next one more."""
    blocks = "\n".join(
        f"  B{i}: {{params: {{k: {first}}}, layers: [{{B{i - 1}: {{k: {step}}}}}]}}"
        for i in range(1, 40)
    )
    least = f'  B0: {{params: {{k: {first}}}, layers: [{{Linear: "$(len(k))"}}]}}'
    return HEAD + f"blocks:\n{least}\n{blocks}\nlayers: [B39]"


LEN = '{Linear: "$(len(@))"}'
WITH_W = HEAD + "params: {w: 3}\n"

BOMBS = {
    "strings doubled": doubling("ab", "$(@ + @)", LEN),
    "lists doubled": doubling("[1, 2]", "$(@ + @)", LEN),
    "lists times two": doubling("[1, 2]", "$(@ * 2)", LEN),
    "blocks that double a string": deep("ab", '"$(k + k)"'),
    "blocks that double a list": deep("[1]", '["$k", "$k"]'),
    "code of a list": WITH_W + 'layers: [{Linear: "$(len([0] * 2000 + [w]))"}]',
    "code of a text": WITH_W + "layers: [{Linear: \"$(len('a' * 9000 if w > 1 else 'b'))\"}]",
    "lists in a list": WITH_W + 'layers: [{Linear: "$(len([[w] * 1000 for i in range(1000)]))"}]',
    "a long parameter": HEAD + f"params: {{p: [{'1, ' * 11_000}]}}\nlayers: [Tanh]",
    "scalars": HEAD + f"layers: [{'a,' * 600_000}]",
    "flow": "[" * 30_000,
    "blocks": "- " * 30_000,
    "keys": "? " * 200_000,
    "maps": HEAD + "layers:\n  - " + "{Sequential: {layers: [" * 20_000,
    "aliases": "a: &a [x, x]\n"
    + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(24)
    ),
    "rounding": HEAD + 'layers: [{Linear: "$(round(3, -100000000))"}]',
    "lists": HEAD + f"params:\n  p0: [1, 1]\n{DOUBLING}\nlayers: [{{Linear: $(len(p39))}}]",
    "texts": HEAD + f"params:\n  p0: ab\n{TEXT}\nlayers: [Tanh]",
    "comparing": HEAD
    + 'layers: [{Linear: "$(3 if [[[[0]*1000]*1000]*1000]*1000 == [[[[0]*1000]*1000]*1000]*1000 '
    'else 4)"}]',
    "groups": HEAD + f"layers: [Tanh, {NESTED}]",
    "copies": HEAD + "layers: [{Linear: {out_features: 4, repeat: 1000000000}}]",
    "stacked": HEAD
    + "layers: [{Unflatten: [1, [2, 2]]}, {LSTM: {hidden_size: 4, num_layers: 1000000000}}]",
    "sizes": HEAD + "layers: [{Linear: 1000000000}, {Linear: 1000000000}, {Linear: 99999999999}]",
}


MANY = range(5000)
FLOODS = {
    "references": HEAD + f"layers: [{', '.join(f'{{Add: [x, m{i}]}}' for i in MANY)}]",
    "types": HEAD + f"layers: [{', '.join(f'{{Dense: {{units{i}: 3}}}}' for i in MANY)}]",
    "arguments": HEAD + f"layers: [{{Linear: {{{', '.join(f'a{i}: 3' for i in MANY)}}}}}]",
    "keys": HEAD + "".join(f"k{i}: 3\n" for i in MANY) + "layers: [Tanh]",
    "more keys": HEAD + "".join(f"k{i}: 3\n" for i in range(90_000)) + "layers: [Tanh]",
    "outputs": HEAD + f"outputs: {{{', '.join(f'o{i}: q{i}' for i in MANY)}}}\nlayers: [Tanh]",
    "codes": HEAD + f"allow: [{', '.join(f'NG9{i}' for i in MANY)}]\nlayers: [Tanh]",
    "weights": HEAD
    + f"init: {{{', '.join(f'k{i}: {{weight: ones_}}' for i in MANY)}}}\nlayers: [Tanh]",
    "blocks": HEAD + f"blocks: {{{', '.join(f'class{i}-: 3' for i in MANY)}}}\nlayers: [Tanh]",
    "copies": HEAD + "layers: [{Group: {repeat: 1000, layers: [{Linear: 4}, Foo]}}]",
    "expectations": HEAD + f"expect: {{{', '.join(f'e{i}: 3' for i in MANY)}}}\nlayers: [Tanh]",
    "names": f"name: {'A' * 100_000}\ninput: [4]\nlayers: [Tanh]",
    "line": HEAD + f"layers: [{{Linear: {{out_features: 4, {'a' * 1_000}: {'b' * 200_000}}}}}]",
}


def test_no_more_is_told_than_anyone_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flood.yaml"
    path.write_text(FLOODS["keys"])
    assert main(["check", str(path)]) == 1
    assert "note: there are more mistakes than these 100" in capsys.readouterr().err
    lines = (f"  - Foo{i}: '{'x' * 900}'" for i in range(60))
    path.write_text("\n".join([HEAD + "layers:", *lines]))
    assert main(["check", str(path)]) == 1
    assert len(capsys.readouterr().err) < 60_000
    lines = (f"  - {'y' * 1_000}{i}" for i in range(60))
    path.write_text("\n".join([HEAD + "layers:", *lines]))
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr().err
    assert len(told) < 60_000
    assert re.search(r"\n60 errors, \d\d of them not shown\n$", told)


@pytest.mark.parametrize("name", FLOODS)
def test_floods_of_mistakes_are_told_at_once_and_in_short(name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(NetgenError) as caught:
        build_source(parse(FLOODS[name], "flood.yaml"), {}, None)
    assert 1 <= len(caught.value.diagnostics) <= 100
    assert len(str(caught.value)) < 200_000
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(NetgenError):
        build_source(parse(BOMBS[name], "bomb.yaml"), {}, None)
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize(
    "layers",
    [
        "[{Linear: {out_features: 4, repeat: 3000}}]",
        "[{Linear: {name: deep, out_features: 4, repeat: 3000}}]",
        "[{Group: {repeat: 60, layers: [{Linear: 4}, ReLU, {Dropout: 0.1}]}}]",
    ],
)
def test_large_networks_take_seconds(layers: str) -> None:
    start = time.perf_counter()
    build_source(parse(f"{HEAD}layers: {layers}", "large.yaml"), {}, None)
    assert time.perf_counter() - start < 2 * SECONDS


@pytest.mark.parametrize(
    "grown",
    ["({} or i)", "(w and {})", "({} if w > 0 else i)", "(w if {} else i)", "max({}, i)"],
)
def test_an_expression_takes_as_many_steps_as_it_is_long(grown: str) -> None:
    def steps(levels: int) -> int:
        text = "w"
        for _ in range(levels):
            text = grown.format(text)
        budget = Budget()
        evaluate_text(f"$({text})", PlainNames({"w": named("w", 3), "i": named("i", 4)}), budget)
        return MOST_STEPS - budget.steps

    assert steps(40) - steps(20) <= steps(20) + 5


def test_many_expressions_in_a_text_are_read_once_each() -> None:
    text = HEAD + f"description: '{'$(1)' * 20_000}'\nlayers: [Tanh]"
    found = build_source(parse(text, "text.yaml"), {}, None)
    assert found.graph.description == "1" * 20_000


@pytest.mark.parametrize("layer", ["{Linear: $@}", "{Linear: {out_features: 4, bias: $@}}"])
def test_as_many_parameters_as_layers_cost_what_they_are(layer: str, tmp_path: Path) -> None:
    def calls(number: int) -> int:
        names = [f"p{i}" for i in range(number)]
        value = "true" if "bias" in layer else "4"
        lines = ["params:", *(f"  {name}: {value}" for name in names), "layers:"]
        lines += [f"  - {layer.replace('@', name)}" for name in names]
        path = tmp_path / "many.yaml"
        path.write_text(HEAD + "\n".join(lines))
        return counted(tmp_path, "build", "--no-smoke", "-o", "-", path).calls

    small, middle, large = (calls(number) for number in (50, 100, 200))
    assert large - middle < 2.5 * (middle - small)


def test_blocks_without_use_cost_what_they_are(tmp_path: Path) -> None:
    def calls(number: int) -> int:
        blocks = [f"  B{i}: {{layers: [Tanh]}}" for i in range(number)]
        path = tmp_path / "many.yaml"
        path.write_text("\n".join([f"{HEAD}layers: [Tanh]", "blocks:", *blocks]))
        return counted(tmp_path, "check", path).calls

    small, middle, large = (calls(number) for number in (50, 100, 200))
    assert large - middle < 2.2 * (middle - small)


def test_outputs_have_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are one statement of the source, which is long to format."""
    path = tmp_path / "many.yaml"
    path.write_text(f"{HEAD}layers: [Tanh]\noutputs: [{'tanh, ' * 1001}]")
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error[NG201]: there are 1001 outputs, but 1000 at most\n")
    path.write_text(f"{HEAD}layers: [Tanh]\noutputs: [{'tanh, ' * 1000}]")
    assert main(["check", str(path)]) == 0


@pytest.mark.linux
@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
@pytest.mark.parametrize("verb", ["check", "build", "show"])
def test_a_spec_is_an_ordinary_file(
    kind: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = {"fifo": tmp_path / "spec", "folder": tmp_path, "device": Path("/dev/zero")}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    assert main([verb, str(path)]) == 1
    what = "it is a folder" if kind == "folder" else "it is no ordinary file"
    assert f"error[NG101]: can't read `{path}`: {what}\n" in capsys.readouterr().err


SLOW = '{Linear: "$(sum([1 for i in range(100000000) if i < 0]))"}'


@pytest.mark.linux
def test_reading_ends_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "slow.yaml").write_text(f"{HEAD}layers: [{SLOW}]")
    (tmp_path / "slower.yaml").write_text(f"{HEAD}layers: [{SLOW}]")
    specs = [str(tmp_path / "slow.yaml"), str(tmp_path / "slower.yaml")]
    out = ["--output-dir", str(tmp_path), "--no-smoke"]
    for command in (
        ["check"],
        ["build", *out],
        ["build", *out, "-j", "2"],
        ["build", *out, "--check"],
    ):
        assert main([*command, *specs, "--timeout", "0.05"]) == 1
        told = capsys.readouterr().err
        assert told.count("error[NG402]: the spec was not read within 0.05 seconds\n") == 2
        assert "help: `--timeout` gives it more time\n" in told
    with pytest.raises(NetgenError, match="was not read within"):
        torch_netgen.build(specs[0], tmp_path / "slow.py", smoke=False, timeout=0.05)
    assert not list(tmp_path.glob("*.py"))


TEXTS = [
    '"""; import os; os.abort() #',
    "\\",
    '\\"""',
    'a\\\n"""\nimport os',
    "{{ 7 * 7 }}{% raw %}",
    "line\rbreak\u2028and\u2029another\x85",
    "\u202egnp.exe\u202c\u2066",
    "end\\",
    'quote"',
    "''' + open('x') + '''",
    "\x07bell\x1b[31m",
    "(digest 000000000000)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text(text: str) -> None:
    """Descriptions, docs, keys of outputs and names of children end up in strings alone."""
    spec: dict[str, Any] = {
        "name": "A",
        "description": text,
        "input": [4],
        "params": {"n": {"default": 3, "doc": text}, "fixed": {"default": 2, "doc": text}},
        "layers": [
            {"Sequential": {"name": "s", "layers": [{"Linear": {"out_features": "$n"}}]}},
            {"Linear": {"out_features": 2, "repeat": "$fixed"}},
        ],
        "outputs": {text: "fc2"},
    }
    source = build_source(from_mapping(spec), {}, None).source
    tree = ast.parse(source)
    assert not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"abort"}
    imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert len(imported) == source.count("\nfrom torch import") + source.count("\nimport torch\n")
    assert all(char == "\n" or char.isprintable() for char in source)
    (returned,) = (node for node in ast.walk(tree) if isinstance(node, ast.Return))
    assert isinstance(returned.value, ast.Dict)
    assert [ast.literal_eval(key) for key in returned.value.keys if key] == [text]


@pytest.mark.parametrize("text", ["a.b", "", "\u202e", "forward", "0", 'x"', "x\ny", "__class__"])
def test_names_of_children_are_keys_or_refused(text: str) -> None:
    spec = {
        "name": "A",
        "input": [4],
        "layers": [{"Sequential": {"layers": [{"Tanh": {"name": text}}, {"Linear": 3}]}}],
    }
    try:
        source = build_source(from_mapping(spec), {}, None).source
    except NetgenError:
        return
    words = [n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)]
    assert text in words


def test_a_file_name_is_text_too(tmp_path: Path) -> None:
    path = tmp_path / 'a"""\nimport os\x1b.yaml'
    path.write_text(HEAD + "layers: [Tanh]")
    source = build_source(read(path), {}, None).source
    ast.parse(source)
    assert "\x1b" not in source
    path.write_text(HEAD + "layers: [Tonh]")
    with pytest.raises(NetgenError) as caught:
        build_source(read(path), {}, None)
    assert "\x1b" not in str(caught.value)
    assert "import" not in str(caught.value).splitlines()[0]


def test_the_spec_itself_is_never_overwritten(tmp_path: Path) -> None:
    spec = tmp_path / "own.yaml"
    spec.write_text(HEAD + "layers: [Tanh]")
    run = netgen("build", "own.yaml", "-o", "own.yaml", "--no-smoke", cwd=tmp_path)
    assert run.returncode == 1
    assert "NG501" in run.stderr
    assert spec.read_text().startswith("name: A")


class Odd:
    def __repr__(self) -> str:
        raise ZeroDivisionError


SHARED: list[Any] = [1, 1]
for _ in range(60):
    SHARED = [SHARED, SHARED]


@pytest.mark.parametrize(
    "spec",
    [
        {"name": SHARED},
        {"name": "A", "language": 10**5000},
        {"name": "A", "input": [2**62], "layers": ["Tanh"]},
        {"name": Odd()},
        {object(): "A"},
        {"name": "A", "input": [4], "layers": ["Tanh"], "outputs": {1: "tanh"}},
        {"name": {1, 2}},
        {"name": b"A"},
        {"name": "A", "input": [float("nan")], "layers": ["Tanh"]},
        {},
    ],
    ids=range(10),
)
def test_odd_mappings_are_refused(spec: Any) -> None:
    with pytest.raises(NetgenError):
        torch_netgen.build(spec, smoke=False)


@pytest.mark.slow
def test_whatever_comes_in_is_built_or_refused(request: pytest.FixtureRequest) -> None:
    """A small part of what ``make fuzz`` tries; what is built is run, one in ten."""
    count = request.config.getoption("--mutations")
    tally = fuzz(count, seed=0, run_every=10)
    assert tally.defects == []
    assert tally.built + tally.refused == count
    assert tally.built > count / 20
    assert tally.run > tally.built / 20


NAME = "::error::\x1b[31mx\n::warning::y\u202e\u2028\x9b##[error]|<b>`z`[a](b)"
HOSTILE = """\
name: Net
description: "::error::one\\n\\n::error::two \\e[31m ##[error]three\\n\\n%s ::error::four"
params: {n: {default: 3, doc: "::error::doc \\e"}, m: {default: "$(4)", doc: "::error::doc"}}
input: [$m]
layers:
  - Sequential: {layers: [{Linear: {name: "::error::|<b>`z`[a](b)##[x]", out_features: $n}}]}
outputs: {"::error::\\e[31m|<b>": sequential1}
""" % ("x" * 80)  # so that a line that is wrapped begins with what follows


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, a wrong one and a source of hostile names and texts."""
    monkeypatch.chdir(tmp_path)
    os.makedirs(f"{NAME}/")
    for name in ("good", os.fsdecode(os.fsencode(NAME) + b"\xff")):
        Path(f"{name}.yaml").write_text(HOSTILE, encoding="utf-8")
    Path(f"{NAME}bad.yaml").write_text(HOSTILE.replace("out_f", '"::error::\\e[31m"'))
    Path(f"{NAME}.py").write_bytes(b"::error::\x1b[31m\n ::error::\r::error::\x1b\xff##[error]")
    return tmp_path


GOOD = f"{os.fsdecode(os.fsencode(NAME) + bytes([255]))}.yaml"
HOSTILE_COMMANDS: list[list[str]] = [
    *(["check", config, "--format", form] for config in (GOOD, f"{NAME}bad.yaml")
      for form in ("text", "github", "json")),
    *(["show", GOOD, "--format", form] for form in ("table", "markdown", "csv", "json")),
    ["build", GOOD, "--no-smoke", "-o", f"{NAME}new.py"],
    ["build", GOOD, "--no-smoke", "-o", "-"],
    ["build", GOOD, "--no-smoke", "--check", "-o", f"{NAME}.py"],
    ["build", GOOD, "--no-smoke", "--check", "-o", f"{NAME}.py", "--format", "github"],
    ["build", GOOD, "--no-smoke", "-o", f"{NAME}.py"],
    ["build", GOOD, "--no-smoke", "-o", f"{NAME}/none/x.py"],
    ["build", GOOD, "--no-smoke"],
    ["build", GOOD, "--no-smoke", "--set", f"{NAME}=3"],
    ["build", GOOD, "--no-smoke", "--set", f"n={NAME}"],
    ["build", GOOD, "--no-smoke", "--set", NAME],
    ["build", GOOD, "--no-smoke", "--report", f"{NAME}/none/x"],
    ["build", GOOD, "--device", NAME],
    ["build", GOOD, f"--{NAME}"],
    ["build", NAME],
    ["explain", GOOD, "sequential1"],
    ["explain", GOOD, NAME],
    ["graph", GOOD, "-o", f"{NAME}.dot"],
    ["graph", GOOD, "-o", f"{NAME}.png", "--depth", NAME],
    ["graph", GOOD, "-o", f"{NAME}"],
    ["diff", GOOD, "good.yaml"],
    ["diff", GOOD, f"{NAME}none.yaml"],
    ["watch", f"{NAME}none/{GOOD}"],
    ["layers", NAME],
    ["init", NAME],
    ["init", "-o", f"{NAME}.txt"],
    ["init", "-o", f"{NAME}.py"],
    [NAME],
]  # fmt: skip


@pytest.mark.linux
@pytest.mark.parametrize("command", HOSTILE_COMMANDS, ids=lambda words: words[0][:6].strip(":"))
def test_nothing_from_outside_moves_the_cursor_or_is_a_command(
    command: list[str], hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(SystemExit):
        main(command)
    told = capsys.readouterr()
    ours = ("::error file=", "::warning file=") if "github" in command else ("error",)
    for line in [*told.out.split("\n"), *told.err.split("\n")]:
        assert line.isprintable(), line
        assert not line.lstrip().startswith("::") or line.startswith(ours), line
        assert "##[" not in line or "json" in command or command[-1] == "-", line
    assert told.out or told.err
    assert "NG601" not in told.err
    assert "Traceback" not in told.err


@pytest.mark.linux
def test_cells_of_a_page_are_no_markup(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", GOOD, "--format", "markdown"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    (row,) = (row for row in rows if "| Linear |" in row)
    assert not set("<`[") & set(row)
    assert "::error::|<b>`z`[a](b)" in html.unescape(row)
    page = torch_netgen.load(GOOD).html
    assert "<b>" not in page
    assert "&lt;b&gt;`z`[a](b)" in page


@pytest.mark.linux
def test_no_line_of_a_source_is_a_command(hostile: Path) -> None:
    source = torch_netgen.build(GOOD, smoke=False).source
    assert not [line for line in source.splitlines() if line.lstrip(' "').startswith("::")]
    (network,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    doc = ast.get_docstring(network)
    assert doc is not None
    assert "\n::error::four" in doc  # to those who read it, it says what was written


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_what_is_told_is_no_longer_than_anyone_reads(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred mistakes, each about a word of nine thousand letters."""
    spec = tmp_path / "net.yaml"
    layers = "\n".join(
        f"  - Linear: {{from: {'w' * 9_000}{n}, out_features: 4}}" for n in range(100)
    )
    spec.write_text(f"{HEAD}layers:\n{layers}\n", encoding="utf-8")
    assert main(["check", str(spec), "--format", form]) == 1
    told = capsys.readouterr()
    assert 0 < len(told.out + told.err) < 400_000


# what a spec includes lies beside it or below its folder, and is an ordinary file of YAML

SECRET = "blocks: {hunter2: {layers: [hunter2]}}\nhunter2: hunter2\n"
OUT = {
    "../secret.yaml": "it is above the spec's folder",
    "parts/../../secret.yaml": "it is above the spec's folder",
    "../specs/fine.yaml": "it is above the spec's folder",
    "./.././secret.yaml": "it is above the spec's folder",
    "parts/up.yaml": "`../../secret.yaml` can't be included: it is above the spec's folder",
    "@/secret.yaml": "the path is absolute",
    "//@/secret.yaml": "the path is absolute",
    "C:/secret.yaml": "the path is absolute",
    "c:secret.yaml": "the path is absolute",
    "..\\secret.yaml": "folders are set apart by `/`",
    "link.yaml": "a link leads out of the spec's folder",
    "folder/secret.yaml": "a link leads out of the spec's folder",
    "folder/none.yaml": "a link leads out of the spec's folder",
    "parts/../folder/../secret.yaml": "a link leads out of the spec's folder",
    "named.yaml": "a link leads to what is not called YAML",
    ".env": "its name ends with neither `.yaml` nor `.yml`",
    "parts": "its name ends with neither `.yaml` nor `.yml`",
    "": "this is no path",
    " ": "this is no path",
    "secret.yaml\0": "this is no path",
    "a\nb.yaml": "this is no path",
    "~/secret.yaml": "no such file or directory",
    "$x.yaml": "no such file or directory",
    "http://localhost/secret.yaml": "no such file or directory",
    "a" * 300 + ".yaml": "file name too long",
    "fine.yaml/none.yaml": "not a directory",
    "folder.yaml": "it is a folder",
    "fifo.yaml": "it is no ordinary file",
    "zero.yaml": "a link leads out of the spec's folder",
    "loop.yaml": "too many levels of symbolic links",
    "bytes.yaml": "it is not UTF-8 text (byte 0)",
}


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A folder with what a stranger may have laid into it, and a secret beside it."""
    folder = tmp_path / "specs"
    (folder / "parts").mkdir(parents=True)
    (folder / "folder.yaml").mkdir()
    (tmp_path / "secret.yaml").write_text(SECRET)
    (folder / ".env").write_text(SECRET)
    (folder / "fine.yaml").write_text("blocks: {Fine: {layers: [Tanh]}}")
    (folder / "parts" / "up.yaml").write_text("include: [../../secret.yaml]")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    os.mkfifo(folder / "fifo.yaml")
    links = {"link.yaml": "../secret.yaml", "folder": "..", "named.yaml": ".env"}
    for name, to in {**links, "zero.yaml": "/dev/zero", "loop.yaml": "loop.yaml"}.items():
        (folder / name).symlink_to(to)
    return folder


@pytest.mark.linux
@pytest.mark.parametrize("path", OUT, ids=lambda path: ascii(path[:30]))
def test_nothing_is_included_from_elsewhere(
    path: str, specs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = json.dumps(path.replace("@", str(specs.parent)))
    (specs / "net.yaml").write_text(f"{HEAD}include: [{written}]\nlayers: [Tanh, Fine]\n")
    start = time.perf_counter()
    assert main(["check", str(specs / "net.yaml")]) == 1
    told = capsys.readouterr().err
    assert OUT[path] in told
    assert told.count("error[") == 1
    assert "hunter2" not in told
    assert time.perf_counter() - start < SECONDS


@pytest.mark.linux
def test_limits_hold_for_all_files_together(
    specs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(include: list[str], text: str = "") -> str:
        listed = ", ".join(include)
        (specs / "net.yaml").write_text(f"{HEAD}include: [{listed}]\nlayers: [Tanh]\n{text}")
        main(["check", str(specs / "net.yaml")])
        return capsys.readouterr().err

    names = [f"b{i}.yaml" for i in range(102)]
    for i, name in enumerate(names):
        (specs / name).write_text(f"blocks: {{B{i}: {{layers: [Tanh]}}}}")
    assert told(names[:100]) == ""
    assert "error[NG215]: a spec includes 100 files at most\n" in told(names[:101])
    for name in names[:3]:
        (specs / name).write_text(f"# {'x' * 400_000}\nblocks: {{}}\n")
    assert told(names[:2]) == ""
    assert "what it includes have more than 1000000 characters\n" in told(names[:3])
    # aliases: each file stays below the limit, all together do not
    monkeypatch.setattr("torch_netgen.spec.yaml_values.MOST_VALUES", 1_000)
    tens = ", ".join(f"&a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in (1, 2))
    for i, name in enumerate(names[:3]):
        (specs / name).write_text(f"blocks: {{B{i}: {{layers: [Linear: [&a0 [1, 1], {tens}]]}}}}")
    assert "values" not in told(names[:2])
    assert "error[NG103]: the spec holds more than 1000 values\n" in told(names[:3])
    monkeypatch.undo()
    # a chain of files, each of which includes the next one
    for i, name in enumerate(names[:100]):
        after = f"include: [{names[i + 1]}]" if i < 99 else "blocks: {B: {layers: [Tanh]}}"
        (specs / name).write_text(after)
    assert told(names[:1]) == ""


@pytest.mark.linux
def test_floods_of_paths_are_told_in_short(specs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = ", ".join(f"'{'../' * 50}{i}.yaml'" for i in MANY[:1000])
    (specs / "net.yaml").write_text(f"{HEAD}include: [{paths}]\nlayers: [Tanh]\n")
    assert main(["check", str(specs / "net.yaml")]) == 1
    assert len(capsys.readouterr().err) < 60_000
