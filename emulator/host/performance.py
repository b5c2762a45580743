"""One command on a machine: handed to the host, waited for, and what became of it.

Law: it comes to an end whatever happens: the operation's answer, the end of its time or the end of the machine; then
``done`` is called once, and an answer that comes later is dropped.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from emulator.host import messages
from emulator.host.commands import Outcome
from emulator.rules.control import ControlOperation

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.commands import Command, Given
    from emulator.host.console import MachineProxy

LOOK_SECONDS = 5.0
"""How long the host may take to say how a machine is."""


class Performance:
    """One command under way."""

    def __init__(
        self,
        machine: MachineProxy,
        command: Command,
        adapter: int,
        given: Given,
        timeout: float,
        done: Callable[[Outcome], None],
    ) -> None:
        self.outcome = Outcome()
        self._machine = machine
        self._done = done
        self._began = time.monotonic()
        self._timeout = timeout
        self.deadline = self._began + timeout
        self._looking = self.over = False
        operation = command.operation
        self._last = operation == ControlOperation.SHUTDOWN
        if operation is None:
            self._look()
            return
        machine.ask(
            lambda request: messages.Control(machine.number, request, operation, max(adapter, 0), *given),
            self._answered,
        )

    def expire(self) -> None:
        """Its time is up: say who is in the way, or that nobody can say so."""
        if self.over:
            return
        if self._looking:
            self._end()
            return
        self.outcome.late, self.outcome.seconds = True, self._timeout
        self._look()

    def _answered(self, answer: messages.ControlDone | None) -> None:
        if self._looking or self.over:
            return
        if answer is None:
            self._end()
            return
        outcome = self.outcome
        outcome.status, outcome.data, outcome.needed = answer.status, answer.data, answer.needed
        outcome.seconds = time.monotonic() - self._began
        if self._last and not outcome.status:
            self.over = True  # the machine ends, and there is nothing left to look at
            self._done(outcome)
        else:
            self._look()

    def _look(self) -> None:
        self._looking = True
        self.deadline = time.monotonic() + LOOK_SECONDS
        machine = self._machine
        machine.ask(lambda request: messages.AskStatus(machine.number, request), self._seen)

    def _seen(self, status: messages.MachineStatus | None) -> None:
        if not self.over:
            self.outcome.machine = status
            self._end()

    def _end(self) -> None:
        self.over = True
        if self._machine.over:
            self.outcome.ended = self._machine.described_end()
        self._done(self.outcome)
