"""The hardware's end of the virtual adapter: what the host knows for itself, and what it makes of the driver's words.

Law: the host trusts nothing that it reads. Its own indices live in this process and are never read back; the driver's
are checked against them once a batch; an address becomes a buffer only when it lies wholly inside a region that the
hardware may touch, and that judgement is made on the copy that is then used. What breaks this is a DeviceFault, never a
crash and never an access elsewhere.

A reset throws away what lies in the rings and forgets the buffers, as the reset bit of a real adapter does: transmit
descriptors count as finished though nothing was sent, and every buffer is the driver's again. A removed adapter does
nothing more at all: what it held is the driver's, and nothing is completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vnic.device.layout import (
    CONSUMER,
    INDEX_MASK,
    NOTIFY_CONSUMER,
    PRODUCER,
    RECLAIMED,
    REGISTER_BYTES,
    STATISTICS_OFFSET,
    VNIC_DESCRIPTOR_ADDRESS_MASK,
    VNIC_DESCRIPTOR_LENGTH_MASK,
    VNIC_DESCRIPTOR_LENGTH_SHIFT,
    VNIC_DESCRIPTOR_RESERVED,
    VNIC_MINIMUM_FRAME,
    VnicLayout,
    check_block,
)
from vnic.device.registers import (
    CONTROL_RESETS_SHIFT,
    VNIC_CONTROL_ENABLES,
    VNIC_INTERRUPT_LINK,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_REMOVED,
    VNIC_INTERRUPT_TRANSMIT,
    WORD_CONTROL,
    WORD_LINK_ACKNOWLEDGE,
    WORD_LINK_SEQUENCE,
    WORD_LINK_SPEED,
    WORD_LINK_STATE,
    WORD_MAC_HIGH,
    WORD_MAC_LOW,
    WORD_PRESENT,
    WORD_QUEUES,
    WORD_RECEIVE_ENTRIES,
    WORD_RESET_DONE,
    WORD_TRANSMIT_ENTRIES,
)
from vnic.device.rings import RingView, get, get_halves, put_filled

if TYPE_CHECKING:
    from collections.abc import Sequence

Region = tuple[int, int]
"""Offset and length in the arena."""

_REMEMBERED: Final = 8192
"""Buffers whose views are kept; a driver that names more does not reuse its buffers, and memory would only grow."""
_FLAGS_SHIFT: Final = 48


class DeviceFault(Exception):
    """The driver programmed the hardware wrongly: `what` it did, `where`; the machine is to be stopped."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(what, where)
        self.what = what
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class HostQueue:
    """The hardware's end of one queue: three rings, the buffers it holds, the frames it was told to send."""

    __slots__ = (
        "addresses",
        "capacity",
        "capacity_bytes",
        "empties",
        "filled_addresses",
        "filled_buffers",
        "frames",
        "free_tail",
        "idle",
        "known",
        "mask",
        "memory",
        "name",
        "receive",
        "receive_free",
        "receive_head",
        "receive_regions",
        "receive_tail",
        "statistics",
        "transmit",
        "transmit_regions",
        "transmit_tail",
    )

    def __init__(
        self,
        memory: memoryview,
        block: memoryview,
        layout: VnicLayout,
        number: int,
        *,
        receive_regions: Sequence[Region],
        transmit_regions: Sequence[Region],
    ) -> None:
        at = layout.queue_offsets[number]
        self.name = f"queue {number}"
        self.memory = memory
        self.receive_regions = tuple((start, start + length) for start, length in receive_regions)
        self.transmit_regions = tuple((start, start + length) for start, length in transmit_regions)
        self.mask = block[at.driver : at.driver + 8].cast("Q")
        self.statistics = block[at.statistics : at.statistics + STATISTICS_OFFSET].cast("Q")
        self.receive = RingView(block, at.receive, layout.receive_entries)
        self.receive_free = RingView(block, at.receive_free, layout.receive_entries)
        self.transmit = RingView(block, at.transmit, layout.transmit_entries)
        # The host's indices, and the driver's receive index as it was when last looked at.
        self.receive_head = self.receive_tail = self.free_tail = self.transmit_tail = 0
        self.forget()

    def forget(self) -> None:
        """Hold no buffer any more and know none."""
        # Empty buffers at hand, oldest first, and filled ones in the receive ring that the driver has not taken: their
        # addresses, and in parallel the bytes that they name.
        self.addresses: list[int] = []
        self.empties: list[memoryview] = []
        self.filled_addresses: list[int] = []
        self.filled_buffers: list[memoryview] = []
        # Buffers seen before that the driver holds now, by address. Looking one up takes it out and the driver's taking
        # a filled one puts it back: one access both finds a buffer and tells whether it was posted twice.
        self.idle: dict[int, memoryview] = {}
        # Each address that is in one of the above.
        self.known: set[int] = set()
        # Bytes in each buffer, said by the first one posted, and how that looks in a row of descriptors.
        self.capacity = 0
        self.capacity_bytes = b""
        self.frames: dict[int, memoryview] = {}

    # -- receive -------------------------------------------------------------------------------------------------------

    def refill(self, budget: int) -> int:
        """Fetch empty buffers up to `budget`; returns how many of `empties` may be filled now."""
        filled = self.filled_addresses
        outstanding = len(filled)
        taken = self.receive.indices[CONSUMER] - self.receive_tail & INDEX_MASK
        if taken:
            if taken > outstanding:
                raise self.fault(f"the driver took {taken} frames where {outstanding} lay", "receive ring's tail")
            self.receive_tail = self.receive_tail + taken & INDEX_MASK
            self.idle.update(zip(filled[:taken], self.filled_buffers[:taken], strict=True))
            del filled[:taken], self.filled_buffers[:taken]
            outstanding -= taken
        limit = min(self.receive.entries - outstanding, budget)
        at_hand = len(self.empties)
        if at_hand < limit:
            posted = self.receive_free.indices[PRODUCER] - self.free_tail & INDEX_MASK
            if posted:
                if posted > self.receive_free.entries:
                    raise self.fault(f"{posted} buffers posted", "receive-free ring's head")
                self._fetch(min(posted, limit - at_hand))
                at_hand = len(self.empties)
        return min(at_hand, limit)

    def _fetch(self, count: int) -> None:
        addresses, lengths = get_halves(self.receive_free, self.free_tail, count)
        if lengths != self.capacity_bytes[: 4 * count]:
            self._learn_capacity(lengths)
        # A list keeps what it was extended by before an exception: the buffers found so far.
        empties: list[memoryview] = []
        left = iter(addresses)
        while True:
            try:
                empties.extend(map(self.idle.pop, left))
                break
            except KeyError:
                empties.append(self._admit(addresses[len(empties)]))
        self.addresses += addresses
        self.empties += empties
        self.free_tail = self.free_tail + count & INDEX_MASK
        self.receive_free.indices[CONSUMER] = self.free_tail

    def _learn_capacity(self, lengths: bytes) -> None:
        capacity = int.from_bytes(lengths[:4], "little")
        if lengths != lengths[:4] * (len(lengths) // 4) or self.capacity not in (0, capacity):
            raise self.fault("buffers of more than one capacity, or with flags", "receive-free ring")
        if not VNIC_MINIMUM_FRAME < capacity <= VNIC_DESCRIPTOR_LENGTH_MASK:
            raise self.fault(f"an empty buffer of {capacity:#x} bytes", "receive-free ring")
        self.capacity = capacity
        self.capacity_bytes = lengths[:4] * self.receive_free.entries

    def _admit(self, address: int) -> memoryview:
        """Judge a buffer that is not known to lie with the driver: never seen, or held by the hardware."""
        if address in self.known:
            raise self.fault(f"buffer {address:#x} was posted twice", "receive-free ring")
        if not _inside(address, self.capacity, self.receive_regions):
            what = f"buffer {address:#x}+{self.capacity} lies outside the frame memory"
            raise self.fault(what, "receive-free ring")
        if len(self.idle) >= _REMEMBERED:
            self.known.difference_update(self.idle)
            self.idle.clear()
        self.known.add(address)
        return self.memory[address : address + self.capacity]

    def deliver(self, lengths: list[int]) -> None:
        """Give the first `len(lengths)` empty buffers at hand to the driver, filled to these lengths."""
        count = len(lengths)
        addresses = self.addresses[:count]
        self.filled_addresses += addresses
        self.filled_buffers += self.empties[:count]
        del self.addresses[:count], self.empties[:count]
        self.receive_head = put_filled(self.receive, self.receive_head, addresses, lengths)

    def set_aside(self, places: set[int]) -> None:
        """Put the empty buffers at these places behind the others, for the next frames."""
        order = sorted(range(len(self.empties)), key=places.__contains__)
        self.addresses = [self.addresses[place] for place in order]
        self.empties = [self.empties[place] for place in order]

    def ask_for_buffers(self, asked: bool) -> None:
        """Say whether the driver is to ring the host's bell when it posts empty buffers."""
        self.receive_free.indices[NOTIFY_CONSUMER] = int(asked)

    # -- transmit ------------------------------------------------------------------------------------------------------

    def posted(self) -> int:
        """How many transmit descriptors are waiting."""
        count = self.transmit.indices[PRODUCER] - self.transmit_tail & INDEX_MASK
        if count > self.transmit.entries:
            raise self.fault(f"{count} descriptors posted", "transmit ring's head")
        return count

    def descriptors(self, count: int) -> list[int]:
        """Copy the next `count` transmit descriptors."""
        return get(self.transmit, self.transmit_tail, count)

    def finish(self, count: int) -> None:
        """Tell the driver that the hardware is done with the next `count` transmit descriptors."""
        self.transmit_tail = tail = self.transmit_tail + count & INDEX_MASK
        self.transmit.indices[CONSUMER] = tail

    def fragment(self, word: int) -> memoryview:
        """The bytes that a transmit descriptor names, once they are seen to be the hardware's to read."""
        address = word & VNIC_DESCRIPTOR_ADDRESS_MASK
        length = word >> VNIC_DESCRIPTOR_LENGTH_SHIFT & VNIC_DESCRIPTOR_LENGTH_MASK
        if word & VNIC_DESCRIPTOR_RESERVED:
            raise self.fault(f"reserved flags {word >> _FLAGS_SHIFT:#x} in a descriptor", "transmit ring")
        if not _inside(address, length, self.transmit_regions):
            raise self.fault(f"{address:#x}+{length} is no memory of the driver's", "transmit ring")
        return self.memory[address : address + length]

    def learn(self, word: int) -> memoryview:
        """The bytes of a frame that is one descriptor; remembered, since a driver uses its buffers again."""
        frame = self.fragment(word)
        if len(self.frames) >= _REMEMBERED:
            self.frames.clear()
        self.frames[word] = frame
        return frame

    # -- both ----------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Empty the rings by moving the host's indices to the driver's, which the driver leaves alone meanwhile."""
        tail = self.receive.indices[CONSUMER]
        if self.receive_head - tail & INDEX_MASK > len(self.filled_addresses):
            raise self.fault("an index that was never reached", "receive ring's tail")
        self.posted()
        free = self.receive_free.indices[PRODUCER]
        if free - self.free_tail & INDEX_MASK > self.receive_free.entries:
            raise self.fault("more buffers posted than it has entries", "receive-free ring's head")
        self.receive_head = self.receive_tail = tail
        self.receive.indices[PRODUCER] = tail
        self.free_tail = self.receive_free.indices[CONSUMER] = free
        self.finish(self.posted())
        self.forget()

    def fault(self, what: str, where: str) -> DeviceFault:
        """Make the error that reports what the driver has done to this queue."""
        return DeviceFault(what, f"{self.name}, {where}")


class HostVnic:
    """One adapter's hardware as the host plays it.

    Args:
        memory: The arena, writable, as bytes; bus addresses count from its start.
        offset: Where the adapter's block begins in it.
        layout: The same as the driver's.
        receive_regions: Where the hardware may write frames.
        transmit_regions: Where it may read them; the receive regions are added, since a driver may send what it
            received.
    """

    def __init__(
        self,
        memory: memoryview,
        offset: int,
        layout: VnicLayout,
        receive_regions: Sequence[Region],
        transmit_regions: Sequence[Region] = (),
    ) -> None:
        for start, length in (*receive_regions, *transmit_regions):
            if start < 0 or length < 0 or start + length > memory.nbytes:
                raise ValueError(f"region {start:#x}+{length} lies outside the arena")
        block = check_block(memory, offset, layout)
        self.layout = layout
        self.present = False
        self.words = block[:REGISTER_BYTES].cast("Q")
        self.queues = [
            HostQueue(
                memory,
                block,
                layout,
                number,
                receive_regions=receive_regions,
                transmit_regions=(*receive_regions, *transmit_regions),
            )
            for number in range(layout.queues)
        ]
        self._block = block
        self._control = 0
        self._link_sequence = 0

    def power_on(self, mac: bytes, link_up: bool = False, megabits: int = 10_000) -> None:
        """Begin: all registers and rings at zero, the identity in place, one link change for the driver to notice."""
        if len(mac) != 6:
            raise ValueError(f"an Ethernet address has 6 bytes, not {len(mac)}")
        self._block[:] = bytes(len(self._block))
        self._control = self._link_sequence = 0
        for queue in self.queues:
            queue.receive_head = queue.receive_tail = queue.free_tail = queue.transmit_tail = 0
            queue.forget()
        words, layout = self.words, self.layout
        words[WORD_MAC_LOW] = int.from_bytes(mac[:4], "little")
        words[WORD_MAC_HIGH] = int.from_bytes(mac[4:], "little")
        words[WORD_QUEUES] = layout.queues
        words[WORD_RECEIVE_ENTRIES] = layout.receive_entries
        words[WORD_TRANSMIT_ENTRIES] = layout.transmit_entries
        self.set_link(link_up, megabits)
        words[WORD_PRESENT] = 1
        self.present = True

    def set_link(self, up: bool, megabits: int = 10_000) -> None:
        """Change the link; whoever calls wakes the processor of queue 0 afterwards."""
        words = self.words
        words[WORD_LINK_STATE] = int(up)
        words[WORD_LINK_SPEED] = megabits if up else 0
        self._link_sequence = self._link_sequence + 1 & INDEX_MASK
        words[WORD_LINK_SEQUENCE] = self._link_sequence

    def remove(self) -> None:
        """Take the adapter away: from now on it reads as all ones, moves nothing and completes nothing."""
        self.present = False
        self.words[WORD_PRESENT] = 0

    def attend(self) -> int:
        """Look at the driver's control word, carry out a reset it asks for; returns which directions are enabled."""
        control = self.words[WORD_CONTROL]
        if control != self._control:
            resets = control >> CONTROL_RESETS_SHIFT
            if resets != self._control >> CONTROL_RESETS_SHIFT:
                for queue in self.queues:
                    queue.reset()
                self.words[WORD_RESET_DONE] = resets
            self._control = control
        return control & VNIC_CONTROL_ENABLES

    @property
    def attention(self) -> bool:
        """Whether the driver has written its control word since the host last looked."""
        return self.words[WORD_CONTROL] != self._control

    def asserted(self, number: int = 0) -> bool:
        """Whether a queue's interrupt line is asserted; asked before the expensive part of waking its processor."""
        queue = self.queues[number]
        mask = queue.mask[0]
        if not self.present:
            return number == 0 and bool(mask & VNIC_INTERRUPT_REMOVED)
        if mask & VNIC_INTERRUPT_RECEIVE and queue.receive.indices[CONSUMER] != queue.receive_head:
            return True
        if mask & VNIC_INTERRUPT_TRANSMIT and queue.transmit.indices[RECLAIMED] != queue.transmit_tail:
            return True
        link = mask & VNIC_INTERRUPT_LINK and number == 0
        return bool(link and self.words[WORD_LINK_ACKNOWLEDGE] != self._link_sequence)


def _inside(address: int, length: int, regions: tuple[Region, ...]) -> bool:
    """Whether all the bytes lie in one of the regions, given as (start, end)."""
    return any(start <= address and address + length <= end for start, end in regions)
