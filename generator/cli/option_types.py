"""Types of options: each function converts a text, or raises `ArgumentTypeError`."""

from __future__ import annotations

import argparse
import contextlib
import re
from pathlib import Path

from ..ir.levels import in_order


def levels(text: str) -> tuple[str, ...]:
    try:
        return in_order([name.strip() for name in text.split(",")])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def device(text: str) -> str:
    if not re.fullmatch(r"auto|all|cpu|cuda(:[0-9]+)?|mps|meta", text):
        raise argparse.ArgumentTypeError(f"there is no device {text!r}")
    return text


def seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 10**6:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to 1,000,000")


def count(text: str, most: int = 10**6) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {most:,}")


def port(text: str) -> int:
    return count(text, 65_535)


def jobs(text: str) -> int:
    return count(text, 64)


def picture_file(text: str) -> Path:
    """A file whose suffix is a format that `netgen graph` writes."""
    path, known = Path(text), (".svg", ".png", ".pdf", ".html", ".dot", ".mmd")
    if path.suffix not in known:
        raise argparse.ArgumentTypeError(f"{text!r} ends with none of {', '.join(known)}")
    return path


def size(text: str) -> int:
    """A size of memory in bytes; units are powers of 1024."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)(iB|B)?", text, re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 4G or 500M")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))
