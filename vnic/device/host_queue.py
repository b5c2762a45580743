"""The hardware's end of one queue: what it makes of the driver's descriptors, and which buffers it holds.

Law: an address becomes a buffer only when it lies wholly inside a region that the hardware may touch, and that
judgement is made on the copy that is then used; or it is seen to be one that was judged before, and what was made of
that is used. The host's indices live here and are never read back from memory; the driver's are checked against them
once a batch. What breaks this is a DeviceFault.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from vnic.device.layout import (
    CONSUMER,
    INDEX_MASK,
    INTERRUPT,
    NOTIFY_CONSUMER,
    PRODUCER,
    RECLAIMED,
    STATISTICS_OFFSET,
    VNIC_DESCRIPTOR_ADDRESS_MASK,
    VNIC_DESCRIPTOR_LENGTH_MASK,
    VNIC_DESCRIPTOR_LENGTH_SHIFT,
    VNIC_DESCRIPTOR_MORE,
    VNIC_DESCRIPTOR_RESERVED,
    VNIC_MINIMUM_FRAME,
    VnicLayout,
)
from vnic.device.registers import VNIC_INTERRUPT_RECEIVE
from vnic.device.rings import RingView, get, put_hashes, put_received

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Region = tuple[int, int]
"""Offset and length in the arena."""

_REMEMBERED: Final = 8192
"""Buffers whose views are kept; a driver that names more does not reuse its buffers, and memory would only grow."""
_NEAR: Final = 32
"""How many buffers a driver mostly keeps while it gives back others; looking for them farther away costs more."""
_FLAGS_SHIFT: Final = 48


class DeviceFault(Exception):
    """The driver programmed the hardware wrongly: `what` it did, `where`; the machine is to be stopped."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(what, where)
        self.what = what
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class _Frames(dict[int, memoryview]):
    """The bytes of the frames that lie in one piece, by descriptor: judged when first seen, and then remembered.

    A KeyError is a descriptor that is no frame by itself, or too short for one.
    """

    __slots__ = ("_fragment",)

    def __init__(self, fragment: Callable[[int], memoryview]) -> None:
        self._fragment = fragment

    def __missing__(self, word: int) -> memoryview:
        if word & VNIC_DESCRIPTOR_MORE or word >> 32 & VNIC_DESCRIPTOR_LENGTH_MASK < VNIC_MINIMUM_FRAME:
            raise KeyError(word)
        frame = self._fragment(word)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = frame
        return frame


class HostQueue:
    """The hardware's end of one queue: three rings, the buffers it holds, the frames it was told to send."""

    __slots__ = (
        "at_hand",
        "buffers",
        "capacity",
        "filled",
        "frames",
        "free_tail",
        "interrupt",
        "known",
        "mask",
        "memory",
        "name",
        "receive",
        "receive_free",
        "receive_head",
        "receive_regions",
        "receive_tail",
        "sent_frames",
        "sent_words",
        "statistics",
        "transmit",
        "transmit_regions",
        "transmit_tail",
        "usable",
        "words",
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
        # The transmit tail when the driver was last to be interrupted for it.
        self.interrupt = 0
        self.frames = _Frames(self.fragment)
        self.forget()

    def forget(self) -> None:
        """Hold no buffer any more and know none."""
        # Every buffer that is known, and in parallel its descriptor as it is posted: first those that lie filled in the
        # receive ring, then the empty ones at hand, then those that the driver has, in the order in which it took them.
        # In that order it mostly posts them again: then one comparison finds a whole batch and shows that none was
        # posted twice, and a buffer goes round without a Python object being made for it.
        self.buffers: list[memoryview] = []
        self.words = array("Q")
        self.filled = self.at_hand = 0
        # Each word of `words`.
        self.known: set[int] = set()
        # Bytes in each buffer, said by the first one posted.
        self.capacity = 0
        self.frames.clear()
        # What lay in each place of the transmit ring when it last came round, and the frames that were made of it.
        self.sent_words = array("Q")
        self.sent_frames: list[memoryview] = []
        # How many of those at hand may be filled before the rings are looked at again.
        self.usable = 0

    # -- receive -------------------------------------------------------------------------------------------------------

    def refill(self, budget: int) -> int:
        """Fetch empty buffers up to `budget`; returns how many may be filled now."""
        if 2 * self.usable >= budget:
            # Enough for now: looking at the rings costs as much for one buffer as for a good many (measured).
            return min(self.usable, budget)
        # First what was posted: a driver that takes a frame and posts its buffer between the two looks has done nothing
        # wrong, but a buffer seen as posted that was not seen as taken would lie with the hardware twice.
        posted = self.receive_free.indices[PRODUCER] - self.free_tail & INDEX_MASK
        taken = self.receive.indices[CONSUMER] - self.receive_tail & INDEX_MASK
        if taken:
            if taken > self.filled:
                raise self.fault(f"the driver took {taken} frames where {self.filled} lay", "receive ring's tail")
            self.receive_tail = self.receive_tail + taken & INDEX_MASK
            self.filled -= taken
            self._to_the_end(0, taken)
        limit = min(self.receive.entries - self.filled, budget)
        wanted = limit - self.at_hand
        if posted and wanted > 0:
            if posted > self.receive_free.entries:
                raise self.fault(f"{posted} buffers posted", "receive-free ring's head")
            wanted = min(posted, wanted)
            while wanted:
                wanted -= self._fetch(wanted)
        self.usable = min(self.at_hand, limit)
        return self.usable

    def _to_the_end(self, first: int, count: int) -> None:
        """Move these buffers behind all others."""
        words, buffers, end = self.words, self.buffers, first + count
        words += words[first:end]
        buffers += buffers[first:end]
        del words[first:end], buffers[first:end]

    def _fetch(self, count: int) -> int:
        """Fetch buffers from the ring, not beyond its end; returns how many."""
        ring = self.receive_free
        start = self.free_tail & ring.mask
        posted = ring.words[start : start + count]
        count = len(posted)
        first = self.filled + self.at_hand
        # What is compared may change behind our back, but what is used then is ours.
        if posted != self.words[first : first + count]:
            self._put_in_order(first, posted.tolist())
        self.at_hand += count
        self.free_tail = ring.indices[CONSUMER] = self.free_tail + count & INDEX_MASK
        return count

    def _put_in_order(self, first: int, posted: list[int]) -> None:
        """Let buffers be the next that come in another order than they were taken in, or come for the first time."""
        near = self.words[first : first + len(posted) + _NEAR].tolist()
        if posted[0] in near:
            kept = near.index(posted[0])
            if self.words[first + kept : first + kept + len(posted)].tolist() == posted:
                # The driver keeps others for longer: they are out of the way until it has given back all that it has.
                self._to_the_end(first, kept)
                return
        others = dict(zip(near, self.buffers[first : first + len(near)], strict=True))
        try:
            found = list(map(others.pop, posted))
        except KeyError:  # farther away, seen for the first time, or posted twice
            near = self.words[first:].tolist()
            others = dict(zip(near, self.buffers[first:], strict=True))
            found = [others.pop(word) if word in others else self._admit(word) for word in posted]
        if len(others) >= _REMEMBERED:
            self.known.difference_update(others)
            others.clear()
        # Those that were only passed over keep their place in the order.
        end = first + len(near)
        self.words[first:end] = array("Q", [*posted, *others])
        self.buffers[first:end] = [*found, *others.values()]

    def _admit(self, word: int) -> memoryview:
        """Judge a buffer that the driver has not taken from the hardware: never seen, or held by it."""
        address, capacity = word & VNIC_DESCRIPTOR_ADDRESS_MASK, word >> VNIC_DESCRIPTOR_LENGTH_SHIFT
        if self.capacity not in (0, capacity):
            raise self.fault("buffers of more than one capacity, or with flags", "receive-free ring")
        if not VNIC_MINIMUM_FRAME < capacity <= VNIC_DESCRIPTOR_LENGTH_MASK:
            raise self.fault(f"an empty buffer of {capacity:#x} bytes", "receive-free ring")
        if word in self.known:
            raise self.fault(f"buffer {address:#x} was posted twice", "receive-free ring")
        if not inside(address, capacity, self.receive_regions):
            what = f"buffer {address:#x}+{capacity} lies outside the frame memory"
            raise self.fault(what, "receive-free ring")
        self.capacity = capacity
        self.known.add(word)
        return self.memory[address : address + capacity]

    @property
    def empties(self) -> list[memoryview]:
        """The empty buffers at hand, oldest first."""
        return self.buffers[self.filled : self.filled + self.at_hand]

    @property
    def addresses(self) -> list[int]:
        """Where they lie."""
        words = self.words[self.filled : self.filled + self.at_hand]
        return [word & VNIC_DESCRIPTOR_ADDRESS_MASK for word in words]

    def deliver(self, lengths: list[int]) -> None:
        """Give the first `len(lengths)` empty buffers at hand to the driver, filled to these lengths."""
        count, first = len(lengths), self.filled
        if count == 1:
            self.deliver_one(lengths[0])
            return
        buffers = self.words[first : first + count]
        self.receive_head = put_received(self.receive, self.receive_head, buffers, lengths)
        self.filled = first + count
        self.at_hand -= count
        self.usable -= count

    def deliver_one(self, length: int) -> None:
        """`deliver` for a lone frame: somebody waits for it, so it is worth lines of its own."""
        ring, head = self.receive, self.receive_head
        address = self.words[self.filled] & VNIC_DESCRIPTOR_ADDRESS_MASK
        ring.words[head & ring.mask] = address | length << VNIC_DESCRIPTOR_LENGTH_SHIFT
        self.receive_head = ring.indices[PRODUCER] = head + 1 & INDEX_MASK
        self.filled += 1
        self.at_hand -= 1
        self.usable -= 1

    def deliver_hashed(self, lengths: list[int], hashes: list[int]) -> None:
        """`deliver`, with the hash of each frame: value below, information above."""
        put_hashes(self.receive, self.receive_head, hashes)
        self.deliver(lengths)

    def taken(self) -> int:
        """How far the driver has taken frames from the receive ring, as it says."""
        return self.receive.indices[CONSUMER]

    def idle(self) -> bool:
        """Whether the driver has taken every frame, and then let its receive interrupt through again.

        A queue that has never had a frame is idle, whether its driver uses it or not.
        """
        if self.receive.indices[CONSUMER] != self.receive_head:
            return False
        return self.mask[0] & VNIC_INTERRUPT_RECEIVE != 0 or not self.receive_head

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

    def oldest(self) -> memoryview | None:
        """The frame of the oldest transmit descriptor, if it lies in one piece and has been judged before."""
        ring = self.transmit
        return self.frames.get(ring.words[self.transmit_tail & ring.mask])

    def again(self, count: int) -> list[memoryview]:
        """The frames of the next descriptors, up to the ring's end, if the same lay there when it last came round.

        A driver whose buffers go round with its rings mostly sends the same again: then nothing is looked up.
        """
        ring = self.transmit
        start = self.transmit_tail & ring.mask
        words = ring.words[start : start + count]
        end = start + len(words)
        return self.sent_frames[start:end] if words == self.sent_words[start:end] else []

    def remember(self, words: list[int], frames: list[memoryview]) -> None:
        """Keep what the next descriptors are, and their frames, for when the ring comes round."""
        ring = self.transmit
        start = self.transmit_tail & ring.mask
        left = ring.entries - start
        self._remember(start, words[:left], frames[:left])
        self._remember(0, words[left:], frames[left:])

    def _remember(self, start: int, words: list[int], frames: list[memoryview]) -> None:
        if start <= len(self.sent_frames):
            end = start + len(words)
            self.sent_words[start:end] = array("Q", words)
            self.sent_frames[start:end] = frames

    def sent(self, head: int) -> bool:
        """Whether all is done that was posted when the transmit ring's head was this."""
        return self.transmit_tail - head & INDEX_MASK <= INDEX_MASK >> 1

    def descriptors(self, count: int) -> list[int]:
        """Copy the next `count` transmit descriptors."""
        return get(self.transmit, self.transmit_tail, count)

    def offload(self, place: int) -> int:
        """Copy word 1 of a transmit descriptor, counted from the oldest."""
        ring = self.transmit
        word: int = ring.offloads[self.transmit_tail + place & ring.mask]
        return word

    def complete(self, count: int) -> int:
        """Be done with the next `count` transmit descriptors; the driver sees it when it looks.

        Returns how many are done since the driver was last to be interrupted for them.
        """
        self.transmit_tail = self.transmit.indices[CONSUMER] = tail = self.transmit_tail + count & INDEX_MASK
        return tail - self.interrupt & INDEX_MASK

    def assert_transmit(self) -> None:
        """Assert the interrupt for the transmit descriptors that are done."""
        self.interrupt = self.transmit.indices[INTERRUPT] = self.transmit_tail

    def finish(self, count: int) -> None:
        """Be done with the next `count` transmit descriptors, and interrupt the driver for it."""
        self.complete(count)
        self.assert_transmit()

    def unheeded(self) -> bool:
        """Whether the driver was to be interrupted for transmit descriptors that it has not reclaimed."""
        return self.transmit.indices[RECLAIMED] - self.interrupt & INDEX_MASK > self.transmit.entries

    def fragment(self, word: int) -> memoryview:
        """The bytes that a transmit descriptor names, once they are seen to be the hardware's to read."""
        address = word & VNIC_DESCRIPTOR_ADDRESS_MASK
        length = word >> VNIC_DESCRIPTOR_LENGTH_SHIFT & VNIC_DESCRIPTOR_LENGTH_MASK
        if word & VNIC_DESCRIPTOR_RESERVED:
            raise self.fault(f"reserved flags {word >> _FLAGS_SHIFT:#x} in a descriptor", "transmit ring")
        if not inside(address, length, self.transmit_regions):
            raise self.fault(f"{address:#x}+{length} is no memory of the driver's", "transmit ring")
        return self.memory[address : address + length]

    # -- both ----------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Empty the rings by moving the host's indices to the driver's, which the driver leaves alone meanwhile."""
        tail = self.receive.indices[CONSUMER]
        if self.receive_head - tail & INDEX_MASK > self.filled:
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

    def free(self) -> int:
        """Buffers that the driver has posted and no frame has filled: those at hand, and those still in the ring."""
        return self.at_hand + (self.receive_free.indices[PRODUCER] - self.free_tail & INDEX_MASK)

    def fault(self, what: str, where: str) -> DeviceFault:
        """Make the error that reports what the driver has done to this queue."""
        return DeviceFault(what, f"{self.name}, {where}")


def inside(address: int, length: int, regions: tuple[Region, ...]) -> bool:
    """Whether all the bytes lie in one of the regions, given as (start, end)."""
    return any(start <= address and address + length <= end for start, end in regions)
