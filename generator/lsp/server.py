"""The language server: answers an editor's requests.

All is done in one thread. A check waits until nobody has typed for a moment, and a newer text takes
the place of one that waits, so there is never more than one to be done.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial

from lsprotocol import types
from msgspec import Struct
from msgspec.structs import replace
from pygls.lsp.server import LanguageServer

from ..diagnostics.diagnostics import Diagnostic, Location, NetgenError, printable
from ..spec.source import parse
from ..version import __version__
from .completion import complete
from .definition import definition
from .hover import hover
from .positions import Positions
from .snapshot import Snapshot, check, is_spec, line_in, snapshots
from .symbols import Symbol, symbols

QUIET = 0.1  # seconds without a change, after which a text is checked
NOT_RUN = "NG209"  # code that a spec imports: no mistake, but nothing is known behind it
_KINDS = {
    "argument": types.CompletionItemKind.Field,
    "block": types.CompletionItemKind.Struct,
    "function": types.CompletionItemKind.Function,
    "key": types.CompletionItemKind.Property,
    "name": types.CompletionItemKind.Variable,
    "reference": types.CompletionItemKind.Reference,
    "type": types.CompletionItemKind.Class,
    "value": types.CompletionItemKind.Value,
}


class Opened(Struct):
    """A text in the editor: whether it is a spec, its last valid snapshot, and the next check."""

    spec: bool = False
    right: Snapshot | None = None
    waiting: asyncio.TimerHandle | None = None


class Asked(Struct, frozen=True):
    """A question about a place of a spec."""

    uri: str
    text: str
    name: str
    positions: Positions
    line: int
    column: int
    right: Snapshot | None

    def snapshots(self) -> list[tuple[Snapshot, int]]:
        """The snapshots of the line, with its number there."""
        return snapshots(self.text, self.name, self.line, self.right)

    def range(self, place: Location, snapshot: Snapshot) -> types.Range | None:
        """The place of a snapshot's text in the latest one, if it is there."""
        line = line_in(snapshot.source.text, self.text, place.line)
        return None if line is None else _range(replace(place, line=line), self.positions)


class Server(LanguageServer):
    """A language server with the texts that are open."""

    def __init__(self) -> None:
        whole = types.TextDocumentSyncKind.Full  # a spec is small
        super().__init__("netgen", __version__, text_document_sync_kind=whole)
        self.opened: dict[str, Opened] = {}
        self.asked_to_end = False

    def text(self, uri: str) -> tuple[str, str, Positions]:
        """The latest text of a document, its file's name, and its places."""
        document = self.workspace.get_text_document(uri)
        units = self.workspace.position_codec.client_num_units
        return document.source, document.path, Positions(document.source, units)

    def changed(self, uri: str) -> None:
        """Schedule a check of a new text after a moment, unless a newer one comes."""
        opened = self.opened[uri]
        if opened.waiting is not None:
            opened.waiting.cancel()
        later = asyncio.get_running_loop().call_later
        opened.waiting = later(QUIET, partial(self.check, uri))

    def check(self, uri: str) -> None:
        """Check the latest text, if it is a spec's, and publish the diagnostics."""
        opened = self.opened[uri]
        text, name, positions = self.text(uri)
        opened.spec = opened.spec or is_spec(text)  # a key may go for a while
        if opened.spec:
            checked = check(text, name)
            opened.right = checked.right or opened.right
            told = [_told(found, positions) for found in checked.diagnostics]
            version = self.workspace.get_text_document(uri).version
            published = types.PublishDiagnosticsParams(uri, told, version)
            self.text_document_publish_diagnostics(published)


def serve() -> bool:
    """Serve on standard input and output; whether the editor has shut the server down properly."""
    server = Server()
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(_close)
    server.feature(types.TEXT_DOCUMENT_HOVER)(_hover)
    server.feature(types.TEXT_DOCUMENT_DEFINITION)(_define)
    server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)(_outline)
    triggers = types.CompletionOptions([*"$ ([{."])
    server.feature(types.TEXT_DOCUMENT_COMPLETION, triggers)(_complete)
    server.feature(types.SHUTDOWN)(_end)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # waiting for input can't be interrupted else
    # a copy, because it is closed at the end
    server.start_io(stdout=os.fdopen(os.dup(1), "wb"))
    return server.asked_to_end


def _open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    document = params.text_document
    ls.opened[document.uri] = Opened(spec="netgen" in document.language_id)
    ls.check(document.uri)


def _change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    ls.changed(params.text_document.uri)


def _close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    opened = ls.opened.pop(uri)
    if opened.waiting is not None:
        opened.waiting.cancel()
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


def _end(ls: Server, params: None) -> None:
    ls.asked_to_end = True


def _asked(
    ls: Server, document: types.TextDocumentIdentifier, position: types.Position
) -> Asked | None:
    """What is asked, if it is asked of a spec."""
    opened = ls.opened.get(document.uri)
    if opened is None or not opened.spec:
        return None
    text, name, positions = ls.text(document.uri)
    line, column = positions.from_editor(position.line, position.character)
    return Asked(document.uri, text, name, positions, line, column, opened.right)


def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    asked = _asked(ls, params.text_document, params.position)
    if asked is None:
        return None
    for snapshot, line in asked.snapshots():
        found = hover(snapshot, line, asked.column)
        if found is not None:
            content = types.MarkupContent(types.MarkupKind.Markdown, found.text)
            return types.Hover(content, asked.range(found.place, snapshot))
    return None


def _define(ls: Server, params: types.DefinitionParams) -> types.Location | None:
    asked = _asked(ls, params.text_document, params.position)
    if asked is None:
        return None
    for snapshot, line in asked.snapshots():
        found = definition(snapshot, line, asked.column)
        place = None if found is None else asked.range(found, snapshot)
        if place is not None:
            return types.Location(asked.uri, place)
    return None


def _complete(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
    asked = _asked(ls, params.text_document, params.position)
    if asked is None:
        return []
    found = complete(asked.text, asked.line, asked.column, asked.right)
    width = asked.column - found.column
    place = _range(Location("", asked.line, found.column, width), asked.positions)
    return [
        types.CompletionItem(
            suggestion.text,
            kind=_KINDS[suggestion.sort],
            detail=suggestion.detail or None,
            sort_text=f"{number:04}",
            text_edit=types.TextEdit(place, suggestion.text),
        )
        for number, suggestion in enumerate(found.suggestions)
    ]


def _outline(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    text, name, positions = ls.text(params.text_document.uri)
    with suppress(NetgenError):  # it may be no YAML at the moment
        if is_spec(text):
            return [_symbol(symbol, positions) for symbol in symbols(parse(text, name))]
    return []


def _range(place: Location, positions: Positions) -> types.Range:
    begin = positions.to_editor(place.line, place.column)
    end = positions.to_editor(place.line, place.column + place.length)
    return types.Range(types.Position(*begin), types.Position(*end))


def _told(found: Diagnostic, positions: Positions) -> types.Diagnostic:
    """What was found, with its notes and its help."""
    severity = types.DiagnosticSeverity.Error
    if found.severity == "warning":
        severity = types.DiagnosticSeverity.Warning
    if found.code == NOT_RUN:
        severity = types.DiagnosticSeverity.Information
    more = [f"note: {note}" for note in found.notes]
    more += [f"help: {found.help}"] if found.help else []
    message = "\n".join(map(printable, (found.message, *more)))
    place = _range(found.location or Location("", 1, 1), positions)
    return types.Diagnostic(place, message, severity, found.code, source="netgen")


def _symbol(symbol: Symbol, positions: Positions) -> types.DocumentSymbol:
    children = [_symbol(child, positions) for child in symbol.children]
    place = _range(symbol.place, positions)
    kind = types.SymbolKind.Class if symbol.block else types.SymbolKind.Field
    ends = [place.end, *(child.range.end for child in children)]
    whole = types.Range(place.start, max(ends, key=lambda end: (end.line, end.character)))
    return types.DocumentSymbol(symbol.name, kind, whole, place, symbol.detail, children=children)
