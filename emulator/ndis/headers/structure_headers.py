"""What the header of each structure must say, and the check that compares.

Law: the check is data. A header is plain values that the driver fills, and nothing here fills one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from emulator.ndis.headers import object_header as values

# Minor versions of NDIS 6 that characteristics may name.
MINOR_VERSIONS: Final = (0, 1, 20, 30, 40, 50, 51, 60, 70, 80, 81, 82, 83, 84, 85, 86, 87)


class StructureHeader(NamedTuple):
    """What the header of a structure must say: its type, and for each revision the size."""

    object_type: int
    sizes: dict[int, int]


STRUCTURE_HEADERS: Final[dict[str, StructureHeader]] = {
    "NDIS_MINIPORT_DRIVER_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
        {
            1: values.NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1,
            2: values.NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
            3: values.NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_3,
        },
    ),
    "NDIS_PROTOCOL_DRIVER_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS,
        {
            1: values.NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_1,
            2: values.NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
        },
    ),
    "NDIS_FILTER_DRIVER_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_FILTER_DRIVER_CHARACTERISTICS,
        {
            1: values.NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_1,
            2: values.NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_2,
            3: values.NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_3,
        },
    ),
    "NDIS_FILTER_PARTIAL_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_FILTER_PARTIAL_CHARACTERISTICS,
        {1: values.NDIS_SIZEOF_FILTER_PARTIAL_CHARACTERISTICS_REVISION_1},
    ),
    "NDIS_MINIPORT_PNP_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_PNP_CHARACTERISTICS,
        {1: values.NDIS_SIZEOF_MINIPORT_PNP_CHARACTERISTICS_REVISION_1},
    ),
    "NDIS_MINIPORT_SS_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_SS_CHARACTERISTICS,
        {1: values.NDIS_SIZEOF_MINIPORT_SS_CHARACTERISTICS_REVISION_1},
    ),
    "NDIS_PM_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: 16, 2: values.NDIS_SIZEOF_NDIS_PM_PARAMETERS_REVISION_2}
    ),
    "NDIS_PM_CAPABILITIES": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: 52, 2: values.NDIS_SIZEOF_NDIS_PM_CAPABILITIES_REVISION_2}
    ),
    "NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
        {1: values.NDIS_SIZEOF_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES_REVISION_1},
    ),
    "NDIS_IF_PROVIDER_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_IF_PROVIDER_CHARACTERISTICS_REVISION_1}
    ),
    "NET_IF_INFORMATION": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_NET_IF_INFORMATION_REVISION_1}
    ),
    "NDIS_FILTER_ATTRIBUTES": StructureHeader(
        values.NDIS_OBJECT_TYPE_FILTER_ATTRIBUTES, {1: values.NDIS_SIZEOF_FILTER_ATTRIBUTES_REVISION_1}
    ),
    "NDIS_FILTER_ATTACH_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_FILTER_ATTACH_PARAMETERS, {1: values.NDIS_SIZEOF_FILTER_ATTACH_PARAMETERS_REVISION_1}
    ),
    "NDIS_FILTER_PAUSE_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_FILTER_PAUSE_PARAMETERS, {1: values.NDIS_SIZEOF_FILTER_PAUSE_PARAMETERS_REVISION_1}
    ),
    "NDIS_FILTER_RESTART_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_FILTER_RESTART_PARAMETERS,
        {1: values.NDIS_SIZEOF_FILTER_RESTART_PARAMETERS_REVISION_1},
    ),
    "NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
        {
            1: values.NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
            2: values.NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_2,
        },
    ),
    "NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
        {
            1: values.NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1,
            2: values.NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
        },
    ),
    "NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
        {1: values.NDIS_SIZEOF_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES_REVISION_1},
    ),
    "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
        {1: values.NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1},
    ),
    "NDIS_PORT_ARRAY": StructureHeader(values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_PORT_ARRAY_REVISION_1}),
    "NDIS_PORT_STATE": StructureHeader(
        values.NDIS_OBJECT_TYPE_PORT_STATE, {1: values.NDIS_SIZEOF_PORT_STATE_REVISION_1}
    ),
    "NDIS_PORT_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_PORT_CHARACTERISTICS, {1: values.NDIS_SIZEOF_PORT_CHARACTERISTICS_REVISION_1}
    ),
    "NDIS_SG_DMA_DESCRIPTION": StructureHeader(
        values.NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION, {1: values.NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1}
    ),
    "NDIS_SCATTER_GATHER_LIST_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_SCATTER_GATHER_LIST_PARAMETERS_REVISION_1}
    ),
    "NDIS_MINIPORT_INIT_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_MINIPORT_INIT_PARAMETERS, {1: values.NDIS_SIZEOF_MINIPORT_INIT_PARAMETER_REVISION_1}
    ),
    "NDIS_MINIPORT_PAUSE_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_MINIPORT_PAUSE_PARAMETERS_REVISION_1}
    ),
    "NDIS_MINIPORT_RESTART_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_MINIPORT_RESTART_PARAMETERS_REVISION_1}
    ),
    "NDIS_PROTOCOL_PAUSE_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_PROTOCOL_PAUSE_PARAMETERS_REVISION_1}
    ),
    "NDIS_PROTOCOL_RESTART_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_PROTOCOL_RESTART_PARAMETERS,
        {1: values.NDIS_SIZEOF_PROTOCOL_RESTART_PARAMETERS_REVISION_1},
    ),
    "NDIS_BIND_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_BIND_PARAMETERS,
        {
            1: values.NDIS_SIZEOF_BIND_PARAMETERS_REVISION_1,
            2: values.NDIS_SIZEOF_BIND_PARAMETERS_REVISION_2,
            3: values.NDIS_SIZEOF_BIND_PARAMETERS_REVISION_3,
            4: values.NDIS_SIZEOF_BIND_PARAMETERS_REVISION_4,
        },
    ),
    "NDIS_OPEN_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_OPEN_PARAMETERS, {1: values.NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1}
    ),
    "NET_PNP_EVENT_NOTIFICATION": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT,
        {
            1: values.NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_1,
            2: values.NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_2,
        },
    ),
    "NDIS_DEVICE_OBJECT_ATTRIBUTES": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEVICE_OBJECT_ATTRIBUTES, {1: values.NDIS_SIZEOF_DEVICE_OBJECT_ATTRIBUTES_REVISION_1}
    ),
    "NET_DEVICE_PNP_EVENT": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_NET_DEVICE_PNP_EVENT_REVISION_1}
    ),
    "NDIS_STATUS_INDICATION": StructureHeader(
        values.NDIS_OBJECT_TYPE_STATUS_INDICATION, {1: values.NDIS_SIZEOF_STATUS_INDICATION_REVISION_1}
    ),
    "NDIS_OID_REQUEST": StructureHeader(
        values.NDIS_OBJECT_TYPE_OID_REQUEST,
        {1: values.NDIS_SIZEOF_OID_REQUEST_REVISION_1, 2: values.NDIS_SIZEOF_OID_REQUEST_REVISION_2},
    ),
    "NDIS_TIMER_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_TIMER_CHARACTERISTICS, {1: values.NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1}
    ),
    "NDIS_CONFIGURATION_OBJECT": StructureHeader(
        values.NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT, {1: values.NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1}
    ),
    "NET_BUFFER_LIST_POOL_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT,
        {
            1: values.NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
            2: values.NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_2,
        },
    ),
    "NET_BUFFER_POOL_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT,
        {
            1: values.NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1,
            2: values.NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_2,
        },
    ),
    "NDIS_LINK_STATE": StructureHeader(values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_LINK_STATE_REVISION_1}),
    "NDIS_STATISTICS_INFO": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_STATISTICS_INFO_REVISION_1}
    ),
    "NDIS_INTERRUPT_MODERATION_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1}
    ),
    "NDIS_POLL_CHARACTERISTICS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_NDIS_POLL_CHARACTERISTICS_REVISION_1}
    ),
    "NDIS_POLL_DATA": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_NDIS_POLL_DATA_REVISION_1}
    ),
    "NDIS_POLL_NOTIFICATION": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_NDIS_POLL_NOTIFICATION_REVISION_1}
    ),
    "NDIS_RECEIVE_SCALE_CAPABILITIES": StructureHeader(
        values.NDIS_OBJECT_TYPE_RSS_CAPABILITIES,
        {
            1: values.NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_1,
            2: values.NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_2,
            3: values.NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_3,
        },
    ),
    "NDIS_RECEIVE_SCALE_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_RSS_PARAMETERS,
        {
            1: values.NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1,
            2: values.NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2,
            3: values.NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_3,
        },
    ),
    "NDIS_RECEIVE_HASH_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_RECEIVE_HASH_PARAMETERS_REVISION_1}
    ),
    "NDIS_MSIX_CONFIG_PARAMETERS": StructureHeader(
        values.NDIS_OBJECT_TYPE_DEFAULT, {1: values.NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1}
    ),
}


def header_fault(structure: str, object_type: int, revision: int, size: int) -> str | None:
    """Say what is wrong with a header, or None where nothing is.

    A size beyond that of its revision passes: Microsoft's own pages fill sizeof(the structure) into some headers, which
    the padding at the end, or a later version of the header file, makes larger than the revision's constant.
    """
    expected = STRUCTURE_HEADERS[structure]
    if object_type != expected.object_type:
        wanted = f"0x{expected.object_type:02X}{_in_brackets(type_constant(expected.object_type))}"
        return f"Header.Type of {structure} is 0x{object_type:02X}, not {wanted}"
    smallest = expected.sizes.get(revision)
    if smallest is None:
        known = ", ".join(str(number) for number in expected.sizes)
        return f"Header.Revision of {structure} is {revision}; there is {known}"
    if size < smallest:
        constant = _in_brackets(size_constant(structure, revision))
        return f"Header.Size of {structure} is {size}; revision {revision} has {smallest}{constant}"
    return None


def type_constant(object_type: int) -> str:
    """What a Header.Type is called: NDIS_OBJECT_TYPE_..."""
    names = (name for name in vars(values) if name.startswith("NDIS_OBJECT_TYPE_"))
    return next((name for name in names if getattr(values, name) == object_type), "")


def size_constant(structure: str, revision: int) -> str:
    """What the Header.Size of a revision is called; empty where Microsoft has no such constant."""
    names = (f"NDIS_SIZEOF_{stem}_REVISION_{revision}" for stem in (structure.removeprefix("NDIS_"), structure))
    return next((name for name in names if hasattr(values, name)), "")


def _in_brackets(constant: str) -> str:
    return f" ({constant})" if constant else ""
