"""What `ndisemu ctl oid query` prints: an OID's buffer in words, and as bytes what is not what it should be."""

from __future__ import annotations

import pytest

from emulator.cli.oid_values import oid_lines
from emulator.ndis import (
    NDIS_LINK_STATE,
    NDIS_OFFLOAD,
    NDIS_RECEIVE_SCALE_PARAMETERS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_DRIVER_VERSION,
    OID_GEN_LINK_STATE,
    OID_GEN_MAX_LINK_SPEED,
    OID_GEN_MAXIMUM_FRAME_SIZE,
    OID_GEN_MEDIA_IN_USE,
    OID_GEN_RCV_OK,
    OID_GEN_RECEIVE_SCALE_PARAMETERS,
    OID_GEN_SUPPORTED_LIST,
    OID_GEN_VENDOR_DESCRIPTION,
    OID_TCP_OFFLOAD_CURRENT_CONFIG,
    PROCESSOR_NUMBER,
)
from emulator.ndis.control_path.oid_table import OIDS
from emulator.ndis.headers.structures_common import header_of


def test_a_structure_is_told_member_by_member() -> None:
    state = NDIS_LINK_STATE(
        Header=header_of("NDIS_LINK_STATE", 1), MediaConnectState=1, XmitLinkSpeed=10**9, AutoNegotiationFlags=5
    )
    assert oid_lines(OID_GEN_LINK_STATE, state.to_bytes()) == [
        "NDIS_LINK_STATE, 40 bytes",
        "  Header: Type 0x80, Revision 1, Size 40",
        "  MediaConnectState: MediaConnectStateConnected (1)",
        "  MediaDuplexState: MediaDuplexStateUnknown (0)",
        "  XmitLinkSpeed: 1000000000 (0x3B9ACA00)",
        "  RcvLinkSpeed: 0",
        "  PauseFunctions: NdisPauseFunctionsUnsupported (0)",
        "  AutoNegotiationFlags: 0x5",
    ]


def test_parts_are_told_behind_the_name_of_the_whole() -> None:
    offload = NDIS_OFFLOAD()
    offload.LsoV2.IPv6.MaxOffLoadSize = 65_415
    lines = oid_lines(OID_TCP_OFFLOAD_CURRENT_CONFIG, offload.to_bytes())
    assert "  LsoV2.IPv6.MaxOffLoadSize: 65415" in lines
    assert not any("Reserved" in line for line in lines)


def test_the_table_and_the_key_of_scaling_are_told() -> None:
    header = header_of("NDIS_RECEIVE_SCALE_PARAMETERS", 2)
    parameters = NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=header,
        IndirectionTableSize=8,
        IndirectionTableOffset=header.Size,
        HashSecretKeySize=2,
        HashSecretKeyOffset=header.Size + 8,
    )
    table = PROCESSOR_NUMBER(0, 3).to_bytes() + PROCESSOR_NUMBER(0, 1).to_bytes()
    lines = oid_lines(OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters.to_bytes() + table + b"\x6d\x5a")
    assert lines[-2:] == ["  indirection table: 3 1", "  secret key: 6d 5a"]


@pytest.mark.parametrize(
    ("oid", "data", "told"),
    [
        (
            OID_GEN_CURRENT_PACKET_FILTER,
            "09000000",
            ["0x00000009 NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST"],
        ),
        (OID_GEN_CURRENT_PACKET_FILTER, "00000000", ["0x00000000"]),
        (OID_802_3_MULTICAST_LIST, "01005e000001333300000001", ["01:00:5e:00:00:01", "33:33:00:00:00:01"]),
        (OID_GEN_SUPPORTED_LIST, "06010100", ["OID_GEN_MAXIMUM_FRAME_SIZE"]),
        (OID_GEN_VENDOR_DESCRIPTION, "4e494300", ["NIC"]),
        (OID_GEN_MEDIA_IN_USE, "00000000", ["NdisMedium802_3 (0)"]),
        (OID_GEN_MAXIMUM_FRAME_SIZE, "dc050000", ["1500"]),
        (OID_GEN_RCV_OK, "0000000001000000", ["4294967296 (0x100000000)"]),
        (OID_GEN_DRIVER_VERSION, "5706", ["6.87"]),
        (OID_GEN_MAX_LINK_SPEED, "0a000000000000000b00000000000000", ["XmitLinkSpeed: 10", "RcvLinkSpeed: 11"]),
        (OID_GEN_LINK_STATE, "800128", ["80 01 28"]),
        (OID_GEN_MAXIMUM_FRAME_SIZE, "dc05", ["dc 05"]),
        (0xFF01_0203, "0102", ["01 02"]),
    ],
)
def test_other_buffers(oid: int, data: str, told: list[str]) -> None:
    assert oid_lines(oid, bytes.fromhex(data)) == told


def test_nothing_that_a_miniport_answers_is_too_strange() -> None:
    for entry in OIDS:
        for size in (0, 1, 2, 4, 6, 13, 16, 64, 700):
            assert oid_lines(entry.oid, b"\xff" * size) or not size
