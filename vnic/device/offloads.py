"""Offloads of the virtual adapter: what the wire does to a frame, and what it has left undone in a received one.

Law: numbers only, and the numbers of the kernel's TAPs: of TUNSETOFFLOAD, and of virtio's header in front of a frame.
What a driver asks for is judged on the copy from which the header is made; what cannot be right is a ValueError.

- The register OFFLOADS says what the driver is ready to receive. While it is 0 the adapter is as one without offloads.
- With HEADERS the ten bytes in front of a received frame's first buffer are its header (`VnicReadHeader`): whether the
  checksum is still to be completed, and of how many segments of what size a super-frame consists. So each buffer has
  that much memory in front. All else needs HEADERS, and a driver sets it before it posts its first buffer.
- A frame that is longer than a buffer goes on in the next ones, with VNIC_LENGTH_MORE.
- A frame to send may carry an offload word (`VnicOffload`) in word 1 of its first descriptor, whatever OFFLOADS is.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

# The registers OFFLOADS_SUPPORTED and OFFLOADS. Segments are segments of a frame whose checksum is not complete, so the
# others need CHECKSUM.
VNIC_OFFLOAD_CHECKSUM: Final = 0x1
VNIC_OFFLOAD_TCP4: Final = 0x2
VNIC_OFFLOAD_TCP6: Final = 0x4
VNIC_OFFLOAD_ECN: Final = 0x8
"""Super-frames of TCP in which the sender says that it has reduced its window."""
VNIC_OFFLOAD_UDP: Final = 0x60
"""Super-frames of UDP: one bit for each version of IP, and only both together."""
VNIC_OFFLOAD_HEADERS: Final = 0x1000
VNIC_OFFLOAD_SUPER_FRAMES: Final = VNIC_OFFLOAD_TCP4 | VNIC_OFFLOAD_TCP6 | VNIC_OFFLOAD_ECN | VNIC_OFFLOAD_UDP
VNIC_OFFLOAD_WIRE: Final = VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_SUPER_FRAMES
"""What is the wire's to do; HEADERS is the adapter's own."""

# A header's flags.
VNIC_HEADER_NEEDS_CHECKSUM: Final = 0x1
"""The field at ChecksumStart + ChecksumOffset holds the sum of the pseudo-header; the rest is to be added."""
VNIC_HEADER_CHECKSUM_VALID: Final = 0x2
# A header's type.
VNIC_SEGMENTS_NONE: Final = 0
VNIC_SEGMENTS_TCP4: Final = 1
VNIC_SEGMENTS_TCP6: Final = 4
VNIC_SEGMENTS_UDP: Final = 5
VNIC_SEGMENTS_ECN: Final = 0x80
"""Added to those of TCP."""

VNIC_HEADER_BYTES: Final = 10
VNIC_CHECKSUM_OFFSET_TCP: Final = 16
VNIC_CHECKSUM_OFFSET_UDP: Final = 6

_HEADER: Final = struct.Struct("<BBHHHH")
_TYPES: Final = frozenset(
    (
        VNIC_SEGMENTS_NONE,
        VNIC_SEGMENTS_TCP4,
        VNIC_SEGMENTS_TCP6,
        VNIC_SEGMENTS_TCP4 | VNIC_SEGMENTS_ECN,
        VNIC_SEGMENTS_TCP6 | VNIC_SEGMENTS_ECN,
        VNIC_SEGMENTS_UDP,
    )
)


class VnicHeader(NamedTuple):
    """The header in front of a received frame."""

    Flags: int
    Type: int
    HeaderLength: int
    """A hint, and often the whole frame's: parse the frame."""
    SegmentSize: int
    ChecksumStart: int
    ChecksumOffset: int


def VnicReadHeader(memory: memoryview, address: int, /) -> VnicHeader:
    """The header in front of a received frame whose first buffer begins at this place of the memory."""
    return VnicHeader._make(_HEADER.unpack_from(memory, address - VNIC_HEADER_BYTES))


def VnicOffload(
    flags: int, kind: int, segment_size: int, checksum_start: int, checksum_offset: int, transport_length: int, /
) -> int:
    """Pack an offload word.

    Args:
        flags: VNIC_HEADER_NEEDS_CHECKSUM.
        kind: One of VNIC_SEGMENTS_.
        segment_size: Payload of each segment but the last; 0 for VNIC_SEGMENTS_NONE.
        checksum_start: Where the transport header begins.
        checksum_offset: Where in it the checksum lies.
        transport_length: How long the transport header is; 0 for VNIC_SEGMENTS_NONE.
    """
    return (
        flags | kind << 8 | segment_size << 16 | checksum_start << 32 | checksum_offset << 48 | transport_length << 56
    )


def header_of(word: int, length: int) -> bytes:
    """The header of a frame of this length with this offload word; ValueError for a word that cannot be right."""
    flags, kind, size = word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFFFF
    start, offset, transport = word >> 32 & 0xFFFF, word >> 48 & 0xFF, word >> 56
    if flags != VNIC_HEADER_NEEDS_CHECKSUM or kind not in _TYPES:
        raise ValueError(f"flags {flags:#x} and type {kind:#x} of an offload word")
    kinds = kind & ~VNIC_SEGMENTS_ECN
    if offset != (VNIC_CHECKSUM_OFFSET_UDP if kinds == VNIC_SEGMENTS_UDP else VNIC_CHECKSUM_OFFSET_TCP) and kinds:
        raise ValueError(f"a checksum at {offset} of a header, type {kind:#x}")
    if start + max(offset + 2, transport) > length:
        raise ValueError(f"a checksum at {start}+{offset} in a frame of {length} bytes")
    if (kind == VNIC_SEGMENTS_NONE) != (size == 0) or (kind != VNIC_SEGMENTS_NONE and transport < offset + 2):
        raise ValueError(f"segments of {size} bytes behind a header of {transport}, type {kind:#x}")
    return _HEADER.pack(flags, kind, start + transport if transport else 0, size, start, offset)
