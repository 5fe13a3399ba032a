"""Whether a generated class is the network that was recorded: keys, outputs, gradients."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from msgspec import Struct
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from .record import sample, tensors_in
from .recorded import Input

CLOSE = 1e-6  # of the largest value, in float64
CLOSE_SINGLE = 1e-4
QUICK = 0.05  # seconds
SEED = 0  # of what is drawn at random while the network runs


class Other(Exception):
    """The generated class is not the original; the text says in what."""


def compare(
    original: nn.Module,
    twin: nn.Module,
    inputs: Sequence[Input],
    runs: Sequence[Mapping[str, int]],
    trained: bool = False,
    untrained: str = "",
) -> list[str]:
    """What has been shown, in words; raises `Other` if `twin`, of the class, is another network.

    Weights that are constant, and the statistics of norms, are drawn at random before, so that
    layers can be told apart; a network that is `trained` is compared with its own weights, too.
    If nothing is known of how it trains, `untrained` says why.
    Networks that are quick are compared in float64 if they can do that, and others if float32 shows
    a difference.
    """
    shown = _same_keys(original, twin)
    apart = told_apart(original, inputs, runs[-1])
    compared = partial(_compare, original, twin, inputs, runs, trained, untrained)
    if apart.is_quick and _run_in_double(original, twin, inputs, runs[0]):
        return [shown, *compared(apart, single=False)]
    try:
        return [shown, *compared(apart, single=True)]
    except Other:  # rounding may be the reason
        if apart.is_quick or not _run_in_double(original, twin, inputs, runs[0]):
            raise
    return [shown, *compared(told_apart(original, inputs, runs[-1]), single=False)]


class Apart(Struct, frozen=True):
    """A copy of a network in evaluation, whose weights and statistics are all different.

    Its run took some `seconds`. The `outputs` of that are those of the network as it is now; there
    are none if the statistics of a norm changed twice in the run.
    """

    network: nn.Module
    seconds: float
    outputs: list[torch.Tensor] | None

    @property
    def is_quick(self) -> bool:
        """Whether a run takes little time: in float64 it takes ten times as long."""
        return self.seconds < QUICK


def same_outputs(
    apart: Apart,
    generated: type[nn.Module],
    inputs: Sequence[Input],
    run: Mapping[str, int],
) -> None:
    """Compare keys, and the outputs for the size of inputs that was run; raises `Other`."""
    twin, network = generated(), apart.network
    _same_keys(network, twin)
    single = not (apart.is_quick and _run_in_double(network, twin, inputs, run))
    if not single:
        network, twin = network.double(), twin.double()
    _load(network, twin)
    twin.eval()
    tensors = samples_of(inputs, run, single)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        ours = apart.outputs if single else None
        ours = ours or _original(network, inputs, tensors)
        check_equal(ours, _generated(twin, tensors), CLOSE_SINGLE if single else CLOSE, "output")


def _compare(
    original: nn.Module,
    twin: nn.Module,
    inputs: Sequence[Input],
    runs: Sequence[Mapping[str, int]],
    trained: bool,
    untrained: str,
    apart: Apart,
    *,
    single: bool,
) -> list[str]:
    """What the outputs show, in float32 if they are to be `single`, else in float64."""
    network = apart.network
    if not single:
        network, twin = network.double(), twin.double()
    samples = [samples_of(inputs, run, single) for run in runs]
    close = CLOSE_SINGLE if single else CLOSE
    shown = []
    if trained:
        own = copy.deepcopy(original)
        own = own if single else own.double()
        shown.append(_same_as_trained(own, twin, inputs, samples[0], close))
    _load(network, twin)
    twin.eval()
    last = apart.outputs if single else None
    with torch.random.fork_rng(devices=[]):
        shown += _compared(network, twin, inputs, [*zip(runs, samples, strict=True)], close, last)
    if untrained:
        return [*shown, f"not compared in training: {untrained}"]
    return [*shown, *_same_training(network, twin, inputs, samples[0], close)]


def _same_as_trained(
    network: nn.Module,
    twin: nn.Module,
    inputs: Sequence[Input],
    tensors: Sequence[torch.Tensor],
    close: float,
) -> str:
    """Compare outputs with the weights that the network has."""
    _load(network, twin)
    network.eval()
    twin.eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        ours = _original(network, inputs, tensors)
        check_equal(ours, _generated(twin, tensors), close, "output with the network's own weights")
    return "equal outputs with its own weights"


def _compared(
    network: nn.Module,
    twin: nn.Module,
    inputs: Sequence[Input],
    samples: Sequence[tuple[Mapping[str, int], Sequence[torch.Tensor]]],
    close: float,
    last: list[torch.Tensor] | None,
) -> list[str]:
    """Compare outputs in evaluation for all sizes, and the gradients of the inputs once.

    Those of the network for the `last` size may be known.
    """
    gradients = _same_gradients(network, twin, inputs, samples[0][1], close)
    draws = False
    for run, tensors in samples[gradients:]:
        sizes = ", ".join(f"{name} = {size}" for name, size in run.items())
        with torch.no_grad():
            known = last if tensors is samples[-1][1] else None
            ours = known or _original(network, inputs, tensors)
            draws = draws or not (known or _is_seeded())
            theirs = _generated(twin, tensors)
        check_equal(ours, theirs, close, f"output for {sizes}")
    how = " and equal random draws" if draws else ""
    shown = [f"equal outputs for {len(samples)} sizes of inputs{how}"]
    return [*shown, "equal gradients of inputs"] if gradients else shown


def _same_keys(original: nn.Module, twin: nn.Module) -> str:
    """Compare names and shapes of weights, and their order."""
    ours = {name: tuple(x.shape) for name, x in original.state_dict().items()}
    theirs = {name: tuple(x.shape) for name, x in twin.state_dict().items()}
    for name in ours.keys() - theirs.keys():
        raise Other(f"the class has no `{name}`")
    for name in theirs.keys() - ours.keys():
        raise Other(f"the class has a `{name}`, which the network has not")
    for name, shape in ours.items():
        if shape != theirs[name]:
            raise Other(f"`{name}` is {theirs[name]} in the class, and {shape} in the network")
    if [*ours] != [*theirs]:
        return f"{len(ours)} equal keys, in another order"
    return f"{len(ours)} equal keys"


def _load(network: nn.Module, twin: nn.Module) -> None:
    try:
        twin.load_state_dict(network.state_dict(), strict=True)
    except RuntimeError as error:
        raise Other(str(error).strip().split("\n")[-1].strip()) from None
    ours = {name: x.requires_grad for name, x in network.named_parameters()}
    theirs = {name: x.requires_grad for name, x in twin.named_parameters()}
    for name, trains in ours.items():
        if name not in theirs:
            raise Other(f"`{name}` is a weight of its own in the network, and shared in the class")
        if not trains and theirs[name]:
            twin.get_parameter(name).requires_grad_(False)
    for name in theirs.keys() - ours.keys():
        raise Other(f"`{name}` is a weight of its own in the class, and shared in the network")


class _Double(TorchFunctionMode):
    """Raises `Other` where what is in float64 becomes less exact.

    A mask in float32 is as bad: torch's attention takes it for one in float64, and what it computes
    is wrong.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        reads = {x.dtype for x in tensors_in((args, kwargs)) if x.dtype.is_floating_point}
        gives = {x.dtype for x in tensors_in(result) if x.dtype.is_floating_point}
        concerned = gives | reads if "attention" in getattr(func, "__name__", "") else gives
        if torch.float64 in reads and concerned - {torch.float64}:
            raise Other("it does not compute in float64")
        return result


def _run_in_double(
    original: nn.Module, twin: nn.Module, inputs: Sequence[Input], run: Mapping[str, int]
) -> bool:
    """Whether network and class compute in float64 if they are given that."""
    tensors = samples_of(inputs, run, False)
    return _is_double(original, lambda own: _original(own, inputs, tensors)) and _is_double(
        twin, lambda own: _generated(own, tensors)
    )


def _is_double(network: nn.Module, run: Callable[[nn.Module], Sequence[torch.Tensor]]) -> bool:
    """Whether a network with weights in float64 gives that."""
    if any(x.is_complex() for x in network.state_dict().values()):
        return False
    try:
        with torch.no_grad(), _Double():
            output = run(copy.deepcopy(network).double().eval())
    except Exception:
        return False
    return all(x.dtype == torch.float64 for x in output if x.dtype.is_floating_point)


def samples_of(inputs: Sequence[Input], run: Mapping[str, int], single: bool) -> list[torch.Tensor]:
    """Random inputs, the same ones each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(run) + sum(run.values()))
        found = [sample(one, run, "cpu") for one in inputs]
    return found if single else [x.double() if x.dtype == torch.float32 else x for x in found]


def told_apart(original: nn.Module, inputs: Sequence[Input], run: Mapping[str, int]) -> Apart:
    """A copy of a network in which what is constant is drawn at random, and norms read the usual.

    No layer of it is like another. Raises what its code raises.
    """
    network = copy.deepcopy(original).eval()
    tensors = samples_of(inputs, run, True)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        for weight in network.parameters():
            row = weight.reshape(-1)
            if weight.is_floating_point() and weight.numel() and bool((row == row[0]).all()):
                weight.copy_(torch.rand_like(weight) + 0.5 if row[0] else _small(weight))
        norms: list[Any] = [m for m in network.modules() if _is_norm(m)]
        for norm in norms:
            if norm.running_mean is not None and norm.running_var is not None:
                norm.running_mean.copy_(torch.randn_like(norm.running_mean) * 0.1)
                norm.running_var.copy_(torch.rand_like(norm.running_var) + 0.5)
        begun = time.perf_counter()
        with _calibrated(norms) as changed:
            outputs = _original(network, inputs, tensors)
        seconds = time.perf_counter() - begun
        final = _is_seeded() and max(changed.values(), default=1) == 1
    return Apart(network, seconds, outputs if final else None)


def _is_norm(module: nn.Module) -> bool:
    """Whether a module has the statistics of a norm; that of a program has no class of its own."""
    plain = type(module) is nn.Module and {"running_mean", "running_var"} <= {*module._buffers}
    return isinstance(module, _BatchNorm) or plain


def _small(weight: torch.Tensor) -> torch.Tensor:
    return torch.randn_like(weight) * 0.1


@contextmanager
def _calibrated(norms: Sequence[nn.Module]) -> Iterator[Mapping[int, int]]:
    """In the ``with`` block norms get statistics near those of what they read: all stays in range.

    Gives how often each has got them.
    """
    own = torch.Generator().manual_seed(2)  # what the network draws does not hang on it
    changed: Counter[int] = Counter()

    def measure(norm: Any, args: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
        (x,) = (*args, *named.values())
        over = [dim for dim in range(x.dim()) if dim != 1]
        mean = x.mean(over)
        var = x.square().mean(over) - mean.square()  # near enough, and much faster than `var`
        var = var.clamp(min=1e-3)
        shift = torch.randn(mean.shape, generator=own).to(mean)
        scale = torch.rand(var.shape, generator=own).to(var)
        norm.running_mean.copy_(mean + 0.1 * var.sqrt() * shift)
        norm.running_var.copy_(var * (scale * 0.5 + 0.75))
        changed[id(norm)] += 1

    hooks = [
        norm.register_forward_pre_hook(measure, with_kwargs=True)
        for norm in norms
        if getattr(norm, "running_mean", None) is not None
    ]
    try:
        yield changed
    finally:
        for hook in hooks:
            hook.remove()


def _original(
    network: nn.Module, inputs: Sequence[Input], tensors: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """The tensors that the network gives; what is drawn at random is the same each time."""
    torch.manual_seed(SEED)
    by_name = {one.name: x for one, x in zip(inputs, tensors, strict=True) if one.name}
    by_place = [x for one, x in zip(inputs, tensors, strict=True) if not one.name]
    return [*tensors_in(_plain(network(*by_place, **by_name)))]


def _generated(twin: nn.Module, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors that the class gives, with the same random draws; it takes inputs in order."""
    torch.manual_seed(SEED)
    return [*tensors_in(twin(*tensors))]


def by_parts(
    run: Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]],
    inputs: Sequence[torch.Tensor],
    dims: Sequence[int],
    size: int,
    batched: Sequence[int | None],
) -> list[torch.Tensor]:
    """What `run` gives for a larger batch than the one `size` that it takes, part by part.

    `dims` are those of the batch in each input, and `batched` those in each output; `None` for an
    output without a batch. Raises `Other` if such an output hangs on the part.
    """
    parts = [torch.split(x, size, dim) for x, dim in zip(inputs, dims, strict=True)]
    runs = map(run, zip(*parts, strict=True))
    found = []
    for several, dim in zip(zip(*runs, strict=True), batched, strict=True):
        if dim is None and not all(torch.equal(several[0], x) for x in several[1:]):
            raise Other("an output has no batch, and yet depends on it")
        found.append(several[0] if dim is None else torch.cat([*several], dim))
    return found


def _is_seeded() -> bool:
    """Whether nothing was drawn at random since the last call began."""
    now = torch.get_rng_state()
    torch.manual_seed(SEED)
    return torch.equal(torch.get_rng_state(), now)


def _plain(output: Any) -> Any:
    """An output of a class of its own as its fields."""
    return vars(output) if hasattr(output, "__dataclass_fields__") else output


def check_equal(
    ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor], close: float, what: str
) -> None:
    """Raise `Other` unless tensors are equal."""
    if len(ours) != len(theirs):
        raise Other(f"the network gives {len(ours)} tensors, the class {len(theirs)}")
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            raise Other(f"the {what} has the shape {tuple(b.shape)}, not {tuple(a.shape)}")
        if not (a.is_floating_point() or a.is_complex()):
            if not torch.equal(a, b):
                raise Other(f"the {what} is another one")
            continue
        if not bool(torch.isfinite(a).all()):
            raise Other(f"the {what} of the network is not finite, so it can't be compared")
        scale = max(float(a.abs().max()), 1e-30) if a.numel() else 1.0
        difference = float((a - b).abs().max()) / scale if a.numel() else 0.0
        if not difference <= close:
            raise Other(f"the {what} differs by {difference:.2g} of its largest value")


def _same_gradients(
    network: nn.Module,
    twin: nn.Module,
    inputs: Sequence[Input],
    tensors: Sequence[torch.Tensor],
    close: float,
) -> bool:
    """Compare outputs and the gradients of the inputs; false, if these have none."""
    if not any(x.is_floating_point() for x in tensors):
        return False
    both, outputs = [], []
    for called in (partial(_original, network, inputs), partial(_generated, twin)):
        own = [x.clone().requires_grad_(x.is_floating_point()) for x in tensors]
        output = called([x * 1 if x.requires_grad else x for x in own])
        outputs.append([x.detach() for x in output])
        smooth = [x for x in output if x.requires_grad and x.is_floating_point()]
        if not smooth:
            return False
        total = sum(map(_weighed, smooth))
        leaves = [x for x in own if x.requires_grad]
        found = torch.autograd.grad(total, leaves, allow_unused=True)  # type: ignore[arg-type]
        both.append(
            [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found, strict=True)]
        )
    check_equal(outputs[0], outputs[1], close, "output")
    check_equal(both[0], both[1], close * 100, "gradient of an input")
    return True


def _weighed(x: torch.Tensor) -> torch.Tensor:
    """The sum of all elements, each with a weight of its own."""
    return (x * torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).view_as(x)).sum()


def _same_training(
    network: nn.Module,
    twin: nn.Module,
    inputs: Sequence[Input],
    tensors: Sequence[torch.Tensor],
    close: float,
) -> list[str]:
    """Compare outputs in training mode, if nothing there is drawn at random."""
    network.train()
    twin.train()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            output = _original(network, inputs, tensors)
        except Exception:
            return ["not compared in training: the network does not run there"]
        drawn = not _is_seeded()
        ours = _generated(twin, tensors)
        if len(output) != len(ours):
            given = f"the network gives {len(output)} tensors there, the class {len(ours)}"
            return [f"not the same in training: {given}"]
        if drawn:
            return ["not compared in training mode: the network draws random numbers"]
        check_equal(output, ours, close, "output in training")
    after = twin.state_dict()
    for name, value in network.state_dict().items():
        check_equal([value], [after[name]], close * 100, f"`{name}` after a step of training")
    return ["equal outputs in training"]
