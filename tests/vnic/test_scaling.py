"""Receive scaling at the hardware: what the driver asks for, and frames that come with their hashes."""

from __future__ import annotations

import pytest

from tests.vnic.test_device_registers import MAC, SLOT, Adapter
from tests.vnic.test_toeplitz import KEY
from vnic.device import (
    VNIC_HASH_FUNCTION_TOEPLITZ,
    VNIC_HASH_IPV4,
    VNIC_HASH_TCP_IPV4,
    VNIC_INTERRUPT_ALL,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_TRANSMIT,
    VNIC_MAXIMUM_SCALING_ENTRIES,
    VNIC_MESSAGE_ENTRY_LINK,
    VNIC_MESSAGE_ENTRY_RECEIVE,
    VNIC_MESSAGE_ENTRY_TRANSMIT,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_LINK_ACKNOWLEDGE,
    VNIC_REGISTER_QUEUES,
    VNIC_REGISTER_SCALING_DONE,
    VNIC_REGISTER_SCALING_SEQUENCE,
    VnicMessageEntry,
    VnicPostReceive,
    VnicReceiveScaled,
    VnicSetReceiveScaling,
    messages,
)
from vnic.device.hardware import DeviceFault
from vnic.device.registers import WORD_SCALING_BEGUN, WORD_SCALING_INFORMATION, WORD_SCALING_SEQUENCE

INFORMATION = VNIC_HASH_IPV4 | VNIC_HASH_TCP_IPV4 | VNIC_HASH_FUNCTION_TOEPLITZ


@pytest.fixture
def adapter() -> Adapter:
    return Adapter(queues=4)


def test_the_host_reads_what_the_driver_asks_for(adapter: Adapter) -> None:
    assert adapter.host.scaling_asked() is None
    VnicSetReceiveScaling(adapter.nic, INFORMATION, KEY, [0, 1, 2, 3, 3, 2, 1, 0])
    assert adapter.bells == 1
    asked = adapter.host.scaling_asked()
    assert asked is not None
    assert asked[1:] == (INFORMATION, KEY, bytes((0, 1, 2, 3, 3, 2, 1, 0)))
    assert adapter.read(VNIC_REGISTER_SCALING_SEQUENCE) == 1
    assert adapter.read(VNIC_REGISTER_SCALING_DONE) == 0
    adapter.host.scale(asked)
    assert adapter.read(VNIC_REGISTER_SCALING_DONE) == 1
    assert adapter.host.scaling_asked() is None
    VnicSetReceiveScaling(adapter.nic, 0, b"", ())
    off = adapter.host.scaling_asked()
    assert off is not None
    assert (off.information, off.table) == (0, b"")


def test_a_mixture_of_two_is_not_read(adapter: Adapter) -> None:
    VnicSetReceiveScaling(adapter.nic, INFORMATION, KEY, [0])
    adapter.nic.words[WORD_SCALING_BEGUN] = 2  # and the driver is interrupted there
    adapter.nic.words[WORD_SCALING_INFORMATION] = 0
    assert adapter.host.scaling_asked() is None


def test_switched_off_and_on_it_has_forgotten(adapter: Adapter) -> None:
    VnicSetReceiveScaling(adapter.nic, INFORMATION, KEY, [3])
    asked = adapter.host.scaling_asked()
    assert asked is not None
    adapter.host.scale(asked)
    adapter.host.power_on(MAC)
    assert adapter.host.scaling.information == 0
    assert adapter.host.scaling_asked() is None


@pytest.mark.parametrize(
    ("information", "key", "table", "fault"),
    [
        (0x100, KEY, [0], "function 0x0"),
        (0x102, KEY, [0], "function 0x2"),
        (0x001, KEY, [0], "types 0x0"),
        (0x20101, KEY, [0], "types 0x20100"),
        (INFORMATION, KEY[:39], [0], "key of 39"),
        (INFORMATION, KEY, [], "table of 0"),
        (INFORMATION, KEY, [0, 1, 2], "table of 3"),
        (INFORMATION, KEY, [0] * 256, "table of 256"),
        (INFORMATION, KEY, [0, 4], "queue 4 of an adapter with 4"),
        (INFORMATION, KEY, [0, -1], "queue 0 of"),
    ],
)
def test_what_cannot_be_is_refused(
    adapter: Adapter, information: int, key: bytes, table: list[int], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        VnicSetReceiveScaling(adapter.nic, information, key, table)
    assert adapter.host.scaling_asked() is None


@pytest.mark.parametrize("word", range(WORD_SCALING_INFORMATION, WORD_SCALING_INFORMATION + 8))
def test_the_host_believes_none_of_it(adapter: Adapter, word: int) -> None:
    VnicSetReceiveScaling(adapter.nic, INFORMATION, KEY, [1] * 8)
    adapter.nic.words[word] = (1 << 64) - 1
    try:
        asked = adapter.host.scaling_asked()
    except DeviceFault as fault:
        assert "registers of receive scaling" in str(fault)  # noqa: PT017
    else:
        assert asked is not None
        assert asked.key != KEY or len(asked.table) == VNIC_MAXIMUM_SCALING_ENTRIES
    adapter.nic.words[WORD_SCALING_SEQUENCE] = 1 << 63
    assert adapter.host.scaling_asked() is None


def test_a_machine_with_more_queues_than_the_adapter(adapter: Adapter) -> None:
    adapter.host.power_on(MAC, queues=2)
    assert adapter.read(VNIC_REGISTER_QUEUES) == 2
    with pytest.raises(ValueError, match="queue 2 of an adapter with 2"):
        VnicSetReceiveScaling(adapter.nic, INFORMATION, KEY, [0, 2])
    for queues in (0, 5):
        with pytest.raises(ValueError, match="1 to 4 queues"):
            adapter.host.power_on(MAC, queues=queues)


def test_frames_come_with_their_hashes_in_order_and_round_the_ring(adapter: Adapter) -> None:
    queue = adapter.host.queues[2]
    number = 0
    for count in (1, 7, 16, 11, 16):
        VnicPostReceive(adapter.nic, 2, SLOT[:count], 1000)
        assert queue.refill(count) == count
        hashes = [number + place | (INFORMATION if place else 0) << 32 for place in range(count)]
        queue.deliver_hashed([60 + place for place in range(count)], hashes)
        half = count // 2
        parts = [VnicReceiveScaled(adapter.nic, 2, half), VnicReceiveScaled(adapter.nic, 2, 64)]
        got: list[list[int]] = [[*first, *rest] for first, rest in zip(*parts, strict=True)]
        assert got == [
            SLOT[:count],
            [60 + place for place in range(count)],
            [number + place for place in range(count)],
            [INFORMATION if place else 0 for place in range(count)],
        ]
        number += count
    assert VnicReceiveScaled(adapter.nic, 2, 64) == ([], [], [], [])


def test_entries_of_the_message_table_have_numbers() -> None:
    assert [VnicMessageEntry(0, entry) for entry in range(3)] == [0, 1, 2]
    assert [VnicMessageEntry(queue, entry) for queue in (1, 2) for entry in (0, 1)] == [3, 4, 5, 6]
    for queue, entry in ((0, 3), (1, VNIC_MESSAGE_ENTRY_LINK), (16, 0), (-1, 0), (1, -1)):
        with pytest.raises(ValueError, match="no table entry"):
            VnicMessageEntry(queue, entry)


def test_each_queue_sends_its_messages(adapter: Adapter) -> None:
    adapter.host.power_on(MAC, True, 1000, 16)
    words = adapter.nic.words
    assert messages.entries(words) == 9
    messages.enable(words, True)
    adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, 1)
    for queue in range(4):
        adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL, queue)

    def sent() -> list[int]:
        by_host = [message for message in range(16) if adapter.host.sends(message)]
        assert by_host == [message for message in range(16) if adapter.nic.sends(message)]
        return by_host

    assert sent() == []
    for queue, message in ((0, 0), (1, 3), (3, 7)):
        VnicPostReceive(adapter.nic, queue, [SLOT[queue]])
        adapter.deliver(1, queue)
        assert sent() == [message]
        messages.set_entry(words, VnicMessageEntry(queue, VNIC_MESSAGE_ENTRY_RECEIVE), 12)
        assert sent() == [12]
        adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_TRANSMIT, queue)
        assert sent() == []
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_RECEIVE, 1)
    messages.mask_entry(words, VnicMessageEntry(1, VNIC_MESSAGE_ENTRY_RECEIVE), True)
    messages.set_entry(words, VnicMessageEntry(1, VNIC_MESSAGE_ENTRY_TRANSMIT), 12)
    assert sent() == []


def test_without_messages_the_line_stands_for_every_queue(adapter: Adapter) -> None:
    adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, 1)
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL, 3)
    assert not adapter.nic.line_asserted()
    VnicPostReceive(adapter.nic, 3, SLOT[:1])
    adapter.deliver(1, 3)
    assert adapter.nic.line_asserted()
    assert adapter.host.line_asserted()
    assert adapter.host.sends(0)
    assert not adapter.host.sends(1)
