"""A fake machine with a driver that has devices, and user programs that call them: one I/O thread, run when asked."""

from __future__ import annotations

from typing import Any

from emulator.kernel.devices import Answer, Call, DeviceLane, device_names, serve_device_request
from emulator.layout.machine import ContextKind
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.executive import Executive
from tests.fake_platform import FakeMachine, driver_module, surface

IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_CLEANUP = 0, 2, 3, 4, 14, 18


class DeviceMachine:
    """A machine whose driver's DriverEntry has run."""

    def __init__(self, source: str, checked: bool = True) -> None:
        self.driver: Any = driver_module("dev", source, **surface(checked=checked))
        self.fake = FakeMachine([self.driver], services=Executive(), builtin_types=BUILT_IN_TYPES, checked=checked)
        self.io = self.fake.context(ContextKind.IO)
        self.object = self.driver.DRIVER_OBJECT("dev", 1)
        self.fake.machine.driver_objects[1] = self.object
        with self.fake.running(self.fake.context(ContextKind.ZYGOTE), driver=1) as zygote:
            zygote.driver = 1
            assert self.driver.DriverEntry(self.object, "") == 0
        self.lane = DeviceLane(self.fake.machine.arena, lambda: None)

    @property
    def names(self) -> list[str]:
        return [found.name for found in device_names(self.fake.machine.arena)]

    def submit(self, major: int, data: bytes = b"", output: int = 0, code: int = 0, file: int = 1) -> Pending:
        """Hand a request over."""
        device = device_names(self.fake.machine.arena)[0].handle if major == IRP_MJ_CREATE else 0
        return Pending(self, Call(major, file, device, code, data, output))

    def call(self, major: int, data: bytes = b"", output: int = 0, code: int = 0, file: int = 1) -> Answer:
        """Hand a request over and let it be answered."""
        return self.submit(major, data, output, code, file).answered()

    def open(self, file: int = 1) -> int:
        """Open the first device."""
        return self.call(IRP_MJ_CREATE, file=file).status

    def close(self, file: int = 1) -> None:
        """What happens when a program closes its handle."""
        assert self.call(IRP_MJ_CLEANUP, file=file).status == 0
        assert self.call(IRP_MJ_CLOSE, file=file).status == 0

    def run(self) -> None:
        """Let the I/O thread do what waits."""
        with self.fake.running(self.io) as context:
            while serve_device_request(context):
                pass
        self.lane.service()

    @property
    def irps(self) -> int:
        """IRPs and what belongs to them that are still there."""
        pool = self.fake.machine.pool
        return sum(block.tag == int.from_bytes(b"Irp ", "little") for _, block in pool.live())


class Pending:
    """A request that was handed over."""

    def __init__(self, machine: DeviceMachine, call: Call) -> None:
        self.machine = machine
        self.answers: list[Answer] = []
        self.number = machine.lane.submit(call, self.answers.append)

    def answered(self) -> Answer:
        """Its answer, which must be there when the I/O thread has nothing to do."""
        self.machine.run()
        return self.answers[0]

    def pends(self) -> bool:
        """Has the driver kept it?"""
        self.machine.run()
        return not self.answers

    def cancel(self) -> None:
        """Cancel it."""
        self.machine.lane.cancel(self.number)
        self.machine.run()
