"""NDIS_OID_REQUEST: in nonpaged pool, because NDIS keeps it after the call that issued it.

Law: Microsoft's members; the three views of DATA lie over the same bytes, as in the union.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emulator.kernel.pointers import NONPAGED, PointerField
from emulator.layout.records import Array, Record, u8, u16, u32, u64

if TYPE_CHECKING:
    PVOID = Any
else:

    class PVOID:
        """Any reference."""

        __field_type__ = PointerField


class OID_HEADER(Record):
    """NDIS_OBJECT_HEADER as it lies in memory."""

    Type: u8
    Revision: u8
    Size: u16


class QUERY_INFORMATION(Record):
    """DATA of a query or a query of statistics."""

    Oid: u32
    InformationBuffer: PVOID
    InformationBufferLength: u32
    BytesWritten: u32
    BytesNeeded: u32


class SET_INFORMATION(Record):
    """DATA of a set."""

    Oid: u32
    InformationBuffer: PVOID
    InformationBufferLength: u32
    BytesRead: u32
    BytesNeeded: u32


class METHOD_INFORMATION(Record):
    """DATA of a method; one buffer in and out."""

    Oid: u32
    InformationBuffer: PVOID
    InputBufferLength: u32
    OutputBufferLength: u32
    MethodId: u32
    BytesWritten: u32
    BytesRead: u32
    BytesNeeded: u32


class _UNION(Record):
    _bytes: Array[u64, Literal[6]]

    @property
    def QUERY_INFORMATION(self) -> QUERY_INFORMATION:
        """The bytes as a query sees them."""
        return QUERY_INFORMATION.from_buffer(self)  # type: ignore[attr-defined, no-any-return]

    @property
    def SET_INFORMATION(self) -> SET_INFORMATION:
        """The bytes as a set sees them."""
        return SET_INFORMATION.from_buffer(self)  # type: ignore[attr-defined, no-any-return]

    @property
    def METHOD_INFORMATION(self) -> METHOD_INFORMATION:
        """The bytes as a method sees them."""
        return METHOD_INFORMATION.from_buffer(self)  # type: ignore[attr-defined, no-any-return]


class NDIS_OID_REQUEST(NONPAGED):
    """An OID request.  Make one with ``NDIS_OID_REQUEST()``, free it with NdisFreeMemory when it is complete.

    Members that begin with ``ndis_`` are NDIS's own (NdisReserved on Windows).
    """

    Header: OID_HEADER
    RequestType: u32
    PortNumber: u32
    Timeout: u32
    RequestId: PVOID
    RequestHandle: PVOID
    DATA: _UNION
    MiniportReserved: Array[u64, Literal[2]]
    SourceReserved: Array[PVOID, Literal[2]]
    SupportedRevision: u8
    Flags: u32
    ndis_state: u32
    ndis_clone: u32
    ndis_binding: u64
    ndis_origin: u64
    ndis_next: u64
    ndis_issued_site: u32
    ndis_completed_site: u32
    ndis_issued: u64
    ndis_given: u64
    ndis_final: u64
