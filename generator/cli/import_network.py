"""`netgen import`: makes the spec of a network that there is as code, and writes it."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..importing.asked import asked
from ..importing.importing import Imported, import_network
from ..output.files import SOURCE, Target, claim
from ..output.terminal import complain, give, progress, say
from ..run.smoke import Worker


def import_as_asked(options: Namespace) -> None:
    """Import, compare, write and tell; raises `NetgenError`, and `ValueError` for wrong usage."""
    begun = time.monotonic()
    wanted = asked(
        options.network,
        options.inputs,
        options.args,
        options.name,
        weights=options.weights,
        allow_pickle=options.allow_pickle,
    )
    _check_apart(options, wanted.files)
    spec = None if options.output == "-" else _new(Path(options.output), options.force)
    source = None
    if options.source:
        source = claim(Path(options.source), SOURCE, force=options.force, told=True)
    progress(f"importing {options.network} ...")
    with Worker(options.timeout, options.max_memory) as worker, worker.one_spec():
        name = "<imported>" if spec is None else str(spec.path)
        verify, flat = not options.no_verify, options.flat
        made = import_network(wanted, worker, name, verify=verify, flat=flat)
    progress("")
    if spec is None:
        give(made.text)
    else:
        spec.write(made.text.encode())
    if source is not None:
        source.write(made.result.source.encode())
    _tell(made, options, say if spec else complain, time.monotonic() - begun)


def _check_apart(options: Namespace, files: Sequence[str]) -> None:
    """Refuse one file for spec and source, and the network's own files for either."""
    given = {"-o": options.output, "--source": options.source or ""}
    if os.path.realpath(given["-o"]) == os.path.realpath(given["--source"]):
        raise ValueError("-o and --source name one file: the spec and the source are two")
    own = {*map(os.path.realpath, files)}
    for option, path in given.items():
        if os.path.realpath(path) in own:
            message = f"`{printable(path)}` is the network's own file"
            help = f"give another one with `{option}`"
            raise NetgenError(Diagnostic("NG501", message, help=help))


def _new(path: Path, force: bool) -> Target:
    """The file of the spec, which must not be there already."""
    if os.path.lexists(path) and not force:
        message = f"`{printable(str(path))}` is there already: it is left as it is"
        help = "give another file with `-o`, or overwrite it with `--force`"
        raise NetgenError(Diagnostic("NG502", message, help=help))
    return claim(path, SOURCE, force=force, told=True)


def _tell(made: Imported, options: Namespace, tell: Callable[..., None], seconds: float) -> None:
    result = made.result
    layers = sum(row.type != "input" for row in result.shapes)
    tell(f"{options.network}: {layers} layers, {result.parameter_count:,} parameters")
    tell("not compared with the network: --no-verify" if not made.shown else "; ".join(made.shown))
    for note in made.notes:
        tell(note)
    if options.output != "-":
        tell(f"wrote {options.output} in {seconds:.2f} s")
    if options.source:
        tell(f"wrote {options.source}")
