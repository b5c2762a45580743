"""NDIS_STATUS: the numbers of the header, how a status prints, and that it is an int."""

from __future__ import annotations

import pytest

from emulator.ndis.headers import status
from emulator.ndis.headers.status import (
    _NAMES,
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_ACCEPTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SEND_ABORTED,
    NDIS_STATUS_SUCCESS,
    status_name,
)

SIGNED = {
    "SUCCESS": 0,
    "ALREADY_COMPLETE": 255,
    "PENDING": 259,
    "NOT_RECOGNIZED": 65537,
    "NOT_COPIED": 65538,
    "NOT_ACCEPTED": 65539,
    "CALL_ACTIVE": 65543,
    "INDICATION_REQUIRED": 1076035585,
    "BUFFER_OVERFLOW": -2147483643,
    "BUSY": -2147483631,
    "NOT_RESETTABLE": -2147418111,
    "SOFT_ERRORS": -2147418109,
    "HARD_ERRORS": -2147418108,
    "FAILURE": -1073741823,
    "INVALID_PARAMETER": -1073741811,
    "INVALID_DEVICE_REQUEST": -1073741808,
    "RESOURCES": -1073741670,
    "NOT_SUPPORTED": -1073741637,
    "INVALID_STATE": -1073741436,
    "DATA_NOT_ACCEPTED": -1073741285,
    "NETWORK_UNREACHABLE": -1073741252,
    "CLOSING": -1073676286,
    "BAD_VERSION": -1073676284,
    "BAD_CHARACTERISTICS": -1073676283,
    "ADAPTER_NOT_FOUND": -1073676282,
    "OPEN_FAILED": -1073676281,
    "DEVICE_FAILED": -1073676280,
    "MULTICAST_FULL": -1073676279,
    "MULTICAST_EXISTS": -1073676278,
    "MULTICAST_NOT_FOUND": -1073676277,
    "REQUEST_ABORTED": -1073676276,
    "RESET_IN_PROGRESS": -1073676275,
    "CLOSING_INDICATING": -1073676274,
    "INVALID_PACKET": -1073676273,
    "OPEN_LIST_FULL": -1073676272,
    "ADAPTER_NOT_READY": -1073676271,
    "ADAPTER_NOT_OPEN": -1073676270,
    "NOT_INDICATING": -1073676269,
    "INVALID_LENGTH": -1073676268,
    "INVALID_DATA": -1073676267,
    "BUFFER_TOO_SHORT": -1073676266,
    "INVALID_OID": -1073676265,
    "ADAPTER_REMOVED": -1073676264,
    "UNSUPPORTED_MEDIA": -1073676263,
    "GROUP_ADDRESS_IN_USE": -1073676262,
    "FILE_NOT_FOUND": -1073676261,
    "ERROR_READING_FILE": -1073676260,
    "ALREADY_MAPPED": -1073676259,
    "RESOURCE_CONFLICT": -1073676258,
    "NO_CABLE": -1073676257,
    "SEND_ABORTED": -1071448052,
    "MEDIA_DISCONNECTED": -1071448033,
    "PAUSED": -1071448022,
    "DUPLICATE_OBJECTID": -1073741270,
    "INTERFACE_NOT_FOUND": -1071448021,
    "UNSUPPORTED_REVISION": -1071448020,
    "INVALID_PORT": -1071448019,
    "INVALID_PORT_STATE": -1071448018,
    "LOW_POWER_STATE": -1071448017,
    "REINIT_REQUIRED": -1071448016,
    "NO_QUEUES": -1071448015,
}
INDICATIONS = {
    "MEDIA_CONNECT": 0x4001000B,
    "LINK_STATE": 0x40010017,
    "PORT_STATE": 0x40010022,
    "PACKET_FILTER": 0x40010024,
    "TASK_OFFLOAD_CURRENT_CONFIG": 0x40020006,
    "OFFLOAD_ENCASPULATION_CHANGE": 0x40020008,
    "PM_WAKE_REASON": 0x40030055,
    "TIMESTAMP_CURRENT_CONFIG": 0x40051001,
}


@pytest.mark.parametrize(("name", "number"), SIGNED.items())
def test_results_have_the_headers_signed_numbers(name: str, number: int) -> None:
    assert getattr(status, f"NDIS_STATUS_{name}") == number


@pytest.mark.parametrize(("name", "number"), INDICATIONS.items())
def test_indications_have_the_headers_numbers(name: str, number: int) -> None:
    assert getattr(status, f"NDIS_STATUS_{name}") == number


def test_no_name_is_missing_and_no_two_share_a_number() -> None:
    names = [name for name in vars(status) if name.startswith("NDIS_STATUS_")]
    assert len(names) == len(_NAMES) == len(SIGNED) + 58
    assert sorted(names) == sorted(_NAMES.values())


def test_a_status_prints_as_its_name() -> None:
    assert str(NDIS_STATUS_FAILURE) == repr(NDIS_STATUS_FAILURE) == f"{NDIS_STATUS_FAILURE}" == "NDIS_STATUS_FAILURE"
    assert str(NDIS_STATUS(0x12345678)) == "0x12345678"
    assert status_name(-1073741823) == status_name(0xC0000001) == "NDIS_STATUS_FAILURE"


def test_a_status_is_an_int_in_the_range_of_a_signed_one() -> None:
    assert NDIS_STATUS(0xC0000001) == NDIS_STATUS_FAILURE == -1073741823
    assert isinstance(NDIS_STATUS_SUCCESS, int)
    assert not NDIS_STATUS_SUCCESS
    assert {NDIS_STATUS_PENDING: "pending"}[259] == "pending"  # type: ignore[index]


def test_success_is_no_test_of_the_sign() -> None:
    assert NDIS_STATUS_NOT_ACCEPTED > 0
    assert NDIS_STATUS_PENDING > 0


def test_the_two_aborted_are_not_the_same() -> None:
    assert int(NDIS_STATUS_REQUEST_ABORTED) != int(NDIS_STATUS_SEND_ABORTED)
