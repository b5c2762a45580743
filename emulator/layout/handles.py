"""64-bit handles: kind, generation and index in one number.

Law: a handle is a value, legal in any field and in any process; it is decoded, never dereferenced.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import NamedTuple

KIND_SHIFT = 56
GENERATION_SHIFT = 32
GENERATION_MASK = 0xFF_FFFF
INDEX_MASK = 0xFFFF_FFFF


@unique
class HandleKind(IntEnum):
    """What a handle stands for; the top byte of its value."""

    MINIPORT_DRIVER = 0x11
    FILTER_DRIVER = 0x12
    PROTOCOL_DRIVER = 0x13
    ADAPTER = 0x21
    FILTER_MODULE = 0x22
    BINDING = 0x23
    BIND_CONTEXT = 0x24
    UNBIND_CONTEXT = 0x25
    WORK_ITEM = 0x31
    TIMER = 0x32
    INTERRUPT = 0x33
    IO_WORK_ITEM = 0x34
    EX_WORK_ITEM = 0x35
    POLL = 0x36
    PORT = 0x3C
    DMA_CHANNEL = 0x3D
    SHARED_MEMORY_ITEM = 0x3E
    NET_BUFFER_LIST_POOL = 0x41
    NET_BUFFER_POOL = 0x42
    CONFIGURATION = 0x51
    DEVICE = 0x52
    GENERIC_OBJECT = 0x53
    INTERFACE_PROVIDER = 0x54
    INTERFACE = 0x55
    INTERFACE_ORDER = 0x56
    LUID_INDEX = 0x57
    SYMBOLIC_LINK = 0x58
    FILE = 0x59
    LOG = 0x5A


class Decoded(NamedTuple):
    """The three parts of a handle."""

    kind: int
    generation: int
    place: int


def make_handle(kind: int, generation: int, index: int) -> int:
    """Compose a handle; ``generation`` is taken modulo 2**24."""
    return kind << KIND_SHIFT | (generation & GENERATION_MASK) << GENERATION_SHIFT | index


def decode_handle(handle: int) -> Decoded:
    """Split a handle; any 64-bit value decodes, whether it was ever given out or not."""
    return Decoded(handle >> KIND_SHIFT & 0xFF, handle >> GENERATION_SHIFT & GENERATION_MASK, handle & INDEX_MASK)


def kind_name(kind: int) -> str:
    """The kind in words, for stop screens; unknown numbers are shown as such."""
    try:
        return HandleKind(kind).name.lower().replace("_", " ") + " handle"
    except ValueError:
        return f"no NDIS handle (kind 0x{kind:02X})"


def a_kind(kind: int) -> str:
    """The kind in words, with its article."""
    name = kind_name(kind)
    return name if name.startswith("no ") else f"{'an' if name[0] in 'aio' else 'a'} {name}"
