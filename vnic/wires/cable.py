"""A wire in memory, for computers and tests without privileges: a pair of sockets that keeps the bounds of frames.

Law: a cable behaves as a TAP does. A frame that finds no room is lost and counted, never waited for; no carrier, no
frame; and the death of the process that holds the near end looks from the far end like a pulled plug.
"""

from __future__ import annotations

import mmap
import select
import socket
import time
from collections import deque
from typing import Final, SupportsBytes

from vnic.wires.wire import DEFAULT_MTU, ETHERNET_HEADER, REMOVAL_ERRORS

# Without privileges the kernel cuts this down to net.core.wmem_max, which is still several hundred frames each way.
_BUFFER: Final = 4 << 20
_SO_SNDBUFFORCE: Final = 32
_LONGEST_FRAME: Final = 65536 + 64
# A message of one byte is no Ethernet frame: it only wakes the far end, which then looks at the shared flag.
_DOORBELL: Final = b"\0"
_HANGUP: Final = select.POLLHUP | select.POLLERR


class Cable:
    """The near end: the NIC's.

    Both ends are made of one end of a SEQPACKET pair and the same shared page, so that a process which was handed the
    descriptors of an end makes its object by the constructor.
    """

    def __init__(self, near: socket.socket, flag: mmap.mmap, name: str, mtu: int) -> None:
        self.name = name
        self.mtu = mtu
        self._near = _made_ready(near)
        self._flag = flag

    @staticmethod
    def create(name: str = "cable", mtu: int = DEFAULT_MTU) -> tuple[Cable, FarEnd]:
        """Make both ends, link down. After a fork each process closes the end that is not its own."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Anonymous and shared: it outlives a fork and close_range, costs no descriptor and leaves nothing behind.
        flag = mmap.mmap(-1, mmap.PAGESIZE)
        return Cable(near, flag, name, mtu), FarEnd(far, flag)

    @property
    def carrier(self) -> bool:
        """Whether the outside has been told that the link is up."""
        return self._flag[0] == 1

    def fileno(self) -> int:
        """Return the non-blocking descriptor: one read or write is one frame."""
        return self._near.fileno()

    def descriptors(self) -> tuple[int, ...]:
        """Return every descriptor that must stay open for the wire to work: the one."""
        return (self.fileno(),)

    def set_carrier(self, up: bool) -> None:
        """Set the link state that the far end sees."""
        if self.carrier == up:
            return
        self._flag[0] = int(up)
        try:
            self._near.send(_DOORBELL)
        except OSError:
            # A full far end has something to read and looks at the flag then; a far end that is gone needs no bell.
            pass

    def poll_removed(self) -> bool:
        """Return whether the far end has been torn out or closed."""
        return self._near.fileno() < 0 or bool(_wait(self._near, 0, 0.0) & _HANGUP)

    def close(self) -> None:
        """Give this process's near end back; the far end sees a pulled plug when the last process has."""
        self._near.close()


class FarEnd:
    """The outside's end of a cable: a test or the command line puts frames in and takes frames out."""

    def __init__(self, far: socket.socket, flag: mmap.mmap) -> None:
        self.sent = 0
        self.received = 0
        self.dropped = 0  # frames sent that found no carrier or no room
        self._far = _made_ready(far)
        self._flag = flag
        self._buffer = bytearray(_LONGEST_FRAME)
        self._kept: deque[bytes] = deque()  # frames read while waiting for the carrier
        self._gone = False

    @property
    def carrier(self) -> bool:
        """Whether the near end says that the link is up, and is alive to say it."""
        return self._flag[0] == 1 and not self.gone

    @property
    def gone(self) -> bool:
        """Whether the near end is closed in every process that held it, or this end has been torn out."""
        if not self._gone:
            self._gone = self._far.fileno() < 0 or bool(_wait(self._far, 0, 0.0) & _HANGUP)
        return self._gone

    def fileno(self) -> int:
        """Return the descriptor to poll; when it is readable call `receive` until it has no more."""
        return self._far.fileno()

    def send(self, frame: SupportsBytes, timeout: float = 0.0) -> bool:
        """Put one frame (bytes, or a scapy packet) on the cable; False when it was dropped for want of carrier or room.

        With a timeout it waits that long for room, so that a flood loses nothing.
        """
        data = bytes(frame)
        if len(data) < ETHERNET_HEADER:
            raise ValueError(f"a frame of {len(data)} bytes has no Ethernet header")
        deadline = time.monotonic() + timeout
        while self.carrier:
            try:
                self._far.send(data)
            except BlockingIOError:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                _wait(self._far, select.POLLOUT, remaining)
            except OSError as error:
                if error.errno not in REMOVAL_ERRORS:
                    raise
                self._gone = True
            else:
                self.sent += 1
                return True
        self.dropped += 1
        return False

    def receive(self, timeout: float = 0.0) -> bytes | None:
        """Take the next frame from the cable; None when none came in time, at once when the near end is gone."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self._kept.popleft() if self._kept else self._read()
            if frame is not None and len(frame) >= ETHERNET_HEADER:
                self.received += 1
                return frame
            if frame is None:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self.gone:
                    return None
                _wait(self._far, select.POLLIN, remaining)

    def wait_carrier(self, up: bool, timeout: float) -> bool:
        """Wait until the link is up or down; return whether it came to be. Frames that arrive meanwhile are kept."""
        deadline = time.monotonic() + timeout
        while self.carrier != up:
            frame = self._read()
            if frame is not None:
                self._kept.append(frame)
                continue
            remaining = deadline - time.monotonic()
            if remaining <= 0 or (up and self.gone):
                return False
            _wait(self._far, select.POLLIN, remaining)
        return True

    def remove(self) -> None:
        """Tear the cable out while the machine runs: the near end sees a surprise removal."""
        try:
            self._far.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The near end was gone already.

    def close(self) -> None:
        """Give the far end back; the near end sees a removal."""
        self._far.close()

    def _read(self) -> bytes | None:
        """Read one message, be it a frame or the doorbell; None when there is none."""
        for _ in range(2):
            try:
                length = self._far.recv_into(self._buffer)
            except BlockingIOError:
                return None
            except OSError as error:
                # Reported once, before what is still to be read: the near end closed with frames unread.
                if error.errno not in REMOVAL_ERRORS:
                    return None
                self._gone = True
                continue
            return bytes(memoryview(self._buffer)[:length]) if length else None
        return None


def _wait(end: socket.socket, events: int, seconds: float) -> int:
    poll = select.poll()
    poll.register(end, events)
    found = poll.poll(seconds * 1000)
    return found[0][1] if found else 0


def _made_ready(end: socket.socket) -> socket.socket:
    """Never block, and have room for as many frames as the kernel grants."""
    end.setblocking(False)
    try:
        end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER)
    except PermissionError:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return end
