"""Power in the PnP thread: device power states, the battery, and the end of the computer.

Law: a stack hears of a power state before its miniport goes to sleep and after it has woken up, the filters first; the
miniport hears of it by OID_PNP_SET_POWER, with its stack paused unless it says that it need not be.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.pointers import decode
from emulator.layout.handles import HandleKind
from emulator.ndis.control_path import oid_answers, own_requests
from emulator.ndis.gates.refusals import warn
from emulator.ndis.headers.constants import (
    NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND,
    NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND,
    NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK,
    NDIS_PAUSE_LOW_POWER,
)
from emulator.ndis.headers.enumerations import (
    NDIS_DEVICE_PNP_EVENT,
    NDIS_DEVICE_POWER_STATE,
    NDIS_HALT_ACTION,
    NDIS_POWER_PROFILE,
    NDIS_SHUTDOWN_ACTION,
    NET_PNP_EVENT_CODE,
)
from emulator.ndis.headers.oids import OID_PNP_SET_POWER
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play import filter_modules, idle
from emulator.ndis.plug_and_play.adapters import move_adapter, publish_change, sleeps, text_of, wait_for_acknowledgement
from emulator.ndis.plug_and_play.pnp import (
    bindings_of,
    fail_adapter,
    find_adapter,
    pause_stack,
    restart_stack,
    start_adapter,
    stop_adapter,
)
from emulator.ndis.plug_and_play.pnp_calls import event_above, miniport_call, notify_device
from emulator.ndis.plug_and_play.pnp_checks import check_asleep
from emulator.ndis.plug_and_play.pnp_structures import ULONG_BYTES, device_event, power_event
from emulator.ndis.plug_and_play.registration import handler, miniport_of, protocol_of
from emulator.rules.irql import HIGH_LEVEL
from emulator.rules.states import ADAPTER, AdapterEvent, AdapterState, next_state

if TYPE_CHECKING:
    from emulator.kernel.context import Context

WORKING: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD0
LOW: Final = tuple(state for state in NDIS_DEVICE_POWER_STATE if state > WORKING)
NO_PAUSE_MINOR: Final = 30
"""All drivers of a stack are of this minor version at least where a transition does without a pause."""
BUG_CHECK_MINOR: Final = 30
"""From this minor version on a miniport hears of a bug check only if its attributes ask for it."""
_EVENT = NET_PNP_EVENT_CODE


def power(context: Context, number: int, argument: int) -> int:
    """Bring an adapter into a device power state."""
    if argument not in (WORKING, *LOW):
        return NDIS_STATUS_INVALID_PARAMETER
    state = NDIS_DEVICE_POWER_STATE(argument)
    found = find_adapter(context, number)
    if found is None:
        return _start_again(context, number) if state == WORKING else NDIS_STATUS_ADAPTER_NOT_FOUND
    handle, adapter = found
    if adapter.state not in (AdapterState.PAUSED, AdapterState.RUNNING):
        return NDIS_STATUS_INVALID_STATE
    idle.resume(context, handle, adapter)
    if state == (adapter.power_state or WORKING):
        return NDIS_STATUS_SUCCESS
    if state == WORKING:
        return _wake(context, handle, adapter)
    if not adapter.power_aware and not adapter.attribute_flags & NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND:
        if not adapter.virtual:
            return _halt_for_power(context, handle, adapter, state)
        name = text_of(adapter.name)
        warn(context, f"{name} is virtual and has not set NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND, which it must")
    return _sleep(context, handle, adapter, state)


def notify_idle(context: Context, number: int) -> int:
    """Let an adapter be suspended now (ForceIdle)."""
    found = find_adapter(context, number)
    return NDIS_STATUS_ADAPTER_NOT_FOUND if found is None else idle.notify_now(context, *found)


def wake(context: Context, number: int) -> int:
    """A suspended adapter signals a wake-up event."""
    found = find_adapter(context, number)
    return NDIS_STATUS_ADAPTER_NOT_FOUND if found is None else idle.wake_now(context, *found)


def power_profile(context: Context, number: int, argument: int) -> int:
    """The computer runs on its battery or on the mains from now on: a device event, the filters first."""
    found = find_adapter(context, number)
    if found is None:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    profile = NDIS_POWER_PROFILE.NdisPowerProfileBattery if argument else NDIS_POWER_PROFILE.NdisPowerProfileAcOnLine
    event = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventPowerProfileChanged
    notify_device(context, found[0], device_event(event, profile, ULONG_BYTES))
    return NDIS_STATUS_SUCCESS


def shut_down(context: Context) -> int:
    """The computer is switched off: MiniportShutdownEx of every adapter, in whatever state, and nothing after it."""
    for _, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if next_state(ADAPTER, AdapterState(adapter.state), AdapterEvent.SHUTDOWN_CALLED) is None:
            continue
        move_adapter(context, adapter, AdapterEvent.SHUTDOWN_CALLED)
        wait_for_acknowledgement(context)
        miniport_call(context, adapter, "ShutdownHandlerEx", NDIS_SHUTDOWN_ACTION.NdisShutdownPowerOff)
    return NDIS_STATUS_SUCCESS


def bug_check(context: Context) -> None:
    """The machine has stopped: MiniportShutdownEx at HIGH_LEVEL, in the context that stopped it, of those that want it.

    Whatever comes out of the handler changes nothing any more, and the first call of the DDI ends it.
    """
    irql = context.irql
    context.irql = context.box.irql = HIGH_LEVEL
    for _, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        with contextlib.suppress(BaseException):
            if next_state(ADAPTER, AdapterState(adapter.state), AdapterEvent.SHUTDOWN_CALLED) is not None:
                _shut_down_after_bug_check(context, adapter)
    context.irql = context.box.irql = irql


def _shut_down_after_bug_check(context: Context, adapter: Any) -> None:
    driver = miniport_of(context, adapter)
    wanted = adapter.attribute_flags & NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK
    if driver is None or (driver.minor_version >= BUG_CHECK_MINOR and not wanted):
        return
    function = context.routines[handler(driver, "ShutdownHandlerEx")]
    if function is not None:
        # Not by ``call``: the black box stays as it was at the stop.
        function(decode(context, adapter.context), NDIS_SHUTDOWN_ACTION.NdisShutdownBugCheck)


def _query(context: Context, handle: int, adapter: Any, state: NDIS_DEVICE_POWER_STATE) -> int:
    """May the device go there?  Who asked tells that it stays where it is, when it may not."""
    status = event_above(context, handle, power_event(_EVENT.NetEventQueryPower, state))
    if status != NDIS_STATUS_SUCCESS:
        stays = NDIS_DEVICE_POWER_STATE(adapter.power_state or WORKING)
        event_above(context, handle, power_event(_EVENT.NetEventSetPower, stays))
        warn(context, f"{text_of(adapter.name)} stays in {stays.name}: NetEventQueryPower got {status_name(status)}")
    return status


def _sleep(context: Context, handle: int, adapter: Any, state: NDIS_DEVICE_POWER_STATE) -> int:
    if not sleeps(adapter):
        status = _query(context, handle, adapter, state)
        if status != NDIS_STATUS_SUCCESS:
            return status
    event_above(context, handle, power_event(_EVENT.NetEventSetPower, state))
    if adapter.state == AdapterState.RUNNING and not _goes_on(context, handle, adapter):
        pause_stack(context, handle, adapter, NDIS_PAUSE_LOW_POWER)
        adapter.paused_for_power = 1
    status = _set_power(context, handle, adapter, state)
    if status != NDIS_STATUS_SUCCESS:
        # It must not fail; who says NDIS_STATUS_NOT_ACCEPTED is being reset, and goes on as it was.
        warn(context, f"{text_of(adapter.name)} did not go to {state.name}: {status_name(status)}")
        _go_on(context, handle, adapter)
        stays = NDIS_DEVICE_POWER_STATE(adapter.power_state or WORKING)
        event_above(context, handle, power_event(_EVENT.NetEventSetPower, stays))
        return status
    if state == NDIS_DEVICE_POWER_STATE.NdisDeviceStateD3:
        check_asleep(context, handle)
    adapter.power_state = state
    publish_change(context, adapter)
    return NDIS_STATUS_SUCCESS


def _wake(context: Context, handle: int, adapter: Any) -> int:
    status = _set_power(context, handle, adapter, WORKING)
    if status != NDIS_STATUS_SUCCESS:
        warn(context, f"{text_of(adapter.name)} did not wake up ({status_name(status)}); it is removed")
        fail_adapter(context, adapter)
        return status
    adapter.power_state = WORKING
    publish_change(context, adapter)
    status = NDIS_STATUS(_go_on(context, handle, adapter))
    if find_adapter(context, adapter.number) is not None:
        event_above(context, handle, power_event(_EVENT.NetEventSetPower, WORKING))
    return status


def _go_on(context: Context, handle: int, adapter: Any) -> int:
    """Restart a stack that was paused for the sake of power."""
    if not adapter.paused_for_power:
        return NDIS_STATUS_SUCCESS
    adapter.paused_for_power = 0
    return restart_stack(context, handle, adapter)


def _goes_on(context: Context, handle: int, adapter: Any) -> bool:
    """Does the stack stay as it is?  The miniport has to say so, and all drivers above have to know of it."""
    if not adapter.attribute_flags & NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND:
        return False
    above = [protocol_of(context, binding) for _, binding in bindings_of(context, handle)]
    above += [filter_modules.driver_of(context, module) for _, module in filter_modules.modules_of(context, handle)]
    return all(driver is not None and driver.minor_version >= NO_PAUSE_MINOR for driver in above)


def _set_power(context: Context, handle: int, adapter: Any, state: NDIS_DEVICE_POWER_STATE) -> NDIS_STATUS:
    content = state.to_bytes(ULONG_BYTES, "little")
    answered = own_requests.ask(context, handle, adapter, oid_answers.SET, OID_PNP_SET_POWER, content)
    return NDIS_STATUS(answered.status)


def _halt_for_power(context: Context, handle: int, adapter: Any, state: NDIS_DEVICE_POWER_STATE) -> int:
    """A miniport that knows nothing of power is halted, and started again when the power is back."""
    number = adapter.number
    status = _query(context, handle, adapter, state)
    if status != NDIS_STATUS_SUCCESS:
        return status
    event_above(context, handle, power_event(_EVENT.NetEventSetPower, state))
    status = stop_adapter(context, number, NDIS_HALT_ACTION.NdisHaltDevicePoweredDown)
    if status == NDIS_STATUS_SUCCESS:
        context.machine.arena.machine.halted_for_power |= 1 << number
    return status


def _start_again(context: Context, number: int) -> int:
    head = context.machine.arena.machine
    if not head.halted_for_power >> number & 1:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    head.halted_for_power &= ~(1 << number)
    return start_adapter(context, number)
