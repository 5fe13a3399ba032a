"""The class of the default build is every network of its spec: it does what ``--set`` does."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from torch_netgen import NetgenError
from torch_netgen.analysis.prediction import check_source
from torch_netgen.emit.construct import arguments_of
from torch_netgen.spec.source import from_mapping

from . import family

# what was wrong once, with arguments that showed it
FOLLOWS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "an attribute under a condition serves no call without it": (
        """
        input: [8]
        params: {pre: true}
        layers:
        - Linear: {name: a, out_features: 8, when: $pre}
        - ELU: {when: $pre}
        - Linear: {name: b, out_features: 8}
        - ELU
        """,
        [{"pre": False}],
    ),
    "initial weights of a child whose number depends on which children are there": (
        """
        input: [4]
        params: {p: false, n: 1}
        layers:
        - Sequential:
            name: a
            layers:
            - PReLU: {when: $p}
            - LayerNorm
            - ELU: {repeat: $n}
            - Sequential: {layers: [{Linear: 4}, ReLU]}
        - Linear: 4
        init:
          "0": {weight: {normal_: {mean: 0.25, std: 0.02}}}
          a.1: {weight: {normal_: {mean: 0.5, std: 0.01}}}
          a.2.0: {bias: ones_}
        """,
        [{"p": True}, {"n": 2}, {"p": True, "n": 2}],
    ),
    "initial weights of layers that torch builds inside another one": (
        """
        input: [T, 6]
        params: {p: false}
        layers:
        - MultiheadAttention: {name: attn, num_heads: 1}
        - Linear: {out_features: 6, bias: $(not p)}
        init: {Linear: {bias: uniform_}}
        """,
        [{"p": True}],
    ),
    "a layer that nothing calls refuses nothing": (
        """
        input: [T, 4]
        params: {d: 2}
        layers:
        - Tanh: {name: a}
        - Reshape: [$d, -1]
        - Tanh: {name: b}
        - Dropout: {from: $("b" if 1 > 2 else "a")}
        - ReLU: {when: $(d > 1)}
        """,
        [{"d": 0}, {"d": 1}],
    ),
    "a name in `init` that layers of two types have, each with other weights": (
        """
        input: [T, 4]
        params: {k: true}
        layers:
        - Blk: {k: $k}
        - PReLU: {name: part}
        init:
          part: {in_proj_bias: ones_, weight: {constant_: 0.75}}
        blocks:
          Blk:
            params: {k: required}
            layers:
            - MultiheadAttention: {num_heads: 1, bias: $k, name: part}
            - ReLU
        """,
        [{"k": True}, {"k": False}],
    ),
    "what a layer chooses that no use of its block has": (
        """
        input: [2, 4]
        params: {p: 2}
        layers:
        - Blk: {s: $p}
        - Linear: $p
        blocks:
          Blk:
            params: {e: 2, g: 2, s: 4}
            layers:
            - Tanh: {name: a}
            - ReLU: {name: b}
            - ELU: {from: $("a" if s == g else "b"), when: $(e != g)}
        """,
        [{"p": 3}],
    ),
    "containers with one name in the copies of a loop": (
        """
        input: [4]
        params: {h: 1}
        layers:
        - Sequential:
            layers:
            - Group:
                layers: [PReLU: {repeat: $h, name: net}]
                repeat: $h
        """,
        [{"h": 2}, {"h": 0}],
    ),
    "a default that divides, of a parameter that nothing uses": (
        """
        input: [4]
        params: {b: 2, f: 2, u: $b, s: "$(ceil_div(f, b))", a: [1, $(4 // b), "$(u // b)"]}
        layers:
        - Linear: 4
        - Clamp: {max: "$(max(f, b))"}
        """,
        [{"b": 0}, {"f": 0}],
    ),
    "a default that can't be computed, of a parameter that is given": (
        """
        input: [6]
        params: {c: 3, e: 3, q: "$(ceil_div(c, e))"}
        layers:
        - Linear: {out_features: $(c + 1)}
        - Scale: {factor: $(in_features + q)}
        """,
        [{"e": 0, "q": 0}, {"e": 0}],
    ),
    "a slice that ends behind its size if a parameter is 0": (
        """
        inputs: {first: {shape: [], dtype: int64}}
        params: {v: 2}
        layers:
        - Embedding: {num_embeddings: 9, embedding_dim: $(v + 1)}
        - Slice: {dim: -1, end: 2}
        - Linear: $(in_features + v)
        """,
        [{"v": 1}, {"v": 4}],
    ),
    "copies of which there may be none, where something else passes": (
        """
        inputs: {first: [6], second: [6]}
        params: {r: 3, v: 2, w: 2}
        layers:
        - Tanh: {name: begin, from: first}
        - Mul: [begin, second]
        - Linear: {name: n, out_features: 6, when: $(r != 5), else: begin, repeat: "$(v // 2)"}
        - Blk: {n: $v, flag: $(r > 3)}
        - Blk: {n: 1, flag: true}
        blocks:
          Blk:
            params: {n: 2, flag: true}
            layers:
            - Tanh: {name: a}
            - ReLU
            - PReLU: {when: $flag, else: a, repeat: $n, name: inner}
            - ELU
        """,
        [{"v": 0}, {"v": 1}, {"r": 5}, {"v": 0, "r": 5}, {"r": 4, "v": 3}],
    ),
    "a condition that comes to one value in all uses of its block": (
        """
        input: [4]
        params: {z: 1, w: true}
        layers:
        - Blk: {z: $z, w: $w}
        - Linear: {out_features: $(z + 3)}
        blocks:
          Blk:
            params: {z: 2, w: true}
            layers:
            - PReLU: {name: net1}
            - ReLU: {name: part2}
            - Add: {from: [part2, $("part2" if w else "net1")]}
            - SiLU: {when: "$(in_features != ceil_div(z, z))"}
            - Linear: {out_features: 4, when: "$(in_features != ceil_div(z, z))"}
            - Tanh: {when: "$(in_features == ceil_div(z, z))"}
            - Linear: {name: odd, out_features: 3, when: "$(in_features == ceil_div(z, z))"}
            - Linear: {out_features: 2, repeat: 2, name: two, when: "$(in_features == z // z)"}
        """,
        [{"z": 2}, {"w": False}],
    ),
    "what a block is given that divides, for a parameter that nothing uses": (
        """
        input: [4]
        params: {a: 2, q: 4}
        layers:
        - Named: {g: "$(q // a)", p: $q}
        - Named: {g: 1, p: $a}
        - Placed: [$q, $(q // a)]
        - Alone: $(q // a)
        - Default: [$q, $a]
        blocks:
          Named: {params: {g: required, p: 2}, layers: [Linear: 4, ELU: {alpha: $p}]}
          Placed: {params: {p: 2, g: required}, layers: [ELU: {alpha: $p}]}
          Alone: {params: {g: required}, layers: [Linear: 4]}
          Default: {params: {p: 2, d: 2, g: "$(8 // d)"}, layers: [ELU: {alpha: $p}]}
        """,
        [{"a": 0}],
    ),
    "a divisor that cancels out": (
        """
        input: [8]
        params: {d: 2, e: 3}
        layers:
        - Linear: $(ceil_div(d, d) + 3 * e // e)
        - ReLU: {when: $(d > 1 and e > 2)}
        """,
        [{"d": 0}, {"e": 0}],
    ),
    "multiples of a parameter, which may be 0, as a size may not": (
        """
        input: [8]
        params: {e: 2}
        layers:
        - Linear: 8
        - Blk: {z: $(e + e), q: $e}
        - ELU: {when: $(3 * e == e)}
        blocks:
          Blk:
            params: {z: required, q: required}
            layers: [ReLU: {when: $(not (z != q))}]
        """,
        [{"e": 0}, {"e": 1}],
    ),
    "a condition on the copy's number that holds for none of the copies": (
        """
        input: [3, 8]
        params: {v: 0}
        layers:
        - B: {y: $v, q: [2, 2]}
        blocks:
          B:
            params: {y: 3, q: required}
            layers:
            - BatchNorm1d: {affine: $(y > 1)}
            - Sequential:
                layers:
                - Group:
                    repeat: $(len(q) - 1)
                    layers: [ELU: {when: $(y > 1 or index > 0)}]
        """,
        [{"v": 2}],
    ),
    "a call again of a layer that chooses what it reads": (
        """
        input: [4, 6]
        params: {e: 2}
        layers:
        - PReLU: {name: a}
        - GELU: {name: b}
        - ReLU: {from: $("b" if e == 2 else "a"), name: c}
        - Linear: {out_features: 6}
        - Reuse: c
        """,
        [{"e": 1}],
    ),
    "a slice that ends before its end or there": (
        """
        input: [4, 6]
        params: {h: 4, k: 9}
        layers:
        - Linear: {out_features: $(h * 2)}
        - Slice: {dim: -1, end: 4}
        - Linear: $in_features
        - Linear: {out_features: $k}
        - Slice: {dim: -1, start: -8}
        - Linear: $in_features
        """,
        [{"h": 1}, {"h": 3}, {"k": 7}],
    ),
    "chunks of a list's size that broadcast": (
        """
        input: [4]
        params: {r: [2]}
        layers:
        - Linear: $(r[0])
        - Chunk: {name: part, chunks: 2, dim: -1}
        - Add: {name: sum, from: [part.0, part.1]}
        - Parameter: {name: p, shape: [1, "$(shape(sum)[-1])"], init: ones_}
        - Add: [sum, p]
        """,
        [{"r": [3]}, {"r": [4]}],
    ),
    "a name in `init` that a layer without weights has, too": (
        """
        input: [4]
        params: {p: false}
        blocks: {B: {layers: [{PReLU: {name: act}}]}}
        layers:
        - B: {name: block, when: $p}
        - ReLU: {name: act}
        - Linear: 2
        init: {act: {weight: zeros_}}
        """,
        [{"p": True}],
    ),
    "a number in `init` that only layers without weights may have": (
        """
        input: [4]
        params: {p: true, q: true}
        layers:
        - Sequential:
            name: a
            layers: [ReLU: {when: $q}, Linear: {out_features: 4, when: $p}, ELU, Tanh]
        - Linear: 2
        init: {"1": {weight: zeros_}}
        """,
        [{"p": False}, {"q": False}],
    ),
    "a choice in a block of a tensor that is not there": (
        """
        input: [4]
        params: {s: 1, e: 1}
        blocks:
          B:
            params: {s: 2, e: 3}
            layers:
            - Linear: {name: a, out_features: 4}
            - Tanh: {from: $("a" if s or e else "nowhere"), repeat: 2}
        layers: [B: {s: $s, e: $e}, Linear: 2]
        """,
        [],
    ),
    "copies of which none has a layer": (
        """
        input: [4]
        params: {n: 2}
        blocks:
          B:
            params: {k: 1, e: "no"}
            sequential: true
            layers:
            - Linear: 4
            - Group: {repeat: $k, layers: [{Sequential: {when: $(e == "yes"), layers: [ReLU]}}]}
        layers: [{B: {k: $n}}, {Linear: 2}]
        """,
        [],
    ),
    "element types that all uses of a block share": (
        """
        input: [4]
        params: {w: 4}
        blocks:
          B:
            params: {d: float32, by: 1}
            layers:
            - Buffer: {name: offset, value: $by, dtype: $d}
            - Cast: {name: cast, dtype: $d}
            - Add: [cast, offset]
        layers:
        - Sequential: {name: part, layers: [{Linear: $w}, {Cast: float32}, {Cast: float32}]}
        - B
        - B: {by: 1.5}
        """,
        [{"w": 3}],
    ),
    "two conditions, one type": (
        """
        input: [4]
        params: {f: true, g: true}
        layers:
        - ELU: {when: $f}
        - {Linear: 4}
        - ELU: {when: $g}
        - {Linear: 4}
        - ELU
        """,
        [{"f": False}, {"g": False}, {"f": False, "g": False}],
    ),
    "conditions in a block": (
        """
        input: [4]
        params: {f: true}
        blocks:
          B:
            params: {f: true, g: true}
            layers:
            - ELU: {when: $f}
            - {Linear: 4}
            - ELU: {when: $g}
            - {Linear: 4}
            - ELU
        layers:
        - B: {f: $f}
        - B: {g: false}
        - B: {f: false, g: $f}
        """,
        [{"f": False}],
    ),
    "copies in a block": (
        """
        input: [4]
        params: {d: 2}
        blocks:
          B:
            params: {d: 1}
            layers:
            - ELU: {repeat: $d}
            - {Linear: 4}
            - ELU
        layers:
        - B: {d: 3}
        - B: {d: 1}
        - B: {d: 0}
        """,
        [],
    ),
    "a layer applied again under a condition": (
        """
        input: [4]
        params: {f: true}
        layers:
        - Linear: {name: a, out_features: 4}
        - Reuse: {layer: a, when: $f}
        - {Linear: 2}
        """,
        [{"f": False}],
    ),
    "equal defaults in a block used twice": (
        """
        input: [2, 12, 12]
        params: {k: 3, j: 3}
        blocks:
          Two:
            inputs: [a, b]
            layers:
            - Flatten: {from: a}
            - Linear: {name: l, out_features: 4}
            - Flatten: {from: b}
            - Linear: {name: m, out_features: 4}
            - Add: [l, m]
        layers:
        - Conv2d: {name: c1, from: input, out_channels: 2, kernel_size: $k}
        - MaxPool2d: {name: p1, kernel_size: 2}
        - Conv2d: {name: c2, from: input, out_channels: 2, kernel_size: $j}
        - MaxPool2d: {name: p2, kernel_size: 2}
        - Two:
            name: t
            from: [p1, p2]
        - Two:
            name: u
            from: [p2, p1]
        - Add: [t, u]
        """,
        [{"j": 5}, {"k": 5}, {"k": 1, "j": 2}],
    ),
    "equal defaults given to blocks without weights": (
        """
        input: [4]
        params: {k: 2, j: 2}
        blocks:
          B:
            params: {n: 1}
            layers:
            - {Scale: $n}
        layers:
        - {Linear: 4}
        - {B: $k}
        - {Linear: 4}
        - {B: $j}
        """,
        [{"j": 5}, {"k": 5}],
    ),
    "equal defaults in forward": (
        """
        input: [4]
        params: {k: 2, j: 2}
        blocks:
          B:
            params: {n: 1, m: 1}
            layers:
            - {Scale: $n}
            - Add: {other: $m}
        layers:
        - B: [$k, $j]
        - {Scale: $j}
        - {Scale: $k}
        """,
        [{"j": 5}, {"k": 5}],
    ),
    "names behind a short circuit": (
        """
        input: [6]
        blocks:
          B:
            params: {z: 0, w: 2, f: true}
            layers:
            - Linear: {out_features: 3, bias: $(w + z != w and f)}
        params: {z: 0, f: true, g: false}
        layers:
        - B: {z: $z, f: $f}
        - B: {z: 1, f: $(z == 0 or g)}
        """,
        [{"z": 1}, {"f": False}, {"g": True}, {"z": 1, "f": False}],
    ),
    "items from the end, and parts of a list": (
        """
        input: [6]
        params:
          s: [3, 4, 2]
        layers:
        - {Linear: '$(s[-1])'}
        - {Linear: '$(sum(s[1:]))'}
        - {Linear: '$(s[:-1][-1])'}
        """,
        [{"s": [3, 4]}, {"s": [5, 1, 2, 3]}],
    ),
    "a list that is compared inside a comparison": (
        """
        input: [6]
        params: {d: 2, y: true, s: [2, 3]}
        style: functional
        layers:
        - Linear: {out_features: '$(in_features + d if s[:1] == [2] else 2)'}
        - Group:
            when: $(in_features != len(s))
            layers: [Sigmoid, {LayerNorm: {when: $y, name: part1}}]
        - Linear: {out_features: 3, bias: '$((4 if s == [2, 3] or d > 4 else 1) > 2 and y)'}
        """,
        [{"s": [3, 3]}, {"y": False}, {"s": [4], "y": False}, {"d": 4}],
    ),
    "an empty list": (
        """
        input: [6]
        params:
          s: [3, 4]
          t: [1]
        layers:
        - {Linear: $(sum(s) + 1)}
        - {Linear: $(len(t) + 1)}
        """,
        [{"s": []}, {"t": []}, {"t": [1, 2]}],
    ),
    "weights that hang on a flag": (
        """
        input: [2, 4]
        params: {q: 1}
        layers:
        - LayerNorm: {elementwise_affine: $(q > 1)}
        - LayerNorm
        """,
        [{"q": 2}],
    ),
    "pools that pass": (
        """
        input: [2, 6, 6]
        style: functional
        params: {c: true, n: 2}
        layers:
        - Add: {branches: [[], [{MaxPool2d: {kernel_size: 3, stride: 1, padding: 1, when: $c}}]]}
        - MaxPool2d: {name: a, kernel_size: 3, stride: 1, padding: 1, when: $c, repeat: $n}
        """,
        [{"c": False}, {"n": 0}, {"n": 1}],
    ),
    "copies of two inputs that pass": (
        """
        inputs: {q: [5, 6], m: [5, 6]}
        params: {c: true, n: 2}
        layers:
        - Linear: {name: k, from: q, out_features: 6}
        - Linear: {name: l, from: m, out_features: 6}
        - TransformerDecoderLayer: {name: a, from: [k, l], nhead: 2, when: $c, repeat: $n}
        - Add: [a, l]
        """,
        [{"c": False}, {"n": 0}, {"n": 1}],
    ),
    "copies that are applied again": (
        """
        input: [4]
        params: {n: 2}
        layers: [{ELU: {name: a, repeat: $n}}, {Linear: 4}, {Reuse: a}]
        """,
        [{"n": 0}],
    ),
    "no copy where the first is unlike the others": (
        """
        input: [16]
        params: {d: 2, w: 8, f: true}
        layers:
        - Linear: {name: n, repeat: $d, out_features: $w}
        - Sequential:
            layers:
            - Linear: {repeat: $d, out_features: 5}
            - ReLU
            - Linear: {name: m, repeat: $(2 if f else 0), out_features: 3}
            - Linear: 4
        - Linear: 2
        """,
        [{"d": 0}, {"d": 1}, {"d": 4}, {"f": False}, {"d": 0, "f": False}],
    ),
    "no copy, and other sizes of an image": (
        """
        input: [3, 16, 16]
        params: {d: 2}
        layers:
        - Conv2d: {name: n, repeat: $d, out_channels: 4, kernel_size: 3}
        - Mean: [2, 3]
        - Linear: 2
        """,
        [{"d": 0}, {"d": 1}, {"d": 3}],
    ),
    "no copy in a block": (
        """
        input: [3, 9, 9]
        params: {d: 2}
        blocks:
          Stage:
            params: {depth: 1}
            layers:
            - Conv2d: {name: n, repeat: $depth, out_channels: 4, kernel_size: 3, padding: 1}
        layers: [{Stage: $d}, {Stage: 3}, {Mean: [2, 3]}, {Linear: 2}]
        """,
        [{"d": 0}, {"d": 1}, {"d": 3}],
    ),
    "numbers behind copies": (
        """
        input: [6]
        params: {d: 2, e: 2}
        layers:
        - Sequential:
            layers:
            - Linear: {name: n_$index, out_features: 6, repeat: $d}
            - Linear: {out_features: 6}
            - LayerNorm: {name: m, repeat: $e}
            - Linear: {out_features: 6}
            - Linear: {name: last, out_features: 6}
        """,
        [{"d": 0}, {"d": 3}, {"e": 0}, {"d": 0, "e": 0}],
    ),
    "a condition in a loop": (
        """
        input: [4]
        params: {d: 3, f: true}
        blocks:
          B:
            params: {width: required, f: true}
            layers: [{Linear: $width}, {LayerNorm: {name: n, when: $f}}]
        layers:
        - Sequential:
            layers:
            - B: {width: $(in_features + 2), f: $f, repeat: $d}
            - ELU: {when: $f, repeat: $d}
        """,
        [{"d": 1}, {"d": 0}, {"f": False}],
    ),
    "a size read from the tensor that has it": (
        """
        input: [T, 6]
        params: {r: 2}
        blocks:
          B:
            params: {ratio: 1}
            layers:
            - Linear: {name: k, out_features: 6}
            - Transpose: {dim0: 1, dim1: 2}
            - AvgPool1d: {name: p, kernel_size: $ratio, stride: $ratio, when: $(ratio != 1)}
            - Transpose: {name: keys, from: p, dim0: 1, dim1: 2}
            - Reshape: {shape: ["$(shape(keys)[0])", 2, -1]}
            - Mean: {name: m, dim: 1}
        layers: [{B: {name: a}}, {B: {name: b, from: input, ratio: $r}}, {Add: [a, b]}]
        """,
        [{"r": 1}, {"r": 3}],
    ),
    "copies with names in an absent group": (
        """
        input: [4]
        params: {z: 2}
        blocks:
          B:
            params: {e: 3}
            layers:
            - Group:
                when: $(in_features != e)
                layers: [{ELU: {name: lay_$index, repeat: 2}}, {ELU: {name: m}}]
            - Linear: 4
        layers: [{B: $z}, {B: 3}]
        """,
        [{"z": 4}, {"z": 1}],
    ),
    "types that are compared with words": (
        """
        input: [4]
        params: {f: true}
        blocks:
          B:
            params: {act: ReLU, n: 1}
            layers:
            - LayerNorm: {elementwise_affine: $(act != 'ReLU')}
            - $act
            - Scale: $(2 if act == 'ReLU' else n)
            - Linear: "$(3 if act in ['GELU', 'Tanh'] else 4)"
            - Linear: 4
            - ELU: {when: "$(n > 1 and act != 'ReLU')"}
        layers:
        - B
        - B: {act: GELU, n: 3}
        - B: {act: Tanh}
        - Linear: {out_features: 2, bias: $f}
        """,
        [{"f": False}],
    ),
    "layers of a list and of a dict that may be absent": (
        """
        input: [4]
        params: {k: true, n: 2}
        blocks:
          B:
            params: {f: true, g: true}
            layers:
            - Linear: {name: part.right, out_features: $in_features, when: $f}
            - PReLU: {name: part.left}
            - Linear: {name: own.0, out_features: $in_features, bias: $g}
            - PReLU: {name: own.1, when: $f}
        layers:
        - B: {name: a, f: $k}
        - B: {name: b, f: false}
        - B: {name: c, g: $k}
        - Tanh: {name: d.first, when: $k}
        - Dropout: {name: e.0, when: $(n > 1)}
        - Linear: {name: d.last, out_features: 3}
        """,
        [{"k": False}, {"n": 1}, {"k": False, "n": 0}],
    ),
    "parameters that are full of whole numbers": (
        """
        input: [4]
        params: {u: 3, f: 0.5, d: 2}
        layers:
        - Parameter: {name: p, shape: 4, init: {constant_: 3}}
        - Parameter: {name: q, shape: 4, init: {constant_: $u}}
        - Parameter: {name: r, shape: 4, init: {constant_: $(u if f > 1 else f)}}
        - Parameter: {name: s, shape: 4, init: {constant_: $f}}
        - Linear: {name: l, from: input, out_features: 4}
        - Add: {name: a, from: [l, p]}
        - Add: {name: b, from: [a, q]}
        - Add: {name: c, from: [b, r]}
        - Add: {name: e, from: [c, s]}
        """,
        [{"u": 4}, {"f": 1.5}, {"d": 0}],
    ),
    "an absent layer that chooses what it passes on": (
        """
        input: [6]
        params: {g: 2, b: true}
        layers:
        - ELU: {name: one}
        - Tanh: {name: two}
        - Linear: {name: a, from: '$("two" if b else "one")', out_features: 6, when: $(g > 2)}
        - Linear: 2
        """,
        [{"b": False}, {"g": 3}, {"b": False, "g": 3}],
    ),
    "tied parameters beside an absent layer": (
        """
        input: [6]
        params: {f: false, g: true, w: 4, n: 2}
        blocks:
          B:
            params: {f: true}
            layers: [{ELU: {when: $f}}, {PReLU: {name: p}}]
          C:
            sequential: true
            layers: [ELU, PReLU]
          D:
            params: {n: 2, s: [6, 6]}
            layers:
            - Sequential: {name: m, layers: [{Linear: {out_features: "$(s[index])", repeat: $n}}]}
        layers:
        - ELU: {when: $f}
        - B: {f: $f}
        - C
        - D: {name: d, n: $n}
        - Linear: $w
        - Linear: {name: last, out_features: 6, bias: $g}
        tie: {b1.p.weight: c1.1.weight, d.m.1.bias: d.m.0.bias}
        """,
        [{"f": True}, {"w": 3}, {"g": False}],
    ),
    "biases of layers that torch builds in others": (
        """
        input: [3, 4]
        params: {f: true}
        layers:
        - MultiheadAttention: {num_heads: 1, bias: $f}
        - TransformerEncoder:
            encoder_layer: {TransformerEncoderLayer: {nhead: 2, bias: false, dim_feedforward: 3}}
            num_layers: 1
            enable_nested_tensor: false
        init: {Linear: {bias: zeros_}}
        """,
        [{"f": False}],
    ),
    "biases of layers that other arguments make": (
        """
        input: [4]
        params: {f: true, g: 2}
        layers:
        - Linear: 4
        - Sequential:
            name: s
            layers: [{Linear: {out_features: 4, bias: $(not f)}}]
            when: $(g < 2)
        - Linear: {name: t, out_features: 4, bias: false, when: $(g < 1)}
        init: {Linear: {bias: zeros_}}
        """,
        [{"g": 0}, {"g": 1}, {"f": False, "g": 0}],
    ),
    "buffers that are kept for some arguments": (
        """
        input: [4]
        params: {k: true, n: 0}
        blocks:
          B:
            params: {f: true, g: true}
            layers:
            - PReLU: {name: p}
            - Buffer: {name: b, value: 2.0, shape: 4, persistent: $(not f)}
            - Buffer: {name: c, value: [1, 2, 3, 4.0], persistent: $g}
            - Mul: {name: d, from: [p, b]}
            - Mul: {name: e, from: [d, c]}
        layers:
        - B: {f: $k}
        - B: {f: false}
        - B: {name: last, g: $k}
        - Buffer: {name: own, value: 2.0, shape: 4, persistent: $(n > 0)}
        - Mul: [last, own]
        """,
        [{"k": False}, {"n": 1}],
    ),
    "initial weights by a number that several layers have": (
        """
        input: [4]
        params: {r: 0.25, f: true}
        layers:
        - Linear: {name: one, out_features: 4, repeat: 2, bias: $f}
        - LeakyReLU: {name: two, repeat: 2}
        init:
          "1": {bias: {constant_: $r}}
        """,
        [{"r": 0.5}, {"f": False}],
    ),
    "initial weights that only other arguments make, of a layer that only they make": (
        """
        input: [4]
        params: {r: 0}
        layers:
        - LayerNorm: {name: one, elementwise_affine: $(r > 1), when: $(r > 0)}
        - Linear: {name: two, out_features: 4}
        init:
          one: {bias: ones_}
          two: {bias: ones_}
        """,
        [{"r": 1}, {"r": 2}],
    ),
    "initial weights of a type inside of what other arguments make, or leave out": (
        """
        input: [4]
        params: {r: 0.25, f: true, n: 2, g: false}
        blocks:
          Head:
            params: {f: required}
            layers:
            - Linear: {name: low, out_features: 4, bias: $f}
            - Sequential:
                name: tail
                layers: [{Linear: {out_features: 4, when: $f}}, ReLU, {Linear: {out_features: 4}}]
        layers:
        - Linear: {name: one, out_features: 4, repeat: $n}
        - Head: {name: head, f: $f, when: $f}
        - Head: {name: last, f: $g}
        - Head: {name: other, f: $f, when: $g}
        init:
          Linear: {weight: ones_}
          one.Linear: {bias: {constant_: $r}}
          head.Linear: {weight: {constant_: $r}, bias: zeros_}
          last.tail.Linear: {weight: {constant_: $(2 * r)}}
          other.tail.Linear: {weight: {constant_: $(3 * r)}}
        """,
        [{"r": 0.5}, {"f": False}, {"n": 0}, {"n": 3}, {"g": True}],
    ),
    "initial weights of a type behind a number that several layers have": (
        """
        input: [4]
        params: {f: true, r: 0.25}
        blocks:
          Two:
            layers: [{Linear: {name: a, out_features: 4}}, {Linear: {name: b, out_features: 4}}]
        layers:
        - Sequential: {name: chain, layers: [{Two: {when: $f}}, {Linear: 4}, Two]}
        init:
          chain.2.Linear: {weight: {constant_: $r}}
          chain.1.b: {weight: {constant_: $(2 * r)}}
        """,
        [{"r": 0.5}, {"f": False}],
    ),
    "an alias by the number of one of several layers, which other arguments make equal": (
        """
        input: [6]
        params: {m: 2, k: 2}
        layers:
        - Threshold: [$m, 0.5]
        - Threshold: [4, 0.5]
        - Linear: {name: a, out_features: $(3 * k)}
        alias: {again: threshold1}
        """,
        [{"m": 4}, {"k": 3}],
    ),
    "initial weights inside of a layer of torch that only other arguments make": (
        """
        input: [3, 4]
        params: {p: 2, q: true}
        layers:
        - Linear: {out_features: 2}
        - MultiheadAttention:
            name: attn
            num_heads: 1
            bias: $(in_features != p + 1)
            when: $(in_features != p)
            batch_first: true
        init: {Linear: {bias: {constant_: $p}}}
        """,
        [{"p": 1}, {"p": 3}],
    ),
    "copies in a loop of which some have the same names in each of its turns": (
        """
        input: [2, 6]
        params: {d: 1, r: 1, s: 1}
        sequential: true
        layers:
        - Group:
            repeat: {times: $r, as: copy}
            layers:
            - LeakyReLU: {repeat: 3, name: part_$index}
            - Linear: 6
        - Group:
            repeat: {times: $s, as: copy}
            layers:
            - Linear: {out_features: 6, name: "other_$(d)"}
            - Tanh
        - Group:
            repeat: {times: $d, as: copy}
            layers: [{ReLU: {repeat: 2, name: "own_$(copy)_$index"}}, {Linear: 6}]
        """,
        [{"r": 2}, {"s": 2}, {"d": 3}],
    ),
    "a default of a block that can't be worked out where nothing asks for it": (
        """
        input: [6]
        params: {k: 2, y: 1}
        blocks:
          B:
            params: {f: required, y: "$((6) // f)"}
            layers: [{Linear: {out_features: $(f + y)}}]
        layers:
        - B: {f: $k, y: 2}
        - B: {f: 3}
        """,
        [{"k": 0}, {"k": 3}],
    ),
    "lists of buffers whose number of items would be negative": (
        """
        input: [6, 1]
        params: {e: 2, k: 1}
        layers:
        - Buffer: {name: own, value: '$([0.25] + [0.5] * (e - 1))'}
        - Buffer: {name: two, value: '$([0.25] + [i for i in range(e - k)])'}
        - Mul: {name: a, from: [input, own]}
        - Mul: {name: b, from: [input, two]}
        - Concat: {from: [a, b], dim: 2}
        - Linear: 3
        """,
        [{"e": 0}, {"e": 1}, {"e": 5}, {"k": 4}],
    ),
    "a layer that a list reads for other arguments only": (
        """
        input: [4]
        params: {c: true}
        layers:
        - Tanh: {name: one}
        - Linear: {name: two, out_features: 4}
        - Add: [one, '$("two" if c else "one")']
        """,
        [{"c": False}],
    ),
    "a layer that is read for other arguments only": (
        """
        input: [4]
        params: {w: 1, v: [3, 4]}
        layers:
        - ELU: {when: $(len(v) > 1)}
        - PReLU: {name: one}
        - Tanh: {name: two}
        - PReLU: {name: three, from: '$("two" if len(v) > 1 else "one")'}
        - Linear: {name: four, out_features: 4}
        - Linear: {out_features: 4, when: $(w > 1)}
        - PReLU: {from: '$("four" if w > 1 else "three")'}
        """,
        [{"v": [3]}],
    ),
    "a condition that may be a number": (
        """
        input: [4]
        params: {p: 2, d: true}
        layers:
        - ReLU: {when: $(p and d)}
        - Linear: {out_features: 3, bias: $(d if d else p)}
        """,
        [{"p": 0}, {"d": False}],
    ),
    "a default compares a type with types, in the network and in a block": (
        """
        input: [4]
        params: {c: ReLU, m: 1, r: "$(c != 'ReLU' and m == 0)"}
        blocks:
          B:
            params: {d: ReLU, q: "$(3 if d in ['ReLU', 'GELU'] else 6)"}
            layers: [{Linear: $q}, {$d: {name: act}}]
        layers:
        - Linear: {out_features: 2, bias: $r}
        - $c: {}
        - B: {d: $c}
        - B: {d: Tanh}
        """,
        [{"m": 0}, {"c": "Tanh", "m": 0}, {"c": "GELU"}, {"c": "Tanh", "r": True}],
    ),
    "a type that an expression chooses among types is fixed": (
        """
        input: [4]
        params: {c: ReLU, d: "$('ReLU' if c == 'Tanh' else 'Tanh')"}
        layers: [{Linear: 3}, {$c: {}}, {$d: {}}]
        """,
        [{"c": "Tanh"}, {"d": "ReLU"}],
    ),
    "copies of which there may be none pass on the `else` of a condition that always holds": (
        """
        input: [3, 4]
        params: {u: 4, y: 2, v: $u}
        blocks:
          B:
            params: {n: 0}
            layers:
            - Linear: {name: wide, out_features: 5}
            - Linear: 4
            - Linear: {name: more, out_features: 4, when: true, else: wide, repeat: $n}
        layers:
        - Linear: {name: part, out_features: 4}
        - ReLU
        - Clamp: {name: most, max: $u, when: $(v > 3), else: part, repeat: $y}
        - Group: {when: $(in_features != v), repeat: 2, layers: [ELU]}
        - B: {n: $y}
        - B
        """,
        [{"y": 0}, {"y": 1}, {"y": 3}, {"u": 3}],
    ),
    "a layer that is declared first may be absent": (
        """
        input: [2, 6]
        params: {f: 2, z: true}
        declare: [part, elu, fc2, dropout]
        blocks: {B: {layers: [Linear: $in_features]}}
        layers:
        - Dropout: {when: $z}
        - Group: {when: $z, layers: [ELU, {Linear: $in_features}]}
        - Linear: $(f // 2 + 1)
        - B: {name: part, when: $(in_features != f)}
        """,
        [{"z": False}, {"f": 1}, {"f": 1, "z": False}],
    ),
    "a repeat without copies in one use has those that an absent one would have": (
        """
        input: [6, 4]
        params: {f: 2}
        blocks:
          B:
            params: {p: required, z: true}
            layers:
            - Scale: {factor: 3, when: $(in_features != p * 2), repeat: $(2 if z else 0), name: s}
        layers: [{B: {p: $f}}, {B: {p: 4, z: false}}]
        """,
        [{"f": 3}, {"f": 4}],
    ),
    "a list equals a list, although arguments are tuples": (
        """
        input: [1, 8, 8]
        params: {k: [3, 3], m: 2, r: "$([3, 1] if m == 2 else [1, 2])"}
        layers:
        - Conv2d: {out_channels: 3, kernel_size: $r, bias: "$(r == [3, 1])"}
        - Conv2d:
            {out_channels: 3, kernel_size: 1, bias: "$(k[:1] == [3] and k in [[3, 1], [3, 3]])"}
        - Conv2d:
            {out_channels: 3, kernel_size: 1, bias: "$([k[i] for i in range(len(k))] == [3, 3])"}
        - Conv2d:
            {out_channels: 3, kernel_size: "$([m] * 2)", bias: "$([3] * 2 == k or [m] == [1])"}
        """,
        [{"m": 1}, {"k": [3, 1]}, {"k": [1, 3]}, {"r": [3, 1], "m": 1}, {"r": [1, 1]}],
    ),
    "a condition that no layer hangs on holds its parameters fixed": (
        """
        input: [4, 6]
        params: {w: 4, b: 2, z: 1}
        layers:
        - Tanh: {when: $(in_features != b // w), repeat: 0}
        - Linear: $(w // 2 + 1)
        - Group: {when: $(b // z > 1), layers: [{ReLU: {when: $(in_features == 0)}}]}
        - Linear: $(z + 2)
        """,
        [{"w": 0}, {"w": 6}, {"z": 0}, {"z": 4}],
    ),
    "in a block, sizes that a copy's number decides meet within its loop": (
        """
        input: [4, 6]
        params: {deep: true, w: 1}
        blocks:
          B:
            params: {g: true, w: 1}
            layers:
            - Slice: {name: cut, dim: 2, end: $(in_features - w), repeat: $(2 if g else 1)}
        layers: [{Sequential: {layers: [{B: {g: $deep, w: $w}}]}}, B]
        """,
        [{"deep": False}, {"w": 2}],
    ),
    "what passes where a layer is absent is chosen before it": (
        """
        input: [3, 8]
        blocks:
          B:
            params: {f: 1}
            layers:
            - Linear: {name: first, out_features: $in_features}
            - Softshrink: {name: second, lambd: 0.1}
            - Identity: {name: other, from: $("second" if f > 1 else "first")}
            - LayerNorm: {from: second, when: $(f == 0), else: other}
        layers: [{B: {f: 0}}, {B: {f: 1}}, {B: {f: 4}}]
        """,
        [],
    ),
}


def spec_of(text: str) -> family.Spec:
    return {"name": "Net", **yaml.safe_load(text)}


def difference(spec: family.Spec, overrides: dict[str, Any]) -> str:
    """How the class differs from what ``--set`` gives; what is no argument of it is fixed."""
    found = check_source(from_mapping(spec), {})
    arguments = {parameter.name for parameter in arguments_of(found.classes[-1])}
    given = {name: value for name, value in overrides.items() if name in arguments}
    made = family.class_of(family.printed(found))
    return family.difference(found, made, given) or family.apart(
        spec, found, made, given, family.Tally()
    )


@pytest.mark.parametrize("kind", FOLLOWS)
@pytest.mark.filterwarnings("error")
def test_a_class_follows_its_arguments(kind: str) -> None:
    text, members = FOLLOWS[kind]
    spec = spec_of(text)
    for overrides in ({}, *members):
        assert difference(spec, overrides) == "", overrides


def test_a_block_is_given_no_size_that_the_network_meets_in_forward() -> None:
    spec = spec_of(
        """
        input: [2, 6, T]
        blocks: {B: {params: {r: required}, layers: [{Linear: $r}]}}
        layers: [{B: {r: $(in_features // 2 + 1)}}, {B: {r: 3}}]
        """
    )
    with pytest.raises(NetgenError, match="known only at run time"):
        check_source(from_mapping(spec), {})


def test_what_a_block_does_is_held_against_blocks_without_conditions() -> None:
    """A mistake that `--set` would make, too, as it has the same class."""
    spec = spec_of(
        """
        input: [4]
        params: {a: true, n: 2}
        blocks:
          B:
            params: {pre: required, times: required, post: ReLU}
            layers:
            - Linear: {name: fc, out_features: 4, repeat: $times}
            - $post: {name: act, when: $pre}
            - Linear: {name: last, out_features: 4, bias: $(not pre)}
        layers:
        - B: {pre: $a, times: $n}
        - B: {pre: $(not a), times: $(n + 1), post: Tanh}
        """
    )
    found, tally = check_source(from_mapping(spec), {}), family.Tally()
    text = family.printed(found)
    for overrides in ({}, {"a": False}, {"n": 3, "a": False}):
        assert not family.apart(spec, found, family.class_of(text), overrides, tally)
    assert tally.apart == 3
    for right, wrong in (("if pre", "if not pre"), ("(1, times)", "(times)"), ("=n + 1", "=n")):
        assert right in text
        made = family.class_of(text.replace(right, wrong))
        assert family.apart(spec, found, made, {}, tally).startswith("apart")


@pytest.mark.parametrize("specs", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_a_sample_of_the_fuzz(specs: int) -> None:
    tally = family.fuzz(specs, seed=0, quiet=True)
    assert tally.defects == []
    assert tally.members > 3 * tally.specs
    assert tally.apart or specs < 40
    assert tally.refused <= max(1, tally.specs // 10)  # inputs of sizes that never meet


@pytest.mark.slow
def test_the_same_bytes_under_other_hash_seeds() -> None:
    first, second = (family.digest_under(hash_seed, 25, seed=0) for hash_seed in (1, 2))
    assert first == second
