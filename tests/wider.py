"""More of what the family fuzz draws: layers that read what is named, and keys of the document.

Each of `ITEMS` adds some layers to a scope that grows. Each of `ADDED` adds a key to a spec that
fits already; what does not fit is left out again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_netgen.analysis.prediction import Prediction

    from .family import Draws, Scope, Spec

Items = list[dict[str, Any]]
Named = tuple[str | list[str], list[str]]
EQUAL = ("Add", "Sub", "Mul", "Maximum", "Minimum")  # merges of tensors of one shape


def here(scope: Scope) -> tuple[Items, str]:
    """A layer with a name, to be read again."""
    name = scope.name()
    item = scope.keep()
    ((type_, args),) = item.items()
    named = {"name": name, **args} if isinstance(args, dict) else {"name": name}
    scope.named[name] = scope.shape
    return [{type_ if args is None or isinstance(args, dict) else "Tanh": named}], name


def like(scope: Scope) -> tuple[Items, str, str]:
    """Two names for tensors of one shape, of which one may be an older one."""
    items, first = here(scope)
    fits = [n for n, shape in scope.named.items() if shape == scope.shape and n != first]
    if fits and scope.draws.chance(0.6):
        return items, first, scope.draws.choice(fits)
    more, second = here(scope)
    return [*items, *more], second, first


def chosen(scope: Scope) -> Items:
    """A layer that reads one of some tensors."""
    r = scope.draws
    items, first, second = like(scope)
    text = f'"{first}" if {scope.test()} else "{second}"'
    if r.chance(0.3):
        more, third = here(scope)
        items += more
        text = f'"{third}" if {scope.test()} else {text}'
    text = f"$({text})"
    if r.chance(0.35):
        return [*items, {r.choice(EQUAL): {"from": r.choice(([text, first], [first, text]))}}]
    item = scope.keep()
    ((type_, args),) = item.items()
    written = dict(args) if isinstance(args, dict) else {}
    type_ = type_ if args is None or isinstance(args, dict) else "Tanh"
    written["from"] = text
    if r.chance(0.3):
        written["when"] = scope.flag()
    if r.chance(0.3):
        written["repeat"] = scope.count()
    if r.chance(0.4):
        written["name"] = scope.name()
        scope.named[written["name"]] = scope.shape
    return [*items, {type_: written}]


def merged(scope: Scope) -> Items:
    """A merge of any kind of two tensors of one shape."""
    r, shape = scope.draws, scope.shape
    items, first, second = like(scope)
    both = [first, second]
    kinds: list[Callable[[], tuple[str, dict[str, Any]]]] = [
        lambda: (r.choice(EQUAL), {}),
        lambda: ("Concat", {"dim": r.choice((1, -1))}),
        lambda: ("Stack", {"dim": 1}),
        lambda: ("Bilinear", {"out_features": scope.number(), "bias": scope.flag()}),
    ]
    if len(shape) == 2:
        kinds.append(lambda: ("Einsum", {"equation": "nij,nkj->nik"}))
    type_, args = r.choice(kinds)()
    if type_ == "Concat":
        place = 0 if args["dim"] == 1 else len(shape) - 1
        scope.shape = tuple(2 * n if i == place else n for i, n in enumerate(shape))
    elif type_ == "Bilinear":
        scope.shape = (*shape[:-1], scope.worth(args["out_features"]))
    elif type_ == "Einsum":
        scope.shape = (shape[0], shape[0])
    if type_ in EQUAL and r.chance(0.3):
        args["when"] = scope.flag()
    items.append({type_: {"from": both, **args}})
    if type_ == "Stack":
        items.append(r.choice(({"Mean": {"dim": 1}}, {"Select": {"dim": 1, "index": 1}})))
    return items


def forked(scope: Scope) -> Items:
    """A merge of branches, each with layers of any kind."""
    r, before, names = scope.draws, scope.shape, dict(scope.named)
    merge = r.choice((*EQUAL, "Concat", "Concat", "Stack"))
    width = scope.number()
    worth = scope.worth(width)
    same = r.chance(0.5)
    lists: list[Any] = []
    widths = []
    for _ in range(r.randint(2, 3)):
        scope.shape, layers = before, scope.dressed_items()
        if not same or merge == "Concat":
            layers.insert(r.randint(0, len(layers)), {"Linear": {"out_features": width}})
        elif r.chance(0.3):
            layers = []
        widths.append(worth if layers or not same else before[-1])
        lists.append(layers)
    scope.named = names
    last = worth if not same or merge == "Concat" else before[-1]
    scope.shape = (*before[:-1], last)
    args: dict[str, Any] = {"branches": lists}
    if r.chance(0.5):
        single = [x[0] if len(x) == 1 and r.chance(0.5) else x for x in lists]
        args["branches"] = {scope.name(): layers for layers in single}
    if merge == "Concat":
        args["dim"] = -1
        scope.shape = (*before[:-1], len(lists) * worth)
    if merge == "Stack":
        args["dim"] = 1
        return [{merge: args}, {"Amax": {"dim": 1}}]
    if same and merge != "Concat" and r.chance(0.3):
        args["when"] = scope.flag()
    return [{merge: args}]


def parts(scope: Scope) -> Items:
    """Tensors by their ports."""
    r, shape = scope.draws, scope.shape
    name = scope.name()
    last = shape[-1]
    kinds: list[Callable[[], Items]] = []
    if last % 2 == 0:
        kinds.append(lambda: _halves(scope, name, {"Chunk": {"chunks": 2}}))
    fits = [n for n in scope.kinds["number"] if scope.values[n] * 2 == last]
    if fits:
        size = f"${r.choice(fits)}"
        kinds.append(lambda: _halves(scope, name, {"Split": {"sizes": [size, size]}}))
        kinds.append(
            lambda: _halves(
                scope, name, {"Split": {"sizes": [size, f"$(in_features - {size[1:]})"]}}
            )
        )
    if len(shape) == 2:
        kinds += [lambda: _state(scope, name), lambda: _weights(scope, name)]
    if len(shape) == 3 and min(shape[1:]) > 1:
        kinds.append(lambda: _unpooled(scope, name))
    return r.choice(kinds)() if kinds else [{"Tanh": None}]


def _named(scope: Scope, name: str, ports: Sequence[str], read: Sequence[str]) -> Named:
    """A layer's `name`, and references to those of its `ports` that are `read`.

    It is a word, or a list with a name for each output.
    """
    if scope.draws.chance(0.5):
        return name, [f"{name}.{port}" for port in read]
    names = {port: f"{name}_{port}" for port in ports if port in read or scope.draws.chance(0.5)}
    return [names.get(port, "_") for port in ports], [names[port] for port in read]


def _halves(scope: Scope, name: str, item: dict[str, Any]) -> Items:
    ((type_, args),) = item.items()
    scope.shape = (*scope.shape[:-1], scope.shape[-1] // 2)
    called, reads = _named(scope, name, "01", scope.draws.choice(("01", "10")))
    last: dict[str, Any] = {scope.draws.choice(EQUAL): {"from": reads}}
    if scope.draws.chance(0.3):
        last = {"Tanh": {"from": reads[0]}}
    if scope.draws.chance(0.3):
        text = f'$("{reads[0]}" if {scope.test()} else "{reads[1]}")'
        last = {"Linear": {"from": text, "out_features": "$in_features"}}
    return [{type_: {"name": called, **args, "dim": -1}}, last]


def _state(scope: Scope, name: str) -> Items:
    r, size = scope.draws, scope.number()
    type_, port = r.choice((("GRU", "h_n"), ("LSTM", "h_n"), ("LSTM", "c_n"), ("RNN", "h_n")))
    args = {"hidden_size": size, "batch_first": True, "num_layers": r.choice((1, scope.count()))}
    if type_ == "RNN" and r.chance(0.5):
        args["nonlinearity"] = "relu"
    args["dropout"] = r.choice((0.0, scope.rate()))
    scope.shape = (scope.worth(size),)
    ports = ("output", "h_n", "c_n") if type_ == "LSTM" else ("output", "h_n")
    called, reads = _named(scope, name, ports, [port])
    return [
        {type_: {"name": called, **args}},
        {"Select": {"from": reads[0], "dim": 0, "index": -1}},
    ]


def _weights(scope: Scope, name: str) -> Items:
    args = {"num_heads": scope.draws.choice((1, scope.number())), "batch_first": True}
    scope.shape = (scope.shape[0], scope.shape[0])
    args["bias"] = scope.flag()
    called, reads = _named(scope, name, ("output", "weights"), ["weights"])
    return [{"MultiheadAttention": {"name": called, **args}}, {"Tanh": {"from": reads[0]}}]


def _unpooled(scope: Scope, name: str) -> Items:
    called, reads = _named(scope, name, ("output", "indices"), ("output", "indices"))
    pool = {"name": called, "kernel_size": 2, "return_indices": True}
    return [{"MaxPool2d": pool}, {"MaxUnpool2d": {"from": reads, "kernel_size": 2}}]


def masked(scope: Scope) -> Items:
    """A condition on numbers, and what is done with it."""
    r = scope.draws
    items, first, second = like(scope)
    mask = scope.name()
    other: dict[str, Any] = {"from": first, "other": scope.number()}
    if r.chance(0.4):
        other = {"from": [first, second]}
    items.append({r.choice(("Gt", "Le", "Ne", "Ge")): {"name": mask, **other}})
    if r.chance(0.5):
        value = r.choice((0.0, scope.number(), scope.rate()))
        return [*items, {"MaskedFill": {"from": [second, mask], "value": value}}]
    return [*items, {"Where": {"from": [mask, first, second]}}]


def computed(scope: Scope) -> Items:
    """An operation with arguments."""
    r, shape, last = scope.draws, scope.shape, scope.shape[-1]
    number, flag = scope.number(), scope.flag()
    keep: Items = [
        {"Roll": {"shifts": number, "dims": -1}},
        {"Flip": {"dims": [-1]}},
        {"Pow": {"exponent": number}},
        {"Div": {"other": number}},
        {"Sub": {"other": scope.rate()}},
        {"Clamp": {"min": scope.rate(), "max": number}},
        {"Normalize": {"p": number, "dim": -1}},
        {"Softmax": {"dim": -1}},
        {"DropPath": {"p": scope.rate()}},
        {"Abs": None},
        {"Neg": None},
        {"Cast": "float32"},
    ]
    if len(shape) < 2:
        return [r.choice(keep)]
    dim = r.choice((1, -1))
    rest = shape[1:] if dim == 1 else shape[:-1]
    fewer: list[tuple[dict[str, Any], tuple[int, ...]]] = [
        ({r.choice(("Mean", "Sum", "Amax", "Amin")): {"dim": dim}}, rest),
        ({"Norm": {"p": number, "dim": dim}}, rest),
        ({"Select": {"dim": dim, "index": r.choice((0, -1, scope.number()))}}, rest),
        ({"Slice": {"dim": -1, "end": number}}, (*shape[:-1], min(scope.worth(number), last))),
        ({"Slice": {"dim": -1, "start": number}}, (*shape[:-1], last - scope.worth(number))),
        ({"Slice": {"dim": -1, "step": number}}, (*shape[:-1], -(-last // scope.worth(number)))),
        ({"Mean": {"dim": -1, "keepdim": flag}}, (*shape[:-1], 1)),
        ({"Permute": {"dims": [0, *range(2, len(shape) + 1), 1]}}, (*shape[1:], shape[0])),
        ({"Flatten": {"start_dim": r.choice((1, -2))}}, ()),
        ({"Triu": {"diagonal": scope.number()}}, shape),
        ({"Tril": {"diagonal": r.choice((0, number))}}, shape),
        ({"Interpolate": {"scale_factor": number}}, ()),
    ]
    item, after = r.choice([*fewer, *((item, shape) for item in keep)])
    if item.get("Flatten"):
        return [{"Flatten": {"start_dim": 1}}, {"Linear": number}] if _flat(scope, number) else []
    if "Interpolate" in item:
        after = (shape[0], *(n * scope.worth(number) for n in shape[1:]))
    if not after or min(after) < 1 or max(after) > 30:
        return [r.choice(keep)]
    scope.shape = after
    return [item]


def _flat(scope: Scope, number: Any) -> bool:
    scope.shape = (scope.worth(number),)
    return True


def attentive(scope: Scope) -> Items:
    """Attention, by functions and by stacks of layers."""
    r = scope.draws
    if len(scope.shape) != 2:
        return computed(scope)
    items, first, second = like(scope)
    if r.chance(0.5):
        args: dict[str, Any] = {"from": [first, second, r.choice((first, second))]}
        for name, value in (
            ("dropout_p", scope.rate()), ("is_causal", scope.flag()), ("scale", scope.rate()),
        ):  # fmt: skip
            if r.chance(0.5):
                args[name] = value
        if r.chance(0.2):
            args["when"] = scope.flag()
        return [*items, {"ScaledDotProductAttention": args}]
    layer = {"nhead": r.choice((1, scope.number())), "dim_feedforward": scope.number()}
    layer |= {"batch_first": True, "norm_first": scope.flag(), "dropout": scope.rate()}
    layer["activation"] = r.choice(("relu", "gelu"))
    if r.chance(0.5):
        return [
            *items,
            scope.dressed({"TransformerEncoderLayer": {"from": first, **layer}}, False),
        ]
    stack: dict[str, Any] = {"encoder_layer": {"TransformerEncoderLayer": layer}}
    stack |= {"num_layers": scope.count(), "enable_nested_tensor": False}
    if r.chance(0.5):
        stack["norm"] = "LayerNorm"
    return [*items, {"TransformerEncoder": stack}]


def held(scope: Scope) -> Items:
    """A parameter, a buffer or positions, of shapes and values of all forms."""
    r = scope.draws
    items, first = here(scope)
    name, last = scope.name(), scope.shape[-1]
    fits = [n for n in scope.kinds["number"] if scope.values[n] == last]
    size = r.choice([*fits, f"shape({first})[-1]", str(last)])
    kinds: list[Callable[[], dict[str, Any]]] = [
        lambda: {"Parameter": {"shape": f"$({size})", "init": started(scope.draws, scope, 1)}},
        lambda: {"Parameter": {"shape": [1, f"$({size})"], "init": started(r, scope, 2)}},
        lambda: {"Buffer": {"value": f"$([1 / (i + 1) for i in range({size})])"}},
        lambda: {"Buffer": {"value": f"$([[{scope.term()}] * ({size})])"}},
        lambda: {
            "Buffer": {
                "value": f"$([sin(i) if {scope.test()} else i / 2 for i in range({size})])"
            }
        },
        lambda: {"Buffer": {"value": f"$([{scope.term()}] + [0.5] * ({size} - 1))"}},
        lambda: {"Buffer": {"value": [r.choice((scope.number(), 0.5)) for _ in range(last)]}},
        lambda: {"Buffer": {"value": scope.number(), "dtype": "float32", "shape": f"$({size})"}},
        lambda: {"Buffer": {"value": f"$({scope.term()})"}},
    ]  # fmt: skip
    ((type_, args),) = r.choice(kinds)().items()
    if type_ == "Buffer" and r.chance(0.4):
        args["persistent"] = scope.flag()
    if r.chance(0.3):
        name = f"{name}.{r.choice(('own', '0', 'inner.own'))}"
    made = {type_: {"name": name, **args}}
    if r.chance(0.2) and len(scope.shape) == 2:
        places, table = scope.name(), {"num_embeddings": f"$(shape({first})[0])"}
        wide = {"name": name, "from": places, **table, "embedding_dim": f"$({size})"}
        return [
            *items,
            {"Arange": {"name": places, "size": f"$(shape({first})[0])"}},
            {"Embedding": wide},
            {"Add": [first, name]},
        ]
    return [*items, made, {r.choice(("Add", "Mul")): {"from": [first, name]}}]


def weighted(scope: Scope) -> Items:
    """A linear map or a convolution that reads its weight, which is computed from a parameter."""
    r = scope.draws
    items, first = here(scope)
    weight, name, last = scope.name(), scope.name(), scope.shape[-1]
    out: Any = scope.number()
    grown = {r.choice(("Tanh", "Exp")): {"name": name, "from": weight}}
    if len(scope.shape) == 3 and min(scope.shape[1:]) >= 3 and r.chance(0.7):
        sizes = [out, f"$(shape({first})[0])", 3, 3]
        args: dict[str, Any] = {"padding": r.choice((1, "same"))}
        use: dict[str, Any] = {"FunctionalConv2d": {"from": [first, name], **args}}
    else:
        fits = [n for n in scope.kinds["number"] if scope.values[n] == last]
        sizes = [out, f"${r.choice(fits)}" if fits else f"$(shape({first})[-1])"]
        use = {"FunctionalLinear": {"from": [first, name]}}
    made = {"Parameter": {"name": weight, "shape": sizes, "init": "ones_"}}
    ((_, args),) = use.items()
    if r.chance(0.4):
        bias = scope.name()
        args["from"].append(bias)
        return [*items, made, {"Parameter": {"name": bias, "shape": [out]}}, grown, use]
    return [*items, made, grown, use]


def paired(scope: Scope) -> Items:
    """A convolution with pairs of numbers."""
    r = scope.draws
    if len(scope.shape) != 3 or min(scope.shape[1:]) < 3:
        return computed(scope)
    channels = scope.number()
    pairs = [n for n in scope.kinds["list"] if scope.worth(f"$(len({n}))") == 2]
    odd = [n for n in scope.kinds["number"] if scope.values[n] == 3]
    kernel: Any = [3, 1]
    padding: Any = [1, 0]
    if odd and r.chance(0.5):
        k = r.choice(odd)
        kernel, padding = [f"${k}", 1], f"$([{k} // 2, 0])"
    elif pairs:
        p = r.choice(pairs)
        kernel = f"${p}"
        padding = r.choice((0, f"$([{p}[i] // 2 for i in range(2)])"))
    item = {"Conv2d": {"out_channels": channels, "kernel_size": kernel, "padding": padding}}
    sizes = scope.worth(kernel) if isinstance(kernel, str) else [scope.worth(k) for k in kernel]
    pads = padding if isinstance(padding, list) else scope.worth(padding)
    pads = [pads, pads] if isinstance(pads, int) else pads
    after = [n + 2 * p - k + 1 for n, p, k in zip(scope.shape[1:], pads, sizes, strict=True)]
    if min(after) < 1:
        return computed(scope)
    scope.shape = (scope.worth(channels), *after)
    return [item]


def nested(scope: Scope) -> Items:
    """Containers and groups in each other, with names of all forms."""
    r = scope.draws
    name = scope.name()
    layers = [
        {"Sequential": {"layers": scope.dressed_items(), "when": scope.flag()}},
        {"Group": {"layers": scope.dressed_items(), "repeat": scope.count()}},
        {"Sequential": {"layers": scope.dressed_items(), "repeat": scope.count()}},
        {"Group": {"layers": scope.dressed_items(), "when": scope.flag()}},
    ]
    inner = r.sample(layers, r.randint(1, 2))
    if r.chance(0.5):
        return [{"Group": {"layers": inner, r.choice(("repeat", "when")): scope.count()}}]
    outer: dict[str, Any] = {"name": name, "layers": inner}
    return [{"Sequential": outer}]


def listed(scope: Scope) -> Items:
    """Layers with dotted names, in an `nn.ModuleList` or `nn.ModuleDict`."""
    r = scope.draws
    name = scope.name()
    names = [f"{name}.{n}" for n in r.choice((("0", "1"), ("0", "1", "2"), ("left", "right")))]
    items: Items = []
    for each in names:
        ((type_, args),) = scope.keep().items()
        known = args is None or isinstance(args, dict)
        written = {"name": each, **(args if known and args else {})}
        if r.chance(0.3):
            written["when"] = scope.flag()
        items.append({type_ if known else "Tanh": written})
    return items


def applied(scope: Scope) -> Items:
    """A layer applied again, to something else."""
    r = scope.draws
    items, first, second = like(scope)
    layer, again = scope.name(), scope.name()
    args: dict[str, Any] = {"name": layer, "out_features": "$in_features", "bias": scope.flag()}
    if r.chance(0.3):
        args["repeat"] = scope.count()
    if r.chance(0.3):
        args["when"] = scope.flag()
    reuse: dict[str, Any] = {"name": again, "layer": layer, "from": r.choice((first, second))}
    if r.chance(0.3):
        reuse["from"] = f'$("{first}" if {scope.test()} else "{second}")'
    if r.chance(0.3):
        reuse["when"] = scope.flag()
    return [*items, {"Linear": args}, {"Reuse": reuse}, {r.choice(EQUAL): [layer, again]}]


def crossed(scope: Scope) -> Items:
    """A use of a block with two inputs and two outputs."""
    if scope.blocks is None:
        return chosen(scope)
    r = scope.draws
    items, first, second = like(scope)
    name = next((n for n in scope.pairs if scope.pairs[n][1] == len(scope.shape)), "")
    if not name or r.chance(0.3):
        name = f"Two{len(scope.blocks)}"
        scope.blocks[name] = _two(scope, name)
    made = scope.pairs[name][0]
    use = scope.name()
    outputs = scope.blocks[name].get("outputs")
    args = {"name": use, "from": [first, second], **scope.use(name, made)[name]}
    if outputs and r.chance(0.4):
        args |= {"repeat": scope.count(), "carry": True}
        if r.chance(0.3):
            args["when"] = scope.flag()
    items.append({name: args})
    if isinstance(outputs, dict):
        return [*items, {r.choice(EQUAL): [f"{use}.{key}" for key in outputs]}]
    if outputs:
        return [*items, {r.choice(EQUAL): [f"{use}.0", f"{use}.1"]}]
    return items


def collected(scope: Scope) -> Items:
    """What each copy of a layer gives, joined or added up."""
    r, name, last = scope.draws, scope.name(), scope.shape[-1]
    ((type_, args),) = scope.keep().items()
    known = isinstance(args, dict)
    written = {"name": name, **(args if known else {}), "repeat": scope.count(), "collect": True}
    if r.chance(0.3):
        written["when"] = scope.flag()
    scope.named[name] = scope.shape
    each = r.choice(([f"{name}.all", name], [name, f"{name}.all"], [name, name, f"{name}.all"]))
    joins: list[Items] = [
        [{"Concat": {"from": each, "dim": -1}}, {"Linear": {"out_features": last}}],
        [{"Stack": {"from": each, "dim": 1}}, {r.choice(("Mean", "Sum", "Amax")): {"dim": 1}}],
        [{"Add": each}],
    ]
    return [{type_ if known or args is None else "Tanh": written}, *r.choice(joins)]


def _two(scope: Scope, name: str) -> dict[str, Any]:
    """A block that reads two tensors."""
    r = scope.draws
    made = scope.child()
    scope.pairs[name] = (made, len(scope.shape))
    made.named = {"left": scope.shape, "right": scope.shape}
    one, two = made.name(), made.name()
    wide = {"out_features": "$in_features", "bias": made.flag()}
    layers: Items = [
        {"Linear": {"name": one, "from": "left", **wide}},
        {"Linear": {"name": two, "from": "right", "out_features": "$in_features"}},
    ]
    made.named |= {one: scope.shape, two: scope.shape}
    layers += r.choice((chosen, merged_alike, applied, masked, held))(made)
    last = made.name()
    layers.append({r.choice(EQUAL): {"name": last, "from": [one, two]}})
    outputs = r.choice((None, [last, one], {"sum": last, "part": two}, {"x": "left", "y": last}))
    if not outputs:
        layers.append({"Add": [last, r.choice(("left", "right"))]})
    block: dict[str, Any] = {"inputs": ["left", "right"], "params": made.params, "layers": layers}
    return {**block, **({"outputs": outputs} if outputs else {})}


def merged_alike(scope: Scope) -> Items:
    """A merge that keeps the shape."""
    items, first, second = like(scope)
    return [*items, {scope.draws.choice(EQUAL): {"from": [first, second], "when": scope.flag()}}]


def fitted(scope: Scope) -> Items:
    """Padding to the sizes of a larger tensor, or cropping to those of a smaller one."""
    r, (*others, last) = scope.draws, scope.shape
    items, small = here(scope)
    large, number = scope.name(), scope.number()
    items.append({"Pad": {"name": large, "pad": [number, 1]}})
    if r.chance(0.5):
        return [*items, {"Crop": {"to": small, "dims": [-1]}}]
    scope.shape = (*others, last + scope.worth(number) + 1)
    scope.named[large] = scope.shape
    side = r.choice(("both", "start"))
    return [*items, {"Pad": {"from": small, "to": large, "dims": [-1], "side": side}}]


ITEMS: Sequence[Callable[[Scope], Items]] = (
    fitted,
    *(chosen, chosen, merged, forked, forked, parts, masked, computed, computed, attentive),
    *(held, held, weighted, paired, nested, listed, applied, crossed, collected),
)


# keys of the document


def started(r: Draws, scope: Scope, rank: int) -> Any:
    """A function of `torch.nn.init` with its arguments."""
    rate, number = scope.rate(), scope.number()
    known = [
        "zeros_", "ones_", "normal_", {"normal_": {"std": rate}}, {"normal_": [0.0, rate]},
        {"uniform_": {"a": 0.0, "b": number}}, {"constant_": number}, {"constant_": {"val": rate}},
        {"trunc_normal_": {"mean": rate, "std": 0.02}},  # `Seeded` draws no second time
    ]  # fmt: skip
    if rank > 1:
        known += [
            "xavier_uniform_", {"xavier_normal_": {"gain": number}}, "orthogonal_",
            {"kaiming_normal_": {"mode": "fan_out", "nonlinearity": "relu"}},
            {"kaiming_uniform_": {"a": rate}}, "eye_", {"sparse_": {"sparsity": 0.5, "std": rate}},
        ]  # fmt: skip
    return copy.deepcopy(r.choice(known))


def init(found: Prediction, scope: Scope, spec: Spec) -> Spec:
    """Initial weights of some layers: by type, by name, by path."""
    r = scope.draws
    rules: dict[str, Any] = dict(spec.get("init", {}))
    layers = [(path, m) for path, m in found.graph.layers() if m.weights and m.row is not None]
    for path, module in r.sample(layers, min(len(layers), r.randint(1, 3))):
        weights = [w for w in module.weights if w.trainable and "." not in w.name and w.name]
        if weights and module.row is not None:
            weight = r.choice(weights)
            key = r.choice((module.row.name, path.rpartition(".")[2], path))
            rule = started(r, scope, len(weight.shape))
            rules[key] = {**rules.get(key, {}), weight.name: rule}
    return {**spec, "init": rules} if rules else spec


def tie(found: Prediction, scope: Scope, spec: Spec) -> Spec:
    """Parameters under two names."""
    r = scope.draws
    weights = [w for w in found.graph.weights if w.trainable]
    pairs = [
        (a.name, b.name)
        for a in weights
        for b in weights
        if a is not b and [*map(int, a.shape)] == [*map(int, b.shape)]
    ]
    return {**spec, "tie": dict([r.choice(pairs)])} if pairs else spec


def alias(found: Prediction, scope: Scope, spec: Spec) -> Spec:
    """A module under a further name, in the network or in a block."""
    r = scope.draws
    layers = [(p, m) for p, m in found.graph.layers() if m.row is not None and not m.row.source]
    owners = ["", *(f"{p}." for p, m in layers if m.node.use and not m.node.use.graph.sequential)]
    if not layers:
        return spec
    chosen = [(f"{r.choice(owners)}again{n}", r.choice(layers)[0]) for n in range(r.randint(1, 2))]
    right = {name: own for name, own in chosen if not name.startswith(f"{own}.")}
    return {**spec, "alias": dict([*right.items()][:1])} if right else spec


def outputs(_: Prediction, scope: Scope, spec: Spec) -> Spec:
    """Several outputs: a list, or a mapping."""
    r = scope.draws
    layers = [dict(item) for item in spec["layers"]]
    ((type_, args),) = layers[-1].items()
    if args is None or isinstance(args, dict):
        args = args or {}
        last = args.get("name", "last")
        layers[-1] = {type_: {**args, "name": last}}
    else:
        return spec
    written = [next(iter(item.values())) for item in layers[:-1]]
    names = [x["name"] for x in written if isinstance(x, dict) and "name" in x]
    every = [word for name in names for word in (name if isinstance(name, list) else [name])]
    names = [word for word in every if "$" not in word and word != "_"]
    chosen = [last, *r.sample(names, min(len(names), r.randint(0, 2)))]
    r.shuffle(chosen)
    as_list = r.chance(0.5)
    found: Any = chosen if as_list else {f"out{n}": name for n, name in enumerate(chosen)}
    return {**spec, "layers": layers, "outputs": found}


def declare(found: Prediction, scope: Scope, spec: Spec) -> Spec:
    """Some attributes in another order, in the network or in one of its blocks."""
    r = scope.draws
    uses = [(m.node.use.block, m.node.use.graph) for _, m in found.graph.layers() if m.node.use]
    block, graph = r.choice([("", found.graph), *uses])
    named = [m for m in graph.modules if m.name and not m.node.repeated]
    if graph.sequential or not named or (block and block not in spec.get("blocks", {})):
        return spec
    names = [
        f"{module.name}.{child.name}"
        if (child := r.choice(module.children or (module,))) is not module
        and module.row is None
        and module.node.kind in ("Module", "ModuleDict")
        and not child.name.isdecimal()
        else module.name
        for module in r.sample(named, r.randint(1, len(named)))
    ]
    if not block:
        return {**spec, "declare": names}
    blocks = {**spec["blocks"], block: {**spec["blocks"][block], "declare": names}}
    return {**spec, "blocks": blocks}


ADDED: Sequence[tuple[float, Callable[[Prediction, Scope, Spec], Spec]]] = (
    (0.35, init),
    (0.2, tie),
    (0.2, declare),
    (0.2, alias),
    (0.3, outputs),
)
