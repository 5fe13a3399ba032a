"""The pages of the documentation that are made from the code."""

from __future__ import annotations

from torch_netgen import NetgenError
from torch_netgen.diagnostics.codes import CODES, WARNINGS, Code
from torch_netgen.diagnostics.diagnostics import Diagnostic
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .conftest import CPU

HEAD = """\
# Diagnostics

Every mistake that netgen reports has a code. It names the kind of mistake and does not change
from version to version, so it can be searched for, and a warning can be silenced by it.

- An **error** (`NG1xx` to `NG2xx`: the spec; `NG4xx`: the run; `NG5xx`: the output; `NG6xx`:
  netgen itself; `NG7xx`: an [import](importing.md)) ends with exit code 1. Nothing is written.
- A **warning** (`NG3xx`) is about what is legal and likely wrong. The build goes on;
  `netgen build --strict` takes it for an error, and `allow: [NG302]` in the spec silences it.

All independent mistakes of a spec are shown in one run, in the order of the file; what only
follows from another mistake is not. `netgen build -v` shows the layers before the first one that
failed, `--format json` gives the same as data, `--format github` as annotations of a workflow.
Colours are used on a terminal only, and never where `NO_COLOR` is set.

| code | meaning |
|---|---|
"""


def shown(example: str, worker: Worker) -> list[Diagnostic]:
    """What netgen says of an example."""
    try:
        return list(build_source(parse(example, "net.yaml"), {}, worker, CPU).warnings)
    except NetgenError as error:
        return list(error.diagnostics)


def section(name: str, code: Code, worker: Worker) -> str:
    kind = "Warning. " if name in WARNINGS else ""
    text = f"## {name}: {code.title}\n\n{kind}{code.cure}\n"
    if code.example:
        said = "\n\n".join(found.render() for found in shown(code.example, worker))
        text += f"\n```text\n{code.example}```\n\n```text\n{said}\n```\n"
    return text


def diagnostics_page(worker: Worker) -> str:
    """`docs/diagnostics.md`."""
    table = "".join(
        f"| [{name}](#{anchor(name, code)}) | {code.title} |\n" for name, code in CODES.items()
    )
    sections = [section(name, code, worker) for name, code in CODES.items()]
    return HEAD + table + "\n" + "\n".join(sections)


def anchor(name: str, code: Code) -> str:
    """The heading's address, as GitHub makes it."""
    words = f"{name}: {code.title}".lower().replace(" ", "-")
    return "".join(char for char in words if char.isalnum() or char == "-")
