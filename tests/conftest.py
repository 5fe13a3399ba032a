"""What the tests share: one worker with torch in it, and where things stand."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch_netgen.ir.levels import TIMEOUT, Demand
from torch_netgen.pipeline import Result, build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .deep import is_deep

if TYPE_CHECKING:
    from .editor import Editor

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
STARTERS = sorted((ROOT / "starters").glob("*.yaml"))
SPECS = sorted((ROOT / "tests" / "specs").glob("*.yaml"))
BAD = sorted((ROOT / "tests" / "bad").glob("*.yaml"))

CPU = Demand("cpu")

# their runs, or the comparison of all their members, take seconds each
LARGE = frozenset(
    """alexnet convnext_tiny densenet121 efficientnet_b0 googlenet gpt2 inception_v3 mobilenet_v2
    mobilenet_v3_large qvga resnet18 resnet50 unet vgg16 vgg16_bn vit_b_16""".split()
)


# their runs alone take a minute and a half of CI's quarter of an hour
HUGE = frozenset("gpt2 inception_v3 unet vgg16 vgg16_bn vit_b_16".split())


def by_size(paths: Iterable[Path], more: Iterable[str] = ()) -> list[Any]:
    """Specs as a test's parameters; the large ones, and some `more`, are for `make test-all`.

    The huge ones are left out by CI, too.
    """
    slow = {*LARGE, *more}

    def marks(path: Path) -> list[pytest.MarkDecorator]:
        found = [pytest.mark.slow] if path.stem in slow or is_deep(path) else []
        return [*found, pytest.mark.huge] if path.stem in HUGE or is_deep(path) else found

    return [pytest.param(path, marks=marks(path), id=path.stem) for path in paths]


def by_depth(paths: Iterable[Path]) -> list[Any]:
    """Specs as a test's parameters; those of many layers are marked as slow."""
    marks = [pytest.mark.slow]
    return [
        pytest.param(path, marks=marks * is_deep(path), id=f"{path.parent.name}-{path.stem}")
        for path in paths
    ]


Builder = Callable[..., Result]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew", action="store_true", help="write the expected files anew")
    parser.addoption(
        "--oracle",
        type=int,
        default=20,
        metavar="N",
        help="random argument sets for each layer type (175 make over 20,000)",
    )
    parser.addoption(
        "--mutations", type=int, default=1000, metavar="N", help="mutated specs to try"
    )


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _garbage_is_not_looked_for_in_torch() -> None:
    """What is there by now stays: to walk through it takes a tenth of the tests' time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_records_but_ours(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    random.seed(0)


@pytest.fixture(scope="session", autouse=True)
def worker() -> Iterator[Worker]:
    """A worker that is started when it is asked for the first time.

    The doors of netgen in this process share it: a process that loads torch takes a second.
    """

    class Shared(Worker):
        """It leads to the one worker where nothing is said of time and memory."""

        def __enter__(self) -> Worker:
            usual = (self.timeout, self.most_memory) == (TIMEOUT, None)
            return one if usual else super().__enter__()

        def __exit__(self, *error: Any) -> None:
            if one.folder:
                one.stop()  # it has imported code that the next test may write anew
            super().__exit__(*error)

    with Worker() as one, pytest.MonkeyPatch.context() as patched:
        doors = (
            "jobs.run",
            "pipeline",
            "views.notebook",
            "importing.importing",
            "cli.import_network",
        )
        for door in doors:
            patched.setattr(f"torch_netgen.{door}.Worker", Shared)
        yield one


@pytest.fixture(scope="session")
def build_text(worker: Worker) -> Builder:
    """Build a spec's text with a smoke-run."""

    def build(text: str, **overrides: Any) -> Result:
        return build_source(parse(text, "spec.yaml"), overrides, worker, CPU)

    return build


@pytest.fixture(scope="session")
def editor() -> Iterator[Editor]:
    """An editor's session with a language server, which takes a while to start."""
    from .editor import Editor

    session = Editor()
    assert session.start() == "utf-16"
    yield session
    assert session.end() == (0, "")
