"""Sums of products of symbols: the expressions of sizes.

They are kept in a normal form (like terms added up, exact divisions carried out, nested floor
divisions merged) and printed as a person would write them.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from .tree import Expression, factors_in, multiplied, put

INDEX = "index"  # the number of a copy, in expressions and in generated loops


class Symbol(Struct, frozen=True):
    """A name that a size may depend on.

    A `runtime` symbol is a size of an input (``N``, ``H``), which only `forward` sees; others are
    constructor arguments (``width``). A size of a block's input is `known` if its number is known
    when the source is generated: it may become an argument.
    """

    name: str
    runtime: bool = False
    known: bool = False


class Symbols(tuple[Symbol, ...]):
    """Symbols in order of appearance, each once. (A set has another order in each run.)"""

    __slots__ = ()

    @staticmethod
    def of(*groups: Iterable[Symbol]) -> Symbols:
        """The symbols of all groups."""
        return Symbols(dict.fromkeys(chain(*groups)))

    def __or__(self, other: Iterable[Symbol]) -> Symbols:
        return Symbols.of(self, other)


class Atom(Struct, frozen=True):
    """An indivisible factor of a term: a symbol, or an operation that is no sum of products.

    `quotient` has the two sides of a floor division. It is `exact` if the network can't run where
    there is a remainder.
    """

    expression: Expression
    symbols: Symbols
    tight: bool  # the text needs no parentheses as a factor
    quotient: tuple[Poly, Poly] | None = None
    exact: bool = False

    @property
    def text(self) -> str:
        """Python source of the atom."""
        return self.expression.text


class Poly(Struct, frozen=True):
    """A sum of terms, each a whole number times atoms, in the order in which they appeared.

    The keys of `terms` are the sorted texts of the atoms. A sum that is `written` in the spec is
    printed as it stands there; what is computed with it knows its terms alone.
    """

    terms: Mapping[tuple[str, ...], tuple[int, tuple[Atom, ...]]]
    written: ast.expr | None = None

    @property
    def symbols(self) -> Symbols:
        return Symbols.of(*(atom.symbols for _, atoms in self.terms.values() for atom in atoms))

    @property
    def constant(self) -> int | None:
        """The value of a sum without atoms, or ``None``."""
        if not self.terms:
            return 0
        return self.terms[()][0] if set(self.terms) == {()} else None

    def only_atom(self) -> Atom | None:
        """The atom of a sum that is one atom and nothing else, or ``None``."""
        if len(self.terms) != 1:
            return None
        ((factor, atoms),) = self.terms.values()
        return atoms[0] if factor == 1 and len(atoms) == 1 else None

    def __add__(self, other: Poly) -> Poly:
        return collect([*self.terms.values(), *other.terms.values()])

    def __mul__(self, other: Poly) -> Poly:
        product = collect(
            (left * right, (*left_atoms, *right_atoms))
            for left, left_atoms in self.terms.values()
            for right, right_atoms in other.terms.values()
        )
        for factor, atoms in product.terms.values():
            whole = _undivided(factor, atoms)
            if whole is not None:
                rest = {key: term for key, term in product.terms.items() if term[1] != atoms}
                return Poly(rest) + whole
        return product

    def exactly(self) -> Poly:
        """The same sum with all divisions marked as exact."""
        return collect(
            (factor, tuple(replace(atom, exact=atom.quotient is not None) for atom in atoms))
            for factor, atoms in self.terms.values()
        )

    def ordered(self) -> list[tuple[int, tuple[Atom, ...]]]:
        """The terms as they are printed: a constant last, unless a negative term would be first."""
        terms = [_rounded_up(*term) for key, term in self.terms.items() if key]
        terms += [term for key, term in self.terms.items() if not key]
        if terms and terms[0][0] < 0 < terms[-1][0]:
            terms.insert(0, terms.pop())
        return terms

    def tree(self) -> ast.expr:
        """The tree of the sum: what Python reads in its `text`."""
        if self.written is not None:
            return self.written
        if (sides := _factored(self)) is not None:
            return multiplied([part for side in sides for part in factor_trees(side)])
        result: ast.expr | None = None
        for factor, atoms in self.ordered():
            operands = _operands(abs(factor), atoms)
            if result is None:
                operands[0] = ast.UnaryOp(ast.USub(), operands[0]) if factor < 0 else operands[0]
                result = multiplied(operands)
            else:
                sign = ast.Sub() if factor < 0 else ast.Add()
                result = ast.BinOp(result, sign, multiplied(operands))
        return result or ast.Constant(0)

    def text(self) -> str:
        """Python source of the sum."""
        return self.normal() if self.written is None else ast.unparse(self.written)

    def normal(self) -> str:
        """Python source of the terms: the same for equal sums, however they are written."""
        only = self.only_atom()
        if only:
            return only.text
        if (sides := _factored(self)) is not None:
            return " * ".join(map(factor_text, sides))
        return self._summed()

    def _summed(self) -> str:
        """Python source of the terms, one after the other."""
        pieces: list[str] = []
        for factor, atoms in self.ordered():
            sign = "-" if factor < 0 else "+" if pieces else ""
            pieces.append(f" {sign} " if pieces else sign)
            # a leading minus binds tighter than the division behind it
            bare = bool(pieces[:-1]) or factor > 0
            pieces.append(_term_text(abs(factor), atoms, bare))
        return "".join(pieces) or "0"


def _factored(poly: Poly) -> tuple[Poly, Poly] | None:
    """What all terms have in common, and the sum without it, if that is shorter to write."""
    if len(poly.terms) < 2 or () in poly.terms:
        return None
    common = _common(poly.terms.values())
    if common == (1, ()):
        return None
    outer = Poly({tuple(sorted(atom.text for atom in common[1])): common})
    inner = collect(filter(None, (_exact(*term, outer) for term in poly.terms.values())))
    brief = f"{outer.normal()} * ({inner.normal()})"
    return (outer, inner) if len(brief) < len(poly._summed()) else None


def _common(
    terms: Iterable[tuple[int, tuple[Atom, ...]]],
) -> tuple[int, tuple[Atom, ...]]:
    """The factors that all terms have in common."""
    (_, first), *_ = terms = [*terms]
    found: list[Atom] = []
    for atom in first:
        if atom not in found and all(atom in atoms for _, atoms in terms):
            found.append(atom)
    return math.gcd(*(factor for factor, _ in terms)), tuple(found)


def _rounded_up(factor: int, atoms: tuple[Atom, ...]) -> tuple[int, tuple[Atom, ...]]:
    """A term as it is printed: one with a division that rounds up has ``-(-a // b)`` as a factor.

    It is kept as -1 times the division of ``-a``, which rounds down.
    """
    for place, atom in enumerate(atoms) if factor < 0 else ():
        if atom.quotient is not None and _is_negative(atom.quotient[0]):
            tree = ast.UnaryOp(ast.USub(), atom.expression.tree)
            whole = Atom(Expression(f"-({atom.text})", tree), atom.symbols, tight=True)
            return -factor, (*atoms[:place], whole, *atoms[place + 1 :])
    return factor, atoms


def _is_negative(poly: Poly) -> bool:
    """Whether all terms of a sum have a sign before them."""
    return bool(poly.terms) and all(factor < 0 for factor, _ in poly.terms.values())


def _undivided(factor: int, atoms: tuple[Atom, ...]) -> Poly | None:
    """A term with an exact quotient and its divisor multiplied out, or ``None`` without one."""
    for atom in atoms:
        if not atom.exact or atom.quotient is None:
            continue
        others = list(atoms)
        others.remove(atom)
        left = _exact(factor, tuple(others), atom.quotient[1])
        if left is not None:
            return Poly({tuple(sorted(a.text for a in left[1])): left}) * atom.quotient[0]
    return None


def _operands(factor: int, atoms: tuple[Atom, ...]) -> list[ast.expr]:
    """The trees of a term's factors; a factor of 1 is left out where there are others."""
    trees = [atom.expression.tree for atom in atoms]
    return [ast.Constant(factor), *trees] if factor != 1 or not trees else trees


def _term_text(factor: int, atoms: tuple[Atom, ...], bare: bool) -> str:
    if len(atoms) == 1 and factor == 1 and atoms[0].quotient and bare:
        return atoms[0].text
    texts = [atom.text if atom.tight else f"({atom.text})" for atom in atoms]
    return " * ".join([str(factor), *texts] if factor != 1 or not texts else texts)


def collect(terms: Iterable[tuple[int, tuple[Atom, ...]]]) -> Poly:
    found: dict[tuple[str, ...], tuple[int, tuple[Atom, ...]]] = {}
    for factor, atoms in terms:
        key = tuple(sorted(atom.text for atom in atoms))
        before, order = found.get(key, (0, atoms))
        found[key] = (before + factor, order)
    return Poly({key: term for key, term in found.items() if term[0]})


def constant(value: int) -> Poly:
    return Poly({(): (int(value), ())} if value else {})


def of_atom(atom: Atom) -> Poly:
    return Poly({(atom.text,): (1, (atom,))})


def factor_text(poly: Poly) -> str:
    """A factor of a product as text: in parentheses if it is a sum, a division or negative."""
    return f"({poly.normal()})" if _needs_brackets(poly) else poly.normal()


def factor_trees(poly: Poly) -> list[ast.expr]:
    """A factor of a product as trees: one, or those of its own factors."""
    if poly.written is not None:
        return factors_in(poly.written)
    if (sides := _factored(poly)) is not None:
        return [part for side in sides for part in factor_trees(side)]
    if _needs_brackets(poly):
        return [poly.tree()]
    ((factor, atoms),) = poly.ordered()
    return _operands(factor, atoms)


def _needs_brackets(poly: Poly) -> bool:
    if _factored(poly) is not None:
        return False
    only = poly.only_atom()
    sum_or_negative = len(poly.terms) != 1 or poly.ordered()[0][0] < 0
    return sum_or_negative or (only is not None and not only.tight)


def quotient(over: Poly, under: Poly) -> Poly:
    """The floor division: terms that divide exactly are taken out, nested divisions merged."""
    over, under = _reduced(Poly(over.terms), Poly(under.terms))
    divided, rest = [], []
    for factor, atoms in over.terms.values():
        exact = _exact(factor, atoms, under)
        if exact is None:
            rest.append((factor, atoms))
        else:
            divided.append(exact)
    left = collect(rest)
    if _is_negative(left):
        # (20 - k) // 2 reads better than -k // 2 + 10
        divided, left = [], over
    if not left.terms:
        return collect(divided)
    if left.constant is not None and under.constant:
        return collect([*divided, (left.constant // under.constant, ())])
    only = left.only_atom()
    inner = only.quotient if only else None
    if inner is not None and (under.constant or 0) > 0 and (inner[1].constant or 0) > 0:
        left, under = inner[0], inner[1] * under
    atom = Atom(_division(left, "//", under), left.symbols | under.symbols, False, (left, under))
    return collect([*divided, (1, (atom,))])


def _reduced(over: Poly, under: Poly) -> tuple[Poly, Poly]:
    """Both sides without the factors that all their terms have in common."""
    if not over.terms or not under.terms:
        return over, under
    factor = _common([*over.terms.values(), *under.terms.values()])
    divisor = Poly({(): factor})
    if factor == (1, ()):
        return over, under
    sides = []
    for side in (over, under):
        exact = [_exact(*term, divisor) for term in side.terms.values()]
        sides.append(collect(term for term in exact if term is not None))
    return sides[0], sides[1]


def _exact(
    factor: int, atoms: tuple[Atom, ...], under: Poly
) -> tuple[int, tuple[Atom, ...]] | None:
    if len(under.terms) != 1:
        return None
    ((by, by_atoms),) = under.terms.values()
    left = list(atoms)
    for atom in by_atoms:
        if atom not in left:
            return None
        left.remove(atom)
    return None if factor % by else (factor // by, tuple(left))


def remainder(over: Poly, under: Poly) -> Poly:
    if under.constant and all(factor % under.constant == 0 for factor, _ in over.terms.values()):
        return constant(0)
    over, under = Poly(over.terms), Poly(under.terms)
    return of_atom(Atom(_division(over, "%", under), over.symbols | under.symbols, False))


_OPERATORS: dict[str, ast.operator] = {"//": ast.FloorDiv(), "%": ast.Mod()}


def _division(over: Poly, sign: str, under: Poly) -> Expression:
    left, text = over.tree(), operand(over)
    if _is_negative(over):  # the sign binds tighter than the division
        positive = constant(-1) * over
        left, text = ast.UnaryOp(ast.USub(), positive.tree()), f"-{operand(positive)}"
    tree = ast.BinOp(left, _OPERATORS[sign], under.tree())
    return Expression(f"{text} {sign} {operand(under)}", tree)


def operand(poly: Poly) -> str:
    """A side of a division as text: in parentheses unless it is one name or number."""
    if poly.constant is not None:
        return str(poly.constant) if poly.constant >= 0 else f"({poly.constant})"
    only = poly.only_atom()
    return only.text if only and only.tight else f"({poly.text()})"


def renamed(poly: Poly, sources: Mapping[str, Expression]) -> Poly:
    """The sum with other source in place of some names; nothing is computed."""
    found = collect(
        (factor, tuple(_renamed(atom, sources) for atom in atoms))
        for factor, atoms in poly.terms.values()
    )
    if poly.written is None:
        return found
    return replace(found, written=put(poly.written, _trees(sources)))


def _renamed(atom: Atom, sources: Mapping[str, Expression]) -> Atom:
    if not any(symbol.name in sources for symbol in atom.symbols):
        return atom
    if atom.quotient is not None:
        over, under = (renamed(side, sources) for side in atom.quotient)
        return replace(atom, expression=_division(over, "//", under), quotient=(over, under))
    return replace(atom, expression=Expression.of(put(atom.expression.tree, _trees(sources))))


def _trees(sources: Mapping[str, Expression]) -> dict[str, ast.expr]:
    return {name: source.tree for name, source in sources.items()}
