"""What `netgen import` makes of known networks, as a page: ``python -m tests.imports_table``.

With names of networks only these are imported, and their rows are put into the page that is there;
so are all rows where a library is not installed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch
from msgspec import Struct

from . import torchvision_models
from .conftest import ROOT

PAGE = ROOT / "docs" / "imported-models.md"
LIMIT = 1800.0  # seconds for one import
MOST = 100_000_000  # parameters
IMAGE, SMALL = "3,224,224", "3,64,64"
LARGE = 20_000_000  # parameters: such convolutional networks see small images
TORCHVISION, EXAMPLES = "torchvision", "pytorch/examples"

QUICK = ("--args", '{"init_weights": false}')  # their own way to draw weights is slow
KEPT = ("--keep", "ShiftedWindowAttentionV2")
# what torchvision's networks are asked for, where it is not one image of the usual size
SPECIAL = {
    "googlenet": (IMAGE, QUICK),
    "inception_v3": ("3,299,299", QUICK),
    **{f"swin_v2_{size}": (IMAGE, KEPT) for size in "tsb"},
}
EXAMPLE_INPUTS = {
    "Mnist": ["1,28,28"],
    "MnistHogwild": ["1,28,28"],
    "MnistRnn": ["1,28,28"],
    "ForwardForward": ["784"],
    "Generator": ["100,1,1"],
    "Discriminator": ["3,64,64"],
    "SuperResolution": ["1,H,W"],
    "RNNModel": ["input=T,N:int64:0..500", "hidden=2,N,200"],
    "LSTMModel": ["input=T,N:int64:0..500", "h=2,N,200", "c=2,N,200"],
    "TransformerModel": ["T,N:int64:0..500"],
    "VAE": ["1,28,28"],
    "SiameseNetwork": ["input1=1,28,28", "input2=1,28,28"],
    "TransformerNet": ["3,64,64"],
    "Vgg16": ["3,64,64"],
    "Reinforce": ["4"],
    "ActorCritic": ["4"],
    "GCN": ["input_tensor=1433", "adj_mat=N,N"],
    "GAT": ["input_tensor=1433", "adj_mat=N,N"],
    "Sequence": ["12"],
    "ViT": ["3,32,32"],
    "Translator": [
        "src=S,N:int64:0..100",
        "trg=T,N:int64:0..100",
        "tgt_mask=T,T",
        "src_padding_mask=S:bool",
    ],
    "SNLIClassifier": ["premise=T,N:int64:0..500", "hypothesis=T,N:int64:0..500"],
    "ToyModel": ["10"],
    "GPT": ["16:int64:0..100"],
    "regression": ["4"],
}
MEANING = """
What [`netgen import`](importing.md) makes of known networks: those of torchvision that classify
images and have up to 100 million parameters, and those of pytorch/examples, as
`tests/example_networks.py` has them. Made by `make test-import`, on a CPU with 2 cores, torch
{version}. Images are of 224 by 224 pixels, but of 64 by 64 for convolutional networks of more than
20 million parameters. The machine did other work beside it: seconds are no measure of speed.

*Equal* is a spec whose class has the same keys in the same order, and the same outputs, as
[Importing](importing.md#what-is-compared) tells. The keys may be *in another order*, or classes
of the network be *without a block* of their own. What *goes flat* is equal, but has no blocks. What
is *refused* has no spec.
"""
BY_TORCHVISION = ("SiameseNetwork", "Vgg16")  # examples that take its networks


class Known(Struct, frozen=True):
    """A network that is imported: where it is from, and the arguments of the command."""

    group: str
    name: str
    source: str
    inputs: Sequence[str]
    options: Sequence[str] = ()


class Import(Struct, frozen=True):
    """What came of one import: in a word, why it is no better, and what it took."""

    word: str
    why: str
    parameters: str
    seconds: float


def networks() -> Iterator[Known]:
    """All networks whose libraries are installed."""
    if torchvision_models.INSTALLED:
        models = torchvision_models.models()
        for name in models.list_models(module=models):
            parameters = models.get_model_weights(name).DEFAULT.meta["num_params"]
            small = parameters > LARGE and not name.startswith(("vit", "swin", "maxvit"))
            if parameters <= MOST:
                shape, options = SPECIAL.get(name, (SMALL if small else IMAGE, ()))
                yield Known(TORCHVISION, name, f"tests.torchvision_models:{name}", [shape], options)
    for name, inputs in EXAMPLE_INPUTS.items():
        if torchvision_models.INSTALLED or name not in BY_TORCHVISION:
            yield Known(EXAMPLES, name, f"tests.example_networks:{name}", inputs)


def imported(known: Known, *flat: str) -> Import:
    """Import a network by the command, in a process of its own."""
    given = [word for shape in known.inputs for word in ("--input", shape)]
    words = [known.source, *given, *known.options, *flat, "--timeout", f"{LIMIT:g}"]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="netgen-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "torch_netgen", "import", *words, "-o", f"{folder}/net.yaml"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "1000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=LIMIT + 60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Import("too long", f"it took more than {LIMIT:g} s", "", LIMIT)
    seconds = time.monotonic() - begun
    if process.returncode:
        return Import("refused", refusal(err), "", seconds)
    head, shown, *notes = out.split("\n")
    parameters = head.rpartition("layers, ")[2].partition(" ")[0]
    return Import(*judged(shown, notes), parameters, seconds)


def refusal(err: str) -> str:
    """Why an import was refused: its first mistake, and how many more there are."""
    errors: list[str] = re.findall(r"^error\[.*?\]: (.*)$", err, re.MULTILINE)
    if not errors:
        return err.rstrip().rpartition("\n")[2].removeprefix("netgen: error: ")
    if errors[0].endswith("can't be built"):
        errors = errors[1:]
    return errors[0] + (f", and {len(errors) - 1} more" if errors[1:] else "")


def judged(shown: str, notes: Sequence[str]) -> tuple[str, str]:
    """What a report says in a word, and why it is no better."""
    assert "equal outputs" in shown, shown
    one_scope = [note for note in notes if note.startswith("all layers stand in one scope: ")]
    if one_scope:
        return "goes flat", one_scope[0].partition(": ")[2]
    opened = [note for note in notes if note.startswith("the layers of ")]
    words = []
    if "in another order" in shown:
        words.append("in another order")
    if opened:
        words.append("without a block")
    return f"equal{', ' if words else ''}{' and '.join(words)}", "; ".join(opened)


def row(known: Known) -> tuple[str, list[str]]:
    """The row of a network, and notes on what is not equal."""
    blocks, flat = imported(known), imported(known, "--flat")
    print(known.name, blocks, flat, sep="\n  ", flush=True)
    parameters = blocks.parameters or flat.parameters
    options = f" `{' '.join(known.options)}`" if known.options else ""
    cells = [known.group, f"`{known.name}`{options}", parameters, blocks.word, flat.word]
    seconds = [f"{blocks.seconds:.0f}", f"{flat.seconds:.0f}"]
    notes = [
        f"- `{known.name}`, {how}: {one.why}"
        for how, one in (("with blocks", blocks), ("flat", flat))
        if one.why
    ]
    return f"| {' | '.join([*cells, *seconds])} |", notes


def totals(rows: Sequence[str]) -> list[str]:
    """How many networks of each source come out how, as rows of a table."""
    found = []
    for group in (TORCHVISION, EXAMPLES):
        own = [cells for cells in map(cells_of, rows) if cells[0] == group]
        words = [Counter(cells[place] for cells in own) for place in (3, 4)]
        equal = [f"{count['equal']} of {len(own)}" for count in words]
        rest = [
            ", ".join(f"{number} {word}" for word, number in count.items() if word != "equal")
            for count in words
        ]
        found.append(f"| {group} | {equal[0]} | {rest[0]} | {equal[1]} | {rest[1]} |")
    return found


def cells_of(row: str) -> list[str]:
    """The cells of a row."""
    return [cell.strip() for cell in row.strip("|").split("|")]


def page(rows: Mapping[str, str], notes: Sequence[str]) -> str:
    """The page of these rows, each by the name of its network, and notes."""
    ordered = sorted(rows.values(), key=lambda one: (one.startswith(f"| {EXAMPLES}"), one.lower()))
    return "\n".join(
        [
            "# Imported networks",
            "",
            *MEANING.strip().format(version=torch.__version__.partition("+")[0]).split("\n"),
            "",
            "| from | equal with blocks | the others | equal flat | the others |",
            "|---|---|---|---|---|",
            *totals(ordered),
            "",
            "| from | network | parameters | with blocks | flat | seconds | seconds flat |",
            "|---|---|---|---|---|---|---|",
            *ordered,
            "",
            "## Why not",
            "",
            *(sorted(notes) or ["All are equal."]),
            "",
        ]
    )


def parts_of(text: str) -> tuple[dict[str, str], list[str]]:
    """The rows of a page, each by the name of its network, and its notes."""
    lines = text.splitlines()
    groups = tuple(f"| {group} | `" for group in (TORCHVISION, EXAMPLES))
    rows = {line.split("`")[1]: line for line in lines if line.startswith(groups)}
    return rows, [line for line in lines if line.startswith("- `")]


def with_row(text: str, name: str, new: str, why: Sequence[str]) -> str:
    """A page with the row of a network, and why it is no better, in place of what there was."""
    rows, notes = parts_of(text)
    others = [note for note in notes if note.split("`")[1] != name]
    return page({**rows, name: new}, [*others, *why])


def main(names: Sequence[str]) -> None:
    """Import, and write the page after each network: others may be imported beside it."""
    if not torchvision_models.INSTALLED:
        print("torchvision is not installed: rows of its networks stay as they are")
    for known in networks():
        if not names or known.name in names:
            new, why = row(known)
            text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
            PAGE.write_text(with_row(text, known.name, new, why), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
