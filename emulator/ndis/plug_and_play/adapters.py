"""The miniport adapter as NDIS keeps it: finding it, its states, its attributes.

Law: a state changes only by a row of the state machine, under the STACKS lock, and each change gets a new epoch.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.lanes import unclaim, wake_lane
from emulator.kernel.objects import handle_in_words
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.kernel.stop import stop
from emulator.kernel.waits import look_until
from emulator.layout.handles import HandleKind, a_kind
from emulator.layout.machine import ContextKind, SlotState, SystemLock
from emulator.ndis.absent import not_implemented
from emulator.ndis.control_path.receive_scaling import capabilities_fault
from emulator.ndis.control_path.remembered import as_bytes, forget_all, remember
from emulator.ndis.devices.device_objects import delete
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.constants import NDIS_MINIPORT_ATTRIBUTES_CONTROLS_DEFAULT_PORT
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.object_header import NDIS_OBJECT_TYPE_OFFLOAD
from emulator.ndis.headers.oids import (
    OID_GEN_RECEIVE_SCALE_CAPABILITIES,
    OID_GEN_SUPPORTED_LIST,
    OID_PM_CURRENT_CAPABILITIES,
    OID_PM_HARDWARE_CAPABILITIES,
    OID_TCP_OFFLOAD_CURRENT_CONFIG,
    OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
    oid_name,
)
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import structure_fault
from emulator.ndis.headers.structures_miniport import (
    NDIS_MINIPORT_ADAPTER_ATTRIBUTES,
    NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
    NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
    NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
    NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
)
from emulator.ndis.services import interfaces
from emulator.rules.errors import EmulatorError
from emulator.rules.irql import AT_PASSIVE
from emulator.rules.states import (
    ADAPTER,
    BINDING,
    AdapterEvent,
    AdapterState,
    BindingEvent,
    E,
    Machine,
    S,
    next_state,
)

if TYPE_CHECKING:
    from emulator.kernel.context import Context

REGISTRATION_SET, GENERAL_SET = 1, 2
OID_BYTES: Final = 4


def adapter_of(context: Context, handle: int | None, ddi_name: str = "") -> Any:
    """The record of a live adapter handle; 0x7C/0x21 for anything else."""
    return object_of(context, handle, HandleKind.ADAPTER, ddi_name)


def object_of(context: Context, handle: int | None, kind: HandleKind, ddi_name: str = "") -> Any:
    """The record of a live handle of a kind; 0x7C/0x21 for anything else."""
    record = context.machine.objects[kind].find(handle, kind)
    if record is None:
        wrong_handle(handle, kind, ddi_name)
    return record


def adapter_handle(context: Context, adapter: Any) -> int:
    """The handle of a live adapter's record, for a stop; 0 when it is none."""
    for handle, record in context.machine.objects[HandleKind.ADAPTER].live():
        if record.number == adapter.number:
            return handle
    return 0


def wrong_handle(handle: int | None, wanted: HandleKind, ddi_name: str = "") -> None:
    """0x7C/0x21 INVALID_OBJECT_HEADER: what was given is not a live handle of the kind that is needed (our choice)."""
    found = handle_in_words(current.context.machine.objects, handle)
    stop(
        0x7C,
        0x21,
        handle or 0,
        wanted,
        text=f"{ddi_name or 'NDIS'} needs {a_kind(wanted)}; what was given is {found}.",
        ddi=ddi_name,
    )


def move_adapter(context: Context, adapter: Any, event: AdapterEvent) -> None:
    """Take one row of the adapter's state machine and publish it."""
    move(context, adapter, adapter, ADAPTER, event)


def move_binding(context: Context, adapter: Any, binding: Any, event: BindingEvent) -> None:
    """Take one row of a binding's state machine and publish it."""
    move(context, adapter, binding, BINDING, event)


def move(context: Context, adapter: Any, record: Any, machine: Machine[S, E], event: E) -> None:
    """Take one row of the state machine of one of an adapter's records and publish it."""
    state = machine.states(record.state)
    following = next_state(machine, state, event)
    if following is None:
        raise EmulatorError(f"{machine.name}, adapter {adapter.number}: {event.name} in state {state.name}")
    publish_change(context, adapter, record, following)


def publish_change(context: Context, adapter: Any, record: Any = None, state: int | None = None) -> int:
    """Give the adapter's stack a new epoch, with a new state of one of its records; the epoch."""
    platform = context.platform
    now = platform.now()
    platform.acquire(SystemLock.STACKS)
    if state is not None:
        record.state = state
        record.moved = now
    adapter.epoch = epoch = context.machine.new_epoch()
    platform.release(SystemLock.STACKS)
    context.machine.services.round(context)
    return epoch


def wait_for_acknowledgement(context: Context) -> None:
    """Wait at PASSIVE_LEVEL until every other context has seen the last change, or sleeps (it looks when it wakes)."""
    arena = context.machine.arena
    epoch = arena.machine.epoch

    def acknowledged() -> bool:
        return all(
            slot.epoch >= epoch or arena.sleeping[number] or slot.state != SlotState.RUNNING
            for number, slot in enumerate(arena.slots)
            if number not in (0, 1, context.slot)
        )

    look_until(context, acknowledged)  # a busy context acknowledges in its next round, which rings nobody


def complete(context: Context, record: Any, field: str, value: int) -> None:
    """Write the answer that the PnP thread waits for, and wake it."""
    setattr(record, field, value)
    context.platform.fence()
    wake_lane(context, ContextKind.PNP)


def disclaim(context: Context, handle: int, adapter: Any) -> None:
    """What a PnP thread has claimed an adapter for is done; the record of one that is gone was given free with it."""
    if context.machine.objects[HandleKind.ADAPTER].find(handle, HandleKind.ADAPTER) is not None:
        adapter.wisher = 0
        unclaim(context, adapter)
    else:
        wake_lane(context, ContextKind.PNP)


def sleeps(adapter: Any) -> bool:
    """Is the device in a low-power state?  NdisDeviceStateD0 is 1, and 0 before anybody has set one."""
    return bool(adapter.power_state > 1)


def text_of(stored: bytes) -> str:
    """A name as it lies in a record."""
    return stored.rstrip(b"\0").decode()


@ddi(
    irql=AT_PASSIVE,
    callers=MINIPORT,
    rules=("Irql_Miniport_Driver_Function", "NdisMRegisterIoPortRange"),
)
def NdisMSetMiniportAttributes(
    NdisMiniportHandle: AdapterHandle, MiniportAttributes: NDIS_MINIPORT_ADAPTER_ATTRIBUTES, /
) -> NDIS_STATUS:
    """Tell NDIS about the adapter, inside MiniportInitializeEx: registration attributes first, then the others.

    Inside MiniportAddDevice: the context of the device.

    INVALID_PARAMETER for a wrong header or a value that NDIS cannot take (the log says which), FAILURE outside
    MiniportInitializeEx or in the wrong order, RESOURCES without memory.
    """
    context = current.context
    adapter = adapter_of(context, NdisMiniportHandle, "NdisMSetMiniportAttributes")
    given = MiniportAttributes
    if isinstance(given, NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES):
        return _set_added(context, adapter, given)
    if adapter.state != AdapterState.INITIALIZING:
        return _refused(context, "attributes are set inside MiniportInitializeEx", NDIS_STATUS_FAILURE)
    if not isinstance(given, NDIS_MINIPORT_ADAPTER_ATTRIBUTES):
        not_implemented("NdisMSetMiniportAttributes", type(given).__name__)
    fault = structure_fault(given)
    if fault is not None:
        return _refused(context, fault, NDIS_STATUS_INVALID_PARAMETER)
    if isinstance(given, NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES):
        if adapter.attributes_set & REGISTRATION_SET:
            return _refused(context, "the registration attributes have been set", NDIS_STATUS_FAILURE)
        adapter.context = encode(context, given.MiniportAdapterContext)
        adapter.attribute_flags = given.AttributeFlags
        adapter.default_port = not given.AttributeFlags & NDIS_MINIPORT_ATTRIBUTES_CONTROLS_DEFAULT_PORT
        adapter.hang_interval = given.CheckForHangTimeInSeconds
        adapter.attributes_set |= REGISTRATION_SET
        publish_change(context, adapter)
        return NDIS_STATUS_SUCCESS
    if not adapter.attributes_set & REGISTRATION_SET:
        return _refused(context, "the registration attributes come first", NDIS_STATUS_FAILURE)
    if isinstance(given, NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES):
        return _set_offload(context, adapter, given)
    return _set_general(context, adapter, given)


def _set_added(context: Context, adapter: Any, given: NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES) -> NDIS_STATUS:
    if adapter.state != AdapterState.HALTED:
        return _refused(context, "these attributes are set inside MiniportAddDevice", NDIS_STATUS_FAILURE)
    fault = structure_fault(given)
    if fault is not None:
        return _refused(context, fault, NDIS_STATUS_INVALID_PARAMETER)
    adapter.added = encode(context, given.MiniportAddDeviceContext)
    return NDIS_STATUS_SUCCESS


def _set_offload(context: Context, adapter: Any, given: NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES) -> NDIS_STATUS:
    for name, oid in (
        ("DefaultOffloadConfiguration", OID_TCP_OFFLOAD_CURRENT_CONFIG),
        ("HardwareOffloadCapabilities", OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES),
    ):
        value = getattr(given, name)
        content = as_bytes(value) if value is not None else b""
        if content[:1] not in (b"", bytes([NDIS_OBJECT_TYPE_OFFLOAD])):
            return _refused(context, f"{name} is no NDIS_OFFLOAD", NDIS_STATUS_INVALID_PARAMETER)
        if content and not remember(context, adapter, oid, content):
            return _refused(context, f"there is no memory for the answer to {oid_name(oid)}", NDIS_STATUS_RESOURCES)
    return NDIS_STATUS_SUCCESS


def _set_general(context: Context, adapter: Any, given: NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES) -> NDIS_STATUS:
    for name in ("PermanentMacAddress", "CurrentMacAddress"):
        address = getattr(given, name)
        if given.MacAddressLength != 6 or len(address) < 6 or address[0] & 1:
            return _refused(context, f"{name} is no unicast Ethernet address", NDIS_STATUS_INVALID_PARAMETER)
    if given.MediaType != 0:
        return _refused(context, "MediaType is not NdisMedium802_3", NDIS_STATUS_INVALID_PARAMETER)
    if not given.MtuSize:
        return _refused(context, "MtuSize is 0", NDIS_STATUS_INVALID_PARAMETER)
    oids = tuple(given.SupportedOidList)
    if given.SupportedOidListLength != len(oids) * OID_BYTES:
        why = f"SupportedOidListLength is {given.SupportedOidListLength}, and SupportedOidList has {len(oids)} OIDs"
        return _refused(context, why, NDIS_STATUS_INVALID_PARAMETER)
    scaling = as_bytes(given.RecvScaleCapabilities) if given.RecvScaleCapabilities is not None else None
    fault = capabilities_fault(scaling) if scaling is not None else None
    if fault is not None:
        return _refused(context, fault, NDIS_STATUS_INVALID_PARAMETER)
    if not remember(context, adapter, OID_GEN_SUPPORTED_LIST, struct.pack(f"<{len(oids)}I", *oids)):
        return _refused(context, "there is no memory for SupportedOidList", NDIS_STATUS_RESOURCES)
    for oid, value in (
        (OID_GEN_RECEIVE_SCALE_CAPABILITIES, scaling),
        (OID_PM_HARDWARE_CAPABILITIES, given.PowerManagementCapabilitiesEx),
        (OID_PM_CURRENT_CAPABILITIES, given.PowerManagementCapabilitiesEx),
    ):
        if value is not None and not remember(context, adapter, oid, as_bytes(value)):
            return _refused(context, f"there is no memory for the answer to {oid_name(oid)}", NDIS_STATUS_RESOURCES)
    adapter.mtu = given.MtuSize
    adapter.lookahead = given.LookaheadSize
    adapter.mac_options = given.MacOptions
    adapter.packet_filters_supported = given.SupportedPacketFilters
    adapter.maximum_multicast = given.MaxMulticastListSize
    adapter.media_connect_state = given.MediaConnectState
    adapter.duplex = given.MediaDuplexState
    adapter.transmit_speed, adapter.receive_speed = given.XmitLinkSpeed, given.RcvLinkSpeed
    adapter.maximum_transmit_speed, adapter.maximum_receive_speed = given.MaxXmitLinkSpeed, given.MaxRcvLinkSpeed
    adapter.physical_medium = given.PhysicalMediumType
    adapter.access, adapter.direction = given.AccessType, given.DirectionType
    adapter.connection, adapter.interface_type = given.ConnectionType, given.IfType
    adapter.connector = bool(given.IfConnectorPresent)
    adapter.data_back_fill, adapter.context_back_fill = given.DataBackFillSize, given.ContextBackFillSize
    adapter.pause_functions, adapter.automatic = given.SupportedPauseFunctions, given.AutoNegotiationFlags
    adapter.statistics_supported = given.SupportedStatistics
    adapter.permanent_address = bytes(given.PermanentMacAddress[:6])
    adapter.current_address = bytes(given.CurrentMacAddress[:6])
    capabilities = given.PowerManagementCapabilities, given.PowerManagementCapabilitiesEx
    adapter.power_aware = capabilities != (None, None)
    adapter.attributes_set |= GENERAL_SET
    publish_change(context, adapter)
    return NDIS_STATUS_SUCCESS


def free_adapter(context: Context, handle: int, adapter: Any) -> None:
    """The adapter is no more; with it goes what NDIS itself kept for it."""
    forget_all(context, adapter)
    adapter.virtual = adapter.wish = adapter.wisher = adapter.claimed = 0
    interfaces.remove(context, adapter.interface)
    for device in (adapter.physical_device, adapter.functional_device):
        if device:
            delete(context, decode(context, device))
    adapter.physical_device = adapter.functional_device = 0
    context.machine.objects[HandleKind.ADAPTER].free(handle, site=0)


def _refused(context: Context, why: str, status: NDIS_STATUS) -> NDIS_STATUS:
    tell_refusal(context, "NdisMSetMiniportAttributes", why)
    return status


__all__ = ["NdisMSetMiniportAttributes"]
