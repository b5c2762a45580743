"""Anonymous network namespaces, and what the demo and the tests do in one.

Law: a namespace has no name and no file; it lives as long as a process is in it or holds its descriptor, or a socket or
TAP opened in it, so that no way of dying leaves one behind. The computer's own namespace is never changed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Final

from vnic.wires import linux
from vnic.wires.links import LinkState, LinkWatcher
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["Namespace", "LinkState", "LinkWatcher", "delete_link", "interfaces"]

_OWN_NAMESPACE: Final = "/proc/thread-self/ns/net"
_AS_ROOT: Final = "run the same command with sudo"


class Namespace:
    """A network namespace of our own, held by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def create(cls) -> Namespace:
        """Make an empty namespace, its loopback up; the calling thread stays where it is."""
        made: list[int] = []
        failed: list[BaseException] = []

        def make() -> None:
            try:
                linux.unshare(linux.CLONE_NEWNET)
                linux.set_up("lo")
                made.append(os.open(_OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC))
            except BaseException as error:
                failed.append(error)

        # A namespace belongs to a thread: one that lives for this moment alone cannot leave its caller elsewhere.
        thread = threading.Thread(target=make, name="namespace")
        thread.start()
        thread.join()
        if failed and isinstance(failed[0], OSError):
            raise WireError("making a network namespace", _AS_ROOT, failed[0])
        if failed:
            raise failed[0]
        return cls(made[0])

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor; whoever keeps it keeps the namespace alive."""
        return self._descriptor

    def enter(self) -> None:
        """Move the calling thread into the namespace for good: for a process that has just been forked."""
        _go(self._descriptor)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in the namespace for a moment; a socket or TAP opened meanwhile stays there."""
        home = os.open(_OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _go(self._descriptor)
            try:
                yield
            finally:
                _go(home)
        finally:
            os.close(home)

    def close(self) -> None:
        """Let go of the namespace; the kernel ends it, and every interface in it, when nobody else holds it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def interfaces() -> list[str]:
    """Return the names of the interfaces in the calling thread's namespace."""
    return linux.interface_names()


def delete_link(name: str) -> None:
    """Delete an interface of the calling thread's namespace, as somebody who pulls the card out would."""
    from pyroute2 import IPRoute

    with IPRoute() as route:
        route.link("del", index=socket.if_nametoindex(name))


def _go(descriptor: int) -> None:
    try:
        linux.set_namespace(descriptor, linux.CLONE_NEWNET)
    except OSError as error:
        raise WireError("entering a network namespace", _AS_ROOT, error) from None
