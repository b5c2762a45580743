"""User programs and devices in virtual time: every interleaving of a read, a write, a cancel and a close ends well."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.rules.errors import BugCheck, EmulatorError
from emulator.simulated.machine import SimulatedMachine

DRIVERS = ["tests.scenarios.drivers.talks", "tests.bad_drivers.base_protocol"]
COUNTS, STOP, WAIT, WORK = (0x12 << 16 | (0x800 + number) << 2 for number in (1, 2, 3, 4))


def simulated(seed: int = 0, **options: Any) -> SimulatedMachine:
    machine = SimulatedMachine(drivers=DRIVERS, seed=seed, **options)
    machine.wait_running()
    return machine


@pytest.mark.parametrize("seed", range(4))
def test_a_read_meets_a_write_or_its_cancel(seed: int) -> None:
    machine = simulated(seed, processors=2)
    device, other = machine.device("Talks"), machine.device("Talks")
    reads = [device.read(16) for _ in range(3)]
    written = other.write(b"words")
    reads[1].cancel()
    assert written.wait() == 0
    device.close()
    statuses = [read.wait() for read in reads]
    assert set(statuses) <= {0, 0xC000_0120}
    assert all((read.data == b"words") == (read.status == 0) for read in reads)
    counts = other.ioctl(COUNTS, room=4)
    assert counts.wait() == 0
    assert counts.data[0] == 2
    assert counts.data[3] == statuses.count(0xC000_0120)
    assert machine.stop() is None
    machine.close()


def test_a_work_item_completes_what_the_dispatch_routine_has_left() -> None:
    for seed in range(6):
        machine = simulated(seed)
        device = machine.device("Talks")
        waits, works = device.ioctl(WAIT), machine.device("Talks").ioctl(WORK, room=8)
        assert (works.wait(), works.data) == (0, b"work")
        assert waits.wait() == 0
        assert machine.stop() is None
        machine.close()


def test_a_stop_in_a_dispatch_routine() -> None:
    machine = simulated()
    with pytest.raises(BugCheck) as caught:
        machine.device("Talks").ioctl(STOP).wait()
    assert caught.value.code == 0xC2
    machine.close()


def test_there_is_no_such_device() -> None:
    machine = simulated()
    with pytest.raises(EmulatorError, match="there are: Talks"):
        machine.device("Nobody")
    device = machine.device("Talks")
    device.close()
    with pytest.raises(EmulatorError, match="has been closed"):
        device.read(1)
    assert machine.stop() is None
    machine.close()
