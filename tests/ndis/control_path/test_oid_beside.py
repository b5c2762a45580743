"""Direct and synchronous OID requests on a stack of two filters: who is called, in which order, with what."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.control_path import oid_lanes
from emulator.ndis.control_path.oid_table import DIRECT, SYNCHRONOUS
from emulator.ndis.headers.oids import (
    OID_GEN_RCV_OK,
    OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
    OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA,
)
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_ALREADY_COMPLETE,
    NDIS_STATUS_INVALID_DATA,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.handlers import FILTER_HANDLERS, MINIPORT_HANDLERS, PROTOCOL_HANDLERS
from emulator.rules.states import AdapterState
from tests.ndis import filtered_stack
from tests.ndis.filtered_stack import FIRST_FILTER, FilteredStack
from tests.ndis.small_stack import MINI, MINIPORT, PROTO, PROTOCOL

ASK = """

    def ask(oid, request_id):
        request = NDIS_OID_REQUEST(RequestType=12)
        request.Header.Type, request.Header.Revision, request.Header.Size = 0x96, 1, 236
        request.RequestId = request_id
        request.DATA.METHOD_INFORMATION.Oid = oid
        return request

    @callback
    def DirectComplete(context, request, status):
        answered.append((request, status))

    answered = []
"""
MINI_OIDS = """
    asked = []
    cancels = []
    direct_status = 0x103

    @callback
    def Direct(context, request):
        asked.append(request)
        return direct_status

    @callback
    def CancelDirect(context, request_id):
        cancels.append(request_id)

    synchronous_status = 0

    @callback
    def Synchronous(context, request):
        calls.append("miniport")
        return synchronous_status

    calls = []
"""
FILTER_OIDS = """
    @callback
    def Direct(context, request):
        status, clone = NdisAllocateCloneOidRequest(handle, request, b"Clon")
        clone.SourceReserved[0] = request
        status = NdisFDirectOidRequest(handle, clone)
        if status != 0x103:
            NdisFreeCloneOidRequest(handle, clone)
        return status

    @callback
    def DirectComplete(context, clone, status):
        request = clone.SourceReserved[0]
        NdisFreeCloneOidRequest(handle, clone)
        NdisFDirectOidRequestComplete(handle, request, status)

    @callback
    def CancelDirect(context, request_id):
        NdisFCancelDirectOidRequest(handle, request_id)

    issue_status = 0
    complete_status = None
    calls = []

    @callback
    def Synchronous(context, request):
        calls.append(("down", context))
        return issue_status, 0x77

    @callback
    def SynchronousComplete(context, request, status, call_context):
        calls.append(("up", context, status, call_context))
        return status if complete_status is None else complete_status
"""
Places = dict[str, tuple[tuple[str, ...], str]]
HANDLERS: Places = {
    "Direct": (MINIPORT_HANDLERS, "DirectOidRequestHandler"),
    "CancelDirect": (MINIPORT_HANDLERS, "CancelDirectOidRequestHandler"),
    "Synchronous": (MINIPORT_HANDLERS, "SynchronousOidRequestHandler"),
}
OF_FILTERS = {
    "Direct": "DirectOidRequestHandler",
    "DirectComplete": "DirectOidRequestCompleteHandler",
    "CancelDirect": "CancelDirectOidRequestHandler",
    "Synchronous": "SynchronousOidRequestHandler",
    "SynchronousComplete": "SynchronousOidRequestCompleteHandler",
}
DIRECT_OID, SYNCHRONOUS_OID = OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA, OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES


class BesideStack(FilteredStack):
    """A protocol over two filters over a miniport, all with the handlers of the requests beside the regular path."""

    def __init__(self, monkeypatch: Any, *, filters: int = 2) -> None:
        monkeypatch.setattr(filtered_stack, "FILTER", filtered_stack.FILTER + ASK + FILTER_OIDS)
        super().__init__(
            [()] * filters, miniport=MINIPORT + MINI_OIDS, protocol=PROTOCOL + ASK, builtin_types=BUILT_IN_TYPES
        )
        objects = self.fake.machine.objects
        for _, driver in objects[HandleKind.MINIPORT_DRIVER].live():
            number = driver.head.driver
            if number == MINI:
                self._give(driver, self.mini, HANDLERS)
            elif number == PROTO:
                self._give(driver, self.proto, {"DirectComplete": (PROTOCOL_HANDLERS, OF_FILTERS["DirectComplete"])})
            else:
                places: Places = {name: (FILTER_HANDLERS, handler) for name, handler in OF_FILTERS.items()}
                self._give(driver, self.filters[number - FIRST_FILTER], places)

    @staticmethod
    def _give(driver: Any, module: Any, places: Places) -> None:
        for name, (order, handler) in places.items():
            driver.handlers[order.index(handler)] = getattr(module, name).__ndis_routine__

    def ask(self, name: str, oid: int, request_id: int = 0) -> tuple[Any, int]:
        """A request of the protocol, at DISPATCH_LEVEL, and what the function returned."""
        request = self.call(PROTO, self.proto.ask, oid, request_id)
        with self.fake.dispatch(driver=PROTO):
            return request, getattr(self.proto, name)(self.binding, request)

    def idle(self) -> bool:
        """Does no lane have a request?"""
        return all(oid_lanes.idle(lane) for lane in [self.adapter_record, *self.module_records])


def test_direct_requests_go_down_side_by_side_and_come_back_in_any_order(monkeypatch: Any) -> None:
    stack = BesideStack(monkeypatch)
    first, one = stack.ask("NdisDirectOidRequest", DIRECT_OID, 1)
    second, two = stack.ask("NdisDirectOidRequest", DIRECT_OID, 2)
    third, _ = stack.ask("NdisDirectOidRequest", DIRECT_OID, 3)
    assert (one, two) == (NDIS_STATUS_PENDING, NDIS_STATUS_PENDING)
    assert [request.RequestId for request in stack.mini.asked] == [1, 2, 3]
    assert not stack.idle()
    assert len(oid_lanes.outstanding(stack.fake.processor(), stack.adapter_record)) == 3
    for place in (1, 0, 2):
        stack.call(
            MINI,
            stack.mini.NdisMDirectOidRequestComplete,
            stack.adapter,
            stack.mini.asked[place],
            NDIS_STATUS_SUCCESS,
        )
    assert stack.proto.answered == [(each, NDIS_STATUS_SUCCESS) for each in (second, first, third)]
    assert stack.idle()


def test_a_direct_request_that_does_not_pend(monkeypatch: Any) -> None:
    stack = BesideStack(monkeypatch)
    stack.mini.direct_status = NDIS_STATUS_INVALID_DATA
    _, status = stack.ask("NdisDirectOidRequest", DIRECT_OID)
    assert status == NDIS_STATUS_INVALID_DATA
    assert stack.proto.answered == []
    assert stack.idle()


def test_a_cancelled_direct_request(monkeypatch: Any) -> None:
    stack = BesideStack(monkeypatch)
    request, _ = stack.ask("NdisDirectOidRequest", DIRECT_OID, 5)
    stack.call(PROTO, stack.proto.NdisCancelDirectOidRequest, stack.binding, 6)
    assert stack.mini.cancels == []
    stack.call(PROTO, stack.proto.NdisCancelDirectOidRequest, stack.binding, 5)
    assert stack.mini.cancels == [5]
    complete = stack.mini.NdisMDirectOidRequestComplete
    stack.call(MINI, complete, stack.adapter, stack.mini.asked[0], NDIS_STATUS_REQUEST_ABORTED)
    assert stack.proto.answered == [(request, NDIS_STATUS_REQUEST_ABORTED)]


def test_a_filter_originates_a_direct_request(monkeypatch: Any) -> None:
    stack = BesideStack(monkeypatch)
    top, handle = stack.filters[1], stack.modules[1]
    stack.mini.direct_status = NDIS_STATUS_SUCCESS
    own = stack.call(FIRST_FILTER + 1, top.ask, DIRECT_OID, 1)
    assert stack.call(FIRST_FILTER + 1, top.NdisFDirectOidRequest, handle, own) == NDIS_STATUS_SUCCESS
    assert len(stack.mini.asked) == 1
    assert stack.idle()


@pytest.mark.parametrize("name", ["NdisDirectOidRequest", "NdisSynchronousOidRequest"])
def test_other_oids_take_the_regular_path(monkeypatch: Any, name: str) -> None:
    stack = BesideStack(monkeypatch)
    oids = {OID_GEN_RCV_OK, *(SYNCHRONOUS if name == "NdisDirectOidRequest" else DIRECT)}
    for oid in oids:
        assert stack.ask(name, oid)[1] == NDIS_STATUS_NOT_SUPPORTED
    assert stack.mini.asked == stack.mini.calls == []


@pytest.mark.parametrize(
    ("name", "oid"), [("NdisDirectOidRequest", DIRECT_OID), ("NdisSynchronousOidRequest", SYNCHRONOUS_OID)]
)
def test_what_cannot_be_asked(monkeypatch: Any, name: str, oid: int) -> None:
    stack = BesideStack(monkeypatch, filters=0)
    for _, driver in stack.fake.machine.objects[HandleKind.MINIPORT_DRIVER].live():
        if driver.head.driver == MINI:
            driver.handlers[:] = [0] * len(driver.handlers)
    assert stack.ask(name, oid)[1] == NDIS_STATUS_NOT_SUPPORTED
    stack.adapter_record.state = AdapterState.INITIALIZING
    assert stack.ask(name, oid)[1] == NDIS_STATUS_ADAPTER_NOT_READY


def test_a_synchronous_request_passes_the_filters_and_comes_back_past_them(monkeypatch: Any) -> None:
    stack = BesideStack(monkeypatch)
    bottom, top = stack.filters
    stack.mini.synchronous_status = NDIS_STATUS_INVALID_DATA
    bottom.complete_status = NDIS_STATUS_SUCCESS
    _, status = stack.ask("NdisSynchronousOidRequest", SYNCHRONOUS_OID)
    assert status == NDIS_STATUS_SUCCESS
    assert stack.mini.calls == ["miniport"]
    assert bottom.calls == [("down", 0x500), ("up", 0x500, NDIS_STATUS_INVALID_DATA, 0x77)]
    assert top.calls == [("down", 0x501), ("up", 0x501, NDIS_STATUS_SUCCESS, 0x77)]
    assert stack.idle()


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [(NDIS_STATUS_ALREADY_COMPLETE, NDIS_STATUS_SUCCESS), (NDIS_STATUS_INVALID_DATA, NDIS_STATUS_INVALID_DATA)],
)
def test_a_filter_keeps_a_synchronous_request(monkeypatch: Any, kept: int, wanted: int) -> None:
    stack = BesideStack(monkeypatch)
    bottom, top = stack.filters
    bottom.issue_status = kept
    assert stack.ask("NdisSynchronousOidRequest", SYNCHRONOUS_OID)[1] == wanted
    assert bottom.calls == [("down", 0x500)]
    assert top.calls == [("down", 0x501), ("up", 0x501, wanted, 0x77)]
    assert stack.mini.calls == []


def test_a_filter_originates_a_synchronous_request(monkeypatch: Any) -> None:
    stack = BesideStack(monkeypatch)
    bottom, top = stack.filters
    own = stack.call(FIRST_FILTER + 1, top.ask, SYNCHRONOUS_OID, 1)
    issue = top.NdisFSynchronousOidRequest
    assert stack.call(FIRST_FILTER + 1, issue, stack.modules[1], own) == NDIS_STATUS_SUCCESS
    assert stack.call(FIRST_FILTER + 1, issue, stack.modules[1], own) == NDIS_STATUS_SUCCESS
    assert top.calls == []
    assert len(bottom.calls) == 4
    assert len(stack.mini.calls) == 2
