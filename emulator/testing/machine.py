"""A machine of a laboratory: its adapters, its counters, and a stop that becomes the test's failure.

Law: whatever is asked of a machine that has stopped raises UnexpectedStop, whose text is the stop screen.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from emulator.host.commands import command_of, in_words
from emulator.host.console import MachineStop
from emulator.layout.control import CONTROL_DATA_BYTES
from emulator.ndis.headers.status import NDIS_STATUS, status_name

__tracebackhide__ = True  # a failure is shown where the test asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emulator.host.commands import Outcome
    from emulator.host.console import MachineProxy
    from emulator.host.messages import MachineStatus, Statistics
    from emulator.host.stopscreen import MachineReport
    from emulator.testing.device import Device
    from emulator.testing.nic import Nic

DEADLINE = 20.0
"""Seconds that a test waits for what must come: it costs nothing when it comes, and a busy computer keeps within it."""


def text_of_oid(oid: int | str) -> str:
    """An OID as a word of a command."""
    return hex(oid) if isinstance(oid, int) else oid


def text_of_value(value: int | bytes) -> str:
    """A value as a word of a command: a number has four bytes."""
    return f"hex:{(value.to_bytes(4, 'little') if isinstance(value, int) else value).hex()}"


class UnexpectedStop(AssertionError):
    """A machine stopped, and the test had not said that it would."""

    def __init__(self, machine: LabMachine) -> None:
        super().__init__(machine.described_end())
        self.machine = machine


class ControlFailed(AssertionError):
    """A command failed, or did not come to its end in time: the text says who is in the way."""

    def __init__(self, text: str, outcome: Outcome) -> None:
        super().__init__(text)
        self.outcome = outcome


class LabMachine:
    """One machine."""

    def __init__(self, proxy: MachineProxy) -> None:
        self.proxy = proxy
        self.name = proxy.name
        self.nics: list[Nic] = []
        self.expected = False
        """Its stop was expected, and came."""

    @property
    def running(self) -> bool:
        """Has it neither stopped nor ended, as far as is known?"""
        return self.proxy.state in ("starting", "running")

    @property
    def report(self) -> MachineReport | None:
        """The report of its stop; None while there is none."""
        return self.proxy.report()

    @property
    def screen(self) -> str:
        """Its stop screen; empty while there is none."""
        return self.proxy.screen

    def described_end(self) -> str:
        """How it ended, for people."""
        if self.screen:
            return f"machine {self.name} stopped:\n\n{self.screen}"
        return f"machine {self.name} has ended (it is {self.proxy.state})"

    def start(self) -> None:
        """Wait until every adapter has answered its start."""
        with self.watched():
            self.proxy.wait_running(DEADLINE)

    def pump(self, timeout: float = 0.0) -> None:
        """Hear what the host says; UnexpectedStop when the machine has stopped."""
        self.proxy.console.pump(timeout)
        if self.proxy.state == "ended" and self.report is not None:
            raise UnexpectedStop(self)

    def hear(self, timeout: float = 5.0) -> None:
        """Something looks as if the machine had stopped: wait a moment for it to say so; UnexpectedStop when it did."""
        self.proxy.console.wait(lambda: not self.running, timeout)
        self.pump()

    def control(self, operation: int, target: int = 0, argument: int = 0, timeout: float = DEADLINE) -> NDIS_STATUS:
        """Let the PnP thread carry out a control operation; its status."""
        with self.watched():
            return NDIS_STATUS(self.proxy.control(operation, target, argument, timeout))

    def perform(self, name: str, words: Sequence[str] = (), adapter: str = "", timeout: float = DEADLINE) -> Outcome:
        """A command of `ndisemu ctl`, waited for; ControlFailed when it fails or takes too long: who is in the way."""
        with self.watched():
            outcome = self.proxy.perform(name, words, adapter, timeout)
        if outcome.ended:
            raise UnexpectedStop(self)
        if not outcome.done:
            raise ControlFailed(in_words(command_of(name), outcome, adapter, status_name), outcome)
        return outcome

    def load(self, driver: str, timeout: float = DEADLINE) -> None:
        """Load a driver while the machine runs, by module name or path."""
        self.perform("driver load", [driver], timeout=timeout)

    def unload(self, driver: str, timeout: float = DEADLINE) -> None:
        """Unbind or detach a driver everywhere, and unload it."""
        self.perform("driver unload", [driver], timeout=timeout)

    def uninstall(self, driver: str, timeout: float = DEADLINE) -> None:
        """Unbind a protocol driver everywhere and call ProtocolUninstall; it stays loaded, and is bound no more."""
        self.perform("driver uninstall", [driver], timeout=timeout)

    def interface_query(
        self, index: int, oid: int | str, length: int = CONTROL_DATA_BYTES, timeout: float = DEADLINE
    ) -> bytes:
        """What the driver that provides a network interface answers to a query, with a buffer of so many bytes."""
        return self.perform("interface query", [str(index), text_of_oid(oid), str(length)], timeout=timeout).data

    def interface_set(self, index: int, oid: int | str, value: int | bytes, timeout: float = DEADLINE) -> None:
        """Give the driver that provides a network interface a value: bytes, or a number of four bytes."""
        self.perform("interface set", [str(index), text_of_oid(oid), text_of_value(value)], timeout=timeout)

    def switch_off(self, timeout: float = DEADLINE) -> None:
        """Switch the computer off (`ndisemu ctl shutdown`), and wait until nothing is left of it."""
        self.perform("shutdown", timeout=timeout)
        self.wait_ended(timeout)

    def status(self) -> MachineStatus:
        """How every adapter is: its state, its stack, and who keeps an operation from its end."""
        found = self.perform("status").machine
        assert found is not None
        return found

    def device(self, name: str, timeout: float = DEADLINE) -> Device:
        """Open one of its devices, as a user program does: ``name`` is the last part of its symbolic name."""
        from emulator.testing.device import Device

        path = os.path.join(self.proxy.specification.devices, name)
        deadline = time.monotonic() + timeout
        while not os.path.exists(path):
            self.pump(0.002)
            if time.monotonic() > deadline:
                raise AssertionError(f"machine {self.name} has no device {name}")
        return Device(path, timeout)

    def statistics(self) -> Statistics:
        """Its counters now; ``.counters`` of the machine, ``.adapters`` of each adapter's hardware."""
        with self.watched():
            return self.proxy.statistics()

    def counter(self, name: str) -> int:
        """One of the machine's counters."""
        return self.statistics().counters[name]

    def wait(self, ready: Callable[[Statistics], Any], what: str = "", timeout: float = DEADLINE) -> Statistics:
        """Ask for the counters until the function is true of them; AssertionError when the time is up."""
        deadline = time.monotonic() + timeout
        while not ready(found := self.statistics()):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{what or 'the counters'} did not come to be within {timeout:g} s: "
                    f"{found.counters}, adapters: {found.adapters}"
                )
        return found

    def end(self) -> None:
        """End it in order: stop its adapters, unload its drivers; UnexpectedStop when it stops on the way."""
        with self.watched():
            self.proxy.shutdown()
            self.wait_ended()

    def wait_ended(self, timeout: float = DEADLINE) -> None:
        """Wait until nothing is left of it; UnexpectedStop when it stopped."""
        if self.proxy.wait_ended(timeout) is not None:
            raise UnexpectedStop(self)

    def kill(self) -> None:
        """End it at once; what is not ended in order is not looked at for leaks of its drivers."""
        self.proxy.kill()
        self.proxy.wait_ended(DEADLINE)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Show the stop screen instead of the bare news that the machine is gone."""
        try:
            yield
        except MachineStop:
            raise UnexpectedStop(self) from None
