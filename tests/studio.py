"""A studio that is started as a user starts it, and asked as its page asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PATIENCE = 60


class Answer(NamedTuple):
    """What the server has answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Studio:
    """A running `netgen studio`, with the address that it has printed."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address
        self.token = urlsplit(address).fragment
        self.host = urlsplit(address).netloc
        self.key = ""

    def http(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """A request with these headers alone."""
        connection = HTTPConnection(self.host, timeout=PATIENCE)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, text in (headers or {"Host": self.host}).items():
            connection.putheader(name, text)
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        found = {name.lower(): text for name, text in answer.getheaders()}
        got = Answer(answer.status, found, answer.read())
        connection.close()
        return got

    @property
    def own(self) -> dict[str, str]:
        """The headers of the page's own requests."""
        return {"Host": self.host, "Origin": f"http://{self.host}", "X-Netgen-Key": self.key}

    def open(self) -> None:
        """Give the token for the key."""
        answer = self.http("POST", "/open", {"token": self.token}, self.own)
        assert answer.status == 200, answer
        self.key = answer.json["key"]

    def ask(self, name: str, /, **asked: Any) -> Any:
        """What the page is answered."""
        answer = self.http("POST", f"/ask/{name}", asked, self.own)
        assert answer.status == 200, answer
        return answer.json

    def end(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def studio(folder: Path, *args: str) -> Iterator[Studio]:
    """A studio in a folder."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "torch_netgen", "studio", *args, "--no-browser"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("netgen studio: http://127.0.0.1:"), line
        yield Studio(process, line.split()[-1])
    finally:
        process.kill()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
