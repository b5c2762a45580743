"""NDIS ports: allocated and activated by a miniport, told to the drivers above, and given back.

Law: port 0 is the default port, active unless the miniport controls it, and without it nobody is bound to the adapter;
another is used only while it is active.  The stacks are compiled with the ports of their adapter, so a frame of the
default port costs no look at them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.lanes import wake_lane
from emulator.kernel.platform import current
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.gates.ddi import INTERMEDIATE, MINIPORT, ddi
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.headers.constants import NDIS_DEFAULT_PORT_NUMBER, NDIS_MINIPORT_ATTRIBUTES_CONTROLS_DEFAULT_PORT
from emulator.ndis.headers.enumerations import NDIS_PORT_CONTROL_STATE, NDIS_PORT_TYPE, NET_PNP_EVENT_CODE
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_CLOSING,
    NDIS_STATUS_INVALID_DATA,
    NDIS_STATUS_INVALID_PORT,
    NDIS_STATUS_INVALID_PORT_STATE,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import header_of
from emulator.ndis.headers.structures_port import NDIS_PORT, NDIS_PORT_CHARACTERISTICS
from emulator.ndis.plug_and_play.adapters import REGISTRATION_SET, adapter_of, publish_change
from emulator.ndis.plug_and_play.registration import registrations
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures_common import NET_PNP_EVENT
    from emulator.ndis.headers.structures_port import NDIS_PORT_STATE

_PORT: Final = HandleKind.PORT
ALLOCATED, ACTIVE = 1, 2
_LAST_PORT: Final = 0xFF_FFFF
_KEPT: Final = (
    ("Flags", "flags"),
    ("Type", "kind"),
    ("MediaConnectState", "media_connect_state"),
    ("XmitLinkSpeed", "transmit_speed"),
    ("RcvLinkSpeed", "receive_speed"),
    ("Direction", "direction"),
    ("SendControlState", "send_control"),
    ("RcvControlState", "receive_control"),
    ("SendAuthorizationState", "send_authorization"),
    ("RcvAuthorizationState", "receive_authorization"),
)
"""Members of NDIS_PORT_CHARACTERISTICS, and where the record of a port keeps them."""
MEMBERS_OF_STATE: Final = tuple(member for member, _ in _KEPT[2:])
"""Those that NDIS_PORT_STATE has too."""


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | INTERMEDIATE, acquires="NDIS port")
def NdisMAllocatePort(
    NdisMiniportHandle: AdapterHandle, PortCharacteristics: NDIS_PORT_CHARACTERISTICS, /
) -> NDIS_STATUS:
    """Allocate a port, whose number NDIS writes into the characteristics; NetEventPortActivation makes it active.

    INVALID_DATA for a wrong header and before the registration attributes are set, CLOSING when the adapter is halted,
    RESOURCES when there are no more.
    """
    context = current.context
    adapter = adapter_of(context, NdisMiniportHandle, "NdisMAllocatePort")
    given = PortCharacteristics
    if adapter.state == AdapterState.HALTED or adapter.surprise_removed:
        return NDIS_STATUS_CLOSING
    if header_refused(context, "NdisMAllocatePort", given) or not adapter.attributes_set & REGISTRATION_SET:
        return NDIS_STATUS_INVALID_DATA
    made = context.machine.objects[_PORT].allocate(
        _PORT, driver=context.driver, parent=NdisMiniportHandle, site=context.site
    )
    if made is None:
        return NDIS_STATUS_RESOURCES
    _, record = made
    record.number = 0
    for member, kept in _KEPT:
        setattr(record, kept, getattr(given, member))
    context.platform.acquire(SystemLock.STACKS)
    used = {port.number for port in _ports(context, NdisMiniportHandle)}
    record.number = given.PortNumber = next(number for number in range(1, _LAST_PORT) if number not in used)
    record.state = ALLOCATED
    context.platform.release(SystemLock.STACKS)
    publish_change(context, adapter)
    return NDIS_STATUS_SUCCESS


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT | INTERMEDIATE,
    rules=("Irql_Miniport_Driver_Function",),
    releases="NDIS port",
)
def NdisMFreePort(NdisMiniportHandle: AdapterHandle, PortNumber: int, /) -> NDIS_STATUS:
    """Free a port that is not active, before MiniportHaltEx returns.

    INVALID_PORT for the default port and one that is not allocated, INVALID_PORT_STATE for one that is active.
    """
    context = current.context
    adapter = adapter_of(context, NdisMiniportHandle, "NdisMFreePort")
    for handle, port in context.machine.objects[_PORT].live():
        if port.head.parent == NdisMiniportHandle and port.number == PortNumber:
            if port.state == ACTIVE:
                return NDIS_STATUS_INVALID_PORT_STATE
            context.machine.objects[_PORT].free(handle, site=context.site)
            publish_change(context, adapter)
            return NDIS_STATUS_SUCCESS
    return NDIS_STATUS_INVALID_PORT


def switch_ports(context: Context, handle: int, adapter: Any, event: NET_PNP_EVENT) -> NDIS_STATUS:
    """Take a miniport's NetEventPortActivation or NetEventPortDeactivation: the ports change, all of them or none.

    Drivers above are told by the caller: of an activation afterwards, of a deactivation before.
    """
    becomes_active = event.NetEvent == NET_PNP_EVENT_CODE.NetEventPortActivation
    numbers = list(_numbers(event.Buffer)) if becomes_active else list(event.Buffer or ())
    if numbers == [NDIS_DEFAULT_PORT_NUMBER]:
        return _switch_default_port(context, handle, adapter, becomes_active)
    before, after = (ALLOCATED, ACTIVE) if becomes_active else (ACTIVE, ALLOCATED)
    by_number = {port.number: port for port in _ports(context, handle)}
    if not numbers or any(number not in by_number for number in numbers):
        return NDIS_STATUS_INVALID_PORT
    if any(by_number[number].state != before for number in numbers):
        return NDIS_STATUS_INVALID_PORT_STATE
    for number in numbers:
        by_number[number].state = after
    publish_change(context, adapter)
    return NDIS_STATUS_SUCCESS


def _switch_default_port(context: Context, handle: int, adapter: Any, active: bool) -> NDIS_STATUS:
    """With the default port come and go the bindings, in a PnP thread."""
    if bool(adapter.default_port) == active:
        return NDIS_STATUS_INVALID_PORT_STATE
    if not adapter.attribute_flags & NDIS_MINIPORT_ATTRIBUTES_CONTROLS_DEFAULT_PORT:
        return NDIS_STATUS_INVALID_PORT
    adapter.default_port = active
    # An adapter that is being initialized is bound, or not, when it is done.
    if adapter.state != AdapterState.INITIALIZING:
        objects = context.machine.objects
        for _, driver in registrations(context, HandleKind.PROTOCOL_DRIVER) if active else ():
            driver.wanted_adapters |= 1 << (handle & INDEX_MASK)
        for _, binding in objects[HandleKind.BINDING].live():
            if binding.head.parent == handle and not active:
                binding.unbind_wanted = 1
        context.platform.fence()
        wake_lane(context, ContextKind.PNP)
    return NDIS_STATUS_SUCCESS


def ports_of(context: Context, handle: int) -> dict[int, bool]:
    """The ports of an adapter beside the default one, by number: is it active?"""
    return {port.number: port.state == ACTIVE for port in _ports(context, handle)}


def refusal(ports: dict[int, bool], number: int) -> NDIS_STATUS:
    """Why a port may not be used; SUCCESS when it may."""
    if number == NDIS_DEFAULT_PORT_NUMBER or ports.get(number):
        return NDIS_STATUS_SUCCESS
    return NDIS_STATUS_INVALID_PORT_STATE if number in ports else NDIS_STATUS_INVALID_PORT


def refused(context: Context, handle: int, number: int) -> NDIS_STATUS:
    """Why a port of an adapter may not be used; SUCCESS when it may."""
    return refusal(ports_of(context, handle) if number else {}, number)


def active_ports(context: Context, handle: int) -> list[NDIS_PORT_CHARACTERISTICS]:
    """The active ports of an adapter beside the default one."""
    return [
        NDIS_PORT_CHARACTERISTICS(
            Header=header_of("NDIS_PORT_CHARACTERISTICS", 1),
            PortNumber=port.number,
            **{member: getattr(port, kept) for member, kept in _KEPT},
        )
        for port in _ports(context, handle)
        if port.state == ACTIVE
    ]


def listed(ports: Iterable[NDIS_PORT_CHARACTERISTICS]) -> NDIS_PORT | None:
    """Ports as a linked list, for a protocol that binds to their adapter."""
    first: NDIS_PORT | None = None
    for port in reversed(list(ports)):
        first = NDIS_PORT(Next=first, PortCharacteristics=port)
    return first


def default_port(adapter: Any) -> NDIS_PORT_CHARACTERISTICS:
    """The default port of an adapter: its link is the adapter's, and nobody needs to be authorised."""
    return NDIS_PORT_CHARACTERISTICS(
        Header=header_of("NDIS_PORT_CHARACTERISTICS", 1),
        Type=NDIS_PORT_TYPE.NdisPortTypeUndefined,
        MediaConnectState=adapter.media_connect_state,
        XmitLinkSpeed=adapter.transmit_speed,
        RcvLinkSpeed=adapter.receive_speed,
        Direction=adapter.direction,
        SendControlState=NDIS_PORT_CONTROL_STATE.NdisPortControlStateUncontrolled,
        RcvControlState=NDIS_PORT_CONTROL_STATE.NdisPortControlStateUncontrolled,
    )


def note_state(context: Context, handle: int, number: int, state: NDIS_PORT_STATE) -> None:
    """Remember what a miniport tells of the state of one of its ports."""
    for port in _ports(context, handle):
        if port.number == number:
            for member, kept in _KEPT:
                if member in MEMBERS_OF_STATE:
                    setattr(port, kept, getattr(state, member))


def _ports(context: Context, handle: int) -> Iterator[Any]:
    for _, port in context.machine.objects[_PORT].live():
        if port.head.parent == handle and port.number:
            yield port


def _numbers(first: NDIS_PORT | None) -> Iterator[int]:
    while first is not None:
        yield first.PortCharacteristics.PortNumber
        first = first.Next


__all__ = ["NdisMAllocatePort", "NdisMFreePort"]
