"""The output: written whole or not at all, and never over what netgen did not write."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from .diagnostics import Diagnostic, NetgenError, printable

_FOREIGN = "was not written by netgen"
UNSIGNED = "0" * 12  # as long as a digest, so that signing changes no line break
_SIGNED = re.compile(r"\(digest ([0-9a-f]{12})\)\.?\n\"\"\"\n")  # at the docstring's end


def sign(text: str, inputs: str) -> str:
    """The text with its digest: half of it tells the inputs, half the body."""
    made_from = hashlib.sha256(inputs.encode()).hexdigest()[:6]
    found = _SIGNED.search(text)
    assert found is not None
    assert found[1] == UNSIGNED
    digest = f"{made_from}{_seal(text, made_from)}"
    return f"{text[: found.start(1)]}{digest}{text[found.end(1) :]}"


def untouched(text: str) -> bool:
    """Whether a file is as netgen wrote it: its digest fits its body."""
    found = _SIGNED.search(text)
    if found is None:
        return False
    bare = f"{text[: found.start(1)]}{UNSIGNED}{text[found.end(1) :]}"
    return _seal(bare, found[1][:6]) == found[1][6:]


def _seal(text: str, made_from: str) -> str:
    return hashlib.sha256(f"{made_from}\0{text}".encode()).hexdigest()[:6]


def read_output(path: Path) -> str | None:
    """What stands at a path, or ``None`` if it can't be read as text."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def check_target(path: Path, *, force: bool) -> None:
    """Refuse a path that can't be written, or that holds what would be lost."""
    if not _is_there(path) or force:
        return
    text = read_output(path)
    if text != "" and (text is None or not untouched(text)):
        edited = text is not None and _SIGNED.search(text)
        _keep(path, "has been edited since netgen wrote it" if edited else _FOREIGN)


def check_marked(path: Path, mark: bytes, *, force: bool) -> None:
    """The same for what is no source: netgen's own has this mark in it."""
    if not _is_there(path) or force:
        return
    try:
        data = path.read_bytes()
    except OSError as error:
        _refuse(path, (error.strerror or str(error)).lower())
    if data and mark not in data:
        _keep(path, _FOREIGN)


def _keep(path: Path, why: str) -> NoReturn:
    message = f"`{printable(str(path))}` {why}: it is left as it is"
    help = "give another output, or overwrite it with `--force`"
    raise NetgenError(Diagnostic("NG502", message, help=help))


def _is_there(path: Path) -> bool:
    """Whether there is a file that can be replaced; refuses a path that can't be written."""
    if not path.parent.is_dir():
        help = f"make it first: `mkdir -p {printable(str(path.parent))}`"
        _refuse(path, "there is no such folder", help=help)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        _refuse(path, (error.strerror or str(error)).lower())
    if not stat.S_ISREG(mode):
        _refuse(path, "it is no ordinary file")
    return True


def write(path: Path, content: str | bytes) -> None:
    """Put text or an image in place of what stands at the path, whole or not at all.

    It has no name until it is complete, where the system knows nameless files: a kill at any
    moment leaves nothing behind.
    """
    data = content.encode() if isinstance(content, str) else content
    real = Path(os.path.realpath(path))  # of a link, what it points to
    try:
        try:
            _write_nameless(real, data)
        except _NoSuchFiles:
            _write_named(real, data)
    except OSError as error:
        _refuse(path, (error.strerror or str(error)).lower())


def _write_nameless(path: Path, data: bytes) -> None:
    with _nameless(path.parent) as descriptor:
        _fill(descriptor, data, _mode(path))
        temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}"
        with _undisturbed():
            # with a `src_dir_fd` (which an absolute path does not need) links are followed
            os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=descriptor)
            _rename(temporary, path)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait until a file that has two names has one again."""
    waiting = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _NoSuchFiles(Exception):
    """The system, or this folder's file system, knows no nameless files."""


@contextlib.contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    try:
        if not Path("/proc/self/fd").is_dir():
            raise _NoSuchFiles
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except (AttributeError, IsADirectoryError, NotImplementedError):
        raise _NoSuchFiles from None
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
            raise _NoSuchFiles from None
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_named(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        _fill(descriptor, data, _mode(path))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    _rename(Path(name), path)


def _fill(descriptor: int, content: bytes, mode: int) -> None:
    data = memoryview(content)
    while data:
        data = data[os.write(descriptor, data) :]
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)


def _rename(temporary: Path, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    """The permissions of the file that is replaced, or those of a new one."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _refuse(path: Path, reason: str, help: str | None = None) -> NoReturn:
    message = f"can't write `{printable(str(path))}`: {reason}"
    raise NetgenError(Diagnostic("NG501", message, help=help)) from None
