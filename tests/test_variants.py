"""Families of networks: `variants` of a spec, their functions in the source, and `--variant`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch_netgen
from torch_netgen import NetgenError
from torch_netgen.analysis.locations import Locations
from torch_netgen.analysis.members import variants_to_run
from torch_netgen.analysis.prediction import check_source
from torch_netgen.emit.audit import audit
from torch_netgen.lsp.completion import complete
from torch_netgen.lsp.definition import definition
from torch_netgen.lsp.hover import hover
from torch_netgen.lsp.snapshot import check
from torch_netgen.pipeline import rendered
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .command import netgen
from .conftest import CPU

SPEC = """\
name: YoloTiny
input: [3, 16, 16]
params: {width: 8, depth: 2, ratio: 0.5, sizes: [6, 4], kernel: 3, hidden: $(2 * width)}
variants:
  n: {width: 4, depth: 1}
  s: {ratio: 0, sizes: [6, 5, 4]}
  base: {}
  x: {width: 16, kernel: 5}
layers:
  - Conv2d: {name: stem, out_channels: $width, kernel_size: $kernel}
  - Conv2d: {name: body, out_channels: $width, kernel_size: 3, padding: 1, repeat: $depth}
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Dropout: $ratio
  - Linear: {name: mid, repeat: $(len(sizes)), out_features: "$(sizes[index])"}
  - Linear: {name: neck, out_features: $hidden}
  - ReLU: {when: $(kernel > 1)}
  - Linear: {name: head, out_features: 3, when: $(kernel > 2)}
expect: {output: [3], n: {parameters: "< 1k", output: [3]}}
"""
FIXED = "`kernel` is fixed: `when` of `head` on line 18 changes shapes"


def there(tmp_path: Path, text: str = SPEC) -> Path:
    path = tmp_path / "yolo.yaml"
    path.write_text(text)
    return path


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_each_function_makes_what_variant_gives(tmp_path: Path) -> None:
    there(tmp_path)
    run = netgen("build", "yolo.yaml", "--device", "cpu", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    said = "  variants: `n`, `s` and `base` are what `--variant` gives; `x`, without a function,"
    assert f"{said} ran as predicted" in run.stdout
    assert f"no function, as {FIXED}" in run.stdout
    family = imported(tmp_path / "yolo.py")
    made = {"YoloTiny", "yolo_tiny_base", "yolo_tiny_n", "yolo_tiny_s"}
    assert {*family.__all__} == made
    for name in ("n", "s", "base", "x"):
        one = netgen("build", "yolo.yaml", "--variant", name, "--no-smoke", cwd=tmp_path)
        assert one.returncode == 0, one.stderr
        module = imported(tmp_path / f"yolo_{name}.py")
        assert module.__all__ == ["YoloTiny"]
        alone = module.YoloTiny()
        if name == "x":
            assert alone.stem.kernel_size == (5, 5)
            continue
        network = getattr(family, f"yolo_tiny_{name}")()
        assert isinstance(network, family.YoloTiny)
        network.load_state_dict(alone.state_dict(), strict=True)
        x = torch.randn(2, 3, 16, 16)
        assert torch.equal(network.eval()(x), alone.eval()(x))


def test_a_function_takes_any_argument_of_the_class(tmp_path: Path) -> None:
    result = torch_netgen.build(parse(SPEC, "yolo.yaml"), tmp_path / "yolo.py", smoke=False)
    family = imported(tmp_path / "yolo.py")
    wide = family.yolo_tiny_n(width=6, ratio=0.25)
    assert shapes(wide) == shapes(family.YoloTiny(width=6, depth=1, ratio=0.25))
    assert wide.dropout.p == 0.25
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'"):
        family.yolo_tiny_n(widht=6)
    assert [(x.name, x.factory) for x in result.variants] == [
        ("n", "yolo_tiny_n"),
        ("s", "yolo_tiny_s"),
        ("base", "yolo_tiny_base"),
        ("x", ""),
    ]
    assert result.variants[1].values == {"ratio": 0.0, "sizes": [6, 5, 4]}


def test_set_comes_after_variant(tmp_path: Path) -> None:
    there(tmp_path)
    words = ("build", "yolo.yaml", "--no-smoke", "--set", "width=5")
    assert netgen(*words, "--variant", "n", cwd=tmp_path).returncode == 0
    assert netgen(*words, cwd=tmp_path).returncode == 0
    one, family = imported(tmp_path / "yolo_n.py"), imported(tmp_path / "yolo.py")
    assert one.YoloTiny().stem.out_channels == 5
    assert len(one.YoloTiny().body) == 1
    assert family.YoloTiny().stem.out_channels == 5
    assert family.yolo_tiny_n().stem.out_channels == 4


def test_check_and_records_know_the_variant(tmp_path: Path) -> None:
    there(tmp_path)
    for more in ((), ("--variant", "n")):
        words = ("build", "yolo.yaml", "--device", "cpu", *more)
        assert netgen(*words, cwd=tmp_path).returncode == 0
        again = netgen(*words, cwd=tmp_path).stdout
        assert "passed before" in again
        assert again.count("variant `") == (0 if more else 4)
        assert netgen("build", "yolo.yaml", "--check", *more, cwd=tmp_path).returncode == 0
    changed = SPEC.replace("width: 4", "width: 3").replace("< 1k", "< 2k")
    there(tmp_path, changed)
    for more in ((), ("--variant", "n")):
        run = netgen("build", "yolo.yaml", "--check", *more, cwd=tmp_path)
        assert run.returncode == 1
        assert "NG503" in run.stderr
    assert netgen("build", "yolo.yaml", "--variant", "s", "--check", cwd=tmp_path).returncode == 1


def test_json_tells_of_variants(tmp_path: Path) -> None:
    there(tmp_path)
    run = netgen("check", "yolo.yaml", "--format", "json", cwd=tmp_path)
    (result,) = json.loads(run.stdout)["results"]
    assert result["variant"] is None
    first, *_, last = result["variants"]
    assert first.keys() == last.keys()
    assert (first["name"], first["line"], first["factory"], first["why"]) == (
        *("n", 5, "yolo_tiny_n", None),
    )
    assert (last["factory"], last["why"]) == (None, FIXED)
    one = netgen("check", "yolo.yaml", "--variant", "n", "--format", "json", cwd=tmp_path)
    (found,) = json.loads(one.stdout)["results"]
    assert (found["variant"], found["variants"]) == ("n", [])
    assert (found["parameters"], found["macs"]) == (first["parameters"], first["macs"])


@pytest.mark.parametrize(
    ("text", "variant", "help"),
    [
        (SPEC, "bas", "did you mean `base`?"),
        (SPEC, "../m", "there are `n`, `s`, `base` and `x`"),
        ("name: A\ninput: [2]\nlayers: [ReLU]\n", "n", "there are none in it"),
    ],
)
def test_an_unknown_variant_is_told(text: str, variant: str, help: str, tmp_path: Path) -> None:
    there(tmp_path, text)
    for verb in (("build", "--no-smoke"), ("check",), ("show",)):
        run = netgen(verb[0], "yolo.yaml", *verb[1:], "--variant", variant, cwd=tmp_path)
        message = f"error[NG208]: `--variant {variant}`: the spec has no such variant"
        assert (run.returncode, run.stderr) == (1, f"{message}\n = help: {help}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["yolo.yaml"]


def test_views_show_the_variant(tmp_path: Path) -> None:
    there(tmp_path)
    default = netgen("show", "yolo.yaml", cwd=tmp_path).stdout
    one = netgen("show", "yolo.yaml", "--variant", "n", cwd=tmp_path).stdout
    assert "(N, 8, 14, 14)" in default
    assert "(N, 4, 14, 14)" in one
    told = netgen("explain", "yolo.yaml", "head", "--variant", "n", cwd=tmp_path)
    assert "(N, 8)" in told.stdout
    drawn = netgen("graph", "yolo.yaml", "-o", "y.mmd", "--variant", "n", cwd=tmp_path)
    assert drawn.returncode == 0


def test_diff_takes_a_variant_of_each_spec(tmp_path: Path) -> None:
    there(tmp_path)

    def diff(*variants: str) -> list[str]:
        words = [word for variant in variants for word in ("--variant", variant)]
        run = netgen("diff", "yolo.yaml", "yolo.yaml", *words, cwd=tmp_path)
        return run.stdout.splitlines() if run.returncode == 0 else run.stderr.splitlines()

    assert diff()[:2] == ["--- yolo.yaml", "+++ yolo.yaml"]
    same = diff("n")
    assert same[:2] == ["--- yolo.yaml, variant n", "+++ yolo.yaml, variant n"]
    assert "  the same" in same
    other = diff("-", "x")
    assert other[:2] == ["--- yolo.yaml", "+++ yolo.yaml, variant x"]
    stem = (
        "Conv2d, out_channels 8 -> 16, kernel_size 3 -> 5, output (N, 8, 14, 14) -> (N, 16, 12, 12)"
    )
    assert f"  ~ stem: {stem}" in other
    back = (
        "Conv2d, out_channels 16 -> 8, kernel_size 5 -> 3, output (N, 16, 12, 12) -> (N, 8, 14, 14)"
    )
    assert f"  ~ stem: {back}" in diff("x", "base")
    (message, *_) = diff("n", "m")
    assert message == "error[NG208]: `--variant m`: the spec has no such variant"
    *_, message = diff("n", "n", "n")
    assert message == "netgen: error: --variant is given once for both specs, or once for each"


def test_a_variant_is_offered_while_it_is_typed() -> None:
    for line in ("  n", "  "):
        text = SPEC.partition("expect:")[0] + f"expect:\n{line}"
        found = complete(text, text.count("\n") + 1, len(line) + 1)
        names = [x.text for x in found.suggestions]
        assert names == ["output", "parameters", "macs", "n", "s", "base", "x"]


def test_python_takes_a_variant() -> None:
    spec: dict[str, Any] = {
        "name": "Net",
        "input": [4],
        "params": {"width": 8},
        "variants": {"n": {"width": 2}},
        "layers": [{"Linear": "$width"}],
    }
    assert torch_netgen.build(spec, smoke=False, variant="n").parameter_count == 10
    loaded = torch_netgen.load(spec, variant="n")
    assert loaded.build(smoke=False).parameter_count == 10
    assert torch_netgen.load(spec).build(smoke=False).parameter_count == 40
    with pytest.raises(NetgenError, match="the spec has no such variant"):
        torch_netgen.build(spec, variant="m", smoke=False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"width": 4, "depth": 1', '"width": 4, "depth": 2'),
        ('"width": 4, "depth": 1', '"width": 3, "depth": 1'),
        ('"ratio": 0.0', '"ratio": 0.5'),
    ],
)
def test_a_function_that_makes_another_network_is_found(old: str, new: str, worker: Worker) -> None:
    found = check_source(parse(SPEC, "yolo.yaml"), {})
    source = rendered(found)
    assert old in source
    locate = Locations(found.source, found.graph).locate
    variants = [*variants_to_run(found)]
    with pytest.raises(NetgenError) as caught:
        worker.prove(source.replace(old, new), found.plan, CPU, locate, None, variants)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NG408"
    name = "s" if "ratio" in old else "n"
    assert f"`yolo_tiny_{name}()` is not what `--variant {name}` gives: " in diagnostic.message
    assert diagnostic.location is not None
    assert diagnostic.location.line == (6 if name == "s" else 5)


def test_warnings_of_a_variant_name_it() -> None:
    text = (
        "name: Net\ninput: [3, 8, 8]\nparams: {inplace: false}\nvariants: {n: {inplace: true}}\n"
        "layers:\n  - Conv2d: {name: conv, out_channels: 3, kernel_size: 1}\n"
        "  - ReLU: {inplace: $inplace}\n  - Add: [relu, conv]\n"
    )
    (warning,) = check_source(parse(text, "net.yaml"), {}).warnings
    assert warning.code == "NG310"
    assert warning.notes[-1] == "this is so in the variant `n`, line 4"
    with pytest.raises(NetgenError):
        check_source(parse(text, "net.yaml"), {}, strict=True)


FACTORY = """\
from typing import Any

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()


def net_n(**overrides: Any) -> Net:
    \"\"\"N.\"\"\"
    return Net(**{"width": 16, **overrides})
"""


def test_the_audit_takes_a_function_of_a_variant() -> None:
    audit(FACTORY)
    audit(FACTORY.replace('{"width": 16, **overrides}', "overrides"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return Net(", "return nn.Linear("),
        ('{"width": 16, **overrides}', '{"width": len("a"), **overrides}'),
        ('{"width": 16, **overrides}', '{**overrides, "width": 16}'),
        ('{"width": 16, **overrides}', '{"width": 16}'),
        ('"width"', '"a".join'),
        ("(**overrides: Any)", "(*args: Any, **overrides: Any)"),
        ("(**overrides: Any)", "(x: Any, **overrides: Any)"),
        ('    """N."""\n', '    """N."""\n    x = 3\n'),
        ("class Net", "class Any"),
        ("self, width: int = 3", "self, **width: Any"),
        ("from typing import Any\n", "from typing import Final\n"),
        ("def net_n", "def len"),
    ],
)
def test_the_audit_refuses_other_functions(old: str, new: str) -> None:
    assert old in FACTORY
    with pytest.raises(NetgenError):
        audit(FACTORY.replace(old, new))


def test_an_editor_knows_variants() -> None:
    right = check(SPEC, "yolo.yaml").right
    assert right is not None
    text = SPEC.replace("  n: {width: 4, depth: 1}", "  n: {width: 4, }")
    line = SPEC.split("\n")[4]
    offered = [x.text for x in complete(text, 5, text.split("\n")[4].index("}") + 1).suggestions]
    assert offered == ["depth", "ratio", "sizes", "kernel", "hidden"]
    told = hover(right, 5, line.index("depth") + 2)
    assert told is not None
    assert told.text.startswith("**depth**, a parameter of the network: default 2")
    figures = hover(right, 5, 3)
    assert figures is not None
    assert "a variant of the network" in figures.text
    place = definition(right, 5, line.index("depth") + 2)
    assert place is not None
    assert (place.line, place.text[place.column - 1 :][:5]) == (3, "depth")
    last = SPEC.split("\n")[18]
    where = definition(right, 19, last.index(" n:") + 2)
    assert where is not None
    assert where.line == 5
