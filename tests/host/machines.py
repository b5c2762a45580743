"""Toy machines, and looks at processes from outside."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.console import MachineStop
from emulator.host.specification import DriverSpecification, MachineSpecification, WatchdogLimits
from emulator.layout.arena import Geometry
from emulator.testing import Device, DeviceGone
from tests.patience import eventually, within

if TYPE_CHECKING:
    from emulator.host.console import Console, MachineProxy

DRIVER = str(Path(__file__).with_name("toy_driver.py"))
SMALL = {"work_items": 256, "frame_slots": 64, "pool_bytes": 1 << 20, "timers": 32}


def toy(name: str = "toy", *, driver: str = DRIVER, **options: Any) -> MachineSpecification:
    """A machine with the toy floor and one toy driver; options are those of Geometry and MachineSpecification."""
    of_geometry = {*Geometry.__struct_fields__} - {"adapters", "devices"}
    numbers: dict[str, Any] = {key: options.pop(key) for key in list(options) if key in of_geometry}
    limits = {key: options.pop(key) for key in ("cpu_ms", "wall_ms") if key in options}
    return MachineSpecification(
        name=name,
        geometry=Geometry(**{**SMALL, **numbers}),
        drivers=[DriverSpecification(kind="miniport", path=driver)],
        watchdog=WatchdogLimits(**limits),
        **{"loader": "tests.host.toy", **options},
    )


def started(console: Console, **options: Any) -> MachineProxy:
    """A toy machine that runs."""
    machine = console.start_machine(toy(**options))
    machine.wait_running()
    return machine


def provoke(machine: MachineProxy, operation: int, target: int = 0, argument: int = 0) -> None:
    """A control operation that ends its machine: the end may overtake the answer."""
    with contextlib.suppress(MachineStop):
        machine.control(operation, target, argument)


def reached(console: Console, folder: Path) -> MachineProxy:
    """A toy machine with a device that programs can open, in a folder of its own."""
    machine = started(console, devices=str(folder / "toy.devices"))
    machine.control(303)
    return machine


class Programs:
    """What people have running beside a machine: a device that is open, with a read pending, and a command."""

    def __init__(self, folder: Path) -> None:
        opened: list[Device] = []

        def can_be_opened() -> bool:
            try:
                opened.append(Device(folder / "toy.devices" / "Toy"))
            except DeviceGone:  # it is not there, or a dead machine has left it
                return False
            return True

        assert eventually(can_be_opened)
        self.device = opened[0]
        self.read = self.device.start_read()
        self.command = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.command.settimeout(10)
        self.command.connect(str(folder / "toy.ctl"))

    def end(self) -> None:
        """The machine is gone, which the one with the device is told."""
        with pytest.raises(DeviceGone):
            self.read.result()
        self.device.close()
        self.command.close()


def alive(pid: int) -> bool:
    """Does the process exist, other than as a zombie that nobody has reaped yet?"""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def children(pid: int) -> list[int]:
    """Living children of a process."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            status = Path(f"/proc/{entry}/stat").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = status.rpartition(")")[2].split()
        if int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(int(entry))
    return found


def gone(pids: list[int]) -> list[int]:
    """The processes that are still there after a second."""
    within(1.0, lambda: not any(alive(pid) for pid in pids))
    return [pid for pid in pids if alive(pid)]
