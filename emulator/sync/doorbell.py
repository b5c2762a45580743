"""The one thing that a context sleeps on: an eventfd.

Law: a ring is never lost. A ring before the wait makes the wait return at once, any number of rings make one, and the
wait that was rung takes the ring before it returns; so whoever looks at the shared state after wait() sees everything
that was published before any ring that is gone. Who rings, publishes first.
"""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING, Final

from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable

_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_READY: Final = select.POLLIN
_GONE: Final = select.POLLNVAL


class Doorbell:
    """A doorbell over an eventfd, which any process that has the descriptor may ring and one process waits on.

    Waits are rounded up to whole milliseconds, as the kernel's poll has them: never early, up to one millisecond late.
    """

    __slots__ = ("_poll", "_poller", "fd", "ready", "ring")

    fd: int
    #: Wake whoever waits, or will wait next. Never blocks.
    ring: Callable[[], None]
    #: The watched descriptors that the last wait found readable, hung up or closed.
    ready: list[int]

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ready = []
        self.ring = _ringer(fd)
        self._poller = select.poll()
        self._poller.register(fd, _READY)
        self._poll = self._poller.poll

    @classmethod
    def create(cls) -> Doorbell:
        """Make a new doorbell, before the first fork of those who are to share it."""
        try:
            return cls(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        except OSError as error:
            raise SharedMemoryError("making a doorbell (eventfd)", error) from error

    def drain(self) -> bool:
        """Take the ring if there is one, without waiting; say whether there was."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return False
        return True

    def wait(self, timeout_ns: int | None) -> bool:
        """Sleep until rung (True: the ring has been taken), until a watched descriptor is ready, or until the timeout.

        A signal does not end the sleep, except by what its handler raises. None means no timeout.
        """
        milliseconds = None if timeout_ns is None else -(-max(timeout_ns, 0) // _NANOSECONDS_PER_MILLISECOND)
        rung = False
        self.ready = ready = []
        for descriptor, events in self._poll(milliseconds):
            if descriptor != self.fd:
                ready.append(descriptor)
            elif events & _GONE:
                raise OSError(errno.EBADF, f"doorbell {descriptor} is closed")
            else:
                rung = self.drain()
        return rung

    def watch(self, descriptor: int) -> None:
        """Let the wait end also when this descriptor is readable."""
        self._poller.register(descriptor, _READY)

    def unwatch(self, descriptor: int) -> None:
        """Undo watch."""
        self._poller.unregister(descriptor)

    def close(self) -> None:
        """Close the descriptor in this process; for the others the doorbell lives on."""
        os.close(self.fd)


def _ringer(fd: int) -> Callable[[], None]:
    write = os.eventfd_write

    def ring() -> None:
        try:
            write(fd, 1)
        except BlockingIOError:
            pass  # so many rings wait already that the counter is full: one more says nothing new

    return ring
