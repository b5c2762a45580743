"""A simulated wire that does to frames what a bad wire does, in virtual time.

Law: the same seed is the same fate for the same frames as on the live host; nothing here asks the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.simulated.wire import SentFrame, SimulatedWire
from vnic.wires.faults import NEVER, FaultyLine

if TYPE_CHECKING:
    from vnic.wires.faults import FaultSpecification


class FaultySimulatedWire(SimulatedWire):
    """Both directions of one adapter's wire, with faults."""

    def __init__(self, faults: FaultSpecification) -> None:
        super().__init__()
        self.incoming = FaultyLine(faults.incoming, faults.seed, "in")
        self.outgoing = FaultyLine(faults.outgoing, faults.seed, "out")

    def put(self, frame: bytes, time: int) -> None:
        """Decide what becomes of a frame that would arrive at a virtual time."""
        self.incoming.put(frame, time)

    @property
    def waiting(self) -> int:
        """Frames that are under way to the adapter."""
        return len(self.incoming)

    @property
    def next_arrival(self) -> int | None:
        """When the next frame arrives."""
        due = self.incoming.due
        return due if due != NEVER else None

    def due(self, now: int) -> int:
        """How many frames have arrived and wait to be taken."""
        return self.incoming.due_by(now)

    def take(self, now: int) -> bytes:
        """The oldest frame that has arrived."""
        frame = self.incoming.take(now)
        assert frame is not None
        return frame

    def send(self, frame: bytes, time: int) -> None:
        """Decide what becomes of a frame that the adapter sends."""
        self.outgoing.put(frame, time)
        self.depart(time)

    @property
    def next_departure(self) -> int | None:
        """When the next frame that was sent reaches the far end."""
        due = self.outgoing.due
        return due if due != NEVER else None

    def depart(self, now: int) -> None:
        """Let what is due reach the far end."""
        while (frame := self.outgoing.take(now)) is not None:
            self.sent.append(SentFrame(now, frame))

    def cut(self) -> None:
        """The link is down: what is under way does not arrive."""
        self.incoming.clear()
        self.outgoing.clear()

    def counters(self) -> dict[str, int]:
        """How often each fault came to pass, by the live adapter's names."""
        return self.incoming.counters() | self.outgoing.counters()
