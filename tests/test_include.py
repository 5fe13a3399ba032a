"""`include`: blocks of other files, of which messages, checks, `watch` and editors know."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_netgen
from lsprotocol import types
from torch import nn
from torch_netgen import NetgenError
from torch_netgen.lsp.completion import complete
from torch_netgen.lsp.definition import definition
from torch_netgen.lsp.hover import hover
from torch_netgen.lsp.snapshot import check, snapshots
from torch_netgen.spec.given import read
from torch_netgen.views.lines import SpecLines

from .command import netgen
from .conftest import ROOT
from .editor import Editor
from .fuzz import changed_text
from .networks import checked
from .test_lsp import place
from .test_watch import Start, save, watch

__all__ = ["watch"]  # a fixture

NET = """\
name: Net
input: [3, 8, 8]
params: {width: 4}
include: [blocks.yaml]
layers:
  - Residual: {name: stem, out_channels: $width}
  - Mean: [2, 3]
  - Linear: 5
"""
BLOCKS = """\
# what several networks share
include: [parts/norms.yaml]
blocks:
  Residual:
    params: {out_channels: required}
    layers:
      - ConvNorm: {name: first, out_channels: $out_channels}
      - ConvNorm: {name: last, out_channels: $out_channels}
      - Add: [last, first]
"""
NORMS = """\
blocks:
  ConvNorm:
    sequential: true
    params: {out_channels: required}
    layers:
      - Conv2d: {out_channels: $out_channels, kernel_size: 3, padding: 1, bias: false}
      - BatchNorm2d
  Spare: {layers: [Tanh]}
"""


def there(folder: Path, **files: str) -> Path:
    """A folder with these files; `__` in a name is the end of a folder's."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return there(tmp_path, net=NET, blocks=BLOCKS, parts__norms=NORMS)


class ConvNorm(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs))


class Reference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"first": ConvNorm(3, 4), "last": ConvNorm(4, 4)})
        self.fc1 = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.stem["first"](x)
        out: torch.Tensor = self.fc1((self.stem["last"](first) + first).mean((2, 3)))
        return out


def test_the_network_is_that_of_one_file(folder: Path) -> None:
    """It is the one that is written in torch, and has the source of a spec with the same blocks."""
    run = netgen("build", "net.yaml", "--device", "cpu", "--prove", "eval", cwd=folder)
    assert run.returncode == 0, run.stderr
    spec = importlib.util.spec_from_file_location("net", folder / "net.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made, reference = module.Net().eval(), Reference().eval()
    made.load_state_dict(reference.state_dict(), strict=True)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(made(x), reference(x))
    blocks = [BLOCKS.partition("blocks:\n")[2], NORMS.partition("blocks:\n")[2]]
    whole = NET.replace("include: [blocks.yaml]\n", f"blocks:\n{''.join(blocks)}")
    there(folder, whole=whole.replace("  Spare: {layers: [Tanh]}\n", ""))
    files = [torch_netgen.build(folder / f"{name}.yaml", smoke=False) for name in ("net", "whole")]
    own, other = (result.source.splitlines()[4:] for result in files)
    assert own == other


def test_a_change_of_an_included_file_is_a_change_of_the_spec(folder: Path) -> None:
    """Of what `--check` compares with, of what was proven, and of pictures."""

    def told(*args: str) -> str:
        run = netgen(*args, cwd=folder)
        return run.stdout + run.stderr

    build = ("build", "net.yaml", "--device", "cpu", "--prove", "forward")
    assert "wrote net.py" in told(*build)
    assert "net.py is up to date" in told(*build)
    assert told("build", "net.yaml", "--check") == "net.py is what net.yaml gives\n"
    there(folder, parts__norms=f"# the same in another text\n{NORMS}")
    assert "`net.py` is not what the spec gives" in told("build", "net.yaml", "--check")
    assert "wrote net.py" in told(*build)
    there(folder, parts__norms=NORMS.replace("BatchNorm2d", "InstanceNorm2d"))
    assert "`net.py` is not what the spec gives" in told("build", "net.yaml", "--check")
    there(folder, parts__norms=NORMS)
    os.rename(folder / "parts" / "norms.yaml", folder / "norms.yaml")
    there(folder, blocks=BLOCKS.replace("parts/", ""))
    assert "`net.py` is not what the spec gives" in told("build", "net.yaml", "--check")


def test_several_specs_share_files(folder: Path) -> None:
    there(folder, other=NET.replace("Net", "Other").replace("width: 4", "width: 6"))
    run = netgen("build", "net.yaml", "other.yaml", "--no-smoke", "-j", "2", cwd=folder)
    assert (run.returncode, run.stderr) == (0, "")
    lines = netgen("diff", "net.yaml", "other.yaml", cwd=folder).stdout.splitlines()
    assert "  ~ stem.first.0: Conv2d, out_channels 4 -> 6, output (N, 4, 8, 8) -> (N, 6, 8, 8)" in (
        lines
    )


def test_a_mistake_is_told_in_its_file_and_the_way_to_it_in_notes(folder: Path) -> None:
    there(folder, parts__norms=NORMS.replace("BatchNorm2d", "BatchNorm1d"))
    run = netgen("check", folder / "net.yaml", cwd=folder.parent)
    assert (
        run.stderr
        == f"""\
error[NG211]: `BatchNorm1d` reads 2 or 3 dimensions, batch included, but (N, 4, 8, 8) has 4
 --> {folder}/parts/norms.yaml:7:9
  |
7 |       - BatchNorm1d
  |         ^^^^^^^^^^^
  = note: the layer before gives (N, 4, 8, 8)
  = note: in the use of `ConvNorm` on line 7 of `blocks.yaml`, which reads (N, 3, 8, 8)
  = note: in the use of `Residual` on line 6 of `net.yaml`, which reads (N, 3, 8, 8)
  = help: write `BatchNorm2d`, which reads 4 dimensions
"""
    )
    told = netgen("check", "net.yaml", "--format", "json", cwd=folder)
    (found,) = json.loads(told.stdout)["diagnostics"]
    assert (found["file"], found["line"], found["column"]) == ("parts/norms.yaml", 7, 9)
    told = netgen("check", "net.yaml", "--format", "github", cwd=folder)
    assert told.stdout.startswith("::error file=parts/norms.yaml,line=7,col=9,endColumn=20,")


def test_mistakes_in_one_place_of_two_files_are_two(folder: Path) -> None:
    """And what an unknown block may be is not told where a file is missing."""
    there(folder, blocks=BLOCKS.replace("- ConvNorm: {name: l", "- ConvNrom: {name: l"))
    there(folder, parts__norms="#\n" + NORMS.replace("      - BatchNorm2d", "      - BatchNrom2d"))
    told = netgen("check", "net.yaml", cwd=folder).stderr
    assert " --> blocks.yaml:8:9\n" in told
    assert " --> parts/norms.yaml:8:9\n" in told
    assert told.endswith("\n2 errors\n")
    (folder / "parts" / "norms.yaml").unlink()
    told = netgen("check", "net.yaml", cwd=folder).stderr
    assert (
        told
        == """\
error[NG101]: can't read `parts/norms.yaml`: no such file or directory
 --> blocks.yaml:2:11
  |
2 | include: [parts/norms.yaml]
  |           ^^^^^^^^^^^^^^^^
  = help: a path is seen from the folder of the file that it stands in
"""
    )


def test_blocks_that_only_others_use_are_no_mistake_and_yet_checked(folder: Path) -> None:
    assert netgen("check", "net.yaml", "--strict", cwd=folder).returncode == 0
    there(folder, parts__norms=NORMS.replace("[Tanh]", "[Tahn]"))
    told = netgen("check", "net.yaml", cwd=folder).stderr
    assert " --> parts/norms.yaml:8:20\n" in told
    there(
        folder, parts__norms=NORMS.replace("{layers: [Tanh]}", "{params: {w: 1}, layers: [Tanh]}")
    )
    told = netgen("check", "net.yaml", cwd=folder).stderr
    assert told.startswith("warning[NG302]: nothing in the block `Spare` uses the parameter `w`\n")
    assert " --> parts/norms.yaml:8:20\n" in told


def test_lines_of_other_files_have_their_names(folder: Path) -> None:
    """In what `explain` tells, in reasons and in a variant's mistakes."""
    told = netgen("explain", "net.yaml", "stem.last.0", cwd=folder).stdout
    assert told.startswith("stem.last.0: Conv2d, parts/norms.yaml:6:9\n")
    assert "  out_channels  4        line 6 of `parts/norms.yaml` = out_channels\n" in told
    assert "  out_channels of stem.last   4  line 8 of `blocks.yaml` = out_channels\n" in told
    assert "  width                       4  line 3\n" in told
    pool = "      - MaxPool2d: {kernel_size: 2, when: $(out_channels > 9)}\n"
    there(folder, parts__norms=NORMS.replace("  Spare", f"{pool}  Spare"))
    found = netgen("check", "net.yaml", "--format", "json", cwd=folder)
    (result,) = json.loads(found.stdout)["results"]
    why = "`when` of `MaxPool2d` of `ConvNorm` on line 8 of `parts/norms.yaml` changes shapes"
    (fixed,) = result["fixed"]
    assert fixed == {"name": "width", "file": "parts/norms.yaml", "line": 8, "why": why}
    pool = "  Pool: {params: {size: required}, layers: [{MaxPool2d: $size}]}\n"
    there(
        folder,
        net=NET.replace("layers:\n", "variants: {n: {width: 9}}\nlayers:\n  - Pool: $width\n"),
        parts__norms=NORMS + pool,
    )
    told = netgen("check", "net.yaml", cwd=folder).stderr
    assert " --> parts/norms.yaml:9:57\n" in told
    assert "note: this is so in the variant `n`, line 5 of `net.yaml`\n" in told


def test_a_file_of_blocks_is_no_spec(folder: Path) -> None:
    for verb in ("check", "build"):
        run = netgen(verb, "blocks.yaml", cwd=folder)
        assert run.returncode == 1
        assert (
            run.stderr
            == """\
error[NG201]: this file has only blocks: other specs include it, but it is no network
 --> blocks.yaml:2:1
  |
2 | include: [parts/norms.yaml]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: a spec takes them by `include: [blocks.yaml]`
"""
        )


def test_a_text_without_a_folder_includes_nothing(folder: Path) -> None:
    run = netgen("check", "-", cwd=folder, stdin=NET)
    assert (
        run.stderr
        == """\
error[NG215]: this text may include no files: it has no folder from which they are seen
 --> <stdin>:4:1
  |
4 | include: [blocks.yaml]
  | ^^^^^^^
  = help: save it as a file
"""
    )
    spec = {"name": "Net", "input": [4], "include": ["blocks.yaml"], "layers": ["Residual"]}
    with pytest.raises(NetgenError, match="this text may include no files") as caught:
        torch_netgen.build(spec, smoke=False)
    assert len(caught.value.diagnostics) == 1
    result = torch_netgen.build(read(folder / "net.yaml"), device="cpu")
    assert result.parameter_count == 3 * 4 * 9 + 4 * 4 * 9 + 4 * 4 + 25
    assert torch_netgen.load(folder / "net.yaml").build(smoke=False).source == result.source


@pytest.mark.linux
def test_no_output_takes_the_place_of_an_included_file(folder: Path) -> None:
    for args in (("build", "--no-smoke"), ("graph",)):
        for file in ("blocks.yaml", "parts/norms.yaml"):
            to = folder / (file if args[0] == "build" else "picture.dot")
            if args[0] == "graph":
                to.unlink(missing_ok=True)
                to.symlink_to(file)
            run = netgen(*args, "net.yaml", "-o", to, "--force", cwd=folder)
            assert run.returncode == 1
            assert "is the spec itself: give another output" in run.stderr
    told = ("-o", "-", "--report", "blocks.yaml", "--force")
    run = netgen("build", "net.yaml", *told, cwd=folder)
    assert run.returncode == 1
    assert "`blocks.yaml` is the spec itself: give another output" in run.stderr
    assert (folder / "blocks.yaml").read_text() == BLOCKS


# what may be included, and how it looks

CASES: Mapping[str, tuple[Any, ...]] = {
    "a single path": (
        {"net": NET.replace("[blocks.yaml]", "blocks.yaml")},
        "NG201 net.yaml:4:10 `include` should be a list of paths of files",
    ),
    "a number": (
        {"net": NET.replace("[blocks.yaml]", "[blocks.yaml, 3]")},
        "NG201 net.yaml:4:24 `include` should be a list of paths of files",
    ),
    "a key misspelt": (
        {"net": NET.replace("include:", "inclued:")},
        "NG201 net.yaml:4:1 there is no key `inclued` here",
    ),
    "a list": (
        {"blocks": "- Residual\n"},
        "NG201 blocks.yaml:1:1 a file to be included has `blocks`, but this is a list",
    ),
    "nothing": (
        {"blocks": "# later\n"},
        "NG201 blocks.yaml:1:1 a file to be included has `blocks`, but this is nothing",
    ),
    "other keys": (
        {"blocks": BLOCKS + "params: {width: 3}\nblcoks: {}\n"},
        "NG201 blocks.yaml:10:1 there is no key `params` here",
        "NG201 blocks.yaml:11:1 there is no key `blcoks` here",
    ),
    "a list of blocks": (
        {"blocks": "blocks: [Residual]\n"},
        "NG201 blocks.yaml:1:9 `blocks` should be a mapping from names to blocks",
    ),
    "what a file includes is no list": (
        {"blocks": BLOCKS.replace("[parts/norms.yaml]", "{parts/norms.yaml: 1}")},
        "NG201 blocks.yaml:2:10 `include` should be a list of paths of files",
    ),
    "no YAML": (
        {"blocks": BLOCKS.replace("[last, first]", "[last, first")},
        "NG102 blocks.yaml:9:14 not YAML: did not find expected ',' or ']'",
    ),
    "a key twice": (
        {"blocks": BLOCKS.replace("name: last,", "name: last, name: last,")},
        "NG104 blocks.yaml:8:32 `name` stands twice in this mapping",
    ),
    "a block twice in two files": (
        {"blocks": BLOCKS + "  ConvNorm: {layers: [Tanh]}\n"},
        "NG205 blocks.yaml:10:3 there are two blocks `ConvNorm`",
    ),
    "a block of the spec's own twice": (
        {"net": NET.replace("layers:", "blocks: {Residual: {layers: [Tanh]}}\nlayers:")},
        "NG205 net.yaml:5:10 there are two blocks `Residual`",
        "NG208 net.yaml:7:28 the block `Residual` has no parameter `out_channels`",
    ),
    "a file that includes itself": (
        {"parts__norms": f"include: [../blocks.yaml, norms.yaml, ../net.yaml]\n{NORMS}"},
        "NG215 parts/norms.yaml:1:11 files can't include each other in a circle: "
        "blocks.yaml -> parts/norms.yaml -> blocks.yaml",
        "NG215 parts/norms.yaml:1:27 files can't include each other in a circle: "
        "parts/norms.yaml -> parts/norms.yaml",
        "NG215 parts/norms.yaml:1:39 files can't include each other in a circle: "
        "net.yaml -> blocks.yaml -> parts/norms.yaml -> net.yaml",
    ),
    "a whole spec": (
        {"blocks": "name: Other\nlayers: [Tanh]\n"},
        "NG201 blocks.yaml:1:1 there is no key `name` here",
        "NG201 blocks.yaml:2:1 there is no key `layers` here",
    ),
    "a block that is called as the network": (
        {"parts__norms": NORMS.replace("  Spare", "  Net")},
        "NG205 parts/norms.yaml:8:3 `Net` is the network's own name",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_at_its_place(case: str, folder: Path) -> None:
    files, *wanted = CASES[case]
    there(folder, **files)
    told = netgen("check", "net.yaml", "--format", "json", cwd=folder)
    found = [
        f"{x['code']} {x['file']}:{x['line']}:{x['column']} {x['message']}"
        for x in json.loads(told.stdout)["diagnostics"]
    ]
    assert found == wanted


@pytest.mark.linux
def test_the_same_file_by_two_ways_is_read_once(folder: Path) -> None:
    both = "include: [blocks.yaml, parts/norms.yaml, ./parts/../blocks.yaml, twin.yaml]"
    (folder / "twin.yaml").symlink_to("parts/norms.yaml")
    there(folder, net=NET.replace("include: [blocks.yaml]", both))
    run = netgen("check", "net.yaml", "--strict", cwd=folder)
    assert run.stdout == "net.yaml can be built: 3 layers, 293 parameters\n"


# pages


def test_a_page_shows_all_files(folder: Path) -> None:
    """Each layer leads to its line, which bears the number that it has in its file."""
    found = checked(ROOT / "tests" / "specs" / "included.yaml")
    lines, files = SpecLines(found.source), {*()}
    for call in found.trace.calls:
        where = found.source.locate(call.node.path, key=True)
        number, words = lines.of(call)
        assert lines.numbered[number - 1] == (str(where.line), where.text)
        files.add(words.partition(" of ")[2])
    below = {f"parts/{name}.yaml" for name in ("residual", "heads", "norms/conv_norm")}
    assert files == {"the spec", *below}
    run = netgen("graph", "net.yaml", "-o", "net.html", cwd=folder)
    assert run.returncode == 0, run.stderr
    data = re.search(r'id="data">(.*?)</script>', (folder / "net.html").read_text(), re.DOTALL)
    assert data is not None
    page = json.loads(data[1])
    titles = [parts for number, parts in page["spec"] if not number]
    headings = ["".join(text for _, text in parts) for parts in titles]
    assert headings == ["blocks.yaml", "parts/norms.yaml"]
    by_name = {box["name"]: box for box in page["boxes"]}
    assert by_name["stem"]["line"] == "line 6 of the spec"
    assert by_name["stem.last.0"]["line"] == "line 6 of parts/norms.yaml"


# whatever the files hold


@pytest.mark.slow
def test_odd_files_are_told_at_their_places_and_have_answers() -> None:
    draws, names = random.Random("include"), ("net", "blocks", "parts/norms")
    paths = [f"/specs/{name}.yaml" for name in names]

    def text_of(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return files[path]

    files = dict(zip(paths, (NET, BLOCKS, NORMS), strict=True))
    right = check(NET, paths[0], text_of).right
    assert right is not None
    for _ in range(600):
        files = dict(zip(paths, (NET, BLOCKS, NORMS), strict=True))
        for path in draws.sample(paths, draws.choice((1, 1, 2, 3))):
            files[path] = changed_text(draws, files[path])
        for found in check(files[paths[0]], paths[0], text_of).diagnostics:
            assert found.code != "NG601"
            assert found.location is not None
            lines = re.split("\r\n?|\n", files[found.location.file])
            assert found.location.text in ("", lines[found.location.line - 1])
        for path, text in files.items():
            seen = right.seen_from(path) or right
            line = draws.randint(1, len(text.splitlines()) or 1)
            column = draws.randint(1, 40)
            for look, there in snapshots(text, path, line, seen):
                hover(look, there, column)
                definition(look, there, column)
            complete(text, line, column, seen)


# `watch`


@pytest.mark.slow
def test_watch_knows_what_a_spec_includes(folder: Path, watch: Start) -> None:
    there(
        folder,
        alone=NET.replace("include: [blocks.yaml]\n", "").replace(
            "Residual: {name: stem, out_channels: $width}", "Conv2d: [$width, 3]"
        ),
    )
    running = watch("net.yaml", "alone.yaml", "--no-smoke")
    running.round()
    save(folder / "parts" / "norms.yaml", NORMS.replace("BatchNorm2d", "BatchNorm1d"))
    told = running.round()  # in a folder below
    assert " --> parts/norms.yaml:7:9" in told
    assert "alone" not in told
    save(folder / "parts" / "norms.yaml", NORMS)
    assert "wrote net.py" in running.round()
    save(folder / "blocks.yaml", BLOCKS.replace("parts/norms", "more/own/norms"))
    assert "can't read `more/own/norms.yaml`" in running.round()
    (folder / "more" / "own").mkdir(parents=True)
    save(folder / "more" / "own" / "norms.yaml", NORMS)
    told = ""
    while "wrote net.py" not in told:  # for the folders, there may be rounds of their own
        told = running.round()
    save(folder / "more" / "own" / "norms.yaml", NORMS.replace("Spare", "Other"))
    told = running.round()
    assert "wrote net.py" in told
    assert "alone" not in told
    assert running.interrupted() == 0


# editors


def messages(editor: Editor, uri: str) -> list[tuple[int, int, str]]:
    """The line, character and first line of what is told of a document."""
    editor.symbols(uri)  # by its answer all before it is done
    return [
        (x.range.start.line, x.range.start.character, x.message.partition("\n")[0])
        for x in editor.diagnostics(uri)
    ]


def test_an_editor_is_told_in_the_document_it_concerns(folder: Path, editor: Editor) -> None:
    net, blocks, norms = ((folder / f"{x}.yaml").as_uri() for x in ("net", "blocks", "parts/norms"))
    editor.versions |= {blocks: None, norms: None}
    editor.open(net, NET)
    assert messages(editor, net) == []
    editor.open(norms, NORMS)
    editor.change(norms, NORMS.replace("BatchNorm2d", "BatchNorm1d"))  # it is not saved
    ((line, character, message),) = messages(editor, norms)
    assert (line, character) == (6, 8)
    assert message.startswith("`BatchNorm1d` reads 2 or 3 dimensions")
    editor.change(norms, NORMS + "  Spare: {layers: [Tanh]}\n")
    assert messages(editor, norms) == [(8, 2, "`Spare` stands twice in this mapping")]
    editor.open(blocks, BLOCKS.replace("name: first, ", ""))
    assert messages(editor, blocks) == [(8, 20, "`first` is no input and no layer above")]
    editor.close(blocks)  # what is saved counts again
    assert messages(editor, blocks) == []
    editor.close(norms)
    assert messages(editor, norms) == []
    there(folder, other=NET.replace("name: Net", "name: Other"))
    other = (folder / "other.yaml").as_uri()
    editor.open(other, (folder / "other.yaml").read_text())
    editor.open(norms, NORMS.replace("- BatchNorm2d", "- BatchNorm"))
    assert len(messages(editor, norms)) == 1  # for both specs
    editor.close(net)
    assert len(messages(editor, norms)) == 1
    editor.close(other)
    assert messages(editor, norms) == []


def test_what_changes_outside_of_the_editor_counts(folder: Path, editor: Editor) -> None:
    net, norms = ((folder / f"{x}.yaml").as_uri() for x in ("net", "parts/norms"))
    editor.versions[norms] = None
    editor.open(net, NET)
    assert messages(editor, net) == []
    assert editor.registered == [types.WORKSPACE_DID_CHANGE_WATCHED_FILES]
    there(folder, parts__norms=NORMS.replace("BatchNorm2d", "BatchNorm"))
    editor.files_change(norms, (folder / "other.yaml").as_uri())
    assert messages(editor, norms) == [(6, 8, "there is no layer type `BatchNorm`")]
    editor.close(net)


def test_an_editor_goes_from_file_to_file(folder: Path, editor: Editor) -> None:
    net, blocks, norms = ((folder / f"{x}.yaml").as_uri() for x in ("net", "blocks", "parts/norms"))
    editor.open(net, NET)
    assert messages(editor, net) == []

    def leads(uri: str, text: str, part: str) -> tuple[str, int, int]:
        found = editor.defined(uri, *place(text, part, 2))
        assert found is not None
        return found.uri, found.range.start.line, found.range.start.character

    assert leads(net, NET, "blocks.yaml") == (blocks, 0, 0)
    assert leads(net, NET, "Residual") == (blocks, 3, 2)
    assert leads(net, NET, "out_channels") == (blocks, 4, 13)
    assert "**Residual**: a block of this spec" in editor.hover(net, *place(NET, "Residual"))
    assert editor.hover(net, *place(NET, "blocks.yaml")) == (
        "**blocks.yaml**, an included file, has `Residual`"
    )
    assert editor.hover(net, *place(NET, "out_channels")).startswith(
        "**out_channels**, a parameter of the block `Residual`: required"
    )
    # from an included file, which is no spec
    editor.open(blocks, BLOCKS)
    assert leads(blocks, BLOCKS, "ConvNorm") == (norms, 1, 2)
    assert leads(blocks, BLOCKS, "parts/norms") == (norms, 0, 0)
    assert leads(blocks, BLOCKS, "$out_channels") == (blocks, 4, 13)
    assert leads(blocks, BLOCKS, "first]") == (blocks, 6, 8)
    told = editor.hover(blocks, *place(BLOCKS, "ConvNorm"))
    assert "`stem.first`: (N, 3, 8, 8) → (N, 4, 8, 8), 116 parameters" in told
    assert [symbol.name for symbol in editor.symbols(blocks)] == ["Residual"]
    # types and arguments of other files are completed
    for uri, text, line in ((net, NET, "  - Residual: {"), (blocks, BLOCKS, "      - ConvNorm: {")):
        changed = text.replace(line, line.partition("-")[0] + "- \n" + line, 1)
        editor.change(uri, changed)
        at = place(changed, "- \n", 2)
        wanted = {"ConvNorm"} if uri == blocks else {"ConvNorm", "Residual"}
        assert wanted <= {x.label for x in editor.complete(uri, *at)}
        changed = text.replace(line, line + "\n", 1)
        editor.change(uri, changed)
        at = place(changed, f"{line}\n", len(line))
        assert "out_channels" in {x.label for x in editor.complete(uri, *at)}
        editor.change(uri, text)
    # lines that were added above
    editor.change(blocks, f"# one\n# two\n{BLOCKS}")
    assert leads(net, NET, "Residual") == (blocks, 5, 2)


def test_an_unsaved_text_includes_nothing(folder: Path, editor: Editor) -> None:
    editor.open("untitled:Untitled-1", NET)
    ((line, _, message),) = messages(editor, "untitled:Untitled-1")
    assert (line, message.partition(":")[0]) == (3, "this text may include no files")
