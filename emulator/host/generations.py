"""A driver loaded while the machine runs: the stacks pause, every context leaves, a new generation is born with it.

Law: each step waits for an answer, and the whole of it has a deadline, after which the machine stops.  What the console
asks for meanwhile is done afterwards.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from emulator.host import messages
from emulator.host.phases import Phase
from emulator.host.specification import DriverSpecification
from emulator.kernel.lanes import Answer
from emulator.layout.machine import RETIRING_ALL
from emulator.rules.control import ControlOperation
from emulator.sync.descriptors import ChannelClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.ports import Port
    from emulator.host.supervisor import Supervisor

NEVER: Final = 1 << 62
LONGEST_NS: Final = 60_000_000_000
NDIS_STATUS_FAILURE: Final = 0xC0000001


class Change:
    """One driver on its way into a machine."""

    def __init__(self, machine: Supervisor, name: str, done: Callable[[Answer], None]) -> None:
        self.machine = machine
        self.answer = Answer(0)
        self._done = done
        self._left = 0
        self._image = 0
        self._paused: list[Port] = []
        path = name if name.endswith(".py") or os.sep in name else ""
        # What it registers it says itself; the kind is for a machine's beginning.
        self._driver = DriverSpecification(kind="protocol", module="" if path else name, path=path)

    def begin(self) -> None:
        """Pause every stack that runs."""
        machine = self.machine
        if not machine.specification.debug:
            machine.deadline = time.monotonic_ns() + LONGEST_NS
        self._each(machine.ports, ControlOperation.PAUSE, self._pause_answered, self._retire)

    def _each(
        self,
        ports: list[Port],
        operation: ControlOperation,
        note: Callable[[Port, Answer], None],
        then: Callable[[], None],
    ) -> None:
        """Carry out an operation on each adapter, and go on when all of them have been."""
        self._left = len(ports)

        def answered(port: Port, status: Answer) -> None:
            note(port, status)
            self._left -= 1
            if not self._left:
                then()

        for port in ports:
            self.machine.lane.submit(operation, port.number, 0, partial(answered, port))
        if not ports:
            then()

    def _pause_answered(self, port: Port, status: Answer) -> None:
        if not status:
            self._paused.append(port)

    def _retire(self) -> None:
        """Let every context leave; the zygote hears first what to do then."""
        machine = self.machine
        try:
            machine.channel.try_send(messages.LoadDriver(self._driver))
        except ChannelClosed:
            return  # the machine is about to stop
        machine.phase, machine.all_born = Phase.CHANGING, False
        machine.arena.machine.shutting_down = RETIRING_ALL
        for slot in range(2, machine.geometry.slots):
            machine.ring(slot)

    def loaded(self, image: int, refusal: str) -> None:
        """The zygote has loaded the driver, or it was refused; a new generation is being born in either case."""
        self._image = image
        if refusal:
            self.answer = Answer(NDIS_STATUS_FAILURE)
            self.answer.data = refusal.encode()

    def born(self) -> None:
        """The new generation lives: attach and bind, then go on as before."""
        self.machine.phase = Phase.RUNNING
        if self._image:
            self.machine.lane.submit(ControlOperation.ADMIT_DRIVER, 0, self._image, lambda status: self._restart())
        else:
            self._restart()

    def _restart(self) -> None:
        self._each(self._paused, ControlOperation.RESTART, lambda port, status: None, self._end)

    def _end(self) -> None:
        machine = self.machine
        machine.change, machine.deadline = None, NEVER
        self._done(self.answer)
        if machine.ends_next:
            machine.end()
        else:
            machine.begin_what_waits()
