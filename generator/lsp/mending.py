"""Mends texts that are not valid YAML yet because somebody is in the middle of a line."""

from __future__ import annotations

import re

# a quoted text, a comment, or a bracket
_TOKEN = re.compile(r"""(?:(?<=[\s\[{,:])|^)(?:"(?:\\.|[^"\\])*"?|'[^']*'?|\#.*)|[\[\]{}]""", re.M)


def closed(text: str, line: int) -> str:
    """The text down to a line, with open brackets and quotes closed."""
    above = "\n".join(text.splitlines()[:line])
    return above + endings(above)


def endings(text: str) -> str:
    """The characters that close the brackets and the quote open at the end of a text."""
    opened, quote = "", ""
    for found in _TOKEN.finditer(text):
        token, last = found[0], found.end() == len(text)
        if token in "[{":
            opened += "]" if token == "[" else "}"
        elif token in "]}" and opened.endswith(token):
            opened = opened[:-1]
        elif token[0] in "'\"" and last and (len(token) == 1 or token[-1] != token[0]):
            quote = token[0]
    return quote + opened[::-1]
