"""Who may ask: the page that netgen's own address has opened, on this machine, and nobody else.

The address holds a token behind its `#`, where no server and no log sees it. The page gives it once
and gets a key, which it sends with each request: no other page can do that, as a browser asks the
server first whether it may, and is not answered. A page's `Origin` and the `Host` that it has
asked for are compared, too: a foreign name may lead to this machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

KEY = "x-netgen-key"
# nothing is loaded from elsewhere, no text of a page is code, and no page holds this one in a frame
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """The token, as long as nobody has given it, and the keys of pages."""

    def __init__(self, port: int) -> None:
        self.hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self.token: str | None = secrets.token_urlsafe(32)
        self.key = secrets.token_urlsafe(32)

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes to this machine's own address, and from no other page."""
        host, origin = headers.get("host", ""), headers.get("origin")
        return host in self.hosts and origin in (None, f"http://{host}")

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request, which has an origin, has the key."""
        given = headers.get(KEY, "").encode()
        return "origin" in headers and secrets.compare_digest(given, self.key.encode())

    def open(self, token: str) -> str | None:
        """The key for the token, which is good for once."""
        known = self.token
        if known is None or not secrets.compare_digest(token.encode(), known.encode()):
            return None
        self.token = None
        return self.key
