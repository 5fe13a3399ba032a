"""Arguments of the command line as jobs, limits and the form of reports.

Raises `ValueError` for arguments that make no sense together.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, spelt
from ..ir.levels import DEFAULT_LEVELS, Demand
from ..jobs.job import Job
from ..spec.source import parse
from ..symbolic.names import VARIANT

if TYPE_CHECKING:
    from ..analysis.prediction import Prediction
    from ..analysis.training import Terms


def jobs_of(options: Namespace) -> list[Job]:
    """A job for each spec."""
    if options.configs.count("-") > 1:
        raise ValueError("standard input can be read once")
    if options.verb in ("build", "watch"):
        _check_build(options)
    if options.verb == "watch":
        _check_watched(options.configs)
    overrides = _overrides(options.overrides)
    view = VIEWS[options.verb](options) if options.verb in VIEWS else None
    pairs = zip(options.configs, _variants(options), strict=True)
    return [_job(config, variant, overrides, options, view) for config, variant in pairs]


def telling(options: Namespace) -> tuple[str, bool]:
    """The form of reports, and whether they are verbose; views report mistakes as text."""
    return ("text", False) if options.verb in VIEWS else (options.format, options.verbose)


def limits(options: Namespace) -> tuple[int, float, int | None]:
    """The number of jobs at a time, and the limits of each in seconds and bytes."""
    return getattr(options, "jobs", 1), options.timeout, options.max_memory


def _check_build(options: Namespace) -> None:
    if options.output and len(options.configs) > 1:
        raise ValueError("-o takes the output of one spec; give --output-dir for several")
    stems = [Path(config).stem for config in options.configs]
    if not options.output and len({*stems}) < len(stems):
        raise ValueError("two specs of one name would be written to one file")
    if not 0 <= options.seed < 2**63:
        raise ValueError("--seed takes a whole number from 0 to 2**63 - 1")
    more = [level for level in options.prove if level not in DEFAULT_LEVELS]
    if options.no_smoke and (more or options.report):
        raise ValueError("--no-smoke leaves nothing to prove or to report")
    if options.report == "-":
        raise ValueError("--report takes a file; on standard output `--format json` tells the same")
    if options.check and any(_target(config, options) is None for config in options.configs):
        raise ValueError("--check holds a file against a spec: it needs one")


def _check_watched(configs: Sequence[str]) -> None:
    if "-" in configs:
        raise ValueError("standard input can't be watched: give a file")
    for config in configs:
        if not Path(config).absolute().parent.is_dir():
            raise ValueError(f"{config!r} can't be watched: there is no such folder")


View = Callable[["Prediction"], str]


def _job(
    config: str,
    variant: str | None,
    overrides: dict[str, Any],
    options: Namespace,
    view: View | None,
) -> Job:
    allowed = options.allow_imports
    job = Job(config, None, overrides, allow_imports=allowed, variant=variant)
    if options.verb == "check":
        return replace(job, verb="check", strict=options.strict)
    if view is not None:
        return replace(job, verb="view", view=view)
    timed = options.report is not None
    piecewise = options.piecewise and not options.no_smoke
    demand = Demand(options.device, options.seed, options.prove, timed, piecewise)
    return replace(
        job,
        target=_target(config, options),
        verb="compare" if options.check else "build",
        demand=None if options.no_smoke else demand,
        strict=options.strict,
        force=options.force,
        named=bool(options.output),
    )


def _comparison(options: Namespace) -> View:
    from ..views.diff import Comparison

    pairs = zip(options.configs, _variants(options), strict=True)
    old, new = (name if which is None else f"{name}, variant {which}" for name, which in pairs)
    return Comparison((old, new))


def _explanation(options: Namespace) -> View:
    from ..views.explain import explain

    return partial(explain, name=spelt(options.layer))


def _picture(options: Namespace) -> View:
    from ..views.graph import graph

    (config,) = options.configs
    if config == "-" and options.output is None:
        raise ValueError("the picture of a spec from standard input needs -o FILE")
    output = options.output or _named_after(config, options.variant, ".svg")
    drawn = {name: getattr(options, name) for name in ("depth", "direction", "theme", "force")}
    return partial(graph, output=output, **drawn)


def _table(options: Namespace) -> View:
    from ..output.terminal import width
    from ..views.show import show

    if options.bars and options.format != "table":
        raise ValueError("--bars are for a terminal; `--format json` has the same numbers")
    form = "bars" if options.bars else options.format
    batch, depth, terms = options.batch, options.depth, _terms(options)
    return partial(show, form=form, batch=batch, depth=depth, width=width(), terms=terms)


def _terms(options: Namespace) -> Terms | None:
    """In which terms training is looked at; ``None`` where nothing asks for that."""
    from ..analysis.training import DTYPES, Terms

    given = {"dtype": options.dtype, "optimizer": options.optimizer, "ranks": options.ranks}
    given = {name: value for name, value in given.items() if value is not None}
    if given and options.format in ("markdown", "csv"):
        raise ValueError(f"--{next(iter(given))} is for `--format table` or `json`")
    if "dtype" in given:
        given["dtype"] = DTYPES[given["dtype"]]
    return Terms(**given) if given else None


# the verbs that only look at a spec, and what each makes of one that can be built
VIEWS: Mapping[str, Callable[[Namespace], View]] = {
    "diff": _comparison,
    "explain": _explanation,
    "graph": _picture,
    "show": _table,
}


def _variants(options: Namespace) -> list[str | None]:
    """The variant of each spec: one for all, but `diff` may have one for each."""
    if options.verb != "diff":
        found = None if options.variant is None else spelt(options.variant)
        return [found for _ in options.configs]
    given = options.variants or ["-"]
    if len(given) > len(options.configs):
        raise ValueError("--variant is given once for both specs, or once for each")
    each = given if len(given) > 1 else [given[0] for _ in options.configs]
    return [None if name == "-" else spelt(name) for name in each]


def _overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """The values of ``--set``, read as YAML."""
    overrides = {}
    for pair in map(spelt, pairs):
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--set takes NAME=VALUE, not {pair!r}")
        try:
            overrides[name] = parse(text, f"--set {name}").values
        except NetgenError:
            raise ValueError(f"--set {name}: {text!r} is not a value") from None
    return overrides


def _target(config: str, options: Namespace) -> Path | None:
    """Where to write: the named file, or the spec's stem in a folder; nowhere for ``-``.

    The name of a variant is put to the stem.
    """
    if options.output == "-" or (config == "-" and not options.output):
        return None
    if options.output:
        return Path(options.output)
    return Path(options.output_dir or ".") / _named_after(config, options.variant, ".py")


def _named_after(config: str, variant: str | None, suffix: str) -> Path:
    """A file with the spec's name, to which that of its variant is put."""
    there = variant is not None and VARIANT.fullmatch(variant)
    return Path(f"{Path(config).stem}{f'_{variant}' if there else ''}{suffix}")
