"""``lab.expect_stop``: the stop that a test says will come.

Law: exactly this stop: the first machine of the laboratory that stops meanwhile is compared field by field, and a
machine that lives on is a failure as well.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from emulator.host.console import MachineStop
from emulator.rules.bugchecks import bugcheck_name
from emulator.rules.errors import EmulatorError
from emulator.rules.limits import VnicLimit, is_limit
from emulator.testing.machine import UnexpectedStop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from emulator.kernel.stop import StopReport
    from emulator.testing.lab import Lab
    from emulator.testing.machine import LabMachine


class Expectation:
    """The context manager.  After it ``machine``, ``report`` and ``screen`` tell of the stop that came."""

    def __init__(
        self,
        lab: Lab,
        code: int,
        subcode: int | None,
        rule: str | None,
        parameters: Sequence[int | None],
        timeout: float,
    ) -> None:
        self.lab = lab
        self.code = code
        self.parameters = list(parameters)
        if subcode is not None:
            self.parameters[:1] = [subcode]
        self.rule = rule
        self.timeout = timeout
        self.machine: LabMachine | None = None

    @property
    def report(self) -> StopReport:
        """The bug check that came."""
        found = self.machine.report if self.machine is not None else None
        if found is None:
            raise EmulatorError("the stop has not come yet: look at it after the 'with' block")
        return found.stop

    @property
    def screen(self) -> str:
        """The stop screen that came."""
        return self.machine.screen if self.machine is not None else ""

    def __enter__(self) -> Expectation:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> bool:
        if value is not None and not isinstance(value, UnexpectedStop | MachineStop):
            return False
        self.machine = self._stopped()
        if self.machine is None:
            raise AssertionError(f"{self._wanted()} did not come within {self.timeout:g} s: every machine lives")
        faults = self._faults(self.report)
        if faults:
            raise AssertionError(f"{self._wanted()} was expected; {'; '.join(faults)}\n\n{self.screen}")
        self.machine.expected = True
        return True

    def _stopped(self) -> LabMachine | None:
        deadline = time.monotonic() + self.timeout
        while True:
            for machine in self.lab.machines:
                if not machine.expected and machine.report is not None:
                    return machine
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not any(machine.running for machine in self.lab.machines):
                return None
            self.lab.console.pump(remaining)

    def _wanted(self) -> str:
        name = VnicLimit(self.code).name if is_limit(self.code) else f"0x{self.code:X} {bugcheck_name(self.code)}"
        given = ", ".join("any" if value is None else f"0x{value:X}" for value in self.parameters)
        return f"stop {name}" + (f" ({given})" if given else "") + (f", rule {self.rule}" if self.rule else "")

    def _faults(self, report: StopReport) -> list[str]:
        faults = []
        if report.code != self.code:
            return [f"came: 0x{report.code:X} {report.name}"]
        for number, (wanted, found) in enumerate(zip(self.parameters, report.parameters, strict=False), 1):
            if wanted is not None and wanted != found:
                faults.append(f"parameter {number} is 0x{found:X}")
        if self.rule is not None and report.rule != self.rule:
            faults.append(f"the rule is {report.rule or 'none'}")
        return faults
