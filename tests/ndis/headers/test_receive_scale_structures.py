"""Structures of receive side scaling: Microsoft's layout, and the bits of hash information."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import emulator.ndis as surface
from emulator.ndis.headers.processor_numbers import GROUP_AFFINITY, PROCESSOR_NUMBER
from emulator.ndis.headers.receive_scale_structures import (
    NDIS_HASH_TCP_IPV4,
    NDIS_HASH_UDP_IPV6_EX,
    NDIS_RSS_HASH_FUNC_FROM_HASH_INFO,
    NDIS_RSS_HASH_INFO_FROM_TYPE_AND_FUNC,
    NDIS_RSS_HASH_TYPE_FROM_HASH_INFO,
    NdisHashFunctionToeplitz,
)


@pytest.mark.parametrize(
    ("kind", "last", "end"),
    [
        ("NDIS_RECEIVE_SCALE_CAPABILITIES", "NumberOfReceiveQueues", 16),
        ("NDIS_RECEIVE_SCALE_CAPABILITIES", "NumberOfIndirectionTableEntries", 18),
        ("NDIS_RECEIVE_SCALE_PARAMETERS", "HashSecretKeyOffset", 28),
        ("NDIS_RECEIVE_SCALE_PARAMETERS", "ProcessorMasksEntrySize", 40),
        ("NDIS_RECEIVE_SCALE_PARAMETERS", "DefaultProcessorNumber", 44),
        ("NDIS_RECEIVE_HASH_PARAMETERS", "HashSecretKeyOffset", 20),
    ],
)
def test_a_revision_ends_where_windows_has_it(kind: str, last: str, end: int) -> None:
    member = getattr(getattr(surface, kind), last)
    assert member.offset + member.size == end


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_a_revision_carries_its_own_members_alone(revision: int) -> None:
    size = getattr(surface, f"NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_{revision}")
    given = surface.NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=surface.NDIS_OBJECT_HEADER(surface.NDIS_OBJECT_TYPE_RSS_PARAMETERS, revision, size),
        HashSecretKeyOffset=48,
        ProcessorMasksOffset=88,
        DefaultProcessorNumber=PROCESSOR_NUMBER(0, 3),
    )
    found = surface.NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(given.to_bytes())
    default = found.DefaultProcessorNumber
    assert (found.HashSecretKeyOffset, found.ProcessorMasksOffset) == (48, 88 if revision >= 2 else 0)
    assert (default.Group, default.Number) == (0, 3 if revision >= 3 else 0)


def test_a_table_of_processors_lies_in_memory_as_on_windows() -> None:
    data = PROCESSOR_NUMBER(1, 2).to_bytes() + PROCESSOR_NUMBER(0, 5).to_bytes()
    assert data == bytes((1, 0, 2, 0, 0, 0, 5, 0))
    assert PROCESSOR_NUMBER.from_bytes(data[4:]) == PROCESSOR_NUMBER(0, 5) == PROCESSOR_NUMBER(Number=5)
    mask = GROUP_AFFINITY(0b1010, 0).to_bytes()
    assert (len(mask), mask[0], GROUP_AFFINITY.from_bytes(mask)) == (16, 0b1010, (0b1010, 0))


def test_hash_information_is_types_and_a_function() -> None:
    types = NDIS_HASH_TCP_IPV4 | NDIS_HASH_UDP_IPV6_EX
    information = NDIS_RSS_HASH_INFO_FROM_TYPE_AND_FUNC(types, NdisHashFunctionToeplitz)
    assert information == 0x1_0201
    assert NDIS_RSS_HASH_TYPE_FROM_HASH_INFO(information) == types
    assert NDIS_RSS_HASH_FUNC_FROM_HASH_INFO(information) == NdisHashFunctionToeplitz


def test_the_hash_of_a_list_is_set_piece_by_piece() -> None:
    listed: Any = SimpleNamespace(NetBufferListInfo=[0] * surface.MaxNetBufferListInfo)
    surface.NET_BUFFER_LIST_SET_HASH_VALUE(listed, 0x51CCC178)
    surface.NET_BUFFER_LIST_SET_HASH_FUNCTION(listed, 0x102)
    surface.NET_BUFFER_LIST_SET_HASH_TYPE(listed, NDIS_HASH_TCP_IPV4 | 4)
    assert surface.NET_BUFFER_LIST_GET_HASH_VALUE(listed) == 0x51CCC178
    assert listed.NetBufferListInfo[surface.NetBufferListHashInfo] == 0x202
    surface.NET_BUFFER_LIST_SET_HASH_FUNCTION(listed, NdisHashFunctionToeplitz)
    assert surface.NET_BUFFER_LIST_GET_HASH_FUNCTION(listed) == NdisHashFunctionToeplitz
    assert surface.NET_BUFFER_LIST_GET_HASH_TYPE(listed) == NDIS_HASH_TCP_IPV4
