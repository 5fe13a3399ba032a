"""The command line: arguments in, diagnostics and an exit code out."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .levels import DEFAULT_LEVELS, LEVELS, TIMEOUT, Demand, in_order
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
        type=lambda text: in_order(text.split(",")),
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
        "--timeout",
        type=_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"what the run of one spec may take (default: {TIMEOUT:g})",
    )
    build.add_argument(
        "--max-memory",
        type=_bytes,
        metavar="SIZE",
        help="what the run may take of memory, like 4G or 500M (default: what there is)",
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


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|all|cpu|cuda(:[0-9]+)?|mps|meta", text):
        raise argparse.ArgumentTypeError(f"there is no device {text!r}")
    return text


def _seconds(text: str) -> float:
    if not 0 < float(text) < 10**6:
        raise ValueError
    return float(text)


def _jobs(text: str) -> int:
    if not 1 <= int(text) <= 64:
        raise ValueError
    return int(text)


def _bytes(text: str) -> int:
    """A size of memory; units are powers of 1024."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)(iB|B)?", text, re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 4G or 500M")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


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
    verb.add_argument(
        "--allow-imports",
        action="store_true",
        help="run the code that a spec imports: only for specs that you trust",
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
    levels = [level for level in options.prove if level not in DEFAULT_LEVELS]
    if options.device == "meta" and (levels or options.report):
        top.error("on meta nothing is computed: only shapes can be shown there")
    if options.no_smoke and (levels or options.report):
        top.error("--no-smoke leaves nothing to prove or to report")
    if options.check and any(_target(config, options) is None for config in options.configs):
        top.error("--check holds a file against a spec: it needs one")


def _run(options: argparse.Namespace, top: argparse.ArgumentParser) -> int:
    from .crew import work_all
    from .reports import tell, tell_json, write_report

    overrides = _overrides(options.overrides, top)
    jobs = [_job(config, overrides, options) for config in options.configs]
    outcomes: list[Outcome] = []
    work = work_all(jobs, *_limits(options))
    for place, config in enumerate(options.configs):
        _progress(f"[{place + 1}/{len(jobs)}] {config} ...")
        outcomes.append(next(work))
        _progress("")
        tell(outcomes[-1], options.format, verbose=options.verbose)
    work.close()
    if options.format == "json":
        tell_json(outcomes)
    if getattr(options, "report", None) and not write_report(Path(options.report), outcomes):
        return NOT_DONE
    return DONE if all(outcome.ok for outcome in outcomes) else NOT_DONE


def _job(config: str, overrides: dict[str, Any], options: argparse.Namespace) -> Job:
    """What is asked for one spec."""
    from .job import Job

    if options.verb == "check":
        return Job(
            config,
            None,
            overrides,
            "check",
            strict=options.strict,
            allow_imports=options.allow_imports,
        )
    return Job(
        config,
        _target(config, options),
        overrides,
        "compare" if options.check else "build",
        None if options.no_smoke else _demand(options),
        strict=options.strict,
        force=options.force,
        allow_imports=options.allow_imports,
    )


def _limits(options: argparse.Namespace) -> tuple[Any, ...]:
    """How many jobs at a time, and what each may take; a check runs nothing."""
    if options.verb == "check":
        return ()
    return options.jobs, options.timeout, options.max_memory


def _demand(options: argparse.Namespace) -> Demand:
    return Demand(options.device, options.seed, options.prove, timed=options.report is not None)


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
