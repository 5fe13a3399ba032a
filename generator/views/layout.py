"""Graphviz in a process of its own: it reads a picture in Graphviz's language, and writes an image.

Its layout can't be interrupted from inside: who waits for it may end the process. It is a script
that imports nothing of netgen: ``python layout.py svg 96 32767``, for a format, the dots per inch,
and how many pixels a side may have. The first line that it writes is the length of the longer side
in pixels; no image follows if that is too long.
"""

from __future__ import annotations

import sys


def main(form: str, dpi: str, most: str) -> None:
    """Lay out the picture on standard input, and write it on standard output."""
    import pygraphviz  # type: ignore[import-untyped]

    found = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
    found.layout(prog="dot")
    longest = max(float(side) for side in found.graph_attr["bb"].split(",")) * int(dpi) / 72
    image = b""
    if longest <= int(most):
        image = found.draw(format=form, args=f"-Gdpi={dpi}" if form == "png" else "")
    sys.stdout.buffer.write(f"{longest:.0f}\n".encode() + image)


if __name__ == "__main__":
    main(*sys.argv[1:])
