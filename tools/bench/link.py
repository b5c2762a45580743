"""Open a TAP and look at an interface: the little of a network that the peers need.

Law: interfaces are made only inside a confined process's namespace and are gone with the descriptor.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import time
from typing import Final, Protocol, cast

import pytun

from emulator.rules.errors import HostError

SIOCGIFFLAGS: Final = 0x8913
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 0x1
IFF_RUNNING: Final = 0x40
_REQUEST: Final = struct.Struct("16sH14x")


class Tap(Protocol):
    """What of a pytun device is used here."""

    name: str

    def fileno(self) -> int:
        """Return the descriptor."""

    def up(self) -> None:
        """Set the interface up."""

    def close(self) -> None:
        """Close the descriptor, and with it the interface."""

    def read(self, size: int) -> bytes:
        """Wait for a frame."""

    def write(self, frame: bytes) -> int:
        """Give a frame to the kernel."""


def open_tap(name: str) -> Tap:
    """Open a TAP without packet information and bring it up."""
    try:
        tap = cast("Tap", pytun.TunTapDevice(name=name, flags=pytun.IFF_TAP | pytun.IFF_NO_PI))
        tap.up()
    except (pytun.Error, OSError) as error:
        mend = "run as root with /dev/net/tun present (modprobe tun)"
        raise HostError(f"opening the TAP {name}", mend, str(error)) from error
    return tap


def _flags(name: str, wanted: int | None = None) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = _REQUEST.pack(name.encode(), 0)
        flags = int(_REQUEST.unpack(fcntl.ioctl(probe, SIOCGIFFLAGS, request))[1])
        if wanted is not None:
            fcntl.ioctl(probe, SIOCSIFFLAGS, _REQUEST.pack(name.encode(), flags | wanted))
        return flags


def bring_up(name: str) -> None:
    """Set an existing interface up."""
    _flags(name, IFF_UP)


def wait_running(name: str, seconds: float) -> None:
    """Wait until the interface exists, is up and has its carrier."""
    deadline = time.monotonic() + seconds
    state = "it does not exist"
    while time.monotonic() < deadline:
        try:
            flags = _flags(name)
        except OSError as error:
            state = os.strerror(error.errno or 0)
        else:
            if flags & IFF_UP and flags & IFF_RUNNING:
                return
            state = f"its flags are {flags:#x}"
        time.sleep(0.005)
    raise HostError(f"waiting for the interface {name}", "look at the subject's own messages above", state)
