"""IRPs: what a dispatch routine is given, what it does with it, and how it is completed or cancelled.

Law: an IRP lives in nonpaged pool from the call of its dispatch routine to IoCompleteRequest, and belongs to the driver
for so long; its data are the system's buffer, or an MDL of it, and are copied for the user program when it completes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn

from emulator.kernel import spinlocks
from emulator.kernel.devices import finish_request
from emulator.kernel.irql import lower_irql
from emulator.kernel.lists import LIST_ENTRY
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED, PointerField, forget, load_block
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import site_of, stop
from emulator.layout.arena import DEVICE_BYTES
from emulator.layout.cells import LONG
from emulator.layout.devices import DeviceRequestState
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SystemLock
from emulator.layout.records import Array, Record, i32, u8, u16, u32, u64
from emulator.ndis.buffers import mdl
from emulator.ndis.deferred_work.kernel_items import routine_of_role
from emulator.ndis.devices.device_objects import DEVICE_OBJECT, dereference, pointer_of
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.io_codes import IRP_MJ_CLOSE, IRP_MJ_CREATE, STATUS_PENDING, is_error
from emulator.ndis.headers.roles_kernel import DRIVER_CANCEL
from emulator.ndis.services.memory import free_block
from emulator.rules.irql import ANY, AT_DISPATCH, AT_MOST_DISPATCH, DISPATCH_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.adapter_hardware.bus_data import CM_RESOURCE_LIST
    from emulator.ndis.adapter_hardware.requirements import IO_FILTER_RESOURCE_REQUIREMENTS

    PVOID = Any
else:

    class PVOID:
        """Any reference."""

        __field_type__ = PointerField


MULTIPLE_IRP_COMPLETE_REQUESTS: Final = 0x44
IOMANAGER_VIOLATION: Final = 0xC9
PAGE_FAULT_BEYOND_END: Final = 0xD6
IO_TYPE_IRP: Final = 6
IO_TYPE_FILE: Final = 5
SL_PENDING_RETURNED: Final = 1
ILLEGAL_STATUS: Final = 0xFFFF_FFFF
NDIS_REQUEST: Final = 0xFFFF_FFFF
"""In place of a request's number: the IRP is NDIS's own, and nobody completes it but NDIS."""
IRP_TAG: Final = int.from_bytes(b"Irp ", "little")


class IO_STATUS_BLOCK(Record):
    """What became of a request: its status, and how many bytes, as a rule."""

    Status: i32
    Information: u64


class IRP_ASSOCIATED(Record):
    """The union AssociatedIrp: of it the system's buffer."""

    SystemBuffer: PVOID


class IRP_OVERLAY(Record):
    """What the driver may use while the IRP is its own."""

    DriverContext: Array[PVOID, Literal[4]]
    ListEntry: LIST_ENTRY


class IRP_TAIL(Record):
    """The union Tail: of it the overlay."""

    Overlay: IRP_OVERLAY


class IO_TRANSFER(Record):
    """Parameters.Read and Parameters.Write."""

    Length: u32
    Key: u32
    ByteOffset: u64


class IO_DEVICE_CONTROL(Record):
    """Parameters.DeviceIoControl."""

    OutputBufferLength: u32
    InputBufferLength: u32
    IoControlCode: u32
    reserved: u32


class IO_START_DEVICE(NamedTuple):
    """Parameters.StartDevice."""

    AllocatedResources: CM_RESOURCE_LIST
    AllocatedResourcesTranslated: CM_RESOURCE_LIST


class IO_PARAMETERS(Record):
    """The union Parameters; a member that is not the request's is zero, or None."""

    Read: IO_TRANSFER
    Write: IO_TRANSFER
    DeviceIoControl: IO_DEVICE_CONTROL
    io_adapter: u64

    @property
    def StartDevice(self) -> IO_START_DEVICE | None:
        """The resources of the adapter that starts."""
        from emulator.ndis.adapter_hardware.bus_data import resource_list

        context = current.context
        adapter = context.machine.objects[HandleKind.ADAPTER].find(self.io_adapter, HandleKind.ADAPTER)
        if adapter is None:
            return None
        resources = resource_list(context, adapter)
        return IO_START_DEVICE(resources, resources)

    @property
    def FilterResourceRequirements(self) -> IO_FILTER_RESOURCE_REQUIREMENTS | None:
        """The list that MiniportFilterResourceRequirements may change, inside it."""
        from emulator.ndis.adapter_hardware.requirements import ASKED, IO_FILTER_RESOURCE_REQUIREMENTS

        asked = current.context.memory.get(ASKED)
        return None if asked is None else IO_FILTER_RESOURCE_REQUIREMENTS(asked)


class IO_STACK_LOCATION(Record):
    """What is asked of the driver."""

    MajorFunction: u8
    MinorFunction: u8
    Flags: u8
    Control: u8
    reserved: u32
    Parameters: IO_PARAMETERS
    DeviceObject: PVOID
    FileObject: PVOID


class FILE_OBJECT(NONPAGED):
    """A device that a user program has open; FsContext and FsContext2 are the driver's."""

    Type: u16
    Size: u16
    Flags: u32
    DeviceObject: PVOID
    FsContext: PVOID
    FsContext2: PVOID
    io_number: u32
    reserved: u32


class IRP(NONPAGED):
    """An I/O request packet."""

    Type: u16
    Size: u16
    Flags: u32
    MdlAddress: PVOID
    AssociatedIrp: IRP_ASSOCIATED
    IoStatus: IO_STATUS_BLOCK
    RequestorMode: u8
    PendingReturned: u8
    StackCount: u8
    CurrentLocation: u8
    Cancel: u8
    CancelIrql: u8
    reserved: u16
    Tail: IRP_TAIL
    io_cancel: LONG
    io_request: u32
    io_stack: IO_STACK_LOCATION

    @property
    def CancelRoutine(self) -> Callable[[Any, Any], None] | None:
        """The cancel routine; IoSetCancelRoutine changes it."""
        return current.context.routines[self.io_cancel.value]


@ddi(irql=ANY, page="nf-wdm-iogetcurrentirpstacklocation")
def IoGetCurrentIrpStackLocation(Irp: IRP, /) -> IO_STACK_LOCATION:
    """What is asked of this driver."""
    return Irp.io_stack


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-iomarkirppending")
def IoMarkIrpPending(Irp: IRP, /) -> None:
    """Say that the dispatch routine will return STATUS_PENDING; before the IRP could be completed by anybody."""
    context = current.context
    request = _live(context, Irp, "IoMarkIrpPending").io_request
    Irp.io_stack.Control |= SL_PENDING_RETURNED
    context.machine.arena.device_request(request).marked = 1


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-iosetcancelroutine")
def IoSetCancelRoutine(
    Irp: IRP, CancelRoutine: Callable[[DEVICE_OBJECT, IRP], None] | None, /
) -> Callable[[DEVICE_OBJECT, IRP], None] | None:
    """Set or take away the routine that is called when the request is cancelled; what was set before.

    Who takes one away and gets None has been overtaken by the cancel routine, which completes the IRP.
    """
    context = current.context
    number = routine_of_role(CancelRoutine, 0, "IoSetCancelRoutine", DRIVER_CANCEL) if CancelRoutine is not None else 0
    before = context.platform.exchange(_live(context, Irp, "IoSetCancelRoutine").io_cancel, number)
    return context.routines[before]


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-ioacquirecancelspinlock")
def IoAcquireCancelSpinLock() -> int:
    """Take the lock of all cancel routines; the IRQL before, for IoReleaseCancelSpinLock."""
    return acquire_cancel_lock(current.context)


@ddi(irql=AT_DISPATCH, page="nf-wdm-ioreleasecancelspinlock")
def IoReleaseCancelSpinLock(Irql: int, /) -> None:
    """Release it: with Irp.CancelIrql in a cancel routine, which is called with the lock held."""
    context = current.context
    spinlocks.release(context, cancel_lock(context), lowers=False)
    if Irql < DISPATCH_LEVEL:
        lower_irql(context, Irql)


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-iocompleterequest")
def IoCompleteRequest(Irp: IRP, PriorityBoost: int, /) -> None:
    """Complete an IRP with its IoStatus: it is gone from here on.

    Bug check 0x44 for one that has been completed, 0xC9/0x06 for STATUS_PENDING as its status, 0xC9/0x07 while its
    cancel routine is set, 0xD6 when Information is more than its buffer holds.
    """
    del PriorityBoost
    context = current.context
    irp = _live(context, Irp, "IoCompleteRequest")
    pointer = pointer_of(irp)
    entry = context.machine.arena.device_request(irp.io_request)
    status, information = irp.IoStatus.Status & 0xFFFF_FFFF, irp.IoStatus.Information
    if status in (STATUS_PENDING, ILLEGAL_STATUS):
        stop(IOMANAGER_VIOLATION, 0x06, status, pointer, text=f"An IRP was completed with the status 0x{status:08X}.")
    if irp.io_cancel.value:
        stop(
            IOMANAGER_VIOLATION,
            0x07,
            irp.io_cancel.value,
            pointer,
            text="An IRP was completed while its cancel routine is set: IoSetCancelRoutine(Irp, None) comes first.",
        )
    failed = is_error(status)
    _copy_out(context, irp, 0 if failed else information, entry.output)
    _release(context, irp)
    major, device, file = entry.major, irp.io_stack.DeviceObject, irp.io_stack.FileObject
    platform = context.platform
    forget(context, pointer)
    platform.acquire(SystemLock.DEVICES)
    entry.status, entry.information, entry.irp, entry.completed = status, information, 0, 1
    closes = major == IRP_MJ_CLOSE or (major == IRP_MJ_CREATE and failed)
    if closes:
        context.machine.arena.device_files[entry.file] = 0
    if entry.state == DeviceRequestState.PENDING:
        finish_request(context, entry, DeviceRequestState.DONE)
    platform.release(SystemLock.DEVICES)
    if closes:
        free_block(context, file)
        dereference(context, device)
    context.machine.pool.free(pointer, site=context.site)
    platform.ring(0)


def acquire_cancel_lock(context: Context) -> int:
    """Take the cancel spin lock; the IRQL before."""
    before: int = context.irql
    spinlocks.acquire(context, cancel_lock(context), context.site)
    return before


def cancel_lock(context: Context) -> Any:
    """The machine's one cancel spin lock; it takes an entry of the lock table when it is first used."""
    arena, platform = context.machine.arena, context.platform
    lock: Any = spinlocks.KSPIN_LOCK.at(arena.memory, arena.offsets["cancel_lock"])
    if not lock.index:
        platform.acquire(SystemLock.DEVICES)
        if not lock.index:
            spinlocks.initialize(context, lock)
        platform.release(SystemLock.DEVICES)
    return lock


def _live(context: Context, irp: Any, name: str) -> IRP:
    """The argument where it is an IRP that the driver still has; 0x44 for one that is completed."""
    pointer = getattr(irp, "_pointer", 0)
    pool = context.machine.pool
    if isinstance(irp, IRP) and pool.find(pointer) is not None:
        if irp.io_request == NDIS_REQUEST:
            stop(MULTIPLE_IRP_COMPLETE_REQUESTS, pointer & OFFSET_MASK, text=f"{name} was given an IRP of NDIS's own.")
        return irp
    block = pool.header(pointer) if isinstance(irp, IRP) else None
    _completed_twice(context, pointer, name, block)


def _completed_twice(context: Context, pointer: int, name: str, block: Any) -> NoReturn:
    sites = [site_of(context, "completed", block.freed_site)] if block is not None and block.freed_site else []
    text = f"{name} was given an IRP that has been completed." if block is not None else f"{name} was given no IRP."
    stop(MULTIPLE_IRP_COMPLETE_REQUESTS, pointer & OFFSET_MASK, text=text, sites=sites)


def _copy_out(context: Context, irp: IRP, length: int, room: int) -> None:
    if not length or not room:
        return
    arena = context.machine.arena
    described = irp.MdlAddress
    buffer = irp.AssociatedIrp.SystemBuffer if described is None else None
    start = described._address if described is not None else getattr(buffer, "offset", 0)
    if (described is None and buffer is None) or length > room:
        held = f"the user program gave room for {room}"
        stop(
            PAGE_FAULT_BEYOND_END,
            start + room,
            0,
            text=f"An IRP was completed with {length} bytes of Information, and {held}.",
        )
    arena.device_data(irp.io_request)[:length] = arena.view[start : start + min(length, DEVICE_BYTES)]


def _release(context: Context, irp: IRP) -> None:
    """Give its buffers back."""
    described, buffer = irp.MdlAddress, irp.AssociatedIrp.SystemBuffer
    if described is not None:
        mdl.release(context, described)
    if buffer is not None:
        free_block(context, buffer)


def make_irp(context: Context, request: int, major: int) -> IRP | None:
    """A zeroed IRP of the I/O manager's; None without memory."""
    pointer = io_memory(context, IRP.size(), IRP)
    if pointer is None:
        return None
    irp: IRP = load_block(context, pointer)
    irp.Type, irp.Size, irp.StackCount, irp.CurrentLocation, irp.io_request = IO_TYPE_IRP, IRP.size(), 1, 1, request
    irp.io_stack.MajorFunction = major
    return irp


def io_memory(context: Context, length: int, structure: type | None) -> int | None:
    """Zeroed memory of the I/O manager's own."""
    machine = context.machine
    pointer = machine.pool.allocate(
        length,
        tag=IRP_TAG,
        type_number=machine.images.type_numbers[structure] if structure is not None else 0,
        site=0,
        driver=0,
        owner=0,
    )
    if pointer is not None:
        offset = pointer & OFFSET_MASK
        machine.arena.view[offset : offset + length] = bytes(length)
    return pointer


__all__ = [
    "FILE_OBJECT",
    "IO_STACK_LOCATION",
    "IO_STATUS_BLOCK",
    "IRP",
    "IoAcquireCancelSpinLock",
    "IoCompleteRequest",
    "IoGetCurrentIrpStackLocation",
    "IoMarkIrpPending",
    "IoReleaseCancelSpinLock",
    "IoSetCancelRoutine",
]
