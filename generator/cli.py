"""The command line: arguments in, diagnostics and an exit code out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .diagnostics import NetgenError, printable
from .verbs import parser

if TYPE_CHECKING:
    from .job import Job, Outcome

# argparse itself leaves with 2 after wrong usage
DONE, NOT_DONE, INTERRUPTED = 0, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run netgen; the exit code is 0 (done), 1 (not done), 2 (usage) or 130 (interrupted)."""
    words = sys.argv[1:] if argv is None else argv
    top = parser(words[0] if words else None)
    options = top.parse_args(words)
    if options.verb in _WITHOUT_JOBS:
        return _WITHOUT_JOBS[options.verb](options)
    try:
        from .orders import jobs_of

        jobs = jobs_of(options)
    except ValueError as error:
        top.error(str(error))
    try:
        return _watch(jobs, options) if options.verb == "watch" else _run(jobs, options)
    except NetgenError as error:  # of a report; those of specs are told with them
        print(error, file=sys.stderr)
        return NOT_DONE
    except KeyboardInterrupt:
        print("netgen: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return NOT_DONE


def _print_schema(options: argparse.Namespace) -> int:
    from .views.schema import schema

    print(schema(), end="")
    return DONE


def _tell_layers(options: argparse.Namespace) -> int:
    from .hints import meant_type
    from .layers import TYPES
    from .views.catalogue import catalogue, described

    name: str | None = options.name
    if name is None or name in TYPES:
        print(catalogue() if name is None else described(name), end="")
        return DONE
    meant = meant_type(name, list(TYPES), None)
    help = f"; did you mean {meant}?" if meant else ""
    print(f"netgen: there is no layer type {printable(name)!r}{help}", file=sys.stderr)
    return NOT_DONE


def _begin(options: argparse.Namespace) -> int:
    from .hints import closest_word
    from .init import begin, chosen, listed, templates, text_of

    if options.list:
        print(listed(), end="")
        return DONE
    template = chosen(options.template)
    if template is None:
        meant = closest_word(options.template, templates())
        help = f"; did you mean {meant}?" if meant else ""
        name = printable(options.template)
        print(f"{listed()}\nnetgen: there is no template {name!r}{help}", file=sys.stderr)
        return NOT_DONE
    if options.output == "-":
        print(text_of(template), end="")
        return DONE
    try:
        target = begin(template, options.output)
    except NetgenError as error:
        print(error, file=sys.stderr)
        return NOT_DONE
    import shlex

    from .module_names import instead, why_no_module

    name = f" -o {instead(target.stem)}.py" if why_no_module(target.stem) else ""
    print(f"wrote {printable(str(target))}; next: netgen build {shlex.quote(str(target))}{name}")
    return DONE


def _complete(options: argparse.Namespace) -> int:
    from .completion import script

    print(script(parser(), options.shell))
    return DONE


def _serve(options: argparse.Namespace) -> int:
    try:
        from .lsp.server import serve
    except ModuleNotFoundError:
        return _not_there("lsp", "pygls")
    import gc

    gc.enable()  # this may last for days
    return DONE if serve() else NOT_DONE


def _not_there(extra: str, library: str) -> int:
    """Tell what to install for a verb that has an extra of its name."""
    help = f"pip install 'torch-netgen[{extra}]'"
    print(f"netgen: `{extra}` needs {library}, which is not there: {help}", file=sys.stderr)
    return NOT_DONE


_WITHOUT_JOBS = {
    "completion": _complete,
    "init": _begin,
    "layers": _tell_layers,
    "lsp": _serve,
    "schema": _print_schema,
}


def _run(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    from .crew import work_all
    from .orders import limits, telling
    from .reports import check_report, tell, tell_json, write_report

    report = Path(options.report) if getattr(options, "report", None) else None
    if report is not None:
        check_report(report, force=options.force)
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
    if report is not None:
        write_report(report, outcomes, force=options.force)
    return DONE if all(outcome.ok for outcome in outcomes) else NOT_DONE


def _watch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    try:
        from .watch import build_again
    except ModuleNotFoundError:
        return _not_there("watch", "watchfiles")
    import gc

    from .orders import limits, telling
    from .reports import tell

    gc.enable()  # this may last for days
    _, timeout, most_memory = limits(options)
    work = build_again(jobs, timeout, most_memory)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(work):
        for outcomes in work:
            for outcome in outcomes:
                tell(outcome, *telling(options))
            print(f"{time.strftime('%X')} waiting for changes; Ctrl-C ends it", flush=True)
    return DONE


def _progress(text: str) -> None:
    """A line on a terminal that the next one replaces; elsewhere nothing."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
