"""Writes frames to a pcapng file with nanoseconds and directions, for Wireshark, tshark and scapy.

Law: a file ends with a whole block, whatever happens; a file that takes no more is told once, in one line, and what was
not captured is counted. Blocks are gathered and written together, when there are enough of them or when `flush` is
called.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from typing import TYPE_CHECKING, Final

from vnic.wires.captures import BYTE_ORDER, ENHANCED_PACKET, IN, INTERFACE, LINK_ETHERNET, OUT, SECTION_HEADER
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

ENOUGH: Final = 1 << 16
"""Bytes that are written without waiting for `flush`."""
APPLICATION: Final = b"ndisemu"

_STATISTICS: Final = 5
_APPLICATION, _NAME, _DESCRIPTION, _MAC, _RESOLUTION, _RECEIVED, _DROPPED = 4, 2, 3, 6, 9, 4, 5
_NANOSECONDS: Final = b"\x09"  # a unit of the times: ten to the power of minus nine seconds
_HEAD: Final = struct.Struct("<IIIIIII").pack
_TAILS: Final = {
    (direction, odd): bytes(-odd % 4) + struct.pack("<HHIHH", 2, 4, direction, 0, 0)
    for direction in (IN, OUT)
    for odd in range(4)
}
"""Padding and options behind a frame, by direction and by what is left of its length divided by four."""


class CaptureWriter:
    """One pcapng file with one interface.

    Args:
        path: Where; what is there is overwritten.
        wire: The wire's name, for messages and as the interface's description.
        interface: The interface's name in the file.
        mac: Its address.
    """

    def __init__(self, path: str, wire: str, interface: str, mac: bytes) -> None:
        self.path = path
        self.captured = 0
        self.missed = 0
        """Frames that found the file full or gone."""
        self.report: Callable[[str], None] = lambda text: None
        """Called with one line when the file takes no more, and with another when frames were missed, at the end."""
        self._wire = wire
        self._descriptor = _opened(path, wire)
        self._blocks: list[bytes] = []
        self._bytes = 0
        self._broken = False
        options = _options(
            (_NAME, interface.encode()), (_DESCRIPTION, wire.encode()), (_MAC, mac), (_RESOLUTION, _NANOSECONDS)
        )
        section = struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1) + _options((_APPLICATION, APPLICATION))
        self._header = _block(SECTION_HEADER, section) + _block(
            INTERFACE, struct.pack("<HHI", LINK_ETHERNET, 0, 0) + options
        )
        try:
            whole = os.write(self._descriptor, self._header) == len(self._header)
        except OSError as error:
            os.close(self._descriptor)
            raise _refusal(path, wire, error) from None
        if not whole:
            os.close(self._descriptor)
            raise _refusal(path, wire, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def fileno(self) -> int:
        """Return the file's descriptor; -1 once it is closed."""
        return self._descriptor

    @property
    def waiting(self) -> bool:
        """Whether there is something for `flush` to write."""
        return bool(self._blocks)

    def add(self, frame: memoryview | bytes, direction: int) -> None:
        """Capture one frame, now."""
        if self._broken:
            self.missed += 1
            return
        now = time.time_ns()
        length = len(frame)
        tail = _TAILS[direction, length & 3]
        total = 32 + length + len(tail)
        head = _HEAD(ENHANCED_PACKET, total, 0, now >> 32, now & 0xFFFFFFFF, length, length)
        self._blocks.append(b"".join((head, frame, tail, total.to_bytes(4, "little"))))
        self.captured += 1
        self._bytes += total
        if self._bytes >= ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered."""
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        if not blocks or self._broken:
            return
        data = b"".join(blocks)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, memoryview(data)[written:])
        except OSError as error:
            self._fail(error, blocks, written)

    def close(self) -> None:
        """Write the rest and how many frames were captured and missed; closing twice is closing once."""
        if self._descriptor < 0:
            return
        self.flush()
        if not self._broken:
            now = time.time_ns()
            counts = _options(
                (_RECEIVED, self.captured.to_bytes(8, "little")), (_DROPPED, self.missed.to_bytes(8, "little"))
            )
            self._blocks.append(_block(_STATISTICS, struct.pack("<III", 0, now >> 32, now & 0xFFFFFFFF) + counts))
            self.flush()
        os.close(self._descriptor)
        self._descriptor = -1
        if self.missed:
            self.report(f"wire {self._wire}: {self.missed} frames were not captured in {self.path}")

    def _fail(self, error: OSError, blocks: list[bytes], written: int) -> None:
        """The file takes no more: it is cut behind the last whole block, and nothing is written to it again."""
        self._broken = True
        whole, kept = 0, 0
        for block in blocks:
            if whole + len(block) > written:
                break
            whole += len(block)
            kept += 1
        frames = sum(block[0] == ENHANCED_PACKET for block in blocks[kept:])
        self.captured -= frames
        self.missed += frames
        try:
            os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_CUR) - written + whole)
        except OSError:
            pass  # no file, but a device: there is nothing to cut
        reason = error.strerror or str(error)
        self.report(f"wire {self._wire}: writing to {self.path} failed ({reason}); frames go on and are not captured")


def _opened(path: str, wire: str) -> int:
    """Open the file and empty it."""
    try:
        # Not blocking: a pipe without a reader would hold up every machine of the host.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise _refusal(path, wire, error) from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        os.close(descriptor)
        raise _refusal(path, wire, "a pipe would hold up the frames")
    return descriptor


def _refusal(path: str, wire: str, reason: OSError | str) -> WireError:
    return WireError(f"writing the frames of wire {wire} to {path}", "another place for the file", reason)


def _options(*options: tuple[int, bytes]) -> bytes:
    """Options as they stand in a block, with the one that ends them."""
    parts = [struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options if value]
    return b"".join(parts) + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
