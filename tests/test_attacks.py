"""Specs that try to run code, each with a canary: built or refused, the file is never there."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from torch_netgen import NetgenError
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import from_mapping

from .conftest import CPU

CALL = "nn.functional.torch.os.system('touch CANARY')"
PYTHON = 'functional.torch.os.system("touch CANARY")'
LINEAR: dict[str, Any] = {"out_features": 4}


def nested(*names: str) -> dict[str, Any]:
    """Containers in containers whose names are the parts of a call."""
    layer: dict[str, Any] = {"Linear": {"out_features": "$n", "name": names[-1]}}
    for name in reversed(names[:-1]):
        layer = {"Sequential": {"name": name, "layers": [layer]}}
    return layer


def network(*layers: Any, **more: Any) -> dict[str, Any]:
    return {"name": "Net", "input": [4], "params": {"n": 4}, "layers": list(layers), **more}


def buffer(value: str) -> dict[str, Any]:
    add = {"Add": ["input", "b"]}
    return network({"Buffer": {"name": "b", "value": value}}, add, {"Linear": "$n"})


def block(params: dict[str, Any], layers: list[Any], *uses: Any) -> dict[str, Any]:
    return network(
        *(uses or ["B"]), {"Linear": "$n"}, blocks={"B": {"params": params, "layers": layers}}
    )


QUOTED = '"""+str(nn.functional.torch.os.system("touch CANARY"))+"""'
ATTACKS: dict[str, dict[str, Any]] = {
    "a branch that is not looked at": buffer(f"$([(1 if i != 2 else {CALL}) for i in range(4)])"),
    "a call with a name for its argument": buffer("$([int(x=i) for i in range(4)])"),
    "a method of a number": buffer("$([(1 if i != 2 else i.real) for i in range(4)])"),
    "a variable with a function's name": buffer("$([eval for eval in range(4)])"),
    "a function behind a variable": buffer(
        "$([(1 if i != 2 else eval('1')) for i in range(4) for eval in range(1)])"
    ),
    "a lambda": buffer("$([(1 if i != 2 else (lambda: 1)()) for i in range(4)])"),
    "a format": buffer("$([(1 if i != 2 else f'{nn}') for i in range(4)])"),
    "a type by its default": block(
        {"activation": PYTHON}, [{"Linear": 4}, "$activation"], {"B": "ReLU"}, {"B": "GELU"}
    ),
    "a type to compare with": block(
        {"activation": "required"},
        [
            {"Linear": {**LINEAR, "when": f"$(activation != '{PYTHON.replace(chr(34), '')}')"}},
            "$activation",
        ],
        {"B": "ReLU"},
        {"B": "GELU"},
    ),
    "a default in a docstring": block(
        {"a": True, "m": f"$('{QUOTED}' if not a else 'zeros')"},
        [
            {"Unsqueeze": 1},
            {"Conv1d": {"out_channels": 2, "kernel_size": 1, "padding_mode": "$m"}},
            {"Flatten": None},
        ],
    ),
    "names in a docstring": network(
        nested("s", 'y"""+str(nn', "functional", "torch", "os", 'system(\'touch CANARY\'))+"""z')
    ),
    "the name of a copy": network(
        {
            "Sequential": {
                "name": "s",
                "layers": [
                    {"Linear": {**LINEAR, "repeat": "$n", "name": f'a$index" + str({CALL}) + "'}}
                ],
            }
        }
    ),
    "braces in the name of a copy": network(
        {
            "Sequential": {
                "layers": [
                    {"Linear": {**LINEAR, "repeat": "$n", "name": "$('{index}')_{n}_$index"}}
                ]
            }
        }
    ),
    "the path of a tie": network(
        nested("s", 'y" if str(nn', "functional", "torch", "os", "system('touch CANARY')) else \""),
        {"Linear": {"name": "fc", **LINEAR}},
        tie={"fc.weight": f's.y" if str({CALL}) else ".weight'},
    ),
    "a child that is an argument": block(
        {"k": 1},
        [
            {
                "Sequential": {
                    "layers": [{"Linear": {"out_features": "$(k * 4)", "name": "a b, c=open"}}]
                }
            }
        ],
        {"B": 1},
        {"B": 2},
    ),
    "a file's name": network({"Linear": 3}, description=QUOTED),
    "an output's key": network({"Linear": {"name": "fc", **LINEAR}}, outputs={QUOTED: "fc"}),
    "a parameter's text": network(
        {"Linear": "$n"},
        params={"n": 4, "text": {"default": QUOTED, "doc": QUOTED}},
    ),
}


LATE = [  # values of elements that are not looked at before the run
    "9 ** 9 ** 9",
    "i ** i",
    "'%999999999d' % i",
    "b'x' * 10 ** 9",
    "'x' * 10 ** 9",
    "('x' if i else 'y') * 10 ** 9",
    "len(('x' or 'y') * 10 ** 9)",
    "round(i, -10 ** 9)",
    "sum([j for j in range(10 ** 12)])",
]


@pytest.mark.parametrize("value", LATE)
@pytest.mark.parametrize(
    "way", ["({} if i == 2 else 1)", "(i == 2 and {} or 1)", "int(0 > i > {})"]
)
def test_what_is_not_evaluated_takes_no_time_either(value: str, way: str) -> None:
    spec = from_mapping(buffer(f"$([{way.format(value)} for i in range(4)])"))
    with pytest.raises(NetgenError, match="NG206"):
        build_source(spec, {}, None)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_canary_dies(name: str, tmp_path: Path, worker: Worker) -> None:
    canary = tmp_path / "dead"

    def armed(value: Any) -> Any:
        if isinstance(value, dict):
            return {armed(key): armed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [armed(item) for item in value]
        return value.replace("CANARY", str(canary)) if isinstance(value, str) else value

    spec = from_mapping(armed(ATTACKS[name]))
    codes: set[str] = set()
    try:
        result = build_source(spec, {}, worker, CPU)
    except NetgenError as error:
        codes = {found.code for found in error.diagnostics}
    assert not canary.exists()
    assert codes.isdisjoint({"NG401", "NG405", "NG601"})
    if not codes:
        calls = [n for n in ast.walk(ast.parse(result.source)) if isinstance(n, ast.Call)]
        assert "system" not in {n.func.attr for n in calls if isinstance(n.func, ast.Attribute)}
        network = result.module_class()
        assert sum(p.numel() for p in network.parameters()) == result.parameter_count
        assert not canary.exists()
