"""Interrupts as a miniport registers them: lines and messages, their DPCs on chosen processors, and who must wait."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.kernel.waits import ASLEEP
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.handles import HandleKind
from emulator.ndis.adapter_hardware import interrupts
from emulator.ndis.adapter_hardware.hardware import hardware_of
from emulator.ndis.adapter_hardware.interrupt_service import compile_lines
from emulator.ndis.headers.constants import NDIS_INDICATE_ALL_NBLS
from emulator.ndis.headers.enumerations import NDIS_CONNECT_LINE_BASED, NDIS_CONNECT_MESSAGE_BASED
from emulator.ndis.headers.status import (
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import pnp
from emulator.rules.errors import BugCheck, EmulatorError
from emulator.rules.irql import DIRQL, PASSIVE_LEVEL
from tests.drivers.rig import MAC, PEER, Rig
from tests.fake_platform import fresh_module
from vnic.device import VNIC_INTERRUPT_ALL, VNIC_REGISTER_INTERRUPT_MASK, VnicWriteRegister

if TYPE_CHECKING:
    import types

DRIVER = Path(__file__).parents[2] / "scenarios" / "drivers" / "interrupt_messages.py"
RECEIVE, TRANSMIT, LINK, LINE = 0, 1, 2, 15


class Machine(Rig):
    """A started machine with the miniport of interrupt_messages."""

    def __init__(
        self, messages: int, *, knows_messages: bool = True, sync_with_all: bool = False, **numbers: Any
    ) -> None:
        def netvmini() -> types.ModuleType:
            self.driver = fresh_module("netvmini", DRIVER)
            vars(self.driver).update(MESSAGES=knows_messages, SYNC_WITH_ALL=sync_with_all)
            return self.driver

        super().__init__(netvmini, messages=messages, **numbers)
        self.start()
        self.state = self.driver.State

    def send(self, command: int = 0, argument: int = 0) -> tuple[int, int, int]:
        """Send a frame; what its answer says: the message, the DPC's processor, how many lists it was allowed."""
        (answer,) = self.receive(frame(command, argument))
        return answer[16], answer[17], answer[18]

    def configure(self, operation: int, entry: int, message: int = 0, *, irql: int = 0) -> int:
        """NdisMConfigMSIXTableEntry, at a level."""
        with self.fake.running(self.pnp, driver=1):
            before = self.pnp.irql
            self.pnp.irql = irql
            status: int = self.driver.Configure(operation, entry, message)
            self.pnp.irql = before
        return status

    def call(self, name: str, *arguments: Any) -> Any:
        """A function of the DDI, called by the miniport at PASSIVE_LEVEL."""
        with self.fake.running(self.pnp, driver=1):
            return getattr(surface, name)(*arguments)


def frame(command: int = 0, argument: int = 0) -> bytes:
    return (MAC + PEER + b"\x88\xb5" + bytes((command, argument))).ljust(60, b"\0")


def counts(array: Any) -> dict[int, int]:
    return {number: value for number, value in enumerate(array) if value}


def test_messages_are_granted_each_with_a_processor() -> None:
    machine = Machine(5, processors=2)
    state = machine.state
    assert (state.Offered, state.Granted, state.Type) == (5, 5, NDIS_CONNECT_MESSAGE_BASED)
    assert list(state.Affinity)[:5] == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("messages", [1, 2, 3, 4])
def test_frames_come_by_the_message_of_their_cause(messages: int) -> None:
    machine = Machine(messages, processors=2)
    assert machine.send() == (RECEIVE, 0, 255)
    state = machine.state
    assert state.Isr[RECEIVE] >= 1
    assert state.IsrProcessor[RECEIVE] == 0
    last = min(messages, 3) - 1
    assert counts(state.Isr).keys() <= {RECEIVE, min(TRANSMIT, last), last}
    machine.nic.vnic.set_link(False)
    before = state.Isr[last]
    machine.settle()
    assert state.Isr[last] == before + 1
    assert state.DpcProcessor[last] == last % 2
    machine.stop()


@pytest.mark.parametrize(("messages", "knows"), [(0, True), (4, False)], ids=["machine has none", "driver knows none"])
def test_a_line_where_no_messages_can_be_granted(messages: int, knows: bool) -> None:
    machine = Machine(messages, knows_messages=knows, processors=2)
    assert (machine.state.Granted, machine.state.Type) == (0, NDIS_CONNECT_LINE_BASED)
    assert machine.send() == (LINE, 0, 255)
    assert set(counts(machine.state.Isr)) == {LINE}
    machine.stop()


@pytest.mark.parametrize(
    "numbers", [{"interrupts": 3}, {"processors": 2, "driver_locks": 4}], ids=["interrupts", "locks"]
)
def test_a_line_where_there_is_no_room_for_all_messages(numbers: dict[str, Any]) -> None:
    machine = Machine(4, **numbers)
    assert (machine.state.Offered, machine.state.Granted) == (4, 0)
    assert machine.fake.machine.objects[HandleKind.INTERRUPT].in_use == 1
    assert sum(map(bool, machine.fake.arena.lock_used)) == 2 + (machine.fake.geometry.processors > 1)
    assert machine.send() == (LINE, 0, 255)


@pytest.mark.parametrize("changes", [False, True])
def test_a_message_is_served_in_the_same_round_unless_the_epoch_changes_in_another_ones_dpc(changes: bool) -> None:
    machine = Machine(3)
    processor, isr = machine.processors[0], machine.state.Isr

    def dpc(adapter: Any, message: int, *arguments: Any) -> None:
        if changes:
            compile_lines(processor)

    routines = processor.routines
    routines[next(place for place, each in enumerate(routines) if each and each.__name__ == "MessageDpc")] = dpc
    compile_lines(processor)
    machine.nic.waiting.append(frame())
    machine.nic.pump()
    machine.nic.vnic.set_link(False)
    before = isr[RECEIVE], isr[LINK]
    assert machine.fake.round()
    assert (isr[RECEIVE], isr[LINK]) == (before[0] + 1, before[1] + (not changes))
    assert machine.fake.round() == changes
    assert (isr[RECEIVE], isr[LINK]) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("messages", [0, 3])
def test_target_processors_of_the_isr_get_the_dpc_whatever_else_it_says(messages: int) -> None:
    machine = Machine(messages, processors=3)
    machine.state.Targets = 1 << 2
    machine.state.Recognized = 0
    number = RECEIVE if messages else LINE
    assert machine.send() == (number, 2, 255)
    assert machine.state.IsrProcessor[number] == 0


def test_a_dpc_is_queued_to_the_processors_of_a_mask_once() -> None:
    machine = Machine(3, processors=3)
    group, handle = surface.GROUP_AFFINITY, machine.state.Interrupt
    assert machine.call("NdisMQueueDpcEx", handle, TRANSMIT, group(0b1101), machine.state) == 0b101
    assert machine.call("NdisMQueueDpcEx", handle, TRANSMIT, group(0b111), machine.state) == 0b010
    assert machine.call("NdisMQueueDpcEx", handle, LINK, group(0b100), machine.state) == 0b100
    assert machine.call("NdisMQueueDpcEx", handle, LINK, group(0b100, 1), machine.state) == 0
    assert machine.call("NdisMQueueDpc", handle, LINK, 0b110, machine.state) == 0b010
    assert machine.call("NdisMQueueDpc", handle, LINK, 0, machine.state) == 0
    before = counts(machine.state.Dpc)
    machine.settle()
    ran = {number: count - before.get(number, 0) for number, count in counts(machine.state.Dpc).items()}
    assert ran == {TRANSMIT: 3, LINK: 2}
    assert machine.call("NdisMQueueDpcEx", handle, TRANSMIT, group(1), machine.state) == 1


def test_a_dpc_on_another_processor_with_a_context_of_the_drivers() -> None:
    machine = Machine(3, processors=3)
    assert machine.send(1, 2) == (RECEIVE, 2, 255)
    assert machine.send(1, 1) == (RECEIVE, 1, 255)
    assert machine.send() == (RECEIVE, 0, 255)


def test_an_entry_is_masked_unmasked_and_mapped_to_another_processor() -> None:
    machine = Machine(3, processors=3)
    configure = machine.configure
    assert configure(surface.NdisMSIXTableConfigMaskTableEntry, RECEIVE, irql=DIRQL) == NDIS_STATUS_SUCCESS
    assert machine.receive(frame()) == []
    machine.fake.arena.sleeping[machine.processors[0].slot] = 1
    machine.fake.platform.rings.clear()
    assert configure(surface.NdisMSIXTableConfigUnmaskTableEntry, RECEIVE, irql=DIRQL) == NDIS_STATUS_SUCCESS
    assert machine.fake.platform.rings == [machine.processors[0].slot]
    machine.settle()
    assert [answer[16] for answer in machine.nic.sent] == [RECEIVE]
    assert configure(surface.NdisMSIXTableConfigSetTableEntry, RECEIVE, LINK) == NDIS_STATUS_SUCCESS
    assert machine.receive(frame())[-1][16:18] == bytes((LINK, 2))


def test_what_cannot_be_configured() -> None:
    machine = Machine(2)
    configure = machine.configure
    assert configure(surface.NdisMSIXTableConfigSetTableEntry, 3) == NDIS_STATUS_INVALID_PARAMETER
    assert configure(surface.NdisMSIXTableConfigSetTableEntry, RECEIVE, 2) == NDIS_STATUS_INVALID_PARAMETER
    assert configure(3, RECEIVE) == NDIS_STATUS_INVALID_PARAMETER
    assert configure(surface.NdisMSIXTableConfigSetTableEntry, RECEIVE, -1) == NDIS_STATUS_INVALID_PARAMETER
    assert machine.send() == (RECEIVE, 0, 255)
    line = Machine(0)
    assert line.configure(surface.NdisMSIXTableConfigMaskTableEntry, RECEIVE) == NDIS_STATUS_NOT_SUPPORTED


def test_an_entry_is_not_mapped_above_dispatch_level() -> None:
    machine = Machine(2)
    with pytest.raises(BugCheck):
        machine.configure(surface.NdisMSIXTableConfigSetTableEntry, RECEIVE, 1, irql=DIRQL)
    report = machine.fake.stop_report()
    assert (report.code, report.parameters[:2]) == (0xC4, (0xE5, DIRQL))


@pytest.mark.parametrize("name", ["NdisMQueueDpc", "NdisMQueueDpcEx", "NdisMSynchronizeWithInterruptEx"])
def test_a_message_that_was_not_granted(name: str) -> None:
    machine = Machine(2)
    with pytest.raises(BugCheck):
        machine.call(name, machine.state.Interrupt, 2, surface.GROUP_AFFINITY(1), machine.state)
    report = machine.fake.stop_report()
    assert (report.code, report.parameters[:1]) == (0xC4, (0xE5,))
    assert "granted this interrupt 2 messages" in report.text


def test_the_object_of_a_message_is_no_interrupt_handle() -> None:
    machine = Machine(2)
    (other,) = (
        handle for handle, record in machine.fake.machine.objects[HandleKind.INTERRUPT].live() if record.message
    )
    with pytest.raises(BugCheck):
        machine.call("NdisMQueueDpc", other, 0, 1, None)
    assert machine.fake.stop_report().parameters[0] == 0x21


@pytest.mark.parametrize(("limit", "told"), [(0, NDIS_INDICATE_ALL_NBLS), (2, 2)])
def test_the_dpc_is_told_how_much_it_may_indicate_and_called_again_for_the_rest(limit: int, told: int) -> None:
    machine = Machine(3, receive_throttle=limit)
    before = machine.state.Dpc[RECEIVE]
    answers = machine.receive(*[frame()] * 6)
    assert [answer[18] for answer in answers] == [min(told, 255)] * 6
    assert machine.state.Dpc[RECEIVE] - before == (4 if limit else 1)


def test_interrupts_are_switched_off_and_on_again_for_every_message() -> None:
    machine = Machine(3)
    assert machine.control(lambda context, number: interrupts.switch_interrupts(context, number, 0)) == 0
    assert counts(machine.state.Disabled) == {RECEIVE: 1, TRANSMIT: 1, LINK: 1}
    assert machine.receive(frame()) == []
    assert machine.control(lambda context, number: interrupts.switch_interrupts(context, number, 1)) == 0
    machine.settle()
    assert len(machine.nic.sent) == 1
    line = Machine(0)
    status = line.control(lambda context, number: interrupts.switch_interrupts(context, number, 0))
    assert status == NDIS_STATUS_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("processors", "messages", "together", "locks"),
    [(1, 3, False, 0), (2, 3, False, 3), (2, 3, True, 1), (2, 0, False, 1)],
)
def test_only_several_processors_need_the_lock_of_an_isr(
    processors: int, messages: int, together: bool, locks: int
) -> None:
    machine = Machine(messages, sync_with_all=together, processors=processors)
    records = [record for _, record in machine.fake.machine.objects[HandleKind.INTERRUPT].live()]
    assert len({record.lock for record in records} - {0}) == locks
    assert machine.send()[1] == 0
    driver_locks = sum(map(bool, machine.fake.arena.lock_used))
    machine.stop()
    assert driver_locks - sum(map(bool, machine.fake.arena.lock_used)) == locks + 2


def test_a_synchronized_function_runs_at_dirql_under_the_lock_of_its_message() -> None:
    machine = Machine(3, processors=2)
    seen: list[tuple[int, list[int]]] = []
    record = machine.fake.machine.objects[HandleKind.INTERRUPT].find(machine.state.Interrupt, HandleKind.INTERRUPT)
    platform = machine.fake.platform

    def look(lock: int) -> bool:
        taken = type(platform).try_acquire(platform, lock)
        if lock == record.lock:
            seen.append((machine.pnp.irql, sorted(platform.owners)))
        return taken

    platform.try_acquire = look  # type: ignore[method-assign]
    result = machine.call(
        "NdisMSynchronizeWithInterruptEx", machine.state.Interrupt, RECEIVE, machine.driver.Synchronized, machine.state
    )
    assert result is True
    assert seen[0][0] == DIRQL
    assert record.lock not in platform.owners
    assert machine.state.Shared >= 1


def test_our_fault_leaves_a_synchronized_function_without_its_lock_and_its_level() -> None:
    machine = Machine(3, processors=2)
    number = machine.driver.Synchronized.__ndis_routine__

    def fail(count: Any) -> None:
        raise EmulatorError("planted")

    machine.pnp.routines[number] = fail
    held = set(machine.fake.platform.owners)
    with pytest.raises(EmulatorError, match="planted"):
        machine.call(
            "NdisMSynchronizeWithInterruptEx",
            machine.state.Interrupt,
            RECEIVE,
            machine.driver.Synchronized,
            machine.state,
        )
    assert set(machine.fake.platform.owners) == held
    assert machine.pnp.irql == PASSIVE_LEVEL


def test_everything_goes_back_when_the_adapter_is_halted() -> None:
    machine = Machine(4, processors=2)
    machine.stop()
    assert machine.fake.machine.objects[HandleKind.INTERRUPT].in_use == 0
    assert not any(machine.fake.arena.lock_used)
    assert not machine.nic.vnic.sends(0)
    assert machine.control(pnp.start_adapter) == 0


@pytest.mark.parametrize("messages", [0, 3])
@pytest.mark.parametrize("processors", [1, 2])
def test_who_opens_the_mask_wakes_the_processor_that_sleeps_unless_he_is_it(messages: int, processors: int) -> None:
    machine = Machine(messages, processors=processors)
    processor, platform = machine.processors[0], machine.fake.platform
    machine.nic.vnic.set_link(False)
    for context in (processor, machine.pnp):
        fences: list[int] = []
        with machine.fake.running(context):
            nic = hardware_of(context, 0)
            nic.fence = partial(fences.append, 1)
            VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
            machine.fake.arena.sleeping[:] = bytes([ASLEEP]) * len(machine.fake.arena.sleeping)
            platform.rings.clear()
            VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
        of_link = FIRST_PROCESSOR_SLOT + (min(messages, 3) - 1 if messages else 0) % processors
        assert platform.rings == ([of_link] if of_link != context.slot else [])
        assert bool(fences) is (context is not processor or processors > 1), "alone it looks before it sleeps"
