"""The server: the protocol, spoken over standard input and output.

Each call is answered in a thread of its own, so a build that takes a while holds up no other call.
"""

from __future__ import annotations

import gc
import os
import signal
from functools import partial
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from mcp import MCPError, types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from msgspec import DecodeError, ValidationError, convert, json, to_builtins

from ..diagnostics.diagnostics import printable
from ..jobs.failures import own_mistake
from ..version import __version__
from ..views.schema import schema
from .answers import Answer, of_failure
from .folder import Folder
from .tools import TEXT, TOOLS, Unknown, answered

AT_ONCE = 4  # calls that are worked on: each may run a network
SCHEMA = "netgen://schema.json"
INSTRUCTIONS = """\
netgen turns a spec, a short YAML text, into one plain PyTorch file, which it has run. Sizes are
inferred: write no `in_channels` or `in_features`. A spec:

name: Net
input: [3, 32, 32]                  # without the batch
params: {width: 16}                 # arguments of the class, with their defaults
layers:
  - Conv2d: [$width, 3]             # out_channels, kernel_size: a value is $name or $(expression)
  - ReLU
  - MaxPool2d: {name: pooled, kernel_size: 2}
  - Conv2d: {out_channels: $width, kernel_size: 3, padding: 1}     # reads the layer before it
  - BatchNorm2d: {name: bn}
  - Add: [bn, pooled]               # reads other layers, by their names
  - Flatten
  - Linear: {out_features: 10}

`check` tells all mistakes at once, with their cures: mend them until `ok` is true, then `build`
with `output`. Warnings among the `diagnostics` are there when `ok` is true, too: read them, as the
run finds what no check sees, such as samples of a batch that mix. `layers` says what a type takes,
`language` how blocks, loops, branches, several inputs and all else is written, and `templates`
gives whole networks. What an answer lacks for its length stands in `left_out`, with how to get
it."""


def serve() -> None:
    """Serve on standard input and output until the client closes them."""
    gc.enable()  # the command line runs without it, but the server may run for days
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # waiting for input can't be interrupted else
    anyio.run(_serve)


async def _serve() -> None:
    folder, limiter = Folder(os.path.realpath(os.getcwd())), CapacityLimiter(AT_ONCE)

    async def call(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        ask = partial(answer, params.name, params.arguments or {}, folder)
        # a call that is cancelled ends by itself, by its time limit
        return await to_thread.run_sync(ask, limiter=limiter, abandon_on_cancel=True)

    server = Server(
        "netgen",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=call,
        on_list_resources=_list_resources,
        on_read_resource=_read,
    )
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def answer(name: str, arguments: dict[str, Any], folder: Folder) -> types.CallToolResult:
    """The result of a call."""
    tool = TOOLS.get(name)
    if tool is None:
        return _refused(f"there is no tool {printable(name)!r}; the tools are {', '.join(TOOLS)}")
    known = tool.asked.__struct_fields__
    unknown = [argument for argument in arguments if argument not in known]
    if unknown:
        help = f"it has {', '.join(known)}"
        return _refused(f"`{name}` has no argument `{printable(unknown[0])}`; {help}")
    try:
        asked = convert(_unwrapped(arguments), tool.asked, strict=False)
    except (DecodeError, ValidationError) as error:
        return _refused(printable(str(error)))
    try:
        return _told(answered(tool, asked, folder))
    except (Unknown, ValueError) as error:
        return _refused(printable(str(error)))
    except Exception as error:
        return _told(of_failure([own_mistake(error)], TEXT))


def _unwrapped(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, of which some clients give lists and mappings as JSON in a text."""
    return {
        name: json.decode(value) if name in ("set", "prove") and isinstance(value, str) else value
        for name, value in arguments.items()
    }


def _told(found: Answer) -> types.CallToolResult:
    """An answer as structured content, and as text for clients that don't read that."""
    content = to_builtins(found)
    text = types.TextContent(type="text", text=json.encode(content).decode())
    return types.CallToolResult(content=[text], structured_content=content)


def _refused(why: str) -> types.CallToolResult:
    """The result of a call that asks for what can't be."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=why)], is_error=True)


async def _list_tools(context: Any, params: Any) -> types.ListToolsResult:
    tools = [
        types.Tool(
            name=name,
            description=tool.about,
            input_schema=_schema(tool.asked),
            output_schema=_schema(Answer),
            annotations=types.ToolAnnotations(
                read_only_hint=not tool.writes, destructive_hint=False, open_world_hint=False
            ),
        )
        for name, tool in TOOLS.items()
    ]
    return types.ListToolsResult(tools=tools)


def _schema(of: type[Any]) -> dict[str, Any]:
    """The JSON schema of a record, which stands at its root."""
    _, parts = json.schema_components((of,), ref_template="#/$defs/{name}")
    root = parts.pop(of.__name__)
    return {**root, "$defs": parts} if parts else root


async def _list_resources(context: Any, params: Any) -> types.ListResourcesResult:
    about = "The JSON Schema of specs: all keys, types of layers and their arguments."
    resource = types.Resource(
        uri=SCHEMA, name="schema", description=about, mime_type="application/schema+json"
    )
    return types.ListResourcesResult(resources=[resource])


async def _read(context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    if str(params.uri) != SCHEMA:
        raise MCPError(types.INVALID_PARAMS, f"there is no such resource; there is {SCHEMA}")
    text = types.TextResourceContents(
        uri=SCHEMA, mime_type="application/schema+json", text=schema()
    )
    return types.ReadResourceResult(contents=[text])
