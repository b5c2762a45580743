"""Allocators and memory macros of older drivers, and objects for components that have no handle of NDIS.

Law: the memory is that of memory.py, with the same tags, checks and stops; only the names are others.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import load_block
from emulator.layout.handles import HandleKind
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.gates.live_handles import find_live
from emulator.ndis.headers.handles import NDIS_HANDLE
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT
from emulator.ndis.services.memory import bytes_of, check_allocation, free_block, pool_tag, readable
from emulator.rules.irql import ANY, AT_MOST_DISPATCH

_RESIDENT: Final = "the levels depend on the memory: any for what is resident, and nothing is paged here"
_WORD: Final = 0xFFFF_FFFF


class NDIS_GENERIC_OBJECT(NDIS_HANDLE):
    """From NdisAllocateGenericObject: what a component without a handle of its own gives as NdisHandle."""

    __slots__ = ()


class AllocatedMemory(NamedTuple):
    """What NdisAllocateMemoryWithTag gives."""

    Status: NDIS_STATUS
    VirtualAddress: Any


@ddi(irql=AT_MOST_DISPATCH, acquires="memory")
def NdisAllocateMemoryWithTag(Length: int, Tag: int | bytes, /) -> AllocatedMemory:
    """Allocate nonpaged memory, as NdisAllocateMemoryWithTagPriority does without a handle; FAILURE without room."""
    context = current.context
    tag = pool_tag(Tag)
    check_allocation(Length, tag, rule="")
    structure = getattr(Length, "structure", None)
    machine = context.machine
    number = machine.images.type_numbers.get(structure, 0) if structure is not None else 0
    pointer = machine.pool.allocate(
        Length, tag=tag, type_number=number, site=context.site, driver=context.driver, owner=0
    )
    if pointer is None:
        return AllocatedMemory(NDIS_STATUS_FAILURE, None)
    return AllocatedMemory(NDIS_STATUS_SUCCESS, load_block(context, pointer))


@ddi(
    irql=AT_MOST_DISPATCH,
    releases="memory",
    note="the levels depend on the memory: <= DISPATCH_LEVEL for nonpaged pool, and there is no other here",
)
def NdisFreeMemoryWithTag(VirtualAddress: Any, Tag: int | bytes, /) -> None:
    """Free memory that was allocated with this tag.  Bug check 0xC2/0x0A for another tag."""
    free_block(current.context, VirtualAddress, pool_tag(Tag))


@ddi(irql=ANY, note=_RESIDENT)
def NdisFillMemory(Destination: Any, Length: int, Fill: int, /) -> None:
    """Fill memory with one byte."""
    view = bytes_of(Destination, Length)
    view[:] = bytes((Fill & 0xFF,)) * len(view)


@ddi(irql=ANY)
def NdisZeroMappedMemory(Destination: Any, Length: int, /) -> None:
    """Fill memory that is shared with the adapter with zeros."""
    view = bytes_of(Destination, Length)
    view[:] = bytes(len(view))


@ddi(irql=ANY, note=_RESIDENT)
def NdisRetrieveUlong(Destination: Any, Source: Any, /) -> None:
    """Copy four bytes from wherever they lie."""
    bytes_of(Destination, 4)[:] = bytes(readable(Source, 4))


@ddi(irql=ANY, note=_RESIDENT)
def NdisStoreUlong(Destination: Any, Value: int, /) -> None:
    """Write a number as four bytes, wherever they lie."""
    bytes_of(Destination, 4)[:] = (Value & _WORD).to_bytes(4, "little")


@ddi(irql=ANY)
def NdisGetPhysicalAddressHigh(PhysicalAddress: int, /) -> int:
    """The upper 32 bits of an address."""
    return PhysicalAddress >> 32 & _WORD


@ddi(irql=ANY)
def NdisGetPhysicalAddressLow(PhysicalAddress: int, /) -> int:
    """The lower 32 bits of an address."""
    return PhysicalAddress & _WORD


@ddi(irql=ANY, note="C assigns to the argument; an address is a number here, and the new one is returned")
def NdisSetPhysicalAddressHigh(PhysicalAddress: int, Value: int, /) -> int:
    """The address with other upper 32 bits."""
    return PhysicalAddress & _WORD | (Value & _WORD) << 32


@ddi(irql=ANY, note="C assigns to the argument; an address is a number here, and the new one is returned")
def NdisSetPhysicalAddressLow(PhysicalAddress: int, Value: int, /) -> int:
    """The address with other lower 32 bits."""
    return PhysicalAddress & ~_WORD | Value & _WORD


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_Miscellaneous_Function", "NdisAllocateGenericObject"),
    acquires="generic object",
)
def NdisAllocateGenericObject(
    DriverObject: DRIVER_OBJECT | None, Tag: int | bytes, Size: int, /
) -> NDIS_GENERIC_OBJECT | None:
    """A handle for a component that has none of NDIS: to be given as NdisHandle; None (NULL) when there is no room."""
    del DriverObject, Size
    context = current.context
    check_allocation(1, pool_tag(Tag), rule="")
    made = context.machine.objects[HandleKind.GENERIC_OBJECT].allocate(
        HandleKind.GENERIC_OBJECT, driver=context.driver, parent=0, site=context.site
    )
    return NDIS_GENERIC_OBJECT(made[0]) if made is not None else None


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_Miscellaneous_Function", "NdisAllocateGenericObject"),
    releases="generic object",
)
def NdisFreeGenericObject(NdisObject: NDIS_GENERIC_OBJECT, /) -> None:
    """Free the object.  Bug check 0x7C/0x21 for one that is none, or no more."""
    context = current.context
    rule = "NdisAllocateGenericObject"
    find_live(context, NdisObject, HandleKind.GENERIC_OBJECT, "a generic object", "freed", rule=rule)
    context.machine.objects[HandleKind.GENERIC_OBJECT].free(NdisObject, site=context.site)


__all__ = [
    "NDIS_GENERIC_OBJECT",
    "NdisAllocateGenericObject",
    "NdisAllocateMemoryWithTag",
    "NdisFillMemory",
    "NdisFreeGenericObject",
    "NdisFreeMemoryWithTag",
    "NdisGetPhysicalAddressHigh",
    "NdisGetPhysicalAddressLow",
    "NdisRetrieveUlong",
    "NdisSetPhysicalAddressHigh",
    "NdisSetPhysicalAddressLow",
    "NdisStoreUlong",
    "NdisZeroMappedMemory",
]
