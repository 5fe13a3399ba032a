"""What an agent may ask: the arguments of each tool, called as the options of the command line."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from ..ir.levels import Level

TIMEOUT, LONGEST = 120.0, 600.0  # seconds for one spec: unless more are asked for, and at most

_Spec = Annotated[
    str,
    Meta(
        description="A spec: its text, which is YAML, or the path of its file, which ends with "
        "`.yaml` or `.yml` and is below the folder that the server was started in."
    ),
]
_Variant = Annotated[str, Meta(description="Which of the spec's variants to take.")]
_Line = Annotated[
    int,
    Meta(ge=1, description="From which line on to give `text`, where it is too long for once."),
]


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a call."""


class OfNetworks(Asked, frozen=True, kw_only=True):
    """What is asked of specs."""

    set: Annotated[
        dict[str, Any],
        Meta(description='Other values of the spec\'s parameters: `{"width": 32}`.'),
    ] = field(default_factory=dict)
    timeout: Annotated[
        float, Meta(gt=0, le=LONGEST, description="How many seconds one spec may take.")
    ] = TIMEOUT


class OfSpec(OfNetworks, frozen=True, kw_only=True):
    """What is asked of one spec."""

    spec: _Spec
    variant: _Variant | None = None


class Check(OfSpec, frozen=True, kw_only=True):
    """Whether a spec is right."""

    strict: Annotated[bool, Meta(description="Whether warnings are errors.")] = False
    verbose: Annotated[
        bool, Meta(description="With errors, give the table of the layers before them, too.")
    ] = False
    line: _Line = 1


class Build(Check, frozen=True, kw_only=True):
    """A spec as source that has been run."""

    output: (
        Annotated[
            str,
            Meta(
                description="The file to write, below the server's folder; it ends with `.py`. "
                "Without it the source is the answer's `text`, and nothing is written."
            ),
        ]
        | None
    ) = None
    prove: Annotated[
        list[Level],
        Meta(description="What the run is to show beside forward, backward and eval."),
    ] = field(default_factory=list)
    device: Annotated[
        str,
        Meta(
            pattern="^(auto|all|cpu|cuda(:[0-9]+)?|mps|meta)$",
            description="Where to run it: auto, all, cpu, cuda, cuda:1, mps, or meta, which takes "
            "no memory and looks at shapes alone.",
        ),
    ] = "auto"
    seed: Annotated[int, Meta(ge=0, le=2**53, description="For weights and sample inputs.")] = 0
    no_smoke: Annotated[bool, Meta(description="Do not run it, so nothing is proven.")] = False


class Show(OfSpec, frozen=True, kw_only=True):
    """The table of a network."""

    batch: Annotated[int, Meta(ge=1, le=10**6, description="The batch for memory.")] | None = None
    depth: Annotated[
        int, Meta(ge=1, le=10**6, description="How deep to look into blocks; 1 is not at all.")
    ] = 3
    line: _Line = 1


class Explain(OfSpec, frozen=True, kw_only=True):
    """Why the numbers of a layer are what they are."""

    name: Annotated[
        str,
        Meta(
            description="A layer, block or container, as `show` names it (fc1, layer1.0.conv2), or "
            "a parameter of the spec."
        ),
    ]
    line: _Line = 1


class Diff(OfNetworks, frozen=True, kw_only=True):
    """How two networks differ."""

    old: _Spec
    new: _Spec
    old_variant: _Variant | None = None
    new_variant: _Variant | None = None
    line: _Line = 1


class Layers(Asked, frozen=True, kw_only=True):
    """The types of layers, or one of them."""

    name: Annotated[str, Meta(description="A type, like Conv2d; without it all names.")] | None = (
        None
    )
    line: _Line = 1


class Language(Asked, frozen=True, kw_only=True):
    """The page on the language of specs, or a section of it."""

    section: (
        Annotated[
            str,
            Meta(description="A heading, or a code such as NG211; without it all headings."),
        ]
        | None
    ) = None
    line: _Line = 1


class Templates(Asked, frozen=True, kw_only=True):
    """The specs to begin with, or one of them."""

    name: (
        Annotated[str, Meta(description="A template, like resnet18; without it all names.")] | None
    ) = None
    line: _Line = 1
