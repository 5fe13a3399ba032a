"""`netgen import`: makes the spec of a network that there is as code, and writes it."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..importing.asked import asked
from ..importing.built import Imported
from ..importing.importing import import_network
from ..output.files import SOURCE, Target, claim, read_output
from ..output.terminal import complain, give, progress, say
from ..run.smoke import Worker

MOST_THREADS = 8  # more are of little use for two samples


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
        keep=options.keep,
    )
    outputs = {"-o": options.output, "--source": options.source or ""}
    weights = None
    if wanted.is_graph and options.output != "-":
        outputs["the weights of -o"] = str(Path(options.output).with_suffix(".pt"))
    _check_apart(outputs, wanted.files)
    spec = None if options.output == "-" else _new(Path(options.output), options.force)
    if "the weights of -o" in outputs:
        weights = _new(Path(outputs["the weights of -o"]), options.force)
    source = None
    if options.source:
        source = claim(Path(options.source), SOURCE, force=options.force, told=True)
    progress(f"importing {options.network} ...")
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    with Worker(options.timeout, options.max_memory, threads) as worker, worker.one_spec():
        name = "<imported>" if spec is None else str(spec.path)
        verify, flat = not options.no_verify, options.flat
        made = import_network(wanted, worker, name, verify=verify, flat=flat)
    progress("")
    if spec is None:
        give(made.text)
    else:
        _write(spec, made, weights)
    if source is not None:
        source.write(made.result.source.encode())
    _tell(made, options, say if spec else complain, time.monotonic() - begun)


def _write(spec: Target, made: Imported, weights: Target | None) -> None:
    """Write the spec, and the weights beside it; if one can't be written, both are as before."""
    before = None if weights is None else read_output(spec.path)
    spec.write(made.text.encode())
    if weights is None:
        return
    try:
        weights.write(made.weights)
    except BaseException:
        if before is None:
            spec.path.unlink(missing_ok=True)
        else:
            claim(spec.path, SOURCE, force=True).write(before)
        raise


def _check_apart(outputs: Mapping[str, str], files: Sequence[str]) -> None:
    """Refuse one file for two outputs, and the network's own files for any."""
    given = {option: os.path.realpath(path) for option, path in outputs.items() if path}
    if given["-o"] == given.get("--source"):
        raise ValueError("-o and --source name one file: the spec and the source are two")
    if len({*given.values()}) < len(given):
        raise ValueError("one file is named for two outputs: the weights of FILE.yaml are FILE.pt")
    own = {*map(os.path.realpath, files)}
    for option, path in given.items():
        if path in own:
            message = f"`{printable(outputs[option])}` is the network's own file"
            help = f"give another one with `{option.removeprefix('the weights of ')}`"
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
        more = f" and {Path(options.output).with_suffix('.pt')}" if made.weights else ""
        tell(f"wrote {options.output}{more} in {seconds:.2f} s")
    elif made.weights:
        tell("the file's weights are not written: they stand beside a spec, and there is none")
    if options.source:
        tell(f"wrote {options.source}")
