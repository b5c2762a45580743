"""Media-specific information of a NET_BUFFER_LIST: a linked list of structures in an out-of-band slot.

Law: the structures are their driver's, in nonpaged memory, so that they go with the list to another context; the macros
link and unlink them as those of ndis.h do, and free nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from emulator.kernel.pointers import NONPAGED
from emulator.layout.records import Array, u8, u32
from emulator.ndis.headers.constants import MediaSpecificInformation, MediaSpecificInformationEx
from emulator.ndis.headers.oid_structures import OID_HEADER, PVOID

if TYPE_CHECKING:
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

NDIS_NBL_MEDIA_SPECIFIC_INFO_REVISION_1: Final = 1
NDIS_SIZEOF_NBL_MEDIA_SPECIFIC_INFO_REVISION_1: Final = 32


class NDIS_NBL_MEDIA_SPECIFIC_INFORMATION(NONPAGED):
    """An entry as NDIS 6.0 and 6.1 have it; Data is the first byte of what the driver appends."""

    NextEntry: PVOID
    Tag: u32
    Header: OID_HEADER
    Data: Array[u8, Literal[1]]


class NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX(NONPAGED):
    """An entry; NDIS 6.20 and later."""

    Header: OID_HEADER
    NextEntry: PVOID
    Tag: u32
    Data: PVOID


def NDIS_NBL_ADD_MEDIA_SPECIFIC_INFO(
    _NBL: NET_BUFFER_LIST, _MediaSpecificInfo: NDIS_NBL_MEDIA_SPECIFIC_INFORMATION, /
) -> None:
    """Put an entry at the beginning; for drivers of NDIS 6.0 and 6.1."""
    _add(_NBL, MediaSpecificInformation, _MediaSpecificInfo)


def NDIS_NBL_GET_MEDIA_SPECIFIC_INFO(_NBL: NET_BUFFER_LIST, _Tag: int, /) -> NDIS_NBL_MEDIA_SPECIFIC_INFORMATION | None:
    """The first entry with a tag, or None (NULL); for drivers of NDIS 6.0 and 6.1."""
    return _get(_NBL, MediaSpecificInformation, _Tag)  # type: ignore[no-any-return]


def NDIS_NBL_REMOVE_MEDIA_SPECIFIC_INFO(
    _NBL: NET_BUFFER_LIST, _MediaSpecificInfo: NDIS_NBL_MEDIA_SPECIFIC_INFORMATION, /
) -> None:
    """Take the first entry with the tag of this one out; for drivers of NDIS 6.0 and 6.1."""
    _remove(_NBL, MediaSpecificInformation, _MediaSpecificInfo)


def NDIS_NBL_ADD_MEDIA_SPECIFIC_INFO_EX(
    _NBL: NET_BUFFER_LIST, _MediaSpecificInfo: NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX, /
) -> None:
    """Put an entry at the beginning."""
    _add(_NBL, MediaSpecificInformationEx, _MediaSpecificInfo)


def NDIS_NBL_GET_MEDIA_SPECIFIC_INFO_EX(
    _NBL: NET_BUFFER_LIST, _Tag: int, /
) -> NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX | None:
    """The first entry with a tag, or None (NULL)."""
    return _get(_NBL, MediaSpecificInformationEx, _Tag)  # type: ignore[no-any-return]


def NDIS_NBL_REMOVE_MEDIA_SPECIFIC_INFO_EX(
    _NBL: NET_BUFFER_LIST, _MediaSpecificInfo: NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX, /
) -> None:
    """Take the first entry with the tag of this one out."""
    _remove(_NBL, MediaSpecificInformationEx, _MediaSpecificInfo)


def _add(nbl: NET_BUFFER_LIST, slot: int, entry: Any) -> None:
    entry.NextEntry = nbl.NetBufferListInfo[slot] or None
    nbl.NetBufferListInfo[slot] = entry


def _get(nbl: NET_BUFFER_LIST, slot: int, tag: int) -> Any:
    entry = nbl.NetBufferListInfo[slot] or None
    while entry is not None and entry.Tag != tag:
        entry = entry.NextEntry
    return entry


def _remove(nbl: NET_BUFFER_LIST, slot: int, wanted: Any) -> None:
    before = None
    entry = nbl.NetBufferListInfo[slot] or None
    while entry is not None and entry.Tag != wanted.Tag:
        before, entry = entry, entry.NextEntry
    if entry is None:
        return
    if before is None:
        nbl.NetBufferListInfo[slot] = entry.NextEntry or 0
    else:
        before.NextEntry = entry.NextEntry


__all__ = [
    "NDIS_NBL_ADD_MEDIA_SPECIFIC_INFO",
    "NDIS_NBL_ADD_MEDIA_SPECIFIC_INFO_EX",
    "NDIS_NBL_GET_MEDIA_SPECIFIC_INFO",
    "NDIS_NBL_GET_MEDIA_SPECIFIC_INFO_EX",
    "NDIS_NBL_MEDIA_SPECIFIC_INFORMATION",
    "NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX",
    "NDIS_NBL_MEDIA_SPECIFIC_INFO_REVISION_1",
    "NDIS_NBL_REMOVE_MEDIA_SPECIFIC_INFO",
    "NDIS_NBL_REMOVE_MEDIA_SPECIFIC_INFO_EX",
    "NDIS_SIZEOF_NBL_MEDIA_SPECIFIC_INFO_REVISION_1",
]
