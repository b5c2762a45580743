"""OID requests through a filter module: its lane, its own requests, and cancelling."""

from __future__ import annotations

from typing import Any

from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.headers.oids import OID_GEN_MAXIMUM_FRAME_SIZE, OID_GEN_RCV_OK
from emulator.ndis.headers.status import NDIS_STATUS_PENDING, NDIS_STATUS_REQUEST_ABORTED, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.handlers import FILTER_HANDLERS, MINIPORT_HANDLERS, PROTOCOL_HANDLERS
from tests.ndis import filtered_stack
from tests.ndis.filtered_stack import FIRST_FILTER, FilteredStack
from tests.ndis.small_stack import MINIPORT, PROTO, PROTOCOL

QUERY = """

    def query(handle, oid, request_id):
        request = NDIS_OID_REQUEST(RequestType=0)
        request.Header.Type, request.Header.Revision, request.Header.Size = 0x96, 1, 236
        request.RequestId = request_id
        given = request.DATA.QUERY_INFORMATION
        given.Oid, given.InformationBufferLength = oid, 8
        given.InformationBuffer = NdisAllocateMemoryWithTagPriority(None, 8, b"Test", 0)
        return request

    @callback
    def OidComplete(context, request, status):
        answered.append((request, status))

    answered = []
"""
MINI_OID = """

    asked = []

    @callback
    def MPOidRequest(context, request):
        asked.append(request)
        request.DATA.QUERY_INFORMATION.BytesWritten = 8
        return NDIS_STATUS_SUCCESS
"""
FILTER_OID = """
    requests = []
    cancels = []

    @callback
    def Oid(context, request):
        requests.append(request)
        return NDIS_STATUS_PENDING

    @callback
    def CancelOid(context, request_id):
        cancels.append(request_id)
"""


class OidStack(FilteredStack):
    """A protocol over a filter that leaves requests pending, if it is to see them, over a miniport that answers."""

    def __init__(self, monkeypatch: Any, *, sees: bool = True) -> None:
        monkeypatch.setattr(filtered_stack, "FILTER", filtered_stack.FILTER + QUERY + FILTER_OID)
        super().__init__([()], miniport=MINIPORT + MINI_OID, protocol=PROTOCOL + QUERY, builtin_types=BUILT_IN_TYPES)
        objects = self.fake.machine.objects
        for table in {id(table): table for table in objects.values()}.values():
            for _, record in table.live():
                if table.name == "drivers":
                    self._handlers(record, sees)

    def _handlers(self, record: Any, sees: bool) -> None:
        module = [None, self.mini, self.proto, self.filters[0]][record.head.driver]
        every: dict[int, dict[str, tuple[tuple[str, ...], str]]] = {
            1: {"MPOidRequest": (MINIPORT_HANDLERS, "OidRequestHandler")},
            2: {"OidComplete": (PROTOCOL_HANDLERS, "OidRequestCompleteHandler")},
            FIRST_FILTER: {
                "Oid": (FILTER_HANDLERS, "OidRequestHandler"),
                "OidComplete": (FILTER_HANDLERS, "OidRequestCompleteHandler"),
                "CancelOid": (FILTER_HANDLERS, "CancelOidRequestHandler"),
            },
        }
        for name, (places, handler) in every[record.head.driver].items():
            if sees or name not in ("Oid", "CancelOid"):
                record.handlers[places.index(handler)] = getattr(module, name).__ndis_routine__

    def ask(self, request_id: int, oid: int = OID_GEN_RCV_OK) -> tuple[Any, int]:
        """A query of the protocol, and what NdisOidRequest returned."""
        request = self.call(PROTO, self.proto.query, self.binding, oid, request_id)
        return request, self.call(PROTO, self.proto.NdisOidRequest, self.binding, request)


def test_a_module_has_one_request_in_hand_and_a_cancel_takes_what_waits(monkeypatch: Any) -> None:
    stack = OidStack(monkeypatch)
    proto, module = stack.proto, stack.filters[0]
    first, status = stack.ask(1)
    second, queued = stack.ask(2)
    third, _ = stack.ask(3)
    assert (status, queued) == (NDIS_STATUS_PENDING, NDIS_STATUS_PENDING)
    assert module.requests == [first]
    stack.call(PROTO, proto.NdisCancelOidRequest, stack.binding, 2)
    assert proto.answered == [(second, NDIS_STATUS_REQUEST_ABORTED)]
    stack.call(PROTO, proto.NdisCancelOidRequest, stack.binding, 1)
    assert module.cancels == [1]
    stack.call(FIRST_FILTER, module.NdisFOidRequestComplete, stack.modules[0], first, NDIS_STATUS_REQUEST_ABORTED)
    assert proto.answered[1:] == [(first, NDIS_STATUS_REQUEST_ABORTED)]
    from emulator.ndis.control_path.oid_lanes import queued as waits
    from emulator.ndis.control_path.oid_lanes import serve_queued

    context = stack.fake.context(stack.fake.processor().kind)
    assert waits(context)
    assert serve_queued(context)
    assert module.requests == [first, third]
    stack.call(FIRST_FILTER, module.NdisFOidRequestComplete, stack.modules[0], third, NDIS_STATUS_SUCCESS)
    assert proto.answered[2:] == [(third, NDIS_STATUS_SUCCESS)]
    assert stack.mini.asked == []


def test_a_filter_without_the_handler_is_bypassed(monkeypatch: Any) -> None:
    stack = OidStack(monkeypatch, sees=False)
    request, status = stack.ask(1)
    assert status == NDIS_STATUS_SUCCESS
    assert stack.mini.asked == [request]
    assert stack.filters[0].requests == []


def test_a_filter_asks_by_itself_and_a_clone_has_what_it_was_made_of(monkeypatch: Any) -> None:
    stack = OidStack(monkeypatch)
    module, handle = stack.filters[0], stack.modules[0]
    own = stack.call(FIRST_FILTER, module.query, handle, OID_GEN_RCV_OK, 7)
    made, clone = stack.call(FIRST_FILTER, module.NdisAllocateCloneOidRequest, handle, own, b"Clon")
    assert made == NDIS_STATUS_SUCCESS
    assert (clone.RequestId, clone.DATA.QUERY_INFORMATION.Oid, clone.Header.Type) == (7, OID_GEN_RCV_OK, 0x96)
    assert clone.DATA.QUERY_INFORMATION.InformationBuffer is own.DATA.QUERY_INFORMATION.InformationBuffer
    assert stack.call(FIRST_FILTER, module.NdisFOidRequest, handle, clone) == NDIS_STATUS_SUCCESS
    assert stack.mini.asked == [clone]
    assert clone.DATA.QUERY_INFORMATION.BytesWritten == 8
    stack.call(FIRST_FILTER, module.NdisFreeCloneOidRequest, handle, clone)
    known = stack.call(FIRST_FILTER, module.query, handle, OID_GEN_MAXIMUM_FRAME_SIZE, 0)
    stack.adapter_record.mtu = 1500
    assert stack.call(FIRST_FILTER, module.NdisFOidRequest, handle, known) == NDIS_STATUS_SUCCESS
    assert known.DATA.QUERY_INFORMATION.InformationBuffer[0:4] == (1500).to_bytes(4, "little")
    assert len(stack.mini.asked) == 1
