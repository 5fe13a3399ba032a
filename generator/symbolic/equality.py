"""Comparisons of sizes that hold whatever their symbols stand for."""

from __future__ import annotations

from msgspec import Struct

from .algebra import Poly, constant
from .sizes import Dim, Size, exactly, normal_tree, poly_of, symbols_in
from .tree import Expression, call


class Meeting(Struct, frozen=True):
    """Two sizes that meet in a layer and must fit; the output has the `kept` one's expression.

    It `spreads` if a size of 1 is broadcast over the other. If it is `silent`, torch refuses no
    sizes that differ: the output would have another size.
    """

    kept: Size
    other: Size
    spreads: bool = False
    silent: bool = False


def surely_equal(left: Size, right: Size, *, nonzero: bool) -> bool | None:
    """Whether two numbers are equal whatever their symbols stand for; ``None`` if it depends.

    Different multiples of one product differ if it is `nonzero`, as a tensor's size is.
    """
    if same(left, right):
        return True
    gap = poly_of(left) + constant(-1) * poly_of(right)
    if gap.constant is not None:
        return False
    sides = (poly_of(left).terms, poly_of(right).terms)
    if _never_zero(gap):
        return False
    alone = nonzero and all(len(terms) == 1 and () not in terms for terms in sides)
    return False if alone and sides[0].keys() == sides[1].keys() else None


def _never_zero(gap: Poly) -> bool:
    """Whether ``a * index + b`` can't be 0, because the copy's number is known to be 1 or more."""
    if not {*gap.terms} <= {("index",), ()} or ("index",) not in gap.terms:
        return False
    factor, atoms = gap.terms["index",]
    root = -gap.terms.get((), (0, ()))[0] / factor
    return root < 1 and all(symbol.known for atom in atoms for symbol in atom.symbols)


def same(left: Size, right: Size) -> bool:
    """Whether two sizes are equal whatever their symbols stand for, by their normal forms."""
    if int(left) != int(right):
        return False
    if not (symbols_in(left) or symbols_in(right)):
        return True
    return _factors(poly_of(left)) == _factors(poly_of(right))


def _factors(poly: Poly) -> dict[tuple[str, ...], int]:
    return {key: factor for key, (factor, _) in poly.terms.items()}


def left_of(whole: Size, part: Size) -> Size:
    """What is left of a product of sizes without those that are a part of it.

    Where it does not consist of them, it is the quotient, which is known to be exact.
    """
    if type(part) is int and part == 1:
        return whole
    factors = [*whole.factors] if isinstance(whole, Dim) else []
    for factor in part.factors if isinstance(part, Dim) else (constant(part),):
        alike = (place for place, own in enumerate(factors) if _factors(own) == _factors(factor))
        place = next(alike, None)
        if place is None:
            return exactly(whole // part)
        del factors[place]
    return Dim.make(int(whole) // int(part), tuple(factors)) if factors else int(whole) // int(part)


def smallest(left: Size, right: Size) -> Size:
    """The smaller of two sizes; ``min(...)`` where the sizes are not plain numbers."""
    value = min(int(left), int(right))
    symbols = symbols_in(left) | symbols_in(right)
    if not symbols:
        return value
    if same(left, right):
        return left
    tree = call("min", normal_tree(left), normal_tree(right))
    texts = [size.normal if isinstance(size, Dim) else str(size) for size in (left, right)]
    text = Expression(f"min({', '.join(texts)})", tree)
    return Dim.opaque(text, value, symbols, tight=True)
