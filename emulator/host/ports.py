"""One adapter's port: its wire, its hardware's end and the pump between them, as the host's loop drives them.

Law: a port that is closed holds no descriptor, and its carrier has gone off before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.host.supervisor import Supervisor
    from vnic.wires.wire import Wire


class Port:
    """One adapter's port."""

    def __init__(self, supervisor: Supervisor, number: int, wire: Wire, mac: bytes) -> None:
        self.supervisor = supervisor
        self.number = number
        self.wire = wire
        self.mac = mac
        self.closed = False

    def power_on(self) -> None:
        """Switch the hardware on, before the adapter is started."""

    def started(self, successfully: bool) -> None:
        """The miniport has been initialized, or not."""
        if not self.closed:
            self.wire.set_carrier(successfully)

    def link(self, up: bool) -> None:
        """The link was set up or down by a control operation."""
        if not self.closed:
            self.wire.set_carrier(up)

    def counters(self) -> dict[str, int]:
        """What the port has counted."""
        return {}

    def close(self) -> None:
        """Carrier off, then give the wire back."""
        if self.closed:
            return
        self.closed = True
        try:
            self.wire.set_carrier(False)
        finally:
            self.wire.close()
