"""User programs and devices on live processes: what they ask comes back, and nothing is left of whoever dies."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Device, DeviceError, DeviceGone, DeviceTimeout
from tests.patience import eventually

if TYPE_CHECKING:
    from emulator.testing import Lab, LabMachine

SMALL: dict[str, Any] = {"pool_bytes": 1 << 20, "frame_slots": 64, "work_items": 256}
DRIVER = "tests.scenarios.drivers.talks"
ECHO, COUNTS, STOP, WAIT, WORK = (0x12 << 16 | (0x800 + number) << 2 for number in range(5))


@pytest.fixture
def machine(lab: Lab) -> LabMachine:
    return lab.start(DRIVER, protocol="tests.bad_drivers.base_protocol", **SMALL).machine


def counts(device: Device) -> list[int]:
    return list(device.ioctl(COUNTS, room=4))


def test_a_program_talks_to_its_driver(machine: LabMachine) -> None:
    with machine.device("Talks") as device:
        assert device.ioctl(ECHO, b"hello", 100) == b"hello"
        assert device.ioctl(ECHO, b"hello", 2) == b"he"
        assert device.ioctl(WORK, room=16) == b"work"
        read = device.start_read(64)
        assert device.write(b"words") == 5
        assert read.result() == b"words"
        assert device.ioctl(ECHO, bytes(32768), 32768) == bytes(32768)
        # Wrong lengths and codes are errors, and nothing else.
        for code, room, status in ((COUNTS, 3, 0xC000_0023), (COUNTS + 400, 0, 0xC000_0010)):
            with pytest.raises(DeviceError) as caught:
                device.ioctl(code, room=room)
            assert caught.value.status == status
        with pytest.raises(ValueError, match="at most 32768"):
            device.read(32769)
        # A request that is cancelled.
        read = device.start_read()
        with pytest.raises(DeviceTimeout):
            read.result(0.01)
        read.cancel()
        with pytest.raises(DeviceError) as caught:
            read.result()
        assert caught.value.status == 0xC000_0120
        assert counts(device) == [1, 0, 0, 1]
        counters = machine.proxy.statistics().counters
        assert counters["passive_workers"] == machine.proxy.specification.geometry.passive_workers
    with pytest.raises(DeviceGone, match="there is no device"):
        Device(os.path.join(machine.proxy.specification.devices, "Nobody"))


def test_a_cancel_does_not_wait_for_room(machine: LabMachine) -> None:
    with machine.device("Talks") as device:
        reads = [device.start_read() for _ in range(16)]
        for read in (reads[3], reads[0]):
            read.cancel()
            with pytest.raises(DeviceError) as caught:
                read.result()
            assert caught.value.status == 0xC000_0120


def test_who_takes_no_replies_is_not_listened_to(machine: LabMachine) -> None:
    """What is owed to him does not grow in the host, and the others do not wait for him."""
    path = os.path.join(machine.proxy.specification.devices, "Talks")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw, machine.device("Talks") as device:
        raw.connect(path)
        raw.settimeout(10)
        assert len(raw.recv(100)) == 16
        raw.setblocking(False)

        def stuck() -> bool:
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while sent < 1000:
                    raw.send(b"\1\0\0\0\3\0\0\0\0\0\0\0\xff\xff\xff\xff")
                    sent += 1
            assert device.ioctl(ECHO, b"x", 1) == b"x"
            return not sent

        assert any(stuck() for _ in range(100))


def test_a_dispatch_routine_that_blocks_holds_up_its_own_file_alone(machine: LabMachine) -> None:
    with machine.device("Talks") as first, machine.device("Talks") as second:
        waits = first.start_ioctl(WAIT)
        behind = first.start_ioctl(ECHO, b"x", 1)
        assert second.ioctl(ECHO, b"y", 1) == b"y"
        assert not waits.done()
        assert second.ioctl(WORK, room=4) == b"work"
        assert waits.result() == b""
        assert behind.result() == b"x"


def test_nothing_is_left_of_a_program(machine: LabMachine) -> None:
    """What it has pending is cancelled, then come cleanup and close: it closed, it was killed, or it sent garbage."""
    first = machine.device("Talks")
    for _ in range(3):
        first.start_read()
    assert counts(first) == [1, 0, 0, 0]
    first.close()
    path = os.path.join(machine.proxy.specification.devices, "Talks")
    source = f"""
from emulator.testing import Device
device = Device({path!r})
for _ in range(2):
    device.start_read()
device.ioctl({ECHO}, b"x", 1)
print("ready", flush=True)
device.read()
"""
    with machine.device("Talks") as device:
        assert eventually(lambda: counts(device) == [2, 1, 1, 3])
        with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
            program.kill()
        assert eventually(lambda: counts(device)[:3] == [3, 2, 2])
        assert counts(device)[3] in (5, 6)  # whether its last read was on its way
        for garbage in (b"\0", b"short", bytes(16), b"\xff" * 16, b"\x01\0\0\0\x09\0\0\0" + bytes(8)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw:
                raw.connect(path)
                raw.settimeout(10)
                assert len(raw.recv(100)) == 16
                raw.send(garbage)
                assert raw.recv(100) == b""
        assert eventually(lambda: counts(device)[:3] == [8, 7, 7])


def test_a_machine_that_stops_leaves_its_programs(lab: Lab, machine: LabMachine) -> None:
    device, other = machine.device("Talks"), machine.device("Talks")
    read = other.start_read()
    with lab.expect_stop(0xC2, 0x41) as stop:
        with pytest.raises(DeviceGone):
            device.ioctl(STOP)
        with pytest.raises(DeviceGone):
            read.result()
    assert stop.report.callback == "talks!Control"
    assert stop.report.context.startswith("I/O thread")
    assert not os.path.exists(machine.proxy.specification.devices)
    device.close()
    other.close()


def test_the_end_of_a_machine_closes_what_is_open(lab: Lab) -> None:
    # Two drivers with devices: while the first unloads, the other's name is still there, and nobody may open it.
    machine = lab.start(DRIVER, filters="sample_drivers.ndislwf", protocol="sample_drivers.ndisprot", **SMALL).machine
    device = machine.device("Talks")
    read = device.start_read()
    machine.end()
    with pytest.raises(DeviceGone):
        read.result()
    device.close()
    assert not os.path.exists(machine.proxy.specification.devices)
    said = [record for record in lab.log.records if "programs reach the device" in record.text]
    assert len(said) == 3
