"""Output files: written whole or not at all, and never over a file that netgen did not write.

Every file that netgen writes carries a digest, each kind of file in its own place. An existing
file is netgen's own if its digest fits; any other is kept.
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
import sys
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
    """A kind of file, by the place of its digest.

    The groups of the `pattern` are what signing fills in: the digest, and for an image the CRC of
    the chunk that holds it. In unsigned data they are zeros. The lines of a `text` may end in
    either way: git, or an editor, may have changed that.
    """

    pattern: re.Pattern[bytes]
    text: bool = True


_DIGEST = rb"\(digest ([0-9a-f]{12})\)"
SOURCE = Kind(re.compile(_DIGEST + rb'\.?\n?"""\n'))  # at the docstring's end
DRAWING = Kind(re.compile(rb"Drawn by netgen " + _DIGEST + rb"(?: -->)?\n\Z"))
IMAGE = Kind(
    re.compile(rb"tEXtComment\0Drawn by netgen " + _DIGEST + rb"(.{4}).{4}IEND.{4}\Z", re.DOTALL),
    text=False,
)
REPORT = Kind(re.compile(rb'\A\{\n  "netgen": "[^"\n]*",\n  "digest": "([0-9a-f]{12})",\n'))
KINDS = (SOURCE, DRAWING, IMAGE, REPORT)


def sign(data: bytes, kind: Kind, inputs: str) -> bytes:
    """The data with its digest filled in: half is a hash of the inputs, half of the body."""
    found = kind.pattern.search(data)
    assert found is not None
    assert found[1] == UNSIGNED.encode()
    return _filled(data, found, hashlib.sha256(inputs.encode()).hexdigest()[:6].encode())


def untouched(data: bytes, kind: Kind) -> bool:
    """Whether a file is unchanged since netgen wrote it: its digest fits its body."""
    if kind.text:
        data = with_plain_breaks(data)
    found = kind.pattern.search(data)
    if found is None:
        return False
    bare = data
    for group in range(1, kind.pattern.groups + 1):
        start, end = found.span(group)
        bare = bare[:start] + b"0" * (end - start) + bare[end:]
    return _filled(bare, found, found[1][:6]) == data


def with_plain_breaks(data: bytes) -> bytes:
    """The data of a text with line breaks as netgen writes them, on any system."""
    return data.replace(b"\r\n", b"\n")


def _filled(bare: bytes, found: re.Match[bytes], made_from: bytes) -> bytes:
    """The data with the groups of the pattern filled in."""
    body = hashlib.sha256(made_from + b"\0" + bare).hexdigest()[:6].encode()
    data = bare[: found.start(1)] + made_from + body + bare[found.end(1) :]
    if found.re.groups == 1:
        return data
    total = zlib.crc32(data[found.start() : found.start(2)])
    return data[: found.start(2)] + total.to_bytes(4, "big") + data[found.end(2) :]


State = tuple[int, ...]
"""A file's state, which changes with each save: device, inode, size and times."""


class Target(Struct, frozen=True):
    """A file to be written, and the state of the existing file when it was claimed.

    If the result is also `told` on standard output, the file is only written while that works.
    """

    path: Path
    kind: Kind
    force: bool
    seen: State | None
    told: bool

    def write(self, data: bytes) -> None:
        """Write the file, whole or not at all; raises `NetgenError` if it can't.

        Where the system has nameless files, the file has no name until it is complete, so a kill
        at any moment leaves nothing behind. What somebody else has saved there meanwhile is kept.
        A folder that is missing is made.
        """
        if self.told:
            _check_heard()  # again: much time may have passed since the claim
        try:
            real = Path(os.path.realpath(self.path))  # follow a link
            real.parent.mkdir(parents=True, exist_ok=True)
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
            try:
                _fill(descriptor, data, _mode(real))
                self._is_replaced()
            finally:
                os.close(descriptor)  # Windows neither moves nor removes an open file
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _rename(Path(name), real)

    def _is_replaced(self) -> bool:
        """Whether a file exists that is replaced; refuses one that was saved there meanwhile.

        What another netgen has written meanwhile may be replaced: nobody's work is lost.
        """
        now = state_of(self.path)
        if now is not None and now != self.seen:
            data = self.path.read_bytes()
            kinds = KINDS if self.force else (self.kind,)
            if not any(untouched(data, kind) for kind in kinds):  # an empty one is being saved
                what = "has been saved by somebody else while netgen ran"
                _keep(self.path, what, "look at it, then run netgen again")
        return now is not None


def claim(
    path: Path, kind: Kind, *, force: bool, specs: Iterable[str] = (), told: bool = False
) -> Target:
    """The target for a path; raises `NetgenError` if it may not or can't be written.

    So it is for a file that netgen did not write, unless `force` is given, and for one of the
    `specs`. If the result is also `told`, also where standard output is closed or full.
    """
    check_no_spec(path, specs)
    if told:
        _check_heard()
    try:
        _check_folder(path)
        seen = state_of(path)
        data = b"" if seen is None or force else path.read_bytes()
    except (OSError, ValueError) as error:
        _refuse(path, reason(error))
    if data and not untouched(data, kind):
        edited = kind.pattern.search(data)
        why = "has been edited since netgen wrote it" if edited else "was not written by netgen"
        _keep(path, why, "give another output, or overwrite it with `--force`")
    return Target(path, kind, force, seen, told)


def _check_folder(path: Path) -> None:
    """Refuse a path whose folder is none and can't be made: it leads through a file."""
    for place in Path(os.path.realpath(path)).parents:  # follow a link
        if os.path.lexists(place):
            if not place.is_dir():
                _refuse(path, f"`{printable(place.name)}` is no folder")
            return


def _check_heard() -> None:
    """Raise `NetgenError` if standard output is closed or full: nobody would know of the file."""
    why = deaf()
    if why:
        help = "give netgen a standard output, even if it is `/dev/null`"
        raise NetgenError(Diagnostic("NG506", f"{why}: nothing is written", help=help))


def check_no_spec(path: Path, specs: Iterable[str]) -> None:
    """Raise `NetgenError` if the path is one of the specs, even with `--force`."""
    for spec in specs:
        same = False
        with contextlib.suppress(OSError, ValueError):
            same = path.samefile(spec)
        if same:
            message = f"`{printable(str(path))}` is the spec itself: give another output"
            raise NetgenError(Diagnostic("NG501", message))


def read_output(path: Path) -> bytes | None:
    """The content of a file, ``None`` if there is none; raises `NetgenError` if unreadable."""
    try:
        return path.read_bytes() if state_of(path) is not None else None
    except (OSError, ValueError) as error:
        raise NetgenError(
            Diagnostic("NG501", f"can't read `{printable(str(path))}`: {reason(error)}")
        ) from None


def state_of(path: Path) -> State | None:
    """The state of a file, ``None`` if there is none; raises `OSError` for a folder or device."""
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
    """Give a nameless file a name; raises `FileExistsError` if the name is taken."""
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
    """Block signals inside of the ``with``, so that no temporary name is left behind."""
    if sys.platform == "win32":  # where no name is given so
        yield
        return
    waiting = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _NoSuchFiles(Exception):
    """The system, or this folder's file system, does not support nameless files."""


@contextlib.contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    try:
        if sys.platform != "linux" or not Path("/proc/self/fd").is_dir():
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
    if sys.platform != "win32":  # there a new file has the permissions of its folder
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
