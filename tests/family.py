"""Random specs in which parameters reach everywhere: the class of the defaults is every network.

``python -m tests.family --count 20000`` tries as many. Of each the class is built once, and called
with other arguments; what it gives is held against the source that ``--set`` gives: the same keys,
shapes and initial values, the same outputs with the same weights, or a refusal by both. What is
drawn beside chains of layers stands in `wider`.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch_netgen import NetgenError
from torch_netgen.analysis.fitting import fit_of
from torch_netgen.analysis.members import is_undecided, without_arguments
from torch_netgen.analysis.prediction import Prediction, check_source, predict
from torch_netgen.emit.audit import audit
from torch_netgen.emit.construct import arguments_of
from torch_netgen.emit.emit import emit
from torch_netgen.emit.render import _template
from torch_netgen.ir.graph import Parameter
from torch_netgen.layers.tensor import TensorType
from torch_netgen.spec.include import including
from torch_netgen.spec.source import Source, from_mapping
from torch_netgen.spec.spec import read_document
from torch_netgen.spec.yaml_writing import as_yaml
from torch_netgen.symbolic.sizes import TooLong, symbols_in

from . import wider
from .apart import Unlike, with_blocks_apart

Spec = dict[str, Any]
Shape = tuple[int, ...]  # without the batch, with all parameters at their defaults

ACTIVATIONS = ("ReLU", "GELU", "Tanh", "SiLU", "Sigmoid")
NUMBERS, COUNTS = (2, 2, 2, 3, 4), (0, 1, 1, 2, 2, 3)
WEIGHTED = ("Linear", "Conv1d", "Conv2d", "BatchNorm2d", "LayerNorm", "PReLU")
WAYS = (
    *("weight_norm", "weight_norm", "spectral_norm", "spectral_norm", "orthogonal"),
    {"weight": {"weight_norm": {"dim": None}}},
    {"bias": "spectral_norm", "weight": "spectral_norm"},
    "$('weight_norm' if in_channels > 3 else None)",
)  # some of which don't fit
FIRST = {  # arguments that may be written alone
    "LeakyReLU": "negative_slope",
    "MaxPool2d": "kernel_size",
    "AvgPool2d": "kernel_size",
    "AdaptiveAvgPool1d": "output_size",
    "AdaptiveAvgPool2d": "output_size",
}
MOST_PAIRS = 2
WIDER = 0.6  # of the items that are no single layer
SIZES = {"N": (2, 3), "T": (4, 7), "H": (8, 6), "W": (6, 9)}


class Draws(random.Random):
    """A seeded source of parts of specs."""

    def chance(self, p: float) -> bool:
        return self.random() < p


class Scope:
    """A scope that grows: its parameters, and what its layers have come to so far."""

    def __init__(self, draws: Draws, shape: Shape, blocks: dict[str, Any] | None) -> None:
        self.draws, self.shape, self.blocks = draws, shape, blocks
        self.is_block = blocks is None
        self.params: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.kinds: dict[str, list[str]] = {k: [] for k in ("number", "count", "flag", "list")}
        self.kinds |= {"word": [], "type": [], "rate": []}
        self.named: dict[str, Shape] = {}  # layers that may be read again
        self.uses: dict[str, tuple[Scope, Shape]] = {}
        self.names = 0
        self.inside = False  # a container whose children have no `from`
        self.required: set[str] = set()
        self.inner: dict[str, Scope] = {}
        self.pairs: dict[str, tuple[Scope, int]] = {}  # blocks of two inputs, with their rank
        self.before = self.after = shape
        self._declare()

    def _declare(self) -> None:
        r = self.draws
        letters = list("abcdefghkmpqrsuvwyz")
        r.shuffle(letters)
        for kind, values, least, most in (
            ("number", NUMBERS, 1, 3), ("flag", (True, True, False), 1, 3),
            ("count", COUNTS, 0, 2), ("list", ([2, 3], [2], [3, 3, 2]), 0, 1),
            ("rate", (0.5, 0.25), 0, 1), ("type", ACTIVATIONS, 0, 1),
            ("word", ("zeros", "reflect"), 0, 1),
        ):  # fmt: skip
            for _ in range(r.randint(least, most)):
                self._param(letters.pop(), kind, copy.copy(r.choice(values)))
        if r.chance(0.4):
            self._param(letters.pop(), "number", f"$({self.term()})")
        if r.chance(0.2):
            self._param(letters.pop(), "flag", f"$({self.test()})")
        if r.chance(0.1):
            self._param(letters.pop(), "list", f"$([{self.term()}, {self.term()}])")

    def _param(self, name: str, kind: str, value: Any) -> None:
        self.params[name] = value
        self.values[name] = self.worth(value)
        self.kinds[kind].append(name)

    def worth(self, value: Any, **more: Any) -> Any:
        """What an expression of ours comes to at the defaults."""
        if not isinstance(value, str) or "$" not in value:
            return value
        code = value.removeprefix("$")
        last = self.shape[-1] if self.shape else 1
        names = {"in_features": last, "in_channels": self.shape[0] if self.shape else 1}
        functions = {"shape": lambda _: self.shape, "ceil_div": lambda a, b: -(-a // b)}
        return eval(code, {**functions, **names, **self.values, **more})

    # expressions

    def any(self, kind: str) -> str | None:
        return self.draws.choice(self.kinds[kind]) if self.kinds[kind] else None

    def term(self) -> str:
        """A small whole number that is not 0, mostly of parameters."""
        r = self.draws
        a, b = self.any("number") or "2", self.any("number") or "3"
        flag, count, items = self.any("flag"), self.any("count"), self.any("list")
        kinds = [a, a, a, f"{a} + {b}", f"{a} * 2", f"{a} + 1", f"max({a}, {b})", f"{a} // 2 + 1"]
        kinds += [f"{a} if {self.test()} else {b}"] if r.chance(0.3) else []
        if flag:
            kinds.append(f"{a} if {flag} else {r.choice((b, '3'))}")
        if count:
            kinds += [f"{count} + 1", f"{a} + {count}"]
        if items:
            kinds += [f"{items}[0]", f"len({items})", f"sum({items})", f"{items}[-1]"]
            kinds += [f"sum([i * j for i, j in zip({items}, [1, {a}])])"] if r.chance(0.2) else []
        kinds += [f"ceil_div({a}, {r.choice((b, '2'))})"] if r.chance(0.3) else []
        return r.choice(kinds)

    def test(self, depth: int = 0) -> str:
        """A condition of parameters."""
        r = self.draws
        kind = r.random()
        if depth < 2 and kind < 0.25:
            joint = r.choice(("and", "or"))
            return f"{self.test(depth + 1)} {joint} {self.test(depth + 1)}"
        if depth < 2 and kind < 0.32:
            return f"not ({self.test(depth + 1)})"
        if depth < 2 and kind < 0.35:
            return f"{r.choice(('any', 'all'))}([{self.test(2)}, {self.test(depth + 1)}])"
        if depth < 2 and kind < 0.4:
            return f"({self.test(2)} if {self.test(2)} else {self.test(2)})"
        number, count, other = self.any("number"), self.any("count"), self.any("number")
        kinds = [name for name in (self.any("flag"), self.any("flag"), number, count) if name]
        kinds += [f"{number} > {r.choice((1, 2, 3))}", f"{number} != {other}"] if number else []
        kinds += [f"{count} > 1", f"{count} == {r.choice((0, 1, 2))}"] if count else []
        items, word, type_ = self.any("list"), self.any("word"), self.any("type")
        kinds += [f"len({items}) > 1"] if items else []
        equal = r.choice((" == [2, 3]", "[:1] == [2]", " in [[2], [3, 3]]"))
        kinds += [items + equal] if items else []
        kinds += [f"{word} {r.choice(('==', '!='))} 'zeros'"] if word else []
        kinds += [type_ + r.choice((" != 'ReLU'", " in ['ReLU', 'Tanh']"))] if type_ else []
        part = r.choice(("len({}) > 4", "{}[0] == 'R'", "{}[1:] != 'eLU'", "{}[-1] in ['s', 't']"))
        kinds += [part.format(name) for name in (word, type_) if name and r.chance(0.2)]
        return r.choice(kinds)

    def number(self, index: bool = False) -> Any:
        """A number as an argument."""
        r, kind = self.draws, self.draws.random()
        if kind < 0.2:
            return r.randint(1, 4)
        if kind < 0.3 and self.shape:
            extra = r.choice(("", " + 1", " // 2 + 1", f" + {self.term()}"))
            return f"$(in_features{extra})"
        if index and kind < 0.5:
            return r.choice(
                (f"$({self.term()} + index)", "$(index + 2)", f"$({self.term()} * (index + 1))")
            )
        return f"$({self.term()})"

    def flag(self, index: bool = False) -> Any:
        """A flag as an argument."""
        r, kind = self.draws, self.draws.random()
        if kind < 0.15:
            return r.chance(0.5)
        if index and kind < 0.35:
            return r.choice(
                ("$(index > 0)", f"$({self.test()} and index > 0)", "$(index % 2 == 0)")
            )
        if kind < 0.45 and self.shape:
            term = self.term()
            return r.choice(
                (f"$(in_features != {term})", f"$(in_features > {term} and {self.test()})")
            )
        return f"$({self.test()})"

    def count(self) -> Any:
        """A number of copies."""
        r, kind = self.draws, self.draws.random()
        counts, flag = self.any("count"), self.any("flag")
        if kind < 0.15:
            return r.randint(0, 3)
        if counts and kind < 0.7:
            return r.choice(
                (
                    f"${counts}",
                    f"${counts}",
                    f"$({counts} + 1)",
                    f"$(2 * {counts})",
                    f"$(max({counts} - 1, 0))",
                )
            )
        if flag and kind < 0.85:
            return f"$(2 if {flag} else {r.randint(0, 1)})"
        return f"$({self.any('number')})"

    def rate(self) -> Any:
        r, rate = self.draws, self.any("rate")
        return r.choice((f"${rate}", f"$({rate} / 2)", f"$(1 - {rate})")) if rate else 0.25

    # layers

    def name(self) -> str:
        self.names += 1
        return f"{self.draws.choice(('net', 'lay', 'part'))}{self.names}"

    def keep(self, index: bool = False) -> dict[str, Any]:
        """A layer that gives the shape that it reads."""
        r = self.draws
        rank = len(self.shape)
        type_ = self.any("type")
        kinds: list[Callable[[], dict[str, Any]]] = [
            lambda: {"ReLU": r.choice((None, None, {"inplace": False}))},
            lambda: {"ReLU": None},
            lambda: {r.choice(ACTIVATIONS): None},
            lambda: {"LeakyReLU": self.rate()},
            lambda: {"Dropout": {"p": self.rate()}},
            lambda: {"ELU": {"alpha": self.number(index)}},
            lambda: {"LayerNorm": {"elementwise_affine": self.flag(index)}},
            lambda: {"Scale": {"factor": self.number(index)}},
            lambda: {"Linear": {"out_features": "$(in_features)", "bias": self.flag(index)}},
            lambda: {"Linear": {"out_features": "$in_features"}},
            lambda: {"PReLU": None},
            lambda: {"Clamp": {"max": self.number(index)}},
            lambda: {"Threshold": [self.number(index), 0.5]},
            lambda: {"Softshrink": {"lambd": self.rate()}},
        ]
        if type_:
            kinds += [lambda: {f"${type_}": None}] * 2
        if rank == 3:
            kinds += [
                lambda: {"BatchNorm2d": {"affine": self.flag(index)}},
                lambda: {"Conv2d": {"out_channels": "$in_channels", "kernel_size": 3, "padding": 1,
                                    "bias": self.flag(index), "padding_mode": self.word()}},
                lambda: {"Conv2d": {"out_channels": "$in_channels", "kernel_size": 1,
                                    "groups": r.choice((1, "$in_channels"))}},
                lambda: {"MaxPool2d": {"kernel_size": 3, "stride": 1, "padding": 1}},
                lambda: {"InstanceNorm2d": {"affine": self.flag(index)}},
            ]  # fmt: skip
        if rank == 2:
            kinds += [
                lambda: {
                    "MultiheadAttention": {
                        "num_heads": 1,
                        "bias": self.flag(index),
                        "batch_first": True,
                    }
                },
                lambda: {
                    "Conv1d": {
                        "out_channels": "$in_channels",
                        "kernel_size": 1,
                        "bias": self.flag(index),
                    }
                },
            ]
        return r.choice(kinds)()

    def word(self) -> str:
        word = self.any("word")
        return f"${word}" if word else "zeros"

    def turn(self, index: bool = False) -> tuple[dict[str, Any], Shape]:
        """A layer that gives another shape, and the shape."""
        r, shape = self.draws, self.shape
        number = self.number(index)
        worth = self.worth(number, index=0)
        if len(shape) == 3 and r.chance(0.8):
            c, h, w = shape
            if r.chance(0.5):
                size, stride = r.choice((1, 2, 3)), r.choice((1, 1, 2))
                kernel: Any = size
                k = r.choice(
                    [name for name in self.kinds["number"] if self.values[name] <= min(h, w)]
                    or [None]
                )
                if k:
                    kernel, size = f"${k}", self.values[k]
                args = {"out_channels": number, "kernel_size": kernel, "stride": stride}
                if r.chance(0.4):
                    args["padding"] = f"$({k} // 2)" if k else 1
                pad = self.worth(args.get("padding", 0))
                out = [(n + 2 * pad - size) // stride + 1 for n in (h, w)]
                return {"Conv2d": args}, (worth, *out)
            kind = r.random()
            if kind < 0.3:
                return {r.choice(("MaxPool2d", "AvgPool2d")): 2}, (c, h // 2, w // 2)
            if kind < 0.5:
                return {"AdaptiveAvgPool2d": number}, (c, worth, worth)
            if kind < 0.6:
                return {"Upsample": {"scale_factor": number}}, (c, h * worth, w * worth)
            if kind < 0.8:
                return {"Pad": {"pad": [number, 0, 1]}}, (c, h, w)
            return {"Conv2d": {"out_channels": number, "kernel_size": 1}}, (worth, h, w)
        if len(shape) == 2 and r.chance(0.5):
            t, f = shape
            kind = r.random()
            if kind < 0.2:
                return {"Transpose": [1, 2]}, (f, t)
            if kind < 0.35:
                return {"Conv1d": {"out_channels": number, "kernel_size": 1}}, (worth, f)
            if kind < 0.5:
                return {
                    "GRU": {
                        "hidden_size": number,
                        "num_layers": r.choice((1, 2)),
                        "batch_first": True,
                    }
                }, (t, worth)
            if kind < 0.6:
                return {
                    "Slice": {
                        "dim": 2,
                        "start": r.choice((0, 1)),
                        "end": f"$(in_features - {r.choice((0, 1))})",
                    }
                }, shape
            if kind < 0.7:
                return {"Pad": {"pad": [number, 0]}}, (t, f + worth)
            if kind < 0.8:
                return {"AdaptiveAvgPool1d": number}, (t, worth)
        if len(shape) == 1 and r.chance(0.15) and not self.inside:
            f = shape[0]
            return {"Unflatten": [1, [f, 1]]}, (f, 1)
        return {"Linear": {"out_features": number, "bias": self.flag(index)}}, (*shape[:-1], worth)

    # items

    def items(self, most: int, depth: int = 0, index: bool = False) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(self.draws.randint(1, most)):
            found += self.item(depth, index)
        return found

    def item(self, depth: int, index: bool) -> list[dict[str, Any]]:
        kind = self.draws.random()
        if kind < 0.36:
            return [self.dressed(self.keep(index), index)]
        if kind < 0.54:
            return self.turned(index)
        if depth > 1:
            return [{"ReLU": None}]
        if not self.inside and self.shape and self.draws.chance(WIDER):
            return self.draws.choice(wider.ITEMS)(self)
        if kind < 0.62:
            return [self.group(depth, index)]
        if kind < 0.70:
            return [self.container(depth, index)]
        if kind < 0.78 and not self.inside:
            return self.branches(depth, index)
        if kind < 0.84 and not self.inside:
            return self.again()
        if kind < 0.88 and not self.inside and len(self.shape) == 2:
            return self.heads()
        if kind < 0.92 and not self.inside:
            return self.source()
        if self.blocks is not None:
            return self.block()
        return [self.dressed(self.keep(index), index)]

    def dressed(self, item: dict[str, Any], index: bool, *, copies: bool = True) -> dict[str, Any]:
        """The item with a name, a condition, a number of copies, or none of them."""
        r = self.draws
        ((type_, args),) = item.items()
        common: dict[str, Any] = {}
        if r.chance(0.4):
            common["when"] = self.flag(index)
            fits = [n for n, shape in self.named.items() if len(shape) == len(self.shape)]
            fits = [n for n in fits if self.named[n] == self.shape or r.chance(0.1)]
            if fits and not self.inside and r.chance(0.25):
                common["else"] = r.choice(fits)
        if copies and r.chance(0.35):
            common["repeat"] = self.count()
        if r.chance(0.45):
            common["name"] = name = self.name()
            if "repeat" in common and r.chance(0.35):
                common["name"] = f"{name}_$index"
            elif not self.inside and not index:
                self.named[name] = self.shape
        if type_ in WEIGHTED and r.chance(0.12):
            common["parametrize"] = copy.deepcopy(r.choice(WAYS))
        if not common or isinstance(args, list):
            return item
        if args is None:
            args = {}
        if not isinstance(args, dict):
            first = FIRST.get(type_)
            if first is None:
                return item
            args = {first: args}
        return {type_: {**args, **common}}

    def dressed_items(self) -> list[dict[str, Any]]:
        """Some layers that give the shape that they read."""
        many = self.draws.randint(1, 2)
        return [
            self.dressed(self.keep(), False, copies=self.draws.chance(0.5)) for _ in range(many)
        ]

    def child(self) -> Scope:
        """A block's scope that reads what is here."""
        return Scope(self.draws, self.shape, None)

    def turned(self, index: bool) -> list[dict[str, Any]]:
        item, shape = self.turn(index)
        if min(shape, default=1) < 1 or max(shape, default=1) > 30:
            return [{"Tanh": None}]
        if self.draws.chance(0.25):
            item = self.dressed(item, index)
        self.shape = shape
        return [item]

    def group(self, depth: int, index: bool) -> dict[str, Any]:
        r, common = self.draws, {}
        if r.chance(0.6):
            common["when"] = self.flag(index)
        if r.chance(0.5):
            common["repeat"] = self.count()
        before, names = self.shape, dict(self.named)
        layers = [
            self.dressed(self.keep("repeat" in common), False, copies=r.chance(0.5))
            for _ in range(r.randint(1, 3))
        ]
        if depth < 1 and r.chance(0.3):
            layers.append(self.group(depth + 1, index))
        self.shape, self.named = before, names
        return self.numbered({"layers": layers, **common}, f"copy{depth}")

    def container(self, depth: int, index: bool) -> dict[str, Any]:
        outer, self.inside = self.inside, True
        names = dict(self.named)
        layers = self.items(3, depth + 1, index)
        if self.kinds["list"] and self.shape and self.draws.chance(0.5):
            layers.append(self.over_list())
        self.inside, self.named = outer, names
        return self.dressed({"Sequential": {"layers": layers}}, index)

    def over_list(self) -> dict[str, Any]:
        """Layers in a container for each item of a list, or for all but one."""
        r, items = self.draws, str(self.any("list"))
        fewer = r.choice((0, 0, 1))
        size = f"{items}[index + {fewer}]" if fewer else f"{items}[index]"
        size = r.choice((size, size, f"{size} + {self.term()}"))
        first = {"Linear": {"out_features": f"$({size})"}}
        if r.chance(0.4):
            first["Linear"]["name"] = f"{self.name()}_$index"
        count = f"$(len({items}) - {fewer})" if fewer else f"$(len({items}))"
        numbers = range(len(self.values[items]) - fewer)
        for index in numbers:
            self.shape = (*self.shape[:-1], int(self.worth(f"$({size})", index=index)))
        if r.chance(0.3):
            return {"Linear": {**first["Linear"], "repeat": count}}
        others = [self.dressed(self.keep(True), True, copies=False) for _ in range(r.randint(0, 2))]
        last = {"Tanh": {"when": f"$(index < len({items}) - {fewer + 1})"}}
        layers = [first, *others, *([last] if r.chance(0.5) else [])]
        return self.numbered({"layers": layers, "repeat": count}, "copy")

    def numbered(self, group: dict[str, Any], name: str) -> dict[str, Any]:
        """A `Group`, in which the number of a copy sometimes has a name."""
        if "repeat" not in group or not self.draws.chance(0.4):
            return {"Group": group}
        # `$index` is part of a name, `"index"` a key
        layers = re.sub(r'(?<![$"\w])index\b', name, json.dumps(group["layers"]))
        repeat = {"times": group["repeat"], "as": name}
        return {"Group": {**group, "layers": json.loads(layers), "repeat": repeat}}

    def branches(self, depth: int, index: bool) -> list[dict[str, Any]]:
        r, before, names = self.draws, self.shape, dict(self.named)
        merge = r.choice(("Add", "Add", "Mul", "Concat"))
        lists = []
        for _ in range(r.randint(1, 2)):
            lists.append(
                [
                    self.dressed(self.keep(index), index, copies=r.chance(0.5))
                    for _ in range(r.randint(1, 3))
                ]
            )
        if len(lists) < 2:
            lists.insert(r.randint(0, 1), [])
        self.shape, self.named = before, names
        args: dict[str, Any] = {"branches": lists}
        if r.chance(0.3) and all(lists):
            args["branches"] = {self.name(): layers for layers in lists}
        if merge == "Concat":
            args["dim"] = 1
            self.shape = (2 * before[0], *before[1:])
        elif r.chance(0.3):
            args["when"] = self.flag(index)
        return [{merge: args}]

    def again(self) -> list[dict[str, Any]]:
        """A merge with an earlier layer, or an earlier layer applied again."""
        r = self.draws
        fits = [name for name, shape in self.named.items() if shape == self.shape]
        if not fits:
            return [self.dressed(self.keep(), False)]
        if r.chance(0.4):
            return [{"Reuse": r.choice(fits)}]
        here = self.name()
        self.named[here] = self.shape
        merge: dict[str, Any] = {"from": [here, r.choice(fits)]}
        if r.chance(0.3):
            merge["when"] = self.flag()
        item = self.keep()
        ((type_, args),) = item.items()
        first = {"name": here, **(args if isinstance(args, dict) else {})}
        return [
            {type_ if args is None or isinstance(args, dict) else "Tanh": first},
            {r.choice(("Add", "Sub", "Mul")): merge},
        ]

    def heads(self) -> list[dict[str, Any]]:
        """A sequence reshaped to heads, and back."""
        r, (_, f) = self.draws, self.shape
        h = r.choice(
            [name for name in self.kinds["number"] if f % self.values[name] == 0] or [None]
        )
        if h is None:
            return [{"ReLU": None}]
        here, name = self.name(), self.name()
        there = f"$(shape({here})[0])"
        first = r.choice((there, "$(in_shape[0])"))
        split = r.choice(
            ([first, f"${h}", -1], [first, f"${h}", f"$(in_features // {h})"], [first, -1, f"${h}"])
        )
        found: list[dict[str, Any]] = [{"Tanh": {"name": here}}]
        if r.chance(0.5):
            found.append(
                self.dressed(
                    {"AdaptiveAvgPool1d": {"output_size": "$in_features"}}, False, copies=False
                )
            )
        self.named[here] = self.shape
        found.append({"Reshape": {"name": name, "shape": split}})
        if r.chance(0.5):
            found.append({"Scale": {"factor": f"$(1 / {h})"}})
        found.append(
            {
                "Reshape": {
                    "shape": [
                        first if first == there else f"$(shape({here})[0])",
                        r.choice((-1, f"$(shape({here})[1])")),
                    ]
                }
            }
        )
        return found

    def source(self) -> list[dict[str, Any]]:
        """A parameter or buffer that is added."""
        r, name = self.draws, self.name()
        last = self.shape[-1]
        here = self.name()
        number = r.choice(
            [f"${n}" for n in self.kinds["number"] if self.values[n] == last]
            or [f"$(shape({here})[-1])"]
        )
        size = [number] if r.chance(0.7) else [1, number]
        made: dict[str, Any] = {"Parameter": {"name": name, "shape": size, "init": "ones_"}}
        if r.chance(0.4):
            made = {
                "Buffer": {
                    "name": name,
                    "value": r.choice(
                        (2.0, f"$({self.term()})", f"$({self.rate()!s})".replace("$($", "$("))
                    ),
                    "shape": size,
                }
            }
        if self.blocks is not None and r.chance(0.25):
            inside = {"Parameter": {"shape": ["$size"], "init": "ones_"}}
            alone: Spec = {"inputs": [], "params": {"size": "required"}, "layers": [inside]}
            if r.chance(0.5):
                alone["layers"].append(r.choice(ACTIVATIONS))
            block = r.choice(("AloneOne", "AloneTwo"))
            self.blocks.setdefault(block, alone)
            made = {block: {"name": name, "size": number}}
        return [{"Tanh": {"name": here}}, made, {r.choice(("Add", "Mul")): [here, name]}]

    def block(self) -> list[dict[str, Any]]:
        """A use of a block, of one that is there already or a new one."""
        assert self.blocks is not None
        r = self.draws
        fits = [name for name, (_, shape) in self.uses.items() if len(shape) == len(self.shape)]
        if fits and r.chance(0.7):
            name = r.choice(fits)
        else:
            name = f"Blk{len(self.blocks)}"
            self.uses[name] = (made := Scope(r, self.shape, None), self.shape)
            if self.uses and r.chance(0.35):
                known = [
                    other
                    for other, (_, shape) in self.uses.items()
                    if other != name and len(shape) == len(self.shape)
                ]
                made.inner = {other: self.uses[other][0] for other in known}
            spec: Spec = {"params": made.params, "layers": made.items(4)}
            if made.inner and r.chance(0.8):
                other = r.choice(sorted(made.inner))
                spec["layers"].insert(r.randint(0, 1), made.use(other, made.inner[other]))
            if r.chance(0.15) and len(made.params):
                spec["params"] = {**made.params}
            if all(
                "from" not in str(item)
                and next(iter(item)) not in ("Add", "Mul", "Concat", "Reuse")
                for item in spec["layers"]
            ) and r.chance(0.25):
                spec["sequential"] = True
            self.blocks[name] = spec
            for param in list(spec["params"]):
                if r.chance(0.2) and not str(spec["params"][param]).startswith("$"):
                    made.required.add(param)
                    spec["params"][param] = "required"
            made.after = made.shape
            made.before = self.shape
        made = self.uses[name][0]
        item = self.use(name, made)
        if made.after == made.before:
            return [self.dressed(item, False)]
        return [item]

    def use(self, name: str, made: Scope) -> dict[str, Any]:
        r = self.draws
        args: dict[str, Any] = {}
        for param, value in made.values.items():
            if param in made.required or r.chance(0.5):
                args[param] = self.given(made, param, value)
        return {name: args}

    def given(self, made: Scope, param: str, value: Any) -> Any:
        """What a use gives for a parameter: something of the same kind."""
        r = self.draws
        kind = next(kind for kind, names in made.kinds.items() if param in names)
        if kind == "number":
            return self.number()
        if kind == "flag":
            return self.flag()
        if kind == "count":
            return self.count()
        if kind == "rate":
            return self.rate()
        own = self.any(kind)
        if own and r.chance(0.6):
            return f"${own}"
        values = {"list": ([2, 2], [3], [2, 3]), "type": ACTIVATIONS, "word": ("zeros", "reflect")}
        return r.choice(values[kind])


def random_spec(draws: Draws) -> Spec:
    """A network in whose every corner its parameters are."""
    return drawn(draws)[0]


def drawn(draws: Draws) -> tuple[Spec, Scope]:
    """The same, and the scope of its layers."""
    shape = draws.choice(((4,), (6,), (3, 4), (4, 6), (2, 6, 6), (3, 8, 8)))
    blocks: dict[str, Any] = {}
    scope = Scope(draws, shape, blocks)
    given, layers = read(draws, scope)
    layers += scope.items(7)
    if len(scope.shape) > 1 and draws.chance(0.7):
        layers.append({"Flatten": None} if draws.chance(0.5) else {"Mean": {"dim": -1}})
        scope.shape = scope.shape[:1]
        layers.append({"Linear": scope.number()})
    spec: Spec = {"name": "Net", **given, "params": scope.params, "layers": layers}
    chain = all("from" not in str(item) and not isinstance(item, str) for item in spec["layers"])
    apart = ("Add", "Sub", "Mul", "Concat", "Reuse", "Alone")
    if chain and not any(word in str(spec["layers"]) for word in apart) and draws.chance(0.3):
        spec["sequential"] = True
    if blocks:
        spec["blocks"] = blocks
    if draws.chance(0.15):
        scopes = re.findall(r"'name': '(\w+)'", str(layers)) if draws.chance(0.5) else []
        scope_of = f"{draws.choice(scopes)}." if scopes else ""
        spec["init"] = {f"{scope_of}Linear": {"weight": {"normal_": {"std": scope.rate()}}}}
    if draws.chance(0.15):
        spec["style"] = "functional"
    return spec, scope


def read(draws: Draws, scope: Scope) -> tuple[Spec, list[dict[str, Any]]]:
    """The inputs, and the layers that bring them together."""
    shape, written = scope.shape, shape_of(draws, scope)
    if draws.chance(0.6):
        return {"input": written}, []
    begin: dict[str, Any] = {"Tanh": {"name": "begin", "from": "first"}}
    scope.named["begin"] = shape
    kind = draws.random()
    if kind < 0.5:
        scope.named["second"] = shape
        given: Spec = {"first": written, "second": shape_of(draws, scope)}
        given["second"] = written if draws.chance(0.5) else given["second"]
        return {"inputs": given}, [begin, {draws.choice(wider.EQUAL): ["begin", "second"]}]
    if kind < 0.75:
        given = {"first": written, "second": {"shape": written, "dtype": "bool"}}
        fill = {"from": ["begin", "second"], "value": scope.number()}
        return {"inputs": given}, [begin, {"MaskedFill": fill}]
    count = written[0] if len(shape) > 1 else 3
    tokens: Spec = {"shape": [count], "dtype": "int64", "range": [0, 5]}
    if len(shape) == 2:
        wide = {"num_embeddings": f"$({scope.term()} + 5)", "embedding_dim": "$(shape(begin)[-1])"}
        table: Spec = {"Embedding": {"name": "table", "from": "second", **wide}}
        return {"inputs": {"first": written, "second": tokens}}, [
            begin,
            table,
            {"Add": ["begin", "table"]},
        ]
    dim = scope.number()
    scope.shape = (scope.worth(dim),)
    del scope.named["begin"]
    table = {
        draws.choice(("Embedding", "EmbeddingBag")): {"num_embeddings": 9, "embedding_dim": dim}
    }
    if "Embedding" in table:
        scope.shape = (3, *scope.shape)
    tokens["shape"] = [draws.choice((3, "T"))]
    return {"inputs": {"first": tokens}}, [table]


def shape_of(draws: Draws, scope: Scope) -> list[Any]:
    """A shape as it may be written: numbers, names and expressions."""
    shape = scope.shape
    written: list[Any] = [*shape]
    if draws.chance(0.25):
        fits = [n for n in scope.kinds["number"] if scope.values[n] == shape[-1]]
        less = [n for n in scope.kinds["number"] if scope.values[n] < shape[-1]]
        written[-1] = f"${fits[0]}" if fits else shape[-1]
        if less and draws.chance(0.4):
            written[-1] = f"$({less[0]} + {shape[-1] - scope.values[less[0]]})"
    if len(shape) == 2 and draws.chance(0.3):
        written[0] = "T"
    if len(shape) == 3 and draws.chance(0.4):
        written[1:] = draws.choice((["H", "W"], [shape[1], "W"], ["H", "H"], ["H", shape[2]]))
    return written


def added(spec: Spec, scope: Scope) -> Spec:
    """The spec with more keys of the document, as far as they fit."""
    for share, add in wider.ADDED:
        if scope.draws.chance(share):
            more = add(predicted(spec, {}), scope, spec)
            spec = spec if refusal(more) else more
    return spec


def whole(spec: Spec) -> Spec | None:
    """The spec without the layers that do not fit, or none where nothing is left."""
    if not refusal(spec):
        return spec
    kept: Spec = {**spec, "layers": []}
    kept.pop("init", None)
    begins = ({**kept, "layers": spec["layers"][:count]} for count in range(1, 4))
    kept = next((begin for begin in begins if not refusal(begin)), kept)  # all inputs are read
    for item in spec["layers"][len(kept["layers"]) :]:
        trial = {**kept, "layers": [*kept["layers"], item]}
        if not refusal(trial):
            kept = trial
    if not kept["layers"]:
        return None
    return tidy(kept)


def tidy(spec: Spec) -> Spec:
    """The spec without blocks that nothing uses."""
    blocks = dict(spec.get("blocks", {}))
    while True:
        text = str([spec["layers"], *(block["layers"] for block in blocks.values())])
        used = {name: block for name, block in blocks.items() if f"'{name}'" in text}
        if len(used) == len(blocks):
            break
        blocks = used
    return {
        **{k: v for k, v in spec.items() if k != "blocks"},
        **({"blocks": blocks} if blocks else {}),
    }


def refusal(spec: Spec) -> str:
    """Why a spec is refused, or nothing."""
    try:
        predict(read_document(source_of(tidy(spec))), {})
    except NetgenError as error:
        return error.diagnostics[0].message
    return ""


# members


def predicted(spec: Spec, overrides: dict[str, Any]) -> Prediction:
    return check_source(source_of(spec), overrides)


def source_of(spec: Spec) -> Source:
    """The source of a spec; some of those with blocks have them in a file that they include."""
    if "blocks" not in spec or zlib.crc32(json.dumps(spec).encode()) % 4:
        return from_mapping(spec)
    text = as_yaml({"blocks": spec["blocks"]})
    own = {key: value for key, value in spec.items() if key != "blocks"}
    return including(from_mapping({**own, "include": ["blocks.yaml"]}), lambda path: text)


def printed(found: Prediction) -> str:
    """The file's text: what black makes of it is the same."""
    return _template().render(file=emit(found.classes, found.statements, "family.yaml", "0" * 12))


def class_of(text: str) -> type[nn.Module]:
    names: dict[str, Any] = {"__name__": "family"}
    exec(compile(text, "family.py", "exec", dont_inherit=True), names)
    found: type[nn.Module] = names["Net"]
    return found


def others(parameter: Parameter) -> list[Any]:
    """Other values of the same kind."""
    value = parameter.value
    if parameter.is_type:
        return [*parameter.types[:2]]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [
            n
            for n in dict.fromkeys((0, 1, 2, value - 1, value + 1, 2 * value))
            if n != value and n >= 0
        ]
    if isinstance(value, float):
        return [value / 2, value + 0.25]
    if isinstance(value, list):
        return [value[:-1] or [4], [*value, value[-1]], [item + 1 for item in value]]
    if value in ACTIVATIONS:
        return [word for word in ACTIVATIONS[:3] if word != value]
    return [word for word in ("zeros", "reflect") if word != value]


def members(parameters: list[Parameter], draws: random.Random) -> Iterator[dict[str, Any]]:
    """The arguments to try: of each parameter its other values, and some pairs."""
    values = {parameter.name: others(parameter) for parameter in parameters}
    for name, found in values.items():
        for value in found:
            yield {name: value}
    for _ in range(MOST_PAIRS if len(values) > 1 else 0):
        names = draws.sample(sorted(values), 2)
        if all(values[name] for name in names):
            yield {name: draws.choice(values[name]) for name in names}


def inputs(found: Prediction) -> list[list[Tensor]]:
    """What the network reads: two batches, and two of each size that has a name."""
    return [[tensor(x.type, sizes_of(run)) for x in found.graph.inputs] for run in (0, 1)]


def sizes_of(run: int) -> dict[str, int]:
    return {name: sizes[run] for name, sizes in SIZES.items()}


def tensor(type_: TensorType, sizes: Mapping[str, int]) -> Tensor:
    """Values that are the same each time."""
    names = [[symbol.name for symbol in symbols_in(size)] for size in type_.shape]
    shape = [
        sizes[own[0]] if own else int(size) for own, size in zip(names, type_.shape, strict=True)
    ]
    values = torch.arange(1, torch.Size(shape).numel() + 1).reshape(shape)
    if type_.dtype == "float32":
        return values.sin()
    return values % 3 == 0 if type_.dtype == "bool" else values % 5


def run(network: nn.Module, given: list[Tensor], *, training: bool) -> Any:
    """What a network gives, or that it refuses."""
    network.train(training)
    reseed()
    try:
        with Seeded():  # type: ignore[no-untyped-call]
            found = network(*given)  # what draws and is not read changes nothing
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    named = found if isinstance(found, dict) else dict(enumerate([found]))
    if isinstance(found, tuple):
        named = dict(enumerate(found))
    return {name: value.detach() for name, value in named.items()}


def difference(default: Prediction, made: type[nn.Module], overrides: dict[str, Any]) -> str:
    """How the class with arguments differs from what ``--set`` gives, or nothing.

    `default` is the prediction for the spec as it is written, `made` its class.
    """
    types = {p.name for p in default.classes[-1].params if p.is_type}
    arguments = arguments_for(overrides, types)
    try:
        found = without_arguments(default, overrides) if overrides else default
    except (TooLong, RecursionError):
        return silent(default, made, arguments, "its sizes are too long to be written")
    except NetgenError as error:
        wrong = error.diagnostics[0]
        if is_undecided(default, wrong):
            return ""
        return silent(default, made, arguments, wrong.message)
    with Seeded():  # type: ignore[no-untyped-call]
        try:
            network = made(**arguments)
        except Exception as error:
            return f"the class raises {type(error).__name__}: {error}"
        other = class_of(printed(found))()
    ours, theirs = network.state_dict(), other.state_dict()
    predictions = {weight.name: tuple(weight.shape) for weight in found.graph.weights}
    left, right = ({k: tuple(v.shape) for k, v in x.items()} for x in (ours, theirs))
    if list(predictions.items()) != list(right.items()):
        return f"keys: {right}, but {predictions} were predicted"
    if list(left.items()) != list(right.items()):
        return f"state_dict: {left}, but {right}"
    own = [[name for name, _ in each.named_parameters()] for each in (network, other)]
    if own[0] != own[1]:
        return f"parameters: {own[0]}, but {own[1]}"
    for key, value in ours.items():
        if not torch.equal(value.nan_to_num(), theirs[key].nan_to_num()):
            return f"initial {key}: {told({0: value})}, but {told({0: theirs[key]})}"
    filled = {key: filling(value) for key, value in theirs.items()}
    buffers = dict(other.named_buffers())
    for key, value in network.named_buffers():
        if not torch.equal(value, buffers[key]):
            return f"buffer {key}: {value}, but {buffers[key]}"
    for turn, x in enumerate(inputs(found)):
        for each in (network, other):  # what is refused in training may count a batch, or not
            each.load_state_dict(filled)
        for training in (False, True):
            wanted, given = (run(each, x, training=training) for each in (other, network))
            shapes = [tuple(t.shape) for t in x]
            if isinstance(given, str) and asks_for_more(default, overrides, found, turn):
                continue
            if not alike(given, wanted):
                return f"for {shapes}, training {training}: {told(given)}, but {told(wanted)}"
    return ""


def apart(
    spec: Spec, default: Prediction, made: type[nn.Module], overrides: dict[str, Any], tally: Tally
) -> str:
    """How the class differs from one with a block for each use, or nothing."""
    if "blocks" not in spec:
        return ""
    try:
        plain = without_arguments(default, overrides)
        other = with_blocks_apart(spec, plain.graph)
        found = without_arguments(predict(read_document(from_mapping(other)), {}), overrides)
    except (NetgenError, TooLong, RecursionError, Unlike):
        return ""
    tally.apart += 1
    types = {p.name for p in default.classes[-1].params if p.is_type}
    network = made(**arguments_for(overrides, types))
    reference = class_of(printed(found))()
    ours, theirs = network.state_dict(), reference.state_dict()
    left, right = ([tuple(v.shape) for v in x.values()] for x in (ours, theirs))
    if left != right:
        return f"apart, weights: {left}, but {right}"
    filled = {key: filling(value) for key, value in ours.items()}
    for x in inputs(found):
        network.load_state_dict(filled)
        reference.load_state_dict(dict(zip(theirs, filled.values(), strict=True)))
        wanted, given = (run(each, x, training=False) for each in (reference, network))
        if isinstance(wanted, str) or isinstance(given, str):
            continue  # which sizes both take is held against what is written elsewhere
        if not alike(given, wanted):
            return f"apart: {told(given)}, but {told(wanted)}"
    return ""


def arguments_for(overrides: dict[str, Any], types: set[str]) -> dict[str, Any]:
    """The arguments of a class: tuples for lists, classes for their names."""
    found = {k: tuple(v) if isinstance(v, list) else v for k, v in overrides.items()}
    return found | {name: getattr(nn, str(found[name])) for name in types & found.keys()}


def filling(value: Tensor) -> Tensor:
    """Numbers of which no two neighbours are equal."""
    if not value.is_floating_point():
        return value
    return torch.arange(value.numel()).cos().reshape(value.shape).to(value.dtype)


def asks_for_more(
    default: Prediction, overrides: dict[str, Any], found: Prediction, turn: int
) -> bool:
    """Whether the class calls layers that the other file does not, and says it takes no such sizes.

    A layer that a `from` passes by is called by the class, which may choose it. What the class says
    of sizes holds for its default member; for another one it may say less.
    """
    if all(call.made for call in found.trace.calls):
        return False
    sizes = sizes_of(turn)
    fits = default.graph.fit.holds(sizes)
    return not (fits and fit_of(predict(default.reading, overrides).graph).holds(sizes))


def alike(left: Any, right: Any) -> bool:
    """Whether two networks gave the same tensors, or both refused."""
    if isinstance(left, str) or isinstance(right, str):
        return type(left) is type(right)
    return [*left] == [*right] and all(
        value.shape == right[name].shape
        and value.dtype == right[name].dtype
        and torch.equal(value.nan_to_num(), right[name].nan_to_num())
        for name, value in left.items()
    )


def told(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str({k: (tuple(v.shape), v.flatten()[:3].tolist()) for k, v in value.items()})


def reseed() -> None:
    """Begin the CPU's random numbers anew; `torch.manual_seed` sees to all devices, slowly."""
    torch.default_generator.manual_seed(0)


class Seeded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Draws the same numbers for tensors of one shape, in whatever order they are made."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            reseed()
        return func(*args, **(kwargs or {}))


class Elements(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes whether a tensor without elements was given by any function of torch."""

    has_empty = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in found if isinstance(found, (tuple, list)) else [found]:
            self.has_empty |= isinstance(value, Tensor) and not value.numel()
        return found


def silent(default: Prediction, made: type[nn.Module], arguments: dict[str, Any], why: str) -> str:
    """That the class runs where ``--set`` is refused, with sizes that its default member takes."""
    sizes = sizes_of(0)
    if not default.graph.fit.holds(sizes):
        sizes |= default.graph.sizes
    with Elements() as seen:  # type: ignore[no-untyped-call]
        try:
            given = [tensor(x.type, sizes) for x in default.graph.inputs]
            made(**arguments).eval()(*given)
        except Exception:
            return ""
    if seen.has_empty:  # torch takes sizes of 0 where netgen does not
        return ""
    return f"the class runs, but --set is refused: {why}"


@dataclass
class Tally:
    """What became of the specs."""

    specs: int = 0
    refused: int = 0
    members: int = 0
    fixed: int = 0
    arguments: int = 0
    apart: int = 0  # members that were held against a block for each use
    defects: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.specs + other.specs,
            self.refused + other.refused,
            self.members + other.members,
            self.fixed + other.fixed,
            self.arguments + other.arguments,
            self.apart + other.apart,
            [*self.defects, *other.defects],
        )


def fuzz(count: int, seed: int, first: int = 0, *, quiet: bool = False) -> Tally:
    """Try so many specs, from number `first` on."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")  # what torch warns of is not done in silence
    for message in ("dropout option adds dropout after all", "Initializing zero-element tensors"):
        warnings.filterwarnings("ignore", message)
    tally = Tally()
    for number in range(first, first + count):
        draws = Draws(f"{seed}/{number}")
        try:
            written, scope = drawn(draws)
            spec = whole(written)
            tally.specs += 1
            if spec is None:
                tally.refused += 1
                continue
            spec = added(spec, scope)
            hold(spec, draws, tally, f"seed {seed}, number {number}", quiet)
        except Exception:
            note(tally, f"seed {seed}, number {number}: {traceback.format_exc(-4)}", quiet)
    return tally


def note(tally: Tally, defect: str, quiet: bool) -> None:
    tally.defects.append(defect)
    if not quiet:
        print(f"\n{defect}", flush=True)


def hold(spec: Spec, draws: random.Random, tally: Tally, where: str, quiet: bool) -> None:
    """Hold all members of one spec against what ``--set`` gives."""
    found = predicted(spec, {})
    text = printed(found)
    audit(text, {})
    for name in unread(text):
        note(tally, f"{where}: `{name}` is assigned and never read\n{text}", quiet)
    made = class_of(text)
    parameters = arguments_of(found.classes[-1])
    tally.fixed += sum(parameter.fixed for parameter in found.classes[-1].params)
    tally.arguments += len(parameters)
    for overrides in [{}, *members(parameters, draws)]:
        tally.members += 1
        differs = difference(found, made, overrides) or apart(spec, found, made, overrides, tally)
        if differs:
            smaller = shrunken(spec, overrides, differs)
            text = yaml.safe_dump(smaller, sort_keys=False, default_flow_style=None, width=110)
            note(tally, f"{where}, {overrides}: {differs}\n{text}", quiet)
            return


def unread(text: str) -> list[str]:
    """The variables of ``forward`` that get another value before anything reads theirs.

    A class whose calls read other tensors than the spec says has some.
    """
    found = []
    for function in ast.walk(ast.parse(text)):
        waiting: set[str] = set()
        for statement in getattr(function, "body", []) if is_forward(function) else []:
            names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            waiting -= {node.id for node in names if isinstance(node.ctx, ast.Load)}
            if isinstance(statement, ast.Assign):
                assigned = {node.id for node in names if isinstance(node.ctx, ast.Store)} - {"_"}
                found += sorted(assigned & waiting)
                waiting |= assigned
    return found


def is_forward(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "forward"


# shrinking


def shrunken(spec: Spec, overrides: dict[str, Any], differs: str) -> Spec:
    """The spec with all taken out without which the class differs in the same way."""
    kind = differs.split(":")[0][:14]
    left = 150
    again = True
    while again and left > 0:
        again = False
        for smaller in reductions(spec):
            left -= 1
            if left <= 0:
                break
            if still(smaller, overrides, kind):
                spec, again = smaller, True
                break
    return spec


def still(spec: Spec, overrides: dict[str, Any], kind: str) -> bool:
    try:
        found = predicted(spec, {})
        if not {*overrides} <= {p.name for p in arguments_of(found.classes[-1])}:
            return False
        made = class_of(printed(found))
        differs = difference(found, made, overrides)
        differs = differs or apart(spec, found, made, overrides, Tally())
        return differs.startswith(kind)
    except Exception:
        return False


def reductions(spec: Spec) -> Iterator[Spec]:
    """The spec without one of its items, parameters or keys."""
    for path in places(spec):
        smaller = copy.deepcopy(spec)
        holder: Any = smaller
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        yield tidy(smaller) if "layers" in smaller else smaller


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = [("name",), ("input",), ("layers",), ("params",)]
    needed = len(path) < 4 and path[-1:] in keys
    if path and not needed:
        yield path
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            if key != "input" or path:
                yield from places(value[key], (*path, key))


# the same bytes


def digest(count: int, seed: int) -> str:
    """What the sources of so many specs come to, in one word."""
    known = hashlib.sha256()
    for number in range(count):
        spec = random_spec(Draws(f"{seed}/{number}"))
        try:
            known.update(printed(predicted(tidy(spec), {})).encode())
        except NetgenError as error:
            known.update(error.diagnostics[0].render().encode())
    return known.hexdigest()


def digest_under(hash_seed: int, count: int, seed: int) -> str:
    """The digest that another process comes to, under another hash seed."""
    code = f"from tests.family import digest; print(digest({count}, {seed}))"
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--first", type=int, default=0)
    arguments.add_argument("--jobs", type=int, default=2)
    options = arguments.parse_args()
    start = time.perf_counter()
    share = options.count // options.jobs
    parts = [(share, options.seed, options.first + job * share) for job in range(options.jobs)]
    if options.jobs == 1:
        total = fuzz(*parts[0])
    else:
        with get_context("spawn").Pool(options.jobs) as pool:
            total = sum(pool.starmap(fuzz, parts), Tally())
    print(f"{total.specs} specs ({total.refused} of them refused), {total.members} members")
    print(
        f"{total.arguments} arguments, {total.fixed} fixed; in {time.perf_counter() - start:.0f} s"
    )
    print(f"{total.apart} members held against a block for each use")
    print(f"{len(total.defects)} defects")
    sys.exit(bool(total.defects))


if __name__ == "__main__":
    main()
