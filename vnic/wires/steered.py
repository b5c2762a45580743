"""A TAP with a descriptor for each queue of its adapter, the kernel steering each flow to one of them.

Law: until the first key every frame goes to the first descriptor; by itself the kernel would spread frames in a way
that may change in the middle of a flow.  Where the kernel loads no program here, or somebody else has made the TAP
without queues, the TAP has one descriptor: the host spreads the frames then, and the wire says so.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Final

from vnic.wires import linux, steering
from vnic.wires.tap import Tap, make
from vnic.wires.wire import DEFAULT_MTU, WireError, is_removal

_LONGEST_QUEUE: Final = 1000
"""Frames that the kernel keeps for one descriptor, where it does not tell."""


def open_queues(
    name: str, address: str = "", mtu: int = DEFAULT_MTU, *, queues: int, offloads: bool = False
) -> tuple[Tap, str]:
    """Make the TAP `name` with so many descriptors, or with one; what there is to say of it, in one line."""
    refused = steering.refusal()
    if not refused:
        try:
            return SteeredTap.open(name, address, mtu, offloads=offloads, queues=queues), ""
        except WireError as error:
            if error.errno != errno.EEXIST:
                raise
            refused = "somebody else has made it with one queue"
    tap = Tap.open(name, address, mtu, offloads=offloads)
    return tap, f"{tap.name} has one descriptor for {queues} queues, the host spreads its frames: {refused}"


class SteeredTap(Tap):
    """An open TAP with several descriptors."""

    several_queues = True

    def __init__(self, device: Any, name: str, mtu: int) -> None:
        super().__init__(device, name, mtu)
        self._others: list[Any] = []
        self.longest_queue = _LONGEST_QUEUE

    def attach(self, queues: int, offloads: bool) -> None:
        """Open the other descriptors; all frames go to the first one.

        What the last one is opened with counts for all: with headers or without.
        """
        for _ in range(queues - 1):
            device = make(self.interface, False, offloads, several_queues=True)
            self._others.append(device)
            os.set_blocking(device.fileno(), False)
            os.set_inheritable(device.fileno(), False)
        self.longest_queue = linux.longest_queue(self._control, self.interface) or _LONGEST_QUEUE
        self.steer_to_first()

    def queue_descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that frames are read from and written to, `fileno` first."""
        return self.fileno(), *(int(device.fileno()) for device in self._others)

    def descriptors(self) -> tuple[int, ...]:
        """Return every descriptor that must stay open for the wire to work, `fileno` first."""
        return *self.queue_descriptors(), self._control.fileno()

    def steer(self, information: int, key: bytes) -> None:
        """Spread flows by the Toeplitz hash of these types, under this key."""
        self._steer(steering.program(information, key))

    def steer_to_first(self) -> None:
        """Give every frame to the first descriptor."""
        self._steer(steering.FIRST)

    def _steer(self, program: bytes) -> None:
        try:
            steering.steer(self.fileno(), program)
        except OSError as error:
            if not is_removal(error):
                raise WireError(
                    f"steering the frames of {self.name}", "a kernel of Linux 4.16 or later", error
                ) from None

    def close(self) -> None:
        """Give the TAP back; closing twice is closing once."""
        for device in self._others:
            if device.fileno() >= 0:
                device.close()
        super().close()
