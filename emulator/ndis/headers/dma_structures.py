"""Structures of scatter/gather DMA: what a miniport registers, the lists that NDIS builds, and their elements.

Law: a list lies in nonpaged memory, NDIS's or the driver's, as it does on x64: a head of 16 bytes, then 24 for each
element.  A bus address is an address of this machine's memory.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

from msgspec import Struct, field

from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.layout.records import Record, u32, u64
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, Handler

HEAD_BYTES: Final = 16
ELEMENT_BYTES: Final = 24


class NDIS_SG_DMA_DESCRIPTION(Struct, kw_only=True, eq=False):
    """What NdisMRegisterScatterGatherDma wants to know; NDIS writes ScatterGatherListSize."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    MaximumPhysicalMapping: int = 0
    ProcessSGListHandler: Handler = None
    SharedMemAllocateCompleteHandler: Handler = None
    ScatterGatherListSize: int = 0


class NDIS_SCATTER_GATHER_LIST_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NdisBuildScatterGatherList wants to know; NDIS writes ScatterGatherListBufferSizeNeeded."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    QueueId: int = 0
    SharedMemoryUsage: int = 0
    Mdl: Any = None
    CurrentVa: int = 0
    Length: int = 0
    ProcessSGListHandler: Handler = None
    Context: Any = None
    ScatterGatherListBuffer: Any = None
    ScatterGatherListBufferSize: int = 0
    ScatterGatherListBufferSizeNeeded: int = 0


class SCATTER_GATHER_ELEMENT(Record):
    """One contiguous piece of memory, as the adapter reaches it."""

    Address: u64
    Length: u32
    Reserved: u64


class SCATTER_GATHER_LIST(NONPAGED):
    """The pieces that a buffer lies in; ``Elements`` are as many as NumberOfElements says."""

    NumberOfElements: u32
    Reserved: u64

    @property
    def Elements(self) -> tuple[SCATTER_GATHER_ELEMENT, ...]:
        """The elements where they lie behind the head."""
        arena = current.context.machine.arena
        first = ctypes.addressof(self) - arena.base + HEAD_BYTES  # type: ignore[arg-type]
        return tuple(
            SCATTER_GATHER_ELEMENT.at(arena.memory, first + number * ELEMENT_BYTES)
            for number in range(self.NumberOfElements)
        )


__all__ = [
    "SCATTER_GATHER_ELEMENT",
    "SCATTER_GATHER_LIST",
]
