"""Watches the interfaces of a network namespace: their carrier, and whether they are still there.

Law: the kernel's own messages are what is believed. Each is looked at in its order, so that a carrier that goes off a
moment before its interface is deleted is still seen to go off; but that a link is up is believed only as the answer to
a question, because the kernel then first acts on the carrier: an event may be told while it still drops what is sent.
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
_NLM_F_REQUEST: Final = 0x1
_NLM_F_DUMP: Final = 0x300
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_RTM_NEWLINK: Final = 16
_RTM_DELLINK: Final = 17
_RTM_GETLINK: Final = 18
_IFLA_IFNAME: Final = 3
_IFLA_CARRIER: Final = 33
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


class LinkWatcher:
    """A view of all interfaces of the namespace in which it was made, wherever the process goes afterwards."""

    def __init__(self) -> None:
        self.links: dict[str, LinkState] = {}
        self._sequence = 0
        self._asked = (0, "")  # the last question about one interface: its number and the name
        self._listing = 0  # the number of the question for all interfaces while its answer is awaited
        self._seen: set[str] = set()  # what that answer has named so far
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _ROUTE_GROUP_LINK))
        self._port = self._socket.getsockname()[0]
        self._list()
        while self._listing:
            self._wait(1.0)
            self.refresh()

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
        for _ in self._messages():
            pass
        return self.links

    def wait_for(self, name: str, *, carrier: bool | None, timeout: float = 5.0) -> LinkState | None:
        """Wait until the interface has this carrier, or is gone when None; return how it was then.

        Off and gone count as soon as they have been seen, even if they are over by now. On counts while it is on: what
        is sent from then on arrives.
        """
        deadline = time.monotonic() + timeout
        self._ask(name)
        while True:
            for answer in self._messages():
                state = self.links.get(name)
                if state is None and carrier is None:
                    return None
                if state is not None and state.carrier is carrier and (answer or not carrier):
                    return state
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                wanted = "gone" if carrier is None else f"carrier {'on' if carrier else 'off'}"
                raise TimeoutError(f"{name}: waited {timeout} s for: {wanted}; it is: {self.links.get(name, 'gone')}")
            if not self._wait(min(remaining, _ASK_AGAIN_SECONDS)):
                self._ask(name)

    def _ask(self, name: str) -> None:
        value = name.encode() + b"\0"
        attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), _IFLA_IFNAME) + value
        self._asked = (self._request(_NLM_F_REQUEST, attribute + bytes(-len(attribute) % 4)), name)

    def _list(self) -> None:
        self._seen.clear()
        self._listing = self._request(_NLM_F_REQUEST | _NLM_F_DUMP, b"")

    def _request(self, flags: int, attributes: bytes) -> int:
        self._sequence += 1
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attributes
        header = _MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETLINK, flags, self._sequence, self._port)
        self._socket.send(header + body)
        return self._sequence

    def _wait(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _messages(self) -> Iterator[bool]:
        """Take in what can be read, one message at a time; each time say whether it answers the last question."""
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._list()  # events were lost
                continue
            offset = 0
            while offset + _MESSAGE.size <= len(data):
                length, kind, _, sequence, port = _MESSAGE.unpack_from(data, offset)
                number = sequence if port == self._port else 0
                self._take(kind, data[offset + _MESSAGE.size : offset + length], number)
                yield number == self._asked[0]
                offset += (length + 3) & ~3

    def _take(self, kind: int, body: bytes, number: int) -> None:
        if kind == _NLMSG_ERROR:
            if number == self._asked[0]:
                self.links.pop(self._asked[1], None)
            elif number == self._listing:
                self._listing = 0
        elif kind == _NLMSG_DONE and number == self._listing:
            # What the list does not have went away unheard.
            self.links = {name: state for name, state in self.links.items() if name in self._seen}
            self._listing = 0
        elif kind in (_RTM_NEWLINK, _RTM_DELLINK):
            _, _, index, flags, _ = _LINK.unpack_from(body)
            name, carrier = "", bool(flags & _IFF_LOWER_UP)
            for attribute, value in _attributes(body[_LINK.size :]):
                if attribute == _IFLA_IFNAME:
                    name = value.rstrip(b"\0").decode(errors="surrogateescape")
                elif attribute == _IFLA_CARRIER:
                    carrier = value[0] == 1
            # It may have had another name.
            self.links = {known: state for known, state in self.links.items() if state.index != index}
            if kind == _RTM_NEWLINK:
                self.links[name] = LinkState(name, index, bool(flags & _IFF_UP), carrier)
                self._seen.add(name)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
