"""A unix socket with a name in the file system: how it is made, how a dead one is recognised, and how it goes.

Law: it is open to nobody but its user.  A name to which no process is bound any more has been left by a killed one, and
is taken over; a name is removed only while it is still the one that was made here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lives(path: Path) -> bool:
    """Is a process bound there?  It does not notice: a socket of another type is refused before it reaches anybody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.errno == errno.EPROTOTYPE
    return True


def remove_dead(path: Path) -> None:
    """Remove a name to which no process is bound: a killed one has left it."""
    with contextlib.suppress(OSError), _alone(path.parent):
        if path.is_socket() and not lives(path):
            path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove a folder in which there are sockets that nobody is bound to and nothing else: killed processes left it."""
    with contextlib.suppress(OSError), _alone(folder):
        found = list(folder.iterdir())
        if found and all(path.is_socket() and not lives(path) for path in found):
            for path in found:
                path.unlink()
            folder.rmdir()


class Listening:
    """A socket that listens; OSError when it cannot, EADDRINUSE when somebody else does."""

    def __init__(self, path: Path, name: str, backlog: int) -> None:
        self.path = path
        self.name = name
        """What people call it."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            os.fchmod(self.socket.fileno(), 0o600)  # the name that bind makes has these rights from the beginning
            with _alone(path.parent):
                if lives(path):
                    raise OSError(errno.EADDRINUSE, "somebody listens there already")
                if path.is_socket():
                    path.unlink()
                self.socket.bind(str(path))
                self._made = _identity(path)
            self.socket.listen(backlog)
        except BaseException:
            self.socket.close()
            raise

    def accept(self) -> socket.socket | None:
        """Whoever has connected, not blocking; None when he is gone again."""
        try:
            sock, _ = self.socket.accept()
        except OSError:
            return None
        sock.setblocking(False)
        return sock

    def remove(self) -> None:
        """Remove the name, also in a process that has inherited this; twice is once."""
        with contextlib.suppress(OSError):
            # In its place there may be another one's, when somebody has removed ours.
            if _identity(self.path) == self._made:
                self.path.unlink()

    def close(self) -> None:
        """Listen no more; the name goes first.  Twice is once."""
        self.remove()
        self.socket.close()


def _identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time looks at the sockets of a folder and makes or removes some."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
