"""Several receive queues: how the driver says which frames belong to which, and how it receives frames with hashes.

Law: numbers only. The words are the driver's; WORD_SCALING_BEGUN is raised before they are written and
WORD_SCALING_SEQUENCE behind them, so that a reader between the two knows that it has read a mixture. The host spreads
frames by a new table once nothing is under way by the old one, and says so in SCALING_DONE: until then the old one
holds, and while a queue never runs empty, or its driver never unmasks its interrupt, it goes on holding. Meanwhile
a write of INTERRUPT_MASK that lets something through rings the host.

The hash of a frame lies in word 1 of its descriptor in the receive ring: the value below, above it which type and
function it was (`hash_information` of this frame), 0 where the frame has no valid hash. An adapter of one queue
computes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from vnic.device.layout import CONSUMER, INDEX_MASK, MAXIMUM_QUEUES, PRODUCER
from vnic.device.registers import (
    WORD_QUEUES,
    WORD_SCALING_BEGUN,
    WORD_SCALING_ENTRIES,
    WORD_SCALING_INFORMATION,
    WORD_SCALING_KEY,
    WORD_SCALING_SEQUENCE,
    WORD_SCALING_TABLE,
)
from vnic.device.rings import get_lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.device.driver import Vnic

VNIC_HASH_KEY_BYTES: Final = 40
VNIC_MAXIMUM_SCALING_ENTRIES: Final = 128

# Hash information: types (all that may be used, or the one that was) and, in the lowest byte, the function.
VNIC_HASH_FUNCTION_TOEPLITZ: Final = 0x1
VNIC_HASH_FUNCTION_MASK: Final = 0xFF
VNIC_HASH_IPV4: Final = 0x100
VNIC_HASH_TCP_IPV4: Final = 0x200
VNIC_HASH_IPV6: Final = 0x400
VNIC_HASH_IPV6_EX: Final = 0x800
VNIC_HASH_TCP_IPV6: Final = 0x1000
VNIC_HASH_TCP_IPV6_EX: Final = 0x2000
VNIC_HASH_UDP_IPV4: Final = 0x4000
VNIC_HASH_UDP_IPV6: Final = 0x8000
VNIC_HASH_UDP_IPV6_EX: Final = 0x10000
VNIC_HASH_TYPES: Final = 0x1FF00
"""All of them."""

_KEY_WORDS: Final = VNIC_HASH_KEY_BYTES // 8


class Scaling(NamedTuple):
    """How frames are spread over the queues; `information` 0: all go to queue 0."""

    sequence: int
    information: int
    key: bytes
    table: bytes
    """Queue numbers; the hash, cut to the length of the table, is the place."""


UNSCALED: Final = Scaling(0, 0, b"", b"")


def scaling_fault(information: int, key: bytes, table: Sequence[int], queues: int) -> str:
    """What is wrong with values that the hardware was given; empty: nothing."""
    if not information:
        return ""
    if information & VNIC_HASH_FUNCTION_MASK != VNIC_HASH_FUNCTION_TOEPLITZ:
        return f"hash function {information & VNIC_HASH_FUNCTION_MASK:#x}"
    if not information & VNIC_HASH_TYPES or information & ~(VNIC_HASH_TYPES | VNIC_HASH_FUNCTION_MASK):
        return f"hash types {information & ~VNIC_HASH_FUNCTION_MASK:#x}"
    if len(key) != VNIC_HASH_KEY_BYTES:
        return f"a hash key of {len(key)} bytes"
    if not 1 <= len(table) <= VNIC_MAXIMUM_SCALING_ENTRIES or len(table) & (len(table) - 1):
        return f"a table of {len(table)} entries"
    if not 0 <= min(table) <= max(table) < queues:
        return f"a table with queue {max(table)} of an adapter with {queues}"
    return ""


def VnicSetReceiveScaling(nic: Vnic, hash_information: int, key: bytes, table: Sequence[int], /) -> None:
    """Say by which hash, key and table received frames are spread over the queues; ValueError for what cannot be.

    The register SCALING_DONE reads as SCALING_SEQUENCE once it is so; see this module for when that is.

    Args:
        nic: The adapter.
        hash_information: The hash types that may be used and the function; 0 gives every frame to queue 0 without a
            hash, and then `key` and `table` do not matter.
        key: 40 bytes.
        table: Queue numbers, a power of two of them and at most 128.
    """
    words = nic.words
    fault = scaling_fault(hash_information, key, table, min(words[WORD_QUEUES], MAXIMUM_QUEUES))
    if fault:
        raise ValueError(fault)
    sequence = words[WORD_SCALING_SEQUENCE] + 1 & INDEX_MASK
    words[WORD_SCALING_BEGUN] = sequence
    words[WORD_SCALING_INFORMATION] = hash_information
    if hash_information:
        octets = words.cast("B")
        octets[8 * WORD_SCALING_KEY : 8 * (WORD_SCALING_KEY + _KEY_WORDS)] = bytes(key)
        octets[8 * WORD_SCALING_TABLE : 8 * WORD_SCALING_TABLE + len(table)] = bytes(table)
    words[WORD_SCALING_ENTRIES] = len(table) if hash_information else 0
    words[WORD_SCALING_SEQUENCE] = sequence
    nic.ring_host()


def read_scaling(words: memoryview) -> Scaling | None:
    """Copy what the driver has asked for; None while it is being written. The reader judges it."""
    sequence = words[WORD_SCALING_SEQUENCE]
    information = words[WORD_SCALING_INFORMATION]
    octets = words.cast("B")
    count = min(words[WORD_SCALING_ENTRIES], VNIC_MAXIMUM_SCALING_ENTRIES)
    key = bytes(octets[8 * WORD_SCALING_KEY : 8 * (WORD_SCALING_KEY + _KEY_WORDS)])
    table = bytes(octets[8 * WORD_SCALING_TABLE : 8 * WORD_SCALING_TABLE + count])
    if words[WORD_SCALING_BEGUN] != sequence:
        return None
    return Scaling(sequence, information, key, table)


def VnicReceiveScaled(nic: Vnic, queue: int, maximum: int, /) -> tuple[list[int], list[int], list[int], list[int]]:
    """`VnicReceive` with hashes: addresses, lengths, hash values, and what each hash is (0: the frame has none)."""
    ring = nic.receive[queue]
    indices = ring.indices
    tail = indices[CONSUMER]
    count = min(indices[PRODUCER] - tail & INDEX_MASK, maximum)
    if not count:
        return [], [], [], []
    addresses, lengths = get_lists(ring, tail, count)
    start = tail & ring.mask
    end = start + count
    if end <= ring.entries:
        values, informations = ring.hashes[start:end].tolist(), ring.hash_types[start:end].tolist()
    else:
        rest = end - ring.entries
        values = ring.hashes[start:].tolist() + ring.hashes[:rest].tolist()
        informations = ring.hash_types[start:].tolist() + ring.hash_types[:rest].tolist()
    indices[CONSUMER] = tail + count & INDEX_MASK
    return addresses, lengths, values, informations
