"""Open a TAP and look at an interface: the little of a network that the peers need.

Law: interfaces are made only inside a confined process's namespace and are gone with the descriptor.
"""

from __future__ import annotations

from typing import Final, Protocol, cast

import pytun

from emulator.rules.errors import HostError
from vnic.wires import linux
from vnic.wires.links import LinkWatcher

FLAGS: Final = pytun.IFF_TAP | pytun.IFF_NO_PI


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


def open_tap(name: str, more_flags: int = 0) -> Tap:
    """Open a TAP without packet information and bring it up."""
    try:
        tap = cast("Tap", pytun.TunTapDevice(name=name, flags=FLAGS | more_flags))
        tap.up()
    except (pytun.Error, OSError) as error:
        mend = "run as root with /dev/net/tun present (modprobe tun)"
        raise HostError(f"opening the TAP {name}", mend, str(error)) from error
    return tap


def bring_up(name: str) -> None:
    """Set an existing interface up."""
    linux.set_up(name)


def wait_running(name: str, seconds: float) -> None:
    """Wait until the interface exists and the kernel has acted on its carrier: before that it drops what is sent."""
    with LinkWatcher() as watcher:
        try:
            watcher.wait_for(name, carrier=True, timeout=seconds)
        except TimeoutError as error:
            mend = "look at the subject's own messages above"
            raise HostError(f"waiting for the interface {name}", mend, str(error)) from error
