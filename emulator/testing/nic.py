"""An adapter as a test sees it: frames at the far end of its wire, its address, and what PnP does to it.

Law: every wait has a deadline, and hears of a stop of the machine at once.
"""

from __future__ import annotations

import ipaddress
import select
import time
from typing import TYPE_CHECKING, Any

from emulator.host.adapters import mac_of
from emulator.layout.control import CONTROL_DATA_BYTES
from emulator.testing.machine import DEADLINE, text_of_oid, text_of_value
from emulator.testing.packets import frames_of, hexdump, packet_of, station

__tracebackhide__ = True  # a failure is shown where the test asked

if TYPE_CHECKING:
    from emulator.host.commands import Outcome
    from emulator.host.messages import AdapterStatus
    from emulator.ndis.headers.status import NDIS_STATUS
    from emulator.testing.ends import End
    from emulator.testing.machine import LabMachine


class NothingReceived(AssertionError):
    """No frame came in time."""


class Nic:
    """One adapter of a machine."""

    def __init__(self, machine: LabMachine, number: int, end: End) -> None:
        self.machine = machine
        self.number = number
        self.end = end

    @property
    def mac(self) -> str:
        """The hardware's permanent address."""
        specification = self.machine.proxy.specification
        return station(mac_of(specification.adapters[self.number], self.machine.proxy.number, self.number))

    @property
    def address(self) -> str:
        """The address of the wire's far end, without its prefix: for a TAP that of the Linux side."""
        wire = self.machine.proxy.specification.adapters[self.number].wire
        return wire.address.partition("/")[0]

    @property
    def peer(self) -> str:
        """The next address, for which a protocol in the machine answers unless it is told otherwise."""
        return str(ipaddress.ip_address(self.address) + 1)

    @property
    def interface(self) -> str:
        """The name of the TAP; empty on a cable."""
        return self.machine.proxy.specification.adapters[self.number].wire.interface

    @property
    def carrier(self) -> bool:
        """Is the link up, as the outside sees it?"""
        return self.end.carrier()

    @property
    def counters(self) -> dict[str, int]:
        """What the adapter's hardware has counted."""
        return self.machine.statistics().adapters[self.number]

    # -- frames --------------------------------------------------------------------------------------------------------

    def send(self, packets: Any, timeout: float = DEADLINE) -> None:
        """Put frames on the wire: bytes, a scapy packet, or several of either.

        Waits for room.  AssertionError where the wire has no carrier, UnexpectedStop where the machine has stopped.
        """
        for frame in frames_of(packets):
            if not self.end.send(frame, timeout):
                why = "there was no room" if self.carrier else "the link is down"
                self._hear()
                raise AssertionError(f"adapter {self.number} could not be sent a frame: {why} ({hexdump(frame)})")

    def receive(self, timeout: float = DEADLINE) -> Any:
        """The next frame that the adapter sends, as a scapy packet (as bytes without scapy); NothingReceived if none.

        ``receive_bytes`` gives the frame's bytes.
        """
        return packet_of(self.receive_bytes(timeout))

    def receive_bytes(self, timeout: float = DEADLINE) -> bytes:
        """The next frame that the adapter sends; NothingReceived if none comes in time."""
        frame = self.poll(timeout)
        if frame is None:
            raise NothingReceived(f"adapter {self.number} sent nothing within {timeout:g} s{self._counted()}")
        return frame

    def _counted(self) -> str:
        """How far frames have come, for who waits for one in vain."""
        if not self.machine.running:
            return ""
        found = self.machine.statistics()
        hardware, lists = found.adapters[self.number], found.counters
        return (
            f"; its hardware has received {hardware['received']} frames and sent {hardware['sent']}, the machine's "
            f"drivers have indicated {lists['lists_indicated']} lists and sent {lists['lists_sent']}"
        )

    def poll(self, timeout: float = 0.0) -> bytes | None:
        """The next frame that the adapter sends, or None; UnexpectedStop when the machine stops meanwhile."""
        console = self.machine.proxy.console
        poll = select.poll()
        poll.register(self.end, select.POLLIN)
        if self.machine.running:
            poll.register(console, select.POLLIN)
        deadline = time.monotonic() + timeout
        while True:
            frame = self.end.take()
            if frame is not None:
                return frame
            self.machine.pump()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            poll.poll(remaining * 1000)
            if not self.machine.running:
                return self.end.take()

    def _hear(self) -> None:
        """A wire that is gone may be the first sign of a stop, whose screen comes a moment later."""
        if self.end.gone():
            self.machine.hear()
        self.machine.pump()

    def srp1(self, packet: Any, timeout: float = DEADLINE) -> Any:
        """Send one frame and give the first one that comes back to its sender; None if none does in time."""
        (frame,) = frames_of(packet)
        self.send(frame, timeout)
        deadline = time.monotonic() + timeout
        while (answer := self.poll(max(0.0, deadline - time.monotonic()))) is not None:
            if answer[:6] == frame[6:12]:
                return packet_of(answer)
        return None

    def expect_silence(self, timeout: float = 0.1) -> None:
        """AssertionError when the adapter sends anything within that time."""
        frame = self.poll(timeout)
        if frame is not None:
            raise AssertionError(f"adapter {self.number} sent a frame: {hexdump(frame)}")

    def ping(self, address: str = "", **options: Any) -> Any:
        """Ping through a TAP with the system's own ICMP (options of vnic.wires.ping): a PingResult.

        UnexpectedStop where pings were lost because the machine has stopped.
        """
        from emulator.testing.ends import ping

        result = ping(self.end, address or self.peer, **options)
        if result.lost:
            self._hear()
        return result

    # -- PnP -----------------------------------------------------------------------------------------------------------

    def pause(self, timeout: float = DEADLINE) -> None:
        """Pause the whole stack of the adapter.

        This and the following wait for the end of what they ask for; ControlFailed says who keeps it from its end.
        """
        self.perform("pause", timeout=timeout)

    def restart(self, timeout: float = DEADLINE) -> None:
        """Restart the whole stack of the adapter."""
        self.perform("restart", timeout=timeout)

    def halt(self, timeout: float = DEADLINE) -> None:
        """Pause, unbind, detach, halt."""
        self.perform("halt", timeout=timeout)

    def start(self, timeout: float = DEADLINE) -> None:
        """Start the adapter again after a halt, and wait for its carrier."""
        self.perform("start", timeout=timeout)
        self.wait_carrier(self.status().link, timeout)

    def surprise_remove(self, timeout: float = DEADLINE) -> None:
        """Tear the adapter out and wait until it is halted; ``remove`` takes the wire away and waits for nothing."""
        self.perform("surprise-remove", timeout=timeout)

    def link(self, up: bool) -> None:
        """Plug the cable in or out."""
        self.perform("link", "up" if up else "down")

    def interrupts(self, on: bool, timeout: float = DEADLINE) -> None:
        """Let the miniport enable or disable its interrupt, as NDIS may do to find a fault."""
        self.perform("interrupts", "on" if on else "off", timeout=timeout)

    def oid_query(self, oid: int | str, length: int = CONTROL_DATA_BYTES, timeout: float = DEADLINE) -> bytes:
        """What the stack answers to a query of NDIS's own, with a buffer of so many bytes; an OID by number or name."""
        return self.perform("oid query", text_of_oid(oid), str(length), timeout=timeout).data

    def oid_set(self, oid: int | str, value: int | bytes, timeout: float = DEADLINE) -> None:
        """Give the stack a value, as NDIS itself would: bytes, or a number of four bytes."""
        self.perform("oid set", text_of_oid(oid), text_of_value(value), timeout=timeout)

    def log(self, timeout: float = DEADLINE) -> bytes:
        """Take what the miniport has logged with NdisMWriteLogData since the last time, at most 2,048 bytes of it."""
        return self.perform("log", timeout=timeout).data

    def reset(self, timeout: float = DEADLINE) -> None:
        """Reset the adapter's hardware."""
        self.perform("reset", timeout=timeout)

    def power(self, state: str, timeout: float = DEADLINE) -> None:
        """Bring the adapter into a device power state: ``d0`` to ``d3``."""
        self.perform("power", state, timeout=timeout)

    def power_source(self, source: str, timeout: float = DEADLINE) -> None:
        """Tell the drivers what the computer runs on from now: ``battery`` or ``mains``."""
        self.perform("power-source", source, timeout=timeout)

    def idle(self, timeout: float = DEADLINE) -> None:
        """Notify the miniport that the adapter is idle, so that it is suspended (ForceIdle)."""
        self.perform("idle", timeout=timeout)

    def wake(self, timeout: float = DEADLINE) -> None:
        """Let the suspended adapter signal a wake-up event."""
        self.perform("wake", timeout=timeout)

    def attach(self, filter_driver: str, timeout: float = DEADLINE) -> None:
        """Attach a filter of those that the machine has loaded."""
        self.perform("filter attach", filter_driver, timeout=timeout)

    def detach(self, filter_driver: str, timeout: float = DEADLINE) -> None:
        """Detach a filter until it is attached again."""
        self.perform("filter detach", filter_driver, timeout=timeout)

    def perform(self, name: str, *words: str, timeout: float = DEADLINE) -> Outcome:
        """Any command of `ndisemu ctl` on this adapter."""
        return self.machine.perform(name, words, self.name, timeout)

    @property
    def name(self) -> str:
        """What the adapter is called."""
        return self.machine.proxy.adapter_names[self.number]

    def status(self) -> AdapterStatus:
        """How the adapter is: its state, its stack, and who keeps an operation from its end."""
        return self.machine.status().adapters[self.number]

    def wait_carrier(self, up: bool, timeout: float = DEADLINE) -> None:
        """Wait until the outside sees the link up or down; AssertionError when it does not."""
        if not self.end.wait_carrier(up, timeout):
            self._hear()
            raise AssertionError(f"the carrier of adapter {self.number} did not go {'on' if up else 'off'}")

    def wait_replayed(self, timeout: float = DEADLINE) -> None:
        """Wait until the wire's capture file has been replayed and the adapter is quiet; AssertionError if not."""
        proxy = self.machine.proxy
        proxy.console.wait(lambda: self.number in proxy.finished_wires or not self.machine.running, timeout)
        self.machine.pump()
        if self.number not in proxy.finished_wires:
            raise AssertionError(
                f"adapter {self.number}: {proxy.specification.adapters[self.number].wire.name} goes on"
            )

    def remove(self) -> None:
        """Take the wire away from outside: a surprise removal."""
        self.end.remove()

    def control(self, operation: int, argument: int = 0) -> NDIS_STATUS:
        """Any control operation on this adapter; its status."""
        return self.machine.control(operation, self.number, argument)
