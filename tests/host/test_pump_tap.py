"""The frame loop on a TAP: an interface that is down loses frames, one that is deleted removes the adapter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# A process of its own, because it enters a network namespace.
_SCRIPT = """
import ctypes, fcntl, os, struct
from pyroute2 import IPRoute
from emulator.host.pump import AdapterPump
from vnic.device import *
from vnic.device.hardware import HostVnic

assert ctypes.CDLL(None).unshare(0x40000000) == 0
tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"pump0", 0x1002))
memory = memoryview(bytearray(1 << 18))
frames = (1 << 17, 1 << 16)
layout = VnicLayout(1, 16, 16)
hardware = HostVnic(memory, 0, layout, [frames])
hardware.power_on(bytes.fromhex("020000000001"), link_up=True)
nic = Vnic(memory, 0, layout, lambda: None)
VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
pump = AdapterPump(hardware, tap, lambda: None)
memory[frames[0]:frames[0] + 14] = bytes.fromhex("ffffffffffff02000000000288b5")
VnicPostReceive(nic, 0, [frames[0] + 2048 * i + 128 for i in range(1, 16)])

def send():
    VnicTransmit(nic, 0, [VnicDescriptor(frames[0], 60)])
    while pump.service():
        pass
    return VnicTransmitCompleted(nic, 0), VnicReadRegister(nic, VNIC_REGISTER_TRANSMIT_ERRORS)

with IPRoute() as route:
    index = route.link_lookup(ifname="pump0")[0]
    print("down", *send(), pump.removed)
    route.link("set", index=index, state="up")
    print("up", *send(), pump.removed)
    route.link("set", index=index, state="down")
    print("down", *send(), pump.removed)
    route.link("set", index=index, state="up")
    print("up", *send(), pump.removed)
    route.link("del", index=index)
VnicTransmit(nic, 0, [VnicDescriptor(frames[0], 60)])
pump.service()
print("deleted", pump.removed, hex(VnicReadRegister(nic, VNIC_REGISTER_STATUS)), VnicTransmitCompleted(nic, 0))
"""


@pytest.mark.tap
def test_down_loses_frames_and_deletion_removes() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _SCRIPT], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "down 1 1 None",
        "up 1 1 None",
        "down 1 2 None",
        "up 1 2 None",
        "deleted the wire is gone 0xffffffff 0",
    ]
