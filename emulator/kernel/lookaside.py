"""Lookaside lists: what lies in a driver's memory, and the block of nonpaged pool that says what its entries are.

Law: the block lives from the initialisation to the deletion of its list, so a list that is left behind is a block that
is left behind, and the use of a deleted one is the use of freed memory.
"""

from __future__ import annotations

from emulator.kernel.pointers import NONPAGED
from emulator.layout.records import Record, u32, u64


class KLOOKASIDE(Record):
    """A list as it lies in memory: the word of its block."""

    block: u64


class LOOKASIDE(NONPAGED):
    """What the entries of a list are, and the driver's own routines for them (0: the pool's)."""

    length: u32
    type: u32
    tag: u32
    allocate: u32
    free: u32
