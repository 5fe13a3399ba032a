"""The output: written whole or not at all, and never over what netgen did not write.

Whatever netgen writes carries a digest, each kind of file in its own place. What stands in the way
of an output is netgen's own if its digest fits: all else is kept.
"""

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
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from .terminal import deaf

UNSIGNED = "0" * 12  # as long as a digest, so that signing changes no line break


class Kind(Struct, frozen=True):
    """A kind of file: where its digest stands.

    The groups of the `pattern` are what signing fills in: the digest, and for an image the sum
    of the chunk that it stands in. Unsigned they are zeros.
    """

    pattern: re.Pattern[bytes]


_DIGEST = rb"\(digest ([0-9a-f]{12})\)"
SOURCE = Kind(re.compile(_DIGEST + rb'\.?\n"""\n'))  # at the docstring's end
DRAWING = Kind(re.compile(rb"Drawn by netgen " + _DIGEST + rb"(?: -->)?\n\Z"))
IMAGE = Kind(
    re.compile(rb"tEXtComment\0Drawn by netgen " + _DIGEST + rb"(.{4}).{4}IEND.{4}\Z", re.DOTALL)
)
REPORT = Kind(re.compile(rb'\A\{\n  "netgen": "[^"\n]*",\n  "digest": "([0-9a-f]{12})",\n'))
KINDS = (SOURCE, DRAWING, IMAGE, REPORT)


def sign(data: bytes, kind: Kind, inputs: str) -> bytes:
    """The unsigned data with its digest: half of it tells the inputs, half the body."""
    found = kind.pattern.search(data)
    assert found is not None
    assert found[1] == UNSIGNED.encode()
    return _filled(data, found, hashlib.sha256(inputs.encode()).hexdigest()[:6].encode())


def untouched(data: bytes, kind: Kind) -> bool:
    """Whether a file is as netgen wrote it: its digest fits its body."""
    found = kind.pattern.search(data)
    if found is None:
        return False
    bare = data
    for group in range(1, kind.pattern.groups + 1):
        start, end = found.span(group)
        bare = bare[:start] + b"0" * (end - start) + bare[end:]
    return _filled(bare, found, found[1][:6]) == data


def _filled(bare: bytes, found: re.Match[bytes], made_from: bytes) -> bytes:
    """The data with all that signing fills in."""
    body = hashlib.sha256(made_from + b"\0" + bare).hexdigest()[:6].encode()
    data = bare[: found.start(1)] + made_from + body + bare[found.end(1) :]
    if found.re.groups == 1:
        return data
    total = zlib.crc32(data[found.start() : found.start(2)])
    return data[: found.start(2)] + total.to_bytes(4, "big") + data[found.end(2) :]


State = tuple[int, ...]
"""What tells a file from what it was before: it changes with each save."""


class Target(Struct, frozen=True):
    """A file to be written, and the state of what stood there when it was looked at.

    What is `told` on standard output is written only while somebody hears it.
    """

    path: Path
    kind: Kind
    force: bool
    seen: State | None
    told: bool

    def write(self, data: bytes) -> None:
        """Put data in place of what stands there, whole or not at all.

        It has no name until it is complete, where the system knows nameless files: a kill at any
        moment leaves nothing behind. What somebody else has put there meanwhile is kept.
        """
        if self.told:
            _check_heard()  # once more: what is written may have taken its time
        try:
            real = Path(os.path.realpath(self.path))  # of a link, what it points to
            try:
                self._write_nameless(real, data)
            except _NoSuchFiles:
                self._write_named(real, data)
        except (OSError, ValueError) as error:
            _refuse(self.path, reason(error))

    def _write_nameless(self, real: Path, data: bytes) -> None:
        with _nameless(real.parent) as descriptor:
            _fill(descriptor, data, _mode(real))
            with _undisturbed():
                if not self._is_replaced():
                    with contextlib.suppress(FileExistsError):
                        _name(descriptor, real)
                        return
                    self._is_replaced()
                temporary = real.parent / f".netgen-{secrets.token_hex(8)}"
                _name(descriptor, temporary)
                _rename(temporary, real)

    def _write_named(self, real: Path, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=".netgen-")
        try:
            _fill(descriptor, data, _mode(real))
            self._is_replaced()
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        _rename(Path(name), real)

    def _is_replaced(self) -> bool:
        """Whether something is there to be replaced; refuses what was saved there meanwhile.

        Another netgen may have written there: no person loses anything by that.
        """
        now = _state(self.path)
        if now is not None and now != self.seen:
            data = self.path.read_bytes()
            kinds = KINDS if self.force else (self.kind,)
            if not any(untouched(data, kind) for kind in kinds):  # one that is empty is being saved
                what = "has been saved by somebody else while netgen ran"
                _keep(self.path, what, "look at it, then run netgen again")
        return now is not None


def claim(
    path: Path, kind: Kind, *, force: bool, specs: Iterable[str] = (), told: bool = False
) -> Target:
    """A path to write to; refuses one that can't be written, or that holds what would be lost.

    That is what netgen did not write, unless that is to be forced, and a spec that is read. What is
    `told` is not written either where standard output is closed or full.
    """
    _check_no_spec(path, specs)
    if told:
        _check_heard()
    try:
        folder = os.path.dirname(os.path.realpath(path))  # of a link, where it points to
        if not os.path.isdir(folder):
            place = path.parent if not path.is_symlink() else folder
            help = f"make it first: `mkdir -p {printable(str(place))}`"
            _refuse(path, "there is no such folder", help=help)
        seen = _state(path)
        data = b"" if seen is None or force else path.read_bytes()
    except (OSError, ValueError) as error:
        _refuse(path, reason(error))
    if data and not untouched(data, kind):
        edited = kind.pattern.search(data)
        why = "has been edited since netgen wrote it" if edited else "was not written by netgen"
        _keep(path, why, "give another output, or overwrite it with `--force`")
    return Target(path, kind, force, seen, told)


def _check_heard() -> None:
    """Refuse to write a file when nobody would learn of it: standard output is closed or full."""
    why = deaf()
    if why:
        help = "give netgen a standard output, even if it is `/dev/null`"
        raise NetgenError(Diagnostic("NG506", f"{why}: nothing is written", help=help))


def _check_no_spec(path: Path, specs: Iterable[str]) -> None:
    """Refuse to write over a spec that is read, whatever is insisted on."""
    for spec in specs:
        same = False
        with contextlib.suppress(OSError, ValueError):
            same = path.samefile(spec)
        if same:
            message = f"`{printable(str(path))}` is the spec itself: give another output"
            raise NetgenError(Diagnostic("NG501", message))


def read_output(path: Path) -> bytes | None:
    """What stands at a path, if anything does; refuses what can't be read."""
    try:
        return path.read_bytes() if _state(path) is not None else None
    except (OSError, ValueError) as error:
        raise NetgenError(
            Diagnostic("NG501", f"can't read `{printable(str(path))}`: {reason(error)}")
        ) from None


def _state(path: Path) -> State | None:
    """The state of the file that stands there, if there is one; `OSError` for what is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_size, *times)


def _keep(path: Path, why: str, help: str) -> NoReturn:
    message = f"`{printable(str(path))}` {why}: it is left as it is"
    raise NetgenError(Diagnostic("NG502", message, help=help)) from None


def _name(descriptor: int, path: Path) -> None:
    """Give a nameless file a name that nothing has."""
    # with a `src_dir_fd` (which an absolute path does not need) links are followed
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)


def reason(error: OSError | ValueError) -> str:
    """Why the system refuses something, in words."""
    if isinstance(error, FileNotFoundError):
        try:
            os.getcwd()
        except OSError:
            return "the current folder is gone"
    return (getattr(error, "strerror", None) or str(error)).lower()


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
