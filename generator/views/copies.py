"""Equal copies in a row, of which a picture shows one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from .picture import Arrow, Box, Picture


def without_copies(picture: Picture) -> Picture:
    """The picture with one box in place of equal ones in a row.

    Copies are equal in all that is in them. Each but the first reads from the one before what the
    first one reads from elsewhere, and nothing else reads what is between them.
    """
    runs = _Runs(picture)
    shown: dict[str, str] = {}  # the box that stands for each hidden one
    firsts: dict[str, list[Box]] = {}
    for run in runs.found():
        if run[0].key not in shown:
            firsts[run[0].key] = run
            for copy in run[1:]:
                pairs = zip(runs.inside[copy.key], runs.inside[run[0].key], strict=True)
                shown |= {box.key: first.key for box, first in pairs}
    others: dict[str, list[str]] = defaultdict(list)
    for box in picture.boxes:
        if box.key in shown:
            others[_end(box.key, shown)].append(box.name)
    boxes = []
    for box in picture.boxes:
        if box.key in shown:
            continue
        run = firsts.get(box.key, [box])
        last = run[-1].name if len(run) > 1 else ""
        boxes.append(replace(box, others=tuple(others[box.key]), times=len(run), last=last))
    arrows = [
        replace(arrow, source=_end(arrow.source, shown))
        for arrow in picture.arrows
        if arrow.target not in shown
    ]
    return Picture(picture.name, tuple(boxes), tuple(arrows), picture.sizes)


def _end(key: str, shown: dict[str, str]) -> str:
    while key in shown:
        key = shown[key]
    return key


Ends = frozenset[tuple[str, int, str]]  # arrows into a box: the source, the place in it, the shape


class _Links(Struct, frozen=True):
    """What a box reads from the one before it, by place in it, and what it reads from elsewhere."""

    chain: frozenset[tuple[int, int, str]]
    aside: Ends


class _Runs:
    """Finds equal copies in a row."""

    def __init__(self, picture: Picture) -> None:
        self.children: dict[str, list[Box]] = defaultdict(list)
        for box in picture.boxes:
            self.children[box.parent].append(box)
        self.inside: dict[str, list[Box]] = {}
        for box in reversed(picture.boxes):
            inner = [one for child in self.children[box.key] for one in self.inside[child.key]]
            self.inside[box.key] = [box, *inner]
        self.parents = {box.key: box.parent for box in picture.boxes}
        self.into: dict[str, list[Arrow]] = defaultdict(list)
        self.out: dict[str, list[Arrow]] = defaultdict(list)
        for arrow in picture.arrows:
            for key in self._around(arrow.target):
                self.into[key].append(arrow)
            for key in self._around(arrow.source):
                self.out[key].append(arrow)

    def _around(self, key: str) -> Iterator[str]:
        """A box and those around it."""
        while key:
            yield key
            key = self.parents[key]

    def found(self) -> Iterator[list[Box]]:
        """The runs of two copies or more, those of outer boxes first."""
        for siblings in list(self.children.values()):
            start = 0
            while start < len(siblings):
                run = self._run(siblings[start:])
                if len(run) > 1:
                    yield run
                start += len(run)

    def _run(self, siblings: Sequence[Box]) -> list[Box]:
        """The longest run that begins with the first box."""
        run, first = [siblings[0]], siblings[0]
        kind: _Links | None = None
        for before, box in pairwise(siblings):
            links = self._links(before, box)
            if links is None or kind not in (None, links):
                break
            if kind is None and not self._begins(first, links):
                break
            run.append(box)
            kind = links
        return run

    def _links(self, before: Box, box: Box) -> _Links | None:
        """What a box reads, if it is equal to the one before, and alone in reading that."""
        if [*map(self._face, self.inside[before.key][1:])] != [
            *map(self._face, self.inside[box.key][1:])
        ] or self._face(before)[1:] != self._face(box)[1:]:
            return None
        places = {one.key: place for place, one in enumerate(self.inside[before.key])}
        own = {one.key: place for place, one in enumerate(self.inside[box.key])}
        leaving = [arrow for arrow in self.out[before.key] if arrow.target not in places]
        if not leaving or any(arrow.target not in own for arrow in leaving):
            return None
        inner = [self._inner(places, before), self._inner(own, box)]
        if inner[0] != inner[1]:
            return None
        chain = {(places[a.source], own[a.target], a.shape) for a in leaving}
        aside = {end for end in self._ends(box, own) if end[0] not in places}
        return _Links(frozenset(chain), frozenset(aside))

    def _face(self, box: Box) -> tuple[str, int, str, int]:
        """What is equal for equal boxes; the names of the outermost ones may differ."""
        return box.label, box.kind, box.output, box.parameters

    def _inner(self, places: dict[str, int], box: Box) -> list[tuple[int, int, str]]:
        """The arrows inside of a box."""
        into = (arrow for arrow in self.into[box.key] if arrow.source in places)
        return [(places[arrow.source], places[arrow.target], arrow.shape) for arrow in into]

    def _ends(self, box: Box, places: dict[str, int]) -> Ends:
        """The arrows into a box."""
        into = (arrow for arrow in self.into[box.key] if arrow.source not in places)
        return frozenset((arrow.source, places[arrow.target], arrow.shape) for arrow in into)

    def _begins(self, first: Box, links: _Links) -> bool:
        """Whether a box reads from elsewhere what its copies read from the one before."""
        places = {one.key: place for place, one in enumerate(self.inside[first.key])}
        ends = self._ends(first, places)
        sources: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for source, place, shape in ends - links.aside:
            sources[source].add((place, shape))
        wanted: dict[int, set[tuple[int, str]]] = defaultdict(set)
        for number, place, shape in links.chain:
            wanted[number].add((place, shape))
        given = sorted(map(sorted, sources.values()))
        return links.aside <= ends and given == sorted(map(sorted, wanted.values()))
