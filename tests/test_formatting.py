"""Formatting by skeletons gives black's own bytes, whatever stands in a module."""

from __future__ import annotations

import random

import black
import pytest
from black.parsing import InvalidInput
from torch_netgen.emit.formatting import formatted

NAMES = "x y z conv1 conv12 fc self identity out_channels in_features a_rather_long_name".split()
ATTRIBUTES = "conv1 weight relu layer4 downsample transformer_encoder_layer shape".split()
FUNCTIONS = "nn.Conv2d torch.cat nn.Sequential F.relu super().__init__ range len self.block".split()
STRINGS = ['"zeros"', "'single'", '"it\'s"', 'f"layer{i}"', '""', '"a # no comment"', '"[("']
NUMBERS = ["0.5", "1e-05", "1e+38", "1e-12", "2.5E+10", "1E5", "0xFF", "0xE", "1_000", ".5", "3."]
NUMBERS += ["2j", "1e+5j", "0b11", "0o17", "00"]
COMMENTS = ["# (N, 3, 8, 8) -> (N, 4)", "#no space", "# type: ignore", "# noqa: E501", "#", "# é"]


class Writer(random.Random):
    """Writes modules as templates print them: a statement a line, of any length."""

    def value(self, depth: int) -> str:
        kinds = ["name", "whole", "number", "string", "attribute"]
        kinds += ["call", "call", "list", "sum", "index", "if", "not", "power", "lambda", "chain"]
        kind = self.choice(kinds[: 5 if depth <= 0 else None])
        return str(getattr(self, f"_{kind}")(depth - 1))

    def _name(self, depth: int) -> str:
        return self.choice(NAMES)

    def _whole(self, depth: int) -> str:
        return str(self.choice([0, 1, 3, 16, 224, 1000, 50304]))

    def _number(self, depth: int) -> str:
        return self.choice(NUMBERS)

    def _string(self, depth: int) -> str:
        return self.choice(STRINGS)

    def _attribute(self, depth: int) -> str:
        return ".".join(["self", *(self.choice(ATTRIBUTES) for _ in range(self.randint(1, 3)))])

    def _call(self, depth: int) -> str:
        count = self.randint(0, 5)
        given = [self.value(depth) for _ in range(count)]
        given += [f"{self.choice(NAMES)}={self.value(depth)}" for _ in range(self.randint(0, 4))]
        if self.random() < 0.1:
            given.append(f"*[{self.value(depth)} for _ in range({self.value(0)})]")
            given = given[-1:]
        comma = "," if given and self.random() < 0.2 else ""
        return f"{self.choice(FUNCTIONS)}({', '.join(given)}{comma})"

    def _list(self, depth: int) -> str:
        items = ", ".join(self.value(depth) for _ in range(self.randint(1, 6)))
        left, right = self.choice([("[", "]"), ("(", ")"), ("{", "}")])
        return f"{left}{items}{',' if left == '(' or self.random() < 0.3 else ''}{right}"

    def _sum(self, depth: int) -> str:
        sign = self.choice(["+", "-", "*", "//", "%", "@", "==", "<", "and", "or", "is not", "in"])
        return f"({self.value(depth)} {sign} {self.value(depth)})"

    def _index(self, depth: int) -> str:
        inside = self.choice(["0", "-1", ":, -1", "1:", "..., None", self.value(depth)])
        return f"{self.choice(NAMES)}[{inside}]"

    def _if(self, depth: int) -> str:
        return f"({self.value(depth)} if {self.value(depth)} else {self.value(depth)})"

    def _not(self, depth: int) -> str:
        return f"({self.choice(['not ', '-', '~'])}{self.value(depth)})"

    def _power(self, depth: int) -> str:
        return f"{self.value(0)}**{self.value(0)}"

    def _lambda(self, depth: int) -> str:
        return f"(lambda: {self.value(depth)})"

    def _chain(self, depth: int) -> str:
        calls = "".join(f".{self.choice(ATTRIBUTES)}({self.value(0)})" for _ in range(3))
        return f"{self.choice(NAMES)}{calls}"

    def statement(self) -> str:
        left = self.choice([*NAMES, "x", "self.conv1", "x, y", "self.a: nn.Module", "x[0]"])
        value = self.value(self.randint(0, 3))
        text = self.choice([f"{left} = {value}", f"{left.split(':')[0]} = {value}", value])
        if self.random() < 0.05:
            text = self.choice([f"return {value}", f"assert {value}", "pass", f"del {left[:1]}"])
        return f"{text}  {self.choice(COMMENTS)}" if self.random() < 0.3 else text

    def body(self, indent: int) -> list[str]:
        lines = []
        known = [self.statement() for _ in range(self.randint(1, 4))]
        for _ in range(self.randint(1, 12)):
            lines.append(" " * indent + self.choice([*known, self.statement()]))
            if self.random() < 0.15:
                lines.append(self.choice(["", " " * indent, f"{' ' * indent}# a comment above"]))
            if self.random() < 0.1 and indent < 20:
                lines.append(f"{' ' * indent}{self.choice(['if x:', 'for x in y:', 'while 1:'])}")
                lines += self.body(indent + 4)
        return [*lines, " " * indent + self.statement()]

    def module(self) -> str:
        lines = ['"""A docstring.', "", "        x = layer(1)   # not code", '"""', "import torch"]
        for number in range(self.randint(1, 3)):
            lines += ["", f"class Net{number}(nn.Module):", '    """One line."""', ""]
            for name in ("__init__", "forward")[: self.randint(1, 2)]:
                lines += [f"    def {name}(self, x: Tensor) -> Tensor:", *self.body(8), ""]
        return "\n".join(lines)


def blacks(text: str) -> str | None:
    try:
        return black.format_str(text, mode=black.Mode())
    except InvalidInput:
        return None


@pytest.mark.slow
@pytest.mark.huge
def test_any_module_gets_blacks_own_format() -> None:
    taken = 0
    for seed in range(150):
        text = Writer(seed).module()
        expected = blacks(text)
        taken += expected is not None
        if expected is None:
            with pytest.raises(InvalidInput):
                formatted(text)
        else:
            assert formatted(text) == expected, seed
    assert taken > 100


def test_equal_statements_are_formatted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["class Net:", "    def forward(self, x):"]
    lines += [f"        x = self.layer{n}(x)  # ({n}, 8) -> ({n}, 4)" for n in range(100, 999)]
    text = "\n".join([*lines, "        return x", ""])
    given: list[str] = []
    expected, real = blacks(text), black.format_str

    def counted(text: str, mode: black.Mode) -> str:
        given.append(text)
        return real(text, mode=mode)

    monkeypatch.setattr(black, "format_str", counted)
    assert formatted(text) == expected
    assert sum(text.count("\n") for text in given) < 10


def test_a_number_stays_the_number_that_it_is() -> None:
    lines = ["class Net:", "    def forward(self, x):"]
    lines += [f"        x = x * {number}" for number in NUMBERS if number != "00"]
    text = "\n".join([*lines, ""])
    assert formatted(text) == blacks(text)


def numbers(draws: random.Random, depth: int) -> str:
    """A list of numbers, or of lists of numbers, some of which fit in a line."""
    count = draws.choice((1, 2, 3, 5, 30))
    if not depth:
        kinds = ("0", "1", "-17", "0.25", "-1e-05", "123456.789", "1e+20")
        return f"[{', '.join(draws.choice(kinds) for _ in range(count))}]"
    return f"[{', '.join(numbers(draws, depth - 1) for _ in range(min(count, 6)))}]"


@pytest.mark.slow
def test_long_lists_of_numbers_are_as_black_formats_them() -> None:
    draws, seen = random.Random(0), 0
    statements = (
        'self.register_buffer("table", torch.tensor(LIST, dtype=torch.float32))',
        'self.own.register_buffer("t", torch.tensor(LIST, dtype=torch.int64), persistent=False)',
        "x = f(LIST)",
        "x = LIST",
        'self.a = nn.Linear(1, 2)  # "LIST"',
        'self.a = f("LIST", LIST)',
    )
    for _ in range(30):
        text = numbers(draws, draws.randint(0, 3))
        text = f"[{', '.join([text] * min(draws.randint(1, 9), 3000 // len(text) or 1))}]"
        line = draws.choice(statements).replace("LIST", text)
        module = f"class A:\n    def f(self):\n        {line}\n        return 1\n"
        assert formatted(module) == black.format_str(module, mode=black.Mode())
        seen += len(text) > 1000
    assert seen > 5
