"""black's format, computed once for all statements that differ only in names and numbers.

black takes a third of a millisecond a line, and a long network repeats the same few lines. Where
names, whole numbers and comments are replaced by others of the same width, black breaks a line in
the same places; in a line that is short enough not to be broken, the width does not matter. So
statements become skeletons, with fillers in place of these tokens. Each skeleton is formatted
once, in a class of its own at the end of the module. Then the tokens are put back.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from string import ascii_letters

import black
from msgspec import Struct

_TOKEN = re.compile(
    r"""(?P<string>[A-Za-z]{0,2}(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<comment>\#[^\n]*)
    |(?P<name>[^\W\d]\w*)
    |(?P<whole>(?<![\w.])(?:0|[1-9][0-9]*)(?![\w.]))
    |(?P<number>(?:[0-9][\w.]*|\.[0-9]\w*)(?:(?<=[eE])[+-][0-9]\w*)?)
    |(?P<opening>[(\[{])|(?P<closing>[)\]}])""",
    re.VERBOSE,
)
_WORDS = frozenset({*keyword.kwlist, *keyword.softkwlist})
_PLAIN = re.compile(r"# (?!type:|noqa|pylint|fmt:|yapf:)[!-~](?:[ -~]*[!-~])?")
_NAME = re.compile(r"[^\W\d]\w*")
_WORD = re.compile(r"\w+")
_MASK = str.maketrans({**dict.fromkeys(ascii_letters + "_", "x"), **dict.fromkeys("23456789", "1")})
_WIDE_NAME, _WIDE_WHOLE = re.compile("x[x01]+"), re.compile("1[01]+")
_ODD = re.compile(r"[\"'\\]|[01][x01.]|\.[01]")  # strings, and numbers that are not whole
_EXPLODED = re.compile(r",\s*[)\]}]")  # black gives each item a line of its own
_LAST = "class _:"  # the line before the skeletons
_DEEPEST = 24
_LONG_LIST = re.compile(r"\[[-+0-9.e, \[\]]{1000,}\]")  # of numbers, or of lists of numbers
_MODE = black.Mode()


# a line with fillers, its words and comments, and how many brackets it leaves open
_Skeleton = tuple[str, tuple[str, ...], tuple[str, ...], int]


class _Statement(Struct, frozen=True):
    """A line with a statement: its skeleton, and the tokens that the fillers replace."""

    indent: int
    skeleton: str
    words: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def key(self) -> tuple[int, str]:
        """Equal for statements that black breaks in the same places."""
        return self.indent, self.skeleton


class _Form(Struct, frozen=True):
    """A skeleton as black formats it: a text with ``%s`` for each filler, and their kinds."""

    text: str
    kinds: tuple[str, ...]

    @staticmethod
    def of(text: str) -> _Form:
        pieces, kinds, end = [], [], 0
        for found in _TOKEN.finditer(text):
            if found.lastgroup == "comment" or _is_replaced(found):
                pieces.append(text[end : found.start()].replace("%", "%%"))
                kinds.append("comment" if found.lastgroup == "comment" else "word")
                end = found.end()
        return _Form("%s".join((*pieces, text[end:].replace("%", "%%"))), tuple(kinds))

    def filled(self, statement: _Statement) -> str:
        """The formatted lines of a statement with its words and its comment put back."""
        return self.text % (*statement.words, *statement.comments)


def formatted(text: str) -> str:
    """A module exactly as `black.format_str` gives it, in a small part of the time.

    Where a skeleton comes back with other fillers, this calls `black.format_str(text)`. Tests
    compare the two on random modules. Docstrings in the module must begin on lines of their own,
    and indents must be of four spaces.
    """
    if _LONG_LIST.search(text) is None:
        return _formatted(text)
    from .long_lists import put_back, without_lists  # few networks hold so many numbers

    short, lists = without_lists(text, _LONG_LIST)
    return put_back(_formatted(short), lists) or _formatted(text)


def _formatted(text: str) -> str:
    # black needs one pass for what is formatted already, else two: so strip trailing spaces
    rest, runs = _reduced([line.rstrip(" ") for line in text.rstrip().split("\n")])
    known = list(dict.fromkeys(statement.key for run in runs for statement in run))
    if not known:
        return black.format_str(text, mode=_MODE)
    reduced = "\n".join([*rest, *_class_of(known), ""])
    lines = black.format_str(reduced, mode=_MODE).split("\n")
    end = lines.index(_LAST)
    pieces = list(_pieces(lines[end + 2 :]))
    forms = [_Form.of(piece) for piece in pieces]
    if [form.kinds for form in forms] != [_Form.of(skeleton).kinds for _, skeleton in known]:
        return black.format_str(text, mode=_MODE)  # this has not been seen
    found = dict(zip(known, forms, strict=True))
    return "\n".join([*_put_back(lines[:end], runs, found)]).rstrip("\n") + "\n"


def _reduced(lines: Sequence[str]) -> tuple[list[str], list[list[_Statement]]]:
    """The module with a placeholder name for each run of statements, and these runs."""
    rest: list[str] = []
    runs: list[list[_Statement]] = []
    indent: int | None = None  # the indent of the line before, if that is a statement
    for line in _lines(lines):
        if isinstance(line, str):
            rest.append(line)
            indent = None
        elif indent == line.indent:
            runs[-1].append(line)
        else:
            indent = line.indent
            rest.append(f"{' ' * indent}_{len(runs)}_")
            runs.append([line])
    return rest, runs


def _lines(lines: Sequence[str]) -> Iterator[_Statement | str]:
    """The lines; those that are complete statements as `_Statement`."""
    depth, quoted = 0, False
    for line in lines:
        if quoted or line.lstrip().startswith('"""'):
            quoted = quoted != (line.count('"""') % 2 == 1)
            yield line
            continue
        statement = None if depth else _statement(line)
        if statement is None:
            kinds = [found.lastgroup for found in _TOKEN.finditer(line)]
            depth += kinds.count("opening") - kinds.count("closing")
        yield line if statement is None else statement


def _statement(line: str) -> _Statement | None:
    """The statement of a line that is a complete assignment or call in a function's body.

    ``None`` for all other lines.
    """
    bare = line.lstrip(" ")
    indent = len(line) - len(bare)
    first = _NAME.match(bare)
    if indent < 8 or indent > _DEEPEST or indent % 4 or first is None or first[0] in _WORDS:
        return None
    skeleton, words, comments, depth = _simple(bare, indent) or _skeleton(bare)
    if depth or skeleton.endswith((":", "\\", " ")) or not skeleton.isascii():
        return None
    if not all(map(_PLAIN.fullmatch, comments)):
        return None
    return _Statement(indent, skeleton, words, comments)


def _skeleton(line: str) -> _Skeleton:
    words: list[str] = []
    comments: list[str] = []
    depth = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal depth
        depth += (found.lastgroup == "opening") - (found.lastgroup == "closing")
        if found.lastgroup == "comment":
            comments.append(found[0])
            return _filler(found[0])
        if not _is_replaced(found):
            return found[0]
        words.append(found[0])
        return found[0].translate(_MASK)

    return _TOKEN.sub(replace, line), tuple(words), tuple(comments), depth


def _simple(line: str, indent: int) -> _Skeleton | None:
    """`_skeleton` in half the time, for lines of names, whole numbers and signs; else ``None``.

    In a line that fits even with a space on both sides of each sign, fillers have no widths.
    """
    code, sign, text = line.partition("#")
    words = _WORD.findall(code)
    masked = code.translate(_MASK)
    bare = _WIDE_WHOLE.sub("1", _WIDE_NAME.sub("x", masked))
    odd, exploded, depth = _signs(bare)
    if odd or not _WORDS.isdisjoint(words) or not code.isascii():
        return None
    comments, filler = ((sign + text,), _filler(sign + text)) if sign else ((), "")
    fits = indent + len(line) + 2 * len(bare) <= _MODE.line_length
    if fits and not exploded:
        masked, filler = bare, filler[:3]
    return masked + filler, tuple(words), comments, depth


@lru_cache
def _signs(bare: str) -> tuple[bool, bool, int]:
    """Whether a line is odd, or exploded, and how many brackets it leaves open.

    Of a line without its words there are few, so it is known for most.
    """
    depth = sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))
    return bool(_ODD.search(bare)), bool(_EXPLODED.search(bare)), depth


def _filler(comment: str) -> str:
    return f"# {'x' * (len(comment) - 2)}"


def _is_replaced(found: re.Match[str]) -> bool:
    """Whether a token is replaced by a filler: a whole number, or a name that is no keyword."""
    return found.lastgroup == "whole" or (found.lastgroup == "name" and found[0] not in _WORDS)


def _class_of(known: Sequence[tuple[int, str]]) -> Iterator[str]:
    """The lines of a class whose one method holds the skeletons, each at its own indent."""
    yield from ("", "", _LAST)
    yield "    def _(_):"
    for indent, skeleton in known:
        for outer in range(8, indent, 4):
            yield f"{' ' * outer}if _:"
        yield f"{' ' * indent}{skeleton}"


def _pieces(lines: Sequence[str]) -> Iterator[str]:
    """The formatted text of each skeleton, split where a line does not continue the one before."""
    piece: list[str] = []
    indent = 0
    for line in lines:
        bare = line.lstrip(" ")
        begins = not piece or (len(line) - len(bare) <= indent and bare[:1] not in ")]}")
        if piece and (begins or not bare):
            yield "\n".join(piece)
            piece = []
        if bare and bare != "if _:":
            piece.append(line)
            indent = indent if len(piece) > 1 else len(line) - len(bare)
    if piece:
        yield "\n".join(piece)


def _put_back(
    lines: Sequence[str],
    runs: Sequence[Sequence[_Statement]],
    found: Mapping[tuple[int, str], _Form],
) -> Iterator[str]:
    """The module's lines, with the formatted statements in place of their placeholder names."""
    for line in lines:
        name = re.fullmatch(r" +_(\d+)_", line)
        if name is None:
            yield line
        else:
            yield from (found[each.key].filled(each) for each in runs[int(name[1])])
