"""`arguments`: compares other members of the class with what the spec gives for the same values.

The class is a family: ``Net(width=32)`` is another network than ``Net()``. Each member is compared
with the network of the source that netgen writes for the same values (``--set width=32``), whose
shapes are predicted like all others. Both are made and run. They are the same network if their
weights have the same names, shapes and initial values, and if they make the same calls in the same
order. Where the calls differ, both must give the same outputs with the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .calls import KNOWN, Recorder, Weights, names_of
from .subject import Disproof, Subject, check_weights, load, type_name
from .values import hold_equal, other_weights, seeded
from .watch import observe


def hold_members(
    subject: Subject, members: Sequence[Mapping[str, Any]], seconds: float | None
) -> int:
    """Compare members with their predictions, and return how many were compared.

    It stops when the next one would exceed this processor time (in seconds; ``None`` for no
    limit), but compares at least one. Raises `Disproof` for the first member that differs.
    """
    begun = before = time.process_time()
    longest = 0.0
    for number, member in enumerate(members):
        if seconds is not None and number and before - begun + longest > seconds:
            return number
        try:
            _hold(subject, member)
        except Disproof as disproof:
            variant = member["variant"]
            where = f"variant:{variant}" if variant else f"param:{next(iter(member['values']))}"
            raise Disproof(str(disproof), where, "NG408") from None
        after = time.process_time()
        longest, before = max(longest, after - before), after
    return len(members)


def _hold(subject: Subject, member: Mapping[str, Any]) -> None:
    """Compare one member with what the spec gives for its values; raises `Disproof`."""
    call, setting = _call(subject, member), _setting(member)
    if member["refused"]:
        if _runs(subject, member):
            raise Disproof(f"`{call}` runs, but `{setting}` is refused: {member['refused']}")
        return
    try:
        expected, done = _expected(subject, member)
    except Disproof as disproof:
        raise Disproof(f"with `{setting}` {disproof}") from None
    except Exception as error:
        raise Disproof(f"with `{setting}` {_raised(error)}") from None
    if member["variant"] and not member["factory"]:
        _run_alone(expected, setting)
        return
    try:
        _compare(subject, member, expected, done)
    except Disproof as disproof:
        raise Disproof(f"`{call}` is not what `{setting}` gives: {disproof}") from None
    except Exception as error:
        raise Disproof(f"`{call}` is not what `{setting}` gives: {_raised(error)}") from None


def _call(subject: Subject, member: Mapping[str, Any]) -> str:
    if member["factory"]:
        return f"{member['factory']}()"
    values, types = _arguments(member), member["types"]
    shown = {name: f"nn.{x.__name__}" if name in types else repr(x) for name, x in values.items()}
    given = ", ".join(f"{name}={value}" for name, value in shown.items())
    return f"{subject.plan['class_name']}({given})"


def _setting(member: Mapping[str, Any]) -> str:
    if member["variant"]:
        return f"--variant {member['variant']}"
    values = member["values"].items()
    return " ".join(f"--set {name}={_written(value)}" for name, value in values)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")


def _arguments(member: Mapping[str, Any]) -> dict[str, Any]:
    """A member's values as arguments of the class: tuples for lists, classes for their names."""
    types = member["types"]
    return {
        name: getattr(nn, value) if name in types else _as_tuple(value)
        for name, value in member["values"].items()
    }


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _raised(error: Exception) -> str:
    lines = str(error).strip().split("\n")
    return f"it raises {type(error).__name__}: {lines[0][:300]}"


def _made(subject: Subject, member: Mapping[str, Any]) -> tuple[nn.Module, Weights]:
    """A member made on the CPU, and the record of how its weights were initialised."""
    with Weights() as done, _place(subject):
        network = _member(subject, member)
    return network, done


def _member(subject: Subject, member: Mapping[str, Any]) -> nn.Module:
    """The network that the class, or the variant's function, gives for a member's values."""
    if member["factory"]:
        made: nn.Module = getattr(subject.module, member["factory"])()
    else:
        made = getattr(subject.module, subject.plan["class_name"])(**_arguments(member))
    return made


def _place(subject: Subject) -> torch.device:
    """Where networks are made: on the CPU, or without data."""
    return torch.device("meta" if subject.device == "meta" else "cpu")


def _expected(subject: Subject, member: Mapping[str, Any]) -> tuple[Subject, Weights]:
    """The network that the spec gives for a member's values, with its weights checked."""
    plan = {**subject.plan, **member["plan"]}
    module, forward = load(member["source"], plan["class_name"])
    with Weights() as done, _place(subject):
        network = getattr(module, plan["class_name"])()
    check_weights(network, plan)
    network.to(subject.device)
    found = Subject(member["source"], plan, subject.device, subject.seed, module, forward, network)
    return found, done


def _run_alone(expected: Subject, setting: str) -> None:
    """Run a variant that is no member of the class; raises `Disproof` for a wrong prediction."""
    for training in (True, False):
        expected.network.train(training)
        try:
            with torch.no_grad():
                observe(expected, 0, expected.inputs(0))
        except Disproof as disproof:
            raise Disproof(f"with `{setting}` {disproof}") from None
        except Exception as error:
            raise Disproof(f"with `{setting}` {_raised(error)}") from None


def _runs(subject: Subject, member: Mapping[str, Any]) -> bool:
    """Whether a member that the spec refuses runs all the same, in training and in evaluation.

    A member that computes with tensors without elements does not count as running.
    """
    try:
        network, _ = _made(subject, member)
        network.to(subject.device)
        for training in (True, False):
            network.train(training)
            with torch.no_grad(), Recorder({}) as calls:
                network(*subject.inputs(0))
            if calls.has_empty:
                return False
    except Exception:
        return False
    return True


def _compare(subject: Subject, member: Mapping[str, Any], expected: Subject, done: Weights) -> None:
    """Compare a member with the network that it should be; raises `Disproof` if they differ."""
    network, own = _made(subject, member)
    _compare_weights(network, own, expected.network, done)
    network.to(subject.device)
    known = None if subject.plan["custom"] else KNOWN
    for training in (True, False):
        expected.network.train(training)
        network.train(training)
        inputs = expected.inputs(0)
        try:
            with torch.no_grad(), Recorder(names_of(expected.network, inputs), known) as wanted:
                outputs = observe(expected, 0, inputs)
        except Disproof:
            raise
        except Exception as error:  # caused by values, such as an index that is too large
            _must_raise(network, expected.inputs(0), error)
            return
        inputs = expected.inputs(0)
        with torch.no_grad(), Recorder(names_of(network, inputs), known) as found:
            given = network(*inputs)
        same = found.told(given) == wanted.told(outputs)
        if subject.device == "meta":
            continue  # there is nothing to compare
        if not same or found.steps != wanted.steps:
            _compare_outputs(subject, member, expected)
            return


def _must_raise(network: nn.Module, inputs: Sequence[torch.Tensor], error: Exception) -> None:
    """Raise `Disproof` unless the member raises the same type of error as the other network."""
    try:
        with torch.no_grad():
            network(*inputs)
    except type(error):
        return
    raise Disproof(f"it runs, but there {_raised(error).removeprefix('it ')}")


def _compare_weights(found: nn.Module, own: Weights, wanted: nn.Module, done: Weights) -> None:
    """Compare names, shapes, types and initialisation of the weights; raises `Disproof`."""
    left, right = (network.state_dict(keep_vars=True) for network in (found, wanted))
    for name in (*right, *left):
        if name not in left:
            raise Disproof(f"it has no weight `{name}`")
        if name not in right:
            raise Disproof(f"it has a weight `{name}` too many")
        if _facts(left[name]) != _facts(right[name]):
            raise Disproof(f"`{name}` is {_facts(left[name])}, not {_facts(right[name])}")
        made, other = own.history(left[name]), done.history(right[name])
        if made != other:
            both = zip([*made, "nothing"], [*other, "nothing"], strict=False)
            is_done, should_be = next((x, y) for x, y in both if x != y)
            raise Disproof(f"`{name}` begins with `{is_done}`, not `{should_be}`")
    if [*left] != [*right]:
        raise Disproof("its weights are in another order")


def _facts(value: torch.Tensor) -> tuple[tuple[int, ...], str, bool]:
    return tuple(value.shape), type_name(value), value.requires_grad


def _compare_outputs(subject: Subject, member: Mapping[str, Any], expected: Subject) -> None:
    """Compare the member's outputs with the other network's for the same weights.

    Raises `Disproof` if they differ.
    """
    torch.manual_seed(subject.seed)
    class_name = subject.plan["class_name"]
    other = getattr(expected.module, class_name)().to(subject.device)
    next(other_weights(other))  # a scale that begins at zero would hide what it scales
    network = _member(subject, member).to(subject.device)
    network.load_state_dict(other.state_dict())
    for training in (True, False):
        other.train(training)
        network.train(training)
        with torch.no_grad(), _AlikeDraws():  # type: ignore[no-untyped-call]
            wanted = seeded(subject, other, expected.inputs(0))
            given = seeded(subject, network, expected.inputs(0))
        hold_equal("the member", given, wanted)


class _AlikeDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Seeds each call that draws random numbers, so that a needless draw changes no later one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            torch.manual_seed(0)
        return func(*args, **(kwargs or {}))
