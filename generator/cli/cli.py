"""The command line: arguments in, diagnostics and an exit code out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..diagnostics.diagnostics import NetgenError, printable
from ..output.terminal import Unheard, complain, finish, give, progress, say
from .verbs import parser

if TYPE_CHECKING:
    from ..jobs.job import Job, Outcome

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
        from .requests import jobs_of

        try:
            jobs = jobs_of(options)
        except ValueError as error:
            top.error(str(error))
        return _watch(jobs, options) if options.verb == "watch" else _run(jobs, options)
    except NetgenError as error:  # such as of a report; the errors of specs are in outcomes
        complain(*str(error).split("\n"))
        return NOT_DONE
    except KeyboardInterrupt:
        complain("netgen: interrupted")
        return INTERRUPTED
    except Unheard:
        raise
    except Exception as error:
        from ..jobs.failures import own_mistake, refused

        told = refused(error) if isinstance(error, OSError) else own_mistake(error)
        complain(*told.render().split("\n"))
        return NOT_DONE


def _print_schema(options: argparse.Namespace) -> int:
    from ..views.schema import schema

    give(schema())
    return DONE


def _tell_layers(options: argparse.Namespace) -> int:
    from ..layers import TYPES
    from ..symbolic.hints import help_for_type
    from ..views.catalogue import catalogue, described

    name: str | None = options.name
    if name is None or name in TYPES:
        say(*(catalogue() if name is None else described(name)).splitlines())
        return DONE
    help = help_for_type(name, TYPES)
    complain(f"netgen: there is no layer type {printable(name)!r}{f'; {help}' if help else ''}")
    return NOT_DONE


def _begin(options: argparse.Namespace) -> int:
    from ..symbolic.hints import closest_word
    from ..views.templates import chosen, listed, templates, text_of
    from .init import begin

    if options.list:
        say(*listed(templates()))
        return DONE
    name, found = printable(options.template), chosen(options.template)
    if len(found) > 1:
        complain(*listed(found), "", f"netgen: several templates begin with {name!r}: give one")
        return NOT_DONE
    if not found:
        meant = closest_word(options.template, templates())
        help = f"; did you mean {meant}?" if meant else ""
        complain(*listed(templates()), "", f"netgen: there is no template {name!r}{help}")
        return NOT_DONE
    [template] = found.values()
    if options.output == "-":
        give(text_of(template))
        return DONE
    try:
        target = begin(template, options.output)
    except NetgenError as error:
        complain(*str(error).split("\n"))
        return NOT_DONE
    import shlex

    from ..output.module_names import instead, why_no_module

    name = f" -o {instead(target.stem)}.py" if why_no_module(target.stem) else ""
    say(f"wrote {target}; next: netgen build {shlex.quote(str(target))}{name}")
    return DONE


def _import(options: argparse.Namespace) -> int:
    from .import_network import import_as_asked

    try:
        import_as_asked(options)
    except ValueError as error:
        parser("import").error(str(error))
    except NetgenError as error:
        complain(*str(error).split("\n"))
        return NOT_DONE
    return DONE


def _complete(options: argparse.Namespace) -> int:
    from .completion import script

    give(f"{script(parser(), options.shell)}\n")
    return DONE


def _serve(options: argparse.Namespace) -> int:
    try:
        from ..lsp.server import serve
    except ModuleNotFoundError:
        return _not_there("lsp", "pygls")
    import gc

    gc.enable()  # the server may run for days
    if serve():
        return DONE
    complain("netgen: the editor has gone without asking for the end")
    return NOT_DONE


def _answer_agents(options: argparse.Namespace) -> int:
    try:
        from ..mcp.server import serve
    except ModuleNotFoundError:
        return _not_there("mcp", "the MCP SDK")
    try:
        serve()
    except FileNotFoundError:
        complain("netgen: the current folder is gone: start it in another one")
        return NOT_DONE
    return DONE


def _open_studio(options: argparse.Namespace) -> int:
    from ..spec.include import SUFFIXES

    config = Path(options.config)
    if not options.config.lower().endswith(SUFFIXES):
        parser("studio").error(f"a spec's name ends with .yaml or .yml, not {options.config!r}")
    output = Path(options.output or f"{config.stem}.py")
    if output.suffix != ".py":
        parser("studio").error(f"the source's name ends with .py, not {str(output)!r}")
    try:
        from ..studio.server import place, serve
    except ModuleNotFoundError:
        return _not_there("studio", "Starlette and uvicorn")
    from .browser import open_browser

    try:
        there = place(options.port)
    except OSError as error:
        complain(
            f"netgen: can't listen on port {options.port}: {os.strerror(error.errno or 0).lower()}"
        )
        return NOT_DONE
    say(f"netgen studio: {there.address}", "Ctrl-C ends it")
    finish()
    if not options.no_browser:
        open_browser(there.address)
    serve(there, options.config, output)
    return DONE


def _not_there(extra: str, library: str) -> int:
    """Print what to install for a verb that has an extra of its name; the exit code."""
    help = f"pip install 'torch-netgen[{extra}]'"
    complain(f"netgen: `{extra}` needs {library}, which is not there: {help}")
    return NOT_DONE


_WITHOUT_JOBS = {
    "completion": _complete,
    "import": _import,
    "init": _begin,
    "layers": _tell_layers,
    "lsp": _serve,
    "mcp": _answer_agents,
    "schema": _print_schema,
    "studio": _open_studio,
}


def _run(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    from ..jobs.run import work_all
    from .reports import tell, tell_json, write_report
    from .requests import limits, telling

    report = None
    if getattr(options, "report", None):
        from ..output.files import REPORT, claim

        file, specs = Path(options.report), options.configs
        report = claim(file, REPORT, force=options.force, specs=specs, told=True)
    outcomes: list[Outcome] = []
    work = work_all(jobs, *limits(options))
    with contextlib.closing(work):
        for place, job in enumerate(jobs):
            progress(f"[{place + 1}/{len(jobs)}] {job.config} ...")
            outcomes.append(next(work))
            progress("")
            tell(outcomes[-1], *telling(options))
    if telling(options)[0] == "json":
        tell_json(outcomes)
    if report is not None:
        finish()
        write_report(report, outcomes)
    return DONE if all(outcome.ok for outcome in outcomes) else NOT_DONE


def _watch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    try:
        from .watch import build_again
    except ModuleNotFoundError:
        return _not_there("watch", "watchfiles")
    import gc

    from .reports import tell
    from .requests import limits, telling

    gc.enable()  # watching may last for days
    _, timeout, most_memory = limits(options)
    work = build_again(jobs, timeout, most_memory)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(work):
        for outcomes in work:
            for outcome in outcomes:
                tell(outcome, *telling(options))
            say(f"{time.strftime('%X')} waiting for changes; Ctrl-C ends it")
            finish()
    return DONE
