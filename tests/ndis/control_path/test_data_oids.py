"""OIDs: the mandatory list, who answers what, and numbers of the header."""

from __future__ import annotations

import pytest

from emulator.ndis.control_path.oid_table import BY_OID, MANDATORY_FOR_ETHERNET, MUST_SUCCEED, OIDS, By
from emulator.ndis.headers import oids
from emulator.ndis.headers.oids import oid_name

MANDATORY = {
    "OID_GEN_CURRENT_PACKET_FILTER": 0x0001010E,
    "OID_GEN_CURRENT_LOOKAHEAD": 0x0001010F,
    "OID_GEN_INTERRUPT_MODERATION": 0x00010209,
    "OID_GEN_LINK_PARAMETERS": 0x00010208,
    "OID_GEN_MAXIMUM_TOTAL_SIZE": 0x00010111,
    "OID_GEN_RCV_OK": 0x00020102,
    "OID_GEN_XMIT_OK": 0x00020101,
    "OID_GEN_RECEIVE_BLOCK_SIZE": 0x0001010B,
    "OID_GEN_RECEIVE_BUFFER_SPACE": 0x00010109,
    "OID_GEN_TRANSMIT_BLOCK_SIZE": 0x0001010A,
    "OID_GEN_TRANSMIT_BUFFER_SPACE": 0x00010108,
    "OID_GEN_STATISTICS": 0x00020106,
    "OID_GEN_VENDOR_DESCRIPTION": 0x0001010D,
    "OID_GEN_VENDOR_DRIVER_VERSION": 0x00010116,
    "OID_GEN_VENDOR_ID": 0x0001010C,
    "OID_802_3_MULTICAST_LIST": 0x01010103,
    "OID_802_3_PERMANENT_ADDRESS": 0x01010101,
    "OID_802_3_CURRENT_ADDRESS": 0x01010102,
    "OID_802_3_MAXIMUM_LIST_SIZE": 0x01010104,
}


def test_the_mandatory_list_with_its_numbers() -> None:
    assert {oid_name(oid): oid for oid in MANDATORY_FOR_ETHERNET} == MANDATORY


def test_every_oid_has_one_row() -> None:
    assert len(BY_OID) == len(OIDS) == 100
    numbers = [value for name, value in vars(oids).items() if name.startswith("OID_")]
    assert len(set(numbers)) == len(numbers)
    assert all(getattr(oids, entry.name) == entry.oid for entry in OIDS)


def test_every_row_is_answered_by_somebody() -> None:
    for entry in OIDS:
        assert {entry.query, entry.set, entry.method} != {By.NOBODY}, entry.name
        assert entry.need in {"mandatory", "optional", "NDIS"} or entry.need.startswith("if "), entry.name
        if entry.need == "NDIS":
            assert By.MINIPORT not in {entry.query, entry.set, entry.method}


@pytest.mark.parametrize(
    ("name", "query", "set_"),
    [
        ("OID_GEN_CURRENT_PACKET_FILTER", By.NDIS, By.MINIPORT),
        ("OID_802_3_MULTICAST_LIST", By.NDIS, By.MINIPORT),
        ("OID_GEN_CURRENT_LOOKAHEAD", By.NDIS, By.MINIPORT),
        ("OID_GEN_LINK_STATE", By.NDIS, By.NOBODY),
        ("OID_GEN_STATISTICS", By.MINIPORT, By.NOBODY),
        ("OID_GEN_INTERRUPT_MODERATION", By.MINIPORT, By.MINIPORT),
        ("OID_GEN_MAXIMUM_FRAME_SIZE", By.NDIS, By.NOBODY),
        ("OID_802_3_ADD_MULTICAST_ADDRESS", By.NOBODY, By.NDIS),
        ("OID_PNP_SET_POWER", By.NOBODY, By.MINIPORT),
        ("OID_GEN_XMIT_ERROR", By.MINIPORT, By.NOBODY),
    ],
)
def test_who_answers(name: str, query: By, set_: By) -> None:
    entry = BY_OID[getattr(oids, name)]
    assert (entry.query, entry.set) == (query, set_)


def test_sizes() -> None:
    assert BY_OID[oids.OID_GEN_STATISTICS].size == 152
    assert BY_OID[oids.OID_GEN_LINK_STATE].size == 40
    assert BY_OID[oids.OID_802_3_CURRENT_ADDRESS].size == 6
    assert BY_OID[oids.OID_GEN_VENDOR_DESCRIPTION].size is None


def test_the_methods() -> None:
    methods = {entry.name for entry in OIDS if entry.method is not By.NOBODY}
    assert methods == {"OID_PM_GET_PROTOCOL_OFFLOAD", "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES"}


def test_what_must_succeed() -> None:
    assert len(MUST_SUCCEED) == 10
    assert oids.OID_PNP_SET_POWER in MUST_SUCCEED
    assert oids.OID_802_3_DELETE_MULTICAST_ADDRESS in MUST_SUCCEED
    assert oids.OID_802_3_MULTICAST_LIST not in MUST_SUCCEED


def test_an_unknown_oid_is_shown_by_its_number() -> None:
    assert oid_name(0xFF123456) == "0xFF123456"


def test_counters_without_a_page_name_the_header() -> None:
    assert BY_OID[oids.OID_802_3_XMIT_ONE_COLLISION].source == "ntddndis.h"
    assert BY_OID[oids.OID_802_3_RCV_OVERRUN].source == "network/oid-802-3-rcv-overrun.md"
