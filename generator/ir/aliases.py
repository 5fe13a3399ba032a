"""Where the weights of a module with several names stand in a `state_dict`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..layers.base import Weight


class Alias(Struct, frozen=True):
    """A further `name` of the module at the path `own`; both are paths.

    If it is `keyed`, it stands in an `nn.ModuleDict`.
    """

    name: str
    own: str
    keyed: bool = False


def also_named(
    weights: Sequence[Weight], aliases: Sequence[Alias], paths: Sequence[str]
) -> Sequence[Weight]:
    """The weights with those of each alias, which is the last of what stands beside it.

    `paths` are those of the network's layers and blocks in their order.
    """
    found = [*weights]
    for alias in aliases:
        again = [
            replace(weight, name=f"{alias.name}{weight.name.removeprefix(alias.own)}")
            for weight in found
            if weight.name.startswith(f"{alias.own}.")
        ]
        end = _end(found, alias.name.rpartition(".")[0], paths)
        found[end:end] = again
    return found


def _end(weights: Sequence[Weight], path: str, paths: Sequence[str]) -> int:
    """The place in `weights` behind those of the module at a path, or of what is before it."""
    if not path:
        return len(weights)
    behind = [place for place, w in enumerate(weights, 1) if w.name.startswith(f"{path}.")]
    if behind:
        return behind[-1]
    last = max(n for n, other in enumerate(paths) if f"{other}.".startswith(f"{path}."))
    later = tuple(f"{other}." for other in paths[last + 1 :])
    return next((n for n, w in enumerate(weights) if w.name.startswith(later)), len(weights))
