"""netgen: plain PyTorch source from a YAML spec of a network, proven by a run.

``build`` is the whole of it, ``load`` shows a spec in a notebook, and ``import_module`` makes the
spec of a live module. Importing this package imports neither torch nor pydantic.
"""

from __future__ import annotations

from .version import __version__

TYPE_CHECKING = False  # as type checkers know it; `typing` itself takes as long as all of this
if TYPE_CHECKING:
    from typing import Any

    from .diagnostics.diagnostics import Diagnostic, Location, NetgenError
    from .importing.importing import import_module
    from .pipeline import Result, build
    from .views.notebook import Network, load

__all__ = [
    "Diagnostic",
    "Location",
    "NetgenError",
    "Network",
    "Result",
    "__version__",
    "build",
    "import_module",
    "load",
]

_HOMES = {
    "Diagnostic": "diagnostics.diagnostics",
    "Location": "diagnostics.diagnostics",
    "NetgenError": "diagnostics.diagnostics",
    "Network": "views.notebook",
    "Result": "pipeline",
    "build": "pipeline",
    "import_module": "importing.importing",
    "load": "views.notebook",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
