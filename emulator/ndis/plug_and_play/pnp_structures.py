"""The structures that NDIS itself fills for PnP handlers, headers included.

Law: what NDIS passes has a correct header, as Microsoft's has; values come from the adapter's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import decode
from emulator.ndis.control_path.remembered import remembered
from emulator.ndis.headers.enumerations import NET_PNP_EVENT_CODE
from emulator.ndis.headers.offload_structures import NDIS_OFFLOAD
from emulator.ndis.headers.oids import OID_GEN_RECEIVE_SCALE_CAPABILITIES, OID_TCP_OFFLOAD_CURRENT_CONFIG
from emulator.ndis.headers.receive_scale_structures import NDIS_RECEIVE_SCALE_CAPABILITIES
from emulator.ndis.headers.structures_common import (
    NDIS_STATUS_INDICATION,
    NET_DEVICE_PNP_EVENT,
    NET_PNP_EVENT,
    NET_PNP_EVENT_NOTIFICATION,
    header_of,
)
from emulator.ndis.headers.structures_filter import (
    NDIS_FILTER_ATTACH_PARAMETERS,
    NDIS_FILTER_PAUSE_PARAMETERS,
    NDIS_FILTER_RESTART_PARAMETERS,
)
from emulator.ndis.headers.structures_miniport import (
    NDIS_MINIPORT_INIT_PARAMETERS,
    NDIS_MINIPORT_PAUSE_PARAMETERS,
    NDIS_MINIPORT_RESTART_PARAMETERS,
)
from emulator.ndis.headers.structures_protocol import (
    NDIS_BIND_PARAMETERS,
    NDIS_PROTOCOL_PAUSE_PARAMETERS,
    NDIS_PROTOCOL_RESTART_PARAMETERS,
)
from emulator.ndis.plug_and_play.adapters import adapter_handle, text_of
from emulator.ndis.plug_and_play.ports import active_ports, listed
from emulator.ndis.services.interfaces import below_module, bound_to, luid_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.enumerations import NDIS_DEVICE_PNP_EVENT, NDIS_DEVICE_POWER_STATE
    from emulator.ndis.headers.status import NDIS_STATUS

MAC_ADDRESS_LENGTH, ULONG_BYTES = 6, 4
PHYSICAL_MEDIUM_802_3 = 14


def init_parameters(context: Context, adapter: Any, resources: list[Any] | None) -> NDIS_MINIPORT_INIT_PARAMETERS:
    """What MiniportInitializeEx is given: resources for an adapter with hardware, the driver's context for another."""
    return NDIS_MINIPORT_INIT_PARAMETERS(
        Header=header_of("NDIS_MINIPORT_INIT_PARAMETERS", 1),
        AllocatedResources=resources,
        IMDeviceInstanceContext=decode(context, adapter.device_context),
        MiniportAddDeviceContext=decode(context, adapter.added),
        IfIndex=adapter.interface,
        NetLuid=luid_of(context, adapter.interface),
    )


def pause_parameters(reason: int) -> NDIS_MINIPORT_PAUSE_PARAMETERS:
    """What MiniportPause is given."""
    return NDIS_MINIPORT_PAUSE_PARAMETERS(Header=header_of("NDIS_MINIPORT_PAUSE_PARAMETERS", 1), PauseReason=reason)


def restart_parameters() -> NDIS_MINIPORT_RESTART_PARAMETERS:
    """What MiniportRestart is given."""
    return NDIS_MINIPORT_RESTART_PARAMETERS(Header=header_of("NDIS_MINIPORT_RESTART_PARAMETERS", 1))


def pause_event(reason: int) -> NET_PNP_EVENT_NOTIFICATION:
    """What ProtocolNetPnPEvent is given for a pause."""
    header = header_of("NDIS_PROTOCOL_PAUSE_PARAMETERS", 1)
    buffer = NDIS_PROTOCOL_PAUSE_PARAMETERS(Header=header, PauseReason=reason)
    return net_event(NET_PNP_EVENT_CODE.NetEventPause, buffer, header.Size)


def restart_event(context: Context, adapter: Any) -> NET_PNP_EVENT_NOTIFICATION:
    """What ProtocolNetPnPEvent is given for a restart."""
    header = header_of("NDIS_PROTOCOL_RESTART_PARAMETERS", 1)
    index, luid = bound_to(context, adapter)
    buffer = NDIS_PROTOCOL_RESTART_PARAMETERS(Header=header, BoundIfIndex=index, BoundIfNetluid=luid)
    return net_event(NET_PNP_EVENT_CODE.NetEventRestart, buffer, header.Size)


def power_event(code: NET_PNP_EVENT_CODE, state: NDIS_DEVICE_POWER_STATE) -> NET_PNP_EVENT_NOTIFICATION:
    """NetEventQueryPower or NetEventSetPower: the buffer is the device's power state."""
    return net_event(code, state, ULONG_BYTES)


def net_event(code: NET_PNP_EVENT_CODE, buffer: Any = None, length: int = 0) -> NET_PNP_EVENT_NOTIFICATION:
    """A network PnP event."""
    return NET_PNP_EVENT_NOTIFICATION(
        Header=header_of("NET_PNP_EVENT_NOTIFICATION", 1),
        NetPnPEvent=NET_PNP_EVENT(NetEvent=code, Buffer=buffer, BufferLength=length),
    )


def device_event(event: NDIS_DEVICE_PNP_EVENT, buffer: Any = None, length: int = 0) -> NET_DEVICE_PNP_EVENT:
    """What MiniportDevicePnPEventNotify is given."""
    return NET_DEVICE_PNP_EVENT(
        Header=header_of("NET_DEVICE_PNP_EVENT", 1),
        DevicePnPEvent=event,
        InformationBuffer=buffer,
        InformationBufferLength=length,
    )


def status_indication(handle: int, code: NDIS_STATUS) -> NDIS_STATUS_INDICATION:
    """A status of NDIS's own about an adapter, with nothing in its buffer."""
    header = header_of("NDIS_STATUS_INDICATION", 1)
    return NDIS_STATUS_INDICATION(Header=header, SourceHandle=handle, StatusCode=code)


def bind_parameters(context: Context, adapter: Any, protocol: Any) -> NDIS_BIND_PARAMETERS:
    """What ProtocolBindAdapterEx is given: the adapter as its attributes describe it."""
    top, top_luid = bound_to(context, adapter)
    name = text_of(adapter.name)
    return NDIS_BIND_PARAMETERS(
        Header=header_of("NDIS_BIND_PARAMETERS", 1),
        ProtocolSection=text_of(protocol.name),
        AdapterName=name,
        BoundAdapterName=name,
        MtuSize=adapter.mtu,
        ActivePorts=listed(active_ports(context, adapter_handle(context, adapter))),
        MaxXmitLinkSpeed=adapter.maximum_transmit_speed,
        XmitLinkSpeed=adapter.transmit_speed,
        MaxRcvLinkSpeed=adapter.maximum_receive_speed,
        RcvLinkSpeed=adapter.receive_speed,
        MediaConnectState=adapter.media_connect_state,
        MediaDuplexState=adapter.duplex,
        LookaheadSize=adapter.lookahead,
        SupportedPacketFilters=adapter.packet_filters_supported,
        MaxMulticastListSize=adapter.maximum_multicast,
        MacAddressLength=MAC_ADDRESS_LENGTH,
        CurrentMacAddress=adapter.current_address,
        MacOptions=adapter.mac_options,
        RcvScaleCapabilities=receive_scale_capabilities(context, adapter),
        DefaultOffloadConfiguration=default_offload(context, adapter),
        PhysicalMediumType=adapter.physical_medium,
        AccessType=adapter.access,
        DirectionType=adapter.direction,
        ConnectionType=adapter.connection,
        IfType=adapter.interface_type,
        IfConnectorPresent=bool(adapter.connector),
        DataBackFillSize=adapter.data_back_fill,
        ContextBackFillSize=adapter.context_back_fill,
        BoundIfIndex=top,
        BoundIfNetluid=top_luid,
        LowestIfIndex=adapter.interface,
        LowestIfNetluid=luid_of(context, adapter.interface),
    )


def default_offload(context: Context, adapter: Any) -> NDIS_OFFLOAD | None:
    """What the adapter offloads now; None for nothing."""
    told = remembered(context, adapter, OID_TCP_OFFLOAD_CURRENT_CONFIG)
    return NDIS_OFFLOAD.from_bytes(told) if told else None


def receive_scale_capabilities(context: Context, adapter: Any) -> NDIS_RECEIVE_SCALE_CAPABILITIES | None:
    """What the adapter can of receive side scaling; None for nothing."""
    told = remembered(context, adapter, OID_GEN_RECEIVE_SCALE_CAPABILITIES)
    return NDIS_RECEIVE_SCALE_CAPABILITIES.from_bytes(told) if told else None


def attach_parameters(context: Context, adapter: Any, module: Any, name: str) -> NDIS_FILTER_ATTACH_PARAMETERS:
    """What FilterAttach is given: the module's name, and the adapter as its attributes describe it."""
    base = text_of(adapter.name)
    lower = below_module(context, module)
    return NDIS_FILTER_ATTACH_PARAMETERS(
        Header=header_of("NDIS_FILTER_ATTACH_PARAMETERS", 1),
        IfIndex=module.interface,
        NetLuid=luid_of(context, module.interface),
        FilterModuleGuidName=name,
        BaseMiniportIfIndex=adapter.interface,
        BaseMiniportNetLuid=luid_of(context, adapter.interface),
        BaseMiniportInstanceName=base,
        BaseMiniportName=base,
        MediaConnectState=adapter.media_connect_state,
        MediaDuplexState=adapter.duplex,
        XmitLinkSpeed=adapter.transmit_speed,
        RcvLinkSpeed=adapter.receive_speed,
        MiniportPhysicalMediaType=PHYSICAL_MEDIUM_802_3,
        MacAddressLength=MAC_ADDRESS_LENGTH,
        CurrentMacAddress=adapter.current_address,
        DefaultOffloadConfiguration=default_offload(context, adapter),
        LowerIfIndex=lower,
        LowerIfNetLuid=luid_of(context, lower),
    )


def filter_pause_parameters(reason: int) -> NDIS_FILTER_PAUSE_PARAMETERS:
    """What FilterPause is given."""
    return NDIS_FILTER_PAUSE_PARAMETERS(Header=header_of("NDIS_FILTER_PAUSE_PARAMETERS", 1), PauseReason=reason)


def filter_restart_parameters(context: Context, module: Any) -> NDIS_FILTER_RESTART_PARAMETERS:
    """What FilterRestart is given."""
    lower = below_module(context, module)
    return NDIS_FILTER_RESTART_PARAMETERS(
        Header=header_of("NDIS_FILTER_RESTART_PARAMETERS", 1),
        MiniportPhysicalMediaType=PHYSICAL_MEDIUM_802_3,
        LowerIfIndex=lower,
        LowerIfNetLuid=luid_of(context, lower),
    )
