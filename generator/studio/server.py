"""The server: the page and what it asks, on this machine alone."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import uvicorn
from msgspec import DecodeError, Struct, ValidationError, json
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import views
from ..diagnostics.diagnostics import NetgenError
from ..ir.levels import DEFAULT_LEVELS, LEVELS, MEANINGS, TIMEOUT
from ..spec.source import LARGEST_TEXT
from ..version import __version__
from ..views.in_browsers import graphviz, style
from ..views.templates import listed, templates, text_of
from .asked import (
    Asked,
    Build,
    Check,
    Compare,
    Complete,
    Device,
    Explain,
    Forms,
    Hover,
    Load,
    OfText,
    Opened,
    Save,
    Settle,
    State,
    Template,
    View,
)
from .guard import HEADERS, Guard
from .problems import problems
from .process import Answering, Gone
from .spec_file import SpecFile

ADDRESS = "127.0.0.1"
LARGEST_BODY = 8 * LARGEST_TEXT  # bytes
PATIENCE = 60.0  # seconds that a check or a view may take
ENDING = 1  # seconds for answers that are on their way when the studio ends
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}


class Place(Struct, frozen=True):
    """Where the studio is: its socket, and the address that opens its page."""

    listener: socket.socket
    guard: Guard

    @property
    def address(self) -> str:
        """The address of the page, with the token."""
        return f"http://{ADDRESS}:{self.listener.getsockname()[1]}/#{self.guard.token}"


def place(port: int) -> Place:
    """A place on the loopback address; raises `OSError` if the port is taken. 0 is any port."""
    listener = socket.create_server((ADDRESS, port))  # who knows the address may come at once
    return Place(listener, Guard(listener.getsockname()[1]))


def serve(there: Place, spec: str, output: Path) -> None:
    """Serve the page of a spec's file until the process is interrupted."""
    gc.enable()  # the command line runs without it, but the studio may run for days
    config = uvicorn.Config(
        Studio(SpecFile(spec), output).app(there.guard),
        access_log=False,
        date_header=False,
        log_config=None,
        loop="asyncio",
        http="h11",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=ENDING,
        ws="none",
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve(sockets=[there.listener]))


class Studio:
    """What the page of a spec's file is answered."""

    def __init__(self, file: SpecFile, output: Path) -> None:
        self.file, self.output = file, output
        self.checking = Answering("checking", PATIENCE)
        self.viewing = Answering("viewing", PATIENCE)
        self.building = Answering("building", TIMEOUT + PATIENCE)

    def app(self, guard: Guard) -> Starlette:
        """The application for those whom the guard lets in."""
        routes = [
            Route("/", _asset, methods=["GET"]),
            Route("/assets/{name}", _asset, methods=["GET"]),
            Route("/open", _opener(guard), methods=["POST"]),
            Route("/ask/build", self._asked(Build, self._build), methods=["POST"]),
            *(
                Route(
                    f"/ask/{asked.__name__.lower()}", self._asked(asked, answer), methods=["POST"]
                )
                for asked, answer in self._answers().items()
            ),
        ]
        watch = Middleware(_Watch, guard=guard)
        return Starlette(routes=routes, middleware=[watch], lifespan=self._alive)

    def _answers(self) -> dict[type[Asked], Callable[[Any], Awaitable[Response]]]:
        """The answers to what is asked."""
        return {
            Check: self._of(self.checking, "check"),
            Compare: self._compare,
            Complete: self._of(self.checking, "complete"),
            Explain: self._of(self.viewing, "explain"),
            Forms: self._of(self.checking, "forms"),
            Hover: self._of(self.checking, "hover"),
            Load: self._load,
            Save: self._save,
            Settle: self._of(self.checking, "settle"),
            State: self._state,
            Template: self._template,
            View: self._of(self.viewing, "view"),
        }

    @asynccontextmanager
    async def _alive(self, app: Starlette) -> AsyncIterator[None]:
        """Start the processes that are needed at once; end all with the server."""
        await self.checking.start()
        await self.viewing.start()
        try:
            yield
        finally:
            for process in (self.checking, self.viewing, self.building):
                await process.stop()

    def _asked(
        self, kind: type[Asked], answer: Callable[[Any], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint for what is asked, held against its form."""

        async def endpoint(request: Request) -> Response:
            try:
                asked = json.decode(await request.body(), type=kind)
            except (DecodeError, ValidationError, UnicodeDecodeError) as error:
                return _json({"why": str(error)}, 400)
            if isinstance(asked, OfText):
                asked = replace(asked, file=self.file.path)
            try:
                return await answer(asked)
            except NetgenError as error:
                return _json({"ok": False, "problems": problems(error.diagnostics)})
            except Gone:
                return _json({"why": "it took too long, or its process has ended"}, 503)

        return endpoint

    def _of(self, process: Answering, name: str) -> Callable[[Asked], Awaitable[Response]]:
        async def answer(asked: Asked) -> Response:
            return _json(await process.ask(name, asked))

        return answer

    async def _load(self, asked: Load) -> Response:
        known = templates()
        return _json(
            {
                "ok": True,
                **self.file.load(),
                "path": self.file.path,
                "full_path": os.path.abspath(self.file.path),
                "output": str(self.output),
                "full_output": os.path.abspath(self.output),
                "devices": get_args(Device),
                "levels": {x: MEANINGS[x] for x in LEVELS if x not in DEFAULT_LEVELS},
                "templates": dict(zip(known, listed(known), strict=True)),
                "netgen": __version__,
            }
        )

    async def _state(self, asked: State) -> Response:
        return _json({"ok": True, "version": self.file.version()})

    async def _save(self, asked: Save) -> Response:
        return _json({"ok": True, "version": self.file.save(asked.text, asked.version)})

    async def _compare(self, asked: Compare) -> Response:
        return _json({"ok": True, **await asyncio.to_thread(self.file.compare, asked.text)})

    async def _template(self, asked: Template) -> Response:
        known = templates()
        if asked.name not in known:
            return _json({"why": "there is no such template"}, 404)
        return _json({"ok": True, "text": text_of(known[asked.name])})

    async def _build(self, asked: Build) -> Response:
        """The answer to a build, line by line: what is worked on, then the verdict."""
        return StreamingResponse(self._lines(asked), media_type="application/x-ndjson")

    async def _lines(self, asked: Build) -> AsyncIterator[bytes]:
        said: asyncio.Queue[str | None] = asyncio.Queue()
        asked = replace(asked, output=str(self.output))
        run = asyncio.create_task(self.building.ask("build", asked, said.put_nowait))
        run.add_done_callback(lambda task: said.put_nowait(None))
        try:
            while (word := await said.get()) is not None:
                yield json.encode({"said": word}) + b"\n"
            try:
                yield json.encode({"answer": run.result()}) + b"\n"
            except Gone:
                why = "the run took too long, or its process has ended"
                yield json.encode({"why": why}) + b"\n"
        finally:
            run.cancel()  # nobody waits for it: the page has gone, or wants it no more


class _Watch:
    """Asks the guard before anything is answered, and says to browsers what a page may do."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the beginning and the end of the server
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        refused: Response | None = None
        if not self.guard.admits(headers):
            refused = _json({"why": "this address is for its own page"}, 403)
        elif scope["path"].startswith("/ask/") and not self.guard.knows(headers):
            refused = _json({"why": "open the address that `netgen studio` has printed"}, 401)
        elif _length(headers) > LARGEST_BODY:
            refused = _json({"why": "that is too long"}, 413)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = ((name.lower().encode(), text.encode()) for name, text in HEADERS.items())
                message["headers"] = [*message["headers"], *told]
            await send(message)

        await (refused or self.app)(scope, receive, guarded)


def _length(headers: dict[str, str]) -> int:
    """The length of a request's body; of one that does not tell it, too much."""
    if "transfer-encoding" in headers:
        return LARGEST_BODY + 1
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() and len(text) < 20 else LARGEST_BODY + 1


def _opener(guard: Guard) -> Callable[[Request], Awaitable[Response]]:
    async def opened(request: Request) -> Response:
        try:
            asked = json.decode(await request.body(), type=Opened)
        except (DecodeError, ValidationError, UnicodeDecodeError) as error:
            return _json({"why": str(error)}, 400)
        key = guard.open(asked.token) if "origin" in request.headers else None
        if key is None:
            return _json({"why": "this address has been used: start `netgen studio` again"}, 401)
        return _json({"ok": True, "key": key})

    return opened


async def _asset(request: Request) -> Response:
    """A file of the page; nothing else is found, whatever is asked for."""
    name = request.path_params.get("name", "studio.html")
    if name == "graphviz.js":
        return Response(graphviz(), media_type=_TYPES[".js"])
    folders = [files(__package__).joinpath("assets"), files(views).joinpath("assets")]
    known = {file.name: file for folder in folders for file in folder.iterdir()}
    kind = _TYPES.get(os.path.splitext(name)[1])
    if name not in known or kind is None:
        return _json({"why": "there is no such file"}, 404)
    text = known[name].read_text(encoding="utf-8")
    return Response(style(text) if name == "studio.css" else text, media_type=kind)


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.encode(content), status, media_type="application/json")
