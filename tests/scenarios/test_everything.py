"""Everything that makes frames fast, at once: what is sent arrives, each frame once, undamaged and in its order.

Law: TCP and UDP by iperf3 both ways, a file with its checksum, and flows of numbered datagrams beside them. Adapters
with several queues scale receive, by tables that change meanwhile. What is missing in the end was counted by the kernel
in front of an adapter or behind it, and never by the machine.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from emulator.ndis.headers import receive_scale_structures as rss
from tests.scenarios.datagrams import Exchange
from tests.scenarios.losses import Losses
from tests.scenarios.networks import IPERF, Networks, measure, stream
from tests.scenarios.scaling import parameters

if TYPE_CHECKING:
    from emulator.testing import Lab

pytestmark = pytest.mark.tap
FILTERS: Final = ["ndislwf", "tests.drivers.second_lwf"]
POLLED: Final = "tests.scenarios.drivers.poll_mode"
GIBIBYTE: Final = 1024
FEW: Final = 4
"""Datagrams of a flow that are under way: they look at the way of the rest, and leave it the room."""
MACHINES: Final[dict[str, dict[str, Any]]] = {
    "checked, offloads": {"offloads": True},
    "checked, offloads, 2 processors": {"offloads": True, "processors": 2},
    "free, offloads, 2 processors": {"offloads": True, "processors": 2, "checked": False},
    "checked, 2 queues, 2 processors": {"queues": 2, "messages": 5, "processors": 2},
    "free, 2 queues, 2 processors": {"queues": 2, "messages": 5, "processors": 2, "checked": False},
    "checked, offloads, 2 queues": {"offloads": True, "queues": 2, "messages": 5, "processors": 2},
    "checked, poll mode, 2 processors": {"miniport": POLLED, "processors": 2},
    "free, poll mode": {"miniport": POLLED, "checked": False},
    "checked, offloads, poll mode, 2 processors": {"miniport": POLLED, "offloads": True, "processors": 2},
}
"""The driver in poll mode serves one queue."""
SAMPLED: Final = (
    "checked, offloads, 2 queues",
    "free, 2 queues, 2 processors",
    "checked, offloads, poll mode, 2 processors",
)
HASHES: Final = rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_TCP_IPV4 | rss.NDIS_HASH_UDP_IPV4 | rss.NdisHashFunctionToeplitz
TABLES: Final = ((0, 1), (1, 0))
"""Of processors, one for each way of the file."""


def everything(lab: Lab, options: dict[str, Any], *, file: int, iperf: int, flows: int) -> None:
    """A file of so many megabytes there, a quarter of it back, so many each way by iperf3, flows of datagrams."""
    networks = Networks(lab, filters=FILTERS, **options)
    server = networks.nics[1]
    losses = Losses(networks)
    with Exchange(networks, flows, FEW) as exchange:
        for reverse, size in ((False, file), (True, max(1, file // 4))):
            if options.get("queues"):  # bridge asks for no scaling
                scale(networks, TABLES[reverse])
            began = time.monotonic()
            assert stream(networks, server, size, reverse=reverse)
            print(f"{size} MiB in {time.monotonic() - began:.1f} s, their checksum right")
            if IPERF and iperf:
                tcp = measure(networks, server, iperf, udp=False, reverse=reverse)["sum_received"]
                udp = measure(networks, server, iperf // 4, udp=True, reverse=reverse)["sum"]
                lost = f"UDP {udp['lost_packets']} of {udp['packets']} lost"
                print(f"TCP {tcp['bits_per_second'] / 1e6:.0f} Mbit/s; {lost}")
        exchange.wait_for(20)
    networks.settled()
    losses.check(exchange.flows)
    if not options.get("offloads"):  # else frames are put together and cut on the way
        assert networks.lost_inside() == {}


def scale(networks: Networks, table: tuple[int, ...]) -> None:
    """Spread the flows of both adapters over processors, whatever is under way."""
    for nic in networks.nics:
        nic.oid_set("OID_GEN_RECEIVE_SCALE_PARAMETERS", parameters(table, information=HASHES))


@pytest.mark.parametrize("machine", SAMPLED)
def test_a_sample_of_everything_at_once(lab: Lab, machine: str) -> None:
    everything(lab, MACHINES[machine], file=2, iperf=0, flows=2)


@pytest.mark.soak
@pytest.mark.parametrize("machine", MACHINES)
def test_a_gibibyte_through_everything_at_once(lab: Lab, machine: str) -> None:
    everything(lab, MACHINES[machine], file=GIBIBYTE, iperf=100, flows=3)
