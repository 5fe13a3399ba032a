"""The smoke-run of a text, with the proofs that were asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..ir.levels import DEFAULT_LEVELS, Demand, Proof, in_order
from ..output.files import SOURCE, Target, claim
from ..output.module_names import instead, why_no_module
from ..pipeline import Result, build_source
from ..run.smoke import Progress, Worker
from .asked import Build
from .checking import given_values, source_in_folder
from .problems import in_page, problems


class Builder:
    """Runs texts, with one process that has torch."""

    def __init__(self) -> None:
        self.worker = Worker()

    def build(self, asked: Build, say: Progress) -> dict[str, Any]:
        """What the run of a text has shown; `say` is told which proof is worked on."""
        self.worker.progress = say
        try:
            found = self._built(asked)
        except NetgenError as error:
            return {"ok": False, "problems": problems(error.diagnostics, asked.file, asked.text)}
        return {
            "ok": True,
            "problems": problems(found.warnings, asked.file, asked.text),
            "proofs": [_told(proof) for proof in found.proofs],
            "written": asked.output if asked.write else "",
        }

    def _built(self, asked: Build) -> Result:
        with self.worker.one_spec():
            self.worker.start()  # torch loads while the text is read
            values = given_values(asked.values)
            with self.worker.in_time():
                source = source_in_folder(asked)
            target = _target(asked, source.files) if asked.write else None
            demand = _demand(asked)
            return build_source(source, values, self.worker, demand, target)


def _demand(asked: Build) -> Demand:
    """What the run is to show; raises `NetgenError` for what the device can't."""
    try:
        return Demand(device=asked.device, levels=in_order(asked.prove))
    except ValueError as error:
        help = "take another device, or only the run itself"
        raise NetgenError(Diagnostic("NG407", str(error), help=help)) from None


def _target(asked: Build, specs: tuple[str, ...]) -> Target:
    """The place for the source; raises `NetgenError` if it can't be imported from there."""
    path = Path(asked.output)
    reason = why_no_module(path.stem)
    if reason:
        message = f"`{printable(path.name)}` {reason}"
        other = path.with_name(f"{instead(path.stem)}.py")
        help = f"start the studio with `-o {printable(str(other))}`"
        raise NetgenError(Diagnostic("NG505", message, help=help))
    try:
        return claim(path, SOURCE, force=False, specs=specs)
    except NetgenError as error:
        help = "move it away, or start the studio with another `-o`"
        cured = (replace(x, help=help if x.code == "NG502" else x.help) for x in error.diagnostics)
        raise NetgenError(*cured) from None


def _told(proof: Proof) -> dict[str, Any]:
    """A proof as the page tells it."""
    usual = [shown.level for shown in proof.levels if shown.level in DEFAULT_LEVELS]
    others = [
        to_builtins(replace(shown, found=in_page(shown.found)))
        for shown in proof.levels
        if shown.level not in DEFAULT_LEVELS
    ]
    facts = {"device": proof.device, "seconds": proof.seconds, "torch": proof.torch}
    return {**facts, "usual": usual, "others": others, "notes": [*map(in_page, proof.notes)]}
