"""`netgen lsp`: a session as editors hold it, and its answers about every line of every config."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from torch_netgen.lsp.completion import complete
from torch_netgen.lsp.definition import definition
from torch_netgen.lsp.hover import hover
from torch_netgen.lsp.positions import Positions
from torch_netgen.lsp.snapshot import check, line_in, snapshots
from torch_netgen.lsp.symbols import Symbol, symbols
from torch_netgen.spec.source import parse
from torch_netgen.views.show import show

from .command import netgen, process
from .conftest import CONFIGS, ROOT, SPECS, by_depth
from .deep import is_deep
from .editor import Editor
from .fuzz import changed_text
from .networks import checked

BAD = sorted((ROOT / "tests" / "bad").glob("*.yaml"))
DOUBTFUL = sorted((ROOT / "tests" / "doubtful").glob("*.yaml"))
LENET = (ROOT / "configs" / "lenet.yaml").read_text()
RESNET = (ROOT / "configs" / "resnet18.yaml").read_text()
URI = "file:///net.yaml"
SPEC = """\
name: Net
input: [3, 8, 8]
params: {width: 4, classes: {default: 10, doc: How many there are.}}
blocks:
  Body:
    params: {channels: required, stride: 1}
    layers:
      - Conv2d: {out_channels: $channels, kernel_size: 3, stride: $stride}
      - ReLU
layers:
  - Conv2d: {name: stem, out_channels: $width, kernel_size: 3, padding: 1}
  - ReLU
  - Body: {name: body, channels: $width}
  - Conv2d: {name: twin, from: stem, out_channels: 4, kernel_size: 3}
  - Add: [body, twin]
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: $classes
"""


def place(text: str, part: str, more: int = 0) -> tuple[int, int]:
    """The line and character at which a part of a text begins, and a little on."""
    offset = text.index(part) + more
    return text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# diagnostics


def told(found: Sequence[types.Diagnostic]) -> list[tuple[object, ...]]:
    """Diagnostics as what a person sees."""
    return [
        (
            d.range.start.line,
            d.range.start.character,
            d.range.end.line,
            d.range.end.character,
            d.code,
            d.severity,
            d.message,
        )
        for d in found
    ]


def expected(found: Any, text: str) -> tuple[object, ...]:
    """What an editor is to show for a diagnostic of `netgen check --format json`."""
    lines = [*text.splitlines(), ""]
    severity = {"error": 1, "warning": 2}[found["severity"]] if found["code"] != "NG209" else 3
    help = [f"help: {found['help']}"] if found["help"] else []
    message = "\n".join([found["message"], *(f"note: {n}" for n in found["notes"]), *help])
    if found["line"] is None:
        return (0, 0, 0, min(1, units(lines[0])), found["code"], severity, message)
    row, line = found["line"] - 1, lines[found["line"] - 1]
    begin, end = units(line[: found["column"] - 1]), units(line[: found["end_column"] - 1])
    return (row, begin, row, end, found["code"], severity, message)


@pytest.mark.slow
def test_diagnostics_are_those_of_check(editor: Editor) -> None:
    paths = [*BAD, *DOUBTFUL, *SPECS]
    run = netgen("check", *paths, "--format", "json", cwd=ROOT)
    every = json.loads(run.stdout)["diagnostics"]
    assert len(every) > len(BAD)
    for path in paths:
        text = path.read_bytes().decode()
        editor.open(path.as_uri(), text, "netgen")
        found = told(editor.diagnostics(path.as_uri()))
        assert found == [expected(d, text) for d in every if d["file"] == str(path)], path
        editor.close(path.as_uri())
        assert editor.diagnostics(path.as_uri()) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_characters_are_counted_as_the_editor_counts_them(encoding: str) -> None:
    before = "  - Sequential: {layers: [{ReLU: {name: 'é😀'}}, {Softplus: {"
    text = SPEC.replace("  - Flatten\n", f"{before}betta: 1}}}}]}}\n  - Flatten\n")
    text = f"# two lines \u2028# that are one for the editor\n{text}"
    session = Editor()
    assert session.start(encoding) == encoding
    session.open(URI, text)
    (found,) = session.diagnostics(URI)
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    name = encoding if size == 1 else f"{encoding}-le"
    line, begin = text[: text.index(before)].count("\n"), len(before.encode(name)) // size
    start, end = types.Position(line, begin), types.Position(line, begin + len("betta"))
    assert found.range == types.Range(start, end)
    assert session.hover(URI, line, begin + 2) == ""  # there is no such argument
    session.change(URI, text.replace("betta", "beta"))
    assert session.diagnostics(URI) == []
    assert session.hover(URI, line, begin + 2).startswith("**beta** of Softplus")
    assert session.definition(URI, *place(text, "body, twin")) is not None
    assert session.end() == (0, "")


def test_the_last_of_many_changes_counts(editor: Editor) -> None:
    editor.open(URI, SPEC)
    assert editor.diagnostics(URI) == []
    before = len(editor.published)
    for number in range(50):
        editor.change(URI, SPEC.replace("Flatten", f"Flaten{number}"))
    (found,) = editor.diagnostics(URI)
    assert found.message.startswith("there is no layer type `Flaten49`")
    assert len(editor.published) - before < 50
    editor.change(URI, SPEC)
    assert editor.diagnostics(URI) == []


def test_other_yaml_is_left_alone(editor: Editor, tmp_path: Path) -> None:
    other = "name: CI\njobs:\n  build: {steps: [$x, {run: make}]}\n"
    editor.open("file:///ci.yaml", other)
    editor.open(URI, SPEC.replace("Linear", "Linaer"))
    assert len(editor.diagnostics(URI)) == 1
    assert not [told for told in editor.published if told.uri == "file:///ci.yaml"]
    assert editor.hover("file:///ci.yaml", 0, 1) == ""
    assert editor.complete("file:///ci.yaml", 0, 0) == []
    schema = "# yaml-language-server: $schema=../netgen.schema.json\n"
    editor.open("file:///spec.yaml", f"{schema}name: Net\n")
    assert "the key `layers` is missing" in editor.diagnostics("file:///spec.yaml")[0].message
    # what was a spec stays one while it is open
    editor.change(URI, SPEC.replace("layers:\n  - Conv2d: {name: stem", "  - Conv2d: {name: stem"))
    assert editor.diagnostics(URI)


def test_code_that_a_spec_imports_is_not_run(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("open('canary', 'w')\n")
    uri = (tmp_path / "net.yaml").as_uri()
    text = "name: Net\ninput: [4]\nimports: {Own: own.Own}\nlayers:\n  - Own\n  - Linear: 2\n"
    editor.open(uri, text)
    (found,) = editor.diagnostics(uri)
    assert (found.code, found.severity) == ("NG209", types.DiagnosticSeverity.Information)
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


# hover


def test_hover_tells_what_flows(editor: Editor) -> None:
    editor.open(URI, LENET)
    conv = editor.hover(URI, *place(LENET, "Conv2d"))
    assert "`conv1`: (N, 1, 32, 32) → (N, 6, 28, 28), 156 parameters, 117,600 multiply" in conv
    assert "`in_channels` = 1, inferred: `input[1]`" in conv
    assert "`(32 + 2 * 0 - 1 * (5 - 1) - 1) // 1 + 1`" in conv
    fc1 = editor.hover(URI, *place(LENET, "fc1"))
    assert "`fc1`: (N, 400) → (N, 120), 48,120 parameters" in fc1
    assert "`in_features` = 400" in fc1
    size = editor.hover(URI, *place(LENET, "kernel_size"))
    assert size.startswith("**kernel_size** of Conv2d: a whole number or a list of 2")
    assert "- 5 in `conv2`" in size
    classes = editor.hover(URI, *place(LENET, "$num_classes", 3))
    assert "a parameter of the network: default 10" in classes
    assert "Number of output classes." in classes


def test_hover_in_a_block_tells_of_its_uses(editor: Editor) -> None:
    editor.open(URI, RESNET)
    conv = editor.hover(URI, *place(RESNET, "Conv2d"))
    assert "`layer2.0.conv1`: (N, 64, 56, 56) → (N, 128, 28, 28)" in conv
    assert "- and 4 more" in conv
    stride = editor.hover(URI, *place(RESNET, "stride != 1"))
    assert "- 2 in `layer2.0`, `layer3.0`, `layer4.0`" in stride
    read = editor.hover(URI, *place(RESNET, "in_channels !="))
    assert "- 64 in `layer2.0.downsample`" in read
    reference = editor.hover(URI, *place(RESNET, "downsample]"))
    assert reference.startswith("`downsample`: Sequential")
    assert "(N, 512, 7, 7) in `layer4.0.downsample`" in reference
    assert "`out_channels` = 64" in editor.hover(URI, *place(RESNET, "- BasicBlock", 3))
    assert editor.hover(URI, *place(RESNET, "repeat")).startswith("**repeat**: So many copies")
    assert editor.hover(URI, *place(RESNET, "description")).startswith("**description**: The doc")


def test_the_number_of_a_copy_is_told_by_its_name(editor: Editor) -> None:
    text = "name: Net\ninput: [4]\nlayers:\n  - Group:\n      repeat: {times: 2, as: copy}\n"
    text += "      layers: [{Linear: $(copy + 1)}]\n"
    editor.open(URI, text)
    assert editor.hover(URI, *place(text, "copy + 1")) == (
        "`copy`: the number of the copy, in a `repeat`"
    )
    assert editor.hover(URI, *place(text, "as: ")) == (
        "**as** of `repeat`: The name that a copy's number has in expressions, inside of it."
    )
    there = editor.definition(URI, *place(text, "copy + 1"))
    assert there is not None
    assert there.start.line == 4


def test_texts_of_a_spec_are_no_markdown(editor: Editor) -> None:
    doc = "- [run](command:x) <img src=a> **b** `c` http_x"
    uri = "file:///marks.yaml"
    text = f"name: Net\nparams: {{width: {{default: 4, doc: '{doc}'}}}}\ninput: [4]\n"
    text += "layers: [{Linear: $width}]\n"
    editor.open(uri, text)
    told = editor.hover(uri, *place(text, "width"))
    shown = r"\- \[run\](command:x) \<img src=a\> \*\*b\*\* \`c\` http\_x"
    assert told.startswith(f"**width**, a parameter of the network: default 4\n\n{shown}")


def test_hover_after_a_mistake_is_that_of_lines_that_are_as_they_were(editor: Editor) -> None:
    editor.open(URI, SPEC)
    added = SPEC.replace("  - Flatten\n", "  - Dropout: {p: 3, q\n  - Sofmax\n  - Flatten\n")
    editor.change(URI, added)
    assert editor.diagnostics(URI)
    assert "(N, 4) → (N, 10)" in editor.hover(URI, *place(added, "Linear"))
    assert "(N, 3, 8, 8) → (N, 4, 8, 8)" in editor.hover(URI, *place(added, "Conv2d: {name: stem"))
    found = editor.definition(URI, *place(added, "body, twin"))
    assert found is not None
    assert found.start.line == place(added, "Body: {name")[0]
    assert editor.hover(URI, *place(added, "Dropout")).startswith("**Dropout**: torch.nn.Dropout")
    plain = SPEC.replace("  - Flatten\n", "  - Dropout: {p: 3, q: 1}\n  - Flatten\n")
    editor.change(URI, plain)
    assert editor.hover(URI, *place(plain, "p: 3")).startswith("**p** of Dropout: a number")


def entries(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The calls of what `netgen show` tells, by the names that `netgen explain` has for them."""
    for entry in tree["entries"] if not path and "entries" in tree else tree["children"]:
        name = entry["path"] or ".".join(filter(None, (path, entry["name"])))
        yield name, entry["output"]
        yield from entries({"children": entry["children"]}, entry["path"] or path)


def every(found: Sequence[Symbol]) -> Iterator[Symbol]:
    for symbol in found:
        yield symbol
        yield from every(symbol.children)


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_every_layer_of_every_config_has_the_shape_that_show_tells(path: Path) -> None:
    look = check(path.read_text(), str(path)).right
    assert look is not None
    tree = json.loads(show(checked(path), "json", 2, 1, None))
    shapes: dict[str, set[str]] = {}
    for name, output in entries(tree):
        shapes.setdefault(name, set()).add(output)
    told = 0
    for symbol in every(symbols(look.source)):
        found = hover(look, symbol.place.line, symbol.place.column)
        assert found is not None, symbol
        flows = re.findall(r"^- `(.+?)(?: \(call \d+\))?`: .+ → (\(.*?\))", found.text, re.M)
        assert flows or "Group" in (symbol.name, symbol.detail), (symbol, found.text)
        for name, output in flows:
            assert output in shapes[name], (symbol, name)
            told += 1
    assert told >= len(tree["entries"]) / 2


# completion


def offered(editor: Editor, line: str) -> list[str]:
    """What is offered where a bar stands in a line that stands in the place of `Flatten`'s."""
    marked = SPEC.replace("  - Flatten\n", f"{line}\n")
    text = marked.replace("|", "", 1)
    editor.change(URI, text)
    return [item.label for item in editor.complete(URI, *place(marked, "|"))]


ARGUMENTS = ["kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode"]
KEYS = ["name", "from", "repeat", "when", "else", "carry", "collect"]


@pytest.mark.parametrize(
    "line",
    [
        "  - Conv2d: {out_channels: 6, |}",
        "  - Conv2d: {out_channels: 6, |",
        "  - Conv2d:\n      out_channels: 6\n      |",
        "  - Sequential: [{Conv2d: {out_channels: 6, |",
    ],
)
def test_arguments_that_are_not_written_yet_are_offered(editor: Editor, line: str) -> None:
    editor.open(URI, SPEC)
    if "Sequential" in line:
        line = line.replace("Sequential: [", "Sequential: {layers: [")
    assert offered(editor, line) == [*ARGUMENTS, "in_channels", *KEYS, "parametrize"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  - Conv2d: {padding_mode: |}", ["zeros", "reflect", "replicate", "circular"]),
        ("  - Conv2d: {padding_mode: |", ["zeros", "reflect", "replicate", "circular"]),
        ("  - Conv2d: {bias: t|, kernel_size: 3}", ["true", "false"]),
        ("  - Add: [|]", ["stem", "body", "twin", "relu", "add", "avgpool", "input"]),
        ("  - ReLU: {from: |", ["stem", "body", "twin", "relu", "add", "avgpool", "input"]),
        (
            "  - ReLU: {when: true, else: |",
            ["stem", "body", "twin", "relu", "add", "avgpool", "input"],
        ),
        ("  - Body: {|}", ["channels", "stride", *KEYS]),
        ("  - Rearrange: {pattern: n (h w) c -> n h w c, |}", [*"nhwc", *KEYS]),
        ("  - Repeat: {pattern: n c -> n (c r), r: 2, |}", [*"nc", *KEYS]),
        (
            "  - Reduce: {reduction: m|, pattern: n c h -> n c}",
            "mean sum max min prod any all".split(),
        ),
        ("  - Body: {channels: 3, |", ["stride", *KEYS]),
        ("  # Con|", []),
        ("style: |", ["modules", "functional"]),
    ],
)
def test_what_may_stand_there_is_offered(editor: Editor, line: str, found: list[str]) -> None:
    editor.open(URI, SPEC)
    editor.diagnostics(URI)
    assert sorted(offered(editor, line)) == sorted(found)


def test_names_types_and_keys_are_offered(editor: Editor) -> None:
    editor.open(URI, SPEC)
    assert offered(editor, "  - Linear: $|")[:3] == ["width", "classes", "in_shape"]
    assert {"width", "divisible"} <= {*offered(editor, '  - Linear: "$(2 * wi|')}
    assert "divisible" not in offered(editor, "  - Linear: $wi|")
    assert {"Body", "Conv2d", "Add", "Sequential"} <= {*offered(editor, "  - |")}
    assert {"Body", "Conv2d"} <= {*offered(editor, "  - Con|: [3, 3]")}
    inner = {*offered(editor, "  - TransformerEncoder: {encoder_layer: {|}}")}
    assert "TransformerEncoderLayer" in inner
    assert not {"Body", "Add", "Sequential"} & inner
    assert {"outputs", "style"} <= {*offered(editor, "|")}
    assert "params" not in offered(editor, "|")
    copies = "  - Linear: {repeat: {times: 2, as: copy}, out_features: $|}"
    assert "copy" in offered(editor, copies)
    assert "copy" not in offered(editor, "  - Linear: $|")
    assert offered(editor, "  - Linear: {out_features: 4, repeat: {times: 2, |}}") == ["as"]
    block = SPEC.replace("      - ReLU\n", "      - Linear: $\n")
    editor.change(URI, block)
    labels = [item.label for item in editor.complete(URI, *place(block, "$\n", 1))]
    assert labels[:2] == ["channels", "stride"]


def offered_after(editor: Editor, text: str, line: str) -> list[str]:
    """What is offered at the end of a line after a text without mistakes."""
    editor.open(URI, text)
    assert editor.diagnostics(URI) == []
    editor.change(URI, text + line)
    return [item.label for item in editor.complete(URI, text.count("\n"), len(line))]


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ("[4, 8, 8]", ["Conv2d", "MaxPool2d", "Conv1d"]),
        ("[4, 8]", ["Conv1d", "MaxPool1d", "Conv2d"]),
        ("[4, 8, 8, 8]", ["Conv3d", "MaxPool3d", "Conv1d", "Conv2d"]),
        ("[4]", ["Conv2d", "MaxPool2d", "Conv1d", "Conv3d"]),
    ],
)
def test_types_for_what_is_read_come_first(editor: Editor, shape: str, found: list[str]) -> None:
    text = f"name: Net\ninput: {shape}\nlayers:\n  - ReLU\n"
    labels = offered_after(editor, text, "  - ")
    known = re.compile("(Conv|MaxPool)1d|Conv2d|MaxPool2d|(Conv|MaxPool)3d")
    order = [label for label in labels if known.fullmatch(label)]
    assert [label for label in order if label in found] == found
    assert ("Conv3d" in order) == ("Conv3d" in found)


def test_names_of_blocks_come_before_types(editor: Editor) -> None:
    block = "blocks: {Residual: {layers: [ReLU]}}\n"
    text = f"name: Net\ninput: [3, 8, 8]\n{block}layers:\n  - Residual\n"
    labels = offered_after(editor, text, "  - Res")
    assert labels.index("Residual") < labels.index("Reuse")


def test_a_name_that_may_mean_several_layers_is_not_offered(editor: Editor) -> None:
    layers = "".join(f"  - {one}\n" for one in ("Linear: 4", "ReLU", "Linear: 4", "ReLU", "Tanh"))
    text = f"name: Net\ninput: [4]\nlayers:\n{layers}"
    assert sorted(offered_after(editor, text, "  - Add: [")) == ["fc1", "fc2", "input", "tanh"]
    for name in ("fc1", "fc2", "input", "tanh"):
        assert check(f"{text}  - Add: [tanh, {name}]\n", "net.yaml").right is not None
    (told,) = check(f"{text}  - Add: [tanh, relu]\n", "net.yaml").diagnostics
    assert told.message == "`relu` could be any of 2 layers"


def test_a_completion_takes_the_place_of_the_word(editor: Editor) -> None:
    text = SPEC.replace("name: stem", "name: net.stem").replace("from: stem", "from: net.s")
    editor.open(URI, SPEC)
    editor.change(URI, text)
    line, character = place(text, "from: net.s", len("from: net.s"))
    (item, *_) = editor.complete(URI, line, character)
    assert (item.label, item.detail) == ("net.stem", "Conv2d")
    details = {item.label: item.detail for item in editor.complete(URI, line, character)}
    assert details == {"net.stem": "Conv2d", "relu": "ReLU", "body": "Body", "input": "an input"}
    start = types.Position(line, character - len("net.s"))
    whole = types.Range(start, types.Position(line, character))
    assert item.text_edit == types.TextEdit(whole, "net.stem")


# definition and outline


@pytest.mark.parametrize(
    ("part", "more", "target"),
    [
        ("from: stem", 7, "Conv2d: {name: stem"),
        ("[body, twin]", 2, "Body: {name: body"),
        ("- Body", 3, "Body:\n"),
        ("$channels", 3, "channels: required"),
        ("$stride", 3, "stride: 1"),
        ("$width", 3, "width: 4"),
        ("channels: $width}", 2, "channels: required"),
        ("ReLU", 0, None),
        ("kernel_size", 0, None),
    ],
)
def test_definitions(editor: Editor, part: str, more: int, target: str | None) -> None:
    editor.open(URI, SPEC)
    found = editor.definition(URI, *place(SPEC, part, more))
    if target is None:
        assert found is None
    else:
        assert found is not None
        assert (found.start.line, found.start.character) == place(SPEC, target)


def test_names_that_nobody_wrote_lead_to_their_layers(editor: Editor) -> None:
    text = RESNET.replace("Add: [bn2, downsample]", "Add: [bn2, downsample]  # relu")
    editor.open(URI, text)
    found = editor.definition(URI, *place(text, "Reuse: relu", 8))
    assert found is not None
    assert found.start.line == place(text, "ReLU: {inplace")[0]


def test_a_line_that_is_no_yaml_yet_has_answers(editor: Editor) -> None:
    text = SPEC.replace("from: stem, out_channels: 4, kernel_size: 3}", "from: stem, bias: ")
    editor.open("file:///new.yaml", text)
    (found,) = editor.diagnostics("file:///new.yaml")
    assert found.code == "NG102"
    target = editor.definition("file:///new.yaml", *place(text, "from: stem", 7))
    assert target is not None
    assert target.start.line == place(text, "name: stem")[0]
    assert editor.hover("file:///new.yaml", *place(text, "bias")).startswith("**bias** of Conv2d")


def test_the_outline_has_blocks_and_layers(editor: Editor) -> None:
    editor.open(URI, RESNET)
    found = editor.symbols(URI)
    assert [symbol.name for symbol in found[:3]] == ["BasicBlock", "conv1", "bn1"]
    names = [symbol.name for symbol in found[0].children or ()]
    assert names[:3] == ["conv1", "bn1", "ReLU"]
    (down,) = (symbol for symbol in found[0].children or () if symbol.name == "downsample")
    assert [symbol.name for symbol in down.children or ()] == ["Conv2d", "BatchNorm2d"]


# whatever is asked of whatever text


@pytest.mark.slow
def test_no_text_and_no_place_is_too_odd() -> None:
    draws = random.Random("lsp")
    texts = [path.read_text() for path in (*CONFIGS, *SPECS) if not is_deep(path)]
    for number in range(240):
        whole = draws.choice(texts)
        text = changed_text(draws, whole)
        if number % 2:
            text = text[: draws.randrange(len(text) + 1)]
        right = check(whole, "net.yaml").right if number % 20 == 0 else None
        positions = Positions(text, units)
        checked = check(text, "net.yaml")
        assert "NG601" not in {found.code for found in checked.diagnostics}
        for _ in range(8):
            row = draws.randrange(text.count("\n") + 2)
            line, column = positions.from_editor(row, draws.randrange(80))
            for look, there in snapshots(text, "net.yaml", line, checked.right or right):
                hover(look, there, column)
                definition(look, there, column)
                symbols(look.source)
            complete(text, line, column, right)


def test_a_list_in_the_place_of_a_mapping_is_told_of_as_little() -> None:
    ((look, line),) = snapshots("name: Net\nparams: [width]\n", "net.yaml", 2, None)
    assert hover(look, line, 12) is None
    assert definition(look, line, 12) is None


def test_lines_are_found_again() -> None:
    assert [line_in("a\nb\nc\n", "a\nx\ny\nc\n", line) for line in (1, 2, 3)] == [1, None, 4]
    assert [line_in("a\na\n", "a\na\na\n", line) for line in (1, 2)] == [1, 2]


def test_the_innermost_value_is_found() -> None:
    source = parse("a: &x {b: [1, {c: d}]}\ne: *x\n<<: {f: 1}\n", "x.yaml")
    assert source.at(1, 1) == (("a",), True)
    assert source.at(1, 16) == (("a", "b", 1, "c"), True)
    assert source.at(1, 19) == (("a", "b", 1, "c"), False)


# the process


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pygls'] = sys.modules['lsprotocol'] = None; "
    code += "from torch_netgen.cli.cli import main; sys.exit(main(['lsp']))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    help = "pip install 'torch-netgen[lsp]'"
    assert run.stderr == f"netgen: `lsp` needs pygls, which is not there: {help}\n"


def test_an_editor_that_is_gone_ends_it(tmp_path: Path) -> None:
    run = process("lsp", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (1, "")


@pytest.mark.linux
def test_ctrl_c_ends_it() -> None:
    session = Editor()
    session.start()
    assert session.interrupt() == -signal.SIGINT


def test_it_needs_no_torch() -> None:
    code = "import sys; import torch_netgen.lsp.server; print({'torch', 'black'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
