"""Bus-master DMA: scatter/gather lists for NET_BUFFERs and buffers, shared memory that is allocated while frames move.

Law: a list that was built is freed through the channel, or adapter, that it was built for, once; a channel is
deregistered when it has none left.  A list is made in the caller's context and handed over before the call returns,
which the documents allow and do not promise.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory, decode, encode, forget
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.absent import not_implemented
from emulator.ndis.adapter_hardware.hardware import allocate_shared_memory
from emulator.ndis.buffers.data_access import parts
from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER
from emulator.ndis.deferred_work.work_items import allocate_item
from emulator.ndis.gates.callback_numbers import number_of
from emulator.ndis.gates.ddi import INTERMEDIATE, MINIPORT, PROTOCOL, ddi
from emulator.ndis.gates.refusals import header_refused, tell_refusal
from emulator.ndis.headers.constants import NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER, NDIS_SG_LIST_WRITE_TO_DEVICE
from emulator.ndis.headers.dma_structures import (
    ELEMENT_BYTES,
    HEAD_BYTES,
    NDIS_SCATTER_GATHER_LIST_PARAMETERS,
    NDIS_SG_DMA_DESCRIPTION,
    SCATTER_GATHER_ELEMENT,
    SCATTER_GATHER_LIST,
)
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle, DmaHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BAD_VERSION,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of, object_of
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.rules.irql import AT_DISPATCH, AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.kernel.workqueue import Taken

_RULE: Final = "Irql_Gather_DMA_Function"
_PAIR: Final = "Init_RegisterSG"
_CHANNEL, _ITEM = HandleKind.DMA_CHANNEL, HandleKind.SHARED_MEMORY_ITEM
_TAG: Final = int.from_bytes(b"NDsg", "little")
_REQUEST: Final = struct.Struct("<QQQ")
_PAGE_SHIFT: Final = 12
_DELAYED_QUEUE: Final = 1
_DMA_ALIGNMENT: Final = 1
_BUILT: Final = 0x5347_4C69
"""In the high half of a list's Reserved word, over the index of the adapter that it was built for, while it lives."""


class RegisteredDma(NamedTuple):
    """What NdisMRegisterScatterGatherDma gives."""

    Status: NDIS_STATUS
    NdisMiniportDmaHandle: DmaHandle | None


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=(_PAIR, _RULE), acquires="scatter/gather DMA channel")
def NdisMRegisterScatterGatherDma(
    MiniportAdapterHandle: AdapterHandle, DmaDescription: NDIS_SG_DMA_DESCRIPTION, /
) -> RegisteredDma:
    """Register the adapter for bus-master DMA, inside MiniportInitializeEx; says how long a list may become.

    NOT_SUPPORTED without the attribute BUS_MASTER, BAD_VERSION for an unknown header, FAILURE outside
    MiniportInitializeEx.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMRegisterScatterGatherDma")
    given = DmaDescription
    if header_refused(context, "NdisMRegisterScatterGatherDma", given):
        return RegisteredDma(NDIS_STATUS_BAD_VERSION, None)
    if not adapter.attribute_flags & NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER:
        return RegisteredDma(NDIS_STATUS_NOT_SUPPORTED, None)
    if adapter.state != AdapterState.INITIALIZING or given.ProcessSGListHandler is None:
        return RegisteredDma(NDIS_STATUS_FAILURE, None)
    process = number_of(given.ProcessSGListHandler, "NdisMRegisterScatterGatherDma", "MINIPORT_PROCESS_SG_LIST")
    complete = number_of(
        given.SharedMemAllocateCompleteHandler, "NdisMRegisterScatterGatherDma", "MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE"
    )
    table = context.machine.objects[_CHANNEL]
    made = table.allocate(_CHANNEL, driver=context.driver, parent=MiniportAdapterHandle, site=context.site)
    if made is None:
        return RegisteredDma(NDIS_STATUS_RESOURCES, None)
    handle, channel = made
    channel.process, channel.complete, channel.lists = process, complete, 0
    channel.maximum = given.MaximumPhysicalMapping
    pages = (given.MaximumPhysicalMapping >> _PAGE_SHIFT) + 2
    given.ScatterGatherListSize = HEAD_BYTES + pages * ELEMENT_BYTES
    return RegisteredDma(NDIS_STATUS_SUCCESS, DmaHandle(handle))


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=(_PAIR, _RULE), releases="scatter/gather DMA channel")
def NdisMDeregisterScatterGatherDma(NdisMiniportDmaHandle: DmaHandle, /) -> None:
    """Give the channel back.  Bug check 0xC4/0x62 while lists that were built through it are not freed."""
    context = current.context
    channel = _channel_of(context, NdisMiniportDmaHandle, "NdisMDeregisterScatterGatherDma")
    if channel.lists and context.machine.checked:
        stop(
            0xC4,
            0x62,
            NdisMiniportDmaHandle,
            0,
            channel.lists,
            rule=_PAIR,
            text=f"A scatter/gather DMA channel was deregistered while {channel.lists} of its lists are not freed.",
            sites=[site_of(context, "registered", channel.head.allocated_site)],
        )
    context.machine.objects[_CHANNEL].free(NdisMiniportDmaHandle, site=context.site)


@ddi(irql=AT_DISPATCH, callers=MINIPORT, rules=(_RULE,), acquires="scatter/gather list")
def NdisMAllocateNetBufferSGList(
    NdisMiniportDmaHandle: DmaHandle,
    NetBuffer: NET_BUFFER,
    Context: Any,
    Flags: int,
    ScatterGatherListBuffer: Any,
    ScatterGatherListBufferSize: int,
    /,
) -> NDIS_STATUS:
    """Build the list of a NET_BUFFER, from the beginning of its current MDL, and give it to MiniportProcessSGList.

    The storage is NDIS's own, whatever buffer is given.  RESOURCES without memory, and for more bytes than
    MaximumPhysicalMapping.
    """
    del ScatterGatherListBuffer, ScatterGatherListBufferSize
    context = current.context
    channel = _channel_of(context, NdisMiniportDmaHandle, "NdisMAllocateNetBufferSGList")
    if Flags & ~NDIS_SG_LIST_WRITE_TO_DEVICE:
        not_implemented("NdisMAllocateNetBufferSGList", f"Flags {Flags:#x}")
    length = NetBuffer.CurrentMdlOffset + NetBuffer.DataLength
    pieces = _pieces(NetBuffer.CurrentMdl, 0, length)
    pointer = None
    if length <= channel.maximum:
        pointer = context.machine.pool.allocate(
            HEAD_BYTES + len(pieces) * ELEMENT_BYTES,
            tag=_TAG,
            type_number=context.machine.images.type_numbers.get(SCATTER_GATHER_LIST, 0),
            site=context.site,
            driver=context.driver,
            owner=channel.head.parent,
        )
    if pointer is None:
        return NDIS_STATUS_RESOURCES
    made = _write(context, pointer, pieces, channel.head.parent)
    context.pointers[pointer] = made
    _count(context, channel, 1)
    call(context, channel.process, None, None, made, Context)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_DISPATCH, callers=MINIPORT, rules=(_RULE,), releases="scatter/gather list")
def NdisMFreeNetBufferSGList(
    NdisMiniportDmaHandle: DmaHandle, pSGL: SCATTER_GATHER_LIST, NetBuffer: NET_BUFFER, /
) -> None:
    """Free the list of a NET_BUFFER, before its send is completed."""
    del NetBuffer
    context = current.context
    channel = _channel_of(context, NdisMiniportDmaHandle, "NdisMFreeNetBufferSGList")
    pointer = _take_back(context, pSGL, channel.head.parent, "NdisMFreeNetBufferSGList")
    _count(context, channel, -1)
    forget(context, pointer)
    context.machine.pool.free(pointer, site=context.site)


@ddi(irql=AT_DISPATCH, callers=MINIPORT | PROTOCOL | INTERMEDIATE, acquires="scatter/gather list")
def NdisBuildScatterGatherList(
    NdisHandle: AdapterHandle | BindingHandle, SGListParameters: NDIS_SCATTER_GATHER_LIST_PARAMETERS, /
) -> NDIS_STATUS:
    """Build the list of a buffer in the caller's own memory and give it to NetProcessSGList.

    BUFFER_TOO_SHORT, with the bytes that are needed, where it has no room; NOT_SUPPORTED when the miniport has not
    registered for scatter/gather DMA.
    """
    context = current.context
    given = SGListParameters
    adapter = _adapter_behind(context, NdisHandle, "NdisBuildScatterGatherList")
    if header_refused(context, "NdisBuildScatterGatherList", given) or given.ProcessSGListHandler is None:
        return NDIS_STATUS_FAILURE
    if given.Flags or given.QueueId:
        not_implemented("NdisBuildScatterGatherList", f"Flags {given.Flags:#x} and QueueId {given.QueueId}")
    channel = _channel_for(context, adapter)
    if channel is None:
        return NDIS_STATUS_NOT_SUPPORTED
    process = number_of(given.ProcessSGListHandler, "NdisBuildScatterGatherList", "NDIS_PROCESS_SG_LIST")
    start = given.CurrentVa - given.Mdl._address if given.Mdl is not None else 0
    pieces = _pieces(given.Mdl, start, given.Length)
    given.ScatterGatherListBufferSizeNeeded = HEAD_BYTES + len(pieces) * ELEMENT_BYTES
    room, memory = given.ScatterGatherListBufferSize, given.ScatterGatherListBuffer
    if memory is None or room < given.ScatterGatherListBufferSizeNeeded:
        return NDIS_STATUS_BUFFER_TOO_SHORT
    made = _write(context, _pointer_of(memory), pieces, adapter)
    _count(context, channel, 1)
    call(context, process, None, None, made, given.Context)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_DISPATCH, callers=MINIPORT | PROTOCOL | INTERMEDIATE, releases="scatter/gather list")
def NdisFreeScatterGatherList(
    NdisHandle: AdapterHandle | BindingHandle, ScatterGatherListBuffer: Any, WriteToDevice: bool, /
) -> None:
    """Take back a list of NdisBuildScatterGatherList; the memory stays the caller's."""
    del WriteToDevice
    context = current.context
    adapter = _adapter_behind(context, NdisHandle, "NdisFreeScatterGatherList")
    _take_back(context, ScatterGatherListBuffer, adapter, "NdisFreeScatterGatherList")
    channel = _channel_for(context, adapter)
    if channel is not None:
        _count(context, channel, -1)


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMGetDmaAlignment(MiniportAdapterHandle: AdapterHandle, /) -> int:
    """The alignment that DMA needs: any address will do."""
    adapter_of(current.context, MiniportAdapterHandle, "NdisMGetDmaAlignment")
    return _DMA_ALIGNMENT


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=(_RULE,), acquires="shared memory")
def NdisMAllocateSharedMemoryAsyncEx(
    MiniportDmaHandle: DmaHandle, Length: int, Cached: bool, Context: Any, /
) -> NDIS_STATUS:
    """Allocate shared memory at PASSIVE_LEVEL: PENDING, and MiniportSharedMemoryAllocateComplete gets it.

    FAILURE without room for the request, and for a channel that was registered without that handler.
    """
    del Cached
    context = current.context
    channel = _channel_of(context, MiniportDmaHandle, "NdisMAllocateSharedMemoryAsyncEx")
    if not channel.complete:
        tell_refusal(context, "NdisMAllocateSharedMemoryAsyncEx", "there is no SharedMemAllocateCompleteHandler")
        return NDIS_STATUS_FAILURE
    machine = context.machine
    word = encode(context, Context)
    pointer = machine.pool.allocate(
        _REQUEST.size, tag=_TAG, type_number=0, site=context.site, driver=0, owner=channel.head.parent
    )
    item = allocate_item(context, _ITEM, channel.head.parent) if pointer is not None else None
    if pointer is None or item is None:
        if pointer is not None:
            machine.pool.free(pointer, site=context.site)
        return NDIS_STATUS_FAILURE
    _REQUEST.pack_into(machine.arena.memory, pointer & OFFSET_MASK, channel.head.parent, Length, word)
    machine.queues[_DELAYED_QUEUE].put(context, item, channel.complete, pointer, context.site)
    return NDIS_STATUS_PENDING


def shared_memory_completed(context: Context, taken: Taken) -> tuple[Any, ...]:
    """In a worker: allocate what was asked for; what MiniportSharedMemoryAllocateComplete is called with."""
    handle, pointer, _, site, _ = taken
    machine = context.machine
    parent, length, word = _REQUEST.unpack_from(machine.arena.memory, pointer & OFFSET_MASK)
    machine.pool.free(pointer, site=site)
    machine.objects[_ITEM].free(handle, site=site)
    adapter = machine.objects[HandleKind.ADAPTER].records[parent & INDEX_MASK]
    made = allocate_shared_memory(context, parent, length, site)
    return (
        decode(context, adapter.context),
        made.VirtualAddress,
        made.PhysicalAddress or 0,
        length,
        decode(context, word),
    )


def _channel_of(context: Context, handle: int | None, name: str) -> Any:
    return object_of(context, handle, _CHANNEL, name)


def _channel_for(context: Context, adapter: int) -> Any:
    """The channel that an adapter has registered, or None."""
    live = context.machine.objects[_CHANNEL].live()
    return next((channel for _, channel in live if channel.head.parent == adapter), None)


def _adapter_behind(context: Context, handle: int | None, name: str) -> int:
    """The adapter that an adapter handle or a binding handle means; stops for anything else, NULL too."""
    if handle is not None and handle >> KIND_SHIFT == HandleKind.BINDING:
        parent: int = binding_of(context, handle, name).head.parent
        return parent
    adapter_of(context, handle, name)
    return handle or 0


def _pieces(mdl: MDL | None, skip: int, length: int) -> list[tuple[int, int]]:
    """Address and length of each piece of a chain of MDLs; pieces that touch are one."""
    found: list[tuple[int, int]] = []
    for part, offset, count in parts(mdl, skip, length):
        address = part._address + offset
        if found and sum(found[-1]) == address:
            found[-1] = found[-1][0], found[-1][1] + count
        else:
            found.append((address, count))
    return found


def _pointer_of(given: Any) -> int:
    pointer: int = getattr(given, "_pointer", 0)
    return pointer


def _write(context: Context, pointer: int, pieces: list[tuple[int, int]], adapter: int) -> SCATTER_GATHER_LIST:
    memory = context.machine.arena.memory
    offset = pointer & OFFSET_MASK
    made: Any = context.machine.images.wrapper_for(SCATTER_GATHER_LIST).at(memory, offset)
    made._pointer, made._arrays = pointer, {}
    made.NumberOfElements = len(pieces)
    made.Reserved = _BUILT << 32 | adapter & INDEX_MASK
    for number, (address, length) in enumerate(pieces):
        element = SCATTER_GATHER_ELEMENT.at(memory, offset + HEAD_BYTES + number * ELEMENT_BYTES)
        element.Address, element.Length, element.Reserved = address, length, 0
    return made  # type: ignore[no-any-return]


def _take_back(context: Context, given: Any, adapter: int, name: str) -> int:
    """Mark a list as freed; stops for what is no living list of the adapter."""
    pointer = _pointer_of(given)
    offset = pointer & OFFSET_MASK
    words = context.machine.arena.words
    alive = isinstance(given, SCATTER_GATHER_LIST | Memory) and context.machine.pool.around(offset) is not None
    if not alive or words[offset // 8 + 1] != _BUILT << 32 | adapter & INDEX_MASK:
        block = context.machine.pool.header(pointer) if pointer else None
        stop(
            0x7C,
            0x21,
            pointer,
            adapter,
            text=f"{name} was given what is no scatter/gather list of this adapter that is still to be freed.",
            sites=[site_of(context, "freed the first time", block.freed_site)] if block is not None else [],
            ddi=name,
        )
    words[offset // 8 + 1] = 0
    return pointer


def _count(context: Context, channel: Any, change: int) -> None:
    context.platform.acquire(SystemLock.OBJECTS)
    channel.lists += change
    context.platform.release(SystemLock.OBJECTS)


__all__ = [
    "NdisBuildScatterGatherList",
    "NdisFreeScatterGatherList",
    "NdisMAllocateNetBufferSGList",
    "NdisMAllocateSharedMemoryAsyncEx",
    "NdisMDeregisterScatterGatherDma",
    "NdisMFreeNetBufferSGList",
    "NdisMGetDmaAlignment",
    "NdisMRegisterScatterGatherDma",
]
