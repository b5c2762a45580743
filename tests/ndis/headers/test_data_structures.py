"""Structures: layouts byte by byte, headers as the table has them, and what a driver leaves out is zero."""

from __future__ import annotations

import ctypes
import inspect
from typing import Any

import msgspec
import pytest

from emulator.ndis.headers import object_header, structures
from emulator.ndis.headers.structure_headers import STRUCTURE_HEADERS, header_fault
from emulator.ndis.headers.structures import (
    NDIS_INTERRUPT_MODERATION_PARAMETERS,
    NDIS_LINK_STATE,
    NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
    NDIS_OBJECT_HEADER,
    NDIS_PROTOCOL_DRIVER_CHARACTERISTICS,
    NDIS_RECEIVE_THROTTLE_PARAMETERS,
    NDIS_STATISTICS_INFO,
    structure_fault,
)

u8, u16, u32, i32, u64, pointer = (
    ctypes.c_uint8,
    ctypes.c_uint16,
    ctypes.c_uint32,
    ctypes.c_int32,
    ctypes.c_uint64,
    ctypes.c_void_p,
)
CLASSES: list[Any] = [
    kind for _, kind in inspect.getmembers(structures, inspect.isclass) if issubclass(kind, msgspec.Struct)
]


class Header(ctypes.Structure):
    _fields_ = (("Type", u8), ("Revision", u8), ("Size", u16))


class String(ctypes.Structure):
    _fields_ = (("Length", u16), ("MaximumLength", u16), ("Buffer", pointer))


class PnPEvent(ctypes.Structure):
    _fields_ = (("NetEvent", i32), ("Buffer", pointer), ("BufferLength", u32), ("Reserved", u64 * 16))


class Guid(ctypes.Structure):
    _fields_ = (("Data1", u32), ("Data2", u16), ("Data3", u16), ("Data4", u8 * 8))


# The C types behind the fields, in the order of the header files; "name = last field of each revision".
LAYOUTS: dict[str, tuple[list[tuple[str, object]], tuple[str, ...]]] = {
    "NDIS_MINIPORT_DRIVER_CHARACTERISTICS": (
        [("Versions", u8 * 4), ("Flags", u32), ("a", pointer * 15), ("b", pointer * 2), ("c", pointer)],
        ("a", "b", "c"),
    ),
    "NDIS_PROTOCOL_DRIVER_CHARACTERISTICS": (
        [("Versions", u8 * 4), ("Flags", u32), ("Name", String), ("a", pointer * 11), ("b", pointer)],
        ("a", "b"),
    ),
    "NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES": (
        [("Context", pointer), ("Flags", u32), ("Seconds", u32), ("Interface", i32)],
        ("Interface", "Interface"),
    ),
    "NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES": (
        [
            ("Flags", u32), ("Media", i32 * 2), ("Mtu", u32), ("Speeds", u64 * 4), ("States", i32 * 2),
            ("Lookahead", u32), ("Power", pointer), ("Options", u32 * 3), ("MacLength", u16), ("Macs", u8 * 64),
            ("Rss", pointer), ("Interface", i32 * 3), ("IfType", u16), ("Connector", u8), ("Numbers", u32 * 4),
            ("Oids", pointer), ("OidLength", u32), ("Negotiation", u32), ("PowerEx", pointer),
        ],
        ("Negotiation", "PowerEx"),
    ),
    "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS": (
        [("Line", pointer * 4), ("Msi", u8 * 2), ("Message", pointer * 4), ("Type", i32), ("Table", pointer)],
        ("Table",),
    ),
    "NDIS_MINIPORT_INIT_PARAMETERS": (
        [("Flags", u32), ("a", pointer * 3), ("IfIndex", u32), ("Luid", u64), ("Auth", pointer), ("Pci", pointer)],
        ("Pci",),
    ),
    "NDIS_MINIPORT_PAUSE_PARAMETERS": ([("Flags", u32), ("Reason", u32)], ("Reason",)),
    "NDIS_MINIPORT_RESTART_PARAMETERS": ([("Attributes", pointer), ("Flags", u32)], ("Flags",)),
    "NDIS_PROTOCOL_PAUSE_PARAMETERS": ([("Flags", u32), ("Reason", u32)], ("Reason",)),
    "NDIS_PROTOCOL_RESTART_PARAMETERS": (
        [("Name", pointer), ("Length", u32), ("Attr", pointer), ("Index", u32), ("Luid", u64), ("Flags", u32)],
        ("Flags",),
    ),
    "NDIS_BIND_PARAMETERS": (
        [
            ("Names", pointer * 3), ("Media", i32), ("Mtu", u32), ("Speeds", u64 * 4), ("States", i32 * 2),
            ("Lookahead", u32), ("Power", pointer), ("Filters", u32 * 2), ("MacLength", u16), ("Mac", u8 * 32),
            ("Physical", i32), ("Rss", pointer), ("BoundLuid", u64), ("BoundIndex", u32), ("LowLuid", u64),
            ("LowIndex", u32), ("Interface", i32 * 3), ("IfType", u16), ("Connector", u8), ("Ports", pointer),
            ("Numbers", u32 * 4), ("Offload", pointer * 2), ("Bound", pointer), ("Split", pointer),
            ("Three", pointer * 3), ("Ndk", u8), ("Four", pointer * 3),
        ],
        ("Bound", "Split", "Three", "Four"),
    ),
    "NDIS_FILTER_DRIVER_CHARACTERISTICS": (
        [
            ("Versions", u8 * 4), ("Flags", u32), ("Names", String * 3), ("a", pointer * 17), ("b", pointer * 3),
            ("c", pointer * 2),
        ],
        ("a", "b", "c"),
    ),
    "NDIS_FILTER_ATTRIBUTES": ([("Flags", u32)], ("Flags",)),
    "NDIS_FILTER_ATTACH_PARAMETERS": (
        [
            ("IfIndex", u32), ("Luid", u64), ("Guid", pointer), ("Base", u32), ("Names", pointer * 2),
            ("States", i32 * 2), ("Speeds", u64 * 2), ("Media", i32 * 2), ("Specific", pointer * 2),
            ("MacLength", u16), ("Mac", u8 * 32), ("BaseLuid", u64), ("LowIndex", u32), ("LowLuid", u64),
            ("Flags", u32),
        ],
        ("Flags",),
    ),
    "NDIS_FILTER_PAUSE_PARAMETERS": ([("Flags", u32), ("Reason", u32)], ("Reason",)),
    "NDIS_FILTER_RESTART_PARAMETERS": (
        [("Media", i32 * 2), ("Attributes", pointer), ("Index", u32), ("Luid", u64), ("Flags", u32)],
        ("Flags",),
    ),
    "NDIS_OPEN_PARAMETERS": (
        [("Name", pointer), ("Media", pointer), ("n", u32), ("Index", pointer), ("Types", pointer), ("m", u32)],
        ("m",),
    ),
    "NET_PNP_EVENT_NOTIFICATION": (
        [("Port", u32), ("Event", PnPEvent), ("Flags", u32), ("Switch", u32), ("VPort", u32)],
        ("Flags", "VPort"),
    ),
    "NET_DEVICE_PNP_EVENT": (
        [("Port", u32), ("Event", i32), ("Buffer", pointer), ("Length", u32), ("Reserved", u8 * 16)],
        ("Reserved",),
    ),
    "NDIS_RECEIVE_SCALE_CAPABILITIES": (
        [("Flags", u32), ("Messages", u32), ("Queues", u32), ("Entries", u16)],
        ("Queues", "Entries", "Entries"),
    ),
    "NDIS_RECEIVE_SCALE_PARAMETERS": (
        [
            ("Flags", u16), ("Base", u16), ("Hash", u32), ("Table", u16), ("TableAt", u32), ("Key", u16),
            ("KeyAt", u32), ("Masks", u32 * 3), ("Default", u8 * 4),
        ],
        ("KeyAt", "Masks", "Default"),
    ),
    "NDIS_RECEIVE_HASH_PARAMETERS": (
        [("Flags", u32), ("Hash", u32), ("Key", u16), ("KeyAt", u32)],
        ("KeyAt",),
    ),
    "NDIS_STATUS_INDICATION": (
        [
            ("Source", pointer), ("Port", u32), ("Code", i32), ("Flags", u32), ("Destination", pointer),
            ("Request", pointer), ("Buffer", pointer), ("Size_", u32), ("Guid", Guid), ("Reserved", pointer * 4),
        ],
        ("Reserved",),
    ),
    "NDIS_TIMER_CHARACTERISTICS": ([("Tag", u32), ("Function", pointer), ("Context", pointer)], ("Context",)),
    "NDIS_CONFIGURATION_OBJECT": ([("Handle", pointer), ("Flags", u32)], ("Flags",)),
    "NET_BUFFER_LIST_POOL_PARAMETERS": (
        [("Protocol", u8), ("Buffer", u8), ("Context", u16), ("Tag", u32), ("Data", u32), ("Flags", u32)],
        ("Data", "Flags"),
    ),
    "NET_BUFFER_POOL_PARAMETERS": ([("Tag", u32), ("Data", u32), ("Flags", u32)], ("Data", "Flags")),
    "NDIS_LINK_STATE": (
        [("Connect", i32), ("Duplex", i32), ("Speeds", u64 * 2), ("Pause", i32), ("Flags", u32)],
        ("Flags",),
    ),
    "NDIS_STATISTICS_INFO": ([("Supported", u32), ("Counters", u64 * 18)], ("Counters",)),
    "NDIS_INTERRUPT_MODERATION_PARAMETERS": ([("Flags", u32), ("Moderation", i32)], ("Moderation",)),
    "NDIS_PORT_CHARACTERISTICS": (
        [("a", u32 * 3), ("Media", i32), ("Speeds", u64 * 2), ("Direction", i32), ("States", i32 * 4)],
        ("States",),
    ),
    "NDIS_MINIPORT_SS_CHARACTERISTICS": ([("Flags", u32), ("Handlers", pointer * 2)], ("Handlers",)),
    "NDIS_PM_PARAMETERS": ([("a", u32 * 3), ("Media", u32)], ("a", "Media")),
    "NDIS_PM_CAPABILITIES": ([("a", u32 * 12), ("b", u32 * 2)], ("a", "b")),
    "NDIS_PORT_STATE": (
        [("Media", i32), ("Speeds", u64 * 2), ("Direction", i32), ("States", i32 * 4), ("Flags", u32)],
        ("Flags",),
    ),
    "NDIS_PORT_ARRAY": ([("Numbers", u32 * 3), ("Ports", u64 * 8)], ("Ports",)),
    "NDIS_SG_DMA_DESCRIPTION": ([("Flags", u32), ("Most", u32), ("a", pointer * 2), ("Size", u32)], ("Size",)),
    "NDIS_SCATTER_GATHER_LIST_PARAMETERS": (
        [("a", u32 * 3), ("Mdl", pointer), ("Va", pointer), ("Length", u32), ("b", pointer * 3), ("Sizes", u32 * 2)],
        ("Sizes",),
    ),
    "NDIS_MSIX_CONFIG_PARAMETERS": ([("Operation", i32), ("Entry", u32), ("Message", u32)], ("Message",)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_sizes_are_what_the_c_compiler_makes_of_the_fields(name: str) -> None:
    fields, ends = LAYOUTS[name]
    layout = type(name, (ctypes.Structure,), {"_fields_": [("Header", Header), *fields]})
    sizes = {}
    for revision, last in enumerate(ends, start=1):
        field = getattr(layout, last)
        sizes[revision] = field.offset + field.size
    assert STRUCTURE_HEADERS[name].sizes == sizes


def test_the_sizes_that_the_dossier_states() -> None:
    assert STRUCTURE_HEADERS["NDIS_MINIPORT_DRIVER_CHARACTERISTICS"].sizes == {1: 136, 2: 152, 3: 160}
    assert STRUCTURE_HEADERS["NDIS_FILTER_DRIVER_CHARACTERISTICS"].sizes == {1: 200, 2: 224, 3: 240}
    assert STRUCTURE_HEADERS["NDIS_PROTOCOL_DRIVER_CHARACTERISTICS"].sizes == {1: 120, 2: 128}
    assert STRUCTURE_HEADERS["NDIS_STATUS_INDICATION"].sizes == {1: 112}
    assert STRUCTURE_HEADERS["NDIS_OID_REQUEST"].sizes == {1: 236, 2: 248}


# Object types and revisions, section 3 of the dossier's page of statuses.
TYPES = {
    "NDIS_DEVICE_OBJECT_ATTRIBUTES": (0x85, 1),
    "NDIS_FILTER_PARTIAL_CHARACTERISTICS": (0x8C, 1),
    "NDIS_MINIPORT_PNP_CHARACTERISTICS": (0x92, 1),
    "NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES": (0xA4, 1),
    "NDIS_MINIPORT_INIT_PARAMETERS": (0x81, 1),
    "NDIS_SG_DMA_DESCRIPTION": (0x83, 1),
    "NDIS_PORT_CHARACTERISTICS": (0x9C, 1),
    "NDIS_PORT_STATE": (0x9D, 1),
    "NDIS_MINIPORT_SS_CHARACTERISTICS": (0xB4, 1),
    "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS": (0x84, 1),
    "NDIS_BIND_PARAMETERS": (0x86, 4),
    "NDIS_OPEN_PARAMETERS": (0x87, 1),
    "NDIS_MINIPORT_DRIVER_CHARACTERISTICS": (0x8A, 3),
    "NDIS_FILTER_DRIVER_CHARACTERISTICS": (0x8B, 3),
    "NDIS_FILTER_ATTRIBUTES": (0x8D, 1),
    "NDIS_FILTER_ATTACH_PARAMETERS": (0x99, 1),
    "NDIS_FILTER_PAUSE_PARAMETERS": (0x9A, 1),
    "NDIS_FILTER_RESTART_PARAMETERS": (0x9B, 1),
    "NDIS_PROTOCOL_DRIVER_CHARACTERISTICS": (0x95, 2),
    "NDIS_OID_REQUEST": (0x96, 2),
    "NDIS_TIMER_CHARACTERISTICS": (0x97, 1),
    "NDIS_STATUS_INDICATION": (0x98, 1),
    "NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES": (0x9E, 2),
    "NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES": (0x9F, 2),
    "NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES": (0xA0, 1),
    "NDIS_PROTOCOL_RESTART_PARAMETERS": (0xA3, 1),
    "NDIS_CONFIGURATION_OBJECT": (0xA9, 1),
    "NDIS_RECEIVE_SCALE_CAPABILITIES": (0x88, 3),
    "NDIS_RECEIVE_SCALE_PARAMETERS": (0x89, 3),
}


@pytest.mark.parametrize(("name", "expected"), TYPES.items())
def test_types_and_revisions(name: str, expected: tuple[int, int]) -> None:
    entry = STRUCTURE_HEADERS[name]
    assert (entry.object_type, max(entry.sizes)) == expected
    assert sorted(entry.sizes) == list(range(1, expected[1] + 1))


def test_all_others_are_default() -> None:
    others = set(STRUCTURE_HEADERS) - set(TYPES)
    assert {STRUCTURE_HEADERS[name].object_type for name in others} == {object_header.NDIS_OBJECT_TYPE_DEFAULT}


def test_every_structure_with_a_header_is_in_the_table() -> None:
    with_header = {kind.__name__ for kind in CLASSES if "Header" in kind.__struct_fields__}
    assert with_header <= set(STRUCTURE_HEADERS)
    assert set(STRUCTURE_HEADERS) - with_header == {
        "NDIS_OID_REQUEST",
        "NDIS_RECEIVE_SCALE_CAPABILITIES",
        "NDIS_RECEIVE_SCALE_PARAMETERS",
        "NDIS_RECEIVE_HASH_PARAMETERS",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((0x80, 1, 40), None),
        ((0x80, 1, 48), None),
        ((0x98, 1, 40), "Header.Type of NDIS_LINK_STATE is 0x98, not 0x80 (NDIS_OBJECT_TYPE_DEFAULT)"),
        ((0x80, 2, 40), "Header.Revision of NDIS_LINK_STATE is 2; there is 1"),
        ((0x80, 1, 36), "Header.Size of NDIS_LINK_STATE is 36; revision 1 has 40 (NDIS_SIZEOF_LINK_STATE_REVISION_1)"),
    ],
)
def test_a_wrong_header_is_named(given: tuple[int, int, int], words: str | None) -> None:
    assert header_fault("NDIS_LINK_STATE", *given) == words


def test_a_header_that_the_driver_did_not_fill_is_wrong() -> None:
    assert structure_fault(NDIS_MINIPORT_DRIVER_CHARACTERISTICS()) is not None


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_what_is_left_out_is_zero(kind: type) -> None:
    made = kind()
    for name in kind.__struct_fields__:  # type: ignore[attr-defined]
        value = getattr(made, name)
        if isinstance(value, msgspec.Struct):
            continue
        assert not value or not any(value), name
    with pytest.raises(AttributeError):
        made.Mispelt = 1


def test_no_handler_is_filled_in() -> None:
    for kind in (NDIS_MINIPORT_DRIVER_CHARACTERISTICS, NDIS_PROTOCOL_DRIVER_CHARACTERISTICS):
        made = kind()
        assert all(getattr(made, name) is None for name in kind.__struct_fields__ if "Handler" in name)


def test_two_structures_do_not_share_a_header() -> None:
    first, second = NDIS_LINK_STATE(), NDIS_LINK_STATE()
    first.Header.Type = 0x80
    assert second.Header.Type == 0


def test_link_state_byte_by_byte() -> None:
    state = NDIS_LINK_STATE(
        Header=NDIS_OBJECT_HEADER(0x80, 1, 40),
        MediaConnectState=1,
        MediaDuplexState=2,
        XmitLinkSpeed=0x1122334455667788,
        RcvLinkSpeed=0xFFFFFFFFFFFFFFFF,
        PauseFunctions=3,
        AutoNegotiationFlags=0xF,
    )
    data = state.to_bytes()
    assert data.hex(" ") == (
        "80 01 28 00 01 00 00 00 02 00 00 00 00 00 00 00 88 77 66 55 44 33 22 11 ff ff ff ff ff ff ff ff "
        "03 00 00 00 0f 00 00 00"
    )
    assert NDIS_LINK_STATE.from_bytes(data) == state
    assert NDIS_LINK_STATE.from_bytes(memoryview(data + b"more")) == state


def test_statistics_byte_by_byte() -> None:
    info = NDIS_STATISTICS_INFO(
        Header=NDIS_OBJECT_HEADER(0x80, 1, 152), SupportedStatistics=0x3F87FF, ifInDiscards=1, ifHCOutBroadcastOctets=18
    )
    data = info.to_bytes()
    assert len(data) == 152
    assert data[:16].hex(" ") == "80 01 98 00 ff 87 3f 00 01 00 00 00 00 00 00 00"
    assert data[144:] == (18).to_bytes(8, "little")
    assert NDIS_STATISTICS_INFO.from_bytes(data) == info


def test_counters_lie_in_the_order_of_the_header() -> None:
    names = [name for name in NDIS_STATISTICS_INFO.__struct_fields__ if name.startswith("if")]
    assert len(names) == 18
    info = NDIS_STATISTICS_INFO()
    for place, name in enumerate(names):
        setattr(info, name, place)
    data = info.to_bytes()
    assert [int.from_bytes(data[8 + 8 * place : 16 + 8 * place], "little") for place in range(18)] == list(range(18))
    assert names[2] == "ifHCInOctets"
    assert names[10:12] == ["ifOutErrors", "ifOutDiscards"]


def test_a_counter_wraps_as_a_ulong64_does() -> None:
    assert NDIS_STATISTICS_INFO(ifHCInOctets=1 << 64).to_bytes() == NDIS_STATISTICS_INFO().to_bytes()


def test_a_short_buffer_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(Exception, match="unpack_from requires a buffer of at least 40 bytes"):
        NDIS_LINK_STATE.from_bytes(bytes(39))


def test_interrupt_moderation_byte_by_byte() -> None:
    made = NDIS_INTERRUPT_MODERATION_PARAMETERS(Header=NDIS_OBJECT_HEADER(0x80, 1, 12), Flags=1, InterruptModeration=2)
    assert made.to_bytes().hex(" ") == "80 01 0c 00 01 00 00 00 02 00 00 00"
    assert NDIS_INTERRUPT_MODERATION_PARAMETERS.from_bytes(made.to_bytes()) == made


def test_throttle_parameters_have_no_header() -> None:
    assert "Header" not in NDIS_RECEIVE_THROTTLE_PARAMETERS.__struct_fields__
