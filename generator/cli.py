"""The command line: arguments in, diagnostics and an exit code out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .version import __version__

if TYPE_CHECKING:
    from .pipeline import Result
    from .smoke import Worker

DONE, NOT_DONE = 0, 1  # argparse itself leaves with 2 after wrong usage

_EXAMPLES = """\
examples:
  netgen build lenet.yaml                     write lenet.py, once it has been run
  netgen build lenet.yaml -o models/lenet.py  write it there
  netgen build *.yaml --output-dir models     build several specs
  netgen build lenet.yaml --set size=64       give a parameter of the spec another value
  netgen build lenet.yaml --no-smoke          do not run it (needs no torch)
  netgen build - -o - < lenet.yaml            standard input to standard output
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
    build.add_argument("configs", nargs="+", metavar="CONFIG", help="a spec; - is standard input")
    target = build.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", metavar="FILE", help="the file to write; - is standard output"
    )
    target.add_argument("--output-dir", metavar="DIR", help="the folder to write to")
    build.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
        help="where to run it (default: the best that is there)",
    )
    build.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="give a parameter of the spec another value",
    )
    build.add_argument("--no-smoke", action="store_true", help="do not run it (needs no torch)")
    build.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="for weights and sample inputs (default: 0)",
    )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run netgen; the exit code is 0 (done), 1 (not done) or 2 (usage)."""
    top = parser()
    options = top.parse_args(argv)
    if options.output and len(options.configs) > 1:
        top.error("-o takes the output of one spec; give --output-dir for several")
    stems = [Path(config).stem for config in options.configs]
    if not options.output and len({*stems}) < len(stems):
        top.error("two specs of one name would be written to one file")
    try:
        return _build(options, top)
    except KeyboardInterrupt:
        return NOT_DONE
    except BrokenPipeError:
        sys.stderr.close()
        return NOT_DONE


def _build(options: argparse.Namespace, top: argparse.ArgumentParser) -> int:
    from .smoke import Worker

    overrides = _overrides(options.overrides, top)
    if not 0 <= options.seed < 2**63:
        top.error("--seed takes a whole number of 0 or more")
    code = DONE
    with Worker() as worker:
        if not options.no_smoke:
            worker.start()  # torch loads while the specs are read
        for place, config in enumerate(options.configs):
            _progress(f"[{place + 1}/{len(options.configs)}] {config} ...")
            code = max(code, _build_one(config, options, overrides, worker))
    return code


def _build_one(
    config: str, options: argparse.Namespace, overrides: dict[str, Any], worker: Worker
) -> int:
    from .diagnostics import Diagnostic, NetgenError
    from .pipeline import build_source, write
    from .source import parse, read

    start = time.perf_counter()
    try:
        source = parse(sys.stdin.read(), "<stdin>") if config == "-" else read(config)
        used = None if options.no_smoke else worker
        result = build_source(source, overrides, used, options.device, options.seed)
        target = _target(config, options)
        if target is not None and config != "-" and _same_file(target, Path(config)):
            message = f"`{target}` is the spec itself: give another output with -o"
            raise NetgenError(Diagnostic("NG501", message))
        if target is None:
            sys.stdout.write(result.source)
        else:
            write(target, result.source)
    except NetgenError as error:
        _progress("")
        print(error, file=sys.stderr)
        return NOT_DONE
    _progress("")
    report(
        result, target, time.perf_counter() - start, sys.stderr if target is None else sys.stdout
    )
    return DONE


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


def _same_file(target: Path, config: Path) -> bool:
    return target.exists() and config.exists() and target.samefile(config)


def _progress(text: str) -> None:
    """A line on a terminal that the next one replaces; elsewhere nothing."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def report(result: Result, target: Path | None, seconds: float, to: TextIO) -> None:
    """What was written, the table of shapes, and the verdict of the smoke-run."""
    from .table import table_text

    print(table_text(result.shapes, result.parameter_count), file=to)
    proof = result.proof
    if proof is None:
        verdict = "not run: --no-smoke"
    else:
        notes = "".join(f"; {note}" for note in proof.notes)
        verdict = (
            f"smoke-run on {proof.device}: passed in {proof.seconds:.2f} s (torch {proof.torch}): "
            f"forward, backward and eval, batches of 2 and 3{notes}"
        )
    print(verdict, file=to)
    if target is not None:
        print(f"wrote {target} in {seconds:.2f} s", file=to)
