"""How parts of a network are called: by the module that made a node, by the name of a weight."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from torch import nn

# names that exporters give to what has no name in the network
_MADE_UP = re.compile(r"(_?val|_?const\w*|onnx|expand|constant|initializer|tensor)_*\d*", re.I)
_MODULES = frozenset(dir(nn.Module()))  # names that all modules have
_PART = re.compile(r"[A-Za-z_]\w*|\d+", re.ASCII)


def is_key(name: str) -> bool:
    """Whether a tensor's name is that of a key of a `state_dict`, as far as can be seen."""
    parts = name.split(".")
    return all(map(_PART.fullmatch, parts)) and not (
        (parts[0].isdigit() and len(parts) == 1) or _MADE_UP.fullmatch(name)
    )


def owner_of(name: str) -> tuple[str, str]:
    """The module that has a tensor, and what it calls it; both empty if its name does not tell."""
    if not is_key(name):
        return "", ""
    owner, _, own = name.rpartition(".")
    return owner, own


def scope_of(name: str, notes: Mapping[str, str]) -> tuple[str, str]:
    """The path of the module that made a node, and the module's class, as an exporter noted them.

    ``/layer1/layer1.0/conv1/Conv`` is the name of a node of `layer1.0.conv1`; newer exporters have
    notes beside the node.
    """
    scopes = _words(notes.get("pkg.torch.onnx.name_scopes", ""))
    if scopes:
        classes = _words(notes.get("pkg.torch.onnx.class_hierarchy", ""))
        made_by = classes[-2] if len(classes) > 1 else ""
        return _clean(scopes[-2] if len(scopes) > 1 else ""), made_by.rpartition(".")[2]
    if not name.startswith("/"):
        return "", ""
    path = ""
    before = ""
    for part in name.split("/")[1:-1]:
        if before and part.startswith(f"{before}."):
            path = path.removesuffix(before) + part
        else:
            path = f"{path}.{part}" if path else part
        before = part
    return _clean(path), ""


def _words(text: str) -> list[str]:
    """A list of words as Python writes it."""
    try:
        found = ast.literal_eval(text) if len(text) < 10_000 else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(x, str) for x in found) else []


def _clean(path: str) -> str:
    """A path if it is one, else nothing."""
    return path if path and all(map(_PART.fullmatch, path.split("."))) else ""


def variables(names: Iterable[str]) -> list[str]:
    """The names of inputs or outputs as a class can have them, each another one."""
    found: list[str] = []
    for name in names:
        word = re.sub(r"\W", "_", name, flags=re.ASCII)
        word = word if word[:1].isalpha() else f"x_{word}"
        while word in found:
            word += "_"
        found.append(word)
    return found


class Paths:
    """Gives layers and tensors paths that nothing else has.

    `owners` are the paths of modules that weights are named after, `reserved` the names that the
    network has beside its layers.
    """

    def __init__(self, owners: frozenset[str], reserved: frozenset[str]) -> None:
        self.owners = owners
        self.reserved = reserved
        self.taken: set[str] = set()

    def take(self, *wanted: str, stem: str) -> str:
        """The first path that is wanted and free, or else one that begins with the stem."""
        stem = self._safe(stem)
        if self._is_inside(stem):
            stem = stem.replace(".", "_")
        others = (
            stem,
            *(f"{stem}_{number}" for number in range(2, len(self.taken) + len(self.owners) + 3)),
        )
        path = next(filter(self.is_free, (*map(self._safe, filter(None, wanted)), *others)))
        self.taken.add(path)
        return path

    def is_free(self, path: str) -> bool:
        """Whether neither the path is taken, nor one in it, nor one that it is in."""
        contains = any(own.startswith(f"{path}.") for own in (*self.taken, *self.owners))
        return not (contains or path in self.taken or self._is_inside(path))

    def _is_inside(self, path: str) -> bool:
        """Whether a path stands in one that is taken."""
        parts = path.split(".")
        return any(".".join(parts[:count]) in self.taken for count in range(1, len(parts)))

    def _safe(self, path: str) -> str:
        """A path that a class can have: it begins with a letter, and names no attribute."""
        first, *inner = filter(None, path.split("."))
        first = f"layer_{first}" if first.isdigit() else first
        first = f"{first}_" if first in self.reserved else first
        return ".".join((first, *(f"{part}_" if part in _MODULES else part for part in inner)))
