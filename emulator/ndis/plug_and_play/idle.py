"""Selective suspend: an adapter that nobody uses goes to sleep by itself, and wakes up when somebody does.

Law: the states are a table (rules/states.py: IDLE), and move under REQUESTS.  MiniportIdleNotification and
MiniportCancelIdleNotification are called in a PnP thread that has the adapter; while a notification is outstanding,
sends (data_path/held_sends.py) and OID requests (control_path/oid_lanes.py) wait in NDIS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.lanes import wake_lane
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.kernel.waits import wake
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.control_path import oid_answers, oid_lanes, own_requests
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import warn
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.constants import NDIS_PM_SELECTIVE_SUSPEND_ENABLED
from emulator.ndis.headers.enumerations import NDIS_DEVICE_POWER_STATE
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.oids import OID_PM_PARAMETERS, OID_PNP_SET_POWER
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BUSY,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.headers.structures_common import header_of
from emulator.ndis.headers.structures_power import NDIS_PM_PARAMETERS
from emulator.ndis.plug_and_play.adapters import (
    adapter_of,
    publish_change,
    sleeps,
    text_of,
    wait_for_acknowledgement,
)
from emulator.ndis.plug_and_play.idle_clock import FORCED, NOT_FORCED, may_be_notified
from emulator.ndis.plug_and_play.pnp_calls import miniport_call
from emulator.ndis.plug_and_play.pnp_checks import check_asleep
from emulator.ndis.plug_and_play.pnp_structures import ULONG_BYTES
from emulator.ndis.plug_and_play.pnp_waits import drain
from emulator.ndis.plug_and_play.registration import handler, miniport_of
from emulator.rules.control import WHOLE_MACHINE, ControlOperation
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import IDLE, IdleEvent, IdleState, next_state

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.control import CONTROL

VERIFIER, IRQL_FUNCTION = 0xC4, 0xE5
_WAITS: Final = {
    IdleState.SUSPENDING: (0x25, "NdisMIdleNotificationConfirm"),
    IdleState.CANCELLED: (0x26, "the idle notification that NDIS has cancelled"),
    IdleState.RESUMING: (0x25, "the wake-up"),
}
"""What has to end before an adapter can go on: NDIS's watchdog for it, and in words."""
_REVISION: Final = 2
_LOW: Final = (
    NDIS_DEVICE_POWER_STATE.NdisDeviceStateD1,
    NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2,
    NDIS_DEVICE_POWER_STATE.NdisDeviceStateD3,
)
_WORKING: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD0
_NOT_AWAKE: Final = (ControlOperation.IDLE, ControlOperation.WAKE, ControlOperation.SURPRISE_REMOVE)
_ENDS_BY: Final = {IdleEvent.CONFIRMED: 1, IdleEvent.COMPLETED: 2}


@ddi(irql=AT_PASSIVE, callers=MINIPORT)
def NdisMIdleNotificationConfirm(
    MiniportAdapterHandle: AdapterHandle, IdlePowerState: NDIS_DEVICE_POWER_STATE, /
) -> None:
    """Let NDIS suspend the adapter, which it was notified is idle: it is asleep, in this state, when this returns.

    Nothing happens once NDIS has cancelled the notification.  Bug check 0x7C/0x1F (our choice) when none is pending, or
    for the second time; 0xC4/0xE5 for a state that is no low-power one.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMIdleNotificationConfirm")
    if IdlePowerState not in _LOW:
        stop(
            VERIFIER,
            IRQL_FUNCTION,
            IdlePowerState,
            MiniportAdapterHandle,
            text=f"NdisMIdleNotificationConfirm was given {IdlePowerState}, which is no low-power state.",
        )
    state = NDIS_DEVICE_POWER_STATE(IdlePowerState)
    if _moved(context, adapter, MiniportAdapterHandle, IdleEvent.CONFIRMED) is not IdleState.SUSPENDING:
        return
    status = _suspend(context, MiniportAdapterHandle, adapter, state)
    if status == NDIS_STATUS_SUCCESS:
        check_asleep(context, MiniportAdapterHandle, state.name)
        adapter.power_state = state
    else:
        text = f"{text_of(adapter.name)} was not suspended: {status_name(status)}"
        warn(context, text)
        adapter.wake_wanted = 1
    _moved(context, adapter, MiniportAdapterHandle, IdleEvent.SUSPEND_ENDED)
    publish_change(context, adapter)
    wake_lane(context, ContextKind.PNP)


def _suspend(context: Context, handle: int, adapter: Any, state: NDIS_DEVICE_POWER_STATE) -> NDIS_STATUS:
    """What may wake it, and the state: past the filters, to the miniport itself."""
    parameters = NDIS_PM_PARAMETERS(Header=header_of("NDIS_PM_PARAMETERS", _REVISION))
    if adapter.idle_wanted != FORCED:
        parameters.WakeUpFlags = NDIS_PM_SELECTIVE_SUSPEND_ENABLED
    status = _tell(context, handle, adapter, OID_PM_PARAMETERS, parameters.to_bytes())
    if status != NDIS_STATUS_SUCCESS:
        return status
    return _tell(context, handle, adapter, OID_PNP_SET_POWER, state.to_bytes(ULONG_BYTES, "little"))


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT)
def NdisMIdleNotificationComplete(MiniportAdapterHandle: AdapterHandle, /) -> None:
    """Complete an idle notification, because NDIS has cancelled it or by the miniport's own wish: the adapter wakes up.

    Bug check 0x7C/0x1F (our choice) when none is pending, and before NdisMIdleNotificationConfirm has returned.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMIdleNotificationComplete")
    _moved(context, adapter, MiniportAdapterHandle, IdleEvent.COMPLETED)
    context.platform.fence()
    wake_lane(context, ContextKind.PNP)


def wanted(adapter: Any) -> bool:
    """Is there something for a PnP thread to do: a notification, a cancel, or a wake-up?"""
    if adapter.idle_state == IdleState.WATCHED:
        return bool(adapter.idle_wanted)
    if adapter.idle_state == IdleState.COMPLETED:
        return True
    return bool(adapter.wake_wanted) and adapter.idle_state in (IdleState.NOTIFIED, IdleState.SUSPENDED)


def serve(context: Context, handle: int, adapter: Any) -> None:
    """Do it; the adapter is this PnP thread's."""
    if adapter.idle_state == IdleState.WATCHED:
        forced, adapter.idle_wanted = adapter.idle_wanted == FORCED, 0
        if may_be_notified(adapter):
            _notify(context, handle, adapter, forced=forced)
    else:
        resume(context, handle, adapter)


def notify_now(context: Context, handle: int, adapter: Any) -> int:
    """Notify an adapter as a computer does that goes to connected standby, whether it is idle or not."""
    if not adapter.idle_timeout:
        return NDIS_STATUS_NOT_SUPPORTED
    adapter.idle_wanted = 0
    if not may_be_notified(adapter):
        return NDIS_STATUS_INVALID_STATE
    status = _notify(context, handle, adapter, forced=True)
    return NDIS_STATUS_SUCCESS if status == NDIS_STATUS_PENDING else status


def wake_now(context: Context, handle: int, adapter: Any) -> int:
    """The device signals a wake-up event."""
    if adapter.idle_state == IdleState.WATCHED:
        return NDIS_STATUS_INVALID_STATE
    resume(context, handle, adapter)
    return NDIS_STATUS_SUCCESS


def _notify(context: Context, handle: int, adapter: Any, *, forced: bool) -> NDIS_STATUS:
    """Call MiniportIdleNotification; from here on nothing is sent or asked, until it says that it is not idle."""
    platform = context.platform
    platform.acquire(SystemLock.REQUESTS)
    free = oid_lanes.idle(adapter)
    if free:
        adapter.idle_state = next_state(IDLE, IdleState.WATCHED, IdleEvent.NOTIFICATION_CALLED)
        adapter.idle_wanted = FORCED if forced else NOT_FORCED
        adapter.wake_wanted = 0
    platform.release(SystemLock.REQUESTS)
    if not free:
        return NDIS_STATUS_BUSY
    publish_change(context, adapter)
    wait_for_acknowledgement(context)
    routine = handler(miniport_of(context, adapter), "IdleNotificationHandler")
    status = call_for_status(context, routine, decode(context, adapter.context), forced)
    if status == NDIS_STATUS_PENDING:
        return status
    allowed = (NDIS_STATUS_FAILURE,) if forced else (NDIS_STATUS_FAILURE, NDIS_STATUS_BUSY)
    if status not in allowed or adapter.idle_state != IdleState.NOTIFIED:
        after = " after it had confirmed or completed the notification" if status in allowed else ""
        stop(
            VERIFIER,
            IRQL_FUNCTION,
            status & 0xFFFF_FFFF,
            handle,
            text=f"MiniportIdleNotification returned {status_name(status)}{after}, with ForceIdle {forced}: it may "
            "return NDIS_STATUS_PENDING or NDIS_STATUS_FAILURE, and NDIS_STATUS_BUSY where it is not forced.",
        )
    _watch_again(context, handle, adapter, IdleEvent.VETOED)
    return status


def resume_for(context: Context, operation: CONTROL) -> None:
    """An operation of the host begins: who is suspended wakes up, unless it is about that, or the device is gone."""
    if operation.operation in _NOT_AWAKE:
        return
    for handle, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if adapter.number == operation.target or operation.operation in WHOLE_MACHINE:
            resume(context, handle, adapter)


def resume(context: Context, handle: int, adapter: Any) -> None:
    """Bring an adapter that is suspended, or is about to be, back to work; the adapter is this PnP thread's."""
    while not _takes(context, adapter, IdleEvent.RESUME_CALLED):
        if adapter.idle_state == IdleState.WATCHED:
            return
        if _takes(context, adapter, IdleEvent.CANCEL_CALLED):
            miniport_call(context, adapter, "CancelIdleNotificationHandler")
        _await(context, handle, adapter, IdleState(adapter.idle_state))
    if sleeps(adapter) and not adapter.surprise_removed:
        status = _tell(context, handle, adapter, OID_PNP_SET_POWER, _WORKING.to_bytes(ULONG_BYTES, "little"))
        if status != NDIS_STATUS_SUCCESS:
            text = f"{text_of(adapter.name)} did not wake up ({status_name(status)}); it is removed"
            warn(context, text)
            adapter.removal_wanted = 1
    adapter.power_state = _WORKING
    _watch_again(context, handle, adapter, IdleEvent.RESUMED)


def _await(context: Context, handle: int, adapter: Any, state: IdleState) -> None:
    """Wait until this state is over, where it ends by itself or by the miniport."""
    if state in _WAITS:
        kind, what = _WAITS[state]
        drain(context, lambda: adapter.idle_state != state, kind, handle, what, adapter.head.driver)


def _takes(context: Context, adapter: Any, event: IdleEvent) -> bool:
    """Take the row of an event, where the state has one."""
    return _row(context, adapter, event)[1] is not None


def _row(context: Context, adapter: Any, event: IdleEvent) -> tuple[IdleState, IdleState | None]:
    """Take the row of an event, where there is one: the state before, and that which followed."""
    platform = context.platform
    platform.acquire(SystemLock.REQUESTS)
    state = IdleState(adapter.idle_state)
    following = next_state(IDLE, state, event)
    if following is not None:
        adapter.idle_state = following
    platform.release(SystemLock.REQUESTS)
    return state, following


def _watch_again(context: Context, handle: int, adapter: Any, event: IdleEvent) -> None:
    """The clock begins anew, and what has waited goes on: sends in the processors, requests in their thread."""
    adapter.idle_since = context.platform.now()
    adapter.idle_wanted = adapter.wake_wanted = 0
    _moved(context, adapter, handle, event)
    publish_change(context, adapter)
    for processor in range(context.machine.geometry.processors):
        wake(context, FIRST_PROCESSOR_SLOT + processor)
    wake_lane(context, ContextKind.REQUESTS)
    wake_lane(context, ContextKind.PNP)


def _moved(context: Context, adapter: Any, handle: int, event: IdleEvent) -> IdleState:
    """The state that follows an event; the stop for one that has no row."""
    state, following = _row(context, adapter, event)
    if following is None:
        offence = IDLE.offences[event]
        name = f"NdisMIdleNotification{'Confirm' if event is IdleEvent.CONFIRMED else 'Complete'}"
        stop(
            offence.code,
            offence.subcode,
            _ENDS_BY[event],
            handle,
            text=f"{name} was called while the adapter's selective suspend is {state.name.lower()}.",
            ddi=name,
        )
        return state
    return following


def _tell(context: Context, handle: int, adapter: Any, oid: int, content: bytes) -> NDIS_STATUS:
    answered = own_requests.ask(
        context, handle, adapter, oid_answers.SET, oid, content, lane=adapter, of_power=True, asker=" is suspended"
    )
    return NDIS_STATUS(answered.status)


__all__ = ["NdisMIdleNotificationComplete", "NdisMIdleNotificationConfirm"]
