"""The command line: arguments in, diagnostics and an exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .job import Job

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
"""


def parser() -> argparse.ArgumentParser:
    """The arguments that netgen knows."""
    top = argparse.ArgumentParser(
        prog="netgen",
        description="Generate plain PyTorch source from a YAML spec of a network, and prove it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"netgen {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    build = verbs.add_parser(
        "build",
        help="generate source from specs, run it, and write it",
        description="Generate source from specs, run it, and write it if every prediction held.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _build_arguments(build)
    check = verbs.add_parser(
        "check",
        help="check specs and work out all shapes; write nothing, run nothing",
        description="Check specs and work out all shapes, without torch. Nothing is written.",
    )
    for verb in (build, check):
        _common_arguments(verb)
    return top


def _build_arguments(build: argparse.ArgumentParser) -> None:
    target = build.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", metavar="FILE", help="the file to write; - is standard output"
    )
    target.add_argument("--output-dir", metavar="DIR", help="the folder to write to")
    build.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps", "meta"),
        help="where to run it (default: the best that is there); meta takes no memory",
    )
    build.add_argument("--no-smoke", action="store_true", help="do not run it (needs no torch)")
    build.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="for weights and sample inputs (default: 0)",
    )
    build.add_argument(
        "--force", action="store_true", help="overwrite a file that netgen did not write"
    )
    build.add_argument(
        "--check",
        action="store_true",
        help="write and run nothing: fail, with a diff, unless the file is what the spec gives",
    )


def _common_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("configs", nargs="+", metavar="CONFIG", help="a spec; - is standard input")
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="give a parameter of the spec another value",
    )
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run netgen; the exit code is 0 (done), 1 (not done) or 2 (usage)."""
    top = parser()
    options = top.parse_args(argv)
    if options.verb == "build":
        _check_usage(options, top)
    try:
        return _run(options, top)
    except KeyboardInterrupt:
        return NOT_DONE
    except BrokenPipeError:
        sys.stderr.close()
        return NOT_DONE


def _check_usage(options: argparse.Namespace, top: argparse.ArgumentParser) -> None:
    """Refuse options of a build that contradict each other."""
    if options.output and len(options.configs) > 1:
        top.error("-o takes the output of one spec; give --output-dir for several")
    stems = [Path(config).stem for config in options.configs]
    if not options.output and len({*stems}) < len(stems):
        top.error("two specs of one name would be written to one file")
    if not 0 <= options.seed < 2**63:
        top.error("--seed takes a whole number of 0 or more")
    if options.check and any(_target(config, options) is None for config in options.configs):
        top.error("--check holds a file against a spec: it needs one")


def _run(options: argparse.Namespace, top: argparse.ArgumentParser) -> int:
    from .job import work
    from .reports import tell, tell_json
    from .smoke import Worker

    overrides = _overrides(options.overrides, top)
    outcomes = []
    with Worker() as worker:
        for place, config in enumerate(options.configs):
            _progress(f"[{place + 1}/{len(options.configs)}] {config} ...")
            outcomes.append(work(_job(config, overrides, options), worker))
            _progress("")
            tell(outcomes[-1], options.format, verbose=options.verbose)
    if options.format == "json":
        tell_json(outcomes)
    return DONE if all(outcome.ok for outcome in outcomes) else NOT_DONE


def _job(config: str, overrides: dict[str, Any], options: argparse.Namespace) -> Job:
    """What is asked for one spec."""
    from .job import Job

    if options.verb == "check":
        return Job(config, None, overrides, "check", strict=options.strict)
    return Job(
        config,
        _target(config, options),
        overrides,
        "compare" if options.check else "build",
        options.device,
        options.seed,
        smoke=not options.no_smoke,
        strict=options.strict,
        force=options.force,
    )


def _overrides(pairs: Sequence[str], top: argparse.ArgumentParser) -> dict[str, Any]:
    """The values of ``--set``, read as YAML."""
    from .diagnostics import NetgenError
    from .source import parse

    overrides = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            top.error(f"--set takes NAME=VALUE, not {pair!r}")
        try:
            overrides[name] = parse(text, f"--set {name}").values
        except NetgenError:
            top.error(f"--set {name}: {text!r} is not a value")
    return overrides


def _target(config: str, options: argparse.Namespace) -> Path | None:
    """Where to write: the named file, or the spec's stem in a folder; nowhere for ``-``."""
    if options.output == "-" or (config == "-" and not options.output):
        return None
    if options.output:
        return Path(options.output)
    return Path(options.output_dir or ".") / f"{Path(config).stem}.py"


def _progress(text: str) -> None:
    """A line on a terminal that the next one replaces; elsewhere nothing."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
