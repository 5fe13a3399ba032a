"""The verbs of the command line, and the groups of arguments that each takes."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from ..diagnostics.diagnostics import printable
from ..output.terminal import complain, say
from ..version import __version__
from .verb_arguments import (
    again_arguments,
    configs,
    finding_arguments,
    force_argument,
    format_argument,
    graph_arguments,
    group,
    import_arguments,
    jobs_argument,
    layer_name,
    layer_of_spec,
    limit_arguments,
    network_arguments,
    network_source,
    once_arguments,
    run_arguments,
    set_arguments,
    shell,
    show_arguments,
    studio_arguments,
    target_arguments,
    template,
    two_variants,
    variant_argument,
)

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
  netgen import net.py:Net --input 3,32,32    the spec of a network that there is as code
  netgen layers Conv2d                        what a type of layer takes, infers and gives
  netgen schema > netgen.schema.json          what editors complete and check specs with
  netgen init                                 write starter.yaml, a spec to begin with
  netgen watch starter.yaml                   build it again whenever it is saved
  netgen studio starter.yaml                  write it in the browser, and see what it means
"""


class Parser(argparse.ArgumentParser):
    """A parser that prints through `output.terminal`."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))

    def _print_message(self, message: str, file: object = None) -> None:
        lines = message.removesuffix("\n").split("\n")
        (say if file is sys.stdout else complain)(*lines)


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The argument parser; with the name of a verb in `only` it knows no other verbs.

    Making the arguments of all verbs takes longer than checking a small spec.
    """
    top = Parser(
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
    """The formatter that argparse makes to test each argument: it needs no terminal width."""
    return argparse.HelpFormatter(prog, width=80)


_SPEC = "a spec; - is standard input"
_OF_THE_SPEC = group("the spec", variant_argument, set_arguments)
_LIMITS = group("limits", limit_arguments)
# each verb with what it does, in short and at length, and the arguments that it takes
_VERBS: dict[str, Any] = {
    "init": (
        "write a spec to begin with",
        "Write a spec to begin with: a commented one, or a well-known network.",
        template,
    ),
    "build": (
        "generate source from specs, run it, and write it",
        "Generate source from specs, run it, and write it if every prediction held.",
        *(configs("+", _SPEC), group("what is written", target_arguments, once_arguments)),
        group("the run", run_arguments, jobs_argument),
        *(_OF_THE_SPEC, _LIMITS, group("messages", finding_arguments, format_argument)),
    ),
    "import": (
        "make the spec of a network that there is as code",
        "Run a network's code, write what it does as a spec, build that, and compare both. "
        "Whoever wrote the code is trusted: it is run.",
        *(network_source, group("the network", network_arguments)),
        *(group("what is written", import_arguments), _LIMITS),
    ),
    "watch": (
        "build specs, and build them again whenever they are saved",
        "Build specs, and build them again whenever they are saved; Ctrl-C ends it.",
        *(configs("+", "a spec"), group("what is written", target_arguments)),
        *(group("the run", run_arguments, again_arguments), _OF_THE_SPEC, _LIMITS),
        group("messages", finding_arguments),
    ),
    "check": (
        "check specs and work out all shapes; write nothing, run nothing",
        "Check specs and work out all shapes, without torch. Nothing is written.",
        *(configs("+", _SPEC), _OF_THE_SPEC, _LIMITS),
        group("messages", finding_arguments, format_argument),
    ),
    "show": (
        "show a spec's layers: shapes, weights, parameters, multiply-adds, memory",
        "Show the layers of a spec as a table, worked out without torch.",
        *(configs(1, _SPEC), group("the table", show_arguments), _OF_THE_SPEC, _LIMITS),
    ),
    "explain": (
        "why the numbers of a layer are what they are, back to the input",
        "Why each inferred number and each size of a layer is what it is, back to the input. "
        "Of a parameter: what reads it, and why it is fixed if it is.",
        *(configs(1, _SPEC), layer_of_spec, _OF_THE_SPEC, _LIMITS),
    ),
    "graph": (
        "draw a spec: as svg, png or pdf, as a page, for Graphviz or Mermaid",
        "Draw a spec, worked out without torch: blocks as boxes that nest, skips as skips, equal "
        "copies in a row as one.",
        *(configs(1, _SPEC), group("the picture", graph_arguments, force_argument)),
        *(_OF_THE_SPEC, _LIMITS),
    ),
    "diff": (
        "how two specs differ in layers, shapes, parameters and weights",
        "How two specs differ, and which weights of the first the second would load.",
        *(
            configs(2, "the old spec, and the new one"),
            group("the specs", two_variants, set_arguments),
        ),
        _LIMITS,
    ),
    "layers": (
        "the types of layers that there are, or what one of them takes",
        "The types of layers that there are, or what one takes, infers and gives.",
        layer_name,
    ),
    "schema": (
        "the language of specs as a JSON Schema, for editors",
        "Print a JSON Schema of the language of specs, for editors that complete and check YAML.",
    ),
    "lsp": (
        "a language server for specs, which editors start",
        "Check, explain and complete specs in an editor, over standard input and output.",
    ),
    "mcp": (
        "answer coding agents, which start it",
        "Check, build and explain specs for coding agents, in the Model Context Protocol over "
        "standard input and output. It reads and writes below the current folder alone, and runs "
        "no code that specs import.",
    ),
    "studio": (
        "write a spec in the browser, and see at each key what it means",
        "Write a spec in a page on this machine: its mistakes, picture, source, table and numbers "
        "as you type; run it, and save it. Ctrl-C ends it.",
        studio_arguments,
    ),
    "completion": (
        "print what completes netgen's arguments in a shell",
        "Print a script with which a shell completes verbs, options, specs and layer types.",
        shell,
    ),
}
