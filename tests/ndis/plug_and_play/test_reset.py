"""MiniportCheckForHangEx by the clock, and MiniportResetEx: who wants it, who hears of it, what NDIS sets again."""

from __future__ import annotations

from typing import Any

import emulator.ndis as surface
from emulator.ndis.headers import oids
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_HARD_ERRORS,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_NOT_RESETTABLE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESET_END,
    NDIS_STATUS_RESET_START,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import pnp, pnp_reset
from emulator.ndis.plug_and_play.pnp_reset import ResetResult
from emulator.rules.states import AdapterState
from tests.bad_drivers.computer import Computer

SUCCESS = ResetResult(NDIS_STATUS_SUCCESS, False)
PENDING = ResetResult(NDIS_STATUS_PENDING, False)


class Watched:
    """A machine with the small drivers, of which the test hears what happens to them."""

    def __init__(self, result: ResetResult = SUCCESS, protocol: str = "base_protocol", **hooks: Any) -> None:
        self.result = result
        self.seen: list[Any] = []
        self.hangs = False
        miniport = {
            "OnCheckForHang": self.check_for_hang,
            "OnReset": self.reset,
            "OnOid": self.oid,
            **hooks,
        }
        plant = {"base_miniport": miniport, protocol: {"OnStatus": self.status}}
        self.computer = Computer("base_miniport", protocol, plant=plant)
        self.computer.load()
        assert self.computer.control(pnp.start_adapter, 0) == 0
        self.computer.settle()
        self.seen.clear()

    def check_for_hang(self, adapter: Any) -> bool:
        del adapter
        self.seen.append("check")
        return self.hangs

    def reset(self, adapter: Any) -> ResetResult:
        del adapter
        self.hangs = False
        self.seen.append(("reset", surface.KeGetCurrentIrql()))
        return self.result

    def oid(self, adapter: Any, request: Any) -> NDIS_STATUS:
        del adapter
        given = request.DATA.SET_INFORMATION
        if request.RequestType == 1:
            self.seen.append((given.Oid, bytes(given.InformationBuffer.view[: given.InformationBufferLength])))
        return NDIS_STATUS_SUCCESS

    def status(self, binding: Any, indication: Any) -> None:
        del binding
        self.seen.append(indication.StatusCode)

    @property
    def adapter(self) -> Any:
        found = pnp.find_adapter(self.computer.fake.pnp(), 0)
        assert found is not None
        return found[1]

    def as_miniport(self, act: Any, *arguments: Any) -> None:
        """Call a function of NDIS's as the miniport, in a processor."""
        handle = pnp.find_adapter(self.computer.fake.pnp(), 0)
        assert handle is not None
        with self.computer.fake.dispatch(driver=self.adapter.head.driver):
            act(surface.AdapterHandle(handle[0]), *arguments)


START, END, RESET = NDIS_STATUS_RESET_START, NDIS_STATUS_RESET_END, ("reset", 2)


def test_check_for_hang_comes_every_two_seconds() -> None:
    machine = Watched()
    machine.computer.run_for(9)
    assert 4 <= machine.seen.count("check") <= 5
    assert set(machine.seen) == {"check"}


def test_the_interval_is_a_multiple_of_two_seconds() -> None:
    machine = Watched()
    for asked, seconds in ((0, 2), (1, 2), (2, 2), (3, 4), (5, 6)):
        machine.adapter.hang_interval = asked
        assert pnp_reset.interval(machine.adapter) == seconds * 1_000_000_000


def test_a_miniport_that_hangs_is_reset_and_the_protocols_hear_of_it() -> None:
    machine = Watched()
    machine.hangs = True
    machine.computer.run_for(3)
    assert machine.seen == ["check", START, RESET, END]
    assert machine.adapter.state == AdapterState.RUNNING


def test_a_pending_reset_ends_when_the_miniport_says_so() -> None:
    machine = Watched(PENDING)
    machine.as_miniport(surface.NdisMResetMiniport)
    machine.computer.settle()
    assert machine.seen == [START, RESET]
    machine.as_miniport(surface.NdisMResetComplete, NDIS_STATUS_SUCCESS, False)
    machine.computer.settle()
    assert machine.seen == [START, RESET, END]
    assert pnp_reset.settled(machine.adapter)


def test_with_addressing_reset_ndis_sets_the_packet_filter_again() -> None:
    machine = Watched(ResetResult(NDIS_STATUS_SUCCESS, True))
    machine.as_miniport(surface.NdisMResetMiniport)
    machine.computer.settle()
    filter_ = (oids.OID_GEN_CURRENT_PACKET_FILTER, b"\1\0\0\0")
    assert machine.seen == [START, RESET, filter_, END]


def test_a_failed_reset_restores_nothing_and_is_logged() -> None:
    machine = Watched(ResetResult(NDIS_STATUS_HARD_ERRORS, True))
    machine.as_miniport(surface.NdisMResetMiniport)
    machine.computer.settle()
    assert machine.seen == [START, RESET, END]
    assert any("HARD_ERRORS" in text for text in machine.computer.logs)


def test_one_reset_is_wanted_however_often_it_is_asked_for() -> None:
    machine = Watched()
    for _ in range(3):
        machine.as_miniport(surface.NdisMResetMiniport)
    machine.computer.settle()
    assert machine.seen == [START, RESET, END]


def test_an_oid_that_is_pending_over_two_checks_leads_to_a_reset() -> None:
    kept: list[Any] = []

    def oid(adapter: Any, request: Any) -> NDIS_STATUS:
        del adapter
        if request.DATA.SET_INFORMATION.Oid != oids.OID_PM_REMOVE_WOL_PATTERN:
            return NDIS_STATUS_SUCCESS
        kept.append(request)
        return NDIS_STATUS_PENDING

    def reset(adapter: Any) -> ResetResult:
        machine.seen.append(("reset", len(kept)))
        surface.NdisMOidRequestComplete(adapter.Handle, kept.pop(), NDIS_STATUS_SUCCESS)
        return SUCCESS

    machine = Watched(protocol="asks_after_restart", OnOid=oid, OnReset=reset)
    machine.computer.run_for(6)
    assert machine.seen[:5] == ["check", "check", START, ("reset", 1), END]
    assert not kept


def test_a_pause_and_a_reset_may_end_in_either_order() -> None:
    for reset_first in (True, False):
        done: list[str] = []

        def timer(adapter: Any, first: bool = reset_first, done: list[str] = done) -> None:
            # A millisecond after the pause: complete both.
            if adapter.Ticks.value < 2 or done:
                return
            for what in ("reset", "pause") if first else ("pause", "reset"):
                if what == "reset":
                    surface.NdisMResetComplete(adapter.Handle, NDIS_STATUS_SUCCESS, False)
                else:
                    surface.NdisMPauseComplete(adapter.Handle)
                done.append(what)

        def pause(adapter: Any) -> NDIS_STATUS:
            surface.NdisSetTimerObject(adapter.Timer, -10_000, 0, None)
            return NDIS_STATUS_PENDING

        machine = Watched(PENDING, OnTimer=timer, OnPause=pause)
        machine.as_miniport(surface.NdisMResetMiniport)
        machine.computer.settle()
        assert machine.computer.control(pnp.pause, 0) == 0
        assert done == (["reset", "pause"] if reset_first else ["pause", "reset"])
        machine.computer.settle()
        assert machine.seen == [START, RESET, END]
        assert machine.adapter.state == AdapterState.PAUSED


def test_a_wish_of_the_host_is_refused_where_there_is_nothing_to_reset() -> None:
    machine = Watched()
    assert machine.computer.control(pnp.reset, 7) != 0
    machine.adapter.state = AdapterState.INITIALIZING
    assert machine.computer.control(pnp.reset, 0) == NDIS_STATUS_INVALID_STATE
    machine.adapter.state = AdapterState.RUNNING
    registered = machine.computer.fake.machine.objects
    driver = next(entry for table in registered.values() for _, entry in table.live() if hasattr(entry, "handlers"))
    driver.handlers[11] = 0
    assert machine.computer.control(pnp.reset, 0) == NDIS_STATUS_NOT_RESETTABLE


def test_a_reset_that_is_wanted_too_early_waits_and_keeps_nobody_busy() -> None:
    machine = Watched()
    adapter, context = machine.adapter, machine.computer.fake.pnp()
    for field, unfit, fit in (("state", AdapterState.INITIALIZING, AdapterState.RUNNING), ("power_state", 4, 1)):
        setattr(adapter, field, unfit)
        machine.as_miniport(surface.NdisMResetMiniport)
        assert adapter.reset_state == pnp_reset.WANTED
        assert not pnp_reset.pending(context)
        machine.computer.settle()
        assert machine.seen == []
        setattr(adapter, field, fit)
        assert pnp_reset.pending(context)
        machine.computer.settle()
        assert machine.seen == [START, RESET, END]
        machine.seen.clear()
