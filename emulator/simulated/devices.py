"""User programs of a simulated machine: they open its devices, and wait in virtual time.

Law: what a script does here has the names of the live client (emulator.testing.device); the requests lie in the arena
as on live processes, and whatever answers them is the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.kernel.devices import Answer, Call, DeviceLane, Major, device_names
from emulator.layout.arena import DEVICE_FILES
from emulator.layout.machine import ContextKind
from emulator.rules.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.simulated.machine import SimulatedMachine

DEADLINE: Final = 10.0


class SimulatedRequest:
    """A request on its way."""

    def __init__(self, file: SimulatedDevice, what: str) -> None:
        self._file = file
        self._what = what
        self.index = -1
        self.status: int | None = None
        self.information = 0
        self.data = b""

    def answered(self, answer: Answer) -> None:
        """It has come back."""
        self.status, self.information, self.data = answer
        self._file.came_back(self)

    def done(self) -> bool:
        """Has it come back?  Nothing runs meanwhile."""
        return self.status is not None

    def wait(self, timeout: float = DEADLINE) -> int:
        """Let the machine run until it has come back; its status."""
        self._file.machine.require(self.done, timeout, self._what)
        assert self.status is not None
        return self.status

    def cancel(self) -> None:
        """Ask the driver to give it up."""
        if self.status is None:
            self._file.devices.lane.cancel(self.index)


class SimulatedDevice:
    """An open device."""

    def __init__(self, machine: SimulatedMachine, name: str, number: int) -> None:
        self.machine = machine
        self.devices = machine.devices
        self.name = name
        self.number = number
        self._pending: set[SimulatedRequest] = set()
        self._closed = self._cleaned = False

    def read(self, length: int) -> SimulatedRequest:
        """Begin to read."""
        return self.request(Major.READ, output=length)

    def write(self, data: bytes) -> SimulatedRequest:
        """Begin to write."""
        return self.request(Major.WRITE, data)

    def ioctl(self, code: int, data: bytes = b"", room: int = 0) -> SimulatedRequest:
        """Begin a control code."""
        return self.request(Major.DEVICE_CONTROL, data, room, code)

    def close(self) -> None:
        """Close it: what is pending is cancelled; cleanup and close follow as the machine runs."""
        if self._closed:
            return
        self._closed = True
        for request in list(self._pending):
            request.cancel()
        self.devices.lane.submit(Call(Major.CLEANUP, self.number), self._on_cleaned)

    def request(
        self, major: int, data: bytes = b"", output: int = 0, code: int = 0, device: int = 0
    ) -> SimulatedRequest:
        """Hand a request over."""
        if self._closed:
            raise EmulatorError(f"the device {self.name} has been closed")
        request = SimulatedRequest(self, f"an answer of {self.name}")
        self._pending.add(request)
        request.index = self.devices.lane.submit(Call(major, self.number, device, code, data, output), request.answered)
        return request

    def came_back(self, request: SimulatedRequest) -> None:
        """One of its requests has."""
        self._pending.discard(request)
        self._close()

    def _on_cleaned(self, answer: Answer) -> None:
        self._cleaned = True
        self._close()

    def _close(self) -> None:
        if self._cleaned and not self._pending:
            self._cleaned = False
            self.devices.lane.submit(Call(Major.CLOSE, self.number), lambda answer: self.devices.forget(self))


class SimulatedDevices:
    """The devices of a machine, and who has them open."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self.machine = machine
        self.lane = DeviceLane(machine.arena, self._ring)
        self._open: dict[int, SimulatedDevice] = {}
        self._ending: Callable[[], None] | None = None

    def open(self, name: str, timeout: float = DEADLINE) -> SimulatedDevice:
        """Open a device by the last part of its symbolic name; EmulatorError when the driver refuses."""
        handles = {found.name: found.handle for found in device_names(self.machine.arena)}
        if name not in handles:
            raise EmulatorError(f"there is no device {name}; there are: {', '.join(handles) or 'none'}")
        number = next(number for number in range(DEVICE_FILES) if number not in self._open)
        device = self._open[number] = SimulatedDevice(self.machine, name, number)
        status = device.request(Major.CREATE, device=handles[name]).wait(timeout)
        if status >> 30 == 3:
            del self._open[number]
            raise EmulatorError(f"opening {name}: NTSTATUS 0x{status:08X}")
        return device

    def end(self, then: Callable[[], None]) -> None:
        """Close everything, then go on."""
        self._ending = then
        for device in list(self._open.values()):
            device.close()
        self._ended()

    def forget(self, device: SimulatedDevice) -> None:
        """A file is closed."""
        self._open.pop(device.number, None)
        self._ended()

    def _ended(self) -> None:
        if self._ending is not None and not self._open:
            then, self._ending = self._ending, None
            then()

    def _ring(self) -> None:
        tasks = self.machine.platform.tasks
        for slot in self.machine.geometry.lane_slots(ContextKind.IO):
            if slot in tasks:
                self.machine.platform.ring(slot)
