"""Offload words: what a header is made of, and what no driver may ask for."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.device import (
    VNIC_CHECKSUM_OFFSET_TCP,
    VNIC_CHECKSUM_OFFSET_UDP,
    VNIC_DESCRIPTOR_OFFLOAD,
    VNIC_HEADER_NEEDS_CHECKSUM,
    VNIC_MAXIMUM_SUPER_FRAME,
    VNIC_REGISTER_OFFLOADS,
    VNIC_REGISTER_OFFLOADS_SUPPORTED,
    VNIC_SEGMENTS_ECN,
    VNIC_SEGMENTS_NONE,
    VNIC_SEGMENTS_TCP4,
    VNIC_SEGMENTS_TCP6,
    VNIC_SEGMENTS_UDP,
    Vnic,
    VnicDescriptor,
    VnicHeader,
    VnicLayout,
    VnicOffload,
    VnicReadHeader,
    VnicReadRegister,
    VnicTransmitOffloads,
    VnicWriteRegister,
)
from vnic.device.hardware import HostVnic
from vnic.device.offloads import header_of

NEEDS = VNIC_HEADER_NEEDS_CHECKSUM
TCP4 = VnicOffload(NEEDS, VNIC_SEGMENTS_TCP4, 1460, 34, VNIC_CHECKSUM_OFFSET_TCP, 20)


@given(word=st.integers(0, (1 << 64) - 1), length=st.integers(0, VNIC_MAXIMUM_SUPER_FRAME))
def test_no_word_makes_a_header_that_points_outside_of_its_frame(word: int, length: int) -> None:
    try:
        header = header_of(word, length)
    except ValueError:
        return
    flags, kind, header_length, size, start, offset = struct.unpack("<BBHHHH", header)
    assert flags == NEEDS
    assert start + offset + 2 <= length
    assert header_length <= length
    assert (size == 0) == (kind == VNIC_SEGMENTS_NONE)


@given(
    kind=st.sampled_from([VNIC_SEGMENTS_TCP4, VNIC_SEGMENTS_TCP6, VNIC_SEGMENTS_TCP4 | VNIC_SEGMENTS_ECN]),
    size=st.integers(1, 65535),
    start=st.integers(14, 200),
    transport=st.sampled_from(range(20, 61, 4)),
)
def test_what_a_driver_asks_for_is_what_the_header_says(kind: int, size: int, start: int, transport: int) -> None:
    header = header_of(VnicOffload(NEEDS, kind, size, start, VNIC_CHECKSUM_OFFSET_TCP, transport), 3000)
    memory = memoryview(b"\xee" * 22 + header + b"\xee" * 64)
    expected = VnicHeader(NEEDS, kind, start + transport, size, start, VNIC_CHECKSUM_OFFSET_TCP)
    assert VnicReadHeader(memory, 32) == expected


@pytest.mark.parametrize(
    "word",
    [
        0,
        TCP4 & ~NEEDS,
        TCP4 | 2,
        VnicOffload(NEEDS, 2, 1460, 34, VNIC_CHECKSUM_OFFSET_TCP, 20),
        VnicOffload(NEEDS, 3, 1460, 34, VNIC_CHECKSUM_OFFSET_UDP, 8),
        VnicOffload(NEEDS, VNIC_SEGMENTS_TCP4, 0, 34, VNIC_CHECKSUM_OFFSET_TCP, 20),
        VnicOffload(NEEDS, VNIC_SEGMENTS_TCP4, 1460, 34, VNIC_CHECKSUM_OFFSET_UDP, 20),
        VnicOffload(NEEDS, VNIC_SEGMENTS_TCP4, 1460, 34, VNIC_CHECKSUM_OFFSET_TCP, 8),
        VnicOffload(NEEDS, VNIC_SEGMENTS_UDP | VNIC_SEGMENTS_ECN, 1460, 34, VNIC_CHECKSUM_OFFSET_UDP, 8),
        VnicOffload(NEEDS, VNIC_SEGMENTS_NONE, 1460, 34, VNIC_CHECKSUM_OFFSET_TCP, 0),
        VnicOffload(NEEDS, VNIC_SEGMENTS_NONE, 0, 1483, VNIC_CHECKSUM_OFFSET_TCP, 0),
        VnicOffload(NEEDS, VNIC_SEGMENTS_TCP4, 1460, 1490, VNIC_CHECKSUM_OFFSET_TCP, 20),
    ],
)
def test_a_word_that_cannot_be_right_is_refused(word: int) -> None:
    assert header_of(TCP4, 1500)
    with pytest.raises(ValueError, match=r"offload word|a checksum at|segments of"):
        header_of(word, 1500)


def test_words_go_with_the_first_descriptor_of_their_frame_around_the_end_of_the_ring() -> None:
    memory = memoryview(bytearray(1 << 16))
    layout = VnicLayout(1, 4, 8)
    hardware = HostVnic(memory, 0, layout, [(1 << 15, 1 << 14)])
    hardware.power_on(bytes.fromhex("020000000001"), offloads=3)
    rung: list[int] = []
    nic = Vnic(memory, 0, layout, lambda: rung.append(1))
    assert VnicReadRegister(nic, VNIC_REGISTER_OFFLOADS_SUPPORTED) == 3
    VnicWriteRegister(nic, VNIC_REGISTER_OFFLOADS, 1)
    assert (VnicReadRegister(nic, VNIC_REGISTER_OFFLOADS), rung) == (1, [1])
    queue = hardware.queues[0]
    address = 1 << 15
    plain, first = VnicDescriptor(address, 60), VnicDescriptor(address, 60, True) | VNIC_DESCRIPTOR_OFFLOAD
    assert VnicTransmitOffloads(nic, 0, [plain] * 7, [0] * 7) == 7
    queue.finish(7)
    nic.transmit[0].indices[32] = 7  # reclaimed
    descriptors = [plain, first, plain, first, plain, first, plain, plain, plain]
    words = [0, TCP4, 0, TCP4 + 1, 0, TCP4 + 2, 0, 0, 0]
    assert VnicTransmitOffloads(nic, 0, descriptors, words) == 8
    assert [queue.offload(place) for place in (1, 3, 5)] == [TCP4, TCP4 + 1, TCP4 + 2]
