"""Weights of which only the `state_dict` knows: no call reads them in evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ..run.recording.recorded import Held, Recording, Tensor
from .steps import Step


def unread(recording: Recording, steps: Iterable[Step]) -> list[Tensor]:
    """The tensors of the `state_dict` that no step has or reads, in its order.

    A weight under a further name is a tensor of that name, too, where its module has no `alias`.
    """
    there: set[str] = set()  # paths of layers, and of tensors that are read
    for step in steps:
        there.add(step.path)
        there |= {tensor.path for tensor in step.needs if isinstance(tensor, Held)}
    found = []
    for key in recording.keys:
        tensor = recording.held.get(key)
        if tensor is not None and there.isdisjoint(_around(key, recording)):
            found.append(tensor if key == tensor.path else _tied(tensor, key))
    return found


def _tied(tensor: Tensor, path: str) -> Tensor:
    """A tensor under a further path; it begins as the one that it is tied to."""
    return replace(tensor, path=path, fill=None, initial=None)


def has_alias(recording: Recording, path: str) -> bool:
    """Whether a module with several paths can be an `alias` at this one: not where it is a number.

    The module that has it may be the one that is there under several names.
    """
    outer, _, name = path.rpartition(".")
    around = recording.by_path.get(outer)
    if outer and around is not None and around.path != outer:
        return has_alias(recording, outer)
    return not name.isdecimal()


def _around(key: str, recording: Recording) -> Iterator[str]:
    """A key, and the paths of the modules that have it, each by its first name."""
    yield key
    while key:
        key = key.rpartition(".")[0]
        module = recording.by_path.get(key)
        if module is not None and module.path:
            if key != module.path and not has_alias(recording, key):
                return
            yield module.path


def idle_modules(recording: Recording, tensors: Iterable[Tensor]) -> list[str]:
    """The modules in which these tensors are that no step has or reads, the outermost ones.

    A tensor that is another one under a further path is read as that.
    """
    left = {x.path for x in tensors if recording.held[x.path].path == x.path}
    used = [key for key in recording.keys if key not in left]
    found: dict[str, None] = {}
    for path in sorted(left, key=recording.keys.index):
        parts = path.split(".")
        outer = (".".join(parts[:n]) for n in range(1, len(parts)))
        free = (one for one in outer if not any(key.startswith(f"{one}.") for key in used))
        found[next(free, path)] = None
    return [*found]
