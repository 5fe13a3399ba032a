"""The import of a network: recorded, written as a spec, built, and compared with the original."""

from __future__ import annotations

import linecache
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, Location, NetgenError
from ..ir.levels import TIMEOUT
from ..layers import TYPES
from ..run.recording.recorded import FunctionCall, Held, Input, ModuleCall, Recording, Tree, Value
from ..run.smoke import Worker
from .asked import Asked
from .built import Imported, built, class_of
from .flat import (
    BY_NUMBERS,
    Inexpressibles,
    Unknown,
    comes_by_loading,
    flat_spec,
    formula_of,
    read_buffers,
    steps_of_calls,
)
from .kept import way_out
from .operations import short_name
from .operators import with_functions
from .parameters import Variation, held, together, variations
from .spec_text import spec_text
from .structure.bodies import Unstructured
from .structure.structure import structured_spec
from .unread import idle_modules, unread

if TYPE_CHECKING:
    from ..run.recording.live import Network, Tensors

Answer = Mapping[str, Any]
KEEP, KEEP_LIVE = "--keep {}", 'keep=["{}"]'  # how a class is kept: by the command, from Python


def import_network(
    asked: Asked, worker: Worker, file: str, *, verify: bool = True, flat: bool = False
) -> Imported:
    """Import a network in a worker process; raises `NetgenError`.

    `file` is the name of the spec's file, as diagnostics and the generated source have it. With
    `flat` all layers stand in one scope.
    """
    worker.start(asked.folder)
    request = asked.request
    inputs = to_builtins(asked.inputs)
    answer = _checked(worker.ask({"task": "record", **request, "inputs": inputs}))
    recording = _bounded(with_functions(convert(answer["recording"], Recording)))

    def compared(made: Imported) -> tuple[str, ...]:
        more = {"inputs": to_builtins(recording.inputs), **class_of(made), **_runs(recording)}
        question = {"task": "compare", **request, **more, "asked": inputs}
        return tuple(_checked(worker.ask(question))["shown"])

    name = asked.name or class_name(answer["class"])
    compare = compared if verify else _not_compared
    flat = flat or not asked.is_code
    others = () if flat or not asked.callable else variations(recording, worker, request)

    def hold(made: Imported, one: Variation) -> str | None:
        value = held(made, one, recording, request, worker, file) if verify else 0
        return None if value is None else f"{one.name} = {value}" * verify

    maker = Maker(recording, name, worker, file, compare)
    made = _flat(maker) if flat else _imported(maker, others, hold)
    made = replace(made, notes=(*made.notes, *_needed(recording)))
    if not asked.is_graph:
        return made
    return replace(made, weights=_weights({**request, "asked": inputs}, worker))


def _weights(request: Mapping[str, Any], worker: Worker) -> bytes:
    """The file of the `state_dict` that a graph has."""
    with tempfile.TemporaryDirectory(prefix="netgen-") as folder:
        path = Path(folder) / "weights.pt"
        _checked(worker.ask({"task": "weights", **request, "path": str(path)}))
        return path.read_bytes()


def _needed(recording: Recording) -> Iterator[str]:
    """What is to be said of classes that are kept, and of numbers that are not written."""
    kept = dict.fromkeys(module.type for module in recording.modules if "." in module.layer)
    if kept:
        yield f"kept as custom layers: {', '.join(f'`{type}`' for type in kept)}"
        yield "`--allow-imports` builds the spec, where their modules are installed or beside it"
    idle = [f"`{path}`" for path in _idle(recording)]
    if idle:
        more = f", and of {len(idle) - MOST_NAMED} others" if len(idle) > MOST_NAMED else ""
        which = ", ".join(idle[:MOST_NAMED]) + more
        yield f"in evaluation nothing reads the weights of {which}: the class only holds them"
    buffers = read_buffers(recording)
    near = [f"`{one.path}`" for one in buffers if formula_of(one) is not None]
    if near:
        yield f"near to the network's numbers until a `state_dict` is loaded: {', '.join(near)}"
    loaded = [f"`{one.path}`" for one in buffers if comes_by_loading(one)]
    if loaded:
        yield f"equal only with its `state_dict`, which has the numbers of {', '.join(loaded)}"


def _idle(recording: Recording) -> list[str]:
    """The paths of modules with weights that no call reads, and of such weights beside others."""
    steps = [step for _, steps in steps_of_calls(recording) for step in steps]
    return idle_modules(recording, unread(recording, steps))


def _not_compared(made: Imported) -> tuple[str, ...]:
    return ()


def import_module(
    module: Network, inputs: Tensors, flat: bool = False, keep: Sequence[str] = ()
) -> str:
    """The spec of a live module, as text; it is built, and compared with the module.

    Args:
        module: The network; it is left as it is.
        inputs: Example tensors in the order of its ``forward``, or by name. The first dimension
            is the batch.
        flat: Whether all layers stand in one scope, without blocks.
        keep: Names of classes that stay as they are: modules of these are custom layers, which
            the spec imports.

    Raises:
        NetgenError: The module does something that no spec can say, or can't be run.
    """
    from ..run.recording.tasks import compare_module, record_module

    declared = tuple(_declared(inputs))
    answer = _checked(record_module(module, declared, keep), KEEP_LIVE)
    recording = _bounded(convert(answer["recording"], Recording))
    runs = _runs(recording)["runs"]

    def compared(made: Imported) -> tuple[str, ...]:
        source, name = made.result.source, made.result.graph.name
        answer = _checked(compare_module(module, source, name, recording.inputs, runs))
        return tuple(answer["shown"])

    name = class_name(type(module).__name__)
    with Worker(TIMEOUT) as worker, worker.one_spec():
        worker.start(os.getcwd() if keep else "")  # where kept classes may be, as for this process
        maker = Maker(recording, name, worker, "<module>", compared, KEEP_LIVE)
        return (_flat(maker) if flat else _imported(maker)).text


def _declared(inputs: Any) -> list[Input]:
    """The inputs that example tensors stand for."""
    if hasattr(inputs, "dtype"):
        inputs = [inputs]
    pairs = inputs.items() if isinstance(inputs, Mapping) else (("", x) for x in inputs)
    found = []
    for name, x in pairs:
        dtype = str(x.dtype).removeprefix("torch.")
        whole = "int" in dtype and x.numel()
        bounds = (int(x.min()), int(x.max()) + 1) if whole else (None, None)
        found.append(Input(name, tuple(x.shape)[1:], dtype, *bounds))
    return found


def class_name(name: str) -> str:
    """The name of the spec's class: that of the network's, if it is no class of torch's own."""
    name = re.sub(r"\W", "", name)
    own = name[:1].isalpha() and name not in ("Module", "Sequential")
    return name if own and (name not in TYPES or TYPES[name].operation) else "Network"


Compare = Callable[[Imported], tuple[str, ...]]
Hold = Callable[[Imported, Variation], str | None]  # for which value it holds; `None` for none
MOST_NAMED = 6  # of modules with weights that nothing reads
MOST_TRIES = 4  # of a spec with blocks


class Maker(Struct, frozen=True):
    """What an import is made of, and where."""

    recording: Recording
    name: str
    worker: Worker
    file: str
    compare: Compare
    option: str = KEEP  # how a class is kept


def _imported(
    maker: Maker, others: Sequence[Variation] = (), hold: Hold = lambda made, one: ""
) -> Imported:
    """The import of a recording: with blocks, where these can be built and give the network.

    Those `others` are parameters of the spec that can be, and that it holds for.
    """
    found = tuple(others)
    if len(found) > 1:
        found = together(maker.recording, found, maker.name)
    while True:
        try:
            made = _with_blocks(maker, found)
        except Unstructured as why:
            if not found:
                notes = (f"all layers stand in one scope: {why}",)
                return replace(_flat(maker), notes=notes)
            found = ()
            continue
        except Inexpressibles as error:
            if found:  # it may be with their values alone that no spec can say it
                found = ()
                continue
            raise _all_told(error, maker) from None
        used = {parameter.name for parameter in made.result.graph.params}
        told = {one.name: hold(made, one) for one in found if one.name in used}
        if None not in told.values():
            with_ = ", ".join(filter(None, told.values()))
            return replace(made, shown=(*made.shown, f"equal with {with_}")) if with_ else made
        found = tuple(one for one in found if told.get(one.name, "") is not None)


def _flat(maker: Maker) -> Imported:
    """The import of a recording in one scope."""
    try:
        spec = flat_spec(maker.recording, maker.name)
    except Inexpressibles as error:
        raise _all_told(error, maker) from None
    numbered = any(module.path.isdecimal() for module in maker.recording.modules)
    if numbered and not spec.get("sequential"):
        raise NetgenError(_numbered(maker.name))
    made = built(spec, (maker.recording,), maker.worker, maker.file)
    return replace(made, shown=(*maker.compare(made), *made.begins))


def _numbered(name: str) -> Diagnostic:
    """The diagnostic for an `nn.Sequential` that does more than its layers, one after the other."""
    message = (
        f"`{name}` is more than a chain of layers, but its layers have numbers for names, which "
        "only those of a plain `nn.Sequential` can have"
    )
    help = f"import a module that holds it under a name: `self.body = {name}()` in its `__init__`"
    return Diagnostic("NG704", message, help=help)


def _all_told(error: Inexpressibles, maker: Maker) -> NetgenError:
    told = (_told(one, maker.name, maker.recording, maker.option) for one in error.unknown)
    return NetgenError(*told)


def _with_blocks(maker: Maker, others: Sequence[Variation]) -> Imported:
    """The import with blocks; a class that gives none is opened. Raises `Unstructured`."""
    recordings = (maker.recording, *(one.recording for one in others))
    opened: Mapping[str, str] = {}
    why, grouped = "", True
    for _ in range(MOST_TRIES):
        draft = structured_spec(recordings, maker.name, opened, grouped=grouped)
        opened = draft.opened
        try:
            made = built(draft.spec, recordings, maker.worker, maker.file)
            shown = (*maker.compare(made), *made.begins)
        except NetgenError as error:
            if grouped and draft.has_groups:
                grouped = False
                continue
            first, *rest = error.diagnostics
            # the first says that the spec can't be built
            found = [one for one in rest if one.severity == "error"] or [first]
            why = found[0].message
            lines = [one.location.line for one in found if one.location is not None]
            guilty = draft.class_at(spec_text(draft.spec), lines[0]) if lines else ""
            if not guilty or guilty in opened:
                break
            opened = {**opened, guilty: why}
        else:
            notes = (f"the layers of `{x}` stand where it is used: {opened[x]}" for x in opened)
            return replace(made, shown=shown, notes=tuple(notes))
    raise Unstructured(why)


def _runs(recording: Recording) -> dict[str, Any]:
    return {"runs": [dict(run) for run in recording.runs]}


def _bounded(recording: Recording) -> Recording:
    """The recording with bounds for inputs of whole numbers: the table that reads them."""
    bounds: dict[int, int] = {}
    for rows, reads in _tables(recording):
        for tensor in reads:
            if isinstance(tensor, Value) and tensor.number < len(recording.inputs):
                bounds[tensor.number] = min(rows, bounds.get(tensor.number, rows))
    inputs = tuple(
        replace(one, high=bounds[place]) if one.high is None and place in bounds else one
        for place, one in enumerate(recording.inputs)
    )
    return replace(recording, inputs=inputs)


def _tables(recording: Recording) -> Iterator[tuple[int, Sequence[Tree]]]:
    """The rows of each table that a call looks up, and what the call reads."""
    for event in recording.events:
        if isinstance(event, ModuleCall):
            rows = dict(recording.by_path[event.path].settings).get("num_embeddings")
            if isinstance(rows, int):
                yield rows, [x for _, x in event.named]
        elif isinstance(event, FunctionCall) and short_name(event.function) == "embedding":
            reads = [*event.args, *(x for _, x in event.named)]
            held = next((x for x in reads if isinstance(x, Held)), None)
            if held is not None:
                yield recording.held[held.path].shape[0], reads


def _checked(answer: Answer, option: str = KEEP) -> Answer:
    """An answer of the worker; raises `NetgenError` for a refusal."""
    if answer["ok"]:
        return answer
    where = place_in_code(answer["source"])
    refused = Diagnostic(answer["code"], answer["finding"], where, help=answer.get("help"))
    others = (Diagnostic(answer["code"], text) for text in answer.get("others", ()))
    raise NetgenError(refused, *others, *_told_as_well(answer, option))


def _told_as_well(answer: Answer, option: str) -> list[Diagnostic]:
    """What no spec can say, in the first run of a network whose runs are not the same."""
    if "first" not in answer:
        return []
    name = class_name(answer["class"])
    first = convert(answer["first"], Recording)
    try:
        steps_of_calls(with_functions(first))
    except Inexpressibles as error:
        # one run has one value for each size: reasons that speak of sizes mean nothing here
        found = [one for one in error.unknown if one.why in ("", BY_NUMBERS)]
        return [_told(one, name, first, option) for one in found if one.source != answer["source"]]
    return []


def place_in_code(source: str) -> Location | None:
    """The place of a line of the network's code, with the line."""
    file, _, line = source.rpartition(":")
    if not file:
        return None
    text = linecache.getline(file, int(line)).rstrip("\n")
    column = len(text) - len(text.lstrip()) + 1
    return Location(file, int(line), column, max(len(text) - column + 1, 1), text)


def _told(one: Unknown, name: str, recording: Recording, option: str) -> Diagnostic:
    """The diagnostic for a call that no spec can say; the `option` would keep a class."""
    who = one.scope or name
    how = f" {one.why}" if one.why else ""
    what = one.call if " " in one.call or one.call == "code" else f"`{one.call}`"
    message = f"`{who}` calls {what}{how}, which no spec can say"
    help = way_out(recording, one.scope, option)
    return Diagnostic("NG704", message, place_in_code(one.source), help=help)
