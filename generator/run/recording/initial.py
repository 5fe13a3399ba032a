"""How the weights of a network get their first values: by which functions of `torch.nn.init`."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .recorded import Beginning, Rule

DIGITS = 12  # of numbers in rules: a product and its quotient differ behind these
Number = int | float
Print = tuple[tuple[int, ...], float, float, float]  # by which a tensor's elements are known again


class _Law:
    """What elements are drawn from, with all arguments of the function that draws them."""

    def __init__(self, function: str, **args: Any) -> None:
        self.function = function
        self.args = args

    def scaled(self, factor: Number = 1, more: Number = 0) -> _Law | None:
        """The law of the elements times a factor, and a number more."""
        known = self.args
        if self.function not in _LINEAR or factor <= 0:
            return None
        moved = {name: x * factor + more for name, x in known.items() if name in ("mean", "a", "b")}
        spread = {name: x * factor for name, x in known.items() if name == "std"}
        return _Law(self.function, **{**known, **moved, **spread})

    @property
    def rule(self) -> Rule | None:
        """The law as a function of `torch.nn.init`, if it is one."""
        plain = all(_is_plain(x) for x in self.args.values())
        if self.function not in _functions or not plain:
            return None
        usual = inspect.signature(_functions[self.function]).parameters
        given = [(name, _rounded(self.args[name])) for name in usual if name in self.args]
        return Rule(self.function, tuple((n, x) for n, x in given if x != usual[n].default))


_LINEAR = ("uniform_", "normal_", "trunc_normal_", "erfinv_")


def _is_plain(x: Any) -> bool:
    return isinstance(x, (int, str)) or (isinstance(x, float) and math.isfinite(x))


def _rounded(x: Any) -> Any:
    return _short(x) if isinstance(x, float) else x


def _short(x: float) -> float:
    return float(f"{x:.{DIGITS}g}")


class Draws(TorchFunctionMode):
    """Sees what tensors are drawn from while it is entered.

    Calls of functions of `torch.nn.init` are taken as they are. What code draws by itself
    (`torch.randn`, `Tensor.uniform_`) is followed through arithmetic with numbers. A tensor is
    known by its elements: copies have a law, too, and what is written to afterwards has none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.laws: dict[Print, _Law] = {}
        self.inside = 0  # of functions of `torch.nn.init`

    def __enter__(self) -> Self:
        _watch_functions()
        _watching.append(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        _watching.pop()

    def filled(self, function: Callable[..., Any], args: Any, named: Any) -> Any:
        """Call a function of `torch.nn.init`, and note what it has drawn."""
        self.inside += 1
        try:
            tensor = function(*args, **named)
        finally:
            self.inside -= 1
        if not self.inside:
            bound = inspect.signature(function).bind(*args, **named)
            bound.apply_defaults()
            given = {n: x for n, x in bound.arguments.items() if n not in ("tensor", "generator")}
            self.note(tensor, _Law(function.__name__, **given))
        return tensor

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        step = None if self.inside else _STEPS.get(getattr(func, "__name__", ""))
        if step is None:
            return func(*args, **named)
        tensors = [x for x in args if isinstance(x, torch.Tensor)]
        before = self.law(tensors[0]) if len(tensors) == 1 else None
        result = func(*args, **named)
        numbers = [x for x in args if isinstance(x, (int, float))]
        law = step(before, numbers, named)
        if law is not None and isinstance(result, torch.Tensor):
            self.note(result, law)
        return result

    def note(self, tensor: torch.Tensor, law: _Law) -> None:
        """Note the law of a tensor as it is now."""
        key = _print_of(tensor)
        if key is not None:
            self.laws[key] = law

    def law(self, tensor: torch.Tensor) -> _Law | None:
        """The law of a tensor, if it is still what was drawn."""
        key = _print_of(tensor)
        return None if key is None else self.laws.get(key)

    def beginnings(self, network: nn.Module) -> Mapping[str, Beginning]:
        """How the parameters of a network begin, as far as that is known."""
        found: dict[str, tuple[list[Rule], Rule]] = {}
        for path, x in network.named_parameters():
            law = self.law(x)
            rule = law.rule if law is not None and x.numel() == 1 else _constant(x)
            rule = rule or (None if law is None else law.rule)
            if rule is not None:
                worked_out = _worked_out(rule, x.shape)
                found[path] = ([rule, *_by_fans(worked_out, x.shape)], worked_out)
        # a number may follow from the shape: it does if that is so for most
        often = Counter(rule for rules, _ in found.values() for rule in rules)
        return {
            path: Beginning(max(rules, key=often.__getitem__), law)
            for path, (rules, law) in found.items()
        }


# functions whose numbers follow from the shape, with the arguments that are usual
_FANS = (
    Rule("kaiming_normal_", (("mode", "fan_out"),)),
    Rule("kaiming_normal_"),
    Rule("xavier_normal_"),
    Rule("kaiming_uniform_", (("mode", "fan_out"),)),
    Rule("kaiming_uniform_"),
    Rule("xavier_uniform_"),
)


def _by_fans(law: Rule, shape: Sequence[int]) -> list[Rule]:
    """The usual rules that come to the same for this shape."""
    if law.function not in ("normal_", "uniform_") or len(shape) < 2:
        return []
    return [rule for rule in _FANS if _worked_out(rule, shape) == law]


def _worked_out(rule: Rule, shape: Sequence[int]) -> Rule:
    """The rule with the numbers that follow from the shape."""
    given = dict(rule.args)
    kind, _, kernel = rule.function.rstrip("_").partition("_")
    if kind not in ("kaiming", "xavier") or len(shape) < 2:
        return rule
    inside = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * inside, shape[0] * inside
    if kind == "xavier":
        std = float(given.get("gain", 1.0)) * math.sqrt(2 / (fan_in + fan_out))
    else:
        fan = fan_out if given.get("mode") == "fan_out" else fan_in
        word = str(given.get("nonlinearity", "leaky_relu"))
        std = nn.init.calculate_gain(word, given.get("a", 0)) / math.sqrt(fan)  # type: ignore[arg-type]
    if kernel == "normal":
        return Rule("normal_", (("std", _short(std)),))
    bound = _short(math.sqrt(3) * std)
    return Rule("uniform_", (("a", -bound), ("b", bound)))


def _print_of(x: torch.Tensor) -> Print | None:
    if x.is_meta or not x.is_floating_point() or x.layout is not torch.strided or not x.numel():
        return None
    with torch._C.DisableTorchFunction(), torch.no_grad():
        row = x.detach().reshape(-1)
        return tuple(x.shape), float(row.sum()), float(row[0]), float(row[-1])


def _constant(x: torch.Tensor) -> Rule | None:
    """The rule for a tensor all whose elements are one number."""
    if x.is_meta or not x.is_floating_point() or not x.numel():
        return None
    row = x.detach().reshape(-1)
    if bool(row[0] != row[-1]) or not bool((row == row[0]).all()):
        return None
    number = float(row[0])
    return Rule({0.0: "zeros_", 1.0: "ones_"}[number]) if number in (0, 1) else _filled(number)


def _filled(number: float) -> Rule:
    return Rule("constant_", (("val", _rounded(number)),))


Step = Callable[[_Law | None, list[Number], Mapping[str, Any]], _Law | None]


def _scaling(change: Callable[[Number], tuple[Number, Number]]) -> Step:
    """A step that multiplies by a number and adds one."""

    def step(law: _Law | None, numbers: list[Number], named: Mapping[str, Any]) -> _Law | None:
        plain = law is not None and len(numbers) == 1 and not named and numbers[0] != 0
        return law.scaled(*change(numbers[0])) if law is not None and plain else None

    return step


def _uniform(law: _Law | None, numbers: list[Number], named: Mapping[str, Any]) -> _Law | None:
    a, b = (*numbers, *(0.0, 1.0)[len(numbers) :])[:2]
    return _Law("uniform_", a=named.get("from", a), b=named.get("to", b))


def _normal(law: _Law | None, numbers: list[Number], named: Mapping[str, Any]) -> _Law | None:
    mean, std = (*numbers, *(0.0, 1.0)[len(numbers) :])[:2]
    found = {"mean": named.get("mean", mean), "std": named.get("std", std)}
    plain = all(isinstance(x, (int, float)) for x in found.values())
    return _Law("normal_", **found) if plain else None


def _usual(function: str, **args: float) -> Step:
    return lambda law, numbers, named: _Law(function, **args)


def _erfinv(law: _Law | None, numbers: list[Number], named: Mapping[str, Any]) -> _Law | None:
    """The inverse of the error function makes a normal distribution of a uniform one."""
    if law is None or law.function != "uniform_":
        return None
    return _Law("erfinv_", mean=0.0, std=math.sqrt(0.5), low=law.args["a"], high=law.args["b"])


def _clamp(law: _Law | None, numbers: list[Number], named: Mapping[str, Any]) -> _Law | None:
    """A normal distribution that is cut off where it ends is `trunc_normal_`."""
    low, high = (*numbers, None, None)[:2]
    low, high = named.get("min", low), named.get("max", high)
    if law is None or law.function != "erfinv_" or low is None or high is None:
        return None
    mean, std = law.args["mean"], law.args["std"]
    ends = [math.erf((x - mean) / std / math.sqrt(2)) for x in (low, high)]
    if not all(map(_near, ends, (law.args["low"], law.args["high"]))):
        return None
    return _Law("trunc_normal_", mean=mean, std=std, a=low, b=high)


def _near(a: Number, b: Number) -> bool:
    return math.isclose(a, b, abs_tol=1e-6)


_times, _plus = _scaling(lambda x: (x, 0)), _scaling(lambda x: (1, x))
_over, _minus = _scaling(lambda x: (1 / x, 0)), _scaling(lambda x: (1, -x))
# what functions and methods of torch make of a law, by their names
_STEPS: dict[str, Step] = {
    "uniform_": _uniform,
    "normal_": _normal,
    **dict.fromkeys(("rand", "rand_like"), _usual("uniform_", a=0.0, b=1.0)),
    **dict.fromkeys(("randn", "randn_like"), _usual("normal_", mean=0.0, std=1.0)),
    **dict.fromkeys(("mul", "mul_", "__mul__", "__rmul__", "__imul__"), _times),
    **dict.fromkeys(("div", "div_", "__truediv__", "__itruediv__"), _over),
    **dict.fromkeys(("add", "add_", "__add__", "__radd__", "__iadd__"), _plus),
    **dict.fromkeys(("sub", "sub_", "__sub__", "__isub__"), _minus),
    "erfinv_": _erfinv,
    **dict.fromkeys(("clamp", "clamp_"), _clamp),
}

_watching: list[Draws] = []
_functions: dict[str, Callable[..., Any]] = {}  # those of `torch.nn.init`, as torch has them
_begun: WeakKeyDictionary[nn.Module, Mapping[str, Beginning]] = WeakKeyDictionary()


def _watch_functions() -> None:
    """Tell `Draws` of each function of `torch.nn.init` that is called from now on.

    Modules that import one by name keep what they got, so it is told of as long as there is code.
    """
    if _functions:
        return
    names = [name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_")]
    for name in names:
        _functions[name] = getattr(nn.init, name)
        setattr(nn.init, name, _watched(_functions[name]))


def _watched(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        if not _watching:
            return function(*args, **named)
        return _watching[-1].filled(function, args, named)

    return called


def remember(network: nn.Module, draws: Draws) -> None:
    """Keep what was seen of a network's first values, before others are loaded."""
    _begun.setdefault(network, draws.beginnings(network))


def begun(network: nn.Module) -> Mapping[str, Beginning]:
    """How a network's parameters began, as far as that was seen."""
    return _begun.get(network, MappingProxyType({}))
