"""What NDIS itself does with OIDs: answers from attributes, the union of filters, and the checks of a completion.

Law: which OIDs NDIS answers is in the table below, from oids.md section 3; the miniport never sees those queries.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import Memory, decode, load_block, make_in_pool
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis.control_path import oid_multicast, scaling_requests
from emulator.ndis.control_path.indications import tell_packet_filter
from emulator.ndis.control_path.oid_ports import port_array, port_state
from emulator.ndis.control_path.oid_table import BY_OID, MUST_SUCCEED, By
from emulator.ndis.control_path.remembered import LAST_SET, REMEMBERED, remember, remembered
from emulator.ndis.headers import oids
from emulator.ndis.headers.constants import (
    NDIS_MINIPORT_ATTRIBUTES_NO_OID_INTERCEPT_ON_NONDEFAULT_PORTS,
    NDIS_PACKET_TYPE_ALL_LOCAL,
    NDIS_PACKET_TYPE_NO_LOCAL,
)
from emulator.ndis.headers.object_header import (
    NDIS_OBJECT_TYPE_DEFAULT,
    NDIS_OBJECT_TYPE_OID_REQUEST,
    NDIS_OID_REQUEST_REVISION_1,
    NDIS_SIZEOF_OID_REQUEST_REVISION_1,
)
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.oids import oid_name
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_INVALID_DATA,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_NOT_ACCEPTED,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.headers.structures_common import NDIS_LINK_STATE, NDIS_OBJECT_HEADER
from emulator.ndis.plug_and_play.adapters import publish_change
from emulator.ndis.plug_and_play.registration import miniport_of
from emulator.ndis.services.memory import free_block, keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

QUERY, SET, STATISTICS, METHOD = 0, 1, 2, 12
OID_TAG = int.from_bytes(b"NdOi", "little")
_LOCAL = NDIS_PACKET_TYPE_ALL_LOCAL | NDIS_PACKET_TYPE_NO_LOCAL
EXCUSED = (NDIS_STATUS_SUCCESS, NDIS_STATUS_NOT_ACCEPTED, NDIS_STATUS_REQUEST_ABORTED)
"""With these alone an OID that must succeed may be completed."""


def u32(value: int) -> bytes:
    """Four bytes, the lowest first."""
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


ANSWERS: dict[int, Callable[[Context, Any, int], bytes]] = {
    oids.OID_GEN_SUPPORTED_LIST: lambda c, a, _: _supported(c, a),
    oids.OID_GEN_MAXIMUM_LOOKAHEAD: lambda _, a, __: u32(a.lookahead),
    oids.OID_GEN_MAXIMUM_FRAME_SIZE: lambda _, a, __: u32(a.mtu),
    oids.OID_GEN_MAC_OPTIONS: lambda _, a, __: u32(a.mac_options),
    oids.OID_GEN_MEDIA_CONNECT_STATUS: lambda _, a, __: u32(0 if a.media_connect_state == 1 else 1),
    oids.OID_GEN_PHYSICAL_MEDIUM: lambda _, a, __: u32(a.physical_medium),
    oids.OID_GEN_PHYSICAL_MEDIUM_EX: lambda _, a, __: u32(a.physical_medium),
    oids.OID_GEN_DRIVER_VERSION: lambda c, a, _: struct.pack("<H", _driver_version(c, a)),
    oids.OID_GEN_MAX_LINK_SPEED: lambda _, a, __: struct.pack("<QQ", a.maximum_transmit_speed, a.maximum_receive_speed),
    oids.OID_GEN_LINK_STATE: lambda _, a, __: link_state(a).to_bytes(),
    oids.OID_GEN_MEDIA_SUPPORTED: lambda _, __, ___: u32(0),
    oids.OID_GEN_MEDIA_IN_USE: lambda _, __, ___: u32(0),
    oids.OID_GEN_LINK_SPEED: lambda _, a, __: u32(min(a.transmit_speed // 100, 0xFFFF_FFFF)),
    oids.OID_GEN_MAXIMUM_SEND_PACKETS: lambda _, __, ___: u32(1),
    oids.OID_GEN_HARDWARE_STATUS: lambda _, __, ___: u32(0),
    oids.OID_GEN_CURRENT_PACKET_FILTER: lambda _, a, __: u32(a.packet_filter),
    oids.OID_GEN_CURRENT_LOOKAHEAD: lambda c, a, _: u32(largest_lookahead(c, a)),
    oids.OID_802_3_MULTICAST_LIST: lambda c, a, _: oid_multicast.union(c, a),
    oids.OID_GEN_ENUMERATE_PORTS: port_array,
    oids.OID_GEN_PORT_STATE: port_state,
}
"""Queries that NDIS answers: the bytes of the answer, for a port.  Others it answers with what it remembers."""


def answer(context: Context, adapter: Any, binding: Any, request: Any) -> NDIS_STATUS | None:
    """Answer what NDIS knows by itself; None for what goes down."""
    if request.PortNumber and adapter.attribute_flags & NDIS_MINIPORT_ATTRIBUTES_NO_OID_INTERCEPT_ON_NONDEFAULT_PORTS:
        return None
    if request.RequestType in (QUERY, STATISTICS):
        query = request.DATA.QUERY_INFORMATION
        known = ANSWERS.get(query.Oid)
        entry = BY_OID.get(query.Oid)
        if known is not None:
            data = known(context, adapter, request.PortNumber)
        elif entry is not None and entry.query is By.NDIS:
            told = remembered(context, adapter, query.Oid) if query.Oid in REMEMBERED else None
            if told is None:
                return NDIS_STATUS_NOT_SUPPORTED
            of_scaling = query.Oid == oids.OID_GEN_RECEIVE_SCALE_PARAMETERS
            data = scaling_requests.told_to(context, binding, told) if of_scaling else told
        else:
            return None
        query.BytesNeeded = len(data)
        query.BytesWritten = 0
        if query.InformationBufferLength < len(data):
            return NDIS_STATUS_BUFFER_TOO_SHORT
        write_buffer(query.InformationBuffer, data)
        query.BytesWritten = len(data)
        return NDIS_STATUS_SUCCESS
    if request.RequestType == SET:
        return _set_answered(context, adapter, binding, request.DATA.SET_INFORMATION)
    return None


def merged(context: Context, adapter: Any, binding: Any, request: Any) -> Any:
    """The request to send down in place of a filter or multicast list of one binding: the union of all; else None.

    In place of a table of processors that the miniport does not know too.
    """
    if request.RequestType != SET or request.PortNumber:
        return None
    given = request.DATA.SET_INFORMATION
    oid = given.Oid
    if oid == oids.OID_GEN_CURRENT_PACKET_FILTER:
        wanted = struct.unpack("<I", read_buffer(given.InformationBuffer, 4))[0]
        data = filter_below(wanted | union_of_filters(context, adapter, without=binding))
    elif oid in oid_multicast.MULTICAST:
        own = read_buffer(given.InformationBuffer, given.InformationBufferLength)
        data = oid_multicast.list_to_send(context, adapter, binding, given, own)
        oid = oids.OID_802_3_MULTICAST_LIST
    elif oid == oids.OID_GEN_RECEIVE_SCALE_PARAMETERS:
        own = read_buffer(given.InformationBuffer, given.InformationBufferLength)
        translated = scaling_requests.for_miniport(context, adapter, own)
        if translated is None:
            return None
        data = translated
    else:
        return None
    down = make_request(context, SET, oid, data)
    down.RequestId, down.RequestHandle = request.RequestId, request.RequestHandle
    down.ndis_origin = request._pointer
    down.ndis_binding = request.ndis_binding
    down.ndis_issued_site, down.ndis_issued = request.ndis_issued_site, request.ndis_issued
    return down


def make_request(context: Context, kind: int, oid: int, content: bytes) -> Any:
    """A request of NDIS's own with a buffer of this content."""
    pointer = keep(context, content, OID_TAG)
    if pointer is None:
        stop(0xC2, 0x00, text="The pool is exhausted; NDIS cannot send an OID request down.")
    request: Any = make_in_pool(context, NDIS_OID_REQUEST)
    header = request.Header
    header.Type, header.Revision = NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1
    header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.RequestType = kind
    information = request.DATA.QUERY_INFORMATION
    information.Oid, information.InformationBuffer = oid, load_block(context, pointer)
    information.InformationBufferLength = len(content)
    return request


def free_request(context: Context, request: Any) -> None:
    """Give such a request back, and its buffer."""
    for block in (request.DATA.QUERY_INFORMATION.InformationBuffer, request):
        free_block(context, block)


def originator(context: Context, request: Any, status: NDIS_STATUS) -> Any:
    """The request of the protocol behind a merged one; the merged one is given back."""
    if not request.ndis_origin:
        return request
    origin = decode(context, request.ndis_origin)
    below, above = request.DATA.SET_INFORMATION, origin.DATA.SET_INFORMATION
    if status == NDIS_STATUS_SUCCESS:
        above.BytesRead = above.InformationBufferLength
    above.BytesNeeded = below.BytesNeeded
    free_request(context, request)
    return origin


def note(context: Context, adapter: Any, request: Any) -> None:
    """Remember a set that succeeded: filter, lookahead and multicast list of the binding."""
    if request.RequestType != SET or request.PortNumber:
        return
    binding = context.machine.objects[HandleKind.BINDING].find(request.ndis_binding, HandleKind.BINDING)
    given = request.DATA.SET_INFORMATION
    data = read_buffer(given.InformationBuffer, given.InformationBufferLength)
    if given.Oid in scaling_requests.SCALING:
        scaling_requests.note(context, adapter, given.Oid, data)
    elif given.Oid in LAST_SET:
        remember(context, adapter, given.Oid, data)
    if binding is None or given.Oid not in NOTED:
        return
    if given.Oid == oids.OID_GEN_CURRENT_PACKET_FILTER:
        binding.packet_filter = struct.unpack("<I", data[:4])[0]
        tell_packet_filter(context, binding.head.parent, adapter, union_of_filters(context, adapter))
    elif given.Oid == oids.OID_GEN_CURRENT_LOOKAHEAD:
        binding.lookahead = struct.unpack("<I", data[:4])[0]
    else:
        oid_multicast.note(binding, given, data)
    publish_change(context, adapter)


def note_accepted(context: Context, handle: int, adapter: Any, request: Any) -> None:
    """Remember what the miniport itself has accepted: a reset may make it forget.

    The checked build stops for what it should not have accepted.
    """
    if request.RequestType != SET:
        return
    given = request.DATA.SET_INFORMATION
    if given.Oid in scaling_requests.SCALING and context.machine.checked:
        data = read_buffer(given.InformationBuffer, given.InformationBufferLength)
        scaling_requests.check_accepted(context, handle, adapter, request, data)
    if given.Oid == oids.OID_GEN_CURRENT_PACKET_FILTER:
        adapter.accepted_filter = struct.unpack("<I", read_buffer(given.InformationBuffer, 4))[0]
        adapter.accepted |= ACCEPTED_FILTER
    elif given.Oid == oids.OID_802_3_MULTICAST_LIST:
        data = read_buffer(given.InformationBuffer, given.InformationBufferLength)
        adapter.accepted_multicast = data[:MULTICAST_BYTES].ljust(MULTICAST_BYTES, b"\0")
        adapter.accepted_multicast_count = min(len(data), MULTICAST_BYTES) // 6
        adapter.accepted |= ACCEPTED_MULTICAST


MULTICAST_BYTES = 192
ACCEPTED_FILTER, ACCEPTED_MULTICAST = 1, 2
"""What has been accepted at all."""
NOTED = (oids.OID_GEN_CURRENT_PACKET_FILTER, oids.OID_GEN_CURRENT_LOOKAHEAD, *oid_multicast.MULTICAST)


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


def _set_answered(context: Context, adapter: Any, binding: Any, given: Any) -> NDIS_STATUS | None:
    given.BytesRead = 0
    if given.Oid in (oids.OID_GEN_CURRENT_PACKET_FILTER, oids.OID_GEN_CURRENT_LOOKAHEAD):
        if given.InformationBufferLength < 4:
            given.BytesNeeded = 4
            return NDIS_STATUS_INVALID_LENGTH
        value = struct.unpack("<I", read_buffer(given.InformationBuffer, 4))[0]
        if given.Oid == oids.OID_GEN_CURRENT_LOOKAHEAD and value > adapter.lookahead:
            return NDIS_STATUS_INVALID_DATA
    elif given.Oid in oid_multicast.MULTICAST:
        data = read_buffer(given.InformationBuffer, given.InformationBufferLength)
        return oid_multicast.answered(context, adapter, binding, given, data)
    return None


def _supported(context: Context, adapter: Any) -> bytes:
    """SupportedOidList without statistics, which protocols are not told of."""
    listed = remembered(context, adapter, oids.OID_GEN_SUPPORTED_LIST) or b""
    told = [oid for (oid,) in struct.iter_unpack("<I", listed) if oid & CLASS_OF_OID != STATISTICS_OIDS]
    return struct.pack(f"<{len(told)}I", *told)


CLASS_OF_OID, STATISTICS_OIDS = 0x00FF_0000, 0x0002_0000


def union_of_filters(context: Context, adapter: Any, without: Any = None) -> int:
    """The packet filters of all bindings together, but of one."""
    union = 0
    for other in oid_multicast.bindings_on(context, adapter):
        if other is not without:
            union |= other.packet_filter
    return union


def filter_below(wanted: int) -> bytes:
    """A packet filter as the miniport gets it: what is sent is NDIS's to loop back, and it hears nothing of that."""
    return u32(wanted & ~_LOCAL)


def largest_lookahead(context: Context, adapter: Any, without: Any = None) -> int:
    """The largest lookahead of all bindings but one: who has not set one wants the adapter's."""
    bindings = oid_multicast.bindings_on(context, adapter)
    asked: list[int] = [each.lookahead or adapter.lookahead for each in bindings if each is not without]
    return max(asked, default=0) or int(adapter.lookahead)


def _driver_version(context: Context, adapter: Any) -> int:
    driver = miniport_of(context, adapter)
    return driver.major_version << 8 | driver.minor_version if driver is not None else 0x600
