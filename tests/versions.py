"""`make versions`: the tests with the oldest and the newest of what netgen claims to run with.

Each environment lies in a folder of `.versions/`, made anew; what they show goes into
`docs/versions.md`. They take some 20 GB of disk where torch comes with CUDA.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .conftest import ROOT

HOME = ROOT / ".versions"
PAGE = ROOT / "docs" / "versions.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOWEST = ("--resolution", "lowest-direct")
PINNED = ("--constraint", "constraints.txt")
EXTRAS = ".[dev]"
# with the lowest of netgen's own dependencies, where the extras ask for newer ones
FEW = ("errors", "schema", "smoke", "expressions", "check", "diagnostics", "formatting")


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python with a choice of libraries, and the tests that run there (by default all)."""

    name: str
    python: str
    what: str
    install: tuple[str, ...]
    tests: tuple[str, ...] = ()

    @property
    def own(self) -> Path:
        return HOME / self.name / ("Scripts" if os.name == "nt" else "bin") / "python"


OLDEST = PROJECT["requires-python"].removeprefix(">=")
ENVIRONMENTS = (
    Environment("oldest", OLDEST, "the oldest that `.[dev]` allows", (*LOWEST, EXTRAS)),
    Environment(
        "lowest",
        OLDEST,
        "the oldest that netgen itself allows, without its extras",
        (*LOWEST, "."),
        tuple(f"tests/test_{name}.py" for name in FEW),
    ),
    Environment("newest", OLDEST, "the newest that the index has", (EXTRAS,)),
    *(
        Environment(f"python{version}", version, "those of `constraints.txt`", (*PINNED, EXTRAS))
        for version in ("3.12", "3.13", "3.14")
    ),
)
SHOWN = ("torch", "numpy", "pydantic", "msgspec", "black", "jinja2", "pyyaml", "shtab")


@dataclass(frozen=True, slots=True)
class Ran:
    """What the tests showed in an environment."""

    environment: Environment
    versions: dict[str, str]
    seconds: float
    passed: int
    skipped: tuple[str, ...]
    failed: tuple[str, ...]


def main() -> None:
    """Make the environments, run the tests in each, and write the page."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("uv", help="the program that makes environments")
    asked.add_argument("names", nargs="*", help="some of the environments")
    asked.add_argument("--tests", nargs="+", default=[], help="some of the tests")
    options = asked.parse_args()
    there = [env for env in ENVIRONMENTS if not options.names or env.name in options.names]
    pythons = {env.python: python_of(env.python) for env in there}
    lacking = sorted(version for version, python in pythons.items() if python is None)
    found: list[Ran] = []
    for env in there:
        python = pythons[env.python]
        if python is None:
            continue
        print(f"{env.name}: Python {env.python}, {env.what}", flush=True)
        make(env, options.uv, python)
        found.append(tried(env, options.tests))
        print(
            f"  {found[-1].passed} passed, failed: {', '.join(found[-1].failed) or 'none'}",
            flush=True,
        )
        PAGE.write_text(
            "\n".join(page(found, lacking, options.tests)), encoding="utf-8", newline="\n"
        )
    if any(ran.failed for ran in found):
        sys.exit(1)


def python_of(version: str) -> str | None:
    """A Python of a version on this machine: on the path, or among pyenv's."""
    places = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for one in (shutil.which(f"python{version}"), *places.glob(f"{version}.*/bin/python")):
        if (
            one
            and not subprocess.run([one, "--version"], capture_output=True, check=False).returncode
        ):
            return str(one)
    return None


def make(env: Environment, uv: str, python: str) -> None:
    """Make an environment with its libraries, and with netgen as it is here."""
    subprocess.run(
        [uv, "venv", "--quiet", "--clear", "--python", python, HOME / env.name], check=True
    )
    anew = ("--refresh-package", PROJECT["name"])  # which uv would have from its cache
    install = [uv, "pip", "install", "--quiet", *anew, "--python", env.own]
    subprocess.run([*install, *env.install], cwd=ROOT, check=True)
    if env.tests:
        subprocess.run(
            [*install, "pytest", "pytest-xdist", "einops", "jsonschema", "numpy"], check=True
        )


def tried(env: Environment, tests: list[str]) -> Ran:
    """What some tests, or all but the slow ones, show in an environment."""
    report = HOME / f"{env.name}.xml"
    options = ["-n", "2", "--dist", "worksteal", "-m", "not slow", f"--junitxml={report}"]
    begun = time.perf_counter()
    with open(HOME / f"{env.name}.txt", "w", encoding="utf-8") as log:
        command = [
            env.own,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *options,
            *(env.tests or tests),
        ]
        subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False)
    seconds = time.perf_counter() - begun
    cases = [*ElementTree.parse(report).iter("testcase")]
    failed = tuple(sorted(name_of(case) for case in cases if fails(case)))
    skipped = tuple(
        str(case[0].get("message")) for case in cases if case.find("skipped") is not None
    )
    versions = dict(versions_in(env))
    return Ran(env, versions, seconds, len(cases) - len(failed) - len(skipped), skipped, failed)


def fails(case: ElementTree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def name_of(case: ElementTree.Element) -> str:
    module = str(case.get("classname")).rpartition(".")[2]
    return f"{module}::{case.get('name')}"


def versions_in(env: Environment) -> Iterator[tuple[str, str]]:
    """The versions of Python and of the libraries in an environment."""
    code = (
        "import platform; from importlib.metadata import version\n"
        "print('python', platform.python_version())\n"
        f"for name in {SHOWN}: print(name, version(name))"
    )
    run = subprocess.run([env.own, "-c", code], capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        name, _, version = line.partition(" ")
        yield name, version.partition("+")[0]


def page(found: list[Ran], lacking: list[str], tests: list[str]) -> Iterator[str]:
    """The page's lines."""
    yield "# Versions\n"
    yield f"netgen claims Python {OLDEST} or later, and of each library the version that"
    yield "`pyproject.toml` names, or later. `make versions` runs the tests with the oldest and"
    yield "with the newest, and writes this page.\n"
    yield "| Python | torch | the other libraries | passed | skipped | failed | minutes |"
    yield "|---|---|---|---:|---:|---:|---:|"
    for ran in found:
        seen, what = ran.versions, ran.environment.what
        counts = f"{ran.passed:,} | {len(ran.skipped)} | {len(ran.failed)} | {ran.seconds / 60:.0f}"
        yield f"| {seen['python']} | {seen['torch']} | {what} | {counts} |"
    these = ", ".join(f"`{Path(test).stem}`" for test in tests)
    yield f"\nThe tests are {f'some of `make test`: {these}' if tests else 'those of `make test`'};"
    yield "without the extras, they are some that need none. The versions of the libraries:\n"
    yield f"| | {' | '.join(SHOWN)} |"
    yield f"|---|{'---|' * len(SHOWN)}"
    for ran in found:
        yield f"| {ran.environment.name} | {' | '.join(ran.versions[name] for name in SHOWN)} |"
    for ran in found:
        if ran.failed:
            yield f"\nFailed with {ran.environment.what} (torch {ran.versions['torch']}):\n"
            yield from (f"* `{name}`" for name in ran.failed)
    reasons = sorted({(reason, ran.environment.name) for ran in found for reason in ran.skipped})
    if reasons:
        yield "\nSkipped:\n"
        yield from (f"* {name}: {reason}" for reason, name in reasons)
    if lacking:
        yield f"\nNot tried, as the machine had none: Python {', '.join(lacking)}."
    yield ""


if __name__ == "__main__":
    main()
