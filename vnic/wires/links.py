"""Watches the interfaces of a network namespace: their carrier, and whether they are still there.

Law: the kernel's own messages are what is believed, each one looked at in its order, so that a carrier that goes off
a moment before its interface is deleted is still seen to go off.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_ROUTE_GROUP_LINK: Final = 1
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_RTM_NEWLINK: Final = 16
_RTM_DELLINK: Final = 17
_RTM_GETLINK: Final = 18
_REQUEST_DUMP: Final = 0x1 | 0x300
_IFLA_IFNAME: Final = 3
_IFLA_OPERSTATE: Final = 16
_IFLA_CARRIER: Final = 33
_USABLE: Final = frozenset({0, 6})  # IF_OPER_UNKNOWN, which is all that the loopback ever says, and IF_OPER_UP
_IFF_UP: Final = 0x1
_IFF_LOWER_UP: Final = 0x10000

_MESSAGE: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_LINK: Final = struct.Struct("=BxHiII")  # struct ifinfomsg
_ATTRIBUTE: Final = struct.Struct("=HH")  # struct rtattr
_BUFFER: Final = 1 << 20
# The kernel may hold a carrier event back for a second; asked, it tells the truth at once.
_ASK_AGAIN_SECONDS: Final = 0.02


class LinkState(msgspec.Struct, frozen=True):
    """What the kernel says of one interface."""

    name: str
    index: int
    up: bool  # administratively
    carrier: bool
    usable: bool  # the kernel has acted on the carrier: until then it drops what is sent


class LinkWatcher:
    """A view of all interfaces of the namespace in which it was made, wherever the process goes afterwards."""

    def __init__(self) -> None:
        self.links: dict[str, LinkState] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _ROUTE_GROUP_LINK))
        self._ask()
        self._asked = True
        while self._asked:
            self._wait(1.0)
            for _ in self._changes():
                pass

    def __enter__(self) -> LinkWatcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor to poll; when it is readable call `refresh`."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def refresh(self) -> dict[str, LinkState]:
        """Take in what the kernel has said by now and return all links by name."""
        for _ in self._changes():
            pass
        return self.links

    def wait_for(self, name: str, *, carrier: bool | None, timeout: float = 5.0) -> LinkState | None:
        """Wait until the interface has this carrier, or is gone when None; return how it was then.

        With the carrier on, what is sent from now on arrives.
        """
        deadline = time.monotonic() + timeout
        if self._is(name, carrier):
            return self.links.get(name)
        while True:
            for _ in self._changes():
                if self._is(name, carrier):
                    return self.links.get(name)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                wanted = "gone" if carrier is None else f"carrier {'on' if carrier else 'off'}"
                raise TimeoutError(f"{name}: waited {timeout} s for: {wanted}; it is: {self.links.get(name, 'gone')}")
            if not self._wait(min(remaining, _ASK_AGAIN_SECONDS)) and not self._asked:
                self._ask()

    def _is(self, name: str, carrier: bool | None) -> bool:
        state = self.links.get(name)
        if state is None or carrier is None:
            return state is None and carrier is None
        return state.carrier == carrier and (state.usable or not carrier)

    def _ask(self) -> None:
        """Ask for all links; the answers come as the events do."""
        self._asked = True
        self._seen: set[str] = set()
        request = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        self._socket.send(_MESSAGE.pack(_MESSAGE.size + len(request), _RTM_GETLINK, _REQUEST_DUMP, 1, 0) + request)

    def _wait(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _changes(self) -> Iterator[None]:
        """Take in what can be read, one message at a time."""
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._ask()  # events were lost
                continue
            offset = 0
            while offset + _MESSAGE.size <= len(data):
                length, kind, _, _, _ = _MESSAGE.unpack_from(data, offset)
                self._take(kind, data[offset + _MESSAGE.size : offset + length])
                yield
                offset += (length + 3) & ~3

    def _take(self, kind: int, body: bytes) -> None:
        if kind in (_NLMSG_DONE, _NLMSG_ERROR):
            # What was not in the answer went away unheard.
            if kind == _NLMSG_DONE:
                self.links = {name: state for name, state in self.links.items() if name in self._seen}
            self._asked = False
        elif kind in (_RTM_NEWLINK, _RTM_DELLINK):
            _, _, index, flags, _ = _LINK.unpack_from(body)
            name, carrier, usable = "", bool(flags & _IFF_LOWER_UP), False
            for attribute, value in _attributes(body[_LINK.size :]):
                if attribute == _IFLA_IFNAME:
                    name = value.rstrip(b"\0").decode(errors="surrogateescape")
                elif attribute == _IFLA_OPERSTATE:
                    usable = value[0] in _USABLE
                elif attribute == _IFLA_CARRIER:
                    carrier = value[0] == 1
            self._renamed(index, name)
            if kind == _RTM_DELLINK:
                self.links.pop(name, None)
                self._seen.discard(name)
            else:
                self.links[name] = LinkState(name, index, bool(flags & _IFF_UP), carrier, usable and carrier)
                self._seen.add(name)

    def _renamed(self, index: int, name: str) -> None:
        for known in [state.name for state in self.links.values() if state.index == index and state.name != name]:
            del self.links[known]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
