"""What an I/O thread does with a user program's request: a file object, an IRP, the driver's dispatch routine.

Law: a request that no driver serves is answered here; one that was given to a driver is its own until it completes it,
and what the dispatch routine returns must agree with what became of the IRP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel import spinlocks
from emulator.kernel.calls import call_with_lock
from emulator.kernel.devices import finish_request
from emulator.kernel.pointers import decode, load_block
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import stop
from emulator.layout.devices import DeviceRequestState
from emulator.layout.handles import KIND_SHIFT, HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.absent import not_implemented
from emulator.ndis.buffers import mdl
from emulator.ndis.devices.device_objects import DO_EXCLUSIVE, dereference, find_device, pointer_of, reference
from emulator.ndis.devices.irps import (
    FILE_OBJECT,
    IO_TYPE_FILE,
    IOMANAGER_VIOLATION,
    IRP,
    cancel_lock,
    io_memory,
    make_irp,
)
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers import io_codes
from emulator.ndis.headers.io_codes import (
    DO_BUFFERED_IO,
    DO_DIRECT_IO,
    IRP_MJ_CLEANUP,
    IRP_MJ_CLOSE,
    IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_READ,
    IRP_MJ_WRITE,
    METHOD_BUFFERED,
    METHOD_IN_DIRECT,
    METHOD_NEITHER,
    METHOD_OUT_DIRECT,
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_HANDLE,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_PENDING,
    STATUS_SUCCESS,
)
from emulator.ndis.headers.status import NDIS_STATUS_RESOURCES, status_name

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.devices import DEVICE_REQUEST
    from emulator.ndis.devices.device_objects import DEVICE_OBJECT

USER_MODE: Final = 1
_S = DeviceRequestState


def serve(context: Context, index: int) -> None:
    """Carry out a request that has begun."""
    entry = context.machine.arena.device_request(index)
    if entry.major == IRP_MJ_CREATE:
        refused = _open(context, entry)
        if refused is not None:
            _answer(context, entry, refused)
            return
    pointer = context.machine.arena.device_files[entry.file]
    file: Any = decode(context, pointer)
    if file is None:
        _answer(context, entry, STATUS_INVALID_HANDLE)
        return
    device = file.DeviceObject
    routine = routine_for(context, device, entry.major)
    if not routine:
        # As IopInvalidDeviceRequest does; a cleanup and a close cannot fail.
        closing = entry.major in (IRP_MJ_CLEANUP, IRP_MJ_CLOSE)
        _answer(context, entry, STATUS_SUCCESS if closing else STATUS_INVALID_DEVICE_REQUEST)
        return
    irp = _irp(context, index, entry, file)
    if irp is None:
        _answer(context, entry, NDIS_STATUS_RESOURCES)
        return
    pointer = entry.irp
    status = call_for_status(context, routine, device, irp)
    _returned(context, entry, (routine, pointer, pointer_of(device)), status)


def cancel(context: Context, index: int) -> None:
    """Cancel what a driver has pending: its cancel routine is called with the cancel spin lock held."""
    entry = context.machine.arena.device_request(index)
    platform = context.platform
    context.site = 0
    before = context.irql
    spinlocks.acquire(context, lock := cancel_lock(context), 0)
    platform.acquire(SystemLock.DEVICES)
    irp: Any = decode(context, entry.irp) if entry.state == _S.PENDING else None
    routine = 0
    if irp is not None:
        irp.Cancel = 1
        irp.CancelIrql = before
        routine = platform.exchange(irp.io_cancel, 0)
    platform.release(SystemLock.DEVICES)
    if not routine:
        spinlocks.release(context, lock)
        return
    call_with_lock(context, routine, before, irp.io_stack.DeviceObject, irp)


def routine_for(context: Context, device: DEVICE_OBJECT, major: int) -> int:
    """The dispatch routine of a device for a major function: its own, or its driver's."""
    if device.io_own:
        return device.io_majors[major]
    found = context.machine.driver_objects[device.io_driver].MajorFunction[major]
    return getattr(found, "__ndis_routine__", 0)


def _open(context: Context, entry: DEVICE_REQUEST) -> int | None:
    """Make the file object; the status with which the open is refused."""
    machine = context.machine
    kind = entry.device >> KIND_SHIFT
    record = machine.objects[HandleKind.DEVICE].find(entry.device, kind)
    if kind not in (HandleKind.DEVICE, HandleKind.SYMBOLIC_LINK) or record is None:
        return STATUS_OBJECT_NAME_NOT_FOUND
    device = find_device(context, decode(context, record.device))
    if device is None:
        return STATUS_OBJECT_NAME_NOT_FOUND
    if device.Flags & DO_EXCLUSIVE and any(
        decode(context, word).DeviceObject is device for word in machine.arena.device_files if word
    ):
        return STATUS_ACCESS_DENIED
    pointer = io_memory(context, FILE_OBJECT.size(), FILE_OBJECT)
    if pointer is None:
        return NDIS_STATUS_RESOURCES
    file = load_block(context, pointer)
    file.Type, file.Size, file.DeviceObject, file.io_number = IO_TYPE_FILE, FILE_OBJECT.size(), device, entry.file
    reference(context, device)
    context.platform.acquire(SystemLock.DEVICES)
    machine.arena.device_files[entry.file] = pointer
    context.platform.release(SystemLock.DEVICES)
    return None


def _irp(context: Context, index: int, entry: DEVICE_REQUEST, file: Any) -> IRP | None:
    """The IRP of a request, with its buffers."""
    irp = make_irp(context, index, entry.major)
    if irp is None:
        return None
    irp.RequestorMode = USER_MODE
    stack = irp.io_stack
    stack.DeviceObject, stack.FileObject = file.DeviceObject, file
    flags = file.DeviceObject.Flags
    given, room = entry.input, entry.output
    buffered = direct = 0
    if entry.major == IRP_MJ_DEVICE_CONTROL:
        parameters = stack.Parameters.DeviceIoControl
        parameters.IoControlCode, parameters.InputBufferLength, parameters.OutputBufferLength = entry.code, given, room
        method = entry.code & 3
        if method == METHOD_NEITHER:
            not_implemented("IRP_MJ_DEVICE_CONTROL", "METHOD_NEITHER: a user program's addresses mean nothing here")
        buffered = max(given, room) if method == METHOD_BUFFERED else given
        direct = room if method in (METHOD_IN_DIRECT, METHOD_OUT_DIRECT) else 0
    elif entry.major in (IRP_MJ_READ, IRP_MJ_WRITE):
        length = room if entry.major == IRP_MJ_READ else given
        (stack.Parameters.Read if entry.major == IRP_MJ_READ else stack.Parameters.Write).Length = length
        if not flags & (DO_BUFFERED_IO | DO_DIRECT_IO):
            not_implemented("a read or write", "neither DO_BUFFERED_IO nor DO_DIRECT_IO in the Flags of its device")
        buffered, direct = (length, 0) if flags & DO_BUFFERED_IO else (0, length)
    entry.irp = pointer_of(irp)
    return irp if _buffers(context, irp, entry, buffered, direct) else None


def _buffers(context: Context, irp: IRP, entry: DEVICE_REQUEST, buffered: int, direct: int) -> bool:
    """The system's buffer and the MDL, with what the user program gave; False without memory for them."""
    arena = context.machine.arena
    data = arena.device_data(irp.io_request)[: entry.input]
    if buffered:
        pointer = io_memory(context, buffered, None)
        if pointer is None:
            return _give_up(context, entry)
        offset = pointer & OFFSET_MASK
        arena.view[offset : offset + len(data)] = data
        irp.AssociatedIrp.SystemBuffer = load_block(context, pointer)
    if direct:
        described = mdl.make_with_data(context, direct)
        if described is None:
            return _give_up(context, entry)
        if not buffered:
            arena.view[described._address : described._address + len(data)] = data
        irp.MdlAddress = described
    return True


def _give_up(context: Context, entry: DEVICE_REQUEST) -> bool:
    irp: Any = load_block(context, entry.irp)
    if irp.AssociatedIrp.SystemBuffer is not None:
        context.machine.pool.free(pointer_of(irp.AssociatedIrp.SystemBuffer), site=0)
    context.machine.pool.free(entry.irp, site=0)
    entry.irp = 0
    return False


def _answer(context: Context, entry: DEVICE_REQUEST, status: int) -> None:
    """Answer a request that no driver has seen."""
    platform, arena = context.platform, context.machine.arena
    gone = 0
    platform.acquire(SystemLock.DEVICES)
    if entry.major == IRP_MJ_CLOSE or (entry.major == IRP_MJ_CREATE and io_codes.is_error(status)):
        gone, arena.device_files[entry.file] = arena.device_files[entry.file], 0
    entry.status, entry.information = status & 0xFFFF_FFFF, 0
    finish_request(context, entry, _S.DONE)
    platform.release(SystemLock.DEVICES)
    if gone:
        file: Any = decode(context, gone)
        device = file.DeviceObject
        context.machine.pool.free(gone, site=0)
        dereference(context, device)
    platform.ring(0)


def _returned(context: Context, entry: DEVICE_REQUEST, who: tuple[int, int, int], status: int) -> None:
    """The dispatch routine has returned: does that agree with what became of the IRP?"""
    platform = context.platform
    platform.acquire(SystemLock.DEVICES)
    completed, marked = entry.completed, entry.marked
    pending = status == STATUS_PENDING
    if completed or pending:
        finish_request(context, entry, _S.DONE if completed else _S.PENDING)
    known = entry.status
    platform.release(SystemLock.DEVICES)
    name = context.machine.images.routine_name(who[0])
    if pending and not marked:
        _disagrees(context, who, 0x224, f"{name} returned STATUS_PENDING and IoMarkIrpPending was not called.")
    if not pending and not completed:
        _disagrees(
            context,
            who,
            0x226,
            f"{name} returned {status_name(status)}, neither completed the IRP nor returned STATUS_PENDING.",
        )
    if context.machine.checked and not pending and marked:
        _disagrees(context, who, 0x224, f"{name} called IoMarkIrpPending and returned {status_name(status)}.")
    if context.machine.checked and not pending and known != status & 0xFFFF_FFFF:
        _disagrees(
            context, who, 0x224, f"{name} completed the IRP with 0x{known:08X} and returned {status_name(status)}."
        )
    if completed:
        platform.ring(0)


def _disagrees(context: Context, who: tuple[int, int, int], number: int, text: str) -> None:
    routine, pointer, device = who
    context.driver = context.machine.images.routines[routine].image  # type: ignore[union-attr]
    stop(IOMANAGER_VIOLATION, number, routine, pointer & OFFSET_MASK, device & OFFSET_MASK, text=text)


__all__ = ["cancel", "routine_for", "serve"]
