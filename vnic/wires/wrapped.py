"""A wire with wrappers around it: what captures its frames, and what does to them as bad wires do.

Law: wrappers are put around at the start, so that a wire without them costs nothing; the capture sees what the adapter
sees, which is behind what happened to a received frame and before what happens to a sent one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.wires.faulty import FaultyCalls
from vnic.wires.recording import CapturedCalls, Recording
from vnic.wires.wire import ActiveWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.wires.faults import FaultSpecification
    from vnic.wires.pcapng import CaptureWriter
    from vnic.wires.wire import Alarm, FrameCalls, Wire


class WrappedWire:
    """A wire and its wrappers."""

    def __init__(
        self, inner: Wire, capture: CaptureWriter | None = None, faults: FaultSpecification | None = None
    ) -> None:
        self.name = inner.name
        self.mtu = inner.mtu
        self._inner = inner
        self._active = inner if isinstance(inner, ActiveWire) else None
        self._recording = Recording(capture) if capture is not None else None
        self._faulty = FaultyCalls(faults) if faults is not None else None

    @property
    def carrier(self) -> bool:
        """Whether the outside has been told that the link is up."""
        return self._inner.carrier

    def fileno(self) -> int:
        """Return the wire's own descriptor."""
        return self._inner.fileno()

    def descriptors(self) -> tuple[int, ...]:
        """Return every descriptor that must stay open for the wire and its wrappers to work, `fileno` first."""
        recording = self._recording.descriptors() if self._recording is not None else ()
        timer = (self._faulty.timer.fileno(),) if self._faulty is not None else ()
        return *self._inner.descriptors(), *recording, *timer

    def set_carrier(self, up: bool) -> None:
        """Tell the outside that the link is up or down."""
        self._inner.set_carrier(up)
        if self._faulty is not None and not up:
            self._faulty.clear()

    def poll_removed(self) -> bool:
        """Return whether the wire has been taken away from outside."""
        return self._inner.poll_removed()

    def close(self) -> None:
        """Give the wire back, and write what is left of its capture; closing twice is closing once."""
        try:
            self._inner.close()
        finally:
            if self._faulty is not None:
                self._faulty.close()
            if self._recording is not None:
                self._recording.close()

    def frame_calls(self, bottom: Callable[[int], FrameCalls]) -> FrameCalls:
        """Compose the calls that move its frames."""
        calls = self._active.frame_calls(bottom) if self._active is not None else bottom(self.fileno())
        if self._faulty is not None:
            calls = self._faulty.around(calls)
        if self._recording is not None:
            calls = CapturedCalls(calls, self._recording)
        return calls

    def alarms(self) -> list[Alarm]:
        """Return what must be polled besides `fileno`, and called back."""
        found = self._active.alarms() if self._active is not None else []
        if self._faulty is not None:
            found = found + self._faulty.alarms()
        if self._recording is not None:
            found = found + self._recording.alarms()
        return found

    def attach(self, report: Callable[[str], None], finished: Callable[[], None]) -> None:
        """Say who is told what goes wrong, and that there will be no more frames."""
        if self._active is not None:
            self._active.attach(report, finished)
        if self._recording is not None:
            self._recording.writer.report = report

    def counters(self) -> dict[str, int]:
        """Return what the wire and its wrappers have counted."""
        found = self._active.counters() if self._active is not None else {}
        if self._faulty is not None:
            found = found | self._faulty.counters()
        if self._recording is not None:
            writer = self._recording.writer
            found = found | {"captured": writer.captured, "not_captured": writer.missed}
        return found
