"""A TAP device as a wire: the Linux kernel's network stack is what the virtual NIC is plugged into.

Law: a TAP begins with its carrier off and quiet, because the kernel's own chatter is no business of the driver under
test. Every refusal of the kernel gets the command that mends it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from pathlib import Path
from typing import Any, Final, Self

from vnic.wires import linux
from vnic.wires.addresses import configure, privilege_command
from vnic.wires.wire import DEFAULT_MTU, WireError, interface_name_fault, is_removal, parse_addresses

DEVICE: Final = "/dev/net/tun"
_TUNSETOFFLOAD: Final = 0x400454D0
_TUNSETCARRIER: Final = 0x400454E2
_TUN_F_ALL: Final = 0x6F
"""Checksums, TCP segments of IPv4, of IPv6 and with ECN, and UDP segments of both, which go together."""
_TUN_F_OLDER: Final = 0x0F
"""What kernels before Linux 6.2 have of it."""
_SYSTEM_SETTINGS: Final = Path("/proc/sys/net/ipv6/conf")
# Without an IPv6 address of ours the kernel shall not speak IPv6 here; with one it shall at least not look for routers.
_SILENT: Final = (("disable_ipv6", "1"),)
_SPARING: Final = (("accept_ra", "0"), ("router_solicitations", "0"), ("dad_transmits", "0"))


class Tap:
    """An open TAP; closing it takes the interface away, unless somebody else has made it persistent."""

    several_queues = False
    """Whether the kernel makes it with room for several descriptors."""

    def __init__(self, device: Any, name: str, mtu: int) -> None:
        self.name = f"tap:{name}"
        self.mtu = mtu
        self.interface = name
        self.offloads = 0
        """What the kernel can leave undone, as TUNSETOFFLOAD numbers it; 0 for a TAP that was opened without."""
        self._device = device
        self._carrier = False
        # Belongs to the TAP's namespace even when the thread has left it.
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    @classmethod
    def open(
        cls, name: str, address: str = "", mtu: int = DEFAULT_MTU, *, offloads: bool = False, queues: int = 1
    ) -> Self:
        """Make (or attach to) the TAP `name`, quiet it, address it and bring it up, its carrier off.

        With `offloads` virtio's header of ten bytes lies in front of each frame that is read or written.

        Acts in the network namespace of the calling thread; the descriptor stays good when the thread leaves it.
        """
        fault = interface_name_fault(name)
        if fault:
            raise WireError(f"naming the TAP {name!r}", "--wire tap:ndis0", fault, errno.EINVAL)
        wanted = parse_addresses(address)
        ours = name not in linux.interface_names()
        device = make(name, ours, offloads, several_queues=cls.several_queues)
        tap = cls(device, name, mtu)
        try:
            os.set_blocking(tap.fileno(), False)
            os.set_inheritable(tap.fileno(), False)  # python-pytun leaves it inheritable; a worker must never hold it
            tap._tell_carrier(False)
            tap.attach(queues, offloads)
            if offloads:
                tap._find_offloads()
            if ours:
                _quiet(name, _SPARING if any(one.version == 6 for one in wanted) else _SILENT)
            configure(device, name, wanted, mtu)
        except BaseException:
            tap.close()
            raise
        return tap

    def attach(self, queues: int, offloads: bool) -> None:
        """Open the descriptors of further queues; here there are none."""

    @property
    def carrier(self) -> bool:
        """Whether the outside has been told that the link is up."""
        return self._carrier

    def fileno(self) -> int:
        """Return the non-blocking descriptor: one read or write is one frame."""
        return int(self._device.fileno())

    def descriptors(self) -> tuple[int, ...]:
        """Return every descriptor that must stay open for the wire to work, `fileno` first."""
        return self.fileno(), self._control.fileno()

    def set_carrier(self, up: bool) -> None:
        """Tell the kernel, and through it whoever watches the link, that the cable is plugged in or not."""
        if up != self._carrier:
            self._tell_carrier(up)

    def set_offloads(self, offloads: int) -> None:
        """Say which of `offloads` the reader takes; the kernel does itself what is left out."""
        try:
            fcntl.ioctl(self.fileno(), _TUNSETOFFLOAD, offloads)
        except OSError as error:
            if not is_removal(error):
                raise WireError(f"setting the offloads of {self.name}", "a later kernel", error) from None

    def _find_offloads(self) -> None:
        """Begin with all of them off."""
        for offloads in (_TUN_F_ALL, _TUN_F_OLDER):
            try:
                self.set_offloads(offloads)
            except WireError:
                continue
            self.offloads = offloads
            self.set_offloads(0)
            return
        raise WireError(f"asking for the offloads of {self.name}", "a kernel of Linux 3.8 or later")

    def poll_removed(self) -> bool:
        """Return whether somebody has deleted the interface, or its namespace has ended."""
        if self.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self.fileno(), 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))

    def close(self) -> None:
        """Give the TAP back; closing twice is closing once."""
        self._carrier = False
        if self.fileno() >= 0:
            self._device.close()
        self._control.close()

    def _tell_carrier(self, up: bool) -> None:
        try:
            fcntl.ioctl(self.fileno(), _TUNSETCARRIER, struct.pack("i", up))
        except OSError as error:
            if not is_removal(error):  # a deleted TAP has no carrier to lose
                raise WireError(
                    f"setting the carrier of {self.name}", "a kernel of Linux 5.0 or later", error
                ) from None
            up = False
        self._carrier = up
        try:
            linux.settle_carrier(self._control, self.interface)
        except OSError:
            pass  # Renamed or moved by somebody: then the kernel acts on it in its own time.


def make(name: str, ours: bool, offloads: bool = False, *, several_queues: bool = False) -> Any:
    """Open the TAP, or another descriptor of it, through python-pytun."""
    try:
        import pytun
    except ImportError as error:
        raise WireError("importing python-pytun", "python3 -m pip install python-pytun", str(error)) from None
    _open_device()
    try:
        flags = pytun.IFF_TAP | pytun.IFF_NO_PI | (pytun.IFF_VNET_HDR if offloads else 0)
        flags |= pytun.IFF_MULTI_QUEUE if several_queues else 0
        return pytun.TunTapDevice(name, flags, DEVICE)
    except pytun.Error as error:
        step = f"making the TAP {name}"
        other = f"--wire tap:{free_name(name)}"
        if error.errno == errno.EBUSY:
            raise WireError(step, other, f"another program uses the TAP {name}", errno.EBUSY) from None
        if error.errno == errno.EINVAL and not ours:
            raise WireError(step, other, f"there is an interface {name}, and it is no TAP", errno.EEXIST) from None
        if error.errno in (errno.EPERM, errno.EACCES):
            raise WireError(step, privilege_command(name), error) from None
        raise WireError(step, "ndisemu doctor", error) from None


def _open_device() -> None:
    """Try the device by itself, since a refusal there is mended in another way than a refusal to make the interface."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise WireError(f"opening {DEVICE}", device_command(error.errno or 0), error) from None


def device_command(number: int) -> str:
    """Return the command that makes /dev/net/tun usable after this error."""
    if number in (errno.EACCES, errno.EPERM):
        return f"sudo chmod a+rw {DEVICE}"
    if number == errno.ENOENT and " tun\n" in Path("/proc/misc").read_text(encoding="ascii"):
        return f"sudo mkdir -p /dev/net && sudo mknod -m 666 {DEVICE} c 10 200"
    return "sudo modprobe tun"


def free_name(taken: str) -> str:
    """Return the next name after this one that no interface has."""
    stem = taken.rstrip("0123456789")
    names = set(linux.interface_names()) | {taken}
    number = int(taken[len(stem) :] or "0")
    while f"{stem}{number}" in names:
        number += 1
    return f"{stem}{number}"


def _quiet(name: str, settings: tuple[tuple[str, str], ...]) -> None:
    for setting, value in settings:
        try:
            (_SYSTEM_SETTINGS / name / setting).write_text(value, encoding="ascii")
        except OSError:
            # No IPv6 in this kernel, or settings that are read-only in a container: then the driver hears the noise.
            pass
