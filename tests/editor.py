"""An editor for the tests: it starts `netgen lsp` and speaks to it as editors do."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

DEADLINE = 60.0  # seconds for an answer: far more than any takes
T = TypeVar("T")


class Editor:
    """A session with a language server; lines and characters count from 0, as in the protocol."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.client = LanguageClient("tests", "1")
        self.published: list[types.PublishDiagnosticsParams] = []
        self.news = asyncio.Event()
        self.count = 0
        self.versions: dict[str, int | None] = {}  # of a text that is not open, none

        def published(params: types.PublishDiagnosticsParams) -> None:
            self.published.append(params)
            self.news.set()

        def registered(params: types.RegistrationParams) -> None:
            self.registered += [one.method for one in params.registrations]

        self.registered: list[str] = []
        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
        self.client.feature(types.CLIENT_REGISTER_CAPABILITY)(registered)

    def run(self, answer: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(answer, DEADLINE))

    def start(self, *encodings: str) -> str:
        """Start the server; the encoding that it chose."""
        general = types.GeneralClientCapabilities(position_encodings=encodings or None)
        files = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
        workspace = types.WorkspaceClientCapabilities(did_change_watched_files=files)
        able = types.ClientCapabilities(general=general, workspace=workspace)

        async def begin() -> types.InitializeResult:
            command = [sys.executable, "-P", "-m", "torch_netgen", "lsp"]
            await self.client.start_io(*command)
            found = await self.client.initialize_async(types.InitializeParams(able))
            self.client.initialized(types.InitializedParams())
            return found

        return str(self.run(begin()).capabilities.position_encoding)

    def open(self, uri: str, text: str, language: str = "yaml") -> None:
        self.versions[uri] = self.count = self.count + 1
        item = types.TextDocumentItem(uri, language, self.count, text)
        self._tell("text_document_did_open", types.DidOpenTextDocumentParams(item))

    def change(self, uri: str, text: str) -> None:
        self.versions[uri] = self.count = self.count + 1
        document = types.VersionedTextDocumentIdentifier(self.count, uri)
        whole = [types.TextDocumentContentChangeWholeDocument(text)]
        self._tell("text_document_did_change", types.DidChangeTextDocumentParams(document, whole))

    def close(self, uri: str) -> None:
        self.versions[uri] = None
        params = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
        self._tell("text_document_did_close", params)

    def files_change(self, *uris: str) -> None:
        """Tell of files that have changed outside of the editor."""
        events = [types.FileEvent(uri, types.FileChangeType.Changed) for uri in uris]
        params = types.DidChangeWatchedFilesParams(events)
        self._tell("workspace_did_change_watched_files", params)

    def _tell(self, method: str, params: object) -> None:
        async def tell() -> None:
            getattr(self.client, method)(params)

        self.run(tell())

    def diagnostics(self, uri: str) -> list[types.Diagnostic]:
        """What is wrong with the latest text, once it has been told."""

        async def wait() -> list[types.Diagnostic]:
            while True:
                for told in reversed(self.published):
                    if told.uri == uri and told.version == self.versions[uri]:
                        return list(told.diagnostics)
                self.news.clear()
                await self.news.wait()

        return self.run(wait())

    def hover(self, uri: str, line: int, character: int) -> str:
        document, place = types.TextDocumentIdentifier(uri), types.Position(line, character)
        ask = self.client.text_document_hover_async(types.HoverParams(document, place))
        found = self.run(ask)
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    def complete(self, uri: str, line: int, character: int) -> list[types.CompletionItem]:
        document, place = types.TextDocumentIdentifier(uri), types.Position(line, character)
        ask = self.client.text_document_completion_async(types.CompletionParams(document, place))
        found = self.run(ask)
        assert isinstance(found, (list, tuple))
        return list(found)

    def definition(self, uri: str, line: int, character: int) -> types.Range | None:
        found = self.defined(uri, line, character)
        assert found is None or found.uri == uri
        return None if found is None else found.range

    def defined(self, uri: str, line: int, character: int) -> types.Location | None:
        """Where what stands at a place is defined, in this document or in another one."""
        document, place = types.TextDocumentIdentifier(uri), types.Position(line, character)
        ask = self.client.text_document_definition_async(types.DefinitionParams(document, place))
        found = self.run(ask)
        assert found is None or isinstance(found, types.Location)
        return found

    def symbols(self, uri: str) -> list[types.DocumentSymbol]:
        params = types.DocumentSymbolParams(types.TextDocumentIdentifier(uri))
        found = self.run(self.client.text_document_document_symbol_async(params))
        assert found is not None
        return [symbol for symbol in found if isinstance(symbol, types.DocumentSymbol)]

    def interrupt(self) -> int:
        """What the server ends with after Ctrl-C."""
        server = self.client._server
        assert server is not None
        server.send_signal(signal.SIGINT)
        with self.runner:
            return self.run(server.wait())

    def end(self) -> tuple[int | None, str]:
        """End the server in order: its exit code, and what it wrote to standard error."""

        async def end() -> tuple[int | None, str]:
            await self.client.shutdown_async(None)
            self.client.exit(None)
            await self.client.stop()  # type: ignore[no-untyped-call]
            server = self.client._server
            assert server is not None
            assert server.stderr is not None
            return server.returncode, (await server.stderr.read()).decode()

        with self.runner:
            return self.run(end())
