"""A capture file that is written as frames pass, and brought up to date a moment after the last of them.

Law: the driver's frames come first; what the file does not take is counted, and moves on all the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from vnic.wires.captures import IN, OUT
from vnic.wires.timer import NEVER, Timer

if TYPE_CHECKING:
    from vnic.wires.pcapng import CaptureWriter
    from vnic.wires.wire import Alarm, FrameCalls

FLUSH_NS: Final = 100_000_000
"""How long a frame may wait to be written: who reads the file meanwhile is so much behind."""


class Recording:
    """A capture file and the timer that has it written."""

    def __init__(self, writer: CaptureWriter) -> None:
        self.writer = writer
        self.timer = Timer()

    def add(self, frame: memoryview | bytes, direction: int) -> None:
        """Capture one frame."""
        writer = self.writer
        writer.add(frame, direction)
        if self.timer.due == NEVER and writer.waiting:
            self.timer.arm(time.monotonic_ns() + FLUSH_NS)

    def alarms(self) -> list[Alarm]:
        """Return the timer, and what writes the file."""
        return [(self.timer.fileno(), self._flush)]

    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that it holds."""
        return self.writer.fileno(), self.timer.fileno()

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
        self.timer.close()

    def _flush(self) -> None:
        self.timer.stop()
        self.writer.flush()


class CapturedCalls:
    """Calls on a wire, each frame of which is captured as it passes."""

    def __init__(self, inner: FrameCalls, recording: Recording) -> None:
        self._readinto = inner.readinto
        self._write = inner.write
        self._gather = inner.gather
        self._add = recording.add

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read one frame."""
        length = self._readinto(buffer)
        if length:
            self._add(buffer[:length], IN)
        return length

    def write(self, frame: memoryview, /) -> int | None:
        """Write one frame."""
        length = self._write(frame)
        if length is not None:
            self._add(frame, OUT)
        return length

    def gather(self, fragments: list[memoryview], /) -> int | None:
        """Write one frame that lies in pieces."""
        length = self._gather(fragments)
        if length is not None:
            self._add(b"".join(fragments), OUT)
        return length
