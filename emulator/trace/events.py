"""What can be seen to happen in a machine: one record for each call, access, lock, sleep and frame.

Law: an event holds names and small numbers that mean the same in every process: no address, no id(), nothing that an
interpreter's version or hash seed decides.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class EventKind(IntEnum):
    """What happened."""

    CALL = 1
    """A DDI function was called; ``what`` is its name."""
    READ = 2
    """A field was read; ``what`` names it, ``value`` is where it lies."""
    WRITE = 3
    INTERLOCKED = 4
    ACQUIRE = 5
    """A lock was taken; ``value`` is its index."""
    WAIT = 6
    """A lock was found taken; ``value`` is its index."""
    RELEASE = 7
    SLEEP = 8
    """A context blocked on its doorbell; ``value`` is the deadline, 0 for none."""
    RING = 9
    """A doorbell was rung; ``value`` is whose."""
    CLOCK = 10
    CHOICE = 11
    """One of several legal ways was chosen; ``value`` is which."""
    LOG = 12
    FRAME_IN = 13
    """A frame came from the wire; ``value`` is its length, ``what`` a digest of it."""
    FRAME_OUT = 14
    CONTROL = 15
    """A control operation was handed over or finished."""
    RACE = 16
    """An update was lost; ``what`` names the field."""
    STOP = 17
    END = 18
    """A context has left its loop."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One event: when (virtual ns), in which slot, what."""

    time: int
    slot: int
    kind: EventKind
    what: str
    value: int = 0

    def __str__(self) -> str:
        tail = f" {self.value:#x}" if self.value else ""
        return f"{self.time:>12} slot {self.slot:<2} {self.kind.name.lower():<11} {self.what}{tail}"
