"""Where each word of a virtual adapter lies in shared memory, and how a descriptor is packed.

Law: numbers only. Whoever maps the memory decides where it comes from; both ends of the hardware compute the same
offsets from the same `VnicLayout`, and nothing about the layout is ever read from the memory itself, which the other
end may have spoilt.

One adapter's hardware block (every part begins on a cache line, 64 bytes, so that no two writers share one):

    registers   18 lines: host's identity, driver's control, host's link state, the bus driver's table of messages,
                the driver's table of queues
    per queue   1 line of driver's words (interrupt mask), 1 line of host's statistics
                receive ring        host -> driver: filled buffers
                receive-free ring   driver -> host: empty buffers
                transmit ring       driver -> host: frames to send
    a ring      1 line with the producer's index, 1 with the consumer's index and its request to be notified,
                1 with the index up to which the producer has reclaimed, then `entries` descriptors of 16 bytes

Indices are free-running unsigned 32-bit numbers: a ring holds `(producer - consumer) mod 2**32` descriptors.
"""

from __future__ import annotations

from typing import Final

CACHE_LINE: Final = 64

REGISTER_BYTES: Final = 18 * CACHE_LINE
QUEUE_BYTES: Final = 2 * CACHE_LINE
STATISTICS_OFFSET: Final = CACHE_LINE
"""Of the host's statistics, from the start of a queue's part."""

RING_HEADER_BYTES: Final = 3 * CACHE_LINE
DESCRIPTOR_BYTES: Final = 16
INDEX_MASK: Final = 0xFFFF_FFFF

# Positions in a ring's header seen as 32-bit words.
PRODUCER: Final = 0
CONSUMER: Final = 16
NOTIFY_CONSUMER: Final = 17
"""Written by the consumer: 1 asks the producer to ring when it publishes."""
INTERRUPT: Final = 18
"""Written by the consumer: its progress when it last asserted an interrupt for it; what lies behind is moderated."""
RECLAIMED: Final = 32
"""Written by the producer: how far it has taken note of the consumer's progress."""

MINIMUM_ENTRIES: Final = 4
MAXIMUM_ENTRIES: Final = 32768
MAXIMUM_QUEUES: Final = 16

# Word 0 of a descriptor: address in bits 0-31, length in bits 32-47, flags in bits 48-63.
# Word 1 carries offloads; it is written only when the wire does.
VNIC_DESCRIPTOR_ADDRESS_MASK: Final = 0xFFFF_FFFF
VNIC_DESCRIPTOR_LENGTH_SHIFT: Final = 32
VNIC_DESCRIPTOR_LENGTH_MASK: Final = 0xFFFF
VNIC_DESCRIPTOR_MORE: Final = 1 << 48
"""The frame goes on in the next descriptor."""
VNIC_LENGTH_MORE: Final = VNIC_DESCRIPTOR_MORE >> VNIC_DESCRIPTOR_LENGTH_SHIFT
"""The same in a length that `VnicReceive` gives."""
VNIC_DESCRIPTOR_OFFLOAD: Final = 1 << 49
"""Word 1 of this descriptor, the first of its frame, says what the wire shall do to it (see `vnic.device.offloads`)."""
VNIC_DESCRIPTOR_RESERVED: Final = 0xFFFE << 48
"""A driver writes zero; OFFLOAD too, where the adapter supports none."""

VNIC_RECEIVE_SLOT: Final = 2048
"""What the drivers of this project set aside for a frame: headroom and capacity together."""
VNIC_RECEIVE_HEADROOM: Final = 128
VNIC_RECEIVE_CAPACITY: Final = VNIC_RECEIVE_SLOT - VNIC_RECEIVE_HEADROOM
VNIC_MAXIMUM_FRAGMENTS: Final = 64
"""Descriptors that one transmitted frame may consist of."""
VNIC_MINIMUM_FRAME: Final = 14
VNIC_MAXIMUM_FRAME: Final = 65535
VNIC_MAXIMUM_SUPER_FRAME: Final = VNIC_MAXIMUM_FRAME + 18
"""The longest IP datagram, behind an Ethernet header with a VLAN tag."""


def VnicDescriptor(address: int, length: int, more: bool = False, /) -> int:
    """Pack word 0 of a descriptor; `more` says that the frame goes on in the next one."""
    return address | length << 32 | VNIC_DESCRIPTOR_MORE if more else address | length << 32


class QueueOffsets:
    """Offsets of one queue's parts from the start of the hardware block."""

    __slots__ = ("driver", "receive", "receive_free", "statistics", "transmit")

    def __init__(self, start: int, receive_entries: int) -> None:
        receive_bytes = RING_HEADER_BYTES + receive_entries * DESCRIPTOR_BYTES
        self.driver = start
        self.statistics = start + STATISTICS_OFFSET
        self.receive = start + QUEUE_BYTES
        self.receive_free = self.receive + receive_bytes
        self.transmit = self.receive_free + receive_bytes


class VnicLayout:
    """Size and offsets of one adapter's hardware block; equal arguments give equal offsets in every process."""

    __slots__ = ("queue_offsets", "queues", "receive_entries", "size", "transmit_entries")

    def __init__(self, queues: int = 1, receive_entries: int = 512, transmit_entries: int = 512) -> None:
        if not 1 <= queues <= MAXIMUM_QUEUES:
            raise ValueError(f"an adapter has 1 to {MAXIMUM_QUEUES} queues, not {queues}")
        for name, entries in (("receive_entries", receive_entries), ("transmit_entries", transmit_entries)):
            if not MINIMUM_ENTRIES <= entries <= MAXIMUM_ENTRIES or entries & (entries - 1):
                raise ValueError(f"{name} is a power of two from {MINIMUM_ENTRIES} to {MAXIMUM_ENTRIES}, not {entries}")
        self.queues = queues
        self.receive_entries = receive_entries
        self.transmit_entries = transmit_entries
        queue_bytes = QUEUE_BYTES + 3 * RING_HEADER_BYTES + (2 * receive_entries + transmit_entries) * DESCRIPTOR_BYTES
        self.queue_offsets = tuple(
            QueueOffsets(REGISTER_BYTES + queue * queue_bytes, receive_entries) for queue in range(queues)
        )
        self.size = REGISTER_BYTES + queues * queue_bytes

    def __repr__(self) -> str:
        return f"VnicLayout({self.queues}, {self.receive_entries}, {self.transmit_entries})"


def check_block(memory: memoryview, offset: int, layout: VnicLayout) -> memoryview:
    """The bytes of an adapter's block within `memory`, or ValueError where it does not fit or would tear words."""
    if offset % CACHE_LINE:
        raise ValueError(f"a hardware block begins on a cache line, not at {offset:#x}")
    if offset < 0 or offset + layout.size > memory.nbytes:
        raise ValueError(
            f"a hardware block of {layout.size} bytes at {offset:#x} does not fit in {memory.nbytes} bytes"
        )
    return memory[offset : offset + layout.size]
