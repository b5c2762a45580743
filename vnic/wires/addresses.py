"""Gives the Linux side of a TAP its MTU and its addresses and brings it up.

Law: what already is as it should be is left alone, so that an ordinary user can use a TAP that an administrator has
made for him; and an address that the kernel would answer for itself is refused.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from vnic.wires import linux
from vnic.wires.wire import DEFAULT_MTU, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.wires.wire import InterfaceAddress

_IFA_F_NODAD: Final = 0x02


def configure(device: Any, name: str, addresses: Sequence[InterfaceAddress], mtu: int) -> None:
    """Set what is not so yet. MTU and state go by python-pytun's and our own cheap calls, addresses by pyroute2."""

    def step(what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except WireError:
            raise
        except OSError as error:
            mend = privilege_command(name, addresses, mtu)
            raise WireError(f"setting the {what} of {name}", mend, error) from None

    if device.mtu != mtu:
        step(f"MTU {mtu}", lambda: setattr(device, "mtu", mtu))
    known = linux.ipv4_addresses()
    for address in (one for one in addresses if one.version == 4):
        _refuse_taken(name, str(address.ip), known)
        if (name, str(address.ip)) not in known:
            step(f"address {address}", functools.partial(_add, name, address))
    step("state up", lambda: linux.set_up(name))
    for other in (one for one in addresses if one.version == 6):
        step(f"address {other}", functools.partial(_add, name, other))


def privilege_command(name: str, addresses: Iterable[InterfaceAddress] = (), mtu: int = DEFAULT_MTU) -> str:
    """Return the command by which an administrator makes a TAP for an ordinary user, once."""
    made = f"sudo ip tuntap add dev {name} mode tap user $USER"
    addressed = "".join(f" && sudo ip address add {address} dev {name}" for address in addresses)
    return f"{made}{addressed} && sudo ip link set {name} mtu {mtu} up"


def _refuse_taken(name: str, address: str, known: list[tuple[str, str]]) -> None:
    for interface, found in known:
        if found == address and interface != name:
            step = f"setting the address {address} of {name}"
            raise WireError(step, "--address with another network", f"{interface} has it already", errno.EADDRINUSE)


def _add(name: str, address: InterfaceAddress) -> None:
    """Add an address; IPv6 usable at once: with the carrier off the kernel could not look for its duplicate."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    flags = {"flags": _IFA_F_NODAD} if family == socket.AF_INET6 else {}
    index = socket.if_nametoindex(name)
    with IPRoute() as route:
        holders = [message["index"] for message in route.get_addr(family=family, address=str(address.ip))]
        _refuse_taken(name, str(address.ip), [(socket.if_indextoname(holder), str(address.ip)) for holder in holders])
        if index in holders:
            return
        try:
            route.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags)
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from None
