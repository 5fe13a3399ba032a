"""The arguments that verbs take, in groups; each function adds one group to a verb's parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..ir.levels import DEFAULT_LEVELS, LEVELS, TIMEOUT
from .option_types import count, device, jobs, levels, picture_file, port, seconds, size

Arguments = argparse._ActionsContainer  # a parser, or a group of one


def group(title: str, *adds: Callable[[Arguments], None]) -> Callable[[Arguments], None]:
    """Arguments that a verb's help shows together under a title."""

    def add(verb: Arguments) -> None:
        part = verb.add_argument_group(title)
        for add in adds:
            add(part)

    return add


def configs(number: int | str, help: str) -> Callable[[Arguments], None]:
    def add(verb: Arguments) -> None:
        verb.add_argument("configs", nargs=number, metavar="CONFIG", help=help)

    return add


def layer_name(layers: Arguments) -> None:
    layers.add_argument("name", nargs="?", metavar="NAME", help="a type, like Conv2d")


def template(init: Arguments) -> None:
    init.add_argument(
        "template",
        nargs="?",
        default="starter",
        metavar="TEMPLATE",
        help="what to begin with, by its name or the beginning of it (default: starter)",
    )
    init.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the file to write; - is standard output (default: the template's name with .yaml)",
    )
    init.add_argument("--list", action="store_true", help="tell which templates there are")


def shell(completion: Arguments) -> None:
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to do it")


def studio_arguments(verb: Arguments) -> None:
    verb.add_argument(
        "config",
        nargs="?",
        default="net.yaml",
        metavar="CONFIG",
        help="a spec, which need not be there yet (default: net.yaml)",
    )
    verb.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the file for the source (default: the spec's name with .py)",
    )
    verb.add_argument(
        "--port",
        type=port,
        default=0,
        metavar="N",
        help="the port to listen on (default: a free one)",
    )
    verb.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )


def network_source(verb: Arguments) -> None:
    verb.add_argument(
        "network",
        metavar="SOURCE",
        help="what makes the network: package.module:callable or file.py:Name; or model.pt, "
        "model.pt2 or model.onnx, which holds it",
    )


def network_arguments(verb: Arguments) -> None:
    verb.add_argument(
        "--args",
        default="{}",
        metavar="JSON",
        help="what the callable is given, by name: '{\"num_classes\": 10}'",
    )
    verb.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]SHAPE[:TYPE[:LOW..HIGH]]",
        dest="inputs",
        help="an input without its batch: 3,224,224 or 3,H,W or tokens=T:int64; once for each; "
        "model.pt2 and model.onnx know their own",
    )
    verb.add_argument(
        "--weights",
        default="",
        metavar="FILE",
        help="a state_dict (.pt, .pth, .safetensors) to load into the network before it is run",
    )
    verb.add_argument(
        "--allow-pickle",
        action="store_true",
        help="load a network that was saved whole, which runs code: only for files that you trust",
    )


def import_arguments(verb: Arguments) -> None:
    verb.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="SPEC",
        help="the spec to write; - is standard output",
    )
    verb.add_argument("--source", metavar="FILE", help="write the generated source, too")
    force_argument(verb)
    verb.add_argument("--name", metavar="NAME", default="", help="what the class is called")
    verb.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="CLASS",
        help="a class of the network to keep as it is, as a custom layer; once for each",
    )
    verb.add_argument(
        "--flat", action="store_true", help="write all layers in one scope, without blocks"
    )
    verb.add_argument(
        "--no-verify", action="store_true", help="do not compare the class with the network"
    )


def target_arguments(build: Arguments) -> None:
    target = build.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", metavar="FILE", help="the file to write; - is standard output"
    )
    target.add_argument("--output-dir", metavar="DIR", help="the folder to write to")
    force_argument(build)


def force_argument(verb: Arguments) -> None:
    verb.add_argument(
        "--force", action="store_true", help="overwrite a file that netgen did not write"
    )


def run_arguments(build: Arguments) -> None:
    build.add_argument(
        "--device",
        default="auto",
        type=device,
        help="where to run it: cpu, cuda, cuda:1, mps, all, meta, which takes no memory "
        "(default: auto, the best that is there)",
    )
    build.add_argument("--no-smoke", action="store_true", help="do not run it (needs no torch)")
    build.add_argument(
        "--piecewise",
        action="store_true",
        help="run each module alone, as a network that takes more memory than there is",
    )
    build.add_argument(
        "--prove",
        type=levels,
        default=DEFAULT_LEVELS,
        metavar="LEVELS",
        help=f"what the run is to show, separated by commas: {', '.join(LEVELS)} "
        f"(default: {','.join(DEFAULT_LEVELS)})",
    )
    build.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="for weights and sample inputs (default: 0)",
    )


def jobs_argument(build: Arguments) -> None:
    build.add_argument(
        "-j",
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="so many specs at a time, each run in a process of its own (default: 1)",
    )


def once_arguments(build: Arguments) -> None:
    build.add_argument(
        "--check",
        action="store_true",
        help="write and run nothing: fail, with a diff, unless the file is what the spec gives",
    )
    build.add_argument(
        "--report",
        metavar="FILE",
        help="measure time and memory, and write them with all results as JSON",
    )


def again_arguments(watch: Arguments) -> None:
    """Set the options of `build` that `watch` does not have to their defaults."""
    watch.set_defaults(check=False, report=None, format="text")


def variant_argument(verb: Arguments) -> None:
    verb.add_argument(
        "--variant",
        metavar="NAME",
        help="take one of the spec's variants; `--set` comes after it",
    )


def two_variants(diff: Arguments) -> None:
    diff.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        dest="variants",
        help="take a variant of both specs; given twice, one of the old spec and one of the new: "
        "- is the network of the defaults",
    )


def set_arguments(verb: Arguments) -> None:
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="give a parameter of the spec another value",
    )
    verb.add_argument(
        "--allow-imports",
        action="store_true",
        help="run the code that a spec imports: only for specs that you trust",
    )


def limit_arguments(verb: Arguments) -> None:
    verb.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"what one spec may take (default: {TIMEOUT:g})",
    )
    verb.add_argument(
        "--max-memory",
        type=size,
        metavar="SIZE",
        help="what the run may take of memory, like 4G or 500M (default: what there is)",
    )


def show_arguments(show: Arguments) -> None:
    from ..analysis.training import DTYPES, STATES  # other verbs need neither

    show.add_argument(
        "--batch",
        type=count,
        metavar="N",
        help="the batch that activations and memory are for (default: 1, or 2 if norms need it)",
    )
    show.add_argument(
        "--depth",
        type=count,
        default=3,
        metavar="N",
        help="how deep to look into blocks and containers; 1 is not at all (default: 3)",
    )
    show.add_argument(
        "--format",
        default="table",
        choices=("table", "markdown", "json", "csv"),
        help="for a terminal, a page, a program or a spreadsheet (default: table)",
    )
    show.add_argument(
        "--bars",
        action="store_true",
        help="where the parameters, multiply-adds and memory are, as bars by layer and block",
    )
    show.add_argument(
        "--dtype",
        choices=DTYPES,
        help="the memory of training, with all weights of this type (default: float32)",
    )
    show.add_argument(
        "--optimizer",
        choices=STATES,
        help="the memory of training with this optimizer of torch.optim (default: adamw)",
    )
    show.add_argument(
        "--ranks",
        type=count,
        metavar="N",
        help="the memory of training on each of N processes that share the weights (FSDP)",
    )


def layer_of_spec(explain: Arguments) -> None:
    help = (
        "a layer, block or container, as `netgen show` names it: fc1, layer1.0.conv2; a parameter"
    )
    explain.add_argument("layer", metavar="LAYER", help=help)


def graph_arguments(graph: Arguments) -> None:
    graph.add_argument(
        "-o",
        "--output",
        type=picture_file,
        metavar="FILE",
        help="what to write: .svg, .png, .pdf, .html (a page to look around in), .dot or .mmd "
        "(Mermaid); without it, an .svg with the name of the spec",
    )
    graph.add_argument(
        "--depth",
        type=count,
        default=1,
        metavar="N",
        help="how deep to look into blocks and containers at first (default: 1, not at all)",
    )
    graph.add_argument(
        "--direction",
        default="TB",
        choices=("TB", "LR"),
        help="from top to bottom, or from left to right (default: TB)",
    )
    graph.add_argument(
        "--theme",
        choices=("light", "dark"),
        help="the colours (default: light; a page is as its reader's system is)",
    )


def finding_arguments(verb: Arguments) -> None:
    verb.add_argument("--strict", action="store_true", help="take warnings for errors")
    verb.add_argument(
        "-v", "--verbose", action="store_true", help="with errors, show the layers before them"
    )


def format_argument(verb: Arguments) -> None:
    verb.add_argument(
        "--format",
        default="text",
        choices=("text", "json", "github"),
        help="how to tell what was found (default: text)",
    )
