"""The modules and tensors of a network as records."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ...layers import CATALOGUE
from .construction import guessed, made_with, sayable, unseen, usual
from .initial import begun
from .names import Names, name_in_python
from .recorded import Module, Tensor, Tree

# of a tensor whose values are taken down: of one that a `state_dict` has, and of another one
MOST_ELEMENTS, MOST_OF_OTHERS = 1 << 20, 1 << 22
# what a class may define anew and still compute what its base computes
_HARMLESS = frozenset(
    """__init__ __doc__ __module__ __annotations__ __parameters__ __orig_bases__ __firstlineno__
    __static_attributes__ __constants__ __jit_unused_properties__ extra_repr reset_parameters
    __annotate__ __annotate_func__ __annotations_cache__ __repr__ __slots__
    _reset_parameters""".split()
)
# the classes behind functions of `torch.nn.utils.parametrizations`, with their usual arguments
_WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "_WeightNorm": ("weight_norm", {"dim": 0}),
    "_SpectralNorm": ("spectral_norm", {"n_power_iterations": 1, "eps": 1e-12}),
}
# classes of libraries that drop whole samples in training, with the attribute of the probability
_DROP_PATHS = {"DropPath": "drop_prob", "StochasticDepth": "p"}


Keep = frozenset[str]  # classes that stay as they are, by their full names


def layer_of(module: nn.Module, keep: Keep = frozenset()) -> str:
    """The type of layer that the module is, in the catalogue or one to `keep`; empty for none."""
    if keep and name_in_python(type(module)) in keep:
        return name_in_python(type(module))
    if type(module).__name__ in _DROP_PATHS and _drops_samples(module):
        return "DropPath"
    if _has_hooks(module) or parametrizations(module) is None:
        return ""
    own = 1 if is_parametrized(module) else 0  # torch gives each such module a class of its own
    for base in type(module).__mro__[own:]:
        name = base.__name__
        if getattr(nn, name, None) is base and name in CATALOGUE:
            return "" if CATALOGUE[name].takes_layers else name  # its layers are called by it
        if {*vars(base)} - _HARMLESS & {*dir(nn.Module)} and not _only_harmless(base):
            return ""
    return ""


def _only_harmless(class_: type) -> bool:
    """Whether a subclass changes nothing of what its base computes."""
    return all(
        name in _HARMLESS or not any(hasattr(base, name) for base in class_.__bases__)
        for name in vars(class_)
    )


def _drops_samples(module: nn.Module) -> bool:
    """Whether a module named so is what it is called: no children, a probability, by rows."""
    probability = getattr(module, _DROP_PATHS[type(module).__name__], None)
    known = isinstance(probability, (int, float)) and not [*module.children()]
    return known and getattr(module, "mode", "row") == "row"


def parametrizations(module: nn.Module) -> dict[str, str] | None:
    """The functions that compute the module's weights, by weight; `None` if one is not known."""
    found: dict[str, str] = {}
    if not is_parametrized(module):
        return found
    for weight, ways in module.parametrizations.items():  # type: ignore[operator, union-attr]
        if len(ways) != 1 or type(ways[0]).__name__ not in _WAYS:
            return None
        function, defaults = _WAYS[type(ways[0]).__name__]
        if any(getattr(ways[0], name, value) != value for name, value in defaults.items()):
            return None
        found[weight] = function
    return found


def _has_hooks(module: nn.Module) -> bool:
    hooks = (
        *(module._forward_hooks, module._forward_pre_hooks),
        *(module._backward_hooks, module._backward_pre_hooks),
    )
    return any(hooks)


def modules_of(network: nn.Module, names: Names, keep: Keep) -> Iterator[Module]:
    """The modules of a network, each once, in the order of `named_modules`.

    What is inside of those to `keep` is left out.
    """
    paths: dict[int, list[str]] = {}
    modules: dict[int, nn.Module] = {}
    inside = inside_of_kept(network, keep)
    for path, module in network.named_modules(remove_duplicate=False):
        if not path.startswith(inside):
            paths.setdefault(id(module), []).append(path)
            modules[id(module)] = module
    for key, (first, *others) in paths.items():
        module = modules[key]
        layer = layer_of(module, keep) if first else ""  # the network itself is a class
        arguments, kept = made_with(module), "." in layer
        if not arguments and (kept or not layer):
            arguments = guessed(module)
        missing = () if layer and not kept else tuple(unseen(module, arguments))
        if kept:
            arguments = sayable(module, arguments)
        own = settings(module, layer, arguments) if layer and not kept else {}
        yield Module(
            path=first,
            type=name_in_python(type(module)),
            layer=layer,
            settings=tuple((name, names.tree(value)) for name, value in own.items()),
            arguments=tuple((name, names.tree(value)) for name, value in arguments.items()),
            others=tuple(others),
            doc=((type(module).__doc__ or "").strip().split("\n") or [""])[0],
            is_chain=type(module).forward is nn.Sequential.forward,
            reads=tuple(signature(type(module).forward).parameters)[1:],
            usual=tuple(usual(module, arguments)),
            defaults=tuple(_defaults(module, names)),
            unseen=missing,
        )


def inside_of_kept(network: nn.Module, keep: Keep) -> tuple[str, ...]:
    """What paths begin with that lead into modules that are kept."""
    return tuple(
        f"{path}."
        for path, module in network.named_modules(remove_duplicate=False)
        if keep and layer_of(module, keep) in keep
    )


def _defaults(module: nn.Module, names: Names) -> Iterator[tuple[str, Tree]]:
    """The defaults that a module's `forward` has."""
    for one in signature(type(module).forward).parameters.values():
        if one.default is not one.empty:
            yield one.name, names.tree(one.default)


def settings(module: nn.Module, layer: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that give a layer as it is now: its attributes, or else what it was given."""
    if layer == "DropPath":
        return {"p": float(getattr(module, _DROP_PATHS[type(module).__name__]))}
    found: dict[str, Any] = {}
    ways = parametrizations(module)
    if ways:
        found["parametrize"] = ways
    for arg in CATALOGUE[layer].args:
        own = getattr(module, arg.name, arguments.get(arg.name))
        if arg.name == "bias" and not isinstance(own, bool):
            own = _has_bias(module)
        if isinstance(own, (nn.Module, torch.Tensor)):  # made from the argument
            own = arguments.get(arg.name)
        if own is not None or arg.name in arguments or hasattr(module, arg.name):
            found[arg.name] = own
    return found


def _has_bias(module: nn.Module) -> bool:
    """Whether a module adds a bias; some have it under a longer name."""
    biases = (x for name, x in module._parameters.items() if name.endswith("bias"))
    return any(x is not None for x in biases)


def tensors_of(network: nn.Module, keep: Keep, called: Container[str]) -> Iterator[Tensor]:
    """The parameters, buffers and other tensors of a network, each once.

    Numbers of layers that are `called` are their own affair.
    """
    inside, initial = inside_of_kept(network, keep), begun(network)
    found: dict[int, list[str]] = {}
    kinds: dict[int, tuple[str, torch.Tensor, bool, bool]] = {}
    for path, module in network.named_modules(remove_duplicate=False):
        before = f"{path}." if path else ""
        layer = path in called or path.startswith(inside)
        held: list[tuple[str, str, Any]] = []
        held += [("parameter", name, x) for name, x in module._parameters.items()]
        held += [("buffer", name, x) for name, x in module._buffers.items()]
        held += [("attribute", n, x) for n, x in vars(module).items() if torch.is_tensor(x)]
        for kind, name, x in held:
            if x is not None:
                found.setdefault(id(x), []).append(f"{before}{name}")
                persistent = name not in module._non_persistent_buffers_set
                kinds.setdefault(id(x), (kind, x, persistent, layer))
    for key, (first, *others) in found.items():
        kind, x, persistent, of_layer = kinds[key]
        known = kind != "parameter" and x.device.type != "meta" and not of_layer
        most = MOST_ELEMENTS if persistent and kind == "buffer" else MOST_OF_OTHERS
        known = known and math.prod(x.shape) <= most and not x.is_complex()
        yield Tensor(
            path=first,
            kind=kind,
            shape=tuple(x.shape),
            dtype=name_in_python(x.dtype),
            persistent=persistent and kind != "attribute",
            others=tuple(others),
            value=tuple(x.detach().reshape(-1).tolist()) if known else None,
            fill=_fill(x) if kind == "parameter" else None,
            initial=initial.get(first),
        )


def _fill(x: torch.Tensor) -> float | None:
    """The number that all elements of a tensor are."""
    if x.device.type == "meta" or not x.numel() or x.is_complex():
        return None
    row = x.detach().reshape(-1)
    return float(row[0]) if bool((row == row[0]).all()) else None
