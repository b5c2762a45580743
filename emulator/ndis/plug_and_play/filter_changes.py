"""Filter modules that come into a stack and leave it while the machine runs, because somebody outside asks for it.

Law: as when an adapter starts and stops, with the whole stack paused meanwhile; what was paused before stays paused.
OID requests go on: those that wait for a module that leaves go to whoever is below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.lanes import wake_lane
from emulator.kernel.waits import look_until
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.control_path import oid_lanes
from emulator.ndis.headers.constants import NDIS_FILTER_DRIVER_MANDATORY
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_FILE_NOT_FOUND,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play import filter_pnp, pnp, watch
from emulator.ndis.plug_and_play.filter_modules import modules_of
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.control import CONTROL


def attach(context: Context, operation: CONTROL) -> int:
    """Attach a module of a filter driver to an adapter; the stack is as it was, when FilterAttach fails."""
    asked = _asked(context, operation)
    if isinstance(asked, int):
        return asked
    handle, adapter, driver_handle, driver = asked
    name = context.machine.images.driver_name(driver.image)
    if _module_of(context, handle, driver_handle) is not None:
        return told(operation, NDIS_STATUS_INVALID_STATE, f"{name} is attached already")

    def act() -> int:
        status = filter_pnp.attach(context, handle, adapter, driver_handle, driver)
        if status != NDIS_STATUS_SUCCESS:
            return told(operation, status, f"FilterAttach of {name} returned {status_name(status)}")
        driver.detached &= ~(1 << adapter.number)
        return status

    return pnp.while_paused(context, handle, adapter, act)


def detach(context: Context, operation: CONTROL) -> int:
    """Detach the module of a filter driver from an adapter; it is not attached again before somebody asks for it."""
    asked = _asked(context, operation)
    if isinstance(asked, int):
        return asked
    handle, adapter, driver_handle, driver = asked
    name = context.machine.images.driver_name(driver.image)
    found = _module_of(context, handle, driver_handle)
    if found is None:
        return told(operation, NDIS_STATUS_INVALID_STATE, f"{name} is not attached")
    if driver.flags & NDIS_FILTER_DRIVER_MANDATORY:
        return told(operation, NDIS_STATUS_NOT_SUPPORTED, f"{name} is mandatory: no stack runs without it")
    module_handle, module = found

    def act() -> int:
        leave(context, handle, adapter, module_handle, module)
        driver.detached |= 1 << adapter.number
        return NDIS_STATUS_SUCCESS

    return pnp.while_paused(context, handle, adapter, act)


def leave(context: Context, adapter_handle: int, adapter: Any, handle: int, module: Any) -> None:
    """Detach a module of a paused stack whose bindings are open, so that OID requests come all the time."""
    close_lane(context, adapter_handle, adapter, module)
    waiting, position = module.request_head, module.position
    module.request_head = module.request_tail = 0
    filter_pnp.detach(context, adapter, handle, module)
    if waiting:
        _pass_on(context, oid_lanes.lane_below(context, adapter_handle, position), waiting)


def close_lane(context: Context, adapter_handle: int, adapter: Any, module: Any) -> None:
    """Wait until the module has no request in hand, and let it be given none any more: the next ones queue up."""
    platform = context.platform
    deadline = platform.now() + watch.OID_NS

    def idle() -> bool:
        return module.request_state == oid_lanes.IDLE and not module.unserialised

    closed = False
    while not closed:
        if not look_until(context, idle, deadline):
            watch.overdue(context, adapter_handle, adapter, module, " cannot lose a filter")
        platform.acquire(SystemLock.REQUESTS)
        closed = idle()
        if closed:
            module.request_state, module.request = oid_lanes.BUSY, 0
        platform.release(SystemLock.REQUESTS)


def _pass_on(context: Context, lane: Any, waiting: int) -> None:
    """Put requests behind those that wait for a lane."""
    platform = context.platform
    platform.acquire(SystemLock.REQUESTS)
    oid_lanes.enqueue(context, lane, waiting)
    platform.release(SystemLock.REQUESTS)
    wake_lane(context, ContextKind.REQUESTS)


def _asked(context: Context, operation: CONTROL) -> int | tuple[int, Any, int, Any]:
    """The adapter and the filter driver that are meant, or why there is none."""
    name = operation.content.decode(errors="replace")
    operation.hold(b"")
    found = pnp.find_adapter(context, operation.target)
    if found is None:
        return int(NDIS_STATUS_ADAPTER_NOT_FOUND)
    if found[1].state not in (AdapterState.RUNNING, AdapterState.PAUSED):
        return int(NDIS_STATUS_ADAPTER_NOT_READY)
    images = context.machine.images
    known = {
        images.driver_name(driver.image): (handle, driver) for handle, driver in filter_pnp.filter_drivers(context)
    }
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        return told(operation, NDIS_STATUS_FILE_NOT_FOUND, f"no filter driver {name} is loaded; {there}")
    return (*found, *known[name])


def _module_of(context: Context, adapter_handle: int, driver_handle: int) -> tuple[int, Any] | None:
    modules = modules_of(context, adapter_handle)
    return next(((handle, module) for handle, module in modules if module.filter_driver == driver_handle), None)


def told(operation: CONTROL, status: int, why: str) -> int:
    """A status, and in words why."""
    operation.hold(why.encode())
    return status
