"""Counted strings, and the logs that drivers write."""

from __future__ import annotations

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis import ANSI_STRING, UNICODE_STRING
from emulator.ndis.headers.status import NDIS_STATUS_BUFFER_TOO_SHORT, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT
from emulator.ndis.services.event_logs import MAX_EVENT_LOG_DATA_SIZE
from tests.fake_platform import FakeMachine
from tests.ndis.ungated import ddi


@pytest.fixture
def fake() -> FakeMachine:
    made = FakeMachine(pool_bytes=1 << 14)
    made.processor()
    return made


def unicode_of(text: str | None) -> UNICODE_STRING:
    made = UNICODE_STRING()
    ddi("NdisInitUnicodeString")(made, text)
    return made


@pytest.mark.parametrize(("text", "length"), [("Ring", 8), ("", 0), ("Größe", 10), ("\U0001f4e1", 4)])
def test_a_unicode_string_counts_bytes(text: str, length: int) -> None:
    made = unicode_of(text)
    assert (str(made), made.Length, made.MaximumLength) == (text, length, length + 2)


def test_an_ansi_string_counts_bytes() -> None:
    made = ANSI_STRING()
    ddi("NdisInitAnsiString")(made, "Größe")
    assert (str(made), made.Length, made.MaximumLength) == ("Größe", 5, 6)
    ddi("NdisInitAnsiString")(made, None)
    assert (str(made), made.Length, made.MaximumLength) == ("", 0, 0)
    nothing = unicode_of(None)
    assert (str(nothing), nothing.Length, nothing.MaximumLength) == ("", 0, 0)


def test_the_length_and_not_the_buffer_says_where_it_ends() -> None:
    made = unicode_of("RingSize")
    made.Length = 8
    assert str(made) == "Ring"


def test_a_buffer_of_its_own_lies_in_the_pool(fake: FakeMachine) -> None:
    made = UNICODE_STRING()
    ddi("NdisInitializeString")(made, "Ring")
    assert (bytes(made.Buffer), str(made), made.MaximumLength) == (b"R\0i\0n\0g\0\0\0", "Ring", 10)
    ddi("NdisUpcaseUnicodeString")(made, unicode_of("größ"))
    assert str(made) == "GRÖß"
    ddi("NdisFreeString")(made)
    assert fake.machine.pool.live() == []
    ddi("NdisInitializeString")(made, None)
    assert (made.Length, made.Buffer) == (0, None)
    ddi("NdisFreeString")(made)


def test_no_buffer_from_an_exhausted_pool(fake: FakeMachine) -> None:
    made = UNICODE_STRING()
    ddi("NdisInitializeString")(made, "x" * (1 << 14))
    assert (made.Length, made.MaximumLength, made.Buffer) == (0, 0, None)
    assert fake.stop_report() is None


@pytest.mark.parametrize("name", ["NdisEqualString", "NdisEqualUnicodeString"])
def test_equal_with_and_without_case(name: str) -> None:
    one, other = unicode_of("RingSize"), unicode_of("RINGSIZE")
    assert [ddi(name)(one, other, insensitive) for insensitive in (False, True)] == [False, True]
    assert ddi(name)(one, unicode_of("RingSize"), False)
    assert not ddi(name)(one, unicode_of("Ring"), True)


def test_conversions_need_room() -> None:
    ansi, wide = ANSI_STRING(MaximumLength=8), UNICODE_STRING(MaximumLength=8)
    ddi("NdisUnicodeStringToAnsiString")(ansi, unicode_of("Ring"))
    ddi("NdisAnsiStringToUnicodeString")(wide, ansi)
    assert (str(ansi), ansi.Length, str(wide), wide.Length) == ("Ring", 4, "Ring", 8)
    ddi("NdisUnicodeStringToAnsiString")(ansi, unicode_of("RingSize9"))
    ddi("NdisUpcaseUnicodeString")(wide, unicode_of("rings"))
    assert (str(ansi), str(wide)) == ("Ring", "Ring")


def test_an_error_is_a_line_of_the_log(fake: FakeMachine) -> None:
    made = fake.machine.objects[HandleKind.ADAPTER].allocate(HandleKind.ADAPTER, driver=0, parent=0, site=0)
    assert made is not None
    made[1].name = b"adapter0".ljust(64, b"\0")
    ddi("NdisWriteErrorLogEntry")(made[0], 0xC000138C, 2, 7, -1, 9)
    ddi("NdisWriteErrorLogEntry")(made[0], 0xC000138A, 0)
    assert fake.platform.logs == [
        (40, "unknown", "error 0xc000138c of adapter0: 0x00000007 0xffffffff"),
        (40, "unknown", "error 0xc000138a of adapter0"),
    ]


def test_an_event_is_a_line_of_the_log_when_it_fits(fake: FakeMachine) -> None:
    write = ddi("NdisWriteEventLogEntry")
    driver = DRIVER_OBJECT("strings", 0)
    assert write(driver, 0x40000001, 3, 2, ["one", "two", "more"], 2, b"\x01\x02\x03") == NDIS_STATUS_SUCCESS
    assert write(driver, 5, 0, 0, None, 0, None) == NDIS_STATUS_SUCCESS
    assert write(driver, 5, 0, 0, None, MAX_EVENT_LOG_DATA_SIZE + 1, bytes(400)) == NDIS_STATUS_BUFFER_TOO_SHORT
    assert [text for _, _, text in fake.platform.logs] == [
        "event 0x40000001 number 3, one, two, data 01 02",
        "event 0x00000005 number 0",
    ]
