"""The wire of a simulated adapter: frames arrive at virtual times, and what is sent is kept.

Law: the far end has the names of the live cable's far end, so that one script runs on both; its waiting lets the
machine run, and its time is the machine's.
"""

from __future__ import annotations

import heapq
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, SupportsBytes

if TYPE_CHECKING:
    from emulator.simulated.machine import SimulatedMachine

SECOND: Final = 1_000_000_000
ETHERNET_HEADER: Final = 14
ROOM: Final = 512
"""Frames that the wire holds for the adapter; one more is dropped, as by a switch."""


class SentFrame(NamedTuple):
    """A frame that the adapter has sent, and when."""

    time: int
    frame: bytes


class SimulatedWire:
    """Both directions of one adapter's wire."""

    def __init__(self) -> None:
        self.carrier = False
        self.removed = False
        self.sent: list[SentFrame] = []
        self._arriving: list[tuple[int, int, bytes]] = []
        self._count = 0

    def put(self, frame: bytes, time: int) -> None:
        """Let a frame arrive at a virtual time; frames of one time arrive in the order in which they were put."""
        self._count += 1
        heapq.heappush(self._arriving, (time, self._count, frame))

    @property
    def waiting(self) -> int:
        """Frames that have not been taken."""
        return len(self._arriving)

    @property
    def next_arrival(self) -> int | None:
        """When the next frame arrives."""
        return self._arriving[0][0] if self._arriving else None

    def due(self, now: int) -> int:
        """How many frames have arrived and wait to be taken."""
        return sum(time <= now for time, _, _ in self._arriving)

    def take(self, now: int) -> bytes:
        """The oldest frame that has arrived."""
        del now
        return heapq.heappop(self._arriving)[2]

    def send(self, frame: bytes, time: int) -> None:
        """Keep what the adapter has sent."""
        self.sent.append(SentFrame(time, frame))

    @property
    def next_departure(self) -> int | None:
        """When the next frame that was sent reaches the far end: each did so at once."""
        return None

    def depart(self, now: int) -> None:
        """Let what is due reach the far end."""

    def cut(self) -> None:
        """The link is down."""

    def counters(self) -> dict[str, int]:
        """What the wire has counted: nothing."""
        return {}


def frame_digest(frame: bytes) -> str:
    """A frame in the trace: enough to tell it from any other."""
    return blake2b(frame, digest_size=6).hexdigest()


class SimulatedFarEnd:
    """The outside's end of a wire; the methods of the live cable's ``FarEnd``.  Timeouts are virtual seconds."""

    def __init__(self, machine: SimulatedMachine, wire: SimulatedWire) -> None:
        self.sent = 0
        self.received = 0
        self.dropped = 0
        self._machine = machine
        self._wire = wire

    @property
    def carrier(self) -> bool:
        """Is the link up, as the outside sees it?"""
        return self._wire.carrier and not self._wire.removed

    @property
    def gone(self) -> bool:
        """Has the adapter gone, or has this end been torn out?"""
        return self._wire.removed

    def send(self, frame: SupportsBytes, timeout: float = 0.0, *, delay: int = 0) -> bool:
        """Put one frame on the wire, to arrive ``delay`` virtual ns from now; False without carrier or room.

        With a timeout the machine runs that long until there is room.
        """
        data = bytes(frame)
        if len(data) < ETHERNET_HEADER:
            raise ValueError(f"a frame of {len(data)} bytes has no Ethernet header")
        wire = self._wire
        if timeout and self.carrier and wire.waiting >= ROOM:
            self._machine.run_within(lambda: wire.waiting < ROOM, timeout)
        if not self.carrier or wire.waiting >= ROOM:
            self.dropped += 1
            return False
        wire.put(data, self._machine.now + delay)
        self._machine.ring_host()
        self.sent += 1
        return True

    def receive(self, timeout: float = 0.0) -> bytes | None:
        """The next frame that the adapter has sent; None when none came within so much virtual time."""
        wire = self._wire
        if len(wire.sent) <= self.received and timeout:
            self._machine.run_within(lambda: len(wire.sent) > self.received or wire.removed, timeout)
        if len(wire.sent) <= self.received:
            return None
        self.received += 1
        return wire.sent[self.received - 1].frame

    def wait_carrier(self, up: bool, timeout: float) -> bool:
        """Let the machine run until the link is up or down; did it come to be?"""
        return self._machine.run_within(lambda: self.carrier == up, timeout)

    def remove(self) -> None:
        """Tear the cable out: a surprise removal."""
        self._machine.remove_wire(self._wire)

    def close(self) -> None:
        """Nothing is held."""
