"""ndisprot and ndislwf on the simulated machine: programs, frames and the end of adapters in any order."""

from __future__ import annotations

import pytest

from emulator.rules.control import ControlOperation
from emulator.simulated.machine import SimulatedMachine

OPEN, FILTER = 0x12 << 16 | 0x200 << 2, 0x12 << 16 | 0x202 << 2
NETVMINI, NDISPROT = "sample_drivers.netvmini", "sample_drivers.ndisprot"


def frame(machine: SimulatedMachine, number: int) -> bytes:
    return (machine.ports[0].mac + bytes(6) + b"\x88\xb5" + bytes([number])).ljust(60, b"\0")


def start(seed: int) -> SimulatedMachine:
    machine = SimulatedMachine(drivers=[NETVMINI, NDISPROT], seed=seed, processors=2)
    machine.wait_running()
    return machine


@pytest.mark.parametrize("seed", range(3))
def test_frames_reads_writes_and_a_close_in_any_order(seed: int) -> None:
    machine = start(seed)
    device = machine.device("Ndisprot")
    assert device.ioctl(OPEN, b"adapter0").wait() == 0
    assert device.ioctl(FILTER, b"\1\0\0\0").wait() == 0
    reads = [device.read(64) for _ in range(4)]
    for number in range(3):
        machine.inject(frame(machine, number))
    written = device.write(frame(machine, 9))
    assert [read.wait() for read in reads[:3]] == [0, 0, 0]
    assert sorted(read.data[14] for read in reads[:3]) == [0, 1, 2]
    assert written.wait() == 0
    assert machine.frames()[0][14] == 9
    device.close()
    assert reads[3].wait() == 0xC000_0120
    assert machine.stop() is None
    machine.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_adapter_goes_while_a_program_uses_it(seed: int) -> None:
    machine = start(seed)
    device = machine.device("Ndisprot")
    assert device.ioctl(OPEN, b"adapter0").wait() == 0
    reads = [device.read(64) for _ in range(2)]
    machine.inject(frame(machine, 1))
    written = device.write(frame(machine, 9))
    assert machine.control(ControlOperation.STOP_ADAPTER) == 0
    assert all(request.wait() in (0, 0xC000_0120, 0xC000_0008, 0xC023_002A) for request in (*reads, written))
    assert device.read(64).wait() == 0xC000_0008
    assert machine.stop() is None
    machine.close()
