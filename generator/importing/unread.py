"""Weights of which only the `state_dict` knows: no call reads them in evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ..run.recording.recorded import Held, Recording, Tensor
from .steps import Step


def unread(recording: Recording, steps: Iterable[Step]) -> list[Tensor]:
    """The tensors of the `state_dict` that no step has or reads, in its order.

    A weight that is there under a further name, of which no module is a layer, is a tensor of that
    name, too.
    """
    there: set[str] = set()  # paths of layers, and of tensors that are read
    for step in steps:
        there.add(step.path)
        there |= {tensor.path for tensor in step.needs if isinstance(tensor, Held)}
    found = []
    for key in recording.keys:
        tensor = recording.held.get(key)
        if tensor is not None and there.isdisjoint(_around(key, recording)):
            found.append(replace(tensor, path=key))
    return found


def _around(key: str, recording: Recording) -> Iterator[str]:
    """A key, and the paths of the modules that it stands in, each by its first name."""
    yield key
    while key:
        key = key.rpartition(".")[0]
        module = recording.by_path.get(key)
        if module is not None and module.path:
            yield module.path


def idle_modules(recording: Recording, tensors: Iterable[Tensor]) -> list[str]:
    """The modules in which these tensors are that no step has or reads, the outermost ones."""
    left = {tensor.path for tensor in tensors}
    used = [key for key in recording.keys if key not in left]
    found: dict[str, None] = {}
    for path in sorted(left, key=recording.keys.index):
        parts = path.split(".")
        outer = (".".join(parts[:n]) for n in range(1, len(parts)))
        free = (one for one in outer if not any(key.startswith(f"{one}.") for key in used))
        found[next(free, path)] = None
    return [*found]
