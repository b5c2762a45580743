"""A station at the far end of a cable: enough of IPv4 to ping, where the kernel's own may not be used.

Law: to `vnic.wires.ping.Pinger` it looks like a raw ICMP socket; it answers ARP for its own address, resolves that of
its neighbour, and lets every other frame fall.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Final

from emulator.cli import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address

    from vnic.wires.cable import FarEnd

ASK_AGAIN_SECONDS: Final = 0.2
GIVE_UP_SECONDS: Final = 3.0
MAC: Final = bytes.fromhex("024e44ffff01")


class Station:
    """One address on a cable, and the one neighbour it talks to."""

    def __init__(
        self,
        cable: FarEnd,
        address: IPv4Address,
        neighbour: IPv4Address,
        watch: Callable[[bool, bytes], None] = lambda outwards, frame: None,
    ) -> None:
        """``watch(towards the machine, frame)`` sees every frame."""
        self.address = address
        self.neighbour = neighbour
        self._cable = cable
        self._watch = watch
        self._mac: bytes | None = None
        self._first_asked = self._last_asked = 0.0
        self._identifier = 0

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._cable.fileno()

    def send(self, message: bytes) -> int:
        """Send an ICMP message; EAGAIN while the neighbour is being asked for, or the cable is full."""
        if self._mac is None:
            self._ask()
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._identifier += 1
        packet = frames.ipv4(self.address, self.neighbour, frames.ICMP, self._identifier, message)
        self._put(frames.ethernet(self._mac, MAC, frames.IPV4, packet))
        return len(message)

    def recv(self, length: int) -> bytes:
        """The next ICMP message to this station, with its IP header; EAGAIN when there is none."""
        while True:
            frame = self._cable.receive(0)
            if frame is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._watch(False, frame)
            arp = frames.read_arp(frame)
            if arp is not None:
                self._take_arp(*arp)
                continue
            packet = frames.read_icmp(frame, self.address)
            if packet is not None:
                return packet[:length]

    def close(self) -> None:
        """The cable belongs to somebody else."""

    def _ask(self) -> None:
        now = time.monotonic()
        self._first_asked = self._first_asked or now
        if now - self._first_asked > GIVE_UP_SECONDS:
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        if now - self._last_asked > ASK_AGAIN_SECONDS:
            self._put(frames.arp_request(MAC, self.address, self.neighbour))
            self._last_asked = now

    def _put(self, frame: bytes) -> None:
        if self._cable.send(frame):
            self._watch(True, frame)
        elif self._cable.carrier:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        else:
            raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))

    def _take_arp(self, request: bool, mac: bytes, sender: IPv4Address, target: IPv4Address) -> None:
        if sender == self.neighbour:
            self._mac = mac
        if request and target == self.address:
            try:
                self._put(frames.arp_reply(MAC, self.address, mac, sender))
            except OSError:
                pass  # the asker asks again
