"""What NDIS answers by itself, row by row of the table of OIDs; what two bindings set together."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.control_path import remembered, scaling_requests, withdrawal
from emulator.ndis.control_path.oid_table import OIDS, By, OidEntry
from emulator.ndis.headers.enumerations import NdisPortControlStateUncontrolled
from emulator.ndis.headers.oids import (
    OID_802_3_ADD_MULTICAST_ADDRESS,
    OID_802_3_DELETE_MULTICAST_ADDRESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_ENUMERATE_PORTS,
    OID_GEN_PORT_STATE,
    OID_GEN_RCV_OK,
    OID_GEN_STATISTICS,
    OID_GEN_SUPPORTED_LIST,
    OID_GEN_VENDOR_ID,
    OID_OFFLOAD_ENCAPSULATION,
)
from emulator.ndis.headers.status import (
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_INVALID_DATA,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_MULTICAST_FULL,
    NDIS_STATUS_MULTICAST_NOT_FOUND,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PACKET_FILTER,
    NDIS_STATUS_PORT_STATE,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_port import NDIS_PORT_ARRAY, NDIS_PORT_STATE
from emulator.ndis.plug_and_play.adapters import REGISTRATION_SET
from emulator.ndis.plug_and_play.handlers import MINIPORT_HANDLERS, PROTOCOL_HANDLERS
from emulator.ndis.plug_and_play.pnp_structures import status_indication
from tests.ndis.plug_and_play.test_ports import activated
from tests.ndis.small_stack import MINI, MINIPORT, PROTO, PROTOCOL, SmallStack

ASK = """

    def request(kind, oid, data):
        request = NDIS_OID_REQUEST(RequestType=kind)
        request.Header.Type, request.Header.Revision, request.Header.Size = 0x96, 1, 236
        given = request.DATA.SET_INFORMATION
        given.Oid, given.InformationBufferLength = oid, len(data)
        given.InformationBuffer = NdisAllocateMemoryWithTagPriority(None, max(len(data), 1), b"Test", 0)
        given.InformationBuffer[0:len(data)] = data
        return request

    told = []

    @callback
    def ProtocolStatusEx(context, indication):
        told.append((indication.StatusCode, indication.StatusBuffer))
"""
ANSWER = """

    asked = []

    @callback
    def MPOidRequest(context, request):
        given = request.DATA.SET_INFORMATION
        data = bytes(given.InformationBuffer[0:given.InformationBufferLength]) if request.RequestType == 1 else b""
        asked.append((request.RequestType, given.Oid, data))
        return status

    status = 0
"""
QUERY, SET = 0, 1
FIRST, SECOND, THIRD = (bytes([1, 0, 0x5E, 0, 0, last]) for last in (1, 2, 3))
TOLD = b"as the miniport told it"


class AskingStack(SmallStack):
    """Two bindings of a protocol over a miniport that notes what reaches it."""

    def __init__(self) -> None:
        super().__init__(bindings=2, miniport=MINIPORT + ANSWER, protocol=PROTOCOL + ASK, builtin_types=BUILT_IN_TYPES)
        for table in set(self.fake.machine.objects.values()):
            for _, record in table.live():
                if table.name == "bindings":
                    record.packet_filter = 0
                if table.name == "drivers" and record.head.driver == PROTO:
                    place = PROTOCOL_HANDLERS.index("StatusHandlerEx")
                    record.handlers[place] = self.proto.ProtocolStatusEx.__ndis_routine__
                if table.name == "drivers" and record.head.driver == MINI:
                    place = MINIPORT_HANDLERS.index("OidRequestHandler")
                    record.handlers[place] = self.mini.MPOidRequest.__ndis_routine__
        self.adapter_record.lookahead, self.adapter_record.mtu = 1500, 1500
        self.adapter_record.maximum_multicast = 3
        self.context = self.fake.pnp()
        with self.fake.running(self.context):
            listed = struct.pack("<3I", OID_GEN_RCV_OK, OID_GEN_STATISTICS, OID_GEN_VENDOR_ID)
            assert remembered.remember(self.context, self.adapter_record, OID_GEN_SUPPORTED_LIST, listed)

    def ask(self, kind: int, oid: int, data: bytes, binding: int = 0) -> tuple[int, Any]:
        """What a request of a binding returned, and its DATA."""
        with self.fake.running(self.context):
            request = self.call(PROTO, self.proto.request, kind, oid, data)
            status = self.call(PROTO, self.proto.NdisOidRequest, self.bindings[binding], request)
        return status, request.DATA.SET_INFORMATION if kind == SET else request.DATA.QUERY_INFORMATION

    def answer(self, oid: int, room: int) -> bytes:
        """The bytes that answer a query."""
        status, data = self.ask(QUERY, oid, bytes(room))
        assert status == NDIS_STATUS_SUCCESS
        return bytes(data.InformationBuffer[0 : data.BytesWritten])

    def last(self) -> bytes:
        """What was last set below."""
        return self.mini.asked[-1][2]  # type: ignore[no-any-return]


def rows(query: By) -> list[Any]:
    return [pytest.param(entry, id=entry.name) for entry in OIDS if entry.query is query]


@pytest.mark.parametrize("entry", rows(By.NDIS))
def test_a_query_that_ndis_answers_never_reaches_the_miniport(entry: OidEntry) -> None:
    stack = AskingStack()
    status, short = stack.ask(QUERY, entry.oid, b"")
    assert stack.mini.asked == []
    if status == NDIS_STATUS_NOT_SUPPORTED:
        # What NDIS knows from the miniport alone: told now, it answers; of scaling it makes the answer itself.
        if entry.oid not in remembered.REMEMBERED or entry.oid in scaling_requests.SCALING:
            return
        with stack.fake.running(stack.context):
            assert remembered.remember(stack.context, stack.adapter_record, entry.oid, TOLD)
        assert stack.answer(entry.oid, 64) == TOLD
    elif entry.oid != OID_802_3_MULTICAST_LIST:  # which is empty
        assert status == NDIS_STATUS_BUFFER_TOO_SHORT
        assert short.BytesWritten == 0
        assert entry.size in (None, short.BytesNeeded)
        assert len(stack.answer(entry.oid, short.BytesNeeded)) == short.BytesNeeded
    assert stack.mini.asked == []


@pytest.mark.parametrize("entry", rows(By.MINIPORT))
def test_a_query_for_the_miniport_reaches_it(entry: OidEntry) -> None:
    stack = AskingStack()
    stack.ask(QUERY, entry.oid, bytes(8))
    assert [(kind, oid) for kind, oid, _ in stack.mini.asked] == [(QUERY, entry.oid)]


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.name) for entry in OIDS if entry.set is By.MINIPORT])
def test_a_set_for_the_miniport_reaches_it(entry: OidEntry) -> None:
    stack = AskingStack()
    data = FIRST if entry.oid == OID_802_3_MULTICAST_LIST else bytes(entry.size or 8)
    if entry.oid in scaling_requests.SCALING:  # of which zeros are none, as the miniport must say
        stack.mini.status = NDIS_STATUS_INVALID_DATA
    assert stack.ask(SET, entry.oid, data)[0] == stack.mini.status
    assert stack.mini.asked == [(SET, entry.oid, data)]


def test_protocols_are_not_told_of_statistics() -> None:
    assert AskingStack().answer(OID_GEN_SUPPORTED_LIST, 64) == struct.pack("<I", OID_GEN_VENDOR_ID)


def test_lookahead_is_the_largest_of_all_bindings_and_not_beyond_the_maximum() -> None:
    stack = AskingStack()
    assert stack.answer(OID_GEN_CURRENT_LOOKAHEAD, 4) == struct.pack("<I", 1500)
    for binding, size in ((0, 128), (1, 256)):
        assert stack.ask(SET, OID_GEN_CURRENT_LOOKAHEAD, struct.pack("<I", size), binding)[0] == NDIS_STATUS_SUCCESS
    assert stack.answer(OID_GEN_CURRENT_LOOKAHEAD, 4) == struct.pack("<I", 256)
    count = len(stack.mini.asked)
    assert stack.ask(SET, OID_GEN_CURRENT_LOOKAHEAD, struct.pack("<I", 1501))[0] == NDIS_STATUS_INVALID_DATA
    assert len(stack.mini.asked) == count


@pytest.mark.parametrize(
    ("oid", "data", "needed"),
    [
        (OID_GEN_CURRENT_PACKET_FILTER, bytes(3), 4),
        (OID_GEN_CURRENT_LOOKAHEAD, bytes(2), 4),
        (OID_802_3_MULTICAST_LIST, bytes(13), 12),
        (OID_802_3_ADD_MULTICAST_ADDRESS, bytes(5), 6),
        (OID_802_3_DELETE_MULTICAST_ADDRESS, bytes(5), 6),
    ],
)
def test_a_set_of_a_wrong_length(oid: int, data: bytes, needed: int) -> None:
    stack = AskingStack()
    status, given = stack.ask(SET, oid, data)
    assert (status, given.BytesNeeded, given.BytesRead) == (NDIS_STATUS_INVALID_LENGTH, needed, 0)
    assert stack.mini.asked == []


def test_the_miniport_gets_the_union_of_the_lists() -> None:
    stack = AskingStack()
    assert stack.ask(SET, OID_802_3_MULTICAST_LIST, FIRST + SECOND + FIRST)[0] == NDIS_STATUS_SUCCESS
    assert stack.last() == FIRST + SECOND
    assert stack.ask(SET, OID_802_3_MULTICAST_LIST, SECOND + THIRD, 1)[0] == NDIS_STATUS_SUCCESS
    assert stack.last() == FIRST + SECOND + THIRD
    assert stack.answer(OID_802_3_MULTICAST_LIST, 64) == FIRST + SECOND + THIRD
    assert stack.ask(SET, OID_802_3_MULTICAST_LIST, b"")[0] == NDIS_STATUS_SUCCESS
    assert stack.last() == SECOND + THIRD
    fourth, fifth = bytes([1, 0, 0x5E, 0, 0, 4]), bytes([1, 0, 0x5E, 0, 0, 5])
    assert stack.ask(SET, OID_802_3_MULTICAST_LIST, fourth + fifth)[0] == NDIS_STATUS_MULTICAST_FULL
    assert stack.ask(SET, OID_802_3_MULTICAST_LIST, bytes(6))[0] == NDIS_STATUS_MULTICAST_FULL
    assert stack.last() == SECOND + THIRD


def test_an_address_is_deleted_as_often_as_it_was_added() -> None:
    stack = AskingStack()
    add, delete = OID_802_3_ADD_MULTICAST_ADDRESS, OID_802_3_DELETE_MULTICAST_ADDRESS
    assert stack.ask(SET, delete, FIRST)[0] == NDIS_STATUS_MULTICAST_NOT_FOUND
    status, given = stack.ask(SET, add, FIRST)
    assert (status, given.BytesRead) == (NDIS_STATUS_SUCCESS, 6)
    assert stack.mini.asked == [(SET, OID_802_3_MULTICAST_LIST, FIRST)]
    assert stack.ask(SET, add, FIRST)[0] == NDIS_STATUS_SUCCESS
    assert stack.ask(SET, delete, FIRST)[0] == NDIS_STATUS_SUCCESS
    assert len(stack.mini.asked) == 1
    assert stack.ask(SET, add, SECOND)[0] == NDIS_STATUS_SUCCESS
    assert stack.last() == FIRST + SECOND
    assert stack.ask(SET, delete, FIRST)[0] == NDIS_STATUS_SUCCESS
    assert stack.last() == SECOND
    assert stack.ask(SET, delete, FIRST)[0] == NDIS_STATUS_MULTICAST_NOT_FOUND
    stack.mini.status = NDIS_STATUS_INVALID_DATA
    assert stack.ask(SET, add, THIRD)[0] == NDIS_STATUS_INVALID_DATA
    assert stack.answer(OID_802_3_MULTICAST_LIST, 64) == SECOND


def test_ndis_remembers_what_was_set_last() -> None:
    stack = AskingStack()
    assert stack.ask(QUERY, OID_OFFLOAD_ENCAPSULATION, bytes(64))[0] == NDIS_STATUS_NOT_SUPPORTED
    stack.mini.status = NDIS_STATUS_INVALID_DATA
    stack.ask(SET, OID_OFFLOAD_ENCAPSULATION, b"refused")
    assert stack.ask(QUERY, OID_OFFLOAD_ENCAPSULATION, bytes(64))[0] == NDIS_STATUS_NOT_SUPPORTED
    stack.mini.status = NDIS_STATUS_SUCCESS
    stack.ask(SET, OID_OFFLOAD_ENCAPSULATION, b"first")
    stack.ask(SET, OID_OFFLOAD_ENCAPSULATION, b"second")
    assert stack.answer(OID_OFFLOAD_ENCAPSULATION, 64) == b"second"


def test_the_packet_filter_is_the_union() -> None:
    stack = AskingStack()
    stack.ask(SET, OID_GEN_CURRENT_PACKET_FILTER, struct.pack("<I", 1))
    stack.ask(SET, OID_GEN_CURRENT_PACKET_FILTER, struct.pack("<I", 8), 1)
    assert stack.last() == struct.pack("<I", 9)
    assert stack.answer(OID_GEN_CURRENT_PACKET_FILTER, 4) == struct.pack("<I", 9)
    stack.ask(SET, OID_GEN_CURRENT_PACKET_FILTER, struct.pack("<I", 0))
    assert stack.last() == struct.pack("<I", 8)


def test_a_request_names_whoever_asks_with_it_now() -> None:
    stack = AskingStack()
    with stack.fake.running(stack.context):
        request = stack.call(PROTO, stack.proto.request, SET, OID_OFFLOAD_ENCAPSULATION, bytes(4))
        for binding in stack.bindings:
            stack.call(PROTO, stack.proto.NdisOidRequest, binding, request)
            assert request.RequestHandle == binding
        # What the driver itself has said stays.
        request.RequestHandle = stack.bindings[0]
        stack.call(PROTO, stack.proto.NdisOidRequest, stack.bindings[1], request)
        assert request.RequestHandle == stack.bindings[0]


def close(stack: AskingStack, binding: int) -> list[tuple[int, bytes]]:
    """What the miniport is asked for because a binding closes."""
    count, record = len(stack.mini.asked), stack.fake.machine.objects[HandleKind.BINDING].live()[binding][1]
    with stack.fake.running(stack.context):
        withdrawal.withdraw(stack.context, stack.adapter_record, record)
    return [(oid, data) for _, oid, data in stack.mini.asked[count:]]


def two_that_ask() -> AskingStack:
    stack = AskingStack()
    for binding, wanted, size, addresses in ((0, 0x29, 256, FIRST + SECOND), (1, 9, 128, SECOND)):
        stack.ask(SET, OID_GEN_CURRENT_PACKET_FILTER, struct.pack("<I", wanted), binding)
        stack.ask(SET, OID_GEN_CURRENT_LOOKAHEAD, struct.pack("<I", size), binding)
        stack.ask(SET, OID_802_3_MULTICAST_LIST, addresses, binding)
    return stack


def test_what_a_binding_has_asked_for_goes_with_it() -> None:
    stack = two_that_ask()
    assert close(stack, 0) == [
        (OID_GEN_CURRENT_PACKET_FILTER, struct.pack("<I", 9)),
        (OID_802_3_MULTICAST_LIST, SECOND),
        (OID_GEN_CURRENT_LOOKAHEAD, struct.pack("<I", 128)),
    ]
    assert stack.adapter_record.packet_filter == 9
    assert close(stack, 1) == [(OID_GEN_CURRENT_PACKET_FILTER, bytes(4)), (OID_802_3_MULTICAST_LIST, b"")]
    assert stack.adapter_record.packet_filter == 0


def test_who_asked_for_no_more_than_the_others_goes_unnoticed() -> None:
    assert close(two_that_ask(), 1) == []


def test_an_adapter_that_is_going_is_asked_for_nothing() -> None:
    stack = two_that_ask()
    stack.adapter_record.going = 1
    assert close(stack, 0) == []


def test_ndis_tells_of_the_ports_that_are_active() -> None:
    stack = AskingStack()
    adapter = stack.adapter_record
    adapter.default_port, adapter.media_connect_state, adapter.transmit_speed = 1, 1, 1_000_000_000
    activated(stack, 3)
    _, allocated = stack.fake.machine.objects[HandleKind.PORT].allocate(  # type: ignore[misc]
        HandleKind.PORT, driver=MINI, parent=stack.adapter, site=0
    )
    allocated.number, allocated.state = 4, 1
    told = NDIS_PORT_ARRAY.from_bytes(stack.answer(OID_GEN_ENUMERATE_PORTS, 256))
    assert (told.NumberOfPorts, told.ElementSize, told.OffsetFirstPort, told.Header.Size) == (2, 64, 16, 80)
    first, second = told.Ports
    assert (first.PortNumber, first.MediaConnectState, first.XmitLinkSpeed) == (0, 1, 1_000_000_000)
    assert first.SendControlState == first.RcvControlState == NdisPortControlStateUncontrolled
    assert (second.PortNumber, second.MediaConnectState) == (3, 0)
    adapter.default_port = 0
    assert [
        port.PortNumber for port in NDIS_PORT_ARRAY.from_bytes(stack.answer(OID_GEN_ENUMERATE_PORTS, 256)).Ports
    ] == [3]
    assert stack.mini.asked == []


def test_the_state_of_a_port_is_what_its_miniport_has_told_last() -> None:
    stack = AskingStack()
    stack.adapter_record.attributes_set = REGISTRATION_SET
    stack.adapter_record.receive_speed = 5
    activated(stack, 3)
    state = NDIS_PORT_STATE(MediaConnectState=2, RcvLinkSpeed=7, SendAuthorizationState=1)
    told = status_indication(stack.adapter, NDIS_STATUS_PORT_STATE)
    told.PortNumber, told.StatusBuffer, told.StatusBufferSize = 3, state, 48
    with stack.fake.running(stack.context):
        stack.call(MINI, stack.mini.NdisMIndicateStatusEx, stack.adapter, told)

    def asked(port: int) -> NDIS_PORT_STATE:
        with stack.fake.running(stack.context):
            request = stack.call(PROTO, stack.proto.request, QUERY, OID_GEN_PORT_STATE, bytes(48))
            request.PortNumber = port
            assert stack.call(PROTO, stack.proto.NdisOidRequest, stack.binding, request) == NDIS_STATUS_SUCCESS
        return NDIS_PORT_STATE.from_bytes(bytes(request.DATA.QUERY_INFORMATION.InformationBuffer[0:48]))

    found = asked(3)
    assert (found.MediaConnectState, found.RcvLinkSpeed, found.SendAuthorizationState) == (2, 7, 1)
    assert (found.Header.Type, found.Header.Size) == (0x9D, 48)
    assert asked(0).RcvLinkSpeed == 5


def test_a_new_union_of_packet_filters_is_told_to_those_above() -> None:
    stack = AskingStack()
    for binding, wanted in ((0, 1), (1, 1), (1, 9), (0, 0)):
        stack.ask(SET, OID_GEN_CURRENT_PACKET_FILTER, struct.pack("<I", wanted), binding)
    # Each of the two bindings hears of each of the two changes.
    assert stack.proto.told == [(NDIS_STATUS_PACKET_FILTER, struct.pack("<I", union)) for union in (1, 1, 9, 9)]
    close(stack, 1)
    assert stack.proto.told[-1] == (NDIS_STATUS_PACKET_FILTER, bytes(4))
