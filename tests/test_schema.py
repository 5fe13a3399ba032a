"""`netgen schema`: it accepts what netgen accepts, and refuses what is wrong in form."""

from __future__ import annotations

import json
import random
import re
from bisect import bisect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from torch_netgen import NetgenError
from torch_netgen.analysis.prediction import check_source
from torch_netgen.layers import TYPES
from torch_netgen.layers.base import Arg, Layer
from torch_netgen.spec.block_spec import BlockSpec
from torch_netgen.spec.source import from_mapping, parse
from torch_netgen.spec.spec import Document

from .command import netgen
from .conftest import BAD, CONFIGS, ROOT, SPECS
from .test_diagnostics import DOUBTFUL
from .test_docs import SNIPPETS
from .walkthrough import Block

FILE = ROOT / "configs" / "schema.json"
MODELINE = "# yaml-language-server: $schema=schema.json\n"

# whether the schema refuses specs for these codes: what is wrong in form, not in sense
REFUSED = {
    "NG201": True,
    "NG203": True,
    **dict.fromkeys(("NG102", "NG103", "NG104"), False),  # left to whatever reads YAML
    "NG202": False,  # any name may be a block's
    **dict.fromkeys(("NG204", "NG205", "NG207", "NG208"), False),  # names, and who bears them
    "NG206": False,  # what an expression comes to
    **dict.fromkeys(("NG209", "NG210", "NG211", "NG212", "NG214"), False),  # the network as a whole
}
# where it can't know what the code says
NOT_SEEN = {
    "a_parameter_behind_what_is_inferred": "only the value of an expression is wrong",
    "pattern_sides": "only the text of a pattern is wrong",
    "block_too_many_values": "what a block takes stands elsewhere in the spec",
    "block_without_required": "what a block takes stands elsewhere in the spec",
    "init_and_tie_values": "only the value of `std` is wrong",
    "functions_in_expressions": "only the value of an expression is wrong",
    "integers_into_linear": "8.0 is a whole number to JSON",
    "fraction_everywhere": "3.0 is a whole number to JSON",
    "runtime_condition": "only the value of an expression is wrong",
    "tensor_given_twice": "`from` names by position what stands beside it by name",
    "reuse_of_one_tensor_twice": "`from` names by position what stands beside it by name",
    "expect_of_a_variant_misspelt": "any name may be a variant's",
    "variant_with_a_wrong_value": "what a parameter takes stands elsewhere in the spec",
    **dict.fromkeys(
        ("keras_dense", "keras_pool", "types_of_other_libraries"), "any name may be a block's"
    ),
}
# where it can tell more than the code says
SEEN = {
    "a_call_of_torch_with_names": "the type is no identifier",
    "a_call_with_names": "the type is no identifier",
    "a_number_with_a_dollar": "an expression is no number",
    "bidirectional_name": "the class's name is no identifier",
    "buffer_of_words": "a buffer holds no words",
    "calls_as_people_write_them": "the type is no identifier",
    "calls_in_a_list": "the type is no identifier",
    "endless_repeat": "a repeat has an upper limit",
    "group_with_name": "a group has no such key",
    "module_argument": "an argument that is a layer is one of torch's own",
    "nested_layer_misspelt": "an argument that is a layer is one of torch's own",
    "parameter_reads_nothing": "a source has no such key",
    "parametrize_without_weights": "a layer without weights has no such key",
    "unclosed_expression": "the expression has no end",
    "type_with_its_module": "the type is no identifier",
    "yaml_colon_without_space": "the type is no identifier",
    "variants_with_names_that_are_taken": "a variant's name is a word, and no key of `expect`",
}


@pytest.fixture(scope="session")
def schema() -> Draft7Validator:
    return Draft7Validator(json.loads(FILE.read_text(encoding="utf-8")))


def accepts(schema: Draft7Validator, text: str) -> bool:
    """Whether the schema accepts a spec, read as netgen reads it."""
    return bool(schema.is_valid(parse(text, "spec.yaml").values))


def test_the_file_is_what_netgen_prints(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run = netgen("schema", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    if request.config.getoption("--renew"):
        FILE.write_text(run.stdout, encoding="utf-8")
    assert run.stdout == FILE.read_text(encoding="utf-8")


def test_it_tells_what_may_be_written(schema: Draft7Validator) -> None:
    """All keys and arguments are there, each with a text, arguments with their defaults."""
    whole: Any = schema.schema
    for model, made in ((Document, whole), (BlockSpec, whole["definitions"]["block"])):
        assert [*made["properties"]] == [*model.__struct_fields__]
        assert all(found["description"] for found in made["properties"].values())
    for row in TYPES.values():
        by_name = whole["definitions"][row.name]["anyOf"][0]["properties"]
        for arg in (*row.args, *row.options):
            assert by_name[arg.name]["description"], (row.name, arg.name)
            if isinstance(arg.default, (bool, int, float, str)) and not arg.inferred:
                assert by_name[arg.name]["default"] == arg.default


def test_it_is_a_schema(schema: Draft7Validator) -> None:
    Draft7Validator.check_schema(schema.schema)


@pytest.mark.parametrize("path", [*CONFIGS, *SPECS, *DOUBTFUL], ids=lambda path: path.stem)
def test_it_accepts_what_can_be_built(path: Path, schema: Draft7Validator) -> None:
    text = path.read_text(encoding="utf-8")
    assert accepts(schema, text)
    if path in CONFIGS:  # an editor finds the schema from the spec
        assert text.startswith(MODELINE)


def test_it_accepts_tricky_specs(schema: Draft7Validator) -> None:
    texts = (ROOT / "tests" / "tricky.yaml").read_text(encoding="utf-8").split("\n---\n")
    assert [text for text in texts if not accepts(schema, text)] == []


@pytest.mark.parametrize(("page", "block"), SNIPPETS)
def test_it_accepts_the_documentation(page: str, block: Block, schema: Draft7Validator) -> None:
    assert accepts(schema, block.text) == ("kernal_size" not in block.text)
    assert accepts(schema, block.text.replace("kernal_size", "kernel_size"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_it_refuses_what_is_wrong_in_form(path: Path, schema: Draft7Validator) -> None:
    message = path.with_suffix(".txt").read_text(encoding="utf-8")
    codes = re.findall(r"^error\[(NG\d+)\]", message, re.MULTILINE)
    expected = any(REFUSED[code] for code in codes)
    assert not (expected and path.stem in SEEN)
    assert not (not expected and path.stem in NOT_SEEN)
    try:
        accepted = accepts(schema, path.read_text(encoding="utf-8"))
    except NetgenError:
        assert {*codes} <= {"NG102", "NG103"}
        return
    assert accepted != ((expected or path.stem in SEEN) and path.stem not in NOT_SEEN)


def test_every_exception_is_about_a_spec() -> None:
    assert {*NOT_SEEN, *SEEN} <= {path.stem for path in BAD}


# layers as they may be written, and not: netgen and the schema are to agree on each

PROBES: tuple[Any, ...] = (
    *(True, 3, -1.5, "word", None, {"key": 1}, "$n", "$(n + 1)", "$(n + 1"),
    *([2, 3], [2, "word"], [[2, 3]]),
)
CASES = 40  # for each type
# what netgen reads only where the layer is applied: tried below, in networks
READ_LATER = {("Parameter", "init"), ("Buffer", "value")}
READ_LATER |= {
    (row.name, arg.name) for row in TYPES.values() for arg in row.args if arg.kind.module
}
LATER = ("Full", "Ones", "Randn", "Reshape", "Zeros")


def sample(schema: Mapping[str, Any], rng: random.Random) -> Any:
    """A value of a kind."""
    if "anyOf" in schema:
        return sample(rng.choice(schema["anyOf"]), rng)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema.get("type") == "array":
        length = schema.get("minItems", rng.randint(1, 3))
        return [sample(schema["items"], rng) for _ in range(length)]
    values = {"integer": rng.randint(1, 9), "number": rng.choice([0.5, 2]), "boolean": True}
    text = "a b -> b a" if "pattern" in schema else "float32"
    return {**values, "null": None, "string": text}.get(str(schema.get("type")), "ReLU")


def value(row: Layer, arg: Arg, rng: random.Random) -> Any:
    """A value for an argument, in one of five cases of any kind."""
    fixed = {"init": "ones_", "value": 1, "activation": "relu"}
    if (row.name, arg.name) in READ_LATER:
        return fixed.get(arg.name, {"LayerNorm": {"eps": 0.1}})
    probes = [probe for probe in PROBES if not row.list_argument or "$" not in str(probe)]
    return rng.choice(probes) if rng.random() < 0.2 else sample(arg.kind.schema, rng)


def written(row: Layer, rng: random.Random) -> Any:
    """What may stand, or may not, for a layer of a type."""
    values = {arg.name: value(row, arg, rng) for arg in (*row.args, *row.options)}
    listed = [values[arg.name] for arg in row.written]
    later = any((row.name, arg.name) in READ_LATER for arg in row.written)
    probes = [3] if later or row.list_argument else PROBES
    form = rng.choice(("name", "name", "name", "position", "position", "single", "bare"))
    if form == "position":
        least = 1 if row.operation else 0  # an empty list of references is refused later
        return [*listed, *rng.choices(probes, k=2)][: rng.randint(least, len(listed) + 1)]
    if form == "single":
        return rng.choice([*listed[:1], *probes])
    if form == "bare":
        return None
    found = {name: item for name, item in values.items() if rng.random() < 0.85}
    others = {"repeat": 2, "when": True, "name": "layer", "no_such": 1, "device": "cpu"}
    others |= {"no_such": "word"} if row.axes else {}  # the schema knows no axis by name
    if rng.random() < 0.3:
        key = rng.choice([*others])
        found = {key: others[key], **found}
    return found


def network(items: list[Any]) -> dict[str, Any]:
    """A spec with each of the layers in a block of its own, which nothing uses."""
    blocks = {f"B{i}": {"params": {"n": 3}, "layers": [item]} for i, item in enumerate(items)}
    return {"name": "Net", "input": [4], "layers": ["Tanh"], "blocks": blocks}


def refused_by_netgen(spec: dict[str, Any]) -> set[str]:
    """The blocks in which netgen finds mistakes."""
    source, blocks = from_mapping(spec), [*spec["blocks"]]
    lines = [source.locate(("blocks", name), key=True).line for name in blocks]
    try:
        check_source(source, {})
    except NetgenError as error:
        found = [diagnostic.location for diagnostic in error.diagnostics]
        return {blocks[bisect(lines, place.line) - 1] for place in found if place is not None}
    return set()


@pytest.mark.slow
def test_netgen_agrees_on_each_type(schema: Draft7Validator) -> None:
    rng, accepted, refused = random.Random(0), 0, 0
    for row in (row for name, row in TYPES.items() if name not in LATER):
        items: list[Any] = [{row.name: written(row, rng)} for _ in range(CASES - 1)]
        spec = network([row.name, *items])
        by_netgen = refused_by_netgen(spec)
        by_schema = {str(error.absolute_path[1]) for error in schema.iter_errors(spec)}
        assert [spec["blocks"][name]["layers"][0] for name in by_netgen ^ by_schema] == []
        assert 0 < len(by_schema) < CASES, row.name
        refused += len(by_schema)
        accepted += CASES - len(by_schema)
    assert min(accepted, refused) > 2_000


GOOD = """\
[{Add: {branches: {a: [], b: Tanh}}}]
[{Reshape: [2, 8]}]
[{Reshape: 16}]
[{Permute: [1, 0, 2]}, {Reshape: [4, N, 2, 2]}]
[{Zeros: {name: z, size: [N, 4, 4]}}, {Add: [z, first]}]
[{Ones: {name: z, size: 4}}, {Full: {name: f, size: [4], fill_value: 0.5}}, {Add: [z, f, first]}]
[{Reshape: {shape: [$n, -1]}}]
[{Linear: {out_features: 4, repeat: $n}}]
[{Linear: {out_features: 4, name: a_$i, bias: $(i > 0), repeat: {times: $n, as: i}}}]
[{Group: {layers: [{Linear: $(4 + i)}], repeat: {as: i, times: 2}}}]
[{Linear: {out_features: 4, when: $(n > 1), from: input}}, {Add: [fc1, first]}]
[{Parameter: {name: p, shape: [4, 4], init: ones_}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: {normal_: {std: $(1 / n)}}}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: {constant_: 0.5}}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: {uniform_: [0, 1]}}}, {Add: [p, first]}]
[{Buffer: {name: p, value: 1, shape: [4]}}, {Add: [p, first]}]
[{Buffer: {name: p, value: "$([i for i in range(4)])"}}, {Add: [p, first]}]
[{Buffer: {name: p, value: [[1, 2, $n, 4]]}}, {Add: [p, first]}]
[{TransformerEncoder: {encoder_layer: {TransformerEncoderLayer: $n}, num_layers: 1}}]
[{TransformerEncoder: [{TransformerEncoderLayer: {nhead: 2, activation: GELU}}, 1, LayerNorm]}]
[{Sequential: {layers: [Tanh, {Linear: 4}]}}, {Reuse: sequential1}]
[{Group: {layers: [Tanh], repeat: 2}}, {Reuse: {layer: first, name: again}}]
[{Add: {branches: [[Tanh], []]}}, {Concat: {branches: {a: Tanh, b: [{Linear: 4}]}}}]
[{Linear: {out_features: 4, name: [y]}}, {Add: [y, first]}]
[{Chunk: {name: [_, $("b")], chunks: 2, dim: 1}}, {Tanh: {from: b}}]
[{Add: [first, input]}, {Add: 1}, {Tanh: }, Tanh: {name: last}]
"""
BAD_LAYERS = """\
[Reshape]
[{Zeros: {size: [4, word]}}]
[{Reshape: [4, word]}]
[{Add: []}]
[{Linear: {out_features: 4, repeat: -1}}]
[{Linear: {out_features: 4, repeat: two}}]
[{Linear: {out_features: 4, repeat: {times: 2}}}]
[{Linear: {out_features: 4, repeat: {as: i}}}]
[{Linear: {out_features: 4, repeat: {times: -1, as: i}}}]
[{Linear: {out_features: 4, repeat: {times: 2, as: 3}}}]
[{Linear: {out_features: 4, repeat: {times: 2, as: $n}}}]
[{Linear: {out_features: 4, repeat: {times: 2, as: i, carry: 1}}}]
[{Linear: {out_features: 4, when: 1}}]
[{Linear: {out_features: 4, when: yes}}]
[{Linear: {out_features: 4, name: 3}}]
[{Linear: {out_features: 4, name: [3]}}]
[{Linear: {out_features: 4, name: []}}]
[{Linear: {out_features: 4, from: 3}}]
[{Linear: {out_features: 4, from: []}}]
[{Linear: 4, Tanh: null}]
[{Parameter: {name: p, shape: [4, 4], init: one_}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: constant_}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: {ones_: 1}}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: {normal_: {stdd: 1}}}}, {Add: [p, first]}]
[{Parameter: {name: p, shape: [4, 4], init: {kaiming_normal_: {mode: in}}}}, {Add: [p, first]}]
[{Buffer: {name: p, value: {a: 1}, shape: [4]}}, {Add: [p, first]}]
[{Buffer: {name: p, value: [[]]}}, {Add: [p, first]}]
[{TransformerEncoder: {encoder_layer: {TransformerEncoderLayer: {nheads: 2}}, num_layers: 1}}]
[{TransformerEncoder: [{TransformerEncoderLayer: {nhead: 2, name: a}}, 1]}]
[{TransformerEncoder: {encoder_layer: TransformerEncoderLayer, num_layers: 1}}]
[{TransformerEncoder: {encoder_layer: {Add: 2}, num_layers: 1}}]
[{TransformerEncoder: [2, 1]}]
[{Sequential: {layers: []}}]
[{Sequential: [Tanh]}]
[{Sequential: {layer: [Tanh]}}]
[{Group: {layers: [Tanh], from: first}}]
[{Reuse: {name: again}}]
[Reuse]
[{Add: {branches: [Tanh, []]}}]
[{Add: {branches: []}}]
[{Tanh: {branches: [[Tanh], []]}}]
"""


@pytest.mark.parametrize(
    ("items", "good"),
    [(items, text is GOOD) for text in (GOOD, BAD_LAYERS) for items in text.splitlines()],
)
def test_netgen_agrees_in_a_network(items: str, good: bool, schema: Draft7Validator) -> None:
    text = "name: Net\ninput: [4, 4]\nparams: {n: 2}\nlayers:\n  - Tanh: {name: first}\n"
    text += "".join(f"  - {json.dumps(item)}\n" for item in parse(items, "items.yaml").values)
    try:
        check_source(parse(text, "net.yaml"), {})
        built = True
    except NetgenError:
        built = False
    assert (built, accepts(schema, text)) == (good, good)
