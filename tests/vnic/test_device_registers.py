"""The register block: what each register says, who may write it, interrupts, reset, a link change, removal."""

from __future__ import annotations

from itertools import pairwise

import pytest

import vnic.device as header
from vnic.device import (
    VNIC_ALL_ONES,
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_RESET,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    VNIC_INTERRUPT_ALL,
    VNIC_INTERRUPT_LINK,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_REMOVED,
    VNIC_INTERRUPT_TRANSMIT,
    VNIC_REGISTER_CONTROL,
    VNIC_REGISTER_INTERRUPT_CAUSE,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_LINK_ACKNOWLEDGE,
    VNIC_REGISTER_LINK_SEQUENCE,
    VNIC_REGISTER_LINK_SPEED,
    VNIC_REGISTER_QUEUES,
    VNIC_REGISTER_RECEIVE_ENTRIES,
    VNIC_REGISTER_RECEIVE_FRAMES,
    VNIC_REGISTER_STATUS,
    VNIC_STATUS_LINK_UP,
    VNIC_STATUS_RESETTING,
    Vnic,
    VnicDescriptor,
    VnicLayout,
    VnicPostReceive,
    VnicReadMacAddress,
    VnicReadRegister,
    VnicReceive,
    VnicTransmit,
    VnicTransmitCompleted,
    VnicTransmitRoom,
    VnicWriteRegister,
)
from vnic.device.hardware import HostVnic
from vnic.device.layout import CONSUMER, INDEX_MASK, INTERRUPT, PRODUCER, RECLAIMED, REGISTER_BYTES
from vnic.device.registers import REGISTERS, STATISTIC_RECEIVE_FRAMES

OFFSET = 4096
FRAMES = (1 << 17, 64 * 2048)
MAC = bytes.fromhex("02005e102030")
SLOT = [FRAMES[0] + index * 2048 + 128 for index in range(64)]


class Adapter:
    """Both ends of one adapter in one process."""

    def __init__(self, queues: int = 1) -> None:
        self.memory = memoryview(bytearray(1 << 18))
        layout = VnicLayout(queues, 16, 16)
        self.bells = 0
        self.interrupts: list[int] = []
        self.host = HostVnic(self.memory, OFFSET, layout, [FRAMES])
        self.host.power_on(MAC, link_up=True, megabits=1000)
        self.nic = Vnic(self.memory, OFFSET, layout, self.ring, raise_interrupt=self.interrupts.append)

    def ring(self) -> None:
        self.bells += 1

    def read(self, register: int, queue: int = 0) -> int:
        return VnicReadRegister(self.nic, register, queue)

    def write(self, register: int, value: int, queue: int = 0) -> None:
        VnicWriteRegister(self.nic, register, value, queue)

    def deliver(self, count: int, queue: int = 0) -> None:
        end = self.host.queues[queue]
        assert end.refill(count) == count
        end.deliver([60] * count)


@pytest.fixture
def adapter() -> Adapter:
    return Adapter()


def test_each_register_has_the_number_that_the_table_gives_it() -> None:
    numbers = {name: value for name, value in vars(header).items() if name.startswith("VNIC_REGISTER_")}
    assert numbers == {f"VNIC_REGISTER_{row.name}": number for number, row in enumerate(REGISTERS)}


def test_the_header_lists_exactly_its_public_names() -> None:
    # Through the star import of a driver no helper of ours may leak.
    assert {name for name in header.__all__ if not name.lower().startswith("vnic")} == set()


def test_identity(adapter: Adapter) -> None:
    assert VnicReadMacAddress(adapter.nic) == MAC
    assert adapter.read(VNIC_REGISTER_QUEUES) == 1
    assert adapter.read(VNIC_REGISTER_RECEIVE_ENTRIES) == 16
    assert adapter.read(VNIC_REGISTER_STATUS) == VNIC_STATUS_LINK_UP
    assert adapter.read(VNIC_REGISTER_LINK_SPEED) == 1000


@pytest.mark.parametrize("number", [number for number, row in enumerate(REGISTERS) if not row.writable])
def test_a_read_only_register_refuses_a_write(adapter: Adapter, number: int) -> None:
    before = bytes(adapter.memory)
    with pytest.raises(ValueError, match=f"{REGISTERS[number].name} is read only"):
        adapter.write(number, 1)
    assert bytes(adapter.memory) == before


@pytest.mark.parametrize("number", [-1, len(REGISTERS)])
def test_a_register_that_there_is_not(adapter: Adapter, number: int) -> None:
    with pytest.raises(ValueError, match="has no register"):
        adapter.read(number)


def test_statistics_are_summed_over_the_queues() -> None:
    adapter = Adapter(queues=3)
    for queue in adapter.host.queues:
        queue.statistics[STATISTIC_RECEIVE_FRAMES] = 7
    assert adapter.read(VNIC_REGISTER_RECEIVE_FRAMES) == 21


def test_the_driver_enables_directions_and_the_host_sees_it(adapter: Adapter) -> None:
    assert adapter.host.attend() == 0
    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
    assert adapter.bells == 1
    assert adapter.host.attention
    assert adapter.host.attend() == VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE
    assert not adapter.host.attention
    assert adapter.read(VNIC_REGISTER_CONTROL) == VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE


def test_a_link_change_is_a_cause_until_it_is_acknowledged(adapter: Adapter) -> None:
    for up in (True, False):
        adapter.host.set_link(up, 100)
        assert adapter.read(VNIC_REGISTER_INTERRUPT_CAUSE) == VNIC_INTERRUPT_LINK
        sequence = adapter.read(VNIC_REGISTER_LINK_SEQUENCE)
        adapter.host.set_link(not up, 100)
        adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, sequence)
        # It has changed again since: acknowledging what was seen does not hide what was not.
        assert adapter.read(VNIC_REGISTER_INTERRUPT_CAUSE) == VNIC_INTERRUPT_LINK
        adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, adapter.read(VNIC_REGISTER_LINK_SEQUENCE))
        assert adapter.read(VNIC_REGISTER_INTERRUPT_CAUSE) == 0
        assert (adapter.read(VNIC_REGISTER_STATUS) == VNIC_STATUS_LINK_UP) == (not up)


@pytest.mark.parametrize("queue", [0, 1])
def test_causes_are_levels_of_one_queue(queue: int) -> None:
    adapter = Adapter(queues=2)
    adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, adapter.read(VNIC_REGISTER_LINK_SEQUENCE))
    cause = VNIC_REGISTER_INTERRUPT_CAUSE
    VnicPostReceive(adapter.nic, queue, SLOT[:4])
    assert adapter.read(cause, queue) == 0
    adapter.deliver(2, queue)
    assert adapter.read(cause, queue) == VNIC_INTERRUPT_RECEIVE
    assert adapter.read(cause, queue) == VNIC_INTERRUPT_RECEIVE, "reading a level does not clear it"
    assert adapter.read(cause, 1 - queue) == 0
    assert len(VnicReceive(adapter.nic, queue, 1)[0]) == 1
    assert adapter.read(cause, queue) == VNIC_INTERRUPT_RECEIVE
    assert len(VnicReceive(adapter.nic, queue, 9)[0]) == 1
    assert adapter.read(cause, queue) == 0

    VnicTransmit(adapter.nic, queue, [VnicDescriptor(SLOT[9], 60)])
    assert adapter.read(cause, queue) == 0
    adapter.host.queues[queue].finish(1)
    assert adapter.read(cause, queue) == VNIC_INTERRUPT_TRANSMIT
    assert VnicTransmitCompleted(adapter.nic, queue) == 1
    assert adapter.read(cause, queue) == 0


def test_finished_frames_alone_assert_the_line_when_the_hardware_says_so(adapter: Adapter) -> None:
    adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, adapter.read(VNIC_REGISTER_LINK_SEQUENCE))
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    end = adapter.host.queues[0]

    def lines() -> tuple[bool, bool]:
        return adapter.nic.asserted(), adapter.host.asserted()

    # Past 2**32, where the indices begin again.
    for ring in (adapter.nic.transmit[0], end.transmit):
        for word in (PRODUCER, CONSUMER, RECLAIMED, INTERRUPT):
            ring.indices[word] = INDEX_MASK - 1
    end.transmit_tail = end.interrupt = INDEX_MASK - 1
    assert lines() == (False, False)
    for _ in range(3):
        assert VnicTransmit(adapter.nic, 0, [VnicDescriptor(SLOT[9], 60)] * 3) == 3
        end.complete(2)
        assert adapter.read(VNIC_REGISTER_INTERRUPT_CAUSE) == VNIC_INTERRUPT_TRANSMIT
        assert lines() == (False, False)
        end.assert_transmit()
        assert lines() == (True, True)
        end.complete(1)
        assert lines() == (True, True)
        assert VnicTransmitCompleted(adapter.nic, 0) == 3
        assert lines() == (False, False)


def test_the_mask_lets_causes_through_and_unmasking_a_pending_one_interrupts(adapter: Adapter) -> None:
    adapter.write(VNIC_REGISTER_LINK_ACKNOWLEDGE, adapter.read(VNIC_REGISTER_LINK_SEQUENCE))
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_RECEIVE)
    assert adapter.interrupts == []
    VnicPostReceive(adapter.nic, 0, SLOT[:1])
    adapter.deliver(1)
    assert adapter.nic.asserted()
    assert adapter.host.asserted()
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, 0)
    assert not adapter.nic.asserted()
    assert not adapter.host.asserted()
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_TRANSMIT)
    assert adapter.interrupts == []
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    assert adapter.interrupts == [0]
    assert adapter.read(VNIC_REGISTER_INTERRUPT_MASK) == VNIC_INTERRUPT_ALL


def test_reset_empties_the_rings_and_reads_as_set_until_it_is_done(adapter: Adapter) -> None:
    nic, host = adapter.nic, adapter.host
    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE)
    VnicPostReceive(nic, 0, SLOT[:10])
    adapter.deliver(3)
    assert len(VnicReceive(nic, 0, 1)[0]) == 1
    assert host.queues[0].refill(2) == 2
    assert VnicTransmit(nic, 0, [VnicDescriptor(SLOT[20 + i], 60) for i in range(5)]) == 5
    host.queues[0].finish(2)

    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RESET)
    assert adapter.read(VNIC_REGISTER_CONTROL) == VNIC_CONTROL_RESET
    assert adapter.read(VNIC_REGISTER_STATUS) & VNIC_STATUS_RESETTING
    assert host.attend() == 0
    assert adapter.read(VNIC_REGISTER_CONTROL) == 0
    assert VnicReceive(nic, 0, 99) == ([], [])
    assert VnicTransmitCompleted(nic, 0) == 5
    assert VnicTransmitRoom(nic, 0) == 16
    # Every buffer is the driver's again: none of them counts as posted twice.
    assert VnicPostReceive(nic, 0, SLOT[:16]) == 16
    adapter.deliver(16)
    assert VnicReceive(nic, 0, 16)[0] == SLOT[:16]


def test_a_second_reset_and_enabling_at_once_are_not_lost(adapter: Adapter) -> None:
    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RESET)
    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE)
    assert adapter.read(VNIC_REGISTER_CONTROL) == VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_RESET
    assert adapter.host.attend() == VNIC_CONTROL_RECEIVE_ENABLE
    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RESET)
    assert adapter.host.attend() == 0
    assert adapter.read(VNIC_REGISTER_CONTROL) == 0


def test_a_removed_adapter_reads_as_all_ones_and_asserts_one_interrupt(adapter: Adapter) -> None:
    VnicPostReceive(adapter.nic, 0, SLOT[:1])
    adapter.deliver(1)
    adapter.host.remove()
    assert {adapter.read(number) for number in range(len(REGISTERS))} == {VNIC_ALL_ONES}
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL & ~VNIC_INTERRUPT_REMOVED)
    assert not adapter.nic.asserted()
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    assert adapter.interrupts == [0]
    assert adapter.host.asserted()
    # The mask still works, or the line could never be silenced.
    adapter.write(VNIC_REGISTER_INTERRUPT_MASK, 0)
    assert not adapter.nic.asserted()
    # What was delivered before lies in memory, not in the device.
    assert len(VnicReceive(adapter.nic, 0, 9)[0]) == 1


def test_free_buffers_are_those_that_no_frame_has_filled(adapter: Adapter) -> None:
    queue = adapter.host.queues[0]
    assert VnicPostReceive(adapter.nic, 0, SLOT[:10]) == 10
    assert queue.free() == 10
    assert queue.refill(3) == 3
    assert queue.free() == 10
    queue.deliver([60, 60])
    assert queue.free() == 8
    adapter.write(VNIC_REGISTER_CONTROL, VNIC_CONTROL_RESET)
    adapter.host.attend()
    assert queue.free() == 0
    assert VnicPostReceive(adapter.nic, 0, SLOT[:10]) == 10
    assert queue.free() == 10


def test_power_on_again_begins_anew(adapter: Adapter) -> None:
    VnicPostReceive(adapter.nic, 0, SLOT[:3])
    adapter.deliver(2)
    adapter.host.remove()
    adapter.host.power_on(MAC)
    assert adapter.read(VNIC_REGISTER_STATUS) == 0
    assert VnicReceive(adapter.nic, 0, 9) == ([], [])
    assert VnicPostReceive(adapter.nic, 0, SLOT[:16]) == 16
    assert adapter.host.queues[0].refill(16) == 16


@pytest.mark.parametrize("arguments", [(0, 16, 16), (17, 16, 16), (1, 24, 16), (1, 16, 2), (1, 1 << 16, 16)])
def test_a_layout_that_makes_no_sense_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"queues|power of two"):
        VnicLayout(*arguments)


def test_parts_of_a_block_do_not_overlap_and_begin_on_cache_lines() -> None:
    layout = VnicLayout(3, 32, 64)
    ring = 3 * 64
    parts = [(0, REGISTER_BYTES)]
    for at in layout.queue_offsets:
        parts += [(at.driver, 64), (at.statistics, 64), (at.receive, ring + 32 * 16)]
        parts += [(at.receive_free, ring + 32 * 16), (at.transmit, ring + 64 * 16)]
    parts.sort()
    assert all(start % 64 == 0 for start, _ in parts)
    assert all(start + size == following for (start, size), (following, _) in pairwise(parts))
    assert sum(parts[-1]) == layout.size


def test_a_block_that_does_not_fit_is_refused() -> None:
    memory = memoryview(bytearray(8192))
    layout = VnicLayout(1, 64, 64)
    for offset in (-64, 32, 8192 - layout.size + 64):
        with pytest.raises(ValueError, match="hardware block"):
            Vnic(memory, offset, layout, lambda: None)
