"""The driver's end of the virtual adapter: what a miniport author would find in the hardware's header.

Law: nothing here waits, wakes or keeps state of its own. All state lies in shared memory, so that an interrupt on one
processor and a work item in another process see the same adapter; what must be exclusive (one context at a time on a
ring) is the driver's duty, with its spin lock, as it is on real hardware. Bells go through the callables that the
platform supplies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.device.layout import (
    CONSUMER,
    INDEX_MASK,
    INTERRUPT,
    NOTIFY_CONSUMER,
    PRODUCER,
    RECLAIMED,
    REGISTER_BYTES,
    STATISTICS_OFFSET,
    VNIC_DESCRIPTOR_MORE,
    VNIC_RECEIVE_CAPACITY,
    VnicLayout,
    check_block,
)
from vnic.device.messages import causes_of
from vnic.device.registers import (
    CONTROL_RESETS_MASK,
    CONTROL_RESETS_SHIFT,
    PLAIN,
    REGISTERS,
    STATISTIC,
    VNIC_ALL_ONES,
    VNIC_CONTROL_ENABLES,
    VNIC_CONTROL_RESET,
    VNIC_INTERRUPT_ALL,
    VNIC_INTERRUPT_LINK,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_REMOVED,
    VNIC_INTERRUPT_TRANSMIT,
    VNIC_REGISTER_CONTROL,
    VNIC_REGISTER_INTERRUPT_CAUSE,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_LINK_ACKNOWLEDGE,
    VNIC_REGISTER_OFFLOADS,
    VNIC_REGISTER_STATUS,
    VNIC_STATUS_LINK_UP,
    VNIC_STATUS_RESETTING,
    WORD_CONTROL,
    WORD_LINK_ACKNOWLEDGE,
    WORD_LINK_SEQUENCE,
    WORD_LINK_STATE,
    WORD_MAC_HIGH,
    WORD_MAC_LOW,
    WORD_OFFLOADS,
    WORD_PRESENT,
    WORD_RESET_DONE,
    WORD_SCALING_DONE,
    WORD_SCALING_SEQUENCE,
    Register,
)
from vnic.device.rings import RingView, get_lists, put, put_filled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _nothing() -> None:
    """Stand for a callable that the platform did not need."""


class Vnic:
    """One adapter's hardware as one process sees it; made once per process over that process's mapping of the arena.

    Args:
        memory: The arena, writable, as bytes; bus addresses count from its start.
        offset: Where the adapter's block begins in it.
        layout: The same as the host's.
        ring_host: Wakes the host if it sleeps. It publishes first (fence), then looks at the host's sleeping flag.
        raise_interrupt: Called with a queue's number when the driver's own write (of the mask) has asserted that
            queue's line; wakes the processor that the queue's interrupt is for. None where this is the processor that
            all the adapter's interrupts are for: it looks at the lines before it sleeps, behind a barrier.
        fence: A full memory barrier, between publishing empty buffers and looking whether the host waits for them.
        unpublished: Not empty while the driver has stored something that others cannot see yet. Before descriptors are
            posted `publish` is called then, since whoever is interrupted for them may look for what was stored.
        publish: Lets the others see it.
    """

    #: What INTERRUPT_CAUSE reads, and whether the line is asserted for some causes: a function for each queue, and no
    #: method, since they are asked so often that they have looked up already where to read.
    causes: list[Callable[[], int]]
    lines: list[Callable[..., bool]]

    __slots__ = (
        "causes",
        "fence",
        "layout",
        "lines",
        "masks",
        "offset",
        "publish",
        "raise_interrupt",
        "receive",
        "receive_free",
        "ring_host",
        "several",
        "statistics",
        "transmit",
        "unpublished",
        "words",
    )

    def __init__(
        self,
        memory: memoryview,
        offset: int,
        layout: VnicLayout,
        ring_host: Callable[[], None],
        *,
        raise_interrupt: Callable[[int], None] | None = None,
        fence: Callable[[], None] = _nothing,
        unpublished: Sequence[object] = (),
        publish: Callable[[], None] = _nothing,
    ) -> None:
        block = check_block(memory, offset, layout)
        self.offset = offset
        self.layout = layout
        self.several = layout.queues > 1
        self.ring_host = ring_host
        self.raise_interrupt = raise_interrupt
        self.fence = fence
        self.unpublished = unpublished
        self.publish = publish
        self.words = block[:REGISTER_BYTES].cast("Q")
        offsets = layout.queue_offsets
        # One word of each queue, by number.
        step = offsets[1].driver - offsets[0].driver if self.several else layout.size
        self.masks = block[offsets[0].driver :].cast("Q")[:: step // 8]
        self.statistics = [block[at.statistics : at.statistics + STATISTICS_OFFSET].cast("Q") for at in offsets]
        self.receive = [RingView(block, at.receive, layout.receive_entries) for at in offsets]
        self.receive_free = [RingView(block, at.receive_free, layout.receive_entries) for at in offsets]
        self.transmit = [RingView(block, at.transmit, layout.transmit_entries) for at in offsets]
        self.causes = [self._cause(queue) for queue in range(layout.queues)]
        self.lines = [self._line(queue) for queue in range(layout.queues)]

    def _cause(self, queue: int) -> Callable[[], int]:
        """The causes pending on a queue, masked or not; all ones once the adapter has been removed."""
        receive, transmit, words = self.receive[queue].indices, self.transmit[queue].indices, self.words
        has_link = queue == 0

        def cause() -> int:
            if not words[WORD_PRESENT]:
                return VNIC_ALL_ONES
            pending = VNIC_INTERRUPT_RECEIVE if receive[PRODUCER] != receive[CONSUMER] else 0
            if transmit[CONSUMER] != transmit[RECLAIMED]:
                pending |= VNIC_INTERRUPT_TRANSMIT
            if has_link and words[WORD_LINK_SEQUENCE] != words[WORD_LINK_ACKNOWLEDGE]:
                pending |= VNIC_INTERRUPT_LINK
            return pending

        return cause

    def _line(self, queue: int) -> Callable[..., bool]:
        """Whether the queue's line is asserted for some causes, or for any."""
        masks, words, ring = self.masks, self.words, self.transmit[queue]
        receive, transmit, entries = self.receive[queue].indices, ring.indices, ring.entries
        link, removed = (0, 0) if queue else (VNIC_INTERRUPT_LINK, VNIC_INTERRUPT_REMOVED)

        def asserted(causes: int = VNIC_INTERRUPT_ALL) -> bool:
            causes &= masks[queue]
            if not causes:
                return False
            if not words[WORD_PRESENT]:
                return causes & removed != 0
            if receive[PRODUCER] != receive[CONSUMER] and causes & VNIC_INTERRUPT_RECEIVE:
                return True
            if transmit[RECLAIMED] - transmit[INTERRUPT] & INDEX_MASK > entries and causes & VNIC_INTERRUPT_TRANSMIT:
                return True
            return words[WORD_LINK_SEQUENCE] != words[WORD_LINK_ACKNOWLEDGE] and causes & link != 0

        return asserted

    def asserted(self, queue: int = 0, causes: int = VNIC_INTERRUPT_ALL) -> bool:
        """Whether the queue's interrupt line is asserted; the platform asks before it calls the ISR.

        It is for `cause & mask`, except that finished frames alone assert it only once the hardware says so: it
        moderates this interrupt, because a receive that comes soon brings the driver along anyway.
        """
        result: bool = self.lines[queue](causes)
        return result

    def sends(self, message: int) -> bool:
        """Whether the adapter sends a message; asked only where messages are enabled."""
        for queue, asserted in enumerate(self.lines):
            # What leads to the message is asked of a queue that asserts anything: mostly none does.
            if asserted() and asserted(causes_of(self.words, message, queue)):
                return True
        return False

    def line_asserted(self) -> bool:
        """Whether the line is asserted, for any queue; of an adapter with one queue `asserted` says it too."""
        return any(asserted() for asserted in self.lines)


def VnicReadRegister(nic: Vnic, register: int, queue: int = 0, /) -> int:
    """Read a register; all ones once the adapter has been removed.

    Args:
        nic: The adapter.
        register: One of `VNIC_REGISTER_...`.
        queue: Which queue's, for INTERRUPT_CAUSE and INTERRUPT_MASK.
    """
    if register == VNIC_REGISTER_INTERRUPT_CAUSE:
        return nic.causes[queue]()
    words = nic.words
    if not words[WORD_PRESENT]:
        return VNIC_ALL_ONES
    if register == VNIC_REGISTER_INTERRUPT_MASK:
        return nic.masks[queue]
    if register == VNIC_REGISTER_CONTROL:
        return words[WORD_CONTROL] & VNIC_CONTROL_ENABLES | (VNIC_CONTROL_RESET if _resetting(nic) else 0)
    if register == VNIC_REGISTER_STATUS:
        status = VNIC_STATUS_LINK_UP if words[WORD_LINK_STATE] else 0
        return status | (VNIC_STATUS_RESETTING if _resetting(nic) else 0)
    row = _row(register)
    if row.kind == PLAIN:
        return words[row.word]
    if row.kind == STATISTIC:
        return sum(statistics[row.word] for statistics in nic.statistics)
    raise ValueError(f"{row.name} cannot be read")


def VnicWriteRegister(nic: Vnic, register: int, value: int, queue: int = 0, /) -> None:
    """Write CONTROL, INTERRUPT_MASK, LINK_ACKNOWLEDGE or OFFLOADS. ValueError for a register that is read only.

    Unmasking a cause that is pending asserts the line at once. Writing VNIC_CONTROL_RESET begins a reset: poll CONTROL
    until the bit reads as clear, and leave the rings alone until then.
    """
    if register == VNIC_REGISTER_INTERRUPT_MASK:
        nic.masks[queue] = value & VNIC_INTERRUPT_ALL
        if value and (nic.several or nic.raise_interrupt is not None):
            _unmasked(nic, queue)
        return
    words = nic.words
    if register == VNIC_REGISTER_LINK_ACKNOWLEDGE:
        words[WORD_LINK_ACKNOWLEDGE] = value & INDEX_MASK
    elif register == VNIC_REGISTER_OFFLOADS:
        words[WORD_OFFLOADS] = value
        nic.ring_host()
    elif register == VNIC_REGISTER_CONTROL:
        resets = words[WORD_CONTROL] >> CONTROL_RESETS_SHIFT
        if value & VNIC_CONTROL_RESET:
            words[WORD_CONTROL] = (resets + 1 & CONTROL_RESETS_MASK) << CONTROL_RESETS_SHIFT
        else:
            words[WORD_CONTROL] = value & VNIC_CONTROL_ENABLES | resets << CONTROL_RESETS_SHIFT
        nic.ring_host()
    else:
        raise ValueError(f"{_row(register).name} is read only")


def _unmasked(nic: Vnic, queue: int) -> None:
    words = nic.words
    nic.fence()
    if nic.raise_interrupt is not None and nic.asserted(queue):
        nic.raise_interrupt(queue)
    if nic.several and words[WORD_SCALING_SEQUENCE] != words[WORD_SCALING_DONE]:
        nic.ring_host()  # it waits for the queues to be idle


def VnicReadMacAddress(nic: Vnic, /) -> bytes:
    """The permanent address, six bytes."""
    low, high = nic.words[WORD_MAC_LOW], nic.words[WORD_MAC_HIGH]
    return (low & INDEX_MASK | (high & 0xFFFF) << 32).to_bytes(6, "little")


def VnicPostReceive(nic: Vnic, queue: int, addresses: list[int], capacity: int = VNIC_RECEIVE_CAPACITY, /) -> int:
    """Give empty buffers to the hardware; returns how many the receive-free ring had room for (from the front).

    Args:
        nic: The adapter.
        queue: Whose receive-free ring.
        addresses: Where each buffer begins: its data, behind whatever headroom the driver keeps for itself.
        capacity: Bytes at each address, the same for all until the next reset. A frame as long as this or longer is
            dropped, so leave one byte more than the longest frame.
    """
    ring = nic.receive_free[queue]
    indices = ring.indices
    head = indices[PRODUCER]
    count, room = len(addresses), ring.entries - (head - indices[CONSUMER] & INDEX_MASK)
    if count > room:
        count, addresses = room, addresses[:room]
    if not count:
        return 0
    if nic.unpublished:
        nic.publish()
    put_filled(ring, head, addresses, [capacity] * count)
    nic.fence()
    if indices[NOTIFY_CONSUMER]:
        nic.ring_host()
    return count


def VnicReceive(nic: Vnic, queue: int, maximum: int, /) -> tuple[list[int], list[int]]:
    """Take up to `maximum` filled buffers, in the order in which they were posted: their addresses and their lengths.

    A length with VNIC_LENGTH_MORE says that the frame goes on in the next buffer; only a driver that has asked for
    super-frames sees one. The buffers belong to the driver from here on.
    """
    ring = nic.receive[queue]
    indices = ring.indices
    tail = indices[CONSUMER]
    count = min(indices[PRODUCER] - tail & INDEX_MASK, maximum)
    if not count:
        return [], []
    lists = get_lists(ring, tail, count)
    indices[CONSUMER] = tail + count & INDEX_MASK
    return lists


def VnicTransmit(nic: Vnic, queue: int, descriptors: list[int], /) -> int:
    """Hand descriptors to the hardware and ring its bell; returns how many were accepted, from the front.

    Each is packed by `VnicDescriptor(address, length, more)`. When the ring has room for a part only, whole frames are
    accepted: the count never ends behind a descriptor with MORE. The rest is the driver's to keep until
    `VnicTransmitCompleted` has made room.
    """
    ring = nic.transmit[queue]
    indices = ring.indices
    head = indices[PRODUCER]
    count = len(descriptors)
    room = ring.entries - (head - indices[RECLAIMED] & INDEX_MASK)
    if count > room:
        count = room
        while count and descriptors[count - 1] & VNIC_DESCRIPTOR_MORE:
            count -= 1
        descriptors = descriptors[:count]
    if count:
        if nic.unpublished:
            nic.publish()
        put(ring, head, descriptors)
        nic.ring_host()
    return count


def VnicTransmitFrames(nic: Vnic, queue: int, addresses: list[int], lengths: list[int], /) -> bool:
    """`VnicTransmit` for frames of one descriptor each: all of them, or none (False) where there is no room for all."""
    ring = nic.transmit[queue]
    indices = ring.indices
    head = indices[PRODUCER]
    if len(addresses) > ring.entries - (head - indices[RECLAIMED] & INDEX_MASK):
        return False
    if nic.unpublished:
        nic.publish()
    put_filled(ring, head, addresses, lengths)
    nic.ring_host()
    return True


def VnicTransmitOffloads(nic: Vnic, queue: int, descriptors: list[int], offloads: list[int], /) -> int:
    """`VnicTransmit` where frames may carry an offload word; returns how many descriptors were accepted.

    Args:
        nic: The adapter.
        queue: Whose transmit ring.
        descriptors: As for `VnicTransmit`; the first of a frame with an offload word has VNIC_DESCRIPTOR_OFFLOAD.
        offloads: For each descriptor its word by `VnicOffload`, or 0.
    """
    ring = nic.transmit[queue]
    indices, mask = ring.indices, ring.mask
    head = indices[PRODUCER]
    room = ring.entries - (head - indices[RECLAIMED] & INDEX_MASK)
    for place, word in enumerate(offloads[:room], head):
        if word:
            ring.offloads[place & mask] = word
    return VnicTransmit(nic, queue, descriptors)


def VnicTransmitRoom(nic: Vnic, queue: int, /) -> int:
    """Descriptors that the transmit ring has room for, finished ones counting as used until they are reclaimed."""
    indices = nic.transmit[queue].indices
    return nic.layout.transmit_entries - (indices[PRODUCER] - indices[RECLAIMED] & INDEX_MASK)


def VnicTransmitCompleted(nic: Vnic, queue: int, /) -> int:
    """Reclaim: how many descriptors, in the order of `VnicTransmit`, the hardware has finished since the last call.

    Frames that a reset threw away count as finished; they were not sent. A removed adapter finishes nothing more: what
    is outstanding then is the driver's to complete by itself.
    """
    indices = nic.transmit[queue].indices
    tail = indices[CONSUMER]
    count = tail - indices[RECLAIMED] & INDEX_MASK
    if count:
        indices[RECLAIMED] = tail
    return count


def _resetting(nic: Vnic) -> bool:
    return nic.words[WORD_CONTROL] >> CONTROL_RESETS_SHIFT != nic.words[WORD_RESET_DONE]


def _row(register: int) -> Register:
    if not 0 <= register < len(REGISTERS):
        raise ValueError(f"the adapter has no register {register}")
    return REGISTERS[register]
