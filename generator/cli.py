"""The command line: arguments in, diagnostics and an exit code out."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .diagnostics import printable
from .levels import DEFAULT_LEVELS, LEVELS, TIMEOUT, in_order
from .version import __version__

if TYPE_CHECKING:
    from .job import Job, Outcome

DONE, NOT_DONE = 0, 1  # argparse itself leaves with 2 after wrong usage

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
  netgen diff old.yaml new.yaml               what has changed, and which weights still load
  netgen layers Conv2d                        what a type of layer takes, infers and gives
"""


def parser() -> argparse.ArgumentParser:
    """The arguments that netgen knows."""
    plain = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="netgen",
        description="Generate plain PyTorch source from a YAML spec of a network, and prove it.",
        epilog=_EXAMPLES,
        formatter_class=plain,
    )
    top.add_argument("--version", action="version", version=f"netgen {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (help, description, *adds) in _VERBS.items():
        epilog = _EXAMPLES if name == "build" else None
        verb = verbs.add_parser(
            name, help=help, description=description, epilog=epilog, formatter_class=plain
        )
        for add in adds:
            add(verb)
    return top


def _configs(number: int | str, help: str) -> Callable[[argparse.ArgumentParser], None]:
    def add(verb: argparse.ArgumentParser) -> None:
        verb.add_argument("configs", nargs=number, metavar="CONFIG", help=help)

    return add


def _layer_name(layers: argparse.ArgumentParser) -> None:
    layers.add_argument("name", nargs="?", metavar="NAME", help="a type, like Conv2d")


def _build_arguments(build: argparse.ArgumentParser) -> None:
    target = build.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", metavar="FILE", help="the file to write; - is standard output"
    )
    target.add_argument("--output-dir", metavar="DIR", help="the folder to write to")
    _run_arguments(build)
    build.add_argument(
        "--force", action="store_true", help="overwrite a file that netgen did not write"
    )
    build.add_argument(
        "--check",
        action="store_true",
        help="write and run nothing: fail, with a diff, unless the file is what the spec gives",
    )


def _run_arguments(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--device",
        default="auto",
        type=_device,
        help="where to run it: cpu, cuda, cuda:1, mps, all, meta, which takes no memory "
        "(default: auto, the best that is there)",
    )
    build.add_argument("--no-smoke", action="store_true", help="do not run it (needs no torch)")
    build.add_argument(
        "--prove",
        type=_levels,
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
    build.add_argument(
        "-j",
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="so many specs at a time, each run in a process of its own (default: 1)",
    )
    build.add_argument(
        "--report",
        metavar="FILE",
        help="measure time and memory, and write them with all results as JSON",
    )


def _levels(text: str) -> tuple[str, ...]:
    try:
        return in_order([name.strip() for name in text.split(",")])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|all|cpu|cuda(:[0-9]+)?|mps|meta", text):
        raise argparse.ArgumentTypeError(f"there is no device {text!r}")
    return text


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 10**6:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to 1,000,000")


def _count(text: str, most: int = 10**6) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {most:,}")


def _jobs(text: str) -> int:
    return _count(text, 64)


def _bytes(text: str) -> int:
    """A size of memory; units are powers of 1024."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)(iB|B)?", text, re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 4G or 500M")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


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
        type=_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"what the run of one spec may take (default: {TIMEOUT:g})",
    )
    verb.add_argument(
        "--max-memory",
        type=_bytes,
        metavar="SIZE",
        help="what the run may take of memory, like 4G or 500M (default: what there is)",
    )


def _show_arguments(show: argparse.ArgumentParser) -> None:
    show.add_argument(
        "--batch",
        type=_count,
        metavar="N",
        help="the batch that activations and memory are for (default: 1, or 2 if norms need it)",
    )
    show.add_argument(
        "--depth",
        type=_count,
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


def _telling_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--strict", action="store_true", help="take warnings for errors")
    verb.add_argument(
        "--format",
        default="text",
        choices=("text", "json", "github"),
        help="how to tell what was found (default: text)",
    )
    verb.add_argument(
        "-v", "--verbose", action="store_true", help="with errors, show the layers before them"
    )


_SPEC = "a spec; - is standard input"
# each verb with what it does, in short and at length, and the arguments that it takes
_VERBS: dict[str, Any] = {
    "build": (
        "generate source from specs, run it, and write it",
        "Generate source from specs, run it, and write it if every prediction held.",
        *(_configs("+", _SPEC), _build_arguments, _common_arguments, _telling_arguments),
    ),
    "check": (
        "check specs and work out all shapes; write nothing, run nothing",
        "Check specs and work out all shapes, without torch. Nothing is written.",
        *(_configs("+", _SPEC), _common_arguments, _telling_arguments),
    ),
    "show": (
        "show a spec's layers: shapes, weights, parameters, multiply-adds, memory",
        "Show the layers of a spec as a table, worked out without torch.",
        *(_configs(1, _SPEC), _common_arguments, _show_arguments),
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
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run netgen; the exit code is 0 (done), 1 (not done) or 2 (usage)."""
    top = parser()
    options = top.parse_args(argv)
    if options.verb == "layers":
        return _tell_layers(options.name)
    try:
        from .orders import jobs_of

        jobs = jobs_of(options)
    except ValueError as error:
        top.error(str(error))
    try:
        return _run(jobs, options)
    except KeyboardInterrupt:
        return NOT_DONE
    except BrokenPipeError:
        sys.stderr.close()
        return NOT_DONE


def _tell_layers(name: str | None) -> int:
    from .hints import meant_type
    from .layers import TYPES
    from .views.catalogue import catalogue, described

    if name is None or name in TYPES:
        print(catalogue() if name is None else described(name), end="")
        return DONE
    meant = meant_type(name, list(TYPES), None)
    help = f"; did you mean {meant}?" if meant else ""
    print(f"netgen: there is no layer type {printable(name)!r}{help}", file=sys.stderr)
    return NOT_DONE


def _run(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    from .crew import work_all
    from .orders import limits, telling
    from .reports import tell, tell_json, write_report

    outcomes: list[Outcome] = []
    work = work_all(jobs, *limits(options))
    with contextlib.closing(work):
        for place, job in enumerate(jobs):
            _progress(f"[{place + 1}/{len(jobs)}] {job.config} ...")
            outcomes.append(next(work))
            _progress("")
            tell(outcomes[-1], *telling(options))
    if telling(options)[0] == "json":
        tell_json(outcomes)
    if getattr(options, "report", None) and not write_report(Path(options.report), outcomes):
        return NOT_DONE
    return DONE if all(outcome.ok for outcome in outcomes) else NOT_DONE


def _progress(text: str) -> None:
    """A line on a terminal that the next one replaces; elsewhere nothing."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
