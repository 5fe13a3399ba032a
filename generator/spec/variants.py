"""What a person may write under `variants`: networks of one family, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ..diagnostics.diagnostics import (
    Diagnostic,
    Findings,
    NetgenError,
    SpecPath,
    listed,
    printable,
)
from ..symbolic.hints import closest
from ..symbolic.names import (
    VARIANT,
    in_small_letters,
    is_identifier,
    why_no_class,
    why_no_variable,
)
from .spec import EXPECTED, Document, Reading

MOST_VARIANTS = 100
MOST_LISTED = 10  # in a help


def factory_name(network: str, variant: str) -> str:
    """The name of the function that makes a variant of a class: ``yolo_n`` of ``Yolo``."""
    return f"{in_small_letters(network)}_{variant}"


def check_variants(reading: Reading, findings: Findings) -> None:
    """Report names that no variant can have, and values for unknown parameters."""
    document, source = reading.document, reading.source
    if len(document.variants) > MOST_VARIANTS:
        message = f"there are {len(document.variants)} variants; {MOST_VARIANTS} are the most"
        findings.add(Diagnostic("NG201", message, source.locate(("variants",), key=True)))
    for place, message in _needed(document):
        findings.add(Diagnostic("NG205", message, source.locate(place, key=place[0] != "name")))
    for variant, values in document.variants.items():
        path: SpecPath = ("variants", variant)
        wrong = _why_no_variant(document, variant)
        if wrong is not None:
            where = source.locate(path, key=True)
            findings.add(Diagnostic("NG205", printable(wrong[0]), where, help=wrong[1]))
        for name in values if "params" not in reading.bad else ():
            if name not in document.params:
                message = f"the spec has no parameter `{printable(name)}`"
                where = source.locate((*path, name), key=True)
                help = closest(name, document.params)
                findings.add(Diagnostic("NG208", message, where, help=help))


def _needed(document: Document) -> Iterator[tuple[SpecPath, str]]:
    """The places of classes named ``Any``, which is an annotation in a function of a variant."""
    message = "`Any` has a meaning of its own in the source of a spec with variants"
    if document.name == "Any":
        yield ("name",), message
    for key in ("blocks", "imports"):
        if "Any" in getattr(document, key):
            yield (key, "Any"), message


def _why_no_variant(document: Document, variant: str) -> tuple[str, str | None] | None:
    """Why a variant can't have this name, with the cure; ``None`` if it can."""
    if not VARIANT.fullmatch(variant):
        other = re.sub(r"[^A-Za-z0-9]+", "_", variant).strip("_")
        help = f"write `{other}`" if other else None
        what = "letters, digits and underscores may be in it"
        return f"`{variant}` is no variant's name: {what}", help
    if variant in EXPECTED:
        return f"`{variant}` is a key of `expect`, and no variant's name", None
    if why_no_class(document.name):
        return None  # that is reported
    factory = factory_name(document.name, variant)
    taken = _taken(document, factory)
    if taken is None:
        return None
    message = f"the function of the variant `{variant}` would be called `{factory}`, which {taken}"
    return message, "give one of them another name"


def _taken(document: Document, name: str) -> str | None:
    """What else has a name in the generated source, in words; ``None`` if nothing has."""
    if name == document.name:
        return "is the network itself"
    if name in document.blocks:
        return "is a block"
    if name in document.imports:
        return "is imported"
    return why_no_variable(name) if is_identifier(name) else "is no Python identifier"


def in_variant(reading: Reading, variant: str) -> Reading:
    """The reading in which this variant is meant; raises `NetgenError` if there is none."""
    known = reading.document.variants
    if variant in known or "variants" in reading.bad:
        return replace(reading, variant=variant)
    message = f"`--variant {printable(variant)}`: the spec has no such variant"
    help = closest(variant, known) or (_all_of(known) if known else "there are none in it")
    raise NetgenError(Diagnostic("NG208", message, help=help))


def _all_of(variants: Iterable[str]) -> str:
    """The variants there are, in words."""
    names = [f"`{name}`" for name in variants]
    if len(names) == 1:
        return f"the only one is {names[0]}"
    if len(names) > MOST_LISTED:
        names[MOST_LISTED:] = [f"{len(names) - MOST_LISTED} more"]
    return f"there are {listed(names)}"
