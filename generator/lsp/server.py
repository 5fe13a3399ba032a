"""The language server: answers an editor's requests.

All is done in one thread. A check waits until nobody has typed for a moment, and a newer text takes
the place of one that waits, so there is never more than one to be done.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from os.path import realpath

from lsprotocol import types
from msgspec import Struct, field
from msgspec.structs import replace
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path

from ..diagnostics.diagnostics import Diagnostic, Location, NetgenError, printable
from ..spec.include import text_of_included
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
    "form": types.CompletionItemKind.Snippet,
    "function": types.CompletionItemKind.Function,
    "key": types.CompletionItemKind.Property,
    "name": types.CompletionItemKind.Variable,
    "reference": types.CompletionItemKind.Reference,
    "type": types.CompletionItemKind.Class,
    "value": types.CompletionItemKind.Value,
}


class Opened(Struct):
    """A text in the editor: whether it is a spec, its last valid snapshot, and the next check.

    `told` is what the last check found, by the document that it is in; `sought` are the real paths
    of files that the spec includes.
    """

    spec: bool = False
    right: Snapshot | None = None
    waiting: asyncio.TimerHandle | None = None
    told: Mapping[str, list[types.Diagnostic]] = field(default_factory=dict)
    sought: tuple[str, ...] = ()


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
        return _moved(place, snapshot.source.text, self.text, self.positions)


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

    def text_of(self, path: str) -> str:
        """The text of the file at a real path: as it is in the editor, if it is open there.

        Raises `OSError` or `ValueError` if there is none.
        """
        uri = self.document_at(path)
        return text_of_included(path) if uri is None else self.text(uri)[0]

    def document_at(self, path: str) -> str | None:
        """The open document that is the file at a real path."""
        return next((uri for uri in self.opened if self.path(uri) == path), None)

    def path(self, uri: str) -> str | None:
        """The real path of a document; `None` for a text that is no file."""
        is_file = uri.startswith("file:")
        return realpath(self.workspace.get_text_document(uri).path) if is_file else None

    def including(self, uri: str) -> list[str]:
        """The open specs that include a document."""
        path = self.path(uri)
        return [spec for spec, opened in self.opened.items() if path in opened.sought]

    def seen_from(self, uri: str) -> Snapshot | None:
        """The last valid snapshot of a spec that includes a document, as it is seen from there."""
        for spec in self.including(uri):
            right = self.opened[spec].right
            found = None if right is None else right.seen_from(self.path(uri) or "")
            if found is not None:
                return found
        return None

    def changed(self, uri: str) -> None:
        """Schedule checks of what a document is a part of, unless newer changes come."""
        later = asyncio.get_running_loop().call_later
        for spec in (uri, *self.including(uri)):
            opened = self.opened.get(spec)
            if opened is not None:
                if opened.waiting is not None:
                    opened.waiting.cancel()
                opened.waiting = later(QUIET, partial(self.check, spec))

    def check(self, uri: str) -> None:
        """Check the latest text, if it is a spec's, and publish the diagnostics."""
        opened = self.opened[uri]
        text, name, _ = self.text(uri)
        opened.spec = opened.spec or is_spec(text)  # a key may go for a while
        if opened.spec:
            checked = check(text, name, self.text_of if self.path(uri) else None)
            opened.right = checked.right or opened.right
            if checked.source is not None:
                opened.sought = checked.source.sought
            before, opened.told = opened.told, self.by_document(uri, name, checked.diagnostics)
            for document in {**before, **opened.told}:
                self.publish(document)

    def by_document(
        self, uri: str, name: str, diagnostics: Sequence[Diagnostic]
    ) -> dict[str, list[types.Diagnostic]]:
        """What was found in a spec with a file's `name`, by the document that it is in."""
        found: dict[str, list[types.Diagnostic]] = {uri: []}
        positions = {name: self.text(uri)[2]}
        for diagnostic in diagnostics:
            file = name if diagnostic.location is None else diagnostic.location.file
            if file not in positions:
                positions[file] = self.positions(file)
            document = uri if file == name else self.uri_of(file)
            found.setdefault(document, []).append(_told(diagnostic, positions[file]))
        return found

    def uri_of(self, file: str) -> str:
        """The document for a file."""
        return self.document_at(realpath(file)) or str(from_fs_path(file))

    def positions(self, file: str) -> Positions:
        """The places of the latest text of an included file."""
        text = ""
        with suppress(OSError, ValueError):  # it may go at any moment
            text = self.text_of(realpath(file))
        return Positions(text, self.workspace.position_codec.client_num_units)

    def publish(self, uri: str) -> None:
        """Publish what the open specs have found in a document: of each kind one at a place."""
        told: list[types.Diagnostic] = []
        for one in (one for opened in self.opened.values() for one in opened.told.get(uri, ())):
            if (one.range, one.code) not in [(known.range, known.code) for known in told]:
                told.append(one)
        is_open = uri in self.opened
        version = self.workspace.get_text_document(uri).version if is_open else None
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
    server.feature(types.INITIALIZED)(_ask_for_files)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(_files_change)
    server.feature(types.SHUTDOWN)(_end)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # waiting for input can't be interrupted else
    # a copy, because it is closed at the end
    server.start_io(stdout=os.fdopen(os.dup(1), "wb"))
    return server.asked_to_end


def _open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    document = params.text_document
    ls.opened[document.uri] = Opened(spec="netgen" in document.language_id)
    for spec in (document.uri, *ls.including(document.uri)):
        ls.check(spec)


def _change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    ls.changed(params.text_document.uri)


def _close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    opened = ls.opened.pop(uri)
    if opened.waiting is not None:
        opened.waiting.cancel()
    for spec in ls.including(uri):  # what is saved counts again
        ls.check(spec)
    for document in {uri: [], **opened.told}:
        ls.publish(document)


async def _ask_for_files(ls: Server, params: types.InitializedParams) -> None:
    """Ask an editor that can do it to tell of changed files: specs may include them."""
    workspace = ls.client_capabilities.workspace
    able = workspace.did_change_watched_files if workspace else None
    if able and able.dynamic_registration:
        watchers = [types.FileSystemWatcher("**/*.{yaml,yml}")]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        asked = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        await ls.client_register_capability_async(types.RegistrationParams([asked]))


def _files_change(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    for change in params.changes:
        ls.changed(change.uri)


def _end(ls: Server, params: None) -> None:
    ls.asked_to_end = True


def _asked(
    ls: Server, document: types.TextDocumentIdentifier, position: types.Position
) -> Asked | None:
    """What is asked, if it is asked of a spec."""
    uri = document.uri
    opened = ls.opened.get(uri)
    if opened is None or not (opened.spec or ls.including(uri)):
        return None
    text, name, positions = ls.text(uri)
    line, column = positions.from_editor(position.line, position.character)
    right = opened.right or ls.seen_from(uri)
    return Asked(uri, text, name, positions, line, column, right)


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
        if found is not None and found.file != snapshot.source.name:
            there = ls.positions(found.file)
            before = snapshot.source.of(found.file).text
            place = _moved(found, before, there.text, there)
            return None if place is None else types.Location(ls.uri_of(found.file), place)
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
            documentation="\n".join(form.text for form in suggestion.forms) or None,
            sort_text=f"{number:04}",
            text_edit=types.TextEdit(place, suggestion.text),
        )
        for number, suggestion in enumerate(found.suggestions)
    ]


def _outline(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    text, name, positions = ls.text(params.text_document.uri)
    with suppress(NetgenError):  # it may be no YAML at the moment
        if is_spec(text) or ls.including(params.text_document.uri):
            return [_symbol(symbol, positions) for symbol in symbols(parse(text, name))]
    return []


def _moved(place: Location, before: str, now: str, positions: Positions) -> types.Range | None:
    """A place of a text in the text that it has become, if it is there; `positions` are its."""
    line = line_in(before, now, place.line)
    return None if line is None else _range(replace(place, line=line), positions)


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
