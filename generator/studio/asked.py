"""What the page may ask: records that hold a request against its form."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ..ir.levels import Level

Device = Literal["auto", "cpu", "cuda", "mps", "meta", "all"]
Tab = Annotated[str, Meta(max_length=40)]


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request."""


class Opened(Asked, frozen=True, kw_only=True):
    """A page that has been opened with the address that netgen printed."""

    token: Annotated[str, Meta(max_length=100)]


class State(Asked, frozen=True, kw_only=True):
    """Whether the server is there, and what has become of the file."""


class Load(Asked, frozen=True, kw_only=True):
    """The file as it is now."""


class Forms(Asked, frozen=True, kw_only=True):
    """How the parts of a spec are written."""


class Template(Asked, frozen=True, kw_only=True):
    """The text of a template."""

    name: str


class OfText(Asked, frozen=True, kw_only=True):
    """What is asked of the text of a tab, with values of parameters as YAML.

    The `file` is filled in by the server.
    """

    tab: Tab
    text: str
    values: dict[str, str] = field(default_factory=dict)
    file: str = ""


class Check(OfText, frozen=True, kw_only=True):
    """What is wrong with a text."""


class View(OfText, frozen=True, kw_only=True):
    """Source, picture, table and weights of a text."""


class Settle(OfText, frozen=True, kw_only=True):
    """The text with the values as the defaults of its parameters."""


class Compare(OfText, frozen=True, kw_only=True):
    """What the file has and a text has not, and the other way round."""


class Explain(OfText, frozen=True, kw_only=True):
    """Why the numbers of a call are what they are."""

    call: int


class At(OfText, frozen=True, kw_only=True):
    """What is asked of a place: a line and a character, as the editor counts them, from 0."""

    row: Annotated[int, Meta(ge=0)]
    character: Annotated[int, Meta(ge=0)]


class Hover(At, frozen=True, kw_only=True):
    """What stands at a place."""


class Complete(At, frozen=True, kw_only=True):
    """What may be written at a place."""


class Build(OfText, frozen=True, kw_only=True):
    """The smoke-run of a text on a device, with more proofs; what passes is written, if `write`.

    The `output` is filled in by the server.
    """

    device: Device = "auto"
    prove: list[Level] = field(default_factory=list)
    write: bool = False
    output: str = ""


class Save(OfText, frozen=True, kw_only=True):
    """The text into its file, which had this version."""

    version: Annotated[str, Meta(pattern="^([0-9]+(-[0-9]+){4})?$", max_length=200)]
