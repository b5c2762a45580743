"""NdisSetOptionalHandlers and NdisFRestartFilter: handlers that change in a paused stack, devices that are added."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.data_path import filter_views
from emulator.ndis.headers.status import (
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures import (
    NDIS_FILTER_PARTIAL_CHARACTERISTICS,
    NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
    NDIS_MINIPORT_PNP_CHARACTERISTICS,
    NDIS_OBJECT_HEADER,
)
from emulator.ndis.plug_and_play import pnp, pnp_wishes
from emulator.rules.errors import NotImplementedByEmulator
from tests.bad_drivers.computer import Computer

PARTIAL = NDIS_OBJECT_HEADER(0x8C, 1, 48)


class Filtered(Computer):
    """A filter that gives `choice` to NdisSetOptionalHandlers inside FilterSetModuleOptions, and counts frames."""

    def __init__(self) -> None:
        self.choice: Any = None
        self.statuses: list[int] = []
        self.options = 0
        self.seen: list[str] = []
        super().__init__(
            "base_miniport",
            "base_protocol",
            filters=["base_filter"],
            plant={"base_filter": {"OnSetModuleOptions": self._set, "OnSend": self._send, "OnReceive": self._receive}},
        )
        self.load()
        assert self.control(pnp.start_adapter, 0) == NDIS_STATUS_SUCCESS
        self.settle()

    def _set(self, module: Any) -> int:
        self.options += 1
        if self.choice is not None:
            self.statuses.append(surface.NdisSetOptionalHandlers(module.Handle, self.choice))
        return NDIS_STATUS_SUCCESS

    def _send(self, module: Any, nbl: Any, flags: int) -> None:
        self.seen.append("send")
        surface.NdisFSendNetBufferLists(module.Handle, nbl, 0, flags)

    def _receive(self, module: Any, nbl: Any, count: int, flags: int) -> None:
        self.seen.append("receive")
        surface.NdisFIndicateReceiveNetBufferLists(module.Handle, nbl, 0, count, flags)

    def ask(self) -> int:
        """NdisFRestartFilter from a DPC."""
        with self.fake.dispatch():
            status: int = surface.NdisFRestartFilter(self.module)
        return status

    @property
    def module(self) -> Any:
        """The filter module's handle."""
        return self.fake.machine.objects[HandleKind.FILTER_MODULE].live()[0][0]

    def wish(self) -> bool:
        """What the PnP thread does when it is woken."""
        return bool(self.control(lambda context: int(pnp_wishes.serve(context))))

    def end(self) -> None:
        """Stop and unload."""
        self.control(pnp.stop_adapter, 0)
        self.settle()
        self.control(pnp.unload)
        assert self.left() == []


def test_a_filter_takes_itself_out_of_the_data_path_and_back() -> None:
    machine = Filtered()
    assert machine.seen
    context = machine.fake.processor()
    view = context.datapath
    before = len(machine.seen)
    machine.choice = NDIS_FILTER_PARTIAL_CHARACTERISTICS(Header=PARTIAL)
    assert machine.ask() == NDIS_STATUS_SUCCESS
    assert machine.wish()
    machine.settle()
    assert machine.statuses == [NDIS_STATUS_SUCCESS]
    assert len(machine.seen) == before
    # It costs nothing: the binding's sends go to the miniport's stack, the miniport's receives to the binding.
    stack = next(each for each in view.views.values() if hasattr(each, "bindings"))
    assert stack.bindings[0].stack is stack
    assert stack.receiver is stack.bindings[0]
    assert stack.only is stack.bindings[0]
    assert stack.taker is stack.completer is None
    assert isinstance(next(iter(view.modules.values())), filter_views.Module)
    machine.choice = None
    assert not machine.wish()
    machine.end()


def test_new_handlers_stay_until_they_are_changed() -> None:
    machine = Filtered()
    machine.choice = NDIS_FILTER_PARTIAL_CHARACTERISTICS(Header=PARTIAL)
    machine.control(pnp.pause, 0)
    machine.control(pnp.restart, 0)
    machine.choice, machine.seen = None, []
    machine.control(pnp.pause, 0)
    machine.control(pnp.restart, 0)
    machine.settle()
    assert machine.options == 3
    assert machine.seen == []
    machine.end()


def test_a_paused_stack_is_not_restarted() -> None:
    machine = Filtered()
    machine.control(pnp.pause, 0)
    options = machine.options
    assert machine.ask() == NDIS_STATUS_SUCCESS
    assert machine.wish()
    assert machine.options == options
    machine.control(pnp.restart, 0)
    assert machine.options == options + 1
    machine.end()


def test_the_handlers_of_a_module_are_set_inside_its_handler_alone() -> None:
    machine = Filtered()
    with machine.fake.running(machine.fake.pnp()):
        given = NDIS_FILTER_PARTIAL_CHARACTERISTICS(Header=PARTIAL)
        assert surface.NdisSetOptionalHandlers(machine.module, given) == NDIS_STATUS_FAILURE
    machine.choice = NDIS_FILTER_PARTIAL_CHARACTERISTICS(Header=NDIS_OBJECT_HEADER(0x8B, 1, 48))
    machine.ask()
    machine.wish()
    assert machine.statuses == [NDIS_STATUS_BAD_CHARACTERISTICS]
    machine.end()


def test_the_modules_of_a_stack_are_told_with_what_they_bypass() -> None:
    machine = Filtered()
    objects = machine.fake.machine.objects
    found = surface.NDIS_ENUM_FILTERS()
    with machine.fake.running(machine.fake.pnp()):
        for kind in (HandleKind.ADAPTER, HandleKind.BINDING, HandleKind.FILTER_MODULE):
            handle: Any = objects[kind].live()[0][0]
            assert surface.NdisEnumerateFilterModules(handle, found, 200) == (NDIS_STATUS_SUCCESS, 80, 80)
            assert (found.NumberOfFilters, found.OffsetFirstFilter) == (1, 16)
            told = found.Filter[0]
            assert (told.Flags, told.FilterType, told.FilterRunType) == (2, 2, 2)
            assert told.NetLuid >> 48 == 6
            assert told.IfIndex
            assert told.FilterInstanceName
        wrong: Any = objects[HandleKind.FILTER_DRIVER].live()[0][0]
        assert surface.NdisEnumerateFilterModules(wrong, found, 200) == (NDIS_STATUS_INVALID_PARAMETER, 0, 0)
        for length, written in ((15, 0), (79, 16)):
            answer = surface.NdisEnumerateFilterModules(machine.module, found, length)
            assert answer == (NDIS_STATUS_BUFFER_TOO_SHORT, 80, written)
        assert found.Filter == []
    machine.choice = NDIS_FILTER_PARTIAL_CHARACTERISTICS(Header=PARTIAL)
    machine.control(pnp.pause, 0)
    machine.control(pnp.restart, 0)
    drivers = objects[HandleKind.FILTER_DRIVER].live()
    with machine.fake.running(machine.fake.pnp()):
        for minor, revision, flags in ((20, 1, 2), (30, 2, 2 | 4 | 8)):
            for _, driver in drivers:
                driver.minor_version = minor
            surface.NdisEnumerateFilterModules(machine.module, found, 80)
            assert (found.Filter[0].Header.Revision, found.Filter[0].Flags) == (revision, flags)
    machine.end()


def test_handlers_of_another_kind_are_refused_by_name() -> None:
    machine = Filtered()
    with machine.fake.running(machine.fake.pnp()), pytest.raises(NotImplementedByEmulator, match="HEADER"):
        surface.NdisSetOptionalHandlers(machine.module, NDIS_OBJECT_HEADER())


class Added(Computer):
    """A miniport with MiniportAddDevice and MiniportRemoveDevice."""

    def __init__(self, status: int = NDIS_STATUS_SUCCESS, initialize: int = NDIS_STATUS_SUCCESS) -> None:
        self.calls: list[str] = []
        self.status, self.initialize = status, initialize
        self.statuses: list[int] = []
        hooks = {
            "OnSetOptions": self._set_options,
            "OnAddDevice": self._add,
            "OnRemoveDevice": self._remove,
            "OnInitialize": self._initialize,
            "OnHalt": self._halt,
        }
        super().__init__("base_miniport", "base_protocol", plant={"base_miniport": hooks})

    def _module(self, name: str) -> Any:
        module = super()._module(name)
        if name.endswith("base_miniport"):
            self.driver = module
        return module

    def _set_options(self, handle: Any) -> int:
        status: int = surface.NdisSetOptionalHandlers(handle, self.driver.PnpCharacteristics())
        return status

    def _add(self, handle: Any) -> int:
        self.calls.append("add")
        if self.status == NDIS_STATUS_SUCCESS:
            self.memory = surface.NdisAllocateMemoryWithTagPriority(handle, 64, b"Adde", 0)
            for size in (1, 20):
                given = NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES(
                    Header=NDIS_OBJECT_HEADER(0xA4, 1, size), MiniportAddDeviceContext=self.memory
                )
                self.statuses.append(surface.NdisMSetMiniportAttributes(handle, given))
        return self.status

    def _initialize(self, adapter: Any) -> int:
        self.calls.append("initialize")
        return self.initialize

    def _halt(self, adapter: Any) -> None:
        self.calls.append("halt")

    def _remove(self, context: Any) -> None:
        self.calls.append("remove")
        assert context is self.memory
        surface.NdisFreeMemory(context, 0, 0)


def test_a_device_is_added_before_and_removed_after_the_adapter() -> None:
    machine = Added()
    assert machine.life() == NDIS_STATUS_SUCCESS
    assert machine.calls == ["add", "initialize", "halt", "remove"]
    assert machine.statuses == [NDIS_STATUS_INVALID_PARAMETER, NDIS_STATUS_SUCCESS]
    assert machine.left() == []


def test_a_device_that_cannot_be_added_is_not_initialized() -> None:
    machine = Added(NDIS_STATUS_RESOURCES)
    assert machine.life() == NDIS_STATUS_RESOURCES
    assert machine.calls == ["add"]
    assert any("MiniportAddDevice returned" in text for text in machine.logs)


def test_a_device_whose_adapter_fails_is_removed() -> None:
    machine = Added(initialize=NDIS_STATUS_RESOURCES)
    assert machine.life() == NDIS_STATUS_RESOURCES
    assert machine.calls == ["add", "initialize", "remove"]
    assert machine.left() == []


def test_the_pnp_handlers_are_set_inside_set_options_alone() -> None:
    machine = Added()
    machine.load()
    handle: Any = machine.fake.machine.objects[HandleKind.MINIPORT_DRIVER].live()[0][0]
    with machine.fake.running(machine.fake.pnp()):
        given = NDIS_MINIPORT_PNP_CHARACTERISTICS(Header=NDIS_OBJECT_HEADER(0x92, 1, 40))
        assert surface.NdisSetOptionalHandlers(handle, given) == NDIS_STATUS_FAILURE
