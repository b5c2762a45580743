"""Live machines on a cable with lightweight filters between netvmini and the protocol: floods, pauses, a clean end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.patience import DEADLINE
from tests.scenarios.traffic import (
    HELLO,
    MINIPORT,
    RESPONDER,
    drain,
    echo,
    frame,
    free_buffers,
    pause_and_restart_under_traffic,
    settled,
)

if TYPE_CHECKING:
    from emulator.testing import Lab

FILTER = "sample_drivers.ndislwf"
SECOND = "tests.drivers.second_lwf"


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "free"])
@pytest.mark.parametrize("filters", [[FILTER], [FILTER, SECOND]], ids=["one", "two"])
def test_a_flood_goes_through_the_filters_without_loss(lab: Lab, filters: list[str], checked: bool) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=filters, checked=checked)
    before = free_buffers(nic)
    assert echo(nic, (frame(nic, number) for number in range(2000)), window=128) == 2000
    settled(nic, before)
    counted = nic.counters
    assert (counted["received"], counted["sent"]) == (2000, 2000)
    assert counted["receive_no_buffer"] == counted["receive_errors"] == counted["send_errors"] == 0


def test_two_filters_pause_and_restart_under_traffic(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER, SECOND], processors=2)
    pause_and_restart_under_traffic(nic)


def test_halt_and_start_again_with_filters_and_two_adapters(lab: Lab) -> None:
    first, second = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER, SECOND], adapters=2).machine.nics
    for number in range(100):
        first.send(frame(first, number))
    first.halt()
    drain(first)
    assert echo(second, (frame(second, n) for n in range(50))) == 50
    first.start()
    assert echo(first, (frame(first, n) for n in range(50))) == 50


def test_a_cable_torn_out_passes_the_filters_as_an_event(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER, SECOND])
    echo(nic, [frame(nic, 1)])
    nic.link(False)
    nic.wait_carrier(False)
    nic.link(True)
    nic.wait_carrier(True)
    echo(nic, [frame(nic, 2)])
    nic.remove()
    lab.log.wait_for("was taken away")


def test_pings_are_answered_through_two_filters(lab: Lab) -> None:
    scapy = pytest.importorskip("scapy.all")
    nic = lab.start(MINIPORT, protocol=RESPONDER, filters=[FILTER, SECOND])
    source = {"src": "02:00:00:00:00:02"}
    request = scapy.ARP(op="who-has", hwsrc=source["src"], psrc=nic.address, pdst=nic.peer)
    answer = nic.srp1(scapy.Ether(dst="ff:ff:ff:ff:ff:ff", **source) / request)
    assert answer[scapy.ARP].hwsrc == nic.mac
    for sequence in range(20):
        ping = scapy.Ether(dst=nic.mac, **source) / scapy.IP(src=nic.address, dst=nic.peer)
        answer = nic.srp1(ping / scapy.ICMP(id=7, seq=sequence) / b"as it came")
        assert (answer[scapy.ICMP].type, answer[scapy.ICMP].seq) == (0, sequence)


def test_a_filter_leaves_the_data_path_while_frames_come(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=["tests.scenarios.drivers.leaves_the_path", FILTER])
    nic.send(frame(nic, 0))
    lab.log.wait_for("the restart was asked for: 0x0")
    lab.log.wait_for("out of the path after 1 frames")
    nic.pause()  # the host's operations wait for the drivers' wishes
    nic.restart()
    drain(nic)
    assert echo(nic, (frame(nic, number) for number in range(1, 200)), window=16) == 199
    nic.halt()
    lab.log.wait_for("1 frames in all")


@pytest.mark.tap
def test_the_kernel_s_pings_flood_through_two_filters(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, filters=[FILTER, SECOND], wire="tap", processors=2)
    before = free_buffers(nic)
    result = nic.ping(count=2000, sizes=(56, 1000), window=64, timeout=DEADLINE)
    assert result.clean, str(result)
    settled(nic, before)
