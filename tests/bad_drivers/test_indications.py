"""Status indications to one driver alone, what NDIS remembers of them, and buffers that are too short."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.control_path import remembered
from emulator.ndis.headers import status
from emulator.ndis.headers.oids import OID_TCP_OFFLOAD_CURRENT_CONFIG, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES
from emulator.ndis.headers.status import NDIS_STATUS_MEDIA_SPECIFIC_INDICATION, NDIS_STATUS_SUCCESS
from emulator.ndis.headers.structures import (
    NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
    NDIS_OBJECT_HEADER,
    NDIS_STATUS_INDICATION,
)
from emulator.ndis.plug_and_play import pnp
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer


class Telling(Computer):
    """A stack with a filter and a protocol that note each status, and a miniport that notes who asks it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.asking: list[Any] = []
        super().__init__(
            "base_miniport",
            "base_protocol",
            filters=["base_filter"],
            plant={
                "base_miniport": {"OnOid": self._asked},
                "base_filter": {"OnStatus": self._filter},
                "base_protocol": {"OnStatus": self._protocol},
            },
        )
        self.load()
        assert self.control(pnp.start_adapter, 0) == NDIS_STATUS_SUCCESS
        self.settle()
        self.told.clear()

    def _asked(self, adapter: Any, request: Any) -> int:
        self.asking.append(request.RequestHandle)
        return NDIS_STATUS_SUCCESS

    def _filter(self, module: Any, indication: Any) -> None:
        self.told.append("filter")
        surface.NdisFIndicateStatus(module.Handle, indication)

    def _protocol(self, binding: Any, indication: Any) -> None:
        self.told.append("protocol")

    def live(self, kind: HandleKind) -> Any:
        """The handle of the one object of this kind."""
        return self.fake.machine.objects[kind].live()[0][0]

    def indicate(self, destination: Any = None, by_filter: bool = False, **members: Any) -> list[str]:
        """Who was told."""
        self.told.clear()
        given = NDIS_STATUS_INDICATION(
            Header=NDIS_OBJECT_HEADER(0x98, 1, 112),
            **{"StatusCode": NDIS_STATUS_MEDIA_SPECIFIC_INDICATION, "DestinationHandle": destination, **members},
        )
        with self.fake.running(self.fake.pnp()):
            if by_filter:
                surface.NdisFIndicateStatus(self.live(HandleKind.FILTER_MODULE), given)
            else:
                surface.NdisMIndicateStatusEx(self.live(HandleKind.ADAPTER), given)
        return self.told


def test_a_status_is_told_to_the_driver_that_it_names_alone() -> None:
    machine = Telling()
    assert machine.indicate() == ["filter", "protocol"]
    binding, module = machine.live(HandleKind.BINDING), machine.live(HandleKind.FILTER_MODULE)
    assert machine.indicate(binding) == ["protocol"]
    assert machine.indicate(binding, by_filter=True) == ["protocol"]
    # The filter passes on what it was told, with the DestinationHandle of itself: not above it.
    with pytest.raises(BugCheck) as stopped:
        machine.indicate(module)
    assert "not above the filter module" in stopped.value.report.text  # type: ignore[attr-defined]


def test_who_asks_is_who_a_later_status_names() -> None:
    machine = Telling()
    assert machine.asking
    assert set(machine.asking) <= {machine.live(HandleKind.BINDING)}


def test_a_status_for_a_binding_that_is_no_more_is_for_nobody() -> None:
    machine = Telling()
    assert machine.indicate(machine.live(HandleKind.BINDING) + (1 << 32)) == []


@pytest.mark.parametrize("kind", [HandleKind.ADAPTER, HandleKind.FILTER_DRIVER])
def test_a_status_for_what_is_above_nothing_stops(kind: HandleKind) -> None:
    machine = Telling()
    with pytest.raises(BugCheck) as stopped:
        machine.indicate(machine.live(kind))
    assert (stopped.value.code, stopped.value.report.parameters[0]) == (0x7C, 0x20)  # type: ignore[attr-defined]


def test_the_configuration_of_offloads_is_what_was_told_last() -> None:
    machine = Telling()
    context = machine.fake.pnp()
    adapter = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0][1]
    for told in (b"\xa7\x01\x10\x00first", b"\xa7\x01\x10\x00and then another"):
        code = status.NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG
        machine.indicate(StatusCode=code, StatusBuffer=told + b"beyond", StatusBufferSize=len(told))
        with machine.fake.running(context):
            assert remembered.remembered(context, adapter, OID_TCP_OFFLOAD_CURRENT_CONFIG) == told


@pytest.mark.parametrize(
    ("current", "hardware", "status_expected"),
    [
        (b"\xa7\x01now", memoryview(b"\xa7\x01all"), NDIS_STATUS_SUCCESS),
        (None, b"\xa7\x01all", NDIS_STATUS_SUCCESS),
        (b"\xa8\x01now", None, status.NDIS_STATUS_INVALID_PARAMETER),
    ],
)
def test_what_an_adapter_offloads_is_what_ndis_answers(current: Any, hardware: Any, status_expected: int) -> None:
    given = NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(0xA0, 1, 40),
        DefaultOffloadConfiguration=current,
        HardwareOffloadCapabilities=hardware,
    )
    returned: list[int] = []

    def on_initialize(adapter: Any) -> int:
        returned.append(surface.NdisMSetMiniportAttributes(adapter.Handle, given))
        return NDIS_STATUS_SUCCESS

    machine = Computer("base_miniport", "base_protocol", plant={"base_miniport": {"OnInitialize": on_initialize}})
    machine.load()
    machine.control(pnp.start_adapter, 0)
    assert returned == [status_expected]
    adapter = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0][1]
    with machine.fake.running(machine.fake.pnp()) as context:
        known = [
            remembered.remembered(context, adapter, oid)
            for oid in (OID_TCP_OFFLOAD_CURRENT_CONFIG, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES)
        ]
    wanted = [current, hardware] if status_expected == NDIS_STATUS_SUCCESS else [None, None]
    assert known == [None if each is None else bytes(each) for each in wanted]


@pytest.mark.parametrize(
    ("code", "oid"),
    [
        (status.NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, OID_TCP_OFFLOAD_CURRENT_CONFIG),
        (status.NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES),
    ],
)
def test_what_a_miniport_indicates_of_offloads_is_what_ndis_answers(code: int, oid: int) -> None:
    machine = Telling()
    offload = bytes([0xA7, 1, 112, 0]).ljust(112, b"\7")
    assert machine.indicate(StatusCode=code, StatusBuffer=offload, StatusBufferSize=112) == ["filter", "protocol"]
    adapter = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0][1]
    with machine.fake.running(machine.fake.pnp()) as context:
        assert remembered.remembered(context, adapter, oid) == offload


@pytest.mark.parametrize(
    ("code", "least"),
    [
        (status.NDIS_STATUS_LINK_STATE, 40),
        (status.NDIS_STATUS_NETWORK_CHANGE, 4),
        (status.NDIS_STATUS_PACKET_FILTER, 4),
        (status.NDIS_STATUS_OPER_STATUS, 12),
        (status.NDIS_STATUS_PORT_STATE, 48),
        (status.NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES, 4),
    ],
)
def test_a_buffer_that_is_too_short_stops(code: int, least: int) -> None:
    machine = Telling()
    assert machine.indicate(StatusCode=code, StatusBuffer=bytes(least), StatusBufferSize=least)
    with pytest.raises(BugCheck) as stopped:
        machine.indicate(StatusCode=code, StatusBuffer=bytes(least), StatusBufferSize=least - 1)
    assert f"the buffer of {status.status_name(code)} is no" in stopped.value.report.text  # type: ignore[attr-defined]
