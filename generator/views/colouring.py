"""The lines of specs and of generated source as words with their colours, for the page."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Iterator, Sequence

Words = list[tuple[str, str]]  # of a line: each text with what it is, empty for nothing special

_SPEC = re.compile(
    r"""(?P<comment>(?<!\S)\#.*)
    | (?P<key>[\w.\-/]+|"(?:\\.|[^"\\])*"|'(?:''|[^'])*')(?=\s*:(?:\s|$))
    | (?P<string>"(?:\\.|[^"\\])*"|'(?:''|[^'])*')
    | (?P<name>\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|\$\w+)
    | (?P<number>(?<![\w.\-])[-+]?\d[\d_.]*(?:e[-+]?\d+)?(?![\w.])|\b(?:true|false|null)\b)""",
    re.VERBOSE,
)


def spec_words(line: str) -> Words:
    """The words of a line of YAML."""
    words: Words = []
    end = 0
    for found in _SPEC.finditer(line):
        words += [("", line[end : found.start()]), (found.lastgroup or "", found[0])]
        end = found.end()
    return [word for word in [*words, ("", line[end:])] if word[1]]


def source_words(text: str) -> list[Words]:
    """The words of each line of Python."""
    lines = text.splitlines()
    spans: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    for kind, (row, start), (last, end) in _coloured(text):
        for number in range(row, last + 1):
            line = lines[number - 1]
            begin, stop = start if number == row else 0, end if number == last else len(line)
            spans[number - 1].append((begin, stop, kind))
    return [[*_parts(line, parts)] for line, parts in zip(lines, spans, strict=True)]


Place = tuple[int, int]  # a line, from 1, and a column, from 0


def _coloured(text: str) -> Iterator[tuple[str, Place, Place]]:
    """What has a colour, with its places."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = ""
        if token.type == tokenize.COMMENT:
            kind = "comment"
        elif token.type == tokenize.STRING:
            kind = "string"
        elif token.type == tokenize.NUMBER or token.string in ("True", "False", "None"):
            kind = "number"
        elif token.type == tokenize.NAME and keyword.iskeyword(token.string):
            kind = "keyword"
        elif token.type == tokenize.NAME and before in ("def", "class"):
            kind = "name"
        if kind:
            yield kind, token.start, token.end
        before = token.string


def _parts(line: str, spans: Sequence[tuple[int, int, str]]) -> Iterator[tuple[str, str]]:
    end = 0
    for start, stop, kind in spans:
        if start > end:
            yield "", line[end:start]
        if stop > start:
            yield kind, line[start:stop]
        end = stop
    if end < len(line):
        yield "", line[end:]
