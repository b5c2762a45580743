"""What NDIS itself does with OIDs: answers from attributes, the union of filters, and the checks of a completion.

Law: which OIDs NDIS answers is in the table below, from oids.md section 3; the miniport never sees those queries.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import Memory, decode, forget, load_block, make_in_pool
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis import oids
from emulator.ndis.adapters import supported_oids
from emulator.ndis.object_header import NDIS_OBJECT_TYPE_DEFAULT
from emulator.ndis.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.oid_table import MUST_SUCCEED
from emulator.ndis.oids import oid_name
from emulator.ndis.status import (
    NDIS_STATUS,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_MULTICAST_FULL,
    NDIS_STATUS_NOT_ACCEPTED,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.structures_common import NDIS_LINK_STATE, NDIS_OBJECT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

QUERY, SET, STATISTICS, METHOD = 0, 1, 2, 12
MAXIMUM_BOUND_MULTICAST = 32
OID_TAG = int.from_bytes(b"NdOi", "little")
EXCUSED = (NDIS_STATUS_SUCCESS, NDIS_STATUS_NOT_ACCEPTED, NDIS_STATUS_REQUEST_ABORTED)
"""With these alone an OID that must succeed may be completed."""


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def link_state(adapter: Any) -> NDIS_LINK_STATE:
    """The last link state that NDIS knows of an adapter."""
    return NDIS_LINK_STATE(
        Header=NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_DEFAULT, 1, 40),
        MediaConnectState=adapter.media_connect_state,
        MediaDuplexState=adapter.duplex,
        XmitLinkSpeed=adapter.transmit_speed,
        RcvLinkSpeed=adapter.receive_speed,
        PauseFunctions=adapter.pause_functions,
        AutoNegotiationFlags=adapter.automatic,
    )


ANSWERS: dict[int, Callable[[Context, Any, Any], bytes]] = {
    oids.OID_GEN_SUPPORTED_LIST: lambda c, a, _: supported_oids(c, a),
    oids.OID_GEN_MAXIMUM_LOOKAHEAD: lambda _, a, __: _u32(a.lookahead),
    oids.OID_GEN_MAXIMUM_FRAME_SIZE: lambda _, a, __: _u32(a.mtu),
    oids.OID_GEN_MAC_OPTIONS: lambda _, a, __: _u32(a.mac_options),
    oids.OID_GEN_MEDIA_CONNECT_STATUS: lambda _, a, __: _u32(0 if a.media_connect_state == 1 else 1),
    oids.OID_GEN_PHYSICAL_MEDIUM: lambda _, a, __: _u32(a.physical_medium),
    oids.OID_GEN_PHYSICAL_MEDIUM_EX: lambda _, a, __: _u32(a.physical_medium),
    oids.OID_GEN_DRIVER_VERSION: lambda c, a, _: struct.pack("<H", _driver_version(c, a)),
    oids.OID_GEN_MAX_LINK_SPEED: lambda _, a, __: struct.pack("<QQ", a.maximum_transmit_speed, a.maximum_receive_speed),
    oids.OID_GEN_LINK_STATE: lambda _, a, __: link_state(a).to_bytes(),
    oids.OID_GEN_MEDIA_SUPPORTED: lambda _, __, ___: _u32(0),
    oids.OID_GEN_MEDIA_IN_USE: lambda _, __, ___: _u32(0),
    oids.OID_GEN_LINK_SPEED: lambda _, a, __: _u32(min(a.transmit_speed // 100, 0xFFFF_FFFF)),
    oids.OID_GEN_MAXIMUM_SEND_PACKETS: lambda _, __, ___: _u32(1),
    oids.OID_GEN_HARDWARE_STATUS: lambda _, __, ___: _u32(0),
    oids.OID_GEN_CURRENT_PACKET_FILTER: lambda _, a, __: _u32(a.packet_filter),
    oids.OID_GEN_CURRENT_LOOKAHEAD: lambda _, a, b: _u32(b.lookahead or a.lookahead),
    oids.OID_802_3_MULTICAST_LIST: lambda c, a, _: multicast_union(c, a),
}
"""Queries that NDIS answers: the bytes of the answer."""


def answer(context: Context, adapter: Any, binding: Any, request: Any) -> NDIS_STATUS | None:
    """Answer what NDIS knows by itself; None for what goes down."""
    if request.RequestType in (QUERY, STATISTICS):
        query = request.DATA.QUERY_INFORMATION
        known = ANSWERS.get(query.Oid)
        if known is None:
            return None
        data = known(context, adapter, binding)
        query.BytesNeeded = len(data)
        query.BytesWritten = 0
        if query.InformationBufferLength < len(data):
            return NDIS_STATUS_BUFFER_TOO_SHORT
        write_buffer(query.InformationBuffer, data)
        query.BytesWritten = len(data)
        return NDIS_STATUS_SUCCESS
    if request.RequestType == SET:
        return _check_set(adapter, request.DATA.SET_INFORMATION)
    return None


def merged(context: Context, adapter: Any, binding: Any, request: Any) -> Any:
    """The request to send down in place of a filter or multicast list of one binding: the union of all; else None."""
    if request.RequestType != SET:
        return None
    given = request.DATA.SET_INFORMATION
    if given.Oid == oids.OID_GEN_CURRENT_PACKET_FILTER:
        wanted = struct.unpack("<I", read_buffer(given.InformationBuffer, 4))[0]
        data = _u32(wanted | _other_filters(context, adapter, binding))
    elif given.Oid == oids.OID_802_3_MULTICAST_LIST:
        own = read_buffer(given.InformationBuffer, given.InformationBufferLength)
        data = _distinct(multicast_union(context, adapter, without=binding) + own)
    else:
        return None
    down = make_in_pool(context, NDIS_OID_REQUEST)
    buffer = allocate_buffer(context, max(len(data), 1))
    buffer.view[: len(data)] = data
    down.Header.Type, down.Header.Revision, down.Header.Size = 0x96, 1, 236
    down.RequestType = SET
    below = down.DATA.SET_INFORMATION
    below.Oid, below.InformationBufferLength = given.Oid, len(data)
    below.InformationBuffer = buffer
    down.RequestId, down.RequestHandle = request.RequestId, request.RequestHandle
    down.ndis_origin = request._pointer
    down.ndis_binding = request.ndis_binding
    down.ndis_issued_site = request.ndis_issued_site
    request.ndis_state = 1
    return down


def originator(context: Context, adapter: Any, request: Any, status: NDIS_STATUS) -> Any:
    """The request of the protocol behind a merged one; the merged one is given back."""
    if not request.ndis_origin:
        return request
    origin = decode(context, request.ndis_origin)
    del adapter
    below, above = request.DATA.SET_INFORMATION, origin.DATA.SET_INFORMATION
    if status == NDIS_STATUS_SUCCESS:
        above.BytesRead = above.InformationBufferLength
    above.BytesNeeded = below.BytesNeeded
    for block in (below.InformationBuffer, request):
        forget(context, block._pointer)
        context.machine.pool.free(block._pointer, site=context.site)
    return origin


def note(context: Context, adapter: Any, request: Any) -> None:
    """Remember a set that succeeded: filter, lookahead and multicast list of the binding."""
    if request.RequestType != SET:
        return
    binding = context.machine.objects[HandleKind.BINDING].find(request.ndis_binding, HandleKind.BINDING)
    given = request.DATA.SET_INFORMATION
    if binding is None or given.Oid not in NOTED:
        return
    data = read_buffer(given.InformationBuffer, given.InformationBufferLength)
    if given.Oid == oids.OID_GEN_CURRENT_PACKET_FILTER:
        binding.packet_filter = struct.unpack("<I", data[:4])[0]
        adapter.packet_filter = binding.packet_filter | _other_filters(context, adapter, binding)
    elif given.Oid == oids.OID_GEN_CURRENT_LOOKAHEAD:
        binding.lookahead = struct.unpack("<I", data[:4])[0]
    else:
        binding.multicast = data.ljust(MAXIMUM_BOUND_MULTICAST * 6, b"\0")
        binding.multicast_count = len(data) // 6
    from emulator.ndis.adapters import publish_change

    publish_change(context, adapter)


NOTED = (oids.OID_GEN_CURRENT_PACKET_FILTER, oids.OID_GEN_CURRENT_LOOKAHEAD, oids.OID_802_3_MULTICAST_LIST)


def check_completion(context: Context, handle: int, request: Any, status: NDIS_STATUS) -> None:
    """Bug checks of a completed request: 0x1D too many bytes written, 0x1C a must-succeed OID that failed."""
    kind = request.RequestType
    if kind in (QUERY, STATISTICS):
        query = request.DATA.QUERY_INFORMATION
        written, room = query.BytesWritten, query.InformationBufferLength
    elif kind == METHOD:
        method = request.DATA.METHOD_INFORMATION
        written, room = method.BytesWritten, method.OutputBufferLength
    else:
        written = room = 0
    if written > room:
        stop(
            0x7C,
            0x1D,
            handle,
            request._pointer,
            text=f"{describe(request)} was completed with BytesWritten {written}; its buffer has {room} bytes.",
        )
    oid = request.DATA.QUERY_INFORMATION.Oid
    if oid in MUST_SUCCEED and status not in EXCUSED:
        stop(
            0x7C,
            0x1C,
            handle,
            oid,
            status & 0xFFFF_FFFF,
            rule="NdisOidComplete",
            text=f"{describe(request)} must succeed; it was completed with {status_name(status)}.",
            sites=[site_of(context, "issued", request.ndis_issued_site)],
        )


def describe(request: Any) -> str:
    """A request in words: ``set OID_GEN_CURRENT_PACKET_FILTER``."""
    kinds = {QUERY: "query", SET: "set", STATISTICS: "query statistics", METHOD: "method"}
    return f"{kinds.get(request.RequestType, 'request')} {oid_name(request.DATA.QUERY_INFORMATION.Oid)}"


def read_buffer(buffer: Any, length: int) -> bytes:
    """The first bytes of an information buffer: memory or a structure."""
    if buffer is None:
        return b""
    view = buffer.view if isinstance(buffer, Memory) else memoryview(buffer).cast("B")
    return bytes(view[:length])


def write_buffer(buffer: Any, data: bytes) -> None:
    """Put bytes at the start of an information buffer."""
    view = buffer.view if isinstance(buffer, Memory) else memoryview(buffer).cast("B")
    view[: len(data)] = data


def allocate_buffer(context: Context, length: int) -> Memory:
    """Memory of NDIS's own for a buffer that goes down."""
    pointer = context.machine.pool.allocate(length, tag=OID_TAG, type_number=0, site=0, driver=0, owner=0)
    if pointer is None:
        stop(0xC2, 0x00, text="The pool is exhausted; NDIS cannot send an OID request down.")
    return load_block(context, pointer)  # type: ignore[no-any-return]


def multicast_union(context: Context, adapter: Any, without: Any = None) -> bytes:
    """The multicast addresses of all bindings, each once."""
    joined = b""
    for binding in _bindings(context, adapter):
        if without is None or binding.head.generation != without.head.generation or binding.context != without.context:
            joined += binding.multicast[: binding.multicast_count * 6]
    return _distinct(joined)


def _distinct(addresses: bytes) -> bytes:
    return b"".join(dict.fromkeys(addresses[place : place + 6] for place in range(0, len(addresses), 6)))


def _check_set(adapter: Any, given: Any) -> NDIS_STATUS | None:
    given.BytesRead = 0
    if given.Oid in (oids.OID_GEN_CURRENT_PACKET_FILTER, oids.OID_GEN_CURRENT_LOOKAHEAD):
        if given.InformationBufferLength < 4:
            given.BytesNeeded = 4
            return NDIS_STATUS_INVALID_LENGTH
    elif given.Oid == oids.OID_802_3_MULTICAST_LIST:
        length = given.InformationBufferLength
        if length % 6:
            given.BytesNeeded = length // 6 * 6
            return NDIS_STATUS_INVALID_LENGTH
        data = read_buffer(given.InformationBuffer, length)
        if length // 6 > min(adapter.maximum_multicast, MAXIMUM_BOUND_MULTICAST) or any(
            not data[place] & 1 for place in range(0, length, 6)
        ):
            return NDIS_STATUS_MULTICAST_FULL
    return None


def _other_filters(context: Context, adapter: Any, binding: Any) -> int:
    union = 0
    for other in _bindings(context, adapter):
        if other.context != binding.context:
            union |= other.packet_filter
    return union


def _bindings(context: Context, adapter: Any) -> list[Any]:
    adapters = context.machine.objects[HandleKind.ADAPTER]
    table = context.machine.objects[HandleKind.BINDING]
    return [
        binding
        for _, binding in table.live()
        if adapters.records[binding.adapter].number == adapter.number and binding.head.allocated
    ]


def _driver_version(context: Context, adapter: Any) -> int:
    driver = context.machine.objects[HandleKind.MINIPORT_DRIVER].find(adapter.head.parent, HandleKind.MINIPORT_DRIVER)
    return driver.major_version << 8 | driver.minor_version if driver is not None else 0x600
