"""Lookaside lists, the allocators and macros of older drivers, generic objects."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.lookaside import LOOKASIDE
from emulator.kernel.pointers import make_in_pool
from emulator.layout.handles import HandleKind
from emulator.ndis import NPAGED_LOOKASIDE_LIST, sizeof
from emulator.ndis.headers.layout import NONPAGED, u32
from emulator.ndis.headers.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from emulator.rules.errors import BugCheck
from tests.fake_platform import FakeMachine, driver_module, surface
from tests.ndis.ungated import ddi

TAG = b"test"


class ENTRY(NONPAGED):
    """What a list hands out."""

    Number: u32


class HOLDER(NONPAGED):
    """What holds a list."""

    List: NPAGED_LOOKASIDE_LIST


ROUTINES = """
    calls = []
    KEPT = []

    @ALLOCATE_FUNCTION
    def Allocate(PoolType, NumberOfBytes, Tag):
        calls.append((PoolType, NumberOfBytes, Tag))
        return NdisAllocateMemoryWithTagPriority(None, NumberOfBytes, Tag, 0)

    @FREE_FUNCTION
    def Free(Buffer):
        calls.append("free")
        NdisFreeMemory(Buffer, 0, 0)
"""


@pytest.fixture
def driver() -> Any:
    return driver_module("lookaside", ROUTINES, **surface(checked=True))


@pytest.fixture
def fake(driver: Any) -> FakeMachine:
    made = FakeMachine([driver], builtin_types=(LOOKASIDE, ENTRY, HOLDER), pool_bytes=1 << 16)
    made.processor()
    return made


def a_list(fake: FakeMachine, size: int, allocate: Any = None, free: Any = None) -> Any:
    holder: Any = make_in_pool(fake.processor(), HOLDER)
    ddi("NdisInitializeNPagedLookasideList")(holder.List, allocate, free, 0, size, TAG, 0)
    return holder.List


def test_entries_are_structures_when_the_size_says_so(fake: FakeMachine) -> None:
    entries = a_list(fake, sizeof(ENTRY))
    one, other = (ddi("NdisAllocateFromNPagedLookasideList")(entries) for _ in range(2))
    one.Number, other.Number = 1, 2
    assert (one.Number, type(one)) == (1, ENTRY)
    for entry in (one, other):
        ddi("NdisFreeToNPagedLookasideList")(entries, entry)
    ddi("NdisDeleteNPagedLookasideList")(entries)
    assert [block.type for _, block in fake.machine.pool.live()] == [fake.images.type_numbers[HOLDER]]


def test_a_drivers_own_routines_take_the_pools_place(fake: FakeMachine, driver: Any) -> None:
    entries = a_list(fake, 40, driver.Allocate, driver.Free)
    entry = ddi("NdisAllocateFromNPagedLookasideList")(entries)
    assert len(entry) == 40
    ddi("NdisFreeToNPagedLookasideList")(entries, entry)
    assert driver.calls == [(0, 40, int.from_bytes(TAG, "little")), "free"]


def test_a_routine_without_a_role_is_refused(fake: FakeMachine) -> None:
    with pytest.raises(BugCheck):
        a_list(fake, 40, len)
    assert fake.stop_report().name == "VNIC_UNKNOWN_ROUTINE"


def test_null_from_an_exhausted_pool(fake: FakeMachine) -> None:
    entries = a_list(fake, 64)
    while ddi("NdisAllocateFromNPagedLookasideList")(entries) is not None:
        pass
    assert ddi("NdisAllocateMemoryWithTag")(64, TAG) == (NDIS_STATUS_FAILURE, None)
    late = a_list_without_room(fake)
    assert ddi("NdisAllocateFromNPagedLookasideList")(late) is None
    ddi("NdisDeleteNPagedLookasideList")(late)


def a_list_without_room(fake: FakeMachine) -> Any:
    late = NPAGED_LOOKASIDE_LIST()
    ddi("NdisInitializeNPagedLookasideList")(late, None, None, 0, 64, TAG, 0)
    return late


def test_a_list_that_was_never_initialised_is_refused(fake: FakeMachine) -> None:
    stray = NPAGED_LOOKASIDE_LIST()
    stray.block = 0xCDCD  # type: ignore[misc,assignment,unused-ignore]
    with pytest.raises(BugCheck):
        ddi("NdisAllocateFromNPagedLookasideList")(stray)
    assert fake.stop_report().parameters[0] == 0x1002


def test_older_allocators_give_memory_with_a_tag(fake: FakeMachine) -> None:
    status, memory = ddi("NdisAllocateMemoryWithTag")(16, TAG)
    assert status == NDIS_STATUS_SUCCESS
    ddi("NdisFillMemory")(memory, 16, 0x15A)
    assert bytes(memory) == b"\x5a" * 16
    ddi("NdisStoreUlong")(memory + 3, 0x1_0203_0405)
    ddi("NdisRetrieveUlong")(memory + 8, memory + 3)
    assert bytes(memory)[3:12] == bytes.fromhex("05 04 03 02 5a 05 04 03 02")
    ddi("NdisZeroMappedMemory")(memory, 4)
    assert bytes(memory)[:5] == bytes.fromhex("00 00 00 00 04")
    status, entry = ddi("NdisAllocateMemoryWithTag")(sizeof(ENTRY), TAG)
    assert type(entry) is ENTRY
    ddi("NdisFreeMemoryWithTag")(entry, TAG)
    with pytest.raises(BugCheck):
        ddi("NdisFreeMemoryWithTag")(memory, b"rest")
    assert fake.stop_report().parameters[0] == 0x0A


def test_halves_of_a_physical_address() -> None:
    address = 0x0123_4567_89AB_CDEF
    assert ddi("NdisGetPhysicalAddressHigh")(address) == 0x0123_4567
    assert ddi("NdisGetPhysicalAddressLow")(address) == 0x89AB_CDEF
    assert ddi("NdisSetPhysicalAddressHigh")(address, 7) == 0x7_89AB_CDEF
    assert ddi("NdisSetPhysicalAddressLow")(address, 7) == 0x0123_4567_0000_0007


def test_a_generic_object_serves_as_a_handle(fake: FakeMachine) -> None:
    made = ddi("NdisAllocateGenericObject")(None, TAG, 64)
    assert made >> 56 == HandleKind.GENERIC_OBJECT
    memory = ddi("NdisAllocateMemoryWithTagPriority")(made, 16, TAG, 0)
    ddi("NdisFreeMemory")(memory, 0, 0)
    ddi("NdisFreeGenericObject")(made)
    with pytest.raises(BugCheck):
        ddi("NdisFreeGenericObject")(None)
    assert "NULL" in fake.stop_report().text
