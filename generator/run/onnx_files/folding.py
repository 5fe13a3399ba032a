"""What nodes give that read numbers alone: constants of the file, and sizes while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from .records import Array, Node

MOST = 1 << 24  # elements of what is worked out so
_PLAIN = frozenset(
    """Abs Add And Cast CastLike Ceil Clip Concat Constant ConstantOfShape Cos CumSum Div Equal Exp
    Expand EyeLike Flatten Floor Gather GatherElements GatherND Greater GreaterOrEqual Identity Less
    LessOrEqual Log Max Min Mod Mul Neg Not Or Pow Range Reciprocal ReduceMax ReduceMin ReduceProd
    ReduceSum Reshape Round Shape Sign Sin Size Slice Split Sqrt Squeeze Sub Tile Transpose Trilu
    Unsqueeze Where Xor""".split()
)


class Folding:
    """Evaluates single nodes by the reference implementation of ONNX."""

    def __init__(self, opset: int, protos: Mapping[tuple[str, ...], onnx.NodeProto]) -> None:
        self.opset = opset
        self.protos = protos  # by what they give
        self.known: dict[tuple[str, ...], Any] = {}

    def is_plain(self, node: Node) -> bool:
        """Whether a node is of the kind that sizes and tables are made with."""
        return not node.domain and node.type in _PLAIN

    def evaluated(self, node: Node, given: Sequence[Array | None]) -> list[Array] | None:
        """What a node gives for numbers; `None` if that is too large, or can't be said."""
        if not self.is_plain(node) or _size(node, given) > MOST:
            return None
        if node.outputs not in self.known:
            self.known[node.outputs] = self._evaluator(node)
        names = [name for name in node.inputs if name]
        feeds = dict(zip(names, (x for x in given if x is not None), strict=True))
        try:
            with np.errstate(all="ignore"):
                values = self.known[node.outputs].run(None, feeds)
        except Exception:
            return None
        return [np.asarray(value) for value in values]

    def _evaluator(self, node: Node) -> Any:
        kind = onnx.TypeProto()
        names = dict.fromkeys(name for name in node.inputs if name)
        graph = onnx.helper.make_graph(
            [self.protos[node.outputs]],
            "node",
            [onnx.helper.make_value_info(name, kind) for name in names],
            [onnx.helper.make_value_info(name, kind) for name in node.outputs],
        )
        return ReferenceEvaluator(graph, opsets={"": self.opset})


def _size(node: Node, given: Sequence[Array | None]) -> int:
    """About how many elements a node gives, so that a huge one is not even tried."""
    arrays = [x for x in given if x is not None]
    if node.type in ("ConstantOfShape", "Expand", "Tile", "EyeLike"):
        copies = prod(abs(int(x)) for x in arrays[-1].reshape(-1)) if arrays else 0
        return copies * (arrays[0].size if node.type == "Tile" else 1)
    if node.type == "Range" and len(arrays) == 3 and arrays[2].item():
        start, limit, step = (float(x.item()) for x in arrays)
        return int(abs((limit - start) / step)) + 1
    try:
        return prod(np.broadcast_shapes(*(x.shape for x in arrays)))
    except ValueError:
        return max((x.size for x in arrays), default=0)
