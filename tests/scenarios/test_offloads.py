"""Large TCP frames from one kernel to another, through TAP, netvmini, ndislwf, bridge, netvmini and TAP."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from emulator.ndis.headers import receive_scale_structures as rss
from tests.scenarios.networks import ADDRESSES, Networks, stream
from tests.scenarios.scaling import expected, parameters
from tests.vnic.test_toeplitz import ipv4, segment

if TYPE_CHECKING:
    from emulator.testing import Lab

pytestmark = pytest.mark.tap
MEGABYTES = 8
TABLE: Final = (0, 1)
TCP4: Final = rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_TCP_IPV4 | rss.NdisHashFunctionToeplitz
LARGE: Final = re.compile("large: processor ([0-9]+) kind (0x[0-9a-f]+) hash (0x[0-9a-f]+) segments")


def test_tcp_crosses_in_large_frames_and_arrives_as_it_was_sent(lab: Lab) -> None:
    networks = Networks(lab, offloads=True)
    for reverse in (False, True):
        assert stream(networks, networks.nics[1], MEGABYTES, reverse=reverse)
    networks.settled()
    for adapter in networks.machine.statistics().adapters:
        assert adapter["received_bytes"] > MEGABYTES << 20
        assert adapter["received_bytes"] / adapter["received"] > 3000
        assert adapter["receive_errors"] == adapter["send_errors"] == 0


def carried(port: int, reverse: bool) -> tuple[int, int, int]:
    """Processor, kind and hash of the data of a connection from this port to the same one."""
    source, destination = reversed(ADDRESSES) if reverse else ADDRESSES
    return expected(ipv4(segment(port, port), source=source, destination=destination), TABLE, TCP4)


def test_large_frames_of_several_connections_come_to_their_processors(lab: Lab) -> None:
    networks = Networks(
        lab,
        offloads=True,
        processors=2,
        queues=2,
        messages=2,
        filters="tests.scenarios.drivers.tells_processors",
    )
    for nic in networks.nics:
        nic.oid_set("OID_GEN_RECEIVE_SCALE_PARAMETERS", parameters(TABLE, information=TCP4))
    flows: dict[tuple[int, int, int], tuple[int, bool]] = {}
    for reverse in (False, True):
        for processor in TABLE:
            ports = range(20_000 + 1000 * reverse, 21_000 + 1000 * reverse)
            port = next(port for port in ports if carried(port, reverse)[0] == processor)
            flows[carried(port, reverse)] = port, reverse

    def moved(flow: tuple[int, bool]) -> bool:
        port, reverse = flow
        return stream(networks, networks.nics[1], MEGABYTES // 4, reverse=reverse, ports=(port, port))

    with ThreadPoolExecutor(len(flows)) as threads:
        assert all(threads.map(moved, flows.values()))
    networks.settled()
    for adapter in networks.machine.statistics().adapters:
        assert adapter["receive_errors"] == adapter["send_errors"] == 0
    told = {tuple(int(part, 0) for part in found) for found in LARGE.findall("\n".join(lab.log.texts()))}
    assert told == {(processor, kind & ~rss.NDIS_HASH_FUNCTION_MASK, value) for processor, kind, value in flows}
