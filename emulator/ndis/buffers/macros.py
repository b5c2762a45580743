"""The macros of ndis.h and wdm.h by which drivers reach into NET_BUFFER_LISTs, NET_BUFFERs and MDLs.

Law: a macro reads a member and does nothing else, at any IRQL; what C uses on the left of an assignment is written as
the member here, since Python assigns to members and not to calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from emulator.kernel.lists import containing_record
from emulator.kernel.platform import current
from emulator.ndis.headers.constants import (
    NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL,
    NDIS_RECEIVE_FLAGS_RESOURCES,
    NDIS_RETURN_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_FLAGS_DISPATCH_LEVEL,
    NetBufferListCancelId,
    NetBufferListHashInfo,
    NetBufferListHashValue,
    NetBufferListProtocolId,
)
from emulator.ndis.headers.receive_scale_structures import NDIS_HASH_FUNCTION_MASK, NDIS_HASH_TYPE_MASK

if TYPE_CHECKING:
    from emulator.kernel.pointers import Memory
    from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER, NET_BUFFER_LIST, NET_BUFFER_LIST_CONTEXT

T = TypeVar("T")


def NET_BUFFER_LIST_NEXT_NBL(_NBL: NET_BUFFER_LIST, /) -> NET_BUFFER_LIST | None:
    """The next list of a chain."""
    return _NBL.Next


def NET_BUFFER_LIST_FIRST_NB(_NBL: NET_BUFFER_LIST, /) -> NET_BUFFER | None:
    """The first NET_BUFFER."""
    return _NBL.FirstNetBuffer


def NET_BUFFER_LIST_FLAGS(_NBL: NET_BUFFER_LIST, /) -> int:
    """Flags."""
    return _NBL.Flags


def NET_BUFFER_LIST_NBL_FLAGS(_NBL: NET_BUFFER_LIST, /) -> int:
    """NblFlags."""
    return _NBL.NblFlags


def NET_BUFFER_LIST_STATUS(_NBL: NET_BUFFER_LIST, /) -> int:
    """The status with which a send was completed."""
    return _NBL.Status


def NET_BUFFER_LIST_INFO(_NBL: NET_BUFFER_LIST, _Id: int, /) -> Any:
    """An out-of-band slot; 0 when it is not set.  To set one: ``_NBL.NetBufferListInfo[_Id] = value``."""
    return _NBL.NetBufferListInfo[_Id]


def NET_BUFFER_LIST_PROTOCOL_RESERVED(_NBL: NET_BUFFER_LIST, /) -> list[Any]:
    """The four words of the list's originator."""
    return _NBL.ProtocolReserved


def NET_BUFFER_LIST_MINIPORT_RESERVED(_NBL: NET_BUFFER_LIST, /) -> list[Any]:
    """The two words of the miniport."""
    return _NBL.MiniportReserved


def NET_BUFFER_LIST_CONTEXT_DATA_START(_NBL: NET_BUFFER_LIST, /) -> Memory:
    """The memory of the uppermost context area, from its used part on."""
    area = _area(_NBL)
    return area.ContextData + area.Offset


def NET_BUFFER_LIST_CONTEXT_DATA_SIZE(_NBL: NET_BUFFER_LIST, /) -> int:
    """Bytes in use of the uppermost context area."""
    area = _area(_NBL)
    return area.Size - area.Offset


def _area(nbl: NET_BUFFER_LIST) -> NET_BUFFER_LIST_CONTEXT:
    area = nbl.Context
    if area is None:
        raise AttributeError("the NET_BUFFER_LIST has no context area")
    return area


def NDIS_SET_NET_BUFFER_LIST_CANCEL_ID(_NBL: NET_BUFFER_LIST, _CancelId: Any, /) -> None:
    """Mark a list with a cancel id: the byte of NdisGeneratePartialCancelId in the highest place, the rest at will."""
    _NBL.NetBufferListInfo[NetBufferListCancelId] = _CancelId


def NDIS_GET_NET_BUFFER_LIST_CANCEL_ID(_NBL: NET_BUFFER_LIST, /) -> Any:
    """The cancel id of a list; 0 when it has none."""
    return _NBL.NetBufferListInfo[NetBufferListCancelId] if _NBL._lists else 0


def NdisSetNetBufferListProtocolId(_NBL: NET_BUFFER_LIST, _ProtocolId: int, /) -> None:
    """Say which kind of protocol made the list: NDIS_PROTOCOL_ID_..."""
    told: int = _NBL.NetBufferListInfo[NetBufferListProtocolId]
    _NBL.NetBufferListInfo[NetBufferListProtocolId] = told & ~0xFF | _ProtocolId


def NET_BUFFER_LIST_GET_HASH_VALUE(_NBL: NET_BUFFER_LIST, /) -> int:
    """The receive-side-scaling hash."""
    return _NBL.NetBufferListInfo[NetBufferListHashValue]  # type: ignore[no-any-return]


def NET_BUFFER_LIST_GET_HASH_TYPE(_NBL: NET_BUFFER_LIST, /) -> int:
    """The type bits of the hash."""
    return _NBL.NetBufferListInfo[NetBufferListHashInfo] & NDIS_HASH_TYPE_MASK  # type: ignore[no-any-return]


def NET_BUFFER_LIST_GET_HASH_FUNCTION(_NBL: NET_BUFFER_LIST, /) -> int:
    """The function of the hash."""
    return _NBL.NetBufferListInfo[NetBufferListHashInfo] & NDIS_HASH_FUNCTION_MASK  # type: ignore[no-any-return]


def NET_BUFFER_LIST_SET_HASH_VALUE(_NBL: NET_BUFFER_LIST, _HashValue: int, /) -> None:
    """Set the receive-side-scaling hash."""
    _NBL.NetBufferListInfo[NetBufferListHashValue] = _HashValue


def NET_BUFFER_LIST_SET_HASH_TYPE(_NBL: NET_BUFFER_LIST, _HashType: int, /) -> None:
    """Set the type bits of the hash; its function stays."""
    told: int = _NBL.NetBufferListInfo[NetBufferListHashInfo]
    _NBL.NetBufferListInfo[NetBufferListHashInfo] = told & ~NDIS_HASH_TYPE_MASK | _HashType & NDIS_HASH_TYPE_MASK


def NET_BUFFER_LIST_SET_HASH_FUNCTION(_NBL: NET_BUFFER_LIST, _HashFunction: int, /) -> None:
    """Set the function of the hash; its type stays."""
    told: int = _NBL.NetBufferListInfo[NetBufferListHashInfo] & ~NDIS_HASH_FUNCTION_MASK
    _NBL.NetBufferListInfo[NetBufferListHashInfo] = told | _HashFunction & NDIS_HASH_FUNCTION_MASK


def NdisTestNblFlag(_NBL: NET_BUFFER_LIST, _F: int, /) -> bool:
    """Is one of these bits of NblFlags set?"""
    return _NBL.NblFlags & _F != 0


def NdisTestNblFlags(_NBL: NET_BUFFER_LIST, _F: int, /) -> bool:
    """Are all these bits of NblFlags set?"""
    return _NBL.NblFlags & _F == _F


def NdisSetNblFlag(_NBL: NET_BUFFER_LIST, _F: int, /) -> None:
    """Set bits of NblFlags."""
    _NBL.NblFlags |= _F


def NdisClearNblFlag(_NBL: NET_BUFFER_LIST, _F: int, /) -> None:
    """Clear bits of NblFlags."""
    _NBL.NblFlags &= ~_F


def NDIS_TEST_SEND_FLAG(_Flags: int, _Fl: int, /) -> bool:
    """Are all these bits of SendFlags set?"""
    return _Flags & _Fl == _Fl


def NDIS_TEST_SEND_AT_DISPATCH_LEVEL(_Flags: int, /) -> bool:
    """Does the caller of a send say that it is at DISPATCH_LEVEL?"""
    return _Flags & NDIS_SEND_FLAGS_DISPATCH_LEVEL != 0


def NDIS_TEST_SEND_COMPLETE_FLAG(_Flags: int, _Fl: int, /) -> bool:
    """Are all these bits of SendCompleteFlags set?"""
    return _Flags & _Fl == _Fl


def NDIS_TEST_SEND_COMPLETE_AT_DISPATCH_LEVEL(_Flags: int, /) -> bool:
    """Does who completes a send say that it is at DISPATCH_LEVEL?"""
    return _Flags & NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL != 0


def NDIS_TEST_RECEIVE_FLAG(_Flags: int, _Fl: int, /) -> bool:
    """Are all these bits of ReceiveFlags set?"""
    return _Flags & _Fl == _Fl


def NDIS_TEST_RECEIVE_AT_DISPATCH_LEVEL(_Flags: int, /) -> bool:
    """Does who indicates say that it is at DISPATCH_LEVEL?"""
    return _Flags & NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL != 0


def NDIS_TEST_RECEIVE_CANNOT_PEND(_Flags: int, /) -> bool:
    """Are the lists only lent: must they not be kept, nor returned?"""
    return _Flags & NDIS_RECEIVE_FLAGS_RESOURCES != 0


def NDIS_TEST_RECEIVE_CAN_PEND(_Flags: int, /) -> bool:
    """May the lists be kept, and are they to be returned?"""
    return _Flags & NDIS_RECEIVE_FLAGS_RESOURCES == 0


def NDIS_TEST_RETURN_FLAG(_Flags: int, _Fl: int, /) -> bool:
    """Are all these bits of ReturnFlags set?"""
    return _Flags & _Fl == _Fl


def NDIS_TEST_RETURN_AT_DISPATCH_LEVEL(_Flags: int, /) -> bool:
    """Does who returns lists say that it is at DISPATCH_LEVEL?"""
    return _Flags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL != 0


def NET_BUFFER_NEXT_NB(_NB: NET_BUFFER, /) -> NET_BUFFER | None:
    """The next NET_BUFFER of a list."""
    return _NB.Next


def NET_BUFFER_FIRST_MDL(_NB: NET_BUFFER, /) -> MDL | None:
    """The first MDL, whether it holds used data or not."""
    return _NB.MdlChain


def NET_BUFFER_CURRENT_MDL(_NB: NET_BUFFER, /) -> MDL | None:
    """The MDL that holds the first used byte."""
    return _NB.CurrentMdl


def NET_BUFFER_CURRENT_MDL_OFFSET(_NB: NET_BUFFER, /) -> int:
    """Where the used data begin in the current MDL."""
    return _NB.CurrentMdlOffset


def NET_BUFFER_DATA_LENGTH(_NB: NET_BUFFER, /) -> int:
    """Bytes of used data."""
    return _NB.DataLength


def NET_BUFFER_DATA_OFFSET(_NB: NET_BUFFER, /) -> int:
    """Unused bytes in front of the used data."""
    return _NB.DataOffset


def NET_BUFFER_CHECKSUM_BIAS(_NB: NET_BUFFER, /) -> int:
    """ChecksumBias."""
    return _NB.ChecksumBias


def NET_BUFFER_PROTOCOL_RESERVED(_NB: NET_BUFFER, /) -> list[Any]:
    """The six words of the protocol."""
    return _NB.ProtocolReserved


def NET_BUFFER_MINIPORT_RESERVED(_NB: NET_BUFFER, /) -> list[Any]:
    """The four words of the miniport."""
    return _NB.MiniportReserved


def MmGetMdlByteCount(Mdl: MDL, /) -> int:
    """Bytes that the MDL describes."""
    return Mdl.ByteCount


def MmGetMdlByteOffset(Mdl: MDL, /) -> int:
    """Where the bytes begin in their first page."""
    return Mdl.ByteOffset


def MmGetMdlVirtualAddress(Mdl: MDL, /) -> int:
    """The address of the bytes, as a number; the adapter reaches them under the same one."""
    return Mdl.StartVa + Mdl.ByteOffset


def MmGetSystemAddressForMdlSafe(Mdl: MDL, Priority: int, /) -> memoryview | None:
    """The bytes themselves; mapping never fails here."""
    del Priority
    return Mdl.MappedSystemVa[: Mdl.ByteCount]


def CONTAINING_RECORD(address: Any, type: type[T], field: str, /) -> T:
    """The structure of which ``field`` is what ``address`` (a LIST_ENTRY, memory) stands for."""
    return containing_record(current.context, address, type, field)  # type: ignore[no-any-return]


def NDIS_MDL_LINKAGE(_Mdl: MDL, /) -> MDL | None:
    """The next MDL of a chain."""
    return _Mdl.Next


__all__ = [
    "CONTAINING_RECORD",
    "MmGetMdlByteCount",
    "MmGetMdlByteOffset",
    "MmGetMdlVirtualAddress",
    "MmGetSystemAddressForMdlSafe",
    "NDIS_GET_NET_BUFFER_LIST_CANCEL_ID",
    "NDIS_MDL_LINKAGE",
    "NDIS_SET_NET_BUFFER_LIST_CANCEL_ID",
    "NDIS_TEST_RECEIVE_AT_DISPATCH_LEVEL",
    "NDIS_TEST_RECEIVE_CANNOT_PEND",
    "NDIS_TEST_RECEIVE_CAN_PEND",
    "NDIS_TEST_RECEIVE_FLAG",
    "NDIS_TEST_RETURN_AT_DISPATCH_LEVEL",
    "NDIS_TEST_RETURN_FLAG",
    "NDIS_TEST_SEND_AT_DISPATCH_LEVEL",
    "NDIS_TEST_SEND_COMPLETE_AT_DISPATCH_LEVEL",
    "NDIS_TEST_SEND_COMPLETE_FLAG",
    "NDIS_TEST_SEND_FLAG",
    "NET_BUFFER_CHECKSUM_BIAS",
    "NET_BUFFER_CURRENT_MDL",
    "NET_BUFFER_CURRENT_MDL_OFFSET",
    "NET_BUFFER_DATA_LENGTH",
    "NET_BUFFER_DATA_OFFSET",
    "NET_BUFFER_FIRST_MDL",
    "NET_BUFFER_LIST_CONTEXT_DATA_SIZE",
    "NET_BUFFER_LIST_CONTEXT_DATA_START",
    "NET_BUFFER_LIST_FIRST_NB",
    "NET_BUFFER_LIST_FLAGS",
    "NET_BUFFER_LIST_GET_HASH_FUNCTION",
    "NET_BUFFER_LIST_GET_HASH_TYPE",
    "NET_BUFFER_LIST_GET_HASH_VALUE",
    "NET_BUFFER_LIST_INFO",
    "NET_BUFFER_LIST_MINIPORT_RESERVED",
    "NET_BUFFER_LIST_NBL_FLAGS",
    "NET_BUFFER_LIST_NEXT_NBL",
    "NET_BUFFER_LIST_PROTOCOL_RESERVED",
    "NET_BUFFER_LIST_SET_HASH_FUNCTION",
    "NET_BUFFER_LIST_SET_HASH_TYPE",
    "NET_BUFFER_LIST_SET_HASH_VALUE",
    "NET_BUFFER_LIST_STATUS",
    "NET_BUFFER_MINIPORT_RESERVED",
    "NET_BUFFER_NEXT_NB",
    "NET_BUFFER_PROTOCOL_RESERVED",
    "NdisClearNblFlag",
    "NdisSetNblFlag",
    "NdisSetNetBufferListProtocolId",
    "NdisTestNblFlag",
    "NdisTestNblFlags",
]
