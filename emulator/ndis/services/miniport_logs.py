"""The log of a miniport: NdisMCreateLog, NdisMWriteLogData, NdisMFlushLog, NdisMCloseLog.

Law: an adapter has one log, a ring in nonpaged pool.  Who reads it, with ControlOperation.LOG as an application of
Windows does with IOCTL_NDIS_GET_LOG_DATA, takes the bytes out, the oldest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pool import OFFSET_MASK
from emulator.layout.control import CONTROL_DATA_BYTES
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.headers.handles import AdapterHandle, LogHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_BUFFER_OVERFLOW,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of, object_of
from emulator.ndis.plug_and_play.pnp import find_adapter
from emulator.ndis.services.memory import readable
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.control import CONTROL

TAG: Final = int.from_bytes(b"NDlo", "little")
_RULES: Final = ("Irql_Miniport_Driver_Function",)


class CreatedLog(NamedTuple):
    """What NdisMCreateLog gives."""

    Status: NDIS_STATUS
    LogHandle: LogHandle | None


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=_RULES, acquires="log")
def NdisMCreateLog(MiniportAdapterHandle: AdapterHandle, Size: int, /) -> CreatedLog:
    """Make the log of an adapter.  FAILURE for a second one, RESOURCES without memory."""
    context = current.context
    adapter_of(context, MiniportAdapterHandle, "NdisMCreateLog")
    if _log_on(context, MiniportAdapterHandle) is not None:
        return CreatedLog(NDIS_STATUS_FAILURE, None)
    machine = context.machine
    pointer = (
        machine.pool.allocate(Size, tag=TAG, type_number=0, site=context.site, driver=0, owner=0) if Size > 0 else None
    )
    if pointer is None:
        return CreatedLog(NDIS_STATUS_RESOURCES, None)
    made = machine.objects[HandleKind.LOG].allocate(
        HandleKind.LOG, driver=context.driver, parent=MiniportAdapterHandle, site=context.site
    )
    if made is None:
        machine.pool.free(pointer, site=0)
        return CreatedLog(NDIS_STATUS_RESOURCES, None)
    handle, log = made
    log.content, log.length, log.first, log.used = pointer, Size, 0, 0
    return CreatedLog(NDIS_STATUS_SUCCESS, LogHandle(handle))


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=_RULES)
def NdisMWriteLogData(LogHandle: LogHandle, LogBuffer: Any, LogBufferSize: int, /) -> NDIS_STATUS:
    """Write bytes to a log; the oldest make room.  BUFFER_OVERFLOW for more than the log's size."""
    context = current.context
    log = _log_of(context, LogHandle, "NdisMWriteLogData")
    if LogBufferSize > log.length:
        return NDIS_STATUS_BUFFER_OVERFLOW
    data = bytes(readable(LogBuffer, LogBufferSize))
    view, start, size = context.machine.arena.view, log.content & OFFSET_MASK, log.length
    context.platform.acquire(SystemLock.REQUESTS)
    place = (log.first + log.used) % size
    whole = min(len(data), size - place)
    view[start + place : start + place + whole] = data[:whole]
    view[start : start + len(data) - whole] = data[whole:]
    lost = max(log.used + len(data) - size, 0)
    log.first = (log.first + lost) % size
    log.used = log.used + len(data) - lost
    context.platform.release(SystemLock.REQUESTS)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=_RULES)
def NdisMFlushLog(LogHandle: LogHandle, /) -> None:
    """Forget what is in a log."""
    context = current.context
    log = _log_of(context, LogHandle, "NdisMFlushLog")
    context.platform.acquire(SystemLock.REQUESTS)
    log.first = log.used = 0
    context.platform.release(SystemLock.REQUESTS)


@ddi(irql=AT_PASSIVE, callers=MINIPORT, releases="log")
def NdisMCloseLog(LogHandle: LogHandle, /) -> None:
    """Close a log, and forget what is in it."""
    context = current.context
    log = _log_of(context, LogHandle, "NdisMCloseLog")
    content = log.content
    context.machine.objects[HandleKind.LOG].free(LogHandle, site=context.site)
    context.machine.pool.free(content, site=0)


def take(context: Context, operation: CONTROL) -> int:
    """The oldest bytes of an adapter's log become the operation's data, and are out of the log."""
    operation.hold(b"")
    found = find_adapter(context, operation.target)
    if found is None:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    log = _log_on(context, found[0])
    if log is None:
        return NDIS_STATUS_NOT_SUPPORTED
    view, start = context.machine.arena.view, log.content & OFFSET_MASK
    context.platform.acquire(SystemLock.REQUESTS)
    length = min(log.used, CONTROL_DATA_BYTES)
    ring = bytes(view[start : start + log.length])
    data = (ring[log.first :] + ring[: log.first])[:length]
    log.first = (log.first + length) % log.length
    log.used -= length
    context.platform.release(SystemLock.REQUESTS)
    operation.hold(data)
    return NDIS_STATUS_SUCCESS


def _log_of(context: Context, handle: int | None, ddi_name: str) -> Any:
    return object_of(context, handle, HandleKind.LOG, ddi_name)


def _log_on(context: Context, adapter_handle: int) -> Any:
    """The log of an adapter; None without one."""
    live = context.machine.objects[HandleKind.LOG].live()
    return next((log for _, log in live if log.head.parent == adapter_handle), None)


__all__ = ["NdisMCloseLog", "NdisMCreateLog", "NdisMFlushLog", "NdisMWriteLogData"]
