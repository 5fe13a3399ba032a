"""An agent for the tests: it starts `netgen mcp` and asks as coding agents do, with the SDK."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters, types

COMMAND = ["-P", "-W", "error", "-m", "torch_netgen", "mcp"]
SUGGESTED = re.compile(r"(?:did you mean|write) `([^`]*)`")


class Agent:
    """A session with the server; answers are the structured content."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self.portal, self.client = portal, client

    def begin(self, tool: str, **arguments: Any) -> Future[types.CallToolResult]:
        """Ask without waiting."""
        return self.portal.start_task_soon(self.client.call_tool, tool, arguments)

    def result(self, tool: str, **arguments: Any) -> types.CallToolResult:
        return self.begin(tool, **arguments).result(300)

    def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, which has the form that the tool's schema says: the client checks that."""
        result = self.result(tool, **arguments)
        assert not result.is_error, result.content
        answer: dict[str, Any] = result.structured_content
        return answer

    def refusal(self, tool: str, **arguments: Any) -> str:
        """Why a call is refused that asks for what can't be."""
        result = self.result(tool, **arguments)
        assert result.is_error
        [content] = result.content
        assert isinstance(content, types.TextContent)
        return content.text

    def resource(self, uri: str) -> str:
        [content] = self.portal.call(self.client.read_resource, uri).contents
        assert isinstance(content, types.TextResourceContents)
        return content.text


@contextmanager
def agent(folder: Path, env: dict[str, str] | None = None) -> Iterator[Agent]:
    """An agent whose server was started in a folder."""
    server = StdioServerParameters(command=sys.executable, args=COMMAND, cwd=folder, env=env)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        yield Agent(portal, client)


def mended(spec: str, answer: dict[str, Any]) -> str:
    """The spec with the cures of an answer: at each place what is suggested for it."""
    lines = spec.splitlines()
    for found in sorted(answer["diagnostics"], key=lambda one: -one["column"]):
        cure = SUGGESTED.search(found["help"] or "")
        if cure:
            line = lines[found["line"] - 1]
            start, end = found["column"] - 1, found["end_column"] - 1
            start += line[start] == "$"  # a name is suggested without it
            lines[found["line"] - 1] = f"{line[:start]}{cure[1]}{line[end:]}"
    return "".join(f"{line}\n" for line in lines)
