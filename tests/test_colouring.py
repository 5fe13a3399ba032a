"""The colours of the page: no character is lost, and words are what they are taken for."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

import pytest
from torch_netgen.views.colouring import source_words, spec_words

from .conftest import CONFIGS, by_depth
from .networks import built


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_no_character_is_lost(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert "".join(text for _, text in spec_words(line)) == line
    source = built(path).source
    words = source_words(source)
    assert ["".join(text for _, text in line) for line in words] == source.splitlines()
    comments = [text for line in words for kind, text in line if kind == "comment"]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    assert comments == [token.string for token in tokens if token.type == tokenize.COMMENT]


def kinds(line: str) -> list[tuple[str, str]]:
    return [word for word in spec_words(line) if word[0]]


def test_words_of_a_spec() -> None:
    assert kinds("  - Conv2d: {name: a1, out_channels: $(2 * (k + 1)), bias: false}  # it: is") == [
        ("key", "Conv2d"),
        ("key", "name"),
        ("key", "out_channels"),
        ("name", "$(2 * (k + 1))"),
        ("key", "bias"),
        ("number", "false"),
        ("comment", "# it: is"),
    ]
    assert kinds("input: [3, -1, 2.5e-3, H]") == [
        ("key", "input"), ("number", "3"), ("number", "-1"), ("number", "2.5e-3"),
    ]  # fmt: skip
    assert kinds('note: "a # b: 1"') == [("key", "note"), ("string", '"a # b: 1"')]
    assert kinds("description: ResNet-18 at http://x.org") == [("key", "description")]


def test_words_of_source() -> None:
    text = 'class A(B):\n    """One\n\n    two."""\n\n'
    text += "    def f(self) -> None:\n        return 1  # so\n"
    found = [[word for word in line if word[0]] for line in source_words(text)]
    assert found == [
        [("keyword", "class"), ("name", "A")],
        [("string", '"""One')],
        [],
        [("string", '    two."""')],
        [],
        [("keyword", "def"), ("name", "f"), ("number", "None")],
        [("keyword", "return"), ("number", "1"), ("comment", "# so")],
    ]
