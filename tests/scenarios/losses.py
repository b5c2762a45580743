"""Where frames are lost, doubled or reordered on their way: what each place that they pass has counted.

Law: the sender numbers, the receiver tells what it misses, and every place in between counts for itself: the kernel in
front of an adapter, the adapter's hardware, the kernel behind it. What the receiver misses and no place has counted is
lost in the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.scenarios.networks import inside

if TYPE_CHECKING:
    from emulator.testing import Nic
    from tests.scenarios.datagrams import Flow
    from tests.scenarios.networks import Networks

KERNEL: Final = Path("/proc/thread-self/net")
DROPPED: Final = "dropped by the kernel in front of it, whose queue was full"
RETRANSMITTED: Final = "segments sent again"
OUT_OF_ORDER: Final = "segments received out of order"
_TRANSMIT_DROPS: Final = 11
"""Of the numbers of an interface in /proc/net/dev; the kernel transmits what the adapter receives."""
_RECEIVE_DROPS: Final = 3
_OF_ADAPTERS: Final = {
    "receive_discards": "received while the driver did not receive",
    "receive_errors": "too long for their buffers",
    "send_errors": "refused by the wire",
}
_OF_KERNELS: Final = {
    "Ip InHdrErrors": "with a bad header behind it",
    "Udp InCsumErrors": "datagrams with a bad checksum behind it",
    "Tcp InCsumErrors": "segments with a bad checksum behind it",
    "Udp RcvbufErrors": "datagrams that found no room in their socket",
    "Tcp RetransSegs": RETRANSMITTED,
    "TcpExt TCPOFOQueue": OUT_OF_ORDER,
}
"""Some older ones lack a counter."""
HARMLESS: Final = {DROPPED, RETRANSMITTED, OUT_OF_ORDER, _OF_KERNELS["Udp RcvbufErrors"]}
"""What a busy computer does outside the machine."""


class Losses:
    """What the places on the way between two networks have counted since it was made."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._before = self._counted()

    def _counted(self) -> dict[str, int]:
        found: dict[str, int] = {}
        adapters = self._networks.machine.statistics().adapters
        for nic in self._networks.nics:
            own = {what: adapters[nic.number][name] for name, what in _OF_ADAPTERS.items()} | _kernel(nic)
            found.update((f"{nic.interface}: {what}", count) for what, count in own.items())
        return found

    def found(self) -> dict[str, int]:
        """What has been counted anywhere, by place and reason; nothing for what has not."""
        now = self._counted()
        return {what: count - self._before[what] for what, count in now.items() if count != self._before[what]}

    def check(self, flows: list[Flow]) -> None:
        """Nothing went wrong in the machine: no more is missing than places outside it have counted, and in order."""
        found = self.found()
        print(self.told(flows))
        assert not {what for what in found if what.partition(": ")[2] not in HARMLESS}, found
        for flow in flows:
            assert flow.wrong == []
        outside = sum(count for what, count in found.items() if what.partition(": ")[2] in HARMLESS)
        assert sum(len(flow.lost) for flow in flows) <= outside, self.told(flows)
        if not any(what.endswith((DROPPED, RETRANSMITTED)) for what in found):
            assert not any(what.endswith(OUT_OF_ORDER) for what in found), found

    def told(self, flows: list[Flow]) -> str:
        """A line for each flow, and one for each place that has counted something."""
        lines = [
            f"flow {number}: {flow.sent:,} sent, {len(flow.lost):,} lost, {len(flow.doubled):,} doubled, "
            f"{len(flow.reordered):,} reordered, {len(flow.damaged):,} damaged"
            for number, flow in enumerate(flows)
        ]
        return "\n".join([*lines, *(f"{what}: {count:,}" for what, count in self.found().items())])


def _kernel(nic: Nic) -> dict[str, int]:
    """What the kernel of an adapter's network has counted."""
    counted: dict[str, int] = {}
    with inside(nic):
        for file in ("snmp", "netstat"):
            lines = (KERNEL / file).read_text(encoding="ascii").splitlines()
            for named, numbered in zip(lines[::2], lines[1::2], strict=True):
                group = named.partition(":")[0]
                pairs = zip(named.split()[1:], numbered.split()[1:], strict=True)
                counted.update((f"{group} {name}", int(number)) for name, number in pairs)
        devices = (KERNEL / "dev").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in devices if line.strip().startswith(f"{nic.interface}:"))
    numbers = line.partition(":")[2].split()
    return {what: counted.get(name, 0) for name, what in _OF_KERNELS.items()} | {
        DROPPED: int(numbers[_TRANSMIT_DROPS]),
        "dropped by the kernel behind it": int(numbers[_RECEIVE_DROPS]),
    }
