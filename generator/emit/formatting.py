"""black's format, found once for statements that differ by names and numbers only.

black takes a third of a millisecond a line, and a long network is the same few lines again and
again. Where names, whole numbers and comments are replaced by others of the same width, black
breaks a line in the same places; where a line is short enough not to be broken, of any width. So
each such skeleton is formatted once, in a class of its own at the end of the module; what it stood
for is put in afterwards.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
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
_LAST = "class _:"  # before the skeletons
_DEEPEST = 24
_MODE = black.Mode()


# a line with fillers, its words and comments, and how many brackets it leaves open
_Skeleton = tuple[str, tuple[str, ...], tuple[str, ...], int]


class _Statement(Struct, frozen=True):
    """A line with a statement: its skeleton, and what the skeleton's fillers stand for."""

    indent: int
    skeleton: str
    words: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def key(self) -> tuple[int, str]:
        """Equal for statements that black breaks in the same places."""
        return self.indent, self.skeleton


class _Form(Struct, frozen=True):
    """A skeleton as black formats it: pieces of text, and the kind of filler after each."""

    pieces: tuple[str, ...]
    kinds: tuple[str, ...]

    @staticmethod
    def of(text: str) -> _Form:
        pieces, kinds, end = [], [], 0
        for found in _TOKEN.finditer(text):
            if found.lastgroup == "comment" or _is_replaced(found):
                pieces.append(text[end : found.start()])
                kinds.append("comment" if found.lastgroup == "comment" else "word")
                end = found.end()
        return _Form((*pieces, text[end:]), tuple(kinds))

    def filled(self, statement: _Statement) -> str:
        """The lines of a statement, everything put in its place: a comment comes last."""
        put = (*statement.words, *statement.comments, "")
        return "".join(chain.from_iterable(zip(self.pieces, put, strict=True)))


def formatted(text: str) -> str:
    """A module just as `black.format_str` gives it, in a small part of the time.

    This replaces `black.format_str(text)`, which is also what is done where a skeleton comes back
    with other fillers; the tests hold the two against each other on random modules. The module's
    docstrings begin a line of their own, and its indents are of four spaces.
    """
    # what is printed as black has it takes black one pass, else two
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
    """The module with a name in place of each run of statements, and these runs."""
    rest: list[str] = []
    runs: list[list[_Statement]] = []
    indent: int | None = None  # of the statement on the line before, if there is one
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
    """The lines, as statements where they are ones that can stand alone."""
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
    """A line of a function's body that is an assignment or a call, and complete."""
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
    """The same in half the time for most lines: those of names, whole numbers and signs.

    What fits into a line, even with a space on both sides of each sign, keeps no widths.
    """
    code, sign, text = line.partition("#")
    words = _WORD.findall(code)
    masked = code.translate(_MASK)
    bare = _WIDE_WHOLE.sub("1", _WIDE_NAME.sub("x", masked))
    if _ODD.search(bare) or not _WORDS.isdisjoint(words) or not code.isascii():
        return None
    comments, filler = ((sign + text,), _filler(sign + text)) if sign else ((), "")
    fits = indent + len(line) + 2 * len(bare) <= _MODE.line_length
    if fits and not _EXPLODED.search(bare):
        masked, filler = bare, filler[:3]
    depth = sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))
    return masked + filler, tuple(words), comments, depth


def _filler(comment: str) -> str:
    return f"# {'x' * (len(comment) - 2)}"


def _is_replaced(found: re.Match[str]) -> bool:
    """Whether a token is one that any other of its width can stand for."""
    return found.lastgroup == "whole" or (found.lastgroup == "name" and found[0] not in _WORDS)


def _class_of(known: Sequence[tuple[int, str]]) -> Iterator[str]:
    """A class whose one function holds the skeletons, each as deep as it stands."""
    yield from ("", "", _LAST)
    yield "    def _(_):"
    for indent, skeleton in known:
        for outer in range(8, indent, 4):
            yield f"{' ' * outer}if _:"
        yield f"{' ' * indent}{skeleton}"


def _pieces(lines: Sequence[str]) -> Iterator[str]:
    """The formatted lines of each skeleton: a new one begins where no line goes on."""
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
    """The module's lines, with the formatted statements where their names stand."""
    for line in lines:
        name = re.fullmatch(r" +_(\d+)_", line)
        if name is None:
            yield line
        else:
            yield from (found[each.key].filled(each) for each in runs[int(name[1])])
