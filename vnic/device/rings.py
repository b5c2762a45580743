"""One descriptor ring seen through a process's own mapping, and the two ways to move a batch of descriptors.

Law: a batch is moved by slices, never by a Python loop over descriptors, and the index that publishes it is stored
after it by the caller's last act. x86-64 keeps the order of plain stores, so the other end never sees the index before
the descriptors.
"""

from __future__ import annotations

from array import array
from typing import Final

from vnic.device.layout import (
    DESCRIPTOR_BYTES,
    INDEX_MASK,
    PRODUCER,
    RING_HEADER_BYTES,
    VNIC_DESCRIPTOR_ADDRESS_MASK,
)

_FEW: Final = 5
"""Below this many, single stores of whole words are faster than a slice assigned through an array (measured)."""


class RingView:
    """A ring's header and descriptors as casts, bound once because binding costs more than an access."""

    __slots__ = ("addresses", "entries", "hash_types", "hashes", "indices", "lengths", "mask", "offloads", "words")

    def __init__(self, block: memoryview, start: int, entries: int) -> None:
        descriptors = start + RING_HEADER_BYTES
        self.entries = entries
        self.mask = entries - 1
        self.indices = block[start:descriptors].cast("I")
        # Word 0 of each descriptor, whole and in halves (address; length with flags), so that a run of descriptors is
        # one slice. Halves are worth having: numbers below 2**30 cost Python less than longer ones.
        cells = block[descriptors : descriptors + entries * DESCRIPTOR_BYTES]
        self.words = cells.cast("Q")[::2]
        self.offloads = cells.cast("Q")[1::2]
        self.addresses = cells.cast("I")[::4]
        self.lengths = cells.cast("I")[1::4]
        # Word 1 in halves, of a receive ring whose frames come with their hashes.
        self.hashes = cells.cast("I")[2::4]
        self.hash_types = cells.cast("I")[3::4]


def put(ring: RingView, head: int, descriptors: list[int]) -> int:
    """Store descriptors behind `head`, publish them, return the new head; the caller has made sure of the room."""
    count = len(descriptors)
    words = ring.words
    mask = ring.mask
    start = head & mask
    if count < _FEW:
        for position, descriptor in enumerate(descriptors, start):
            words[position & mask] = descriptor
    elif start + count <= ring.entries:
        words[start : start + count] = array("Q", descriptors)
    else:
        first = ring.entries - start
        words[start:] = array("Q", descriptors[:first])
        words[: count - first] = array("Q", descriptors[first:])
    head = head + count & INDEX_MASK
    ring.indices[PRODUCER] = head
    return head


def put_filled(ring: RingView, head: int, addresses: list[int], lengths: list[int]) -> int:
    """Store buffers filled to these lengths behind `head`; as `put` else."""
    count = len(lengths)
    if count == 1:
        ring.words[head & ring.mask] = addresses[0] | lengths[0] << 32
        ring.indices[PRODUCER] = head = head + 1 & INDEX_MASK
        return head
    start = head & ring.mask
    end = start + count
    if end <= ring.entries:
        ring.addresses[start:end] = array("I", addresses)
        ring.lengths[start:end] = array("I", lengths)
    else:
        first = ring.entries - start
        for words, values in ((ring.addresses, addresses), (ring.lengths, lengths)):
            words[start:] = array("I", values[:first])
            words[: count - first] = array("I", values[first:])
    head = head + count & INDEX_MASK
    ring.indices[PRODUCER] = head
    return head


def put_received(ring: RingView, head: int, buffers: array[int], lengths: list[int]) -> int:
    """`put_filled` for buffers that are named by descriptors, whatever lengths those say."""
    count = len(lengths)
    start = head & ring.mask
    if start + count > ring.entries:
        return put_filled(ring, head, [word & VNIC_DESCRIPTOR_ADDRESS_MASK for word in buffers], lengths)
    end = start + count
    ring.words[start:end] = buffers
    ring.lengths[start:end] = array("I", lengths)
    head = head + count & INDEX_MASK
    ring.indices[PRODUCER] = head
    return head


def put_hashes(ring: RingView, head: int, hashes: list[int]) -> None:
    """Store the second words of the descriptors behind `head`, which are stored and published after it."""
    start = head & ring.mask
    end = start + len(hashes)
    if end <= ring.entries:
        ring.offloads[start:end] = array("Q", hashes)
        return
    first = ring.entries - start
    ring.offloads[start:] = array("Q", hashes[:first])
    ring.offloads[: end - ring.entries] = array("Q", hashes[first:])


def get(ring: RingView, tail: int, count: int) -> list[int]:
    """Copy `count` descriptors from `tail` on; at most as many as the ring has entries."""
    start = tail & ring.mask
    words = ring.words
    if count == 1:
        return [words[start]]
    end = start + count
    if end <= ring.entries:
        return words[start:end].tolist()
    return words[start:].tolist() + words[: end - ring.entries].tolist()


def get_lists(ring: RingView, tail: int, count: int) -> tuple[list[int], list[int]]:
    """Copy the addresses of `count` descriptors, and their lengths with flags."""
    start = tail & ring.mask
    addresses, lengths = ring.addresses, ring.lengths
    if count == 1:
        return [addresses[start]], [lengths[start]]
    end = start + count
    if end <= ring.entries:
        return addresses[start:end].tolist(), lengths[start:end].tolist()
    rest = end - ring.entries
    return (
        addresses[start:].tolist() + addresses[:rest].tolist(),
        lengths[start:].tolist() + lengths[:rest].tolist(),
    )
