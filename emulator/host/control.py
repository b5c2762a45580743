"""Control operations from the host to a machine's PnP thread, through the control ring in the arena.

Law: as emulator.kernel.lanes.  What is an act of the hardware is done before, or instead.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from emulator.host import messages
from emulator.host.generations import Change
from emulator.kernel.lanes import Answer, ControlRing, Operation
from emulator.layout.arena import PNP_SLOT
from emulator.layout.machine import ContextKind
from emulator.rules.control import ControlOperation

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.ports import Port
    from emulator.host.supervisor import Supervisor

NDIS_STATUS_ADAPTER_NOT_FOUND: Final = 0xC0010006
NDIS_STATUS_ADAPTER_REMOVED: Final = 0xC0010018
_OF_HARDWARE: Final = (ControlOperation.LINK, ControlOperation.SURPRISE_REMOVE)
_NEED_HARDWARE: Final = (ControlOperation.START_ADAPTER, *_OF_HARDWARE)


class ControlLane(ControlRing):
    """What the host of live processes wants to know of its control ring beside."""

    def submit(
        self, operation: int, target: int, argument: int, done: Callable[[Answer], None], data: bytes = b""
    ) -> None:
        """Hand an operation over, behind those that were handed over before."""
        self.waiting.append(Operation(operation, target, argument, done, data))
        self.hand_over()

    @property
    def slot(self) -> int:
        """The context that is at the oldest operation, as far as that can be believed."""
        slot = next((self.arena.control_entry(place).slot for place in self.handed), PNP_SLOT)
        return slot if slot in self.arena.geometry.lane_slots(ContextKind.PNP) else PNP_SLOT

    def slot_of(self, number: int) -> int:
        """The context that is at the operation of an adapter, as far as that can be believed."""
        for place, operation in self.handed.items():
            slot = self.arena.control_entry(place).slot
            if operation.target == number and slot in self.arena.geometry.lane_slots(ContextKind.PNP):
                return slot
        return PNP_SLOT

    def under_way(self) -> str:
        """The oldest operation that is not done, in words."""
        if not self.handed:
            return ""
        operation = next(iter(self.handed.values()))
        return f"{operation_name(operation.operation)} of adapter {operation.target}"

    def of_adapter(self, number: int) -> tuple[str, int]:
        """What an adapter is at: the operation, and since when it is carried out (0: it waits for its turn)."""
        for place, operation in self.handed.items():
            if operation.target == number:
                return operation_name(operation.operation), self.arena.control_entry(place).started
        return next(((operation_name(each.operation), 0) for each in self.waiting if each.target == number), ("", 0))


def operation_name(number: int) -> str:
    """An operation by its name, or as the number that it is."""
    try:
        return ControlOperation(number).name
    except ValueError:
        return f"operation {number}"


def carry_out(machine: Supervisor, message: messages.Control) -> None:
    """Do what the console asks for, and tell it how it ended."""

    def done(status: int) -> None:
        answer = status if isinstance(status, Answer) else Answer(status)
        machine.host.tell(
            messages.ControlDone(machine.number, message.request, int(answer), answer.data, answer.needed)
        )

    operation, ports = message.operation, machine.ports
    port = ports[message.target] if 0 <= message.target < len(ports) else None
    if port is None and operation in _OF_HARDWARE:
        done(NDIS_STATUS_ADAPTER_NOT_FOUND)
    elif port is not None and port.removed and operation in _NEED_HARDWARE:
        done(NDIS_STATUS_ADAPTER_REMOVED)
    elif operation == ControlOperation.LOAD_DRIVER:
        machine.change = Change(machine, message.data.decode(errors="replace"), done)
        machine.change.begin()
    elif operation == ControlOperation.LINK and port is not None:
        port.link(bool(message.argument))
        done(0)
    elif operation == ControlOperation.SURPRISE_REMOVE and port is not None:
        port.pull(done)
    else:
        ended = partial(_ended, machine, operation, port, done)
        machine.lane.submit(operation, message.target, message.argument, ended, message.data)


def _ended(
    machine: Supervisor, operation: int, port: Port | None, done: Callable[[Answer], None], status: Answer
) -> None:
    """The outside of the adapter hears of it before the console does."""
    if port is not None and status == 0:
        if operation == ControlOperation.START_ADAPTER:
            machine.adapter_started(port, status)
        elif operation == ControlOperation.STOP_ADAPTER:
            port.halted()
    done(status)
    if operation == ControlOperation.SHUTDOWN and status == 0:
        machine.switched_off()


def take_away_failed(machine: Supervisor) -> None:
    """Adapters that have failed for good are halted already; from outside they are torn out."""
    failed = machine.arena.machine.failed
    new, machine.failed = failed & ~machine.failed, failed
    for port in machine.ports:
        if new >> port.number & 1:
            port.fail()


def stop_removed(machine: Supervisor, port: Port, done: Callable[[int], None] | None) -> None:
    """The wire of an adapter is gone: let the PnP thread stop it as one that was removed."""

    def stopped(status: int) -> None:
        machine.adapter_stopped(port, status)
        if done is not None:
            done(status)

    if machine.accepts_operations:
        machine.lane.submit(ControlOperation.SURPRISE_REMOVE, port.number, 0, stopped)
    elif done is not None:
        done(NDIS_STATUS_ADAPTER_REMOVED)
