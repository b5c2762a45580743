"""The far ends of wires: what the outside of an adapter does, on a cable and on a TAP alike.

Law: a frame that was put on the wire is not waited for, and a frame that is waited for has a deadline; the pinging side
of a TAP lies in the laboratory's own anonymous network namespace.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from emulator.testing.machine import LabMachine
    from vnic.wires.cable import FarEnd
    from vnic.wires.network import LinkWatcher, Namespace

_SOL_PACKET: Final = 263
_PACKET_IGNORE_OUTGOING: Final = 23
_ETH_P_ALL: Final = 3
_BUFFER: Final = 4 << 20
_SO_RCVBUFFORCE: Final = 33
_LONGEST: Final = 65536 + 64


class Ground:
    """A network namespace of a laboratory's own, and what netlink says of its interfaces."""

    def __init__(self) -> None:
        from vnic.wires.network import LinkWatcher, Namespace

        self.namespace: Namespace = Namespace.create()
        with self.namespace.entered():
            self.links: LinkWatcher = LinkWatcher()

    def close(self) -> None:
        """Give both back."""
        self.links.close()
        self.namespace.close()


class End(Protocol):
    """What a test does at the far end of an adapter's wire."""

    def fileno(self) -> int:
        """The descriptor that is readable when a frame is there."""
        ...

    def send(self, frame: bytes, timeout: float) -> bool:
        """Put a frame on the wire, waiting so long for room; False when there is no carrier or no room."""
        ...

    def take(self) -> bytes | None:
        """The next frame, if one is there."""
        ...

    def carrier(self) -> bool:
        """Is the link up, as the outside sees it?"""
        ...

    def wait_carrier(self, up: bool, timeout: float) -> bool:
        """Wait until the link is up or down; False when it did not come to be."""
        ...

    def gone(self) -> bool:
        """Has the machine given its end of the wire back?"""
        ...

    def remove(self) -> None:
        """Take the wire away: a surprise removal."""
        ...

    def close(self) -> None:
        """Give back what this end holds."""
        ...


class CableEnd:
    """The far end of a cable in memory."""

    def __init__(self, far: FarEnd) -> None:
        self._far = far

    def fileno(self) -> int:
        """The descriptor that is readable when a frame is there."""
        return self._far.fileno()

    def send(self, frame: bytes, timeout: float) -> bool:
        """Put a frame on the cable."""
        return self._far.send(frame, timeout)

    def take(self) -> bytes | None:
        """The next frame, if one is there."""
        return self._far.receive(0.0)

    def carrier(self) -> bool:
        """Is the link up?"""
        return self._far.carrier

    def wait_carrier(self, up: bool, timeout: float) -> bool:
        """Wait until the link is up or down."""
        return self._far.wait_carrier(up, timeout)

    def gone(self) -> bool:
        """Is the near end closed?"""
        return self._far.gone

    def remove(self) -> None:
        """Tear the cable out."""
        self._far.remove()

    def close(self) -> None:
        """The console gives the cable back."""


class TapEnd:
    """The kernel's side of a TAP, through a packet socket on the interface."""

    def __init__(self, namespace: Namespace, interface: str, links: LinkWatcher) -> None:
        self.namespace = namespace
        self.interface = interface
        self._links = links
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self._socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor that is readable when a frame is there."""
        return self._socket.fileno()

    def send(self, frame: bytes, timeout: float) -> bool:
        """Put a frame on the interface as the kernel would send it."""
        try:
            self._socket.send(frame)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._socket, select.POLLOUT)
            return bool(timeout and poll.poll(timeout * 1000)) and self.send(frame, 0.0)
        except OSError:
            return False  # the interface is down or gone
        return True

    def take(self) -> bytes | None:
        """The next frame that came out of the adapter."""
        try:
            return self._socket.recv(_LONGEST)
        except BlockingIOError:
            return None
        except OSError:
            return None  # said once when the interface goes down; what is behind it is still there

    def carrier(self) -> bool:
        """Is the interface's carrier on?"""
        state = self._links.refresh().get(self.interface)
        return state is not None and state.carrier

    def wait_carrier(self, up: bool, timeout: float) -> bool:
        """Wait until netlink says so; an interface that is gone has no carrier."""
        try:
            self._links.wait_for(self.interface, carrier=up, timeout=timeout)
        except TimeoutError:
            return not up and self.interface not in self._links.refresh()
        return True

    def gone(self) -> bool:
        """Is the interface no longer there?"""
        return self.interface not in self._links.refresh()

    def remove(self) -> None:
        """Delete the interface."""
        from vnic.wires.network import delete_link

        with self.namespace.entered():
            delete_link(self.interface)

    def close(self) -> None:
        """Give the packet socket back."""
        self._socket.close()


class FileEnd:
    """Nobody: an adapter whose wire is a capture file hears the file alone."""

    def __init__(self, machine: LabMachine, number: int) -> None:
        self._machine = machine
        self._number = number
        self._never = os.eventfd(0, os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """A descriptor that is never readable."""
        return self._never

    def send(self, frame: bytes, timeout: float) -> bool:
        """No frame can be put on it."""
        raise TypeError("a wire that replays a file takes no frames from a test")

    def take(self) -> bytes | None:
        """What the adapter sends is in the wire's ``out`` file."""
        return None

    def carrier(self) -> bool:
        """Is the link up?"""
        return bool(self._machine.statistics().adapters[self._number]["carrier"])

    def wait_carrier(self, up: bool, timeout: float) -> bool:
        """Wait until the link is up or down."""
        try:
            self._machine.wait(lambda now: now.adapters[self._number]["carrier"] == up, "carrier", timeout)
        except AssertionError:
            return False
        return True

    def gone(self) -> bool:
        """Is the machine gone?"""
        return not self._machine.running

    def remove(self) -> None:
        """Nobody takes a file away."""
        raise TypeError("a wire that replays a file cannot be taken away")

    def close(self) -> None:
        """Give the descriptor back."""
        if self._never >= 0:
            os.close(self._never)
            self._never = -1


def ping(end: Any, address: str, **options: Any) -> Any:
    """Ping through a TAP with the system's own ICMP; the PingResult."""
    from vnic.wires.ping import ping as run

    if not isinstance(end, TapEnd):
        raise TypeError("only a TAP has the system's ping at its far end: lab.start(..., wire='tap')")
    with end.namespace.entered():
        return run(address, **options)
