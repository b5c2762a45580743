"""A capture file as a wire: its frames come in as they were captured, and what the adapter sends is kept.

Law: frames come while the link is up and the adapter takes them, each no sooner than its time; none is lost because
the driver was late. The timer is the wire's descriptor: it is readable when the next frame is due.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from emulator.rules.errors import ConfigurationError
from vnic.wires.captures import OUT, open_capture, read_capture
from vnic.wires.pcapng import CaptureWriter
from vnic.wires.recording import Recording
from vnic.wires.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from vnic.wires.captures import Record
    from vnic.wires.wire import Alarm, FrameCalls, WireSpecification

QUIET_NS: Final = 500_000_000
"""The file has been replayed when it is at its end and the adapter has sent nothing for so long."""


class PcapWire:
    """An open capture file, and the file to which what the adapter sends is written.

    Args:
        specification: The file, and how it is replayed.
        interface: The adapter's name in the file of what it sends.
        mac: Its address.
        late: How many nanoseconds an answer may be late because of what is around this wire.
    """

    def __init__(
        self, specification: WireSpecification, interface: str = "adapter0", mac: bytes = bytes(6), late: int = 0
    ) -> None:
        self.name = specification.name
        self.mtu = specification.mtu
        self.replayed = 0
        self.skipped = 0
        """Frames that had been sent by the adapter that was captured."""
        self._specification = specification
        self._carrier = False
        self._closed = False
        self._report: Callable[[str], None] = lambda text: None
        self._finished: Callable[[], None] = lambda: None
        self._file: BinaryIO = open_capture(specification.file)
        self._recording: Recording | None = None
        self._timer = Timer()
        self._records: Iterator[Record] = iter(())
        self._rounds = 0
        self._first: int | None = None  # the capture's time of the first frame of this round
        self._last = 0  # how long after the very first frame the last one came, in nanoseconds of the replay
        self._before = 0  # the same of the end of the round before
        self._base = 0  # the time of the very first frame, moved by the times without a link
        self._next: bytes | None = None
        self._due = 0  # of the next frame, after the very first one
        self._patience = QUIET_NS + late
        self._quiet = 0
        self._done = False
        try:
            self._begin_round()
            self._next = self._advanced()
            if specification.out:
                self._recording = Recording(CaptureWriter(specification.out, self.name, interface, mac))
        except BaseException:
            self.close()
            raise

    @property
    def carrier(self) -> bool:
        """Whether the link is up: frames come while it is."""
        return self._carrier

    def fileno(self) -> int:
        """Return the timer's descriptor, readable when the next frame is due."""
        return self._timer.fileno()

    def descriptors(self) -> tuple[int, ...]:
        """Return every descriptor that must stay open for the wire to work, `fileno` first."""
        own = self._recording.descriptors() if self._recording is not None else ()
        return self._timer.fileno(), self._file.fileno(), *own

    def set_carrier(self, up: bool) -> None:
        """Go on, or stand still, in the file."""
        if self._closed or up == self._carrier:
            return
        self._carrier = up
        if up:
            now = time.monotonic_ns()
            self._base = now - self._due
            self._quiet = now + self._patience
            self._timer.arm(now)
        else:
            self._timer.stop()

    def poll_removed(self) -> bool:
        """Return False: nobody takes a file away."""
        return False

    def close(self) -> None:
        """Give the files back; closing twice is closing once."""
        if self._closed:
            return
        self._closed = True
        self._carrier = False
        self._file.close()
        self._timer.close()
        if self._recording is not None:
            self._recording.close()

    def frame_calls(self, bottom: Callable[[int], FrameCalls]) -> FrameCalls:
        """The calls that move frames: there is nothing below them."""
        return self

    def alarms(self) -> list[Alarm]:
        """Return what must be polled besides `fileno`, and called back."""
        return self._recording.alarms() if self._recording is not None else []

    def attach(self, report: Callable[[str], None], finished: Callable[[], None]) -> None:
        """Say who is told what goes wrong, and that there will be no more frames."""
        self._report, self._finished = report, finished
        if self._recording is not None:
            self._recording.writer.report = report

    def counters(self) -> dict[str, int]:
        """Return how many frames came from the file, were left out of it, and were written."""
        found = {"replayed": self.replayed, "replay_left_out": self.skipped, "replay_done": int(self._next is None)}
        if self._recording is not None:
            writer = self._recording.writer
            found |= {"written": writer.captured, "not_written": writer.missed}
        return found

    # -- frames --------------------------------------------------------------------------------------------------------

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read the next frame when it is due."""
        frame = self._next
        if not self._carrier:
            return None
        if frame is None:
            self._at_end()
            return None
        if self._due:
            due = self._base + self._due
            if time.monotonic_ns() < due:
                if self._timer.due != due:
                    self._timer.arm(due)
                return None
        count = min(len(frame), len(buffer))
        buffer[:count] = memoryview(frame)[:count]
        self.replayed += 1
        self._advance()
        return count

    def write(self, frame: memoryview, /) -> int | None:
        """Keep what the adapter sends."""
        if self._recording is not None:
            self._recording.add(frame, OUT)
        if self._next is None:
            self._quiet = time.monotonic_ns() + self._patience
        return len(frame)

    def gather(self, fragments: list[memoryview], /) -> int | None:
        """Keep what the adapter sends in pieces."""
        return self.write(memoryview(b"".join(fragments)))

    def _advance(self) -> None:
        """Go on to the next frame, or to the end."""
        try:
            self._next = self._advanced()
        except ConfigurationError as error:
            # The file was whole when the machine was started; somebody has changed it since.
            self._report(f"wire {self.name}: the replay ends here: {error}")
            self._next = None
        if self._next is None:
            self._quiet = time.monotonic_ns() + self._patience
            self._timer.arm(self._quiet)

    def _advanced(self) -> bytes | None:
        """The next frame; notes when it is due."""
        record = self._read()
        if record is None:
            return None
        if self._specification.speed and self._first is not None:
            gone = int((record.time - self._first) / self._specification.speed)
            self._last = self._due = max(self._last, self._before + gone)
        return record.frame

    def _read(self) -> Record | None:
        """The next frame to be replayed, of this round or of the next one; None when that was all."""
        while True:
            for record in self._records:
                if record.direction == OUT and self._specification.direction == "in":
                    self.skipped += 1
                    continue
                if self._first is None:
                    self._first = record.time
                return record
            if self._rounds == self._specification.loop or self._first is None:
                return None
            self._begin_round()

    def _begin_round(self) -> None:
        self._rounds += 1
        self._before = self._last
        self._first = None
        self._file.seek(0)
        self._records = read_capture(self._file, self._specification.file)

    def _at_end(self) -> None:
        """Say once that the file has been replayed, when the adapter is quiet."""
        if self._done:
            return
        if time.monotonic_ns() < self._quiet:
            self._timer.arm(self._quiet)
            return
        self._done = True
        self._timer.stop()
        self._finished()
