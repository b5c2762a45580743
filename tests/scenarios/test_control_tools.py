"""Control tools of sample drivers, each a program that talks to its driver while frames move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from emulator.testing import DeviceError
from sample_drivers import ndisprot_tool
from sample_drivers.ndislwf_tool import (
    IOCTL_LWF_COUNTERS,
    IOCTL_LWF_SET_RULE,
    LWF_COUNTERS,
    LWF_RULE,
    LwfAlter,
    LwfDelay,
    LwfDrop,
    LwfHold,
    LwfPass,
)
from tests.patience import DEADLINE, eventually
from tests.scenarios.traffic import HELLO, MINIPORT, echo, frame, swapped

if TYPE_CHECKING:
    from emulator.testing import Device, Lab

FILTER = "sample_drivers.ndislwf"


def rule(device: Device, action: int, kind: int = 0, milliseconds: int = 0, offset: int = 0, value: int = 0) -> None:
    device.ioctl(IOCTL_LWF_SET_RULE, LWF_RULE.pack(action, kind, milliseconds, offset, value))


def counters(device: Device) -> tuple[int, ...]:
    return LWF_COUNTERS.unpack(device.ioctl(IOCTL_LWF_COUNTERS, room=LWF_COUNTERS.size))


def test_a_tool_holds_drops_delays_and_alters_frames(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER])
    with nic.machine.device("ndislwf") as device:
        assert echo(nic, [frame(nic, 1)]) == 1
        rule(device, LwfHold)
        for number in range(3):
            nic.send(frame(nic, number))
        assert eventually(lambda: counters(device)[0] == 3)
        assert nic.poll(0.02) is None
        rule(device, LwfPass)
        assert [nic.receive_bytes(DEADLINE) for _ in range(3)] == [swapped(frame(nic, number)) for number in range(3)]
        rule(device, LwfDrop, kind=0x1234)
        assert echo(nic, [frame(nic, 2)]) == 1  # another EtherType
        rule(device, LwfDrop, kind=0x88B5)
        nic.send(frame(nic, 3))
        assert eventually(lambda: counters(device)[1] == 1)
        rule(device, LwfDelay, milliseconds=30)
        sent = time.monotonic()
        assert echo(nic, [frame(nic, 4)]) == 1
        assert time.monotonic() - sent >= 0.03
        rule(device, LwfAlter, offset=20, value=0xEE)
        nic.send(frame(nic, 5))
        assert nic.receive_bytes(DEADLINE)[20] == 0xEE
        assert counters(device) == (3, 1, 1, 1)
        for wrong in (LWF_RULE.pack(9, 0, 0, 0, 0), LWF_RULE.pack(LwfDelay, 0, 1001, 0, 0), b"short"):
            with pytest.raises(DeviceError):
                device.ioctl(IOCTL_LWF_SET_RULE, wrong)
        # What is held goes back when the stack is paused.
        rule(device, LwfHold)
        nic.send(frame(nic, 6))
        assert eventually(lambda: counters(device)[0] == 4)
        nic.pause()
        rule(device, LwfPass)
        nic.restart()
        assert echo(nic, [frame(nic, 7)]) == 1


def test_a_program_reads_and_writes_raw_frames(lab: Lab) -> None:
    tool = ndisprot_tool
    nic = lab.start(MINIPORT, protocol="sample_drivers.ndisprot")
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    with nic.machine.device("Ndisprot") as device, nic.machine.device("Ndisprot") as other:
        for act in (lambda: device.read(64), lambda: device.write(bytes(60))):
            with pytest.raises(DeviceError):
                act()  # it has no adapter yet
        device.ioctl(tool.IOCTL_NDISPROT_OPEN_DEVICE, b"adapter0")
        for name in (b"adapter0", b"adapter9"):
            with pytest.raises(DeviceError):
                other.ioctl(tool.IOCTL_NDISPROT_OPEN_DEVICE, name)
        address = 0x0101_0102.to_bytes(4, "little")
        assert device.ioctl(tool.IOCTL_NDISPROT_QUERY_OID, address, room=6) == mac
        device.ioctl(tool.IOCTL_NDISPROT_SET_FILTER, b"\1\0\0\0")
        read = device.start_read(1514)
        nic.send(frame(nic, 1))
        assert read.result() == frame(nic, 1)
        for number in range(2, 12):
            nic.send(frame(nic, number, 300))
        assert [device.read(1514) for _ in range(10)] == [frame(nic, number, 300) for number in range(2, 12)]
        assert device.write(swapped(frame(nic, 7))) == 60
        assert nic.receive_bytes(DEADLINE) == swapped(frame(nic, 7))
        nic.pause()
        with pytest.raises(DeviceError):
            device.write(bytes(60))
        nic.restart()
        waiting = device.start_read(1514)
        waiting.cancel()
        with pytest.raises(DeviceError):
            waiting.result()
        device.start_read(1514)
        device.close()
        assert eventually(lambda: bound(other))


def bound(device: Device) -> bool:
    """The adapter is free again once the other file is closed."""
    try:
        device.ioctl(ndisprot_tool.IOCTL_NDISPROT_OPEN_DEVICE, b"adapter0")
    except DeviceError:
        return False
    return True
