"""The verbs of the command line, and the arguments that each takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .levels import DEFAULT_LEVELS, LEVELS, TIMEOUT
from .option_types import count, device, jobs, levels, picture_file, seconds, size
from .version import __version__

_EXAMPLES = """\
examples:
  netgen build lenet.yaml                     write lenet.py, once it has been run
  netgen build lenet.yaml -o models/lenet.py  write it there
  netgen build *.yaml --output-dir models     build several specs
  netgen build lenet.yaml --set size=64       give a parameter of the spec another value
  netgen build lenet.yaml --no-smoke          do not run it (needs no torch)
  netgen build - -o - < lenet.yaml            standard input to standard output
  netgen build lenet.yaml --check             is lenet.py what the spec gives?
  netgen check *.yaml                         are the specs right? nothing is written or run
  netgen show lenet.yaml --batch 16           its layers, shapes, parameters and memory
  netgen explain lenet.yaml fc1               why its numbers are what they are
  netgen graph lenet.yaml -o lenet.html       a page with its picture, numbers and source
  netgen diff old.yaml new.yaml               what has changed, and which weights still load
  netgen layers Conv2d                        what a type of layer takes, infers and gives
  netgen schema > netgen.schema.json          what editors complete and check specs with
  netgen init                                 write starter.yaml, a spec to begin with
  netgen watch starter.yaml                   build it again whenever it is saved
"""


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The arguments that netgen knows; the parser knows `only` one verb, if there is such a one.

    All verbs together take longer than to check a small spec.
    """
    top = argparse.ArgumentParser(
        prog="netgen",
        description="Generate plain PyTorch source from a YAML spec of a network, and prove it.",
        epilog=_EXAMPLES,
        formatter_class=_unshown,
    )
    top.add_argument("--version", action="version", version=f"netgen {__version__}")
    verbs = top.add_subparsers(prog=top.prog, dest="verb", metavar="VERB", required=True)
    for name in [only] if only in _VERBS else _VERBS:
        help, description, *adds = _VERBS[name]
        epilog = _EXAMPLES if name == "build" else None
        verb = verbs.add_parser(
            name, help=help, description=description, epilog=epilog, formatter_class=_unshown
        )
        for add in adds:
            add(verb)
        verb.formatter_class = argparse.RawDescriptionHelpFormatter
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    return top


def _unshown(prog: str) -> argparse.HelpFormatter:
    """What argparse makes for each argument to try it: this one does not look for a terminal."""
    return argparse.HelpFormatter(prog, width=80)


def _configs(number: int | str, help: str) -> Callable[[argparse.ArgumentParser], None]:
    def add(verb: argparse.ArgumentParser) -> None:
        verb.add_argument("configs", nargs=number, metavar="CONFIG", help=help)

    return add


def _layer_name(layers: argparse.ArgumentParser) -> None:
    layers.add_argument("name", nargs="?", metavar="NAME", help="a type, like Conv2d")


def _template(init: argparse.ArgumentParser) -> None:
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


def _shell(completion: argparse.ArgumentParser) -> None:
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to do it")


def _target_arguments(build: argparse.ArgumentParser) -> None:
    target = build.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", metavar="FILE", help="the file to write; - is standard output"
    )
    target.add_argument("--output-dir", metavar="DIR", help="the folder to write to")
    build.add_argument(
        "--force", action="store_true", help="overwrite a file that netgen did not write"
    )


def _run_arguments(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--device",
        default="auto",
        type=device,
        help="where to run it: cpu, cuda, cuda:1, mps, all, meta, which takes no memory "
        "(default: auto, the best that is there)",
    )
    build.add_argument("--no-smoke", action="store_true", help="do not run it (needs no torch)")
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


def _once_arguments(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--check",
        action="store_true",
        help="write and run nothing: fail, with a diff, unless the file is what the spec gives",
    )
    build.add_argument(
        "-j",
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="so many specs at a time, each run in a process of its own (default: 1)",
    )
    build.add_argument(
        "--report",
        metavar="FILE",
        help="measure time and memory, and write them with all results as JSON",
    )


def _again_arguments(watch: argparse.ArgumentParser) -> None:
    """What `build` takes for one run alone is as it is without it."""
    watch.set_defaults(check=False, report=None, format="text")


def _common_arguments(verb: argparse.ArgumentParser) -> None:
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
    verb.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"what the run of one spec may take (default: {TIMEOUT:g})",
    )
    verb.add_argument(
        "--max-memory",
        type=size,
        metavar="SIZE",
        help="what the run may take of memory, like 4G or 500M (default: what there is)",
    )


def _show_arguments(show: argparse.ArgumentParser) -> None:
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


def _layer_of_spec(explain: argparse.ArgumentParser) -> None:
    help = "a layer, block or container, as `netgen show` names it: fc1, layer1.0.conv2"
    explain.add_argument("layer", metavar="LAYER", help=help)


def _graph_arguments(graph: argparse.ArgumentParser) -> None:
    graph.add_argument(
        "-o",
        "--output",
        type=picture_file,
        required=True,
        metavar="FILE",
        help="what to write: .svg, .png, .html (a page to look around in), .dot or .mmd (Mermaid)",
    )
    graph.add_argument(
        "--depth",
        type=count,
        default=1,
        metavar="N",
        help="how deep to look into blocks and containers at first (default: 1, not at all)",
    )


def _finding_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--strict", action="store_true", help="take warnings for errors")
    verb.add_argument(
        "-v", "--verbose", action="store_true", help="with errors, show the layers before them"
    )


def _format_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--format",
        default="text",
        choices=("text", "json", "github"),
        help="how to tell what was found (default: text)",
    )


_SPEC = "a spec; - is standard input"
# each verb with what it does, in short and at length, and the arguments that it takes
_VERBS: dict[str, Any] = {
    "init": (
        "write a spec to begin with",
        "Write a spec to begin with: a commented one, or a well-known network.",
        _template,
    ),
    "build": (
        "generate source from specs, run it, and write it",
        "Generate source from specs, run it, and write it if every prediction held.",
        *(_configs("+", _SPEC), _target_arguments, _run_arguments, _once_arguments),
        *(_common_arguments, _finding_arguments, _format_argument),
    ),
    "watch": (
        "build specs, and build them again whenever they are saved",
        "Build specs, and build them again whenever they are saved; Ctrl-C ends it.",
        *(_configs("+", "a spec"), _target_arguments, _run_arguments, _again_arguments),
        *(_common_arguments, _finding_arguments),
    ),
    "check": (
        "check specs and work out all shapes; write nothing, run nothing",
        "Check specs and work out all shapes, without torch. Nothing is written.",
        *(_configs("+", _SPEC), _common_arguments, _finding_arguments, _format_argument),
    ),
    "show": (
        "show a spec's layers: shapes, weights, parameters, multiply-adds, memory",
        "Show the layers of a spec as a table, worked out without torch.",
        *(_configs(1, _SPEC), _common_arguments, _show_arguments),
    ),
    "explain": (
        "why the numbers of a layer are what they are, back to the input",
        "Why each inferred number and each size of a layer is what it is, back to the input.",
        *(_configs(1, _SPEC), _layer_of_spec, _common_arguments),
    ),
    "graph": (
        "draw a spec: as svg or png, as a page, for Graphviz or Mermaid",
        "Draw a spec, worked out without torch: blocks as boxes that nest, skips as skips.",
        *(_configs(1, _SPEC), _graph_arguments, _common_arguments),
    ),
    "diff": (
        "how two specs differ in layers, shapes, parameters and weights",
        "How two specs differ, and which weights of the first the second would load.",
        *(_configs(2, "the old spec, and the new one"), _common_arguments),
    ),
    "layers": (
        "the types of layers that there are, or what one of them takes",
        "The types of layers that there are, or what one takes, infers and gives.",
        _layer_name,
    ),
    "schema": (
        "the language of specs as a JSON Schema, for editors",
        "Print a JSON Schema of the language of specs, for editors that complete and check YAML.",
    ),
    "lsp": (
        "a language server for specs, which editors start",
        "Check, explain and complete specs in an editor, over standard input and output.",
    ),
    "completion": (
        "print what completes netgen's arguments in a shell",
        "Print a script with which a shell completes verbs, options, specs and layer types.",
        _shell,
    ),
}
