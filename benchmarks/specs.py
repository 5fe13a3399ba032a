"""Large specs, to see how cost grows with layers, blocks, depth and branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

_HEAD = "name: Large\ninput: [16]\n"


def chain(layers: int) -> str:
    """A flat chain of layers, each unlike its neighbours."""
    return (
        _HEAD + "layers:\n" + "".join(f"  - Linear: {8 + place % 57}\n" for place in range(layers))
    )


def equal(layers: int) -> str:
    """A flat chain of layers that are all alike."""
    return _HEAD + "layers:\n" + "  - Linear: 16\n" * layers


def blocks(number: int) -> str:
    """So many blocks of three layers, each of them used once."""
    text = _HEAD + "blocks:\n"
    for place in range(number):
        width = 8 + place % 57
        text += f"  Block{place}:\n    params: {{width: required}}\n"
        text += f"    layers: [Linear: $width, ReLU, Linear: {width}]\n"
    return text + "layers:\n" + "".join(f"  - Block{i}: {8 + i % 31}\n" for i in range(number))


def uses(number: int) -> str:
    """One block of three layers, used so many times with other arguments."""
    text = _HEAD + "blocks:\n  Block:\n    params: {width: required, out: required}\n"
    text += "    layers: [Linear: $width, ReLU, Linear: $out]\nlayers:\n"
    return text + "".join(f"  - Block: [{8 + i % 31}, {8 + i % 57}]\n" for i in range(number))


def branches(number: int) -> str:
    """One merge of so many branches, a layer in each."""
    branch = "        - [Linear: 16]\n"
    return f"{_HEAD}layers:\n  - Add:\n      branches:\n{branch * number}"


def depth(levels: int) -> str:
    """Blocks in blocks, so many levels deep: a layer and the next level in each."""
    text = _HEAD + f"blocks:\n  Level{levels}:\n    layers: [Linear: 16]\n"
    for level in range(levels - 1, 0, -1):
        text += f"  Level{level}:\n    layers: [Linear: 16, Level{level + 1}]\n"
    return text + "layers: [Level1]\n"


GROWING: Mapping[str, tuple[str, Callable[[int], str], tuple[int, int, int]]] = {
    "layers": ("layers in a flat chain", chain, (10, 1000, 2000)),
    "blocks": ("blocks, each used once", blocks, (10, 100, 200)),
    "uses": ("uses of one block", uses, (10, 100, 200)),
    "branches": ("branches of one merge", branches, (10, 50, 100)),
    "depth": ("levels of blocks in blocks", depth, (5, 20, 40)),
}
"""What may grow: in words, the spec, and a small, a middle and a large number of it."""
