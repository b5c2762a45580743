"""Messages that carry descriptors from process to process, over SEQPACKET sockets.

Law: the other end is not trusted. A message arrives whole or is refused, a descriptor that came with a refused message
is closed, every descriptor received is closed on exec, and nothing is unpickled: what a Channel carries is msgspec,
checked against one type.
"""

from __future__ import annotations

import array
import os
import socket
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many descriptors one message may carry; the kernel's own limit is 253.
MAX_DESCRIPTORS: Final = 250
#: How long a message may be.
MAX_MESSAGE: Final = 65536

_INT_SIZE: Final = array.array("i").itemsize
_ANCILLARY: Final = socket.CMSG_SPACE(MAX_DESCRIPTORS * _INT_SIZE)
#: In <sys/socket.h>; Python has no name for it.
_MSG_CMSG_CLOEXEC: Final = 0x40000000

Received = TypeVar("Received")


class ChannelClosed(ConnectionError):
    """The other end is gone."""


class ChannelGarbage(ValueError):
    """The other end sent what no correct program sends; the message is gone and its descriptors are closed."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Make two connected sockets for messages."""
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        raise SharedMemoryError("making a control socket", error) from error


def send(sock: socket.socket, message: bytes, fds: Sequence[int] = ()) -> None:
    """Send one message with descriptors, waiting for room; ChannelClosed when nobody can receive it."""
    _send(sock, message, fds, 0)


def try_send(sock: socket.socket, message: bytes, fds: Sequence[int] = ()) -> bool:
    """Send without waiting; False when there is no room now."""
    try:
        _send(sock, message, fds, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def receive(sock: socket.socket, limit: int = MAX_MESSAGE) -> tuple[bytes, list[int]]:
    """Wait for one message, with its descriptors; ChannelClosed when there will be none."""
    return _receive(sock, limit, 0)


def try_receive(sock: socket.socket, limit: int = MAX_MESSAGE) -> tuple[bytes, list[int]] | None:
    """Take one message if there is one now; None when there is not."""
    try:
        return _receive(sock, limit, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None


class Channel(Generic[Received]):
    """A socket on which both ends send msgspec records; this end accepts those of one type (a union, as a rule)."""

    __slots__ = ("_decode", "_encode", "sock")

    def __init__(self, sock: socket.socket, received: Any) -> None:
        self.sock = sock
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder[Received](received).decode

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self.sock.fileno()

    def send(self, message: object, fds: Sequence[int] = ()) -> None:
        """Send one record with descriptors, waiting for room."""
        send(self.sock, self._encode(message), fds)

    def try_send(self, message: object, fds: Sequence[int] = ()) -> bool:
        """Send without waiting; False when there is no room now."""
        return try_send(self.sock, self._encode(message), fds)

    def receive(self) -> tuple[Received, list[int]]:
        """Wait for one record; ChannelClosed at the end, ChannelGarbage when it is not of the type."""
        return self._checked(receive(self.sock))

    def try_receive(self) -> tuple[Received, list[int]] | None:
        """Take one record if there is one now; None when there is not."""
        taken = try_receive(self.sock)
        return None if taken is None else self._checked(taken)

    def close(self) -> None:
        """Close this end in this process."""
        self.sock.close()

    def _checked(self, taken: tuple[bytes, list[int]]) -> tuple[Received, list[int]]:
        message, fds = taken
        try:
            return self._decode(message), fds
        except msgspec.MsgspecError as error:
            close_all(fds)
            raise ChannelGarbage(f"a message of {len(message)} bytes is none of ours: {error}") from error


def close_all(fds: Sequence[int]) -> None:
    """Close each descriptor."""
    for fd in fds:
        os.close(fd)


def _send(sock: socket.socket, message: bytes, fds: Sequence[int], flags: int) -> None:
    if not message or len(message) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(message)} bytes: an empty one reads as the end, a long one is refused")
    if len(fds) > MAX_DESCRIPTORS:
        raise ValueError(f"{len(fds)} descriptors in one message; {MAX_DESCRIPTORS} are possible")
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([message], ancillary, flags | socket.MSG_NOSIGNAL)
    except ConnectionError as error:
        raise ChannelClosed(error.errno, "the other end is gone") from error


def _receive(sock: socket.socket, limit: int, flags: int) -> tuple[bytes, list[int]]:
    try:
        message, ancillary, seen, _ = sock.recvmsg(limit, _ANCILLARY, flags | _MSG_CMSG_CLOEXEC)
    except ConnectionError as error:
        raise ChannelClosed(error.errno, "the other end is gone") from error
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _INT_SIZE])
    if seen & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(fds)
        raise ChannelGarbage(f"a message of more than {limit} bytes, or more descriptors than this process may have")
    if not message:
        close_all(fds)
        raise ChannelClosed("the other end is gone")
    return message, list(fds)
