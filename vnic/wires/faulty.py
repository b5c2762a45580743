"""The calls on a wire whose frames meet faults; a timer stands in for those that are late.

Law: nothing here waits: a frame that is not due lies in its line, and the timer says when it is. What the outside does
not take is given to it again; the driver's frames stay posted meanwhile.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from vnic.wires.faults import NEVER, FaultyLine
from vnic.wires.timer import Timer
from vnic.wires.wire import DROP_ERRORS, is_removal

if TYPE_CHECKING:
    from vnic.wires.faults import FaultSpecification
    from vnic.wires.wire import Alarm, FrameCalls

AT_ONCE: Final = 64
"""Frames that are read for one that is handed on: when all are lost the loop must go round."""
AGAIN_NS: Final = 1_000_000
"""When a late frame is given again to an outside that did not take it."""


class FaultyCalls:
    """Calls on a wire with a line of faults in each direction."""

    def __init__(self, faults: FaultSpecification) -> None:
        self.incoming = FaultyLine(faults.incoming, faults.seed, "in")
        self.outgoing = FaultyLine(faults.outgoing, faults.seed, "out")
        self.timer = Timer()
        self._inner: FrameCalls

    def around(self, inner: FrameCalls) -> FrameCalls:
        """Put the lines around these calls."""
        self._inner = inner
        return self

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read one frame that is due."""
        line = self.incoming
        length: int | None = None
        for _ in range(AT_ONCE):
            now = time.monotonic_ns()
            frame = line.take(now)
            if frame is not None:
                count = min(len(frame), len(buffer))
                buffer[:count] = memoryview(frame)[:count]
                return count
            length = self._inner.readinto(buffer)
            if not length:
                break
            line.put(bytes(buffer[:length]), now)
        if line.due != NEVER:
            self.timer.hasten(line.due)
        return length and None

    def write(self, frame: memoryview, /) -> int | None:
        """Take one frame to be sent when it is due; None while the outside does not take those before it."""
        line = self.outgoing
        if not self._send():
            return None
        line.put(bytes(frame), time.monotonic_ns())
        self._send()
        return len(frame)

    def gather(self, fragments: list[memoryview], /) -> int | None:
        """Take one frame that lies in pieces."""
        return self.write(memoryview(b"".join(fragments)))

    def alarms(self) -> list[Alarm]:
        """Return the timer, and what sends late frames; that it wakes the loop is enough for received ones."""
        return [(self.timer.fileno(), self._ring)]

    def counters(self) -> dict[str, int]:
        """Return how often each fault came to pass."""
        return self.incoming.counters() | self.outgoing.counters()

    def clear(self) -> None:
        """The link is down: what is under way does not arrive."""
        self.incoming.clear()
        self.outgoing.clear()

    def close(self) -> None:
        """Give the timer back."""
        self.timer.close()

    def _ring(self) -> None:
        self.timer.stop()
        try:
            self._send()
        except OSError:
            self.outgoing.clear()  # the wire is gone, and whoever polls it hears so

    def _send(self) -> bool:
        """Write what is due; False when the outside does not take it."""
        line = self.outgoing
        now = time.monotonic_ns()
        while (frame := line.take(now)) is not None:
            try:
                taken = self._inner.write(memoryview(frame))
            except OSError as error:
                if is_removal(error) or error.errno not in DROP_ERRORS:
                    raise
                line.counts["dropped"] += 1
                continue
            if taken is None:
                line.put_back(frame)
                self.timer.hasten(now + AGAIN_NS)
                return False
        if line.due != NEVER:
            self.timer.hasten(line.due)
        return True
