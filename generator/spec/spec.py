"""What a person may write: the document, its parameters, inputs and layers."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace
from pydantic_core import ValidationError

from ..diagnostics.diagnostics import (
    MOST_FINDINGS,
    Diagnostic,
    Findings,
    NetgenError,
    SpecPath,
    printable,
)
from ..symbolic.hints import closest, meant_key
from ..symbolic.names import why_no_class, why_no_variable
from .models import read_keys
from .source import Source

T = TypeVar("T", bound=Struct)
RESERVED = frozenset({"Group", "Reuse", "Sequential"})
EXPECTED = ("output", "parameters", "macs")  # the keys under `expect`
OF_BLOCKS = ("blocks", "include")  # the keys of a file that is included
PARAMETRIZE = "parametrize"  # the key of layers with weights
COMMON_KEYS = ("name", "from", "repeat", "when", "else", "carry", "collect", PARAMETRIZE)
LOOP_KEYS = ("carry", "collect")  # those of a `repeat` that passes on several tensors
REPEAT_KEYS = ("times", "as")
MOST_PARTS = 100  # of a call that YAML has cut at its commas
CHAIN_DECLARES = "an `nn.Sequential` has its layers in the order of its calls: it has no `declare`"


class InputSpec(Struct, frozen=True):
    """An input: its shape, and what its sample values look like."""

    shape: Annotated[
        list[int | str], Meta(description="Numbers, expressions, and names of run-time sizes.")
    ]
    dtype: Annotated[str, Meta(description="A torch type.")] = "float32"
    batch: Annotated[bool, Meta(description="False: the shape is complete as it stands.")] = True
    range: Annotated[
        Annotated[list[int | float | str], Meta(min_length=2, max_length=2)] | None,
        Meta(description="[low, high]: sample values are drawn from low to high, high excluded."),
    ] = None


class ParamSpec(Struct, frozen=True):
    """A parameter: its default and the line that documents it."""

    default: Annotated[Any, Meta(description="The value, unless another one is given.")]
    doc: Annotated[str | None, Meta(description="Its line under `Args:` in the docstring.")] = None


class Document(Struct, frozen=True):
    """A whole spec."""

    name: Annotated[str, Meta(description="The name of the generated class.")]
    layers: Annotated[list[Any], Meta(min_length=1, description="The network's layers, in order.")]
    description: Annotated[
        str | None, Meta(description="The docstring; `$name` may stand in it.")
    ] = None
    language: Annotated[Literal[1], Meta(description="The version of the language.")] = 1
    input: Annotated[
        list[int | str] | None, Meta(description="The shape of the only input, without the batch.")
    ] = None
    inputs: Annotated[
        dict[str, Any] | None,
        Meta(description="Several inputs, or one with a name: names with shapes."),
    ] = None
    params: Annotated[
        dict[str, Any],
        Meta(description="Arguments of the class: names with defaults, or with `{default, doc}`."),
    ] = {}
    variants: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="Networks of the family by name, each with its values of parameters."),
    ] = {}
    blocks: Annotated[dict[str, Any], Meta(description="Classes of the spec's own, by name.")] = {}
    include: Annotated[
        list[str], Meta(description="Files with more blocks, beside the spec or below its folder.")
    ] = []
    sequential: Annotated[
        bool, Meta(description="True: the class is an `nn.Sequential`, its layers a chain.")
    ] = False
    declare: Annotated[
        list[str], Meta(description="Layers by name that `__init__` makes first, in this order.")
    ] = []
    outputs: Annotated[
        list[str] | dict[str, str] | None,
        Meta(
            description="References: a list returns a tuple, a mapping a dict. "
            "By default what the last layer gives."
        ),
    ] = None
    init: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            description="Initial weights: by layer type, everywhere or inside a path "
            "(fpn.Conv2d), by name or by path."
        ),
    ] = {}
    tie: Annotated[
        dict[str, str],
        Meta(description="The parameter on the right stands under the name on the left, too."),
    ] = {}
    alias: Annotated[
        dict[str, str],
        Meta(description="The module on the right stands under the name on the left, too."),
    ] = {}
    style: Annotated[
        Literal["modules", "functional"],
        Meta(description="Functional: layers without parameters are calls in `forward`."),
    ] = "modules"
    sizes: Annotated[
        dict[str, int], Meta(description="Sample values of run-time sizes, for the run.")
    ] = {}
    expect: Annotated[dict[str, Any], Meta(description="What must come out.")] = {}
    allow: Annotated[list[str], Meta(description="Codes of warnings that are meant.")] = []
    imports: Annotated[
        dict[str, str],
        Meta(description="Layers of your own: names with import paths. Needs `--allow-imports`."),
    ] = {}


class Item(Struct, frozen=True):
    """An item of `layers`: a type, what is written for it, and the keys that all layers have."""

    type: str
    written: Any  # a mapping, a list, a single value, or nothing
    common: Mapping[str, Any]
    path: SpecPath
    callee: Any = None  # the expression that gave the type, in a block
    type_name: str = ""  # the document's parameter that gives the type
    inline: str = ""  # the key whose value is written in place of all arguments
    names: tuple[str, ...] = ()  # of its outputs, where `name` is a list of them
    number: str = ""  # the name of a copy's number, where `repeat` gives it one
    passes: Any = None  # what `else` refers to

    def at(self, *steps: str | int) -> SpecPath:
        """The place in the spec of a key or value of the item."""
        if steps[0] == self.inline:
            steps = steps[1:]
        return (*self.path, *steps)

    @property
    def carries(self) -> bool:
        """Whether each copy passes all that it gives on to the next."""
        return self.common.get("carry") is True

    @property
    def collects(self) -> bool:
        """Whether what each copy gives can be read."""
        return self.common.get("collect") is True

    @property
    def times(self) -> SpecPath:
        """The place of the number of copies."""
        return self.at("repeat", "times") if self.number else self.at("repeat")


class Reading(Struct, frozen=True):
    """A document as far as it could be read; misspelt keys are read as the ones that were meant.

    `bad` are keys of the document whose values could not be read, `mistakes` what is reported.
    `variant` is the one of its variants that is meant; empty for the network of the defaults.
    """

    source: Source
    document: Document
    bad: frozenset[str] = frozenset()
    mistakes: tuple[Diagnostic, ...] = ()
    variant: str = ""

    @property
    def given(self) -> Mapping[str, Any]:
        """The values that the variant gives to parameters."""
        return self.document.variants.get(self.variant, {})


def read_document(source: Source) -> Reading:
    """The document, with all mistakes in its keys; raises `NetgenError` if it is no mapping."""
    wrong = _why_no_spec(source)
    if wrong is not None:
        raise NetgenError(*source.mistakes, wrong)
    findings, values = Findings(source.mistakes), dict(source.values)
    bad: frozenset[str] = frozenset()
    try:
        document = validate(Document, values, source, ())
    except NetgenError as error:
        findings.caught(error)
        source, document, bad = _as_meant(source, values)
    if document.include and not (source.included is not None and source.whole):
        _check_folder(source, findings)
        bad |= {"include"}
    if document.allow:
        _check_codes(document, source, findings)
    reason = why_no_class(document.name)
    if reason:
        message = f"`{printable(document.name)}` {reason}"
        findings.add(Diagnostic("NG205", message, source.locate(("name",))))
    return Reading(source, document, bad, tuple(findings.sorted()))


def _why_no_spec(source: Source) -> Diagnostic | None:
    """The diagnostic for what is no mapping, or has nothing but blocks; `None` for a spec."""
    values, where = source.values, source.locate(())
    if not isinstance(values, dict):
        message = "a spec is a mapping with `name`, `input` and `layers`, but this is "
        return Diagnostic("NG201", message + kind_of(values), where)
    if not has_blocks_alone(values):
        return None
    message = "this file has only blocks: other specs include it, but it is no network"
    file = printable(os.path.basename(source.name))
    return Diagnostic("NG201", message, where, help=f"a spec takes them by `include: [{file}]`")


def has_blocks_alone(values: Any) -> bool:
    """Whether a text is a file of blocks, to be included."""
    return isinstance(values, dict) and bool(values) and {*values} <= {*OF_BLOCKS}


def kind_of(values: Any) -> str:
    """What a text holds that is no mapping, in words."""
    kinds = {type(None): "nothing", list: "a list", str: "text"}
    return kinds.get(type(values), "a number")


def _check_folder(source: Source, findings: Findings) -> None:
    """Report that a text without a folder includes files."""
    if source.includes and source.included is None:
        message = "this text may include no files: it has no folder from which they are seen"
        where = source.locate(("include",), key=True)
        findings.add(Diagnostic("NG215", message, where, help="save it as a file"))


def _check_codes(document: Document, source: Source, findings: Findings) -> None:
    """Report the codes under `allow` that no warning has."""
    from ..diagnostics.codes import WARNINGS

    for place, code in enumerate(document.allow):
        if code not in WARNINGS:
            message = f"`{printable(code)}` is no code of a warning"
            where = source.locate(("allow", place))
            findings.add(Diagnostic("NG201", message, where, help=closest(code, WARNINGS)))


def _as_meant(source: Source, values: Mapping[str, Any]) -> tuple[Source, Document, frozenset[str]]:
    """The document with misspelt keys corrected and wrong values left out, and the latter's keys.

    The source gets to know the misspelt keys, so that it can locate them.
    """
    known = Document.__struct_fields__
    unknown = [key for key in values if key not in known][:MOST_FINDINGS]
    meant = {key: meant_key(key, known) or key for key in unknown}
    renamed = {right: key for key, right in meant.items() if right not in values}
    found = {key: value for key, value in values.items() if key in known}
    found |= {right: values[key] for right, key in renamed.items() if right in known}
    try:
        return replace(source, meant=renamed), read_keys(Document, found), frozenset()
    except ValidationError as error:
        bad = frozenset(str(problem["loc"][0]) for problem in error.errors())
    stand_ins = {"name": "Network", "layers": [None]}
    found = {key: value for key, value in found.items() if key not in bad}
    found |= {key: value for key, value in stand_ins.items() if key in bad}
    return replace(source, meant=renamed), read_keys(Document, found), bad


def validate(model: type[T], values: Any, source: Source, path: SpecPath) -> T:
    """The values as a record; raises `NetgenError` with one diagnostic for each wrong key."""
    try:
        return read_keys(model, values)
    except ValidationError as error:
        from .wrong_keys import Written, wrong_keys

        problems = error.errors(include_url=False)[: MOST_FINDINGS + 1]
        written = Written(source, path, values)
        raise NetgenError(
            *wrong_keys(model.__name__, model.__struct_fields__, problems, written)
        ) from None


def item_places(items: Sequence[Any]) -> Iterator[int]:
    """The places of a list's items, without the rest of a call that YAML has cut at its commas.

    `[Conv2d(6, 5), ReLU]` has three items. The call is no type, which its first part tells.
    """
    after = 0
    for place, raw in enumerate(items):
        if place >= after:
            yield place
            after = _end_of_call(items, place) if isinstance(raw, str) and "(" in raw else after


def _end_of_call(items: Sequence[Any], begin: int) -> int:
    """The place behind the item that closes the brackets of this one, or behind this one."""
    depth = 0
    for place, raw in enumerate(items[begin : begin + MOST_PARTS], begin):
        text = raw if isinstance(raw, str) else ""
        depth += text.count("(") - text.count(")")
        if depth <= 0:
            return place + 1
    return begin + 1


def read_item(raw: Any, source: Source, path: SpecPath, types: Container[str] = ()) -> Item:
    """An item of `layers`, with the keys that all layers have set apart.

    Raises `NetgenError` for anything but a type, or one type with what is written for it. The known
    `types` are for the help, where a mapping has several keys.
    """
    if isinstance(raw, str):
        return Item(raw, None, {}, path)
    if not isinstance(raw, dict) or len(raw) != 1:
        message = "a layer is a type, or one type with its arguments"
        help = None
        if isinstance(raw, dict) and len(raw) > 1:
            help = "indent the arguments below the type, or write them as `Type: {...}`"
            if sum(key in types for key in raw) > 1:
                help = "begin each layer with a `- ` of its own"
        raise NetgenError(Diagnostic("NG201", message, source.locate(path), help=help))
    ((type_, written),) = raw.items()
    common, number = {}, ""
    if isinstance(written, dict):
        common = {key: written[key] for key in COMMON_KEYS if key in written}
        written = {key: value for key, value in written.items() if key not in COMMON_KEYS}
    if isinstance(common.get("repeat"), dict):
        common["repeat"], number = _numbered(common["repeat"], source, (*path, type_, "repeat"))
    return Item(type_, written, common, (*path, type_), number=number)


def numbers_in(values: Any) -> Iterator[str]:
    """The names that repeats in a document give to the numbers of copies."""
    if isinstance(values, list):
        for item in values:
            yield from numbers_in(item)
    elif isinstance(values, dict):
        if {*values} == {*REPEAT_KEYS} and isinstance(values["as"], str):
            yield values["as"]
        yield from numbers_in(list(values.values()))


def _numbered(repeat: Mapping[str, Any], source: Source, path: SpecPath) -> tuple[Any, str]:
    """The number of copies, and the name of each one's number: ``{times: 3, as: i}``."""
    for key in repeat:
        if key not in REPEAT_KEYS:
            message, help = f"`repeat` has no `{printable(key)}`", closest(key, REPEAT_KEYS)
            location = source.locate((*path, key), key=True)
            raise NetgenError(Diagnostic("NG203", message, location, help=help))
    for key in REPEAT_KEYS:
        if key not in repeat:
            help = "write `repeat: {times: 3, as: i}`, or `repeat: 3` without a name for the number"
            raise NetgenError(
                Diagnostic("NG203", f"`repeat` needs `{key}`", source.locate(path), help=help)
            )
    name = repeat["as"]
    reason = why_no_variable(name) if isinstance(name, str) else "is no Python identifier"
    if reason:
        location = source.locate((*path, "as"))
        raise NetgenError(Diagnostic("NG205", f"`{printable(str(name))}` {reason}", location))
    return repeat["times"], name
