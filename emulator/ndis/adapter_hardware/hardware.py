"""Hardware resources of a miniport: the mapped registers, and memory shared with the adapter for DMA.

Law: a bus address is an offset in the arena; shared memory comes from the frame region, the only one the adapter fills.
"""

from __future__ import annotations

import functools
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel import pointers
from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory, forget, publish_escaped
from emulator.kernel.stop import stop
from emulator.kernel.waits import wake
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, FRAME_SLOT_BYTES, PAGE
from emulator.layout.handles import INDEX_MASK
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import AdapterState
from vnic.device import Vnic, messages

if TYPE_CHECKING:
    from emulator.kernel.context import Context

IO_SPACE_TAG = 0x05
SHARED_MEMORY_TAG = 0x06
VERIFIER, WRONG_PLACE = 0xC4, 0xE5
"""Where Windows has a rule and no number: a kernel call that is not allowed here (our choice of code)."""
UNLOGGED = "unlogged"
"""Where a context remembers the call of initialise that got no shared memory, as long as no error log tells of it."""
HOST_SLOT = 0
WARNING = 30
MOST_SHARED_MEMORY = 0xFF_FFFF
"""Of one allocation: its length travels with its address in one word."""


class CM_RESOURCE_TYPE(IntEnum):
    """CmResourceType...: the kinds of resource that an adapter is given (wdm.h)."""

    CmResourceTypeInterrupt = 2
    CmResourceTypeMemory = 3


CmResourceTypeInterrupt: Final = CM_RESOURCE_TYPE.CmResourceTypeInterrupt
CmResourceTypeMemory: Final = CM_RESOURCE_TYPE.CmResourceTypeMemory
CM_RESOURCE_INTERRUPT_LATCHED = 1
CM_RESOURCE_INTERRUPT_MESSAGE = 2


class CM_PARTIAL_RESOURCE_DESCRIPTOR(NamedTuple):
    """One resource of NDIS_MINIPORT_INIT_PARAMETERS.AllocatedResources."""

    Type: CM_RESOURCE_TYPE
    Start: int
    Length: int
    Flags: int = 0


class MappedIoSpace(NamedTuple):
    """What NdisMMapIoSpace gives."""

    Status: NDIS_STATUS
    VirtualAddress: Vnic | None


class SharedMemory(NamedTuple):
    """What NdisMAllocateSharedMemory gives; both None when there is no memory."""

    VirtualAddress: Memory | None
    PhysicalAddress: int | None


class _MappedVnic(Vnic):
    """The register block as a driver maps it; its word can be kept in a context."""

    __slots__ = ("_pointer",)
    _pointer: int


def resources_of(context: Context, adapter: Any) -> list[CM_PARTIAL_RESOURCE_DESCRIPTOR]:
    """The resources of an adapter: its register block, its line, and each message that the machine has for it."""
    arena = context.machine.arena
    memory, interrupt = CM_RESOURCE_TYPE.CmResourceTypeMemory, CM_RESOURCE_TYPE.CmResourceTypeInterrupt
    signalled = CM_RESOURCE_INTERRUPT_MESSAGE | CM_RESOURCE_INTERRUPT_LATCHED
    return [
        CM_PARTIAL_RESOURCE_DESCRIPTOR(memory, arena.hardware_offset(adapter.number), arena.hardware_layout.size),
        CM_PARTIAL_RESOURCE_DESCRIPTOR(interrupt, adapter.number, 1),
        *(
            CM_PARTIAL_RESOURCE_DESCRIPTOR(interrupt, message, 1, signalled)
            for message in range(messages_of(context, adapter))
        ),
    ]


def messages_of(context: Context, adapter: Any) -> int:
    """How many messages an adapter can be granted."""
    return 0 if adapter.line_based else messages.messages(hardware_of(context, adapter.number).words)


def hardware_of(context: Context, number: int) -> Vnic:
    """This context's view of an adapter's hardware; the same object every time."""
    word = IO_SPACE_TAG << 56 | number
    found = context.pointers.get(word)
    if found is None:
        arena = context.machine.arena
        found = _MappedVnic(
            arena.view,
            arena.hardware_offset(number),
            arena.hardware_layout,
            _bell(context, HOST_SLOT),
            fence=context.platform.fence,
            unpublished=context.escaped,
            publish=functools.partial(publish_escaped, context),
        )
        if context.kind is not ContextKind.PROCESSOR or arena.geometry.processors > 1:
            several = messages.messages(found.words) > 0
            found.raise_interrupt = (_message_interrupter if several else _interrupter)(context, number, found)
        found._pointer = word
        context.pointers[word] = found
    return found


def _bell(context: Context, slot: int) -> Any:
    sleeping, fence = context.machine.arena.sleeping, context.platform.fence

    def ring() -> None:
        fence()
        if sleeping[slot]:
            wake(context, slot)

    return ring


def _interrupter(context: Context, number: int, nic: Vnic) -> Any:
    del nic
    processors = context.machine.geometry.processors

    def raise_interrupt(queue: int, /) -> None:
        slot = FIRST_PROCESSOR_SLOT + number % processors  # one line for all queues
        if slot != context.slot:
            wake(context, slot)

    return raise_interrupt


def _message_interrupter(context: Context, number: int, nic: Vnic) -> Any:
    processors, line = context.machine.geometry.processors, _interrupter(context, number, nic)

    def raise_interrupt(queue: int, /) -> None:
        if not messages.enabled(nic.words):
            line(queue)
            return
        for message in range(messages.messages(nic.words)):
            slot = FIRST_PROCESSOR_SLOT + (number + message) % processors
            if slot != context.slot and nic.sends(message):
                wake(context, slot)

    return raise_interrupt


pointers.loaders[IO_SPACE_TAG] = lambda context, word: hardware_of(context, word & INDEX_MASK)


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function", "NdisMMapIoSpace"))
def NdisMMapIoSpace(MiniportAdapterHandle: AdapterHandle, PhysicalAddress: int, Length: int, /) -> MappedIoSpace:
    """Map the adapter's registers, inside MiniportInitializeEx; the address is one of AllocatedResources.

    INVALID_PARAMETER for an address that is not the adapter's; outside MiniportInitializeEx FAILURE, in the checked
    build 0xC4/0xE5 (our choice).
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMMapIoSpace")
    if adapter.state != AdapterState.INITIALIZING:
        if context.machine.checked:
            text = "NdisMMapIoSpace was called outside MiniportInitializeEx."
            stop(VERIFIER, WRONG_PLACE, context.irql, MiniportAdapterHandle, rule="NdisMMapIoSpace", text=text)
        return MappedIoSpace(NDIS_STATUS_FAILURE, None)
    arena = context.machine.arena
    own = not adapter.virtual and PhysicalAddress == arena.hardware_offset(adapter.number)
    if not own or not 0 < Length <= arena.hardware_layout.size:
        return MappedIoSpace(NDIS_STATUS_INVALID_PARAMETER, None)
    return MappedIoSpace(NDIS_STATUS_SUCCESS, hardware_of(context, adapter.number))


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMUnmapIoSpace(MiniportAdapterHandle: AdapterHandle, VirtualAddress: Vnic, Length: int, /) -> None:
    """Give the mapping back."""
    del Length
    context = current.context
    adapter_of(context, MiniportAdapterHandle, "NdisMUnmapIoSpace")
    forget(context, VirtualAddress._pointer)  # type: ignore[attr-defined]


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT,
    acquires="shared memory",
    note="PASSIVE_LEVEL; above it 0x7C/0x01 of its own",
)
def NdisMAllocateSharedMemory(MiniportAdapterHandle: AdapterHandle, Length: int, Cached: bool, /) -> SharedMemory:
    """Allocate memory that the adapter reaches by DMA: its address for the driver and for the adapter.

    One allocation has less than 16 MiB.  Bug check 0x7C/0x01 above PASSIVE_LEVEL.
    """
    del Cached
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMAllocateSharedMemory")
    if context.irql:
        stop(
            0x7C,
            0x01,
            MiniportAdapterHandle,
            Length,
            context.irql,
            text="Shared memory was allocated above PASSIVE_LEVEL.",
        )
    made = allocate_shared_memory(context, MiniportAdapterHandle, Length, context.site)
    if made.VirtualAddress is None and adapter.state == AdapterState.INITIALIZING:
        context.memory[UNLOGGED] = context.site  # until NdisWriteErrorLogEntry tells of it
    return made


def allocate_shared_memory(context: Context, handle: int, length: int, site: int) -> SharedMemory:
    """Take shared memory for an adapter; both addresses None when there is none."""
    slots = (length + FRAME_SLOT_BYTES - 1) // FRAME_SLOT_BYTES
    arena = context.machine.arena
    start, bytes_in_all = arena.frames
    used = _used_map(context)
    platform = context.platform
    platform.acquire(SystemLock.POOL)
    place = bytes(used).find(bytes(slots))
    if not 0 < length <= MOST_SHARED_MEMORY or place < 0 or (place + slots) * FRAME_SLOT_BYTES > bytes_in_all:
        platform.release(SystemLock.POOL)
        if length > 0:
            _say_full(context, length, bytes(used).count(0))
        return SharedMemory(None, None)
    owner = adapter_index_byte(handle)
    used[place : place + slots] = bytes((owner,)) * slots
    sites = _site_map(context)
    for slot in range(place, place + slots):
        sites[slot] = site if slot == place else 0
    platform.release(SystemLock.POOL)
    address = start + place * FRAME_SLOT_BYTES
    return SharedMemory(_shared(context, address, length), address)


def _say_full(context: Context, length: int, free: int) -> None:
    """The driver learns that there is none; how there would be some is for its user."""
    text = f"no {length} bytes of shared memory in one piece: "
    if length > MOST_SHARED_MEMORY:
        text += f"one allocation has at most {MOST_SHARED_MEMORY}"
    else:
        slots = context.machine.arena.geometry.frame_slots
        text += f"{free} of {slots} frame_slots are free; a larger frame_slots in [machine] makes room"
    context.platform.log(WARNING, "ndis", text)


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT,
    rules=("Irql_Miniport_Driver_Function", "NdisMFreeSharedMemory"),
    releases="shared memory",
)
def NdisMFreeSharedMemory(
    MiniportAdapterHandle: AdapterHandle, Length: int, Cached: bool, VirtualAddress: Memory, PhysicalAddress: int, /
) -> None:
    """Free shared memory as it was allocated.

    Bug check 0x7C/0x03 when it is not the adapter's, was freed before, or another address or length is given,
    0xC4/0xE5 (our choice) in MiniportShutdownEx.
    """
    del Cached
    context = current.context
    adapter_of(context, MiniportAdapterHandle, "NdisMFreeSharedMemory")
    routine = context.machine.images.routines[context.callback]
    if routine is not None and getattr(routine.role, "name", "") == "MINIPORT_SHUTDOWN" and context.machine.checked:
        text = "NdisMFreeSharedMemory was called in MiniportShutdownEx, when the memory manager may be gone."
        stop(VERIFIER, WRONG_PLACE, context.irql, MiniportAdapterHandle, rule="NdisMFreeSharedMemory", text=text)
    start, _ = context.machine.arena.frames
    slots = (Length + FRAME_SLOT_BYTES - 1) // FRAME_SLOT_BYTES
    place = (PhysicalAddress - start) // FRAME_SLOT_BYTES
    used = _used_map(context)
    owner = adapter_index_byte(MiniportAdapterHandle)
    mine = 0 < Length <= MOST_SHARED_MEMORY and place >= 0
    mine = mine and getattr(VirtualAddress, "_pointer", 0) == _shared_word(PhysicalAddress, Length)
    if not mine or bytes(used[place : place + slots]) != bytes((owner,)) * slots:
        stop(
            0x7C,
            0x03,
            MiniportAdapterHandle,
            PhysicalAddress // PAGE,
            PhysicalAddress,
            text="Shared memory was freed that this adapter does not have, or not with the addresses and the length "
            "that it was allocated with.",
        )
    context.platform.acquire(SystemLock.POOL)
    used[place : place + slots] = bytes(slots)
    context.platform.release(SystemLock.POOL)
    forget(context, VirtualAddress._pointer)


def adapter_index_byte(handle: int) -> int:
    """How the map of shared memory names an adapter; 0 is nobody."""
    return (handle & INDEX_MASK) + 1


def shared_memory_of(context: Context, handle: int) -> int:
    """Bytes of shared memory that an adapter still has."""
    return bytes(_used_map(context)).count(adapter_index_byte(handle)) * FRAME_SLOT_BYTES


def shared_memory_sites(context: Context, handle: int) -> list[int]:
    """Where an adapter's shared memory was allocated, each call site once."""
    owner = adapter_index_byte(handle)
    pairs = zip(bytes(_used_map(context)), _site_map(context), strict=True)
    return list(dict.fromkeys(site for used, site in pairs if used == owner and site))


def _used_map(context: Context) -> memoryview:
    arena = context.machine.arena
    start = arena.offsets["frame_used"]
    return arena.view[start : start + arena.geometry.frame_slots]


def _site_map(context: Context) -> memoryview:
    arena = context.machine.arena
    start = arena.offsets["frame_sites"]
    return arena.view[start : start + 4 * arena.geometry.frame_slots].cast("I")


def _shared_word(address: int, length: int) -> int:
    return SHARED_MEMORY_TAG << 56 | length << 32 | address


def _shared(context: Context, address: int, length: int) -> Memory:
    word = _shared_word(address, length)
    memory = Memory(context.machine.arena.view, address, length, word)
    context.pointers[word] = memory
    return memory


pointers.loaders[SHARED_MEMORY_TAG] = lambda context, word: _shared(context, word & INDEX_MASK, word >> 32 & 0xFF_FFFF)

__all__ = [
    "CM_PARTIAL_RESOURCE_DESCRIPTOR",
    "CM_RESOURCE_INTERRUPT_LATCHED",
    "CM_RESOURCE_INTERRUPT_MESSAGE",
    "CM_RESOURCE_TYPE",
    "CmResourceTypeInterrupt",
    "CmResourceTypeMemory",
    "NdisMAllocateSharedMemory",
    "NdisMFreeSharedMemory",
    "NdisMMapIoSpace",
    "NdisMUnmapIoSpace",
]
