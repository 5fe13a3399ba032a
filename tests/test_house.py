"""The house as it is meant to be: arrows go one way, libraries are at home, the wheel works."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
import venv
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT

# the folders in the order of the way through: what stands in one imports from those before it
FOLDERS = (
    *("diagnostics", "output", "symbolic", "spec", "layers", "ir", "lower", "classes", "emit"),
    *("analysis", "run", "pipeline", "importing", "jobs", "views", "lsp", "mcp", "studio", "cli"),
)
# the folders in which each library is at home
HOMES = {
    "anyio": {"mcp"},  # the SDK stands on it
    "argparse": {"cli"},
    "black": {"emit"},
    "jinja2": {"emit"},
    "lsprotocol": {"lsp"},
    "mcp": {"mcp"},
    "numpy": {"run"},
    "onnx": {"run"},
    "onnxruntime": {"run"},
    "pydantic": {"spec"},
    "pydantic_core": {"layers", "spec"},  # a part of pydantic
    "pygls": {"lsp"},
    "pygraphviz": {"views"},
    "shtab": {"cli"},
    "starlette": {"studio"},
    "torch": {"pipeline", "run"},  # in the pipeline only for the types
    "uvicorn": {"studio"},
    "watchfiles": {"cli"},
    "yaml": {"spec"},
}


EVERYWHERE = {"msgspec"}  # all folders have records


def test_each_folder_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {*project["tool"]["setuptools"]["packages"]}
    for init in (ROOT / "generator").rglob("__init__.py"):
        folder = init.parent.relative_to(ROOT / "generator")
        assert ".".join(("torch_netgen", *folder.parts)) in packages


@cache
def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def folder_of(path: Path) -> str:
    """The folder of a module, or the module itself where it stands alone."""
    return path.relative_to(ROOT / "generator").parts[0].removesuffix(".py")


@cache
def own_imports(path: Path) -> set[tuple[str, ...]]:
    """The modules that a module imports, for its types and inside functions, too."""
    package = path.relative_to(ROOT / "generator").parts[:-1]
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            own = (*base, *(node.module.split(".") if node.module else ()))
            found |= {own, *((*own, alias.name) for alias in node.names)}
    return found


def test_each_library_is_at_home_in_its_folders() -> None:
    for library, homes in HOMES.items():
        modules = (ROOT / "generator").rglob("*.py")
        assert {folder_of(path) for path in modules if library in imports(path)} == homes, library


def test_arrows_go_one_way() -> None:
    for path in (ROOT / "generator").rglob("*.py"):
        folder = folder_of(path)
        if folder in FOLDERS:
            later = {*FOLDERS[FOLDERS.index(folder) + 1 :]}
            assert not {name for name, *_ in filter(None, own_imports(path))} & later, path


def test_no_module_needs_itself() -> None:
    """No circles, and so no two modules that can only be read together."""
    package = ROOT / "generator"
    paths = {p.relative_to(package).with_suffix("").parts: p for p in package.rglob("*.py")}
    arrows = {name: own_imports(path) & paths.keys() for name, path in paths.items()}
    assert [*TopologicalSorter(arrows).static_order()]


# what prints in netgen, by folder
SPEAKERS = {
    *(f"output: {how}" for how in ("os.write", "sys.stdout", "sys.stderr")),  # the door
    *(f"entry: {how}" for how in ("os.write", "sys.stdout", "sys.stderr")),  # in front of it
    "cli: sys.stdout",  # which is compared
    "run: print",  # the worker's answers to its parent
    "views: sys.stdout",  # the image that Graphviz's process gives to its parent
}


def speaks(node: ast.AST) -> bool:
    """Whether a node prints, or takes a standard stream or its number to write to."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id == "print"
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return False
    streams = {"stdout", "stderr", "__stdout__", "__stderr__"}
    return (node.value.id == "sys" and node.attr in streams) or (
        node.value.id == "os" and node.attr == "write"
    )


def test_all_that_is_said_goes_through_one_door() -> None:
    found = {
        f"{folder_of(path)}: {ast.unparse(node.func if isinstance(node, ast.Call) else node)}"
        for path in (ROOT / "generator").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if speaks(node)
    }
    assert found == SPEAKERS


def test_every_library_is_declared() -> None:
    known = {*sys.stdlib_module_names, *HOMES, *EVERYWHERE}
    for path in (ROOT / "generator").rglob("*.py"):
        assert imports(path) <= known, path


def test_workflows_make_what_there_is_to_make() -> None:
    targets = {*re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)}
    made: set[str] = set()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job.get("steps", ()):
                for command in re.findall(r"^make (.*)$", step.get("run", ""), re.MULTILINE):
                    made |= {word for word in shlex.split(command) if "=" not in word}
    assert {"baselines", "test", "test-all", "dist"} <= made <= targets


@pytest.mark.linux
@pytest.mark.slow
def test_the_wheel_builds_lenet_in_an_empty_environment(tmp_path: Path) -> None:
    """Outside the checkout, without torch: only what the smoke-run needs is missing."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True
    )
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    constraint = ["--constraint", str(ROOT / "constraints.txt")]
    needed = ["black", "jinja2", "msgspec", "pydantic", "pyyaml"]
    subprocess.run([*install, *constraint, *needed], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    where = "import torch_netgen.configs as c; print(next(iter(c.__path__)))"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    configs = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True, cwd=tmp_path, env=clean
    ).stdout.strip()
    assert configs.startswith(str(home))
    assert (Path(configs) / "schema.json").is_file()
    assert (Path(configs).parent / "docs" / "language.md").is_file()
    run = subprocess.run(
        [home / "bin" / "netgen", "build", f"{configs}/lenet.yaml", "--no-smoke"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=clean,
    )
    assert run.returncode == 0, run.stderr
    golden = ROOT / "tests" / "golden" / "configs" / "lenet.py"
    assert (tmp_path / "lenet.py").read_text() == golden.read_text()
    subprocess.run([home / "bin" / "netgen", "init"], cwd=tmp_path, env=clean, check=True)
    starter = ROOT / "starters" / "starter.yaml"
    assert (tmp_path / "starter.yaml").read_text() == starter.read_text()
