"""Poll objects as they lie in the arena.

Law: as machine.py: every word has one writer, or is changed in one step.
"""

from __future__ import annotations

from emulator.layout.cells import LONG
from emulator.layout.machine import OBJECT
from emulator.layout.records import Record, u32, u64

ANY_PROCESSOR = 0xFFFF_FFFF
"""In place of a processor: the one that polls are asked for on."""


class POLL(Record):
    """A Poll object: its routines by number, and the processor that it is polled on (any: ANY_PROCESSOR).

    ``scheduled`` is 1 from the request that began the polling until the driver has its interrupt back, ``requested`` is
    set by each request and cleared before each poll: what comes in between is polled for once more.
    """

    head: OBJECT
    adapter: u32
    poll: u32
    notification: u32
    processor: u32
    context: u64
    scheduled: LONG
    requested: LONG
    closing: u32
    padding: u32
